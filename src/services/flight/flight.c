/* FlightService: its handlers. All of them read; nothing needs a user. */
#include "services/flight/internal.h"

static const struct rpc_handler *const handlers[] = {
    &flight_search_places_rpc, &flight_search_offers_rpc, &flight_get_offer_rpc,
    &flight_get_flight_rpc,    &flight_get_seat_map_rpc,  NULL,
};

const struct rpc_service flight_service = {
    .descriptor = &faregate__v1__flight_service__descriptor,
    .full_name = "faregate.v1.FlightService",
    .flag = "flight",
    .handlers = handlers,
};
