/* Minor units against google.type.Money's two numbers. */
#include <errno.h>

#include "domain/money.h"
#include "support/test.h"

TEST(money, knows_the_exponents_of_currencies)
{
    ASSERT_INT_EQ(money_exponent(STR("USD")), 2);
    ASSERT_INT_EQ(money_exponent(STR("JPY")), 0);
    ASSERT_INT_EQ(money_exponent(STR("KWD")), 3);
    ASSERT_INT_EQ(money_exponent(STR("XXX")), -EINVAL);
    ASSERT_INT_EQ(money_exponent(STR("US")), -EINVAL);
    /* No code may be found across the border of two others in the lists. */
    ASSERT_INT_EQ(money_exponent(STR("EDA")), -EINVAL);
}

TEST(money, of_three_decimals_ends_in_0)
{
    ASSERT_INT_EQ(money_step(0), 1);
    ASSERT_INT_EQ(money_step(2), 1);
    ASSERT_INT_EQ(money_step(3), 10);
}

TEST(money, takes_units_and_nanos)
{
    int64_t minor = 0;
    ASSERT_INT_EQ(money_from_units(STR("EUR"), 12, 340000000, &minor), 0);
    ASSERT_INT_EQ(minor, 1234);
    ASSERT_INT_EQ(money_from_units(STR("EUR"), -12, -340000000, &minor), 0);
    ASSERT_INT_EQ(minor, -1234);
    ASSERT_INT_EQ(money_from_units(STR("EUR"), 0, -10000000, &minor), 0);
    ASSERT_INT_EQ(minor, -1);
    ASSERT_INT_EQ(money_from_units(STR("JPY"), 500, 0, &minor), 0);
    ASSERT_INT_EQ(minor, 500);
    ASSERT_INT_EQ(money_from_units(STR("KWD"), 1, 1000000, &minor), 0);
    ASSERT_INT_EQ(minor, 1001);
}

TEST(money, refuses_what_is_no_amount)
{
    int64_t minor = 77;
    ASSERT_INT_EQ(money_from_units(STR("EUR"), 1, -10000000, &minor), -EINVAL);
    ASSERT_INT_EQ(money_from_units(STR("EUR"), -1, 10000000, &minor), -EINVAL);
    ASSERT_INT_EQ(money_from_units(STR("EUR"), 1, 1000000, &minor),
                  -EINVAL); /* a tenth of a cent */
    ASSERT_INT_EQ(money_from_units(STR("JPY"), 1, 500000000, &minor), -EINVAL);
    ASSERT_INT_EQ(money_from_units(STR("EUR"), 0, 1000000000, &minor), -EINVAL);
    ASSERT_INT_EQ(money_from_units(STR("XXX"), 1, 0, &minor), -EINVAL);
    ASSERT_INT_EQ(money_from_units(STR("EUR"), INT64_MAX, 0, &minor), -ERANGE);
    ASSERT_INT_EQ(money_from_units(STR("JPY"), MONEY_MINOR_MAX + 1, 0, &minor), -ERANGE);
    ASSERT_INT_EQ(minor, 77);
}

TEST(money, comes_back_as_it_went)
{
    static const char *const currencies[] = {"USD", "JPY", "KWD"};
    static const int64_t amounts[] = {
        0, 1, -1, 99, 100, 101, -12345, MONEY_MINOR_MAX, -MONEY_MINOR_MAX};
    for (size_t i = 0; i < 3; i++)
        for (size_t k = 0; k < sizeof amounts / sizeof amounts[0]; k++) {
            int64_t units, minor;
            int32_t nanos;
            money_to_units(str_of(currencies[i]), amounts[k], &units, &nanos);
            ASSERT_INT_EQ(money_from_units(str_of(currencies[i]), units, nanos, &minor), 0);
            ASSERT_INT_EQ(minor, amounts[k]);
        }
}
