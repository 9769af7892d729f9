/* Numbers and bytes as text, into the caller's room: for what is written on every call, where
 * printf would be a third of the cost. Nothing is terminated. */
#pragma once

#include <stddef.h>
#include <stdint.h>

/* The most digits that a uint64_t has. */
#define TEXT_DECIMAL_MAX 20

/* The last @digits decimal digits of @value at @out, with zeros in front; what follows them. */
char *text_digits(char *out, uint64_t value, unsigned digits);

/* All decimal digits of @value at @out; what follows them. */
char *text_decimal(char *out, uint64_t value);

/* Two lower-case digits a byte at @out; what follows them. */
char *text_hex(char *out, const void *p, size_t bytes);
