/* The two forms of a reading statement answer the same, for members of every kind in one batch.
 * (The two forms of booking_hold: test_hold.c.) */
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "flow.h"
#include "gen/sql/registry.h"

static int by_text(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Rows as sorted lines; @member: of the one form, which has no column n. The clock is left out. */
static void append_rows(struct buf *out, PGresult *r, unsigned member)
{
    bool is_one = member > 0;
    int count = PQntuples(r);
    char **lines = calloc((size_t)count + 1, sizeof *lines);
    ASSERT_STR_EQ(PQresultErrorMessage(r), "");
    for (int i = 0; i < count; i++) {
        struct buf line = {0};
        if (is_one)
            buf_printf(&line, "%u", member);
        for (int k = 0; k < PQnfields(r); k++)
            if (strcmp(PQfname(r, k), "now") != 0)
                buf_printf(&line, "%s%s", k > 0 || is_one ? " " : "",
                           PQgetisnull(r, i, k) ? "NULL" : PQgetvalue(r, i, k));
        buf_append(&line, "\n", 2);
        lines[i] = strdup((const char *)line.p + line.start);
        buf_deinit(&line);
    }
    qsort(lines, (size_t)count, sizeof *lines, by_text);
    for (int i = 0; i < count; i++) {
        buf_printf(out, "%s", lines[i]);
        free(lines[i]);
    }
    free(lines);
    PQclear(r);
}

static void expect_same(const struct ask *ask, int rows_min)
{
    struct buf one = {0}, many = {0};
    for (unsigned i = 0; i < ask->count; i++)
        append_rows(&one, ask_one(t_session(0), ask, i), i + 1);
    PGresult *r = ask_many(t_session(0), ask);
    ASSERT_TRUE(PQntuples(r) >= rows_min);
    append_rows(&many, r, 0);
    ASSERT_MEM_EQ(many.p + many.start, one.p + one.start, buf_len(&one));
    ASSERT_INT_EQ(buf_len(&many), buf_len(&one));
    buf_deinit(&one);
    buf_deinit(&many);
}

static void make_world(void)
{
    t_begin(9, 5);
    t_do(0, "INSERT INTO inventory SELECT (jsonb_populate_record(i, '{\"cabin\": 3, \"free\": 2, "
            "\"authorised\": 2, \"taken\": 0, \"base_minor\": 50000}')).* FROM inventory i");
    t_do(0,
         t_format("UPDATE inventory SET state = 'CANCELLED' WHERE flight_id = '%s'", t_id('f', 4)));
    t_do(0, t_format("UPDATE inventory SET sales_close_time = '-infinity' WHERE flight_id = '%s'",
                     t_id('f', 5)));
    t_do(0, t_format("INSERT INTO seat_assignment VALUES ('%s', '1A', 1, '%s', 0, 'infinity')",
                     t_id('f', 1), t_id('b', 2)));
    do_sale(1);
    ASSERT_STR_EQ(do_hold(2, t_id('f', 1), 3), "");
    ASSERT_STR_EQ(do_hold(3, t_id('f', 2), 1), "");
    let_lapse(3);
}

static const char *const covered[] = {
    "booking_hold",       "booking_get",       "booking_owner",       "booking_seats",
    "booking_list",       "booking_events",    "flight_find_flights", "flight_count_seats",
    "flight_read_flight", "flight_read_seats",
};

TEST(forms, of_reads_answer_the_same)
{
    make_world();
    struct ask ask;
    ask_begin(&ask, "booking_get");
    for (unsigned i = 0; i < 5; i++) /* 4 and 5 are not there */
        ask_set(&ask, i, "booking_id", t_id('b', i + 1));
    ask_set(&ask, 4, "booking_id", t_id('b', 1)); /* and one twice */
    expect_same(&ask, 4);

    ask_begin(&ask, "flight_read_flight");
    for (unsigned i = 0; i < 4; i++)
        ask_set(&ask, i, "flight_id", t_id('f', i == 3 ? 99 : 4 - i));
    expect_same(&ask, 6);

    ask_begin(&ask, "flight_read_seats");
    for (unsigned i = 0; i < 4; i++)
        ask_set(&ask, i, "flight_id", t_id('f', i == 3 ? 99 : i + 1));
    expect_same(&ask, 4);

    ask_begin(&ask, "flight_count_seats");
    for (unsigned i = 0; i < 6; i++) {
        ask_set(&ask, i, "flight_ids",
                t_format("%s,%s", t_id('f', i + 1), t_id('f', i == 2 ? 99 : 1)));
        ask_set(&ask, i, "cabin", i % 2 ? "3" : "1");
    }
    ask_set(&ask, 6, "flight_ids", t_id('f', 99));
    ask_set(&ask, 6, "cabin", "1");
    expect_same(&ask, 7);
    t_do(0, "DELETE FROM seat_assignment");
    do_expire();
    t_end();
}

TEST(forms, of_lists_answer_the_same)
{
    static const char *const statements[] = {"booking_owner", "booking_seats"};
    make_world();
    t_do(0, t_format("UPDATE booking SET has_assigned_seats = true WHERE booking_id = '%s'",
                     t_id('b', 2)));
    struct ask ask;
    for (size_t k = 0; k < sizeof statements / sizeof statements[0]; k++) {
        ask_begin(&ask, statements[k]);
        for (unsigned i = 0; i < 5; i++)
            ask_set(&ask, i, "booking_id", t_id('b', i == 4 ? 2 : i + 1));
        expect_same(&ask, 1);
    }
    ask_begin(&ask, "booking_list");
    for (unsigned i = 0; i < 6; i++) {
        ask_set(&ask, i, "user_id", t_id('u', i == 5 ? 99 : 1));
        ask_set(&ask, i, "before", i == 1 ? t_id('b', 3) : "ffffffff-ffff-ffff-ffff-ffffffffffff");
        ask_set(&ask, i, "states", i == 2 ? "HELD" : i == 3 ? "CONFIRMED,EXPIRED" : NULL);
        ask_int(&ask, i, "row_count", i == 4 ? 1 : 10);
    }
    expect_same(&ask, 3 + 2 + 1 + 2 + 1);

    ask_begin(&ask, "booking_events");
    for (unsigned i = 0; i < 5; i++) {
        ask_set(&ask, i, "booking_id", t_id('b', i == 4 ? 99 : i == 3 ? 2 : 1));
        ask_int(&ask, i, "after", i == 1 ? 1 : 0);
        ask_int(&ask, i, "row_count", i == 2 ? 1 : 10);
    }
    expect_same(&ask, 6);
    do_expire();
    t_end();
}

TEST(forms, of_a_search_answer_the_same)
{
    make_world();
    struct ask ask;
    ask_begin(&ask, "flight_find_flights");
    for (unsigned i = 0; i < 5; i++) {
        ask_set(&ask, i, "origins", i == 3 ? "ZZZ" : "AAA,BBB");
        ask_set(&ask, i, "destinations", i == 3 ? "ZZZ" : "BBB,AAA");
        ask_set(&ask, i, "first_dates", i == 3 ? "2030-01-01" : "2030-01-01,2030-01-01");
        ask_set(&ask, i, "last_dates", i == 3 ? "2030-01-01" : "2030-01-01,2030-01-01");
        ask_set(&ask, i, "tags", i == 3 ? "7" : "1,2");
        ask_set(&ask, i, "cabin", i == 2 ? "3" : "1");
        ask_int(&ask, i, "seats", i == 4 ? 5 : 1);
    }
    expect_same(&ask, 20);
    t_do(0, "DELETE FROM seat_assignment");
    do_expire();
    t_end();
}

TEST(forms, of_every_statement_are_compared)
{
    for (size_t i = 0; sql_statements[i]; i++) {
        const struct db_statement *s = sql_statements[i];
        if (!s->sql_one || !s->sql_many)
            continue;
        bool found = false;
        for (size_t k = 0; k < sizeof covered / sizeof covered[0]; k++)
            found |= strcmp(covered[k], s->name) == 0;
        if (!found)
            ASSERT_STR_EQ(s->name, "compared");
    }
}
