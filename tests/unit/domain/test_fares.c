/* Buckets, fares, conversion, refunds. */
#include "domain/fares.h"

#include "domain/money.h"
#include "domain/passengers.h"
#include "support/test.h"

static const struct fare_bucket ladder[] = {
    {.upto_permille = 100, .price_permille = 450, .booking_class = 'O'},
    {.upto_permille = 500, .price_permille = 1000, .booking_class = 'M'},
    {.upto_permille = 1000, .price_permille = 2400, .booking_class = 'Y'},
};

static char bucket(int32_t authorised, int32_t used, int32_t seats, int32_t expected_left)
{
    int32_t left = -1;
    int i = fare_bucket_find(ladder, 3, authorised, used, seats, &left);
    if (i < 0)
        return '-';
    ASSERT_INT_EQ(left, expected_left);
    return ladder[i].booking_class;
}

TEST(fares, take_the_cheapest_bucket_with_room_for_the_whole_party)
{
    ASSERT_INT_EQ(bucket(100, 0, 1, 10), 'O');
    ASSERT_INT_EQ(bucket(100, 9, 1, 1), 'O');
    ASSERT_INT_EQ(bucket(100, 9, 2, 41), 'M');
    ASSERT_INT_EQ(bucket(100, 10, 1, 40), 'M');
    ASSERT_INT_EQ(bucket(100, 50, 1, 50), 'Y');
    ASSERT_INT_EQ(bucket(100, 91, 9, 9), 'Y');
    ASSERT_INT_EQ(bucket(100, 92, 9, 0), '-');
    ASSERT_INT_EQ(bucket(100, 100, 1, 0), '-');
    ASSERT_INT_EQ(bucket(0, 0, 1, 0), '-');
}

TEST(fares, reach_every_seat_of_a_small_cabin)
{
    ASSERT_INT_EQ(bucket(3, 0, 1, 1), 'M'); /* a tenth of three is no seat */
    ASSERT_INT_EQ(bucket(3, 1, 1, 2), 'Y');
    ASSERT_INT_EQ(bucket(3, 2, 1, 1), 'Y');
    ASSERT_INT_EQ(bucket(3, 3, 1, 0), '-');
    ASSERT_INT_EQ(bucket(10, 12, 1, 0), '-'); /* authorisation lowered below what is sold */
}

TEST(fares, round_halves_up_once)
{
    const struct fare_fx *usd = fare_fx_find(STR("USD"));
    const struct passenger_mix one = {.adults = 1},
                               all = {.children = 1, .lap_infants = 1, .seat_infants = 1};
    struct fare_units u = fare_units(10001, 500, 1000, usd, &all);
    ASSERT_INT_EQ(u.minor[PASSENGER_ADULT - 1], 5001); /* 5000.5 */
    ASSERT_INT_EQ(u.minor[PASSENGER_CHILD - 1], 3751); /* 3750.75 */
    ASSERT_INT_EQ(u.minor[PASSENGER_INFANT_ON_LAP - 1], 500);
    ASSERT_INT_EQ(u.minor[PASSENGER_INFANT_IN_SEAT - 1], 3751);
    u = fare_units(30000, 450, 1180, usd, &one);
    ASSERT_INT_EQ(u.minor[PASSENGER_ADULT - 1], 15930);
    ASSERT_INT_EQ(u.minor[PASSENGER_CHILD - 1], 0);
    u = fare_units(0, 450, 1180, usd, &one);
    ASSERT_INT_EQ(u.minor[PASSENGER_ADULT - 1], 0);
}

TEST(fares, convert_up_to_a_whole_minor_unit)
{
    const struct fare_fx *yen = fare_fx_find(STR("JPY"));
    ASSERT_INT_EQ(yen->exponent, 0);
    ASSERT_INT_EQ(fare_convert(yen, 100), 150); /* 149.2 */
    ASSERT_INT_EQ(fare_convert(yen, 1), 2);
    ASSERT_INT_EQ(fare_convert(yen, 0), 0);
    ASSERT_INT_EQ(fare_convert(yen, 1000), 1492);
    const struct fare_fx dinar = {"KWD", 3, 306100};
    ASSERT_INT_EQ(fare_convert(&dinar, 100), 310); /* 0.3061, and three decimals end in 0 */
    ASSERT_INT_EQ(fare_convert(fare_fx_find(STR("USD")), 12345), 12345);
}

TEST(fares, are_sold_in_currencies_that_money_knows)
{
    static const char *const codes[] = {"USD", "EUR", "GBP", "JPY", "CHF",
                                        "KRW", "KWD", "BHD", "INR", "AED"};
    for (size_t i = 0; i < sizeof codes / sizeof codes[0]; i++) {
        const struct fare_fx *fx = fare_fx_find(str_of(codes[i]));
        ASSERT_NOT_NULL(fx);
        ASSERT_INT_EQ(fx->exponent, money_exponent(str_of(codes[i])));
        ASSERT_TRUE(fx->rate_micro > 0);
    }
    ASSERT_NULL(fare_fx_find(STR("XOF")));
    ASSERT_NULL(fare_fx_find(STR("")));
    ASSERT_VIEW_EQ(fare_currency_of_country(STR("DE")), "EUR");
    ASSERT_VIEW_EQ(fare_currency_of_country(STR("JP")), "JPY");
    ASSERT_VIEW_EQ(fare_currency_of_country(STR("BH")), "BHD");
    ASSERT_VIEW_EQ(fare_currency_of_country(STR("US")), "USD");
    ASSERT_VIEW_EQ(fare_currency_of_country(STR("AR")), "USD");
}

TEST(fares, every_country_pays_in_a_currency_that_is_sold_in)
{
    char country[3] = "AA";
    for (country[0] = 'A'; country[0] <= 'Z'; country[0]++)
        for (country[1] = 'A'; country[1] <= 'Z'; country[1]++)
            ASSERT_NOT_NULL(fare_fx_find(fare_currency_of_country(str_of(country))));
}

#define DAY INT64_C(86400)

static int64_t refund(bool refundable, uint16_t penalty, int64_t captured, int64_t ahead_s,
                      int64_t age_s)
{
    const struct fare_terms terms = {.refundable = refundable, .refund_penalty_permille = penalty};
    const struct fare_refund_question q = {
        .base_minor = 10000,
        .refundable_tax_minor = 1500,
        .captured_minor = captured,
        .booked_s = 1000000,
        .departure_s = 1000000 + ahead_s,
        .now_s = 1000000 + age_s,
    };
    return fare_refund(&terms, &q);
}

TEST(fares, give_back_what_the_terms_say)
{
    ASSERT_INT_EQ(refund(true, 100, 12000, 30 * DAY, 2 * DAY), 11000);
    ASSERT_INT_EQ(refund(true, 0, 12000, 30 * DAY, 2 * DAY), 12000);
    ASSERT_INT_EQ(refund(false, 0, 12000, 30 * DAY, 2 * DAY), 1500);
    ASSERT_INT_EQ(refund(false, 0, 1000, 30 * DAY, 2 * DAY), 1000); /* never more than was paid */
    ASSERT_INT_EQ(refund(true, 300, 2000, 30 * DAY, 2 * DAY), 0);
    ASSERT_INT_EQ(refund(true, 100, 0, 30 * DAY, 2 * DAY), 0);
}

TEST(fares, keep_a_penalty_that_can_be_charged)
{
    ASSERT_INT_EQ(fare_penalty(13965, 100, 2), 1397);
    ASSERT_INT_EQ(fare_penalty(42780, 100, 3), 4280);
    ASSERT_INT_EQ(fare_penalty(42800, 100, 3), 4280);
    ASSERT_INT_EQ(fare_penalty(42814, 100, 3), 4290);
    ASSERT_INT_EQ(fare_penalty(42780, 0, 3), 0);
    const struct fare_terms terms = {.refundable = true, .refund_penalty_permille = 100};
    const struct fare_refund_question q = {
        .base_minor = 42780, .captured_minor = 50000, .now_s = DAY, .exponent = 3};
    ASSERT_INT_EQ(fare_refund(&terms, &q), 50000 - 4280);
}

TEST(fares, give_all_back_on_the_day_after_an_early_booking)
{
    ASSERT_INT_EQ(refund(false, 0, 12000, 7 * DAY, DAY - 1), 12000);
    ASSERT_INT_EQ(refund(false, 0, 12000, 7 * DAY, DAY), 1500);
    ASSERT_INT_EQ(refund(false, 0, 12000, 7 * DAY - 1, 1), 1500);
}
