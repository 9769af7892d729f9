/* SQLSTATEs and constraint names to reasons (grpc-server notes 5.2). Only what is needed to answer
 * the client is kept; the server's text goes to the log, never to the client. Called by conn.c for
 * every error result. What must stay true: "unknown" is said whenever the database may have
 * committed, and never when it cannot have. */
#include <stdio.h>

#include "db/internal.h"

static const struct {
    const char *prefix; /* of the SQLSTATE; the first that fits counts */
    enum reason reason;
    bool restart;
} states[] = {
    {"40001", REASON_CONFLICT, true},  /* serialization_failure */
    {"40P01", REASON_CONFLICT, true},  /* deadlock_detected */
    {"55P03", REASON_CONFLICT, false}, /* lock_not_available: lock_timeout */
    {"57014", REASON_DEADLINE_PASSED,
     false}, /* query_canceled: statement_timeout follows the deadline */
    {"0A000", REASON_INTERNAL_ERROR, true},       /* cached plan must not change result type */
    {"26000", REASON_INTERNAL_ERROR, true},       /* no such prepared statement */
    {"25P02", REASON_CONFLICT, true},             /* the transaction had failed before */
    {"25P03", REASON_CONFLICT, true},             /* idle_in_transaction_session_timeout */
    {"25006", REASON_DATABASE_UNAVAILABLE, true}, /* a standby: the primary has moved */
    {"23505", REASON_INTERNAL_ERROR,
     true}, /* a natural key: a race lost, or a random name that is taken */
    {"23514", REASON_INTERNAL_ERROR,
     true}, /* also of a row as it was before the lock was waited for */
    {"23503", REASON_INTERNAL_ERROR, false},
    {"23", REASON_FIELD_INVALID, false},
    {"22", REASON_FIELD_INVALID, false},
    {"53", REASON_OVERLOADED, false},
    {"57", REASON_DATABASE_UNAVAILABLE, true},
    {"08", REASON_DATABASE_UNAVAILABLE, true},
};

static bool is_class(const struct db_failure *f, const char *prefix)
{
    return strncmp(f->sqlstate, prefix, strlen(prefix)) == 0;
}

/* An error that came with COMMIT. These say for certain that it did not happen; of others nobody
 * knows, e.g. a backend told to stop while it waited for the synchronous standby has committed. */
static bool is_refused_commit(const struct db_failure *f)
{
    return is_class(f, "23") || is_class(f, "40001") || is_class(f, "40P01") ||
           is_class(f, "25P02");
}

static void classify(struct db_failure *f, const char *constraint)
{
    f->error.reason = REASON_INTERNAL_ERROR;
    for (size_t i = 0; i < sizeof states / sizeof states[0]; i++) {
        if (is_class(f, states[i].prefix)) {
            f->error.reason = states[i].reason;
            f->error.restart = states[i].restart;
            break;
        }
    }
    enum reason mapped = constraint ? reason_of_constraint(constraint) : REASON_NONE;
    if (mapped != REASON_NONE)
        f->error.reason = mapped;
    if (f->after_result && !is_refused_commit(f)) {
        f->error.reason = REASON_OUTCOME_UNKNOWN;
        f->error.unknown = true;
        f->error.restart = false;
    }
}

void db_failure_make(struct db_failure *f, enum reason reason, const char *sqlstate,
                     const char *detail)
{
    *f = (struct db_failure){.set = true, .error.reason = reason};
    snprintf(f->sqlstate, sizeof f->sqlstate, "%s", sqlstate);
    snprintf(f->error.detail, sizeof f->error.detail, "%s", detail);
}

void db_failure_set(struct db_failure *f, const PGresult *result, bool after_result)
{
    const char *sqlstate = PQresultErrorField(result, PG_DIAG_SQLSTATE);
    const char *message = PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);
    const char *constraint = PQresultErrorField(result, PG_DIAG_CONSTRAINT_NAME);
    if (f->set)
        return; /* the first is the cause */
    *f = (struct db_failure){.set = true, .after_result = after_result};
    snprintf(f->sqlstate, sizeof f->sqlstate, "%s", sqlstate ? sqlstate : "");
    snprintf(f->error.detail, sizeof f->error.detail, "%s %s%s%s", f->sqlstate,
             constraint ? constraint : "", constraint ? ": " : "",
             message ? message : PQresultErrorMessage(result));
    classify(f, constraint);
}

bool db_failure_is_rewind(const struct db_failure *f)
{
    return is_class(f, "40001") || is_class(f, "40P01");
}

bool db_failure_is_stale_plan(const struct db_failure *f)
{
    return !f->after_result && (is_class(f, "0A000") || is_class(f, "26000"));
}

bool db_failure_is_lost_race(const struct db_failure *f)
{
    return !f->after_result && is_class(f, "23514") && f->error.reason == REASON_CONFLICT;
}

bool db_failure_is_misfit(const struct db_failure *f)
{
    return !f->error.unknown && is_class(f, "42");
}

bool db_failure_is_personal(const struct db_failure *f)
{
    if (f->error.unknown)
        return false;
    return is_class(f, "57014") || !(is_class(f, "57") || is_class(f, "53") || is_class(f, "08") ||
                                     is_class(f, "58") || is_class(f, "25006"));
}
