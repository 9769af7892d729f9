/* The boot check, on the worker's first connection: every statement is prepared and described and
 * must be what its signature says; every constraint that reasons.def names should exist. connect.c
 * starts it; when it is through, the other lanes connect. What must stay true: no request runs
 * before the check has passed. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/buf.h"
#include "base/check.h"
#include "db/internal.h"

/* Of branch 15, Debian 12's. Before it an event loop can wait for ever for the rest of a TLS record
 * of more than 8 KB, which libpq has read and does not give out. Without TLS, on a socket say, it
 * is nobody's concern. */
#define LIBPQ_SOUND_WITH_TLS 150019

void db_setup_start(struct db_conn *conn)
{
    struct db *db = conn->db;
    struct db_unit *unit = db_unit_new(db, UNIT_SETUP);
    db_conn_push(conn, unit);
    bool good = true;
    for (unsigned i = 0; good && i < db->plan_count; i++) {
        const struct db_plan *plan = &db->plans[i];
        if (plan->statement->sql_one)
            good =
                db_conn_send_prepare(conn, plan, false) && db_conn_send_describe(conn, plan, false);
        if (good && plan->statement->sql_many)
            good =
                db_conn_send_prepare(conn, plan, true) && db_conn_send_describe(conn, plan, true);
    }
    if (good)
        db_conn_send_sync(conn);
}

/* A violation is reported under the constraint's name, or under that of a unique index without one.
 */
static void check_constraints(struct db_conn *conn)
{
    struct buf names = {0};
    for (unsigned i = 0; reason_constraint(i); i++)
        buf_printf(&names, "%s%s", i ? "," : "{", reason_constraint(i));
    buf_printf(&names, buf_len(&names) ? "}" : "{}");
    db_conn_push(conn, db_unit_new(conn->db, UNIT_CHECK));
    const char *values[] = {(const char *)names.p + names.start};
    if (db_conn_send_query(
            conn,
            "SELECT string_agg(c, ', ') FROM unnest($1::text[]) c"
            " WHERE NOT EXISTS (SELECT FROM pg_constraint WHERE conname = c)"
            " AND NOT EXISTS (SELECT FROM pg_class WHERE relname = c AND relkind IN ('i', 'I'))",
            1, values))
        db_conn_send_sync(conn);
    buf_deinit(&names);
}

static void warn(struct db_conn *conn, const PGresult *missing)
{
    struct db *db = conn->db;
    int version = PQlibVersion();
    if (missing && PQntuples(missing) == 1 && !PQgetisnull(missing, 0, 0))
        snprintf(db->warning, sizeof db->warning,
                 "reasons.def names constraints that do not exist: %s", PQgetvalue(missing, 0, 0));
    else if (PQsslInUse(conn->pg) && version / 10000 == 15 && version < LIBPQ_SOUND_WITH_TLS)
        snprintf(db->warning, sizeof db->warning,
                 "libpq %d.%d may hang on large rows that come over TLS; use 15.19 or newer",
                 version / 10000, version % 10000);
}

static void start_lanes(struct db *db)
{
    for (unsigned i = 0; i < db->lane_count; i++)
        if (db->lanes[i].conn.state == CONN_OFF)
            db_conn_start(&db->lanes[i].conn);
}

void db_setup_done(struct db_conn *conn, struct db_unit *unit)
{
    struct db *db = conn->db;
    if (unit->kind == UNIT_SETUP && !unit->failure.set) {
        check_constraints(conn);
    } else if (unit->kind == UNIT_SETUP && db_failure_is_misfit(&unit->failure)) {
        db_fatal(db);
        db_conn_break(conn, db->error);
    } else if (unit->failure.set) {
        db_conn_break(conn, unit->failure.error.detail);
    } else {
        db->error[0] = '\0';
        warn(conn, unit->result);
        db->is_checked = true;
        db_conn_up(conn);
        start_lanes(db);
    }
    db_unit_free(db, unit);
}
