/* What nghttp2 tells us about one connection, turned into the events of h2.h. Called from inside
 * mem_recv and mem_send, so nothing here may feed the session; only RST_STREAM is submitted, where
 * nghttp2's manual says to. What must stay true: header bytes are counted here, because
 * nghttp2 1.52 advertises the limit without keeping it. */
#include <string.h>

#include "base/check.h"
#include "h2/internal.h"

/* RFC 9113 section 6.5.2: what a field costs beyond its bytes. */
#define FIELD_OVERHEAD_BYTES 32
/* A header list this many times over the limit is an attack on HPACK, not a mistake (16 KB on the
 * wire can become 48 MB). Below it the client is told: 431. */
#define HEADER_LIST_ABSURD 64
/* What a DATA frame of ours earns the client. */
#define WINDOW_UPDATES_PER_DATA 10
#define WINDOW_CREDIT_MAX 100000
/* For how long a connection whose resets have used up the budget is not read (h2o's dos-delay). */
#define CALM_MS 100

struct stream *h2_find_stream(struct h2_conn *c, int32_t id)
{
    if (!c->cached || c->cached->pub.id != id)
        c->cached = nghttp2_session_get_stream_user_data(c->session, id);
    return c->cached;
}

/* Streams that end badly through the peer's doing cost a budget (CVE-2023-44487, and CVE-2025-8671,
 * where the peer makes us send the resets). 0, or what a callback returns: it is long used up. */
static int count_fault(struct h2_conn *c)
{
    const struct h2_limits *limits = &c->server->limits;
    int64_t now_ns = c->server->loop->now_ns;
    c->faults_left += (double)(now_ns - c->faults_ns) / NS_PER_S * limits->reset_rate_per_s;
    c->faults_ns = now_ns;
    if (c->faults_left > limits->reset_burst_max)
        c->faults_left = limits->reset_burst_max;
    c->faults_left -= 1;
    if (c->faults_left >= 0)
        return 0;
    if (c->faults_left < -(double)limits->reset_burst_max)
        return h2_conn_fail(c, H2_CLOSE_RESETS, NGHTTP2_ENHANCE_YOUR_CALM, "too_many_resets");
    c->calm_until_ns = now_ns + CALM_MS * NS_PER_MS;
    h2_conn_pause(c, H2_PAUSE_CALM, true);
    return 0;
}

/* Why a new stream is not to be; H2_REFUSAL_COUNT: it may. */
static enum h2_refusal refusal_of(const struct h2_conn *c)
{
    const struct h2_limits *limits = &c->server->limits;
    if (c->streams_open >= limits->streams_max)
        return H2_REFUSAL_STREAMS;
    if (h2_server_minds(c->server, h2_conn_bytes(c)))
        return H2_REFUSAL_WORKER_BYTES;
    if (!h2_conn_has_room(c))
        return H2_REFUSAL_CONN_BYTES;
    return H2_REFUSAL_COUNT;
}

/* nghttp2 says nothing to a stream that comes after the last GOAWAY; the client need not find out
 * by itself. It sends RST_STREAM only for one whose HEADERS it is done with: when the next frame
 * begins, or behind the last one read. */
int h2_refuse_late(struct h2_conn *c)
{
    int32_t id = c->late_id;
    if (id == 0)
        return 0;
    c->late_id = 0;
    c->server->stats->streams_refused[H2_REFUSAL_DRAIN]++;
    return nghttp2_submit_rst_stream(c->session, NGHTTP2_FLAG_NONE, id, NGHTTP2_REFUSED_STREAM);
}

/* What nghttp2 lets pass (RFC 9113 sections 5.1.1 and 6.3): it keeps no closed streams to compare
 * with, and looks at no PRIORITY. Trailers may cross a RST_STREAM of ours; a stream that we did not
 * reset was closed by the client itself, or never opened. */
static int on_begin_frame(nghttp2_session *session, const nghttp2_frame_hd *hd, void *arg)
{
    (void)session;
    struct h2_conn *c = arg;
    if (hd->type == NGHTTP2_PRIORITY && hd->stream_id == 0)
        return h2_conn_fail(c, H2_CLOSE_PROTOCOL, NGHTTP2_PROTOCOL_ERROR, "priority_on_stream_0");
    int r = h2_refuse_late(c);
    if (r < 0)
        return r;
    if (hd->type != NGHTTP2_HEADERS)
        return 0;
    if (hd->stream_id > c->last_headers_id) {
        c->last_headers_id = hd->stream_id;
        if (c->drain == DRAIN_FINAL)
            c->late_id = hd->stream_id;
        return 0;
    }
    if (hd->stream_id <= c->last_reset_id || c->drain == DRAIN_FINAL ||
        h2_find_stream(c, hd->stream_id))
        return 0;
    return h2_conn_fail(c, H2_CLOSE_PROTOCOL, NGHTTP2_PROTOCOL_ERROR, "stream_id_used_before");
}

static void note_reset(struct h2_conn *c, int32_t id)
{
    if (id > c->last_reset_id)
        c->last_reset_id = id;
}

static int on_begin_headers(nghttp2_session *session, const nghttp2_frame *frame, void *arg)
{
    struct h2_conn *c = arg;
    int32_t id = frame->hd.stream_id;
    if (frame->hd.type != NGHTTP2_HEADERS || frame->headers.cat != NGHTTP2_HCAT_REQUEST)
        return 0;
    if (c->bye_words)
        return NGHTTP2_ERR_CALLBACK_FAILURE;
    enum h2_refusal why = refusal_of(c);
    if (why != H2_REFUSAL_COUNT) {
        c->server->stats->streams_refused[why]++;
        note_reset(c, id);
        nghttp2_submit_rst_stream(session, NGHTTP2_FLAG_NONE, id, NGHTTP2_REFUSED_STREAM);
        return why == H2_REFUSAL_STREAMS && c->in.settings_acked && count_fault(c) < 0
                   ? NGHTTP2_ERR_CALLBACK_FAILURE
                   : NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
    }
    struct stream *s = h2_stream_new(c, id);
    c->cached = s;
    nghttp2_session_set_stream_user_data(session, id, s);
    c->server->handler->on_open(&s->pub, c->server->ctx);
    return 0;
}

/* RFC 9113 section 8.1.1. Not h2_reset: it is the client's doing, and counts as that. */
static void end_malformed(struct h2_conn *c, struct stream *s)
{
    s->malformed = true;
    nghttp2_submit_rst_stream(c->session, NGHTTP2_FLAG_NONE, s->pub.id, NGHTTP2_PROTOCOL_ERROR);
}

static bool is_trailer(const nghttp2_frame *frame)
{
    return frame->headers.cat != NGHTTP2_HCAT_REQUEST;
}

static int on_header(nghttp2_session *session, const nghttp2_frame *frame, const uint8_t *name,
                     size_t name_bytes, const uint8_t *value, size_t value_bytes, uint8_t flags,
                     void *arg)
{
    (void)session;
    (void)flags;
    struct h2_conn *c = arg;
    struct stream *s = h2_find_stream(c, frame->hd.stream_id);
    if (!s)
        return 0;
    struct str n = {(const char *)name, name_bytes}, v = {(const char *)value, value_bytes};
    enum h2_field which = h2_field_of(n);
    if (!h2_rules_field(&s->rules, is_trailer(frame), which, n, v)) {
        end_malformed(c, s);
        return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
    }
    size_t limit = c->server->limits.header_list_bytes_max;
    s->header_bytes += name_bytes + value_bytes + FIELD_OVERHEAD_BYTES;
    if (s->header_bytes > limit) {
        s->over_limit = true;
        if (s->header_bytes <= limit * HEADER_LIST_ABSURD)
            return 0;
        return h2_conn_fail(c, H2_CLOSE_HEADERS, NGHTTP2_ENHANCE_YOUR_CALM,
                            "header_list_too_large");
    }
    c->server->handler->on_header(&s->pub, which, n, v, c->server->ctx);
    return 0;
}

static int on_data(nghttp2_session *session, uint8_t flags, int32_t id, const uint8_t *p,
                   size_t bytes, void *arg)
{
    (void)session;
    (void)flags;
    struct h2_conn *c = arg;
    struct stream *s = h2_find_stream(c, id);
    if (s && !s->malformed && !h2_rules_data(&s->rules, bytes))
        end_malformed(c, s);
    if (!s || s->malformed) {
        c->consumed_bytes += bytes;
        return 0;
    }
    s->unconsumed_bytes += bytes;
    h2_hold(c, bytes, 0);
    /* Its own window holds the stream back. The connection's is open again at once, or a few
     * streams that nobody reads would stop all others; as long as there is room for what waits. */
    if (h2_conn_has_room(c))
        c->consumed_bytes += bytes;
    else
        c->withheld_bytes += bytes;
    c->server->handler->on_data(&s->pub, p, bytes, c->server->ctx);
    return 0;
}

static void on_headers_complete(struct h2_conn *c, const nghttp2_frame *frame)
{
    const struct h2_handler *handler = c->server->handler;
    struct stream *s = h2_find_stream(c, frame->hd.stream_id);
    if (!s)
        return;
    bool end = frame->hd.flags & NGHTTP2_FLAG_END_STREAM;
    if (!h2_rules_block(&s->rules, is_trailer(frame), end)) {
        end_malformed(c, s);
        return;
    }
    s->pub.request_ended |= end;
    if (!is_trailer(frame))
        handler->on_request(&s->pub, s->over_limit, c->server->ctx);
    else if (s->over_limit && !s->pub.response_ended)
        h2_reset(&s->pub, H2_ENHANCE_YOUR_CALM);
    if (end && !s->reset_by_us)
        handler->on_end(&s->pub, c->server->ctx);
}

static int on_data_complete(struct h2_conn *c, const nghttp2_frame *frame)
{
    if (!(frame->hd.flags & NGHTTP2_FLAG_END_STREAM))
        return 0;
    struct stream *s = h2_find_stream(c, frame->hd.stream_id);
    if (!s || s->malformed)
        return 0;
    if (!h2_rules_end(&s->rules)) {
        end_malformed(c, s);
        return 0;
    }
    s->pub.request_ended = true;
    c->server->handler->on_end(&s->pub, c->server->ctx);
    return 0;
}

static void on_settings(struct h2_conn *c, const nghttp2_frame *frame)
{
    if (frame->hd.flags & NGHTTP2_FLAG_ACK)
        return;
    c->peer_spoke = true;
    for (size_t i = 0; i < frame->settings.niv; i++) {
        if (frame->settings.iv[i].settings_id == NGHTTP2_SETTINGS_HEADER_TABLE_SIZE)
            c->table_size_changed = true;
    }
}

static int on_frame(nghttp2_session *session, const nghttp2_frame *frame, void *arg)
{
    (void)session;
    struct h2_conn *c = arg;
    switch (frame->hd.type) {
    case NGHTTP2_HEADERS:
        on_headers_complete(c, frame);
        return 0;
    case NGHTTP2_DATA:
        return on_data_complete(c, frame);
    case NGHTTP2_RST_STREAM: {
        struct stream *s = h2_find_stream(c, frame->hd.stream_id);
        if (s)
            s->reset_by_peer = true;
        return 0;
    }
    case NGHTTP2_SETTINGS:
        on_settings(c, frame);
        return 0;
    case NGHTTP2_PING:
        if (frame->hd.flags & NGHTTP2_FLAG_ACK && c->drain == DRAIN_PINGED &&
            memcmp(frame->ping.opaque_data, h2_drain_mark, sizeof h2_drain_mark) == 0)
            c->drain = DRAIN_FINAL_DUE;
        return 0;
    case NGHTTP2_GOAWAY:
        c->peer_leaves = frame->goaway.error_code == NGHTTP2_NO_ERROR;
        return 0;
    default:
        return 0;
    }
}

static int on_frame_sent(nghttp2_session *session, const nghttp2_frame *frame, void *arg)
{
    struct h2_conn *c = arg;
    uint8_t type = frame->hd.type;
    if (type == NGHTTP2_GOAWAY && c->drain == DRAIN_NOTICE)
        c->drain = DRAIN_PING_DUE;
    else if (type == NGHTTP2_RST_STREAM)
        note_reset(c, frame->hd.stream_id);
    if (type != NGHTTP2_HEADERS && type != NGHTTP2_DATA)
        return 0;
    c->peer_ping_free = true;
    struct stream *s = h2_find_stream(c, frame->hd.stream_id);
    bool end = frame->hd.flags & NGHTTP2_FLAG_END_STREAM;
    if (type == NGHTTP2_HEADERS && s) { /* nghttp2's frame is empty, and dropped */
        h2_fields_write(s->head_left ? &s->tail : &s->head, c, s->pub.id, end);
        s->head_left = c->wrote_block = true;
    }
    if (type == NGHTTP2_DATA && c->in.window_credit < WINDOW_CREDIT_MAX)
        c->in.window_credit += WINDOW_UPDATES_PER_DATA;
    if (!end)
        return 0;
    /* We have said all before the client has: it may stop (RFC 9113 section 8.1). */
    if (s && !s->pub.request_ended) {
        s->reset_by_us = true;
        nghttp2_submit_rst_stream(session, NGHTTP2_FLAG_NONE, s->pub.id, NGHTTP2_NO_ERROR);
    }
    return 0;
}

/* A response that nghttp2 could not send (its header block is too large, say) would leave the
 * stream hanging. */
static int on_frame_not_sent(nghttp2_session *session, const nghttp2_frame *frame, int error,
                             void *arg)
{
    (void)session;
    (void)error;
    struct stream *s;
    if (frame->hd.type == NGHTTP2_HEADERS && (s = h2_find_stream(arg, frame->hd.stream_id)) != NULL)
        h2_reset(&s->pub, H2_INTERNAL_ERROR);
    return 0;
}

static int on_stream_close(nghttp2_session *session, int32_t id, uint32_t error_code, void *arg)
{
    (void)session;
    struct h2_conn *c = arg;
    struct stream *s = h2_find_stream(c, id);
    if (!s)
        return 0;
    int r = 0;
    /* A reset is one whatever code it gives. */
    const bool ended_well = error_code == NGHTTP2_NO_ERROR && !s->reset_by_peer;
    if (!ended_well && !s->reset_by_us)
        r = count_fault(c);
    else if (ended_well && c->faults_left < c->server->limits.reset_burst_max)
        c->faults_left += 1;
    h2_stream_closed(s, error_code, s->reset_by_peer ? H2_END_PEER : H2_END_SERVER);
    return r;
}

nghttp2_session_callbacks *h2_callbacks_new(void)
{
    nghttp2_session_callbacks *callbacks;
    CHECK(nghttp2_session_callbacks_new(&callbacks) == 0);
    nghttp2_session_callbacks_set_on_begin_frame_callback(callbacks, on_begin_frame);
    nghttp2_session_callbacks_set_on_begin_headers_callback(callbacks, on_begin_headers);
    nghttp2_session_callbacks_set_on_header_callback(callbacks, on_header);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, on_data);
    nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, on_frame);
    nghttp2_session_callbacks_set_on_frame_send_callback(callbacks, on_frame_sent);
    nghttp2_session_callbacks_set_on_frame_not_send_callback(callbacks, on_frame_not_sent);
    nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, on_stream_close);
    nghttp2_session_callbacks_set_send_data_callback(callbacks, h2_send_body);
    return callbacks;
}
