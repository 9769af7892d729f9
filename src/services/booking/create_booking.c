/* CreateBooking: takes the seats of an offer for a party, on every flight or on none; INSTANT pays
 * in the same call. One batched statement in the common case; chosen seats make it a transaction of
 * two; paying adds the steps of checkout. What must stay true: an answer is a booking that is in
 * the database; the same request_id never books twice. */
#include "base/check.h"
#include "services/booking/internal.h"
#include "services/reference.h"
#include "services/shared/checkout.h"
#include "services/shared/money.h"
#include "services/shared/names.h"
#include "services/shared/timestamp.h"

#define METADATA_BYTES_MAX 8192 /* of all pairs: they are kept, and read with each page */

struct create {
    struct checkout checkout; /* first: the shared steps of INSTANT work on it */
    const Faregate__V1__CreateBookingRequest *req;
    struct offer offer;
    const struct reference_airline *airline; /* that issues the tickets */
    struct uuid booking_id;
    struct str snapshot;
    struct str passengers;
    struct booking_hold_row hold;
    struct booking_claim_seats_row seats;
    struct idempotency earlier;
    struct shared_idempotency_read_row payment; /* of a repeated INSTANT */
    struct booking_get_row booking;
    struct booking_read paid;
};

static bool is_instant(const struct create *s)
{
    return s->req->mode == FAREGATE__V1__CREATE_BOOKING_REQUEST__MODE__INSTANT;
}

/* ---- the request against the offer ---- */

static bool check_total(struct call *c)
{
    struct create *s = c->state;
    int64_t expected;
    struct str currency;
    if (!money_take(c, "expected_total", s->req->expected_total, &expected, &currency))
        return false;
    if (!str_eq(currency, str_of(s->offer.currency))) {
        call_fail_field(c, REASON_CURRENCY_MISMATCH, "expected_total",
                        "must be in %s, as the offer is", s->offer.currency);
        return false;
    }
    if (expected == s->offer.total_minor)
        return true;
    call_fail_with(c, "expected_minor", "%lld", (long long)expected);
    call_fail_with(c, "total_minor", "%lld", (long long)s->offer.total_minor);
    call_fail_with(c, "currency_code", "%s", s->offer.currency);
    call_fail(c, REASON_PRICE_CHANGED);
    return false;
}

static bool check_metadata(struct call *c, const Faregate__V1__CreateBookingRequest *req)
{
    size_t bytes = 0;
    for (size_t i = 0; i < req->n_metadata; i++)
        bytes += strlen(req->metadata[i]->key) + strlen(req->metadata[i]->value);
    if (bytes > METADATA_BYTES_MAX) {
        call_fail_field(c, REASON_FIELD_INVALID, "metadata", "has more than %d bytes in all",
                        METADATA_BYTES_MAX);
        return false;
    }
    for (size_t i = 0; i < req->n_metadata; i++)
        for (size_t j = 0; j < i; j++)
            if (strcmp(req->metadata[i]->key, req->metadata[j]->key) == 0) {
                call_fail_field(c, REASON_FIELD_INVALID,
                                arena_printf(&c->arena, "metadata[%zu].key", i),
                                "is the key of metadata[%zu] as well", j);
                return false;
            }
    return true;
}

/* The two fragments of the Booking message: what the offer says, and who travels. */
static void pack_fragments(struct call *c)
{
    struct create *s = c->state;
    const Faregate__V1__Offer *offer =
        offer_message(app_of(c), &c->arena, &s->offer, str_of(s->req->offer));
    Faregate__V1__Booking m = FAREGATE__V1__BOOKING__INIT;
    m.n_journeys = offer->n_journeys;
    m.journeys = offer->journeys;
    m.price = offer->price;
    m.n_conditions = offer->n_conditions;
    m.conditions = offer->conditions;
    m.n_allowances = offer->n_allowances;
    m.allowances = offer->allowances;
    s->snapshot = call_pack(c, &m.base);
    faregate__v1__booking__init(&m);
    m.n_passengers = s->req->n_passengers;
    m.passengers = s->req->passengers;
    m.n_metadata = s->req->n_metadata;
    m.metadata = s->req->metadata;
    s->passengers = call_pack(c, &m.base);
}

static enum step check(struct call *c)
{
    struct create *s = c->state;
    const struct app *app = app_of(c);
    s->req = call_request(c);
    if (is_instant(s) && (!s->req->payment || s->req->payment->payment_method[0] == '\0'))
        return call_fail_field(c, REASON_FIELD_INVALID, "payment", "is needed with INSTANT");
    if (offer_open(app, str_of(s->req->offer), &s->offer) < 0)
        return call_fail_field(c, REASON_OFFER_INVALID, "offer",
                               "is not an offer of this installation");
    s->airline = reference_airline(app->reference, str_of(s->offer.segments[0].carrier));
    if (!s->airline)
        return call_fail_field(c, REASON_OFFER_INVALID, "offer",
                               "is of an airline that is no longer known");
    if (!check_total(c) || !booking_check_passengers(c, s->req, &s->offer) ||
        !booking_check_seats(c, s->req, &s->offer) || !check_metadata(c, s->req))
        return STEP_DONE;
    s->booking_id = uuid_v7(app->clock);
    pack_fragments(c);
    if (s->req->n_seat_selections > 0)
        call_begin_tx(c);
    return STEP_NEXT;
}

/* ---- the hold ---- */

/* The least id that a booking can have which is still unpaid, its money in flight included: version
 * 7 ids start with their millisecond. */
static struct uuid holds_since(const struct call *c)
{
    const struct app_limits *limits = &app_of(c)->limits;
    int64_t life_s = (int64_t)limits->hold_seconds + limits->pin_seconds;
    int64_t ms = call_wall_ns(c) / NS_PER_MS - life_s * 1000;
    struct uuid u = {{0}};
    for (unsigned i = 0; i < 6; i++)
        u.b[i] = (uint8_t)(ms >> (40 - 8 * i));
    return u;
}

static void list_flights(struct call *c, struct uuid **ret_flights, int16_t **ret_cabins)
{
    const struct create *s = c->state;
    unsigned n = s->offer.segment_count;
    *ret_flights = arena_array(&c->arena, n, sizeof **ret_flights);
    *ret_cabins = arena_array(&c->arena, n, sizeof **ret_cabins);
    for (unsigned i = 0; i < n; i++) {
        (*ret_flights)[i] = s->offer.segments[i].flight_id;
        (*ret_cabins)[i] = s->offer.cabin;
    }
}

static void submit_hold(struct call *c)
{
    struct create *s = c->state;
    const struct app *app = app_of(c);
    unsigned n = s->offer.segment_count;
    struct uuid *flights;
    int16_t *cabins;
    list_flights(c, &flights, &cabins);
    booking_hold(c, &s->hold, flights[0], c->principal.user_id, c->request_id,
                 idempotency_fingerprint(c), s->booking_id, str_of(s->airline->ticket_code),
                 (int32_t)offer_seats(&s->offer), (int32_t)s->req->n_passengers,
                 s->offer.total_minor, str_of(s->offer.currency), str_of(s->req->offer),
                 s->offer.expire_s * US_PER_S, s->snapshot, s->passengers,
                 (int32_t)app->limits.hold_seconds, holds_since(c),
                 (int32_t)app->limits.unpaid_holds_max, flights, n, cabins, n);
}

/* Who may not hold claims nothing: what a first attempt got while it was allowed stays the answer.
 */
static enum step hold(struct call *c)
{
    struct create *s = c->state;
    if (!is_instant(s) && offer_hold_until_s(app_of(c), &s->offer) == 0)
        s->earlier.unrecorded = REASON_HOLD_NOT_ALLOWED;
    else
        submit_hold(c);
    return STEP_NEXT;
}

static void claim_seats(struct call *c)
{
    struct create *s = c->state;
    size_t n = s->req->n_seat_selections;
    struct uuid *flights = arena_array(&c->arena, n, sizeof *flights);
    int16_t *cabins = arena_array(&c->arena, n, sizeof *cabins);
    int16_t *passengers = arena_array(&c->arena, n, sizeof *passengers);
    struct str *seats = arena_array(&c->arena, n, sizeof *seats);
    for (size_t i = 0; i < n; i++) {
        const Faregate__V1__SeatSelection *sel = s->req->seat_selections[i];
        flights[i] = s->offer.segments[sel->segment_index].flight_id;
        cabins[i] = s->offer.cabin;
        passengers[i] = (int16_t)sel->passenger_index;
        seats[i] = str_of(sel->seat);
    }
    booking_claim_seats(c, &s->seats, s->booking_id, flights, n, cabins, n, seats, n, passengers,
                        n);
}

static bool is_crowded_out(const struct create *s)
{
    return s->hold.has_refusal && str_eq(s->hold.refusal, STR("CROWDED"));
}

/* Enough seats, but not behind the larger parties of that batch: once more, on its own. A step of
 * its own, because it may be run again itself. */
static enum step hold_alone(struct call *c)
{
    const struct create *s = c->state;
    if (!is_crowded_out(s))
        return STEP_NEXT;
    c->scope.alone = true;
    submit_hold(c);
    return STEP_NEXT;
}

static enum step judge(struct call *c)
{
    struct create *s = c->state;
    CHECK(!is_crowded_out(s));
    if (s->hold.claimed && s->hold.has_refusal) {
        call_commit(c); /* the record of it */
        return call_fail(c, reason_of_name(s->hold.refusal.p));
    }
    if (s->hold.claimed && s->req->n_seat_selections > 0)
        claim_seats(c);
    return STEP_NEXT;
}

/* ---- the answer ---- */

static struct booking_view as_created(struct call *c, struct uuid booking_id, int64_t serial,
                                      struct str snapshot, struct str passengers, int64_t create_us,
                                      int64_t due_us)
{
    const struct create *s = c->state;
    return (struct booking_view){
        .booking_id = booking_id,
        .user_id = c->principal.user_id,
        .serial = serial,
        .state = STR("HELD"),
        .state_reason = STR(""),
        .currency = str_of(s->offer.currency),
        .snapshot = snapshot,
        .passengers = passengers,
        .total_minor = s->offer.total_minor,
        .create_us = create_us,
        .due_us = due_us,
        .event_count = 1,
    };
}

/* The seats as they were asked for: a success has them all. */
static enum step reply_created(struct call *c, const struct booking_view *view)
{
    struct create *s = c->state;
    Faregate__V1__Booking more = FAREGATE__V1__BOOKING__INIT;
    more.n_seats = s->req->n_seat_selections;
    more.seats = s->req->seat_selections;
    call_note(c, "booking", "%s", name_make(&c->arena, "bookings", view->booking_id));
    return booking_reply(c, view, &more);
}

static enum step read_again(struct call *c)
{
    struct create *s = c->state;
    booking_get(c, &s->booking, s->earlier.row.resource);
    return STEP_NEXT;
}

/* Somebody else has one of the seats: the hold is undone, and the refusal recorded, by the
 * transaction that made it. */
static enum step refuse_seats(struct call *c)
{
    const struct create *s = c->state;
    unsigned n = s->offer.segment_count;
    struct uuid *flights;
    int16_t *cabins;
    list_flights(c, &flights, &cabins);
    booking_unhold(c, s->booking_id, c->principal.user_id, c->request_id,
                   (int32_t)offer_seats(&s->offer), flights, n, cabins, n);
    call_commit(c);
    return call_fail_field(
        c, REASON_SEAT_TAKEN,
        arena_printf(&c->arena, "seat_selections[%d].seat", s->seats.missing - 1),
        "is somebody else's");
}

/* A repeated INSTANT goes on where the first attempt stopped: its payment has a claim of its own,
 * and must not wait in the transaction that found the hold made. */
static enum step go_on(struct call *c)
{
    struct create *s = c->state;
    s->booking_id = s->earlier.row.resource;
    call_commit(c);
    return STEP_NEXT;
}

static enum step answer(struct call *c)
{
    struct create *s = c->state;
    if (!s->hold.claimed)
        return idempotency_replay(c, &s->earlier, IDEMPOTENT_CREATE_BOOKING,
                                  is_instant(s) ? go_on : read_again);
    if (s->seats.has_missing)
        return refuse_seats(c);
    if (is_instant(s)) {
        call_commit(c); /* the seats are held, whatever becomes of the payment */
        return STEP_NEXT;
    }
    struct booking_view view = as_created(c, s->booking_id, s->hold.serial, s->snapshot,
                                          s->passengers, s->hold.create_time, s->hold.due_time);
    return reply_created(c, &view);
}

/* A replay: byte for byte what the first answer was, from columns that never change. */
static enum step answer_again(struct call *c)
{
    struct create *s = c->state;
    const struct booking_get_row *b = &s->booking;
    if (is_instant(s))
        return STEP_NEXT;
    if (!b->found)
        return call_fail(c, REASON_NOT_FOUND);
    struct booking_view view = as_created(c, b->booking_id, b->serial, b->snapshot, b->passengers,
                                          b->create_time, b->due_time);
    return reply_created(c, &view);
}

/* ---- INSTANT ---- */

static enum step pay(struct call *c)
{
    struct create *s = c->state;
    struct checkout *k = &s->checkout;
    k->booking_id = s->booking_id;
    k->intent_id = uuid_v7(app_of(c)->clock);
    k->method = IDEMPOTENT_CREATE_BOOKING_PAYMENT;
    k->method_token = str_of(s->req->payment->payment_method);
    k->is_new = true;
    k->has_amount = true;
    k->amount_minor = s->offer.total_minor;
    k->currency = str_of(s->offer.currency);
    return checkout_start(c);
}

/* Paid or not, the booking is there: what became of the payment is its state. */
static enum step read_paid(struct call *c)
{
    struct create *s = c->state;
    s->paid.booking_id = s->booking_id;
    booking_read_start(c, &s->paid);
    if (!s->checkout.start.claimed)
        shared_idempotency_read(c, &s->payment, c->principal.user_id,
                                IDEMPOTENT_CREATE_BOOKING_PAYMENT, c->request_id);
    else if (!s->hold.claimed)
        call_replayed(c, false); /* the booking is the one of then, its payment is new */
    return STEP_NEXT;
}

static enum step answer_paid(struct call *c)
{
    struct create *s = c->state;
    const struct payment_start_row *start = &s->checkout.start;
    struct booking_get_row *row = &s->paid.row;
    /* A payment that was refused before it began has left nothing that would say so. */
    struct str refusal = start->claimed ? start->refusal : s->payment.reason;
    if (refusal.n > 0 && str_eq(row->state, STR("HELD")) && !row->has_intent_id &&
        !row->has_state_reason) {
        row->has_state_reason = true;
        row->state_reason = refusal;
    }
    return booking_read_answer(c, &s->paid);
}

static const struct step_def steps[] = {
    STEP(check),
    STEP(hold),
    STEP(hold_alone),
    STEP(judge),
    STEP(answer),
    STEP(answer_again), /* HOLD ends here */
    STEP(pay),
    STEP(checkout_authorise),
    STEP(checkout_settle),
    STEP(checkout_capture),
    STEP(checkout_record),
    STEP(read_paid),
    STEP(answer_paid),
};

const struct rpc_handler booking_create_booking = {
    .method = "CreateBooking",
    RPC_STEPS(steps, struct create),
};
