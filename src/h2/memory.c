/* nghttp2's allocator: freelists by size class, so that a busy connection does not touch malloc,
 * and pages of a session's own for what it is made of, so that an idle one takes few of them. One
 * per server, on the loop's thread. What must stay true: what is kept free stays below
 * FREE_BYTES_MAX; on what nghttp2 asks for nothing depends but how much memory it takes. Sanitizer
 * builds go straight to malloc, or use after free would go unseen. */
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "base/check.h"
#include "h2/internal.h"

#define FREE_BYTES_MAX ((size_t)8 * 1024 * 1024)
/* Classes of 64, 128, ... bytes; the last holds nothing and means plain malloc. */
#define CLASS_BYTES 64
#define LARGE (H2_MEMORY_CLASSES - 1)

#define PAGE_BYTES ((size_t)4096)
#define SESSION_BYTES (7 * PAGE_BYTES)
#define TOUCHED_BYTES (2 * PAGE_BYTES) /* of them; the others take none */

/* Where the parts of a session go, in the order in which nghttp2 (1.52) asks for them: what is used
 * shares a page, what is not has pages that are never touched. What does not fit its place goes
 * where everything else goes. */
static const struct place {
    size_t offset, bytes;
} places[] = {
    {0, 2960},                     /* the session itself */
    {5 * PAGE_BYTES, 1024},        /* the encoder's table: fields.c encodes without one */
    {2960, 1024},                  /* the decoder's */
    {H2_STREAM_TABLE, PAGE_BYTES}, /* streams by id: zeros while none is open */
    {3984, 48},                    /* the frame buffer's description */
    {4032, 16394}, /* the frame buffer: of 16 KB a SETTINGS frame and the heads of others use 64 */
};
#define PLACES (sizeof places / sizeof places[0])

struct block {
    size_t class;
    size_t bytes; /* usable */
    max_align_t data[];
};

static void *block_alloc(size_t bytes, void *arg)
{
    struct h2_session_memory *session = arg;
    struct h2_memory *m = session->shared;
    if (session->placed < PLACES) {
        const struct place *place = &places[session->placed++];
        if (bytes <= place->bytes)
            return session->pages + place->offset;
    }
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

static bool has_place(const struct h2_session_memory *session, const void *p)
{
    return (uintptr_t)p - (uintptr_t)session->pages < SESSION_BYTES;
}

static void block_free(void *p, void *arg)
{
    struct h2_session_memory *session = arg;
    struct h2_memory *m = session->shared;
    if (!p || has_place(session, p))
        return; /* a place stays the session's to its end */
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

static size_t place_bytes(const struct h2_session_memory *session, const uint8_t *p)
{
    const struct place *place = places;
    while (session->pages + place->offset != p)
        place++;
    return place->bytes;
}

static void *block_realloc(void *p, size_t bytes, void *arg)
{
    if (!p)
        return block_alloc(bytes, arg);
    size_t usable = has_place(arg, p) ? place_bytes(arg, p) : block_of(p)->bytes;
    if (bytes <= usable)
        return p;
    void *moved = block_alloc(bytes, arg);
    if (moved) {
        memcpy(moved, p, usable);
        block_free(p, arg);
    }
    return moved;
}

static uint8_t *take_spare(struct h2_memory *m)
{
    uint8_t *p = m->spare;
    if (p) {
        memcpy(&m->spare, p, sizeof m->spare);
        m->free_bytes -= TOUCHED_BYTES;
    }
    return p;
}

static uint8_t *map_pages(void)
{
    if (H2_NO_POOLS)
        return NULL;
    void *p = mmap(NULL, SESSION_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (p == MAP_FAILED)
        return NULL;
    madvise(p, SESSION_BYTES, MADV_NOHUGEPAGE); /* those would fill the pages nobody touches */
    return p;
}

nghttp2_mem h2_memory_open(struct h2_session_memory *session, struct h2_memory *m)
{
    uint8_t *pages = take_spare(m);
    if (!pages)
        pages = map_pages();
    *session =
        (struct h2_session_memory){.shared = m, .pages = pages, .placed = pages ? 0 : PLACES};
    return (nghttp2_mem){
        .mem_user_data = session,
        .malloc = block_alloc,
        .free = block_free,
        .calloc = block_calloc,
        .realloc = block_realloc,
    };
}

void h2_memory_rest(const struct h2_session_memory *session)
{
    if (!session->pages)
        return;
    uint8_t *table = session->pages + H2_STREAM_TABLE;
    /* The system gives zeros for it: by looking we need not know when nghttp2 leaves it so. One
     * with larger pages declines. */
    if (table[0] == 0 && memcmp(table, table + 1, PAGE_BYTES - 1) == 0)
        madvise(table, PAGE_BYTES, MADV_DONTNEED);
}

void h2_memory_close(struct h2_session_memory *session)
{
    struct h2_memory *m = session->shared;
    if (!session->pages)
        return;
    if (m->free_bytes + TOUCHED_BYTES > FREE_BYTES_MAX) {
        munmap(session->pages, SESSION_BYTES);
    } else {
        memcpy(session->pages, &m->spare, sizeof m->spare);
        m->spare = session->pages;
        m->free_bytes += TOUCHED_BYTES;
    }
    session->pages = NULL;
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
    uint8_t *spare;
    while ((spare = take_spare(m)) != NULL)
        munmap(spare, SESSION_BYTES);
    m->free_bytes = 0;
}
