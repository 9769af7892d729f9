/* Made by sqlgen from t.sql: do not edit. Each function queues one execution for the call; *ret is
 * filled before the call's next step. Nullable: text and bytea with .p NULL, others as NULL pointers. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "db/db.h"
#include "grpc/grpc.h"

struct t_echo_row {
    bool b;
    int16_t i2;
    int32_t i4;
    int64_t i8;
    double f;
    struct str t;
    struct str y;
    struct uuid u;
    int64_t ts;
    int32_t d;
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
    int32_t d);

struct t_echo_null_row {
    bool has_b;
    bool b;
    bool has_i2;
    int16_t i2;
    bool has_i4;
    int32_t i4;
    bool has_i8;
    int64_t i8;
    bool has_f;
    double f;
    bool has_t;
    struct str t;
    bool has_y;
    struct str y;
    bool has_u;
    struct uuid u;
    bool has_ts;
    int64_t ts;
    bool has_d;
    int32_t d;
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
    const int32_t *d);

struct t_arrays_row {
    struct str as_text;
};

/* Both forms answer with everything as text, array by array. */
void t_arrays(struct call *c, struct t_arrays_row *ret,
    const bool *b, size_t b_count,
    const int16_t *i2, size_t i2_count,
    const int32_t *i4, size_t i4_count,
    const int64_t *i8, size_t i8_count,
    const double *f, size_t f_count,
    const struct str *t, size_t t_count,
    const struct uuid *u, size_t u_count,
    const int64_t *ts, size_t ts_count,
    const int32_t *d, size_t d_count);

struct t_one_of_row {
    int32_t v;
};

/* Promises a row, and has @n of them. */
void t_one_of(struct call *c, struct t_one_of_row *ret,
    int32_t n);

struct t_maybe_of_row {
    bool found;
    int32_t v;
    bool has_w;
    struct str w;
};

void t_maybe_of(struct call *c, struct t_maybe_of_row *ret,
    int32_t n);

struct t_many_of_row {
    int32_t v;
    struct str t;
};

struct t_many_of_rows {
    struct t_many_of_row *rows;
    uint32_t count;
    bool truncated;
};

void t_many_of(struct call *c, struct t_many_of_rows *ret,
    int32_t n);

struct t_some_of_row {
    int32_t v;
};

struct t_some_of_rows {
    struct t_some_of_row *rows;
    uint32_t count;
    bool truncated;
};

void t_some_of(struct call *c, struct t_some_of_rows *ret,
    int32_t n);

void t_nothing(struct call *c,
    int32_t id);

struct t_null_where_none_should_be_row {
    int32_t v;
};

void t_null_where_none_should_be(struct call *c, struct t_null_where_none_should_be_row *ret);

struct t_add_row {
    bool found;
    int64_t balance;
    int32_t batch;
    int32_t ord;
};

/* A negative balance violates account_balance_ck; the batch is told by its transaction, the order by ord. */
void t_add(struct call *c, struct t_add_row *ret,
    struct uuid account,
    struct uuid request,
    int64_t amount);

void t_put(struct call *c,
    int32_t id,
    struct str v);

struct t_set_item_row {
    bool found;
    struct str v;
};

void t_set_item(struct call *c, struct t_set_item_row *ret,
    int32_t id,
    struct str v);

struct t_get_item_row {
    bool found;
    struct str v;
};

void t_get_item(struct call *c, struct t_get_item_row *ret,
    int32_t id);

struct t_look_row {
    bool found;
    int64_t reads;
};

/* How many index entries this session has read by then, as far as they have not been reported yet. */
void t_look(struct call *c, struct t_look_row *ret,
    int32_t id);

struct t_star_row {
    bool found;
    int32_t id;
    struct str v;
};

/* Its result follows the table: altered under it, the cached plan becomes stale. */
void t_star(struct call *c, struct t_star_row *ret,
    int32_t id);

struct t_wait_a_bit_row {
    int32_t v;
};

void t_wait_a_bit(struct call *c, struct t_wait_a_bit_row *ret,
    double seconds);

struct t_wait_and_log_row {
    int32_t v;
};

void t_wait_and_log(struct call *c, struct t_wait_and_log_row *ret,
    double seconds,
    int32_t id);

struct t_timeout_row {
    struct str statement_timeout;
    struct str lock_timeout;
    struct str plan;
    struct str app;
};

void t_timeout(struct call *c, struct t_timeout_row *ret);

struct t_fail_with_row {
    int32_t v;
};

void t_fail_with(struct call *c, struct t_fail_with_row *ret,
    struct str state);

struct t_fail_reading_row {
    int32_t v;
};

void t_fail_reading(struct call *c, struct t_fail_reading_row *ret,
    struct str state);

struct t_fail_times_row {
    int32_t v;
};

/* Fails so often, then succeeds: a sequence remembers, since it is not rolled back. */
void t_fail_times(struct call *c, struct t_fail_times_row *ret,
    struct str state,
    int32_t times);

struct t_take_row {
    bool taken;
};

/* Decides by what its snapshot shows of the one stock, and writes behind the lock: seat_count_ck says that it was too late. */
void t_take(struct call *c, struct t_take_row *ret,
    int64_t amount);

struct t_deferred_row {
    int32_t v;
};

/* Violates a deferred constraint: the error comes with the commit. */
void t_deferred(struct call *c, struct t_deferred_row *ret,
    int32_t id);

struct t_pid_row {
    int32_t pid;
};

void t_pid(struct call *c, struct t_pid_row *ret);

struct t_kill_row {
    bool v;
};

void t_kill(struct call *c, struct t_kill_row *ret,
    int32_t pid);

extern const struct db_statement t_echo_statement;
extern const struct db_statement t_echo_null_statement;
extern const struct db_statement t_arrays_statement;
extern const struct db_statement t_one_of_statement;
extern const struct db_statement t_maybe_of_statement;
extern const struct db_statement t_many_of_statement;
extern const struct db_statement t_some_of_statement;
extern const struct db_statement t_nothing_statement;
extern const struct db_statement t_null_where_none_should_be_statement;
extern const struct db_statement t_add_statement;
extern const struct db_statement t_put_statement;
extern const struct db_statement t_set_item_statement;
extern const struct db_statement t_get_item_statement;
extern const struct db_statement t_look_statement;
extern const struct db_statement t_star_statement;
extern const struct db_statement t_wait_a_bit_statement;
extern const struct db_statement t_wait_and_log_statement;
extern const struct db_statement t_timeout_statement;
extern const struct db_statement t_fail_with_statement;
extern const struct db_statement t_fail_reading_statement;
extern const struct db_statement t_fail_times_statement;
extern const struct db_statement t_take_statement;
extern const struct db_statement t_deferred_statement;
extern const struct db_statement t_pid_statement;
extern const struct db_statement t_kill_statement;

/* All of them, NULL at the end. */
extern const struct db_statement *const t_statements[];
