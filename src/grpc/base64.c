/* Base64 with the standard alphabet. Pure; metadata.c reads with it, status.c writes with it.
 * What must stay true: never more bytes are written than the header promises. */
#include "grpc/base64.h"

#include <errno.h>

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

size_t base64_encode(const uint8_t *p, size_t bytes, char *out)
{
    char *next = out;
    for (; bytes >= 3; bytes -= 3, p += 3) {
        uint32_t three = (uint32_t)p[0] << 16 | (uint32_t)p[1] << 8 | p[2];
        *next++ = alphabet[three >> 18];
        *next++ = alphabet[three >> 12 & 63];
        *next++ = alphabet[three >> 6 & 63];
        *next++ = alphabet[three & 63];
    }
    if (bytes == 1) {
        *next++ = alphabet[p[0] >> 2];
        *next++ = alphabet[(p[0] & 3) << 4];
    } else if (bytes == 2) {
        *next++ = alphabet[p[0] >> 2];
        *next++ = alphabet[(p[0] & 3) << 4 | p[1] >> 4];
        *next++ = alphabet[(p[1] & 15) << 2];
    }
    return (size_t)(next - out);
}

static int value_of(char ch)
{
    if (ch >= 'A' && ch <= 'Z')
        return ch - 'A';
    if (ch >= 'a' && ch <= 'z')
        return ch - 'a' + 26;
    if (ch >= '0' && ch <= '9')
        return ch - '0' + 52;
    return ch == '+' ? 62 : ch == '/' ? 63 : -1;
}

int base64_decode(struct str text, uint8_t *out, size_t *ret_bytes)
{
    if (text.n % 4 == 0 && text.n > 0 && text.p[text.n - 1] == '=') {
        text.n--;
        if (text.p[text.n - 1] == '=')
            text.n--;
    }
    if (text.n % 4 == 1)
        return -EINVAL;
    uint8_t *next = out;
    uint32_t bits = 0;
    for (size_t i = 0; i < text.n; i++) {
        int value = value_of(text.p[i]);
        if (value < 0)
            return -EINVAL;
        bits = bits << 6 | (uint32_t)value;
        if (i % 4 == 0)
            continue;
        /* The second character completes the first byte, the third the second, the fourth the
         * third. */
        *next++ = (uint8_t)(bits >> (6 - 2 * (i % 4)));
    }
    *ret_bytes = (size_t)(next - out);
    return 0;
}
