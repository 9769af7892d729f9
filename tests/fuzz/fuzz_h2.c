/* Feeds bytes into an HTTP/2 connection whose handler answers in every way it can, and checks that
 * every stream that was opened is closed once. Each input byte of the first few steers the handler;
 * the rest goes over the wire. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/check.h"
#include "h2/h2.h"
#include "h2/internal.h"

static struct loop loop;
static struct h2_server *server;
static uint8_t choice;
static unsigned open_streams;
static const uint8_t body[100000];

static const struct h2_header head[] = {
    {.name = STR(":status"), .value = STR("200")},
    {.name = STR("content-type"), .value = STR("application/grpc")},
};
static const struct h2_header trailers[] = {
    {.name = STR("grpc-status"), .value = STR("0")},
    {.name = STR("x-secret"), .value = STR("s"), .secret = true},
};

static void on_open(struct h2_stream *s, void *ctx)
{
    (void)ctx;
    open_streams++;
    s->user = s;
}

static void on_header(struct h2_stream *s, enum h2_field which, struct str name, struct str value,
                      void *ctx)
{
    (void)which;
    (void)ctx;
    CHECK(s->user == s);
    CHECK(name.n == 0 || memchr(name.p, 0, name.n) == NULL);
    CHECK(value.n <= h2_limits_default.header_list_bytes_max);
}

static void answer(struct h2_stream *s)
{
    if (s->response_started)
        return;
    switch (choice++ % 5) {
    case 0:
        h2_respond(s, head, 2, true);
        break;
    case 1:
        h2_respond(s, head, 2, false);
        h2_write(s, body, 1000, NULL, NULL);
        h2_trailers(s, trailers, 2);
        break;
    case 2:
        h2_respond(s, head, 2, false);
        h2_write(s, body, sizeof body, NULL, NULL);
        h2_write(s, body, sizeof body, NULL, NULL);
        h2_trailers(s, trailers, 2);
        break;
    case 3:
        h2_reset(s, H2_CANCEL);
        break;
    default:
        h2_respond(s, head, 2, false);
        break;
    }
}

static void on_request(struct h2_stream *s, bool over_limit, void *ctx)
{
    (void)ctx;
    if (over_limit || choice & 1)
        answer(s);
}

static void on_data(struct h2_stream *s, const uint8_t *p, size_t bytes, void *ctx)
{
    (void)p;
    (void)ctx;
    if (choice & 2)
        h2_consume(s, bytes);
}

static void on_end(struct h2_stream *s, void *ctx)
{
    (void)ctx;
    answer(s);
}

static void on_close(struct h2_stream *s, uint32_t error_code, enum h2_end by, void *ctx)
{
    (void)error_code;
    (void)by;
    (void)ctx;
    CHECK(s->user == s);
    s->user = NULL;
    CHECK(open_streams > 0);
    open_streams--;
}

static const struct h2_handler handler = {on_open, on_header, on_request,
                                          on_data, on_end,    on_close};

static void drain_replies(int fd)
{
    static uint8_t in[65536];
    while (recv(fd, in, sizeof in, MSG_DONTWAIT) > 0)
        continue;
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t bytes);

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t bytes)
{
    static const char preface[] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0\0";
    int fds[2];
    if (bytes < 2)
        return 0;
    CHECK(loop_init(&loop, &clock_system) == 0);
    CHECK(h2_server_new(&server, &loop, &h2_limits_default, &handler, NULL) == 0);
    CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds) == 0);
    choice = p[0];
    struct h2_listener listener = {.server = server};
    h2_conn_new(&listener, fds[0]);
    if (p[1] & 1)
        CHECK(send(fds[1], preface, sizeof preface - 1, 0) > 0);
    size_t step = 1 + p[1] / 2u * 16;
    for (size_t at = 2; at < bytes; at += step) {
        size_t n = bytes - at < step ? bytes - at : step;
        if (send(fds[1], p + at, n, MSG_NOSIGNAL) < 0 && errno != EAGAIN)
            break;
        ev_run(loop.ev, EVRUN_NOWAIT);
        if (!(choice & 4))
            drain_replies(fds[1]);
    }
    if (choice & 8)
        h2_server_drain(server, NULL);
    for (int i = 0; i < 4; i++) {
        ev_run(loop.ev, EVRUN_NOWAIT);
        drain_replies(fds[1]);
    }
    close(fds[1]);
    ev_run(loop.ev, EVRUN_NOWAIT);
    server = h2_server_free(server);
    loop_deinit(&loop);
    CHECK(open_streams == 0);
    return 0;
}
