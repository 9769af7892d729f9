/* Connections in clear: an echo server in the test's thread, peers of every kind. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "conn_rig.h"
#include "support/test.h"

TEST(conn, echoes_in_one_write_per_turn)
{
    int fd = rig_start(NULL);
    char text[100];
    ASSERT_INT_EQ(write(fd, "hello ", 6), 6);
    ASSERT_INT_EQ(write(fd, "world", 5), 5);
    rig_pump_ms(5);
    ASSERT_INT_EQ(rig.opened, 1);
    ASSERT_INT_EQ(rig.stats.writes, 1);
    ASSERT_INT_EQ(read(fd, text, sizeof text), 11);
    ASSERT_MEM_EQ(text, "hello world", 11);
    ASSERT_TRUE(str_starts(conn_peer(rig.conn), STR("unix:pid=")));
    ASSERT_FALSE(conn_is_tls(rig.conn));
    rig_stop(fd);
}

TEST(conn, reports_the_end_once)
{
    int fd = rig_start(NULL);
    rig_pump_ms(2);
    shutdown(fd, SHUT_RDWR);
    rig_pump_ms(5);
    ASSERT_INT_EQ(rig.closed, 1);
    ASSERT_INT_EQ(rig.closed_error, 0);
    rig_stop(fd);
}

TEST(conn, ends_when_the_handler_says_so)
{
    int fd = rig_start(NULL);
    rig.read_result = -EPROTO;
    ASSERT_INT_EQ(write(fd, "x", 1), 1);
    rig_pump_ms(5);
    ASSERT_INT_EQ(rig.closed, 1);
    ASSERT_INT_EQ(rig.closed_error, -EPROTO);
    rig_stop(fd);
}

TEST(conn, does_not_read_while_paused)
{
    int fd = rig_start(NULL);
    rig_pump_ms(2);
    conn_pause(rig.conn, true);
    ASSERT_INT_EQ(write(fd, "x", 1), 1);
    rig_pump_ms(5);
    ASSERT_INT_EQ(buf_len(&rig.received), 0);
    conn_pause(rig.conn, false);
    rig_pump_ms(5);
    ASSERT_INT_EQ(buf_len(&rig.received), 1);
    rig_stop(fd);
}

/* What the handler does not take comes again, turn by turn, in order and before anything newer. */
TEST(conn, offers_the_rest_in_the_next_turn)
{
    int fd = rig_start(NULL);
    rig.take_max = 4;
    ASSERT_INT_EQ(write(fd, "0123456789", 10), 10);
    conn_pause(rig.conn, true);
    rig_pump_ms(5);
    ASSERT_INT_EQ(buf_len(&rig.received), 0);
    conn_pause(rig.conn, false);
    while (buf_len(&rig.received) == 0)
        ev_run(rig.loop.ev, EVRUN_NOWAIT);
    ASSERT_INT_EQ(write(fd, "abc", 3), 3);
    while (buf_len(&rig.received) < 13)
        rig_pump_ms(1);
    ASSERT_MEM_EQ(rig.received.p, "0123456789abc", 13);
    rig_stop(fd);
}

/* A peer that takes all we give gets no more than its share of a turn. */
TEST(conn, yields_after_so_many_bytes)
{
    int fd = rig_start(NULL);
    static char sink[1 << 20];
    int large = 8 << 20;
    setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &large, sizeof large);
    setsockopt(conn_fd(rig.conn), SOL_SOCKET, SO_SNDBUF, &large, sizeof large);
    rig_pump_ms(2);
    size_t total = 4 << 20;
    memset(buf_reserve(&rig.to_send, total), 'x', total);
    buf_commit(&rig.to_send, total);
    conn_want_write(rig.conn);
    for (size_t written = 0; rig.stats.bytes_written < total; written = rig.stats.bytes_written) {
        ev_run(rig.loop.ev, EVRUN_NOWAIT);
        /* A run: the end of a turn, the beginning of the next. */
        ASSERT_TRUE(rig.stats.bytes_written - written <= 2 * LOOP_WRITE_BYTES + 64 * 1024);
        while (read(fd, sink, sizeof sink) > 0) {
        }
    }
    rig_stop(fd);
}

/* Its share of a turn is used up by the very flush that finds the socket free again. */
TEST(conn, goes_on_after_a_turn_that_began_blocked)
{
    int fd = rig_start(NULL);
    size_t total = 4 << 20;
    memset(buf_reserve(&rig.to_send, total), 'x', total);
    buf_commit(&rig.to_send, total);
    rig_pump_ms(2);
    conn_want_write(rig.conn);
    rig_pump_ms(2);
    ASSERT_TRUE(rig.stats.unsent_bytes > 0);
    rig.fast_peer = fd;
    for (int i = 0; i < 100; i++) {
        rig_drain();
        rig_pump_ms(0);
    }
    ASSERT_INT_EQ(rig.peer_got, total);
    rig_stop(fd);
}

TEST(conn, flushes_before_it_closes_and_waits_for_the_peer)
{
    int fd = rig_start(NULL);
    char text[100];
    rig_pump_ms(2);
    buf_append(&rig.to_send, "last words", 10);
    conn_want_write(rig.conn);
    rig_pump_ms(2);
    conn_close(rig.conn, true);
    ASSERT_INT_EQ(rig.closed, 0);
    ASSERT_INT_EQ(write(fd, "not read any more", 17), 17);
    rig_pump_ms(5);
    ASSERT_INT_EQ(rig.closed, 0);
    ASSERT_INT_EQ(read(fd, text, sizeof text), 10);
    ASSERT_INT_EQ(read(fd, text, sizeof text), 0);
    shutdown(fd, SHUT_RDWR);
    rig_pump_ms(5);
    ASSERT_INT_EQ(rig.closed, 1);
    rig_stop(fd);
}

TEST(conn, closes_at_once_but_reports_from_the_loop)
{
    int fd = rig_start(NULL);
    rig_pump_ms(2);
    conn_close(rig.conn, false);
    conn_close(rig.conn, false);
    conn_want_write(rig.conn);
    ASSERT_INT_EQ(rig.closed, 0);
    rig_pump_ms(2);
    ASSERT_INT_EQ(rig.closed, 1);
    rig_stop(fd);
}

TEST(conn, asks_for_no_more_than_the_high_water_mark_and_gives_up_on_a_stuck_peer)
{
    int fd = rig_start(NULL);
    rig.limits.write_timeout_ms = 500;
    memset(buf_reserve(&rig.to_send, 4000000), 'x', 4000000);
    buf_commit(&rig.to_send, 4000000);
    rig_pump_ms(2);
    conn_want_write(rig.conn);
    rig_pump_ms(20);
    ASSERT_INT_IN(buf_len(&rig.to_send), 4000000 - 1000000, 3999999);
    ASSERT_INT_EQ(rig.closed, 0);
    rig_pump_ms(700);
    ASSERT_INT_EQ(rig.closed, 1);
    ASSERT_INT_EQ(rig.closed_error, -ETIMEDOUT);
    rig_stop(fd);
}

TEST(conn, sends_everything_to_a_slow_peer)
{
    int fd = rig_start(NULL);
    rig.limits.write_timeout_ms = 100;
    memset(buf_reserve(&rig.to_send, 4000000), 'x', 4000000);
    buf_commit(&rig.to_send, 4000000);
    rig_pump_ms(2);
    conn_want_write(rig.conn);
    static char in[65536];
    size_t got = 0;
    for (int i = 0; i < 3000 && got < 4000000; i++) {
        ssize_t n = read(fd, in, sizeof in);
        got += n > 0 ? (size_t)n : 0;
        rig_pump_ms(0);
    }
    ASSERT_INT_EQ(got, 4000000);
    ASSERT_INT_EQ(rig.closed, 0);
    rig_stop(fd);
}
