/* How long who comes now would wait: how many wait already, times how fast others came back lately.
 * Of lanes the worker hands it to grpc's admission; of leases db_tx_submit asks, because nobody
 * else knows who will want one. The age of the oldest would say it too late: until it is old, all
 * that is offered would have been let in. What must stay true: it costs a look at each queue set
 * and lease, not at who waits; what is down says nothing, its requests are told soon enough. */
#include "db/internal.h"

#define PACE_MEMBERS 512 /* what the pace is learnt from: about so many of the last */

void db_wait_count(struct db_wait *wait, int by, int64_t now_ns)
{
    if (wait->count == 0)
        wait->progress_ns = now_ns;
    wait->count = (uint32_t)((int)wait->count + by);
}

void db_wait_forget(struct db_wait *wait)
{
    wait->paced_ns = 0;
    wait->paced_members = 0;
}

/* Only while others wait is it the database that sets the pace. */
void db_wait_learn(struct db_wait *wait, unsigned members, int64_t now_ns)
{
    if (wait->count > 0) {
        wait->paced_ns += now_ns - wait->progress_ns;
        wait->paced_members += members;
    }
    if (wait->paced_members > PACE_MEMBERS) {
        wait->paced_ns /= 2;
        wait->paced_members /= 2;
    }
    wait->progress_ns = now_ns;
}

static int64_t behind_ns(const struct db_wait *wait, uint32_t count, int64_t now_ns)
{
    if (count == 0)
        return 0;
    int64_t expected_ns = wait->paced_members ? count * wait->paced_ns / wait->paced_members : 0;
    int64_t stalled_ns = now_ns - wait->progress_ns; /* nothing comes back at all */
    return expected_ns > stalled_ns ? expected_ns : stalled_ns;
}

static int64_t set_ns(const struct db_queue_set *set, int64_t now_ns)
{
    return set->down_since_ns == 0 ? behind_ns(&set->wait, set->wait.count, now_ns) : 0;
}

int64_t db_wait_ns(const void *opaque, bool is_read)
{
    const struct db *db = opaque;
    const struct db_queue_set *reads = &db->sets[db->set_count - 1];
    if (is_read)
        return set_ns(reads, db->loop->now_ns);
    int64_t longest_ns = 0;
    for (const struct db_queue_set *set = db->sets; set <= reads; set++) {
        int64_t ns = set_ns(set, db->loop->now_ns);
        if (ns > longest_ns)
            longest_ns = ns;
    }
    return longest_ns;
}

/* Leases are given at the end of the turn: who will have a free one is not waited behind. */
int64_t db_wait_lease_ns(const struct db *db)
{
    uint32_t free_count = 0;
    for (unsigned i = 0; i < db->limits.leases_max; i++)
        free_count += !db->leases[i].tx && db_conn_is_ready(&db->leases[i].conn);
    if (!db->is_up || db->tx_wait.count <= free_count)
        return 0;
    return behind_ns(&db->tx_wait, db->tx_wait.count - free_count, db->loop->now_ns);
}
