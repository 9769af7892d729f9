/* The operating system's clocks behind struct clock. Everybody who needs the time gets a struct
 * clock from main; only tests make others. What must stay true: mono_ns never goes back. */
#include "base/clock.h"

#include <time.h>

#include "base/check.h"

static int64_t read_ns(clockid_t id)
{
    struct timespec ts;
    CHECK(clock_gettime(id, &ts) == 0);
    return (int64_t)ts.tv_sec * NS_PER_S + ts.tv_nsec;
}

static int64_t system_mono_ns(const struct clock *c)
{
    (void)c;
    return read_ns(CLOCK_MONOTONIC);
}

static int64_t system_wall_ns(const struct clock *c)
{
    (void)c;
    return read_ns(CLOCK_REALTIME);
}

const struct clock clock_system = {.mono_ns = system_mono_ns, .wall_ns = system_wall_ns};
