/* Metadata that a handler sends: fields of the response headers and of the trailers. Handlers call
 * call_header and call_trailer; call_send.c puts the fields into their block. What must stay true:
 * nothing leaves that HTTP/2 or gRPC forbids, whatever a handler was given to echo; both blocks are
 * bounded; values are in the form of the wire, in the call's arena. */
#include <errno.h>

#include "base/check.h"
#include "grpc/base64.h"
#include "grpc/internal.h"

/* Names that say something about the connection or the framing, or that the server itself sends. */
static const char *const forbidden[] = {
    "connection",        "content-length",   "content-type", "host",
    "keep-alive",        "proxy-connection", "server",       "te",
    "transfer-encoding", "trailer",          "upgrade",
};

static bool is_binary(struct str name)
{
    return name.n > 4 && memcmp(name.p + name.n - 4, "-bin", 4) == 0;
}

/* gRPC PROTOCOL-HTTP2: Header-Name is 1*( %x30-39 / %x61-7A / "_" / "-" / "." ), "grpc-" is
 * reserved. One of the reserved names carries what a handler knows better: the details. */
static bool name_may_leave(struct str name, bool is_trailer)
{
    if (name.n == 0)
        return false;
    for (size_t i = 0; i < name.n; i++) {
        char ch = name.p[i];
        if (!((ch >= 'a' && ch <= 'z') || (ch >= '0' && ch <= '9') || ch == '_' || ch == '-' ||
              ch == '.'))
            return false;
    }
    if (str_starts(name, STR("grpc-")))
        return is_trailer && str_eq(name, STR("grpc-status-details-bin"));
    for (size_t i = 0; i < sizeof forbidden / sizeof forbidden[0]; i++) {
        if (str_eq(name, str_of(forbidden[i])))
            return false;
    }
    return true;
}

/* Printable ASCII. Space at either end would be trimmed by some peers and refused by others (RFC
 * 9113 section 8.2.1). */
static bool text_may_leave(struct str value)
{
    for (size_t i = 0; i < value.n; i++) {
        if (value.p[i] < 0x20 || value.p[i] > 0x7e)
            return false;
    }
    return value.n == 0 || (value.p[0] != ' ' && value.p[value.n - 1] != ' ');
}

static struct str copy(struct call_impl *ci, struct str s)
{
    char *p = arena_try(&ci->pub.arena, s.n + 1);
    if (p && s.n > 0)
        memcpy(p, s.p, s.n);
    return (struct str){.p = p, .n = s.n};
}

static struct str encoded(struct call_impl *ci, struct str value)
{
    char *p = arena_try(&ci->pub.arena, base64_encoded_bytes(value.n) + 1);
    return (struct str){.p = p, .n = p ? base64_encode((const uint8_t *)value.p, value.n, p) : 0};
}

static int grow(struct call_impl *ci, struct sent_fields *sent)
{
    if (sent->count < sent->max)
        return 0;
    unsigned max = sent->max > 0 ? 2 * sent->max : 8;
    struct h2_header *fields = arena_try(&ci->pub.arena, max * sizeof *fields);
    if (!fields)
        return -ENOMEM;
    if (sent->count > 0)
        memcpy(fields, sent->fields, sent->count * sizeof *fields);
    sent->fields = fields;
    sent->max = max;
    return 0;
}

static int add(struct call_impl *ci, struct sent_fields *sent, struct str name, struct str value)
{
    bool binary = is_binary(name);
    if (!binary && !text_may_leave(value))
        return -EINVAL;
    size_t bytes =
        name.n + (binary ? base64_encoded_bytes(value.n) : value.n) + FIELD_OVERHEAD_BYTES;
    if (sent->bytes + bytes > ci->pub.server->limits.metadata_bytes_max)
        return -E2BIG;
    struct h2_header field = {.name = copy(ci, name),
                              .value = binary ? encoded(ci, value) : copy(ci, value)};
    if (!field.name.p || !field.value.p || grow(ci, sent) < 0)
        return -ENOMEM;
    sent->fields[sent->count++] = field;
    sent->bytes += bytes;
    return 0;
}

int call_header(struct call *c, struct str name, struct str value)
{
    struct call_impl *ci = call_impl_of(c);
    CHECK(!ci->answered);
    if (ci->headers_sent)
        return -EALREADY;
    return name_may_leave(name, false) ? add(ci, &ci->sent_headers, name, value) : -EINVAL;
}

int call_trailer(struct call *c, struct str name, struct str value)
{
    struct call_impl *ci = call_impl_of(c);
    CHECK(!ci->answered);
    return name_may_leave(name, true) ? add(ci, &ci->sent_trailers, name, value) : -EINVAL;
}

size_t sent_fields_put(const struct sent_fields *sent, bool has_own_details,
                       struct h2_header *ret_headers, size_t *bytes_left)
{
    size_t count = 0;
    for (unsigned i = 0; i < sent->count; i++) {
        size_t bytes = header_list_bytes(&sent->fields[i]);
        if (bytes > *bytes_left)
            break; /* in order, so that a field is never there without the one before it */
        if (has_own_details && str_starts(sent->fields[i].name, STR("grpc-")))
            continue;
        *bytes_left -= bytes;
        ret_headers[count++] = sent->fields[i];
    }
    return count;
}
