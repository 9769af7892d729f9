/* See drive.h. What must stay true: nothing here knows what a handler does, only how it waits and
 * what it may answer. */
#include "drive.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/check.h"
#include "google/rpc/error_details.pb-c.h"
#include "google/rpc/status.pb-c.h"
#include "grpc/base64.h"

#define DEADLINE_MS 1205 /* not a multiple of what the handlers sleep */
#define GRACE_MS 205
#define TICK_MS 5
#define COMPLAINTS_MAX 100

static const char *const names[] = {
    "nothing", "cancel",     "deadline",     "shutdown",       "connection lost",
    "stopped", "40001 once", "40001 always", "database error", "database down",
};

bool run_complain(struct run *run, const char *format, ...)
{
    static unsigned complaints;
    va_list args;
    run->failed = true;
    if (complaints++ >= COMPLAINTS_MAX)
        return false;
    printf("torture: %s%s%s, %s at %u, mood %d, choices", run->test->method,
           run->test->what[0] ? " " : "", run->test->what, names[run->interruption], run->at,
           run->mood);
    for (unsigned i = 0; i < world.script.used; i++)
        printf(" %u/%u", world.script.value[i], world.script.of[i]);
    printf(": ");
    va_start(args, format);
    vprintf(format, args);
    va_end(args);
    printf("\n");
    return false;
}

static bool is_over(const struct run *run)
{
    return run->client->end_count > 0 || run->client->is_reset || run->client->is_closed;
}

/* ---- starting ---- */

static enum reason authenticate(void *app, struct str token, int64_t wall_ns,
                                struct principal *ret_principal)
{
    (void)app;
    static const enum role roles[] = {[CALLER_TRAVELLER] = ROLE_TRAVELLER,
                                      [CALLER_SUPPORT] = ROLE_SUPPORT,
                                      [CALLER_ADMIN] = ROLE_ADMIN};
    *ret_principal = (struct principal){
        .known = true,
        .user_id = world_user,
        .session_id = world_session,
        .roles = 1u << roles[token.p[0] - '0'],
        .expire_wall_ns = wall_ns + 600 * NS_PER_S,
    };
    return REASON_NONE;
}

static void start(struct run *run)
{
    struct server_limits limits = server_limits_default;
    struct rpc_method method = *run->subject->method;
    limits.drain_grace_ms = GRACE_MS;
    if (run->arena_bytes_max > 0)
        limits.arena_bytes_max = run->arena_bytes_max;
    method.policy.deadline_default_ms = DEADLINE_MS;
    method.policy.rate_per_minute_max = 0;
    rig_start(&method, 1, &limits);
    rig.server->hooks.authenticate = authenticate;
    rig.server->hooks.app = &world.app;
    rig.server->hooks.tx = &db_tx;
    world_reset();
    world.is_instant = run->mood == INSTANT;
    world.commit_is_queued = run->mood == COMMIT_QUEUED;
    world.is_reversed = run->mood == REVERSED;
    if (run->interruption == DATABASE_DOWN) {
        world.statements_until_down = run->at;
        run->interrupted = true;
        run->interrupted_before_commit = true;
    }
    static char path[128], token[] = "Bearer 0"; /* headers stay readable as long as their stream */
    snprintf(path, sizeof path, "%.*s", (int)method.path.n, method.path.p);
    token[sizeof token - 2] = (char)('0' + run->test->caller);
    run->client = client_new();
    client_head(run->client, path);
    client_header(run->client, "authorization", token);
    client_head_end(run->client);
    client_message(run->client, run->request.p, run->request.n);
    client_end(run->client);
}

/* ---- driving ---- */

static bool is_database(const struct pending *p)
{
    return p->waiting == WAIT_STATEMENT || p->waiting == WAIT_COMMIT;
}

/* The world goes on by one thing: what is waited for comes, or time passes. */
static void proceed(void)
{
    struct pending *p = world_next();
    if (p)
        world_complete(p);
    else
        rig_advance(TICK_MS);
    rig_turn();
}

static bool is_open(const struct pending *p)
{
    bool found = false;
    list_for_each(node, &world.open) {
        found |= list_entry(node, struct pending, node) == p;
    }
    return found;
}

/* What the database would say of @p, by what is known about it. */
static void fail_one(struct pending *p, enum interruption what)
{
    bool is_commit = p->waiting == WAIT_COMMIT;
    bool is_unknown = is_commit || (!p->in_tx && !p->statement->is_read);
    switch (what) {
    case CONNECTION_LOST:
        if (is_unknown)
            world_fail(p, REASON_OUTCOME_UNKNOWN, false, true);
        else
            world_fail(p, REASON_DATABASE_UNAVAILABLE, p->in_tx, false);
        break;
    case DATABASE_STOPPED:
        if (is_commit)
            world_fail(p, REASON_OUTCOME_UNKNOWN, false, true);
        else
            world_fail(p, REASON_DATABASE_UNAVAILABLE, true, false);
        break;
    case SERIALIZATION:
    case SERIALIZATION_ALWAYS:
        world_fail(p, REASON_CONFLICT, true, false);
        break;
    default:
        world_fail(p, REASON_INTERNAL_ERROR, false, false);
        break;
    }
}

/* Everything that is open when the connection breaks fails alike. */
static void fail_open(enum interruption what)
{
    struct pending *batch[16];
    unsigned count = 0;
    list_for_each(node, &world.open) {
        CHECK(count < 16);
        batch[count++] = list_entry(node, struct pending, node);
    }
    for (unsigned i = 0; i < count; i++) /* ending the call for one may detach the others */
        if (is_open(batch[i]) && is_database(batch[i]))
            fail_one(batch[i], what);
}

/* Bit by bit: what sleeps shorter than this may still wake and work, until the end comes. */
static void pass_time(struct run *run, int64_t ms)
{
    for (int64_t i = 0; i < ms && !is_over(run); i += TICK_MS) {
        run->submitted_then = world.submitted;
        run->commits_then = world.commits;
        rig_advance(TICK_MS);
    }
}

static void interrupt(struct run *run)
{
    struct pending *p = world_next();
    run->interrupted = true;
    if (run->waits == run->at)
        run->interrupted_parallel =
            ((const struct call_impl *)run->client->stream.user)->step_ops > 1;
    run->interrupted_before_commit = !p || !p->scope->commit_sent;
    run->submitted_then = world.submitted;
    run->commits_then = world.commits;
    switch (run->interruption) {
    case CANCEL:
        client_close(run->client, true);
        break;
    case DEADLINE:
        pass_time(run, DEADLINE_MS + TICK_MS);
        break;
    case SHUTDOWN:
        server_drain(rig.server);
        rig_turn(); /* being woken to say goodbye is allowed */
        pass_time(run, GRACE_MS + TICK_MS);
        break;
    default:
        fail_open(run->interruption);
        break;
    }
    rig_turn();
}

static bool has_open_database(void)
{
    bool found = false;
    list_for_each(node, &world.open) {
        found |= is_database(list_entry(node, struct pending, node));
    }
    return found;
}

static void look(struct run *run)
{
    run->choices[run->waits] = world.script.used;
    run->has_database[run->waits] = has_open_database();
    run->had_parallel |= world.open_count > 1;
}

void run_drive(struct run *run)
{
    start(run);
    rig_turn();
    for (run->waits = 0; run->waits < WAITS_MAX && !is_over(run); run->waits++) {
        look(run);
        bool comes = run->interruption != NOTHING && run->interruption != DATABASE_DOWN;
        bool comes_now = comes && run->waits == run->at;
        bool comes_again = run->interruption == SERIALIZATION_ALWAYS && run->waits > run->at &&
                           has_open_database();
        if (comes_now || comes_again)
            interrupt(run);
        else
            proceed();
    }
    run->had_commit = world.leases > 0;
    /* What was past the point of no return comes to its end without the client. */
    for (unsigned i = 0; i < WAITS_MAX && world_next(); i++)
        world_complete(world_next());
    rig_turn();
}

/* ---- the questions ---- */

static bool ends_by_itself(const struct run *run)
{
    return run->interruption == CANCEL || run->interruption == DEADLINE ||
           run->interruption == SHUTDOWN;
}

/* ErrorInfo.reason of the answer; REASON_NONE where there is none. */
static enum reason reason_of(const struct client *c)
{
    enum reason reason = REASON_NONE;
    struct str text = str_of(client_field(c, "grpc-status-details-bin"));
    uint8_t bytes[12288];
    size_t n = 0;
    if (text.n == 0 || base64_decode(text, bytes, &n) < 0)
        return REASON_NONE;
    Google__Rpc__Status *status = google__rpc__status__unpack(NULL, n, bytes);
    for (size_t i = 0; status && i < status->n_details; i++) {
        const Google__Protobuf__Any *any = status->details[i];
        if (!strstr(any->type_url, "ErrorInfo"))
            continue;
        Google__Rpc__ErrorInfo *info =
            google__rpc__error_info__unpack(NULL, any->value.len, any->value.data);
        reason = info ? reason_of_name(info->reason) : REASON_NONE;
        google__rpc__error_info__free_unpacked(info, NULL);
    }
    google__rpc__status__free_unpacked(status, NULL);
    return reason;
}

/* An OK comes with one message of the method's type. */
static bool judge_reply(struct run *run)
{
    struct client *c = run->client;
    client_take(c);
    if (buf_len(&c->body) < FRAME_PREFIX_BYTES)
        return run_complain(run, "OK without a message");
    ProtobufCMessage *reply = protobuf_c_message_unpack(
        run->subject->method->reply, NULL, buf_len(&c->body) - FRAME_PREFIX_BYTES,
        (const uint8_t *)c->body.p + FRAME_PREFIX_BYTES);
    if (!reply)
        return run_complain(run, "the reply is no %s", run->subject->method->reply->name);
    protobuf_c_message_free_unpacked(reply, NULL);
    return true;
}

static bool judge_reason(struct run *run)
{
    struct subject *s = run->subject;
    enum reason reason = reason_of(run->client);
    if (reason == REASON_NONE)
        return run_complain(run, "status %d without a reason", client_status(run->client));
    s->seen[reason] = true;
    if ((int)reason_info(reason)->code != client_status(run->client))
        return run_complain(run, "%s with status %d", reason_info(reason)->name,
                            client_status(run->client));
    if (reason == REASON_INTERNAL_ERROR && run->interruption != REFUSED_BY_DATABASE)
        return run_complain(run, "INTERNAL_ERROR");
    bool was_healable = run->interruption == SERIALIZATION && !run->interrupted_parallel;
    if (reason == REASON_CONFLICT && was_healable)
        return run_complain(run, "CONFLICT, though trying again would have helped");
    if (run->arena_bytes_max > 0 && reason_info(reason)->code == STATUS_RESOURCE_EXHAUSTED)
        return true;
    if (!s->documented.own[reason] && !s->documented.any[reason])
        return run_complain(run, "%s is not among the method's Errors", reason_info(reason)->name);
    return true;
}

static bool judge_status(struct run *run)
{
    const struct client *c = run->client;
    if (c->is_closed)
        return c->end_count == 0 || run_complain(run, "a status was sent to nobody");
    if (c->end_count + c->is_reset != 1)
        return run_complain(run, "%u ends instead of one", c->end_count + c->is_reset);
    if (c->is_reset)
        return ends_by_itself(run) || run_complain(run, "the stream was reset");
    bool is_ok = client_status(c) == STATUS_OK;
    if (is_ok && world.is_somebody_elses && run->test->caller == CALLER_TRAVELLER)
        return run_complain(run, "somebody else's was answered");
    return is_ok ? judge_reply(run) : judge_reason(run);
}

static bool judge_after_interruption(struct run *run)
{
    if (!run->interrupted || !ends_by_itself(run))
        return true;
    if (client_status(run->client) == STATUS_OK && run->interrupted_before_commit)
        return true; /* it was done in time */
    if (world.submitted != run->submitted_then)
        return run_complain(run, "%u operations were started after the end",
                            world.submitted - run->submitted_then);
    if (run->interrupted_before_commit && world.commits != run->commits_then)
        return run_complain(run, "committed after the end");
    if (!run->interrupted_before_commit && world.commits != run->commits_then + 1)
        return run_complain(run, "a COMMIT that was sent got lost");
    return true;
}

/* The call's memory lives until its stream is closed. */
static void measure(struct run *run)
{
    struct subject *s = run->subject;
    const struct call_impl *ci = run->client->stream.user;
    if (run->interrupted || !ci || run->client->is_closed)
        return;
    if (ci->pub.arena.used_bytes > s->arena_peak) {
        s->arena_peak = ci->pub.arena.used_bytes;
        s->peak_case = run->test;
    }
    if (ci->request_arena.used_bytes > s->request_peak)
        s->request_peak = ci->request_arena.used_bytes;
}

bool run_judge(struct run *run)
{
    measure(run);
    if (run->waits == WAITS_MAX)
        run_complain(run, "the call never ends");
    else
        judge_status(run);
    judge_after_interruption(run);
    if (world.fault)
        run_complain(run, "%s", world.fault);
    run->client = client_free(run->client);
    rig_turn();
    if (!rig_is_clean() || !world_is_clean())
        run_complain(run,
                     "left behind: calls %u, chunks %zu, operations %u, leases %u (%u = %u + %u)",
                     rig.server->calls_in_flight, rig.loop.arenas.live_chunks, world.open_count,
                     world.leases_open, world.leases, world.commits, world.rollbacks);
    rig_stop();
    return !run->failed;
}
