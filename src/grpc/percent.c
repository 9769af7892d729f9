/* Percent-encoding of status messages. Pure; upper-case hexadecimal as the specification asks.
 * What must stay true: the output is printable ASCII whatever the input. */
#include "grpc/percent.h"

static bool is_plain(unsigned char byte)
{
    return byte >= 0x20 && byte <= 0x7e && byte != '%';
}

size_t percent_fitting(struct str text, size_t bytes_max)
{
    size_t fitting = 0;
    while (fitting < text.n) {
        struct str rest = {.p = text.p + fitting, .n = text.n - fitting};
        size_t bytes = str_utf8_next(rest);
        size_t needed = is_plain((unsigned char)rest.p[0]) ? 1 : 3 * (bytes > 0 ? bytes : 1);
        if (needed > bytes_max)
            break;
        bytes_max -= needed;
        fitting += bytes > 0 ? bytes : 1; /* a malformed byte goes by itself */
    }
    return fitting;
}

size_t percent_encode(struct str text, char *out)
{
    static const char hex[16] = "0123456789ABCDEF";
    char *next = out;
    for (size_t i = 0; i < text.n; i++) {
        unsigned char byte = (unsigned char)text.p[i];
        if (is_plain(byte)) {
            *next++ = (char)byte;
            continue;
        }
        *next++ = '%';
        *next++ = hex[byte >> 4];
        *next++ = hex[byte & 15];
    }
    return (size_t)(next - out);
}
