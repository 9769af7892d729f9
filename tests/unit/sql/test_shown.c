/* What a booking shows as authorised, on every way that a payment can go. What must stay true: it
 * is what its latest intent has. */
#include <stdlib.h>
#include <string.h>

#include "flow.h"

/* Alone, in its owner's list, where zero is left out, and as its latest intent has it. */
static void expect_authorised(const char *minor)
{
    struct ask ask;
    ask_begin(&ask, "booking_get");
    ask_set(&ask, 0, "booking_id", t_id('b', 1));
    ASSERT_STR_EQ(t_only(ask_run(t_session(0), &ask), "authorised_minor"), minor);
    ask_begin(&ask, "booking_list");
    ask_set(&ask, 0, "user_id", t_id('u', 1));
    ask_set(&ask, 0, "before", "ffffffff-ffff-ffff-ffff-ffffffffffff");
    ask_set(&ask, 0, "states", NULL);
    ask_int(&ask, 0, "row_count", 10);
    ASSERT_STR_EQ(t_only(ask_run(t_session(0), &ask), "authorised_minor"),
                  strcmp(minor, "0") == 0 ? "" : minor);
    ASSERT_STR_EQ(t_sql("SELECT coalesce(max(p.authorised_minor), 0) FROM booking b "
                        "JOIN payment_intent p USING (booking_id, intent_id)"),
                  minor);
}

static void start(bool is_new, unsigned attempt)
{
    struct ask ask;
    fill_try(&ask, 0, 1, is_new, attempt);
    ASSERT_STR_EQ(refusal(&ask), "");
    expect_authorised("0");
}

static const char *authorise(unsigned attempt, bool at_once)
{
    struct ask ask;
    fill_authorised(&ask, 0, 1);
    ask_set(&ask, 0, "attempt_id", t_id('a', attempt));
    ask_set(&ask, 0, "is_captured", at_once ? "t" : "f");
    return t_only(ask_run(t_session(0), &ask), "outcome");
}

TEST(shown, a_booking_shows_what_is_authorised_of_its_intent)
{
    for (int at_once = 0; at_once < 2; at_once++) {
        t_begin(1, 9);
        ASSERT_STR_EQ(do_hold(1, t_id('f', 1), 1), "");
        expect_authorised("0");
        struct ask ask;
        fill_intent(&ask, 0, 1);
        ASSERT_STR_EQ(refusal(&ask), "");
        expect_authorised("0");
        start(false, 1);
        ASSERT_STR_EQ(do_failed(1, "NOT_RECEIVED"), "t");
        expect_authorised("0");
        start(false, 2);
        ASSERT_STR_EQ(authorise(2, at_once), "DONE");
        expect_authorised("10000");
        /* The provider had the first attempt after all, and takes it back. */
        ASSERT_STR_EQ(do_failed(1, "REVERSED"), "t");
        expect_authorised("10000");
        fill_captured(&ask, 0, 1);
        ask_set(&ask, 0, "attempt_id", t_id('a', 2));
        ASSERT_STR_EQ(t_only(ask_run(t_session(0), &ask), "done"), at_once ? "f" : "t");
        expect_authorised("10000");
        ASSERT_STR_EQ(do_quote(1, 1, 7000, 3000), "");
        ASSERT_STR_EQ(do_cancel(1, 1), "");
        expect_authorised("10000");
        t_end();
    }
}

TEST(shown, a_booking_shows_nothing_of_an_intent_that_was_called_off)
{
    t_begin(1, 9);
    ASSERT_STR_EQ(do_hold(1, t_id('f', 1), 1), "");
    ASSERT_STR_EQ(do_start(1), "");
    struct ask ask;
    fill_failed(&ask, 0, 1, "NOT_RECEIVED");
    ask_set(&ask, 0, "cancel_intent", "t");
    ASSERT_STR_EQ(t_only(ask_run(t_session(0), &ask), "booking_state"), "HELD");
    expect_authorised("0");
    start(true, 2);
    ASSERT_STR_EQ(authorise(2, false), "DONE");
    expect_authorised("10000");
    t_end();
}

TEST(shown, a_dead_booking_shows_late_money_until_it_is_taken_back)
{
    t_begin(1, 9);
    do_death(1);
    char *before = strdup(t_sql("SELECT update_time FROM booking"));
    ASSERT_STR_EQ(do_authorised(1), "LATE");
    ASSERT_TRUE(strcmp(t_sql("SELECT update_time FROM booking"), before) != 0); /* its etag */
    free(before);
    expect_authorised("10000");
    ASSERT_STR_EQ(do_failed(1, "REVERSED"), "t");
    expect_authorised("0");
    t_end();

    t_begin(1, 9);
    do_death(1); /* a person has ended the intent as well */
    t_do(0, "UPDATE payment_intent SET state = 'EXPIRED'");
    ASSERT_STR_EQ(do_authorised(1), "LATE");
    expect_authorised("0");
    ASSERT_STR_EQ(do_failed(1, "REVERSED"), "t");
    expect_authorised("0");
    t_end();
}
