/* The fake database behind rig.h: statements and commits end when a test says so. What must stay
 * true: it is as strict as the real one (a commit goes alone, and is not given up once sent). */
#include "rig.h"

#include <stdlib.h>

#include "base/check.h"

struct fake_db fake_db;

static void op_free(struct fake_op *f)
{
    list_remove(&f->node);
    fake_db.open_count--;
    free(f);
}

static void on_detach(struct op *op)
{
    struct fake_op *f = list_entry(op, struct fake_op, op);
    CHECK(!f->is_commit || !f->scope->commit_sent);
    fake_db.detached++;
    op_free(f);
}

static struct fake_op *op_new(struct op_scope *scope, int *ret)
{
    struct fake_op *f = calloc(1, sizeof *f);
    CHECK(f);
    f->ret = ret;
    f->scope = scope;
    list_init(&f->node);
    list_append(&fake_db.open, &f->node);
    fake_db.open_count++;
    op_start(&f->op, scope, on_detach);
    return f;
}

static void lease_end(struct op_scope *scope, unsigned *counter)
{
    if (!scope->lease)
        return;
    scope->lease = NULL;
    fake_db.leases_open--;
    (*counter)++;
}

void fake_submit(struct call *c, int *ret)
{
    fake_db.submitted++;
    if (c->scope.want_tx && !c->scope.lease) {
        c->scope.lease = &fake_db;
        fake_db.leases++;
        fake_db.leases_open++;
    }
    struct fake_op *f = op_new(&c->scope, ret);
    if (fake_db.instant)
        fake_complete(f, 1);
}

struct fake_op *fake_first(void)
{
    struct list *node = list_first(&fake_db.open);
    return node ? list_entry(node, struct fake_op, node) : NULL;
}

void fake_complete(struct fake_op *f, int value)
{
    if (f->ret)
        *f->ret = value;
    if (f->is_commit)
        lease_end(f->scope, &fake_db.commits);
    struct op *op = &f->op;
    list_remove(&f->node);
    fake_db.open_count--;
    op_done(op, NULL);
    free(f);
}

void fake_fail(struct fake_op *f, enum reason reason, bool restart, bool unknown)
{
    struct op_error error = {
        .reason = reason, .restart = restart, .unknown = unknown, .detail = "made to fail"};
    if (f->is_commit) /* whichever way it went, the connection is not ours any more */
        lease_end(f->scope, &fake_db.rollbacks);
    list_remove(&f->node);
    fake_db.open_count--;
    op_done(&f->op, &error);
    free(f);
}

/* As strict as the real one: nothing else of the scope is in flight. */
static void commit(struct op_scope *scope)
{
    CHECK(scope->pending == 0);
    struct fake_op *f = op_new(scope, NULL);
    f->is_commit = true;
    scope->commit_sent = !fake_db.commit_queued;
    if (fake_db.instant)
        fake_complete(f, 0);
}

static void rollback(struct op_scope *scope)
{
    lease_end(scope, &fake_db.rollbacks);
}

const struct op_tx fake_tx = {.commit = commit, .rollback = rollback};
