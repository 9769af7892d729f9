/* protobuf-c unpacking into an arena: allocation bumps, freeing does nothing, the budget can run
 * out. The guard and the descriptor set use it. What must stay true: the messages die with the
 * arena, never by free_unpacked. */
#pragma once

#include <protobuf-c/protobuf-c.h>
#include <stdbool.h>

#include "base/arena.h"

struct pb_memory {
    ProtobufCAllocator allocator;
    struct arena *arena;
    bool exhausted; /* an allocation was refused */
};

/* @m must outlive the unpacking, no longer. */
void pb_memory_init(struct pb_memory *m, struct arena *arena);
