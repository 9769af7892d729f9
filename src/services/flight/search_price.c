/* What a flight costs a party, and a trip as an offer. Both add the same rounded parts, so the
 * total that trips are ranked by is the total of the offer to the last unit. */
#include <stddef.h>

#include "base/check.h"
#include "services/flight/internal.h"

static struct fare_units units_of(const struct search *s, const struct search_flight *f,
                                  unsigned brand)
{
    const struct fare_bucket *bucket = &s->reference->buckets[s->cabin][f->bucket];
    return fare_units(f->base_minor, bucket->price_permille,
                      s->reference->brands[s->brand_first + brand].price_permille, s->fx,
                      &s->party);
}

/* Calls @fn for each tax on a departure. */
static void each_tax(const struct search *s, const struct itinerary_flight *leg,
                     void (*fn)(void *ctx, const struct reference_tax *tax, int64_t unit_minor),
                     void *ctx)
{
    const struct reference *r = s->reference;
    const struct reference_airport *origin = &r->airports[leg->origin];
    unsigned count = (unsigned)r->tax_everywhere + origin->tax_count;
    for (unsigned i = 0; i < count; i++) {
        const struct reference_tax *tax =
            i < r->tax_everywhere ? &r->taxes[i]
                                  : &r->taxes[origin->tax_first + i - r->tax_everywhere];
        if (!tax->international_only || leg->international)
            fn(ctx, tax, fare_convert(s->fx, tax->amount_minor));
    }
}

static void add_up(void *ctx, const struct reference_tax *tax, int64_t unit_minor)
{
    (void)tax;
    *(int64_t *)ctx += unit_minor;
}

void search_price_flight(const struct search *s, const struct search_flight *f,
                         struct itinerary_flight *leg)
{
    int64_t tax_minor = 0;
    each_tax(s, leg, add_up, &tax_minor);
    const struct passenger_mix *p = &s->party;
    const unsigned counts[FARE_TYPES] = {p->adults, p->children, p->lap_infants, p->seat_infants};
    for (unsigned brand = 0; brand < s->brand_count; brand++) {
        struct fare_units units = units_of(s, f, brand);
        leg->total_minor[brand] = tax_minor * s->seats;
        for (unsigned i = 0; i < FARE_TYPES; i++)
            leg->total_minor[brand] += units.minor[i] * counts[i];
    }
}

struct tax_taker {
    struct offer *offer;
    uint32_t keys[OFFER_TAXES_MAX]; /* of its taxes */
    bool full;
};

/* Up to @max letters into zeros: not worth a call. */
static inline void copy_code(char *to, const char *from, size_t max)
{
    for (size_t i = 0; i < max && from[i] != '\0'; i++)
        to[i] = from[i];
}

/* The same tax of two departures is one line. */
static void take_tax(void *ctx, const struct reference_tax *tax, int64_t unit_minor)
{
    struct tax_taker *taker = ctx;
    struct offer *o = taker->offer;
    uint8_t i = 0;
    while (i < o->tax_count && taker->keys[i] != tax->key)
        i++;
    if (i == OFFER_TAXES_MAX) {
        taker->full = true;
        return;
    }
    struct offer_tax *t = &o->taxes[i];
    if (i == o->tax_count) {
        taker->keys[o->tax_count++] = tax->key;
        memset(t, 0, sizeof *t);
        copy_code(t->country, tax->country, sizeof t->country - 1);
        copy_code(t->code, tax->code, sizeof t->code - 1);
        t->refundable = tax->refundable;
    }
    t->unit_minor += unit_minor;
}

static void add_segment(const struct search *s, const struct search_flight *f,
                        const struct itinerary_flight *leg, unsigned slice, int64_t fare_minor,
                        struct offer *o)
{
    const struct reference_airport *airports = s->reference->airports;
    struct offer_segment *g = &o->segments[o->segment_count++];
    memset(g, 0, sizeof *g);
    g->flight_id = f->departure.flight_id;
    memcpy(g->carrier, f->departure.carrier, sizeof g->carrier);
    copy_code(g->origin, airports[leg->origin].iata, sizeof g->origin - 1);
    copy_code(g->destination, airports[leg->destination].iata, sizeof g->destination - 1);
    memcpy(g->aircraft, f->departure.aircraft, sizeof g->aircraft);
    g->booking_class = s->reference->buckets[s->cabin][f->bucket].booking_class;
    g->number = f->departure.number;
    g->departure_s = leg->departure_s;
    g->arrival_s = leg->arrival_s;
    g->departure_offset_min = leg->departure_offset_min;
    g->arrival_offset_min = leg->arrival_offset_min;
    g->slice = (uint8_t)slice;
    g->distance_km = f->departure.distance_km;
    g->fare_minor = fare_minor;
}

static void fill_head(const struct search *s, unsigned brand, struct offer *o)
{
    const struct reference_brand *b = &s->reference->brands[s->brand_first + brand];
    o->cabin = s->cabin;
    o->brand = (uint8_t)(s->brand_first + brand);
    o->brand_key = b->key;
    o->terms = b->terms;
    o->adults = (uint8_t)s->party.adults;
    o->children = (uint8_t)s->party.children;
    o->lap_infants = (uint8_t)s->party.lap_infants;
    o->seat_infants = (uint8_t)s->party.seat_infants;
    o->bookable_seats = OFFER_SEATS_SHOWN_MAX;
    memcpy(o->currency, s->fx->currency, sizeof o->currency);
    if (strcmp(s->fx->currency, FARE_FILED_CURRENCY) != 0) {
        o->fx_rate_micro = s->fx->rate_micro;
        o->fx_quote_s = fare_fx_quote_s;
    }
}

static void add_flight(const struct search *s, size_t flight, unsigned slice, unsigned brand,
                       struct tax_taker *taker)
{
    const struct search_flight *f = &s->flights[flight];
    const struct itinerary_flight *leg = &s->legs[flight];
    struct offer *o = taker->offer;
    struct fare_units units = units_of(s, f, brand);
    for (unsigned type = PASSENGER_ADULT; type <= PASSENGER_INFANT_IN_SEAT; type++)
        if (offer_count_of(o, type) > 0)
            o->unit_minor[type - 1] += units.minor[type - 1];
    each_tax(s, leg, take_tax, taker);
    add_segment(s, f, leg, slice, units.minor[PASSENGER_ADULT - 1], o);
    if (f->seats_left < o->bookable_seats)
        o->bookable_seats = (uint8_t)f->seats_left;
    int64_t close_s = f->close_us / US_PER_S;
    if (close_s < o->close_s)
        o->close_s = close_s;
}

bool search_make_offer(const struct search *s, const struct itinerary_trip *trip, int64_t expire_s,
                       struct offer *ret_offer)
{
    /* There is room for far more taxes and segments than there are: each begins when it is added.
     */
    memset(ret_offer, 0, offsetof(struct offer, taxes));
    ret_offer->close_s = INT64_MAX;
    fill_head(s, trip->brand, ret_offer);
    struct tax_taker taker;
    taker.offer = ret_offer;
    taker.full = false;
    for (unsigned k = 0; k < s->slice_count; k++) {
        const struct itinerary_journey *j = &s->trips.slices[k].journeys[trip->journeys[k]];
        for (unsigned leg = 0; leg < j->leg_count; leg++)
            add_flight(s, j->flights[leg], k, trip->brand, &taker);
    }
    if (taker.full)
        return false;
    ret_offer->expire_s = expire_s < ret_offer->close_s ? expire_s : ret_offer->close_s;
    offer_total(ret_offer);
    CHECK(ret_offer->total_minor == trip->total_minor);
    return true;
}
