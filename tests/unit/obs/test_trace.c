/* Trace context: the rules of the W3C recommendation, one by one. */
#include "obs/obs.h"
#include "support/test.h"

#define GOOD "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"

TEST(trace, goes_on_with_the_callers_trace)
{
    struct trace t;
    char text[56];
    trace_begin(&t, STR(GOOD));
    ASSERT_TRUE(t.sampled);
    ASSERT_INT_EQ(t.trace_id[0], 0x0a);
    ASSERT_INT_EQ(t.trace_id[15], 0x9c);
    ASSERT_INT_EQ(t.parent_id[0], 0xb7);
    ASSERT_INT_EQ(t.parent_id[7], 0x31);
    trace_format(&t, text);
    ASSERT_MEM_EQ(text, GOOD, 36);
    ASSERT_TRUE(memcmp(text + 36, &GOOD[36], 16) != 0); /* our own span */
    ASSERT_STR_EQ(text + 52, "-01");
}

TEST(trace, keeps_unsampled_unsampled)
{
    struct trace t;
    char text[56];
    trace_begin(&t, STR("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-fe"));
    ASSERT_FALSE(t.sampled);
    trace_format(&t, text);
    ASSERT_STR_EQ(text + 52, "-00");
}

TEST(trace, accepts_later_versions_that_look_alike)
{
    struct trace t;
    trace_begin(&t, STR("cc-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-what"));
    ASSERT_INT_EQ(t.trace_id[0], 0x0a);
    trace_begin(&t, STR("cc-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"));
    ASSERT_INT_EQ(t.trace_id[0], 0x0a);
}

TEST(trace, begins_anew_where_a_rule_is_broken)
{
    static const char *const cases[] = {
        "",
        "00",
        "ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-what",
        "cc-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01.what",
        "00-00000000000000000000000000000000-b7ad6b7169203331-01",
        "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01",
        "00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01",
        "00-0af7651916cd43dd8448eb211c80319c_b7ad6b7169203331-01",
        "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-0",
        "0g-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
    };
    static const uint8_t none[16];
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct trace t;
        trace_begin(&t, str_of(cases[i]));
        ASSERT_TRUE(memcmp(t.trace_id, none, 16) != 0);
        ASSERT_TRUE(memcmp(t.trace_id, "\x0a\xf7\x65\x19", 4) != 0);
        ASSERT_MEM_EQ(t.parent_id, none, 8);
        ASSERT_TRUE(memcmp(t.span_id, none, 8) != 0);
    }
}
