/* Load reports through the runner: the stream's pace, what a report holds, the trailer on replies.
 * The rates are exact, because the rig's clock stands still; processor and memory are only bounded.
 */
#include "grpc/orca.h"

#include <google/protobuf/duration.pb-c.h>
#include <grpc/health/v1/health.pb-c.h>
#include <xds/data/orca/v3/orca_load_report.pb-c.h>
#include <xds/service/orca/v3/orca.pb-c.h>

#include "grpc/base64.h"
#include "grpc/health.h"
#include "pb.h"
#include "rig.h"
#include "support/test.h"

#define STREAM "/xds.service.orca.v3.OpenRcaService/StreamCoreMetrics"
#define CHECK_PATH "/grpc.health.v1.Health/Check"

typedef Xds__Data__Orca__V3__OrcaLoadReport report_t;

static void begin(void)
{
    const struct rpc_method methods[] = {
        {.path = STR(STREAM),
         .handler = orca_service.handlers[0],
         .server_streaming = true,
         .request = &xds__service__orca__v3__orca_load_report_request__descriptor},
        {.path = STR(CHECK_PATH),
         .handler = health_service.handlers[0],
         .request = &grpc__health__v1__health_check_request__descriptor},
    };
    struct server_limits limits = server_limits_default;
    limits.load_report_ms_min = 2000;
    limits.calls_max = 10;
    rig_start(methods, 2, &limits);
    health_set_ready(server_health(rig.server), true);
}

static void finish(void)
{
    rig_turn();
    ASSERT_TRUE(rig_is_clean());
    rig_stop();
}

static void leave(struct client *c)
{
    client_close(c, true);
    client_free(c);
}

/* A stream that asks for a report every so often; negative: does not say. */
static struct client *open_stream(int64_t seconds)
{
    struct buf b = {0}, duration = {0};
    if (seconds >= 0) {
        pb_number(&duration, 1, (uint64_t)seconds);
        pb_message(&b, 1, &duration);
    }
    struct client *c = client_call(STREAM, b.p, buf_len(&b));
    buf_deinit(&b);
    rig_turn();
    return c;
}

/* The next report, or NULL. The caller frees. */
static report_t *next(struct client *c)
{
    client_take(c);
    rig_turn();
    if (buf_len(&c->body) < 5)
        return NULL;
    const uint8_t *p = c->body.p + c->body.start;
    size_t bytes = (size_t)p[3] << 8 | p[4];
    report_t *r = xds__data__orca__v3__orca_load_report__unpack(NULL, bytes, p + 5);
    ASSERT_NOT_NULL(r);
    buf_consume(&c->body, 5 + bytes);
    return r;
}

static bool has_report(struct client *c)
{
    report_t *r = next(c);
    bool has = r != NULL;
    xds__data__orca__v3__orca_load_report__free_unpacked(r, NULL);
    return has;
}

static enum status_code check(const char *service)
{
    struct buf b = {0};
    pb_text(&b, 1, service);
    struct client *c = client_call(CHECK_PATH, b.p, buf_len(&b));
    buf_deinit(&b);
    rig_turn();
    client_take(c);
    enum status_code code = (enum status_code)client_status(c);
    client_close(c, false);
    client_free(c);
    return code;
}

TEST(orca, reports_at_once_and_then_at_the_pace_that_was_asked_for)
{
    begin();
    struct client *c = open_stream(5);
    ASSERT_TRUE(has_report(c));
    rig_advance(4000);
    ASSERT_FALSE(has_report(c));
    rig_advance(1500);
    ASSERT_TRUE(has_report(c));
    rig_advance(5500);
    ASSERT_TRUE(has_report(c));
    leave(c);
    finish();
}

TEST(orca, reports_no_faster_than_the_server_allows)
{
    static const int64_t asked[] = {-1, 0, 1};
    begin();
    for (size_t i = 0; i < sizeof asked / sizeof asked[0]; i++) {
        struct client *c = open_stream(asked[i]);
        ASSERT_TRUE(has_report(c));
        rig_advance(1500);
        ASSERT_FALSE(has_report(c));
        rig_advance(1000);
        ASSERT_TRUE(has_report(c));
        leave(c);
    }
    struct client *c = open_stream(INT64_MAX); /* an hour is the longest there is */
    ASSERT_TRUE(has_report(c));
    rig_advance(3601 * 1000);
    ASSERT_TRUE(has_report(c));
    leave(c);
    finish();
}

TEST(orca, tells_rates_and_how_full_things_are)
{
    begin();
    struct client *c = open_stream(2);
    ASSERT_TRUE(has_report(c));
    for (unsigned i = 0; i < 6; i++)
        ASSERT_INT_EQ(check(""), STATUS_OK);
    for (unsigned i = 0; i < 2; i++)
        ASSERT_INT_EQ(check("no.such"), STATUS_NOT_FOUND);
    server_set_load(rig.server, "queue", 30, 40);
    server_set_load(rig.server, "lanes", 5, 0);
    rig_advance(2500);
    report_t *r = next(c);
    ASSERT_NOT_NULL(r);
    ASSERT_TRUE(r->rps_fractional > 3.1 && r->rps_fractional < 3.3);
    ASSERT_TRUE(r->eps > 0.7 && r->eps < 0.9);
    ASSERT_TRUE(r->cpu_utilization > 0 && r->cpu_utilization < 64);
    ASSERT_TRUE(r->mem_utilization > 0 && r->mem_utilization <= 1);
    ASSERT_INT_EQ(r->n_named_metrics, 3);
    ASSERT_INT_EQ(r->n_utilization, 2); /* "lanes" has no limit */
    for (size_t i = 0; i < r->n_utilization; i++) {
        bool is_queue = strcmp(r->utilization[i]->key, "queue") == 0;
        double wanted = is_queue ? 0.75 : 0.1; /* one call of ten: this stream */
        ASSERT_TRUE(r->utilization[i]->value > wanted - 0.01 &&
                    r->utilization[i]->value < wanted + 0.01);
    }
    ASSERT_TRUE(r->application_utilization >= 0.75);
    xds__data__orca__v3__orca_load_report__free_unpacked(r, NULL);
    server_set_load(rig.server, "queue", 50, 40); /* over its limit is full */
    rig_advance(2500);
    r = next(c);
    for (size_t i = 0; i < r->n_utilization; i++)
        ASSERT_TRUE(r->utilization[i]->value <= 1);
    xds__data__orca__v3__orca_load_report__free_unpacked(r, NULL);
    leave(c);
    finish();
}

TEST(orca, queues_nothing_for_a_client_that_does_not_read)
{
    begin();
    struct client *c = open_stream(2);
    for (unsigned i = 0; i < 20; i++)
        rig_advance(2500);
    ASSERT_INT_EQ(c->write_count, 1);
    ASSERT_TRUE(has_report(c));
    ASSERT_TRUE(has_report(c)); /* overdue: at once */
    ASSERT_FALSE(has_report(c));
    leave(c);
    finish();
}

TEST(orca, does_not_hold_up_a_drain)
{
    begin();
    struct client *c = open_stream(2);
    ASSERT_TRUE(has_report(c));
    server_drain(rig.server);
    rig_turn();
    ASSERT_INT_EQ(client_status(c), STATUS_UNAVAILABLE);
    client_close(c, false);
    client_free(c);
    finish();
}

TEST(orca, puts_the_report_on_replies_only_where_that_was_asked_for)
{
    begin();
    for (int on = 0; on <= 1; on++) {
        for (int fails = 0; fails <= 1; fails++) {
            uint8_t bytes[2048];
            size_t n;
            server_report_load(rig.server, 1, on);
            struct client *c = client_call(CHECK_PATH, fails ? "\n\1x" : "", fails ? 3 : 0);
            rig_turn();
            client_take(c);
            ASSERT_INT_EQ(client_status(c), fails ? STATUS_NOT_FOUND : STATUS_OK);
            struct str text = str_of(client_field(c, "endpoint-load-metrics-bin"));
            ASSERT_INT_EQ(text.n > 0, on);
            if (on) {
                ASSERT_INT_EQ(base64_decode(text, bytes, &n), 0);
                report_t *r = xds__data__orca__v3__orca_load_report__unpack(NULL, n, bytes);
                ASSERT_NOT_NULL(r);
                ASSERT_INT_EQ(r->n_named_metrics, 1);
                xds__data__orca__v3__orca_load_report__free_unpacked(r, NULL);
            }
            client_close(c, false);
            client_free(c);
        }
    }
    finish();
}
