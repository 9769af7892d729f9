/* What the handlers of PaymentService share: the state and the end of the two calls that pay, and
 * the messages. */
#pragma once

#include "faregate/v1/payment_service.pb-c.h"
#include "services/shared/checkout.h"

extern const struct rpc_handler payment_create_payment_intent;
extern const struct rpc_handler payment_confirm_payment_intent;
extern const struct rpc_handler payment_get_payment_intent;
extern const struct rpc_handler payment_create_refund;
extern const struct rpc_handler payment_get_refund;

/* The state of a call that pays. */
struct pay {
    struct checkout checkout; /* first: the shared steps work on it */
    struct payment_intent_create_row made;
    struct idempotency earlier;
    struct payment_get_row row;
};

/* pay.c: the last steps of both. */
enum step pay_answer(struct call *c);
enum step pay_answer_read(struct call *c);
/* A request that may have been repeated: answers with the intent as it is by now (common.proto), or
 * with @unrecorded where nobody was here before. */
enum step pay_replay(struct call *c, enum reason unrecorded);

/* render.c */
struct payment_view payment_view_of(struct uuid booking_id, struct uuid intent_id,
                                    const struct payment_get_row *row);
Faregate__V1__PaymentIntent *payment_intent_message(struct arena *arena,
                                                    const struct payment_view *view);
Faregate__V1__Refund *payment_refund_message(struct arena *arena, struct uuid booking_id,
                                             struct uuid refund_id,
                                             const struct payment_refund_get_row *row);

/* The owner, or staff who help or account. */
bool payment_may_read(const struct call *c, struct uuid user_id);

/* An intent's etag is the time of its last change. 0, or -EINVAL. */
int payment_etag_parse(struct str etag, int64_t *ret_us);
