/* The runner's four promises (style notes, section 2) and what surrounds them, one sentence each.
 * The torture driver visits the same ground by enumeration; here each rule has its own name. */
#include <grpc/health/v1/health.pb-c.h>

#include "rig.h"
#include "support/test.h"

static unsigned step_runs[4];
static unsigned cleanups;
static enum reason internal_reason;
static unsigned internal_ends;
static struct call *seen;

struct state {
    int first;
    int second;
    unsigned rounds;
};

static enum step reply_number(struct call *c, int number)
{
    Grpc__Health__V1__HealthCheckResponse reply = GRPC__HEALTH__V1__HEALTH_CHECK_RESPONSE__INIT;
    reply.status = (Grpc__Health__V1__HealthCheckResponse__ServingStatus)number;
    return call_reply(c, &reply.base);
}

static void clean(void *arg)
{
    (void)arg;
    cleanups++;
}

/* ---- two statements, then the answer ---- */

static enum step ask_first(struct call *c)
{
    struct state *s = c->state;
    step_runs[0]++;
    seen = c;
    ASSERT_INT_EQ(s->first, 0);
    ASSERT_INT_EQ(s->second, 0);
    call_defer(c, clean, NULL);
    fake_submit(c, &s->first);
    return STEP_NEXT;
}

static enum step ask_second(struct call *c)
{
    struct state *s = c->state;
    step_runs[1]++;
    fake_submit(c, &s->second);
    return STEP_NEXT;
}

static enum step answer(struct call *c)
{
    struct state *s = c->state;
    step_runs[2]++;
    return reply_number(c, s->first + s->second);
}

static const struct step_def two_steps[] = {STEP(ask_first), STEP(ask_second), STEP(answer)};
static const struct rpc_handler two = {.method = "Two", RPC_STEPS(two_steps, struct state)};
static const struct rpc_handler two_tx = {
    .method = "TwoTx", RPC_STEPS(two_steps, struct state), .tx = TX_WRITE};

/* ---- a commit in the middle ---- */

static enum step claim(struct call *c)
{
    struct state *s = c->state;
    step_runs[0]++;
    call_begin_tx(c);
    fake_submit(c, &s->first);
    return STEP_NEXT;
}

static enum step settle_claim(struct call *c)
{
    step_runs[1]++;
    call_commit(c);
    return STEP_NEXT;
}

static enum step ask_provider(struct call *c)
{
    struct state *s = c->state;
    step_runs[2]++;
    ASSERT_FALSE(c->scope.want_tx);
    fake_submit(c, &s->second);
    return STEP_NEXT;
}

static const struct step_def phase_steps[] = {STEP(claim), STEP(settle_claim), STEP(ask_provider),
                                              STEP(answer)};
static const struct rpc_handler phases = {.method = "Phases", RPC_STEPS(phase_steps, struct state)};

static enum step keep_and_refuse(struct call *c)
{
    call_commit(c);
    return call_fail(c, REASON_SEATS_UNAVAILABLE);
}

static const struct step_def keep_steps[] = {STEP(ask_first), STEP(keep_and_refuse)};
static const struct rpc_handler keeps = {
    .method = "Keeps", RPC_STEPS(keep_steps, struct state), .tx = TX_WRITE};

/* ---- waiting ---- */

static enum step wait_a_while(struct call *c)
{
    struct state *s = c->state;
    step_runs[0]++;
    if (s->rounds++ == 2)
        return reply_number(c, 1);
    call_wake_after(c, 100);
    return STEP_AGAIN;
}

static const struct step_def wait_steps[] = {STEP(wait_a_while)};
static const struct rpc_handler waits = {.method = "Waits", RPC_STEPS(wait_steps, struct state)};

static enum step sleep_until_woken(struct call *c)
{
    struct state *s = c->state;
    seen = c;
    step_runs[0]++;
    if (call_draining(c))
        return call_fail(c, REASON_SHUTTING_DOWN);
    return s->rounds++ == 0 ? STEP_PARK : reply_number(c, 1);
}

static const struct step_def sleep_steps[] = {STEP(sleep_until_woken)};
static const struct rpc_handler sleeps = {.method = "Sleeps", RPC_STEPS(sleep_steps, struct state)};

/* ---- the stage ---- */

#define TYPES                                                                                      \
    .request = &grpc__health__v1__health_check_request__descriptor,                                \
    .reply = &grpc__health__v1__health_check_response__descriptor

static void begin(void)
{
    const struct rpc_method methods[] = {
        {.path = STR("/test.S/Two"), .handler = &two, TYPES, .policy.deadline_default_ms = 1000},
        {.path = STR("/test.S/TwoTx"),
         .handler = &two_tx,
         TYPES,
         .policy.deadline_default_ms = 1000},
        {.path = STR("/test.S/Phases"), .handler = &phases, TYPES},
        {.path = STR("/test.S/Keeps"), .handler = &keeps, TYPES},
        {.path = STR("/test.S/Waits"), .handler = &waits, TYPES},
        {.path = STR("/test.S/Sleeps"), .handler = &sleeps, TYPES},
    };
    memset(step_runs, 0, sizeof step_runs);
    cleanups = 0;
    internal_ends = 0;
    rig_start(methods, sizeof methods / sizeof methods[0], NULL);
}

static void finish(void)
{
    rig_turn();
    ASSERT_TRUE(rig_is_clean());
    rig_stop();
}

static void expect_end(struct client *c, int status)
{
    client_take(c);
    ASSERT_INT_EQ(client_status(c), status);
    ASSERT_INT_EQ(c->end_count, 1);
    client_free(c);
}

TEST(runner, runs_the_next_step_when_what_the_step_started_is_done)
{
    begin();
    struct client *c = client_call("/test.S/Two", "", 0);
    ASSERT_INT_EQ(step_runs[0], 1);
    ASSERT_INT_EQ(step_runs[1], 0);
    fake_complete(fake_first(), 1);
    ASSERT_INT_EQ(step_runs[1], 1);
    ASSERT_INT_EQ(client_status(c), -1);
    fake_complete(fake_first(), 2);
    ASSERT_INT_EQ(step_runs[2], 1);
    ASSERT_INT_EQ(cleanups, 1);
    client_take(c);
    ASSERT_MEM_EQ(c->body.p, "\0\0\0\0\2\x08\3", 7);
    expect_end(c, STATUS_OK);
    finish();
}

TEST(runner, goes_on_when_statements_complete_inside_the_step)
{
    begin();
    fake_db.instant = true;
    expect_end(client_call("/test.S/Two", "", 0), STATUS_OK);
    expect_end(client_call("/test.S/TwoTx", "", 0), STATUS_OK);
    ASSERT_INT_EQ(fake_db.commits, 1);
    finish();
}

TEST(runner, answers_only_after_commit)
{
    begin();
    struct client *c = client_call("/test.S/TwoTx", "", 0);
    fake_complete(fake_first(), 1);
    fake_complete(fake_first(), 2);
    ASSERT_INT_EQ(client_status(c), -1);
    ASSERT_TRUE(fake_first()->is_commit);
    fake_complete(fake_first(), 0);
    ASSERT_INT_EQ(fake_db.commits, 1);
    expect_end(c, STATUS_OK);
    finish();
}

TEST(runner, rolls_back_when_the_client_goes_away_before_commit)
{
    begin();
    struct client *c = client_call("/test.S/TwoTx", "", 0);
    client_close(c, true);
    ASSERT_INT_EQ(fake_db.detached, 1);
    ASSERT_INT_EQ(fake_db.rollbacks, 1);
    ASSERT_INT_EQ(step_runs[1], 0);
    ASSERT_INT_EQ(cleanups, 1);
    ASSERT_INT_EQ(c->end_count, 0);
    client_free(c);
    finish();
}

TEST(runner, rolls_back_when_commit_still_waits_in_the_queue)
{
    begin();
    fake_db.commit_queued = true;
    struct client *c = client_call("/test.S/TwoTx", "", 0);
    fake_complete(fake_first(), 1);
    fake_complete(fake_first(), 2);
    client_close(c, true);
    ASSERT_INT_EQ(fake_db.rollbacks, 1);
    ASSERT_INT_EQ(fake_db.commits, 0);
    client_free(c);
    finish();
}

TEST(runner, finishes_silently_when_the_client_goes_away_after_commit_was_sent)
{
    begin();
    struct client *c = client_call("/test.S/TwoTx", "", 0);
    fake_complete(fake_first(), 1);
    fake_complete(fake_first(), 2);
    client_close(c, true);
    ASSERT_INT_EQ(rig.server->calls_in_flight, 1);
    client_free(c);
    fake_complete(fake_first(), 0);
    ASSERT_INT_EQ(fake_db.commits, 1);
    ASSERT_INT_EQ(fake_db.rollbacks, 0);
    finish();
}

TEST(runner, answers_deadline_exceeded_before_commit_and_ok_behind_it)
{
    begin();
    struct client *c = client_call("/test.S/TwoTx", "", 0);
    rig_advance(1002);
    ASSERT_TRUE(c->trailers_only);
    expect_end(c, STATUS_DEADLINE_EXCEEDED);
    ASSERT_INT_EQ(fake_db.rollbacks, 1);
    c = client_call("/test.S/TwoTx", "", 0);
    fake_complete(fake_first(), 1);
    fake_complete(fake_first(), 2);
    rig_advance(1002);
    ASSERT_INT_EQ(client_status(c), -1);
    fake_complete(fake_first(), 0);
    expect_end(c, STATUS_OK);
    finish();
}

TEST(runner, ends_with_the_mapped_status_when_a_statement_fails)
{
    begin();
    struct client *c = client_call("/test.S/TwoTx", "", 0);
    fake_complete(fake_first(), 1);
    fake_fail(fake_first(), REASON_DATABASE_UNAVAILABLE, false, false);
    ASSERT_INT_EQ(step_runs[2], 0);
    ASSERT_INT_EQ(fake_db.rollbacks, 1);
    ASSERT_STR_EQ(client_field(c, "grpc-retry-pushback-ms"), "250");
    expect_end(c, STATUS_UNAVAILABLE);
    finish();
}

TEST(runner, starts_over_with_zeroed_state_after_a_serialization_failure)
{
    begin();
    struct client *c = client_call("/test.S/TwoTx", "\n\1x", 3);
    const Grpc__Health__V1__HealthCheckRequest *request = call_request(seen);
    fake_complete(fake_first(), 1);
    fake_fail(fake_first(), REASON_CONFLICT, true, false);
    ASSERT_INT_EQ(step_runs[0], 2);
    ASSERT_INT_EQ(seen->attempt, 2);
    ASSERT_PTR_EQ(call_request(seen), request);
    ASSERT_STR_EQ(request->service, "x");
    ASSERT_INT_EQ(cleanups, 1);
    ASSERT_INT_EQ(fake_db.rollbacks, 1);
    fake_complete(fake_first(), 1);
    fake_complete(fake_first(), 2);
    fake_fail(fake_first(), REASON_CONFLICT, true, false); /* COMMIT itself */
    ASSERT_INT_EQ(step_runs[0], 3);
    fake_complete(fake_first(), 1);
    fake_complete(fake_first(), 2);
    fake_complete(fake_first(), 0);
    ASSERT_INT_EQ(cleanups, 3);
    expect_end(c, STATUS_OK);
    finish();
}

TEST(runner, gives_up_after_the_last_restart)
{
    begin();
    struct client *c = client_call("/test.S/TwoTx", "", 0);
    for (int i = 0; i < 4; i++) {
        ASSERT_INT_EQ(client_status(c), -1);
        fake_fail(fake_first(), REASON_CONFLICT, true, false);
    }
    ASSERT_INT_EQ(step_runs[0], 4);
    expect_end(c, STATUS_ABORTED);
    finish();
}

/* Outside of a transaction the first statement has committed: only the second is run again. */
TEST(runner, repeats_only_the_failed_step_outside_of_transactions)
{
    begin();
    struct client *c = client_call("/test.S/Two", "", 0);
    fake_complete(fake_first(), 1);
    fake_fail(fake_first(), REASON_CONFLICT, true, false);
    ASSERT_INT_EQ(step_runs[0], 1);
    ASSERT_INT_EQ(step_runs[1], 2);
    fake_complete(fake_first(), 2);
    expect_end(c, STATUS_OK);
    finish();
}

TEST(runner, says_outcome_unknown_and_that_a_keyless_call_must_not_be_repeated)
{
    begin();
    struct client *c = client_call("/test.S/TwoTx", "", 0);
    fake_complete(fake_first(), 1);
    fake_complete(fake_first(), 2);
    fake_fail(fake_first(), REASON_OUTCOME_UNKNOWN, false, true);
    ASSERT_STR_EQ(client_field(c, "grpc-retry-pushback-ms"), "-1");
    expect_end(c, STATUS_UNAVAILABLE);
    finish();
}

TEST(runner, commits_between_phases_and_never_restarts_behind_that)
{
    begin();
    struct client *c = client_call("/test.S/Phases", "", 0);
    fake_complete(fake_first(), 1);
    ASSERT_TRUE(fake_first()->is_commit);
    fake_complete(fake_first(), 0);
    ASSERT_INT_EQ(fake_db.commits, 1);
    ASSERT_INT_EQ(step_runs[2], 1);
    fake_fail(fake_first(), REASON_CONFLICT, true, false);
    ASSERT_INT_EQ(step_runs[0], 1);
    expect_end(c, STATUS_ABORTED);
    c = client_call("/test.S/Phases", "", 0);
    fake_complete(fake_first(), 1);
    fake_complete(fake_first(), 0);
    fake_complete(fake_first(), 2);
    expect_end(c, STATUS_OK);
    ASSERT_INT_EQ(fake_db.commits, 2);
    finish();
}

TEST(runner, keeps_the_work_of_a_refusal_that_asked_for_commit)
{
    begin();
    struct client *c = client_call("/test.S/Keeps", "", 0);
    fake_complete(fake_first(), 1);
    ASSERT_TRUE(fake_first()->is_commit);
    ASSERT_INT_EQ(client_status(c), -1);
    fake_complete(fake_first(), 0);
    ASSERT_INT_EQ(fake_db.commits, 1);
    expect_end(c, STATUS_FAILED_PRECONDITION);
    finish();
}

TEST(runner, runs_no_step_behind_a_commit_whose_client_has_gone)
{
    begin();
    struct client *c = client_call("/test.S/Phases", "", 0);
    fake_complete(fake_first(), 1);
    client_close(c, true);
    client_free(c);
    fake_complete(fake_first(), 0);
    ASSERT_INT_EQ(fake_db.commits, 1);
    ASSERT_INT_EQ(step_runs[2], 0);
    finish();
}

TEST(runner, waits_for_the_timer_of_a_step_that_asked_for_one)
{
    begin();
    struct client *c = client_call("/test.S/Waits", "", 0);
    ASSERT_INT_EQ(step_runs[0], 1);
    rig_advance(102);
    ASSERT_INT_EQ(step_runs[0], 2);
    rig_advance(50);
    ASSERT_INT_EQ(step_runs[0], 2);
    rig_advance(52);
    ASSERT_INT_EQ(step_runs[0], 3);
    expect_end(c, STATUS_OK);
    finish();
}

TEST(runner, wakes_a_parked_call_at_the_end_of_the_turn)
{
    begin();
    struct client *c = client_call("/test.S/Sleeps", "", 0);
    call_wake(seen);
    call_wake(seen);
    ASSERT_INT_EQ(step_runs[0], 1);
    rig_turn();
    ASSERT_INT_EQ(step_runs[0], 2);
    expect_end(c, STATUS_OK);
    finish();
}

TEST(runner, lets_parked_calls_end_themselves_when_the_server_drains)
{
    begin();
    struct client *c = client_call("/test.S/Sleeps", "", 0);
    server_drain(rig.server);
    rig_turn();
    expect_end(c, STATUS_UNAVAILABLE);
    finish();
}

TEST(runner, ends_what_is_left_when_the_grace_is_over)
{
    begin();
    struct client *c = client_call("/test.S/Phases", "", 0);
    struct client *d = client_call("/test.S/Phases", "", 0);
    server_drain(rig.server);
    rig_advance(24000);
    ASSERT_INT_EQ(client_status(c), -1);
    rig_advance(1002);
    expect_end(c, STATUS_UNAVAILABLE);
    expect_end(d, STATUS_UNAVAILABLE);
    ASSERT_INT_EQ(fake_db.rollbacks, 2);
    finish();
}

static void on_internal_end(void *ctx, enum reason reason)
{
    (void)ctx;
    internal_ends++;
    internal_reason = reason;
}

TEST(runner, runs_handlers_without_a_client)
{
    begin();
    ASSERT_INT_EQ(call_run_internal(rig.server, &two_tx, NULL, 500, on_internal_end, NULL), 0);
    ASSERT_INT_EQ(step_runs[0], 0);
    rig_turn();
    fake_complete(fake_first(), 1);
    fake_complete(fake_first(), 2);
    fake_complete(fake_first(), 0);
    ASSERT_INT_EQ(internal_ends, 1);
    ASSERT_INT_EQ(internal_reason, REASON_NONE);
    ASSERT_INT_EQ(call_run_internal(rig.server, &two_tx, NULL, 500, on_internal_end, NULL), 0);
    rig_turn();
    rig_advance(502);
    ASSERT_INT_EQ(internal_ends, 2);
    ASSERT_INT_EQ(internal_reason, REASON_DEADLINE_PASSED);
    server_drain(rig.server);
    ASSERT_TRUE(call_run_internal(rig.server, &two_tx, NULL, 500, on_internal_end, NULL) < 0);
    finish();
}

static void answer_twice(void *arg)
{
    (void)arg;
    struct call_impl *ci = call_new(rig.server, NULL);
    ci->pub.method = registry_find(rig.server->registry, STR("/test.S/Two"));
    call_fail(&ci->pub, REASON_NOT_FOUND);
    call_fail(&ci->pub, REASON_NOT_FOUND);
}

TEST(runner, stops_a_handler_that_answers_twice)
{
    begin();
    ASSERT_TRUE(test_aborts(answer_twice, NULL));
    finish();
}
