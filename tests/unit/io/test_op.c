/* Operations and their scopes: done or detached, once. */
#include <string.h>

#include "io/op.h"
#include "support/test.h"

static unsigned progressed;
static unsigned detached;

static void on_progress(struct op_scope *scope)
{
    (void)scope;
    progressed++;
}

static void on_detach(struct op *op)
{
    (void)op;
    detached++;
}

static void begin(struct op_scope *scope)
{
    progressed = detached = 0;
    op_scope_init(scope, NULL, on_progress);
}

TEST(op, tells_the_scope_when_the_last_is_done)
{
    struct op_scope scope;
    struct op a, b;
    begin(&scope);
    op_start(&a, &scope, on_detach);
    op_start(&b, &scope, on_detach);
    op_done(&b, NULL);
    ASSERT_INT_EQ(progressed, 0);
    op_done(&a, NULL);
    ASSERT_INT_EQ(progressed, 1);
    ASSERT_INT_EQ(scope.pending, 0);
    ASSERT_INT_EQ(scope.error.reason, REASON_NONE);
}

TEST(op, leaves_it_to_the_runner_inside_a_step)
{
    struct op_scope scope;
    struct op a;
    begin(&scope);
    scope.in_step = true;
    op_start(&a, &scope, on_detach);
    op_done(&a, NULL);
    ASSERT_INT_EQ(progressed, 0);
    ASSERT_INT_EQ(scope.pending, 0);
}

TEST(op, keeps_the_first_error)
{
    struct op_scope scope;
    struct op a, b, c;
    begin(&scope);
    op_start(&a, &scope, on_detach);
    op_start(&b, &scope, on_detach);
    op_start(&c, &scope, on_detach);
    op_done(&a, &(struct op_error){.reason = REASON_NONE});
    op_done(&b, &(struct op_error){.reason = REASON_CONFLICT, .restart = true});
    op_done(&c, &(struct op_error){.reason = REASON_INTERNAL_ERROR});
    ASSERT_INT_EQ(scope.error.reason, REASON_CONFLICT);
    ASSERT_TRUE(scope.error.restart);
    ASSERT_INT_EQ(progressed, 1);
}

static struct op *neighbour;

static void finish_neighbour(struct op *op)
{
    detached++;
    if (op != neighbour && neighbour->scope)
        op_done(neighbour, NULL);
}

TEST(op, detaching_tells_every_producer_and_never_the_waiter)
{
    struct op_scope scope;
    struct op a, b, c;
    begin(&scope);
    neighbour = &b;
    op_start(&a, &scope, finish_neighbour);
    op_start(&b, &scope, finish_neighbour);
    op_start(&c, &scope, finish_neighbour);
    op_scope_detach_all(&scope);
    ASSERT_INT_EQ(detached, 2); /* the neighbour was done meanwhile */
    ASSERT_INT_EQ(progressed, 0);
    ASSERT_INT_EQ(scope.pending, 0);
    ASSERT_FALSE(scope.in_step);
    op_scope_detach_all(&scope);
    ASSERT_INT_EQ(detached, 2);
}

static struct op second;

static void start_second(struct op_scope *scope)
{
    if (progressed++ == 0)
        op_start(&second, scope, on_detach);
}

TEST(op, the_waiter_may_start_more_from_inside_done)
{
    struct op_scope scope;
    struct op first;
    progressed = 0;
    op_scope_init(&scope, NULL, start_second);
    op_start(&first, &scope, on_detach);
    op_done(&first, NULL);
    ASSERT_INT_EQ(scope.pending, 1);
    op_done(&second, NULL);
    ASSERT_INT_EQ(progressed, 2);
}

static void done_twice(void *arg)
{
    struct op_scope scope;
    struct op op;
    (void)arg;
    op_scope_init(&scope, NULL, on_progress);
    op_start(&op, &scope, on_detach);
    op_done(&op, NULL);
    op_done(&op, NULL);
}

static void done_after_detach(void *arg)
{
    struct op_scope scope;
    struct op op;
    (void)arg;
    op_scope_init(&scope, NULL, on_progress);
    op_start(&op, &scope, on_detach);
    op_scope_detach_all(&scope);
    op_done(&op, NULL);
}

TEST(op, ends_once_or_the_process_does)
{
    ASSERT_TRUE(test_aborts(done_twice, NULL));
    ASSERT_TRUE(test_aborts(done_after_detach, NULL));
}
