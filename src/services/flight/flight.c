/* FlightService: its handlers. All of them read; nothing needs a user. */
#include "services/flight/internal.h"

bool flight_look(struct call *c, struct board_look *ret_look, int64_t *ret_read_ns)
{
    const struct app *app = app_of(c);
    int64_t now_ns = app->loop->now_ns;
    if (!app->board ||
        !board_look(app->board, now_ns - app->limits.search_stale_ms * NS_PER_MS, ret_look))
        return false;
    *ret_read_ns = call_wall_ns(c) - (now_ns - board_read_ns(ret_look));
    return true;
}

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
