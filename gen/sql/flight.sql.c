/* Made by sqlgen from flight.sql: do not edit. */
#include "flight.sql.h"

static const struct db_param find_flights_params[] = {
    {.name = "origins", .type = DB_TEXT, .is_array = true},
    {.name = "destinations", .type = DB_TEXT, .is_array = true},
    {.name = "first_dates", .type = DB_DATE, .is_array = true},
    {.name = "last_dates", .type = DB_DATE, .is_array = true},
    {.name = "tags", .type = DB_INT4, .is_array = true},
    {.name = "cabin", .type = DB_INT2},
    {.name = "seats", .type = DB_INT4},
};

static const struct db_column find_flights_columns[] = {
    {.name = "tag", .type = DB_INT4,
     .offset = offsetof(struct flight_find_flights_row, tag)},
    {.name = "flight_id", .type = DB_UUID,
     .offset = offsetof(struct flight_find_flights_row, flight_id)},
    {.name = "carrier", .type = DB_TEXT,
     .offset = offsetof(struct flight_find_flights_row, carrier)},
    {.name = "number", .type = DB_INT4,
     .offset = offsetof(struct flight_find_flights_row, number)},
    {.name = "departure_time", .type = DB_TIMESTAMPTZ,
     .offset = offsetof(struct flight_find_flights_row, departure_time)},
    {.name = "arrival_time", .type = DB_TIMESTAMPTZ,
     .offset = offsetof(struct flight_find_flights_row, arrival_time)},
    {.name = "departure_offset_min", .type = DB_INT2,
     .offset = offsetof(struct flight_find_flights_row, departure_offset_min)},
    {.name = "arrival_offset_min", .type = DB_INT2,
     .offset = offsetof(struct flight_find_flights_row, arrival_offset_min)},
    {.name = "aircraft", .type = DB_TEXT,
     .offset = offsetof(struct flight_find_flights_row, aircraft)},
    {.name = "distance_km", .type = DB_INT4,
     .offset = offsetof(struct flight_find_flights_row, distance_km)},
    {.name = "authorised", .type = DB_INT4,
     .offset = offsetof(struct flight_find_flights_row, authorised)},
    {.name = "used", .type = DB_INT4,
     .offset = offsetof(struct flight_find_flights_row, used)},
    {.name = "base_minor", .type = DB_INT8,
     .offset = offsetof(struct flight_find_flights_row, base_minor)},
    {.name = "sales_close_time", .type = DB_TIMESTAMPTZ,
     .offset = offsetof(struct flight_find_flights_row, sales_close_time)},
};

const struct db_statement flight_find_flights_statement = {
    .name = "flight_find_flights",
    .sql_one =
        "SELECT r.tag, i.flight_id, i.carrier, i.number, i.departure_time, i.arrival_time, i.departure_offset_min,\n"
        "       i.arrival_offset_min, i.aircraft, i.distance_km, i.authorised, i.taken, i.base_minor,\n"
        "       least(i.sales_close_time, i.departure_time)\n"
        "  FROM unnest($1::text[], $2::text[], $3::date[], $4::date[], $5::int4[]) r(origin, destination, first, last, tag)\n"
        " CROSS JOIN LATERAL (\n"
        "       SELECT * FROM inventory x\n"
        "        WHERE x.origin = r.origin AND x.destination = r.destination AND x.departure_date BETWEEN r.first AND r.last\n"
        "          AND x.cabin = $6::int2 AND x.state = 'SCHEDULED'\n"
        "        LIMIT 40) i\n"
        " WHERE i.free >= $7::int4 AND least(i.sales_close_time, i.departure_time) > now()",
    .sql_many =
        "SELECT r.n, r.tag, i.flight_id, i.carrier, i.number, i.departure_time, i.arrival_time, i.departure_offset_min,\n"
        "       i.arrival_offset_min, i.aircraft, i.distance_km, i.authorised, i.taken, i.base_minor,\n"
        "       least(i.sales_close_time, i.departure_time)\n"
        "  FROM unnest($1::text[], $3::text[], $5::date[], $7::date[], $9::int4[], $2::int4[])\n"
        "       r(origin, destination, first, last, tag, n)\n"
        " CROSS JOIN LATERAL (\n"
        "       SELECT * FROM inventory x\n"
        "        WHERE x.origin = r.origin AND x.destination = r.destination AND x.departure_date BETWEEN r.first AND r.last\n"
        "          AND x.cabin = ($11::int2[])[r.n] AND x.state = 'SCHEDULED'\n"
        "        LIMIT 40) i\n"
        " WHERE i.free >= ($12::int4[])[r.n] AND least(i.sales_close_time, i.departure_time) > now()",
    .params = find_flights_params,
    .param_count = 7,
    .columns = find_flights_columns,
    .column_count = 14,
    .row_bytes = sizeof(struct flight_find_flights_row),
    .cardinality = DB_MANY,
    .is_read = true,
    .rows_max = 1000,
    .key_param = -1,
    .distinct_param = -1,
    .batch_max = 64,
};

_Static_assert(sizeof(struct flight_find_flights_rows) == sizeof(struct db_rows), "the twin of db_rows");

void flight_find_flights(struct call *c, struct flight_find_flights_rows *ret,
    const struct str *origins, size_t origins_count,
    const struct str *destinations, size_t destinations_count,
    const int32_t *first_dates, size_t first_dates_count,
    const int32_t *last_dates, size_t last_dates_count,
    const int32_t *tags, size_t tags_count,
    int16_t cabin,
    int32_t seats)
{
    const struct db_value values[] = {
        {.array = origins, .array_count = (uint32_t)origins_count},
        {.array = destinations, .array_count = (uint32_t)destinations_count},
        {.array = first_dates, .array_count = (uint32_t)first_dates_count},
        {.array = last_dates, .array_count = (uint32_t)last_dates_count},
        {.array = tags, .array_count = (uint32_t)tags_count},
        {.i = cabin},
        {.i = seats},
    };
    db_submit(&c->scope, &flight_find_flights_statement, values, ret);
}

static const struct db_param count_seats_params[] = {
    {.name = "flight_ids", .type = DB_UUID, .is_array = true},
    {.name = "cabin", .type = DB_INT2},
};

static const struct db_column count_seats_columns[] = {
    {.name = "flights", .type = DB_INT4,
     .offset = offsetof(struct flight_count_seats_row, flights)},
    {.name = "open_flights", .type = DB_INT4,
     .offset = offsetof(struct flight_count_seats_row, open_flights)},
    {.name = "free_seats", .type = DB_INT4,
     .offset = offsetof(struct flight_count_seats_row, free_seats),
     .is_nullable = true, .has_offset = offsetof(struct flight_count_seats_row, has_free_seats)},
    {.name = "close_time", .type = DB_TIMESTAMPTZ,
     .offset = offsetof(struct flight_count_seats_row, close_time)},
};

const struct db_statement flight_count_seats_statement = {
    .name = "flight_count_seats",
    .sql_one =
        "SELECT count(*)::int4,\n"
        "       count(*) FILTER (WHERE i.state = 'SCHEDULED' AND least(i.sales_close_time, i.departure_time) > now())::int4,\n"
        "       min(i.free)::int4, coalesce(min(least(i.sales_close_time, i.departure_time)), 'infinity')\n"
        "  FROM unnest($1::uuid[]) r(flight_id)\n"
        "  JOIN inventory i ON i.flight_id = r.flight_id AND i.cabin = $2::int2",
    .sql_many =
        "SELECT m.n::int4, coalesce(s.flights, 0), coalesce(s.open_flights, 0), s.free_seats,\n"
        "       coalesce(s.close_time, 'infinity')\n"
        "  FROM generate_subscripts($3::int2[], 1) m(n)\n"
        "  LEFT JOIN (\n"
        "       SELECT r.n, count(*)::int4 AS flights,\n"
        "              count(*) FILTER (WHERE i.state = 'SCHEDULED' AND least(i.sales_close_time, i.departure_time) > now())::int4\n"
        "                  AS open_flights,\n"
        "              min(i.free)::int4 AS free_seats, min(least(i.sales_close_time, i.departure_time)) AS close_time\n"
        "         FROM unnest($1::uuid[], $2::int4[]) r(flight_id, n)\n"
        "         JOIN inventory i ON i.flight_id = r.flight_id AND i.cabin = ($3::int2[])[r.n]\n"
        "        GROUP BY r.n) s USING (n)",
    .params = count_seats_params,
    .param_count = 2,
    .columns = count_seats_columns,
    .column_count = 4,
    .row_bytes = sizeof(struct flight_count_seats_row),
    .cardinality = DB_ONE,
    .is_read = true,
    .rows_max = 0,
    .key_param = -1,
    .distinct_param = -1,
    .batch_max = 64,
};

void flight_count_seats(struct call *c, struct flight_count_seats_row *ret,
    const struct uuid *flight_ids, size_t flight_ids_count,
    int16_t cabin)
{
    const struct db_value values[] = {
        {.array = flight_ids, .array_count = (uint32_t)flight_ids_count},
        {.i = cabin},
    };
    db_submit(&c->scope, &flight_count_seats_statement, values, ret);
}

static const struct db_param read_flight_params[] = {
    {.name = "flight_id", .type = DB_UUID},
};

static const struct db_column read_flight_columns[] = {
    {.name = "carrier", .type = DB_TEXT,
     .offset = offsetof(struct flight_read_flight_row, carrier)},
    {.name = "number", .type = DB_INT4,
     .offset = offsetof(struct flight_read_flight_row, number)},
    {.name = "origin", .type = DB_TEXT,
     .offset = offsetof(struct flight_read_flight_row, origin)},
    {.name = "destination", .type = DB_TEXT,
     .offset = offsetof(struct flight_read_flight_row, destination)},
    {.name = "departure_time", .type = DB_TIMESTAMPTZ,
     .offset = offsetof(struct flight_read_flight_row, departure_time)},
    {.name = "arrival_time", .type = DB_TIMESTAMPTZ,
     .offset = offsetof(struct flight_read_flight_row, arrival_time)},
    {.name = "departure_offset_min", .type = DB_INT2,
     .offset = offsetof(struct flight_read_flight_row, departure_offset_min)},
    {.name = "arrival_offset_min", .type = DB_INT2,
     .offset = offsetof(struct flight_read_flight_row, arrival_offset_min)},
    {.name = "aircraft", .type = DB_TEXT,
     .offset = offsetof(struct flight_read_flight_row, aircraft)},
    {.name = "distance_km", .type = DB_INT4,
     .offset = offsetof(struct flight_read_flight_row, distance_km)},
    {.name = "state", .type = DB_TEXT,
     .offset = offsetof(struct flight_read_flight_row, state)},
    {.name = "cabin", .type = DB_INT2,
     .offset = offsetof(struct flight_read_flight_row, cabin)},
    {.name = "authorised", .type = DB_INT4,
     .offset = offsetof(struct flight_read_flight_row, authorised)},
    {.name = "used", .type = DB_INT4,
     .offset = offsetof(struct flight_read_flight_row, used)},
    {.name = "base_minor", .type = DB_INT8,
     .offset = offsetof(struct flight_read_flight_row, base_minor)},
    {.name = "on_sale", .type = DB_BOOL,
     .offset = offsetof(struct flight_read_flight_row, on_sale)},
    {.name = "departed", .type = DB_BOOL,
     .offset = offsetof(struct flight_read_flight_row, departed)},
    {.name = "landed", .type = DB_BOOL,
     .offset = offsetof(struct flight_read_flight_row, landed)},
};

const struct db_statement flight_read_flight_statement = {
    .name = "flight_read_flight",
    .sql_one =
        "SELECT i.carrier, i.number, i.origin, i.destination, i.departure_time, i.arrival_time, i.departure_offset_min,\n"
        "       i.arrival_offset_min, i.aircraft, i.distance_km, i.state, i.cabin, i.authorised, i.taken, i.base_minor,\n"
        "       least(i.sales_close_time, i.departure_time) > now(), i.departure_time <= now(), i.arrival_time <= now()\n"
        "  FROM inventory i\n"
        " WHERE i.flight_id = $1::uuid\n"
        " ORDER BY i.cabin",
    .sql_many =
        "SELECT r.n::int4, i.carrier, i.number, i.origin, i.destination, i.departure_time, i.arrival_time, i.departure_offset_min,\n"
        "       i.arrival_offset_min, i.aircraft, i.distance_km, i.state, i.cabin, i.authorised, i.taken, i.base_minor,\n"
        "       least(i.sales_close_time, i.departure_time) > now(), i.departure_time <= now(), i.arrival_time <= now()\n"
        "  FROM unnest($1::uuid[]) WITH ORDINALITY r(flight_id, n)\n"
        " CROSS JOIN LATERAL (SELECT * FROM inventory x WHERE x.flight_id = r.flight_id ORDER BY x.cabin) i",
    .params = read_flight_params,
    .param_count = 1,
    .columns = read_flight_columns,
    .column_count = 18,
    .row_bytes = sizeof(struct flight_read_flight_row),
    .cardinality = DB_MANY,
    .is_read = true,
    .rows_max = 8,
    .key_param = -1,
    .distinct_param = -1,
    .batch_max = 64,
};

_Static_assert(sizeof(struct flight_read_flight_rows) == sizeof(struct db_rows), "the twin of db_rows");

void flight_read_flight(struct call *c, struct flight_read_flight_rows *ret,
    struct uuid flight_id)
{
    const struct db_value values[] = {
        {.u = flight_id},
    };
    db_submit(&c->scope, &flight_read_flight_statement, values, ret);
}

static const struct db_param read_seats_params[] = {
    {.name = "flight_id", .type = DB_UUID},
};

static const struct db_column read_seats_columns[] = {
    {.name = "aircraft", .type = DB_TEXT,
     .offset = offsetof(struct flight_read_seats_row, aircraft),
     .is_nullable = true, .has_offset = offsetof(struct flight_read_seats_row, has_aircraft)},
    {.name = "cabins", .type = DB_INT4,
     .offset = offsetof(struct flight_read_seats_row, cabins),
     .is_nullable = true, .has_offset = offsetof(struct flight_read_seats_row, has_cabins)},
    {.name = "taken", .type = DB_TEXT,
     .offset = offsetof(struct flight_read_seats_row, taken),
     .is_nullable = true, .has_offset = offsetof(struct flight_read_seats_row, has_taken)},
    {.name = "read_time", .type = DB_TIMESTAMPTZ,
     .offset = offsetof(struct flight_read_seats_row, read_time)},
};

const struct db_statement flight_read_seats_statement = {
    .name = "flight_read_seats",
    .sql_one =
        "SELECT min(i.aircraft), bit_or(1 << i.cabin),\n"
        "       (SELECT string_agg(a.seat, ',') FROM seat_assignment a WHERE a.flight_id = $1::uuid AND a.expire_time > now() - interval '30 seconds'),\n"
        "       now()\n"
        "  FROM inventory i WHERE i.flight_id = $1::uuid",
    .sql_many =
        "SELECT r.n::int4, i.aircraft, i.cabins,\n"
        "       (SELECT string_agg(a.seat, ',') FROM seat_assignment a WHERE a.flight_id = r.flight_id AND a.expire_time > now() - interval '30 seconds'),\n"
        "       now()\n"
        "  FROM unnest($1::uuid[]) WITH ORDINALITY r(flight_id, n)\n"
        " CROSS JOIN LATERAL (SELECT min(x.aircraft) AS aircraft, bit_or(1 << x.cabin) AS cabins\n"
        "                       FROM inventory x WHERE x.flight_id = r.flight_id) i",
    .params = read_seats_params,
    .param_count = 1,
    .columns = read_seats_columns,
    .column_count = 4,
    .row_bytes = sizeof(struct flight_read_seats_row),
    .cardinality = DB_ONE,
    .is_read = true,
    .rows_max = 0,
    .key_param = -1,
    .distinct_param = -1,
    .batch_max = 64,
};

void flight_read_seats(struct call *c, struct flight_read_seats_row *ret,
    struct uuid flight_id)
{
    const struct db_value values[] = {
        {.u = flight_id},
    };
    db_submit(&c->scope, &flight_read_seats_statement, values, ret);
}

static const struct db_column begin_timetable_columns[] = {
    {.name = "snapshot", .type = DB_TEXT,
     .offset = offsetof(struct flight_begin_timetable_row, snapshot)},
    {.name = "session", .type = DB_TEXT,
     .offset = offsetof(struct flight_begin_timetable_row, session)},
    {.name = "read_time", .type = DB_TIMESTAMPTZ,
     .offset = offsetof(struct flight_begin_timetable_row, read_time)},
    {.name = "first_date", .type = DB_DATE,
     .offset = offsetof(struct flight_begin_timetable_row, first_date)},
};

const struct db_statement flight_begin_timetable_statement = {
    .name = "flight_begin_timetable",
    .sql_one =
        "SELECT pg_current_snapshot()::text, pg_backend_pid() || ' ' || pg_postmaster_start_time(), now(), current_date - 3",
    .sql_many = NULL,
    .columns = begin_timetable_columns,
    .column_count = 4,
    .row_bytes = sizeof(struct flight_begin_timetable_row),
    .cardinality = DB_ONE,
    .is_read = true,
    .rows_max = 0,
    .key_param = -1,
    .distinct_param = -1,
    .batch_max = 1,
};

void flight_begin_timetable(struct call *c, struct flight_begin_timetable_row *ret)
{
    db_submit(&c->scope, &flight_begin_timetable_statement, NULL, ret);
}

static const struct db_param read_departures_params[] = {
    {.name = "first_date", .type = DB_DATE},
    {.name = "origin", .type = DB_TEXT},
    {.name = "destination", .type = DB_TEXT},
    {.name = "departure_date", .type = DB_DATE},
    {.name = "departure_time", .type = DB_TIMESTAMPTZ},
    {.name = "flight_id", .type = DB_UUID},
    {.name = "cabin", .type = DB_INT2},
    {.name = "row_count", .type = DB_INT4},
};

static const struct db_column read_departures_columns[] = {
    {.name = "origin", .type = DB_TEXT,
     .offset = offsetof(struct flight_read_departures_row, origin)},
    {.name = "destination", .type = DB_TEXT,
     .offset = offsetof(struct flight_read_departures_row, destination)},
    {.name = "flight_id", .type = DB_UUID,
     .offset = offsetof(struct flight_read_departures_row, flight_id)},
    {.name = "carrier", .type = DB_TEXT,
     .offset = offsetof(struct flight_read_departures_row, carrier)},
    {.name = "number", .type = DB_INT4,
     .offset = offsetof(struct flight_read_departures_row, number)},
    {.name = "departure_date", .type = DB_DATE,
     .offset = offsetof(struct flight_read_departures_row, departure_date)},
    {.name = "departure_time", .type = DB_TIMESTAMPTZ,
     .offset = offsetof(struct flight_read_departures_row, departure_time)},
    {.name = "arrival_time", .type = DB_TIMESTAMPTZ,
     .offset = offsetof(struct flight_read_departures_row, arrival_time)},
    {.name = "departure_offset_min", .type = DB_INT2,
     .offset = offsetof(struct flight_read_departures_row, departure_offset_min)},
    {.name = "arrival_offset_min", .type = DB_INT2,
     .offset = offsetof(struct flight_read_departures_row, arrival_offset_min)},
    {.name = "aircraft", .type = DB_TEXT,
     .offset = offsetof(struct flight_read_departures_row, aircraft)},
    {.name = "distance_km", .type = DB_INT4,
     .offset = offsetof(struct flight_read_departures_row, distance_km)},
    {.name = "cabin", .type = DB_INT2,
     .offset = offsetof(struct flight_read_departures_row, cabin)},
    {.name = "authorised", .type = DB_INT4,
     .offset = offsetof(struct flight_read_departures_row, authorised)},
    {.name = "used", .type = DB_INT4,
     .offset = offsetof(struct flight_read_departures_row, used)},
    {.name = "base_minor", .type = DB_INT8,
     .offset = offsetof(struct flight_read_departures_row, base_minor)},
    {.name = "sales_close_time", .type = DB_TIMESTAMPTZ,
     .offset = offsetof(struct flight_read_departures_row, sales_close_time)},
};

const struct db_statement flight_read_departures_statement = {
    .name = "flight_read_departures",
    .sql_one =
        "SELECT i.origin, i.destination, i.flight_id, i.carrier, i.number, i.departure_date, i.departure_time, i.arrival_time,\n"
        "       i.departure_offset_min, i.arrival_offset_min, i.aircraft, i.distance_km, i.cabin, i.authorised, i.taken,\n"
        "       i.base_minor, least(i.sales_close_time, i.departure_time)\n"
        "  FROM inventory i\n"
        " WHERE (i.origin, i.destination, i.departure_date, i.departure_time, i.flight_id, i.cabin)\n"
        "       > ($2::text, $3::text, $4::date, $5::timestamptz, $6::uuid, $7::int2)\n"
        "   AND i.departure_date >= $1::date AND i.state = 'SCHEDULED'\n"
        " ORDER BY i.origin, i.destination, i.departure_date, i.departure_time, i.flight_id, i.cabin LIMIT $8::int4",
    .sql_many = NULL,
    .params = read_departures_params,
    .param_count = 8,
    .columns = read_departures_columns,
    .column_count = 17,
    .row_bytes = sizeof(struct flight_read_departures_row),
    .cardinality = DB_MANY,
    .is_read = true,
    .rows_max = 8000,
    .key_param = -1,
    .distinct_param = -1,
    .batch_max = 1,
};

_Static_assert(sizeof(struct flight_read_departures_rows) == sizeof(struct db_rows), "the twin of db_rows");

void flight_read_departures(struct call *c, struct flight_read_departures_rows *ret,
    int32_t first_date,
    struct str origin,
    struct str destination,
    int32_t departure_date,
    int64_t departure_time,
    struct uuid flight_id,
    int16_t cabin,
    int32_t row_count)
{
    const struct db_value values[] = {
        {.i = first_date},
        {.s = origin},
        {.s = destination},
        {.i = departure_date},
        {.i = departure_time},
        {.u = flight_id},
        {.i = cabin},
        {.i = row_count},
    };
    db_submit(&c->scope, &flight_read_departures_statement, values, ret);
}

static const struct db_param read_changes_params[] = {
    {.name = "since", .type = DB_TEXT},
    {.name = "since_time", .type = DB_TIMESTAMPTZ},
    {.name = "first_date", .type = DB_DATE},
    {.name = "is_whole", .type = DB_BOOL},
    {.name = "origin", .type = DB_TEXT},
    {.name = "destination", .type = DB_TEXT},
    {.name = "departure_date", .type = DB_DATE},
    {.name = "departure_time", .type = DB_TIMESTAMPTZ},
    {.name = "flight_id", .type = DB_UUID},
    {.name = "cabin", .type = DB_INT2},
};

static const struct db_column read_changes_columns[] = {
    {.name = "snapshot", .type = DB_TEXT,
     .offset = offsetof(struct flight_read_changes_row, snapshot),
     .is_nullable = true, .has_offset = offsetof(struct flight_read_changes_row, has_snapshot)},
    {.name = "session", .type = DB_TEXT,
     .offset = offsetof(struct flight_read_changes_row, session),
     .is_nullable = true, .has_offset = offsetof(struct flight_read_changes_row, has_session)},
    {.name = "read_time", .type = DB_TIMESTAMPTZ,
     .offset = offsetof(struct flight_read_changes_row, read_time),
     .is_nullable = true, .has_offset = offsetof(struct flight_read_changes_row, has_read_time)},
    {.name = "is_lost", .type = DB_BOOL,
     .offset = offsetof(struct flight_read_changes_row, is_lost)},
    {.name = "flight_id", .type = DB_UUID,
     .offset = offsetof(struct flight_read_changes_row, flight_id),
     .is_nullable = true, .has_offset = offsetof(struct flight_read_changes_row, has_flight_id)},
    {.name = "departure_time", .type = DB_TIMESTAMPTZ,
     .offset = offsetof(struct flight_read_changes_row, departure_time),
     .is_nullable = true, .has_offset = offsetof(struct flight_read_changes_row, has_departure_time)},
    {.name = "arrival_time", .type = DB_TIMESTAMPTZ,
     .offset = offsetof(struct flight_read_changes_row, arrival_time),
     .is_nullable = true, .has_offset = offsetof(struct flight_read_changes_row, has_arrival_time)},
    {.name = "aircraft", .type = DB_TEXT,
     .offset = offsetof(struct flight_read_changes_row, aircraft),
     .is_nullable = true, .has_offset = offsetof(struct flight_read_changes_row, has_aircraft)},
    {.name = "is_scheduled", .type = DB_BOOL,
     .offset = offsetof(struct flight_read_changes_row, is_scheduled),
     .is_nullable = true, .has_offset = offsetof(struct flight_read_changes_row, has_is_scheduled)},
    {.name = "cabin", .type = DB_INT2,
     .offset = offsetof(struct flight_read_changes_row, cabin),
     .is_nullable = true, .has_offset = offsetof(struct flight_read_changes_row, has_cabin)},
    {.name = "authorised", .type = DB_INT4,
     .offset = offsetof(struct flight_read_changes_row, authorised),
     .is_nullable = true, .has_offset = offsetof(struct flight_read_changes_row, has_authorised)},
    {.name = "used", .type = DB_INT4,
     .offset = offsetof(struct flight_read_changes_row, used),
     .is_nullable = true, .has_offset = offsetof(struct flight_read_changes_row, has_used)},
    {.name = "base_minor", .type = DB_INT8,
     .offset = offsetof(struct flight_read_changes_row, base_minor),
     .is_nullable = true, .has_offset = offsetof(struct flight_read_changes_row, has_base_minor)},
    {.name = "sales_close_time", .type = DB_TIMESTAMPTZ,
     .offset = offsetof(struct flight_read_changes_row, sales_close_time),
     .is_nullable = true, .has_offset = offsetof(struct flight_read_changes_row, has_sales_close_time)},
};

const struct db_statement flight_read_changes_statement = {
    .name = "flight_read_changes",
    .sql_one =
        "WITH c AS MATERIALIZED (\n"
        "    SELECT flight_ids FROM inventory_change\n"
        "     WHERE xid >= pg_snapshot_xmin($1::text::pg_snapshot) AND NOT pg_visible_in_snapshot(xid, $1::text::pg_snapshot)\n"
        "     ORDER BY xid LIMIT 5000\n"
        ")\n"
        "SELECT pg_current_snapshot()::text AS snapshot, pg_backend_pid() || ' ' || pg_postmaster_start_time() AS session,\n"
        "       now() AS read_time,\n"
        "       count(*) = 5000 OR coalesce(bool_or(flight_ids = '{}'), false) OR now() > $2::timestamptz + interval '5 minutes' AS is_lost,\n"
        "       NULL::uuid AS flight_id,\n"
        "       NULL::timestamptz AS departure_time, NULL::timestamptz AS arrival_time, NULL::text AS aircraft,\n"
        "       NULL::bool AS is_scheduled, NULL::int2 AS cabin, NULL::int4 AS authorised, NULL::int4 AS used, NULL::int8 AS base_minor,\n"
        "       NULL::timestamptz AS sales_close_time\n"
        "  FROM c\n"
        "UNION ALL\n"
        "SELECT NULL, NULL, NULL, false, i.flight_id, i.departure_time, i.arrival_time, i.aircraft, i.state = 'SCHEDULED',\n"
        "       i.cabin, i.authorised, i.taken, i.base_minor, least(i.sales_close_time, i.departure_time)\n"
        "  FROM (SELECT DISTINCT x.flight_id FROM c, unnest(c.flight_ids) AS x(flight_id)) d\n"
        "  JOIN inventory i ON i.flight_id = d.flight_id\n"
        " WHERE i.departure_date >= $3::date\n"
        "   AND ($4::bool OR (i.origin, i.destination, i.departure_date, i.departure_time, i.flight_id, i.cabin)\n"
        "        <= ($5::text, $6::text, $7::date, $8::timestamptz, $9::uuid, $10::int2))",
    .sql_many = NULL,
    .params = read_changes_params,
    .param_count = 10,
    .columns = read_changes_columns,
    .column_count = 14,
    .row_bytes = sizeof(struct flight_read_changes_row),
    .cardinality = DB_MANY,
    .is_read = true,
    .rows_max = 50000,
    .key_param = -1,
    .distinct_param = -1,
    .batch_max = 1,
};

_Static_assert(sizeof(struct flight_read_changes_rows) == sizeof(struct db_rows), "the twin of db_rows");

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
    int16_t cabin)
{
    const struct db_value values[] = {
        {.s = since},
        {.i = since_time},
        {.i = first_date},
        {.b = is_whole},
        {.s = origin},
        {.s = destination},
        {.i = departure_date},
        {.i = departure_time},
        {.u = flight_id},
        {.i = cabin},
    };
    db_submit(&c->scope, &flight_read_changes_statement, values, ret);
}

const struct db_statement *const flight_statements[] = {
    &flight_find_flights_statement,
    &flight_count_seats_statement,
    &flight_read_flight_statement,
    &flight_read_seats_statement,
    &flight_begin_timetable_statement,
    &flight_read_departures_statement,
    &flight_read_changes_statement,
    NULL,
};
