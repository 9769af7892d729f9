/* Each invariant can fail: one row is made wrong behind the statements' back, and exactly that
 * check says so. What must stay true: every check of src/check has its case here. */
#include <stdlib.h>
#include <string.h>

#include "flow.h"

struct corruption {
    const char *check;
    const char *with; /* takes away the constraint that would have said no, or NULL */
    const char *corrupt;
    const char *restore; /* on empty tables */
};

#define B(n) "'62000000-0000-7000-8000-00000000000" n "'"
#define F(n) "'66000000-0000-7000-8000-00000000000" n "'"
#define ANY_ID "'ff000000-0000-7000-8000-000000000001'"

/* Bookings: 1 sold, 2 held, 3 cancelled with its refund under way, 4 sold but not yet captured. */
static const struct corruption cases[] = {
    {"I1", NULL, "UPDATE inventory SET free = free + 100 WHERE flight_id = " F("1"), NULL},
    {"I1 I3", NULL, "UPDATE inventory SET taken = taken + 1 WHERE flight_id = " F("1"), NULL},
    {"I3", NULL, "UPDATE inventory SET free = free + taken, taken = 0 WHERE flight_id = " F("1"),
     NULL},
    {"I4", NULL,
     "INSERT INTO seat_assignment VALUES (" F("1") ", '1A', 1, " B("3") ", 0, 'infinity')", NULL},
    {"I4", NULL,
     "INSERT INTO seat_assignment VALUES (" F("2") ", '1A', 1, " B("1") ", 0, 'infinity')", NULL},
    {"I6", NULL,
     "UPDATE booking SET payment_required_time = now() - interval '3 minutes' WHERE booking_id "
     "= " B("2"),
     NULL},
    {"I7", NULL, "UPDATE booking SET party = 3 WHERE booking_id = " B("2"), NULL},
    {"I7", NULL, "UPDATE booking SET cabins = '{1,1}' WHERE booking_id = " B("3"), NULL},
    {"F1", NULL,
     "INSERT INTO inventory SELECT (jsonb_populate_record(i, '{\"cabin\": 2, \"free\": 0, "
     "\"taken\": 0, \"authorised\": 0, \"number\": 7}')).* FROM inventory i "
     "WHERE flight_id = " F("1"),
     NULL},
    {"F1", NULL, "UPDATE inventory SET arrival_time = departure_time WHERE flight_id = " F("1"),
     NULL},
    {"B1", NULL, "UPDATE booking SET event_count = event_count + 1 WHERE booking_id = " B("1"),
     NULL},
    {"B1", NULL, "UPDATE booking_event SET state = 'HELD' WHERE booking_id = " B("3"), NULL},
    {"B1", NULL, "DELETE FROM booking_event WHERE booking_id = " B("3"), NULL},
    {"B1", NULL, "UPDATE payment SET start_event = 3 WHERE booking_id = " B("1"), NULL},
    {"B1", NULL, "UPDATE booking SET ticket_event = NULL WHERE booking_id = " B("1"), NULL},
    {"B2", NULL, "UPDATE booking SET ticket_serials = '{}' WHERE booking_id = " B("1"), NULL},
    {"B2", NULL, "UPDATE booking SET coupons = 'V' WHERE booking_id = " B("1"), NULL},
    {"B2", NULL, "UPDATE booking SET coupons = 'OO' WHERE booking_id = " B("1"), NULL},
    {"B2", NULL, "UPDATE booking SET coupons = NULL WHERE booking_id = " B("1"), NULL},
    {"B2", NULL, "UPDATE booking SET total_minor = total_minor + 1 WHERE booking_id = " B("1"),
     NULL},
    {"B3", NULL, "UPDATE booking SET coupons = 'O' WHERE booking_id = " B("3"), NULL},
    {"B5", NULL, "UPDATE booking SET serial = (SELECT max(serial) FROM booking)", NULL},
    {"B5", NULL, "UPDATE booking SET ticket_serials = '{1}' WHERE ticket_serials <> '{}'", NULL},
    {"B10", NULL,
     "UPDATE booking SET update_time = now() - interval '2 days' WHERE booking_id = " B("3"), NULL},
    {"M1", NULL,
     "INSERT INTO ledger_transfer VALUES (" B("1") ", " ANY_ID ", 'X', 'x', 'x', 1, 'USD')", NULL},
    {"M2", NULL,
     "INSERT INTO ledger_transfer VALUES (" B("1") ", " ANY_ID
                                                   ", 'X', 'provider_clearing', 'x', 1, 'USD')",
     NULL},
    {"M2", NULL,
     "INSERT INTO ledger_transfer VALUES (" B("1") ", " ANY_ID
                                                   ", 'X', 'penalty_revenue', 'x', 9999, 'USD')",
     NULL},
    {"M3", NULL, "UPDATE payment_intent SET refundable_minor = 1 WHERE booking_id = " B("1"), NULL},
    {"M4", NULL,
     "UPDATE booking SET captured_minor = captured_minor + 1 WHERE booking_id = " B("1"), NULL},
    {"M4", NULL, "UPDATE booking SET authorised_minor = 1 WHERE booking_id = " B("2"), NULL},
    {"M4", NULL,
     "UPDATE payment_intent SET authorised_minor = authorised_minor + 1 WHERE booking_id = " B("1"),
     NULL},
    {"M5", NULL,
     "UPDATE booking SET update_time = now() - interval '1 hour' WHERE booking_id = " B("4"), NULL},
    {"M6", NULL,
     "INSERT INTO payment (booking_id, attempt_id, intent_id, user_id, intent_state, amount_minor, "
     "currency) "
     "VALUES (" B("1") ", " ANY_ID ", " ANY_ID ", " ANY_ID ", 'PROCESSING', 1, 'USD')",
     NULL},
    {"M6", NULL,
     "INSERT INTO payment (booking_id, attempt_id, intent_id, user_id, state, amount_minor, "
     "currency) "
     "VALUES (" B("1") ", " ANY_ID ", " ANY_ID ", " ANY_ID ", 'DECLINED', 1, 'USD')",
     NULL},
    {"M6", NULL,
     "INSERT INTO payment (booking_id, attempt_id, intent_id, user_id, state, due_time, "
     "amount_minor, currency) "
     "SELECT booking_id, " ANY_ID
     ", intent_id, user_id, 'SENT', now(), amount_minor, currency FROM payment "
     "WHERE booking_id = " B("1"),
     NULL},
    {"M8", NULL, "DELETE FROM payment_watch", NULL},
    {"M7", NULL, "UPDATE payment_attempt SET provider_reference = 'pi_1'", NULL},
    {"M7", NULL,
     "WITH a AS (UPDATE ledger_transfer SET cause = " ANY_ID
     " WHERE booking_id = " B("1") ") SELECT 1",
     NULL},
    {"M10", NULL,
     "INSERT INTO payment (booking_id, attempt_id, intent_id, user_id, state, amount_minor, "
     "currency) "
     "SELECT booking_id, " ANY_ID
     ", intent_id, user_id, 'DECLINED', amount_minor, 'EUR' FROM payment "
     "WHERE booking_id = " B("1"),
     NULL},
    {"K1", NULL, "DELETE FROM idempotency WHERE resource = " B("1"), NULL},
    {"K1", NULL, "UPDATE idempotency SET resource = " ANY_ID " WHERE resource = " B("1"), NULL},
    {"K4", NULL,
     "INSERT INTO idempotency (principal, method, request_id, fingerprint, create_time) "
     "VALUES (" ANY_ID ", 5, " ANY_ID ", '\\x', now() - interval '1 hour')",
     NULL},
    {"A1", NULL,
     "INSERT INTO session (user_id, session_id, device_label, network, seed, refresh_hash, "
     "idle_expire_time, expire_time, end_time, end_reason) VALUES (" ANY_ID ", " ANY_ID
     ", '', '', '', sha256(''), now(), now(), now(), 'LOGOUT')",
     NULL},
    {"A4", NULL, "INSERT INTO login VALUES ('a@example.com', " ANY_ID ", 'secret')", NULL},
    {"A4", NULL, "UPDATE payment_attempt SET method_token = '4242424242424242'", NULL},
};

static void make_books(void)
{
    t_begin(2, 9);
    do_sale(1);
    ASSERT_STR_EQ(do_hold(2, t_id('f', 1), 1), "");
    do_sale(3);
    ASSERT_STR_EQ(do_quote(3, 1, 7000, 3000), "");
    ASSERT_STR_EQ(do_cancel(3, 1), "");
    ASSERT_STR_EQ(do_hold(4, t_id('f', 1), 1), "");
    ASSERT_STR_EQ(do_start(4), "");
    ASSERT_STR_EQ(do_authorised(4), "DONE");
}

TEST(invariants, each_fails_for_its_own_reason)
{
    make_books();
    ASSERT_STR_EQ(t_broken(), "");
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const struct corruption *c = &cases[i];
        make_books();
        if (c->with)
            t_do(0, c->with);
        t_do(0, c->corrupt);
        const char *broken = t_broken();
        t_begin(0, 0);
        if (c->restore)
            t_do(0, c->restore);
        ASSERT_STR_EQ(broken, c->check);
    }
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
