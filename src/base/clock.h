/* Time, injectable: tests own a struct clock and move it. Monotonic for waits, wall for stamps.
 * What decides expiry of holds and offers is the database's clock, not this one. */
#pragma once

#include <stdint.h>

#define NS_PER_US INT64_C(1000)
#define US_PER_S INT64_C(1000000)
#define NS_PER_MS INT64_C(1000000)
#define NS_PER_S INT64_C(1000000000)

struct clock {
    int64_t (*mono_ns)(const struct clock *c);
    int64_t (*wall_ns)(const struct clock *c); /* since 1970-01-01 UTC */
};

/* The operating system's. */
extern const struct clock clock_system;

static inline int64_t clock_mono_ns(const struct clock *c)
{
    return c->mono_ns(c);
}

static inline int64_t clock_wall_ns(const struct clock *c)
{
    return c->wall_ns(c);
}
