/* Made by sqlgen from booking.sql: do not edit. */
#include "booking.sql.h"

static const struct db_param hold_params[] = {
    {.name = "flight", .type = DB_UUID},
    {.name = "principal", .type = DB_UUID},
    {.name = "request_id", .type = DB_UUID},
    {.name = "fingerprint", .type = DB_BYTEA},
    {.name = "booking_id", .type = DB_UUID},
    {.name = "ticket_code", .type = DB_TEXT},
    {.name = "seats", .type = DB_INT4},
    {.name = "party", .type = DB_INT4},
    {.name = "total_minor", .type = DB_INT8},
    {.name = "currency", .type = DB_TEXT},
    {.name = "offer", .type = DB_TEXT},
    {.name = "offer_expire", .type = DB_TIMESTAMPTZ},
    {.name = "snapshot", .type = DB_BYTEA},
    {.name = "passengers", .type = DB_BYTEA},
    {.name = "hold_seconds", .type = DB_INT4},
    {.name = "holds_since", .type = DB_UUID},
    {.name = "holds_max", .type = DB_INT4},
    {.name = "flight_ids", .type = DB_UUID, .is_array = true},
    {.name = "cabins", .type = DB_INT2, .is_array = true},
};

static const struct db_column hold_columns[] = {
    {.name = "claimed", .type = DB_BOOL,
     .offset = offsetof(struct booking_hold_row, claimed)},
    {.name = "refusal", .type = DB_TEXT,
     .offset = offsetof(struct booking_hold_row, refusal),
     .is_nullable = true, .has_offset = offsetof(struct booking_hold_row, has_refusal)},
    {.name = "serial", .type = DB_INT8,
     .offset = offsetof(struct booking_hold_row, serial),
     .is_nullable = true, .has_offset = offsetof(struct booking_hold_row, has_serial)},
    {.name = "create_time", .type = DB_TIMESTAMPTZ,
     .offset = offsetof(struct booking_hold_row, create_time),
     .is_nullable = true, .has_offset = offsetof(struct booking_hold_row, has_create_time)},
    {.name = "due_time", .type = DB_TIMESTAMPTZ,
     .offset = offsetof(struct booking_hold_row, due_time),
     .is_nullable = true, .has_offset = offsetof(struct booking_hold_row, has_due_time)},
};

const struct db_statement booking_hold_statement = {
    .name = "booking_hold",
    .sql_one =
        "WITH s AS MATERIALIZED (\n"
        "    SELECT s.flight_id, s.cabin, count(*)::int4 * $7::int4 AS seats\n"
        "      FROM unnest($18::uuid[], $19::int2[]) AS s(flight_id, cabin) GROUP BY 1, 2\n"
        "), l AS MATERIALIZED (\n"
        "    SELECT s.seats, i.free, CASE WHEN i.state = 'SCHEDULED' THEN least(i.sales_close_time, i.departure_time) END AS close_time\n"
        "      FROM inventory i JOIN s USING (flight_id, cabin)\n"
        "), v AS MATERIALIZED (\n"
        "    SELECT least(now() + $15::int4 * interval '1 second', min(l.close_time)) AS due_time,\n"
        "           CASE\n"
        "               WHEN $12::timestamptz <= now() THEN 'OFFER_EXPIRED'\n"
        "               WHEN count(*) FILTER (WHERE l.close_time > now()) < (SELECT count(*) FROM s) THEN 'SALES_CLOSED'\n"
        "               WHEN min(l.free - l.seats) < 0 THEN 'SEATS_UNAVAILABLE'\n"
        "               WHEN (SELECT count(*) FROM booking b\n"
        "                      WHERE b.user_id = $2::uuid AND b.booking_id >= $16::uuid\n"
        "                        AND b.state IN ('HELD', 'CONFIRMING')\n"
        "                        AND greatest(b.payment_required_time, b.pin_time) > now()) >= $17::int4 THEN 'HOLD_LIMIT'\n"
        "           END AS refusal\n"
        "      FROM l\n"
        "), k AS (\n"
        "    INSERT INTO idempotency (principal, method, request_id, fingerprint, resource, reason)\n"
        "    SELECT $2::uuid, 5, $3::uuid, $4::bytea, CASE WHEN refusal IS NULL THEN $5::uuid END, refusal FROM v\n"
        "        ON CONFLICT DO NOTHING\n"
        "    RETURNING reason\n"
        "), g AS MATERIALIZED (\n"
        "    SELECT v.due_time FROM v, k WHERE k.reason IS NULL\n"
        "), b AS (\n"
        "    INSERT INTO booking (booking_id, user_id, state, total_minor, currency, ticket_code, seats, party, flight_ids, cabins,\n"
        "                         offer, snapshot, passengers, payment_required_time)\n"
        "    SELECT $5::uuid, $2::uuid, 'HELD', $9::int8, $10::text, $6::text, $7::int4, $8::int4, $18::uuid[], $19::int2[], $11::text,\n"
        "           $13::bytea, $14::bytea, due_time\n"
        "      FROM g\n"
        "    RETURNING serial, create_time, payment_required_time\n"
        "), u AS (\n"
        "    UPDATE inventory i SET free = i.free - t.seats, taken = i.taken + t.seats\n"
        "      FROM (SELECT s.* FROM s, (SELECT count(*) AS n FROM b) b WHERE b.n > 0 ORDER BY flight_id, cabin) t\n"
        "     WHERE i.flight_id = t.flight_id AND i.cabin = t.cabin\n"
        "    RETURNING i.flight_id\n"
        "), f AS (\n"
        "    INSERT INTO inventory_change (flight_id, flight_ids)\n"
        "    SELECT (array_agg(flight_id))[1], array_agg(flight_id) FROM u HAVING count(*) > 0\n"
        ")\n"
        "SELECT EXISTS (SELECT FROM k) AS claimed, v.refusal, b.serial, b.create_time, b.payment_required_time AS due_time\n"
        "  FROM v LEFT JOIN b ON true",
    .sql_many =
        "WITH s AS MATERIALIZED (\n"
        "    SELECT i, ($19::int4[])[i] AS n, ($18::uuid[])[i] AS flight_id, ($20::int2[])[i] AS cabin, ($7::int4[])[($19::int4[])[i]] AS seats\n"
        "      FROM generate_subscripts($18::uuid[], 1) AS i\n"
        "), l AS MATERIALIZED (\n"
        "    SELECT i.flight_id, i.cabin, i.free,\n"
        "           CASE WHEN i.state = 'SCHEDULED' THEN least(i.sales_close_time, i.departure_time) END AS close_time\n"
        "      FROM inventory i JOIN (SELECT DISTINCT flight_id, cabin FROM s) d USING (flight_id, cabin)\n"
        "), v AS (\n"
        "    SELECT n, min(i) AS first, max(i) AS last, ($2::uuid[])[n] AS principal,\n"
        "           row_number() OVER (PARTITION BY ($2::uuid[])[n] ORDER BY n) AS place,\n"
        "           least(now() + ($15::int4[])[n] * interval '1 second', min(close_time)) AS due_time,\n"
        "           CASE\n"
        "               WHEN NOT bool_and(coalesce(close_time > now(), false)) THEN 'SALES_CLOSED'\n"
        "               WHEN min(free - seats) < 0 THEN 'SEATS_UNAVAILABLE'\n"
        "               WHEN bool_or(running > free) THEN 'CROWDED'\n"
        "           END AS refusal\n"
        "      FROM (SELECT s.i, s.n, s.seats, l.free, l.close_time,\n"
        "                   sum(s.seats) OVER (PARTITION BY s.flight_id, s.cabin ORDER BY s.n) AS running\n"
        "              FROM s LEFT JOIN l USING (flight_id, cabin)) q\n"
        "     GROUP BY n\n"
        "), w AS MATERIALIZED (\n"
        "    SELECT v.n, v.first, v.last, v.principal, v.due_time, ($3::uuid[])[v.n] AS request_id,\n"
        "           CASE\n"
        "               WHEN ($12::timestamptz[])[v.n] <= now() THEN 'OFFER_EXPIRED'\n"
        "               WHEN v.refusal IS NOT NULL THEN v.refusal\n"
        "               ELSE (SELECT CASE WHEN count(*) >= ($17::int4[])[v.n] THEN 'HOLD_LIMIT'\n"
        "                                 WHEN count(*) + v.place > ($17::int4[])[v.n] THEN 'CROWDED' END\n"
        "                       FROM booking b\n"
        "                      WHERE b.user_id = v.principal AND b.booking_id >= ($16::uuid[])[v.n]\n"
        "                        AND b.state IN ('HELD', 'CONFIRMING') AND greatest(b.payment_required_time, b.pin_time) > now())\n"
        "           END AS refusal\n"
        "      FROM v\n"
        "), k AS (\n"
        "    INSERT INTO idempotency (principal, method, request_id, fingerprint, resource, reason)\n"
        "    SELECT principal, 5, request_id, ($4::bytea[])[n], CASE WHEN refusal IS NULL THEN ($5::uuid[])[n] END, refusal\n"
        "      FROM w WHERE refusal IS DISTINCT FROM 'CROWDED' ORDER BY principal, request_id\n"
        "        ON CONFLICT DO NOTHING\n"
        "    RETURNING principal, request_id, resource\n"
        "), g AS MATERIALIZED (\n"
        "    SELECT n, first, last, due_time, refusal, claimed, CASE WHEN claimed AND refusal IS NULL THEN nextval('booking_serial') END AS serial\n"
        "      FROM (SELECT w.*, ((principal, request_id, CASE WHEN refusal IS NULL THEN ($5::uuid[])[n] ELSE request_id END)\n"
        "                         IN (SELECT principal, request_id, coalesce(resource, request_id) FROM k)) IS TRUE AS claimed\n"
        "              FROM w OFFSET 0) w\n"
        "), b AS (\n"
        "    INSERT INTO booking (booking_id, user_id, serial, state, total_minor, currency, ticket_code, seats, party, flight_ids, cabins,\n"
        "                         offer, snapshot, passengers, payment_required_time)\n"
        "    SELECT ($5::uuid[])[n], ($2::uuid[])[n], serial, 'HELD', ($9::int8[])[n], ($10::text[])[n], ($6::text[])[n], ($7::int4[])[n], ($8::int4[])[n],\n"
        "           ($18::uuid[])[first:last], ($20::int2[])[first:last], ($11::text[])[n], ($13::bytea[])[n], ($14::bytea[])[n],\n"
        "           due_time\n"
        "      FROM g WHERE serial IS NOT NULL\n"
        "    RETURNING booking_id\n"
        "), u AS (\n"
        "    UPDATE inventory i SET free = i.free - t.seats, taken = i.taken + t.seats\n"
        "      FROM (SELECT flight_id, cabin, sum(seats)::int4 AS seats\n"
        "              FROM s, (SELECT count(*) AS n FROM b) b\n"
        "             WHERE b.n > 0 AND (s.n IN (SELECT n FROM g WHERE serial IS NOT NULL)) IS TRUE\n"
        "             GROUP BY flight_id, cabin ORDER BY flight_id, cabin) t\n"
        "     WHERE i.flight_id = t.flight_id AND i.cabin = t.cabin\n"
        "    RETURNING i.flight_id\n"
        "), f AS (\n"
        "    INSERT INTO inventory_change (flight_id, flight_ids)\n"
        "    SELECT (array_agg(flight_id))[1], array_agg(flight_id) FROM u HAVING count(*) > 0\n"
        ")\n"
        "SELECT n::int4, claimed, refusal, serial, CASE WHEN serial IS NOT NULL THEN now() END AS create_time,\n"
        "       CASE WHEN serial IS NOT NULL THEN due_time END AS due_time\n"
        "  FROM g",
    .params = hold_params,
    .param_count = 19,
    .columns = hold_columns,
    .column_count = 5,
    .row_bytes = sizeof(struct booking_hold_row),
    .cardinality = DB_ONE,
    .is_read = false,
    .rows_max = 0,
    .key_param = 0,
    .distinct_param = 2,
    .batch_max = 64,
};

void booking_hold(struct call *c, struct booking_hold_row *ret,
    struct uuid flight,
    struct uuid principal,
    struct uuid request_id,
    struct str fingerprint,
    struct uuid booking_id,
    struct str ticket_code,
    int32_t seats,
    int32_t party,
    int64_t total_minor,
    struct str currency,
    struct str offer,
    int64_t offer_expire,
    struct str snapshot,
    struct str passengers,
    int32_t hold_seconds,
    struct uuid holds_since,
    int32_t holds_max,
    const struct uuid *flight_ids, size_t flight_ids_count,
    const int16_t *cabins, size_t cabins_count)
{
    const struct db_value values[] = {
        {.u = flight},
        {.u = principal},
        {.u = request_id},
        {.s = fingerprint},
        {.u = booking_id},
        {.s = ticket_code},
        {.i = seats},
        {.i = party},
        {.i = total_minor},
        {.s = currency},
        {.s = offer},
        {.i = offer_expire},
        {.s = snapshot},
        {.s = passengers},
        {.i = hold_seconds},
        {.u = holds_since},
        {.i = holds_max},
        {.array = flight_ids, .array_count = (uint32_t)flight_ids_count},
        {.array = cabins, .array_count = (uint32_t)cabins_count},
    };
    db_submit(&c->scope, &booking_hold_statement, values, ret);
}

static const struct db_param claim_seats_params[] = {
    {.name = "booking_id", .type = DB_UUID},
    {.name = "flight_ids", .type = DB_UUID, .is_array = true},
    {.name = "cabins", .type = DB_INT2, .is_array = true},
    {.name = "seats", .type = DB_TEXT, .is_array = true},
    {.name = "passengers", .type = DB_INT2, .is_array = true},
};

static const struct db_column claim_seats_columns[] = {
    {.name = "missing", .type = DB_INT4,
     .offset = offsetof(struct booking_claim_seats_row, missing),
     .is_nullable = true, .has_offset = offsetof(struct booking_claim_seats_row, has_missing)},
};

const struct db_statement booking_claim_seats_statement = {
    .name = "booking_claim_seats",
    .sql_one =
        "WITH b AS (\n"
        "    UPDATE booking SET has_assigned_seats = true WHERE booking_id = $1::uuid RETURNING payment_required_time\n"
        "), s AS (\n"
        "    INSERT INTO seat_assignment (flight_id, seat, cabin, booking_id, passenger, expire_time)\n"
        "    SELECT x.flight_id, x.seat, x.cabin, $1::uuid, x.passenger, b.payment_required_time\n"
        "      FROM b, unnest($2::uuid[], $4::text[], $3::int2[], $5::int2[]) AS x(flight_id, seat, cabin, passenger)\n"
        "     ORDER BY x.flight_id, x.seat\n"
        "        ON CONFLICT (flight_id, seat) DO UPDATE\n"
        "           SET booking_id = excluded.booking_id, passenger = excluded.passenger, cabin = excluded.cabin,\n"
        "               expire_time = excluded.expire_time\n"
        "         WHERE seat_assignment.expire_time <= now() - interval '30 seconds'\n"
        "    RETURNING flight_id, seat\n"
        ")\n"
        "SELECT min(x.n)::int4 AS missing\n"
        "  FROM unnest($2::uuid[], $4::text[]) WITH ORDINALITY AS x(flight_id, seat, n)\n"
        " WHERE (x.flight_id, x.seat) NOT IN (SELECT flight_id, seat FROM s)",
    .sql_many = NULL,
    .params = claim_seats_params,
    .param_count = 5,
    .columns = claim_seats_columns,
    .column_count = 1,
    .row_bytes = sizeof(struct booking_claim_seats_row),
    .cardinality = DB_ONE,
    .is_read = false,
    .rows_max = 0,
    .key_param = -1,
    .distinct_param = -1,
    .batch_max = 1,
};

void booking_claim_seats(struct call *c, struct booking_claim_seats_row *ret,
    struct uuid booking_id,
    const struct uuid *flight_ids, size_t flight_ids_count,
    const int16_t *cabins, size_t cabins_count,
    const struct str *seats, size_t seats_count,
    const int16_t *passengers, size_t passengers_count)
{
    const struct db_value values[] = {
        {.u = booking_id},
        {.array = flight_ids, .array_count = (uint32_t)flight_ids_count},
        {.array = cabins, .array_count = (uint32_t)cabins_count},
        {.array = seats, .array_count = (uint32_t)seats_count},
        {.array = passengers, .array_count = (uint32_t)passengers_count},
    };
    db_submit(&c->scope, &booking_claim_seats_statement, values, ret);
}

static const struct db_param unhold_params[] = {
    {.name = "booking_id", .type = DB_UUID},
    {.name = "principal", .type = DB_UUID},
    {.name = "request_id", .type = DB_UUID},
    {.name = "seats", .type = DB_INT4},
    {.name = "flight_ids", .type = DB_UUID, .is_array = true},
    {.name = "cabins", .type = DB_INT2, .is_array = true},
};

const struct db_statement booking_unhold_statement = {
    .name = "booking_unhold",
    .sql_one =
        "WITH u AS (\n"
        "    UPDATE inventory i SET free = i.free + s.seats, taken = i.taken - s.seats\n"
        "      FROM (SELECT x.flight_id, x.cabin, count(*)::int4 * $4::int4 AS seats\n"
        "              FROM unnest($5::uuid[], $6::int2[]) AS x(flight_id, cabin) GROUP BY 1, 2) s\n"
        "     WHERE i.flight_id = s.flight_id AND i.cabin = s.cabin\n"
        "    RETURNING i.flight_id\n"
        "), f AS (\n"
        "    INSERT INTO inventory_change (flight_id, flight_ids)\n"
        "    SELECT (array_agg(flight_id))[1], array_agg(flight_id) FROM u HAVING count(*) > 0\n"
        "), z AS (\n"
        "    DELETE FROM seat_assignment WHERE flight_id = ANY ($5::uuid[]) AND booking_id = $1::uuid\n"
        "), b AS (\n"
        "    DELETE FROM booking WHERE booking_id = $1::uuid\n"
        ")\n"
        "UPDATE idempotency SET resource = NULL, reason = 'SEAT_TAKEN'\n"
        " WHERE principal = $2::uuid AND method = 5 AND request_id = $3::uuid",
    .sql_many = NULL,
    .params = unhold_params,
    .param_count = 6,
    .cardinality = DB_NONE,
    .is_read = false,
    .rows_max = 0,
    .key_param = -1,
    .distinct_param = -1,
    .batch_max = 1,
};

void booking_unhold(struct call *c,
    struct uuid booking_id,
    struct uuid principal,
    struct uuid request_id,
    int32_t seats,
    const struct uuid *flight_ids, size_t flight_ids_count,
    const int16_t *cabins, size_t cabins_count)
{
    const struct db_value values[] = {
        {.u = booking_id},
        {.u = principal},
        {.u = request_id},
        {.i = seats},
        {.array = flight_ids, .array_count = (uint32_t)flight_ids_count},
        {.array = cabins, .array_count = (uint32_t)cabins_count},
    };
    db_submit(&c->scope, &booking_unhold_statement, values, NULL);
}

static const struct db_param get_params[] = {
    {.name = "booking_id", .type = DB_UUID},
};

static const struct db_column get_columns[] = {
    {.name = "booking_id", .type = DB_UUID,
     .offset = offsetof(struct booking_get_row, booking_id)},
    {.name = "user_id", .type = DB_UUID,
     .offset = offsetof(struct booking_get_row, user_id)},
    {.name = "serial", .type = DB_INT8,
     .offset = offsetof(struct booking_get_row, serial)},
    {.name = "state", .type = DB_TEXT,
     .offset = offsetof(struct booking_get_row, state)},
    {.name = "state_reason", .type = DB_TEXT,
     .offset = offsetof(struct booking_get_row, state_reason),
     .is_nullable = true, .has_offset = offsetof(struct booking_get_row, has_state_reason)},
    {.name = "total_minor", .type = DB_INT8,
     .offset = offsetof(struct booking_get_row, total_minor)},
    {.name = "currency", .type = DB_TEXT,
     .offset = offsetof(struct booking_get_row, currency)},
    {.name = "authorised_minor", .type = DB_INT8,
     .offset = offsetof(struct booking_get_row, authorised_minor)},
    {.name = "captured_minor", .type = DB_INT8,
     .offset = offsetof(struct booking_get_row, captured_minor)},
    {.name = "refunded_minor", .type = DB_INT8,
     .offset = offsetof(struct booking_get_row, refunded_minor)},
    {.name = "offer", .type = DB_TEXT,
     .offset = offsetof(struct booking_get_row, offer)},
    {.name = "snapshot", .type = DB_BYTEA,
     .offset = offsetof(struct booking_get_row, snapshot)},
    {.name = "passengers", .type = DB_BYTEA,
     .offset = offsetof(struct booking_get_row, passengers)},
    {.name = "intent_id", .type = DB_UUID,
     .offset = offsetof(struct booking_get_row, intent_id),
     .is_nullable = true, .has_offset = offsetof(struct booking_get_row, has_intent_id)},
    {.name = "create_time", .type = DB_TIMESTAMPTZ,
     .offset = offsetof(struct booking_get_row, create_time)},
    {.name = "update_time", .type = DB_TIMESTAMPTZ,
     .offset = offsetof(struct booking_get_row, update_time)},
    {.name = "due_time", .type = DB_TIMESTAMPTZ,
     .offset = offsetof(struct booking_get_row, due_time)},
    {.name = "lapsed", .type = DB_BOOL,
     .offset = offsetof(struct booking_get_row, lapsed)},
    {.name = "event_count", .type = DB_INT4,
     .offset = offsetof(struct booking_get_row, event_count)},
    {.name = "ticket_code", .type = DB_TEXT,
     .offset = offsetof(struct booking_get_row, ticket_code)},
    {.name = "ticket_serials", .type = DB_TEXT,
     .offset = offsetof(struct booking_get_row, ticket_serials),
     .is_nullable = true, .has_offset = offsetof(struct booking_get_row, has_ticket_serials)},
    {.name = "coupons", .type = DB_TEXT,
     .offset = offsetof(struct booking_get_row, coupons),
     .is_nullable = true, .has_offset = offsetof(struct booking_get_row, has_coupons)},
    {.name = "ticket_time", .type = DB_TIMESTAMPTZ,
     .offset = offsetof(struct booking_get_row, ticket_time),
     .is_nullable = true, .has_offset = offsetof(struct booking_get_row, has_ticket_time)},
};

const struct db_statement booking_get_statement = {
    .name = "booking_get",
    .sql_one =
        "SELECT b.booking_id, b.user_id, b.serial, b.state, b.state_reason, b.total_minor, b.currency,\n"
        "       b.authorised_minor, b.captured_minor, b.refunded_minor, b.offer, b.snapshot, b.passengers, b.intent_id,\n"
        "       b.create_time, b.update_time, b.payment_required_time AS due_time,\n"
        "       b.state = 'HELD' AND b.payment_required_time <= now() AS lapsed, b.event_count, b.ticket_code,\n"
        "       array_to_string(b.ticket_serials, ',') AS ticket_serials, b.coupons, b.ticket_time\n"
        "  FROM booking b WHERE b.booking_id = $1::uuid",
    .sql_many =
        "SELECT r.n::int4, b.booking_id, b.user_id, b.serial, b.state, b.state_reason, b.total_minor, b.currency,\n"
        "       b.authorised_minor, b.captured_minor, b.refunded_minor, b.offer, b.snapshot, b.passengers, b.intent_id,\n"
        "       b.create_time, b.update_time, b.payment_required_time AS due_time,\n"
        "       b.state = 'HELD' AND b.payment_required_time <= now() AS lapsed, b.event_count, b.ticket_code,\n"
        "       array_to_string(b.ticket_serials, ',') AS ticket_serials, b.coupons, b.ticket_time\n"
        "  FROM unnest($1::uuid[]) WITH ORDINALITY AS r(booking_id, n) JOIN booking b USING (booking_id)",
    .params = get_params,
    .param_count = 1,
    .columns = get_columns,
    .column_count = 23,
    .row_bytes = sizeof(struct booking_get_row),
    .found_offset = offsetof(struct booking_get_row, found),
    .cardinality = DB_MAYBE,
    .is_read = true,
    .rows_max = 0,
    .key_param = 0,
    .distinct_param = -1,
    .batch_max = 32,
};

void booking_get(struct call *c, struct booking_get_row *ret,
    struct uuid booking_id)
{
    const struct db_value values[] = {
        {.u = booking_id},
    };
    db_submit(&c->scope, &booking_get_statement, values, ret);
}

static const struct db_param owner_params[] = {
    {.name = "booking_id", .type = DB_UUID},
};

static const struct db_column owner_columns[] = {
    {.name = "user_id", .type = DB_UUID,
     .offset = offsetof(struct booking_owner_row, user_id)},
};

const struct db_statement booking_owner_statement = {
    .name = "booking_owner",
    .sql_one =
        "SELECT user_id FROM booking WHERE booking_id = $1::uuid",
    .sql_many =
        "SELECT r.n::int4, b.user_id FROM unnest($1::uuid[]) WITH ORDINALITY r(booking_id, n) JOIN booking b USING (booking_id)",
    .params = owner_params,
    .param_count = 1,
    .columns = owner_columns,
    .column_count = 1,
    .row_bytes = sizeof(struct booking_owner_row),
    .found_offset = offsetof(struct booking_owner_row, found),
    .cardinality = DB_MAYBE,
    .is_read = true,
    .rows_max = 0,
    .key_param = -1,
    .distinct_param = -1,
    .batch_max = 64,
};

void booking_owner(struct call *c, struct booking_owner_row *ret,
    struct uuid booking_id)
{
    const struct db_value values[] = {
        {.u = booking_id},
    };
    db_submit(&c->scope, &booking_owner_statement, values, ret);
}

static const struct db_param seats_params[] = {
    {.name = "booking_id", .type = DB_UUID},
};

static const struct db_column seats_columns[] = {
    {.name = "segment", .type = DB_INT4,
     .offset = offsetof(struct booking_seats_row, segment)},
    {.name = "passenger", .type = DB_INT2,
     .offset = offsetof(struct booking_seats_row, passenger)},
    {.name = "seat", .type = DB_TEXT,
     .offset = offsetof(struct booking_seats_row, seat)},
};

const struct db_statement booking_seats_statement = {
    .name = "booking_seats",
    .sql_one =
        "SELECT f.i::int4 AS segment, s.passenger, s.seat\n"
        "  FROM booking b CROSS JOIN LATERAL unnest(b.flight_ids) WITH ORDINALITY AS f(flight_id, i)\n"
        "  JOIN seat_assignment s ON s.flight_id = f.flight_id AND s.booking_id = b.booking_id\n"
        " WHERE b.booking_id = $1::uuid AND b.has_assigned_seats AND s.expire_time > now()\n"
        " ORDER BY 1, 2",
    .sql_many =
        "SELECT r.n::int4, f.i::int4 AS segment, s.passenger, s.seat\n"
        "  FROM unnest($1::uuid[]) WITH ORDINALITY r(booking_id, n) JOIN booking b USING (booking_id)\n"
        " CROSS JOIN LATERAL unnest(b.flight_ids) WITH ORDINALITY AS f(flight_id, i)\n"
        "  JOIN seat_assignment s ON s.flight_id = f.flight_id AND s.booking_id = b.booking_id\n"
        " WHERE b.has_assigned_seats AND s.expire_time > now()\n"
        " ORDER BY 2, 3",
    .params = seats_params,
    .param_count = 1,
    .columns = seats_columns,
    .column_count = 3,
    .row_bytes = sizeof(struct booking_seats_row),
    .cardinality = DB_MANY,
    .is_read = true,
    .rows_max = 216,
    .key_param = -1,
    .distinct_param = -1,
    .batch_max = 64,
};

_Static_assert(sizeof(struct booking_seats_rows) == sizeof(struct db_rows), "the twin of db_rows");

void booking_seats(struct call *c, struct booking_seats_rows *ret,
    struct uuid booking_id)
{
    const struct db_value values[] = {
        {.u = booking_id},
    };
    db_submit(&c->scope, &booking_seats_statement, values, ret);
}

static const struct db_param list_params[] = {
    {.name = "user_id", .type = DB_UUID},
    {.name = "before", .type = DB_UUID},
    {.name = "states", .type = DB_TEXT, .is_nullable = true},
    {.name = "row_count", .type = DB_INT4},
};

static const struct db_column list_columns[] = {
    {.name = "booking_id", .type = DB_UUID,
     .offset = offsetof(struct booking_list_row, booking_id)},
    {.name = "serial", .type = DB_INT8,
     .offset = offsetof(struct booking_list_row, serial)},
    {.name = "state", .type = DB_TEXT,
     .offset = offsetof(struct booking_list_row, state)},
    {.name = "state_reason", .type = DB_TEXT,
     .offset = offsetof(struct booking_list_row, state_reason),
     .is_nullable = true, .has_offset = offsetof(struct booking_list_row, has_state_reason)},
    {.name = "total_minor", .type = DB_INT8,
     .offset = offsetof(struct booking_list_row, total_minor)},
    {.name = "currency", .type = DB_TEXT,
     .offset = offsetof(struct booking_list_row, currency)},
    {.name = "authorised_minor", .type = DB_INT8,
     .offset = offsetof(struct booking_list_row, authorised_minor),
     .is_nullable = true, .has_offset = offsetof(struct booking_list_row, has_authorised_minor)},
    {.name = "captured_minor", .type = DB_INT8,
     .offset = offsetof(struct booking_list_row, captured_minor),
     .is_nullable = true, .has_offset = offsetof(struct booking_list_row, has_captured_minor)},
    {.name = "refunded_minor", .type = DB_INT8,
     .offset = offsetof(struct booking_list_row, refunded_minor),
     .is_nullable = true, .has_offset = offsetof(struct booking_list_row, has_refunded_minor)},
    {.name = "snapshot", .type = DB_BYTEA,
     .offset = offsetof(struct booking_list_row, snapshot)},
    {.name = "passengers", .type = DB_BYTEA,
     .offset = offsetof(struct booking_list_row, passengers)},
    {.name = "intent_id", .type = DB_UUID,
     .offset = offsetof(struct booking_list_row, intent_id),
     .is_nullable = true, .has_offset = offsetof(struct booking_list_row, has_intent_id)},
    {.name = "create_time", .type = DB_TIMESTAMPTZ,
     .offset = offsetof(struct booking_list_row, create_time)},
    {.name = "update_time", .type = DB_TIMESTAMPTZ,
     .offset = offsetof(struct booking_list_row, update_time),
     .is_nullable = true, .has_offset = offsetof(struct booking_list_row, has_update_time)},
    {.name = "due_time", .type = DB_TIMESTAMPTZ,
     .offset = offsetof(struct booking_list_row, due_time)},
    {.name = "lapsed", .type = DB_BOOL,
     .offset = offsetof(struct booking_list_row, lapsed),
     .is_nullable = true, .has_offset = offsetof(struct booking_list_row, has_lapsed)},
    {.name = "event_count", .type = DB_INT4,
     .offset = offsetof(struct booking_list_row, event_count)},
};

const struct db_statement booking_list_statement = {
    .name = "booking_list",
    .sql_one =
        "SELECT b.booking_id, b.serial, b.state, b.state_reason, b.total_minor, b.currency,\n"
        "       nullif(b.authorised_minor, 0) AS authorised_minor, nullif(b.captured_minor, 0) AS captured_minor,\n"
        "       nullif(b.refunded_minor, 0) AS refunded_minor,\n"
        "       b.snapshot, b.passengers, b.intent_id, b.create_time, nullif(b.update_time, b.create_time) AS update_time,\n"
        "       b.payment_required_time AS due_time,\n"
        "       CASE WHEN b.state = 'HELD' AND b.payment_required_time <= now() THEN true END AS lapsed, b.event_count\n"
        "  FROM booking b\n"
        " WHERE b.user_id = $1::uuid AND b.booking_id < $2::uuid\n"
        "   AND ($3::text IS NULL\n"
        "        OR CASE WHEN b.state = 'HELD' AND b.payment_required_time <= now() THEN 'EXPIRED' ELSE b.state END\n"
        "           = ANY (string_to_array($3::text, ',')))\n"
        " ORDER BY b.booking_id DESC LIMIT $4::int4",
    .sql_many =
        "SELECT r.n::int4, x.*\n"
        "  FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::int4[]) WITH ORDINALITY r(user_id, before, states, row_count, n)\n"
        " CROSS JOIN LATERAL (\n"
        "       SELECT b.booking_id, b.serial, b.state, b.state_reason, b.total_minor, b.currency,\n"
        "              nullif(b.authorised_minor, 0) AS authorised_minor, nullif(b.captured_minor, 0) AS captured_minor,\n"
        "              nullif(b.refunded_minor, 0) AS refunded_minor,\n"
        "              b.snapshot, b.passengers, b.intent_id, b.create_time, nullif(b.update_time, b.create_time) AS update_time,\n"
        "              b.payment_required_time AS due_time,\n"
        "              CASE WHEN b.state = 'HELD' AND b.payment_required_time <= now() THEN true END AS lapsed, b.event_count\n"
        "         FROM booking b\n"
        "        WHERE b.user_id = r.user_id AND b.booking_id < r.before\n"
        "          AND (r.states IS NULL\n"
        "               OR CASE WHEN b.state = 'HELD' AND b.payment_required_time <= now() THEN 'EXPIRED' ELSE b.state END\n"
        "                  = ANY (string_to_array(r.states, ',')))\n"
        "        ORDER BY b.booking_id DESC LIMIT r.row_count) x",
    .params = list_params,
    .param_count = 4,
    .columns = list_columns,
    .column_count = 17,
    .row_bytes = sizeof(struct booking_list_row),
    .cardinality = DB_MANY,
    .is_read = true,
    .rows_max = 101,
    .key_param = -1,
    .distinct_param = -1,
    .batch_max = 32,
};

_Static_assert(sizeof(struct booking_list_rows) == sizeof(struct db_rows), "the twin of db_rows");

void booking_list(struct call *c, struct booking_list_rows *ret,
    struct uuid user_id,
    struct uuid before,
    struct str states,
    int32_t row_count)
{
    const struct db_value values[] = {
        {.u = user_id},
        {.u = before},
        {.s = states, .is_null = !states.p},
        {.i = row_count},
    };
    db_submit(&c->scope, &booking_list_statement, values, ret);
}

static const struct db_param events_params[] = {
    {.name = "booking_id", .type = DB_UUID},
    {.name = "after", .type = DB_INT4},
    {.name = "row_count", .type = DB_INT4},
};

static const struct db_column events_columns[] = {
    {.name = "sequence", .type = DB_INT4,
     .offset = offsetof(struct booking_events_row, sequence)},
    {.name = "type", .type = DB_TEXT,
     .offset = offsetof(struct booking_events_row, type)},
    {.name = "before", .type = DB_TEXT,
     .offset = offsetof(struct booking_events_row, before),
     .is_nullable = true, .has_offset = offsetof(struct booking_events_row, has_before)},
    {.name = "state", .type = DB_TEXT,
     .offset = offsetof(struct booking_events_row, state)},
    {.name = "actor", .type = DB_TEXT,
     .offset = offsetof(struct booking_events_row, actor)},
    {.name = "reason", .type = DB_TEXT,
     .offset = offsetof(struct booking_events_row, reason),
     .is_nullable = true, .has_offset = offsetof(struct booking_events_row, has_reason)},
    {.name = "occur_time", .type = DB_TIMESTAMPTZ,
     .offset = offsetof(struct booking_events_row, occur_time)},
    {.name = "subject", .type = DB_UUID,
     .offset = offsetof(struct booking_events_row, subject),
     .is_nullable = true, .has_offset = offsetof(struct booking_events_row, has_subject)},
};

const struct db_statement booking_events_statement = {
    .name = "booking_events",
    .sql_one =
        "SELECT * FROM (SELECT sequence, type, lag(state) OVER (ORDER BY sequence) AS before, state, actor, reason, occur_time, subject\n"
        "                 FROM booking_history WHERE booking_id = $1::uuid AND sequence >= $2::int4) h\n"
        " WHERE sequence > $2::int4 ORDER BY sequence LIMIT $3::int4",
    .sql_many =
        "SELECT r.n::int4, x.*\n"
        "  FROM unnest($1::uuid[], $2::int4[], $3::int4[]) WITH ORDINALITY r(booking_id, after, row_count, n)\n"
        " CROSS JOIN LATERAL (\n"
        "       SELECT * FROM (SELECT sequence, type, lag(state) OVER (ORDER BY sequence) AS before, state, actor, reason, occur_time, subject\n"
        "                        FROM booking_history h WHERE h.booking_id = r.booking_id AND sequence >= r.after) h\n"
        "        WHERE sequence > r.after ORDER BY sequence LIMIT r.row_count) x",
    .params = events_params,
    .param_count = 3,
    .columns = events_columns,
    .column_count = 8,
    .row_bytes = sizeof(struct booking_events_row),
    .cardinality = DB_MANY,
    .is_read = true,
    .rows_max = 201,
    .key_param = -1,
    .distinct_param = -1,
    .batch_max = 32,
};

_Static_assert(sizeof(struct booking_events_rows) == sizeof(struct db_rows), "the twin of db_rows");

void booking_events(struct call *c, struct booking_events_rows *ret,
    struct uuid booking_id,
    int32_t after,
    int32_t row_count)
{
    const struct db_value values[] = {
        {.u = booking_id},
        {.i = after},
        {.i = row_count},
    };
    db_submit(&c->scope, &booking_events_statement, values, ret);
}

static const struct db_param refundable_params[] = {
    {.name = "booking_id", .type = DB_UUID},
};

static const struct db_column refundable_columns[] = {
    {.name = "refundable_minor", .type = DB_INT8,
     .offset = offsetof(struct booking_refundable_row, refundable_minor)},
};

const struct db_statement booking_refundable_statement = {
    .name = "booking_refundable",
    .sql_one =
        "SELECT p.refundable_minor\n"
        "  FROM booking b JOIN payment p USING (booking_id, intent_id) WHERE b.booking_id = $1::uuid AND p.intent_state IS NOT NULL",
    .sql_many = NULL,
    .params = refundable_params,
    .param_count = 1,
    .columns = refundable_columns,
    .column_count = 1,
    .row_bytes = sizeof(struct booking_refundable_row),
    .found_offset = offsetof(struct booking_refundable_row, found),
    .cardinality = DB_MAYBE,
    .is_read = false,
    .rows_max = 0,
    .key_param = -1,
    .distinct_param = -1,
    .batch_max = 1,
};

void booking_refundable(struct call *c, struct booking_refundable_row *ret,
    struct uuid booking_id)
{
    const struct db_value values[] = {
        {.u = booking_id},
    };
    db_submit(&c->scope, &booking_refundable_statement, values, ret);
}

static const struct db_param quote_params[] = {
    {.name = "principal", .type = DB_UUID},
    {.name = "request_id", .type = DB_UUID},
    {.name = "fingerprint", .type = DB_BYTEA},
    {.name = "booking_id", .type = DB_UUID},
    {.name = "cancellation_id", .type = DB_UUID},
    {.name = "event_count", .type = DB_INT4},
    {.name = "refund_minor", .type = DB_INT8},
    {.name = "penalty_minor", .type = DB_INT8},
    {.name = "quote_seconds", .type = DB_INT4},
    {.name = "departure_time", .type = DB_TIMESTAMPTZ},
    {.name = "etag_count", .type = DB_INT4, .is_nullable = true},
    {.name = "etag_time", .type = DB_TIMESTAMPTZ, .is_nullable = true},
};

static const struct db_column quote_columns[] = {
    {.name = "claimed", .type = DB_BOOL,
     .offset = offsetof(struct booking_quote_row, claimed)},
    {.name = "refusal", .type = DB_TEXT,
     .offset = offsetof(struct booking_quote_row, refusal),
     .is_nullable = true, .has_offset = offsetof(struct booking_quote_row, has_refusal)},
    {.name = "create_time", .type = DB_TIMESTAMPTZ,
     .offset = offsetof(struct booking_quote_row, create_time)},
    {.name = "expire_time", .type = DB_TIMESTAMPTZ,
     .offset = offsetof(struct booking_quote_row, expire_time)},
};

const struct db_statement booking_quote_statement = {
    .name = "booking_quote",
    .sql_one =
        "WITH b AS MATERIALIZED (\n"
        "    SELECT * FROM booking WHERE booking_id = $4::uuid FOR UPDATE\n"
        "), r AS MATERIALIZED (\n"
        "    SELECT p.refundable_minor\n"
        "      FROM payment p JOIN b ON b.booking_id = p.booking_id AND b.intent_id = p.intent_id\n"
        "     WHERE p.intent_state IS NOT NULL FOR UPDATE OF p\n"
        "), v AS MATERIALIZED (\n"
        "    SELECT CASE\n"
        "               WHEN b.event_count <> $6::int4 OR coalesce(r.refundable_minor, 0) <> $7::int8 + $8::int8\n"
        "                   THEN 'CONFLICT'\n"
        "               WHEN b.event_count <> $11::int4 OR b.update_time <> $12::timestamptz THEN 'ETAG_MISMATCH'\n"
        "               WHEN b.state = 'CONFIRMING' OR b.state = 'CONFIRMED' AND b.captured_minor < b.total_minor\n"
        "                   THEN 'PAYMENT_IN_PROGRESS'\n"
        "               WHEN b.state NOT IN ('HELD', 'CONFIRMED') OR b.state = 'HELD' AND b.payment_required_time <= now()\n"
        "                   THEN 'BOOKING_STATE'\n"
        "               WHEN $10::timestamptz <= now() THEN 'FLIGHT_DEPARTED'\n"
        "           END AS refusal, least(now() + $9::int4 * interval '1 second', $10::timestamptz) AS expire_time\n"
        "      FROM b LEFT JOIN r ON true\n"
        "), k AS (\n"
        "    INSERT INTO idempotency (principal, method, request_id, fingerprint, resource, reason)\n"
        "    SELECT $1::uuid, 6, $2::uuid, $3::bytea, CASE WHEN refusal IS NULL THEN $5::uuid END, refusal\n"
        "      FROM v WHERE refusal IS NULL OR refusal IN ('BOOKING_STATE', 'FLIGHT_DEPARTED')\n"
        "        ON CONFLICT DO NOTHING\n"
        "    RETURNING resource\n"
        "), g AS MATERIALIZED (\n"
        "    SELECT b.event_count, b.currency, b.state, v.expire_time FROM k, b, v WHERE k.resource IS NOT NULL\n"
        "), s AS (\n"
        "    UPDATE cancellation SET state = 'SUPERSEDED'\n"
        "      FROM g WHERE cancellation.booking_id = $4::uuid AND cancellation.state = 'QUOTED'\n"
        "), q AS (\n"
        "    INSERT INTO cancellation (booking_id, cancellation_id, state, refund_minor, penalty_minor, currency, expire_time)\n"
        "    SELECT $4::uuid, $5::uuid, 'QUOTED', $7::int8, $8::int8, currency, expire_time FROM g\n"
        "), u AS (\n"
        "    UPDATE booking SET event_count = booking.event_count + 1, update_time = now() FROM g WHERE booking_id = $4::uuid\n"
        "), e AS (\n"
        "    INSERT INTO booking_event (booking_id, sequence, type, state, actor, subject)\n"
        "    SELECT $4::uuid, event_count + 1, 'CANCELLATION_QUOTED', state, 'users/' || $1::uuid, $5::uuid FROM g\n"
        ")\n"
        "SELECT EXISTS (SELECT FROM k) AS claimed,\n"
        "       v.refusal, now() AS create_time, v.expire_time\n"
        "  FROM v",
    .sql_many = NULL,
    .params = quote_params,
    .param_count = 12,
    .columns = quote_columns,
    .column_count = 4,
    .row_bytes = sizeof(struct booking_quote_row),
    .cardinality = DB_ONE,
    .is_read = false,
    .rows_max = 0,
    .key_param = -1,
    .distinct_param = -1,
    .batch_max = 1,
};

void booking_quote(struct call *c, struct booking_quote_row *ret,
    struct uuid principal,
    struct uuid request_id,
    struct str fingerprint,
    struct uuid booking_id,
    struct uuid cancellation_id,
    int32_t event_count,
    int64_t refund_minor,
    int64_t penalty_minor,
    int32_t quote_seconds,
    int64_t departure_time,
    const int32_t *etag_count,
    const int64_t *etag_time)
{
    const struct db_value values[] = {
        {.u = principal},
        {.u = request_id},
        {.s = fingerprint},
        {.u = booking_id},
        {.u = cancellation_id},
        {.i = event_count},
        {.i = refund_minor},
        {.i = penalty_minor},
        {.i = quote_seconds},
        {.i = departure_time},
        {.i = etag_count ? *etag_count : (int32_t){0}, .is_null = !etag_count},
        {.i = etag_time ? *etag_time : (int64_t){0}, .is_null = !etag_time},
    };
    db_submit(&c->scope, &booking_quote_statement, values, ret);
}

static const struct db_param cancellation_params[] = {
    {.name = "booking_id", .type = DB_UUID},
    {.name = "cancellation_id", .type = DB_UUID},
};

static const struct db_column cancellation_columns[] = {
    {.name = "user_id", .type = DB_UUID,
     .offset = offsetof(struct booking_cancellation_row, user_id)},
    {.name = "state", .type = DB_TEXT,
     .offset = offsetof(struct booking_cancellation_row, state)},
    {.name = "refund_minor", .type = DB_INT8,
     .offset = offsetof(struct booking_cancellation_row, refund_minor)},
    {.name = "penalty_minor", .type = DB_INT8,
     .offset = offsetof(struct booking_cancellation_row, penalty_minor)},
    {.name = "currency", .type = DB_TEXT,
     .offset = offsetof(struct booking_cancellation_row, currency)},
    {.name = "refund_id", .type = DB_UUID,
     .offset = offsetof(struct booking_cancellation_row, refund_id),
     .is_nullable = true, .has_offset = offsetof(struct booking_cancellation_row, has_refund_id)},
    {.name = "expire_time", .type = DB_TIMESTAMPTZ,
     .offset = offsetof(struct booking_cancellation_row, expire_time)},
    {.name = "create_time", .type = DB_TIMESTAMPTZ,
     .offset = offsetof(struct booking_cancellation_row, create_time)},
    {.name = "lapsed", .type = DB_BOOL,
     .offset = offsetof(struct booking_cancellation_row, lapsed)},
    {.name = "offer", .type = DB_TEXT,
     .offset = offsetof(struct booking_cancellation_row, offer)},
};

const struct db_statement booking_cancellation_statement = {
    .name = "booking_cancellation",
    .sql_one =
        "SELECT b.user_id, c.state, c.refund_minor, c.penalty_minor, c.currency, c.refund_id, c.expire_time, c.create_time,\n"
        "       c.state = 'QUOTED' AND c.expire_time <= now() AS lapsed, b.offer\n"
        "  FROM cancellation c JOIN booking b USING (booking_id)\n"
        " WHERE c.booking_id = $1::uuid AND c.cancellation_id = $2::uuid",
    .sql_many = NULL,
    .params = cancellation_params,
    .param_count = 2,
    .columns = cancellation_columns,
    .column_count = 10,
    .row_bytes = sizeof(struct booking_cancellation_row),
    .found_offset = offsetof(struct booking_cancellation_row, found),
    .cardinality = DB_MAYBE,
    .is_read = false,
    .rows_max = 0,
    .key_param = -1,
    .distinct_param = -1,
    .batch_max = 1,
};

void booking_cancellation(struct call *c, struct booking_cancellation_row *ret,
    struct uuid booking_id,
    struct uuid cancellation_id)
{
    const struct db_value values[] = {
        {.u = booking_id},
        {.u = cancellation_id},
    };
    db_submit(&c->scope, &booking_cancellation_statement, values, ret);
}

static const struct db_param cancel_params[] = {
    {.name = "principal", .type = DB_UUID},
    {.name = "request_id", .type = DB_UUID},
    {.name = "fingerprint", .type = DB_BYTEA},
    {.name = "booking_id", .type = DB_UUID},
    {.name = "cancellation_id", .type = DB_UUID},
    {.name = "refund_id", .type = DB_UUID},
};

static const struct db_column cancel_columns[] = {
    {.name = "claimed", .type = DB_BOOL,
     .offset = offsetof(struct booking_cancel_row, claimed)},
    {.name = "refusal", .type = DB_TEXT,
     .offset = offsetof(struct booking_cancel_row, refusal),
     .is_nullable = true, .has_offset = offsetof(struct booking_cancel_row, has_refusal)},
};

const struct db_statement booking_cancel_statement = {
    .name = "booking_cancel",
    .sql_one =
        "WITH b AS MATERIALIZED (\n"
        "    SELECT * FROM booking WHERE booking_id = $4::uuid FOR UPDATE\n"
        "), q AS MATERIALIZED (\n"
        "    SELECT c.* FROM cancellation c JOIN b USING (booking_id) WHERE c.cancellation_id = $5::uuid FOR UPDATE OF c\n"
        "), r AS MATERIALIZED (\n"
        "    SELECT p.refundable_minor\n"
        "      FROM payment p JOIN b ON b.booking_id = p.booking_id AND b.intent_id = p.intent_id\n"
        "     WHERE p.intent_state IS NOT NULL FOR UPDATE OF p\n"
        "), v AS MATERIALIZED (\n"
        "    SELECT CASE\n"
        "               WHEN b.user_id IS DISTINCT FROM $1::uuid OR q.cancellation_id IS NULL THEN 'NOT_FOUND'\n"
        "               WHEN q.state = 'SUPERSEDED' THEN 'QUOTE_SUPERSEDED'\n"
        "               WHEN b.state = 'CONFIRMING' OR b.state = 'CONFIRMED' AND b.captured_minor < b.total_minor\n"
        "                    OR b.state IN ('HELD', 'CONFIRMED') AND b.intent_id IS NOT NULL AND r.refundable_minor IS NULL\n"
        "                   THEN 'PAYMENT_IN_PROGRESS'\n"
        "               WHEN q.state NOT IN ('QUOTED', 'EXPIRED') OR b.state NOT IN ('HELD', 'CONFIRMED')\n"
        "                    OR b.state = 'HELD' AND b.payment_required_time <= now() THEN 'BOOKING_STATE'\n"
        "               WHEN q.expire_time <= now() THEN 'QUOTE_EXPIRED'\n"
        "               WHEN coalesce(r.refundable_minor, 0) <> q.refund_minor + q.penalty_minor THEN 'QUOTE_SUPERSEDED'\n"
        "           END AS refusal\n"
        "      FROM (SELECT 1) x LEFT JOIN b ON true LEFT JOIN q ON true LEFT JOIN r ON true\n"
        "), k AS (\n"
        "    INSERT INTO idempotency (principal, method, request_id, fingerprint, resource, reason)\n"
        "    SELECT $1::uuid, 7, $2::uuid, $3::bytea, CASE WHEN refusal IS NULL THEN $5::uuid END, refusal\n"
        "      FROM v WHERE refusal IS NULL OR refusal NOT IN ('NOT_FOUND', 'PAYMENT_IN_PROGRESS')\n"
        "        ON CONFLICT DO NOTHING\n"
        "    RETURNING resource\n"
        "), g AS MATERIALIZED (\n"
        "    SELECT b.*, q.refund_minor, q.penalty_minor FROM k, b, q WHERE k.resource IS NOT NULL\n"
        "), u AS (\n"
        "    UPDATE inventory i SET free = i.free + s.seats, taken = i.taken - s.seats\n"
        "      FROM (SELECT x.flight_id, x.cabin, sum(g.seats)::int4 AS seats\n"
        "              FROM g, unnest(g.flight_ids, g.cabins) AS x(flight_id, cabin) GROUP BY 1, 2 ORDER BY 1, 2) s\n"
        "     WHERE i.flight_id = s.flight_id AND i.cabin = s.cabin\n"
        "    RETURNING i.flight_id\n"
        "), h AS (\n"
        "    INSERT INTO inventory_change (flight_id, flight_ids)\n"
        "    SELECT (array_agg(flight_id))[1], array_agg(flight_id) FROM u HAVING count(*) > 0\n"
        "), z AS (\n"
        "    DELETE FROM seat_assignment a USING g, unnest(g.flight_ids) AS x(flight_id), (SELECT count(*) FROM u) locked\n"
        "     WHERE g.has_assigned_seats AND a.flight_id = x.flight_id AND a.booking_id = g.booking_id\n"
        "), w AS (\n"
        "    UPDATE booking SET state = CASE WHEN g.refund_minor > 0 THEN 'CANCELLING' ELSE 'CANCELLED' END, update_time = now(),\n"
        "                       coupons = replace(booking.coupons, 'O', CASE WHEN g.refund_minor > 0 THEN 'R' ELSE 'V' END),\n"
        "                       event_count = booking.event_count + CASE WHEN g.refund_minor > 0 THEN 1 ELSE 2 END\n"
        "      FROM g WHERE booking.booking_id = g.booking_id\n"
        "), e AS (\n"
        "    INSERT INTO booking_event (booking_id, sequence, type, state, actor, subject)\n"
        "    SELECT g.booking_id, g.event_count + x.i, x.type, CASE WHEN g.refund_minor > 0 THEN 'CANCELLING' ELSE 'CANCELLED' END,\n"
        "           'users/' || $1::uuid, CASE x.i WHEN 1 THEN $5::uuid END\n"
        "      FROM g JOIN (VALUES (1, 'CANCELLATION_CONFIRMED'), (2, 'BOOKING_CANCELLED')) AS x(i, type)\n"
        "        ON x.i = 1 OR g.refund_minor = 0\n"
        "), c AS (\n"
        "    UPDATE cancellation SET state = CASE WHEN g.refund_minor > 0 THEN 'CONFIRMING' ELSE 'APPLIED' END,\n"
        "                            refund_id = CASE WHEN g.refund_minor > 0 THEN $6::uuid END\n"
        "      FROM g WHERE cancellation.booking_id = $4::uuid AND cancellation.cancellation_id = $5::uuid\n"
        "), p AS (\n"
        "    UPDATE payment i\n"
        "       SET refundable_minor = i.refundable_minor - g.refund_minor, update_time = now(),\n"
        "           intent_state = CASE WHEN i.intent_state IN ('REQUIRES_PAYMENT_METHOD', 'REQUIRES_ACTION') THEN 'CANCELLED'\n"
        "                          ELSE i.intent_state END\n"
        "      FROM g WHERE i.booking_id = g.booking_id AND i.intent_id = g.intent_id AND i.intent_state IS NOT NULL\n"
        "), f AS (\n"
        "    INSERT INTO refund (booking_id, refund_id, intent_id, state, amount_minor, currency, cause, due_time)\n"
        "    SELECT booking_id, $6::uuid, intent_id, 'RESERVED', refund_minor, currency, 'CANCELLATION', now()\n"
        "      FROM g WHERE refund_minor > 0\n"
        "), m AS (\n"
        "    INSERT INTO ledger_transfer (booking_id, cause, kind, debit, credit, amount_minor, currency)\n"
        "    SELECT booking_id, $5::uuid, 'PENALTY', 'unearned_revenue', 'penalty_revenue', penalty_minor, currency\n"
        "      FROM g WHERE penalty_minor > 0\n"
        ")\n"
        "SELECT EXISTS (SELECT FROM k) AS claimed,\n"
        "       v.refusal\n"
        "  FROM v",
    .sql_many = NULL,
    .params = cancel_params,
    .param_count = 6,
    .columns = cancel_columns,
    .column_count = 2,
    .row_bytes = sizeof(struct booking_cancel_row),
    .cardinality = DB_ONE,
    .is_read = false,
    .rows_max = 0,
    .key_param = -1,
    .distinct_param = -1,
    .batch_max = 1,
};

void booking_cancel(struct call *c, struct booking_cancel_row *ret,
    struct uuid principal,
    struct uuid request_id,
    struct str fingerprint,
    struct uuid booking_id,
    struct uuid cancellation_id,
    struct uuid refund_id)
{
    const struct db_value values[] = {
        {.u = principal},
        {.u = request_id},
        {.s = fingerprint},
        {.u = booking_id},
        {.u = cancellation_id},
        {.u = refund_id},
    };
    db_submit(&c->scope, &booking_cancel_statement, values, ret);
}

const struct db_statement *const booking_statements[] = {
    &booking_hold_statement,
    &booking_claim_seats_statement,
    &booking_unhold_statement,
    &booking_get_statement,
    &booking_owner_statement,
    &booking_seats_statement,
    &booking_list_statement,
    &booking_events_statement,
    &booking_refundable_statement,
    &booking_quote_statement,
    &booking_cancellation_statement,
    &booking_cancel_statement,
    NULL,
};
