/* Connections, windows on local clocks, pages of trips. */
#include "domain/itinerary.h"

#include "domain/prng.h"
#include "domain/zone.h"
#include "support/test.h"

#define HOUR INT64_C(3600)

static struct itinerary_flight fly(uint16_t origin, uint16_t destination, int64_t departure_s,
                                   int64_t arrival_s, int64_t price)
{
    return (struct itinerary_flight){
        .origin = origin,
        .destination = destination,
        .departure_s = departure_s,
        .arrival_s = arrival_s,
        .id = (uint64_t)departure_s * 31 + origin * 7 + destination,
        .total_minor = {price, price * 3 / 2},
    };
}

TEST(itinerary, keeps_the_minimum_connection_time)
{
    struct itinerary_flight in = fly(1, 2, 0, 2 * HOUR, 0);
    struct itinerary_flight out = fly(2, 3, 2 * HOUR + 45 * 60, 5 * HOUR, 0);
    ASSERT_TRUE(itinerary_connects(&in, &out, 45));
    ASSERT_FALSE(itinerary_connects(&in, &out, 46));
    out.departure_s = in.arrival_s + CONNECTION_MAX_MIN * 60;
    ASSERT_TRUE(itinerary_connects(&in, &out, 45));
    out.departure_s++;
    ASSERT_FALSE(itinerary_connects(&in, &out, 45));
    out.departure_s = in.arrival_s - 60; /* leaves before the other lands */
    ASSERT_FALSE(itinerary_connects(&in, &out, 0));
}

TEST(itinerary, does_not_come_back_to_an_airport)
{
    struct itinerary_flight in = fly(1, 2, 0, 2 * HOUR, 0), back = fly(2, 1, 4 * HOUR, 6 * HOUR, 0);
    struct itinerary_flight elsewhere = fly(4, 3, 4 * HOUR, 6 * HOUR, 0);
    ASSERT_FALSE(itinerary_connects(&in, &back, 45));
    ASSERT_FALSE(itinerary_connects(&in, &elsewhere, 45));
}

TEST(itinerary, tells_four_kinds_of_connection)
{
    struct itinerary_flight home = {0}, abroad = {.international = true};
    ASSERT_INT_EQ(itinerary_connection_kind(&home, &home), 0);
    ASSERT_INT_EQ(itinerary_connection_kind(&home, &abroad), 1);
    ASSERT_INT_EQ(itinerary_connection_kind(&abroad, &home), 2);
    ASSERT_INT_EQ(itinerary_connection_kind(&abroad, &abroad), 3);
}

TEST(itinerary, reads_windows_on_local_clocks)
{
    const struct time_window morning = {.start_min = 6 * 60, .end_min = 12 * 60},
                             night = {.start_min = 22 * 60, .end_min = 4 * 60};
    int64_t day = civil_days(2026, 12, 21) * INT64_C(86400);
    ASSERT_TRUE(time_window_has(morning, day + 11 * HOUR, 60)); /* 12:00 in Berlin */
    ASSERT_FALSE(time_window_has(morning, day + 11 * HOUR + 60, 60));
    ASSERT_TRUE(
        time_window_has(morning, day - 4 * HOUR, 10 * 60)); /* 06:00 in Sydney, yesterday in UTC */
    ASSERT_TRUE(time_window_has(night, day + 23 * HOUR, 0));
    ASSERT_TRUE(time_window_has(night, day + 4 * HOUR, 0));
    ASSERT_FALSE(time_window_has(night, day + 4 * HOUR + 60, 0));
    ASSERT_TRUE(time_window_has(TIME_WINDOW_ALL, day + 23 * HOUR + 59 * 60, 0));
    ASSERT_TRUE(time_window_has(TIME_WINDOW_ALL, -60, 0));
}

TEST(itinerary, measures_journeys_in_instants_not_clocks)
{
    /* Tokyo 17:00 to Honolulu 05:00 the same day: lands "before" it left. */
    int64_t day = civil_days(2026, 12, 21) * INT64_C(86400);
    struct itinerary_flight f = fly(1, 2, day + 8 * HOUR, day + 15 * HOUR, 100);
    f.departure_offset_min = 9 * 60;
    f.arrival_offset_min = -10 * 60;
    struct itinerary_journey j = itinerary_journey(&f, 0, -1);
    ASSERT_INT_EQ(j.duration_min, 7 * 60);
    ASSERT_INT_EQ(j.leg_count, 1);
}

TEST(itinerary, drops_journeys_much_slower_than_the_best)
{
    struct itinerary_journey j[] = {
        {.duration_min = 500}, {.duration_min = 100}, {.duration_min = 380}, {.duration_min = 381}};
    ASSERT_INT_EQ(itinerary_drop_slow(j, 4), 2);
    ASSERT_INT_EQ(j[0].duration_min, 100);
    ASSERT_INT_EQ(j[1].duration_min, 380);
    ASSERT_INT_EQ(itinerary_drop_slow(j, 0), 0);
}

/* A search over @slices slices of @each flights a day apart, prices and times spread. */
struct rig {
    struct itinerary_flight flights[ITINERARY_SLICES_MAX * 64];
    struct itinerary_journey journeys[ITINERARY_SLICES_MAX][64];
    struct itinerary_search search;
};

static void rig_fill(struct rig *r, unsigned slices, unsigned each, bool backwards)
{
    *r = (struct rig){.search = {.slice_count = slices, .brand_count = 2}};
    for (unsigned s = 0; s < slices; s++) {
        for (unsigned i = 0; i < each; i++) {
            unsigned at = s * 64 + i, k = backwards ? each - 1 - i : i;
            int64_t departure = (int64_t)s * 100 * HOUR + k * 600;
            r->flights[at] = fly((uint16_t)s, (uint16_t)(s + 1), departure,
                                 departure + 2 * HOUR + (k * 37 % 11) * 60, 1000 + k * 7919 % 503);
            r->journeys[s][i] = itinerary_journey(r->flights, (uint16_t)at, -1);
        }
        r->search.slices[s] = (struct itinerary_slice){.journeys = r->journeys[s], .count = each};
    }
}

/* Reads all pages; checks order and that nothing comes twice; returns how many trips. */
static size_t read_pages(struct rig *r, size_t page, uint64_t *ret_digest)
{
    struct itinerary_rank last = {0};
    struct itinerary_trip trips[ITINERARY_PAGE_MAX];
    size_t total = 0;
    *ret_digest = 0;
    for (bool first = true;; first = false) {
        size_t count = itinerary_find(&r->search, first ? NULL : &last, page, trips);
        for (size_t i = 0; i < count; i++) {
            if (total + i > 0)
                ASSERT_TRUE(itinerary_rank_less(&last, &trips[i].rank));
            last = trips[i].rank;
            *ret_digest = *ret_digest * 31 + trips[i].rank.id;
        }
        total += count;
        if (count < page)
            return total;
    }
}

TEST(itinerary, pages_neither_repeat_nor_skip)
{
    static struct rig r;
    uint64_t whole, paged;
    rig_fill(&r, 2, 20, false);
    ASSERT_INT_EQ(read_pages(&r, 51, &whole), 20 * 20 * 2);
    ASSERT_INT_EQ(read_pages(&r, 7, &paged), 20 * 20 * 2);
    ASSERT_TRUE(whole == paged);
    ASSERT_INT_EQ(read_pages(&r, 1, &paged), 20 * 20 * 2);
    ASSERT_TRUE(whole == paged);
}

TEST(itinerary, gives_the_same_trips_whatever_order_flights_come_in)
{
    static struct rig a, b;
    for (unsigned slices = 1; slices <= ITINERARY_SLICES_MAX; slices++)
        for (int order = ITINERARY_BY_PRICE; order <= ITINERARY_BY_DEPARTURE; order++)
            for (int descending = 0; descending < 2; descending++) {
                uint64_t one, other;
                rig_fill(&a, slices, 50, false);
                rig_fill(&b, slices, 50, true);
                a.search.taste.order = b.search.taste.order = (enum itinerary_order)order;
                a.search.taste.descending = b.search.taste.descending = descending;
                size_t count = read_pages(&a, 51, &one);
                ASSERT_INT_EQ(read_pages(&b, 51, &other), count);
                ASSERT_TRUE(one == other);
                ASSERT_INT_IN(count, 1, ITINERARY_TRIPS_MAX * 2);
            }
}

TEST(itinerary, adds_up_what_trips_cost)
{
    static struct rig r;
    struct itinerary_trip trips[ITINERARY_PAGE_MAX];
    rig_fill(&r, 3, 4, false);
    size_t count = itinerary_find(&r.search, NULL, ITINERARY_PAGE_MAX, trips);
    ASSERT_INT_EQ(count, ITINERARY_PAGE_MAX);
    for (size_t i = 0; i < count; i++) {
        int64_t total = 0;
        for (unsigned s = 0; s < 3; s++)
            total += r.search.slices[s].journeys[trips[i].journeys[s]].total_minor[trips[i].brand];
        ASSERT_INT_EQ(trips[i].total_minor, total);
    }
}

TEST(itinerary, leaves_time_between_slices)
{
    static struct rig r;
    struct itinerary_trip trips[4];
    rig_fill(&r, 2, 1, false);
    r.journeys[1][0].departure_s = r.journeys[0][0].arrival_s + TURNAROUND_MIN * 60;
    ASSERT_INT_EQ(itinerary_find(&r.search, NULL, 4, trips), 2);
    r.journeys[1][0].departure_s--;
    ASSERT_INT_EQ(itinerary_find(&r.search, NULL, 4, trips), 0);
}

static bool only_flex(const void *ctx, const struct itinerary_trip *trip)
{
    (void)ctx;
    return trip->brand == 1;
}

TEST(itinerary, asks_what_is_allowed)
{
    static struct rig r;
    uint64_t digest;
    rig_fill(&r, 1, 30, false);
    r.search.allows = only_flex;
    ASSERT_INT_EQ(read_pages(&r, 4, &digest), 30);
}

TEST(itinerary, leaves_out_brands_that_are_refused)
{
    static struct rig r;
    uint64_t one, other;
    rig_fill(&r, 2, 60, false);
    r.search.allows = only_flex;
    size_t count = read_pages(&r, 51, &one);
    rig_fill(&r, 2, 60, false);
    r.search.brands_refused = 1;
    ASSERT_INT_EQ(read_pages(&r, 51, &other), count);
    ASSERT_TRUE(one == other);
    r.search.brands_refused = 3;
    ASSERT_INT_EQ(read_pages(&r, 51, &other), 0);
}

/* ---- slices of one day, where not every journey can follow every other ---- */

static void rig_slice(struct rig *r, unsigned slice, size_t count)
{
    r->search.slice_count = slice + 1;
    r->search.slices[slice] =
        (struct itinerary_slice){.journeys = r->journeys[slice], .count = count};
}

static void rig_add(struct rig *r, unsigned slice, size_t at, int64_t departure_s, int64_t price)
{
    r->flights[0] = fly(0, 1, departure_s, departure_s + 2 * HOUR + price % 7 * 600, price);
    r->journeys[slice][at] = itinerary_journey(r->flights, 0, -1);
}

/* Eleven onward flights, the best in every way but one, leave before the first slice arrives. */
TEST(itinerary, finds_the_one_flight_that_can_follow)
{
    static struct rig r;
    uint64_t digest;
    for (int order = ITINERARY_BY_PRICE; order <= ITINERARY_BY_DEPARTURE; order++)
        for (int descending = 0; descending < 2; descending++) {
            r.search = (struct itinerary_search){.brand_count = 2,
                                                 .taste.order = (enum itinerary_order)order,
                                                 .taste.descending = descending};
            for (unsigned i = 0; i < 12; i++) {
                bool late = i == 5;
                int64_t price = (late || descending) && !(late && descending) ? 1400 : 700;
                rig_add(&r, 0, i, 8 * HOUR + i * 600, 1000);
                rig_add(&r, 1, i, late ? 20 * HOUR : i * 600, price);
                rig_add(&r, 2, i, 72 * HOUR + i * 600, 1000);
            }
            for (unsigned i = 0; i < 3; i++)
                rig_slice(&r, i, 12);
            ASSERT_INT_EQ(read_pages(&r, 51, &digest), 12 * 12 * 2);
        }
}

/* To and fro on one day with flights every hour: the cheapest of each slice leave at any time. */
TEST(itinerary, finds_six_slices_of_one_day)
{
    static struct rig r;
    struct itinerary_trip trips[2];
    r.search = (struct itinerary_search){.brand_count = 2};
    for (unsigned k = 0; k < 6; k++) {
        for (unsigned i = 0; i < 20; i++)
            rig_add(&r, k, i, i * HOUR, 700 + (i * 11 + k * 5) % 20 * 7);
        rig_slice(&r, k, 20);
    }
    ASSERT_INT_EQ(itinerary_find(&r.search, NULL, 2, trips), 2);
}

/* What all trips were like, looked at one by one. */
struct extremes {
    bool any;
    struct itinerary_rank best;
    int64_t low[2], high[2]; /* price, duration */
};

static void look_at(const struct itinerary_search *s, const size_t *chosen, struct extremes *x)
{
    int64_t total[2] = {0}, duration_min = 0;
    for (unsigned k = 0; k < s->slice_count; k++) {
        const struct itinerary_journey *j = &s->slices[k].journeys[chosen[k]];
        duration_min += j->duration_min;
        total[0] += j->total_minor[0];
        total[1] += j->total_minor[1];
    }
    for (unsigned i = 0; i < 2; i++) {
        int64_t keys[] = {total[i], duration_min, s->slices[0].journeys[chosen[0]].departure_s};
        int64_t key = keys[s->taste.order];
        struct itinerary_rank rank = {.first = s->taste.descending ? -key : key,
                                      .second = s->taste.order == ITINERARY_BY_PRICE ? duration_min
                                                                                     : total[i]};
        if (!x->any || itinerary_rank_less(&rank, &x->best))
            x->best = rank;
        for (unsigned n = 0; n < 2; n++) {
            x->low[n] = !x->any || keys[n] < x->low[n] ? keys[n] : x->low[n];
            x->high[n] = !x->any || keys[n] > x->high[n] ? keys[n] : x->high[n];
        }
        x->any = true;
    }
}

static void look_at_all(const struct itinerary_search *s, unsigned slice, size_t *chosen,
                        struct extremes *x)
{
    if (slice == s->slice_count)
        look_at(s, chosen, x);
    for (size_t i = 0; slice < s->slice_count && i < s->slices[slice].count; i++) {
        const struct itinerary_journey *j = s->slices[slice].journeys + i;
        chosen[slice] = i;
        if (slice == 0 ||
            j->departure_s >=
                s->slices[slice - 1].journeys[chosen[slice - 1]].arrival_s + TURNAROUND_MIN * 60)
            look_at_all(s, slice + 1, chosen, x);
    }
}

struct bound {
    enum itinerary_wish wish;
    int64_t value;
};

static bool within(const void *ctx, const struct itinerary_trip *trip)
{
    const struct bound *b = ctx;
    int64_t value = b->wish < WISH_QUICK ? trip->total_minor : trip->duration_min;
    return b->wish == WISH_CHEAP || b->wish == WISH_QUICK ? value <= b->value : value >= b->value;
}

/* The prices of a route are few, so many trips are equally good. */
static void fill_at_random(struct rig *r, struct prng *rng)
{
    r->search = (struct itinerary_search){
        .brand_count = 2,
        .taste.order = (enum itinerary_order)prng_below(rng, 3),
        .taste.descending = prng_below(rng, 2),
    };
    unsigned slices = 2 + prng_below(rng, 5);
    int64_t spread_s = (int64_t)(4 + prng_below(rng, 20)) * HOUR;
    static const size_t most[] = {0, 0, 64, 40, 14, 9, 7};
    for (unsigned k = 0; k < slices; k++) {
        size_t count = 1 + prng_below(rng, (uint32_t)most[slices]);
        for (size_t i = 0; i < count; i++)
            rig_add(r, k, i, k * 2 * HOUR + prng_below(rng, (uint32_t)spread_s),
                    700 + prng_below(rng, 5) * 50);
        rig_slice(r, k, count);
    }
}

TEST(itinerary, finds_the_best_trip_if_there_is_any)
{
    static struct rig r, filled;
    struct prng rng = {.state = 7};
    struct itinerary_trip trips[3];
    size_t chosen[ITINERARY_SLICES_MAX], found = 0;
    for (unsigned round = 0; round < 300; round++) {
        struct extremes x = {.any = false};
        fill_at_random(&r, &rng);
        look_at_all(&r.search, 0, chosen, &x);
        filled = r;
        size_t count = itinerary_find(&r.search, NULL, 3, trips);
        ASSERT_TRUE((count > 0) == x.any);
        if (!x.any)
            continue;
        found++;
        ASSERT_INT_EQ(trips[0].rank.first, x.best.first);
        ASSERT_INT_EQ(trips[0].rank.second, x.best.second);
        for (unsigned wish = WISH_CHEAP; wish <= WISH_SLOW; wish++) {
            const int64_t *side = wish % 2 ? x.high : x.low;
            const struct bound bound = {.wish = (enum itinerary_wish)wish, .value = side[wish / 2]};
            struct itinerary_rank last = {.first = INT64_MIN};
            for (unsigned page = 0; page == 0 || count == 3; page++) {
                r = filled; /* as every page is made anew */
                r.search.allows = within;
                r.search.ctx = &bound;
                r.search.wishes = 1u << wish;
                count = itinerary_find(&r.search, page == 0 ? NULL : &last, 3, trips);
                ASSERT_TRUE(page > 0 || count > 0);
                ASSERT_TRUE(count == 0 || itinerary_rank_less(&last, &trips[0].rank));
                last = count > 0 ? trips[count - 1].rank : last;
            }
        }
    }
    ASSERT_INT_IN(found, 100, 299);
}

TEST(itinerary, loses_no_page_for_more_flights)
{
    static struct rig r, more;
    struct prng rng = {.state = 11};
    struct itinerary_trip trips[3];
    for (unsigned round = 0; round < 300; round++) {
        fill_at_random(&r, &rng);
        more = r;
        size_t count = itinerary_find(&r.search, NULL, 3, trips);
        for (unsigned k = 0; k < more.search.slice_count; k++) {
            struct itinerary_slice *slice = &more.search.slices[k];
            slice->journeys = more.journeys[k];
            while (slice->count < 64) {
                rig_add(&more, k, slice->count, (int64_t)prng_below(&rng, 30) * HOUR,
                        300 + prng_below(&rng, 1000));
                slice->count++;
            }
        }
        if (count > 0)
            ASSERT_TRUE(itinerary_find(&more.search, NULL, 3, trips) > 0);
    }
}
