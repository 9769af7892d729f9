/* Made by sqlgen from reference.sql: do not edit. */
#include "reference.sql.h"

static const struct db_column read_installation_columns[] = {
    {.name = "locator_key", .type = DB_BYTEA,
     .offset = offsetof(struct reference_read_installation_row, locator_key)},
};

const struct db_statement reference_read_installation_statement = {
    .name = "reference_read_installation",
    .sql_one =
        "SELECT locator_key FROM installation",
    .sql_many = NULL,
    .columns = read_installation_columns,
    .column_count = 1,
    .row_bytes = sizeof(struct reference_read_installation_row),
    .cardinality = DB_ONE,
    .is_read = true,
    .rows_max = 0,
    .key_param = -1,
    .distinct_param = -1,
    .batch_max = 1,
};

void reference_read_installation(struct call *c, struct reference_read_installation_row *ret)
{
    db_submit(&c->scope, &reference_read_installation_statement, NULL, ret);
}

static const struct db_column read_airports_columns[] = {
    {.name = "iata", .type = DB_TEXT,
     .offset = offsetof(struct reference_read_airports_row, iata)},
    {.name = "name", .type = DB_TEXT,
     .offset = offsetof(struct reference_read_airports_row, name)},
    {.name = "city", .type = DB_TEXT,
     .offset = offsetof(struct reference_read_airports_row, city)},
    {.name = "metro", .type = DB_TEXT,
     .offset = offsetof(struct reference_read_airports_row, metro)},
    {.name = "area", .type = DB_TEXT,
     .offset = offsetof(struct reference_read_airports_row, area)},
    {.name = "country", .type = DB_TEXT,
     .offset = offsetof(struct reference_read_airports_row, country)},
    {.name = "zone", .type = DB_TEXT,
     .offset = offsetof(struct reference_read_airports_row, zone)},
    {.name = "latitude", .type = DB_FLOAT8,
     .offset = offsetof(struct reference_read_airports_row, latitude)},
    {.name = "longitude", .type = DB_FLOAT8,
     .offset = offsetof(struct reference_read_airports_row, longitude)},
    {.name = "traffic", .type = DB_INT4,
     .offset = offsetof(struct reference_read_airports_row, traffic)},
};

const struct db_statement reference_read_airports_statement = {
    .name = "reference_read_airports",
    .sql_one =
        "SELECT iata, name, city, metro, area, country, zone, latitude, longitude, traffic FROM airport ORDER BY iata COLLATE \"C\"",
    .sql_many = NULL,
    .columns = read_airports_columns,
    .column_count = 10,
    .row_bytes = sizeof(struct reference_read_airports_row),
    .cardinality = DB_MANY,
    .is_read = true,
    .rows_max = 20000,
    .key_param = -1,
    .distinct_param = -1,
    .batch_max = 1,
};

_Static_assert(sizeof(struct reference_read_airports_rows) == sizeof(struct db_rows), "the twin of db_rows");

void reference_read_airports(struct call *c, struct reference_read_airports_rows *ret)
{
    db_submit(&c->scope, &reference_read_airports_statement, NULL, ret);
}

static const struct db_column read_airlines_columns[] = {
    {.name = "iata", .type = DB_TEXT,
     .offset = offsetof(struct reference_read_airlines_row, iata)},
    {.name = "name", .type = DB_TEXT,
     .offset = offsetof(struct reference_read_airlines_row, name)},
    {.name = "ticket_code", .type = DB_TEXT,
     .offset = offsetof(struct reference_read_airlines_row, ticket_code)},
};

const struct db_statement reference_read_airlines_statement = {
    .name = "reference_read_airlines",
    .sql_one =
        "SELECT iata, name, ticket_code FROM airline ORDER BY iata COLLATE \"C\"",
    .sql_many = NULL,
    .columns = read_airlines_columns,
    .column_count = 3,
    .row_bytes = sizeof(struct reference_read_airlines_row),
    .cardinality = DB_MANY,
    .is_read = true,
    .rows_max = 4000,
    .key_param = -1,
    .distinct_param = -1,
    .batch_max = 1,
};

_Static_assert(sizeof(struct reference_read_airlines_rows) == sizeof(struct db_rows), "the twin of db_rows");

void reference_read_airlines(struct call *c, struct reference_read_airlines_rows *ret)
{
    db_submit(&c->scope, &reference_read_airlines_statement, NULL, ret);
}

static const struct db_column read_aircraft_columns[] = {
    {.name = "code", .type = DB_TEXT,
     .offset = offsetof(struct reference_read_aircraft_row, code)},
    {.name = "name", .type = DB_TEXT,
     .offset = offsetof(struct reference_read_aircraft_row, name)},
};

const struct db_statement reference_read_aircraft_statement = {
    .name = "reference_read_aircraft",
    .sql_one =
        "SELECT code, name FROM aircraft ORDER BY code COLLATE \"C\"",
    .sql_many = NULL,
    .columns = read_aircraft_columns,
    .column_count = 2,
    .row_bytes = sizeof(struct reference_read_aircraft_row),
    .cardinality = DB_MANY,
    .is_read = true,
    .rows_max = 500,
    .key_param = -1,
    .distinct_param = -1,
    .batch_max = 1,
};

_Static_assert(sizeof(struct reference_read_aircraft_rows) == sizeof(struct db_rows), "the twin of db_rows");

void reference_read_aircraft(struct call *c, struct reference_read_aircraft_rows *ret)
{
    db_submit(&c->scope, &reference_read_aircraft_statement, NULL, ret);
}

static const struct db_column read_cabins_columns[] = {
    {.name = "aircraft", .type = DB_TEXT,
     .offset = offsetof(struct reference_read_cabins_row, aircraft)},
    {.name = "cabin", .type = DB_INT2,
     .offset = offsetof(struct reference_read_cabins_row, cabin)},
    {.name = "first_row", .type = DB_INT2,
     .offset = offsetof(struct reference_read_cabins_row, first_row)},
    {.name = "last_row", .type = DB_INT2,
     .offset = offsetof(struct reference_read_cabins_row, last_row)},
    {.name = "columns", .type = DB_TEXT,
     .offset = offsetof(struct reference_read_cabins_row, columns)},
    {.name = "exit_rows", .type = DB_TEXT,
     .offset = offsetof(struct reference_read_cabins_row, exit_rows)},
};

const struct db_statement reference_read_cabins_statement = {
    .name = "reference_read_cabins",
    .sql_one =
        "SELECT aircraft, cabin, first_row, last_row, columns, array_to_string(exit_rows, ',')\n"
        "  FROM aircraft_cabin ORDER BY aircraft COLLATE \"C\", cabin",
    .sql_many = NULL,
    .columns = read_cabins_columns,
    .column_count = 6,
    .row_bytes = sizeof(struct reference_read_cabins_row),
    .cardinality = DB_MANY,
    .is_read = true,
    .rows_max = 2000,
    .key_param = -1,
    .distinct_param = -1,
    .batch_max = 1,
};

_Static_assert(sizeof(struct reference_read_cabins_rows) == sizeof(struct db_rows), "the twin of db_rows");

void reference_read_cabins(struct call *c, struct reference_read_cabins_rows *ret)
{
    db_submit(&c->scope, &reference_read_cabins_statement, NULL, ret);
}

static const struct db_column read_brands_columns[] = {
    {.name = "brand", .type = DB_TEXT,
     .offset = offsetof(struct reference_read_brands_row, brand)},
    {.name = "cabin", .type = DB_INT2,
     .offset = offsetof(struct reference_read_brands_row, cabin)},
    {.name = "name", .type = DB_TEXT,
     .offset = offsetof(struct reference_read_brands_row, name)},
    {.name = "price_permille", .type = DB_INT4,
     .offset = offsetof(struct reference_read_brands_row, price_permille)},
    {.name = "refundable", .type = DB_BOOL,
     .offset = offsetof(struct reference_read_brands_row, refundable)},
    {.name = "refund_penalty_permille", .type = DB_INT4,
     .offset = offsetof(struct reference_read_brands_row, refund_penalty_permille)},
    {.name = "changeable", .type = DB_BOOL,
     .offset = offsetof(struct reference_read_brands_row, changeable)},
    {.name = "change_penalty_permille", .type = DB_INT4,
     .offset = offsetof(struct reference_read_brands_row, change_penalty_permille)},
    {.name = "checked_bags", .type = DB_INT2,
     .offset = offsetof(struct reference_read_brands_row, checked_bags)},
    {.name = "cabin_bags", .type = DB_INT2,
     .offset = offsetof(struct reference_read_brands_row, cabin_bags)},
};

const struct db_statement reference_read_brands_statement = {
    .name = "reference_read_brands",
    .sql_one =
        "SELECT brand, cabin, name, price_permille, refundable, refund_penalty_permille, changeable, change_penalty_permille,\n"
        "       checked_bags, cabin_bags\n"
        "  FROM fare_brand ORDER BY cabin, price_permille, brand COLLATE \"C\"",
    .sql_many = NULL,
    .columns = read_brands_columns,
    .column_count = 10,
    .row_bytes = sizeof(struct reference_read_brands_row),
    .cardinality = DB_MANY,
    .is_read = true,
    .rows_max = 200,
    .key_param = -1,
    .distinct_param = -1,
    .batch_max = 1,
};

_Static_assert(sizeof(struct reference_read_brands_rows) == sizeof(struct db_rows), "the twin of db_rows");

void reference_read_brands(struct call *c, struct reference_read_brands_rows *ret)
{
    db_submit(&c->scope, &reference_read_brands_statement, NULL, ret);
}

static const struct db_column read_buckets_columns[] = {
    {.name = "cabin", .type = DB_INT2,
     .offset = offsetof(struct reference_read_buckets_row, cabin)},
    {.name = "booking_class", .type = DB_TEXT,
     .offset = offsetof(struct reference_read_buckets_row, booking_class)},
    {.name = "upto_permille", .type = DB_INT4,
     .offset = offsetof(struct reference_read_buckets_row, upto_permille)},
    {.name = "price_permille", .type = DB_INT4,
     .offset = offsetof(struct reference_read_buckets_row, price_permille)},
};

const struct db_statement reference_read_buckets_statement = {
    .name = "reference_read_buckets",
    .sql_one =
        "SELECT cabin, booking_class, upto_permille, price_permille FROM fare_bucket ORDER BY cabin, upto_permille",
    .sql_many = NULL,
    .columns = read_buckets_columns,
    .column_count = 4,
    .row_bytes = sizeof(struct reference_read_buckets_row),
    .cardinality = DB_MANY,
    .is_read = true,
    .rows_max = 200,
    .key_param = -1,
    .distinct_param = -1,
    .batch_max = 1,
};

_Static_assert(sizeof(struct reference_read_buckets_rows) == sizeof(struct db_rows), "the twin of db_rows");

void reference_read_buckets(struct call *c, struct reference_read_buckets_rows *ret)
{
    db_submit(&c->scope, &reference_read_buckets_statement, NULL, ret);
}

static const struct db_column read_taxes_columns[] = {
    {.name = "country", .type = DB_TEXT,
     .offset = offsetof(struct reference_read_taxes_row, country)},
    {.name = "code", .type = DB_TEXT,
     .offset = offsetof(struct reference_read_taxes_row, code)},
    {.name = "name", .type = DB_TEXT,
     .offset = offsetof(struct reference_read_taxes_row, name)},
    {.name = "international_only", .type = DB_BOOL,
     .offset = offsetof(struct reference_read_taxes_row, international_only)},
    {.name = "amount_minor", .type = DB_INT8,
     .offset = offsetof(struct reference_read_taxes_row, amount_minor)},
    {.name = "refundable", .type = DB_BOOL,
     .offset = offsetof(struct reference_read_taxes_row, refundable)},
};

const struct db_statement reference_read_taxes_statement = {
    .name = "reference_read_taxes",
    .sql_one =
        "SELECT country, code, name, international_only, amount_minor, refundable\n"
        "  FROM tax ORDER BY country COLLATE \"C\", code COLLATE \"C\"",
    .sql_many = NULL,
    .columns = read_taxes_columns,
    .column_count = 6,
    .row_bytes = sizeof(struct reference_read_taxes_row),
    .cardinality = DB_MANY,
    .is_read = true,
    .rows_max = 2000,
    .key_param = -1,
    .distinct_param = -1,
    .batch_max = 1,
};

_Static_assert(sizeof(struct reference_read_taxes_rows) == sizeof(struct db_rows), "the twin of db_rows");

void reference_read_taxes(struct call *c, struct reference_read_taxes_rows *ret)
{
    db_submit(&c->scope, &reference_read_taxes_statement, NULL, ret);
}

static const struct db_column read_connections_columns[] = {
    {.name = "airport", .type = DB_TEXT,
     .offset = offsetof(struct reference_read_connections_row, airport)},
    {.name = "kind", .type = DB_TEXT,
     .offset = offsetof(struct reference_read_connections_row, kind)},
    {.name = "minutes", .type = DB_INT4,
     .offset = offsetof(struct reference_read_connections_row, minutes)},
};

const struct db_statement reference_read_connections_statement = {
    .name = "reference_read_connections",
    .sql_one =
        "SELECT airport, kind, minutes FROM connection_time ORDER BY airport COLLATE \"C\", kind",
    .sql_many = NULL,
    .columns = read_connections_columns,
    .column_count = 3,
    .row_bytes = sizeof(struct reference_read_connections_row),
    .cardinality = DB_MANY,
    .is_read = true,
    .rows_max = 20000,
    .key_param = -1,
    .distinct_param = -1,
    .batch_max = 1,
};

_Static_assert(sizeof(struct reference_read_connections_rows) == sizeof(struct db_rows), "the twin of db_rows");

void reference_read_connections(struct call *c, struct reference_read_connections_rows *ret)
{
    db_submit(&c->scope, &reference_read_connections_statement, NULL, ret);
}

static const struct db_column read_zones_columns[] = {
    {.name = "zone", .type = DB_TEXT,
     .offset = offsetof(struct reference_read_zones_row, zone)},
    {.name = "from_time", .type = DB_TIMESTAMPTZ,
     .offset = offsetof(struct reference_read_zones_row, from_time)},
    {.name = "offset_min", .type = DB_INT2,
     .offset = offsetof(struct reference_read_zones_row, offset_min)},
};

const struct db_statement reference_read_zones_statement = {
    .name = "reference_read_zones",
    .sql_one =
        "WITH z AS (\n"
        "    SELECT DISTINCT zone FROM airport\n"
        "), week AS (\n"
        "    SELECT zone, t, extract(epoch FROM (t AT TIME ZONE zone) - (t AT TIME ZONE 'UTC'))::int4 / 60 AS m\n"
        "      FROM z, generate_series(date_trunc('day', now(), 'UTC') - interval '2 days',\n"
        "                              date_trunc('day', now(), 'UTC') + interval '404 days', interval '7 days') t\n"
        "), day AS (\n"
        "    SELECT zone, since, t, before, extract(epoch FROM (t AT TIME ZONE zone) - (t AT TIME ZONE 'UTC'))::int4 / 60 AS m\n"
        "      FROM (SELECT zone, t AS since, m AS before, lead(m) OVER (PARTITION BY zone ORDER BY t) AS after FROM week) w,\n"
        "           generate_series(since + interval '1 day', since + interval '7 days', interval '1 day') t\n"
        "     WHERE before <> after\n"
        "), first_day AS (\n"
        "    SELECT DISTINCT ON (zone, since) zone, t, before FROM day WHERE m <> before ORDER BY zone, since, t\n"
        "), half_hour AS (\n"
        "    SELECT zone, f.t AS day, h AS t, before,\n"
        "           extract(epoch FROM (h AT TIME ZONE zone) - (h AT TIME ZONE 'UTC'))::int4 / 60 AS m\n"
        "      FROM first_day f, generate_series(f.t - interval '23.5 hours', f.t, interval '30 minutes') h\n"
        ")\n"
        "SELECT zone, t, m::int2 FROM (\n"
        "    SELECT DISTINCT ON (zone) zone, t, m FROM week ORDER BY zone, t) x\n"
        "UNION ALL\n"
        "SELECT zone, t, m::int2 FROM (\n"
        "    SELECT DISTINCT ON (zone, day) zone, t, m FROM half_hour WHERE m <> before ORDER BY zone, day, t) y\n"
        "ORDER BY 1, 2",
    .sql_many = NULL,
    .columns = read_zones_columns,
    .column_count = 3,
    .row_bytes = sizeof(struct reference_read_zones_row),
    .cardinality = DB_MANY,
    .is_read = true,
    .rows_max = 10000,
    .key_param = -1,
    .distinct_param = -1,
    .batch_max = 1,
};

_Static_assert(sizeof(struct reference_read_zones_rows) == sizeof(struct db_rows), "the twin of db_rows");

void reference_read_zones(struct call *c, struct reference_read_zones_rows *ret)
{
    db_submit(&c->scope, &reference_read_zones_statement, NULL, ret);
}

static const struct db_column read_routes_columns[] = {
    {.name = "origin", .type = DB_TEXT,
     .offset = offsetof(struct reference_read_routes_row, origin)},
    {.name = "destination", .type = DB_TEXT,
     .offset = offsetof(struct reference_read_routes_row, destination)},
    {.name = "distance_km", .type = DB_INT4,
     .offset = offsetof(struct reference_read_routes_row, distance_km)},
};

const struct db_statement reference_read_routes_statement = {
    .name = "reference_read_routes",
    .sql_one =
        "SELECT origin COLLATE \"C\", destination COLLATE \"C\", min(distance_km)\n"
        "  FROM schedule WHERE last_date >= current_date - 1 GROUP BY 1, 2 ORDER BY 1, 2",
    .sql_many = NULL,
    .columns = read_routes_columns,
    .column_count = 3,
    .row_bytes = sizeof(struct reference_read_routes_row),
    .cardinality = DB_MANY,
    .is_read = true,
    .rows_max = 60000,
    .key_param = -1,
    .distinct_param = -1,
    .batch_max = 1,
};

_Static_assert(sizeof(struct reference_read_routes_rows) == sizeof(struct db_rows), "the twin of db_rows");

void reference_read_routes(struct call *c, struct reference_read_routes_rows *ret)
{
    db_submit(&c->scope, &reference_read_routes_statement, NULL, ret);
}

const struct db_statement *const reference_statements[] = {
    &reference_read_installation_statement,
    &reference_read_airports_statement,
    &reference_read_airlines_statement,
    &reference_read_aircraft_statement,
    &reference_read_cabins_statement,
    &reference_read_brands_statement,
    &reference_read_buckets_statement,
    &reference_read_taxes_statement,
    &reference_read_connections_statement,
    &reference_read_zones_statement,
    &reference_read_routes_statement,
    NULL,
};
