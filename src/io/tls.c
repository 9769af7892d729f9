/* TLS server contexts as their owners see them: made, reloaded, freed, asked. tls_load.c reads the
 * files. main makes them, io/conn takes sessions from them. What must stay true: a reload that
 * fails changes nothing, and one that succeeds changes everything at once. */
#include "io/tls.h"

#include <errno.h>
#include <openssl/err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "io/tls_internal.h"

struct tls_context {
    SSL_CTX *ssl; /* counted by OpenSSL: sessions keep an older one alive */
    struct tls_config config;
    char *texts[4]; /* what the config's strings point to */
    char *names[TLS_CERTIFICATES_MAX];
};

/* False when out of memory. NULL stays NULL. */
static bool keep(struct tls_context *tls, unsigned i, const char **text)
{
    if (!*text)
        return true;
    *text = tls->texts[i] = strdup(*text);
    return *text != NULL;
}

static bool keep_texts(struct tls_context *tls)
{
    struct tls_config *config = &tls->config;
    struct str files = str_of(config->certificate_files);
    for (unsigned i = 0; files.n > 0 && i < TLS_CERTIFICATES_MAX; i++) {
        struct str one = str_cut(&files, ',');
        tls->names[i] = strndup(one.p, one.n);
        if (!tls->names[i])
            return false;
    }
    return keep(tls, 0, &config->certificate_files) && keep(tls, 1, &config->key_files) &&
           keep(tls, 2, &config->client_ca_file) && keep(tls, 3, &config->client_crl_file);
}

int tls_context_new(struct tls_context **ret_tls, const struct tls_config *config, char *error,
                    size_t error_bytes)
{
    SSL_CTX *ssl;
    int r = tls_load(&ssl, config, error, error_bytes);
    if (r < 0)
        return r;
    struct tls_context *tls = calloc(1, sizeof *tls);
    if (!tls) {
        SSL_CTX_free(ssl);
    } else {
        tls->ssl = ssl;
        tls->config = *config;
    }
    if (!tls || !keep_texts(tls)) {
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
    int r = tls_load(&ssl, &tls->config, error, error_bytes);
    if (r < 0)
        return r;
    SSL_CTX_free(tls->ssl);
    tls->ssl = ssl;
    return 0;
}

int tls_context_check(const struct tls_context *tls, char *error, size_t error_bytes)
{
    SSL_CTX *ssl = NULL;
    int r = tls_load(&ssl, &tls->config, error, error_bytes);
    SSL_CTX_free(ssl);
    return r;
}

struct tls_context *tls_context_free(struct tls_context *tls)
{
    if (!tls)
        return NULL;
    SSL_CTX_free(tls->ssl);
    for (unsigned i = 0; i < sizeof tls->texts / sizeof tls->texts[0]; i++)
        free(tls->texts[i]);
    for (unsigned i = 0; i < TLS_CERTIFICATES_MAX; i++)
        free(tls->names[i]);
    free(tls);
    return NULL;
}

/* A file that cannot be seen has a stamp too: its coming back is a change. */
static uint64_t mix_file(uint64_t h, struct str file)
{
    char path[4096];
    struct stat st;
    memset(&st, 0, sizeof st);
    snprintf(path, sizeof path, "%.*s", (int)file.n, file.p);
    if (stat(path, &st) < 0)
        memset(&st, 0, sizeof st);
    const uint64_t parts[] = {h,
                              st.st_dev,
                              st.st_ino,
                              (uint64_t)st.st_size,
                              (uint64_t)(st.st_mtim.tv_sec * NS_PER_S + st.st_mtim.tv_nsec),
                              (uint64_t)(st.st_ctim.tv_sec * NS_PER_S + st.st_ctim.tv_nsec)};
    return str_hash((struct str){.p = (const char *)parts, .n = sizeof parts});
}

uint64_t tls_context_stamp(const struct tls_context *tls)
{
    uint64_t h = 0;
    for (unsigned i = 0; i < sizeof tls->texts / sizeof tls->texts[0]; i++) {
        struct str files = str_of(tls->texts[i]);
        while (files.n > 0)
            h = mix_file(h, str_cut(&files, ','));
    }
    return h;
}

unsigned tls_context_certificates(const struct tls_context *tls,
                                  struct tls_certificate_info ret_info[TLS_CERTIFICATES_MAX])
{
    const struct tls_set *set = tls_set_of(tls->ssl);
    for (unsigned i = 0; i < set->count; i++) {
        struct tm tm = {0};
        ASN1_TIME_to_tm(X509_get0_notAfter(set->certificates[i].leaf), &tm);
        ret_info[i] = (struct tls_certificate_info){.file = tls->names[i],
                                                    .not_after_unix_s = (int64_t)timegm(&tm)};
    }
    return set->count;
}

SSL *tls_accept(struct tls_context *tls, int fd)
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
