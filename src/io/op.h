/* One asynchronous operation: done or detached, exactly once. The meeting point of those who wait
 * (a call's step runner) and those who work (database lanes, HTTP requests, helper threads):
 * neither knows the other.
 *
 *   producer                                waiter (struct op_scope)
 *   op_start(op, scope, ...)   ---------->  scope->pending++
 *   ... works ...
 *   op_done(op, result)        ---------->  scope->pending--; at 0: scope->on_progress(scope)
 *
 *   scope ends first:  op_scope_detach_all() calls op->on_detach: the producer drops every
 *                      pointer into the waiter's arena, goes on (or gives up), and never calls
 *                      op_done for this scope.
 *
 * What must stay true: after on_detach or op_done the producer touches no memory of the waiter. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/list.h"
#include "base/reason.h"

struct op;
struct op_scope;

/* What went wrong, in terms that the waiter's side can turn into a status. */
struct op_error {
    enum reason reason; /* REASON_NONE: no error */
    bool restart; /* 40001/40P01 and friends: nothing happened, running the whole unit again may
                     succeed */
    bool unknown; /* it may or may not have happened (connection lost with the work in flight) */
    char detail[160]; /* for the log, never for the client */
};

struct op {
    struct op_scope *scope; /* NULL: not started, done or detached */
    struct list in_scope;
    void (*on_detach)(struct op *op); /* required */
};

/* Transactions as the runner sees them; the database layer implements them, main passes them down.
 */
struct op_tx {
    /* Starts an op that completes once COMMIT succeeded or failed. */
    void (*commit)(struct op_scope *scope);
    /* Gives up whatever the scope has open; needs no answer; never fails. */
    void (*rollback)(struct op_scope *scope);
};

/* Where the results of a set of operations are awaited: embedded in every call. */
struct op_scope {
    struct list ops;
    unsigned pending;
    struct op_error error;                       /* the first that happened since op_scope_begin */
    void (*on_progress)(struct op_scope *scope); /* pending reached 0, outside of any step */
    bool in_step;        /* the runner is inside a step: completion is noticed on return */
    struct arena *arena; /* rows and copies live here */
    int64_t deadline_ns; /* monotonic */
    bool want_tx;        /* statements run in one transaction on a leased connection */
    bool alone;          /* the next batched statement shares with nobody */
    bool commit_sent;    /* the point of no return has been passed */
    void *lease;         /* db: the leased connection; opaque here */
    void *db;            /* db: the worker's database; opaque here */
    int64_t db_ns; /* db: what its statements and COMMITs took, each with its queue, summed up */
};

void op_scope_init(struct op_scope *scope, struct arena *arena,
                   void (*on_progress)(struct op_scope *));

/* Registers @op with @scope. */
void op_start(struct op *op, struct op_scope *scope, void (*on_detach)(struct op *op));

/* Ends @op. @error may be NULL (success). May run the waiter's next steps before it returns. */
void op_done(struct op *op, const struct op_error *error);

/* The scope goes away or starts over: every pending op is detached. */
void op_scope_detach_all(struct op_scope *scope);
