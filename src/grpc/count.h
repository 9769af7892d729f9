/* Numbers of the server that belong to no method. intake and overload count, count.c names them for
 * /metrics. */
#pragma once

struct server;

enum server_count {
    COUNT_TE_MISSING,
    COUNT_NOT_BELIEVED,
    COUNT_RETRIED,
    COUNT_SHED_CALLS,
    COUNT_SHED_METHOD,
    COUNT_SHED_LAG,
    COUNT_SHED_QUEUE,
    COUNT_SHED_DEADLINE,
    COUNT_COUNT,
};

void server_counts_init(struct server *server);
/* One more. */
void server_count(struct server *server, enum server_count which);
