/* The generated timetable over a small made-up network: what every seed must give. */
#include "domain/timetable.h"

#include <stdlib.h>
#include <string.h>

#include "domain/geo.h"
#include "support/test.h"

#define AIRPORTS 60
#define HUBS 5

static struct timetable_airport airports[AIRPORTS];
static struct timetable_base bases[HUBS * 2];
static const struct timetable_aircraft aircraft[] = {
    {"AT7", 1400, 500, {0, 72}},
    {"320", 5600, 830, {0, 156, 0, 16}},
    {"789", 13900, 900, {0, 225, 28, 28}},
};
static struct arena_pool pool;
static struct arena arena;

static struct timetable make(uint64_t seed, int32_t scale_permille)
{
    struct timetable t;
    struct timetable_options options = {.seed = seed, .scale_permille = scale_permille};
    struct timetable_network net = {
        .airports = airports,
        .aircraft = aircraft,
        .bases = bases,
        .airport_count = AIRPORTS,
        .aircraft_count = 3,
        .base_count = HUBS * 2,
    };
    for (int i = 0; i < AIRPORTS; i++) {
        airports[i] = (struct timetable_airport){
            .iata = {'A', (char)('A' + i / 26), (char)('A' + i % 26)},
            .country = {'C', (char)('A' + i % 7)},
            .latitude = 10 + (i % 8) * 6,
            .longitude = -120 + (i / 8) * 28,
            .traffic = i % 12 == 0 ? 40000 + i * 100 : 300 + i * 50,
            .standard_offset_min = (-120 + (i / 8) * 28) / 15 * 60,
        };
        memcpy(airports[i].metro, airports[i].iata, sizeof airports[i].metro);
    }
    for (int i = 0; i < HUBS * 2; i++)
        bases[i] = (struct timetable_base){.carrier = {'X', (char)('A' + i)},
                                           .airport = i % HUBS * 12,
                                           .reach_km = i < HUBS ? 16000 : 5000};
    if (!arena.pool) {
        arena_pool_init(&pool, 0);
        arena_init(&arena, &pool, 64 << 20);
    }
    timetable_make(&arena, &net, &options, &t);
    return t;
}

static void drop(void)
{
    arena_reset(&arena);
    arena_pool_deinit(&pool);
    arena.pool = NULL;
}

TEST(timetable, is_the_same_for_the_same_seed)
{
    struct timetable a = make(7, 40), b = make(7, 40), c = make(8, 40);
    ASSERT_INT_IN(a.count, 40, 1000);
    ASSERT_INT_EQ(a.count, b.count);
    ASSERT_TRUE(memcmp(a.patterns, b.patterns, (size_t)a.count * sizeof *a.patterns) == 0);
    ASSERT_TRUE(c.count != a.count ||
                memcmp(a.patterns, c.patterns, (size_t)a.count * sizeof *a.patterns) != 0);
    drop();
}

TEST(timetable, flies_every_route_both_ways)
{
    struct timetable t = make(1, 40);
    ASSERT_INT_EQ(t.route_count, 2 * 76); /* 1,900 pairs at scale 1 */
    for (int32_t i = 0; i < t.count; i++) {
        int32_t back = 0, there = 0;
        for (int32_t k = 0; k < t.count; k++) {
            back += t.patterns[k].origin == t.patterns[i].destination &&
                    t.patterns[k].destination == t.patterns[i].origin;
            there += t.patterns[k].route == t.patterns[i].route;
        }
        ASSERT_INT_EQ(back, there);
    }
    drop();
}

TEST(timetable, numbers_flights_once_per_airline)
{
    struct timetable t = make(3, 100);
    for (int32_t i = 0; i < t.count; i++) {
        ASSERT_INT_IN(t.patterns[i].number, 1, 9998);
        for (int32_t k = i + 1; k < t.count; k++)
            ASSERT_FALSE(t.patterns[i].number == t.patterns[k].number &&
                         strcmp(t.patterns[i].carrier, t.patterns[k].carrier) == 0);
    }
    drop();
}

TEST(timetable, gives_each_route_an_aircraft_that_reaches)
{
    struct timetable t = make(1, 100);
    for (int32_t i = 0; i < t.count; i++) {
        const struct timetable_pattern *p = &t.patterns[i];
        const struct timetable_airport *a = &airports[p->origin], *b = &airports[p->destination];
        ASSERT_INT_EQ(p->distance_km,
                      geo_distance_km(a->latitude, a->longitude, b->latitude, b->longitude));
        ASSERT_INT_IN(p->distance_km, 130, aircraft[p->aircraft].range_km);
        int32_t air_min = p->distance_km * 60 / aircraft[p->aircraft].speed_kmh;
        ASSERT_INT_IN(p->block_min, air_min + 30, air_min + 45);
        ASSERT_INT_IN(p->departure_min, 0, 1439);
        ASSERT_INT_EQ(p->departure_min % 5, 0);
        ASSERT_INT_IN(p->weekdays, 1, 127);
        ASSERT_INT_IN(p->base_minor, 2000, 200000);
        ASSERT_INT_EQ(p->base_minor % 100, 0);
    }
    drop();
}

TEST(timetable, lets_passengers_connect_at_hubs)
{
    /* Of the daily flights into the busiest hub, most meet a flight onwards 1 to 4 hours later. */
    struct timetable t = make(1, 100);
    int32_t in = 0, met = 0, hub = 48;
    for (int32_t i = 0; i < t.count; i++) {
        const struct timetable_pattern *p = &t.patterns[i];
        int32_t shift = airports[hub].standard_offset_min - airports[p->origin].standard_offset_min;
        int32_t arrival = p->departure_min + p->block_min + shift;
        bool found = false;
        if (p->destination != hub)
            continue;
        for (int32_t k = 0; k < t.count; k++) {
            int32_t wait = ((t.patterns[k].departure_min - arrival) % 1440 + 1440) % 1440;
            found = found || (t.patterns[k].origin == hub &&
                              t.patterns[k].destination != p->origin && wait >= 60 && wait <= 240);
        }
        in++;
        met += found;
    }
    ASSERT_INT_IN(in, 10, 1000);
    ASSERT_INT_IN(met * 100 / in, 80, 100);
    drop();
}

TEST(timetable, makes_more_at_a_larger_scale)
{
    int32_t routes = 0;
    for (int32_t scale = 10; scale <= 100; scale += 30) {
        struct timetable t = make(1, scale);
        ASSERT_INT_IN(t.route_count, routes + 1, 100000);
        routes = t.route_count;
        drop();
    }
}

static const struct zone_span utc_span[] = {{0, 0}};
static const struct zone_rules utc = {utc_span, 1};

/* Europe/Berlin in 2027: forward on 28 March at 01:00 UTC, back on 31 October at 01:00 UTC. */
static const struct zone_span berlin_spans[] = {{0, 60}, {1806195600, 120}, {1824944400, 60}};
static const struct zone_rules berlin = {berlin_spans, 3};

TEST(timetable, keeps_local_departure_across_daylight_saving)
{
    struct timetable_pattern p = {.carrier = "LH",
                                  .weekdays = 0x7f,
                                  .departure_min = 9 * 60,
                                  .block_min = 90,
                                  .number = 1,
                                  .origin = 1,
                                  .destination = 2,
                                  .base_minor = 10000};
    int32_t day = civil_days(2027, 3, 27);
    for (int32_t d = day; d < day + 3; d++) {
        struct timetable_flight f = timetable_expand(&p, 1, d, &berlin, &utc);
        ASSERT_INT_EQ(f.departure_s + f.departure_offset_min * 60, d * INT64_C(86400) + 9 * 3600);
        ASSERT_INT_EQ(f.departure_offset_min, d == day ? 60 : 120);
        ASSERT_INT_EQ(f.arrival_s - f.departure_s, 90 * 60);
    }
}

TEST(timetable, departs_on_days_whose_hour_is_missing_or_double)
{
    struct timetable_pattern p = {.carrier = "LH",
                                  .weekdays = 0x7f,
                                  .departure_min = 2 * 60 + 30,
                                  .block_min = 60,
                                  .number = 1,
                                  .origin = 1,
                                  .destination = 2,
                                  .base_minor = 10000};
    /* 02:30 does not exist: 01:30 UTC, which the clock on the wall calls 03:30. */
    struct timetable_flight gap = timetable_expand(&p, 1, civil_days(2027, 3, 28), &berlin, &utc);
    ASSERT_INT_EQ(gap.departure_s, 1806195600 + 1800);
    ASSERT_INT_EQ(gap.departure_offset_min, 120);
    /* 02:30 is twice: the second, in winter time. */
    struct timetable_flight twice =
        timetable_expand(&p, 1, civil_days(2027, 10, 31), &berlin, &utc);
    ASSERT_INT_EQ(twice.departure_s, 1824944400 + 1800);
    ASSERT_INT_EQ(twice.departure_offset_min, 60);
}

TEST(timetable, gives_version_8_ids_in_order_of_route_and_date)
{
    struct timetable_pattern p = {.carrier = "LH",
                                  .weekdays = 0x7f,
                                  .departure_min = 600,
                                  .number = 1,
                                  .origin = 1,
                                  .destination = 2,
                                  .base_minor = 10000};
    struct timetable_flight f = timetable_expand(&p, 1, civil_days(2027, 1, 1), &utc, &utc), g;
    ASSERT_INT_EQ(f.flight_id.b[6] >> 4, 8);
    ASSERT_INT_EQ(f.flight_id.b[8] >> 6, 2);
    g = timetable_expand(&p, 1, civil_days(2027, 1, 2), &utc, &utc);
    ASSERT_TRUE(memcmp(f.flight_id.b, g.flight_id.b, 16) < 0);
    g = timetable_expand(&p, 1, civil_days(2027, 1, 1), &utc, &utc);
    ASSERT_TRUE(uuid_eq(f.flight_id, g.flight_id));
    g = timetable_expand(&p, 2, civil_days(2027, 1, 1), &utc, &utc);
    ASSERT_FALSE(uuid_eq(f.flight_id, g.flight_id));
    p.destination = 3;
    g = timetable_expand(&p, 1, civil_days(2026, 1, 1), &utc, &utc);
    ASSERT_TRUE(memcmp(f.flight_id.b, g.flight_id.b, 16) < 0);
}
