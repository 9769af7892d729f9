/* Connections, windows on local clocks, pages of trips. */
#include "domain/itinerary.h"

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
                a.search.order = b.search.order = (enum itinerary_order)order;
                a.search.descending = b.search.descending = descending;
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
