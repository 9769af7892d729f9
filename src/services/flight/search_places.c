/* SearchPlaces: from memory, so it answers as fast as somebody types. */
#include "services/flight/internal.h"
#include "services/shared/page_token.h"

#define PLACES_STANDARD 10

static Faregate__V1__Place *place_of(struct arena *arena, const struct reference_airport *a)
{
    Faregate__V1__Place *m = arena_alloc(arena, sizeof *m);
    faregate__v1__place__init(m);
    m->name = arena_printf(arena, "airports/%s", a->iata);
    m->kind = FAREGATE__V1__PLACE__KIND__AIRPORT;
    m->iata_code = a->iata;
    m->display_name = a->name;
    m->city = a->city;
    m->region_code = a->country;
    m->time_zone = a->zone_name;
    m->latitude = a->latitude;
    m->longitude = a->longitude;
    return m;
}

/* A city stands where its busiest airport does. */
static Faregate__V1__Place *place_of_city(struct arena *arena, const struct reference *r,
                                          const struct reference_city *city)
{
    Faregate__V1__Place *m = place_of(arena, &r->airports[city->airports[0]]);
    m->name = arena_printf(arena, "cities/%s", city->iata);
    m->kind = FAREGATE__V1__PLACE__KIND__CITY;
    m->iata_code = city->iata;
    m->display_name = city->name;
    m->city = city->name;
    m->airports = arena_array(arena, city->airport_count, sizeof *m->airports);
    for (uint16_t i = 0; i < city->airport_count; i++)
        m->airports[m->n_airports++] = r->airports[city->airports[i]].iata;
    return m;
}

static enum step search(struct call *c)
{
    const Faregate__V1__SearchPlacesRequest *req = call_request(c);
    const struct reference *r = app_of(c)->reference;
    uint16_t places[REFERENCE_PLACES_MAX];
    uint32_t size = page_size(req->page_size, PLACES_STANDARD, REFERENCE_PLACES_MAX);
    size_t count = reference_places(r, str_of(req->query), size, places);
    Faregate__V1__SearchPlacesResponse reply;
    faregate__v1__search_places_response__init(&reply);
    reply.places = arena_array(&c->arena, count + 1, sizeof *reply.places);
    for (size_t i = 0; i < count; i++)
        reply.places[reply.n_places++] =
            places[i] < r->airport_count
                ? place_of(&c->arena, &r->airports[places[i]])
                : place_of_city(&c->arena, r, &r->cities[places[i] - r->airport_count]);
    return call_reply(c, &reply.base);
}

static const struct step_def steps[] = {STEP(search)};

const struct rpc_handler flight_search_places_rpc = {
    .method = "SearchPlaces",
    .steps = steps,
    .step_count = 1,
};
