/* Made by sqlgen from auth.sql: do not edit. */
#include "auth.sql.h"

static const struct db_param create_user_params[] = {
    {.name = "principal", .type = DB_UUID},
    {.name = "request_id", .type = DB_UUID},
    {.name = "fingerprint", .type = DB_BYTEA},
    {.name = "user_id", .type = DB_UUID},
    {.name = "email", .type = DB_TEXT},
    {.name = "password_hash", .type = DB_TEXT},
    {.name = "display_name", .type = DB_TEXT},
    {.name = "language_code", .type = DB_TEXT},
    {.name = "roles", .type = DB_INT4},
    {.name = "email_verified", .type = DB_BOOL},
    {.name = "event_id", .type = DB_UUID},
    {.name = "network", .type = DB_TEXT},
};

static const struct db_column create_user_columns[] = {
    {.name = "claimed", .type = DB_BOOL,
     .offset = offsetof(struct auth_create_user_row, claimed)},
    {.name = "is_new", .type = DB_BOOL,
     .offset = offsetof(struct auth_create_user_row, is_new)},
    {.name = "create_time", .type = DB_TIMESTAMPTZ,
     .offset = offsetof(struct auth_create_user_row, create_time)},
};

const struct db_statement auth_create_user_statement = {
    .name = "auth_create_user",
    .sql_one =
        "WITH k AS (\n"
        "    INSERT INTO idempotency (principal, method, request_id, fingerprint, resource)\n"
        "    VALUES ($1::uuid, 1, $2::uuid, $3::bytea, $4::uuid)\n"
        "    ON CONFLICT DO NOTHING\n"
        "    RETURNING create_time\n"
        "), l AS (\n"
        "    INSERT INTO login (email, user_id, password_hash)\n"
        "    SELECT $5::text, $4::uuid, $6::text FROM k\n"
        "    ON CONFLICT DO NOTHING\n"
        "    RETURNING user_id\n"
        "), u AS (\n"
        "    INSERT INTO app_user (user_id, email, email_verified, display_name, language_code, roles)\n"
        "    SELECT user_id, $5::text, $10::bool, $7::text, $8::text, $9::int4 FROM l\n"
        "), e AS (\n"
        "    INSERT INTO security_event (user_id, event_id, kind, network)\n"
        "    SELECT user_id, $11::uuid, 'USER_CREATED', $12::text FROM l\n"
        "    UNION ALL\n"
        "    SELECT o.user_id, $11::uuid, 'REGISTRATION_REPEATED', $12::text\n"
        "      FROM k, login o\n"
        "     WHERE o.email = $5::text AND NOT EXISTS (SELECT FROM l)\n"
        ")\n"
        "SELECT EXISTS (SELECT FROM k) AS claimed, EXISTS (SELECT FROM l) AS is_new, now() AS create_time",
    .sql_many = NULL,
    .params = create_user_params,
    .param_count = 12,
    .columns = create_user_columns,
    .column_count = 3,
    .row_bytes = sizeof(struct auth_create_user_row),
    .cardinality = DB_ONE,
    .is_read = false,
    .rows_max = 0,
    .key_param = -1,
    .distinct_param = -1,
    .batch_max = 1,
};

void auth_create_user(struct call *c, struct auth_create_user_row *ret,
    struct uuid principal,
    struct uuid request_id,
    struct str fingerprint,
    struct uuid user_id,
    struct str email,
    struct str password_hash,
    struct str display_name,
    struct str language_code,
    int32_t roles,
    bool email_verified,
    struct uuid event_id,
    struct str network)
{
    const struct db_value values[] = {
        {.u = principal},
        {.u = request_id},
        {.s = fingerprint},
        {.u = user_id},
        {.s = email},
        {.s = password_hash},
        {.s = display_name},
        {.s = language_code},
        {.i = roles},
        {.b = email_verified},
        {.u = event_id},
        {.s = network},
    };
    db_submit(&c->scope, &auth_create_user_statement, values, ret);
}

static const struct db_param login_begin_params[] = {
    {.name = "email", .type = DB_TEXT},
    {.name = "network", .type = DB_UUID},
    {.name = "pair", .type = DB_UUID},
    {.name = "totals", .type = DB_UUID, .is_array = true},
    {.name = "total_max", .type = DB_INT8},
    {.name = "network_free", .type = DB_INT4},
    {.name = "network_delay_s_max", .type = DB_FLOAT8},
    {.name = "pair_free", .type = DB_INT4},
    {.name = "pair_delay_s_max", .type = DB_FLOAT8},
    {.name = "window_s", .type = DB_FLOAT8},
};

static const struct db_column login_begin_columns[] = {
    {.name = "is_open", .type = DB_BOOL,
     .offset = offsetof(struct auth_login_begin_row, is_open)},
    {.name = "wait_ms", .type = DB_INT4,
     .offset = offsetof(struct auth_login_begin_row, wait_ms)},
    {.name = "user_id", .type = DB_UUID,
     .offset = offsetof(struct auth_login_begin_row, user_id),
     .is_nullable = true, .has_offset = offsetof(struct auth_login_begin_row, has_user_id)},
    {.name = "password_hash", .type = DB_TEXT,
     .offset = offsetof(struct auth_login_begin_row, password_hash),
     .is_nullable = true, .has_offset = offsetof(struct auth_login_begin_row, has_password_hash)},
    {.name = "can_log_in", .type = DB_BOOL,
     .offset = offsetof(struct auth_login_begin_row, can_log_in)},
    {.name = "roles", .type = DB_INT4,
     .offset = offsetof(struct auth_login_begin_row, roles)},
};

const struct db_statement auth_login_begin_statement = {
    .name = "auth_login_begin",
    .sql_one =
        "WITH g AS MATERIALIZED (\n"
        "    SELECT CASE WHEN coalesce(sum(failures), 0) > $5::int8 THEN 0 ELSE $6::int4 END AS free\n"
        "      FROM login_throttle\n"
        "     WHERE key = ANY ($4::uuid[]) AND expire_time > now()\n"
        "), n AS (\n"
        "    INSERT INTO login_throttle AS o (key, failures, next_time, expire_time)\n"
        "    SELECT $2::uuid, 1, now(), now() + $10::float8 * interval '1 second'\n"
        "     WHERE NOT EXISTS (SELECT FROM login_throttle\n"
        "                        WHERE key = $3::uuid AND next_time > clock_timestamp()\n"
        "                          AND next_time <= clock_timestamp() + $9::float8 * interval '1 second')\n"
        "    ON CONFLICT (key) DO UPDATE\n"
        "    SET failures = CASE WHEN o.expire_time <= now() THEN 1 ELSE o.failures + 1 END,\n"
        "        next_time = CASE WHEN o.expire_time <= now() OR o.failures < (SELECT free FROM g) THEN now()\n"
        "            ELSE now() + least($7::float8,\n"
        "                power(2.0::float8, least(o.failures - (SELECT free FROM g), 20))) * interval '1 second' END,\n"
        "        expire_time = CASE WHEN o.expire_time <= now() THEN excluded.expire_time ELSE o.expire_time END\n"
        "    WHERE o.next_time <= clock_timestamp() OR o.next_time > clock_timestamp() + $7::float8 * interval '1 second'\n"
        "    RETURNING 1\n"
        "), p AS (\n"
        "    INSERT INTO login_throttle AS o (key, failures, next_time, expire_time)\n"
        "    SELECT $3::uuid, 1, now(), now() + $10::float8 * interval '1 second' FROM n\n"
        "    ON CONFLICT (key) DO UPDATE\n"
        "    SET failures = CASE WHEN o.expire_time <= now() THEN 1 ELSE o.failures + 1 END,\n"
        "        next_time = CASE WHEN o.expire_time <= now() OR o.failures < $8::int4 THEN now()\n"
        "            ELSE now() + least($9::float8,\n"
        "                power(2.0::float8, least(o.failures - $8::int4, 20))) * interval '1 second' END,\n"
        "        expire_time = excluded.expire_time\n"
        "    WHERE o.next_time <= clock_timestamp() OR o.next_time > clock_timestamp() + $9::float8 * interval '1 second'\n"
        "    RETURNING 1\n"
        ")\n"
        "SELECT EXISTS (SELECT FROM p) AS is_open,\n"
        "       greatest(1000, coalesce((SELECT ceil(extract(epoch FROM max(t.next_time) - now()) * 1000)\n"
        "                                  FROM login_throttle t\n"
        "                                 WHERE t.key IN ($2::uuid, $3::uuid)\n"
        "                                   AND t.next_time <= clock_timestamp() + interval '1 second' *\n"
        "                                       CASE t.key WHEN $3::uuid THEN $9::float8 ELSE $7::float8 END), 0))::int4\n"
        "           AS wait_ms,\n"
        "       l.user_id, l.password_hash, coalesce(u.state = 'ACTIVE', false) AS can_log_in,\n"
        "       coalesce(u.roles, 0) AS roles\n"
        "  FROM (SELECT 1) one\n"
        "  LEFT JOIN login l ON l.email = $1::text\n"
        "  LEFT JOIN app_user u ON u.user_id = l.user_id",
    .sql_many = NULL,
    .params = login_begin_params,
    .param_count = 10,
    .columns = login_begin_columns,
    .column_count = 6,
    .row_bytes = sizeof(struct auth_login_begin_row),
    .cardinality = DB_ONE,
    .is_read = false,
    .rows_max = 0,
    .key_param = -1,
    .distinct_param = -1,
    .batch_max = 1,
};

void auth_login_begin(struct call *c, struct auth_login_begin_row *ret,
    struct str email,
    struct uuid network,
    struct uuid pair,
    const struct uuid *totals, size_t totals_count,
    int64_t total_max,
    int32_t network_free,
    double network_delay_s_max,
    int32_t pair_free,
    double pair_delay_s_max,
    double window_s)
{
    const struct db_value values[] = {
        {.s = email},
        {.u = network},
        {.u = pair},
        {.array = totals, .array_count = (uint32_t)totals_count},
        {.i = total_max},
        {.i = network_free},
        {.f = network_delay_s_max},
        {.i = pair_free},
        {.f = pair_delay_s_max},
        {.f = window_s},
    };
    db_submit(&c->scope, &auth_login_begin_statement, values, ret);
}

static const struct db_param login_failed_params[] = {
    {.name = "user_id", .type = DB_UUID, .is_nullable = true},
    {.name = "event_id", .type = DB_UUID},
    {.name = "network", .type = DB_TEXT},
    {.name = "total", .type = DB_UUID},
};

const struct db_statement auth_login_failed_statement = {
    .name = "auth_login_failed",
    .sql_one =
        "WITH e AS (\n"
        "    INSERT INTO security_event (user_id, event_id, kind, network)\n"
        "    SELECT $1::uuid, $2::uuid, 'LOGIN_FAILED', $3::text\n"
        "     WHERE $1::uuid IS NOT NULL\n"
        ")\n"
        "INSERT INTO login_throttle AS o (key, failures, next_time, expire_time)\n"
        "VALUES ($4::uuid, 1, now(), now() + interval '1 minute')\n"
        "ON CONFLICT (key) DO UPDATE\n"
        "SET failures = CASE WHEN o.expire_time <= now() THEN 1 ELSE o.failures + 1 END,\n"
        "    expire_time = CASE WHEN o.expire_time <= now() THEN excluded.expire_time ELSE o.expire_time END",
    .sql_many = NULL,
    .params = login_failed_params,
    .param_count = 4,
    .cardinality = DB_NONE,
    .is_read = false,
    .rows_max = 0,
    .key_param = -1,
    .distinct_param = -1,
    .batch_max = 1,
};

void auth_login_failed(struct call *c,
    const struct uuid *user_id,
    struct uuid event_id,
    struct str network,
    struct uuid total)
{
    const struct db_value values[] = {
        {.u = user_id ? *user_id : (struct uuid){{0}}, .is_null = !user_id},
        {.u = event_id},
        {.s = network},
        {.u = total},
    };
    db_submit(&c->scope, &auth_login_failed_statement, values, NULL);
}

static const struct db_param create_session_params[] = {
    {.name = "user_id", .type = DB_UUID},
    {.name = "request_id", .type = DB_UUID},
    {.name = "fingerprint", .type = DB_BYTEA},
    {.name = "session_id", .type = DB_UUID},
    {.name = "device_label", .type = DB_TEXT},
    {.name = "network", .type = DB_TEXT},
    {.name = "seed", .type = DB_BYTEA},
    {.name = "refresh_hash", .type = DB_BYTEA},
    {.name = "idle_s", .type = DB_FLOAT8},
    {.name = "absolute_s", .type = DB_FLOAT8},
    {.name = "token_s", .type = DB_FLOAT8},
    {.name = "sessions_max", .type = DB_INT4},
    {.name = "event_id", .type = DB_UUID},
    {.name = "network_key", .type = DB_UUID},
    {.name = "pair", .type = DB_UUID},
    {.name = "email", .type = DB_TEXT},
    {.name = "old_hash", .type = DB_TEXT},
    {.name = "new_hash", .type = DB_TEXT, .is_nullable = true},
};

static const struct db_column create_session_columns[] = {
    {.name = "claimed", .type = DB_BOOL,
     .offset = offsetof(struct auth_create_session_row, claimed)},
    {.name = "ended", .type = DB_BYTEA,
     .offset = offsetof(struct auth_create_session_row, ended),
     .is_nullable = true, .has_offset = offsetof(struct auth_create_session_row, has_ended)},
    {.name = "create_time", .type = DB_TIMESTAMPTZ,
     .offset = offsetof(struct auth_create_session_row, create_time)},
};

const struct db_statement auth_create_session_statement = {
    .name = "auth_create_session",
    .sql_one =
        "WITH k AS (\n"
        "    INSERT INTO idempotency (principal, method, request_id, fingerprint, resource)\n"
        "    VALUES ($1::uuid, 2, $2::uuid, $3::bytea, $4::uuid)\n"
        "    ON CONFLICT DO NOTHING\n"
        "    RETURNING 1\n"
        "), s AS (\n"
        "    INSERT INTO session (user_id, session_id, device_label, network, seed, refresh_hash, idle_expire_time,\n"
        "        expire_time)\n"
        "    SELECT $1::uuid, $4::uuid, $5::text, $6::text, $7::bytea, $8::bytea,\n"
        "           now() + least($9::float8, $10::float8) * interval '1 second', now() + $10::float8 * interval '1 second'\n"
        "      FROM k\n"
        "), x AS (\n"
        "    UPDATE session\n"
        "       SET end_time = now(), end_reason = 'TOO_MANY'\n"
        "     WHERE user_id = $1::uuid AND end_time IS NULL AND EXISTS (SELECT FROM k)\n"
        "       AND session_id = ANY (ARRAY(\n"
        "           SELECT session_id FROM session\n"
        "            WHERE user_id = $1::uuid AND end_time IS NULL AND idle_expire_time > now()\n"
        "            ORDER BY session_id DESC OFFSET $12::int4 - 1))\n"
        "    RETURNING session_id\n"
        "), v AS (\n"
        "    INSERT INTO revocation (user_id, session_id, expire_time)\n"
        "    SELECT $1::uuid, session_id, now() + $11::float8 * interval '1 second' FROM x\n"
        "    ON CONFLICT DO NOTHING\n"
        "), e AS (\n"
        "    INSERT INTO security_event (user_id, event_id, kind, session_id, network)\n"
        "    SELECT $1::uuid, $13::uuid, 'LOGIN', $4::uuid, $6::text FROM k\n"
        "), n AS (\n"
        "    UPDATE login_throttle\n"
        "       SET failures = greatest(failures - 1, 0), next_time = now()\n"
        "     WHERE key = $14::uuid\n"
        "    RETURNING 1\n"
        "), p AS (\n"
        "    DELETE FROM login_throttle WHERE key = $15::uuid AND (SELECT count(*) FROM n) >= 0\n"
        "), h AS (\n"
        "    UPDATE login SET password_hash = $18::text\n"
        "     WHERE email = $16::text AND password_hash = $17::text AND $18::text IS NOT NULL\n"
        ")\n"
        "SELECT EXISTS (SELECT FROM k) AS claimed, (SELECT string_agg(uuid_send(session_id), '') FROM x) AS ended,\n"
        "       now() AS create_time",
    .sql_many = NULL,
    .params = create_session_params,
    .param_count = 18,
    .columns = create_session_columns,
    .column_count = 3,
    .row_bytes = sizeof(struct auth_create_session_row),
    .cardinality = DB_ONE,
    .is_read = false,
    .rows_max = 0,
    .key_param = -1,
    .distinct_param = -1,
    .batch_max = 1,
};

void auth_create_session(struct call *c, struct auth_create_session_row *ret,
    struct uuid user_id,
    struct uuid request_id,
    struct str fingerprint,
    struct uuid session_id,
    struct str device_label,
    struct str network,
    struct str seed,
    struct str refresh_hash,
    double idle_s,
    double absolute_s,
    double token_s,
    int32_t sessions_max,
    struct uuid event_id,
    struct uuid network_key,
    struct uuid pair,
    struct str email,
    struct str old_hash,
    struct str new_hash)
{
    const struct db_value values[] = {
        {.u = user_id},
        {.u = request_id},
        {.s = fingerprint},
        {.u = session_id},
        {.s = device_label},
        {.s = network},
        {.s = seed},
        {.s = refresh_hash},
        {.f = idle_s},
        {.f = absolute_s},
        {.f = token_s},
        {.i = sessions_max},
        {.u = event_id},
        {.u = network_key},
        {.u = pair},
        {.s = email},
        {.s = old_hash},
        {.s = new_hash, .is_null = !new_hash.p},
    };
    db_submit(&c->scope, &auth_create_session_statement, values, ret);
}

static const struct db_param get_session_params[] = {
    {.name = "user_id", .type = DB_UUID},
    {.name = "session_id", .type = DB_UUID},
};

static const struct db_column get_session_columns[] = {
    {.name = "device_label", .type = DB_TEXT,
     .offset = offsetof(struct auth_get_session_row, device_label)},
    {.name = "network", .type = DB_TEXT,
     .offset = offsetof(struct auth_get_session_row, network)},
    {.name = "seed", .type = DB_BYTEA,
     .offset = offsetof(struct auth_get_session_row, seed)},
    {.name = "create_time", .type = DB_TIMESTAMPTZ,
     .offset = offsetof(struct auth_get_session_row, create_time)},
    {.name = "refresh_time", .type = DB_TIMESTAMPTZ,
     .offset = offsetof(struct auth_get_session_row, refresh_time)},
    {.name = "idle_expire_time", .type = DB_TIMESTAMPTZ,
     .offset = offsetof(struct auth_get_session_row, idle_expire_time)},
    {.name = "expire_time", .type = DB_TIMESTAMPTZ,
     .offset = offsetof(struct auth_get_session_row, expire_time)},
    {.name = "is_live", .type = DB_BOOL,
     .offset = offsetof(struct auth_get_session_row, is_live)},
    {.name = "generation", .type = DB_INT4,
     .offset = offsetof(struct auth_get_session_row, generation)},
    {.name = "roles", .type = DB_INT4,
     .offset = offsetof(struct auth_get_session_row, roles)},
};

const struct db_statement auth_get_session_statement = {
    .name = "auth_get_session",
    .sql_one =
        "SELECT s.device_label, s.network, s.seed, s.create_time, s.refresh_time, s.idle_expire_time, s.expire_time,\n"
        "       s.end_time IS NULL AND s.idle_expire_time > now() AND u.state = 'ACTIVE' AS is_live, s.generation, u.roles\n"
        "  FROM session s\n"
        "  JOIN app_user u ON u.user_id = s.user_id\n"
        " WHERE s.user_id = $1::uuid AND s.session_id = $2::uuid",
    .sql_many = NULL,
    .params = get_session_params,
    .param_count = 2,
    .columns = get_session_columns,
    .column_count = 10,
    .row_bytes = sizeof(struct auth_get_session_row),
    .found_offset = offsetof(struct auth_get_session_row, found),
    .cardinality = DB_MAYBE,
    .is_read = false,
    .rows_max = 0,
    .key_param = -1,
    .distinct_param = -1,
    .batch_max = 1,
};

void auth_get_session(struct call *c, struct auth_get_session_row *ret,
    struct uuid user_id,
    struct uuid session_id)
{
    const struct db_value values[] = {
        {.u = user_id},
        {.u = session_id},
    };
    db_submit(&c->scope, &auth_get_session_statement, values, ret);
}

static const struct db_param refresh_session_params[] = {
    {.name = "user_id", .type = DB_UUID},
    {.name = "session_id", .type = DB_UUID},
    {.name = "request_id", .type = DB_UUID},
    {.name = "fingerprint", .type = DB_BYTEA},
    {.name = "hash", .type = DB_BYTEA},
    {.name = "next_hash", .type = DB_BYTEA},
    {.name = "generation", .type = DB_INT4},
    {.name = "network", .type = DB_TEXT},
    {.name = "grace_s", .type = DB_FLOAT8},
    {.name = "idle_s", .type = DB_FLOAT8},
    {.name = "token_s", .type = DB_FLOAT8},
    {.name = "event_id", .type = DB_UUID},
};

static const struct db_column refresh_session_columns[] = {
    {.name = "outcome", .type = DB_TEXT,
     .offset = offsetof(struct auth_refresh_session_row, outcome)},
    {.name = "refresh_time", .type = DB_TIMESTAMPTZ,
     .offset = offsetof(struct auth_refresh_session_row, refresh_time),
     .is_nullable = true, .has_offset = offsetof(struct auth_refresh_session_row, has_refresh_time)},
    {.name = "device_label", .type = DB_TEXT,
     .offset = offsetof(struct auth_refresh_session_row, device_label),
     .is_nullable = true, .has_offset = offsetof(struct auth_refresh_session_row, has_device_label)},
    {.name = "create_time", .type = DB_TIMESTAMPTZ,
     .offset = offsetof(struct auth_refresh_session_row, create_time),
     .is_nullable = true, .has_offset = offsetof(struct auth_refresh_session_row, has_create_time)},
    {.name = "expire_time", .type = DB_TIMESTAMPTZ,
     .offset = offsetof(struct auth_refresh_session_row, expire_time),
     .is_nullable = true, .has_offset = offsetof(struct auth_refresh_session_row, has_expire_time)},
    {.name = "network", .type = DB_TEXT,
     .offset = offsetof(struct auth_refresh_session_row, network),
     .is_nullable = true, .has_offset = offsetof(struct auth_refresh_session_row, has_network)},
    {.name = "roles", .type = DB_INT4,
     .offset = offsetof(struct auth_refresh_session_row, roles),
     .is_nullable = true, .has_offset = offsetof(struct auth_refresh_session_row, has_roles)},
};

const struct db_statement auth_refresh_session_statement = {
    .name = "auth_refresh_session",
    .sql_one =
        "WITH s AS MATERIALIZED (\n"
        "    SELECT refresh_hash, previous_hash, refresh_time, idle_expire_time, expire_time, end_time, device_label,\n"
        "           create_time, network\n"
        "      FROM session\n"
        "     WHERE user_id = $1::uuid AND session_id = $2::uuid\n"
        "       FOR UPDATE\n"
        "), i AS MATERIALIZED (\n"
        "    SELECT fingerprint, create_time\n"
        "      FROM idempotency\n"
        "     WHERE principal = $1::uuid AND method = 3 AND request_id = $3::uuid\n"
        "), o AS MATERIALIZED (\n"
        "    SELECT CASE\n"
        "               WHEN i.fingerprint <> $4::bytea THEN 'IDEMPOTENCY_MISMATCH'\n"
        "               WHEN s.create_time IS NULL OR s.end_time IS NOT NULL OR s.idle_expire_time <= now()\n"
        "                    OR u.state IS DISTINCT FROM 'ACTIVE' THEN 'TOKEN_REVOKED'\n"
        "               WHEN i.fingerprint IS NOT NULL THEN 'REPLAYED'\n"
        "               WHEN s.refresh_hash = $5::bytea THEN 'ROTATED'\n"
        "               WHEN s.previous_hash = $5::bytea AND s.refresh_time > now() - $9::float8 * interval '1 second'\n"
        "                   THEN 'REPEATED'\n"
        "               ELSE 'REFRESH_REUSED'\n"
        "           END AS outcome,\n"
        "           i.create_time AS replay_time, u.roles, s.refresh_time, s.device_label, s.create_time, s.expire_time,\n"
        "           s.network\n"
        "      FROM (SELECT 1) one\n"
        "      LEFT JOIN s ON true\n"
        "      LEFT JOIN i ON true\n"
        "      LEFT JOIN app_user u ON u.user_id = $1::uuid\n"
        "), k AS (\n"
        "    INSERT INTO idempotency (principal, method, request_id, fingerprint, resource, create_time)\n"
        "    SELECT $1::uuid, 3, $3::uuid, $4::bytea, $2::uuid,\n"
        "           CASE outcome WHEN 'ROTATED' THEN now() ELSE refresh_time END\n"
        "      FROM o\n"
        "     WHERE outcome IN ('ROTATED', 'REPEATED')\n"
        "    ON CONFLICT DO NOTHING\n"
        "), r AS (\n"
        "    UPDATE session\n"
        "       SET refresh_hash = CASE o.outcome WHEN 'ROTATED' THEN $6::bytea ELSE refresh_hash END,\n"
        "           previous_hash = CASE o.outcome WHEN 'ROTATED' THEN $5::bytea ELSE previous_hash END,\n"
        "           generation = CASE o.outcome WHEN 'ROTATED' THEN $7::int4 ELSE generation END,\n"
        "           network = CASE o.outcome WHEN 'ROTATED' THEN $8::text ELSE session.network END,\n"
        "           refresh_time = CASE o.outcome WHEN 'ROTATED' THEN now() ELSE session.refresh_time END,\n"
        "           idle_expire_time = CASE o.outcome\n"
        "               WHEN 'ROTATED' THEN least(now() + $10::float8 * interval '1 second', session.expire_time)\n"
        "               ELSE idle_expire_time END,\n"
        "           end_time = CASE o.outcome WHEN 'REFRESH_REUSED' THEN now() END,\n"
        "           end_reason = CASE o.outcome WHEN 'REFRESH_REUSED' THEN 'REFRESH_REUSED' END\n"
        "      FROM o\n"
        "     WHERE user_id = $1::uuid AND session_id = $2::uuid AND o.outcome IN ('ROTATED', 'REFRESH_REUSED')\n"
        "), v AS (\n"
        "    INSERT INTO revocation (user_id, session_id, expire_time)\n"
        "    SELECT $1::uuid, $2::uuid, now() + $11::float8 * interval '1 second' FROM o WHERE outcome = 'REFRESH_REUSED'\n"
        "    ON CONFLICT DO NOTHING\n"
        "), e AS (\n"
        "    INSERT INTO security_event (user_id, event_id, kind, session_id, network)\n"
        "    SELECT $1::uuid, $12::uuid, 'REFRESH_REUSED', $2::uuid, $8::text FROM o WHERE outcome = 'REFRESH_REUSED'\n"
        ")\n"
        "SELECT o.outcome,\n"
        "       CASE o.outcome WHEN 'ROTATED' THEN now() WHEN 'REPLAYED' THEN replay_time ELSE refresh_time END\n"
        "           AS refresh_time,\n"
        "       o.device_label, o.create_time, o.expire_time,\n"
        "       CASE o.outcome WHEN 'ROTATED' THEN $8::text ELSE o.network END AS network, o.roles\n"
        "  FROM o",
    .sql_many = NULL,
    .params = refresh_session_params,
    .param_count = 12,
    .columns = refresh_session_columns,
    .column_count = 7,
    .row_bytes = sizeof(struct auth_refresh_session_row),
    .cardinality = DB_ONE,
    .is_read = false,
    .rows_max = 0,
    .key_param = -1,
    .distinct_param = -1,
    .batch_max = 1,
};

void auth_refresh_session(struct call *c, struct auth_refresh_session_row *ret,
    struct uuid user_id,
    struct uuid session_id,
    struct uuid request_id,
    struct str fingerprint,
    struct str hash,
    struct str next_hash,
    int32_t generation,
    struct str network,
    double grace_s,
    double idle_s,
    double token_s,
    struct uuid event_id)
{
    const struct db_value values[] = {
        {.u = user_id},
        {.u = session_id},
        {.u = request_id},
        {.s = fingerprint},
        {.s = hash},
        {.s = next_hash},
        {.i = generation},
        {.s = network},
        {.f = grace_s},
        {.f = idle_s},
        {.f = token_s},
        {.u = event_id},
    };
    db_submit(&c->scope, &auth_refresh_session_statement, values, ret);
}

static const struct db_param end_session_params[] = {
    {.name = "principal", .type = DB_UUID},
    {.name = "request_id", .type = DB_UUID},
    {.name = "fingerprint", .type = DB_BYTEA},
    {.name = "user_id", .type = DB_UUID},
    {.name = "session_id", .type = DB_UUID},
    {.name = "end_reason", .type = DB_TEXT},
    {.name = "token_s", .type = DB_FLOAT8},
    {.name = "event_id", .type = DB_UUID},
    {.name = "network", .type = DB_TEXT},
};

static const struct db_column end_session_columns[] = {
    {.name = "claimed", .type = DB_BOOL,
     .offset = offsetof(struct auth_end_session_row, claimed)},
    {.name = "ended", .type = DB_BOOL,
     .offset = offsetof(struct auth_end_session_row, ended)},
};

const struct db_statement auth_end_session_statement = {
    .name = "auth_end_session",
    .sql_one =
        "WITH s AS MATERIALIZED (\n"
        "    SELECT session_id\n"
        "      FROM session\n"
        "     WHERE user_id = $4::uuid AND session_id = $5::uuid AND end_time IS NULL\n"
        "       AND idle_expire_time > now() - $7::float8 * interval '1 second'\n"
        "       FOR UPDATE\n"
        "), k AS (\n"
        "    INSERT INTO idempotency (principal, method, request_id, fingerprint, resource, reason)\n"
        "    SELECT $1::uuid, 4, $2::uuid, $3::bytea, (SELECT session_id FROM s),\n"
        "           CASE WHEN EXISTS (SELECT FROM s) THEN NULL ELSE 'NOT_FOUND' END\n"
        "    ON CONFLICT DO NOTHING\n"
        "    RETURNING resource\n"
        "), z AS (\n"
        "    UPDATE session\n"
        "       SET end_time = now(), end_reason = $6::text\n"
        "      FROM k\n"
        "     WHERE user_id = $4::uuid AND session_id = $5::uuid AND k.resource IS NOT NULL\n"
        "), v AS (\n"
        "    INSERT INTO revocation (user_id, session_id, expire_time)\n"
        "    SELECT $4::uuid, $5::uuid, now() + $7::float8 * interval '1 second' FROM k WHERE k.resource IS NOT NULL\n"
        "    ON CONFLICT DO NOTHING\n"
        "), e AS (\n"
        "    INSERT INTO security_event (user_id, event_id, kind, session_id, network)\n"
        "    SELECT $4::uuid, $8::uuid, 'SESSION_ENDED', $5::uuid, $9::text FROM k WHERE k.resource IS NOT NULL\n"
        ")\n"
        "SELECT EXISTS (SELECT FROM k) AS claimed, EXISTS (SELECT FROM s) AS ended",
    .sql_many = NULL,
    .params = end_session_params,
    .param_count = 9,
    .columns = end_session_columns,
    .column_count = 2,
    .row_bytes = sizeof(struct auth_end_session_row),
    .cardinality = DB_ONE,
    .is_read = false,
    .rows_max = 0,
    .key_param = -1,
    .distinct_param = -1,
    .batch_max = 1,
};

void auth_end_session(struct call *c, struct auth_end_session_row *ret,
    struct uuid principal,
    struct uuid request_id,
    struct str fingerprint,
    struct uuid user_id,
    struct uuid session_id,
    struct str end_reason,
    double token_s,
    struct uuid event_id,
    struct str network)
{
    const struct db_value values[] = {
        {.u = principal},
        {.u = request_id},
        {.s = fingerprint},
        {.u = user_id},
        {.u = session_id},
        {.s = end_reason},
        {.f = token_s},
        {.u = event_id},
        {.s = network},
    };
    db_submit(&c->scope, &auth_end_session_statement, values, ret);
}

static const struct db_param get_user_params[] = {
    {.name = "user_id", .type = DB_UUID},
};

static const struct db_column get_user_columns[] = {
    {.name = "email", .type = DB_TEXT,
     .offset = offsetof(struct auth_get_user_row, email)},
    {.name = "email_verified", .type = DB_BOOL,
     .offset = offsetof(struct auth_get_user_row, email_verified)},
    {.name = "display_name", .type = DB_TEXT,
     .offset = offsetof(struct auth_get_user_row, display_name)},
    {.name = "language_code", .type = DB_TEXT,
     .offset = offsetof(struct auth_get_user_row, language_code)},
    {.name = "roles", .type = DB_INT4,
     .offset = offsetof(struct auth_get_user_row, roles)},
    {.name = "state", .type = DB_TEXT,
     .offset = offsetof(struct auth_get_user_row, state)},
    {.name = "create_time", .type = DB_TIMESTAMPTZ,
     .offset = offsetof(struct auth_get_user_row, create_time)},
    {.name = "update_time", .type = DB_TIMESTAMPTZ,
     .offset = offsetof(struct auth_get_user_row, update_time)},
};

const struct db_statement auth_get_user_statement = {
    .name = "auth_get_user",
    .sql_one =
        "SELECT email, email_verified, display_name, language_code, roles, state, create_time, update_time\n"
        "  FROM app_user\n"
        " WHERE user_id = $1::uuid",
    .sql_many = NULL,
    .params = get_user_params,
    .param_count = 1,
    .columns = get_user_columns,
    .column_count = 8,
    .row_bytes = sizeof(struct auth_get_user_row),
    .found_offset = offsetof(struct auth_get_user_row, found),
    .cardinality = DB_MAYBE,
    .is_read = true,
    .rows_max = 0,
    .key_param = -1,
    .distinct_param = -1,
    .batch_max = 1,
};

void auth_get_user(struct call *c, struct auth_get_user_row *ret,
    struct uuid user_id)
{
    const struct db_value values[] = {
        {.u = user_id},
    };
    db_submit(&c->scope, &auth_get_user_statement, values, ret);
}

static const struct db_param list_sessions_params[] = {
    {.name = "user_id", .type = DB_UUID},
    {.name = "before", .type = DB_UUID, .is_nullable = true},
    {.name = "count", .type = DB_INT4},
};

static const struct db_column list_sessions_columns[] = {
    {.name = "session_id", .type = DB_UUID,
     .offset = offsetof(struct auth_list_sessions_row, session_id)},
    {.name = "device_label", .type = DB_TEXT,
     .offset = offsetof(struct auth_list_sessions_row, device_label)},
    {.name = "network", .type = DB_TEXT,
     .offset = offsetof(struct auth_list_sessions_row, network)},
    {.name = "create_time", .type = DB_TIMESTAMPTZ,
     .offset = offsetof(struct auth_list_sessions_row, create_time)},
    {.name = "refresh_time", .type = DB_TIMESTAMPTZ,
     .offset = offsetof(struct auth_list_sessions_row, refresh_time)},
    {.name = "expire_time", .type = DB_TIMESTAMPTZ,
     .offset = offsetof(struct auth_list_sessions_row, expire_time)},
};

const struct db_statement auth_list_sessions_statement = {
    .name = "auth_list_sessions",
    .sql_one =
        "SELECT session_id, device_label, network, create_time, refresh_time, expire_time\n"
        "  FROM session\n"
        " WHERE user_id = $1::uuid AND end_time IS NULL AND idle_expire_time > now()\n"
        "   AND ($2::uuid IS NULL OR session_id < $2::uuid)\n"
        " ORDER BY session_id DESC\n"
        " LIMIT $3::int4",
    .sql_many = NULL,
    .params = list_sessions_params,
    .param_count = 3,
    .columns = list_sessions_columns,
    .column_count = 6,
    .row_bytes = sizeof(struct auth_list_sessions_row),
    .cardinality = DB_MANY,
    .is_read = true,
    .rows_max = 101,
    .key_param = -1,
    .distinct_param = -1,
    .batch_max = 1,
};

_Static_assert(sizeof(struct auth_list_sessions_rows) == sizeof(struct db_rows), "the twin of db_rows");

void auth_list_sessions(struct call *c, struct auth_list_sessions_rows *ret,
    struct uuid user_id,
    const struct uuid *before,
    int32_t count)
{
    const struct db_value values[] = {
        {.u = user_id},
        {.u = before ? *before : (struct uuid){{0}}, .is_null = !before},
        {.i = count},
    };
    db_submit(&c->scope, &auth_list_sessions_statement, values, ret);
}

static const struct db_param list_revocations_params[] = {
    {.name = "since", .type = DB_TIMESTAMPTZ},
};

static const struct db_column list_revocations_columns[] = {
    {.name = "session_id", .type = DB_UUID,
     .offset = offsetof(struct auth_list_revocations_row, session_id),
     .is_nullable = true, .has_offset = offsetof(struct auth_list_revocations_row, has_session_id)},
    {.name = "revoke_time", .type = DB_TIMESTAMPTZ,
     .offset = offsetof(struct auth_list_revocations_row, revoke_time),
     .is_nullable = true, .has_offset = offsetof(struct auth_list_revocations_row, has_revoke_time)},
    {.name = "expire_time", .type = DB_TIMESTAMPTZ,
     .offset = offsetof(struct auth_list_revocations_row, expire_time),
     .is_nullable = true, .has_offset = offsetof(struct auth_list_revocations_row, has_expire_time)},
    {.name = "read_time", .type = DB_TIMESTAMPTZ,
     .offset = offsetof(struct auth_list_revocations_row, read_time)},
};

const struct db_statement auth_list_revocations_statement = {
    .name = "auth_list_revocations",
    .sql_one =
        "SELECT r.session_id, r.revoke_time, r.expire_time, now() AS read_time\n"
        "  FROM (SELECT 1) one\n"
        "  LEFT JOIN (SELECT session_id, revoke_time, expire_time FROM revocation\n"
        "              WHERE revoke_time >= $1::timestamptz AND expire_time > now() ORDER BY revoke_time LIMIT 10001) r ON true\n"
        " ORDER BY r.revoke_time",
    .sql_many = NULL,
    .params = list_revocations_params,
    .param_count = 1,
    .columns = list_revocations_columns,
    .column_count = 4,
    .row_bytes = sizeof(struct auth_list_revocations_row),
    .cardinality = DB_MANY,
    .is_read = true,
    .rows_max = 10000,
    .key_param = -1,
    .distinct_param = -1,
    .batch_max = 1,
};

_Static_assert(sizeof(struct auth_list_revocations_rows) == sizeof(struct db_rows), "the twin of db_rows");

void auth_list_revocations(struct call *c, struct auth_list_revocations_rows *ret,
    int64_t since)
{
    const struct db_value values[] = {
        {.i = since},
    };
    db_submit(&c->scope, &auth_list_revocations_statement, values, ret);
}

const struct db_statement *const auth_statements[] = {
    &auth_create_user_statement,
    &auth_login_begin_statement,
    &auth_login_failed_statement,
    &auth_create_session_statement,
    &auth_get_session_statement,
    &auth_refresh_session_statement,
    &auth_end_session_statement,
    &auth_get_user_statement,
    &auth_list_sessions_statement,
    &auth_list_revocations_statement,
    NULL,
};
