/* Numbers and bytes as text, into the caller's room: for what is written on every call, where
 * printf would be a third of the cost. Nothing is terminated. */
#pragma once

#include <stddef.h>
#include <stdint.h>

/* The most digits that a uint64_t has. */
#define TEXT_DECIMAL_MAX 20

/* @value, below 100, as two digits at @out; what follows them. */
static inline char *text_two_digits(char *out, unsigned value)
{
    out[0] = (char)('0' + value / 10);
    out[1] = (char)('0' + value % 10);
    return out + 2;
}

/* All decimal digits of @value at @out; what follows them. */
char *text_decimal(char *out, uint64_t value);

/* The value of a hexadecimal digit in either case; below 0: none. */
static inline int text_hex_digit(char c)
{
    unsigned digit = (unsigned char)c - '0', letter = (unsigned char)(c | 0x20) - 'a';
    return digit < 10 ? (int)digit : letter < 6 ? (int)letter + 10 : -1;
}

/* Two lower-case digits a byte at @out; what follows them. */
char *text_hex(char *out, const void *p, size_t bytes);
