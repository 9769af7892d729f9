/* Streams to calls: the h2 handler. Header blocks are judged in the fixed order of the intake
 * table, DATA becomes messages. h2 is the caller. What must stay true: no step runs for a request
 * that was refused; unary calls start behind END_STREAM, so the answer never races with the
 * request; bytes of an ended call are given back and dropped. */
#include <errno.h>

#include "base/check.h"
#include "grpc/compress.h"
#include "grpc/forwarded.h"
#include "grpc/internal.h"

/* Calls started together: more would drive each other's memory out of the caches. */
#define READY_MAX 16

static void on_open(struct h2_stream *s, void *ctx)
{
    struct call_impl *ci = call_new(ctx, h2_owned(s));
    ci->stream = s;
    s->user = ci;
}

/* ---- refusals ---- */

static void refuse(struct call_impl *ci, enum status_code code, const char *message)
{
    call_set_status(ci, code, message);
    call_finish(ci);
}

static void refuse_reason(struct call_impl *ci, enum reason reason)
{
    call_set_reason(ci, reason);
    call_finish(ci);
}

static void refuse_unknown_method(struct call_impl *ci)
{
    struct str service = {.p = ci->path.p + 1, .n = ci->path.n - 1};
    const char *slash = memrchr(service.p, '/', service.n);
    service.n = slash ? (size_t)(slash - service.p) : service.n;
    bool known = slash && registry_has_service(ci->pub.server->registry, service);
    refuse(ci, STATUS_UNIMPLEMENTED, known ? "unknown method" : "unknown service");
}

/* The shortest of what the client asks, what a proxy of ours waits and what the method allows; -1:
 * no end. */
static int64_t timeout_of(const struct call_impl *ci, const struct rpc_policy *policy)
{
    int64_t timeout_ns = ci->timeout_ns;
    if (timeout_ns < 0 && policy->deadline_default_ms > 0)
        timeout_ns = policy->deadline_default_ms * NS_PER_MS;
    if (ci->expected_ns > 0 && (timeout_ns < 0 || timeout_ns > ci->expected_ns))
        timeout_ns = ci->expected_ns;
    int64_t max_ns = policy->deadline_max_ms * NS_PER_MS;
    if (max_ns > 0 && (timeout_ns < 0 || timeout_ns > max_ns))
        timeout_ns = max_ns;
    return timeout_ns;
}

static void admit(struct call_impl *ci, const struct rpc_method *method)
{
    struct server *server = ci->pub.server;
    ci->granted_ns = timeout_of(ci, &method->policy);
    enum reason reason = intercept(ci, INTERCEPT_HEADERS, (struct str){0});
    if (reason != REASON_NONE) {
        refuse_reason(ci, reason);
        return;
    }
    ci->counted = true;
    list_append(&server->calls, &ci->node);
    overload_begun(ci);
    if (method->policy.lasts)
        lasting_begun(ci);
    ci->phase = CALL_RECEIVING;
    call_arm(ci, ci->granted_ns);
    if (method->client_streaming)
        call_start(ci);
    else if (!method->policy.lasts) /* its place is nobody else's */
        list_append(&server->arriving, &ci->woken);
}

/* What a proxy lacks while clients work all the same: told once, then counted. */
static void note(struct call_impl *ci, enum server_count which, const char *event)
{
    struct server *server = ci->pub.server;
    server_count(server, which);
    if (!server->obs || server->counts[which] > 1)
        return;
    struct obs_event e = obs_event_begin(server->obs, event, server_wall_ns(server));
    if (e.buf) {
        obs_event_str(&e, "peer", call_peer(&ci->pub));
        obs_event_str(&e, "user_agent", ci->user_agent);
    }
    obs_event_end(&e);
}

static void on_request(struct h2_stream *s, bool over_limit, void *ctx)
{
    struct server *server = ctx;
    struct call_impl *ci = s->user;
    if (!ci || ci->headers_done)
        return;
    ci->headers_done = true;
    forwarded_apply(ci);
    call_trace_begin(ci);
    const struct rpc_method *method = registry_find(server->registry, ci->path);
    ci->pub.method = method;
    ci->pub.arena.wipes = ci->request_arena.wipes = call_has_secret(ci);
    int index = method ? method->obs : server->obs_other;
    server->tally.started++;
    server->tally.last_started_ns = server->loop->now_ns;
    if (server->obs && index >= 0)
        obs_call_started(server->obs, index);
    unsigned faults = intake_faults(ci, over_limit);
    if (faults != 0) {
        intake_judge(ci, faults);
        call_finish(ci);
        return;
    }
    if (!ci->has_te) /* nginx drops it unless told otherwise */
        note(ci, COUNT_TE_MISSING, "te_missing");
    /* All who come through that peer are one client to the limits. */
    if (ci->forwarded_for.n > 0 && !s->trusted)
        note(ci, COUNT_NOT_BELIEVED, "forwarded_not_believed");
    if (ci->previous_attempts > 0)
        server_count(server, COUNT_RETRIED);
    if (ci->timeout_ns == 0)
        refuse_reason(ci, REASON_DEADLINE_PASSED);
    else if (!method || !method->handler)
        refuse_unknown_method(ci);
    else if (ci->encoding == ENCODING_OTHER)
        refuse(ci, STATUS_UNIMPLEMENTED, "this grpc-encoding is not supported");
    else
        admit(ci, method);
}

/* ---- messages ---- */

static void set_frame_fault(struct call_impl *ci, enum frame_result fault)
{
    if (fault == FRAME_TOO_LARGE)
        call_set_reason(ci, REASON_MESSAGE_TOO_LARGE);
    else
        call_set_status(ci, STATUS_INTERNAL, "the flag byte of a message is neither 0 nor 1");
}

/* Inflates, unpacks and checks one message. False: the failure is set. */
static bool take_message(struct call_impl *ci, const struct frame *frame)
{
    struct server *server = ci->pub.server;
    const struct rpc_method *method = ci->pub.method;
    struct str body = {.p = (const char *)frame->body, .n = frame->bytes};
    ci->messages_in++;
    if (ci->stream)
        h2_note_message(ci->stream, false);
    ci->request_bytes += frame->bytes;
    ci->request_compressed = frame->is_compressed;
    if (frame->is_compressed) {
        if (ci->encoding != ENCODING_GZIP) {
            call_set_status(
                ci, STATUS_INTERNAL,
                "a message is flagged as compressed, but grpc-encoding names no algorithm");
            return false;
        }
        int rc = compressor_inflate(server->compressor, frame->body, frame->bytes,
                                    method->policy.request_bytes_max, &body);
        if (rc == -EMSGSIZE)
            call_set_reason(ci, REASON_MESSAGE_TOO_LARGE);
        else if (rc < 0)
            call_set_status(ci, STATUS_INTERNAL, "a compressed message does not inflate");
        if (rc < 0)
            return false;
    }
    ProtobufCMessage *message;
    int rc = guard_unpack(&ci->request_arena, method, server->limits.message_depth_max,
                          (const uint8_t *)body.p, body.n, &message, &ci->violations);
    enum reason reason = rc == -ENOMEM   ? REASON_MESSAGE_TOO_LARGE
                         : rc == -EINVAL ? REASON_FIELD_INVALID
                                         : REASON_NONE;
    if (rc == 0) {
        ci->request = message;
        reason = intercept(ci, INTERCEPT_MESSAGE, body);
    }
    if (frame->is_compressed && call_has_secret(ci))
        explicit_bzero((void *)(uintptr_t)body.p, body.n);
    if (reason != REASON_NONE)
        call_set_reason(ci, reason);
    else if (rc < 0)
        call_set_status(ci, STATUS_INTERNAL, "the request message does not parse");
    return rc == 0 && reason == REASON_NONE;
}

/* One message and no more. The usual request lies whole in one chunk and is unpacked where it lies.
 */
static bool take_unary(struct call_impl *ci, const uint8_t *p, size_t bytes)
{
    struct frame frame;
    size_t bytes_max = ci->pub.method->policy.request_bytes_max;
    if (bytes == 0)
        return true;
    if (ci->messages_in > 0) {
        call_set_status(ci, STATUS_INTERNAL, "a unary call has one request message, not two");
        return false;
    }
    bool buffered = buf_len(&ci->in) > 0;
    if (buffered) {
        buf_append(&ci->in, p, bytes);
        p = ci->in.p + ci->in.start;
        bytes = buf_len(&ci->in);
    }
    enum frame_result result = frame_peek(p, bytes, bytes_max, &frame);
    if (result == FRAME_PARTIAL) {
        if (!buffered)
            buf_append(&ci->in, p, bytes);
        h2_keep(ci->stream, buf_len(&ci->in));
        return true;
    }
    if (result != FRAME_READY) {
        set_frame_fault(ci, result);
        return false;
    }
    if (bytes > FRAME_PREFIX_BYTES + frame.bytes) {
        call_set_status(ci, STATUS_INTERNAL, "a unary call has one request message, not two");
        return false;
    }
    if (!take_message(ci, &frame))
        return false;
    ci->in.start = ci->in.end = 0;
    return true;
}

/* Streams: bytes wait in @in until a step asks; the window stays closed for what waits, except that
 * an unfinished message must be able to arrive. */
static void take_streamed(struct call_impl *ci, const uint8_t *p, size_t bytes)
{
    struct frame frame;
    buf_append(&ci->in, p, bytes);
    ci->unacked += bytes;
    enum frame_result result = frame_peek(ci->in.p + ci->in.start, buf_len(&ci->in),
                                          ci->pub.method->policy.request_bytes_max, &frame);
    if (result == FRAME_READY) {
        call_wake(&ci->pub);
        return;
    }
    if (result == FRAME_PARTIAL) {
        h2_consume(ci->stream, ci->unacked);
        ci->unacked = 0;
        h2_keep(ci->stream, buf_len(&ci->in));
        return;
    }
    ci->broken = true;
    set_frame_fault(ci, result);
    call_wake(&ci->pub);
}

static void on_data(struct h2_stream *s, const uint8_t *p, size_t bytes, void *ctx)
{
    (void)ctx;
    struct call_impl *ci = s->user;
    if (ci && ci->phase != CALL_ENDED && ci->pub.method->client_streaming && !ci->broken &&
        !ci->answered) {
        take_streamed(ci, p, bytes);
        return;
    }
    h2_consume(s, bytes);
    if (ci && call_has_secret(ci))
        ci->pub.server->loop->read_secret = true;
    if (ci && ci->phase == CALL_RECEIVING && !take_unary(ci, p, bytes))
        call_finish(ci);
}

/* Calls that came together are started together: parsing and running each need about as much code
 * as the processor's first cache holds, and would drive each other out of it call by call. */
static void start_ready(struct server *server)
{
    struct list *node;
    server->ready_count = 0;
    while ((node = list_pop(&server->ready)) != NULL) {
        struct call_impl *ci = list_entry(node, struct call_impl, woken);
        if (ci->phase == CALL_RECEIVING)
            call_start(ci);
    }
}

static void on_end(struct h2_stream *s, void *ctx)
{
    struct server *server = ctx;
    struct call_impl *ci = s->user;
    if (!ci || ci->phase == CALL_ENDED)
        return;
    ci->half_closed = true;
    if (ci->pub.method->client_streaming) {
        call_wake(&ci->pub);
        return;
    }
    if (ci->messages_in == 1) {
        list_remove(&ci->woken);
        list_append(&server->ready, &ci->woken);
        if (++server->ready_count == READY_MAX)
            start_ready(server);
        return;
    }
    call_set_status(ci, STATUS_INTERNAL,
                    buf_len(&ci->in) > 0 ? "the request ends inside a message"
                                         : "a unary call has one request message");
    call_finish(ci);
}

const void *intake_next(struct call_impl *ci)
{
    struct frame frame;
    size_t waiting = buf_len(&ci->in);
    if (ci->broken || waiting == 0)
        return NULL;
    enum frame_result result = frame_peek(ci->in.p + ci->in.start, waiting,
                                          ci->pub.method->policy.request_bytes_max, &frame);
    if (result == FRAME_PARTIAL && !ci->half_closed) {
        if (ci->stream && ci->unacked > 0)
            h2_consume(ci->stream, ci->unacked);
        ci->unacked = 0;
        if (ci->stream)
            h2_keep(ci->stream, waiting);
        return NULL;
    }
    if (result == FRAME_PARTIAL)
        call_set_status(ci, STATUS_INTERNAL, "the request ends inside a message");
    else if (result != FRAME_READY)
        set_frame_fault(ci, result);
    arena_reset(&ci->request_arena); /* the message before is over */
    if (result != FRAME_READY || !take_message(ci, &frame)) {
        ci->broken = true;
        return NULL;
    }
    size_t taken = FRAME_PREFIX_BYTES + frame.bytes;
    size_t window = taken < ci->unacked ? taken : ci->unacked;
    buf_consume(&ci->in, taken);
    ci->unacked -= window;
    if (ci->stream) {
        h2_keep(ci->stream, buf_len(&ci->in) - ci->unacked);
        h2_consume(ci->stream, window);
    }
    return ci->request;
}

/* The client went away behind a COMMIT that was sent: the event needs what belongs to its
 * connection. */
static void keep_peer(struct call_impl *ci)
{
    struct str *kept[] = {&ci->peer, &ci->identity, &ci->via};
    for (size_t i = 0; i < sizeof kept / sizeof kept[0]; i++) {
        char *copy = arena_try(&ci->head_arena, kept[i]->n + 1);
        if (copy && kept[i]->n > 0)
            memcpy(copy, kept[i]->p, kept[i]->n);
        *kept[i] = (struct str){.p = copy, .n = copy ? kept[i]->n : 0};
    }
}

/* The connection may go before the call. */
static void disown(struct call_impl *ci)
{
    arena_charge(&ci->head_arena, NULL);
    arena_charge(&ci->request_arena, NULL);
    arena_charge(&ci->pub.arena, NULL);
}

static void on_close(struct h2_stream *s, uint32_t error_code, enum h2_end by, void *ctx)
{
    (void)ctx;
    struct call_impl *ci = s->user;
    if (!ci)
        return;
    ci->peer = h2_stream_peer(s);
    if (ci->lasting)
        lasting_ended(ci);
    if (ci->unacked > 0)
        h2_consume(s, ci->unacked); /* the connection's share of the window outlives the stream */
    ci->unacked = 0;
    s->user = NULL;
    ci->stream = NULL;
    call_drop_outgoing(ci);
    if (ci->pub.scope.commit_sent)
        keep_peer(ci);
    /* Headers that never came together have no event of their own. */
    if (ci->phase == CALL_HEADERS)
        ci->phase = CALL_ENDED;
    if (ci->phase == CALL_ENDED) {
        call_release(ci);
        return;
    }
    disown(ci);
    ci->was_reset = true;
    ci->reset_code = error_code;
    ci->reset_by = by;
    call_interrupt(ci, REASON_CALL_CANCELLED);
}

static void on_read_done(void *ctx)
{
    start_ready(ctx);
}

const struct h2_handler server_h2_handler = {
    .on_open = on_open,
    .on_header = intake_on_header,
    .on_request = on_request,
    .on_data = on_data,
    .on_end = on_end,
    .on_close = on_close,
    .on_read_done = on_read_done,
};
