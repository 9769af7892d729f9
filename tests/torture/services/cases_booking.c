/* Requests of BookingService for the torture: the plain ones, those that a handler itself refuses,
 * the largest. services.c runs them. What must stay true: no field rule refuses one, or the handler
 * is never reached. */
#include "cases.h"
#include "faregate/v1/booking_service.pb-c.h"
#include "services/shared/names.h"

MAKER(new_booking, Faregate__V1__CreateBookingRequest, faregate__v1__create_booking_request__init)
MAKER(new_bookings, Faregate__V1__ListBookingsRequest, faregate__v1__list_bookings_request__init)
MAKER(new_events, Faregate__V1__ListBookingEventsRequest,
      faregate__v1__list_booking_events_request__init)
MAKER(new_quote, Faregate__V1__CreateCancellationRequest,
      faregate__v1__create_cancellation_request__init)
MAKER(new_passenger, Faregate__V1__Passenger, faregate__v1__passenger__init)
MAKER(new_seat, Faregate__V1__SeatSelection, faregate__v1__seat_selection__init)

static Faregate__V1__Passenger *passenger(int type, int year)
{
    Faregate__V1__Passenger *m = new_passenger();
    m->type = (Faregate__V1__PassengerType)type;
    m->given_name = case_text("Anna");
    m->surname = case_text("Karenina");
    m->email = case_text(EMAIL);
    m->birth_date = case_date(year, 1, 2);
    return m;
}

static Faregate__V1__CreateBookingRequest *booking_of_offer(void)
{
    Faregate__V1__CreateBookingRequest *m = new_booking();
    size_t adults = world.offer.adults, infants = world.offer.lap_infants;
    m->offer = arena_dup(&world_arena, world.offer_name);
    m->mode = FAREGATE__V1__CREATE_BOOKING_REQUEST__MODE__HOLD;
    m->expected_total = case_money(world.offer.currency, world.offer.total_minor);
    m->passengers = arena_array(&world_arena, adults + infants, sizeof *m->passengers);
    for (; m->n_passengers < adults; m->n_passengers++)
        m->passengers[m->n_passengers] = passenger(FAREGATE__V1__PASSENGER_TYPE__ADULT, 1980);
    for (size_t i = 0; i < infants; i++) {
        Faregate__V1__Passenger *infant =
            passenger(FAREGATE__V1__PASSENGER_TYPE__INFANT_ON_LAP, 2023);
        infant->adult_index = (int32_t)i;
        m->passengers[m->n_passengers++] = infant;
    }
    m->request_id = case_text(REQUEST_ID);
    return m;
}

static void choose_seats(Faregate__V1__CreateBookingRequest *m)
{
    size_t adults = world.offer.adults, segments = world.offer.segment_count;
    m->seat_selections = arena_array(&world_arena, adults * segments, sizeof *m->seat_selections);
    for (size_t i = 0; i < adults * segments; i++) {
        Faregate__V1__SeatSelection *seat = new_seat();
        seat->passenger_index = (int32_t)(i % adults);
        seat->segment_index = (int32_t)(i / adults);
        seat->seat = arena_printf(&world_arena, "%zuA", 20 + i % adults);
        m->seat_selections[m->n_seat_selections++] = seat;
    }
}

static ProtobufCMessage *booking(void)
{
    return &booking_of_offer()->base;
}

static ProtobufCMessage *booking_seats(void)
{
    Faregate__V1__CreateBookingRequest *m = booking_of_offer();
    choose_seats(m);
    return &m->base;
}

static ProtobufCMessage *booking_most(void)
{
    Faregate__V1__CreateBookingRequest *m = (Faregate__V1__CreateBookingRequest *)booking_seats();
    m->metadata = world_metadata(&m->n_metadata);
    return &m->base;
}

static ProtobufCMessage *booking_no_such_seat(void)
{
    Faregate__V1__CreateBookingRequest *m = (Faregate__V1__CreateBookingRequest *)booking_seats();
    m->seat_selections[0]->seat = case_text("99A");
    return &m->base;
}

static ProtobufCMessage *booking_price(void)
{
    Faregate__V1__CreateBookingRequest *m = booking_of_offer();
    m->expected_total->units++;
    return &m->base;
}

static ProtobufCMessage *booking_amount(void)
{
    Faregate__V1__CreateBookingRequest *m = booking_of_offer();
    m->expected_total->nanos = 1;
    return &m->base;
}

static ProtobufCMessage *booking_currency(void)
{
    Faregate__V1__CreateBookingRequest *m = booking_of_offer();
    m->expected_total->currency_code = case_text("EUR");
    return &m->base;
}

static ProtobufCMessage *booking_made_up(void)
{
    Faregate__V1__CreateBookingRequest *m = booking_of_offer();
    m->offer = case_text("offers/AAAA");
    return &m->base;
}

static ProtobufCMessage *booking_soon(void)
{
    struct offer soon = world.offer;
    Faregate__V1__CreateBookingRequest *m = booking_of_offer();
    soon.segments[0].departure_s = soon.expire_s;
    m->offer = arena_dup(&world_arena, offer_seal(&world.app, &world_arena, &soon));
    return &m->base;
}

static ProtobufCMessage *booking_child(void)
{
    Faregate__V1__CreateBookingRequest *m = booking_of_offer();
    m->passengers[0] = passenger(FAREGATE__V1__PASSENGER_TYPE__CHILD, 1980);
    return &m->base;
}

static ProtobufCMessage *booking_instant(void)
{
    Faregate__V1__CreateBookingRequest *m = booking_of_offer();
    m->mode = FAREGATE__V1__CREATE_BOOKING_REQUEST__MODE__INSTANT;
    m->payment = arena_alloc(&world_arena, sizeof *m->payment);
    faregate__v1__payment_instruction__init(m->payment);
    m->payment->payment_method = case_text("pm_card_visa");
    return &m->base;
}

static ProtobufCMessage *get_booking(void)
{
    Faregate__V1__GetBookingRequest *m = arena_alloc(&world_arena, sizeof *m);
    faregate__v1__get_booking_request__init(m);
    m->name = name_make(&world_arena, "bookings", world_booking);
    return &m->base;
}

static Faregate__V1__ListBookingsRequest *bookings_of(int32_t size)
{
    static Faregate__V1__Booking__State states[] = {FAREGATE__V1__BOOKING__STATE__HELD};
    Faregate__V1__ListBookingsRequest *m = new_bookings();
    m->page_size = size;
    m->n_states = 1;
    m->states = states;
    return m;
}

static ProtobufCMessage *bookings(void)
{
    return &bookings_of(2)->base;
}

static ProtobufCMessage *bookings_most(void)
{
    return &bookings_of(INT32_MAX)->base;
}

static ProtobufCMessage *bookings_page(void)
{
    Faregate__V1__ListBookingsRequest *m = bookings_of(2);
    m->page_token = case_text("AAAA");
    return &m->base;
}

static Faregate__V1__ListBookingEventsRequest *events_of(int32_t size)
{
    Faregate__V1__ListBookingEventsRequest *m = new_events();
    m->parent = name_make(&world_arena, "bookings", world_booking);
    m->page_size = size;
    return m;
}

static ProtobufCMessage *events(void)
{
    return &events_of(2)->base;
}

static ProtobufCMessage *events_most(void)
{
    return &events_of(INT32_MAX)->base;
}

static ProtobufCMessage *events_page(void)
{
    Faregate__V1__ListBookingEventsRequest *m = events_of(2);
    m->page_token = case_text("AAAA");
    return &m->base;
}

static ProtobufCMessage *quote(void)
{
    Faregate__V1__CreateCancellationRequest *m = new_quote();
    m->parent = name_make(&world_arena, "bookings", world_booking);
    m->request_id = case_text(REQUEST_ID);
    return &m->base;
}

static ProtobufCMessage *quote_etag(void)
{
    Faregate__V1__CreateCancellationRequest *m = (Faregate__V1__CreateCancellationRequest *)quote();
    m->etag = case_text("9-1790000000000000");
    return &m->base;
}

static ProtobufCMessage *cancel(void)
{
    Faregate__V1__ConfirmCancellationRequest *m = arena_alloc(&world_arena, sizeof *m);
    faregate__v1__confirm_cancellation_request__init(m);
    m->name = case_child("cancellations", world_intent);
    m->request_id = case_text(REQUEST_ID);
    return &m->base;
}

const struct service_case booking_cases[] = {
    CASE("CreateBooking", "", booking, CALLER_TRAVELLER),
    CASE("CreateBooking", "with seats", booking_seats, CALLER_TRAVELLER),
    CASE("CreateBooking", "no such seat", booking_no_such_seat, CALLER_TRAVELLER),
    CASE("CreateBooking", "another price", booking_price, CALLER_TRAVELLER),
    CASE("CreateBooking", "bad amount", booking_amount, CALLER_TRAVELLER),
    CASE("CreateBooking", "another currency", booking_currency, CALLER_TRAVELLER),
    CASE("CreateBooking", "made up", booking_made_up, CALLER_TRAVELLER),
    CASE("CreateBooking", "too soon to hold", booking_soon, CALLER_TRAVELLER),
    CASE("CreateBooking", "no child", booking_child, CALLER_TRAVELLER),
    CASE("CreateBooking", "paid at once", booking_instant, CALLER_TRAVELLER),
    LARGEST("CreateBooking", booking_most),
    CASE("GetBooking", "", get_booking, CALLER_TRAVELLER),
    CASE("GetBooking", "by staff", get_booking, CALLER_SUPPORT),
    LARGEST("GetBooking", get_booking),
    CASE("ListBookings", "", bookings, CALLER_TRAVELLER),
    CASE("ListBookings", "bad page", bookings_page, CALLER_TRAVELLER),
    LARGEST("ListBookings", bookings_most),
    CASE("ListBookingEvents", "", events, CALLER_TRAVELLER),
    CASE("ListBookingEvents", "bad page", events_page, CALLER_TRAVELLER),
    LARGEST("ListBookingEvents", events_most),
    CASE("CreateCancellation", "", quote, CALLER_TRAVELLER),
    CASE("CreateCancellation", "with an etag", quote_etag, CALLER_TRAVELLER),
    LARGEST("CreateCancellation", quote),
    CASE("ConfirmCancellation", "", cancel, CALLER_TRAVELLER),
    {0},
};
