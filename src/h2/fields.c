/* Header blocks on their way out, kept as HPACK literals (RFC 7541 sections 6.2.2 and 6.2.3).
 * Response heads go through nghttp2's encoder, which indexes them; trailers leave as they are here,
 * which costs a few bytes and saves a frame's worth of work per call. What must stay true: no table
 * is touched; field names are lower case, which is the caller's duty. */
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "h2/internal.h"

#define FRAME_HEADER_BYTES 9
#define LITERAL 0x00
#define LITERAL_NEVER_INDEXED 0x10
/* What the first byte of a length can hold. */
#define PREFIX_MAX 127

static size_t length_bytes(size_t n)
{
    size_t bytes = 1;
    if (n < PREFIX_MAX)
        return bytes;
    for (n -= PREFIX_MAX; n >= 128; n >>= 7)
        bytes++;
    return bytes + 1;
}

static uint8_t *put_string(uint8_t *at, struct str s)
{
    if (s.n < PREFIX_MAX) {
        *at++ = (uint8_t)s.n;
    } else {
        size_t rest = s.n - PREFIX_MAX;
        *at++ = PREFIX_MAX;
        for (; rest >= 128; rest >>= 7)
            *at++ = (uint8_t)(rest | 128);
        *at++ = (uint8_t)rest;
    }
    if (s.n)
        memcpy(at, s.p, s.n);
    return at + s.n;
}

/* The reverse, for what put_string wrote. */
static uint8_t *get_string(uint8_t *at, uint8_t **ret_p, size_t *ret_n)
{
    size_t n = *at++;
    if (n == PREFIX_MAX) {
        unsigned shift = 0;
        do {
            n += (size_t)(*at & 127) << shift;
            shift += 7;
        } while (*at++ & 128);
    }
    *ret_p = at;
    *ret_n = n;
    return at + n;
}

void h2_fields_init(struct h2_fields *f)
{
    f->p = f->small;
    f->bytes = 0;
    f->count = 0;
}

void h2_fields_set(struct h2_fields *f, const struct h2_header *headers, size_t count)
{
    CHECK(f->count == 0);
    for (size_t i = 0; i < count; i++)
        f->bytes += 1 + length_bytes(headers[i].name.n) + headers[i].name.n +
                    length_bytes(headers[i].value.n) + headers[i].value.n;
    if (f->bytes > FIELDS_SMALL_BYTES)
        f->p = malloc(f->bytes);
    CHECK(f->p);
    f->count = (unsigned)count;
    uint8_t *at = f->p;
    for (size_t i = 0; i < count; i++) {
        *at++ = headers[i].secret ? LITERAL_NEVER_INDEXED : LITERAL;
        at = put_string(at, headers[i].name);
        at = put_string(at, headers[i].value);
    }
    CHECK((size_t)(at - f->p) == f->bytes);
}

void h2_fields_clear(struct h2_fields *f)
{
    if (f->p != f->small)
        free(f->p);
    h2_fields_init(f);
}

void h2_fields_list(const struct h2_fields *f, nghttp2_nv *ret_nv)
{
    uint8_t *at = f->p;
    for (unsigned i = 0; i < f->count; i++) {
        nghttp2_nv *nv = &ret_nv[i];
        nv->flags = NGHTTP2_NV_FLAG_NO_COPY_NAME | NGHTTP2_NV_FLAG_NO_COPY_VALUE;
        if (*at++ == LITERAL_NEVER_INDEXED)
            nv->flags |= NGHTTP2_NV_FLAG_NO_INDEX;
        at = get_string(at, &nv->name, &nv->namelen);
        at = get_string(at, &nv->value, &nv->valuelen);
    }
    CHECK((size_t)(at - f->p) == f->bytes);
}

void h2_fields_write_frame(const struct h2_fields *f, int32_t stream_id, struct buf *out)
{
    uint8_t *frame = buf_reserve(out, FRAME_HEADER_BYTES + f->bytes);
    uint32_t id = htonl((uint32_t)stream_id);
    frame[0] = (uint8_t)(f->bytes >> 16);
    frame[1] = (uint8_t)(f->bytes >> 8);
    frame[2] = (uint8_t)f->bytes;
    frame[3] = NGHTTP2_HEADERS;
    frame[4] = NGHTTP2_FLAG_END_STREAM | NGHTTP2_FLAG_END_HEADERS;
    memcpy(frame + 5, &id, sizeof id);
    memcpy(frame + FRAME_HEADER_BYTES, f->p, f->bytes);
    buf_commit(out, FRAME_HEADER_BYTES + f->bytes);
}
