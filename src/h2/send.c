/* The way out: what the layer above asks for is noted (any time, also from inside its own
 * callbacks) and told to nghttp2 once per loop turn; DATA is written straight from the caller's
 * memory into the connection's buffer. What must stay true: nothing here calls on_close; END_STREAM
 * never leaves on DATA; a RST_STREAM never follows trailers before they have left (nghttp2 would
 * drop them). */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "h2/internal.h"

#define FRAME_HEADER_BYTES 9
/* A stream whose body waits is given its whole timeout again when so much of it has left: windows
 * opened byte by byte (CVE-2019-9511) are no progress. */
#define PROGRESS_BYTES 16384

static struct stream *stream_of(struct h2_stream *pub)
{
    return list_entry(pub, struct stream, pub);
}

static void mark_dirty(struct stream *s)
{
    struct h2_conn *c = s->pub.conn;
    if (list_is_empty(&s->dirty))
        list_append(&c->dirty, &s->dirty);
    conn_want_write(c->transport);
}

static void respond(struct stream *s, bool end)
{
    s->pub.response_started = true;
    s->pub.response_ended = end;
    s->respond_due = true;
    s->end_with_head = end;
    mark_dirty(s);
}

void h2_respond(struct h2_stream *pub, const struct h2_header *headers, size_t count, bool end)
{
    struct stream *s = stream_of(pub);
    CHECK(!pub->response_started);
    if (s->closed)
        return;
    h2_fields_set(&s->head, headers, count);
    respond(s, end);
}

void h2_respond_block(struct h2_stream *pub, const struct h2_block *b, bool end)
{
    struct stream *s = stream_of(pub);
    CHECK(!pub->response_started);
    if (s->closed)
        return;
    h2_fields_lend(&s->head, b);
    respond(s, end);
}

static void grow_chunks(struct stream *s)
{
    unsigned cap = s->chunk_cap;
    if (s->chunk_count == cap)
        cap *= 2;
    struct h2_chunk *chunks = s->chunks;
    if (cap != s->chunk_cap) {
        chunks = malloc(cap * sizeof *chunks);
        CHECK(chunks);
    }
    memmove(chunks, s->chunks + s->chunk_first, s->chunk_count * sizeof *chunks);
    if (cap != s->chunk_cap && s->chunks != s->small_chunks)
        free(s->chunks);
    s->chunks = chunks;
    s->chunk_cap = cap;
    s->chunk_first = 0;
}

void h2_write(struct h2_stream *pub, const uint8_t *p, size_t bytes, void (*on_sent)(void *arg),
              void *arg)
{
    struct stream *s = stream_of(pub);
    CHECK(pub->response_started);
    CHECK(!pub->response_ended);
    CHECK(!s->closed);
    CHECK(bytes > 0);
    if (s->chunk_first + s->chunk_count == s->chunk_cap)
        grow_chunks(s);
    s->chunks[s->chunk_first + s->chunk_count++] =
        (struct h2_chunk){.p = p, .bytes = bytes, .on_sent = on_sent, .arg = arg};
    struct h2_conn *c = pub->conn;
    if (c->queued_bytes == 0)
        c->progress_ns = c->server->loop->now_ns;
    if (pub->queued_bytes == 0) {
        s->progress_ns = c->server->loop->now_ns;
        s->progress_bytes = 0;
    }
    c->queued_bytes += bytes;
    pub->queued_bytes += bytes;
    h2_hold(c, bytes, 0);
    h2_server_check_bytes(c->server);
    mark_dirty(s);
}

static void end_with_tail(struct stream *s)
{
    s->pub.response_ended = true;
    s->tail_set = true;
    mark_dirty(s);
}

void h2_trailers(struct h2_stream *pub, const struct h2_header *headers, size_t count)
{
    struct stream *s = stream_of(pub);
    CHECK(pub->response_started);
    CHECK(!pub->response_ended);
    if (s->closed)
        return;
    h2_fields_set(&s->tail, headers, count);
    end_with_tail(s);
}

void h2_trailers_block(struct h2_stream *pub, const struct h2_block *b)
{
    struct stream *s = stream_of(pub);
    CHECK(pub->response_started);
    CHECK(!pub->response_ended);
    if (s->closed)
        return;
    h2_fields_lend(&s->tail, b);
    end_with_tail(s);
}

void h2_reset(struct h2_stream *pub, enum h2_error code)
{
    struct stream *s = stream_of(pub);
    if (s->closed || s->reset_by_us)
        return;
    s->reset_due = true;
    s->reset_by_us = true;
    s->reset_code = code;
    mark_dirty(s);
}

void h2_keep(struct h2_stream *pub, size_t bytes)
{
    struct stream *s = stream_of(pub);
    if (s->closed)
        return;
    h2_hold(pub->conn, bytes, s->kept_bytes);
    s->kept_bytes = bytes;
}

void h2_consume(struct h2_stream *pub, size_t bytes)
{
    struct stream *s = stream_of(pub);
    struct h2_conn *c = pub->conn;
    if (s->closed)
        return;
    CHECK(bytes <= s->unconsumed_bytes);
    s->unconsumed_bytes -= bytes;
    h2_hold(c, 0, bytes);
    h2_give_back(c, bytes);
    /* Told in lumps: nghttp2 sends WINDOW_UPDATE at half a window, so a quarter kept back never
     * stalls a sender. A stream that has ended needs no window any more. */
    if (!pub->request_ended) {
        s->consumed_bytes += bytes;
        if (s->consumed_bytes >= c->server->limits.stream_window_bytes / 4)
            mark_dirty(s);
    }
    if (c->consumed_bytes >= c->server->limits.conn_window_bytes / 4)
        conn_want_write(c->transport);
}

/* Header lists are empty for nghttp2: on_frame_sent writes the block. */
static int submit_tail(struct stream *s)
{
    return nghttp2_submit_trailer(s->pub.conn->session, s->pub.id, NULL, 0);
}

/* nghttp2 asks how much DATA there is. */
static ssize_t read_body(nghttp2_session *session, int32_t id, uint8_t *buf, size_t bytes_max,
                         uint32_t *flags, nghttp2_data_source *source, void *arg)
{
    (void)session;
    (void)id;
    (void)buf;
    struct h2_conn *c = arg;
    struct stream *s = source->ptr;
    size_t bytes = s->pub.queued_bytes;
    if (buf_len(c->out) >= c->out_bytes_max)
        return NGHTTP2_ERR_PAUSE;
    if (bytes == 0) {
        s->deferred = true;
        return NGHTTP2_ERR_DEFERRED;
    }
    *flags |= NGHTTP2_DATA_FLAG_NO_COPY;
    if (bytes > bytes_max)
        return (ssize_t)bytes_max;
    if (!s->tail_set)
        return (ssize_t)bytes;
    *flags |= NGHTTP2_DATA_FLAG_EOF;
    s->tail_told = true;
    return (ssize_t)bytes;
}

/* Copies @bytes of body into the connection's buffer and lets go of what is done. */
static void move_chunks(struct stream *s, uint8_t *to, size_t bytes)
{
    struct h2_conn *c = s->pub.conn;
    c->queued_bytes -= bytes;
    s->pub.queued_bytes -= bytes;
    h2_hold(c, 0, bytes);
    c->progress_ns = c->server->loop->now_ns;
    s->progress_bytes += bytes;
    if (s->progress_bytes >= PROGRESS_BYTES) {
        s->progress_ns = c->progress_ns;
        s->progress_bytes = 0;
    }
    while (bytes) {
        struct h2_chunk *chunk = &s->chunks[s->chunk_first];
        size_t n = bytes < chunk->bytes ? bytes : chunk->bytes;
        memcpy(to, chunk->p, n);
        to += n;
        bytes -= n;
        chunk->p += n;
        chunk->bytes -= n;
        if (chunk->bytes)
            break;
        struct h2_chunk done = *chunk;
        s->chunk_count--;
        s->chunk_first = s->chunk_count ? s->chunk_first + 1 : 0;
        if (done.on_sent)
            done.on_sent(done.arg);
    }
}

int h2_send_body(nghttp2_session *session, nghttp2_frame *frame, const uint8_t *header,
                 size_t bytes, nghttp2_data_source *source, void *arg)
{
    (void)session;
    struct h2_conn *c = arg;
    struct stream *s = source->ptr;
    /* nghttp2 takes this DATA for the last frame; on the wire the trailers behind it are. */
    bool last = frame->hd.flags & NGHTTP2_FLAG_END_STREAM;
    c->cached = s;
    uint8_t *to = buf_reserve(c->out, FRAME_HEADER_BYTES + bytes);
    memcpy(to, header, FRAME_HEADER_BYTES);
    if (last)
        to[4] &= (uint8_t)~NGHTTP2_FLAG_END_STREAM;
    buf_commit(c->out, FRAME_HEADER_BYTES + bytes);
    move_chunks(s, to + FRAME_HEADER_BYTES, bytes);
    if (last)
        h2_fields_write(&s->tail, c, s->pub.id, true);
    return 0;
}

static int submit_response(struct stream *s)
{
    nghttp2_session *session = s->pub.conn->session;
    nghttp2_data_provider body = {.source.ptr = s, .read_callback = read_body};
    s->respond_due = false;
    if (s->tail_set && s->pub.queued_bytes == 0) {
        /* Nothing between head and trailers: no DATA, which would wait for a window. */
        s->tail_told = true;
        int r = nghttp2_submit_headers(session, NGHTTP2_FLAG_NONE, s->pub.id, NULL, NULL, 0, NULL);
        return r < 0 ? r : submit_tail(s);
    }
    return nghttp2_submit_response(session, s->pub.id, NULL, 0, s->end_with_head ? NULL : &body);
}

/* Body or trailers that came after nghttp2 had taken the response. */
static int resume(struct stream *s)
{
    nghttp2_session *session = s->pub.conn->session;
    if (s->pub.queued_bytes && s->deferred) {
        s->deferred = false;
        return nghttp2_session_resume_data(session, s->pub.id);
    }
    /* With the body gone, trailers go by themselves: behind DATA they would wait for a window they
     * do not need. */
    if (s->pub.queued_bytes || !s->tail_set || s->tail_told)
        return 0;
    s->tail_told = true;
    return submit_tail(s);
}

int h2_stream_apply(struct stream *s)
{
    struct h2_conn *c = s->pub.conn;
    int r = 0;
    if (s->reset_due) {
        s->reset_due = false;
        return nghttp2_submit_rst_stream(c->session, NGHTTP2_FLAG_NONE, s->pub.id, s->reset_code);
    }
    if (s->reset_by_us)
        return 0;
    if (s->consumed_bytes && !s->pub.request_ended) {
        r = nghttp2_session_consume_stream(c->session, s->pub.id, s->consumed_bytes);
        s->consumed_bytes = 0;
    }
    if (r == 0 && s->respond_due)
        r = submit_response(s);
    else if (r == 0 && s->pub.response_started && !s->end_with_head)
        r = resume(s);
    return nghttp2_is_fatal(r) ? r : 0;
}
