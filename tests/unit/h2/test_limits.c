/* Peers that ask for too much, say nothing, or speak another language. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fixture.h"

TEST(h2_limits, takes_bytes_one_at_a_time)
{
    fx_start(NULL);
    uint8_t bytes[200] = H2_PREFACE H2_EMPTY_SETTINGS;
    size_t n = 24 + 9;
    memcpy(bytes + n, (uint8_t[]){0, 0, sizeof fx_request, 1, 4, 0, 0, 0, 1}, 9);
    memcpy(bytes + n + 9, fx_request, sizeof fx_request);
    n += 9 + sizeof fx_request;
    memcpy(bytes + n, (uint8_t[]){0, 0, 2, 0, 1, 0, 0, 0, 1, 'h', 'i'}, 11);
    n += 11;
    int fd = fx_dial();
    for (size_t i = 0; i < n; i++) {
        wire_send(fd, bytes + i, 1, fx_pump, NULL);
        fx_pump(NULL);
    }
    struct buf text = {0};
    bool closed;
    ASSERT_HAS(fx_frames(fd, &text, &closed), "HEADERS:1:4:");
    ASSERT_HAS((char *)text.p, "DATA:1:0:2 HEADERS:1:5:15 ");
    ASSERT_FALSE(closed);
    buf_deinit(&text);
    close(fd);
    fx_stop();
}

TEST(h2_limits, advertises_what_it_keeps)
{
    fx_start(NULL);
    int fd = fx_wire();
    struct buf in = {0};
    wire_read(fd, &in, 60, fx_pump, NULL);
    /* The first entry of the first frame: MAX_CONCURRENT_STREAMS, ours and not nghttp2's. */
    ASSERT_MEM_EQ(in.p + 3, ((uint8_t[]){4, 0, 0, 0, 0, 0, 0, 3, 0, 0, 0, 128}), 12);
    buf_deinit(&in);
    close(fd);
    fx_stop();
}

static void do_nothing(struct h2_stream *s)
{
    (void)s;
}

/* What comes behind a call on stream 5. */
static void after_a_call(uint8_t type, uint32_t id, const char *answer)
{
    fx_start(NULL);
    int fd = fx_wire();
    struct buf text = {0};
    bool closed;
    fx_send(fd, 1, 5, 5, fx_request, sizeof fx_request);
    ASSERT_HAS(fx_frames(fd, &text, &closed), "HEADERS:5:");
    fx_send(fd, type, 5, id, fx_request, type == 1 ? sizeof fx_request : 5);
    ASSERT_HAS(fx_frames(fd, &text, &closed), answer);
    ASSERT_TRUE(closed);
    buf_deinit(&text);
    close(fd);
    fx_pump_ms(20);
    fx_stop();
}

TEST(h2_limits, ends_connections_that_use_a_stream_twice)
{
    after_a_call(1, 5, "GOAWAY:0:0:27");
}

TEST(h2_limits, ends_connections_that_open_a_lower_stream)
{
    after_a_call(1, 3, "GOAWAY:0:0:29");
}

TEST(h2_limits, ends_connections_that_send_data_on_a_closed_stream)
{
    after_a_call(0, 5, "GOAWAY:0:0:27");
}

/* RST_STREAM, and more of the same stream behind it in one read. */
static void after_a_reset(const char *frames, size_t bytes)
{
    fx_start(NULL);
    int fd = fx_wire();
    struct buf text = {0};
    bool closed;
    fx_send(fd, 1, 4, 5, fx_request, sizeof fx_request);
    fx_frames(fd, &text, &closed);
    wire_send(fd, frames, bytes, fx_pump, NULL);
    ASSERT_HAS(fx_frames(fd, &text, &closed), "GOAWAY:0:0:27");
    ASSERT_TRUE(closed);
    buf_deinit(&text);
    close(fd);
    FX_UNTIL(NULL, h2_server_stats(fx.server)->conns_closed[H2_CLOSE_PROTOCOL] == 1);
    fx_stop();
}

#define RESET_5 "\0\0\4\3\0\0\0\0\5\0\0\0\10"

TEST(h2_limits, ends_connections_that_send_data_behind_their_reset)
{
    static const char frames[] = RESET_5 "\0\0\1\0\1\0\0\0\5x";
    after_a_reset(frames, sizeof frames - 1);
}

TEST(h2_limits, ends_connections_that_send_headers_behind_their_reset)
{
    static const char frames[] = RESET_5 "\0\0\6\1\5\0\0\0\5\x83\x86\x84\x41\1x";
    after_a_reset(frames, sizeof frames - 1);
}

TEST(h2_limits, ends_connections_that_prioritise_stream_0)
{
    after_a_call(2, 0, "GOAWAY:0:0:28");
}

static void refuse(struct h2_stream *s, bool over_limit)
{
    (void)over_limit;
    h2_respond(s, &(struct h2_header){.name = STR(":status"), .value = STR("200")}, 1, true);
}

TEST(h2_limits, lets_trailers_cross_its_reset)
{
    fx_start(NULL);
    fx.on_request = refuse;
    fx.on_end = do_nothing;
    int fd = fx_wire();
    struct buf text = {0};
    bool closed;
    fx_send(fd, 1, 4, 5, fx_request, sizeof fx_request);
    ASSERT_HAS(fx_frames(fd, &text, &closed), "RST:5:0:4");
    fx_send(fd, 1, 5, 5, fx_request, sizeof fx_request);
    fx_send(fd, 1, 5, 7, fx_request, sizeof fx_request);
    ASSERT_HAS(fx_frames(fd, &text, &closed), "HEADERS:7:");
    ASSERT_FALSE(closed);
    /* Behind the client's own there is nothing to cross. */
    fx_send(fd, 3, 0, 5, "\0\0\0\10", 4);
    fx_send(fd, 0, 1, 5, "x", 1);
    ASSERT_HAS(fx_frames(fd, &text, &closed), "GOAWAY:0:0:27");
    ASSERT_TRUE(closed);
    buf_deinit(&text);
    close(fd);
    fx_pump_ms(20);
    fx_stop();
}

TEST(h2_limits, answers_pings)
{
    fx_start(NULL);
    struct h2client *c = fx_client(NULL);
    h2client_ping(c);
    h2client_run(c, 20);
    ASSERT_HAS(h2client_log(c), "PING:ack");
    h2client_free(c);
    fx_stop();
}

static void stream_over_the_limit(bool acknowledge)
{
    struct h2_limits limits = h2_limits_default;
    limits.streams_max = 2;
    fx_start(&limits);
    fx.on_end = do_nothing;
    int fd = fx_wire();
    if (acknowledge) {
        fx_pump_ms(20);
        fx_send(fd, 4, 1, 0, NULL, 0);
    }
    for (uint32_t id = 1; id <= 7; id += 2)
        fx_send(fd, 1, 5, id, fx_request, sizeof fx_request);
    struct buf text = {0};
    bool closed;
    ASSERT_HAS(fx_frames(fd, &text, &closed), "RST:5:0:4 RST:7:0:4 ");
    ASSERT_FALSE(closed);
    ASSERT_INT_EQ(fx.opened, 2);
    /* The first two were not hurt. */
    fx_reply(fx_stream(0), "x", 1);
    ASSERT_HAS(fx_frames(fd, &text, &closed), "DATA:1:0:1");
    buf_deinit(&text);
    close(fd);
    fx_pump_ms(20);
    fx_stop();
}

TEST(h2_limits, refuses_streams_over_the_limit_before_settings_are_acknowledged)
{
    stream_over_the_limit(false);
}

TEST(h2_limits, refuses_streams_over_the_limit_afterwards)
{
    stream_over_the_limit(true);
}

static char *many_headers(int count)
{
    char *lines = calloc((size_t)count, 120);
    for (int i = 0; i < count; i++)
        snprintf(lines + strlen(lines), 120, "x-%d: %080d\n", i, i);
    return lines;
}

TEST(h2_limits, drops_header_fields_past_the_limit_and_says_so)
{
    fx_start(NULL);
    struct h2client *c = fx_client(NULL);
    char *lines = many_headers(100);
    struct h2client_reply *r = h2client_post(c, "/a.B/C", lines, NULL, 0, false);
    ASSERT_TRUE(h2client_wait(c, r));
    ASSERT_HAS(fx_log(), "request:1:over");
    ASSERT_INT_EQ(r->error_code, 0);
    free(lines);
    lines = many_headers(40); /* more than the pool's small array, and kept */
    fx.log_headers = true;
    r = h2client_post(c, "/a.B/C", lines, NULL, 0, false);
    ASSERT_TRUE(h2client_wait(c, r));
    ASSERT_HAS(fx_log(), "request:3 ");
    ASSERT_HAS(fx_log(), "header:x-39=");
    free(lines);
    h2client_free(c);
    fx_stop();
}

/* Sixty kilobytes are many times the limit, and still only a mistake. */
TEST(h2_limits, answers_a_header_list_that_is_far_too_large)
{
    fx_start(NULL);
    struct h2client *c = fx_client(NULL);
    char *lines = many_headers(500);
    struct h2client_reply *r = h2client_post(c, "/a.B/C", lines, NULL, 0, false);
    ASSERT_TRUE(h2client_wait(c, r));
    ASSERT_FALSE(r->reset);
    ASSERT_STR_EQ(fx_log(), "open:1 request:1:over end:1:0 close:1:0 ");
    free(lines);
    r = h2client_post(c, "/a.B/C", NULL, NULL, 0, false); /* the connection is well */
    ASSERT_TRUE(h2client_wait(c, r));
    ASSERT_INT_EQ(r->error_code, 0);
    h2client_free(c);
    fx_stop();
}

/* HPACK literals without indexing: a name of two letters, @bytes of value. */
static size_t put_field(uint8_t *at, size_t bytes)
{
    uint8_t head[] = {0, 2, 'x', 'y', 0x7f, 0, 0};
    head[5] = (uint8_t)(128 | ((bytes - 127) & 127));
    head[6] = (uint8_t)((bytes - 127) >> 7);
    memcpy(at, head, sizeof head);
    memset(at + sizeof head, 'v', bytes);
    return sizeof head + bytes;
}

/* Trailers of a request mean nothing, but they cost: together with the head they have one limit. */
TEST(h2_limits, counts_request_trailers_against_the_header_list)
{
    static uint8_t trailers[9000];
    fx_start(NULL);
    int fd = fx_wire();
    for (uint32_t id = 1; id <= 3; id += 2) {
        fx_send(fd, 1, 4, id, fx_request, sizeof fx_request);
        fx_send(fd, 1, 5, id, trailers, put_field(trailers, id == 1 ? 4000 : 8100));
    }
    struct buf text = {0};
    bool closed;
    const char *came = fx_frames(fd, &text, &closed);
    ASSERT_HAS(came, "HEADERS:1:5:");
    ASSERT_HAS(came, "RST:3:0:4");
    ASSERT_NULL(strstr(came, "HEADERS:3"));
    ASSERT_FALSE(closed);
    ASSERT_HAS(fx_log(), "close:1:0 ");
    ASSERT_HAS(fx_log(), "close:3:11 ");
    ASSERT_NULL(strstr(fx_log(), "end:3"));
    buf_deinit(&text);
    close(fd);
    fx_stop();
}

TEST(h2_limits, closes_on_garbage)
{
    fx_start(NULL);
    int fd = fx_dial();
    struct buf text = {0};
    bool closed;
    wire_send(fd, "\x16\x03\x01garbage that is longer than a preface", 40, fx_pump, NULL);
    ASSERT_STR_EQ(fx_frames(fd, &text, &closed), "");
    ASSERT_TRUE(closed);
    buf_deinit(&text);
    close(fd);
    fx_stop();
}

TEST(h2_limits, closes_without_a_word_on_anything_else)
{
    fx_start(NULL);
    int fd = fx_dial();
    struct buf in = {0};
    wire_send(fd, "INVALID CONNECTION PREFACE\r\n\r\n", 30, fx_pump, NULL);
    FX_UNTIL(NULL, wire_read(fd, &in, 1, fx_pump, NULL));
    ASSERT_INT_EQ(buf_len(&in), 0);
    buf_deinit(&in);
    close(fd);
    fx_stop();
}

TEST(h2_limits, tells_http1_clients_in_their_own_words)
{
    fx_start(NULL);
    int fd = fx_dial();
    struct buf in = {0};
    wire_send(fd, "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n", 35, fx_pump, NULL);
    FX_UNTIL(NULL, wire_read(fd, &in, 1, fx_pump, NULL));
    *buf_reserve(&in, 1) = '\0';
    ASSERT_HAS((char *)in.p, "HTTP/1.1 505 ");
    const char *body = strstr((char *)in.p, "\r\n\r\n") + 4;
    ASSERT_INT_EQ(atol(strstr((char *)in.p, "Length: ") + 8), strlen(body));
    buf_deinit(&in);
    close(fd);
    fx_stop();
}

TEST(h2_limits, closes_when_the_preface_does_not_come)
{
    struct h2_limits limits = h2_limits_default;
    limits.preface_timeout_ms = 500;
    fx_start(&limits);
    int silent = fx_dial();
    int half = fx_dial();
    int well = fx_wire();
    wire_send(half, H2_PREFACE, 24, fx_pump, NULL);
    fx_send(well, 4, 1, 0, NULL, 0);
    FX_UNTIL(NULL, h2_server_stats(fx.server)->conns_closed[H2_CLOSE_PREFACE] == 2);
    fx_pump_ms(300);
    ASSERT_INT_EQ(h2_server_stats(fx.server)->conns_open, 1);
    close(silent);
    close(half);
    close(well);
    fx_stop();
}

TEST(h2_limits, says_goodbye_to_idle_connections)
{
    struct h2_limits limits = h2_limits_default;
    limits.idle_timeout_ms = 60;
    fx_start(&limits);
    struct h2client *c = fx_client(NULL);
    struct h2client_reply *r = h2client_post(c, "/a.B/C", NULL, "x", 1, false);
    ASSERT_TRUE(h2client_wait(c, r));
    /* nghttp2's client neither answers nor listens once it may go. */
    FX_UNTIL(c, h2client_is_closed(c));
    ASSERT_HAS(h2client_log(c), "GOAWAY:2147483647:0 PING ");
    h2client_free(c);
    FX_UNTIL(NULL, h2_server_stats(fx.server)->conns_open == 0);
    fx_stop();
}

static void reset_rapidly(const char code[4])
{
    struct h2_limits limits = h2_limits_default;
    limits.reset_burst_max = 20;
    limits.reset_rate_per_s = 1;
    fx_start(&limits);
    fx.on_end = do_nothing;
    int fd = fx_wire();
    for (uint32_t id = 1; id < 100; id += 2) {
        fx_send(fd, 1, 5, id, fx_request, sizeof fx_request);
        fx_send(fd, 3, 0, id, code, 4);
    }
    struct buf text = {0};
    bool closed;
    ASSERT_HAS(fx_frames(fd, &text, &closed), "GOAWAY:");
    ASSERT_TRUE(closed);
    ASSERT_INT_IN(fx.opened, 40, 42);
    buf_deinit(&text);
    close(fd);
    FX_UNTIL(NULL, h2_server_stats(fx.server)->conns_closed[H2_CLOSE_RESETS] == 1);
    fx_stop();
}

TEST(h2_limits, closes_on_rapid_reset)
{
    reset_rapidly("\0\0\0\10"); /* CANCEL */
    reset_rapidly("\0\0\0\0");  /* a reset as well, whatever it says */
}

TEST(h2_limits, closes_on_empty_data_frames)
{
    fx_start(NULL);
    int fd = fx_wire();
    fx_send(fd, 1, 4, 1, fx_request, sizeof fx_request);
    FX_UNTIL(NULL, fx.opened == 1);
    for (int i = 0; i < 30; i++)
        fx_send(fd, 0, 0, 1, NULL, 0);
    struct buf text = {0};
    bool closed;
    ASSERT_HAS(fx_frames(fd, &text, &closed), "GOAWAY:0:0:29"); /* too_many_empty_frames */
    ASSERT_TRUE(closed);
    ASSERT_HAS(fx_log(), "close:1:8:lost");
    buf_deinit(&text);
    close(fd);
    FX_UNTIL(NULL, h2_server_stats(fx.server)->conns_closed[H2_CLOSE_FLOOD] == 1);
    fx_stop();
}

TEST(h2_limits, closes_on_a_flood_of_pings_that_are_not_read)
{
    fx_start(NULL);
    int fd = fx_wire();
    uint8_t flood[17 * 2000];
    for (size_t i = 0; i < 2000; i++)
        memcpy(flood + 17 * i, "\0\0\10\6\0\0\0\0\0 ping..", 17);
    wire_send(fd, flood, sizeof flood, fx_pump, NULL);
    FX_UNTIL(NULL, h2_server_stats(fx.server)->conns_open == 0);
    close(fd);
    fx_stop();
}

TEST(h2_limits, data_after_the_end_of_a_request_is_an_error)
{
    fx_start(NULL);
    fx.on_end = do_nothing;
    int fd = fx_wire();
    fx_send(fd, 1, 5, 1, fx_request, sizeof fx_request);
    fx_send(fd, 0, 0, 1, "late", 4);
    struct buf text = {0};
    bool closed;
    ASSERT_HAS(fx_frames(fd, &text, &closed), "GOAWAY:");
    ASSERT_TRUE(closed);
    ASSERT_STR_EQ(fx_log(), "open:1 request:1 end:1:0 close:1:8:lost ");
    buf_deinit(&text);
    close(fd);
    fx_stop();
}

TEST(h2_limits, stops_accepting_at_the_most_connections_and_goes_on_below)
{
    struct h2_limits limits = h2_limits_default;
    limits.conns_max = limits.conns_soft_max = 2;
    fx_start(&limits);
    int fds[3] = {fx_dial(), fx_dial(), fx_dial()};
    fx_pump_ms(30);
    ASSERT_INT_EQ(h2_server_stats(fx.server)->conns_accepted, 2);
    ASSERT_INT_EQ(h2_server_stats(fx.server)->accepts_held_conns, 1);
    close(fds[0]);
    fx_pump_ms(30);
    ASSERT_INT_EQ(h2_server_stats(fx.server)->conns_accepted, 3);
    close(fds[1]);
    close(fds[2]);
    fx_stop();
}
