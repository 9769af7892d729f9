/* Money as integers: minor units and an ISO 4217 currency. Nothing here knows a database or a
 * message. What must stay true: no arithmetic overflows silently and nothing is ever rounded. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/str.h"

/* The largest amount anything in the system may have: leaves room to add many of them. */
#define MONEY_MINOR_MAX INT64_C(1000000000000000)

/* Digits after the decimal point of @currency (0, 2 or 3); -EINVAL for what is no currency we sell
 * in. */
int money_exponent(struct str currency);

/* The smallest amount that can be charged or given back, in minor units: of three decimals the last
 * is 0, or the provider refuses (Stripe, "three-decimal currencies"). */
int64_t money_step(int exponent);

/* Units and nanos (google.type.Money: both of one sign, nanos a whole number of minor units) to
 * minor units. 0; -EINVAL: signs differ, finer than the currency allows, or an unknown currency;
 * -ERANGE: beyond MONEY_MINOR_MAX. */
int money_from_units(struct str currency, int64_t units, int32_t nanos, int64_t *ret_minor);

/* The inverse. */
void money_to_units(struct str currency, int64_t minor, int64_t *ret_units, int32_t *ret_nanos);
