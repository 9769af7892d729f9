/* Cancelling and giving money back, while somebody else does so; as in test_race.c. */
#include "flow.h"

static void hold_and_quote(void)
{
    t_begin(1, 9);
    ASSERT_STR_EQ(do_hold(1, t_id('f', 1), 1), "");
    ASSERT_STR_EQ(do_quote(1, 1, 0, 0), "");
}

TEST(race, a_quote_superseded_during_the_wait_is_not_confirmed)
{
    hold_and_quote();
    struct ask first, second;
    fill_quote(&first, 1, 2, 0, 0);
    fill_cancel(&second, 1, 1);
    t_do(1, "BEGIN");
    ASSERT_STR_EQ(in_first(&first, "refusal"), "");
    ASSERT_STR_EQ(t_only(after_wait(&second), "refusal"), "QUOTE_SUPERSEDED");
    ASSERT_STR_EQ(state_of(1), "HELD");
    t_end();
}

TEST(race, two_quotes_of_one_reading)
{
    hold_and_quote();
    struct ask first, second;
    fill_quote(&first, 1, 2, 0, 0);
    fill_quote(&second, 1, 3, 0, 0);
    t_do(1, "BEGIN");
    ASSERT_STR_EQ(in_first(&first, "refusal"), "");
    ASSERT_STR_EQ(t_only(after_wait(&second), "refusal"), "CONFLICT");
    ASSERT_STR_EQ(t_sql("SELECT count(*) FROM cancellation WHERE state = 'QUOTED'"), "1");
    t_end();
}

TEST(race, one_cancellation_twice)
{
    hold_and_quote();
    struct ask first, second;
    fill_cancel(&first, 1, 1);
    fill_cancel(&second, 1, 1);
    ask_set(&second, 0, "request_id", t_id('k', 2));
    t_do(1, "BEGIN");
    ASSERT_STR_EQ(in_first(&first, "refusal"), "");
    ASSERT_STR_EQ(t_only(after_wait(&second), "refusal"), "BOOKING_STATE");
    ASSERT_STR_EQ(seats_of(1), "0");
    t_end();
}

/* A quote of the unpaid hold costs nothing: it must not cancel a sale whose money is on its way. */
TEST(race, a_quote_of_the_hold_does_not_cancel_the_sale)
{
    hold_and_quote();
    ASSERT_STR_EQ(do_start(1), "");
    ASSERT_STR_EQ(do_cancel(1, 1), "PAYMENT_IN_PROGRESS");
    ASSERT_STR_EQ(do_authorised(1), "DONE");
    struct ask first, second;
    fill_cancel(&second, 1, 1);
    ASSERT_STR_EQ(refusal(&second), "PAYMENT_IN_PROGRESS");
    fill_captured(&first, 0, 1);
    t_do(1, "BEGIN");
    ASSERT_STR_EQ(in_first(&first, "done"), "t");
    ASSERT_STR_EQ(t_only(after_wait(&second), "refusal"), "QUOTE_SUPERSEDED");
    ASSERT_STR_EQ(state_of(1), "CONFIRMED");
    t_end();
}

/* Paid altogether during the wait: the attempt that tells of the money is too late to be seen. */
TEST(race, a_quote_of_the_hold_does_not_cancel_what_was_paid_meanwhile)
{
    hold_and_quote();
    struct ask start, sold, cancel;
    fill_start(&start, 0, 1, true);
    fill_authorised(&sold, 0, 1);
    ask_set(&sold, 0, "is_captured", "t");
    fill_cancel(&cancel, 1, 1);
    t_do(1, "BEGIN");
    ASSERT_STR_EQ(in_first(&start, "refusal"), "");
    ASSERT_STR_EQ(in_first(&sold, "outcome"), "DONE");
    ASSERT_STR_EQ(t_only(after_wait(&cancel), "refusal"), "PAYMENT_IN_PROGRESS");
    ASSERT_STR_EQ(state_of(1), "CONFIRMED");
    t_end();
}

/* What is on its way back is not promised a second time, and holds up nobody. */
TEST(race, a_cancellation_behind_a_refund)
{
    t_begin(1, 9);
    do_sale(1);
    struct ask first, second;
    fill_refund(&first, 1, 1, 4000);
    fill_quote(&second, 1, 1, 7000, 3000);
    t_do(1, "BEGIN");
    ASSERT_STR_EQ(in_first(&first, "refusal"), "");
    ASSERT_STR_EQ(t_only(after_wait(&second), "refusal"), "CONFLICT");
    ASSERT_STR_EQ(do_quote(1, 2, 4000, 2000), "");
    fill_refund(&first, 1, 2, 1000);
    fill_cancel(&second, 1, 2);
    t_do(1, "BEGIN");
    ASSERT_STR_EQ(in_first(&first, "refusal"), "");
    ASSERT_STR_EQ(t_only(after_wait(&second), "refusal"), "QUOTE_SUPERSEDED");
    ASSERT_STR_EQ(do_quote(1, 3, 3000, 2000), "");
    ASSERT_STR_EQ(do_cancel(1, 3), "");
    ASSERT_STR_EQ(state_of(1), "CANCELLING");
    t_end();
}

/* The penalty that came meanwhile is no reason to take anything out of it. */
TEST(race, a_refund_that_arrives_behind_a_cancellation)
{
    t_begin(1, 9);
    do_sale(1);
    struct ask refund, cancel;
    fill_refund(&refund, 1, 1, 4000);
    ASSERT_STR_EQ(refusal(&refund), "");
    ASSERT_STR_EQ(do_quote(1, 1, 1000, 5000), "");
    fill_cancel(&cancel, 1, 1);
    fill_refund_end(&refund, "payment_refund_succeeded", 1, t_id('g', 1));
    t_do(1, "BEGIN");
    ASSERT_STR_EQ(in_first(&cancel, "refusal"), "");
    ASSERT_STR_EQ(t_only(after_wait(&refund), "done"), "t");
    ASSERT_STR_EQ(t_sql("SELECT string_agg(kind || ' ' || amount_minor, ', ' ORDER BY kind) FROM "
                        "ledger_transfer"),
                  "CAPTURE 10000, PENALTY 5000, REFUND 4000");
    ASSERT_STR_EQ(do_refund_end("payment_refund_succeeded", 1, t_id('m', 1)), "t");
    ASSERT_STR_EQ(state_of(1), "CANCELLED");
    t_end();
}

/* A later try tells of the intent, which is too late to be seen here. */
TEST(race, a_refund_behind_a_try_that_was_just_made)
{
    t_begin(1, 9);
    ASSERT_STR_EQ(do_hold(1, t_id('f', 1), 1), "");
    ASSERT_STR_EQ(do_start(1), "");
    ASSERT_STR_EQ(do_failed(1, "DECLINED"), "t");
    struct ask first, second;
    fill_try(&first, 0, 1, false, 2);
    fill_refund(&second, 1, 1, 4000);
    t_do(1, "BEGIN");
    ASSERT_STR_EQ(in_first(&first, "refusal"), "");
    PGresult *r = after_wait(&second);
    ASSERT_STR_EQ(t_cell(r, 0, "refusal"), "PAYMENT_IN_PROGRESS");
    ASSERT_STR_EQ(t_cell(r, 0, "claimed"), "f");
    PQclear(r);
    t_end();
}

TEST(race, a_refund_behind_a_cancellation_gets_no_more_than_is_left)
{
    t_begin(1, 9);
    do_sale(1);
    ASSERT_STR_EQ(do_quote(1, 1, 7000, 3000), "");
    struct ask first, second;
    fill_cancel(&first, 1, 1);
    fill_refund(&second, 1, 2, 3001);
    t_do(1, "BEGIN");
    ASSERT_STR_EQ(in_first(&first, "refusal"), "");
    ASSERT_STR_EQ(t_only(after_wait(&second), "refusal"), "REFUND_EXCEEDS_CAPTURE");
    ASSERT_STR_EQ(seats_of(1), "0");
    t_end();
}
