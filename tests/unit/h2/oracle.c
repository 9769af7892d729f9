/* See oracle.h. What must stay true: nghttp2 is asked through its wire, with the options of
 * h2/server.c but the one in question. */
#include "oracle.h"

#include <stdlib.h>

#include "base/check.h"

#define FRAME_BYTES_MAX 16384

const struct str oracle_names[ORACLE_NAMES] = {
    STR(":method"),
    STR(":scheme"),
    STR(":path"),
    STR(":authority"),
    STR("te"),
    STR("host"),
    STR("content-length"),
    STR("connection"),
    STR("keep-alive"),
    STR("proxy-connection"),
    STR("transfer-encoding"),
    STR("upgrade"),
    STR("content-type"),
    STR("user-agent"),
    STR("traceparent"),
    STR("authorization"),
    STR("grpc-timeout"),
    STR("grpc-encoding"),
    STR("grpc-accept-encoding"),
    STR("x-a"),
};

/* ---- theirs ---- */

static int on_header(nghttp2_session *session, const nghttp2_frame *frame, const uint8_t *name,
                     size_t name_bytes, const uint8_t *value, size_t value_bytes, uint8_t flags,
                     void *arg)
{
    (void)session, (void)frame, (void)name, (void)name_bytes, (void)value, (void)value_bytes;
    (void)flags;
    ((struct verdict *)arg)->fields++;
    return 0;
}

static int on_data(nghttp2_session *session, uint8_t flags, int32_t id, const uint8_t *p,
                   size_t bytes, void *arg)
{
    (void)session, (void)flags, (void)id, (void)p;
    ((struct verdict *)arg)->data_bytes += (unsigned)bytes;
    return 0;
}

static int on_frame(nghttp2_session *session, const nghttp2_frame *frame, void *arg)
{
    (void)session;
    struct verdict *v = arg;
    if (frame->hd.type == NGHTTP2_HEADERS)
        v->blocks++;
    if (frame->hd.type == NGHTTP2_HEADERS || frame->hd.type == NGHTTP2_DATA)
        v->ended |= frame->hd.flags & NGHTTP2_FLAG_END_STREAM;
    return 0;
}

static int on_sent(nghttp2_session *session, const nghttp2_frame *frame, void *arg)
{
    (void)session;
    struct verdict *v = arg;
    CHECK(frame->hd.type != NGHTTP2_GOAWAY);
    if (frame->hd.type == NGHTTP2_RST_STREAM) {
        CHECK(frame->rst_stream.error_code == NGHTTP2_PROTOCOL_ERROR);
        v->is_malformed = true;
    }
    return 0;
}

static nghttp2_session *start(struct verdict *v)
{
    nghttp2_session *session;
    nghttp2_session_callbacks *callbacks;
    nghttp2_option *option;
    CHECK(nghttp2_option_new(&option) == 0);
    nghttp2_option_set_no_auto_window_update(option, 1);
    nghttp2_option_set_no_closed_streams(option, 1);
    CHECK(nghttp2_session_callbacks_new(&callbacks) == 0);
    nghttp2_session_callbacks_set_on_header_callback(callbacks, on_header);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, on_data);
    nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, on_frame);
    nghttp2_session_callbacks_set_on_frame_send_callback(callbacks, on_sent);
    CHECK(nghttp2_session_server_new2(&session, callbacks, v, option) == 0);
    nghttp2_session_callbacks_del(callbacks);
    nghttp2_option_del(option);
    static const char hello[] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0\0";
    CHECK(nghttp2_session_mem_recv(session, (const uint8_t *)hello, sizeof hello - 1) > 0);
    return session;
}

static void say(nghttp2_session *session, uint8_t type, uint8_t flags, uint8_t *frame, size_t bytes)
{
    memcpy(frame, (uint8_t[]){0, (uint8_t)(bytes >> 8), (uint8_t)bytes, type, flags, 0, 0, 0, 1},
           9);
    CHECK(nghttp2_session_mem_recv(session, frame, 9 + bytes) == (ssize_t)(9 + bytes));
}

/* Literals that stay out of the table. */
static void say_block(nghttp2_session *session, const struct h2_header *fields, unsigned count,
                      bool is_end)
{
    uint8_t frame[9 + FRAME_BYTES_MAX], *p = frame + 9;
    for (unsigned i = 0; i < count; i++) {
        const struct str texts[] = {fields[i].name, fields[i].value};
        *p++ = 0;
        for (unsigned t = 0; t < 2; t++) {
            CHECK(texts[t].n <= REQUEST_TEXT_MAX);
            *p++ = (uint8_t)texts[t].n;
            if (texts[t].n > 0)
                memcpy(p, texts[t].p, texts[t].n);
            p += texts[t].n;
        }
    }
    say(session, NGHTTP2_HEADERS, NGHTTP2_FLAG_END_HEADERS | (is_end ? NGHTTP2_FLAG_END_STREAM : 0),
        frame, (size_t)(p - frame - 9));
}

struct verdict oracle_theirs(const struct request *r)
{
    struct verdict v = {0};
    uint8_t data[9 + UINT8_MAX] = {0};
    const uint8_t *out;
    nghttp2_session *session = start(&v);
    say_block(session, r->head, r->head_count, r->ends_with_head);
    for (unsigned i = 0; i < r->data_count && !r->ends_with_head; i++) {
        bool is_end = i + 1 == r->data_count && r->ends_with_data;
        say(session, NGHTTP2_DATA, is_end ? NGHTTP2_FLAG_END_STREAM : 0, data, r->data[i]);
    }
    if (r->has_trailers)
        say_block(session, r->trailers, r->trailer_count, r->ends_with_trailers);
    while (nghttp2_session_mem_send(session, &out) > 0)
        continue;
    nghttp2_session_del(session);
    return v;
}

/* ---- ours ---- */

static bool take_block(struct verdict *v, struct h2_rules *rules, bool is_trailer,
                       const struct h2_header *fields, unsigned count, bool is_end)
{
    for (unsigned i = 0; i < count; i++) {
        enum h2_field which = h2_field_of(fields[i].name);
        if (!h2_rules_field(rules, is_trailer, which, fields[i].name, fields[i].value))
            return false;
        v->fields++;
    }
    if (!h2_rules_block(rules, is_trailer, is_end))
        return false;
    v->blocks++;
    v->ended |= is_end;
    return true;
}

static bool take(struct verdict *v, const struct request *r)
{
    struct h2_rules rules = {0};
    if (!take_block(v, &rules, false, r->head, r->head_count, r->ends_with_head))
        return false;
    for (unsigned i = 0; i < r->data_count && !r->ends_with_head; i++) {
        if (r->data[i] > 0 && !h2_rules_data(&rules, r->data[i]))
            return false;
        v->data_bytes += r->data[i];
        if (i + 1 == r->data_count && r->ends_with_data) {
            if (!h2_rules_end(&rules))
                return false;
            v->ended = true;
        }
    }
    return !r->has_trailers ||
           take_block(v, &rules, true, r->trailers, r->trailer_count, r->ends_with_trailers);
}

struct verdict oracle_ours(const struct request *r)
{
    struct verdict v = {0};
    v.is_malformed = !take(&v, r);
    return v;
}

bool oracle_agrees(const struct request *r)
{
    struct verdict a = oracle_theirs(r), b = oracle_ours(r);
    return a.is_malformed == b.is_malformed && a.fields == b.fields && a.blocks == b.blocks &&
           a.data_bytes == b.data_bytes && a.ended == b.ended;
}
