/* Writing the tables of the server as JSON or as text. Called for `faregate describe`.
 * What must stay true: both forms say the same; a new limit is added to the list here or a test
 * fails. */
#include "grpc/describe.h"

#include <stdio.h>

#include "base/check.h"
#include "grpc/internal.h"

static const char *const auth_names[] = {
    [RPC_AUTH_PUBLIC] = "public",
    [RPC_AUTH_USER] = "user",
    [RPC_AUTH_STAFF] = "staff",
    [RPC_AUTH_SERVICE] = "service",
};

static const char *const role_names[] = {
    [ROLE_TRAVELLER] = "traveller", [ROLE_AGENT] = "agent",     [ROLE_AIRLINE_OPS] = "airline_ops",
    [ROLE_FINANCE] = "finance",     [ROLE_SUPPORT] = "support", [ROLE_ADMIN] = "admin",
    [ROLE_SERVICE] = "service",
};

static const char *const criticality_names[] = {
    [RPC_CRITICALITY_LOW] = "low",
    [RPC_CRITICALITY_NORMAL] = "normal",
    [RPC_CRITICALITY_HIGH] = "high",
};

#define ROLE_COUNT (sizeof role_names / sizeof role_names[0])

static const struct limit {
    const char *name;
    size_t offset;
} limits_shown[] = {
/* clang-format off */
#define LIMIT(field) {#field, offsetof(struct server_limits, field)}
    LIMIT(message_bytes_max),
    LIMIT(reply_bytes_max),
    LIMIT(arena_bytes_max),
    LIMIT(message_depth_max),
    LIMIT(deadline_default_ms),
    LIMIT(deadline_max_ms),
    LIMIT(calls_max),
    LIMIT(stream_queue_bytes_max),
    LIMIT(metadata_bytes_max),
    LIMIT(te_required),
    LIMIT(loop_lag_max_ms),
    LIMIT(queue_wait_max_ms),
    LIMIT(load_report_ms_min),
    LIMIT(drain_grace_ms),
/* clang-format on */
#undef LIMIT
};

#define LIMIT_COUNT (sizeof limits_shown / sizeof limits_shown[0])

_Static_assert(sizeof(struct server_limits) == LIMIT_COUNT * sizeof(uint32_t),
               "every limit is shown");

static uint32_t limit_value(const struct server_limits *limits, size_t i)
{
    uint32_t value;
    memcpy(&value, (const char *)limits + limits_shown[i].offset, sizeof value);
    return value;
}

static const char *stream_name(const struct rpc_method *m)
{
    if (m->client_streaming)
        return m->server_streaming ? "bidirectional" : "client";
    return m->server_streaming ? "server" : "unary";
}

static const char *auth_name(const struct rpc_method *m)
{
    CHECK((size_t)m->policy.auth < sizeof auth_names / sizeof auth_names[0]);
    CHECK(auth_names[m->policy.auth]);
    return auth_names[m->policy.auth];
}

static bool statement_at(const struct describe_hooks *hooks, size_t index,
                         struct describe_statement *s)
{
    *s = (struct describe_statement){0};
    return hooks && hooks->statement && hooks->statement(hooks->ctx, index, s);
}

static bool flag_at(const struct describe_hooks *hooks, size_t index, struct describe_flag *f)
{
    *f = (struct describe_flag){0};
    return hooks && hooks->flag && hooks->flag(hooks->ctx, index, f);
}

/* The heads of what /metrics prints: "# HELP name text", then "# TYPE name type". */
static void each_metric(const struct describe_hooks *hooks,
                        void (*fn)(void *ctx, struct str name, struct str type, struct str help),
                        void *ctx)
{
    struct buf text = {0};
    if (!hooks || !hooks->obs)
        return;
    obs_render_prometheus(obs_region_of(hooks->obs), &text);
    struct str rest = {.p = (const char *)text.p + text.start, .n = buf_len(&text)};
    struct str help = {0};
    while (rest.n > 0) {
        struct str line = str_cut(&rest, '\n');
        if (str_skip(&line, STR("# HELP "))) {
            str_cut(&line, ' ');
            help = line;
        } else if (str_skip(&line, STR("# TYPE "))) {
            struct str name = str_cut(&line, ' ');
            fn(ctx, name, line, help);
        }
    }
    buf_deinit(&text);
}

/* ---- JSON ---- */

static void json_text(struct buf *out, const char *key, const char *value)
{
    buf_printf(out, "\"%s\":", key);
    buf_append_json(out, str_of(value));
    buf_printf(out, ",");
}

static void json_number(struct buf *out, const char *key, uint32_t value)
{
    buf_printf(out, "\"%s\":%u,", key, value);
}

static void json_flag(struct buf *out, const char *key, bool value)
{
    buf_printf(out, "\"%s\":%s,", key, value ? "true" : "false");
}

static void json_method(struct buf *out, const struct rpc_method *m)
{
    const struct rpc_policy *p = &m->policy;
    const char *sep = "";
    buf_printf(out, "{");
    json_text(out, "method", m->full_name.p);
    json_text(out, "request", m->request->name);
    json_text(out, "reply", m->reply->name);
    json_text(out, "kind", stream_name(m));
    json_text(out, "auth", auth_name(m));
    buf_printf(out, "\"roles\":[");
    for (unsigned i = 0; i < ROLE_COUNT; i++) {
        if (!(p->roles & (1u << i)) || !role_names[i])
            continue;
        buf_printf(out, "%s\"%s\"", sep, role_names[i]);
        sep = ",";
    }
    buf_printf(out, "],");
    json_flag(out, "changes_nothing", p->changes_nothing);
    json_flag(out, "idempotent", p->is_idempotent);
    json_flag(out, "transaction", m->handler->tx == TX_WRITE);
    json_flag(out, "compressed", !p->no_compression);
    json_text(out, "criticality", criticality_names[p->criticality]);
    json_number(out, "deadline_default_ms", p->deadline_default_ms);
    json_number(out, "deadline_max_ms", p->deadline_max_ms);
    json_number(out, "request_bytes_max", p->request_bytes_max);
    json_number(out, "reply_bytes_max", p->reply_bytes_max);
    json_number(out, "rate_per_minute_max", p->rate_per_minute_max);
    json_number(out, "in_flight_max", p->in_flight_max);
    json_flag(out, "lasts", p->lasts);
    buf_printf(out, "\"steps\":[");
    for (unsigned i = 0; i < m->handler->step_count; i++)
        buf_printf(out, "%s\"%s\"", i > 0 ? "," : "", m->handler->steps[i].name);
    buf_printf(out, "]}");
}

static void json_statements(struct buf *out, const struct describe_hooks *hooks)
{
    struct describe_statement s;
    for (size_t i = 0; statement_at(hooks, i, &s); i++) {
        buf_printf(out, "%s{", i > 0 ? ",\n" : "");
        json_text(out, "name", s.name);
        json_text(out, "cardinality", s.cardinality);
        json_text(out, "lane", s.lane ? s.lane : "");
        buf_printf(out, "\"batched\":%s}", s.is_batched ? "true" : "false");
    }
}

static void json_reasons(struct buf *out)
{
    for (enum reason r = REASON_NONE + 1; r < REASON_COUNT; r++) {
        const struct reason_info *info = reason_info(r);
        buf_printf(out, "%s{", r > REASON_NONE + 1 ? ",\n" : "");
        json_text(out, "reason", info->name);
        json_text(out, "code", status_name(info->code));
        json_text(out, "text", info->text);
        buf_printf(out, "\"retryable\":%s}", info->retryable ? "true" : "false");
    }
}

static void json_flags(struct buf *out, const struct describe_hooks *hooks)
{
    struct describe_flag f;
    for (size_t i = 0; flag_at(hooks, i, &f); i++) {
        buf_printf(out, "%s{", i > 0 ? ",\n" : "");
        json_text(out, "flag", f.name);
        json_text(out, "unit", f.unit);
        json_text(out, "help", f.help);
        buf_printf(out, "\"value\":");
        buf_append_json(out, str_of(f.value));
        buf_printf(out, "}");
    }
}

struct json_list {
    struct buf *out;
    const char *separator;
};

static void json_metric(void *ctx, struct str name, struct str type, struct str help)
{
    struct json_list *list = ctx;
    struct buf *out = list->out;
    buf_printf(out, "%s{\"metric\":", list->separator);
    list->separator = ",\n";
    buf_append_json(out, name);
    buf_printf(out, ",\"type\":");
    buf_append_json(out, type);
    buf_printf(out, ",\"help\":");
    buf_append_json(out, help);
    buf_printf(out, "}");
}

static void write_json(struct buf *out, const struct registry *registry,
                       const struct server_limits *limits, const struct describe_hooks *hooks)
{
    buf_printf(out, "{\"methods\":[\n");
    for (size_t i = 0; i < registry->method_count; i++) {
        if (i > 0)
            buf_printf(out, ",\n");
        json_method(out, &registry->methods[i]);
    }
    buf_printf(out, "],\n\"statements\":[\n");
    json_statements(out, hooks);
    buf_printf(out, "],\n\"reasons\":[\n");
    json_reasons(out);
    buf_printf(out, "],\n\"limits\":{");
    for (size_t i = 0; i < LIMIT_COUNT; i++)
        buf_printf(out, "%s\"%s\":%u", i > 0 ? "," : "", limits_shown[i].name,
                   limit_value(limits, i));
    buf_printf(out, "},\n\"flags\":[\n");
    json_flags(out, hooks);
    buf_printf(out, "],\n\"metrics\":[\n");
    each_metric(hooks, json_metric, &(struct json_list){.out = out, .separator = ""});
    buf_printf(out, "]}\n");
}

/* ---- text ---- */

static const char *shed_text(enum rpc_criticality criticality)
{
    return criticality == RPC_CRITICALITY_LOW    ? ", shed first"
           : criticality == RPC_CRITICALITY_HIGH ? ", shed last"
                                                 : "";
}

/* One fact a line, so that a change of behaviour is one line of the golden file's diff. */
static void text_method(struct buf *out, const struct rpc_method *m)
{
    const struct rpc_policy *p = &m->policy;
    buf_printf(out, "\n%s\n    %s, %s", m->full_name.p, stream_name(m), auth_name(m));
    for (unsigned i = 0; i < ROLE_COUNT; i++)
        if (p->roles & (1u << i) && role_names[i])
            buf_printf(out, " %s", role_names[i]);
    buf_printf(out, "%s%s%s%s%s\n", p->changes_nothing ? ", changes nothing" : "",
               p->is_idempotent ? ", idempotent" : "",
               m->handler->tx == TX_WRITE ? ", transaction" : "",
               p->no_compression ? ", never compressed" : "", shed_text(p->criticality));
    buf_printf(out, "    request: %s, at most %u bytes\n", m->request->name, p->request_bytes_max);
    buf_printf(out, "    reply: %s, at most %u bytes\n", m->reply->name, p->reply_bytes_max);
    if (p->deadline_max_ms > 0)
        buf_printf(out, "    deadline: %u ms, at most %u ms\n", p->deadline_default_ms,
                   p->deadline_max_ms);
    else
        buf_printf(out, "    deadline: the client's\n");
    if (p->rate_per_minute_max > 0)
        buf_printf(out, "    rate: at most %u a minute\n", p->rate_per_minute_max);
    if (p->in_flight_max > 0)
        buf_printf(out, "    in flight: at most %u in a worker\n", p->in_flight_max);
    if (p->lasts)
        buf_printf(out, "    lasts: at least %u on each connection, with all that do\n",
                   LASTING_FEW);
    buf_printf(out, "    steps:");
    for (unsigned i = 0; i < m->handler->step_count; i++)
        buf_printf(out, " %s", m->handler->steps[i].name);
    buf_printf(out, "\n");
}

static void text_metric(void *ctx, struct str name, struct str type, struct str help)
{
    buf_printf(ctx, "%-60.*s %-10.*s %.*s\n", (int)name.n, name.p, (int)type.n, type.p, (int)help.n,
               help.p);
}

static void text_tables(struct buf *out, const struct server_limits *limits,
                        const struct describe_hooks *hooks)
{
    struct describe_statement s;
    struct describe_flag f;
    buf_printf(out, "\nSTATEMENTS\n");
    for (size_t i = 0; statement_at(hooks, i, &s); i++)
        buf_printf(out, "%-46s %-6s %-6s %s\n", s.name, s.cardinality, s.lane ? s.lane : "-",
                   s.is_batched ? "batched" : "alone");
    buf_printf(out, "\nREASONS\n");
    for (enum reason r = REASON_NONE + 1; r < REASON_COUNT; r++) {
        const struct reason_info *info = reason_info(r);
        buf_printf(out, "%-24s %-20s %-9s %s\n", info->name, status_name(info->code),
                   info->retryable ? "retryable" : "-", info->text);
    }
    buf_printf(out, "\nLIMITS OF A CALL\n");
    for (size_t i = 0; i < LIMIT_COUNT; i++)
        buf_printf(out, "%-24s %u\n", limits_shown[i].name, limit_value(limits, i));
    buf_printf(out, "\nFLAGS\n");
    for (size_t i = 0; flag_at(hooks, i, &f); i++)
        buf_printf(out, "--%s=%s%s%s\n    %s\n", f.name, f.value, f.unit[0] ? " " : "", f.unit,
                   f.help);
    buf_printf(out, "\nMETRICS\n");
    each_metric(hooks, text_metric, out);
}

static void write_text(struct buf *out, const struct registry *registry,
                       const struct server_limits *limits, const struct describe_hooks *hooks)
{
    buf_printf(out, "METHODS\n");
    for (size_t i = 0; i < registry->method_count; i++)
        text_method(out, &registry->methods[i]);
    text_tables(out, limits, hooks);
}

int describe_write(struct buf *out, bool as_json, const struct rpc_service *const *services,
                   const struct server_limits *limits, const struct describe_hooks *hooks,
                   char *error, size_t error_bytes)
{
    struct registry *registry;
    int rc =
        registry_new(&registry, services, limits, hooks ? hooks->obs : NULL, error, error_bytes);
    if (rc < 0)
        return rc;
    if (as_json)
        write_json(out, registry, limits, hooks);
    else
        write_text(out, registry, limits, hooks);
    registry_free(registry);
    return 0;
}
