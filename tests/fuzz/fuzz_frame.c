/* Request bodies: bytes cut into DATA frames at random, plain and gzip, unary and streamed, through
 * the whole of intake and the guard. The rig takes h2's place; it is included because a fuzz target
 * is one file. What must stay true: every call ends, once, and leaves nothing behind. */
#include <google/rpc/status.pb-c.h>

#include "grpc/compress.h"
#include "tests/unit/grpc/fake_db.c"
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

/* A fuzzer does not find a checksum: with this choice @p is deflated here, so many times over that
 * the limit of the inflated size is reached too. The caller frees what it gets. */
static uint8_t *deflated(const uint8_t *p, size_t bytes, unsigned times, size_t *ret_bytes)
{
    static struct compressor *compressor;
    size_t room = bytes * times;
    uint8_t *plain = malloc(room + 1), *out = malloc(FRAME_PREFIX_BYTES + room + 64);
    CHECK(plain && out);
    if (!compressor)
        CHECK(compressor_new(&compressor) == 0);
    for (unsigned i = 0; i < times; i++)
        memcpy(plain + i * bytes, p, bytes);
    int rc =
        compressor_deflate(compressor, plain, room, out + FRAME_PREFIX_BYTES, room + 64, ret_bytes);
    CHECK(rc == 0);
    free(plain);
    frame_prefix(out, true, *ret_bytes);
    *ret_bytes += FRAME_PREFIX_BYTES;
    return out;
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
    uint8_t *made = NULL;
    const uint8_t *body = p + 2;
    size_t body_bytes = bytes - 2;
    if (choice & 16)
        body = made = deflated(body, body_bytes, 1 + p[1] % 64, &body_bytes);
    struct client *c = client_new();
    client_head(c, choice & 1 ? "/f.F/Echoes" : "/f.F/Answers");
    if (choice & (2 | 16))
        client_header(c, "grpc-encoding", "gzip");
    if (choice & 4)
        client_header(c, "grpc-accept-encoding", "gzip");
    client_head_end(c);
    for (size_t at = 0; at < body_bytes;) {
        cut = cut * UINT32_C(1664525) + UINT32_C(1013904223);
        size_t piece = 1 + (cut >> 16) % 97;
        piece = piece < body_bytes - at ? piece : body_bytes - at;
        client_data(c, body + at, piece);
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
    CHECK(c->is_closed || c->consumed == body_bytes);
    client_free(c);
    free(made);
    CHECK(rig_is_clean());
    return 0;
}
