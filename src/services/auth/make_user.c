/* A user without a client: `faregate user` and `faregate dev`. A loop, one database connection
 * each way and a server without services live as long as one internal call, so that the statement
 * and its error mapping are the service's own. What must stay true: it blocks, so nothing that
 * serves calls it. */
#include <errno.h>
#include <faregate/v1/options.pb-c.h>
#include <stdio.h>

#include "base/check.h"
#include "db/db.h"
#include "grpc/rules.h"
#include "services/auth/auth.h"
#include "services/auth/internal.h"
#include "services/auth/password.h"
#include "services/auth/token.h"
#include "services/shared/error_line.h"

#define EMAIL_CHARS_MAX 254 /* CreateUserRequest.email */
#define TICK_S 0.05
#define TICKS 300 /* 15 s */
#define CALL_TIMEOUT_MS 10000
#define FAILURES_MAX 4 /* of both connections, twice: another host would have been next */

struct make_user {
    struct loop loop;
    struct db *db;
    struct server *server;
    struct app app;
    ev_timer timeout; /* looks whether the database has refused us, and gives up at last */
    unsigned ticks_left;
    char hash[PASSWORD_HASH_MAX];
    const char *email;
    uint32_t roles;
    bool started;
    bool answered;
    struct auth_create_user_row row;
    enum reason reason;
};

static enum step store(struct call *c)
{
    struct auth_create_user_row *row = c->state;
    const struct make_user *m = call_request(c);
    struct uuid user_id = uuid_v7(&clock_system);
    struct str email = email_normalise(&c->arena, str_of(m->email));
    auth_create_user(c, row, user_id, uuid_v7(&clock_system), STR("make_user"), user_id, email,
                     str_of(m->hash), STR(""), STR("en"), (int32_t)m->roles, true,
                     uuid_v7(&clock_system), STR("local"));
    return STEP_NEXT;
}

static enum step keep(struct call *c)
{
    const struct auth_create_user_row *row = c->state;
    struct make_user *m = list_entry(app_of(c), struct make_user, app);
    m->row = *row;
    return call_reply(c, NULL);
}

static const struct step_def steps[] = {
    STEP(store),
    STEP(keep),
};

static const struct rpc_handler handler = {
    .method = "MakeUser",
    RPC_STEPS(steps, struct auth_create_user_row),
};

static void on_end(void *ctx, enum reason reason)
{
    struct make_user *m = ctx;
    m->reason = reason;
    m->answered = true;
    loop_stop(&m->loop);
}

static void on_state(void *ctx, int state)
{
    struct make_user *m = ctx;
    if (state < 0)
        loop_stop(&m->loop);
    if (state <= 0 || m->started)
        return;
    m->started = call_run_internal(m->server, &handler, m, CALL_TIMEOUT_MS, on_end, m) == 0;
}

static void on_timeout(struct ev_loop *ev, ev_timer *timer, int events)
{
    (void)ev;
    (void)events;
    struct make_user *m = timer->data;
    bool is_refused = !m->started && db_stats(m->db)->connect_failures >= FAILURES_MAX;
    if (is_refused || --m->ticks_left == 0)
        loop_stop(&m->loop);
}

static int run(struct make_user *m, const char *conninfo, char *error, size_t error_bytes)
{
    static const struct rpc_service *const none[] = {NULL};
    struct db_limits limits = db_limits_default;
    limits.write_lanes = limits.read_lanes = 1;
    int result = db_new(&m->db, &m->loop, conninfo, &limits, auth_statements, on_state, m);
    if (result < 0)
        return error_line(error, error_bytes, result,
                          "the database's connection string is not usable");
    const struct server_hooks hooks = {
        .authenticate = auth_authenticate, .tx = &db_tx, .db = m->db, .app = &m->app};
    result = server_new(&m->server, &m->loop, &server_limits_default, &hooks, none, NULL, error,
                        error_bytes);
    if (result < 0)
        return result;
    m->ticks_left = TICKS;
    ev_timer_init(&m->timeout, on_timeout, TICK_S, TICK_S);
    m->timeout.data = m;
    ev_timer_start(m->loop.ev, &m->timeout);
    db_start(m->db);
    loop_run(&m->loop);
    ev_timer_stop(m->loop.ev, &m->timeout);
    if (!m->answered)
        return error_line(error, error_bytes, -ENOTCONN, "%s",
                          db_error(m->db) ? db_error(m->db) : "no answer");
    if (m->reason != REASON_NONE)
        return error_line(error, error_bytes, -EIO, "%s", reason_info(m->reason)->text);
    if (!m->row.is_new)
        return error_line(error, error_bytes, -EEXIST, "the address is taken");
    return 0;
}

/* As CreateUser and CreateSession take it: with what they refuse nobody could ever log in. */
static bool is_address(struct str email)
{
    return email.n > 0 && str_is_utf8(email) && str_utf8_len(email) <= EMAIL_CHARS_MAX &&
           !rules_format(FAREGATE__V1__FORMAT__FORMAT_EMAIL, email);
}

static int accept(struct make_user *m, const char *password, const char *roles,
                  const struct app_limits *limits, char *error, size_t error_bytes)
{
    const struct password_params params = {.kib = limits->argon2_kib,
                                           .passes = limits->argon2_passes};
    uint8_t salt[PASSWORD_SALT_BYTES];
    struct str rest = str_of(roles);
    while (rest.n > 0) {
        struct str name = str_cut(&rest, ',');
        uint32_t bit = token_role_bit(name);
        if (!bit)
            return error_line(error, error_bytes, -EINVAL, "there is no role \"%.*s\"", (int)name.n,
                              name.p);
        m->roles |= bit;
    }
    if (!m->roles)
        return error_line(error, error_bytes, -EINVAL, "no role is given");
    if (!is_address(str_of(m->email)))
        return error_line(error, error_bytes, -EINVAL, "the address is not an e-mail address");
    if (!str_is_utf8(str_of(password)) ||
        password_check(str_of(password), str_of(m->email)) != PASSWORD_OK)
        return error_line(error, error_bytes, -EINVAL,
                          "the password is too short, too common, or contains the address");
    random_bytes(salt, sizeof salt);
    if (password_hash(str_of(password), &params, salt, m->hash) < 0)
        return error_line(error, error_bytes, -ENOMEM, "no memory to hash the password");
    return 0;
}

int auth_make_user(const char *conninfo, const char *email, const char *password, const char *roles,
                   const struct app_limits *limits, char *error, size_t error_bytes)
{
    struct make_user m = {.email = email};
    int result = accept(&m, password, roles, limits, error, error_bytes);
    if (result < 0)
        return result;
    result = loop_init(&m.loop, &clock_system);
    if (result < 0)
        return error_line(error, error_bytes, result, "no event loop");
    m.app = (struct app){.clock = &clock_system, .loop = &m.loop, .limits = *limits};
    result = run(&m, conninfo, error, error_bytes);
    server_free(m.server);
    db_free(m.db);
    loop_deinit(&m.loop);
    return result;
}
