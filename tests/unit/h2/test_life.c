/* How long connections live: keepalive both ways, ages, timeouts. */
#include <string.h>
#include <unistd.h>

#include "fixture.h"

static uint64_t closed_by(enum h2_close cause)
{
    return h2_server_stats(fx.server)->conns_closed[cause];
}

static void do_nothing(struct h2_stream *s)
{
    (void)s;
}

/* What came so far, frames as text and the debug data of a GOAWAY among the bytes. */
struct came {
    struct buf bytes, text;
    bool closed;
};

static bool has(struct came *came, int fd, const char *what)
{
    came->closed |= wire_read(fd, &came->bytes, 1, fx_pump, NULL);
    came->text.start = came->text.end = 0;
    return strstr(wire_frames(&came->bytes, &came->text), what) != NULL;
}

static bool is_closed(struct came *came, int fd)
{
    has(came, fd, "");
    return came->closed;
}

static bool says(const struct came *came, const char *words)
{
    return memmem(came->bytes.p, buf_len(&came->bytes), words, strlen(words)) != NULL;
}

/* The server's side lingers until ours is closed too. */
static void finish(struct came *came, int fd, enum h2_close cause)
{
    buf_deinit(&came->bytes);
    buf_deinit(&came->text);
    close(fd);
    FX_UNTIL(NULL, closed_by(cause) == 1);
    fx_stop();
}

TEST(h2_life, pings_a_silent_client_and_closes_when_nothing_comes)
{
    struct h2_limits limits = h2_limits_default;
    limits.keepalive_time_ms = 40;
    limits.keepalive_timeout_ms = 1200;
    fx_start(&limits);
    fx.on_end = do_nothing;
    struct came came = {0};
    int fd = fx_wire();
    fx_send(fd, 1, 5, 1, fx_request, sizeof fx_request);
    FX_UNTIL(NULL, has(&came, fd, "PING:0:0:8"));
    ASSERT_FALSE(came.closed);
    FX_UNTIL(NULL, is_closed(&came, fd) && fx.opened == fx.closed);
    ASSERT_HAS(fx_log(), "close:1:8:lost");
    finish(&came, fd, H2_CLOSE_KEEPALIVE);
}

TEST(h2_life, keeps_a_silent_client_that_answers_pings)
{
    struct h2_limits limits = h2_limits_default;
    limits.keepalive_time_ms = 40;
    limits.keepalive_timeout_ms = 2000;
    fx_start(&limits);
    struct h2client *c = fx_client(NULL);
    FX_UNTIL(c, h2_server_stats(fx.server)->keepalives_sent >= 4); /* without any call */
    ASSERT_FALSE(h2client_is_closed(c));
    ASSERT_TRUE(h2client_wait(c, h2client_post(c, "/a.B/C", NULL, "x", 1, false)));
    h2client_free(c);
    fx_stop();
}

static void ping(int fd, int count)
{
    for (int i = 0; i < count; i++)
        fx_send(fd, 6, 0, 0, "ping....", 8);
}

TEST(h2_life, strikes_a_client_that_pings_too_often)
{
    fx_start(NULL);
    struct came came = {0};
    int fd = fx_wire();
    ping(fd, 3); /* the first is the first; two strikes are allowed */
    FX_UNTIL(NULL, has(&came, fd, "PING:0:1:8 PING:0:1:8 PING:0:1:8"));
    ASSERT_FALSE(came.closed);
    ping(fd, 1);
    FX_UNTIL(NULL, is_closed(&came, fd) && fx.opened == fx.closed);
    ASSERT_HAS((char *)came.text.p, "GOAWAY:0:0:22 ");
    static const uint8_t calm[] = {0, 0, 0, 11, 't', 'o', 'o', '_', 'm', 'a', 'n', 'y', '_'};
    ASSERT_NOT_NULL(memmem(came.bytes.p, buf_len(&came.bytes), calm, sizeof calm));
    ASSERT_TRUE(says(&came, "too_many_pings"));
    finish(&came, fd, H2_CLOSE_PINGS);
}

TEST(h2_life, forgives_pings_behind_answers)
{
    fx_start(NULL);
    struct came came = {0};
    int fd = fx_wire();
    for (uint32_t id = 1; id < 20; id += 2) {
        ping(fd, 2); /* one is free, one is a strike: forgotten with the answer */
        fx_send(fd, 1, 5, id, fx_request, sizeof fx_request);
        FX_UNTIL(NULL, fx.closed == (id + 1) / 2);
    }
    ASSERT_FALSE(is_closed(&came, fd));
    finish(&came, fd, H2_CLOSE_PEER);
}

TEST(h2_life, allows_pings_at_their_interval_with_a_call)
{
    struct h2_limits limits = h2_limits_default;
    limits.ping_interval_min_ms = 1;
    limits.ping_strikes_max = 0;
    fx_start(&limits);
    fx.on_end = do_nothing;
    struct came came = {0};
    int fd = fx_wire();
    fx_send(fd, 1, 5, 1, fx_request, sizeof fx_request);
    for (int i = 0; i < 5; i++) {
        ping(fd, 1);
        fx_pump_ms(10);
    }
    ASSERT_FALSE(is_closed(&came, fd));
    h2_reset(fx_stream(0), H2_CANCEL); /* without a call two hours are asked for */
    FX_UNTIL(NULL, fx.closed == 1);
    ping(fd, 1);
    FX_UNTIL(NULL, is_closed(&came, fd) && fx.opened == fx.closed);
    ASSERT_TRUE(says(&came, "too_many_pings"));
    finish(&came, fd, H2_CLOSE_PINGS);
}

TEST(h2_life, says_goodbye_to_old_connections_but_lets_calls_finish)
{
    struct h2_limits limits = h2_limits_default;
    limits.age_max_ms = 400;
    limits.headers_timeout_ms = 20; /* the shortest sets the tick */
    fx_start(&limits);
    fx.on_end = do_nothing;
    struct came came = {0};
    int fd = fx_wire();
    fx_send(fd, 1, 5, 1, fx_request, sizeof fx_request);
    FX_UNTIL(NULL, has(&came, fd, "GOAWAY:0:0:8 PING:0:0:8"));
    uint8_t *ping_frame = memmem(came.bytes.p, buf_len(&came.bytes), "\0\0\10\6\0\0\0\0\0", 9);
    ASSERT_NOT_NULL(ping_frame);
    fx_send(fd, 6, 1, 0, ping_frame + 9, 8);
    FX_UNTIL(NULL, has(&came, fd, "GOAWAY:0:0:15"));
    ASSERT_TRUE(says(&came, "max_age"));
    ASSERT_FALSE(came.closed);
    fx_reply(fx_stream(0), "x", 1);
    FX_UNTIL(NULL, is_closed(&came, fd) && fx.opened == fx.closed);
    ASSERT_HAS(fx_log(), "close:1:0 ");
    finish(&came, fd, H2_CLOSE_AGE);
}

TEST(h2_life, ends_streams_of_old_connections_after_the_grace)
{
    struct h2_limits limits = h2_limits_default;
    limits.age_max_ms = 400;
    limits.age_grace_ms = 20;
    fx_start(&limits);
    fx.on_end = do_nothing;
    struct came came = {0};
    int fd = fx_wire();
    fx_send(fd, 1, 5, 1, fx_request, sizeof fx_request);
    FX_UNTIL(NULL, is_closed(&came, fd) && fx.opened == fx.closed);
    ASSERT_HAS(fx_log(), "close:1:8 "); /* our doing */
    finish(&came, fd, H2_CLOSE_AGE);
}

static void count_draining(const struct h2_conn_info *info, void *ctx)
{
    *(unsigned *)ctx += info->is_draining;
}

static unsigned draining(void)
{
    unsigned count = 0;
    h2_server_each(fx.server, count_draining, &count);
    return count;
}

/* A tenth more or less: connections that came together go one after the other. */
TEST(h2_life, spreads_the_ages_of_connections)
{
    struct h2_limits limits = h2_limits_default;
    limits.age_max_ms = 4000;
    limits.headers_timeout_ms = 20; /* the shortest sets the tick */
    fx_start(&limits);
    int fds[30];
    for (int i = 0; i < 30; i++)
        fds[i] = fx_wire();
    FX_UNTIL(NULL, draining() > 0);
    ASSERT_TRUE(draining() < 30);
    for (int i = 0; i < 30; i++)
        close(fds[i]);
    fx_stop();
}

TEST(h2_life, tells_idle_connections_why)
{
    struct h2_limits limits = h2_limits_default;
    limits.idle_timeout_ms = 40;
    fx_start(&limits);
    struct came came = {0};
    int fd = fx_wire();
    FX_UNTIL(NULL, is_closed(&came, fd) && fx.opened == fx.closed);
    ASSERT_TRUE(says(&came, "max_idle"));
    finish(&came, fd, H2_CLOSE_IDLE);
}

static void header_block_that_does_not_end(const uint8_t *bytes, size_t count)
{
    struct h2_limits limits = h2_limits_default;
    limits.headers_timeout_ms = 40;
    fx_start(&limits);
    struct came came = {0};
    int fd = fx_wire();
    wire_send(fd, bytes, count, fx_pump, NULL);
    FX_UNTIL(NULL, is_closed(&came, fd) && fx.opened == fx.closed);
    ASSERT_TRUE(says(&came, "headers_timeout"));
    ASSERT_INT_EQ(fx.opened, fx.closed);
    finish(&came, fd, H2_CLOSE_HEADERS_TIMEOUT);
}

TEST(h2_life, ends_a_header_block_whose_continuation_does_not_come)
{
    static const uint8_t open_block[] = {0, 0, 3, 1, 1, 0, 0, 0, 1, 0x83, 0x86, 0x84};
    header_block_that_does_not_end(open_block, sizeof open_block);
}

TEST(h2_life, ends_a_header_frame_that_does_not_end)
{
    static const uint8_t half_frame[] = {0, 0, 100, 1, 5, 0, 0, 0, 1, 0x83, 0x86, 0x84};
    header_block_that_does_not_end(half_frame, sizeof half_frame);
}

TEST(h2_life, wants_its_settings_acknowledged)
{
    struct h2_limits limits = h2_limits_default;
    limits.preface_timeout_ms = 1500;
    fx_start(&limits);
    struct came came = {0};
    struct h2client *well = fx_client(NULL);
    FX_UNTIL(well, strstr(h2client_log(well), "SETTINGS:ack"));
    int fd = fx_wire();
    FX_UNTIL(well, is_closed(&came, fd));
    ASSERT_TRUE(says(&came, "settings_timeout"));
    ASSERT_FALSE(h2client_is_closed(well));
    h2client_free(well);
    finish(&came, fd, H2_CLOSE_PREFACE);
}
