/* `faregate seed`: reference data, then the timetable, in one transaction; then statistics.
 * What must stay true: a database is either as it was or fully seeded, and what was seeded once is
 * only added to. */
#include "seed/seed.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/check.h"
#include "internal.h"
#include "schema/migrate.h"

#define ARENA_BYTES_MAX ((size_t)512 << 20)
#define SEED_LOCK "6099163214552802" /* beside migrate's */

int seed_refused(PGconn *conn, const char *what)
{
    const char *message = PQerrorMessage(conn);
    fprintf(stderr, "faregate seed: %s: %.*s\n", what, (int)strcspn(message, "\n"), message);
    return -EINVAL;
}

int seed_exec(struct seed *s, const char *sql)
{
    PGresult *result = PQexec(s->conn, sql);
    ExecStatusType status = PQresultStatus(result);
    int r =
        status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK ? 0 : seed_refused(s->conn, sql);
    PQclear(result);
    return r;
}

static int wrong(const char *what)
{
    fprintf(stderr, "faregate seed: %s\n", what);
    return -EINVAL;
}

/* YYYY-MM-DD of a day that exists; empty: today, as this machine's clock and zone have it. */
static int parse_start(const char *text, int32_t *ret_days)
{
    int32_t year, month, day, back_year, back_month, back_day;
    int read = 0;
    if (!text || !*text) {
        time_t now = time(NULL);
        struct tm tm;
        localtime_r(&now, &tm);
        *ret_days = civil_days(tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday);
        return 0;
    }
    if (sscanf(text, "%4d-%2d-%2d%n", &year, &month, &day, &read) != 3 || read != 10 || text[10])
        return wrong("--start must be a date, YYYY-MM-DD");
    *ret_days = civil_days(year, month, day);
    civil_date(*ret_days, &back_year, &back_month, &back_day);
    if (back_year != year || back_month != month || back_day != day || year < 2000 || year > 2100)
        return wrong("--start is no day between 2000 and 2100");
    return 0;
}

static int check_options(struct seed *s)
{
    const struct seed_options *o = s->options;
    if (!(o->scale >= SEED_SCALE_MIN && o->scale <= SEED_SCALE_MAX))
        return wrong("--scale must be between 0.01 and 10");
    if (o->days < 1 || o->days > SEED_DAYS_MAX)
        return wrong("--days must be between 1 and 400");
    s->number = o->seed;
    s->scale_permille = (int32_t)lround(o->scale * 1000);
    int r = parse_start(o->start, &s->first_days);
    s->last_days = s->first_days + o->days - 1;
    return r;
}

static int connect_and_lock(struct seed *s)
{
    s->conn = migrate_connect(s->options->conninfo);
    if (PQstatus(s->conn) != CONNECTION_OK) {
        seed_refused(s->conn, "cannot connect");
        return -ENOTCONN;
    }
    int r = seed_exec(s, "SET timezone = 'UTC'");
    if (r == 0)
        r = seed_exec(s, "SET statement_timeout = 0");
    if (r == 0)
        r = seed_exec(s, "SELECT pg_advisory_lock(" SEED_LOCK ")");
    return r;
}

static int64_t field(const PGresult *result, int column)
{
    int64_t value;
    CHECK(str_int64(str_of(PQgetvalue(result, 0, column)), INT64_MIN, INT64_MAX, &value) == 0);
    return value;
}

/* What an earlier run left: 0 nothing, 1 a timetable and @s is set to continue it, 2 nothing is
 * left to do. */
static int look_around(struct seed *s)
{
    PGresult *result =
        PQexec(s->conn,
               "SELECT count(*), coalesce(min(seed), 0), coalesce(min(scale_permille), 0), "
               "coalesce(max(last_date), 'epoch') - date 'epoch', min(first_date), max(last_date), "
               "coalesce(sum(flights), 0), (EXISTS (SELECT FROM inventory))::int4 FROM seed_run");
    if (PQresultStatus(result) != PGRES_TUPLES_OK) {
        PQclear(result);
        return seed_refused(s->conn, "is the database migrated?");
    }
    int r = 0;
    if (field(result, 0) == 0 && field(result, 7) != 0) {
        r = wrong("the database has flights that seed did not make; use an empty one");
    } else if (field(result, 0) > 0) {
        r = field(result, 3) < s->last_days ? 1 : 2;
        s->number = (uint64_t)field(result, 1);
        s->scale_permille = (int32_t)field(result, 2);
        if (s->first_days <= field(result, 3))
            s->first_days = (int32_t)field(result, 3) + 1;
        if (r == 2 && !s->options->quiet)
            fprintf(stderr,
                    "seed: nothing to do, %s flights from %s to %s are there (seed %s, scale %g)\n",
                    PQgetvalue(result, 0, 6), PQgetvalue(result, 0, 4), PQgetvalue(result, 0, 5),
                    PQgetvalue(result, 0, 1), s->scale_permille / 1000.0);
    }
    PQclear(result);
    return r;
}

static int remember(struct seed *s)
{
    return seed_exec(
        s,
        arena_printf(&s->arena,
                     "INSERT INTO seed_run (seed, scale_permille, first_date, last_date, flights) "
                     "VALUES (%lld, %d, date 'epoch' + %d, date 'epoch' + %d, %lld)",
                     (long long)s->number, s->scale_permille, s->first_days, s->last_days,
                     (long long)s->flights));
}

/* How the schema defines it, so that it is said once. NULL: it is not there. */
static const char *search_index(struct seed *s)
{
    PGresult *result = PQexec(s->conn, "SELECT pg_get_indexdef('inventory_route_ix'::regclass)");
    const char *sql = NULL;
    if (PQresultStatus(result) == PGRES_TUPLES_OK)
        sql = arena_printf(&s->arena, "%s", PQgetvalue(result, 0, 0));
    else
        seed_refused(s->conn, "search index");
    PQclear(result);
    return sql;
}

/* Into empty tables: emptied in this transaction, they are written frozen, and, where wal_level is
 * minimal, unlogged. The search index is made once all rows are there. */
static int load_afresh(struct seed *s)
{
    int r;
    seed_progress_to(&s->progress, 0.01, "airports, airlines");
    const char *index = search_index(s);
    if (!index)
        return -EINVAL;
    if ((r = seed_exec(s, "SET LOCAL maintenance_work_mem = '256MB'")) < 0 ||
        (r = seed_exec(s, "DROP INDEX inventory_route_ix")) < 0 ||
        (r = seed_exec(s, "TRUNCATE airport, airline, aircraft, aircraft_cabin, fare_brand, "
                          "fare_bucket, tax, connection_time, schedule, inventory")) < 0 ||
        (r = seed_load_reference(s)) < 0 || (r = seed_load_schedule(s)) < 0 ||
        (r = seed_load_flights(s, true)) < 0)
        return r;
    seed_progress_to(&s->progress, 0.71, "search index");
    return seed_exec(s, index);
}

static int load_more(struct seed *s)
{
    int r =
        seed_exec(s, arena_printf(&s->arena, "UPDATE schedule SET last_date = date 'epoch' + %d",
                                  s->last_days));
    return r < 0 ? r : seed_load_flights(s, false);
}

static int load(struct seed *s, bool more)
{
    const struct timetable_options options = {.seed = s->number,
                                              .scale_permille = s->scale_permille};
    int r;
    seed_read_network(s);
    timetable_make(&s->arena, &s->network, &options, &s->timetable);
    if ((r = seed_read_zones(s)) < 0 || (r = seed_exec(s, "BEGIN")) < 0 ||
        (r = more ? load_more(s) : load_afresh(s)) < 0 || (r = remember(s)) < 0 ||
        (r = seed_exec(s, "INSERT INTO inventory_change (flight_id, flight_ids) VALUES "
                          "('00000000-0000-0000-0000-000000000000', '{}')")) < 0)
        return r;
    seed_progress_to(&s->progress, 0.88, "writing to disk");
    if ((r = seed_exec(s, "COMMIT")) < 0)
        return r;
    seed_progress_to(&s->progress, 0.93, "statistics");
    return seed_exec(s, "ANALYZE airport, airline, schedule, inventory");
}

static void summarise(struct seed *s)
{
    double seconds = seed_progress_seconds(&s->progress);
    seed_progress_end(&s->progress);
    if (!s->options->quiet)
        fprintf(stderr, "seed: %d airports, %d routes, %lld flights over %d days in %.1f s\n",
                s->network.airport_count, s->timetable.route_count, (long long)s->flights,
                s->last_days - s->first_days + 1, seconds);
}

int seed_run(const struct seed_options *options)
{
    struct seed s = {.options = options};
    arena_pool_init(&s.pool, 0);
    arena_init(&s.arena, &s.pool, ARENA_BYTES_MAX);
    seed_progress_start(&s.progress, options->quiet);
    int r = check_options(&s);
    if (r == 0)
        r = connect_and_lock(&s);
    if (r == 0)
        r = look_around(&s);
    if (r == 0 || r == 1) {
        r = load(&s, r == 1);
        if (r == 0)
            summarise(&s);
    }
    seed_progress_end(&s.progress);
    PQfinish(s.conn); /* an open transaction goes with it, and the lock */
    arena_reset(&s.arena);
    arena_pool_deinit(&s.pool);
    return r < 0 ? r : 0;
}

int seed_dates(const char *conninfo, int32_t *ret_first_days, int32_t *ret_last_days)
{
    PGconn *conn = migrate_connect(conninfo);
    PGresult *result = PQexec(conn, "SELECT min(first_date) - date 'epoch', "
                                    "max(last_date) - date 'epoch' FROM seed_run");
    bool found = PQresultStatus(result) == PGRES_TUPLES_OK && !PQgetisnull(result, 0, 0);
    if (found) {
        *ret_first_days = (int32_t)field(result, 0);
        *ret_last_days = (int32_t)field(result, 1);
    }
    PQclear(result);
    PQfinish(conn);
    return found ? 0 : -ENOENT;
}
