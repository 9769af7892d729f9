/* The registry: methods, policies and rules out of the descriptor set; handlers paired with them or
 * the boot refused. Uses the real AuthService with handlers that do nothing. */
#include <errno.h>
#include <faregate/v1/auth_service.pb-c.h>
#include <faregate/v1/payment_service.pb-c.h>
#include <stdlib.h>
#include <string.h>

#include "grpc/descriptors.h"
#include "grpc/internal.h"
#include "grpc/rules.h"
#include "support/test.h"

static enum step nothing(struct call *c)
{
    return call_reply(c, NULL);
}

static const struct step_def steps[] = {STEP(nothing)};

#define HANDLER(name)                                                                              \
    {                                                                                              \
        .method = name, .steps = steps, .step_count = 1                                            \
    }

static const struct rpc_handler auth[] = {
    HANDLER("CreateUser"),       HANDLER("CreateSession"), HANDLER("RefreshSession"),
    HANDLER("GetUser"),          HANDLER("ListSessions"),  HANDLER("DeleteSession"),
    HANDLER("GetJsonWebKeySet"), HANDLER("MakeCoffee"),
};

static const struct rpc_handler *const whole[] = {&auth[0], &auth[1], &auth[2], &auth[3],
                                                  &auth[4], &auth[5], &auth[6], NULL};
static const struct rpc_handler *const missing[] = {&auth[0], &auth[1], &auth[2], &auth[4],
                                                    &auth[5], &auth[6], NULL};
static const struct rpc_handler *const extra[] = {&auth[0], &auth[1], &auth[2], &auth[3], &auth[4],
                                                  &auth[5], &auth[6], &auth[7], NULL};
static const struct rpc_handler *const twice[] = {&auth[0], &auth[1], &auth[2], &auth[3], &auth[4],
                                                  &auth[5], &auth[6], &auth[0], NULL};

static char error[200];

static int build(struct registry **ret_registry, const struct rpc_handler *const *handlers)
{
    struct rpc_service service = {
        .descriptor = &faregate__v1__auth_service__descriptor,
        .full_name = "faregate.v1.AuthService",
        .handlers = handlers,
    };
    const struct rpc_service *const services[] = {&service, NULL};
    error[0] = '\0';
    return registry_new(ret_registry, services, &server_limits_default, NULL, error, sizeof error);
}

TEST(registry, finds_every_method_by_path)
{
    struct registry *r;
    ASSERT_INT_EQ(build(&r, whole), 0);
    for (size_t i = 0; i < r->method_count; i++)
        ASSERT_PTR_EQ(registry_find(r, r->methods[i].path), &r->methods[i]);
    const struct rpc_method *m = registry_find(r, STR("/faregate.v1.AuthService/CreateUser"));
    ASSERT_NOT_NULL(m);
    ASSERT_VIEW_EQ(m->full_name, "faregate.v1.AuthService/CreateUser");
    ASSERT_PTR_EQ(m->request, &faregate__v1__create_user_request__descriptor);
    ASSERT_PTR_EQ(m->reply, &faregate__v1__user__descriptor);
    ASSERT_NULL(registry_find(r, STR("/faregate.v1.AuthService/createUser")));
    ASSERT_NULL(registry_find(r, STR("/faregate.v1.AuthService/")));
    ASSERT_NULL(registry_find(r, STR("")));
    ASSERT_TRUE(registry_has_service(r, STR("faregate.v1.AuthService")));
    ASSERT_FALSE(registry_has_service(r, STR("faregate.v1.Auth")));
    registry_free(r);
}

TEST(registry, reads_the_policy_of_a_method)
{
    struct registry *r;
    ASSERT_INT_EQ(build(&r, whole), 0);
    const struct rpc_policy *p =
        &registry_find(r, STR("/faregate.v1.AuthService/CreateSession"))->policy;
    ASSERT_INT_EQ(p->auth, RPC_AUTH_PUBLIC);
    ASSERT_TRUE(p->is_idempotent);
    ASSERT_TRUE(p->no_compression);
    ASSERT_INT_EQ(p->deadline_max_ms, 10000);
    ASSERT_INT_EQ(p->request_bytes_max, 8192);
    ASSERT_INT_EQ(p->rate_per_minute_max, 600);
    p = &registry_find(r, STR("/faregate.v1.AuthService/GetUser"))->policy;
    ASSERT_INT_EQ(p->auth, RPC_AUTH_USER);
    ASSERT_FALSE(p->is_idempotent);
    ASSERT_INT_EQ(p->roles, 0);
    ASSERT_TRUE(p->deadline_default_ms > 0 && p->deadline_default_ms <= p->deadline_max_ms);
    registry_free(r);
}

/* No method of ours states timeout_ms_default (tag 0x50): in a copy of the descriptor set GetUser's
 * timeout_ms_max of 5000 (tag 0x10) becomes one. */
TEST(registry, grants_the_policys_own_deadline_to_calls_that_bring_none)
{
    static const struct rpc_service service = {.descriptor =
                                                   &faregate__v1__auth_service__descriptor,
                                               .full_name = "faregate.v1.AuthService",
                                               .handlers = whole};
    static const struct rpc_service *const services[] = {&service, NULL};
    static const uint32_t longest_ms[] = {60000, 4000};
    struct str embedded = descriptors_embedded();
    char *set = malloc(embedded.n);
    memcpy(set, embedded.p, embedded.n);
    char *method = memmem(set, embedded.n, "\n\x07GetUser\x12", 10);
    ASSERT_NOT_NULL(method);
    char *tag = memmem(method, 200, "\x10\x88\x27", 3);
    ASSERT_NOT_NULL(tag);
    *tag = 0x50;
    for (int i = 0; i < 2; i++) {
        struct server_limits limits = server_limits_default;
        struct registry *r;
        limits.deadline_max_ms = longest_ms[i];
        ASSERT_INT_EQ(registry_new_of(&r, (struct str){.p = set, .n = embedded.n}, services,
                                      &limits, NULL, error, sizeof error),
                      0);
        const struct rpc_policy *p =
            &registry_find(r, STR("/faregate.v1.AuthService/GetUser"))->policy;
        ASSERT_INT_EQ(p->deadline_max_ms, longest_ms[i]);
        ASSERT_INT_EQ(p->deadline_default_ms, i == 0 ? 5000 : 4000);
        p = &registry_find(r, STR("/faregate.v1.AuthService/CreateUser"))->policy;
        ASSERT_INT_EQ(p->deadline_default_ms, i == 0 ? limits.deadline_default_ms : 4000);
        registry_free(r);
    }
    free(set);
}

/* 1.3: what carries tokens or money is never compressed beside text that a caller chose (CRIME).
 * 3.4: search is refused first, money and health last. Read from every method of the .proto files.
 */
TEST(registry, reads_compression_and_criticality_of_every_method)
{
    static const struct {
        const char *path;
        enum rpc_criticality level;
    } levels[] = {
        {"/grpc.health.v1.Health/Check", RPC_CRITICALITY_HIGH},
        {"/grpc.health.v1.Health/Watch", RPC_CRITICALITY_HIGH},
        {"/grpc.reflection.v1.ServerReflection/ServerReflectionInfo", RPC_CRITICALITY_LOW},
        {"/faregate.v1.AuthService/CreateSession", RPC_CRITICALITY_NORMAL},
        {"/faregate.v1.PaymentService/ConfirmPaymentIntent", RPC_CRITICALITY_HIGH},
        {"/faregate.v1.PaymentService/GetPaymentIntent", RPC_CRITICALITY_NORMAL},
    };
    static const struct rpc_handler payment[] = {
        HANDLER("CreatePaymentIntent"), HANDLER("ConfirmPaymentIntent"),
        HANDLER("GetPaymentIntent"),    HANDLER("CreateRefund"),
        HANDLER("GetRefund"),
    };
    static const struct rpc_handler *const payments[] = {&payment[0], &payment[1], &payment[2],
                                                         &payment[3], &payment[4], NULL};
    const struct rpc_service auth_service = {.descriptor = &faregate__v1__auth_service__descriptor,
                                             .full_name = "faregate.v1.AuthService",
                                             .handlers = whole};
    const struct rpc_service payment_service = {.descriptor =
                                                    &faregate__v1__payment_service__descriptor,
                                                .full_name = "faregate.v1.PaymentService",
                                                .handlers = payments};
    const struct rpc_service *const both[] = {&auth_service, &payment_service, NULL};
    struct registry *r;
    ASSERT_INT_EQ(registry_new(&r, both, &server_limits_default, NULL, error, sizeof error), 0);
    for (size_t i = 0; i < r->method_count; i++) {
        bool is_ours = str_starts(r->methods[i].full_name, STR("faregate."));
        if (is_ours && !r->methods[i].policy.no_compression)
            FAIL(r->methods[i].full_name.p);
        ASSERT_INT_IN(r->methods[i].policy.criticality, RPC_CRITICALITY_LOW, RPC_CRITICALITY_HIGH);
        ASSERT_TRUE(r->methods[i].policy.reply_bytes_max > 0);
    }
    for (size_t i = 0; i < sizeof levels / sizeof levels[0]; i++)
        ASSERT_INT_EQ(registry_find(r, str_of(levels[i].path))->policy.criticality,
                      levels[i].level);
    registry_free(r);
}

TEST(registry, knows_where_the_request_id_is)
{
    struct registry *r;
    ASSERT_INT_EQ(build(&r, whole), 0);
    const struct rpc_method *m = registry_find(r, STR("/faregate.v1.AuthService/DeleteSession"));
    ASSERT_INT_EQ(m->request_id_tag, 15);
    ASSERT_INT_EQ(m->request_id_offset, offsetof(Faregate__V1__DeleteSessionRequest, request_id));
    ASSERT_INT_EQ(registry_find(r, STR("/faregate.v1.AuthService/GetUser"))->request_id_tag, 0);
    registry_free(r);
}

TEST(registry, adds_health_and_reflection)
{
    struct registry *r;
    ASSERT_INT_EQ(build(&r, whole), 0);
    const struct rpc_method *watch = registry_find(r, STR("/grpc.health.v1.Health/Watch"));
    ASSERT_NOT_NULL(watch);
    ASSERT_TRUE(watch->server_streaming);
    ASSERT_FALSE(watch->client_streaming);
    ASSERT_INT_EQ(watch->policy.auth, RPC_AUTH_PUBLIC);
    ASSERT_INT_EQ(watch->policy.deadline_max_ms, 0);
    const struct rpc_method *info =
        registry_find(r, STR("/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo"));
    ASSERT_NOT_NULL(info);
    ASSERT_TRUE(info->server_streaming && info->client_streaming);
    ASSERT_NOT_NULL(
        registry_find(r, STR("/grpc.reflection.v1.ServerReflection/ServerReflectionInfo")));
    const struct rpc_method *socket = registry_find(r, STR("/grpc.channelz.v1.Channelz/GetSocket"));
    ASSERT_NOT_NULL(socket); /* it tells the addresses of peers */
    ASSERT_INT_EQ(socket->policy.auth, RPC_AUTH_STAFF);
    ASSERT_INT_EQ(socket->policy.roles, 1u << ROLE_ADMIN | 1u << ROLE_AIRLINE_OPS);
    registry_free(r);
}

TEST(registry, refuses_a_method_without_a_handler)
{
    struct registry *r;
    ASSERT_INT_EQ(build(&r, missing), -EINVAL);
    ASSERT_STR_EQ(error, "faregate.v1.AuthService/GetUser: has no handler");
}

/* A .proto of somebody else may have more methods than are served. */
TEST(registry, serves_a_foreign_service_as_far_as_it_has_handlers)
{
    static const struct rpc_service service = {
        .descriptor = &faregate__v1__auth_service__descriptor,
        .full_name = "faregate.v1.AuthService",
        .handlers = missing,
        .is_foreign = true,
    };
    static const struct rpc_service *const services[] = {&service, NULL};
    struct registry *r;
    ASSERT_INT_EQ(registry_new(&r, services, &server_limits_default, NULL, error, sizeof error), 0);
    ASSERT_NOT_NULL(registry_find(r, STR("/faregate.v1.AuthService/CreateUser")));
    ASSERT_NULL(registry_find(r, STR("/faregate.v1.AuthService/GetUser")));
    ASSERT_TRUE(registry_has_service(r, STR("faregate.v1.AuthService")));
    registry_free(r);
}

TEST(registry, refuses_a_handler_without_a_method)
{
    struct registry *r;
    ASSERT_INT_EQ(build(&r, extra), -EINVAL);
    ASSERT_STR_EQ(error, "faregate.v1.AuthService/MakeCoffee: a handler without a method");
    ASSERT_INT_EQ(build(&r, twice), -EINVAL);
    ASSERT_STR_EQ(error, "faregate.v1.AuthService/CreateUser: two handlers");
}

TEST(registry, refuses_a_service_nobody_declared)
{
    static const struct rpc_service service = {
        .descriptor = &faregate__v1__auth_service__descriptor,
        .full_name = "faregate.v1.CoffeeService",
        .handlers = whole,
    };
    static const struct rpc_service *const services[] = {&service, NULL};
    struct registry *r;
    ASSERT_INT_EQ(registry_new(&r, services, &server_limits_default, NULL, error, sizeof error),
                  -EINVAL);
    ASSERT_HAS(error, "faregate.v1.CoffeeService: no such service");
}

/* Every mutating method of the real API is idempotent, every policy can be read: services/ checks
 * the handlers. */
TEST(registry, gives_staff_methods_their_roles)
{
    static const struct rpc_handler payment[] = {
        HANDLER("CreatePaymentIntent"), HANDLER("ConfirmPaymentIntent"),
        HANDLER("GetPaymentIntent"), HANDLER("CreateRefund"), HANDLER("GetRefund")};
    static const struct rpc_handler *const handlers[] = {&payment[0], &payment[1], &payment[2],
                                                         &payment[3], &payment[4], NULL};
    static const struct rpc_service service = {
        .descriptor = &faregate__v1__payment_service__descriptor,
        .full_name = "faregate.v1.PaymentService",
        .handlers = handlers,
    };
    static const struct rpc_service *const services[] = {&service, NULL};
    struct registry *r;
    ASSERT_INT_EQ(registry_new(&r, services, &server_limits_default, NULL, error, sizeof error), 0);
    const struct rpc_policy *p =
        &registry_find(r, STR("/faregate.v1.PaymentService/CreateRefund"))->policy;
    ASSERT_INT_EQ(p->auth, RPC_AUTH_STAFF);
    ASSERT_INT_EQ(p->roles, 1u << ROLE_SUPPORT | 1u << ROLE_FINANCE | 1u << ROLE_ADMIN);
    registry_free(r);
}
