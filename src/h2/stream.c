/* Streams: made when a header block begins, pooled, gone after on_close. callbacks.c makes and ends
 * them. What must stay true: every on_sent is called before on_close, every byte received is given
 * back to the connection's window even if nobody consumed it, and nothing of a pooled stream points
 * anywhere. */
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "h2/internal.h"

#define FREE_STREAMS_MAX 8192

struct stream *h2_stream_new(struct h2_conn *c, int32_t id)
{
    struct h2_server *server = c->server;
    struct stream *s = server->free_streams;
    if (s) {
        server->free_streams = s->pub.user;
        server->free_stream_count--;
    } else {
        s = malloc(sizeof *s);
        CHECK(s);
    }
    memset(s, 0, offsetof(struct stream, head));
    h2_fields_init(&s->head);
    h2_fields_init(&s->tail);
    s->pub.conn = c;
    s->pub.trusted = conn_who(c->transport)->is_forwarder;
    s->pub.id = id;
    s->chunks = s->small_chunks;
    s->chunk_cap = STREAM_SMALL_CHUNKS;
    list_init(&s->dirty);
    list_append(&c->streams, &s->in_conn);
    if (c->streams_open++ == 0)
        list_remove(&c->idle);
    c->streams_started++;
    c->last_stream_ns = server->loop->now_ns;
    server->stats->streams_opened++;
    server->stats->streams_open++;
    return s;
}

static void drop_chunks(struct stream *s)
{
    s->pub.conn->queued_bytes -= s->pub.queued_bytes;
    h2_hold(s->pub.conn, 0, s->pub.queued_bytes);
    s->pub.queued_bytes = 0;
    while (s->chunk_count) {
        struct h2_chunk chunk = s->chunks[s->chunk_first++];
        s->chunk_count--;
        if (chunk.on_sent)
            chunk.on_sent(chunk.arg);
    }
}

static void recycle(struct h2_server *server, struct stream *s)
{
    if (s->chunks != s->small_chunks)
        free(s->chunks);
    h2_fields_clear(&s->head);
    h2_fields_clear(&s->tail);
    /* Without a pool (sanitizers) a call on a stream that is gone is found out. */
    if (server->free_stream_count >= FREE_STREAMS_MAX || H2_NO_POOLS) {
        free(s);
        return;
    }
    s->pub.user = server->free_streams;
    server->free_streams = s;
    server->free_stream_count++;
}

void h2_stream_closed(struct stream *s, uint32_t error_code, enum h2_end by)
{
    struct h2_conn *c = s->pub.conn;
    struct h2_server *server = c->server;
    if (c->cached == s)
        c->cached = NULL;
    s->closed = true;
    if (s->pub.response_ended && error_code == NGHTTP2_NO_ERROR)
        c->streams_succeeded++;
    else
        c->streams_failed++;
    drop_chunks(s);
    h2_give_back(c, s->unconsumed_bytes);
    h2_hold(c, 0, s->unconsumed_bytes + s->kept_bytes);
    s->unconsumed_bytes = s->kept_bytes = 0;
    server->handler->on_close(&s->pub, error_code, by, server->ctx);
    list_remove(&s->dirty);
    list_remove(&s->in_conn);
    CHECK(c->streams_open > 0);
    c->streams_open--;
    server->stats->streams_open--;
    if (c->streams_open == 0) {
        c->idle_since_ns = server->loop->now_ns;
        if (c->drain == DRAIN_NO)
            list_append(&server->idle, &c->idle);
    }
    recycle(server, s);
}

void h2_stream_pool_deinit(struct h2_server *server)
{
    struct stream *s;
    while ((s = server->free_streams) != NULL) {
        server->free_streams = s->pub.user;
        free(s);
    }
    server->free_stream_count = 0;
}
