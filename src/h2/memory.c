/* nghttp2's allocator: freelists by size class, so that a busy connection does not touch malloc.
 * One per server, on the loop's thread. What must stay true: what is kept free stays below
 * FREE_BYTES_MAX. Sanitizer builds go straight to malloc, or use after free would go unseen. */
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "h2/internal.h"

#define FREE_BYTES_MAX ((size_t)8 * 1024 * 1024)
/* Classes of 64, 128, ... bytes; the last holds nothing and means plain malloc. */
#define CLASS_BYTES 64
#define LARGE (H2_MEMORY_CLASSES - 1)

struct block {
    size_t class;
    size_t bytes; /* usable */
    max_align_t data[];
};

static void *block_alloc(size_t bytes, void *arg)
{
    struct h2_memory *m = arg;
    size_t class = bytes ? (bytes - 1) / CLASS_BYTES : 0;
    if (class > LARGE || H2_NO_POOLS)
        class = LARGE;
    struct block *b = m->free[class];
    if (b) {
        memcpy(&m->free[class], b->data, sizeof(void *));
        m->free_bytes -= b->bytes;
        return b->data;
    }
    size_t usable = class < LARGE ? (class + 1) * CLASS_BYTES : bytes;
    if (usable > SIZE_MAX - sizeof *b)
        return NULL;
    b = malloc(sizeof *b + usable);
    if (!b)
        return NULL;
    b->class = class;
    b->bytes = usable;
    return b->data;
}

static struct block *block_of(void *p)
{
    return (struct block *)(void *)((char *)p - offsetof(struct block, data));
}

static void block_free(void *p, void *arg)
{
    struct h2_memory *m = arg;
    if (!p)
        return;
    struct block *b = block_of(p);
    if (b->class == LARGE || m->free_bytes + b->bytes > FREE_BYTES_MAX) {
        free(b);
        return;
    }
    memcpy(b->data, &m->free[b->class], sizeof(void *));
    m->free[b->class] = b;
    m->free_bytes += b->bytes;
}

static void *block_calloc(size_t count, size_t bytes, void *arg)
{
    size_t total;
    if (__builtin_mul_overflow(count, bytes, &total))
        return NULL;
    void *p = block_alloc(total, arg);
    if (p)
        memset(p, 0, total);
    return p;
}

static void *block_realloc(void *p, size_t bytes, void *arg)
{
    if (!p)
        return block_alloc(bytes, arg);
    struct block *b = block_of(p);
    if (bytes <= b->bytes)
        return p;
    void *moved = block_alloc(bytes, arg);
    if (moved) {
        memcpy(moved, p, b->bytes);
        block_free(p, arg);
    }
    return moved;
}

nghttp2_mem h2_memory_init(struct h2_memory *m)
{
    *m = (struct h2_memory){0};
    return (nghttp2_mem){
        .mem_user_data = m,
        .malloc = block_alloc,
        .free = block_free,
        .calloc = block_calloc,
        .realloc = block_realloc,
    };
}

void h2_memory_deinit(struct h2_memory *m)
{
    for (size_t class = 0; class < H2_MEMORY_CLASSES; class ++) {
        struct block *b;
        while ((b = m->free[class]) != NULL) {
            memcpy(&m->free[class], b->data, sizeof(void *));
            free(b);
        }
    }
    m->free_bytes = 0;
}
