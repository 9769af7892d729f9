/* The load report on every reply, where --load-on-replies asks for it: proxies and clients weight
 * servers by it (gRFC A51). The table in intercept.c runs this first, so that refusals carry it
 * too. What must stay true: without the flag it costs one comparison. */
#include "grpc/internal.h"
#include "grpc/load.h"

enum reason intercept_load(struct call_impl *ci, struct str body)
{
    (void)body;
    struct server *server = ci->pub.server;
    /* What does not fit into the call's budget is left out; so is a report after a restart. */
    if (server->load_on_replies)
        (void)call_trailer(&ci->pub, STR("endpoint-load-metrics-bin"), load_report_bytes(server));
    return REASON_NONE;
}
