/* See reference.h. world.c calls it once. */
#include "reference.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/check.h"
#include "services/reference.h"

#define ROWS(array)                                                                                \
    {                                                                                              \
        .rows = (array), .count = sizeof(array) / sizeof((array)[0])                               \
    }

static struct reference_read_airports_row airports[] = {
    {STR("JFK"), STR("Kennedy"), STR("New York"), STR("NYC"), STR(""), STR("US"),
     STR("America/New_York"), 40.6, -73.8, 900},
    {STR("KEF"), STR("Keflavik"), STR("Reykjavik"), STR("REK"), STR(""), STR("IS"),
     STR("Atlantic/Reykjavik"), 64.0, -22.6, 100},
    {STR("LGW"), STR("Gatwick"), STR("London"), STR("LON"), STR(""), STR("GB"),
     STR("Europe/London"), 51.1, -0.2, 500},
    {STR("LHR"), STR("Heathrow"), STR("London"), STR("LON"), STR(""), STR("GB"),
     STR("Europe/London"), 51.5, -0.5, 1000},
};

static struct reference_read_airlines_row airlines[] = {
    {STR("BA"), STR("British Airways"), STR("125")},
};

static struct reference_read_aircraft_row aircraft[] = {
    {STR("77W"), STR("Boeing 777-300ER")},
};

static struct reference_read_cabins_row cabins[] = {
    {STR("77W"), 1, 20, 60, STR("ABC-DEFG-HJK"), STR("20,40")},
    {STR("77W"), 2, 12, 16, STR("AB-DEFG-JK"), STR("")},
    {STR("77W"), 3, 5, 11, STR("A-DG-K"), STR("")},
    {STR("77W"), 4, 1, 2, STR("A-DG-K"), STR("")},
};

static struct reference_read_brands_row brands[] = {
    {STR("ECONOMY_LIGHT"), 1, STR("Light"), 1000, false, 0, false, 0, 0, 1},
    {STR("ECONOMY_FLEX"), 1, STR("Flex"), 1300, true, 100, true, 50, 1, 1},
    {STR("PREMIUM_STANDARD"), 2, STR("Premium"), 1000, true, 100, true, 50, 2, 1},
    {STR("BUSINESS_STANDARD"), 3, STR("Business"), 1000, true, 0, true, 0, 2, 2},
    {STR("FIRST_STANDARD"), 4, STR("First"), 1000, true, 0, true, 0, 3, 2},
};

static struct reference_read_buckets_row buckets[] = {
    {1, STR("O"), 500, 800},   {1, STR("Y"), 1000, 1200}, {2, STR("W"), 1000, 1000},
    {3, STR("J"), 1000, 1000}, {4, STR("F"), 1000, 1000},
};

static struct reference_read_taxes_row taxes[] = {
    {STR("*"), STR("YQ"), STR("Carrier charge"), false, 2500, false},
    {STR("GB"), STR("GB"), STR("Air Passenger Duty"), true, 8000, true},
    {STR("US"), STR("US"), STR("Departure tax"), true, 2100, true},
};

static struct reference_read_connections_row connections[] = {
    {STR("KEF"), STR("II"), 45},
};

static struct reference_read_zones_row zones[] = {
    {STR("America/New_York"), INT64_C(1690000000000000), -300},
    {STR("Atlantic/Reykjavik"), INT64_C(1690000000000000), 0},
    {STR("Europe/London"), INT64_C(1690000000000000), 0},
};

static struct reference_read_routes_row routes[] = {
    {STR("JFK"), STR("KEF"), 4200}, {STR("JFK"), STR("LHR"), 5500}, {STR("KEF"), STR("JFK"), 4200},
    {STR("KEF"), STR("LHR"), 1900}, {STR("LGW"), STR("JFK"), 5550}, {STR("LHR"), STR("JFK"), 5500},
    {STR("LHR"), STR("KEF"), 1900},
};

struct reference *world_reference(void)
{
    const struct reference_source source = {
        .installation = {STR("thirty-two bytes for the tests .")},
        .airports = ROWS(airports),
        .airlines = ROWS(airlines),
        .aircraft = ROWS(aircraft),
        .cabins = ROWS(cabins),
        .brands = ROWS(brands),
        .buckets = ROWS(buckets),
        .taxes = ROWS(taxes),
        .connections = ROWS(connections),
        .zones = ROWS(zones),
        .routes = ROWS(routes),
    };
    char error[256] = "";
    struct reference *made = reference_new(&source, error, sizeof error);
    if (!made)
        fprintf(stderr, "torture: reference data: %s\n", error);
    CHECK(made);
    return made;
}
