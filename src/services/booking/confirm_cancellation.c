/* ConfirmCancellation: gives seats and money back as the quote said. One statement does all that is
 * ours; the refund it reserves is due at once, and the completer carries it to the provider and
 * ends CANCELLING. What must stay true: seats are never given back without the refund being on its
 * way, nor the other way round. */
#include "services/booking/cancellation.h"
#include "services/shared/idempotency.h"
#include "services/shared/names.h"

struct confirm {
    struct uuid ids[2]; /* booking, cancellation */
    struct booking_cancel_row cancel;
    struct idempotency earlier;
    struct booking_cancellation_row row;
};

static enum step cancel(struct call *c)
{
    struct confirm *s = c->state;
    const Faregate__V1__ConfirmCancellationRequest *req = call_request(c);
    const struct app *app = app_of(c);
    if (!name_take(c, "name", req->name, "bookings/{uuid}/cancellations/{uuid}", s->ids))
        return STEP_DONE;
    booking_cancel(c, &s->cancel, c->principal.user_id, c->request_id, idempotency_fingerprint(c),
                   s->ids[0], s->ids[1], uuid_v7(app->clock));
    return STEP_NEXT;
}

static enum step read_again(struct call *c)
{
    struct confirm *s = c->state;
    booking_cancellation(c, &s->row, s->ids[0], s->ids[1]);
    return STEP_NEXT;
}

static enum step judge(struct call *c)
{
    struct confirm *s = c->state;
    if (s->cancel.has_refusal && s->cancel.claimed)
        return call_fail(c, reason_of_name(s->cancel.refusal.p));
    if (!s->cancel.claimed) {
        if (s->cancel.has_refusal)
            s->earlier.unrecorded = reason_of_name(s->cancel.refusal.p);
        return idempotency_replay(c, &s->earlier, IDEMPOTENT_CONFIRM_CANCELLATION, read_again);
    }
    return read_again(c);
}

/* Also of a replay: the cancellation as it is by now (the documented fresher resource). */
static enum step answer(struct call *c)
{
    struct confirm *s = c->state;
    if (!s->row.found)
        return call_fail(c, REASON_NOT_FOUND);
    struct cancellation_view view = cancellation_view_of(s->ids[0], s->ids[1], &s->row);
    return call_reply(c, &cancellation_message(app_of(c), &c->arena, &view)->base);
}

static const struct step_def steps[] = {
    STEP(cancel),
    STEP(judge),
    STEP(answer),
};

const struct rpc_handler booking_confirm_cancellation = {
    .method = "ConfirmCancellation",
    RPC_STEPS(steps, struct confirm),
};
