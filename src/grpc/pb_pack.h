/* Packs a message from its end to its beginning, so that a length is known when its turn comes:
 * protobuf-c goes over everything first to learn the lengths, and again to write. call_send.c packs
 * replies with it. What must stay true: byte for byte what protobuf_c_message_pack writes. */
#pragma once

#include <protobuf-c/protobuf-c.h>
#include <stddef.h>
#include <stdint.h>

/* Writes @message so that it ends at @end. Its first byte, or NULL when there is no room behind
 * @start. */
uint8_t *pb_pack_before(const ProtobufCMessage *message, uint8_t *start, uint8_t *end);
