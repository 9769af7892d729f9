/* The byte queue: growth, consumption from the front, and JSON that every parser takes. */
#include "base/buf.h"

#include <stdlib.h>

#include "support/test.h"

static struct str view(const struct buf *b)
{
    return (struct str){(const char *)b->p + b->start, buf_len(b)};
}

TEST(buf, gives_back_what_was_appended_in_order)
{
    struct buf b = {0};
    unsigned in = 0, out = 0;
    srand(7);
    for (int turn = 0; turn < 2000; turn++) {
        unsigned add = (unsigned)rand() % 700;
        for (unsigned i = 0; i < add; i++) {
            unsigned char byte = (unsigned char)(in++ * 31);
            buf_append(&b, &byte, 1);
        }
        unsigned drop = (unsigned)rand() % (unsigned)(buf_len(&b) + 1);
        for (unsigned i = 0; i < drop; i++)
            ASSERT_INT_EQ(b.p[b.start + i], (unsigned char)((out + i) * 31));
        out += drop;
        buf_consume(&b, drop);
        ASSERT_INT_EQ(buf_len(&b), in - out);
    }
    buf_deinit(&b);
}

TEST(buf, reuses_the_front_instead_of_growing)
{
    struct buf b = {0};
    char block[100] = {0};
    for (int i = 0; i < 10000; i++) {
        buf_append(&b, block, sizeof block);
        if (i > 0)
            buf_consume(&b, sizeof block); /* one block always waits */
    }
    ASSERT_INT_EQ(buf_len(&b), sizeof block);
    ASSERT_INT_IN(b.cap, 1, 1024);
    buf_deinit(&b);
    buf_deinit(&b); /* idempotent */
}

TEST(buf, gives_memory_back_when_empty_and_large)
{
    struct buf b = {0};
    ASSERT_NOT_NULL(buf_reserve(&b, 1 << 20));
    buf_commit(&b, 1 << 20);
    buf_consume(&b, (1 << 20) - 1);
    ASSERT_INT_IN(b.cap, 1 << 20, 1 << 21);
    buf_consume(&b, 1);
    ASSERT_INT_EQ(b.cap, 0);
    ASSERT_NOT_NULL(buf_reserve(&b, 0));
    buf_deinit(&b);
}

static void consume_too_much(void *arg)
{
    buf_consume(arg, 4);
}

TEST(buf, stops_the_process_when_more_is_consumed_than_there_is)
{
    struct buf b = {0};
    buf_append(&b, "abc", 3);
    ASSERT_TRUE(test_aborts(consume_too_much, &b));
    buf_deinit(&b);
}

TEST(buf, prints_short_and_long)
{
    struct buf b = {0};
    buf_printf(&b, "%s=%d;", "a", 1);
    buf_printf(&b, "%127d", 2);
    buf_printf(&b, "%128d", 3);
    buf_printf(&b, "%1000d", 4);
    ASSERT_INT_EQ(buf_len(&b), 4 + 127 + 128 + 1000);
    ASSERT_INT_EQ(b.p[4 + 126], '2');
    ASSERT_INT_EQ(b.p[4 + 127 + 127], '3');
    ASSERT_INT_EQ(b.p[b.end - 1], '4');
    buf_deinit(&b);
}

TEST(buf, escapes_json)
{
    static const struct {
        const char *in;
        const char *out;
    } cases[] = {
        {"", "\"\""},
        {"plain", "\"plain\""},
        {"a\"b\\c/", "\"a\\\"b\\\\c/\""},
        {"\b\f\n\r\t", "\"\\b\\f\\n\\r\\t\""},
        {"\x01\x1f\x7f", "\"\\u0001\\u001f\\u007f\""},
        {"Zürich ✈ 𝄞", "\"Zürich ✈ 𝄞\""},
        {"a\xffz\xc3", "\"a\xEF\xBF\xBDz\xEF\xBF\xBD\""},
        {"\xed\xa0\x80", "\"\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD\""},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct buf b = {0};
        buf_append_json(&b, str_of(cases[i].in));
        ASSERT_VIEW_EQ(view(&b), cases[i].out);
        buf_deinit(&b);
    }
    struct buf b = {0};
    buf_append_json(&b, (struct str){"a\0b", 3});
    ASSERT_VIEW_EQ(view(&b), "\"a\\u0000b\"");
    buf_deinit(&b);
}
