/* What the server may answer, and what becomes of it: reasons, restarts, retries, commit-time
 * errors. */
#include <stdio.h>

#include "support.h"

static struct op_error fail_with(const char *state)
{
    struct caller c;
    struct t_fail_with_row row;
    caller_init(&c);
    t_fail_with(&c.call, &row, str_of(state));
    t_one(&c);
    struct op_error error = c.call.scope.error;
    caller_deinit(&c);
    return error;
}

TEST(errors, sqlstates_become_reasons)
{
    static const struct {
        const char *state;
        enum reason reason;
        bool restart;
    } cases[] = {
        {"40001", REASON_CONFLICT, true},        {"40P01", REASON_CONFLICT, true},
        {"55P03", REASON_CONFLICT, false},       {"57014", REASON_DEADLINE_PASSED, false},
        {"23514", REASON_INTERNAL_ERROR, true},  {"23502", REASON_FIELD_INVALID, false},
        {"22003", REASON_FIELD_INVALID, false},  {"23505", REASON_INTERNAL_ERROR, true},
        {"53200", REASON_OVERLOADED, false},     {"57P03", REASON_DATABASE_UNAVAILABLE, true},
        {"42501", REASON_INTERNAL_ERROR, false}, {"P0001", REASON_INTERNAL_ERROR, false},
    };
    t_begin();
    for (unsigned i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct op_error error = fail_with(cases[i].state);
        ASSERT_INT_EQ(error.reason, cases[i].reason);
        ASSERT_INT_EQ(error.restart, cases[i].restart);
        ASSERT_FALSE(error.unknown);
        ASSERT_HAS(error.detail, cases[i].state);
        ASSERT_HAS(error.detail, "t_fail_with");
    }
    t_end();
}

TEST(errors, a_mapped_constraint_is_its_reason)
{
    struct caller c[2];
    const char *name = reason_constraint(0);
    t_begin();
    if (name) {
        char sql[300];
        snprintf(sql, sizeof sql, "ALTER TABLE item ADD CONSTRAINT %s CHECK (v <> 'bad')", name);
        pg_exec(sql);
        caller_init(&c[0]);
        t_put(&c[0].call, 1, STR("bad"));
        t_one(&c[0]);
        ASSERT_INT_EQ(c[0].call.scope.error.reason, reason_of_constraint(name));
        caller_deinit(&c[0]);
    }
    caller_init(&c[1]);
    t_put(&c[1].call, 2, STR("good"));
    t_one(&c[1]);
    ASSERT_INT_EQ(c[1].call.scope.error.reason, REASON_NONE);
    caller_deinit(&c[1]);
    t_end();
}

TEST(errors, a_conflict_is_retried_in_the_lane)
{
    struct caller c[2];
    struct t_fail_times_row row;
    t_begin();
    caller_init(&c[0]);
    t_fail_times(&c[0].call, &row, STR("40001"), 4);
    t_one(&c[0]);
    ASSERT_INT_EQ(c[0].call.scope.error.reason, REASON_NONE);
    ASSERT_INT_EQ(row.v, 1);
    ASSERT_INT_EQ(db_stats(t_db)->rewinds, 4);
    /* One time more than rewind_max: the call is to start over. */
    pg_exec("ALTER SEQUENCE failures RESTART");
    caller_init(&c[1]);
    t_fail_times(&c[1].call, &row, STR("40P01"), 100);
    t_one(&c[1]);
    ASSERT_INT_EQ(c[1].call.scope.error.reason, REASON_CONFLICT);
    ASSERT_TRUE(c[1].call.scope.error.restart);
    ASSERT_INT_EQ(db_stats(t_db)->rewinds, 4 + t_limits.rewind_max);
    caller_deinit(&c[0]);
    caller_deinit(&c[1]);
    t_end();
}

/* Another session holds row 2 and wants row 1; the batch holds 1 and wants 2. */
TEST(errors, a_real_deadlock_is_survived)
{
    struct caller c[2];
    struct t_add_row rows[2];
    t_begin_lane();
    PGconn *other = pg_session();
    PQclear(PQexec(other, "SET deadlock_timeout = '10s'")); /* the lane is to be the victim */
    PQclear(PQexec(other, "BEGIN; UPDATE account SET balance = balance + 1 WHERE id = "
                          "'00000000-0000-0000-0000-000000000002'"));
    for (unsigned i = 0; i < 2; i++) {
        caller_init(&c[i]);
        t_add(&c[i].call, &rows[i], t_uuid(i + 1), t_uuid(i), 1);
    }
    t_turn(20);
    PQsetnonblocking(other, 1);
    PQsendQuery(other, "UPDATE account SET balance = balance + 1 WHERE id = "
                       "'00000000-0000-0000-0000-000000000001'; COMMIT");
    PQflush(other);
    t_wait_all(c, 2);
    for (PGresult *result; (result = PQgetResult(other)) != NULL;)
        PQclear(result);
    PQfinish(other);
    for (unsigned i = 0; i < 2; i++) {
        ASSERT_STR_EQ(c[i].call.scope.error.detail, "");
        ASSERT_INT_IN(rows[i].balance, 1001, 1002); /* who comes first after the deadlock is open */
        caller_deinit(&c[i]);
    }
    ASSERT_STR_EQ(
        pg_value("SELECT string_agg(balance::text, ',') FROM account WHERE balance <> 1000"),
        "1002,1002");
    ASSERT_INT_EQ(db_stats(t_db)->solo_fallbacks, 1);
    t_end();
}

/* Five were left when the batch began, two when it had waited for them: it looks again, as a batch.
 */
static void lose_a_race(unsigned gone)
{
    struct caller c[3];
    struct t_take_row rows[3];
    t_begin_lane();
    PGconn *other = pg_session();
    PQclear(PQexec(other, "BEGIN; UPDATE stock SET rest = 2"));
    for (unsigned i = 0; i < 3; i++) {
        caller_init(&c[i]);
        t_take(&c[i].call, &rows[i], 1);
    }
    t_turn(20);
    ASSERT_INT_EQ(t_finished, 0);
    for (unsigned i = 0; i < gone; i++)
        caller_deinit(&c[i]);
    PQclear(PQexec(other, "COMMIT"));
    PQfinish(other);
    t_wait_all(c + gone, 3 - gone);
    for (unsigned i = gone; i < 3; i++) {
        ASSERT_STR_EQ(c[i].call.scope.error.detail, "");
        ASSERT_TRUE(rows[i].taken == (i < 2 + gone));
        caller_deinit(&c[i]);
    }
    ASSERT_STR_EQ(pg_value("SELECT rest FROM stock"), "0");
    ASSERT_INT_EQ(db_stats(t_db)->rewinds, 1);
    ASSERT_INT_EQ(db_stats(t_db)->solo_fallbacks, 0);
    t_end();
}

TEST(errors, a_batch_that_lost_a_race_is_run_again)
{
    lose_a_race(0);
}

/* Nothing had happened for who has gone, and nothing does. */
TEST(errors, who_has_gone_is_not_run_again)
{
    lose_a_race(1);
}

TEST(errors, a_real_serialization_failure_is_retried)
{
    struct caller c;
    struct t_add_row row;
    pg_exec("ALTER DATABASE postgres SET default_transaction_isolation = 'repeatable read'");
    t_begin();
    PGconn *other = pg_session();
    PQclear(PQexec(other, "BEGIN; UPDATE account SET balance = balance + 1 WHERE id = "
                          "'00000000-0000-0000-0000-000000000002'"));
    caller_init(&c);
    t_add(&c.call, &row, t_uuid(2), t_uuid(1), 1);
    t_turn(50);
    PQclear(PQexec(other, "COMMIT"));
    PQfinish(other);
    t_one(&c);
    ASSERT_STR_EQ(c.call.scope.error.detail, "");
    ASSERT_INT_EQ(row.balance, 1002);
    ASSERT_INT_EQ(db_stats(t_db)->rewinds, 1);
    caller_deinit(&c);
    t_end();
    pg_exec("ALTER DATABASE postgres RESET default_transaction_isolation");
}

/* The statement succeeds, its commit does not: no row may have been handed over. */
TEST(errors, a_refused_commit_is_an_error)
{
    struct caller c;
    struct t_deferred_row row = {.v = 77};
    t_begin();
    caller_init(&c);
    t_deferred(&c.call, &row, 5);
    t_one(&c);
    ASSERT_INT_EQ(c.call.scope.error.reason, REASON_INTERNAL_ERROR);
    ASSERT_FALSE(c.call.scope.error.unknown);
    ASSERT_HAS(c.call.scope.error.detail, "child_parent_fk");
    ASSERT_INT_EQ(row.v, 77);
    caller_deinit(&c);
    /* The session is as good as before. */
    struct t_one_of_row one;
    for (unsigned i = 0; i < 6; i++) {
        caller_init(&c);
        t_one_of(&c.call, &one, 1);
        t_one(&c);
        ASSERT_INT_EQ(c.call.scope.error.reason, REASON_NONE);
        caller_deinit(&c);
    }
    ASSERT_INT_EQ(db_stats(t_db)->reconnects, 0);
    t_end();
}

TEST(errors, a_stale_plan_is_prepared_again)
{
    struct caller c;
    struct t_star_row row;
    t_begin();
    pg_exec("INSERT INTO item VALUES (1, 'v')");
    for (unsigned i = 0; i < 4; i++) {
        caller_init(&c);
        t_star(&c.call, &row, 1);
        t_one(&c);
        ASSERT_STR_EQ(c.call.scope.error.detail, "");
        ASSERT_VIEW_EQ(row.v, "v");
        caller_deinit(&c);
        if (i % 2 == 0) /* text to varchar: another type for the plan, the same bytes for us */
            pg_exec(i ? "ALTER TABLE item ALTER v TYPE text"
                      : "ALTER TABLE item ALTER v TYPE varchar(20)");
    }
    ASSERT_INT_EQ(db_stats(t_db)->reconnects, 0);
    t_end();
}

TEST(errors, an_argument_the_server_cannot_read_is_a_bad_field)
{
    struct caller c[3];
    struct t_echo_null_row rows[3];
    t_begin();
    for (unsigned i = 0; i < 3; i++) {
        caller_init(&c[i]);
        t_echo_null(&c[i].call, &rows[i], NULL, NULL, NULL, NULL, NULL,
                    i == 1 ? (struct str){"\xff", 1} : STR("fine"), (struct str){NULL, 0}, NULL,
                    NULL, NULL);
    }
    t_wait_all(c, 3);
    for (unsigned i = 0; i < 3; i++) {
        ASSERT_INT_EQ(c[i].call.scope.error.reason, i == 1 ? REASON_FIELD_INVALID : REASON_NONE);
        caller_deinit(&c[i]);
    }
    t_end();
}
