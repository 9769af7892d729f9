/* Answers that may be a moment old: what one call was told, the next callers with the same request
 * are told too, for as long as `stale_ms` says; and calls with the same request that are in flight
 * at once wait for the first of them. For public reads whose answer depends on the request alone,
 * never on who asks. What must stay true: an answer was read from the database at most stale_ms
 * before the call that gets it began; the memory is one piece of a fixed size. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/list.h"
#include "base/str.h"
#include "grpc/grpc.h"

struct recent; /* of one worker */

struct recent_stats {
    uint64_t hits;   /* answered from memory */
    uint64_t joined; /* answered with another call's answer while that was being made */
    uint64_t misses;
    uint64_t bytes; /* of answers kept */
};

/* @stale_ms 0: nothing is kept and nobody waits. @bytes: of memory, which the oldest answers leave
 * first; touched only as it is used. */
struct recent *recent_new(uint32_t stale_ms, size_t bytes);
struct recent *recent_free(struct recent *recent);
const struct recent_stats *recent_stats(const struct recent *recent);

/* A call's part in it; lies in the handler's state. */
struct recent_ask {
    struct list node;    /* who asks first: in the table of calls in flight; others: behind it */
    struct list waiting; /* of the first: those who asked the same */
    struct call *call;   /* NULL: not begun */
    struct recent *recent;
    struct str key;
    struct str reply; /* for one who waited */
    uint64_t hash;
    int64_t begin_ns;
    bool leads, waits;
};

enum recent_found {
    RECENT_NONE, /* go on; recent_reply tells the others */
    RECENT_HERE, /* the answer is @ask->reply */
    RECENT_SOON, /* STEP_PARK and ask again */
};

/* The first thing a step does. @recent NULL: always RECENT_NONE. */
enum recent_found recent_find(struct call *c, struct recent *recent, struct recent_ask *ask);

/* call_reply, and the answer is kept and given to those who wait. */
enum step recent_reply(struct call *c, struct recent_ask *ask, const ProtobufCMessage *message);
