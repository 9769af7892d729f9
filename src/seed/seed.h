/* Fills an empty, migrated database with airports, airlines, fares and a generated timetable, and
 * adds days to one that ends too early: `faregate seed`, and `faregate dev` at each start.
 * Blocking: a start-up command, never on the event loop. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#define SEED_SCALE_MIN 0.01
#define SEED_SCALE_MAX 10.0
#define SEED_DAYS_MAX 400

struct seed_options {
    const char *conninfo;
    double scale; /* 1: 3,800 directed routes, about 4,170 flights a day */
    int days;     /* 1 .. SEED_DAYS_MAX */
    uint64_t seed;
    const char *start; /* first local date, YYYY-MM-DD; NULL or empty: today */
    bool quiet;        /* no progress and no summary */
};

/* All or nothing: one transaction. Where a timetable is, it is continued until @start + @days, with
 * the seed and scale of the first run; where it reaches that far, nothing is done, which is quick.
 * Days before @start are not made up for. 0, or a negative errno after one line on stderr. */
int seed_run(const struct seed_options *options);

/* The first and the last day of the timetable that is there, since 1970. A negative errno: none. */
int seed_dates(const char *conninfo, int32_t *ret_first_days, int32_t *ret_last_days);
