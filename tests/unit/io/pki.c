/* See pki.h. Keys are P-256 and RSA 2048, signatures SHA-256. */
#include "pki.h"

#include <openssl/ec.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "support/test.h"

static void extend(X509 *certificate, X509 *issuer, int nid, const char *value)
{
    X509V3_CTX context;
    X509V3_set_ctx_nodb(&context);
    X509V3_set_ctx(&context, issuer, certificate, NULL, NULL, 0);
    X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, &context, nid, value);
    ASSERT_NOT_NULL(extension);
    X509_add_ext(certificate, extension, -1);
    X509_EXTENSION_free(extension);
}

static X509 *make(struct pki *pki, const char *name, EVP_PKEY *key, long from_s, long to_s)
{
    X509 *certificate = X509_new();
    X509_set_version(certificate, 2);
    ASN1_INTEGER_set(X509_get_serialNumber(certificate), ++pki->serial);
    X509_gmtime_adj(X509_getm_notBefore(certificate), from_s);
    X509_gmtime_adj(X509_getm_notAfter(certificate), to_s);
    X509_NAME_add_entry_by_txt(X509_get_subject_name(certificate), "CN", MBSTRING_ASC,
                               (const unsigned char *)name, -1, -1, 0);
    X509_set_pubkey(certificate, key);
    return certificate;
}

static void write_files(const char *certificate_file, X509 *certificate, const char *key_file,
                        EVP_PKEY *key)
{
    FILE *f = fopen(certificate_file, "we");
    ASSERT_NOT_NULL(f);
    PEM_write_X509(f, certificate);
    fclose(f);
    if (!key_file)
        return;
    umask(077);
    f = fopen(key_file, "we");
    ASSERT_NOT_NULL(f);
    PEM_write_PKCS8PrivateKey(f, key, NULL, NULL, 0, NULL, NULL);
    fclose(f);
}

void pki_start(struct pki *pki)
{
    memset(pki, 0, sizeof *pki);
    snprintf(pki->folder, sizeof pki->folder, "/tmp/fg_pki_XXXXXX");
    ASSERT_NOT_NULL(mkdtemp(pki->folder));
    snprintf(pki->ca_file, sizeof pki->ca_file, "%s/ca.pem", pki->folder);
    snprintf(pki->crl_file, sizeof pki->crl_file, "%s/crl.pem", pki->folder);
    pki->ca_key = EVP_EC_gen("P-256");
    pki->ca = make(pki, pki->folder, pki->ca_key, -86400, 86400);
    X509_set_issuer_name(pki->ca, X509_get_subject_name(pki->ca));
    extend(pki->ca, pki->ca, NID_basic_constraints, "critical,CA:TRUE");
    extend(pki->ca, pki->ca, NID_key_usage, "critical,keyCertSign,cRLSign");
    X509_sign(pki->ca, pki->ca_key, EVP_sha256());
    write_files(pki->ca_file, pki->ca, NULL, NULL);
}

void pki_stop(struct pki *pki)
{
    char command[128];
    snprintf(command, sizeof command, "rm -rf %s", pki->folder);
    ASSERT_INT_EQ(system(command), 0);
    X509_free(pki->ca);
    EVP_PKEY_free(pki->ca_key);
}

struct pki_leaf pki_issue(struct pki *pki, const char *name, const char *names, const char *type,
                          long from_s, long to_s)
{
    struct pki_leaf leaf;
    EVP_PKEY *key = strcmp(type, "RSA") == 0 ? EVP_RSA_gen(2048) : EVP_EC_gen("P-256");
    X509 *certificate = make(pki, name, key, from_s, to_s);
    snprintf(leaf.certificate, sizeof leaf.certificate, "%s/%s.pem", pki->folder, name);
    snprintf(leaf.key, sizeof leaf.key, "%s/%s.key", pki->folder, name);
    leaf.serial = pki->serial;
    X509_set_issuer_name(certificate, X509_get_subject_name(pki->ca));
    if (names)
        extend(certificate, pki->ca, NID_subject_alt_name, names);
    X509_sign(certificate, pki->ca_key, EVP_sha256());
    write_files(leaf.certificate, certificate, leaf.key, key);
    X509_free(certificate);
    EVP_PKEY_free(key);
    return leaf;
}

void pki_revoke(struct pki *pki, long serial)
{
    X509_CRL *crl = X509_CRL_new();
    ASN1_TIME *now = X509_gmtime_adj(NULL, -60), *later = X509_gmtime_adj(NULL, 86400);
    X509_CRL_set_version(crl, 1);
    X509_CRL_set_issuer_name(crl, X509_get_subject_name(pki->ca));
    X509_CRL_set1_lastUpdate(crl, now);
    X509_CRL_set1_nextUpdate(crl, later);
    if (serial) {
        X509_REVOKED *revoked = X509_REVOKED_new();
        ASN1_INTEGER *number = ASN1_INTEGER_new();
        ASN1_INTEGER_set(number, serial);
        X509_REVOKED_set_serialNumber(revoked, number);
        X509_REVOKED_set_revocationDate(revoked, now);
        X509_CRL_add0_revoked(crl, revoked);
        ASN1_INTEGER_free(number);
    }
    X509_CRL_sign(crl, pki->ca_key, EVP_sha256());
    FILE *f = fopen(pki->crl_file, "we");
    ASSERT_NOT_NULL(f);
    PEM_write_X509_CRL(f, crl);
    fclose(f);
    X509_CRL_free(crl);
    ASN1_TIME_free(now);
    ASN1_TIME_free(later);
}
