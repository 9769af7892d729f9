/* google.protobuf.Timestamp from what the database gives (microseconds since 1970). Every service
 * that renders a resource calls it. */
#pragma once

#include <stdint.h>

#include "base/arena.h"
#include "google/protobuf/timestamp.pb-c.h"

static inline Google__Protobuf__Timestamp *timestamp_of_us(struct arena *arena, int64_t us)
{
    Google__Protobuf__Timestamp *t = arena_alloc(arena, sizeof *t);
    google__protobuf__timestamp__init(t);
    int64_t rest = us % 1000000;
    t->seconds = us / 1000000 - (rest < 0);
    t->nanos = (int32_t)(rest < 0 ? rest + 1000000 : rest) * 1000;
    return t;
}

static inline Google__Protobuf__Timestamp *timestamp_of_s(struct arena *arena, int64_t s)
{
    return timestamp_of_us(arena, s * 1000000);
}
