/* Header blocks on their way out: copied when the layer above hands them over, encoded when their
 * frame is due. Response heads go through nghttp2's HPACK encoder; trailers are written here as
 * literals that touch no table (RFC 7541 section 6.2.2), which costs a few bytes and saves a
 * frame's worth of work per call. What must stay true: field names are lower case, which is the
 * caller's duty. */
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "h2/internal.h"

#define FRAME_HEADER_BYTES 9

/* An HPACK integer with a prefix of seven bits. */
static size_t length_bytes(size_t n)
{
    size_t bytes = 1;
    if (n < 127)
        return bytes;
    for (n -= 127; n >= 128; n >>= 7)
        bytes++;
    return bytes + 1;
}

static uint8_t *put_string(uint8_t *at, const uint8_t *p, size_t n)
{
    if (n < 127) {
        *at++ = (uint8_t)n;
    } else {
        size_t rest = n - 127;
        *at++ = 127;
        for (; rest >= 128; rest >>= 7)
            *at++ = (uint8_t)(rest | 128);
        *at++ = (uint8_t)rest;
    }
    if (n)
        memcpy(at, p, n);
    return at + n;
}

/* Copies @s behind @at, which moves on. */
static uint8_t *keep(uint8_t **at, struct str s)
{
    uint8_t *copy = *at;
    if (s.n)
        memcpy(copy, s.p, s.n);
    *at += s.n;
    return copy;
}

void h2_fields_set(struct h2_fields *f, const struct h2_header *headers, size_t count)
{
    size_t bytes = 0;
    f->encoded_bytes = 0;
    for (size_t i = 0; i < count; i++) {
        bytes += headers[i].name.n + headers[i].value.n;
        f->encoded_bytes += 1 + length_bytes(headers[i].name.n) + length_bytes(headers[i].value.n);
    }
    f->encoded_bytes += bytes;

    uint8_t *at = f->small_bytes;
    f->heap = NULL;
    f->nv = f->small_nv;
    f->count = count;
    if (count > FIELDS_SMALL_COUNT || bytes > FIELDS_SMALL_BYTES) {
        f->heap = malloc(count * sizeof *f->nv + bytes);
        CHECK(f->heap);
        f->nv = f->heap;
        at = (uint8_t *)(f->nv + count);
    }
    for (size_t i = 0; i < count; i++) {
        uint8_t flags = NGHTTP2_NV_FLAG_NO_COPY_NAME | NGHTTP2_NV_FLAG_NO_COPY_VALUE;
        if (headers[i].secret)
            flags |= NGHTTP2_NV_FLAG_NO_INDEX;
        f->nv[i] = (nghttp2_nv){
            .name = keep(&at, headers[i].name),
            .namelen = headers[i].name.n,
            .value = keep(&at, headers[i].value),
            .valuelen = headers[i].value.n,
            .flags = flags,
        };
    }
}

void h2_fields_clear(struct h2_fields *f)
{
    free(f->heap);
    f->heap = NULL;
    f->count = 0;
}

void h2_fields_write_frame(const struct h2_fields *f, int32_t stream_id, struct buf *out)
{
    uint32_t id = htonl((uint32_t)stream_id);
    uint8_t *frame = buf_reserve(out, FRAME_HEADER_BYTES + f->encoded_bytes);
    uint8_t *at = frame + FRAME_HEADER_BYTES;
    frame[0] = (uint8_t)(f->encoded_bytes >> 16);
    frame[1] = (uint8_t)(f->encoded_bytes >> 8);
    frame[2] = (uint8_t)f->encoded_bytes;
    frame[3] = NGHTTP2_HEADERS;
    frame[4] = NGHTTP2_FLAG_END_STREAM | NGHTTP2_FLAG_END_HEADERS;
    memcpy(frame + 5, &id, sizeof id);
    for (size_t i = 0; i < f->count; i++) {
        const nghttp2_nv *nv = &f->nv[i];
        *at++ = nv->flags & NGHTTP2_NV_FLAG_NO_INDEX ? 0x10 : 0x00;
        at = put_string(at, nv->name, nv->namelen);
        at = put_string(at, nv->value, nv->valuelen);
    }
    CHECK((size_t)(at - frame) == FRAME_HEADER_BYTES + f->encoded_bytes);
    buf_commit(out, FRAME_HEADER_BYTES + f->encoded_bytes);
}
