/* The payment statements, one at a time: what each insists on, and that hearing twice is harmless.
 */
#include <stdlib.h>
#include <string.h>

#include "flow.h"
#include "gen/sql/jobs.sql.h"

TEST(pay, start_insists_on_each_thing)
{
    t_begin(1, 9);
    ASSERT_STR_EQ(do_hold(1, t_id('f', 1), 1), "");
    char *before = t_dump();
    struct ask ask;
    fill_start(&ask, 0, 1, true);
    ask_set(&ask, 0, "principal", t_id('u', 2));
    ASSERT_STR_EQ(refusal(&ask), "NOT_FOUND");
    fill_start(&ask, 0, 2, true);
    ASSERT_STR_EQ(refusal(&ask), "no row");
    fill_start(&ask, 0, 1, false);
    ASSERT_STR_EQ(refusal(&ask), "NOT_FOUND"); /* no such intent */
    char *after = t_dump();
    ASSERT_STR_EQ(after, before); /* none of them is recorded */
    free(before);
    free(after);
    fill_start(&ask, 0, 1, true);
    ask_set(&ask, 0, "currency", "EUR");
    ask_set(&ask, 0, "request_id", t_id('s', 11));
    ASSERT_STR_EQ(refusal(&ask), "CURRENCY_MISMATCH");
    fill_start(&ask, 0, 1, true);
    ask_int(&ask, 0, "amount_minor", 9999);
    ask_set(&ask, 0, "request_id", t_id('s', 12));
    ASSERT_STR_EQ(refusal(&ask), "AMOUNT_MISMATCH");
    fill_start(&ask, 0, 1, true);
    ask_int(&ask, 0, "user_max", 0);
    ask_set(&ask, 0, "request_id", t_id('s', 13));
    ASSERT_STR_EQ(refusal(&ask), "RISK_VELOCITY");
    ask_int(&ask, 0, "user_max", 1);
    ask_int(&ask, 0, "card_max", 0);
    ask_set(&ask, 0, "request_id", t_id('s', 14));
    ASSERT_STR_EQ(refusal(&ask), "RISK_VELOCITY");
    ASSERT_STR_EQ(state_of(1), "HELD");
    ASSERT_STR_EQ(t_sql("SELECT count(*) FROM payment_attempt"), "0");
    t_end();
}

TEST(pay, start_of_a_dead_or_paid_booking)
{
    t_begin(1, 9);
    do_sale(1);
    struct ask ask;
    fill_start(&ask, 0, 1, true);
    ask_set(&ask, 0, "request_id", t_id('s', 11));
    ASSERT_STR_EQ(refusal(&ask), "BOOKING_STATE");
    ASSERT_STR_EQ(do_hold(2, t_id('f', 1), 1), "");
    let_lapse(2);
    ASSERT_STR_EQ(do_start(2), "HOLD_EXPIRED");
    ASSERT_STR_EQ(do_expire(), "1");
    fill_start(&ask, 0, 2, true);
    ask_set(&ask, 0, "request_id", t_id('s', 12));
    ASSERT_STR_EQ(refusal(&ask), "HOLD_EXPIRED");
    t_end();
}

TEST(pay, two_members_of_a_batch_pay_one_booking_once)
{
    t_begin(1, 9);
    ASSERT_STR_EQ(do_hold(1, t_id('f', 1), 1), "");
    ASSERT_STR_EQ(do_hold(2, t_id('f', 1), 1), "");
    struct ask ask;
    fill_start(&ask, 0, 1, true);
    fill_start(&ask, 1, 2, true);
    fill_try(&ask, 2, 1, true, 3);
    PGresult *r = ask_many(t_session(0), &ask);
    ASSERT_STR_EQ(t_cell(r, 0, "refusal"), "");
    ASSERT_STR_EQ(t_cell(r, 1, "refusal"), "");
    ASSERT_STR_EQ(t_cell(r, 2, "refusal"), "PAYMENT_IN_PROGRESS");
    PQclear(r);
    ASSERT_STR_EQ(t_sql("SELECT count(*) FROM payment_attempt"), "2");
    t_end();
}

/* What is refused, and what was asked before, does not stand in the way of who shares its batch. */
TEST(pay, a_good_try_is_not_refused_for_a_bad_one_in_its_batch)
{
    t_begin(1, 9);
    struct ask ask;
    for (unsigned booking = 1; booking <= 2; booking++) {
        ASSERT_STR_EQ(do_hold(booking, t_id('f', 1), 1), "");
        ASSERT_STR_EQ(do_start(booking), "");
        ASSERT_STR_EQ(do_failed(booking, "DECLINED"), "t");
    }
    fill_start(&ask, 0, 1, false); /* an amount that is wrong */
    ask_set(&ask, 0, "request_id", t_id('s', 10));
    ask_int(&ask, 0, "amount_minor", 9999);
    fill_start(&ask, 1, 2, false); /* a request that was declined */
    ask_int(&ask, 1, "method", 8);
    for (unsigned booking = 1; booking <= 2; booking++)
        fill_try(&ask, booking + 1, booking, false, booking + 10);
    fill_try(&ask, 4, 1, false, 13);
    PGresult *r = ask_many(t_session(0), &ask);
    ASSERT_STR_EQ(t_cell(r, 0, "refusal"), "AMOUNT_MISMATCH");
    ASSERT_STR_EQ(t_cell(r, 1, "claimed"), "f");
    ASSERT_STR_EQ(t_cell(r, 2, "refusal"), "");
    ASSERT_STR_EQ(t_cell(r, 2, "claimed"), "t");
    ASSERT_STR_EQ(t_cell(r, 3, "claimed"), "t");
    ASSERT_STR_EQ(t_cell(r, 4, "refusal"), "PAYMENT_IN_PROGRESS");
    PQclear(r);
    t_end();
}

TEST(pay, a_good_intent_is_not_refused_for_a_bad_one_in_its_batch)
{
    t_begin(1, 9);
    struct ask ask;
    ASSERT_STR_EQ(do_hold(1, t_id('f', 1), 1), "");
    for (unsigned i = 0; i < 3; i++) {
        fill_intent(&ask, i, 1);
        ask_set(&ask, i, "request_id", t_id('n', i + 1));
        ask_set(&ask, i, "intent_id", t_id('i', i + 1));
        ask_int(&ask, i, "amount_minor", i == 0 ? 9999 : 10000);
    }
    PGresult *r = ask_many(t_session(0), &ask);
    ASSERT_STR_EQ(t_cell(r, 0, "refusal"), "AMOUNT_MISMATCH");
    ASSERT_STR_EQ(t_cell(r, 1, "refusal"), "");
    ASSERT_STR_EQ(t_cell(r, 1, "claimed"), "t");
    ASSERT_STR_EQ(t_cell(r, 2, "refusal"), "PAYMENT_IN_PROGRESS");
    PQclear(r);
    t_end();
}

/* The same request again claims nothing: its record is the answer. */
TEST(pay, a_repeated_start_has_no_effect)
{
    t_begin(1, 9);
    ASSERT_STR_EQ(do_hold(1, t_id('f', 1), 1), "");
    ASSERT_STR_EQ(do_start(1), "");
    char *before = t_dump();
    struct ask ask;
    fill_start(&ask, 0, 1, true);
    PGresult *r = ask_run(t_session(0), &ask);
    ASSERT_STR_EQ(t_cell(r, 0, "claimed"), "f");
    PQclear(r);
    char *after = t_dump();
    ASSERT_STR_EQ(after, before);
    free(before);
    free(after);
    t_end();
}

TEST(pay, an_intent_first_then_its_confirmation)
{
    t_begin(1, 9);
    ASSERT_STR_EQ(do_hold(1, t_id('f', 1), 1), "");
    struct ask ask;
    fill_intent(&ask, 0, 1);
    ASSERT_STR_EQ(refusal(&ask), "");
    ASSERT_STR_EQ(do_start(1), "PAYMENT_STATE"); /* there is one already */
    fill_start(&ask, 0, 1, false);
    ask_set(&ask, 0, "etag_time", "2020-01-01");
    ASSERT_STR_EQ(refusal(&ask), "ETAG_MISMATCH");
    ask_set(&ask, 0, "etag_time", t_sql("SELECT update_time FROM payment_intent"));
    ASSERT_STR_EQ(refusal(&ask), "");
    ASSERT_STR_EQ(do_failed(1, "DECLINED"), "t");
    ASSERT_STR_EQ(state_of(1), "HELD");
    ASSERT_STR_EQ(t_sql("SELECT state FROM payment_intent"), "REQUIRES_PAYMENT_METHOD");
    fill_try(&ask, 0, 1, false, 2);
    ASSERT_STR_EQ(refusal(&ask), "");
    t_end();
}

/* The provider could not be reached: the same request again, with the etag it had. */
TEST(pay, a_forgotten_confirmation_may_be_repeated)
{
    t_begin(1, 9);
    ASSERT_STR_EQ(do_hold(1, t_id('f', 1), 1), "");
    struct ask start, failed;
    fill_intent(&start, 0, 1);
    ASSERT_STR_EQ(refusal(&start), "");
    char *etag = strdup(t_sql("SELECT update_time FROM payment_intent"));
    for (unsigned attempt = 1; attempt <= 3; attempt++) {
        fill_start(&start, 0, 1, false);
        ask_set(&start, 0, "attempt_id", t_id('a', attempt));
        ask_set(&start, 0, "etag_time", etag);
        ASSERT_STR_EQ(refusal(&start), "");
        fill_failed(&failed, 0, 1, "NOT_RECEIVED");
        ask_set(&failed, 0, "attempt_id", t_id('a', attempt));
        ask_int(&failed, 0, "method", 9);
        ask_set(&failed, 0, "unclaim", t_id('s', 1));
        ASSERT_STR_EQ(t_only(ask_run(t_session(0), &failed), "done"), "t");
        ASSERT_STR_EQ(t_sql("SELECT update_time FROM payment_intent"), etag);
    }
    free(etag);
    t_end();
}

/* Who has no business with a booking does not make its owner's payment one that is in progress. */
TEST(pay, a_stranger_in_the_batch_is_no_attempt)
{
    t_begin(1, 9);
    ASSERT_STR_EQ(do_hold(1, t_id('f', 1), 1), "");
    struct ask ask;
    fill_try(&ask, 0, 1, true, 2);
    ask_set(&ask, 0, "principal", t_id('u', 2));
    fill_start(&ask, 1, 1, true);
    PGresult *r = ask_run(t_session(0), &ask);
    ASSERT_INT_EQ(PQntuples(r), 2);
    for (int i = 0; i < 2; i++)
        ASSERT_STR_EQ(t_cell(r, i, "refusal"),
                      strcmp(t_cell(r, i, "n"), "1") == 0 ? "NOT_FOUND" : "");
    PQclear(r);
    ASSERT_STR_EQ(state_of(1), "CONFIRMING");
    t_end();
}

TEST(pay, attempts_of_a_booking_are_counted)
{
    t_begin(1, 9);
    ASSERT_STR_EQ(do_hold(1, t_id('f', 1), 1), "");
    ASSERT_STR_EQ(do_start(1), "");
    ASSERT_STR_EQ(do_failed(1, "DECLINED"), "t");
    struct ask ask;
    fill_try(&ask, 0, 1, false, 2);
    ask_int(&ask, 0, "booking_max", 1);
    ASSERT_STR_EQ(refusal(&ask), "RISK_VELOCITY");
    t_end();
}

/* A provider that was down for a while must not leave bookings that can never be paid. */
TEST(pay, attempts_that_never_left_do_not_count)
{
    t_begin(1, 9);
    ASSERT_STR_EQ(do_hold(1, t_id('f', 1), 1), "");
    ASSERT_STR_EQ(do_start(1), "");
    ASSERT_STR_EQ(do_failed(1, "NOT_RECEIVED"), "t");
    struct ask ask;
    fill_try(&ask, 0, 1, false, 2);
    ask_int(&ask, 0, "booking_max", 1);
    ASSERT_STR_EQ(refusal(&ask), "");
    t_end();
}

/* Nor against the user and the card, and the others for an hour. */
TEST(pay, tries_of_the_last_hour_count_against_user_and_card)
{
    t_begin(1, 9);
    struct ask ask;
    for (unsigned booking = 1; booking <= 4; booking++) {
        ASSERT_STR_EQ(do_hold(booking, t_id('f', 1), 1), "");
        ASSERT_STR_EQ(do_start(booking), "");
    }
    ASSERT_STR_EQ(do_failed(1, "DECLINED"), "t");
    ASSERT_STR_EQ(do_failed(2, "NOT_RECEIVED"), "t");
    t_do(0, t_format("UPDATE payment SET create_time = create_time - interval '1 hour' "
                     "WHERE attempt_id = '%s'",
                     t_id('a', 3)));
    ASSERT_STR_EQ(do_hold(5, t_id('f', 1), 1), "");
    fill_start(&ask, 0, 5, true);
    ask_int(&ask, 0, "user_max", 2);
    ASSERT_STR_EQ(refusal(&ask), "RISK_VELOCITY");
    fill_try(&ask, 0, 5, true, 6);
    ask_int(&ask, 0, "card_max", 2);
    ASSERT_STR_EQ(refusal(&ask), "RISK_VELOCITY");
    fill_try(&ask, 0, 5, true, 7);
    ask_int(&ask, 0, "user_max", 3);
    ask_int(&ask, 0, "card_max", 1);
    ask_set(&ask, 0, "card_key", t_id('v', 2));
    ASSERT_STR_EQ(refusal(&ask), "");
    t_end();
}

TEST(pay, every_answer_may_come_twice)
{
    t_begin(1, 9);
    do_sale(1);
    char *before = t_dump();
    ASSERT_STR_EQ(do_authorised(1), "no row");
    ASSERT_STR_EQ(do_captured(1), "f");
    ASSERT_STR_EQ(do_failed(1, "DECLINED"), "f");
    ASSERT_STR_EQ(do_failed(1, "REVERSED"), "f");
    struct ask ask;
    fill_wait(&ask, 1, "UNKNOWN");
    ASSERT_STR_EQ(t_only(ask_run(t_session(0), &ask), "done"), "f");
    char *after = t_dump();
    ASSERT_STR_EQ(after, before);
    free(before);
    free(after);
    t_end();
}

/* A provider that takes the money with its yes: one statement leaves what two would have. */
TEST(pay, a_sale_in_one_message_is_as_good_as_two)
{
    char *dumps[2];
    for (int at_once = 0; at_once < 2; at_once++) {
        t_begin(1, 9);
        ASSERT_STR_EQ(do_hold(1, t_id('f', 1), 1), "");
        ASSERT_STR_EQ(do_start(1), "");
        struct ask ask;
        fill_authorised(&ask, 0, 1);
        if (at_once)
            ask_set(&ask, 0, "is_captured", "t");
        ASSERT_STR_EQ(t_only(ask_run(t_session(0), &ask), "outcome"), "DONE");
        if (!at_once)
            ASSERT_STR_EQ(do_captured(1), "t");
        ASSERT_STR_EQ(t_only(ask_run(t_session(0), &ask), "outcome"), "no row");
        ASSERT_STR_EQ(do_captured(1), "f");
        t_do(0, "TRUNCATE payment_watch");
        dumps[at_once] = t_dump();
        t_end();
    }
    ASSERT_STR_EQ(dumps[1], dumps[0]);
    free(dumps[0]);
    free(dumps[1]);
}

/* Whose call died falls due; whose call went on does not. */
TEST(pay, an_attempt_left_alone_falls_due)
{
    t_begin(1, 9);
    for (unsigned i = 1; i <= 3; i++) {
        ASSERT_STR_EQ(do_hold(i, t_id('f', 1), 1), "");
        ASSERT_STR_EQ(do_start(i), "");
    }
    ASSERT_STR_EQ(do_authorised(2), "DONE"); /* and then its call dies as well */
    ASSERT_STR_EQ(do_authorised(3), "DONE");
    ASSERT_STR_EQ(do_captured(3), "t");
    ASSERT_STR_EQ(do_job("jobs_release_watches", "row_count", 9, "taken"), "0");
    ASSERT_STR_EQ(t_sql("SELECT count(*) FROM payment_watch"), "5");
    t_do(0, "UPDATE payment_watch SET due_time = due_time - interval '15 seconds'");
    ASSERT_STR_EQ(do_job("jobs_release_watches", "row_count", 4, "taken"), "4");
    ASSERT_STR_EQ(do_job("jobs_release_watches", "row_count", 4, "taken"), "1");
    ASSERT_STR_EQ(t_sql("SELECT count(*) FROM payment_watch"), "0");
    ASSERT_STR_EQ(t_sql("SELECT string_agg(state, ' ' ORDER BY state) FROM payment_attempt "
                        "WHERE due_time <= now()"),
                  "AUTHORIZED SENT");
    t_end();
}

/* Somebody hangs with one of them locked: the others are not his prisoners, and it comes later. */
TEST(pay, attempts_left_alone_fall_due_around_one_that_is_locked)
{
    t_begin(1, 9);
    struct ask starts;
    for (unsigned i = 1; i <= 3; i++)
        ASSERT_STR_EQ(do_hold(i, t_id('f', 1), 1), "");
    for (unsigned i = 1; i <= 2; i++)
        fill_start(&starts, i - 1, i, true);
    PQclear(ask_run(t_session(0), &starts)); /* one watch of two */
    ASSERT_STR_EQ(do_start(3), "");
    t_do(0, "UPDATE payment_watch SET due_time = due_time - interval '1 hour'");
    t_do(1, "BEGIN");
    t_do(1, t_format("SELECT FROM payment WHERE booking_id = '%s' FOR UPDATE", t_id('b', 1)));
    t_do(0, "SET lock_timeout = 2000");
    ASSERT_STR_EQ(do_job("jobs_release_watches", "row_count", 1, "taken"), "1");
    ASSERT_STR_EQ(do_job("jobs_release_watches", "row_count", 1, "taken"), "1");
    ASSERT_STR_EQ(do_job("jobs_release_watches", "row_count", 1, "taken"), "0");
    const char *due = "SELECT count(*) FROM payment_attempt WHERE due_time <= now()";
    ASSERT_STR_EQ(t_sql(due), "2");
    t_do(0, "RESET lock_timeout");
    t_do(1, "COMMIT");
    t_do(0, "UPDATE payment_watch SET due_time = due_time - interval '1 hour'");
    ASSERT_STR_EQ(do_job("jobs_release_watches", "row_count", 9, "taken"), "1");
    ASSERT_STR_EQ(t_sql(due), "3");
    ASSERT_STR_EQ(t_sql("SELECT count(*) FROM payment_watch"), "0");
    t_end();
}

/* The booking died although an attempt of it was out (a person's doing): the money goes back. */
TEST(pay, late_money_goes_back)
{
    t_begin(1, 9);
    do_death(1);
    ASSERT_STR_EQ(do_authorised(1), "LATE");
    ASSERT_STR_EQ(t_sql("SELECT count(*) FROM ticket"), "0");
    ASSERT_STR_EQ(t_sql("SELECT due_time <= now() FROM payment_attempt"), "t");
    ASSERT_STR_EQ(do_captured(1), "t");
    ASSERT_STR_EQ(t_sql("SELECT state || amount_minor || cause FROM refund"),
                  "RESERVED10000LATE_PAYMENT");
    ASSERT_STR_EQ(do_captured(1), "f");
    t_end();
}

TEST(pay, late_money_taken_at_once_goes_back_too)
{
    t_begin(1, 9);
    do_death(1);
    struct ask ask;
    fill_authorised(&ask, 0, 1);
    ask_set(&ask, 0, "is_captured", "t");
    ASSERT_STR_EQ(t_only(ask_run(t_session(0), &ask), "outcome"), "LATE");
    ASSERT_STR_EQ(t_sql("SELECT count(*) FROM ticket"), "0");
    ASSERT_STR_EQ(t_sql("SELECT state || amount_minor || cause FROM refund"),
                  "RESERVED10000LATE_PAYMENT");
    ASSERT_STR_EQ(t_sql("SELECT state FROM payment_attempt WHERE due_time IS NULL"), "CAPTURED");
    ASSERT_STR_EQ(do_captured(1), "f");
    t_end();
}

TEST(pay, an_attempt_never_sent_is_forgotten_with_its_request)
{
    t_begin(1, 9);
    ASSERT_STR_EQ(do_hold(1, t_id('f', 1), 1), "");
    ASSERT_STR_EQ(do_start(1), "");
    struct ask ask;
    fill_failed(&ask, 0, 1, "NOT_RECEIVED");
    ask_set(&ask, 0, "unclaim", t_id('s', 1));
    ask_set(&ask, 0, "cancel_intent", "t");
    ASSERT_STR_EQ(t_only(ask_run(t_session(0), &ask), "booking_state"), "HELD");
    fill_start(&ask, 0, 1, true);
    ask_set(&ask, 0, "intent_id", t_id('i', 2));
    ask_set(&ask, 0, "attempt_id", t_id('a', 2));
    ASSERT_STR_EQ(refusal(&ask), ""); /* the same request_id */
    ASSERT_STR_EQ(do_authorised(1), "no row");
    t_end();
}

TEST(pay, a_batch_of_answers_is_as_good_as_one_by_one)
{
    char *dumps[2];
    for (int many = 0; many < 2; many++) {
        t_begin(2, 9);
        struct ask asks[3];
        for (unsigned i = 1; i <= 4; i++) {
            ASSERT_STR_EQ(
                do_hold(i, t_format("%s,%s", t_id('f', 1 + i % 2), t_id('f', 2 - i % 2)), 2), "");
            ASSERT_STR_EQ(do_start(i), "");
        }
        for (unsigned i = 0; i < 4; i++) {
            fill_authorised(&asks[0], many ? i : 0, 4 - i);
            fill_captured(&asks[1], many ? i : 0, 4 - i);
            for (int k = 0; k < 2 && !many; k++)
                PQclear(ask_run(t_session(0), &asks[k]));
        }
        for (int k = 0; k < 2 && many; k++)
            PQclear(ask_run(t_session(0), &asks[k]));
        ASSERT_STR_EQ(seats_of(2), "8");
        t_do(0, "TRUNCATE payment_watch"); /* a row for each statement */
        dumps[many] = t_dump();
        t_end();
    }
    ASSERT_STR_EQ(dumps[1], dumps[0]);
    free(dumps[0]);
    free(dumps[1]);
}
