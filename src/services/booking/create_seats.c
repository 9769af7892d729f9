/* The seats of a request against the aircraft. CreateBooking calls it; who gets a seat is decided
 * by the database. What must stay true: every refusal names the field. */
#include "services/booking/internal.h"
#include "services/reference.h"
#include "services/seat_row.h"

/* The row of "12A" if it stands in the cabin's rows and columns; -1. */
static int row_of_seat(const struct reference_cabin *cabin, const char *seat)
{
    size_t digits = strspn(seat, "0123456789");
    int64_t row;
    if (!cabin->exists || !seat[digits] || !strchr(cabin->columns, seat[digits]) ||
        seat[digits] == '-' ||
        str_int64((struct str){seat, digits}, cabin->first_row, cabin->last_row, &row) < 0)
        return -1;
    return (int)row;
}

/* Whoever has no child with him, nor is one, can open the door. */
static bool may_sit_at_exit(const Faregate__V1__CreateBookingRequest *req, int32_t passenger)
{
    if (req->passengers[passenger]->type != FAREGATE__V1__PASSENGER_TYPE__ADULT)
        return false;
    for (size_t i = 0; i < req->n_passengers; i++)
        if (req->passengers[i]->type == FAREGATE__V1__PASSENGER_TYPE__INFANT_ON_LAP &&
            req->passengers[i]->adult_index == passenger)
            return false;
    return true;
}

static bool refuse(struct call *c, enum reason reason, size_t i, const char *why)
{
    call_fail_field(c, reason, arena_printf(&c->arena, "seat_selections[%zu]", i), "%s", why);
    return false;
}

/* The passenger or the seat stands in an earlier selection of the same segment. */
static bool is_repeated(const Faregate__V1__CreateBookingRequest *req, size_t i)
{
    const Faregate__V1__SeatSelection *sel = req->seat_selections[i];
    for (size_t j = 0; j < i; j++) {
        const Faregate__V1__SeatSelection *other = req->seat_selections[j];
        if (other->segment_index == sel->segment_index &&
            (other->passenger_index == sel->passenger_index || strcmp(other->seat, sel->seat) == 0))
            return true;
    }
    return false;
}

bool booking_check_seats(struct call *c, const Faregate__V1__CreateBookingRequest *req,
                         const struct offer *offer)
{
    for (size_t i = 0; i < req->n_seat_selections; i++) {
        const Faregate__V1__SeatSelection *sel = req->seat_selections[i];
        if (sel->segment_index >= offer->segment_count ||
            (size_t)sel->passenger_index >= req->n_passengers)
            return refuse(c, REASON_FIELD_INVALID, i,
                          "names no passenger or no segment of the offer");
        if (req->passengers[sel->passenger_index]->type ==
            FAREGATE__V1__PASSENGER_TYPE__INFANT_ON_LAP)
            return refuse(c, REASON_FIELD_INVALID, i, "gives a seat to an infant on a lap");
        if (is_repeated(req, i))
            return refuse(c, REASON_FIELD_INVALID, i, "repeats a passenger or a seat");
        const struct offer_segment *segment = &offer->segments[sel->segment_index];
        const struct reference_aircraft *aircraft =
            reference_aircraft(app_of(c)->reference, str_of(segment->aircraft));
        const struct reference_cabin *cabin = aircraft ? &aircraft->cabins[offer->cabin] : NULL;
        int row = cabin ? row_of_seat(cabin, sel->seat) : -1;
        if (row < 0)
            return refuse(c, REASON_SEAT_TAKEN, i, "is no seat of this cabin");
        if (seat_row_is_exit(cabin, row) && !may_sit_at_exit(req, sel->passenger_index))
            return refuse(
                c, REASON_FIELD_INVALID, i,
                "gives a seat at an emergency exit to a child, an infant or who holds one");
    }
    return true;
}
