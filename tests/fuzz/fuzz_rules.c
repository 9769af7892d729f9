/* Requests as fields, DATA and trailers, to nghttp2's rules and to ours: both must say the same of
 * each. The first bytes say how it is cut; a field is which name, how long, the value. */
#include "base/check.h"

#include "tests/unit/h2/oracle.c"

static const struct h2_header honest[] = {
    {.name = STR(":method"), .value = STR("POST")},
    {.name = STR(":scheme"), .value = STR("http")},
    {.name = STR(":path"), .value = STR("/f.F/Unary")},
    {.name = STR(":authority"), .value = STR("localhost")},
};
#define HONEST 4

struct input {
    const uint8_t *p;
    size_t bytes;
};

static uint8_t take_byte(struct input *in)
{
    if (in->bytes == 0)
        return 0;
    in->bytes--;
    return *in->p++;
}

static struct str take_text(struct input *in, size_t bytes)
{
    if (bytes > in->bytes)
        bytes = in->bytes;
    struct str text = {.p = (const char *)in->p, .n = bytes};
    in->p += bytes;
    in->bytes -= bytes;
    return text;
}

/* Up to @most fields, or until the input says that it is enough. */
static unsigned take_fields(struct input *in, struct h2_header *fields, unsigned count,
                            unsigned most)
{
    while (count < most && in->bytes > 0) {
        uint8_t which = take_byte(in);
        if (which == 0xff)
            break;
        fields[count].name = which < ORACLE_NAMES ? oracle_names[which] : take_text(in, which % 32);
        fields[count].value = take_text(in, take_byte(in) % (REQUEST_TEXT_MAX + 1));
        count++;
    }
    return count;
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t bytes);

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t bytes)
{
    struct input in = {.p = p, .bytes = bytes};
    struct request r = {0};
    uint8_t shape = take_byte(&in);
    if (shape & 1) {
        r.head_count = HONEST;
        memcpy(r.head, honest, sizeof honest);
    }
    r.ends_with_head = shape & 2;
    if (!r.ends_with_head) {
        r.data_count = shape >> 2 & 3;
        for (unsigned i = 0; i < r.data_count; i++)
            r.data[i] = take_byte(&in);
        r.ends_with_data = r.data_count > 0 && shape & 16;
        r.has_trailers = !r.ends_with_data && shape & 32;
        r.ends_with_trailers = shape & 64;
    }
    r.head_count = take_fields(&in, r.head, r.head_count, REQUEST_FIELDS_MAX);
    if (r.has_trailers)
        r.trailer_count = take_fields(&in, r.trailers, 0, REQUEST_FIELDS_MAX);
    CHECK(oracle_agrees(&r));
    return 0;
}
