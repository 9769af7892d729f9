/* Ages and mixes. See passengers.h. */
#include "domain/passengers.h"

enum reason passenger_mix_check(const struct passenger_mix *mix)
{
    unsigned seated = mix->adults + mix->children + mix->seat_infants;
    if (seated < 1 || seated > SEATED_MAX || mix->adults < 1 || mix->lap_infants > mix->adults)
        return REASON_PASSENGER_MIX;
    return REASON_NONE;
}

static bool is_leap(int year)
{
    return (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
}

bool civil_days(int year, int month, int day, int32_t *ret_days)
{
    static const int lengths[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    if (year < 1900 || year > 2200 || month < 1 || month > 12 || day < 1 ||
        day > lengths[month - 1] + (month == 2 && is_leap(year)))
        return false;
    /* Howard Hinnant's days_from_civil: March-based years make the leap day the last one. */
    int y = month <= 2 ? year - 1 : year;
    int era = y / 400;
    int year_of_era = y - era * 400;
    int day_of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
    int day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    *ret_days = era * 146097 + day_of_era - 719468;
    return true;
}

static void civil_of(int32_t days, int *ret_year, int *ret_month_day)
{
    int32_t z = days + 719468;
    int32_t era = (z >= 0 ? z : z - 146096) / 146097;
    int32_t day_of_era = z - era * 146097;
    int32_t year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
    int32_t day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    int32_t mp = (5 * day_of_year + 2) / 153;
    int month = mp < 10 ? mp + 3 : mp - 9;
    *ret_year = year_of_era + era * 400 + (month <= 2);
    *ret_month_day = month * 100 + day_of_year - (153 * mp + 2) / 5 + 1;
}

int age_on(int32_t birth_days, int32_t on_days)
{
    int birth_year, birth_md, on_year, on_md;
    civil_of(birth_days, &birth_year, &birth_md);
    civil_of(on_days, &on_year, &on_md);
    return on_year - birth_year - (on_md < birth_md);
}

bool passenger_type_fits(enum passenger_type type, int32_t birth_days, int32_t on_days)
{
    if (birth_days > on_days)
        return false;
    int age = age_on(birth_days, on_days);
    switch (type) {
    case PASSENGER_ADULT:
        return age >= 12;
    case PASSENGER_CHILD:
        return age >= 2 && age < 12;
    case PASSENGER_INFANT_ON_LAP:
    case PASSENGER_INFANT_IN_SEAT:
        return age < 2;
    }
    return false;
}
