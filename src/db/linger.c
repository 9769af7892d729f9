/* Batches for one contended row. Who was just answered is often back in a moment, while another
 * worker holds the row: a batch sent at once is half as large, and every batch costs a flush of the
 * log under the row's lock. lane.c begins and ends the wait. What must stay true: nobody waits
 * unless the batch before was several for one key; no longer than half of what that one took. */
#include "db/internal.h"

static bool has_one_key(const struct db_unit *unit)
{
    if (unit->count < 2 || unit->plan->statement->is_read || unit->plan->statement->key_param < 0)
        return false;
    for (unsigned i = 1; i < unit->count; i++)
        if (unit->members[i]->key_hash != unit->members[0]->key_hash)
            return false;
    return true;
}

static void on_timer(struct ev_loop *ev, ev_timer *w, int events)
{
    struct db_lane *lane = w->data;
    (void)ev;
    (void)events;
    lane->linger_count = 0;
    db_wake(lane->conn.db);
}

void db_linger_init(struct db_lane *lane)
{
    ev_timer_init(&lane->linger, on_timer, 0, 0);
    lane->linger.data = lane;
}

void db_linger_begin(struct db_lane *lane, const struct db_unit *unit)
{
    const struct db *db = lane->conn.db;
    if (db->limits.hot_wait_us == 0 || !has_one_key(unit))
        return;
    const int64_t max_ns = db->limits.hot_wait_us * NS_PER_US;
    const int64_t half_ns = (db->loop->now_ns - unit->sent_ns) / 2;
    const unsigned count = unit->count + unit->members[0]->queue->count;
    lane->linger_plan = unit->plan;
    lane->linger_count = count < unit->plan->batch_max ? count : unit->plan->batch_max;
    ev_timer_set(&lane->linger, (double)(half_ns < max_ns ? half_ns : max_ns) / NS_PER_S, 0);
    ev_timer_start(db->loop->ev, &lane->linger);
}

bool db_linger_is_on(const struct db_lane *lane, const struct db_queue *q)
{
    return lane->linger_plan == q->plan && q->count < lane->linger_count;
}

void db_linger_end(struct db_lane *lane)
{
    lane->linger_count = 0;
    ev_timer_stop(lane->conn.db->loop->ev, &lane->linger);
}
