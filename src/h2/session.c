/* One connection: bytes from io into nghttp2, frames from nghttp2 into io's buffer, and the ways it
 * ends. What must stay true: mem_send is only called from on_write_ready, mem_recv only from
 * on_read, never one inside the other; nothing is fed to a session that has said its last
 * (CVE-2026-27135). */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/check.h"
#include "h2/internal.h"

#define DRAIN_NOTICE_MS 1000
/* Frames waiting in nghttp2; a peer that makes it queue more (and does not read) is cut off. */
#define OUTBOUND_FRAMES_MAX 10000
/* What nghttp2 is told to allow. It would answer one stream too many by closing the connection; we
 * refuse just that stream, and the client reads limits.streams_max (see advertise_streams_max). */
#define STREAMS_MAX_INTERNAL (UINT32_C(1) << 30)

static const char http1_answer[] =
    "HTTP/1.1 505 HTTP Version Not Supported\r\n"
    "Content-Type: text/plain\r\nContent-Length: 65\r\nConnection: close\r\n\r\n"
    "This port speaks gRPC: HTTP/2 with prior knowledge, not HTTP/1.1\n";

static int start_session(struct h2_conn *c)
{
    const struct h2_limits *limits = &c->server->limits;
    int r = nghttp2_session_server_new3(&c->session, c->server->callbacks, c, c->server->option,
                                        &c->server->mem);
    if (r < 0)
        return r;
    const nghttp2_settings_entry settings[] = {
        {NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, STREAMS_MAX_INTERNAL},
        {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, limits->stream_window_bytes},
        {NGHTTP2_SETTINGS_MAX_FRAME_SIZE, limits->frame_bytes_max},
        {NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, limits->header_list_bytes_max},
        {NGHTTP2_SETTINGS_NO_RFC7540_PRIORITIES, 1},
    };
    r = nghttp2_submit_settings(c->session, NGHTTP2_FLAG_NONE, settings,
                                sizeof settings / sizeof settings[0]);
    if (r < 0)
        return r;
    return nghttp2_session_set_local_window_size(c->session, NGHTTP2_FLAG_NONE, 0,
                                                 (int32_t)limits->conn_window_bytes);
}

/* @frame is our first, the SETTINGS: puts the true limit where nghttp2 wrote its own. */
static void advertise_streams_max(uint8_t *frame, size_t bytes, uint32_t streams_max)
{
    CHECK(bytes >= 15);
    CHECK(frame[3] == NGHTTP2_SETTINGS);
    CHECK(frame[9] == 0 && frame[10] == NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS);
    uint32_t value = htonl(streams_max);
    memcpy(frame + 11, &value, sizeof value);
}

void h2_conn_drain(struct h2_conn *c, const char *why)
{
    if (c->drain != DRAIN_NO)
        return;
    c->drain = DRAIN_NOTICE_DUE;
    c->drain_why = why;
    if (c->greeted)
        conn_want_write(c->transport);
    else if (c->session)
        conn_close(c->transport, false); /* not a byte was exchanged */
}

static void on_open(void *ctx)
{
    struct h2_conn *c = ctx;
    c->opened_ns = c->idle_since_ns = c->server->loop->now_ns;
    c->faults_ns = c->opened_ns;
    c->faults_left = c->server->limits.reset_burst_max;
    if (start_session(c) < 0) {
        conn_close(c->transport, false);
        return;
    }
    /* In clear the client speaks first, so that one that speaks HTTP/1.1 can be told so in words it
     * can read. */
    if (conn_is_tls(c->transport))
        conn_want_write(c->transport);
    if (c->server->draining)
        h2_conn_drain(c, "");
}

static int on_read(void *ctx, const uint8_t *p, size_t bytes)
{
    struct h2_conn *c = ctx;
    if (c->speaks_http1 || (c->greeted && !nghttp2_session_want_read(c->session)))
        return 0;
    ssize_t n = nghttp2_session_mem_recv(c->session, p, bytes);
    if (n == NGHTTP2_ERR_BAD_CLIENT_MAGIC && !c->greeted && p[0] >= 'A' && p[0] <= 'Z')
        c->speaks_http1 = true;
    else if (n < 0)
        return -EPROTO;
    if (nghttp2_session_get_outbound_queue_size(c->session) > OUTBOUND_FRAMES_MAX)
        return -ENOBUFS;
    if (c->calm_due) {
        c->calm_due = false;
        if (nghttp2_session_terminate_session(c->session, NGHTTP2_ENHANCE_YOUR_CALM) < 0)
            return -ENOMEM;
    }
    conn_want_write(c->transport);
    return 0;
}

static int apply_drain(struct h2_conn *c)
{
    static const uint8_t mark[8] = "drain";
    switch (c->drain) {
    case DRAIN_NOTICE_DUE:
        c->drain = DRAIN_NOTICE;
        c->noticed_ns = c->server->loop->now_ns;
        return nghttp2_submit_shutdown_notice(c->session);
    case DRAIN_PING_DUE:
        c->drain = DRAIN_PINGED;
        return nghttp2_submit_ping(c->session, NGHTTP2_FLAG_NONE, mark);
    case DRAIN_FINAL_DUE:
        c->drain = DRAIN_FINAL;
        return nghttp2_submit_goaway(
            c->session, NGHTTP2_FLAG_NONE, nghttp2_session_get_last_proc_stream_id(c->session),
            NGHTTP2_NO_ERROR, (const uint8_t *)c->drain_why, strlen(c->drain_why));
    default:
        return 0;
    }
}

/* Tells nghttp2 everything that was asked for since the last time. */
static int apply(struct h2_conn *c)
{
    struct list *node;
    while ((node = list_pop(&c->dirty)) != NULL) {
        int r = h2_stream_apply(list_entry(node, struct stream, dirty));
        if (r < 0)
            return r;
    }
    if (c->consumed_bytes >= c->server->limits.conn_window_bytes / 4) {
        int r = nghttp2_session_consume_connection(c->session, c->consumed_bytes);
        c->consumed_bytes = 0;
        if (r < 0)
            return r;
    }
    return apply_drain(c);
}

static int move_frames(struct h2_conn *c, struct buf *out, size_t bytes_max)
{
    /* One mem_send may produce any number of DATA frames: read_body stops it at the limit too. */
    c->out_bytes_max = buf_len(out) + bytes_max;
    while (buf_len(out) < c->out_bytes_max) {
        const uint8_t *p;
        ssize_t n = nghttp2_session_mem_send(c->session, &p);
        if (n <= 0)
            return (int)n;
        buf_append(out, p, (size_t)n);
    }
    return 0;
}

static void end_streams(struct h2_conn *c, bool by_peer)
{
    struct list *node;
    while ((node = list_first(&c->streams)) != NULL)
        h2_stream_closed(list_entry(node, struct stream, in_conn), H2_CANCEL, by_peer);
    CHECK(c->queued_bytes == 0);
}

static void on_write_ready(void *ctx, struct buf *out, size_t bytes_max)
{
    struct h2_conn *c = ctx;
    if (c->speaks_http1) {
        buf_append(out, http1_answer, sizeof http1_answer - 1);
        conn_close(c->transport, true);
        return;
    }
    size_t before = buf_len(out);
    c->out = out;
    int r = apply(c);
    if (r == 0)
        r = move_frames(c, out, bytes_max);
    c->out = NULL;
    if (r < 0) {
        conn_close(c->transport, false);
        return;
    }
    if (!c->greeted) {
        c->greeted = true;
        advertise_streams_max(out->p + out->start + before, buf_len(out) - before,
                              c->server->limits.streams_max);
    }
    if (!nghttp2_session_want_read(c->session) && !nghttp2_session_want_write(c->session)) {
        /* The last GOAWAY is in the buffer. Streams that are left (a protocol error) need not wait
         * for it to leave. */
        end_streams(c, true);
        conn_close(c->transport, true);
    }
}

static void on_closed(void *ctx, int error)
{
    (void)error;
    struct h2_conn *c = ctx;
    struct h2_server *server = c->server;
    h2_conn_free(c, !c->closed_by_us);
    h2_server_conn_gone(server);
}

static const struct conn_handler transport_handler = {
    .on_open = on_open,
    .on_read = on_read,
    .on_write_ready = on_write_ready,
    .on_closed = on_closed,
};

void h2_conn_new(struct h2_listener *listener, int fd)
{
    struct h2_server *server = listener->server;
    struct h2_conn *c = calloc(1, sizeof *c);
    if (!c) {
        close(fd);
        server->stats->conns_refused++;
        return;
    }
    c->server = server;
    c->opened_ns = server->loop->now_ns;
    list_init(&c->streams);
    list_init(&c->dirty);
    list_init(&c->node);
    if (conn_new(&c->transport, server->loop, fd, listener->tls, &server->conn_limits,
                 &server->conn_stats, &transport_handler, c) < 0) {
        free(c);
        server->stats->conns_refused++;
        return;
    }
    c->id = ++server->last_id;
    c->listener_id = listener->id;
    listener->accepted++;
    list_append(&server->conns, &c->node);
    server->stats->conns_accepted++;
    server->stats->conns_open++;
}

void h2_conn_free(struct h2_conn *c, bool by_peer)
{
    end_streams(c, by_peer);
    if (c->session)
        nghttp2_session_del(c->session);
    list_remove(&c->node);
    c->server->stats->conns_open--;
    free(c);
}

static bool overdue(int64_t since_ns, int64_t now_ns, uint32_t timeout_ms)
{
    return now_ns - since_ns > timeout_ms * NS_PER_MS;
}

/* A few times a second: timeouts that need no timer of their own. */
void h2_conn_tick(struct h2_conn *c, int64_t now_ns)
{
    const struct h2_limits *limits = &c->server->limits;
    if (!c->session)
        return; /* the handshake has its own */
    if (!c->peer_spoke && overdue(c->opened_ns, now_ns, limits->preface_timeout_ms))
        conn_close(c->transport, false);
    else if (c->queued_bytes && overdue(c->progress_ns, now_ns, limits->write_timeout_ms))
        conn_close(c->transport, false);
    else if (c->drain == DRAIN_PINGED && overdue(c->noticed_ns, now_ns, DRAIN_NOTICE_MS)) {
        c->drain = DRAIN_FINAL_DUE;
        conn_want_write(c->transport);
    } else if (limits->idle_timeout_ms && c->streams_open == 0 && c->peer_spoke &&
               overdue(c->idle_since_ns, now_ns, limits->idle_timeout_ms)) {
        h2_conn_drain(c, "max_idle");
    }
}
