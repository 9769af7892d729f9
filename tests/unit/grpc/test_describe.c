/* Describe: both forms name every method, step, policy, statement, reason and limit; the JSON is
 * whole. A golden file of the real services belongs to the tests of the binary. */
#include "grpc/describe.h"

#include <errno.h>
#include <faregate/v1/flight_service.pb-c.h>
#include <stdio.h>

#include "support/test.h"

static enum step look(struct call *c)
{
    return call_reply(c, NULL);
}

static const struct step_def steps[] = {STEP(look)};

#define HANDLER(name)                                                                              \
    {                                                                                              \
        .method = name, .steps = steps, .step_count = 1                                            \
    }

static const struct rpc_handler flight[] = {
    HANDLER("SearchPlaces"), HANDLER("SearchOffers"), HANDLER("GetOffer"),
    HANDLER("GetFlight"),    HANDLER("GetSeatMap"),
};
static const struct rpc_handler *const handlers[] = {&flight[0], &flight[1], &flight[2],
                                                     &flight[3], &flight[4], NULL};
static const struct rpc_service service = {
    .descriptor = &faregate__v1__flight_service__descriptor,
    .full_name = "faregate.v1.FlightService",
    .handlers = handlers,
};
static const struct rpc_service *const services[] = {&service, NULL};

static bool statement(void *ctx, size_t index, struct describe_statement *ret_statement)
{
    (void)ctx;
    if (index == 0)
        *ret_statement = (struct describe_statement){
            .name = "flight_search", .cardinality = "many", .lane = "read", .is_batched = true};
    if (index == 1)
        *ret_statement = (struct describe_statement){.name = "flight_get", .cardinality = "maybe"};
    return index < 2;
}

static const struct describe_hooks hooks = {.statement = statement};

static char *describe(bool as_json)
{
    static char text[65536];
    struct buf out = {0};
    char error[200];
    ASSERT_INT_EQ(describe_write(&out, as_json, services, &server_limits_default, &hooks, error,
                                 sizeof error),
                  0);
    ASSERT_INT_IN(buf_len(&out), 1000, sizeof text - 1);
    snprintf(text, sizeof text, "%.*s", (int)buf_len(&out), (const char *)out.p + out.start);
    buf_deinit(&out);
    return text;
}

TEST(describe, says_the_same_in_both_forms)
{
    static const char *const words[] = {
        "faregate.v1.FlightService/SearchOffers",
        "faregate.v1.SearchOffersRequest",
        "grpc.health.v1.Health/Watch",
        "look",
        "public",
        "16384",
        "flight_search",
        "many",
        "flight_get",
        "OFFER_EXPIRED",
        "FAILED_PRECONDITION",
        "message_depth_max",
        "drain_grace_ms",
    };
    for (int as_json = 0; as_json <= 1; as_json++) {
        const char *text = describe(as_json);
        for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
            ASSERT_HAS(text, words[i]);
    }
}

/* Brackets, quotes and commas in their places: enough to catch a slip of the writer. */
static void expect_json(const char *p)
{
    char open[16];
    unsigned depth = 0;
    bool in_text = false;
    char before = 0;
    for (; *p; p++) {
        if (in_text) {
            in_text = *p != '"';
            p += *p == '\\';
        } else if (*p == '{' || *p == '[') {
            ASSERT_TRUE(depth < sizeof open);
            open[depth++] = *p;
        } else if (*p == '}' || *p == ']') {
            ASSERT_TRUE(depth > 0 && before != ',');
            ASSERT_INT_EQ(open[--depth], *p == '}' ? '{' : '[');
        } else if (*p == '"') {
            in_text = true;
            ASSERT_TRUE(before != '"');
        } else if (*p == ',') {
            ASSERT_TRUE(before != ',' && before != '{' && before != '[' && before != ':');
        }
        if (*p > ' ')
            before = *p;
    }
    ASSERT_INT_EQ(depth, 0);
    ASSERT_FALSE(in_text);
}

TEST(describe, writes_json_that_is_whole)
{
    expect_json(describe(true));
}

TEST(describe, works_without_statements)
{
    struct buf out = {0};
    char error[200];
    ASSERT_INT_EQ(
        describe_write(&out, true, services, &server_limits_default, NULL, error, sizeof error), 0);
    buf_append(&out, "", 1);
    expect_json((const char *)out.p + out.start);
    buf_deinit(&out);
}

TEST(describe, refuses_services_that_do_not_fit)
{
    static const struct rpc_handler *const few[] = {&flight[0], NULL};
    static const struct rpc_service broken = {
        .descriptor = &faregate__v1__flight_service__descriptor,
        .full_name = "faregate.v1.FlightService",
        .handlers = few,
    };
    static const struct rpc_service *const list[] = {&broken, NULL};
    struct buf out = {0};
    char error[200];
    ASSERT_INT_EQ(
        describe_write(&out, true, list, &server_limits_default, NULL, error, sizeof error),
        -EINVAL);
    ASSERT_HAS(error, "has no handler");
    ASSERT_INT_EQ(buf_len(&out), 0);
    buf_deinit(&out);
}
