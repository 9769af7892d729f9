/* Views on text: cutting, numbers, UTF-8, comparison of secrets. Called from every layer, on bytes
 * that may come from anybody. What must stay true: no read past p + n, no need for a NUL. */
#include "base/str.h"

#include <errno.h>

struct str str_cut(struct str *s, char sep)
{
    const char *at = s->n ? memchr(s->p, sep, s->n) : NULL;
    struct str head = *s;
    if (!at) {
        s->p += s->n;
        s->n = 0;
        return head;
    }
    head.n = (size_t)(at - s->p);
    s->p = at + 1;
    s->n -= head.n + 1;
    return head;
}

int str_int64(struct str s, int64_t min, int64_t max, int64_t *ret_value)
{
    bool negative = str_skip(&s, STR("-"));
    if (s.n == 0)
        return -EINVAL;
    bool overflow = false;
    int64_t value = 0;
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] < '0' || s.p[i] > '9')
            return -EINVAL;
        /* Built downwards: INT64_MIN has no positive twin. */
        overflow |= __builtin_mul_overflow(value, 10, &value);
        overflow |= __builtin_sub_overflow(value, s.p[i] - '0', &value);
    }
    if (!negative)
        overflow |= __builtin_sub_overflow(0, value, &value);
    if (overflow || value < min || value > max)
        return -ERANGE;
    *ret_value = value;
    return 0;
}

static bool is_tail(char c)
{
    return ((unsigned char)c & 0xC0) == 0x80;
}

/* The second byte's range depends on the first: it keeps out overlong forms, surrogates and >
 * U+10FFFF. */
static bool second_fits(unsigned char first, unsigned char second)
{
    switch (first) {
    case 0xE0:
        return second >= 0xA0 && second <= 0xBF;
    case 0xED:
        return second >= 0x80 && second <= 0x9F;
    case 0xF0:
        return second >= 0x90 && second <= 0xBF;
    case 0xF4:
        return second >= 0x80 && second <= 0x8F;
    default:
        return second >= 0x80 && second <= 0xBF;
    }
}

size_t str_utf8_next(struct str s)
{
    if (s.n == 0)
        return 0;
    unsigned char first = (unsigned char)s.p[0];
    if (first < 0x80)
        return 1;
    if (first < 0xC2 || first > 0xF4 || s.n < 2 || !second_fits(first, (unsigned char)s.p[1]))
        return 0;
    if (first < 0xE0)
        return 2;
    if (s.n < 3 || !is_tail(s.p[2]))
        return 0;
    if (first < 0xF0)
        return 3;
    return s.n >= 4 && is_tail(s.p[3]) ? 4 : 0;
}

/* How many of the leading bytes are ASCII other than NUL, looked at eight at a time. */
static size_t ascii_run(struct str s)
{
    size_t i = 0;
    for (; i + 8 <= s.n; i += 8) {
        uint64_t word;
        memcpy(&word, s.p + i, sizeof word);
        if ((word | ((word - STR_EACH_BYTE) & ~word)) & STR_HIGH_BITS)
            break;
    }
    while (i < s.n && s.p[i] > 0)
        i++;
    return i;
}

bool str_is_utf8(struct str s)
{
    for (;;) {
        size_t run = ascii_run(s);
        s.p += run;
        s.n -= run;
        if (s.n == 0)
            return true;
        size_t step = str_utf8_next(s);
        if (step == 0 || s.p[0] == '\0')
            return false;
        s.p += step;
        s.n -= step;
    }
}

size_t str_utf8_len(struct str s)
{
    size_t points = 0;
    for (size_t i = 0; i < s.n; i++)
        points += !is_tail(s.p[i]);
    return points;
}

bool str_eq_secret(struct str a, struct str b)
{
    if (a.n != b.n)
        return false;
    volatile unsigned char difference = 0;
    for (size_t i = 0; i < a.n; i++)
        difference |= (unsigned char)(a.p[i] ^ b.p[i]);
    return difference == 0;
}

uint64_t str_hash(struct str s)
{
    uint64_t hash = UINT64_C(0xcbf29ce484222325);
    for (size_t i = 0; i < s.n; i++)
        hash = (hash ^ (unsigned char)s.p[i]) * UINT64_C(0x100000001b3);
    return hash;
}
