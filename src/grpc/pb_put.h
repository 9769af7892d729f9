/* Fields of a message that is written without being made first: briefs of offers, bookings, seat
 * maps, where messages made only to be packed cost more than all the rest. From the end to the
 * start, so that a length is known when its turn comes: each writes in front of @p, where the
 * caller has room, and gives the new first byte. What must stay true: zero and empty are left out,
 * as proto3 does. */
#pragma once

#include <protobuf-c/protobuf-c.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/str.h"
#include "grpc/pb_pack.h"

#define PB_HOT static inline __attribute__((always_inline))

PB_HOT uint8_t *pb_put_tag(uint8_t *p, unsigned field, ProtobufCWireType type)
{
    return pb_varint_before(p, field << 3 | type);
}

PB_HOT uint8_t *pb_put_number(uint8_t *p, unsigned field, int64_t value)
{
    return value == 0 ? p
                      : pb_put_tag(pb_varint_before(p, (uint64_t)value), field,
                                   PROTOBUF_C_WIRE_TYPE_VARINT);
}

/* What was written up to @end is the message, or the text, in @field. */
PB_HOT uint8_t *pb_put_around(uint8_t *p, unsigned field, const uint8_t *end)
{
    return pb_put_tag(pb_varint_before(p, (uint64_t)(end - p)), field,
                      PROTOBUF_C_WIRE_TYPE_LENGTH_PREFIXED);
}

/* What is packed already. */
PB_HOT uint8_t *pb_put_bytes(uint8_t *p, struct str bytes)
{
    return bytes.n ? memcpy(p - bytes.n, bytes.p, bytes.n) : p;
}

PB_HOT uint8_t *pb_put_text(uint8_t *p, unsigned field, struct str text)
{
    return text.n ? pb_put_around(pb_put_bytes(p, text), field, p) : p;
}

/* Up to three letters, which are not worth two calls. */
PB_HOT uint8_t *pb_put_code(uint8_t *p, unsigned field, const char *code)
{
    if (code[0] == '\0')
        return p;
    const uint8_t *end = p;
    if (code[1] != '\0') {
        if (code[2] != '\0')
            *--p = (uint8_t)code[2];
        *--p = (uint8_t)code[1];
    }
    *--p = (uint8_t)code[0];
    return pb_put_around(p, field, end);
}
