/* A growable byte buffer with a cap: bytes are appended at the end and consumed from the front.
 * Connections use it for what the peer has not taken yet; JSON and metrics are built in it. */
#pragma once

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/str.h"

struct buf {
    uint8_t *p;
    size_t start; /* consumed so far */
    size_t end;   /* filled so far */
    size_t cap;
};

void buf_deinit(struct buf *b);

static inline size_t buf_len(const struct buf *b)
{
    return b->end - b->start;
}

/* The slow half of buf_reserve: moves or grows what is there. Never NULL: out of memory aborts. */
uint8_t *buf_make_room(struct buf *b, size_t bytes);

/* Room for @bytes more; write there, then buf_commit. Never NULL: out of memory aborts. */
static inline uint8_t *buf_reserve(struct buf *b, size_t bytes)
{
    return b->p && bytes <= b->cap - b->end ? b->p + b->end : buf_make_room(b, bytes);
}

static inline void buf_commit(struct buf *b, size_t bytes)
{
    b->end += bytes;
}

static inline void buf_append(struct buf *b, const void *p, size_t bytes)
{
    if (bytes == 0)
        return;
    memcpy(buf_reserve(b, bytes), p, bytes);
    buf_commit(b, bytes);
}

void buf_append_str(struct buf *b, struct str s);
void buf_printf(struct buf *b, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* @s as a JSON string with quotes and escapes; invalid UTF-8 becomes U+FFFD. */
void buf_append_json(struct buf *b, struct str s);
/* How many bytes of @s, from its beginning, mean themselves in a JSON string. */
size_t buf_json_plain(struct str s);

/* Drops @bytes from the front; gives memory back when it becomes empty and large. */
void buf_consume(struct buf *b, size_t bytes);
