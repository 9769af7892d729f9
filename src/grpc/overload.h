/* How much each method costs and how many calls of it run. The server owns the numbers, intake and
 * the runner count, overload.c judges by them. */
#pragma once

#include <stdint.h>

struct call_impl;
struct server;

/* What a method costs this worker now. */
struct method_load {
    uint32_t in_flight;
    uint32_t samples;   /* calls that p50_ns has learnt from */
    uint32_t too_short; /* calls whose deadline was below it */
    int64_t p50_ns;     /* about the median of successful unary calls */
};

void overload_init(struct server *server);
/* The call is in flight; it has ended. */
void overload_begun(struct call_impl *ci);
void overload_ended(struct call_impl *ci);
/* Calls in flight but for streams that last: what calls_max limits. */
unsigned server_calls_busy(const struct server *server);
