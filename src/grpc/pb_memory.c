/* The ProtobufCAllocator over an arena. Called by protobuf-c while it unpacks.
 * What must stay true: a refused allocation is remembered, so that the caller can tell memory from
 * malformed bytes. */
#include "grpc/pb_memory.h"

#include "base/check.h"

static void *memory_alloc(void *ctx, size_t bytes)
{
    struct pb_memory *m = ctx;
    void *p = arena_try(m->arena, bytes);
    if (!p)
        m->exhausted = true;
    return p;
}

static void memory_free(void *ctx, void *p)
{
    (void)ctx;
    (void)p;
}

void pb_memory_init(struct pb_memory *m, struct arena *arena)
{
    CHECK(arena);
    *m = (struct pb_memory){
        .allocator = {.alloc = memory_alloc, .free = memory_free, .allocator_data = m},
        .arena = arena,
    };
}
