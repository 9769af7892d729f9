/* From nothing to a session: host names, PQconnectPoll, session settings, and the next attempt when
 * it fails.
 *
 *   OFF -> RESOLVING -> CONNECTING -> (SETUP, first connection only) -> READY
 *                           any of them -> BROKEN -> WAITING -> RESOLVING ...
 *
 * What must stay true: the watcher is stopped before libpq closes its socket, and set again after
 * every poll (the socket may be another one, even with the same number). */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/check.h"
#include "base/uuid.h"
#include "db/internal.h"

#define KEYWORDS_MAX 80

/* What we ask for unless the conninfo says otherwise. */
static const char *const defaults[][2] = {
    {"application_name", "faregate"}, {"gssencmode", "disable"},    {"client_encoding", "UTF8"},
    {"keepalives_idle", "10"},        {"keepalives_interval", "3"}, {"keepalives_count", "3"},
    {"tcp_user_timeout", "8000"},
};

static void on_io(struct ev_loop *ev, ev_io *w, int events)
{
    (void)ev;
    db_conn_io(w->data, events);
}

static void on_timer(struct ev_loop *ev, ev_timer *w, int events)
{
    struct db_conn *conn = w->data;
    (void)events;
    ev_timer_stop(ev, w);
    if (conn->state == CONN_WAITING)
        db_conn_start(conn);
    else if (conn->state != CONN_RESOLVING) /* the resolver has time limits of its own */
        db_conn_break(conn, "timeout while connecting");
}

static void on_broken(struct loop_task *task)
{
    db_conn_lost(list_entry(task, struct db_conn, broken_task));
}

void db_conn_init(struct db_conn *conn, struct db *db)
{
    conn->db = db;
    conn->state = CONN_OFF;
    list_init(&conn->units);
    loop_task_init(&conn->broken_task, on_broken);
    ev_init(&conn->io, on_io);
    ev_init(&conn->timer, on_timer);
    conn->io.data = conn->timer.data = conn;
    conn->prepared = calloc(db->plan_count * 2 + 1, sizeof *conn->prepared);
    CHECK(conn->prepared);
}

void db_conn_deinit(struct db_conn *conn)
{
    ev_io_stop(conn->db->loop->ev, &conn->io);
    ev_timer_stop(conn->db->loop->ev, &conn->timer);
    loop_task_cancel(&conn->broken_task);
    resolve_free(conn->resolve);
    PQfinish(conn->pg);
    free(conn->replies);
    free(conn->prepared);
}

static void start_timer(struct db_conn *conn, uint32_t ms)
{
    ev_timer_stop(conn->db->loop->ev, &conn->timer);
    ev_timer_set(&conn->timer, ms / 1000.0, 0);
    ev_timer_start(conn->db->loop->ev, &conn->timer);
}

/* Exponential, with full jitter: a thousand workers must not knock at the same moment. */
void db_conn_retry_later(struct db_conn *conn)
{
    const struct db_limits *limits = &conn->db->limits;
    uint64_t max = limits->reconnect_min_ms;
    uint64_t bits;
    random_bytes(&bits, sizeof bits);
    for (uint32_t i = 0; i < conn->attempts && max < limits->reconnect_max_ms; i++)
        max *= 2;
    if (max > limits->reconnect_max_ms)
        max = limits->reconnect_max_ms;
    conn->attempts++;
    conn->state = CONN_WAITING;
    start_timer(conn, (uint32_t)(1 + bits % (max + 1)));
}

/* ---- parameters ---- */

struct keywords {
    const char *names[KEYWORDS_MAX];
    const char *values[KEYWORDS_MAX];
    int count;
    char *made[4]; /* values that are freed when libpq has read them */
    int made_count;
};

static void put(struct keywords *k, const char *name, const char *value)
{
    CHECK(k->count + 1 < KEYWORDS_MAX);
    k->names[k->count] = name;
    k->values[k->count++] = value;
}

__attribute__((format(printf, 3, 4))) static void put_made(struct keywords *k, const char *name,
                                                           const char *format, ...)
{
    va_list args;
    va_start(args, format);
    CHECK(k->made_count < (int)(sizeof k->made / sizeof k->made[0]));
    CHECK(vasprintf(&k->made[k->made_count], format, args) >= 0);
    va_end(args);
    put(k, name, k->made[k->made_count++]);
}

static const char *value_of(const struct keywords *k, const char *name)
{
    for (int i = 0; i < k->count; i++)
        if (strcmp(k->names[i], name) == 0)
            return k->values[i];
    return NULL;
}

/* A comma-separated list, begun at @from: a host that accepts and then says nothing takes all of an
 * attempt's time, so then all begin with another. One port for all hosts stays that. */
static void put_list(struct keywords *k, const char *name, const char *list, uint32_t from)
{
    const char *second = list;
    uint32_t count = 1;
    for (const char *p = list; (p = strchr(p, ',')) != NULL; p++)
        count++;
    for (uint32_t i = 0; i < from % count; i++)
        second = strchr(second, ',') + 1;
    if (second == list)
        put(k, name, list);
    else
        put_made(k, name, "%s,%.*s", second, (int)(second - list - 1), list);
}

static bool start_connect(struct db_conn *conn, const PQconninfoOption *options)
{
    const struct db_limits *limits = &conn->db->limits;
    struct keywords k = {.count = 0};
    const char *host = resolve_given(options, "host", "PGHOST"), *error;
    const char *address = resolve_given(options, "hostaddr", "PGHOSTADDR");
    const char *port = resolve_given(options, "port", "PGPORT");
    const char *theirs = resolve_given(options, "options", "PGOPTIONS");
    if (conn->resolve && !resolve_result(conn->resolve, &host, &address, &port, &error)) {
        db_conn_break(conn, error);
        return false;
    }
    conn->hosts_from = conn->db->hosts_from;
    if (host)
        put_list(&k, "host", host, conn->hosts_from);
    if (address)
        put_list(&k, "hostaddr", address, conn->hosts_from);
    if (port)
        put_list(&k, "port", port, conn->hosts_from);
    for (const PQconninfoOption *o = options; o->keyword; o++)
        if (o->val && strcmp(o->keyword, "options") != 0 && !value_of(&k, o->keyword))
            put(&k, o->keyword, o->val);
    for (size_t i = 0; i < sizeof defaults / sizeof defaults[0]; i++)
        if (!value_of(&k, defaults[i][0]))
            put(&k, defaults[i][0], defaults[i][1]);
    const char *wanted = resolve_given(options, "target_session_attrs", "PGTARGETSESSIONATTRS");
    if (!wanted && host && strchr(host, ','))
        put(&k, "target_session_attrs", wanted = "read-write");
    conn->db->wants_primary = wanted && strcmp(wanted, "any") != 0;
    /* Theirs come last, so they win; but a warning may be what tells that a commit is none. */
    put_made(&k, "options",
             DB_PLANNER_SETTINGS " -c idle_in_transaction_session_timeout=15000"
                                 " -c statement_timeout=%u -c lock_timeout=%u %s"
                                 " -c client_min_messages=warning",
             limits->statement_timeout_ms, limits->lock_timeout_ms, theirs ? theirs : "");
    conn->pg = PQconnectStartParams(k.names, k.values, 0);
    CHECK(conn->pg);
    while (k.made_count > 0)
        free(k.made[--k.made_count]);
    return true;
}

/* Two notices are not only for people. The server says that it committed, and warns that nobody but
 * itself may know, because somebody cancelled the wait for the standby: that is no yes. And it ends
 * a session that is idle: libpq goes on taking statements, which would be lost on the way and of
 * which nobody could say that they were. */
static void on_notice(void *ctx, const PGresult *result)
{
    const char *severity = PQresultErrorField(result, PG_DIAG_SEVERITY_NONLOCALIZED);
    const char *function = PQresultErrorField(result, PG_DIAG_SOURCE_FUNCTION);
    if (severity && (strcmp(severity, "FATAL") == 0 || strcmp(severity, "PANIC") == 0))
        db_conn_ended(ctx, PQresultErrorMessage(result));
    else if (function && strcmp(function, "SyncRepWaitForLSN") == 0)
        db_conn_ended(ctx, "the wait for the synchronous standby was cancelled");
}

static void connect_now(struct db_conn *conn)
{
    start_timer(conn, conn->db->limits.connect_timeout_ms);
    char *error = NULL;
    PQconninfoOption *options = PQconninfoParse(conn->db->conninfo, &error);
    PQfreemem(error);
    CHECK(options); /* db_new has parsed it before */
    conn->state = CONN_CONNECTING;
    bool started = start_connect(conn, options);
    PQconninfoFree(options);
    resolve_free(conn->resolve);
    conn->resolve = NULL;
    if (!started)
        return;
    if (PQstatus(conn->pg) == CONNECTION_BAD) {
        db_conn_break(conn, NULL);
        return;
    }
    PQsetNoticeReceiver(conn->pg, on_notice, conn);
    ev_io_set(&conn->io, PQsocket(conn->pg), EV_WRITE);
    ev_io_start(conn->db->loop->ev, &conn->io);
}

static void on_resolved(void *ctx, struct resolve *resolve)
{
    struct db_conn *conn = ctx;
    CHECK(conn->resolve == resolve);
    connect_now(conn);
}

void db_conn_start(struct db_conn *conn)
{
    CHECK(conn->state == CONN_OFF || conn->state == CONN_WAITING);
    char *error = NULL;
    PQconninfoOption *options = PQconninfoParse(conn->db->conninfo, &error);
    PQfreemem(error);
    CHECK(options);
    if (resolve_is_needed(options)) {
        conn->state = CONN_RESOLVING;
        conn->resolve = resolve_start(conn->db->loop, options, on_resolved, conn);
    } else {
        connect_now(conn);
    }
    PQconninfoFree(options);
}

/* ---- polling ---- */

static bool is_on(const struct db_conn *conn, const char *parameter)
{
    const char *value = PQparameterStatus(conn->pg, parameter);
    return value && strcmp(value, "on") == 0;
}

bool db_conn_is_read_only(const struct db_conn *conn)
{
    return is_on(conn, "in_hot_standby") || is_on(conn, "default_transaction_read_only");
}

static void on_session(struct db_conn *conn)
{
    if (db_conn_is_read_only(conn)) {
        db_conn_break(conn, "the server is read-only");
        return;
    }
    if (PQsetnonblocking(conn->pg, 1) != 0 || !PQenterPipelineMode(conn->pg)) {
        db_conn_break(conn, NULL);
        return;
    }
    conn->db->hosts_from = conn->hosts_from; /* there the others begin */
    conn->timeout_ms = conn->db->limits.statement_timeout_ms;
    conn->is_writing = false;
    ev_io_stop(conn->db->loop->ev, &conn->io);
    ev_io_set(&conn->io, PQsocket(conn->pg), EV_READ);
    ev_io_start(conn->db->loop->ev, &conn->io);
    if (conn->db->is_checked) {
        db_conn_up(conn);
    } else {
        conn->state = CONN_SETUP;
        db_setup_start(conn);
    }
}

void db_conn_poll(struct db_conn *conn)
{
    PostgresPollingStatusType status = PQconnectPoll(conn->pg);
    ev_io_stop(conn->db->loop->ev, &conn->io);
    switch (status) {
    case PGRES_POLLING_OK:
        on_session(conn);
        break;
    case PGRES_POLLING_READING:
    case PGRES_POLLING_WRITING:
        ev_io_set(&conn->io, PQsocket(conn->pg),
                  status == PGRES_POLLING_READING ? EV_READ : EV_WRITE);
        ev_io_start(conn->db->loop->ev, &conn->io);
        break;
    default:
        db_conn_break(conn, NULL);
        break;
    }
}
