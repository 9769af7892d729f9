/* A worker: one event loop with sockets, handlers and database lanes. Also the jobs process, which
 * has no sockets. The supervisor calls it in the child after fork; it returns the child's exit
 * status. */
#pragma once

#include "supervisor/supervisor.h"

/* Names what a worker publishes, at its place in /metrics. worker_run does it as well. */
void worker_metrics(struct obs_region *region);

int worker_run(const struct supervisor_context *context, unsigned slot);
