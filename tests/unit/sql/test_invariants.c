/* Each invariant can fail: one row is made wrong behind the statements' back, and exactly that
 * check says so. What must stay true: every check of src/check has its case here. */
#include <stdlib.h>
#include <string.h>

#include "flow.h"

struct corruption {
    const char *check;
    const char *corrupt;
};

#define B(n) "'62000000-0000-7000-8000-00000000000" n "'"
#define F(n) "'66000000-0000-7000-8000-00000000000" n "'"
#define CAPTURE "'CAPTURE', 'provider_clearing', 'unearned_revenue'"
#define TRANSFER(n, kind)                                                                          \
    "INSERT INTO ledger_transfer VALUES (" B(n) ", " ANY_ID ", " kind ", 3000, 'USD')"
#define ANY_ID "'ff000000-0000-7000-8000-000000000001'"

/* Bookings: 1 sold with an assigned seat, 2 held, 3 cancelled with its refund under way, 4 sold but
 * not yet captured, 5 cancelled with 70.00 given back and 10.00 of its penalty waived, a cent more
 * on its way, 6 being paid, 7 expired after a decline. */
static const struct corruption cases[] = {
    {"I1", "UPDATE inventory SET free = free + 100 WHERE flight_id = " F("1")},
    {"I1 I3", "UPDATE inventory SET taken = taken + 1 WHERE flight_id = " F("1")},
    {"I3", "UPDATE inventory SET free = free + taken, taken = 0 WHERE flight_id = " F("1")},
    {"I4", "INSERT INTO seat_assignment VALUES (" F("1") ", '1A', 1, " B("3") ", 0, 'infinity')"},
    {"I4", "INSERT INTO seat_assignment VALUES (" F("2") ", '1A', 1, " B("1") ", 0, 'infinity')"},
    {"I4", "UPDATE seat_assignment SET expire_time = now() + interval '1 hour'"},
    {"I4", "UPDATE seat_assignment SET expire_time = now() - interval '1 hour'"},
    {"I4", "UPDATE seat_assignment SET cabin = 2"},
    {"I4", "DELETE FROM seat_assignment"},
    {"I4", "INSERT INTO seat_assignment SELECT flight_id, '1A', cabin, booking_id, passenger, "
           "expire_time FROM seat_assignment"},
    {"I4", "UPDATE booking SET has_assigned_seats = false"},
    {"I4", "UPDATE booking SET has_assigned_seats = true WHERE booking_id = " B("2")},
    {"I6",
     "UPDATE booking SET payment_required_time = now() - interval '3 minutes' WHERE booking_id "
     "= " B("2")},
    {"I7", "UPDATE booking SET party = 3 WHERE booking_id = " B("2")},
    {"I7", "UPDATE booking SET cabins = '{1,1}' WHERE booking_id = " B("3")},
    {"F1", "INSERT INTO inventory SELECT (jsonb_populate_record(i, '{\"cabin\": 2, \"free\": 0, "
           "\"taken\": 0, \"authorised\": 0, \"number\": 7}')).* FROM inventory i "
           "WHERE flight_id = " F("1")},
    {"F1", "UPDATE inventory SET arrival_time = departure_time WHERE flight_id = " F("1")},
    {"B1", "UPDATE booking SET event_count = event_count + 1 WHERE booking_id = " B("1")},
    {"B1", "UPDATE booking_event SET state = 'HELD' WHERE booking_id = " B("3")},
    {"B1", "DELETE FROM booking_event WHERE booking_id = " B("3")},
    {"B1", "UPDATE payment SET start_event = 3 WHERE booking_id = " B("1")},
    {"B1 B2", "UPDATE booking SET ticket_event = NULL WHERE booking_id = " B("1")},
    {"B2", "UPDATE booking SET ticket_serials = '{}' WHERE booking_id = " B("1")},
    {"B2", "UPDATE booking SET coupons = 'V' WHERE booking_id = " B("1")},
    {"B2", "UPDATE booking SET coupons = 'OO' WHERE booking_id = " B("1")},
    {"B2", "UPDATE booking SET coupons = NULL WHERE booking_id = " B("1")},
    {"B2", "UPDATE booking SET ticket_serials = '{5}' WHERE booking_id = " B("2")},
    {"B2", "UPDATE booking SET total_minor = total_minor + 1 WHERE booking_id = " B("1")},
    {"B3", "UPDATE booking SET coupons = 'O' WHERE booking_id = " B("3")},
    {"B5", "UPDATE booking SET serial = (SELECT max(serial) FROM booking)"},
    {"B5", "UPDATE booking SET ticket_serials = '{1}' WHERE ticket_serials <> '{}'"},
    {"B3", "DELETE FROM ledger_transfer WHERE kind LIKE 'PENALTY%' AND booking_id = " B(
               "5") "; "
                    "UPDATE cancellation SET penalty_minor = 0 WHERE booking_id = " B("5")},
    {"B4", "UPDATE cancellation SET refund_minor = 7001 WHERE booking_id = " B("3")},
    {"B4", "UPDATE cancellation SET refund_id = NULL WHERE booking_id = " B("5")},
    {"B4", "UPDATE cancellation SET state = 'FAILED' WHERE booking_id = " B("3")},
    {"B4 K1", "UPDATE refund SET cause = 'GOODWILL' WHERE booking_id = " B("3")},
    {"B10",
     "UPDATE booking SET update_time = now() - interval '2 days' WHERE booking_id = " B("6")},
    /* The bank's time is the refund's. */
    {"", "UPDATE booking SET update_time = now() - interval '2 days' WHERE booking_id = " B("3")},
    {"B10", "UPDATE refund SET create_time = now() - interval '3 days', state = 'UNKNOWN' "
            "WHERE booking_id = " B("3")},
    {"M1", "UPDATE ledger_transfer SET credit = 'x' WHERE booking_id = " B("1")},
    {"M1 M7", TRANSFER("1", "'X', 'x', 'y'")},
    {"M2", "DELETE FROM ledger_transfer WHERE kind = 'PENALTY_WAIVED'"},
    {"M2 M7", TRANSFER("1", CAPTURE) "; " TRANSFER(
                  "4", "'REFUND', 'unearned_revenue', 'provider_clearing'")},
    {"M2 M7", TRANSFER("1", "'PENALTY', 'unearned_revenue', 'penalty_revenue'")},
    {"M2 M7", "DELETE FROM ledger_transfer WHERE kind = 'PENALTY' AND booking_id = " B("3")},
    {"M2 M7",
     "UPDATE ledger_transfer SET amount_minor = 1 WHERE kind = 'PENALTY' AND booking_id = " B("3")},
    {"B3 M2 M7", "UPDATE cancellation SET penalty_minor = 2999 WHERE booking_id = " B("3")},
    {"M3", "UPDATE booking SET authorised_minor = 20000 WHERE booking_id = " B(
               "3") "; "
                    "UPDATE payment SET authorised_minor = 20000 WHERE booking_id = " B("3")},
    {"M3 M6", "UPDATE payment SET intent_state = 'AUTHORIZED' WHERE booking_id = " B("1")},
    {"M3", "UPDATE payment_intent SET refundable_minor = 1 WHERE booking_id = " B("1")},
    {"M2 M4", "UPDATE booking SET captured_minor = captured_minor + 1 WHERE booking_id = " B("1")},
    {"M4", "UPDATE booking SET authorised_minor = 1 WHERE booking_id = " B("2")},
    {"M3 M4",
     "UPDATE payment_intent SET authorised_minor = authorised_minor + 1 WHERE booking_id = " B(
         "1")},
    {"M5", "UPDATE booking SET update_time = now() - interval '1 hour' WHERE booking_id = " B("4")},
    {"M6",
     "INSERT INTO payment (booking_id, attempt_id, intent_id, user_id, intent_state, amount_minor, "
     "currency) "
     "VALUES (" B("1") ", " ANY_ID ", " ANY_ID ", " ANY_ID ", 'PROCESSING', 1, 'USD')"},
    {"M6", "INSERT INTO payment (booking_id, attempt_id, intent_id, user_id, state, amount_minor, "
           "currency) "
           "VALUES (" B("1") ", " ANY_ID ", " ANY_ID ", " ANY_ID ", 'DECLINED', 1, 'USD')"},
    {"M6", "INSERT INTO payment (booking_id, attempt_id, intent_id, user_id, state, due_time, "
           "amount_minor, currency) "
           "SELECT booking_id, " ANY_ID
           ", intent_id, user_id, 'SENT', now(), amount_minor, currency FROM payment "
           "WHERE booking_id = " B("1")},
    {"M6", "UPDATE payment SET state = 'DECLINED', intent_state = 'CANCELLED' "
           "WHERE booking_id = " B("6")},
    {"M6", "UPDATE payment SET intent_state = 'PROCESSING' WHERE booking_id = " B("7")},
    {"M6",
     "UPDATE payment SET intent_state = 'REQUIRES_PAYMENT_METHOD' WHERE booking_id = " B("7")},
    {"M8", "DELETE FROM payment_watch"},
    {"M8", "UPDATE payment_watch SET create_time = create_time - interval '1 second'"},
    {"M8", "UPDATE refund SET due_time = NULL WHERE booking_id = " B("3")},
    {"M7", "UPDATE payment SET provider = NULL WHERE booking_id = " B("1")},
    {"M7", "UPDATE payment SET provider_reference = NULL WHERE booking_id = " B("1")},
    {"M7", "UPDATE refund SET provider_reference = 're_1'"},
    {"M7", "UPDATE payment_attempt SET provider_reference = 'pi_1'"},
    {"M7", "WITH a AS (UPDATE ledger_transfer SET cause = " ANY_ID
           " WHERE booking_id = " B("1") ") SELECT 1"},
    {"M10", "INSERT INTO payment (booking_id, attempt_id, intent_id, user_id, state, amount_minor, "
            "currency) "
            "SELECT booking_id, " ANY_ID
            ", intent_id, user_id, 'DECLINED', amount_minor, 'EUR' FROM payment "
            "WHERE booking_id = " B("1")},
    {"K1", "DELETE FROM idempotency WHERE resource = " B("1")},
    {"K1", "UPDATE idempotency SET resource = " ANY_ID " WHERE resource = " B("1")},
    {"K1", "DELETE FROM idempotency WHERE method = 7"},
    {"K1", "DELETE FROM idempotency WHERE method = 10"},
    /* Claims are not kept for ever. */
    {"", "UPDATE cancellation SET create_time = now() - interval '31 days'; "
         "DELETE FROM idempotency WHERE method = 7"},
    {"K1", "UPDATE idempotency SET resource = " ANY_ID " WHERE method = 7"},
    {"K1", "UPDATE idempotency SET resource = " ANY_ID " WHERE method = 8"},
    {"K1", "UPDATE idempotency SET resource = " ANY_ID " WHERE method = 9"},
    {"K1", "UPDATE idempotency SET resource = " ANY_ID " WHERE method = 10"},
    {"K1", "UPDATE idempotency SET resource = " ANY_ID ", method = 11 WHERE method = 9"},
    {"K1", "UPDATE idempotency SET principal = " ANY_ID " WHERE method = 9"},
    {"K4", "INSERT INTO idempotency (principal, method, request_id, fingerprint, create_time) "
           "VALUES (" ANY_ID ", 5, " ANY_ID ", '\\x', now() - interval '1 hour')"},
    {"A1", "INSERT INTO session (user_id, session_id, device_label, network, seed, refresh_hash, "
           "idle_expire_time, expire_time, end_time, end_reason) VALUES (" ANY_ID ", " ANY_ID
           ", '', '', '', sha256(''), now(), now(), now(), 'LOGOUT')"},
    {"A4", "INSERT INTO login VALUES ('a@example.com', " ANY_ID ", 'secret')"},
    {"A4", "UPDATE payment_attempt SET method_token = '4242424242424242'"},
};

static void make_books(void)
{
    struct ask ask;
    t_begin(2, 9);
    do_sale(1);
    t_do(0, "INSERT INTO seat_assignment VALUES (" F("1") ", '2A', 1, " B(
                "1") ", 0, 'infinity'); "
                     "UPDATE booking SET has_assigned_seats = true");
    ASSERT_STR_EQ(do_hold(2, t_id('f', 1), 1), "");
    do_sale(3);
    ASSERT_STR_EQ(do_quote(3, 1, 7000, 3000), "");
    ASSERT_STR_EQ(do_cancel(3, 1), "");
    ASSERT_STR_EQ(do_hold(4, t_id('f', 1), 1), "");
    ASSERT_STR_EQ(do_start(4), "");
    ASSERT_STR_EQ(do_authorised(4), "DONE");
    do_sale(5);
    ASSERT_STR_EQ(do_quote(5, 5, 7000, 3000), "");
    ASSERT_STR_EQ(do_cancel(5, 5), "");
    ASSERT_STR_EQ(do_refund_end("payment_refund_succeeded", 5, t_id('m', 5)), "t");
    fill_refund(&ask, 5, 1, 1000);
    ASSERT_STR_EQ(refusal(&ask), "");
    ASSERT_STR_EQ(do_refund_end("payment_refund_succeeded", 5, t_id('g', 1)), "t");
    fill_refund(&ask, 5, 2, 1);
    ASSERT_STR_EQ(refusal(&ask), "");
    ASSERT_STR_EQ(do_hold(6, t_id('f', 1), 1), "");
    fill_intent(&ask, 0, 6);
    ASSERT_STR_EQ(refusal(&ask), "");
    fill_start(&ask, 0, 6, false);
    ASSERT_STR_EQ(refusal(&ask), "");
    ASSERT_STR_EQ(do_hold(7, t_id('f', 1), 1), "");
    ASSERT_STR_EQ(do_start(7), "");
    ASSERT_STR_EQ(do_failed(7, "DECLINED"), "t");
    let_lapse(7);
    ASSERT_STR_EQ(do_expire(), "1");
}

/* Making the books again for each case would take most of the time: their rows are put aside, and
 * those of the tables that are named in @names brought back. */
static void copy_rows(const char *copy, const char *names)
{
    t_do(0, t_format("DO $$ DECLARE t name; BEGIN "
                     "FOR t IN SELECT tablename FROM pg_tables WHERE schemaname = 'public' "
                     "AND strpos($q$%s$q$, tablename) > 0 LOOP EXECUTE format('%s', t); END LOOP; "
                     "END $$",
                     names, copy));
}

TEST(invariants, each_fails_for_its_own_reason)
{
    make_books();
    ASSERT_STR_EQ(t_broken(), "");
    t_do(0, "CREATE SCHEMA good");
    const char *all = t_sql("SELECT string_agg(tablename, ' ') FROM pg_tables "
                            "WHERE schemaname = 'public'");
    copy_rows("CREATE TABLE good.%1$I AS TABLE public.%1$I", all);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const struct corruption *c = &cases[i];
        t_do(0, c->corrupt);
        ASSERT_STR_EQ(t_broken(), c->check);
        copy_rows("DELETE FROM public.%1$I; INSERT INTO public.%1$I TABLE good.%1$I", c->corrupt);
    }
    t_do(0, "DROP SCHEMA good CASCADE");
    t_begin(0, 0);
    t_end();
}

/* What a person ended, while money was on its way, is followed to its end; a refund that failed
 * then is a person's. */
TEST(invariants, late_money_is_looked_after)
{
    t_begin(1, 9);
    do_death(1);
    ASSERT_STR_EQ(do_authorised(1), "LATE");
    ASSERT_STR_EQ(t_broken(), "");
    t_do(0, "UPDATE payment SET due_time = NULL");
    ASSERT_STR_EQ(t_broken(), "M8");
    t_do(0, "UPDATE payment SET due_time = now()");
    ASSERT_STR_EQ(do_captured(1), "t");
    ASSERT_STR_EQ(t_broken(), "");
    ASSERT_STR_EQ(do_refund_end("payment_refund_failed", 1, t_id('l', 1)), "t");
    ASSERT_STR_EQ(t_broken(), "");
    t_do(0, "UPDATE attention_item SET resolve_time = now()");
    ASSERT_STR_EQ(t_broken(), "B3");
    t_begin(0, 0);
    t_end();
}

TEST(invariants, all_are_proved)
{
    char *names = strdup(t_checks()), *rest = NULL;
    for (char *name = strtok_r(names, " ", &rest); name; name = strtok_r(NULL, " ", &rest)) {
        bool found = false;
        for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
            found |= strcmp(cases[i].check, name) == 0;
        if (!found)
            ASSERT_STR_EQ(name, "in the table of cases");
    }
    free(names);
    t_end();
}
