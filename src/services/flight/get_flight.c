/* GetFlight: a dated flight with what can be bought on it, from the timetable in memory or, where
 * that is not fresh or has no such flight, from one statement. What must stay true: both tell the
 * same of it. */
#include "services/flight/internal.h"
#include "services/shared/local_time.h"
#include "services/shared/money.h"
#include "services/shared/names.h"
#include "services/shared/timestamp.h"

struct get_flight {
    struct uuid flight_id;
    int64_t read_ns;
    struct departure departure; /* what rows from the timetable point to */
    char origin[4], destination[4];
    struct flight_read_flight_rows rows;
};

static void add_row(struct get_flight *s, int16_t cabin, const struct departure_sale *sale,
                    int64_t now_us)
{
    const struct departure *d = &s->departure;
    s->rows.rows[s->rows.count++] = (struct flight_read_flight_row){
        .carrier = str_of(d->carrier),
        .number = d->number,
        .origin = str_of(s->origin),
        .destination = str_of(s->destination),
        .departure_time = d->departure_s * US_PER_S,
        .arrival_time = d->arrival_s * US_PER_S,
        .departure_offset_min = d->departure_offset_min,
        .arrival_offset_min = d->arrival_offset_min,
        .aircraft = str_of(d->aircraft),
        .distance_km = d->distance_km,
        .state = STR("SCHEDULED"),
        .cabin = cabin,
        .authorised = sale->authorised,
        .used = sale->used,
        .base_minor = sale->base_minor,
        .on_sale = sale->close_us > now_us,
        .departed = d->departure_s * US_PER_S <= now_us,
        .landed = d->arrival_s * US_PER_S <= now_us,
    };
}

/* What read_flight would give. False: the timetable does not know. */
static bool look_up(struct call *c, struct get_flight *s)
{
    struct board_look look;
    if (!flight_look(c, &look, &s->read_ns))
        return false;
    const struct departure *d = board_flight(&look, s->flight_id, s->origin, s->destination);
    if (!d)
        return false;
    s->departure = *d;
    if (s->departure.carrier[0] == '\0' || s->departure.aircraft[0] == '\0')
        return false;
    s->rows.rows = arena_array(&c->arena, BOARD_CABINS, sizeof *s->rows.rows);
    s->rows.count = 0;
    int64_t now_us = board_clock_us(&look, app_of(c)->loop->now_ns);
    for (int16_t cabin = 1; cabin <= BOARD_CABINS; cabin++) {
        struct departure_sale sale;
        if (board_sale(&look, d, (unsigned)cabin, &sale))
            add_row(s, cabin, &sale, now_us);
    }
    return s->rows.count > 0 && board_look_ends(&look);
}

static enum step read_flight(struct call *c)
{
    struct get_flight *s = c->state;
    const Faregate__V1__GetFlightRequest *req = call_request(c);
    if (!name_take(c, "name", req->name, "flights/{uuid}", &s->flight_id))
        return STEP_DONE;
    struct app *app = app_of(c);
    bool is_known = look_up(c, s);
    ++*(is_known ? &app->reads_from_timetable : &app->reads_from_database);
    if (!is_known) {
        s->read_ns = call_wall_ns(c);
        flight_read_flight(c, &s->rows, s->flight_id);
    }
    return STEP_NEXT;
}

/* By the database's clock alone, or a flight might be closed and not yet departed, or the reverse.
 */
static Faregate__V1__Flight__State state_of(const struct flight_read_flight_rows *rows)
{
    const struct flight_read_flight_row *row = &rows->rows[0];
    if (str_eq(row->state, STR("CANCELLED")))
        return FAREGATE__V1__FLIGHT__STATE__CANCELLED;
    if (row->landed)
        return FAREGATE__V1__FLIGHT__STATE__ARRIVED;
    if (row->departed || str_eq(row->state, STR("DEPARTED")))
        return FAREGATE__V1__FLIGHT__STATE__DEPARTED;
    bool on_sale = false;
    for (uint32_t i = 0; i < rows->count; i++)
        on_sale = on_sale || rows->rows[i].on_sale;
    return on_sale && str_eq(row->state, STR("SCHEDULED")) ? FAREGATE__V1__FLIGHT__STATE__OPEN
                                                           : FAREGATE__V1__FLIGHT__STATE__CLOSED;
}

static const struct reference_brand *cheapest_brand(const struct reference *r, int cabin)
{
    for (uint16_t i = 0; i < r->brand_count; i++)
        if (r->brands[i].cabin == cabin)
            return &r->brands[i];
    return NULL;
}

static Faregate__V1__Flight__CabinAvailability *
cabin_of(struct call *c, const struct flight_read_flight_row *row, bool open)
{
    const struct reference *r = app_of(c)->reference;
    Faregate__V1__Flight__CabinAvailability *m = arena_alloc(&c->arena, sizeof *m);
    faregate__v1__flight__cabin_availability__init(m);
    m->cabin = (Faregate__V1__Cabin)row->cabin;
    int32_t left = row->authorised - row->used;
    if (!open || !row->on_sale || left <= 0 || row->cabin < 1 || row->cabin >= REFERENCE_CABINS)
        return m;
    m->bookable_seats = left < OFFER_SEATS_SHOWN_MAX ? left : OFFER_SEATS_SHOWN_MAX;
    const struct reference_brand *brand = cheapest_brand(r, row->cabin);
    int bucket = fare_bucket_find(r->buckets[row->cabin], r->bucket_count[row->cabin],
                                  row->authorised, row->used, 1, &left);
    if (brand && bucket >= 0) {
        const struct passenger_mix one = {.adults = 1};
        struct fare_units units =
            fare_units(row->base_minor, r->buckets[row->cabin][bucket].price_permille,
                       brand->price_permille, fare_fx_find(STR(FARE_FILED_CURRENCY)), &one);
        m->lowest_fare =
            money_message(&c->arena, units.minor[PASSENGER_ADULT - 1], STR(FARE_FILED_CURRENCY));
    }
    return m;
}

static Faregate__V1__LocalTime *local_time_of(struct arena *arena,
                                              const struct reference_airport *airport,
                                              int64_t utc_us, int16_t offset_min)
{
    Faregate__V1__LocalTime *m = arena_alloc(arena, sizeof *m);
    faregate__v1__local_time__init(m);
    m->date_time = arena_alloc(arena, LOCAL_TEXT_BYTES);
    local_time_text(utc_us / US_PER_S + offset_min * 60, m->date_time);
    m->utc_offset_minutes = offset_min;
    if (airport)
        m->time_zone = airport->zone_name;
    return m;
}

static void fill_times(struct call *c, const struct flight_read_flight_row *row,
                       Faregate__V1__Flight *m)
{
    const struct reference *r = app_of(c)->reference;
    m->departure_time = timestamp_of_us(&c->arena, row->departure_time);
    m->arrival_time = timestamp_of_us(&c->arena, row->arrival_time);
    m->local_departure = local_time_of(&c->arena, reference_airport(r, row->origin),
                                       row->departure_time, row->departure_offset_min);
    m->local_arrival = local_time_of(&c->arena, reference_airport(r, row->destination),
                                     row->arrival_time, row->arrival_offset_min);
    m->duration = arena_alloc(&c->arena, sizeof *m->duration);
    google__protobuf__duration__init(m->duration);
    m->duration->seconds = (row->arrival_time - row->departure_time) / US_PER_S;
}

static enum step answer(struct call *c)
{
    struct get_flight *s = c->state;
    if (s->rows.count == 0)
        return call_fail(c, REASON_NOT_FOUND);
    const struct flight_read_flight_row *row = &s->rows.rows[0];
    const struct reference_aircraft *aircraft =
        reference_aircraft(app_of(c)->reference, row->aircraft);
    Faregate__V1__Flight m;
    faregate__v1__flight__init(&m);
    m.name = name_make(&c->arena, "flights", s->flight_id);
    m.marketing_carrier = m.operating_carrier = arena_dup(&c->arena, row->carrier);
    m.flight_number =
        arena_printf(&c->arena, "%.*s%d", (int)row->carrier.n, row->carrier.p, row->number);
    m.origin = arena_dup(&c->arena, row->origin);
    m.destination = arena_dup(&c->arena, row->destination);
    m.aircraft = arena_dup(&c->arena, row->aircraft);
    if (aircraft)
        m.aircraft_display_name = aircraft->name;
    m.distance_km = row->distance_km;
    m.state = state_of(&s->rows);
    fill_times(c, row, &m);
    m.cabins = arena_array(&c->arena, s->rows.count, sizeof *m.cabins);
    for (uint32_t i = 0; i < s->rows.count; i++)
        m.cabins[m.n_cabins++] =
            cabin_of(c, &s->rows.rows[i], m.state == FAREGATE__V1__FLIGHT__STATE__OPEN);
    m.read_time = timestamp_of_us(&c->arena, s->read_ns / NS_PER_US);
    return call_reply(c, &m.base);
}

static const struct step_def steps[] = {
    STEP(read_flight),
    STEP(answer),
};

const struct rpc_handler flight_get_flight_rpc = {
    .method = "GetFlight",
    RPC_STEPS(steps, struct get_flight),
};
