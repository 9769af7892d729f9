/* Forks, watches, restarts, drains. The children inherit listeners, shared memory, secrets and
 * nothing else that matters. Entry: supervisor_run, from main and dev. What must stay true: a
 * child's death costs only that child. */
#include "supervisor/supervisor.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/check.h"
#include "base/complain.h"
#include "io/loop.h"
#include "services/all.h"
#include "services/app.h"
#include "services/auth/token.h"
#include "services/flight/board.h"
#include "supervisor/admin.h"
#include "supervisor/keeper.h"
#include "supervisor/lanes.h"
#include "supervisor/listeners.h"
#include "supervisor/state.h"
#include "supervisor/worker.h"

#define RESTART_DELAY_MIN_MS 50
/* What a child gets after a second signal. */
#define HURRY_SECONDS 2.
#define QUICK_DEATH_NS (2 * NS_PER_S)
#define SILENT_MS 2000 /* beyond --loop-lag-max-ms; a loop speaks four times a second */

struct child {
    struct supervisor *supervisor;
    unsigned slot;
    pid_t pid;
    int64_t started_ns;
    uint32_t delay_ms; /* before the next start; doubles while it keeps dying at once */
    int64_t seen_ns;   /* as it was a second ago */
    uint32_t silent_seconds;
    ev_timer restart;
};

struct supervisor {
    struct supervisor_context context;
    struct loop loop;
    struct admin *admin;
    struct keeper *keeper;
    struct child children[SLOTS];
    unsigned child_count;
    ev_io signals; /* a signalfd: libev allows a signal to one loop of a process, and the workers
                      want SIGTERM in theirs */
    ev_timer poll, kill_timer, shut, hang;
    const struct companion *companions;
    void (*on_ready)(void *ctx);
    void *ready_ctx;
    bool draining;
    bool hurried;    /* a second signal came */
    bool has_served; /* a child was ready once: what stops the next is no fault of the start */
    int exit_status;
};

static void start_child(struct child *child);

const char *process_kind(unsigned slot)
{
    return slot == SLOT_JOBS ? "jobs" : slot == SLOT_TIMETABLE ? "timetable" : "worker";
}

bool process_exists(const struct supervisor_context *context, unsigned slot)
{
    return slot < context->worker_count ||
           (slot == SLOT_JOBS && (context->config->jobs || context->worker_count == 0)) ||
           (slot == SLOT_TIMETABLE && context->board);
}

static void child_main(struct supervisor *s, unsigned slot)
{
    listeners_keep(&s->context, slot);
    /* Ctrl-C reaches the whole terminal group; only the supervisor decides what it means. The
     * others stay blocked until the worker has handlers for them. */
    signal(SIGINT, SIG_IGN);
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    prctl(PR_SET_NAME, slot == SLOT_JOBS        ? "faregate jobs"
                       : slot == SLOT_TIMETABLE ? "faregate times"
                                                : "faregate worker");
    _exit(worker_run(&s->context, slot));
}

bool process_hangs(const struct supervisor_context *context, unsigned slot)
{
    uint32_t late_ms = context->config->server.loop_lag_max_ms;
    const struct process_slot *s = &context->shared->slots[slot];
    int64_t silent_ns = clock_mono_ns(&clock_system) - atomic_load(&s->seen_ns);
    return late_ms > 0 && atomic_load(&s->pid) > 0 && silent_ns > (SILENT_MS + late_ms) * NS_PER_MS;
}

static void on_restart(struct ev_loop *ev, ev_timer *w, int events)
{
    (void)ev;
    (void)events;
    start_child(w->data);
}

static void start_child(struct child *child)
{
    struct supervisor *s = child->supervisor;
    struct process_slot *slot = &s->context.shared->slots[child->slot];
    if (s->draining)
        return;
    atomic_store(&slot->listening, 0);
    atomic_store(&slot->state, PROCESS_STARTING);
    atomic_store(&slot->database_up, 0);
    atomic_store(&slot->lagging, 0);
    slot->database_error[0] = '\0';
    child->started_ns = clock_mono_ns(&clock_system);
    child->silent_seconds = 0;
    atomic_store(&slot->seen_ns, child->started_ns);
    pid_t pid = fork();
    if (pid == 0)
        child_main(s, child->slot);
    if (pid < 0) {
        child->delay_ms = s->context.config->restart_delay_max_ms;
        ev_timer_set(&child->restart, child->delay_ms / 1e3, 0.);
        ev_timer_start(s->loop.ev, &child->restart);
        return;
    }
    child->pid = pid;
    atomic_store(&slot->pid, pid);
}

static void signal_children(struct supervisor *s, int signo)
{
    for (unsigned i = 0; i < s->child_count; i++)
        if (s->children[i].pid > 0)
            kill(s->children[i].pid, signo);
}

static bool any_child_lives(const struct supervisor *s)
{
    for (unsigned i = 0; i < s->child_count; i++)
        if (s->children[i].pid > 0)
            return true;
    return false;
}

static void set_timer(struct supervisor *s, ev_timer *timer, double seconds)
{
    ev_timer_stop(s->loop.ev, timer);
    ev_timer_set(timer, seconds, 0.);
    ev_timer_start(s->loop.ev, timer);
}

/* The second signal: the workers tell the calls that are left, and go. The third: now. */
static void hurry(struct supervisor *s)
{
    signal_children(s, s->hurried ? SIGKILL : SIGUSR2);
    s->hurried = true;
    set_timer(s, &s->kill_timer, HURRY_SECONDS);
}

/* The workers accept no more: with our copies open, the system would go on taking connections that
 * nobody ever answers. */
static void on_shut(struct ev_loop *ev, ev_timer *w, int events)
{
    (void)ev;
    (void)events;
    struct supervisor *s = w->data;
    listeners_close(&s->context);
}

static void begin_drain(struct supervisor *s)
{
    if (s->draining) {
        hurry(s);
        return;
    }
    s->draining = true;
    if (s->admin)
        admin_drain(s->admin);
    signal_children(s, SIGTERM);
    const struct config *c = s->context.config;
    set_timer(s, &s->kill_timer, c->lame_duck_ms / 1e3 + c->server.drain_grace_ms / 1e3 + 3.);
    set_timer(s, &s->shut, c->lame_duck_ms / 1e3);
    if (!any_child_lives(s))
        loop_stop(&s->loop);
}

static void on_kill_timer(struct ev_loop *ev, ev_timer *w, int events)
{
    (void)ev;
    (void)events;
    signal_children(w->data, SIGKILL);
}

static void child_died(struct supervisor *s, struct child *child, int status)
{
    struct process_slot *slot = &s->context.shared->slots[child->slot];
    for (unsigned i = 0; i < s->child_count; i++)
        s->has_served |=
            atomic_load(&s->context.shared->slots[s->children[i].slot].state) >= PROCESS_READY;
    child->pid = 0;
    atomic_store(&slot->pid, 0);
    atomic_store(&slot->state, PROCESS_DOWN);
    atomic_store(&slot->database_up, 0);
    atomic_store(&slot->lagging, 0);
    if (child->slot < WORKERS_MAX)
        __atomic_store_n(&s->context.shared->conns_by_worker[child->slot], 0, __ATOMIC_RELAXED);
    if (s->draining) {
        if (!any_child_lives(s))
            loop_stop(&s->loop);
        return;
    }
    if (WIFEXITED(status) && WEXITSTATUS(status) == EXIT_FATAL && !s->has_served) {
        s->exit_status = 1;
        begin_drain(s);
        return;
    }
    const char *kind = process_kind(child->slot);
    atomic_store(&s->context.shared->is_fault_told, false);
    if (WIFSIGNALED(status))
        complain("%s %u was ended by signal %d; starting another", kind, child->slot,
                 WTERMSIG(status));
    else
        complain("%s %u ended with status %d; starting another", kind, child->slot,
                 WEXITSTATUS(status));
    atomic_fetch_add(&slot->restarts, 1);
    bool quick = clock_mono_ns(&clock_system) - child->started_ns < QUICK_DEATH_NS;
    uint32_t max_ms = s->context.config->restart_delay_max_ms;
    child->delay_ms = !quick                         ? RESTART_DELAY_MIN_MS
                      : child->delay_ms * 2 > max_ms ? max_ms
                                                     : child->delay_ms * 2;
    ev_timer_set(&child->restart, child->delay_ms / 1e3, 0.);
    ev_timer_start(s->loop.ev, &child->restart);
}

bool companion_has_ended(pid_t pid)
{
    siginfo_t info = {.si_pid = 0};
    return waitid(P_PID, (id_t)pid, &info, WEXITED | WNOHANG | WNOWAIT) < 0 || info.si_pid;
}

static void look_at_companions(struct supervisor *s)
{
    for (const struct companion *c = s->companions; c->pid > 0 && !s->draining; c++) {
        if (!companion_has_ended(c->pid))
            continue;
        complain("%s has ended; so does the server", c->name);
        s->exit_status = 1;
        begin_drain(s);
    }
}

static bool inherits_orphans(void)
{
    int is_subreaper = 0;
    return getpid() == 1 ||
           (prctl(PR_GET_CHILD_SUBREAPER, &is_subreaper) == 0 && is_subreaper != 0);
}

/* As the first process of a container, or made a subreaper by who started us, we inherit orphans,
 * and nobody else would bury them. What has a grave of its own (PostgreSQL and the simulator of
 * dev) bears that it was done here. */
static void reap_orphans(const struct supervisor *s)
{
    siginfo_t info;
    for (;;) {
        info.si_pid = 0;
        if (waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) < 0 || info.si_pid == 0)
            return;
        for (unsigned i = 0; i < s->child_count; i++)
            if (s->children[i].pid == info.si_pid)
                return; /* it died just now: its own SIGCHLD is on the way */
        waitpid(info.si_pid, NULL, 0);
    }
}

static void reap(struct supervisor *s)
{
    for (unsigned i = 0; i < s->child_count;
         i++) { /* only our own: others may have children here too */
        struct child *child = &s->children[i];
        int status;
        if (child->pid > 0 && waitpid(child->pid, &status, WNOHANG) == child->pid)
            child_died(s, child, status);
    }
    look_at_companions(s);
    if (inherits_orphans())
        reap_orphans(s);
}

/* Children inherit what was read and checked here, or read it themselves when told. */
static void on_reloaded(void *ctx)
{
    signal_children(ctx, SIGHUP);
}

static void on_signal(struct supervisor *s, uint32_t signo)
{
    switch (signo) {
    case SIGCHLD:
        reap(s);
        return;
    case SIGHUP:
        /* On a terminal it says that the terminal is gone. */
        if (s->context.config->command == COMMAND_DEV)
            begin_drain(s);
        else
            keeper_reload(s->keeper);
        return;
    case SIGUSR1:
        /* Where we cannot open it nobody need try; who fails by himself says so. */
        if (state_reopen_log(s->context.config->log, s->context.log_fd))
            signal_children(s, SIGUSR1);
        return;
    case SIGQUIT:
        state_dump(&s->context, s->draining);
        signal_children(s, SIGQUIT);
        return;
    default:
        begin_drain(s);
    }
}

static void on_signals(struct ev_loop *ev, ev_io *w, int events)
{
    (void)ev;
    (void)events;
    struct supervisor *s = w->data;
    struct signalfd_siginfo info;
    while (read(w->fd, &info, sizeof info) == sizeof info) {
        on_signal(s, info.ssi_signo);
    }
}

/* Tells the caller once that everybody serves; afterwards only keeps the loop's clock fresh. */
static void on_poll(struct ev_loop *ev, ev_timer *w, int events)
{
    (void)events;
    struct supervisor *s = w->data;
    for (unsigned i = 0; i < s->child_count; i++)
        if (atomic_load(&s->context.shared->slots[s->children[i].slot].state) != PROCESS_READY)
            return;
    ev_timer_stop(ev, w);
    if (s->on_ready)
        s->on_ready(s->ready_ctx);
}

/* A process that hangs answers nobody, and only another one can help. Seconds in which we ran are
 * counted, not the clock's: where all were stopped together, each gets its time again. */
static void on_hang(struct ev_loop *ev, ev_timer *w, int events)
{
    (void)ev;
    (void)events;
    struct supervisor *s = w->data;
    for (unsigned i = 0; i < s->child_count && !s->draining; i++) {
        struct child *child = &s->children[i];
        int64_t seen_ns = atomic_load(&s->context.shared->slots[child->slot].seen_ns);
        child->silent_seconds = seen_ns == child->seen_ns ? child->silent_seconds + 1 : 0;
        child->seen_ns = seen_ns;
        if (child->pid <= 0 || child->silent_seconds < s->context.config->hang_seconds)
            continue;
        complain("%s %u hangs; it is killed", process_kind(child->slot), child->slot);
        kill(child->pid, SIGKILL);
        /* One at a time: what stops all of them is not their doing. */
        for (unsigned j = 0; j < s->child_count; j++)
            s->children[j].silent_seconds = 0;
        return;
    }
}

static int watch_signals(struct supervisor *s)
{
    static const int watched[] = {SIGTERM, SIGINT, SIGCHLD, SIGHUP, SIGUSR1, SIGQUIT};
    sigset_t set;
    sigemptyset(&set);
    for (unsigned i = 0; i < sizeof watched / sizeof watched[0]; i++)
        sigaddset(&set, watched[i]);
    sigprocmask(SIG_BLOCK, &set, NULL);
    int fd = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
    if (fd < 0)
        return -errno;
    ev_io_init(&s->signals, on_signals, fd, EV_READ);
    ev_timer_init(&s->kill_timer, on_kill_timer, 0., 0.);
    ev_timer_init(&s->shut, on_shut, 0., 0.);
    ev_timer_init(&s->poll, on_poll, 0.02, 0.02);
    ev_timer_init(&s->hang, on_hang, 1., 1.);
    s->signals.data = s->kill_timer.data = s->poll.data = s->shut.data = s->hang.data = s;
    ev_io_start(s->loop.ev, &s->signals);
    if (s->context.config->hang_seconds > 0)
        ev_timer_start(s->loop.ev, &s->hang);
    ev_timer_start(s->loop.ev, &s->poll);
    return 0;
}

static void add_child(struct supervisor *s, unsigned slot)
{
    struct child *child = &s->children[s->child_count++];
    *child = (struct child){.supervisor = s, .slot = slot, .delay_ms = RESTART_DELAY_MIN_MS};
    ev_timer_init(&child->restart, on_restart, 0., 0.);
    child->restart.data = child;
}

static bool searches(const struct config *config)
{
    const struct rpc_service *chosen[SERVICES_MAX + 1];
    bool found = false;
    services_chosen(config->services, chosen);
    for (unsigned i = 0; chosen[i]; i++)
        found |= chosen[i] == &flight_service;
    return found;
}

static int prepare(struct supervisor *s, const struct config *config)
{
    struct supervisor_context *ctx = &s->context;
    bool serves = config->command != COMMAND_JOBS;
    ctx->config = config;
    ctx->log_fd = state_open_log(config->log);
    ctx->cpu_count = state_cpus_allowed();
    ctx->worker_count = serves ? lanes_workers(config, ctx->cpu_count) : 0;
    ctx->shared =
        mmap(NULL, sizeof *ctx->shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    CHECK(ctx->shared != MAP_FAILED);
    CHECK(obs_region_new(&ctx->region) == 0);
    ctx->tokens = token_cache_new(ctx->config->app.token_cache_entries);
    if (serves && config->app.search_stale_ms > 0 && searches(config))
        ctx->board = board_new(config->app.timetable_bytes);
    if (ctx->log_fd < 0 && strcmp(config->log, "none") != 0) {
        complain("--log: cannot write %s: %s", config->log, strerror(errno));
        return -EINVAL;
    }
    if (serves && (listeners_open(ctx, config->listen, false) < 0 ||
                   listeners_open(ctx, config->listen_tls, true) < 0))
        return -EINVAL;
    if (loop_init(&s->loop, &clock_system) < 0)
        return -ENOMEM;
    worker_metrics(ctx->region);
    CHECK(obs_open(&ctx->obs, ctx->region, SLOT_SUPERVISOR, ctx->log_fd) == 0);
    char error[512];
    if (keeper_new(&s->keeper, ctx, &s->loop, on_reloaded, s, error, sizeof error) < 0) {
        complain("%s", error);
        return -EINVAL;
    }
    if (config->admin[0] &&
        admin_new(&s->admin, &s->loop, ctx, config->admin, error, sizeof error) < 0) {
        complain("--admin: %s", error);
        return -EINVAL;
    }
    for (unsigned i = 0; i < SLOTS; i++)
        if (process_exists(ctx, i))
            add_child(s, i);
    return 0;
}

int supervisor_run(const struct config *config, const struct companion *companions,
                   void (*on_ready)(void *ctx), void *ctx)
{
    static const struct companion alone;
    struct supervisor *s = calloc(1, sizeof *s);
    CHECK(s);
    s->companions = companions ? companions : &alone;
    s->on_ready = on_ready;
    s->ready_ctx = ctx;
    signal(SIGPIPE, SIG_IGN);
    state_raise_descriptors();
    state_forbid_cores();
    s->exit_status = 2;
    if (prepare(s, config) == 0 && watch_signals(s) == 0) {
        s->exit_status = 0;
        for (unsigned i = 0; i < s->child_count; i++)
            start_child(&s->children[i]);
        look_at_companions(s); /* it may have ended before we watched */
        loop_run(&s->loop);
        admin_free(s->admin);
        keeper_free(s->keeper);
        close(s->signals.fd);
        loop_deinit(&s->loop);
    }
    listeners_close(&s->context);
    int status = s->exit_status;
    obs_close(s->context.obs);
    if (s->context.region)
        obs_region_free(s->context.region);
    board_free(s->context.board);
    token_cache_free(s->context.tokens);
    free(s);
    return status;
}
