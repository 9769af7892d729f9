/* Guessing is slowed, and nobody else is: what the throttle of logins counts against a network and
 * against an address in it. Time passes by moving the rows back. */
#include "flow.h"

static const char *begin_tells(unsigned pair, const char *column)
{
    struct ask ask;
    ask_begin(&ask, "auth_login_begin");
    ask_set(&ask, 0, "email", "nobody@example.com");
    ask_set(&ask, 0, "network", t_id('n', 1));
    ask_set(&ask, 0, "pair", t_id('p', pair));
    ask_set(&ask, 0, "totals", t_id('t', 1));
    ask_int(&ask, 0, "total_max", 1000);
    ask_int(&ask, 0, "network_free", 30);
    ask_set(&ask, 0, "network_delay_s_max", "60");
    ask_int(&ask, 0, "pair_free", 5);
    ask_set(&ask, 0, "pair_delay_s_max", "300");
    ask_set(&ask, 0, "window_s", "3600");
    return t_only(ask_run(t_session(0), &ask), column);
}

static const char *begin(unsigned pair)
{
    return begin_tells(pair, "is_open");
}

static void succeed(unsigned pair)
{
    static unsigned session;
    struct ask ask;
    fill_session(&ask, ++session);
    ask_set(&ask, 0, "pair", t_id('p', pair));
    ASSERT_STR_EQ(t_only(ask_run(t_session(0), &ask), "claimed"), "t");
}

static void pass(unsigned seconds)
{
    t_do(0, t_format("UPDATE login_throttle SET next_time = next_time - interval '%u s', "
                     "expire_time = expire_time - interval '%u s'",
                     seconds, seconds));
}

/* It tries each minute for three hours, and so do those who know their passwords. */
TEST(login, a_device_with_an_old_password_keeps_nobody_else_out)
{
    t_begin(1, 9);
    unsigned tries = 0;
    for (unsigned minute = 0; minute < 180; minute++) {
        tries += begin(1)[0] == 't';
        ASSERT_STR_EQ(begin(2 + minute % 7), "t");
        succeed(2 + minute % 7);
        pass(60);
    }
    ASSERT_TRUE(tries > 20 && tries < 90); /* it is slowed itself */
    t_end();
}

TEST(login, a_right_password_gives_the_network_its_turn_back)
{
    t_begin(1, 9);
    for (unsigned i = 0; i < 35; i++) {
        ASSERT_STR_EQ(begin(100 + i), "t");
        pass(61);
    }
    ASSERT_STR_EQ(begin(200), "t");
    succeed(200);
    ASSERT_STR_EQ(begin(201), "t"); /* at once */
    succeed(201);
    ASSERT_STR_EQ(begin(202), "t");
    ASSERT_STR_EQ(begin(203), "f"); /* that one has not been right yet */
    t_end();
}

/* Times that were written before the clock was set back. */
TEST(login, nobody_waits_longer_than_the_longest_delay)
{
    t_begin(1, 9);
    for (unsigned i = 0; i < 40; i++) {
        ASSERT_STR_EQ(begin(1), "t");
        t_do(0, "UPDATE login_throttle SET next_time = now() + interval '1 hour'");
    }
    t_do(0, t_format("UPDATE login_throttle SET next_time = now() + interval '1 hour' - "
                     "CASE WHEN key = '%s' THEN interval '56 minutes' ELSE '0' END",
                     t_id('p', 1)));
    ASSERT_STR_EQ(begin(1), "f");
    ASSERT_STR_EQ(t_sql(t_format("SELECT %s BETWEEN 230000 AND 240000", begin_tells(1, "wait_ms"))),
                  "t");
    t_end();
}

static const char *end(unsigned request)
{
    struct ask ask;
    ask_begin(&ask, "auth_end_session");
    ask_set(&ask, 0, "principal", t_id('u', 1));
    ask_set(&ask, 0, "request_id", t_id('r', request));
    ask_set(&ask, 0, "fingerprint", "\\x01");
    ask_set(&ask, 0, "user_id", t_id('u', 1));
    ask_set(&ask, 0, "session_id", t_id('s', 1));
    ask_set(&ask, 0, "end_reason", "LOGOUT");
    ask_set(&ask, 0, "token_s", "600");
    ask_set(&ask, 0, "event_id", t_id('e', request));
    ask_set(&ask, 0, "network", "127.0.0.0/24");
    return t_only(ask_run(t_session(0), &ask), "ended");
}

TEST(login, a_session_can_be_ended_as_long_as_its_tokens_may_live)
{
    t_begin(1, 9);
    struct ask ask;
    fill_session(&ask, 1);
    ASSERT_STR_EQ(t_only(ask_run(t_session(0), &ask), "claimed"), "t");
    t_do(0, "UPDATE session SET idle_expire_time = now() - interval '11 minutes'");
    ASSERT_STR_EQ(end(101), "f");
    t_do(0, "UPDATE session SET idle_expire_time = now() - interval '9 minutes'");
    ASSERT_STR_EQ(end(102), "t");
    ASSERT_STR_EQ(t_sql("SELECT count(*) FROM revocation"), "1");
    t_end();
}

/* Logins at once left four too many. */
TEST(login, one_more_ends_all_that_are_over_the_limit_the_oldest_first)
{
    t_begin(1, 9);
    struct ask ask;
    for (unsigned i = 1; i <= 54; i++) {
        fill_session(&ask, i);
        ask_int(&ask, 0, "sessions_max", i < 54 ? 100 : 50);
        PGresult *r = ask_run(t_session(0), &ask);
        ASSERT_STR_EQ(t_cell(r, 0, "claimed"), "t");
        ASSERT_INT_EQ(strlen(t_cell(r, 0, "ended")), i < 54 ? 0 : 2 + 4 * 32);
        PQclear(r);
    }
    ASSERT_STR_EQ(t_sql("SELECT count(*) FROM session WHERE end_time IS NULL"), "50");
    ASSERT_STR_EQ(t_sql("SELECT bool_and(end_reason = 'TOO_MANY' AND v.session_id IS NOT NULL) "
                        "FROM (SELECT * FROM session ORDER BY session_id LIMIT 4) s "
                        "LEFT JOIN revocation v USING (user_id, session_id)"),
                  "t");
    t_end();
}

/* Also while others go on failing: the hour counts from the first. */
TEST(login, a_network_is_forgiven_after_an_hour)
{
    t_begin(1, 9);
    for (unsigned i = 0; i < 31; i++)
        ASSERT_STR_EQ(begin(100 + i), "t");
    ASSERT_STR_EQ(begin(99), "f");
    for (unsigned minute = 0; minute < 60; minute++) {
        pass(61);
        ASSERT_STR_EQ(begin(200 + minute), "t");
    }
    for (unsigned i = 0; i < 20; i++)
        ASSERT_STR_EQ(begin(300 + i), "t");
    t_end();
}
