/* gzip for messages, in both directions. One compressor per server: its zlib states are reused, so
 * that a message costs no allocation; nothing spans messages (gRPC compression.md). */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/str.h"

/* Smaller replies are not worth the processor. */
#define COMPRESS_BYTES_MIN 1024

struct compressor;

int compressor_new(struct compressor **ret_compressor);
struct compressor *compressor_free(struct compressor *z);

/* Inflates one whole message. *ret_body is valid until the next call.
 * -EMSGSIZE as soon as it would be more than @bytes_max · -EBADMSG when it is not gzip. */
int compressor_inflate(struct compressor *z, const uint8_t *p, size_t bytes, size_t bytes_max,
                       struct str *ret_body);

/* Deflates into @out. -ENOSPC when the result would not fit into @out_bytes_max (then it is not
 * worth sending). */
int compressor_deflate(struct compressor *z, const uint8_t *p, size_t bytes, uint8_t *out,
                       size_t out_bytes_max, size_t *ret_bytes);
