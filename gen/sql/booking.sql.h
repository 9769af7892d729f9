/* Made by sqlgen from booking.sql: do not edit. Each function queues one execution for the call; *ret is
 * filled before the call's next step. Nullable: text and bytea with .p NULL, others as NULL pointers. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "db/db.h"
#include "grpc/grpc.h"

struct booking_hold_row {
    bool claimed;
    bool has_refusal;
    struct str refusal;
    bool has_serial;
    int64_t serial;
    bool has_create_time;
    int64_t create_time;
    bool has_due_time;
    int64_t due_time;
};

/* Takes the seats on every flight or on none, and writes the booking and its claim at once. The booking's row is its first
 * event too. @serial: a number that no other booking has, from which its locator is made.
 * The outcome is decided from the inventory as the snapshot has it, before the claim is written, so that a refusal replays
 * like a success. The inventory's row is written last (@b before @u), so that who waits for it waits for a flush of the log
 * and not for the rest of the statement as well. Seats that somebody took meanwhile are missing then: seat_count_ck ends
 * the statement without a trace, and the lane runs it again, on a new snapshot.
 * CROWDED: enough seats (or holds left) for this request alone, but not behind those that stood before it in the batch;
 * leaves no trace. So is, until it is alone, one that flies a flight twice and has seats only for once.
 * A hold ends when the first of its flights is no longer sold, if not before; it never outlives a departure.
 * @holds_since is the least booking id (version 7: time-ordered) that can still be an unpaid hold, or one whose money is in
 * flight. Calls that race may overshoot @holds_max by the size of their batches, or by one for each transaction.
 * IS TRUE behind IN makes a hashed look-up of what would be a join, each member with each claim.
 * What a member brings is picked from the arrays where it is needed: unnest and joins would copy the long columns about.
 * Scans: booking
 * Spans: booking_id, flight_id, principal */
void booking_hold(struct call *c, struct booking_hold_row *ret,
    struct uuid flight,
    struct uuid principal,
    struct uuid request_id,
    struct str fingerprint,
    struct uuid booking_id,
    struct str ticket_code,
    int32_t seats,
    int32_t party,
    int64_t total_minor,
    struct str currency,
    struct str offer,
    int64_t offer_expire,
    struct str snapshot,
    struct str passengers,
    int32_t hold_seconds,
    struct uuid holds_since,
    int32_t holds_max,
    const struct uuid *flight_ids, size_t flight_ids_count,
    const int16_t *cabins, size_t cabins_count);

struct booking_claim_seats_row {
    bool has_missing;
    int32_t missing;
};

/* Inside the hold's transaction. A seat whose assignment has lapsed is taken over in place, but not at once: who began to pay
 * in time may still be writing that he keeps it, and the sweep gives it back before that. @missing: the first, from 1 on, that
 * somebody else has; then all are given back by unhold.
 * Spans: booking_id, flight_id */
void booking_claim_seats(struct call *c, struct booking_claim_seats_row *ret,
    struct uuid booking_id,
    const struct uuid *flight_ids, size_t flight_ids_count,
    const int16_t *cabins, size_t cabins_count,
    const struct str *seats, size_t seats_count,
    const int16_t *passengers, size_t passengers_count);

/* Inside the hold's transaction, which nobody else has seen: takes back all it did but the claim, which keeps the refusal.
 * Its locks are those that the hold has. Seats whose lapsed assignments it took over are free.
 * Spans: booking_id, flight_id, principal */
void booking_unhold(struct call *c,
    struct uuid booking_id,
    struct uuid principal,
    struct uuid request_id,
    int32_t seats,
    const struct uuid *flight_ids, size_t flight_ids_count,
    const int16_t *cabins, size_t cabins_count);

struct booking_get_row {
    bool found;
    struct uuid booking_id;
    struct uuid user_id;
    int64_t serial;
    struct str state;
    bool has_state_reason;
    struct str state_reason;
    int64_t total_minor;
    struct str currency;
    int64_t authorised_minor;
    int64_t captured_minor;
    int64_t refunded_minor;
    struct str offer;
    struct str snapshot;
    struct str passengers;
    bool has_intent_id;
    struct uuid intent_id;
    int64_t create_time;
    int64_t update_time;
    int64_t due_time;
    bool lapsed;
    int32_t event_count;
    struct str ticket_code;
    bool has_ticket_serials;
    struct str ticket_serials;
    bool has_coupons;
    struct str coupons;
    bool has_ticket_time;
    int64_t ticket_time;
};

/* A hold past its lease is dead even if nobody swept it yet: @lapsed. @ticket_serials are parted by commas, in the order of
 * the passengers; @coupons has as many letters for each. */
void booking_get(struct call *c, struct booking_get_row *ret,
    struct uuid booking_id);

struct booking_owner_row {
    bool found;
    struct uuid user_id;
};

/* Whose booking it is: all that its history must know of it. */
void booking_owner(struct call *c, struct booking_owner_row *ret,
    struct uuid booking_id);

struct booking_seats_row {
    int32_t segment;
    int16_t passenger;
    struct str seat;
};

struct booking_seats_rows {
    struct booking_seats_row *rows;
    uint32_t count;
    bool truncated;
};

/* Spans: booking_id, flight_id */
void booking_seats(struct call *c, struct booking_seats_rows *ret,
    struct uuid booking_id);

struct booking_list_row {
    struct uuid booking_id;
    int64_t serial;
    struct str state;
    bool has_state_reason;
    struct str state_reason;
    int64_t total_minor;
    struct str currency;
    bool has_authorised_minor;
    int64_t authorised_minor;
    bool has_captured_minor;
    int64_t captured_minor;
    bool has_refunded_minor;
    int64_t refunded_minor;
    struct str snapshot;
    struct str passengers;
    bool has_intent_id;
    struct uuid intent_id;
    int64_t create_time;
    bool has_update_time;
    int64_t update_time;
    int64_t due_time;
    bool has_lapsed;
    bool lapsed;
    int32_t event_count;
};

struct booking_list_rows {
    struct booking_list_row *rows;
    uint32_t count;
    bool truncated;
};

/* Newest first: booking ids are ordered by time. @states are parted by commas; none: all. NULL: zero, false, or not updated
 * since it was made; a column that is sent is a sixtieth of the whole. A LATERAL runs in a loop, in order: the batch
 * is not sorted again.
 * Scans: booking */
void booking_list(struct call *c, struct booking_list_rows *ret,
    struct uuid user_id,
    struct uuid before,
    struct str states,
    int32_t row_count);

struct booking_events_row {
    int32_t sequence;
    struct str type;
    bool has_before;
    struct str before;
    struct str state;
    struct str actor;
    bool has_reason;
    struct str reason;
    int64_t occur_time;
    bool has_subject;
    struct uuid subject;
};

struct booking_events_rows {
    struct booking_events_row *rows;
    uint32_t count;
    bool truncated;
};

/* The one at @after is read for its state. */
void booking_events(struct call *c, struct booking_events_rows *ret,
    struct uuid booking_id,
    int32_t after,
    int32_t row_count);

struct booking_refundable_row {
    bool found;
    int64_t refundable_minor;
};

/* What is there and not yet on its way back. */
void booking_refundable(struct call *c, struct booking_refundable_row *ret,
    struct uuid booking_id);

struct booking_quote_row {
    bool claimed;
    bool has_refusal;
    struct str refusal;
    int64_t create_time;
    int64_t expire_time;
};

/* A quote for the booking as it was read (@event_count, and its money but for refunds, also those on their way); CONFLICT
 * when it has changed since, which leaves no claim. The fare tells what comes back before @departure_time, the first
 * flight's: no quote outlives it.
 * Spans: booking_id, principal */
void booking_quote(struct call *c, struct booking_quote_row *ret,
    struct uuid principal,
    struct uuid request_id,
    struct str fingerprint,
    struct uuid booking_id,
    struct uuid cancellation_id,
    int32_t event_count,
    int64_t refund_minor,
    int64_t penalty_minor,
    int32_t quote_seconds,
    int64_t departure_time,
    const int32_t *etag_count,
    const int64_t *etag_time);

struct booking_cancellation_row {
    bool found;
    struct uuid user_id;
    struct str state;
    int64_t refund_minor;
    int64_t penalty_minor;
    struct str currency;
    bool has_refund_id;
    struct uuid refund_id;
    int64_t expire_time;
    int64_t create_time;
    bool lapsed;
    struct str offer;
};

void booking_cancellation(struct call *c, struct booking_cancellation_row *ret,
    struct uuid booking_id,
    struct uuid cancellation_id);

struct booking_cancel_row {
    bool claimed;
    bool has_refusal;
    struct str refusal;
};

/* Gives the seats back, voids the tickets and reserves the refund, all or nothing. The completer sends the refund to the
 * provider at once (due now) and ends CANCELLING. NOT_FOUND and PAYMENT_IN_PROGRESS are not recorded.
 * The quote and the intent are locked as well: they are read as they are after the wait for the booking. After the
 * inventory, here and everywhere, come the assigned seats: who takes over a lapsed one comes that way too.
 * Spans: booking_id, flight_id, principal */
void booking_cancel(struct call *c, struct booking_cancel_row *ret,
    struct uuid principal,
    struct uuid request_id,
    struct str fingerprint,
    struct uuid booking_id,
    struct uuid cancellation_id,
    struct uuid refund_id);

extern const struct db_statement booking_hold_statement;
extern const struct db_statement booking_claim_seats_statement;
extern const struct db_statement booking_unhold_statement;
extern const struct db_statement booking_get_statement;
extern const struct db_statement booking_owner_statement;
extern const struct db_statement booking_seats_statement;
extern const struct db_statement booking_list_statement;
extern const struct db_statement booking_events_statement;
extern const struct db_statement booking_refundable_statement;
extern const struct db_statement booking_quote_statement;
extern const struct db_statement booking_cancellation_statement;
extern const struct db_statement booking_cancel_statement;

/* All of them, NULL at the end. */
extern const struct db_statement *const booking_statements[];
