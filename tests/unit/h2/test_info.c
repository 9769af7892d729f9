/* What channelz shows of connections and listeners, and what a client said about itself. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fixture.h"

#define SEEN_MAX 8

struct seen {
    struct h2_conn_info conns[SEEN_MAX];
    struct h2_listener_info listeners[SEEN_MAX];
    char local[128], peer[128];
    unsigned conn_count, listener_count;
};

static void see_conn(const struct h2_conn_info *info, void *ctx)
{
    struct seen *seen = ctx;
    ASSERT_TRUE(seen->conn_count < SEEN_MAX);
    seen->conns[seen->conn_count++] = *info;
    memcpy(seen->peer, info->peer.p, info->peer.n);
    seen->peer[info->peer.n] = '\0';
}

static void see_listener(const struct h2_listener_info *info, void *ctx)
{
    struct seen *seen = ctx;
    ASSERT_TRUE(seen->listener_count < SEEN_MAX);
    seen->listeners[seen->listener_count++] = *info;
    memcpy(seen->local, info->local.p, info->local.n);
    seen->local[info->local.n] = '\0';
}

static struct seen look(void)
{
    struct seen seen = {0};
    h2_server_each(fx.server, see_conn, &seen);
    h2_server_each_listener(fx.server, see_listener, &seen);
    return seen;
}

TEST(h2_info, counts_the_streams_of_each_connection)
{
    fx_start(NULL);
    struct h2client *first = fx_client(NULL);
    struct h2client *second = fx_client(NULL);
    FX_UNTIL(second, strstr(h2client_log(second), "SETTINGS:ack"));
    struct h2client_reply *r = h2client_post(first, "/a.B/C", NULL, "hello", 5, false);
    ASSERT_TRUE(h2client_wait(first, r));
    r = h2client_post(first, "/a.B/C", NULL, "x", 1, true);
    FX_UNTIL(first, fx.opened == 2);
    h2client_reset(first, r, H2_CANCEL);
    ASSERT_TRUE(h2client_wait(first, r));
    h2client_post(first, "/a.B/C", NULL, "x", 1, true);
    FX_UNTIL(first, fx.opened == 3 && fx.closed == 2);

    struct seen seen = look();
    ASSERT_INT_EQ(seen.listener_count, 1);
    ASSERT_INT_EQ(seen.conn_count, 2);
    ASSERT_INT_EQ(seen.listeners[0].accepted, 2);
    ASSERT_HAS(seen.local, "127.0.0.1:");
    ASSERT_INT_EQ(atoi(seen.local + strlen("127.0.0.1:")), fx.port);
    ASSERT_HAS(seen.peer, "127.0.0.1:");
    ASSERT_INT_EQ(seen.conns[0].listener_id, seen.listeners[0].id);
    ASSERT_TRUE(seen.listeners[0].id < seen.conns[0].id && seen.conns[0].id < seen.conns[1].id);
    ASSERT_INT_EQ(seen.conns[0].streams_started, 3);
    ASSERT_INT_EQ(seen.conns[0].streams_succeeded, 1);
    ASSERT_INT_EQ(seen.conns[0].streams_failed, 1);
    ASSERT_TRUE(seen.conns[0].last_stream_ns >= seen.conns[0].opened_ns);
    ASSERT_TRUE(seen.conns[0].bytes_read > 100 && seen.conns[0].bytes_written > 100);
    ASSERT_INT_EQ(seen.conns[1].streams_started, 0);
    ASSERT_INT_EQ(seen.conns[1].last_stream_ns, 0);
    ASSERT_INT_EQ(seen.conns[1].remote_window_bytes, 65535);
    ASSERT_INT_EQ(seen.conns[1].local_window_bytes, h2_limits_default.conn_window_bytes);
    uint64_t id = seen.conns[1].id;
    h2client_free(first);
    FX_UNTIL(NULL, look().conn_count == 1);
    seen = look();
    ASSERT_INT_EQ(seen.conns[0].id, id);
    h2client_free(second);
    fx_stop();
}

static uint32_t header_list_max;

static void ask_header_list_max(struct h2_stream *s)
{
    header_list_max = h2_stream_peer_header_list_max(s);
    fx_reply(s, NULL, 0);
}

TEST(h2_info, knows_the_largest_header_list_a_client_takes)
{
    fx_start(NULL);
    fx.on_end = ask_header_list_max;
    struct h2client *c = fx_client(NULL);
    ASSERT_TRUE(h2client_wait(c, h2client_post(c, "/a.B/C", NULL, NULL, 0, false)));
    ASSERT_INT_EQ(header_list_max, UINT32_MAX);
    h2client_free(c);

    static const uint8_t settings[] = {0, 6, 0, 0, 0x20, 0};
    static const uint8_t request[] = {0x83, 0x86, 0x84, 0x41, 1, 'x'};
    int fd = fx_dial();
    wire_send(fd, H2_PREFACE, 24, fx_pump, NULL);
    wire_send_frame(fd, 4, 0, 0, settings, sizeof settings, fx_pump, NULL);
    wire_send_frame(fd, 1, 5, 1, request, sizeof request, fx_pump, NULL);
    FX_UNTIL(NULL, header_list_max == 8192);
    close(fd);
    fx_stop();
}
