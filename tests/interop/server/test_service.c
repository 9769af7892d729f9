/* grpc.testing.TestService as the official servers have it (interop-test-descriptions.md), without
 * UnimplementedCall. The registry finds the handlers by name. What must stay true: a message is
 * sent only when its interval has passed and the client takes what was sent before. */
#include <grpc/testing/empty.pb-c.h>
#include <grpc/testing/messages.pb-c.h>
#include <grpc/testing/test.pb-c.h>
#include <stdio.h>
#include <unistd.h>

#include "echo.h"
#include "server.h"

#define SERVER_ID_BYTES 64

/* ---- payloads ---- */

/* @size zeros that belong to everybody. False: no payload has that size. */
static bool fill_payload(struct call *c, int32_t size, Grpc__Testing__Payload *ret_payload)
{
    const struct interop *interop = call_app(c);
    if (size < 0 || (size_t)size > interop->zeros_bytes)
        return false;
    grpc__testing__payload__init(ret_payload);
    ret_payload->body = (ProtobufCBinaryData){.data = interop->zeros, .len = (size_t)size};
    return true;
}

static enum step wrong_size(struct call *c)
{
    return call_fail_field(c, REASON_FIELD_INVALID, "response_size", "no payload has this size");
}

/* ---- one request, one reply ---- */

static enum step empty(struct call *c)
{
    Grpc__Testing__Empty reply = GRPC__TESTING__EMPTY__INIT;
    echo_metadata(c);
    return call_reply(c, &reply.base);
}

static enum step unary(struct call *c)
{
    const Grpc__Testing__SimpleRequest *req = call_request(c);
    Grpc__Testing__SimpleResponse reply = GRPC__TESTING__SIMPLE_RESPONSE__INIT;
    Grpc__Testing__Payload payload;
    char server_id[SERVER_ID_BYTES];
    echo_metadata(c);
    if (!is_compressed_as_expected(c, req->expect_compressed))
        return wrong_compression(c);
    if (has_status(req->response_status))
        return end_with(c, req->response_status);
    if (!fill_payload(c, req->response_size, &payload))
        return wrong_size(c);
    reply.payload = &payload;
    if (req->fill_server_id) {
        snprintf(server_id, sizeof server_id, "faregate-%ld", (long)getpid());
        reply.server_id = server_id;
    }
    compress_as_asked(c, req->response_compressed);
    return call_reply(c, &reply.base);
}

/* What a cache would keep for a while: the time at which it was made. */
static enum step cacheable(struct call *c)
{
    Grpc__Testing__SimpleResponse reply = GRPC__TESTING__SIMPLE_RESPONSE__INIT;
    Grpc__Testing__Payload payload = GRPC__TESTING__PAYLOAD__INIT;
    char *text = arena_printf(&c->arena, "%lld", (long long)call_wall_ns(c));
    echo_metadata(c);
    payload.body = (ProtobufCBinaryData){.data = (uint8_t *)text, .len = strlen(text)};
    reply.payload = &payload;
    return call_reply(c, &reply.base);
}

/* ---- many replies ---- */

/* How far the answers to one request have come. */
struct output {
    unsigned next;
    bool waited; /* the interval of the next one has passed */
};

enum progress {
    OUTPUT_DONE,
    OUTPUT_FULL, /* the client is slow: park */
    OUTPUT_WAIT, /* the timer is set: again */
    OUTPUT_WRONG_SIZE,
};

static enum progress put_out(struct call *c, struct output *o, size_t count,
                             Grpc__Testing__ResponseParameters *const *parameters)
{
    while (o->next < count) {
        const Grpc__Testing__ResponseParameters *p = parameters[o->next];
        Grpc__Testing__StreamingOutputCallResponse reply =
            GRPC__TESTING__STREAMING_OUTPUT_CALL_RESPONSE__INIT;
        Grpc__Testing__Payload payload;
        if (p->interval_us > 0 && !o->waited) {
            o->waited = true;
            call_wake_after(c, ((uint32_t)p->interval_us + 999) / 1000);
            return OUTPUT_WAIT;
        }
        if (!fill_payload(c, p->size, &payload))
            return OUTPUT_WRONG_SIZE;
        reply.payload = &payload;
        compress_as_asked(c, p->compressed);
        o->next++;
        o->waited = false;
        if (!call_send(c, &reply.base))
            return OUTPUT_FULL;
    }
    return OUTPUT_DONE;
}

static enum step stream_out(struct call *c)
{
    struct output *o = c->state;
    const Grpc__Testing__StreamingOutputCallRequest *req = call_request(c);
    if (o->next == 0 && !o->waited)
        echo_metadata(c);
    switch (put_out(c, o, req->n_response_parameters, req->response_parameters)) {
    case OUTPUT_FULL:
        return STEP_PARK;
    case OUTPUT_WAIT:
        return STEP_AGAIN;
    case OUTPUT_WRONG_SIZE:
        return wrong_size(c);
    case OUTPUT_DONE:
        break;
    }
    return has_status(req->response_status) ? end_with(c, req->response_status)
                                            : call_reply(c, NULL);
}

/* ---- many requests, one reply ---- */

struct input {
    bool begun;
    int64_t bytes;
};

static enum step stream_in(struct call *c)
{
    struct input *in = c->state;
    const Grpc__Testing__StreamingInputCallRequest *req;
    if (!in->begun)
        echo_metadata(c);
    in->begun = true;
    while ((req = call_next_request(c))) {
        if (!is_compressed_as_expected(c, req->expect_compressed))
            return wrong_compression(c);
        in->bytes += req->payload ? (int64_t)req->payload->body.len : 0;
    }
    if (!call_half_closed(c))
        return STEP_PARK;
    Grpc__Testing__StreamingInputCallResponse reply =
        GRPC__TESTING__STREAMING_INPUT_CALL_RESPONSE__INIT;
    reply.aggregated_payload_size = (int32_t)in->bytes;
    return call_reply(c, &reply.base);
}

/* ---- both ways ---- */

struct duplex {
    bool begun;
    const Grpc__Testing__StreamingOutputCallRequest *req; /* being answered */
    struct output output;
};

static enum step full_duplex(struct call *c)
{
    struct duplex *d = c->state;
    if (!d->begun)
        echo_metadata(c);
    d->begun = true;
    for (;;) {
        if (!d->req) {
            d->req = call_next_request(c);
            d->output = (struct output){0};
        }
        if (!d->req)
            return call_half_closed(c) ? call_reply(c, NULL) : STEP_PARK;
        if (has_status(d->req->response_status))
            return end_with(c, d->req->response_status);
        switch (
            put_out(c, &d->output, d->req->n_response_parameters, d->req->response_parameters)) {
        case OUTPUT_FULL:
            return STEP_PARK;
        case OUTPUT_WAIT:
            return STEP_AGAIN;
        case OUTPUT_WRONG_SIZE:
            return wrong_size(c);
        case OUTPUT_DONE:
            d->req = NULL;
        }
    }
}

/* What half-duplex keeps of the requests: the answers they ask for, in order. */
struct answers {
    bool begun;
    size_t count, room;
    Grpc__Testing__ResponseParameters **parameters;
    struct output output;
};

/* False: the call's memory is spent. */
static bool keep_answers(struct call *c, struct answers *a,
                         const Grpc__Testing__StreamingOutputCallRequest *req)
{
    for (size_t i = 0; i < req->n_response_parameters; i++) {
        if (a->count == a->room) {
            size_t room = a->room > 0 ? 2 * a->room : 16;
            void *more = arena_try(&c->arena, room * sizeof a->parameters[0]);
            if (!more)
                return false;
            if (a->count > 0)
                memcpy(more, a->parameters, a->count * sizeof a->parameters[0]);
            a->parameters = more;
            a->room = room;
        }
        Grpc__Testing__ResponseParameters *copy = arena_try(&c->arena, sizeof *copy);
        if (!copy)
            return false;
        *copy = *req->response_parameters[i];
        copy->compressed = keep_flag(c, copy->compressed);
        a->parameters[a->count++] = copy;
    }
    return true;
}

static enum step half_duplex(struct call *c)
{
    struct answers *a = c->state;
    const Grpc__Testing__StreamingOutputCallRequest *req;
    if (!a->begun)
        echo_metadata(c);
    a->begun = true;
    while ((req = call_next_request(c))) {
        if (!keep_answers(c, a, req))
            return call_fail(c, REASON_MESSAGE_TOO_LARGE);
    }
    if (!call_half_closed(c))
        return STEP_PARK;
    switch (put_out(c, &a->output, a->count, a->parameters)) {
    case OUTPUT_FULL:
        return STEP_PARK;
    case OUTPUT_WAIT:
        return STEP_AGAIN;
    case OUTPUT_WRONG_SIZE:
        return wrong_size(c);
    case OUTPUT_DONE:
        break;
    }
    return call_reply(c, NULL);
}

/* ---- the table ---- */

static const struct step_def empty_steps[] = {STEP(empty)};
static const struct step_def unary_steps[] = {STEP(unary)};
static const struct step_def cacheable_steps[] = {STEP(cacheable)};
static const struct step_def stream_out_steps[] = {STEP(stream_out)};
static const struct step_def stream_in_steps[] = {STEP(stream_in)};
static const struct step_def full_duplex_steps[] = {STEP(full_duplex)};
static const struct step_def half_duplex_steps[] = {STEP(half_duplex)};

static const struct rpc_handler empty_call = {
    .method = "EmptyCall", .steps = empty_steps, .step_count = 1};
static const struct rpc_handler unary_call = {
    .method = "UnaryCall", .steps = unary_steps, .step_count = 1};
static const struct rpc_handler cacheable_call = {
    .method = "CacheableUnaryCall", .steps = cacheable_steps, .step_count = 1};
static const struct rpc_handler output_call = {.method = "StreamingOutputCall",
                                               RPC_STEPS(stream_out_steps, struct output)};
static const struct rpc_handler input_call = {.method = "StreamingInputCall",
                                              RPC_STEPS(stream_in_steps, struct input)};
static const struct rpc_handler full_call = {.method = "FullDuplexCall",
                                             RPC_STEPS(full_duplex_steps, struct duplex)};
static const struct rpc_handler half_call = {.method = "HalfDuplexCall",
                                             RPC_STEPS(half_duplex_steps, struct answers)};

static const struct rpc_handler *const handlers[] = {
    &empty_call, &unary_call, &cacheable_call, &output_call,
    &input_call, &full_call,  &half_call,      NULL,
};

const struct rpc_service test_service = {
    .descriptor = &grpc__testing__test_service__descriptor,
    .full_name = "grpc.testing.TestService",
    .handlers = handlers,
    .is_foreign = true,
};
