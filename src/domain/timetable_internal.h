/* Shared by the three parts of the timetable: which routes (routes), at what times and by whom
 * (patterns), and on which dates (timetable.c). Nobody else includes it. */
#pragma once

#include "domain/timetable.h"

#define TIMETABLE_HUBS_AT_1                                                                        \
    80 /* hub airports at scale 1; grows with the square root of the scale */
#define TIMETABLE_PAIRS_AT_1 1900   /* city pairs, each flown both ways */
#define TIMETABLE_WEEKLY_AT_1 14600 /* round trips a week: 500,000 flights in 120 days */
#define TIMETABLE_DISTANCE_KM_MIN 130
#define TIMETABLE_NUMBER_MAX 9998 /* flight numbers have four digits */
#define TIMETABLE_BANKS_MAX 5

/* A city pair as seen from its hub. */
struct timetable_pair {
    int32_t hub;     /* index into hubs */
    int32_t airport; /* index of the other end */
    int32_t distance_km;
    int32_t weekly; /* round trips */
    int64_t gravity;
};

struct timetable_hub {
    int32_t airport;
    int32_t bank_count;
    int32_t bank_main;
    int32_t bank_min[TIMETABLE_BANKS_MAX]; /* local minute around which arrivals end and departures
                                              begin */
};

struct timetable_routes {
    struct timetable_hub *hubs;
    struct timetable_pair *pairs;
    int32_t *hub_of; /* by airport: index into hubs, or -1 */
    int32_t hub_count;
    int32_t pair_count;
};

void timetable_choose_routes(struct arena *arena, const struct timetable_network *net,
                             const struct timetable_options *options,
                             struct timetable_routes *ret_routes);

/* Fills @ret_patterns (room for two per round trip and weekday slot); returns how many. */
int32_t timetable_lay_patterns(struct arena *arena, const struct timetable_network *net,
                               const struct timetable_options *options,
                               const struct timetable_routes *routes,
                               struct timetable_pattern **ret_patterns);
