/* The one event of a call, as it arrives at the other end of a pipe. */
#include <fcntl.h>
#include <grpc/health/v1/health.pb-c.h>
#include <string.h>
#include <unistd.h>

#include "rig.h"
#include "support/test.h"

static struct obs_region *region;
static int pipe_fds[2];
static char line[8192];

static enum step find_seats(struct call *c)
{
    call_note(c, "flight", "%s", "FG100");
    c->scope.db_ns = 1500 * NS_PER_US;
    call_fail_with(c, "seats_left", "%d", 1);
    return call_fail(c, REASON_SEATS_UNAVAILABLE);
}

static const struct step_def steps[] = {STEP(find_seats)};
static const struct rpc_handler handler = {.method = "Find", .steps = steps, .step_count = 1};

/* Waits for nothing: it begins and ends in one turn of the loop. */
static enum step search(struct call *c)
{
    Grpc__Health__V1__HealthCheckResponse reply = GRPC__HEALTH__V1__HEALTH_CHECK_RESPONSE__INIT;
    rig.mono_ns += 700 * NS_PER_US;
    return call_reply(c, &reply.base);
}

static const struct step_def search_steps[] = {STEP(search)};
static const struct rpc_handler search_handler = {
    .method = "Search", .steps = search_steps, .step_count = 1};

static enum step wait(struct call *c)
{
    (void)c;
    return STEP_PARK;
}

static const struct step_def wait_steps[] = {STEP(wait)};
static const struct rpc_handler wait_handler = {
    .method = "Wait", .steps = wait_steps, .step_count = 1};

static void begin(void)
{
    const struct rpc_method methods[] = {
        {.path = STR("/test.Log/Find"),
         .handler = &handler,
         .request = &grpc__health__v1__health_check_request__descriptor,
         .policy.auth = RPC_AUTH_USER},
        {.path = STR("/test.Log/Search"),
         .handler = &search_handler,
         .request = &grpc__health__v1__health_check_request__descriptor,
         .reply = &grpc__health__v1__health_check_response__descriptor},
        {.path = STR("/test.Log/Wait"),
         .handler = &wait_handler,
         .request = &grpc__health__v1__health_check_request__descriptor},
    };
    ASSERT_INT_EQ(pipe2(pipe_fds, O_NONBLOCK), 0);
    ASSERT_INT_EQ(obs_region_new(&region), 0);
    ASSERT_INT_EQ(obs_open(&rig_obs, region, 0, pipe_fds[1]), 0);
    rig_start(methods, sizeof methods / sizeof methods[0], NULL);
}

static void read_line(void)
{
    obs_flush(rig_obs);
    ssize_t bytes = read(pipe_fds[0], line, sizeof line - 1);
    line[bytes > 0 ? bytes : 0] = '\0';
}

static void finish(void)
{
    ASSERT_TRUE(rig_is_clean());
    rig_stop();
    rig_obs = obs_close(rig_obs);
    obs_region_free(region);
    close(pipe_fds[0]);
    close(pipe_fds[1]);
}

TEST(log, writes_one_line_with_what_matters_and_no_secret)
{
    begin();
    struct client *c = client_new();
    client_head(c, "/test.Log/Find");
    client_header(c, "authorization", "Bearer good");
    client_header(c, "user-agent", "test \"quoted\"");
    client_header(c, "grpc-timeout", "2S");
    client_header(c, "grpc-previous-rpc-attempts", "1");
    client_header(c, "x-request-id", "r-17");
    client_header(c, "traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01");
    client_head_end(c);
    client_message(c, "\n\1x", 3);
    client_end(c);
    read_line();
    ASSERT_PTR_EQ(strchr(line, '\n'), line + strlen(line) - 1);
    ASSERT_HAS(line, "\"event\":\"call\"");
    ASSERT_HAS(line, "\"method\":\"test.Log/Find\"");
    ASSERT_HAS(line, "\"status\":\"FAILED_PRECONDITION\"");
    ASSERT_HAS(line, "\"reason\":\"SEATS_UNAVAILABLE\"");
    ASSERT_HAS(line, "\"peer\":\"192.0.2.7:4711\"");
    ASSERT_HAS(line, "\"user_agent\":\"test \\\"quoted\\\"\"");
    ASSERT_HAS(line, "\"trace_id\":\"0af7651916cd43dd8448eb211c80319c\"");
    ASSERT_HAS(line, "\"user\":\"07000000-0000-0000-0000-000000000000\"");
    ASSERT_HAS(line, "\"timeout_ms\":2000");
    ASSERT_HAS(line, "\"previous_attempts\":1");
    ASSERT_HAS(line, "\"x_request_id\":\"r-17\"");
    ASSERT_INT_EQ(rig.server->counts[COUNT_RETRIED], 1);
    ASSERT_HAS(line, "\"request_bytes\":3");
    ASSERT_HAS(line, "\"db_us\":1500,\"steps\":\"find_seats=0\"");
    ASSERT_HAS(line, "\"flight\":\"FG100\"");
    ASSERT_NULL(strstr(line, "Bearer"));
    ASSERT_NULL(strstr(line, "good"));
    client_free(c);
    finish();
}

/* Those that one turn serves wait for each other, and that is told. */
TEST(log, times_what_the_loop_serves_in_one_turn)
{
    static const char *const told[] = {"\"duration_us\":700,", "\"duration_us\":1400,"};
    begin();
    for (size_t i = 0; i < sizeof told / sizeof told[0]; i++) {
        struct client *c = client_call("/test.Log/Search", "\n\1x", 3);
        ASSERT_INT_EQ(client_status(c), 0);
        read_line();
        ASSERT_HAS(line, told[i]);
        ASSERT_HAS(line, "\"steps\":\"search=");
        ASSERT_NULL(strstr(line, "search=0"));
        client_free(c);
        ASSERT_INT_EQ(rig.server->loads[1].p50_ns > 0, 1);
    }
    finish();
}

TEST(log, says_how_a_call_was_cut_and_by_whom)
{
    static const struct {
        uint32_t error_code;
        enum h2_end by;
        const char *expected;
    } cases[] = {
        {H2_CANCEL, H2_END_PEER, "\"reset\":\"CANCEL\",\"reset_by\":\"peer\""},
        {H2_ENHANCE_YOUR_CALM, H2_END_PEER,
         "\"reset\":\"ENHANCE_YOUR_CALM\",\"reset_by\":\"peer\""},
        {H2_PROTOCOL_ERROR, H2_END_SERVER, "\"reset\":\"PROTOCOL_ERROR\",\"reset_by\":\"server\""},
        {H2_CANCEL, H2_END_CONNECTION, "\"reset\":\"CANCEL\",\"reset_by\":\"connection\""},
        {77, H2_END_PEER, "\"reset\":\"unknown\",\"reset_by\":\"peer\""},
    };
    begin();
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct client *c = client_call("/test.Log/Wait", "\n\1x", 3);
        client_lose(c, cases[i].error_code, cases[i].by);
        read_line();
        ASSERT_HAS(line, "\"reason\":\"CALL_CANCELLED\"");
        ASSERT_HAS(line, cases[i].expected);
        client_free(c);
    }
    struct client *c = client_call("/test.Log/Search", "\n\1x", 3);
    read_line();
    ASSERT_NULL(strstr(line, "reset"));
    client_free(c);
    finish();
}

/* A mesh counts from one, in a field of its own; the larger of the two counts is told. */
TEST(log, tells_attempts_that_a_proxy_counted)
{
    static const struct {
        const char *client, *proxy, *expected;
    } cases[] = {
        {NULL, "1", NULL},
        {NULL, "3", "\"previous_attempts\":2"},
        {"4", "2", "\"previous_attempts\":4"},
        {"1", "3", "\"previous_attempts\":2"},
        {NULL, "0", NULL},
        {NULL, "-7", NULL},
        {NULL, "99999999999999999999", NULL},
        {NULL, "many", NULL},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        begin();
        struct client *c = client_new();
        client_head(c, "/test.Log/Find");
        client_header(c, "authorization", "Bearer good");
        client_header(c, "x-envoy-attempt-count", cases[i].proxy);
        if (cases[i].client)
            client_header(c, "grpc-previous-rpc-attempts", cases[i].client);
        client_head_end(c);
        client_message(c, "\n\1x", 3);
        client_end(c);
        read_line();
        if (cases[i].expected)
            ASSERT_HAS(line, cases[i].expected);
        else
            ASSERT_NULL(strstr(line, "previous_attempts"));
        client_free(c);
        finish();
    }
}

/* Without a path, or with one above the header limit, it is what metrics call it. */
TEST(log, names_the_method_of_every_call)
{
    begin();
    struct client *c = client_new();
    client_header(c, ":method", "POST");
    client_head_end(c);
    read_line();
    ASSERT_HAS(line, "\"event\":\"call\"");
    ASSERT_HAS(line, "\"method\":\"other\"");
    client_free(c);
    finish();
}

TEST(log, counts_and_logs_what_was_refused_before_any_method)
{
    struct buf metrics = {0};
    begin();
    struct client *c = client_call("/test.Log/Nothing", "", 0);
    read_line();
    ASSERT_HAS(line, "\"method\":\"/test.Log/Nothing\"");
    ASSERT_HAS(line, "\"message\":\"unknown method\"");
    obs_render_prometheus(region, &metrics);
    buf_append(&metrics, "", 1);
    ASSERT_HAS((const char *)metrics.p, "grpc_method=\"other\"");
    ASSERT_NULL(strstr((const char *)metrics.p, "Nothing"));
    buf_deinit(&metrics);
    client_free(c);
    finish();
}
