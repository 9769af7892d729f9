/* The answers lie in a ring in the order in which they came. All live equally long, so the oldest
 * is always the next to go, and writing on is all the eviction there is. Positions count bytes from
 * the start of time: one that lies a ring's length behind the end has been written over. */
#include "services/shared/recent.h"

#include <stdlib.h>

#include "base/check.h"
#include "base/uuid.h"
#include "io/loop.h"
#include "services/app.h"

#define ALIGN sizeof(uint64_t)
#define RING_BYTES_MIN 65536u
#define SLOT_PER_BYTES 256 /* of the ring: more slots than answers, so that few share one */
#define SHARE_OF_RING 8    /* a larger part of the ring than this is not kept */
#define FLIGHT_BUCKETS 1024u
#define LOOKED_AT_MAX 16 /* calls in flight that one more is compared with */

/* What stands in the ring before the key and the answer. */
struct answer {
    uint64_t hash;
    int64_t begin_ns;
    uint32_t key_bytes, reply_bytes;
    uint8_t bytes[];
};

struct recent {
    uint8_t *ring;
    size_t ring_bytes;
    uint64_t end;    /* position: what was ever written, gaps included */
    uint64_t *slots; /* position of the newest answer there, plus one; 0: none yet */
    size_t slot_mask;
    uint64_t seed; /* nobody outside can tell which requests share a slot */
    int64_t stale_ns;
    struct list in_flight[FLIGHT_BUCKETS];
    struct recent_stats stats;
};

struct recent *recent_new(uint32_t stale_ms, size_t bytes)
{
    struct recent *r = calloc(1, sizeof *r);
    CHECK(r);
    r->stale_ns = stale_ms * NS_PER_MS;
    for (size_t i = 0; i < FLIGHT_BUCKETS; i++)
        list_init(&r->in_flight[i]);
    random_bytes(&r->seed, sizeof r->seed);
    if (stale_ms == 0)
        return r;
    r->ring_bytes = (bytes > RING_BYTES_MIN ? bytes : RING_BYTES_MIN) / ALIGN * ALIGN;
    size_t slots = RING_BYTES_MIN / SLOT_PER_BYTES;
    while (slots < r->ring_bytes / SLOT_PER_BYTES)
        slots *= 2;
    r->slot_mask = slots - 1;
    /* calloc maps zero pages: memory is taken only as it is used. */
    r->ring = calloc(1, r->ring_bytes);
    r->slots = calloc(slots, sizeof *r->slots);
    CHECK(r->ring && r->slots);
    return r;
}

struct recent *recent_free(struct recent *r)
{
    if (!r)
        return NULL;
    free(r->ring);
    free(r->slots);
    free(r);
    return NULL;
}

const struct recent_stats *recent_stats(const struct recent *r)
{
    return &r->stats;
}

/* ---- what is kept ---- */

static uint64_t hash_of(const struct recent *r, struct str key)
{
    uint64_t hash = (str_hash(key) ^ r->seed) * UINT64_C(0x9e3779b97f4a7c15);
    return hash ^ hash >> 32;
}

static const struct answer *find(const struct recent *r, uint64_t hash, struct str key,
                                 int64_t now_ns)
{
    uint64_t at = r->slots[hash & r->slot_mask];
    if (at == 0 || r->end - (at - 1) > r->ring_bytes)
        return NULL;
    const struct answer *a = (const void *)(r->ring + (at - 1) % r->ring_bytes);
    bool same = a->hash == hash && a->key_bytes == key.n && memcmp(a->bytes, key.p, key.n) == 0;
    return same && now_ns - a->begin_ns < r->stale_ns ? a : NULL;
}

static void keep(struct recent *r, const struct recent_ask *ask, struct str reply)
{
    size_t bytes = sizeof(struct answer) + ask->key.n + reply.n;
    bytes = (bytes + ALIGN - 1) / ALIGN * ALIGN;
    if (bytes > r->ring_bytes / SHARE_OF_RING)
        return;
    size_t at = r->end % r->ring_bytes;
    if (at + bytes > r->ring_bytes) { /* an answer lies in one piece */
        r->end += r->ring_bytes - at;
        at = 0;
    }
    struct answer *a = (void *)(r->ring + at);
    *a = (struct answer){.hash = ask->hash,
                         .begin_ns = ask->begin_ns,
                         .key_bytes = (uint32_t)ask->key.n,
                         .reply_bytes = (uint32_t)reply.n};
    memcpy(a->bytes, ask->key.p, ask->key.n);
    if (reply.n > 0)
        memcpy(a->bytes + ask->key.n, reply.p, reply.n);
    r->slots[ask->hash & r->slot_mask] = r->end + 1;
    r->end += bytes;
    r->stats.bytes = r->end < r->ring_bytes ? r->end : r->ring_bytes;
}

/* ---- calls in flight ---- */

/* However the call ends: who waited for it looks for itself. */
static void leave(void *arg)
{
    struct recent_ask *ask = arg;
    struct list *node;
    list_remove(&ask->node);
    while ((node = list_pop(&ask->waiting))) {
        struct recent_ask *other = list_entry(node, struct recent_ask, node);
        other->waits = false;
        call_wake(other->call);
    }
    ask->leads = ask->waits = false;
}

static void begin(struct call *c, struct recent *r, struct recent_ask *ask)
{
    const ProtobufCMessage *request = call_request(c);
    size_t name_bytes = sizeof request->descriptor;
    size_t bytes = protobuf_c_message_get_packed_size(request);
    uint8_t *key = arena_alloc(&c->arena, name_bytes + bytes);
    memcpy(key, &request->descriptor, name_bytes); /* which kind of request */
    protobuf_c_message_pack(request, key + name_bytes);
    ask->call = c;
    ask->recent = r;
    ask->key = (struct str){.p = (const char *)key, .n = name_bytes + bytes};
    ask->hash = hash_of(r, ask->key);
    list_init(&ask->node);
    list_init(&ask->waiting);
    call_defer(c, leave, ask);
}

/* Behind who asks the same already; or in front of who will. */
static bool join(struct recent *r, struct recent_ask *ask, int64_t now_ns)
{
    struct list *bucket = &r->in_flight[ask->hash >> 32 & (FLIGHT_BUCKETS - 1)];
    unsigned looked_at = 0;
    list_for_each(node, bucket) {
        struct recent_ask *other = list_entry(node, struct recent_ask, node);
        if (looked_at++ == LOOKED_AT_MAX)
            return false;
        if (other->hash == ask->hash && str_eq(other->key, ask->key) &&
            now_ns - other->begin_ns < r->stale_ns) {
            list_append(&other->waiting, &ask->node);
            ask->waits = true;
            return true;
        }
    }
    ask->leads = true;
    ask->begin_ns = now_ns;
    list_append(bucket, &ask->node);
    return false;
}

enum recent_found recent_find(struct call *c, struct recent *r, struct recent_ask *ask)
{
    if (!r || r->stale_ns == 0)
        return RECENT_NONE;
    if (!ask->call)
        begin(c, r, ask);
    if (ask->reply.p)
        return RECENT_HERE;
    if (ask->waits) /* woken for something else */
        return RECENT_SOON;
    int64_t now_ns = app_of(c)->loop->now_ns;
    const struct answer *a = find(r, ask->hash, ask->key, now_ns);
    if (a) {
        r->stats.hits++;
        ask->reply = (struct str){.p = (const char *)a->bytes + a->key_bytes, .n = a->reply_bytes};
        return RECENT_HERE;
    }
    if (join(r, ask, now_ns))
        return RECENT_SOON;
    r->stats.misses++;
    return RECENT_NONE;
}

/* A call without room for the answer asks for itself, and is told what that means. */
static void tell(struct recent_ask *ask, struct str reply)
{
    struct list *node;
    while ((node = list_pop(&ask->waiting))) {
        struct recent_ask *other = list_entry(node, struct recent_ask, node);
        char *copy = arena_try(&other->call->arena, reply.n + 1);
        if (copy) {
            memcpy(copy, reply.p, reply.n);
            other->reply = (struct str){.p = copy, .n = reply.n};
            ask->recent->stats.joined++;
        }
        other->waits = false;
        call_wake(other->call);
    }
}

enum step recent_reply(struct call *c, struct recent_ask *ask, const ProtobufCMessage *message)
{
    if (!ask->leads)
        return call_reply(c, message);
    struct str reply = call_pack(c, message);
    if (!reply.p) /* too large for the call, which call_reply says */
        return call_reply(c, message);
    keep(ask->recent, ask, reply);
    tell(ask, reply);
    leave(ask);
    return call_reply_bytes(c, (const uint8_t *)reply.p, reply.n);
}
