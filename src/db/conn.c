/* A session at work: sends units in pipeline mode and reads what comes back, never blocking.
 * connect.c brings it up; lane.c, lease.c and setup.c send through it and are told when a unit is
 * over. What must stay true: every query sent has one entry in the ring of expected replies, in
 * order; PQgetResult is only called when PQisBusy says it will not block; one Sync per unit (a SET
 * before it has its own). */
#include <stdio.h>
#include <stdlib.h>

#include "base/check.h"
#include "db/internal.h"

#define GENERATIONS_MAX 200 /* names of one statement on one connection */
#define NULLS_MAX 1000

bool db_conn_is_ready(const struct db_conn *conn)
{
    return conn->state == CONN_READY;
}

struct db_unit *db_conn_unit(const struct db_conn *conn)
{
    return list_is_empty(&conn->units) ? NULL : list_entry(conn->units.next, struct db_unit, node);
}

/* ---- expected replies ---- */

static struct db_reply *head(struct db_conn *conn)
{
    return &conn->replies[conn->reply_head & (conn->reply_cap - 1)];
}

static void pop(struct db_conn *conn)
{
    CHECK(conn->reply_count > 0);
    conn->reply_head++;
    conn->reply_count--;
}

static void grow(struct db_conn *conn)
{
    uint32_t cap = conn->reply_cap ? conn->reply_cap * 2 : 64;
    struct db_reply *replies = calloc(cap, sizeof *replies);
    CHECK(replies);
    for (uint32_t i = 0; i < conn->reply_count; i++)
        replies[i] = conn->replies[(conn->reply_head + i) & (conn->reply_cap - 1)];
    free(conn->replies);
    conn->replies = replies;
    conn->reply_head = 0;
    conn->reply_cap = cap;
}

static void expect(struct db_conn *conn, struct db_reply reply)
{
    if (conn->reply_count == conn->reply_cap)
        grow(conn);
    conn->replies[(conn->reply_head + conn->reply_count++) & (conn->reply_cap - 1)] = reply;
}

/* ---- sending ---- */

void db_conn_push(struct db_conn *conn, struct db_unit *unit)
{
    if (list_is_empty(&conn->units))
        conn->progress_ns = conn->db->loop->now_ns;
    list_append(&conn->units, &unit->node);
    conn->db->in_flight++;
}

/* libpq says no only when the connection or the program is broken. */
static bool sent(struct db_conn *conn, int ok, struct db_reply reply)
{
    if (conn->state == CONN_BROKEN)
        return false;
    if (!ok) {
        db_conn_break(conn, NULL);
        return false;
    }
    expect(conn, reply);
    return true;
}

bool db_conn_send_command(struct db_conn *conn, const char *sql, enum db_reply_kind kind)
{
    int ok = PQsendQueryParams(conn->pg, sql, 0, NULL, NULL, NULL, NULL, 0);
    return sent(conn, ok, (struct db_reply){.kind = kind});
}

bool db_conn_send_query(struct db_conn *conn, const char *sql, int count, const char *const *values)
{
    int ok = PQsendQueryParams(conn->pg, sql, count, NULL, values, NULL, NULL, 0);
    return sent(conn, ok, (struct db_reply){.kind = REPLY_EXEC});
}

static struct db_prepared *prepared_of(struct db_conn *conn, const struct db_plan *plan,
                                       bool is_many)
{
    return &conn->prepared[plan->index * 2 + is_many];
}

bool db_conn_send_prepare(struct db_conn *conn, const struct db_plan *plan, bool is_many)
{
    struct db_prepared *prepared = prepared_of(conn, plan, is_many);
    char name[24];
    if (prepared->is_there)
        return true;
    prepared->is_there = true;
    db_plan_name(plan, is_many, prepared->generation, name);
    const char *sql = is_many ? plan->statement->sql_many : plan->statement->sql_one;
    int ok = PQsendPrepare(conn->pg, name, sql, plan->param_counts[is_many], plan->oids[is_many]);
    return sent(conn, ok,
                (struct db_reply){.kind = REPLY_PREPARE, .plan = plan, .is_many = is_many});
}

bool db_conn_send_describe(struct db_conn *conn, const struct db_plan *plan, bool is_many)
{
    char name[24];
    db_plan_name(plan, is_many, prepared_of(conn, plan, is_many)->generation, name);
    return sent(conn, PQsendDescribePrepared(conn->pg, name),
                (struct db_reply){.kind = REPLY_DESCRIBE, .plan = plan, .is_many = is_many});
}

void db_conn_forget_plan(struct db_conn *conn, const struct db_plan *plan, bool is_many)
{
    struct db_prepared *prepared = prepared_of(conn, plan, is_many);
    prepared->is_there = false;
    if (++prepared->generation > GENERATIONS_MAX)
        db_conn_break(conn, "statements were prepared again too often");
}

/* A plan is made for tables as they are, and PostgreSQL makes it again only after an ANALYZE: one
 * of an almost empty table reads all of it for every row asked for, also a minute later when it is
 * full (measured: 963 payments a second in place of 6,100). So a statement is prepared again when
 * it has been executed as often as in all its life before: what it fills was half as large at
 * least when its plan was made. */
static bool outgrow_plan(struct db_conn *conn, const struct db_plan *plan, bool is_many)
{
    struct db_prepared *prepared = prepared_of(conn, plan, is_many);
    uint32_t before = prepared->uses++;
    if (!prepared->is_there || before == 0 || (before & (before - 1)) != 0)
        return true;
    char sql[48], name[24];
    db_plan_name(plan, is_many, prepared->generation, name);
    snprintf(sql, sizeof sql, "DEALLOCATE \"%s\"", name);
    db_conn_forget_plan(conn, plan, is_many);
    return db_conn_send_command(conn, sql, REPLY_COMMAND);
}

bool db_conn_send_exec(struct db_conn *conn, const struct db_plan *plan, bool is_many,
                       const struct db_wire *wire, struct db_member *member)
{
    char name[24];
    if (!outgrow_plan(conn, plan, is_many) || !db_conn_send_prepare(conn, plan, is_many))
        return false;
    db_plan_name(plan, is_many, prepared_of(conn, plan, is_many)->generation, name);
    CHECK(wire->count == plan->param_counts[is_many]);
    int ok = PQsendQueryPrepared(conn->pg, name, wire->count, wire->values, wire->bytes,
                                 db_wire_formats, 1);
    return sent(
        conn, ok,
        (struct db_reply){.kind = REPLY_EXEC, .plan = plan, .is_many = is_many, .member = member});
}

void db_conn_watch(struct db_conn *conn)
{
    ev_io_stop(conn->db->loop->ev, &conn->io);
    ev_io_set(&conn->io, PQsocket(conn->pg), EV_READ | (conn->is_writing ? EV_WRITE : 0));
    ev_io_start(conn->db->loop->ev, &conn->io);
}

/* 1 means that there is more: wait until the socket takes it, and keep reading meanwhile. */
static void flush(struct db_conn *conn)
{
    int more = PQflush(conn->pg);
    if (more < 0) {
        db_conn_break(conn, NULL);
        return;
    }
    if (conn->is_writing != (more > 0)) {
        conn->is_writing = more > 0;
        db_conn_watch(conn);
    }
}

bool db_conn_send_sync(struct db_conn *conn)
{
    if (conn->state == CONN_BROKEN)
        return false;
    if (!sent(conn, PQpipelineSync(conn->pg), (struct db_reply){.kind = REPLY_SYNC}))
        return false;
    flush(conn);
    return conn->state != CONN_BROKEN;
}

/* Few different values, and for all but the shortest one up to two and a half times as long will
 * do, so that SET is rare: the caller's own deadline is exact. It is a transaction of its own:
 * undone with the unit's, it would be missing for those that were sent behind it. */
bool db_conn_set_timeout(struct db_conn *conn, int64_t deadline_ns)
{
    static const uint32_t buckets_ms[] = {1000, 2000, 5000, 10000, 30000};
    const uint32_t max_ms = conn->db->limits.statement_timeout_ms;
    int64_t left_ms = (deadline_ns - conn->db->loop->now_ns) / NS_PER_MS;
    uint32_t ms = max_ms;
    for (size_t i = sizeof buckets_ms / sizeof buckets_ms[0]; i-- > 0;)
        if (buckets_ms[i] < ms && left_ms <= (int64_t)buckets_ms[i])
            ms = buckets_ms[i];
    if (ms == conn->timeout_ms ||
        (ms > buckets_ms[0] && ms < conn->timeout_ms && conn->timeout_ms <= ms * 5 / 2))
        return true;
    char sql[64];
    snprintf(sql, sizeof sql, "SET statement_timeout = %u", ms);
    conn->timeout_ms = ms;
    return db_conn_send_command(conn, sql, REPLY_SET) &&
           sent(conn, PQpipelineSync(conn->pg), (struct db_reply){.kind = REPLY_SET_SYNC});
}

/* ---- receiving ---- */

/* True: what @unit has read may be older than what is written elsewhere by now, and will be read
 * again. A write is as good as any before it. */
static bool is_outdated(struct db_conn *conn, const struct db_unit *unit)
{
    if (!conn->db->wants_primary || !db_conn_is_read_only(conn))
        return false;
    db_demoted(conn->db, conn);
    return db_unit_is_read(unit);
}

static void unit_over(struct db_conn *conn)
{
    struct db_unit *unit = db_conn_unit(conn);
    if (is_outdated(conn, unit))
        return;
    list_remove(&unit->node);
    conn->progress_ns = conn->db->heard_ns = conn->db->loop->now_ns;
    conn->db->in_flight--;
    if (unit->kind == UNIT_SETUP || unit->kind == UNIT_CHECK)
        db_setup_done(conn, unit);
    else if (unit->kind == UNIT_EXEC)
        db_lane_unit_done(conn->lane, unit);
    else
        db_lease_unit_done(conn->lease, unit);
}

static void take_rows(struct db_conn *conn, struct db_unit *unit, PGresult *result)
{
    struct db_reply *reply = head(conn);
    if (reply->kind == REPLY_EXEC && reply->member) {
        PQclear(reply->member->result);
        reply->member->result = result;
        return;
    }
    if (reply->kind == REPLY_EXEC) {
        PQclear(unit->result);
        unit->result = result;
        return;
    }
    if (reply->kind == REPLY_DESCRIBE && !unit->failure.set &&
        db_plan_check(conn->db, reply->plan, reply->is_many, result) < 0)
        db_failure_make(&unit->failure, REASON_INTERNAL_ERROR, "42P17", conn->db->error);
    /* COMMIT of a transaction that had failed is answered, politely, with ROLLBACK. */
    if (reply->kind == REPLY_COMMIT && strcmp(PQcmdStatus(result), "COMMIT") != 0)
        db_failure_make(&unit->failure, REASON_CONFLICT, "25P02",
                        "COMMIT was answered by ROLLBACK");
    PQclear(result);
}

static void take_error(struct db_conn *conn, struct db_unit *unit, PGresult *result)
{
    struct db_reply *reply = head(conn);
    const char *severity = PQresultErrorField(result, PG_DIAG_SEVERITY_NONLOCALIZED);
    if (!PQresultErrorField(result, PG_DIAG_SQLSTATE)) {
        db_conn_break(conn, NULL); /* libpq's own: the connection is gone */
    } else if (reply->kind == REPLY_SET && severity && strcmp(severity, "ERROR") == 0) {
        /* The unit runs all the same; the next one sets it again. */
        conn->timeout_ms = unit->timeout_ms = 0;
    } else {
        bool at_commit = reply->kind == REPLY_SYNC || reply->kind == REPLY_COMMIT;
        db_failure_set(&unit->failure, result, at_commit || unit->result);
        if (reply->kind == REPLY_PREPARE) {
            prepared_of(conn, reply->plan, reply->is_many)->is_there = false;
            if (unit->kind == UNIT_SETUP)
                db_set_error(conn->db, "statement %s (%s form) cannot be prepared: %s",
                             reply->plan->statement->name, reply->is_many ? "many" : "one",
                             PQresultErrorMessage(result));
        }
        if (severity && strcmp(severity, "ERROR") != 0)
            db_conn_ended(conn, unit->failure.error.detail);
    }
    PQclear(result);
}

static bool is_sync(const struct db_reply *reply)
{
    return reply->kind == REPLY_SYNC || reply->kind == REPLY_SET_SYNC;
}

static void take_result(struct db_conn *conn, PGresult *result)
{
    struct db_unit *unit = db_conn_unit(conn);
    CHECK(unit);
    bool ends_unit = head(conn)->kind == REPLY_SYNC;
    switch (PQresultStatus(result)) {
    case PGRES_TUPLES_OK:
    case PGRES_COMMAND_OK:
        take_rows(conn, unit, result);
        break;
    case PGRES_FATAL_ERROR:
        take_error(conn, unit, result);
        break;
    case PGRES_PIPELINE_ABORTED:
        if (head(conn)->kind == REPLY_PREPARE)
            prepared_of(conn, head(conn)->plan, head(conn)->is_many)->is_there = false;
        PQclear(result);
        break;
    case PGRES_PIPELINE_SYNC:
        CHECK(is_sync(head(conn)));
        PQclear(result);
        pop(conn);
        if (ends_unit && conn->state != CONN_BROKEN) /* a notice may have broken it */
            unit_over(conn);
        break;
    default:
        PQclear(result);
        db_conn_break(conn, "the server answered what nobody asked");
        break;
    }
}

static void read_results(struct db_conn *conn)
{
    unsigned nulls = 0;
    while (conn->state != CONN_BROKEN && !PQisBusy(conn->pg) && conn->reply_count > 0) {
        PGresult *result = PQgetResult(conn->pg);
        if (result) {
            nulls = 0;
            take_result(conn, result);
        } else if (!is_sync(head(conn))) {
            pop(conn); /* the end of this query's results */
        } else if (++nulls > NULLS_MAX) {
            db_conn_break(conn, "libpq is out of step");
        }
    }
}

void db_conn_io(struct db_conn *conn, int events)
{
    if (conn->state == CONN_CONNECTING) {
        db_conn_poll(conn);
        return;
    }
    if (conn->state != CONN_SETUP && conn->state != CONN_READY)
        return;
    bool gone = (events & EV_READ) && !PQconsumeInput(conn->pg);
    /* What arrived before the end is still good: a result and its Sync are a commit. */
    read_results(conn);
    if (conn->state == CONN_BROKEN)
        return;
    if (gone || PQstatus(conn->pg) == CONNECTION_BAD)
        db_conn_break(conn, NULL);
    else if (conn->is_writing)
        flush(conn);
}

/* ---- up and down ---- */

void db_conn_up(struct db_conn *conn)
{
    struct db *db = conn->db;
    ev_timer_stop(db->loop->ev, &conn->timer);
    conn->state = CONN_READY;
    conn->attempts = 0;
    db->stats.connections_up++;
    conn->was_up = true;
    if (conn->lane)
        db_lane_state(conn->lane);
    else
        db->tx_wait.progress_ns = db->loop->now_ns; /* who waited for this is no measure of pace */
    db_update_state(db);
    db_wake(db);
}

void db_conn_break(struct db_conn *conn, const char *why)
{
    if (conn->state == CONN_BROKEN || conn->state == CONN_OFF || conn->state == CONN_WAITING)
        return;
    snprintf(conn->error, sizeof conn->error, "%s", why ? why : PQerrorMessage(conn->pg));
    for (char *p = conn->error; (p = strchr(p, '\n')) != NULL;)
        *p = p[1] ? ' ' : '\0';
    conn->state = CONN_BROKEN;
    loop_defer(conn->db->loop, &conn->broken_task);
}

void db_conn_ended(struct db_conn *conn, const char *why)
{
    conn->progress_ns = conn->db->loop->now_ns;
    db_conn_break(conn, why);
}

/* Closes the session and tells those who had something in flight. */
void db_conn_lost(struct db_conn *conn)
{
    struct db *db = conn->db;
    const bool is_silent =
        db_conn_unit(conn) && db->loop->now_ns - conn->progress_ns > DB_QUIET_MS * NS_PER_MS;
    struct list units;
    list_init(&units);
    ev_io_stop(db->loop->ev, &conn->io);
    ev_timer_stop(db->loop->ev, &conn->timer);
    PQfinish(conn->pg);
    conn->pg = NULL;
    conn->reply_head = conn->reply_count = 0;
    memset(conn->prepared, 0, db->plan_count * 2 * sizeof *conn->prepared);
    for (struct list *node; (node = list_pop(&conn->units)) != NULL; db->in_flight--)
        list_append(&units, node);
    if (conn->was_up) {
        db->stats.connections_up--;
        db->stats.reconnects++;
    } else {
        db->stats.connect_failures++;
    }
    if (db->hosts_from == conn->hosts_from && (!conn->was_up || is_silent))
        db->hosts_from++; /* the others need not find out for themselves */
    conn->was_up = false;
    if (!db->is_fatal && !db->is_closing)
        db_set_error(db, "database: %s", conn->error);
    db_conn_retry_later(conn);
    if (db->is_fatal || db->is_closing) {
        ev_timer_stop(db->loop->ev, &conn->timer);
        conn->state = CONN_OFF;
    }
    if (conn->lane)
        db_lane_state(conn->lane);
    db_update_state(db);
    if (conn->lease)
        db_lease_lost(conn->lease, &units);
    else
        db_lane_lost(conn->lane, &units);
    db_wake(db);
}
