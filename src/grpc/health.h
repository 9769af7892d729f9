/* Health: one table of what works, read by Check, List and Watch and written by main as things come
 * and go. Names: "" (the whole server), "liveness", "readiness" and every service that is served.
 * What must stay true: only the loop's thread touches it; after health_shutdown nothing changes any
 * more. */
#pragma once

#include <stdbool.h>

#include "base/str.h"
#include "grpc/grpc.h"

struct health;
struct registry;

/* grpc.health.v1.HealthCheckResponse.ServingStatus */
enum health_status {
    HEALTH_UNKNOWN = 0,
    HEALTH_SERVING = 1,
    HEALTH_NOT_SERVING = 2,
    HEALTH_SERVICE_UNKNOWN = 3,
};

extern const struct rpc_service health_service;

/* Whether calls can be answered at all (database reachable, keys fresh): "", "readiness" and every
 * service follow. "liveness" does not: a server that waits for its database must not be restarted
 * for it. At start: not ready. */
void health_set_ready(struct health *h, bool is_ready);
bool health_is_ready(const struct health *h);

/* What one name says, whatever the rest does: a service switched off by staff. HEALTH_UNKNOWN takes
 * it back. -ENOSPC past 32 names. */
int health_set(struct health *h, struct str name, enum health_status status);

/* What Check answers; HEALTH_SERVICE_UNKNOWN for a name that is neither set, nor standard, nor
 * served. */
enum health_status health_get(const struct health *h, const struct registry *registry,
                              struct str name);
