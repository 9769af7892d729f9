/* connectrpc.conformance.v1.ConformanceService as its .proto describes it, without Unimplemented:
 * what the Connect conformance runner is pointed at. The registry finds the handlers by name. What
 * must stay true: what the first message defines holds for the whole call. */
#include <connectrpc/conformance/v1/service.pb-c.h>

#include "conformance_info.h"
#include "server.h"

typedef Connectrpc__Conformance__V1__UnaryResponseDefinition unary_definition;
typedef Connectrpc__Conformance__V1__StreamResponseDefinition stream_definition;
typedef Connectrpc__Conformance__V1__ConformancePayload payload;

#define IS_ERROR CONNECTRPC__CONFORMANCE__V1__UNARY_RESPONSE_DEFINITION__RESPONSE_ERROR
#define IS_DATA CONNECTRPC__CONFORMANCE__V1__UNARY_RESPONSE_DEFINITION__RESPONSE_RESPONSE_DATA

/* ---- one reply ---- */

struct single {
    bool begun;
    const unary_definition *definition; /* NULL: nothing special is asked for */
    struct requests requests;
};

static void begin_single(struct call *c, const unary_definition *definition)
{
    struct single *s = c->state;
    s->begun = true;
    s->definition = definition;
    if (!definition)
        return;
    headers_add(c, definition->response_headers, definition->n_response_headers, call_header);
    headers_add(c, definition->response_trailers, definition->n_response_trailers, call_trailer);
    if (definition->response_delay_ms > 0)
        call_wake_after(c, definition->response_delay_ms);
}

/* Unary and IdempotentUnary have the same messages under two names. */
static enum step take_unary(struct call *c)
{
    struct single *s = c->state;
    const Connectrpc__Conformance__V1__UnaryRequest *req = call_request(c);
    if (!requests_keep(c, &s->requests, &req->base))
        return call_fail(c, REASON_MESSAGE_TOO_LARGE);
    begin_single(c, req->response_definition);
    return STEP_NEXT;
}

static enum step take_stream(struct call *c)
{
    struct single *s = c->state;
    const Connectrpc__Conformance__V1__ClientStreamRequest *req;
    while ((req = call_next_request(c))) {
        if (!requests_keep(c, &s->requests, &req->base))
            return call_fail(c, REASON_MESSAGE_TOO_LARGE);
        if (!s->begun && req->response_definition)
            s->definition = message_keep(c, &req->response_definition->base);
        s->begun = true;
    }
    if (!call_half_closed(c))
        return STEP_PARK;
    begin_single(c, s->definition);
    return STEP_NEXT;
}

static enum step answer_single(struct call *c)
{
    struct single *s = c->state;
    const unary_definition *d = s->definition;
    /* The three replies are one message under three names. */
    Connectrpc__Conformance__V1__UnaryResponse reply =
        CONNECTRPC__CONFORMANCE__V1__UNARY_RESPONSE__INIT;
    payload body = CONNECTRPC__CONFORMANCE__V1__CONFORMANCE_PAYLOAD__INIT;
    body.request_info = request_info(c, &s->requests, true);
    if (!body.request_info)
        return call_fail(c, REASON_MESSAGE_TOO_LARGE);
    if (d && d->response_case == IS_ERROR)
        return fail_as_asked(c, d->error, body.request_info);
    if (d && d->response_case == IS_DATA)
        body.data = d->response_data;
    reply.payload = &body;
    return call_reply(c, &reply.base);
}

/* ---- many replies ---- */

struct many {
    bool begun, waited, full_duplex;
    unsigned next;
    const stream_definition *definition;
    struct requests requests;
};

static void begin_many(struct call *c, const stream_definition *definition)
{
    struct many *m = c->state;
    m->begun = true;
    m->definition = definition;
    if (!definition)
        return;
    headers_add(c, definition->response_headers, definition->n_response_headers, call_header);
    headers_add(c, definition->response_trailers, definition->n_response_trailers, call_trailer);
    /* Without either, an error may still be Trailers-Only. */
    if (definition->n_response_data > 0 || definition->n_response_headers > 0)
        call_send_headers(c);
}

enum progress { SENT, SENT_FULL, SEND_WAITS, SEND_FAILED };

/* The next reply, once its delay has passed. */
static enum progress send_next(struct call *c)
{
    struct many *m = c->state;
    /* Both streaming replies are one message under two names. */
    Connectrpc__Conformance__V1__BidiStreamResponse reply =
        CONNECTRPC__CONFORMANCE__V1__BIDI_STREAM_RESPONSE__INIT;
    payload body = CONNECTRPC__CONFORMANCE__V1__CONFORMANCE_PAYLOAD__INIT;
    if (m->definition->response_delay_ms > 0 && !m->waited) {
        m->waited = true;
        call_wake_after(c, m->definition->response_delay_ms);
        return SEND_WAITS;
    }
    if (m->requests.count > 0) {
        body.request_info = request_info(c, &m->requests, m->next == 0);
        if (!body.request_info)
            return SEND_FAILED;
    }
    body.data = m->definition->response_data[m->next++];
    reply.payload = &body;
    m->waited = false;
    requests_clear(&m->requests);
    return call_send(c, &reply.base) ? SENT : SENT_FULL;
}

static enum step step_of(struct call *c, enum progress progress)
{
    if (progress == SEND_FAILED)
        return call_fail(c, REASON_MESSAGE_TOO_LARGE);
    return progress == SEND_WAITS ? STEP_AGAIN : STEP_PARK;
}

/* Everything that is left of the definition, and the end. */
static enum step send_rest(struct call *c)
{
    struct many *m = c->state;
    const stream_definition *d = m->definition;
    while (d && m->next < d->n_response_data) {
        enum progress progress = send_next(c);
        if (progress != SENT)
            return step_of(c, progress);
    }
    if (!d || !d->error)
        return call_reply(c, NULL);
    return fail_as_asked(c, d->error, m->next == 0 ? request_info(c, &m->requests, true) : NULL);
}

static enum step stream_out(struct call *c)
{
    struct many *m = c->state;
    const Connectrpc__Conformance__V1__ServerStreamRequest *req = call_request(c);
    if (!m->begun) {
        if (!requests_keep(c, &m->requests, &req->base))
            return call_fail(c, REASON_MESSAGE_TOO_LARGE);
        begin_many(c, req->response_definition);
    }
    return send_rest(c);
}

static bool take_bidi(struct call *c, const Connectrpc__Conformance__V1__BidiStreamRequest *req)
{
    struct many *m = c->state;
    if (!m->begun) {
        const stream_definition *definition =
            req->response_definition ? message_keep(c, &req->response_definition->base) : NULL;
        if (req->response_definition && !definition)
            return false;
        m->full_duplex = req->full_duplex;
        begin_many(c, definition);
    }
    return requests_keep(c, &m->requests, &req->base);
}

/* Full duplex: a reply for each request as long as there are replies, then the end. Half duplex:
 * all requests, then all replies. */
static enum step bidi(struct call *c)
{
    struct many *m = c->state;
    const Connectrpc__Conformance__V1__BidiStreamRequest *req;
    for (;;) {
        bool owes = m->full_duplex && m->requests.count > 0;
        if (owes && m->definition && m->next < m->definition->n_response_data) {
            enum progress progress = send_next(c);
            if (progress != SENT)
                return step_of(c, progress);
            continue;
        }
        if (owes)
            return send_rest(c);
        req = call_next_request(c);
        if (!req)
            return call_half_closed(c) ? send_rest(c) : STEP_PARK;
        if (!take_bidi(c, req))
            return call_fail(c, REASON_MESSAGE_TOO_LARGE);
    }
}

/* ---- the table ---- */

static const struct step_def unary_steps[] = {STEP(take_unary), STEP(answer_single)};
static const struct step_def client_steps[] = {STEP(take_stream), STEP(answer_single)};
static const struct step_def server_steps[] = {STEP(stream_out)};
static const struct step_def bidi_steps[] = {STEP(bidi)};

static const struct rpc_handler unary = {.method = "Unary", RPC_STEPS(unary_steps, struct single)};
static const struct rpc_handler idempotent = {.method = "IdempotentUnary",
                                              RPC_STEPS(unary_steps, struct single)};
static const struct rpc_handler client_stream = {.method = "ClientStream",
                                                 RPC_STEPS(client_steps, struct single)};
static const struct rpc_handler server_stream = {.method = "ServerStream",
                                                 RPC_STEPS(server_steps, struct many)};
static const struct rpc_handler bidi_stream = {.method = "BidiStream",
                                               RPC_STEPS(bidi_steps, struct many)};

static const struct rpc_handler *const handlers[] = {
    &unary, &idempotent, &client_stream, &server_stream, &bidi_stream, NULL,
};

const struct rpc_service conformance_service = {
    .descriptor = &connectrpc__conformance__v1__conformance_service__descriptor,
    .full_name = "connectrpc.conformance.v1.ConformanceService",
    .handlers = handlers,
    .is_foreign = true,
};
