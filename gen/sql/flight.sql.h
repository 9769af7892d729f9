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

/* Flights of the routes with room for the party in the cabin and still on sale, among the first 40 of a route. A tag is the
 * caller's number of the route. Times are taken from the index in its order, so no sort is needed.
 * Scans: inventory */
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
    int64_t close_time;
};

/* What is left of an offer: its flights that exist, that are on sale, the fewest free seats on one of them, and when
 * the first of them is no longer sold: what a hold ends at. */
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
    bool departed;
    bool landed;
};

struct flight_read_flight_rows {
    struct flight_read_flight_row *rows;
    uint32_t count;
    bool truncated;
};

/* A row for each cabin, in their order; none: no such flight. A LATERAL runs in a loop: the index gives the order, and the
 * batch is not sorted. */
void flight_read_flight(struct call *c, struct flight_read_flight_rows *ret,
    struct uuid flight_id);

struct flight_read_seats_row {
    bool has_aircraft;
    struct str aircraft;
    bool has_cabins;
    int32_t cabins;
    bool has_taken;
    struct str taken;
    int64_t read_time;
};

/* Cabins on the flight, a bit for each, and the seats that are assigned and can be taken over by nobody yet, as claim_seats
 * has it, parted by commas. */
void flight_read_seats(struct call *c, struct flight_read_seats_row *ret,
    struct uuid flight_id);

struct flight_begin_timetable_row {
    struct str snapshot;
    struct str session;
    int64_t read_time;
    int32_t first_date;
};

/* Where a reading of the timetable begins: what commits later is in no snapshot before this one. Dates from three days back:
 * no zone's today, and no flight on from there, lies before. */
void flight_begin_timetable(struct call *c, struct flight_begin_timetable_row *ret);

struct flight_read_departures_row {
    struct str origin;
    struct str destination;
    struct uuid flight_id;
    struct str carrier;
    int32_t number;
    int32_t departure_date;
    int64_t departure_time;
    int64_t arrival_time;
    int16_t departure_offset_min;
    int16_t arrival_offset_min;
    struct str aircraft;
    int32_t distance_km;
    int16_t cabin;
    int32_t authorised;
    int32_t used;
    int64_t base_minor;
    int64_t sales_close_time;
};

struct flight_read_departures_rows {
    struct flight_read_departures_row *rows;
    uint32_t count;
    bool truncated;
};

/* The next @row_count cabins of flights behind the one named, route by route; a flight's cabins follow each other.
 * Scans: inventory */
void flight_read_departures(struct call *c, struct flight_read_departures_rows *ret,
    int32_t first_date,
    struct str origin,
    struct str destination,
    int32_t departure_date,
    int64_t departure_time,
    struct uuid flight_id,
    int16_t cabin,
    int32_t row_count);

struct flight_read_changes_row {
    bool has_snapshot;
    struct str snapshot;
    bool has_session;
    struct str session;
    bool has_read_time;
    int64_t read_time;
    bool is_lost;
    bool has_flight_id;
    struct uuid flight_id;
    bool has_departure_time;
    int64_t departure_time;
    bool has_arrival_time;
    int64_t arrival_time;
    bool has_aircraft;
    struct str aircraft;
    bool has_is_scheduled;
    bool is_scheduled;
    bool has_cabin;
    int16_t cabin;
    bool has_authorised;
    int32_t authorised;
    bool has_used;
    int32_t used;
    bool has_base_minor;
    int64_t base_minor;
    bool has_sales_close_time;
    int64_t sales_close_time;
};

struct flight_read_changes_rows {
    struct flight_read_changes_row *rows;
    uint32_t count;
    bool truncated;
};

/* What changed that the snapshot @since does not see: the flights as they are in this statement's snapshot, which one row
 * brings. Unless @is_whole, those alone that read_departures has passed: the others come with its next rows, which will not
 * be older. @is_lost: more than flights by their ids, or too much, or too long since @since_time, when @since was taken: half
 * of what prune_changes leaves, by the clock that it prunes by.
 * Scans: inventory_change */
void flight_read_changes(struct call *c, struct flight_read_changes_rows *ret,
    struct str since,
    int64_t since_time,
    int32_t first_date,
    bool is_whole,
    struct str origin,
    struct str destination,
    int32_t departure_date,
    int64_t departure_time,
    struct uuid flight_id,
    int16_t cabin);

extern const struct db_statement flight_find_flights_statement;
extern const struct db_statement flight_count_seats_statement;
extern const struct db_statement flight_read_flight_statement;
extern const struct db_statement flight_read_seats_statement;
extern const struct db_statement flight_begin_timetable_statement;
extern const struct db_statement flight_read_departures_statement;
extern const struct db_statement flight_read_changes_statement;

/* All of them, NULL at the end. */
extern const struct db_statement *const flight_statements[];
