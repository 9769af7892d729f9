/* Retention: deletes what nobody needs any more. Run by jobs.c as an internal call. What must stay
 * true: it takes small bites, so that nobody waits long for a row it has locked. What no index
 * knows the age of is walked over by its key, a stretch each time. */
#include "jobs/internal.h"

#define PRUNE_ROWS 2000
#define WALK_ROWS 1000

struct retain {
    struct jobs_prune_claims_row claims;
    struct jobs_prune_changes_row changes;
    struct jobs_expire_quotes_row quotes;
    struct jobs_prune_throttles_row throttles;
    struct jobs_prune_accounts_row accounts;
};

static enum step prune_by_time(struct call *c)
{
    struct retain *s = c->state;
    jobs_prune_claims(c, &s->claims, PRUNE_ROWS);
    jobs_prune_changes(c, &s->changes, PRUNE_ROWS);
    jobs_expire_quotes(c, &s->quotes, PRUNE_ROWS);
    return STEP_NEXT;
}

static enum step prune_by_key(struct call *c)
{
    struct retain *s = c->state;
    const struct jobs_task *task = call_request(c);
    jobs_prune_throttles(c, &s->throttles, task->jobs->throttles_after, WALK_ROWS);
    jobs_prune_accounts(c, &s->accounts, task->jobs->accounts_after, WALK_ROWS, PRUNE_ROWS);
    return STEP_NEXT;
}

/* A full bite: there is more, so the next does not wait for its turn. Nor does it where much of
 * a stretch was forgotten: an attack may be adding faster than that. */
static enum step report(struct call *c)
{
    const struct retain *s = c->state;
    const struct jobs_task *task = call_request(c);
    struct jobs *jobs = task->jobs;
    int32_t pruned =
        s->claims.pruned + s->quotes.expired + s->throttles.pruned + s->accounts.pruned;
    jobs->throttles_after = s->throttles.has_next ? s->throttles.next : (struct uuid){0};
    jobs->accounts_after = s->accounts.has_next ? s->accounts.next : (struct uuid){0};
    if (s->claims.pruned >= PRUNE_ROWS || s->changes.pruned == PRUNE_ROWS ||
        s->quotes.expired == PRUNE_ROWS || s->throttles.pruned >= WALK_ROWS / 4 ||
        s->accounts.pruned >= PRUNE_ROWS)
        jobs->tasks[JOBS_RETAIN].next_ns = 0;
    if (pruned > 0)
        call_note(c, "pruned", "%d", pruned);
    return call_reply(c, NULL);
}

static const struct step_def steps[] = {
    STEP(prune_by_time),
    STEP(prune_by_key),
    STEP(report),
};

const struct rpc_handler jobs_retain_handler = {
    .method = "Retain",
    RPC_STEPS(steps, struct retain),
};
