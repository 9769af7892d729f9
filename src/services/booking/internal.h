/* What the handlers of BookingService share: the view of a row that a Booking is rendered from. */
#pragma once

#include "faregate/v1/booking_service.pb-c.h"
#include "gen/sql/booking.sql.h"
#include "services/app.h"
#include "services/shared/offer.h"

#define BOOKING_ID_MAX                                                                             \
    ((struct uuid){                                                                                \
        .b = {255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255}})

extern const struct rpc_handler booking_create_booking;
extern const struct rpc_handler booking_get_booking;
extern const struct rpc_handler booking_list_bookings;
extern const struct rpc_handler booking_list_booking_events;
extern const struct rpc_handler booking_create_cancellation;
extern const struct rpc_handler booking_confirm_cancellation;

/* Everything about a booking that changes, and the two fragments that do not. */
struct booking_view {
    struct uuid booking_id;
    struct uuid user_id;
    struct uuid intent_id; /* nil: none */
    int64_t serial;        /* what the locator is made from */
    struct str state;
    struct str state_reason;
    struct str currency;
    struct str snapshot; /* packed fragments of faregate.v1.Booking */
    struct str passengers;
    int64_t total_minor;
    int64_t authorised_minor;
    int64_t captured_minor;
    int64_t refunded_minor;
    int64_t create_us;
    int64_t update_us; /* 0: not since it was made */
    int64_t due_us;
    int32_t event_count;
    bool lapsed;
};

/* The columns of `get` and `list` have the same names. NULL is zero. */
#define BOOKING_VIEW_OF(row, owner)                                                                \
    ((struct booking_view){                                                                        \
        .booking_id = (row)->booking_id,                                                           \
        .user_id = (owner),                                                                        \
        .intent_id = (row)->has_intent_id ? (row)->intent_id : (struct uuid){0},                   \
        .serial = (row)->serial,                                                                   \
        .state = (row)->state,                                                                     \
        .state_reason = (row)->has_state_reason ? (row)->state_reason : STR(""),                   \
        .currency = (row)->currency,                                                               \
        .snapshot = (row)->snapshot,                                                               \
        .passengers = (row)->passengers,                                                           \
        .total_minor = (row)->total_minor,                                                         \
        .authorised_minor = (row)->authorised_minor,                                               \
        .captured_minor = (row)->captured_minor,                                                   \
        .refunded_minor = (row)->refunded_minor,                                                   \
        .create_us = (row)->create_time,                                                           \
        .update_us = (row)->update_time,                                                           \
        .due_us = (row)->due_time,                                                                 \
        .event_count = (row)->event_count,                                                         \
        .lapsed = (row)->lapsed,                                                                   \
    })

/* The message in front of @p, as grpc/pb_put.h has it: the two fragments and what changes one after
 * the other, which protobuf merges. It takes up to booking_bytes_max. */
uint8_t *booking_put(uint8_t *p, const struct app *app, const struct booking_view *view);
size_t booking_bytes_max(const struct booking_view *view);

/* A stored fragment as the message it is part of, in the arena; NULL: it is none. */
Faregate__V1__Booking *booking_unpack(struct arena *arena, struct str fragment);

/* Replies with it and @more, the tickets and seats that a booking of a list does not show. Whoever
 * is not its owner gets the numbers of documents masked. */
enum step booking_reply(struct call *c, const struct booking_view *view,
                        const Faregate__V1__Booking *more);

Faregate__V1__Booking__State booking_state_of(struct str state);

/* What a booking's etag stands for, but whether it had lapsed: that its state says. A text that is
 * none has a count that no booking has. */
struct booking_etag {
    int32_t event_count;
    int64_t update_us;
};
struct booking_etag booking_etag_parse(struct str etag);

/* get_booking.c: a booking with everything that belongs to it. Start, and answer in the next step.
 */
struct booking_read {
    struct uuid booking_id;
    struct booking_get_row row;
    struct booking_seats_rows seats;
};
void booking_read_start(struct call *c, struct booking_read *r);
enum step booking_read_answer(struct call *c, const struct booking_read *r);

/* create_passengers.c: the request's passengers against the offer. False: the call has failed. */
bool booking_check_passengers(struct call *c, const Faregate__V1__CreateBookingRequest *req,
                              const struct offer *offer);

/* create_seats.c: the seats asked for exist, once each, and for somebody who sits. False: the call
 * has failed. */
bool booking_check_seats(struct call *c, const Faregate__V1__CreateBookingRequest *req,
                         const struct offer *offer);

/* True when the caller may see the booking: the owner, or staff who help or account. */
bool booking_may_read(const struct call *c, struct uuid user_id);
