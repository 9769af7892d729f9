/* Builds one worker bottom-up (loop, database, application, calls, streams, sockets), runs it,
 * drains it on SIGTERM. The supervisor calls worker_run in the child. What must stay true: it
 * serves only with reference data loaded and every revocation known that a good token may have. */
#include "supervisor/worker.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/check.h"
#include "base/complain.h"
#include "db/db.h"
#include "gen/sql/registry.h"
#include "grpc/grpc.h"
#include "grpc/health.h"
#include "h2/h2.h"
#include "io/tls.h"
#include "io/work.h"
#include "jobs/jobs.h"
#include "services/all.h"
#include "services/app.h"
#include "services/auth/auth.h"
#include "services/auth/password.h"
#include "services/auth/token.h"
#include "services/flight/board_load.h"
#include "services/reference.h"
#include "services/shared/provider.h"
#include "supervisor/db_news.h"
#include "supervisor/h2_metrics.h"
#include "supervisor/lanes.h"
#include "supervisor/numbers.h"
#include "supervisor/state.h"
#include "supervisor/tls_metrics.h"

#define HASH_THREADS 2
#define PUBLISH_SECONDS 0.25
#define LOAD_RETRY_SECONDS 0.5
/* A worker lets the others accept until it can serve; where no worker can, for want of a database,
 * it listens all the same after a while, so that health probes are answered. */
#define LISTEN_ANYWAY_SECONDS 1.0
#define LOAD_SECONDS_MAX 30 /* with a database at hand; after that something is wrong with it */
/* Who began to listen so and still cannot serve, where others can by now, takes connections from
 * them only to refuse their calls: it makes way for one that does not listen. */
#define OUTDONE_SECONDS 10
#define SETTLE_SECONDS 0.02
#define SETTLE_COUNT_MAX 100
/* What is left at the end of the grace is answered UNAVAILABLE; the answers need to leave. Below
 * the supervisor's patience. */
#define LAST_ANSWERS_SECONDS 0.5

struct worker {
    const struct supervisor_context *context;
    struct process_slot *slot;
    unsigned index;
    struct loop loop;
    struct obs *obs;
    struct db *db;
    struct app app;
    struct server *server;
    struct h2_server *h2;
    struct db_news db_news;
    struct jobs *jobs;
    struct board_load *board_load;
    ev_signal on_term, on_hurry, on_reload, on_reopen, on_dump;
    ev_timer publish, lame_duck, grace, load_retry, settle, listen_anyway;
    unsigned settle_count;
    uint64_t failed_handshakes_told;
    bool loading, loaded, draining;
    uint32_t certificates, token_keys; /* of the shared page, when they were read */
    unsigned waited_seconds;           /* to serve: before it listens, and then while others do */
};

static struct worker *the_worker;

/* All children find the same fault: one tells it. */
static int refuse(const struct worker *w, const char *error)
{
    if (!atomic_exchange(&w->context->shared->is_fault_told, true))
        complain("%s", error);
    return -EINVAL;
}

/* ---- start ---- */

static void start_listening(struct worker *w)
{
    const struct supervisor_context *ctx = w->context;
    if (atomic_load(&w->slot->listening) || w->draining || w->index >= WORKERS_MAX)
        return;
    atomic_store(&w->slot->listening, 1);
    for (unsigned i = 0; i < ctx->listener_count; i++)
        CHECK(h2_server_listen(w->h2, ctx->listeners[i].fd, &ctx->listeners[i].gate) == 0);
}

static void make_way(struct worker *w);

static void on_listen_anyway(struct ev_loop *ev, ev_timer *timer, int events)
{
    (void)ev;
    (void)events;
    struct worker *w = timer->data;
    bool others_serve = state_somebody_serves(w->context);
    if (atomic_load(&w->slot->listening)) {
        if (others_serve && !w->draining && ++w->waited_seconds == OUTDONE_SECONDS)
            make_way(w);
        return;
    }
    if (others_serve || (db_is_up(w->db) && ++w->waited_seconds < LOAD_SECONDS_MAX))
        return;
    w->waited_seconds = 0;
    start_listening(w);
}

/* Also called while nothing has changed: health tells its watchers of changes only. */
static void tell_ready(struct worker *w)
{
    bool is_lagging = server_is_lagging(w->server);
    atomic_store(&w->slot->lagging, is_lagging);
    health_set_ready(server_health(w->server),
                     db_is_up(w->db) && w->loaded && !w->draining && !is_lagging);
}

static void serve(struct worker *w)
{
    if (w->index == SLOT_JOBS)
        w->jobs = jobs_start(w->server, &w->app, w->obs);
    if (w->index == SLOT_TIMETABLE)
        w->board_load = board_load_start(w->server, &w->app);
    server_set_starting(w->server, false);
    tell_ready(w);
    server_watch_lag(w->server);
    ev_timer_stop(w->loop.ev, &w->listen_anyway);
    atomic_store(&w->slot->state, PROCESS_READY); /* before it listens: see refuses */
    start_listening(w);
}

static void on_revocations_known(void *arg)
{
    struct worker *w = arg;
    if (w->draining)
        return;
    w->loaded = true;
    serve(w);
}

static void on_loaded(void *arg, enum reason reason)
{
    struct worker *w = arg;
    if (reason != REASON_NONE) {
        w->loading = false;
        ev_timer_start(w->loop.ev, &w->load_retry);
    } else if (!w->draining) { /* still loading, until they are known */
        auth_revocations_start(w->server, &w->app, on_revocations_known, w);
    }
}

static void load(struct worker *w)
{
    if (w->loading || w->draining)
        return;
    w->loading = true;
    if (w->index != SLOT_TIMETABLE) {
        reference_load(w->server, &w->app, on_loaded, w);
        return;
    }
    w->loaded = true; /* it needs nothing */
    serve(w);
}

static void on_load_retry(struct ev_loop *ev, ev_timer *timer, int events)
{
    (void)events;
    struct worker *w = timer->data;
    ev_timer_stop(ev, timer);
    if (db_is_up(w->db))
        load(w);
}

static void on_db_state(void *arg, int state)
{
    struct worker *w = arg;
    if (state == -EPROTO) {
        char error[600];
        snprintf(error, sizeof error,
                 "--database does not fit this program; to bring its schema up to date run "
                 "`faregate migrate`: %s",
                 db_error(w->db));
        refuse(w, error);
        _exit(EXIT_FATAL);
    }
    bool up = db_is_up(w->db);
    atomic_store(&w->slot->database_up, up);
    db_news_tell(&w->db_news, w->obs, w->db, w->context->shared, w->slot);
    tell_ready(w);
    if (up && !w->loaded)
        load(w);
}

static void build_app(struct worker *w)
{
    w->app = w->context->app;
    w->app.loop = &w->loop;
    CHECK(provider_start(w->app.provider, &w->loop) == 0);
    CHECK(work_new(&w->app.work, &w->loop, HASH_THREADS, PASSWORD_CALLS_MAX) == 0);
}

static int build_server(struct worker *w)
{
    const struct supervisor_context *ctx = w->context;
    const struct config *c = ctx->config;
    const struct server_hooks hooks = {
        .authenticate = auth_authenticate,
        .tx = &db_tx,
        .wait_ns = db_wait_ns,
        .db = w->db,
        .app = &w->app,
    };
    const struct rpc_service *services[SERVICES_MAX + 1];
    char error[256];
    services_chosen(c->services, services);
    if (server_new(&w->server, &w->loop, &c->server, &hooks, services, w->obs, error,
                   sizeof error) < 0)
        return refuse(w, error);
    server_set_starting(w->server, true);
    server_set_service_identities(w->server, c->service_identities);
    if (w->index >= WORKERS_MAX)
        return 0;
    struct h2_limits limits = c->h2;
    limits.conns_max = state_conns_that_fit(limits.conns_max);
    CHECK(h2_server_new(&w->h2, &w->loop, &limits, &server_h2_handler, w->server) == 0);
    server_set_connections(w->server, w->h2, w->index);
    double cpus = (double)ctx->cpu_count / ctx->worker_count;
    server_report_load(w->server, cpus < 1 ? cpus : 1, c->load_on_replies);
    if (c->channelz)
        server_open_channelz(w->server);
    h2_server_set_balance(w->h2, ctx->shared->conns_by_worker, ctx->worker_count, w->index);
    return 0;
}

/* ---- stop ---- */

static _Noreturn void quit(struct worker *w) /* with calls that nothing would free */
{
    obs_flush(w->obs);
    _exit(0);
}

/* Jobs and polls that still run may end by themselves; they may also die anywhere, the next process
 * goes on. */
static void finish(struct worker *w)
{
    if (server_calls_in_flight(w->server) > 0)
        ev_timer_start(w->loop.ev, &w->settle);
    else
        loop_stop(&w->loop);
}

static void on_settle(struct ev_loop *ev, ev_timer *timer, int events)
{
    (void)events;
    struct worker *w = timer->data;
    if (server_calls_in_flight(w->server) > 0 && ++w->settle_count < SETTLE_COUNT_MAX)
        return;
    if (server_calls_in_flight(w->server) > 0)
        quit(w);
    ev_timer_stop(ev, timer);
    loop_stop(&w->loop);
}

/* h2 reports with its handler's context, which is the server; the worker of a process is the only
 * one. */
static void on_drained(void *arg)
{
    struct worker *w = the_worker;
    CHECK(arg == w->server);
    if (w->draining)
        finish(w);
}

static void leave(struct worker *w, double seconds)
{
    ev_timer_stop(w->loop.ev, &w->lame_duck);
    w->grace.repeat = seconds;
    ev_timer_again(w->loop.ev, &w->grace);
    server_drain(w->server);
    h2_server_drain(w->h2, on_drained);
}

static void on_lame_duck_end(struct ev_loop *ev, ev_timer *timer, int events)
{
    (void)ev;
    (void)events;
    struct worker *w = timer->data;
    /* grpc ends what is left when the grace is over; that still has to reach the clients. */
    leave(w, w->context->config->server.drain_grace_ms / 1e3 + LAST_ANSWERS_SECONDS);
}

static void on_grace_end(struct ev_loop *ev, ev_timer *timer, int events)
{
    (void)ev;
    (void)events;
    struct worker *w = timer->data;
    h2_server_close(w->h2);
    finish(w);
}

/* Another process takes its place, and listens when it can serve. */
static void make_way(struct worker *w)
{
    w->draining = true;
    atomic_store(&w->slot->state, PROCESS_DRAINING);
    leave(w, LAST_ANSWERS_SECONDS);
}

/* Once: who stops a service may signal all its processes, and the supervisor then does as well. */
static void on_term(struct ev_loop *ev, ev_signal *signal, int events)
{
    (void)events;
    struct worker *w = signal->data;
    if (w->draining)
        return;
    w->draining = true;
    atomic_store(&w->slot->state, PROCESS_DRAINING);
    if (w->index >= WORKERS_MAX) {
        w->jobs = jobs_stop(w->jobs);
        w->board_load = board_load_stop(w->board_load);
        server_drain(w->server);
        finish(w);
        return;
    }
    health_set_ready(server_health(w->server), false);
    ev_timer_set(&w->lame_duck, w->context->config->lame_duck_ms / 1e3, 0.);
    ev_timer_start(ev, &w->lame_duck);
}

/* The supervisor was told twice: what is left is told so, and that is all it gets. */
static void on_hurry(struct ev_loop *ev, ev_signal *signal, int events)
{
    struct worker *w = signal->data;
    on_term(ev, signal, events); /* the order of two signals is nobody's promise */
    if (w->index >= WORKERS_MAX)
        quit(w); /* the next one goes on */
    leave(w, LAST_ANSWERS_SECONDS);
    server_end_calls(w->server);
}

/* ---- the other signals ---- */

/* The supervisor has read them already, or found them bad and they stay; a file that changed since
 * then is noticed there. */
static void on_reload(struct ev_loop *ev, ev_signal *signal, int events)
{
    (void)ev;
    (void)events;
    struct worker *w = signal->data;
    char error[512];
    uint32_t certificates = atomic_load(&w->context->shared->certificates);
    for (unsigned i = 0; i < w->context->listener_count && certificates != w->certificates; i++)
        if (w->context->listeners[i].gate.tls)
            tls_context_reload(w->context->listeners[i].gate.tls, error, sizeof error);
    w->certificates = certificates;
    uint32_t token_keys = atomic_load(&w->context->shared->token_keys);
    if (token_keys != w->token_keys &&
        tokens_reload(w->app.tokens, w->context->config->keys, error, sizeof error) < 0)
        complain("the keys for tokens stay as they were: %s", error);
    w->token_keys = token_keys;
}

static void on_reopen(struct ev_loop *ev, ev_signal *signal, int events)
{
    (void)ev;
    (void)events;
    struct worker *w = signal->data;
    obs_flush(w->obs);
    state_reopen_log(w->context->config->log, w->context->log_fd);
}

static void on_dump(struct ev_loop *ev, ev_signal *signal, int events)
{
    (void)ev;
    (void)events;
    struct worker *w = signal->data;
    server_log_calls(w->server);
    obs_flush(w->obs);
}

static void watch_signal(struct worker *w, ev_signal *watcher, int signo,
                         void (*fn)(struct ev_loop *ev, ev_signal *w, int events))
{
    ev_signal_init(watcher, fn, signo);
    watcher->data = w;
    ev_signal_start(w->loop.ev, watcher);
}

/* They were blocked since the fork: none was lost, and the helper threads get none. */
static void watch_signals(struct worker *w)
{
    sigset_t none;
    sigemptyset(&none);
    watch_signal(w, &w->on_term, SIGTERM, on_term);
    watch_signal(w, &w->on_hurry, SIGUSR2, on_hurry);
    watch_signal(w, &w->on_reload, SIGHUP, on_reload);
    watch_signal(w, &w->on_reopen, SIGUSR1, on_reopen);
    watch_signal(w, &w->on_dump, SIGQUIT, on_dump);
    sigprocmask(SIG_SETMASK, &none, NULL);
}

/* ---- numbers for /metrics ---- */

static void on_publish(struct ev_loop *ev, ev_timer *timer, int events)
{
    (void)ev;
    (void)events;
    struct worker *w = timer->data;
    static const struct h2_stats none;
    const struct h2_stats *h2 = w->h2 ? h2_server_stats(w->h2) : &none;
    const struct db_stats *db = db_stats(w->db);
    atomic_store(&w->slot->seen_ns, w->loop.now_ns);
    db_news_tell(&w->db_news, w->obs, w->db, w->context->shared, w->slot);
    tell_ready(w);
    numbers_publish(w->obs, h2, db, w->server, &w->app);
    h2_metrics_publish(w->obs, h2);
    if (w->h2)
        tls_metrics_publish(w->obs, h2_server_conn_stats(w->h2), &w->failed_handshakes_told);
    obs_flush(w->obs);
    server_set_load(w->server, "connections", (double)h2->conns_open,
                    w->context->config->h2.conns_max);
    server_set_load(w->server, "db_queue", (double)db->queue_now, w->context->config->db.queue_max);
    server_set_load(w->server, "db_connections_up", (double)db->connections_up, 0);
}

void worker_metrics(struct obs_region *region)
{
    server_metrics(region);
    numbers_register(region);
    h2_metrics_register(region);
    tls_metrics_register(region);
}

static void start_timers(struct worker *w)
{
    ev_timer_init(&w->publish, on_publish, 0., PUBLISH_SECONDS); /* before the first call */
    ev_timer_init(&w->lame_duck, on_lame_duck_end, 0., 0.);
    ev_timer_init(&w->grace, on_grace_end, 0., 0.);
    ev_timer_init(&w->settle, on_settle, SETTLE_SECONDS, SETTLE_SECONDS);
    ev_timer_init(&w->load_retry, on_load_retry, LOAD_RETRY_SECONDS, LOAD_RETRY_SECONDS);
    ev_timer_init(&w->listen_anyway, on_listen_anyway, LISTEN_ANYWAY_SECONDS,
                  LISTEN_ANYWAY_SECONDS);
    w->publish.data = w->lame_duck.data = w->grace.data = w->settle.data = w->load_retry.data =
        w->listen_anyway.data = w;
    ev_timer_start(w->loop.ev, &w->publish);
    ev_timer_start(w->loop.ev, &w->listen_anyway);
}

int worker_run(const struct supervisor_context *context, unsigned slot)
{
    struct worker *w = calloc(1, sizeof *w);
    CHECK(w);
    the_worker = w;
    w->context = context;
    w->index = slot;
    w->slot = &context->shared->slots[slot];
    w->certificates = context->certificates;
    w->token_keys = context->token_keys;
    CHECK(loop_init(&w->loop, &clock_system) == 0);
    CHECK(obs_open(&w->obs, context->region, slot, context->log_fd) == 0);
    const struct db_limits limits =
        lanes_for(context->config, context->worker_count, context->cpu_count, slot);
    CHECK(db_new(&w->db, &w->loop, context->config->database, &limits, sql_statements, on_db_state,
                 w) == 0);
    build_app(w);
    if (build_server(w) < 0)
        return EXIT_FATAL;
    start_timers(w);
    watch_signals(w);
    db_start(w->db);
    loop_run(&w->loop);

    auth_revocations_stop(&w->app);
    w->h2 = h2_server_free(w->h2);
    w->server = server_free(w->server);
    w->db = db_free(w->db);
    provider_free(w->app.provider);
    work_free(w->app.work);
    tokens_free(w->app.tokens);
    reference_free(w->app.reference);
    obs_flush(w->obs);
    obs_close(w->obs);
    loop_deinit(&w->loop);
    free(w);
    return 0;
}
