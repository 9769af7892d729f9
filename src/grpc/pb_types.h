/* How protobuf-c's types look on the wire and in memory. The guard, the rules and the packer ask.
 */
#pragma once

#include <protobuf-c/protobuf-c.h>
#include <stddef.h>

ProtobufCWireType pb_wire_type(ProtobufCType type);

/* Bytes of one element of a repeated field. */
size_t pb_element_bytes(ProtobufCType type);
