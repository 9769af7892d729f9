/* Standard base64 for -bin metadata: read padded or not, written without padding (gRPC
 * PROTOCOL-HTTP2). */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/str.h"

static inline size_t base64_encoded_bytes(size_t bytes)
{
    return bytes / 3 * 4 + (bytes % 3 == 0 ? 0 : bytes % 3 + 1);
}

/* The most bytes base64_decode writes for @text_bytes characters. */
static inline size_t base64_decoded_bytes_max(size_t text_bytes)
{
    return text_bytes / 4 * 3 + 2;
}

/* Writes base64_encoded_bytes(bytes) characters; returns how many. */
size_t base64_encode(const uint8_t *p, size_t bytes, char *out);

/* 0, or -EINVAL: a foreign character, an impossible length, or padding where it does not belong. */
int base64_decode(struct str text, uint8_t *out, size_t *ret_bytes);
