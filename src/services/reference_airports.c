/* Where one can fly: airports with their zones, taxes and connection times, routes, metropolitan
 * areas. Part of making the reference. */
#include <stdlib.h>

#include "base/check.h"
#include "services/reference_internal.h"

#define CONNECTION_DEFAULT_MIN 60 /* where the data names no default */
#define AIRPORTS_MAX 60000        /* indexes are 16 bits, cities share them */

static int kind_of(struct str text)
{
    static const char *const names[CONNECTION_KINDS] = {"DD", "DI", "ID", "II"};
    for (int i = 0; i < CONNECTION_KINDS; i++)
        if (str_eq(text, str_of(names[i])))
            return i;
    return -1;
}

/* The airport's own rule is more specific than that of everywhere. */
static void build_connections(struct reference_build *b)
{
    const struct reference_read_connections_rows *rows = &b->source->connections;
    uint16_t standard[CONNECTION_KINDS];
    for (int k = 0; k < CONNECTION_KINDS; k++)
        standard[k] = CONNECTION_DEFAULT_MIN;
    for (uint32_t i = 0; i < rows->count; i++) {
        int kind = kind_of(rows->rows[i].kind);
        if (kind >= 0 && str_eq(rows->rows[i].airport, STR("*")))
            standard[kind] = (uint16_t)rows->rows[i].minutes;
    }
    for (uint16_t i = 0; i < b->made->airport_count; i++)
        memcpy(b->airports[i].connection_min, standard, sizeof standard);
    for (uint32_t i = 0; i < rows->count; i++) {
        int kind = kind_of(rows->rows[i].kind);
        int airport = reference_airport_index(b->made, rows->rows[i].airport);
        if (kind >= 0 && airport >= 0)
            b->airports[airport].connection_min[kind] = (uint16_t)rows->rows[i].minutes;
    }
}

static void take_taxes(const struct reference *made, struct reference_airport *a)
{
    for (uint16_t i = made->tax_everywhere; i < made->tax_count; i++) {
        if (!str_eq(str_of(made->taxes[i].country), str_of(a->country)))
            continue;
        if (a->tax_count++ == 0)
            a->tax_first = i;
    }
}

/* Zones come in order of name; airports look theirs up. */
static bool take_zone(struct reference_build *b, const struct zone_span *spans,
                      struct reference_airport *a)
{
    const struct reference_read_zones_rows *rows = &b->source->zones;
    struct str name = str_of(a->zone_name);
    uint32_t low = 0, high = rows->count;
    while (low < high) {
        uint32_t middle = (low + high) / 2;
        struct str other = rows->rows[middle].zone;
        int order = memcmp(other.p, name.p, other.n < name.n ? other.n : name.n);
        if (order < 0 || (order == 0 && other.n < name.n))
            low = middle + 1;
        else
            high = middle;
    }
    a->zone.spans = &spans[low];
    while (low < rows->count && str_eq(rows->rows[low].zone, name)) {
        a->zone.count++;
        low++;
    }
    return a->zone.count > 0 ||
           reference_refuse(b, "airport %s: no rules for time zone %s", a->iata, a->zone_name);
}

static void take_airport(struct arena *arena, const struct reference_read_airports_row *row,
                         struct reference_airport *a)
{
    a->iata = arena_dup(arena, row->iata);
    a->name = arena_dup(arena, row->name);
    a->city = arena_dup(arena, row->city);
    a->country = arena_dup(arena, row->country);
    a->metro = arena_dup(arena, row->metro);
    a->area = arena_dup(arena, row->area);
    a->zone_name = arena_dup(arena, row->zone);
    a->latitude = row->latitude;
    a->longitude = row->longitude;
    a->traffic = row->traffic;
}

bool reference_build_airports(struct reference_build *b)
{
    const struct reference_read_airports_rows *rows = &b->source->airports;
    const struct reference_read_zones_rows *zones = &b->source->zones;
    struct reference *made = b->made;
    if (rows->count > AIRPORTS_MAX)
        return reference_refuse(b, "%u airports are too many", rows->count);
    struct zone_span *spans = arena_array(&made->arena, zones->count + 1, sizeof *spans);
    for (uint32_t i = 0; i < zones->count; i++)
        spans[i] = (struct zone_span){
            .from_s = zones->rows[i].from_time / US_PER_S,
            .offset_min = zones->rows[i].offset_min,
        };
    b->airports = arena_array(&made->arena, rows->count + 1, sizeof *b->airports);
    made->airports = b->airports;
    for (uint16_t i = 0; i < rows->count; i++) {
        struct reference_airport *a = &b->airports[i];
        struct str iata = rows->rows[i].iata;
        if (iata.n != 3 || iata.p[0] < 'A' || iata.p[1] < 'A' || iata.p[2] < 'A' ||
            iata.p[0] > 'Z' || iata.p[1] > 'Z' || iata.p[2] > 'Z')
            return reference_refuse(b, "airport code %.*s", (int)iata.n, iata.p);
        take_airport(&made->arena, &rows->rows[i], a);
        take_taxes(made, a);
        if (!take_zone(b, spans, a))
            return false;
        made->airport_by_code[((iata.p[0] - 'A') * 26 + iata.p[1] - 'A') * 26 + iata.p[2] - 'A'] =
            (uint16_t)(i + 1);
        made->airport_count++;
    }
    build_connections(b);
    return true;
}

/* Every airport's share of one array, in order of airports; counts become offsets and grow back. */
static void build_from(struct reference_build *b, uint32_t count)
{
    struct reference_route *from = arena_array(&b->made->arena, count + 1, sizeof *from);
    uint32_t first = 0;
    for (uint16_t i = 0; i < b->made->airport_count; i++) {
        b->airports[i].from = &from[first];
        first += b->airports[i].from_count;
        b->airports[i].from_count = 0;
    }
    for (uint16_t i = 0; i < b->made->airport_count; i++)
        for (uint16_t k = 0; k < b->airports[i].to_count; k++) {
            struct reference_route route = b->airports[i].to[k];
            struct reference_airport *a = &b->airports[route.airport];
            from[(size_t)(a->from - from) + a->from_count++] =
                (struct reference_route){.airport = i, .distance_km = route.distance_km};
        }
}

/* Rows come in order of (origin, destination): both lists of every airport grow in order. */
bool reference_build_routes(struct reference_build *b)
{
    const struct reference_read_routes_rows *rows = &b->source->routes;
    struct reference_route *to = arena_array(&b->made->arena, rows->count + 1, sizeof *to);
    for (uint32_t i = 0; i < rows->count; i++) {
        int origin = reference_airport_index(b->made, rows->rows[i].origin);
        int destination = reference_airport_index(b->made, rows->rows[i].destination);
        if (origin < 0 || destination < 0)
            return reference_refuse(b, "a route has an unknown airport");
        to[i] = (struct reference_route){
            .airport = (uint16_t)destination,
            .distance_km = (uint16_t)rows->rows[i].distance_km,
        };
        if (b->airports[origin].to_count++ == 0)
            b->airports[origin].to = &to[i];
        b->airports[destination].from_count++;
    }
    build_from(b, rows->count);
    b->made->route_count = rows->count;
    return true;
}

/* An airport and its area, to bring the airports of an area together, the busiest first. */
struct member {
    const struct reference_airport *airport;
    uint16_t index;
};

static int by_metro(const void *a, const void *b)
{
    const struct member *x = a, *y = b;
    int order = strcmp(x->airport->metro, y->airport->metro);
    if (order != 0)
        return order;
    if (x->airport->traffic != y->airport->traffic)
        return x->airport->traffic < y->airport->traffic ? 1 : -1;
    return x->index < y->index ? -1 : 1;
}

void reference_build_cities(struct reference_build *b)
{
    struct reference *made = b->made;
    struct member *members = arena_array(&made->arena, made->airport_count + 1u, sizeof *members);
    struct reference_city *cities =
        arena_array(&made->arena, made->airport_count / 2u + 1u, sizeof *cities);
    for (uint16_t i = 0; i < made->airport_count; i++)
        members[i] = (struct member){.airport = &made->airports[i], .index = i};
    qsort(members, made->airport_count, sizeof *members, by_metro);
    for (uint16_t i = 0, end; i < made->airport_count; i = end) {
        const struct reference_airport *busiest = members[i].airport;
        for (end = i;
             end < made->airport_count && strcmp(members[end].airport->metro, busiest->metro) == 0;)
            end++;
        if (end - i < 2 || !busiest->metro[0])
            continue;
        struct reference_city *city = &cities[made->city_count++];
        *city = (struct reference_city){
            .iata = busiest->metro,
            .name = busiest->area[0] ? busiest->area : busiest->city,
        };
        for (uint16_t k = i; k < end; k++) {
            city->traffic += members[k].airport->traffic;
            if (city->airport_count < REFERENCE_CITY_AIRPORTS_MAX)
                city->airports[city->airport_count++] = members[k].index;
        }
    }
    made->cities = cities;
}
