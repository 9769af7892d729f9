/* What stands between a request and its first step: one table, in this order, the same for every
 * method. intake runs the header stage before it reads a body and the message stage once the
 * request is known to be valid. What must stay true: nothing here blocks; what is refused here is
 * never recorded (domain idempotency rule 2). */
#include "grpc/internal.h"

/* Two things are not in here, because they are for every request, also for those that no row lets
 * through or whose method does not exist: trace context is begun before (call_trace_begin), the one
 * event and the counters are written after (call_finish). */
const struct interceptor interceptors_default[] = {
    {"load", INTERCEPT_HEADERS, intercept_load},
    {"starting", INTERCEPT_HEADERS, intercept_starting},
    {"overload", INTERCEPT_HEADERS, intercept_overload},
    {"identity", INTERCEPT_HEADERS, intercept_identity},
    {"token", INTERCEPT_HEADERS, intercept_token},
    {"permission", INTERCEPT_HEADERS, intercept_permission},
    {"rate", INTERCEPT_HEADERS, intercept_rate},
    {"idempotency", INTERCEPT_MESSAGE, intercept_idempotency},
    {0},
};

enum reason intercept(struct call_impl *ci, enum intercept_stage stage, struct str body)
{
    for (const struct interceptor *i = ci->pub.server->interceptors; i->run; i++) {
        if (i->stage != stage)
            continue;
        enum reason reason = i->run(ci, body);
        if (reason != REASON_NONE)
            return reason;
    }
    return REASON_NONE;
}
