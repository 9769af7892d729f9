/* What clients may make the server do for nothing, and what happens beyond. */
#include <string.h>
#include <unistd.h>

#include "fixture.h"

static void do_nothing(struct h2_stream *s)
{
    (void)s;
}

/* Sends @frame @count times in one piece; the text of what came until the connection was closed. */
static void flood(const uint8_t *frame, size_t bytes, size_t count, enum h2_close cause)
{
    struct buf out = {0}, in = {0}, text = {0};
    int fd = fx_wire();
    wire_send_frame(fd, 4, 1, 0, NULL, 0, fx_pump, NULL); /* acknowledged: nothing is forgiven */
    for (size_t i = 0; i < count; i++)
        buf_append(&out, frame, bytes);
    wire_send(fd, out.p, buf_len(&out), fx_pump, NULL);
    FX_UNTIL(NULL, wire_read(fd, &in, 1, fx_pump, NULL));
    ASSERT_HAS(wire_frames(&in, &text), "GOAWAY:");
    const uint8_t calm[] = {0, 0, 0, H2_ENHANCE_YOUR_CALM};
    ASSERT_NOT_NULL(memmem(in.p, buf_len(&in), calm, sizeof calm));
    ASSERT_INT_EQ(h2_server_stats(fx.server)->conns_closed[cause], 0); /* it lingers */
    buf_deinit(&in);
    buf_deinit(&out);
    buf_deinit(&text);
    close(fd);
    FX_UNTIL(NULL, h2_server_stats(fx.server)->conns_closed[cause] == 1);
    fx_stop();
}

TEST(h2_budget, ends_a_flood_of_settings)
{
    static const uint8_t frame[9] = {0, 0, 0, 4};
    fx_start(NULL);
    flood(frame, sizeof frame, 600, H2_CLOSE_FLOOD);
}

/* However few of them there are: so much is not kept for anybody. */
TEST(h2_budget, ends_a_client_for_which_too_many_frames_wait)
{
    static const uint8_t frame[9] = {0, 0, 0, 4};
    struct h2_limits limits = h2_limits_default;
    limits.outbound_frames_max = 20;
    fx_start(&limits);
    flood(frame, sizeof frame, 40, H2_CLOSE_QUEUE);
}

TEST(h2_budget, ends_a_flood_of_acknowledgements)
{
    static const uint8_t frame[9] = {0, 0, 0, 4, 1};
    fx_start(NULL);
    flood(frame, sizeof frame, 600, H2_CLOSE_FLOOD);
}

TEST(h2_budget, ends_a_flood_of_priorities)
{
    static const uint8_t frame[14] = {0, 0, 5, 2, 0, 0, 0, 0, 1, 0, 0, 0, 3, 7};
    fx_start(NULL);
    flood(frame, sizeof frame, 600, H2_CLOSE_FLOOD);
}

TEST(h2_budget, ends_a_flood_of_unknown_frames)
{
    static const uint8_t frame[9] = {0, 0, 0, 0xbb};
    fx_start(NULL);
    flood(frame, sizeof frame, 600, H2_CLOSE_FLOOD);
}

TEST(h2_budget, ends_a_flood_of_window_updates)
{
    static const uint8_t frame[13] = {0, 0, 4, 8, 0, 0, 0, 0, 0, 0, 0, 0, 1};
    fx_start(NULL);
    flood(frame, sizeof frame, 600, H2_CLOSE_FLOOD);
}

TEST(h2_budget, ends_a_flood_of_pings_where_pings_are_free)
{
    static const uint8_t frame[17] = {0, 0, 8, 6};
    struct h2_limits limits = h2_limits_default;
    limits.ping_strikes_max = UINT32_MAX;
    fx_start(&limits);
    flood(frame, sizeof frame, 600, H2_CLOSE_FLOOD);
}

TEST(h2_budget, ends_a_flood_of_continuations)
{
    uint8_t frames[9 * 31] = {0, 0, 0, 1, 1, 0, 0, 0, 1};
    for (int i = 1; i < 31; i++)
        memcpy(frames + 9 * i, (uint8_t[]){0, 0, 0, 9, 0, 0, 0, 0, 1}, 9);
    fx_start(NULL);
    flood(frames, sizeof frames, 1, H2_CLOSE_HEADERS);
}

/* One field of 4000 bytes into the table, then thousands of references to it: 16 KB become 48 MB.
 */
TEST(h2_budget, ends_an_hpack_bomb)
{
    static uint8_t frame[9 + 16384] = {0, 0x40, 0, 1, 5, 0, 0, 0, 1};
    uint8_t *at = frame + 9;
    memcpy(at, fx_request, sizeof fx_request);
    at += sizeof fx_request;
    memcpy(at, (uint8_t[]){0x40, 1, 'x', 0x7f, 0xa1, 0x1e}, 6); /* 127 + 3873 = 4000 */
    memset(at + 6, 'v', 4000);
    at += 6 + 4000;
    memset(at, 0x80 | 62, (size_t)(frame + sizeof frame - at));
    fx_start(NULL);
    flood(frame, sizeof frame, 1, H2_CLOSE_HEADERS);
    ASSERT_INT_EQ(fx.closed, 1);
}

/* The client's WINDOW_UPDATEs that answer our DATA are not counted against it. */
TEST(h2_budget, lets_window_updates_follow_data)
{
    static uint8_t large[400 * 1000];
    struct h2_limits limits = h2_limits_default;
    limits.control_burst_max = 4;
    limits.control_rate_per_s = 1;
    fx_start(&limits);
    fx.on_end = do_nothing;
    struct h2client *c =
        fx_client(&(struct h2client_options){.table_bytes = -1, .keep_window_shut = true});
    struct h2client_reply *r = h2client_post(c, "/a.B/C", NULL, NULL, 0, false);
    FX_UNTIL(c, fx.opened == 1);
    fx_reply(fx_stream(0), large, sizeof large);
    while (!r->closed && !h2client_is_closed(c)) {
        h2client_open_window(c, r, 20000);
        h2client_run(c, 1);
    }
    ASSERT_INT_EQ(buf_len(&r->body), sizeof large);
    h2client_free(c);
    fx_stop();
}

/* CVE-2025-8671: the client never resets; it makes us do it (here by overflowing a window). */
TEST(h2_budget, ends_a_client_that_makes_us_reset)
{
    uint8_t frames[9 + 6 + 13 + 13] = {0, 0, 6, 1, 5, 0, 0, 0, 1};
    struct h2_limits limits = h2_limits_default;
    limits.reset_burst_max = 10;
    limits.reset_rate_per_s = 1;
    fx_start(&limits);
    fx.on_end = do_nothing;
    int fd = fx_wire();
    struct buf in = {0}, out = {0};
    memcpy(frames + 9, fx_request, sizeof fx_request);
    for (int i = 0; i < 2; i++)
        memcpy(frames + 15 + 13 * i, (uint8_t[]){0, 0, 4, 8, 0, 0, 0, 0, 1, 0x7f, 0xff, 0xff, 0xff},
               13);
    for (unsigned i = 0; i < 100; i++) {
        frames[8] = frames[15 + 8] = frames[28 + 8] = (uint8_t)(2 * i + 1);
        buf_append(&out, frames, sizeof frames);
    }
    wire_send(fd, out.p, buf_len(&out), fx_pump, NULL);
    FX_UNTIL(NULL, wire_read(fd, &in, 1, fx_pump, NULL));
    ASSERT_NOT_NULL(memmem(in.p, buf_len(&in), "too_many_resets", 15));
    close(fd);
    FX_UNTIL(NULL, h2_server_stats(fx.server)->conns_closed[H2_CLOSE_RESETS] == 1);
    buf_deinit(&in);
    buf_deinit(&out);
    fx_stop();
}

/* A client that cancels now and then, among many calls that end well, is not one that attacks. */
TEST(h2_budget, forgives_resets_among_calls_that_end_well)
{
    struct h2_limits limits = h2_limits_default;
    limits.reset_burst_max = 5;
    limits.reset_rate_per_s = 1;
    fx_start(&limits);
    struct h2client *c = fx_client(NULL);
    for (unsigned i = 0; i < 40; i++) {
        ASSERT_TRUE(h2client_wait(c, h2client_post(c, "/a.B/C", NULL, "x", 1, false)));
        struct h2client_reply *r = h2client_post(c, "/a.B/C", NULL, "x", 1, true);
        FX_UNTIL(c, fx.opened == 2 * i + 2);
        h2client_reset(c, r, H2_CANCEL);
        FX_UNTIL(c, fx.closed == 2 * i + 2);
    }
    ASSERT_FALSE(h2client_is_closed(c));
    ASSERT_INT_EQ(h2_server_stats(fx.server)->reads_held, 0);
    h2client_free(c);
    fx_stop();
}

TEST(h2_budget, stops_reading_for_a_while_when_the_resets_are_used_up)
{
    struct h2_limits limits = h2_limits_default;
    limits.reset_burst_max = 5;
    limits.reset_rate_per_s = 1;
    fx_start(&limits);
    struct h2client *c = fx_client(NULL);
    for (unsigned i = 0; i < 6; i++) {
        struct h2client_reply *r = h2client_post(c, "/a.B/C", NULL, "x", 1, true);
        FX_UNTIL(c, fx.opened == i + 1);
        h2client_reset(c, r, H2_CANCEL);
        FX_UNTIL(c, fx.closed == i + 1);
    }
    ASSERT_INT_EQ(h2_server_stats(fx.server)->reads_held, 1);
    int64_t before_ns = clock_mono_ns(&clock_system);
    ASSERT_TRUE(h2client_wait(c, h2client_post(c, "/a.B/C", NULL, "x", 1, false)));
    ASSERT_TRUE(clock_mono_ns(&clock_system) - before_ns > 50 * NS_PER_MS);
    h2client_free(c);
    fx_stop();
}

/* A connection's requests are taken so many a turn; the turns between belong to the others. */
TEST(h2_budget, takes_so_many_requests_a_turn)
{
    uint8_t frame[9 + 6] = {0, 0, 6, 1, 5};
    struct h2_limits limits = h2_limits_default;
    limits.requests_per_turn_max = 10;
    fx_start(&limits);
    int fd = fx_wire();
    struct buf out = {0};
    memcpy(frame + 9, fx_request, sizeof fx_request);
    for (unsigned i = 0; i < 100; i++) {
        frame[8] = (uint8_t)(2 * i + 1);
        buf_append(&out, frame, sizeof frame);
    }
    wire_send(fd, out.p, buf_len(&out), NULL, NULL);
    for (unsigned before = 0; fx.opened < 100; before = fx.opened) {
        fx_pump(NULL);
        ASSERT_TRUE(fx.opened - before <= 10);
    }
    ASSERT_TRUE(h2_server_stats(fx.server)->reads_held >= 9);
    FX_UNTIL(NULL, fx.closed == 100); /* nothing was lost on the way */
    close(fd);
    buf_deinit(&out);
    fx_stop();
}
