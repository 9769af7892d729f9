/* Airports, airlines, aircraft, fares, taxes and routes of this process: read once from the
 * database into one immutable object, looked up in memory ever after. Search, offers and seat maps
 * use it. What must stay true: nothing in it changes; a reload makes another, and the one before
 * lives on until the next reload, so calls under way keep what they hold (a call lives for seconds,
 * reloads are minutes apart). */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/reason.h"
#include "base/str.h"
#include "domain/fares.h"
#include "domain/locator.h"
#include "domain/zone.h"
#include "gen/sql/reference.sql.h"

struct app;
struct server;

#define REFERENCE_CABINS 5 /* index: faregate.v1.Cabin */
#define REFERENCE_BRAND_NONE 255
#define REFERENCE_CITY_AIRPORTS_MAX 12
#define REFERENCE_PLACES_MAX 50 /* in one answer */

/* Kinds of a connection: domestic or international, in and out. */
enum connection_kind {
    CONNECTION_DD,
    CONNECTION_DI,
    CONNECTION_ID,
    CONNECTION_II,
    CONNECTION_KINDS
};

/* One end of a route as the other sees it. */
struct reference_route {
    uint16_t airport;
    uint16_t distance_km;
};

struct reference_airport {
    char *iata; /* NUL-terminated like all texts here; char * because messages want it */
    char *name;
    char *city;
    char *country;
    char *metro;
    char *area; /* the name of its area where that is not its city's; "": none */
    char *zone_name;
    struct zone_rules zone;
    double latitude;
    double longitude;
    int32_t traffic;
    uint16_t connection_min[CONNECTION_KINDS];
    uint16_t tax_first; /* of its country, in taxes[]; those of everywhere are taxes[0 ..
                           tax_everywhere) */
    uint16_t tax_count;
    const struct reference_route *to;   /* airports that flights go to, ascending */
    const struct reference_route *from; /* airports that flights come from, ascending */
    uint16_t to_count;
    uint16_t from_count;
};

/* A metropolitan area with more than one airport, the busiest first. */
struct reference_city {
    char *iata;
    char *name;
    uint16_t airports[REFERENCE_CITY_AIRPORTS_MAX];
    uint16_t airport_count;
    int32_t traffic;
};

struct reference_airline {
    char *iata;
    char *name;
    char *ticket_code; /* three digits */
};

struct reference_cabin {
    bool exists;
    int16_t first_row;
    int16_t last_row;
    char *columns;
    const int16_t *exit_rows;
    uint16_t exit_row_count;
    uint32_t letters;         /* of the columns, a bit for each */
    uint32_t free_rows_bytes; /* of all together */
    const struct str
        *free_rows; /* from the first row on: as seat_row.h writes them, no seat taken */
};

struct reference_aircraft {
    char *code;
    char *name;
    struct reference_cabin cabins[REFERENCE_CABINS];
};

struct reference_brand {
    char *code; /* ECONOMY_LIGHT */
    char *name;
    uint16_t key; /* hash of the code: what sealed offers say */
    uint8_t cabin;
    int32_t price_permille;
    struct fare_terms terms;
};

struct reference_tax {
    uint32_t key; /* country and code, two letters each: taxes are in its order */
    char *country;
    char *code;
    char *name;
    bool international_only;
    bool refundable;
    int64_t amount_minor; /* dollar cents, each passenger with a seat, each departure */
};

/* A text that a place is found by: the place's key from the beginning of one of its words. */
struct reference_word {
    const char *text;
    uint16_t place; /* an airport, or a city from airport_count on */
    uint8_t kind;   /* 0 code, 1 beginning of city or name, 2 a later word */
};

struct reference {
    uint8_t locator_key[LOCATOR_KEY_BYTES];   /* of the installation */
    const struct reference_airport *airports; /* in order of their codes */
    const struct reference_city *cities;      /* the same */
    const struct reference_airline *airlines;
    const struct reference_aircraft *aircraft;
    const struct reference_brand *brands; /* in order of cabin and price */
    const struct reference_tax *taxes;    /* everywhere first, then by country */
    const struct reference_word *words;   /* in order of their texts */
    const struct fare_bucket *buckets[REFERENCE_CABINS];
    uint16_t airport_count, city_count, airline_count, aircraft_count, brand_count;
    uint16_t tax_count, tax_everywhere;
    uint16_t bucket_count[REFERENCE_CABINS];
    uint32_t word_count, route_count;
    uint16_t airport_by_code[26 * 26 * 26]; /* index + 1; 0: none */
    struct reference *before;               /* what this one replaced */
    struct arena arena;
    struct arena_pool pool;
};

/* The rows that one is made of; a test may write them by hand. */
struct reference_source {
    struct reference_read_installation_row installation;
    struct reference_read_airports_rows airports;
    struct reference_read_airlines_rows airlines;
    struct reference_read_aircraft_rows aircraft;
    struct reference_read_cabins_rows cabins;
    struct reference_read_brands_rows brands;
    struct reference_read_buckets_rows buckets;
    struct reference_read_taxes_rows taxes;
    struct reference_read_connections_rows connections;
    struct reference_read_zones_rows zones;
    struct reference_read_routes_rows routes;
};

/* NULL when the rows make no sense (unknown airport in a route, no buckets ...) with one line in
 * @error. */
struct reference *reference_new(const struct reference_source *source, char *error,
                                size_t error_bytes);

/* An internal call reading the reference tables into app->reference; may be run again to refresh.
 */
void reference_load(struct server *server, struct app *app, void (*on_end)(void *ctx, enum reason),
                    void *ctx);
struct reference *reference_free(struct reference *reference);

/* Look-ups; NULL, or -1, where there is none. */
int reference_airport_index(const struct reference *reference, struct str iata);
const struct reference_airport *reference_airport(const struct reference *reference,
                                                  struct str iata);
const struct reference_city *reference_city(const struct reference *reference, struct str iata);
const struct reference_airline *reference_airline(const struct reference *reference,
                                                  struct str iata);
const struct reference_aircraft *reference_aircraft(const struct reference *reference,
                                                    struct str code);
const struct reference_tax *reference_tax(const struct reference *reference, struct str country,
                                          struct str code);
/* Index in brands, or REFERENCE_BRAND_NONE. */
uint8_t reference_brand_of_key(const struct reference *reference, uint16_t key);
uint16_t reference_brand_key(struct str code);

/* The airports that a code of an airport or a metropolitan area stands for; a code that is both
 * stands for the area. Returns how many; 0: unknown. */
size_t reference_expand(const struct reference *reference, struct str iata,
                        uint16_t ret_airports[static REFERENCE_CITY_AIRPORTS_MAX]);

/* Places whose code, name or city begins with @query (folded here), the best first: an exact code,
 * then cities, then airports by traffic; if there is none, then those that begin with it without
 * its spaces. Airports have the name of their area as well. An index up to airport_count is an
 * airport, above it a city. Returns how many. */
size_t reference_places(const struct reference *reference, struct str query, size_t places_max,
                        uint16_t *ret_places);

/* Lower-case ASCII letters and digits, words parted by one space; @ret_text of at least 2 * text.n
 * + 1 bytes. Returns the length. */
size_t reference_fold(struct str text, char *ret_text);
