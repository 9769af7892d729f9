/* Locators: one for each serial and back, and nothing to be seen of their order. */
#include <errno.h>

#include "domain/locator.h"
#include "support/test.h"

static const uint8_t key[LOCATOR_KEY_BYTES] = "an installation's thirty-two by";
static const uint8_t other[LOCATOR_KEY_BYTES] = "what another one has for its key";

static const char *locator(const uint8_t *k, int64_t serial)
{
    static char texts[4][LOCATOR_LEN + 1];
    static unsigned at;
    char *text = texts[at++ % 4];
    locator_format(k, serial, text);
    return text;
}

/* Of the letters of two serials' locators, how many stand in the same place. */
static int alike(const char *a, const char *b)
{
    int count = 0;
    for (int i = 0; i < LOCATOR_LEN; i++)
        count += a[i] == b[i];
    return count;
}

TEST(locator, leads_back_to_its_serial)
{
    static const int64_t edges[] = {
        0, 1, 31, 32, 32767, 32768, 65535, LOCATOR_COUNT / 2, LOCATOR_COUNT - 2, LOCATOR_COUNT - 1};
    int64_t serial, wrong = 0;
    for (size_t i = 0; i < sizeof edges / sizeof edges[0]; i++) {
        ASSERT_INT_EQ(locator_parse(key, str_of(locator(key, edges[i])), &serial), 0);
        ASSERT_INT_EQ(serial, edges[i]);
    }
    for (int64_t n = 0; n < LOCATOR_COUNT; n += 1021) /* prime to the count: ends differ too */
        wrong += locator_parse(key, str_of(locator(key, n)), &serial) != 0 || serial != n;
    ASSERT_INT_EQ(wrong, 0);
}

TEST(locator, begins_anew_after_all_of_them)
{
    ASSERT_STR_EQ(locator(key, LOCATOR_COUNT), locator(key, 0));
    ASSERT_STR_EQ(locator(key, 5 * LOCATOR_COUNT + 7), locator(key, 7));
    ASSERT_STR_EQ(locator(key, INT64_MAX), locator(key, LOCATOR_COUNT - 1));
}

/* By chance a letter of 32 is the same in one of 32 places. */
TEST(locator, hides_the_order_of_bookings_and_the_key)
{
    int places = 0, neighbours = 0, keys = 0, ascending = 0;
    for (int64_t n = 0; n < 20000; n++, places += LOCATOR_LEN) {
        neighbours += alike(locator(key, n), locator(key, n + 1));
        keys += alike(locator(key, n), locator(other, n));
        ascending += strcmp(locator(key, n), locator(key, n + 1)) < 0;
    }
    ASSERT_TRUE(neighbours > places / 36 && neighbours < places / 29);
    ASSERT_TRUE(keys > places / 36 && keys < places / 29);
    ASSERT_TRUE(ascending > 9500 && ascending < 10500);
}

static uint64_t number(const char *text)
{
    uint64_t n = 0;
    for (; *text; text++)
        n = n << 8 | (uint8_t)*text;
    return n;
}

/* No step from one booking to the next is more frequent than chance would have it. */
TEST(locator, has_no_fixed_distance_between_neighbours)
{
    static uint8_t seen[1 << 20];
    int again = 0;
    for (int64_t n = 0; n < 20000; n++) {
        uint64_t step = number(locator(key, n + 1)) - number(locator(key, n));
        again += seen[step * UINT64_C(0x9e3779b97f4a7c15) >> 44]++ > 2;
    }
    ASSERT_INT_EQ(again, 0);
}

TEST(locator, is_six_of_its_letters)
{
    int64_t serial = 77;
    static const char *const others[] = {"",       "ABCDE",  "ABCDEFG", "ABCDE0",
                                         "IBCDEF", "abcdef", "AB DEF"};
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++)
        ASSERT_INT_EQ(locator_parse(key, str_of(others[i]), &serial), -EINVAL);
    ASSERT_INT_EQ(locator_parse(key, (struct str){"ABCD\0F", 6}, &serial), -EINVAL);
    ASSERT_INT_EQ(serial, 77);
}
