/* Keyed hashes, digests and base64url for everything that services seal: search seals ten offers a
 * call. What must stay true: no secret but the process's own few keys outlives the call here. */
#include "services/shared/seal.h"

/* Its functions on SHA-256 itself are the only ones whose state is a plain value; EVP allocates and
 * frees four objects for each seal, and they took longer than the hashing. */
#define OPENSSL_SUPPRESS_DEPRECATED

#include <assert.h>
#include <endian.h>
#include <errno.h>
#include <openssl/evp.h>
#include <openssl/kdf.h>
#include <openssl/sha.h>

#include "base/check.h"
#include "services/app.h"

/* As many as struct app has. */
#define KEYS_KEPT (offsetof(struct app_keys, id) / SEAL_KEY_BYTES * APP_SECRETS_MAX)

static_assert(SEAL_KEY_BYTES <= SHA256_CBLOCK, "HMAC would hash a longer key first");
static_assert(SEAL_BYTES == SHA256_DIGEST_LENGTH, "a seal is a whole digest");

/* HMAC (RFC 2104) hashes a block of the key before the message and one before that digest: each
 * thread keeps both done. */
static _Thread_local struct keyed {
    bool is_set_up;
    uint8_t key[SEAL_KEY_BYTES];
    SHA256_CTX inner, outer;
} kept[KEYS_KEPT];
static _Thread_local unsigned kept_next;

static SHA256_CTX behind_key(const uint8_t key[static SEAL_KEY_BYTES], uint8_t pad)
{
    uint8_t block[SHA256_CBLOCK] = {0};
    SHA256_CTX state;
    memcpy(block, key, SEAL_KEY_BYTES);
    for (size_t i = 0; i < sizeof block; i++)
        block[i] ^= pad;
    CHECK(SHA256_Init(&state) == 1);
    CHECK(SHA256_Update(&state, block, sizeof block) == 1);
    OPENSSL_cleanse(block, sizeof block);
    return state;
}

static const struct keyed *keyed_for(const uint8_t key[static SEAL_KEY_BYTES])
{
    for (unsigned i = 0; i < KEYS_KEPT; i++)
        if (kept[i].is_set_up && memcmp(kept[i].key, key, SEAL_KEY_BYTES) == 0)
            return &kept[i];
    struct keyed *k = &kept[kept_next++ % KEYS_KEPT];
    k->is_set_up = true;
    memcpy(k->key, key, SEAL_KEY_BYTES);
    k->inner = behind_key(key, 0x36);
    k->outer = behind_key(key, 0x5c);
    return k;
}

void seal_mac(const uint8_t key[static SEAL_KEY_BYTES], const struct str *parts, size_t count,
              uint8_t ret_seal[static SEAL_BYTES])
{
    const struct keyed *k = keyed_for(key);
    SHA256_CTX state = k->inner;
    for (size_t i = 0; i < count; i++) {
        uint64_t n = htole64(parts[i].n);
        CHECK(SHA256_Update(&state, &n, sizeof n) == 1);
        CHECK(SHA256_Update(&state, parts[i].p, parts[i].n) == 1);
    }
    CHECK(SHA256_Final(ret_seal, &state) == 1);
    state = k->outer;
    CHECK(SHA256_Update(&state, ret_seal, SHA256_DIGEST_LENGTH) == 1);
    CHECK(SHA256_Final(ret_seal, &state) == 1);
}

void seal_sha256(struct str data, uint8_t ret_digest[static 32])
{
    CHECK(SHA256((const uint8_t *)data.p, data.n, ret_digest));
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

/* Three bytes, of which the last is the lowest; @in has a fourth. */
static uint32_t three_of(const uint8_t *in)
{
    uint32_t word;
    memcpy(&word, in, sizeof word);
    return be32toh(word) >> 8;
}

typedef uint32_t words __attribute__((vector_size(16)));
typedef int8_t letters __attribute__((vector_size(16)));

/* Sixteen letters at once, from twelve bytes; the thirteenth is looked at too. Names of offers are
 * a third of what a search sends. */
static letters letters_of(const uint8_t *in)
{
    const words w = {three_of(in), three_of(in + 3), three_of(in + 6), three_of(in + 9)};
    const letters six =
        (letters)(w >> 18 | (w >> 4 & 0x3f00) | (w << 10 & 0x3f0000) | (w << 24 & 0x3f000000));
    return six + 'A' + ((six > 25) & ('a' - 'Z' - 1)) + ((six > 51) & ('0' - 'z' - 1)) +
           ((six > 61) & ('-' - '9' - 1)) + ((six > 62) & ('_' - '-' - 1));
}

void base64url_encode(const void *p, size_t bytes, char *ret_text)
{
    const uint8_t *in = p;
    char *out = ret_text;
    for (; bytes >= 13; bytes -= 12, in += 12, out += 16) {
        const letters text = letters_of(in);
        memcpy(out, &text, sizeof text);
    }
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
