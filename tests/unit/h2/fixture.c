/* The scriptable server of the h2 tests: see fixture.h. */
#include "fixture.h"

#include <stdlib.h>
#include <string.h>

#include "io/listen.h"

struct fx fx;

static const struct h2_header head[] = {
    {.name = STR(":status"), .value = STR("200")},
    {.name = STR("content-type"), .value = STR("application/grpc")},
};
static const struct h2_header trailers[] = {{.name = STR("grpc-status"), .value = STR("0")}};

void fx_on_sent(void *arg)
{
    (void)arg;
    fx.sent++;
}

void fx_head(struct h2_stream *s)
{
    h2_respond(s, head, 2, false);
}

void fx_trailers(struct h2_stream *s)
{
    h2_trailers(s, trailers, 1);
}

void fx_reply(struct h2_stream *s, const void *body, size_t bytes)
{
    fx_head(s);
    if (bytes)
        h2_write(s, body, bytes, fx_on_sent, NULL);
    fx_trailers(s);
}

static void on_open(struct h2_stream *s, void *ctx)
{
    (void)ctx;
    fx.opened++;
    s->user = calloc(1, sizeof(struct buf));
    fx.streams[(s->id - 1) / 2 % FX_STREAMS_MAX] = s;
    buf_printf(&fx.log, "open:%d ", s->id);
}

static void on_header(struct h2_stream *s, enum h2_field which, struct str name, struct str value,
                      void *ctx)
{
    (void)which;
    (void)s;
    (void)ctx;
    if (fx.log_headers)
        buf_printf(&fx.log, "header:%.*s=%.*s ", (int)name.n, name.p, (int)value.n, value.p);
}

static void on_request(struct h2_stream *s, bool over_limit, void *ctx)
{
    (void)ctx;
    buf_printf(&fx.log, "request:%d%s ", s->id, over_limit ? ":over" : "");
    if (fx.on_request)
        fx.on_request(s, over_limit);
}

static void on_data(struct h2_stream *s, const uint8_t *p, size_t bytes, void *ctx)
{
    (void)ctx;
    if (fx.on_data) {
        fx.on_data(s, p, bytes);
        return;
    }
    buf_append(s->user, p, bytes);
    if (!fx.keep_window)
        h2_consume(s, bytes);
}

static void on_end(struct h2_stream *s, void *ctx)
{
    (void)ctx;
    struct buf *body = s->user;
    buf_printf(&fx.log, "end:%d:%zu ", s->id, buf_len(body));
    if (fx.on_end)
        fx.on_end(s);
    else if (!s->response_ended)
        fx_reply(s, body->p, buf_len(body));
}

static void on_close(struct h2_stream *s, uint32_t error_code, enum h2_end by, void *ctx)
{
    (void)ctx;
    static const char *const whose[] = {"", ":peer", ":lost"};
    buf_printf(&fx.log, "close:%d:%u%s ", s->id, error_code, whose[by]);
    fx.closed++;
    fx.closed_by_peer += by != H2_END_SERVER;
    fx.streams[(s->id - 1) / 2 % FX_STREAMS_MAX] = NULL;
    buf_deinit(s->user);
    free(s->user);
}

static const struct h2_handler handler = {
    .on_open = on_open,
    .on_header = on_header,
    .on_request = on_request,
    .on_data = on_data,
    .on_end = on_end,
    .on_close = on_close,
};

void fx_start(const struct h2_limits *limits)
{
    char error[200];
    int fd;
    memset(&fx, 0, sizeof fx);
    ASSERT_INT_EQ(loop_init(&fx.loop, &clock_system), 0);
    ASSERT_INT_EQ(
        h2_server_new(&fx.server, &fx.loop, limits ? limits : &h2_limits_default, &handler, &fx),
        0);
    ASSERT_INT_EQ(listen_open("127.0.0.1:0", 128, &fd, error, sizeof error), 0);
    fx.port = listen_port(fd);
    ASSERT_INT_EQ(h2_server_listen(fx.server, fd, NULL), 0);
}

void fx_stop(void)
{
    fx.server = h2_server_free(fx.server);
    loop_deinit(&fx.loop);
    buf_deinit(&fx.log);
    ASSERT_INT_EQ(fx.opened, fx.closed);
}

void fx_pump(void *arg)
{
    (void)arg;
    ev_run(fx.loop.ev, EVRUN_NOWAIT);
}

void fx_pump_ms(int ms)
{
    for (struct test_turns t = test_turns(ms); test_turns_left(&t);)
        fx_pump(NULL);
}

int64_t fx_deadline_ns(void)
{
    return clock_mono_ns(&clock_system) + 5 * NS_PER_S;
}

struct h2_stream *fx_stream(unsigned index)
{
    FX_UNTIL(NULL, fx.streams[index]);
    return fx.streams[index];
}

bool fx_run(struct h2client *client, int64_t until_ns)
{
    if (client)
        h2client_run(client, 1);
    else
        fx_pump_ms(1);
    return clock_mono_ns(&clock_system) < until_ns;
}

int fx_dial(void)
{
    int fd = h2client_dial(fx.port);
    ASSERT_TRUE(fd >= 0);
    return fd;
}

const uint8_t fx_request[6] = {0x83, 0x86, 0x84, 0x41, 1, 'x'};

int fx_wire(void)
{
    int fd = fx_dial();
    wire_send(fd, H2_PREFACE H2_EMPTY_SETTINGS, 24 + 9, fx_pump, NULL);
    return fd;
}

void fx_send(int fd, uint8_t type, uint8_t flags, uint32_t id, const void *p, size_t bytes)
{
    wire_send_frame(fd, type, flags, id, p, bytes, fx_pump, NULL);
}

const char *fx_frames(int fd, struct buf *text, bool *ret_closed)
{
    struct buf in = {0};
    *ret_closed = wire_read(fd, &in, 60, fx_pump, NULL);
    fx_pump_ms(5);
    const char *t = wire_frames(&in, text);
    buf_deinit(&in);
    return t;
}

struct h2client *fx_client(const struct h2client_options *options)
{
    return h2client_new(fx_dial(), options, fx_pump, NULL);
}

const char *fx_log(void)
{
    *buf_reserve(&fx.log, 1) = '\0';
    return (const char *)fx.log.p + fx.log.start;
}

void fx_on_drained(void *ctx)
{
    ((struct fx *)ctx)->drained = true;
}
