/* The inside of the database layer: members wait in queues, ride in units, units travel on
 * connections. Only src/db includes it (and its unit tests). Picture:
 *
 *   db_submit -> member -> queue of its statement -> unit (one execution, one Sync) -> db_conn ->
 * PostgreSQL lane.c                              lane.c, encode.c                  conn.c,
 * connect.c scope->want_tx: member -> tx -> leased db_conn lease.c
 *
 * What must stay true: a member is in exactly one place (a queue, a unit, a tx, the failing list or
 * the pool); replies are expected in the order in which things were sent. */
#pragma once

#include <libpq-fe.h>

#include "base/list.h"
#include "db/db.h"

#define DB_PARAMS_MAX 128   /* on the wire: array parameters of batched statements take two */
#define DB_INLINE_BYTES 384 /* encoded arguments that need no memory of their own */
#define DB_KEEP_BYTES 16384 /* larger argument buffers are given back at once */
#define DB_VALUE_BYTES_MAX (32 * 1024 * 1024) /* all arguments of one member */
#define DB_GRACE_NS (1000 * NS_PER_MS)        /* how long requests wait for a lane that is down */
#define DB_TICK_MS 100
#define DB_SILENCE_MS 5000 /* beyond statement_timeout: then the connection counts as dead */
#define DB_QUIET_MS 1000   /* beyond a read's time, and nobody was answered: we are not ready */

struct db_lane;
struct db_tx;
struct db_unit;

/* A statement as this worker uses it. */
struct db_plan {
    const struct db_statement *statement;
    unsigned index;
    Oid *oids[2]; /* of the one and the many form */
    int param_counts[2];
    unsigned batch_max; /* 1: not batched */
};

/* ---- members ---- */

enum member_state { MEMBER_QUEUED, MEMBER_SENT, MEMBER_FAILING };

/* One encoded argument: its bytes follow a big-endian length, just as in an array. */
struct db_slot {
    uint32_t offset; /* of the bytes; the length is in the four before */
    int32_t bytes;   /* -1: NULL */
    uint32_t count;  /* elements of an array parameter */
};

struct db_member {
    struct op op;
    struct list node;
    struct db *db;
    const struct db_plan *plan;
    struct db_queue *queue; /* lanes */
    struct db_tx *tx;       /* or a transaction */
    void *ret;
    PGresult *result; /* in a transaction: kept until the Sync */
    int64_t deadline_ns;
    int64_t asked_ns;
    uint64_t key_hash;
    uint64_t distinct_hash;
    enum member_state state;
    enum reason failed; /* decided by us, not by the database */
    bool failed_restart;
    const char *failed_why;
    bool detached;
    bool is_solo; /* in set->solo, or sent from there */
    bool alone;   /* shares a unit with nobody */
    bool resent;  /* went down with a connection once */
    uint32_t rewinds;
    uint32_t cursor; /* rows decoded so far */
    uint32_t data_cap;
    uint8_t *data; /* struct db_slot per parameter, then the bytes */
    _Alignas(8) uint8_t inline_data[DB_INLINE_BYTES];
};

static inline const struct db_slot *member_slots(const struct db_member *m)
{
    return (const void *)m->data;
}

/* Generic plans made while a table is young and empty would scan or hash it for ever after: every
 * statement here goes by a key for a handful of rows, so nested loops over indexes are right from
 * the first row on (measured: paying on fresh tables 758/s with the planner's choice, 2735/s so).
 */
#define DB_PLANNER_SETTINGS                                                                        \
    "-c plan_cache_mode=force_generic_plan -c enable_seqscan=off -c enable_mergejoin=off "         \
    "-c enable_hashjoin=off -c enable_memoize=off"

/* ---- queues and lanes ---- */

/* Those who wait for one statement. */
struct db_queue {
    struct list members;
    struct list ready; /* in set->ready while not empty */
    struct db_queue_set *set;
    const struct db_plan *plan;
    uint32_t count;
};

/* Those who wait for a connection, and how fast it is given to others. */
struct db_wait {
    uint32_t count;
    uint32_t paced_members;
    int64_t paced_ns;    /* in which @paced_members came back while others waited */
    int64_t progress_ns; /* when they began to wait, or something came back */
};

/* What one write lane, or all read lanes together, have to do. */
struct db_queue_set {
    struct list ready; /* queues with members, longest waiting first */
    struct list solo;  /* members of a failed batch, to be executed alone, before everything else */
    struct db_queue *queues; /* one per plan */
    struct db_wait wait;
    int64_t down_since_ns; /* 0: at least one lane is up */
};

struct db_reply {
    enum db_reply_kind {
        REPLY_PREPARE,
        REPLY_DESCRIBE,
        REPLY_EXEC,
        REPLY_COMMAND,
        REPLY_COMMIT,
        REPLY_SET, /* before a unit, in a transaction of its own */
        REPLY_SET_SYNC,
        REPLY_SYNC
    } kind;
    bool is_many;
    const struct db_plan *plan;
    struct db_member *member; /* REPLY_EXEC in a transaction */
};

/* What the server said about a unit that failed. */
struct db_failure {
    bool set;
    bool after_result; /* the statement had succeeded: the failure came with the commit */
    char sqlstate[6];
    struct op_error error;
};

enum unit_kind {
    UNIT_SETUP, /* preparing and describing on the first connection */
    UNIT_CHECK, /* do the mapped constraints exist? */
    UNIT_EXEC,  /* a lane's execution */
    UNIT_TX,    /* statements inside a transaction */
    UNIT_COMMIT,
    UNIT_ROLLBACK,
};

struct db_unit {
    struct list node; /* in conn->units or db->units_free */
    enum unit_kind kind;
    const struct db_plan *plan;
    struct db_tx *tx;
    PGresult *result; /* kept until the Sync: before that nothing is committed */
    bool is_many;
    bool was_prepared_again;
    uint32_t races; /* lost, and run again */
    int64_t sent_ns;
    uint32_t timeout_ms; /* of its statement, in a lane; 0: the longest */
    struct db_failure failure;
    unsigned count;
    struct db_member **members; /* db->unit_cap of them */
};

enum conn_state {
    CONN_OFF,        /* not wanted yet */
    CONN_RESOLVING,  /* a helper thread looks up the host names */
    CONN_CONNECTING, /* PQconnectPoll */
    CONN_SETUP,      /* the first connection only: statements are prepared and described */
    CONN_READY,
    CONN_BROKEN,  /* failed; torn down at the end of the loop turn */
    CONN_WAITING, /* until the next attempt */
};

/* A statement's form on one connection. */
struct db_prepared {
    bool is_there;
    uint8_t generation; /* of its name */
    uint32_t uses;      /* executions so far, also under earlier names */
};

struct db_conn {
    struct db *db;
    enum conn_state state;
    PGconn *pg;
    ev_io io;
    ev_timer timer; /* connect timeout, then backoff */
    struct loop_task broken_task;
    bool is_writing;     /* PQflush had more to send */
    bool was_up;         /* counted in connections_up */
    uint32_t attempts;   /* since it was last up */
    uint32_t hosts_from; /* the host of several that this attempt begins with */
    struct list units;   /* sent, oldest first */
    struct db_reply *replies;
    uint32_t reply_head, reply_count, reply_cap; /* a ring; cap is a power of two */
    struct db_prepared *prepared;                /* per plan and form */
    uint32_t timeout_ms;                         /* the session's statement_timeout; 0: not known */
    int64_t progress_ns;                         /* when the oldest unit became the oldest */
    struct db_lane *lane;
    struct db_lease *lease;
    struct resolve *resolve;
    char error[200];
};

struct db_lane {
    struct db_conn conn;
    struct db_queue_set *set;
    uint32_t depth;
    uint32_t in_flight;
    uint8_t *batches; /* per plan: batched units in flight (at most 1, so that batches can form) */
    const struct db_plan *linger_plan; /* its batch waits until it has linger_count members */
    unsigned linger_count;
    ev_timer linger; /* or until then */
};

/* ---- transactions ---- */

enum tx_state {
    TX_WAITING, /* no connection yet */
    TX_OPEN,
    TX_COMMITTING,
    TX_ROLLING_BACK, /* nobody waits for it any more */
    TX_LOST,         /* the connection went away */
};

struct db_tx {
    struct list node; /* in db->tx_waiting while TX_WAITING */
    struct db *db;
    struct op_scope *scope; /* NULL: given up */
    struct db_lease *lease;
    enum tx_state state;
    bool begun;          /* BEGIN was sent */
    struct list queued;  /* members not sent yet */
    struct op commit_op; /* waits for COMMIT */
    struct op_error commit_error;
    struct loop_task commit_task; /* a commit that needs no server */
    int64_t deadline_ns;
    int64_t asked_ns; /* for its COMMIT */
};

struct db_lease {
    struct db_conn conn;
    struct db_tx *tx;
};

/* ---- the worker's database ---- */

struct db {
    struct loop *loop;
    struct db_limits limits;
    char *conninfo;
    void (*on_state)(void *ctx, int state);
    void *ctx;
    struct db_plan *plans;
    unsigned plan_count;
    uint32_t *plan_index; /* hash of the statement's address -> plan + 1 */
    uint32_t plan_mask;
    bool is_checked; /* statements were described once */
    bool is_up;
    bool is_quiet; /* reads are under way, and the server says nothing */
    bool is_fatal;
    bool is_closing;
    bool wants_primary;    /* one of several addresses, so that another one may take over */
    struct db_lane *lanes; /* writes first */
    unsigned lane_count;
    struct db_queue_set *sets; /* one per write lane, the last for reads */
    unsigned set_count;
    struct db_lease *leases;
    struct list tx_waiting;
    struct db_wait tx_wait; /* of those */
    struct list failing;    /* members to be told at the end of the loop turn */
    struct list members_free;
    unsigned members_free_count;
    struct list units_free;
    unsigned unit_cap;
    uint32_t in_flight;  /* units */
    uint32_t hosts_from; /* as of the connection that was made last, or the next when it failed */
    int64_t ticked_ns;
    int64_t heard_ns; /* when a unit came back, on any connection */
    uint8_t *scratch; /* arrays of the unit being sent */
    size_t scratch_cap;
    struct loop_task pump;
    ev_timer tick;
    struct db_stats stats;
    char error[400];
    char warning[400]; /* of the boot check */
};

/* plan.c */
int db_plans_build(struct db *db, const struct db_statement *const *statements);
void db_plans_free(struct db *db);
const struct db_plan *db_plan_of(const struct db *db, const struct db_statement *statement);
/* The prepared statement's name on a connection; @generation grows when it had to be prepared
 * again. */
void db_plan_name(const struct db_plan *plan, bool is_many, unsigned generation,
                  char ret_name[static 24]);
/* 0, or -EPROTO and db->error when the server describes the statement differently. */
int db_plan_check(struct db *db, const struct db_plan *plan, bool is_many,
                  const PGresult *description);

/* types.c */
Oid db_type_oid(enum db_type type, bool is_array);
bool db_type_matches(enum db_type type, Oid oid);
const char *db_type_name(enum db_type type);

/* encode.c: 0 or -EMSGSIZE. */
int db_encode(struct db_member *m, const struct db_value *values);
struct db_wire {
    const char *values[DB_PARAMS_MAX];
    int bytes[DB_PARAMS_MAX];
    int count;
};
void db_wire_one(const struct db_member *m, struct db_wire *ret_wire);
void db_wire_many(struct db *db, struct db_member *const *members, unsigned count,
                  struct db_wire *ret_wire);
extern const int db_wire_formats[DB_PARAMS_MAX];

/* decode.c: the rows of @result go to the members; what cannot be delivered is noted in
 * member->failed. */
void db_decode_one(struct db_member *m, const PGresult *result);
void db_decode_many(struct db_member *const *members, unsigned count, const PGresult *result);

/* error.c */
void db_failure_set(struct db_failure *f, const PGresult *result, bool after_result);
void db_failure_make(struct db_failure *f, enum reason reason, const char *sqlstate,
                     const char *detail);
bool db_failure_is_rewind(const struct db_failure *f);
bool db_failure_is_stale_plan(const struct db_failure *f);
/* The schema, or what this role may do with it, is not what the program was made for: trying again
 * helps nobody. What is only in the way for a moment (locks, a cancel) is none. */
bool db_failure_is_misfit(const struct db_failure *f);
/* A CHECK that reasons.def maps to CONFLICT: the statement decided by its snapshot, and the row
 * that it then waited for had less. Nothing has happened. */
bool db_failure_is_lost_race(const struct db_failure *f);
/* It says something about the request, not about the database: members of a batch are then tried
 * alone. */
bool db_failure_is_personal(const struct db_failure *f);

/* member.c */
struct db_member *db_member_new(struct db *db);
void db_member_free(struct db_member *m);
void db_member_start(struct db_member *m, struct op_scope *scope);
/* Ends the member: tells its scope unless detached, and frees it. */
void db_member_done(struct db_member *m, const struct op_error *error);
/* The same at the end of this loop turn, never inside the caller's step. */
void db_member_fail_later(struct db_member *m, enum reason reason, bool restart, const char *why);
void db_members_fail(struct db *db);
struct db_unit *db_unit_new(struct db *db, enum unit_kind kind);
void db_unit_free(struct db *db, struct db_unit *unit);

/* connect.c */
void db_conn_init(struct db_conn *conn, struct db *db);
void db_conn_start(struct db_conn *conn);
void db_conn_deinit(struct db_conn *conn);
void db_conn_retry_later(struct db_conn *conn);
void db_conn_poll(struct db_conn *conn);
/* As far as the server has told: it does with the next answer after a change. */
bool db_conn_is_read_only(const struct db_conn *conn);

/* resolve.c. What is said of @keyword, in libpq's order: the string, a service, the environment;
 * NULL: nothing, or the service says it. */
const char *resolve_given(const PQconninfoOption *options, const char *keyword, const char *env);
/* Names to addresses on a helper thread; on_done on the loop with "hostaddr" lists, or NULL and an
 * error. */
struct resolve;
bool resolve_is_needed(const PQconninfoOption *options);
struct resolve *resolve_start(struct loop *loop, const PQconninfoOption *options,
                              void (*on_done)(void *ctx, struct resolve *resolve), void *ctx);
/* False with *ret_error set when no name has an address. The strings live until resolve_free. */
bool resolve_result(const struct resolve *r, const char **ret_host, const char **ret_hostaddr,
                    const char **ret_port, const char **ret_error);
/* Also while it is still running: then it waits for the thread. */
void resolve_free(struct resolve *r);

/* conn.c */
bool db_conn_is_ready(const struct db_conn *conn);
/* The oldest under way, which is answered next; NULL: none. */
struct db_unit *db_conn_unit(const struct db_conn *conn);
void db_conn_up(struct db_conn *conn);
void db_conn_io(struct db_conn *conn, int events);
/* Tears it down at the end of this loop turn. */
void db_conn_break(struct db_conn *conn, const char *why);
/* The same, by the server's own word: it is there. */
void db_conn_ended(struct db_conn *conn, const char *why);
void db_conn_lost(struct db_conn *conn);
void db_conn_watch(struct db_conn *conn);
/* @unit is the next to be sent; what follows belongs to it, up to db_conn_send_sync. False: the
 * connection broke. */
void db_conn_push(struct db_conn *conn, struct db_unit *unit);
bool db_conn_send_command(struct db_conn *conn, const char *sql, enum db_reply_kind kind);
/* Text parameters and results; not prepared. */
bool db_conn_send_query(struct db_conn *conn, const char *sql, int count,
                        const char *const *values);
bool db_conn_send_prepare(struct db_conn *conn, const struct db_plan *plan, bool is_many);
bool db_conn_send_describe(struct db_conn *conn, const struct db_plan *plan, bool is_many);
/* Forgets that it was prepared: the next execution prepares it under a new name. */
void db_conn_forget_plan(struct db_conn *conn, const struct db_plan *plan, bool is_many);
bool db_conn_send_exec(struct db_conn *conn, const struct db_plan *plan, bool is_many,
                       const struct db_wire *wire, struct db_member *member);
bool db_conn_send_sync(struct db_conn *conn);
/* Makes the session's statement_timeout fit @deadline_ns. */
bool db_conn_set_timeout(struct db_conn *conn, int64_t deadline_ns);

/* setup.c: the boot check on the first connection. */
void db_setup_start(struct db_conn *conn);
void db_setup_done(struct db_conn *conn, struct db_unit *unit);

/* lane.c */
void db_lane_submit(struct db *db, struct db_member *m);
void db_lane_leave(struct db_member *m);
void db_lane_enqueue(struct db_member *m, bool in_front);

void db_lanes_pump(struct db *db);
void db_lane_unit_done(struct db_lane *lane, struct db_unit *unit);
void db_lane_lost(struct db_lane *lane, struct list *units);

/* wait.c: so many more wait; so many have come back; how fast is forgotten. */
void db_wait_count(struct db_wait *wait, int by, int64_t now_ns);
void db_wait_learn(struct db_wait *wait, unsigned members, int64_t now_ns);
void db_wait_forget(struct db_wait *wait);
/* How long a transaction that comes now would wait for its lease. */
int64_t db_wait_lease_ns(const struct db *db);

/* home.c: @m waits in the lane that is its own, or fails where all that could take it are down for
 * too long. */
void db_lane_place(struct db *db, struct db_member *m);
bool db_is_down_long(const struct db *db, const struct db_queue_set *set);
void db_lane_state(struct db_lane *lane);
/* Members that waited too long for a lane that is down go to another, or are told. */
void db_lanes_tick(struct db *db);
void db_lane_fail_set(struct db_queue_set *set);

/* linger.c */
void db_linger_init(struct db_lane *lane);
/* @unit was executed on @lane: the next batch of its plan may wait for those who are now told. */
void db_linger_begin(struct db_lane *lane, const struct db_unit *unit);
bool db_linger_is_on(const struct db_lane *lane, const struct db_queue *q);
void db_linger_end(struct db_lane *lane);

/* lease.c */
void db_tx_submit(struct db *db, struct op_scope *scope, struct db_member *m);
void db_tx_leave(struct db_member *m);
void db_leases_pump(struct db *db);
void db_lease_unit_done(struct db_lease *lease, struct db_unit *unit);
void db_lease_lost(struct db_lease *lease, struct list *units);
void db_leases_tick(struct db *db);
void db_tx_fail_waiting(struct db *db);

/* db.c */
void db_wake(struct db *db);
void db_set_error(struct db *db, const char *format, ...) __attribute__((format(printf, 2, 3)));
void db_update_state(struct db *db);
/* @conn's server has become read-only: @conn breaks, and where there may be another primary so do
 * all connections on which no write is under way. */
void db_demoted(struct db *db, struct db_conn *conn);
/* A unit that can be sent again, elsewhere: a lane's read. */
bool db_unit_is_read(const struct db_unit *unit);
void db_fatal(struct db *db);
