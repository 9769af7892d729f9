/* CreateSession: logs in. Counts the attempt, looks at the password on a helper thread, makes a
 * session. Unknown address, wrong password and barred user take the same steps and give the same
 * answer. A repeated request_id has to bring the right password as well, and gets the tokens of the
 * session it made: they follow from the session's seed. What must stay true: no password is looked
 * at before its attempt has been counted, and no attempt counted that nobody has time to look at.
 */
#include "services/auth/internal.h"
#include "services/auth/password.h"
#include "services/auth/token.h"
#include "services/shared/idempotency.h"
#include "services/shared/seal.h"

#define SESSIONS_MAX 50 /* live ones of a user; one more ends the oldest */
#define TOTAL_ROWS 16   /* failures everywhere are counted in so many rows */

/* Free attempts, then 1 s, 2 s, 4 s ... up to the maximum. Never the account alone: an attacker
 * elsewhere does not slow its owner. A peer on this machine is a proxy or a developer, and its
 * network is everybody's: only pairs count there. */
static const struct {
    int32_t pair_free, network_free;
    double pair_delay_s_max, network_delay_s_max, window_s;
    int64_t total_max; /* failures a minute, of all */
} throttle = {
    .pair_free = 5,
    .network_free = 30,
    .pair_delay_s_max = 300,
    .network_delay_s_max = 60,
    .window_s = 3600,
    .total_max = 1000,
};

struct create_session {
    const Faregate__V1__CreateSessionRequest *req;
    struct str email;
    struct str network;
    struct uuid network_key;
    struct uuid pair;
    struct auth_login_begin_row begin;
    struct password_result password;
    struct session_view view;
    struct refresh_token refresh;
    const struct app_keys *keys; /* of the secret that the session began under */
    uint8_t fingerprint[SEAL_BYTES];
    struct auth_create_session_row row;
    struct idempotency earlier;
    struct auth_get_session_row made;
};

static struct uuid total_key(const struct app *app, unsigned row)
{
    const uint8_t index = (uint8_t)(row % TOTAL_ROWS);
    return identity_key(app, "total", str_bytes(&index, 1), (struct str){0});
}

static enum step count_attempt(struct call *c)
{
    struct create_session *s = c->state;
    const struct app *app = app_of(c);
    s->req = call_request(c);
    if (strlen(s->req->password) > PASSWORD_BYTES_MAX)
        return call_fail_field(c, REASON_FIELD_INVALID, "password", "must have at most %d bytes",
                               PASSWORD_BYTES_MAX);
    if (!password_take_place(c, true))
        return STEP_DONE;
    s->email = email_normalise(&c->arena, str_of(s->req->email));
    s->network = network_of(&c->arena, call_peer(c));
    s->network_key = identity_key(app, "network", s->network, (struct str){0});
    s->pair = identity_key(app, "pair", s->email, s->network);
    struct uuid totals[TOTAL_ROWS];
    for (unsigned i = 0; i < TOTAL_ROWS; i++)
        totals[i] = total_key(app, i);
    bool local = network_is_local(s->network);
    auth_login_begin(c, &s->begin, s->email, s->network_key, s->pair, totals, TOTAL_ROWS,
                     local ? INT64_MAX : throttle.total_max,
                     local ? INT32_MAX : throttle.network_free, throttle.network_delay_s_max,
                     throttle.pair_free, throttle.pair_delay_s_max, throttle.window_s);
    return STEP_NEXT;
}

static enum step check_password(struct call *c)
{
    struct create_session *s = c->state;
    if (!s->begin.is_open) {
        call_fail_pushback(c, s->begin.wait_ms);
        return call_fail(c, REASON_LOGIN_THROTTLED);
    }
    struct str stored = s->begin.can_log_in ? s->begin.password_hash : (struct str){0};
    if (!password_start_check(c, str_of(s->req->password), stored, &s->password))
        return STEP_DONE;
    return STEP_NEXT;
}

/* Without the password: it was just proven, and a fast hash of it would undo the slow one. */
static struct str fingerprint(struct call *c, const struct app_keys *keys)
{
    struct create_session *s = c->state;
    const struct str parts[] = {STR("create_session"), s->email, str_of(s->req->device_label)};
    seal_mac(keys->fingerprint, parts, 3, s->fingerprint);
    return str_bytes(s->fingerprint, 16);
}

static void start_session(struct call *c)
{
    struct create_session *s = c->state;
    const struct app *app = app_of(c);
    uint8_t seed[REFRESH_SEED_BYTES], hash[32];
    random_bytes(seed, sizeof seed);
    s->view = (struct session_view){
        .user_id = s->begin.user_id,
        .session_id = uuid_v7(app->clock),
        .device_label = str_of(s->req->device_label),
        .network = s->network,
        .current = true,
    };
    s->keys = app->keys;
    refresh_first(s->keys->refresh, s->view.user_id, s->view.session_id,
                  str_bytes(seed, sizeof seed), &s->refresh);
    refresh_hash(&s->refresh, hash);
    auth_create_session(c, &s->row, s->view.user_id, c->request_id, fingerprint(c, s->keys),
                        s->view.session_id, s->view.device_label, s->network,
                        str_bytes(seed, sizeof seed), str_bytes(hash, sizeof hash),
                        app->limits.refresh_token_idle_seconds, app->limits.session_seconds,
                        TOKEN_LIFE_S_MAX, SESSIONS_MAX, uuid_v7(app->clock), s->network_key,
                        s->pair, s->email, s->begin.password_hash,
                        s->password.hash[0] ? str_of(s->password.hash) : (struct str){0});
}

static enum step make_session(struct call *c)
{
    struct create_session *s = c->state;
    const struct app *app = app_of(c);
    if (s->password.failed)
        return call_fail(c, REASON_OVERLOADED);
    if (s->password.matches)
        start_session(c);
    else
        auth_login_failed(c, s->begin.has_user_id ? &s->begin.user_id : NULL, uuid_v7(app->clock),
                          s->network, total_key(app, s->pair.b[0]));
    return STEP_NEXT;
}

static enum step reply_tokens(struct call *c, uint32_t roles)
{
    struct create_session *s = c->state;
    Faregate__V1__CreateSessionResponse reply;
    faregate__v1__create_session_response__init(&reply);
    reply.outcome_case = FAREGATE__V1__CREATE_SESSION_RESPONSE__OUTCOME_TOKENS;
    reply.tokens = session_tokens_message(c, &s->view, roles, s->keys, &s->refresh);
    return call_reply(c, &reply.base);
}

static enum step find_made(struct call *c)
{
    struct create_session *s = c->state;
    auth_get_session(c, &s->made, s->view.user_id, s->earlier.row.resource);
    return STEP_NEXT;
}

/* The session of an earlier call may have begun under another secret: its fingerprint tells. */
static void take_keys_of_earlier(struct call *c)
{
    struct create_session *s = c->state;
    const struct app *app = app_of(c);
    for (unsigned i = 0; s->earlier.row.found && i < app->secret_count; i++) {
        s->keys = &app->keys[i];
        if (str_eq(fingerprint(c, s->keys), s->earlier.row.fingerprint))
            break;
    }
}

static enum step answer(struct call *c)
{
    struct create_session *s = c->state;
    if (!s->password.matches)
        return call_fail(c, REASON_CREDENTIALS_INVALID);
    if (!s->row.claimed) {
        take_keys_of_earlier(c);
        return idempotency_replay_as(c, &s->earlier, s->view.user_id, IDEMPOTENT_CREATE_SESSION,
                                     str_bytes(s->fingerprint, 16), find_made);
    }
    struct uuid ended;
    for (size_t at = 0; at + sizeof ended.b <= s->row.ended.n; at += sizeof ended.b) {
        memcpy(ended.b, s->row.ended.p + at, sizeof ended.b);
        session_stop_tokens(c, ended);
    }
    s->view.create_us = s->view.refresh_us = s->row.create_time;
    s->view.expire_us = s->row.create_time + app_of(c)->limits.session_seconds * US_PER_S;
    return reply_tokens(c, (uint32_t)s->begin.roles);
}

/* The session as it was made: its first tokens, whatever has been refreshed since. */
static enum step answer_again(struct call *c)
{
    struct create_session *s = c->state;
    if (!s->made.found || !s->made.is_live)
        return call_fail(c, REASON_TOKEN_REVOKED);
    s->view.session_id = s->earlier.row.resource;
    s->view.network = s->made.network;
    s->view.create_us = s->view.refresh_us = s->made.create_time;
    s->view.expire_us = s->made.expire_time;
    refresh_first(s->keys->refresh, s->view.user_id, s->view.session_id, s->made.seed, &s->refresh);
    return reply_tokens(c, (uint32_t)s->made.roles);
}

static const struct step_def steps[] = {
    STEP(count_attempt), STEP(check_password), STEP(make_session), STEP(answer), STEP(answer_again),
};

const struct rpc_handler auth_create_session_rpc = {
    .method = "CreateSession",
    RPC_STEPS(steps, struct create_session),
    .has_secret = true,
};
