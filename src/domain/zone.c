/* Local time and UTC, both ways, over a short list of offset spans. The timetable's expansion calls
 * it a million times; the answer must equal PostgreSQL's AT TIME ZONE for every minute, gaps and
 * overlaps included. */
#include "domain/zone.h"

#include "base/check.h"

int32_t zone_offset_min(const struct zone_rules *z, int64_t utc_s)
{
    CHECK(z->count > 0);
    size_t i = z->count - 1;
    while (i > 0 && utc_s < z->spans[i].from_s)
        i--;
    return z->spans[i].offset_min;
}

int64_t zone_utc_of_local(const struct zone_rules *z, int64_t local_s)
{
    CHECK(z->count > 0);
    for (size_t i = 0; i + 1 < z->count; i++) {
        int64_t change = z->spans[i + 1].from_s;
        int64_t before = local_s - z->spans[i].offset_min * INT64_C(60);
        int64_t after = local_s - z->spans[i + 1].offset_min * INT64_C(60);
        if (before < change && after < change)
            return before;
        if (before < change || after < change) /* a gap or an overlap */
            return before > after ? before : after;
    }
    return local_s - z->spans[z->count - 1].offset_min * INT64_C(60);
}

/* Days and dates after Howard Hinnant's chrono-compatible algorithms. */
int32_t civil_days(int32_t year, int32_t month, int32_t day)
{
    int32_t y = month <= 2 ? year - 1 : year;
    int32_t era = (y >= 0 ? y : y - 399) / 400;
    int32_t yoe = y - era * 400;
    int32_t doy = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
    return era * 146097 + yoe * 365 + yoe / 4 - yoe / 100 + doy - 719468;
}

void civil_date(int32_t days, int32_t *ret_year, int32_t *ret_month, int32_t *ret_day)
{
    int32_t z = days + 719468;
    int32_t era = (z >= 0 ? z : z - 146096) / 146097;
    int32_t doe = z - era * 146097;
    int32_t yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
    int32_t doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    int32_t mp = (5 * doy + 2) / 153;
    *ret_day = doy - (153 * mp + 2) / 5 + 1;
    *ret_month = mp < 10 ? mp + 3 : mp - 9;
    *ret_year = yoe + era * 400 + (*ret_month <= 2);
}

int32_t civil_weekday(int32_t days)
{
    int32_t d = (days + 3) % 7; /* 1970-01-01 was a Thursday */
    return d < 0 ? d + 7 : d;
}
