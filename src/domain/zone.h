/* Civil time of one time zone: its UTC offsets over the span we sell, and the way back from local
 * time. The rules come from the database (its tzdata is what SQL will answer with); this is their
 * arithmetic. */
#pragma once

#include <stddef.h>
#include <stdint.h>

struct zone_span {
    int64_t from_s;     /* UTC, since 1970; the first span's is not looked at */
    int32_t offset_min; /* local = UTC + offset */
};

/* Spans in order of time; at least one. */
struct zone_rules {
    const struct zone_span *spans;
    size_t count;
};

int32_t zone_offset_min(const struct zone_rules *z, int64_t utc_s);

/* @local_s: seconds since 1970 as the wall clock shows them. As PostgreSQL decides: a time that
 * does not exist (clocks went forward) is read with the offset before the change, one that exists
 * twice with the offset after it. */
int64_t zone_utc_of_local(const struct zone_rules *z, int64_t local_s);

/* Days since 1970-01-01 of a proleptic Gregorian date, and back. */
int32_t civil_days(int32_t year, int32_t month, int32_t day);
void civil_date(int32_t days, int32_t *ret_year, int32_t *ret_month, int32_t *ret_day);

/* 0 Monday .. 6 Sunday. */
int32_t civil_weekday(int32_t days);
