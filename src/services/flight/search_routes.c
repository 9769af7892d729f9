/* Which routes a search asks for: the direct ones, and with connections those to and from the
 * airports in between that the reference data knows flights for. One look then fetches the flights
 * of all. What must stay true: never more than SEARCH_ROUTES_MAX routes, the direct ones that are
 * flown first, those that may well be in vain last. */
#include <stdlib.h>

#include "base/check.h"
#include "domain/geo.h"
#include "services/flight/internal.h"

#define DAY_S INT64_C(86400)
#define DETOUR_PERMILLE 1800 /* a connection may be so much longer than the direct way, */
#define DETOUR_KM 400        /* and so much more */
#define FASTEST_KMH 1000
#define SLOWEST_KMH 450
#define GROUND_S 3600

static void add_route(struct search *s, unsigned slice, enum route_role role, uint16_t origin,
                      uint16_t destination, int32_t first_date, int32_t last_date)
{
    if (s->route_count == SEARCH_ROUTES_MAX)
        return;
    s->routes[s->route_count++] = (struct search_route){.origin = origin,
                                                        .destination = destination,
                                                        .first_date = first_date,
                                                        .last_date = last_date,
                                                        .slice = (uint8_t)slice,
                                                        .role = (uint8_t)role};
}

static const struct reference_route *route_to(const struct reference *r, uint16_t origin,
                                              uint16_t destination)
{
    const struct reference_airport *a = &r->airports[origin];
    for (uint16_t low = 0, high = a->to_count; low < high;) {
        uint16_t middle = (uint16_t)((low + high) / 2);
        if (a->to[middle].airport == destination)
            return &a->to[middle];
        if (a->to[middle].airport < destination)
            low = (uint16_t)(middle + 1);
        else
            high = middle;
    }
    return NULL;
}

/* Pairs of airports that are flown, or the others: the timetable may be newer than the reference
 * data. */
static void add_direct(struct search *s, bool flown)
{
    for (unsigned slice = 0; slice < s->slice_count; slice++) {
        const struct search_slice *x = &s->slices[slice];
        for (size_t i = 0; i < x->origin_count; i++)
            for (size_t k = 0; k < x->destination_count; k++)
                if ((route_to(s->reference, x->origins[i], x->destinations[k]) != NULL) == flown)
                    add_route(s, slice, ROUTE_DIRECT, x->origins[i], x->destinations[k],
                              x->date_days, x->date_days);
    }
}

/* An airport in between and how far the way over it is. */
struct via {
    uint32_t km;
    uint16_t airport;
};

static int by_km(const void *a, const void *b)
{
    const struct via *x = a, *y = b;
    return x->km != y->km ? (x->km > y->km) - (x->km < y->km)
                          : (x->airport > y->airport) - (x->airport < y->airport);
}

static bool is_end(const struct search_slice *x, uint16_t airport)
{
    for (size_t i = 0; i < x->origin_count; i++)
        if (x->origins[i] == airport)
            return true;
    for (size_t i = 0; i < x->destination_count; i++)
        if (x->destinations[i] == airport)
            return true;
    return false;
}

/* Airports with flights from @origin and to @destination, both lists ascending, that are not too
 * far out of the way. */
static size_t find_vias(const struct search *s, const struct search_slice *x, uint16_t origin,
                        uint16_t destination, struct via *ret, size_t max)
{
    const struct reference_airport *a = &s->reference->airports[origin],
                                   *b = &s->reference->airports[destination];
    uint32_t direct_km =
        (uint32_t)geo_distance_km(a->latitude, a->longitude, b->latitude, b->longitude);
    size_t count = 0;
    for (uint16_t i = 0, k = 0; i < a->to_count && k < b->from_count;) {
        const struct reference_route *to = &a->to[i], *from = &b->from[k];
        if (to->airport < from->airport) {
            i++;
        } else if (to->airport > from->airport) {
            k++;
        } else {
            uint32_t km = (uint32_t)to->distance_km + from->distance_km;
            if (km <= direct_km * DETOUR_PERMILLE / 1000 + DETOUR_KM && !is_end(x, to->airport) &&
                count < max)
                ret[count++] = (struct via){.km = km, .airport = to->airport};
            i++;
            k++;
        }
    }
    return count;
}

static int32_t day_floor(int64_t s)
{
    return (int32_t)(s / DAY_S - (s % DAY_S < 0));
}

/* The local dates on which one can leave @via having left @origin on @date: from the distance and
 * the zones. */
static void onward_dates(const struct reference *r, uint16_t origin, uint16_t via, int32_t km,
                         int32_t date, int32_t *ret_first, int32_t *ret_last)
{
    int64_t noon_s = date * DAY_S + DAY_S / 2;
    int64_t shift_s = (zone_offset_min(&r->airports[via].zone, noon_s) -
                       zone_offset_min(&r->airports[origin].zone, noon_s)) *
                      INT64_C(60);
    int64_t start_s = date * DAY_S + shift_s;
    *ret_first = day_floor(start_s + km * INT64_C(3600) / FASTEST_KMH);
    *ret_last = day_floor(start_s + DAY_S + km * INT64_C(3600) / SLOWEST_KMH + GROUND_S +
                          CONNECTION_MAX_MIN * INT64_C(60));
}

static void add_via(struct search *s, unsigned slice, uint16_t via)
{
    const struct search_slice *x = &s->slices[slice];
    int32_t first = INT32_MAX, last = INT32_MIN;
    for (size_t i = 0; i < x->origin_count; i++) {
        const struct reference_route *route = route_to(s->reference, x->origins[i], via);
        if (!route)
            continue;
        int32_t one, other;
        onward_dates(s->reference, x->origins[i], via, route->distance_km, x->date_days, &one,
                     &other);
        first = one < first ? one : first;
        last = other > last ? other : last;
        add_route(s, slice, ROUTE_FIRST, x->origins[i], via, x->date_days, x->date_days);
    }
    for (size_t i = 0; i < x->destination_count; i++)
        if (route_to(s->reference, via, x->destinations[i]))
            add_route(s, slice, ROUTE_SECOND, via, x->destinations[i], first, last);
}

#define VIAS_CONSIDERED_MAX 512

/* The shortest ways of a slice first, and how many of them have been taken or left out. */
struct ways {
    struct via *vias;
    size_t count;
    size_t at;
};

static struct ways find_ways(struct call *c, const struct search *s, const struct search_slice *x)
{
    struct ways w = {.vias = arena_array(&c->arena, VIAS_CONSIDERED_MAX, sizeof *w.vias)};
    for (size_t i = 0; i < x->origin_count; i++)
        for (size_t k = 0; k < x->destination_count; k++)
            w.count += find_vias(s, x, x->origins[i], x->destinations[k], w.vias + w.count,
                                 VIAS_CONSIDERED_MAX - w.count);
    qsort(w.vias, w.count, sizeof *w.vias, by_km);
    return w;
}

/* Each airport once. */
static void add_next_via(struct search *s, unsigned slice, struct ways *w)
{
    for (bool seen = true; seen && w->at < w->count; w->at++) {
        seen = false;
        for (size_t i = 0; i < w->at && !seen; i++)
            seen = w->vias[i].airport == w->vias[w->at].airport;
        if (!seen)
            add_via(s, slice, w->vias[w->at].airport);
    }
}

/* An airport for each slice in turn: one slice without a way leaves the others without a trip. A
 * return, which is asked for most, costs what a one-way search does; the more slices there are, the
 * likelier is one that needs an airport far out, and the routes are limited anyway. */
static void add_connections(struct call *c, struct search *s)
{
    struct ways ways[ITINERARY_SLICES_MAX];
    unsigned rounds = s->slice_count == 2 ? SEARCH_VIAS_MAX / 2 : SEARCH_VIAS_MAX;
    for (unsigned k = 0; k < s->slice_count; k++)
        ways[k] = find_ways(c, s, &s->slices[k]);
    for (unsigned round = 0; round < rounds; round++)
        for (unsigned k = 0; k < s->slice_count; k++)
            add_next_via(s, k, &ways[k]);
}

void search_plan_routes(struct call *c, struct search *s)
{
    bool connections = s->req->max_connections > 0;
    size_t direct = 0;
    for (unsigned i = 0; i < s->slice_count; i++)
        direct += s->slices[i].origin_count * s->slices[i].destination_count;
    size_t max = connections || direct > SEARCH_ROUTES_MAX ? SEARCH_ROUTES_MAX : direct;
    s->routes = arena_array(&c->arena, max, sizeof *s->routes);
    add_direct(s, true);
    if (connections)
        add_connections(c, s);
    add_direct(s, false);
}
