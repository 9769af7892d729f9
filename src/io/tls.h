/* TLS 1.2/1.3 server contexts for listeners (OpenSSL): one profile, ALPN h2 enforced, reloadable.
 * io/conn uses it; nobody above sees OpenSSL. Source of the profile: Mozilla intermediate, RFC 9113
 * section 9.2. */
#pragma once

#include <stddef.h>

struct tls_context;

struct tls_config {
    const char *certificate_file; /* PEM chain */
    const char *key_file;         /* PEM; must not be readable by others */
};

/* 0, or negative errno with one line in @error naming file and problem. */
int tls_context_new(struct tls_context **ret_tls, const struct tls_config *config, char *error,
                    size_t error_bytes);
struct tls_context *tls_context_free(struct tls_context *tls);

/* Reads the same files again; connections that are up keep what they have. When the files are bad
 * the old certificate stays in use: negative errno and one line in @error. */
int tls_context_reload(struct tls_context *tls, char *error, size_t error_bytes);

/* Makes a key and a self-signed certificate for localhost, 127.0.0.1, ::1 (faregate dev). Files get
 * mode 0600. */
int tls_make_self_signed(const char *certificate_file, const char *key_file, char *error,
                         size_t error_bytes);
