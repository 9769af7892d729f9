/* zlib behind two functions. intake inflates requests, call_send.c deflates replies.
 * What must stay true: the limit is checked while inflating, so a bomb costs no more memory than an
 * honest message. */
#include "grpc/compress.h"

#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <stdlib.h>
#include <zlib.h>

#include "base/buf.h"
#include "base/check.h"

#define GZIP_WINDOW_BITS (15 + 16)
#define DEFLATE_LEVEL                                                                              \
    2 /* measured trade: replies are small and the processor is shared with the handlers */
#define INFLATE_STEP_BYTES 16384
#define SCRATCH_KEEP_BYTES 65536 /* what stays allocated between messages */

struct compressor {
    z_stream inflate;
    z_stream deflate;
    struct buf out;
};

int compressor_new(struct compressor **ret_compressor)
{
    struct compressor *z = calloc(1, sizeof *z);
    if (!z)
        return -ENOMEM;
    if (inflateInit2(&z->inflate, GZIP_WINDOW_BITS) != Z_OK) {
        free(z);
        return -ENOMEM;
    }
    if (deflateInit2(&z->deflate, DEFLATE_LEVEL, Z_DEFLATED, GZIP_WINDOW_BITS, 8,
                     Z_DEFAULT_STRATEGY) != Z_OK) {
        inflateEnd(&z->inflate);
        free(z);
        return -ENOMEM;
    }
    *ret_compressor = z;
    return 0;
}

struct compressor *compressor_free(struct compressor *z)
{
    if (!z)
        return NULL;
    inflateEnd(&z->inflate);
    deflateEnd(&z->deflate);
    buf_deinit(&z->out);
    free(z);
    return NULL;
}

/* zlib wants a mutable pointer and promises not to write. */
static Bytef *input_of(const uint8_t *p)
{
    union {
        const uint8_t *in;
        Bytef *out;
    } u = {.in = p};
    return u.out;
}

/* Gives a large scratch buffer back, and empties it. */
static void out_reset(struct compressor *z)
{
    if (z->out.cap > SCRATCH_KEEP_BYTES)
        buf_deinit(&z->out);
    z->out.start = z->out.end = 0;
}

int compressor_inflate(struct compressor *z, const uint8_t *p, size_t bytes, size_t bytes_max,
                       struct str *ret_body)
{
    if (bytes > UINT_MAX || bytes_max > UINT_MAX)
        return -EMSGSIZE;
    out_reset(z);
    CHECK(inflateReset(&z->inflate) == Z_OK);
    z->inflate.next_in = input_of(p);
    z->inflate.avail_in = (uInt)bytes;
    for (;;) {
        size_t room = bytes_max + 1 - buf_len(&z->out);
        if (room > INFLATE_STEP_BYTES)
            room = INFLATE_STEP_BYTES;
        z->inflate.next_out = buf_reserve(&z->out, room);
        z->inflate.avail_out = (uInt)room;
        int rc = inflate(&z->inflate, Z_NO_FLUSH);
        buf_commit(&z->out, room - z->inflate.avail_out);
        if (buf_len(&z->out) > bytes_max)
            return -EMSGSIZE;
        if (rc == Z_STREAM_END)
            break;
        /* Z_BUF_ERROR: the input ended early. Without progress there is no next time. */
        if (rc != Z_OK || (z->inflate.avail_in == 0 && z->inflate.avail_out > 0))
            return -EBADMSG;
    }
    if (z->inflate.avail_in > 0)
        return -EBADMSG;
    *ret_body = (struct str){.p = (const char *)z->out.p + z->out.start, .n = buf_len(&z->out)};
    return 0;
}

int compressor_deflate(struct compressor *z, const uint8_t *p, size_t bytes, uint8_t *out,
                       size_t out_bytes_max, size_t *ret_bytes)
{
    if (bytes > UINT_MAX || out_bytes_max > UINT_MAX)
        return -ENOSPC;
    CHECK(deflateReset(&z->deflate) == Z_OK);
    z->deflate.next_in = input_of(p);
    z->deflate.avail_in = (uInt)bytes;
    z->deflate.next_out = out;
    z->deflate.avail_out = (uInt)out_bytes_max;
    if (deflate(&z->deflate, Z_FINISH) != Z_STREAM_END)
        return -ENOSPC;
    *ret_bytes = out_bytes_max - z->deflate.avail_out;
    return 0;
}
