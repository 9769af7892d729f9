/* What h2 counts, for /metrics: connections closed and streams refused by cause, bytes held.
 * worker.c registers before the fork and publishes with its other numbers. What must stay true: the
 * labels are the program's own words. */
#pragma once

#include "h2/h2.h"
#include "obs/obs.h"

void h2_metrics_register(struct obs_region *region);
void h2_metrics_publish(struct obs *obs, const struct h2_stats *stats);
