/* The key of a repeatable request: its request_id, and a fingerprint of everything else in it.
 * The table in intercept.c runs it for methods whose policy says idempotent. What must stay true:
 * the fingerprint is of the client's own bytes without the id, so a retry by the same client has
 * the same one whatever this server's version. */
#include <errno.h>
#include <openssl/evp.h>
#include <stdlib.h>

#include "base/check.h"
#include "grpc/internal.h"

/* OpenSSL 3 looks algorithms up by name at a price; both objects are made once. */
struct fingerprinter {
    EVP_MD *sha256;
    EVP_MD_CTX *context;
};

int fingerprinter_new(struct fingerprinter **ret_fingerprinter)
{
    struct fingerprinter *f = calloc(1, sizeof *f);
    if (!f)
        return -ENOMEM;
    f->sha256 = EVP_MD_fetch(NULL, "SHA256", NULL);
    f->context = EVP_MD_CTX_new();
    if (!f->sha256 || !f->context) {
        fingerprinter_free(f);
        return -ENOMEM;
    }
    *ret_fingerprinter = f;
    return 0;
}

struct fingerprinter *fingerprinter_free(struct fingerprinter *f)
{
    if (!f)
        return NULL;
    EVP_MD_CTX_free(f->context);
    EVP_MD_free(f->sha256);
    free(f);
    return NULL;
}

/* Bytes of a varint at @p; 0 when it does not end. */
static size_t varint(const uint8_t *p, size_t bytes, uint64_t *ret_value)
{
    uint64_t value = 0;
    for (size_t i = 0; i < bytes && i < 10; i++) {
        value |= (uint64_t)(p[i] & 0x7f) << (7 * i);
        if (p[i] < 0x80) {
            *ret_value = value;
            return i + 1;
        }
    }
    return 0;
}

/* Bytes of the field at @p with its tag; the rest of the message if it is malformed (the guard has
 * refused that before). */
static size_t field_bytes(const uint8_t *p, size_t bytes, uint32_t *ret_tag)
{
    uint64_t key = 0;
    uint64_t length = 0;
    size_t key_bytes = varint(p, bytes, &key);
    size_t value_bytes = 0;
    *ret_tag = (uint32_t)(key >> 3);
    if (key_bytes == 0)
        return bytes;
    switch (key & 7) {
    case 0:
        value_bytes = varint(p + key_bytes, bytes - key_bytes, &length);
        break;
    case 1:
        value_bytes = 8;
        break;
    case 2:
        value_bytes = varint(p + key_bytes, bytes - key_bytes, &length);
        if (value_bytes == 0 || length > bytes)
            return bytes;
        value_bytes += length;
        break;
    case 5:
        value_bytes = 4;
        break;
    default:
        break;
    }
    return value_bytes == 0 || value_bytes > bytes - key_bytes ? bytes : key_bytes + value_bytes;
}

void fingerprint(struct fingerprinter *f, struct str body, uint32_t skip_tag,
                 uint8_t ret_print[static 16])
{
    uint8_t digest[EVP_MAX_MD_SIZE];
    const uint8_t *p = (const uint8_t *)body.p;
    size_t kept = 0; /* start of the run that is hashed in one go */
    size_t at = 0;
    CHECK(EVP_DigestInit_ex2(f->context, f->sha256, NULL) == 1);
    while (at < body.n) {
        uint32_t tag;
        size_t bytes = field_bytes(p + at, body.n - at, &tag);
        if (tag == skip_tag) {
            CHECK(EVP_DigestUpdate(f->context, p + kept, at - kept) == 1);
            kept = at + bytes;
        }
        at += bytes;
    }
    if (at > kept)
        CHECK(EVP_DigestUpdate(f->context, p + kept, at - kept) == 1);
    CHECK(EVP_DigestFinal_ex(f->context, digest, NULL) == 1);
    memcpy(ret_print, digest, 16);
}

enum reason intercept_idempotency(struct call_impl *ci, struct str body)
{
    const struct rpc_method *method = ci->pub.method;
    if (!method->policy.is_idempotent || method->request_id_tag <= 0)
        return REASON_NONE;
    const char *text;
    memcpy(&text, (const char *)ci->request + method->request_id_offset, sizeof text);
    if (!text || uuid_parse(str_of(text), &ci->pub.request_id) < 0 ||
        uuid_is_nil(ci->pub.request_id)) {
        ci->violations.items[ci->violations.count++] = (struct violation){
            .field = "request_id", .description = "must be a UUID of the caller's making"};
        return REASON_FIELD_INVALID;
    }
    fingerprint(ci->pub.server->fingerprinter, body, (uint32_t)method->request_id_tag,
                ci->pub.fingerprint);
    return REASON_NONE;
}
