/* Connections and streams that h2 turned away, as Prometheus counters with a cause. See
 * h2_metrics.h. What must stay true: what is registered is published. */
#include "supervisor/h2_metrics.h"

#include <stdio.h>

/* Indices, set once before the fork. */
static int closed_metrics[H2_CLOSE_COUNT], refused_metrics[H2_REFUSAL_COUNT], keepalives_metric,
    held_metric, bytes_metric, held_conns_metric, held_handshakes_metric;

static int register_cause(struct obs_region *region, const char *family, const char *cause,
                          const char *help)
{
    char name[96];
    snprintf(name, sizeof name, "%s{cause=\"%s\"}", family, cause);
    return obs_metric(region, name, help, OBS_COUNTER);
}

void h2_metrics_register(struct obs_region *region)
{
    for (unsigned i = 0; i < H2_CLOSE_COUNT; i++)
        closed_metrics[i] = register_cause(region, "connections_closed_total", h2_close_name(i),
                                           "HTTP/2 connections closed, by cause");
    for (unsigned i = 0; i < H2_REFUSAL_COUNT; i++)
        refused_metrics[i] = register_cause(region, "streams_refused_total", h2_refusal_name(i),
                                            "Streams answered with REFUSED_STREAM, by cause");
    keepalives_metric =
        obs_metric(region, "keepalives_sent_total", "PINGs sent to silent clients", OBS_COUNTER);
    held_metric = obs_metric(region, "reads_held_total",
                             "Times a connection was not read for a while", OBS_COUNTER);
    const char *help = "Times listeners paused because a limit was reached, by cause";
    held_conns_metric = register_cause(region, "accepts_held_total", "conns", help);
    held_handshakes_metric = register_cause(region, "accepts_held_total", "handshakes", help);
    bytes_metric = obs_metric(region, "buffered_bytes",
                              "Bytes of bodies received or queued and not dealt with", OBS_GAUGE);
}

void h2_metrics_publish(struct obs *obs, const struct h2_stats *stats)
{
    for (unsigned i = 0; i < H2_CLOSE_COUNT; i++)
        obs_set_total(obs, closed_metrics[i], stats->conns_closed[i]);
    for (unsigned i = 0; i < H2_REFUSAL_COUNT; i++)
        obs_set_total(obs, refused_metrics[i], stats->streams_refused[i]);
    obs_set_total(obs, keepalives_metric, stats->keepalives_sent);
    obs_set_total(obs, held_metric, stats->reads_held);
    obs_set_total(obs, held_conns_metric, stats->accepts_held_conns);
    obs_set_total(obs, held_handshakes_metric, stats->accepts_held_handshakes);
    obs_set(obs, bytes_metric, stats->buffered_bytes);
}
