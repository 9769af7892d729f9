/* What the files of TLS share, and what io/conn needs of them: nobody outside this folder sees
 * OpenSSL. */
#pragma once

#include <openssl/ssl.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/str.h"
#include "io/tls.h"

/* One pair of files. */
struct tls_certificate {
    X509 *leaf;
    STACK_OF(X509) * chain;
    EVP_PKEY *key;
};

/* What the callbacks of one SSL_CTX look at. It lives as long as the SSL_CTX: handshakes under way
 * keep the old one through a reload. */
struct tls_set {
    struct tls_certificate certificates[TLS_CERTIFICATES_MAX];
    unsigned count;
    const struct tls_ticket_keys *ticket_keys;
    EVP_CIPHER *ticket_cipher; /* fetched once: OpenSSL 3 looks names up at a price */
};

/* tls_load.c: everything read and checked. 0, or negative errno and a line in @error. */
int tls_load(SSL_CTX **ret_ssl, const struct tls_config *config, char *error, size_t error_bytes);
struct tls_set *tls_set_of(const SSL_CTX *ssl);
/* "a,b" -> how many there are; each is cut off with str_cut. */
unsigned tls_file_count(const char *files);

/* tls_names.c */
/* The certificate callback: the pairs that name what the client asked for. */
int tls_choose_certificate(SSL *ssl, void *set);
/* Who the client proved to be: "spiffe://..." (the only URI name) or "dns:..." (the first DNS
 * name). Bytes written, without NUL; 0: nobody, or a name that does not fit. */
size_t tls_identity(const SSL *ssl, char *ret_text, size_t bytes);

/* tls_ticket.c: lets @ssl issue and take tickets with @set's keys. */
bool tls_use_tickets(SSL_CTX *ssl, struct tls_set *set, uint32_t seconds);

/* tls_result.c: why a handshake failed. @error is OpenSSL's first, 0 where it has none. */
enum tls_result tls_failure(const SSL *ssl, unsigned long error);

/* A server-side session over @fd, which stays the caller's. NULL when out of memory. */
SSL *tls_accept(struct tls_context *tls, int fd);
