/* See lanes.h: the lanes of a process, and the sum over all of them. What must stay true: the sum
 * is made of what the processes themselves ask for. */
#include "supervisor/lanes.h"

#include "supervisor/supervisor.h"

/* psql, seed, check, a backup; PostgreSQL keeps three of them for superusers, and a connection that
 * was cut may stay for a moment beside its successor. */
#define CONNECTIONS_SPARE 20

unsigned lanes_workers(const struct config *config, unsigned cpus)
{
    return config->workers ? config->workers : cpus;
}

/* Few write lanes make large batches: more of them than processors only take turns (measured at 64
 * calls in flight, two workers: a booking cost the database 112 us with one lane a worker, 182 us
 * with three). */
struct db_limits lanes_for(const struct config *config, unsigned workers, unsigned cpus,
                           unsigned slot)
{
    struct db_limits limits = config->db;
    if (slot == SLOT_TIMETABLE) /* statements one after the other, on one session if all is well */
        limits.write_lanes = limits.read_lanes = 1;
    if (limits.write_lanes == 0)
        limits.write_lanes = workers ? (cpus + workers - 1) / workers : cpus;
    if (slot < WORKERS_MAX) /* what the other processes do is nobody's call: it can wait */
        limits.lease_wait_max_ms = config->server.queue_wait_max_ms;
    return limits;
}

static unsigned connections_of(const struct config *config, unsigned workers, unsigned cpus,
                               unsigned slot)
{
    const struct db_limits limits = lanes_for(config, workers, cpus, slot);
    return limits.write_lanes + limits.read_lanes + limits.leases_max;
}

unsigned lanes_connections(const struct config *config, unsigned cpus)
{
    unsigned workers = lanes_workers(config, cpus);
    return workers * connections_of(config, workers, cpus, 0) +
           connections_of(config, workers, cpus, SLOT_JOBS) +
           connections_of(config, workers, cpus, SLOT_TIMETABLE) + CONNECTIONS_SPARE;
}
