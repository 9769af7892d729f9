/* See support.h. The tables are made once per server; t_begin empties them. */
#include "support.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

struct loop t_loop;
struct db *t_db;
int t_state;
unsigned t_finished;
struct db_limits t_limits;

static const char tables[] =
    "DROP SCHEMA public CASCADE; CREATE SCHEMA public;"
    "CREATE TABLE account (id uuid PRIMARY KEY, balance int8 NOT NULL CONSTRAINT "
    "account_balance_ck CHECK (balance >= 0));"
    "CREATE TABLE log (seq bigserial PRIMARY KEY, account uuid, request uuid, amount int8, batch "
    "int8, ord int4, member int4);"
    "CREATE TABLE item (id int4 PRIMARY KEY, v text);"
    "CREATE TABLE parent (id int4 PRIMARY KEY);"
    "CREATE TABLE child (id int4 PRIMARY KEY, parent int4 CONSTRAINT child_parent_fk REFERENCES "
    "parent"
    " DEFERRABLE INITIALLY DEFERRED);"
    "CREATE DOMAIN seat_count AS int4 CONSTRAINT seat_count_ck CHECK (VALUE >= 0);"
    "CREATE TABLE stock(rest seat_count); INSERT INTO stock VALUES (5);"
    "CREATE SEQUENCE failures;"
    "CREATE FUNCTION fail_with(state text) RETURNS int4 LANGUAGE plpgsql AS"
    " $$BEGIN RAISE EXCEPTION 'as asked' USING ERRCODE = state; END$$;"
    "CREATE FUNCTION fail_times(state text, times int4) RETURNS int4 LANGUAGE plpgsql AS"
    " $$BEGIN IF nextval('failures') <= times THEN RAISE EXCEPTION 'as asked' USING ERRCODE = "
    "state; END IF;"
    " RETURN 1; END$$;"
    "INSERT INTO account SELECT ('00000000-0000-0000-0000-' || lpad(to_hex(n), 12, '0'))::uuid, "
    "1000"
    " FROM generate_series(0, 99) n";

static void on_state(void *ctx, int state)
{
    (void)ctx;
    t_state = state;
}

static void on_timer(struct ev_loop *ev, ev_timer *w, int events)
{
    (void)ev;
    (void)w;
    (void)events;
}

bool t_wait(bool (*is_met)(void *arg), void *arg, unsigned ms)
{
    ev_timer timer;
    int64_t end_ns = clock_mono_ns(&clock_system) + ms * NS_PER_MS;
    bool met;
    ev_timer_init(&timer, on_timer, 0.002, 0.002);
    ev_timer_start(t_loop.ev, &timer);
    while (!(met = is_met(arg)) && clock_mono_ns(&clock_system) < end_ns)
        ev_run(t_loop.ev, EVRUN_ONCE);
    ev_timer_stop(t_loop.ev, &timer);
    return met;
}

static bool never(void *arg)
{
    (void)arg;
    return false;
}

void t_pump(void)
{
    t_db->pump.run(&t_db->pump);
}

void t_turn(unsigned ms)
{
    t_wait(never, NULL, ms);
}

static bool is_up(void *arg)
{
    (void)arg;
    return db_is_up(t_db) &&
           db_stats(t_db)->connections_up >= t_limits.write_lanes + t_limits.read_lanes;
}

void t_wait_up(void)
{
    ASSERT_TRUE(t_wait(is_up, NULL, 10000));
}

void t_begin_with(const char *conninfo, const struct db_statement *const *statements)
{
    ASSERT_INT_EQ(loop_init(&t_loop, &clock_system), 0);
    t_state = 0;
    t_finished = 0;
    ASSERT_INT_EQ(db_new(&t_db, &t_loop, conninfo, &t_limits, statements, on_state, NULL), 0);
    db_start(t_db);
}

void t_prepare(void)
{
    pg_exec(tables);
    t_limits = db_limits_default;
}

/* What a failed test left behind stays behind: its callers are gone with its stack. */
void t_begin_limits(const struct db_limits *limits)
{
    t_prepare();
    t_limits = *limits;
    t_begin_with(pg_conninfo(), t_statements);
    t_wait_up();
}

void t_begin(void)
{
    t_begin_limits(&db_limits_default);
}

void t_begin_lane(void)
{
    struct db_limits limits = db_limits_default;
    limits.write_lanes = 1;
    t_begin_limits(&limits);
}

void t_end(void)
{
    t_db = db_free(t_db);
    loop_deinit(&t_loop);
}

static void on_progress(struct op_scope *scope)
{
    struct caller *c = list_entry(scope, struct caller, call.scope);
    c->done = true;
    c->order = ++t_finished;
    if (c->then)
        c->then(c);
}

void caller_init(struct caller *c)
{
    *c = (struct caller){.done = false};
    arena_init(&c->call.arena, &t_loop.arenas, 1 << 20);
    op_scope_init(&c->call.scope, &c->call.arena, on_progress);
    c->call.scope.db = t_db;
}

void caller_deinit(struct caller *c)
{
    op_scope_detach_all(&c->call.scope);
    db_tx.rollback(&c->call.scope);
    arena_reset(&c->call.arena);
}

static bool is_done(void *arg)
{
    return ((struct caller *)arg)->done;
}

void t_one(struct caller *c)
{
    ASSERT_TRUE(t_wait(is_done, c, 15000));
}

void t_wait_all(struct caller *callers, unsigned n)
{
    for (unsigned i = 0; i < n; i++)
        t_one(&callers[i]);
}

void t_host_init(struct host *host)
{
    const char *own = strchr(pg_conninfo(), '=') + 1;
    char to[100];
    *host = (struct host){.dir = "/tmp/fg-host.XXXXXX", .fd = -1};
    ASSERT_NOT_NULL(mkdtemp(host->dir));
    snprintf(host->socket, sizeof host->socket, "%s/.s.PGSQL.%u", host->dir, pg_tcp_port());
    snprintf(to, sizeof to, "%.*s%s", (int)strcspn(own, " "), own, strrchr(host->socket, '/'));
    ASSERT_INT_EQ(symlink(to, host->socket), 0);
    snprintf(host->conninfo, sizeof host->conninfo, "host=%s,%s", host->dir, own);
}

void t_host_mute(struct host *host)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    snprintf(address.sun_path, sizeof address.sun_path, "%s", host->socket);
    ASSERT_INT_EQ(unlink(host->socket), 0);
    host->fd = socket(AF_UNIX, SOCK_STREAM, 0);
    ASSERT_INT_EQ(bind(host->fd, (struct sockaddr *)&address, sizeof address), 0);
    ASSERT_INT_EQ(listen(host->fd, 10), 0);
}

void t_host_deinit(struct host *host)
{
    if (host->fd >= 0)
        close(host->fd);
    unlink(host->socket);
    rmdir(host->dir);
}

struct uuid t_uuid(unsigned n)
{
    struct uuid u = {{0}};
    u.b[14] = (uint8_t)(n >> 8);
    u.b[15] = (uint8_t)n;
    return u;
}
