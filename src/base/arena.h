/* A bump allocator with a budget: everything a call allocates dies with the call.
 * Chunks come from a pool shared by the worker, so a busy server does not touch malloc.
 * What must stay true: nothing is freed singly; after arena_reset no pointer into it is used. */
#pragma once

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/str.h"

struct arena_chunk;

/* Chunks that arenas give back, up to a limit. One per event loop; not thread-safe. */
struct arena_pool {
    struct arena_chunk *free;
    size_t free_count;
    size_t free_count_max;
    size_t live_chunks; /* out with arenas: zero when every call has ended */
    size_t live_bytes;  /* theirs */
};

struct arena {
    struct arena_pool *pool;
    struct arena_chunk *head; /* newest first */
    uint8_t *next;
    uint8_t *end;
    size_t used_bytes;
    size_t used_bytes_max;
    size_t *charge; /* who counts its chunks as well; NULL: nobody */
    bool wipes;     /* secrets were in it: chunks are overwritten before they are given back */
};

#define ARENA_CHUNK_BYTES 4096

void arena_pool_init(struct arena_pool *pool, size_t free_count_max);
void arena_pool_deinit(struct arena_pool *pool);

/* No memory is taken before the first allocation. @bytes_max is the budget. */
void arena_init(struct arena *a, struct arena_pool *pool, size_t bytes_max);

/* Gives every chunk back. The arena can be used again. Idempotent. */
void arena_reset(struct arena *a);

/* Its chunks, those to come as well, count in *@charge and no longer in what was named before. The
 * number must live as long as that; NULL: in none. */
void arena_charge(struct arena *a, size_t *charge);

/* Zeroed memory, aligned to 16; NULL once the budget is spent (the caller answers
 * RESOURCE_EXHAUSTED). */
void *arena_try(struct arena *a, size_t bytes);

/* The same for what the budget must allow by construction; running out is a bug. */
void *arena_alloc(struct arena *a, size_t bytes) __attribute__((returns_nonnull));

/* @count * @bytes checked for overflow. */
void *arena_array(struct arena *a, size_t count, size_t bytes) __attribute__((returns_nonnull));

/* A NUL-terminated copy. */
char *arena_dup(struct arena *a, struct str s) __attribute__((returns_nonnull));
struct str arena_dup_str(struct arena *a, struct str s);

char *arena_printf(struct arena *a, const char *format, ...)
    __attribute__((format(printf, 2, 3), returns_nonnull));
