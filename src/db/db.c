/* The worker's database: builds lanes and leases, takes statements in, runs the pump at the end of
 * each loop turn, and says whether the database is usable. main makes one per worker; generated
 * code calls db_submit. What must stay true: db_submit never runs anybody's step and never blocks;
 * sending happens in the pump. */
#include "db/db.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/check.h"
#include "db/internal.h"

#define UNIT_CAP_MIN 16 /* statements of one step in a transaction that share a flight */

const struct db_limits db_limits_default = {
    .write_lanes = 3,
    .read_lanes = 2,
    .read_depth = 16,
    .leases_max = 4,
    .batch_max = 64,
    .hot_wait_us = 5000,
    .queue_max = 4096,
    .connect_timeout_ms = 5000,
    .reconnect_min_ms = 50,
    .reconnect_max_ms = 5000,
    .statement_timeout_ms = 30000,
    .lock_timeout_ms = 5000,
    .rewind_max = 5,
};

void db_set_error(struct db *db, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(db->error, sizeof db->error, format, args);
    va_end(args);
    for (char *p = db->error; (p = strchr(p, '\n')) != NULL;)
        *p = p[1] ? ' ' : '\0';
}

/* ---- all connections ---- */

static struct db_conn *conn_at(const struct db *db, unsigned i)
{
    if (i < db->lane_count)
        return &db->lanes[i].conn;
    i -= db->lane_count;
    return i < db->limits.leases_max ? &db->leases[i].conn : NULL;
}

void db_demoted(struct db *db, struct db_conn *conn)
{
    static const char why[] = "the server has become read-only";
    db_conn_break(conn, why);
    for (unsigned i = 0; db->wants_primary && (conn = conn_at(db, i)) != NULL; i++) {
        const struct db_unit *unit = db_conn_unit(conn);
        if (db_conn_is_ready(conn) && (!unit || db_unit_is_read(unit)))
            db_conn_break(conn, why);
    }
}

static bool is_older(const struct db *db, int64_t since_ns, int64_t ms)
{
    return db->loop->now_ns - since_ns > ms * NS_PER_MS;
}

/* A read's timeout bounds its answer; that of a write does not, since its commit may wait for a
 * standby. A server that has answered nobody since is gone for them all. */
static void check_silence(struct db_conn *conn)
{
    static const char why[] = "no answer";
    struct db *db = conn->db;
    const struct db_unit *unit = db_conn_unit(conn);
    if (conn->state != CONN_READY || !unit)
        return;
    const bool is_read = db_unit_is_read(unit), is_quiet = is_older(db, db->heard_ns, DB_QUIET_MS);
    int64_t max_ms =
        is_read && unit->timeout_ms ? unit->timeout_ms : db->limits.statement_timeout_ms;
    db->is_quiet |= is_read && is_quiet && is_older(db, conn->progress_ns, max_ms + DB_QUIET_MS);
    if (!is_older(db, conn->progress_ns, max_ms + DB_SILENCE_MS))
        return;
    db_conn_break(conn, why);
    for (unsigned i = 0; is_read && is_quiet && (conn = conn_at(db, i)) != NULL; i++)
        if (db_conn_is_ready(conn))
            db_conn_break(conn, why);
}

static void check_silences(struct db *db)
{
    struct db_conn *conn;
    /* We were away ourselves: what has come meanwhile is read first. */
    const bool is_late = is_older(db, db->ticked_ns, 10 * DB_TICK_MS);
    db->ticked_ns = db->loop->now_ns;
    if (is_late)
        return;
    db->is_quiet = false;
    for (unsigned i = 0; (conn = conn_at(db, i)) != NULL; i++)
        check_silence(conn);
    if (db->is_quiet && db->is_up)
        db_set_error(db, "database: no answer to a read in its time");
    db_update_state(db);
}

/* ---- the pump ---- */

static bool is_busy(const struct db *db)
{
    return db->stats.queue_now > 0 || db->in_flight > 0;
}

void db_wake(struct db *db)
{
    if (!db->is_closing)
        loop_defer(db->loop, &db->pump);
}

static void on_pump(struct loop_task *task)
{
    struct db *db = list_entry(task, struct db, pump);
    db_lanes_pump(db);
    db_leases_pump(db);
    db_members_fail(db);
    if (is_busy(db) && !ev_is_active(&db->tick))
        ev_timer_again(db->loop->ev, &db->tick);
}

/* Only while something waits: an idle worker is not woken. */
static void on_tick(struct ev_loop *ev, ev_timer *w, int events)
{
    struct db *db = w->data;
    (void)events;
    check_silences(db);
    db_lanes_tick(db);
    db_leases_tick(db);
    if (!is_busy(db))
        ev_timer_stop(ev, w);
}

/* ---- statements in ---- */

void db_submit(struct op_scope *scope, const struct db_statement *statement,
               const struct db_value *values, void *ret)
{
    struct db *db = scope->db;
    struct db_member *m = db_member_new(db);
    CHECK(ret || statement->cardinality == DB_NONE);
    m->plan = db_plan_of(db, statement);
    m->ret = ret;
    m->deadline_ns = scope->deadline_ns ? scope->deadline_ns : INT64_MAX;
    m->asked_ns = db->loop->now_ns;
    db_member_start(m, scope);
    db->stats.statements++;
    if (db_encode(m, values) < 0) {
        db_member_fail_later(m, REASON_MESSAGE_TOO_LARGE, false, "arguments too large");
    } else if (db->stats.queue_now >= db->limits.queue_max) {
        db_member_fail_later(m, REASON_OVERLOADED, false, "the queue is full");
    } else if (db->is_fatal || db->is_closing) {
        db_member_fail_later(m, REASON_DATABASE_UNAVAILABLE, false, "the database is closed to us");
    } else if (scope->want_tx) {
        db_tx_submit(db, scope, m);
    } else {
        m->alone = scope->alone;
        scope->alone = false;
        db_lane_submit(db, m);
    }
}

/* ---- state ---- */

void db_update_state(struct db *db)
{
    bool writes = false, reads = false;
    for (unsigned i = 0; i < db->lane_count; i++) {
        bool ready = db_conn_is_ready(&db->lanes[i].conn);
        if (i < db->limits.write_lanes)
            writes |= ready;
        else
            reads |= ready;
    }
    bool is_up = writes && reads && !db->is_quiet;
    if (is_up == db->is_up)
        return;
    db->is_up = is_up;
    if (db->on_state && !db->is_closing)
        db->on_state(db->ctx, is_up);
}

void db_fatal(struct db *db)
{
    db->is_fatal = true;
    if (db->on_state)
        db->on_state(db->ctx, -EPROTO);
}

bool db_is_up(const struct db *db)
{
    return db->is_up;
}

const char *db_error(const struct db *db)
{
    return db->error;
}

const char *db_warning(const struct db *db)
{
    return db->warning;
}

const struct db_stats *db_stats(const struct db *db)
{
    return &db->stats;
}

/* ---- birth and death ---- */

static void init_set(struct db *db, struct db_queue_set *set)
{
    list_init(&set->ready);
    list_init(&set->solo);
    set->queues = calloc(db->plan_count + 1, sizeof *set->queues);
    CHECK(set->queues);
    for (unsigned i = 0; i < db->plan_count; i++) {
        struct db_queue *q = &set->queues[i];
        list_init(&q->members);
        list_init(&q->ready);
        q->set = set;
        q->plan = &db->plans[i];
    }
}

static void init_lanes(struct db *db)
{
    const struct db_limits *limits = &db->limits;
    db->lane_count = limits->write_lanes + limits->read_lanes;
    db->set_count = limits->write_lanes + 1;
    db->lanes = calloc(db->lane_count, sizeof *db->lanes);
    db->sets = calloc(db->set_count, sizeof *db->sets);
    db->leases = calloc(limits->leases_max + 1, sizeof *db->leases);
    CHECK(db->lanes && db->sets && db->leases);
    for (unsigned i = 0; i < db->set_count; i++)
        init_set(db, &db->sets[i]);
    for (unsigned i = 0; i < db->lane_count; i++) {
        struct db_lane *lane = &db->lanes[i];
        bool is_write = i < limits->write_lanes;
        lane->set = &db->sets[is_write ? i : limits->write_lanes];
        lane->depth = is_write ? 1 : limits->read_depth;
        lane->batches = calloc(db->plan_count + 1, 1);
        CHECK(lane->batches);
        db_conn_init(&lane->conn, db);
        lane->conn.lane = lane;
        db_linger_init(lane);
    }
    for (unsigned i = 0; i < limits->leases_max; i++) {
        db_conn_init(&db->leases[i].conn, db);
        db->leases[i].conn.lease = &db->leases[i];
    }
}

int db_conninfo_check(const char *conninfo, char *error, size_t error_bytes)
{
    char *why = NULL;
    PQconninfoOption *options = PQconninfoParse(conninfo, &why);
    if (!options)
        snprintf(error, error_bytes, "%.*s", (int)strcspn(why ? why : "", "\n"), why ? why : "");
    PQfreemem(why);
    PQconninfoFree(options);
    return options ? 0 : -EINVAL;
}

int db_new(struct db **ret_db, struct loop *loop, const char *conninfo,
           const struct db_limits *limits, const struct db_statement *const *statements,
           void (*on_state)(void *ctx, int state), void *ctx)
{
    CHECK(limits->write_lanes > 0 && limits->read_lanes > 0 && limits->read_depth > 0);
    CHECK(limits->batch_max > 0 && limits->queue_max > 0);
    char why[1];
    if (db_conninfo_check(conninfo, why, sizeof why) < 0)
        return -EINVAL;
    /* A key without sslpassword= has none: OpenSSL would ask for it on stdin, and wait. */
    PQsetSSLKeyPassHook_OpenSSL(PQdefaultSSLKeyPassHook_OpenSSL);
    struct db *db = calloc(1, sizeof *db);
    if (!db)
        return -ENOMEM;
    db->loop = loop;
    db->limits = *limits;
    db->conninfo = strdup(conninfo);
    CHECK(db->conninfo);
    db->on_state = on_state;
    db->ctx = ctx;
    list_init(&db->tx_waiting);
    list_init(&db->failing);
    list_init(&db->members_free);
    list_init(&db->units_free);
    loop_task_init(&db->pump, on_pump);
    ev_timer_init(&db->tick, on_tick, 0, DB_TICK_MS / 1000.0);
    db->tick.data = db;
    db_plans_build(db, statements);
    if (db->unit_cap < UNIT_CAP_MIN)
        db->unit_cap = UNIT_CAP_MIN;
    init_lanes(db);
    *ret_db = db;
    return 0;
}

/* The first lane alone: the others follow when it has checked the statements. */
void db_start(struct db *db)
{
    for (unsigned i = 0; i < db->set_count; i++)
        db->sets[i].down_since_ns = db->loop->now_ns;
    db_conn_start(&db->lanes[0].conn);
}

/* Whoever still waits is told that the database is gone. */
static void close_all(struct db *db)
{
    db->is_closing = true;
    struct db_conn *conn;
    for (unsigned i = 0; (conn = conn_at(db, i)) != NULL; i++)
        db_conn_break(conn, "closing");
    for (unsigned i = 0; (conn = conn_at(db, i)) != NULL; i++)
        if (conn->state == CONN_BROKEN)
            db_conn_lost(conn);
    for (unsigned i = 0; i < db->set_count; i++)
        db_lane_fail_set(&db->sets[i]);
    db_tx_fail_waiting(db);
    db_members_fail(db);
}

static void free_pools(struct db *db)
{
    struct list *node;
    while ((node = list_pop(&db->members_free)) != NULL) {
        struct db_member *m = list_entry(node, struct db_member, node);
        if (m->data != m->inline_data)
            free(m->data);
        free(m);
    }
    while ((node = list_pop(&db->units_free)) != NULL) {
        struct db_unit *unit = list_entry(node, struct db_unit, node);
        free(unit->members);
        free(unit);
    }
}

struct db *db_free(struct db *db)
{
    if (!db)
        return NULL;
    close_all(db);
    ev_timer_stop(db->loop->ev, &db->tick);
    loop_task_cancel(&db->pump);
    for (unsigned i = 0; i < db->lane_count; i++) {
        db_linger_end(&db->lanes[i]);
        db_conn_deinit(&db->lanes[i].conn);
        free(db->lanes[i].batches);
    }
    for (unsigned i = 0; i < db->limits.leases_max; i++)
        db_conn_deinit(&db->leases[i].conn);
    for (unsigned i = 0; i < db->set_count; i++)
        free(db->sets[i].queues);
    free_pools(db);
    db_plans_free(db);
    free(db->scratch);
    free(db->lanes);
    free(db->leases);
    free(db->sets);
    free(db->conninfo);
    free(db);
    return NULL;
}
