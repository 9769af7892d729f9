/* How many connections each peer address has. life.c enters them, session.c takes them out. What
 * must stay true: an address is forgotten with its last connection; unix sockets have none. */
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "h2/internal.h"

#define BUCKETS 1024 /* a power of two */
#define ADDRESS_BYTES_MAX 63

struct h2_peer {
    struct list node;
    uint32_t conns;
    uint8_t bytes;
    char address[ADDRESS_BYTES_MAX];
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

/* Without the port; empty for what is not on a network. */
static struct str address_of(const struct h2_conn *c)
{
    struct str peer = conn_peer(c->transport);
    const char *colon = memrchr(peer.p, ':', peer.n);
    if (!colon || str_starts(peer, STR("unix:")))
        return (struct str){0};
    size_t n = (size_t)(colon - peer.p);
    return (struct str){.p = peer.p, .n = n < ADDRESS_BYTES_MAX ? n : ADDRESS_BYTES_MAX};
}

static struct h2_peer *find(struct list *bucket, struct str address)
{
    list_for_each(node, bucket) {
        struct h2_peer *p = list_entry(node, struct h2_peer, node);
        if (str_eq((struct str){.p = p->address, .n = p->bytes}, address))
            return p;
    }
    return NULL;
}

bool h2_peers_enter(struct h2_conn *c)
{
    struct h2_server *server = c->server;
    struct str address = address_of(c);
    uint32_t max = server->limits.conns_per_address_max;
    if (max == 0 || address.n == 0)
        return true;
    struct list *bucket = &server->peers->buckets[str_hash(address) & (BUCKETS - 1)];
    struct h2_peer *p = find(bucket, address);
    if (!p) {
        p = calloc(1, sizeof *p);
        CHECK(p);
        p->bytes = (uint8_t)address.n;
        memcpy(p->address, address.p, address.n);
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
