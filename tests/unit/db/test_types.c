/* Every SQL type to the server and back, in both forms, and the four cardinalities. */
#include <math.h>
#include <stdio.h>

#include "support.h"

struct value {
    bool b;
    int16_t i2;
    int32_t i4;
    int64_t i8;
    double f;
    struct str t, y;
    struct uuid u;
    int64_t ts;
    int32_t d;
};

static const struct value values[] = {
    {true, 1, 2, 3, 0.5, {"text", 4}, {"\0\1\377", 3}, {{1, 2, 3}}, 1700000000123456, 19000},
    {false, INT16_MIN, INT32_MIN, INT64_MIN, -1e308, {"", 0}, {"", 0}, {{0}}, INT64_MIN, INT32_MIN},
    {true,
     INT16_MAX,
     INT32_MAX,
     INT64_MAX,
     INFINITY,
     {"\xc3\xa9\"'\\,{}", 8},
     {"x", 1},
     {{255}},
     INT64_MAX,
     INT32_MAX},
    {false, 0, 0, 0, 0, {NULL, 0}, {NULL, 0}, {{0}}, 0, 0},
    {true, -1, -1, -1, -0.0, {"before 1970", 11}, {"\n", 1}, {{9}}, -1, -1},
};
#define VALUES (sizeof values / sizeof values[0])

static void send(struct caller *c, struct t_echo_row *row, const struct value *v)
{
    t_echo(&c->call, row, v->b, v->i2, v->i4, v->i8, v->f, v->t, v->y, v->u, v->ts, v->d);
}

static void check(const struct t_echo_row *row, const struct value *v)
{
    ASSERT_INT_EQ(row->b, v->b);
    ASSERT_INT_EQ(row->i2, v->i2);
    ASSERT_INT_EQ(row->i4, v->i4);
    ASSERT_INT_EQ(row->i8, v->i8);
    ASSERT_MEM_EQ(&row->f, &v->f, sizeof v->f);
    ASSERT_TRUE(str_eq(row->t, v->t));
    ASSERT_INT_EQ(row->t.p[row->t.n], 0);
    ASSERT_TRUE(str_eq(row->y, v->y));
    ASSERT_TRUE(uuid_eq(row->u, v->u));
    ASSERT_INT_EQ(row->ts, v->ts);
    ASSERT_INT_EQ(row->d, v->d);
}

TEST(types, survive_the_trip_alone)
{
    t_begin();
    for (unsigned i = 0; i < VALUES; i++) {
        struct caller c;
        struct t_echo_row row;
        caller_init(&c);
        c.call.scope.alone = true;
        send(&c, &row, &values[i]);
        t_one(&c);
        ASSERT_STR_EQ(c.call.scope.error.detail, "");
        check(&row, &values[i]);
        caller_deinit(&c);
    }
    ASSERT_INT_EQ(db_stats(t_db)->batch_members_max, 1);
    t_end();
}

TEST(types, survive_the_trip_in_a_batch)
{
    struct caller c[VALUES];
    struct t_echo_row rows[VALUES];
    t_begin();
    for (unsigned i = 0; i < VALUES; i++) {
        caller_init(&c[i]);
        send(&c[i], &rows[i], &values[i]);
    }
    t_wait_all(c, VALUES);
    ASSERT_INT_EQ(db_stats(t_db)->batch_members_max, VALUES);
    for (unsigned i = 0; i < VALUES; i++) {
        check(&rows[i], &values[i]);
        caller_deinit(&c[i]);
    }
    t_end();
}

static void send_null(struct caller *c, struct t_echo_null_row *row, const struct value *v)
{
    const struct str none = {NULL, 0};
    if (v)
        t_echo_null(&c->call, row, &v->b, &v->i2, &v->i4, &v->i8, &v->f, v->t, v->y, &v->u, &v->ts,
                    &v->d);
    else
        t_echo_null(&c->call, row, NULL, NULL, NULL, NULL, NULL, none, none, NULL, NULL, NULL);
}

static void check_null(const struct t_echo_null_row *row, const struct value *v)
{
    bool has = v != NULL;
    ASSERT_INT_EQ(row->has_b, has);
    ASSERT_INT_EQ(row->has_i2, has);
    ASSERT_INT_EQ(row->has_i4, has);
    ASSERT_INT_EQ(row->has_i8, has);
    ASSERT_INT_EQ(row->has_f, has);
    ASSERT_INT_EQ(row->has_t, has);
    ASSERT_INT_EQ(row->has_y, has);
    ASSERT_INT_EQ(row->has_u, has);
    ASSERT_INT_EQ(row->has_ts, has);
    ASSERT_INT_EQ(row->has_d, has);
    if (v) {
        ASSERT_INT_EQ(row->i8, v->i8);
        ASSERT_TRUE(str_eq(row->t, v->t));
        ASSERT_INT_EQ(row->ts, v->ts);
    }
}

TEST(types, may_be_null_alone_and_in_a_batch)
{
    struct caller c[6];
    struct t_echo_null_row rows[6];
    t_begin();
    for (unsigned i = 0; i < 6; i++) {
        const struct value *v = i % 2 ? &values[i % 3] : NULL;
        caller_init(&c[i]);
        c[i].call.scope.alone = i < 2;
        send_null(&c[i], &rows[i], v);
    }
    t_wait_all(c, 6);
    ASSERT_INT_EQ(db_stats(t_db)->batch_members_max, 4);
    for (unsigned i = 0; i < 6; i++) {
        check_null(&rows[i], i % 2 ? &values[i % 3] : NULL);
        caller_deinit(&c[i]);
    }
    t_end();
}

static void send_arrays(struct caller *c, struct t_arrays_row *row, unsigned n)
{
    static const bool b[] = {true, false};
    static const int16_t i2[] = {1, -2};
    static const int32_t i4[] = {3, -4};
    static const int64_t i8[] = {5, INT64_MIN};
    static const double f[] = {0.5, -1};
    static const struct str t[] = {{"a", 1}, {NULL, 0}};
    static const struct uuid u[] = {{{0}}, {{0}}};
    static const int64_t ts[] = {0, INT64_MAX};
    static const int32_t d[] = {0, 1};
    t_arrays(&c->call, row, b, n, i2, n, i4, n, i8, n, f, n, t, n, u, n, ts, n, d, n);
}

static const char *const expected[] = {
    "||||||||",
    "true|1|3|5|0.5|a|00000000-0000-0000-0000-000000000000|1970-01-01 00:00:00+00|1970-01-01",
    "true,false|1,-2|3,-4|5,-9223372036854775808|0.5,-1|a,NULL|00000000-0000-0000-0000-"
    "000000000000,"
    "00000000-0000-0000-0000-000000000000|1970-01-01 00:00:00+00,infinity|1970-01-01,1970-01-02",
};

/* array_to_string writes t and f, the batched form true and false. */
static void check_arrays(const struct t_arrays_row *row, unsigned n, bool alone)
{
    char text[300];
    snprintf(text, sizeof text, "%s", expected[n]);
    if (alone && n > 0) {
        const char *rest = strchr(expected[n], '|');
        snprintf(text, sizeof text, "%s%s", n == 1 ? "t" : "t,f", rest);
    }
    ASSERT_VIEW_EQ(row->as_text, text);
}

TEST(types, arrays_are_flattened_and_find_back_to_their_member)
{
    static const unsigned sizes[] = {2, 0, 1, 2, 0, 1};
    struct caller c[6];
    struct t_arrays_row rows[6];
    t_begin();
    pg_exec("ALTER DATABASE postgres SET timezone = 'UTC'");
    t_end();
    t_begin();
    for (unsigned i = 0; i < 6; i++) {
        caller_init(&c[i]);
        c[i].call.scope.alone = i < 3;
        send_arrays(&c[i], &rows[i], sizes[i]);
    }
    t_wait_all(c, 6);
    ASSERT_INT_EQ(db_stats(t_db)->batch_members_max, 3);
    for (unsigned i = 0; i < 6; i++) {
        ASSERT_STR_EQ(c[i].call.scope.error.detail, "");
        check_arrays(&rows[i], sizes[i], i < 3);
        caller_deinit(&c[i]);
    }
    t_end();
}

TEST(cardinality, one_without_a_row_or_with_two_is_an_internal_error)
{
    struct caller c[3];
    struct t_one_of_row rows[3];
    t_begin();
    for (unsigned i = 0; i < 3; i++) {
        caller_init(&c[i]);
        t_one_of(&c[i].call, &rows[i], (int32_t)i);
    }
    t_wait_all(c, 3);
    ASSERT_INT_EQ(c[0].call.scope.error.reason, REASON_INTERNAL_ERROR);
    ASSERT_INT_EQ(c[1].call.scope.error.reason, REASON_NONE);
    ASSERT_INT_EQ(rows[1].v, 1);
    ASSERT_INT_EQ(c[2].call.scope.error.reason, REASON_INTERNAL_ERROR);
    ASSERT_HAS(c[0].call.scope.error.detail, "no row");
    for (unsigned i = 0; i < 3; i++)
        caller_deinit(&c[i]);
    t_end();
}

TEST(cardinality, maybe_says_found)
{
    struct caller c[2];
    struct t_maybe_of_row rows[2];
    t_begin();
    memset(rows, 0xff, sizeof rows);
    for (unsigned i = 0; i < 2; i++) {
        caller_init(&c[i]);
        t_maybe_of(&c[i].call, &rows[i], (int32_t)i);
    }
    t_wait_all(c, 2);
    ASSERT_FALSE(rows[0].found);
    ASSERT_TRUE(rows[1].found);
    ASSERT_INT_EQ(rows[1].v, 1);
    ASSERT_FALSE(rows[1].has_w);
    for (unsigned i = 0; i < 2; i++)
        caller_deinit(&c[i]);
    t_end();
}

TEST(cardinality, many_is_cut_at_its_limit)
{
    static const unsigned counts[] = {0, 3, 10, 11};
    struct caller c[4];
    struct t_many_of_rows rows[4];
    t_begin();
    for (unsigned i = 0; i < 4; i++) {
        caller_init(&c[i]);
        t_many_of(&c[i].call, &rows[i], (int32_t)counts[i]);
    }
    t_wait_all(c, 4);
    for (unsigned i = 0; i < 4; i++) {
        ASSERT_INT_EQ(rows[i].count, counts[i] > 10 ? 10 : counts[i]);
        ASSERT_INT_EQ(rows[i].truncated, counts[i] > 10);
        for (unsigned j = 0; j < rows[i].count; j++)
            ASSERT_INT_EQ(rows[i].rows[j].v, j + 1);
        caller_deinit(&c[i]);
    }
    t_end();
}

TEST(cardinality, many_in_a_batch_gives_each_its_own_rows_in_order)
{
    struct caller c[20];
    struct t_some_of_rows rows[20];
    t_begin();
    for (unsigned i = 0; i < 20; i++) {
        caller_init(&c[i]);
        t_some_of(&c[i].call, &rows[i], (int32_t)(i % 13));
    }
    t_wait_all(c, 20);
    ASSERT_INT_IN(db_stats(t_db)->units, 1, 3);
    for (unsigned i = 0; i < 20; i++) {
        unsigned n = i % 13;
        ASSERT_INT_EQ(rows[i].count, n > 10 ? 10 : n);
        ASSERT_INT_EQ(rows[i].truncated, n > 10);
        for (unsigned j = 0; j < rows[i].count; j++)
            ASSERT_INT_EQ(rows[i].rows[j].v, j + 1);
        caller_deinit(&c[i]);
    }
    t_end();
}

TEST(cardinality, none_needs_no_rows)
{
    struct caller c;
    t_begin();
    caller_init(&c);
    t_nothing(&c.call, 7);
    t_one(&c);
    ASSERT_INT_EQ(c.call.scope.error.reason, REASON_NONE);
    ASSERT_STR_EQ(pg_value("SELECT member FROM log"), "7");
    caller_deinit(&c);
    t_end();
}

TEST(cardinality, null_in_a_column_that_promises_a_value_is_an_internal_error)
{
    struct caller c;
    struct t_null_where_none_should_be_row row;
    t_begin();
    caller_init(&c);
    t_null_where_none_should_be(&c.call, &row);
    t_one(&c);
    ASSERT_INT_EQ(c.call.scope.error.reason, REASON_INTERNAL_ERROR);
    caller_deinit(&c);
    t_end();
}

TEST(cardinality, rows_beyond_the_calls_budget_are_refused)
{
    struct caller c;
    struct t_many_of_rows rows;
    t_begin();
    caller_init(&c);
    arena_init(&c.call.arena, &t_loop.arenas, 32);
    t_many_of(&c.call, &rows, 5);
    t_one(&c);
    ASSERT_INT_EQ(c.call.scope.error.reason, REASON_MESSAGE_TOO_LARGE);
    caller_deinit(&c);
    t_end();
}
