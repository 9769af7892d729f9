/* Addresses of peers without sockaddr, and sets of networks they may belong to. io and the
 * forwarded headers of grpc use it. What must stay true: no name is ever looked up. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/str.h"

enum endpoint_kind {
    ENDPOINT_NONE,
    ENDPOINT_IP,
    ENDPOINT_UNIX,
};

struct endpoint {
    enum endpoint_kind kind;
    bool is_v6;     /* as it was written; ::ffff:192.0.2.1 is the IPv4 address it holds */
    uint16_t port;  /* 0: unknown */
    uint8_t ip[16]; /* IPv4 as ::ffff:a.b.c.d */
};

/* "[" IPv6 address "]:" port, and a NUL. */
#define ENDPOINT_TEXT_BYTES 64

/* The peer of a connected socket. */
struct endpoint endpoint_of_peer(int fd);
/* "192.0.2.1:4711", "[2001:db8::1]:4711", without port where it is unknown; "unix:"; "?". Its
 * length. */
size_t endpoint_format(const struct endpoint *e, char ret_text[static ENDPOINT_TEXT_BYTES]);
/* "192.0.2.1" or "2001:db8::1" and nothing else. 0, or -EINVAL. */
int endpoint_parse_ip(struct str text, struct endpoint *ret_endpoint);
/* The same as proxies write it: also "[2001:db8::1]", and with ":port". */
int endpoint_parse(struct str text, struct endpoint *ret_endpoint);

/* What counts as one client, as bytes to compare: an IPv4 address, of IPv6 the 64 bits that a host
 * gets. How many of them; 0 for what is not on a network. @peer: as endpoint_parse takes it. */
size_t endpoint_client_key(struct str peer, uint8_t ret_key[static 8]);

#define NETWORKS_MAX 16

struct network {
    uint8_t ip[16];
    unsigned bits; /* of the 128 */
};

struct networks {
    struct network items[NETWORKS_MAX];
    unsigned count;
    bool has_unix;
};

/* Adds one: "10.0.0.0/8", "fd00::/8", "192.0.2.1", "unix". 0, -EINVAL, or -ENOSPC. */
int networks_add(struct networks *networks, struct str text);
bool networks_have(const struct networks *networks, const struct endpoint *e);
