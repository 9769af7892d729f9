/* Keyed hashes, digests and base64url for everything that services seal.
 * Called at the rate of requests, not of offers. What must stay true: no key or secret outlives the
 * call here. */
#include "services/shared/seal.h"

#include <errno.h>
#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/kdf.h>
#include <openssl/params.h>

#include "base/check.h"

/* Fetching an algorithm takes locks in OpenSSL 3; once per thread is enough. */
static _Thread_local EVP_MAC *hmac;

void seal_mac(const uint8_t key[static SEAL_KEY_BYTES], const struct str *parts, size_t count,
              uint8_t ret_seal[static SEAL_BYTES])
{
    if (!hmac)
        hmac = EVP_MAC_fetch(NULL, "HMAC", NULL);
    CHECK(hmac);
    EVP_MAC_CTX *ctx = EVP_MAC_CTX_new(hmac);
    CHECK(ctx);
    char digest[] = "SHA256";
    const OSSL_PARAM params[] = {
        OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0),
        OSSL_PARAM_construct_end(),
    };
    CHECK(EVP_MAC_init(ctx, key, SEAL_KEY_BYTES, params) == 1);
    for (size_t i = 0; i < count; i++) {
        uint64_t n = parts[i].n;
        uint8_t length[8];
        for (unsigned b = 0; b < sizeof length; b++)
            length[b] = (uint8_t)(n >> (8 * b));
        CHECK(EVP_MAC_update(ctx, length, sizeof length) == 1);
        if (n > 0)
            CHECK(EVP_MAC_update(ctx, (const uint8_t *)parts[i].p, n) == 1);
    }
    size_t bytes = 0;
    CHECK(EVP_MAC_final(ctx, ret_seal, &bytes, SEAL_BYTES) == 1);
    CHECK(bytes == SEAL_BYTES);
    EVP_MAC_CTX_free(ctx);
}

void seal_sha256(struct str data, uint8_t ret_digest[static 32])
{
    unsigned bytes = 0;
    CHECK(EVP_Digest(data.p, data.n, ret_digest, &bytes, EVP_sha256(), NULL) == 1);
    CHECK(bytes == 32);
}

int seal_derive(struct str secret, struct str label, uint8_t ret_key[static SEAL_KEY_BYTES])
{
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_id(EVP_PKEY_HKDF, NULL);
    CHECK(ctx);
    size_t bytes = SEAL_KEY_BYTES;
    bool ok = EVP_PKEY_derive_init(ctx) == 1 && EVP_PKEY_CTX_set_hkdf_md(ctx, EVP_sha256()) == 1 &&
              EVP_PKEY_CTX_set1_hkdf_key(ctx, (const uint8_t *)secret.p, (int)secret.n) == 1 &&
              EVP_PKEY_CTX_add1_hkdf_info(ctx, (const uint8_t *)label.p, (int)label.n) == 1 &&
              EVP_PKEY_derive(ctx, ret_key, &bytes) == 1 && bytes == SEAL_KEY_BYTES;
    EVP_PKEY_CTX_free(ctx);
    return ok ? 0 : -EIO;
}

static const char alphabet[65] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

void base64url_encode(const void *p, size_t bytes, char *ret_text)
{
    const uint8_t *in = p;
    char *out = ret_text;
    uint32_t held = 0;
    unsigned bits = 0;
    for (size_t i = 0; i < bytes; i++) {
        held = (held << 8) | in[i];
        bits += 8;
        while (bits >= 6) {
            bits -= 6;
            *out++ = alphabet[(held >> bits) & 63];
        }
    }
    if (bits > 0)
        *out++ = alphabet[(held << (6 - bits)) & 63];
    *out = '\0';
}

static int sextet(char c)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (c >= '0' && c <= '9')
        return c - '0' + 52;
    if (c == '-')
        return 62;
    return c == '_' ? 63 : -1;
}

int base64url_decode(struct str text, size_t bytes_max, uint8_t *ret_p, size_t *ret_bytes)
{
    if (text.n % 4 == 1)
        return -EINVAL;
    if (text.n / 4 * 3 + text.n % 4 * 3 / 4 > bytes_max)
        return -ENOSPC;
    uint32_t held = 0;
    unsigned bits = 0;
    size_t out = 0;
    for (size_t i = 0; i < text.n; i++) {
        int six = sextet(text.p[i]);
        if (six < 0)
            return -EINVAL;
        held = (held << 6) | (uint32_t)six;
        bits += 6;
        if (bits >= 8) {
            bits -= 8;
            ret_p[out++] = (uint8_t)(held >> bits);
        }
    }
    /* Two texts for the same bytes would be two names for the same thing. */
    if ((held & ((1u << bits) - 1)) != 0)
        return -EINVAL;
    *ret_bytes = out;
    return 0;
}
