/* The fake streams behind rig.h. They take the place of h2/ at link time: the names below are
 * h2.h's. What must stay true: they are as strict as the real ones (one end per stream, writes stay
 * valid until taken). */
#include "rig.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/check.h"

struct rig rig;
struct obs *rig_obs;

/* ---- the server ---- */

static int64_t rig_mono(const struct clock *clock)
{
    (void)clock;
    return rig.mono_ns;
}

static int64_t rig_wall(const struct clock *clock)
{
    (void)clock;
    return rig.mono_ns + INT64_C(1700000000) * NS_PER_S;
}

static void complete_policy(struct rpc_method *method)
{
    struct rpc_policy *policy = &method->policy;
    policy->criticality = policy->criticality ? policy->criticality : RPC_CRITICALITY_NORMAL;
    policy->auth = policy->auth ? policy->auth : RPC_AUTH_PUBLIC;
    policy->request_bytes_max = policy->request_bytes_max ? policy->request_bytes_max : 65536;
    policy->reply_bytes_max = policy->reply_bytes_max ? policy->reply_bytes_max : 65536;
    method->full_name = (struct str){.p = method->path.p + 1, .n = method->path.n - 1};
    method->service = &rig.service;
    method->obs = rig_obs ? obs_method(obs_region_of(rig_obs), method->path.p + 1) : -1;
    for (unsigned i = 0; i < RPC_STEPS_MAX; i++)
        method->obs_steps[i] = -1;
}

/* "good" is a traveller, "ops" works for an airline, "svc" is a machine, "old" has expired. */
static enum reason authenticate(void *app, struct str token, int64_t wall_ns,
                                struct principal *ret_principal)
{
    (void)app;
    *ret_principal = (struct principal){
        .known = true, .user_id.b = {7}, .expire_wall_ns = wall_ns + 60 * NS_PER_S};
    if (str_eq(token, STR("good")))
        ret_principal->roles = 1u << ROLE_TRAVELLER;
    else if (str_eq(token, STR("ops")))
        ret_principal->roles = 1u << ROLE_AIRLINE_OPS;
    else if (str_eq(token, STR("svc")))
        ret_principal->roles = 1u << ROLE_SERVICE;
    else
        return str_eq(token, STR("old")) ? REASON_TOKEN_EXPIRED : REASON_TOKEN_INVALID;
    return REASON_NONE;
}

void rig_start(const struct rpc_method *methods, size_t count, const struct server_limits *limits)
{
    rig = (struct rig){.mono_ns = INT64_C(1000) * NS_PER_S,
                       .clock = {.mono_ns = rig_mono, .wall_ns = rig_wall}};
    fake_db = (struct fake_db){0};
    list_init(&fake_db.open);
    CHECK(loop_init(&rig.loop, &rig.clock) == 0);
    struct registry *registry = calloc(1, sizeof *registry);
    CHECK(registry);
    registry->methods = calloc(count, sizeof registry->methods[0]);
    CHECK(registry->methods);
    if (count)
        memcpy(registry->methods, methods, count * sizeof methods[0]);
    registry->method_count = count;
    for (size_t i = 0; i < count; i++)
        complete_policy(&registry->methods[i]);
    CHECK(registry_index(registry) == 0);
    struct server_hooks hooks = {.authenticate = authenticate, .tx = &fake_tx, .app = &rig};
    CHECK(server_new_with(&rig.server, &rig.loop, limits ? limits : &server_limits_default, &hooks,
                          registry, rig_obs) == 0);
}

void rig_turn(void)
{
    ev_run(rig.loop.ev, EVRUN_NOWAIT);
}

void rig_advance(int64_t ms)
{
    rig.mono_ns += ms * NS_PER_MS;
    rig.loop.now_ns = rig.mono_ns;
    wheel_advance(&rig.server->wheel, rig.mono_ns);
    rig_turn();
}

bool rig_is_clean(void)
{
    return rig.server->calls_in_flight == 0 && list_is_empty(&rig.server->calls) &&
           rig.loop.arenas.live_chunks == 0 && fake_db.open_count == 0 &&
           fake_db.leases_open == 0 && fake_db.leases == fake_db.commits + fake_db.rollbacks;
}

void rig_stop(void)
{
    rig_turn();
    rig.server = server_free(rig.server);
    loop_deinit(&rig.loop);
}

/* ---- HTTP/2 ---- */

static struct client *client_of(struct h2_stream *s)
{
    return (struct client *)s;
}

static void keep(struct client *c, const struct h2_header *headers, size_t count, bool in_trailers)
{
    for (size_t i = 0; i < count; i++) {
        CHECK(c->field_count < CLIENT_FIELDS_MAX);
        CHECK(headers[i].name.n < sizeof c->names[0]);
        CHECK(headers[i].value.n < sizeof c->values[0]);
        memcpy(c->names[c->field_count], headers[i].name.p, headers[i].name.n);
        memcpy(c->values[c->field_count], headers[i].value.p, headers[i].value.n);
        c->in_trailers[c->field_count++] = in_trailers;
    }
}

void h2_respond(struct h2_stream *s, const struct h2_header *headers, size_t count, bool end)
{
    struct client *c = client_of(s);
    CHECK(!s->response_started);
    CHECK(!c->is_closed);
    s->response_started = true;
    s->response_ended = end;
    c->head_count++;
    c->end_count += end;
    c->trailers_only = end;
    keep(c, headers, count, false);
}

void h2_write(struct h2_stream *s, const uint8_t *p, size_t bytes, void (*on_sent)(void *arg),
              void *arg)
{
    struct client *c = client_of(s);
    CHECK(s->response_started);
    CHECK(!s->response_ended);
    CHECK(!c->is_closed);
    CHECK(c->write_count < CLIENT_WRITES_MAX);
    c->writes[c->write_count++] =
        (struct client_write){.p = p, .bytes = bytes, .on_sent = on_sent, .arg = arg};
    s->queued_bytes += bytes;
}

void h2_trailers(struct h2_stream *s, const struct h2_header *headers, size_t count)
{
    struct client *c = client_of(s);
    CHECK(s->response_started);
    CHECK(!s->response_ended);
    CHECK(!c->is_closed);
    s->response_ended = true;
    c->end_count++;
    keep(c, headers, count, true);
}

/* Blocks stay lists here, with their texts behind them. */
struct h2_block h2_block_new(const struct h2_header *headers, size_t count)
{
    size_t bytes = count * sizeof *headers;
    for (size_t i = 0; i < count; i++)
        bytes += headers[i].name.n + headers[i].value.n;
    struct h2_block b = {.p = malloc(bytes), .bytes = count};
    CHECK(b.p);
    struct h2_header *list = (void *)b.p;
    char *text = (char *)(list + count);
    for (size_t i = 0; i < count; i++) {
        memcpy(text, headers[i].name.p, headers[i].name.n);
        list[i].name = (struct str){.p = text, .n = headers[i].name.n};
        text += headers[i].name.n;
        memcpy(text, headers[i].value.p, headers[i].value.n);
        list[i].value = (struct str){.p = text, .n = headers[i].value.n};
        text += headers[i].value.n;
    }
    return b;
}

void h2_block_free(struct h2_block *b)
{
    free(b->p);
}

void h2_respond_block(struct h2_stream *s, const struct h2_block *b, bool end)
{
    h2_respond(s, (const void *)b->p, b->bytes, end);
}

void h2_trailers_block(struct h2_stream *s, const struct h2_block *b)
{
    h2_trailers(s, (const void *)b->p, b->bytes);
}

void h2_reset(struct h2_stream *s, enum h2_error code)
{
    struct client *c = client_of(s);
    CHECK(!c->is_closed);
    c->is_reset = true;
    c->reset_code = code;
}

void h2_keep(struct h2_stream *s, size_t bytes)
{
    (void)s, (void)bytes;
}

size_t *h2_owned(struct h2_stream *s)
{
    return &client_of(s)->owned;
}

void h2_consume(struct h2_stream *s, size_t bytes)
{
    client_of(s)->consumed += bytes;
}

struct h2_conn_info rig_conns[RIG_CONNS_MAX];
unsigned rig_conn_count;
struct h2_listener_info rig_listener;

void h2_server_each(const struct h2_server *server,
                    void (*fn)(const struct h2_conn_info *info, void *ctx), void *ctx)
{
    (void)server;
    for (unsigned i = 0; i < rig_conn_count; i++)
        fn(&rig_conns[i], ctx);
}

void h2_server_each_listener(const struct h2_server *server,
                             void (*fn)(const struct h2_listener_info *info, void *ctx), void *ctx)
{
    (void)server;
    fn(&rig_listener, ctx);
}

unsigned rig_messages[2];

void h2_note_message(struct h2_stream *s, bool was_sent)
{
    (void)s;
    rig_messages[was_sent]++;
}

uint32_t *h2_lasting(struct h2_stream *s)
{
    static uint32_t all;
    (void)s;
    return &all;
}

struct str h2_stream_peer(const struct h2_stream *s)
{
    (void)s;
    return STR("192.0.2.7:4711");
}

uint32_t h2_stream_peer_header_list_max(const struct h2_stream *s)
{
    uint32_t max = ((const struct client *)s)->header_list_max;
    return max > 0 ? max : UINT32_MAX;
}

struct peer rig_peer = {.address = {.p = "192.0.2.7:4711", .n = 14}, .hops = 1};

const struct peer *h2_stream_who(const struct h2_stream *s)
{
    (void)s;
    return &rig_peer;
}

bool h2_stream_is_tls(const struct h2_stream *s)
{
    (void)s;
    return false;
}

/* ---- clients ---- */

struct client *client_new(void)
{
    struct client *c = calloc(1, sizeof *c);
    CHECK(c);
    c->stream.id = 1;
    server_h2_handler.on_open(&c->stream, rig.server);
    return c;
}

void client_header(struct client *c, const char *name, const char *value)
{
    server_h2_handler.on_header(&c->stream, h2_field_of(str_of(name)), str_of(name), str_of(value),
                                rig.server);
}

void client_head(struct client *c, const char *path)
{
    client_header(c, ":method", "POST");
    client_header(c, ":scheme", "http");
    client_header(c, ":path", path);
    client_header(c, ":authority", "faregate.test");
    client_header(c, "te", "trailers");
    client_header(c, "content-type", "application/grpc");
}

void client_head_end(struct client *c)
{
    server_h2_handler.on_request(&c->stream, false, rig.server);
}

/* From memory of the exact size that is gone afterwards: what the server keeps a pointer to, the
 * sanitizer finds. */
void client_data(struct client *c, const void *p, size_t bytes)
{
    uint8_t *copy = malloc(bytes + (bytes == 0));
    CHECK(copy);
    if (bytes > 0)
        memcpy(copy, p, bytes);
    server_h2_handler.on_data(&c->stream, copy, bytes, rig.server);
    free(copy);
}

void client_message(struct client *c, const void *p, size_t bytes)
{
    struct buf framed = {0};
    frame_prefix(buf_reserve(&framed, FRAME_PREFIX_BYTES), false, bytes);
    buf_commit(&framed, FRAME_PREFIX_BYTES);
    if (bytes > 0)
        buf_append(&framed, p, bytes);
    client_data(c, framed.p, buf_len(&framed));
    buf_deinit(&framed);
}

void client_end(struct client *c)
{
    c->stream.request_ended = true;
    server_h2_handler.on_end(&c->stream, rig.server);
    server_h2_handler.on_read_done(rig.server);
}

void client_take(struct client *c)
{
    for (unsigned i = 0; i < c->write_count; i++) {
        struct client_write write = c->writes[i];
        buf_append(&c->body, write.p, write.bytes);
        c->stream.queued_bytes -= write.bytes;
        if (write.on_sent)
            write.on_sent(write.arg);
    }
    c->write_count = 0;
}

void client_lose(struct client *c, uint32_t error_code, enum h2_end by)
{
    c->is_closed = true;
    server_h2_handler.on_close(&c->stream, error_code, by, rig.server);
    CHECK(!c->stream.user);
    CHECK(c->owned == 0);
}

void client_close(struct client *c, bool by_peer)
{
    if (c->is_closed)
        return;
    if (!by_peer && !c->is_reset)
        client_take(c);
    client_lose(c, by_peer ? H2_CANCEL : H2_NO_ERROR, by_peer ? H2_END_PEER : H2_END_SERVER);
}

struct client *client_free(struct client *c)
{
    client_close(c, false);
    buf_deinit(&c->body);
    free(c);
    return NULL;
}

struct client *client_call(const char *path, const void *p, size_t bytes)
{
    struct client *c = client_new();
    client_head(c, path);
    client_head_end(c);
    client_message(c, p, bytes);
    client_end(c);
    return c;
}

const char *client_field(const struct client *c, const char *name)
{
    for (unsigned i = 0; i < c->field_count; i++) {
        if (strcmp(c->names[i], name) == 0)
            return c->values[i];
    }
    return "";
}

int client_status(const struct client *c)
{
    const char *status = client_field(c, "grpc-status");
    return status[0] == '\0' ? -1 : (int)strtol(status, NULL, 10);
}
