/* See flow.h. Ids come from the booking's number, so that asks about one booking fit together. */
#include <string.h>

#include "flow.h"

static const char none[] = "00000000-0000-0000-0000-000000000000";

void fill_hold(struct ask *ask, unsigned member, unsigned booking, const char *flights,
               unsigned seats)
{
    if (member == 0)
        ask_begin(ask, "booking_hold");
    unsigned count = 1;
    for (const char *p = flights; *p; p++)
        count += *p == ',';
    ask_set(ask, member, "flight", t_format("%.36s", flights));
    ask_set(ask, member, "principal", t_id('u', 1));
    ask_set(ask, member, "request_id", t_id('r', booking));
    ask_set(ask, member, "fingerprint", "\\x01");
    ask_set(ask, member, "booking_id", t_id('b', booking));
    ask_set(ask, member, "ticket_code", "999");
    ask_int(ask, member, "seats", seats);
    ask_int(ask, member, "party", seats);
    ask_int(ask, member, "total_minor", 10000);
    ask_set(ask, member, "currency", "USD");
    ask_set(ask, member, "offer", "offers/x");
    ask_set(ask, member, "offer_expire", "2029-01-01");
    ask_set(ask, member, "snapshot", "\\x");
    ask_set(ask, member, "passengers", "\\x");
    ask_int(ask, member, "hold_seconds", 600);
    ask_set(ask, member, "holds_since", none);
    ask_int(ask, member, "holds_max", 100000);
    ask_set(ask, member, "flight_ids", flights);
    ask_set(ask, member, "cabins", &"1,1,1,1,1,1,1,1"[2 * (8 - count)]);
}

void fill_start(struct ask *ask, unsigned member, unsigned booking, bool is_new)
{
    if (member == 0)
        ask_begin(ask, "payment_start");
    ask_set(ask, member, "booking_id", t_id('b', booking));
    ask_set(ask, member, "principal", t_id('u', 1));
    ask_int(ask, member, "method", is_new ? 8 : 9);
    ask_set(ask, member, "request_id", t_id('s', booking));
    ask_set(ask, member, "fingerprint", "\\x01");
    ask_set(ask, member, "intent_id", t_id('i', booking));
    ask_set(ask, member, "is_new", is_new ? "t" : "f");
    ask_set(ask, member, "attempt_id", t_id('a', booking));
    ask_set(ask, member, "amount_minor", is_new ? "10000" : NULL);
    ask_set(ask, member, "currency", is_new ? "USD" : NULL);
    ask_set(ask, member, "etag_time", NULL);
    ask_set(ask, member, "provider", "instant");
    ask_set(ask, member, "method_token", "pm_card_visa");
    ask_set(ask, member, "card_key", t_id('v', 1));
    ask_int(ask, member, "user_max", 1000);
    ask_int(ask, member, "card_max", 1000);
    ask_int(ask, member, "booking_max", 5);
    ask_int(ask, member, "due_seconds", 15);
    ask_int(ask, member, "pin_seconds", 600);
}

void fill_try(struct ask *ask, unsigned member, unsigned booking, bool is_new, unsigned number)
{
    fill_start(ask, member, booking, is_new);
    ask_set(ask, member, "request_id", t_id('s', number));
    ask_set(ask, member, "attempt_id", t_id('a', number));
    if (is_new)
        ask_set(ask, member, "intent_id", t_id('i', number));
}

void fill_authorised(struct ask *ask, unsigned member, unsigned booking)
{
    if (member == 0)
        ask_begin(ask, "payment_authorised");
    ask_set(ask, member, "booking_id", t_id('b', booking));
    ask_set(ask, member, "attempt_id", t_id('a', booking));
    ask_set(ask, member, "provider_reference", t_format("pi_%u", booking));
    ask_set(ask, member, "card_fingerprint", NULL);
    ask_set(ask, member, "card", "visa 4242");
    ask_set(ask, member, "is_captured", "f");
    ask_set(ask, member, "refund_id", t_id('l', booking));
    ask_int(ask, member, "capture_seconds", 15);
}

void fill_captured(struct ask *ask, unsigned member, unsigned booking)
{
    if (member == 0)
        ask_begin(ask, "payment_captured");
    ask_set(ask, member, "booking_id", t_id('b', booking));
    ask_set(ask, member, "attempt_id", t_id('a', booking));
    ask_set(ask, member, "refund_id", t_id('l', booking));
}

void fill_failed(struct ask *ask, unsigned member, unsigned booking, const char *outcome)
{
    if (member == 0)
        ask_begin(ask, "payment_failed");
    ask_set(ask, member, "booking_id", t_id('b', booking));
    ask_set(ask, member, "attempt_id", t_id('a', booking));
    ask_set(ask, member, "outcome", outcome);
    ask_set(ask, member, "error_code", "CARD_DECLINED");
    ask_set(ask, member, "decline_code", NULL);
    ask_set(ask, member, "provider_reference", NULL);
    ask_set(ask, member, "due_seconds", NULL);
    ask_set(ask, member, "cancel_intent", "f");
    ask_set(ask, member, "principal", t_id('u', 1));
    ask_int(ask, member, "method", 8);
    ask_set(ask, member, "unclaim", NULL);
}

void fill_wait(struct ask *ask, unsigned booking, const char *state)
{
    ask_begin(ask, "payment_wait");
    ask_set(ask, 0, "booking_id", t_id('b', booking));
    ask_set(ask, 0, "attempt_id", t_id('a', booking));
    ask_set(ask, 0, "state", state);
    ask_set(ask, 0, "inquired", "t");
    ask_int(ask, 0, "due_seconds", 1);
}

void fill_intent(struct ask *ask, unsigned member, unsigned booking)
{
    if (member == 0)
        ask_begin(ask, "payment_intent_create");
    ask_set(ask, member, "booking_id", t_id('b', booking));
    ask_set(ask, member, "principal", t_id('u', 1));
    ask_set(ask, member, "request_id", t_id('n', booking));
    ask_set(ask, member, "fingerprint", "\\x01");
    ask_set(ask, member, "intent_id", t_id('i', booking));
    ask_int(ask, member, "amount_minor", 10000);
    ask_set(ask, member, "currency", "USD");
}

void fill_quote(struct ask *ask, unsigned booking, unsigned quote, long long refund_minor,
                long long penalty_minor)
{
    ask_begin(ask, "booking_quote");
    ask_set(ask, 0, "principal", t_id('u', 1));
    ask_set(ask, 0, "request_id", t_id('q', quote));
    ask_set(ask, 0, "fingerprint", "\\x01");
    ask_set(ask, 0, "booking_id", t_id('b', booking));
    ask_set(ask, 0, "cancellation_id", t_id('c', quote));
    ask_set(ask, 0, "event_count",
            t_sql(t_format("SELECT event_count FROM booking WHERE booking_id = '%s'",
                           t_id('b', booking))));
    ask_int(ask, 0, "refund_minor", refund_minor);
    ask_int(ask, 0, "penalty_minor", penalty_minor);
    ask_int(ask, 0, "quote_seconds", 600);
    ask_set(ask, 0, "departure_time", "2029-01-01");
    ask_set(ask, 0, "etag_count", NULL);
    ask_set(ask, 0, "etag_time", NULL);
}

void fill_cancel(struct ask *ask, unsigned booking, unsigned quote)
{
    ask_begin(ask, "booking_cancel");
    ask_set(ask, 0, "principal", t_id('u', 1));
    ask_set(ask, 0, "request_id", t_id('k', quote));
    ask_set(ask, 0, "fingerprint", "\\x01");
    ask_set(ask, 0, "booking_id", t_id('b', booking));
    ask_set(ask, 0, "cancellation_id", t_id('c', quote));
    ask_set(ask, 0, "refund_id", t_id('m', quote));
}

void fill_refund(struct ask *ask, unsigned booking, unsigned refund, long long amount_minor)
{
    ask_begin(ask, "payment_refund_create");
    ask_set(ask, 0, "principal", t_id('u', 9));
    ask_set(ask, 0, "request_id", t_id('g', refund));
    ask_set(ask, 0, "fingerprint", "\\x01");
    ask_set(ask, 0, "booking_id", t_id('b', booking));
    ask_set(ask, 0, "intent_id", t_id('i', booking));
    ask_set(ask, 0, "refund_id", t_id('g', refund));
    ask_int(ask, 0, "amount_minor", amount_minor);
    ask_set(ask, 0, "currency", "USD");
    ask_set(ask, 0, "cause", "GOODWILL");
    ask_set(ask, 0, "provider", "instant");
    ask_int(ask, 0, "due_seconds", 15);
}

void fill_refund_end(struct ask *ask, const char *statement, unsigned booking, const char *refund)
{
    ask_begin(ask, statement);
    ask_set(ask, 0, "booking_id", t_id('b', booking));
    ask_set(ask, 0, "refund_id", refund);
    if (strcmp(statement, "payment_refund_succeeded") == 0) {
        ask_set(ask, 0, "provider_reference", t_format("re_%s", refund));
        ask_set(ask, 0, "twice_item_id", NULL);
    } else {
        ask_set(ask, 0, "error_code", "refused");
        ask_set(ask, 0, "item_id", refund);
    }
}

void fill_expire(struct ask *ask)
{
    ask_begin(ask, "jobs_expire");
    ask_set(ask, 0, "after", "-infinity");
    ask_set(ask, 0, "until", "infinity");
    ask_int(ask, 0, "row_count", 100);
}

/* ---- done at once ---- */

static const char *done(const struct ask *ask, const char *column)
{
    return t_only(ask_run(t_session(0), ask), column);
}

const char *refusal(const struct ask *ask)
{
    return done(ask, "refusal");
}

const char *do_hold(unsigned booking, const char *flights, unsigned seats)
{
    struct ask ask;
    fill_hold(&ask, 0, booking, flights, seats);
    return refusal(&ask);
}

const char *do_start(unsigned booking)
{
    struct ask ask;
    fill_start(&ask, 0, booking, true);
    return refusal(&ask);
}

const char *do_authorised(unsigned booking)
{
    struct ask ask;
    fill_authorised(&ask, 0, booking);
    return done(&ask, "outcome");
}

const char *do_captured(unsigned booking)
{
    struct ask ask;
    fill_captured(&ask, 0, booking);
    return done(&ask, "done");
}

const char *do_failed(unsigned booking, const char *outcome)
{
    struct ask ask;
    fill_failed(&ask, 0, booking, outcome);
    return done(&ask, "done");
}

const char *do_quote(unsigned booking, unsigned quote, long long refund_minor,
                     long long penalty_minor)
{
    struct ask ask;
    fill_quote(&ask, booking, quote, refund_minor, penalty_minor);
    return refusal(&ask);
}

const char *do_cancel(unsigned booking, unsigned quote)
{
    struct ask ask;
    fill_cancel(&ask, booking, quote);
    return refusal(&ask);
}

const char *do_refund_end(const char *statement, unsigned booking, const char *refund)
{
    struct ask ask;
    fill_refund_end(&ask, statement, booking, refund);
    return done(&ask, "done");
}

const char *do_job(const char *statement, const char *param, int value, const char *column)
{
    struct ask ask;
    ask_begin(&ask, statement);
    ask_int(&ask, 0, param, value);
    return done(&ask, column);
}

const char *do_expire(void)
{
    struct ask ask;
    fill_expire(&ask);
    return done(&ask, "expired");
}

void do_sale(unsigned booking)
{
    ASSERT_STR_EQ(do_hold(booking, t_id('f', 1), 1), "");
    ASSERT_STR_EQ(do_start(booking), "");
    ASSERT_STR_EQ(do_authorised(booking), "DONE");
    ASSERT_STR_EQ(do_captured(booking), "t");
}

void do_death(unsigned booking)
{
    ASSERT_STR_EQ(do_hold(booking, t_id('f', 1), 1), "");
    ASSERT_STR_EQ(do_start(booking), "");
    t_do(0, "UPDATE inventory SET free = free + 1, taken = 0");
    t_do(0, "UPDATE booking SET state = 'EXPIRED', event_count = event_count + 1");
    t_do(0,
         t_format(
             "INSERT INTO booking_event VALUES ('%s', 3, 'BOOKING_EXPIRED', 'EXPIRED', 'system')",
             t_id('b', booking)));
}

void fill_session(struct ask *ask, unsigned session)
{
    ask_begin(ask, "auth_create_session");
    ask_set(ask, 0, "user_id", t_id('u', 1));
    ask_set(ask, 0, "request_id", t_id('r', session));
    ask_set(ask, 0, "fingerprint", "\\x01");
    ask_set(ask, 0, "session_id", t_id('s', session));
    ask_set(ask, 0, "device_label", "test");
    ask_set(ask, 0, "network", "127.0.0.0/24");
    ask_set(ask, 0, "seed", "\\x01");
    ask_set(ask, 0, "refresh_hash", t_format("\\x%064u", session));
    ask_set(ask, 0, "idle_s", "1000");
    ask_set(ask, 0, "absolute_s", "2000");
    ask_set(ask, 0, "token_s", "600");
    ask_int(ask, 0, "sessions_max", 2);
    ask_set(ask, 0, "event_id", t_id('e', session));
    ask_set(ask, 0, "network_key", t_id('n', 1));
    ask_set(ask, 0, "pair", t_id('p', 1));
    ask_set(ask, 0, "email", "a@example.com");
    ask_set(ask, 0, "old_hash", "x");
    ask_set(ask, 0, "new_hash", NULL);
}

void let_lapse(unsigned booking)
{
    t_do(0, t_format("UPDATE booking SET payment_required_time = now() - interval '1 minute' "
                     "WHERE booking_id = '%s'",
                     t_id('b', booking)));
    t_do(0, t_format("UPDATE seat_assignment SET expire_time = now() - interval '1 minute' "
                     "WHERE booking_id = '%s' AND expire_time < 'infinity'",
                     t_id('b', booking)));
}

const char *state_of(unsigned booking)
{
    return t_sql(t_format("SELECT state FROM booking WHERE booking_id = '%s'", t_id('b', booking)));
}

const char *seats_of(unsigned flight)
{
    return t_sql(t_format("SELECT taken FROM inventory WHERE flight_id = '%s'", t_id('f', flight)));
}

/* ---- two sessions ---- */

PGresult *after_wait(const struct ask *ask)
{
    ask_send(t_session(2), ask);
    ASSERT_TRUE(t_is_waiting(2));
    t_do(1, "COMMIT");
    return ask_wait(t_session(2));
}

const char *in_first(const struct ask *ask, const char *column)
{
    return t_only(ask_run(t_session(1), ask), column);
}
