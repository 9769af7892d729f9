/* CreateRefund: staff give money back. The amount is set aside and committed before the provider is
 * asked; what the provider does not answer at once the completer finds out, and what another
 * provider took it gives back. What must stay true: refunds never exceed what was taken. */
#include "services/payment/internal.h"
#include "services/shared/money.h"
#include "services/shared/names.h"

struct create_refund {
    struct uuid ids[2]; /* booking, intent */
    struct uuid refund_id;
    int64_t amount_minor;
    struct str currency;
    struct payment_refund_create_row made;
    struct provider_refund refund;
    struct provider_answer answer;
    union checkout_refund_rows settled;
    struct idempotency earlier;
    struct payment_refund_get_row row;
};

static const char *cause_of(const Faregate__V1__CreateRefundRequest *req)
{
    switch (req->cause) {
    case FAREGATE__V1__REFUND__CAUSE__GOODWILL:
        return "GOODWILL";
    case FAREGATE__V1__REFUND__CAUSE__OVERCHARGE:
        return "OVERCHARGE";
    default:
        return NULL;
    }
}

static enum step reserve(struct call *c)
{
    struct create_refund *s = c->state;
    const Faregate__V1__CreateRefundRequest *req = call_request(c);
    struct uuid booking_id;
    if (!name_take(c, "parent", req->parent, "bookings/{uuid}", &booking_id) ||
        !name_take(c, "payment_intent", req->payment_intent,
                   "bookings/{uuid}/paymentIntents/{uuid}", s->ids) ||
        !money_take(c, "amount", req->amount, &s->amount_minor, &s->currency))
        return STEP_DONE;
    if (!uuid_eq(booking_id, s->ids[0]))
        return call_fail_field(c, REASON_FIELD_INVALID, "payment_intent",
                               "belongs to another booking");
    if (s->amount_minor <= 0)
        return call_fail_field(c, REASON_AMOUNT_INVALID, "amount", "must be more than nothing");
    if (s->amount_minor % money_step(money_exponent(s->currency)) != 0)
        return call_fail_field(c, REASON_AMOUNT_INVALID, "amount",
                               "must end in 0: cards know no finer one");
    const char *cause = cause_of(req);
    if (!cause)
        return call_fail_field(c, REASON_FIELD_INVALID, "cause",
                               "must be GOODWILL or OVERCHARGE; the others come by themselves");
    s->refund_id = uuid_v7(app_of(c)->clock);
    payment_refund_create(c, &s->made, c->principal.user_id, c->request_id,
                          idempotency_fingerprint(c), s->ids[0], s->ids[1], s->refund_id,
                          s->amount_minor, s->currency, str_of(cause),
                          str_of(provider_name(app_of(c))), checkout_patience_s(app_of(c)));
    return STEP_NEXT;
}

static bool is_going(const struct create_refund *s)
{
    return s->made.claimed && !s->made.has_refusal && s->made.sends;
}

static enum step ask(struct call *c)
{
    struct create_refund *s = c->state;
    if (!is_going(s))
        return STEP_NEXT;
    s->refund = (struct provider_refund){
        .refund_id = s->refund_id,
        .payment_reference = s->made.provider_reference,
        .amount_minor = s->amount_minor,
        .currency = s->currency,
    };
    provider_refund(c, &s->refund, &s->answer);
    return STEP_NEXT;
}

static enum step settle(struct call *c)
{
    struct create_refund *s = c->state;
    if (!is_going(s))
        return STEP_NEXT;
    call_note(c, "provider", "%s", provider_outcome_name(s->answer.outcome));
    checkout_settle_refund(c, &s->settled, s->ids[0], &s->refund, &s->answer, 0);
    return STEP_NEXT;
}

static enum step read_refund(struct call *c)
{
    struct create_refund *s = c->state;
    payment_refund_get(c, &s->row, s->ids[0], s->refund_id);
    return STEP_NEXT;
}

static enum step read_earlier(struct call *c)
{
    struct create_refund *s = c->state;
    s->refund_id = s->earlier.row.resource;
    return read_refund(c);
}

static enum step judge(struct call *c)
{
    struct create_refund *s = c->state;
    if (s->made.has_refusal && s->made.claimed)
        return call_fail(c, reason_of_name(s->made.refusal.p));
    if (!s->made.claimed) {
        if (s->made.has_refusal)
            s->earlier.unrecorded = reason_of_name(s->made.refusal.p);
        return idempotency_replay(c, &s->earlier, IDEMPOTENT_CREATE_REFUND, read_earlier);
    }
    return read_refund(c);
}

static enum step answer(struct call *c)
{
    const struct create_refund *s = c->state;
    if (!s->row.found)
        return call_fail(c, REASON_NOT_FOUND);
    return call_reply(c,
                      &payment_refund_message(&c->arena, s->ids[0], s->refund_id, &s->row)->base);
}

static const struct step_def steps[] = {
    STEP(reserve), STEP(ask), STEP(settle), STEP(judge), STEP(answer),
};

const struct rpc_handler payment_create_refund = {
    .method = "CreateRefund",
    RPC_STEPS(steps, struct create_refund),
};
