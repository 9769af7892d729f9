/* Section 3.1, tracing headers: which trace a call is in, whoever says so, and what is carried on
 * to those we ask. Section 3.1, codes: no business refusal looks like a broken server. */
#include <grpc/health/v1/health.pb-c.h>
#include <stdio.h>
#include <stdlib.h>

#include "rig.h"
#include "support/test.h"

static char carried[4096];

static enum step list(struct call *c)
{
    size_t n = 0;
    struct str name, value;
    for (unsigned at = 0; call_trace_next(c, &at, &name, &value);)
        n += (size_t)snprintf(carried + n, sizeof carried - n, "%.*s=%.*s\n", (int)name.n, name.p,
                              (int)value.n, value.p);
    Grpc__Health__V1__HealthCheckResponse reply = GRPC__HEALTH__V1__HEALTH_CHECK_RESPONSE__INIT;
    return call_reply(c, &reply.base);
}

static const struct step_def list_steps[] = {STEP(list)};
static const struct rpc_handler lists = {.method = "Lists", .steps = list_steps, .step_count = 1};

static void begin(void)
{
    const struct rpc_method methods[] = {
        {.path = STR("/test.S/Lists"),
         .handler = &lists,
         .request = &grpc__health__v1__health_check_request__descriptor,
         .reply = &grpc__health__v1__health_check_response__descriptor}};
    carried[0] = '\0';
    rig_start(methods, 1, NULL);
}

static void finish(void)
{
    rig_turn();
    ASSERT_TRUE(rig_is_clean());
    rig_stop();
}

/* Name, value, name, value, NULL. The trace of the call, "00-...". */
static const char *call_with(const char *const *fields)
{
    static char text[56];
    struct client *c = client_new();
    client_head(c, "/test.S/Lists");
    for (; fields[0]; fields += 2)
        client_header(c, fields[0], fields[1]);
    client_head_end(c);
    trace_format(&((struct call_impl *)c->stream.user)->trace, text);
    client_message(c, "", 0);
    client_end(c);
    ASSERT_INT_EQ(client_status(c), STATUS_OK);
    client_free(c);
    return text;
}

#define TRACE "0af7651916cd43dd8448eb211c80319c"
#define SPAN "b7ad6b7169203331"

static void expect_trace(const char *const *fields, const char *trace_id, const char *flags)
{
    const char *text = call_with(fields);
    if (strncmp(text + 3, trace_id, 32) != 0 || strcmp(text + 53, flags) != 0)
        FAIL(text);
    ASSERT_TRUE(strncmp(text + 36, SPAN, 16) != 0); /* a span of our own */
}

TEST(trace, continues_the_trace_of_whichever_header_came)
{
    begin();
    expect_trace((const char *const[]){"traceparent", "00-" TRACE "-" SPAN "-01", NULL}, TRACE,
                 "01");
    expect_trace((const char *const[]){"b3", TRACE "-" SPAN "-1", NULL}, TRACE, "01");
    expect_trace((const char *const[]){"b3", TRACE "-" SPAN "-0-" SPAN, NULL}, TRACE, "00");
    expect_trace((const char *const[]){"b3", TRACE "-" SPAN, NULL}, TRACE, "01");
    expect_trace((const char *const[]){"x-b3-traceid", TRACE, "x-b3-spanid", SPAN, "x-b3-sampled",
                                       "0", NULL},
                 TRACE, "00");
    expect_trace((const char *const[]){"x-b3-traceid", SPAN, "x-b3-spanid", SPAN, NULL},
                 "0000000000000000" SPAN, "01");
    expect_trace(
        (const char *const[]){"grpc-trace-bin", "AAAK92UZFs1D3YRI6yEcgDGcAbeta3FpIDMxAgE", NULL},
        TRACE, "01");
    /* traceparent wins. */
    expect_trace((const char *const[]){"b3", "1" TRACE "-" SPAN "-1", "traceparent",
                                       "00-" TRACE "-" SPAN "-00", NULL},
                 TRACE, "00");
    finish();
}

TEST(trace, begins_anew_where_nothing_can_be_read)
{
    static const char *const bad[][2] = {
        {"b3", "0"},
        {"b3", TRACE},
        {"b3", "XAF7651916cd43dd8448eb211c80319c-" SPAN "-1"},
        {"x-b3-traceid", TRACE},
        {"grpc-trace-bin", "AAAK"},
        {"traceparent", "00-" TRACE},
    };
    begin();
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        const char *text = call_with((const char *const[]){bad[i][0], bad[i][1], NULL});
        ASSERT_TRUE(strncmp(text + 3, TRACE, 32) != 0);
        ASSERT_TRUE(strncmp(text + 3, "00000000000000000000000000000000", 32) != 0);
    }
    finish();
}

TEST(trace, carries_on_what_tracing_in_the_mesh_needs)
{
    begin();
    char *own = strdup(call_with(
        (const char *const[]){"traceparent", "00-" TRACE "-" SPAN "-01", "x-other", "no",
                              "tracestate", "a=1", "x-request-id", "r-1", "x-b3-traceid", TRACE,
                              "authorization", "Bearer good", "x-datadog-trace-id", "7",
                              "grpc-trace-bin", "AAECAw==", "x-cloud-trace-context", "c", NULL}));
    char wanted[1024];
    snprintf(wanted, sizeof wanted,
             "traceparent=%s\ntracestate=a=1\nx-request-id=r-1\nx-b3-traceid=" TRACE
             "\nx-datadog-trace-id=7\ngrpc-trace-bin=AAECAw\nx-cloud-trace-context=c\n",
             own);
    ASSERT_STR_EQ(carried, wanted);
    free(own);
    finish();
}

/* Envoy's outlier detection maps UNKNOWN, INTERNAL, DATA_LOSS, UNIMPLEMENTED, UNAVAILABLE and
 * DEADLINE_EXCEEDED to 5xx and ejects the server that says them. So they are for what is wrong with
 * this server or what it stands on, and each is listed here with why. */
TEST(trace, says_5xx_like_codes_only_where_the_server_is_at_fault)
{
    static const enum reason faults[] = {
        REASON_DATABASE_UNAVAILABLE, /* another server may reach it: eject this one */
        REASON_OVERLOADED,           /* another server has room */
        REASON_SHUTTING_DOWN,        /* another server stays */
        REASON_OUTCOME_UNKNOWN,      /* the connection to the database broke under a COMMIT */
        REASON_INTERNAL_ERROR,       /* a bug here */
        REASON_DEADLINE_PASSED,      /* too slow, and every client would say the same */
        REASON_PROVIDER_UNAVAILABLE, /* a dependency is away: nothing was charged, retry elsewhere
                                      */
    };
    for (enum reason r = REASON_NONE + 1; r < REASON_COUNT; r++) {
        const struct reason_info *info = reason_info(r);
        bool is_5xx = info->code == STATUS_UNKNOWN || info->code == STATUS_INTERNAL ||
                      info->code == STATUS_DATA_LOSS || info->code == STATUS_UNIMPLEMENTED ||
                      info->code == STATUS_UNAVAILABLE || info->code == STATUS_DEADLINE_EXCEEDED;
        bool is_listed = false;
        for (size_t i = 0; i < sizeof faults / sizeof faults[0]; i++)
            is_listed |= faults[i] == r;
        if (is_5xx != is_listed)
            FAIL(info->name);
    }
}
