/* What a worker remembers about tokens: those it has verified, and the sessions that have ended.
 * token.c asks on every call, so nothing here allocates or parses.
 * What must stay true: a hit means that every byte of the token is the same. */
#include <errno.h>
#include <stdlib.h>

#include "base/check.h"
#include "services/auth/token_internal.h"

int token_cache_init(struct tokens *t)
{
    const struct tokens_limits *l = &t->limits;
    CHECK(l->cache_entries >= TOKEN_WAYS && (l->cache_entries & (l->cache_entries - 1)) == 0);
    uint32_t slots = 16;
    while (slots < 2 * l->revocations_max)
        slots *= 2;
    /* calloc maps zero pages: entries cost memory only once they are used. */
    t->cache = calloc(l->cache_entries, sizeof t->cache[0]);
    t->victims = calloc(l->cache_entries / TOKEN_WAYS, 1);
    t->revoked = calloc(slots, sizeof t->revoked[0]);
    t->set_mask = l->cache_entries / TOKEN_WAYS - 1;
    t->revoked_mask = slots - 1;
    return t->cache && t->victims && t->revoked ? 0 : -ENOMEM;
}

/* Entries never used are pages never touched; reading them leaves it at that. */
void token_cache_clear(struct tokens *t)
{
    for (size_t i = 0; i < t->limits.cache_entries; i++)
        if (t->cache[i].len > 0)
            t->cache[i].len = 0;
}

void token_cache_deinit(struct tokens *t)
{
    free(t->cache);
    free(t->victims);
    free(t->revoked);
}

/* The end of a signature is as good as random. Whoever could choose it could only push tokens out
 * of the cache, and only verified ones get in. */
static uint32_t set_of(const struct tokens *t, struct str token)
{
    uint64_t tail[2];
    CHECK(token.n >= sizeof tail + 2);
    memcpy(tail, token.p + token.n - sizeof tail - 2, sizeof tail);
    uint64_t mixed = (tail[0] ^ (tail[1] << 1)) * UINT64_C(0x9e3779b97f4a7c15);
    return (uint32_t)(mixed >> 40) & t->set_mask;
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

const struct principal *token_cache_find(const struct tokens *t, struct str token)
{
    if (token.n > TOKEN_CACHED_BYTES_MAX)
        return NULL;
    const struct token_entry *set = &t->cache[(size_t)set_of(t, token) * TOKEN_WAYS];
    for (unsigned way = 0; way < TOKEN_WAYS; way++) {
        if (set[way].len == token.n && same_text(set[way].text, token.p, token.n))
            return &set[way].principal;
    }
    return NULL;
}

void token_cache_add(struct tokens *t, struct str token, const struct principal *principal)
{
    if (token.n > TOKEN_CACHED_BYTES_MAX)
        return;
    uint32_t set = set_of(t, token);
    unsigned way = t->victims[set]++ % TOKEN_WAYS;
    struct token_entry *entry = &t->cache[(size_t)set * TOKEN_WAYS + way];
    entry->len = (uint32_t)token.n;
    entry->principal = *principal;
    memcpy(entry->text, token.p, token.n);
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
        t->floor_expire_ns = wall_ns + (int64_t)t->limits.life_s * NS_PER_S;
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
