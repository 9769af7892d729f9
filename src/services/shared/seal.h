/* What tokens, page tokens and other sealed texts are made of: keyed hashes, digests, base64url.
 * Services call it; OpenSSL stays inside. What must stay true: parts are hashed with their lengths,
 * so that no two lists of parts give the same seal by shifting bytes from one part to the next. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/str.h"

#define SEAL_KEY_BYTES 32
#define SEAL_BYTES 32

/* HMAC-SHA256 over @count parts, each preceded by its length. The first part names the purpose. */
void seal_mac(const uint8_t key[static SEAL_KEY_BYTES], const struct str *parts, size_t count,
              uint8_t ret_seal[static SEAL_BYTES]);

void seal_sha256(struct str data, uint8_t ret_digest[static 32]);

/* HKDF-SHA256 (RFC 5869) without salt: one key per @label from one secret. 0, or -EIO. */
int seal_derive(struct str secret, struct str label, uint8_t ret_key[static SEAL_KEY_BYTES]);

/* Length of base64url without padding. */
#define BASE64URL_LEN(bytes) (((bytes)*4 + 2) / 3)

/* Writes BASE64URL_LEN(bytes) characters and a NUL. */
void base64url_encode(const void *p, size_t bytes, char *ret_text);

/* RFC 4648 section 5, no padding, no spare bits. 0 and *ret_bytes, or -EINVAL; -ENOSPC above
 * @bytes_max. */
int base64url_decode(struct str text, size_t bytes_max, uint8_t *ret_p, size_t *ret_bytes);
