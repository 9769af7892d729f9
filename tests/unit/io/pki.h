/* A certification authority for tests: certificates with any names, ends and issuers, and lists of
 * revoked ones, as files of a directory of their own. */
#pragma once

#include <openssl/x509.h>

struct pki {
    char folder[64];
    X509 *ca;
    EVP_PKEY *ca_key;
    long serial;
    char ca_file[128], crl_file[128];
};

struct pki_leaf {
    char certificate[128], key[128];
    long serial;
};

void pki_start(struct pki *pki);
/* Removes the files. */
void pki_stop(struct pki *pki);

/* A leaf NAME.pem and NAME.key with subject alternative names as openssl.cnf spells them
 * ("DNS:a.example,URI:spiffe://td/x"; NULL: none). @type: "EC" or "RSA". Valid from @from_s to
 * @to_s, relative to now. */
struct pki_leaf pki_issue(struct pki *pki, const char *name, const char *names, const char *type,
                          long from_s, long to_s);

/* Writes crl_file with @serial revoked; 0: nobody. */
void pki_revoke(struct pki *pki, long serial);
