/* What is not over, as /metrics shows it: payments and refunds that wait for the provider, money
 * that waits for a person, how far unpaid holds have been swept. Run by jobs.c as an internal call.
 * What must stay true: times are shown as instants, and stay as they were while nobody looks, also
 * while this process is started again. */
#include "jobs/internal.h"
#include "obs/obs.h"

#define COUNT_MAX 1000

struct backlog {
    struct jobs_backlog_row row;
};

static const struct {
    const char *name;
    const char *help;
} gauges[JOBS_GAUGES] = {
    [JOBS_PAYMENTS] = {"payments_unresolved",
                       "Payments whose end the provider has not told; 1000: or more."},
    [JOBS_PAYMENTS_SINCE] = {"payments_unresolved_since_seconds",
                             "When the oldest of those looked at began; 0: there is none."},
    [JOBS_REFUNDS_OPEN] = {"refunds_unresolved", "Refunds that have not arrived; 1000: or more."},
    [JOBS_REFUNDS_SINCE] = {"refunds_unresolved_since_seconds",
                            "When the oldest of those looked at began; 0: there is none."},
    [JOBS_ATTENTION] =
        {"attention_open",
         "Open rows of attention_item: money a person must decide on; 1000: or more."},
    [JOBS_ATTENTION_SINCE] = {"attention_open_since_seconds",
                              "When the oldest of them was raised; 0: there is none."},
    [JOBS_SWEPT] = {"holds_swept_until_seconds",
                    "Until when unpaid holds that lapsed have been swept."},
};

void jobs_gauges_init(struct jobs *jobs)
{
    for (unsigned i = 0; i < JOBS_GAUGES; i++)
        jobs->gauges[i] =
            obs_metric(obs_region_of(jobs->obs), gauges[i].name, gauges[i].help, OBS_KEPT);
}

void jobs_gauge(struct jobs *jobs, enum jobs_gauge which, int64_t value)
{
    obs_set(jobs->obs, jobs->gauges[which], (uint64_t)value);
}

static enum step look(struct call *c)
{
    struct backlog *s = c->state;
    jobs_backlog(c, &s->row, COUNT_MAX);
    return STEP_NEXT;
}

static enum step show(struct call *c)
{
    const struct jobs_backlog_row *row = &((struct backlog *)c->state)->row;
    struct jobs *jobs = ((const struct jobs_task *)call_request(c))->jobs;
    jobs_gauge(jobs, JOBS_PAYMENTS, row->payments);
    jobs_gauge(jobs, JOBS_PAYMENTS_SINCE, row->payments_since / US_PER_S);
    jobs_gauge(jobs, JOBS_REFUNDS_OPEN, row->refunds);
    jobs_gauge(jobs, JOBS_REFUNDS_SINCE, row->refunds_since / US_PER_S);
    jobs_gauge(jobs, JOBS_ATTENTION, row->attention);
    jobs_gauge(jobs, JOBS_ATTENTION_SINCE, row->attention_since / US_PER_S);
    return call_reply(c, NULL);
}

static const struct step_def steps[] = {
    STEP(look),
    STEP(show),
};

const struct rpc_handler jobs_backlog_handler = {
    .method = "Backlog",
    RPC_STEPS(steps, struct backlog),
};
