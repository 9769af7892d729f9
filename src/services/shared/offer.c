/* An offer as bytes, sealed: "offers/" and base64url of 16 bytes of HMAC-SHA256 and the fields in
 * order. Numbers are varints, codes their letters. Search seals, GetOffer, bookings and refunds
 * open. What must stay true: an older layout stays readable for as long as bookings hold names of
 * it (the first byte tells). */
#include "services/shared/offer.h"

#include <errno.h>

#include "base/check.h"
#include "domain/money.h"
#include "services/reference.h"
#include "services/shared/seal.h"

#define LAYOUT 1
#define TAG_BYTES 16
#define BODY_BYTES_MAX 1488
#define SEGMENT_BYTES_MAX 72
#define TAX_BYTES_MAX 14
#define HEAD_BYTES_MAX 128
#define PREFIX "offers/"
#define EPOCH_S INT64_C(1700000000) /* keeps instants short */

static_assert(HEAD_BYTES_MAX + OFFER_TAXES_MAX * TAX_BYTES_MAX +
                      OFFER_SEGMENTS_MAX * SEGMENT_BYTES_MAX <=
                  BODY_BYTES_MAX + 64,
              "fields fit");
static_assert(sizeof PREFIX + BASE64URL_LEN(TAG_BYTES + BODY_BYTES_MAX) <= 2048,
              "GetOffer takes names up to 2048");

/* ---- writing ---- */

static uint8_t *put_number(uint8_t *p, uint64_t value)
{
    for (; value >= 0x80; value >>= 7)
        *p++ = (uint8_t)(value | 0x80);
    *p++ = (uint8_t)value;
    return p;
}

static uint8_t *put_signed(uint8_t *p, int64_t value)
{
    return put_number(p, ((uint64_t)value << 1) ^ (uint64_t)(value >> 63));
}

static uint8_t *put_bytes(uint8_t *p, const void *bytes, size_t n)
{
    memcpy(p, bytes, n);
    return p + n;
}

static uint8_t *put_head(uint8_t *p, const struct offer *o)
{
    *p++ = LAYOUT;
    *p++ = o->cabin;
    *p++ = (uint8_t)o->brand_key;
    *p++ = (uint8_t)(o->brand_key >> 8);
    *p++ = (uint8_t)(o->adults | (o->children << 4));
    *p++ = (uint8_t)(o->lap_infants | (o->seat_infants << 4));
    *p++ = o->bookable_seats;
    *p++ = (uint8_t)((o->terms.refundable ? 1 : 0) | (o->terms.changeable ? 2 : 0));
    p = put_number(p, o->terms.refund_penalty_permille);
    p = put_number(p, o->terms.change_penalty_permille);
    *p++ = o->terms.checked_bags;
    *p++ = o->terms.cabin_bags;
    p = put_bytes(p, o->currency, 3);
    for (unsigned type = PASSENGER_ADULT; type <= PASSENGER_INFANT_IN_SEAT; type++)
        if (offer_count_of(o, type) > 0)
            p = put_signed(p, o->unit_minor[type - 1]);
    p = put_signed(p, o->fx_rate_micro);
    if (o->fx_rate_micro)
        p = put_signed(p, o->fx_quote_s - EPOCH_S);
    return put_signed(p, o->expire_s - EPOCH_S);
}

static uint8_t *put_tax(uint8_t *p, const struct offer_tax *t)
{
    p = put_bytes(p, t->country, 2);
    p = put_bytes(p, t->code, 2);
    return put_number(p, (uint64_t)t->unit_minor << 1 | t->refundable);
}

static uint8_t *put_segment(uint8_t *p, const struct offer_segment *s)
{
    p = put_bytes(p, s->flight_id.b, sizeof s->flight_id.b);
    p = put_bytes(p, s->carrier, 2);
    p = put_bytes(p, s->origin, 3);
    p = put_bytes(p, s->destination, 3);
    p = put_bytes(p, s->aircraft, 3);
    *p++ = (uint8_t)s->booking_class;
    *p++ = s->slice;
    p = put_number(p, s->number);
    p = put_signed(p, s->departure_s - EPOCH_S);
    p = put_signed(p, s->arrival_s - s->departure_s);
    p = put_signed(p, s->departure_offset_min);
    p = put_signed(p, s->arrival_offset_min);
    p = put_number(p, s->distance_km);
    return put_signed(p, s->fare_minor);
}

static void tag_make(const struct app_keys *keys, struct str body,
                     uint8_t ret_tag[static SEAL_BYTES])
{
    const struct str parts[] = {STR("offer"), body};
    seal_mac(keys->offer, parts, 2, ret_tag);
}

struct str offer_seal(const struct app *app, struct arena *arena, const struct offer *o)
{
    CHECK(o->segment_count >= 1 && o->segment_count <= OFFER_SEGMENTS_MAX);
    CHECK(o->tax_count <= OFFER_TAXES_MAX);
    uint8_t sealed[TAG_BYTES + BODY_BYTES_MAX + 64], tag[SEAL_BYTES];
    uint8_t *body = sealed + TAG_BYTES, *p = put_head(body, o);
    *p++ = o->tax_count;
    for (uint8_t i = 0; i < o->tax_count; i++)
        p = put_tax(p, &o->taxes[i]);
    *p++ = o->segment_count;
    for (uint8_t i = 0; i < o->segment_count; i++)
        p = put_segment(p, &o->segments[i]);
    size_t body_bytes = (size_t)(p - body);
    CHECK(body_bytes <= BODY_BYTES_MAX);
    tag_make(app->keys, str_bytes(body, body_bytes), tag);
    memcpy(sealed, tag, TAG_BYTES);
    size_t text_n = BASE64URL_LEN(TAG_BYTES + body_bytes);
    char *name = arena_alloc(arena, sizeof PREFIX + text_n);
    memcpy(name, PREFIX, sizeof PREFIX - 1);
    base64url_encode(sealed, TAG_BYTES + body_bytes, name + sizeof PREFIX - 1);
    return (struct str){.p = name, .n = sizeof PREFIX - 1 + text_n};
}

/* ---- reading ---- */

struct reader {
    const uint8_t *p;
    const uint8_t *end;
    bool bad;
};

static uint64_t get_number(struct reader *r)
{
    uint64_t value = 0;
    for (unsigned shift = 0; shift < 64; shift += 7) {
        if (r->p == r->end)
            break;
        uint8_t byte = *r->p++;
        value |= (uint64_t)(byte & 0x7F) << shift;
        if (byte < 0x80)
            return value;
    }
    r->bad = true;
    return 0;
}

static int64_t get_signed(struct reader *r)
{
    uint64_t value = get_number(r);
    return (int64_t)(value >> 1) ^ -(int64_t)(value & 1);
}

static void get_bytes(struct reader *r, void *ret, size_t n)
{
    if ((size_t)(r->end - r->p) < n) {
        r->bad = true;
        r->p = r->end;
        return;
    }
    memcpy(ret, r->p, n);
    r->p += n;
}

static uint8_t get_byte(struct reader *r)
{
    uint8_t byte = 0;
    get_bytes(r, &byte, 1);
    return byte;
}

static void get_head(struct reader *r, struct offer *o)
{
    r->bad = r->bad || get_byte(r) != LAYOUT;
    o->cabin = get_byte(r);
    o->brand_key = get_byte(r);
    o->brand_key = (uint16_t)(o->brand_key | get_byte(r) << 8);
    uint8_t pair = get_byte(r);
    o->adults = pair & 15;
    o->children = pair >> 4;
    pair = get_byte(r);
    o->lap_infants = pair & 15;
    o->seat_infants = pair >> 4;
    o->bookable_seats = get_byte(r);
    uint8_t flags = get_byte(r);
    o->terms.refundable = flags & 1;
    o->terms.changeable = flags & 2;
    o->terms.refund_penalty_permille = (uint16_t)get_number(r);
    o->terms.change_penalty_permille = (uint16_t)get_number(r);
    o->terms.checked_bags = get_byte(r);
    o->terms.cabin_bags = get_byte(r);
    get_bytes(r, o->currency, 3);
    for (unsigned type = PASSENGER_ADULT; type <= PASSENGER_INFANT_IN_SEAT; type++)
        if (offer_count_of(o, type) > 0)
            o->unit_minor[type - 1] = get_signed(r);
    o->fx_rate_micro = get_signed(r);
    if (o->fx_rate_micro)
        o->fx_quote_s = get_signed(r) + EPOCH_S;
    o->expire_s = get_signed(r) + EPOCH_S;
}

static void get_tax(struct reader *r, struct offer_tax *t)
{
    get_bytes(r, t->country, 2);
    get_bytes(r, t->code, 2);
    uint64_t value = get_number(r);
    t->refundable = value & 1;
    t->unit_minor = (int64_t)(value >> 1);
}

static void get_segment(struct reader *r, struct offer_segment *s)
{
    get_bytes(r, s->flight_id.b, sizeof s->flight_id.b);
    get_bytes(r, s->carrier, 2);
    get_bytes(r, s->origin, 3);
    get_bytes(r, s->destination, 3);
    get_bytes(r, s->aircraft, 3);
    s->booking_class = (char)get_byte(r);
    s->slice = get_byte(r);
    s->number = (uint16_t)get_number(r);
    s->departure_s = get_signed(r) + EPOCH_S;
    s->arrival_s = get_signed(r) + s->departure_s;
    s->departure_offset_min = (int16_t)get_signed(r);
    s->arrival_offset_min = (int16_t)get_signed(r);
    s->distance_km = (uint16_t)get_number(r);
    s->fare_minor = get_signed(r);
}

void offer_total(struct offer *o)
{
    int64_t tax = 0;
    for (uint8_t i = 0; i < o->tax_count; i++)
        tax += o->taxes[i].unit_minor;
    o->tax_minor = tax * offer_seats(o);
    o->base_minor = 0;
    for (unsigned type = PASSENGER_ADULT; type <= PASSENGER_INFANT_IN_SEAT; type++)
        o->base_minor += o->unit_minor[type - 1] * offer_count_of(o, type);
    o->total_minor = o->base_minor + o->tax_minor;
}

static int parse(struct str body, struct offer *o)
{
    struct reader r = {.p = (const uint8_t *)body.p, .end = (const uint8_t *)body.p + body.n};
    get_head(&r, o);
    o->tax_count = get_byte(&r);
    if (r.bad || o->tax_count > OFFER_TAXES_MAX)
        return -EINVAL;
    for (uint8_t i = 0; i < o->tax_count; i++)
        get_tax(&r, &o->taxes[i]);
    o->segment_count = get_byte(&r);
    if (r.bad || o->segment_count < 1 || o->segment_count > OFFER_SEGMENTS_MAX)
        return -EINVAL;
    for (uint8_t i = 0; i < o->segment_count; i++)
        get_segment(&r, &o->segments[i]);
    return r.bad || r.p != r.end ? -EINVAL : 0;
}

struct sealed {
    uint8_t bytes[TAG_BYTES + BODY_BYTES_MAX];
    struct str body;
};

static int unwrap(struct str name, struct sealed *ret)
{
    size_t bytes = 0;
    if (!str_skip(&name, STR(PREFIX)) ||
        base64url_decode(name, sizeof ret->bytes, ret->bytes, &bytes) < 0 || bytes <= TAG_BYTES)
        return -EINVAL;
    ret->body = str_bytes(ret->bytes + TAG_BYTES, bytes - TAG_BYTES);
    return 0;
}

static int read_body(const struct app *app, struct str body, struct offer *ret_offer)
{
    *ret_offer = (struct offer){.close_s = INT64_MAX};
    if (parse(body, ret_offer) < 0)
        return -EINVAL;
    ret_offer->brand = reference_brand_of_key(app->reference, ret_offer->brand_key);
    offer_total(ret_offer);
    return 0;
}

static bool is_ours(const struct app *app, const struct sealed *sealed)
{
    uint8_t tag[SEAL_BYTES];
    for (unsigned i = 0; i < app->secret_count; i++) {
        tag_make(&app->keys[i], sealed->body, tag);
        if (str_eq_secret(str_bytes(tag, TAG_BYTES), str_bytes(sealed->bytes, TAG_BYTES)))
            return true;
    }
    return false;
}

int offer_open(const struct app *app, struct str name, struct offer *ret_offer)
{
    struct sealed sealed;
    if (unwrap(name, &sealed) < 0 || !is_ours(app, &sealed))
        return -EINVAL;
    return read_body(app, sealed.body, ret_offer);
}

int offer_open_sold(const struct app *app, struct str name, struct offer *ret_offer)
{
    struct sealed sealed;
    return unwrap(name, &sealed) < 0 ? -EINVAL : read_body(app, sealed.body, ret_offer);
}

int64_t offer_hold_until_s(const struct app *app, const struct offer *o)
{
    int64_t until_s = clock_wall_ns(app->clock) / NS_PER_S + app->limits.hold_seconds;
    return until_s < o->segments[0].departure_s ? until_s : 0;
}

void offer_refund(const struct app *app, const struct offer *o, int64_t captured_minor,
                  int64_t booked_s, int64_t now_s, int64_t *ret_refund_minor,
                  int64_t *ret_penalty_minor)
{
    (void)app; /* the terms are the offer's own: a change of brands does not reach what was sold */
    struct fare_refund_question q = {
        .base_minor = o->base_minor,
        .captured_minor = captured_minor,
        .departure_s = o->segments[0].departure_s,
        .booked_s = booked_s,
        .now_s = now_s,
        .exponent = money_exponent(str_of(o->currency)),
    };
    for (uint8_t i = 0; i < o->tax_count; i++)
        if (o->taxes[i].refundable)
            q.refundable_tax_minor += o->taxes[i].unit_minor * offer_seats(o);
    *ret_refund_minor = fare_refund(&o->terms, &q);
    *ret_penalty_minor = captured_minor - *ret_refund_minor;
}
