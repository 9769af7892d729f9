/* In which order rows are locked, and what happens to a statement whose row changed while it
 * waited. The order is everybody's: bookings, inventory, seats; networks before pairs. */
#include <string.h>

#include "flow.h"
#include "gen/sql/jobs.sql.h"

/* Two bookings, each with seat 1A or 1B of flight 1. */
static void hold_with_seats(void)
{
    t_begin(1, 9);
    for (unsigned i = 1; i <= 2; i++) {
        ASSERT_STR_EQ(do_hold(i, t_id('f', 1), 1), "");
        struct ask ask;
        ask_begin(&ask, "booking_claim_seats");
        ask_set(&ask, 0, "booking_id", t_id('b', i));
        ask_set(&ask, 0, "flight_ids", t_id('f', 1));
        ask_set(&ask, 0, "cabins", "1");
        ask_set(&ask, 0, "seats", i == 1 ? "1A" : "1B");
        ask_set(&ask, 0, "passengers", "0");
        ASSERT_STR_EQ(t_only(ask_run(t_session(0), &ask), "missing"), "");
    }
}

/* @ask waits for the inventory of flight 1; nobody may find its seats locked meanwhile. */
static void expect_seats_free_behind(const struct ask *ask, const char *column, const char *wanted)
{
    t_do(1, "BEGIN; SELECT FROM inventory FOR UPDATE");
    ask_send(t_session(2), ask);
    ASSERT_TRUE(t_is_waiting(2));
    t_do(0, "BEGIN");
    ASSERT_STR_EQ(
        t_sql("SELECT count(*) FROM (SELECT FROM seat_assignment FOR UPDATE SKIP LOCKED) x"), "2");
    t_do(0, "ROLLBACK");
    t_do(1, "COMMIT");
    ASSERT_STR_EQ(t_only(ask_wait(t_session(2)), column), wanted);
}

TEST(order, expiry_takes_inventory_before_seats)
{
    hold_with_seats();
    let_lapse(1);
    struct ask ask;
    fill_expire(&ask);
    expect_seats_free_behind(&ask, "expired", "1");
    ASSERT_STR_EQ(t_sql("SELECT seat FROM seat_assignment"), "1B");
    t_end();
}

TEST(order, cancellation_takes_inventory_before_seats)
{
    hold_with_seats();
    ASSERT_STR_EQ(do_quote(1, 1, 0, 0), "");
    struct ask ask;
    fill_cancel(&ask, 1, 1);
    expect_seats_free_behind(&ask, "refusal", "");
    ASSERT_STR_EQ(t_sql("SELECT seat FROM seat_assignment"), "1B");
    t_end();
}

TEST(order, a_failed_payment_takes_inventory_before_seats)
{
    hold_with_seats();
    ASSERT_STR_EQ(do_start(1), "");
    ASSERT_STR_EQ(do_start(2), "");
    let_lapse(1);
    struct ask ask;
    fill_failed(&ask, 0, 1, "DECLINED"); /* EXPIRED */
    fill_failed(&ask, 1, 2, "DECLINED"); /* HELD */
    expect_seats_free_behind(&ask, "booking_state", "EXPIRED");
    ASSERT_STR_EQ(t_sql("SELECT seat FROM seat_assignment"), "1B");
    ASSERT_STR_EQ(t_sql("SELECT s.expire_time = b.payment_required_time FROM seat_assignment s "
                        "JOIN booking b USING (booking_id)"),
                  "t");
    t_end();
}

/* The lease passes while the provider thinks: the seat must not be taken over meanwhile. */
TEST(order, a_seat_is_kept_while_money_is_in_flight)
{
    hold_with_seats();
    ASSERT_STR_EQ(do_start(1), "");
    let_lapse(1);
    let_lapse(2);
    struct ask ask;
    ASSERT_STR_EQ(do_hold(3, t_id('f', 1), 2), "");
    ask_begin(&ask, "booking_claim_seats");
    ask_set(&ask, 0, "booking_id", t_id('b', 3));
    ask_set(&ask, 0, "flight_ids", t_format("%s,%s", t_id('f', 1), t_id('f', 1)));
    ask_set(&ask, 0, "cabins", "1,1");
    ask_set(&ask, 0, "seats", "1A,1B");
    ask_set(&ask, 0, "passengers", "0,1");
    ASSERT_STR_EQ(t_only(ask_run(t_session(0), &ask), "missing"), "1");
    ASSERT_STR_EQ(do_authorised(1), "DONE");
    ASSERT_STR_EQ(do_captured(1), "t");
    ASSERT_STR_EQ(t_sql(t_format("SELECT seat || ' ' || expire_time FROM seat_assignment "
                                 "WHERE booking_id = '%s'",
                                 t_id('b', 1))),
                  "1A infinity");
    ASSERT_STR_EQ(do_expire(), "1");
    t_end();
}

/* Bookings before inventory, in order: batches the other way round do not deadlock. */
TEST(order, batches_lock_in_key_order)
{
    t_begin(4, 9);
    for (unsigned i = 1; i <= 4; i++) {
        ASSERT_STR_EQ(do_hold(i, t_id('f', i), 1), "");
        ASSERT_STR_EQ(do_start(i), "");
    }
    struct ask ask;
    for (unsigned i = 0; i < 4; i++)
        fill_authorised(&ask, i, 4 - i);
    t_do(1,
         t_format("BEGIN; SELECT FROM booking WHERE booking_id = '%s' FOR UPDATE", t_id('b', 2)));
    ask_send(t_session(2), &ask);
    ASSERT_TRUE(t_is_waiting(2));
    t_do(0, "BEGIN");
    ASSERT_STR_EQ(
        t_sql("SELECT string_agg(right(booking_id::text, 1), ' ' ORDER BY booking_id) FROM "
              "(SELECT booking_id FROM booking FOR UPDATE SKIP LOCKED) x"),
        "3 4");
    t_do(0, "ROLLBACK");
    t_do(1, "COMMIT");
    PGresult *r = ask_wait(t_session(2));
    for (int i = 0; i < 4; i++)
        ASSERT_STR_EQ(t_cell(r, i, "outcome"), "DONE");
    PQclear(r);
    for (unsigned i = 1; i <= 4; i++)
        ASSERT_STR_EQ(do_captured(i), "t");
    t_end();
}

/* ---- a data-modifying CTE must not be asked again for a row that changed ---- */

TEST(order, a_login_ends_the_oldest_session_although_it_was_just_refreshed)
{
    t_begin(1, 9);
    struct ask ask;
    for (unsigned i = 1; i <= 2; i++) {
        fill_session(&ask, i);
        ASSERT_STR_EQ(t_only(ask_run(t_session(0), &ask), "claimed"), "t");
    }
    fill_session(&ask, 3);
    t_do(1, "BEGIN");
    t_do(1,
         t_format("UPDATE session SET refresh_time = now() WHERE session_id = '%s'", t_id('s', 1)));
    ask_send(t_session(2), &ask);
    ASSERT_TRUE(t_is_waiting(2));
    t_do(1, "COMMIT");
    ASSERT_STR_EQ(t_only(ask_wait(t_session(2)), "ended"), "\\x73000000000070008000000000000001");
    ASSERT_STR_EQ(t_sql("SELECT count(*) FROM session WHERE end_time IS NULL"), "2");
    ASSERT_STR_EQ(t_sql("SELECT count(*) FROM revocation"), "1");
    t_end();
}

TEST(order, a_login_clears_its_throttle_although_another_attempt_was_just_counted)
{
    t_begin(1, 9);
    t_do(0,
         t_format("INSERT INTO login_throttle VALUES ('%s', 1, now(), now() + interval '1 hour'), "
                  "('%s', 1, now(), now() + interval '1 hour')",
                  t_id('n', 1), t_id('p', 1)));
    struct ask ask;
    fill_session(&ask, 1);
    t_do(1, "BEGIN");
    t_do(1, t_format("UPDATE login_throttle SET failures = 2 WHERE key = '%s'", t_id('p', 1)));
    ask_send(t_session(2), &ask);
    ASSERT_TRUE(t_is_waiting(2));
    t_do(1, "COMMIT");
    ASSERT_STR_EQ(t_only(ask_wait(t_session(2)), "claimed"), "t");
    ASSERT_STR_EQ(
        t_sql("SELECT string_agg(left(key::text, 2) || failures, ' ') FROM login_throttle"), "6e0");
    t_end();
}

static const char *sweep_begin(void)
{
    return t_sql(jobs_sweep_begin_statement.sql_one);
}

static void sweep_move(const char *watermark)
{
    struct ask ask;
    ask_begin(&ask, "jobs_sweep_move");
    ask_set(&ask, 0, "watermark", watermark);
    PQclear(ask_run(t_session(0), &ask));
}

/* A process that starts: with what lapsed first, or where it or another one was. */
TEST(order, a_sweep_goes_on_where_it_was)
{
    t_begin(1, 9);
    ASSERT_STR_EQ(
        t_sql(t_format("SELECT abs(extract(epoch FROM now() - '%s')) < 90", sweep_begin())), "t");
    ASSERT_STR_EQ(do_hold(1, t_id('f', 1), 1), ""); /* lapses later */
    ASSERT_STR_EQ(t_sql(t_format("SELECT '%s' <= now()", sweep_begin())), "t");
    let_lapse(1);
    const char *due = t_sql("SELECT payment_required_time FROM booking");
    ASSERT_STR_EQ(sweep_begin(), due);
    sweep_move("2026-02-02 00:00:00+00");
    sweep_move("2026-01-01 00:00:00+00"); /* somebody slower */
    ASSERT_STR_EQ(
        t_sql(t_format("SELECT '%s' = timestamptz '2026-02-02 00:00:00+00'", sweep_begin())), "t");
    sweep_move(due);
    ASSERT_STR_EQ(sweep_begin(), due);
    t_end();
}

/* The watermark was written by a clock that was ahead: by then it is of the past, or not yet. */
TEST(order, a_sweep_goes_back_with_the_clock)
{
    t_begin(1, 9);
    ASSERT_STR_EQ(do_hold(1, t_id('f', 1), 1), "");
    let_lapse(1);
    const char *due = t_sql("SELECT payment_required_time FROM booking");
    sweep_move(t_sql("SELECT now() - interval '1 second'"));
    ASSERT_STR_EQ(sweep_begin(), due);
    sweep_move(t_sql("SELECT now() + interval '1 hour'"));
    ASSERT_STR_EQ(sweep_begin(), due);
    sweep_move(due);
    ASSERT_STR_EQ(t_sql("SELECT watermark FROM sweep"), due);
    ASSERT_STR_EQ(do_expire(), "1");
    sweep_move(t_sql("SELECT now() + interval '1 hour'"));
    ASSERT_STR_EQ(t_sql(t_format("SELECT '%s' < now()", sweep_begin())), "t");
    t_end();
}

/* Who began before the sweep and has not ended may leave a hold behind it. */
TEST(order, a_sweep_tells_who_may_still_be_committing)
{
    t_begin(1, 9);
    struct ask ask;
    fill_expire(&ask);
    t_do(1, "BEGIN");
    t_do(1, "SELECT pg_current_xact_id()");
    const char *began =
        t_sql("SELECT xact_start FROM pg_stat_activity WHERE backend_xid IS NOT NULL");
    ASSERT_STR_EQ(t_only(ask_run(t_session(0), &ask), "horizon"), began);
    t_do(1, "COMMIT");
    PGresult *r = ask_run(t_session(0), &ask);
    ASSERT_TRUE(strcmp(PQgetvalue(r, 0, PQfnumber(r, "horizon")), began) > 0);
    PQclear(r);
    t_end();
}

TEST(order, a_sweep_looks_no_farther_than_asked)
{
    t_begin(1, 9);
    ASSERT_STR_EQ(do_hold(1, t_id('f', 1), 1), "");
    let_lapse(1);
    struct ask ask;
    fill_expire(&ask);
    ask_set(&ask, 0, "until",
            t_sql("SELECT payment_required_time - interval '1 second' FROM booking"));
    ASSERT_STR_EQ(t_only(ask_run(t_session(0), &ask), "expired"), "0");
    ask_set(&ask, 0, "until", t_sql("SELECT payment_required_time FROM booking"));
    ASSERT_STR_EQ(t_only(ask_run(t_session(0), &ask), "expired"), "1");
    t_end();
}
