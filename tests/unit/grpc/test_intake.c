/* Row by row: what the server answers to a request that is wrong in one way, and how bytes become
 * messages. The table is section 1.1 and 1.3 of the server notes. */
#include <grpc/health/v1/health.pb-c.h>
#include <stdlib.h>

#include "grpc/compress.h"
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
#define TYPES                                                                                      \
    .request = &grpc__health__v1__health_check_request__descriptor,                                \
    .reply = &grpc__health__v1__health_check_response__descriptor

static void begin(void)
{
    const struct rpc_method methods[] = {
        {.path = STR(ECHO), .handler = &say_handler, TYPES, .policy.request_bytes_max = 1000},
        {.path = STR("/test.Echo/Absent"), TYPES},
    };
    runs = 0;
    rig_start(methods, sizeof methods / sizeof methods[0], NULL);
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

TEST(intake, answers_a_unary_call_with_headers_message_and_trailers)
{
    begin();
    struct client *c = client_call(ECHO, hello, HELLO_BYTES);
    client_take(c);
    ASSERT_INT_EQ(client_status(c), STATUS_OK);
    ASSERT_STR_EQ(client_field(c, ":status"), "200");
    ASSERT_STR_EQ(client_field(c, "content-type"), "application/grpc");
    ASSERT_FALSE(c->trailers_only);
    ASSERT_INT_EQ(c->end_count, 1);
    ASSERT_INT_EQ(buf_len(&c->body), 7);
    ASSERT_MEM_EQ(c->body.p, "\0\0\0\0\2\x08\1", 7);
    ASSERT_INT_EQ(c->consumed, 8);
    client_free(c);
    finish();
}

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

TEST(intake, refuses_each_malformed_header_in_its_own_way)
{
    static const struct refusal refusals[] = {
        {":path", "test.Echo/Say", "404", STATUS_UNIMPLEMENTED},
        {":path", "", "404", STATUS_UNIMPLEMENTED},
        {"content-type", "text/plain", "415", STATUS_INTERNAL},
        {"content-type", "application/grpcfoo", "415", STATUS_INTERNAL},
        {"content-type", "application/grpc-web", "415", STATUS_INTERNAL},
        {"content-type", "application/grpc+json", "415", STATUS_INTERNAL},
        {"content-type", "application/grpc+protox", "415", STATUS_INTERNAL},
        {":method", "GET", "405", STATUS_INTERNAL},
        {"grpc-timeout", "1x", "400", STATUS_INTERNAL},
        {"grpc-timeout", "", "400", STATUS_INTERNAL},
        {"some-bin", "*", "400", STATUS_INTERNAL},
        {"grpc-timeout", "0n", "200", STATUS_DEADLINE_EXCEEDED},
        {":path", "/test.Echo/Nothing", "200", STATUS_UNIMPLEMENTED},
        {":path", "/test.Nobody/Say", "200", STATUS_UNIMPLEMENTED},
        {":path", "/test.Echo", "200", STATUS_UNIMPLEMENTED},
        {":path", "/test.Echo/Absent", "200", STATUS_UNIMPLEMENTED},
        {"grpc-encoding", "snappy", "200", STATUS_UNIMPLEMENTED},
    };
    begin();
    for (size_t i = 0; i < sizeof refusals / sizeof refusals[0]; i++) {
        struct client *c = client_new();
        client_head(c, ECHO);
        client_header(c, refusals[i].name, refusals[i].value);
        client_head_end(c);
        client_message(c, hello, HELLO_BYTES);
        client_end(c);
        expect_trailers_only(c, refusals[i].http, refusals[i].code);
        client_free(c);
    }
    ASSERT_INT_EQ(runs, 0);
    finish();
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

TEST(intake, accepts_what_only_looks_unusual)
{
    static const char *const fields[][2] = {
        {"content-type", "application/grpc+proto"},
        {"content-type", "application/grpc;charset=utf-8"},
        {"content-type", "APPLICATION/gRPC"},
        {"content-type", "application/grpc+proto;x=y"},
        {"some-bin", "Zg=="},
        {"some-bin", "Zg,Zm8"},
        {"some-bin", "Zg== , Zm8"},
        {"host", "other.test"},
        {"grpc-encoding", "identity"},
        {"grpc-timeout", "99999999H"},
        {"x", "\x80\xff"},
    };
    begin();
    for (size_t i = 0; i < sizeof fields / sizeof fields[0]; i++) {
        struct client *c = call_with(ECHO, fields[i][0], fields[i][1]);
        ASSERT_INT_EQ(client_status(c), STATUS_OK);
        client_free(c);
    }
    struct client *c = call_with(ECHO, "content-type", "application/grpc+proto");
    ASSERT_STR_EQ(client_field(c, "content-type"), "application/grpc+proto");
    client_free(c);
    finish();
}

TEST(intake, tells_unknown_service_from_unknown_method)
{
    begin();
    struct client *c = call_with(ECHO, ":path", "/test.Echo/Nothing");
    ASSERT_STR_EQ(client_field(c, "grpc-message"), "unknown method");
    client_free(c);
    c = call_with(ECHO, ":path", "/test.Nobody/Say");
    ASSERT_STR_EQ(client_field(c, "grpc-message"), "unknown service");
    client_free(c);
    c = call_with(ECHO, "grpc-encoding", "snappy");
    ASSERT_STR_EQ(client_field(c, "grpc-accept-encoding"), "gzip");
    client_free(c);
    c = call_with(ECHO, ":method", "GET");
    ASSERT_STR_EQ(client_field(c, "allow"), "POST");
    client_free(c);
    finish();
}

TEST(intake, answers_431_to_a_header_list_over_the_limit)
{
    begin();
    struct client *c = client_new();
    client_head(c, ECHO);
    server_h2_handler.on_request(&c->stream, true, rig.server);
    expect_trailers_only(c, "431", STATUS_RESOURCE_EXHAUSTED);
    client_free(c);
    finish();
}

TEST(intake, counts_calls_without_te_and_serves_them)
{
    begin();
    struct client *c = client_new();
    client_header(c, ":method", "POST");
    client_header(c, ":path", ECHO);
    client_header(c, "content-type", "application/grpc");
    client_head_end(c);
    client_message(c, hello, HELLO_BYTES);
    client_end(c);
    ASSERT_INT_EQ(client_status(c), STATUS_OK);
    ASSERT_INT_EQ(rig.server->counts[COUNT_TE_MISSING], 1);
    client_free(c);
    finish();
}

/* Joined with commas, thousands of them are one small field to HPACK, and an arena to us. */
TEST(intake, takes_no_more_binary_values_than_fields)
{
    char commas[400];
    memset(commas, ',', sizeof commas);
    begin();
    for (size_t n = 200; n < sizeof commas; n += 100) {
        commas[n] = '\0';
        struct client *c = call_with(ECHO, "some-bin", commas);
        if (n < 256)
            ASSERT_INT_EQ(client_status(c), STATUS_OK);
        else
            expect_trailers_only(c, "431", STATUS_RESOURCE_EXHAUSTED);
        commas[n] = ',';
        client_free(c);
    }
    finish();
}

TEST(intake, ignores_request_trailers)
{
    begin();
    struct client *c = client_new();
    client_head(c, ECHO);
    client_head_end(c);
    client_message(c, hello, HELLO_BYTES);
    client_header(c, "some-bin", "***");
    client_header(c, "grpc-timeout", "bad");
    client_end(c);
    ASSERT_INT_EQ(client_status(c), STATUS_OK);
    client_free(c);
    finish();
}

/* Every way to cut a message in two, and byte by byte. */
TEST(intake, puts_a_message_together_from_any_split)
{
    static const char bytes[] = "\0\0\0\0\3\n\1x";
    begin();
    for (size_t cut = 0; cut <= 8; cut++) {
        struct client *c = client_new();
        client_head(c, ECHO);
        client_head_end(c);
        client_data(c, bytes, cut);
        client_data(c, bytes + cut, 8 - cut);
        client_end(c);
        ASSERT_INT_EQ(client_status(c), STATUS_OK);
        client_free(c);
    }
    struct client *c = client_new();
    client_head(c, ECHO);
    client_head_end(c);
    for (size_t i = 0; i < 8; i++)
        client_data(c, bytes + i, 1);
    client_end(c);
    ASSERT_INT_EQ(client_status(c), STATUS_OK);
    ASSERT_INT_EQ(c->consumed, 8);
    client_free(c);
    finish();
}

/* What the body is, and how the call ends. */
static void expect_body(const void *p, size_t bytes, enum status_code code)
{
    struct client *c = client_new();
    client_head(c, ECHO);
    client_head_end(c);
    client_data(c, p, bytes);
    client_end(c);
    ASSERT_INT_EQ(client_status(c), code);
    ASSERT_INT_EQ(c->end_count, 1);
    ASSERT_INT_EQ(c->consumed, bytes);
    client_free(c);
}

TEST(intake, refuses_bodies_that_are_not_one_message)
{
    begin();
    expect_body("", 0, STATUS_INTERNAL);                         /* none */
    expect_body("\0\0\0\0\0\0\0\0\0\0", 10, STATUS_INTERNAL);    /* two */
    expect_body("\0\0\0\0", 4, STATUS_INTERNAL);                 /* cut in the prefix */
    expect_body("\0\0\0\0\3\n\1", 7, STATUS_INTERNAL);           /* cut in the body */
    expect_body("\2\0\0\0\0", 5, STATUS_INTERNAL);               /* a flag of 2 */
    expect_body("\1\0\0\0\3\n\1x", 8, STATUS_INTERNAL);          /* flagged without an encoding */
    expect_body("\0\0\0\x03\xe9", 5, STATUS_RESOURCE_EXHAUSTED); /* 1001 bytes announced */
    expect_body("\0\0\0\0\3\n\5x", 8, STATUS_INTERNAL);          /* does not parse */
    expect_body("\0\0\0\0\0", 5, STATUS_OK);                     /* empty is legal */
    ASSERT_INT_EQ(runs, 1);
    finish();
}

static struct client *call_gzip(const uint8_t *body, size_t bytes)
{
    uint8_t prefix[FRAME_PREFIX_BYTES];
    struct client *c = client_new();
    client_head(c, ECHO);
    client_header(c, "grpc-encoding", "gzip");
    client_head_end(c);
    frame_prefix(prefix, true, bytes);
    client_data(c, prefix, sizeof prefix);
    client_data(c, body, bytes);
    client_end(c);
    return c;
}

TEST(intake, inflates_gzip_within_the_limit)
{
    static uint8_t plain[5000] = {'\n', 0xe0, 7};
    static uint8_t packed[5000];
    size_t bytes;
    struct compressor *z;
    begin();
    memset(plain + 3, 'a', sizeof plain - 3);
    ASSERT_INT_EQ(compressor_new(&z), 0);
    /* service of 992 bytes: 995 in all, below the limit of 1000. */
    ASSERT_INT_EQ(compressor_deflate(z, plain, 995, packed, sizeof packed, &bytes), 0);
    struct client *c = call_gzip(packed, bytes);
    ASSERT_INT_EQ(client_status(c), STATUS_OK);
    ASSERT_STR_EQ(client_field(c, "grpc-accept-encoding"), "gzip");
    client_free(c);
    ASSERT_INT_EQ(compressor_deflate(z, plain, sizeof plain, packed, sizeof packed, &bytes), 0);
    ASSERT_TRUE(bytes < 1000);
    c = call_gzip(packed, bytes);
    ASSERT_INT_EQ(client_status(c), STATUS_RESOURCE_EXHAUSTED);
    client_free(c);
    c = call_gzip((const uint8_t *)"not gzip", 8);
    ASSERT_INT_EQ(client_status(c), STATUS_INTERNAL);
    client_free(c);
    compressor_free(z);
    finish();
}

TEST(intake, keeps_all_metadata_and_hides_the_reserved_names)
{
    begin();
    struct client *c = client_new();
    client_head(c, ECHO);
    for (int i = 0; i < 100; i++)
        client_header(c, "x-many", "value");
    client_header(c, "x-last", "found");
    client_header(c, "data-bin", "Zm9v,Zm8=");
    client_header(c, "grpc-internal", "hidden");
    client_header(c, "grpc-previous-rpc-attempts", "2");
    struct call_impl *ci = c->stream.user;
    ASSERT_VIEW_EQ(call_metadata(&ci->pub, STR("x-last")), "found");
    ASSERT_VIEW_EQ(call_metadata(&ci->pub, STR("data-bin")), "foo");
    ASSERT_INT_EQ(call_metadata(&ci->pub, STR("grpc-internal")).n, 0);
    ASSERT_VIEW_EQ(call_metadata(&ci->pub, STR("grpc-previous-rpc-attempts")), "2");
    ASSERT_INT_EQ(call_metadata(&ci->pub, STR("authorization")).n, 0);
    client_close(c, true);
    client_free(c);
    finish();
}

TEST(intake, frees_a_call_whose_headers_never_came_together)
{
    begin();
    struct client *c = client_new();
    client_header(c, ":method", "POST");
    client_close(c, true);
    ASSERT_INT_EQ(c->end_count, 0);
    client_free(c);
    c = client_new();
    client_head(c, ECHO);
    client_head_end(c);
    client_data(c, "\0\0", 2);
    client_close(c, true);
    ASSERT_INT_EQ(c->end_count, 0);
    client_free(c);
    finish();
}

TEST(intake, ends_a_call_whose_request_does_not_come_by_the_deadline)
{
    begin();
    struct client *c = client_new();
    client_head(c, ECHO);
    client_header(c, "grpc-timeout", "50m");
    client_head_end(c);
    rig_advance(49);
    ASSERT_INT_EQ(client_status(c), -1);
    rig_advance(3);
    expect_trailers_only(c, "200", STATUS_DEADLINE_EXCEEDED);
    client_message(c, hello, HELLO_BYTES);
    client_end(c);
    ASSERT_INT_EQ(c->consumed, 8);
    ASSERT_INT_EQ(runs, 0);
    client_free(c);
    finish();
}
