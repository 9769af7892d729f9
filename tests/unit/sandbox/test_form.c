/* Forms: what comes over the wire, and what the journal must read back as it was written. */
#include "sandbox/internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "support/test.h"

static int parse(struct form *form, char *text, size_t size, const char *given)
{
    snprintf(text, size, "%s", given);
    return form_parse(form, text);
}

TEST(form, decodes_names_and_values)
{
    struct form form;
    char text[256];
    ASSERT_INT_EQ(parse(&form, text, sizeof(text), "a=1&b=x+y%2Bz&&metadata%5Bk%5D=%C3%A9&c&d="),
                  0);
    ASSERT_INT_EQ(form.count, 5);
    ASSERT_STR_EQ(form_get(&form, "a"), "1");
    ASSERT_STR_EQ(form_get(&form, "b"), "x y+z");
    ASSERT_STR_EQ(form_get(&form, "metadata[k]"), "\xc3\xa9");
    ASSERT_STR_EQ(form_get(&form, "c"), "");
    ASSERT_STR_EQ(form_get(&form, "d"), "");
    ASSERT_NULL(form_get(&form, "e"));
    ASSERT_INT_EQ(parse(&form, text, sizeof(text), ""), 0);
    ASSERT_INT_EQ(form.count, 0);
    ASSERT_INT_EQ(parse(&form, text, sizeof(text), "a=1&a=2"), 0);
    ASSERT_STR_EQ(form_get(&form, "a"), "1");
}

TEST(form, refuses_what_is_malformed)
{
    static const char *const bad[] = {"a=%",   "a=%4", "a=%g0", "a=%4g",
                                      "a=%00", "%=1",  "a=%ff", "a=%c0%80"};
    struct form form;
    char text[64];
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        ASSERT_INT_EQ(parse(&form, text, sizeof(text), bad[i]), -EINVAL);
}

TEST(form, has_room_for_so_many_fields_and_no_more)
{
    struct form form;
    char text[1024] = "";
    for (int i = 0; i < SANDBOX_FIELDS_MAX; i++)
        strcat(text, "a=1&");
    char more[1100];
    snprintf(more, sizeof(more), "%sb=2", text);
    ASSERT_INT_EQ(form_parse(&form, text), 0);
    ASSERT_INT_EQ(form.count, SANDBOX_FIELDS_MAX);
    ASSERT_INT_EQ(form_parse(&form, more), -E2BIG);
}

TEST(form, reads_back_what_it_wrote)
{
    char every[256 * 2];
    size_t n = 0;
    for (int c = 1; c < 128; c++)
        every[n++] = (char)c;
    memcpy(every + n, "\xc3\xa9\xe2\x82\xac", 6);
    char *text = NULL;
    size_t bytes = 0;
    FILE *f = open_memstream(&text, &bytes);
    form_put(f, every, every);
    form_put_int(f, "n", INT64_MIN);
    fclose(f);
    /* No byte that separates records or lines comes through. */
    ASSERT_NULL(strpbrk(text, "\t\n\r"));
    struct form form;
    ASSERT_INT_EQ(form_parse(&form, text), 0);
    ASSERT_INT_EQ(form.count, 2);
    ASSERT_STR_EQ(form_get(&form, every), every);
    ASSERT_STR_EQ(form_get(&form, "n"), "-9223372036854775808");
    free(text);
}

TEST(form, hashes_by_content_not_by_order)
{
    static const char *const texts[] = {"a=1&b=2", "b=2&a=1", "a=2&b=1", "a=1", "a=1&b=2&b=2"};
    uint64_t hash[5];
    struct form form;
    char text[64];
    for (int i = 0; i < 5; i++) {
        ASSERT_INT_EQ(parse(&form, text, sizeof(text), texts[i]), 0);
        hash[i] = form_hash(&form);
    }
    ASSERT_TRUE(hash[0] == hash[1]);
    for (int i = 2; i < 5; i++)
        ASSERT_TRUE(hash[0] != hash[i]);
}
