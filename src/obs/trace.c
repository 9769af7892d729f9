/* W3C trace context, level 1: what a caller says about the trace it is in, and what we pass on.
 * Called once per call. What must stay true: a header that breaks a rule begins a new trace, it is
 * never repaired. */
#include <string.h>

#include "base/text.h"
#include "base/uuid.h"
#include "obs/internal.h"

#define TRACEPARENT_LEN 55

/* Lower case only, says the standard. */
static bool hex_bytes(struct str text, uint8_t *out)
{
    for (size_t i = 0; i < text.n; i++) {
        char c = text.p[i];
        int value = text_hex_digit(c);
        if (value < 0 || (c >= 'A' && c <= 'F'))
            return false;
        out[i / 2] = (uint8_t)(out[i / 2] << 4 | value);
    }
    return true;
}

static bool is_zero(const uint8_t *bytes, size_t n)
{
    uint8_t all = 0;
    for (size_t i = 0; i < n; i++)
        all |= bytes[i];
    return all == 0;
}

static bool parse(struct trace *t, struct str text)
{
    if (text.n < TRACEPARENT_LEN)
        return false;
    uint8_t version = 0, flags = 0;
    struct str parts[] = {{text.p, 2}, {text.p + 3, 32}, {text.p + 36, 16}, {text.p + 53, 2}};
    if (text.p[2] != '-' || text.p[35] != '-' || text.p[52] != '-')
        return false;
    if (!hex_bytes(parts[0], &version) || !hex_bytes(parts[1], t->trace_id) ||
        !hex_bytes(parts[2], t->parent_id) || !hex_bytes(parts[3], &flags))
        return false;
    if (version == 0xff || (version == 0 && text.n != TRACEPARENT_LEN))
        return false;
    /* A later version may add fields, but only after another hyphen. */
    if (text.n > TRACEPARENT_LEN && text.p[TRACEPARENT_LEN] != '-')
        return false;
    t->sampled = flags & 1;
    return !is_zero(t->trace_id, 16) && !is_zero(t->parent_id, 8);
}

void trace_begin(struct trace *t, struct str traceparent)
{
    *t = (struct trace){0};
    if (!parse(t, traceparent)) {
        *t = (struct trace){.sampled = true};
        while (is_zero(t->trace_id, sizeof t->trace_id))
            random_id(t->trace_id, sizeof t->trace_id);
    }
    while (is_zero(t->span_id, sizeof t->span_id))
        random_id(t->span_id, sizeof t->span_id);
}

void trace_format(const struct trace *t, char ret_text[static 56])
{
    char *out = ret_text;
    memcpy(out, "00-", 3);
    out = text_hex(out + 3, t->trace_id, sizeof t->trace_id);
    *out++ = '-';
    out = text_hex(out, t->span_id, sizeof t->span_id);
    memcpy(out, t->sampled ? "-01" : "-00", 4);
}
