/* Counting, on the hot path of every call: a few relaxed stores into this process's own slot.
 * Called by the runner and by whoever registered a metric. What must stay true: no lock, no system
 * call. */
#include "base/check.h"
#include "obs/internal.h"

const uint32_t obs_latency_bounds_us[OBS_LATENCY_BUCKETS - 1] = {
    0,       10,       50,       100,      300,       600,    800,    1000,    2000,
    3000,    4000,     5000,     6000,     8000,      10000,  13000,  16000,   20000,
    25000,   30000,    40000,    50000,    65000,     80000,  100000, 130000,  160000,
    200000,  250000,   300000,   400000,   500000,    650000, 800000, 1000000, 2000000,
    5000000, 10000000, 20000000, 50000000, 100000000,
};

const uint64_t obs_size_bounds[SIZE_BUCKETS - 1] = {
    0,
    UINT64_C(1) << 10,
    UINT64_C(1) << 11,
    UINT64_C(1) << 12,
    UINT64_C(1) << 14,
    UINT64_C(1) << 16,
    UINT64_C(1) << 18,
    UINT64_C(1) << 20,
    UINT64_C(1) << 22,
    UINT64_C(1) << 24,
    UINT64_C(1) << 26,
    UINT64_C(1) << 28,
    UINT64_C(1) << 30,
    UINT64_C(1) << 32,
};

/* A bound belongs to its bucket ("le"). */
static void count_latency(struct latency *h, int64_t duration_ns)
{
    uint64_t ns = duration_ns > 0 ? (uint64_t)duration_ns : 0;
    uint64_t us = (ns + 999) / 1000;
    unsigned low = 0, high = OBS_LATENCY_BUCKETS - 1;
    while (low < high) {
        unsigned middle = (low + high) / 2;
        if (us <= obs_latency_bounds_us[middle])
            high = middle;
        else
            low = middle + 1;
    }
    cell_add(&h->buckets[low], 1);
    cell_add(&h->sum_ns, ns);
}

static void count_size(struct sizes *h, size_t bytes)
{
    unsigned i = 0;
    while (i < SIZE_BUCKETS - 1 && bytes > obs_size_bounds[i])
        i++;
    cell_add(&h->buckets[i], 1);
    cell_add(&h->sum_bytes, bytes);
}

void obs_call_started(struct obs *obs, int method)
{
    CHECK((unsigned)method < OBS_METHODS_MAX);
    cell_add(&obs->slot->started[method], 1);
}

void obs_call_ended(struct obs *obs, int method, enum status_code code, enum reason reason,
                    int64_t duration_ns, size_t request_bytes, size_t reply_bytes)
{
    CHECK((unsigned)method < OBS_METHODS_MAX);
    CHECK((unsigned)reason < REASON_COUNT);
    unsigned status = (unsigned)code < STATUS_COUNT ? (unsigned)code : STATUS_UNKNOWN;
    struct slot *slot = obs->slot;
    struct outcome *outcome = &slot->outcomes[method][status];
    count_latency(&outcome->duration, duration_ns);
    count_size(&outcome->received, request_bytes);
    count_size(&outcome->sent, reply_bytes);
    uint32_t seen = __atomic_load_n(&slot->statuses_seen[method], __ATOMIC_RELAXED);
    __atomic_store_n(&slot->statuses_seen[method], seen | 1u << status, __ATOMIC_RELEASE);
    if (reason != REASON_NONE)
        cell_add(&slot->reasons[reason], 1);
}

void obs_step_ended(struct obs *obs, int step, int64_t duration_ns)
{
    CHECK((unsigned)step < OBS_STEPS_MAX);
    count_latency(&obs->slot->steps[step], duration_ns);
    __atomic_store_n(&obs->slot->step_seen[step], 1, __ATOMIC_RELEASE);
}

void obs_set(struct obs *obs, int metric, uint64_t value)
{
    CHECK((unsigned)metric < OBS_GAUGES_MAX);
    CHECK(obs->region->metrics[metric].kind != OBS_COUNTER);
    __atomic_store_n(&obs->slot->metrics[metric], value, __ATOMIC_RELAXED);
}

void obs_set_total(struct obs *obs, int metric, uint64_t total)
{
    CHECK((unsigned)metric < OBS_GAUGES_MAX);
    CHECK(obs->region->metrics[metric].kind == OBS_COUNTER);
    __atomic_store_n(&obs->slot->metrics[metric], obs->inherited[metric] + total, __ATOMIC_RELAXED);
}

void obs_add(struct obs *obs, int metric, uint64_t delta)
{
    CHECK((unsigned)metric < OBS_GAUGES_MAX);
    cell_add(&obs->slot->metrics[metric], delta);
}
