/* RefreshSession: one token in, the next pair out, in one statement. The successor follows from the
 * token itself, so the previous token within its grace, and a repeated request_id at any time, give
 * the same pair again without anything stored. What must stay true: of all tokens of a session one
 * is good; any other that was good once ends the session. */
#include "services/auth/internal.h"
#include "services/auth/token.h"
#include "services/shared/idempotency.h"
#include "services/shared/seal.h"

struct refresh_session {
    const Faregate__V1__RefreshSessionRequest *req;
    const struct app_keys *keys; /* of the secret that the session began under */
    struct refresh_token token;
    struct refresh_token next;
    struct auth_refresh_session_row row;
};

/* A session keeps its secret to its end: or servers that have them in another order would give
 * another successor to the same token. */
static bool read_token(struct call *c)
{
    struct refresh_session *s = c->state;
    const struct app *app = app_of(c);
    for (unsigned i = 0; i < app->secret_count; i++) {
        s->keys = &app->keys[i];
        if (refresh_parse(s->keys->refresh, str_of(s->req->refresh_token), &s->token) == 0)
            return true;
    }
    return false;
}

static enum step rotate(struct call *c)
{
    struct refresh_session *s = c->state;
    const struct app *app = app_of(c);
    s->req = call_request(c);
    if (!read_token(c))
        return call_fail_field(c, REASON_TOKEN_INVALID, "refresh_token",
                               "is not a refresh token of this installation");
    refresh_next(s->keys->refresh, &s->token, &s->next);
    uint8_t hash[32], next_hash[32];
    refresh_hash(&s->token, hash);
    refresh_hash(&s->next, next_hash);
    auth_refresh_session(c, &s->row, s->token.user_id, s->token.session_id, c->request_id,
                         str_bytes(hash, 16), str_bytes(hash, sizeof hash),
                         str_bytes(next_hash, sizeof next_hash), (int32_t)s->next.generation,
                         network_of(&c->arena, call_peer(c)), app->limits.refresh_grace_seconds,
                         app->limits.refresh_token_idle_seconds, TOKEN_LIFE_S_MAX,
                         uuid_v7(app->clock));
    return STEP_NEXT;
}

static enum step refuse(struct call *c, enum reason reason)
{
    const struct refresh_session *s = c->state;
    if (reason == REASON_IDEMPOTENCY_MISMATCH)
        return call_fail_field(c, reason, "request_id", "was used before with other contents");
    if (reason == REASON_TOKEN_REVOKED)
        return call_fail_field(c, reason, "refresh_token", "is of a session that is over");
    if (reason == REASON_REFRESH_REUSED)
        session_stop_tokens(c, s->token.session_id);
    return call_fail(c, reason);
}

static enum step answer(struct call *c)
{
    struct refresh_session *s = c->state;
    enum reason reason = reason_of_name(s->row.outcome.p);
    if (reason != REASON_NONE)
        return refuse(c, reason);
    call_note(c, "refresh", "%s", s->row.outcome.p);
    if (str_eq(s->row.outcome, STR("REPLAYED")))
        call_replayed(c, true);
    const struct session_view view = {
        .user_id = s->token.user_id,
        .session_id = s->token.session_id,
        .device_label = s->row.device_label,
        .network = s->row.network,
        .create_us = s->row.create_time,
        .refresh_us = s->row.refresh_time,
        .expire_us = s->row.expire_time,
        .current = true,
    };
    return call_reply(
        c, &session_tokens_message(c, &view, (uint32_t)s->row.roles, s->keys, &s->next)->base);
}

static const struct step_def steps[] = {
    STEP(rotate),
    STEP(answer),
};

const struct rpc_handler auth_refresh_session_rpc = {
    .method = "RefreshSession",
    RPC_STEPS(steps, struct refresh_session),
    .has_secret = true,
};
