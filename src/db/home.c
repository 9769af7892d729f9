/* Which lane a member waits in, and what becomes of those whose lane is down. A key has a lane of
 * its own, so that its requests share batches and do not wait for each other's row locks. When that
 * lane stays down, its keys go to the others, and back when it is up again.
 *
 * What must stay true: nothing hangs on that order but speed. For a moment requests for one key may
 * be under way on two lanes, as they are all the time on those of two workers: the rows' locks put
 * them in an order, which batches take in one direction. What one call submits together is hashed
 * in one turn of the loop, between two changes of a lane's state: it stays together. */
#include "db/internal.h"

bool db_is_down_long(const struct db *db, const struct db_queue_set *set)
{
    return set->down_since_ns != 0 && db->loop->now_ns - set->down_since_ns > DB_GRACE_NS;
}

static struct db_queue_set *least_loaded(struct db *db)
{
    struct db_queue_set *best = NULL;
    unsigned best_load = 0;
    for (unsigned i = 0; i < db->limits.write_lanes; i++) {
        struct db_queue_set *set = &db->sets[i];
        unsigned load =
            set->wait.count + db->lanes[i].in_flight + (set->down_since_ns ? 1u << 20 : 0);
        if (!best || load < best_load) {
            best = set;
            best_load = load;
        }
    }
    return best;
}

/* The lane of a key; while that is down for longer than a moment, one of those that are up. */
static struct db_queue_set *lane_of_key(struct db *db, uint64_t hash)
{
    const unsigned lanes = db->limits.write_lanes;
    struct db_queue_set *own = &db->sets[hash % lanes];
    unsigned up = 0;
    if (!db_is_down_long(db, own))
        return own;
    for (unsigned i = 0; i < lanes; i++)
        up += db->sets[i].down_since_ns == 0;
    unsigned nth = up ? (unsigned)(hash / lanes % up) : 0;
    for (unsigned i = 0; i < lanes && up > 0; i++)
        if (db->sets[i].down_since_ns == 0 && nth-- == 0)
            return &db->sets[i];
    return own;
}

static struct db_queue_set *home_of(struct db *db, const struct db_member *m)
{
    const struct db_statement *s = m->plan->statement;
    struct db_queue_set *set = s->is_read         ? &db->sets[db->set_count - 1]
                               : s->key_param < 0 ? least_loaded(db)
                                                  : lane_of_key(db, m->key_hash);
    return db_is_down_long(db, set) ? NULL : set;
}

void db_lane_place(struct db *db, struct db_member *m)
{
    struct db_queue_set *home = home_of(db, m);
    if (!home) {
        db_member_fail_later(m, REASON_DATABASE_UNAVAILABLE, false, "the lane is down");
        return;
    }
    m->queue = &home->queues[m->plan->index];
    db_lane_enqueue(m, false);
}

void db_lane_state(struct db_lane *lane)
{
    struct db *db = lane->conn.db;
    bool up = false;
    for (unsigned i = 0; i < db->lane_count; i++)
        up |= db->lanes[i].set == lane->set && db_conn_is_ready(&db->lanes[i].conn);
    if (up)
        lane->set->down_since_ns = 0;
    else if (lane->set->down_since_ns == 0)
        lane->set->down_since_ns = db->loop->now_ns;
}

static struct db_member *first_of(struct db_queue_set *set)
{
    struct list *node = list_first(&set->solo);
    if (!node)
        node = list_entry(set->ready.next, struct db_queue, ready)->members.next;
    return list_entry(node, struct db_member, node);
}

void db_lane_fail_set(struct db_queue_set *set)
{
    while (set->wait.count > 0) {
        struct db_member *m = first_of(set);
        db_lane_leave(m);
        db_member_fail_later(m, REASON_DATABASE_UNAVAILABLE, false, "the lane is down");
    }
}

/* Nothing of it was sent: it can as well wait elsewhere, or be told. */
static void rehome(struct db *db, struct db_queue_set *set)
{
    while (set->wait.count > 0) {
        struct db_member *m = first_of(set);
        db_lane_leave(m);
        m->alone |= m->is_solo;
        m->is_solo = false;
        db_lane_place(db, m);
    }
    db_wake(db);
}

void db_lanes_tick(struct db *db)
{
    for (unsigned i = 0; i < db->set_count; i++)
        if (db_is_down_long(db, &db->sets[i]))
            rehome(db, &db->sets[i]);
}
