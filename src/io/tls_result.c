/* Why a handshake failed, in the words of gRFC A118. conn_transport.c asks. What must stay true:
 * each word is one of the list, whatever the peer did. */
#include <openssl/err.h>
#include <openssl/x509_vfy.h>

#include "io/tls_internal.h"

const char *tls_result_name(enum tls_result result)
{
    static const char *const names[] = {
#define X(name) #name,
        TLS_RESULTS(X)
#undef X
    };
    return (unsigned)result < TLS_RESULT_COUNT ? names[result] : names[TLS_UNKNOWN_FAILURE];
}

static enum tls_result of_verification(long problem)
{
    switch (problem) {
    case X509_V_ERR_CERT_REVOKED:
        return TLS_CERTIFICATE_REVOKED;
    case X509_V_ERR_CERT_HAS_EXPIRED:
        return TLS_CERTIFICATE_EXPIRED;
    case X509_V_ERR_CERT_NOT_YET_VALID:
        return TLS_CERTIFICATE_NOT_YET_VALID;
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
    case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
    case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
    case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
    case X509_V_ERR_INVALID_CA:
    case X509_V_ERR_CERT_UNTRUSTED:
        return TLS_CERTIFICATE_AUTHORITY_INVALID;
    case X509_V_ERR_CERT_SIGNATURE_FAILURE:
        return TLS_SIGNATURE_VERIFICATION_FAILED;
    case X509_V_ERR_HOSTNAME_MISMATCH:
        return TLS_CERTIFICATE_HOSTNAME_MISMATCH;
    case X509_V_ERR_ERROR_IN_CERT_NOT_BEFORE_FIELD:
    case X509_V_ERR_ERROR_IN_CERT_NOT_AFTER_FIELD:
    case X509_V_ERR_UNABLE_TO_DECODE_ISSUER_PUBLIC_KEY:
        return TLS_CERTIFICATE_MALFORMED;
    default:
        return TLS_CERTIFICATE_VERIFICATION_FAILED;
    }
}

/* The client's own alerts come as reasons 1000 + number (SSL_AD_REASON_OFFSET). */
static enum tls_result of_alert(int alert)
{
    switch (alert) {
    case SSL_AD_UNEXPECTED_MESSAGE:
        return TLS_UNEXPECTED_MESSAGE;
    case SSL_AD_BAD_RECORD_MAC:
    case SSL_AD_DECRYPT_ERROR:
        return TLS_DECRYPTION_FAILED;
    case SSL_AD_BAD_CERTIFICATE:
    case SSL_AD_UNSUPPORTED_CERTIFICATE:
    case SSL_AD_CERTIFICATE_UNKNOWN:
        return TLS_CERTIFICATE_VERIFICATION_FAILED;
    case SSL_AD_CERTIFICATE_REVOKED:
        return TLS_CERTIFICATE_REVOKED;
    case SSL_AD_CERTIFICATE_EXPIRED:
        return TLS_CERTIFICATE_EXPIRED;
    case SSL_AD_UNKNOWN_CA:
        return TLS_CERTIFICATE_AUTHORITY_INVALID;
    case SSL_AD_PROTOCOL_VERSION:
        return TLS_PROTOCOL_VERSION_UNSUPPORTED;
    case SSL_AD_NO_APPLICATION_PROTOCOL:
        return TLS_NO_APPLICATION_PROTOCOL;
    default:
        return TLS_UNKNOWN_FAILURE;
    }
}

enum tls_result tls_failure(const SSL *ssl, unsigned long error)
{
    int reason = ERR_GET_REASON(error);
    if (error && reason > SSL_AD_REASON_OFFSET && reason < SSL_AD_REASON_OFFSET + 256)
        return of_alert(reason - SSL_AD_REASON_OFFSET);
    /* What OpenSSL found wrong inside a certificate may stand before its verdict in the queue. */
    if (SSL_get_verify_result(ssl) != X509_V_OK)
        return of_verification(SSL_get_verify_result(ssl));
    switch (error ? reason : 0) {
    case SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE:
        return TLS_CERTIFICATE_VERIFICATION_FAILED;
    case SSL_R_NO_APPLICATION_PROTOCOL:
    case SSL_R_CALLBACK_FAILED: /* on_client_hello: no ALPN at all */
        return TLS_NO_APPLICATION_PROTOCOL;
    case SSL_R_NO_SHARED_CIPHER:
        return TLS_CIPHER_SUITE_MISMATCH;
    case SSL_R_UNSUPPORTED_PROTOCOL:
    case SSL_R_VERSION_TOO_LOW:
    case SSL_R_WRONG_VERSION_NUMBER:
        return TLS_PROTOCOL_VERSION_UNSUPPORTED;
    case SSL_R_INAPPROPRIATE_FALLBACK:
        return TLS_INAPPROPRIATE_FALLBACK;
    case SSL_R_NO_SUITABLE_KEY_SHARE:
    case SSL_R_NO_SHARED_GROUPS:
    case SSL_R_BAD_KEY_SHARE:
        return TLS_KEY_EXCHANGE_FAILURE;
    case SSL_R_BAD_SIGNATURE:
        return TLS_SIGNATURE_VERIFICATION_FAILED;
    case SSL_R_DECRYPTION_FAILED_OR_BAD_RECORD_MAC:
    case SSL_R_DIGEST_CHECK_FAILED:
        return TLS_DECRYPTION_FAILED;
    case SSL_R_UNEXPECTED_MESSAGE:
        return TLS_UNEXPECTED_MESSAGE;
    case SSL_R_UNEXPECTED_EOF_WHILE_READING:
        return TLS_PEER_CONNECTION_CLOSED;
    default:
        return TLS_UNKNOWN_FAILURE;
    }
}
