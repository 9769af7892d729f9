/* Our rules for requests against nghttp2's: whatever is said, both say the same of it. */
#include <stdio.h>
#include <unistd.h>

#include "fixture.h"
#include "oracle.h"
#include "support/test.h"

#define RANDOM_REQUESTS 60000

static const struct h2_header honest[] = {
    {.name = STR(":method"), .value = STR("POST")},
    {.name = STR(":scheme"), .value = STR("http")},
    {.name = STR(":path"), .value = STR("/bench.Echo/Get")},
    {.name = STR(":authority"), .value = STR("localhost:443")},
    {.name = STR("te"), .value = STR("trailers")},
    {.name = STR("content-type"), .value = STR("application/grpc")},
    {.name = STR("user-agent"), .value = STR("grpc-c++/1.51.1 (linux)")},
};
#define HONEST (sizeof honest / sizeof honest[0])

/* Nearly one of oracle_names, or no name of a request. */
static const struct str strange_names[] = {
    STR(":status"),
    STR(":protocol"),
    STR(":"),
    STR(":x"),
    STR(""),
    STR("Te"),
    STR("tE"),
    STR("hosT"),
    STR("content-typE"),
    STR("user agent"),
    STR("x-long-name-of-30-characters.."),
    STR("cookie"),
};
#define NAMES (ORACLE_NAMES + sizeof strange_names / sizeof strange_names[0])

static struct str name_at(size_t i)
{
    return i < ORACLE_NAMES ? oracle_names[i] : strange_names[i - ORACLE_NAMES];
}

static const struct str values[] = {
    STR(""),
    STR(" "),
    STR("a"),
    STR("POST"),
    STR("CONNECT"),
    STR("OPTIONS"),
    STR("HEAD"),
    STR("post"),
    STR("http"),
    STR("HTTPS"),
    STR("https"),
    STR("grpc"),
    STR("ht tp"),
    STR("1http"),
    STR("/"),
    STR("*"),
    STR("**"),
    STR("/a/b"),
    STR("a/b"),
    STR("/a b"),
    STR("x"),
    STR("x:1"),
    STR("a@b"),
    STR("a/b:1"),
    STR("trailers"),
    STR("Trailers"),
    STR("trailer"),
    STR("gzip"),
    STR("0"),
    STR("5"),
    STR("05"),
    STR("+5"),
    STR("-5"),
    STR("-0"),
    STR("10"),
    STR("5 "),
    STR(" 5"),
    STR("\t"),
    STR("a\tb"),
    STR("a b"),
    STR("a\0b"),
    STR("a\nb"),
    STR("a\x7f"),
    STR("a\x80"),
    STR("\xc3\xa9"),
    STR("12345678"),
    STR("1234567 "),
    STR("12345678\x7f"),
    STR("123456789"),
    STR(" 123456789"),
    STR("9223372036854775807"),
    STR("9223372036854775808"),
    STR("18446744073709551621"),
    STR("application/grpc"),
    STR("identity, deflate, gzip"),
};
#define VALUES (sizeof values / sizeof values[0])

static void agree(const struct request *r)
{
    struct verdict a = oracle_theirs(r), b = oracle_ours(r);
    if (!oracle_agrees(r)) {
        for (unsigned i = 0; i < r->head_count; i++)
            printf("  %.*s = %.*s\n", (int)r->head[i].name.n, r->head[i].name.p,
                   (int)r->head[i].value.n, r->head[i].value.p);
    }
    ASSERT_INT_EQ(b.is_malformed, a.is_malformed);
    ASSERT_INT_EQ(b.fields, a.fields);
    ASSERT_INT_EQ(b.blocks, a.blocks);
    ASSERT_INT_EQ(b.data_bytes, a.data_bytes);
    ASSERT_INT_EQ(b.ended, a.ended);
}

static void add(struct h2_header *fields, unsigned *count, struct str name, struct str value)
{
    fields[(*count)++] = (struct h2_header){.name = name, .value = value};
}

/* The honest request with @name = @value in the place of its own, or behind the others. */
static void agree_with(struct str name, struct str value)
{
    struct request r = {.ends_with_head = true};
    bool is_there = false;
    for (unsigned i = 0; i < HONEST; i++) {
        bool is_it = str_eq(honest[i].name, name);
        is_there |= is_it;
        add(r.head, &r.head_count, honest[i].name, is_it ? value : honest[i].value);
    }
    if (!is_there)
        add(r.head, &r.head_count, name, value);
    agree(&r);
}

TEST(h2_rules, an_honest_request_passes)
{
    struct request r = {.ends_with_head = true, .head_count = HONEST};
    memcpy(r.head, honest, sizeof honest);
    ASSERT_FALSE(oracle_theirs(&r).is_malformed);
    agree(&r);
}

TEST(h2_rules, every_name_with_every_value)
{
    for (size_t n = 0; n < NAMES; n++) {
        for (size_t v = 0; v < VALUES; v++)
            agree_with(name_at(n), values[v]);
    }
}

TEST(h2_rules, every_octet_at_every_place_of_a_value)
{
    const struct str tried[] = {STR(":method"), STR(":scheme"), STR(":path"), STR(":authority"),
                                STR("host"),    STR("te"),      STR("x-a"),   STR("user-agent")};
    static const size_t lengths[] = {1, 3, 7, 8, 9, 17};
    for (size_t n = 0; n < sizeof tried / sizeof tried[0]; n++) {
        for (size_t l = 0; l < sizeof lengths / sizeof lengths[0]; l++) {
            size_t places[] = {0, lengths[l] / 2, lengths[l] - 1};
            for (unsigned octet = 0; octet < 3 * 256; octet++) {
                char text[20] = "/aaaaaaaaaaaaaaaaaa";
                text[places[octet / 256]] = (char)octet;
                agree_with(tried[n], (struct str){.p = text, .n = lengths[l]});
            }
        }
    }
}

TEST(h2_rules, every_octet_at_every_place_of_a_name)
{
    for (size_t n = 0; n < NAMES; n++) {
        const struct str name = name_at(n);
        for (size_t at = 0; at < name.n; at++) {
            for (unsigned octet = 0; octet < 256; octet++) {
                char text[40];
                memcpy(text, name.p, name.n);
                text[at] = (char)octet;
                agree_with((struct str){.p = text, .n = name.n}, STR("trailers"));
            }
        }
    }
}

static uint32_t draw(uint64_t *state, uint32_t below)
{
    *state = *state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (uint32_t)(*state >> 33) % below;
}

static void add_drawn(uint64_t *state, struct h2_header *fields, unsigned *count)
{
    struct str name = name_at(draw(state, NAMES));
    if (draw(state, 3) == 0)
        name = STR("content-length");
    add(fields, count, name, values[draw(state, VALUES)]);
}

/* Mostly honest, so that what comes late is reached. */
static void draw_request(uint64_t *state, struct request *r)
{
    *r = (struct request){0};
    for (unsigned i = 0; i < HONEST; i++) {
        if (draw(state, 50) == 0)
            add_drawn(state, r->head, &r->head_count);
        if (draw(state, 100) == 0)
            continue;
        struct str value = draw(state, 50) ? honest[i].value : values[draw(state, VALUES)];
        add(r->head, &r->head_count, honest[i].name, value);
    }
    if (draw(state, 2))
        add(r->head, &r->head_count, STR("content-length"), values[28 + draw(state, 8)]);
    r->ends_with_head = draw(state, 4) == 0;
    if (r->ends_with_head)
        return;
    r->data_count = draw(state, REQUEST_DATA_MAX + 1);
    for (unsigned i = 0; i < r->data_count; i++)
        r->data[i] = (uint8_t)(draw(state, 3) * 5);
    r->ends_with_data = r->data_count > 0 && draw(state, 2);
    r->has_trailers = !r->ends_with_data && draw(state, 3);
    r->ends_with_trailers = draw(state, 8);
    for (unsigned i = draw(state, 3); i > 0; i--)
        add_drawn(state, r->trailers, &r->trailer_count);
}

TEST(h2_rules, requests_of_any_kind_with_data_and_trailers)
{
    uint64_t state = 1;
    unsigned malformed = 0;
    struct request r;
    for (unsigned i = 0; i < RANDOM_REQUESTS; i++) {
        draw_request(&state, &r);
        agree(&r);
        malformed += oracle_ours(&r).is_malformed;
    }
    ASSERT_INT_IN(malformed, RANDOM_REQUESTS / 4, RANDOM_REQUESTS / 4 * 3);
}

/* More of it than the connection's window, over and over: one that leaked would end in GOAWAY. */
TEST(h2_rules, data_beyond_its_content_length_ends_the_stream_and_gives_the_window_back)
{
    struct h2_limits limits = h2_limits_default;
    limits.conn_window_bytes = 128 * 1024;
    limits.reset_burst_max = 1000;
    fx_start(&limits);
    int fd = fx_wire();
    static const uint8_t body[16384];
    uint8_t head[sizeof fx_request + 4];
    memcpy(head, fx_request, sizeof fx_request);
    memcpy(head + sizeof fx_request,
           "\x0f\x0d\x01"
           "1",
           4); /* content-length: 1 */
    struct buf text = {0};
    bool closed;
    uint32_t id = 1;
    for (; id < 100; id += 2) {
        fx_send(fd, 1, 4, id, head, sizeof head);
        fx_send(fd, 0, 0, id, body, sizeof body);
        fx_send(fd, 0, 1, id, body, 1);
        FX_UNTIL(NULL, fx.closed == (id + 1) / 2);
    }
    ASSERT_HAS(fx_frames(fd, &text, &closed), "RST:99:0:4");
    ASSERT_FALSE(closed);
    fx_send(fd, 1, 5, id, fx_request, sizeof fx_request);
    ASSERT_HAS(fx_frames(fd, &text, &closed), "HEADERS:101:5:");
    ASSERT_FALSE(closed);
    buf_deinit(&text);
    close(fd);
    fx_stop();
}
