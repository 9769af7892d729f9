/* See endpoint.h. What must stay true: an IPv4 address and its form mapped into IPv6 are the same
 * to every set of networks. */
#include "io/endpoint.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

static const uint8_t v4_in_v6[12] = {[10] = 0xff, [11] = 0xff};

static bool is_v4(const uint8_t ip[16])
{
    return memcmp(ip, v4_in_v6, sizeof v4_in_v6) == 0;
}

struct endpoint endpoint_of_peer(int fd)
{
    struct endpoint e = {.kind = ENDPOINT_NONE};
    union {
        struct sockaddr any;
        struct sockaddr_in v4;
        struct sockaddr_in6 v6;
    } a = {0};
    socklen_t bytes = sizeof a;
    if (getpeername(fd, &a.any, &bytes) < 0)
        return e;
    if (a.any.sa_family == AF_UNIX) {
        e.kind = ENDPOINT_UNIX;
    } else if (a.any.sa_family == AF_INET) {
        e.kind = ENDPOINT_IP;
        memcpy(e.ip, v4_in_v6, sizeof v4_in_v6);
        memcpy(e.ip + 12, &a.v4.sin_addr, 4);
        e.port = ntohs(a.v4.sin_port);
    } else if (a.any.sa_family == AF_INET6) {
        e.kind = ENDPOINT_IP;
        e.is_v6 = true;
        memcpy(e.ip, &a.v6.sin6_addr, 16);
        e.port = ntohs(a.v6.sin6_port);
    }
    return e;
}

size_t endpoint_format(const struct endpoint *e, char ret_text[static ENDPOINT_TEXT_BYTES])
{
    char host[INET6_ADDRSTRLEN];
    bool four = is_v4(e->ip);
    int n;
    if (e->kind != ENDPOINT_IP)
        return (size_t)snprintf(ret_text, ENDPOINT_TEXT_BYTES, "%s",
                                e->kind == ENDPOINT_UNIX ? "unix:" : "?");
    inet_ntop(four ? AF_INET : AF_INET6, four ? e->ip + 12 : e->ip, host, sizeof host);
    n = snprintf(ret_text, ENDPOINT_TEXT_BYTES, four ? "%s" : "[%s]", host);
    if (e->port)
        n += snprintf(ret_text + n, ENDPOINT_TEXT_BYTES - (size_t)n, ":%u", e->port);
    return (size_t)n;
}

int endpoint_parse_ip(struct str text, struct endpoint *ret)
{
    char host[INET6_ADDRSTRLEN];
    struct endpoint e = {.kind = ENDPOINT_IP};
    if (text.n == 0 || text.n >= sizeof host || memchr(text.p, '\0', text.n))
        return -EINVAL;
    memcpy(host, text.p, text.n);
    host[text.n] = '\0';
    memcpy(e.ip, v4_in_v6, sizeof v4_in_v6);
    if (inet_pton(AF_INET, host, e.ip + 12) != 1) {
        e.is_v6 = true;
        if (inet_pton(AF_INET6, host, e.ip) != 1)
            return -EINVAL;
    }
    *ret = e;
    return 0;
}

int endpoint_parse(struct str text, struct endpoint *ret)
{
    struct str host = text, rest = {0};
    int64_t port = 0;
    if (text.n > 0 && text.p[0] == '[') {
        rest = (struct str){.p = text.p + 1, .n = text.n - 1};
        host = str_cut(&rest, ']');
        if (host.n + 1 == text.n) /* it was not closed */
            return -EINVAL;
    } else {
        const char *colon = text.n > 0 ? memchr(text.p, ':', text.n) : NULL;
        /* One colon parts the port from an IPv4 address; more are an IPv6 address without one. */
        if (colon && !memchr(colon + 1, ':', (size_t)(text.p + text.n - colon - 1))) {
            host.n = (size_t)(colon - text.p);
            rest = (struct str){.p = colon, .n = text.n - host.n};
        }
    }
    if (rest.n > 0 && (rest.p[0] != ':' || str_int64((struct str){.p = rest.p + 1, .n = rest.n - 1},
                                                     0, UINT16_MAX, &port) < 0))
        return -EINVAL;
    int r = endpoint_parse_ip(host, ret);
    if (r == 0)
        ret->port = (uint16_t)port;
    return r;
}

size_t endpoint_client_key(struct str peer, uint8_t ret_key[static 8])
{
    struct endpoint e;
    if (endpoint_parse(peer, &e) < 0)
        return 0;
    size_t n = is_v4(e.ip) ? 4 : 8;
    memcpy(ret_key, is_v4(e.ip) ? e.ip + 12 : e.ip, n);
    return n;
}

/* ---- networks ---- */

static bool same_prefix(const uint8_t *a, const uint8_t *b, unsigned bits)
{
    unsigned whole = bits / 8, rest = bits % 8;
    return memcmp(a, b, whole) == 0 && (rest == 0 || (a[whole] ^ b[whole]) >> (8 - rest) == 0);
}

int networks_add(struct networks *networks, struct str text)
{
    struct endpoint e;
    struct str length = text;
    int64_t bits;
    if (str_eq(text, STR("unix"))) {
        networks->has_unix = true;
        return 0;
    }
    if (networks->count == NETWORKS_MAX)
        return -ENOSPC;
    struct str host = str_cut(&length, '/');
    if (endpoint_parse_ip(host, &e) < 0)
        return -EINVAL;
    bits = e.is_v6 ? 128 : 32;
    if (host.n < text.n && str_int64(length, 0, bits, &bits) < 0)
        return -EINVAL;
    struct network *n = &networks->items[networks->count++];
    memcpy(n->ip, e.ip, sizeof n->ip);
    n->bits = (unsigned)bits + (e.is_v6 ? 0 : 96);
    return 0;
}

bool networks_have(const struct networks *networks, const struct endpoint *e)
{
    if (e->kind == ENDPOINT_UNIX)
        return networks->has_unix;
    for (unsigned i = 0; e->kind == ENDPOINT_IP && i < networks->count; i++)
        if (same_prefix(e->ip, networks->items[i].ip, networks->items[i].bits))
            return true;
    return false;
}
