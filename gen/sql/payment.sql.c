/* Made by sqlgen from payment.sql: do not edit. */
#include "payment.sql.h"

static const struct db_param start_params[] = {
    {.name = "booking_id", .type = DB_UUID},
    {.name = "principal", .type = DB_UUID},
    {.name = "method", .type = DB_INT2},
    {.name = "request_id", .type = DB_UUID},
    {.name = "fingerprint", .type = DB_BYTEA},
    {.name = "intent_id", .type = DB_UUID},
    {.name = "is_new", .type = DB_BOOL},
    {.name = "attempt_id", .type = DB_UUID},
    {.name = "amount_minor", .type = DB_INT8, .is_nullable = true},
    {.name = "currency", .type = DB_TEXT, .is_nullable = true},
    {.name = "etag_time", .type = DB_TIMESTAMPTZ, .is_nullable = true},
    {.name = "provider", .type = DB_TEXT},
    {.name = "method_token", .type = DB_TEXT},
    {.name = "card_key", .type = DB_UUID},
    {.name = "user_max", .type = DB_INT4},
    {.name = "card_max", .type = DB_INT4},
    {.name = "booking_max", .type = DB_INT4},
    {.name = "due_seconds", .type = DB_INT4},
    {.name = "pin_seconds", .type = DB_INT4},
};

static const struct db_column start_columns[] = {
    {.name = "claimed", .type = DB_BOOL,
     .offset = offsetof(struct payment_start_row, claimed)},
    {.name = "refusal", .type = DB_TEXT,
     .offset = offsetof(struct payment_start_row, refusal),
     .is_nullable = true, .has_offset = offsetof(struct payment_start_row, has_refusal)},
    {.name = "amount_minor", .type = DB_INT8,
     .offset = offsetof(struct payment_start_row, amount_minor),
     .is_nullable = true, .has_offset = offsetof(struct payment_start_row, has_amount_minor)},
    {.name = "currency", .type = DB_TEXT,
     .offset = offsetof(struct payment_start_row, currency),
     .is_nullable = true, .has_offset = offsetof(struct payment_start_row, has_currency)},
    {.name = "create_time", .type = DB_TIMESTAMPTZ,
     .offset = offsetof(struct payment_start_row, create_time)},
    {.name = "update_time", .type = DB_TIMESTAMPTZ,
     .offset = offsetof(struct payment_start_row, update_time)},
};

const struct db_statement payment_start_statement = {
    .name = "payment_start",
    .sql_one = NULL,
    .sql_many =
        "WITH b AS MATERIALIZED (\n"
        "    SELECT r.n, k.booking_id, k.user_id, k.state, k.total_minor - k.captured_minor AS owed_minor, k.currency, k.event_count,\n"
        "           k.intent_id, CASE WHEN k.has_assigned_seats THEN k.flight_ids END AS seat_flights, k.payment_required_time\n"
        "      FROM unnest($1::uuid[]) WITH ORDINALITY AS r(booking_id, n) JOIN booking k USING (booking_id)\n"
        "     ORDER BY k.booking_id FOR UPDATE OF k\n"
        "), i AS MATERIALIZED (\n"
        "    SELECT b.n, p.attempt_id, p.intent_id, p.intent_state AS state, p.amount_minor, p.currency,\n"
        "           p.intent_create_time AS create_time, p.update_time\n"
        "      FROM b JOIN payment p USING (booking_id)\n"
        "     WHERE p.intent_state IS NOT NULL AND (b.intent_id IS NOT NULL OR NOT ($7::bool[])[b.n])\n"
        "       FOR UPDATE OF p\n"
        "), c AS MATERIALIZED (\n"
        "    SELECT b.n, b.booking_id, b.event_count, b.seat_flights, i.attempt_id AS former_id,\n"
        "           coalesce(($9::int8[])[b.n], i.amount_minor) AS amount_minor, coalesce(($10::text[])[b.n], i.currency) AS currency,\n"
        "           coalesce(i.create_time, now()) AS create_time,\n"
        "           CASE\n"
        "               WHEN b.user_id IS DISTINCT FROM ($2::uuid[])[b.n] THEN 'NOT_FOUND'\n"
        "               WHEN b.state = 'CONFIRMING' OR NOT EXISTS (SELECT FROM i o WHERE o.n = b.n AND o.intent_id = b.intent_id)\n"
        "                    AND CASE WHEN ($7::bool[])[b.n] THEN b.intent_id IS NOT NULL ELSE b.intent_id = ($6::uuid[])[b.n] END\n"
        "                   THEN 'PAYMENT_IN_PROGRESS'\n"
        "               WHEN NOT ($7::bool[])[b.n] AND i.intent_id IS NULL THEN 'NOT_FOUND'\n"
        "               WHEN b.state = 'EXPIRED' OR b.state = 'HELD' AND b.payment_required_time <= clock_timestamp() THEN 'HOLD_EXPIRED'\n"
        "               WHEN b.state <> 'HELD' THEN 'BOOKING_STATE'\n"
        "               WHEN coalesce(($10::text[])[b.n], i.currency) <> b.currency THEN 'CURRENCY_MISMATCH'\n"
        "               WHEN coalesce(($9::int8[])[b.n], i.amount_minor) <> b.owed_minor THEN 'AMOUNT_MISMATCH'\n"
        "               WHEN i.update_time <> ($11::timestamptz[])[b.n] THEN 'ETAG_MISMATCH'\n"
        "               WHEN NOT ($7::bool[])[b.n] AND i.state <> 'REQUIRES_PAYMENT_METHOD' THEN 'PAYMENT_STATE'\n"
        "               WHEN ($7::bool[])[b.n] AND EXISTS (SELECT FROM i o WHERE o.n = b.n AND o.state NOT IN ('CANCELLED', 'EXPIRED'))\n"
        "                   THEN 'PAYMENT_STATE'\n"
        "               WHEN b.intent_id IS NOT NULL AND (SELECT count(*) FROM payment x WHERE x.booking_id = b.booking_id\n"
        "                        AND x.state <> 'NOT_RECEIVED') >= ($17::int4[])[b.n] THEN 'RISK_VELOCITY'\n"
        "               WHEN (SELECT count(*) FROM payment x WHERE x.user_id = ($2::uuid[])[b.n]\n"
        "                        AND x.create_time > now() - interval '1 hour' AND x.state <> 'NOT_RECEIVED') >= ($15::int4[])[b.n]\n"
        "                    OR (SELECT count(*) FROM payment x WHERE x.card_key = ($14::uuid[])[b.n]\n"
        "                        AND x.create_time > now() - interval '1 hour' AND x.state <> 'NOT_RECEIVED') >= ($16::int4[])[b.n]\n"
        "                   THEN 'RISK_VELOCITY'\n"
        "               WHEN cardinality(array_positions($1::uuid[], b.booking_id)) > 1\n"
        "                    AND (SELECT count(*) FROM idempotency o WHERE o.principal = ($2::uuid[])[b.n]\n"
        "                            AND o.method = ($3::int2[])[b.n] AND o.request_id = ($4::uuid[])[b.n]) > 0\n"
        "                   THEN 'PAYMENT_IN_PROGRESS'\n"
        "           END AS refusal\n"
        "      FROM b LEFT JOIN i ON i.n = b.n AND i.intent_id = ($6::uuid[])[b.n]\n"
        "), v AS MATERIALIZED (\n"
        "    SELECT n, booking_id, event_count, seat_flights, former_id, amount_minor, currency, create_time,\n"
        "           coalesce(refusal, CASE WHEN row_number() OVER (PARTITION BY booking_id, refusal IS NULL ORDER BY n) > 1\n"
        "                                  THEN 'PAYMENT_IN_PROGRESS' END) AS refusal\n"
        "      FROM c\n"
        "), k AS (\n"
        "    INSERT INTO idempotency (principal, method, request_id, fingerprint, resource, reason)\n"
        "    SELECT ($2::uuid[])[n], ($3::int2[])[n], ($4::uuid[])[n], ($5::bytea[])[n],\n"
        "           CASE WHEN refusal IS NULL THEN ($6::uuid[])[n] END, refusal\n"
        "      FROM v\n"
        "     WHERE refusal IS NULL OR refusal NOT IN ('NOT_FOUND', 'PAYMENT_IN_PROGRESS', 'ETAG_MISMATCH')\n"
        "     ORDER BY 1, 2, 3\n"
        "        ON CONFLICT DO NOTHING\n"
        "    RETURNING request_id\n"
        "), g AS MATERIALIZED (\n"
        "    SELECT n, booking_id, event_count, seat_flights, former_id, amount_minor, currency, create_time\n"
        "      FROM v\n"
        "     WHERE refusal IS NULL AND (($4::uuid[])[n] IN (SELECT request_id FROM k)) IS TRUE\n"
        "), u AS (\n"
        "    UPDATE booking SET state = 'CONFIRMING', pin_time = now() + ($19::int4[])[g.n] * interval '1 second',\n"
        "                       update_time = now(), event_count = booking.event_count + 1, intent_id = ($6::uuid[])[g.n],\n"
        "                       authorised_minor = 0, state_reason = NULL\n"
        "      FROM g WHERE booking.booking_id = g.booking_id\n"
        "), p AS (\n"
        "    UPDATE payment SET intent_state = NULL\n"
        "      FROM g WHERE g.former_id IS NOT NULL AND payment.booking_id = g.booking_id AND payment.attempt_id = g.former_id\n"
        "), a AS (\n"
        "    INSERT INTO payment (booking_id, attempt_id, intent_id, user_id, card_key, intent_create_time, amount_minor, currency,\n"
        "                         start_event, intent_state, state, provider, method_token)\n"
        "    SELECT booking_id, ($8::uuid[])[n], ($6::uuid[])[n], ($2::uuid[])[n], ($14::uuid[])[n], create_time, amount_minor, currency,\n"
        "           event_count + 1, 'PROCESSING', 'SENT', ($12::text[])[n], ($13::text[])[n]\n"
        "      FROM g\n"
        "), o AS (\n"
        "    INSERT INTO payment_watch (booking_id, due_time, booking_ids, attempt_ids)\n"
        "    SELECT (array_agg(booking_id))[1], now() + max(($18::int4[])[n]) * interval '1 second', array_agg(booking_id),\n"
        "           array_agg(($8::uuid[])[n])\n"
        "      FROM g HAVING count(*) > 0\n"
        "), z AS (\n"
        "    UPDATE seat_assignment q SET expire_time = 'infinity'\n"
        "     WHERE q.flight_id = ANY (ARRAY(SELECT unnest(seat_flights) FROM g))\n"
        "       AND q.booking_id = ANY (ARRAY(SELECT booking_id FROM g WHERE seat_flights IS NOT NULL))\n"
        ")\n"
        "SELECT n::int4, ($4::uuid[])[n] IN (SELECT request_id FROM k) AS claimed, refusal, amount_minor, currency, create_time,\n"
        "       now() AS update_time\n"
        "  FROM v",
    .params = start_params,
    .param_count = 19,
    .columns = start_columns,
    .column_count = 6,
    .row_bytes = sizeof(struct payment_start_row),
    .found_offset = offsetof(struct payment_start_row, found),
    .cardinality = DB_MAYBE,
    .is_read = false,
    .rows_max = 0,
    .key_param = 0,
    .distinct_param = 3,
    .batch_max = 64,
};

void payment_start(struct call *c, struct payment_start_row *ret,
    struct uuid booking_id,
    struct uuid principal,
    int16_t method,
    struct uuid request_id,
    struct str fingerprint,
    struct uuid intent_id,
    bool is_new,
    struct uuid attempt_id,
    const int64_t *amount_minor,
    struct str currency,
    const int64_t *etag_time,
    struct str provider,
    struct str method_token,
    struct uuid card_key,
    int32_t user_max,
    int32_t card_max,
    int32_t booking_max,
    int32_t due_seconds,
    int32_t pin_seconds)
{
    const struct db_value values[] = {
        {.u = booking_id},
        {.u = principal},
        {.i = method},
        {.u = request_id},
        {.s = fingerprint},
        {.u = intent_id},
        {.b = is_new},
        {.u = attempt_id},
        {.i = amount_minor ? *amount_minor : (int64_t){0}, .is_null = !amount_minor},
        {.s = currency, .is_null = !currency.p},
        {.i = etag_time ? *etag_time : (int64_t){0}, .is_null = !etag_time},
        {.s = provider},
        {.s = method_token},
        {.u = card_key},
        {.i = user_max},
        {.i = card_max},
        {.i = booking_max},
        {.i = due_seconds},
        {.i = pin_seconds},
    };
    db_submit(&c->scope, &payment_start_statement, values, ret);
}

static const struct db_param authorised_params[] = {
    {.name = "booking_id", .type = DB_UUID},
    {.name = "attempt_id", .type = DB_UUID},
    {.name = "provider_reference", .type = DB_TEXT},
    {.name = "card_fingerprint", .type = DB_BYTEA, .is_nullable = true},
    {.name = "card", .type = DB_TEXT, .is_nullable = true},
    {.name = "is_captured", .type = DB_BOOL},
    {.name = "refund_id", .type = DB_UUID},
    {.name = "capture_seconds", .type = DB_INT4},
};

static const struct db_column authorised_columns[] = {
    {.name = "outcome", .type = DB_TEXT,
     .offset = offsetof(struct payment_authorised_row, outcome)},
    {.name = "update_time", .type = DB_TIMESTAMPTZ,
     .offset = offsetof(struct payment_authorised_row, update_time)},
};

const struct db_statement payment_authorised_statement = {
    .name = "payment_authorised",
    .sql_one = NULL,
    .sql_many =
        "WITH b AS MATERIALIZED (\n"
        "    SELECT r.n, k.booking_id, k.state, k.state = 'CONFIRMING' AS sells, ($6::bool[])[r.n] AS is_captured,\n"
        "           ($6::bool[])[r.n] AND k.state IN ('EXPIRED', 'FAILED', 'CANCELLING', 'CANCELLED') AS refunds,\n"
        "           k.party, k.event_count\n"
        "      FROM unnest($1::uuid[]) WITH ORDINALITY AS r(booking_id, n) JOIN booking k USING (booking_id)\n"
        "     ORDER BY k.booking_id FOR UPDATE OF k\n"
        "), a AS (\n"
        "    UPDATE payment x\n"
        "       SET state = CASE WHEN b.is_captured THEN 'CAPTURED' ELSE 'AUTHORIZED' END, update_time = now(),\n"
        "           provider_reference = ($3::text[])[b.n], card_fingerprint = ($4::bytea[])[b.n], card = ($5::text[])[b.n],\n"
        "           inquiry_count = CASE WHEN b.sells THEN 0 ELSE x.inquiry_count END,\n"
        "           due_time = CASE WHEN NOT (b.is_captured OR b.sells) THEN now() END,\n"
        "           intent_state = CASE WHEN b.is_captured THEN 'CAPTURED'\n"
        "                               WHEN b.sells OR x.intent_state IN ('PROCESSING', 'REQUIRES_ACTION') THEN 'AUTHORIZED'\n"
        "                               ELSE x.intent_state END,\n"
        "           authorised_minor = CASE WHEN b.is_captured OR b.sells OR x.intent_state IN ('PROCESSING', 'REQUIRES_ACTION')\n"
        "                              THEN x.amount_minor ELSE x.authorised_minor END,\n"
        "           captured_minor = CASE WHEN b.is_captured THEN x.amount_minor ELSE 0 END,\n"
        "           refundable_minor = CASE WHEN b.is_captured AND NOT b.refunds THEN x.amount_minor ELSE 0 END\n"
        "      FROM b\n"
        "     WHERE x.booking_id = b.booking_id AND x.attempt_id = ($2::uuid[])[b.n] AND x.state IN ('SENT', 'UNKNOWN', 'ACTION_REQUIRED')\n"
        "    RETURNING b.n, b.booking_id, b.state, b.sells, b.refunds, b.party, b.event_count, x.attempt_id, x.intent_id,\n"
        "              x.amount_minor, x.currency, x.authorised_minor, x.captured_minor, b.is_captured\n"
        "), w AS (\n"
        "    UPDATE booking\n"
        "       SET state = CASE WHEN a.sells THEN 'CONFIRMED' ELSE booking.state END,\n"
        "           update_time = now(),\n"
        "           pin_time = CASE WHEN a.sells THEN NULL ELSE booking.pin_time END,\n"
        "           authorised_minor = CASE WHEN booking.intent_id = a.intent_id THEN a.authorised_minor\n"
        "                              ELSE booking.authorised_minor END,\n"
        "           captured_minor = booking.captured_minor + a.captured_minor,\n"
        "           event_count = booking.event_count + (a.sells OR a.refunds)::int4,\n"
        "           ticket_event = CASE WHEN a.sells THEN booking.event_count + 1 ELSE booking.ticket_event END,\n"
        "           ticket_time = CASE WHEN a.sells THEN now() ELSE booking.ticket_time END,\n"
        "           ticket_serials = CASE WHEN a.sells THEN ARRAY(SELECT nextval('ticket_serial') FROM generate_series(1, a.party))\n"
        "                            ELSE booking.ticket_serials END,\n"
        "           coupons = CASE WHEN a.sells THEN repeat('O', a.party * cardinality(booking.flight_ids)) ELSE booking.coupons END\n"
        "      FROM a WHERE a.authorised_minor > 0 AND booking.booking_id = a.booking_id\n"
        "), e AS (\n"
        "    INSERT INTO booking_event (booking_id, sequence, type, state, actor, reason, subject)\n"
        "    SELECT booking_id, event_count + 1, 'REFUND_STARTED', state, 'system', 'LATE_PAYMENT', ($7::uuid[])[n] FROM a WHERE refunds\n"
        "), l AS (\n"
        "    INSERT INTO ledger_transfer (booking_id, cause, kind, debit, credit, amount_minor, currency)\n"
        "    SELECT booking_id, attempt_id, 'CAPTURE', 'provider_clearing', 'unearned_revenue', amount_minor, currency\n"
        "      FROM a WHERE is_captured\n"
        "), f AS (\n"
        "    INSERT INTO refund (booking_id, refund_id, intent_id, state, amount_minor, currency, cause, due_time)\n"
        "    SELECT booking_id, ($7::uuid[])[n], intent_id, 'RESERVED', amount_minor, currency, 'LATE_PAYMENT', now()\n"
        "      FROM a WHERE refunds\n"
        "), o AS (\n"
        "    INSERT INTO payment_watch (booking_id, due_time, booking_ids, attempt_ids)\n"
        "    SELECT (array_agg(booking_id))[1], now() + max(($8::int4[])[n]) * interval '1 second', array_agg(booking_id),\n"
        "           array_agg(attempt_id)\n"
        "      FROM a WHERE sells AND NOT is_captured HAVING count(*) > 0\n"
        ")\n"
        "SELECT n::int4, CASE WHEN sells THEN 'DONE' ELSE 'LATE' END AS outcome, now() AS update_time FROM a",
    .params = authorised_params,
    .param_count = 8,
    .columns = authorised_columns,
    .column_count = 2,
    .row_bytes = sizeof(struct payment_authorised_row),
    .found_offset = offsetof(struct payment_authorised_row, found),
    .cardinality = DB_MAYBE,
    .is_read = false,
    .rows_max = 0,
    .key_param = 0,
    .distinct_param = 0,
    .batch_max = 64,
};

void payment_authorised(struct call *c, struct payment_authorised_row *ret,
    struct uuid booking_id,
    struct uuid attempt_id,
    struct str provider_reference,
    struct str card_fingerprint,
    struct str card,
    bool is_captured,
    struct uuid refund_id,
    int32_t capture_seconds)
{
    const struct db_value values[] = {
        {.u = booking_id},
        {.u = attempt_id},
        {.s = provider_reference},
        {.s = card_fingerprint, .is_null = !card_fingerprint.p},
        {.s = card, .is_null = !card.p},
        {.b = is_captured},
        {.u = refund_id},
        {.i = capture_seconds},
    };
    db_submit(&c->scope, &payment_authorised_statement, values, ret);
}

static const struct db_param captured_params[] = {
    {.name = "booking_id", .type = DB_UUID},
    {.name = "attempt_id", .type = DB_UUID},
    {.name = "refund_id", .type = DB_UUID},
};

static const struct db_column captured_columns[] = {
    {.name = "done", .type = DB_BOOL,
     .offset = offsetof(struct payment_captured_row, done)},
    {.name = "update_time", .type = DB_TIMESTAMPTZ,
     .offset = offsetof(struct payment_captured_row, update_time)},
};

const struct db_statement payment_captured_statement = {
    .name = "payment_captured",
    .sql_one = NULL,
    .sql_many =
        "WITH b AS MATERIALIZED (\n"
        "    SELECT r.n, k.booking_id, k.state IN ('EXPIRED', 'FAILED', 'CANCELLING', 'CANCELLED') AS dead, k.state, k.event_count\n"
        "      FROM unnest($1::uuid[]) WITH ORDINALITY AS r(booking_id, n) JOIN booking k USING (booking_id)\n"
        "     ORDER BY k.booking_id FOR UPDATE OF k\n"
        "), a AS (\n"
        "    UPDATE payment x\n"
        "       SET state = 'CAPTURED', intent_state = 'CAPTURED', captured_minor = x.amount_minor, due_time = NULL, update_time = now(),\n"
        "           refundable_minor = CASE WHEN b.dead THEN 0 ELSE x.amount_minor END\n"
        "      FROM b\n"
        "     WHERE x.booking_id = b.booking_id AND x.attempt_id = ($2::uuid[])[b.n] AND x.state = 'AUTHORIZED'\n"
        "    RETURNING b.n, x.booking_id, x.attempt_id, x.intent_id, x.amount_minor, x.currency, b.dead, b.state, b.event_count\n"
        "), w AS (\n"
        "    UPDATE booking SET captured_minor = booking.captured_minor + a.amount_minor, update_time = now(),\n"
        "                       event_count = booking.event_count + a.dead::int4\n"
        "      FROM a WHERE booking.booking_id = a.booking_id\n"
        "), t AS (\n"
        "    INSERT INTO ledger_transfer (booking_id, cause, kind, debit, credit, amount_minor, currency)\n"
        "    SELECT booking_id, attempt_id, 'CAPTURE', 'provider_clearing', 'unearned_revenue', amount_minor, currency FROM a\n"
        "), f AS (\n"
        "    INSERT INTO refund (booking_id, refund_id, intent_id, state, amount_minor, currency, cause, due_time)\n"
        "    SELECT booking_id, ($3::uuid[])[n], intent_id, 'RESERVED', amount_minor, currency, 'LATE_PAYMENT', now() FROM a WHERE dead\n"
        "), e AS (\n"
        "    INSERT INTO booking_event (booking_id, sequence, type, state, actor, reason, subject)\n"
        "    SELECT booking_id, event_count + 1, 'REFUND_STARTED', state, 'system', 'LATE_PAYMENT', ($3::uuid[])[n] FROM a WHERE dead\n"
        ")\n"
        "SELECT n::int4, n IN (SELECT n FROM a) AS done, now() AS update_time FROM generate_series(1, cardinality($1::uuid[])) n",
    .params = captured_params,
    .param_count = 3,
    .columns = captured_columns,
    .column_count = 2,
    .row_bytes = sizeof(struct payment_captured_row),
    .cardinality = DB_ONE,
    .is_read = false,
    .rows_max = 0,
    .key_param = 0,
    .distinct_param = 0,
    .batch_max = 64,
};

void payment_captured(struct call *c, struct payment_captured_row *ret,
    struct uuid booking_id,
    struct uuid attempt_id,
    struct uuid refund_id)
{
    const struct db_value values[] = {
        {.u = booking_id},
        {.u = attempt_id},
        {.u = refund_id},
    };
    db_submit(&c->scope, &payment_captured_statement, values, ret);
}

static const struct db_param failed_params[] = {
    {.name = "booking_id", .type = DB_UUID},
    {.name = "attempt_id", .type = DB_UUID},
    {.name = "outcome", .type = DB_TEXT},
    {.name = "error_code", .type = DB_TEXT, .is_nullable = true},
    {.name = "decline_code", .type = DB_TEXT, .is_nullable = true},
    {.name = "provider_reference", .type = DB_TEXT, .is_nullable = true},
    {.name = "due_seconds", .type = DB_INT4, .is_nullable = true},
    {.name = "cancel_intent", .type = DB_BOOL},
    {.name = "principal", .type = DB_UUID},
    {.name = "method", .type = DB_INT2},
    {.name = "unclaim", .type = DB_UUID, .is_nullable = true},
};

static const struct db_column failed_columns[] = {
    {.name = "done", .type = DB_BOOL,
     .offset = offsetof(struct payment_failed_row, done)},
    {.name = "booking_state", .type = DB_TEXT,
     .offset = offsetof(struct payment_failed_row, booking_state),
     .is_nullable = true, .has_offset = offsetof(struct payment_failed_row, has_booking_state)},
    {.name = "update_time", .type = DB_TIMESTAMPTZ,
     .offset = offsetof(struct payment_failed_row, update_time)},
};

const struct db_statement payment_failed_statement = {
    .name = "payment_failed",
    .sql_one = NULL,
    .sql_many =
        "WITH r AS MATERIALIZED (\n"
        "    SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::text[], $5::text[], $6::text[], $7::int4[],\n"
        "                         $8::bool[], $9::uuid[], $10::int2[], $11::uuid[])\n"
        "        WITH ORDINALITY AS r(booking_id, attempt_id, outcome, error_code, decline_code, provider_reference, due_seconds,\n"
        "                             cancel_intent, principal, method, unclaim, n)\n"
        "), b AS MATERIALIZED (\n"
        "    SELECT k.booking_id, k.state, k.seats, k.flight_ids, k.cabins, k.event_count, k.has_assigned_seats,\n"
        "           k.payment_required_time, k.payment_required_time <= now() AS lapsed\n"
        "      FROM booking k JOIN r USING (booking_id)\n"
        "     ORDER BY k.booking_id FOR UPDATE OF k\n"
        "), a AS MATERIALIZED (\n"
        "    SELECT r.n, x.booking_id, x.attempt_id, x.intent_id, x.state <> 'NOT_RECEIVED' AS was_live,\n"
        "           x.state IN ('SENT', 'UNKNOWN', 'ACTION_REQUIRED') AND b.state = 'CONFIRMING' AS pinned\n"
        "      FROM payment x JOIN r USING (booking_id, attempt_id) JOIN b USING (booking_id)\n"
        "     WHERE x.state IN ('SENT', 'UNKNOWN', 'ACTION_REQUIRED')\n"
        "        OR r.outcome = 'REVERSED' AND (x.state = 'NOT_RECEIVED'\n"
        "                                       OR x.state = 'AUTHORIZED' AND b.state NOT IN ('CONFIRMED', 'COMPLETED'))\n"
        "       FOR UPDATE OF x\n"
        "), g AS MATERIALIZED (\n"
        "    SELECT r.*, a.intent_id, a.was_live, a.pinned, b.seats, b.flight_ids, b.cabins, b.event_count,\n"
        "           a.pinned AND b.has_assigned_seats AS has_seats, b.payment_required_time,\n"
        "           a.pinned AND b.lapsed AS expires,\n"
        "           CASE WHEN NOT a.pinned THEN b.state WHEN b.lapsed THEN 'EXPIRED' ELSE 'HELD' END AS after\n"
        "      FROM r JOIN a USING (n) JOIN b ON b.booking_id = r.booking_id\n"
        "), u AS (\n"
        "    UPDATE inventory i SET free = i.free + s.seats, taken = i.taken - s.seats\n"
        "      FROM (SELECT x.flight_id, x.cabin, sum(g.seats)::int4 AS seats\n"
        "              FROM g, unnest(g.flight_ids, g.cabins) AS x(flight_id, cabin) WHERE g.expires GROUP BY 1, 2 ORDER BY 1, 2) s\n"
        "     WHERE i.flight_id = s.flight_id AND i.cabin = s.cabin\n"
        "    RETURNING i.flight_id\n"
        "), f AS (\n"
        "    INSERT INTO inventory_change (flight_id, flight_ids)\n"
        "    SELECT (array_agg(flight_id))[1], array_agg(flight_id) FROM u HAVING count(*) > 0\n"
        "), z AS (\n"
        "    DELETE FROM seat_assignment q USING g, unnest(g.flight_ids) AS x(flight_id), (SELECT count(*) FROM u) locked\n"
        "     WHERE g.expires AND g.has_seats AND q.flight_id = x.flight_id AND q.booking_id = g.booking_id\n"
        "), y AS (\n"
        "    UPDATE seat_assignment q SET expire_time = g.payment_required_time\n"
        "      FROM g, unnest(g.flight_ids) AS x(flight_id), (SELECT count(*) FROM u) locked\n"
        "     WHERE NOT g.expires AND g.has_seats AND q.flight_id = x.flight_id AND q.booking_id = g.booking_id\n"
        "), w AS (\n"
        "    UPDATE booking SET state = g.after, update_time = now(),\n"
        "                       pin_time = CASE WHEN g.pinned THEN NULL ELSE booking.pin_time END,\n"
        "                       intent_id = CASE WHEN g.pinned AND g.cancel_intent THEN NULL ELSE booking.intent_id END,\n"
        "                       authorised_minor = CASE WHEN g.was_live AND booking.intent_id = g.intent_id THEN 0\n"
        "                                          ELSE booking.authorised_minor END,\n"
        "                       state_reason = CASE WHEN g.expires THEN 'HOLD_EXPIRED' WHEN g.pinned THEN g.error_code\n"
        "                                      ELSE booking.state_reason END,\n"
        "                       event_count = booking.event_count + CASE WHEN g.expires THEN 2 ELSE 1 END\n"
        "      FROM g WHERE booking.booking_id = g.booking_id\n"
        "), e AS (\n"
        "    INSERT INTO booking_event (booking_id, sequence, type, state, actor, reason, subject)\n"
        "    SELECT g.booking_id, g.event_count + x.i, coalesce(x.type, CASE g.outcome WHEN 'REVERSED' THEN 'PAYMENT_VOIDED'\n"
        "                                                               ELSE 'PAYMENT_DECLINED' END),\n"
        "           g.after, 'system', CASE x.i WHEN 1 THEN g.error_code END, CASE x.i WHEN 1 THEN g.intent_id END\n"
        "      FROM g JOIN (VALUES (1, NULL), (2, 'BOOKING_EXPIRED')) AS x(i, type) ON x.i = 1 OR g.expires\n"
        "), d AS (\n"
        "    UPDATE payment x\n"
        "       SET state = g.outcome, error_code = g.error_code, decline_code = g.decline_code, authorised_minor = 0,\n"
        "           update_time = coalesce(CASE WHEN g.unclaim IS NOT NULL AND NOT g.cancel_intent THEN\n"
        "                             (SELECT max(o.update_time) FROM payment o WHERE o.booking_id = g.booking_id\n"
        "                                 AND o.intent_id = g.intent_id AND o.attempt_id <> g.attempt_id) END, now()),\n"
        "           provider_reference = coalesce(g.provider_reference, x.provider_reference),\n"
        "           due_time = now() + g.due_seconds * interval '1 second',\n"
        "           intent_state = CASE WHEN NOT g.was_live OR x.intent_state NOT IN ('PROCESSING', 'REQUIRES_ACTION', 'AUTHORIZED')\n"
        "                                   THEN x.intent_state\n"
        "                               WHEN g.after = 'EXPIRED' THEN 'EXPIRED'\n"
        "                               WHEN g.cancel_intent OR NOT g.pinned THEN 'CANCELLED'\n"
        "                               ELSE 'REQUIRES_PAYMENT_METHOD' END\n"
        "      FROM g WHERE x.booking_id = g.booking_id AND x.attempt_id = g.attempt_id\n"
        "), k AS (\n"
        "    DELETE FROM idempotency o USING g\n"
        "     WHERE o.principal = g.principal AND o.method = g.method AND o.request_id = g.unclaim\n"
        ")\n"
        "SELECT r.n::int4, g.n IS NOT NULL AS done, g.after AS booking_state, now() AS update_time\n"
        "  FROM r LEFT JOIN g USING (n)",
    .params = failed_params,
    .param_count = 11,
    .columns = failed_columns,
    .column_count = 3,
    .row_bytes = sizeof(struct payment_failed_row),
    .cardinality = DB_ONE,
    .is_read = false,
    .rows_max = 0,
    .key_param = 0,
    .distinct_param = 0,
    .batch_max = 64,
};

void payment_failed(struct call *c, struct payment_failed_row *ret,
    struct uuid booking_id,
    struct uuid attempt_id,
    struct str outcome,
    struct str error_code,
    struct str decline_code,
    struct str provider_reference,
    const int32_t *due_seconds,
    bool cancel_intent,
    struct uuid principal,
    int16_t method,
    const struct uuid *unclaim)
{
    const struct db_value values[] = {
        {.u = booking_id},
        {.u = attempt_id},
        {.s = outcome},
        {.s = error_code, .is_null = !error_code.p},
        {.s = decline_code, .is_null = !decline_code.p},
        {.s = provider_reference, .is_null = !provider_reference.p},
        {.i = due_seconds ? *due_seconds : (int32_t){0}, .is_null = !due_seconds},
        {.b = cancel_intent},
        {.u = principal},
        {.i = method},
        {.u = unclaim ? *unclaim : (struct uuid){{0}}, .is_null = !unclaim},
    };
    db_submit(&c->scope, &payment_failed_statement, values, ret);
}

static const struct db_param wait_params[] = {
    {.name = "booking_id", .type = DB_UUID},
    {.name = "attempt_id", .type = DB_UUID},
    {.name = "state", .type = DB_TEXT},
    {.name = "provider_reference", .type = DB_TEXT, .is_nullable = true},
    {.name = "redirect_url", .type = DB_TEXT, .is_nullable = true},
    {.name = "inquired", .type = DB_BOOL},
    {.name = "due_seconds", .type = DB_INT4, .is_nullable = true},
};

static const struct db_column wait_columns[] = {
    {.name = "done", .type = DB_BOOL,
     .offset = offsetof(struct payment_wait_row, done)},
    {.name = "update_time", .type = DB_TIMESTAMPTZ,
     .offset = offsetof(struct payment_wait_row, update_time)},
};

const struct db_statement payment_wait_statement = {
    .name = "payment_wait",
    .sql_one = NULL,
    .sql_many =
        "WITH r AS MATERIALIZED (\n"
        "    SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::text[], $5::text[], $6::bool[], $7::int4[])\n"
        "        WITH ORDINALITY AS r(booking_id, attempt_id, state, provider_reference, redirect_url, inquired, due_seconds, n)\n"
        "), b AS MATERIALIZED (\n"
        "    SELECT k.booking_id, k.state, k.event_count FROM booking k JOIN r USING (booking_id) ORDER BY k.booking_id FOR UPDATE OF k\n"
        "), a AS MATERIALIZED (\n"
        "    SELECT r.n, x.intent_id, x.state = 'SENT' AND r.state = 'UNKNOWN' AND b.state = 'CONFIRMING' AS told, b.event_count,\n"
        "           CASE WHEN r.state = 'UNKNOWN' AND x.state = 'SENT' THEN 'UNKNOWN'\n"
        "                WHEN r.state = 'ACTION_REQUIRED' AND x.state IN ('SENT', 'UNKNOWN') THEN 'ACTION_REQUIRED'\n"
        "                ELSE x.state END AS after\n"
        "      FROM payment x JOIN r USING (booking_id, attempt_id) JOIN b USING (booking_id)\n"
        "     WHERE x.state IN ('SENT', 'UNKNOWN', 'ACTION_REQUIRED', 'AUTHORIZED', 'NOT_RECEIVED')\n"
        "       FOR UPDATE OF x\n"
        "), d AS (\n"
        "    UPDATE payment x\n"
        "       SET state = a.after, inquiry_count = x.inquiry_count + r.inquired::int4,\n"
        "           provider_reference = coalesce(r.provider_reference, x.provider_reference),\n"
        "           redirect_url = coalesce(r.redirect_url, x.redirect_url),\n"
        "           due_time = now() + r.due_seconds * interval '1 second',\n"
        "           update_time = CASE a.after WHEN 'NOT_RECEIVED' THEN x.update_time ELSE now() END,\n"
        "           intent_state = CASE WHEN a.after = 'ACTION_REQUIRED' AND x.intent_state = 'PROCESSING' THEN 'REQUIRES_ACTION'\n"
        "                          ELSE x.intent_state END\n"
        "      FROM a JOIN r USING (n) WHERE x.booking_id = r.booking_id AND x.attempt_id = r.attempt_id\n"
        "), w AS (\n"
        "    UPDATE booking SET event_count = booking.event_count + 1, update_time = now()\n"
        "      FROM a JOIN r USING (n) WHERE a.told AND booking.booking_id = r.booking_id\n"
        "), e AS (\n"
        "    INSERT INTO booking_event (booking_id, sequence, type, state, actor, subject)\n"
        "    SELECT r.booking_id, a.event_count + 1, 'PAYMENT_UNKNOWN', 'CONFIRMING', 'system', a.intent_id\n"
        "      FROM a JOIN r USING (n) WHERE a.told\n"
        ")\n"
        "SELECT r.n::int4, a.n IS NOT NULL AS done, now() AS update_time FROM r LEFT JOIN a USING (n)",
    .params = wait_params,
    .param_count = 7,
    .columns = wait_columns,
    .column_count = 2,
    .row_bytes = sizeof(struct payment_wait_row),
    .cardinality = DB_ONE,
    .is_read = false,
    .rows_max = 0,
    .key_param = 0,
    .distinct_param = 0,
    .batch_max = 64,
};

void payment_wait(struct call *c, struct payment_wait_row *ret,
    struct uuid booking_id,
    struct uuid attempt_id,
    struct str state,
    struct str provider_reference,
    struct str redirect_url,
    bool inquired,
    const int32_t *due_seconds)
{
    const struct db_value values[] = {
        {.u = booking_id},
        {.u = attempt_id},
        {.s = state},
        {.s = provider_reference, .is_null = !provider_reference.p},
        {.s = redirect_url, .is_null = !redirect_url.p},
        {.b = inquired},
        {.i = due_seconds ? *due_seconds : (int32_t){0}, .is_null = !due_seconds},
    };
    db_submit(&c->scope, &payment_wait_statement, values, ret);
}

static const struct db_param attention_params[] = {
    {.name = "booking_id", .type = DB_UUID},
    {.name = "attempt_id", .type = DB_UUID},
    {.name = "item_id", .type = DB_UUID},
    {.name = "kind", .type = DB_TEXT},
    {.name = "detail", .type = DB_TEXT},
    {.name = "final", .type = DB_BOOL},
    {.name = "inquired", .type = DB_BOOL},
    {.name = "due_seconds", .type = DB_INT4, .is_nullable = true},
};

static const struct db_column attention_columns[] = {
    {.name = "done", .type = DB_BOOL,
     .offset = offsetof(struct payment_attention_row, done)},
};

const struct db_statement payment_attention_statement = {
    .name = "payment_attention",
    .sql_one =
        "WITH b AS MATERIALIZED (\n"
        "    SELECT booking_id, state, event_count FROM booking WHERE booking_id = $1::uuid FOR UPDATE\n"
        "), a AS MATERIALIZED (\n"
        "    SELECT x.attempt_id, x.state FROM payment x JOIN b USING (booking_id)\n"
        "     WHERE x.attempt_id = $2::uuid AND x.state IN ('SENT', 'UNKNOWN', 'ACTION_REQUIRED', 'AUTHORIZED', 'NOT_RECEIVED')\n"
        "       FOR UPDATE OF x\n"
        "), n AS (\n"
        "    INSERT INTO attention_item (booking_id, item_id, kind, detail)\n"
        "    SELECT $1::uuid, $3::uuid, $4::text, $5::text FROM a\n"
        "     WHERE NOT EXISTS (SELECT FROM attention_item o\n"
        "                        WHERE o.booking_id = $1::uuid AND o.kind = $4::text AND o.resolve_time IS NULL)\n"
        "), d AS (\n"
        "    UPDATE payment x\n"
        "       SET state = CASE WHEN $6::bool AND x.state IN ('SENT', 'UNKNOWN', 'ACTION_REQUIRED') THEN 'ATTENTION' ELSE x.state END,\n"
        "           inquiry_count = x.inquiry_count + $7::bool::int4, update_time = now(), due_time = now() + $8::int4 * interval '1 second'\n"
        "      FROM a WHERE x.booking_id = $1::uuid AND x.attempt_id = a.attempt_id\n"
        "), g AS (\n"
        "    SELECT b.* FROM a, b WHERE $6::bool AND a.state <> 'NOT_RECEIVED' AND b.state IN ('CONFIRMING', 'CONFIRMED')\n"
        "), w AS (\n"
        "    UPDATE booking SET state = 'ATTENTION', state_reason = $4::text, update_time = now(), event_count = g.event_count + 1\n"
        "      FROM g WHERE booking.booking_id = g.booking_id\n"
        "), e AS (\n"
        "    INSERT INTO booking_event (booking_id, sequence, type, state, actor, reason)\n"
        "    SELECT booking_id, event_count + 1, 'ATTENTION_RAISED', 'ATTENTION', 'system', $4::text FROM g\n"
        ")\n"
        "SELECT EXISTS (SELECT FROM a) AS done",
    .sql_many = NULL,
    .params = attention_params,
    .param_count = 8,
    .columns = attention_columns,
    .column_count = 1,
    .row_bytes = sizeof(struct payment_attention_row),
    .cardinality = DB_ONE,
    .is_read = false,
    .rows_max = 0,
    .key_param = 0,
    .distinct_param = -1,
    .batch_max = 1,
};

void payment_attention(struct call *c, struct payment_attention_row *ret,
    struct uuid booking_id,
    struct uuid attempt_id,
    struct uuid item_id,
    struct str kind,
    struct str detail,
    bool final,
    bool inquired,
    const int32_t *due_seconds)
{
    const struct db_value values[] = {
        {.u = booking_id},
        {.u = attempt_id},
        {.u = item_id},
        {.s = kind},
        {.s = detail},
        {.b = final},
        {.b = inquired},
        {.i = due_seconds ? *due_seconds : (int32_t){0}, .is_null = !due_seconds},
    };
    db_submit(&c->scope, &payment_attention_statement, values, ret);
}

static const struct db_param intent_create_params[] = {
    {.name = "booking_id", .type = DB_UUID},
    {.name = "principal", .type = DB_UUID},
    {.name = "request_id", .type = DB_UUID},
    {.name = "fingerprint", .type = DB_BYTEA},
    {.name = "intent_id", .type = DB_UUID},
    {.name = "amount_minor", .type = DB_INT8},
    {.name = "currency", .type = DB_TEXT},
};

static const struct db_column intent_create_columns[] = {
    {.name = "claimed", .type = DB_BOOL,
     .offset = offsetof(struct payment_intent_create_row, claimed)},
    {.name = "refusal", .type = DB_TEXT,
     .offset = offsetof(struct payment_intent_create_row, refusal),
     .is_nullable = true, .has_offset = offsetof(struct payment_intent_create_row, has_refusal)},
    {.name = "create_time", .type = DB_TIMESTAMPTZ,
     .offset = offsetof(struct payment_intent_create_row, create_time)},
};

const struct db_statement payment_intent_create_statement = {
    .name = "payment_intent_create",
    .sql_one = NULL,
    .sql_many =
        "WITH r AS MATERIALIZED (\n"
        "    SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::bytea[], $5::uuid[], $6::int8[], $7::text[])\n"
        "        WITH ORDINALITY AS r(booking_id, principal, request_id, fingerprint, intent_id, amount_minor, currency, n)\n"
        "), b AS MATERIALIZED (\n"
        "    SELECT k.booking_id, k.user_id, k.state, k.total_minor, k.captured_minor, k.currency,\n"
        "           k.intent_id, k.payment_required_time <= now() AS lapsed\n"
        "      FROM booking k JOIN (SELECT DISTINCT booking_id FROM r) d USING (booking_id)\n"
        "     ORDER BY k.booking_id FOR UPDATE OF k\n"
        "), i AS MATERIALIZED (\n"
        "    SELECT p.booking_id, p.intent_id, p.intent_state AS state FROM payment p JOIN b USING (booking_id)\n"
        "     WHERE p.intent_state IS NOT NULL FOR UPDATE OF p\n"
        "), c AS MATERIALIZED (\n"
        "    SELECT r.n, r.booking_id, r.principal, r.request_id, r.fingerprint, r.intent_id,\n"
        "           CASE\n"
        "               WHEN b.user_id IS DISTINCT FROM r.principal THEN 'NOT_FOUND'\n"
        "               WHEN b.state = 'CONFIRMING' THEN 'PAYMENT_IN_PROGRESS'\n"
        "               WHEN b.state = 'EXPIRED' OR b.state = 'HELD' AND b.lapsed THEN 'HOLD_EXPIRED'\n"
        "               WHEN b.state <> 'HELD' THEN 'BOOKING_STATE'\n"
        "               WHEN r.currency <> b.currency THEN 'CURRENCY_MISMATCH'\n"
        "               WHEN r.amount_minor <> b.total_minor - b.captured_minor THEN 'AMOUNT_MISMATCH'\n"
        "               WHEN b.intent_id IS NOT NULL AND b.intent_id NOT IN (SELECT intent_id FROM i) THEN 'PAYMENT_IN_PROGRESS'\n"
        "               WHEN r.booking_id IN (SELECT booking_id FROM i WHERE state NOT IN ('CANCELLED', 'EXPIRED'))\n"
        "                   THEN 'PAYMENT_STATE'\n"
        "               WHEN cardinality(array_positions($1::uuid[], r.booking_id)) > 1\n"
        "                    AND (SELECT count(*) FROM idempotency o WHERE o.principal = r.principal AND o.method = 8\n"
        "                            AND o.request_id = r.request_id) > 0\n"
        "                   THEN 'PAYMENT_IN_PROGRESS'\n"
        "           END AS refusal\n"
        "      FROM r LEFT JOIN b USING (booking_id)\n"
        "), v AS MATERIALIZED (\n"
        "    SELECT n, principal, request_id, fingerprint, intent_id,\n"
        "           coalesce(refusal, CASE WHEN row_number() OVER (PARTITION BY booking_id, refusal IS NULL ORDER BY n) > 1\n"
        "                                  THEN 'PAYMENT_IN_PROGRESS' END) AS refusal\n"
        "      FROM c\n"
        "), k AS (\n"
        "    INSERT INTO idempotency (principal, method, request_id, fingerprint, resource, reason)\n"
        "    SELECT principal, 8, request_id, fingerprint, CASE WHEN refusal IS NULL THEN intent_id END, refusal\n"
        "      FROM v WHERE refusal IS NULL OR refusal NOT IN ('NOT_FOUND', 'PAYMENT_IN_PROGRESS') ORDER BY principal, request_id\n"
        "        ON CONFLICT DO NOTHING\n"
        "    RETURNING principal, request_id, resource\n"
        "), g AS MATERIALIZED (\n"
        "    SELECT r.* FROM k JOIN v USING (principal, request_id) JOIN r USING (n)\n"
        "     WHERE k.resource = v.intent_id AND v.refusal IS NULL\n"
        "), p AS (\n"
        "    INSERT INTO payment (booking_id, attempt_id, intent_id, user_id, intent_state, amount_minor, currency)\n"
        "    SELECT booking_id, intent_id, intent_id, principal, 'REQUIRES_PAYMENT_METHOD', amount_minor, currency FROM g\n"
        "), w AS (\n"
        "    UPDATE booking SET intent_id = g.intent_id, authorised_minor = 0, update_time = now()\n"
        "      FROM g WHERE booking.booking_id = g.booking_id\n"
        ")\n"
        "SELECT v.n::int4, k.request_id IS NOT NULL AS claimed,\n"
        "       v.refusal, now() AS create_time\n"
        "  FROM v LEFT JOIN k USING (principal, request_id)\n"
        " ORDER BY v.n",
    .params = intent_create_params,
    .param_count = 7,
    .columns = intent_create_columns,
    .column_count = 3,
    .row_bytes = sizeof(struct payment_intent_create_row),
    .cardinality = DB_ONE,
    .is_read = false,
    .rows_max = 0,
    .key_param = 0,
    .distinct_param = 2,
    .batch_max = 64,
};

void payment_intent_create(struct call *c, struct payment_intent_create_row *ret,
    struct uuid booking_id,
    struct uuid principal,
    struct uuid request_id,
    struct str fingerprint,
    struct uuid intent_id,
    int64_t amount_minor,
    struct str currency)
{
    const struct db_value values[] = {
        {.u = booking_id},
        {.u = principal},
        {.u = request_id},
        {.s = fingerprint},
        {.u = intent_id},
        {.i = amount_minor},
        {.s = currency},
    };
    db_submit(&c->scope, &payment_intent_create_statement, values, ret);
}

static const struct db_param get_params[] = {
    {.name = "booking_id", .type = DB_UUID},
    {.name = "intent_id", .type = DB_UUID},
};

static const struct db_column get_columns[] = {
    {.name = "user_id", .type = DB_UUID,
     .offset = offsetof(struct payment_get_row, user_id)},
    {.name = "state", .type = DB_TEXT,
     .offset = offsetof(struct payment_get_row, state)},
    {.name = "amount_minor", .type = DB_INT8,
     .offset = offsetof(struct payment_get_row, amount_minor)},
    {.name = "currency", .type = DB_TEXT,
     .offset = offsetof(struct payment_get_row, currency)},
    {.name = "authorised_minor", .type = DB_INT8,
     .offset = offsetof(struct payment_get_row, authorised_minor)},
    {.name = "captured_minor", .type = DB_INT8,
     .offset = offsetof(struct payment_get_row, captured_minor)},
    {.name = "refund_reserved_minor", .type = DB_INT8,
     .offset = offsetof(struct payment_get_row, refund_reserved_minor)},
    {.name = "create_time", .type = DB_TIMESTAMPTZ,
     .offset = offsetof(struct payment_get_row, create_time)},
    {.name = "update_time", .type = DB_TIMESTAMPTZ,
     .offset = offsetof(struct payment_get_row, update_time)},
    {.name = "pin_time", .type = DB_TIMESTAMPTZ,
     .offset = offsetof(struct payment_get_row, pin_time),
     .is_nullable = true, .has_offset = offsetof(struct payment_get_row, has_pin_time)},
    {.name = "attempt_id", .type = DB_UUID,
     .offset = offsetof(struct payment_get_row, attempt_id),
     .is_nullable = true, .has_offset = offsetof(struct payment_get_row, has_attempt_id)},
    {.name = "attempt_state", .type = DB_TEXT,
     .offset = offsetof(struct payment_get_row, attempt_state),
     .is_nullable = true, .has_offset = offsetof(struct payment_get_row, has_attempt_state)},
    {.name = "provider", .type = DB_TEXT,
     .offset = offsetof(struct payment_get_row, provider),
     .is_nullable = true, .has_offset = offsetof(struct payment_get_row, has_provider)},
    {.name = "provider_reference", .type = DB_TEXT,
     .offset = offsetof(struct payment_get_row, provider_reference),
     .is_nullable = true, .has_offset = offsetof(struct payment_get_row, has_provider_reference)},
    {.name = "error_code", .type = DB_TEXT,
     .offset = offsetof(struct payment_get_row, error_code),
     .is_nullable = true, .has_offset = offsetof(struct payment_get_row, has_error_code)},
    {.name = "decline_code", .type = DB_TEXT,
     .offset = offsetof(struct payment_get_row, decline_code),
     .is_nullable = true, .has_offset = offsetof(struct payment_get_row, has_decline_code)},
    {.name = "redirect_url", .type = DB_TEXT,
     .offset = offsetof(struct payment_get_row, redirect_url),
     .is_nullable = true, .has_offset = offsetof(struct payment_get_row, has_redirect_url)},
    {.name = "inquiry_count", .type = DB_INT4,
     .offset = offsetof(struct payment_get_row, inquiry_count),
     .is_nullable = true, .has_offset = offsetof(struct payment_get_row, has_inquiry_count)},
    {.name = "due_time", .type = DB_TIMESTAMPTZ,
     .offset = offsetof(struct payment_get_row, due_time),
     .is_nullable = true, .has_offset = offsetof(struct payment_get_row, has_due_time)},
    {.name = "attempt_create_time", .type = DB_TIMESTAMPTZ,
     .offset = offsetof(struct payment_get_row, attempt_create_time),
     .is_nullable = true, .has_offset = offsetof(struct payment_get_row, has_attempt_create_time)},
    {.name = "card", .type = DB_TEXT,
     .offset = offsetof(struct payment_get_row, card),
     .is_nullable = true, .has_offset = offsetof(struct payment_get_row, has_card)},
};

const struct db_statement payment_get_statement = {
    .name = "payment_get",
    .sql_one = NULL,
    .sql_many =
        "SELECT r.n::int4, p.user_id, p.intent_state AS state, p.amount_minor, p.currency, p.authorised_minor, p.captured_minor,\n"
        "       p.captured_minor - p.refundable_minor AS refund_reserved_minor, p.intent_create_time AS create_time, p.update_time,\n"
        "       b.pin_time, CASE WHEN p.state IS NOT NULL THEN p.attempt_id END AS attempt_id, p.state AS attempt_state, p.provider,\n"
        "       p.provider_reference, p.error_code, p.decline_code, p.redirect_url, p.inquiry_count, p.due_time,\n"
        "       CASE WHEN p.state IS NOT NULL THEN p.create_time END AS attempt_create_time, p.card\n"
        "  FROM unnest($1::uuid[], $2::uuid[]) WITH ORDINALITY AS r(booking_id, intent_id, n)\n"
        "  JOIN payment p ON p.booking_id = r.booking_id AND p.intent_id = r.intent_id AND p.intent_state IS NOT NULL\n"
        "  JOIN booking b ON b.booking_id = r.booking_id",
    .params = get_params,
    .param_count = 2,
    .columns = get_columns,
    .column_count = 21,
    .row_bytes = sizeof(struct payment_get_row),
    .found_offset = offsetof(struct payment_get_row, found),
    .cardinality = DB_MAYBE,
    .is_read = false,
    .rows_max = 0,
    .key_param = 0,
    .distinct_param = -1,
    .batch_max = 64,
};

void payment_get(struct call *c, struct payment_get_row *ret,
    struct uuid booking_id,
    struct uuid intent_id)
{
    const struct db_value values[] = {
        {.u = booking_id},
        {.u = intent_id},
    };
    db_submit(&c->scope, &payment_get_statement, values, ret);
}

static const struct db_param refund_create_params[] = {
    {.name = "principal", .type = DB_UUID},
    {.name = "request_id", .type = DB_UUID},
    {.name = "fingerprint", .type = DB_BYTEA},
    {.name = "booking_id", .type = DB_UUID},
    {.name = "intent_id", .type = DB_UUID},
    {.name = "refund_id", .type = DB_UUID},
    {.name = "amount_minor", .type = DB_INT8},
    {.name = "currency", .type = DB_TEXT},
    {.name = "cause", .type = DB_TEXT},
    {.name = "provider", .type = DB_TEXT},
    {.name = "due_seconds", .type = DB_INT4},
};

static const struct db_column refund_create_columns[] = {
    {.name = "claimed", .type = DB_BOOL,
     .offset = offsetof(struct payment_refund_create_row, claimed)},
    {.name = "refusal", .type = DB_TEXT,
     .offset = offsetof(struct payment_refund_create_row, refusal),
     .is_nullable = true, .has_offset = offsetof(struct payment_refund_create_row, has_refusal)},
    {.name = "provider_reference", .type = DB_TEXT,
     .offset = offsetof(struct payment_refund_create_row, provider_reference),
     .is_nullable = true, .has_offset = offsetof(struct payment_refund_create_row, has_provider_reference)},
    {.name = "sends", .type = DB_BOOL,
     .offset = offsetof(struct payment_refund_create_row, sends)},
};

const struct db_statement payment_refund_create_statement = {
    .name = "payment_refund_create",
    .sql_one =
        "WITH b AS MATERIALIZED (\n"
        "    SELECT booking_id, state, event_count, intent_id FROM booking WHERE booking_id = $4::uuid FOR UPDATE\n"
        "), i AS MATERIALIZED (\n"
        "    SELECT p.* FROM payment p JOIN b USING (booking_id)\n"
        "     WHERE p.intent_id = $5::uuid AND p.intent_state IS NOT NULL FOR UPDATE OF p\n"
        "), v AS MATERIALIZED (\n"
        "    SELECT i.provider_reference, i.provider IS NOT DISTINCT FROM $10::text AS sends, CASE\n"
        "               WHEN i.intent_id IS NULL AND b.intent_id = $5::uuid THEN 'PAYMENT_IN_PROGRESS'\n"
        "               WHEN i.intent_id IS NULL THEN 'NOT_FOUND'\n"
        "               WHEN i.intent_state <> 'CAPTURED' THEN 'PAYMENT_STATE'\n"
        "               WHEN i.currency <> $8::text THEN 'CURRENCY_MISMATCH'\n"
        "               WHEN $7::int8 > i.refundable_minor THEN 'REFUND_EXCEEDS_CAPTURE'\n"
        "           END AS refusal\n"
        "      FROM (SELECT 1) x LEFT JOIN b ON true LEFT JOIN i ON true\n"
        "), k AS (\n"
        "    INSERT INTO idempotency (principal, method, request_id, fingerprint, resource, reason)\n"
        "    SELECT $1::uuid, 10, $2::uuid, $3::bytea, CASE WHEN refusal IS NULL THEN $6::uuid END, refusal\n"
        "      FROM v WHERE refusal IS NULL OR refusal NOT IN ('NOT_FOUND', 'PAYMENT_IN_PROGRESS')\n"
        "        ON CONFLICT DO NOTHING\n"
        "    RETURNING resource\n"
        "), g AS MATERIALIZED (\n"
        "    SELECT b.state, b.event_count, v.sends FROM k, b, v WHERE k.resource IS NOT NULL\n"
        "), f AS (\n"
        "    INSERT INTO refund (booking_id, refund_id, intent_id, state, amount_minor, currency, cause, sent_time, due_time)\n"
        "    SELECT $4::uuid, $6::uuid, $5::uuid, CASE WHEN sends THEN 'SENT' ELSE 'RESERVED' END, $7::int8, $8::text,\n"
        "           $9::text, CASE WHEN sends THEN now() END,\n"
        "           CASE WHEN sends THEN now() + $11::int4 * interval '1 second' ELSE now() END\n"
        "      FROM g\n"
        "), p AS (\n"
        "    UPDATE payment p SET refundable_minor = p.refundable_minor - $7::int8, update_time = now()\n"
        "      FROM g WHERE p.booking_id = $4::uuid AND p.intent_id = $5::uuid AND p.intent_state = 'CAPTURED'\n"
        "), w AS (\n"
        "    UPDATE booking SET event_count = g.event_count + 1, update_time = now() FROM g WHERE booking_id = $4::uuid\n"
        "), e AS (\n"
        "    INSERT INTO booking_event (booking_id, sequence, type, state, actor, reason, subject)\n"
        "    SELECT $4::uuid, event_count + 1, 'REFUND_STARTED', state, 'users/' || $1::uuid, $9::text, $6::uuid FROM g\n"
        ")\n"
        "SELECT EXISTS (SELECT FROM k) AS claimed,\n"
        "       v.refusal, v.provider_reference, v.sends\n"
        "  FROM v",
    .sql_many = NULL,
    .params = refund_create_params,
    .param_count = 11,
    .columns = refund_create_columns,
    .column_count = 4,
    .row_bytes = sizeof(struct payment_refund_create_row),
    .cardinality = DB_ONE,
    .is_read = false,
    .rows_max = 0,
    .key_param = 3,
    .distinct_param = -1,
    .batch_max = 1,
};

void payment_refund_create(struct call *c, struct payment_refund_create_row *ret,
    struct uuid principal,
    struct uuid request_id,
    struct str fingerprint,
    struct uuid booking_id,
    struct uuid intent_id,
    struct uuid refund_id,
    int64_t amount_minor,
    struct str currency,
    struct str cause,
    struct str provider,
    int32_t due_seconds)
{
    const struct db_value values[] = {
        {.u = principal},
        {.u = request_id},
        {.s = fingerprint},
        {.u = booking_id},
        {.u = intent_id},
        {.u = refund_id},
        {.i = amount_minor},
        {.s = currency},
        {.s = cause},
        {.s = provider},
        {.i = due_seconds},
    };
    db_submit(&c->scope, &payment_refund_create_statement, values, ret);
}

static const struct db_param refund_get_params[] = {
    {.name = "booking_id", .type = DB_UUID},
    {.name = "refund_id", .type = DB_UUID},
};

static const struct db_column refund_get_columns[] = {
    {.name = "user_id", .type = DB_UUID,
     .offset = offsetof(struct payment_refund_get_row, user_id)},
    {.name = "intent_id", .type = DB_UUID,
     .offset = offsetof(struct payment_refund_get_row, intent_id)},
    {.name = "state", .type = DB_TEXT,
     .offset = offsetof(struct payment_refund_get_row, state)},
    {.name = "amount_minor", .type = DB_INT8,
     .offset = offsetof(struct payment_refund_get_row, amount_minor)},
    {.name = "currency", .type = DB_TEXT,
     .offset = offsetof(struct payment_refund_get_row, currency)},
    {.name = "cause", .type = DB_TEXT,
     .offset = offsetof(struct payment_refund_get_row, cause)},
    {.name = "error_code", .type = DB_TEXT,
     .offset = offsetof(struct payment_refund_get_row, error_code),
     .is_nullable = true, .has_offset = offsetof(struct payment_refund_get_row, has_error_code)},
    {.name = "create_time", .type = DB_TIMESTAMPTZ,
     .offset = offsetof(struct payment_refund_get_row, create_time)},
    {.name = "update_time", .type = DB_TIMESTAMPTZ,
     .offset = offsetof(struct payment_refund_get_row, update_time)},
    {.name = "cancellation_id", .type = DB_UUID,
     .offset = offsetof(struct payment_refund_get_row, cancellation_id),
     .is_nullable = true, .has_offset = offsetof(struct payment_refund_get_row, has_cancellation_id)},
};

const struct db_statement payment_refund_get_statement = {
    .name = "payment_refund_get",
    .sql_one =
        "SELECT b.user_id, f.intent_id, f.state, f.amount_minor, f.currency, f.cause, f.error_code, f.create_time, f.update_time,\n"
        "       (SELECT c.cancellation_id FROM cancellation c WHERE c.booking_id = f.booking_id AND c.refund_id = f.refund_id LIMIT 1)\n"
        "           AS cancellation_id\n"
        "  FROM refund f JOIN booking b USING (booking_id)\n"
        " WHERE f.booking_id = $1::uuid AND f.refund_id = $2::uuid",
    .sql_many = NULL,
    .params = refund_get_params,
    .param_count = 2,
    .columns = refund_get_columns,
    .column_count = 10,
    .row_bytes = sizeof(struct payment_refund_get_row),
    .found_offset = offsetof(struct payment_refund_get_row, found),
    .cardinality = DB_MAYBE,
    .is_read = false,
    .rows_max = 0,
    .key_param = 0,
    .distinct_param = -1,
    .batch_max = 1,
};

void payment_refund_get(struct call *c, struct payment_refund_get_row *ret,
    struct uuid booking_id,
    struct uuid refund_id)
{
    const struct db_value values[] = {
        {.u = booking_id},
        {.u = refund_id},
    };
    db_submit(&c->scope, &payment_refund_get_statement, values, ret);
}

static const struct db_param refund_wait_params[] = {
    {.name = "booking_id", .type = DB_UUID},
    {.name = "refund_id", .type = DB_UUID},
    {.name = "state", .type = DB_TEXT},
    {.name = "provider_reference", .type = DB_TEXT, .is_nullable = true},
    {.name = "key_spent", .type = DB_BOOL},
    {.name = "inquiry_count", .type = DB_INT4},
    {.name = "due_seconds", .type = DB_INT4},
    {.name = "item_id", .type = DB_UUID},
};

static const struct db_column refund_wait_columns[] = {
    {.name = "done", .type = DB_BOOL,
     .offset = offsetof(struct payment_refund_wait_row, done)},
};

const struct db_statement payment_refund_wait_statement = {
    .name = "payment_refund_wait",
    .sql_one =
        "WITH b AS MATERIALIZED (\n"
        "    SELECT booking_id FROM booking WHERE booking_id = $1::uuid FOR UPDATE\n"
        "), u AS (\n"
        "    UPDATE refund f\n"
        "       SET state = $3::text, update_time = now(), try_count = f.try_count + $5::bool::int4, inquiry_count = $6::int4,\n"
        "           provider_reference = coalesce($4::text, f.provider_reference),\n"
        "           due_time = now() + $7::int4 * interval '1 second'\n"
        "      FROM b WHERE f.booking_id = b.booking_id AND f.refund_id = $2::uuid AND f.state IN ('RESERVED', 'SENT', 'UNKNOWN')\n"
        "    RETURNING f.create_time\n"
        "), n AS (\n"
        "    INSERT INTO attention_item (booking_id, item_id, kind, detail)\n"
        "    SELECT $1::uuid, $8::uuid, 'REFUND_UNRESOLVED', 'refund ' || $2::uuid || ' is ' || $3::text || ' since ' || create_time\n"
        "      FROM u\n"
        "     WHERE create_time < now() - CASE $3::text WHEN 'SENT' THEN interval '14 days' ELSE interval '1 hour' END\n"
        "       AND NOT EXISTS (SELECT FROM attention_item o\n"
        "                        WHERE o.booking_id = $1::uuid AND o.kind = 'REFUND_UNRESOLVED' AND o.resolve_time IS NULL)\n"
        ")\n"
        "SELECT EXISTS (SELECT FROM u) AS done",
    .sql_many = NULL,
    .params = refund_wait_params,
    .param_count = 8,
    .columns = refund_wait_columns,
    .column_count = 1,
    .row_bytes = sizeof(struct payment_refund_wait_row),
    .cardinality = DB_ONE,
    .is_read = false,
    .rows_max = 0,
    .key_param = 0,
    .distinct_param = -1,
    .batch_max = 1,
};

void payment_refund_wait(struct call *c, struct payment_refund_wait_row *ret,
    struct uuid booking_id,
    struct uuid refund_id,
    struct str state,
    struct str provider_reference,
    bool key_spent,
    int32_t inquiry_count,
    int32_t due_seconds,
    struct uuid item_id)
{
    const struct db_value values[] = {
        {.u = booking_id},
        {.u = refund_id},
        {.s = state},
        {.s = provider_reference, .is_null = !provider_reference.p},
        {.b = key_spent},
        {.i = inquiry_count},
        {.i = due_seconds},
        {.u = item_id},
    };
    db_submit(&c->scope, &payment_refund_wait_statement, values, ret);
}

static const struct db_param refund_succeeded_params[] = {
    {.name = "booking_id", .type = DB_UUID},
    {.name = "refund_id", .type = DB_UUID},
    {.name = "provider_reference", .type = DB_TEXT},
    {.name = "twice_item_id", .type = DB_UUID, .is_nullable = true},
};

static const struct db_column refund_succeeded_columns[] = {
    {.name = "done", .type = DB_BOOL,
     .offset = offsetof(struct payment_refund_succeeded_row, done)},
};

const struct db_statement payment_refund_succeeded_statement = {
    .name = "payment_refund_succeeded",
    .sql_one =
        "WITH b AS MATERIALIZED (\n"
        "    SELECT booking_id, state, event_count, captured_minor - refunded_minor AS there_minor\n"
        "      FROM booking WHERE booking_id = $1::uuid FOR UPDATE\n"
        "), u AS (\n"
        "    UPDATE refund f SET state = 'SUCCEEDED', update_time = now(), due_time = NULL, provider_reference = $3::text,\n"
        "                        error_code = NULL\n"
        "      FROM b WHERE f.booking_id = b.booking_id AND f.refund_id = $2::uuid AND f.state IN ('RESERVED', 'SENT', 'UNKNOWN')\n"
        "    RETURNING f.intent_id, f.amount_minor, f.currency, f.cause\n"
        "), i AS (\n"
        "    UPDATE payment p SET refunded_minor = p.refunded_minor + u.amount_minor, update_time = now()\n"
        "      FROM u WHERE p.booking_id = $1::uuid AND p.intent_id = u.intent_id AND p.intent_state IS NOT NULL\n"
        "), g AS MATERIALIZED (\n"
        "    SELECT u.*, b.state, b.event_count, b.there_minor, u.cause = 'CANCELLATION' AND b.state = 'CANCELLING' AS cancels FROM u, b\n"
        "), w AS (\n"
        "    UPDATE booking SET refunded_minor = booking.refunded_minor + g.amount_minor, update_time = now(),\n"
        "                       state = CASE WHEN g.cancels THEN 'CANCELLED' ELSE booking.state END,\n"
        "                       event_count = g.event_count + CASE WHEN g.cancels THEN 2 ELSE 1 END\n"
        "      FROM g WHERE booking.booking_id = $1::uuid\n"
        "), e AS (\n"
        "    INSERT INTO booking_event (booking_id, sequence, type, state, actor, subject)\n"
        "    SELECT $1::uuid, g.event_count + x.i, x.type, CASE x.i WHEN 1 THEN g.state ELSE 'CANCELLED' END, 'system',\n"
        "           CASE x.i WHEN 1 THEN $2::uuid END\n"
        "      FROM g JOIN (VALUES (1, 'REFUND_SUCCEEDED'), (2, 'BOOKING_CANCELLED')) AS x(i, type) ON x.i = 1 OR g.cancels\n"
        "), c AS (\n"
        "    UPDATE cancellation SET state = 'APPLIED'\n"
        "      FROM u WHERE cancellation.booking_id = $1::uuid AND cancellation.refund_id = $2::uuid\n"
        "       AND cancellation.state = 'CONFIRMING'\n"
        "), k AS MATERIALIZED (\n"
        "    SELECT coalesce(sum(amount_minor), 0)::int8 AS penalty_minor\n"
        "      FROM ledger_transfer WHERE booking_id = $1::uuid AND kind = 'PENALTY'\n"
        "), t AS (\n"
        "    INSERT INTO ledger_transfer (booking_id, cause, kind, debit, credit, amount_minor, currency)\n"
        "    SELECT $1::uuid, $2::uuid, x.*, g.currency\n"
        "      FROM g, k, LATERAL (VALUES ('PENALTY_WAIVED', 'penalty_revenue', 'unearned_revenue',\n"
        "                                  least(k.penalty_minor, g.there_minor)\n"
        "                                      - least(k.penalty_minor, g.there_minor - g.amount_minor)),\n"
        "                                 ('REFUND', 'unearned_revenue', 'provider_clearing', g.amount_minor))\n"
        "           AS x(kind, debit, credit, amount_minor)\n"
        "     WHERE x.amount_minor > 0\n"
        "), n AS (\n"
        "    INSERT INTO attention_item (booking_id, item_id, kind, detail)\n"
        "    SELECT $1::uuid, $4::uuid, 'REFUNDED_TWICE', 'refund ' || $2::uuid || ' was paid more than once'\n"
        "      FROM u WHERE $4::uuid IS NOT NULL\n"
        ")\n"
        "SELECT EXISTS (SELECT FROM u) AS done",
    .sql_many = NULL,
    .params = refund_succeeded_params,
    .param_count = 4,
    .columns = refund_succeeded_columns,
    .column_count = 1,
    .row_bytes = sizeof(struct payment_refund_succeeded_row),
    .cardinality = DB_ONE,
    .is_read = false,
    .rows_max = 0,
    .key_param = 0,
    .distinct_param = -1,
    .batch_max = 1,
};

void payment_refund_succeeded(struct call *c, struct payment_refund_succeeded_row *ret,
    struct uuid booking_id,
    struct uuid refund_id,
    struct str provider_reference,
    const struct uuid *twice_item_id)
{
    const struct db_value values[] = {
        {.u = booking_id},
        {.u = refund_id},
        {.s = provider_reference},
        {.u = twice_item_id ? *twice_item_id : (struct uuid){{0}}, .is_null = !twice_item_id},
    };
    db_submit(&c->scope, &payment_refund_succeeded_statement, values, ret);
}

static const struct db_param refund_failed_params[] = {
    {.name = "booking_id", .type = DB_UUID},
    {.name = "refund_id", .type = DB_UUID},
    {.name = "error_code", .type = DB_TEXT},
    {.name = "item_id", .type = DB_UUID},
};

static const struct db_column refund_failed_columns[] = {
    {.name = "done", .type = DB_BOOL,
     .offset = offsetof(struct payment_refund_failed_row, done)},
};

const struct db_statement payment_refund_failed_statement = {
    .name = "payment_refund_failed",
    .sql_one =
        "WITH b AS MATERIALIZED (\n"
        "    SELECT booking_id, state, event_count FROM booking WHERE booking_id = $1::uuid FOR UPDATE\n"
        "), u AS (\n"
        "    UPDATE refund f SET state = 'FAILED', update_time = now(), due_time = NULL, error_code = $3::text\n"
        "      FROM b WHERE f.booking_id = b.booking_id AND f.refund_id = $2::uuid AND f.state IN ('RESERVED', 'SENT', 'UNKNOWN')\n"
        "    RETURNING f.intent_id, f.amount_minor, f.cause\n"
        "), i AS (\n"
        "    UPDATE payment p SET refundable_minor = p.refundable_minor + u.amount_minor, update_time = now()\n"
        "      FROM u WHERE p.booking_id = $1::uuid AND p.intent_id = u.intent_id AND p.intent_state IS NOT NULL\n"
        "), g AS MATERIALIZED (\n"
        "    SELECT u.*, b.state, b.event_count, u.cause = 'CANCELLATION' AND b.state = 'CANCELLING' AS stops FROM u, b\n"
        "), w AS (\n"
        "    UPDATE booking SET state = CASE WHEN g.stops THEN 'ATTENTION' ELSE booking.state END, update_time = now(),\n"
        "                       state_reason = CASE WHEN g.stops THEN 'REFUND_FAILED' ELSE booking.state_reason END,\n"
        "                       event_count = g.event_count + CASE WHEN g.stops THEN 2 ELSE 1 END\n"
        "      FROM g WHERE booking.booking_id = $1::uuid\n"
        "), e AS (\n"
        "    INSERT INTO booking_event (booking_id, sequence, type, state, actor, reason, subject)\n"
        "    SELECT $1::uuid, g.event_count + x.i, x.type, CASE x.i WHEN 1 THEN g.state ELSE 'ATTENTION' END, 'system', $3::text,\n"
        "           CASE x.i WHEN 1 THEN $2::uuid END\n"
        "      FROM g JOIN (VALUES (1, 'REFUND_FAILED'), (2, 'ATTENTION_RAISED')) AS x(i, type) ON x.i = 1 OR g.stops\n"
        "), c AS (\n"
        "    UPDATE cancellation SET state = 'FAILED'\n"
        "      FROM u WHERE cancellation.booking_id = $1::uuid AND cancellation.refund_id = $2::uuid\n"
        "       AND cancellation.state = 'CONFIRMING'\n"
        "), n AS (\n"
        "    INSERT INTO attention_item (booking_id, item_id, kind, detail)\n"
        "    SELECT $1::uuid, $4::uuid, 'REFUND_FAILED', 'refund ' || $2::uuid || ': ' || $3::text FROM u\n"
        ")\n"
        "SELECT EXISTS (SELECT FROM u) AS done",
    .sql_many = NULL,
    .params = refund_failed_params,
    .param_count = 4,
    .columns = refund_failed_columns,
    .column_count = 1,
    .row_bytes = sizeof(struct payment_refund_failed_row),
    .cardinality = DB_ONE,
    .is_read = false,
    .rows_max = 0,
    .key_param = 0,
    .distinct_param = -1,
    .batch_max = 1,
};

void payment_refund_failed(struct call *c, struct payment_refund_failed_row *ret,
    struct uuid booking_id,
    struct uuid refund_id,
    struct str error_code,
    struct uuid item_id)
{
    const struct db_value values[] = {
        {.u = booking_id},
        {.u = refund_id},
        {.s = error_code},
        {.u = item_id},
    };
    db_submit(&c->scope, &payment_refund_failed_statement, values, ret);
}

const struct db_statement *const payment_statements[] = {
    &payment_start_statement,
    &payment_authorised_statement,
    &payment_captured_statement,
    &payment_failed_statement,
    &payment_wait_statement,
    &payment_attention_statement,
    &payment_intent_create_statement,
    &payment_get_statement,
    &payment_refund_create_statement,
    &payment_refund_get_statement,
    &payment_refund_wait_statement,
    &payment_refund_succeeded_statement,
    &payment_refund_failed_statement,
    NULL,
};
