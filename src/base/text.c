/* Digits for the log, UUIDs and trace headers. What must stay true: nothing is written beyond the
 * digits themselves. */
#include "base/text.h"

#include <string.h>

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "the first byte is the lowest of a word");

char *text_decimal(char *out, uint64_t value)
{
    unsigned digits = 1;
    uint64_t rest = value;
    for (; rest >= 100; rest /= 100)
        digits += 2;
    char *end = out + digits + (rest >= 10), *at = end;
    for (; value >= 10; value /= 100) {
        at -= 2;
        text_two_digits(at, (unsigned)(value % 100));
    }
    if (at > out)
        *out = (char)('0' + value);
    return end;
}

/* Four bytes at a time: each half byte gets a byte of a word, and all eight become digits at once.
 */
static uint64_t hex_of(uint32_t bytes)
{
    uint64_t v = bytes;
    v = (v | v << 16) & UINT64_C(0x0000ffff0000ffff);
    v = (v | v << 8) & UINT64_C(0x00ff00ff00ff00ff);
    v = (v >> 4 & UINT64_C(0x000f000f000f000f)) | (v & UINT64_C(0x000f000f000f000f)) << 8;
    uint64_t is_letter = (v + UINT64_C(0x0606060606060606)) >> 4 & UINT64_C(0x0101010101010101);
    return v + UINT64_C(0x3030303030303030) + is_letter * ('a' - '0' - 10);
}

char *text_hex(char *out, const void *p, size_t bytes)
{
    const uint8_t *from = p;
    uint32_t word = 0;
    uint64_t digits;
    for (; bytes >= sizeof word; bytes -= sizeof word, from += sizeof word, out += sizeof digits) {
        memcpy(&word, from, sizeof word);
        digits = hex_of(word);
        memcpy(out, &digits, sizeof digits);
    }
    if (bytes == 0)
        return out;
    memcpy(&word, from, bytes);
    digits = hex_of(word);
    memcpy(out, &digits, 2 * bytes);
    return out + 2 * bytes;
}
