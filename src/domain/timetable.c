/* The timetable as a whole: routes, then patterns, then order; and a pattern's flight on a date.
 * What must stay true: a flight's id depends on seed, route, number and date alone, so that loading
 * again or extending the horizon makes the same ids, which lie together by route and date. */
#include "timetable_internal.h"

#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "domain/prng.h"

static int by_route_and_time(const void *pa, const void *pb)
{
    const struct timetable_pattern *a = pa, *b = pb;
    if (a->origin != b->origin)
        return a->origin < b->origin ? -1 : 1;
    if (a->destination != b->destination)
        return a->destination < b->destination ? -1 : 1;
    if (a->departure_min != b->departure_min)
        return a->departure_min < b->departure_min ? -1 : 1;
    int by_carrier = strcmp(a->carrier, b->carrier);
    return by_carrier != 0 ? by_carrier : a->number < b->number ? -1 : a->number > b->number;
}

void timetable_make(struct arena *arena, const struct timetable_network *net,
                    const struct timetable_options *options, struct timetable *ret_timetable)
{
    struct timetable_routes routes;
    struct timetable_pattern *patterns;
    timetable_choose_routes(arena, net, options, &routes);
    int32_t count = timetable_lay_patterns(arena, net, options, &routes, &patterns);
    qsort(patterns, (size_t)count, sizeof *patterns, by_route_and_time);
    int32_t route = -1;
    for (int32_t i = 0; i < count; i++) {
        if (i == 0 || patterns[i].origin != patterns[i - 1].origin ||
            patterns[i].destination != patterns[i - 1].destination)
            route++;
        patterns[i].route = route;
    }
    *ret_timetable =
        (struct timetable){.patterns = patterns, .count = count, .route_count = route + 1};
}

/* RFC 9562 version 8: origin and destination, date, then a hash of everything. */
static struct uuid flight_id(const struct timetable_pattern *p, uint64_t seed, int32_t date_days)
{
    uint64_t hash = prng_mix(seed +
                             prng_mix(((uint64_t)(uint8_t)p->carrier[0] << 40) ^
                                      ((uint64_t)(uint8_t)p->carrier[1] << 32) ^
                                      (uint64_t)(uint32_t)p->number) +
                             prng_mix((uint64_t)(uint32_t)date_days << 20));
    uint64_t high =
        ((uint64_t)p->origin & 0xffff) << 48 | ((uint64_t)p->destination & 0xffff) << 32 |
        ((uint64_t)date_days & 0xffff) << 16 | 0x8000 | ((uint64_t)p->departure_min & 0xfff);
    uint64_t low = UINT64_C(0x8000000000000000) | (hash >> 2);
    struct uuid u;
    for (int i = 0; i < 8; i++) {
        u.b[i] = (uint8_t)(high >> (56 - 8 * i));
        u.b[8 + i] = (uint8_t)(low >> (56 - 8 * i));
    }
    return u;
}

/* Weekends sell dearer, the middle of the week cheaper, and no two days alike; whole dollars. */
static int64_t dated_price(const struct timetable_pattern *p, uint64_t seed, int32_t date_days)
{
    static const int32_t permille_of[7] = {1010, 930, 920, 980, 1110, 980, 1120};
    struct prng rng = prng_for(seed,
                               (uint64_t)p->number << 16 | (uint64_t)(uint8_t)p->carrier[0] << 8 |
                                   (uint64_t)(uint8_t)p->carrier[1],
                               (uint64_t)date_days);
    int64_t permille = permille_of[civil_weekday(date_days)] - 50 + (int32_t)prng_below(&rng, 101);
    return p->base_minor * permille / 1000 / 100 * 100;
}

struct timetable_flight timetable_expand(const struct timetable_pattern *p, uint64_t seed,
                                         int32_t date_days, const struct zone_rules *origin,
                                         const struct zone_rules *destination)
{
    CHECK(timetable_flies(p, date_days));
    int64_t local_s = date_days * INT64_C(86400) + p->departure_min * INT64_C(60);
    struct timetable_flight f = {
        .flight_id = flight_id(p, seed, date_days),
        .date_days = date_days,
        .departure_s = zone_utc_of_local(origin, local_s),
        .base_minor = dated_price(p, seed, date_days),
    };
    f.arrival_s = f.departure_s + p->block_min * INT64_C(60);
    f.departure_offset_min = zone_offset_min(origin, f.departure_s);
    f.arrival_offset_min = zone_offset_min(destination, f.arrival_s);
    return f;
}

int64_t timetable_cabin_price(int64_t base_minor, int32_t cabin)
{
    static const int32_t permille_of[TIMETABLE_CABINS] = {0, 1000, 1700, 3400, 6000};
    CHECK(cabin > 0 && cabin < TIMETABLE_CABINS);
    return base_minor * permille_of[cabin] / 1000 / 100 * 100;
}
