/* A growable byte queue: connections, the log and the metrics page build their output in it.
 * What must stay true: pointers from buf_reserve die with the next call; an empty buffer holds
 * little. */
#include "base/buf.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/check.h"

#define BUF_FIRST_BYTES 512
/* An empty buffer larger than this gives its memory back: a burst must not stay paid for by every
 * connection. */
#define BUF_KEEP_BYTES_MAX ((size_t)64 * 1024)

void buf_deinit(struct buf *b)
{
    free(b->p);
    *b = (struct buf){0};
}

static void make_room(struct buf *b, size_t bytes)
{
    size_t used = buf_len(b);
    size_t need;
    CHECK(!__builtin_add_overflow(used, bytes, &need) && need <= SIZE_MAX / 4);
    /* Moving what is there is cheaper than growing, as long as it is at most half of the buffer. */
    if (b->p && need <= b->cap && used <= b->cap / 2) {
        memmove(b->p, b->p + b->start, used);
    } else {
        size_t cap = b->cap ? b->cap : BUF_FIRST_BYTES;
        while (cap < need)
            cap *= 2;
        uint8_t *p = malloc(cap);
        CHECK(p);
        if (b->p)
            memcpy(p, b->p + b->start, used);
        free(b->p);
        b->p = p;
        b->cap = cap;
    }
    b->start = 0;
    b->end = used;
}

uint8_t *buf_make_room(struct buf *b, size_t bytes)
{
    CHECK(b->start <= b->end);
    CHECK(b->end <= b->cap);
    make_room(b, bytes);
    return b->p + b->end;
}

void buf_append_str(struct buf *b, struct str s)
{
    buf_append(b, s.p, s.n);
}

void buf_printf(struct buf *b, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    va_list again;
    va_copy(again, args);
    size_t room = 128;
    int n = vsnprintf((char *)buf_reserve(b, room), room, format, args);
    va_end(args);
    CHECK(n >= 0);
    if ((size_t)n >= room)
        vsnprintf((char *)buf_reserve(b, (size_t)n + 1), (size_t)n + 1, format, again);
    va_end(again);
    buf_commit(b, (size_t)n);
}

/* All eight bytes at @p stand for themselves inside a JSON string. Each term has the high bit of a
 * byte that is one of those it looks for; where it errs, that is because of another such byte. */
static bool is_plain_word(const char *p)
{
    uint64_t word;
    memcpy(&word, p, sizeof word);
    uint64_t quote = (word ^ STR_EACH_BYTE * '"') - STR_EACH_BYTE;
    uint64_t backslash = (word ^ STR_EACH_BYTE * '\\') - STR_EACH_BYTE;
    return !(str_odd_bytes(word, ' ') | ((quote | backslash) & STR_HIGH_BITS));
}

/* How many of the leading bytes stand for themselves inside a JSON string. Eight at a time, the
 * last eight overlapping the ones before: every call's event goes through here. */
size_t buf_json_plain(struct str s)
{
    size_t i = 0;
    while (s.n - i >= 8 && is_plain_word(s.p + i))
        i += 8;
    if (s.n - i < 8 && s.n >= 8 && is_plain_word(s.p + s.n - 8))
        return s.n;
    while (i < s.n && s.p[i] >= 0x20 && s.p[i] != '"' && s.p[i] != '\\' && s.p[i] != 0x7f)
        i++;
    return i;
}

static void append_escape(struct buf *b, char c)
{
    static const char short_forms[] = "\"\"\\\\\bb\ff\nn\rr\tt";
    for (const char *form = short_forms; *form; form += 2) {
        if (*form == c) {
            buf_append(b, "\\", 1);
            buf_append(b, form + 1, 1);
            return;
        }
    }
    buf_printf(b, "\\u%04x", (unsigned char)c);
}

void buf_append_json(struct buf *b, struct str s)
{
    buf_append(b, "\"", 1);
    while (s.n) {
        size_t run = buf_json_plain(s);
        if (run == 0) {
            size_t step = str_utf8_next(s);
            if (step == 0) {
                buf_append(b, "\xEF\xBF\xBD", 3); /* U+FFFD */
                run = 1;
            } else if (step == 1) {
                append_escape(b, s.p[0]);
                run = 1;
            } else {
                buf_append(b, s.p, step);
                run = step;
            }
        } else {
            buf_append(b, s.p, run);
        }
        s.p += run;
        s.n -= run;
    }
    buf_append(b, "\"", 1);
}

void buf_consume(struct buf *b, size_t bytes)
{
    CHECK(bytes <= buf_len(b));
    b->start += bytes;
    if (b->start < b->end)
        return;
    b->start = b->end = 0;
    if (b->cap > BUF_KEEP_BYTES_MAX)
        buf_deinit(b);
}
