/* Calls as objects: taken from a pool, given back; and the small accessors of grpc.h.
 * intake and call_run_internal make them; the runner ends them. What must stay true: a call is
 * released only when it has ended and h2 has closed its stream, so the reply's bytes outlive the
 * write. */
#include <stdio.h>
#include <stdlib.h>

#include "base/check.h"
#include "grpc/internal.h"

#define POOLED_MAX 1024
#define IN_KEEP_BYTES 16384 /* a receive buffer larger than this is not kept with a pooled call */

struct call_impl *call_new(struct server *server, size_t *owned)
{
    struct list *node = list_pop(&server->pool);
    struct call_impl *ci;
    struct buf in = {0};
    if (node) {
        ci = list_entry(node, struct call_impl, node);
        in = ci->in;
        server->pooled--;
    } else {
        ci = malloc(sizeof *ci);
        CHECK(ci);
    }
    memset(ci, 0, offsetof(struct call_impl, violations));
    ci->violations.count = 0;
    ci->in = in;
    list_init(&ci->node);
    list_init(&ci->woken);
    list_init(&ci->outgoing);
    ci->pub.server = server;
    ci->pub.attempt = 1;
    arena_init(&ci->pub.arena, &server->loop->arenas, server->limits.arena_bytes_max);
    arena_init(&ci->request_arena, &server->loop->arenas, server->limits.arena_bytes_max);
    arena_init(&ci->head_arena, &server->loop->arenas, server->limits.arena_bytes_max);
    ci->pub.arena.charge = ci->request_arena.charge = ci->head_arena.charge = owned;
    ci->metadata = ci->metadata_inline;
    ci->metadata_max = CALL_METADATA_INLINE;
    ci->timeout_ns = -1;
    ci->http_status = 200;
    ci->started_ns = server->loop->now_ns;
    ci->deadline_reason = REASON_DEADLINE_PASSED;
    list_init(&ci->deadline.node);
    list_init(&ci->wake.node);
    return ci;
}

void call_release(struct call_impl *ci)
{
    struct server *server = ci->pub.server;
    CHECK(ci->phase == CALL_ENDED);
    CHECK(!ci->stream);
    CHECK(list_is_empty(&ci->node));
    list_remove(&ci->woken);
    wheel_clear(&ci->deadline);
    call_drop_outgoing(ci);
    if (call_has_secret(ci) && ci->in.cap > 0)
        explicit_bzero(ci->in.p, ci->in.cap);
    arena_reset(&ci->pub.arena);
    arena_reset(&ci->request_arena);
    arena_reset(&ci->head_arena);
    if (ci->in.cap > IN_KEEP_BYTES)
        buf_deinit(&ci->in);
    ci->in.start = ci->in.end = 0;
    if (server->pooled >= POOLED_MAX) {
        buf_deinit(&ci->in);
        free(ci);
        return;
    }
    list_prepend(&server->pool, &ci->node); /* the warmest first */
    server->pooled++;
}

char *call_format(struct call_impl *ci, const char *format, va_list args)
{
    va_list again;
    va_copy(again, args);
    int bytes = vsnprintf(NULL, 0, format, args);
    char *text = bytes < 0 ? NULL : arena_try(&ci->pub.arena, (size_t)bytes + 1);
    if (text)
        vsnprintf(text, (size_t)bytes + 1, format, again);
    va_end(again);
    return text;
}

const void *call_request(const struct call *c)
{
    return call_impl_of_const(c)->request;
}

const void *call_next_request(struct call *c)
{
    struct call_impl *ci = call_impl_of(c);
    /* A client that does not read what it asked for is not listened to either, or a bidirectional
     * handler would have to keep count to stay bounded. */
    if (ci->streamed_bytes > c->server->limits.stream_queue_bytes_max)
        return NULL;
    return intake_next(ci);
}

bool call_request_compressed(const struct call *c)
{
    return call_impl_of_const(c)->request_compressed;
}

bool call_half_closed(const struct call *c)
{
    const struct call_impl *ci = call_impl_of_const(c);
    return ci->half_closed && buf_len(&ci->in) == 0;
}

void call_begin_tx(struct call *c)
{
    c->scope.want_tx = true;
}

void call_note(struct call *c, const char *key, const char *format, ...)
{
    struct call_impl *ci = call_impl_of(c);
    if (ci->note_count == CALL_NOTES_MAX)
        return;
    va_list args;
    va_start(args, format);
    char *value = call_format(ci, format, args);
    va_end(args);
    if (value)
        ci->notes[ci->note_count++] = (struct call_pair){.key = key, .value = value};
}

void call_defer(struct call *c, void (*fn)(void *arg), void *arg)
{
    struct call_impl *ci = call_impl_of(c);
    CHECK(fn);
    CHECK(ci->cleanup_count < CALL_DEFER_MAX);
    ci->cleanups[ci->cleanup_count++] = (struct call_cleanup){.fn = fn, .arg = arg};
}

bool call_draining(const struct call *c)
{
    return c->server->draining;
}

struct str call_peer(const struct call *c)
{
    const struct call_impl *ci = call_impl_of_const(c);
    if (ci->client.n > 0)
        return ci->client;
    return ci->stream ? h2_stream_peer(ci->stream) : ci->peer;
}

struct str call_identity(const struct call *c, enum peer_proof *ret_proof)
{
    const struct call_impl *ci = call_impl_of_const(c);
    *ret_proof = ci->proof;
    return ci->identity;
}

int64_t call_deadline_ns(const struct call *c)
{
    return c->scope.deadline_ns;
}

int64_t call_wall_ns(const struct call *c)
{
    return server_wall_ns(c->server);
}

void *call_app(const struct call *c)
{
    return c->server->hooks.app;
}
