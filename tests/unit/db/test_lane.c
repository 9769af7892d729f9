/* Natural batching: who rides with whom, in which order, and what one bad member may not do to the
 * others. */
#include <stdio.h>

#include "support.h"

#define N 40

static struct caller callers[N];
static struct t_add_row rows[N];

static void add(unsigned i, unsigned account, unsigned request, int64_t amount)
{
    caller_init(&callers[i]);
    t_add(&callers[i].call, &rows[i], t_uuid(account), t_uuid(1000 + request), amount);
}

static void finish(unsigned n)
{
    t_wait_all(callers, n);
    for (unsigned i = 0; i < n; i++)
        caller_deinit(&callers[i]);
    ASSERT_INT_EQ(db_stats(t_db)->queue_now, 0);
    ASSERT_INT_EQ(t_loop.arenas.live_chunks, 0);
    t_end();
}

TEST(lane, members_share_units_and_get_their_own_rows)
{
    t_begin();
    for (unsigned i = 0; i < N; i++)
        add(i, i, i, (int64_t)i);
    t_wait_all(callers, N);
    for (unsigned i = 0; i < N; i++) {
        ASSERT_TRUE(rows[i].found);
        ASSERT_INT_EQ(rows[i].balance, 1000 + i);
    }
    ASSERT_INT_EQ(db_stats(t_db)->members, N);
    ASSERT_INT_EQ(db_stats(t_db)->units, 3); /* one per write lane */
    finish(N);
}

TEST(lane, a_batch_of_one_uses_the_plain_form)
{
    t_begin();
    add(0, 1, 1, 5);
    t_wait_all(callers, 1);
    ASSERT_INT_EQ(rows[0].balance, 1005);
    ASSERT_INT_EQ(db_stats(t_db)->batch_sizes[0], 1);
    ASSERT_STR_EQ(pg_value("SELECT ord FROM log"), "1");
    finish(1);
}

TEST(lane, a_missing_row_is_not_found_for_that_member_only)
{
    t_begin_lane();
    add(0, 1, 1, 5);
    add(1, 5000, 2, 5);
    add(2, 2, 3, 5);
    t_wait_all(callers, 3);
    ASSERT_TRUE(rows[0].found);
    ASSERT_FALSE(rows[1].found);
    ASSERT_TRUE(rows[2].found);
    ASSERT_INT_EQ(db_stats(t_db)->units, 1);
    finish(3);
}

TEST(lane, a_poisoned_member_does_not_hurt_its_neighbours)
{
    t_begin_lane();
    for (unsigned i = 0; i < 10; i++)
        add(i, i, i, i == 4 ? -5000 : 1);
    t_wait_all(callers, 10);
    for (unsigned i = 0; i < 10; i++) {
        ASSERT_INT_EQ(callers[i].call.scope.error.reason,
                      i == 4 ? REASON_INTERNAL_ERROR : REASON_NONE);
        ASSERT_TRUE(callers[i].call.scope.error.restart == (i == 4));
        if (i != 4)
            ASSERT_INT_EQ(rows[i].balance, 1001);
        if (i > 0)
            ASSERT_INT_EQ(callers[i].order, callers[i - 1].order + 1);
    }
    ASSERT_HAS(callers[4].call.scope.error.detail, "account_balance_ck");
    ASSERT_INT_EQ(db_stats(t_db)->solo_fallbacks, 1);
    ASSERT_STR_EQ(pg_value("SELECT sum(balance) FROM account"), "100009");
    finish(10);
}

TEST(lane, equal_requests_never_share_a_batch)
{
    t_begin_lane();
    add(0, 1, 1, 1);
    add(1, 1, 1, 1); /* the same request again */
    add(2, 1, 2, 1); /* same account, behind it: must not overtake */
    add(3, 2, 3, 1); /* another account: may ride */
    t_wait_all(callers, 4);
    ASSERT_INT_EQ(db_stats(t_db)->units, 2);
    ASSERT_INT_EQ(rows[0].batch, rows[3].batch);
    ASSERT_INT_NE(rows[0].batch, rows[1].batch);
    ASSERT_INT_EQ(rows[1].batch, rows[2].batch);
    finish(4);
}

TEST(lane, a_key_keeps_its_order)
{
    struct db_limits limits = db_limits_default;
    limits.batch_max = 4;
    t_begin_limits(&limits);
    for (unsigned i = 0; i < N; i++)
        add(i, i % 3, i, 1);
    t_wait_all(callers, N);
    ASSERT_STR_EQ(
        pg_value(
            "SELECT count(*) FROM (SELECT account, request, lag(request) OVER"
            " (PARTITION BY account ORDER BY seq) AS before FROM log) x WHERE request < before"),
        "0");
    ASSERT_INT_EQ(db_stats(t_db)->batch_members_max, 4);
    finish(N);
}

TEST(lane, who_wants_to_be_alone_is_alone)
{
    t_begin_lane();
    for (unsigned i = 0; i < 5; i++) {
        caller_init(&callers[i]);
        callers[i].call.scope.alone = i == 2;
        t_add(&callers[i].call, &rows[i], t_uuid(i), t_uuid(i), 1);
        ASSERT_FALSE(callers[i].call.scope.alone);
    }
    t_wait_all(callers, 5);
    ASSERT_INT_EQ(db_stats(t_db)->units, 3);
    ASSERT_INT_EQ(rows[0].batch, rows[1].batch);
    ASSERT_INT_NE(rows[1].batch, rows[2].batch);
    ASSERT_INT_NE(rows[2].batch, rows[3].batch);
    ASSERT_INT_EQ(rows[3].batch, rows[4].batch);
    finish(5);
}

TEST(lane, waiting_members_gather_while_the_lane_is_busy)
{
    struct caller slow;
    struct t_wait_a_bit_row row;
    t_begin_lane();
    caller_init(&slow);
    t_wait_a_bit(&slow.call, &row, 1);
    t_turn(20);
    for (unsigned i = 0; i < 30; i++) {
        add(i, i, i, 1);
        t_turn(1);
    }
    ASSERT_INT_EQ(db_stats(t_db)->queue_now, 30);
    t_wait_all(callers, 30);
    ASSERT_INT_EQ(db_stats(t_db)->units, 2);
    caller_deinit(&slow);
    finish(30);
}

/* Four for the first @accounts in one batch, while somebody else holds their rows: it takes long,
 * and half of that is how long a batch behind it may wait. */
static void add_to_held_rows(unsigned accounts)
{
    struct db_limits limits = db_limits_default;
    limits.write_lanes = 1;
    limits.hot_wait_us = 10 * 1000 * 1000;
    t_begin_limits(&limits);
    PGconn *other = pg_session();
    PQclear(PQexec(other, "BEGIN; SELECT FROM account FOR UPDATE"));
    for (unsigned i = 0; i < 4; i++)
        add(i, i % accounts, i, 1);
    t_turn(300);
    PQfinish(other);
    t_wait_all(callers, 4);
}

TEST(lane, a_batch_for_one_contended_row_waits_for_those_just_answered)
{
    add_to_held_rows(1);
    add(4, 0, 4, 1);
    add(5, 0, 5, 1);
    t_turn(20);
    ASSERT_INT_EQ(db_stats(t_db)->queue_now, 2);
    add(6, 0, 6, 1);
    add(7, 0, 7, 1);
    t_wait_all(callers, 8);
    ASSERT_INT_EQ(db_stats(t_db)->units, 2);
    add(8, 0, 8, 1); /* the others do not come back: it goes alone */
    t_wait_all(callers, 9);
    ASSERT_INT_EQ(db_stats(t_db)->units, 3);
    finish(9);
}

TEST(lane, a_batch_for_several_rows_waits_for_nobody)
{
    add_to_held_rows(2);
    add(4, 0, 4, 1);
    t_turn(20);
    ASSERT_INT_EQ(db_stats(t_db)->queue_now, 0);
    finish(5);
}

TEST(lane, reads_are_spread_over_idle_lanes)
{
    struct caller c[64];
    struct t_some_of_rows many[64];
    t_begin();
    for (unsigned i = 0; i < 64; i++) {
        caller_init(&c[i]);
        t_some_of(&c[i].call, &many[i], 1);
    }
    t_wait_all(c, 64);
    ASSERT_INT_EQ(db_stats(t_db)->units, 2);
    ASSERT_INT_EQ(db_stats(t_db)->batch_members_max, 32);
    for (unsigned i = 0; i < 64; i++)
        caller_deinit(&c[i]);
    t_end();
}

TEST(lane, plain_reads_are_pipelined)
{
    struct caller c[N];
    struct t_get_item_row items[N];
    t_begin();
    pg_exec("INSERT INTO item SELECT n, 'v' || n FROM generate_series(0, 39) n");
    for (unsigned i = 0; i < N; i++) {
        caller_init(&c[i]);
        t_get_item(&c[i].call, &items[i], (int32_t)i);
    }
    t_turn(0);
    t_wait_all(c, N);
    for (unsigned i = 0; i < N; i++) {
        char expected[16];
        snprintf(expected, sizeof expected, "v%u", i);
        ASSERT_TRUE(items[i].found);
        ASSERT_VIEW_EQ(items[i].v, expected);
        caller_deinit(&c[i]);
    }
    t_end();
}

TEST(lane, refuses_more_than_it_can_queue)
{
    unsigned refused = 0;
    struct db_limits limits = db_limits_default;
    limits.queue_max = 10;
    t_begin_limits(&limits);
    for (unsigned i = 0; i < 15; i++)
        add(i, i, i, 1);
    t_wait_all(callers, 15);
    for (unsigned i = 0; i < 15; i++)
        refused += callers[i].call.scope.error.reason == REASON_OVERLOADED;
    ASSERT_INT_EQ(refused, 5);
    finish(15);
}

TEST(lane, who_leaves_the_queue_is_not_executed)
{
    t_begin_lane();
    for (unsigned i = 0; i < 6; i++)
        add(i, i, i, 1);
    op_scope_detach_all(&callers[0].call.scope);
    op_scope_detach_all(&callers[3].call.scope);
    for (unsigned i = 0; i < 6; i++)
        if (i != 0 && i != 3)
            t_one(&callers[i]);
    ASSERT_STR_EQ(pg_value("SELECT count(*) FROM log"), "4");
    ASSERT_FALSE(callers[0].done);
    for (unsigned i = 0; i < 6; i++)
        caller_deinit(&callers[i]);
    t_end();
}

TEST(lane, who_leaves_after_sending_is_executed_and_not_told)
{
    t_begin_lane();
    for (unsigned i = 0; i < 4; i++)
        add(i, i, i, 1);
    t_pump();
    ASSERT_INT_EQ(db_stats(t_db)->queue_now, 0);
    op_scope_detach_all(&callers[1].call.scope);
    memset(&rows[1], 0x55, sizeof rows[1]);
    arena_reset(&callers[1].call.arena);
    for (unsigned i = 0; i < 4; i++)
        if (i != 1)
            t_one(&callers[i]);
    ASSERT_STR_EQ(pg_value("SELECT count(*) FROM log"), "4");
    ASSERT_FALSE(callers[1].done);
    ASSERT_INT_EQ(*(uint8_t *)&rows[1], 0x55);
    for (unsigned i = 0; i < 4; i++)
        caller_deinit(&callers[i]);
    t_end();
}

TEST(lane, who_leaves_a_poisoned_batch_is_not_tried_again)
{
    t_begin_lane();
    for (unsigned i = 0; i < 4; i++)
        add(i, i, i, i == 0 ? -5000 : 1);
    t_pump();
    op_scope_detach_all(&callers[2].call.scope);
    for (unsigned i = 0; i < 4; i++)
        if (i != 2)
            t_one(&callers[i]);
    ASSERT_STR_EQ(pg_value("SELECT count(*) FROM log"), "2");
    for (unsigned i = 0; i < 4; i++)
        caller_deinit(&callers[i]);
    t_end();
}

/* A step that goes on at once, as the runner does: what it sends must not disturb the unit being
 * delivered. */
static void add_once_more(struct caller *c)
{
    unsigned i = (unsigned)(c - callers);
    c->then = NULL;
    c->done = false;
    t_add(&c->call, &rows[i], t_uuid(i), t_uuid(500 + i), 1);
}

/* Another call ends while this one is told. */
static void detach_the_next(struct caller *c)
{
    op_scope_detach_all(&c[1].call.scope);
    c[1].done = true;
}

TEST(lane, callers_may_go_on_or_leave_while_others_are_told)
{
    t_begin_lane();
    for (unsigned i = 0; i < 8; i++) {
        add(i, i, i, 1);
        callers[i].then = i % 4 == 0 ? detach_the_next : i % 4 == 2 ? add_once_more : NULL;
    }
    t_wait_all(callers, 8);
    ASSERT_INT_EQ(rows[2].balance, 1002);
    ASSERT_STR_EQ(pg_value("SELECT count(*) FROM log"), "10");
    finish(8);
}

TEST(lane, a_deadline_that_passed_in_the_queue_is_not_executed)
{
    t_begin_lane();
    for (unsigned i = 0; i < 3; i++) {
        caller_init(&callers[i]);
        callers[i].call.scope.deadline_ns = i == 1 ? t_loop.now_ns - 1 : t_loop.now_ns + NS_PER_S;
        t_add(&callers[i].call, &rows[i], t_uuid(i), t_uuid(i), 1);
    }
    t_wait_all(callers, 3);
    ASSERT_INT_EQ(callers[1].call.scope.error.reason, REASON_DEADLINE_PASSED);
    ASSERT_STR_EQ(pg_value("SELECT count(*) FROM log"), "2");
    finish(3);
}

TEST(lane, statement_timeout_follows_the_deadline)
{
    struct caller c;
    struct t_timeout_row row;
    static const struct {
        int64_t left_ms;
        const char *timeout;
    } cases[] = {{500, "1s"},    {1500, "2s"}, {3000, "5s"}, {9000, "10s"}, {20000, "30s"},
                 {90000, "30s"}, {500, "1s"},  {3000, "5s"}, {1500, "5s"},  {900, "1s"}};
    t_begin_lane();
    for (unsigned i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        caller_init(&c);
        c.call.scope.deadline_ns = t_loop.now_ns + cases[i].left_ms * NS_PER_MS;
        t_timeout(&c.call, &row);
        t_one(&c);
        ASSERT_VIEW_EQ(row.statement_timeout, cases[i].timeout);
        ASSERT_VIEW_EQ(row.plan, "force_generic_plan");
        ASSERT_VIEW_EQ(row.lock_timeout, "5s");
        ASSERT_VIEW_EQ(row.app, "faregate");
        caller_deinit(&c);
    }
    t_end();
}

/* The one that fails set the session's, and the other is behind it in the pipeline. */
TEST(lane, a_failed_statement_leaves_the_next_its_time)
{
    struct t_fail_reading_row failed;
    struct t_timeout_row row;
    struct db_limits limits = db_limits_default;
    limits.read_lanes = 1;
    t_begin_limits(&limits);
    for (unsigned i = 0; i < 3; i++) {
        caller_init(&callers[i]);
        callers[i].call.scope.deadline_ns = t_loop.now_ns + (i == 0 ? 500 : 20000) * NS_PER_MS;
    }
    t_timeout(&callers[0].call, &row);
    t_one(&callers[0]);
    ASSERT_VIEW_EQ(row.statement_timeout, "1s");
    t_fail_reading(&callers[1].call, &failed, STR("XX001"));
    t_timeout(&callers[2].call, &row);
    t_wait_all(callers + 1, 2);
    ASSERT_INT_EQ(callers[1].call.scope.error.reason, REASON_INTERNAL_ERROR);
    ASSERT_VIEW_EQ(row.statement_timeout, "30s");
    for (unsigned i = 0; i < 3; i++)
        caller_deinit(&callers[i]);
    t_end();
}

/* How many index entries lie between the reading of the first item and of the last. */
static int64_t reads_between(int last)
{
    struct caller asks[2];
    struct t_look_row seen[2] = {{0}};
    for (int i = 0; i < 2; i++) {
        caller_init(&asks[i]);
        t_look(&asks[i].call, &seen[i], i == 0 ? 1 : last);
    }
    t_wait_all(asks, 2);
    for (int i = 0; i < 2; i++)
        caller_deinit(&asks[i]);
    return seen[1].reads - seen[0].reads;
}

TEST(lane, a_plan_of_an_empty_table_does_not_last)
{
    enum { ITEMS = 3000 };
    struct db_limits limits = db_limits_default;
    limits.read_lanes = 1;
    t_begin_limits(&limits);
    pg_exec("VACUUM ANALYZE item");
    for (unsigned i = 0; i < 3; i++)
        reads_between(ITEMS);
    pg_exec("INSERT INTO item SELECT n, 'x' FROM generate_series(1, 3000) n");
    reads_between(ITEMS); /* by the old plan: some 3000 */
    ASSERT_INT_EQ(reads_between(ITEMS), 1);
    t_end();
}

TEST(lane, a_statement_that_takes_too_long_is_stopped)
{
    struct caller c;
    struct t_wait_a_bit_row row;
    t_begin();
    caller_init(&c);
    c.call.scope.deadline_ns = t_loop.now_ns + 300 * NS_PER_MS;
    int64_t start_ns = clock_mono_ns(&clock_system);
    t_wait_a_bit(&c.call, &row, 10);
    t_one(&c);
    ASSERT_INT_EQ(c.call.scope.error.reason, REASON_DEADLINE_PASSED);
    ASSERT_INT_IN(clock_mono_ns(&clock_system) - start_ns, 900 * NS_PER_MS, 3000 * NS_PER_MS);
    caller_deinit(&c);
    t_end();
}

TEST(lane, steady_traffic_takes_no_memory_per_member)
{
    t_begin();
    for (unsigned round = 0; round < 3; round++) {
        for (unsigned i = 0; i < N; i++)
            add(i, i, round * N + i, 1);
        t_wait_all(callers, N);
        for (unsigned i = 0; i < N; i++)
            caller_deinit(&callers[i]);
        ASSERT_INT_EQ(t_db->members_free_count, N);
    }
    t_end();
}
