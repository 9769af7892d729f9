/* See support.h. Statements are sent with text parameters; the arrays of the many form are put
 * together here, not by src/db, so that the two can disagree. */
#include "support.h"

#include <jansson.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/buf.h"
#include "check/check.h"
#include "db/internal.h"
#include "gen/sql/registry.h"
#include "schema/migrate.h"

#define SESSIONS_MAX 8
#define TEXTS_MAX 64

static PGconn *sessions[SESSIONS_MAX];
static char **kept; /* values of asks */
static size_t kept_count;

static void die(const char *what, const char *why)
{
    fprintf(stderr, "%s: %s\n", what, why);
    exit(1);
}

/* ---- texts ---- */

static char *next_text(void)
{
    static char texts[TEXTS_MAX][4096];
    static unsigned at;
    return texts[at++ % TEXTS_MAX];
}

const char *t_format(const char *format, ...)
{
    char *text = next_text();
    va_list args;
    va_start(args, format);
    vsnprintf(text, 4096, format, args);
    va_end(args);
    return text;
}

const char *t_id(char kind, unsigned n)
{
    return t_format("%02x000000-0000-7000-8000-%012x", (unsigned)kind, n);
}

/* ---- asks ---- */

static const struct db_statement *find(const char *name)
{
    for (size_t i = 0; sql_statements[i]; i++)
        if (strcmp(sql_statements[i]->name, name) == 0)
            return sql_statements[i];
    die("no such statement", name);
    return NULL;
}

void ask_begin(struct ask *ask, const char *statement)
{
    *ask = (struct ask){.statement = find(statement)};
    if (ask->statement->param_count > PARAMS_MAX)
        die("too many parameters", statement);
}

void ask_set(struct ask *ask, unsigned member, const char *param, const char *value)
{
    const struct db_statement *s = ask->statement;
    unsigned i = 0;
    while (i < s->param_count && strcmp(s->params[i].name, param) != 0)
        i++;
    if (i == s->param_count || member >= MEMBERS_MAX)
        die("no such parameter", param);
    if (member >= ask->count)
        ask->count = member + 1;
    ask->values[member][i] = value ? strdup(value) : NULL;
    kept = realloc(kept, (kept_count + 1) * sizeof *kept);
    kept[kept_count++] = ask->values[member][i];
}

void ask_int(struct ask *ask, unsigned member, const char *param, long long value)
{
    ask_set(ask, member, param, t_format("%lld", value));
}

struct wire {
    Oid types[2 * PARAMS_MAX];
    char *values[2 * PARAMS_MAX];
    int count;
};

static void put(struct wire *w, Oid type, char *value)
{
    w->types[w->count] = type;
    w->values[w->count++] = value;
}

static char *text_of(struct buf *b)
{
    buf_append(b, "", 1);
    char *text = strdup((const char *)b->p + b->start);
    buf_deinit(b);
    return text;
}

static void put_element(struct buf *b, const char *value)
{
    if (!value) {
        buf_printf(b, "NULL,");
        return;
    }
    buf_append(b, "\"", 1);
    for (; *value; value++)
        buf_printf(b, *value == '"' || *value == '\\' ? "\\%c" : "%c", *value);
    buf_append(b, "\",", 2);
}

static char *closed(struct buf *b)
{
    char *text = text_of(b);
    size_t n = strlen(text);
    if (text[n - 1] == ',')
        text[--n] = '\0';
    text = realloc(text, n + 2);
    memcpy(text + n, "}", 2);
    return text;
}

static void put_scalars(struct wire *w, const struct ask *ask, unsigned i)
{
    struct buf b = {0};
    buf_printf(&b, "{");
    for (unsigned m = 0; m < ask->count; m++)
        put_element(&b, ask->values[m][i]);
    put(w, db_type_oid(ask->statement->params[i].type, true), closed(&b));
}

/* The elements of all members, and whose each is. */
static void put_arrays(struct wire *w, const struct ask *ask, unsigned i)
{
    struct buf elements = {0}, owners = {0};
    buf_printf(&elements, "{");
    buf_printf(&owners, "{");
    for (unsigned m = 0; m < ask->count; m++) {
        char *list = strdup(ask->values[m][i] ? ask->values[m][i] : ""), *rest = NULL;
        for (char *e = strtok_r(list, ",", &rest); e; e = strtok_r(NULL, ",", &rest)) {
            put_element(&elements, e);
            buf_printf(&owners, "%u,", m + 1);
        }
        free(list);
    }
    put(w, db_type_oid(ask->statement->params[i].type, true), closed(&elements));
    put(w, db_type_oid(DB_INT4, true), closed(&owners));
}

static void send_form(PGconn *conn, const struct ask *ask, int member)
{
    const struct db_statement *s = ask->statement;
    struct wire w = {0};
    const char *sql = member < 0 ? s->sql_many : s->sql_one;
    if (!sql)
        die("no such form", s->name);
    for (unsigned i = 0; i < s->param_count; i++) {
        bool is_array = s->params[i].is_array;
        const char *value = member < 0 ? NULL : ask->values[member][i];
        if (member >= 0)
            put(&w, db_type_oid(s->params[i].type, is_array),
                value ? strdup(is_array ? t_format("{%s}", value) : value) : NULL);
        else if (is_array)
            put_arrays(&w, ask, i);
        else
            put_scalars(&w, ask, i);
    }
    if (!PQsendQueryParams(conn, sql, w.count, w.types, (const char *const *)w.values, NULL, NULL,
                           0))
        die(s->name, PQerrorMessage(conn));
    for (int i = 0; i < w.count; i++)
        free(w.values[i]);
}

char *ask_explain(PGconn *conn, const struct db_statement *s, bool many)
{
    Oid types[2 * PARAMS_MAX];
    struct buf explain = {0};
    int count = 0;
    buf_printf(&explain, "EXPLAIN (FORMAT json) EXECUTE explained");
    for (unsigned i = 0; i < s->param_count; i++) {
        types[count++] = db_type_oid(s->params[i].type, many || s->params[i].is_array);
        if (many && s->params[i].is_array)
            types[count++] = db_type_oid(DB_INT4, true);
    }
    for (int i = 0; i < count; i++)
        buf_printf(&explain, "%sNULL%s", i ? ", " : "(", i == count - 1 ? ")" : "");
    char *sql = text_of(&explain);
    PQclear(PQexec(conn, "DEALLOCATE ALL"));
    PQclear(PQprepare(conn, "explained", many ? s->sql_many : s->sql_one, count, types));
    PGresult *r = PQexec(conn, sql);
    if (PQresultStatus(r) != PGRES_TUPLES_OK)
        die(s->name, PQerrorMessage(conn));
    free(sql);
    char *plan = strdup(PQgetvalue(r, 0, 0));
    PQclear(r);
    return plan;
}

PGresult *ask_wait(PGconn *conn)
{
    PGresult *first = PQgetResult(conn), *rest;
    while ((rest = PQgetResult(conn)))
        PQclear(rest);
    return first;
}

PGresult *ask_one(PGconn *conn, const struct ask *ask, unsigned member)
{
    send_form(conn, ask, (int)member);
    return ask_wait(conn);
}

PGresult *ask_many(PGconn *conn, const struct ask *ask)
{
    send_form(conn, ask, -1);
    return ask_wait(conn);
}

void ask_send(PGconn *conn, const struct ask *ask)
{
    send_form(conn, ask, ask->count == 1 && ask->statement->sql_one ? 0 : -1);
}

PGresult *ask_run(PGconn *conn, const struct ask *ask)
{
    ask_send(conn, ask);
    return ask_wait(conn);
}

const char *t_cell(const PGresult *result, int row, const char *column)
{
    const char *state = PQresultErrorField(result, PG_DIAG_SQLSTATE);
    if (state)
        return t_format("error %s %s", state, PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY));
    int member = PQfnumber(result, "n"), i = PQfnumber(result, column);
    if (i < 0)
        die("no such column", column);
    if (member >= 0) {
        const int wanted = row + 1;
        for (row = 0; row < PQntuples(result); row++)
            if (atoi(PQgetvalue(result, row, member)) == wanted)
                break;
    }
    if (row >= PQntuples(result))
        return "no row";
    return t_format("%s", PQgetvalue(result, row, i));
}

const char *t_only(PGresult *result, const char *column)
{
    const char *text = t_cell(result, 0, column);
    PQclear(result);
    return text;
}

/* ---- the database ---- */

PGconn *t_session(unsigned n)
{
    if (!sessions[n])
        sessions[n] = pg_session_with(DB_PLANNER_SETTINGS " -c client_min_messages=warning");
    return sessions[n];
}

static PGresult *run(unsigned session, const char *sql)
{
    PGresult *result = PQexec(t_session(session), sql);
    if (PQresultStatus(result) != PGRES_TUPLES_OK && PQresultStatus(result) != PGRES_COMMAND_OK)
        die(sql, PQresultErrorMessage(result));
    return result;
}

const char *t_sql(const char *sql)
{
    PGresult *result = run(0, sql);
    const char *text = t_format("%s", PQntuples(result) ? PQgetvalue(result, 0, 0) : "");
    PQclear(result);
    return text;
}

void t_do(unsigned session, const char *sql)
{
    PQclear(run(session, sql));
}

bool t_is_waiting(unsigned session)
{
    const char *sql = t_format("SELECT count(*) FROM pg_locks WHERE pid = %d AND NOT granted",
                               PQbackendPID(t_session(session)));
    for (int i = 0; i < 500; i++) {
        if (strcmp(pg_value(sql), "0") != 0)
            return true;
        nanosleep(&(struct timespec){.tv_nsec = 10 * 1000 * 1000}, NULL);
    }
    return false;
}

static const char tables[] =
    "SELECT string_agg(quote_ident(relname), ', ' ORDER BY relname) FROM pg_class WHERE "
    "relkind = 'r' AND relnamespace = 'public'::regnamespace "
    "AND relname <> 'schema_migration'";

void t_begin(unsigned flights, unsigned seats)
{
    static bool migrated;
    for (size_t i = 0; i < kept_count; i++)
        free(kept[i]);
    kept_count = 0;
    if (!migrated && migrate_run(pg_conninfo(), NULL) < 0)
        die("migrate", "failed");
    migrated = true;
    for (unsigned i = 0; i < SESSIONS_MAX; i++)
        if (sessions[i] && PQtransactionStatus(sessions[i]) != PQTRANS_IDLE)
            t_do(i, "ROLLBACK");
    t_do(0, t_format("TRUNCATE %s", t_sql(tables)));
    t_do(0, "INSERT INTO airline VALUES ('XX', 'XXX', 'Test Air', 'ZZ', '999')");
    t_do(0, t_format("INSERT INTO inventory (flight_id, cabin, authorised, free, base_minor, "
                     "sales_close_time, carrier, number, origin, destination, departure_date, "
                     "departure_time, arrival_time, departure_offset_min, arrival_offset_min, "
                     "aircraft, distance_km) SELECT ('66000000-0000-7000-8000-' || "
                     "lpad(to_hex(i), 12, '0'))::uuid, 1, %u, %u, 10000, '2030-01-01', 'XX', i, "
                     "'AAA', 'BBB', '2030-01-01', '2030-01-01 10:00Z', '2030-01-01 12:00Z', 0, 0, "
                     "'320', 1000 FROM generate_series(1, %u) i",
                     seats, seats, flights));
}

void t_end(void)
{
    ASSERT_STR_EQ(t_broken(), "");
    for (unsigned i = 0; i < SESSIONS_MAX; i++) {
        PQfinish(sessions[i]);
        sessions[i] = NULL;
    }
}

char *t_dump(void)
{
    static const char times[] = "'{create_time,update_time,occur_time,ticket_time,expire_time,"
                                "payment_required_time,pin_time,due_time,sent_time,"
                                "intent_create_time,ticket_serials,serial}'::text[]";
    struct buf b = {0};
    char *names = strdup(t_sql(tables)), *rest = NULL;
    for (char *name = strtok_r(names, ", ", &rest); name; name = strtok_r(NULL, ", ", &rest)) {
        if (strcmp(name, "inventory_change") == 0) /* tells of statements */
            continue;
        PGresult *rows =
            run(0, t_format("SELECT (to_jsonb(t) - %s)::text FROM %s t ORDER BY 1", times, name));
        for (int i = 0; i < PQntuples(rows); i++)
            buf_printf(&b, "%s %s\n", name, PQgetvalue(rows, i, 0));
        PQclear(rows);
    }
    free(names);
    return text_of(&b);
}

/* ---- the invariants ---- */

/* check_run's report, which it prints. */
static json_t *report(void)
{
    fflush(stdout);
    FILE *file = tmpfile();
    int out = dup(STDOUT_FILENO);
    if (!file || out < 0 || dup2(fileno(file), STDOUT_FILENO) < 0)
        die("check", "cannot be read");
    int status = check_run(pg_conninfo(), true);
    fflush(stdout);
    dup2(out, STDOUT_FILENO);
    close(out);
    rewind(file);
    json_t *json = json_loadf(file, 0, NULL);
    fclose(file);
    if (status == 2 || !json)
        die("check", "could not look");
    return json;
}

static const char *names_of(bool all)
{
    json_t *json = report(), *check;
    char *names = next_text();
    size_t i, at = 0;
    names[0] = '\0';
    json_array_foreach(json_object_get(json, "checks"), i, check)
    {
        if (!all && json_integer_value(json_object_get(check, "violations")) == 0)
            continue;
        at += (size_t)snprintf(names + at, 4096 - at, "%s%s", at ? " " : "",
                               json_string_value(json_object_get(check, "check")));
        if (getenv("FG_TEST_VERBOSE") && !all)
            json_dumpf(json_object_get(check, "examples"), stderr, JSON_INDENT(1));
    }
    json_decref(json);
    return names;
}

const char *t_broken(void)
{
    return names_of(false);
}

const char *t_checks(void)
{
    return names_of(true);
}
