/* A look at the frames that come in, before nghttp2 sees them: what carries no call forward is
 * charged to a budget, and requests beyond a turn's share wait for the next. session.c is the
 * caller. nghttp2 has no such budgets, ignores some frames without a callback, and cannot be
 * stopped between two frames. What must stay true: nothing here judges what nghttp2 judges. */
#include <string.h>

#include "h2/internal.h"

#define FRAME_HEAD_BYTES 9
#define PREFACE_BYTES 24
/* CVE-2019-9518. */
#define EMPTY_FRAMES_MAX 16
/* A stream may have its windows opened once or twice before it gets data. */
#define WINDOW_UPDATES_PER_REQUEST 2

void h2_frames_init(struct h2_conn *c)
{
    c->in.payload_left = PREFACE_BYTES;
    c->in.control_left = c->server->limits.control_burst_max;
    c->in.control_ns = c->server->loop->now_ns;
}

/* True: the budget had one left. */
static bool charge(struct h2_conn *c)
{
    const struct h2_limits *limits = &c->server->limits;
    struct h2_inbound *in = &c->in;
    in->control_left -= 1;
    if (in->control_left >= 0)
        return true;
    int64_t now_ns = c->server->loop->now_ns;
    in->control_left += (double)(now_ns - in->control_ns) / NS_PER_S * limits->control_rate_per_s;
    in->control_ns = now_ns;
    if (in->control_left > limits->control_burst_max)
        in->control_left = limits->control_burst_max;
    if (in->control_left >= 0)
        return true;
    h2_conn_fail(c, H2_CLOSE_FLOOD, NGHTTP2_ENHANCE_YOUR_CALM, "too_many_control_frames");
    return false;
}

/* DATA of @bytes without its padding. */
static bool judge_data(struct h2_conn *c, uint32_t bytes, uint8_t flags)
{
    struct h2_inbound *in = &c->in;
    if (bytes || flags & NGHTTP2_FLAG_END_STREAM) {
        in->empty_frames = 0;
        return true;
    }
    if (++in->empty_frames <= EMPTY_FRAMES_MAX)
        return true;
    h2_conn_fail(c, H2_CLOSE_FLOOD, NGHTTP2_ENHANCE_YOUR_CALM, "too_many_empty_frames");
    return false;
}

/* The first byte of padded DATA is there, which says how much of the frame is padding. More than
 * there is of it is nghttp2's to judge. */
static bool judge_padded(struct h2_conn *c, uint8_t padding)
{
    struct h2_inbound *in = &c->in;
    in->is_padded = false;
    return judge_data(c, in->payload_left - 1 - padding, in->head[4]);
}

static int32_t stream_id_of(const struct h2_inbound *in)
{
    return (int32_t)((uint32_t)(in->head[5] & 0x7f) << 24 | (uint32_t)in->head[6] << 16 |
                     (uint32_t)in->head[7] << 8 | in->head[8]);
}

/* nghttp2 ignores DATA and HEADERS on a stream that is gone, because they may have crossed our
 * RST_STREAM; behind the client's own end nothing can have (RFC 9113 section 5.1). Behind its
 * END_STREAM nghttp2 judges itself while the stream lives; its RST_STREAM may still wait in the
 * same read, and what follows is as wrong as it would be in the next. */
static bool judge_ended(struct h2_conn *c, uint8_t type, uint8_t flags)
{
    struct h2_inbound *in = &c->in;
    int32_t id = stream_id_of(in);
    bool is_reset = type == NGHTTP2_RST_STREAM;
    if (!is_reset && id == in->ended_stream_id && id > 0 &&
        (in->ended_by_reset || (id <= c->last_headers_id && !h2_find_stream(c, id)))) {
        h2_conn_fail(c, H2_CLOSE_PROTOCOL, NGHTTP2_STREAM_CLOSED, "stream_ended_before");
        return false;
    }
    if (is_reset || flags & NGHTTP2_FLAG_END_STREAM) {
        in->ended_stream_id = id;
        /* Of a stream never opened it is an error of its own, which nghttp2 sees. */
        in->ended_by_reset = is_reset && id <= in->last_stream_id;
    }
    return true;
}

/* A new stream earns what it may cost. Any other HEADERS are trailers, one for each, or come to a
 * stream that is gone, where nghttp2 ignores them without end. */
static bool see_headers(struct h2_conn *c, uint8_t flags)
{
    struct h2_inbound *in = &c->in;
    in->block_open = true;
    in->block_ends = flags & NGHTTP2_FLAG_END_HEADERS;
    in->block_since_ns = c->server->loop->now_ns;
    int32_t id = stream_id_of(in);
    if (id <= in->last_stream_id)
        return charge(c);
    in->last_stream_id = id;
    in->window_credit += WINDOW_UPDATES_PER_REQUEST;
    if (in->control_left < c->server->limits.control_burst_max)
        in->control_left += 1; /* its RST_STREAM, say */
    return true;
}

/* An acknowledgement nobody waits for is as useless as any. */
static bool judge_ack(struct h2_conn *c, uint8_t type)
{
    struct h2_inbound *in = &c->in;
    if (type == NGHTTP2_PING && in->pings_out) {
        in->pings_out--;
        return true;
    }
    if (type == NGHTTP2_SETTINGS && !in->settings_acked) {
        in->settings_acked = true;
        return true;
    }
    return charge(c);
}

/* A frame's head is complete. False: the connection has failed. */
static bool judge(struct h2_conn *c)
{
    struct h2_inbound *in = &c->in;
    uint8_t type = in->head[3], flags = in->head[4];
    switch (type) {
    case NGHTTP2_DATA:
        in->is_padded = flags & NGHTTP2_FLAG_PADDED && in->payload_left;
        return (in->is_padded || judge_data(c, in->payload_left, flags)) &&
               judge_ended(c, type, flags);
    case NGHTTP2_HEADERS:
        return see_headers(c, flags) && judge_ended(c, type, flags);
    case NGHTTP2_RST_STREAM:
        return judge_ended(c, type, flags) && charge(c);
    case NGHTTP2_CONTINUATION:
        in->block_ends = flags & NGHTTP2_FLAG_END_HEADERS;
        return true; /* nghttp2 counts these */
    case NGHTTP2_WINDOW_UPDATE:
        if (in->window_credit == 0)
            return charge(c);
        in->window_credit--;
        return true;
    case NGHTTP2_PING:
        if (flags & NGHTTP2_FLAG_ACK)
            return judge_ack(c, type);
        return c->peer_ping_free ? h2_life_pinged(c) : h2_life_pinged(c) && charge(c);
    case NGHTTP2_SETTINGS:
        return flags & NGHTTP2_FLAG_ACK ? judge_ack(c, type) : charge(c);
    default:
        return charge(c);
    }
}

static void end_frame(struct h2_inbound *in)
{
    if (in->block_ends)
        in->block_open = in->block_ends = false;
}

ssize_t h2_frames_admit(struct h2_conn *c, const uint8_t *p, size_t bytes)
{
    struct h2_inbound *in = &c->in;
    uint32_t requests_left = c->server->limits.requests_per_turn_max;
    size_t at = 0;
    while (at < bytes) {
        if (in->payload_left) {
            if (in->is_padded && !judge_padded(c, p[at]))
                return -1;
            size_t n = bytes - at < in->payload_left ? bytes - at : in->payload_left;
            at += n;
            in->payload_left -= (uint32_t)n;
            if (in->payload_left == 0)
                end_frame(in);
            continue;
        }
        if (in->head_bytes == 0 && requests_left == 0)
            break;
        size_t n = FRAME_HEAD_BYTES - in->head_bytes;
        if (n > bytes - at)
            n = bytes - at;
        memcpy(in->head + in->head_bytes, p + at, n);
        at += n;
        in->head_bytes += (uint8_t)n;
        if (in->head_bytes < FRAME_HEAD_BYTES)
            break;
        in->head_bytes = 0;
        in->payload_left = (uint32_t)in->head[0] << 16 | (uint32_t)in->head[1] << 8 | in->head[2];
        if (!judge(c))
            return -1;
        if (in->head[3] == NGHTTP2_HEADERS)
            requests_left--;
        if (in->payload_left == 0)
            end_frame(in);
    }
    return (ssize_t)at;
}
