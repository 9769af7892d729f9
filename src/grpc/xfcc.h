/* x-forwarded-client-cert as Envoy writes it (HTTP connection manager, "x-forwarded-client-cert").
 * Pure parsing; intake calls it once for a call that has one and whose peer is believed. */
#pragma once

#include "base/str.h"

/* One element's values, as they stand between their quotes: a backslash still escapes what follows
 * it. Empty where the key is absent; of keys that repeat, the first. */
struct xfcc {
    struct str by, hash, subject, uri, dns;
    unsigned uri_count, dns_count;
};

/* The last element of @header: the only one our own proxy added. 0, or -EINVAL: malformed. */
int xfcc_last(struct str header, struct xfcc *ret_xfcc);

/* Who that is: the one "spiffe://..." URI, else "dns:" and the first DNS name, in @ret_text. Its
 * length; 0: nobody, or a name that does not fit or has characters no identity has. */
size_t xfcc_identity(const struct xfcc *xfcc, char *ret_text, size_t bytes);
