/* Header blocks on their way out: HPACK literals (RFC 7541 sections 6.2.2 and 6.2.3) and the names
 * of the static table. nghttp2 is given empty header lists and its frames get these blocks: that
 * costs a few bytes and saves its encoder's work on every call. What must stay true: no table is
 * touched, so every block says so where the peer waits for a word about its table's size; field
 * names are lower case, which is the caller's duty. */
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "h2/internal.h"

#define FRAME_HEADER_BYTES 9
/* What every peer accepts as one frame; a larger block goes on in CONTINUATION. */
#define FRAME_BYTES_SAFE 16384
#define LITERAL 0x00
#define LITERAL_NEVER_INDEXED 0x10
#define STATUS_200 0x88
/* RFC 7541 section 6.3, to a size of zero: what every peer allows. */
#define TABLE_SIZE_ZERO 0x20
/* What the first byte of a length, or of the number of a name, can hold. */
#define LENGTH_PREFIX_MAX 127
#define NAME_PREFIX_MAX 15

/* Of RFC 7541 appendix A, what responses have. */
static const struct {
    struct str name;
    uint8_t number;
} static_names[] = {
    {STR(":status"), 8},
    {STR("content-type"), 31},
    {STR("server"), 54},
};

static size_t field_bytes_max(const struct h2_header *h)
{
    size_t length_bytes = h->name.n < LENGTH_PREFIX_MAX && h->value.n < LENGTH_PREFIX_MAX ? 2 : 20;
    return 1 + length_bytes + h->name.n + h->value.n;
}

static uint8_t *put_string(uint8_t *at, struct str s)
{
    if (s.n < LENGTH_PREFIX_MAX) {
        *at++ = (uint8_t)s.n;
    } else {
        size_t rest = s.n - LENGTH_PREFIX_MAX;
        *at++ = LENGTH_PREFIX_MAX;
        for (; rest >= 128; rest >>= 7)
            *at++ = (uint8_t)(rest | 128);
        *at++ = (uint8_t)rest;
    }
    if (s.n)
        memcpy(at, s.p, s.n);
    return at + s.n;
}

static uint8_t *put_name(uint8_t *at, uint8_t kind, struct str name)
{
    for (size_t i = 0; i < sizeof static_names / sizeof static_names[0]; i++) {
        unsigned number = static_names[i].number;
        if (!str_eq(static_names[i].name, name))
            continue;
        if (number < NAME_PREFIX_MAX) {
            *at++ = (uint8_t)(kind | number);
            return at;
        }
        *at++ = kind | NAME_PREFIX_MAX;
        *at++ = (uint8_t)(number - NAME_PREFIX_MAX);
        return at;
    }
    *at++ = kind;
    return put_string(at, name);
}

static size_t block_bytes_max(const struct h2_header *headers, size_t count)
{
    size_t bytes = 1;
    for (size_t i = 0; i < count; i++)
        bytes += field_bytes_max(&headers[i]);
    return bytes;
}

/* How much of @p was written. */
static size_t encode(uint8_t *p, const struct h2_header *headers, size_t count)
{
    uint8_t *at = p;
    *at++ = TABLE_SIZE_ZERO; /* leaves only where it is due */
    for (size_t i = 0; i < count; i++) {
        const struct h2_header *h = &headers[i];
        if (i == 0 && str_eq(h->name, STR(":status")) && str_eq(h->value, STR("200"))) {
            *at++ = STATUS_200;
            continue;
        }
        at = put_name(at, h->secret ? LITERAL_NEVER_INDEXED : LITERAL, h->name);
        at = put_string(at, h->value);
    }
    return (size_t)(at - p);
}

struct h2_block h2_block_new(const struct h2_header *headers, size_t count)
{
    struct h2_block b = {.p = malloc(block_bytes_max(headers, count))};
    CHECK(b.p);
    b.bytes = encode(b.p, headers, count);
    return b;
}

void h2_block_free(struct h2_block *b)
{
    free(b->p);
    *b = (struct h2_block){0};
}

void h2_fields_init(struct h2_fields *f)
{
    f->p = f->large = NULL;
    f->bytes = 0;
}

void h2_fields_set(struct h2_fields *f, const struct h2_header *headers, size_t count)
{
    size_t bytes_max = block_bytes_max(headers, count);
    uint8_t *p = f->small;
    CHECK(f->bytes == 0);
    if (bytes_max > FIELDS_SMALL_BYTES) {
        p = f->large = malloc(bytes_max);
        CHECK(p);
    }
    f->p = p;
    f->bytes = encode(p, headers, count);
}

void h2_fields_lend(struct h2_fields *f, const struct h2_block *b)
{
    CHECK(f->bytes == 0);
    f->p = b->p;
    f->bytes = b->bytes;
}

void h2_fields_clear(struct h2_fields *f)
{
    free(f->large);
    h2_fields_init(f);
}

static void put_frame(struct buf *out, uint8_t type, uint8_t flags, int32_t stream_id,
                      const uint8_t *p, size_t bytes)
{
    uint8_t *frame = buf_reserve(out, FRAME_HEADER_BYTES + bytes);
    uint32_t id = htonl((uint32_t)stream_id);
    frame[0] = (uint8_t)(bytes >> 16);
    frame[1] = (uint8_t)(bytes >> 8);
    frame[2] = (uint8_t)bytes;
    frame[3] = type;
    frame[4] = flags;
    memcpy(frame + 5, &id, sizeof id);
    if (bytes)
        memcpy(frame + FRAME_HEADER_BYTES, p, bytes);
    buf_commit(out, FRAME_HEADER_BYTES + bytes);
}

void h2_fields_write(const struct h2_fields *f, struct h2_conn *c, int32_t stream_id,
                     bool end_stream)
{
    uint8_t type = NGHTTP2_HEADERS;
    uint8_t flags = end_stream ? NGHTTP2_FLAG_END_STREAM : 0;
    bool update = c->table_size_changed;
    const uint8_t *p = update ? f->p : f->p + 1;
    size_t left = update ? f->bytes : f->bytes - 1;
    c->table_size_changed = false;
    while (left > FRAME_BYTES_SAFE) {
        put_frame(c->out, type, flags, stream_id, p, FRAME_BYTES_SAFE);
        p += FRAME_BYTES_SAFE;
        left -= FRAME_BYTES_SAFE;
        type = NGHTTP2_CONTINUATION;
        flags = 0;
    }
    put_frame(c->out, type, flags | NGHTTP2_FLAG_END_HEADERS, stream_id, p, left);
}
