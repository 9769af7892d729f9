/* GetPaymentIntent: an intent with its latest attempt. Somebody else's is NOT_FOUND, there or not.
 */
#include "services/payment/internal.h"
#include "services/shared/names.h"

struct get {
    struct uuid ids[2]; /* booking, intent */
    struct payment_get_row row;
};

static enum step read_row(struct call *c)
{
    struct get *s = c->state;
    const Faregate__V1__GetPaymentIntentRequest *req = call_request(c);
    if (!name_take(c, "name", req->name, "bookings/{uuid}/paymentIntents/{uuid}", s->ids))
        return STEP_DONE;
    payment_get(c, &s->row, s->ids[0], s->ids[1]);
    return STEP_NEXT;
}

static enum step answer(struct call *c)
{
    const struct get *s = c->state;
    if (!s->row.found || !payment_may_read(c, s->row.user_id))
        return call_fail(c, REASON_NOT_FOUND);
    struct payment_view view = payment_view_of(s->ids[0], s->ids[1], &s->row);
    return call_reply(c, &payment_intent_message(&c->arena, &view)->base);
}

static const struct step_def steps[] = {
    STEP(read_row),
    STEP(answer),
};

const struct rpc_handler payment_get_payment_intent = {
    .method = "GetPaymentIntent",
    RPC_STEPS(steps, struct get),
};
