/* Calls as clients make them: what leaves, in which frames, in which order. */
#include <stdio.h>
#include <string.h>

#include "fixture.h"

TEST(h2_calls, answers_with_head_body_and_trailers)
{
    fx_start(NULL);
    fx.log_headers = true;
    struct h2client *c = fx_client(NULL);
    struct h2client_reply *r = h2client_post(c, "/a.B/C", "x-one: 1\n", "hello", 5, false);
    ASSERT_TRUE(h2client_wait(c, r));
    ASSERT_STR_EQ((char *)r->head.p, ":status: 200\ncontent-type: application/grpc\n");
    ASSERT_MEM_EQ(r->body.p, "hello", 5);
    ASSERT_STR_EQ((char *)r->trailers.p, "grpc-status: 0\n");
    ASSERT_INT_EQ(r->error_code, 0);
    ASSERT_HAS(h2client_log(c), "HEADERS:1 DATA:1 HEADERS:1:end");
    ASSERT_STR_EQ(fx_log(), "open:1 header::method=POST header::scheme=http header::path=/a.B/C "
                            "header::authority=localhost header:content-type=application/grpc "
                            "header:te=trailers header:x-one=1 request:1 end:1:5 close:1:0 ");
    ASSERT_INT_EQ(fx.sent, 1);
    h2client_free(c);
    fx_stop();
}

TEST(h2_calls, makes_one_write_for_all_answers_of_a_turn)
{
    fx_start(NULL);
    struct h2client *c = fx_client(NULL);
    h2client_run(c, 20);
    uint64_t writes = h2_server_stats(fx.server)->writes;
    struct h2client_reply *r = NULL;
    for (int i = 0; i < 50; i++)
        r = h2client_post(c, "/a.B/C", NULL, "hello", 5, false);
    ASSERT_TRUE(h2client_wait(c, r));
    ASSERT_INT_IN(h2_server_stats(fx.server)->writes - writes, 1, 25);
    ASSERT_INT_EQ(fx.closed, 50);
    h2client_free(c);
    fx_stop();
}

static void refuse(struct h2_stream *s)
{
    const struct h2_header only[] = {
        {.name = STR(":status"), .value = STR("200")},
        {.name = STR("grpc-status"), .value = STR("5")},
        {.name = STR("x-secret"), .value = STR("token"), .secret = true},
    };
    h2_respond(s, only, 3, true);
}

TEST(h2_calls, sends_trailers_only_as_one_frame)
{
    fx_start(NULL);
    fx.on_end = refuse;
    struct h2client *c = fx_client(NULL);
    struct h2client_reply *r = h2client_post(c, "/a.B/C", NULL, "hello", 5, false);
    ASSERT_TRUE(h2client_wait(c, r));
    ASSERT_STR_EQ((char *)r->head.p, ":status: 200\ngrpc-status: 5\nx-secret: token\n");
    ASSERT_HAS(h2client_log(c), "HEADERS:1:end");
    ASSERT_NULL(strstr(h2client_log(c), "DATA"));
    ASSERT_NULL(strstr(h2client_log(c), "RST"));
    h2client_free(c);
    fx_stop();
}

static void answer_early(struct h2_stream *s, bool over_limit)
{
    (void)over_limit;
    fx_reply(s, "early", 5);
}

static void refuse_early(struct h2_stream *s, bool over_limit)
{
    (void)over_limit;
    refuse(s);
}

TEST(h2_calls, resets_without_error_behind_early_trailers)
{
    fx_start(NULL);
    fx.on_request = answer_early;
    struct h2client *c = fx_client(NULL);
    struct h2client_reply *r = h2client_post(c, "/a.B/C", NULL, "hello", 5, true);
    ASSERT_TRUE(h2client_wait(c, r));
    ASSERT_STR_EQ((char *)r->trailers.p, "grpc-status: 0\n");
    ASSERT_HAS(h2client_log(c), "HEADERS:1 DATA:1 HEADERS:1:end RST:1:0");
    fx.on_request = refuse_early;
    r = h2client_post(c, "/a.B/C", NULL, "hello", 5, true);
    ASSERT_TRUE(h2client_wait(c, r));
    ASSERT_HAS(h2client_log(c), "HEADERS:3:end RST:3:0");
    ASSERT_HAS(fx_log(), "close:1:0 ");
    ASSERT_HAS(fx_log(), "close:3:0 ");
    h2client_free(c);
    fx_stop();
}

static void do_nothing(struct h2_stream *s)
{
    (void)s;
}

TEST(h2_calls, can_be_answered_later_and_in_pieces)
{
    fx_start(NULL);
    fx.on_end = do_nothing;
    struct h2client *c = fx_client(NULL);
    struct h2client_reply *r = h2client_post(c, "/a.B/C", NULL, NULL, 0, false);
    h2client_run(c, 10);
    fx_head(fx_stream(0));
    h2client_run(c, 10);
    ASSERT_HAS((char *)r->head.p, "200");
    for (int i = 0; i < 5; i++) {
        h2_write(fx_stream(0), (const uint8_t *)"piece", 5, NULL, NULL);
        h2_write(fx_stream(0), (const uint8_t *)"!", 1, fx_on_sent, NULL);
        h2_write(fx_stream(0), (const uint8_t *)"?", 1, fx_on_sent, NULL);
        h2client_run(c, 10);
    }
    ASSERT_INT_EQ(buf_len(&r->body), 35);
    ASSERT_INT_EQ(fx.sent, 10);
    ASSERT_FALSE(r->closed);
    fx_trailers(fx_stream(0));
    ASSERT_TRUE(h2client_wait(c, r));
    ASSERT_STR_EQ((char *)r->trailers.p, "grpc-status: 0\n");
    h2client_free(c);
    fx_stop();
}

TEST(h2_calls, can_be_reset_by_the_server)
{
    fx_start(NULL);
    fx.on_end = do_nothing;
    struct h2client *c = fx_client(NULL);
    struct h2client_reply *r = h2client_post(c, "/a.B/C", NULL, NULL, 0, false);
    h2client_run(c, 10);
    fx_head(fx_stream(0));
    h2_write(fx_stream(0), (const uint8_t *)"never", 5, fx_on_sent, NULL);
    h2_reset(fx_stream(0), H2_CANCEL);
    ASSERT_INT_EQ(fx.closed, 0); /* not from inside */
    ASSERT_TRUE(h2client_wait(c, r));
    ASSERT_INT_EQ(r->error_code, H2_CANCEL);
    ASSERT_HAS(fx_log(), "close:1:8 ");
    ASSERT_INT_EQ(fx.sent, 1);
    h2client_free(c);
    fx_stop();
}

TEST(h2_calls, end_once_when_the_client_resets)
{
    fx_start(NULL);
    fx.on_end = do_nothing;
    struct h2client *c = fx_client(NULL);
    struct h2client_reply *r = h2client_post(c, "/a.B/C", NULL, "x", 1, false);
    h2client_run(c, 10);
    h2client_reset(c, r, H2_CANCEL);
    h2client_run(c, 10);
    ASSERT_STR_EQ(fx_log(), "open:1 request:1 end:1:1 close:1:8:peer ");
    h2client_free(c);
    fx_stop();
}

static const uint8_t large[20000];

static void answer_with_large_trailers(struct h2_stream *s)
{
    static char text[20000];
    memset(text, 'v', sizeof text);
    const struct h2_header trailers[] = {
        {.name = STR("grpc-status"), .value = STR("0")},
        {.name = STR("x-large"), .value = {.p = text, .n = sizeof text}},
    };
    fx_head(s);
    h2_write(s, large, sizeof large, fx_on_sent, NULL);
    h2_trailers(s, trailers, 2);
}

TEST(h2_calls, carry_trailers_larger_than_a_frame)
{
    fx_start(NULL);
    fx.on_end = answer_with_large_trailers;
    struct h2client *c = fx_client(NULL);
    struct h2client_reply *r = h2client_post(c, "/a.B/C", NULL, NULL, 0, false);
    ASSERT_TRUE(h2client_wait(c, r));
    ASSERT_INT_EQ(buf_len(&r->body), sizeof large);
    ASSERT_INT_EQ(buf_len(&r->trailers), strlen("grpc-status: 0\nx-large: \n") + 20000);
    h2client_free(c);
    fx_stop();
}

static void answer_without_body(struct h2_stream *s)
{
    fx_reply(s, NULL, 0);
}

TEST(h2_calls, need_no_body)
{
    fx_start(NULL);
    fx.on_end = answer_without_body;
    struct h2client *c = fx_client(NULL);
    struct h2client_reply *r = h2client_post(c, "/a.B/C", NULL, NULL, 0, false);
    ASSERT_TRUE(h2client_wait(c, r));
    ASSERT_HAS(h2client_log(c), "HEADERS:1 HEADERS:1:end");
    h2client_free(c);
    fx_stop();
}

static void answer_with_odd_lengths(struct h2_stream *s)
{
    static char text[400];
    memset(text, 'v', sizeof text);
    struct h2_header trailers[12];
    for (size_t i = 0; i < 12; i++)
        trailers[i] = (struct h2_header){.name = STR("x-long"), .value = {.p = text, .n = i * 25}};
    trailers[3].secret = true;
    trailers[5].value.n = 126;
    trailers[6].value.n = 127;
    trailers[7].value.n = 254;
    trailers[8].value.n = 255;
    fx_head(s);
    h2_write(s, large, 10, NULL, NULL);
    h2_trailers(s, trailers, 12);
}

TEST(h2_calls, carry_trailers_of_every_length)
{
    fx_start(NULL);
    fx.on_end = answer_with_odd_lengths;
    struct h2client *c = fx_client(NULL);
    struct h2client_reply *r = h2client_post(c, "/a.B/C", NULL, NULL, 0, false);
    ASSERT_TRUE(h2client_wait(c, r));
    size_t bytes = 12 * strlen("x-long: \n") + 126 + 127 + 254 + 255;
    for (size_t i = 0; i < 12; i++)
        bytes += i >= 5 && i <= 8 ? 0 : i * 25;
    ASSERT_INT_EQ(buf_len(&r->trailers), bytes);
    h2client_free(c);
    fx_stop();
}

TEST(h2_calls, obey_a_client_without_a_header_table)
{
    fx_start(NULL);
    struct h2client *c = fx_client(&(struct h2client_options){.table_bytes = 0});
    for (int i = 0; i < 3; i++) {
        struct h2client_reply *r = h2client_post(c, "/a.B/C", NULL, "hello", 5, false);
        ASSERT_TRUE(h2client_wait(c, r));
        ASSERT_INT_EQ(r->error_code, 0);
        ASSERT_STR_EQ((char *)r->trailers.p, "grpc-status: 0\n");
    }
    h2client_free(c);
    fx_stop();
}

TEST(h2_calls, many_at_once_all_get_their_own_answer)
{
    fx_start(NULL);
    struct h2client *c = fx_client(NULL);
    h2client_run(c, 20);
    for (int round = 0; round < 5; round++) {
        struct h2client_reply *r[100];
        char body[100][20];
        for (int i = 0; i < 100; i++) {
            int n = snprintf(body[i], sizeof body[i], "call %d.%d", round, i);
            r[i] = h2client_post(c, "/a.B/C", NULL, body[i], (size_t)n, false);
        }
        for (int i = 0; i < 100; i++) {
            ASSERT_TRUE(h2client_wait(c, r[i]));
            ASSERT_INT_EQ(buf_len(&r[i]->body), strlen(body[i]));
            ASSERT_MEM_EQ(r[i]->body.p, body[i], strlen(body[i]));
        }
    }
    ASSERT_INT_EQ(fx.closed, 500);
    ASSERT_INT_EQ(h2_server_stats(fx.server)->streams_open, 0);
    h2client_free(c);
    fx_stop();
}

/* The answer to a call comes while another one's bytes are read: nghttp2 is busy then. */
static void answer_all(struct h2_stream *s)
{
    if (s->id < 7)
        return;
    for (int i = 0; i < 4; i++)
        fx_reply(fx.streams[i], "x", 1);
}

TEST(h2_calls, may_be_answered_from_inside_another_calls_event)
{
    fx_start(NULL);
    fx.on_end = answer_all;
    struct h2client *c = fx_client(NULL);
    struct h2client_reply *r[4];
    for (int i = 0; i < 4; i++)
        r[i] = h2client_post(c, "/a.B/C", NULL, "x", 1, false);
    for (int i = 0; i < 4; i++)
        ASSERT_TRUE(h2client_wait(c, r[i]));
    ASSERT_INT_EQ(fx.closed, 4);
    h2client_free(c);
    fx_stop();
}
