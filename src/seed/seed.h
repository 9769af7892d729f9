/* Fills an empty, migrated database with airports, airlines, fares and a generated timetable:
 * `faregate seed`, and `faregate dev` at its first start. Blocking: a start-up command, never on
 * the event loop. */
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
    bool extend; /* add days to what is there, until @start + @days; seed and scale are the first
                    run's */
    bool quiet;  /* no progress and no summary */
};

/* All or nothing: one transaction. On a database that is seeded already it says so and does
 * nothing. 0, or a negative errno after one line on stderr. */
int seed_run(const struct seed_options *options);
