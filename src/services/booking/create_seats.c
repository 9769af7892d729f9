/* The seats of a request against the aircraft. CreateBooking calls it; who gets a seat is decided
 * by the database. What must stay true: every refusal names the field. */
#include "services/booking/internal.h"
#include "services/reference.h"

/* "12A" in the cabin's rows and columns. */
static bool cabin_has_seat(const struct reference_cabin *cabin, const char *seat)
{
    size_t digits = strspn(seat, "0123456789");
    int64_t row;
    return cabin->exists && seat[digits] && strchr(cabin->columns, seat[digits]) &&
           seat[digits] != '-' &&
           str_int64((struct str){seat, digits}, cabin->first_row, cabin->last_row, &row) == 0;
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
        if (!aircraft || !cabin_has_seat(&aircraft->cabins[offer->cabin], sel->seat))
            return refuse(c, REASON_SEAT_TAKEN, i, "is no seat of this cabin");
    }
    return true;
}
