/* What stands between a request and its first step: one table, in this order, the same for every
 * method. intake runs the header stage before it reads a body and the message stage once the
 * request is known to be valid. What must stay true: nothing here blocks; what is refused here is
 * never recorded (domain idempotency rule 2). */
#include "grpc/internal.h"

struct interceptor {
    const char *name;
    enum intercept_stage stage;
    enum reason (*run)(struct call_impl *ci, struct str body);
};

/* Trace context comes first of all, in on_request: refused requests have one too. */
static const struct interceptor interceptors[] = {
    {"load", INTERCEPT_HEADERS, intercept_load},
    {"starting", INTERCEPT_HEADERS, intercept_starting},
    {"token", INTERCEPT_HEADERS, intercept_token},
    {"permission", INTERCEPT_HEADERS, intercept_permission},
    {"rate", INTERCEPT_HEADERS, intercept_rate},
    {"idempotency", INTERCEPT_MESSAGE, intercept_idempotency},
};

enum reason intercept(struct call_impl *ci, enum intercept_stage stage, struct str body)
{
    for (size_t i = 0; i < sizeof interceptors / sizeof interceptors[0]; i++) {
        if (interceptors[i].stage != stage)
            continue;
        enum reason reason = interceptors[i].run(ci, body);
        if (reason != REASON_NONE)
            return reason;
    }
    return REASON_NONE;
}
