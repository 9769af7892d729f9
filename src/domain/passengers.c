/* Ages from days, dates that exist, and which parties may travel. See passengers.h. */
#include "domain/passengers.h"

#include "domain/zone.h"

enum reason passenger_mix_check(const struct passenger_mix *mix)
{
    unsigned seated = mix->adults + mix->children + mix->seat_infants;
    if (seated < 1 || seated > SEATED_MAX || mix->adults < 1 || mix->lap_infants > mix->adults)
        return REASON_PASSENGER_MIX;
    return REASON_NONE;
}

bool date_days(int year, int month, int day, int32_t *ret_days)
{
    if (year < 1900 || year > 2200 || month < 1 || month > 12 || day < 1 || day > 31)
        return false;
    /* A day that the month does not have comes back as one of the next. */
    int32_t days = civil_days(year, month, day), y, m, d;
    civil_date(days, &y, &m, &d);
    if (m != month)
        return false;
    *ret_days = days;
    return true;
}

int age_on(int32_t birth_days, int32_t on_days)
{
    int32_t birth_year, birth_month, birth_day, year, month, day;
    civil_date(birth_days, &birth_year, &birth_month, &birth_day);
    civil_date(on_days, &year, &month, &day);
    return year - birth_year - (month * 100 + day < birth_month * 100 + birth_day);
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
