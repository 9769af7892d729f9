/* The header block of a request: seen field by field, then judged in the fixed order of the intake
 * table (gRPC PROTOCOL-HTTP2, grpc-go and grpc-java merged, the strictest of each). intake.c is the
 * caller. What must stay true: a field only leaves a mark when it is seen; what is wrong first in
 * the table is answered, whatever the order of the fields. */
#include <errno.h>
#include <strings.h>

#include "grpc/forwarded.h"
#include "grpc/internal.h"
#include "grpc/timeout.h"

/* ---- seeing ---- */

/* h2's bytes last as long as its callback; the usual header block fits beside the call. */
static struct str keep(struct call_impl *ci, struct str s)
{
    char *p = ci->head_text + ci->head_text_bytes;
    if (s.n <= sizeof ci->head_text - ci->head_text_bytes)
        ci->head_text_bytes += s.n;
    else
        p = arena_try(&ci->head_arena, s.n);
    if (!p) {
        ci->faults |= FAULT_TOO_LARGE;
        return (struct str){0};
    }
    if (s.n > 0)
        memcpy(p, s.p, s.n);
    return (struct str){.p = p, .n = s.n};
}

/* application/grpc, then nothing, "+proto" or parameters. Any other word after '+' is a codec we
 * lack. */
static void see_content_type(struct call_impl *ci, struct str value)
{
    ci->has_content_type = true;
    const struct str type = STR("application/grpc");
    if (str_eq(value, type))
        return;
    if (value.n < type.n || strncasecmp(value.p, type.p, type.n) != 0) {
        ci->faults |= FAULT_CONTENT_TYPE;
        return;
    }
    struct str rest = {.p = value.p + type.n, .n = value.n - type.n};
    if (rest.n == 0 || rest.p[0] == ';')
        return;
    if (rest.p[0] != '+') {
        ci->faults |= FAULT_CONTENT_TYPE;
        return;
    }
    struct str subtype = str_cut(&rest, ';');
    ci->subtype_proto = subtype.n == 6 && strncasecmp(subtype.p, "+proto", 6) == 0;
    if (!ci->subtype_proto)
        ci->faults |= FAULT_SUBTYPE;
}

/* Of several the last counts, but one that we lack is not made good by another. */
static void see_encoding(struct call_impl *ci, struct str value)
{
    if (ci->encoding == ENCODING_OTHER)
        return;
    if (str_eq(value, STR("identity")))
        ci->encoding = ENCODING_IDENTITY;
    else if (str_eq(value, STR("gzip")))
        ci->encoding = ENCODING_GZIP;
    else
        ci->encoding = ENCODING_OTHER;
}

static void see_accept_encoding(struct call_impl *ci, struct str value)
{
    while (value.n > 0) {
        struct str one = str_cut(&value, ',');
        while (one.n > 0 && one.p[0] == ' ')
            one = (struct str){.p = one.p + 1, .n = one.n - 1};
        if (str_eq(one, STR("gzip")))
            ci->accepts_gzip = true;
    }
}

static void see_path(struct call_impl *ci, struct str value)
{
    ci->path = keep(ci, value);
}

static void see_te(struct call_impl *ci, struct str value)
{
    ci->has_te = str_eq(value, STR("trailers"));
}

static void see_authority(struct call_impl *ci, struct str value)
{
    /* RFC 9113 section 8.3.1: no user information. */
    if (ci->has_authority || memchr(value.p, '@', value.n))
        ci->faults |= FAULT_AUTHORITY;
    ci->has_authority = true;
    ci->authority = keep(ci, value);
}

static void see_method(struct call_impl *ci, struct str value)
{
    ci->has_http_method = true;
    if (!str_eq(value, STR("POST")))
        ci->faults |= FAULT_HTTP_METHOD;
}

/* Paths of others have no rules (CVE-2026-33186 in grpc-go). */
static void see_scheme(struct call_impl *ci, struct str value)
{
    if (!str_eq(value, STR("http")) && !str_eq(value, STR("https")))
        ci->faults |= FAULT_SCHEME;
}

/* Stands in for :authority where that is absent, and means nothing beside it. */
static void see_host(struct call_impl *ci, struct str value)
{
    if (ci->has_host)
        ci->faults |= FAULT_AUTHORITY;
    ci->has_host = true;
    if (!ci->has_authority)
        ci->authority = keep(ci, value);
}

/* How long Envoy's router waits for us; whoever is not a proxy of ours cannot say so. */
static void see_expected(struct call_impl *ci, struct str value)
{
    int64_t ms;
    if (ci->stream->trusted && str_int64(value, 1, INT32_MAX, &ms) == 0)
        ci->expected_ns = ms * NS_PER_MS;
}

/* How often this call was tried before, as the client counts (grpc-previous-rpc-attempts, gRFC A6)
 * or a proxy on the way. Only told, so anybody may say it. */
static void see_attempts(struct call_impl *ci, struct str value, int64_t first)
{
    int64_t attempts;
    if (str_int64(value, first, INT32_MAX, &attempts) == 0 &&
        attempts - first > ci->previous_attempts)
        ci->previous_attempts = attempts - first;
}

static void see_timeout(struct call_impl *ci, struct str value)
{
    if (timeout_parse(value, &ci->timeout_ns) < 0)
        ci->faults |= FAULT_TIMEOUT;
}

static void see_authorization(struct call_impl *ci, struct str value)
{
    ci->has_authorization = true;
    if (value.n > 7 && strncasecmp(value.p, "Bearer ", 7) == 0)
        ci->token = keep(ci, (struct str){.p = value.p + 7, .n = value.n - 7});
}

/* What means something to us alone; NULL: it is the handler's to see. */
static void (*const own[])(struct call_impl *ci, struct str value) = {
    [H2_FIELD_METHOD] = see_method,
    [H2_FIELD_SCHEME] = see_scheme,
    [H2_FIELD_PATH] = see_path,
    [H2_FIELD_AUTHORITY] = see_authority,
    [H2_FIELD_HOST] = see_host,
    [H2_FIELD_TE] = see_te,
    [H2_FIELD_CONTENT_TYPE] = see_content_type,
    [H2_FIELD_AUTHORIZATION] = see_authorization,
    [H2_FIELD_GRPC_TIMEOUT] = see_timeout,
    [H2_FIELD_GRPC_ENCODING] = see_encoding,
    [H2_FIELD_GRPC_ACCEPT_ENCODING] = see_accept_encoding,
    [H2_FIELD_FORBIDDEN] = NULL, /* the last there is */
};

/* Fields that have no number. False: it is one more that handlers see. */
static bool see_other(struct call_impl *ci, struct str name, struct str value)
{
    if (forwarded_see(ci, name, value))
        return true;
    /* Told to handlers too: not ours alone. */
    if (str_eq(name, STR("x-envoy-expected-rq-timeout-ms")))
        see_expected(ci, value);
    else if (str_eq(name, STR("x-envoy-attempt-count"))) /* the first try is 1 */
        see_attempts(ci, value, 1);
    else if (str_eq(name, STR("grpc-previous-rpc-attempts")))
        see_attempts(ci, value, 0);
    return false;
}

void intake_on_header(struct h2_stream *s, enum h2_field which, struct str name, struct str value,
                      void *ctx)
{
    (void)ctx;
    struct call_impl *ci = s->user;
    if (!ci || ci->headers_done || ci->phase == CALL_ENDED)
        return; /* request trailers mean nothing in gRPC */
    if (own[which]) {
        own[which](ci, value);
        return;
    }
    value = keep(ci, value);
    if (which == H2_FIELD_USER_AGENT)
        ci->user_agent = value;
    else if (which == H2_FIELD_TRACEPARENT)
        ci->traceparent = value;
    else if (see_other(ci, name, value))
        return;
    name = which == H2_FIELD_USER_AGENT ? STR("user-agent") : keep(ci, name);
    int r = metadata_add(ci, name, value);
    if (r < 0)
        ci->faults |= r == -EINVAL ? FAULT_BINARY : FAULT_TOO_LARGE;
}

/* ---- judging ---- */

struct verdict {
    uint16_t http_status;
    enum status_code code;
    const char *message;
};

static const struct verdict verdicts[] = {
    {400, STATUS_INTERNAL, "a request has one :authority or host, without a user"},
    {404, STATUS_UNIMPLEMENTED, "the path of a call is /service/method"},
    {400, STATUS_INTERNAL, "the scheme of a call is http or https"},
    {415, STATUS_INTERNAL, "the content-type of a call is application/grpc"},
    {415, STATUS_INTERNAL, "the only message format here is application/grpc+proto"},
    {405, STATUS_INTERNAL, "the HTTP method of a call is POST"},
    {431, STATUS_RESOURCE_EXHAUSTED, "the request headers are larger than this server allows"},
    {400, STATUS_INTERNAL, "a call says te: trailers, or a proxy drops how it ended"},
    {400, STATUS_INTERNAL, "malformed grpc-timeout"},
    {400, STATUS_INTERNAL, "a -bin header is not base64"},
};

/* The bit of a fault is the row of its verdict. */
unsigned intake_faults(const struct call_impl *ci, bool over_limit)
{
    unsigned faults = ci->faults;
    if (ci->path.n > 0 ? ci->path.p[0] != '/' : !over_limit)
        faults |= FAULT_PATH;
    /* What is absent may be among the fields that were over the limit. */
    if (over_limit)
        return faults | FAULT_TOO_LARGE;
    if (!ci->has_content_type)
        faults |= FAULT_CONTENT_TYPE;
    if (!ci->has_http_method)
        faults |= FAULT_HTTP_METHOD;
    if (!ci->has_te && ci->pub.server->limits.te_required)
        faults |= FAULT_TE;
    return faults;
}

void intake_judge(struct call_impl *ci, unsigned faults)
{
    const struct verdict *verdict = &verdicts[__builtin_ctz(faults)];
    ci->http_status = verdict->http_status;
    call_set_status(ci, verdict->code, verdict->message);
}
