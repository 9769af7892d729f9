/* Requests of FlightService for the torture: the plain ones, those that a handler itself refuses,
 * the largest. services.c runs them. What must stay true: no field rule refuses one, or the handler
 * is never reached. */
#include "cases.h"
#include "faregate/v1/flight_service.pb-c.h"
#include "services/shared/names.h"

MAKER(new_search, Faregate__V1__SearchOffersRequest, faregate__v1__search_offers_request__init)
MAKER(new_slice, Faregate__V1__Slice, faregate__v1__slice__init)
MAKER(new_count, Faregate__V1__PassengerCount, faregate__v1__passenger_count__init)

static ProtobufCMessage *places(void)
{
    Faregate__V1__SearchPlacesRequest *m = arena_alloc(&world_arena, sizeof *m);
    faregate__v1__search_places_request__init(m);
    m->query = case_text("lon");
    m->page_size = 50;
    return &m->base;
}

static Faregate__V1__Slice *slice(const char *origin, const char *destination, int day)
{
    Faregate__V1__Slice *m = new_slice();
    m->origin = case_text(origin);
    m->destination = case_text(destination);
    m->departure_date = case_date(2023, 12, day);
    return m;
}

static Faregate__V1__SearchOffersRequest *search_for(int adults, unsigned slices)
{
    Faregate__V1__SearchOffersRequest *m = new_search();
    m->slices = arena_array(&world_arena, slices, sizeof *m->slices);
    for (; m->n_slices < slices; m->n_slices++)
        m->slices[m->n_slices] = m->n_slices % 2 ? slice("JFK", "LON", 14 + (int)m->n_slices)
                                                 : slice("LON", "JFK", 14 + (int)m->n_slices);
    m->passengers = arena_array(&world_arena, 1, sizeof *m->passengers);
    m->passengers[0] = new_count();
    m->passengers[0]->type = FAREGATE__V1__PASSENGER_TYPE__ADULT;
    m->passengers[m->n_passengers++]->count = adults;
    m->max_connections = 1;
    return m;
}

static ProtobufCMessage *search(void)
{
    return &search_for(1, 1)->base;
}

static ProtobufCMessage *search_return(void)
{
    Faregate__V1__SearchOffersRequest *m = search_for(2, 2);
    m->filter = case_text("refundable = true AND price <= 900000");
    m->order_by = case_text("duration desc");
    m->currency_code = case_text("JPY");
    m->page_size = 1;
    return &m->base;
}

static ProtobufCMessage *search_past(void)
{
    Faregate__V1__SearchOffersRequest *m = search_for(1, 1);
    m->slices[0]->departure_date = case_date(2023, 1, 1);
    return &m->base;
}

static ProtobufCMessage *search_mix(void)
{
    Faregate__V1__SearchOffersRequest *m = search_for(1, 1);
    m->passengers[0]->type = FAREGATE__V1__PASSENGER_TYPE__CHILD;
    return &m->base;
}

static ProtobufCMessage *search_filter(void)
{
    Faregate__V1__SearchOffersRequest *m = search_for(1, 1);
    m->filter = case_text("price < (");
    return &m->base;
}

static ProtobufCMessage *search_page(void)
{
    Faregate__V1__SearchOffersRequest *m = search_for(1, 1);
    m->page_token = case_text("AAAA");
    return &m->base;
}

static ProtobufCMessage *search_nowhere(void)
{
    Faregate__V1__SearchOffersRequest *m = search_for(1, 1);
    m->slices[0]->origin = case_text("XXX");
    return &m->base;
}

static ProtobufCMessage *search_most(void)
{
    Faregate__V1__SearchOffersRequest *m = search_for(9, 6);
    m->page_size = INT32_MAX;
    return &m->base;
}

static Faregate__V1__GetOfferRequest *offer_named(struct str name)
{
    Faregate__V1__GetOfferRequest *m = arena_alloc(&world_arena, sizeof *m);
    faregate__v1__get_offer_request__init(m);
    m->name = arena_dup(&world_arena, name);
    return m;
}

static ProtobufCMessage *offer(void)
{
    return &offer_named(world.offer_name)->base;
}

static ProtobufCMessage *offer_made_up(void)
{
    return &offer_named(STR("offers/AAAA"))->base;
}

static struct str expired_offer(void)
{
    struct offer old = world.offer;
    old.expire_s -= 86400;
    return offer_seal(&world.app, &world_arena, &old);
}

static ProtobufCMessage *offer_expired(void)
{
    return &offer_named(expired_offer())->base;
}

static ProtobufCMessage *flight(void)
{
    Faregate__V1__GetFlightRequest *m = arena_alloc(&world_arena, sizeof *m);
    faregate__v1__get_flight_request__init(m);
    m->name = name_make(&world_arena, "flights", world_booking);
    return &m->base;
}

static ProtobufCMessage *seat_map(void)
{
    Faregate__V1__GetSeatMapRequest *m = arena_alloc(&world_arena, sizeof *m);
    faregate__v1__get_seat_map_request__init(m);
    m->name =
        arena_printf(&world_arena, "%s/seatMap", name_make(&world_arena, "flights", world_booking));
    return &m->base;
}

const struct service_case flight_cases[] = {
    CASE("SearchPlaces", "", places, CALLER_TRAVELLER),
    CASE("SearchOffers", "", search, CALLER_TRAVELLER),
    CASE("SearchOffers", "there and back", search_return, CALLER_TRAVELLER),
    CASE("SearchOffers", "in the past", search_past, CALLER_TRAVELLER),
    CASE("SearchOffers", "a child alone", search_mix, CALLER_TRAVELLER),
    CASE("SearchOffers", "bad filter", search_filter, CALLER_TRAVELLER),
    CASE("SearchOffers", "bad page", search_page, CALLER_TRAVELLER),
    CASE("SearchOffers", "from nowhere", search_nowhere, CALLER_TRAVELLER),
    LARGEST("SearchOffers", search_most),
    CASE("GetOffer", "", offer, CALLER_TRAVELLER),
    CASE("GetOffer", "made up", offer_made_up, CALLER_TRAVELLER),
    CASE("GetOffer", "expired", offer_expired, CALLER_TRAVELLER),
    LARGEST("GetOffer", offer),
    CASE("GetFlight", "", flight, CALLER_TRAVELLER),
    LARGEST("GetFlight", flight),
    CASE("GetSeatMap", "", seat_map, CALLER_TRAVELLER),
    LARGEST("GetSeatMap", seat_map),
    {0},
};
