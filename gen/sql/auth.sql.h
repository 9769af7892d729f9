/* Made by sqlgen from auth.sql: do not edit. Each function queues one execution for the call; *ret is
 * filled before the call's next step. Nullable: text and bytea with .p NULL, others as NULL pointers. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "db/db.h"
#include "grpc/grpc.h"

struct auth_create_user_row {
    bool claimed;
    bool is_new;
    int64_t create_time;
};

/* An address that is taken claims the request, tells its owner's event log, and makes nothing else: the caller
 * cannot tell.
 * Spans: email, principal, user_id */
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
    struct str network);

struct auth_login_begin_row {
    bool is_open;
    int32_t wait_ms;
    bool has_user_id;
    struct uuid user_id;
    bool has_password_hash;
    struct str password_hash;
    bool can_log_in;
    int32_t roles;
};

/* Counts the attempt before the password is looked at, so that many at once cannot slip through; of the network only
 * where the pair does not have to wait, or one device with an old password would use up what all others have. Both rows
 * are locked in one order everywhere: network, then pair. By the clock after that wait: who was before in the queue may
 * have begun later. A network's failures are forgotten a window after the first, or attempts of innocents would keep
 * them alive. When failures everywhere exceed their limit, networks lose their free attempts: one that has not failed
 * does not notice. Nobody waits longer than the longest delay: a time beyond it is of a clock that was set back.
 * Spans: email, key, user_id */
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
    double window_s);

/* Totals count by the minute, in one of several rows so that guessing everywhere does not queue on one.
 * Spans: key, user_id */
void auth_login_failed(struct call *c,
    const struct uuid *user_id,
    struct uuid event_id,
    struct str network,
    struct uuid total);

struct auth_create_session_row {
    bool claimed;
    bool has_ended;
    struct str ended;
    int64_t create_time;
};

/* A right password gives back the attempt that login_begin counted, and the wait. The oldest sessions over the limit
 * end, and there may be several: logins at once do not see each other's. Their ids stand in ended, one after the other.
 * Spans: email, key, principal, user_id */
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
    struct str new_hash);

struct auth_get_session_row {
    bool found;
    struct str device_label;
    struct str network;
    struct str seed;
    int64_t create_time;
    int64_t refresh_time;
    int64_t idle_expire_time;
    int64_t expire_time;
    bool is_live;
    int32_t generation;
    int32_t roles;
};

/* Not marked read: it follows the statement that made the session. */
void auth_get_session(struct call *c, struct auth_get_session_row *ret,
    struct uuid user_id,
    struct uuid session_id);

struct auth_refresh_session_row {
    struct str outcome;
    bool has_refresh_time;
    int64_t refresh_time;
    bool has_device_label;
    struct str device_label;
    bool has_create_time;
    int64_t create_time;
    bool has_expire_time;
    int64_t expire_time;
    bool has_network;
    struct str network;
    bool has_roles;
    int32_t roles;
};

/* The session row's lock decides between two that come with the same token: the second finds itself to be the
 * previous one, and gets the same successor. The token itself was proven to be ours before this runs, so a hash that
 * is neither current nor in its grace is one that was used up: the session ends. A session that is over, however it
 * came to be, is TOKEN_REVOKED: TOKEN_EXPIRED would ask for what was just tried.
 * Spans: principal, user_id */
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
    struct uuid event_id);

struct auth_end_session_row {
    bool claimed;
    bool ended;
};

/* A session that is not there, or has ended, records the refusal; but one that has just expired, whose access tokens
 * some server's clock may still take, can be ended.
 * Spans: principal, user_id */
void auth_end_session(struct call *c, struct auth_end_session_row *ret,
    struct uuid principal,
    struct uuid request_id,
    struct str fingerprint,
    struct uuid user_id,
    struct uuid session_id,
    struct str end_reason,
    double token_s,
    struct uuid event_id,
    struct str network);

struct auth_get_user_row {
    bool found;
    struct str email;
    bool email_verified;
    struct str display_name;
    struct str language_code;
    int32_t roles;
    struct str state;
    int64_t create_time;
    int64_t update_time;
};

void auth_get_user(struct call *c, struct auth_get_user_row *ret,
    struct uuid user_id);

struct auth_list_sessions_row {
    struct uuid session_id;
    struct str device_label;
    struct str network;
    int64_t create_time;
    int64_t refresh_time;
    int64_t expire_time;
};

struct auth_list_sessions_rows {
    struct auth_list_sessions_row *rows;
    uint32_t count;
    bool truncated;
};

/* Session ids are made in order of time, so they are the order and the position. */
void auth_list_sessions(struct call *c, struct auth_list_sessions_rows *ret,
    struct uuid user_id,
    const struct uuid *before,
    int32_t count);

struct auth_list_revocations_row {
    bool has_session_id;
    struct uuid session_id;
    bool has_revoke_time;
    int64_t revoke_time;
    bool has_expire_time;
    int64_t expire_time;
    int64_t read_time;
};

struct auth_list_revocations_rows {
    struct auth_list_revocations_row *rows;
    uint32_t count;
    bool truncated;
};

/* One more than those: so it is known that there are more. Where there is none, one row that only tells when that was.
 * Scans: revocation */
void auth_list_revocations(struct call *c, struct auth_list_revocations_rows *ret,
    int64_t since);

extern const struct db_statement auth_create_user_statement;
extern const struct db_statement auth_login_begin_statement;
extern const struct db_statement auth_login_failed_statement;
extern const struct db_statement auth_create_session_statement;
extern const struct db_statement auth_get_session_statement;
extern const struct db_statement auth_refresh_session_statement;
extern const struct db_statement auth_end_session_statement;
extern const struct db_statement auth_get_user_statement;
extern const struct db_statement auth_list_sessions_statement;
extern const struct db_statement auth_list_revocations_statement;

/* All of them, NULL at the end. */
extern const struct db_statement *const auth_statements[];
