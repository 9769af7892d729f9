/* Helper threads for what would block the loop (password hashing, DNS): a bounded queue, results
 * posted back to the loop. */
#pragma once

#include "io/loop.h"
#include "io/op.h"

struct work; /* the pool */

struct work_job {
    struct op op;
    struct loop_post post;
    struct work_job *next;
    struct loop *loop;
    struct work *work; /* set by work_submit */
    bool detached;
    /* On a helper thread; must not touch the scope's arena: everything it needs is copied into the
     * job. */
    void (*run)(struct work_job *job);
    /* On the loop, only if the waiter is still there: copy the result out. May call op_done with an
     * error itself; otherwise the op is done without one. */
    void (*on_done)(struct work_job *job);
    /* On the loop, always last: free the job. */
    void (*on_free)(struct work_job *job);
};

/* @threads helpers, at most @queued_max jobs waiting. */
int work_new(struct work **ret_work, struct loop *loop, unsigned threads, unsigned queued_max);
/* Waits for the jobs that run; those that wait, and their waiters, get REASON_SHUTTING_DOWN. */
struct work *work_free(struct work *work);

/* 0, or -EAGAIN when the queue is full (the job is untouched and still the caller's). */
int work_submit(struct work *work, struct work_job *job, struct op_scope *scope);
