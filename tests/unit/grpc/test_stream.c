/* Streaming calls: back-pressure in both directions, and how a stream ends.
 * Sizes are chosen so that the queue limit of 2000 bytes is passed by the fifth message. */
#include <grpc/health/v1/health.pb-c.h>

#include "grpc/compress.h"
#include "rig.h"
#include "support/test.h"

static unsigned step_runs[2];
static unsigned send_count;
static bool is_deaf; /* to what call_send says */

struct state {
    unsigned rounds;
};

static enum step pour(struct call *c)
{
    struct state *s = c->state;
    Grpc__Health__V1__HealthCheckRequest message = GRPC__HEALTH__V1__HEALTH_CHECK_REQUEST__INIT;
    char text[400];
    step_runs[0]++;
    memset(text, 'x', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    message.service = text;
    while (s->rounds < send_count) {
        s->rounds++;
        if (!call_send(c, &message.base) && !is_deaf)
            return STEP_PARK;
    }
    return call_reply(c, NULL);
}

static const struct step_def pour_steps[] = {STEP(pour)};
static const struct rpc_handler pours = {.method = "Pours", RPC_STEPS(pour_steps, struct state)};

static enum step echo(struct call *c)
{
    const Grpc__Health__V1__HealthCheckRequest *message;
    step_runs[0]++;
    while ((message = call_next_request(c))) {
        step_runs[1]++;
        if (!call_send(c, &message->base))
            return STEP_PARK;
    }
    return call_half_closed(c) ? call_reply(c, NULL) : STEP_PARK;
}

static const struct step_def echo_steps[] = {STEP(echo)};
static const struct rpc_handler echoes = {.method = "Echoes", RPC_STEPS(echo_steps, struct state)};

#define TYPES                                                                                      \
    .request = &grpc__health__v1__health_check_request__descriptor,                                \
    .reply = &grpc__health__v1__health_check_response__descriptor

static void begin(void)
{
    struct server_limits limits = server_limits_default;
    const struct rpc_method methods[] = {
        {.path = STR("/test.S/Pours"), .handler = &pours, TYPES, .server_streaming = true},
        {.path = STR("/test.S/UserPours"),
         .handler = &pours,
         TYPES,
         .server_streaming = true,
         .policy.auth = RPC_AUTH_USER},
        {.path = STR("/test.S/Echoes"),
         .handler = &echoes,
         TYPES,
         .server_streaming = true,
         .client_streaming = true},
    };
    memset(step_runs, 0, sizeof step_runs);
    is_deaf = false;
    limits.stream_queue_bytes_max = 2000;
    rig_start(methods, sizeof methods / sizeof methods[0], &limits);
}

static void finish(void)
{
    rig_turn();
    ASSERT_TRUE(rig_is_clean());
    rig_stop();
}

static void expect_end(struct client *c, int status)
{
    client_take(c);
    ASSERT_INT_EQ(client_status(c), status);
    ASSERT_INT_EQ(c->end_count, 1);
    client_free(c);
}

TEST(stream, slows_a_stream_down_to_the_clients_pace)
{
    begin();
    send_count = 12;
    struct client *c = client_call("/test.S/Pours", "", 0);
    ASSERT_INT_EQ(c->write_count, 5); /* the fifth passes 2000 bytes */
    rig_turn();
    ASSERT_INT_EQ(c->write_count, 5);
    client_take(c);
    rig_turn();
    ASSERT_INT_EQ(c->write_count, 5);
    client_take(c);
    rig_turn();
    client_take(c);
    ASSERT_INT_EQ(buf_len(&c->body), 12 * (5 + 402));
    expect_end(c, STATUS_OK);
    finish();
}

TEST(stream, ends_a_handler_that_does_not_hear_the_client_is_slow)
{
    begin();
    send_count = 60;
    is_deaf = true;
    struct client *c = client_call("/test.S/Pours", "", 0);
    ASSERT_INT_EQ(c->write_count, 20); /* the twentieth passes 4 * 2000 bytes */
    expect_end(c, STATUS_UNAVAILABLE);
    finish();
}

/* It is told to wait only behind it. */
TEST(stream, sends_one_message_of_any_size)
{
    static const char echoed[] = "\n\xb0\xea\x01";
    static char large[4 + 30000];
    begin();
    memset(large, 'x', sizeof large);
    memcpy(large, echoed, 4);
    struct client *c = client_new();
    client_head(c, "/test.S/Echoes");
    client_head_end(c);
    for (unsigned i = 1; i <= 2; i++) {
        client_message(c, large, sizeof large);
        rig_turn();
        ASSERT_INT_EQ(step_runs[1], i);
        client_take(c);
        ASSERT_INT_EQ(buf_len(&c->body), i * (5 + sizeof large));
    }
    client_end(c);
    rig_turn();
    expect_end(c, STATUS_OK);
    finish();
}

TEST(stream, resets_a_stream_whose_token_expires_while_the_client_does_not_read)
{
    begin();
    send_count = 12;
    struct client *c = client_new();
    client_head(c, "/test.S/UserPours");
    client_header(c, "authorization", "Bearer good");
    client_head_end(c);
    client_message(c, "", 0);
    client_end(c);
    rig_advance(59000);
    ASSERT_FALSE(c->is_reset);
    rig_advance(1002);
    ASSERT_TRUE(c->is_reset);
    ASSERT_INT_EQ(c->reset_code, H2_CANCEL);
    client_free(c);
    finish();
}

/* All is said, the trailers wait behind what the client has no window for. */
TEST(stream, resets_an_answered_stream_that_is_not_taken_by_its_deadline)
{
    begin();
    send_count = 1;
    struct client *c = client_new();
    client_head(c, "/test.S/Pours");
    client_header(c, "grpc-timeout", "500m");
    client_head_end(c);
    client_message(c, "", 0);
    client_end(c);
    rig_turn();
    ASSERT_INT_EQ(c->end_count, 1);
    rig_advance(400);
    ASSERT_FALSE(c->is_reset);
    rig_advance(200);
    ASSERT_TRUE(c->is_reset);
    ASSERT_INT_EQ(c->reset_code, H2_CANCEL);
    client_free(c);
    finish();
}

TEST(stream, sends_trailers_only_for_a_stream_without_messages)
{
    begin();
    send_count = 0;
    struct client *c = client_call("/test.S/Pours", "", 0);
    ASSERT_TRUE(c->trailers_only);
    expect_end(c, STATUS_OK);
    finish();
}

TEST(stream, echoes_a_stream_however_its_bytes_are_cut)
{
    static const char two_messages[] = "\0\0\0\0\3\n\1a\0\0\0\0\3\n\1b";
    begin();
    struct client *c = client_new();
    client_head(c, "/test.S/Echoes");
    client_head_end(c);
    ASSERT_INT_EQ(step_runs[0], 1);
    client_data(c, two_messages, 11);
    rig_turn();
    ASSERT_INT_EQ(step_runs[1], 1);
    client_data(c, two_messages + 11, 5);
    client_data(c, two_messages, 16);
    rig_turn();
    ASSERT_INT_EQ(step_runs[1], 4);
    ASSERT_INT_EQ(c->consumed, 32);
    client_end(c);
    rig_turn();
    client_take(c);
    ASSERT_INT_EQ(buf_len(&c->body), 32);
    expect_end(c, STATUS_OK);
    finish();
}

TEST(stream, ends_a_stream_whose_bytes_are_wrong)
{
    static const struct {
        const char *p;
        size_t bytes;
    } bad[] = {
        {"\2\0\0\0\0", 5}, {"\0\0\0\0\3\n", 6}, {"\0\0\0\0\3\n\5x", 8}, {"\1\0\0\0\3\n\1x", 8}};
    begin();
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct client *c = client_new();
        client_head(c, "/test.S/Echoes");
        client_head_end(c);
        client_data(c, "\0\0\0\0\3\n\1a", 8);
        client_data(c, bad[i].p, bad[i].bytes);
        rig_turn();
        client_end(c);
        rig_turn();
        ASSERT_INT_EQ(c->consumed, 8 + bad[i].bytes);
        expect_end(c, STATUS_INTERNAL);
    }
    finish();
}

TEST(stream, keeps_the_window_closed_for_what_no_step_takes)
{
    begin();
    struct client *c = client_new();
    client_head(c, "/test.S/Echoes");
    client_head_end(c);
    for (int i = 0; i < 10; i++)
        client_data(c, "\0\0\0\0\3\n\1a", 8);
    ASSERT_INT_EQ(c->consumed, 0);
    client_close(c, true);
    ASSERT_INT_EQ(c->consumed, 80);
    client_free(c);
    finish();
}

/* Whoever else waits is heard before the next streams go on. */
TEST(stream, goes_on_with_so_many_streams_a_turn)
{
    struct client *c[100];
    begin();
    for (int i = 0; i < 100; i++) {
        c[i] = client_new();
        client_head(c[i], "/test.S/Echoes");
        client_head_end(c[i]);
    }
    ASSERT_INT_EQ(step_runs[0], 100); /* each has found nothing yet */
    for (int i = 0; i < 100; i++)
        client_data(c[i], "\0\0\0\0\3\n\1a", 8);
    ASSERT_INT_EQ(step_runs[1], 0);
    rig_turn();
    ASSERT_INT_EQ(step_runs[1], 64);
    rig_turn();
    ASSERT_INT_EQ(step_runs[1], 100);
    for (int i = 0; i < 100; i++)
        client_end(c[i]);
    rig_turn();
    rig_turn();
    for (int i = 0; i < 100; i++)
        expect_end(c[i], STATUS_OK);
    finish();
}

/* 1.3: every message is compressed by itself, may be sent plain in a compressed stream, and is cut
 * into frames anywhere. */
TEST(stream, reads_compressed_messages_one_by_one)
{
    static const uint8_t plain[] = "\n\x1e"
                                   "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
    uint8_t packed[100];
    struct buf wire = {0};
    struct compressor *z;
    size_t bytes;
    begin();
    ASSERT_INT_EQ(compressor_new(&z), 0);
    for (int i = 0; i < 3; i++) {
        bool is_plain = i == 1;
        ASSERT_INT_EQ(compressor_deflate(z, plain, 32, packed, sizeof packed, &bytes), 0);
        frame_prefix(buf_reserve(&wire, FRAME_PREFIX_BYTES), !is_plain, is_plain ? 32 : bytes);
        buf_commit(&wire, FRAME_PREFIX_BYTES);
        buf_append(&wire, is_plain ? plain : packed, is_plain ? 32 : bytes);
    }
    compressor_free(z);
    struct client *c = client_new();
    client_head(c, "/test.S/Echoes");
    client_header(c, "grpc-encoding", "gzip");
    client_head_end(c);
    for (size_t at = 0; at < buf_len(&wire); at += 7)
        client_data(c, wire.p + at, buf_len(&wire) - at < 7 ? buf_len(&wire) - at : 7);
    client_end(c);
    rig_turn();
    client_take(c);
    ASSERT_INT_EQ(step_runs[1], 3);
    ASSERT_INT_EQ(buf_len(&c->body), 3 * 37); /* not offered, so not compressed back */
    ASSERT_STR_EQ(client_field(c, "grpc-encoding"), "");
    ASSERT_STR_EQ(client_field(c, "grpc-accept-encoding"), "gzip");
    buf_deinit(&wire);
    expect_end(c, STATUS_OK);
    finish();
}

/* 1.3: offered, and worth it: small messages go plain in a stream that announced gzip. */
TEST(stream, compresses_long_messages_and_leaves_short_ones)
{
    static const char longer[] =
        "\n\xc8\x01"
        "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
        "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
        "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
    static char text[4099] = "\n\x80\x20";
    begin();
    memset(text + 3, 'b', 4096);
    struct client *c = client_new();
    client_head(c, "/test.S/Echoes");
    client_header(c, "grpc-accept-encoding", "identity,gzip");
    client_head_end(c);
    client_message(c, longer, 203);
    rig_turn();
    client_message(c, text, sizeof text);
    rig_turn();
    ASSERT_STR_EQ(client_field(c, "grpc-encoding"), "gzip");
    client_take(c);
    ASSERT_INT_EQ(c->body.p[0], 203 > COMPRESS_BYTES_MIN);
    ASSERT_TRUE(buf_len(&c->body) < 208 + 200);
    client_end(c);
    rig_turn();
    expect_end(c, STATUS_OK);
    finish();
}

/* 1.4: the deadline of a stream that has sent, by what is still unsent: a status where it can
 * arrive, RST_STREAM(CANCEL) where it would wait behind what nobody reads. */
TEST(stream, ends_at_its_deadline_with_a_status_or_a_reset)
{
    begin();
    send_count = 12;
    struct client *c = client_new();
    client_head(c, "/test.S/Pours");
    client_header(c, "grpc-timeout", "50m");
    client_head_end(c);
    client_message(c, "", 0);
    client_end(c);
    ASSERT_INT_EQ(c->head_count, 1);
    rig_advance(52);
    ASSERT_TRUE(c->is_reset);
    ASSERT_INT_EQ(c->reset_code, H2_CANCEL);
    client_free(c);
    c = client_new();
    client_head(c, "/test.S/Echoes");
    client_header(c, "grpc-timeout", "50m");
    client_head_end(c);
    client_message(c, "\n\1a", 3);
    rig_turn();
    client_take(c);
    rig_advance(52);
    ASSERT_FALSE(c->is_reset);
    ASSERT_FALSE(c->trailers_only);
    expect_end(c, STATUS_DEADLINE_EXCEEDED);
    finish();
}
