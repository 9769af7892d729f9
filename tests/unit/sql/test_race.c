/* Two sessions: the first holds a lock that the second waits for. READ COMMITTED shows the second
 * the locked row as it is after the wait, and everything else as it was before it. */
#include <string.h>

#include "flow.h"

TEST(race, two_payments_of_one_booking)
{
    t_begin(1, 9);
    ASSERT_STR_EQ(do_hold(1, t_id('f', 1), 1), "");
    struct ask first, second;
    fill_start(&first, 0, 1, true);
    fill_try(&second, 0, 1, true, 2);
    t_do(1, "BEGIN");
    ASSERT_STR_EQ(in_first(&first, "refusal"), "");
    PGresult *r = after_wait(&second);
    ASSERT_STR_EQ(t_cell(r, 0, "refusal"), "PAYMENT_IN_PROGRESS");
    ASSERT_STR_EQ(t_cell(r, 0, "claimed"), "f");
    PQclear(r);
    t_end();
}

/* Its lease ended while it waited: by then somebody else may have its seats. */
TEST(race, a_payment_that_waited_past_the_lease)
{
    t_begin(1, 9);
    ASSERT_STR_EQ(do_hold(1, t_id('f', 1), 1), "");
    t_do(0,
         "UPDATE booking SET payment_required_time = clock_timestamp() + interval '0.3 seconds'");
    struct ask ask;
    fill_start(&ask, 0, 1, true);
    t_do(1, "BEGIN");
    t_do(1, "SELECT FROM booking FOR UPDATE");
    ask_send(t_session(2), &ask);
    ASSERT_TRUE(t_is_waiting(2));
    t_do(1, "SELECT pg_sleep(0.4)");
    t_do(1, "COMMIT");
    ASSERT_STR_EQ(t_only(ask_wait(t_session(2)), "refusal"), "HOLD_EXPIRED");
    t_end();
}

/* The intent was made, refused by the provider and forgotten while the second waited. */
TEST(race, a_payment_behind_one_that_was_called_off)
{
    t_begin(1, 9);
    ASSERT_STR_EQ(do_hold(1, t_id('f', 1), 1), "");
    ASSERT_STR_EQ(do_start(1), "");
    struct ask first, second;
    fill_failed(&first, 0, 1, "NOT_RECEIVED");
    ask_set(&first, 0, "cancel_intent", "t");
    fill_try(&second, 0, 1, true, 2);
    t_do(1, "BEGIN");
    ASSERT_STR_EQ(in_first(&first, "done"), "t");
    ASSERT_STR_EQ(t_only(after_wait(&second), "refusal"), "");
    t_end();
}

/* What was inserted during the wait cannot be seen: the booking tells of it. */
TEST(race, a_payment_behind_an_intent_that_was_just_made)
{
    t_begin(1, 9);
    ASSERT_STR_EQ(do_hold(1, t_id('f', 1), 1), "");
    struct ask first, second, third;
    fill_intent(&first, 0, 1);
    fill_start(&second, 0, 1, true);
    ask_set(&second, 0, "intent_id", t_id('i', 2));
    fill_intent(&third, 0, 1);
    ask_set(&third, 0, "request_id", t_id('n', 3));
    ask_set(&third, 0, "intent_id", t_id('i', 3));
    t_do(1, "BEGIN");
    ASSERT_STR_EQ(in_first(&first, "refusal"), "");
    ask_send(t_session(3), &third);
    ASSERT_TRUE(t_is_waiting(3));
    ASSERT_STR_EQ(t_only(after_wait(&second), "refusal"), "PAYMENT_IN_PROGRESS");
    ASSERT_STR_EQ(t_only(ask_wait(t_session(3)), "refusal"), "PAYMENT_IN_PROGRESS");
    ASSERT_STR_EQ(t_only(ask_run(t_session(2), &second), "refusal"), "PAYMENT_STATE");
    t_end();
}

TEST(race, a_confirmation_does_not_wake_a_cancelled_intent)
{
    t_begin(1, 9);
    ASSERT_STR_EQ(do_hold(1, t_id('f', 1), 1), "");
    struct ask ask;
    fill_intent(&ask, 0, 1);
    ASSERT_STR_EQ(refusal(&ask), "");
    fill_start(&ask, 0, 1, false);
    t_do(1, "BEGIN");
    t_do(1, "SELECT FROM booking FOR UPDATE");
    t_do(1, "UPDATE payment_intent SET state = 'CANCELLED', update_time = now()");
    ASSERT_STR_EQ(t_only(after_wait(&ask), "refusal"), "PAYMENT_STATE");
    ASSERT_STR_EQ(t_sql("SELECT state FROM payment_intent"), "CANCELLED");
    ASSERT_STR_EQ(state_of(1), "HELD");
    t_end();
}

/* A second try came and went during the wait: its row, which tells of the intent, cannot be seen.
 */
TEST(race, an_intent_that_another_try_took_over_is_in_progress)
{
    for (int cancels = 0; cancels < 2; cancels++) {
        t_begin(1, 9);
        ASSERT_STR_EQ(do_hold(1, t_id('f', 1), 1), "");
        ASSERT_STR_EQ(do_quote(1, 1, 0, 0), "");
        ASSERT_STR_EQ(do_start(1), "");
        ASSERT_STR_EQ(do_failed(1, "DECLINED"), "t");
        struct ask other, loss, ask;
        fill_try(&other, 0, 1, false, 2);
        fill_failed(&loss, 0, 1, "DECLINED");
        ask_set(&loss, 0, "attempt_id", t_id('a', 2));
        if (cancels)
            fill_cancel(&ask, 1, 1);
        else
            fill_try(&ask, 0, 1, false, 3);
        t_do(1, "BEGIN");
        ASSERT_STR_EQ(in_first(&other, "refusal"), "");
        ASSERT_STR_EQ(in_first(&loss, "done"), "t");
        PGresult *r = after_wait(&ask);
        ASSERT_STR_EQ(t_cell(r, 0, "refusal"), "PAYMENT_IN_PROGRESS");
        ASSERT_STR_EQ(t_cell(r, 0, "claimed"), "f");
        PQclear(r);
        ASSERT_STR_EQ(t_only(ask_run(t_session(2), &ask), "refusal"), "");
        ASSERT_STR_EQ(t_sql("SELECT state FROM payment_intent"),
                      cancels ? "CANCELLED" : "PROCESSING");
        ASSERT_STR_EQ(t_broken(), "");
        t_end();
    }
}

TEST(race, an_etag_is_compared_after_the_wait)
{
    t_begin(1, 9);
    ASSERT_STR_EQ(do_hold(1, t_id('f', 1), 1), "");
    struct ask first, second;
    fill_intent(&first, 0, 1);
    ASSERT_STR_EQ(refusal(&first), "");
    fill_start(&second, 0, 1, false);
    ask_set(&second, 0, "etag_time", t_sql("SELECT update_time FROM payment_intent"));
    t_do(1, "BEGIN");
    t_do(1, "SELECT FROM booking FOR UPDATE");
    t_do(1, "UPDATE payment_intent SET update_time = now() + interval '1 second'");
    PGresult *r = after_wait(&second);
    ASSERT_STR_EQ(t_cell(r, 0, "refusal"), "ETAG_MISMATCH");
    ASSERT_STR_EQ(t_cell(r, 0, "claimed"), "f");
    PQclear(r);
    t_end();
}

TEST(race, expiry_first_then_payment)
{
    t_begin(1, 9);
    ASSERT_STR_EQ(do_hold(1, t_id('f', 1), 1), "");
    let_lapse(1);
    struct ask first, second;
    fill_expire(&first);
    fill_start(&second, 0, 1, true);
    t_do(1, "BEGIN");
    ASSERT_STR_EQ(in_first(&first, "expired"), "1");
    ASSERT_STR_EQ(t_only(after_wait(&second), "refusal"), "HOLD_EXPIRED");
    ASSERT_STR_EQ(seats_of(1), "0");
    t_end();
}

TEST(race, payment_first_then_expiry)
{
    t_begin(1, 9);
    ASSERT_STR_EQ(do_hold(1, t_id('f', 1), 1), "");
    struct ask first, second;
    fill_start(&first, 0, 1, true);
    fill_expire(&second);
    t_do(1, "BEGIN");
    ASSERT_STR_EQ(in_first(&first, "refusal"), "");
    let_lapse(2); /* nobody's: the lease of 1 cannot be changed by others now */
    ASSERT_STR_EQ(t_only(ask_run(t_session(2), &second), "expired"), "0");
    t_do(1, "COMMIT");
    let_lapse(1);
    ASSERT_STR_EQ(t_only(ask_run(t_session(2), &second), "expired"), "0");
    ASSERT_STR_EQ(do_authorised(1), "DONE");
    ASSERT_STR_EQ(seats_of(1), "1");
    t_end();
}

/* An intent was committed between the sweep's first look and its lock: it cannot be seen, so it
 * could not be ended with its booking. */
TEST(race, a_sweep_leaves_whose_intent_it_cannot_see)
{
    t_begin(1, 9);
    t_do(0, "CREATE SCHEMA late; CREATE FUNCTION late.now() RETURNS timestamptz LANGUAGE sql AS "
            "'SELECT pg_advisory_xact_lock_shared(7); SELECT pg_catalog.now()'");
    ASSERT_STR_EQ(do_hold(1, t_id('f', 1), 1), "");
    t_do(1, "BEGIN; SELECT"); /* in time */
    t_do(0, "UPDATE booking SET payment_required_time = clock_timestamp()");
    struct ask intent, expire;
    fill_intent(&intent, 0, 1);
    fill_expire(&expire);
    t_do(0, "SELECT pg_advisory_lock(7)");
    t_do(2, "SET search_path = late, pg_catalog, public");
    ask_send(t_session(2), &expire);
    ASSERT_TRUE(t_is_waiting(2));
    ASSERT_STR_EQ(in_first(&intent, "refusal"), "");
    t_do(1, "COMMIT");
    t_do(0, "SELECT pg_advisory_unlock(7)");
    ASSERT_STR_EQ(t_only(ask_wait(t_session(2)), "expired"), "0");
    ASSERT_STR_EQ(state_of(1), "HELD");
    t_do(2, "RESET search_path; DROP SCHEMA late CASCADE");
    ASSERT_STR_EQ(do_expire(), "1");
    t_end();
}

/* The lease passed while the payment was out: the answer of the provider decides. */
TEST(race, a_decline_after_the_lease_ends_the_booking)
{
    t_begin(1, 9);
    ASSERT_STR_EQ(do_hold(1, t_id('f', 1), 2), "");
    ASSERT_STR_EQ(do_start(1), "");
    let_lapse(1);
    ASSERT_STR_EQ(do_expire(), "0");
    ASSERT_STR_EQ(do_failed(1, "DECLINED"), "t");
    ASSERT_STR_EQ(state_of(1), "EXPIRED");
    ASSERT_STR_EQ(seats_of(1), "0");
    ASSERT_STR_EQ(do_authorised(1), "no row");
    t_end();
}

TEST(race, two_answers_for_one_attempt)
{
    t_begin(1, 9);
    ASSERT_STR_EQ(do_hold(1, t_id('f', 1), 1), "");
    ASSERT_STR_EQ(do_start(1), "");
    struct ask first, second;
    fill_authorised(&first, 0, 1);
    fill_failed(&second, 0, 1, "NOT_RECEIVED");
    t_do(1, "BEGIN");
    ASSERT_STR_EQ(in_first(&first, "outcome"), "DONE");
    ASSERT_STR_EQ(t_only(after_wait(&second), "done"), "f");
    ASSERT_STR_EQ(state_of(1), "CONFIRMED");
    t_end();

    t_begin(1, 9);
    ASSERT_STR_EQ(do_hold(1, t_id('f', 1), 1), "");
    ASSERT_STR_EQ(do_start(1), "");
    fill_authorised(&first, 0, 1);
    fill_failed(&second, 0, 1, "NOT_RECEIVED");
    t_do(1, "BEGIN");
    ASSERT_STR_EQ(in_first(&second, "done"), "t");
    ASSERT_STR_EQ(t_only(after_wait(&first), "outcome"), "no row");
    ASSERT_STR_EQ(state_of(1), "HELD");
    t_end();
}

TEST(race, the_same_answer_twice_at_once)
{
    t_begin(1, 9);
    ASSERT_STR_EQ(do_hold(1, t_id('f', 1), 1), "");
    ASSERT_STR_EQ(do_start(1), "");
    struct ask ask;
    fill_authorised(&ask, 0, 1);
    t_do(1, "BEGIN");
    ASSERT_STR_EQ(in_first(&ask, "outcome"), "DONE");
    ASSERT_STR_EQ(t_only(after_wait(&ask), "outcome"), "no row");
    fill_captured(&ask, 0, 1);
    t_do(1, "BEGIN");
    ASSERT_STR_EQ(in_first(&ask, "done"), "t");
    ASSERT_STR_EQ(t_only(after_wait(&ask), "done"), "f");
    ASSERT_STR_EQ(t_sql("SELECT count(*) FROM ticket"), "1");
    t_end();
}

/* Its booking, attempt and intent changed during the wait; another booking of the batch did not. */
TEST(race, an_answer_behind_one_that_was_not_understood)
{
    static const char *const states[] = {"UNKNOWN", "ACTION_REQUIRED"};
    for (unsigned i = 0; i < 2; i++) {
        t_begin(1, 9);
        for (unsigned booking = 1; booking <= 2; booking++) {
            ASSERT_STR_EQ(do_hold(booking, t_id('f', 1), 1), "");
            ASSERT_STR_EQ(do_start(booking), "");
        }
        struct ask first, second;
        fill_wait(&first, 1, states[i]);
        fill_authorised(&second, 0, 2);
        fill_authorised(&second, 1, 1);
        t_do(1, "BEGIN");
        ASSERT_STR_EQ(in_first(&first, "done"), "t");
        PGresult *r = after_wait(&second);
        ASSERT_STR_EQ(t_cell(r, 0, "outcome"), "DONE");
        ASSERT_STR_EQ(t_cell(r, 1, "outcome"), "DONE");
        PQclear(r);
        ASSERT_STR_EQ(
            t_sql("SELECT string_agg(state || authorised_minor, ' ' ORDER BY 1) FROM booking"),
            "CONFIRMED10000 CONFIRMED10000");
        ASSERT_STR_EQ(t_broken(), "");
        t_end();
    }
}

/* The completer must see an attempt and its booking at one moment: AUTHORIZED beside CONFIRMING
 * would be voided although the seats are sold. */
TEST(race, what_is_due_is_seen_at_one_moment)
{
    t_begin(1, 9);
    for (unsigned i = 1; i <= 2; i++) {
        ASSERT_STR_EQ(do_hold(i, t_id('f', 1), 1), "");
        ASSERT_STR_EQ(do_start(i), "");
    }
    t_do(0, t_format("UPDATE payment_attempt SET due_time = now() - interval '1 minute' * "
                     "CASE attempt_id WHEN '%s' THEN 9 ELSE 5 END",
                     t_id('a', 1)));
    struct ask due, authorised;
    ask_begin(&due, "jobs_due_attempts");
    ask_set(&due, 0, "provider", "instant");
    ask_int(&due, 0, "row_count", 10);
    ask_int(&due, 0, "lease_seconds", 30);
    fill_authorised(&authorised, 0, 2);
    /* The statement stops at the first attempt, with the snapshot it began with. */
    t_do(0, "CREATE FUNCTION stop() RETURNS trigger LANGUAGE plpgsql AS "
            "'BEGIN PERFORM pg_advisory_xact_lock(1); RETURN new; END'");
    t_do(0, t_format("CREATE TRIGGER stop BEFORE UPDATE ON payment FOR EACH ROW "
                     "WHEN (old.attempt_id = '%s') EXECUTE FUNCTION stop()",
                     t_id('a', 1)));
    t_do(1, "BEGIN; SELECT pg_advisory_xact_lock(1)");
    ask_send(t_session(2), &due);
    ASSERT_TRUE(t_is_waiting(2));
    ASSERT_STR_EQ(t_only(ask_run(t_session(0), &authorised), "outcome"), "DONE");
    t_do(0, "UPDATE payment_attempt SET due_time = now() WHERE state = 'AUTHORIZED'");
    t_do(1, "COMMIT");
    PGresult *r = ask_wait(t_session(2));
    t_do(0, "DROP FUNCTION stop() CASCADE");
    for (int i = 0; i < PQntuples(r); i++)
        ASSERT_STR_EQ(t_cell(r, i, "booking_state"),
                      strcmp(t_cell(r, i, "state"), "AUTHORIZED") == 0 ? "CONFIRMED"
                                                                       : "CONFIRMING");
    ASSERT_INT_IN(PQntuples(r), 1, 2);
    PQclear(r);
    t_end();
}

/* ---- holds ---- */

/* Who decided by what was free before the wait leaves nothing behind, on any flight, whatever the
 * batch looks like; run again, as the database layer does, he sees what is left. */
TEST(race, a_hold_behind_one_that_took_the_seats_looks_again)
{
    for (unsigned shape = 0; shape < 8; shape++) {
        t_begin(2, 9);
        struct ask ask;
        const char *both = shape & 1 ? t_format("%s,%s", t_id('f', 2), t_id('f', 1))
                                     : t_format("%s,%s", t_id('f', 1), t_id('f', 2));
        fill_hold(&ask, 0, 2, shape & 2 ? both : t_id('f', 2), 1);
        fill_hold(&ask, 1, 3, both, 2);
        fill_hold(&ask, 2, 4, t_id('f', 1), 2);
        t_do(1, "BEGIN");
        t_do(1, t_format("UPDATE inventory SET free = 0, authorised = taken WHERE flight_id = '%s'",
                         t_id('f', shape & 4 ? 1 : 2)));
        PGresult *r = after_wait(&ask);
        ASSERT_STR_EQ(PQresultErrorField(r, PG_DIAG_CONSTRAINT_NAME), "seat_count_ck");
        PQclear(r);
        ASSERT_STR_EQ(t_sql("SELECT (SELECT count(*) FROM booking) + count(*) FROM idempotency"),
                      "0");
        r = ask_run(t_session(2), &ask);
        ASSERT_STR_EQ(PQresultErrorMessage(r), "");
        ASSERT_STR_EQ(t_cell(r, 1, "refusal"), "SEATS_UNAVAILABLE");
        PQclear(r);
        t_end();
    }
}

/* What comes back during the wait is kept beside what is taken. */
TEST(race, a_hold_behind_seats_that_are_given_back)
{
    for (unsigned many = 0; many < 2; many++) {
        t_begin(1, 9);
        ASSERT_STR_EQ(do_hold(1, t_id('f', 1), 5), "");
        let_lapse(1);
        struct ask expire, ask;
        fill_expire(&expire);
        fill_hold(&ask, 0, 2, t_id('f', 1), 2);
        if (many)
            fill_hold(&ask, 1, 3, t_id('f', 1), 1);
        t_do(1, "BEGIN");
        ASSERT_STR_EQ(in_first(&expire, "expired"), "1");
        PGresult *r = after_wait(&ask);
        ASSERT_STR_EQ(PQresultErrorMessage(r), "");
        ASSERT_STR_EQ(t_cell(r, (int)many, "refusal"), "");
        PQclear(r);
        ASSERT_STR_EQ(seats_of(1), many ? "3" : "2");
        ASSERT_STR_EQ(t_broken(), "");
        t_end();
    }
}

/* A sold-out flight makes nobody wait, and a refusal is final: seats that come back in that moment
 * are for whoever asks next. */
TEST(race, a_hold_of_a_full_flight_does_not_wait)
{
    t_begin(1, 9);
    ASSERT_STR_EQ(do_hold(1, t_id('f', 1), 9), "");
    let_lapse(1);
    struct ask expire;
    fill_expire(&expire);
    t_do(1, "BEGIN");
    ASSERT_STR_EQ(in_first(&expire, "expired"), "1");
    ASSERT_STR_EQ(do_hold(2, t_id('f', 1), 2), "SEATS_UNAVAILABLE");
    t_do(1, "COMMIT");
    ASSERT_STR_EQ(do_hold(3, t_id('f', 1), 2), "");
    ASSERT_STR_EQ(seats_of(1), "2");
    t_end();
}

/* Within five seconds, since the server reads its configuration when it likes: @ask waits at its
 * commit for a standby that is not there. */
static bool waits_for_standby(const struct ask *ask)
{
    const char *sql =
        t_format("SELECT count(*) FROM pg_stat_activity WHERE pid = %d AND wait_event = 'SyncRep'",
                 PQbackendPID(t_session(2)));
    bool is_asked = false;
    for (int i = 0; i < 50; i++) {
        if (!is_asked)
            ask_send(t_session(2), ask);
        t_do(1, "SELECT pg_sleep(0.1)");
        if (strcmp(pg_value(sql), "1") == 0)
            return true;
        PQconsumeInput(t_session(2));
        is_asked = PQisBusy(t_session(2)); /* it may be on its way there */
        if (!is_asked)
            PQclear(ask_wait(t_session(2)));
    }
    return false;
}

/* The first answer was lost because its backend ended while it waited for the standby. The repeated
 * one is a promise just as well. */
TEST(race, a_repeated_answer_waits_for_the_standby_too)
{
    t_begin(1, 9);
    ASSERT_STR_EQ(do_hold(1, t_id('f', 1), 1), "");
    struct ask ask;
    ask_begin(&ask, "shared_idempotency_read");
    ask_set(&ask, 0, "principal", t_id('u', 1));
    ask_int(&ask, 0, "method", 5);
    ask_set(&ask, 0, "request_id", t_id('r', 1));
    t_do(0, "ALTER SYSTEM SET synchronous_standby_names = nobody");
    t_do(0, "SELECT pg_reload_conf()");
    bool waits = waits_for_standby(&ask);
    t_do(0, "ALTER SYSTEM RESET synchronous_standby_names");
    t_do(0, "SELECT pg_reload_conf()");
    ASSERT_TRUE(waits);
    ASSERT_STR_EQ(t_only(ask_wait(t_session(2)), "resource"), t_id('b', 1));
    t_end();
}
