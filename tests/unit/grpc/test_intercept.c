/* Who may call, how often, and how many at once: the interceptors and the limits in front of them.
 * Sections 1.1 (overload) and 6 (rate limits) of the notes; the principals are the rig's. */
#include <google/rpc/error_details.pb-c.h>
#include <google/rpc/status.pb-c.h>
#include <grpc/health/v1/health.pb-c.h>
#include <stdlib.h>

#include "grpc/base64.h"
#include "rig.h"
#include "support/test.h"

#define ECHO "/test.Echo/Say"

static unsigned runs;

/* Answers SERVING where the request names a service, and remembers nothing. */
static enum step say(struct call *c)
{
    const Grpc__Health__V1__HealthCheckRequest *request = call_request(c);
    Grpc__Health__V1__HealthCheckResponse reply = GRPC__HEALTH__V1__HEALTH_CHECK_RESPONSE__INIT;
    runs++;
    if (request && request->service[0] != '\0')
        reply.status = GRPC__HEALTH__V1__HEALTH_CHECK_RESPONSE__SERVING_STATUS__SERVING;
    return call_reply(c, &reply.base);
}

static const struct step_def say_steps[] = {STEP(say)};
static const struct rpc_handler say_handler = {
    .method = "Say", .steps = say_steps, .step_count = 1};

static enum step park(struct call *c)
{
    (void)c;
    return STEP_PARK;
}

static const struct step_def park_steps[] = {STEP(park)};
static const struct rpc_handler park_handler = {
    .method = "Park", .steps = park_steps, .step_count = 1};

#define TYPES                                                                                      \
    .request = &grpc__health__v1__health_check_request__descriptor,                                \
    .reply = &grpc__health__v1__health_check_response__descriptor

static void begin_with(const struct server_limits *limits)
{
    const struct rpc_method methods[] = {
        {.path = STR(ECHO), .handler = &say_handler, TYPES, .policy.request_bytes_max = 1000},
        {.path = STR("/test.Echo/User"),
         .handler = &say_handler,
         TYPES,
         .policy.auth = RPC_AUTH_USER},
        {.path = STR("/test.Echo/Staff"),
         .handler = &say_handler,
         TYPES,
         .policy.auth = RPC_AUTH_STAFF},
        {.path = STR("/test.Echo/Ops"),
         .handler = &say_handler,
         TYPES,
         .policy.auth = RPC_AUTH_USER,
         .policy.roles = 1u << ROLE_AIRLINE_OPS},
        {.path = STR("/test.Echo/Rare"),
         .handler = &say_handler,
         TYPES,
         .policy.rate_per_minute_max = 3},
        {.path = STR("/test.Echo/RareUser"),
         .handler = &say_handler,
         TYPES,
         .policy.auth = RPC_AUTH_USER,
         .policy.rate_per_minute_max = 1},
        {.path = STR("/test.Echo/Absent"), TYPES},
        {.path = STR("/test.Echo/Park"), .handler = &park_handler, TYPES},
        {.path = STR("/test.Echo/One"), .handler = &park_handler, TYPES, .policy.in_flight_max = 1},
        {.path = STR("/test.Echo/Watch"), .handler = &park_handler, TYPES, .policy.lasts = true},
        {.path = STR("/test.Echo/Last"),
         .handler = &say_handler,
         TYPES,
         .policy.criticality = RPC_CRITICALITY_HIGH},
        {.path = STR("/test.Echo/Search"),
         .handler = &say_handler,
         TYPES,
         .policy.criticality = RPC_CRITICALITY_LOW},
    };
    runs = 0;
    rig_start(methods, sizeof methods / sizeof methods[0], limits);
}

static void begin(void)
{
    begin_with(NULL);
}

static void finish(void)
{
    rig_turn();
    ASSERT_TRUE(rig_is_clean());
    rig_stop();
}

/* "\n\1x": HealthCheckRequest{service: "x"}. */
static const char hello[] = "\n\1x";
#define HELLO_BYTES 3

/* One refusal: the fields that make it wrong, and the answer. */
struct refusal {
    const char *name;
    const char *value;
    const char *http;
    enum status_code code;
};

static void expect_trailers_only(struct client *c, const char *http, enum status_code code)
{
    ASSERT_STR_EQ(client_field(c, ":status"), http);
    ASSERT_INT_EQ(client_status(c), code);
    ASSERT_TRUE(c->trailers_only);
    ASSERT_INT_EQ(c->end_count, 1);
    ASSERT_TRUE(str_starts(str_of(client_field(c, "content-type")), STR("application/grpc")));
}

static struct client *call_with(const char *path, const char *name, const char *value)
{
    struct client *c = client_new();
    client_head(c, path);
    client_header(c, name, value);
    client_head_end(c);
    client_message(c, hello, HELLO_BYTES);
    client_end(c);
    client_take(c);
    return c;
}

TEST(intercept, lets_a_starting_server_answer_the_standard_services_only)
{
    begin();
    server_set_starting(rig.server, true);
    struct client *standard = call_with(ECHO, "x", "y");
    ASSERT_INT_EQ(client_status(standard), STATUS_OK);
    rig.service.flag = "test";
    struct client *early = call_with(ECHO, "x", "y");
    expect_trailers_only(early, "200", STATUS_UNAVAILABLE);
    ASSERT_TRUE(atoi(client_field(early, "grpc-retry-pushback-ms")) > 0);
    server_set_starting(rig.server, false);
    struct client *ready = call_with(ECHO, "x", "y");
    ASSERT_INT_EQ(client_status(ready), STATUS_OK);
    ASSERT_INT_EQ(runs, 2);
    client_free(standard);
    client_free(early);
    client_free(ready);
    finish();
}

TEST(intercept, asks_for_a_token_where_the_method_does)
{
    static const struct refusal cases[] = {
        {"/test.Echo/User", "", "", STATUS_UNAUTHENTICATED},
        {"/test.Echo/User", "Basic good", "", STATUS_UNAUTHENTICATED},
        {"/test.Echo/User", "Bearer bad", "", STATUS_UNAUTHENTICATED},
        {"/test.Echo/User", "Bearer old", "", STATUS_UNAUTHENTICATED},
        {"/test.Echo/User", "Bearer good", "", STATUS_OK},
        {"/test.Echo/User", "bearer good", "", STATUS_OK},
        {"/test.Echo/Staff", "Bearer good", "", STATUS_PERMISSION_DENIED},
        {"/test.Echo/Staff", "Bearer ops", "", STATUS_OK},
        {"/test.Echo/Ops", "Bearer good", "", STATUS_PERMISSION_DENIED},
        {"/test.Echo/Ops", "Bearer ops", "", STATUS_OK},
        {ECHO, "Bearer bad", "", STATUS_OK},
    };
    begin();
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct client *c = call_with(cases[i].name, "authorization", cases[i].value);
        ASSERT_INT_EQ(client_status(c), cases[i].code);
        client_free(c);
    }
    finish();
}

/* Unpacks grpc-status-details-bin; the caller frees. */
static Google__Rpc__Status *details_of(struct client *c)
{
    uint8_t bytes[9000];
    size_t count;
    if (base64_decode(str_of(client_field(c, "grpc-status-details-bin")), bytes, &count) < 0)
        return NULL;
    return google__rpc__status__unpack(NULL, count, bytes);
}

TEST(intercept, explains_refusals_with_one_error_info)
{
    begin();
    struct client *c = client_call("/test.Echo/User", hello, HELLO_BYTES);
    Google__Rpc__Status *status = details_of(c);
    ASSERT_NOT_NULL(status);
    ASSERT_INT_EQ(status->code, STATUS_UNAUTHENTICATED);
    ASSERT_STR_EQ(status->message, "This method needs an access token.");
    ASSERT_STR_EQ(client_field(c, "grpc-message"), status->message);
    ASSERT_INT_EQ(status->n_details, 1);
    ASSERT_STR_EQ(status->details[0]->type_url, "type.googleapis.com/google.rpc.ErrorInfo");
    Google__Rpc__ErrorInfo *info = google__rpc__error_info__unpack(
        NULL, status->details[0]->value.len, status->details[0]->value.data);
    ASSERT_STR_EQ(info->reason, "TOKEN_MISSING");
    ASSERT_STR_EQ(info->domain, "faregate");
    google__rpc__error_info__free_unpacked(info, NULL);
    google__rpc__status__free_unpacked(status, NULL);
    client_free(c);
    finish();
}

TEST(intercept, limits_calls_a_minute_and_says_when_to_come_back)
{
    begin();
    for (int i = 0; i < 3; i++) {
        struct client *c = client_call("/test.Echo/Rare", hello, HELLO_BYTES);
        ASSERT_INT_EQ(client_status(c), STATUS_OK);
        client_free(c);
    }
    struct client *c = client_call("/test.Echo/Rare", hello, HELLO_BYTES);
    expect_trailers_only(c, "200", STATUS_RESOURCE_EXHAUSTED);
    ASSERT_STR_EQ(client_field(c, "grpc-retry-pushback-ms"), "20000");
    Google__Rpc__Status *status = details_of(c);
    ASSERT_INT_EQ(status->n_details, 3);
    ASSERT_STR_EQ(status->details[1]->type_url, "type.googleapis.com/google.rpc.RetryInfo");
    ASSERT_STR_EQ(status->details[2]->type_url, "type.googleapis.com/google.rpc.QuotaFailure");
    google__rpc__status__free_unpacked(status, NULL);
    client_free(c);
    rig_advance(20001);
    c = client_call("/test.Echo/Rare", hello, HELLO_BYTES);
    ASSERT_INT_EQ(client_status(c), STATUS_OK);
    client_free(c);
    finish();
}

/* They speak for many. */
TEST(intercept, counts_no_calls_of_services)
{
    begin();
    static const char *const callers[] = {"Bearer svc", "Bearer svc", "Bearer good", "Bearer good"};
    for (int i = 0; i < 4; i++) {
        struct client *c = call_with("/test.Echo/RareUser", "authorization", callers[i]);
        ASSERT_INT_EQ(client_status(c), i < 3 ? STATUS_OK : STATUS_RESOURCE_EXHAUSTED);
        client_free(c);
    }
    finish();
}

TEST(intercept, sheds_load_before_the_last_calls_which_payments_may_use)
{
    struct server_limits limits = server_limits_default;
    struct client *parked[7];
    limits.calls_max = 8;
    begin_with(&limits);
    for (size_t i = 0; i < 7; i++)
        parked[i] = client_call("/test.Echo/Park", hello, HELLO_BYTES);
    struct client *c = client_call(ECHO, hello, HELLO_BYTES);
    expect_trailers_only(c, "200", STATUS_UNAVAILABLE);
    ASSERT_STR_EQ(client_field(c, "grpc-retry-pushback-ms"), "250");
    client_free(c);
    c = client_call("/test.Echo/Last", hello, HELLO_BYTES);
    ASSERT_INT_EQ(client_status(c), STATUS_OK);
    client_free(c);
    for (size_t i = 0; i < 7; i++) {
        client_close(parked[i], true);
        client_free(parked[i]);
    }
    finish();
}

TEST(intercept, limits_one_method_by_itself)
{
    begin();
    struct client *one = client_call("/test.Echo/One", hello, HELLO_BYTES);
    struct client *two = client_call("/test.Echo/One", hello, HELLO_BYTES);
    expect_trailers_only(two, "200", STATUS_UNAVAILABLE);
    client_close(one, true);
    client_free(one);
    client_free(two);
    one = client_call("/test.Echo/One", hello, HELLO_BYTES);
    ASSERT_INT_EQ(client_status(one), -1);
    client_close(one, true);
    client_free(one);
    finish();
}

/* One for whoever comes and eight for the connection, here the same, beside eight calls. */
TEST(intercept, gives_streams_that_last_room_of_their_own)
{
    struct server_limits limits = server_limits_default;
    limits.calls_max = 8;
    begin_with(&limits);
    struct client *watches[9];
    for (unsigned i = 0; i < 9; i++)
        watches[i] = client_call("/test.Echo/Watch", hello, HELLO_BYTES);
    for (unsigned i = 0; i < 8; i++)
        ASSERT_INT_EQ(client_status(watches[i]), -1);
    expect_trailers_only(watches[8], "200", STATUS_UNAVAILABLE);
    struct client *call = client_call(ECHO, hello, HELLO_BYTES);
    ASSERT_INT_EQ(client_status(call), STATUS_OK);
    client_close(watches[0], true);
    struct client *next = client_call("/test.Echo/Watch", hello, HELLO_BYTES);
    ASSERT_INT_EQ(client_status(next), -1);
    client_close(next, true);
    for (unsigned i = 1; i < 8; i++)
        client_close(watches[i], true);
    for (unsigned i = 0; i < 9; i++)
        client_free(watches[i]);
    client_free(call);
    client_free(next);
    finish();
}
