/* Made by sqlgen from t.sql: do not edit. */
#include "t.sql.h"

static const struct db_param echo_params[] = {
    {.name = "b", .type = DB_BOOL},
    {.name = "i2", .type = DB_INT2},
    {.name = "i4", .type = DB_INT4},
    {.name = "i8", .type = DB_INT8},
    {.name = "f", .type = DB_FLOAT8},
    {.name = "t", .type = DB_TEXT},
    {.name = "y", .type = DB_BYTEA},
    {.name = "u", .type = DB_UUID},
    {.name = "ts", .type = DB_TIMESTAMPTZ},
    {.name = "d", .type = DB_DATE},
};

static const struct db_column echo_columns[] = {
    {.name = "b", .type = DB_BOOL,
     .offset = offsetof(struct t_echo_row, b)},
    {.name = "i2", .type = DB_INT2,
     .offset = offsetof(struct t_echo_row, i2)},
    {.name = "i4", .type = DB_INT4,
     .offset = offsetof(struct t_echo_row, i4)},
    {.name = "i8", .type = DB_INT8,
     .offset = offsetof(struct t_echo_row, i8)},
    {.name = "f", .type = DB_FLOAT8,
     .offset = offsetof(struct t_echo_row, f)},
    {.name = "t", .type = DB_TEXT,
     .offset = offsetof(struct t_echo_row, t)},
    {.name = "y", .type = DB_BYTEA,
     .offset = offsetof(struct t_echo_row, y)},
    {.name = "u", .type = DB_UUID,
     .offset = offsetof(struct t_echo_row, u)},
    {.name = "ts", .type = DB_TIMESTAMPTZ,
     .offset = offsetof(struct t_echo_row, ts)},
    {.name = "d", .type = DB_DATE,
     .offset = offsetof(struct t_echo_row, d)},
};

const struct db_statement t_echo_statement = {
    .name = "t_echo",
    .sql_one =
        "SELECT $1::bool, $2::int2, $3::int4, $4::int8, $5::float8, $6::text, $7::bytea, $8::uuid, $9::timestamptz, $10::date",
    .sql_many =
        "SELECT n::int4, b, i2, i4, i8, f, t, y, u, ts, d\n"
        "  FROM unnest($1::bool[], $2::int2[], $3::int4[], $4::int8[], $5::float8[], $6::text[], $7::bytea[], $8::uuid[], $9::timestamptz[], $10::date[]) WITH ORDINALITY r(b, i2, i4, i8, f, t, y, u, ts, d, n)",
    .params = echo_params,
    .param_count = 10,
    .columns = echo_columns,
    .column_count = 10,
    .row_bytes = sizeof(struct t_echo_row),
    .cardinality = DB_ONE,
    .is_read = true,
    .rows_max = 0,
    .key_param = -1,
    .distinct_param = -1,
    .batch_max = 64,
};

void t_echo(struct call *c, struct t_echo_row *ret,
    bool b,
    int16_t i2,
    int32_t i4,
    int64_t i8,
    double f,
    struct str t,
    struct str y,
    struct uuid u,
    int64_t ts,
    int32_t d)
{
    const struct db_value values[] = {
        {.b = b},
        {.i = i2},
        {.i = i4},
        {.i = i8},
        {.f = f},
        {.s = t},
        {.s = y},
        {.u = u},
        {.i = ts},
        {.i = d},
    };
    db_submit(&c->scope, &t_echo_statement, values, ret);
}

static const struct db_param echo_null_params[] = {
    {.name = "b", .type = DB_BOOL, .is_nullable = true},
    {.name = "i2", .type = DB_INT2, .is_nullable = true},
    {.name = "i4", .type = DB_INT4, .is_nullable = true},
    {.name = "i8", .type = DB_INT8, .is_nullable = true},
    {.name = "f", .type = DB_FLOAT8, .is_nullable = true},
    {.name = "t", .type = DB_TEXT, .is_nullable = true},
    {.name = "y", .type = DB_BYTEA, .is_nullable = true},
    {.name = "u", .type = DB_UUID, .is_nullable = true},
    {.name = "ts", .type = DB_TIMESTAMPTZ, .is_nullable = true},
    {.name = "d", .type = DB_DATE, .is_nullable = true},
};

static const struct db_column echo_null_columns[] = {
    {.name = "b", .type = DB_BOOL,
     .offset = offsetof(struct t_echo_null_row, b),
     .is_nullable = true, .has_offset = offsetof(struct t_echo_null_row, has_b)},
    {.name = "i2", .type = DB_INT2,
     .offset = offsetof(struct t_echo_null_row, i2),
     .is_nullable = true, .has_offset = offsetof(struct t_echo_null_row, has_i2)},
    {.name = "i4", .type = DB_INT4,
     .offset = offsetof(struct t_echo_null_row, i4),
     .is_nullable = true, .has_offset = offsetof(struct t_echo_null_row, has_i4)},
    {.name = "i8", .type = DB_INT8,
     .offset = offsetof(struct t_echo_null_row, i8),
     .is_nullable = true, .has_offset = offsetof(struct t_echo_null_row, has_i8)},
    {.name = "f", .type = DB_FLOAT8,
     .offset = offsetof(struct t_echo_null_row, f),
     .is_nullable = true, .has_offset = offsetof(struct t_echo_null_row, has_f)},
    {.name = "t", .type = DB_TEXT,
     .offset = offsetof(struct t_echo_null_row, t),
     .is_nullable = true, .has_offset = offsetof(struct t_echo_null_row, has_t)},
    {.name = "y", .type = DB_BYTEA,
     .offset = offsetof(struct t_echo_null_row, y),
     .is_nullable = true, .has_offset = offsetof(struct t_echo_null_row, has_y)},
    {.name = "u", .type = DB_UUID,
     .offset = offsetof(struct t_echo_null_row, u),
     .is_nullable = true, .has_offset = offsetof(struct t_echo_null_row, has_u)},
    {.name = "ts", .type = DB_TIMESTAMPTZ,
     .offset = offsetof(struct t_echo_null_row, ts),
     .is_nullable = true, .has_offset = offsetof(struct t_echo_null_row, has_ts)},
    {.name = "d", .type = DB_DATE,
     .offset = offsetof(struct t_echo_null_row, d),
     .is_nullable = true, .has_offset = offsetof(struct t_echo_null_row, has_d)},
};

const struct db_statement t_echo_null_statement = {
    .name = "t_echo_null",
    .sql_one =
        "SELECT $1::bool, $2::int2, $3::int4, $4::int8, $5::float8, $6::text, $7::bytea, $8::uuid, $9::timestamptz, $10::date",
    .sql_many =
        "SELECT n::int4, b, i2, i4, i8, f, t, y, u, ts, d\n"
        "  FROM unnest($1::bool[], $2::int2[], $3::int4[], $4::int8[], $5::float8[], $6::text[], $7::bytea[], $8::uuid[], $9::timestamptz[], $10::date[]) WITH ORDINALITY r(b, i2, i4, i8, f, t, y, u, ts, d, n)",
    .params = echo_null_params,
    .param_count = 10,
    .columns = echo_null_columns,
    .column_count = 10,
    .row_bytes = sizeof(struct t_echo_null_row),
    .cardinality = DB_ONE,
    .is_read = true,
    .rows_max = 0,
    .key_param = -1,
    .distinct_param = -1,
    .batch_max = 64,
};

void t_echo_null(struct call *c, struct t_echo_null_row *ret,
    const bool *b,
    const int16_t *i2,
    const int32_t *i4,
    const int64_t *i8,
    const double *f,
    struct str t,
    struct str y,
    const struct uuid *u,
    const int64_t *ts,
    const int32_t *d)
{
    const struct db_value values[] = {
        {.b = b ? *b : (bool){0}, .is_null = !b},
        {.i = i2 ? *i2 : (int16_t){0}, .is_null = !i2},
        {.i = i4 ? *i4 : (int32_t){0}, .is_null = !i4},
        {.i = i8 ? *i8 : (int64_t){0}, .is_null = !i8},
        {.f = f ? *f : (double){0}, .is_null = !f},
        {.s = t, .is_null = !t.p},
        {.s = y, .is_null = !y.p},
        {.u = u ? *u : (struct uuid){{0}}, .is_null = !u},
        {.i = ts ? *ts : (int64_t){0}, .is_null = !ts},
        {.i = d ? *d : (int32_t){0}, .is_null = !d},
    };
    db_submit(&c->scope, &t_echo_null_statement, values, ret);
}

static const struct db_param arrays_params[] = {
    {.name = "b", .type = DB_BOOL, .is_array = true},
    {.name = "i2", .type = DB_INT2, .is_array = true},
    {.name = "i4", .type = DB_INT4, .is_array = true},
    {.name = "i8", .type = DB_INT8, .is_array = true},
    {.name = "f", .type = DB_FLOAT8, .is_array = true},
    {.name = "t", .type = DB_TEXT, .is_array = true, .is_nullable = true},
    {.name = "u", .type = DB_UUID, .is_array = true},
    {.name = "ts", .type = DB_TIMESTAMPTZ, .is_array = true},
    {.name = "d", .type = DB_DATE, .is_array = true},
};

static const struct db_column arrays_columns[] = {
    {.name = "as_text", .type = DB_TEXT,
     .offset = offsetof(struct t_arrays_row, as_text)},
};

const struct db_statement t_arrays_statement = {
    .name = "t_arrays",
    .sql_one =
        "SELECT concat_ws('|', array_to_string($1::bool[], ','), array_to_string($2::int2[], ','), array_to_string($3::int4[], ','),\n"
        "                 array_to_string($4::int8[], ','), array_to_string($5::float8[], ','), coalesce(array_to_string($6::text[], ',', 'NULL'), ''),\n"
        "                 array_to_string($7::uuid[], ','), array_to_string($8::timestamptz[], ','), array_to_string($9::date[], ','))",
    .sql_many =
        "WITH o AS (SELECT generate_series(1, greatest(1, (SELECT max(m) FROM unnest($6::int4[]) x(m)))) AS n)\n"
        "SELECT o.n::int4, concat_ws('|',\n"
        "    (SELECT coalesce(string_agg(v::bool::text, ',' ORDER BY k), '') FROM unnest($1::bool[], $2::int4[]) WITH ORDINALITY x(v, m, k) WHERE m = o.n),\n"
        "    (SELECT coalesce(string_agg(v::text, ',' ORDER BY k), '') FROM unnest($3::int2[], $4::int4[]) WITH ORDINALITY x(v, m, k) WHERE m = o.n),\n"
        "    (SELECT coalesce(string_agg(v::text, ',' ORDER BY k), '') FROM unnest($5::int4[], $6::int4[]) WITH ORDINALITY x(v, m, k) WHERE m = o.n),\n"
        "    (SELECT coalesce(string_agg(v::text, ',' ORDER BY k), '') FROM unnest($7::int8[], $8::int4[]) WITH ORDINALITY x(v, m, k) WHERE m = o.n),\n"
        "    (SELECT coalesce(string_agg(v::text, ',' ORDER BY k), '') FROM unnest($9::float8[], $10::int4[]) WITH ORDINALITY x(v, m, k) WHERE m = o.n),\n"
        "    (SELECT coalesce(string_agg(coalesce(v, 'NULL'), ',' ORDER BY k), '') FROM unnest($11::text[], $12::int4[]) WITH ORDINALITY x(v, m, k) WHERE m = o.n),\n"
        "    (SELECT coalesce(string_agg(v::text, ',' ORDER BY k), '') FROM unnest($13::uuid[], $14::int4[]) WITH ORDINALITY x(v, m, k) WHERE m = o.n),\n"
        "    (SELECT coalesce(string_agg(v::text, ',' ORDER BY k), '') FROM unnest($15::timestamptz[], $16::int4[]) WITH ORDINALITY x(v, m, k) WHERE m = o.n),\n"
        "    (SELECT coalesce(string_agg(v::text, ',' ORDER BY k), '') FROM unnest($17::date[], $18::int4[]) WITH ORDINALITY x(v, m, k) WHERE m = o.n))\n"
        "  FROM o",
    .params = arrays_params,
    .param_count = 9,
    .columns = arrays_columns,
    .column_count = 1,
    .row_bytes = sizeof(struct t_arrays_row),
    .cardinality = DB_ONE,
    .is_read = true,
    .rows_max = 0,
    .key_param = -1,
    .distinct_param = -1,
    .batch_max = 64,
};

void t_arrays(struct call *c, struct t_arrays_row *ret,
    const bool *b, size_t b_count,
    const int16_t *i2, size_t i2_count,
    const int32_t *i4, size_t i4_count,
    const int64_t *i8, size_t i8_count,
    const double *f, size_t f_count,
    const struct str *t, size_t t_count,
    const struct uuid *u, size_t u_count,
    const int64_t *ts, size_t ts_count,
    const int32_t *d, size_t d_count)
{
    const struct db_value values[] = {
        {.array = b, .array_count = (uint32_t)b_count},
        {.array = i2, .array_count = (uint32_t)i2_count},
        {.array = i4, .array_count = (uint32_t)i4_count},
        {.array = i8, .array_count = (uint32_t)i8_count},
        {.array = f, .array_count = (uint32_t)f_count},
        {.array = t, .array_count = (uint32_t)t_count, .is_null = !t},
        {.array = u, .array_count = (uint32_t)u_count},
        {.array = ts, .array_count = (uint32_t)ts_count},
        {.array = d, .array_count = (uint32_t)d_count},
    };
    db_submit(&c->scope, &t_arrays_statement, values, ret);
}

static const struct db_param one_of_params[] = {
    {.name = "n", .type = DB_INT4},
};

static const struct db_column one_of_columns[] = {
    {.name = "v", .type = DB_INT4,
     .offset = offsetof(struct t_one_of_row, v)},
};

const struct db_statement t_one_of_statement = {
    .name = "t_one_of",
    .sql_one =
        "SELECT x::int4 FROM generate_series(1, $1::int4) x",
    .sql_many = NULL,
    .params = one_of_params,
    .param_count = 1,
    .columns = one_of_columns,
    .column_count = 1,
    .row_bytes = sizeof(struct t_one_of_row),
    .cardinality = DB_ONE,
    .is_read = false,
    .rows_max = 0,
    .key_param = -1,
    .distinct_param = -1,
    .batch_max = 1,
};

void t_one_of(struct call *c, struct t_one_of_row *ret,
    int32_t n)
{
    const struct db_value values[] = {
        {.i = n},
    };
    db_submit(&c->scope, &t_one_of_statement, values, ret);
}

static const struct db_param maybe_of_params[] = {
    {.name = "n", .type = DB_INT4},
};

static const struct db_column maybe_of_columns[] = {
    {.name = "v", .type = DB_INT4,
     .offset = offsetof(struct t_maybe_of_row, v)},
    {.name = "w", .type = DB_TEXT,
     .offset = offsetof(struct t_maybe_of_row, w),
     .is_nullable = true, .has_offset = offsetof(struct t_maybe_of_row, has_w)},
};

const struct db_statement t_maybe_of_statement = {
    .name = "t_maybe_of",
    .sql_one =
        "SELECT x::int4, NULL::text FROM generate_series(1, $1::int4) x",
    .sql_many = NULL,
    .params = maybe_of_params,
    .param_count = 1,
    .columns = maybe_of_columns,
    .column_count = 2,
    .row_bytes = sizeof(struct t_maybe_of_row),
    .found_offset = offsetof(struct t_maybe_of_row, found),
    .cardinality = DB_MAYBE,
    .is_read = false,
    .rows_max = 0,
    .key_param = -1,
    .distinct_param = -1,
    .batch_max = 1,
};

void t_maybe_of(struct call *c, struct t_maybe_of_row *ret,
    int32_t n)
{
    const struct db_value values[] = {
        {.i = n},
    };
    db_submit(&c->scope, &t_maybe_of_statement, values, ret);
}

static const struct db_param many_of_params[] = {
    {.name = "n", .type = DB_INT4},
};

static const struct db_column many_of_columns[] = {
    {.name = "v", .type = DB_INT4,
     .offset = offsetof(struct t_many_of_row, v)},
    {.name = "t", .type = DB_TEXT,
     .offset = offsetof(struct t_many_of_row, t)},
};

const struct db_statement t_many_of_statement = {
    .name = "t_many_of",
    .sql_one =
        "SELECT x::int4, 'row ' || x FROM generate_series(1, $1::int4) x",
    .sql_many = NULL,
    .params = many_of_params,
    .param_count = 1,
    .columns = many_of_columns,
    .column_count = 2,
    .row_bytes = sizeof(struct t_many_of_row),
    .cardinality = DB_MANY,
    .is_read = true,
    .rows_max = 10,
    .key_param = -1,
    .distinct_param = -1,
    .batch_max = 1,
};

_Static_assert(sizeof(struct t_many_of_rows) == sizeof(struct db_rows), "the twin of db_rows");

void t_many_of(struct call *c, struct t_many_of_rows *ret,
    int32_t n)
{
    const struct db_value values[] = {
        {.i = n},
    };
    db_submit(&c->scope, &t_many_of_statement, values, ret);
}

static const struct db_param some_of_params[] = {
    {.name = "n", .type = DB_INT4},
};

static const struct db_column some_of_columns[] = {
    {.name = "v", .type = DB_INT4,
     .offset = offsetof(struct t_some_of_row, v)},
};

const struct db_statement t_some_of_statement = {
    .name = "t_some_of",
    .sql_one = NULL,
    .sql_many =
        "SELECT r.n::int4, x::int4 FROM unnest($1::int4[]) WITH ORDINALITY r(c, n), generate_series(1, r.c) x ORDER BY 2, 1",
    .params = some_of_params,
    .param_count = 1,
    .columns = some_of_columns,
    .column_count = 1,
    .row_bytes = sizeof(struct t_some_of_row),
    .cardinality = DB_MANY,
    .is_read = true,
    .rows_max = 10,
    .key_param = -1,
    .distinct_param = -1,
    .batch_max = 64,
};

_Static_assert(sizeof(struct t_some_of_rows) == sizeof(struct db_rows), "the twin of db_rows");

void t_some_of(struct call *c, struct t_some_of_rows *ret,
    int32_t n)
{
    const struct db_value values[] = {
        {.i = n},
    };
    db_submit(&c->scope, &t_some_of_statement, values, ret);
}

static const struct db_param nothing_params[] = {
    {.name = "id", .type = DB_INT4},
};

const struct db_statement t_nothing_statement = {
    .name = "t_nothing",
    .sql_one =
        "INSERT INTO log(member) VALUES ($1::int4)",
    .sql_many = NULL,
    .params = nothing_params,
    .param_count = 1,
    .cardinality = DB_NONE,
    .is_read = false,
    .rows_max = 0,
    .key_param = -1,
    .distinct_param = -1,
    .batch_max = 1,
};

void t_nothing(struct call *c,
    int32_t id)
{
    const struct db_value values[] = {
        {.i = id},
    };
    db_submit(&c->scope, &t_nothing_statement, values, NULL);
}

static const struct db_column null_where_none_should_be_columns[] = {
    {.name = "v", .type = DB_INT4,
     .offset = offsetof(struct t_null_where_none_should_be_row, v)},
};

const struct db_statement t_null_where_none_should_be_statement = {
    .name = "t_null_where_none_should_be",
    .sql_one =
        "SELECT NULL::int4",
    .sql_many = NULL,
    .columns = null_where_none_should_be_columns,
    .column_count = 1,
    .row_bytes = sizeof(struct t_null_where_none_should_be_row),
    .cardinality = DB_ONE,
    .is_read = false,
    .rows_max = 0,
    .key_param = -1,
    .distinct_param = -1,
    .batch_max = 1,
};

void t_null_where_none_should_be(struct call *c, struct t_null_where_none_should_be_row *ret)
{
    db_submit(&c->scope, &t_null_where_none_should_be_statement, NULL, ret);
}

static const struct db_param add_params[] = {
    {.name = "account", .type = DB_UUID},
    {.name = "request", .type = DB_UUID},
    {.name = "amount", .type = DB_INT8},
};

static const struct db_column add_columns[] = {
    {.name = "balance", .type = DB_INT8,
     .offset = offsetof(struct t_add_row, balance)},
    {.name = "batch", .type = DB_INT4,
     .offset = offsetof(struct t_add_row, batch)},
    {.name = "ord", .type = DB_INT4,
     .offset = offsetof(struct t_add_row, ord)},
};

const struct db_statement t_add_statement = {
    .name = "t_add",
    .sql_one =
        "WITH u AS (UPDATE account SET balance = balance + $3::int8 WHERE id = $1::uuid RETURNING balance),\n"
        "     l AS (INSERT INTO log(account, request, amount, batch, ord)\n"
        "           SELECT $1::uuid, $2::uuid, $3::int8, txid_current()::int8, 1 FROM u RETURNING seq)\n"
        "SELECT balance, txid_current()::int4, 1 FROM u",
    .sql_many =
        "WITH r AS (SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::int8[]) WITH ORDINALITY r(account, request, amount, n)),\n"
        "     k AS MATERIALIZED (SELECT id FROM account WHERE id IN (SELECT account FROM r) ORDER BY id FOR UPDATE),\n"
        "     s AS (SELECT account, sum(amount) AS amount FROM r GROUP BY account),\n"
        "     u AS (UPDATE account a SET balance = balance + s.amount FROM s, k WHERE a.id = s.account AND k.id = a.id\n"
        "           RETURNING a.id, a.balance),\n"
        "     l AS (INSERT INTO log(account, request, amount, batch, ord)\n"
        "           SELECT account, request, amount, txid_current()::int8, n::int4 FROM r ORDER BY n)\n"
        "SELECT r.n::int4, u.balance, txid_current()::int4, r.n::int4 FROM r JOIN u ON u.id = r.account",
    .params = add_params,
    .param_count = 3,
    .columns = add_columns,
    .column_count = 3,
    .row_bytes = sizeof(struct t_add_row),
    .found_offset = offsetof(struct t_add_row, found),
    .cardinality = DB_MAYBE,
    .is_read = false,
    .rows_max = 0,
    .key_param = 0,
    .distinct_param = 1,
    .batch_max = 64,
};

void t_add(struct call *c, struct t_add_row *ret,
    struct uuid account,
    struct uuid request,
    int64_t amount)
{
    const struct db_value values[] = {
        {.u = account},
        {.u = request},
        {.i = amount},
    };
    db_submit(&c->scope, &t_add_statement, values, ret);
}

static const struct db_param put_params[] = {
    {.name = "id", .type = DB_INT4},
    {.name = "v", .type = DB_TEXT},
};

const struct db_statement t_put_statement = {
    .name = "t_put",
    .sql_one =
        "INSERT INTO item(id, v) VALUES ($1::int4, $2::text)",
    .sql_many = NULL,
    .params = put_params,
    .param_count = 2,
    .cardinality = DB_NONE,
    .is_read = false,
    .rows_max = 0,
    .key_param = 0,
    .distinct_param = -1,
    .batch_max = 1,
};

void t_put(struct call *c,
    int32_t id,
    struct str v)
{
    const struct db_value values[] = {
        {.i = id},
        {.s = v},
    };
    db_submit(&c->scope, &t_put_statement, values, NULL);
}

static const struct db_param set_item_params[] = {
    {.name = "id", .type = DB_INT4},
    {.name = "v", .type = DB_TEXT},
};

static const struct db_column set_item_columns[] = {
    {.name = "v", .type = DB_TEXT,
     .offset = offsetof(struct t_set_item_row, v)},
};

const struct db_statement t_set_item_statement = {
    .name = "t_set_item",
    .sql_one =
        "UPDATE item SET v = $2::text WHERE id = $1::int4 RETURNING item.v",
    .sql_many = NULL,
    .params = set_item_params,
    .param_count = 2,
    .columns = set_item_columns,
    .column_count = 1,
    .row_bytes = sizeof(struct t_set_item_row),
    .found_offset = offsetof(struct t_set_item_row, found),
    .cardinality = DB_MAYBE,
    .is_read = false,
    .rows_max = 0,
    .key_param = -1,
    .distinct_param = -1,
    .batch_max = 1,
};

void t_set_item(struct call *c, struct t_set_item_row *ret,
    int32_t id,
    struct str v)
{
    const struct db_value values[] = {
        {.i = id},
        {.s = v},
    };
    db_submit(&c->scope, &t_set_item_statement, values, ret);
}

static const struct db_param get_item_params[] = {
    {.name = "id", .type = DB_INT4},
};

static const struct db_column get_item_columns[] = {
    {.name = "v", .type = DB_TEXT,
     .offset = offsetof(struct t_get_item_row, v)},
};

const struct db_statement t_get_item_statement = {
    .name = "t_get_item",
    .sql_one =
        "SELECT v FROM item WHERE id = $1::int4",
    .sql_many = NULL,
    .params = get_item_params,
    .param_count = 1,
    .columns = get_item_columns,
    .column_count = 1,
    .row_bytes = sizeof(struct t_get_item_row),
    .found_offset = offsetof(struct t_get_item_row, found),
    .cardinality = DB_MAYBE,
    .is_read = true,
    .rows_max = 0,
    .key_param = -1,
    .distinct_param = -1,
    .batch_max = 1,
};

void t_get_item(struct call *c, struct t_get_item_row *ret,
    int32_t id)
{
    const struct db_value values[] = {
        {.i = id},
    };
    db_submit(&c->scope, &t_get_item_statement, values, ret);
}

static const struct db_param look_params[] = {
    {.name = "id", .type = DB_INT4},
};

static const struct db_column look_columns[] = {
    {.name = "reads", .type = DB_INT8,
     .offset = offsetof(struct t_look_row, reads)},
};

const struct db_statement t_look_statement = {
    .name = "t_look",
    .sql_one = NULL,
    .sql_many =
        "SELECT r.n::int4, pg_stat_get_xact_tuples_returned('item_pkey'::regclass)\n"
        "  FROM unnest($1::int4[]) WITH ORDINALITY r(id, n) JOIN item USING (id)",
    .params = look_params,
    .param_count = 1,
    .columns = look_columns,
    .column_count = 1,
    .row_bytes = sizeof(struct t_look_row),
    .found_offset = offsetof(struct t_look_row, found),
    .cardinality = DB_MAYBE,
    .is_read = true,
    .rows_max = 0,
    .key_param = -1,
    .distinct_param = -1,
    .batch_max = 64,
};

void t_look(struct call *c, struct t_look_row *ret,
    int32_t id)
{
    const struct db_value values[] = {
        {.i = id},
    };
    db_submit(&c->scope, &t_look_statement, values, ret);
}

static const struct db_param star_params[] = {
    {.name = "id", .type = DB_INT4},
};

static const struct db_column star_columns[] = {
    {.name = "id", .type = DB_INT4,
     .offset = offsetof(struct t_star_row, id)},
    {.name = "v", .type = DB_TEXT,
     .offset = offsetof(struct t_star_row, v)},
};

const struct db_statement t_star_statement = {
    .name = "t_star",
    .sql_one =
        "SELECT * FROM item WHERE id = $1::int4",
    .sql_many = NULL,
    .params = star_params,
    .param_count = 1,
    .columns = star_columns,
    .column_count = 2,
    .row_bytes = sizeof(struct t_star_row),
    .found_offset = offsetof(struct t_star_row, found),
    .cardinality = DB_MAYBE,
    .is_read = true,
    .rows_max = 0,
    .key_param = -1,
    .distinct_param = -1,
    .batch_max = 1,
};

void t_star(struct call *c, struct t_star_row *ret,
    int32_t id)
{
    const struct db_value values[] = {
        {.i = id},
    };
    db_submit(&c->scope, &t_star_statement, values, ret);
}

static const struct db_param wait_a_bit_params[] = {
    {.name = "seconds", .type = DB_FLOAT8},
};

static const struct db_column wait_a_bit_columns[] = {
    {.name = "v", .type = DB_INT4,
     .offset = offsetof(struct t_wait_a_bit_row, v)},
};

const struct db_statement t_wait_a_bit_statement = {
    .name = "t_wait_a_bit",
    .sql_one =
        "SELECT 1 FROM (SELECT pg_sleep($1::float8)) x",
    .sql_many = NULL,
    .params = wait_a_bit_params,
    .param_count = 1,
    .columns = wait_a_bit_columns,
    .column_count = 1,
    .row_bytes = sizeof(struct t_wait_a_bit_row),
    .cardinality = DB_ONE,
    .is_read = false,
    .rows_max = 0,
    .key_param = -1,
    .distinct_param = -1,
    .batch_max = 1,
};

void t_wait_a_bit(struct call *c, struct t_wait_a_bit_row *ret,
    double seconds)
{
    const struct db_value values[] = {
        {.f = seconds},
    };
    db_submit(&c->scope, &t_wait_a_bit_statement, values, ret);
}

static const struct db_param wait_and_log_params[] = {
    {.name = "seconds", .type = DB_FLOAT8},
    {.name = "id", .type = DB_INT4},
};

static const struct db_column wait_and_log_columns[] = {
    {.name = "v", .type = DB_INT4,
     .offset = offsetof(struct t_wait_and_log_row, v)},
};

const struct db_statement t_wait_and_log_statement = {
    .name = "t_wait_and_log",
    .sql_one =
        "WITH s AS (SELECT pg_sleep($1::float8)), l AS (INSERT INTO log(member) SELECT $2::int4 FROM s RETURNING 1)\n"
        "SELECT 1 FROM l",
    .sql_many = NULL,
    .params = wait_and_log_params,
    .param_count = 2,
    .columns = wait_and_log_columns,
    .column_count = 1,
    .row_bytes = sizeof(struct t_wait_and_log_row),
    .cardinality = DB_ONE,
    .is_read = false,
    .rows_max = 0,
    .key_param = -1,
    .distinct_param = -1,
    .batch_max = 1,
};

void t_wait_and_log(struct call *c, struct t_wait_and_log_row *ret,
    double seconds,
    int32_t id)
{
    const struct db_value values[] = {
        {.f = seconds},
        {.i = id},
    };
    db_submit(&c->scope, &t_wait_and_log_statement, values, ret);
}

static const struct db_column timeout_columns[] = {
    {.name = "statement_timeout", .type = DB_TEXT,
     .offset = offsetof(struct t_timeout_row, statement_timeout)},
    {.name = "lock_timeout", .type = DB_TEXT,
     .offset = offsetof(struct t_timeout_row, lock_timeout)},
    {.name = "plan", .type = DB_TEXT,
     .offset = offsetof(struct t_timeout_row, plan)},
    {.name = "app", .type = DB_TEXT,
     .offset = offsetof(struct t_timeout_row, app)},
};

const struct db_statement t_timeout_statement = {
    .name = "t_timeout",
    .sql_one =
        "SELECT current_setting('statement_timeout'), current_setting('lock_timeout'), current_setting('plan_cache_mode'),\n"
        "       current_setting('application_name')",
    .sql_many = NULL,
    .columns = timeout_columns,
    .column_count = 4,
    .row_bytes = sizeof(struct t_timeout_row),
    .cardinality = DB_ONE,
    .is_read = true,
    .rows_max = 0,
    .key_param = -1,
    .distinct_param = -1,
    .batch_max = 1,
};

void t_timeout(struct call *c, struct t_timeout_row *ret)
{
    db_submit(&c->scope, &t_timeout_statement, NULL, ret);
}

static const struct db_param fail_with_params[] = {
    {.name = "state", .type = DB_TEXT},
};

static const struct db_column fail_with_columns[] = {
    {.name = "v", .type = DB_INT4,
     .offset = offsetof(struct t_fail_with_row, v)},
};

const struct db_statement t_fail_with_statement = {
    .name = "t_fail_with",
    .sql_one =
        "SELECT fail_with($1::text)",
    .sql_many = NULL,
    .params = fail_with_params,
    .param_count = 1,
    .columns = fail_with_columns,
    .column_count = 1,
    .row_bytes = sizeof(struct t_fail_with_row),
    .cardinality = DB_ONE,
    .is_read = false,
    .rows_max = 0,
    .key_param = -1,
    .distinct_param = -1,
    .batch_max = 1,
};

void t_fail_with(struct call *c, struct t_fail_with_row *ret,
    struct str state)
{
    const struct db_value values[] = {
        {.s = state},
    };
    db_submit(&c->scope, &t_fail_with_statement, values, ret);
}

static const struct db_param fail_reading_params[] = {
    {.name = "state", .type = DB_TEXT},
};

static const struct db_column fail_reading_columns[] = {
    {.name = "v", .type = DB_INT4,
     .offset = offsetof(struct t_fail_reading_row, v)},
};

const struct db_statement t_fail_reading_statement = {
    .name = "t_fail_reading",
    .sql_one =
        "SELECT fail_with($1::text)",
    .sql_many = NULL,
    .params = fail_reading_params,
    .param_count = 1,
    .columns = fail_reading_columns,
    .column_count = 1,
    .row_bytes = sizeof(struct t_fail_reading_row),
    .cardinality = DB_ONE,
    .is_read = true,
    .rows_max = 0,
    .key_param = -1,
    .distinct_param = -1,
    .batch_max = 1,
};

void t_fail_reading(struct call *c, struct t_fail_reading_row *ret,
    struct str state)
{
    const struct db_value values[] = {
        {.s = state},
    };
    db_submit(&c->scope, &t_fail_reading_statement, values, ret);
}

static const struct db_param fail_times_params[] = {
    {.name = "state", .type = DB_TEXT},
    {.name = "times", .type = DB_INT4},
};

static const struct db_column fail_times_columns[] = {
    {.name = "v", .type = DB_INT4,
     .offset = offsetof(struct t_fail_times_row, v)},
};

const struct db_statement t_fail_times_statement = {
    .name = "t_fail_times",
    .sql_one =
        "SELECT fail_times($1::text, $2::int4)",
    .sql_many = NULL,
    .params = fail_times_params,
    .param_count = 2,
    .columns = fail_times_columns,
    .column_count = 1,
    .row_bytes = sizeof(struct t_fail_times_row),
    .cardinality = DB_ONE,
    .is_read = false,
    .rows_max = 0,
    .key_param = -1,
    .distinct_param = -1,
    .batch_max = 1,
};

void t_fail_times(struct call *c, struct t_fail_times_row *ret,
    struct str state,
    int32_t times)
{
    const struct db_value values[] = {
        {.s = state},
        {.i = times},
    };
    db_submit(&c->scope, &t_fail_times_statement, values, ret);
}

static const struct db_param take_params[] = {
    {.name = "amount", .type = DB_INT8},
};

static const struct db_column take_columns[] = {
    {.name = "taken", .type = DB_BOOL,
     .offset = offsetof(struct t_take_row, taken)},
};

const struct db_statement t_take_statement = {
    .name = "t_take",
    .sql_one = NULL,
    .sql_many =
        "WITH v AS MATERIALIZED (\n"
        "    SELECT r.n, r.amount, sum(r.amount) OVER (ORDER BY r.n) <= (SELECT rest FROM stock) AS fits\n"
        "      FROM unnest($1::int8[]) WITH ORDINALITY r(amount, n)\n"
        "), u AS (\n"
        "    UPDATE stock SET rest = rest - (SELECT coalesce(sum(amount), 0) FROM v WHERE fits)\n"
        ")\n"
        "SELECT n::int4, fits FROM v",
    .params = take_params,
    .param_count = 1,
    .columns = take_columns,
    .column_count = 1,
    .row_bytes = sizeof(struct t_take_row),
    .cardinality = DB_ONE,
    .is_read = false,
    .rows_max = 0,
    .key_param = -1,
    .distinct_param = -1,
    .batch_max = 64,
};

void t_take(struct call *c, struct t_take_row *ret,
    int64_t amount)
{
    const struct db_value values[] = {
        {.i = amount},
    };
    db_submit(&c->scope, &t_take_statement, values, ret);
}

static const struct db_param deferred_params[] = {
    {.name = "id", .type = DB_INT4},
};

static const struct db_column deferred_columns[] = {
    {.name = "v", .type = DB_INT4,
     .offset = offsetof(struct t_deferred_row, v)},
};

const struct db_statement t_deferred_statement = {
    .name = "t_deferred",
    .sql_one =
        "INSERT INTO child(id, parent) VALUES ($1::int4, -1) RETURNING id",
    .sql_many = NULL,
    .params = deferred_params,
    .param_count = 1,
    .columns = deferred_columns,
    .column_count = 1,
    .row_bytes = sizeof(struct t_deferred_row),
    .cardinality = DB_ONE,
    .is_read = false,
    .rows_max = 0,
    .key_param = -1,
    .distinct_param = -1,
    .batch_max = 1,
};

void t_deferred(struct call *c, struct t_deferred_row *ret,
    int32_t id)
{
    const struct db_value values[] = {
        {.i = id},
    };
    db_submit(&c->scope, &t_deferred_statement, values, ret);
}

static const struct db_column pid_columns[] = {
    {.name = "pid", .type = DB_INT4,
     .offset = offsetof(struct t_pid_row, pid)},
};

const struct db_statement t_pid_statement = {
    .name = "t_pid",
    .sql_one =
        "SELECT pg_backend_pid()",
    .sql_many = NULL,
    .columns = pid_columns,
    .column_count = 1,
    .row_bytes = sizeof(struct t_pid_row),
    .cardinality = DB_ONE,
    .is_read = false,
    .rows_max = 0,
    .key_param = -1,
    .distinct_param = -1,
    .batch_max = 1,
};

void t_pid(struct call *c, struct t_pid_row *ret)
{
    db_submit(&c->scope, &t_pid_statement, NULL, ret);
}

static const struct db_param kill_params[] = {
    {.name = "pid", .type = DB_INT4},
};

static const struct db_column kill_columns[] = {
    {.name = "v", .type = DB_BOOL,
     .offset = offsetof(struct t_kill_row, v)},
};

const struct db_statement t_kill_statement = {
    .name = "t_kill",
    .sql_one =
        "SELECT pg_terminate_backend($1::int4)",
    .sql_many = NULL,
    .params = kill_params,
    .param_count = 1,
    .columns = kill_columns,
    .column_count = 1,
    .row_bytes = sizeof(struct t_kill_row),
    .cardinality = DB_ONE,
    .is_read = false,
    .rows_max = 0,
    .key_param = -1,
    .distinct_param = -1,
    .batch_max = 1,
};

void t_kill(struct call *c, struct t_kill_row *ret,
    int32_t pid)
{
    const struct db_value values[] = {
        {.i = pid},
    };
    db_submit(&c->scope, &t_kill_statement, values, ret);
}

const struct db_statement *const t_statements[] = {
    &t_echo_statement,
    &t_echo_null_statement,
    &t_arrays_statement,
    &t_one_of_statement,
    &t_maybe_of_statement,
    &t_many_of_statement,
    &t_some_of_statement,
    &t_nothing_statement,
    &t_null_where_none_should_be_statement,
    &t_add_statement,
    &t_put_statement,
    &t_set_item_statement,
    &t_get_item_statement,
    &t_look_statement,
    &t_star_statement,
    &t_wait_a_bit_statement,
    &t_wait_and_log_statement,
    &t_timeout_statement,
    &t_fail_with_statement,
    &t_fail_reading_statement,
    &t_fail_times_statement,
    &t_take_statement,
    &t_deferred_statement,
    &t_pid_statement,
    &t_kill_statement,
    NULL,
};
