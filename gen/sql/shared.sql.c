/* Made by sqlgen from shared.sql: do not edit. */
#include "shared.sql.h"

static const struct db_param idempotency_read_params[] = {
    {.name = "principal", .type = DB_UUID},
    {.name = "method", .type = DB_INT2},
    {.name = "request_id", .type = DB_UUID},
};

static const struct db_column idempotency_read_columns[] = {
    {.name = "fingerprint", .type = DB_BYTEA,
     .offset = offsetof(struct shared_idempotency_read_row, fingerprint)},
    {.name = "resource", .type = DB_UUID,
     .offset = offsetof(struct shared_idempotency_read_row, resource),
     .is_nullable = true, .has_offset = offsetof(struct shared_idempotency_read_row, has_resource)},
    {.name = "reason", .type = DB_TEXT,
     .offset = offsetof(struct shared_idempotency_read_row, reason),
     .is_nullable = true, .has_offset = offsetof(struct shared_idempotency_read_row, has_reason)},
    {.name = "response", .type = DB_BYTEA,
     .offset = offsetof(struct shared_idempotency_read_row, response),
     .is_nullable = true, .has_offset = offsetof(struct shared_idempotency_read_row, has_response)},
    {.name = "create_time", .type = DB_TIMESTAMPTZ,
     .offset = offsetof(struct shared_idempotency_read_row, create_time)},
};

const struct db_statement shared_idempotency_read_statement = {
    .name = "shared_idempotency_read",
    .sql_one =
        "SELECT fingerprint, resource, reason, response, create_time\n"
        "  FROM idempotency\n"
        " WHERE principal = $1::uuid AND method = $2::int2 AND request_id = $3::uuid\n"
        "   FOR KEY SHARE",
    .sql_many = NULL,
    .params = idempotency_read_params,
    .param_count = 3,
    .columns = idempotency_read_columns,
    .column_count = 5,
    .row_bytes = sizeof(struct shared_idempotency_read_row),
    .found_offset = offsetof(struct shared_idempotency_read_row, found),
    .cardinality = DB_MAYBE,
    .is_read = false,
    .rows_max = 0,
    .key_param = -1,
    .distinct_param = -1,
    .batch_max = 1,
};

void shared_idempotency_read(struct call *c, struct shared_idempotency_read_row *ret,
    struct uuid principal,
    int16_t method,
    struct uuid request_id)
{
    const struct db_value values[] = {
        {.u = principal},
        {.i = method},
        {.u = request_id},
    };
    db_submit(&c->scope, &shared_idempotency_read_statement, values, ret);
}

const struct db_statement *const shared_statements[] = {
    &shared_idempotency_read_statement,
    NULL,
};
