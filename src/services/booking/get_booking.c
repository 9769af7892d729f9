/* GetBooking: the order record with its tickets and seats. Somebody else's booking is NOT_FOUND,
 * there or not. */
#include <inttypes.h>

#include "services/booking/internal.h"
#include "services/shared/money.h"
#include "services/shared/names.h"
#include "services/shared/timestamp.h"

void booking_read_start(struct call *c, struct booking_read *r)
{
    booking_get(c, &r->row, r->booking_id);
    booking_seats(c, &r->seats, r->booking_id);
}

static enum step read_rows(struct call *c)
{
    struct booking_read *r = c->state;
    const Faregate__V1__GetBookingRequest *req = call_request(c);
    if (!name_take(c, "name", req->name, "bookings/{uuid}", &r->booking_id))
        return STEP_DONE;
    booking_read_start(c, r);
    return STEP_NEXT;
}

static Faregate__V1__Coupon__State coupon_state(char letter)
{
    switch (letter) {
    case 'O':
        return FAREGATE__V1__COUPON__STATE__OPEN;
    case 'C':
        return FAREGATE__V1__COUPON__STATE__CHECKED_IN;
    case 'B':
        return FAREGATE__V1__COUPON__STATE__BOARDED;
    case 'F':
        return FAREGATE__V1__COUPON__STATE__FLOWN;
    case 'X':
        return FAREGATE__V1__COUPON__STATE__EXCHANGED;
    case 'R':
        return FAREGATE__V1__COUPON__STATE__REFUNDED;
    case 'V':
        return FAREGATE__V1__COUPON__STATE__VOID;
    case 'S':
        return FAREGATE__V1__COUPON__STATE__SUSPENDED;
    default:
        return FAREGATE__V1__COUPON__STATE__STATE_UNSPECIFIED;
    }
}

static const char *seat_of(struct call *c, const struct booking_read *r, int32_t segment,
                           int32_t passenger)
{
    for (uint32_t i = 0; i < r->seats.count; i++)
        if (r->seats.rows[i].segment == segment && r->seats.rows[i].passenger == passenger)
            return arena_dup(&c->arena, r->seats.rows[i].seat);
    return NULL;
}

static Faregate__V1__Ticket *ticket_message(struct call *c, const struct booking_read *r,
                                            int32_t passenger, int64_t serial, struct str coupons,
                                            const struct offer *offer)
{
    Faregate__V1__Ticket *t = arena_alloc(&c->arena, sizeof *t);
    faregate__v1__ticket__init(t);
    t->number = arena_printf(&c->arena, "%s%010" PRId64, r->row.ticket_code.p, serial);
    t->name = arena_printf(&c->arena, "%s/tickets/%s",
                           name_make(&c->arena, "bookings", r->booking_id), t->number);
    t->check_digit = (int32_t)(serial % 7); /* as printed behind it on paper */
    t->passenger_index = passenger;
    t->issue_time = timestamp_of_us(&c->arena, r->row.ticket_time);
    t->coupons = arena_array(&c->arena, coupons.n, sizeof *t->coupons);
    for (; t->n_coupons < coupons.n; t->n_coupons++) {
        Faregate__V1__Coupon *coupon = arena_alloc(&c->arena, sizeof *coupon);
        faregate__v1__coupon__init(coupon);
        coupon->number = (int32_t)t->n_coupons + 1;
        coupon->segment_index = (int32_t)t->n_coupons;
        if (t->n_coupons < offer->segment_count)
            coupon->flight =
                name_make(&c->arena, "flights", offer->segments[t->n_coupons].flight_id);
        const char *seat = seat_of(c, r, coupon->number, passenger);
        if (seat)
            coupon->seat = arena_dup(&c->arena, str_of(seat));
        coupon->state = coupon_state(coupons.p[t->n_coupons]);
        t->coupons[t->n_coupons] = coupon;
    }
    return t;
}

/* What each passenger was sold for, by the type the booking has them as. */
static Google__Type__Money *ticket_price(const Faregate__V1__PriceBreakdown *price,
                                         const Faregate__V1__Booking *sold, int32_t passenger)
{
    if (!sold || (size_t)passenger >= sold->n_passengers)
        return NULL;
    for (size_t i = 0; i < price->n_per_passenger; i++)
        if (price->per_passenger[i]->type == sold->passengers[passenger]->type)
            return price->per_passenger[i]->total;
    return NULL;
}

static void add_tickets(struct call *c, const struct booking_read *r, Faregate__V1__Booking *m)
{
    struct offer *offer = arena_alloc(&c->arena, sizeof *offer);
    if (!r->row.has_ticket_serials || offer_open_sold(app_of(c), r->row.offer, offer) < 0)
        return;
    const Faregate__V1__PriceBreakdown *price = offer_price(app_of(c), &c->arena, offer);
    const Faregate__V1__Booking *sold = booking_unpack(&c->arena, r->row.passengers);
    struct str serials = r->row.ticket_serials;
    size_t count = 1;
    for (size_t i = 0; i < serials.n; i++)
        count += serials.p[i] == ',';
    const size_t flights = r->row.coupons.n / count;
    m->tickets = arena_array(&c->arena, count, sizeof *m->tickets);
    for (int64_t serial; m->n_tickets < count; m->n_tickets++) {
        if (str_int64(str_cut(&serials, ','), 0, INT64_MAX, &serial) < 0)
            return;
        const struct str coupons = {r->row.coupons.p + m->n_tickets * flights, flights};
        const int32_t passenger = (int32_t)m->n_tickets;
        m->tickets[m->n_tickets] = ticket_message(c, r, passenger, serial, coupons, offer);
        m->tickets[m->n_tickets]->price = ticket_price(price, sold, passenger);
    }
}

static void add_seats(struct call *c, const struct booking_read *r, Faregate__V1__Booking *m)
{
    m->seats = arena_array(&c->arena, r->seats.count + 1, sizeof *m->seats);
    for (; m->n_seats < r->seats.count; m->n_seats++) {
        const struct booking_seats_row *row = &r->seats.rows[m->n_seats];
        Faregate__V1__SeatSelection *seat = arena_alloc(&c->arena, sizeof *seat);
        faregate__v1__seat_selection__init(seat);
        seat->segment_index = row->segment - 1;
        seat->passenger_index = row->passenger;
        seat->seat = arena_dup(&c->arena, row->seat);
        m->seats[m->n_seats] = seat;
    }
}

enum step booking_read_answer(struct call *c, const struct booking_read *r)
{
    if (!r->row.found || !booking_may_read(c, r->row.user_id))
        return call_fail(c, REASON_NOT_FOUND);
    struct booking_view view = BOOKING_VIEW_OF(&r->row, r->row.user_id);
    Faregate__V1__Booking more = FAREGATE__V1__BOOKING__INIT;
    add_tickets(c, r, &more);
    add_seats(c, r, &more);
    return booking_reply(c, &view, &more);
}

static enum step answer(struct call *c)
{
    return booking_read_answer(c, c->state);
}

static const struct step_def steps[] = {
    STEP(read_rows),
    STEP(answer),
};

const struct rpc_handler booking_get_booking = {
    .method = "GetBooking",
    RPC_STEPS(steps, struct booking_read),
};
