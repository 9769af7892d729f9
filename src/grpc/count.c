/* Numbers of the server that belong to no method: named here, shown by /metrics. intake and
 * overload count. What must stay true: a name is never made of what a peer sent. */
#include "grpc/internal.h"

static const struct {
    const char *name;
    const char *help;
} numbers[COUNT_COUNT] = {
    [COUNT_TE_MISSING] = {"calls_without_te_total",
                          "Calls without te: trailers, which some proxies drop."},
    [COUNT_RETRIED] = {"calls_retried_total", "Calls whose client says that it has tried before."},
};

void server_counts_init(struct server *server)
{
    for (unsigned i = 0; i < COUNT_COUNT; i++)
        server->count_metrics[i] = server->obs ? obs_metric(obs_region_of(server->obs),
                                                            numbers[i].name, numbers[i].help, true)
                                               : -1;
}

void server_count(struct server *server, enum server_count which)
{
    server->counts[which]++;
    if (server->count_metrics[which] >= 0)
        obs_add(server->obs, server->count_metrics[which], 1);
}
