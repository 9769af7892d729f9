/* Who may travel on one booking: types against ages and each other. Pure; booking and search call
 * it. What must stay true: a birthday during the trip changes the type, so ages are taken on the
 * day of the last departure. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/reason.h"

enum passenger_type { /* the numbers of faregate.v1.PassengerType */
                      PASSENGER_ADULT = 1,
                      PASSENGER_CHILD = 2,
                      PASSENGER_INFANT_ON_LAP = 3,
                      PASSENGER_INFANT_IN_SEAT = 4,
};

#define SEATED_MAX 9

struct passenger_mix {
    unsigned adults, children, lap_infants, seat_infants;
};

/* REASON_NONE or PASSENGER_MIX: 1..9 seated, at least one adult, no more lap infants than adults.
 */
enum reason passenger_mix_check(const struct passenger_mix *mix);

/* Days since 1970-01-01 of a civil date; false when there is no such date. */
bool date_days(int year, int month, int day, int32_t *ret_days);

/* Whole years between two days. */
int age_on(int32_t birth_days, int32_t on_days);

/* True when somebody born on @birth_days is of @type on @on_days: adult 12 and over, child 2 to 11,
 * infant under 2. */
bool passenger_type_fits(enum passenger_type type, int32_t birth_days, int32_t on_days);
