/* Offers without a table: an offer's name is the whole priced snapshot, sealed with the
 * installation's key. Search makes them, GetOffer and CreateBooking open them; nothing is written
 * until something is bought. What must stay true: what offer_seal put in comes out of offer_open
 * unchanged or not at all. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/str.h"
#include "base/uuid.h"
#include "domain/fares.h"
#include "domain/passengers.h"
#include "faregate/v1/flight_service.pb-c.h"
#include "services/app.h"

#define OFFER_SEGMENTS_MAX 12
#define OFFER_PASSENGERS_MAX 9
#define OFFER_TAXES_MAX 40 /* different ones; a trip with more is not offered */

struct offer_segment {
    struct uuid flight_id;
    char carrier[3];
    char origin[4];
    char destination[4];
    char aircraft[4];
    char booking_class;
    uint16_t number;
    int64_t departure_s; /* Unix seconds */
    int64_t arrival_s;
    int16_t departure_offset_min;
    int16_t arrival_offset_min;
    uint8_t slice; /* which journey of the request it belongs to: 0, 1, ... */
    uint16_t distance_km;
    int64_t fare_minor; /* of one adult */
};

/* A tax or charge as every passenger with a seat pays it; infants on a lap pay none. */
struct offer_tax {
    char country[3]; /* "*": everywhere */
    char code[3];
    bool refundable;
    int64_t unit_minor;
};

struct offer {
    uint8_t cabin;      /* faregate.v1.Cabin */
    uint8_t brand;      /* index in the reference data; REFERENCE_BRAND_NONE: no longer known */
    uint16_t brand_key; /* what is sealed in place of the index */
    uint8_t adults, children, lap_infants, seat_infants;
    uint8_t segment_count;
    uint8_t tax_count;
    uint8_t bookable_seats;
    char currency[4];
    struct fare_terms terms;
    int64_t unit_minor[FARE_TYPES]; /* fare of one passenger, by passenger type minus one; 0 where
                                       there is none */
    int64_t base_minor;             /* all passengers, before taxes */
    int64_t tax_minor;
    int64_t total_minor;
    int64_t fx_rate_micro; /* 0: sold in the currency that it is filed in */
    int64_t fx_quote_s;
    int64_t expire_s;
    int64_t close_s; /* the first cut-off or departure of its flights, when a hold ends at the
                        latest; not sealed, INT64_MAX: not known */
    struct offer_tax taxes[OFFER_TAXES_MAX];
    struct offer_segment segments[OFFER_SEGMENTS_MAX];
};

/* Seats the offer takes on each of its flights: everybody but lap infants. */
static inline unsigned offer_seats(const struct offer *o)
{
    return (unsigned)o->adults + o->children + o->seat_infants;
}

/* How many passengers of a type it is priced for. */
static inline unsigned offer_count_of(const struct offer *o, enum passenger_type type)
{
    const uint8_t counts[FARE_TYPES] = {o->adults, o->children, o->lap_infants, o->seat_infants};
    return counts[type - 1];
}

#define OFFER_SEATS_SHOWN_MAX 9
static inline int32_t offer_seats_shown(const struct offer *o)
{
    return o->bookable_seats < OFFER_SEATS_SHOWN_MAX ? o->bookable_seats : OFFER_SEATS_SHOWN_MAX;
}

/* Until when a hold made now would last; 0: the first flight departs before, so there is none. */
int64_t offer_hold_until_s(const struct app *app, const struct offer *offer);

/* base_minor, tax_minor and total_minor from the parts; offer_open has done it. */
void offer_total(struct offer *offer);

/* "offers/..." in the arena. */
struct str offer_seal(const struct app *app, struct arena *arena, const struct offer *offer);

/* 0, or -EINVAL when the name is not one that this installation sealed. Expiry is the caller's
 * business. */
int offer_open(const struct app *app, struct str name, struct offer *ret_offer);

/* The same for a name from a booking's row, which offer_open took when it was booked: its seal is
 * not looked at again, because bookings outlive secrets. Never for what a client brings. */
int offer_open_sold(const struct app *app, struct str name, struct offer *ret_offer);

/* The message, in the arena, with prices broken down from the offer itself. @name is what
 * offer_seal gave. */
Faregate__V1__Offer *offer_message(const struct app *app, struct arena *arena,
                                   const struct offer *offer, struct str name);

/* The flights of a page as they were written for one offer: the brands of a journey, and journeys
 * with a flight in common, differ in little else. Starts empty, lives as long as the arena. */
#define OFFER_BRIEF_KNOWN_MAX 16
struct brief_segment;
struct offer_brief_known {
    const struct brief_segment *segments[OFFER_BRIEF_KNOWN_MAX];
    unsigned count;
};

/* OFFER_VIEW_BASIC: name, journeys without conditions, base fare and total, seats, expiry; as it
 * leaves, with its length before it. */
struct str offer_brief(const struct app *app, struct arena *arena, struct offer_brief_known *known,
                       const struct offer *offer, struct str name);

/* YLGT0GB: class, family, no minimum stay, country of departure. */
#define FARE_BASIS_BYTES 8
void offer_fare_basis(char ret_text[static FARE_BASIS_BYTES], char booking_class, const char *brand,
                      const char *country);

/* Its parts, which a booking has too. */
Faregate__V1__PriceBreakdown *offer_price(const struct app *app, struct arena *arena,
                                          const struct offer *offer);
Faregate__V1__Journey **offer_journeys(const struct app *app, struct arena *arena,
                                       const struct offer *offer, size_t *ret_count);
Faregate__V1__BaggageAllowance **offer_allowances(struct arena *arena, const struct offer *offer,
                                                  size_t *ret_count);

/* What the brand's conditions give back when the booking is cancelled before departure: refund and
 * penalty add up to @captured_minor. @booked_s, @now_s: for the 24-hour rule. */
void offer_refund(const struct app *app, const struct offer *offer, int64_t captured_minor,
                  int64_t booked_s, int64_t now_s, int64_t *ret_refund_minor,
                  int64_t *ret_penalty_minor);
