/* The rows of a search as priced flights, and flights as journeys: filters of airlines, windows,
 * connection times. */
#include "base/check.h"
#include "services/flight/internal.h"

/* False: the party does not fit a bucket, or the filter refuses the airline. */
static bool take_flight(const struct search *s, const struct flight_find_flights_row *row,
                        struct search_flight *f, struct itinerary_flight *leg)
{
    CHECK(row->tag >= 0 && (size_t)row->tag < s->route_count);
    const struct search_route *route = &s->routes[row->tag];
    int32_t left;
    int bucket =
        fare_bucket_find(s->reference->buckets[s->cabin], s->reference->bucket_count[s->cabin],
                         row->authorised, row->used, s->seats, &left);
    if (bucket < 0 || row->carrier.n != 2 || !filter_airline(&s->filter, row->carrier.p))
        return false;
    *f = (struct search_flight){
        .row = row,
        .bucket = (uint8_t)bucket,
        .role = route->role,
        .slice = route->slice,
        .seats_left = (uint16_t)(left < UINT16_MAX ? left : UINT16_MAX),
    };
    uint64_t id;
    memcpy(&id, row->flight_id.b + sizeof row->flight_id.b - sizeof id, sizeof id);
    *leg = (struct itinerary_flight){
        .origin = route->origin,
        .destination = route->destination,
        .international = strcmp(s->reference->airports[route->origin].country,
                                s->reference->airports[route->destination].country) != 0,
        .departure_offset_min = row->departure_offset_min,
        .arrival_offset_min = row->arrival_offset_min,
        .departure_s = row->departure_time / 1000000,
        .arrival_s = row->arrival_time / 1000000,
        .id = id,
    };
    search_price_flight(s, f, leg);
    return true;
}

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

static void build_journeys(struct call *c, struct search *s)
{
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

void search_take_flights(struct call *c, struct search *s)
{
    s->flights = arena_array(&c->arena, s->rows.count + 1, sizeof *s->flights);
    s->legs = arena_array(&c->arena, s->rows.count + 1, sizeof *s->legs);
    for (uint32_t i = 0; i < s->rows.count; i++)
        if (take_flight(s, &s->rows.rows[i], &s->flights[s->flight_count],
                        &s->legs[s->flight_count]))
            s->flight_count++;
    s->trips.slice_count = s->slice_count;
    s->trips.brand_count = s->brand_count;
    build_journeys(c, s);
}
