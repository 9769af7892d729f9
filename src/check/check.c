/* Runs invariants.sql, check by check, each in a snapshot of its own. See check.h; blocking libpq,
 * since it is a command of its own. */
#include "check/check.h"

#include <errno.h>
#include <jansson.h>
#include <libpq-fe.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "domain/states.h"
#include "schema/migrate.h"

#define EXAMPLES_MAX "3"

extern const char fg_invariants[];
extern const char fg_invariants_end[];

static const char marker[] = "-- check: ";

struct check {
    struct str name; /* "I1" */
    struct str sentence;
    struct str query;
};

struct report {
    json_t *checks;
    unsigned run;
    unsigned broken;
    bool is_table;
};

/* Cuts the next check off @rest. */
static bool next_check(struct str *rest, struct check *ret)
{
    const char *start = memmem(rest->p, rest->n, marker, sizeof marker - 1);
    if (!start)
        return false;
    struct str s = {start + sizeof marker - 1,
                    rest->n - (size_t)(start - rest->p) - (sizeof marker - 1)};
    struct str line = str_cut(&s, '\n');
    ret->name = str_cut(&line, ' ');
    ret->sentence = line;
    const char *end = memmem(s.p, s.n, marker, sizeof marker - 1);
    ret->query = (struct str){s.p, end ? (size_t)(end - s.p) : s.n};
    *rest = (struct str){s.p + ret->query.n, s.n - ret->query.n};
    return true;
}

static void print_row(const struct check *check, long long count, double ms, json_t *examples)
{
    bool ok = count == 0;
    bool color = isatty(STDOUT_FILENO) != 0;
    printf("%s%-6s%s %-4.*s %-90.*s %8.1f ms\n", color ? (ok ? "\033[32m" : "\033[31m") : "",
           ok ? "ok" : "BROKEN", color ? "\033[0m" : "", (int)check->name.n, check->name.p,
           (int)check->sentence.n, check->sentence.p, ms);
    size_t i;
    json_t *example;
    json_array_foreach(examples, i, example) printf("       %s\n", json_string_value(example));
    if (count > (long long)json_array_size(examples))
        printf("       ... %lld in all\n", count);
}

/* The query with the state machine's moves in place of their marker. */
static void append_query(struct buf *sql, struct str query)
{
    static const char moves[] = "@booking_moves@";
    const char *at = memmem(query.p, query.n, moves, sizeof moves - 1);
    if (!at) {
        buf_append_str(sql, query);
        return;
    }
    buf_append(sql, query.p, (size_t)(at - query.p));
    for (size_t i = 0; i < booking_move_count; i++)
        buf_printf(sql, "%s('%s', '%s')", i ? ", " : "", booking_moves[i].before,
                   booking_moves[i].after);
    at += sizeof moves - 1;
    buf_append(sql, at, query.n - (size_t)(at - query.p));
}

static int run_check(PGconn *pg, const struct check *check, struct report *report)
{
    struct buf sql = {0};
    int64_t start = clock_mono_ns(&clock_system);
    buf_append_str(&sql,
                   STR("SELECT count(*), coalesce(json_agg(d) FILTER (WHERE n <= " EXAMPLES_MAX
                       "), '[]') FROM "
                       "(SELECT d, row_number() OVER () AS n FROM ("));
    append_query(&sql, check->query);
    buf_append(&sql, ") v(d)) w", sizeof ") v(d)) w");
    PGresult *r = PQexec(pg, (const char *)sql.p + sql.start);
    buf_deinit(&sql);
    if (PQresultStatus(r) != PGRES_TUPLES_OK) {
        fprintf(stderr, "faregate check: %.*s cannot be run: %s", (int)check->name.n, check->name.p,
                PQresultErrorMessage(r));
        PQclear(r);
        return -EIO;
    }
    long long count = strtoll(PQgetvalue(r, 0, 0), NULL, 10);
    json_t *examples = json_loads(PQgetvalue(r, 0, 1), 0, NULL);
    double ms = (double)(clock_mono_ns(&clock_system) - start) / NS_PER_MS;
    PQclear(r);
    report->run++;
    report->broken += count > 0;
    if (report->is_table)
        print_row(check, count, ms, examples);
    json_array_append_new(report->checks,
                          json_pack("{s:s%, s:s%, s:I, s:f, s:o}", "check", check->name.p,
                                    check->name.n, "sentence", check->sentence.p, check->sentence.n,
                                    "violations", (json_int_t)count, "milliseconds", ms, "examples",
                                    examples));
    return 0;
}

/* No transaction around them: as long as one lasts, nothing that has been updated since is cleaned
 * up, and what is updated all the time, as a flight that sells, is ever dearer to find. */
static int run_all(PGconn *pg, struct report *report)
{
    PGresult *r = PQexec(pg, "SET default_transaction_read_only = on");
    bool ok = PQresultStatus(r) == PGRES_COMMAND_OK;
    PQclear(r);
    if (!ok) {
        fprintf(stderr, "faregate check: %s", PQerrorMessage(pg));
        return -EIO;
    }
    struct str rest = {fg_invariants, (size_t)(fg_invariants_end - fg_invariants)};
    struct check check;
    while (next_check(&rest, &check))
        if (run_check(pg, &check, report) < 0)
            return -EIO;
    return 0;
}

int check_run(const char *conninfo, bool json)
{
    struct report report = {.checks = json_array(), .is_table = !json && isatty(STDOUT_FILENO)};
    PGconn *pg = migrate_connect(conninfo);
    int status = 2;
    if (PQstatus(pg) != CONNECTION_OK)
        fprintf(stderr, "faregate check: %s", PQerrorMessage(pg));
    else if (run_all(pg, &report) == 0)
        status = report.broken > 0;
    char server[300];
    snprintf(server, sizeof server, "%s:%s", PQhost(pg), PQport(pg));
    PQfinish(pg);
    if (report.is_table) {
        printf("%u invariants, %u broken on %s\n", report.run, report.broken, server);
    } else {
        json_t *out =
            json_pack("{s:b, s:s, s:i, s:i, s:O}", "clean", status == 0, "server", server, "run",
                      report.run, "broken", report.broken, "checks", report.checks);
        json_dumpf(out, stdout, JSON_INDENT(1));
        printf("\n");
        json_decref(out);
    }
    json_decref(report.checks);
    return status;
}
