/* Views on text: cutting, numbers and the well-formedness of UTF-8, byte by byte against the
 * standard. */
#include "base/str.h"

#include <errno.h>
#include <stdlib.h>

#include "support/test.h"

TEST(str, cuts_at_the_separator_and_at_the_end)
{
    struct str rest = STR("a,,bc");
    ASSERT_VIEW_EQ(str_cut(&rest, ','), "a");
    ASSERT_VIEW_EQ(str_cut(&rest, ','), "");
    ASSERT_VIEW_EQ(str_cut(&rest, ','), "bc");
    ASSERT_INT_EQ(rest.n, 0);
    ASSERT_INT_EQ(str_cut(&rest, ',').n, 0);
}

TEST(str, skips_a_prefix_only_where_it_is)
{
    struct str s = STR("users/7");
    ASSERT_FALSE(str_skip(&s, STR("user/")));
    ASSERT_VIEW_EQ(s, "users/7");
    ASSERT_TRUE(str_skip(&s, STR("users/")));
    ASSERT_VIEW_EQ(s, "7");
    ASSERT_FALSE(str_skip(&s, STR("77")));
}

TEST(str, reads_whole_numbers_within_bounds)
{
    static const struct {
        const char *text;
        int result;
        int64_t value;
    } cases[] = {
        {"0", 0, 0},
        {"-0", 0, 0},
        {"007", 0, 7},
        {"9223372036854775807", 0, INT64_MAX},
        {"-9223372036854775808", 0, INT64_MIN},
        {"9223372036854775808", -ERANGE, 0},
        {"-9223372036854775809", -ERANGE, 0},
        {"99999999999999999999999", -ERANGE, 0},
        {"", -EINVAL, 0},
        {"-", -EINVAL, 0},
        {"+1", -EINVAL, 0},
        {" 1", -EINVAL, 0},
        {"1 ", -EINVAL, 0},
        {"1x", -EINVAL, 0},
        {"99999999999999999999x", -EINVAL, 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        int64_t value = 0;
        int result = str_int64(str_of(cases[i].text), INT64_MIN, INT64_MAX, &value);
        ASSERT_INT_EQ(result, cases[i].result);
        ASSERT_INT_EQ(value, cases[i].value);
    }
    int64_t value = 5;
    ASSERT_INT_EQ(str_int64(STR("10"), 1, 9, &value), -ERANGE);
    ASSERT_INT_EQ(str_int64(STR("0"), 1, 9, &value), -ERANGE);
    ASSERT_INT_EQ(value, 5);
    ASSERT_INT_EQ(str_int64(STR("9"), 1, 9, &value), 0);
    ASSERT_INT_EQ(value, 9);
}

/* Decodes by arithmetic: the second opinion. */
static bool is_scalar_sequence(const unsigned char *p, size_t n)
{
    static const uint32_t smallest[] = {0, 0, 0x80, 0x800, 0x10000};
    static const unsigned char lead_mask[] = {0, 0x7f, 0x1f, 0x0f, 0x07};
    static const unsigned char lead[] = {0, 0, 0xc0, 0xe0, 0xf0};
    if ((p[0] & (unsigned char)~lead_mask[n]) != lead[n])
        return false;
    uint32_t point = p[0] & lead_mask[n];
    for (size_t i = 1; i < n; i++) {
        if ((p[i] & 0xc0) != 0x80)
            return false;
        point = point << 6 | (p[i] & 0x3f);
    }
    return point >= smallest[n] && point <= 0x10ffff && (point < 0xd800 || point > 0xdfff);
}

TEST(str, accepts_exactly_the_well_formed_sequences)
{
    static const unsigned char tails[] = {0x00, 0x41, 0x7f, 0x80, 0x8f, 0x90,
                                          0x9f, 0xa0, 0xbf, 0xc0, 0xff};
    const size_t t = sizeof tails;
    for (unsigned first = 1; first < 256; first++) {
        for (size_t i = 0; i < t * t * t; i++) {
            unsigned char bytes[] = {(unsigned char)first, tails[i % t], tails[i / t % t],
                                     tails[i / t / t]};
            for (size_t n = 1; n <= 4; n++) {
                size_t got = str_utf8_next((struct str){(const char *)bytes, n});
                size_t expected = 0;
                for (size_t length = 1; length <= n; length++) {
                    if (is_scalar_sequence(bytes, length))
                        expected = length;
                }
                ASSERT_INT_EQ(got, expected);
            }
        }
    }
}

TEST(str, finds_what_breaks_utf8_wherever_it_stands)
{
    for (size_t length = 1; length < 40; length++) {
        char *text = malloc(length); /* exact, so that a read past the end is caught */
        memset(text, 'x', length);
        struct str s = {text, length};
        ASSERT_TRUE(str_is_utf8(s));
        for (size_t at = 0; at < length; at++) {
            text[at] = '\0';
            ASSERT_FALSE(str_is_utf8(s));
            text[at] = (char)0xff;
            ASSERT_FALSE(str_is_utf8(s));
            text[at] = (char)0xc3;
            ASSERT_FALSE(str_is_utf8(s));
            if (at + 1 < length) {
                text[at + 1] = (char)0xa9;
                ASSERT_TRUE(str_is_utf8(s));
                ASSERT_INT_EQ(str_utf8_len(s), length - 1);
                text[at + 1] = 'x';
            }
            text[at] = 'x';
        }
        free(text);
    }
    ASSERT_TRUE(str_is_utf8((struct str){0}));
    ASSERT_INT_EQ(str_utf8_len(STR("Zürich 東京 ✈")), 11);
}

TEST(str, compares_secrets_like_anything_else)
{
    ASSERT_TRUE(str_eq_secret(STR("abc"), STR("abc")));
    ASSERT_FALSE(str_eq_secret(STR("abc"), STR("abd")));
    ASSERT_FALSE(str_eq_secret(STR("bbc"), STR("abc")));
    ASSERT_FALSE(str_eq_secret(STR("abc"), STR("abcd")));
    ASSERT_TRUE(str_eq_secret((struct str){0}, STR("")));
}

TEST(str, hashes_as_published_for_fnv_1a)
{
    ASSERT_INT_EQ(str_hash(STR("")), 0xcbf29ce484222325);
    ASSERT_INT_EQ(str_hash(STR("foobar")), 0x85944171f73967e8);
}
