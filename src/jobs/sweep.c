/* Sweeps unpaid holds past their lease. Run by jobs.c as an internal call. What must stay true: it
 * takes small bites, so that nobody waits long for a row it has locked. */
#include "base/check.h"
#include "jobs/internal.h"

#define EXPIRE_ROWS 200
#define EXPIRE_ROUNDS_MAX 50
#define STRIDE_US (3600 * US_PER_S) /* of leases walked over by one statement */
#define LAG_US (60 * US_PER_S)      /* longer than anybody may keep a booking locked */
#define OVERLAP_US US_PER_S         /* of two sweeps, for who was locked for a moment */
#define MARK_EVERY_US (60 * US_PER_S)
#define WIDE_EVERY_NS (5 * NS_PER_S)

struct expire {
    struct jobs_sweep_begin_row begin;
    struct jobs_expire_row row;
    int64_t after_us;   /* all that lapsed between the sweep's begin and this has been looked at */
    int64_t horizon_us; /* but for what who began before this is still committing */
    int64_t expired;
    unsigned rounds;
    unsigned attempt; /* the call's, in which @row was asked for */
    bool is_wide;
};

static enum step recall(struct call *c)
{
    struct expire *s = c->state;
    const struct jobs_task *task = call_request(c);
    if (task->jobs->watermark_us == 0)
        jobs_sweep_begin(c, &s->begin);
    return STEP_NEXT;
}

/* Most leases that end belong to bookings that have been paid: the walk over them is kept short.
 * Who was locked by somebody else is found again by the next sweep, or by one that goes all the
 * way. */
static int64_t begin_us(const struct jobs *jobs, bool is_wide)
{
    int64_t begin = jobs->swept_us - OVERLAP_US;
    return is_wide || begin < jobs->watermark_us ? jobs->watermark_us : begin;
}

static void begin(struct expire *s, struct jobs *jobs)
{
    if (jobs->watermark_us == 0)
        jobs->watermark_us = s->begin.watermark;
    s->is_wide = jobs->app->loop->now_ns >= jobs->wide_ns;
    s->after_us = begin_us(jobs, s->is_wide);
    s->horizon_us = INT64_MAX;
}

/* Up to the database's clock, which is the one that leases are written by. */
static void advance(struct expire *s)
{
    s->expired += s->row.expired;
    if (s->row.horizon < s->horizon_us)
        s->horizon_us = s->row.horizon;
    if (s->row.found == EXPIRE_ROWS) /* there may be more in this stride */
        return;
    s->after_us += STRIDE_US;
    if (s->after_us > s->row.clock)
        s->after_us = s->row.clock;
}

static enum step expire(struct call *c)
{
    struct expire *s = c->state;
    const struct jobs_task *task = call_request(c);
    if (s->rounds == 0) {
        begin(s, task->jobs);
    } else if (s->attempt == c->attempt) { /* else the statement failed, and is asked again */
        advance(s);
        if (s->after_us == s->row.clock || s->rounds >= EXPIRE_ROUNDS_MAX)
            return STEP_NEXT;
    }
    s->rounds++;
    s->attempt = c->attempt;
    jobs_expire(c, &s->row, s->after_us, s->after_us + STRIDE_US, EXPIRE_ROWS);
    return STEP_AGAIN;
}

/* The database's clock was set back, or another database has taken over: leases end anew at times
 * that have been swept. */
static void begin_anew(struct jobs *jobs)
{
    jobs->watermark_us = 0;
    jobs->marked_us = 0;
    jobs->swept_us = 0;
    jobs->wide_ns = 0;
}

static bool is_mark_due(const struct jobs *jobs)
{
    return jobs->watermark_us - jobs->marked_us >= MARK_EVERY_US;
}

static enum step move_on(struct call *c)
{
    const struct expire *s = c->state;
    const struct jobs_task *task = call_request(c);
    struct jobs *jobs = task->jobs;
    if (s->expired > 0)
        call_note(c, "expired", "%lld", (long long)s->expired);
    if (s->row.clock < jobs->swept_us || s->row.clock < jobs->watermark_us) {
        begin_anew(jobs);
        return STEP_NEXT;
    }
    if (s->after_us > jobs->swept_us)
        jobs->swept_us = s->after_us;
    jobs_gauge(jobs, JOBS_SWEPT, jobs->swept_us / US_PER_S);
    if (s->is_wide && s->after_us == s->row.clock)
        jobs->wide_ns = jobs->app->loop->now_ns + WIDE_EVERY_NS;
    int64_t settled_us = s->after_us < s->horizon_us ? s->after_us : s->horizon_us;
    if (s->is_wide && settled_us - LAG_US > jobs->watermark_us)
        jobs->watermark_us = settled_us - LAG_US;
    if (is_mark_due(jobs))
        jobs_sweep_move(c, jobs->watermark_us);
    return STEP_NEXT;
}

static enum step swept(struct call *c)
{
    const struct jobs_task *task = call_request(c);
    struct jobs *jobs = task->jobs;
    if (is_mark_due(jobs))
        jobs->marked_us = jobs->watermark_us;
    return call_reply(c, NULL);
}

static const struct step_def expire_steps[] = {
    STEP(recall),
    STEP(expire),
    STEP(move_on),
    STEP(swept),
};

const struct rpc_handler jobs_expire_handler = {
    .method = "ExpireHolds",
    RPC_STEPS(expire_steps, struct expire),
};
