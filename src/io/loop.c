/* The event loop: libev with a deferred queue run before every sleep and messages from other
 * threads. One per process (worker, jobs). What must stay true: deferred tasks are all run before
 * the loop sleeps, in the order they were queued; posts of one thread are run in the order it
 * posted them. */
#include "io/loop.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>

#include "base/check.h"

/* What arenas give back is kept up to this many chunks (16 MiB). */
#define ARENA_CHUNKS_KEPT_MAX 4096

static void run_deferred(struct loop *loop)
{
    struct list *node;
    while ((node = list_pop(&loop->deferred)) != NULL) {
        struct loop_task *task = list_entry(node, struct loop_task, node);
        task->run(task);
    }
}

/* Posts arrive newest first; they are run oldest first. */
static void run_posted(struct loop *loop)
{
    struct loop_post *post = __atomic_exchange_n(&loop->posted, NULL, __ATOMIC_ACQUIRE);
    struct loop_post *oldest = NULL;
    while (post) {
        struct loop_post *next = post->next;
        post->next = oldest;
        oldest = post;
        post = next;
    }
    while (oldest) {
        struct loop_post *next = oldest->next; /* run may free the post */
        oldest->run(oldest);
        oldest = next;
    }
}

static void on_prepare(struct ev_loop *ev, ev_prepare *w, int events)
{
    (void)ev;
    (void)events;
    run_deferred(w->data);
}

static void on_check(struct ev_loop *ev, ev_check *w, int events)
{
    (void)ev;
    (void)events;
    struct loop *loop = w->data;
    loop->now_ns = clock_mono_ns(loop->clock);
    loop->turn++;
}

static void on_wake(struct ev_loop *ev, ev_async *w, int events)
{
    (void)ev;
    (void)events;
    run_posted(w->data);
}

void loop_forget(struct loop *loop, uint8_t *p, size_t bytes)
{
    if (!loop->read_secret)
        return;
    explicit_bzero(p, bytes);
    loop->read_secret = false;
}

int loop_init(struct loop *loop, const struct clock *clock)
{
    *loop = (struct loop){.clock = clock};
    /* OpenSSL writes with write(2): a peer that is gone must be an error, not the end of the
     * process. */
    signal(SIGPIPE, SIG_IGN);
    loop->ev = ev_loop_new(EVFLAG_NOENV | EVBACKEND_EPOLL);
    if (!loop->ev)
        return -ENOMEM;
    loop->read_buf = malloc(LOOP_READ_BYTES);
    CHECK(loop->read_buf);
    loop->now_ns = clock_mono_ns(clock);
    arena_pool_init(&loop->arenas, ARENA_CHUNKS_KEPT_MAX);
    list_init(&loop->deferred);

    /* Deferred work comes after everybody else's preparations, the clock before everybody else's
     * events. */
    ev_prepare_init(&loop->prepare, on_prepare);
    ev_set_priority(&loop->prepare, EV_MINPRI);
    ev_check_init(&loop->check, on_check);
    ev_set_priority(&loop->check, EV_MAXPRI);
    ev_async_init(&loop->wake, on_wake);
    loop->prepare.data = loop->check.data = loop->wake.data = loop;
    ev_prepare_start(loop->ev, &loop->prepare);
    ev_check_start(loop->ev, &loop->check);
    ev_async_start(loop->ev, &loop->wake);
    /* These three are part of the loop; they keep nobody's loop_run from ending. */
    ev_unref(loop->ev);
    ev_unref(loop->ev);
    ev_unref(loop->ev);
    return 0;
}

void loop_deinit(struct loop *loop)
{
    if (!loop->ev)
        return;
    run_posted(loop);
    run_deferred(loop);
    ev_ref(loop->ev);
    ev_ref(loop->ev);
    ev_ref(loop->ev);
    ev_prepare_stop(loop->ev, &loop->prepare);
    ev_check_stop(loop->ev, &loop->check);
    ev_async_stop(loop->ev, &loop->wake);
    ev_loop_destroy(loop->ev);
    loop->ev = NULL;
    buf_deinit(&loop->write_buf);
    free(loop->read_buf);
    arena_pool_deinit(&loop->arenas);
}

void loop_run(struct loop *loop)
{
    /* libev returns when nothing is watched; a loop that only waits for other threads goes on
     * waiting. */
    ev_ref(loop->ev);
    ev_run(loop->ev, 0);
    ev_unref(loop->ev);
}

void loop_stop(struct loop *loop)
{
    ev_break(loop->ev, EVBREAK_ALL);
}

void loop_task_init(struct loop_task *task, void (*run)(struct loop_task *))
{
    list_init(&task->node);
    task->run = run;
}

void loop_defer(struct loop *loop, struct loop_task *task)
{
    if (list_is_empty(&task->node))
        list_append(&loop->deferred, &task->node);
}

void loop_task_cancel(struct loop_task *task)
{
    list_remove(&task->node);
}

void loop_post(struct loop *loop, struct loop_post *post, void (*run)(struct loop_post *))
{
    post->run = run;
    void *head = __atomic_load_n(&loop->posted, __ATOMIC_RELAXED);
    do {
        post->next = head;
    } while (!__atomic_compare_exchange_n(&loop->posted, &head, post, true, __ATOMIC_RELEASE,
                                          __ATOMIC_RELAXED));
    ev_async_send(loop->ev, &loop->wake);
}
