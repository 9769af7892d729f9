/* The method table: proto services paired with handlers at boot, one hash look-up per call
 * afterwards. server_new builds it; intake calls registry_find. What must stay true: every method
 * of a service that is served has a handler and every handler a method, or the server does not
 * start; read-only once built. */
#include <assert.h>
#include <errno.h>
#include <faregate/v1/options.pb-c.h>
#include <google/protobuf/descriptor.pb-c.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/check.h"
#include "grpc/channelz.h"
#include "grpc/descriptors.h"
#include "grpc/health.h"
#include "grpc/internal.h"
#include "grpc/options.h"
#include "grpc/orca.h"
#include "grpc/reflection.h"
#include "grpc/rules.h"

#define ROLES_STAFF (~(1u << ROLE_TRAVELLER) & 0xfeu)
/* What a stranger may ask of reflection and health: small questions. */
#define STANDARD_REQUEST_BYTES_MAX 65536u

static const struct rpc_service *const standard_services[] = {
    &health_service,   &reflection_service, &reflection_v1alpha_service,
    &channelz_service, &orca_service,
};

#define STANDARD_COUNT (sizeof standard_services / sizeof standard_services[0])

static_assert((int)RPC_AUTH_PUBLIC == (int)FAREGATE__V1__AUTH__AUTH_PUBLIC,
              "numbers of options.proto");
static_assert((int)RPC_AUTH_USER == (int)FAREGATE__V1__AUTH__AUTH_USER, "numbers of options.proto");
static_assert((int)RPC_AUTH_STAFF == (int)FAREGATE__V1__AUTH__AUTH_STAFF,
              "numbers of options.proto");
static_assert((int)RPC_AUTH_SERVICE == (int)FAREGATE__V1__AUTH__AUTH_SERVICE,
              "numbers of options.proto");
static_assert((int)RPC_CRITICALITY_LOW == (int)FAREGATE__V1__CRITICALITY__CRITICALITY_LOW,
              "numbers of options.proto");
static_assert((int)RPC_CRITICALITY_HIGH == (int)FAREGATE__V1__CRITICALITY__CRITICALITY_HIGH,
              "numbers of options.proto");
static_assert((int)ROLE_TRAVELLER == (int)FAREGATE__V1__ROLE__ROLE_TRAVELLER,
              "numbers of options.proto");
static_assert((int)ROLE_SERVICE == (int)FAREGATE__V1__ROLE__ROLE_SERVICE,
              "numbers of options.proto");

struct building {
    struct registry *registry;
    struct descriptors *d;
    const struct server_limits *limits;
    struct obs *obs;
    const struct message_rules *rules;
    char *error;
    size_t error_bytes;
};

__attribute__((format(printf, 2, 3))) static int refuse(struct building *b, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(b->error, b->error_bytes, format, args);
    va_end(args);
    return -EINVAL;
}

/* ---- look-up ---- */

static struct str service_of(const struct rpc_method *m)
{
    struct str rest = m->full_name;
    return str_cut(&rest, '/');
}

static void index_services(struct registry *r)
{
    free(r->services);
    r->services = calloc(r->method_count + 1, sizeof r->services[0]);
    CHECK(r->services);
    r->service_count = 0;
    for (size_t i = 0; i < r->method_count; i++) {
        struct str name = service_of(&r->methods[i]);
        if (!registry_has_service(r, name))
            r->services[r->service_count++] = name;
    }
}

int registry_index(struct registry *r)
{
    size_t slots = 16;
    while (slots < r->method_count * 2)
        slots *= 2;
    free(r->slots);
    r->slots = calloc(slots, sizeof r->slots[0]);
    CHECK(r->slots);
    r->slot_mask = slots - 1;
    for (size_t i = 0; i < r->method_count; i++) {
        if (registry_find(r, r->methods[i].path))
            return -EEXIST;
        size_t at = str_hash(r->methods[i].path) & r->slot_mask;
        while (r->slots[at] != 0)
            at = (at + 1) & r->slot_mask;
        r->slots[at] = (uint32_t)i + 1;
    }
    index_services(r);
    return 0;
}

const struct rpc_method *registry_find(const struct registry *r, struct str path)
{
    for (size_t at = str_hash(path) & r->slot_mask; r->slots[at] != 0;
         at = (at + 1) & r->slot_mask) {
        const struct rpc_method *m = &r->methods[r->slots[at] - 1];
        if (str_eq(m->path, path))
            return m;
    }
    return NULL;
}

bool registry_has_service(const struct registry *r, struct str full_name)
{
    for (size_t i = 0; i < r->service_count; i++)
        if (str_eq(r->services[i], full_name))
            return true;
    return false;
}

struct registry *registry_free(struct registry *r)
{
    if (!r)
        return NULL;
    free(r->methods);
    free(r->services);
    free(r->slots);
    descriptors_free(r->descriptors);
    free(r);
    return NULL;
}

/* ---- one method ---- */

static const struct rpc_handler *handler_of(const struct rpc_service *service, const char *method)
{
    for (const struct rpc_handler *const *h = service->handlers; *h; h++)
        if (strcmp((*h)->method, method) == 0)
            return *h;
    return NULL;
}

static uint32_t at_most(uint32_t wanted, uint32_t limit)
{
    return wanted == 0 || wanted > limit ? limit : wanted;
}

/* The standard services have no policy of ours: anyone may ask them, a little at a time; but
 * addresses of peers are not for everyone. Foreign ones have none either: their messages may
 * be as large as any, their calls as long as the client allows. */
static void standard_policy(struct building *b, struct rpc_method *m)
{
    bool is_foreign = m->service->is_foreign;
    bool is_endless = is_foreign || m->server_streaming || m->client_streaming;
    uint32_t request_bytes_max = is_foreign ? 0 : STANDARD_REQUEST_BYTES_MAX;
    m->policy = (struct rpc_policy){
        .auth = RPC_AUTH_PUBLIC,
        .deadline_default_ms = is_endless ? 0 : b->limits->deadline_default_ms,
        .deadline_max_ms = is_endless ? 0 : b->limits->deadline_max_ms,
        .request_bytes_max = at_most(request_bytes_max, b->limits->message_bytes_max),
        .reply_bytes_max = b->limits->reply_bytes_max,
        .lasts = is_endless && !is_foreign,
        .is_local = !is_foreign,
        /* A busy server must not look like a dead one. */
        .criticality = m->service == &health_service ? RPC_CRITICALITY_HIGH : RPC_CRITICALITY_LOW,
    };
    if (m->service != &channelz_service)
        return;
    m->policy.auth = RPC_AUTH_STAFF;
    m->policy.roles = 1u << ROLE_ADMIN | 1u << ROLE_AIRLINE_OPS;
}

static uint32_t role_bits(const Faregate__V1__MethodPolicy *p)
{
    uint32_t roles = 0;
    for (size_t i = 0; i < p->n_roles; i++)
        roles |= 1u << p->roles[i];
    if (p->auth == FAREGATE__V1__AUTH__AUTH_STAFF && roles == 0)
        roles = ROLES_STAFF;
    if (p->auth == FAREGATE__V1__AUTH__AUTH_SERVICE)
        roles = 1u << ROLE_SERVICE;
    return roles;
}

static enum rpc_criticality criticality_of(const Faregate__V1__MethodPolicy *p)
{
    return p->criticality == FAREGATE__V1__CRITICALITY__CRITICALITY_UNSPECIFIED
               ? RPC_CRITICALITY_NORMAL
               : (enum rpc_criticality)p->criticality;
}

/* 0: none, which only streams have. */
static uint32_t deadline_default_ms(const Faregate__V1__MethodPolicy *p,
                                    const struct server_limits *limits, uint32_t max_ms)
{
    if (p->timeout_ms_default > 0)
        return max_ms > 0 ? at_most(p->timeout_ms_default, max_ms) : p->timeout_ms_default;
    return max_ms > 0 ? at_most(limits->deadline_default_ms, max_ms) : 0;
}

static int method_policy(struct building *b, const Google__Protobuf__MethodDescriptorProto *proto,
                         struct rpc_method *m)
{
    const Faregate__V1__MethodPolicy *p;
    const struct server_limits *limits = b->limits;
    if (options_of_method(&b->d->arena, proto, &p) < 0)
        return refuse(b, "%s: its policy cannot be parsed", m->full_name.p);
    bool is_ours = !m->service->is_foreign && !str_starts(m->full_name, STR("grpc.")) &&
                   !str_starts(m->full_name, STR("xds."));
    if (!p && !is_ours) {
        standard_policy(b, m);
        return 0;
    }
    if (!p || p->auth == FAREGATE__V1__AUTH__AUTH_UNSPECIFIED)
        return refuse(b, "%s: its policy does not state who may call it", m->full_name.p);
    bool is_stream = m->server_streaming || m->client_streaming;
    uint32_t deadline_max_ms = is_stream && p->timeout_ms_max == 0
                                   ? 0
                                   : at_most(p->timeout_ms_max, limits->deadline_max_ms);
    m->policy = (struct rpc_policy){
        .auth = (enum rpc_auth)p->auth,
        .is_idempotent = p->idempotent,
        .changes_nothing = proto->options &&
                           proto->options->idempotency_level ==
                               GOOGLE__PROTOBUF__METHOD_OPTIONS__IDEMPOTENCY_LEVEL__NO_SIDE_EFFECTS,
        .no_compression = p->no_compress,
        .roles = role_bits(p),
        .deadline_default_ms = deadline_default_ms(p, limits, deadline_max_ms),
        .deadline_max_ms = deadline_max_ms,
        .request_bytes_max = at_most(p->request_bytes_max, limits->message_bytes_max),
        .reply_bytes_max = at_most(p->reply_bytes_max, limits->reply_bytes_max),
        .criticality = criticality_of(p),
        .rate_per_minute_max = p->rate_per_minute_max,
        .in_flight_max = p->in_flight_max,
    };
    return 0;
}

static int find_request_id(struct building *b, struct rpc_method *m)
{
    const ProtobufCFieldDescriptor *f =
        protobuf_c_message_descriptor_get_field_by_name(m->request, "request_id");
    if (f && f->type == PROTOBUF_C_TYPE_STRING && f->label != PROTOBUF_C_LABEL_REPEATED) {
        m->request_id_tag = (int)f->id;
        m->request_id_offset = f->offset;
    }
    if (m->policy.is_idempotent && m->request_id_tag == 0)
        return refuse(b, "%s: idempotent, but its request has no request_id", m->full_name.p);
    return 0;
}

static int count_steps(struct building *b, struct rpc_method *m)
{
    m->obs = -1;
    for (unsigned i = 0; i < RPC_STEPS_MAX; i++)
        m->obs_steps[i] = -1;
    if (m->handler->step_count == 0 || m->handler->step_count > RPC_STEPS_MAX)
        return refuse(b, "%s: has %u steps; 1 to %d are possible", m->full_name.p,
                      m->handler->step_count, RPC_STEPS_MAX);
    if (!b->obs)
        return 0;
    struct obs_region *region = obs_region_of(b->obs);
    m->obs = obs_method(region, m->full_name.p);
    if (m->obs < 0)
        return refuse(b, "%s: more methods than can be counted", m->full_name.p);
    for (unsigned i = 0; i < m->handler->step_count; i++) {
        m->obs_steps[i] = obs_step(region, m->obs, m->handler->steps[i].name);
        if (m->obs_steps[i] < 0)
            return refuse(b, "%s: more steps than can be counted", m->full_name.p);
    }
    return 0;
}

static int add_method(struct building *b, const struct rpc_service *service,
                      const Google__Protobuf__MethodDescriptorProto *proto)
{
    struct rpc_method *m = &b->registry->methods[b->registry->method_count];
    const ProtobufCMethodDescriptor *generated =
        protobuf_c_service_descriptor_get_method_by_name(service->descriptor, proto->name);
    m->path = str_of(arena_printf(&b->d->arena, "/%s/%s", service->full_name, proto->name));
    m->full_name = (struct str){.p = m->path.p + 1, .n = m->path.n - 1};
    if (!generated)
        return refuse(b, "%s: the descriptor set and the generated code differ; run ninja gen",
                      m->full_name.p);
    m->service = service;
    m->handler = handler_of(service, proto->name);
    if (!m->handler && service->is_foreign)
        return 0; /* "unknown method", as if it were not there */
    if (!m->handler)
        return refuse(b, "%s: has no handler", m->full_name.p);
    m->request = generated->input;
    m->reply = generated->output;
    m->client_streaming = proto->client_streaming;
    m->server_streaming = proto->server_streaming;
    int rc = method_policy(b, proto, m);
    if (rc == 0)
        rc = rules_compile(b->d, m->request, &b->rules, &m->rules, b->error, b->error_bytes);
    if (rc == 0)
        rc = find_request_id(b, m);
    if (rc == 0)
        rc = count_steps(b, m);
    if (rc == 0)
        b->registry->method_count++;
    return rc;
}

/* ---- all of them ---- */

static int add_service(struct building *b, const struct rpc_service *service)
{
    const Google__Protobuf__ServiceDescriptorProto *proto =
        descriptors_proto(b->d, SYMBOL_SERVICE, str_of(service->full_name));
    if (!proto)
        return refuse(b, "%s: no such service in the .proto files", service->full_name);
    if (!service->descriptor)
        return refuse(b, "%s: has no generated descriptor", service->full_name);
    for (size_t i = 0; i < proto->n_method; i++) {
        int rc = add_method(b, service, proto->method[i]);
        if (rc < 0)
            return rc;
    }
    for (const struct rpc_handler *const *h = service->handlers; *h; h++) {
        if (!protobuf_c_service_descriptor_get_method_by_name(service->descriptor, (*h)->method))
            return refuse(b, "%s/%s: a handler without a method", service->full_name, (*h)->method);
        for (const struct rpc_handler *const *other = h + 1; *other; other++)
            if (strcmp((*h)->method, (*other)->method) == 0)
                return refuse(b, "%s/%s: two handlers", service->full_name, (*h)->method);
    }
    return 0;
}

static size_t count_methods(const struct rpc_service *const *services)
{
    size_t count = 0;
    for (const struct rpc_service *const *s = services; *s; s++)
        count += (*s)->descriptor ? (*s)->descriptor->n_methods : 0;
    for (size_t i = 0; i < STANDARD_COUNT; i++)
        count += standard_services[i]->descriptor->n_methods;
    return count;
}

int registry_new(struct registry **ret_registry, const struct rpc_service *const *services,
                 const struct server_limits *limits, struct obs *obs, char *error,
                 size_t error_bytes)
{
    return registry_new_of(ret_registry, descriptors_embedded(), services, limits, obs, error,
                           error_bytes);
}

int registry_new_of(struct registry **ret_registry, struct str set,
                    const struct rpc_service *const *services, const struct server_limits *limits,
                    struct obs *obs, char *error, size_t error_bytes)
{
    struct building b = {.limits = limits, .obs = obs, .error = error, .error_bytes = error_bytes};
    int rc = descriptors_new(&b.d, set, error, error_bytes);
    if (rc < 0)
        return rc;
    struct registry *r = calloc(1, sizeof *r);
    CHECK(r);
    r->descriptors = b.d;
    /* One more than the generated code knows, so that a mismatch is reported and not overrun. */
    r->methods = calloc(count_methods(services) + 1, sizeof r->methods[0]);
    CHECK(r->methods);
    b.registry = r;
    for (const struct rpc_service *const *s = services; rc == 0 && *s; s++)
        rc = add_service(&b, *s);
    for (size_t i = 0; rc == 0 && i < STANDARD_COUNT; i++)
        rc = add_service(&b, standard_services[i]);
    if (rc == 0 && registry_index(r) < 0)
        rc = refuse(&b, "a service is named twice");
    if (rc < 0) {
        registry_free(r);
        return rc;
    }
    *ret_registry = r;
    return 0;
}
