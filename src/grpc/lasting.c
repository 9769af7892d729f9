/* Streams that anybody may open and that nothing ends: watches of health, load reports, reflection.
 * They wait and cost little but memory, so they have room of their own beside the calls in flight:
 * an eighth of calls_max for whoever comes, and when that is gone a few for each connection, which
 * is more than a client needs who follows the published service config; connections have limits
 * themselves. Those of a proxy that is believed are everybody's: there each client has the few, by
 * its address. overload.c asks, intake.c counts. What must stay true: nobody can choose
 * whose few his streams take; two clients of a proxy may share a row by chance. */
#include "grpc/lasting.h"

#include "base/check.h"
#include "grpc/internal.h"

static uint32_t *count_of(const struct call_impl *ci)
{
    struct server *server = ci->pub.server;
    if (!ci->stream->trusted)
        return h2_lasting(ci->stream);
    uint64_t client = rate_client(server->rates, call_peer(&ci->pub));
    return &server->lasting_by_client[client % LASTING_ROWS];
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
