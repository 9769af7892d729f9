/* The server about itself: `faregate describe` prints the tables it runs on, so its output is a
 * golden file for review (tests/golden/describe.txt). about.c calls it with the services it would
 * serve. What must stay true: nothing is said here that is not read from a table. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "grpc/grpc.h"

/* One SQL statement, in words; filled by who knows the database. */
struct describe_statement {
    const char *name;
    const char *cardinality; /* "none", "one", "maybe", "many" */
    const char *lane;        /* "book", "read"; NULL: none of its own */
    bool is_batched;
};

/* One flag: how a limit or a place is set. */
struct describe_flag {
    const char *name, *unit, *value, *help;
};

struct describe_hooks {
    void *ctx;
    /* The flag of number @index; false past the last. NULL: none are shown. */
    bool (*flag)(void *ctx, size_t index, struct describe_flag *ret_flag);
    /* What /metrics shows, for its names; NULL: none are shown. */
    struct obs *obs;
    /* The statement of number @index; false past the last. NULL: none are shown. */
    bool (*statement)(void *ctx, size_t index, struct describe_statement *ret_statement);
};

/* Appends the description to @out: one JSON object, or tables for people. Negative and one line in
 * @error where the services do not fit the .proto files. */
int describe_write(struct buf *out, bool as_json, const struct rpc_service *const *services,
                   const struct server_limits *limits, const struct describe_hooks *hooks,
                   char *error, size_t error_bytes);

/* Appends the service config that clients of @services should use (grpc/service_config.proto in its
 * JSON form): timeouts, retries of what changes nothing, health checking. */
int service_config_write(struct buf *out, const struct rpc_service *const *services,
                         const struct server_limits *limits, char *error, size_t error_bytes);
