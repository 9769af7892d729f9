/* The log file, and the dump of all processes. What must stay true: the number of the log's
 * descriptor never changes, so nobody has to be told of a rotation but the processes themselves. */
#include "supervisor/state.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/complain.h"
#include "supervisor/supervisor.h"

#define OTHER_DESCRIPTORS 128 /* lanes, leases, the provider's connections, the log, listeners */

void state_raise_descriptors(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
        return;
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
}

void state_forbid_cores(void)
{
    /* 0 is for files: a program behind core_pattern gets a dump all the same, but for 1. */
    setrlimit(RLIMIT_CORE, &(struct rlimit){1, 1});
}

uint32_t state_conns_that_fit(uint32_t conns_max)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) < 0 || limit.rlim_cur / 2 < OTHER_DESCRIPTORS)
        return conns_max;
    rlim_t fit = limit.rlim_cur - OTHER_DESCRIPTORS;
    return fit < conns_max ? (uint32_t)fit : conns_max;
}

unsigned state_cpus_allowed(void)
{
    cpu_set_t set;
    CPU_ZERO(&set);
    int n = sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : 1;
    /* A cgroup may grant less time than it shows processors (cgroup v2 cpu.max: quota and period).
     */
    FILE *f = fopen("/sys/fs/cgroup/cpu.max", "re");
    long quota, period;
    if (f && fscanf(f, "%ld %ld", &quota, &period) == 2 && period > 0 && quota / period < n)
        n = (int)(quota / period);
    if (f)
        fclose(f);
    return n < 1 ? 1 : n > WORKERS_MAX ? WORKERS_MAX : (unsigned)n;
}

bool state_somebody_serves(const struct supervisor_context *ctx)
{
    for (unsigned i = 0; i < ctx->worker_count; i++) {
        struct process_slot *slot = &ctx->shared->slots[i];
        if (atomic_load(&slot->state) == PROCESS_READY && atomic_load(&slot->database_up))
            return true;
    }
    return false;
}

int state_open_log(const char *log)
{
    if (strcmp(log, "none") == 0)
        return -1;
    if (strcmp(log, "-") == 0)
        return STDERR_FILENO;
    return open(log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0640);
}

bool state_reopen_log(const char *log, int fd)
{
    if (fd <= STDERR_FILENO)
        return true;
    int fresh = state_open_log(log);
    bool ok = fresh >= 0 && dup3(fresh, fd, O_CLOEXEC) >= 0;
    if (!ok)
        complain("--log: cannot open %s again, what is open stays in use: %s", log,
                 strerror(errno));
    if (fresh >= 0)
        close(fresh);
    return ok;
}

static const char *state_word(uint32_t state)
{
    static const char *const words[] = {"down", "starting", "ready", "draining"};
    return state < sizeof words / sizeof words[0] ? words[state] : "?";
}

static void dump_process(const struct supervisor_context *context, unsigned slot_index)
{
    const struct process_slot *slot = &context->shared->slots[slot_index];
    bool is_worker = slot_index < WORKERS_MAX;
    struct obs_event e =
        obs_event_begin(context->obs, "state_process", clock_wall_ns(&clock_system));
    obs_event_str(&e, "kind", str_of(process_kind(slot_index)));
    if (is_worker)
        obs_event_int(&e, "worker", slot_index);
    obs_event_int(&e, "pid", atomic_load(&slot->pid));
    obs_event_str(&e, "state", str_of(state_word(atomic_load(&slot->state))));
    obs_event_int(&e, "database_up", atomic_load(&slot->database_up));
    obs_event_int(&e, "restarts", atomic_load(&slot->restarts));
    if (is_worker)
        obs_event_int(
            &e, "connections",
            __atomic_load_n(&context->shared->conns_by_worker[slot_index], __ATOMIC_RELAXED));
    obs_event_end(&e);
}

void state_dump(const struct supervisor_context *context, bool draining)
{
    struct obs_event e = obs_event_begin(context->obs, "state", clock_wall_ns(&clock_system));
    obs_event_int(&e, "pid", getpid());
    obs_event_int(&e, "workers", context->worker_count);
    obs_event_int(&e, "draining", draining);
    obs_event_end(&e);
    for (unsigned i = 0; i < SLOTS; i++)
        if (i < context->worker_count || atomic_load(&context->shared->slots[i].pid) > 0)
            dump_process(context, i);
    obs_flush(context->obs);
}
