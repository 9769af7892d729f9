/* What stands between a request and its first step, in one table. intake runs it; README.md of this
 * folder says how to add to it. */
#pragma once

#include <stdint.h>

#include "base/reason.h"
#include "base/str.h"

struct call_impl;
struct rate_table;
struct fingerprinter;

enum intercept_stage {
    INTERCEPT_HEADERS, /* the header block is complete; no body is read yet */
    INTERCEPT_MESSAGE, /* the request message is unpacked and valid; its bytes are at hand */
};

/* One thing that every call passes; a table of them ends with an entry without @run. How to add
 * one: README.md of this folder. */
struct interceptor {
    const char *name;
    enum intercept_stage stage;
    /* REASON_NONE, or why the call is refused. @body: the bytes of the message, at its stage. Must
     * not block; memory is the call's. */
    enum reason (*run)(struct call_impl *ci, struct str body);
};

extern const struct interceptor interceptors_default[];

/* Runs the server's table. REASON_NONE: go on. */
enum reason intercept(struct call_impl *ci, enum intercept_stage stage, struct str body);

enum reason intercept_load(struct call_impl *ci, struct str body);
enum reason intercept_starting(struct call_impl *ci, struct str body);
enum reason intercept_overload(struct call_impl *ci, struct str body);
enum reason intercept_identity(struct call_impl *ci, struct str body);
enum reason intercept_token(struct call_impl *ci, struct str body);
enum reason intercept_permission(struct call_impl *ci, struct str body);
enum reason intercept_rate(struct call_impl *ci, struct str body);
enum reason intercept_idempotency(struct call_impl *ci, struct str body);

int rate_table_new(struct rate_table **ret_table);
/* A number for the client at @peer: the same for each, and nobody outside can choose it. */
uint64_t rate_client(const struct rate_table *table, struct str peer);
struct rate_table *rate_table_free(struct rate_table *table);
/* One token of the bucket of (@who, @method). 0, or how long until there is one. */
uint32_t rate_take_ms(struct rate_table *table, struct str who, uint32_t method,
                      uint32_t per_minute, int64_t now_ns);

int fingerprinter_new(struct fingerprinter **ret_fingerprinter);
struct fingerprinter *fingerprinter_free(struct fingerprinter *f);
/* First 16 bytes of SHA-256 over @body without its top-level field @skip_tag. */
void fingerprint(struct fingerprinter *f, struct str body, uint32_t skip_tag,
                 uint8_t ret_print[static 16]);
