/* Offers without a table: an offer's name is the whole priced snapshot, sealed with the installation's key.
 * Search makes them, GetOffer and CreateBooking open them; nothing is written until something is bought.
 * What must stay true: what offer_seal put in comes out of offer_open unchanged or not at all. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/str.h"
#include "base/uuid.h"
#include "faregate/v1/flight_service.pb-c.h"
#include "services/app.h"

#define OFFER_SEGMENTS_MAX 12
#define OFFER_PASSENGERS_MAX 9

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
    uint8_t slice;       /* which journey of the request it belongs to */
    uint16_t distance_km;
};

struct offer {
    uint8_t cabin;                /* faregate.v1.Cabin */
    uint8_t brand;                /* index in the reference data */
    uint8_t adults, children, lap_infants, seat_infants;
    uint8_t segment_count;
    uint8_t bookable_seats;
    char currency[4];
    int64_t base_minor;           /* all passengers, before taxes */
    int64_t tax_minor;
    int64_t total_minor;
    int64_t expire_s;
    struct offer_segment segments[OFFER_SEGMENTS_MAX];
};

/* Seats the offer takes on each of its flights: everybody but lap infants. */
static inline unsigned offer_seats(const struct offer *o)
{
    return (unsigned)o->adults + o->children + o->seat_infants;
}

/* "offers/..." in the arena. */
struct str offer_seal(const struct app *app, struct arena *arena, const struct offer *offer);

/* 0, or -EINVAL when the name is not one that this installation sealed. Expiry is the caller's business. */
int offer_open(const struct app *app, struct str name, struct offer *ret_offer);

/* The message, in the arena, with prices broken down from the reference data. @name is what offer_seal gave. */
Faregate__V1__Offer *offer_message(const struct app *app, struct arena *arena, const struct offer *offer, struct str name);

/* What the brand's conditions give back when the booking is cancelled before departure: refund and penalty add up to @captured_minor.
 * @booked_s, @now_s: for the 24-hour rule. */
void offer_refund(const struct app *app, const struct offer *offer, int64_t captured_minor, int64_t booked_s, int64_t now_s,
                  int64_t *ret_refund_minor, int64_t *ret_penalty_minor);
