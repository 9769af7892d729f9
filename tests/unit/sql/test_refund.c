/* Cancellations and refunds, one statement at a time: quotes, what comes back, out of which
 * account, and who hears of what does not end. */
#include "flow.h"

TEST(refund, refunds_never_exceed_what_was_taken)
{
    t_begin(1, 9);
    do_sale(1);
    struct ask ask;
    fill_refund(&ask, 1, 1, 6000);
    ASSERT_STR_EQ(refusal(&ask), "");
    fill_refund(&ask, 1, 2, 4001);
    ASSERT_STR_EQ(refusal(&ask), "REFUND_EXCEEDS_CAPTURE");
    ASSERT_STR_EQ(do_refund_end("payment_refund_failed", 1, t_id('g', 1)), "t");
    ASSERT_STR_EQ(do_refund_end("payment_refund_failed", 1, t_id('g', 1)), "f");
    fill_refund(&ask, 1, 3, 10000);
    ASSERT_STR_EQ(refusal(&ask), "");
    ASSERT_STR_EQ(do_refund_end("payment_refund_succeeded", 1, t_id('g', 3)), "t");
    ASSERT_STR_EQ(do_refund_end("payment_refund_succeeded", 1, t_id('g', 3)), "f");
    ASSERT_STR_EQ(do_refund_end("payment_refund_failed", 1, t_id('g', 3)), "f");
    PGresult *beyond = PQexec(t_session(0), "UPDATE payment_intent SET refundable_minor = -1");
    ASSERT_STR_EQ(PQresultErrorField(beyond, PG_DIAG_CONSTRAINT_NAME), "refundable_ck");
    PQclear(beyond);
    fill_refund(&ask, 1, 4, 1);
    ASSERT_STR_EQ(refusal(&ask), "REFUND_EXCEEDS_CAPTURE");
    fill_refund(&ask, 2, 5, 1);
    ASSERT_STR_EQ(refusal(&ask), "NOT_FOUND");
    t_end();
}

TEST(refund, a_cancellation_gives_back_seats_tickets_and_money)
{
    t_begin(1, 9);
    do_sale(1);
    struct ask ask;
    fill_cancel(&ask, 1, 1);
    ASSERT_STR_EQ(refusal(&ask), "NOT_FOUND");
    ASSERT_STR_EQ(do_quote(1, 1, 7000, 3000), "");
    ASSERT_STR_EQ(do_quote(1, 2, 7000, 3000), "");
    ASSERT_STR_EQ(do_cancel(1, 1), "QUOTE_SUPERSEDED");
    ASSERT_STR_EQ(do_cancel(1, 2), "");
    ASSERT_STR_EQ(state_of(1), "CANCELLING");
    ASSERT_STR_EQ(seats_of(1), "0");
    ASSERT_STR_EQ(t_broken(), "");
    fill_cancel(&ask, 1, 2);
    ASSERT_STR_EQ(t_only(ask_run(t_session(0), &ask), "claimed"), "f");
    ASSERT_STR_EQ(do_refund_end("payment_refund_succeeded", 1, t_id('m', 2)), "t");
    ASSERT_STR_EQ(state_of(1), "CANCELLED");
    ASSERT_STR_EQ(t_sql("SELECT coupons FROM ticket"), "R");
    t_end();
}

TEST(refund, a_refund_refused_for_good_waits_for_a_person)
{
    t_begin(1, 9);
    do_sale(1);
    ASSERT_STR_EQ(do_quote(1, 1, 7000, 3000), "");
    ASSERT_STR_EQ(do_cancel(1, 1), "");
    ASSERT_STR_EQ(do_refund_end("payment_refund_failed", 1, t_id('m', 1)), "t");
    ASSERT_STR_EQ(state_of(1), "ATTENTION");
    ASSERT_STR_EQ(t_sql("SELECT count(*) FROM attention_item"), "1");
    t_end();
}

/* What comes back is told by the fare until the first flight leaves, and by the money that is
 * there. */
TEST(refund, a_quote_ends_with_the_departure)
{
    t_begin(1, 9);
    do_sale(1);
    struct ask ask;
    fill_quote(&ask, 1, 1, 7000, 2999);
    ASSERT_STR_EQ(refusal(&ask), "CONFLICT");
    fill_quote(&ask, 1, 2, 7000, 3000);
    ask_set(&ask, 0, "departure_time", t_sql("SELECT now()"));
    ASSERT_STR_EQ(refusal(&ask), "FLIGHT_DEPARTED");
    ASSERT_STR_EQ(t_only(ask_run(t_session(0), &ask), "claimed"), "f");
    fill_quote(&ask, 1, 3, 7000, 3000);
    const char *soon = t_sql("SELECT now() + interval '5 minutes'");
    ask_set(&ask, 0, "departure_time", soon);
    ASSERT_STR_EQ(t_only(ask_run(t_session(0), &ask), "expire_time"), soon);
    ASSERT_STR_EQ(t_sql("SELECT expire_time FROM cancellation"), soon);
    t_end();
}

TEST(refund, a_quote_that_has_ended_says_so_also_when_it_was_swept)
{
    t_begin(1, 9);
    do_sale(1);
    ASSERT_STR_EQ(do_quote(1, 1, 7000, 3000), "");
    t_do(0, "UPDATE cancellation SET expire_time = now() - interval '2 minutes'");
    ASSERT_STR_EQ(do_job("jobs_expire_quotes", "row_count", 9, "expired"), "1");
    ASSERT_STR_EQ(do_cancel(1, 1), "QUOTE_EXPIRED");
    ASSERT_STR_EQ(do_hold(2, t_id('f', 1), 1), "");
    ASSERT_STR_EQ(do_quote(2, 2, 0, 0), "");
    let_lapse(2);
    ASSERT_STR_EQ(do_cancel(2, 2), "BOOKING_STATE"); /* it is EXPIRED to everybody */
    t_end();
}

/* A penalty stays as long as there is money for it, whichever refund comes after it. */
TEST(refund, a_penalty_is_what_is_given_back_last)
{
    t_begin(1, 9);
    do_sale(1);
    ASSERT_STR_EQ(do_quote(1, 1, 7000, 3000), "");
    ASSERT_STR_EQ(do_cancel(1, 1), "");
    ASSERT_STR_EQ(do_refund_end("payment_refund_failed", 1, t_id('m', 1)), "t");
    static const struct {
        long long refund;
        const char *waived;
    } steps[] = {{4000, "0"}, {4000, "1000"}, {2000, "3000"}};
    for (unsigned i = 0; i < sizeof steps / sizeof steps[0]; i++) {
        struct ask ask;
        fill_refund(&ask, 1, i, steps[i].refund);
        ASSERT_STR_EQ(refusal(&ask), "");
        ASSERT_STR_EQ(do_refund_end("payment_refund_succeeded", 1, t_id('g', i)), "t");
        ASSERT_STR_EQ(t_broken(), "");
        ASSERT_STR_EQ(t_sql("SELECT coalesce(sum(amount_minor), 0) FROM ledger_transfer "
                            "WHERE kind = 'PENALTY_WAIVED'"),
                      steps[i].waived);
    }
    t_end();
}

/* Behind one lock: neither sees what the other takes out of the penalty. */
TEST(refund, two_refunds_that_end_together_waive_a_penalty_once)
{
    t_begin(1, 9);
    do_sale(1);
    ASSERT_STR_EQ(do_quote(1, 1, 7000, 3000), "");
    ASSERT_STR_EQ(do_cancel(1, 1), "");
    struct ask ask, first, second;
    fill_refund(&ask, 1, 1, 1000);
    ASSERT_STR_EQ(refusal(&ask), "");
    fill_refund(&ask, 1, 2, 2000);
    ASSERT_STR_EQ(refusal(&ask), "");
    ASSERT_STR_EQ(do_refund_end("payment_refund_succeeded", 1, t_id('m', 1)), "t");
    fill_refund_end(&first, "payment_refund_succeeded", 1, t_id('g', 1));
    fill_refund_end(&second, "payment_refund_succeeded", 1, t_id('g', 2));
    t_do(1, "BEGIN");
    t_do(1, "SELECT FROM booking FOR UPDATE");
    ask_send(t_session(2), &first);
    ASSERT_TRUE(t_is_waiting(2));
    ask_send(t_session(3), &second);
    ASSERT_TRUE(t_is_waiting(3));
    t_do(1, "COMMIT");
    ASSERT_STR_EQ(t_only(ask_wait(t_session(2)), "done"), "t");
    ASSERT_STR_EQ(t_only(ask_wait(t_session(3)), "done"), "t");
    ASSERT_STR_EQ(state_of(1), "CANCELLED");
    ASSERT_STR_EQ(t_sql("SELECT sum(CASE debit WHEN 'unearned_revenue' THEN amount_minor "
                        "ELSE -amount_minor END) FROM ledger_transfer "
                        "WHERE 'unearned_revenue' IN (debit, credit)"),
                  "0");
    ASSERT_STR_EQ(t_sql("SELECT sum(amount_minor) FROM ledger_transfer "
                        "WHERE kind = 'PENALTY_WAIVED'"),
                  "3000");
    ASSERT_STR_EQ(t_broken(), "");
    t_end();
}

TEST(refund, people_hear_of_a_refund_that_was_paid_twice)
{
    t_begin(1, 9);
    do_sale(1);
    struct ask ask;
    fill_refund(&ask, 1, 1, 6000);
    ASSERT_STR_EQ(refusal(&ask), "");
    fill_refund_end(&ask, "payment_refund_succeeded", 1, t_id('g', 1));
    ask_set(&ask, 0, "twice_item_id", t_id('y', 1));
    for (unsigned time = 0; time < 2; time++)
        ASSERT_STR_EQ(t_only(ask_run(t_session(0), &ask), "done"), time == 0 ? "t" : "f");
    ASSERT_STR_EQ(t_sql("SELECT string_agg(kind, ' ') FROM attention_item"), "REFUNDED_TWICE");
    t_end();
}

/* Money goes back where it came from. */
TEST(refund, what_another_provider_took_waits_for_it)
{
    t_begin(1, 9);
    do_sale(1);
    struct ask ask, due;
    fill_refund(&ask, 1, 1, 6000);
    ask_set(&ask, 0, "provider", "stripe");
    PGresult *r = ask_run(t_session(0), &ask);
    ASSERT_STR_EQ(t_cell(r, 0, "refusal"), "");
    ASSERT_STR_EQ(t_cell(r, 0, "sends"), "f");
    PQclear(r);
    ASSERT_STR_EQ(t_sql("SELECT state || (due_time <= now()) || (sent_time IS NULL) FROM refund"),
                  "RESERVEDtruetrue");
    ask_begin(&due, "jobs_due_refunds");
    ask_int(&due, 0, "row_count", 10);
    ask_int(&due, 0, "lease_seconds", 30);
    ask_set(&due, 0, "provider", "stripe");
    ASSERT_STR_EQ(t_only(ask_run(t_session(0), &due), "state"), "no row");
    ask_set(&due, 0, "provider", "instant");
    ASSERT_STR_EQ(t_only(ask_run(t_session(0), &due), "state"), "RESERVED");
    ASSERT_STR_EQ(t_sql("SELECT state FROM refund"), "SENT");
    t_end();
}

TEST(refund, people_hear_of_a_refund_that_never_ends)
{
    static const struct {
        const char *state, *age, *told;
    } waits[] = {
        {"UNKNOWN", "50 minutes", "0"}, {"UNKNOWN", "70 minutes", "1"},
        {"RESERVED", "2 hours", "1"},   {"SENT", "13 days", "0"},
        {"SENT", "15 days", "1"},
    };
    for (size_t i = 0; i < sizeof waits / sizeof waits[0]; i++) {
        t_begin(1, 9);
        do_sale(1);
        struct ask ask;
        fill_refund(&ask, 1, 1, 6000);
        ASSERT_STR_EQ(refusal(&ask), "");
        t_do(0, t_format("UPDATE refund SET create_time = now() - interval '%s'", waits[i].age));
        for (unsigned time = 0; time < 2; time++) {
            ask_begin(&ask, "payment_refund_wait");
            ask_set(&ask, 0, "booking_id", t_id('b', 1));
            ask_set(&ask, 0, "refund_id", t_id('g', 1));
            ask_set(&ask, 0, "state", waits[i].state);
            ask_set(&ask, 0, "provider_reference", NULL);
            ask_set(&ask, 0, "key_spent", "f");
            ask_int(&ask, 0, "inquiry_count", 1);
            ask_int(&ask, 0, "due_seconds", 60);
            ask_set(&ask, 0, "item_id", t_id('y', time));
            ASSERT_STR_EQ(t_only(ask_run(t_session(0), &ask), "done"), "t");
        }
        ASSERT_STR_EQ(t_sql("SELECT count(*) FROM attention_item WHERE kind = 'REFUND_UNRESOLVED'"),
                      waits[i].told);
        t_end();
    }
}
