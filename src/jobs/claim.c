/* Claims what is due, as much as there are free slots, and starts one internal call for each; and
 * makes due, slots or not, what its calls have left alone. Run by jobs.c at each tick. What must
 * stay true: a claimed row's due_time is pushed forward in the statement that claims it, so nobody
 * else takes it meanwhile, and it is taken again if this process dies. */
#include "jobs/internal.h"

#define WATCHES 64 /* at once; as long as there are so many it goes on */
#define WATCH_ROUNDS_MAX 100

struct watches {
    struct jobs_release_watches_row row;
    unsigned rounds;
};

static enum step release_watches(struct call *c)
{
    struct watches *s = c->state;
    bool done = s->rounds > 0 && s->row.taken < WATCHES;
    if (done || s->rounds++ == WATCH_ROUNDS_MAX)
        return call_reply(c, NULL);
    jobs_release_watches(c, &s->row, WATCHES);
    return STEP_AGAIN;
}

static const struct step_def watches_steps[] = {STEP(release_watches)};

const struct rpc_handler jobs_watches_handler = {
    .method = "ReleaseWatches",
    RPC_STEPS(watches_steps, struct watches),
};

struct attempts {
    struct jobs_due_attempts_rows due;
};

static enum step claim_attempts(struct call *c)
{
    struct attempts *s = c->state;
    const struct jobs_task *task = call_request(c);
    const struct app *app = app_of(c);
    jobs_due_attempts(c, &s->due, str_of(provider_name(app)), jobs_room(task), jobs_lease_s(app));
    return STEP_NEXT;
}

static struct jobs_task *task_of(const struct call *c, unsigned index)
{
    const struct jobs_task *task = call_request(c);
    return &task->jobs->tasks[index];
}

static enum step start_attempts(struct call *c)
{
    const struct attempts *s = c->state;
    for (uint32_t i = 0; i < s->due.count; i++) {
        const struct jobs_due_attempts_row *row = &s->due.rows[i];
        struct jobs_item item = {
            .booking_id = row->booking_id,
            .id = row->attempt_id,
            .intent_id = row->intent_id,
            .amount_minor = row->amount_minor,
            .age_s = row->age_seconds,
            .inquiry_count = row->inquiry_count,
            .pin_passed = row->pin_passed,
        };
        jobs_word(item.state, row->state);
        jobs_word(item.booking_state, row->booking_state);
        jobs_word(item.reference, row->provider_reference);
        jobs_word(item.currency, row->currency);
        jobs_take(task_of(c, JOBS_ATTEMPTS), &item);
    }
    return call_reply(c, NULL);
}

static const struct step_def attempts_steps[] = {
    STEP(claim_attempts),
    STEP(start_attempts),
};

const struct rpc_handler jobs_attempts_handler = {
    .method = "ClaimAttempts",
    RPC_STEPS(attempts_steps, struct attempts),
};

struct refunds {
    struct jobs_due_refunds_rows due;
};

static enum step claim_refunds(struct call *c)
{
    struct refunds *s = c->state;
    const struct jobs_task *task = call_request(c);
    const struct app *app = app_of(c);
    jobs_due_refunds(c, &s->due, str_of(provider_name(app)), jobs_room(task), jobs_lease_s(app));
    return STEP_NEXT;
}

static enum step start_refunds(struct call *c)
{
    const struct refunds *s = c->state;
    for (uint32_t i = 0; i < s->due.count; i++) {
        const struct jobs_due_refunds_row *row = &s->due.rows[i];
        struct jobs_item item = {
            .booking_id = row->booking_id,
            .id = row->refund_id,
            .amount_minor = row->amount_minor,
            .age_s = row->sent_age_seconds,
            .inquiry_count = row->inquiry_count,
            .try_count = row->try_count,
            .is_known = row->is_known,
        };
        jobs_word(item.state, row->state);
        jobs_word(item.reference, row->payment_reference);
        jobs_word(item.currency, row->currency);
        jobs_take(task_of(c, JOBS_REFUNDS), &item);
    }
    return call_reply(c, NULL);
}

static const struct step_def refunds_steps[] = {
    STEP(claim_refunds),
    STEP(start_refunds),
};

const struct rpc_handler jobs_refunds_handler = {
    .method = "ClaimRefunds",
    RPC_STEPS(refunds_steps, struct refunds),
};
