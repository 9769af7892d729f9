/* Packs a message from its end to its beginning, so that a length is known when its turn comes:
 * protobuf-c goes over everything first to learn the lengths, and again to write. call_send.c packs
 * replies with it. What must stay true: byte for byte what protobuf_c_message_pack writes. */
#pragma once

#include <protobuf-c/protobuf-c.h>
#include <stddef.h>
#include <stdint.h>

#define PB_VARINT_BYTES_MAX 10

uint8_t *pb_long_varint_before(uint8_t *end, uint64_t value);

/* The varint of @value so that it ends at @end, where there is room for PB_VARINT_BYTES_MAX. Its
 * first byte. Tags and most lengths are one byte, and known where this is inlined. */
static inline uint8_t *pb_varint_before(uint8_t *end, uint64_t value)
{
    if (value >= 0x80)
        return pb_long_varint_before(end, value);
    *--end = (uint8_t)value;
    return end;
}

/* Writes @message so that it ends at @end. Its first byte, or NULL when there is no room behind
 * @start. */
uint8_t *pb_pack_before(const ProtobufCMessage *message, uint8_t *start, uint8_t *end);
