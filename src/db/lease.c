/* Transactions over several steps of a call: a leased connection, BEGIN in the same flight as the
 * first statement, COMMIT as the point of no return.
 *
 *   WAITING -> OPEN -> COMMITTING -> (gone)          scope waits for the commit op
 *                  \-> ROLLING_BACK -> (gone)        nobody waits
 *                  \-> LOST                          the scope learns it with its next statement
 *
 * The runner drives it through db_tx; statements come from db.c when scope->want_tx.
 * What must stay true: a lease goes back to the pool outside of any transaction; scope->lease is
 * NULL or ours. */
#include <stdio.h>
#include <stdlib.h>

#include "base/check.h"
#include "db/internal.h"

#define PACE_NS_MAX NS_PER_S /* older, and it says nothing */

static void count(struct db *db, int by)
{
    db->stats.queue_now = (uint64_t)((int64_t)db->stats.queue_now + by);
}

static void on_commit_task(struct loop_task *task);

static struct db_tx *tx_new(struct db *db, struct op_scope *scope)
{
    struct db_tx *tx = calloc(1, sizeof *tx);
    CHECK(tx);
    tx->db = db;
    tx->scope = scope;
    tx->deadline_ns = scope->deadline_ns ? scope->deadline_ns : INT64_MAX;
    list_init(&tx->node);
    list_init(&tx->queued);
    loop_task_init(&tx->commit_task, on_commit_task);
    scope->lease = tx;
    return tx;
}

static void leave_queue(struct db_tx *tx)
{
    if (!list_is_empty(&tx->node))
        db_wait_count(&tx->db->tx_wait, -1, tx->db->loop->now_ns);
    list_remove(&tx->node);
}

/* The lease, if any, is free for the next. */
static void give_back(struct db_tx *tx)
{
    if (!tx->lease)
        return;
    db_wait_learn(&tx->db->tx_wait, 1, tx->db->loop->now_ns);
    tx->lease->tx = NULL;
    tx->lease = NULL;
    db_wake(tx->db);
}

/* The scope forgets the transaction. */
static void tx_free(struct db_tx *tx)
{
    CHECK(list_is_empty(&tx->queued));
    leave_queue(tx);
    loop_task_cancel(&tx->commit_task);
    if (tx->scope)
        tx->scope->lease = NULL;
    give_back(tx);
    free(tx);
}

static void fail_queued(struct db_tx *tx, enum reason reason, bool restart, const char *why)
{
    struct list *node;
    while ((node = list_pop(&tx->queued)) != NULL) {
        count(tx->db, -1);
        db_member_fail_later(list_entry(node, struct db_member, node), reason, restart, why);
    }
}

static bool is_db_down_long(const struct db *db)
{
    for (unsigned i = 0; i < db->set_count; i++)
        if (!db_is_down_long(db, &db->sets[i]))
            return false;
    return true;
}

/* ---- what the scope asks for ---- */

/* Before it begins, also anew: nothing is undone by it. Leases are waited for seldom, and so the
 * pace of one bad moment would be believed for hours. */
static bool is_crowded(struct db *db)
{
    if (db->tx_wait.count == 0 && db->loop->now_ns - db->tx_wait.progress_ns > PACE_NS_MAX)
        db_wait_forget(&db->tx_wait);
    int64_t max_ns = db->limits.lease_wait_max_ms * NS_PER_MS;
    return max_ns > 0 && db_wait_lease_ns(db) > max_ns;
}

void db_tx_submit(struct db *db, struct op_scope *scope, struct db_member *m)
{
    struct db_tx *tx = scope->lease;
    if (!tx && is_crowded(db)) {
        db_member_fail_later(m, REASON_OVERLOADED, false, "too many transactions wait");
        return;
    }
    if (!tx) {
        tx = tx_new(db, scope);
        list_append(&db->tx_waiting, &tx->node);
        db_wait_count(&db->tx_wait, 1, db->loop->now_ns);
    }
    m->tx = tx;
    if (tx->state == TX_LOST) {
        db_member_fail_later(m, REASON_DATABASE_UNAVAILABLE, true,
                             "the transaction's connection was lost");
    } else if (is_db_down_long(db)) {
        db_member_fail_later(m, REASON_DATABASE_UNAVAILABLE, false, "the database is down");
    } else {
        CHECK(tx->state == TX_WAITING || tx->state == TX_OPEN);
        list_append(&tx->queued, &m->node);
        count(db, 1);
        db_wake(db);
    }
}

void db_tx_leave(struct db_member *m)
{
    list_remove(&m->node);
    count(m->db, -1);
}

/* The call is gone while COMMIT is on its way: it may finish, and nobody is told. */
static void on_commit_detach(struct op *op)
{
    struct db_tx *tx = list_entry(op, struct db_tx, commit_op);
    if (tx->scope)
        tx->scope->lease = NULL;
    tx->scope = NULL;
    if (tx->state != TX_COMMITTING) /* nothing to commit: the answer was still to come */
        tx_free(tx);
}

static void commit_done(struct db_tx *tx, const struct op_error *error)
{
    struct op *op = tx->commit_op.scope ? &tx->commit_op : NULL;
    struct op_error copy = error ? *error : (struct op_error){.reason = REASON_NONE};
    if (!op) {
        tx_free(tx);
        return;
    }
    /* The op is the last of it that anybody sees, so it must outlive the freeing of the rest. */
    give_back(tx);
    if (tx->scope) {
        tx->scope->lease = NULL;
        tx->scope->db_ns += tx->db->loop->now_ns - tx->asked_ns;
    }
    tx->scope = NULL;
    if (error)
        tx->db->stats.errors++;
    op_done(op, error ? &copy : NULL);
    tx_free(tx);
}

static void on_commit_task(struct loop_task *task)
{
    struct db_tx *tx = list_entry(task, struct db_tx, commit_task);
    commit_done(tx, tx->commit_error.reason == REASON_NONE ? NULL : &tx->commit_error);
}

static void commit(struct op_scope *scope)
{
    struct db *db = scope->db;
    struct db_tx *tx = scope->lease;
    if (!tx)
        tx = tx_new(db, scope);
    CHECK(list_is_empty(&tx->queued));
    op_start(&tx->commit_op, scope, on_commit_detach);
    tx->asked_ns = db->loop->now_ns;
    if (tx->state != TX_OPEN || !tx->begun) {
        if (tx->state == TX_LOST)
            tx->commit_error = (struct op_error){.reason = REASON_DATABASE_UNAVAILABLE,
                                                 .restart = true,
                                                 .detail = "connection lost before COMMIT"};
        leave_queue(tx);
        loop_defer(db->loop, &tx->commit_task);
        return;
    }
    struct db_conn *conn = &tx->lease->conn;
    struct db_unit *unit = db_unit_new(db, UNIT_COMMIT);
    CHECK(list_is_empty(&conn->units));
    tx->state = TX_COMMITTING;
    scope->commit_sent = true;
    db_conn_push(conn, unit);
    if (db_conn_send_command(conn, "COMMIT", REPLY_COMMIT))
        db_conn_send_sync(conn);
}

static void rollback(struct op_scope *scope)
{
    struct db_tx *tx = scope->lease;
    if (!tx)
        return;
    scope->lease = NULL;
    tx->scope = NULL;
    fail_queued(tx, REASON_CONFLICT, true, "the transaction was given up");
    if (tx->state == TX_OPEN && !tx->commit_op.scope) {
        tx->state = TX_ROLLING_BACK;
        db_wake(tx->db);
    } else if (!tx->commit_op.scope && tx->state != TX_COMMITTING) {
        tx_free(tx);
    }
}

const struct op_tx db_tx = {.commit = commit, .rollback = rollback};

/* ---- what goes out ---- */

/* The deadline is the transaction's, so its settings end with it. */
static bool send_begin(struct db_conn *conn, const struct db_tx *tx)
{
    const struct db_limits *limits = &conn->db->limits;
    int64_t left_ms = (tx->deadline_ns - conn->db->loop->now_ns) / NS_PER_MS;
    if (left_ms > limits->statement_timeout_ms)
        left_ms = limits->statement_timeout_ms;
    if (left_ms < 1)
        left_ms = 1;
    int64_t lock_ms = left_ms < limits->lock_timeout_ms ? left_ms : limits->lock_timeout_ms;
    char statement_timeout[64], lock_timeout[64];
    snprintf(statement_timeout, sizeof statement_timeout, "SET LOCAL statement_timeout = %d",
             (int)left_ms);
    snprintf(lock_timeout, sizeof lock_timeout, "SET LOCAL lock_timeout = %d", (int)lock_ms);
    return db_conn_send_command(conn, "BEGIN", REPLY_COMMAND) &&
           db_conn_send_command(conn, statement_timeout, REPLY_COMMAND) &&
           db_conn_send_command(conn, lock_timeout, REPLY_COMMAND);
}

/* Everything the step started, in one flight. */
static void send_flight(struct db_lease *lease)
{
    struct db_tx *tx = lease->tx;
    struct db_conn *conn = &lease->conn;
    struct db *db = conn->db;
    struct db_unit *unit = db_unit_new(db, UNIT_TX);
    struct list *node;
    bool good = true;
    db_conn_push(conn, unit);
    if (!tx->begun) {
        tx->begun = true;
        good = send_begin(conn, tx);
    }
    while (unit->count < db->unit_cap && (node = list_pop(&tx->queued)) != NULL) {
        struct db_member *m = list_entry(node, struct db_member, node);
        struct db_wire wire;
        bool is_many = !m->plan->statement->sql_one;
        count(db, -1);
        m->state = MEMBER_SENT;
        unit->members[unit->count++] = m;
        if (is_many)
            db_wire_many(db, &m, 1, &wire);
        else
            db_wire_one(m, &wire);
        good = good && db_conn_send_exec(conn, m->plan, is_many, &wire, m);
        db->stats.units++;
        db->stats.members++;
    }
    if (good)
        db_conn_send_sync(conn);
}

static void send_rollback(struct db_lease *lease)
{
    struct db_conn *conn = &lease->conn;
    if (!lease->tx->begun) {
        tx_free(lease->tx);
        return;
    }
    db_conn_push(conn, db_unit_new(conn->db, UNIT_ROLLBACK));
    if (db_conn_send_command(conn, "ROLLBACK", REPLY_COMMAND))
        db_conn_send_sync(conn);
}

/* A free connection, or one that is on its way up. */
static struct db_lease *find_free(struct db *db)
{
    bool is_coming = false;
    for (unsigned i = 0; i < db->limits.leases_max; i++) {
        struct db_lease *lease = &db->leases[i];
        if (lease->tx)
            continue;
        if (db_conn_is_ready(&lease->conn) && list_is_empty(&lease->conn.units))
            return lease;
        is_coming |= lease->conn.state != CONN_OFF && lease->conn.state != CONN_READY;
    }
    for (unsigned i = 0; i < db->limits.leases_max && !is_coming && db->is_checked; i++) {
        if (db->leases[i].conn.state == CONN_OFF) {
            db_conn_start(&db->leases[i].conn);
            break;
        }
    }
    return NULL;
}

void db_leases_pump(struct db *db)
{
    struct list *node;
    while ((node = list_first(&db->tx_waiting)) != NULL) {
        struct db_lease *lease = find_free(db);
        if (!lease)
            break;
        struct db_tx *tx = list_entry(node, struct db_tx, node);
        leave_queue(tx);
        tx->state = TX_OPEN;
        tx->lease = lease;
        lease->tx = tx;
    }
    for (unsigned i = 0; i < db->limits.leases_max; i++) {
        struct db_lease *lease = &db->leases[i];
        if (!lease->tx || !db_conn_is_ready(&lease->conn) || !list_is_empty(&lease->conn.units))
            continue;
        if (lease->tx->state == TX_ROLLING_BACK)
            send_rollback(lease);
        else if (lease->tx->state == TX_OPEN && !list_is_empty(&lease->tx->queued))
            send_flight(lease);
    }
}

/* ---- what comes back ---- */

static void decode(struct db_member *m)
{
    if (m->plan->statement->sql_one)
        db_decode_one(m, m->result);
    else
        db_decode_many(&m, 1, m->result);
}

/* All rows are in place before the first scope is told: it may go on, or away, at once. */
static void flight_done(struct db_lease *lease, struct db_unit *unit)
{
    const struct db_failure *f = &unit->failure;
    if (db_failure_is_stale_plan(f))
        for (unsigned i = 0; i < unit->count; i++)
            db_conn_forget_plan(&lease->conn, unit->members[i]->plan,
                                !unit->members[i]->plan->statement->sql_one);
    for (unsigned i = 0; i < unit->count && !f->set; i++) {
        CHECK(unit->members[i]->result);
        decode(unit->members[i]);
    }
    for (unsigned i = 0; i < unit->count; i++)
        db_member_done(unit->members[i], f->set ? &f->error : NULL);
}

void db_lease_unit_done(struct db_lease *lease, struct db_unit *unit)
{
    struct db *db = lease->conn.db;
    const struct db_failure *f = &unit->failure;
    db_wake(db);
    if (unit->kind == UNIT_TX) {
        flight_done(lease, unit);
    } else {
        if (PQtransactionStatus(lease->conn.pg) != PQTRANS_IDLE)
            db_conn_break(&lease->conn, "the session was left in a transaction");
        if (unit->kind == UNIT_COMMIT)
            commit_done(lease->tx, f->set ? &f->error : NULL);
        else
            tx_free(lease->tx);
    }
    if (f->set && strcmp(f->sqlstate, "25006") == 0)
        db_demoted(db, &lease->conn);
    db_unit_free(db, unit);
}

static void tx_lost(struct db_tx *tx, const struct db_unit *commit)
{
    if (tx->state == TX_OPEN) {
        /* Nothing of it has happened; the scope is told by its next statement, or by those below.
         */
        tx->state = TX_LOST;
        tx->lease->tx = NULL;
        tx->lease = NULL;
        fail_queued(tx, REASON_DATABASE_UNAVAILABLE, true, "the transaction's connection was lost");
    } else if (tx->state == TX_COMMITTING) {
        struct op_error error = {.reason = REASON_OUTCOME_UNKNOWN,
                                 .unknown = true,
                                 .detail = "connection lost during COMMIT"};
        commit_done(tx, commit && commit->failure.set ? &commit->failure.error : &error);
    } else {
        tx_free(tx);
    }
}

void db_lease_lost(struct db_lease *lease, struct list *units)
{
    struct db *db = lease->conn.db;
    struct op_error error = {.reason = REASON_DATABASE_UNAVAILABLE, .restart = true};
    struct list *node = list_first(units);
    struct db_unit *unit = node ? list_entry(node, struct db_unit, node) : NULL;
    snprintf(error.detail, sizeof error.detail, "connection lost: %.*s", 100, lease->conn.error);
    if (lease->tx)
        tx_lost(lease->tx, unit && unit->kind == UNIT_COMMIT ? unit : NULL);
    while ((node = list_pop(units)) != NULL) {
        unit = list_entry(node, struct db_unit, node);
        for (unsigned i = 0; i < unit->count; i++)
            db_member_done(unit->members[i], &error);
        db_unit_free(db, unit);
    }
}

void db_leases_tick(struct db *db)
{
    if (is_db_down_long(db))
        db_tx_fail_waiting(db);
}

void db_tx_fail_waiting(struct db *db)
{
    list_for_each(node, &db->tx_waiting) {
        fail_queued(list_entry(node, struct db_tx, node), REASON_DATABASE_UNAVAILABLE, false,
                    "the database is down");
    }
}
