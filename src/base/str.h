/* Strings as pointer and length: nothing is copied or terminated to be looked at.
 * Everybody uses it; the bytes belong to somebody else and must outlive the view. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct str {
    const char *p;
    size_t n;
};

#define STR(literal) ((struct str){.p = "" literal, .n = sizeof(literal) - 1})

static inline struct str str_of(const char *z)
{
    return (struct str){.p = z, .n = z ? strlen(z) : 0};
}

static inline struct str str_bytes(const void *p, size_t bytes)
{
    return (struct str){.p = p, .n = bytes};
}

static inline bool str_eq(struct str a, struct str b)
{
    return a.n == b.n && (a.n == 0 || memcmp(a.p, b.p, a.n) == 0);
}

static inline bool str_starts(struct str s, struct str prefix)
{
    return s.n >= prefix.n && memcmp(s.p, prefix.p, prefix.n) == 0;
}

/* Cuts @prefix off the front of @s. False, and @s untouched, where it is not there. */
static inline bool str_skip(struct str *s, struct str prefix)
{
    if (!str_starts(*s, prefix))
        return false;
    s->p += prefix.n;
    s->n -= prefix.n;
    return true;
}

/* Eight bytes at once: each of a word, and the top bit of each. */
#define STR_EACH_BYTE (~UINT64_C(0) / 255)
#define STR_HIGH_BITS (STR_EACH_BYTE * 128)

/* Of the STR_HIGH_BITS, not zero exactly where some byte of @word is below @first (ASCII) or above
 * '~'; which byte it is they do not tell. */
static inline uint64_t str_odd_bytes(uint64_t word, char first)
{
    return ((word - STR_EACH_BYTE * (uint8_t)first) | word | (word + STR_EACH_BYTE)) &
           STR_HIGH_BITS;
}

/* Cuts off everything up to @sep (or the end) and returns it; @sep itself is dropped. */
struct str str_cut(struct str *s, char sep);

/* Whole of @s as a decimal number within [min, max]. 0, or -EINVAL / -ERANGE. */
int str_int64(struct str s, int64_t min, int64_t max, int64_t *ret_value);

/* True when @s is well-formed UTF-8 without NUL (Unicode 15, table 3-7). */
bool str_is_utf8(struct str s);

/* Bytes of the first code point, 1 to 4 (NUL counts as one); 0 where it is malformed or @s is
 * empty. */
size_t str_utf8_next(struct str s);

/* Code points in well-formed UTF-8. */
size_t str_utf8_len(struct str s);

/* Compares without leaking by time where the first difference is; lengths may leak. */
bool str_eq_secret(struct str a, struct str b);

/* FNV-1a, for hash tables over trusted keys. */
uint64_t str_hash(struct str s);
