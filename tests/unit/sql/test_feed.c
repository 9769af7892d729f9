/* inventory_change: a row for each statement that changed how many seats are free, none for others;
 * and read_changes, which finds them whenever they commit. */
#include <string.h>

#include "flow.h"

/* Rows since the last time, and how many flights they name; "0 0": nothing was told. */
static const char *told(void)
{
    return t_sql("WITH d AS (DELETE FROM inventory_change RETURNING *) SELECT count(*) || ' ' || "
                 "coalesce(sum(cardinality(flight_ids)), 0) FROM d");
}

TEST(feed, tells_of_holds_and_of_their_ends)
{
    t_begin(3, 2);
    told();
    ASSERT_STR_EQ(do_hold(1, t_format("%s,%s", t_id('f', 1), t_id('f', 2)), 1), "");
    ASSERT_STR_EQ(told(), "1 2");
    ASSERT_STR_EQ(do_hold(2, t_id('f', 2), 2), "SEATS_UNAVAILABLE");
    ASSERT_STR_EQ(told(), "0 0");
    ASSERT_STR_EQ(do_quote(1, 1, 0, 0), "");
    ASSERT_STR_EQ(told(), "0 0");
    ASSERT_STR_EQ(do_cancel(1, 1), "");
    ASSERT_STR_EQ(told(), "1 2");
    ASSERT_STR_EQ(do_expire(), "0");
    ASSERT_STR_EQ(told(), "0 0");
    for (unsigned i = 3; i <= 4; i++) {
        ASSERT_STR_EQ(do_hold(i, t_id('f', i - 2), 1), "");
        let_lapse(i);
    }
    told();
    ASSERT_STR_EQ(do_expire(), "2");
    ASSERT_STR_EQ(told(), "1 2");
    t_end();
}

TEST(feed, tells_once_for_a_batch)
{
    t_begin(3, 9);
    told();
    struct ask ask;
    for (unsigned i = 0; i < 6; i++)
        fill_hold(&ask, i, i + 1, t_id('f', i % 2 + 1), 1);
    PGresult *r = ask_many(t_session(0), &ask);
    ASSERT_STR_EQ(t_cell(r, 5, "refusal"), "");
    PQclear(r);
    ASSERT_STR_EQ(told(), "1 2");
    r = ask_many(t_session(0), &ask); /* all known: nothing is done twice */
    ASSERT_STR_EQ(t_cell(r, 0, "claimed"), "f");
    PQclear(r);
    ASSERT_STR_EQ(told(), "0 0");
    t_end();
}

TEST(feed, tells_of_payments_only_that_end_a_hold)
{
    t_begin(1, 9);
    ASSERT_STR_EQ(do_hold(1, t_id('f', 1), 1), "");
    told();
    ASSERT_STR_EQ(do_start(1), "");
    ASSERT_STR_EQ(do_failed(1, "DECLINED"), "t");
    ASSERT_STR_EQ(told(), "0 0");
    do_sale(2);
    ASSERT_STR_EQ(told(), "1 1"); /* the hold */
    ASSERT_STR_EQ(do_hold(3, t_id('f', 1), 1), "");
    ASSERT_STR_EQ(do_start(3), "");
    let_lapse(3);
    told();
    ASSERT_STR_EQ(do_failed(3, "DECLINED"), "t");
    ASSERT_STR_EQ(told(), "1 1");
    t_end();
}

static unsigned age_s; /* of the snapshots that are named */

/* The flights and used seats of the rows behind the one that tells of the snapshot: up to cabin 1
 * of @flight in the order of read_departures, or all. */
static const char *changes_up_to(const char *flight, const char *snapshot, char *ret_snapshot)
{
    static const char *const places[] = {"origin", "destination", "departure_date",
                                         "departure_time"};
    struct ask ask;
    ask_begin(&ask, "flight_read_changes");
    ask_set(&ask, 0, "since", snapshot);
    ask_set(&ask, 0, "since_time", t_sql(t_format("SELECT now() - interval '%u seconds'", age_s)));
    ask_set(&ask, 0, "first_date", "2029-01-01");
    ask_set(&ask, 0, "is_whole", flight ? "f" : "t");
    ask_set(&ask, 0, "flight_id", flight ? flight : t_id('f', 0));
    ask_set(&ask, 0, "cabin", "1");
    for (unsigned i = 0; i < sizeof places / sizeof places[0]; i++)
        ask_set(&ask, 0, places[i],
                flight  ? t_sql(t_format("SELECT %s FROM flight WHERE flight_id = '%s'", places[i],
                                         flight))
                : i < 2 ? ""
                        : "2029-01-01");
    PGresult *r = ask_run(t_session(0), &ask);
    strcpy(ret_snapshot, t_cell(r, 0, "snapshot"));
    const char *found = t_format("%s", t_cell(r, 0, "is_lost"));
    for (int i = 1; i < PQntuples(r); i++)
        found = t_format("%s %c:%s", found, t_cell(r, i, "flight_id")[35], t_cell(r, i, "used"));
    PQclear(r);
    return found;
}

static const char *changes_since(const char *snapshot, char *ret_snapshot)
{
    return changes_up_to(NULL, snapshot, ret_snapshot);
}

TEST(feed, is_read_whenever_it_is_committed)
{
    t_begin(3, 9);
    char first[512], second[512], third[512];
    struct ask ask;
    fill_hold(&ask, 0, 1, t_id('f', 1), 1);
    t_do(1, "BEGIN");
    ASSERT_STR_EQ(t_only(ask_run(t_session(1), &ask), "refusal"), "");
    ASSERT_STR_EQ(do_hold(2, t_id('f', 2), 2), ""); /* later, but committed before */
    strcpy(first, t_sql("SELECT pg_current_snapshot()"));
    ASSERT_STR_EQ(changes_since(first, second), "f");
    t_do(1, "COMMIT");
    ASSERT_STR_EQ(changes_since(first, second), "f 1:1");
    ASSERT_STR_EQ(changes_since(second, third), "f");
    t_do(0, t_format("INSERT INTO inventory_change (flight_id, flight_ids) VALUES ('%s', '{}')",
                     t_id('f', 0)));
    ASSERT_STR_EQ(changes_since(second, third), "t");
    ASSERT_STR_EQ(changes_since(third, second), "f");
    t_end();
}

/* By the clock that prunes it, whatever ours did. */
TEST(feed, is_lost_long_before_it_is_pruned)
{
    t_begin(1, 9);
    char first[512], next[512];
    strcpy(first, t_sql("SELECT pg_current_snapshot()"));
    age_s = 290;
    ASSERT_STR_EQ(changes_since(first, next), "f");
    age_s = 310;
    ASSERT_STR_EQ(changes_since(first, next), "t");
    age_s = 0;
    t_end();
}

/* Behind what a reading has passed nothing is there to be changed yet. */
TEST(feed, is_read_as_far_as_the_pages_are)
{
    t_begin(3, 9);
    char first[512], next[512];
    strcpy(first, t_sql("SELECT pg_current_snapshot()"));
    for (unsigned i = 1; i <= 3; i++)
        ASSERT_STR_EQ(do_hold(i, t_id('f', i), 1), "");
    unsigned passed = 0;
    for (unsigned i = 1; i <= 3; i++) {
        const char *found = changes_up_to(t_id('f', i), first, next);
        ASSERT_TRUE(strstr(found, t_format("%u:1", i)) != NULL);
        passed += (unsigned)(strlen(found) - 1) / 4;
    }
    ASSERT_INT_EQ(passed, 1 + 2 + 3);
    ASSERT_INT_EQ(strlen(changes_since(first, next)), 1 + 3 * 4);
    t_end();
}

TEST(feed, is_pruned_when_everybody_has_read_it)
{
    t_begin(1, 9);
    ASSERT_STR_EQ(do_hold(1, t_id('f', 1), 1), "");
    t_do(0, "INSERT INTO inventory_change (flight_id, flight_ids, create_time) "
            "SELECT flight_id, flight_ids, now() - interval '11 minutes' FROM inventory_change");
    ASSERT_STR_EQ(do_job("jobs_prune_changes", "row_count", 100, "pruned"), "1");
    ASSERT_STR_EQ(told(), "1 1");
    t_end();
}
