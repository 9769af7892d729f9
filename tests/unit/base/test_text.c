/* Digits: text_decimal against printf, at every length. */
#include "base/text.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "support/test.h"

static void same_as_printf(uint64_t value)
{
    char ours[TEXT_DECIMAL_MAX + 1], theirs[TEXT_DECIMAL_MAX + 1];
    memset(ours, '#', sizeof ours);
    int bytes = snprintf(theirs, sizeof theirs, "%" PRIu64, value);
    ASSERT_PTR_EQ(text_decimal(ours, value), ours + bytes);
    ASSERT_MEM_EQ(ours, theirs, (size_t)bytes);
    ASSERT_INT_EQ(ours[bytes], '#');
}

TEST(text, decimals_are_those_of_printf)
{
    for (uint64_t value = 0; value < 20000; value++)
        same_as_printf(value);
    for (uint64_t power = 1; power <= UINT64_MAX / 10; power *= 10) {
        same_as_printf(power * 10 - 1);
        same_as_printf(power * 10);
        same_as_printf(power * 10 + 1);
    }
    same_as_printf(UINT64_MAX);
}
