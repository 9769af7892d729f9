/* What the handlers of FlightService share: a look at the timetable, and a search from the request
 * to the page of offers. */
#pragma once

#include "domain/fares.h"
#include "domain/filter.h"
#include "domain/itinerary.h"
#include "domain/passengers.h"
#include "faregate/v1/flight_service.pb-c.h"
#include "gen/sql/flight.sql.h"
#include "services/app.h"
#include "services/flight/board.h"
#include "services/reference.h"
#include "services/shared/offer.h"

#define SEARCH_ROUTES_MAX 192 /* index probes of one search */
#define SEARCH_VIAS_MAX 12    /* connecting airports tried for a slice; of two, half for each */
#define OFFERS_STANDARD 10
#define OFFERS_MAX 50

extern const struct rpc_handler flight_search_places_rpc;
extern const struct rpc_handler flight_search_offers_rpc;
extern const struct rpc_handler flight_get_offer_rpc;
extern const struct rpc_handler flight_get_flight_rpc;
extern const struct rpc_handler flight_get_seat_map_rpc;

/* flight.c: a look at the timetable in memory, for a call that may be answered from it, and when
 * that was read, by the clock on the wall. False: it is not there, or not fresh enough. */
bool flight_look(struct call *c, struct board_look *ret_look, int64_t *ret_read_ns);

/* What a route is asked for. */
enum route_role { ROUTE_DIRECT, ROUTE_FIRST, ROUTE_SECOND };

struct search_route {
    uint16_t origin;
    uint16_t destination;
    int32_t first_date;
    int32_t last_date;
    uint8_t slice;
    uint8_t role;
};

struct search_slice {
    uint16_t origins[REFERENCE_CITY_AIRPORTS_MAX];
    uint16_t destinations[REFERENCE_CITY_AIRPORTS_MAX];
    size_t origin_count;
    size_t destination_count;
    int32_t date_days;
    struct time_window departure;
    struct time_window arrival;
};

/* One flight of the answer, and what it costs this party. */
struct search_flight {
    struct departure departure;
    int64_t base_minor;
    int64_t close_us;
    uint8_t bucket;
    uint8_t role;
    uint8_t slice;
    uint16_t seats_left; /* in the bucket */
};

struct search {
    int64_t read_ns; /* before the seats were read */
    bool is_known;   /* from the timetable in memory */
    const Faregate__V1__SearchOffersRequest *req;
    const struct reference *reference;
    struct passenger_mix party;
    int32_t seats;
    uint8_t cabin;
    uint8_t brand_first; /* the cabin's brands */
    uint8_t brand_count;
    const struct fare_fx *fx;
    struct filter filter;
    struct order order;
    struct search_slice slices[ITINERARY_SLICES_MAX];
    unsigned slice_count;
    bool goes_on; /* there is a page before this one, which ended at */
    struct itinerary_rank after;

    struct search_route *routes;
    size_t route_count;
    struct flight_find_flights_rows rows;
    struct search_flight *flights;
    struct itinerary_flight *legs; /* the same flights for the domain */
    size_t flight_count;
    size_t flight_cap;
    struct itinerary_search trips;
};

/* search_request.c: the request, checked. False: the call has failed. */
bool search_take_request(struct call *c, struct search *s);
/* search_routes.c: which routes to ask for. */
void search_plan_routes(struct call *c, struct search *s);
/* search_flights.c: the flights of the routes, priced, from the timetable in memory (false: it is
 * not there, or not fresh) or asked of the database and taken from its rows; then journeys. */
bool search_look_up(struct call *c, struct search *s);
void search_ask(struct call *c, struct search *s);
void search_take_rows(struct call *c, struct search *s);
void search_make_journeys(struct call *c, struct search *s);
/* search_price.c: what a flight costs; and a trip as an offer, of which nothing is set behind the
 * taxes and segments that it has; false where it has more taxes than an offer can hold. */
void search_price_flight(const struct search *s, const struct search_flight *flight,
                         struct itinerary_flight *leg);
bool search_make_offer(const struct search *s, const struct itinerary_trip *trip, int64_t expire_s,
                       struct offer *ret_offer);
