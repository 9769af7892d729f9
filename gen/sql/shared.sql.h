/* Made by sqlgen from shared.sql: do not edit. Each function queues one execution for the call; *ret is
 * filled before the call's next step. Nullable: text and bytea with .p NULL, others as NULL pointers. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "db/db.h"
#include "grpc/grpc.h"

struct shared_idempotency_read_row {
    bool found;
    struct str fingerprint;
    bool has_resource;
    struct uuid resource;
    bool has_reason;
    struct str reason;
    bool has_response;
    struct str response;
    int64_t create_time;
};

/* What an earlier attempt with this request_id left. Not marked read: it must see the commit that just won the claim,
 * so it never goes to a standby. The lock is a write: what is answered from this has reached the synchronous standby. A
 * backend that ended while it waited for that has committed all the same. */
void shared_idempotency_read(struct call *c, struct shared_idempotency_read_row *ret,
    struct uuid principal,
    int16_t method,
    struct uuid request_id);

extern const struct db_statement shared_idempotency_read_statement;

/* All of them, NULL at the end. */
extern const struct db_statement *const shared_statements[];
