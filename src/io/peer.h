/* Who is on the other side of a connection, and how that was learnt. The connection owns it; h2 and
 * grpc look at it. What must stay true: an identity is proved (by a certificate, by the kernel), or
 * it is not there. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/str.h"

enum peer_proof {
    PEER_UNPROVED,
    PEER_CERTIFICATE, /* verified: "spiffe://...", "dns:..." */
    PEER_SOCKET,      /* SO_PEERCRED: "unix:uid=1000" */
    PEER_FORWARDED,   /* a forwarder's x-forwarded-client-cert; a call's, never a connection's */
};

struct peer {
    struct str address;  /* the client as far as known: "192.0.2.1:4711", "unix:" */
    struct str via;      /* the proxy that said so in its PROXY header; else empty */
    struct str identity; /* empty: unknown */
    enum peer_proof proof;
    bool is_forwarder; /* what it says of its clients' addresses is believed */
    bool is_envoy;     /* and what it says of their certificates */
    uint32_t hops;     /* how many such forwarders stand in a row */
};

/* "certificate", "socket", "forwarded"; "" for none. */
const char *peer_proof_name(enum peer_proof proof);
