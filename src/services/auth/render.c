/* Messages of AuthService from rows. Handlers call it last.
 * What must stay true: the same row gives the same bytes, or replays would differ. */
#include <stdio.h>

#include "services/auth/internal.h"
#include "services/auth/token.h"
#include "services/shared/names.h"
#include "services/shared/timestamp.h"

static void user_roles(struct arena *arena, uint32_t roles, Faregate__V1__User *user)
{
    user->roles = arena_array(arena, ROLE_SERVICE, sizeof user->roles[0]);
    for (unsigned r = ROLE_TRAVELLER; r <= ROLE_SERVICE; r++) {
        if (roles & (1u << r))
            user->roles[user->n_roles++] = (Faregate__V1__Role)r;
    }
}

Faregate__V1__User *user_message(struct arena *arena, const struct user_view *view)
{
    Faregate__V1__User *user = arena_alloc(arena, sizeof *user);
    faregate__v1__user__init(user);
    user->name = name_make(arena, "users", view->user_id);
    user->email = arena_dup(arena, view->email);
    user->email_verified = view->email_verified;
    user->display_name = arena_dup(arena, view->display_name);
    user->language_code = arena_dup(arena, view->language_code);
    user->state = view->state;
    user->create_time = timestamp_of_us(arena, view->create_us);
    user->update_time = timestamp_of_us(arena, view->update_us);
    user->etag = arena_printf(arena, "\"%llx\"", (unsigned long long)view->update_us);
    user_roles(arena, view->roles, user);
    return user;
}

Faregate__V1__Session *session_message(struct arena *arena, const struct session_view *view)
{
    Faregate__V1__Session *session = arena_alloc(arena, sizeof *session);
    faregate__v1__session__init(session);
    session->name = name_make_child(arena, "users", view->user_id, "sessions", view->session_id);
    session->device_label = arena_dup(arena, view->device_label);
    session->create_time = timestamp_of_us(arena, view->create_us);
    session->last_seen_time = timestamp_of_us(arena, view->refresh_us);
    session->expire_time = timestamp_of_us(arena, view->expire_us);
    session->network = arena_dup(arena, view->network);
    session->current = view->current;
    return session;
}

Faregate__V1__SessionTokens *session_tokens_message(struct call *c, const struct session_view *view,
                                                    uint32_t roles, const struct app_keys *keys,
                                                    const struct refresh_token *refresh)
{
    const struct app *app = app_of(c);
    int64_t idle_us = view->refresh_us + app->limits.refresh_token_idle_seconds * US_PER_S;
    int64_t end_us = idle_us < view->expire_us ? idle_us : view->expire_us;
    const struct token_claims claims = {
        .user_id = view->user_id,
        .session_id = view->session_id,
        .token_id = refresh_access_id(keys->refresh, refresh),
        .roles = roles,
        .issue_s = view->refresh_us / US_PER_S,
        .session_end_s = end_us / US_PER_S,
    };
    Faregate__V1__SessionTokens *tokens = arena_alloc(&c->arena, sizeof *tokens);
    faregate__v1__session_tokens__init(tokens);
    tokens->session = session_message(&c->arena, view);
    tokens->access_token = tokens_sign(app->tokens, &c->arena, &claims);
    tokens->access_token_expire_time =
        timestamp_of_s(&c->arena, tokens_expire_s(app->tokens, &claims));
    tokens->refresh_token = refresh_format(keys->refresh, &c->arena, refresh);
    tokens->refresh_token_expire_time = timestamp_of_us(&c->arena, end_us);
    return tokens;
}

void session_stop_tokens(struct call *c, struct uuid session_id)
{
    struct app *app = app_of(c);
    int64_t wall_ns = call_wall_ns(c);
    tokens_revoke(app->tokens, session_id, wall_ns + TOKEN_LIFE_S_MAX * NS_PER_S, wall_ns);
}
