/* Ages around birthdays, parties, dates of birth. */
#include "domain/passengers.h"
#include "domain/zone.h"
#include "support/test.h"

static enum reason check(unsigned adults, unsigned children, unsigned laps, unsigned seats)
{
    const struct passenger_mix mix = {
        .adults = adults, .children = children, .lap_infants = laps, .seat_infants = seats};
    return passenger_mix_check(&mix);
}

TEST(passengers, travel_in_mixes_that_an_adult_can_look_after)
{
    ASSERT_INT_EQ(check(1, 0, 0, 0), REASON_NONE);
    ASSERT_INT_EQ(check(9, 0, 9, 0), REASON_NONE);
    ASSERT_INT_EQ(check(1, 8, 1, 0), REASON_NONE);
    ASSERT_INT_EQ(check(2, 3, 2, 4), REASON_NONE);
    ASSERT_INT_EQ(check(0, 0, 0, 0), REASON_PASSENGER_MIX);
    ASSERT_INT_EQ(check(0, 1, 0, 0), REASON_PASSENGER_MIX);
    ASSERT_INT_EQ(check(1, 0, 2, 0), REASON_PASSENGER_MIX);
    ASSERT_INT_EQ(check(10, 0, 0, 0), REASON_PASSENGER_MIX);
    ASSERT_INT_EQ(check(5, 3, 0, 2), REASON_PASSENGER_MIX);
}

static int age(int y1, int m1, int d1, int y2, int m2, int d2)
{
    return age_on(civil_days(y1, m1, d1), civil_days(y2, m2, d2));
}

TEST(passengers, grow_older_on_their_birthday)
{
    ASSERT_INT_EQ(age(2014, 11, 21, 2026, 11, 20), 11);
    ASSERT_INT_EQ(age(2014, 11, 21, 2026, 11, 21), 12);
    ASSERT_INT_EQ(age(2024, 2, 29, 2026, 2, 28),
                  1); /* no birthday in a common year until 1 March */
    ASSERT_INT_EQ(age(2024, 2, 29, 2026, 3, 1), 2);
    ASSERT_INT_EQ(age(1930, 1, 1, 2026, 1, 1), 96);
}

TEST(passengers, are_of_one_type_each)
{
    int32_t on = civil_days(2026, 11, 21);
    int32_t twelve = civil_days(2014, 11, 21), eleven = civil_days(2014, 11, 22);
    int32_t two = civil_days(2024, 11, 21), one = civil_days(2024, 11, 22);
    ASSERT_TRUE(passenger_type_fits(PASSENGER_ADULT, twelve, on));
    ASSERT_FALSE(passenger_type_fits(PASSENGER_CHILD, twelve, on));
    ASSERT_TRUE(passenger_type_fits(PASSENGER_CHILD, eleven, on));
    ASSERT_FALSE(passenger_type_fits(PASSENGER_ADULT, eleven, on));
    ASSERT_TRUE(passenger_type_fits(PASSENGER_CHILD, two, on));
    ASSERT_FALSE(passenger_type_fits(PASSENGER_INFANT_ON_LAP, two, on));
    ASSERT_TRUE(passenger_type_fits(PASSENGER_INFANT_ON_LAP, one, on));
    ASSERT_TRUE(passenger_type_fits(PASSENGER_INFANT_IN_SEAT, one, on));
    ASSERT_FALSE(passenger_type_fits(PASSENGER_CHILD, one, on));
    ASSERT_FALSE(passenger_type_fits(PASSENGER_INFANT_ON_LAP, on + 1, on)); /* not born */
}

TEST(passengers, have_birth_dates_that_exist)
{
    int32_t days = 0;
    ASSERT_TRUE(date_days(2024, 2, 29, &days));
    ASSERT_INT_EQ(days, civil_days(2024, 2, 29));
    ASSERT_FALSE(date_days(2023, 2, 29, &days));
    ASSERT_FALSE(date_days(2100, 2, 29, &days));
    ASSERT_FALSE(date_days(2026, 4, 31, &days));
    ASSERT_FALSE(date_days(2026, 0, 1, &days));
    ASSERT_FALSE(date_days(2026, 13, 1, &days));
    ASSERT_FALSE(date_days(2026, 1, 0, &days));
    ASSERT_FALSE(date_days(1899, 12, 31, &days));
    ASSERT_TRUE(date_days(2000, 12, 31, &days));
}
