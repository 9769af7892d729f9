/* The flights of a search, from the timetable in memory or from the database, priced; and flights
 * as journeys: filters of airlines, windows, connection times. What must stay true: both give the
 * same flights. */
#include "base/check.h"
#include "services/flight/internal.h"

#define FLIGHTS_MAX 1000 /* with room for the party; as find_flights has it */
#define FLIGHTS_FEW 8

/* Twice the room, for as many as are found is not known before. */
static void grow(struct call *c, struct search *s)
{
    size_t n = s->flight_count;
    s->flight_cap = n < FLIGHTS_FEW ? FLIGHTS_FEW : 2 * n;
    struct search_flight *flights = arena_array(&c->arena, s->flight_cap, sizeof *flights);
    struct itinerary_flight *legs = arena_array(&c->arena, s->flight_cap, sizeof *legs);
    if (n > 0) {
        memcpy(flights, s->flights, n * sizeof *flights);
        memcpy(legs, s->legs, n * sizeof *legs);
    }
    s->flights = flights;
    s->legs = legs;
}

/* Left out where the party does not fit a bucket, or the filter refuses the airline. */
static void take_flight(struct call *c, struct search *s, const struct search_route *route,
                        const struct departure *d, const struct departure_sale *sale)
{
    int32_t left;
    int bucket =
        fare_bucket_find(s->reference->buckets[s->cabin], s->reference->bucket_count[s->cabin],
                         sale->authorised, sale->used, s->seats, &left);
    if (bucket < 0 || d->carrier[0] == '\0' || !filter_airline(&s->filter, d->carrier))
        return;
    CHECK(s->flight_count < FLIGHTS_MAX);
    if (s->flight_count == s->flight_cap)
        grow(c, s);
    struct search_flight *f = &s->flights[s->flight_count];
    struct itinerary_flight *leg = &s->legs[s->flight_count++];
    *f = (struct search_flight){
        .departure = *d,
        .base_minor = sale->base_minor,
        .close_us = sale->close_us,
        .bucket = (uint8_t)bucket,
        .role = route->role,
        .slice = route->slice,
        .seats_left = (uint16_t)(left < UINT16_MAX ? left : UINT16_MAX),
    };
    uint64_t id;
    memcpy(&id, d->flight_id.b + sizeof d->flight_id.b - sizeof id, sizeof id);
    *leg = (struct itinerary_flight){
        .origin = route->origin,
        .destination = route->destination,
        .international = strcmp(s->reference->airports[route->origin].country,
                                s->reference->airports[route->destination].country) != 0,
        .departure_offset_min = d->departure_offset_min,
        .arrival_offset_min = d->arrival_offset_min,
        .departure_s = d->departure_s,
        .arrival_s = d->arrival_s,
        .id = id,
    };
    search_price_flight(s, f, leg);
}

/* ---- from the timetable in memory ---- */

/* What find_flights would give. False: the timetable does not know. */
static bool look_up_route(struct call *c, struct search *s, const struct board_look *look,
                          const struct search_route *route, int64_t now_us, size_t *found)
{
    const struct reference_airport *airports = s->reference->airports;
    struct board_range range;
    if (!board_route(look, airports[route->origin].iata, airports[route->destination].iata,
                     route->first_date, &range))
        return false;
    const struct departure *d;
    unsigned with_cabin = 0;
    while (with_cabin < BOARD_ROUTE_FLIGHTS_MAX && *found < FLIGHTS_MAX &&
           (d = board_next(look, &range, route->last_date))) {
        struct departure_sale sale;
        if (!board_sale(look, d, s->cabin, &sale))
            continue;
        with_cabin++;
        if (sale.authorised - sale.used < s->seats || sale.close_us <= now_us)
            continue;
        ++*found;
        take_flight(c, s, route, d, &sale);
    }
    return true;
}

bool search_look_up(struct call *c, struct search *s)
{
    struct board_look look;
    if (!flight_look(c, &look, &s->read_ns))
        return false;
    size_t found = 0;
    int64_t now_us = board_clock_us(&look, app_of(c)->loop->now_ns);
    for (size_t i = 0; i < s->route_count; i++)
        if (!look_up_route(c, s, &look, &s->routes[i], now_us, &found))
            return false;
    return board_look_ends(&look);
}

/* ---- from the database ---- */

void search_ask(struct call *c, struct search *s)
{
    size_t n = s->route_count;
    struct str *origins = arena_array(&c->arena, n, sizeof *origins);
    struct str *destinations = arena_array(&c->arena, n, sizeof *destinations);
    int32_t *dates[2] = {arena_array(&c->arena, n, sizeof *dates[0]),
                         arena_array(&c->arena, n, sizeof *dates[0])};
    int32_t *tags = arena_array(&c->arena, n, sizeof *tags);
    for (size_t i = 0; i < n; i++) {
        const struct search_route *route = &s->routes[i];
        origins[i] = str_of(s->reference->airports[route->origin].iata);
        destinations[i] = str_of(s->reference->airports[route->destination].iata);
        dates[0][i] = route->first_date;
        dates[1][i] = route->last_date;
        tags[i] = (int32_t)i;
    }
    flight_find_flights(c, &s->rows, origins, n, destinations, n, dates[0], n, dates[1], n, tags, n,
                        s->cabin, s->seats);
}

static struct departure departure_of(const struct flight_find_flights_row *row)
{
    struct departure d = {
        .flight_id = row->flight_id,
        .departure_s = row->departure_time / US_PER_S,
        .arrival_s = row->arrival_time / US_PER_S,
        .departure_offset_min = row->departure_offset_min,
        .arrival_offset_min = row->arrival_offset_min,
        .number = (uint16_t)row->number,
        .distance_km = (uint16_t)row->distance_km,
    };
    departure_codes(&d, row->carrier, row->aircraft);
    return d;
}

void search_take_rows(struct call *c, struct search *s)
{
    s->flight_count = 0; /* a look may have failed on its way */
    for (uint32_t i = 0; i < s->rows.count; i++) {
        const struct flight_find_flights_row *row = &s->rows.rows[i];
        const struct departure d = departure_of(row);
        const struct departure_sale sale = {.authorised = row->authorised,
                                            .used = row->used,
                                            .base_minor = row->base_minor,
                                            .close_us = row->sales_close_time};
        CHECK(row->tag >= 0 && (size_t)row->tag < s->route_count);
        take_flight(c, s, &s->routes[row->tag], &d, &sale);
    }
}

/* ---- journeys ---- */

static bool departs_well(const struct search *s, size_t i)
{
    const struct itinerary_flight *leg = &s->legs[i];
    return time_window_has(s->slices[s->flights[i].slice].departure, leg->departure_s,
                           leg->departure_offset_min);
}

static bool arrives_well(const struct search *s, size_t i)
{
    const struct itinerary_flight *leg = &s->legs[i];
    return time_window_has(s->slices[s->flights[i].slice].arrival, leg->arrival_s,
                           leg->arrival_offset_min);
}

static void add_journey(const struct search *s, struct itinerary_slice *slice, size_t first,
                        int32_t second)
{
    if (slice->count < ITINERARY_TRIPS_MAX)
        slice->journeys[slice->count++] = itinerary_journey(s->legs, (uint16_t)first, second);
}

/* Second flights are few for each first, so they are simply all tried. */
static void add_connections(const struct search *s, struct itinerary_slice *slice, size_t first)
{
    const struct itinerary_flight *in = &s->legs[first];
    const struct reference_airport *via = &s->reference->airports[in->destination];
    for (size_t i = 0; i < s->flight_count; i++) {
        const struct itinerary_flight *out = &s->legs[i];
        if (s->flights[i].role != ROUTE_SECOND || s->flights[i].slice != s->flights[first].slice ||
            out->origin != in->destination)
            continue;
        if (itinerary_connects(in, out, via->connection_min[itinerary_connection_kind(in, out)]) &&
            arrives_well(s, i))
            add_journey(s, slice, first, (int32_t)i);
    }
}

void search_make_journeys(struct call *c, struct search *s)
{
    s->trips.slice_count = s->slice_count;
    s->trips.brand_count = s->brand_count;
    size_t max[ITINERARY_SLICES_MAX] = {0}, seconds[ITINERARY_SLICES_MAX] = {0};
    for (size_t i = 0; i < s->flight_count; i++)
        seconds[s->flights[i].slice] += s->flights[i].role == ROUTE_SECOND;
    for (size_t i = 0; i < s->flight_count; i++)
        if (s->flights[i].role != ROUTE_SECOND)
            max[s->flights[i].slice] +=
                s->flights[i].role == ROUTE_DIRECT ? 1 : seconds[s->flights[i].slice];
    for (unsigned k = 0; k < s->slice_count; k++) {
        size_t room = max[k] < ITINERARY_TRIPS_MAX ? max[k] : ITINERARY_TRIPS_MAX;
        s->trips.slices[k].journeys =
            arena_array(&c->arena, room + 1, sizeof(struct itinerary_journey));
    }
    for (size_t i = 0; i < s->flight_count; i++) {
        const struct search_flight *f = &s->flights[i];
        struct itinerary_slice *slice = &s->trips.slices[f->slice];
        if (f->role == ROUTE_SECOND || !departs_well(s, i))
            continue;
        if (f->role == ROUTE_FIRST)
            add_connections(s, slice, i);
        else if (arrives_well(s, i))
            add_journey(s, slice, i, -1);
    }
    for (unsigned k = 0; k < s->slice_count; k++)
        s->trips.slices[k].count =
            itinerary_drop_slow(s->trips.slices[k].journeys, s->trips.slices[k].count);
}
