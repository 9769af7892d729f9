/* The shared segment's layout, for the files of this folder only.
 * What must stay true: a slot has one writer, so a relaxed load and store is an increment; readers
 * may see a histogram between two increments, never a torn number. */
#pragma once

#include <pthread.h>

#include "obs/obs.h"

#define STATUS_COUNT 17
#define SIZE_BUCKETS 15 /* 14 bounds and +Inf */
#define METHOD_NAME_BYTES 128
#define STEP_NAME_BYTES 64
#define METRIC_NAME_BYTES 160
#define METRIC_HELP_BYTES 160

struct latency {
    uint64_t buckets[OBS_LATENCY_BUCKETS];
    uint64_t sum_ns;
};

struct sizes {
    uint64_t buckets[SIZE_BUCKETS];
    uint64_t sum_bytes;
};

/* One method with one status. */
struct outcome {
    struct latency duration;
    struct sizes received;
    struct sizes sent;
};

/* Untouched pages cost nothing, so readers look at @outcomes and @steps only if a flag says so. */
struct slot {
    uint32_t opened;
    uint32_t statuses_seen[OBS_METHODS_MAX]; /* bit per status */
    uint8_t step_seen[OBS_STEPS_MAX];
    uint64_t started[OBS_METHODS_MAX];
    uint64_t reasons[REASON_COUNT];
    uint64_t metrics[OBS_GAUGES_MAX];
    struct latency steps[OBS_STEPS_MAX];
    struct outcome outcomes[OBS_METHODS_MAX][STATUS_COUNT];
} __attribute__((aligned(4096)));

struct step_name {
    int method;
    char name[STEP_NAME_BYTES];
};

struct metric_name {
    enum obs_kind kind;
    char name[METRIC_NAME_BYTES];
    char help[METRIC_HELP_BYTES];
};

struct obs_region {
    pthread_mutex_t names_lock; /* of the counts and names; robust */
    int method_count;
    int step_count;
    int metric_count;
    int log_dropped; /* the metric that every region has */
    char methods[OBS_METHODS_MAX][METHOD_NAME_BYTES];
    struct step_name steps[OBS_STEPS_MAX];
    struct metric_name metrics[OBS_GAUGES_MAX];
    struct slot slots[OBS_WORKERS_MAX];
};

struct obs {
    struct obs_region *region;
    struct slot *slot;
    struct buf log;
    size_t chunk_bytes; /* a write of at most this many is taken whole once poll says so */
    int log_fd;
    bool is_torn; /* @log begins with the rest of a line whose beginning was taken */
    bool event_open;
    bool event_truncated;
    int64_t wall_ns; /* what @time_text spells */
    int64_t second;  /* the one it was made for; microseconds are put into it */
    char time_text[28];
    uint64_t inherited[OBS_GAUGES_MAX]; /* what dead predecessors left in the counters */
};

/* Upper bounds in bytes, gRFC A66's list. */
extern const uint64_t obs_size_bounds[SIZE_BUCKETS - 1];

static inline uint64_t cell_read(const uint64_t *cell)
{
    return __atomic_load_n(cell, __ATOMIC_RELAXED);
}

static inline void cell_add(uint64_t *cell, uint64_t delta)
{
    __atomic_store_n(cell, cell_read(cell) + delta, __ATOMIC_RELAXED);
}
