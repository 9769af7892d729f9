/* Request bodies: bytes cut into DATA frames at random, plain and gzip, unary and streamed, through
 * the whole of intake and the guard. The rig takes h2's place; it is included because a fuzz target
 * is one file. What must stay true: every call ends, once, and leaves nothing behind. */
#include <google/rpc/status.pb-c.h>

#include "tests/unit/grpc/rig.c"

static enum step answer(struct call *c)
{
    return call_reply(c, call_request(c));
}

static enum step echo(struct call *c)
{
    const ProtobufCMessage *message;
    while ((message = call_next_request(c))) {
        if (!call_send(c, message))
            return STEP_PARK;
    }
    return call_half_closed(c) ? call_reply(c, NULL) : STEP_PARK;
}

static const struct step_def answer_steps[] = {STEP(answer)};
static const struct step_def echo_steps[] = {STEP(echo)};
static const struct rpc_handler answers = {
    .method = "Answers", .steps = answer_steps, .step_count = 1};
static const struct rpc_handler echoes = {.method = "Echoes", .steps = echo_steps, .step_count = 1};

static void start(void)
{
    const struct rpc_method methods[] = {
        {.path = STR("/f.F/Answers"),
         .handler = &answers,
         .request = &google__rpc__status__descriptor,
         .policy.request_bytes_max = 4096},
        {.path = STR("/f.F/Echoes"),
         .handler = &echoes,
         .request = &google__rpc__status__descriptor,
         .policy.request_bytes_max = 4096,
         .client_streaming = true,
         .server_streaming = true},
    };
    rig_start(methods, 2, NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t bytes);

/* The first byte chooses the method and the encoding, the second seeds the cuts. */
int LLVMFuzzerTestOneInput(const uint8_t *p, size_t bytes)
{
    if (!rig.server)
        start();
    if (bytes < 2 || bytes > 65536)
        return 0;
    unsigned choice = p[0];
    uint32_t cut = p[1] * UINT32_C(2654435761) + 1;
    struct client *c = client_new();
    client_head(c, choice & 1 ? "/f.F/Echoes" : "/f.F/Answers");
    if (choice & 2)
        client_header(c, "grpc-encoding", "gzip");
    if (choice & 4)
        client_header(c, "grpc-accept-encoding", "gzip");
    client_head_end(c);
    for (size_t at = 2; at < bytes;) {
        cut = cut * UINT32_C(1664525) + UINT32_C(1013904223);
        size_t piece = 1 + (cut >> 16) % 97;
        piece = piece < bytes - at ? piece : bytes - at;
        client_data(c, p + at, piece);
        at += piece;
        rig_turn();
        client_take(c);
    }
    if (choice & 8)
        client_close(c, true);
    else
        client_end(c);
    for (int i = 0; i < 10000 && !c->is_closed && c->end_count == 0; i++) {
        rig_turn();
        client_take(c);
    }
    CHECK(c->end_count == (c->is_closed && c->end_count == 0 ? 0u : 1u));
    CHECK(c->is_closed || c->consumed == bytes - 2);
    client_free(c);
    CHECK(rig_is_clean());
    return 0;
}
