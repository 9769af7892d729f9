/* How many connections, and how many bytes: what happens at each limit. */
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "fixture.h"
#include "io/listen.h"

static const struct h2_stats *stats(void)
{
    return h2_server_stats(fx.server);
}

static void do_nothing(struct h2_stream *s)
{
    (void)s;
}

TEST(h2_caps, closes_the_connection_idle_for_longest_above_the_soft_limit)
{
    struct h2_limits limits = h2_limits_default;
    limits.conns_soft_max = 3;
    fx_start(&limits);
    fx.on_end = do_nothing;
    struct h2client *busy = fx_client(NULL), *idle[3];
    h2client_post(busy, "/a.B/C", NULL, "x", 1, false);
    FX_UNTIL(busy, fx.opened == 1);
    for (int i = 0; i < 3; i++) {
        idle[i] = fx_client(NULL);
        FX_UNTIL(idle[i], strstr(h2client_log(idle[i]), "SETTINGS:ack"));
    }
    FX_UNTIL(idle[0], h2client_is_closed(idle[0]));
    ASSERT_HAS(h2client_log(idle[0]), "GOAWAY:2147483647:0 ");
    FX_UNTIL(NULL, stats()->conns_closed[H2_CLOSE_CONNS] == 1);
    h2client_run(idle[1], 1);
    h2client_run(busy, 1);
    ASSERT_FALSE(h2client_is_closed(idle[1]));
    ASSERT_FALSE(h2client_is_closed(busy));
    for (int i = 0; i < 3; i++)
        h2client_free(idle[i]);
    h2client_free(busy);
    fx_stop();
}

TEST(h2_caps, never_closes_the_connection_that_comes_because_the_others_are_busy)
{
    struct h2_limits limits = h2_limits_default;
    limits.conns_soft_max = 2;
    fx_start(&limits);
    fx.on_end = do_nothing;
    struct h2client *busy[4];
    for (unsigned i = 0; i < 4; i++) {
        busy[i] = fx_client(NULL);
        h2client_post(busy[i], "/a.B/C", NULL, "x", 1, false);
        FX_UNTIL(busy[i], fx.opened == i + 1);
    }
    ASSERT_INT_EQ(stats()->conns_closed[H2_CLOSE_CONNS], 0);
    for (int i = 0; i < 4; i++)
        h2client_free(busy[i]);
    FX_UNTIL(NULL, stats()->conns_open == 0);
    fx_stop();
}

TEST(h2_caps, closes_silent_connections_first_come_first_above_the_soft_limit)
{
    struct h2_limits limits = h2_limits_default;
    limits.conns_max = 10; /* nine tenths of it */
    fx_start(&limits);
    int fds[40];
    for (int i = 0; i < 40; i++)
        fds[i] = fx_dial();
    FX_UNTIL(NULL, stats()->conns_accepted == 40); /* a flood of them never shuts the door */
    struct h2client *c = fx_client(NULL);
    ASSERT_TRUE(h2client_wait(c, h2client_post(c, "/a.B/C", NULL, "x", 1, false)));
    for (int i = 0; i < 40; i++)
        close(fds[i]);
    h2client_free(c);
    fx_stop();
}

TEST(h2_caps, takes_so_many_connections_of_an_address)
{
    struct h2_limits limits = h2_limits_default;
    limits.conns_per_address_max = 2;
    fx_start(&limits);
    int fds[3] = {fx_wire(), fx_wire(), fx_wire()};
    FX_UNTIL(NULL, stats()->conns_closed[H2_CLOSE_ADDRESS] == 1);
    ASSERT_INT_EQ(stats()->conns_open, 2);
    close(fds[0]);
    FX_UNTIL(NULL, stats()->conns_open == 1);
    int again = fx_wire();
    FX_UNTIL(NULL, stats()->conns_open == 2);
    ASSERT_INT_EQ(stats()->conns_closed[H2_CLOSE_ADDRESS], 1);
    close(fds[1]);
    close(fds[2]);
    close(again);
    FX_UNTIL(NULL, stats()->conns_open == 0);
    fx_stop();
}

TEST(h2_caps, counts_no_address_on_unix_sockets)
{
    struct h2_limits limits = h2_limits_default;
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    char error[200], address[128];
    int listening, fds[3];
    limits.conns_per_address_max = 1;
    fx_start(&limits);
    snprintf(a.sun_path, sizeof a.sun_path, "/tmp/fg-caps-%d.sock", (int)getpid());
    snprintf(address, sizeof address, "unix:%s", a.sun_path);
    ASSERT_INT_EQ(listen_open(address, 16, &listening, error, sizeof error), 0);
    ASSERT_INT_EQ(h2_server_listen(fx.server, listening, NULL), 0);
    for (int i = 0; i < 3; i++) {
        fds[i] = socket(AF_UNIX, SOCK_STREAM, 0);
        ASSERT_INT_EQ(connect(fds[i], (struct sockaddr *)&a, sizeof a), 0);
    }
    FX_UNTIL(NULL, stats()->conns_open == 3);
    fx_pump_ms(5);
    ASSERT_INT_EQ(stats()->conns_open, 3);
    for (int i = 0; i < 3; i++)
        close(fds[i]);
    unlink(a.sun_path);
    fx_stop();
}

static uint8_t large[300 * 1000];

static void answer_large(struct h2_stream *s)
{
    fx_reply(s, large, sizeof large);
}

TEST(h2_caps, refuses_streams_of_a_connection_that_holds_too_much)
{
    struct h2_limits limits = h2_limits_default;
    limits.conn_buffered_bytes_max = 500 * 1000;
    fx_start(&limits);
    fx.on_end = answer_large;
    struct h2client *c =
        fx_client(&(struct h2client_options){.table_bytes = -1, .keep_window_shut = true});
    struct h2client *other = fx_client(NULL);
    struct h2client_reply *first = h2client_post(c, "/a.B/C", NULL, NULL, 0, false);
    FX_UNTIL(c, fx.opened == 1);
    h2client_post(c, "/a.B/C", NULL, NULL, 0, false);
    FX_UNTIL(c, fx.opened == 2);
    struct h2client_reply *third = h2client_post(c, "/a.B/C", NULL, NULL, 0, false);
    ASSERT_TRUE(h2client_wait(c, third));
    ASSERT_INT_EQ(third->error_code, H2_REFUSED_STREAM);
    ASSERT_INT_EQ(stats()->streams_refused[H2_REFUSAL_CONN_BYTES], 1);
    ASSERT_TRUE(h2client_wait(other, h2client_post(other, "/a.B/C", NULL, "x", 1, false)));
    h2client_open_window(c, first, sizeof large); /* it takes what it asked for: goes on */
    ASSERT_TRUE(h2client_wait(c, first));
    struct h2client_reply *fourth = h2client_post(c, "/a.B/C", NULL, NULL, 0, false);
    FX_UNTIL(c, fx.opened == 4);
    ASSERT_FALSE(fourth->closed);
    h2client_free(c);
    h2client_free(other);
    FX_UNTIL(NULL, stats()->conns_open == 0);
    ASSERT_INT_EQ(stats()->buffered_bytes, 0);
    fx_stop();
}

/* What is kept above h2 counts too; the connection that holds most is not read, the others are. */
TEST(h2_caps, stops_reading_the_largest_when_the_worker_holds_too_much)
{
    struct h2_limits limits = h2_limits_default;
    limits.buffered_bytes_max = 1 << 20;
    limits.headers_timeout_ms = 20; /* the shortest sets the tick */
    fx_start(&limits);
    fx.on_end = do_nothing;
    struct h2client *fat = fx_client(NULL), *thin = fx_client(NULL);
    h2client_post(fat, "/a.B/C", NULL, "x", 1, true);
    FX_UNTIL(fat, fx.opened == 1);
    struct h2_stream *s = fx_stream(0);
    struct h2client_reply *r = h2client_post(thin, "/a.B/C", NULL, "x", 1, true);
    FX_UNTIL(thin, fx.opened == 2);
    h2_keep(s, 2 << 20);
    ASSERT_INT_EQ(stats()->buffered_bytes, 2 << 20);
    struct h2client_reply *refused = h2client_post(fat, "/a.B/C", NULL, "x", 1, false);
    ASSERT_TRUE(h2client_wait(fat, refused));
    ASSERT_INT_EQ(refused->error_code, H2_REFUSED_STREAM);
    ASSERT_INT_EQ(stats()->streams_refused[H2_REFUSAL_WORKER_BYTES], 1);
    ASSERT_INT_EQ(stats()->reads_held, 1);
    h2client_end(thin, r);
    FX_UNTIL(thin, strstr(fx_log(), "end:1:1"));
    h2client_post(thin, "/a.B/C", NULL, "x", 1, false);
    FX_UNTIL(thin, fx.opened == 3);
    h2_keep(s, 0);
    h2client_ping(fat);
    FX_UNTIL(fat, strstr(h2client_log(fat), "PING:ack"));
    h2client_free(fat);
    h2client_free(thin);
    FX_UNTIL(NULL, stats()->conns_open == 0);
    fx_stop();
}

/* What is queued for a peer leaves when it opens its windows, and that has to be read. */
TEST(h2_caps, reads_on_from_whom_it_waits_for)
{
    struct h2_limits limits = h2_limits_default;
    limits.buffered_bytes_max = 250 * 1000;
    fx_start(&limits);
    fx.on_end = answer_large;
    struct h2client *c =
        fx_client(&(struct h2client_options){.table_bytes = -1, .keep_window_shut = true});
    struct h2client *other = fx_client(NULL);
    struct h2client_reply *r = h2client_post(c, "/a.B/C", NULL, NULL, 0, false);
    FX_UNTIL(c, fx.opened == 1);
    h2client_ping(c);
    FX_UNTIL(c, strstr(h2client_log(c), "PING:ack"));
    h2client_open_window(c, r, sizeof large);
    ASSERT_TRUE(h2client_wait(c, r));
    ASSERT_INT_EQ(stats()->reads_held, 0);
    h2client_free(c);
    h2client_free(other);
    fx_stop();
}

/* What a call has allocated is its connection's. */
TEST(h2_caps, refuses_streams_of_the_connection_whose_calls_hold_too_much)
{
    struct h2_limits limits = h2_limits_default;
    limits.conn_buffered_bytes_max = 1 << 20;
    fx_start(&limits);
    fx.on_end = do_nothing;
    struct h2client *c = fx_client(NULL);
    h2client_post(c, "/a.B/C", NULL, "x", 1, true);
    FX_UNTIL(c, fx.opened == 1);
    *h2_owned(fx_stream(0)) = 2 << 20;
    struct h2client_reply *refused = h2client_post(c, "/a.B/C", NULL, "x", 1, false);
    ASSERT_TRUE(h2client_wait(c, refused));
    ASSERT_INT_EQ(refused->error_code, H2_REFUSED_STREAM);
    ASSERT_INT_EQ(stats()->streams_refused[H2_REFUSAL_CONN_BYTES], 1);
    *h2_owned(fx_stream(0)) = 0;
    h2client_post(c, "/a.B/C", NULL, "x", 1, false);
    FX_UNTIL(c, fx.opened == 2);
    h2client_free(c);
    fx_stop();
}

/* Streams let in together may each queue what they like: the largest connection pays. */
TEST(h2_caps, closes_the_largest_when_the_worker_holds_far_too_much)
{
    struct h2_limits limits = h2_limits_default;
    limits.buffered_bytes_max = 1 << 20;
    fx_start(&limits);
    fx.on_end = do_nothing;
    struct h2client_options shut = {.table_bytes = -1, .keep_window_shut = true};
    struct h2client *fat = fx_client(&shut), *thin = fx_client(&shut);
    struct h2_stream *streams[6];
    for (unsigned i = 0; i < 6; i++) {
        struct h2client *c = i < 5 ? fat : thin;
        h2client_post(c, "/a.B/C", NULL, NULL, 0, false);
        FX_UNTIL(c, fx.opened == i + 1);
        streams[i] = fx.streams[i < 5 ? i : 0];
    }
    for (unsigned i = 0; i < 6; i++)
        fx_reply(streams[i], large, sizeof large); /* all before the server's turn */
    FX_UNTIL(fat, h2client_is_closed(fat));
    ASSERT_INT_EQ(stats()->conns_closed[H2_CLOSE_BYTES], 1);
    h2client_run(thin, 5);
    ASSERT_FALSE(h2client_is_closed(thin));
    ASSERT_TRUE(stats()->buffered_bytes <= sizeof large);
    h2client_free(fat);
    h2client_free(thin);
    fx_stop();
}

/* One stream's window stays shut, the others go on: it is ended, the connection is not. */
TEST(h2_caps, resets_a_stream_that_takes_nothing)
{
    struct h2_limits limits = h2_limits_default;
    limits.write_timeout_ms = 100;
    fx_start(&limits);
    fx.on_end = answer_large;
    struct h2client *c =
        fx_client(&(struct h2client_options){.table_bytes = -1, .keep_window_shut = true});
    struct h2client_reply *stuck = h2client_post(c, "/a.B/C", NULL, NULL, 0, false);
    struct h2client_reply *slow = h2client_post(c, "/a.B/C", NULL, NULL, 0, false);
    while (!stuck->closed && !h2client_is_closed(c)) {
        h2client_open_window(c, slow, 1000);
        h2client_run(c, 5);
    }
    ASSERT_FALSE(h2client_is_closed(c));
    ASSERT_INT_EQ(stuck->error_code, H2_CANCEL);
    h2client_free(c);
    fx_stop();
}

/* After the last GOAWAY each stream is told that nobody will look at it. */
TEST(h2_caps, refuses_streams_behind_the_last_goaway)
{
    fx_start(NULL);
    fx.on_end = do_nothing;
    int fd = fx_wire();
    struct buf in = {0}, text = {0};
    fx_send(fd, 1, 5, 1, fx_request, sizeof fx_request);
    FX_UNTIL(NULL, fx.opened == 1);
    h2_server_drain(fx.server, fx_on_drained);
    FX_UNTIL(NULL, !wire_read(fd, &in, 1, fx_pump, NULL) && (text.end = text.start = 0) == 0 &&
                       strstr(wire_frames(&in, &text), "PING:0:0:8 GOAWAY:0:0:8"));
    uint8_t late[3 * (9 + sizeof fx_request)]; /* in one read */
    for (unsigned i = 0; i < 3; i++) {
        uint8_t *frame = late + i * (9 + sizeof fx_request);
        memcpy(frame, (uint8_t[]){0, 0, sizeof fx_request, 1, 4, 0, 0, 0, (uint8_t)(3 + 2 * i)}, 9);
        memcpy(frame + 9, fx_request, sizeof fx_request);
    }
    wire_send(fd, late, sizeof late, fx_pump, NULL);
    fx_send(fd, 0, 1, 7, "body", 4);
    FX_UNTIL(NULL, !wire_read(fd, &in, 1, fx_pump, NULL) && (text.end = text.start = 0) == 0 &&
                       strstr(wire_frames(&in, &text), "RST:3:0:4 RST:5:0:4 RST:7:0:4"));
    ASSERT_INT_EQ(stats()->streams_refused[H2_REFUSAL_DRAIN], 3);
    fx_reply(fx_stream(0), "x", 1);
    FX_UNTIL(NULL, wire_read(fd, &in, 1, fx_pump, NULL));
    ASSERT_INT_EQ(fx.opened, 1);
    close(fd);
    FX_UNTIL(NULL, fx.drained);
    buf_deinit(&in);
    buf_deinit(&text);
    fx_stop();
}

/* A client that leaves politely has broken no rule; one that names an error has met one of ours. */
TEST(h2_caps, knows_who_leaves_from_who_breaks_the_rules)
{
    for (uint8_t code = 0; code < 2; code++) {
        const uint8_t goaway[8] = {0, 0, 0, 0, 0, 0, 0, code};
        fx_start(NULL);
        int fd = fx_wire();
        fx_send(fd, 4, 1, 0, NULL, 0);
        fx_send(fd, 7, 0, 0, goaway, sizeof goaway);
        FX_UNTIL(NULL,
                 stats()->conns_open == 0 && stats()->conns_closed[H2_CLOSE_PEER] +
                                                     stats()->conns_closed[H2_CLOSE_PROTOCOL] ==
                                                 1);
        ASSERT_INT_EQ(stats()->conns_closed[H2_CLOSE_PEER], code == 0);
        close(fd);
        fx_stop();
    }
}

static int64_t drain_of_a_sleeper_ns(void)
{
    fx_start(NULL);
    int fd = fx_wire();
    fx_send(fd, 4, 1, 0, NULL, 0);
    FX_UNTIL(NULL, stats()->conns_open == 1 && stats()->writes > 0);
    int64_t before_ns = clock_mono_ns(&clock_system);
    h2_server_drain(fx.server, fx_on_drained);
    FX_UNTIL(NULL, fx.drained);
    int64_t took_ns = clock_mono_ns(&clock_system) - before_ns;
    close(fd);
    fx_stop();
    return took_ns;
}

/* A client that sleeps (gRPC's C core while idle) answers no PING: half a second, not two. */
TEST(h2_caps, drain_of_an_idle_client_that_sleeps_is_short)
{
    ASSERT_QUICK(drain_of_a_sleeper_ns, 1200 * NS_PER_MS);
}
