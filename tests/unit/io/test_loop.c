/* The loop's own queues: deferred tasks and posts from other threads; and the helper threads that
 * post. */
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "io/loop.h"
#include "io/work.h"
#include "support/test.h"

static struct loop loop;
static char order[64];

static void note(char what)
{
    size_t n = strlen(order);
    order[n] = what;
    order[n + 1] = '\0';
}

static struct loop_task first, later, last;

static void on_first(struct loop_task *task)
{
    (void)task;
    note('a');
    loop_defer(&loop, &later);
    loop_defer(&loop, &last); /* already queued: keeps its place */
}

static void on_later(struct loop_task *task)
{
    note('b');
    if (strlen(order) < 5)
        loop_defer(&loop, task);
    else
        loop_stop(&loop);
}

static void on_last(struct loop_task *task)
{
    (void)task;
    note('c');
}

static void start(void)
{
    order[0] = '\0';
    ASSERT_INT_EQ(loop_init(&loop, &clock_system), 0);
}

TEST(loop, runs_deferred_tasks_in_order_before_it_sleeps)
{
    start();
    loop_task_init(&first, on_first);
    loop_task_init(&later, on_later);
    loop_task_init(&last, on_last);
    loop_defer(&loop, &first);
    loop_defer(&loop, &last);
    loop_defer(&loop, &first);
    loop_run(&loop);
    ASSERT_STR_EQ(order, "acbbb");
    loop_defer(&loop, &first);
    loop_task_cancel(&first);
    loop_task_cancel(&first);
    loop_deinit(&loop);
    ASSERT_STR_EQ(order, "acbbb");
}

TEST(loop, takes_the_time_once_per_turn)
{
    start();
    int64_t before = loop.now_ns;
    usleep(2000);
    ASSERT_INT_EQ(loop.now_ns, before);
    ev_run(loop.ev, EVRUN_NOWAIT);
    ASSERT_TRUE(loop.now_ns - before >= 2 * NS_PER_MS);
    loop_deinit(&loop);
}

#define POSTERS 4
#define POSTS 2000

struct numbered {
    struct loop_post post;
    int thread;
    int number;
};

static int seen[POSTERS];
static int total;

static void on_post(struct loop_post *post)
{
    struct numbered *n = (struct numbered *)post;
    if (seen[n->thread] == n->number)
        seen[n->thread]++;
    free(n);
    if (++total == POSTERS * POSTS)
        loop_stop(&loop);
}

static void *poster(void *arg)
{
    for (int i = 0; i < POSTS; i++) {
        struct numbered *n = calloc(1, sizeof *n);
        n->thread = (int)(intptr_t)arg;
        n->number = i;
        loop_post(&loop, &n->post, on_post);
    }
    return NULL;
}

TEST(loop, gets_posts_of_every_thread_in_the_threads_order)
{
    pthread_t threads[POSTERS];
    start();
    memset(seen, 0, sizeof seen);
    total = 0;
    for (int i = 0; i < POSTERS; i++)
        pthread_create(&threads[i], NULL, poster, (void *)(intptr_t)i);
    loop_run(&loop);
    for (int i = 0; i < POSTERS; i++) {
        pthread_join(threads[i], NULL);
        ASSERT_INT_EQ(seen[i], POSTS);
    }
    loop_deinit(&loop);
}

/* ---- helper threads ---- */

struct job {
    struct work_job base;
    int input;
    int output;
    int *gate; /* run waits until it is not 0 */
};

static int freed, begun, ran, delivered;

static void job_run(struct work_job *base)
{
    struct job *j = (struct job *)base;
    __atomic_add_fetch(&begun, 1, __ATOMIC_RELEASE);
    while (j->gate && !__atomic_load_n(j->gate, __ATOMIC_ACQUIRE))
        usleep(500);
    j->output = j->input * 2;
    __atomic_add_fetch(&ran, 1, __ATOMIC_RELAXED);
}

static void job_done(struct work_job *base)
{
    delivered += ((struct job *)base)->output;
}

static void job_free(struct work_job *base)
{
    freed++;
    free(base);
}

static struct job *job_new(int input, int *gate)
{
    struct job *j = calloc(1, sizeof *j);
    j->base.run = job_run;
    j->base.on_done = job_done;
    j->base.on_free = job_free;
    j->input = input;
    j->gate = gate;
    return j;
}

static unsigned progressed;

static void on_progress(struct op_scope *scope)
{
    (void)scope;
    progressed++;
    loop_stop(&loop);
}

static struct work *work;
static struct op_scope scope;

static void start_work(unsigned threads, unsigned queued_max)
{
    start();
    freed = begun = ran = delivered = 0;
    progressed = 0;
    op_scope_init(&scope, NULL, on_progress);
    ASSERT_INT_EQ(work_new(&work, &loop, threads, queued_max), 0);
}

/* The helper has taken the first job: it does not wait in the queue any more. */
static void wait_until_one_runs(void)
{
    while (!__atomic_load_n(&begun, __ATOMIC_ACQUIRE))
        usleep(500);
}

TEST(work, brings_results_back_to_the_loop)
{
    start_work(3, 100);
    for (int i = 1; i <= 50; i++)
        ASSERT_INT_EQ(work_submit(work, &job_new(i, NULL)->base, &scope), 0);
    loop_run(&loop);
    ASSERT_INT_EQ(progressed, 1);
    ASSERT_INT_EQ(delivered, 50 * 51);
    work_free(work);
    loop_deinit(&loop);
    ASSERT_INT_EQ(freed, 50);
}

TEST(work, refuses_what_does_not_fit_the_queue)
{
    int gate = 0;
    start_work(1, 2);
    ASSERT_INT_EQ(work_submit(work, &job_new(1, &gate)->base, &scope), 0);
    wait_until_one_runs();
    ASSERT_INT_EQ(work_submit(work, &job_new(1, &gate)->base, &scope), 0);
    ASSERT_INT_EQ(work_submit(work, &job_new(1, &gate)->base, &scope), 0);
    struct job *over = job_new(1, &gate);
    ASSERT_INT_EQ(work_submit(work, &over->base, &scope), -EAGAIN);
    ASSERT_INT_EQ(scope.pending, 3);
    free(over);
    __atomic_store_n(&gate, 1, __ATOMIC_RELEASE);
    loop_run(&loop);
    ASSERT_INT_EQ(delivered, 6);
    work_free(work);
    loop_deinit(&loop);
}

TEST(work, forgets_jobs_nobody_waits_for)
{
    int gate = 0;
    start_work(1, 10);
    for (int i = 0; i < 4; i++)
        ASSERT_INT_EQ(work_submit(work, &job_new(1, &gate)->base, &scope), 0);
    wait_until_one_runs();
    op_scope_detach_all(&scope);
    ASSERT_INT_EQ(freed, 3); /* those that waited; the fourth is running */
    /* The queue is in order: a new job goes through. */
    ASSERT_INT_EQ(work_submit(work, &job_new(5, NULL)->base, &scope), 0);
    __atomic_store_n(&gate, 1, __ATOMIC_RELEASE);
    loop_run(&loop);
    ASSERT_INT_EQ(freed, 5);
    ASSERT_INT_EQ(ran, 2);
    ASSERT_INT_EQ(delivered, 10);
    work_free(work);
    loop_deinit(&loop);
}

TEST(work, ends_what_waits_when_it_is_freed)
{
    int gate = 0;
    start_work(1, 10);
    for (int i = 0; i < 3; i++)
        ASSERT_INT_EQ(work_submit(work, &job_new(1, &gate)->base, &scope), 0);
    wait_until_one_runs();
    __atomic_store_n(&gate, 1, __ATOMIC_RELEASE);
    work = work_free(work);
    loop_deinit(&loop); /* runs what was posted */
    ASSERT_INT_EQ(freed, 3);
    ASSERT_INT_EQ(progressed, 1);
}
