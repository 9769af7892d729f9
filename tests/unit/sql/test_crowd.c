/* Four sessions at once on two flights: holds, payments, refusals, cancellations and expiry in
 * batches of any size. No seat is sold twice, no error comes but what the database layer runs
 * again, and the invariants hold at the end. */
#include <stdlib.h>
#include <string.h>

#include "flow.h"

#define LANES 4
#define ROUNDS 800

static struct {
    unsigned bookings; /* made or tried */
    unsigned serial;
    unsigned sent, errors, deadlocks, races;
    struct ask asks[LANES];
} crowd;

static unsigned any(unsigned n)
{
    return (unsigned)random() % n;
}

static void ask_holds(struct ask *ask)
{
    static const char *const routes[] = {"1", "1", "12", "21", "2"};
    unsigned count = 1 + any(8);
    for (unsigned i = 0; i < count; i++) {
        const char *route = routes[any(5)];
        const char *flights = t_id('f', (unsigned)(route[0] - '0'));
        if (route[1])
            flights = t_format("%s,%s", flights, t_id('f', (unsigned)(route[1] - '0')));
        fill_hold(ask, i, ++crowd.bookings, flights, 1 + any(3));
        ask_int(ask, i, "hold_seconds", any(4) ? 600 : -1);
        if (any(10) == 0) /* a repeated request */
            ask_set(ask, i, "request_id", t_id('r', 1 + any(crowd.bookings)));
    }
}

/* Up to eight different bookings, in no order. */
static void ask_of_bookings(struct ask *ask, unsigned kind)
{
    unsigned count = 1 + any(8), step = 1 + any(5), first = any(crowd.bookings);
    for (unsigned i = 0; i < count && i * step < crowd.bookings; i++) {
        unsigned booking = 1 + (first + i * step) % crowd.bookings;
        if (kind == 0) {
            fill_try(ask, i, booking, true, ++crowd.serial);
            continue;
        }
        const char *attempt =
            t_sql(t_format("SELECT attempt_id FROM payment_attempt WHERE booking_id = '%s' "
                           "ORDER BY attempt_id DESC LIMIT 1",
                           t_id('b', booking)));
        if (kind == 1)
            fill_authorised(ask, i, booking);
        else if (kind == 2)
            fill_captured(ask, i, booking);
        else
            fill_failed(ask, i, booking, "DECLINED");
        ask_set(ask, i, "attempt_id", *attempt ? attempt : t_id('a', 0));
        if (kind == 1)
            ask_set(ask, i, "provider_reference", t_format("pi_%s", attempt));
        if (kind == 1)
            ask_set(ask, i, "is_captured", any(2) ? "t" : "f");
        if (kind < 3)
            ask_set(ask, i, "refund_id", t_id('l', ++crowd.serial));
    }
}

static void ask_cancel(struct ask *ask)
{
    unsigned booking = 1 + any(crowd.bookings);
    const char *money = t_sql(
        t_format("SELECT captured_minor - refunded_minor FROM booking WHERE booking_id = '%s'",
                 t_id('b', booking)));
    if (!*money) {
        fill_expire(ask);
        return;
    }
    fill_quote(ask, booking, ++crowd.serial, atoll(money) / 2, atoll(money) - atoll(money) / 2);
    PQclear(ask_run(t_session(0), ask));
    fill_cancel(ask, booking, crowd.serial);
}

static void next(unsigned lane)
{
    struct ask *ask = &crowd.asks[lane];
    unsigned what = crowd.bookings < 8 ? 0 : any(10);
    if (what < 3)
        ask_holds(ask);
    else if (what < 8)
        ask_of_bookings(ask, (unsigned[]){0, 0, 1, 2, 3}[what - 3]);
    else if (what == 8)
        ask_cancel(ask);
    else
        fill_expire(ask);
    ask_send(t_session(lane + 1), ask);
    crowd.sent++;
}

static void take(unsigned lane)
{
    PGresult *r = ask_wait(t_session(lane + 1));
    const char *state = PQresultErrorField(r, PG_DIAG_SQLSTATE);
    const char *constraint = PQresultErrorField(r, PG_DIAG_CONSTRAINT_NAME);
    bool is_hold = strcmp(crowd.asks[lane].statement->name, "booking_hold") == 0;
    if (state && strcmp(state, "40P01") == 0)
        crowd.deadlocks++;
    else if (is_hold && constraint && strcmp(constraint, "seat_count_ck") == 0)
        crowd.races++;
    else if (state && ++crowd.errors == 1)
        ASSERT_STR_EQ(t_format("%s of %u: %s", crowd.asks[lane].statement->name,
                               crowd.asks[lane].count, PQresultErrorMessage(r)),
                      "");
    PQclear(r);
}

TEST(crowd, many_sessions_on_two_flights_keep_the_books)
{
    t_begin(2, 60);
    memset(&crowd, 0, sizeof crowd);
    srandom(7);
    for (unsigned lane = 0; lane < LANES; lane++)
        next(lane);
    while (crowd.sent < ROUNDS) {
        for (unsigned lane = 0; lane < LANES; lane++) {
            PQconsumeInput(t_session(lane + 1));
            if (PQisBusy(t_session(lane + 1)))
                continue;
            take(lane);
            next(lane);
        }
    }
    for (unsigned lane = 0; lane < LANES; lane++)
        take(lane);
    ASSERT_INT_EQ(crowd.errors, 0);
    ASSERT_INT_EQ(crowd.deadlocks, 0);
    ASSERT_TRUE(crowd.races <= ROUNDS / 20);
    while (strcmp(do_expire(), "0") != 0)
        ;
    ASSERT_TRUE(atoi(t_sql("SELECT count(*) FROM booking WHERE state = 'CONFIRMED'")) > 5);
    ASSERT_TRUE(atoi(t_sql("SELECT count(*) FROM booking WHERE state LIKE 'CANCELL%'")) > 2);
    ASSERT_TRUE(atoi(t_sql("SELECT count(*) FROM idempotency WHERE reason = 'SEATS_UNAVAILABLE'")) >
                5);
    if (getenv("FG_TEST_VERBOSE"))
        fprintf(stderr, "%s\n",
                t_sql("SELECT string_agg(state || ' ' || n, ', ') FROM (SELECT state, "
                      "count(*) AS n FROM booking GROUP BY 1) x"));
    t_end();
}

/* Nothing but the hot row: the last seat is sold once. */
TEST(crowd, one_hot_flight_is_filled_to_the_last_seat)
{
    t_begin(1, 500);
    unsigned booking = 0;
    static struct ask asks[LANES];
    for (unsigned round = 0; round < 10; round++) {
        for (unsigned lane = 0; lane < LANES; lane++) {
            for (unsigned i = 0; i < 16; i++)
                fill_hold(&asks[lane], i, ++booking, t_id('f', 1), 1);
            ask_send(t_session(lane + 1), &asks[lane]);
        }
        for (unsigned lane = 0; lane < LANES; lane++) {
            PGresult *r = ask_wait(t_session(lane + 1));
            for (unsigned i = 0; PQresultStatus(r) == PGRES_FATAL_ERROR; i++) { /* lost a race */
                ASSERT_TRUE(i < LANES);
                ASSERT_STR_EQ(PQresultErrorField(r, PG_DIAG_CONSTRAINT_NAME), "seat_count_ck");
                PQclear(r);
                r = ask_run(t_session(lane + 1), &asks[lane]);
            }
            ASSERT_INT_EQ(PQntuples(r), 16);
            PQclear(r);
        }
    }
    ASSERT_STR_EQ(seats_of(1), "500");
    ASSERT_STR_EQ(t_sql("SELECT count(*) FROM booking"), "500");
    t_end();
}
