/* Dates and times as digits, without printf: search renders twenty of them per call. */
#include "services/shared/local_time.h"

#include <string.h>

#include "base/text.h"
#include "domain/zone.h"

#define DAY_S INT64_C(86400)

int32_t local_day(int64_t local_s)
{
    return (int32_t)(local_s / DAY_S - (local_s % DAY_S < 0));
}

void local_time_text(int64_t local_s, char ret_text[static LOCAL_TEXT_BYTES])
{
    int32_t year, month, day, days = local_day(local_s);
    civil_date(days, &year, &month, &day);
    unsigned minute = (unsigned)(local_s - days * DAY_S) / 60;
    char *p = text_two_digits(ret_text, (unsigned)year / 100 % 100);
    p = text_two_digits(p, (unsigned)year % 100);
    *p++ = '-';
    p = text_two_digits(p, (unsigned)month);
    *p++ = '-';
    p = text_two_digits(p, (unsigned)day);
    *p++ = 'T';
    p = text_two_digits(p, minute / 60);
    *p++ = ':';
    p = text_two_digits(p, minute % 60);
    *p = '\0';
}

void instant_text(int64_t utc_s, char ret_text[static INSTANT_TEXT_BYTES])
{
    local_time_text(utc_s, ret_text);
    char *p = ret_text + LOCAL_TEXT_BYTES - 1;
    *p++ = ':';
    p = text_two_digits(p, (unsigned)(((utc_s % 60) + 60) % 60));
    memcpy(p, "Z", 2);
}
