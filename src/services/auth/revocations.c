/* The poll for ended sessions: each worker asks once a second which sessions have ended, and
 * refuses their tokens. main starts and stops it. A row's revoke_time is the start of the
 * transaction that wrote it, so a row may appear late: each poll looks back over the longest time a
 * statement may take. What must stay true: a failed poll loses nothing, the next one asks from the
 * same point; no poll begins later than the database's clock, which may be set back. */
#include <stdlib.h>

#include "base/check.h"
#include "io/loop.h"
#include "services/auth/auth.h"
#include "services/auth/internal.h"
#include "services/auth/token.h"

#define POLL_S 1.0
#define POLL_TIMEOUT_MS 5000
#define LOOK_BACK_US (60 * US_PER_S)

struct revocation_poll {
    struct server *server;
    struct app *app;
    ev_timer timer;
    int64_t newest_us;
    int64_t since_us;
    void (*on_known)(void *arg); /* NULL: told already */
    void *arg;
    bool running;
    bool more;     /* the last answer was cut off */
    bool stopping; /* free when the running poll ends */
};

struct poll_state {
    struct auth_list_revocations_rows rows;
};

/* Internal calls carry what they are about as their request. */
static struct revocation_poll *poll_of(struct call *c)
{
    const struct app *app = app_of(c);
    return app->revocations;
}

static enum step read_revocations(struct call *c)
{
    struct poll_state *s = c->state;
    struct revocation_poll *poll = poll_of(c);
    auth_list_revocations(c, &s->rows, poll ? poll->since_us : 0);
    return STEP_NEXT;
}

static enum step apply(struct call *c)
{
    struct poll_state *s = c->state;
    struct revocation_poll *poll = poll_of(c);
    int64_t wall_ns = call_wall_ns(c);
    const struct auth_list_revocations_row *row = NULL;
    for (uint32_t i = 0; poll && i < s->rows.count; i++) {
        row = &s->rows.rows[i];
        if (row->has_session_id)
            tokens_revoke(poll->app->tokens, row->session_id, row->expire_time * 1000, wall_ns);
        if (row->revoke_time > poll->newest_us)
            poll->newest_us = row->revoke_time;
    }
    if (!row)
        return call_reply(c, NULL);
    poll->more = s->rows.truncated;
    if (!poll->more && row->read_time < poll->newest_us)
        poll->newest_us = row->read_time;
    poll->since_us = poll->more ? row->revoke_time : poll->newest_us - LOOK_BACK_US;
    return call_reply(c, NULL);
}

static const struct step_def steps[] = {
    STEP(read_revocations),
    STEP(apply),
};

static const struct rpc_handler poll_handler = {
    .method = "PollRevocations",
    RPC_STEPS(steps, struct poll_state),
};

static void poll_once(struct revocation_poll *poll);

static void on_end(void *ctx, enum reason reason)
{
    struct revocation_poll *poll = ctx;
    poll->running = false;
    if (poll->stopping) {
        free(poll);
    } else if (reason == REASON_NONE && poll->more) {
        poll_once(poll);
    } else if (reason == REASON_NONE && poll->on_known) {
        void (*on_known)(void *arg) = poll->on_known;
        poll->on_known = NULL;
        on_known(poll->arg);
    }
}

static void poll_once(struct revocation_poll *poll)
{
    if (poll->running)
        return;
    poll->running = true;
    poll->more = false;
    if (call_run_internal(poll->server, &poll_handler, NULL, POLL_TIMEOUT_MS, on_end, poll) < 0)
        poll->running = false;
}

static void on_timer(struct ev_loop *ev, ev_timer *timer, int events)
{
    (void)ev;
    (void)events;
    poll_once(timer->data);
}

void auth_revocations_start(struct server *server, struct app *app, void (*on_known)(void *arg),
                            void *arg)
{
    CHECK(!app->revocations);
    struct revocation_poll *poll = calloc(1, sizeof *poll);
    CHECK(poll);
    poll->server = server;
    poll->app = app;
    poll->on_known = on_known;
    poll->arg = arg;
    /* Tokens that are good now were issued within one life; so much is to be known at start. */
    poll->newest_us = clock_wall_ns(app->clock) / 1000 - TOKEN_LIFE_S_MAX * US_PER_S;
    poll->since_us = poll->newest_us - LOOK_BACK_US;
    app->revocations = poll;
    ev_timer_init(&poll->timer, on_timer, 0.0, POLL_S);
    poll->timer.data = poll;
    ev_timer_start(app->loop->ev, &poll->timer);
}

void auth_revocations_stop(struct app *app)
{
    struct revocation_poll *poll = app->revocations;
    if (!poll)
        return;
    ev_timer_stop(app->loop->ev, &poll->timer);
    app->revocations = NULL;
    poll->stopping = true;
    if (!poll->running)
        free(poll);
}
