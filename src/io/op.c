/* The bookkeeping of asynchronous operations: who waits for what, and who may still be told.
 * Producers (db, http, work) and waiters (the step runner) call it, on the loop's thread only.
 * What must stay true: an op leaves its scope exactly once, by op_done or by being detached. */
#include "io/op.h"

#include <string.h>

#include "base/check.h"

void op_scope_init(struct op_scope *scope, struct arena *arena,
                   void (*on_progress)(struct op_scope *))
{
    CHECK(on_progress);
    memset(scope, 0, sizeof *scope);
    list_init(&scope->ops);
    scope->arena = arena;
    scope->on_progress = on_progress;
}

void op_start(struct op *op, struct op_scope *scope, void (*on_detach)(struct op *op))
{
    CHECK(on_detach);
    op->scope = scope;
    op->on_detach = on_detach;
    list_init(&op->in_scope);
    list_append(&scope->ops, &op->in_scope);
    scope->pending++;
}

/* Takes @op out of its scope; the scope may be told, the op may not be used for it again. */
static struct op_scope *leave(struct op *op)
{
    struct op_scope *scope = op->scope;
    CHECK(scope);
    CHECK(scope->pending > 0);
    op->scope = NULL;
    list_remove(&op->in_scope);
    scope->pending--;
    return scope;
}

void op_done(struct op *op, const struct op_error *error)
{
    struct op_scope *scope = leave(op);
    if (error && error->reason != REASON_NONE && scope->error.reason == REASON_NONE)
        scope->error = *error;
    /* Inside a step the runner looks at pending itself once the step has returned: a step is never
     * entered from within another one. */
    if (scope->pending == 0 && !scope->in_step)
        scope->on_progress(scope);
}

void op_scope_detach_all(struct op_scope *scope)
{
    /* A producer may finish neighbours of the op while it detaches it; nobody must run on then. */
    bool in_step = scope->in_step;
    scope->in_step = true;
    struct list *node;
    while ((node = list_first(&scope->ops)) != NULL) {
        struct op *op = list_entry(node, struct op, in_scope);
        leave(op);
        op->on_detach(op);
    }
    CHECK(scope->pending == 0);
    scope->in_step = in_step;
}
