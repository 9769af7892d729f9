/* DeleteSession: logs a session out: the caller's own, or anybody's for an administrator. This
 * worker refuses its access tokens at once, the others when they next look (auth.h). A caller who
 * ends the session of the very token it came with and misses the answer finds TOKEN_REVOKED at the
 * next attempt: that is the answer. */
#include "google/protobuf/empty.pb-c.h"
#include "services/auth/internal.h"
#include "services/auth/token.h"
#include "services/shared/idempotency.h"
#include "services/shared/names.h"

struct delete_session {
    struct uuid ids[2]; /* user, session */
    struct auth_end_session_row row;
    struct idempotency earlier;
};

static enum step end_session(struct call *c)
{
    struct delete_session *s = c->state;
    const struct app *app = app_of(c);
    const Faregate__V1__DeleteSessionRequest *req = call_request(c);
    if (!name_take(c, "name", req->name, "users/{user}/sessions/{uuid}", s->ids))
        return STEP_DONE;
    bool own = uuid_eq(s->ids[0], c->principal.user_id);
    if (!own && !principal_has(&c->principal, ROLE_ADMIN))
        return call_fail(c, REASON_NOT_FOUND);
    auth_end_session(c, &s->row, c->principal.user_id, c->request_id, idempotency_fingerprint(c),
                     s->ids[0], s->ids[1], own ? STR("LOGOUT") : STR("STAFF"), TOKEN_LIFE_S_MAX,
                     uuid_v7(app->clock), network_of(&c->arena, call_peer(c)));
    return STEP_NEXT;
}

static enum step reply_empty(struct call *c)
{
    Google__Protobuf__Empty empty;
    google__protobuf__empty__init(&empty);
    return call_reply(c, &empty.base);
}

static enum step answer(struct call *c)
{
    struct delete_session *s = c->state;
    if (!s->row.claimed)
        return idempotency_replay(c, &s->earlier, IDEMPOTENT_DELETE_SESSION, reply_empty);
    if (!s->row.ended)
        return call_fail(c, REASON_NOT_FOUND);
    session_stop_tokens(c, s->ids[1]);
    return reply_empty(c);
}

static const struct step_def steps[] = {
    STEP(end_session),
    STEP(answer),
};

const struct rpc_handler auth_delete_session_rpc = {
    .method = "DeleteSession",
    RPC_STEPS(steps, struct delete_session),
};
