/* The small world of reference_rig.h: rows as the statements would give them. */
#include "reference_rig.h"

#include <stdlib.h>

#include "base/check.h"

#define S(text)                                                                                    \
    {                                                                                              \
        .p = text, .n = sizeof(text) - 1                                                           \
    }
#define ROWS(array)                                                                                \
    {                                                                                              \
        .rows = array, .count = sizeof(array) / sizeof(array)[0]                                   \
    }
#define US(seconds) (INT64_C(1000000) * (seconds))

static struct reference_read_airports_row airports[] = {
    {S("AMS"), S("Amsterdam Airport Schiphol"), S("Amsterdam"), S("AMS"), S(""), S("NL"),
     S("Europe/Amsterdam"), 52.3, 4.76, 61900},
    {S("CDG"), S("Charles de Gaulle Airport"), S("Paris"), S("PAR"), S(""), S("FR"),
     S("Europe/Paris"), 49.0, 2.55, 67400},
    {S("EWR"), S("Newark Liberty Airport"), S("Newark"), S("NYC"), S("New York"), S("US"),
     S("America/New_York"), 40.7, -74.2, 49000},
    {S("HNL"), S("Daniel K. Inouye Airport"), S("Honolulu"), S("HNL"), S(""), S("US"),
     S("Pacific/Honolulu"), 21.3, -157.9, 21000},
    {S("JFK"), S("John F. Kennedy Airport"), S("New York"), S("NYC"), S(""), S("US"),
     S("America/New_York"), 40.6, -73.8, 62000},
    {S("LGA"), S("LaGuardia Airport"), S("New York"), S("NYC"), S(""), S("US"),
     S("America/New_York"), 40.8, -73.9, 32000},
    {S("LGW"), S("London Gatwick Airport"), S("London"), S("LON"), S(""), S("GB"),
     S("Europe/London"), 51.1, -0.19, 40900},
    {S("LHR"), S("London Heathrow Airport"), S("London"), S("LON"), S(""), S("GB"),
     S("Europe/London"), 51.5, -0.45, 79200},
    {S("NRT"), S("Narita Airport"), S("T\xc5\x8dky\xc5\x8d"), S("NRT"), S(""), S("JP"),
     S("Asia/Tokyo"), 35.8, 140.4, 34800},
    {S("SYD"), S("Sydney Kingsford Smith Airport"), S("Sydney"), S("SYD"), S(""), S("AU"),
     S("Australia/Sydney"), -33.9, 151.2, 41000},
};
static struct reference_read_airlines_row airlines[] = {
    {S("BA"), S("British Airways"), S("125")},
    {S("QF"), S("Qantas"), S("081")},
};
static struct reference_read_aircraft_row aircraft[] = {{S("320"), S("Airbus A320")},
                                                        {S("77W"), S("Boeing 777-300ER")}};
static struct reference_read_cabins_row cabins[] = {
    {S("320"), 1, 7, 32, S("ABC-DEF"), S("12,13")},
    {S("320"), 3, 1, 4, S("AC-DF"), S("")},
    {S("77W"), 1, 25, 50, S("ABC-DEFG-HJK"), S("25,38")},
};
static struct reference_read_brands_row brands[] = {
    {S("ECONOMY_LIGHT"), 1, S("Economy Light"), 1000, false, 0, false, 0, 0, 1},
    {S("ECONOMY_STANDARD"), 1, S("Economy Standard"), 1180, false, 0, true, 250, 1, 1},
    {S("ECONOMY_FLEX"), 1, S("Economy Flex"), 1500, true, 100, true, 0, 1, 1},
    {S("BUSINESS_STANDARD"), 3, S("Business"), 1000, true, 300, true, 100, 2, 2},
};
static struct reference_read_buckets_row buckets[] = {
    {1, S("O"), 100, 450}, {1, S("M"), 560, 1000},  {1, S("Y"), 1000, 2400},
    {3, S("Z"), 300, 700}, {3, S("J"), 1000, 1600},
};
static struct reference_read_taxes_row taxes[] = {
    {S("*"), S("ZX"), S("Safety and security levy"), false, 250, false},
    {S("AU"), S("AU"), S("Passenger movement charge"), true, 4600, true},
    {S("AU"), S("WY"), S("Passenger services charge"), false, 1500, true},
    {S("GB"), S("GB"), S("Air passenger duty"), false, 1700, true},
    {S("GB"), S("UB"), S("Passenger service charge"), false, 2600, true},
    {S("JP"), S("SW"), S("Passenger service facilities charge"), false, 2000, true},
    {S("JP"), S("TK"), S("International tourist tax"), true, 700, false},
    {S("US"), S("AY"), S("September 11th security fee"), false, 560, false},
    {S("US"), S("US"), S("International departure tax"), true, 2220, true},
};
static struct reference_read_connections_row connections[] = {
    {S("*"), S("DD"), 45}, {S("*"), S("DI"), 75},   {S("*"), S("ID"), 90},
    {S("*"), S("II"), 75}, {S("AMS"), S("II"), 50}, {S("LHR"), S("ID"), 95},
};
/* London goes to summer time on 28 March 2027 at 01:00 UTC, New York on 14 March at 07:00. */
static struct reference_read_zones_row zones[] = {
    {S("America/New_York"), US(1795000000), -300}, {S("America/New_York"), US(1805007600), -240},
    {S("Asia/Tokyo"), US(1795000000), 540},        {S("Australia/Sydney"), US(1795000000), 660},
    {S("Europe/Amsterdam"), US(1795000000), 60},   {S("Europe/London"), US(1795000000), 0},
    {S("Europe/London"), US(1806195600), 60},      {S("Europe/Paris"), US(1795000000), 60},
    {S("Pacific/Honolulu"), US(1795000000), -600},
};
static struct reference_read_routes_row routes[] = {
    {S("AMS"), S("JFK"), 5850}, {S("AMS"), S("LHR"), 370}, {S("JFK"), S("AMS"), 5850},
    {S("JFK"), S("LHR"), 5540}, {S("LHR"), S("AMS"), 370}, {S("LHR"), S("JFK"), 5540},
    {S("NRT"), S("HNL"), 6140},
};

struct reference_source rig_source(void)
{
    return (struct reference_source){
        .installation = {S("thirty-two bytes for the tests .")},
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
}

static struct reference *reference;

static void forget(void)
{
    reference = reference_free(reference);
}

struct reference *rig_reference(void)
{
    if (!reference) {
        struct reference_source source = rig_source();
        char error[160];
        reference = reference_new(&source, error, sizeof error);
        CHECK(reference);
        atexit(forget);
    }
    return reference;
}

int64_t rig_now_s = INT64_C(1796000000);

static int64_t wall_ns(const struct clock *c)
{
    (void)c;
    return rig_now_s * NS_PER_S;
}

struct app *rig_app(void)
{
    static const struct clock clock = {.mono_ns = wall_ns, .wall_ns = wall_ns};
    static struct app app;
    app.clock = &clock;
    app.limits = app_limits_default;
    app.reference = rig_reference();
    memset(app.keys, 7, sizeof app.keys[0]);
    app.secret_count = 1;
    return &app;
}
