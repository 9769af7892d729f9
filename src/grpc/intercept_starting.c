/* Whether the server can serve yet. The table in intercept.c runs this first. What must stay true:
 * the standard services are answered from the first moment, so that a probe never takes a server
 * that waits for its database for a dead one. */
#include "grpc/internal.h"

enum reason intercept_starting(struct call_impl *ci, struct str body)
{
    (void)body;
    bool is_standard = !ci->pub.method->service->flag; /* --services cannot switch it off */
    return ci->pub.server->starting && !is_standard ? REASON_DATABASE_UNAVAILABLE : REASON_NONE;
}
