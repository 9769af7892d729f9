/* CreateCancellation: a quote of what giving the booking back would return, by the fare's
 * conditions. It changes nothing but the quotes before it, which it supersedes. ConfirmCancellation
 * acts on it. What must stay true: refund and penalty of a quote add up to the money that is there
 * and not on its way back. */
#include "services/booking/cancellation.h"
#include "services/shared/idempotency.h"
#include "services/shared/names.h"

struct quote {
    struct uuid booking_id;
    struct uuid cancellation_id;
    int64_t refund_minor;
    int64_t penalty_minor;
    struct booking_get_row booking;
    struct booking_refundable_row left;
    struct booking_quote_row quote;
    struct idempotency earlier;
    struct booking_cancellation_row again;
};

static enum step read_booking(struct call *c)
{
    struct quote *s = c->state;
    const Faregate__V1__CreateCancellationRequest *req = call_request(c);
    if (!name_take(c, "parent", req->parent, "bookings/{uuid}", &s->booking_id))
        return STEP_DONE;
    booking_get(c, &s->booking, s->booking_id);
    booking_refundable(c, &s->left, s->booking_id);
    return STEP_NEXT;
}

static enum step quote(struct call *c)
{
    struct quote *s = c->state;
    const Faregate__V1__CreateCancellationRequest *req = call_request(c);
    const struct app *app = app_of(c);
    struct offer *offer = arena_alloc(&c->arena, sizeof *offer);
    if (!s->booking.found || !uuid_eq(s->booking.user_id, c->principal.user_id))
        return call_fail(c, REASON_NOT_FOUND);
    if (offer_open_sold(app, s->booking.offer, offer) < 0)
        return call_fail(c, REASON_INTERNAL_ERROR);
    if (s->left.refundable_minor > 0)
        offer_refund(app, offer, s->left.refundable_minor, s->booking.create_time / US_PER_S,
                     call_wall_ns(c) / NS_PER_S, &s->refund_minor, &s->penalty_minor);
    const struct booking_etag etag = booking_etag_parse(str_of(req->etag));
    bool has_etag = req->etag[0] != '\0';
    s->cancellation_id = uuid_v7(app->clock);
    booking_quote(c, &s->quote, c->principal.user_id, c->request_id, idempotency_fingerprint(c),
                  s->booking_id, s->cancellation_id, s->booking.event_count, s->refund_minor,
                  s->penalty_minor, (int32_t)app->limits.cancellation_quote_seconds,
                  offer->segments[0].departure_s * US_PER_S, has_etag ? &etag.event_count : NULL,
                  has_etag ? &etag.update_us : NULL);
    return STEP_NEXT;
}

static enum step read_again(struct call *c)
{
    struct quote *s = c->state;
    booking_cancellation(c, &s->again, s->booking_id, s->earlier.row.resource);
    return STEP_NEXT;
}

static enum step answer(struct call *c)
{
    struct quote *s = c->state;
    if (s->quote.has_refusal && s->quote.claimed)
        return call_fail(c, reason_of_name(s->quote.refusal.p));
    if (!s->quote.claimed) {
        if (s->quote.has_refusal)
            s->earlier.unrecorded = reason_of_name(s->quote.refusal.p);
        return idempotency_replay(c, &s->earlier, IDEMPOTENT_CREATE_CANCELLATION, read_again);
    }
    const struct cancellation_view view = {
        .booking_id = s->booking_id,
        .cancellation_id = s->cancellation_id,
        .state = STR("QUOTED"),
        .currency = s->booking.currency,
        .offer = s->booking.offer,
        .refund_minor = s->refund_minor,
        .penalty_minor = s->penalty_minor,
        .create_us = s->quote.create_time,
        .expire_us = s->quote.expire_time,
    };
    return call_reply(c, &cancellation_message(app_of(c), &c->arena, &view)->base);
}

/* A replay shows the quote as it was made. */
static enum step answer_again(struct call *c)
{
    struct quote *s = c->state;
    if (!s->again.found)
        return call_fail(c, REASON_NOT_FOUND);
    struct cancellation_view view =
        cancellation_view_of(s->booking_id, s->earlier.row.resource, &s->again);
    view.state = STR("QUOTED");
    view.lapsed = false;
    view.refund_id = (struct uuid){{0}};
    return call_reply(c, &cancellation_message(app_of(c), &c->arena, &view)->base);
}

static const struct step_def steps[] = {
    STEP(read_booking),
    STEP(quote),
    STEP(answer),
    STEP(answer_again),
};

const struct rpc_handler booking_create_cancellation = {
    .method = "CreateCancellation",
    RPC_STEPS(steps, struct quote),
};
