/* channelz's questions: lists in pages, single entries, NOT_FOUND for what is not here. Called by
 * the runner. It answers for the worker that took the call: workers share no connections, and the
 * server's name says which one it is. What must stay true: only ADMIN and AIRLINE_OPS may ask,
 * unless server_open_channelz was called: it tells the addresses of peers. */
#include "grpc/channelz.h"

#include <grpc/channelz/v1/channelz.pb-c.h>
#include <unistd.h>

#include "grpc/internal.h"

#define PAGE_DEFAULT 100
#define PAGE_MAX 500

/* ---- pages ---- */

struct page {
    struct call *call;
    int64_t from;
    size_t max;
    size_t count;
    bool has_more;
    Grpc__Channelz__V1__SocketRef **refs;
};

/* False: the call has failed. */
static bool page_begin(struct page *page, struct call *c, int64_t from, int64_t max_results)
{
    if (max_results < 0) {
        call_fail_field(c, REASON_FIELD_INVALID, "max_results", "must not be negative");
        return false;
    }
    *page = (struct page){.call = c, .from = from, .max = PAGE_DEFAULT};
    if (max_results > 0)
        page->max = max_results < PAGE_MAX ? (size_t)max_results : PAGE_MAX;
    return true;
}

static Grpc__Channelz__V1__SocketRef *socket_ref(struct call *c, uint64_t id, struct str name)
{
    Grpc__Channelz__V1__SocketRef *ref = arena_alloc(&c->arena, sizeof *ref);
    grpc__channelz__v1__socket_ref__init(ref);
    ref->socket_id = channelz_socket_id(c->server->worker, id);
    ref->name = arena_dup(&c->arena, name);
    return ref;
}

static void put_conn_ref(const struct h2_conn_info *info, void *ctx)
{
    struct page *page = ctx;
    if (channelz_socket_id(page->call->server->worker, info->id) < page->from)
        return;
    if (page->count == page->max)
        page->has_more = true;
    else
        page->refs[page->count++] = socket_ref(page->call, info->id, info->peer);
}

/* ---- the server ---- */

#define LISTENERS_SHOWN_MAX 16

struct listeners {
    struct call *call;
    size_t count;
    Grpc__Channelz__V1__SocketRef **refs;
};

static void put_listener_ref(const struct h2_listener_info *info, void *ctx)
{
    struct listeners *l = ctx;
    if (l->count < LISTENERS_SHOWN_MAX)
        l->refs[l->count++] = socket_ref(l->call, info->id, info->local);
}

static Grpc__Channelz__V1__Server *server_of(struct call *c)
{
    const struct server *s = c->server;
    Grpc__Channelz__V1__Server *server = arena_alloc(&c->arena, sizeof *server);
    Grpc__Channelz__V1__ServerRef *ref = arena_alloc(&c->arena, sizeof *ref);
    Grpc__Channelz__V1__ServerData *data = arena_alloc(&c->arena, sizeof *data);
    struct listeners l = {.call = c,
                          .refs = arena_array(&c->arena, LISTENERS_SHOWN_MAX, sizeof l.refs[0])};
    grpc__channelz__v1__server__init(server);
    grpc__channelz__v1__server_ref__init(ref);
    grpc__channelz__v1__server_data__init(data);
    ref->server_id = channelz_server_id(s->worker);
    ref->name = arena_printf(&c->arena, "faregate worker %u (pid %d)", s->worker, (int)getpid());
    data->calls_started = (int64_t)s->tally.started;
    data->calls_succeeded = (int64_t)s->tally.succeeded;
    data->calls_failed = (int64_t)s->tally.failed;
    data->last_call_started_timestamp = channelz_time(c, s->tally.last_started_ns);
    h2_server_each_listener(s->h2, put_listener_ref, &l);
    server->ref = ref;
    server->data = data;
    server->n_listen_socket = l.count;
    server->listen_socket = l.refs;
    return server;
}

static bool is_here(const struct call *c, int64_t server_id)
{
    return c->server->h2 && server_id == channelz_server_id(c->server->worker);
}

static enum step get_servers(struct call *c)
{
    const Grpc__Channelz__V1__GetServersRequest *request = call_request(c);
    Grpc__Channelz__V1__GetServersResponse reply = GRPC__CHANNELZ__V1__GET_SERVERS_RESPONSE__INIT;
    struct page page;
    if (!page_begin(&page, c, request->start_server_id, request->max_results))
        return STEP_DONE;
    Grpc__Channelz__V1__Server *server = NULL;
    if (c->server->h2 && page.from <= channelz_server_id(c->server->worker)) {
        server = server_of(c);
        reply.server = &server;
        reply.n_server = 1;
    }
    reply.end = true;
    return call_reply(c, &reply.base);
}

static enum step get_server(struct call *c)
{
    const Grpc__Channelz__V1__GetServerRequest *request = call_request(c);
    Grpc__Channelz__V1__GetServerResponse reply = GRPC__CHANNELZ__V1__GET_SERVER_RESPONSE__INIT;
    if (!is_here(c, request->server_id))
        return call_fail(c, REASON_NOT_FOUND);
    reply.server = server_of(c);
    return call_reply(c, &reply.base);
}

static enum step get_server_sockets(struct call *c)
{
    const Grpc__Channelz__V1__GetServerSocketsRequest *request = call_request(c);
    Grpc__Channelz__V1__GetServerSocketsResponse reply =
        GRPC__CHANNELZ__V1__GET_SERVER_SOCKETS_RESPONSE__INIT;
    struct page page;
    if (!is_here(c, request->server_id))
        return call_fail(c, REASON_NOT_FOUND);
    if (!page_begin(&page, c, request->start_socket_id, request->max_results))
        return STEP_DONE;
    page.refs = arena_array(&c->arena, page.max, sizeof page.refs[0]);
    h2_server_each(c->server->h2, put_conn_ref, &page);
    reply.socket_ref = page.refs;
    reply.n_socket_ref = page.count;
    reply.end = !page.has_more;
    return call_reply(c, &reply.base);
}

/* ---- one socket ---- */

struct search {
    struct call *call;
    int64_t id;
    bool summary;
    Grpc__Channelz__V1__Socket *found;
};

static void take_conn(const struct h2_conn_info *info, void *ctx)
{
    struct search *s = ctx;
    if (channelz_socket_id(s->call->server->worker, info->id) == s->id)
        s->found = channelz_conn(s->call, info, s->summary);
}

static void take_listener(const struct h2_listener_info *info, void *ctx)
{
    struct search *s = ctx;
    if (channelz_socket_id(s->call->server->worker, info->id) == s->id)
        s->found = channelz_listener(s->call, info, s->summary);
}

static enum step get_socket(struct call *c)
{
    const Grpc__Channelz__V1__GetSocketRequest *request = call_request(c);
    Grpc__Channelz__V1__GetSocketResponse reply = GRPC__CHANNELZ__V1__GET_SOCKET_RESPONSE__INIT;
    struct search s = {.call = c, .id = request->socket_id, .summary = request->summary};
    if (c->server->h2) {
        h2_server_each(c->server->h2, take_conn, &s);
        h2_server_each_listener(c->server->h2, take_listener, &s);
    }
    if (!s.found)
        return call_fail(c, REASON_NOT_FOUND);
    reply.socket = s.found;
    return call_reply(c, &reply.base);
}

/* ---- channels: a server has none ---- */

static enum step get_top_channels(struct call *c)
{
    const Grpc__Channelz__V1__GetTopChannelsRequest *request = call_request(c);
    Grpc__Channelz__V1__GetTopChannelsResponse reply =
        GRPC__CHANNELZ__V1__GET_TOP_CHANNELS_RESPONSE__INIT;
    struct page page;
    if (!page_begin(&page, c, request->start_channel_id, request->max_results))
        return STEP_DONE;
    reply.end = true;
    return call_reply(c, &reply.base);
}

static enum step no_channel(struct call *c)
{
    return call_fail(c, REASON_NOT_FOUND);
}

/* ---- the service ---- */

static const struct step_def get_top_channels_steps[] = {STEP(get_top_channels)};
static const struct step_def get_servers_steps[] = {STEP(get_servers)};
static const struct step_def get_server_steps[] = {STEP(get_server)};
static const struct step_def get_server_sockets_steps[] = {STEP(get_server_sockets)};
static const struct step_def no_channel_steps[] = {STEP(no_channel)};
static const struct step_def get_socket_steps[] = {STEP(get_socket)};

static const struct rpc_handler channelz_handlers[] = {
    {.method = "GetTopChannels", .steps = get_top_channels_steps, .step_count = 1},
    {.method = "GetServers", .steps = get_servers_steps, .step_count = 1},
    {.method = "GetServer", .steps = get_server_steps, .step_count = 1},
    {.method = "GetServerSockets", .steps = get_server_sockets_steps, .step_count = 1},
    {.method = "GetChannel", .steps = no_channel_steps, .step_count = 1},
    {.method = "GetSubchannel", .steps = no_channel_steps, .step_count = 1},
    {.method = "GetSocket", .steps = get_socket_steps, .step_count = 1},
};

static const struct rpc_handler *const handlers[] = {
    &channelz_handlers[0], &channelz_handlers[1], &channelz_handlers[2], &channelz_handlers[3],
    &channelz_handlers[4], &channelz_handlers[5], &channelz_handlers[6], NULL,
};

const struct rpc_service channelz_service = {
    .descriptor = &grpc__channelz__v1__channelz__descriptor,
    .full_name = "grpc.channelz.v1.Channelz",
    .handlers = handlers,
};
