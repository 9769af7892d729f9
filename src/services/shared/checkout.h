/* Taking the money for a booking, as steps that CreatePaymentIntent, ConfirmPaymentIntent and
 * CreateBooking share. A handler puts struct checkout first in its state, fills the given part, and
 * has the five steps in its table:
 *
 *   checkout_start      the attempt is written down and committed; the booking is pinned
 *   checkout_authorise  the provider is asked to reserve the money
 *   checkout_settle     what it said becomes a state; "yes" sells the seats: the point of no return
 *   checkout_capture    the reserved money is taken, unless the provider took it with its yes; what
 *                       waits for a customer who cannot be sent to the bank is called off
 *   checkout_record     and booked
 *
 * Where there is nothing to do a step does nothing. The call may end between any two of them: the
 * completer (jobs/) goes on from the attempt's row. What must stay true: no byte leaves before the
 * attempt is committed. */
#pragma once

#include "gen/sql/payment.sql.h"
#include "services/shared/idempotency.h"
#include "services/shared/provider.h"

struct checkout {
    /* given */
    struct uuid booking_id;
    struct uuid intent_id;
    struct str method_token;
    enum idempotent_method method;
    bool is_new;     /* makes the intent as well */
    bool has_amount; /* else it is the intent's */
    int64_t amount_minor;
    struct str currency;
    bool has_etag;
    int64_t etag_us;
    bool is_off; /* the steps do nothing */
    /* filled */
    struct uuid attempt_id;
    struct payment_start_row start;
    struct provider_answer answer;
    struct provider_answer capture; /* or void */
    bool is_stuck;                  /* it wants the customer, and does not say where */
    struct payment_authorised_row authorised;
    struct payment_failed_row failed;
    struct payment_wait_row wait;
    struct payment_captured_row captured;
};

enum step checkout_start(struct call *c);
enum step checkout_authorise(struct call *c);
enum step checkout_settle(struct call *c);
enum step checkout_capture(struct call *c);
enum step checkout_record(struct call *c);

/* What the handler's answer is about. */
enum checkout_said {
    CHECKOUT_DONE,        /* a state, good or bad */
    CHECKOUT_REFUSED,     /* start.refusal: nothing was done */
    CHECKOUT_REPEATED,    /* an earlier request with this id */
    CHECKOUT_UNAVAILABLE, /* the provider was not reached; nothing was done, the request may be
                             repeated */
};
enum checkout_said checkout_said(const struct checkout *s);

/* An intent and its latest attempt. */
struct payment_view {
    struct uuid booking_id;
    struct uuid intent_id;
    struct uuid attempt_id; /* nil: none */
    struct str state;
    struct str currency;
    int64_t amount_minor;
    int64_t authorised_minor;
    int64_t captured_minor;
    int64_t refund_reserved_minor;
    int64_t create_us;
    int64_t update_us;
    int64_t pin_us; /* 0: none */
    struct str attempt_state;
    struct str provider;
    struct str provider_reference;
    struct str error_code;
    struct str decline_code;
    struct str redirect_url;
    struct str card; /* "visa 4242"; empty: not known */
    int32_t inquiry_count;
    int64_t inquiry_us; /* 0: none planned */
    int64_t attempt_create_us;
};

/* After CHECKOUT_DONE: the intent as this call left it. False: somebody else has been at it, read
 * it. */
bool checkout_view(struct call *c, const struct checkout *s, struct payment_view *ret_view);

/* ---- what the completer shares ---- */

/* The provider moved exactly what it was asked to. */
bool checkout_agrees(const struct provider_answer *answer, int64_t amount_minor,
                     struct str currency);

/* Submits payment_authorised with the card's fingerprint hashed. */
void checkout_submit_authorised(struct call *c, struct payment_authorised_row *ret,
                                struct uuid booking_id, struct uuid attempt_id,
                                const struct provider_answer *answer);

/* How long one request to the provider may take, with room for writing down what it said. */
int32_t checkout_patience_s(const struct app *app);

/* A refund's answer becomes its state; @inquiries since it was sent, for how long to wait for the
 * next look. */
union checkout_refund_rows {
    struct payment_refund_succeeded_row succeeded;
    struct payment_refund_failed_row failed;
    struct payment_refund_wait_row wait;
};
void checkout_settle_refund(struct call *c, union checkout_refund_rows *ret, struct uuid booking_id,
                            const struct provider_refund *refund,
                            const struct provider_answer *answer, int32_t inquiries);

/* Seconds until the next inquiry after @count of them: 2 s, 10 s, 1 min, 5 min, 1 h, then daily; at
 * most 5 min where the provider was silent, so that what its outage held up goes on soon after. */
int32_t checkout_inquiry_s(int32_t count, bool is_silent);
/* Whether this inquiry makes the next ones rarer: silence does only up to that. */
bool checkout_inquiry_counts(int32_t count, bool is_silent);
