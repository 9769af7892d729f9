/* ConfirmPaymentIntent: one try to pay with one payment method. Everything happens in the shared
 * steps of checkout.h. */
#include "services/payment/internal.h"
#include "services/shared/names.h"

static enum step begin(struct call *c)
{
    struct pay *s = c->state;
    struct checkout *k = &s->checkout;
    const Faregate__V1__ConfirmPaymentIntentRequest *req = call_request(c);
    struct uuid ids[2];
    if (!name_take(c, "name", req->name, "bookings/{uuid}/paymentIntents/{uuid}", ids))
        return STEP_DONE;
    k->booking_id = ids[0];
    k->intent_id = ids[1];
    k->method = IDEMPOTENT_CONFIRM_PAYMENT_INTENT;
    k->method_token = str_of(req->payment_method);
    k->has_etag = req->etag[0] != '\0';
    if (k->has_etag && payment_etag_parse(str_of(req->etag), &k->etag_us) < 0)
        return call_fail(c, REASON_ETAG_MISMATCH);
    return checkout_start(c);
}

static const struct step_def steps[] = {
    STEP(begin),           STEP(checkout_authorise), STEP(checkout_settle), STEP(checkout_capture),
    STEP(checkout_record), STEP(pay_answer),         STEP(pay_answer_read),
};

const struct rpc_handler payment_confirm_payment_intent = {
    .method = "ConfirmPaymentIntent",
    RPC_STEPS(steps, struct pay),
};
