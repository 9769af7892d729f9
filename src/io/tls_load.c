/* From files to a checked SSL_CTX: the profile (Mozilla intermediate without DHE, or modern; RFC
 * 9113 section 9.2), certificates, CA and revocation lists. tls.c calls it. What must stay true: a
 * client that does not offer h2 gets a fatal alert; no early data is ever accepted (a replayed
 * payment is a payment). */
#include <errno.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "io/tls_internal.h"

/* Together with the three suites of TLS 1.3: forward secret and authenticated, nothing of RFC
 * 9113's black list. */
static const char ciphers[] = "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:"
                              "ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES256-GCM-SHA384:"
                              "ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305";
/* 112 bits: RSA below 2048 and SHA-1 are out. Debian's default; said here for the others. */
#define SECURITY_LEVEL 2
/* A path of a comma-separated list, with its NUL. */
#define PATH_BYTES 4096

static int fail(char *error, size_t error_bytes, const char *file, const char *problem, int code)
{
    unsigned long ssl_error = ERR_peek_last_error();
    const char *reason = ssl_error ? ERR_reason_error_string(ssl_error) : NULL;
    snprintf(error, error_bytes, "%s: %s%s%s", file, problem, reason ? ": " : "",
             reason ? reason : "");
    ERR_clear_error();
    return code;
}

/* ---- the set that hangs on its SSL_CTX ---- */

static void set_free(struct tls_set *set)
{
    for (unsigned i = 0; i < set->count; i++) {
        X509_free(set->certificates[i].leaf);
        sk_X509_pop_free(set->certificates[i].chain, X509_free);
        EVP_PKEY_free(set->certificates[i].key);
    }
    EVP_CIPHER_free(set->ticket_cipher);
    free(set);
}

static void on_context_free(void *parent, void *set, CRYPTO_EX_DATA *data, int index, long argl,
                            void *argp)
{
    (void)parent;
    (void)data;
    (void)index;
    (void)argl;
    (void)argp;
    if (set)
        set_free(set);
}

/* OpenSSL's name for our slot in its objects: asked for once, constant afterwards. */
static int set_index(void)
{
    static int index = -1;
    if (index < 0)
        index = SSL_CTX_get_ex_new_index(0, NULL, NULL, NULL, on_context_free);
    return index;
}

struct tls_set *tls_set_of(const SSL_CTX *ssl)
{
    return SSL_CTX_get_ex_data(ssl, set_index());
}

/* ---- ALPN ---- */

/* A client that sends no ALPN at all never gets to on_alpn. */
static int on_client_hello(SSL *ssl, int *alert, void *arg)
{
    (void)arg;
    const unsigned char *extension;
    size_t bytes;
    if (SSL_client_hello_get0_ext(ssl, TLSEXT_TYPE_application_layer_protocol_negotiation,
                                  &extension, &bytes))
        return SSL_CLIENT_HELLO_SUCCESS;
    *alert = SSL_AD_NO_APPLICATION_PROTOCOL;
    return SSL_CLIENT_HELLO_ERROR;
}

static int on_alpn(SSL *ssl, const unsigned char **ret_protocol, unsigned char *ret_bytes,
                   const unsigned char *offered, unsigned bytes, void *arg)
{
    (void)ssl;
    (void)arg;
    for (unsigned i = 0; i < bytes; i += offered[i] + 1u) {
        if (offered[i] == 2 && i + 2 < bytes && memcmp(offered + i + 1, "h2", 2) == 0) {
            *ret_protocol = offered + i + 1;
            *ret_bytes = 2;
            return SSL_TLSEXT_ERR_OK;
        }
    }
    return SSL_TLSEXT_ERR_ALERT_FATAL;
}

static bool use_profile(SSL_CTX *ssl, bool only_1_3)
{
    SSL_CTX_set_options(ssl, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION | SSL_OP_NO_TICKET |
                                 SSL_OP_CLEANSE_PLAINTEXT);
    SSL_CTX_set_mode(ssl, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
                              SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    /* Or a read would go on for as long as records without data come (KeyUpdate). */
    SSL_CTX_clear_mode(ssl, SSL_MODE_AUTO_RETRY);
    SSL_CTX_set_security_level(ssl, SECURITY_LEVEL);
    SSL_CTX_set_max_early_data(ssl, 0);
    /* Nothing is kept here: a session is in its ticket (tls_ticket.c) or nowhere. */
    SSL_CTX_set_session_cache_mode(ssl, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_num_tickets(ssl, 0);
    /* One system call brings header and body of several records. */
    SSL_CTX_set_read_ahead(ssl, 1);
    SSL_CTX_set_client_hello_cb(ssl, on_client_hello, NULL);
    SSL_CTX_set_alpn_select_cb(ssl, on_alpn, NULL);
    return SSL_CTX_set_min_proto_version(ssl, only_1_3 ? TLS1_3_VERSION : TLS1_2_VERSION) == 1 &&
           SSL_CTX_set_cipher_list(ssl, ciphers) == 1 &&
           SSL_CTX_set1_groups_list(ssl, "X25519:P-256:P-384") == 1;
}

/* ---- certificates ---- */

static int check_key_file(const char *file, char *error, size_t error_bytes)
{
    struct stat st;
    if (stat(file, &st) < 0) {
        int code = -errno;
        return fail(error, error_bytes, file, strerror(-code), code);
    }
    if (st.st_mode & (S_IRWXG | S_IRWXO))
        return fail(error, error_bytes, file, "the key can be read by others (chmod 600)", -EPERM);
    return 0;
}

int tls_no_password(char *password, int bytes, int is_writing, void *ctx)
{
    (void)password;
    (void)bytes;
    (void)is_writing;
    (void)ctx;
    return -1;
}

/* The leaf and what follows it in @file. */
static bool read_chain(const char *file, struct tls_certificate *ret)
{
    BIO *in = BIO_new_file(file, "r");
    ret->leaf = in ? PEM_read_bio_X509_AUX(in, NULL, tls_no_password, NULL) : NULL;
    ret->chain = sk_X509_new_null();
    bool ok = ret->leaf && ret->chain;
    X509 *issuer;
    while (ok && (issuer = PEM_read_bio_X509(in, NULL, tls_no_password, NULL)) != NULL)
        ok = sk_X509_push(ret->chain, issuer) > 0;
    /* The end of the file is a missing start line; anything else is a broken certificate. */
    ok = ok && ERR_GET_REASON(ERR_peek_last_error()) == PEM_R_NO_START_LINE;
    if (ok)
        ERR_clear_error();
    BIO_free(in);
    return ok;
}

static bool read_key(const char *file, struct tls_certificate *ret)
{
    BIO *in = BIO_new_file(file, "r");
    ret->key = in ? PEM_read_bio_PrivateKey(in, NULL, tls_no_password, NULL) : NULL;
    BIO_free(in);
    return ret->key != NULL;
}

static int read_pair(struct tls_set *set, const char *certificate, const char *key, SSL_CTX *ssl,
                     char *error, size_t error_bytes)
{
    struct tls_certificate *pair = &set->certificates[set->count++]; /* freed with the set */
    int r = check_key_file(key, error, error_bytes);
    if (r < 0)
        return r;
    if (!read_chain(certificate, pair))
        return fail(error, error_bytes, certificate, "not a certificate chain in PEM", -EINVAL);
    if (!read_key(key, pair))
        return fail(error, error_bytes, key, "not a private key in PEM", -EINVAL);
    if (X509_check_private_key(pair->leaf, pair->key) != 1)
        return fail(error, error_bytes, key, "not the key of the certificate", -EINVAL);
    /* Also judges the others (strength, usable type), not only the default. */
    SSL *trial = SSL_new(ssl);
    bool ok = trial && SSL_use_cert_and_key(trial, pair->leaf, pair->key, pair->chain, 1) == 1;
    SSL_free(trial);
    if (ok && set->count == 1)
        ok = SSL_CTX_use_cert_and_key(ssl, pair->leaf, pair->key, pair->chain, 1) == 1;
    return ok ? 0 : fail(error, error_bytes, certificate, "cannot be served", -EINVAL);
}

unsigned tls_file_count(const char *files)
{
    unsigned count = 0;
    for (struct str rest = str_of(files); rest.n > 0; count++)
        str_cut(&rest, ',');
    return count;
}

static int read_pairs(struct tls_set *set, const struct tls_config *config, SSL_CTX *ssl,
                      char *error, size_t error_bytes)
{
    struct str certificates = str_of(config->certificate_files);
    struct str keys = str_of(config->key_files);
    unsigned count = tls_file_count(config->certificate_files);
    if (count == 0 || count > TLS_CERTIFICATES_MAX || count != tls_file_count(config->key_files)) {
        snprintf(error, error_bytes, "TLS needs 1 to %d certificates and a key for each: %u and %u",
                 TLS_CERTIFICATES_MAX, count, tls_file_count(config->key_files));
        return -EINVAL;
    }
    while (certificates.n > 0) {
        char certificate[PATH_BYTES], key[PATH_BYTES];
        struct str one = str_cut(&certificates, ',');
        snprintf(certificate, sizeof certificate, "%.*s", (int)one.n, one.p);
        one = str_cut(&keys, ',');
        snprintf(key, sizeof key, "%.*s", (int)one.n, one.p);
        int r = read_pair(set, certificate, key, ssl, error, error_bytes);
        if (r < 0)
            return r;
    }
    return 0;
}

/* ---- client certificates ---- */

/* Tells clients the names of what @store holds: SSL_load_client_CA_file would read the file again
 * and ask for passwords. False: it holds no certificate. */
static bool tell_ca_names(SSL_CTX *ssl, X509_STORE *store)
{
    const STACK_OF(X509_OBJECT) *objects = X509_STORE_get0_objects(store);
    bool any = false;
    for (int i = 0; i < sk_X509_OBJECT_num(objects); i++) {
        X509 *ca = X509_OBJECT_get0_X509(sk_X509_OBJECT_value(objects, i));
        any |= ca && SSL_CTX_add_client_CA(ssl, ca) == 1;
    }
    return any;
}

static int use_client_auth(SSL_CTX *ssl, const struct tls_config *config, char *error,
                           size_t error_bytes)
{
    const char *crl = config->client_crl_file;
    if (config->client_auth == TLS_CLIENT_OFF)
        return 0;
    X509_STORE *store = SSL_CTX_get_cert_store(ssl);
    if (SSL_CTX_load_verify_file(ssl, config->client_ca_file) != 1 || !tell_ca_names(ssl, store))
        return fail(error, error_bytes, config->client_ca_file, "no CA certificates in PEM",
                    -EINVAL);
    if (crl) {
        X509_LOOKUP *lookup = X509_STORE_add_lookup(store, X509_LOOKUP_file());
        if (!lookup || X509_load_crl_file(lookup, crl, X509_FILETYPE_PEM) < 1)
            return fail(error, error_bytes, crl, "no revocation lists in PEM", -EINVAL);
        X509_STORE_set_flags(store, X509_V_FLAG_CRL_CHECK | X509_V_FLAG_CRL_CHECK_ALL);
    }
    if (config->client_depth_max)
        SSL_CTX_set_verify_depth(ssl, (int)config->client_depth_max);
    SSL_CTX_set_verify(
        ssl,
        SSL_VERIFY_PEER |
            (config->client_auth == TLS_CLIENT_REQUIRED ? SSL_VERIFY_FAIL_IF_NO_PEER_CERT : 0),
        NULL);
    return 0;
}

static int fill(SSL_CTX *ssl, struct tls_set *set, const struct tls_config *config, char *error,
                size_t error_bytes)
{
    if (!use_profile(ssl, config->only_1_3))
        return fail(error, error_bytes, "OpenSSL", "does not know the profile", -EINVAL);
    int r = read_pairs(set, config, ssl, error, error_bytes);
    if (r == 0)
        r = use_client_auth(ssl, config, error, error_bytes);
    if (r < 0)
        return r;
    if (set->count > 1)
        SSL_CTX_set_cert_cb(ssl, tls_choose_certificate, set);
    /* With client certificates nobody resumes: a ticket would outlive their expiry and revocation,
     * and connections that prove who they are live long. */
    if (config->ticket_keys && config->client_auth == TLS_CLIENT_OFF) {
        set->ticket_keys = config->ticket_keys;
        if (!tls_use_tickets(ssl, set, config->ticket_seconds))
            return fail(error, error_bytes, "OpenSSL", "cannot make tickets", -EINVAL);
    }
    return 0;
}

int tls_load(SSL_CTX **ret_ssl, const struct tls_config *config, char *error, size_t error_bytes)
{
    ERR_clear_error();
    SSL_CTX *ssl = SSL_CTX_new(TLS_server_method());
    struct tls_set *set = calloc(1, sizeof *set);
    if (!ssl || !set || SSL_CTX_set_ex_data(ssl, set_index(), set) != 1) {
        free(set);
        SSL_CTX_free(ssl);
        return fail(error, error_bytes, "OpenSSL", "no context", -ENOMEM);
    }
    int r = fill(ssl, set, config, error, error_bytes);
    if (r < 0) {
        SSL_CTX_free(ssl);
        return r;
    }
    *ret_ssl = ssl;
    return 0;
}
