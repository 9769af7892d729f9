/* The shared segment: made by the supervisor before it forks, then opened slot by slot. Called by
 * main, the supervisor and, for names, by everybody. What must stay true: a name keeps its index
 * and is whole before it is counted, whoever dies in between. */
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "base/check.h"
#include "obs/internal.h"

static void init_lock(struct obs_region *region)
{
    pthread_mutexattr_t attr;
    CHECK(pthread_mutexattr_init(&attr) == 0);
    CHECK(pthread_mutexattr_setpshared(&attr, PTHREAD_PROCESS_SHARED) == 0);
    CHECK(pthread_mutexattr_setrobust(&attr, PTHREAD_MUTEX_ROBUST) == 0);
    CHECK(pthread_mutex_init(&region->names_lock, &attr) == 0);
    pthread_mutexattr_destroy(&attr);
}

/* Workers start side by side and register the same names. */
static void lock_names(struct obs_region *region)
{
    int r = pthread_mutex_lock(&region->names_lock);
    if (r == EOWNERDEAD) /* what it had begun was not counted */
        r = pthread_mutex_consistent(&region->names_lock);
    CHECK(r == 0);
}

static int unlock_names(struct obs_region *region, int index)
{
    CHECK(pthread_mutex_unlock(&region->names_lock) == 0);
    return index;
}

static int count_one(int *count)
{
    int index = *count;
    __atomic_store_n(count, index + 1, __ATOMIC_RELEASE);
    return index;
}

int obs_region_new(struct obs_region **ret_region)
{
    /* About 110 MiB of address space for every method, status and worker there can be; pages appear
     * when something is counted in them. */
    struct obs_region *region = mmap(NULL, sizeof *region, PROT_READ | PROT_WRITE,
                                     MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (region == MAP_FAILED)
        return -errno;
    madvise(region, sizeof *region, MADV_DONTDUMP);
    init_lock(region);
    region->log_dropped =
        obs_metric(region, "log_dropped_total", "Log events lost to a full log", OBS_COUNTER);
    *ret_region = region;
    return 0;
}

struct obs_region *obs_region_free(struct obs_region *region)
{
    if (region)
        munmap(region, sizeof *region);
    return NULL;
}

int obs_method(struct obs_region *region, const char *full_name)
{
    CHECK(strlen(full_name) < METHOD_NAME_BYTES);
    lock_names(region);
    int index = region->method_count;
    for (int i = 0; i < index; i++) {
        if (strcmp(region->methods[i], full_name) == 0)
            return unlock_names(region, i);
    }
    if (index == OBS_METHODS_MAX)
        return unlock_names(region, -ENOSPC);
    snprintf(region->methods[index], METHOD_NAME_BYTES, "%s", full_name);
    return unlock_names(region, count_one(&region->method_count));
}

int obs_step(struct obs_region *region, int method, const char *step)
{
    CHECK(method >= 0);
    CHECK(method < region->method_count);
    CHECK(strlen(step) < STEP_NAME_BYTES);
    lock_names(region);
    int index = region->step_count;
    for (int i = 0; i < index; i++) {
        if (region->steps[i].method == method && strcmp(region->steps[i].name, step) == 0)
            return unlock_names(region, i);
    }
    if (index == OBS_STEPS_MAX)
        return unlock_names(region, -ENOSPC);
    region->steps[index].method = method;
    snprintf(region->steps[index].name, STEP_NAME_BYTES, "%s", step);
    return unlock_names(region, count_one(&region->step_count));
}

int obs_metric(struct obs_region *region, const char *name, const char *help, enum obs_kind kind)
{
    CHECK(strlen(name) < METRIC_NAME_BYTES);
    lock_names(region);
    int index = region->metric_count;
    for (int i = 0; i < index; i++) {
        if (strcmp(region->metrics[i].name, name) == 0)
            return unlock_names(region, i);
    }
    if (index == OBS_GAUGES_MAX)
        return unlock_names(region, -ENOSPC);
    struct metric_name *metric = &region->metrics[index];
    metric->kind = kind;
    snprintf(metric->name, METRIC_NAME_BYTES, "%s", name);
    snprintf(metric->help, METRIC_HELP_BYTES, "%s", help);
    return unlock_names(region, count_one(&region->metric_count));
}

/* What a pipe or socket takes in one piece when poll calls it writable; a file takes everything. */
static size_t chunk_bytes_of(int fd)
{
    struct stat st;
    if (fd < 0 || fstat(fd, &st) < 0)
        return OBS_EVENT_BYTES_MAX;
    return S_ISREG(st.st_mode) ? OBS_LOG_BYTES_MAX : OBS_EVENT_BYTES_MAX;
}

int obs_open(struct obs **ret_obs, struct obs_region *region, unsigned slot, int log_fd)
{
    CHECK(slot < OBS_WORKERS_MAX);
    struct obs *obs = calloc(1, sizeof *obs);
    if (!obs)
        return -ENOMEM;
    obs->region = region;
    obs->slot = &region->slots[slot];
    obs->log_fd = log_fd;
    obs->chunk_bytes = chunk_bytes_of(log_fd);
    obs->second = obs->wall_ns = INT64_MIN;
    for (int i = 0; i < region->metric_count; i++) {
        enum obs_kind kind = region->metrics[i].kind;
        if (kind == OBS_GAUGE || kind == OBS_LONGEST)
            __atomic_store_n(&obs->slot->metrics[i], 0, __ATOMIC_RELAXED);
    }
    memcpy(obs->inherited, obs->slot->metrics, sizeof obs->inherited);
    __atomic_store_n(&obs->slot->opened, 1, __ATOMIC_RELEASE);
    *ret_obs = obs;
    return 0;
}

struct obs *obs_close(struct obs *obs)
{
    if (!obs)
        return NULL;
    obs_flush(obs);
    buf_deinit(&obs->log);
    free(obs);
    return NULL;
}

struct obs_region *obs_region_of(struct obs *obs)
{
    return obs->region;
}
