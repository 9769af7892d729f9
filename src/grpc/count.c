/* Numbers of the server that belong to no method: named here, shown by /metrics. intake and
 * overload count. What must stay true: a name is never made of what a peer sent. */
#include "grpc/internal.h"

static const struct {
    const char *name;
    const char *help;
} numbers[COUNT_COUNT] = {
    [COUNT_TE_MISSING] = {"calls_without_te_total",
                          "Calls without te: trailers, which some proxies drop."},
    [COUNT_NOT_BELIEVED] = {"calls_forwarded_not_believed_total",
                            "Calls with x-forwarded-for of a peer that no listener believes."},
    [COUNT_RETRIED] = {"calls_retried_total", "Calls whose client says that it has tried before."},
    [COUNT_SHED_CALLS] = {"calls_shed_in_flight_total",
                          "Calls refused because too many were in flight."},
    [COUNT_SHED_METHOD] = {"calls_shed_method_total",
                           "Calls refused because too many of their method were in flight."},
    [COUNT_SHED_LAG] = {"calls_shed_lag_total", "Calls refused because the loop was late."},
    [COUNT_SHED_QUEUE] =
        {"calls_shed_queue_total",
         "Calls refused because they would have waited too long for the database."},
    [COUNT_SHED_DEADLINE] = {"calls_shed_deadline_total",
                             "Calls refused under load because their deadline was too near."},
};

static int name_one(struct obs_region *region, unsigned which)
{
    return obs_metric(region, numbers[which].name, numbers[which].help, OBS_COUNTER);
}

void server_metrics(struct obs_region *region)
{
    for (unsigned i = 0; i < COUNT_COUNT; i++)
        (void)name_one(region, i);
}

void server_counts_init(struct server *server)
{
    for (unsigned i = 0; i < COUNT_COUNT; i++)
        server->count_metrics[i] = server->obs ? name_one(obs_region_of(server->obs), i) : -1;
}

void server_count(struct server *server, enum server_count which)
{
    server->counts[which]++;
    if (server->count_metrics[which] >= 0)
        obs_add(server->obs, server->count_metrics[which], 1);
}
