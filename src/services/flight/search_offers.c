/* SearchOffers: the flights of all routes with their seats and prices from the timetable in memory
 * (board.h), or by one statement where that is not fresh; the rest is arithmetic. Nothing is
 * written: an offer is its own sealed name, which ends when it would have had it been read then. A
 * page goes on behind the rank of the last trip sent; trips that appear or vanish between two pages
 * neither shift the others nor make them appear twice. */
#include "domain/money.h"
#include "services/flight/internal.h"
#include "services/shared/page_token.h"
#include "services/shared/timestamp.h"

#define RESPONSE_OFFERS 1 /* SearchOffersResponse.offers */

static enum step find(struct call *c)
{
    struct search *s = c->state;
    struct app *app = app_of(c);
    if (!search_take_request(c, s))
        return STEP_DONE;
    search_plan_routes(c, s);
    s->is_known = search_look_up(c, s);
    ++*(s->is_known ? &app->reads_from_timetable : &app->reads_from_database);
    if (!s->is_known) {
        s->read_ns = call_wall_ns(c);
        search_ask(c, s);
    }
    return STEP_NEXT;
}

static int64_t minor_per_unit(const struct fare_fx *fx)
{
    int64_t scale = 1;
    for (unsigned i = 0; i < fx->exponent; i++)
        scale *= 10;
    return scale;
}

static bool allows(const void *ctx, const struct itinerary_trip *trip)
{
    const struct search *s = ctx;
    const struct filter_offer offer = {
        .total_minor = trip->total_minor,
        .minor_per_unit = minor_per_unit(s->fx),
        .duration_min = trip->duration_min,
    };
    return filter_offer(&s->filter, &offer);
}

/* Which trips meet conditions on price and duration sooner than others. */
static unsigned wishes_of(const struct filter *f)
{
    unsigned wishes = 0;
    for (unsigned i = 0; i < f->count; i++) {
        const struct filter_condition *c = &f->conditions[i];
        bool less = c->relation != FILTER_GT && c->relation != FILTER_GE;
        bool more = c->relation != FILTER_LT && c->relation != FILTER_LE;
        if (c->field == FILTER_PRICE)
            wishes |= (unsigned)less << WISH_CHEAP | (unsigned)more << WISH_DEAR;
        else if (c->field == FILTER_DURATION)
            wishes |= (unsigned)less << WISH_QUICK | (unsigned)more << WISH_SLOW;
    }
    return wishes;
}

static void order_trips(struct search *s)
{
    static const enum itinerary_order orders[] = {
        [ORDER_PRICE] = ITINERARY_BY_PRICE,
        [ORDER_DURATION] = ITINERARY_BY_DURATION,
        [ORDER_DEPARTURE] = ITINERARY_BY_DEPARTURE,
    };
    s->trips.taste = (struct itinerary_taste){.order = orders[s->order.field],
                                              .descending = s->order.descending};
    for (unsigned i = 0; i < s->brand_count; i++)
        if (!filter_refundable(&s->filter,
                               s->reference->brands[s->brand_first + i].terms.refundable))
            s->trips.brands_refused |= 1u << i;
    s->trips.wishes = wishes_of(&s->filter);
    s->trips.allows = s->trips.wishes ? allows : NULL;
    s->trips.ctx = s;
}

/* A brief one comes packed: it leaves as a field that only the descriptor does not know of. */
static void add_offer(struct call *c, const struct search *s, const struct itinerary_trip *trip,
                      int64_t expire_s, struct offer_brief_known *known,
                      Faregate__V1__SearchOffersResponse *reply)
{
    const struct app *app = app_of(c);
    struct offer offer;
    if (!search_make_offer(s, trip, expire_s, &offer))
        return;
    struct str name = offer_seal(app, &c->arena, &offer);
    if (s->req->view == FAREGATE__V1__OFFER_VIEW__OFFER_VIEW_FULL) {
        reply->offers[reply->n_offers++] = offer_message(app, &c->arena, &offer, name);
        return;
    }
    struct str brief = offer_brief(app, &c->arena, known, &offer, name);
    reply->base.unknown_fields[reply->base.n_unknown_fields++] = (ProtobufCMessageUnknownField){
        .tag = RESPONSE_OFFERS,
        .wire_type = PROTOBUF_C_WIRE_TYPE_LENGTH_PREFIXED,
        .len = brief.n,
        .data = (uint8_t *)(uintptr_t)brief.p,
    };
}

static enum step answer(struct call *c)
{
    struct search *s = c->state;
    const struct app *app = app_of(c);
    struct itinerary_trip trips[ITINERARY_PAGE_MAX];
    uint32_t size = page_size(s->req->page_size, OFFERS_STANDARD, OFFERS_MAX);
    int64_t expire_s = s->read_ns / NS_PER_S + app->limits.offer_seconds;
    if (!s->is_known)
        search_take_rows(c, s);
    search_make_journeys(c, s);
    order_trips(s);
    size_t found = itinerary_find(&s->trips, s->goes_on ? &s->after : NULL, size + 1, trips);
    size_t shown = found < size ? found : size;
    struct offer_brief_known known = {.count = 0};
    Faregate__V1__SearchOffersResponse reply;
    faregate__v1__search_offers_response__init(&reply);
    reply.offers = arena_array(&c->arena, shown, sizeof *reply.offers);
    reply.base.unknown_fields = arena_array(&c->arena, shown, sizeof *reply.base.unknown_fields);
    for (size_t i = 0; i < shown; i++)
        add_offer(c, s, &trips[i], expire_s, &known, &reply);
    if (found > shown)
        reply.next_page_token = page_token_seal(c, &trips[shown - 1].rank, sizeof trips[0].rank);
    reply.read_time = timestamp_of_us(&c->arena, s->read_ns / NS_PER_US);
    return call_reply(c, &reply.base);
}

static const struct step_def steps[] = {
    STEP(find),
    STEP(answer),
};

const struct rpc_handler flight_search_offers_rpc = {
    .method = "SearchOffers",
    RPC_STEPS(steps, struct search),
};
