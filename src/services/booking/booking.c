/* BookingService: its handlers, a file each. Boot pairs the table with the .proto by name and
 * refuses what is missing. */
#include "services/booking/internal.h"

static const struct rpc_handler *const handlers[] = {
    &booking_create_booking,
    &booking_get_booking,
    &booking_list_bookings,
    &booking_list_booking_events,
    &booking_create_cancellation,
    &booking_confirm_cancellation,
    NULL,
};

const struct rpc_service booking_service = {
    .descriptor = &faregate__v1__booking_service__descriptor,
    .full_name = "faregate.v1.BookingService",
    .flag = "booking",
    .handlers = handlers,
};
