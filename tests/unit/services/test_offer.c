/* Offers: the seal, the sums, the message. */
#include "services/shared/offer.h"

#include "domain/money.h"
#include "reference_rig.h"
#include "services/flight/internal.h"
#include "services/shared/seal.h"
#include "support/test.h"

static struct arena_pool pool;
static struct arena arena;

static void setup(void)
{
    arena_reset(&arena);
    if (!arena.pool) {
        arena_pool_init(&pool, 64);
        arena_init(&arena, &pool, 64 << 20);
    }
}

/* ---- a search made by hand: two slices, one with a connection over the date line ---- */

#define DEPARTURE_S                                                                                \
    INT64_C(1806174000) /* 27 March 2027 19:00 UTC: London changes its clocks on the way */

static const struct {
    struct departure departure;
    struct departure_sale sale;
} rows[3] = {
    {{.flight_id = {{1}},
      .carrier = "BA",
      .number = 178,
      .departure_s = DEPARTURE_S,
      .arrival_s = DEPARTURE_S + 7 * 3600,
      .departure_offset_min = -240,
      .arrival_offset_min = 60,
      .aircraft = "77W",
      .distance_km = 5540},
     {.authorised = 260,
      .used = 22,
      .base_minor = 37201,
      .close_us = (DEPARTURE_S - 3600) * 1000000}},
    {{.flight_id = {{2}},
      .carrier = "BA",
      .number = 5,
      .departure_s = DEPARTURE_S + 90000,
      .arrival_s = DEPARTURE_S + 133200,
      .departure_offset_min = 60,
      .arrival_offset_min = 540,
      .aircraft = "77W",
      .distance_km = 9580},
     {.authorised = 260, .base_minor = 61303, .close_us = INT64_MAX}},
    {{.flight_id = {{3}},
      .carrier = "QF",
      .number = 12345,
      .departure_s = DEPARTURE_S + 140400,
      .arrival_s = DEPARTURE_S + 165600,
      .departure_offset_min = 540,
      .arrival_offset_min = -600,
      .aircraft = "77W",
      .distance_km = 6140},
     {.authorised = 260, .used = 250, .base_minor = 40099, .close_us = INT64_MAX}},
};

static uint16_t airport(const char *iata)
{
    return (uint16_t)reference_airport_index(rig_reference(), str_of(iata));
}

/* The third flight has ten seats left: parties of up to nine fit. */
static void make_search(struct search *s, struct search_flight *flights,
                        struct itinerary_flight *legs, struct itinerary_journey *journeys,
                        struct passenger_mix party, const char *currency)
{
    const struct reference *r = rig_reference();
    const char *const ends[][2] = {{"JFK", "LHR"}, {"LHR", "NRT"}, {"NRT", "HNL"}};
    *s = (struct search){.reference = r,
                         .party = party,
                         .cabin = 1,
                         .brand_first = 0,
                         .brand_count = 3,
                         .slice_count = 2,
                         .fx = fare_fx_find(str_of(currency)),
                         .flights = flights,
                         .legs = legs,
                         .flight_count = 3};
    s->seats = (int32_t)(party.adults + party.children + party.seat_infants);
    for (unsigned i = 0; i < 3; i++) {
        int32_t left;
        int bucket = fare_bucket_find(r->buckets[1], r->bucket_count[1], rows[i].sale.authorised,
                                      rows[i].sale.used, s->seats, &left);
        ASSERT_TRUE(bucket >= 0);
        flights[i] = (struct search_flight){.departure = rows[i].departure,
                                            .base_minor = rows[i].sale.base_minor,
                                            .close_us = rows[i].sale.close_us,
                                            .bucket = (uint8_t)bucket,
                                            .seats_left = (uint16_t)left};
        legs[i] = (struct itinerary_flight){
            .origin = airport(ends[i][0]),
            .destination = airport(ends[i][1]),
            .international = true,
            .departure_offset_min = rows[i].departure.departure_offset_min,
            .arrival_offset_min = rows[i].departure.arrival_offset_min,
            .departure_s = rows[i].departure.departure_s,
            .arrival_s = rows[i].departure.arrival_s,
            .id = i};
        search_price_flight(s, &flights[i], &legs[i]);
    }
    journeys[0] = itinerary_journey(legs, 0, -1);
    journeys[1] = itinerary_journey(legs, 1, 2);
    s->trips = (struct itinerary_search){.slice_count = 2, .brand_count = 3};
    s->trips.slices[0] = (struct itinerary_slice){.journeys = &journeys[0], .count = 1};
    s->trips.slices[1] = (struct itinerary_slice){.journeys = &journeys[1], .count = 1};
}

static struct offer make_offer(struct passenger_mix party, const char *currency, unsigned brand)
{
    struct search s;
    struct search_flight flights[3];
    struct itinerary_flight legs[3];
    struct itinerary_journey journeys[2];
    struct itinerary_trip trips[3];
    struct offer offer = {0}; /* search leaves the rest of taxes and segments as it was */
    make_search(&s, flights, legs, journeys, party, currency);
    ASSERT_INT_EQ(itinerary_find(&s.trips, NULL, 3, trips), 3);
    for (unsigned i = 0; i < 3; i++)
        if (trips[i].brand == brand)
            ASSERT_TRUE(search_make_offer(&s, &trips[i], rig_now_s + 1800,
                                          &offer)); /* checks the total itself */
    return offer;
}

static const struct passenger_mix family = {
    .adults = 2, .children = 1, .lap_infants = 1, .seat_infants = 1};

/* ---- the seal ---- */

TEST(offer, comes_back_as_it_was_sealed)
{
    setup();
    struct offer offer = make_offer(family, "JPY", 2), opened;
    struct str name = offer_seal(rig_app(), &arena, &offer);
    ASSERT_INT_EQ(offer_open(rig_app(), name, &opened), 0);
    ASSERT_INT_EQ(opened.segment_count, 3);
    ASSERT_INT_EQ(opened.total_minor, offer.total_minor);
    ASSERT_MEM_EQ(opened.taxes, offer.taxes, sizeof offer.taxes);
    for (unsigned i = 0; i < 3; i++) {
        const struct offer_segment *a = &offer.segments[i], *b = &opened.segments[i];
        ASSERT_TRUE(uuid_eq(a->flight_id, b->flight_id));
        ASSERT_STR_EQ(a->carrier, b->carrier);
        ASSERT_STR_EQ(a->origin, b->origin);
        ASSERT_STR_EQ(a->destination, b->destination);
        ASSERT_STR_EQ(a->aircraft, b->aircraft);
        ASSERT_INT_EQ(a->booking_class, b->booking_class);
        ASSERT_INT_EQ(a->number, b->number);
        ASSERT_INT_EQ(a->departure_s, b->departure_s);
        ASSERT_INT_EQ(a->arrival_s, b->arrival_s);
        ASSERT_INT_EQ(a->departure_offset_min, b->departure_offset_min);
        ASSERT_INT_EQ(a->arrival_offset_min, b->arrival_offset_min);
        ASSERT_INT_EQ(a->slice, b->slice);
        ASSERT_INT_EQ(a->distance_km, b->distance_km);
        ASSERT_INT_EQ(a->fare_minor, b->fare_minor);
    }
    ASSERT_INT_EQ(opened.expire_s, offer.expire_s);
    ASSERT_INT_EQ(opened.fx_rate_micro, offer.fx_rate_micro);
    ASSERT_INT_EQ(opened.fx_quote_s, fare_fx_quote_s);
    ASSERT_INT_EQ(opened.brand, offer.brand);
    ASSERT_INT_EQ(opened.bookable_seats, offer.bookable_seats);
    ASSERT_TRUE(opened.terms.refundable && opened.terms.changeable);
    ASSERT_INT_EQ(opened.terms.refund_penalty_permille, 100);
    ASSERT_INT_EQ(opened.adults, 2);
    ASSERT_INT_EQ(opened.lap_infants, 1);
    ASSERT_VIEW_EQ(offer_seal(rig_app(), &arena, &opened), name.p);
}

TEST(offer, is_refused_with_any_character_changed)
{
    setup();
    struct offer offer = make_offer(family, "USD", 0), opened;
    struct str name = offer_seal(rig_app(), &arena, &offer);
    char *copy = arena_dup(&arena, name);
    for (size_t i = 0; i < name.n; i++) {
        copy[i] = name.p[i] == 'A' ? 'B' : 'A';
        ASSERT_TRUE(offer_open(rig_app(), (struct str){.p = copy, .n = name.n}, &opened) < 0);
        copy[i] = name.p[i];
    }
    ASSERT_INT_EQ(offer_open(rig_app(), (struct str){.p = copy, .n = name.n}, &opened), 0);
    for (size_t n = 0; n < name.n; n++)
        ASSERT_TRUE(offer_open(rig_app(), (struct str){.p = name.p, .n = n}, &opened) < 0);
    ASSERT_TRUE(offer_open(rig_app(), str_of(arena_printf(&arena, "%sA", name.p)), &opened) < 0);
}

TEST(offer, of_another_installation_is_refused)
{
    setup();
    struct offer offer = make_offer(family, "USD", 0), opened;
    struct str name = offer_seal(rig_app(), &arena, &offer);
    struct app *app = rig_app();
    app->keys->offer[31] ^= 1;
    ASSERT_TRUE(offer_open(app, name, &opened) < 0);
    ASSERT_INT_EQ(offer_open(rig_app(), name, &opened), 0);
}

/* Even with the key, bytes that are no offer are refused: cut off anywhere, or with a tail. */
TEST(offer, is_read_whole_or_not_at_all)
{
    setup();
    struct offer offer = make_offer(family, "USD", 0), opened;
    struct str name = offer_seal(rig_app(), &arena, &offer);
    uint8_t bytes[2048];
    size_t n = 0;
    ASSERT_INT_EQ(
        base64url_decode((struct str){.p = name.p + 7, .n = name.n - 7}, sizeof bytes, bytes, &n),
        0);
    for (size_t cut = 0; cut <= n - 16 + 1; cut++) {
        uint8_t sealed[2048] = {0}, tag[SEAL_BYTES];
        memcpy(sealed + 16, bytes + 16, cut < n - 16 ? cut : n - 16);
        const struct str parts[] = {STR("offer"), str_bytes(sealed + 16, cut)};
        seal_mac(rig_app()->keys->offer, parts, 2, tag);
        memcpy(sealed, tag, 16);
        char text[4096] = "offers/";
        base64url_encode(sealed, 16 + cut, text + 7);
        ASSERT_INT_EQ(offer_open(rig_app(), str_of(text), &opened) == 0, cut == n - 16);
    }
}

TEST(offer, of_the_longest_trip_fits_its_name)
{
    setup();
    struct offer offer = make_offer(family, "KRW", 0), opened;
    offer.tax_count = OFFER_TAXES_MAX;
    offer.segment_count = OFFER_SEGMENTS_MAX;
    for (unsigned i = 0; i < OFFER_TAXES_MAX; i++)
        offer.taxes[i] = (struct offer_tax){
            .country = "ZZ", .code = "ZZ", .unit_minor = 99999999, .refundable = true};
    for (unsigned i = 0; i < OFFER_SEGMENTS_MAX; i++)
        offer.segments[i] = (struct offer_segment){.carrier = "ZZ",
                                                   .origin = "ZZZ",
                                                   .destination = "ZZZ",
                                                   .aircraft = "ZZZ",
                                                   .booking_class = 'Z',
                                                   .number = 65535,
                                                   .departure_s = INT64_C(99999999999),
                                                   .arrival_s = INT64_C(100000999999),
                                                   .departure_offset_min = -720,
                                                   .arrival_offset_min = 840,
                                                   .slice = 5,
                                                   .distance_km = 65535,
                                                   .fare_minor = INT64_C(99999999999)};
    struct str name = offer_seal(rig_app(), &arena, &offer);
    ASSERT_INT_IN(name.n, 100, 2048);
    ASSERT_INT_EQ(offer_open(rig_app(), name, &opened), 0);
    ASSERT_INT_EQ(opened.segments[11].arrival_s, INT64_C(100000999999));
}

/* ---- sums ---- */

static int64_t minor_of(const Google__Type__Money *m, const char *currency)
{
    int64_t minor;
    ASSERT_STR_EQ(m->currency_code, currency);
    ASSERT_INT_EQ(money_from_units(str_of(m->currency_code), m->units, m->nanos, &minor), 0);
    return minor;
}

static void adds_up(struct passenger_mix party, const char *currency, unsigned brand)
{
    struct offer offer = make_offer(party, currency, brand);
    const Faregate__V1__PriceBreakdown *p = offer_price(rig_app(), &arena, &offer);
    int64_t taxes = 0, heads = 0;
    for (size_t i = 0; i < p->n_taxes; i++)
        taxes += minor_of(p->taxes[i]->amount, currency);
    ASSERT_INT_EQ(minor_of(p->base_fare, currency) + taxes, minor_of(p->total, currency));
    for (size_t i = 0; i < p->n_per_passenger; i++) {
        const Faregate__V1__PassengerPrice *one = p->per_passenger[i];
        int64_t total = minor_of(one->total, currency);
        ASSERT_INT_EQ(minor_of(one->base_fare, currency) + minor_of(one->taxes, currency) +
                          minor_of(one->fees, currency),
                      total);
        heads += total * one->count;
    }
    ASSERT_INT_EQ(heads, minor_of(p->total, currency));
    ASSERT_INT_EQ(p->n_fees, 0);
    ASSERT_TRUE((p->fx != NULL) == (strcmp(currency, "USD") != 0));
    int64_t fares = 0;
    for (uint8_t i = 0; i < offer.segment_count; i++)
        fares += offer.segments[i].fare_minor;
    ASSERT_INT_EQ(fares, offer.unit_minor[PASSENGER_ADULT - 1]);
}

TEST(offer, adds_up_for_every_party_currency_and_brand)
{
    static const char *const currencies[] = {"USD", "EUR", "JPY", "KWD", "INR"};
    unsigned tried = 0;
    for (unsigned a = 1; a <= 9; a++)
        for (unsigned c = 0; a + c <= 9; c++)
            for (unsigned i = 0; a + c + i <= 9; i += 3)
                for (unsigned l = 0; l <= a; l += 2) {
                    const struct passenger_mix party = {
                        .adults = a, .children = c, .seat_infants = i, .lap_infants = l};
                    setup();
                    adds_up(party, currencies[tried % 5], tried / 5 % 3);
                    tried++;
                }
    ASSERT_INT_EQ(tried, 167);
    for (unsigned k = 0; k < 5; k++)
        for (unsigned brand = 0; brand < 3; brand++) {
            setup();
            adds_up(family, currencies[k], brand);
        }
}

TEST(offer, prices_by_hand)
{
    setup();
    struct offer o = make_offer((struct passenger_mix){.adults = 1, .lap_infants = 1}, "USD", 1);
    /* Bases 372.01 O, 613.03 O, 400.99 Y by 450, 450, 2400 permille and 1180 for the brand. */
    ASSERT_INT_EQ(o.segments[0].fare_minor, 19754);
    ASSERT_INT_EQ(o.segments[1].fare_minor, 32552);
    ASSERT_INT_EQ(o.segments[2].fare_minor, 113560);
    ASSERT_INT_EQ(o.unit_minor[PASSENGER_INFANT_ON_LAP - 1], 1975 + 3255 + 11356);
    ASSERT_INT_EQ(o.base_minor, 19754 + 32552 + 113560 + 1975 + 3255 + 11356);
    /* US: ZX 250, AY 560, US 2220; GB: ZX, GB 1700, UB 2600; JP: ZX, SW 2000, TK 700; none for the
     * lap. */
    ASSERT_INT_EQ(o.tax_minor, 3 * 250 + 560 + 2220 + 1700 + 2600 + 2000 + 700);
    ASSERT_INT_EQ(o.tax_count, 7);
    ASSERT_INT_EQ(o.taxes[0].unit_minor, 750);
    ASSERT_INT_EQ(o.bookable_seats, 4); /* 26 seats at O, 22 in use */
    ASSERT_INT_EQ(o.segments[2].booking_class, 'Y');
    ASSERT_INT_EQ(offer_seats(&o), 1);
}

TEST(offer, ends_before_sales_do)
{
    setup();
    int64_t now = rig_now_s;
    ASSERT_INT_EQ(make_offer(family, "USD", 0).expire_s, now + 1800);
    rig_now_s = DEPARTURE_S - 3600 - 60;
    const struct offer offer = make_offer(family, "USD", 0);
    ASSERT_INT_EQ(offer.expire_s, DEPARTURE_S - 3600);
    const Faregate__V1__Offer *m = offer_message(rig_app(), &arena, &offer, STR("offers/x"));
    ASSERT_TRUE(m->payment_terms->hold_allowed);
    ASSERT_INT_EQ(m->payment_terms->payment_required_time->seconds, DEPARTURE_S - 3600);
    rig_now_s = now;
}

/* ---- the message ---- */

TEST(offer, shows_local_times_over_clock_change_and_date_line)
{
    setup();
    struct offer offer = make_offer(family, "USD", 0);
    const Faregate__V1__Offer *m =
        offer_message(rig_app(), &arena, &offer, offer_seal(rig_app(), &arena, &offer));
    ASSERT_INT_EQ(m->n_journeys, 2);
    const Faregate__V1__Segment *out = m->journeys[0]->segments[0],
                                *back = m->journeys[1]->segments[1];
    ASSERT_STR_EQ(out->local_departure->date_time, "2027-03-27T15:00");
    ASSERT_INT_EQ(out->local_departure->utc_offset_minutes, -240);
    ASSERT_STR_EQ(out->local_departure->time_zone, "America/New_York");
    ASSERT_STR_EQ(out->local_arrival->date_time,
                  "2027-03-28T03:00"); /* an hour that summer time took away came before */
    ASSERT_INT_EQ(out->local_arrival->utc_offset_minutes, 60);
    ASSERT_INT_EQ(out->duration->seconds, 7 * 3600);
    ASSERT_INT_EQ(m->journeys[0]->arrival_day_offset, 1);
    ASSERT_STR_EQ(back->local_departure->date_time, "2027-03-29T19:00");
    ASSERT_STR_EQ(back->local_arrival->date_time, "2027-03-29T07:00"); /* lands before it left */
    ASSERT_STR_EQ(back->flight_number, "QF12345");
    ASSERT_STR_EQ(back->fare_basis, "YLGT0JP");
    ASSERT_STR_EQ(back->booking_class, "Y");
    ASSERT_INT_EQ(m->journeys[1]->arrival_day_offset, 1);
    ASSERT_INT_EQ(m->journeys[1]->n_segments, 2);
    ASSERT_INT_EQ(m->journeys[1]->duration->seconds, 165600 - 90000);
    ASSERT_STR_EQ(m->journeys[1]->fare_brand, "ECONOMY_LIGHT");
}

static void drop_details(Faregate__V1__Offer *m)
{
    for (size_t i = 0; i < m->n_journeys; i++)
        m->journeys[i]->n_conditions = 0;
    m->price->n_taxes = m->price->n_per_passenger = 0;
    m->price->fx = NULL;
    m->n_conditions = m->n_allowances = m->n_passengers = 0;
    m->payment_terms = NULL;
    m->emissions_kg = 0;
}

TEST(offer, is_briefly_what_the_message_is_without_details)
{
    static const char *const currencies[] = {"USD", "JPY", "KWD"};
    struct offer_brief_known known = {.count = 0};
    setup();
    for (unsigned i = 0; i < 27; i++) {
        struct offer offer = make_offer(family, currencies[i / 3 % 3], i % 3);
        offer.segments[2].number = (uint16_t)(100 + i); /* more flights than are kept */
        if (i == 4) {
            offer.segments[0].departure_s = offer.segments[0].departure_offset_min = 0;
            memcpy(offer.segments[1].origin, "QQQ", 3); /* closed since it was sold */
            memset(offer.segments[2].aircraft, 0, sizeof offer.segments[2].aircraft);
            offer.brand = REFERENCE_BRAND_NONE;
            offer.total_minor = 0;
        }
        struct str name = offer_seal(rig_app(), &arena, &offer);
        Faregate__V1__Offer *m = offer_message(rig_app(), &arena, &offer, name);
        drop_details(m);
        uint8_t wanted[8192];
        size_t bytes = faregate__v1__offer__pack(m, wanted);
        struct str brief = offer_brief(rig_app(), &arena, &known, &offer, name);
        ASSERT_INT_EQ(brief.n, bytes + 2); /* its length */
        ASSERT_MEM_EQ(brief.p + 2, wanted, bytes);
        ASSERT_INT_EQ((brief.p[0] & 0x7F) | brief.p[1] << 7, bytes);
    }
}

TEST(offer, says_what_the_fare_allows)
{
    setup();
    struct offer offer = make_offer((struct passenger_mix){.adults = 1}, "USD", 2);
    const Faregate__V1__Offer *m = offer_message(rig_app(), &arena, &offer, STR("offers/x"));
    ASSERT_INT_EQ(m->n_conditions, 4);
    ASSERT_INT_EQ(m->conditions[0]->permission, FAREGATE__V1__FARE_CONDITION__PERMISSION__ALLOWED);
    ASSERT_INT_EQ(minor_of(m->conditions[0]->penalty, "USD"), fare_share(offer.unit_minor[0], 100));
    ASSERT_INT_EQ(m->conditions[1]->permission, FAREGATE__V1__FARE_CONDITION__PERMISSION__ALLOWED);
    ASSERT_NULL(m->conditions[1]->penalty);
    ASSERT_INT_EQ(m->conditions[2]->permission,
                  FAREGATE__V1__FARE_CONDITION__PERMISSION__PERMISSION_UNSPECIFIED);
    ASSERT_INT_EQ(m->n_allowances, 2);
    ASSERT_INT_EQ(m->allowances[1]->quantity, 1);
    ASSERT_INT_EQ(m->n_passengers, 1);
    ASSERT_INT_EQ(m->emissions_kg, (5540 + 9580 + 6140) * 95 / 1000);
    ASSERT_TRUE(m->payment_terms->hold_allowed);
    ASSERT_INT_EQ(m->payment_terms->payment_required_time->seconds,
                  rig_now_s + rig_app()->limits.hold_seconds);
    offer = make_offer((struct passenger_mix){.adults = 1}, "USD", 0);
    m = offer_message(rig_app(), &arena, &offer, STR("offers/x"));
    ASSERT_INT_EQ(m->conditions[0]->permission,
                  FAREGATE__V1__FARE_CONDITION__PERMISSION__NOT_ALLOWED);
    ASSERT_NULL(m->conditions[0]->penalty);
}

TEST(offer, shows_the_penalty_that_is_charged)
{
    static const char *const currencies[] = {"USD", "JPY", "KWD"};
    setup();
    for (unsigned i = 0; i < 27; i++) {
        const unsigned adults = 1 + i / 3;
        struct offer o = make_offer((struct passenger_mix){.adults = adults}, currencies[i % 3], 2);
        o.terms.refund_penalty_permille = (uint16_t)(100 + 37 * (i % 2));
        int64_t refund, penalty, step = money_step(money_exponent(str_of(o.currency)));
        const Faregate__V1__Offer *m = offer_message(rig_app(), &arena, &o, STR("offers/x"));
        int64_t shown = minor_of(m->conditions[0]->penalty, o.currency);
        offer_refund(rig_app(), &o, o.total_minor, 0, DEPARTURE_S - 3600, &refund, &penalty);
        ASSERT_INT_EQ(shown % step, 0);
        ASSERT_INT_IN(adults * shown - penalty, adults == 1 ? 0 : -step * adults,
                      adults == 1 ? 0 : step * adults);
        ASSERT_INT_EQ(minor_of(m->journeys[1]->conditions[0]->penalty, o.currency) % step, 0);
    }
}

TEST(offer, survives_a_brand_that_is_no_longer_sold)
{
    setup();
    struct offer offer = make_offer(family, "USD", 2), opened;
    offer.brand_key = (uint16_t)~offer.brand_key;
    struct str name = offer_seal(rig_app(), &arena, &offer);
    ASSERT_INT_EQ(offer_open(rig_app(), name, &opened), 0);
    ASSERT_INT_EQ(opened.brand, REFERENCE_BRAND_NONE);
    const Faregate__V1__Offer *m = offer_message(rig_app(), &arena, &opened, name);
    ASSERT_STR_EQ(m->journeys[0]->fare_brand, "");
    ASSERT_INT_EQ(m->conditions[0]->permission, FAREGATE__V1__FARE_CONDITION__PERMISSION__ALLOWED);
}

TEST(offer, refunds_as_it_was_sold)
{
    setup();
    struct offer flex = make_offer(family, "USD", 2), light = make_offer(family, "USD", 0);
    int64_t refund, penalty, booked = DEPARTURE_S - 30 * 86400, refundable = 0;
    offer_refund(rig_app(), &flex, flex.total_minor, booked, booked + 2 * 86400, &refund, &penalty);
    ASSERT_INT_EQ(penalty, fare_share(flex.base_minor, 100));
    ASSERT_INT_EQ(refund + penalty, flex.total_minor);
    for (uint8_t i = 0; i < light.tax_count; i++)
        refundable +=
            light.taxes[i].refundable ? light.taxes[i].unit_minor * offer_seats(&light) : 0;
    offer_refund(rig_app(), &light, light.total_minor, booked, booked + 2 * 86400, &refund,
                 &penalty);
    ASSERT_INT_EQ(refund, refundable);
    ASSERT_INT_EQ(refundable, (2220 + 1700 + 2600 + 2000) * 4);
    offer_refund(rig_app(), &light, light.total_minor, booked, booked + 3600, &refund, &penalty);
    ASSERT_INT_EQ(penalty, 0);
    offer_refund(rig_app(), &light, 0, booked, booked + 3600, &refund, &penalty);
    ASSERT_INT_EQ(refund, 0);
    ASSERT_INT_EQ(penalty, 0);
    struct offer dinars = make_offer(family, "KWD", 2);
    dinars.base_minor += 7 - dinars.base_minor % 10;
    offer_refund(rig_app(), &dinars, 10000000, booked, booked + 2 * 86400, &refund, &penalty);
    ASSERT_INT_EQ(refund % 10, 0);
    ASSERT_INT_IN(penalty - fare_share(dinars.base_minor, 100), 0, 9);
    ASSERT_INT_EQ(refund + penalty, 10000000);
}
