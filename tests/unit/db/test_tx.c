/* Transactions of a call: one flight with BEGIN, commit, rollback, and every way to be interrupted.
 */
#include <stdio.h>

#include "support.h"

static void begin_call(struct caller *c)
{
    caller_init(c);
    c->call.scope.want_tx = true;
}

static void commit(struct caller *c)
{
    c->done = false;
    db_tx.commit(&c->call.scope);
    t_one(c);
}

/* Statements of one step; the caller is done when all are. */
static void put_two(struct caller *c, int first)
{
    c->done = false;
    t_put(&c->call, first, STR("a"));
    t_put(&c->call, first + 1, STR("b"));
    t_one(c);
}

static bool leases_are_idle(void *arg)
{
    (void)arg;
    for (unsigned i = 0; i < t_limits.leases_max; i++)
        if (t_db->leases[i].tx || !list_is_empty(&t_db->leases[i].conn.units))
            return false;
    return list_is_empty(&t_db->tx_waiting);
}

static void end(void)
{
    ASSERT_TRUE(t_wait(leases_are_idle, NULL, 5000));
    ASSERT_STR_EQ(
        pg_value("SELECT count(*) FROM pg_stat_activity WHERE state LIKE 'idle in trans%'"), "0");
    ASSERT_INT_EQ(db_stats(t_db)->queue_now, 0);
    ASSERT_INT_EQ(t_db->in_flight, 0);
    t_end();
}

TEST(tx, is_seen_by_others_after_commit_only)
{
    struct caller c;
    struct t_set_item_row row;
    t_begin();
    begin_call(&c);
    put_two(&c, 1);
    ASSERT_NOT_NULL(c.call.scope.lease);
    ASSERT_STR_EQ(pg_value("SELECT count(*) FROM item"), "0");
    c.done = false;
    t_set_item(&c.call, &row, 1, STR("changed"));
    t_one(&c);
    ASSERT_VIEW_EQ(row.v, "changed");
    ASSERT_FALSE(c.call.scope.commit_sent);
    int64_t before_ns = c.call.scope.db_ns;
    ASSERT_TRUE(before_ns > 0);
    commit(&c);
    ASSERT_TRUE(c.call.scope.commit_sent);
    ASSERT_TRUE(c.call.scope.db_ns > before_ns);
    ASSERT_INT_EQ(c.call.scope.error.reason, REASON_NONE);
    ASSERT_NULL(c.call.scope.lease);
    ASSERT_STR_EQ(pg_value("SELECT string_agg(v, ',' ORDER BY id) FROM item"), "changed,b");
    caller_deinit(&c);
    end();
}

/* The primary has moved; who connects again finds it. */
TEST(tx, leaves_a_server_that_has_become_read_only)
{
    struct caller c;
    t_begin();
    begin_call(&c);
    put_two(&c, 1);
    commit(&c);
    caller_deinit(&c);
    pg_exec("ALTER SYSTEM SET default_transaction_read_only = on");
    pg_exec("SELECT pg_reload_conf()");
    uint64_t before = db_stats(t_db)->reconnects;
    do {
        begin_call(&c);
        put_two(&c, 3); /* until the session has heard of it */
        db_tx.rollback(&c.call.scope);
        ASSERT_TRUE(t_wait(leases_are_idle, NULL, 5000));
        caller_deinit(&c);
    } while (c.call.scope.error.reason == REASON_NONE);
    ASSERT_INT_EQ(c.call.scope.error.reason, REASON_DATABASE_UNAVAILABLE);
    ASSERT_TRUE(c.call.scope.error.restart);
    pg_exec("ALTER SYSTEM RESET default_transaction_read_only");
    pg_exec("SELECT pg_reload_conf()");
    begin_call(&c);
    put_two(&c, 5);
    ASSERT_INT_EQ(c.call.scope.error.reason, REASON_NONE);
    commit(&c);
    ASSERT_INT_EQ(db_stats(t_db)->reconnects, before + 1);
    caller_deinit(&c);
    end();
}

TEST(tx, leaves_nothing_after_rollback)
{
    struct caller c;
    t_begin();
    begin_call(&c);
    put_two(&c, 1);
    db_tx.rollback(&c.call.scope);
    ASSERT_NULL(c.call.scope.lease);
    ASSERT_TRUE(t_wait(leases_are_idle, NULL, 5000));
    /* The lease works again for the next. */
    put_two(&c, 3);
    commit(&c);
    ASSERT_STR_EQ(pg_value("SELECT string_agg(id::text, ',' ORDER BY id) FROM item"), "3,4");
    caller_deinit(&c);
    end();
}

TEST(tx, commit_of_nothing_succeeds)
{
    struct caller c;
    t_begin();
    begin_call(&c);
    commit(&c);
    ASSERT_INT_EQ(c.call.scope.error.reason, REASON_NONE);
    ASSERT_NULL(c.call.scope.lease);
    caller_deinit(&c);
    begin_call(&c);
    db_tx.commit(&c.call.scope); /* and may be given up */
    caller_deinit(&c);
    end();
}

TEST(tx, a_failed_statement_fails_the_call_and_commits_nothing)
{
    struct caller c;
    struct t_fail_with_row row;
    t_begin();
    begin_call(&c);
    t_put(&c.call, 1, STR("a"));
    t_fail_with(&c.call, &row, STR("40001"));
    t_put(&c.call, 2, STR("b"));
    t_one(&c);
    ASSERT_INT_EQ(c.call.scope.error.reason, REASON_CONFLICT);
    ASSERT_TRUE(c.call.scope.error.restart);
    /* Even a commit that nobody should have asked for does not pretend. */
    c.call.scope.error = (struct op_error){.reason = REASON_NONE};
    commit(&c);
    ASSERT_INT_EQ(c.call.scope.error.reason, REASON_CONFLICT);
    ASSERT_STR_EQ(pg_value("SELECT count(*) FROM item"), "0");
    caller_deinit(&c);
    end();
}

TEST(tx, a_refused_commit_is_not_unknown)
{
    struct caller c;
    struct t_deferred_row row;
    t_begin();
    begin_call(&c);
    t_deferred(&c.call, &row, 1);
    t_one(&c);
    ASSERT_INT_EQ(c.call.scope.error.reason, REASON_NONE);
    commit(&c);
    ASSERT_INT_EQ(c.call.scope.error.reason, REASON_INTERNAL_ERROR);
    ASSERT_FALSE(c.call.scope.error.unknown);
    ASSERT_STR_EQ(pg_value("SELECT count(*) FROM child"), "0");
    caller_deinit(&c);
    end();
}

TEST(tx, batched_statements_run_alone_in_it)
{
    struct caller c;
    struct t_add_row row;
    struct t_some_of_rows rows;
    t_begin();
    begin_call(&c);
    t_add(&c.call, &row, t_uuid(1), t_uuid(2), 5);
    t_some_of(&c.call, &rows, 3); /* has a many form only */
    t_one(&c);
    ASSERT_INT_EQ(row.balance, 1005);
    ASSERT_INT_EQ(rows.count, 3);
    ASSERT_STR_EQ(pg_value("SELECT sum(balance) FROM account"), "100000");
    commit(&c);
    ASSERT_STR_EQ(pg_value("SELECT sum(balance) FROM account"), "100005");
    caller_deinit(&c);
    end();
}

TEST(tx, takes_its_timeouts_from_the_deadline)
{
    struct caller c;
    struct t_timeout_row row;
    t_begin();
    begin_call(&c);
    c.call.scope.deadline_ns = clock_mono_ns(&clock_system) + 1234 * NS_PER_MS;
    t_timeout(&c.call, &row);
    t_one(&c);
    ASSERT_INT_EQ(row.statement_timeout.n, 6); /* 1233ms or a little less */
    ASSERT_TRUE(str_eq(row.statement_timeout, row.lock_timeout));
    commit(&c);
    caller_deinit(&c);
    begin_call(&c);
    t_timeout(&c.call, &row);
    t_one(&c);
    ASSERT_VIEW_EQ(row.statement_timeout, "30s");
    ASSERT_VIEW_EQ(row.lock_timeout, "5s");
    caller_deinit(&c);
    end();
}

TEST(tx, waits_for_a_lease_and_gets_it)
{
    struct caller c[5];
    struct db_limits limits = db_limits_default;
    limits.leases_max = 2;
    t_begin_limits(&limits);
    for (int i = 0; i < 5; i++) {
        begin_call(&c[i]);
        t_put(&c[i].call, i, STR("v"));
    }
    t_one(&c[0]);
    t_one(&c[1]);
    t_turn(30);
    ASSERT_FALSE(c[2].done);
    commit(&c[0]);
    t_one(&c[2]);
    ASSERT_FALSE(c[3].done);
    db_tx.rollback(&c[1].call.scope);
    t_one(&c[3]);
    commit(&c[2]);
    t_one(&c[4]);
    commit(&c[3]);
    commit(&c[4]);
    ASSERT_STR_EQ(pg_value("SELECT string_agg(id::text, ',' ORDER BY id) FROM item"), "0,2,3,4");
    for (int i = 0; i < 5; i++)
        caller_deinit(&c[i]);
    end();
}

TEST(tx, given_up_while_waiting_for_a_lease_costs_nothing)
{
    struct caller c[3];
    struct db_limits limits = db_limits_default;
    limits.leases_max = 1;
    t_begin_limits(&limits);
    for (int i = 0; i < 3; i++) {
        begin_call(&c[i]);
        t_put(&c[i].call, i, STR("v"));
    }
    t_one(&c[0]);
    caller_deinit(&c[1]); /* detach, then rollback, as the runner does */
    commit(&c[0]);
    t_one(&c[2]);
    commit(&c[2]);
    ASSERT_STR_EQ(pg_value("SELECT string_agg(id::text, ',' ORDER BY id) FROM item"), "0,2");
    caller_deinit(&c[0]);
    caller_deinit(&c[2]);
    end();
}

TEST(tx, given_up_in_the_middle_of_a_flight_is_drained_and_rolled_back)
{
    struct caller c;
    struct t_wait_and_log_row row;
    t_begin();
    begin_call(&c);
    t_put(&c.call, 1, STR("a"));
    t_wait_and_log(&c.call, &row, 0.1, 7);
    t_turn(30);
    memset(&row, 0x55, sizeof row);
    caller_deinit(&c);
    ASSERT_FALSE(t_wait(leases_are_idle, NULL, 20));
    ASSERT_TRUE(t_wait(leases_are_idle, NULL, 5000));
    ASSERT_STR_EQ(pg_value("SELECT count(*) FROM item"), "0");
    ASSERT_STR_EQ(pg_value("SELECT count(*) FROM log"), "0");
    ASSERT_INT_EQ(*(uint8_t *)&row, 0x55);
    end();
}

TEST(tx, given_up_after_commit_was_sent_is_committed)
{
    struct caller c;
    t_begin();
    begin_call(&c);
    put_two(&c, 1);
    c.done = false;
    db_tx.commit(&c.call.scope);
    caller_deinit(&c);
    ASSERT_TRUE(t_wait(leases_are_idle, NULL, 5000));
    ASSERT_FALSE(c.done);
    ASSERT_STR_EQ(pg_value("SELECT count(*) FROM item"), "2");
    end();
}

/* The other order of giving up: rollback first, then detach. */
TEST(tx, may_be_rolled_back_before_its_statements_are_detached)
{
    struct caller c[2];
    t_begin();
    for (int i = 0; i < 2; i++) {
        begin_call(&c[i]);
        t_put(&c[i].call, i, STR("v"));
        if (i == 1)
            t_turn(0);
        db_tx.rollback(&c[i].call.scope);
        op_scope_detach_all(&c[i].call.scope);
        arena_reset(&c[i].call.arena);
    }
    ASSERT_TRUE(t_wait(leases_are_idle, NULL, 5000));
    ASSERT_STR_EQ(pg_value("SELECT count(*) FROM item"), "0");
    end();
}

static void kill_lease(void)
{
    char sql[100];
    int pid = PQbackendPID(t_db->leases[0].conn.pg);
    snprintf(sql, sizeof sql, "SELECT pg_terminate_backend(%d, 5000)", pid);
    pg_exec(sql);
}

TEST(tx, a_lost_connection_restarts_the_call)
{
    struct caller c;
    t_begin();
    begin_call(&c);
    put_two(&c, 1);
    kill_lease();
    t_turn(50);
    c.done = false;
    t_put(&c.call, 3, STR("c"));
    t_one(&c);
    ASSERT_INT_EQ(c.call.scope.error.reason, REASON_DATABASE_UNAVAILABLE);
    ASSERT_TRUE(c.call.scope.error.restart);
    ASSERT_FALSE(c.call.scope.error.unknown);
    db_tx.rollback(&c.call.scope);
    c.call.scope.error = (struct op_error){.reason = REASON_NONE};
    put_two(&c, 1);
    commit(&c);
    ASSERT_INT_EQ(c.call.scope.error.reason, REASON_NONE);
    ASSERT_STR_EQ(pg_value("SELECT count(*) FROM item"), "2");
    caller_deinit(&c);
    end();
}

TEST(tx, a_connection_lost_before_commit_is_not_unknown)
{
    struct caller c;
    t_begin();
    begin_call(&c);
    put_two(&c, 1);
    kill_lease();
    t_turn(50);
    commit(&c);
    ASSERT_INT_EQ(c.call.scope.error.reason, REASON_DATABASE_UNAVAILABLE);
    ASSERT_TRUE(c.call.scope.error.restart);
    ASSERT_FALSE(c.call.scope.error.unknown);
    caller_deinit(&c);
    end();
}

TEST(tx, a_connection_lost_during_commit_is_unknown)
{
    struct caller c;
    t_begin();
    begin_call(&c);
    put_two(&c, 1);
    kill_lease(); /* the loop has not noticed yet: COMMIT goes into the void */
    c.done = false;
    db_tx.commit(&c.call.scope);
    ASSERT_TRUE(c.call.scope.commit_sent);
    t_one(&c);
    ASSERT_INT_EQ(c.call.scope.error.reason, REASON_OUTCOME_UNKNOWN);
    ASSERT_TRUE(c.call.scope.error.unknown);
    caller_deinit(&c);
    end();
}
