/* The worked example of src/grpc/README.md, compiled and run: an interceptor of one's own. What
 * must stay true: the page shows exactly what stands between the two marks here. */
#include <grpc/health/v1/health.pb-c.h>
#include <stdio.h>

#include "rig.h"
#include "support/test.h"

/* example begins */
/* While the primary is being moved: reads pass, writes are told to come back. */
static enum reason intercept_read_only(struct call_impl *ci, struct str body)
{
    (void)body; /* empty at the header stage: nothing was read yet */
    return ci->pub.method->policy.changes_nothing ? REASON_NONE : REASON_DATABASE_UNAVAILABLE;
}
/* example ends */

static const struct interceptor table[] = {
    {"read_only", INTERCEPT_HEADERS, intercept_read_only},
    {"token", INTERCEPT_HEADERS, intercept_token},
    {0},
};

static enum step say(struct call *c)
{
    Grpc__Health__V1__HealthCheckResponse reply = GRPC__HEALTH__V1__HEALTH_CHECK_RESPONSE__INIT;
    return call_reply(c, &reply.base);
}

static const struct step_def say_steps[] = {STEP(say)};
static const struct rpc_handler say_handler = {
    .method = "Say", .steps = say_steps, .step_count = 1};

static void expect(const char *path, enum status_code code)
{
    struct client *c = client_call(path, "", 0);
    rig_turn();
    client_take(c);
    ASSERT_INT_EQ(client_status(c), code);
    ASSERT_INT_EQ(c->trailers_only, code != STATUS_OK);
    client_close(c, false);
    client_free(c);
}

TEST(example, an_interceptor_of_ones_own_is_a_row_of_the_table)
{
    const struct rpc_method methods[] = {
        {.path = STR("/test.Echo/Read"), .handler = &say_handler, .policy.changes_nothing = true},
        {.path = STR("/test.Echo/Write"), .handler = &say_handler},
        {.path = STR("/test.Echo/Secret"),
         .handler = &say_handler,
         .policy.changes_nothing = true,
         .policy.auth = RPC_AUTH_USER},
    };
    struct rpc_method copies[3];
    for (unsigned i = 0; i < 3; i++) {
        copies[i] = methods[i];
        copies[i].request = &grpc__health__v1__health_check_request__descriptor;
    }
    rig_start(copies, 3, NULL);
    rig.server->interceptors = table;
    expect("/test.Echo/Read", STATUS_OK);
    expect("/test.Echo/Write", STATUS_UNAVAILABLE);
    expect("/test.Echo/Secret", STATUS_UNAUTHENTICATED); /* the rows after it still run */
    rig.server->interceptors = interceptors_default;
    expect("/test.Echo/Write", STATUS_OK);
    ASSERT_TRUE(rig_is_clean());
    rig_stop();
}

static const char *read_file(const char *path)
{
    static char text[65536];
    FILE *f = fopen(path, "re");
    ASSERT_NOT_NULL(f);
    size_t n = fread(text, 1, sizeof text - 1, f);
    fclose(f);
    text[n] = '\0';
    return text;
}

TEST(example, is_what_the_page_shows)
{
    char example[2048];
    const char *source = read_file(FG_SOURCE_DIR "/tests/unit/grpc/test_example.c");
    const char *from = strstr(source, "/* example begins */\n") + strlen("/* example begins */\n");
    const char *to = strstr(from, "/* example ends */");
    ASSERT_NOT_NULL(to);
    ASSERT_TRUE((size_t)(to - from) < sizeof example);
    snprintf(example, sizeof example, "%.*s", (int)(to - from), from);
    ASSERT_HAS(read_file(FG_SOURCE_DIR "/src/grpc/README.md"), example);
}
