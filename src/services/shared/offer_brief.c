/* An offer in OFFER_VIEW_BASIC as bytes on the wire. Searches send dozens of them, and messages
 * made only to be packed were a quarter of a search. Written from the end to the start, so that
 * every length is known when its turn comes. What must stay true: the bytes are those of
 * offer_message's message without what the basic view leaves out; a test compares them. */
#include <assert.h>
#include <stddef.h>

#include "base/check.h"
#include "base/text.h"
#include "grpc/pb_put.h"
#include "services/reference.h"
#include "services/shared/local_time.h"
#include "services/shared/money.h"
#include "services/shared/names.h"
#include "services/shared/offer.h"
#include "services/shared/seal.h"

#define NAME_BYTES_MAX 2048
#define SEGMENT_BYTES_MAX 512
#define HEAD_BYTES_MAX 512

/* As the .proto numbers them. */
enum { OFFER_NAME = 1, OFFER_JOURNEYS, OFFER_PRICE, OFFER_SEATS = 5, OFFER_EXPIRE_TIME };
enum { JOURNEY_SEGMENTS = 1, JOURNEY_DURATION, JOURNEY_BRAND, JOURNEY_DAYS = 5 };
enum {
    SEGMENT_FLIGHT = 1,
    SEGMENT_MARKETING_CARRIER,
    SEGMENT_OPERATING_CARRIER,
    SEGMENT_NUMBER,
    SEGMENT_ORIGIN,
    SEGMENT_DESTINATION,
    SEGMENT_CABIN,
    SEGMENT_CLASS,
    SEGMENT_FARE_BASIS,
    SEGMENT_DEPARTURE,
    SEGMENT_ARRIVAL,
    SEGMENT_LOCAL_DEPARTURE,
    SEGMENT_LOCAL_ARRIVAL,
    SEGMENT_DURATION,
    SEGMENT_AIRCRAFT = 17,
};
enum { LOCAL_TEXT = 1, LOCAL_OFFSET, LOCAL_ZONE };
enum { PRICE_BASE = 1, PRICE_TOTAL = 4 };
enum { INSTANT_SECONDS = 1 };

/* A timestamp or a duration. */
PB_HOT uint8_t *put_seconds(uint8_t *p, unsigned field, int64_t seconds)
{
    const uint8_t *end = p;
    return pb_put_around(pb_put_number(p, INSTANT_SECONDS, seconds), field, end);
}

/* ---- journeys ---- */

static uint8_t *put_local(uint8_t *p, unsigned field, int64_t utc_s, int16_t offset_min,
                          const struct reference_airport *airport)
{
    char text[LOCAL_TEXT_BYTES];
    const uint8_t *end = p;
    local_time_text(utc_s + offset_min * 60, text);
    if (airport)
        p = pb_put_text(p, LOCAL_ZONE, str_of(airport->zone_name));
    p = pb_put_number(p, LOCAL_OFFSET, offset_min);
    p = pb_put_text(p, LOCAL_TEXT, str_bytes(text, LOCAL_TEXT_BYTES - 1));
    return pb_put_around(p, field, end);
}

static uint8_t *put_times(uint8_t *p, const struct offer_segment *s,
                          const struct reference_airport *origin,
                          const struct reference_airport *destination)
{
    p = put_seconds(p, SEGMENT_DURATION, s->arrival_s - s->departure_s);
    p = put_local(p, SEGMENT_LOCAL_ARRIVAL, s->arrival_s, s->arrival_offset_min, destination);
    p = put_local(p, SEGMENT_LOCAL_DEPARTURE, s->departure_s, s->departure_offset_min, origin);
    p = put_seconds(p, SEGMENT_ARRIVAL, s->arrival_s);
    return put_seconds(p, SEGMENT_DEPARTURE, s->departure_s);
}

/* Behind the fare basis. */
static uint8_t *put_tail(uint8_t *p, const struct offer_segment *s,
                         const struct reference_airport *origin,
                         const struct reference_airport *destination)
{
    return put_times(pb_put_code(p, SEGMENT_AIRCRAFT, s->aircraft), s, origin, destination);
}

/* Before it. */
static uint8_t *put_head(uint8_t *p, uint8_t cabin, const struct offer_segment *s)
{
    char number[2 + TEXT_DECIMAL_MAX];
    memcpy(number, s->carrier, 2);
    p = pb_put_text(p, SEGMENT_CLASS, str_bytes(&s->booking_class, 1));
    p = pb_put_number(p, SEGMENT_CABIN, cabin);
    p = pb_put_code(p, SEGMENT_DESTINATION, s->destination);
    p = pb_put_code(p, SEGMENT_ORIGIN, s->origin);
    p = pb_put_text(p, SEGMENT_NUMBER,
                    str_bytes(number, (size_t)(text_decimal(number + 2, s->number) - number)));
    p = pb_put_code(p, SEGMENT_OPERATING_CARRIER, s->carrier);
    p = pb_put_code(p, SEGMENT_MARKETING_CARRIER, s->carrier);
    return name_put(p, SEGMENT_FLIGHT, STR("flights"), s->flight_id);
}

/* A segment's bytes: they are those of its flight, but for the fare basis. */
struct brief_segment {
    struct offer_segment of;
    uint8_t cabin;
    const char *country; /* of departure */
    struct str head, tail;
};

#define FLIGHT_PART offsetof(struct offer_segment, fare_minor)
static_assert(FLIGHT_PART + sizeof(int64_t) == sizeof(struct offer_segment),
              "the fare, which the bytes say nothing of, is the last of a segment");

static const struct brief_segment *known_segment(const struct offer_brief_known *known,
                                                 uint8_t cabin, const struct offer_segment *s)
{
    for (unsigned i = 0; i < known->count; i++) {
        const struct brief_segment *k = known->segments[i];
        if (uuid_eq(k->of.flight_id, s->flight_id) && memcmp(&k->of, s, FLIGHT_PART) == 0 &&
            k->cabin == cabin)
            return k;
    }
    return NULL;
}

static const struct brief_segment *learn_segment(struct offer_brief_known *known,
                                                 const struct app *app, struct arena *arena,
                                                 uint8_t cabin, const struct offer_segment *s)
{
    const struct reference_airport *origin = reference_airport(app->reference, str_of(s->origin));
    const struct reference_airport *destination =
        reference_airport(app->reference, str_of(s->destination));
    uint8_t bytes[SEGMENT_BYTES_MAX], *end = bytes + sizeof bytes;
    uint8_t *tail = put_tail(end, s, origin, destination), *head = put_head(tail, cabin, s);
    struct brief_segment *k = arena_alloc(arena, sizeof *k);
    const char *kept = arena_dup_str(arena, str_bytes(head, (size_t)(end - head))).p;
    *k = (struct brief_segment){.of = *s,
                                .cabin = cabin,
                                .country = origin ? origin->country : "ZZ",
                                .head = {.p = kept, .n = (size_t)(tail - head)},
                                .tail = {.p = kept + (tail - head), .n = (size_t)(end - tail)}};
    if (known->count < OFFER_BRIEF_KNOWN_MAX)
        known->segments[known->count++] = k;
    return k;
}

static uint8_t *put_segment(uint8_t *p, const struct brief_segment *k, const char *brand)
{
    char basis[FARE_BASIS_BYTES];
    const uint8_t *end = p;
    offer_fare_basis(basis, k->of.booking_class, brand, k->country);
    p = pb_put_bytes(p, k->tail);
    p = pb_put_text(p, SEGMENT_FARE_BASIS, str_bytes(basis, FARE_BASIS_BYTES - 1));
    p = pb_put_bytes(p, k->head);
    return pb_put_around(p, JOURNEY_SEGMENTS, end);
}

static uint8_t *put_journey(uint8_t *p, const struct app *app, struct arena *arena,
                            struct offer_brief_known *known, const struct offer *o,
                            const struct offer_segment *first, const struct offer_segment *last)
{
    const struct reference *r = app->reference;
    const char *brand = o->brand < r->brand_count ? r->brands[o->brand].code : NULL;
    const uint8_t *end = p;
    p = pb_put_number(p, JOURNEY_DAYS,
                      local_day(last->arrival_s + last->arrival_offset_min * 60) -
                          local_day(first->departure_s + first->departure_offset_min * 60));
    p = pb_put_text(p, JOURNEY_BRAND, str_of(brand));
    p = put_seconds(p, JOURNEY_DURATION, last->arrival_s - first->departure_s);
    for (const struct offer_segment *s = last; s >= first; s--) {
        const struct brief_segment *k = known_segment(known, o->cabin, s);
        p = put_segment(p, k ? k : learn_segment(known, app, arena, o->cabin, s), brand);
    }
    return pb_put_around(p, OFFER_JOURNEYS, end);
}

static uint8_t *put_journeys(uint8_t *p, const struct app *app, struct arena *arena,
                             struct offer_brief_known *known, const struct offer *o)
{
    const struct offer_segment *last = &o->segments[o->segment_count - 1], *first;
    for (; last >= o->segments; last = first - 1) {
        first = last;
        while (first > o->segments && first[-1].slice == last->slice)
            first--;
        p = put_journey(p, app, arena, known, o, first, last);
    }
    return p;
}

struct str offer_brief(const struct app *app, struct arena *arena, struct offer_brief_known *known,
                       const struct offer *o, struct str name)
{
    uint8_t bytes[HEAD_BYTES_MAX + NAME_BYTES_MAX + OFFER_SEGMENTS_MAX * SEGMENT_BYTES_MAX];
    uint8_t *const end = bytes + sizeof bytes, *p = end;
    CHECK(name.n <= NAME_BYTES_MAX);
    CHECK(o->segment_count >= 1 && o->segment_count <= OFFER_SEGMENTS_MAX);
    p = put_seconds(p, OFFER_EXPIRE_TIME, o->expire_s);
    p = pb_put_number(p, OFFER_SEATS, offer_seats_shown(o));
    const uint8_t *price_end = p;
    p = money_put(p, PRICE_TOTAL, o->total_minor, o->currency);
    p = money_put(p, PRICE_BASE, o->base_minor, o->currency);
    p = pb_put_around(p, OFFER_PRICE, price_end);
    p = put_journeys(p, app, arena, known, o);
    p = pb_put_text(p, OFFER_NAME, name);
    p = pb_varint_before(p, (uint64_t)(end - p));
    return arena_dup_str(arena, str_bytes(p, (size_t)(end - p)));
}
