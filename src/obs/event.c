/* The log: one line of JSON per event, gathered in memory and written now and then or when there
 * are many. Called by the runner for every call and by the processes for their own news. What must
 * stay true: the loop never waits for whoever reads the log, and a line is written whole or not at
 * all. */
#include <poll.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include "base/check.h"
#include "base/clock.h"
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

/* "2026-11-21T22:05:40.123456Z"; the calendar is asked once a second. */
static uint8_t *put_time(uint8_t *p, struct obs *obs, int64_t wall_ns)
{
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

static size_t event_bytes(const struct obs *obs)
{
    return buf_len(&obs->log) - obs->event_start;
}

static uint8_t *put_key(uint8_t *p, struct str key)
{
    p = put(p, ",\"", 2);
    p = put(p, key.p, key.n);
    return put(p, "\":", 2);
}

/* Whether @bytes more leave room for the end of the line. */
static bool fits(const struct obs *obs, size_t bytes)
{
    return event_bytes(obs) + bytes + EVENT_TAIL_BYTES <= OBS_EVENT_BYTES_MAX;
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
    uint8_t *start = buf_reserve(&obs->log, OBS_EVENT_BYTES_MAX);
    uint8_t *p = put(start, "{\"time\":\"", 9);
    p = put_time(p, obs, wall_ns);
    p = put(p, "\",\"event\":\"", 11);
    p = put(p, event, strlen(event));
    *p++ = '"';
    buf_commit(&obs->log, (size_t)(p - start));
    return (struct obs_event){.obs = obs, .buf = &obs->log};
}

/* Escapes make a value longer than it was: it is written, and taken back when it does not fit. */
static void append_escaped(struct obs *obs, struct str key, struct str value)
{
    size_t before = buf_len(&obs->log);
    uint8_t *p = buf_reserve(&obs->log, key.n + 4);
    buf_commit(&obs->log, (size_t)(put_key(p, key) - p));
    buf_append_json(&obs->log, value);
    if (fits(obs, 0))
        return;
    obs->log.end -= buf_len(&obs->log) - before;
    obs->event_truncated = true;
}

/* What goes between quotes as it is. */
static void append_plain(struct obs_event *e, struct str key, struct str value)
{
    if (!fits(e->obs, key.n + value.n + 6)) {
        e->obs->event_truncated = true;
        return;
    }
    uint8_t *p = put_key(e->buf->p + e->buf->end, key);
    *p++ = '"';
    if (value.n > 0)
        p = put(p, value.p, value.n);
    *p++ = '"';
    e->buf->end = (size_t)(p - e->buf->p);
}

void obs_event_field(struct obs_event *e, struct str key, struct str value)
{
    if (!e->buf)
        return;
    if (buf_json_plain(value) == value.n || !fits(e->obs, key.n + value.n + 6))
        append_plain(e, key, value);
    else
        append_escaped(e->obs, key, value);
}

void obs_event_word(struct obs_event *e, struct str key, struct str value)
{
    if (e->buf)
        append_plain(e, key, value);
}

void obs_event_number(struct obs_event *e, struct str key, int64_t value)
{
    if (!e->buf)
        return;
    if (!fits(e->obs, key.n + 5 + TEXT_DECIMAL_MAX)) {
        e->obs->event_truncated = true;
        return;
    }
    uint8_t *p = put_key(e->buf->p + e->buf->end, key);
    if (value < 0)
        *p++ = '-';
    p = (uint8_t *)text_decimal((char *)p, value < 0 ? -(uint64_t)value : (uint64_t)value);
    e->buf->end = (size_t)(p - e->buf->p);
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
