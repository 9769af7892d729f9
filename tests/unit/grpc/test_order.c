/* Table 1.1 in its exact order: every row by itself, and every pair of rows that one request can
 * break at once, where the upper one must be the answer. */
#include <grpc/health/v1/health.pb-c.h>
#include <stdio.h>

#include "rig.h"
#include "support/test.h"

#define ECHO "/test.Echo/Say"

static unsigned runs;

static enum step say(struct call *c)
{
    Grpc__Health__V1__HealthCheckResponse reply = GRPC__HEALTH__V1__HEALTH_CHECK_RESPONSE__INIT;
    runs++;
    return call_reply(c, &reply.base);
}

static const struct step_def say_steps[] = {STEP(say)};
static const struct rpc_handler say_handler = {
    .method = "Say", .steps = say_steps, .step_count = 1};

static void begin(uint32_t te_required)
{
    const struct rpc_method methods[] = {
        {.path = STR(ECHO),
         .handler = &say_handler,
         .request = &grpc__health__v1__health_check_request__descriptor,
         .reply = &grpc__health__v1__health_check_response__descriptor}};
    struct server_limits limits = server_limits_default;
    limits.te_required = te_required;
    runs = 0;
    rig_start(methods, 1, &limits);
}

static void finish(void)
{
    rig_turn();
    ASSERT_TRUE(rig_is_clean());
    rig_stop();
}

/* How a request breaks a row: one field of another value (NULL: absent), or too many bytes. */
struct row {
    const char *name; /* the row of the table, for people */
    const char *field;
    const char *value;
    const char *http;
    enum status_code code;
    const char *message;
};

static const struct row rows[] = {
    {"3 two hosts", "host", "a", "400", STATUS_INTERNAL,
     "a request has one :authority or host, without a user"},
    {"3 a user", ":authority", "me@faregate.test", "400", STATUS_INTERNAL,
     "a request has one :authority or host, without a user"},
    {"5 path", ":path", "test.Echo/Say", "404", STATUS_UNIMPLEMENTED,
     "the path of a call is /service/method"},
    {"5 no path", ":path", NULL, "404", STATUS_UNIMPLEMENTED,
     "the path of a call is /service/method"},
    {"5 scheme", ":scheme", "grpc", "400", STATUS_INTERNAL,
     "the scheme of a call is http or https"},
    {"6 content-type", "content-type", "application/grpcfoo", "415", STATUS_INTERNAL,
     "the content-type of a call is application/grpc"},
    {"6 no content-type", "content-type", NULL, "415", STATUS_INTERNAL,
     "the content-type of a call is application/grpc"},
    {"7 subtype", "content-type", "application/grpc+thrift", "415", STATUS_INTERNAL,
     "the only message format here is application/grpc+proto"},
    {"9 method", ":method", "PUT", "405", STATUS_INTERNAL, "the HTTP method of a call is POST"},
    {"10 header list", "", "", "431", STATUS_RESOURCE_EXHAUSTED,
     "the request headers are larger than this server allows"},
    {"11 te, strict", "te", NULL, "400", STATUS_INTERNAL,
     "a call says te: trailers, or a proxy drops how it ended"},
    {"12 grpc-timeout", "grpc-timeout", "1234567890S", "400", STATUS_INTERNAL,
     "malformed grpc-timeout"},
    {"13 -bin", "a-bin", "*", "400", STATUS_INTERNAL, "a -bin header is not base64"},
    {"14 deadline", "grpc-timeout", "0n", "200", STATUS_DEADLINE_EXCEEDED,
     "The deadline passed before the work was done."},
    {"16 method", ":path", "/test.Echo/Nothing", "200", STATUS_UNIMPLEMENTED, "unknown method"},
    {"16 service", ":path", "/test.Nobody/Say", "200", STATUS_UNIMPLEMENTED, "unknown service"},
    {"17 grpc-encoding", "grpc-encoding", "snappy", "200", STATUS_UNIMPLEMENTED,
     "this grpc-encoding is not supported"},
};
#define ROW_COUNT (sizeof rows / sizeof rows[0])

static bool breaks(const struct row *row, const char *field)
{
    return row && strcmp(row->field, field) == 0;
}

/* Every field in the order of an honest client, replaced where a row says so. */
static struct client *request(const struct row *one, const struct row *two)
{
    static const char *const good[][2] = {
        {":method", "POST"},    {":scheme", "http"},
        {":path", ECHO},        {":authority", "faregate.test"},
        {"te", "trailers"},     {"content-type", "application/grpc"},
        {"grpc-timeout", "1S"}, {"grpc-encoding", "identity"},
    };
    struct client *c = client_new();
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        const char *value = breaks(one, good[i][0])   ? one->value
                            : breaks(two, good[i][0]) ? two->value
                                                      : good[i][1];
        if (value)
            client_header(c, good[i][0], value);
    }
    if (breaks(one, "host") || breaks(two, "host")) {
        client_header(c, "host", "a");
        client_header(c, "host", "b");
    }
    if (breaks(one, "a-bin") || breaks(two, "a-bin"))
        client_header(c, "a-bin", "*");
    server_h2_handler.on_request(&c->stream, breaks(one, "") || breaks(two, ""), rig.server);
    client_message(c, "\n\1x", 3);
    client_end(c);
    return c;
}

static void expect(struct client *c, const struct row *row)
{
    ASSERT_STR_EQ(client_field(c, ":status"), row->http);
    ASSERT_INT_EQ(client_status(c), row->code);
    ASSERT_STR_EQ(client_field(c, "grpc-message"), row->message);
    ASSERT_STR_EQ(client_field(c, "content-type"), "application/grpc");
    ASSERT_STR_EQ(client_field(c, "allow"), strcmp(row->http, "405") == 0 ? "POST" : "");
    ASSERT_TRUE(c->trailers_only);
    ASSERT_INT_EQ(c->end_count, 1);
    ASSERT_INT_EQ(c->consumed, 8); /* the body is dropped, its window given back */
    client_free(c);
}

TEST(order, answers_each_row_of_table_1_1)
{
    begin(1);
    for (size_t i = 0; i < ROW_COUNT; i++)
        expect(request(&rows[i], NULL), &rows[i]);
    ASSERT_INT_EQ(runs, 0);
    struct client *c = request(NULL, NULL);
    ASSERT_INT_EQ(client_status(c), STATUS_OK);
    client_free(c);
    finish();
}

TEST(order, answers_the_upper_of_two_rows)
{
    begin(1);
    for (size_t i = 0; i < ROW_COUNT; i++) {
        for (size_t j = i + 1; j < ROW_COUNT; j++) {
            bool is_dropped = !rows[i].value && rows[j].field[0] == '\0'; /* below */
            if (strcmp(rows[i].field, rows[j].field) != 0 && !is_dropped)
                expect(request(&rows[i], &rows[j]), &rows[i]);
        }
    }
    ASSERT_INT_EQ(runs, 0);
    finish();
}

/* Row 10: what was dropped because the list was too long is not missing. */
TEST(order, does_not_blame_what_the_header_limit_dropped)
{
    static const char *const dropped[] = {":path", ":method", "content-type", "te"};
    begin(1);
    for (size_t i = 0; i < sizeof dropped / sizeof dropped[0]; i++) {
        const struct row absent = {"", dropped[i], NULL, "", 0, ""};
        struct row too_large = {"",
                                "",
                                "",
                                "431",
                                STATUS_RESOURCE_EXHAUSTED,
                                "the request headers are larger than this server allows"};
        expect(request(&absent, &too_large), &too_large);
    }
    finish();
}

/* Row 11: the default serves, counts every one, and tells of it once. */
TEST(order, serves_calls_without_te_and_counts_them)
{
    struct obs_region *region;
    struct buf metrics = {0};
    ASSERT_INT_EQ(obs_region_new(&region), 0);
    FILE *log = tmpfile();
    ASSERT_NOT_NULL(log);
    ASSERT_INT_EQ(obs_open(&rig_obs, region, 0, fileno(log)), 0);
    const struct row no_te = {"", "te", NULL, "", 0, ""};
    begin(0);
    for (int i = 0; i < 3; i++) {
        struct client *c = request(&no_te, NULL);
        ASSERT_INT_EQ(client_status(c), STATUS_OK);
        client_free(c);
    }
    ASSERT_INT_EQ(rig.server->counts[COUNT_TE_MISSING], 3);
    obs_render_prometheus(region, &metrics);
    buf_append(&metrics, "", 1);
    ASSERT_NOT_NULL(strstr((const char *)metrics.p, "faregate_calls_without_te_total 3\n"));
    buf_deinit(&metrics);
    finish();
    rig_obs = obs_close(rig_obs);
    char line[1000];
    unsigned told = 0;
    rewind(log);
    while (fgets(line, sizeof line, log)) {
        if (strstr(line, "\"event\":\"te_missing\"")) {
            told++;
            ASSERT_HAS(line, "\"peer\":");
        }
    }
    ASSERT_INT_EQ(told, 1);
    fclose(log);
    obs_region_free(region);
}

/* Row 17: the list is of what we take, and the algorithm that was used is not on it. */
TEST(order, lists_encodings_without_the_one_that_was_used)
{
    begin(0);
    struct client *c = request(&rows[ROW_COUNT - 1], NULL);
    ASSERT_STR_EQ(client_field(c, "grpc-accept-encoding"), "gzip");
    client_free(c);
    finish();
}

/* Row 17: a proxy may add a field; what the request says it uses still has to be supported. */
TEST(order, an_encoding_we_lack_is_not_made_good_by_another)
{
    begin(0);
    struct client *c = client_new();
    struct call_impl *ci = c->stream.user;
    client_header(c, "grpc-encoding", "snappy");
    client_header(c, "grpc-encoding", "gzip");
    ASSERT_INT_EQ(ci->encoding, ENCODING_OTHER);
    client_free(c);
    finish();
}

/* Row 4: :authority wins over host, which stands in for it. */
TEST(order, takes_host_where_there_is_no_authority)
{
    begin(0);
    struct client *c = client_new();
    struct call_impl *ci = c->stream.user;
    client_header(c, "host", "only");
    ASSERT_VIEW_EQ(ci->authority, "only");
    ASSERT_INT_EQ(call_metadata(&ci->pub, STR("host")).n, 0);
    client_free(c);
    c = client_new();
    ci = c->stream.user;
    client_header(c, ":authority", "first");
    client_header(c, "host", "second");
    ASSERT_VIEW_EQ(ci->authority, "first");
    client_free(c);
    finish();
}

/* 4.1: who may call is decided on the method that runs, so a path that only looks like another has
 * no method at all. */
TEST(order, finds_no_method_by_another_spelling_of_its_path)
{
    static const char *const paths[] = {"/test.Echo/Say/", "//test.Echo/Say",  "/test.Echo/Say?x=1",
                                        "/test.echo/Say",  "/test.Echo/%53ay", "/test.Echo/Say#"};
    begin(0);
    for (size_t i = 0; i < sizeof paths / sizeof paths[0]; i++) {
        const struct row other = {"", ":path", paths[i], "", 0, ""};
        struct client *c = request(&other, NULL);
        ASSERT_INT_EQ(client_status(c), STATUS_UNIMPLEMENTED);
        client_free(c);
    }
    ASSERT_INT_EQ(runs, 0);
    finish();
}

/* Row 3.1: a router of ours says how long it waits, and nobody else can. */
TEST(order, believes_the_expected_timeout_of_a_trusted_proxy_only)
{
    begin(0);
    for (int trusted = 0; trusted < 2; trusted++) {
        struct client *c = client_new();
        struct call_impl *ci = c->stream.user;
        c->stream.trusted = trusted;
        client_head(c, ECHO);
        client_header(c, "grpc-timeout", "20S");
        client_header(c, "x-envoy-expected-rq-timeout-ms", "1500");
        client_head_end(c);
        int64_t left_ms = (ci->pub.scope.deadline_ns - rig.mono_ns) / NS_PER_MS;
        ASSERT_INT_EQ(left_ms, trusted ? 1500 : 20000);
        client_close(c, true);
        client_free(c);
    }
    finish();
}
