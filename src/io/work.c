/* Helper threads for what would block the loop: a bounded queue, results posted back to the loop.
 * Services use it for password hashing. What must stay true: a job is freed on the loop's thread,
 * exactly once, after everything else; a job whose waiter went away while it was queued is never
 * run. */
#include "io/work.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>

#include "base/check.h"

struct work {
    struct loop *loop;
    pthread_mutex_t lock; /* guards what follows */
    pthread_cond_t filled;
    struct work_job *first;
    struct work_job **last;
    unsigned queued;
    unsigned queued_max;
    bool stopping;
    unsigned thread_count;
    pthread_t threads[];
};

/* On the loop: the job was run. */
static void on_finished(struct loop_post *post)
{
    struct work_job *job = list_entry(post, struct work_job, post);
    if (!job->detached) {
        job->on_done(job);
        if (job->op.scope)
            op_done(&job->op, NULL);
    }
    job->on_free(job);
}

static struct work_job *take(struct work *work)
{
    struct work_job *job = work->first;
    if (!job)
        return NULL;
    work->first = job->next;
    if (!work->first)
        work->last = &work->first;
    work->queued--;
    return job;
}

static void *helper(void *arg)
{
    struct work *work = arg;
    pthread_mutex_lock(&work->lock);
    for (;;) {
        while (!work->first && !work->stopping)
            pthread_cond_wait(&work->filled, &work->lock);
        if (work->stopping)
            break;
        struct work_job *job = take(work);
        pthread_mutex_unlock(&work->lock);
        job->run(job);
        loop_post(job->loop, &job->post, on_finished);
        pthread_mutex_lock(&work->lock);
    }
    pthread_mutex_unlock(&work->lock);
    return NULL;
}

/* True when @job was still waiting and is now out of the queue. */
static bool withdraw(struct work *work, struct work_job *job)
{
    bool found = false;
    pthread_mutex_lock(&work->lock);
    for (struct work_job **at = &work->first; *at; at = &(*at)->next) {
        if (*at != job)
            continue;
        *at = job->next;
        if (work->last == &job->next)
            work->last = at;
        work->queued--;
        found = true;
        break;
    }
    pthread_mutex_unlock(&work->lock);
    return found;
}

/* Nobody waits any more: a queued job goes at once, a running one when it comes back. */
static void on_detach(struct op *op)
{
    struct work_job *job = list_entry(op, struct work_job, op);
    job->detached = true;
    if (withdraw(job->work, job))
        job->on_free(job);
}

int work_new(struct work **ret_work, struct loop *loop, unsigned threads, unsigned queued_max)
{
    CHECK(threads > 0);
    struct work *work = calloc(1, sizeof *work + threads * sizeof work->threads[0]);
    if (!work)
        return -ENOMEM;
    work->loop = loop;
    work->queued_max = queued_max;
    work->last = &work->first;
    pthread_mutex_init(&work->lock, NULL);
    pthread_cond_init(&work->filled, NULL);

    /* Signals belong to the loop's thread. */
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int error = 0;
    while (!error && work->thread_count < threads) {
        error = pthread_create(&work->threads[work->thread_count], NULL, helper, work);
        if (!error)
            work->thread_count++;
    }
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (error) {
        work_free(work);
        return -error;
    }
    *ret_work = work;
    return 0;
}

struct work *work_free(struct work *work)
{
    if (!work)
        return NULL;
    pthread_mutex_lock(&work->lock);
    work->stopping = true;
    pthread_cond_broadcast(&work->filled);
    pthread_mutex_unlock(&work->lock);
    for (unsigned i = 0; i < work->thread_count; i++)
        pthread_join(work->threads[i], NULL);

    struct work_job *job;
    while ((job = take(work)) != NULL) {
        static const struct op_error stopped = {.reason = REASON_SHUTTING_DOWN};
        op_done(&job->op, &stopped);
        job->on_free(job);
    }
    pthread_cond_destroy(&work->filled);
    pthread_mutex_destroy(&work->lock);
    free(work);
    return NULL;
}

int work_submit(struct work *work, struct work_job *job, struct op_scope *scope)
{
    CHECK(job->run);
    CHECK(job->on_done);
    CHECK(job->on_free);
    pthread_mutex_lock(&work->lock);
    if (work->queued >= work->queued_max) {
        pthread_mutex_unlock(&work->lock);
        return -EAGAIN;
    }
    job->work = work;
    job->loop = work->loop;
    job->detached = false;
    job->next = NULL;
    op_start(&job->op, scope, on_detach);
    *work->last = job;
    work->last = &job->next;
    work->queued++;
    pthread_cond_signal(&work->filled);
    pthread_mutex_unlock(&work->lock);
    return 0;
}
