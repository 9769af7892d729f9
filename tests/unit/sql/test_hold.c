/* booking_hold: seats for a party on every flight or on none, alone and in a batch. */
#include <stdlib.h>

#include "flow.h"

TEST(hold, takes_the_last_seats_and_no_more)
{
    t_begin(1, 9);
    ASSERT_STR_EQ(do_hold(1, t_id('f', 1), 5), "");
    ASSERT_STR_EQ(do_hold(2, t_id('f', 1), 5), "SEATS_UNAVAILABLE");
    ASSERT_STR_EQ(do_hold(3, t_id('f', 1), 4), "");
    ASSERT_STR_EQ(do_hold(4, t_id('f', 1), 1), "SEATS_UNAVAILABLE");
    ASSERT_STR_EQ(seats_of(1), "9");
    t_end();
}

TEST(hold, takes_nothing_when_one_of_two_flights_is_full)
{
    t_begin(2, 4);
    const char *both = t_format("%s,%s", t_id('f', 1), t_id('f', 2));
    ASSERT_STR_EQ(do_hold(1, t_id('f', 2), 3), "");
    ASSERT_STR_EQ(do_hold(2, both, 2), "SEATS_UNAVAILABLE");
    ASSERT_STR_EQ(seats_of(1), "0");
    ASSERT_STR_EQ(do_hold(3, both, 1), "");
    ASSERT_STR_EQ(seats_of(1), "1");
    ASSERT_STR_EQ(seats_of(2), "4");
    struct ask ask;
    fill_hold(&ask, 0, 4, both, 1);
    fill_hold(&ask, 1, 5, t_id('f', 1), 2);
    PGresult *r = ask_many(t_session(0), &ask);
    ASSERT_STR_EQ(t_cell(r, 0, "refusal"), "SEATS_UNAVAILABLE");
    ASSERT_STR_EQ(t_cell(r, 1, "refusal"), "");
    PQclear(r);
    ASSERT_STR_EQ(seats_of(1), "3");
    ASSERT_STR_EQ(seats_of(2), "4");
    t_end();
}

TEST(hold, in_a_batch_serves_who_fits_behind_a_party_that_does_not)
{
    t_begin(1, 6);
    struct ask ask;
    fill_hold(&ask, 0, 1, t_id('f', 1), 4);
    fill_hold(&ask, 1, 2, t_id('f', 1), 7); /* never */
    fill_hold(&ask, 2, 3, t_id('f', 1), 2); /* would fit, but stands behind the seven */
    PGresult *r = ask_many(t_session(0), &ask);
    ASSERT_STR_EQ(t_cell(r, 0, "refusal"), "");
    ASSERT_STR_EQ(t_cell(r, 1, "refusal"), "SEATS_UNAVAILABLE");
    ASSERT_STR_EQ(t_cell(r, 2, "refusal"), "CROWDED");
    ASSERT_STR_EQ(t_cell(r, 2, "claimed"), "f");
    PQclear(r);
    ASSERT_STR_EQ(t_only(ask_one(t_session(0), &ask, 2), "refusal"), "");
    ASSERT_STR_EQ(seats_of(1), "6");
    t_end();
}

TEST(hold, in_a_batch_fills_to_the_last_seat_in_order)
{
    t_begin(1, 40);
    struct ask ask;
    for (unsigned i = 0; i < 64; i++)
        fill_hold(&ask, i, i + 1, t_id('f', 1), 1);
    PGresult *r = ask_many(t_session(0), &ask);
    ASSERT_INT_EQ(PQntuples(r), 64);
    for (int i = 0; i < 64; i++) {
        ASSERT_STR_EQ(t_cell(r, i, "n"), t_format("%d", i + 1));
        ASSERT_STR_EQ(t_cell(r, i, "refusal"), i < 40 ? "" : "CROWDED");
        ASSERT_STR_EQ(t_cell(r, i, "claimed"), i < 40 ? "t" : "f");
    }
    PQclear(r);
    ASSERT_STR_EQ(seats_of(1), "40");
    t_end();
}

TEST(hold, happens_once_for_a_request)
{
    t_begin(1, 9);
    ASSERT_STR_EQ(do_hold(1, t_id('f', 1), 2), "");
    char *before = t_dump();
    struct ask ask;
    fill_hold(&ask, 0, 2, t_id('f', 1), 2);
    ask_set(&ask, 0, "request_id", t_id('r', 1));
    PGresult *r = ask_one(t_session(0), &ask, 0);
    ASSERT_STR_EQ(t_cell(r, 0, "claimed"), "f");
    ASSERT_STR_EQ(t_cell(r, 0, "create_time"), "");
    PQclear(r);
    fill_hold(&ask, 1, 3, t_id('f', 1), 9); /* a refusal beside it: SEATS_UNAVAILABLE is recorded */
    r = ask_many(t_session(0), &ask);
    ASSERT_STR_EQ(t_cell(r, 0, "claimed"), "f");
    ASSERT_STR_EQ(t_cell(r, 1, "refusal"), "SEATS_UNAVAILABLE");
    PQclear(r);
    t_do(0, "DELETE FROM idempotency WHERE reason = 'SEATS_UNAVAILABLE'");
    char *after = t_dump();
    ASSERT_STR_EQ(after, before);
    free(before);
    free(after);
    t_end();
}

TEST(hold, replays_a_refusal_even_when_there_is_room_again)
{
    t_begin(1, 1);
    ASSERT_STR_EQ(do_hold(1, t_id('f', 1), 1), "");
    ASSERT_STR_EQ(do_hold(2, t_id('f', 1), 1), "SEATS_UNAVAILABLE");
    let_lapse(1);
    ASSERT_STR_EQ(do_expire(), "1");
    struct ask ask;
    fill_hold(&ask, 0, 2, t_id('f', 1), 1);
    ASSERT_STR_EQ(t_only(ask_one(t_session(0), &ask, 0), "claimed"), "f");
    ASSERT_STR_EQ(seats_of(1), "0");
    ASSERT_STR_EQ(t_sql("SELECT reason FROM idempotency WHERE resource IS NULL"),
                  "SEATS_UNAVAILABLE");
    t_end();
}

/* Each refusal, in the order in which they are looked at, the same in both forms. */
TEST(hold, refuses_for_each_reason_in_both_forms)
{
    for (int many = 0; many < 2; many++) {
        t_begin(2, 5);
        t_do(0,
             t_format("UPDATE inventory SET sales_close_time = '-infinity' WHERE flight_id = '%s'",
                      t_id('f', 2)));
        struct ask ask;
        fill_hold(&ask, 0, 1, t_id('f', 2), 9);
        ask_set(&ask, 0, "offer_expire", "2020-01-01");
        ask_set(&ask, 0, "holds_max", "0");
        PGconn *conn = t_session(0);
#define REFUSAL() t_only(many ? ask_many(conn, &ask) : ask_one(conn, &ask, 0), "refusal")
        ASSERT_STR_EQ(REFUSAL(), "OFFER_EXPIRED");
        fill_hold(&ask, 0, 2, t_id('f', 2), 9);
        ask_set(&ask, 0, "holds_max", "0");
        ASSERT_STR_EQ(REFUSAL(), "SALES_CLOSED");
        fill_hold(&ask, 0, 3, t_id('f', 3), 9); /* no such flight */
        ASSERT_STR_EQ(REFUSAL(), "SALES_CLOSED");
        static const char *const off[] = {"CANCELLED", "CLOSED", "DEPARTED"};
        for (unsigned i = 0; i < sizeof off / sizeof off[0]; i++) {
            t_do(0, t_format("UPDATE inventory SET sales_close_time = departure_time, state = '%s' "
                             "WHERE flight_id = '%s'",
                             off[i], t_id('f', 2)));
            fill_hold(&ask, 0, 8 + i, t_id('f', 2), 1);
            ASSERT_STR_EQ(REFUSAL(), "SALES_CLOSED");
        }
        t_do(0, t_format("UPDATE inventory SET state = 'SCHEDULED', departure_time = now() "
                         "WHERE flight_id = '%s'",
                         t_id('f', 2)));
        fill_hold(&ask, 0, 11, t_id('f', 2), 1);
        ASSERT_STR_EQ(REFUSAL(), "SALES_CLOSED");
        fill_hold(&ask, 0, 4, t_id('f', 1), 9);
        ask_set(&ask, 0, "holds_max", "0");
        ASSERT_STR_EQ(REFUSAL(), "SEATS_UNAVAILABLE");
        fill_hold(&ask, 0, 5, t_id('f', 1), 1);
        ask_set(&ask, 0, "holds_max", "0");
        ASSERT_STR_EQ(REFUSAL(), "HOLD_LIMIT");
        fill_hold(&ask, 0, 6, t_id('f', 1), 1);
        ask_set(&ask, 0, "holds_max", "1");
        ASSERT_STR_EQ(REFUSAL(), "");
        fill_hold(&ask, 0, 7, t_id('f', 1), 1);
        ask_set(&ask, 0, "holds_max", "1");
        ASSERT_STR_EQ(REFUSAL(), "HOLD_LIMIT");
#undef REFUSAL
        ASSERT_STR_EQ(seats_of(1), "1");
        t_end();
    }
}

/* What an earlier member of the batch was refused for must not be counted against a later one, and
 * recorded as its own. */
TEST(hold, counts_a_users_holds_not_his_refusals)
{
    t_begin(2, 3);
    ASSERT_STR_EQ(do_hold(1, t_id('f', 1), 3), "");
    struct ask ask;
    fill_hold(&ask, 0, 2, t_id('f', 1), 1); /* sold out */
    fill_hold(&ask, 1, 3, t_id('f', 2), 1); /* the second of two allowed: only alone is it known */
    fill_hold(&ask, 2, 4, t_id('f', 2), 1); /* the third */
    for (unsigned i = 0; i < 3; i++)
        ask_set(&ask, i, "holds_max", "2");
    PGresult *r = ask_many(t_session(0), &ask);
    ASSERT_STR_EQ(t_cell(r, 0, "refusal"), "SEATS_UNAVAILABLE");
    ASSERT_STR_EQ(t_cell(r, 1, "refusal"), "CROWDED");
    ASSERT_STR_EQ(t_cell(r, 2, "refusal"), "CROWDED");
    PQclear(r);
    ASSERT_STR_EQ(t_only(ask_one(t_session(0), &ask, 1), "refusal"), "");
    ASSERT_STR_EQ(t_only(ask_one(t_session(0), &ask, 2), "refusal"), "HOLD_LIMIT");
    t_end();
}

TEST(hold, counts_a_flight_twice_that_is_flown_twice)
{
    for (int many = 0; many < 2; many++) {
        t_begin(1, 5);
        const char *twice = t_format("%s,%s", t_id('f', 1), t_id('f', 1));
        struct ask ask;
        fill_hold(&ask, 0, 1, twice, 3);
        PGconn *conn = t_session(0);
        ASSERT_STR_EQ(t_only(many ? ask_many(conn, &ask) : ask_one(conn, &ask, 0), "refusal"),
                      many ? "CROWDED" : "SEATS_UNAVAILABLE"); /* alone it is known for sure */
        fill_hold(&ask, 0, 2, twice, 2);
        ASSERT_STR_EQ(t_only(many ? ask_many(conn, &ask) : ask_one(conn, &ask, 0), "refusal"), "");
        ASSERT_STR_EQ(seats_of(1), "4");
        ASSERT_STR_EQ(t_broken(), "");
        ASSERT_STR_EQ(do_quote(2, 1, 0, 0), "");
        ASSERT_STR_EQ(do_cancel(2, 1), "");
        ASSERT_STR_EQ(seats_of(1), "0");
        t_end();
    }
}

TEST(hold, leaves_the_same_rows_in_both_forms)
{
    char *dumps[2];
    for (int many = 0; many < 2; many++) {
        t_begin(3, 6);
        const char *three = t_format("%s,%s,%s", t_id('f', 3), t_id('f', 1), t_id('f', 2));
        struct ask ask;
        fill_hold(&ask, 0, 1, t_id('f', 1), 2);
        fill_hold(&ask, 1, 2, three, 1);
        fill_hold(&ask, 2, 3, t_id('f', 2), 7);
        fill_hold(&ask, 3, 4, three, 2);
        for (unsigned i = 0; i < 4 && !many; i++)
            PQclear(ask_one(t_session(0), &ask, i));
        if (many) { /* the last stands behind the seven */
            PQclear(ask_many(t_session(0), &ask));
            PQclear(ask_one(t_session(0), &ask, 3));
        }
        dumps[many] = t_dump();
        t_end();
    }
    ASSERT_STR_EQ(dumps[1], dumps[0]);
    ASSERT_HAS(dumps[0], "\"taken\": 3");
    free(dumps[0]);
    free(dumps[1]);
}

/* Whoever starts to pay and does not go on has not paid. */
TEST(hold, counts_what_is_being_paid_as_unpaid)
{
    for (int many = 0; many < 2; many++) {
        t_begin(1, 5);
        ASSERT_STR_EQ(do_hold(1, t_id('f', 1), 1), "");
        ASSERT_STR_EQ(do_start(1), "");
        let_lapse(1); /* pinned */
        PGconn *conn = t_session(0);
        struct ask ask;
        fill_hold(&ask, 0, 2, t_id('f', 1), 1);
        ask_set(&ask, 0, "holds_max", "1");
        ASSERT_STR_EQ(t_only(many ? ask_many(conn, &ask) : ask_one(conn, &ask, 0), "refusal"),
                      "HOLD_LIMIT");
        ASSERT_STR_EQ(do_authorised(1), "DONE");
        fill_hold(&ask, 0, 3, t_id('f', 1), 1);
        ask_set(&ask, 0, "holds_max", "1");
        ASSERT_STR_EQ(t_only(many ? ask_many(conn, &ask) : ask_one(conn, &ask, 0), "refusal"), "");
        t_end();
    }
}

/* Not longer than the first of its flights is sold, nor than it is there, whoever set its times. */
TEST(hold, ends_with_the_sale)
{
    static const char *const times[] = {"sales_close_time = now() + interval '5 minutes', "
                                        "departure_time = now() + interval '1 day'",
                                        "sales_close_time = now() + interval '1 day', "
                                        "departure_time = now() + interval '5 minutes'",
                                        "sales_close_time = now() + interval '9 minutes', "
                                        "departure_time = now() + interval '1 day'"};
    for (int many = 0; many < 2; many++) {
        t_begin(3, 5);
        for (unsigned i = 0; i < 3; i++)
            t_do(0, t_format("UPDATE inventory SET %s WHERE flight_id = '%s'", times[i],
                             t_id('f', i + 1)));
        const char *flights[] = {t_format("%s,%s", t_id('f', 3), t_id('f', 1)), t_id('f', 2),
                                 t_id('f', 3)};
        for (unsigned i = 0; i < 3; i++) {
            struct ask ask;
            fill_hold(&ask, 0, i + 1, flights[i], 1);
            PQclear(many ? ask_many(t_session(0), &ask) : ask_one(t_session(0), &ask, 0));
        }
        ASSERT_STR_EQ(
            t_sql("SELECT string_agg(round(extract(epoch FROM payment_required_time - create_time) "
                  "/ 60)::text, ' ' ORDER BY booking_id) FROM booking"),
            "5 5 9");
        t_end();
    }
}

static const char *serial_of(unsigned booking)
{
    return t_sql(
        t_format("SELECT serial FROM booking WHERE booking_id = '%s'", t_id('b', booking)));
}

TEST(hold, answers_each_with_the_serial_of_its_own_booking)
{
    t_begin(1, 4);
    struct ask ask;
    fill_hold(&ask, 0, 1, t_id('f', 1), 2);
    fill_hold(&ask, 1, 2, t_id('f', 1), 9); /* refused */
    fill_hold(&ask, 2, 3, t_id('f', 1), 1);
    PGresult *many = ask_many(t_session(0), &ask);
    ASSERT_STR_EQ(t_cell(many, 0, "serial"), serial_of(1));
    ASSERT_STR_EQ(t_cell(many, 1, "serial"), "");
    ASSERT_STR_EQ(t_cell(many, 2, "serial"), serial_of(3));
    PQclear(many);
    fill_hold(&ask, 0, 4, t_id('f', 1), 1);
    const char *answered = t_only(ask_one(t_session(0), &ask, 0), "serial");
    ASSERT_STR_EQ(answered, serial_of(4));
    t_end();
}

/* The lanes keep equal requests apart; should they meet, the claim of one is no leave for the
 * other. */
TEST(hold, does_not_act_on_anothers_claim_in_its_batch)
{
    t_begin(1, 4);
    struct ask ask;
    fill_hold(&ask, 0, 1, t_id('f', 1), 3);
    fill_hold(&ask, 1, 2, t_id('f', 1), 3); /* CROWDED */
    fill_hold(&ask, 2, 3, t_id('f', 1), 9); /* SEATS_UNAVAILABLE */
    ask_set(&ask, 1, "request_id", t_id('r', 1));
    ask_set(&ask, 2, "request_id", t_id('r', 1));
    PGresult *r = ask_many(t_session(0), &ask);
    ASSERT_STR_EQ(t_cell(r, 0, "claimed"), "t");
    ASSERT_STR_EQ(t_cell(r, 1, "claimed"), "f");
    ASSERT_STR_EQ(t_cell(r, 2, "claimed"), "f");
    PQclear(r);
    ASSERT_STR_EQ(seats_of(1), "3");
    fill_hold(&ask, 0, 4, t_id('f', 1), 1);
    fill_hold(&ask, 1, 5, t_id('f', 1), 1);
    ask_set(&ask, 1, "request_id", t_id('r', 4));
    r = ask_many(t_session(0), &ask);
    ASSERT_STR_EQ(t_cell(r, 0, "claimed"), "t");
    ASSERT_STR_EQ(t_cell(r, 1, "claimed"), "f");
    PQclear(r);
    ASSERT_STR_EQ(seats_of(1), "4");
    t_end();
}
