/* How many connections each client (endpoint_client_key) has. life.c enters them, session.c takes
 * them out. What must stay true: it is forgotten with its last connection; unix sockets have none.
 */
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "h2/internal.h"
#include "io/endpoint.h"

#define BUCKETS 1024 /* a power of two */
#define KEY_BYTES_MAX 8

struct h2_peer {
    struct list node;
    uint32_t conns;
    size_t bytes;
    uint8_t key[KEY_BYTES_MAX];
};

struct h2_peers {
    struct list buckets[BUCKETS];
};

struct h2_peers *h2_peers_new(void)
{
    struct h2_peers *peers = malloc(sizeof *peers);
    CHECK(peers);
    for (unsigned i = 0; i < BUCKETS; i++)
        list_init(&peers->buckets[i]);
    return peers;
}

struct h2_peers *h2_peers_free(struct h2_peers *peers)
{
    for (unsigned i = 0; peers && i < BUCKETS; i++)
        CHECK(list_is_empty(&peers->buckets[i]));
    free(peers);
    return NULL;
}

static struct h2_peer *find(struct list *bucket, const uint8_t *key, size_t bytes)
{
    list_for_each(node, bucket) {
        struct h2_peer *p = list_entry(node, struct h2_peer, node);
        if (p->bytes == bytes && memcmp(p->key, key, bytes) == 0)
            return p;
    }
    return NULL;
}

bool h2_peers_enter(struct h2_conn *c)
{
    struct h2_server *server = c->server;
    uint32_t max = server->limits.conns_per_address_max;
    uint8_t key[KEY_BYTES_MAX];
    size_t bytes = endpoint_client_key(conn_peer(c->transport), key);
    if (max == 0 || bytes == 0)
        return true;
    uint64_t hash = str_hash(str_bytes(key, bytes));
    struct list *bucket = &server->peers->buckets[hash & (BUCKETS - 1)];
    struct h2_peer *p = find(bucket, key, bytes);
    if (!p) {
        p = calloc(1, sizeof *p);
        CHECK(p);
        p->bytes = bytes;
        memcpy(p->key, key, bytes);
        list_append(bucket, &p->node);
    }
    c->peer = p;
    return ++p->conns <= max;
}

void h2_peers_leave(struct h2_conn *c)
{
    struct h2_peer *p = c->peer;
    c->peer = NULL;
    if (!p || --p->conns > 0)
        return;
    list_remove(&p->node);
    free(p);
}
