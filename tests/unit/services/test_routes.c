/* Which routes a search asks for: every slice has its share, whatever the others could take. */
#include "services/flight/internal.h"
#include "support/test.h"

/* From HERE to THERE straight and over each of the airports between, which lie ever farther off the
 * way; nothing flies to or from the other airports of the two areas. */
enum { HERE, BETWEEN, BETWEENS = 14, THERE = BETWEEN + BETWEENS, OTHERS };

static struct reference_airport airports[OTHERS + 2 * REFERENCE_CITY_AIRPORTS_MAX];
static struct reference_route from_here[THERE], to_there[THERE];
static const struct zone_span utc = {0};
static const struct reference_route here = {.airport = HERE}, there = {.airport = THERE};
static const struct reference reference = {.airports = airports};
static struct arena_pool pool;
static struct call call;
static struct search s;

static void make_reference(void)
{
    for (uint16_t i = BETWEEN; i <= THERE; i++) {
        from_here[i - BETWEEN] = (struct reference_route){.airport = i, .distance_km = 100 + i};
        airports[i] = (struct reference_airport){
            .to = &there, .to_count = i < THERE, .from = &here, .from_count = 1};
    }
    for (uint16_t i = HERE; i < THERE; i++)
        to_there[i] = (struct reference_route){.airport = i, .distance_km = 100};
    airports[HERE] = (struct reference_airport){.to = from_here, .to_count = THERE};
    airports[THERE].from = to_there;
    airports[THERE].from_count = THERE;
    for (size_t i = 0; i < sizeof airports / sizeof airports[0]; i++)
        airports[i].zone = (struct zone_rules){.spans = &utc, .count = 1};
}

/* The same slice @slices times, between areas of so many airports; those that are flown come last.
 */
static void plan(unsigned slices, uint16_t area)
{
    static const Faregate__V1__SearchOffersRequest request = {.max_connections = 1};
    arena_reset(&call.arena);
    if (!call.arena.pool) {
        arena_pool_init(&pool, 64);
        arena_init(&call.arena, &pool, 64 << 20);
    }
    make_reference();
    s = (struct search){.req = &request, .reference = &reference, .slice_count = slices};
    for (unsigned k = 0; k < slices; k++) {
        struct search_slice *x = &s.slices[k];
        for (uint16_t i = 1; i < area; i++) {
            x->origins[x->origin_count++] = (uint16_t)(OTHERS + i);
            x->destinations[x->destination_count++] =
                (uint16_t)(OTHERS + REFERENCE_CITY_AIRPORTS_MAX + i);
        }
        x->origins[x->origin_count++] = HERE;
        x->destinations[x->destination_count++] = THERE;
    }
    search_plan_routes(&call, &s);
    ASSERT_TRUE(s.route_count <= SEARCH_ROUTES_MAX);
}

static unsigned count(unsigned slice, enum route_role role, uint16_t origin, uint16_t destination)
{
    unsigned found = 0;
    for (size_t i = 0; i < s.route_count; i++)
        found += s.routes[i].slice == slice && s.routes[i].role == role &&
                 s.routes[i].origin == origin && s.routes[i].destination == destination;
    return found;
}

/* How many of the nearest airports between are tried. */
static unsigned nearest(unsigned slice)
{
    unsigned n = 0;
    for (uint16_t via = BETWEEN; via < THERE && count(slice, ROUTE_FIRST, HERE, via) == 1 &&
                                 count(slice, ROUTE_SECOND, via, THERE) == 1;
         via++)
        n++;
    return n;
}

TEST(routes, of_one_or_two_slices_are_so_many)
{
    plan(1, 1);
    ASSERT_INT_EQ(nearest(0), 12);
    ASSERT_INT_EQ(s.route_count, 1 + 2 * 12);
    plan(2, 1);
    ASSERT_INT_EQ(nearest(0), 6);
    ASSERT_INT_EQ(nearest(1), 6);
    ASSERT_INT_EQ(s.route_count, 2 + 4 * 6);
}

TEST(routes, reach_as_far_from_the_way_for_the_last_slice_as_for_the_first)
{
    for (unsigned slices = 3; slices <= ITINERARY_SLICES_MAX; slices++) {
        plan(slices, 1);
        for (unsigned k = 0; k < slices; k++) {
            ASSERT_INT_EQ(count(k, ROUTE_DIRECT, HERE, THERE), 1);
            ASSERT_INT_EQ(nearest(k), 12);
        }
    }
}

TEST(routes, that_nobody_flies_take_the_place_of_none)
{
    for (unsigned slices = 1; slices <= ITINERARY_SLICES_MAX; slices++) {
        plan(slices, REFERENCE_CITY_AIRPORTS_MAX);
        for (unsigned k = 0; k < slices; k++) {
            ASSERT_INT_EQ(count(k, ROUTE_DIRECT, HERE, THERE), 1);
            ASSERT_INT_EQ(nearest(k), slices == 2 ? 6 : 12);
        }
    }
    ASSERT_TRUE(count(0, ROUTE_DIRECT, OTHERS + 1, THERE) == 1); /* nor are they left out */
}
