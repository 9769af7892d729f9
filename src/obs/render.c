/* /metrics: all slots summed, in Prometheus' text format 0.0.4 with gRFC A66's names.
 * Called by the supervisor's admin endpoint while workers go on counting. What must stay true: a
 * line is printed only for what was seen, and every label value is the program's own word. */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "obs/internal.h"

static bool is_open(const struct slot *slot)
{
    return __atomic_load_n(&slot->opened, __ATOMIC_ACQUIRE);
}

static void add_cells(uint64_t *sum, const uint64_t *cells, unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        sum[i] += cell_read(&cells[i]);
}

/* The structs of histograms are nothing but cells, so they add up as arrays. */
_Static_assert(sizeof(struct outcome) % sizeof(uint64_t) == 0, "outcome is cells");
_Static_assert(sizeof(struct latency) % sizeof(uint64_t) == 0, "latency is cells");

static struct outcome sum_outcome(const struct obs_region *region, int method, unsigned status)
{
    struct outcome sum = {0};
    for (unsigned i = 0; i < OBS_WORKERS_MAX; i++) {
        const struct slot *slot = &region->slots[i];
        if (is_open(slot) &&
            __atomic_load_n(&slot->statuses_seen[method], __ATOMIC_ACQUIRE) & 1u << status)
            add_cells((uint64_t *)&sum, (const uint64_t *)&slot->outcomes[method][status],
                      sizeof sum / sizeof(uint64_t));
    }
    return sum;
}

static uint32_t statuses_seen(const struct obs_region *region, int method)
{
    uint32_t seen = 0;
    for (unsigned i = 0; i < OBS_WORKERS_MAX; i++) {
        if (is_open(&region->slots[i]))
            seen |= __atomic_load_n(&region->slots[i].statuses_seen[method], __ATOMIC_ACQUIRE);
    }
    return seen;
}

static uint64_t sum_of(const struct obs_region *region, const uint64_t *in_first_slot)
{
    size_t offset = (size_t)((const char *)in_first_slot - (const char *)&region->slots[0]);
    uint64_t sum = 0;
    for (unsigned i = 0; i < OBS_WORKERS_MAX; i++) {
        if (is_open(&region->slots[i]))
            sum += cell_read((const uint64_t *)((const char *)&region->slots[i] + offset));
    }
    return sum;
}

static void head(struct buf *out, const char *name, const char *type, const char *help)
{
    buf_printf(out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

static void render_latency(struct buf *out, const char *name, const char *labels,
                           const struct latency *h)
{
    uint64_t count = 0;
    for (unsigned i = 0; i < OBS_LATENCY_BUCKETS - 1; i++) {
        count += h->buckets[i];
        buf_printf(out, "%s_bucket{%s,le=\"%g\"} %" PRIu64 "\n", name, labels,
                   obs_latency_bounds_us[i] / 1e6, count);
    }
    count += h->buckets[OBS_LATENCY_BUCKETS - 1];
    buf_printf(out, "%s_bucket{%s,le=\"+Inf\"} %" PRIu64 "\n", name, labels, count);
    buf_printf(out, "%s_sum{%s} %" PRIu64 ".%09" PRIu64 "\n", name, labels, h->sum_ns / 1000000000,
               h->sum_ns % 1000000000);
    buf_printf(out, "%s_count{%s} %" PRIu64 "\n", name, labels, count);
}

static void render_sizes(struct buf *out, const char *name, const char *labels,
                         const struct sizes *h)
{
    uint64_t count = 0;
    for (unsigned i = 0; i < SIZE_BUCKETS - 1; i++) {
        count += h->buckets[i];
        buf_printf(out, "%s_bucket{%s,le=\"%" PRIu64 "\"} %" PRIu64 "\n", name, labels,
                   obs_size_bounds[i], count);
    }
    count += h->buckets[SIZE_BUCKETS - 1];
    buf_printf(out, "%s_bucket{%s,le=\"+Inf\"} %" PRIu64 "\n", name, labels, count);
    buf_printf(out, "%s_sum{%s} %" PRIu64 "\n", name, labels, h->sum_bytes);
    buf_printf(out, "%s_count{%s} %" PRIu64 "\n", name, labels, count);
}

enum family {
    FAMILY_DURATION,
    FAMILY_RECEIVED,
    FAMILY_SENT,
    FAMILY_JOB,
    FAMILY_COUNT,
    FAMILY_OTEL = FAMILY_COUNT, /* the first again, under another name, for those who ask */
};

static const struct {
    const char *name;
    const char *help;
    const char *labels; /* of the method and its status */
} families[] = {
    [FAMILY_DURATION] = {"grpc_server_call_duration_seconds",
                         "Time from decoded headers to trailers, reset or abort",
                         "grpc_method=\"%s\",grpc_status=\"%s\""},
    [FAMILY_RECEIVED] = {"grpc_server_call_rcvd_total_compressed_message_size_bytes",
                         "Bytes of messages received per call, as they came, without framing",
                         "grpc_method=\"%s\",grpc_status=\"%s\""},
    [FAMILY_SENT] = {"grpc_server_call_sent_total_compressed_message_size_bytes",
                     "Bytes of messages sent per call, as they went, without framing",
                     "grpc_method=\"%s\",grpc_status=\"%s\""},
    [FAMILY_JOB] = {"faregate_job_duration_seconds", "Time of one run of a background job",
                    "job=\"%s\",status=\"%s\""},
    [FAMILY_OTEL] = {"rpc_server_call_duration_seconds",
                     "Time from decoded headers to trailers, reset or abort",
                     "rpc_system_name=\"grpc\",rpc_method=\"%s\",rpc_response_status_code=\"%s\""},
};

/* Jobs run in the same way as calls, but nobody called them: they are not in gRPC's metrics. */
static bool is_job(const char *name)
{
    return !strchr(name, '/') && strcmp(name, "other") != 0;
}

static void render_outcome(struct buf *out, enum family family, const char *labels,
                           const struct outcome *outcome)
{
    const char *name = families[family].name;
    if (family == FAMILY_RECEIVED)
        render_sizes(out, name, labels, &outcome->received);
    else if (family == FAMILY_SENT)
        render_sizes(out, name, labels, &outcome->sent);
    else
        render_latency(out, name, labels, &outcome->duration);
}

__attribute__((format(printf, 2, 0))) static void append_labels(struct buf *out, const char *format,
                                                                ...)
{
    va_list args;
    char text[METHOD_NAME_BYTES + 128];
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    buf_append(out, text, strlen(text) + 1);
}

static void render_family(const struct obs_region *region, struct buf *out, enum family family)
{
    head(out, families[family].name, "histogram", families[family].help);
    for (int method = 0; method < region->method_count; method++) {
        const char *name = region->methods[method];
        uint32_t seen = is_job(name) == (family == FAMILY_JOB) ? statuses_seen(region, method) : 0;
        if (family == FAMILY_OTEL && strcmp(name, "other") == 0)
            name = "_OTHER";
        for (unsigned status = 0; status < STATUS_COUNT; status++) {
            if (!(seen & 1u << status))
                continue;
            struct outcome sum = sum_outcome(region, method, status);
            struct buf labels = {0};
            append_labels(&labels, families[family].labels, name,
                          status_name((enum status_code)status));
            render_outcome(out, family, (const char *)labels.p, &sum);
            buf_deinit(&labels);
        }
    }
}

void obs_render_otel(struct obs_region *region, struct buf *out)
{
    render_family(region, out, FAMILY_OTEL);
}

static void render_calls(const struct obs_region *region, struct buf *out)
{
    head(out, "grpc_server_call_started_total", "counter", "Calls started");
    for (int i = 0; i < region->method_count; i++)
        if (!is_job(region->methods[i]))
            buf_printf(out, "grpc_server_call_started_total{grpc_method=\"%s\"} %" PRIu64 "\n",
                       region->methods[i], sum_of(region, &region->slots[0].started[i]));
    for (enum family family = 0; family < FAMILY_COUNT; family++)
        render_family(region, out, family);
    head(out, "faregate_refusals_total", "counter", "Calls refused, by reason");
    for (enum reason r = REASON_NONE + 1; r < REASON_COUNT; r++)
        buf_printf(out, "faregate_refusals_total{reason=\"%s\"} %" PRIu64 "\n",
                   reason_info(r)->name, sum_of(region, &region->slots[0].reasons[r]));
}

static void render_steps(const struct obs_region *region, struct buf *out)
{
    head(out, "faregate_step_duration_seconds", "histogram", "Time of one step of a handler");
    for (int step = 0; step < region->step_count; step++) {
        struct latency sum = {0};
        bool seen = false;
        for (unsigned i = 0; i < OBS_WORKERS_MAX; i++) {
            const struct slot *slot = &region->slots[i];
            if (!is_open(slot) || !__atomic_load_n(&slot->step_seen[step], __ATOMIC_ACQUIRE))
                continue;
            seen = true;
            add_cells((uint64_t *)&sum, (const uint64_t *)&slot->steps[step],
                      sizeof sum / sizeof(uint64_t));
        }
        if (!seen)
            continue;
        struct buf labels = {0};
        buf_printf(&labels, "grpc_method=\"%s\",step=\"%s\"",
                   region->methods[region->steps[step].method], region->steps[step].name);
        buf_append(&labels, "", 1);
        render_latency(out, "faregate_step_duration_seconds", (const char *)labels.p, &sum);
        buf_deinit(&labels);
    }
}

static uint64_t longest(const struct obs_region *region, int metric)
{
    uint64_t max = 0;
    for (unsigned i = 0; i < OBS_WORKERS_MAX; i++) {
        if (!is_open(&region->slots[i]))
            continue;
        uint64_t value = cell_read(&region->slots[i].metrics[metric]);
        max = value > max ? value : max;
    }
    return max;
}

static void render_metrics(const struct obs_region *region, struct buf *out)
{
    for (int i = 0; i < region->metric_count; i++) {
        const struct metric_name *metric = &region->metrics[i];
        char name[METRIC_NAME_BYTES + 16];
        const char *prefix = strncmp(metric->name, "grpc_", 5) == 0 ? "" : "faregate_";
        size_t family_bytes = strcspn(metric->name, "{");
        snprintf(name, sizeof name, "%s%.*s", prefix, (int)family_bytes, metric->name);
        if (i == 0 || strncmp(metric->name, region->metrics[i - 1].name, family_bytes) != 0 ||
            region->metrics[i - 1].name[family_bytes] != '{')
            head(out, name, metric->kind == OBS_COUNTER ? "counter" : "gauge", metric->help);
        if (metric->kind == OBS_LONGEST)
            buf_printf(out, "%s%s %g\n", name, metric->name + family_bytes,
                       (double)longest(region, i) / 1e6);
        else
            buf_printf(out, "%s%s %" PRIu64 "\n", name, metric->name + family_bytes,
                       sum_of(region, &region->slots[0].metrics[i]));
    }
}

void obs_render_prometheus(struct obs_region *region, struct buf *out)
{
    render_calls(region, out);
    render_steps(region, out);
    render_metrics(region, out);
}
