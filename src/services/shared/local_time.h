/* Civil times as texts: what messages say beside an instant. Offers and flights call it. */
#pragma once

#include <stdint.h>

/* 2026-03-29T08:15 */
#define LOCAL_TEXT_BYTES 17
void local_time_text(int64_t local_s, char ret_text[static LOCAL_TEXT_BYTES]);

/* The civil day of a local time, counted since 1970-01-01. */
int32_t local_day(int64_t local_s);

/* 2026-03-29T08:15:00Z */
#define INSTANT_TEXT_BYTES 21
void instant_text(int64_t utc_s, char ret_text[static INSTANT_TEXT_BYTES]);
