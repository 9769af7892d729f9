/* The guard: what stands between bytes from the network and protobuf-c, which trusts them.
 * guard_unpack (grpc/internal.h) is for the runner; guard_scan is its first half, for tests and the
 * fuzzer. */
#pragma once

#include <protobuf-c/protobuf-c.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"

struct violations;

/* Levels of messages inside messages that the scanner has room for; the limit in force is a server
 * limit below it. */
#define GUARD_DEPTH_MAX 64

/* Walks over the bytes of one message without allocating or recursing. @cost_max: bytes that
 * unpacking may take. 0 · -EBADMSG: not this message · -ENOMEM: it would unpack to more than
 * @cost_max · -EINVAL: a string holds a NUL; *ret_violations says which. */
int guard_scan(struct arena *arena, const ProtobufCMessageDescriptor *type, uint32_t depth_max,
               size_t cost_max, const uint8_t *p, size_t bytes, struct violations *ret_violations);
