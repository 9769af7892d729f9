/* AuthService: its handlers, and the check of access tokens that runs before every call that needs
 * a user. */
#include "services/auth/auth.h"

#include "services/auth/internal.h"
#include "services/auth/token.h"

enum reason auth_authenticate(void *app, struct str token, int64_t wall_ns,
                              struct principal *ret_principal)
{
    const struct app *a = app;
    return tokens_verify(a->tokens, token, wall_ns, ret_principal);
}

static const struct rpc_handler *const handlers[] = {
    &auth_create_user_rpc,          &auth_create_session_rpc,
    &auth_refresh_session_rpc,      &auth_get_user_rpc,
    &auth_list_sessions_rpc,        &auth_delete_session_rpc,
    &auth_get_json_web_key_set_rpc, NULL,
};

const struct rpc_service auth_service = {
    .descriptor = &faregate__v1__auth_service__descriptor,
    .full_name = "faregate.v1.AuthService",
    .flag = "auth",
    .handlers = handlers,
};
