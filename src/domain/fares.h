/* Prices: the bucket a party falls into, what each passenger type pays, conversion, refunds. Pure;
 * search and refunds call it. What must stay true: every component is rounded by itself, once, so
 * that sums of components are exact. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/str.h"
#include "domain/passengers.h"

/* A price level of a cabin: open while the seats in use are below its share of the authorised ones.
 */
struct fare_bucket {
    int32_t upto_permille;
    int32_t price_permille;
    char booking_class;
};

/* What a brand allows; frozen in the offers sold under it. */
struct fare_terms {
    bool refundable;
    bool changeable;
    uint16_t refund_penalty_permille; /* of the base fare */
    uint16_t change_penalty_permille;
    uint8_t checked_bags;
    uint8_t cabin_bags;
};

/* A conversion from the currency fares are filed in (US dollars) to a sale currency. */
struct fare_fx {
    char currency[4];
    uint8_t exponent;
    int64_t rate_micro; /* millionths of a unit for one dollar */
};

/* By passenger type; the index is enum passenger_type minus one. */
#define FARE_TYPES 4
struct fare_units {
    int64_t minor[FARE_TYPES];
};

#define FARE_FILED_CURRENCY "USD"

/* The cheapest bucket that has room for the whole party, and the seats left in it; -1 when the
 * cabin has not enough.
 * @buckets in order of their shares; the last reaches all seats. */
int fare_bucket_find(const struct fare_bucket *buckets, size_t count, int32_t authorised,
                     int32_t used, int32_t seats, int32_t *ret_left);

/* What one passenger of each type pays for one flight, in the sale currency: an adult @base_minor
 * by the two shares; a child and an infant in a seat 75 %, an infant on a lap 10 % of that; halves
 * of a cent go up, conversion goes up. Zero for the types that @party has none of, adults apart. */
struct fare_units fare_units(int64_t base_minor, int32_t bucket_permille, int32_t brand_permille,
                             const struct fare_fx *fx, const struct passenger_mix *party);

/* Dollar cents to the sale currency's minor units, up to the next money_step. */
int64_t fare_convert(const struct fare_fx *fx, int64_t minor);

/* NULL for a currency that we do not sell in. The rates are a table of the release, valid from
 * fare_fx_quote_s. */
const struct fare_fx *fare_fx_find(struct str currency);
extern const int64_t fare_fx_quote_s;
/* What people pay in there if we sell in it, otherwise dollars. */
struct str fare_currency_of_country(struct str country);

/* @minor by @permille, half up. */
int64_t fare_share(int64_t minor, int32_t permille);

/* What is kept of @minor: the share, up to the next money_step of a currency of @exponent. */
int64_t fare_penalty(int64_t minor, int32_t permille, int exponent);

struct fare_refund_question {
    int64_t base_minor;           /* fares of the party */
    int64_t refundable_tax_minor; /* taxes that are given back whatever the fare */
    int64_t captured_minor;
    int64_t departure_s; /* of the first flight */
    int64_t booked_s;
    int64_t now_s;
    int exponent; /* of the currency */
};

/* What comes back when the booking is cancelled before departure: all of it within 24 hours of a
 * booking made at least seven days ahead; otherwise what the terms say. The rest of @captured_minor
 * is the penalty, and what no money_step fills. */
int64_t fare_refund(const struct fare_terms *terms, const struct fare_refund_question *q);
