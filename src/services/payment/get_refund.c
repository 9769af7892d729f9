/* GetRefund: money on its way back. Somebody else's is NOT_FOUND, there or not. */
#include "services/payment/internal.h"
#include "services/shared/names.h"

struct get_refund {
    struct uuid ids[2]; /* booking, refund */
    struct payment_refund_get_row row;
};

static enum step read_row(struct call *c)
{
    struct get_refund *s = c->state;
    const Faregate__V1__GetRefundRequest *req = call_request(c);
    if (!name_take(c, "name", req->name, "bookings/{uuid}/refunds/{uuid}", s->ids))
        return STEP_DONE;
    payment_refund_get(c, &s->row, s->ids[0], s->ids[1]);
    return STEP_NEXT;
}

static enum step answer(struct call *c)
{
    const struct get_refund *s = c->state;
    if (!s->row.found || !payment_may_read(c, s->row.user_id))
        return call_fail(c, REASON_NOT_FOUND);
    return call_reply(c, &payment_refund_message(&c->arena, s->ids[0], s->ids[1], &s->row)->base);
}

static const struct step_def steps[] = {
    STEP(read_row),
    STEP(answer),
};

const struct rpc_handler payment_get_refund = {
    .method = "GetRefund",
    RPC_STEPS(steps, struct get_refund),
};
