/* Streams that anybody may open and that nothing ends: watches of health, load reports, reflection.
 * They wait and cost little but memory, so they have room of their own beside the calls in flight:
 * an eighth of calls_max for whoever comes, and when that is gone a few for each connection, which
 * is more than a client needs who follows the published service config; connections have limits
 * themselves. Those of a proxy that is believed are everybody's: there each client has the few, by
 * its address. overload.c asks, intake.c counts. What must stay true: nobody's streams take the few
 * of another. */
#include "grpc/lasting.h"

#include <errno.h>
#include <stdlib.h>

#include "base/check.h"
#include "grpc/internal.h"
#include "io/endpoint.h"

/* Clients of proxies by a hash: two may share a row, but nobody chooses with whom. */
#define CLIENT_ROWS 4096

struct lasting {
    uint64_t seed;
    uint32_t by_client[CLIENT_ROWS];
};

int lasting_new(struct lasting **ret_lasting)
{
    struct lasting *l = calloc(1, sizeof *l);
    if (!l)
        return -ENOMEM;
    random_bytes(&l->seed, sizeof l->seed);
    *ret_lasting = l;
    return 0;
}

struct lasting *lasting_free(struct lasting *lasting)
{
    free(lasting);
    return NULL;
}

static uint32_t *count_of(const struct call_impl *ci)
{
    struct lasting *l = ci->pub.server->lasting;
    uint8_t key[sizeof l->seed + 8];
    if (!ci->stream->trusted)
        return h2_lasting(ci->stream);
    memcpy(key, &l->seed, sizeof l->seed);
    size_t bytes = endpoint_client_key(call_peer(&ci->pub), key + sizeof l->seed);
    return &l->by_client[str_hash(str_bytes(key, sizeof l->seed + bytes)) % CLIENT_ROWS];
}

bool lasting_has_room(const struct call_impl *ci)
{
    const struct server *server = ci->pub.server;
    return server->calls_lasting < server->limits.calls_max / 8 || *count_of(ci) < LASTING_FEW;
}

void lasting_begun(struct call_impl *ci)
{
    ci->lasting = count_of(ci);
    ++*ci->lasting;
}

void lasting_ended(struct call_impl *ci)
{
    CHECK(*ci->lasting > 0);
    --*ci->lasting;
    ci->lasting = NULL;
}
