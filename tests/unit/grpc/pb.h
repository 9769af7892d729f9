/* Protobuf bytes by hand, right or wrong, for the tests of the guard.
 * Included by tests in this folder only. What must stay true: it writes what it is told, valid or
 * not. */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/buf.h"
#include "support/test.h"

enum {
    WIRE_VARINT = 0,
    WIRE_64 = 1,
    WIRE_BYTES = 2,
    WIRE_GROUP = 3,
    WIRE_END_GROUP = 4,
    WIRE_32 = 5
};

static inline void pb_varint(struct buf *b, uint64_t v)
{
    uint8_t bytes[10];
    size_t n = 0;
    do {
        bytes[n] = (uint8_t)((v & 0x7f) | (v > 0x7f ? 0x80 : 0));
        v >>= 7;
        n++;
    } while (v > 0);
    buf_append(b, bytes, n);
}

static inline void pb_tag(struct buf *b, uint32_t number, unsigned wire)
{
    pb_varint(b, (uint64_t)number << 3 | wire);
}

static inline void pb_bytes(struct buf *b, uint32_t number, const void *p, size_t n)
{
    pb_tag(b, number, WIRE_BYTES);
    pb_varint(b, n);
    buf_append(b, p, n);
}

static inline void pb_text(struct buf *b, uint32_t number, const char *z)
{
    pb_bytes(b, number, z, strlen(z));
}

static inline void pb_number(struct buf *b, uint32_t number, uint64_t v)
{
    pb_tag(b, number, WIRE_VARINT);
    pb_varint(b, v);
}

/* Puts @inner into @b as a message field and empties it. */
static inline void pb_message(struct buf *b, uint32_t number, struct buf *inner)
{
    pb_tag(b, number, WIRE_BYTES);
    pb_varint(b, buf_len(inner));
    if (buf_len(inner) > 0)
        buf_append(b, inner->p + inner->start, buf_len(inner));
    buf_deinit(inner);
    *inner = (struct buf){0};
}
