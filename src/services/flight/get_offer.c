/* GetOffer: the sealed name is opened and rendered again; only the seats are counted anew. */
#include "services/flight/internal.h"
#include "services/shared/local_time.h"

struct get_offer {
    struct offer offer;
    struct flight_count_seats_row left;
};

static enum step open_offer(struct call *c)
{
    struct get_offer *s = c->state;
    const Faregate__V1__GetOfferRequest *req = call_request(c);
    if (offer_open(app_of(c), str_of(req->name), &s->offer) < 0)
        return call_fail_field(c, REASON_OFFER_INVALID, "name", "is no offer of ours");
    if (s->offer.expire_s <= call_wall_ns(c) / NS_PER_S) {
        char expired[INSTANT_TEXT_BYTES];
        instant_text(s->offer.expire_s, expired);
        call_fail_with(c, "expire_time", "%s", expired);
        call_fail_with(c, "origin", "%s", s->offer.segments[0].origin);
        call_fail_with(c, "total_minor", "%lld", (long long)s->offer.total_minor);
        call_fail_with(c, "currency_code", "%s", s->offer.currency);
        return call_fail(c, REASON_OFFER_EXPIRED);
    }
    struct uuid flights[OFFER_SEGMENTS_MAX];
    for (uint8_t i = 0; i < s->offer.segment_count; i++)
        flights[i] = s->offer.segments[i].flight_id;
    flight_count_seats(c, &s->left, flights, s->offer.segment_count, s->offer.cabin);
    return STEP_NEXT;
}

static enum step answer(struct call *c)
{
    struct get_offer *s = c->state;
    const Faregate__V1__GetOfferRequest *req = call_request(c);
    if (s->left.open_flights < s->offer.segment_count)
        return call_fail(c, REASON_SALES_CLOSED);
    int32_t free_seats = s->left.has_free_seats ? s->left.free_seats : 0;
    s->offer.bookable_seats = (uint8_t)(free_seats < 0                       ? 0
                                        : free_seats > OFFER_SEATS_SHOWN_MAX ? OFFER_SEATS_SHOWN_MAX
                                                                             : free_seats);
    s->offer.close_s = s->left.close_time / US_PER_S;
    return call_reply(c, &offer_message(app_of(c), &c->arena, &s->offer, str_of(req->name))->base);
}

static const struct step_def steps[] = {
    STEP(open_offer),
    STEP(answer),
};

const struct rpc_handler flight_get_offer_rpc = {
    .method = "GetOffer",
    RPC_STEPS(steps, struct get_offer),
};
