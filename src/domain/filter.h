/* Filter and order of a search for offers, a small part of AIP-160: conditions joined by AND.
 *     airline = "BA" AND price <= 300.50 AND duration <= 600 AND refundable = true
 * airline: = and !=, all flights of the trip; price: the party's total in units of the currency,
 * duration: minutes from departure to arrival, all journeys together: = != < <= > >=; refundable: =
 * and != with true or false. Pure; SearchOffers calls it. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/str.h"

#define FILTER_CONDITIONS_MAX 8

enum filter_field { FILTER_AIRLINE, FILTER_PRICE, FILTER_DURATION, FILTER_REFUNDABLE };
enum filter_relation { FILTER_EQ, FILTER_NE, FILTER_LT, FILTER_LE, FILTER_GT, FILTER_GE };

struct filter_condition {
    enum filter_field field;
    enum filter_relation relation;
    int64_t value; /* price: thousandths of a unit; duration: minutes; refundable: 0 or 1 */
    char airline[3];
};

struct filter {
    struct filter_condition conditions[FILTER_CONDITIONS_MAX];
    unsigned count;
};

/* 0 and *ret_filter, or -EINVAL and what is wrong in *ret_why (static). An empty text is a filter
 * that lets all pass. */
int filter_parse(struct str text, struct filter *ret_filter, const char **ret_why);

/* All flights of a journey by this airline: does the filter allow it? */
bool filter_airline(const struct filter *f, const char carrier[static 2]);

/* A fare that is or is not refundable: does the filter allow it? */
bool filter_refundable(const struct filter *f, bool refundable);

/* The same of price and duration. */
struct filter_offer {
    int64_t total_minor;
    int64_t minor_per_unit;
    int64_t duration_min;
};
bool filter_offer(const struct filter *f, const struct filter_offer *offer);

enum order_field { ORDER_PRICE, ORDER_DURATION, ORDER_DEPARTURE };
struct order {
    enum order_field field;
    bool descending;
};

/* "price", "duration", "departure_time", each perhaps with " desc"; empty: price. 0 or -EINVAL. */
int order_parse(struct str text, struct order *ret_order);
