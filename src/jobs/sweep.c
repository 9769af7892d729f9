/* Sweeps: unpaid holds past their lease, and what nobody needs any more. Run by jobs.c as internal
 * calls. What must stay true: a sweep takes small bites, so that nobody waits long for a row it has
 * locked. */
#include "base/check.h"
#include "jobs/internal.h"

#define EXPIRE_ROWS 200
#define EXPIRE_ROUNDS_MAX 50
#define LAG_US (60 * INT64_C(1000000)) /* longer than anybody may keep a booking locked */
#define OVERLAP_US INT64_C(1000000)    /* of two sweeps, for who was locked for a moment */
#define WIDE_EVERY_NS (5 * NS_PER_S)
#define PRUNE_ROWS 2000

struct expire {
    struct jobs_expire_row row;
    unsigned rounds;
    bool is_wide;
};

/* Most leases that end belong to bookings that have been paid: the walk over them is kept short.
 * Who was locked by somebody else is found again by the next sweep, or by one that goes all the
 * way. */
static int64_t begin_us(const struct jobs *jobs, bool is_wide)
{
    int64_t begin = jobs->swept_us - OVERLAP_US;
    return is_wide || begin < jobs->watermark_us ? jobs->watermark_us : begin;
}

static enum step expire(struct call *c)
{
    struct expire *s = c->state;
    const struct jobs_task *task = call_request(c);
    bool more = s->rounds == 0 || (s->row.expired == EXPIRE_ROWS && s->rounds < EXPIRE_ROUNDS_MAX);
    if (!more)
        return STEP_NEXT;
    if (s->rounds++ == 0)
        s->is_wide = task->jobs->app->loop->now_ns >= task->jobs->wide_ns;
    jobs_expire(c, &s->row, begin_us(task->jobs, s->is_wide), EXPIRE_ROWS);
    return STEP_AGAIN;
}

/* By the database's clock, which is the one that leases are written by. */
static enum step move_on(struct call *c)
{
    const struct expire *s = c->state;
    const struct jobs_task *task = call_request(c);
    struct jobs *jobs = task->jobs;
    if (s->row.expired < EXPIRE_ROWS) {
        jobs->swept_us = s->row.clock;
        if (s->is_wide) {
            jobs->wide_ns = jobs->app->loop->now_ns + WIDE_EVERY_NS;
            if (s->row.clock - LAG_US > jobs->watermark_us)
                jobs->watermark_us = s->row.clock - LAG_US;
        }
    }
    int64_t expired = (int64_t)(s->rounds - 1) * EXPIRE_ROWS + s->row.expired;
    if (expired > 0)
        call_note(c, "expired", "%lld", (long long)expired);
    return call_reply(c, NULL);
}

static const struct step_def expire_steps[] = {
    STEP(expire),
    STEP(move_on),
};

const struct rpc_handler jobs_expire_handler = {
    .method = "ExpireHolds",
    RPC_STEPS(expire_steps, struct expire),
};

struct retain {
    struct jobs_prune_claims_row claims;
    struct jobs_prune_changes_row changes;
    struct jobs_expire_quotes_row quotes;
};

static enum step prune_claims(struct call *c)
{
    struct retain *s = c->state;
    jobs_prune_claims(c, &s->claims, PRUNE_ROWS);
    return STEP_NEXT;
}

static enum step prune_changes(struct call *c)
{
    struct retain *s = c->state;
    jobs_prune_changes(c, &s->changes, PRUNE_ROWS);
    return STEP_NEXT;
}

static enum step expire_quotes(struct call *c)
{
    struct retain *s = c->state;
    jobs_expire_quotes(c, &s->quotes, PRUNE_ROWS);
    return STEP_NEXT;
}

/* A full bite: there is more, so the next does not wait for its turn. */
static enum step report(struct call *c)
{
    const struct retain *s = c->state;
    const struct jobs_task *task = call_request(c);
    int32_t pruned = s->claims.pruned + s->quotes.expired;
    if (s->claims.pruned == PRUNE_ROWS || s->changes.pruned == PRUNE_ROWS ||
        s->quotes.expired == PRUNE_ROWS)
        task->jobs->tasks[JOBS_RETAIN].next_ns = 0;
    if (pruned > 0)
        call_note(c, "pruned", "%d", pruned);
    return call_reply(c, NULL);
}

static const struct step_def retain_steps[] = {
    STEP(prune_claims),
    STEP(prune_changes),
    STEP(expire_quotes),
    STEP(report),
};

const struct rpc_handler jobs_retain_handler = {
    .method = "Retain",
    RPC_STEPS(retain_steps, struct retain),
};
