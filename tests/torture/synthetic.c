/* Handlers of every shape the runner knows, without a database or a domain. The torture driver runs
 * them. What must stay true: together they use every way a step can wait and every way a call can
 * end. */
#include <grpc/health/v1/health.pb-c.h>

#include "torture.h"

unsigned torture_steps;
int torture_cleanups_open;

struct state {
    int values[4];
    unsigned rounds;
};

static void close_cleanup(void *arg)
{
    (void)arg;
    torture_cleanups_open--;
}

static void open_cleanup(struct call *c)
{
    torture_cleanups_open++;
    call_defer(c, close_cleanup, NULL);
}

static enum step reply(struct call *c)
{
    Grpc__Health__V1__HealthCheckResponse message = GRPC__HEALTH__V1__HEALTH_CHECK_RESPONSE__INIT;
    torture_steps++;
    message.status = GRPC__HEALTH__V1__HEALTH_CHECK_RESPONSE__SERVING_STATUS__SERVING;
    return call_reply(c, &message.base);
}

static enum step refuse(struct call *c)
{
    torture_steps++;
    call_fail_with(c, "seats_left", "%d", 0);
    return call_fail(c, REASON_SEATS_UNAVAILABLE);
}

static enum step ask(struct call *c)
{
    struct state *s = c->state;
    torture_steps++;
    if (s->rounds == 0)
        open_cleanup(c);
    fake_submit(c, &s->values[s->rounds++ % 4]);
    return STEP_NEXT;
}

static enum step ask_three_at_once(struct call *c)
{
    struct state *s = c->state;
    torture_steps++;
    for (unsigned i = 0; i < 3; i++)
        fake_submit(c, &s->values[i]);
    return STEP_NEXT;
}

static enum step begin_and_ask(struct call *c)
{
    call_begin_tx(c);
    return ask(c);
}

static enum step commit(struct call *c)
{
    torture_steps++;
    call_commit(c);
    return STEP_NEXT;
}

static enum step ask_and_commit(struct call *c)
{
    ask(c);
    call_commit(c);
    return STEP_NEXT;
}

/* The answer does not depend on the statement that the same step starts. */
static enum step ask_and_reply(struct call *c)
{
    ask(c);
    torture_steps--;
    return reply(c);
}

/* A refusal that is remembered: the work is kept, and the call fails. */
static enum step commit_and_refuse(struct call *c)
{
    call_commit(c);
    return refuse(c);
}

static enum step ask_again(struct call *c)
{
    struct state *s = c->state;
    if (s->rounds == 3)
        return reply(c);
    ask(c);
    return STEP_AGAIN;
}

static enum step poll(struct call *c)
{
    struct state *s = c->state;
    if (s->rounds == 2)
        return reply(c);
    ask(c);
    call_wake_after(c, 20);
    return STEP_AGAIN;
}

static enum step sleep_twice(struct call *c)
{
    struct state *s = c->state;
    if (call_draining(c))
        return call_fail(c, REASON_SHUTTING_DOWN);
    if (s->rounds++ == 2)
        return reply(c);
    torture_steps++;
    call_wake_after(c, 30);
    return STEP_PARK;
}

static enum step sleep_with_work(struct call *c)
{
    struct state *s = c->state;
    if (s->rounds == 2)
        return reply(c);
    ask(c);
    /* Work that is done already wakes nobody. */
    return c->scope.pending > 0 ? STEP_PARK : STEP_AGAIN;
}

static enum step pour(struct call *c)
{
    struct state *s = c->state;
    Grpc__Health__V1__HealthCheckRequest message = GRPC__HEALTH__V1__HEALTH_CHECK_REQUEST__INIT;
    static char text[] = "a message that the client reads slowly, or not at all";
    torture_steps++;
    message.service = text;
    while (s->rounds < 30) {
        s->rounds++;
        if (!call_send(c, &message.base))
            return STEP_PARK;
    }
    return call_reply(c, NULL);
}

static enum step gather(struct call *c)
{
    struct state *s = c->state;
    torture_steps++;
    if (!call_next_request(c))
        return call_half_closed(c) ? reply(c) : STEP_PARK;
    fake_submit(c, &s->values[0]);
    return STEP_AGAIN;
}

static enum step echo(struct call *c)
{
    const Grpc__Health__V1__HealthCheckRequest *message;
    torture_steps++;
    while ((message = call_next_request(c))) {
        if (!call_send(c, &message->base))
            return STEP_PARK;
    }
    return call_half_closed(c) ? call_reply(c, NULL) : STEP_PARK;
}

#define HANDLER(name_, mode, ...)                                                                  \
    static const struct step_def name_##_steps[] = {__VA_ARGS__};                                  \
    static const struct rpc_handler name_ = {                                                      \
        .method = #name_, RPC_STEPS(name_##_steps, struct state), .tx = mode}

HANDLER(plain, TX_NONE, STEP(reply));
HANDLER(one_statement, TX_NONE, STEP(ask), STEP(reply));
HANDLER(two_statements, TX_NONE, STEP(ask), STEP(ask), STEP(reply));
HANDLER(parallel, TX_NONE, STEP(ask_three_at_once), STEP(reply));
HANDLER(refused, TX_NONE, STEP(ask), STEP(refuse));
HANDLER(written, TX_WRITE, STEP(ask), STEP(reply));
HANDLER(written_long, TX_WRITE, STEP(ask), STEP(ask_three_at_once), STEP(ask), STEP(reply));
HANDLER(written_refused, TX_WRITE, STEP(ask), STEP(ask), STEP(refuse));
HANDLER(written_late, TX_WRITE, STEP(ask), STEP(ask_and_reply));
HANDLER(begun, TX_NONE, STEP(ask), STEP(begin_and_ask), STEP(reply));
HANDLER(phases, TX_NONE, STEP(begin_and_ask), STEP(commit), STEP(ask), STEP(begin_and_ask),
        STEP(commit), STEP(reply));
HANDLER(phases_packed, TX_WRITE, STEP(ask_and_commit), STEP(ask), STEP(ask_and_commit),
        STEP(reply));
HANDLER(remembered, TX_WRITE, STEP(ask), STEP(commit_and_refuse));
HANDLER(again, TX_WRITE, STEP(ask_again));
HANDLER(polls, TX_NONE, STEP(poll));
HANDLER(sleeps, TX_NONE, STEP(sleep_twice));
HANDLER(sleeps_working, TX_WRITE, STEP(sleep_with_work));
HANDLER(pours, TX_NONE, STEP(ask), STEP(pour));
HANDLER(gathers, TX_WRITE, STEP(gather));
HANDLER(echoes, TX_NONE, STEP(echo));

#define TYPES                                                                                      \
    .request = &grpc__health__v1__health_check_request__descriptor,                                \
    .reply = &grpc__health__v1__health_check_response__descriptor

#define UNARY(name_)                                                                               \
    {                                                                                              \
        .name = #name_, .method = {.path = STR("/t.S/" #name_), .handler = &name_, TYPES},         \
        .request = "\n\1x", .request_bytes = 3,                                                    \
    }

const struct torture_case synthetic_cases[] = {
    UNARY(plain),
    UNARY(one_statement),
    UNARY(two_statements),
    UNARY(parallel),
    UNARY(refused),
    UNARY(written),
    UNARY(written_long),
    UNARY(written_refused),
    UNARY(written_late),
    UNARY(begun),
    UNARY(phases),
    UNARY(phases_packed),
    UNARY(remembered),
    UNARY(again),
    UNARY(polls),
    UNARY(sleeps),
    UNARY(sleeps_working),
    {
        .name = "pours",
        .method = {.path = STR("/t.S/pours"), .handler = &pours, TYPES, .server_streaming = true},
        .request = "",
    },
    {
        .name = "gathers",
        .method =
            {.path = STR("/t.S/gathers"), .handler = &gathers, TYPES, .client_streaming = true},
        .request = "\n\1x",
        .request_bytes = 3,
        .messages = 3,
    },
    {
        .name = "echoes",
        .method = {.path = STR("/t.S/echoes"),
                   .handler = &echoes,
                   TYPES,
                   .client_streaming = true,
                   .server_streaming = true},
        .request = "\n\1x",
        .request_bytes = 3,
        .messages = 3,
    },
};

const size_t synthetic_case_count = sizeof synthetic_cases / sizeof synthetic_cases[0];
