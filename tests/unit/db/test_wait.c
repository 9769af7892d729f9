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
    db_wait_learn(&set->wait, 4, t_loop.now_ns); /* 2 ms each */
    ASSERT_INT_EQ(db_wait_ns(t_db, false), N * 2 * NS_PER_MS);
    pass(40);
    db_wait_learn(&set->wait, 4, t_loop.now_ns); /* and 10 */
    ASSERT_INT_EQ(db_wait_ns(t_db, false), N * 6 * NS_PER_MS);
    ASSERT_INT_EQ(db_wait_ns(t_db, true), 0);
    finish(N);
}

TEST(wait, what_is_idle_teaches_nothing)
{
    t_begin_lane();
    pass(1000);
    db_wait_learn(&t_db->sets[0].wait, 1, t_loop.now_ns);
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
        db_wait_learn(&set->wait, 64, t_loop.now_ns);
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

/* ---- leases ---- */

static void begin_leases(unsigned count)
{
    struct db_limits limits = db_limits_default;
    limits.leases_max = count;
    limits.lease_wait_max_ms = 100;
    t_begin_limits(&limits);
}

static struct caller *begin_tx(unsigned i)
{
    static int items;
    struct caller *c = &callers[i];
    caller_init(c);
    c->call.scope.want_tx = true;
    t_put(&c->call, ++items, STR("a"));
    return c;
}

static void end_tx(unsigned i)
{
    struct caller *c = &callers[i];
    t_one(c);
    ASSERT_INT_EQ(c->call.scope.error.reason, REASON_NONE);
    c->done = false;
    db_tx.commit(&c->call.scope);
    t_one(c);
    caller_deinit(c);
}

static void is_refused(unsigned i)
{
    struct caller *c = &callers[i];
    t_one(c);
    ASSERT_INT_EQ(c->call.scope.error.reason, REASON_OVERLOADED);
    ASSERT_FALSE(c->call.scope.error.restart);
    ASSERT_NULL(c->call.scope.lease);
    caller_deinit(c);
}

TEST(wait, who_needs_no_lease_does_not_wait_for_one)
{
    begin_leases(1);
    t_one(begin_tx(0));
    begin_tx(1);
    t_pump();
    pass(500);
    ASSERT_INT_EQ(db_wait_ns(t_db, false), 0);
    begin_tx(2); /* nothing comes back */
    is_refused(2);
    add(3);
    t_one(&callers[3]);
    ASSERT_INT_EQ(callers[3].call.scope.error.reason, REASON_NONE);
    caller_deinit(&callers[3]);
    end_tx(0);
    end_tx(1);
    begin_tx(2);
    end_tx(2);
    ASSERT_INT_EQ(t_db->tx_wait.count, 0);
    t_end();
}

TEST(wait, transactions_wait_at_the_pace_of_those_before)
{
    begin_leases(1);
    t_one(begin_tx(0));
    begin_tx(1);
    pass(30);
    db_wait_learn(&t_db->tx_wait, 1, t_loop.now_ns);
    for (unsigned i = 2; i < N; i++)
        begin_tx(i);
    is_refused(5); /* behind four */
    for (unsigned i = 0; i < 5; i++)
        end_tx(i);
    t_end();
}

TEST(wait, a_free_lease_is_not_waited_for)
{
    begin_leases(2);
    begin_tx(0);
    t_one(begin_tx(1));
    end_tx(0);
    end_tx(1);
    t_db->tx_wait.paced_ns = NS_PER_S;
    t_db->tx_wait.paced_members = 1;
    for (unsigned i = 0; i < 4; i++)
        begin_tx(i); /* the third waits for one of two */
    is_refused(3);
    for (unsigned i = 0; i < 3; i++)
        end_tx(i);
    t_end();
}

TEST(wait, an_old_pace_of_leases_is_forgotten)
{
    begin_leases(1);
    t_one(begin_tx(0));
    end_tx(0);
    t_db->tx_wait.paced_ns = NS_PER_S;
    t_db->tx_wait.paced_members = 1;
    pass(2000);
    t_one(begin_tx(0));
    begin_tx(1);
    begin_tx(2);
    for (unsigned i = 0; i < 3; i++)
        end_tx(i);
    t_end();
}

TEST(wait, leases_have_a_pace)
{
    begin_leases(1);
    begin_tx(0);
    begin_tx(1);
    end_tx(0);
    ASSERT_INT_EQ(t_db->tx_wait.paced_members, 1);
    ASSERT_TRUE(t_db->tx_wait.paced_ns > 0);
    end_tx(1);
    ASSERT_INT_EQ(t_db->tx_wait.paced_members, 1); /* nobody waited */
    t_end();
}
