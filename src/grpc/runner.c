/* The step runner: deadline, cancellation, restart, transaction and the one end of every call
 * (style.md section 2). intake and call_run_internal start calls; operations, timers and wake-ups
 * resume them. What must stay true: no step runs inside another step; none runs after the call was
 * interrupted; a call ends once; a reply leaves only after COMMIT succeeded; behind a COMMIT that
 * was sent nothing is undone. */
#include "base/check.h"
#include "grpc/internal.h"

#define RETRY_MAX_DEFAULT 3
#define SPINS_MAX 100000 /* a STEP_AGAIN that waits for nothing is a bug */

static void run(struct call_impl *ci);
static void conclude(struct call_impl *ci);

static struct call_impl *of_scope(struct op_scope *scope)
{
    return list_entry(scope, struct call_impl, pub.scope);
}

/* ---- beginning ---- */

static void on_deadline(struct wheel_timer *timer)
{
    struct call_impl *ci = list_entry(timer, struct call_impl, deadline);
    if (ci->phase == CALL_ENDED) /* answered, and the client does not take the answer */
        h2_reset(ci->stream, H2_CANCEL);
    else
        call_interrupt(ci, ci->deadline_reason);
}

void call_arm(struct call_impl *ci, int64_t timeout_ns)
{
    struct server *server = ci->pub.server;
    wheel_timer_init(&ci->deadline, on_deadline);
    int64_t now_ns = server->loop->now_ns;
    ci->pub.scope.deadline_ns =
        timeout_ns < 0 || timeout_ns > INT64_MAX - now_ns ? INT64_MAX : now_ns + timeout_ns;
    if (timeout_ns >= 0)
        wheel_set(&server->wheel, &ci->deadline, ci->pub.scope.deadline_ns);
}

static void begin_attempt(struct call_impl *ci)
{
    struct call *c = &ci->pub;
    c->state =
        ci->handler->state_bytes > 0 ? arena_alloc(&c->arena, ci->handler->state_bytes) : NULL;
    c->scope.want_tx = ci->handler->tx == TX_WRITE;
    ci->step = 0;
    ci->parked = false;
}

/* A stream must not outlive the token that opened it. */
static void end_with_token(struct call_impl *ci)
{
    struct server *server = ci->pub.server;
    const struct principal *principal = &ci->pub.principal;
    if (!principal->known || !ci->pub.method->server_streaming || principal->expire_wall_ns <= 0)
        return;
    int64_t left_ns = principal->expire_wall_ns - server_wall_ns(server);
    int64_t expire_ns = server->loop->now_ns + (left_ns > 0 ? left_ns : 0);
    if (expire_ns >= ci->pub.scope.deadline_ns)
        return;
    ci->deadline_reason = REASON_TOKEN_EXPIRED;
    ci->pub.scope.deadline_ns = expire_ns;
    wheel_set(&server->wheel, &ci->deadline, expire_ns);
}

static void on_progress(struct op_scope *scope);

static void on_wake(struct wheel_timer *timer)
{
    struct call_impl *ci = list_entry(timer, struct call_impl, wake);
    if (ci->parked)
        call_resume_parked(ci);
    else if (ci->pub.scope.pending == 0)
        on_progress(&ci->pub.scope);
}

void call_start(struct call_impl *ci)
{
    struct call *c = &ci->pub;
    CHECK(ci->phase == CALL_RECEIVING);
    int64_t deadline_ns = c->scope.deadline_ns;
    op_scope_init(&c->scope, &c->arena, on_progress);
    c->scope.deadline_ns = deadline_ns;
    c->scope.db = c->server->hooks.db;
    if (!ci->handler)
        ci->handler = c->method->handler;
    CHECK(ci->handler->step_count > 0);
    CHECK(ci->handler->step_count <= RPC_STEPS_MAX);
    wheel_timer_init(&ci->wake, on_wake);
    end_with_token(ci);
    ci->phase = CALL_RUNNING;
    ci->run_ns = c->server->loop->now_ns;
    begin_attempt(ci);
    run(ci);
}

/* ---- restart ---- */

static void give_up_transaction(struct call_impl *ci)
{
    struct op_scope *scope = &ci->pub.scope;
    op_scope_detach_all(scope);
    if ((scope->want_tx || scope->lease) && ci->pub.server->hooks.tx)
        ci->pub.server->hooks.tx->rollback(scope);
    scope->commit_sent = false;
}

/* Back to step one with zeroed state: everything in the arena is gone, the request is not. */
static void restart(struct call_impl *ci)
{
    struct call *c = &ci->pub;
    give_up_transaction(ci);
    call_run_cleanups(ci);
    wheel_clear(&ci->wake);
    arena_reset(&c->arena);
    ci->answered = false;
    ci->commit_asked = ci->commit_started = false;
    ci->replayed = false;
    ci->reply_compressed = false;
    ci->compress = COMPRESS_BY_SIZE;
    ci->has_pushback = false;
    ci->reason = REASON_NONE;
    ci->code = STATUS_OK;
    ci->reply = ci->packed = (struct str){0};
    ci->sent_headers = ci->sent_trailers = (struct sent_fields){0};
    ci->reply_bytes = 0;
    ci->fact_count = 0;
    ci->note_count = 0;
    ci->violations.count = 0;
    c->scope.error = (struct op_error){0};
    c->scope.alone = false;
    c->attempt++;
    ci->phase = CALL_RUNNING;
    begin_attempt(ci);
}

/* Whether the failed unit can be run again without repeating work that is already in the database:
 * a transaction can, from the start of the call, unless an earlier one of this call was committed.
 * Outside of transactions a statement is a unit: in the first step that is the call, later it is
 * the step, if it started nothing else. */
enum again { AGAIN_NEVER, AGAIN_CALL, AGAIN_STEP };

static enum again may_run_again(const struct call_impl *ci)
{
    unsigned retry_max = ci->handler->retry_max > 0 ? ci->handler->retry_max : RETRY_MAX_DEFAULT;
    /* What was read from or sent into a stream cannot be read or unsent; an answer may rest on what
     * the step learned. */
    bool is_consumed = ci->pub.method->client_streaming || ci->headers_sent;
    if (!ci->pub.scope.error.restart || ci->pub.attempt > retry_max || ci->committed ||
        is_consumed || ci->interrupted)
        return AGAIN_NEVER;
    if (ci->pub.scope.want_tx || ci->step == 0)
        return AGAIN_CALL;
    return ci->step_ops <= 1 && !ci->answered ? AGAIN_STEP : AGAIN_NEVER;
}

static enum reason reason_of_error(const struct call_impl *ci, const struct op_error *error)
{
    /* What only reads can simply be read again. */
    if (error->unknown && ci->pub.method->policy.changes_nothing)
        return REASON_DATABASE_UNAVAILABLE;
    if (error->unknown)
        return REASON_OUTCOME_UNKNOWN;
    if (ci->interrupted != REASON_NONE)
        return ci->interrupted;
    return error->restart ? REASON_CONFLICT : error->reason;
}

/* Something that the call waited for failed. True: run the (new) current step; false: the call has
 * ended. */
static bool recover(struct call_impl *ci)
{
    struct op_scope *scope = &ci->pub.scope;
    const struct op_error error = scope->error;
    switch (may_run_again(ci)) {
    case AGAIN_CALL:
        restart(ci);
        return true;
    case AGAIN_STEP:
        scope->error = (struct op_error){0};
        ci->pub.attempt++;
        return true;
    case AGAIN_NEVER:
        break;
    }
    char *detail = error.detail[0] != '\0' ? arena_try(&ci->pub.arena, sizeof error.detail) : NULL;
    if (detail)
        memcpy(detail, error.detail, sizeof error.detail);
    ci->detail = detail;
    call_set_reason(ci, reason_of_error(ci, &error));
    call_finish(ci);
    return false;
}

/* ---- steps ---- */

static void step_begun(struct call_impl *ci)
{
    ci->step_started_ns = ci->pub.server->loop->now_ns;
    ci->step_open = true;
}

/* A step's time reaches to the arrival of what it started; of those that one turn of the loop runs
 * the last one has it all. */
static void step_ended(struct call_impl *ci, int64_t now_ns)
{
    if (!ci->step_open)
        return;
    ci->step_open = false;
    struct obs *obs = ci->pub.server->obs;
    int64_t took_ns = now_ns - ci->step_started_ns;
    int index = ci->pub.method->obs_steps[ci->step];
    ci->step_us[ci->step] += (uint32_t)(took_ns / NS_PER_US);
    if (obs && index >= 0)
        obs_step_ended(obs, index, took_ns);
}

/* call_commit waits until the step's statements are done: the database sends COMMIT behind them, on
 * its own. True: there is a COMMIT to wait for. */
static bool start_commit(struct call_impl *ci)
{
    struct op_scope *scope = &ci->pub.scope;
    if (!ci->commit_asked || ci->commit_started || scope->error.reason != REASON_NONE)
        return false;
    ci->commit_started = true;
    if (!scope->lease)
        return false; /* nothing was begun */
    scope->in_step = true;
    ci->pub.server->hooks.tx->commit(scope);
    scope->in_step = false;
    return scope->pending > 0;
}

static void end_commit(struct call_impl *ci)
{
    struct op_scope *scope = &ci->pub.scope;
    bool is_durable = ci->commit_asked && scope->error.reason == REASON_NONE;
    ci->commit_asked = ci->commit_started = false;
    if (!is_durable)
        return;
    ci->committed = true;
    scope->want_tx = ci->handler->tx == TX_WRITE;
}

/* What the step waited for is here. True: run the current step; false: the call has ended or waits
 * for its COMMIT. */
static bool settle(struct call_impl *ci)
{
    struct op_scope *scope = &ci->pub.scope;
    if (start_commit(ci))
        return false;
    scope->commit_sent = false;
    if (!ci->answered || scope->lease || scope->error.reason != REASON_NONE) /* else it ends now */
        step_ended(ci, ci->pub.server->loop->now_ns);
    end_commit(ci);
    if (scope->error.reason != REASON_NONE)
        return recover(ci);
    if (ci->interrupted != REASON_NONE) {
        call_set_reason(ci, ci->interrupted);
        call_finish(ci);
        return false;
    }
    if (ci->answered) {
        conclude(ci);
        return false;
    }
    if (ci->last == STEP_NEXT)
        ci->step++;
    CHECK(ci->step < ci->handler->step_count); /* the table's last step must answer */
    return true;
}

static enum step run_step(struct call_impl *ci)
{
    struct op_scope *scope = &ci->pub.scope;
    CHECK(ci->phase == CALL_RUNNING);
    CHECK(!scope->in_step);
    step_begun(ci);
    scope->in_step = true;
    enum step said = ci->handler->steps[ci->step].run(&ci->pub);
    scope->in_step = false;
    ci->step_ops = scope->pending;
    ci->last = said;
    CHECK((said == STEP_DONE) ==
          ci->answered); /* STEP_DONE is what call_reply and call_fail return, and nothing else */
    return said;
}

static void run(struct call_impl *ci)
{
    for (unsigned spins = 0;; spins++) {
        CHECK(spins < SPINS_MAX);
        enum step said = run_step(ci);
        /* A failure undoes what is open, unless the same step has asked for it to be kept. */
        bool has_failed = said == STEP_DONE && ci->code != STATUS_OK && !ci->commit_asked;
        if (ci->broken || has_failed) {
            call_finish(ci);
            return;
        }
        bool has_error = ci->pub.scope.error.reason != REASON_NONE;
        if (ci->pub.scope.pending > 0) {
            ci->parked = said == STEP_PARK;
            return;
        }
        if (said == STEP_PARK && !has_error) {
            ci->parked = true;
            return;
        }
        bool waits_for_timer = said != STEP_DONE && !list_is_empty(&ci->wake.node);
        if (waits_for_timer && !has_error)
            return;
        if (!settle(ci))
            return;
    }
}

/* pending has reached 0 outside of any step. */
static void on_progress(struct op_scope *scope)
{
    struct call_impl *ci = of_scope(scope);
    if (ci->phase == CALL_COMMITTING) {
        scope->commit_sent = false;
        if (scope->error.reason == REASON_NONE)
            call_finish(ci);
        else if (recover(ci))
            run(ci);
        return;
    }
    if (ci->phase != CALL_RUNNING)
        return;
    bool must_settle =
        scope->error.reason != REASON_NONE || ci->interrupted != REASON_NONE || ci->answered;
    if (!must_settle && !ci->parked && !list_is_empty(&ci->wake.node))
        return; /* call_wake_after: the timer is waited for as well */
    ci->parked = false;
    wheel_clear(&ci->wake);
    if (settle(ci))
        run(ci);
}

void call_resume_parked(struct call_impl *ci)
{
    if (ci->phase != CALL_RUNNING || !ci->parked || ci->interrupted != REASON_NONE)
        return;
    ci->parked = false;
    wheel_clear(&ci->wake);
    step_ended(ci, ci->pub.server->loop->now_ns);
    run(ci);
}

void call_wake_after(struct call *c, uint32_t delay_ms)
{
    struct call_impl *ci = call_impl_of(c);
    wheel_set(&c->server->wheel, &ci->wake, c->server->loop->now_ns + delay_ms * NS_PER_MS);
}

void call_commit(struct call *c)
{
    struct call_impl *ci = call_impl_of(c);
    CHECK(c->scope.in_step);
    ci->commit_asked = c->scope.want_tx; /* else every statement commits by itself */
}

/* ---- the end ---- */

/* Answered, and nothing is pending: what an OK stands for is made durable before it leaves. */
static void conclude(struct call_impl *ci)
{
    struct op_scope *scope = &ci->pub.scope;
    wheel_clear(&ci->wake);
    if (!scope->lease || ci->code != STATUS_OK) {
        call_finish(ci);
        return;
    }
    ci->phase = CALL_COMMITTING;
    scope->in_step = true;
    ci->pub.server->hooks.tx->commit(scope);
    scope->in_step = false;
    if (scope->pending == 0)
        on_progress(scope);
}

void call_interrupt(struct call_impl *ci, enum reason reason)
{
    if (ci->phase == CALL_ENDED)
        return;
    bool has_steps = ci->phase == CALL_RUNNING || ci->phase == CALL_COMMITTING;
    CHECK(!has_steps || !ci->pub.scope.in_step);
    if (has_steps && ci->pub.scope.commit_sent) {
        if (ci->interrupted == REASON_NONE)
            ci->interrupted = reason;
        return;
    }
    call_set_reason(ci, reason);
    call_finish(ci);
}

void call_run_cleanups(struct call_impl *ci)
{
    while (ci->cleanup_count > 0) {
        struct call_cleanup cleanup = ci->cleanups[--ci->cleanup_count];
        cleanup.fn(cleanup.arg);
    }
}

static void account(struct call_impl *ci)
{
    struct server *server = ci->pub.server;
    const struct rpc_method *method = ci->pub.method;
    if (!ci->is_internal)
        *(ci->code == STATUS_OK ? &server->tally.succeeded : &server->tally.failed) += 1;
    if (!server->obs)
        return;
    int index = method ? method->obs : server->obs_other;
    if (index >= 0)
        obs_call_ended(server->obs, index, ci->code, ci->reason, ci->ended_ns - ci->started_ns,
                       ci->request_bytes, ci->reply_bytes);
    call_log(ci);
}

void call_finish(struct call_impl *ci)
{
    struct server *server = ci->pub.server;
    CHECK(ci->phase != CALL_ENDED);
    ci->ended_ns = server->loop->now_ns;
    if (ci->phase >= CALL_RUNNING) {
        /* The loop's clock stands still for a turn, in which a search begins and ends. */
        if (ci->ended_ns == ci->step_started_ns)
            ci->ended_ns = clock_mono_ns(server->loop->clock);
        step_ended(ci, ci->ended_ns);
        if (ci->code != STATUS_OK)
            give_up_transaction(ci);
        CHECK(ci->pub.scope.pending == 0);
    }
    ci->phase = CALL_ENDED;
    wheel_clear(&ci->wake);
    if (ci->counted) {
        list_remove(&ci->node);
        server->calls_in_flight--;
        if (!ci->is_internal)
            overload_ended(ci);
    }
    if (ci->stream) {
        if (ci->unacked > 0)
            h2_consume(ci->stream, ci->unacked);
        ci->unacked = 0;
        call_send_answer(ci);
    }
    account(ci);
    call_run_cleanups(ci);
    void (*on_end)(void *, enum reason) = ci->on_end;
    void *ctx = ci->on_end_ctx;
    enum reason reason = ci->reason;
    if (!ci->stream)
        call_release(ci);
    if (on_end)
        on_end(ctx, reason);
}
