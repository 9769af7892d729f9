/* Replies: packing behind the reserved prefix, streaming out with back-pressure, and the answer in
 * its wire form. Handlers call the call_* functions of grpc.h, the runner calls call_send_answer.
 * What must stay true: unary bytes live in the call's arena until h2 closes the stream; streamed
 * bytes belong to ci->outgoing; headers leave with the first message or not at all (Trailers-Only).
 */
#include <stdlib.h>

#include "base/check.h"
#include "grpc/compress.h"
#include "grpc/internal.h"
#include "grpc/pb_pack.h"

/* A handler that ignores call_send's false is stopped here: this many times the limit. */
#define STREAM_OVERRUN 4

/* On the stack, of which only what is used is touched. */
#define PACKED_ONCE_BYTES_MAX (64 * 1024)

/* Clients of grpc-go refuse header lists over this; proxies have such limits too. */
#define HEADER_LIST_BYTES_MAX 8192

#define HEADERS_OF(content_type, content_type_bytes)                                               \
    {                                                                                              \
        {.name = {":status", 7}, .value = {"200", 3}},                                             \
            {.name = {"content-type", 12}, .value = {content_type, content_type_bytes}},           \
            {.name = {"server", 6}, .value = {FG_SERVER, sizeof FG_SERVER - 1}},                   \
            {.name = {"grpc-accept-encoding", 20}, .value = {"gzip", 4}},                          \
            {.name = {"grpc-encoding", 13}, .value = {"gzip", 4}},                                 \
    }

static const struct h2_header plain_headers[] = HEADERS_OF("application/grpc", 16);
static const struct h2_header proto_headers[] = HEADERS_OF("application/grpc+proto", 22);

#define HEADERS_BASIC 3
#define HEADERS_WITH_ACCEPT 4
#define HEADERS_WITH_ENCODING 5

void answer_blocks_init(struct answer_blocks *blocks)
{
    const struct h2_header ok = {.name = STR("grpc-status"), .value = STR("0")};
    for (size_t i = 0; i < ANSWER_HEADS; i++) {
        blocks->plain[i] = h2_block_new(plain_headers, HEADERS_BASIC + i);
        blocks->proto[i] = h2_block_new(proto_headers, HEADERS_BASIC + i);
    }
    blocks->ok = h2_block_new(&ok, 1);
}

void answer_blocks_deinit(struct answer_blocks *blocks)
{
    for (size_t i = 0; i < ANSWER_HEADS; i++) {
        h2_block_free(&blocks->plain[i]);
        h2_block_free(&blocks->proto[i]);
    }
    h2_block_free(&blocks->ok);
    for (size_t i = 0; i < REASON_COUNT; i++)
        h2_block_free(&blocks->refused[i].block);
}

static bool may_compress(const struct call_impl *ci)
{
    return ci->accepts_gzip && !ci->pub.method->policy.no_compression;
}

static bool compresses(const struct call_impl *ci, size_t body_bytes)
{
    size_t bytes_min = ci->compress == COMPRESS_ALWAYS ? 1 : COMPRESS_BYTES_MIN;
    return body_bytes > bytes_min && ci->compress != COMPRESS_NEVER && may_compress(ci);
}

void call_compress(struct call *c, enum call_compress how)
{
    call_impl_of(c)->compress = how;
}

/* Room for @fixed headers and what the handler added: @small where it added nothing. */
static struct h2_header *block_new(struct call_impl *ci, struct h2_header *small, size_t fixed)
{
    size_t added = ci->sent_trailers.count + (ci->headers_sent ? 0 : ci->sent_headers.count);
    if (added == 0)
        return small;
    ci->pub.arena.used_bytes_max += STATUS_ARENA_BYTES;
    struct h2_header *large = arena_try(&ci->pub.arena, (fixed + added) * sizeof *large);
    if (!large)
        ci->sent_headers.count = ci->sent_trailers.count = 0;
    return large ? large : small;
}

/* Trailers that the client would refuse never leave: what it says, and never more than all take. */
static size_t list_bytes_max(const struct call_impl *ci)
{
    uint32_t peers = h2_stream_peer_header_list_max(ci->stream);
    return peers < HEADER_LIST_BYTES_MAX ? peers : HEADER_LIST_BYTES_MAX;
}

/* What @headers leave of that. */
static size_t list_bytes_left(const struct call_impl *ci, const struct h2_header *headers,
                              size_t count)
{
    size_t left = list_bytes_max(ci);
    for (size_t i = 0; i < count; i++) {
        size_t bytes = header_list_bytes(&headers[i]);
        left = left > bytes ? left - bytes : 0;
    }
    return left;
}

/* The encoding is announced only where a message may really use it; what we take, to those who use
 * it already. */
static void send_headers(struct call_impl *ci, bool with_encoding)
{
    const struct h2_header *headers = ci->subtype_proto ? proto_headers : plain_headers;
    size_t count = with_encoding                   ? HEADERS_WITH_ENCODING
                   : ci->encoding == ENCODING_GZIP ? HEADERS_WITH_ACCEPT
                                                   : HEADERS_BASIC;
    if (ci->sent_headers.count == 0) {
        const struct answer_blocks *blocks = &ci->pub.server->blocks;
        const struct h2_block *heads = ci->subtype_proto ? blocks->proto : blocks->plain;
        h2_respond_block(ci->stream, &heads[count - HEADERS_BASIC], false);
    } else {
        struct h2_header small[HEADERS_WITH_ENCODING];
        struct h2_header *all = block_new(ci, small, HEADERS_WITH_ENCODING);
        memcpy(all, headers, count * sizeof *all);
        size_t left = list_bytes_left(ci, all, count);
        count += sent_fields_put(&ci->sent_headers, false, all + count, &left);
        h2_respond(ci->stream, all, count, false);
    }
    ci->headers_sent = true;
}

void call_send_headers(struct call *c)
{
    struct call_impl *ci = call_impl_of(c);
    CHECK(!ci->answered);
    if (ci->stream && !ci->headers_sent && !ci->broken)
        send_headers(ci, may_compress(ci));
}

/* ---- packing ---- */

/* The framed message in the arena; .p NULL when the budget does not allow it. What is larger than
 * PACKED_ONCE_BYTES_MAX is packed by protobuf-c, which looks at everything twice. */
static struct str pack_framed(struct call_impl *ci, const ProtobufCMessage *message)
{
    uint8_t scratch[PACKED_ONCE_BYTES_MAX], *end = scratch + sizeof scratch;
    const uint8_t *packed = message ? pb_pack_before(message, scratch, end) : end;
    size_t bytes = packed ? (size_t)(end - packed) : protobuf_c_message_get_packed_size(message);
    uint8_t *p = arena_try(&ci->pub.arena, FRAME_PREFIX_BYTES + bytes);
    if (!p)
        return (struct str){0};
    frame_prefix(p, false, bytes);
    if (packed)
        memcpy(p + FRAME_PREFIX_BYTES, packed, bytes);
    else
        CHECK(protobuf_c_message_pack(message, p + FRAME_PREFIX_BYTES) == bytes);
    return (struct str){.p = (const char *)p, .n = FRAME_PREFIX_BYTES + bytes};
}

/* The same for finished bytes; what call_pack made has its prefix in front already. */
static struct str frame_bytes(struct call_impl *ci, const uint8_t *body, size_t bytes)
{
    if (ci->packed.p && (const char *)body == ci->packed.p && bytes == ci->packed.n)
        return (struct str){.p = ci->packed.p - FRAME_PREFIX_BYTES,
                            .n = bytes + FRAME_PREFIX_BYTES};
    uint8_t *p = arena_try(&ci->pub.arena, FRAME_PREFIX_BYTES + bytes);
    if (!p)
        return (struct str){0};
    frame_prefix(p, false, bytes);
    if (bytes > 0)
        memcpy(p + FRAME_PREFIX_BYTES, body, bytes);
    return (struct str){.p = (const char *)p, .n = FRAME_PREFIX_BYTES + bytes};
}

struct str call_pack(struct call *c, const ProtobufCMessage *message)
{
    struct call_impl *ci = call_impl_of(c);
    CHECK(message);
    struct str framed = pack_framed(ci, message);
    if (!framed.p)
        return (struct str){0};
    ci->packed =
        (struct str){.p = framed.p + FRAME_PREFIX_BYTES, .n = framed.n - FRAME_PREFIX_BYTES};
    return ci->packed;
}

/* Deflated in place of @framed if that makes it smaller. */
static struct str compressed(struct call_impl *ci, struct str framed)
{
    size_t room = framed.n - FRAME_PREFIX_BYTES;
    uint8_t *p = arena_try(&ci->pub.arena, FRAME_PREFIX_BYTES + room);
    size_t bytes;
    if (!p || compressor_deflate(ci->pub.server->compressor,
                                 (const uint8_t *)framed.p + FRAME_PREFIX_BYTES, room,
                                 p + FRAME_PREFIX_BYTES, room - 1, &bytes) < 0)
        return framed;
    frame_prefix(p, true, bytes);
    ci->reply_compressed = true;
    return (struct str){.p = (const char *)p, .n = FRAME_PREFIX_BYTES + bytes};
}

static enum step answer(struct call_impl *ci, struct str framed)
{
    CHECK(!ci->answered);
    ci->answered = true;
    if (ci->broken)
        return STEP_DONE;
    if (!framed.p || framed.n - FRAME_PREFIX_BYTES > ci->pub.method->policy.reply_bytes_max) {
        call_set_reason(ci, REASON_MESSAGE_TOO_LARGE);
        return STEP_DONE;
    }
    if (compresses(ci, framed.n - FRAME_PREFIX_BYTES))
        framed = compressed(ci, framed);
    ci->reply = framed;
    ci->reply_bytes = framed.n - FRAME_PREFIX_BYTES;
    return STEP_DONE;
}

enum step call_reply(struct call *c, const ProtobufCMessage *message)
{
    struct call_impl *ci = call_impl_of(c);
    if (!message) {
        CHECK(!ci->answered);
        ci->answered = true;
        return STEP_DONE;
    }
    return answer(ci, pack_framed(ci, message));
}

enum step call_reply_bytes(struct call *c, const uint8_t *p, size_t bytes)
{
    struct call_impl *ci = call_impl_of(c);
    return answer(ci, frame_bytes(ci, p, bytes));
}

void call_replayed(struct call *c, bool is_replay)
{
    call_impl_of(c)->replayed = is_replay;
}

/* ---- streaming out ---- */

static void on_sent(void *arg)
{
    struct outgoing *out = arg;
    struct call_impl *ci = out->call;
    size_t low = ci->pub.server->limits.stream_queue_bytes_max / 2;
    bool was_high = ci->streamed_bytes > low;
    list_remove(&out->node);
    ci->streamed_bytes -= out->bytes;
    free(out);
    if (ci->phase == CALL_RUNNING &&
        (ci->streamed_bytes == 0 || (was_high && ci->streamed_bytes <= low)))
        call_wake(&ci->pub);
}

void call_drop_outgoing(struct call_impl *ci)
{
    struct list *node;
    while ((node = list_pop(&ci->outgoing)))
        free(list_entry(node, struct outgoing, node));
    ci->streamed_bytes = 0;
}

/* One allocation per streamed message: its life is the client's pace, which no arena matches. */
static bool queue(struct call_impl *ci, struct outgoing *out, bool is_compressed, size_t body_bytes)
{
    size_t limit = ci->pub.server->limits.stream_queue_bytes_max;
    bool ignored_false = ci->streamed_bytes > limit;
    frame_prefix(out->p, is_compressed, body_bytes);
    out->call = ci;
    out->bytes = FRAME_PREFIX_BYTES + body_bytes;
    list_append(&ci->outgoing, &out->node);
    ci->streamed_bytes += out->bytes;
    ci->reply_bytes += body_bytes;
    if (!ci->headers_sent)
        send_headers(ci, may_compress(ci));
    h2_write(ci->stream, out->p, out->bytes, on_sent, out);
    h2_note_message(ci->stream, true);
    /* One message may be larger than all that, and is as welcome. */
    if (ignored_false && ci->streamed_bytes / STREAM_OVERRUN > limit) {
        ci->broken = true;
        call_set_reason(ci, REASON_OVERLOADED);
    }
    return ci->streamed_bytes <= limit;
}

static struct outgoing *outgoing_new(size_t body_bytes)
{
    struct outgoing *out = malloc(sizeof *out + FRAME_PREFIX_BYTES + body_bytes);
    CHECK(out);
    list_init(&out->node);
    return out;
}

/* Body bytes are in @out; deflated through the arena-free compressor when it pays. */
static bool queue_maybe_compressed(struct call_impl *ci, struct outgoing *out, size_t bytes)
{
    if (!compresses(ci, bytes))
        return queue(ci, out, false, bytes);
    struct outgoing *smaller = outgoing_new(bytes);
    size_t deflated;
    if (compressor_deflate(ci->pub.server->compressor, out->p + FRAME_PREFIX_BYTES, bytes,
                           smaller->p + FRAME_PREFIX_BYTES, bytes - 1, &deflated) < 0) {
        free(smaller);
        return queue(ci, out, false, bytes);
    }
    free(out);
    return queue(ci, smaller, true, deflated);
}

static bool may_send(struct call_impl *ci, size_t bytes)
{
    CHECK(ci->pub.method->server_streaming || ci->is_internal);
    CHECK(!ci->answered);
    if (!ci->stream || ci->broken)
        return false;
    if (bytes <= ci->pub.method->policy.reply_bytes_max)
        return true;
    ci->broken = true;
    call_set_reason(ci, REASON_MESSAGE_TOO_LARGE);
    return false;
}

bool call_send(struct call *c, const ProtobufCMessage *message)
{
    struct call_impl *ci = call_impl_of(c);
    size_t bytes = protobuf_c_message_get_packed_size(message);
    if (!may_send(ci, bytes))
        return false;
    struct outgoing *out = outgoing_new(bytes);
    protobuf_c_message_pack(message, out->p + FRAME_PREFIX_BYTES);
    return queue_maybe_compressed(ci, out, bytes);
}

/* ---- the answer ---- */

static struct str http_status_text(uint16_t http_status)
{
    switch (http_status) {
    case 400:
        return STR("400");
    case 404:
        return STR("404");
    case 405:
        return STR("405");
    case 415:
        return STR("415");
    case 431:
        return STR("431");
    default:
        return STR("200");
    }
}

/* Where the answer is the same for everybody who is refused for this reason, but for the pushback:
 * encoded once, since who must refuse thousands is busy. NULL: it is not. */
static struct refusal_block *refusal_block(struct call_impl *ci)
{
    bool is_usual = ci->http_status == 200 && !ci->subtype_proto &&
                    ci->encoding != ENCODING_OTHER && !ci->replayed &&
                    ci->sent_headers.count == 0 && ci->sent_trailers.count == 0 &&
                    list_bytes_max(ci) == HEADER_LIST_BYTES_MAX;
    return is_usual && status_is_plain(ci) ? &ci->pub.server->blocks.refused[ci->reason] : NULL;
}

/* One HEADERS frame that ends the stream: the only form in which proxies and clients retry. */
static void send_trailers_only(struct call_impl *ci)
{
    struct refusal_block *same = refusal_block(ci);
    if (same && same->block.p && same->has_pushback == ci->has_pushback &&
        same->pushback_ms == ci->pushback_ms) {
        h2_respond_block(ci->stream, &same->block, true);
        return;
    }
    struct h2_header small[HEADERS_BASIC + STATUS_HEADERS_MAX];
    struct h2_header *headers = block_new(ci, small, HEADERS_BASIC + STATUS_HEADERS_MAX);
    memcpy(headers, ci->subtype_proto ? proto_headers : plain_headers,
           HEADERS_BASIC * sizeof headers[0]);
    headers[0].value = http_status_text(ci->http_status);
    size_t count = HEADERS_BASIC;
    size_t left = list_bytes_left(ci, headers, count);
    count += sent_fields_put(&ci->sent_headers, false, headers + count, &left);
    count += status_headers(ci, left, headers + count);
    h2_respond(ci->stream, headers, count, true);
    if (same && !same->block.p)
        *same = (struct refusal_block){.block = h2_block_new(headers, count),
                                       .has_pushback = ci->has_pushback,
                                       .pushback_ms = ci->pushback_ms};
}

static void send_trailers(struct call_impl *ci)
{
    if (ci->code == STATUS_OK && ci->sent_trailers.count == 0 && !ci->replayed) {
        h2_trailers_block(ci->stream, &ci->pub.server->blocks.ok);
        return;
    }
    struct h2_header small[STATUS_HEADERS_MAX];
    struct h2_header *trailers = block_new(ci, small, STATUS_HEADERS_MAX);
    h2_trailers(ci->stream, trailers, status_headers(ci, list_bytes_max(ci), trailers));
}

void call_send_answer(struct call_impl *ci)
{
    bool has_reply = ci->code == STATUS_OK && ci->reply.p;
    if (ci->code != STATUS_OK)
        ci->pub.arena.used_bytes_max += STATUS_ARENA_BYTES;
    if (!ci->headers_sent && !has_reply) {
        send_trailers_only(ci);
        return;
    }
    /* A stream cut by its deadline with bytes the client does not take: trailers would wait behind
     * them for ever. */
    bool is_cut = ci->reason == ci->deadline_reason || ci->reason == REASON_SHUTTING_DOWN;
    if (is_cut && ci->streamed_bytes > 0) {
        h2_reset(ci->stream, H2_CANCEL);
        ci->was_reset = true;
        ci->reset_code = H2_CANCEL;
        ci->reset_by = H2_END_SERVER;
        return;
    }
    if (has_reply) {
        if (!ci->headers_sent)
            send_headers(ci, ci->reply_compressed);
        h2_write(ci->stream, (const uint8_t *)ci->reply.p, ci->reply.n, NULL, NULL);
        h2_note_message(ci->stream, true);
    }
    send_trailers(ci);
}
