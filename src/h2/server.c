/* The server: who may connect, how many, for how long, and how it all ends. main makes one per
 * worker. What must stay true: a connection is only ever delayed by the even spread, never refused
 * by it, and the worker with the fewest connections never pauses, so not all workers can. */
#include <malloc.h>
#include <stdlib.h>

#include "base/check.h"
#include "h2/internal.h"
#include "io/gate.h"

/* Control frames that may wait for a peer that does not read (CVE-2019-9512, -9515). */
#define OUTBOUND_ACKS_MAX 64
#define SETTINGS_ENTRIES_MAX 32
#define CONTINUATIONS_MAX 8
/* Nobody is cut off for less. */
#define RELIEF_BYTES_MIN ((size_t)64 * 1024)
/* Less than that is not worth a walk through the heap. */
#define PEAK_BYTES_MIN ((size_t)16 * 1024 * 1024)
/* For how long a worker with more than its share leaves connections to the others. */
#define SPREAD_PAUSE_MS 5
/* One part in eight above the even share is even enough. */
#define SPREAD_SLACK 8

const struct h2_limits h2_limits_default = {
    .streams_max = 128,
    .stream_window_bytes = 256 * 1024,
    .conn_window_bytes = 1024 * 1024,
    .header_list_bytes_max = 8192,
    .frame_bytes_max = 16384,
    .write_high_water_bytes = 256 * 1024,
    .outbound_frames_max = 2000,
    .requests_per_turn_max = 256,
    .handshake_timeout_ms = 10 * 1000,
    .preface_timeout_ms = 10 * 1000,
    .headers_timeout_ms = 10 * 1000,
    .write_timeout_ms = 30 * 1000,
    .idle_timeout_ms = 0,
    .age_max_ms = 0,
    .age_grace_ms = 0,
    .keepalive_time_ms = 60 * 1000,
    .keepalive_timeout_ms = 20 * 1000,
    .ping_interval_min_ms = 5 * 60 * 1000,
    .ping_interval_idle_min_ms = 2 * 60 * 60 * 1000,
    .ping_strikes_max = 2,
    .conns_max = 10000,
    .conns_soft_max = 0,
    .conns_per_address_max = 5000,
    .handshakes_max = 512,
    .handshake_spared_ms = 250,
    .reset_burst_max = 200,
    .reset_rate_per_s = 20,
    .control_burst_max = 500,
    .control_rate_per_s = 50,
    .conn_buffered_bytes_max = 16 << 20,
    .buffered_bytes_max = 256 << 20,
};

#define WATCHING_LOOKS 64 /* connections looked at for one that comes */

/* Timeouts are kept to a quarter of the shortest, at most a quarter of a second. */
static double tick_s(const struct h2_limits *limits)
{
    const uint32_t timeouts_ms[] = {
        limits->preface_timeout_ms, limits->headers_timeout_ms,   limits->write_timeout_ms,
        limits->idle_timeout_ms,    limits->age_max_ms,           limits->age_grace_ms,
        limits->keepalive_time_ms,  limits->keepalive_timeout_ms,
    };
    uint32_t shortest_ms = 1000;
    for (unsigned i = 0; i < sizeof timeouts_ms / sizeof timeouts_ms[0]; i++) {
        if (timeouts_ms[i] && timeouts_ms[i] < shortest_ms)
            shortest_ms = timeouts_ms[i];
    }
    return (shortest_ms < 20 ? 20 : shortest_ms) / 4 * 1e-3;
}

/* What a storm left behind lies between small things that live on: the allocator would keep it all.
 */
static void give_back(struct h2_server *server)
{
    size_t bytes = h2_server_bytes(server);
    if (bytes > server->peak_bytes)
        server->peak_bytes = bytes;
    if (server->peak_bytes < PEAK_BYTES_MIN || bytes > server->peak_bytes / 8)
        return;
    server->peak_bytes = bytes;
    malloc_trim(0);
}

static void on_tick(struct ev_loop *ev, ev_timer *w, int events)
{
    (void)events;
    struct h2_server *server = w->data;
    give_back(server);
    if (list_is_empty(&server->conns)) {
        ev_timer_stop(ev, w);
        return;
    }
    list_for_each(node, &server->conns)
        h2_conn_tick(list_entry(node, struct h2_conn, node), server->loop->now_ns);
}

static void publish_conns(struct h2_server *server)
{
    if (server->conns_by_worker)
        __atomic_store_n(&server->conns_by_worker[server->self],
                         (uint32_t)server->stats->conns_open, __ATOMIC_RELAXED);
}

static uint32_t may_accept_ms(void *ctx)
{
    struct h2_server *server = ((struct h2_listener *)ctx)->server;
    if (!server->conns_by_worker)
        return 0;
    uint64_t total = 0;
    for (unsigned i = 0; i < server->workers; i++)
        total += __atomic_load_n(&server->conns_by_worker[i], __ATOMIC_RELAXED);
    uint64_t share = (total + server->workers) / server->workers; /* of total + 1, rounded up */
    return server->stats->conns_open + 1 > share + share / SPREAD_SLACK ? SPREAD_PAUSE_MS : 0;
}

static bool is_tls(const struct h2_listener *l)
{
    return l->gate && l->gate->tls;
}

static int64_t spared_until_ns(struct h2_server *server)
{
    struct h2_conn *oldest = list_entry(list_first(&server->shaking), struct h2_conn, shaking);
    return oldest->opened_ns + server->limits.handshake_spared_ms * NS_PER_MS;
}

static void hold_listeners(struct h2_server *server)
{
    const struct h2_limits *limits = &server->limits;
    bool held = server->stats->conns_open >= limits->conns_max;
    int64_t spared_ns = 0;
    if (server->handshakes >= limits->handshakes_max)
        spared_ns = spared_until_ns(server) - server->loop->now_ns;
    bool held_tls = held || spared_ns > 0;
    ev_timer_stop(server->loop->ev, &server->spared);
    if (!held && held_tls) {
        ev_timer_set(&server->spared, (double)spared_ns / NS_PER_S, 0.);
        ev_timer_start(server->loop->ev, &server->spared);
    }
    if (held == server->held && held_tls == server->held_tls)
        return;
    server->stats->accepts_held_conns += held && !server->held;
    server->stats->accepts_held_handshakes += held_tls && !server->held_tls && !held;
    server->held = held;
    server->held_tls = held_tls;
    for (unsigned i = 0; i < server->listener_count; i++)
        listener_hold(server->listeners[i].listener,
                      is_tls(&server->listeners[i]) ? held_tls : held);
}

static void on_spared(struct ev_loop *ev, ev_timer *w, int events)
{
    (void)ev;
    (void)events;
    hold_listeners(w->data);
}

static void leave_handshakes(struct h2_conn *c)
{
    list_remove(&c->shaking);
    c->server->handshakes--;
}

void h2_server_shook_hands(struct h2_conn *c)
{
    if (list_is_empty(&c->shaking))
        return;
    leave_handshakes(c);
    hold_listeners(c->server);
}

/* The newcomer was let in because the oldest has had its time. */
static void cut_off_oldest_handshake(struct h2_server *server)
{
    struct h2_conn *c = list_entry(list_first(&server->shaking), struct h2_conn, shaking);
    leave_handshakes(c);
    h2_conn_abort(c, H2_CLOSE_HANDSHAKES);
}

/* Streams that nothing ends keep no newcomer out: one whose streams are all such, among those not
 * looked at for longest. */
static struct h2_conn *find_watching(struct h2_server *server)
{
    for (unsigned i = 0; i < WATCHING_LOOKS && !list_is_empty(&server->conns); i++) {
        struct h2_conn *c = list_entry(list_first(&server->conns), struct h2_conn, node);
        list_remove(&c->node);
        list_append(&server->conns, &c->node);
        if (c->lasting > 0 && c->lasting == c->streams_open && !c->bye_words)
            return c;
    }
    return NULL;
}

/* Makes room for one more before the hard limit is reached: who waits for nothing goes first, then
 * who only watches, and never the one that comes. */
static void close_idlest(struct h2_server *server)
{
    const struct h2_limits *limits = &server->limits;
    uint64_t soft_max =
        limits->conns_soft_max ? limits->conns_soft_max : (uint64_t)limits->conns_max * 9 / 10;
    struct list *node = list_first(&server->idle);
    if (server->stats->conns_open < soft_max)
        return;
    if (!node) {
        struct h2_conn *watching = find_watching(server);
        if (watching)
            h2_conn_fail(watching, H2_CLOSE_CONNS, NGHTTP2_NO_ERROR, "conns");
        return;
    }
    struct h2_conn *c = list_entry(node, struct h2_conn, idle);
    list_remove(&c->idle);
    if (c->peer_spoke)
        h2_conn_drain(c, H2_CLOSE_CONNS);
    else
        h2_conn_abort(c, H2_CLOSE_CONNS);
}

static void on_accept(void *ctx, int fd)
{
    struct h2_listener *listener = ctx;
    struct h2_server *server = listener->server;
    close_idlest(server);
    h2_conn_new(listener, fd);
    if (server->handshakes > server->limits.handshakes_max)
        cut_off_oldest_handshake(server);
    publish_conns(server);
    if (!ev_is_active(&server->tick))
        ev_timer_again(server->loop->ev, &server->tick);
    hold_listeners(server);
}

static size_t bytes_absurd(const struct h2_server *server)
{
    return (size_t)server->limits.buffered_bytes_max + server->limits.buffered_bytes_max / 4;
}

void h2_server_check_bytes(struct h2_server *server)
{
    if (h2_server_bytes(server) > bytes_absurd(server))
        loop_defer(server->loop, &server->relief);
}

/* Streams that were let in while there was room have queued more than there is: whoever holds most
 * goes. Its bytes are freed later in this turn; then it is our turn again. */
static void on_relief(struct loop_task *task)
{
    struct h2_server *server = list_entry(task, struct h2_server, relief);
    struct h2_conn *fattest = NULL;
    size_t most = RELIEF_BYTES_MIN;
    if (h2_server_bytes(server) <= bytes_absurd(server))
        return;
    list_for_each(node, &server->conns) {
        struct h2_conn *c = list_entry(node, struct h2_conn, node);
        if (!c->cut_off && h2_conn_bytes(c) > most) {
            fattest = c;
            most = h2_conn_bytes(c);
        }
    }
    if (!fattest)
        return;
    fattest->cut_off = true;
    h2_conn_abort(fattest, H2_CLOSE_BYTES);
    loop_defer(server->loop, &server->relief);
}

static const struct listener_handler accept_handler = {
    .may_accept_ms = may_accept_ms,
    .on_accept = on_accept,
};

static void on_drained(struct loop_task *task)
{
    struct h2_server *server = list_entry(task, struct h2_server, drained);
    void (*report)(void *ctx) = server->on_drained;
    server->on_drained = NULL;
    if (report)
        report(server->ctx);
}

void h2_server_conn_gone(struct h2_server *server)
{
    publish_conns(server);
    hold_listeners(server);
    if (server->draining && server->stats->conns_open == 0)
        loop_defer(server->loop, &server->drained);
}

static void set_options(struct h2_server *server)
{
    CHECK(nghttp2_option_new(&server->option) == 0);
    nghttp2_option_set_no_auto_window_update(server->option, 1);
    nghttp2_option_set_no_closed_streams(server->option, 1);
    nghttp2_option_set_no_http_messaging(server->option, 1); /* rules.c */
    nghttp2_option_set_max_outbound_ack(server->option, OUTBOUND_ACKS_MAX);
    nghttp2_option_set_max_settings(server->option, SETTINGS_ENTRIES_MAX);
    nghttp2_option_set_max_continuations(server->option, CONTINUATIONS_MAX);
    /* Ours knows which resets are whose doing, and what ended well; nghttp2's would cut off a
     * client for its share of cancelled calls alone. */
    nghttp2_option_set_stream_reset_rate_limit(server->option, UINT32_MAX, UINT32_MAX);
}

int h2_server_new(struct h2_server **ret_server, struct loop *loop, const struct h2_limits *limits,
                  const struct h2_handler *handler, void *ctx)
{
    struct h2_server *server = calloc(1, sizeof *server);
    CHECK(server);
    server->stats = calloc(1, sizeof *server->stats);
    CHECK(server->stats);
    server->loop = loop;
    server->limits = *limits;
    server->conn_limits = (struct conn_limits){
        .handshake_timeout_ms = limits->handshake_timeout_ms,
        .write_timeout_ms = limits->write_timeout_ms,
        .write_high_water_bytes = limits->write_high_water_bytes,
    };
    server->handler = handler;
    server->ctx = ctx;
    server->callbacks = h2_callbacks_new();
    set_options(server);
    list_init(&server->conns);
    list_init(&server->idle);
    list_init(&server->shaking);
    server->peers = h2_peers_new();
    loop_task_init(&server->drained, on_drained);
    loop_task_init(&server->relief, on_relief);
    ev_timer_init(&server->tick, on_tick, 0., tick_s(limits));
    ev_timer_init(&server->spared, on_spared, 0., 0.);
    server->tick.data = server->spared.data = server;
    *ret_server = server;
    return 0;
}

static void stop_listening(struct h2_server *server)
{
    while (server->listener_count)
        listener_free(server->listeners[--server->listener_count].listener);
}

struct h2_server *h2_server_free(struct h2_server *server)
{
    if (!server)
        return NULL;
    stop_listening(server);
    struct list *node;
    while ((node = list_first(&server->conns)) != NULL) {
        struct h2_conn *c = list_entry(node, struct h2_conn, node);
        struct conn *transport = c->transport;
        h2_conn_free(c, H2_END_SERVER);
        conn_free(transport);
    }
    publish_conns(server);
    ev_timer_stop(server->loop->ev, &server->tick);
    ev_timer_stop(server->loop->ev, &server->spared);
    loop_task_cancel(&server->drained);
    loop_task_cancel(&server->relief);
    h2_stream_pool_deinit(server);
    h2_peers_free(server->peers);
    nghttp2_session_callbacks_del(server->callbacks);
    nghttp2_option_del(server->option);
    h2_memory_deinit(&server->memory);
    free(server->stats);
    free(server);
    return NULL;
}

int h2_server_listen(struct h2_server *server, int fd, const struct gate *gate)
{
    CHECK(server->listener_count < H2_LISTENERS_MAX);
    CHECK(!server->draining);
    struct h2_listener *l = &server->listeners[server->listener_count];
    *l = (struct h2_listener){.server = server, .id = ++server->last_id, .fd = fd, .gate = gate};
    int r = listener_new(&l->listener, server->loop, fd, &accept_handler, l);
    if (r < 0)
        return r;
    server->listener_count++;
    listener_hold(l->listener, is_tls(l) ? server->held_tls : server->held);
    return 0;
}

void h2_server_set_balance(struct h2_server *server, uint32_t *conns_by_worker, unsigned workers,
                           unsigned self)
{
    CHECK(!conns_by_worker || self < workers);
    server->conns_by_worker = conns_by_worker;
    server->workers = workers;
    server->self = self;
    publish_conns(server);
}

void h2_server_drain(struct h2_server *server, void (*on_drained_)(void *ctx))
{
    server->draining = true;
    server->on_drained = on_drained_;
    stop_listening(server);
    list_for_each(node, &server->conns)
        h2_conn_drain(list_entry(node, struct h2_conn, node), H2_CLOSE_DRAIN);
    if (server->stats->conns_open == 0)
        loop_defer(server->loop, &server->drained);
}

void h2_server_close(struct h2_server *server)
{
    stop_listening(server);
    list_for_each(node, &server->conns) {
        struct h2_conn *c = list_entry(node, struct h2_conn, node);
        c->closed_by_us = true;
        h2_conn_abort(c, H2_CLOSE_SHUTDOWN);
    }
}
