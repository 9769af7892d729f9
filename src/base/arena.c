/* The bump allocator: chunks of 4 KiB from a pool, larger wishes in a chunk of their own.
 * Everything that belongs to a call lives here. What must stay true: memory is zeroed when handed
 * out, and under AddressSanitizer whatever is not handed out is poisoned, so a stale pointer is
 * caught. */
#include "base/arena.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/check.h"

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define ARENA_POISONS 1
#endif
#elif defined(__SANITIZE_ADDRESS__)
#define ARENA_POISONS 1
#endif

#ifdef ARENA_POISONS
#include <sanitizer/asan_interface.h>
#else
#define ASAN_POISON_MEMORY_REGION(p, bytes) ((void)(p), (void)(bytes))
#define ASAN_UNPOISON_MEMORY_REGION(p, bytes) ((void)(p), (void)(bytes))
#endif

#define ALIGNMENT 16

struct arena_chunk {
    struct arena_chunk *next;
    size_t bytes; /* usable, after this header */
    uint8_t data[] __attribute__((aligned(ALIGNMENT)));
};

#define CHUNK_DATA_BYTES (ARENA_CHUNK_BYTES - sizeof(struct arena_chunk))

_Static_assert(sizeof(struct arena_chunk) % ALIGNMENT == 0, "data starts aligned");

void arena_pool_init(struct arena_pool *pool, size_t free_count_max)
{
    *pool = (struct arena_pool){.free_count_max = free_count_max};
}

void arena_pool_deinit(struct arena_pool *pool)
{
    CHECK(pool->live_chunks == 0);
    while (pool->free) {
        struct arena_chunk *chunk = pool->free;
        pool->free = chunk->next;
        free(chunk);
    }
    pool->free_count = 0;
}

static struct arena_chunk *chunk_get(struct arena_pool *pool, size_t bytes)
{
    struct arena_chunk *chunk = pool->free;
    if (bytes == CHUNK_DATA_BYTES && chunk) {
        pool->free = chunk->next;
        pool->free_count--;
    } else {
        chunk = malloc(sizeof *chunk + bytes);
        if (!chunk)
            return NULL;
    }
    chunk->bytes = bytes;
    pool->live_chunks++;
    pool->live_bytes += bytes;
    ASAN_POISON_MEMORY_REGION(chunk->data, bytes);
    return chunk;
}

static void chunk_put(struct arena_pool *pool, struct arena_chunk *chunk)
{
    pool->live_chunks--;
    pool->live_bytes -= chunk->bytes;
    if (chunk->bytes != CHUNK_DATA_BYTES || pool->free_count >= pool->free_count_max) {
        ASAN_UNPOISON_MEMORY_REGION(chunk->data, chunk->bytes);
        free(chunk);
        return;
    }
    ASAN_POISON_MEMORY_REGION(chunk->data, chunk->bytes);
    chunk->next = pool->free;
    pool->free = chunk;
    pool->free_count++;
}

void arena_init(struct arena *a, struct arena_pool *pool, size_t bytes_max)
{
    CHECK(pool);
    *a = (struct arena){.pool = pool, .used_bytes_max = bytes_max};
}

static void count(struct arena *a, const struct arena_chunk *chunk, int sign)
{
    if (a->charge)
        *a->charge += (size_t)sign * chunk->bytes;
}

void arena_reset(struct arena *a)
{
    while (a->head) {
        struct arena_chunk *chunk = a->head;
        a->head = chunk->next;
        count(a, chunk, -1);
        if (a->wipes) {
            ASAN_UNPOISON_MEMORY_REGION(chunk->data, chunk->bytes);
            explicit_bzero(chunk->data, chunk->bytes);
        }
        chunk_put(a->pool, chunk);
    }
    a->next = a->end = NULL;
    a->used_bytes = 0;
}

void arena_charge(struct arena *a, size_t *charge)
{
    size_t bytes = 0;
    for (const struct arena_chunk *chunk = a->head; chunk; chunk = chunk->next)
        bytes += chunk->bytes;
    if (a->charge)
        *a->charge -= bytes;
    if (charge)
        *charge += bytes;
    a->charge = charge;
}

static struct arena_chunk *chunk_of(struct arena *a, size_t bytes)
{
    struct arena_chunk *chunk = chunk_get(a->pool, bytes);
    if (chunk)
        count(a, chunk, 1);
    return chunk;
}

/* A chunk of its own goes behind the head, so that the rest of the current chunk stays in use. */
static void *take_large(struct arena *a, size_t bytes)
{
    struct arena_chunk *chunk = chunk_of(a, bytes);
    if (!chunk)
        return NULL;
    if (a->head) {
        chunk->next = a->head->next;
        a->head->next = chunk;
    } else {
        chunk->next = NULL;
        a->head = chunk;
    }
    return chunk->data;
}

static void *take(struct arena *a, size_t bytes)
{
    if (bytes > CHUNK_DATA_BYTES)
        return take_large(a, bytes);
    if (bytes > (size_t)(a->end - a->next)) {
        struct arena_chunk *chunk = chunk_of(a, CHUNK_DATA_BYTES);
        if (!chunk)
            return NULL;
        chunk->next = a->head;
        a->head = chunk;
        a->next = chunk->data;
        a->end = chunk->data + CHUNK_DATA_BYTES;
    }
    void *p = a->next;
    a->next += bytes;
    return p;
}

void *arena_try(struct arena *a, size_t bytes)
{
    CHECK(a->pool);
    size_t left = a->used_bytes_max - a->used_bytes;
    if (bytes > left)
        return NULL;
    size_t rounded = bytes ? (bytes + ALIGNMENT - 1) & ~(size_t)(ALIGNMENT - 1) : ALIGNMENT;
    if (rounded < bytes || rounded > left)
        return NULL;
    void *p = take(a, rounded);
    if (!p)
        return NULL;
    a->used_bytes += rounded;
    /* Only what was asked for: a read into the padding is caught too. */
    ASAN_UNPOISON_MEMORY_REGION(p, bytes ? bytes : 1);
    return memset(p, 0, bytes);
}

void *arena_alloc(struct arena *a, size_t bytes)
{
    void *p = arena_try(a, bytes);
    CHECK(p);
    return p;
}

void *arena_array(struct arena *a, size_t count, size_t bytes)
{
    size_t total;
    CHECK(!__builtin_mul_overflow(count, bytes, &total));
    return arena_alloc(a, total);
}

char *arena_dup(struct arena *a, struct str s)
{
    char *copy = arena_alloc(a, s.n + 1);
    if (s.n)
        memcpy(copy, s.p, s.n);
    return copy;
}

struct str arena_dup_str(struct arena *a, struct str s)
{
    return (struct str){.p = arena_dup(a, s), .n = s.n};
}

char *arena_printf(struct arena *a, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    va_list again;
    va_copy(again, args);
    int n = vsnprintf(NULL, 0, format, args);
    va_end(args);
    CHECK(n >= 0);
    char *text = arena_alloc(a, (size_t)n + 1);
    vsnprintf(text, (size_t)n + 1, format, again);
    va_end(again);
    return text;
}
