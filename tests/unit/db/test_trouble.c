/* Connections that die, servers that stop and start under load. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "support.h"

static void kill_lane(unsigned lane)
{
    char sql[100];
    snprintf(sql, sizeof sql, "SELECT pg_terminate_backend(%d, 5000)",
             PQbackendPID(t_db->lanes[lane].conn.pg));
    pg_exec(sql);
}

static void signal_readers(int signo)
{
    for (unsigned i = 0; i < 2; i++)
        kill(PQbackendPID(t_db->lanes[t_limits.write_lanes + i].conn.pg), signo);
}

TEST(trouble, a_write_in_flight_on_a_lost_connection_is_unknown_and_not_repeated)
{
    struct caller c[2];
    struct t_wait_and_log_row row;
    t_begin_lane();
    caller_init(&c[0]);
    t_wait_and_log(&c[0].call, &row, 0.5, 1);
    t_turn(30);
    caller_init(&c[1]); /* still in the queue: waits for the new connection */
    t_nothing(&c[1].call, 2);
    /* The server's word is lost on the way: all that is seen is the end of the connection. */
    shutdown(PQsocket(t_db->lanes[0].conn.pg), SHUT_RDWR);
    t_wait_all(c, 2);
    ASSERT_INT_EQ(c[0].call.scope.error.reason, REASON_OUTCOME_UNKNOWN);
    ASSERT_TRUE(c[0].call.scope.error.unknown);
    ASSERT_INT_EQ(c[1].call.scope.error.reason, REASON_NONE);
    t_turn(700);
    /* It did happen, or not; once at most. */
    ASSERT_INT_IN(pg_value("SELECT count(*) FROM log WHERE member = 1")[0], '0', '1');
    ASSERT_INT_EQ(db_stats(t_db)->reconnects, 1);
    caller_deinit(&c[0]);
    caller_deinit(&c[1]);
    t_end();
}

static bool is_done(void *arg)
{
    return ((struct caller *)arg)->done;
}

static bool is_done_or_waits_for_standby(void *arg)
{
    return ((struct caller *)arg)->done ||
           *pg_value("SELECT pid FROM pg_stat_activity WHERE wait_event = 'SyncRep'");
}

/* It has committed, says the server, and warns that the standby may not know. */
TEST(trouble, a_commit_that_was_kept_from_waiting_for_its_standby_is_unknown)
{
    struct caller c;
    t_begin_lane();
    pg_exec("ALTER SYSTEM SET synchronous_standby_names = nobody");
    pg_exec("SELECT pg_reload_conf()");
    caller_init(&c);
    bool is_told = true;
    for (int i = 0; i < 1000 && is_told; i++) { /* until the server has read it */
        c.done = false;
        t_put(&c.call, i, STR("v"));
        is_told = t_wait(is_done_or_waits_for_standby, &c, 5000);
        if (!c.done)
            break;
    }
    pg_exec("SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE wait_event = 'SyncRep'");
    is_told &= t_wait(is_done, &c, 10000);
    pg_exec("ALTER SYSTEM RESET synchronous_standby_names");
    pg_exec("SELECT pg_reload_conf()");
    ASSERT_TRUE(is_told);
    ASSERT_INT_EQ(c.call.scope.error.reason, REASON_OUTCOME_UNKNOWN);
    ASSERT_TRUE(c.call.scope.error.unknown);
    ASSERT_HAS(c.call.scope.error.detail, "standby");
    caller_deinit(&c);
    t_end();
}

TEST(trouble, a_write_that_the_server_refused_before_it_died_is_repeated)
{
    struct caller c;
    struct t_wait_and_log_row row;
    t_begin_lane();
    caller_init(&c);
    t_wait_and_log(&c.call, &row, 0.3, 1);
    t_turn(50);
    kill_lane(0); /* FATAL 57P01 in the middle of the statement: nothing has happened */
    t_one(&c);
    ASSERT_STR_EQ(c.call.scope.error.detail, "");
    ASSERT_INT_EQ(row.v, 1);
    ASSERT_INT_IN(c.call.scope.db_ns, 350 * NS_PER_MS, 15 * NS_PER_S); /* both times */
    ASSERT_STR_EQ(pg_value("SELECT count(*) FROM log"), "1");
    caller_deinit(&c);
    t_end();
}

TEST(trouble, a_write_behind_the_end_of_an_idle_session_waits_for_the_next_one)
{
    struct caller c;
    t_begin_lane();
    kill_lane(0); /* FATAL 57P01 waits in the socket, and behind it the end */
    ev_invoke(t_db->loop->ev, &t_db->lanes[0].conn.io, EV_READ);
    caller_init(&c);
    t_put(&c.call, 1, STR("v"));
    t_pump(); /* still in the turn that has read the one, and not yet seen the other */
    t_one(&c);
    ASSERT_STR_EQ(c.call.scope.error.detail, "");
    ASSERT_INT_EQ(c.call.scope.error.reason, REASON_NONE);
    caller_deinit(&c);
    t_end();
}

TEST(trouble, reads_in_flight_are_sent_again)
{
    struct caller c[64];
    struct t_some_of_rows rows[64];
    t_begin();
    /* Stopped, the servers cannot have answered before the connections go. */
    signal_readers(SIGSTOP);
    for (unsigned i = 0; i < 64; i++) {
        caller_init(&c[i]);
        t_some_of(&c[i].call, &rows[i], (int32_t)(i % 5));
    }
    t_pump();
    ASSERT_INT_EQ(t_db->in_flight, 2);
    for (unsigned i = 0; i < 2; i++)
        shutdown(PQsocket(t_db->lanes[t_limits.write_lanes + i].conn.pg), SHUT_RDWR);
    signal_readers(SIGCONT);
    t_wait_all(c, 64);
    for (unsigned i = 0; i < 64; i++) {
        ASSERT_STR_EQ(c[i].call.scope.error.detail, "");
        ASSERT_INT_EQ(rows[i].count, i % 5);
        caller_deinit(&c[i]);
    }
    ASSERT_INT_EQ(db_stats(t_db)->reconnects, 2);
    t_end();
}

TEST(trouble, an_idle_connection_that_dies_is_replaced)
{
    struct caller c;
    struct t_one_of_row row;
    t_begin();
    for (unsigned i = 0; i < t_db->lane_count; i++)
        kill_lane(i);
    t_turn(50);
    caller_init(&c);
    t_one_of(&c.call, &row, 1);
    t_one(&c);
    ASSERT_INT_EQ(c.call.scope.error.reason, REASON_NONE);
    t_wait_up();
    ASSERT_INT_EQ(db_stats(t_db)->reconnects, t_db->lane_count);
    ASSERT_INT_EQ(t_state, 1);
    caller_deinit(&c);
    t_end();
}

static void add_to_each(struct caller *c, struct t_add_row *rows, unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        caller_init(&c[i]);
        t_add(&c[i].call, &rows[i], t_uuid(i), t_uuid(1000 + i), 1);
    }
    t_wait_all(c, n);
    for (unsigned i = 0; i < n; i++) {
        ASSERT_STR_EQ(c[i].call.scope.error.detail, "");
        caller_deinit(&c[i]);
    }
}

/* Made read-only by hand, for another one to be the primary: it knows nothing of what comes. */
TEST(trouble, reads_leave_a_server_that_has_become_read_only)
{
    struct caller c;
    struct t_get_item_row row;
    enum reason reason = REASON_NONE;
    char conninfo[300];
    t_prepare();
    snprintf(conninfo, sizeof conninfo, "%s target_session_attrs=read-write", pg_conninfo());
    t_begin_with(conninfo, t_statements);
    t_wait_up();
    pg_exec("ALTER SYSTEM SET default_transaction_read_only = on");
    pg_exec("SELECT pg_reload_conf()");
    int64_t end_ns = t_loop.now_ns + 5 * NS_PER_S;
    while (reason == REASON_NONE && t_loop.now_ns < end_ns) { /* until the session has heard */
        caller_init(&c);
        t_get_item(&c.call, &row, 1);
        t_one(&c);
        reason = c.call.scope.error.reason;
        caller_deinit(&c);
    }
    unsigned up = (unsigned)db_stats(t_db)->connections_up;
    pg_exec("ALTER SYSTEM RESET default_transaction_read_only");
    pg_exec("SELECT pg_reload_conf()");
    ASSERT_INT_EQ(reason, REASON_DATABASE_UNAVAILABLE);
    ASSERT_INT_EQ(up, 0);
    t_wait_up();
    add_to_each(&c, &(struct t_add_row){0}, 1);
    t_end();
}

static bool is_lane_down(void *arg)
{
    return !db_conn_is_ready(&t_db->lanes[*(unsigned *)arg].conn);
}

TEST(trouble, keys_of_a_lane_that_stays_down_go_to_the_others)
{
    struct caller c[24];
    struct t_add_row rows[24];
    unsigned lane = 1;
    t_begin();
    char *conninfo = t_db->conninfo;
    t_db->conninfo = strdup("host=/nowhere");
    kill_lane(lane);
    ASSERT_TRUE(t_wait(is_lane_down, &lane, 5000));
    add_to_each(c, rows, 24); /* its own wait for it, and then no longer */
    int64_t start_ns = clock_mono_ns(&clock_system);
    add_to_each(c, rows, 24);
    ASSERT_INT_IN(clock_mono_ns(&clock_system) - start_ns, 0, DB_GRACE_NS);
    ASSERT_TRUE(is_lane_down(&lane));
    ASSERT_TRUE(db_is_up(t_db));
    free(t_db->conninfo);
    t_db->conninfo = conninfo;
    t_wait_up();
    add_to_each(c, rows, 24);
    t_end();
}

static pid_t pids[16]; /* of the lanes' backends */

static bool is_state(void *arg)
{
    return t_state == *(int *)arg;
}

static void signal_all(int signo)
{
    for (unsigned i = 0; i < t_db->lane_count; i++)
        kill(pids[i], signo);
}

/* A frozen machine closes no socket, and takes connections. Where another one has taken over, its
 * writes must not wait for as long as a commit may, nor does anybody knock at the old one first. */
TEST(trouble, a_frozen_server_is_given_up_when_a_read_is_overdue)
{
    struct caller c[2];
    struct t_some_of_rows rows;
    struct host host;
    int down = 0;
    t_prepare();
    t_limits.write_lanes = 1;
    t_host_init(&host);
    t_begin_with(host.conninfo, t_statements);
    t_wait_up();
    for (unsigned i = 0; i < t_db->lane_count; i++)
        pids[i] = PQbackendPID(t_db->lanes[i].conn.pg);
    ASSERT_STR_EQ(PQhost(t_db->lanes[0].conn.pg), host.dir);
    signal_all(SIGSTOP);
    t_host_mute(&host);
    caller_init(&c[0]);
    caller_init(&c[1]);
    c[0].call.scope.deadline_ns = t_loop.now_ns + NS_PER_S;
    t_some_of(&c[0].call, &rows, 1);
    t_put(&c[1].call, 1, STR("v"));
    bool is_told = t_wait(is_state, &down, 5000);
    t_wait(is_done, &c[1], 10000);
    signal_all(SIGCONT);
    ASSERT_TRUE(is_told);
    ASSERT_INT_EQ(c[1].call.scope.error.reason, REASON_OUTCOME_UNKNOWN);
    ASSERT_HAS(c[1].call.scope.error.detail, "no answer");
    t_wait_up(); /* those that had nothing to say were left as well */
    ASSERT_INT_EQ(db_stats(t_db)->reconnects, t_db->lane_count);
    ASSERT_INT_EQ(db_stats(t_db)->connect_failures, 0);
    for (unsigned i = 0; i < 2; i++)
        caller_deinit(&c[i]);
    t_end();
    t_host_deinit(&host);
}

/* ---- a server that goes away under load
 * --------------------------------------------------------------- */

#define CALLERS 60

static struct caller load[CALLERS];
static struct t_add_row load_rows[CALLERS];
static unsigned load_good, load_unknown, load_refused, load_next;
static bool load_stop;

static void load_add(struct caller *c)
{
    unsigned i = (unsigned)(c - load);
    c->done = false;
    c->call.scope.error = (struct op_error){.reason = REASON_NONE};
    c->call.scope.deadline_ns = t_loop.now_ns + 5 * NS_PER_S;
    t_add(&c->call, &load_rows[i], t_uuid(i), t_uuid(load_next++), 1);
}

static void load_done(struct caller *c)
{
    enum reason reason = c->call.scope.error.reason;
    if (reason == REASON_NONE)
        load_good++;
    else if (c->call.scope.error.unknown)
        load_unknown++;
    else
        load_refused++;
    if (load_stop)
        return;
    if (reason == REASON_DATABASE_UNAVAILABLE)
        return; /* a client that backs off; started again below */
    load_add(c);
}

static void load_begin(void)
{
    load_good = load_unknown = load_refused = 0;
    load_stop = false;
    for (unsigned i = 0; i < CALLERS; i++) {
        caller_init(&load[i]);
        load[i].then = load_done;
        load_add(&load[i]);
    }
}

static bool has_done_more(void *than)
{
    return load_good > *(unsigned *)than;
}

static void go_away_and_come_back(void (*stop)(void), unsigned pause_ms)
{
    int down = 0, up = 1;
    unsigned some = 100;
    t_begin();
    load_begin();
    ASSERT_TRUE(t_wait(has_done_more, &some, 10000));
    stop();
    ASSERT_TRUE(t_wait(is_state, &down, 5000));
    t_turn(pause_ms);
    pg_start();
    ASSERT_TRUE(t_wait(is_state, &up, 15000));
    t_wait_up();
    some = load_good + 100;
    for (unsigned i = 0; i < CALLERS; i++)
        if (load[i].done)
            load_add(&load[i]);
    ASSERT_TRUE(t_wait(has_done_more, &some, 10000));
    load_stop = true;
    t_wait_all(load, CALLERS);
    /* Every acknowledged one is there, every refused one is not; the unknown may be either. */
    unsigned stored = (unsigned)atoi(pg_value("SELECT count(*) FROM log"));
    ASSERT_INT_IN(stored, load_good, load_good + load_unknown);
    ASSERT_STR_EQ(pg_value("SELECT count(*) FROM (SELECT request FROM log GROUP BY request HAVING "
                           "count(*) > 1) x"),
                  "0");
    ASSERT_INT_EQ(atoi(pg_value("SELECT sum(balance) - 100000 FROM account")), stored);
    ASSERT_TRUE(load_unknown <= CALLERS);
    for (unsigned i = 0; i < CALLERS; i++)
        caller_deinit(&load[i]);
    ASSERT_INT_EQ(db_stats(t_db)->queue_now, 0);
    t_end();
}

TEST(trouble, a_restart_shorter_than_the_grace_refuses_nobody)
{
    go_away_and_come_back(pg_stop, 0);
    for (int i = 0; i < 2 && load_refused > 0; i++) /* a busy machine's restart may be longer */
        go_away_and_come_back(pg_stop, 0);
    ASSERT_INT_EQ(load_refused, 0);
}

TEST(trouble, a_longer_stop_refuses_quickly_and_recovers)
{
    go_away_and_come_back(pg_stop, 2000);
    ASSERT_INT_IN(load_refused, 1, CALLERS * 2);
}

TEST(trouble, a_crash_loses_nothing_that_was_acknowledged)
{
    go_away_and_come_back(pg_crash, 0);
}

/* How long a read and a write take that are refused while the database is down. */
static int64_t refusals_ns(void)
{
    struct caller c[2];
    struct t_many_of_rows rows;
    caller_init(&c[0]);
    caller_init(&c[1]);
    c[1].call.scope.want_tx = true;
    int64_t start_ns = clock_mono_ns(&clock_system);
    t_many_of(&c[0].call, &rows, 1);
    t_put(&c[1].call, 1, STR("v"));
    t_one(&c[0]);
    t_one(&c[1]);
    int64_t took_ns = clock_mono_ns(&clock_system) - start_ns;
    for (unsigned i = 0; i < 2; i++) {
        ASSERT_INT_EQ(c[i].call.scope.error.reason, REASON_DATABASE_UNAVAILABLE);
        caller_deinit(&c[i]);
    }
    return took_ns;
}

TEST(trouble, a_database_that_is_down_refuses_at_once_after_the_grace)
{
    struct caller c;
    struct t_one_of_row row;
    int down = 0;
    t_begin();
    pg_stop();
    ASSERT_TRUE(t_wait(is_state, &down, 5000));
    caller_init(&c);
    int64_t start_ns = clock_mono_ns(&clock_system);
    t_one_of(&c.call, &row, 1);
    t_one(&c);
    int64_t waited_ns = clock_mono_ns(&clock_system) - start_ns;
    ASSERT_INT_EQ(c.call.scope.error.reason, REASON_DATABASE_UNAVAILABLE);
    ASSERT_INT_IN(waited_ns, 0, 5 * NS_PER_S);
    ASSERT_QUICK(refusals_ns, 800 * NS_PER_MS); /* no grace */
    ASSERT_HAS(db_error(t_db), "connect");
    caller_deinit(&c);
    t_end();
    pg_start();
}
