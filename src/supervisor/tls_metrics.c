/* Handshakes by how they ended, in gRFC A118's words, and a log event for those that failed. See
 * tls_metrics.h. What must stay true: the log does not grow with what strangers do. */
#include "supervisor/tls_metrics.h"

#include <stdio.h>

#include "base/clock.h"

/* Indices, set once before the fork. */
static int handshake_metrics[TLS_RESULT_COUNT], resumed_metric;

/* gRFC A118's grpc.server.tls.handshakes, as Prometheus writes it; success twice, by whether a
 * ticket saved the work. */
#define HANDSHAKES "grpc_server_tls_handshakes_total{grpc_tls_handshake_result=\"%s\"%s}"
#define RESUMED ",grpc_tls_handshake_resumed=\"%s_HANDSHAKE\""

static int handshake_metric(struct obs_region *region, enum tls_result result, const char *resumed)
{
    char name[160], label[64] = "";
    if (resumed)
        snprintf(label, sizeof label, RESUMED, resumed);
    snprintf(name, sizeof name, HANDSHAKES, tls_result_name(result), label);
    return obs_metric(region, name, "TLS handshakes by how they ended", OBS_COUNTER);
}

void tls_metrics_register(struct obs_region *region)
{
    resumed_metric = handshake_metric(region, TLS_SUCCESS, "RESUMED");
    for (unsigned i = 0; i < TLS_RESULT_COUNT; i++)
        handshake_metrics[i] = handshake_metric(region, i, i == TLS_SUCCESS ? "FULL" : NULL);
}

/* One event for all that failed since the last time: their number is the peers' choice. */
static void log_failed(struct obs *obs, const struct conn_stats *conns, uint64_t *failed_told)
{
    uint64_t failed = conns->tls_handshakes_failed - *failed_told;
    if (failed == 0)
        return;
    *failed_told = conns->tls_handshakes_failed;
    struct obs_event e = obs_event_begin(obs, "tls_handshake_failed", clock_wall_ns(&clock_system));
    obs_event_str(&e, "result", str_of(tls_result_name(conns->tls_last_failure)));
    obs_event_str(&e, "peer", str_of(conns->tls_last_failure_peer));
    obs_event_int(&e, "count", (int64_t)failed);
    obs_event_end(&e);
}

void tls_metrics_publish(struct obs *obs, const struct conn_stats *conns, uint64_t *failed_told)
{
    obs_set_total(obs, resumed_metric, conns->tls_resumed);
    for (unsigned i = 0; i < TLS_RESULT_COUNT; i++)
        obs_set_total(obs, handshake_metrics[i],
                      conns->tls_results[i] - (i == TLS_SUCCESS ? conns->tls_resumed : 0));
    log_failed(obs, conns, failed_told);
}
