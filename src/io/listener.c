/* Accepting: one watcher per listening socket and worker, with a reserve descriptor and short
 * pauses. h2/ decides through may_accept_ms who takes a connection. What must stay true: EMFILE
 * closes the newest connection instead of spinning on it, and a paused listener always comes back.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/check.h"
#include "io/listen.h"

/* Per loop turn, so that a flood of connections does not keep calls from being served. */
#define ACCEPTS_PER_TURN 32
/* Out of descriptors or memory: closing others takes a moment. */
#define EXHAUSTED_PAUSE_MS 100

struct listener {
    struct loop *loop;
    const struct listener_handler *handler;
    void *ctx;
    int fd;
    int reserve_fd; /* given up for a moment to accept, and close, when there are no others */
    bool held;
    bool paused;
    bool take_one; /* the pause is over: the next connection is ours whatever the handler says */
    ev_io readable;
    ev_timer pause;
};

static void update(struct listener *l)
{
    if (l->held || l->paused)
        ev_io_stop(l->loop->ev, &l->readable);
    else
        ev_io_start(l->loop->ev, &l->readable);
}

static void pause_for(struct listener *l, uint32_t pause_ms)
{
    l->paused = true;
    ev_timer_stop(l->loop->ev, &l->pause);
    ev_timer_set(&l->pause, pause_ms * 1e-3, 0.);
    ev_timer_start(l->loop->ev, &l->pause);
    update(l);
}

static void on_pause_over(struct ev_loop *ev, ev_timer *w, int events)
{
    (void)ev;
    (void)events;
    struct listener *l = w->data;
    l->paused = false;
    l->take_one = true;
    update(l);
}

static int open_reserve(void)
{
    return open("/dev/null", O_RDONLY | O_CLOEXEC);
}

/* No descriptor is left: without this the peer would wait in the backlog and the watcher would
 * never rest. */
static void on_exhausted(struct listener *l)
{
    if (l->reserve_fd >= 0) {
        close(l->reserve_fd);
        int fd = accept4(l->fd, NULL, NULL, SOCK_CLOEXEC);
        if (fd >= 0)
            close(fd);
        l->reserve_fd = open_reserve();
    }
    pause_for(l, EXHAUSTED_PAUSE_MS);
}

/* False when there is nothing more to accept for now. */
static bool accept_one(struct listener *l)
{
    uint32_t pause_ms = l->handler->may_accept_ms(l->ctx);
    if (pause_ms && !l->take_one) {
        pause_for(l, pause_ms);
        return false;
    }
    int fd = accept4(l->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd >= 0) {
        l->take_one = false;
        l->handler->on_accept(l->ctx, fd);
        return true;
    }
    if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
        on_exhausted(l);
        return false;
    }
    /* Errors of the connection, not of the socket (accept(2)): the next one may be well. */
    return errno == ECONNABORTED || errno == EINTR || errno == EPROTO;
}

static void on_readable(struct ev_loop *ev, ev_io *w, int events)
{
    (void)ev;
    (void)events;
    struct listener *l = w->data;
    for (int i = 0; i < ACCEPTS_PER_TURN; i++) {
        if (l->held || !accept_one(l))
            return;
    }
}

int listener_new(struct listener **ret_listener, struct loop *loop, int fd,
                 const struct listener_handler *handler, void *ctx)
{
    CHECK(handler->may_accept_ms);
    CHECK(handler->on_accept);
    struct listener *l = calloc(1, sizeof *l);
    if (!l)
        return -ENOMEM;
    l->loop = loop;
    l->handler = handler;
    l->ctx = ctx;
    l->fd = fd;
    l->reserve_fd = open_reserve();
    ev_io_init(&l->readable, on_readable, fd, EV_READ);
    ev_timer_init(&l->pause, on_pause_over, 0., 0.);
    l->readable.data = l->pause.data = l;
    update(l);
    *ret_listener = l;
    return 0;
}

struct listener *listener_free(struct listener *l)
{
    if (!l)
        return NULL;
    ev_io_stop(l->loop->ev, &l->readable);
    ev_timer_stop(l->loop->ev, &l->pause);
    close(l->fd);
    if (l->reserve_fd >= 0)
        close(l->reserve_fd);
    free(l);
    return NULL;
}

void listener_hold(struct listener *l, bool held)
{
    l->held = held;
    update(l);
}
