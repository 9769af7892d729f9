/* Calls a minute for one user (or one network, where nobody is known) and one method: token buckets
 * in a table of fixed size. Services, which speak for many, are not counted. The table in
 * intercept.c runs it. What must stay true: memory is bounded whatever the callers do; a newcomer
 * displaces the bucket of its set that is closest to full, which forgets the least. The count is
 * per worker, so N workers allow up to N times as much to a caller who spreads over connections. */
#include <errno.h>
#include <stdlib.h>

#include "base/check.h"
#include "grpc/internal.h"
#include "io/endpoint.h"

#define RATE_SETS 4096
#define RATE_WAYS 4

struct bucket {
    uint64_t key;    /* 0: free */
    int64_t full_ns; /* when it will be, or was, full again; a bucket is full at birth */
};

struct rate_table {
    uint64_t seed;
    struct bucket buckets[RATE_SETS][RATE_WAYS];
};

int rate_table_new(struct rate_table **ret_table)
{
    struct rate_table *table = calloc(1, sizeof *table);
    if (!table)
        return -ENOMEM;
    random_bytes(&table->seed, sizeof table->seed);
    *ret_table = table;
    return 0;
}

struct rate_table *rate_table_free(struct rate_table *table)
{
    free(table);
    return NULL;
}

/* Seeded, so that nobody outside can choose whose bucket they share. */
static uint64_t key_of(const struct rate_table *table, struct str who, uint32_t method)
{
    uint64_t h = table->seed ^ ((uint64_t)method << 32 | who.n);
    for (size_t i = 0; i < who.n; i += 8) {
        uint64_t word = 0;
        memcpy(&word, who.p + i, who.n - i < 8 ? who.n - i : 8);
        h = (h ^ word) * UINT64_C(0x9fb21c651e98df25);
        h ^= h >> 32;
    }
    h *= UINT64_C(0xd6e8feb86659fd93);
    h ^= h >> 29;
    return h != 0 ? h : 1;
}

static struct bucket *find(struct rate_table *table, uint64_t key, int64_t now_ns)
{
    struct bucket *set = table->buckets[key % RATE_SETS];
    struct bucket *fullest = &set[0];
    for (unsigned i = 0; i < RATE_WAYS; i++) {
        if (set[i].key == key)
            return &set[i];
        if (set[i].full_ns < fullest->full_ns)
            fullest = &set[i];
    }
    *fullest = (struct bucket){.key = key, .full_ns = now_ns};
    return fullest;
}

/* A bucket is kept as the time at which it is full: each call moves that time one interval away, a
 * minute away is empty. */
uint32_t rate_take_ms(struct rate_table *table, struct str who, uint32_t method,
                      uint32_t per_minute, int64_t now_ns)
{
    CHECK(per_minute > 0);
    const int64_t minute_ns = 60 * NS_PER_S;
    int64_t interval_ns = minute_ns / per_minute;
    struct bucket *bucket = find(table, key_of(table, who, method), now_ns);
    int64_t full_ns = bucket->full_ns > now_ns ? bucket->full_ns : now_ns;
    int64_t late_ns = full_ns + interval_ns - now_ns - minute_ns;
    if (late_ns > 0)
        return (uint32_t)((late_ns + NS_PER_MS - 1) / NS_PER_MS);
    bucket->full_ns = full_ns + interval_ns;
    return 0;
}

/* endpoint_client_key, without reading an IPv4 address for each call. */
static struct str client_of(struct str peer, uint8_t ret_key[static 8])
{
    if (peer.n > 0 && peer.p[0] == '[')
        return str_bytes(ret_key, endpoint_client_key(peer, ret_key));
    const char *colon = peer.n > 0 ? memrchr(peer.p, ':', peer.n) : NULL;
    return colon ? (struct str){.p = peer.p, .n = (size_t)(colon - peer.p)} : peer;
}

uint64_t rate_client(const struct rate_table *table, struct str peer)
{
    uint8_t key[8];
    return key_of(table, client_of(peer, key), 0);
}

enum reason intercept_rate(struct call_impl *ci, struct str body)
{
    (void)body;
    struct server *server = ci->pub.server;
    const struct rpc_method *method = ci->pub.method;
    const struct principal *principal = &ci->pub.principal;
    if (method->policy.rate_per_minute_max == 0 || principal_has(principal, ROLE_SERVICE))
        return REASON_NONE;
    uint8_t key[8];
    struct str who = principal->known ? str_bytes(principal->user_id.b, sizeof principal->user_id.b)
                                      : client_of(call_peer(&ci->pub), key);
    uint32_t wait_ms =
        rate_take_ms(server->rates, who, (uint32_t)(method - server->registry->methods),
                     method->policy.rate_per_minute_max, server->loop->now_ns);
    if (wait_ms == 0)
        return REASON_NONE;
    call_fail_pushback(&ci->pub, (int32_t)wait_ms);
    return REASON_RATE_LIMITED;
}
