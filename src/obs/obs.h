/* What operators see: one JSON event per call, counters and histograms in shared memory, trace
 * context. Workers write their own slot without locks; the supervisor sums the slots for /metrics.
 * What must stay true: the segment survives a worker's death, and its counters never go back. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/reason.h"
#include "base/str.h"
#include "base/text.h"

struct obs;
struct obs_region; /* the shared segment, made once before fork */

#define OBS_METHODS_MAX 160
#define OBS_STEPS_MAX 1024
#define OBS_GAUGES_MAX 160
#define OBS_WORKERS_MAX 67 /* workers, jobs, timetable, supervisor */

/* An event longer than this loses fields and gains "truncated":true: a pipe takes it whole. */
#define OBS_EVENT_BYTES_MAX 4096
/* Events waiting for obs_flush; before there are more, they are written at once. */
#define OBS_LOG_BYTES_MAX ((size_t)64 * 1024)

/* Upper bounds of the latency buckets in microseconds, gRFC A66's list; the last bucket has no
 * bound. */
extern const uint32_t obs_latency_bounds_us[];
#define OBS_LATENCY_BUCKETS 42

/* Makes the segment (anonymous shared mmap), before fork. Any process may register methods, steps
 * and metrics at any time: all agree on the indices. */
int obs_region_new(struct obs_region **ret_region);
struct obs_region *obs_region_free(struct obs_region *region);

/* Index of a method ("faregate.v1.BookingService/CreateBooking"); the same name gives the same
 * index. Unknown methods share "other": a name from the peer never becomes a label. -ENOSPC when
 * full. */
int obs_method(struct obs_region *region, const char *full_name);

/* Index of a step of a method, for its histogram. -ENOSPC when full. */
int obs_step(struct obs_region *region, int method, const char *step);

enum obs_kind {
    OBS_GAUGE, /* of all processes together */
    OBS_KEPT,  /* the same, but a process that is started again goes on with it */
    OBS_COUNTER,
    OBS_LONGEST, /* microseconds, of the process where it is longest; shown in seconds */
};

/* Index of a named counter or gauge, e.g. "db_units_total" (help text shown in /metrics). Shown as
 * faregate_<name>, or as it is where it begins with "grpc_". May end in labels, "name{a=\"b\"}":
 * those of one name are registered one after the other. -ENOSPC when full. */
int obs_metric(struct obs_region *region, const char *name, const char *help, enum obs_kind kind);

/* This process's slot. @slot 0..OBS_WORKERS_MAX-1; its counters go on where a dead predecessor left
 * them, its gauges start at zero but for OBS_KEPT. @log_fd: where events go (-1: nowhere); whole
 * lines only, gathered until obs_flush or OBS_LOG_BYTES_MAX, whichever comes first. */
int obs_open(struct obs **ret_obs, struct obs_region *region, unsigned slot, int log_fd);
struct obs *obs_close(struct obs *obs);
struct obs_region *obs_region_of(struct obs *obs);

void obs_call_started(struct obs *obs, int method);
void obs_call_ended(struct obs *obs, int method, enum status_code code, enum reason reason,
                    int64_t duration_ns, size_t request_bytes, size_t reply_bytes);
void obs_step_ended(struct obs *obs, int step, int64_t duration_ns);
/* Of what is no counter. */
void obs_set(struct obs *obs, int metric, uint64_t value);
/* Of a counter, either: what came, or all that this process has counted. */
void obs_add(struct obs *obs, int metric, uint64_t delta);
void obs_set_total(struct obs *obs, int metric, uint64_t total);

/* One log event, built field by field: {"time":"...","event":"call",...}\n. One at a time. Keys are
 * the program's own words and are not escaped. */
struct obs_event {
    struct obs *obs;
    struct buf *buf;  /* NULL: nobody listens, or the log is full */
    size_t bytes_max; /* of @buf, with this event's fields in it */
};
struct obs_event obs_event_begin(struct obs *obs, const char *event, int64_t wall_ns);
/* A value that peers or files chose: escaped where it must be. */
void obs_event_field(struct obs_event *e, struct str key, struct str value);
/* The event loses a field. */
void obs_event_truncate(struct obs_event *e);

/* Writes @key where @value_bytes more fit behind it, and returns where. NULL: there is no room, or
 * nobody listens. The room was reserved when the event began, so all that is left is copying; here,
 * because the compiler copies a literal key without a call, and every call has a dozen. */
static inline uint8_t *obs_event_key(struct obs_event *e, struct str key, size_t value_bytes)
{
    if (!e->buf)
        return NULL;
    if (buf_len(e->buf) + key.n + 4 + value_bytes > e->bytes_max) {
        obs_event_truncate(e);
        return NULL;
    }
    uint8_t *p = e->buf->p + e->buf->end;
    memcpy(p, ",\"", 2);
    memcpy(p + 2, key.p, key.n);
    memcpy(p + 2 + key.n, "\":", 2);
    return p + key.n + 4;
}

/* A value of our own making, without anything to escape: names, UUIDs. */
static inline void obs_event_word(struct obs_event *e, struct str key, struct str value)
{
    uint8_t *p = obs_event_key(e, key, value.n + 2);
    if (!p)
        return;
    *p++ = '"';
    if (value.n > 0)
        memcpy(p, value.p, value.n);
    p[value.n] = '"';
    e->buf->end = (size_t)(p + value.n + 1 - e->buf->p);
}

static inline void obs_event_number(struct obs_event *e, struct str key, int64_t value)
{
    uint8_t *p = obs_event_key(e, key, 1 + TEXT_DECIMAL_MAX);
    if (!p)
        return;
    if (value < 0)
        *p++ = '-';
    p = (uint8_t *)text_decimal((char *)p, value < 0 ? -(uint64_t)value : (uint64_t)value);
    e->buf->end = (size_t)(p - e->buf->p);
}

/* The length of a literal key is the compiler's to know. */
static inline void obs_event_str(struct obs_event *e, const char *key, struct str value)
{
    obs_event_field(e, str_of(key), value);
}

static inline void obs_event_int(struct obs_event *e, const char *key, int64_t value)
{
    obs_event_number(e, str_of(key), value);
}

void obs_event_end(struct obs_event *e);

/* Writes what is buffered. Never blocks: what a full pipe refuses is dropped and counted. */
void obs_flush(struct obs *obs);

/* All slots summed, Prometheus text format 0.0.4. */
void obs_render_prometheus(struct obs_region *region, struct buf *out);
/* The durations of calls again under OpenTelemetry's names (rpc.server.call.duration, release
 * candidate of its RPC conventions), which mean the same as gRPC's. */
void obs_render_otel(struct obs_region *region, struct buf *out);

/* W3C trace context. @traceparent may be empty: a new trace is begun. */
struct trace {
    uint8_t trace_id[16];
    uint8_t span_id[8];
    uint8_t parent_id[8]; /* zero where the trace begins here */
    bool sampled;
};
void trace_begin(struct trace *t, struct str traceparent);

/* "00-...-...-01" and a NUL. */
void trace_format(const struct trace *t, char ret_text[static 56]);
