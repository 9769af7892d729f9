/* What is remembered about tokens: those that one of the installation's workers has verified, and
 * the sessions that have ended. token.c asks on every call, so nothing here allocates or parses.
 * What must stay true: a hit means that every byte of the token is the same, and that it was
 * verified with the very keys that the asker has; nobody waits for anybody. */
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "base/check.h"
#include "services/auth/token_internal.h"

/* Written by who makes the version odd, read by anybody: what was read while it was even and the
 * same before and after is whole. A writer that died leaves it odd, and the place unused. */
struct token_entry {
    _Atomic uint32_t version;
    uint32_t len;     /* 0: empty */
    uint64_t keys_id; /* of the keys it was verified with */
    struct principal principal;
    char text[TOKEN_CACHED_BYTES_MAX];
};

struct token_set {
    _Atomic uint32_t next; /* the way that goes next */
    struct token_entry ways[TOKEN_WAYS];
};

struct token_cache {
    size_t bytes;
    uint32_t set_mask;
    struct token_set sets[];
};

struct token_cache *token_cache_new(uint32_t entries)
{
    uint32_t sets = 1;
    while (sets * TOKEN_WAYS < entries)
        sets *= 2;
    const size_t bytes = sizeof(struct token_cache) + sets * sizeof(struct token_set);
    /* Zero pages: entries cost memory only once they are used. */
    struct token_cache *cache = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
                                     MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    CHECK(cache != MAP_FAILED);
    madvise(cache, bytes, MADV_DONTDUMP);
    cache->bytes = bytes;
    cache->set_mask = sets - 1;
    return cache;
}

struct token_cache *token_cache_free(struct token_cache *cache)
{
    if (cache)
        munmap(cache, cache->bytes);
    return NULL;
}

/* The end of a signature is as good as random. Whoever could choose it could only push tokens out
 * of the cache, and only verified ones get in. */
static struct token_set *set_of(struct token_cache *cache, struct str token)
{
    uint64_t tail[2];
    CHECK(token.n >= sizeof tail + 2);
    memcpy(tail, token.p + token.n - sizeof tail - 2, sizeof tail);
    uint64_t mixed = (tail[0] ^ (tail[1] << 1)) * UINT64_C(0x9e3779b97f4a7c15);
    return &cache->sets[(uint32_t)(mixed >> 40) & cache->set_mask];
}

/* All bytes are looked at whatever they are: time must not tell how much of a guess was right. */
static bool same_text(const char *a, const char *b, size_t n)
{
    uint64_t differs = 0;
    size_t i = 0;
    for (; i + 8 <= n; i += 8) {
        uint64_t left, right;
        memcpy(&left, a + i, 8);
        memcpy(&right, b + i, 8);
        differs |= left ^ right;
    }
    for (; i < n; i++)
        differs |= (uint64_t)(uint8_t)(a[i] ^ b[i]);
    return differs == 0;
}

bool token_cache_find(struct token_cache *cache, struct str token, uint64_t keys_id,
                      struct principal *ret)
{
    if (token.n > TOKEN_CACHED_BYTES_MAX)
        return false;
    struct token_set *set = set_of(cache, token);
    for (unsigned way = 0; way < TOKEN_WAYS; way++) {
        struct token_entry *e = &set->ways[way];
        const uint32_t version = atomic_load_explicit(&e->version, memory_order_acquire);
        if (version & 1 || e->len != token.n || e->keys_id != keys_id ||
            !same_text(e->text, token.p, token.n))
            continue;
        const struct principal principal = e->principal;
        atomic_thread_fence(memory_order_acquire);
        if (atomic_load_explicit(&e->version, memory_order_relaxed) != version)
            continue;
        *ret = principal;
        return true;
    }
    return false;
}

void token_cache_add(struct token_cache *cache, struct str token, uint64_t keys_id,
                     const struct principal *principal)
{
    if (token.n > TOKEN_CACHED_BYTES_MAX)
        return;
    struct token_set *set = set_of(cache, token);
    const uint32_t first = atomic_fetch_add_explicit(&set->next, 1, memory_order_relaxed);
    for (unsigned i = 0; i < TOKEN_WAYS; i++) {
        struct token_entry *e = &set->ways[(first + i) % TOKEN_WAYS];
        uint32_t version = atomic_load_explicit(&e->version, memory_order_relaxed);
        if (version & 1 || !atomic_compare_exchange_strong(&e->version, &version, version + 1))
            continue;
        atomic_thread_fence(memory_order_release);
        e->len = (uint32_t)token.n;
        e->keys_id = keys_id;
        e->principal = *principal;
        memcpy(e->text, token.p, token.n);
        atomic_store_explicit(&e->version, version + 2, memory_order_release);
        return;
    }
}

void token_revoked_init(struct tokens *t)
{
    uint32_t slots = 16;
    while (slots < 2 * t->limits.revocations_max)
        slots *= 2;
    t->revoked = calloc(slots, sizeof t->revoked[0]);
    CHECK(t->revoked);
    t->revoked_mask = slots - 1;
}

/* Session ids are UUIDs of version 7: their last eight bytes are random. */
static uint32_t slot_of(const struct tokens *t, struct uuid session_id)
{
    uint64_t tail;
    memcpy(&tail, session_id.b + 8, sizeof tail);
    return (uint32_t)(tail * UINT64_C(0x9e3779b97f4a7c15) >> 32) & t->revoked_mask;
}

static struct token_revoked *revoked_slot(const struct tokens *t, struct uuid session_id)
{
    uint32_t slot = slot_of(t, session_id);
    while (!uuid_is_nil(t->revoked[slot].session_id) &&
           !uuid_eq(t->revoked[slot].session_id, session_id))
        slot = (slot + 1) & t->revoked_mask;
    return &t->revoked[slot];
}

bool token_is_revoked(const struct tokens *t, struct uuid session_id, int64_t wall_ns)
{
    const struct token_revoked *r = revoked_slot(t, session_id);
    return !uuid_is_nil(r->session_id) && r->until_ns > wall_ns;
}

/* Drops what has expired. Rebuilt as a whole: taking single entries out would break probe chains.
 */
static void revoked_sweep(struct tokens *t, int64_t wall_ns)
{
    uint32_t slots = t->revoked_mask + 1;
    struct token_revoked *old = t->revoked;
    struct token_revoked *fresh = calloc(slots, sizeof fresh[0]);
    CHECK(fresh);
    t->revoked = fresh;
    t->revoked_count = 0;
    for (uint32_t i = 0; i < slots; i++) {
        if (uuid_is_nil(old[i].session_id) || old[i].until_ns <= wall_ns)
            continue;
        *revoked_slot(t, old[i].session_id) = old[i];
        t->revoked_count++;
    }
    free(old);
}

void tokens_revoke(struct tokens *t, struct uuid session_id, int64_t until_wall_ns, int64_t wall_ns)
{
    if (uuid_is_nil(session_id) || until_wall_ns <= wall_ns)
        return;
    if (t->revoked_count >= t->limits.revocations_max)
        revoked_sweep(t, wall_ns);
    if (t->revoked_count >= t->limits.revocations_max) {
        /* No room to name them all: every token issued up to now has to be refreshed, which asks
         * the database. */
        t->floor_issue_ns = wall_ns;
        memset(t->revoked, 0, ((size_t)t->revoked_mask + 1) * sizeof t->revoked[0]);
        t->revoked_count = 0;
        return;
    }
    struct token_revoked *r = revoked_slot(t, session_id);
    if (uuid_is_nil(r->session_id))
        t->revoked_count++;
    r->session_id = session_id;
    if (r->until_ns < until_wall_ns)
        r->until_ns = until_wall_ns;
}
