/* A small deterministic generator (splitmix64): the same seed makes the same timetable on every
 * machine. For made-up data and locators; never for secrets. Floating point stays out of what it
 * decides.
 */
#pragma once

#include <stdint.h>

struct prng {
    uint64_t state;
};

static inline uint64_t prng_mix(uint64_t x)
{
    x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
    return x ^ (x >> 31);
}

static inline uint64_t prng_next(struct prng *p)
{
    p->state += UINT64_C(0x9e3779b97f4a7c15);
    return prng_mix(p->state);
}

/* Even over 0 .. n - 1; n must not be zero. */
static inline uint32_t prng_below(struct prng *p, uint32_t n)
{
    return (uint32_t)(((prng_next(p) >> 32) * n) >> 32);
}

/* A generator of its own for one thing, so that adding another does not move it. */
static inline struct prng prng_for(uint64_t seed, uint64_t a, uint64_t b)
{
    return (struct prng){.state = prng_mix(seed ^ prng_mix(a + 1) ^ prng_mix(prng_mix(b + 7)))};
}
