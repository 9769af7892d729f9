/* How long who comes now would wait: how many wait already, times how fast members came back
 * lately. The worker hands it to grpc's admission. The age of the oldest would say it too late:
 * until it is old, all that is offered would have been let in. What must stay true: it costs a look
 * at each queue set, not at members; a set that is down says nothing, its requests are told soon
 * enough. */
#include "db/internal.h"

#define PACE_MEMBERS 512 /* what the pace is learnt from: about so many of the last */

/* Only while others wait is it the database that sets the pace. */
void db_wait_learn(struct db_queue_set *set, unsigned members, int64_t now_ns)
{
    if (set->count > 0) {
        set->paced_ns += now_ns - set->progress_ns;
        set->paced_members += members;
    }
    if (set->paced_members > PACE_MEMBERS) {
        set->paced_ns /= 2;
        set->paced_members /= 2;
    }
    set->progress_ns = now_ns;
}

static int64_t wait_ns(const struct db_queue_set *set, int64_t now_ns)
{
    if (set->count == 0 || set->down_since_ns != 0)
        return 0;
    int64_t expected_ns = set->paced_members ? set->count * set->paced_ns / set->paced_members : 0;
    int64_t stalled_ns = now_ns - set->progress_ns; /* nothing comes back at all */
    return expected_ns > stalled_ns ? expected_ns : stalled_ns;
}

static int64_t lease_wait_ns(const struct db *db)
{
    if (list_is_empty(&db->tx_waiting))
        return 0;
    return db->loop->now_ns - list_entry(db->tx_waiting.next, struct db_tx, node)->asked_ns;
}

int64_t db_wait_ns(const void *opaque, bool is_read)
{
    const struct db *db = opaque;
    const struct db_queue_set *reads = &db->sets[db->set_count - 1];
    if (is_read)
        return wait_ns(reads, db->loop->now_ns);
    int64_t longest_ns = lease_wait_ns(db);
    for (const struct db_queue_set *set = db->sets; set <= reads; set++) {
        int64_t ns = wait_ns(set, db->loop->now_ns);
        if (ns > longest_ns)
            longest_ns = ns;
    }
    return longest_ns;
}
