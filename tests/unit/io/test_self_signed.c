/* The certificate that `faregate dev` serves with, as its clients' libraries look at it. */
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "io/tls.h"
#include "support/test.h"

static X509 *made(void)
{
    char folder[] = "/tmp/fg-self-XXXXXX";
    char certificate[64];
    char key[64];
    char error[200];
    if (!mkdtemp(folder))
        return NULL;
    snprintf(certificate, sizeof certificate, "%s/certificate", folder);
    snprintf(key, sizeof key, "%s/key", folder);
    int r = tls_make_self_signed(certificate, key, error, sizeof error);
    FILE *file = r == 0 ? fopen(certificate, "r") : NULL;
    X509 *x = file ? PEM_read_X509(file, NULL, NULL, NULL) : NULL;
    if (file)
        fclose(file);
    unlink(certificate);
    unlink(key);
    rmdir(folder);
    return x;
}

/* rustls refuses an authority as a server (CaUsedAsEndEntity), and with it every tonic client. */
TEST(self_signed, is_for_this_machine_and_no_authority)
{
    X509 *x = made();
    ASSERT_NOT_NULL(x);
    ASSERT_INT_EQ(X509_check_ca(x), 0);
    ASSERT_INT_EQ(X509_check_host(x, "localhost", 0, 0, NULL), 1);
    ASSERT_INT_EQ(X509_check_ip_asc(x, "127.0.0.1", 0), 1);
    ASSERT_INT_EQ(X509_check_ip_asc(x, "::1", 0), 1);
    X509_free(x);
}
