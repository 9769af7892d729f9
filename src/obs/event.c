/* The log: one line of JSON per event, gathered in memory and written now and then or when there
 * are many. Called by the runner for every call and by the processes for their own news. What must
 * stay true: the loop never waits for whoever reads the log, and a line is written whole or not at
 * all. */
#include <stdio.h>
#include <time.h>

#include "base/check.h"
#include "base/clock.h"
#include "base/complain.h"
#include "base/text.h"
#include "obs/internal.h"

/* Room that a field must leave for the end of the line. */
#define EVENT_TAIL_BYTES 24

/* The event has room for OBS_EVENT_BYTES_MAX from its start on: pieces that fit are copied into it
 * without asking again. */
static uint8_t *put(uint8_t *p, const void *from, size_t bytes)
{
    memcpy(p, from, bytes);
    return p + bytes;
}

/* "2026-11-21T22:05:40.123456Z"; the calendar is asked once a second, and events of one turn of the
 * loop have one time. */
static uint8_t *put_time(uint8_t *p, struct obs *obs, int64_t wall_ns)
{
    if (wall_ns == obs->wall_ns)
        return put(p, obs->time_text, 27);
    obs->wall_ns = wall_ns;
    int64_t second = wall_ns / NS_PER_S;
    if (second != obs->second) {
        struct tm tm;
        time_t t = (time_t)second;
        CHECK(gmtime_r(&t, &tm));
        strftime(obs->time_text, sizeof obs->time_text, "%Y-%m-%dT%H:%M:%S.000000Z", &tm);
        obs->second = second;
    }
    uint32_t us = (uint32_t)(wall_ns % NS_PER_S / NS_PER_US);
    for (int i = 25; i > 19; i--, us /= 10)
        obs->time_text[i] = (char)('0' + us % 10);
    return put(p, obs->time_text, 27);
}

struct obs_event obs_event_begin(struct obs *obs, const char *event, int64_t wall_ns)
{
    CHECK(!obs->event_open);
    CHECK(wall_ns >= 0);
    if (obs->log_fd < 0)
        return (struct obs_event){.obs = obs};
    if (buf_len(&obs->log) + OBS_EVENT_BYTES_MAX > OBS_LOG_BYTES_MAX)
        obs_flush(obs);
    obs->event_open = true;
    obs->event_truncated = false;
    size_t before = buf_len(&obs->log);
    uint8_t *start = buf_reserve(&obs->log, OBS_EVENT_BYTES_MAX);
    uint8_t *p = put(start, "{\"time\":\"", 9);
    p = put_time(p, obs, wall_ns);
    p = put(p, "\",\"event\":\"", 11);
    p = put(p, event, strlen(event));
    *p++ = '"';
    buf_commit(&obs->log, (size_t)(p - start));
    return (struct obs_event){
        .obs = obs,
        .buf = &obs->log,
        .bytes_max = before + OBS_EVENT_BYTES_MAX - EVENT_TAIL_BYTES,
    };
}

void obs_event_truncate(struct obs_event *e)
{
    e->obs->event_truncated = true;
}

/* Escapes make a value longer than it was: it is written, and taken back when it does not fit. */
static void append_escaped(struct obs_event *e, struct str key, struct str value)
{
    struct buf *log = e->buf;
    size_t before = buf_len(log);
    buf_append_str(log, STR(",\""));
    buf_append_str(log, key);
    buf_append_str(log, STR("\":"));
    buf_append_json(log, value);
    if (buf_len(log) <= e->bytes_max)
        return;
    log->end -= buf_len(log) - before;
    obs_event_truncate(e);
}

void obs_event_field(struct obs_event *e, struct str key, struct str value)
{
    if (!e->buf)
        return;
    bool fits = buf_len(e->buf) + key.n + value.n + 6 <= e->bytes_max;
    if (!fits || buf_json_plain(value) == value.n)
        obs_event_word(e, key, value);
    else
        append_escaped(e, key, value);
}

void obs_event_end(struct obs_event *e)
{
    if (!e->buf)
        return;
    CHECK(e->obs->event_open);
    if (e->obs->event_truncated)
        buf_append_str(e->buf, STR(",\"truncated\":true"));
    buf_append(e->buf, "}\n", 2);
    CHECK(buf_len(e->buf) <= e->bytes_max + EVENT_TAIL_BYTES);
    e->obs->event_open = false;
    e->buf = NULL;
}

/* Bytes of whole lines from the front of @s, at most @max. */
static size_t whole_lines(struct str s, size_t max)
{
    if (s.n <= max)
        return s.n;
    const char *end = memrchr(s.p, '\n', max);
    CHECK(end);
    return (size_t)(end - s.p) + 1;
}

static uint64_t count_lines(struct str s)
{
    uint64_t lines = 0;
    for (size_t i = 0; i < s.n; i++)
        lines += s.p[i] == '\n';
    return lines;
}

/* @taken bytes of @n were: the lines behind them are lost. The rest of one that was torn, as a full
 * disk tears it, stays, and is the next that is written. */
static void drop_untaken(struct obs *obs, size_t n, size_t taken)
{
    struct buf *log = &obs->log;
    const char *p = (const char *)log->p + log->start;
    obs->is_torn = taken > 0 ? p[taken - 1] != '\n' : obs->is_torn;
    if (!obs->is_torn) {
        obs_add(obs, obs->region->log_dropped, count_lines((struct str){p + taken, n - taken}));
        buf_consume(log, n);
        return;
    }
    const char *end = memchr(p + taken, '\n', n - taken);
    CHECK(end);
    size_t kept = (size_t)(end - p) + 1;
    obs_add(obs, obs->region->log_dropped,
            count_lines((struct str){p + kept, buf_len(log) - kept}));
    log->end = log->start + kept;
    buf_consume(log, taken);
}

void obs_flush(struct obs *obs)
{
    CHECK(!obs->event_open);
    while (buf_len(&obs->log)) {
        struct str waiting = {(const char *)obs->log.p + obs->log.start, buf_len(&obs->log)};
        waiting.n = whole_lines(waiting, obs->chunk_bytes);
        ssize_t written = write_now(obs->log_fd, waiting.p, waiting.n);
        drop_untaken(obs, waiting.n, written > 0 ? (size_t)written : 0);
        if (obs->is_torn)
            return; /* nothing is taken now: the next flush tries again */
    }
}
