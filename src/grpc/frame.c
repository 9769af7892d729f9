/* The five bytes in front of every gRPC message. Called for each DATA chunk and each reply.
 * What must stay true: an announced length beyond the limit is refused before a byte of it is kept.
 */
#include "grpc/frame.h"

#include "base/check.h"

enum frame_result frame_peek(const uint8_t *p, size_t bytes, size_t body_bytes_max,
                             struct frame *ret_frame)
{
    if (bytes > 0 && p[0] > 1)
        return FRAME_BAD_FLAG;
    if (bytes < FRAME_PREFIX_BYTES)
        return FRAME_PARTIAL;
    size_t body = (size_t)p[1] << 24 | (size_t)p[2] << 16 | (size_t)p[3] << 8 | p[4];
    if (body > body_bytes_max)
        return FRAME_TOO_LARGE;
    if (bytes - FRAME_PREFIX_BYTES < body)
        return FRAME_PARTIAL;
    *ret_frame = (struct frame){
        .is_compressed = p[0] == 1,
        .body = p + FRAME_PREFIX_BYTES,
        .bytes = body,
    };
    return FRAME_READY;
}

void frame_prefix(uint8_t p[static FRAME_PREFIX_BYTES], bool is_compressed, size_t body_bytes)
{
    CHECK(body_bytes <= UINT32_MAX);
    p[0] = is_compressed ? 1 : 0;
    p[1] = (uint8_t)(body_bytes >> 24);
    p[2] = (uint8_t)(body_bytes >> 16);
    p[3] = (uint8_t)(body_bytes >> 8);
    p[4] = (uint8_t)body_bytes;
}
