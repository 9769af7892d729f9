/* The generated airline network: hubs with banks, routes by gravity, weekly patterns, and the dated
 * flights they expand to. `faregate seed` loads it. Pure and deterministic: same network, seed and
 * scale, same timetable; the dates do not matter, so that a horizon can be extended later. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/uuid.h"
#include "domain/zone.h"

#define TIMETABLE_CABINS 5 /* index is faregate.v1.Cabin; 0 is unused */

struct timetable_airport {
    char iata[4];
    char country[3];
    char metro[4];
    double latitude;
    double longitude;
    int32_t traffic;             /* thousand passengers a year */
    int32_t standard_offset_min; /* the patterns are laid out in standard time */
};

struct timetable_aircraft {
    char code[4];
    int32_t range_km;
    int32_t speed_kmh;
    int32_t seats[TIMETABLE_CABINS];
};

/* An airline at an airport it flies from; an airline's most important base comes first. */
struct timetable_base {
    char carrier[3];
    int32_t airport; /* index */
    int32_t reach_km;
};

struct timetable_network {
    const struct timetable_airport *airports; /* in order of code */
    const struct timetable_aircraft *aircraft;
    const struct timetable_base *bases;
    int32_t airport_count;
    int32_t aircraft_count;
    int32_t base_count;
};

struct timetable_options {
    uint64_t seed;
    int32_t scale_permille; /* 1000: about 1,900 city pairs, 4,170 flights a day */
};

/* One flight number's week. Local departure time is what stays fixed across daylight saving. */
struct timetable_pattern {
    char carrier[3];
    uint8_t weekdays; /* bit 0 Monday .. bit 6 Sunday */
    int16_t departure_min;
    int16_t block_min;
    int16_t aircraft; /* index */
    int32_t number;
    int32_t origin; /* index */
    int32_t destination;
    int32_t distance_km;
    int32_t route; /* ordinal of (origin, destination) in order of code */
    int64_t base_minor;
};

struct timetable {
    const struct timetable_pattern *patterns; /* by route, then departure time */
    int32_t count;
    int32_t route_count;
};

/* Memory comes from @arena: about 50 MB at ten times the scale. */
void timetable_make(struct arena *arena, const struct timetable_network *net,
                    const struct timetable_options *options, struct timetable *ret_timetable);

struct timetable_flight {
    struct uuid flight_id;
    int64_t departure_s; /* UTC, since 1970 */
    int64_t arrival_s;
    int32_t departure_offset_min;
    int32_t arrival_offset_min;
    int32_t date_days; /* local departure date, days since 1970 */
    int64_t base_minor;
};

static inline bool timetable_flies(const struct timetable_pattern *p, int32_t date_days)
{
    return (p->weekdays >> civil_weekday(date_days)) & 1;
}

/* The flight of @p on a local date; that date may be one of a gap or an overlap. */
struct timetable_flight timetable_expand(const struct timetable_pattern *p, uint64_t seed,
                                         int32_t date_days, const struct zone_rules *origin,
                                         const struct zone_rules *destination);

/* What a cabin costs where economy costs @base_minor. */
int64_t timetable_cabin_price(int64_t base_minor, int32_t cabin);
