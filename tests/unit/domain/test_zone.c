/* Dates, zones and distances against known values. */
#include "domain/zone.h"

#include "domain/geo.h"
#include "support/test.h"

TEST(zone, counts_days_of_the_calendar)
{
    ASSERT_INT_EQ(civil_days(1970, 1, 1), 0);
    ASSERT_INT_EQ(civil_days(2000, 3, 1), 11017);
    ASSERT_INT_EQ(civil_days(2026, 11, 21), 20778);
    ASSERT_INT_EQ(civil_weekday(civil_days(2026, 11, 21)), 5); /* a Saturday */
    for (int32_t d = -200000; d < 200000; d += 13) {
        int32_t year, month, day;
        civil_date(d, &year, &month, &day);
        ASSERT_INT_EQ(civil_days(year, month, day), d);
    }
}

/* New York in 2027 (14 March 07:00 UTC, 7 November 06:00 UTC). */
static const struct zone_span spans[] = {{0, -300}, {1805007600, -240}, {1825567200, -300}};
static const struct zone_rules new_york = {spans, 3};

TEST(zone, goes_from_local_to_utc_and_back)
{
    for (int64_t t = 1805007600 - 100000; t < 1825567200 + 100000; t += 1800) {
        int64_t local = t + zone_offset_min(&new_york, t) * 60;
        bool double_hour = local >= 1825567200 - 300 * 60 && local < 1825567200 - 240 * 60;
        ASSERT_INT_EQ(zone_utc_of_local(&new_york, local),
                      double_hour ? (t < 1825567200 ? t + 3600 : t) : t);
    }
}

TEST(zone, reads_a_time_that_does_not_exist_with_the_offset_before)
{
    int64_t gap = 1805007600 - 300 * 60 + 1800; /* 02:30 on 14 March */
    ASSERT_INT_EQ(zone_utc_of_local(&new_york, gap), 1805007600 + 1800);
    ASSERT_INT_EQ(zone_utc_of_local(&new_york, gap - 1800), 1805007600);
    ASSERT_INT_EQ(zone_utc_of_local(&new_york, gap - 1801), 1805007600 - 1);
    ASSERT_INT_EQ(zone_utc_of_local(&new_york, gap + 1800), 1805007600);
}

TEST(geo, measures_great_circles)
{
    ASSERT_INT_IN(geo_distance_km(40.6398, -73.7789, 51.4706, -0.4619), 5535, 5560); /* JFK-LHR */
    ASSERT_INT_IN(geo_distance_km(-33.9461, 151.177, -34.8222, -58.5358), 11700,
                  11820);                                          /* over the pole */
    ASSERT_INT_IN(geo_distance_km(0, 179.5, 0, -179.5), 110, 112); /* over the date line */
    ASSERT_INT_EQ(geo_distance_km(10, 10, 10, 10), 1);
}
