/* What /metrics and the log say about TLS handshakes. A worker publishes it with its other numbers.
 */
#pragma once

#include "io/conn.h"
#include "obs/obs.h"

void tls_metrics_register(struct obs_region *region);
/* @failed_told: how many failures are in the log, updated. */
void tls_metrics_publish(struct obs *obs, const struct conn_stats *conns, uint64_t *failed_told);
