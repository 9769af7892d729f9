/* How connections end: loss, drain, close; and how they are spread over workers. */
#include <string.h>
#include <unistd.h>

#include "fixture.h"
#include "io/conn.h"
#include "io/listen.h"

static void do_nothing(struct h2_stream *s)
{
    (void)s;
}

static void answer_half(struct h2_stream *s)
{
    static const uint8_t large[200000];
    fx_head(s);
    h2_write(s, large, sizeof large, fx_on_sent, NULL);
}

TEST(h2_end, loss_of_the_connection_ends_every_stream_once)
{
    fx_start(NULL);
    fx.on_end = do_nothing;
    struct h2client *c = fx_client(NULL);
    for (int i = 0; i < 20; i++)
        h2client_post(c, "/a.B/C", NULL, "x", 1, i % 2);
    h2client_run(c, 20);
    fx.on_end = answer_half;
    h2client_post(c, "/a.B/C", NULL, "x", 1, false);
    h2client_run(c, 20);
    ASSERT_INT_EQ(fx.opened, 21);
    h2client_free(c);
    fx_pump_ms(20);
    ASSERT_INT_EQ(fx.closed, 21);
    ASSERT_INT_EQ(fx.closed_by_peer, 21);
    ASSERT_INT_EQ(fx.sent, 1);
    ASSERT_INT_EQ(h2_server_stats(fx.server)->conns_open, 0);
    fx_stop();
}

/* What is said to a stream whose connection went in the same turn goes nowhere, quietly. */
TEST(h2_end, an_answer_after_the_loss_is_harmless)
{
    fx_start(NULL);
    fx.on_end = do_nothing;
    struct h2client *c = fx_client(NULL);
    h2client_post(c, "/a.B/C", NULL, "x", 1, false);
    h2client_run(c, 20);
    h2_server_close(fx.server);
    fx_reply(fx_stream(0), "x", 1);
    h2_reset(fx_stream(0), H2_CANCEL);
    fx_pump_ms(20);
    ASSERT_HAS(fx_log(), "close:1:8 "); /* ours, not the peer's */
    ASSERT_INT_EQ(fx.sent, 1);
    h2client_free(c);
    fx_stop();
}

TEST(h2_end, drain_lets_calls_finish)
{
    fx_start(NULL);
    fx.on_end = do_nothing;
    struct h2client *c = fx_client(NULL);
    struct h2client *idle = fx_client(NULL);
    h2client_run(idle, 10);
    struct h2client_reply *first = h2client_post(c, "/a.B/C", NULL, "x", 1, false);
    FX_UNTIL(c, fx.opened == 1); /* our SETTINGS may not be out yet */
    h2_server_drain(fx.server, fx_on_drained);
    ASSERT_INT_EQ(h2client_dial(fx.port), -1);
    /* On its way when the first GOAWAY left: still served. */
    struct h2client_reply *second = h2client_post(c, "/a.B/C", NULL, "x", 1, false);
    FX_UNTIL(c, strstr(h2client_log(c), "GOAWAY:3:0 "));
    /* nghttp2's client does not answer a PING once it may go. */
    FX_UNTIL(idle, h2client_is_closed(idle));
    ASSERT_HAS(h2client_log(c), "GOAWAY:2147483647:0 PING GOAWAY:3:0 ");
    ASSERT_HAS(h2client_log(idle), "GOAWAY:2147483647:0 PING ");
    ASSERT_FALSE(fx.drained);
    fx_reply(fx_stream(0), "x", 1);
    fx_reply(fx_stream(1), "x", 1);
    ASSERT_TRUE(h2client_wait(c, second));
    ASSERT_INT_EQ(first->error_code, 0);
    ASSERT_STR_EQ((char *)first->trailers.p, "grpc-status: 0\n");
    FX_UNTIL(c, h2client_is_closed(c));
    h2client_free(idle);
    h2client_free(c);
    FX_UNTIL(NULL, fx.drained);
    fx_stop();
}

TEST(h2_end, drain_does_not_wait_for_ever_for_the_ping)
{
    fx_start(NULL);
    int fd = fx_dial(); /* a peer that answers nothing */
    wire_send(fd, H2_PREFACE H2_EMPTY_SETTINGS, 24 + 9, fx_pump, NULL);
    fx_pump_ms(20);
    h2_server_drain(fx.server, fx_on_drained);
    struct buf in = {0}, text = {0};
    FX_UNTIL(NULL, wire_read(fd, &in, 1, fx_pump, NULL));
    ASSERT_HAS(wire_frames(&in, &text), "GOAWAY:0:0:8 PING:0:0:8 GOAWAY:0:0:8 ");
    close(fd);
    FX_UNTIL(NULL, fx.drained);
    buf_deinit(&in);
    buf_deinit(&text);
    fx_stop();
}

TEST(h2_end, drain_of_nobody_is_told_from_the_loop)
{
    fx_start(NULL);
    h2_server_drain(fx.server, fx_on_drained);
    ASSERT_FALSE(fx.drained);
    FX_UNTIL(NULL, fx.drained);
    fx_stop();
}

/* Its first request was on its way when the drain began. */
TEST(h2_end, drain_serves_who_has_not_spoken_yet)
{
    struct h2_limits limits = h2_limits_default;
    limits.preface_timeout_ms = 2000;
    fx_start(&limits);
    int late = fx_dial(), silent = fx_dial();
    FX_UNTIL(NULL, h2_server_stats(fx.server)->conns_open == 2);
    fx_pump_ms(10);
    h2_server_drain(fx.server, fx_on_drained);
    fx_pump_ms(10);
    wire_send(late, H2_PREFACE H2_EMPTY_SETTINGS, 24 + 9, fx_pump, NULL);
    fx_send(late, 4, 1, 0, NULL, 0);
    fx_send(late, 1, 5, 1, fx_request, sizeof fx_request);
    struct buf in = {0}, text = {0};
    FX_UNTIL(NULL, wire_read(late, &in, 1, fx_pump, NULL));
    const char *frames = wire_frames(&in, &text);
    ASSERT_TRUE(strncmp(frames, "SETTINGS:", 9) == 0);
    ASSERT_HAS(frames, "GOAWAY:0:0:8 PING:0:0:8 ");
    ASSERT_HAS(frames, "HEADERS:1:5");
    FX_UNTIL(NULL, fx.drained);
    ASSERT_INT_EQ(fx.closed, 1);
    close(silent);
    close(late);
    buf_deinit(&in);
    buf_deinit(&text);
    fx_stop();
}

static void answer_large(struct h2_stream *s, bool over_limit)
{
    static uint8_t large[4 << 20];
    (void)over_limit;
    fx_head(s);
    h2_write(s, large, sizeof large, NULL, NULL);
}

/* The goodbye waits until the socket takes it, and the client goes on meanwhile (CVE-2026-27135).
 */
TEST(h2_end, hears_nothing_behind_its_own_goodbye)
{
    static const uint8_t window[6] = {0, 4, 0x7f, 0xff, 0xff, 0xff}, more[4] = {0x7f, 0xff, 0, 0};
    fx_start(NULL);
    fx.on_request = answer_large;
    int fd = fx_wire();
    fx_send(fd, 4, 0, 0, window, sizeof window);
    fx_send(fd, 8, 0, 0, more, sizeof more);
    fx_send(fd, 1, 4, 1, fx_request, sizeof fx_request);
    FX_UNTIL(NULL, h2_server_conn_stats(fx.server)->unsent_bytes > 0);
    fx_send(fd, 0, 0, 1, "body", 4);
    const struct buf *body = fx_stream(0)->user;
    FX_UNTIL(NULL, buf_len(body) == 4);
    struct buf flood = {0}; /* in one piece: it is refused whole, and what follows begins a frame */
    for (unsigned i = 0; i < 600; i++)
        buf_append(&flood, "\0\0\0\xbb\0\0\0\0\0", 9);
    wire_send(fd, flood.p, buf_len(&flood), NULL, NULL);
    fx_pump_ms(5);
    fx_send(fd, 0, 0, 1, "more", 4);
    fx_pump_ms(5);
    ASSERT_INT_EQ(buf_len(body), 4);
    struct buf in = {0};
    FX_UNTIL(NULL, wire_read(fd, &in, 1, fx_pump, NULL));
    ASSERT_NOT_NULL(memmem(in.p, buf_len(&in), "too_many_control_frames", 23));
    buf_deinit(&in);
    buf_deinit(&flood);
    close(fd);
    FX_UNTIL(NULL, h2_server_stats(fx.server)->conns_closed[H2_CLOSE_FLOOD] == 1);
    fx_stop();
}

/* Two workers on one socket, in one thread: @second sees every wake-up last. */
TEST(h2_end, connections_are_spread_evenly)
{
    static uint32_t conns[2];
    char error[200];
    int fd, fds[40];
    fx_start(NULL);
    struct loop loop;
    struct h2_server *second;
    memset(conns, 0, sizeof conns);
    ASSERT_INT_EQ(listen_open("127.0.0.1:0", 128, &fd, error, sizeof error), 0);
    ASSERT_INT_EQ(loop_init(&loop, &clock_system), 0);
    static const struct h2_handler none;
    ASSERT_INT_EQ(h2_server_new(&second, &loop, &h2_limits_default, &none, NULL), 0);
    h2_server_set_balance(fx.server, conns, 2, 0);
    h2_server_set_balance(second, conns, 2, 1);
    ASSERT_INT_EQ(h2_server_listen(fx.server, dup(fd), NULL), 0);
    ASSERT_INT_EQ(h2_server_listen(second, dup(fd), NULL), 0);
    for (int i = 0; i < 40; i++) {
        fds[i] = h2client_dial(listen_port(fd));
        ASSERT_TRUE(fds[i] >= 0);
    }
    for (int i = 0; i < 100 && conns[0] + conns[1] < 40; i++) {
        fx_pump_ms(2);
        ev_run(loop.ev, EVRUN_NOWAIT);
    }
    ASSERT_INT_EQ(conns[0] + conns[1], 40);
    ASSERT_INT_IN(conns[0], 17, 23);

    /* The other worker hangs: connections are delayed, not lost. */
    for (int i = 0; i < 20; i++)
        close(fds[i]);
    fx_pump_ms(10);
    uint32_t before = conns[0];
    for (int i = 0; i < 20; i++)
        fds[i] = h2client_dial(listen_port(fd));
    FX_UNTIL(NULL, conns[0] == before + 20);
    for (int i = 0; i < 40; i++)
        close(fds[i]);
    h2_server_free(second);
    ASSERT_INT_EQ(conns[1], 0);
    loop_deinit(&loop);
    close(fd);
    fx_stop();
}
