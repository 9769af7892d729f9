/* timeout, percent, base64: the small codecs of the protocol page, row by row. */
#include <errno.h>

#include "grpc/base64.h"
#include "grpc/percent.h"
#include "grpc/timeout.h"
#include "support/test.h"

static int64_t parsed(const char *text)
{
    int64_t ns;
    int rc = timeout_parse(str_of(text), &ns);
    return rc < 0 ? rc : ns;
}

TEST(timeout, reads_every_unit)
{
    ASSERT_INT_EQ(parsed("1n"), 1);
    ASSERT_INT_EQ(parsed("2u"), 2000);
    ASSERT_INT_EQ(parsed("3m"), 3000000);
    ASSERT_INT_EQ(parsed("4S"), INT64_C(4000000000));
    ASSERT_INT_EQ(parsed("5M"), INT64_C(300000000000));
    ASSERT_INT_EQ(parsed("1H"), INT64_C(3600000000000));
    ASSERT_INT_EQ(parsed("0S"), 0);
    ASSERT_INT_EQ(parsed("00000001n"), 1);
}

TEST(timeout, clamps_hours_that_overflow)
{
    ASSERT_INT_EQ(parsed("99999999H"), TIMEOUT_NS_MAX);
    ASSERT_INT_EQ(parsed("99999999M"), TIMEOUT_NS_MAX);
}

TEST(timeout, refuses_what_is_not_digits_and_a_unit)
{
    static const char *const bad[] = {"",     "S",   "1",   "1s",         "-1S", "+1S",
                                      "1.5S", " 1S", "1S ", "123456789S", "1SS", "0x1S"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        ASSERT_INT_EQ(parsed(bad[i]), -EINVAL);
}

static void expect_percent(const char *in, const char *out)
{
    char text[256] = {0};
    size_t bytes = percent_encode(str_of(in), text);
    ASSERT_VIEW_EQ(((struct str){.p = text, .n = bytes}), out);
}

TEST(percent, leaves_printable_ascii_alone_but_for_the_percent_sign)
{
    expect_percent("plain text ~!", "plain text ~!");
    expect_percent("100%", "100%25");
    expect_percent("", "");
}

/* The interop case special_status_message. */
TEST(percent, escapes_control_and_every_byte_of_utf8)
{
    expect_percent(
        "\t\ntest with whitespace\r\nand Unicode BMP \xe2\x98\xba and non-BMP \xf0\x9f\x98\x88\t\n",
        "%09%0Atest with whitespace%0D%0Aand Unicode BMP %E2%98%BA and non-BMP %F0%9F%98%88%09%0A");
    expect_percent("\x7f\xff", "%7F%FF");
}

static void expect_base64(const char *plain, const char *coded, const char *padded)
{
    char text[64];
    uint8_t bytes[64];
    size_t count = base64_encode((const uint8_t *)plain, strlen(plain), text);
    ASSERT_INT_EQ(count, base64_encoded_bytes(strlen(plain)));
    ASSERT_VIEW_EQ(((struct str){.p = text, .n = count}), coded);
    ASSERT_INT_EQ(base64_decode(str_of(coded), bytes, &count), 0);
    ASSERT_VIEW_EQ(((struct str){.p = (const char *)bytes, .n = count}), plain);
    ASSERT_INT_EQ(base64_decode(str_of(padded), bytes, &count), 0);
    ASSERT_VIEW_EQ(((struct str){.p = (const char *)bytes, .n = count}), plain);
}

/* RFC 4648 section 10. */
TEST(base64, writes_unpadded_and_reads_both)
{
    expect_base64("", "", "");
    expect_base64("f", "Zg", "Zg==");
    expect_base64("fo", "Zm8", "Zm8=");
    expect_base64("foo", "Zm9v", "Zm9v");
    expect_base64("foob", "Zm9vYg", "Zm9vYg==");
    expect_base64("fooba", "Zm9vYmE", "Zm9vYmE=");
    expect_base64("foobar", "Zm9vYmFy", "Zm9vYmFy");
    expect_base64("\xfb\xff\xbf", "+/+/", "+/+/");
}

TEST(base64, refuses_foreign_characters_and_impossible_lengths)
{
    static const char *const bad[] = {
        "Z", "Zm9vY", "Zm9*", "Zg=", "Z===", "=", "====", "Zm=v", "-_-_", "Zm 9v"};
    uint8_t bytes[64];
    size_t count;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        ASSERT_INT_EQ(base64_decode(str_of(bad[i]), bytes, &count), -EINVAL);
}
