/* The grammar of filters and orders. */
#include "domain/filter.h"
#include "support/test.h"

static bool parses(const char *text)
{
    struct filter f;
    const char *why = NULL;
    int r = filter_parse(str_of(text), &f, &why);
    ASSERT_TRUE((r == 0) == (why == NULL));
    return r == 0;
}

static bool lets(const char *text, int64_t total_minor, int64_t duration_min, bool refundable)
{
    struct filter f;
    const char *why;
    ASSERT_INT_EQ(filter_parse(str_of(text), &f, &why), 0);
    const struct filter_offer offer = {
        .total_minor = total_minor, .minor_per_unit = 100, .duration_min = duration_min};
    return filter_offer(&f, &offer) && filter_refundable(&f, refundable);
}

TEST(filter, reads_conditions_joined_by_and)
{
    ASSERT_TRUE(parses(""));
    ASSERT_TRUE(parses("  "));
    ASSERT_TRUE(parses("price <= 300"));
    ASSERT_TRUE(
        parses("airline=\"BA\" AND price<300.50 AND duration >= 60 AND refundable != false"));
    ASSERT_TRUE(parses("airline = 2A"));
}

TEST(filter, refuses_everything_else)
{
    static const char *const texts[] = {
        "price",
        "price <=",
        "price <= x",
        "price <= -5",
        "price <= 1.2345",
        "price ~ 3",
        "colour = \"red\"",
        "airline < \"BA\"",
        "airline = \"BAW\"",
        "airline = \"BA",
        "duration = 1.5",
        "refundable > true",
        "refundable = maybe",
        "price = 3 OR price = 4",
        "price = 3 AND",
        "AND price = 3",
        "price = 3 price = 4",
        "price = 9999999999999",
        "(price = 3)",
        "price == 3",
        "price = 1 AND price = 1 AND price = 1 AND price = 1 AND price = 1 AND price = 1 AND price "
        "= 1 AND price = 1 AND "
        "price = 1",
    };
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
        if (parses(texts[i]))
            FAIL(texts[i]);
}

TEST(filter, compares_prices_to_the_last_unit)
{
    ASSERT_TRUE(lets("price <= 300", 30000, 0, false));
    ASSERT_FALSE(lets("price <= 300", 30001, 0, false));
    ASSERT_FALSE(lets("price < 300", 30000, 0, false));
    ASSERT_TRUE(lets("price = 300.50", 30050, 0, false));
    ASSERT_TRUE(lets("price = 300.5", 30050, 0, false));
    ASSERT_FALSE(lets("price = 300.505", 30050, 0, false));
    ASSERT_TRUE(lets("price > 300.499 AND price != 300.51", 30050, 0, false));
    struct filter f;
    const char *why;
    ASSERT_INT_EQ(filter_parse(STR("price >= 45000"), &f, &why), 0);
    const struct filter_offer yen = {.total_minor = 45000, .minor_per_unit = 1};
    ASSERT_TRUE(filter_offer(&f, &yen));
}

TEST(filter, needs_all_conditions_to_hold)
{
    ASSERT_TRUE(lets("duration <= 600 AND refundable = true", 1, 600, true));
    ASSERT_FALSE(lets("duration <= 600 AND refundable = true", 1, 601, true));
    ASSERT_FALSE(lets("duration <= 600 AND refundable = true", 1, 600, false));
    ASSERT_TRUE(lets("refundable != true", 1, 1, false));
    ASSERT_TRUE(lets("duration > 10 AND duration < 20", 1, 15, false));
    ASSERT_FALSE(lets("duration > 10 AND duration < 20", 1, 20, false));
}

TEST(filter, judges_airlines_flight_by_flight)
{
    struct filter f;
    const char *why;
    ASSERT_INT_EQ(filter_parse(STR("airline = \"BA\""), &f, &why), 0);
    ASSERT_TRUE(filter_airline(&f, "BA"));
    ASSERT_FALSE(filter_airline(&f, "VS"));
    ASSERT_INT_EQ(filter_parse(STR("airline != \"BA\" AND airline != \"VS\""), &f, &why), 0);
    ASSERT_FALSE(filter_airline(&f, "BA"));
    ASSERT_FALSE(filter_airline(&f, "VS"));
    ASSERT_TRUE(filter_airline(&f, "AF"));
}

TEST(order, is_a_field_and_a_direction)
{
    struct order o;
    ASSERT_INT_EQ(order_parse(STR(""), &o), 0);
    ASSERT_TRUE(o.field == ORDER_PRICE && !o.descending);
    ASSERT_INT_EQ(order_parse(STR("duration desc"), &o), 0);
    ASSERT_TRUE(o.field == ORDER_DURATION && o.descending);
    ASSERT_INT_EQ(order_parse(STR("  departure_time "), &o), 0);
    ASSERT_TRUE(o.field == ORDER_DEPARTURE && !o.descending);
    ASSERT_TRUE(order_parse(STR("price asc"), &o) < 0);
    ASSERT_TRUE(order_parse(STR("price desc x"), &o) < 0);
    ASSERT_TRUE(order_parse(STR("price, duration"), &o) < 0);
    ASSERT_TRUE(order_parse(STR("desc"), &o) < 0);
}
