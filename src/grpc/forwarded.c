/* What a proxy in front says of the client: x-forwarded-for, x-envoy-external-address and
 * x-forwarded-client-cert. intake collects the fields and applies them when the block is whole.
 * What must stay true: they count only where the listener believes the peer, and handlers never see
 * them: they see who the client is. */
#include "grpc/forwarded.h"

#include "grpc/xfcc.h"
#include "io/endpoint.h"

#define IDENTITY_BYTES 512

/* A list may come in several fields: the same as one with commas (RFC 9110 section 5.3). */
static void join(struct call_impl *ci, struct str *list, struct str value)
{
    if (list->n == 0) {
        *list = value;
        return;
    }
    char *both = arena_try(&ci->head_arena, list->n + 1 + value.n);
    if (!both) {
        *list = (struct str){0};
        return;
    }
    memcpy(both, list->p, list->n);
    both[list->n] = ',';
    memcpy(both + list->n + 1, value.p, value.n);
    *list = (struct str){.p = both, .n = list->n + 1 + value.n};
}

bool forwarded_see(struct call_impl *ci, struct str name, struct str value)
{
    if (str_eq(name, STR("x-forwarded-for")))
        join(ci, &ci->forwarded_for, value);
    else if (str_eq(name, STR("x-forwarded-client-cert")))
        join(ci, &ci->forwarded_cert, value);
    else if (str_eq(name, STR("x-envoy-external-address")))
        ci->external_address = value;
    else
        return false;
    return true;
}

/* The @hops-th entry from the right; empty where there are fewer. */
static struct str from_the_right(struct str list, uint32_t hops)
{
    struct str entry = {0};
    while (hops-- > 0) {
        const char *comma = list.n > 0 ? memrchr(list.p, ',', list.n) : NULL;
        if (list.n == 0)
            return (struct str){0};
        size_t start = comma ? (size_t)(comma - list.p) + 1 : 0;
        entry = (struct str){.p = list.p + start, .n = list.n - start};
        list.n = comma ? start - 1 : 0;
    }
    while (entry.n > 0 && entry.p[0] == ' ')
        entry = (struct str){.p = entry.p + 1, .n = entry.n - 1};
    while (entry.n > 0 && entry.p[entry.n - 1] == ' ')
        entry.n--;
    return entry;
}

static struct str copy(struct call_impl *ci, const char *text, size_t bytes)
{
    char *p = bytes ? arena_try(&ci->head_arena, bytes) : NULL;
    if (!p)
        return (struct str){0};
    memcpy(p, text, bytes);
    return (struct str){.p = p, .n = bytes};
}

static void apply_address(struct call_impl *ci, const struct peer *peer)
{
    struct endpoint client;
    char text[ENDPOINT_TEXT_BYTES];
    if ((!peer->is_envoy || endpoint_parse(ci->external_address, &client) < 0) &&
        endpoint_parse(from_the_right(ci->forwarded_for, peer->hops), &client) < 0)
        return;
    ci->client = copy(ci, text, endpoint_format(&client, text));
}

static void apply_identity(struct call_impl *ci, const struct peer *peer)
{
    struct xfcc xfcc;
    char text[IDENTITY_BYTES];
    ci->identity = (struct str){0};
    ci->proof = PEER_UNPROVED;
    if (!peer->is_envoy || xfcc_last(ci->forwarded_cert, &xfcc) < 0)
        return;
    ci->identity = copy(ci, text, xfcc_identity(&xfcc, text, sizeof text));
    if (ci->identity.n > 0)
        ci->proof = PEER_FORWARDED;
}

void forwarded_apply(struct call_impl *ci)
{
    const struct peer *peer = h2_stream_who(ci->stream);
    ci->identity = peer->identity;
    ci->proof = peer->proof;
    ci->via = peer->via;
    if (!peer->is_forwarder)
        return;
    /* A forwarder speaks for others: its own identity is never that of who calls through it. */
    apply_address(ci, peer);
    apply_identity(ci, peer);
}
