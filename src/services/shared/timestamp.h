/* google.protobuf.Timestamp from what the database gives (microseconds since 1970). Every service
 * that renders a resource calls it. */
#pragma once

#include <stdint.h>

#include "base/arena.h"
#include "base/clock.h"
#include "google/protobuf/timestamp.pb-c.h"
#include "grpc/pb_put.h"

static inline void timestamp_split(int64_t us, int64_t *ret_seconds, int32_t *ret_nanos)
{
    int64_t rest = us % US_PER_S;
    *ret_seconds = us / US_PER_S - (rest < 0);
    *ret_nanos = (int32_t)(rest < 0 ? rest + US_PER_S : rest) * 1000;
}

static inline Google__Protobuf__Timestamp *timestamp_of_us(struct arena *arena, int64_t us)
{
    Google__Protobuf__Timestamp *t = arena_alloc(arena, sizeof *t);
    google__protobuf__timestamp__init(t);
    timestamp_split(us, &t->seconds, &t->nanos);
    return t;
}

static inline Google__Protobuf__Timestamp *timestamp_of_s(struct arena *arena, int64_t s)
{
    return timestamp_of_us(arena, s * US_PER_S);
}

/* The same in front of @p, as grpc/pb_put.h has it: the message in @field. */
static inline uint8_t *timestamp_put(uint8_t *p, unsigned field, int64_t us)
{
    enum { TIMESTAMP_SECONDS = 1, TIMESTAMP_NANOS };
    const uint8_t *end = p;
    int64_t seconds;
    int32_t nanos;
    timestamp_split(us, &seconds, &nanos);
    p = pb_put_number(p, TIMESTAMP_NANOS, nanos);
    p = pb_put_number(p, TIMESTAMP_SECONDS, seconds);
    return pb_put_around(p, field, end);
}
