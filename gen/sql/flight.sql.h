/* Made by sqlgen from flight.sql: do not edit. Each function queues one execution for the call; *ret is
 * filled before the call's next step. Nullable: text and bytea with .p NULL, others as NULL pointers. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "db/db.h"
#include "grpc/grpc.h"

struct flight_find_flights_row {
    int32_t tag;
    struct uuid flight_id;
    struct str carrier;
    int32_t number;
    int64_t departure_time;
    int64_t arrival_time;
    int16_t departure_offset_min;
    int16_t arrival_offset_min;
    struct str aircraft;
    int32_t distance_km;
    int32_t authorised;
    int32_t used;
    int64_t base_minor;
    int64_t sales_close_time;
};

struct flight_find_flights_rows {
    struct flight_find_flights_row *rows;
    uint32_t count;
    bool truncated;
};

/* Flights of the routes with room for the party in the cabin and still on sale; at most 40 of a route. A tag is the
 * caller's number of the route. Times are taken from the index in its order, so no sort is needed.
 * Scans: flight */
void flight_find_flights(struct call *c, struct flight_find_flights_rows *ret,
    const struct str *origins, size_t origins_count,
    const struct str *destinations, size_t destinations_count,
    const int32_t *first_dates, size_t first_dates_count,
    const int32_t *last_dates, size_t last_dates_count,
    const int32_t *tags, size_t tags_count,
    int16_t cabin,
    int32_t seats);

struct flight_count_seats_row {
    int32_t flights;
    int32_t open_flights;
    bool has_free_seats;
    int32_t free_seats;
};

/* What is left of an offer: its flights that exist, that are on sale, and the fewest free seats on one of them. */
void flight_count_seats(struct call *c, struct flight_count_seats_row *ret,
    const struct uuid *flight_ids, size_t flight_ids_count,
    int16_t cabin);

struct flight_read_flight_row {
    struct str carrier;
    int32_t number;
    struct str origin;
    struct str destination;
    int64_t departure_time;
    int64_t arrival_time;
    int16_t departure_offset_min;
    int16_t arrival_offset_min;
    struct str aircraft;
    int32_t distance_km;
    struct str state;
    int16_t cabin;
    int32_t authorised;
    int32_t used;
    int64_t base_minor;
    bool on_sale;
    bool landed;
};

struct flight_read_flight_rows {
    struct flight_read_flight_row *rows;
    uint32_t count;
    bool truncated;
};

/* A row for each cabin; none: no such flight. */
void flight_read_flight(struct call *c, struct flight_read_flight_rows *ret,
    struct uuid flight_id);

struct flight_read_seats_row {
    bool has_aircraft;
    struct str aircraft;
    bool has_cabins;
    struct str cabins;
    bool has_taken;
    struct str taken;
    int64_t read_time;
};

/* Cabins on the flight and the seats that are assigned and have not lapsed, parted by commas. */
void flight_read_seats(struct call *c, struct flight_read_seats_row *ret,
    struct uuid flight_id);

extern const struct db_statement flight_find_flights_statement;
extern const struct db_statement flight_count_seats_statement;
extern const struct db_statement flight_read_flight_statement;
extern const struct db_statement flight_read_seats_statement;

/* All of them, NULL at the end. */
extern const struct db_statement *const flight_statements[];
