/* Visits every RPC x every wait x every interruption and asks the same questions each time: one
 * status, balanced transactions, nothing left in the pools, no step after the end. A test binary of
 * its own: --list names the cases, an argument picks one, the last line is "N passed, N failed".
 * What must stay true: nothing here knows what a handler does; only how it waits. */
#include "torture.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"

#define WAITS_MAX 200
#define DEADLINE_MS 305 /* not a multiple of what the cases sleep */
#define GRACE_MS 205

enum interruption {
    NOTHING,
    CANCEL, /* RST_STREAM, or the client's connection is lost */
    DEADLINE,
    DATABASE_LOST,   /* what is in flight fails: nothing happened */
    OUTCOME_UNKNOWN, /* what is in flight may have happened */
    SERIALIZATION,   /* 40001, once */
    SERIALIZATION_ALWAYS,
    REFUSED_BY_DATABASE, /* an error nobody expected */
    SHUTDOWN,            /* drain, and the grace runs out */
    INTERRUPTIONS,
};

static const char *const names[] = {
    "nothing",    "cancel",       "deadline",       "database lost", "outcome unknown",
    "40001 once", "40001 always", "database error", "shutdown",
};

/* How the database behaves besides. */
enum mood { COMMIT_AT_ONCE, COMMIT_QUEUED, INSTANT, MOODS };

struct run {
    const struct torture_case *test;
    enum interruption interruption;
    unsigned at; /* the wait at which it comes */
    enum mood mood;
    struct client *client;
    unsigned messages_left;
    unsigned waits;
    bool interrupted;
    bool interrupted_before_commit;
    unsigned steps_then; /* torture_steps when the interruption came */
    unsigned commits_then;
};

static unsigned passed, failed;

__attribute__((format(printf, 2, 3))) static bool complain(const struct run *run,
                                                           const char *format, ...)
{
    va_list args;
    va_start(args, format);
    printf("torture: %s, %s at wait %u, mood %d: ", run->test->name, names[run->interruption],
           run->at, run->mood);
    vprintf(format, args);
    printf("\n");
    va_end(args);
    return false;
}

static bool is_over(const struct run *run)
{
    return run->client->end_count > 0 || run->client->is_reset || run->client->is_closed;
}

/* ---- one run ---- */

static void start(struct run *run)
{
    struct server_limits limits = server_limits_default;
    struct rpc_method method = run->test->method;
    limits.stream_queue_bytes_max = 300;
    limits.drain_grace_ms = GRACE_MS;
    method.policy.deadline_default_ms = DEADLINE_MS;
    torture_steps = 0;
    torture_cleanups_open = 0;
    rig_start(&method, 1, &limits);
    fake_db.instant = run->mood == INSTANT;
    fake_db.commit_queued = run->mood == COMMIT_QUEUED;
    run->messages_left = run->test->messages;
    run->client = client_new();
    static char path[64]; /* headers stay readable as long as their stream */
    snprintf(path, sizeof path, "%.*s", (int)method.path.n, method.path.p);
    client_head(run->client, path);
    client_head_end(run->client);
    if (!method.client_streaming) {
        client_message(run->client, run->test->request, run->test->request_bytes);
        client_end(run->client);
    }
}

/* The world goes on by one thing: a statement completes, the client sends or reads, or time passes.
 */
static void proceed(struct run *run)
{
    struct client *c = run->client;
    struct fake_op *f = fake_first();
    if (f) {
        fake_complete(f, 1);
    } else if (run->test->method.client_streaming && run->messages_left > 0) {
        run->messages_left--;
        client_message(c, run->test->request, run->test->request_bytes);
    } else if (run->test->method.client_streaming && !c->stream.request_ended) {
        client_end(c);
    } else if (c->write_count > 0) {
        client_take(c);
    } else {
        rig_advance(10);
    }
    rig_turn();
}

/* Everything that is open when the connection to the database breaks fails alike. */
static void fail_open(enum reason reason, bool restart, bool unknown)
{
    struct fake_op *batch[16];
    unsigned count = 0;
    list_for_each(node, &fake_db.open) {
        CHECK(count < 16);
        batch[count++] = list_entry(node, struct fake_op, node);
    }
    for (unsigned i = 0; i < count; i++) {
        bool is_open = false; /* ending the call for the first may have detached the others */
        list_for_each(node, &fake_db.open) {
            is_open |= list_entry(node, struct fake_op, node) == batch[i];
        }
        if (is_open)
            fake_fail(batch[i], reason, restart, unknown);
    }
}

/* Bit by bit: what sleeps shorter than this may still wake and work, until the end comes. */
static void pass_time(struct run *run, int64_t ms)
{
    for (int64_t i = 0; i < ms && !is_over(run); i++) {
        run->steps_then = torture_steps;
        run->commits_then = fake_db.commits;
        rig_advance(1);
    }
}

static void interrupt(struct run *run)
{
    struct fake_op *f = fake_first();
    run->interrupted = true;
    run->interrupted_before_commit = !f || !f->scope->commit_sent;
    run->steps_then = torture_steps;
    run->commits_then = fake_db.commits;
    switch (run->interruption) {
    case CANCEL:
        client_close(run->client, true);
        break;
    case DEADLINE:
        pass_time(run, DEADLINE_MS + 2);
        break;
    case DATABASE_LOST:
        fail_open(REASON_DATABASE_UNAVAILABLE, false, false);
        break;
    case OUTCOME_UNKNOWN:
        fail_open(REASON_OUTCOME_UNKNOWN, false, true);
        break;
    case SERIALIZATION:
    case SERIALIZATION_ALWAYS:
        fail_open(REASON_CONFLICT, true, false);
        break;
    case REFUSED_BY_DATABASE:
        fail_open(REASON_INTERNAL_ERROR, false, false);
        break;
    case SHUTDOWN:
        server_drain(rig.server);
        rig_turn(); /* being woken to say goodbye is allowed */
        pass_time(run, GRACE_MS + 2);
        break;
    case NOTHING:
    case INTERRUPTIONS:
        break;
    }
    rig_turn();
}

static void drive(struct run *run)
{
    start(run);
    rig_turn();
    for (run->waits = 0; run->waits < WAITS_MAX && !is_over(run); run->waits++) {
        bool comes_now = run->interruption != NOTHING && run->waits == run->at;
        bool comes_again =
            run->interruption == SERIALIZATION_ALWAYS && run->waits > run->at && fake_first();
        if (comes_now || comes_again)
            interrupt(run);
        else
            proceed(run);
    }
    /* What was past the point of no return comes to its end without the client. */
    for (unsigned i = 0; i < WAITS_MAX && fake_first(); i++)
        fake_complete(fake_first(), 1);
    rig_turn();
}

/* ---- the questions ---- */

static bool ends_by_itself(const struct run *run)
{
    return run->interruption == CANCEL || run->interruption == DEADLINE ||
           run->interruption == SHUTDOWN;
}

static bool judge_status(const struct run *run)
{
    const struct client *c = run->client;
    int status = client_status(c);
    if (c->is_closed)
        return c->end_count == 0 || complain(run, "a status was sent to nobody");
    if (c->end_count + c->is_reset != 1)
        return complain(run, "%u ends instead of one", c->end_count + c->is_reset);
    if (c->is_reset)
        return ends_by_itself(run) || complain(run, "the stream was reset");
    if (!run->interrupted || run->interruption == SERIALIZATION)
        return status == STATUS_OK || status == STATUS_FAILED_PRECONDITION ||
               status == STATUS_ABORTED || complain(run, "status %d", status);
    if (status == STATUS_INTERNAL && run->interruption != REFUSED_BY_DATABASE)
        return complain(run, "INTERNAL");
    return true;
}

static bool judge_after_interruption(const struct run *run)
{
    if (!run->interrupted || !ends_by_itself(run))
        return true;
    if (client_status(run->client) == STATUS_OK && run->interrupted_before_commit)
        return true; /* it was done in time */
    if (torture_steps != run->steps_then)
        return complain(run, "%u steps ran after the end", torture_steps - run->steps_then);
    if (run->interrupted_before_commit && fake_db.commits != run->commits_then)
        return complain(run, "committed after the end");
    if (!run->interrupted_before_commit && fake_db.commits != run->commits_then + 1)
        return complain(run, "a COMMIT that was sent got lost");
    return true;
}

static bool judge(struct run *run)
{
    bool ok = judge_status(run) && judge_after_interruption(run);
    if (run->waits == WAITS_MAX)
        ok = complain(run, "the call never ends");
    run->client = client_free(run->client);
    rig_turn();
    if (!rig_is_clean())
        ok = complain(run,
                      "left behind: calls %u, chunks %zu, statements %u, leases %u (%u = %u + %u)",
                      rig.server->calls_in_flight, rig.loop.arenas.live_chunks, fake_db.open_count,
                      fake_db.leases_open, fake_db.leases, fake_db.commits, fake_db.rollbacks);
    if (torture_cleanups_open != 0)
        ok = complain(run, "%d cleanups did not run", torture_cleanups_open);
    rig_stop();
    ok ? passed++ : failed++;
    return ok;
}

/* ---- the enumeration ---- */

static void torture(const struct torture_case *test)
{
    for (enum mood mood = 0; mood < MOODS; mood++) {
        struct run calm = {.test = test, .mood = mood};
        drive(&calm);
        unsigned waits = calm.waits;
        judge(&calm);
        for (enum interruption what = CANCEL; what < INTERRUPTIONS; what++) {
            for (unsigned at = 0; at < waits; at++) {
                struct run run = {.test = test, .mood = mood, .interruption = what, .at = at};
                drive(&run);
                judge(&run);
            }
        }
    }
}

int main(int argc, char **argv)
{
    bool only_list = argc > 1 && strcmp(argv[1], "--list") == 0;
    for (size_t i = 0; i < synthetic_case_count; i++) {
        if (only_list)
            printf("%s\n", synthetic_cases[i].name);
        else if (argc < 2 || strstr(synthetic_cases[i].name, argv[1]))
            torture(&synthetic_cases[i]);
    }
    printf("%u passed, %u failed\n", passed, failed);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
