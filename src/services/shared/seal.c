/* Keyed hashes, digests and base64url for everything that services seal: search seals ten offers a
 * call. What must stay true: no secret but the process's own few keys outlives the call here. */
#include "services/shared/seal.h"

#include <endian.h>
#include <errno.h>
#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/kdf.h>
#include <openssl/params.h>

#include "base/check.h"

#define HELD_BYTES 512
#define KEYS_KEPT 4 /* as many as struct app_keys has */

/* Setting a key up costs more than hashing an offer with it, so each thread keeps them set up. */
static _Thread_local struct keyed {
    EVP_MAC_CTX *ctx; /* NULL: free */
    uint8_t key[SEAL_KEY_BYTES];
} kept[KEYS_KEPT];
static _Thread_local unsigned kept_next;

static void set_up(struct keyed *k, const uint8_t key[static SEAL_KEY_BYTES])
{
    if (!k->ctx) {
        EVP_MAC *hmac = EVP_MAC_fetch(NULL, "HMAC", NULL);
        CHECK(hmac);
        k->ctx = EVP_MAC_CTX_new(hmac);
        EVP_MAC_free(hmac);
        CHECK(k->ctx);
    }
    char digest[] = "SHA256";
    const OSSL_PARAM params[] = {
        OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0),
        OSSL_PARAM_construct_end(),
    };
    CHECK(EVP_MAC_init(k->ctx, key, SEAL_KEY_BYTES, params) == 1);
    memcpy(k->key, key, SEAL_KEY_BYTES);
}

/* A context at the start of a message under @key. */
static EVP_MAC_CTX *keyed_for(const uint8_t key[static SEAL_KEY_BYTES])
{
    for (unsigned i = 0; i < KEYS_KEPT; i++) {
        if (kept[i].ctx && memcmp(kept[i].key, key, SEAL_KEY_BYTES) == 0) {
            CHECK(EVP_MAC_init(kept[i].ctx, NULL, 0, NULL) == 1);
            return kept[i].ctx;
        }
    }
    struct keyed *k = &kept[kept_next++ % KEYS_KEPT];
    set_up(k, key);
    return k->ctx;
}

/* An update costs about as much as hashing a block, so what is short is put together first. */
struct feed {
    EVP_MAC_CTX *ctx;
    size_t held;
    uint8_t bytes[HELD_BYTES];
};

static void feed_flush(struct feed *f)
{
    CHECK(EVP_MAC_update(f->ctx, f->bytes, f->held) == 1);
    f->held = 0;
}

static void feed(struct feed *f, const void *p, size_t n)
{
    if (n > sizeof f->bytes - f->held)
        feed_flush(f);
    if (n > sizeof f->bytes) {
        CHECK(EVP_MAC_update(f->ctx, p, n) == 1);
    } else if (n > 0) {
        memcpy(f->bytes + f->held, p, n);
        f->held += n;
    }
}

void seal_mac(const uint8_t key[static SEAL_KEY_BYTES], const struct str *parts, size_t count,
              uint8_t ret_seal[static SEAL_BYTES])
{
    struct feed f;
    f.ctx = keyed_for(key);
    f.held = 0;
    for (size_t i = 0; i < count; i++) {
        uint64_t n = htole64(parts[i].n);
        feed(&f, &n, sizeof n);
        feed(&f, parts[i].p, parts[i].n);
    }
    feed_flush(&f);
    size_t bytes = 0;
    CHECK(EVP_MAC_final(f.ctx, ret_seal, &bytes, SEAL_BYTES) == 1);
    CHECK(bytes == SEAL_BYTES);
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
    for (; bytes >= 3; bytes -= 3, in += 3, out += 4) {
        uint32_t held = (uint32_t)in[0] << 16 | (uint32_t)in[1] << 8 | in[2];
        out[0] = alphabet[held >> 18];
        out[1] = alphabet[(held >> 12) & 63];
        out[2] = alphabet[(held >> 6) & 63];
        out[3] = alphabet[held & 63];
    }
    if (bytes > 0) {
        uint32_t held = (uint32_t)in[0] << 16 | (bytes > 1 ? (uint32_t)in[1] << 8 : 0);
        *out++ = alphabet[held >> 18];
        *out++ = alphabet[(held >> 12) & 63];
        if (bytes > 1)
            *out++ = alphabet[(held >> 6) & 63];
    }
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
