/* The gRPC service config for clients, from the tables the server runs on: `faregate describe
 * --service-config`, committed as protos/faregate/v1/service_config.json. What must stay true: only
 * what changes nothing is retried by the client itself; everything else is repeated by callers, who
 * keep their request_id. */
#include "grpc/describe.h"
#include "grpc/internal.h"

/* Three attempts in all, a second apart at most: a server that restarts is back by then, and one
 * that is overloaded says itself when to come back (grpc-retry-pushback-ms). */
static const char retry_policy[] =
    ",\n      \"retryPolicy\": {\"maxAttempts\": 3, \"initialBackoff\": \"0.1s\", \"maxBackoff\": "
    "\"1s\",\n        \"backoffMultiplier\": 3, \"retryableStatusCodes\": [\"UNAVAILABLE\"]}";

static bool is_ours(const struct rpc_method *m)
{
    return m->service->flag != NULL; /* the standard services have configs of their own */
}

static void write_method(struct buf *out, const struct rpc_method *m)
{
    const struct rpc_policy *p = &m->policy;
    struct str rest = m->full_name;
    struct str service = str_cut(&rest, '/');
    buf_printf(out, "    {\"name\": [{\"service\": \"%.*s\", \"method\": \"%.*s\"}]",
               (int)service.n, service.p, (int)rest.n, rest.p);
    if (p->deadline_max_ms > 0)
        buf_printf(out, ",\n      \"timeout\": \"%u.%03us\"", p->deadline_max_ms / 1000,
                   p->deadline_max_ms % 1000);
    buf_printf(out, ",\n      \"maxRequestMessageBytes\": %u", p->request_bytes_max);
    if (p->changes_nothing)
        buf_append_str(out, str_of(retry_policy));
    buf_printf(out, "}");
}

int service_config_write(struct buf *out, const struct rpc_service *const *services,
                         const struct server_limits *limits, char *error, size_t error_bytes)
{
    struct registry *registry;
    bool is_first = true;
    int rc = registry_new(&registry, services, limits, NULL, error, error_bytes);
    if (rc < 0)
        return rc;
    buf_printf(out, "{\n  \"loadBalancingConfig\": [{\"round_robin\": {}}],\n"
                    "  \"healthCheckConfig\": {\"serviceName\": \"readiness\"},\n"
                    "  \"retryThrottling\": {\"maxTokens\": 100, \"tokenRatio\": 0.1},\n"
                    "  \"methodConfig\": [\n");
    for (size_t i = 0; i < registry->method_count; i++) {
        if (!is_ours(&registry->methods[i]))
            continue;
        if (!is_first)
            buf_printf(out, ",\n");
        is_first = false;
        write_method(out, &registry->methods[i]);
    }
    buf_printf(out, "\n  ]\n}\n");
    registry_free(registry);
    return 0;
}
