/* Made by sqlgen from reference.sql: do not edit. Each function queues one execution for the call; *ret is
 * filled before the call's next step. Nullable: text and bytea with .p NULL, others as NULL pointers. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "db/db.h"
#include "grpc/grpc.h"

struct reference_read_installation_row {
    struct str locator_key;
};

void reference_read_installation(struct call *c, struct reference_read_installation_row *ret);

struct reference_read_airports_row {
    struct str iata;
    struct str name;
    struct str city;
    struct str metro;
    struct str area;
    struct str country;
    struct str zone;
    double latitude;
    double longitude;
    int32_t traffic;
};

struct reference_read_airports_rows {
    struct reference_read_airports_row *rows;
    uint32_t count;
    bool truncated;
};

void reference_read_airports(struct call *c, struct reference_read_airports_rows *ret);

struct reference_read_airlines_row {
    struct str iata;
    struct str name;
    struct str ticket_code;
};

struct reference_read_airlines_rows {
    struct reference_read_airlines_row *rows;
    uint32_t count;
    bool truncated;
};

void reference_read_airlines(struct call *c, struct reference_read_airlines_rows *ret);

struct reference_read_aircraft_row {
    struct str code;
    struct str name;
};

struct reference_read_aircraft_rows {
    struct reference_read_aircraft_row *rows;
    uint32_t count;
    bool truncated;
};

void reference_read_aircraft(struct call *c, struct reference_read_aircraft_rows *ret);

struct reference_read_cabins_row {
    struct str aircraft;
    int16_t cabin;
    int16_t first_row;
    int16_t last_row;
    struct str columns;
    struct str exit_rows;
};

struct reference_read_cabins_rows {
    struct reference_read_cabins_row *rows;
    uint32_t count;
    bool truncated;
};

void reference_read_cabins(struct call *c, struct reference_read_cabins_rows *ret);

struct reference_read_brands_row {
    struct str brand;
    int16_t cabin;
    struct str name;
    int32_t price_permille;
    bool refundable;
    int32_t refund_penalty_permille;
    bool changeable;
    int32_t change_penalty_permille;
    int16_t checked_bags;
    int16_t cabin_bags;
};

struct reference_read_brands_rows {
    struct reference_read_brands_row *rows;
    uint32_t count;
    bool truncated;
};

void reference_read_brands(struct call *c, struct reference_read_brands_rows *ret);

struct reference_read_buckets_row {
    int16_t cabin;
    struct str booking_class;
    int32_t upto_permille;
    int32_t price_permille;
};

struct reference_read_buckets_rows {
    struct reference_read_buckets_row *rows;
    uint32_t count;
    bool truncated;
};

void reference_read_buckets(struct call *c, struct reference_read_buckets_rows *ret);

struct reference_read_taxes_row {
    struct str country;
    struct str code;
    struct str name;
    bool international_only;
    int64_t amount_minor;
    bool refundable;
};

struct reference_read_taxes_rows {
    struct reference_read_taxes_row *rows;
    uint32_t count;
    bool truncated;
};

void reference_read_taxes(struct call *c, struct reference_read_taxes_rows *ret);

struct reference_read_connections_row {
    struct str airport;
    struct str kind;
    int32_t minutes;
};

struct reference_read_connections_rows {
    struct reference_read_connections_row *rows;
    uint32_t count;
    bool truncated;
};

void reference_read_connections(struct call *c, struct reference_read_connections_rows *ret);

struct reference_read_zones_row {
    struct str zone;
    int64_t from_time;
    int16_t offset_min;
};

struct reference_read_zones_rows {
    struct reference_read_zones_row *rows;
    uint32_t count;
    bool truncated;
};

/* Offsets of the zones in use from two days ago for 58 weeks. Changes are looked for week by week, then day by day, then by
 * the half hour; no zone changes at another minute. */
void reference_read_zones(struct call *c, struct reference_read_zones_rows *ret);

struct reference_read_routes_row {
    struct str origin;
    struct str destination;
    int32_t distance_km;
};

struct reference_read_routes_rows {
    struct reference_read_routes_row *rows;
    uint32_t count;
    bool truncated;
};

void reference_read_routes(struct call *c, struct reference_read_routes_rows *ret);

extern const struct db_statement reference_read_installation_statement;
extern const struct db_statement reference_read_airports_statement;
extern const struct db_statement reference_read_airlines_statement;
extern const struct db_statement reference_read_aircraft_statement;
extern const struct db_statement reference_read_cabins_statement;
extern const struct db_statement reference_read_brands_statement;
extern const struct db_statement reference_read_buckets_statement;
extern const struct db_statement reference_read_taxes_statement;
extern const struct db_statement reference_read_connections_statement;
extern const struct db_statement reference_read_zones_statement;
extern const struct db_statement reference_read_routes_statement;

/* All of them, NULL at the end. */
extern const struct db_statement *const reference_statements[];
