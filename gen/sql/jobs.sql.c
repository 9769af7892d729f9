/* Made by sqlgen from jobs.sql: do not edit. */
#include "jobs.sql.h"

static const struct db_column sweep_begin_columns[] = {
    {.name = "watermark", .type = DB_TIMESTAMPTZ,
     .offset = offsetof(struct jobs_sweep_begin_row, watermark)},
};

const struct db_statement jobs_sweep_begin_statement = {
    .name = "jobs_sweep_begin",
    .sql_one =
        "SELECT least(coalesce((SELECT watermark FROM sweep WHERE task = 'EXPIRE_HOLDS'),\n"
        "                      (SELECT min(payment_required_time) FROM booking)),\n"
        "             (SELECT min(payment_required_time)\n"
        "                FROM (SELECT payment_required_time, state FROM booking\n"
        "                       WHERE payment_required_time BETWEEN now() - interval '1 day' AND now()\n"
        "                       ORDER BY payment_required_time DESC LIMIT 100000) x\n"
        "               WHERE state = 'HELD'),\n"
        "             now() - interval '1 minute') AS watermark",
    .sql_many = NULL,
    .columns = sweep_begin_columns,
    .column_count = 1,
    .row_bytes = sizeof(struct jobs_sweep_begin_row),
    .cardinality = DB_ONE,
    .is_read = false,
    .rows_max = 0,
    .key_param = -1,
    .distinct_param = -1,
    .batch_max = 1,
};

void jobs_sweep_begin(struct call *c, struct jobs_sweep_begin_row *ret)
{
    db_submit(&c->scope, &jobs_sweep_begin_statement, NULL, ret);
}

static const struct db_param sweep_move_params[] = {
    {.name = "watermark", .type = DB_TIMESTAMPTZ},
};

const struct db_statement jobs_sweep_move_statement = {
    .name = "jobs_sweep_move",
    .sql_one =
        "INSERT INTO sweep (task, watermark) VALUES ('EXPIRE_HOLDS', $1::timestamptz)\n"
        "    ON CONFLICT (task) DO UPDATE SET watermark = excluded.watermark\n"
        " WHERE sweep.watermark < excluded.watermark OR sweep.watermark > now()",
    .sql_many = NULL,
    .params = sweep_move_params,
    .param_count = 1,
    .cardinality = DB_NONE,
    .is_read = false,
    .rows_max = 0,
    .key_param = -1,
    .distinct_param = -1,
    .batch_max = 1,
};

void jobs_sweep_move(struct call *c,
    int64_t watermark)
{
    const struct db_value values[] = {
        {.i = watermark},
    };
    db_submit(&c->scope, &jobs_sweep_move_statement, values, NULL);
}

static const struct db_param expire_params[] = {
    {.name = "after", .type = DB_TIMESTAMPTZ},
    {.name = "until", .type = DB_TIMESTAMPTZ},
    {.name = "row_count", .type = DB_INT4},
};

static const struct db_column expire_columns[] = {
    {.name = "found", .type = DB_INT4,
     .offset = offsetof(struct jobs_expire_row, found)},
    {.name = "expired", .type = DB_INT4,
     .offset = offsetof(struct jobs_expire_row, expired)},
    {.name = "clock", .type = DB_TIMESTAMPTZ,
     .offset = offsetof(struct jobs_expire_row, clock)},
    {.name = "horizon", .type = DB_TIMESTAMPTZ,
     .offset = offsetof(struct jobs_expire_row, horizon)},
};

const struct db_statement jobs_expire_statement = {
    .name = "jobs_expire",
    .sql_one =
        "WITH b AS MATERIALIZED (\n"
        "    SELECT booking_id, seats, flight_ids, cabins, event_count, has_assigned_seats, intent_id\n"
        "      FROM booking\n"
        "     WHERE payment_required_time >= $1::timestamptz AND payment_required_time <= least($2::timestamptz, now()) AND state = 'HELD'\n"
        "     ORDER BY payment_required_time LIMIT $3::int4\n"
        "       FOR UPDATE SKIP LOCKED\n"
        "), i AS MATERIALIZED (\n"
        "    SELECT booking_id, intent_id FROM payment\n"
        "     WHERE booking_id = ANY (ARRAY(SELECT booking_id FROM b WHERE intent_id IS NOT NULL)) AND intent_state IS NOT NULL\n"
        "       FOR UPDATE SKIP LOCKED\n"
        "), d AS MATERIALIZED (\n"
        "    SELECT * FROM b WHERE intent_id IS NULL OR (booking_id, intent_id) IN (SELECT booking_id, intent_id FROM i)\n"
        "), u AS (\n"
        "    UPDATE inventory i SET free = i.free + s.seats, taken = i.taken - s.seats\n"
        "      FROM (SELECT x.flight_id, x.cabin, sum(d.seats)::int4 AS seats\n"
        "              FROM d, unnest(d.flight_ids, d.cabins) AS x(flight_id, cabin) GROUP BY 1, 2 ORDER BY 1, 2) s\n"
        "     WHERE i.flight_id = s.flight_id AND i.cabin = s.cabin\n"
        "    RETURNING i.flight_id\n"
        "), f AS (\n"
        "    INSERT INTO inventory_change (flight_id, flight_ids)\n"
        "    SELECT (array_agg(flight_id))[1], array_agg(flight_id) FROM u HAVING count(*) > 0\n"
        "), z AS (\n"
        "    DELETE FROM seat_assignment a USING d, unnest(d.flight_ids) AS x(flight_id), (SELECT count(*) FROM u) locked\n"
        "     WHERE d.has_assigned_seats AND a.flight_id = x.flight_id AND a.booking_id = d.booking_id\n"
        "), w AS (\n"
        "    UPDATE booking SET state = 'EXPIRED', state_reason = 'HOLD_EXPIRED', update_time = now(),\n"
        "                       event_count = booking.event_count + 1\n"
        "      FROM d WHERE booking.booking_id = d.booking_id\n"
        "), p AS (\n"
        "    UPDATE payment i SET intent_state = 'EXPIRED', update_time = now()\n"
        "      FROM d WHERE i.booking_id = d.booking_id AND i.intent_state = 'REQUIRES_PAYMENT_METHOD'\n"
        "), e AS (\n"
        "    INSERT INTO booking_event (booking_id, sequence, type, state, actor)\n"
        "    SELECT booking_id, event_count + 1, 'BOOKING_EXPIRED', 'EXPIRED', 'system' FROM d\n"
        ")\n"
        "SELECT (SELECT count(*) FROM b)::int4 AS found, (SELECT count(*) FROM d)::int4 AS expired, now() AS clock,\n"
        "       least(now(), (SELECT min(xact_start) FROM pg_stat_activity WHERE backend_xid IS NOT NULL)) AS horizon",
    .sql_many = NULL,
    .params = expire_params,
    .param_count = 3,
    .columns = expire_columns,
    .column_count = 4,
    .row_bytes = sizeof(struct jobs_expire_row),
    .cardinality = DB_ONE,
    .is_read = false,
    .rows_max = 0,
    .key_param = -1,
    .distinct_param = -1,
    .batch_max = 1,
};

void jobs_expire(struct call *c, struct jobs_expire_row *ret,
    int64_t after,
    int64_t until,
    int32_t row_count)
{
    const struct db_value values[] = {
        {.i = after},
        {.i = until},
        {.i = row_count},
    };
    db_submit(&c->scope, &jobs_expire_statement, values, ret);
}

static const struct db_param release_watches_params[] = {
    {.name = "row_count", .type = DB_INT4},
};

static const struct db_column release_watches_columns[] = {
    {.name = "taken", .type = DB_INT4,
     .offset = offsetof(struct jobs_release_watches_row, taken)},
};

const struct db_statement jobs_release_watches_statement = {
    .name = "jobs_release_watches",
    .sql_one =
        "WITH w AS MATERIALIZED (\n"
        "    SELECT due_time, booking_id, booking_ids, attempt_ids, create_time FROM payment_watch\n"
        "     WHERE due_time <= now() ORDER BY due_time LIMIT $1::int4 FOR UPDATE SKIP LOCKED\n"
        "), a AS MATERIALIZED (\n"
        "    SELECT booking_id, attempt_id, update_time FROM payment\n"
        "     WHERE booking_id = ANY (ARRAY(SELECT unnest(booking_ids) FROM w))\n"
        "       AND ((attempt_id, update_time) IN (SELECT unnest(attempt_ids), create_time FROM w)) IS TRUE\n"
        "       AND due_time IS NULL AND state IN ('SENT', 'AUTHORIZED')\n"
        "), l AS MATERIALIZED (\n"
        "    SELECT booking_id, attempt_id FROM payment\n"
        "     WHERE booking_id = ANY (ARRAY(SELECT booking_id FROM a))\n"
        "       AND ((attempt_id, update_time) IN (SELECT attempt_id, update_time FROM a)) IS TRUE\n"
        "       AND due_time IS NULL\n"
        "       FOR UPDATE SKIP LOCKED\n"
        "), u AS (\n"
        "    UPDATE payment SET due_time = now()\n"
        "     WHERE booking_id = ANY (ARRAY(SELECT booking_id FROM l))\n"
        "       AND (attempt_id IN (SELECT attempt_id FROM l)) IS TRUE\n"
        "), k AS MATERIALIZED (\n"
        "    SELECT due_time, booking_id, row_number() OVER () AS n FROM w\n"
        "     WHERE attempt_ids && ARRAY(SELECT attempt_id FROM a EXCEPT SELECT attempt_id FROM l)\n"
        "), o AS (\n"
        "    UPDATE payment_watch p SET due_time = now() + interval '5 seconds' + k.n * interval '1 microsecond'\n"
        "      FROM k WHERE p.due_time = k.due_time AND p.booking_id = k.booking_id\n"
        "), x AS (\n"
        "    DELETE FROM payment_watch\n"
        "     WHERE due_time BETWEEN (SELECT min(due_time) FROM w) AND (SELECT max(due_time) FROM w)\n"
        "       AND ((due_time, booking_id) IN (SELECT due_time, booking_id FROM w)) IS TRUE\n"
        "       AND ((due_time, booking_id) IN (SELECT due_time, booking_id FROM k)) IS NOT TRUE\n"
        ")\n"
        "SELECT count(*)::int4 AS taken FROM w",
    .sql_many = NULL,
    .params = release_watches_params,
    .param_count = 1,
    .columns = release_watches_columns,
    .column_count = 1,
    .row_bytes = sizeof(struct jobs_release_watches_row),
    .cardinality = DB_ONE,
    .is_read = false,
    .rows_max = 0,
    .key_param = -1,
    .distinct_param = -1,
    .batch_max = 1,
};

void jobs_release_watches(struct call *c, struct jobs_release_watches_row *ret,
    int32_t row_count)
{
    const struct db_value values[] = {
        {.i = row_count},
    };
    db_submit(&c->scope, &jobs_release_watches_statement, values, ret);
}

static const struct db_param due_attempts_params[] = {
    {.name = "provider", .type = DB_TEXT},
    {.name = "row_count", .type = DB_INT4},
    {.name = "lease_seconds", .type = DB_INT4},
};

static const struct db_column due_attempts_columns[] = {
    {.name = "booking_id", .type = DB_UUID,
     .offset = offsetof(struct jobs_due_attempts_row, booking_id)},
    {.name = "attempt_id", .type = DB_UUID,
     .offset = offsetof(struct jobs_due_attempts_row, attempt_id)},
    {.name = "intent_id", .type = DB_UUID,
     .offset = offsetof(struct jobs_due_attempts_row, intent_id)},
    {.name = "state", .type = DB_TEXT,
     .offset = offsetof(struct jobs_due_attempts_row, state)},
    {.name = "booking_state", .type = DB_TEXT,
     .offset = offsetof(struct jobs_due_attempts_row, booking_state)},
    {.name = "provider_reference", .type = DB_TEXT,
     .offset = offsetof(struct jobs_due_attempts_row, provider_reference),
     .is_nullable = true, .has_offset = offsetof(struct jobs_due_attempts_row, has_provider_reference)},
    {.name = "amount_minor", .type = DB_INT8,
     .offset = offsetof(struct jobs_due_attempts_row, amount_minor)},
    {.name = "currency", .type = DB_TEXT,
     .offset = offsetof(struct jobs_due_attempts_row, currency)},
    {.name = "inquiry_count", .type = DB_INT4,
     .offset = offsetof(struct jobs_due_attempts_row, inquiry_count)},
    {.name = "age_seconds", .type = DB_INT8,
     .offset = offsetof(struct jobs_due_attempts_row, age_seconds)},
    {.name = "pin_passed", .type = DB_BOOL,
     .offset = offsetof(struct jobs_due_attempts_row, pin_passed)},
};

const struct db_statement jobs_due_attempts_statement = {
    .name = "jobs_due_attempts",
    .sql_one =
        "WITH d AS MATERIALIZED (\n"
        "    SELECT a.booking_id, a.attempt_id, b.state AS booking_state, coalesce(b.pin_time <= now(), true) AS pin_passed\n"
        "      FROM payment a JOIN booking b USING (booking_id)\n"
        "     WHERE a.due_time <= now() AND a.provider = $1::text\n"
        "     ORDER BY a.due_time LIMIT $2::int4\n"
        "       FOR UPDATE OF a SKIP LOCKED FOR KEY SHARE OF b SKIP LOCKED\n"
        "), u AS (\n"
        "    UPDATE payment a SET due_time = now() + $3::int4 * interval '1 second'\n"
        "      FROM d WHERE a.booking_id = d.booking_id AND a.attempt_id = d.attempt_id\n"
        "    RETURNING a.*, d.booking_state, d.pin_passed\n"
        ")\n"
        "SELECT u.booking_id, u.attempt_id, u.intent_id, u.state, u.booking_state, u.provider_reference, u.amount_minor,\n"
        "       u.currency, u.inquiry_count, extract(epoch FROM now() - u.create_time)::int8 AS age_seconds, u.pin_passed\n"
        "  FROM u",
    .sql_many = NULL,
    .params = due_attempts_params,
    .param_count = 3,
    .columns = due_attempts_columns,
    .column_count = 11,
    .row_bytes = sizeof(struct jobs_due_attempts_row),
    .cardinality = DB_MANY,
    .is_read = false,
    .rows_max = 64,
    .key_param = -1,
    .distinct_param = -1,
    .batch_max = 1,
};

_Static_assert(sizeof(struct jobs_due_attempts_rows) == sizeof(struct db_rows), "the twin of db_rows");

void jobs_due_attempts(struct call *c, struct jobs_due_attempts_rows *ret,
    struct str provider,
    int32_t row_count,
    int32_t lease_seconds)
{
    const struct db_value values[] = {
        {.s = provider},
        {.i = row_count},
        {.i = lease_seconds},
    };
    db_submit(&c->scope, &jobs_due_attempts_statement, values, ret);
}

static const struct db_param due_refunds_params[] = {
    {.name = "provider", .type = DB_TEXT},
    {.name = "row_count", .type = DB_INT4},
    {.name = "lease_seconds", .type = DB_INT4},
};

static const struct db_column due_refunds_columns[] = {
    {.name = "booking_id", .type = DB_UUID,
     .offset = offsetof(struct jobs_due_refunds_row, booking_id)},
    {.name = "refund_id", .type = DB_UUID,
     .offset = offsetof(struct jobs_due_refunds_row, refund_id)},
    {.name = "state", .type = DB_TEXT,
     .offset = offsetof(struct jobs_due_refunds_row, state)},
    {.name = "amount_minor", .type = DB_INT8,
     .offset = offsetof(struct jobs_due_refunds_row, amount_minor)},
    {.name = "currency", .type = DB_TEXT,
     .offset = offsetof(struct jobs_due_refunds_row, currency)},
    {.name = "payment_reference", .type = DB_TEXT,
     .offset = offsetof(struct jobs_due_refunds_row, payment_reference),
     .is_nullable = true, .has_offset = offsetof(struct jobs_due_refunds_row, has_payment_reference)},
    {.name = "is_known", .type = DB_BOOL,
     .offset = offsetof(struct jobs_due_refunds_row, is_known)},
    {.name = "try_count", .type = DB_INT4,
     .offset = offsetof(struct jobs_due_refunds_row, try_count)},
    {.name = "inquiry_count", .type = DB_INT4,
     .offset = offsetof(struct jobs_due_refunds_row, inquiry_count)},
    {.name = "sent_age_seconds", .type = DB_INT8,
     .offset = offsetof(struct jobs_due_refunds_row, sent_age_seconds)},
};

const struct db_statement jobs_due_refunds_statement = {
    .name = "jobs_due_refunds",
    .sql_one =
        "WITH d AS MATERIALIZED (\n"
        "    SELECT booking_id, refund_id, state FROM refund f\n"
        "     WHERE due_time <= now()\n"
        "       AND (SELECT provider FROM payment p WHERE p.booking_id = f.booking_id AND p.intent_id = f.intent_id\n"
        "                                             AND p.intent_state IS NOT NULL) = $1::text\n"
        "     ORDER BY due_time LIMIT $2::int4\n"
        "       FOR UPDATE SKIP LOCKED\n"
        "), u AS (\n"
        "    UPDATE refund f SET due_time = now() + $3::int4 * interval '1 second',\n"
        "                        state = CASE f.state WHEN 'RESERVED' THEN 'SENT' ELSE f.state END,\n"
        "                        sent_time = CASE f.state WHEN 'RESERVED' THEN now() ELSE f.sent_time END\n"
        "      FROM d WHERE f.booking_id = d.booking_id AND f.refund_id = d.refund_id\n"
        "    RETURNING f.*, d.state AS was\n"
        ")\n"
        "SELECT u.booking_id, u.refund_id, u.was AS state, u.amount_minor, u.currency, p.provider_reference AS payment_reference,\n"
        "       u.provider_reference IS NOT NULL AS is_known, u.try_count, u.inquiry_count,\n"
        "       coalesce(extract(epoch FROM now() - u.sent_time), 0)::int8 AS sent_age_seconds\n"
        "  FROM u JOIN payment p ON p.booking_id = u.booking_id AND p.intent_id = u.intent_id AND p.intent_state IS NOT NULL",
    .sql_many = NULL,
    .params = due_refunds_params,
    .param_count = 3,
    .columns = due_refunds_columns,
    .column_count = 10,
    .row_bytes = sizeof(struct jobs_due_refunds_row),
    .cardinality = DB_MANY,
    .is_read = false,
    .rows_max = 64,
    .key_param = -1,
    .distinct_param = -1,
    .batch_max = 1,
};

_Static_assert(sizeof(struct jobs_due_refunds_rows) == sizeof(struct db_rows), "the twin of db_rows");

void jobs_due_refunds(struct call *c, struct jobs_due_refunds_rows *ret,
    struct str provider,
    int32_t row_count,
    int32_t lease_seconds)
{
    const struct db_value values[] = {
        {.s = provider},
        {.i = row_count},
        {.i = lease_seconds},
    };
    db_submit(&c->scope, &jobs_due_refunds_statement, values, ret);
}

static const struct db_param backlog_params[] = {
    {.name = "row_count", .type = DB_INT4},
};

static const struct db_column backlog_columns[] = {
    {.name = "payments", .type = DB_INT4,
     .offset = offsetof(struct jobs_backlog_row, payments)},
    {.name = "payments_since", .type = DB_TIMESTAMPTZ,
     .offset = offsetof(struct jobs_backlog_row, payments_since),
     .is_nullable = true, .has_offset = offsetof(struct jobs_backlog_row, has_payments_since)},
    {.name = "refunds", .type = DB_INT4,
     .offset = offsetof(struct jobs_backlog_row, refunds)},
    {.name = "refunds_since", .type = DB_TIMESTAMPTZ,
     .offset = offsetof(struct jobs_backlog_row, refunds_since),
     .is_nullable = true, .has_offset = offsetof(struct jobs_backlog_row, has_refunds_since)},
    {.name = "attention", .type = DB_INT4,
     .offset = offsetof(struct jobs_backlog_row, attention)},
    {.name = "attention_since", .type = DB_TIMESTAMPTZ,
     .offset = offsetof(struct jobs_backlog_row, attention_since),
     .is_nullable = true, .has_offset = offsetof(struct jobs_backlog_row, has_attention_since)},
};

const struct db_statement jobs_backlog_statement = {
    .name = "jobs_backlog",
    .sql_one =
        "SELECT p.n AS payments, p.since AS payments_since, r.n AS refunds, r.since AS refunds_since,\n"
        "       a.n AS attention, a.since AS attention_since\n"
        "  FROM (SELECT count(*)::int4 AS n, min(create_time) AS since\n"
        "          FROM (SELECT create_time FROM payment WHERE due_time < 'infinity' AND state <> 'NOT_RECEIVED'\n"
        "                 ORDER BY due_time LIMIT $1::int4) x) p,\n"
        "       (SELECT count(*)::int4 AS n, min(create_time) AS since\n"
        "          FROM (SELECT create_time FROM refund WHERE due_time < 'infinity' ORDER BY due_time LIMIT $1::int4) x) r,\n"
        "       (SELECT count(*)::int4 AS n, min(create_time) AS since\n"
        "          FROM (SELECT create_time FROM attention_item WHERE resolve_time IS NULL AND create_time <= now()\n"
        "                 ORDER BY create_time LIMIT $1::int4) x) a",
    .sql_many = NULL,
    .params = backlog_params,
    .param_count = 1,
    .columns = backlog_columns,
    .column_count = 6,
    .row_bytes = sizeof(struct jobs_backlog_row),
    .cardinality = DB_ONE,
    .is_read = false,
    .rows_max = 0,
    .key_param = -1,
    .distinct_param = -1,
    .batch_max = 1,
};

void jobs_backlog(struct call *c, struct jobs_backlog_row *ret,
    int32_t row_count)
{
    const struct db_value values[] = {
        {.i = row_count},
    };
    db_submit(&c->scope, &jobs_backlog_statement, values, ret);
}

static const struct db_param prune_claims_params[] = {
    {.name = "row_count", .type = DB_INT4},
};

static const struct db_column prune_claims_columns[] = {
    {.name = "pruned", .type = DB_INT4,
     .offset = offsetof(struct jobs_prune_claims_row, pruned)},
};

const struct db_statement jobs_prune_claims_statement = {
    .name = "jobs_prune_claims",
    .sql_one =
        "WITH c AS MATERIALIZED (\n"
        "    SELECT principal, method, request_id FROM idempotency\n"
        "     WHERE method < 5 AND create_time < now() - interval '1 day'\n"
        "     ORDER BY create_time LIMIT $1::int4 FOR UPDATE SKIP LOCKED\n"
        "), m AS MATERIALIZED (\n"
        "    SELECT principal, method, request_id FROM idempotency\n"
        "     WHERE method >= 5 AND create_time < now() - interval '30 days'\n"
        "     ORDER BY create_time LIMIT $1::int4 FOR UPDATE SKIP LOCKED\n"
        "), x AS (\n"
        "    DELETE FROM idempotency i USING (SELECT * FROM c UNION ALL SELECT * FROM m) d\n"
        "     WHERE i.principal = d.principal AND i.method = d.method AND i.request_id = d.request_id\n"
        "    RETURNING 1\n"
        ")\n"
        "SELECT count(*)::int4 AS pruned FROM x",
    .sql_many = NULL,
    .params = prune_claims_params,
    .param_count = 1,
    .columns = prune_claims_columns,
    .column_count = 1,
    .row_bytes = sizeof(struct jobs_prune_claims_row),
    .cardinality = DB_ONE,
    .is_read = false,
    .rows_max = 0,
    .key_param = -1,
    .distinct_param = -1,
    .batch_max = 1,
};

void jobs_prune_claims(struct call *c, struct jobs_prune_claims_row *ret,
    int32_t row_count)
{
    const struct db_value values[] = {
        {.i = row_count},
    };
    db_submit(&c->scope, &jobs_prune_claims_statement, values, ret);
}

static const struct db_param prune_throttles_params[] = {
    {.name = "after", .type = DB_UUID},
    {.name = "row_count", .type = DB_INT4},
};

static const struct db_column prune_throttles_columns[] = {
    {.name = "next", .type = DB_UUID,
     .offset = offsetof(struct jobs_prune_throttles_row, next),
     .is_nullable = true, .has_offset = offsetof(struct jobs_prune_throttles_row, has_next)},
    {.name = "pruned", .type = DB_INT4,
     .offset = offsetof(struct jobs_prune_throttles_row, pruned)},
};

const struct db_statement jobs_prune_throttles_statement = {
    .name = "jobs_prune_throttles",
    .sql_one =
        "WITH w AS MATERIALIZED (\n"
        "    SELECT key FROM login_throttle WHERE key > $1::uuid ORDER BY key LIMIT $2::int4\n"
        "), d AS MATERIALIZED (\n"
        "    SELECT key FROM login_throttle WHERE key = ANY (ARRAY(SELECT key FROM w)) AND expire_time < now() FOR UPDATE SKIP LOCKED\n"
        "), x AS (\n"
        "    DELETE FROM login_throttle WHERE key = ANY (ARRAY(SELECT key FROM d)) RETURNING 1\n"
        ")\n"
        "SELECT (SELECT key FROM w ORDER BY key OFFSET $2::int4 - 1) AS next, (SELECT count(*) FROM x)::int4 AS pruned",
    .sql_many = NULL,
    .params = prune_throttles_params,
    .param_count = 2,
    .columns = prune_throttles_columns,
    .column_count = 2,
    .row_bytes = sizeof(struct jobs_prune_throttles_row),
    .cardinality = DB_ONE,
    .is_read = false,
    .rows_max = 0,
    .key_param = -1,
    .distinct_param = -1,
    .batch_max = 1,
};

void jobs_prune_throttles(struct call *c, struct jobs_prune_throttles_row *ret,
    struct uuid after,
    int32_t row_count)
{
    const struct db_value values[] = {
        {.u = after},
        {.i = row_count},
    };
    db_submit(&c->scope, &jobs_prune_throttles_statement, values, ret);
}

static const struct db_param prune_accounts_params[] = {
    {.name = "after", .type = DB_UUID},
    {.name = "user_count", .type = DB_INT4},
    {.name = "row_count", .type = DB_INT4},
};

static const struct db_column prune_accounts_columns[] = {
    {.name = "next", .type = DB_UUID,
     .offset = offsetof(struct jobs_prune_accounts_row, next),
     .is_nullable = true, .has_offset = offsetof(struct jobs_prune_accounts_row, has_next)},
    {.name = "pruned", .type = DB_INT4,
     .offset = offsetof(struct jobs_prune_accounts_row, pruned)},
};

const struct db_statement jobs_prune_accounts_statement = {
    .name = "jobs_prune_accounts",
    .sql_one =
        "WITH w AS MATERIALIZED (\n"
        "    SELECT user_id FROM app_user WHERE user_id > $1::uuid ORDER BY user_id LIMIT $2::int4\n"
        "), s AS (\n"
        "    DELETE FROM session t\n"
        "     USING (SELECT o.user_id, o.session_id FROM session o\n"
        "             WHERE o.user_id = ANY (ARRAY(SELECT user_id FROM w)) AND o.expire_time < now() - interval '90 days'\n"
        "             LIMIT $3::int4) d\n"
        "     WHERE t.user_id = d.user_id AND t.session_id = d.session_id\n"
        "    RETURNING 1\n"
        "), r AS (\n"
        "    DELETE FROM revocation t\n"
        "     WHERE t.user_id = ANY (ARRAY(SELECT user_id FROM w)) AND t.expire_time < now() - interval '1 hour' RETURNING 1\n"
        "), e AS (\n"
        "    DELETE FROM security_event t\n"
        "     USING (SELECT o.user_id, o.event_id FROM security_event o\n"
        "             WHERE o.user_id = ANY (ARRAY(SELECT user_id FROM w)) AND o.create_time < now() - interval '400 days'\n"
        "             LIMIT $3::int4) d\n"
        "     WHERE t.user_id = d.user_id AND t.event_id = d.event_id\n"
        "    RETURNING 1\n"
        "), n AS (\n"
        "    SELECT (SELECT count(*) FROM s) AS sessions, (SELECT count(*) FROM r) AS revocations, (SELECT count(*) FROM e) AS events\n"
        ")\n"
        "SELECT CASE WHEN greatest(sessions, events) >= $3::int4 THEN $1::uuid\n"
        "            ELSE (SELECT user_id FROM w ORDER BY user_id OFFSET $2::int4 - 1) END AS next,\n"
        "       (sessions + revocations + events)::int4 AS pruned\n"
        "  FROM n",
    .sql_many = NULL,
    .params = prune_accounts_params,
    .param_count = 3,
    .columns = prune_accounts_columns,
    .column_count = 2,
    .row_bytes = sizeof(struct jobs_prune_accounts_row),
    .cardinality = DB_ONE,
    .is_read = false,
    .rows_max = 0,
    .key_param = -1,
    .distinct_param = -1,
    .batch_max = 1,
};

void jobs_prune_accounts(struct call *c, struct jobs_prune_accounts_row *ret,
    struct uuid after,
    int32_t user_count,
    int32_t row_count)
{
    const struct db_value values[] = {
        {.u = after},
        {.i = user_count},
        {.i = row_count},
    };
    db_submit(&c->scope, &jobs_prune_accounts_statement, values, ret);
}

static const struct db_param prune_changes_params[] = {
    {.name = "row_count", .type = DB_INT4},
};

static const struct db_column prune_changes_columns[] = {
    {.name = "pruned", .type = DB_INT4,
     .offset = offsetof(struct jobs_prune_changes_row, pruned)},
};

const struct db_statement jobs_prune_changes_statement = {
    .name = "jobs_prune_changes",
    .sql_one =
        "WITH d AS MATERIALIZED (\n"
        "    SELECT xid, flight_id, create_time FROM inventory_change\n"
        "     WHERE create_time < now() - interval '10 minutes'\n"
        "     ORDER BY xid LIMIT $1::int4 FOR UPDATE SKIP LOCKED\n"
        "), x AS (\n"
        "    DELETE FROM inventory_change c USING d\n"
        "     WHERE c.xid = d.xid AND c.flight_id = d.flight_id AND c.create_time = d.create_time\n"
        "    RETURNING 1\n"
        ")\n"
        "SELECT count(*)::int4 AS pruned FROM x",
    .sql_many = NULL,
    .params = prune_changes_params,
    .param_count = 1,
    .columns = prune_changes_columns,
    .column_count = 1,
    .row_bytes = sizeof(struct jobs_prune_changes_row),
    .cardinality = DB_ONE,
    .is_read = false,
    .rows_max = 0,
    .key_param = -1,
    .distinct_param = -1,
    .batch_max = 1,
};

void jobs_prune_changes(struct call *c, struct jobs_prune_changes_row *ret,
    int32_t row_count)
{
    const struct db_value values[] = {
        {.i = row_count},
    };
    db_submit(&c->scope, &jobs_prune_changes_statement, values, ret);
}

static const struct db_param expire_quotes_params[] = {
    {.name = "row_count", .type = DB_INT4},
};

static const struct db_column expire_quotes_columns[] = {
    {.name = "expired", .type = DB_INT4,
     .offset = offsetof(struct jobs_expire_quotes_row, expired)},
};

const struct db_statement jobs_expire_quotes_statement = {
    .name = "jobs_expire_quotes",
    .sql_one =
        "WITH d AS MATERIALIZED (\n"
        "    SELECT booking_id, cancellation_id FROM cancellation\n"
        "     WHERE state = 'QUOTED' AND expire_time < now() - interval '1 minute'\n"
        "     ORDER BY expire_time LIMIT $1::int4 FOR UPDATE SKIP LOCKED\n"
        "), x AS (\n"
        "    UPDATE cancellation c SET state = 'EXPIRED'\n"
        "      FROM d WHERE c.booking_id = d.booking_id AND c.cancellation_id = d.cancellation_id AND c.state = 'QUOTED'\n"
        "    RETURNING 1\n"
        ")\n"
        "SELECT count(*)::int4 AS expired FROM x",
    .sql_many = NULL,
    .params = expire_quotes_params,
    .param_count = 1,
    .columns = expire_quotes_columns,
    .column_count = 1,
    .row_bytes = sizeof(struct jobs_expire_quotes_row),
    .cardinality = DB_ONE,
    .is_read = false,
    .rows_max = 0,
    .key_param = -1,
    .distinct_param = -1,
    .batch_max = 1,
};

void jobs_expire_quotes(struct call *c, struct jobs_expire_quotes_row *ret,
    int32_t row_count)
{
    const struct db_value values[] = {
        {.i = row_count},
    };
    db_submit(&c->scope, &jobs_expire_quotes_statement, values, ret);
}

const struct db_statement *const jobs_statements[] = {
    &jobs_sweep_begin_statement,
    &jobs_sweep_move_statement,
    &jobs_expire_statement,
    &jobs_release_watches_statement,
    &jobs_due_attempts_statement,
    &jobs_due_refunds_statement,
    &jobs_backlog_statement,
    &jobs_prune_claims_statement,
    &jobs_prune_throttles_statement,
    &jobs_prune_accounts_statement,
    &jobs_prune_changes_statement,
    &jobs_expire_quotes_statement,
    NULL,
};
