/* What /metrics and the log say about TLS handshakes. A worker publishes it with its other numbers.
 */
#pragma once

#include "io/conn.h"
#include "obs/obs.h"

/* As far as it is in the log and in the metrics. */
struct tls_seen {
    uint64_t failed, resumed, results[TLS_RESULT_COUNT];
};

void tls_metrics_register(struct obs_region *region);
void tls_metrics_publish(struct obs *obs, const struct conn_stats *conns, struct tls_seen *seen);
