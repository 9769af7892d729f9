/* gRPC message framing: one flag byte, four bytes of big-endian length, the body. Pure: looks at
 * bytes, keeps nothing. intake and the streaming reader call it. The length is judged before
 * anything is buffered. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define FRAME_PREFIX_BYTES 5

enum frame_result {
    FRAME_PARTIAL, /* more bytes are needed */
    FRAME_READY,
    FRAME_BAD_FLAG,  /* neither 0 nor 1 */
    FRAME_TOO_LARGE, /* the prefix announces more than is allowed */
};

struct frame {
    bool is_compressed;
    const uint8_t *body; /* into the bytes that were given */
    size_t bytes;
};

/* Looks at the first message in @p. */
enum frame_result frame_peek(const uint8_t *p, size_t bytes, size_t body_bytes_max,
                             struct frame *ret_frame);

/* Writes the prefix of a message of @body_bytes. */
void frame_prefix(uint8_t p[static FRAME_PREFIX_BYTES], bool is_compressed, size_t body_bytes);
