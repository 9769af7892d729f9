/* The end of the calls that pay: what checkout said becomes the answer. CreatePaymentIntent and
 * ConfirmPaymentIntent have these steps last. What must stay true: a decline, an open question and
 * a wanted action are answers; only a call that had no effect fails. */
#include "services/payment/internal.h"

#define PUSHBACK_MS 1000 /* before a provider that cannot be reached is tried again */

static enum step read_intent(struct call *c)
{
    struct pay *s = c->state;
    payment_get(c, &s->row, s->checkout.booking_id, s->checkout.intent_id);
    return STEP_NEXT;
}

static enum step read_earlier(struct call *c)
{
    struct pay *s = c->state;
    s->checkout.intent_id = s->earlier.row.resource;
    return read_intent(c);
}

/* A refusal that nobody recorded may stand beside a record of this very request: a twin of it that
 * was faster, and that the statement's snapshot was too old to show. The record decides. */
enum step pay_replay(struct call *c, enum reason unrecorded)
{
    struct pay *s = c->state;
    s->earlier.unrecorded = unrecorded;
    return idempotency_replay(c, &s->earlier, s->checkout.method, read_earlier);
}

static enum step replay_start(struct call *c)
{
    const struct payment_start_row *start = &((struct pay *)c->state)->checkout.start;
    return pay_replay(c, !start->found        ? REASON_NOT_FOUND
                         : start->has_refusal ? reason_of_name(start->refusal.p)
                                              : REASON_NONE);
}

enum step pay_answer(struct call *c)
{
    struct pay *s = c->state;
    struct payment_view view;
    switch (checkout_said(&s->checkout)) {
    case CHECKOUT_REFUSED:
        return call_fail(c, reason_of_name(s->checkout.start.refusal.p));
    case CHECKOUT_REPEATED:
        return replay_start(c);
    case CHECKOUT_UNAVAILABLE:
        call_fail_pushback(c, PUSHBACK_MS);
        return call_fail(c, REASON_PROVIDER_UNAVAILABLE);
    case CHECKOUT_DONE:
        break;
    }
    if (!checkout_view(c, &s->checkout, &view))
        return read_intent(c);
    return call_reply(c, &payment_intent_message(&c->arena, &view)->base);
}

enum step pay_answer_read(struct call *c)
{
    struct pay *s = c->state;
    if (!s->row.found)
        return call_fail(c, REASON_NOT_FOUND);
    struct payment_view view =
        payment_view_of(s->checkout.booking_id, s->checkout.intent_id, &s->row);
    return call_reply(c, &payment_intent_message(&c->arena, &view)->base);
}
