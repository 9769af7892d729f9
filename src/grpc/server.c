/* The server object: limits, pools, the method table; draining; and calls that no client made.
 * main makes one per worker and one for the jobs. What must stay true: everything here is used on
 * the loop's thread only; server_free finds no call in flight. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/check.h"
#include "grpc/channelz.h"
#include "grpc/compress.h"
#include "grpc/internal.h"
#include "grpc/load.h"

const struct server_limits server_limits_default = {
    .message_bytes_max = 4 << 20,
    .reply_bytes_max = 4 << 20,
    .arena_bytes_max = 16 << 20,
    .message_depth_max = 32,
    .deadline_default_ms = 10000,
    .deadline_max_ms = 60000,
    .calls_max = 10000,
    .stream_queue_bytes_max = 256 << 10,
    .metadata_bytes_max = 8 << 10,
    .loop_lag_max_ms = 100,
    .queue_wait_max_ms = 100,
    .te_required = 0,
    .load_report_ms_min = 30000,
    .drain_grace_ms = 25000,
};

/* A handler that jobs run has no place in the table of methods; it gets one of its own at first
 * use. */
struct internal_method {
    struct internal_method *next;
    struct rpc_method method;
};

int64_t server_wall_ns(struct server *server)
{
    if (server->wall_turn_ns != server->loop->now_ns) {
        server->wall_turn_ns = server->loop->now_ns;
        server->wall_ns = clock_wall_ns(server->loop->clock);
    }
    return server->wall_ns;
}

/* ---- waking ---- */

/* Streams that go on in one turn of the loop: what they queue is sent, and whoever else waits is
 * heard, before the next ones go on. */
#define WAKES_PER_TURN 64

/* Wake-ups are collected and served once per turn, outside of every step. */
static void on_woken(struct loop_task *task)
{
    struct server *server = list_entry(task, struct server, wake_task);
    struct list *node;
    for (unsigned left = WAKES_PER_TURN; left > 0 && (node = list_pop(&server->woken)); left--) {
        struct call_impl *ci = list_entry(node, struct call_impl, woken);
        if (ci->is_internal && ci->phase == CALL_RECEIVING)
            call_start(ci);
        else
            call_resume_parked(ci);
    }
    if (!list_is_empty(&server->woken))
        ev_timer_start(server->loop->ev, &server->wake_later);
}

static void on_wake_later(struct ev_loop *ev, ev_timer *w, int events)
{
    (void)ev;
    (void)events;
    struct server *server = w->data;
    loop_defer(server->loop, &server->wake_task);
}

static void enqueue(struct call_impl *ci)
{
    struct server *server = ci->pub.server;
    if (list_is_empty(&ci->woken))
        list_append(&server->woken, &ci->woken);
    loop_defer(server->loop, &server->wake_task);
}

void call_wake(struct call *c)
{
    struct call_impl *ci = call_impl_of(c);
    if (ci->phase == CALL_RUNNING && (ci->parked || c->scope.in_step))
        enqueue(ci);
}

/* ---- life ---- */

void server_end_calls(struct server *server)
{
    /* Ending one call may end others: nothing is held on to but the head of what is left. */
    struct list left = server->calls;
    if (list_is_empty(&server->calls))
        return;
    left.next->prev = left.prev->next = &left;
    list_init(&server->calls);
    struct list *node;
    while ((node = list_pop(&left))) {
        list_append(&server->calls, node);
        call_interrupt(list_entry(node, struct call_impl, node), REASON_SHUTTING_DOWN);
    }
}

static void on_grace_over(struct wheel_timer *timer)
{
    server_end_calls(list_entry(timer, struct server, drain_timer));
}

int server_new_with(struct server **ret_server, struct loop *loop,
                    const struct server_limits *limits, const struct server_hooks *hooks,
                    struct registry *registry, struct obs *obs)
{
    struct server *server = calloc(1, sizeof *server);
    if (!server)
        return -ENOMEM;
    server->loop = loop;
    server->limits = *limits;
    server->hooks = *hooks;
    server->registry = registry;
    server->interceptors = interceptors_default;
    server->obs = obs;
    server->obs_other = obs ? obs_method(obs_region_of(obs), "other") : -1;
    server_counts_init(server);
    list_init(&server->calls);
    list_init(&server->pool);
    list_init(&server->arriving);
    list_init(&server->ready);
    list_init(&server->woken);
    loop_task_init(&server->wake_task, on_woken);
    ev_timer_init(&server->wake_later, on_wake_later, 0., 0.);
    server->wake_later.data = server;
    wheel_init(&server->wheel, loop);
    wheel_timer_init(&server->drain_timer, on_grace_over);
    overload_init(server);
    answer_blocks_init(&server->blocks);
    server->loads = calloc(registry->method_count + 1, sizeof server->loads[0]);
    if (!server->loads || rate_table_new(&server->rates) < 0 ||
        compressor_new(&server->compressor) < 0 || fingerprinter_new(&server->fingerprinter) < 0 ||
        load_new(&server->load) < 0 || health_new(&server->health, loop) < 0) {
        server->registry = NULL; /* still the caller's */
        server_free(server);
        return -ENOMEM;
    }
    *ret_server = server;
    return 0;
}

int server_new(struct server **ret_server, struct loop *loop, const struct server_limits *limits,
               const struct server_hooks *hooks, const struct rpc_service *const *services,
               struct obs *obs, char *error, size_t error_bytes)
{
    struct registry *registry;
    int rc = registry_new(&registry, services, limits, obs, error, error_bytes);
    if (rc < 0)
        return rc;
    rc = server_new_with(ret_server, loop, limits, hooks, registry, obs);
    if (rc < 0) {
        snprintf(error, error_bytes, "not enough memory for the server");
        registry_free(registry);
    }
    return rc;
}

struct server *server_free(struct server *server)
{
    if (!server)
        return NULL;
    CHECK(server->calls_in_flight == 0);
    wheel_deinit(&server->wheel);
    loop_task_cancel(&server->wake_task);
    ev_timer_stop(server->loop->ev, &server->wake_later);
    struct list *node;
    while ((node = list_pop(&server->pool))) {
        struct call_impl *ci = list_entry(node, struct call_impl, node);
        buf_deinit(&ci->in);
        free(ci);
    }
    while (server->internal_methods) {
        struct internal_method *next = server->internal_methods->next;
        free(server->internal_methods);
        server->internal_methods = next;
    }
    health_free(server->health);
    load_free(server->load);
    fingerprinter_free(server->fingerprinter);
    compressor_free(server->compressor);
    rate_table_free(server->rates);
    answer_blocks_deinit(&server->blocks);
    free(server->identities);
    registry_free(server->registry);
    free(server->loads);
    free(server);
    return NULL;
}

struct health *server_health(struct server *server)
{
    return server->health;
}

void server_set_connections(struct server *server, const struct h2_server *h2, unsigned worker)
{
    server->h2 = h2;
    server->worker = worker;
}

void server_open_channelz(struct server *server)
{
    for (size_t i = 0; i < server->registry->method_count; i++) {
        struct rpc_method *m = &server->registry->methods[i];
        if (m->service == &channelz_service) {
            m->policy.auth = RPC_AUTH_PUBLIC;
            m->policy.roles = 0;
        }
    }
}

void server_set_starting(struct server *server, bool is_starting)
{
    server->starting = is_starting;
}

unsigned server_calls_in_flight(const struct server *server)
{
    return server->calls_in_flight;
}

void server_drain(struct server *server)
{
    if (server->draining)
        return;
    server->draining = true;
    health_shutdown(server->health);
    list_for_each(node, &server->calls) {
        call_wake(&list_entry(node, struct call_impl, node)->pub);
    }
    wheel_set(&server->wheel, &server->drain_timer,
              server->loop->now_ns + server->limits.drain_grace_ms * NS_PER_MS);
}

/* ---- calls without a client ---- */

static const struct rpc_method *internal_method(struct server *server,
                                                const struct rpc_handler *handler)
{
    for (struct internal_method *m = server->internal_methods; m; m = m->next) {
        if (m->method.handler == handler)
            return &m->method;
    }
    struct internal_method *m = calloc(1, sizeof *m);
    CHECK(m);
    struct str name = str_of(handler->method);
    m->method = (struct rpc_method){
        .path = name,
        .full_name = name,
        .handler = handler,
        .policy.auth = RPC_AUTH_SERVICE,
        .policy.reply_bytes_max = server->limits.reply_bytes_max,
        .obs = server->obs ? obs_method(obs_region_of(server->obs), handler->method) : -1,
    };
    for (unsigned i = 0; i < RPC_STEPS_MAX; i++) {
        bool counts = i < handler->step_count && m->method.obs >= 0;
        m->method.obs_steps[i] =
            counts ? obs_step(obs_region_of(server->obs), m->method.obs, handler->steps[i].name)
                   : -1;
    }
    m->next = server->internal_methods;
    server->internal_methods = m;
    return &m->method;
}

int call_run_internal(struct server *server, const struct rpc_handler *handler, const void *request,
                      uint32_t timeout_ms, void (*on_end)(void *ctx, enum reason reason), void *ctx)
{
    if (server->draining)
        return -ESHUTDOWN;
    if (server_calls_busy(server) >= server->limits.calls_max)
        return -EAGAIN;
    struct call_impl *ci = call_new(server, NULL);
    ci->is_internal = true;
    ci->pub.method = internal_method(server, handler);
    ci->request = request;
    ci->on_end = on_end;
    ci->on_end_ctx = ctx;
    ci->counted = true;
    list_append(&server->calls, &ci->node);
    server->calls_in_flight++;
    ci->phase = CALL_RECEIVING;
    if (server->obs && ci->pub.method->obs >= 0)
        obs_call_started(server->obs, ci->pub.method->obs);
    call_arm(ci, timeout_ms * NS_PER_MS);
    enqueue(ci); /* not from here: the caller may be inside a step */
    return 0;
}
