/* Names in certificates: which of ours answers the name a client asked for (SNI), and what name a
 * client's own certificate gives it. Called during handshakes. What must stay true: an identity is
 * only read from a certificate that was verified, and never from its subject. */
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <string.h>

#include "io/tls_internal.h"

/* ---- ours ---- */

/* Adds every pair with that name: two of different key types serve clients of either kind. */
static bool use_matching(SSL *ssl, const struct tls_set *set, const char *name, unsigned flags)
{
    bool found = false;
    flags |= X509_CHECK_FLAG_NEVER_CHECK_SUBJECT | X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS;
    for (unsigned i = 0; i < set->count; i++) {
        const struct tls_certificate *pair = &set->certificates[i];
        if (X509_check_host(pair->leaf, name, strlen(name), flags, NULL) != 1)
            continue;
        if (!found)
            SSL_certs_clear(ssl); /* of the default */
        /* The first of a type stays. */
        found |= SSL_use_cert_and_key(ssl, pair->leaf, pair->key, pair->chain, 0) == 1;
        ERR_clear_error();
    }
    return found;
}

int tls_choose_certificate(SSL *ssl, void *set)
{
    const char *name = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);
    /* No name, or one that is nobody's: the first certificate, as it was set. */
    if (name && !use_matching(ssl, set, name, X509_CHECK_FLAG_NO_WILDCARDS))
        use_matching(ssl, set, name, 0);
    return 1;
}

/* ---- theirs ---- */

/* Printable ASCII without space: what may stand in a log, a flag and a list. */
static bool is_plain(struct str s)
{
    for (size_t i = 0; i < s.n; i++)
        if (s.p[i] <= ' ' || s.p[i] > '~' || s.p[i] == ',' || s.p[i] == '+')
            return false;
    return s.n > 0;
}

static struct str text_of(const ASN1_STRING *s)
{
    return (struct str){.p = (const char *)ASN1_STRING_get0_data(s),
                        .n = (size_t)ASN1_STRING_length(s)};
}

static size_t choose_identity(const GENERAL_NAMES *names, char *ret_text, size_t bytes)
{
    struct str uri = {0}, dns = {0};
    unsigned uris = 0;
    for (int i = 0; i < sk_GENERAL_NAME_num(names); i++) {
        const GENERAL_NAME *name = sk_GENERAL_NAME_value(names, i);
        if (name->type == GEN_URI && uris++ == 0)
            uri = text_of(name->d.uniformResourceIdentifier);
        else if (name->type == GEN_DNS && dns.n == 0)
            dns = text_of(name->d.dNSName);
    }
    /* An SVID has one URI and no more (SPIFFE X509-SVID section 2); with several it is none. */
    bool is_svid = str_starts(uri, STR("spiffe://"));
    if (is_svid && uris > 1)
        return 0;
    struct str chosen = is_svid ? uri : dns;
    if (!is_plain(chosen))
        return 0;
    int n = snprintf(ret_text, bytes, "%s%.*s", is_svid ? "" : "dns:", (int)chosen.n, chosen.p);
    return (size_t)n < bytes ? (size_t)n : 0;
}

size_t tls_identity(const SSL *ssl, char *ret_text, size_t bytes)
{
    X509 *leaf = SSL_get0_peer_certificate(ssl);
    if (!leaf || SSL_get_verify_result(ssl) != X509_V_OK)
        return 0;
    GENERAL_NAMES *names = X509_get_ext_d2i(leaf, NID_subject_alt_name, NULL, NULL);
    size_t n = names ? choose_identity(names, ret_text, bytes) : 0;
    GENERAL_NAMES_free(names);
    ERR_clear_error();
    return n;
}
