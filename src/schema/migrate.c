/* Applies NNNN_name.sql in order under an advisory lock, and remembers each with a checksum of its
 * text. A start-up command: blocking libpq is right here, and nowhere on the loop. What must stay
 * true: an applied migration never changes; a further one is added instead. */
#include "schema/migrate.h"

#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"

#define MIGRATE_LOCK "6099163214552801" /* any number that no other program takes */

static bool is_migration(const struct embedded_file *f)
{
    size_t digits = strspn(f->name, "0123456789"), n = strlen(f->name);
    return digits == 4 && f->name[4] == '_' && n > 9 && strcmp(f->name + n - 4, ".sql") == 0;
}

/* One line for people: the server's first line, without its trailing newline. */
static int refused(const char *what, PGconn *conn)
{
    const char *message = PQerrorMessage(conn);
    fprintf(stderr, "faregate migrate: %s: %.*s\n", what, (int)strcspn(message, "\n"), message);
    return -EINVAL;
}

static int run(PGconn *conn, const char *what, const char *sql)
{
    PGresult *result = PQexec(conn, sql);
    ExecStatusType status = PQresultStatus(result);
    int r = status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK ? 0 : refused(what, conn);
    PQclear(result);
    return r;
}

static void checksum_of(const struct embedded_file *f, char ret_text[17])
{
    struct str text = {.p = f->data, .n = f->size};
    snprintf(ret_text, 17, "%016" PRIx64, str_hash(text));
}

/* 1 when @f is applied already, 0 when not yet, -EBADMSG when it was applied with another text. */
static int is_applied(PGconn *conn, const struct embedded_file *f, const char *checksum)
{
    char version[5] = {0};
    memcpy(version, f->name, 4);
    const char *values[] = {version};
    PGresult *result = PQexecParams(
        conn, "SELECT checksum, applied_time::date FROM schema_migration WHERE version = $1::int4",
        1, NULL, values, NULL, NULL, 0);
    int r = 0;
    if (PQresultStatus(result) != PGRES_TUPLES_OK) {
        r = refused(f->name, conn);
    } else if (PQntuples(result) == 1 && strcmp(PQgetvalue(result, 0, 0), checksum) == 0) {
        r = 1;
    } else if (PQntuples(result) == 1) {
        fprintf(stderr,
                "faregate migrate: %s was applied on %s with another text; restore the file and "
                "add a further "
                "migration, or start from an empty database\n",
                f->name, PQgetvalue(result, 0, 1));
        r = -EBADMSG;
    }
    PQclear(result);
    return r;
}

static int remember(PGconn *conn, const struct embedded_file *f, const char *checksum)
{
    char version[5] = {0};
    memcpy(version, f->name, 4);
    const char *values[] = {version, f->name, checksum};
    PGresult *result = PQexecParams(
        conn, "INSERT INTO schema_migration (version, name, checksum) VALUES ($1::int4, $2, $3)", 3,
        NULL, values, NULL, NULL, 0);
    int r = PQresultStatus(result) == PGRES_COMMAND_OK ? 0 : refused(f->name, conn);
    PQclear(result);
    return r;
}

static int apply(PGconn *conn, const struct embedded_file *f, FILE *out)
{
    char checksum[17];
    checksum_of(f, checksum);
    int r = is_applied(conn, f, checksum);
    if (r != 0)
        return r < 0 ? r : 0;
    if ((r = run(conn, f->name, "BEGIN")) < 0 || (r = run(conn, f->name, f->data)) < 0 ||
        (r = remember(conn, f, checksum)) < 0 || (r = run(conn, f->name, "COMMIT")) < 0) {
        PQclear(PQexec(conn, "ROLLBACK"));
        return r;
    }
    if (out)
        fprintf(out, "migrate: %s\n", f->name);
    return 1;
}

/* A database that knows more than we do must not be served: our statements were not written for it.
 */
static int refuse_newer(PGconn *conn, const struct embedded_file *files, size_t count)
{
    int newest = 0;
    for (size_t i = 0; i < count; i++)
        if (is_migration(&files[i]))
            newest = (int)strtol(files[i].name, NULL, 10);
    PGresult *result = PQexec(conn, "SELECT coalesce(max(version), 0) FROM schema_migration");
    int r = 0;
    if (PQresultStatus(result) != PGRES_TUPLES_OK) {
        r = refused("schema_migration", conn);
    } else if (strtol(PQgetvalue(result, 0, 0), NULL, 10) > newest) {
        fprintf(stderr, "faregate migrate: the database is at version %s, this binary knows %d\n",
                PQgetvalue(result, 0, 0), newest);
        r = -ENOENT;
    }
    PQclear(result);
    return r;
}

static int apply_all(PGconn *conn, const struct embedded_file *files, size_t count, FILE *out)
{
    int applied = 0;
    int r = run(conn, "schema_migration",
                "SET client_min_messages = warning; "
                "CREATE TABLE IF NOT EXISTS schema_migration (version int4 NOT NULL CONSTRAINT "
                "schema_migration_pk "
                "PRIMARY KEY, name text NOT NULL, checksum text NOT NULL, "
                "applied_time timestamptz NOT NULL DEFAULT now())");
    if (r < 0 || (r = refuse_newer(conn, files, count)) < 0)
        return r;
    for (size_t i = 0; i < count; i++) {
        if (!is_migration(&files[i]))
            continue;
        if ((r = apply(conn, &files[i], out)) < 0)
            return r;
        applied += r;
    }
    if (out && applied == 0)
        fprintf(out, "migrate: nothing to do\n");
    return 0;
}

PGconn *migrate_connect(const char *conninfo)
{
    const char *names[4] = {NULL}, *values[4] = {NULL};
    int n = 0;
    if (!getenv("PGCONNECT_TIMEOUT")) {
        names[n] = "connect_timeout";
        values[n++] = "10";
    }
    if (!getenv("PGTARGETSESSIONATTRS")) {
        names[n] = "target_session_attrs";
        values[n++] = "read-write";
    }
    names[n] = "dbname"; /* behind the others: what it says wins */
    values[n] = conninfo;
    return PQconnectdbParams(names, values, 1);
}

int migrate_files(const char *conninfo, const struct embedded_file *files, size_t count, FILE *out)
{
    PGconn *conn = migrate_connect(conninfo);
    int r = -ENOTCONN;
    if (PQstatus(conn) != CONNECTION_OK)
        refused("cannot connect", conn);
    else if ((r = run(conn, "lock", "SELECT pg_advisory_lock(" MIGRATE_LOCK ")")) == 0)
        r = apply_all(conn, files, count, out);
    PQfinish(conn); /* lets go of the lock too */
    return r;
}

int migrate_run(const char *conninfo, FILE *out)
{
    return migrate_files(conninfo, embedded_files, embedded_count, out);
}

int migrate_print(FILE *out)
{
    for (size_t i = 0; i < embedded_count; i++)
        if (is_migration(&embedded_files[i]))
            fprintf(out, "-- %s\n%s\n", embedded_files[i].name, embedded_files[i].data);
    return fflush(out) != 0 || ferror(out) ? -EIO : 0;
}
