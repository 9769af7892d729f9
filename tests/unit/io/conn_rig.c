/* What conn_rig.h declares: the handler of the echo server, and its loop. */
#include "conn_rig.h"

#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "support/test.h"

struct conn_rig rig;

static void on_open(void *ctx)
{
    (void)ctx;
    rig.opened++;
}

static ssize_t on_read(void *ctx, const uint8_t *p, size_t bytes)
{
    (void)ctx;
    if (bytes > rig.take_max)
        bytes = rig.take_max;
    buf_append(&rig.received, p, bytes);
    if (rig.echo) {
        buf_append(&rig.to_send, p, bytes);
        conn_want_write(rig.conn);
    }
    return rig.read_result < 0 ? rig.read_result : (ssize_t)bytes;
}

void rig_drain(void)
{
    static char sink[64 * 1024];
    for (ssize_t n; (n = read(rig.fast_peer, sink, sizeof sink)) > 0;)
        rig.peer_got += (size_t)n;
}

static void on_write_ready(void *ctx, struct buf *out, size_t bytes_max)
{
    (void)ctx;
    rig.fills++;
    if (rig.fast_peer >= 0)
        rig_drain();
    size_t n = buf_len(&rig.to_send) < bytes_max ? buf_len(&rig.to_send) : bytes_max;
    buf_append(out, rig.to_send.p + rig.to_send.start, n);
    buf_consume(&rig.to_send, n);
}

static void on_closed(void *ctx, int error)
{
    (void)ctx;
    rig.closed++;
    rig.closed_error = error;
    rig.conn = NULL;
}

const struct conn_handler rig_handler = {
    .on_open = on_open,
    .on_read = on_read,
    .on_write_ready = on_write_ready,
    .on_closed = on_closed,
};

void rig_pump_ms(int ms)
{
    for (struct test_turns t = test_turns(ms); test_turns_left(&t);)
        ev_run(rig.loop.ev, EVRUN_NOWAIT);
}

int rig_start(struct tls_context *tls)
{
    int fds[2];
    rig.opened = rig.closed = rig.fills = 0;
    rig.closed_error = rig.read_result = 0;
    rig.take_max = SIZE_MAX;
    rig.fast_peer = -1;
    rig.peer_got = 0;
    rig.echo = true;
    memset(&rig.stats, 0, sizeof rig.stats);
    rig.limits = (struct conn_limits){.handshake_timeout_ms = 1000,
                                      .write_timeout_ms = 1000,
                                      .write_high_water_bytes = 64 * 1024};
    rig.gate.tls = tls;
    ASSERT_INT_EQ(loop_init(&rig.loop, &clock_system), 0);
    ASSERT_INT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
    ASSERT_INT_EQ(conn_new(&rig.conn, &rig.loop, fds[0], &rig.gate, &rig.limits, &rig.stats,
                           &rig_handler, NULL),
                  0);
    ASSERT_INT_EQ(rig.opened, 0); /* never from inside */
    return fds[1];
}

void rig_stop(int fd)
{
    close(fd);
    rig.conn = conn_free(rig.conn);
    buf_deinit(&rig.received);
    buf_deinit(&rig.to_send);
    loop_deinit(&rig.loop);
}
