/* Who is calling, and may they: the bearer token and the roles of the method's policy.
 * The table in intercept.c runs these. What must stay true: a method that is not public never runs
 * without a principal that the hook or a verified identity vouched for; permission is judged before
 * anything about the resource is known. */
#include "grpc/internal.h"

enum reason intercept_token(struct call_impl *ci, struct str body)
{
    (void)body;
    struct server *server = ci->pub.server;
    if (ci->pub.method->policy.auth == RPC_AUTH_PUBLIC)
        return REASON_NONE;
    if (!ci->has_authorization) /* who proved to be a service needs none */
        return ci->pub.principal.known ? REASON_NONE : REASON_TOKEN_MISSING;
    if (ci->token.n == 0 || !server->hooks.authenticate)
        return REASON_TOKEN_INVALID;
    struct principal principal = {0};
    enum reason reason = server->hooks.authenticate(server->hooks.app, ci->token,
                                                    server_wall_ns(server), &principal);
    if (reason == REASON_NONE && !principal.known)
        return REASON_TOKEN_INVALID;
    if (reason == REASON_NONE)
        ci->pub.principal = principal;
    return reason;
}

enum reason intercept_permission(struct call_impl *ci, struct str body)
{
    (void)body;
    const struct rpc_policy *policy = &ci->pub.method->policy;
    const struct principal *principal = &ci->pub.principal;
    const uint32_t staff = ~(1u | 1u << ROLE_TRAVELLER);
    bool is_allowed = policy->roles == 0 || (principal->roles & policy->roles) != 0;
    if (policy->auth == RPC_AUTH_PUBLIC)
        return REASON_NONE; /* nobody was asked who they are, so there are no roles to look at */
    if (policy->auth == RPC_AUTH_STAFF)
        is_allowed = is_allowed && (principal->roles & staff) != 0;
    else if (policy->auth == RPC_AUTH_SERVICE)
        is_allowed = is_allowed && principal_has(principal, ROLE_SERVICE);
    return is_allowed ? REASON_NONE : REASON_PERMISSION_MISSING;
}
