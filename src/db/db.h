/* PostgreSQL for the layers above: typed statements in, rows in the call's arena out. libpq stays
 * inside. Generated code (gen/sql) is the only caller of db_submit; main builds the struct db of
 * each worker. What must stay true: results are handed over only after the transaction that made
 * them has committed; a batch never lets one bad member hurt its neighbours; a detached operation's
 * row pointer is never written. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/str.h"
#include "base/uuid.h"
#include "io/loop.h"
#include "io/op.h"

/* The SQL types statements may use, and what they are in C. */
enum db_type {
    DB_BOOL,        /* bool */
    DB_INT2,        /* int16_t */
    DB_INT4,        /* int32_t */
    DB_INT8,        /* int64_t */
    DB_FLOAT8,      /* double */
    DB_TEXT,        /* struct str; results NUL-terminated besides */
    DB_BYTEA,       /* struct str */
    DB_UUID,        /* struct uuid */
    DB_TIMESTAMPTZ, /* int64_t microseconds since 1970-01-01 UTC; INT64_MAX infinity, INT64_MIN
                       -infinity */
    DB_DATE,        /* int32_t days since 1970-01-01 */
};

enum db_cardinality { DB_NONE, DB_ONE, DB_MAYBE, DB_MANY };

struct db_param {
    const char *name;
    enum db_type type;
    bool is_array;
    bool is_nullable;
};

struct db_column {
    const char *name;
    enum db_type type;
    bool is_nullable;
    uint16_t offset;     /* in the row struct */
    uint16_t has_offset; /* of the bool has_x; nullable columns only */
};

/* One signed statement, written by sqlgen. */
struct db_statement {
    const char *name;     /* "booking_hold_seats" */
    const char *sql_one;  /* one request: plain parameters */
    const char *sql_many; /* arrays; NULL: not batched. First column n int4: which member (1-based)
                             the row is for */
    const struct db_param *params;
    const struct db_column *columns;
    uint16_t param_count;
    uint16_t column_count;
    enum db_cardinality cardinality;
    bool is_read; /* goes to the read lanes */
    uint16_t row_bytes;
    uint16_t found_offset;  /* maybe: offset of bool found */
    uint32_t rows_max;      /* many: more is cut off and .truncated set */
    int16_t key_param;      /* index of the lane key; -1: none */
    int16_t distinct_param; /* members with an equal value never share a batch; -1: none */
    uint16_t batch_max;
};

/* One argument. Arrays point to C arrays of the element type. */
struct db_value {
    union {
        bool b;
        int64_t i; /* all integers, timestamptz, date */
        double f;
        struct str s; /* text, bytea */
        struct uuid u;
        const void *array;
    };
    uint32_t array_count;
    bool is_null;
};

/* Result of a DB_MANY statement; sqlgen makes a typed twin of it. */
struct db_rows {
    void *rows;
    uint32_t count;
    bool truncated;
};

/* Queues one execution for @scope. @values are copied before this returns; @ret (row or rows, in
 * the scope's arena or the call's state) is written before the scope's next step, unless the scope
 * is detached first. Inside a transaction (scope->want_tx) it runs on the leased connection,
 * otherwise on a lane. */
void db_submit(struct op_scope *scope, const struct db_statement *statement,
               const struct db_value *values, void *ret);

/* The runner's view of transactions. */
extern const struct op_tx db_tx;

struct db_limits {
    uint32_t write_lanes; /* connections, one unit in flight each */
    uint32_t read_lanes;  /* connections, several units in flight each */
    uint32_t read_depth;
    uint32_t leases_max;        /* connections for multi-step transactions */
    uint32_t lease_wait_max_ms; /* who would wait for one longer is told OVERLOADED; 0: nobody */
    uint32_t batch_max;         /* members, on top of the statement's own */
    uint32_t hot_wait_us; /* longest wait for more to join a batch for one contended row; 0: none */
    uint32_t queue_max; /* members waiting in this worker; at the limit OVERLOADED with pushback */
    uint32_t connect_timeout_ms;
    uint32_t reconnect_min_ms;
    uint32_t reconnect_max_ms;
    uint32_t statement_timeout_ms; /* the longest any statement may take */
    uint32_t lock_timeout_ms;
    uint32_t rewind_max; /* retries in a lane: 40001/40P01 alone, a lost race as it was */
};

extern const struct db_limits db_limits_default;

/* Counters per worker; plain integers of this thread, published by the worker. */
struct db_stats {
    uint64_t statements, units, members, batch_members_max, errors, rewinds, reconnects,
        solo_fallbacks;
    uint64_t queue_now, connections_up, connect_failures;
    uint64_t batch_sizes[9]; /* 1, 2, 3-4, 5-8, 9-16, 17-32, 33-64, 65-128, more */
};

struct db;

/* Whether @conninfo is one. 0, or -EINVAL and libpq's line in @error. */
int db_conninfo_check(const char *conninfo, char *error, size_t error_bytes);

/* @statements NULL-terminated. Connecting starts at db_start; @on_state is told when the database
 * becomes usable or not. A signature that the server's own description contradicts is fatal:
 * on_state gets -EPROTO and db_error the line. */
int db_new(struct db **ret_db, struct loop *loop, const char *conninfo,
           const struct db_limits *limits, const struct db_statement *const *statements,
           void (*on_state)(void *ctx, int state), void *ctx);
void db_start(struct db *db);
struct db *db_free(struct db *db);

bool db_is_up(const struct db *db);
/* Why a connection was lost or not made, last. */
const char *db_error(const struct db *db);
/* What the boot check found odd; empty: nothing, or it was not made yet. */
const char *db_warning(const struct db *db);
const struct db_stats *db_stats(const struct db *db);
/* How long a statement that comes now, outside of transactions, would wait for a connection, from
 * how fast those before it come back; @is_read: if it only reads. @db is opaque, as grpc has it. 0:
 * not at all. */
int64_t db_wait_ns(const void *db, bool is_read);
