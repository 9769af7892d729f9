/* What nghttp2's memory is: places for the parts of a session, rest for an idle one. Sanitizer
 * builds have no places; what is said of the contents holds there too. */
#include <string.h>
#include <sys/mman.h>

#include "fixture.h"
#include "h2/internal.h"

static uint8_t large[300 * 1000];

static void answer_large(struct h2_stream *s)
{
    fx_reply(s, large, sizeof large);
}

static void do_nothing(struct h2_stream *s)
{
    (void)s;
}

static struct h2_conn *only_conn(void)
{
    return list_entry(list_first(&fx.server->conns), struct h2_conn, node);
}

/* The page with the table of streams takes memory. */
static bool is_awake(const struct h2_conn *c)
{
    unsigned char resident = 0;
    ASSERT_INT_EQ(mincore(c->memory.pages + H2_STREAM_TABLE, 1, &resident), 0);
    return resident & 1;
}

static void tick_after(struct h2_conn *c, int ms)
{
    h2_conn_tick(c, c->idle_since_ns + ms * NS_PER_MS);
}

static bool gets_large(struct h2client *client)
{
    struct h2client_reply *r = h2client_post(client, "/a.B/C", NULL, NULL, 0, false);
    return h2client_wait(client, r) && buf_len(&r->body) == sizeof large &&
           memcmp(r->body.p, large, sizeof large) == 0 &&
           strcmp((char *)r->trailers.p, "grpc-status: 0\n") == 0;
}

TEST(h2_memory, of_a_quiet_connection_is_given_back_until_it_is_used)
{
    for (size_t i = 0; i < sizeof large; i++)
        large[i] = (uint8_t)(i * 7 + i / 251);
    fx_start(NULL);
    fx.on_end = answer_large;
    struct h2client *client = fx_client(NULL);
    ASSERT_TRUE(gets_large(client));
    FX_UNTIL(client, fx.closed == 1);
    struct h2_conn *c = only_conn();
    for (int round = 0; round < 3; round++) {
        tick_after(c, 9900);
        ASSERT_TRUE(H2_NO_POOLS || is_awake(c));
        tick_after(c, 10100);
        ASSERT_TRUE(H2_NO_POOLS || !is_awake(c));
        h2client_ping(client);
        h2client_run(client, 20);
        ASSERT_TRUE(gets_large(client));
        FX_UNTIL(client, c->streams_open == 0);
    }
    h2client_free(client);
    fx_stop();
}

TEST(h2_memory, of_open_streams_stays)
{
    fx_start(NULL);
    fx.on_end = do_nothing;
    struct h2client *client = fx_client(NULL);
    struct h2client_reply *r = h2client_post(client, "/a.B/C", NULL, NULL, 0, false);
    FX_UNTIL(client, fx.opened == 1 && only_conn()->in.settings_acked);
    tick_after(only_conn(), 20000);
    h2_memory_rest(&only_conn()->memory); /* even if it were asked to */
    fx_reply(fx_stream(0), "x", 1);
    ASSERT_TRUE(h2client_wait(client, r));
    ASSERT_INT_EQ(buf_len(&r->body), 1);
    h2client_free(client);
    fx_stop();
}

TEST(h2_memory, holds_more_streams_than_their_table_has_places)
{
    enum { STREAMS = 400 };
    struct h2_limits limits = h2_limits_default;
    limits.streams_max = STREAMS;
    fx_start(&limits);
    fx.on_end = do_nothing;
    struct h2client *client = fx_client(NULL);
    h2client_run(client, 20); /* the client's nghttp2 must hear of the limit */
    struct h2client_reply *last = NULL;
    for (unsigned round = 0; round < 2; round++) {
        for (unsigned i = 0; i < STREAMS; i++)
            last = h2client_post(client, "/a.B/C", NULL, NULL, 0, false);
        FX_UNTIL(client, fx.opened == STREAMS * (round + 1));
        for (unsigned i = 0; i < STREAMS; i++)
            fx_reply(fx_stream(STREAMS * round + i), "x", 1);
        FX_UNTIL(client, fx.closed == fx.opened);
        ASSERT_TRUE(h2client_wait(client, last));
        ASSERT_INT_EQ(buf_len(&last->body), 1);
        tick_after(only_conn(), 10100);
    }
    h2client_free(client);
    fx_stop();
}

TEST(h2_memory, is_as_asked_for_whatever_a_session_asks_for)
{
    struct h2_memory shared = {0};
    /* As now; in another order and larger than the places; never the same. */
    static const size_t asked[3][7] = {{2928, 1024, 1024, 4096, 48, 16394, 152},
                                       {16394, 4096, 2928, 48, 1024, 1024, 5000},
                                       {3000, 1025, 1, 0, 100, 16395, 64}};
    for (size_t round = 0; round < 9; round++) {
        struct h2_session_memory session;
        nghttp2_mem mem = h2_memory_open(&session, &shared);
        uint8_t *parts[7];
        for (size_t i = 0; i < 7; i++) {
            size_t bytes = asked[round % 3][i];
            parts[i] = mem.calloc(1, bytes, mem.mem_user_data);
            ASSERT_NOT_NULL(parts[i]);
            for (size_t k = 0; k < bytes; k++)
                ASSERT_INT_EQ(parts[i][k], 0);
            memset(parts[i], (int)i + 1, bytes);
        }
        h2_memory_rest(&session);
        for (size_t i = 0; i < 7; i++) {
            size_t bytes = asked[round % 3][i];
            parts[i] = mem.realloc(parts[i], bytes + i * 999, mem.mem_user_data);
            for (size_t k = 0; k < bytes; k++)
                ASSERT_INT_EQ(parts[i][k], (int)i + 1);
        }
        for (size_t i = 0; i < 7; i++)
            mem.free(parts[i], mem.mem_user_data);
        h2_memory_close(&session);
    }
    h2_memory_deinit(&shared);
}
