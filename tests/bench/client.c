/* The load driver's connections: a closed loop of streams over cleartext HTTP/2 (nghttp2, epoll).
 * load.c calls it. What must stay true: a stream starts its next call when its last has ended, so
 * the number in flight is constant until the end. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <nghttp2/nghttp2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "bench/bench.h"

#define STALL_MS 20000
#define OUT_BYTES_MAX 65536

struct client {
    struct bench_run *run;
    int epoll;
    int64_t end_ns;
    unsigned live;
    bool broken;
};

struct conn {
    struct client *client;
    int fd;
    bool wants_write;
    nghttp2_session *session;
    uint8_t *out;
    size_t out_bytes, out_bytes_max;
};

static ssize_t read_body(nghttp2_session *session, int32_t id, uint8_t *buf, size_t bytes,
                         uint32_t *flags, nghttp2_data_source *source, void *ctx)
{
    (void)session;
    (void)id;
    (void)ctx;
    struct bench_call *call = source->ptr;
    size_t n = call->body_bytes - call->body_sent;
    if (n > bytes)
        n = bytes;
    memcpy(buf, call->body + call->body_sent, n);
    call->body_sent += n;
    if (call->body_sent == call->body_bytes)
        *flags |= NGHTTP2_DATA_FLAG_EOF;
    return (ssize_t)n;
}

static nghttp2_nv field(const char *name, const char *value, size_t bytes)
{
    return (nghttp2_nv){.name = (uint8_t *)(uintptr_t)name,
                        .value = (uint8_t *)(uintptr_t)value,
                        .namelen = strlen(name),
                        .valuelen = bytes,
                        .flags = NGHTTP2_NV_FLAG_NO_COPY_NAME};
}

static void call_free(struct bench_call *call)
{
    free(call->body);
    free(call->reply);
    free(call);
}

static void start(struct conn *conn, struct bench_call *call)
{
    struct client *client = conn->client;
    struct bench_run *run = client->run;
    bool over = client->end_ns > 0 ? bench_now_ns() >= client->end_ns
                                   : run->result.started >= run->calls_max;
    if (over || !bench_request(call, run->world, run->op)) {
        call_free(call);
        return;
    }
    char authorization[1200];
    int n =
        call->token ? snprintf(authorization, sizeof authorization, "Bearer %s", call->token) : 0;
    nghttp2_nv fields[] = {
        field(":method", "POST", 4),
        field(":scheme", "http", 4),
        field(":path", call->path, strlen(call->path)),
        field(":authority", run->authority, strlen(run->authority)),
        field("te", "trailers", 8),
        field("content-type", "application/grpc", 16),
        field("grpc-timeout", "5S", 2),
        field("authorization", authorization, (size_t)n),
    };
    nghttp2_data_provider body = {.source.ptr = call, .read_callback = read_body};
    call->start_ns = bench_now_ns();
    if (nghttp2_submit_request(conn->session, NULL, fields, n > 0 ? 8 : 7, &body, call) < 0) {
        client->broken = true; /* no stream ids left, or no memory */
        call_free(call);
        return;
    }
    run->result.started++;
    client->live++;
}

static int on_header(nghttp2_session *session, const nghttp2_frame *frame, const uint8_t *name,
                     size_t name_bytes, const uint8_t *value, size_t value_bytes, uint8_t flags,
                     void *ctx)
{
    (void)value_bytes;
    (void)flags;
    (void)ctx;
    struct bench_call *call = nghttp2_session_get_stream_user_data(session, frame->hd.stream_id);
    if (call && name_bytes == 11 && memcmp(name, "grpc-status", 11) == 0)
        call->grpc_status = (int)strtol((const char *)value, NULL, 10);
    else if (call && name_bytes == 7 && memcmp(name, ":status", 7) == 0)
        call->http_status = (int)strtol((const char *)value, NULL, 10);
    return 0;
}

static int on_data(nghttp2_session *session, uint8_t flags, int32_t id, const uint8_t *data,
                   size_t bytes, void *ctx)
{
    (void)flags;
    (void)ctx;
    struct bench_call *call = nghttp2_session_get_stream_user_data(session, id);
    if (!call)
        return 0;
    call->reply = bench_grow(call->reply, call->reply_bytes + bytes, &call->reply_bytes_max, 1);
    memcpy(call->reply + call->reply_bytes, data, bytes);
    call->reply_bytes += bytes;
    return 0;
}

static int on_close(nghttp2_session *session, int32_t id, uint32_t error, void *ctx)
{
    (void)error;
    struct conn *conn = ctx;
    struct bench_run *run = conn->client->run;
    struct bench_call *call = nghttp2_session_get_stream_user_data(session, id);
    if (!call)
        return 0;
    struct bench_latencies *l = &run->result.latencies[call->op];
    int status = call->http_status == 200 && call->grpc_status >= 0 && call->grpc_status <= 16
                     ? call->grpc_status
                     : 2;
    run->result.status[status]++;
    run->result.reply_bytes += call->reply_bytes;
    if (status == 0) {
        l->us = bench_grow(l->us, l->count + 1, &l->count_max, sizeof *l->us);
        l->us[l->count++] = (uint32_t)((bench_now_ns() - call->start_ns) / 1000);
        bench_answer(call, run->world, &run->result);
    }
    conn->client->live--;
    start(conn, call);
    return 0;
}

static void flush(struct conn *conn)
{
    struct client *client = conn->client;
    for (;;) {
        while (conn->out_bytes < OUT_BYTES_MAX) {
            const uint8_t *p;
            ssize_t n = nghttp2_session_mem_send(conn->session, &p);
            if (n <= 0)
                break;
            conn->out = bench_grow(conn->out, conn->out_bytes + (size_t)n, &conn->out_bytes_max, 1);
            memcpy(conn->out + conn->out_bytes, p, (size_t)n);
            conn->out_bytes += (size_t)n;
        }
        if (conn->out_bytes == 0)
            break;
        ssize_t n = send(conn->fd, conn->out, conn->out_bytes, MSG_NOSIGNAL);
        if (n < 0) {
            client->broken = errno != EAGAIN;
            break;
        }
        memmove(conn->out, conn->out + n, conn->out_bytes - (size_t)n);
        conn->out_bytes -= (size_t)n;
    }
    bool wants_write = conn->out_bytes > 0;
    if (wants_write != conn->wants_write) {
        struct epoll_event e = {.events = EPOLLIN | (wants_write ? EPOLLOUT : 0), .data.ptr = conn};
        conn->wants_write = wants_write;
        epoll_ctl(client->epoll, EPOLL_CTL_MOD, conn->fd, &e);
    }
}

static int conn_open(struct conn *conn, struct client *client)
{
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons(client->run->port),
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int one = 1;
    conn->client = client;
    conn->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (connect(conn->fd, (struct sockaddr *)&address, sizeof address) < 0) {
        perror("load: connect");
        return -1;
    }
    setsockopt(conn->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    fcntl(conn->fd, F_SETFL, O_NONBLOCK);
    nghttp2_session_callbacks *callbacks;
    nghttp2_session_callbacks_new(&callbacks);
    nghttp2_session_callbacks_set_on_header_callback(callbacks, on_header);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, on_data);
    nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, on_close);
    nghttp2_session_client_new(&conn->session, callbacks, conn);
    nghttp2_session_callbacks_del(callbacks);
    nghttp2_settings_entry settings[] = {{NGHTTP2_SETTINGS_ENABLE_PUSH, 0},
                                         {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, 1 << 20}};
    nghttp2_submit_settings(conn->session, 0, settings, 2);
    nghttp2_session_set_local_window_size(conn->session, 0, 0, 1 << 24);
    struct epoll_event e = {.events = EPOLLIN, .data.ptr = conn};
    epoll_ctl(client->epoll, EPOLL_CTL_ADD, conn->fd, &e);
    return 0;
}

static void conn_close(struct conn *conn)
{
    if (conn->session)
        nghttp2_session_del(conn->session);
    if (conn->fd > 0)
        close(conn->fd);
    free(conn->out);
}

static void on_readable(struct conn *conn)
{
    static uint8_t buf[1 << 17];
    ssize_t n = recv(conn->fd, buf, sizeof buf, 0);
    if (n < 0 && errno == EAGAIN)
        return;
    if (n <= 0 || nghttp2_session_mem_recv(conn->session, buf, (size_t)n) < 0)
        conn->client->broken = true;
}

static int loop(struct client *client)
{
    struct epoll_event events[64];
    while (client->live > 0) {
        int n = epoll_wait(client->epoll, events, 64, STALL_MS);
        if (n == 0) {
            fprintf(stderr, "load: nothing came back for %d s, %u calls wait\n", STALL_MS / 1000,
                    client->live);
            return -1;
        }
        for (int i = 0; i < n; i++) {
            if (events[i].events & (EPOLLIN | EPOLLHUP | EPOLLERR))
                on_readable(events[i].data.ptr);
            flush(events[i].data.ptr);
        }
        if (client->broken) {
            fprintf(stderr, "load: the server closed the connection\n");
            return -1;
        }
    }
    return 0;
}

int bench_client_run(struct bench_run *run)
{
    struct client client = {.run = run, .epoll = epoll_create1(EPOLL_CLOEXEC)};
    struct conn *conns = calloc(run->conns, sizeof *conns);
    int result = 0;
    for (unsigned i = 0; i < run->conns && result == 0; i++)
        result = conn_open(&conns[i], &client);
    int64_t start_ns = bench_now_ns();
    client.end_ns = run->seconds > 0 ? start_ns + (int64_t)(run->seconds * 1e9) : 0;
    for (unsigned i = 0; i < run->conns && result == 0; i++) {
        for (unsigned s = 0; s < run->streams; s++)
            start(&conns[i], calloc(1, sizeof(struct bench_call)));
        flush(&conns[i]);
    }
    if (result == 0)
        result = loop(&client);
    run->result.seconds = (double)(bench_now_ns() - start_ns) / 1e9;
    for (unsigned i = 0; i < run->conns; i++)
        conn_close(&conns[i]);
    close(client.epoll);
    free(conns);
    return result;
}
