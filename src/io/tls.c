/* TLS server contexts: one profile (Mozilla intermediate without DHE, RFC 9113 section 9.2), ALPN
 * h2 or nothing. main makes them, io/conn takes sessions from them. What must stay true: a client
 * that does not offer h2 gets a fatal alert, no early data is ever accepted (a replayed payment is
 * a payment), a bad reload changes nothing. */
#include "io/tls.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
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

struct tls_context {
    SSL_CTX *ssl; /* counted by OpenSSL: sessions keep an older one alive */
    char *certificate_file;
    char *key_file;
};

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

static int fail(char *error, size_t error_bytes, const char *file, const char *problem, int code)
{
    unsigned long ssl_error = ERR_peek_last_error();
    const char *reason = ssl_error ? ERR_reason_error_string(ssl_error) : NULL;
    snprintf(error, error_bytes, "%s: %s%s%s", file, problem, reason ? ": " : "",
             reason ? reason : "");
    ERR_clear_error();
    return code;
}

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

static int set_profile(SSL_CTX *ssl)
{
    SSL_CTX_set_options(ssl, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION | SSL_OP_NO_TICKET);
    SSL_CTX_set_mode(ssl, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
                              SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    SSL_CTX_set_max_early_data(ssl, 0);
    /* No resumption: connections live long, and shared ticket keys would have to be rotated across
     * processes. */
    SSL_CTX_set_session_cache_mode(ssl, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_num_tickets(ssl, 0);
    /* One system call brings header and body of several records. */
    SSL_CTX_set_read_ahead(ssl, 1);
    SSL_CTX_set_client_hello_cb(ssl, on_client_hello, NULL);
    SSL_CTX_set_alpn_select_cb(ssl, on_alpn, NULL);
    return SSL_CTX_set_min_proto_version(ssl, TLS1_2_VERSION) == 1 &&
           SSL_CTX_set_cipher_list(ssl, ciphers) == 1 &&
           SSL_CTX_set1_groups_list(ssl, "X25519:P-256:P-384") == 1;
}

static int load(SSL_CTX **ret_ssl, const char *certificate_file, const char *key_file, char *error,
                size_t error_bytes)
{
    int r = check_key_file(key_file, error, error_bytes);
    if (r < 0)
        return r;
    ERR_clear_error();
    SSL_CTX *ssl = SSL_CTX_new(TLS_server_method());
    if (!ssl)
        return fail(error, error_bytes, "OpenSSL", "no context", -ENOMEM);
    if (!set_profile(ssl))
        r = fail(error, error_bytes, "OpenSSL", "does not know the profile", -EINVAL);
    else if (SSL_CTX_use_certificate_chain_file(ssl, certificate_file) != 1)
        r = fail(error, error_bytes, certificate_file, "not a certificate chain in PEM", -EINVAL);
    else if (SSL_CTX_use_PrivateKey_file(ssl, key_file, SSL_FILETYPE_PEM) != 1)
        r = fail(error, error_bytes, key_file, "not the certificate's private key in PEM", -EINVAL);
    else if (SSL_CTX_check_private_key(ssl) != 1)
        r = fail(error, error_bytes, key_file, "not the key of the certificate", -EINVAL);
    if (r < 0) {
        SSL_CTX_free(ssl);
        return r;
    }
    *ret_ssl = ssl;
    return 0;
}

int tls_context_new(struct tls_context **ret_tls, const struct tls_config *config, char *error,
                    size_t error_bytes)
{
    SSL_CTX *ssl;
    int r = load(&ssl, config->certificate_file, config->key_file, error, error_bytes);
    if (r < 0)
        return r;
    struct tls_context *tls = calloc(1, sizeof *tls);
    if (tls) {
        tls->ssl = ssl;
        tls->certificate_file = strdup(config->certificate_file);
        tls->key_file = strdup(config->key_file);
    }
    if (!tls || !tls->certificate_file || !tls->key_file) {
        if (!tls)
            SSL_CTX_free(ssl);
        tls_context_free(tls);
        snprintf(error, error_bytes, "out of memory");
        return -ENOMEM;
    }
    *ret_tls = tls;
    return 0;
}

int tls_context_reload(struct tls_context *tls, char *error, size_t error_bytes)
{
    SSL_CTX *ssl;
    int r = load(&ssl, tls->certificate_file, tls->key_file, error, error_bytes);
    if (r < 0)
        return r;
    SSL_CTX_free(tls->ssl);
    tls->ssl = ssl;
    return 0;
}

struct tls_context *tls_context_free(struct tls_context *tls)
{
    if (!tls)
        return NULL;
    SSL_CTX_free(tls->ssl);
    free(tls->certificate_file);
    free(tls->key_file);
    free(tls);
    return NULL;
}

struct ssl_st *tls_accept(struct tls_context *tls, int fd)
{
    ERR_clear_error();
    SSL *ssl = SSL_new(tls->ssl);
    if (!ssl)
        return NULL;
    if (SSL_set_fd(ssl, fd) != 1) {
        SSL_free(ssl);
        return NULL;
    }
    SSL_set_accept_state(ssl);
    return ssl;
}
