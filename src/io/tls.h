/* TLS 1.2/1.3 server contexts for listeners (OpenSSL): one profile, ALPN h2 enforced, several
 * certificates chosen by name, client certificates, tickets that every process understands,
 * reloadable. io/conn uses it; nobody above sees OpenSSL. Source of the profile: Mozilla
 * intermediate, RFC 9113 section 9.2. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct tls_context;
struct tls_ticket_keys;

#define TLS_CERTIFICATES_MAX 8

enum tls_client_auth {
    TLS_CLIENT_OFF,
    TLS_CLIENT_OPTIONAL, /* one that is sent must verify */
    TLS_CLIENT_REQUIRED,
};

struct tls_config {
    const char *certificate_files; /* PEM chains, comma-separated; the first one is the default */
    const char *key_files;         /* PEM, in the same order; must not be readable by others */
    bool only_1_3;                 /* Mozilla modern */
    enum tls_client_auth client_auth;
    const char *client_ca_file;  /* PEM; not NULL unless TLS_CLIENT_OFF */
    const char *client_crl_file; /* PEM, a list for every issuer; NULL: no revocation */
    uint32_t client_depth_max;   /* intermediates between the client and the CA; 0: OpenSSL's 100 */
    const struct tls_ticket_keys *ticket_keys; /* outlive the context; NULL: no resumption */
    uint32_t ticket_seconds;                   /* life of a ticket */
};

/* Reads and checks everything @config names; its strings are copied. 0, or negative errno with one
 * line in @error naming file and problem. A context may be inherited by fork. */
int tls_context_new(struct tls_context **ret_tls, const struct tls_config *config, char *error,
                    size_t error_bytes);
struct tls_context *tls_context_free(struct tls_context *tls);

/* Reads the same files again; connections that are up keep what they have. When any of the files is
 * bad all of the old stays in use: negative errno and one line in @error. */
int tls_context_reload(struct tls_context *tls, char *error, size_t error_bytes);

/* Reads and checks the same files without using them. */
int tls_context_check(const struct tls_context *tls, char *error, size_t error_bytes);

/* Changes when one of the context's files does (identity, size or time of change; also when it
 * comes and goes), so that nobody has to read them to find out. */
uint64_t tls_context_stamp(const struct tls_context *tls);

struct tls_certificate_info {
    const char *file;         /* valid as long as the context */
    int64_t not_after_unix_s; /* of the first certificate in it */
};

/* The certificates in use, in the order of certificate_files; how many. */
unsigned tls_context_certificates(const struct tls_context *tls,
                                  struct tls_certificate_info ret_info[TLS_CERTIFICATES_MAX]);

/* What OpenSSL's PEM readers ask for a password (pem_password_cb): there is none. Without it they
 * ask the terminal or stdin, and the process waits for an answer. */
int tls_no_password(char *password, int bytes, int is_writing, void *ctx);

/* ---- tickets ---- */

/* The two newest keys, in memory that forked processes share and core dumps leave out. One process
 * rotates, all seal and open. 0 or negative errno. */
int tls_ticket_keys_new(struct tls_ticket_keys **ret_keys);
struct tls_ticket_keys *tls_ticket_keys_free(struct tls_ticket_keys *keys);
/* A new key from now on; the one before still opens. */
void tls_ticket_keys_rotate(struct tls_ticket_keys *keys);

/* ---- how handshakes end: the words of gRFC A118 ---- */

#define TLS_RESULTS(X)                                                                             \
    X(UNKNOWN_FAILURE)                                                                             \
    X(SUCCESS)                                                                                     \
    X(CERTIFICATE_VERIFICATION_FAILED)                                                             \
    X(CERTIFICATE_REVOKED)                                                                         \
    X(CERTIFICATE_EXPIRED)                                                                         \
    X(CERTIFICATE_NOT_YET_VALID)                                                                   \
    X(CERTIFICATE_AUTHORITY_INVALID)                                                               \
    X(CERTIFICATE_HOSTNAME_MISMATCH)                                                               \
    X(CERTIFICATE_MALFORMED)                                                                       \
    X(CIPHER_SUITE_MISMATCH)                                                                       \
    X(PROTOCOL_VERSION_UNSUPPORTED)                                                                \
    X(INAPPROPRIATE_FALLBACK)                                                                      \
    X(NO_APPLICATION_PROTOCOL)                                                                     \
    X(SIGNATURE_VERIFICATION_FAILED)                                                               \
    X(DECRYPTION_FAILED)                                                                           \
    X(KEY_EXCHANGE_FAILURE)                                                                        \
    X(UNEXPECTED_MESSAGE)                                                                          \
    X(HANDSHAKE_TIMEOUT)                                                                           \
    X(PEER_CONNECTION_CLOSED)

enum tls_result {
#define X(name) TLS_##name,
    TLS_RESULTS(X)
#undef X
        TLS_RESULT_COUNT,
};

/* "CERTIFICATE_EXPIRED" */
const char *tls_result_name(enum tls_result result);

/* Makes a key and a self-signed certificate for localhost, 127.0.0.1, ::1 (faregate dev). Files get
 * mode 0600. */
int tls_make_self_signed(const char *certificate_file, const char *key_file, char *error,
                         size_t error_bytes);
