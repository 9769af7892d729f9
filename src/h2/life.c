/* How long a connection lives: keepalive both ways (gRFC A8), idleness and age (gRFC A9), timeouts.
 * The server's tick and frames.c are the callers. What must stay true: nothing is promised more
 * precisely than the tick; a peer is only cut off for silence while we listen to it. */
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include "base/uuid.h"
#include "h2/internal.h"

/* How long the answer to the first GOAWAY's PING may take. */
#define DRAIN_NOTICE_MS 1000
/* Without streams nobody would lose a call by the last GOAWAY: one that crosses it was not
 * processed, and the client knows. Clients that sleep while idle (gRPC C core) never answer. */
#define DRAIN_NOTICE_IDLE_MS 250
/* Memory that is given back and wanted again costs some microseconds: a connection that has a call
 * every few seconds is not to pay that. */
#define REST_AFTER_MS 10000

void h2_life_begin(struct h2_conn *c)
{
    struct h2_server *server = c->server;
    const struct h2_limits *limits = &server->limits;
    c->opened_ns = c->idle_since_ns = c->read_ns = server->loop->now_ns;
    list_remove(&c->idle);
    list_append(&server->idle, &c->idle);
    if (limits->age_max_ms) {
        /* Give or take a tenth: connections made together must not be made again together. */
        uint32_t r;
        random_id(&r, sizeof r);
        c->age_ns =
            c->opened_ns + (int64_t)(limits->age_max_ms * NS_PER_MS * (0.9 + 0.2 * r / UINT32_MAX));
    }
    if (limits->keepalive_time_ms) {
        /* gRFC A18; a unix socket refuses, and needs none. */
        unsigned timeout_ms = limits->keepalive_timeout_ms;
        setsockopt(conn_fd(c->transport), IPPROTO_TCP, TCP_USER_TIMEOUT, &timeout_ms,
                   sizeof timeout_ms);
    }
}

static bool overdue(int64_t since_ns, int64_t now_ns, uint32_t timeout_ms)
{
    return now_ns - since_ns > timeout_ms * NS_PER_MS;
}

bool h2_life_pinged(struct h2_conn *c)
{
    const struct h2_limits *limits = &c->server->limits;
    int64_t now_ns = c->server->loop->now_ns;
    int64_t before_ns = c->peer_ping_ns;
    c->peer_ping_ns = now_ns;
    if (c->peer_ping_free) {
        c->peer_ping_free = false;
        c->peer_ping_strikes = 0;
        return true;
    }
    uint32_t interval_ms =
        c->streams_open ? limits->ping_interval_min_ms : limits->ping_interval_idle_min_ms;
    if (before_ns && interval_ms && !overdue(before_ns, now_ns, interval_ms))
        c->peer_ping_strikes++;
    if (c->peer_ping_strikes <= limits->ping_strikes_max)
        return true;
    h2_conn_fail(c, H2_CLOSE_PINGS, NGHTTP2_ENHANCE_YOUR_CALM, "too_many_pings");
    return false;
}

static void keep_alive(struct h2_conn *c, int64_t now_ns)
{
    const struct h2_limits *limits = &c->server->limits;
    if (limits->keepalive_time_ms == 0 || c->paused)
        return;
    /* Any byte that came behind our PING shows that somebody is there. */
    if (c->pinged_ns >= c->read_ns) {
        if (overdue(c->pinged_ns, now_ns, limits->keepalive_timeout_ms))
            h2_conn_abort(c, H2_CLOSE_KEEPALIVE);
        return;
    }
    if (!overdue(c->read_ns, now_ns, limits->keepalive_time_ms))
        return;
    c->pinged_ns = now_ns;
    c->keepalives_sent++;
    c->server->stats->keepalives_sent++;
    c->keepalive_due = true;
    conn_want_write(c->transport);
}

static void drain_on(struct h2_conn *c, int64_t now_ns)
{
    const struct h2_limits *limits = &c->server->limits;
    uint32_t notice_ms = c->streams_open ? DRAIN_NOTICE_MS : DRAIN_NOTICE_IDLE_MS;
    if (c->drain == DRAIN_PINGED && overdue(c->noticed_ns, now_ns, notice_ms)) {
        c->drain = DRAIN_FINAL_DUE;
        conn_want_write(c->transport);
    } else if (c->drain == DRAIN_FINAL && c->cause == H2_CLOSE_AGE && limits->age_grace_ms &&
               overdue(c->final_ns, now_ns, limits->age_grace_ms)) {
        c->closed_by_us = true;
        h2_conn_abort(c, H2_CLOSE_AGE);
    }
}

/* Streams whose body waits for a window that is not opened, while the connection goes on. */
static void reset_stalled(struct h2_conn *c, int64_t now_ns)
{
    list_for_each(node, &c->streams) {
        struct stream *s = list_entry(node, struct stream, in_conn);
        if (s->pub.queued_bytes && !s->reset_by_us &&
            overdue(s->progress_ns, now_ns, c->server->limits.write_timeout_ms))
            h2_reset(&s->pub, H2_CANCEL);
    }
}

static void rest(struct h2_conn *c, int64_t now_ns)
{
    if (c->streams_open || c->rested_ns == c->idle_since_ns ||
        !overdue(c->idle_since_ns, now_ns, REST_AFTER_MS))
        return;
    c->rested_ns = c->idle_since_ns;
    h2_memory_rest(&c->memory);
}

/* A few times a second: timeouts that need no timer of their own. */
void h2_conn_tick(struct h2_conn *c, int64_t now_ns)
{
    const struct h2_limits *limits = &c->server->limits;
    if (!c->session || c->bye_words)
        return; /* the handshake has its own */
    if (c->paused & H2_PAUSE_CALM && now_ns >= c->calm_until_ns)
        h2_conn_pause(c, H2_PAUSE_CALM, false);
    if (c->paused & H2_PAUSE_BYTES && h2_server_bytes(c->server) <= limits->buffered_bytes_max)
        h2_conn_pause(c, H2_PAUSE_BYTES, false);
    if (!c->peer_spoke && overdue(c->opened_ns, now_ns, limits->preface_timeout_ms))
        h2_conn_abort(c, H2_CLOSE_PREFACE);
    else if (!c->in.settings_acked && !c->paused &&
             overdue(c->opened_ns, now_ns, limits->preface_timeout_ms))
        h2_conn_fail(c, H2_CLOSE_PREFACE, NGHTTP2_SETTINGS_TIMEOUT, "settings_timeout");
    else if (c->in.block_open && !c->paused &&
             overdue(c->in.block_since_ns, now_ns, limits->headers_timeout_ms))
        h2_conn_fail(c, H2_CLOSE_HEADERS_TIMEOUT, NGHTTP2_ENHANCE_YOUR_CALM, "headers_timeout");
    else if (c->queued_bytes && overdue(c->progress_ns, now_ns, limits->write_timeout_ms))
        h2_conn_abort(c, H2_CLOSE_WRITE_TIMEOUT);
    else if (c->drain != DRAIN_NO)
        drain_on(c, now_ns);
    else if (c->age_ns && now_ns >= c->age_ns)
        h2_conn_drain(c, H2_CLOSE_AGE);
    else if (limits->idle_timeout_ms && c->streams_open == 0 && c->peer_spoke &&
             overdue(c->idle_since_ns, now_ns, limits->idle_timeout_ms))
        h2_conn_drain(c, H2_CLOSE_IDLE);
    if (c->queued_bytes)
        reset_stalled(c, now_ns);
    keep_alive(c, now_ns);
    rest(c, now_ns);
}
