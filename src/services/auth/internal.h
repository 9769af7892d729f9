/* What the handlers of AuthService share: who asks, keyed names for what must not be stored in
 * clear, messages. */
#pragma once

#include "base/arena.h"
#include "base/str.h"
#include "base/uuid.h"
#include "faregate/v1/auth_service.pb-c.h"
#include "gen/sql/auth.sql.h"
#include "services/app.h"
#include "services/auth/refresh.h"

extern const struct rpc_handler auth_create_user_rpc;
extern const struct rpc_handler auth_create_session_rpc;
extern const struct rpc_handler auth_refresh_session_rpc;
extern const struct rpc_handler auth_get_user_rpc;
extern const struct rpc_handler auth_list_sessions_rpc;
extern const struct rpc_handler auth_delete_session_rpc;
extern const struct rpc_handler auth_get_json_web_key_set_rpc;

/* identity.c */

/* The address as it is claimed: ASCII letters lower case. The local part is folded too: nobody
 * tells them apart. */
struct str email_normalise(struct arena *arena, struct str email);
/* The network of a peer ("192.0.2.7:4711", "[2001:db8::1]:4711"): /24 or /48, "local" for this
 * machine. */
struct str network_of(struct arena *arena, struct str peer);
bool network_is_local(struct str network);
/* A keyed hash of up to two texts, as a key of a row: the database tells nothing about them without
 * the secret. */
struct uuid identity_key(const struct app *app, const char *purpose, struct str a, struct str b);
/* The principal of public methods, for idempotency: a keyed hash of the address. */
struct uuid email_principal(const struct app *app, struct str email);
bool is_staff(const struct principal *p);

/* render.c */

struct user_view {
    struct uuid user_id;
    struct str email;
    bool email_verified;
    struct str display_name;
    struct str language_code;
    uint32_t roles;
    Faregate__V1__User__State state;
    int64_t create_us;
    int64_t update_us;
};
Faregate__V1__User *user_message(struct arena *arena, const struct user_view *view);

struct session_view {
    struct uuid user_id;
    struct uuid session_id;
    struct str device_label;
    struct str network;
    int64_t create_us;
    int64_t refresh_us;
    int64_t expire_us;
    bool current;
};
Faregate__V1__Session *session_message(struct arena *arena, const struct session_view *view);

/* Session, access token, refresh token. The same arguments give the same bytes, so a lost answer
 * can be given again. @keys: those that @refresh was made with. */
Faregate__V1__SessionTokens *session_tokens_message(struct call *c, const struct session_view *view,
                                                    uint32_t roles, const struct app_keys *keys,
                                                    const struct refresh_token *refresh);

/* Refuses the session's access tokens in this worker from now on. */
void session_stop_tokens(struct call *c, struct uuid session_id);
