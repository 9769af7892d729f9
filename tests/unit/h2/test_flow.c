/* Windows, both ways: a slow peer holds back a fast one, and nobody else. */
#include <string.h>
#include <unistd.h>

#include "fixture.h"

static uint8_t large[300 * 1000];

static void answer_large(struct h2_stream *s)
{
    fx_reply(s, large, sizeof large);
}

TEST(h2_flow, waits_for_the_clients_window)
{
    fx_start(NULL);
    fx.on_end = answer_large;
    struct h2client *c =
        fx_client(&(struct h2client_options){.table_bytes = -1, .keep_window_shut = true});
    struct h2client_reply *r = h2client_post(c, "/a.B/C", NULL, NULL, 0, false);
    h2client_run(c, 50);
    ASSERT_INT_EQ(buf_len(&r->body), 65535);
    ASSERT_INT_EQ(fx_stream(0)->queued_bytes, sizeof large - 65535);
    ASSERT_INT_EQ(fx.sent, 0);
    h2client_open_window(c, r, 100000);
    h2client_run(c, 50);
    ASSERT_INT_EQ(buf_len(&r->body), 165535);
    h2client_open_window(c, r, sizeof large);
    ASSERT_TRUE(h2client_wait(c, r));
    ASSERT_INT_EQ(buf_len(&r->body), sizeof large);
    ASSERT_STR_EQ((char *)r->trailers.p, "grpc-status: 0\n");
    h2client_free(c);
    fx_stop();
}

TEST(h2_flow, needs_no_window_for_trailers_alone)
{
    fx_start(NULL);
    fx.on_end = fx_head;
    struct h2client *c =
        fx_client(&(struct h2client_options){.table_bytes = -1, .keep_window_shut = true});
    struct h2client_reply *r = h2client_post(c, "/a.B/C", NULL, NULL, 0, false);
    h2client_run(c, 20);
    h2_write(fx_stream(0), large, 65535, NULL, NULL); /* to the last byte of both windows */
    h2client_run(c, 20);
    ASSERT_INT_EQ(buf_len(&r->body), 65535);
    fx_trailers(fx_stream(0));
    ASSERT_TRUE(h2client_wait(c, r));
    ASSERT_STR_EQ((char *)r->trailers.p, "grpc-status: 0\n");
    h2client_free(c);
    fx_stop();
}

static void write_six(struct h2_stream *s)
{
    fx_head(s);
    for (unsigned i = 0; i < 6; i++)
        h2_write(s, large, 100 * 1000, fx_on_sent, NULL);
    fx_trailers(s);
}

TEST(h2_flow, tells_what_it_has_taken)
{
    fx_start(NULL);
    fx.on_end = write_six;
    struct h2client *c =
        fx_client(&(struct h2client_options){.table_bytes = -1, .keep_window_shut = true});
    struct h2client_reply *r = h2client_post(c, "/a.B/C", NULL, NULL, 0, false);
    FX_UNTIL(c, buf_len(&r->body) == 65535);
    ASSERT_INT_EQ(fx.sent, 0);
    const int64_t until_ns = fx_deadline_ns();
    while (!r->closed && !h2client_is_closed(c) && clock_mono_ns(&clock_system) < until_ns) {
        h2client_open_window(c, r, 20000);
        h2client_run(c, 1);
        unsigned arrived = (unsigned)(buf_len(&r->body) / 100000);
        ASSERT_INT_IN(fx.sent, arrived, arrived + 1);
    }
    ASSERT_TRUE(r->closed);
    ASSERT_INT_EQ(buf_len(&r->body), 600 * 1000);
    ASSERT_INT_EQ(fx.sent, 6);
    h2client_free(c);
    fx_stop();
}

TEST(h2_flow, holds_back_a_client_until_the_bytes_are_consumed)
{
    fx_start(NULL);
    fx.keep_window = true;
    struct h2client *c = fx_client(NULL);
    struct h2client_reply *r = h2client_post(c, "/a.B/C", NULL, large, sizeof large, false);
    h2client_run(c, 100);
    struct h2_stream *s = fx_stream(0);
    struct buf *got = s->user;
    ASSERT_INT_EQ(buf_len(got), h2_limits_default.stream_window_bytes);
    fx.keep_window = false;
    h2_consume(s, buf_len(got));
    ASSERT_TRUE(h2client_wait(c, r));
    ASSERT_INT_EQ(buf_len(&r->body), sizeof large);
    h2client_free(c);
    fx_stop();
}

static void consume_all(unsigned streams)
{
    fx.keep_window = false;
    for (unsigned i = 0; i < streams; i++) {
        struct buf *got = fx_stream(i)->user;
        h2_consume(fx_stream(i), buf_len(got));
    }
}

/* Four times 256 KiB that nobody consumes are the connection's window. */
TEST(h2_flow, stalled_streams_do_not_stop_the_others)
{
    fx_start(NULL);
    fx.keep_window = true;
    struct h2client *c = fx_client(NULL);
    struct h2client_reply *r[5];
    for (int i = 0; i < 4; i++)
        r[i] = h2client_post(c, "/a.B/C", NULL, large, sizeof large, false);
    FX_UNTIL(c, h2_server_stats(fx.server)->buffered_bytes == 1 << 20);
    fx.keep_window = false;
    r[4] = h2client_post(c, "/a.B/C", NULL, large, sizeof large, false);
    ASSERT_TRUE(h2client_wait(c, r[4]));
    ASSERT_INT_EQ(buf_len(&r[4]->body), sizeof large);
    consume_all(4);
    for (int i = 0; i < 4; i++) {
        ASSERT_TRUE(h2client_wait(c, r[i]));
        ASSERT_INT_EQ(buf_len(&r[i]->body), sizeof large);
    }
    h2client_free(c);
    fx_stop();
}

/* What waits above the connection's budget keeps its window shut, and opens it as it is taken. */
TEST(h2_flow, stalled_streams_hold_the_budget_and_a_window_at_most)
{
    struct h2_limits limits = h2_limits_default;
    limits.conn_buffered_bytes_max = 300 * 1000;
    fx_start(&limits);
    fx.keep_window = true;
    struct h2client *c = fx_client(NULL);
    struct h2client_reply *r[8];
    for (int i = 0; i < 8; i++)
        r[i] = h2client_post(c, "/a.B/C", NULL, large, sizeof large, false);
    h2client_run(c, 200);
    size_t held = h2_server_stats(fx.server)->buffered_bytes;
    ASSERT_TRUE(held > limits.conn_buffered_bytes_max);
    ASSERT_TRUE(held <=
                limits.conn_buffered_bytes_max + limits.conn_window_bytes + limits.frame_bytes_max);
    consume_all(8);
    for (int i = 0; i < 8; i++) {
        ASSERT_TRUE(h2client_wait(c, r[i]));
        ASSERT_INT_EQ(buf_len(&r[i]->body), sizeof large);
    }
    h2client_free(c);
    fx_stop();
}

static void refuse_all(struct h2_stream *s, bool over_limit)
{
    (void)over_limit;
    h2_reset(s, H2_REFUSED_STREAM);
}

TEST(h2_flow, gives_the_connections_window_back_for_bytes_nobody_took)
{
    fx_start(NULL);
    fx.keep_window = true;
    fx.on_request = refuse_all;
    struct h2client *c = fx_client(NULL);
    /* Twenty times 60 kB that nobody consumes, through a connection window of 1 MiB. */
    for (int i = 0; i < 20; i++) {
        struct h2client_reply *r = h2client_post(c, "/a.B/C", NULL, large, 60000, false);
        ASSERT_TRUE(h2client_wait(c, r));
        ASSERT_INT_EQ(r->error_code, H2_REFUSED_STREAM);
    }
    fx.on_request = NULL;
    fx.keep_window = false;
    struct h2client_reply *r = h2client_post(c, "/a.B/C", NULL, large, sizeof large, false);
    ASSERT_TRUE(h2client_wait(c, r));
    ASSERT_INT_EQ(buf_len(&r->body), sizeof large);
    h2client_free(c);
    fx_stop();
}

TEST(h2_flow, cuts_off_a_client_that_takes_nothing)
{
    struct h2_limits limits = h2_limits_default;
    limits.write_timeout_ms = 60;
    fx_start(&limits);
    fx.on_end = answer_large;
    struct h2client *c =
        fx_client(&(struct h2client_options){.table_bytes = -1, .keep_window_shut = true});
    h2client_post(c, "/a.B/C", NULL, NULL, 0, false);
    h2client_run(c, 250);
    ASSERT_TRUE(h2client_is_closed(c));
    ASSERT_HAS(fx_log(), "close:1:8:lost");
    ASSERT_INT_EQ(fx.sent, 1);
    h2client_free(c);
    fx_stop();
}

static void answer_very_large(struct h2_stream *s)
{
    fx_head(s);
    for (int i = 0; i < 100; i++)
        h2_write(s, large, sizeof large, fx_on_sent, NULL);
    fx_trailers(s);
}

/* The windows are open but the client does not read: the kernel's buffers fill, ours must not. */
TEST(h2_flow, cuts_off_a_client_that_does_not_read)
{
    struct h2_limits limits = h2_limits_default;
    limits.write_timeout_ms = 60;
    fx_start(&limits);
    fx.on_end = answer_very_large;
    static const uint8_t settings[] = {0, 4, 0x7f, 0xff, 0xff, 0xff};
    static const uint8_t window[] = {0x7f, 0, 0, 0};
    /* POST http / with indexed fields only */
    static const uint8_t request[] = {0x83, 0x86, 0x84, 0x41, 1, 'x'};
    int fd = fx_dial();
    int receive_bytes = 64 * 1024;
    setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &receive_bytes, sizeof receive_bytes);
    wire_send(fd, H2_PREFACE, 24, fx_pump, NULL);
    wire_send_frame(fd, 4, 0, 0, settings, sizeof settings, fx_pump, NULL);
    wire_send_frame(fd, 8, 0, 0, window, sizeof window, fx_pump, NULL);
    wire_send_frame(fd, 1, 5, 1, request, sizeof request, fx_pump, NULL);
    fx_pump_ms(300);
    ASSERT_HAS(fx_log(), "close:1:8:lost");
    ASSERT_INT_EQ(h2_server_stats(fx.server)->conns_open, 0);
    ASSERT_INT_EQ(fx.sent, 100);
    close(fd);
    fx_stop();
}
