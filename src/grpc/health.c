/* grpc.health.v1.Health and the table behind it. The server owns the table; main and the database
 * layer's owner set it. What must stay true: a watcher hears of a change once, the newest state
 * wins, and at shutdown every watcher is told NOT_SERVING and then ended, so that a drain comes to
 * its end. */
#include "grpc/health.h"

#include <assert.h>
#include <errno.h>
#include <grpc/health/v1/health.pb-c.h>
#include <stdlib.h>

#include "base/check.h"
#include "base/list.h"
#include "grpc/internal.h"

#define OVERRIDES_MAX 32
#define NAME_BYTES_MAX 128
#define LIST_MAX 100 /* gRFC A90 */

static_assert((int)HEALTH_SERVING ==
                  (int)GRPC__HEALTH__V1__HEALTH_CHECK_RESPONSE__SERVING_STATUS__SERVING,
              "numbers of health.proto");
static_assert((int)HEALTH_SERVICE_UNKNOWN ==
                  (int)GRPC__HEALTH__V1__HEALTH_CHECK_RESPONSE__SERVING_STATUS__SERVICE_UNKNOWN,
              "numbers of health.proto");

struct override {
    char name[NAME_BYTES_MAX];
    enum health_status status;
};

struct health {
    struct loop *loop;
    bool is_ready;
    bool is_shut;
    struct override overrides[OVERRIDES_MAX];
    unsigned override_count;
    struct list watchers; /* struct watch */
};

/* ---- the table ---- */

struct watch {
    struct list node; /* in health->watchers */
    struct call *call;
    bool is_linked;
    enum health_status sent; /* what the client was last told */
    bool has_sent;
};

int health_new(struct health **ret_health, struct loop *loop)
{
    struct health *h = calloc(1, sizeof *h);
    if (!h)
        return -ENOMEM;
    h->loop = loop;
    list_init(&h->watchers);
    *ret_health = h;
    return 0;
}

struct health *health_free(struct health *h)
{
    if (!h)
        return NULL;
    CHECK(list_is_empty(&h->watchers));
    free(h);
    return NULL;
}

static void wake_watchers(struct health *h)
{
    list_for_each(node, &h->watchers)
        call_wake(list_entry(node, struct watch, node)->call);
}

void health_set_ready(struct health *h, bool is_ready)
{
    if (h->is_shut || h->is_ready == is_ready)
        return;
    h->is_ready = is_ready;
    wake_watchers(h);
}

bool health_is_ready(const struct health *h)
{
    return h->is_ready && !h->is_shut;
}

static struct override *find_override(const struct health *h, struct str name)
{
    for (unsigned i = 0; i < h->override_count; i++)
        if (str_eq(str_of(h->overrides[i].name), name))
            return (struct override *)(uintptr_t)&h->overrides[i];
    return NULL;
}

int health_set(struct health *h, struct str name, enum health_status status)
{
    struct override *o = find_override(h, name);
    CHECK(status == HEALTH_UNKNOWN || status == HEALTH_SERVING || status == HEALTH_NOT_SERVING);
    CHECK(name.n < NAME_BYTES_MAX);
    if (h->is_shut)
        return 0;
    if (!o && status == HEALTH_UNKNOWN)
        return 0;
    if (!o) {
        if (h->override_count == OVERRIDES_MAX)
            return -ENOSPC;
        o = &h->overrides[h->override_count++];
        memcpy(o->name, name.p, name.n);
        o->name[name.n] = '\0';
    }
    o->status = status;
    if (status == HEALTH_UNKNOWN)
        *o = h->overrides[--h->override_count];
    wake_watchers(h);
    return 0;
}

void health_shutdown(struct health *h)
{
    if (h->is_shut)
        return;
    h->is_shut = true;
    wake_watchers(h);
}

enum health_status health_get(const struct health *h, const struct registry *registry,
                              struct str name)
{
    const struct override *o = find_override(h, name);
    bool is_server = name.n == 0 || str_eq(name, STR("readiness"));
    bool is_liveness = str_eq(name, STR("liveness"));
    if (!o && !is_server && !is_liveness && !registry_has_service(registry, name))
        return HEALTH_SERVICE_UNKNOWN;
    if (h->is_shut)
        return HEALTH_NOT_SERVING;
    if (o)
        return o->status;
    return is_liveness || h->is_ready ? HEALTH_SERVING : HEALTH_NOT_SERVING;
}

/* ---- Check ---- */

static enum health_status status_asked(const struct call *c,
                                       const Grpc__Health__V1__HealthCheckRequest *request)
{
    return health_get(c->server->health, c->server->registry, str_of(request->service));
}

static enum step check(struct call *c)
{
    Grpc__Health__V1__HealthCheckResponse reply = GRPC__HEALTH__V1__HEALTH_CHECK_RESPONSE__INIT;
    enum health_status status = status_asked(c, call_request(c));
    if (status == HEALTH_SERVICE_UNKNOWN)
        return call_fail(c, REASON_NOT_FOUND);
    reply.status = (Grpc__Health__V1__HealthCheckResponse__ServingStatus)status;
    return call_reply(c, &reply.base);
}

/* ---- List ---- */

struct listing {
    Grpc__Health__V1__HealthListResponse reply;
    Grpc__Health__V1__HealthListResponse__StatusesEntry *entries[LIST_MAX];
    Grpc__Health__V1__HealthListResponse__StatusesEntry entry[LIST_MAX];
    Grpc__Health__V1__HealthCheckResponse status[LIST_MAX];
};

/* False when there is no more room. */
static bool list_name(struct call *c, struct listing *s, struct str name)
{
    size_t n = s->reply.n_statuses;
    for (size_t i = 0; i < n; i++)
        if (str_eq(str_of(s->entry[i].key), name))
            return true;
    if (n == LIST_MAX)
        return false;
    grpc__health__v1__health_check_response__init(&s->status[n]);
    s->status[n].status = (Grpc__Health__V1__HealthCheckResponse__ServingStatus)health_get(
        c->server->health, c->server->registry, name);
    grpc__health__v1__health_list_response__statuses_entry__init(&s->entry[n]);
    s->entry[n].key = arena_dup(&c->arena, name);
    s->entry[n].value = &s->status[n];
    s->entries[n] = &s->entry[n];
    s->reply.n_statuses++;
    return true;
}

static enum step list(struct call *c)
{
    static const struct str standard[] = {{"", 0}, {"liveness", 8}, {"readiness", 9}};
    struct listing *s = c->state;
    const struct health *h = c->server->health;
    const struct registry *r = c->server->registry;
    bool fits = true;
    grpc__health__v1__health_list_response__init(&s->reply);
    s->reply.statuses = s->entries;
    for (size_t i = 0; i < sizeof standard / sizeof standard[0]; i++)
        fits &= list_name(c, s, standard[i]);
    for (size_t i = 0; fits && i < r->service_count; i++)
        fits = list_name(c, s, r->services[i]);
    for (unsigned i = 0; fits && i < h->override_count; i++)
        fits = list_name(c, s, str_of(h->overrides[i].name));
    if (!fits)
        return call_fail(c, REASON_MESSAGE_TOO_LARGE);
    return call_reply(c, &s->reply.base);
}

/* ---- Watch ---- */

static void watch_end(void *arg)
{
    struct watch *w = arg;
    list_remove(&w->node);
}

/* Runs at the start, and again whenever the table changed or the client took what was queued.
 * Nothing is queued behind a message that the client has not taken: what it reads next is the
 * newest state, not the history. */
static enum step watch(struct call *c)
{
    struct watch *w = c->state;
    if (!w->is_linked) {
        w->call = c;
        w->is_linked = true;
        list_append(&c->server->health->watchers, &w->node);
        call_defer(c, watch_end, w);
    }
    if (call_impl_of(c)->streamed_bytes > 0)
        return STEP_PARK;
    enum health_status status = status_asked(c, call_request(c));
    if (!w->has_sent || status != w->sent) {
        Grpc__Health__V1__HealthCheckResponse reply = GRPC__HEALTH__V1__HEALTH_CHECK_RESPONSE__INIT;
        reply.status = (Grpc__Health__V1__HealthCheckResponse__ServingStatus)status;
        w->sent = status;
        w->has_sent = true;
        call_send(c, &reply.base);
        return STEP_PARK;
    }
    /* The last word was taken; a watch that stayed open would hold up the drain for ever. */
    if (call_draining(c))
        return call_fail(c, REASON_SHUTTING_DOWN);
    return STEP_PARK;
}

/* ---- the service ---- */

static const struct step_def check_steps[] = {STEP(check)};
static const struct step_def list_steps[] = {STEP(list)};
static const struct step_def watch_steps[] = {STEP(watch)};

static const struct rpc_handler health_check = {
    .method = "Check",
    .steps = check_steps,
    .step_count = 1,
};

static const struct rpc_handler health_list = {
    .method = "List",
    RPC_STEPS(list_steps, struct listing),
};

static const struct rpc_handler health_watch = {
    .method = "Watch",
    RPC_STEPS(watch_steps, struct watch),
};

static const struct rpc_handler *const handlers[] = {&health_check, &health_list, &health_watch,
                                                     NULL};

const struct rpc_service health_service = {
    .descriptor = &grpc__health__v1__health__descriptor,
    .full_name = "grpc.health.v1.Health",
    .handlers = handlers,
};
