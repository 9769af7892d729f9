/* What the statement tests share: a database with the real migrations, the signed statements by
 * name (their texts as the server runs them), callers on several sessions, and the invariants. What
 * must stay true: nothing here knows what a statement does. */
#pragma once

#include <libpq-fe.h>
#include <stdbool.h>

#include "db/db.h"
#include "support/pg.h"
#include "support/test.h"

#define MEMBERS_MAX 64
#define PARAMS_MAX 32

/* Parameters of one or several members; array parameters as "a,b,c". */
struct ask {
    const struct db_statement *statement;
    unsigned count;
    char *values[MEMBERS_MAX][PARAMS_MAX]; /* NULL: NULL */
};

/* @statement as in db.h: "booking_hold". The values are freed at the next t_begin. */
void ask_begin(struct ask *ask, const char *statement);
/* Members are made as they are named; "": an empty text, NULL: NULL. */
void ask_set(struct ask *ask, unsigned member, const char *param, const char *value);
void ask_int(struct ask *ask, unsigned member, const char *param, long long value);

/* Runs it; the caller clears the result (or t_text does). An error is a result with a SQLSTATE. */
PGresult *ask_one(PGconn *conn, const struct ask *ask, unsigned member);
PGresult *ask_many(PGconn *conn, const struct ask *ask);
/* Whichever form the server would take: one for a single member if there is one. */
PGresult *ask_run(PGconn *conn, const struct ask *ask);
/* Without waiting for the answer; ask_wait takes it. */
void ask_send(PGconn *conn, const struct ask *ask);
PGresult *ask_wait(PGconn *conn);

/* The plan that the server's sessions execute it by, as JSON; free() it. */
char *ask_explain(PGconn *conn, const struct db_statement *statement, bool many);

/* Column of a row, of a batch that of its member @row, as text; "" for NULL, "error 23505" for an
 * error, "no row" where there is none. */
const char *t_cell(const PGresult *result, int row, const char *column);
/* The same of the first row, after which the result is cleared. */
const char *t_only(PGresult *result, const char *column);

/* Empty tables but for airline XX and @flights flights f(1..) with @seats seats in cabin 1. */
void t_begin(unsigned flights, unsigned seats);
void t_end(void);

/* Stable ids: t_id('b', 7) is a UUID that is the same each time. A few live at once. */
const char *t_id(char kind, unsigned n);
const char *t_format(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* On session 0..7, kept between calls; "" for NULL and for no row. */
PGconn *t_session(unsigned n);
const char *t_sql(const char *sql);
void t_do(unsigned session, const char *sql);
bool t_is_waiting(unsigned session); /* within five seconds, for a lock */

/* Every table's rows but for times, ordered; free() it. */
char *t_dump(void);

/* Names of the invariants that do not hold, with blanks between; "" when clean. */
const char *t_broken(void);
/* Names of all of them. */
const char *t_checks(void);
