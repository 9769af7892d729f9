/* The admin port on libmicrohttpd with an external event loop: its epoll descriptor is one more
 * watcher of ours. Every answer is made from shared memory or files; nothing here waits for a
 * worker. */
#include "supervisor/admin.h"

#include <errno.h>
#include <microhttpd.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/check.h"
#include "io/listen.h"
#include "io/tls.h"
#include "services/auth/token.h"
#include "services/flight/board.h"

#define ADMIN_CONNECTIONS_MAX 64
#define ADMIN_TIMEOUT_S 10

struct admin {
    struct loop *loop;
    const struct supervisor_context *context;
    struct MHD_Daemon *daemon;
    ev_io readable;
    ev_timer timeout;
    bool draining;
    bool started; /* every worker has served: from then on /startupz says yes */
};

struct answer {
    unsigned status;
    const char *type;
    struct buf body;
};

/* A path as a label's value. */
static void append_label(struct buf *out, const char *text)
{
    for (; *text; text++)
        buf_printf(out, *text == '"' || *text == '\\' ? "\\%c" : "%c", *text);
}

/* All TLS listeners serve the same certificates. */
static void append_certificates(struct admin *a, struct buf *out)
{
    struct tls_certificate_info info[TLS_CERTIFICATES_MAX];
    unsigned count = 0;
    for (unsigned i = 0; count == 0 && i < a->context->listener_count; i++)
        if (a->context->listeners[i].gate.tls)
            count = tls_context_certificates(a->context->listeners[i].gate.tls, info);
    if (count == 0)
        return;
    buf_printf(out, "# HELP faregate_tls_certificate_expire_time_seconds When the certificate "
                    "ends, Unix time.\n"
                    "# TYPE faregate_tls_certificate_expire_time_seconds gauge\n");
    for (unsigned i = 0; i < count; i++) {
        buf_printf(out, "faregate_tls_certificate_expire_time_seconds{file=\"");
        append_label(out, info[i].file);
        buf_printf(out, "\"} %lld\n", (long long)info[i].not_after_unix_s);
    }
}

/* Servers with other ones refuse each other's offers and tokens, and are ready all the same. */
static void append_secrets(const struct app *app, struct buf *out)
{
    buf_printf(out,
               "# HELP faregate_secret_info A file of --secret by a public hash; place 1 makes, "
               "all are taken.\n"
               "# TYPE faregate_secret_info gauge\n");
    for (unsigned i = 0; i < app->secret_count; i++)
        buf_printf(out, "faregate_secret_info{place=\"%u\",secret=\"%s\"} 1\n", i + 1,
                   app->keys[i].id);
}

static void append_metric(struct buf *out, const char *name, const char *help, const char *type,
                          double value)
{
    buf_printf(out, "# HELP faregate_%s %s\n# TYPE faregate_%s %s\nfaregate_%s %g\n", name, help,
               name, type, name, value);
}

static void append_timetable(struct admin *a, struct buf *out)
{
    struct board_state state;
    if (!a->context->board)
        return;
    board_state(a->context->board, &state);
    double age_s = (double)(clock_mono_ns(&clock_system) - state.read_ns) / NS_PER_S;
    append_metric(out, "timetable_loads_total", "Times the timetable in memory was read anew.",
                  "counter", (double)state.loads);
    append_metric(out, "timetable_flights", "Flights of the timetable in memory.", "gauge",
                  state.flights);
    append_metric(out, "timetable_full", "1: the timetable does not fit into --timetable-bytes.",
                  "gauge", state.is_full);
    if (state.loads > 0)
        append_metric(
            out, "timetable_age_seconds",
            "How old its seats may be; above --search-stale-ms the database is asked.", "gauge",
            age_s);
}

static void answer_metrics(struct admin *a, struct answer *out)
{
    out->type = "text/plain; version=0.0.4; charset=utf-8";
    obs_render_prometheus(a->context->region, &out->body);
    buf_printf(
        &out->body,
        "# HELP faregate_process_restarts_total Times the supervisor started this process again.\n"
        "# TYPE faregate_process_restarts_total counter\n");
    for (unsigned i = 0; i < SLOTS; i++) {
        struct process_slot *slot = &a->context->shared->slots[i];
        char number[16] = "";
        if (i < WORKERS_MAX)
            snprintf(number, sizeof number, "-%u", i);
        if (process_exists(a->context, i))
            buf_printf(&out->body, "faregate_process_restarts_total{process=\"%s%s\"} %u\n",
                       process_kind(i), number, atomic_load(&slot->restarts));
    }
    append_certificates(a, &out->body);
    append_secrets(&a->context->app, &out->body);
    append_timetable(a, &out->body);
}

static const char *state_name(uint32_t state)
{
    static const char *const names[] = {"down", "starting", "ready", "draining"};
    return state < 4 ? names[state] : "?";
}

/* The processes that /readyz and /startupz judge by: the workers, or without any the jobs. */
static struct process_slot *judged(const struct admin *a, unsigned index, unsigned *ret_slot)
{
    unsigned workers = a->context->worker_count;
    if (index >= (workers ? workers : 1))
        return NULL;
    *ret_slot = workers ? index : SLOT_JOBS;
    return &a->context->shared->slots[*ret_slot];
}

static void describe_process(const struct admin *a, unsigned i, struct buf *out)
{
    struct process_slot *slot = &a->context->shared->slots[i];
    bool is_up = atomic_load(&slot->database_up);
    buf_printf(out, "%s %u: pid %d, %s%s%s, database %s, restarts %u%s%s\n", process_kind(i), i,
               atomic_load(&slot->pid), state_name(atomic_load(&slot->state)),
               atomic_load(&slot->lagging) ? ", lagging" : "",
               process_hangs(a->context, i) ? ", hanging" : "", is_up ? "up" : "down",
               atomic_load(&slot->restarts), is_up || !slot->database_error[0] ? "" : ", ",
               is_up ? "" : slot->database_error);
}

/* It takes connections and has nothing to serve them from. */
static bool refuses(const struct process_slot *slot)
{
    uint32_t state = atomic_load(&slot->state);
    return state == PROCESS_READY ? !atomic_load(&slot->database_up)
                                  : state == PROCESS_STARTING && atomic_load(&slot->listening);
}

/* Ready: at least one process serves in time, and no connection comes to one that refuses. ?verbose
 * lists the parts. */
static void answer_ready(struct admin *a, bool verbose, struct answer *out)
{
    unsigned ready = 0, refusing = 0, number;
    struct process_slot *slot;
    for (unsigned i = 0; (slot = judged(a, i, &number)) != NULL; i++) {
        if (process_hangs(a->context, number))
            continue;
        ready += atomic_load(&slot->state) == PROCESS_READY && !atomic_load(&slot->lagging);
        refusing += refuses(slot);
    }
    bool yes = ready > 0 && refusing == 0 && !a->draining;
    out->status = yes ? MHD_HTTP_OK : MHD_HTTP_SERVICE_UNAVAILABLE;
    buf_printf(&out->body, "%s\n", yes ? "ready" : a->draining ? "draining" : "not ready");
    for (unsigned i = 0; verbose && i < SLOTS; i++)
        if (process_exists(a->context, i))
            describe_process(a, i, &out->body);
}

/* Started: every process has loaded what it serves from. Stays so: what comes later is /readyz's.
 */
static void answer_started(struct admin *a, struct answer *out)
{
    unsigned starting = 0, all = 0, number;
    for (struct process_slot *slot; (slot = judged(a, all, &number)) != NULL; all++)
        starting += atomic_load(&slot->state) < PROCESS_READY;
    a->started |= starting == 0;
    out->status = a->started ? MHD_HTTP_OK : MHD_HTTP_SERVICE_UNAVAILABLE;
    if (a->started)
        buf_printf(&out->body, "started\n");
    else
        buf_printf(&out->body, "%u of %u processes are starting\n", starting, all);
}

static bool has_argument(struct MHD_Connection *c, const char *name)
{
    return MHD_lookup_connection_value_n(c, MHD_GET_ARGUMENT_KIND, name, strlen(name), NULL, NULL);
}

static void answer_jwks(struct admin *a, struct answer *out)
{
    tokens_jwks_json(a->context->app.tokens, &out->body);
    out->type = "application/json";
}

static void route(struct admin *a, struct MHD_Connection *c, const char *url, struct answer *out)
{
    if (strcmp(url, "/metrics") == 0) {
        answer_metrics(a, out);
        if (has_argument(c, "otel")) /* OpenTelemetry's name of what gRPC names otherwise */
            obs_render_otel(a->context->region, &out->body);
    } else if (strcmp(url, "/healthz") == 0) {
        buf_printf(&out->body, "alive\n");
    } else if (strcmp(url, "/readyz") == 0) {
        answer_ready(a, has_argument(c, "verbose"), out);
    } else if (strcmp(url, "/startupz") == 0) {
        answer_started(a, out);
    } else if (strcmp(url, "/.well-known/jwks.json") == 0) {
        answer_jwks(a, out);
    } else {
        out->status = MHD_HTTP_NOT_FOUND;
        buf_printf(&out->body,
                   "here are /metrics /healthz /readyz /startupz /.well-known/jwks.json\n");
    }
}

static enum MHD_Result on_request(void *ctx, struct MHD_Connection *c, const char *url,
                                  const char *method, const char *version, const char *upload,
                                  size_t *upload_bytes, void **state)
{
    (void)version;
    (void)upload;
    static int seen; /* microhttpd calls once for the headers, once for the end of the request */
    if (!*state) {
        *state = &seen;
        return MHD_YES;
    }
    *upload_bytes = 0;
    struct answer out = {.status = MHD_HTTP_OK, .type = "text/plain; charset=utf-8"};
    if (strcmp(method, "GET") == 0 || strcmp(method, "HEAD") == 0) {
        route(ctx, c, url, &out);
    } else {
        out.status = MHD_HTTP_METHOD_NOT_ALLOWED;
        buf_printf(&out.body, "GET only\n");
    }
    struct MHD_Response *r = MHD_create_response_from_buffer(
        buf_len(&out.body), out.body.p + out.body.start, MHD_RESPMEM_MUST_COPY);
    MHD_add_response_header(r, MHD_HTTP_HEADER_CONTENT_TYPE, out.type);
    MHD_add_response_header(r, MHD_HTTP_HEADER_CACHE_CONTROL, "no-store");
    enum MHD_Result result = MHD_queue_response(c, out.status, r);
    MHD_destroy_response(r);
    buf_deinit(&out.body);
    return result;
}

static void turn(struct admin *a)
{
    MHD_run(a->daemon);
    MHD_UNSIGNED_LONG_LONG ms;
    ev_timer_stop(a->loop->ev, &a->timeout);
    if (MHD_get_timeout(a->daemon, &ms) == MHD_YES) {
        ev_timer_set(&a->timeout, (double)ms / 1e3, 0.);
        ev_timer_start(a->loop->ev, &a->timeout);
    }
}

static void on_readable(struct ev_loop *ev, ev_io *w, int events)
{
    (void)ev;
    (void)events;
    turn(w->data);
}

static void on_timeout(struct ev_loop *ev, ev_timer *w, int events)
{
    (void)ev;
    (void)events;
    turn(w->data);
}

int admin_new(struct admin **ret_admin, struct loop *loop, const struct supervisor_context *context,
              const char *address, char *error, size_t error_bytes)
{
    int fd;
    int r = listen_open(address, ADMIN_CONNECTIONS_MAX, &fd, error, error_bytes);
    if (r < 0)
        return r;
    struct admin *a = calloc(1, sizeof *a);
    CHECK(a);
    a->loop = loop;
    a->context = context;
    a->daemon =
        MHD_start_daemon(MHD_USE_EPOLL, 0, NULL, NULL, on_request, a, MHD_OPTION_LISTEN_SOCKET, fd,
                         MHD_OPTION_CONNECTION_LIMIT, (unsigned)ADMIN_CONNECTIONS_MAX,
                         MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)ADMIN_TIMEOUT_S, MHD_OPTION_END);
    if (!a->daemon) {
        snprintf(error, error_bytes, "the admin port %s cannot be served", address);
        close(fd);
        free(a);
        return -EIO;
    }
    ev_io_init(&a->readable, on_readable,
               MHD_get_daemon_info(a->daemon, MHD_DAEMON_INFO_EPOLL_FD)->epoll_fd, EV_READ);
    ev_timer_init(&a->timeout, on_timeout, 0., 0.);
    a->readable.data = a->timeout.data = a;
    ev_io_start(loop->ev, &a->readable);
    *ret_admin = a;
    return 0;
}

struct admin *admin_free(struct admin *a)
{
    if (!a)
        return NULL;
    ev_io_stop(a->loop->ev, &a->readable);
    ev_timer_stop(a->loop->ev, &a->timeout);
    MHD_stop_daemon(a->daemon);
    free(a);
    return NULL;
}

void admin_drain(struct admin *a)
{
    a->draining = true;
}
