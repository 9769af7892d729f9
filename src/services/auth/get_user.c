/* GetUser: the caller's own record, or any for staff. Others' records are NOT_FOUND, there or not.
 */
#include "services/auth/internal.h"
#include "services/shared/names.h"

struct get_user {
    struct uuid user_id;
    struct auth_get_user_row row;
};

static enum step read_user(struct call *c)
{
    struct get_user *s = c->state;
    const Faregate__V1__GetUserRequest *req = call_request(c);
    if (!name_take(c, "name", req->name, "users/{user}", &s->user_id))
        return STEP_DONE;
    if (!uuid_eq(s->user_id, c->principal.user_id) && !is_staff(&c->principal))
        return call_fail(c, REASON_NOT_FOUND);
    auth_get_user(c, &s->row, s->user_id);
    return STEP_NEXT;
}

static Faregate__V1__User__State state_of(struct str text)
{
    if (str_eq(text, STR("ACTIVE")))
        return FAREGATE__V1__USER__STATE__ACTIVE;
    if (str_eq(text, STR("SUSPENDED")))
        return FAREGATE__V1__USER__STATE__SUSPENDED;
    return FAREGATE__V1__USER__STATE__DELETED;
}

static enum step answer(struct call *c)
{
    struct get_user *s = c->state;
    if (!s->row.found)
        return call_fail(c, REASON_NOT_FOUND);
    const struct user_view view = {
        .user_id = s->user_id,
        .email = s->row.email,
        .email_verified = s->row.email_verified,
        .display_name = s->row.display_name,
        .language_code = s->row.language_code,
        .roles = (uint32_t)s->row.roles,
        .state = state_of(s->row.state),
        .create_us = s->row.create_time,
        .update_us = s->row.update_time,
    };
    return call_reply(c, &user_message(&c->arena, &view)->base);
}

static const struct step_def steps[] = {
    STEP(read_user),
    STEP(answer),
};

const struct rpc_handler auth_get_user_rpc = {
    .method = "GetUser",
    RPC_STEPS(steps, struct get_user),
};
