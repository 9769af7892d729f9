/* What a listener asks of those who come in, and what it believes of what they say: TLS and client
 * certificates, the PROXY protocol, forwarded headers, users of a unix socket. Written behind the
 * address in --listen and --listen-tls. config and main parse it; io/conn obeys it. What must stay
 * true: everything is off unless the listener's own text says otherwise. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/str.h"
#include "io/endpoint.h"
#include "io/tls.h"

#define GATE_UIDS_MAX 16
#define GATE_IDENTITIES_MAX 16
#define GATE_TEXT_BYTES 256

struct gate {
    struct tls_context *tls; /* NULL: cleartext. The owner's */

    bool wants_proxy;           /* a PROXY header must come first, */
    struct networks proxy_from; /* and from nobody else */

    /* Whose x-forwarded-for is believed: networks, or identities of a verified certificate. */
    struct networks forwarders;
    bool forwarders_are_envoys; /* they write x-envoy-external-address and the client's certificate
                                   themselves; other proxies pass on what anybody sends */
    unsigned forwarder_count;
    struct str forwarder_identities[GATE_IDENTITIES_MAX]; /* point into the option's text */
    uint32_t forwarded_hops; /* the client is that many entries from the right */

    unsigned uid_count; /* 0: everybody whom the file's mode lets in */
    uid_t uids[GATE_UIDS_MAX];
    uint32_t socket_mode; /* 0: as the umask makes it */

    enum tls_client_auth client_auth;
    uint32_t client_depth_max;
    char client_ca_file[GATE_TEXT_BYTES], client_crl_file[GATE_TEXT_BYTES];
};

/* One listener: where, and how one comes in. */
struct listen_spec {
    char address[128];
    struct gate gate;
};

/* Cuts the next listener off @list: "ADDRESS[,option=value]...". The gate's identities point into
 * the list's text. 0, or -EINVAL and one line in @error. */
int listen_spec_next(struct str *list, bool is_tls, struct listen_spec *ret_spec, char *error,
                     size_t error_bytes);

/* The options, for --help; ends with a name of NULL. */
struct gate_option {
    const char *name;
    const char *value;
    const char *help;
    int (*set)(struct gate *gate, struct str value);
    bool for_tls; /* only behind --listen-tls */
};
extern const struct gate_option gate_options[];

/* Whether a certificate can prove @identity at all: "spiffe://td/path", "dns:b.example". */
bool identity_is_certified(struct str identity);
/* The same, or "unix:uid=1000". */
bool identity_is_provable(struct str identity);

/* Whether @identity ("spiffe://...", "dns:...") or @source may speak for others. */
bool gate_believes(const struct gate *gate, const struct endpoint *source, struct str identity);
bool gate_admits_uid(const struct gate *gate, uid_t uid);
