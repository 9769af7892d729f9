/* Tables 1.2 and 1.4: metadata that handlers read and send, statuses that are no reason of ours,
 * headers that leave early, and the limit of the peer's header list. */
#include <errno.h>
#include <grpc/health/v1/health.pb-c.h>
#include <stdio.h>

#include "grpc/base64.h"
#include "rig.h"
#include "support/test.h"

typedef Grpc__Health__V1__HealthCheckRequest message_type;

/* What the next call's handler does. */
static struct {
    const char *headers[8][2];
    const char *trailers[8][2];
    int results[16];
    unsigned result_count;
    bool early;
    unsigned code; /* 0: OK */
    const char *message;
    enum reason reason;
} plan;

static enum step act(struct call *c)
{
    for (int i = 0; i < 8 && plan.headers[i][0]; i++)
        plan.results[plan.result_count++] =
            call_header(c, str_of(plan.headers[i][0]), str_of(plan.headers[i][1]));
    for (int i = 0; i < 8 && plan.trailers[i][0]; i++)
        plan.results[plan.result_count++] =
            call_trailer(c, str_of(plan.trailers[i][0]), str_of(plan.trailers[i][1]));
    if (plan.early) {
        call_send_headers(c);
        call_send_headers(c); /* the second does nothing */
        plan.results[plan.result_count++] = call_header(c, STR("x-late"), STR("v"));
    }
    if (plan.reason != REASON_NONE)
        return call_fail(c, plan.reason);
    if (plan.code != 0)
        return call_fail_status(c, (enum status_code)plan.code, plan.message);
    Grpc__Health__V1__HealthCheckResponse reply = GRPC__HEALTH__V1__HEALTH_CHECK_RESPONSE__INIT;
    return call_reply(c, &reply.base);
}

static const struct step_def act_steps[] = {STEP(act)};
static const struct rpc_handler acts = {.method = "Acts", .steps = act_steps, .step_count = 1};

/* Echoes fields as the interop TestService does, then its messages. */
struct echo_state {
    bool begun;
    unsigned seen;
};

static enum step echo(struct call *c)
{
    struct echo_state *s = c->state;
    struct str name, value;
    for (unsigned at = 0; !s->begun && call_metadata_next(c, &at, &name, &value);) {
        if (str_eq(name, STR("x-grpc-test-echo-initial")))
            (void)call_header(c, name, value);
        else if (str_eq(name, STR("x-grpc-test-echo-trailing-bin")))
            (void)call_trailer(c, name, value);
    }
    if (!s->begun)
        call_send_headers(c);
    s->begun = true;
    for (const message_type *message; (message = call_next_request(c));) {
        s->seen++;
        if (!call_send(c, &message->base))
            return STEP_PARK;
    }
    return call_half_closed(c) ? call_reply(c, NULL) : STEP_PARK;
}

static const struct step_def echo_steps[] = {STEP(echo)};
static const struct rpc_handler echoes = {.method = "Echoes",
                                          RPC_STEPS(echo_steps, struct echo_state)};

/* Client streaming: counts bytes, answers once. */
static enum step gather(struct call *c)
{
    struct echo_state *s = c->state;
    for (const message_type *message; (message = call_next_request(c));)
        s->seen += (unsigned)strlen(message->service);
    if (!call_half_closed(c))
        return STEP_PARK;
    Grpc__Health__V1__HealthCheckResponse reply = GRPC__HEALTH__V1__HEALTH_CHECK_RESPONSE__INIT;
    reply.status = (Grpc__Health__V1__HealthCheckResponse__ServingStatus)s->seen;
    return call_reply(c, &reply.base);
}

static const struct step_def gather_steps[] = {STEP(gather)};
static const struct rpc_handler gathers = {.method = "Gathers",
                                           RPC_STEPS(gather_steps, struct echo_state)};

#define TYPES                                                                                      \
    .request = &grpc__health__v1__health_check_request__descriptor,                                \
    .reply = &grpc__health__v1__health_check_response__descriptor

static void begin(void)
{
    struct server_limits limits = server_limits_default;
    const struct rpc_method methods[] = {
        {.path = STR("/test.S/Acts"), .handler = &acts, TYPES},
        {.path = STR("/test.S/Gathers"), .handler = &gathers, TYPES, .client_streaming = true},
        {.path = STR("/test.S/Echoes"),
         .handler = &echoes,
         TYPES,
         .client_streaming = true,
         .server_streaming = true},
    };
    memset(&plan, 0, sizeof plan);
    limits.stream_queue_bytes_max = 2000;
    rig_start(methods, sizeof methods / sizeof methods[0], &limits);
}

static void finish(void)
{
    rig_turn();
    ASSERT_TRUE(rig_is_clean());
    rig_stop();
}

static bool in_trailers(const struct client *c, const char *name)
{
    for (unsigned i = 0; i < c->field_count; i++) {
        if (strcmp(c->names[i], name) == 0)
            return c->in_trailers[i];
    }
    return false;
}

/* As SETTINGS_MAX_HEADER_LIST_SIZE counts. */
static size_t list_bytes(const struct client *c, bool trailers)
{
    size_t bytes = 0;
    for (unsigned i = 0; i < c->field_count; i++) {
        if (c->in_trailers[i] == trailers)
            bytes += strlen(c->names[i]) + strlen(c->values[i]) + 32;
    }
    return bytes;
}

static void expect_end(struct client *c, int status)
{
    client_take(c);
    ASSERT_INT_EQ(client_status(c), status);
    ASSERT_INT_EQ(c->end_count, 1);
    client_free(c);
}

TEST(metadata, sends_a_handlers_headers_before_and_its_trailers_behind_the_message)
{
    begin();
    plan.headers[0][0] = "x-initial";
    plan.headers[0][1] = "one";
    plan.trailers[0][0] = "x-trailing-bin";
    plan.trailers[0][1] = "\x01\x02\x03\xff";
    struct client *c = client_call("/test.S/Acts", "", 0);
    ASSERT_FALSE(c->trailers_only);
    ASSERT_STR_EQ(client_field(c, "x-initial"), "one");
    ASSERT_FALSE(in_trailers(c, "x-initial"));
    ASSERT_STR_EQ(client_field(c, "x-trailing-bin"), "AQID/w"); /* unpadded */
    ASSERT_TRUE(in_trailers(c, "x-trailing-bin"));
    expect_end(c, STATUS_OK);
    finish();
}

TEST(metadata, keeps_both_in_a_trailers_only_answer)
{
    begin();
    plan.headers[0][0] = "x-initial";
    plan.headers[0][1] = "one";
    plan.trailers[0][0] = "x-trailing";
    plan.trailers[0][1] = "two";
    plan.code = STATUS_ALREADY_EXISTS;
    plan.message = "t\ttest\r\n \xe2\x82\xac \xf0\x9f\x98\x80 100%"; /* special_status_message */
    struct client *c = client_call("/test.S/Acts", "", 0);
    ASSERT_TRUE(c->trailers_only);
    ASSERT_STR_EQ(client_field(c, "x-initial"), "one");
    ASSERT_STR_EQ(client_field(c, "x-trailing"), "two");
    ASSERT_STR_EQ(client_field(c, "grpc-message"), "t%09test%0D%0A %E2%82%AC %F0%9F%98%80 100%25");
    ASSERT_STR_EQ(client_field(c, "grpc-status-details-bin"), "");
    expect_end(c, STATUS_ALREADY_EXISTS);
    finish();
}

TEST(metadata, makes_an_unknown_code_unknown)
{
    begin();
    plan.code = 99;
    expect_end(client_call("/test.S/Acts", "", 0), STATUS_UNKNOWN);
    finish();
}

TEST(metadata, refuses_to_send_what_grpc_forbids)
{
    static const char *const bad[][2] = {
        {"X-Upper", "v"},      {"x y", "v"},         {"", "v"},          {":path", "v"},
        {"grpc-status", "0"},  {"grpc-message", ""}, {"te", "trailers"}, {"connection", "close"},
        {"content-type", "x"}, {"x", "tab\t"},       {"x", "\x7f"},      {"x", "\xc3\xa9"},
        {"x", " leading"},     {"x", "trailing "},   {"x", "a\nb"},      {"server", "other"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        begin();
        plan.headers[0][0] = plan.trailers[0][0] = bad[i][0];
        plan.headers[0][1] = plan.trailers[0][1] = bad[i][1];
        struct client *c = client_call("/test.S/Acts", "", 0);
        ASSERT_INT_EQ(plan.results[0], -EINVAL);
        ASSERT_INT_EQ(plan.results[1], -EINVAL);
        ASSERT_INT_EQ(c->field_count, 4); /* :status, content-type, server; grpc-status */
        expect_end(c, STATUS_OK);
        finish();
    }
}

TEST(metadata, bounds_what_a_handler_sends)
{
    static char value[4200];
    begin();
    memset(value, 'v', sizeof value - 1);
    for (int i = 0; i < 3; i++) {
        plan.headers[i][0] = plan.trailers[i][0] = "x";
        plan.headers[i][1] = plan.trailers[i][1] = value;
    }
    struct client *c = client_call("/test.S/Acts", "", 0);
    ASSERT_INT_EQ(plan.results[0], 0);
    ASSERT_INT_EQ(plan.results[1], -E2BIG);
    ASSERT_INT_EQ(plan.results[3], 0);
    ASSERT_INT_EQ(plan.results[4], -E2BIG);
    ASSERT_TRUE(list_bytes(c, false) <= 8192);
    ASSERT_TRUE(list_bytes(c, true) <= 8192);
    expect_end(c, STATUS_OK);
    finish();
}

TEST(metadata, sends_headers_early_when_asked_and_no_header_afterwards)
{
    begin();
    plan.early = true;
    plan.code = STATUS_ABORTED;
    struct client *c = client_call("/test.S/Acts", "", 0);
    ASSERT_INT_EQ(plan.results[0], -EALREADY);
    ASSERT_INT_EQ(c->head_count, 1);
    ASSERT_FALSE(c->trailers_only);
    ASSERT_TRUE(in_trailers(c, "grpc-status"));
    expect_end(c, STATUS_ABORTED);
    plan.code = 0;
    c = client_call("/test.S/Acts", "", 0);
    ASSERT_INT_EQ(c->head_count, 1);
    expect_end(c, STATUS_OK);
    finish();
}

/* The message goes before the details, and is cut at a code point, encoded. */
TEST(metadata, cuts_a_message_that_the_peers_header_list_cannot_hold)
{
    static char text[30001];
    begin();
    for (size_t i = 0; i + 3 <= sizeof text - 1; i += 3)
        memcpy(text + i, "\xe2\x82\xac", 3);
    plan.code = STATUS_NOT_FOUND;
    plan.message = text;
    struct client *c = client_call("/test.S/Acts", "", 0);
    ASSERT_TRUE(list_bytes(c, false) <= 8192);
    ASSERT_TRUE(list_bytes(c, false) > 8192 - 9);
    ASSERT_INT_EQ(strlen(client_field(c, "grpc-message")) % 9, 0);
    expect_end(c, STATUS_NOT_FOUND);
    finish();
}

TEST(metadata, lets_a_handler_bring_its_own_details_unless_there_are_ours)
{
    begin();
    plan.trailers[0][0] = "grpc-status-details-bin";
    plan.trailers[0][1] = "abc";
    plan.code = STATUS_NOT_FOUND;
    struct client *c = client_call("/test.S/Acts", "", 0);
    ASSERT_STR_EQ(client_field(c, "grpc-status-details-bin"), "YWJj");
    expect_end(c, STATUS_NOT_FOUND);
    plan.reason = REASON_NOT_FOUND;
    c = client_call("/test.S/Acts", "", 0);
    unsigned count = 0;
    for (unsigned i = 0; i < c->field_count; i++)
        count += strcmp(c->names[i], "grpc-status-details-bin") == 0;
    ASSERT_INT_EQ(count, 1);
    ASSERT_TRUE(strcmp(client_field(c, "grpc-status-details-bin"), "YWJj") != 0);
    expect_end(c, STATUS_NOT_FOUND);
    finish();
}

TEST(metadata, echoes_custom_metadata_of_a_bidirectional_stream)
{
    begin();
    struct client *c = client_new();
    client_head(c, "/test.S/Echoes");
    client_header(c, "x-grpc-test-echo-initial", "test_initial_metadata_value");
    client_header(c, "x-grpc-test-echo-trailing-bin", "q6ur");
    client_head_end(c);
    ASSERT_INT_EQ(c->head_count, 1); /* before any message */
    ASSERT_STR_EQ(client_field(c, "x-grpc-test-echo-initial"), "test_initial_metadata_value");
    client_message(c, "\n\1a", 3);
    rig_turn();
    client_end(c);
    rig_turn();
    ASSERT_STR_EQ(client_field(c, "x-grpc-test-echo-trailing-bin"), "q6ur");
    ASSERT_TRUE(in_trailers(c, "x-grpc-test-echo-trailing-bin"));
    expect_end(c, STATUS_OK);
    finish();
}

TEST(metadata, answers_a_client_stream_once_it_is_half_closed)
{
    begin();
    struct client *c = client_new();
    client_head(c, "/test.S/Gathers");
    client_head_end(c);
    for (int i = 0; i < 10; i++) {
        client_message(c, "\n\2ab", 4);
        rig_turn();
        ASSERT_INT_EQ(client_status(c), -1);
    }
    ASSERT_INT_EQ(c->consumed, 90);
    client_end(c);
    rig_turn();
    client_take(c);
    ASSERT_MEM_EQ(c->body.p, "\0\0\0\0\2\x08\x14", 7);
    expect_end(c, STATUS_OK);
    c = client_new(); /* empty_stream: no message at all is legal */
    client_head(c, "/test.S/Gathers");
    client_head_end(c);
    client_end(c);
    rig_turn();
    expect_end(c, STATUS_OK);
    finish();
}

/* A client that sends and does not read: its own window closes, and no more is kept for it than
 * the queue out and what is unread. */
TEST(metadata, stops_a_client_that_sends_without_reading)
{
    static char text[403] = "\n\x90\x03";
    size_t sent = 0;
    begin();
    memset(text + 3, 'x', 400);
    struct client *c = client_new();
    client_head(c, "/test.S/Echoes");
    client_head_end(c);
    for (int i = 0; i < 40; i++) {
        client_message(c, text, sizeof text);
        sent += sizeof text + 5;
        rig_turn();
    }
    ASSERT_INT_EQ(c->write_count, 5); /* the fifth passes the queue's limit of 2000 */
    ASSERT_INT_EQ(c->consumed, 5 * 408);
    for (int i = 0; i < 40 && c->consumed < sent; i++) {
        client_take(c);
        rig_turn();
    }
    ASSERT_INT_EQ(c->consumed, sent);
    client_end(c);
    rig_turn();
    client_take(c);
    ASSERT_INT_EQ(buf_len(&c->body), sent);
    expect_end(c, STATUS_OK);
    finish();
}

/* Table 1.2: details go first, then the end of the message; what is left is still an answer. */
TEST(metadata, holds_trailers_under_what_the_client_takes)
{
    static const uint32_t limits[] = {1, 146, 200, 400, 600, 4096, 100000};
    begin();
    plan.reason = REASON_SEATS_UNAVAILABLE;
    size_t before = 0;
    for (size_t i = 0; i < sizeof limits / sizeof limits[0]; i++) {
        struct client *c = client_new();
        c->header_list_max = limits[i];
        client_head(c, "/test.S/Acts");
        client_head_end(c);
        client_message(c, "", 0);
        client_end(c);
        size_t bytes = list_bytes(c, false);
        ASSERT_TRUE(bytes >= before);
        ASSERT_TRUE(bytes <= limits[i] || limits[i] < 200); /* status is not left out */
        ASSERT_TRUE((client_field(c, "grpc-status-details-bin")[0] != '\0') == (limits[i] >= 600));
        ASSERT_TRUE((client_field(c, "grpc-message")[0] != '\0') == (limits[i] >= 400));
        before = bytes;
        expect_end(c, STATUS_FAILED_PRECONDITION);
    }
    finish();
}

TEST(metadata, keeps_repeated_keys_in_order_and_splits_binary_values)
{
    static const char *const wanted[][2] = {
        {"a", "1"}, {"b-bin", "f"}, {"b-bin", "fo"}, {"b-bin", "foo"}, {"a", "2"}, {"c", "x,y"},
    };
    begin();
    struct client *c = client_new();
    client_head(c, "/test.S/Acts");
    client_header(c, "a", "1");
    client_header(c, "b-bin", "Zg==,Zm8");
    client_header(c, "b-bin", "Zm9v");
    client_header(c, "grpc-unknown", "hidden");
    client_header(c, "a", "2");
    client_header(c, "c", "x,y"); /* text may hold commas of its own */
    unsigned at = 0, count = 0;
    struct str name, value;
    while (call_metadata_next(&((struct call_impl *)c->stream.user)->pub, &at, &name, &value)) {
        ASSERT_VIEW_EQ(name, wanted[count][0]);
        ASSERT_VIEW_EQ(value, wanted[count][1]);
        count++;
    }
    ASSERT_INT_EQ(count, 6);
    client_close(c, true);
    client_free(c);
    finish();
}

TEST(metadata, says_which_server_answers)
{
    begin();
    for (int i = 0; i < 2; i++) {
        plan.code = i == 0 ? STATUS_OK : STATUS_ABORTED;
        struct client *c = client_call("/test.S/Acts", "", 0);
        ASSERT_TRUE(str_starts(str_of(client_field(c, "server")), STR("faregate/")));
        ASSERT_FALSE(in_trailers(c, "server"));
        client_free(c);
    }
    finish();
}
