/* Connections: when bytes move, when time is up, how it ends; the bytes are conn_transport.c's. h2/
 * calls. What must stay true: all that one loop turn wants to say leaves in one flush at its end,
 * reading stops after LOOP_READ_BYTES or RECORDS_PER_TURN, and on_closed is the last call and never
 * made from inside ours. */
#include "io/conn.h"

#include <errno.h>
#include <linux/sockios.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/check.h"
#include "io/conn_internal.h"
#include "io/tls_internal.h"

/* How long the peer may take to close after we did. One that said nothing meanwhile and has all we
 * sent is let go sooner: nothing is lost by it. */
#define LINGER_MS 1000
#define LINGER_SILENT_MS 200
/* A blocked write gets its whole timeout again when so much has left: a peer that takes byte by
 * byte has no right to it (CVE-2019-9511, -9517). */
#define WRITE_PROGRESS_BYTES 16384
#define RECORDS_PER_TURN 64 /* of TLS: small ones cost more than their bytes say */

static void set_timeout(struct conn *c, uint32_t timeout_ms)
{
    ev_timer_stop(c->loop->ev, &c->timeout);
    ev_timer_set(&c->timeout, timeout_ms * 1e-3, 0.);
    ev_timer_start(c->loop->ev, &c->timeout);
}

static void stop_watching(struct conn *c)
{
    ev_io_stop(c->loop->ev, &c->readable);
    ev_io_stop(c->loop->ev, &c->writable);
    ev_timer_stop(c->loop->ev, &c->timeout);
    ev_timer_stop(c->loop->ev, &c->more);
}

static void end(struct conn *c, int error)
{
    if (c->state == CONN_CLOSED)
        return;
    if (c->tls && c->state == CONN_HANDSHAKE)
        conn_transport_handshake_over(c, error ? error : -ECONNRESET);
    c->state = CONN_CLOSED;
    c->error = error;
    stop_watching(c);
    conn_transport_deinit(c);
    loop_defer(c->loop, &c->task);
}

static void linger(struct conn *c)
{
    c->state = CONN_LINGERING;
    conn_transport_shutdown(c);
    ev_io_stop(c->loop->ev, &c->writable);
    ev_io_start(c->loop->ev, &c->readable);
    c->linger_heard = false;
    set_timeout(c, LINGER_SILENT_MS);
}

/* True when the peer's system has every byte of ours. */
static bool all_arrived(const struct conn *c)
{
    int left = 0;
    return ioctl(c->fd, SIOCOUTQ, &left) < 0 || left == 0;
}

/* Reads on where it may: what is left over comes before what the socket has. */
static void update_reading(struct conn *c)
{
    bool may = c->state == CONN_OPEN && !c->paused;
    bool rest = buf_len(&c->rest) > 0;
    if (may && !rest)
        ev_io_start(c->loop->ev, &c->readable);
    else if (!c->write_wants_read)
        ev_io_stop(c->loop->ev, &c->readable);
    if (may && (rest || conn_transport_pending(c)))
        ev_timer_start(c->loop->ev, &c->more);
    else
        ev_timer_stop(c->loop->ev, &c->more);
}

static void note_unsent(struct conn *c)
{
    size_t unsent = buf_len(&c->out);
    c->stats->unsent_bytes += unsent - c->unsent_noted;
    c->unsent_noted = unsent;
}

/* The socket took less than all: wait for it. */
static void block(struct conn *c)
{
    if (!c->write_wants_read)
        ev_io_start(c->loop->ev, &c->writable);
    if (!c->blocked || c->progress_bytes >= WRITE_PROGRESS_BYTES) {
        set_timeout(c, c->limits->write_timeout_ms);
        c->progress_bytes = 0;
    }
    c->blocked = true;
}

/* The others' turn; the rest of what there is to say waits for the next. */
static void yield(struct conn *c)
{
    c->yielded = true;
    if (!c->write_wants_read)
        ev_io_start(c->loop->ev, &c->writable);
}

static void unblock(struct conn *c)
{
    c->blocked = false;
    ev_timer_stop(c->loop->ev, &c->timeout);
    if (!c->read_wants_write && !c->yielded)
        ev_io_stop(c->loop->ev, &c->writable);
}

/* Writes from @out until it is empty or the socket is full. True when it is empty. */
static bool send_from(struct conn *c, struct buf *out)
{
    if (c->turn != c->loop->turn) {
        c->turn = c->loop->turn;
        c->turn_bytes = 0;
    }
    while (buf_len(out)) {
        ssize_t n = conn_transport_write(c, out->p + out->start, buf_len(out));
        if (n == -EAGAIN) {
            block(c);
            return false;
        }
        if (n < 0) {
            end(c, (int)n);
            return false;
        }
        c->stats->writes++;
        c->stats->bytes_written += (size_t)n;
        c->bytes_written += (size_t)n;
        c->turn_bytes += (size_t)n;
        c->progress_bytes += (size_t)n;
        buf_consume(out, (size_t)n);
    }
    return true;
}

/* Asks for what there is to say and writes it, until nothing is left or the socket is full. */
static void flush(struct conn *c)
{
    struct buf *shared = &c->loop->write_buf;
    for (;;) {
        /* The shared buffer is hot in the cache and costs an idle connection nothing; only a rest
         * moves to its own. */
        size_t queued = buf_len(&c->out);
        struct buf *out = queued ? &c->out : shared;
        if (c->state == CONN_OPEN && queued < c->limits->write_high_water_bytes)
            c->handler->on_write_ready(c->ctx, out, c->limits->write_high_water_bytes - queued);
        if (c->state == CONN_CLOSED || buf_len(out) == 0)
            break;
        if (!send_from(c, out)) {
            if (out == shared && c->state != CONN_CLOSED)
                buf_append(&c->out, shared->p + shared->start, buf_len(shared));
            break;
        }
        if (c->turn_bytes >= LOOP_WRITE_BYTES && c->state == CONN_OPEN) {
            yield(c);
            break;
        }
    }
    shared->start = shared->end = 0;
    note_unsent(c);
    if (c->state == CONN_CLOSED || buf_len(&c->out))
        return;
    if (c->blocked)
        unblock(c);
    if (c->state == CONN_FLUSHING)
        linger(c);
}

/* Offers what was left over once more. */
static void take_rest(struct conn *c)
{
    ssize_t n = c->handler->on_read(c->ctx, c->rest.p + c->rest.start, buf_len(&c->rest));
    loop_forget(c->loop, c->rest.p + c->rest.start, n > 0 ? (size_t)n : 0);
    if (n < 0)
        end(c, (int)n);
    else
        buf_consume(&c->rest, (size_t)n);
    if (buf_len(&c->rest) == 0)
        buf_deinit(&c->rest); /* it is rare: nobody keeps memory for it */
    if (c->state == CONN_OPEN)
        update_reading(c);
}

/* Reads once, up to LOOP_READ_BYTES. TLS hands out record by record: they are gathered, so that
 * what arrived together is answered together; a record may be of one byte. */
static void read_some(struct conn *c)
{
    if (buf_len(&c->rest)) {
        take_rest(c);
        return;
    }
    size_t got = 0;
    ssize_t n;
    uint32_t records = 0, others = c->tls_messages;
    do {
        n = conn_transport_read(c, c->loop->read_buf + got, LOOP_READ_BYTES - got);
        if (n > 0)
            got += (size_t)n;
    } while (n > 0 && c->ssl && got < LOOP_READ_BYTES &&
             ++records + (c->tls_messages - others) < RECORDS_PER_TURN);

    if (got) {
        c->stats->reads++;
        c->stats->bytes_read += got;
        c->bytes_read += got;
        ssize_t r = c->handler->on_read(c->ctx, c->loop->read_buf, got);
        if (r < 0)
            end(c, (int)r);
        else if ((size_t)r < got && n != 0)
            buf_append(&c->rest, c->loop->read_buf + r, got - (size_t)r);
        loop_forget(c->loop, c->loop->read_buf, got);
    }
    if (c->state != CONN_OPEN)
        return;
    if (n == 0)
        end(c, 0);
    else if (n < 0 && n != -EAGAIN)
        end(c, (int)n);
    else if (buf_len(&c->rest) || (n > 0 && conn_transport_pending(c)))
        update_reading(c);
}

static void open_up(struct conn *c)
{
    c->state = CONN_OPEN;
    if (!c->paused)
        ev_io_start(c->loop->ev, &c->readable);
    c->handler->on_open(c->ctx);
}

static void handshake(struct conn *c)
{
    int r = conn_transport_handshake(c);
    if (r == -EAGAIN)
        return;
    if (r < 0) {
        end(c, r);
        return;
    }
    conn_transport_handshake_over(c, 0);
    conn_peer_prove(c);
    ev_timer_stop(c->loop->ev, &c->timeout);
    ev_io_stop(c->loop->ev, &c->writable);
    open_up(c);
    /* The first request may have come with the last message of the handshake. */
    if (c->state == CONN_OPEN && !c->paused)
        read_some(c);
}

static void watch_handshake(struct conn *c)
{
    if (c->ssl || c->state == CONN_PROXIED) {
        ev_io_start(c->loop->ev, &c->readable);
        set_timeout(c, c->limits->handshake_timeout_ms);
    } else {
        loop_defer(c->loop, &c->task);
    }
}

/* The listener wants to hear first whom the proxy in front speaks for. */
static void take_proxy_header(struct conn *c)
{
    int r = conn_peer_proxy(c);
    if (r == -EAGAIN)
        return;
    if (r < 0) {
        end(c, r);
        return;
    }
    ev_io_stop(c->loop->ev, &c->readable);
    ev_timer_stop(c->loop->ev, &c->timeout);
    c->state = CONN_HANDSHAKE;
    watch_handshake(c);
}

static void discard(struct conn *c)
{
    ssize_t n = recv(c->fd, c->loop->read_buf, LOOP_READ_BYTES, 0);
    if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR))
        end(c, c->error);
    else if (n > 0)
        c->linger_heard = true;
}

static void on_readable(struct ev_loop *ev, ev_io *w, int events)
{
    (void)ev;
    (void)events;
    struct conn *c = w->data;
    if (c->state == CONN_PROXIED) {
        take_proxy_header(c);
        return;
    }
    if (c->state == CONN_HANDSHAKE) {
        handshake(c);
        return;
    }
    if (c->state == CONN_LINGERING) {
        discard(c);
        return;
    }
    if (c->write_wants_read)
        flush(c);
    if (c->state == CONN_OPEN && !c->paused)
        read_some(c);
}

static void on_writable(struct ev_loop *ev, ev_io *w, int events)
{
    (void)events;
    struct conn *c = w->data;
    if (c->state == CONN_HANDSHAKE) {
        handshake(c);
        return;
    }
    if (c->read_wants_write && c->state == CONN_OPEN) {
        read_some(c);
        if (!c->blocked && !c->read_wants_write && c->state == CONN_OPEN)
            ev_io_stop(ev, w);
    }
    bool yielded = c->yielded;
    c->yielded = false;
    if ((c->blocked || yielded) && c->state != CONN_CLOSED)
        flush(c);
    if (yielded && c->state != CONN_CLOSED && !c->blocked && !c->yielded && !c->read_wants_write)
        ev_io_stop(ev, w);
}

static void on_timeout(struct ev_loop *ev, ev_timer *w, int events)
{
    (void)ev;
    (void)events;
    struct conn *c = w->data;
    if (c->state == CONN_LINGERING && !c->lingered && (c->linger_heard || !all_arrived(c))) {
        c->lingered = true;
        set_timeout(c, LINGER_MS - LINGER_SILENT_MS);
        return;
    }
    end(c, c->state == CONN_LINGERING ? c->error : -ETIMEDOUT);
}

static void on_more(struct ev_loop *ev, ev_timer *w, int events)
{
    (void)ev;
    (void)events;
    struct conn *c = w->data;
    if (c->state == CONN_OPEN && !c->paused)
        read_some(c);
}

static void on_task(struct loop_task *task)
{
    struct conn *c = list_entry(task, struct conn, task);
    if (c->state == CONN_CLOSED) {
        c->handler->on_closed(c->ctx, c->error);
        conn_free(c);
        return;
    }
    if (c->state == CONN_HANDSHAKE) {
        if (!c->ssl)
            open_up(c); /* queues this task again if there is something to write */
        return;
    }
    if (!c->blocked && !c->yielded && (c->state == CONN_OPEN || c->state == CONN_FLUSHING))
        flush(c);
}

/* 0, -EPERM, or -ENOMEM. */
static int come_in(struct conn *c)
{
    int r = conn_peer_learn(c);
    if (r < 0)
        return r;
    if (c->source.kind == ENDPOINT_IP)
        conn_transport_tune(c->fd);
    c->tls = c->gate->tls != NULL;
    return c->tls ? conn_transport_accept(c) : 0;
}

int conn_new(struct conn **ret_conn, struct loop *loop, int fd, const struct gate *gate,
             const struct conn_limits *limits, struct conn_stats *stats,
             const struct conn_handler *handler, void *ctx)
{
    static const struct gate open_gate;
    CHECK(limits->write_high_water_bytes > 0);
    struct conn *c = calloc(1, sizeof *c);
    if (!c) {
        close(fd);
        return -ENOMEM;
    }
    c->loop = loop;
    c->gate = gate ? gate : &open_gate;
    c->handler = handler;
    c->ctx = ctx;
    c->limits = limits;
    c->stats = stats;
    c->fd = fd;
    c->state = c->gate->wants_proxy ? CONN_PROXIED : CONN_HANDSHAKE;
    int r = come_in(c);
    if (r < 0) {
        conn_transport_deinit(c);
        conn_peer_deinit(c);
        free(c);
        return r;
    }
    ev_io_init(&c->readable, on_readable, fd, EV_READ);
    ev_io_init(&c->writable, on_writable, fd, EV_WRITE);
    ev_timer_init(&c->timeout, on_timeout, 0., 0.);
    ev_timer_init(&c->more, on_more, 0., 0.);
    c->readable.data = c->writable.data = c->timeout.data = c->more.data = c;
    loop_task_init(&c->task, on_task);
    watch_handshake(c);
    *ret_conn = c;
    return 0;
}

struct conn *conn_free(struct conn *c)
{
    if (!c)
        return NULL;
    stop_watching(c);
    loop_task_cancel(&c->task);
    conn_transport_deinit(c);
    buf_deinit(&c->out);
    buf_deinit(&c->rest);
    note_unsent(c);
    conn_peer_deinit(c);
    free(c);
    return NULL;
}

void conn_want_write(struct conn *c)
{
    if (c->state == CONN_OPEN)
        loop_defer(c->loop, &c->task);
}

void conn_close(struct conn *c, bool flush_first)
{
    if (c->state == CONN_CLOSED)
        return;
    if (!flush_first || c->state == CONN_PROXIED || c->state == CONN_HANDSHAKE) {
        c->tls_failure = TLS_HANDSHAKE_TIMEOUT; /* not the peer's doing, but its slowness */
        end(c, 0);
        return;
    }
    if (c->state != CONN_OPEN)
        return;
    c->state = CONN_FLUSHING;
    /* TLS may still have to read in order to write. */
    if (!c->write_wants_read)
        ev_io_stop(c->loop->ev, &c->readable);
    ev_timer_stop(c->loop->ev, &c->more);
    loop_defer(c->loop, &c->task);
}

void conn_pause(struct conn *c, bool paused)
{
    if (c->paused == paused)
        return;
    c->paused = paused;
    if (c->state == CONN_OPEN)
        update_reading(c);
}

size_t conn_unsent_bytes(const struct conn *c)
{
    return buf_len(&c->out);
}

int conn_fd(const struct conn *c)
{
    return c->fd;
}

uint64_t conn_bytes_read(const struct conn *c)
{
    return c->bytes_read;
}

uint64_t conn_bytes_written(const struct conn *c)
{
    return c->bytes_written;
}
