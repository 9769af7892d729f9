/* The HTTP/2 client of the C tests: see h2client.h. Not for anything but loopback. */
#include "support/h2client.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <nghttp2/nghttp2.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/check.h"
#include "support/test.h"

#define WAIT_MS 5000

struct h2client {
    int fd;
    nghttp2_session *session;
    void (*pump)(void *arg);
    void *arg;
    struct h2client_reply *replies;
    struct buf log;
    bool closed;
};

static int64_t now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* Lets the server run; without one in this thread, waits a little for the socket. */
static void give_way(int fd, void (*pump)(void *arg), void *arg)
{
    struct pollfd p = {.fd = fd, .events = POLLIN};
    if (pump)
        pump(arg);
    poll(&p, 1, 1);
}

static void terminate(struct buf *b)
{
    *buf_reserve(b, 1) = '\0';
}

static struct h2client_reply *find(struct h2client *c, int32_t id)
{
    for (struct h2client_reply *r = c->replies; r; r = r->next) {
        if (r->id == id)
            return r;
    }
    return NULL;
}

static int on_header(nghttp2_session *session, const nghttp2_frame *frame, const uint8_t *name,
                     size_t name_n, const uint8_t *value, size_t value_n, uint8_t flags, void *arg)
{
    (void)session;
    (void)flags;
    struct h2client_reply *r = find(arg, frame->hd.stream_id);
    if (!r)
        return 0;
    struct buf *to = frame->headers.cat == NGHTTP2_HCAT_RESPONSE ? &r->head : &r->trailers;
    buf_printf(to, "%.*s: %.*s\n", (int)name_n, (const char *)name, (int)value_n,
               (const char *)value);
    terminate(to);
    return 0;
}

static int on_data(nghttp2_session *session, uint8_t flags, int32_t id, const uint8_t *p,
                   size_t bytes, void *arg)
{
    (void)session;
    (void)flags;
    struct h2client_reply *r = find(arg, id);
    if (r)
        buf_append(&r->body, p, bytes);
    return 0;
}

static int on_frame(nghttp2_session *session, const nghttp2_frame *f, void *arg)
{
    (void)session;
    struct h2client *c = arg;
    const char *ack = f->hd.flags & NGHTTP2_FLAG_ACK ? ":ack" : "";
    const char *end = f->hd.flags & NGHTTP2_FLAG_END_STREAM ? ":end" : "";
    struct h2client_reply *r = find(c, f->hd.stream_id);
    switch (f->hd.type) {
    case NGHTTP2_SETTINGS:
        buf_printf(&c->log, "SETTINGS%s ", ack);
        break;
    case NGHTTP2_PING:
        buf_printf(&c->log, "PING%s ", ack);
        break;
    case NGHTTP2_GOAWAY:
        buf_printf(&c->log, "GOAWAY:%d:%u ", f->goaway.last_stream_id, f->goaway.error_code);
        break;
    case NGHTTP2_RST_STREAM:
        buf_printf(&c->log, "RST:%d:%u ", f->hd.stream_id, f->rst_stream.error_code);
        if (r)
            r->reset = true;
        break;
    case NGHTTP2_HEADERS:
    case NGHTTP2_DATA:
        buf_printf(&c->log, "%s:%d%s ", f->hd.type == NGHTTP2_DATA ? "DATA" : "HEADERS",
                   f->hd.stream_id, end);
        if (r && *end)
            r->ended = true;
        break;
    default:
        break;
    }
    return 0;
}

static int on_close(nghttp2_session *session, int32_t id, uint32_t error_code, void *arg)
{
    (void)session;
    struct h2client_reply *r = find(arg, id);
    if (r) {
        r->closed = true;
        r->error_code = error_code;
    }
    return 0;
}

static ssize_t read_body(nghttp2_session *session, int32_t id, uint8_t *p, size_t bytes_max,
                         uint32_t *flags, nghttp2_data_source *source, void *arg)
{
    (void)session;
    (void)id;
    (void)arg;
    struct h2client_reply *r = source->ptr;
    size_t n = r->send_left < bytes_max ? r->send_left : bytes_max;
    if (n == 0 && r->send_open)
        return NGHTTP2_ERR_DEFERRED;
    if (n)
        memcpy(p, r->send, n);
    r->send += n;
    r->send_left -= n;
    if (r->send_left == 0 && !r->send_open)
        *flags |= NGHTTP2_DATA_FLAG_EOF;
    return (ssize_t)n;
}

static void start(struct h2client *c, const struct h2client_options *options)
{
    nghttp2_session_callbacks *callbacks;
    nghttp2_option *option;
    CHECK(nghttp2_session_callbacks_new(&callbacks) == 0);
    nghttp2_session_callbacks_set_on_header_callback(callbacks, on_header);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, on_data);
    nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, on_frame);
    nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, on_close);
    CHECK(nghttp2_option_new(&option) == 0);
    nghttp2_option_set_no_auto_window_update(option, options->keep_window_shut);
    CHECK(nghttp2_session_client_new2(&c->session, callbacks, c, option) == 0);
    nghttp2_option_del(option);
    nghttp2_session_callbacks_del(callbacks);

    nghttp2_settings_entry settings[2];
    size_t count = 0;
    if (options->stream_window_bytes)
        settings[count++] = (nghttp2_settings_entry){NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE,
                                                     options->stream_window_bytes};
    if (options->table_bytes >= 0)
        settings[count++] = (nghttp2_settings_entry){NGHTTP2_SETTINGS_HEADER_TABLE_SIZE,
                                                     (uint32_t)options->table_bytes};
    CHECK(nghttp2_submit_settings(c->session, NGHTTP2_FLAG_NONE, settings, count) == 0);
}

struct h2client *h2client_new(int fd, const struct h2client_options *options,
                              void (*pump)(void *arg), void *arg)
{
    static const struct h2client_options plain = {.table_bytes = -1};
    struct h2client *c = calloc(1, sizeof *c);
    CHECK(c);
    c->fd = fd;
    c->pump = pump;
    c->arg = arg;
    fcntl(fd, F_SETFL, O_NONBLOCK);
    start(c, options ? options : &plain);
    return c;
}

struct h2client *h2client_free(struct h2client *c)
{
    if (!c)
        return NULL;
    nghttp2_session_del(c->session);
    close(c->fd);
    struct h2client_reply *r;
    while ((r = c->replies) != NULL) {
        c->replies = r->next;
        buf_deinit(&r->head);
        buf_deinit(&r->body);
        buf_deinit(&r->trailers);
        free(r);
    }
    buf_deinit(&c->log);
    free(c);
    return NULL;
}

int h2client_dial(uint16_t port)
{
    struct sockaddr_in a = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int on = 1;
    if (fd >= 0 && connect(fd, (struct sockaddr *)&a, sizeof a) < 0) {
        close(fd);
        return -1;
    }
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    return fd;
}

static size_t extra_headers(char *lines, nghttp2_nv *nv, size_t max)
{
    size_t count = 0;
    for (char *line = lines, *next; *line && count < max; line = next) {
        char *colon = strstr(line, ": ");
        char *end = strchr(line, '\n');
        CHECK(colon && end && colon < end);
        next = end + 1;
        nv[count++] = (nghttp2_nv){(uint8_t *)line, (uint8_t *)colon + 2, (size_t)(colon - line),
                                   (size_t)(end - colon - 2), NGHTTP2_NV_FLAG_NONE};
    }
    return count;
}

static nghttp2_nv field(char *name, char *value)
{
    return (nghttp2_nv){(uint8_t *)name, (uint8_t *)value, strlen(name), strlen(value),
                        NGHTTP2_NV_FLAG_NONE};
}

struct h2client_reply *h2client_post(struct h2client *c, const char *path, const char *extra,
                                     const void *body, size_t bytes, bool open)
{
    char names[][16] = {":method", ":scheme", ":path", ":authority", "content-type", "te"};
    char values[][20] = {"POST", "http", "", "localhost", "application/grpc", "trailers"};
    char *path_copy = strdup(path);
    char *lines = strdup(extra ? extra : "");
    nghttp2_nv nv[6 + 600];
    for (size_t i = 0; i < 6; i++)
        nv[i] = field(names[i], i == 2 ? path_copy : values[i]);
    size_t count = 6 + extra_headers(lines, nv + 6, 600);

    struct h2client_reply *r = calloc(1, sizeof *r);
    CHECK(r);
    r->send = body;
    r->send_left = bytes;
    r->send_open = open;
    nghttp2_data_provider provider = {.source.ptr = r, .read_callback = read_body};
    r->id =
        nghttp2_submit_request(c->session, NULL, nv, count, bytes || open ? &provider : NULL, NULL);
    CHECK(r->id > 0);
    r->next = c->replies;
    c->replies = r;
    terminate(&r->head);
    terminate(&r->trailers);
    free(path_copy);
    free(lines);
    return r;
}

void h2client_end(struct h2client *c, struct h2client_reply *r)
{
    r->send_open = false;
    nghttp2_session_resume_data(c->session, r->id);
}

void h2client_reset(struct h2client *c, struct h2client_reply *r, uint32_t error_code)
{
    CHECK(nghttp2_submit_rst_stream(c->session, NGHTTP2_FLAG_NONE, r->id, error_code) == 0);
}

void h2client_ping(struct h2client *c)
{
    CHECK(nghttp2_submit_ping(c->session, NGHTTP2_FLAG_NONE, NULL) == 0);
}

void h2client_open_window(struct h2client *c, struct h2client_reply *r, size_t bytes)
{
    nghttp2_submit_window_update(c->session, NGHTTP2_FLAG_NONE, 0, (int32_t)bytes);
    nghttp2_submit_window_update(c->session, NGHTTP2_FLAG_NONE, r->id, (int32_t)bytes);
}

/* True when something moved. */
static bool turn(struct h2client *c)
{
    const uint8_t *p;
    uint8_t in[65536];
    ssize_t n;
    bool moved = false;
    while (!c->closed && (n = nghttp2_session_mem_send(c->session, &p)) > 0) {
        wire_send(c->fd, p, (size_t)n, c->pump, c->arg);
        moved = true;
    }
    while (!c->closed && (n = recv(c->fd, in, sizeof in, 0)) != -1) {
        if (n == 0 || nghttp2_session_mem_recv(c->session, in, (size_t)n) < 0)
            c->closed = true;
        moved = true;
    }
    if (!c->closed && errno != EAGAIN)
        c->closed = true;
    return moved;
}

bool h2client_wait(struct h2client *c, struct h2client_reply *r)
{
    int64_t until = now_ms() + WAIT_MS;
    while (!r->closed && !c->closed && now_ms() < until) {
        if (!turn(c))
            give_way(c->fd, c->pump, c->arg);
    }
    return r->closed;
}

void h2client_run(struct h2client *c, int ms)
{
    for (struct test_turns t = test_turns(ms); test_turns_left(&t);) {
        turn(c);
        give_way(c->closed ? -1 : c->fd, c->pump, c->arg);
    }
}

const char *h2client_log(struct h2client *c)
{
    terminate(&c->log);
    return (const char *)c->log.p + c->log.start;
}

bool h2client_is_closed(const struct h2client *c)
{
    return c->closed;
}

void wire_send(int fd, const void *p, size_t bytes, void (*pump)(void *arg), void *arg)
{
    const uint8_t *at = p;
    int64_t until = now_ms() + WAIT_MS;
    while (bytes && now_ms() < until) {
        ssize_t n = send(fd, at, bytes, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (n > 0) {
            at += n;
            bytes -= (size_t)n;
        } else if (errno == EAGAIN) {
            give_way(fd, pump, arg);
        } else {
            return; /* the peer closed: reading will tell */
        }
    }
}

void wire_send_frame(int fd, uint8_t type, uint8_t flags, uint32_t stream_id, const void *p,
                     size_t bytes, void (*pump)(void *arg), void *arg)
{
    uint8_t header[9] = {(uint8_t)(bytes >> 16), (uint8_t)(bytes >> 8), (uint8_t)bytes, type,
                         flags};
    stream_id = htonl(stream_id);
    memcpy(header + 5, &stream_id, 4);
    wire_send(fd, header, sizeof header, pump, arg);
    wire_send(fd, p, bytes, pump, arg);
}

bool wire_read(int fd, struct buf *in, int quiet_ms, void (*pump)(void *arg), void *arg)
{
    for (struct test_turns quiet = test_turns(quiet_ms); test_turns_left(&quiet);) {
        ssize_t n = recv(fd, buf_reserve(in, 65536), 65536, MSG_DONTWAIT);
        if (n == 0 || (n < 0 && errno != EAGAIN))
            return true;
        if (n < 0) {
            give_way(fd, pump, arg);
            continue;
        }
        buf_commit(in, (size_t)n);
        quiet = test_turns(quiet_ms);
    }
    return false;
}

const char *wire_frames(const struct buf *in, struct buf *text)
{
    static const char *const names[] = {"DATA", "HEADERS", "PRIORITY", "RST",    "SETTINGS",
                                        "PUSH", "PING",    "GOAWAY",   "WINDOW", "CONTINUATION"};
    const uint8_t *p = in->p + in->start;
    size_t left = buf_len(in);
    while (left >= 9) {
        size_t bytes = (size_t)p[0] << 16 | (size_t)p[1] << 8 | p[2];
        uint32_t id;
        memcpy(&id, p + 5, 4);
        buf_printf(text, "%s:%u:%x:%zu ", p[3] < 10 ? names[p[3]] : "?", ntohl(id), p[4], bytes);
        if (left < 9 + bytes)
            break;
        p += 9 + bytes;
        left -= 9 + bytes;
    }
    terminate(text);
    return (const char *)text->p;
}
