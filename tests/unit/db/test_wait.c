/* How long who comes now would wait, which grpc refuses by. Nothing is sent before the loop turns,
 * so the test says what the time is. */
#include "support.h"

#define N 6

static struct caller callers[N];
static struct t_add_row rows[N];

static void pass(int64_t ms)
{
    t_loop.now_ns += ms * NS_PER_MS;
}

static void add(unsigned i)
{
    caller_init(&callers[i]);
    t_add(&callers[i].call, &rows[i], t_uuid(i), t_uuid(i), 1);
}

static void finish(unsigned n)
{
    t_wait_all(callers, n);
    ASSERT_INT_EQ(db_wait_ns(t_db, false), 0);
    for (unsigned i = 0; i < n; i++)
        caller_deinit(&callers[i]);
    t_end();
}

TEST(wait, is_those_who_wait_at_the_pace_of_those_before)
{
    t_begin_lane();
    struct db_queue_set *set = &t_db->sets[0];
    ASSERT_INT_EQ(db_wait_ns(t_db, false), 0);
    for (unsigned i = 0; i < N; i++)
        add(i);
    ASSERT_INT_EQ(db_wait_ns(t_db, false), 0); /* no pace is known yet */
    pass(8);
    db_wait_learn(set, 4, t_loop.now_ns); /* 2 ms each */
    ASSERT_INT_EQ(db_wait_ns(t_db, false), N * 2 * NS_PER_MS);
    pass(40);
    db_wait_learn(set, 4, t_loop.now_ns); /* and 10 */
    ASSERT_INT_EQ(db_wait_ns(t_db, false), N * 6 * NS_PER_MS);
    ASSERT_INT_EQ(db_wait_ns(t_db, true), 0);
    finish(N);
}

TEST(wait, what_is_idle_teaches_nothing)
{
    t_begin_lane();
    pass(1000);
    db_wait_learn(&t_db->sets[0], 1, t_loop.now_ns);
    add(0);
    ASSERT_INT_EQ(db_wait_ns(t_db, false), 0);
    finish(1);
}

TEST(wait, forgets_what_was_long_ago)
{
    t_begin_lane();
    struct db_queue_set *set = &t_db->sets[0];
    add(0);
    for (unsigned i = 0; i < 40; i++) {
        pass(i < 20 ? 64 : 640);
        db_wait_learn(set, 64, t_loop.now_ns);
    }
    ASSERT_INT_IN(db_wait_ns(t_db, false), 9 * NS_PER_MS, 10 * NS_PER_MS);
    finish(1);
}

TEST(wait, is_at_least_as_long_as_nothing_comes_back)
{
    t_begin_lane();
    add(0);
    pass(300);
    ASSERT_INT_EQ(db_wait_ns(t_db, false), 300 * NS_PER_MS);
    t_db->sets[0].down_since_ns = 1; /* those are told by the lane that it is down */
    ASSERT_INT_EQ(db_wait_ns(t_db, false), 0);
    t_db->sets[0].down_since_ns = 0;
    finish(1);
}

TEST(wait, reads_wait_for_themselves)
{
    struct t_star_row row;
    t_begin();
    caller_init(&callers[0]);
    t_star(&callers[0].call, &row, 1);
    pass(20);
    ASSERT_INT_EQ(db_wait_ns(t_db, true), 20 * NS_PER_MS);
    ASSERT_INT_EQ(db_wait_ns(t_db, false), 20 * NS_PER_MS);
    finish(1);
}

TEST(wait, transactions_wait_for_a_connection)
{
    struct caller *c = &callers[0];
    t_begin();
    caller_init(c);
    c->call.scope.want_tx = true;
    t_put(&c->call, 2, STR("a"));
    pass(40);
    ASSERT_INT_EQ(db_wait_ns(t_db, false), 40 * NS_PER_MS);
    t_one(c);
    ASSERT_INT_EQ(db_wait_ns(t_db, false), 0);
    c->done = false;
    db_tx.commit(&c->call.scope);
    finish(1);
}
