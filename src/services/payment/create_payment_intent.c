/* CreatePaymentIntent: what is owed for a booking; with confirm the first try follows in the same
 * call. What must stay true: the amount is exactly what the booking owes, and a booking has one
 * live intent. */
#include "services/payment/internal.h"
#include "services/shared/money.h"
#include "services/shared/names.h"

static enum step begin(struct call *c)
{
    struct pay *s = c->state;
    struct checkout *k = &s->checkout;
    const Faregate__V1__CreatePaymentIntentRequest *req = call_request(c);
    if (!name_take(c, "parent", req->parent, "bookings/{uuid}", &k->booking_id) ||
        !money_take(c, "amount", req->amount, &k->amount_minor, &k->currency))
        return STEP_DONE;
    if (k->amount_minor <= 0)
        return call_fail_field(c, REASON_AMOUNT_INVALID, "amount", "must be more than nothing");
    if (req->capture_method == FAREGATE__V1__CAPTURE_METHOD__MANUAL)
        return call_fail_field(c, REASON_FIELD_INVALID, "capture_method", "MANUAL is not offered");
    if (req->confirm && req->payment_method[0] == '\0')
        return call_fail_field(c, REASON_FIELD_INVALID, "payment_method", "is needed with confirm");
    k->intent_id = uuid_v7(app_of(c)->clock);
    k->method = IDEMPOTENT_CREATE_PAYMENT_INTENT;
    k->method_token = str_of(req->payment_method);
    k->is_new = true;
    k->has_amount = true;
    if (req->confirm)
        return checkout_start(c);
    k->is_off = true;
    payment_intent_create(c, &s->made, k->booking_id, c->principal.user_id, c->request_id,
                          idempotency_fingerprint(c), k->intent_id, k->amount_minor, k->currency);
    return STEP_NEXT;
}

/* Without confirm. */
static enum step answer_made(struct call *c)
{
    struct pay *s = c->state;
    const struct checkout *k = &s->checkout;
    if (s->made.has_refusal && s->made.claimed)
        return call_fail(c, reason_of_name(s->made.refusal.p));
    if (!s->made.claimed)
        return pay_replay(c, s->made.has_refusal ? reason_of_name(s->made.refusal.p) : REASON_NONE);
    const struct payment_view view = {
        .booking_id = k->booking_id,
        .intent_id = k->intent_id,
        .state = STR("REQUIRES_PAYMENT_METHOD"),
        .currency = k->currency,
        .amount_minor = k->amount_minor,
        .create_us = s->made.create_time,
        .update_us = s->made.create_time,
    };
    return call_reply(c, &payment_intent_message(&c->arena, &view)->base);
}

static enum step answer(struct call *c)
{
    const struct pay *s = c->state;
    return s->checkout.is_off ? answer_made(c) : pay_answer(c);
}

static const struct step_def steps[] = {
    STEP(begin),           STEP(checkout_authorise),
    STEP(checkout_settle), STEP(checkout_capture),
    STEP(checkout_record), STEP(answer),
    STEP(pay_answer_read),
};

const struct rpc_handler payment_create_payment_intent = {
    .method = "CreatePaymentIntent",
    RPC_STEPS(steps, struct pay),
};
