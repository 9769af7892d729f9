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
    nghttp2_mem mem = h2_memory_open(&c->memory, &c->server->memory);
    int r =
        nghttp2_session_server_new3(&c->session, c->server->callbacks, c, c->server->option, &mem);
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

static void set_cause(struct h2_conn *c, enum h2_close why)
{
    if (!c->has_cause)
        c->cause = why;
    c->has_cause = true;
}

void h2_conn_drain(struct h2_conn *c, enum h2_close why)
{
    if (c->drain != DRAIN_NO)
        return;
    set_cause(c, why);
    c->drain = DRAIN_NOTICE_DUE;
    /* In clear the first request may be on its way: it is served, and the GOAWAY comes with our
     * SETTINGS. Who says nothing is closed when its preface is overdue. */
    if (c->greeted || c->streams_open > 0)
        conn_want_write(c->transport);
}

void h2_conn_abort(struct h2_conn *c, enum h2_close why)
{
    set_cause(c, why);
    conn_close(c->transport, false);
}

int h2_conn_fail(struct h2_conn *c, enum h2_close why, uint32_t code, const char *words)
{
    if (c->bye_words)
        return NGHTTP2_ERR_CALLBACK_FAILURE;
    c->has_cause = true; /* whatever it was draining for */
    c->cause = why;
    c->bye_code = code;
    c->bye_words = words;
    conn_want_write(c->transport);
    return NGHTTP2_ERR_CALLBACK_FAILURE;
}

void h2_conn_pause(struct h2_conn *c, enum h2_pause bit, bool paused)
{
    unsigned before = c->paused;
    c->paused = paused ? before | bit : before & ~(unsigned)bit;
    if (!c->paused == !before)
        return;
    if (paused)
        c->server->stats->reads_held++;
    else
        c->read_ns = c->server->loop->now_ns; /* its silence was ours */
    conn_pause(c->transport, c->paused != 0);
}

static void on_open(void *ctx)
{
    struct h2_conn *c = ctx;
    c->faults_ns = c->server->loop->now_ns;
    c->faults_left = c->server->limits.reset_burst_max;
    h2_server_shook_hands(c);
    h2_frames_init(c);
    h2_life_begin(c);
    if (!h2_peers_enter(c)) {
        c->server->stats->conns_refused++;
        h2_conn_abort(c, H2_CLOSE_ADDRESS);
        return;
    }
    if (start_session(c) < 0) {
        h2_conn_abort(c, H2_CLOSE_ERROR);
        return;
    }
    /* In clear the client speaks first, so that one that speaks HTTP/1.1 can be told so in words it
     * can read. */
    if (conn_is_tls(c->transport))
        conn_want_write(c->transport);
    if (c->server->draining)
        h2_conn_drain(c, H2_CLOSE_DRAIN);
}

/* A request line of HTTP/1, in one piece: "GET / HTTP/1.1". */
static bool is_http1(const uint8_t *p, size_t bytes)
{
    const uint8_t *end = memchr(p, '\n', bytes);
    return end && memmem(p, (size_t)(end - p), " HTTP/1.", 8);
}

/* nghttp2 gave up. What the peer can read of it is said as HTTP/2 wants it. */
static ssize_t on_recv_error(struct h2_conn *c, ssize_t error, const uint8_t *p, size_t bytes)
{
    if (c->bye_words)
        return 0; /* one of our callbacks said so */
    if (error == NGHTTP2_ERR_BAD_CLIENT_MAGIC) {
        c->speaks_http1 = !c->greeted && is_http1(p, bytes);
        set_cause(c, c->speaks_http1 ? H2_CLOSE_HTTP1 : H2_CLOSE_PROTOCOL);
        return c->speaks_http1 ? 0 : -EPROTO;
    }
    if (error == NGHTTP2_ERR_FLOODED)
        h2_conn_fail(c, H2_CLOSE_FLOOD, NGHTTP2_ENHANCE_YOUR_CALM, "too_many_acks");
    else if (error == NGHTTP2_ERR_TOO_MANY_CONTINUATIONS)
        h2_conn_fail(c, H2_CLOSE_HEADERS, NGHTTP2_ENHANCE_YOUR_CALM, "too_many_continuations");
    else
        h2_conn_fail(c, H2_CLOSE_ERROR, NGHTTP2_INTERNAL_ERROR, nghttp2_strerror((int)error));
    return 0;
}

static ssize_t on_read(void *ctx, const uint8_t *p, size_t bytes)
{
    struct h2_conn *c = ctx;
    if (c->speaks_http1 || c->bye_words || (c->greeted && !nghttp2_session_want_read(c->session)))
        return (ssize_t)bytes;
    c->read_ns = c->server->loop->now_ns;
    ssize_t admitted = h2_frames_admit(c, p, bytes);
    if (admitted < 0)
        return (ssize_t)bytes;
    ssize_t n = nghttp2_session_mem_recv(c->session, p, (size_t)admitted);
    if (c->server->handler->on_read_done)
        c->server->handler->on_read_done(c->server->ctx);
    if (n < 0)
        n = on_recv_error(c, n, p, bytes);
    if (n < 0)
        return n;
    if (nghttp2_session_get_outbound_queue_size(c->session) > c->server->limits.outbound_frames_max)
        h2_conn_fail(c, H2_CLOSE_QUEUE, NGHTTP2_ENHANCE_YOUR_CALM, "too_many_frames_queued");
    conn_want_write(c->transport);
    if ((size_t)admitted < bytes)
        c->server->stats->reads_held++;
    /* What is queued becomes less by reading on only: windows are opened there. */
    if (h2_server_minds(c->server, c->held_bytes - c->queued_bytes))
        h2_conn_pause(c, H2_PAUSE_BYTES, true);
    return admitted;
}

const uint8_t h2_drain_mark[8] = "drain";

static int apply_drain(struct h2_conn *c)
{
    const char *why = c->cause == H2_CLOSE_IDLE  ? "max_idle"
                      : c->cause == H2_CLOSE_AGE ? "max_age"
                                                 : "";
    switch (c->drain) {
    case DRAIN_NOTICE_DUE:
        c->drain = DRAIN_NOTICE;
        c->noticed_ns = c->server->loop->now_ns;
        return nghttp2_submit_shutdown_notice(c->session);
    case DRAIN_PING_DUE:
        c->drain = DRAIN_PINGED;
        c->in.pings_out++;
        return nghttp2_submit_ping(c->session, NGHTTP2_FLAG_NONE, h2_drain_mark);
    case DRAIN_FINAL_DUE:
        c->drain = DRAIN_FINAL;
        c->final_ns = c->server->loop->now_ns;
        return nghttp2_submit_goaway(c->session, NGHTTP2_FLAG_NONE,
                                     nghttp2_session_get_last_proc_stream_id(c->session),
                                     NGHTTP2_NO_ERROR, (const uint8_t *)why, strlen(why));
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
    if (h2_conn_has_room(c))
        h2_give_back(c, c->withheld_bytes);
    if (c->consumed_bytes >= c->server->limits.conn_window_bytes / 4) {
        int r = nghttp2_session_consume_connection(c->session, c->consumed_bytes);
        c->consumed_bytes = 0;
        if (r < 0)
            return r;
    }
    int r = h2_refuse_late(c);
    if (r < 0)
        return r;
    if (c->keepalive_due) {
        c->keepalive_due = false;
        c->in.pings_out++;
        r = nghttp2_submit_ping(c->session, NGHTTP2_FLAG_NONE, NULL);
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
        c->wrote_block = false;
        ssize_t n = nghttp2_session_mem_send(c->session, &p);
        if (n <= 0)
            return (int)n;
        if (!c->wrote_block)
            buf_append(out, p, (size_t)n);
    }
    return 0;
}

static void end_streams(struct h2_conn *c, enum h2_end by)
{
    struct list *node;
    while ((node = list_first(&c->streams)) != NULL)
        h2_stream_closed(list_entry(node, struct stream, in_conn), H2_CANCEL, by);
    CHECK(c->queued_bytes == 0);
    CHECK(c->held_bytes == 0);
    CHECK(c->owned_bytes == 0);
}

/* The last frame, by hand: nghttp2 may have stopped in the middle of something. */
static void say_goodbye(struct h2_conn *c, struct buf *out)
{
    static const uint8_t empty_settings[9] = {0, 0, 0, NGHTTP2_SETTINGS};
    size_t words = strlen(c->bye_words);
    uint8_t head[17] = {0, 0, (uint8_t)(8 + words), NGHTTP2_GOAWAY};
    uint32_t last_id = htonl((uint32_t)nghttp2_session_get_last_proc_stream_id(c->session));
    uint32_t code = htonl(c->bye_code);
    memcpy(head + 9, &last_id, 4);
    memcpy(head + 13, &code, 4);
    if (!c->greeted)
        buf_append(out, empty_settings, sizeof empty_settings);
    buf_append(out, head, sizeof head);
    buf_append(out, c->bye_words, words);
    end_streams(c, H2_END_CONNECTION);
    conn_close(c->transport, true);
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
    int r = 0;
    c->out = out;
    if (!c->bye_words)
        r = apply(c);
    if (r == 0 && !c->bye_words)
        r = move_frames(c, out, bytes_max);
    c->out = NULL;
    if (c->bye_words) {
        say_goodbye(c, out);
        return;
    }
    if (r < 0) {
        h2_conn_abort(c, H2_CLOSE_ERROR);
        return;
    }
    if (!c->greeted) {
        c->greeted = true;
        advertise_streams_max(out->p + out->start + before, buf_len(out) - before,
                              c->server->limits.streams_max);
    }
    if (!nghttp2_session_want_read(c->session) && !nghttp2_session_want_write(c->session)) {
        /* The last GOAWAY is in the buffer, or the peer's came and no stream is left. Those that
         * are (a protocol error) need not wait for it to leave. */
        set_cause(c, c->peer_leaves ? H2_CLOSE_PEER : H2_CLOSE_PROTOCOL);
        end_streams(c, H2_END_CONNECTION);
        conn_close(c->transport, true);
    }
}

static void on_closed(void *ctx, int error)
{
    struct h2_conn *c = ctx;
    struct h2_server *server = c->server;
    if (!c->session)
        set_cause(c, H2_CLOSE_HANDSHAKE);
    else if (error == -ETIMEDOUT)
        set_cause(c, H2_CLOSE_WRITE_TIMEOUT);
    else if (error == 0 || error == -ECONNRESET || error == -EPIPE)
        set_cause(c, H2_CLOSE_PEER);
    else
        set_cause(c, H2_CLOSE_ERROR);
    server->stats->conns_closed[c->cause]++;
    h2_conn_free(c, c->closed_by_us ? H2_END_SERVER : H2_END_CONNECTION);
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
    list_init(&c->idle);
    list_init(&c->shaking);
    if (conn_new(&c->transport, server->loop, fd, listener->gate, &server->conn_limits,
                 &server->conn_stats, &transport_handler, c) < 0) {
        free(c);
        server->stats->conns_refused++;
        return;
    }
    c->id = ++server->last_id;
    c->listener_id = listener->id;
    listener->accepted++;
    list_append(&server->conns, &c->node);
    list_append(&server->idle, &c->idle);
    if (conn_is_tls(c->transport)) {
        list_append(&server->shaking, &c->shaking);
        server->handshakes++;
    }
    server->stats->conns_accepted++;
    server->stats->conns_open++;
}

void h2_conn_free(struct h2_conn *c, enum h2_end by)
{
    end_streams(c, by);
    if (c->session)
        nghttp2_session_del(c->session);
    h2_memory_close(&c->memory);
    list_remove(&c->node);
    list_remove(&c->idle);
    h2_server_shook_hands(c);
    h2_peers_leave(c);
    c->server->stats->conns_open--;
    free(c);
}
