/* Makes the key and certificate that `faregate dev` and the tests serve with.
 * What must stay true: both files are readable by their owner only, and only complete ones appear.
 */
#include "io/tls.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define VALID_DAYS 365

static bool add_extension(X509 *certificate, int nid, const char *value)
{
    X509V3_CTX context;
    X509V3_set_ctx_nodb(&context);
    X509V3_set_ctx(&context, certificate, certificate, NULL, NULL, 0);
    X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, &context, nid, value);
    bool ok = extension && X509_add_ext(certificate, extension, -1) == 1;
    X509_EXTENSION_free(extension);
    return ok;
}

static bool fill(X509 *certificate, EVP_PKEY *key)
{
    uint64_t serial;
    X509_NAME *name = X509_get_subject_name(certificate);
    if (RAND_bytes((unsigned char *)&serial, sizeof serial) != 1)
        return false;
    /* An hour back: the client's clock may be behind. */
    return X509_set_version(certificate, 2) == 1 &&
           ASN1_INTEGER_set_uint64(X509_get_serialNumber(certificate), serial >> 1) == 1 &&
           X509_gmtime_adj(X509_getm_notBefore(certificate), -3600) &&
           X509_gmtime_adj(X509_getm_notAfter(certificate), VALID_DAYS * 86400L) &&
           X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const unsigned char *)"localhost",
                                      -1, -1, 0) == 1 &&
           X509_set_issuer_name(certificate, name) == 1 && X509_set_pubkey(certificate, key) == 1 &&
           add_extension(certificate, NID_basic_constraints, "critical,CA:FALSE") &&
           add_extension(certificate, NID_subject_alt_name, "DNS:localhost,IP:127.0.0.1,IP:::1") &&
           X509_sign(certificate, key, EVP_sha256()) > 0;
}

/* Written beside and renamed, so that a reader sees the old file or the new one. */
static int write_pem(const char *file, X509 *certificate, EVP_PKEY *key)
{
    char temporary[4096];
    if ((size_t)snprintf(temporary, sizeof temporary, "%s.new", file) >= sizeof temporary)
        return -ENAMETOOLONG;
    unlink(temporary);
    int fd = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0)
        return -errno;
    FILE *out = fdopen(fd, "w");
    if (!out) {
        close(fd);
        return -ENOMEM;
    }
    int ok = certificate ? PEM_write_X509(out, certificate)
                         : PEM_write_PKCS8PrivateKey(out, key, NULL, NULL, 0, NULL, NULL);
    if (fclose(out) != 0 || ok != 1 || rename(temporary, file) < 0) {
        int error = ok == 1 && errno ? -errno : -EIO;
        unlink(temporary);
        return error;
    }
    return 0;
}

int tls_make_self_signed(const char *certificate_file, const char *key_file, char *error,
                         size_t error_bytes)
{
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *certificate = X509_new();
    int r = 0;
    if (!key || !certificate || !fill(certificate, key)) {
        snprintf(error, error_bytes, "%s: OpenSSL could not make a certificate", certificate_file);
        ERR_clear_error();
        r = -EIO;
    } else if ((r = write_pem(key_file, NULL, key)) < 0) {
        snprintf(error, error_bytes, "%s: %s", key_file, strerror(-r));
    } else if ((r = write_pem(certificate_file, certificate, NULL)) < 0) {
        snprintf(error, error_bytes, "%s: %s", certificate_file, strerror(-r));
    }
    X509_free(certificate);
    EVP_PKEY_free(key);
    return r;
}
