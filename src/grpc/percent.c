/* Percent-encoding of status messages. Pure; upper-case hexadecimal as the specification asks.
 * What must stay true: the output is printable ASCII whatever the input. */
#include "grpc/percent.h"

size_t percent_encode(struct str text, char *out)
{
    static const char hex[16] = "0123456789ABCDEF";
    char *next = out;
    for (size_t i = 0; i < text.n; i++) {
        unsigned char byte = (unsigned char)text.p[i];
        if (byte >= 0x20 && byte <= 0x7e && byte != '%') {
            *next++ = (char)byte;
            continue;
        }
        *next++ = '%';
        *next++ = hex[byte >> 4];
        *next++ = hex[byte & 15];
    }
    return (size_t)(next - out);
}
