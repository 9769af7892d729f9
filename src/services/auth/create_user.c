/* CreateUser: registers an address. One that is taken gets the answer of one that is free, down to
 * a name that leads nowhere: the same hash, the same statement, the same message. (Logging in
 * afterwards still tells them apart, at the price of a throttled attempt that the owner's event log
 * shows; only proof of the address, by mail, will close that.) What must stay true: nothing after
 * validation depends on whether the address was taken. */
#include "services/auth/internal.h"
#include "services/auth/password.h"
#include "services/shared/idempotency.h"
#include "services/shared/seal.h"

struct create_user {
    const Faregate__V1__CreateUserRequest *req;
    struct str email;
    struct str language_code;
    struct uuid user_id;
    struct password_result password;
    uint8_t fingerprint[SEAL_BYTES];
    struct auth_create_user_row row;
    struct idempotency earlier;
};

/* False: the call has failed. */
static bool accept_password(struct call *c, struct str password, struct str email)
{
    switch (password_check(password, email)) {
    case PASSWORD_OK:
        return true;
    case PASSWORD_SHORT:
        call_fail_field(c, REASON_FIELD_INVALID, "password", "must have at least %d characters",
                        PASSWORD_CHARS_MIN);
        return false;
    case PASSWORD_LONG:
        call_fail_field(c, REASON_FIELD_INVALID, "password", "must have at most %d bytes",
                        PASSWORD_BYTES_MAX);
        return false;
    case PASSWORD_COMMON:
        call_fail_field(c, REASON_PASSWORD_WEAK, "password", "is one of the most common passwords");
        return false;
    case PASSWORD_EMAIL:
        call_fail_field(c, REASON_PASSWORD_WEAK, "password", "contains the e-mail address");
        return false;
    }
    return false;
}

/* The salt follows from address and request_id: the same request gives the same hash, so the hash
 * can stand for the password in the fingerprint, and guessing from a fingerprint is as slow as
 * guessing from the hash. */
static enum step hash_password(struct call *c)
{
    struct create_user *s = c->state;
    s->req = call_request(c);
    s->email = email_normalise(&c->arena, str_of(s->req->email));
    s->language_code = str_of(s->req->language_code);
    if (s->language_code.n == 0)
        s->language_code = STR("en");
    if (!accept_password(c, str_of(s->req->password), s->email))
        return STEP_DONE;
    uint8_t salt[SEAL_BYTES];
    const struct str parts[] = {STR("salt"), s->email, str_bytes(c->request_id.b, 16)};
    seal_mac(app_of(c)->keys->fingerprint, parts, 3, salt);
    if (!password_take_place(c, false) ||
        !password_start_hash(c, str_of(s->req->password), salt, &s->password))
        return STEP_DONE;
    return STEP_NEXT;
}

static enum step store(struct call *c)
{
    struct create_user *s = c->state;
    const struct app *app = app_of(c);
    if (s->password.failed)
        return call_fail(c, REASON_OVERLOADED);
    struct str hash = str_of(s->password.hash);
    const struct str parts[] = {STR("create_user"), s->email, str_of(s->req->display_name),
                                s->language_code, hash};
    seal_mac(app->keys->fingerprint, parts, 5, s->fingerprint);
    s->user_id = uuid_v7(app->clock);
    auth_create_user(c, &s->row, email_principal(app, s->email), c->request_id,
                     str_bytes(s->fingerprint, 16), s->user_id, s->email, hash,
                     str_of(s->req->display_name), s->language_code, 1 << ROLE_TRAVELLER, false,
                     uuid_v7(app->clock), network_of(&c->arena, call_peer(c)));
    return STEP_NEXT;
}

static enum step reply_user(struct call *c, struct uuid user_id, int64_t create_us)
{
    struct create_user *s = c->state;
    const struct user_view view = {
        .user_id = user_id,
        .email = s->email,
        .display_name = str_of(s->req->display_name),
        .language_code = s->language_code,
        .roles = 1u << ROLE_TRAVELLER,
        .state = FAREGATE__V1__USER__STATE__ACTIVE,
        .create_us = create_us,
        .update_us = create_us,
    };
    return call_reply(c, &user_message(&c->arena, &view)->base);
}

/* The request is the same, so its fields and the claim's row are all there is to the answer. */
static enum step render_again(struct call *c)
{
    struct create_user *s = c->state;
    return reply_user(c, s->earlier.row.resource, s->earlier.row.create_time);
}

static enum step answer(struct call *c)
{
    struct create_user *s = c->state;
    if (s->row.claimed)
        return reply_user(c, s->user_id, s->row.create_time);
    return idempotency_replay_as(c, &s->earlier, email_principal(app_of(c), s->email),
                                 IDEMPOTENT_CREATE_USER, str_bytes(s->fingerprint, 16),
                                 render_again);
}

static const struct step_def steps[] = {
    STEP(hash_password),
    STEP(store),
    STEP(answer),
};

const struct rpc_handler auth_create_user_rpc = {
    .method = "CreateUser",
    RPC_STEPS(steps, struct create_user),
    .has_secret = true,
};
