/* The tick: starts each kind of work unless it still runs, and keeps the slots of claimed items.
 * What must stay true: a task never overlaps with itself, nothing is claimed without a free slot,
 * and what runs when jobs stop finds its memory. */
#include "jobs/jobs.h"

#include <stdlib.h>

#include "base/check.h"
#include "jobs/internal.h"

#define TICK_S 0.2
#define TASK_TIMEOUT_MS 20000
#define RETAIN_EVERY_MS 30000
#define BACKLOG_EVERY_MS 5000

static const struct {
    const struct rpc_handler *handler;
    const struct rpc_handler *each;
    uint32_t every_ms;
} kinds[JOBS_TASKS] = {
    [JOBS_EXPIRE] = {.handler = &jobs_expire_handler},
    [JOBS_WATCHES] = {.handler = &jobs_watches_handler},
    [JOBS_ATTEMPTS] = {.handler = &jobs_attempts_handler, .each = &jobs_attempt_handler},
    [JOBS_REFUNDS] = {.handler = &jobs_refunds_handler, .each = &jobs_refund_handler},
    [JOBS_RETAIN] = {.handler = &jobs_retain_handler, .every_ms = RETAIN_EVERY_MS},
    [JOBS_BACKLOG] = {.handler = &jobs_backlog_handler, .every_ms = BACKLOG_EVERY_MS},
};

/* One claimed item: an inquiry, an action at the provider, and what is written down. */
static uint32_t item_timeout_ms(const struct app *app)
{
    return 2 * app->limits.provider_timeout_ms + 10000;
}

int32_t jobs_lease_s(const struct app *app)
{
    return (int32_t)(item_timeout_ms(app) / 1000) + 10;
}

static void one_less(struct jobs *jobs)
{
    CHECK(jobs->running > 0);
    jobs->running--;
    if (jobs->is_stopping && jobs->running == 0)
        free(jobs);
}

/* ---- claimed items ---- */

int32_t jobs_room(const struct jobs_task *task)
{
    int32_t room = 0;
    for (unsigned i = 0; i < JOBS_SLOTS; i++)
        room += !task->slots[i].is_busy;
    return room;
}

void jobs_word(char ret_word[static JOBS_WORD_BYTES], struct str s)
{
    size_t n = s.n < JOBS_WORD_BYTES ? s.n : JOBS_WORD_BYTES - 1;
    if (n > 0)
        memcpy(ret_word, s.p, n);
    ret_word[n] = '\0';
}

/* Whatever the reason: what was not written down is due again when the claim's lease ends. */
static void on_item_end(void *ctx, enum reason reason)
{
    (void)reason;
    struct jobs_slot *slot = ctx;
    slot->is_busy = false;
    one_less(slot->jobs);
}

void jobs_take(struct jobs_task *task, const struct jobs_item *item)
{
    struct jobs *jobs = task->jobs;
    struct jobs_slot *slot = task->slots;
    while (slot < task->slots + JOBS_SLOTS && slot->is_busy)
        slot++;
    CHECK(slot < task->slots + JOBS_SLOTS);
    if (jobs->is_stopping)
        return;
    slot->item = *item;
    if (call_run_internal(jobs->server, task->each, &slot->item, item_timeout_ms(jobs->app),
                          on_item_end, slot) < 0)
        return;
    slot->is_busy = true;
    jobs->running++;
}

/* ---- the tick ---- */

static void on_task_end(void *ctx, enum reason reason)
{
    (void)reason;
    struct jobs_task *task = ctx;
    task->is_running = false;
    one_less(task->jobs);
}

static void run_task(struct jobs_task *task, int64_t now_ns)
{
    struct jobs *jobs = task->jobs;
    if (task->is_running || now_ns < task->next_ns || (task->each && jobs_room(task) == 0))
        return;
    if (call_run_internal(jobs->server, task->handler, task, TASK_TIMEOUT_MS, on_task_end, task) <
        0)
        return;
    task->next_ns = now_ns + task->every_ms * NS_PER_MS;
    task->is_running = true;
    jobs->running++;
}

static void on_tick(struct ev_loop *ev, ev_timer *timer, int events)
{
    (void)ev, (void)events;
    struct jobs *jobs = timer->data;
    for (unsigned i = 0; i < JOBS_TASKS; i++)
        run_task(&jobs->tasks[i], clock_mono_ns(jobs->app->clock));
}

struct jobs *jobs_start(struct server *server, struct app *app, struct obs *obs)
{
    struct jobs *jobs = calloc(1, sizeof *jobs);
    CHECK(jobs);
    jobs->server = server;
    jobs->app = app;
    jobs->obs = obs;
    jobs_gauges_init(jobs);
    for (unsigned i = 0; i < JOBS_TASKS; i++) {
        struct jobs_task *task = &jobs->tasks[i];
        *task = (struct jobs_task){.jobs = jobs,
                                   .handler = kinds[i].handler,
                                   .each = kinds[i].each,
                                   .every_ms = kinds[i].every_ms};
        for (unsigned j = 0; j < JOBS_SLOTS; j++)
            task->slots[j].jobs = jobs;
    }
    ev_timer_init(&jobs->timer, on_tick, TICK_S, TICK_S);
    jobs->timer.data = jobs;
    ev_timer_start(app->loop->ev, &jobs->timer);
    return jobs;
}

struct jobs *jobs_stop(struct jobs *jobs)
{
    if (!jobs)
        return NULL;
    ev_timer_stop(jobs->app->loop->ev, &jobs->timer);
    jobs->is_stopping = true;
    if (jobs->running == 0)
        free(jobs);
    return NULL;
}
