/* Lanes: who waits is gathered into units, a unit is one execution and one Sync, its results go
 * back by ordinal.
 *
 *   write lane  one connection, one unit in flight; a key takes the same lane, in order (home.c)
 *   read lanes  share one set of queues; several units in flight each, but one batch per statement
 * and lane, so that the next batch can form behind it
 *
 * A write lane sends what waits as soon as it is free, but for linger.c: batches for one contended
 * row.
 *
 * What must stay true: an error in a batch is nobody's error: its members are then executed alone,
 * in order, before anything else of their lane. But for a lost race, after which all look again. */
#include <stdio.h>

#include "base/check.h"
#include "db/internal.h"

#define BLOCKED_MAX 32    /* keys that a batch must not overtake; more end the gathering */
#define READ_SHARE_MIN 32 /* a read batch is not split over idle lanes below this */

/* ---- queues ---- */

static uint64_t hash_slot(const struct db_member *m, int param)
{
    if (param < 0)
        return 0;
    const struct db_slot *slot = &member_slots(m)[param];
    return str_hash((struct str){.p = (const char *)m->data + slot->offset,
                                 .n = slot->bytes < 0 ? 0 : (size_t)slot->bytes});
}

static void count(struct db_queue_set *set, struct db *db, int by)
{
    db_wait_count(&set->wait, by, db->loop->now_ns);
    db->stats.queue_now = (uint64_t)((int64_t)db->stats.queue_now + by);
}

void db_lane_enqueue(struct db_member *m, bool in_front)
{
    struct db_queue *q = m->queue;
    m->state = MEMBER_QUEUED;
    if (in_front)
        list_prepend(&q->members, &m->node);
    else
        list_append(&q->members, &m->node);
    if (q->count++ == 0)
        list_append(&q->set->ready, &q->ready);
    count(q->set, m->db, 1);
}

static void enqueue_solo(struct db_member *m)
{
    m->state = MEMBER_QUEUED;
    m->is_solo = true;
    list_prepend(&m->queue->set->solo, &m->node);
    count(m->queue->set, m->db, 1);
}

void db_lane_leave(struct db_member *m)
{
    struct db_queue *q = m->queue;
    list_remove(&m->node);
    count(q->set, m->db, -1);
    if (!m->is_solo && --q->count == 0)
        list_remove(&q->ready);
}

void db_lane_submit(struct db *db, struct db_member *m)
{
    m->key_hash = hash_slot(m, m->plan->statement->key_param);
    m->distinct_hash = hash_slot(m, m->plan->statement->distinct_param);
    db_lane_place(db, m);
    db_wake(db);
}

/* ---- gathering ---- */

static bool contains(const uint64_t *hashes, unsigned n, uint64_t hash)
{
    for (unsigned i = 0; i < n; i++)
        if (hashes[i] == hash)
            return true;
    return false;
}

static bool has_distinct(const struct db_unit *unit, uint64_t hash)
{
    for (unsigned i = 0; i < unit->count; i++)
        if (unit->members[i]->distinct_hash == hash)
            return true;
    return false;
}

static bool is_late(const struct db_member *m)
{
    return m->deadline_ns <= m->db->loop->now_ns;
}

static void board(struct db_unit *unit, struct db_member *m)
{
    db_lane_leave(m);
    m->state = MEMBER_SENT;
    unit->members[unit->count++] = m;
}

/* Takes up to @max members of one statement, in order. Who may not ride along (same distinct value
 * as somebody aboard) stays, and so does everybody behind him with the same key. */
static void gather(struct db_unit *unit, struct db_queue *q, unsigned max)
{
    const struct db_statement *s = q->plan->statement;
    uint64_t blocked[BLOCKED_MAX];
    unsigned blocked_count = 0;
    list_for_each(node, &q->members) {
        struct db_member *m = list_entry(node, struct db_member, node);
        if (unit->count == max || blocked_count == BLOCKED_MAX)
            break;
        if (is_late(m)) {
            db_lane_leave(m);
            db_member_fail_later(m, REASON_DEADLINE_PASSED, false,
                                 "the deadline passed in the queue");
            continue;
        }
        if (m->alone && unit->count > 0)
            break;
        if (contains(blocked, blocked_count, m->key_hash))
            continue;
        if (s->distinct_param >= 0 && has_distinct(unit, m->distinct_hash)) {
            blocked[blocked_count++] = m->key_hash;
            continue;
        }
        board(unit, m);
        if (m->alone)
            break;
    }
}

/* ---- sending ---- */

static void count_batch(struct db_stats *stats, unsigned members)
{
    unsigned i = members <= 1 ? 0 : 32u - (unsigned)__builtin_clz(members - 1);
    stats->batch_sizes[i < 8 ? i : 8]++;
    stats->units++;
    stats->members += members;
    if (members > stats->batch_members_max)
        stats->batch_members_max = members;
}

static void send_unit(struct db_lane *lane, struct db_unit *unit)
{
    struct db_conn *conn = &lane->conn;
    const struct db_plan *plan = unit->plan;
    struct db_wire wire;
    int64_t deadline_ns = 0;
    for (unsigned i = 0; i < unit->count; i++)
        if (unit->members[i]->deadline_ns > deadline_ns)
            deadline_ns = unit->members[i]->deadline_ns;
    unit->is_many = unit->count > 1 || !plan->statement->sql_one;
    lane->in_flight++;
    if (plan->batch_max > 1)
        lane->batches[plan->index]++;
    if (unit->is_many)
        db_wire_many(conn->db, unit->members, unit->count, &wire);
    else
        db_wire_one(unit->members[0], &wire);
    unit->sent_ns = conn->db->loop->now_ns;
    db_conn_push(conn, unit);
    bool good = db_conn_set_timeout(conn, deadline_ns);
    unit->timeout_ms = conn->timeout_ms;
    if (good && db_conn_send_exec(conn, plan, unit->is_many, &wire, NULL))
        db_conn_send_sync(conn);
}

/* The free lane with the least to do; *ret_free how many there are. */
static struct db_lane *pick(struct db_lane *lanes, unsigned n, const struct db_plan *plan,
                            unsigned *ret_free)
{
    struct db_lane *best = NULL;
    *ret_free = 0;
    for (unsigned i = 0; i < n; i++) {
        struct db_lane *lane = &lanes[i];
        if (!db_conn_is_ready(&lane->conn) || lane->in_flight >= lane->depth)
            continue;
        if (plan->batch_max > 1 && lane->batches[plan->index] > 0)
            continue;
        ++*ret_free;
        if (!best || lane->in_flight < best->in_flight)
            best = lane;
    }
    return best;
}

static bool send_solo(struct db *db, struct db_queue_set *set, struct db_lane *lanes, unsigned n)
{
    unsigned free_lanes;
    struct db_member *m = list_entry(set->solo.next, struct db_member, node);
    struct db_lane *lane = pick(lanes, n, m->plan, &free_lanes);
    if (!lane)
        return false;
    if (is_late(m)) {
        db_lane_leave(m);
        db_member_fail_later(m, REASON_DEADLINE_PASSED, false, "the deadline passed in the queue");
        return true;
    }
    struct db_unit *unit = db_unit_new(db, UNIT_EXEC);
    unit->plan = m->plan;
    board(unit, m);
    count_batch(&db->stats, 1);
    send_unit(lane, unit);
    return true;
}

static bool send_queue(struct db *db, struct db_queue *q, struct db_lane *lanes, unsigned n)
{
    unsigned free_lanes;
    struct db_lane *lane = pick(lanes, n, q->plan, &free_lanes);
    if (!lane || db_linger_is_on(lane, q))
        return false;
    db_linger_end(lane);
    unsigned max = q->plan->batch_max;
    if (max > 1 && free_lanes > 1) {
        unsigned share = (q->count + free_lanes - 1) / free_lanes;
        if (share < READ_SHARE_MIN)
            share = READ_SHARE_MIN;
        max = share < max ? share : max;
    }
    struct db_unit *unit = db_unit_new(db, UNIT_EXEC);
    unit->plan = q->plan;
    gather(unit, q, max);
    if (unit->count == 0) {
        db_unit_free(db, unit);
        return true;
    }
    if (q->count > 0) { /* the others' turn */
        list_remove(&q->ready);
        list_append(&q->set->ready, &q->ready);
    }
    count_batch(&db->stats, unit->count);
    send_unit(lane, unit);
    return true;
}

static bool send_next(struct db *db, struct db_queue_set *set, struct db_lane *lanes, unsigned n)
{
    if (!list_is_empty(&set->solo))
        return send_solo(db, set, lanes, n);
    list_for_each(node, &set->ready) {
        if (send_queue(db, list_entry(node, struct db_queue, ready), lanes, n))
            return true;
    }
    return false;
}

void db_lanes_pump(struct db *db)
{
    for (unsigned i = 0; i < db->set_count; i++) {
        bool is_write = i < db->limits.write_lanes;
        unsigned n = is_write ? 1 : db->limits.read_lanes;
        while (db->sets[i].wait.count > 0 && send_next(db, &db->sets[i], &db->lanes[i], n))
            ;
    }
}

/* ---- results ---- */

static void deliver(struct db_unit *unit)
{
    CHECK(unit->result);
    if (unit->is_many)
        db_decode_many(unit->members, unit->count, unit->result);
    else
        db_decode_one(unit->members[0], unit->result);
    for (unsigned i = 0; i < unit->count; i++)
        db_member_done(unit->members[i], NULL);
}

static void fail_all(struct db_unit *unit, const struct op_error *error)
{
    for (unsigned i = 0; i < unit->count; i++) {
        struct op_error own = *error;
        snprintf(own.detail, sizeof own.detail, "%s: %.*s", unit->plan->statement->name, 100,
                 error->detail);
        db_member_done(unit->members[i], &own);
    }
}

/* Nothing has happened, and it will be tried again, for those whose callers still wait. False: for
 * nobody. */
static bool keep_waiting(struct db_unit *unit)
{
    unsigned kept = 0;
    for (unsigned i = 0; i < unit->count; i++) {
        if (unit->members[i]->detached)
            db_member_free(unit->members[i]);
        else
            unit->members[kept++] = unit->members[i];
    }
    unit->count = kept;
    return kept > 0;
}

/* Back to the head of the lane, each to be executed alone. */
static void one_by_one(struct db_unit *unit)
{
    keep_waiting(unit);
    for (unsigned i = unit->count; i-- > 0;)
        enqueue_solo(unit->members[i]);
}

static bool may_rewind(struct db_unit *unit)
{
    struct db_member *m = unit->members[0];
    return unit->count == 1 && db_failure_is_rewind(&unit->failure) &&
           m->rewinds < m->db->limits.rewind_max;
}

/* True: the unit is under way again, as it was: its plan was stale, or somebody took what its
 * snapshot had shown. A new snapshot shows the truth to all of a batch at once. */
static bool send_again(struct db_lane *lane, struct db_unit *unit)
{
    const bool is_stale = db_failure_is_stale_plan(&unit->failure) && !unit->was_prepared_again;
    const bool is_race =
        db_failure_is_lost_race(&unit->failure) && unit->races < lane->conn.db->limits.rewind_max;
    if (!(is_stale || is_race) || !db_conn_is_ready(&lane->conn))
        return false;
    if (is_stale)
        db_conn_forget_plan(&lane->conn, unit->plan, unit->is_many);
    unit->was_prepared_again |= is_stale;
    unit->races += is_race;
    lane->conn.db->stats.rewinds += is_race;
    PQclear(unit->result);
    unit->result = NULL;
    unit->failure.set = false;
    if (keep_waiting(unit))
        send_unit(lane, unit);
    else
        db_unit_free(lane->conn.db, unit);
    return true;
}

static void leave_lane(struct db_lane *lane, const struct db_unit *unit)
{
    lane->in_flight--;
    if (unit->plan->batch_max > 1)
        lane->batches[unit->plan->index]--;
}

void db_lane_unit_done(struct db_lane *lane, struct db_unit *unit)
{
    struct db *db = lane->conn.db;
    const struct db_failure *f = &unit->failure;
    leave_lane(lane, unit);
    db_wait_learn(&lane->set->wait, unit->count, db->loop->now_ns);
    db_wake(db);
    if (!f->set) {
        db_linger_begin(lane, unit);
        deliver(unit);
    } else if (send_again(lane, unit)) {
        return;
    } else if (unit->count > 1 && db_failure_is_personal(f)) {
        db->stats.solo_fallbacks++;
        one_by_one(unit);
    } else if (may_rewind(unit)) {
        db->stats.rewinds++;
        unit->members[0]->rewinds++;
        one_by_one(unit);
    } else {
        fail_all(unit, &f->error);
    }
    if (f->set && strcmp(f->sqlstate, "25006") == 0)
        db_demoted(db, &lane->conn);
    db_unit_free(db, unit);
}

/* Back to their queue, in front, in order; each once. */
static void requeue(struct db_unit *unit)
{
    keep_waiting(unit);
    for (unsigned i = unit->count; i-- > 0;) {
        struct db_member *m = unit->members[i];
        m->resent = true;
        if (m->is_solo)
            enqueue_solo(m);
        else
            db_lane_enqueue(m, true);
    }
}

static bool were_resent(const struct db_unit *unit)
{
    for (unsigned i = 0; i < unit->count; i++)
        if (unit->members[i]->resent)
            return true;
    return false;
}

static void unit_lost(struct db_lane *lane, struct db_unit *unit)
{
    /* The server said no before it died: nothing has happened. A read never does anything. */
    bool nothing_happened =
        db_unit_is_read(unit) || (unit->failure.set && !unit->failure.error.unknown);
    leave_lane(lane, unit);
    if (nothing_happened && !were_resent(unit)) {
        requeue(unit);
        return;
    }
    struct op_error error = {.reason = nothing_happened ? REASON_DATABASE_UNAVAILABLE
                                                        : REASON_OUTCOME_UNKNOWN,
                             .unknown = !nothing_happened};
    snprintf(error.detail, sizeof error.detail, "connection lost: %.*s", 100, lane->conn.error);
    fail_all(unit, &error);
}

void db_lane_lost(struct db_lane *lane, struct list *units)
{
    struct list *node;
    /* Newest first, so that those who go back to the head of a queue stand there in order. */
    while (!list_is_empty(units)) {
        node = units->prev;
        list_remove(node);
        struct db_unit *unit = list_entry(node, struct db_unit, node);
        if (unit->kind == UNIT_EXEC)
            unit_lost(lane, unit);
        db_unit_free(lane->conn.db, unit);
    }
}
