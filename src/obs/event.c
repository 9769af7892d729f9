/* The log: one line of JSON per event, gathered in memory and written now and then or when there
 * are many. Called by the runner for every call and by the processes for their own news. What must stay true:
 * the loop never waits for whoever reads the log, and a line is written whole or not at all. */
#include <poll.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include "base/check.h"
#include "base/clock.h"
#include "obs/internal.h"

/* Room that a field must leave for the end of the line. */
#define EVENT_TAIL_BYTES 24

static void append_int(struct buf *b, int64_t value)
{
    char digits[20];
    char *p = digits + sizeof digits;
    uint64_t rest = value < 0 ? -(uint64_t)value : (uint64_t)value;
    do {
        *--p = (char)('0' + rest % 10);
        rest /= 10;
    } while (rest);
    if (value < 0)
        *--p = '-';
    buf_append(b, p, (size_t)(digits + sizeof digits - p));
}

/* "2026-11-21T22:05:40.123456Z"; the calendar is asked once a second. */
static void append_time(struct obs *obs, int64_t wall_ns)
{
    int64_t second = wall_ns / NS_PER_S;
    if (second != obs->second) {
        struct tm tm;
        time_t t = (time_t)second;
        CHECK(gmtime_r(&t, &tm));
        strftime(obs->second_text, sizeof obs->second_text, "%Y-%m-%dT%H:%M:%S", &tm);
        obs->second = second;
    }
    char fraction[8] = ".000000";
    int64_t us = wall_ns % NS_PER_S / NS_PER_US;
    for (int i = 6; us > 0; i--, us /= 10)
        fraction[i] = (char)('0' + us % 10);
    buf_append(&obs->log, obs->second_text, 19);
    buf_append(&obs->log, fraction, 7);
    buf_append(&obs->log, "Z", 1);
}

static size_t event_bytes(const struct obs *obs)
{
    return buf_len(&obs->log) - obs->event_start;
}

static void append_key(struct buf *b, const char *key)
{
    buf_append(b, ",\"", 2);
    buf_append_str(b, str_of(key));
    buf_append(b, "\":", 2);
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
    obs->event_start = buf_len(&obs->log);
    buf_append_str(&obs->log, STR("{\"time\":\""));
    append_time(obs, wall_ns);
    buf_append_str(&obs->log, STR("\",\"event\":\""));
    buf_append_str(&obs->log, str_of(event));
    buf_append(&obs->log, "\"", 1);
    return (struct obs_event){.obs = obs, .buf = &obs->log};
}

/* Takes the last field back when the line has become too long for one piece. */
static void keep_or_drop(struct obs *obs, size_t bytes_before)
{
    if (event_bytes(obs) + EVENT_TAIL_BYTES <= OBS_EVENT_BYTES_MAX)
        return;
    obs->log.end -= event_bytes(obs) - bytes_before;
    obs->event_truncated = true;
}

void obs_event_str(struct obs_event *e, const char *key, struct str value)
{
    if (!e->buf)
        return;
    size_t before = event_bytes(e->obs);
    if (value.n > OBS_EVENT_BYTES_MAX) {
        e->obs->event_truncated = true;
        return;
    }
    append_key(e->buf, key);
    buf_append_json(e->buf, value);
    keep_or_drop(e->obs, before);
}

void obs_event_int(struct obs_event *e, const char *key, int64_t value)
{
    if (!e->buf)
        return;
    size_t before = event_bytes(e->obs);
    append_key(e->buf, key);
    append_int(e->buf, value);
    keep_or_drop(e->obs, before);
}

void obs_event_end(struct obs_event *e)
{
    if (!e->buf)
        return;
    CHECK(e->obs->event_open);
    if (e->obs->event_truncated)
        buf_append_str(e->buf, STR(",\"truncated\":true"));
    buf_append(e->buf, "}\n", 2);
    CHECK(event_bytes(e->obs) <= OBS_EVENT_BYTES_MAX);
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

void obs_flush(struct obs *obs)
{
    CHECK(!obs->event_open);
    while (buf_len(&obs->log)) {
        struct str waiting = {(const char *)obs->log.p + obs->log.start, buf_len(&obs->log)};
        waiting.n = whole_lines(waiting, obs->chunk_bytes);
        /* Writable means that a pipe has room for 4096 bytes: the write is taken whole and at once,
         * and the descriptor, which others may share, need not be made non-blocking. */
        struct pollfd pollfd = {.fd = obs->log_fd, .events = POLLOUT};
        ssize_t written = -1;
        if (poll(&pollfd, 1, 0) == 1 && pollfd.revents == POLLOUT)
            written = write(obs->log_fd, waiting.p, waiting.n);
        if (written != (ssize_t)waiting.n)
            obs_add(obs, obs->region->log_dropped, count_lines(waiting));
        buf_consume(&obs->log, waiting.n);
    }
}
