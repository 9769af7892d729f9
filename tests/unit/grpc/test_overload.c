/* Section 3.4 and row "early tap" of section 2: who is refused when there is too much to do, with a
 * made-up clock. Every refusal comes before a byte of the body was read. */
#include <grpc/health/v1/health.pb-c.h>

#include "rig.h"
#include "support/test.h"

static unsigned runs;

struct state {
    int value;
};

/* Waits for one statement, so that the test says how long a call takes. */
static enum step begin_work(struct call *c)
{
    runs++;
    fake_submit(c, &((struct state *)c->state)->value);
    return STEP_NEXT;
}

static enum step end_work(struct call *c)
{
    Grpc__Health__V1__HealthCheckResponse reply = GRPC__HEALTH__V1__HEALTH_CHECK_RESPONSE__INIT;
    return call_reply(c, &reply.base);
}

static const struct step_def steps[] = {STEP(begin_work), STEP(end_work)};
static const struct rpc_handler works = {.method = "Works", RPC_STEPS(steps, struct state)};

#define METHOD(name, level)                                                                        \
    {                                                                                              \
        .path = STR("/test.S/" name), .handler = &works,                                           \
        .request = &grpc__health__v1__health_check_request__descriptor,                            \
        .reply = &grpc__health__v1__health_check_response__descriptor,                             \
        .policy.criticality = RPC_CRITICALITY_##level                                              \
    }

static void begin(uint32_t calls_max)
{
    struct server_limits limits = server_limits_default;
    const struct rpc_method methods[] = {METHOD("Search", LOW), METHOD("Book", NORMAL),
                                         METHOD("Pay", HIGH)};
    limits.calls_max = calls_max;
    runs = 0;
    rig_start(methods, sizeof methods / sizeof methods[0], &limits);
}

static void finish(void)
{
    rig_turn();
    ASSERT_TRUE(rig_is_clean());
    rig_stop();
}

/* Only the headers: what is refused is refused now. */
static struct client *headers(const char *path, const char *timeout)
{
    struct client *c = client_new();
    client_head(c, path);
    if (timeout)
        client_header(c, "grpc-timeout", timeout);
    client_head_end(c);
    return c;
}

static void expect_shed(struct client *c, enum status_code code)
{
    ASSERT_INT_EQ(client_status(c), code);
    ASSERT_TRUE(c->trailers_only);
    ASSERT_INT_EQ(c->consumed, 0);
    client_free(c);
}

/* gRPC clients read the first hint, Envoy the second. */
static void expect_overloaded(struct client *c)
{
    ASSERT_STR_EQ(client_field(c, "grpc-retry-pushback-ms"), "250");
    ASSERT_STR_EQ(client_field(c, "retry-after"), "1");
    expect_shed(c, STATUS_UNAVAILABLE);
}

TEST(overload, refuses_search_first_and_money_last)
{
    struct client *open[16];
    begin(16);
    for (unsigned i = 0; i < 16; i++) {
        if (i >= 12)
            expect_overloaded(headers("/test.S/Search", NULL));
        if (i >= 14)
            expect_overloaded(headers("/test.S/Book", NULL));
        open[i] = headers(i < 12   ? "/test.S/Search"
                          : i < 14 ? "/test.S/Book"
                                   : "/test.S/Pay",
                          NULL);
        ASSERT_INT_EQ(client_status(open[i]), -1);
    }
    expect_overloaded(headers("/test.S/Pay", NULL));
    ASSERT_INT_EQ(rig.server->counts[COUNT_SHED_CALLS], 4 + 2 + 1);
    for (unsigned i = 0; i < 16; i++) {
        client_close(open[i], true);
        client_free(open[i]);
    }
    finish();
}

/* Whose request does not come whole gives way to who comes, the oldest first, after a while. */
TEST(overload, is_not_filled_by_half_sent_requests)
{
    struct client *open[16];
    begin(16);
    for (unsigned i = 0; i < 16; i++)
        open[i] = headers("/test.S/Pay", NULL);
    rig_advance(900);
    rig_turn();
    expect_overloaded(headers("/test.S/Pay", NULL));
    rig_advance(200);
    rig_turn();
    rig.server->registry->methods[2].policy.in_flight_max = 16;
    expect_overloaded(headers("/test.S/Pay", NULL)); /* who is refused anyway takes no place */
    ASSERT_INT_EQ(client_status(open[0]), -1);
    rig.server->registry->methods[2].policy.in_flight_max = 0;
    struct client *c = client_call("/test.S/Pay", "", 0);
    fake_complete(fake_first(), 1);
    rig_turn();
    ASSERT_INT_EQ(client_status(c), STATUS_OK);
    ASSERT_INT_EQ(client_status(open[0]), STATUS_UNAVAILABLE);
    ASSERT_INT_EQ(client_status(open[1]), -1);
    client_free(c);
    for (unsigned i = 0; i < 16; i++) {
        client_close(open[i], true);
        client_free(open[i]);
    }
    finish();
}

/* The first is written for it, the others are a copy: nobody may tell. */
TEST(overload, refuses_the_next_in_the_same_words)
{
    begin(1);
    struct client *open = headers("/test.S/Pay", NULL), *first = headers("/test.S/Pay", NULL);
    ASSERT_TRUE(rig.server->blocks.refused[REASON_OVERLOADED].block.p != NULL);
    ASSERT_TRUE(client_field(first, "grpc-status-details-bin")[0] != '\0');
    for (int i = 0; i < 2; i++) {
        struct client *next = headers("/test.S/Book", NULL);
        ASSERT_INT_EQ(next->field_count, first->field_count);
        for (unsigned k = 0; k < first->field_count; k++) {
            ASSERT_STR_EQ(next->names[k], first->names[k]);
            ASSERT_STR_EQ(next->values[k], first->values[k]);
        }
        expect_overloaded(next);
    }
    struct client *small = client_new();
    small->header_list_max = 300;
    client_head(small, "/test.S/Pay");
    client_head_end(small);
    ASSERT_STR_EQ(client_field(small, "grpc-status-details-bin"), "");
    expect_overloaded(small);
    expect_overloaded(first);
    client_close(open, true);
    client_free(open);
    finish();
}

TEST(overload, refuses_search_while_the_loop_is_late)
{
    begin(1000);
    server_watch_lag(rig.server);
    rig_advance(102);
    ASSERT_FALSE(server_is_lagging(rig.server));
    rig_advance(100 + 90); /* 90 ms late: below the limit of 100 */
    ASSERT_FALSE(server_is_lagging(rig.server));
    rig_advance(100 + 200);
    ASSERT_TRUE(server_is_lagging(rig.server));
    ASSERT_INT_IN(server_lag_ns(rig.server), 198 * NS_PER_MS, 203 * NS_PER_MS);
    expect_overloaded(headers("/test.S/Search", NULL));
    ASSERT_INT_EQ(rig.server->counts[COUNT_SHED_LAG], 1);
    struct client *c = headers("/test.S/Book", NULL);
    ASSERT_INT_EQ(client_status(c), -1);
    client_close(c, true);
    client_free(c);
    /* Not before it is well below: no flapping. */
    for (int i = 0; i < 3; i++)
        rig_advance(102);
    ASSERT_TRUE(server_lag_ns(rig.server) < 100 * NS_PER_MS);
    ASSERT_TRUE(server_is_lagging(rig.server));
    for (int i = 0; i < 5; i++)
        rig_advance(102);
    ASSERT_FALSE(server_is_lagging(rig.server));
    finish();
}

static int64_t wait_ms, read_wait_ms;

static int64_t expected_wait(const void *db, bool is_read)
{
    (void)db;
    return (is_read ? read_wait_ms : wait_ms) * NS_PER_MS;
}

static void expect_taken(struct client *c)
{
    ASSERT_INT_EQ(client_status(c), -1);
    client_close(c, true);
    client_free(c);
}

/* The limit is 100 ms: half of it for search, twice for money. */
TEST(overload, refuses_what_would_wait_too_long_for_the_database)
{
    begin(1000);
    rig.server->hooks.wait_ns = expected_wait;
    wait_ms = 50;
    expect_taken(headers("/test.S/Search", NULL));
    wait_ms = 51;
    expect_overloaded(headers("/test.S/Search", NULL));
    wait_ms = 100;
    expect_taken(headers("/test.S/Book", NULL));
    wait_ms = 101;
    expect_overloaded(headers("/test.S/Book", NULL));
    wait_ms = 200;
    expect_taken(headers("/test.S/Pay", NULL));
    wait_ms = 201;
    expect_overloaded(headers("/test.S/Pay", NULL));
    ASSERT_INT_EQ(rig.server->counts[COUNT_SHED_QUEUE], 3);
    /* What only reads waits for reads alone. */
    rig.server->registry->methods[0].policy.changes_nothing = true;
    read_wait_ms = 0;
    expect_taken(headers("/test.S/Search", NULL));
    read_wait_ms = 51;
    wait_ms = 0;
    expect_overloaded(headers("/test.S/Search", NULL));
    expect_taken(headers("/test.S/Book", NULL));
    /* What is answered from memory waits for nobody. */
    rig.server->registry->methods[0].policy.is_local = true;
    expect_taken(headers("/test.S/Search", NULL));
    rig.server->registry->methods[0].policy.is_local = false;
    /* Never, if so told. */
    rig.server->limits.queue_wait_max_ms = 0;
    wait_ms = read_wait_ms = 1000000;
    expect_taken(headers("/test.S/Search", NULL));
    finish();
}

static void work_for(int64_t ms)
{
    struct client *c = client_call("/test.S/Book", "", 0);
    rig_advance(ms);
    fake_complete(fake_first(), 1);
    rig_turn();
    ASSERT_INT_EQ(client_status(c), STATUS_OK);
    client_free(c);
}

/* A call of 50 ms is not begun for somebody who goes away in 10, unless there is nothing else to
 * do; now and then one is, or the server would never learn that it became faster. */
TEST(overload, does_not_begin_under_load_what_cannot_end_in_time)
{
    begin(16);
    for (int i = 0; i < 64; i++)
        work_for(50);
    struct client *c = headers("/test.S/Book", "10m");
    ASSERT_INT_EQ(client_status(c), -1); /* idle: it may succeed */
    client_close(c, true);
    client_free(c);
    struct client *others[2];
    for (int i = 0; i < 2; i++)
        others[i] = headers("/test.S/Pay", NULL);
    runs = 0;
    for (int i = 0; i < 7; i++)
        expect_shed(headers("/test.S/Book", "10m"), STATUS_DEADLINE_EXCEEDED);
    ASSERT_INT_EQ(rig.server->counts[COUNT_SHED_DEADLINE], 7);
    ASSERT_INT_EQ(runs, 0);
    c = headers("/test.S/Book", "10m"); /* the probe */
    ASSERT_INT_EQ(client_status(c), -1);
    client_close(c, true);
    client_free(c);
    c = headers("/test.S/Book", "80m"); /* enough time */
    ASSERT_INT_EQ(client_status(c), -1);
    client_close(c, true);
    client_free(c);
    for (int i = 0; i < 64; i++)
        work_for(5);
    c = headers("/test.S/Book", "10m"); /* it became faster */
    ASSERT_INT_EQ(client_status(c), -1);
    client_close(c, true);
    client_free(c);
    for (int i = 0; i < 2; i++) {
        client_close(others[i], true);
        client_free(others[i]);
    }
    finish();
}
