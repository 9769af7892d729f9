/* Made by sqlgen from payment.sql: do not edit. Each function queues one execution for the call; *ret is
 * filled before the call's next step. Nullable: text and bytea with .p NULL, others as NULL pointers. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "db/db.h"
#include "grpc/grpc.h"

struct payment_start_row {
    bool found;
    bool claimed;
    bool has_refusal;
    struct str refusal;
    bool has_amount_minor;
    int64_t amount_minor;
    bool has_currency;
    struct str currency;
    int64_t create_time;
    int64_t update_time;
};

/* No row: no such booking.
 * Everything that must be true before money moves, and the attempt's row, committed before a byte leaves for the provider.
 * @is_new makes the intent as well (CreatePaymentIntent with confirm); otherwise the try takes over telling of it.
 * The risk rules count tries that can have reached the provider: what did not tells nothing about user or card, and proxies
 * repeat it on their own. Calls that race may overshoot a limit by the size of their batches.
 * NOT_FOUND is not recorded: it is an answer about permission; PAYMENT_IN_PROGRESS and ETAG_MISMATCH neither: they pass.
 * The handler asks for a record of the same request before such a refusal stands.
 * Intents are locked behind their booking: they are read as they are after the wait for it, not as they were before.
 * Assigned seats are kept from here on as long as the booking is: a lapsed hold may be paid, if it was in time.
 * The lock on a HELD booking is what keeps its live intents and attempts from becoming two (M6).
 * Who dies after this is found by payment_watch: a row for all the attempts of a batch, so that none needs an index entry.
 * Scans: payment
 * Spans: booking_id, flight_id, principal */
void payment_start(struct call *c, struct payment_start_row *ret,
    struct uuid booking_id,
    struct uuid principal,
    int16_t method,
    struct uuid request_id,
    struct str fingerprint,
    struct uuid intent_id,
    bool is_new,
    struct uuid attempt_id,
    const int64_t *amount_minor,
    struct str currency,
    const int64_t *etag_time,
    struct str provider,
    struct str method_token,
    struct uuid card_key,
    int32_t user_max,
    int32_t card_max,
    int32_t booking_max,
    int32_t due_seconds,
    int32_t pin_seconds);

struct payment_authorised_row {
    bool found;
    struct str outcome;
    int64_t update_time;
};

/* The point of no return: the seats are kept, tickets are issued, the booking is CONFIRMED.
 * DONE; LATE: the booking is dead, the money must go back (the completer reverses it); no row: somebody else was faster.
 * @is_captured: the provider took the money in the same message. It is booked at once, as captured would: totals and the
 * transfer; for a dead booking all of it is reserved to go back, as @refund_id.
 * A booking follows its latest intent. */
void payment_authorised(struct call *c, struct payment_authorised_row *ret,
    struct uuid booking_id,
    struct uuid attempt_id,
    struct str provider_reference,
    struct str card_fingerprint,
    struct str card,
    bool is_captured,
    struct uuid refund_id,
    int32_t capture_seconds);

struct payment_captured_row {
    bool done;
    int64_t update_time;
};

/* Money taken: totals, and one transfer from the provider's clearing account to unearned revenue. Once per attempt.
 * If the booking has died meanwhile, all of it is reserved to go back at once: @refund_id. */
void payment_captured(struct call *c, struct payment_captured_row *ret,
    struct uuid booking_id,
    struct uuid attempt_id,
    struct uuid refund_id);

struct payment_failed_row {
    bool done;
    bool has_booking_state;
    struct str booking_state;
    int64_t update_time;
};

/* An attempt ends without money: @outcome is DECLINED, NOT_RECEIVED or REVERSED. The booking it pinned is HELD again, or
 * EXPIRED with its seats given back when the lease has passed meanwhile. @unclaim forgets the request: nothing was done, so
 * the same request_id may try again; @cancel_intent goes with it, because nobody was told of the intent.
 * Spans: booking_id, flight_id, principal */
void payment_failed(struct call *c, struct payment_failed_row *ret,
    struct uuid booking_id,
    struct uuid attempt_id,
    struct str outcome,
    struct str error_code,
    struct str decline_code,
    struct str provider_reference,
    const int32_t *due_seconds,
    bool cancel_intent,
    struct uuid principal,
    int16_t method,
    const struct uuid *unclaim);

struct payment_wait_row {
    bool done;
    int64_t update_time;
};

/* The attempt goes on waiting until @due_seconds from now: for the provider (@state UNKNOWN) or for the customer
 * (ACTION_REQUIRED). What is known of it is never forgotten: UNKNOWN replaces SENT only. NULL: nobody asks any more.
 * Asking once more for what never arrived changes nothing of the intent, whose etag is update_time. */
void payment_wait(struct call *c, struct payment_wait_row *ret,
    struct uuid booking_id,
    struct uuid attempt_id,
    struct str state,
    struct str provider_reference,
    struct str redirect_url,
    bool inquired,
    const int32_t *due_seconds);

struct payment_attention_row {
    bool done;
};

/* What the machine cannot decide, told to people once. @final: it stops trying; the booking waits in ATTENTION with what it
 * has (seats held or sold), and so does an attempt that never found out. */
void payment_attention(struct call *c, struct payment_attention_row *ret,
    struct uuid booking_id,
    struct uuid attempt_id,
    struct uuid item_id,
    struct str kind,
    struct str detail,
    bool final,
    bool inquired,
    const int32_t *due_seconds);

struct payment_intent_create_row {
    bool claimed;
    bool has_refusal;
    struct str refusal;
    int64_t create_time;
};

/* What is owed, without a try yet. The same refusals as start.
 * Spans: booking_id, principal */
void payment_intent_create(struct call *c, struct payment_intent_create_row *ret,
    struct uuid booking_id,
    struct uuid principal,
    struct uuid request_id,
    struct str fingerprint,
    struct uuid intent_id,
    int64_t amount_minor,
    struct str currency);

struct payment_get_row {
    bool found;
    struct uuid user_id;
    struct str state;
    int64_t amount_minor;
    struct str currency;
    int64_t authorised_minor;
    int64_t captured_minor;
    int64_t refund_reserved_minor;
    int64_t create_time;
    int64_t update_time;
    bool has_pin_time;
    int64_t pin_time;
    bool has_attempt_id;
    struct uuid attempt_id;
    bool has_attempt_state;
    struct str attempt_state;
    bool has_provider;
    struct str provider;
    bool has_provider_reference;
    struct str provider_reference;
    bool has_error_code;
    struct str error_code;
    bool has_decline_code;
    struct str decline_code;
    bool has_redirect_url;
    struct str redirect_url;
    bool has_inquiry_count;
    int32_t inquiry_count;
    bool has_due_time;
    int64_t due_time;
    bool has_attempt_create_time;
    int64_t attempt_create_time;
    bool has_card;
    struct str card;
};

/* The intent with its latest attempt. Not marked read: replays must see the commit that won the claim. */
void payment_get(struct call *c, struct payment_get_row *ret,
    struct uuid booking_id,
    struct uuid intent_id);

struct payment_refund_create_row {
    bool claimed;
    bool has_refusal;
    struct str refusal;
    bool has_provider_reference;
    struct str provider_reference;
    bool sends;
};

/* Sets the amount aside, so that refunds running at the same time cannot exceed what was taken, and marks it as sent.
 * Money goes back where it came from: when that is another provider than @provider, a process that has it sends it.
 * Spans: booking_id, principal */
void payment_refund_create(struct call *c, struct payment_refund_create_row *ret,
    struct uuid principal,
    struct uuid request_id,
    struct str fingerprint,
    struct uuid booking_id,
    struct uuid intent_id,
    struct uuid refund_id,
    int64_t amount_minor,
    struct str currency,
    struct str cause,
    struct str provider,
    int32_t due_seconds);

struct payment_refund_get_row {
    bool found;
    struct uuid user_id;
    struct uuid intent_id;
    struct str state;
    int64_t amount_minor;
    struct str currency;
    struct str cause;
    bool has_error_code;
    struct str error_code;
    int64_t create_time;
    int64_t update_time;
    bool has_cancellation_id;
    struct uuid cancellation_id;
};

void payment_refund_get(struct call *c, struct payment_refund_get_row *ret,
    struct uuid booking_id,
    struct uuid refund_id);

struct payment_refund_wait_row {
    bool done;
};

/* Still under way: asked for again at @due_seconds. @key_spent: what is sent next is sent under a new key.
 * A provider that has it (SENT) may take many days. People are told of what takes longer, and of what nobody can tell. */
void payment_refund_wait(struct call *c, struct payment_refund_wait_row *ret,
    struct uuid booking_id,
    struct uuid refund_id,
    struct str state,
    struct str provider_reference,
    bool key_spent,
    int32_t inquiry_count,
    int32_t due_seconds,
    struct uuid item_id);

struct payment_refund_succeeded_row {
    bool done;
};

/* The money is back with the customer. A cancellation that waited for it is applied and its booking CANCELLED.
 * A penalty is kept as far as money is left for it: what is given back beyond that is taken out of it first (t). What has
 * been taken so far follows from the money that was left before, which the lock shows as it is now: a transfer that
 * another refund made during the wait would not be seen. A penalty that came during the wait is not seen either: it left this
 * refund, which was on its way already, out.
 * @twice_item_id: the provider paid it more than once, which people are told. */
void payment_refund_succeeded(struct call *c, struct payment_refund_succeeded_row *ret,
    struct uuid booking_id,
    struct uuid refund_id,
    struct str provider_reference,
    const struct uuid *twice_item_id);

struct payment_refund_failed_row {
    bool done;
};

/* Refused for good: the amount can be refunded again, and a person must see to it. */
void payment_refund_failed(struct call *c, struct payment_refund_failed_row *ret,
    struct uuid booking_id,
    struct uuid refund_id,
    struct str error_code,
    struct uuid item_id);

extern const struct db_statement payment_start_statement;
extern const struct db_statement payment_authorised_statement;
extern const struct db_statement payment_captured_statement;
extern const struct db_statement payment_failed_statement;
extern const struct db_statement payment_wait_statement;
extern const struct db_statement payment_attention_statement;
extern const struct db_statement payment_intent_create_statement;
extern const struct db_statement payment_get_statement;
extern const struct db_statement payment_refund_create_statement;
extern const struct db_statement payment_refund_get_statement;
extern const struct db_statement payment_refund_wait_statement;
extern const struct db_statement payment_refund_succeeded_statement;
extern const struct db_statement payment_refund_failed_statement;

/* All of them, NULL at the end. */
extern const struct db_statement *const payment_statements[];
