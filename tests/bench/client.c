/* The load driver's connections over cleartext HTTP/2 (nghttp2, epoll). load.c calls it.
 *
 *   closed loop  a call that ends begins the next one: the number in flight is constant
 *   open loop    call number n begins n / rate after the start, whatever became of the others
 *
 * What must stay true: an open loop's latency counts from when the call was due, also where the
 * call had to wait for a stream or for this process. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
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
#define WAIT_NS_MIN 200000
#define WAIT_NS_MAX 10000000
#define OUT_BYTES_MAX 65536
#define STREAMS_MAX 100 /* of an open loop, on each connection */

enum { UNKNOWN = 2, DEADLINE_EXCEEDED = 4, UNAVAILABLE = 14 };

struct client {
    struct bench_run *run;
    struct conn *conns;
    int epoll;
    int64_t start_ns, count_ns, end_ns; /* what ends before count_ns was the warm-up */
    unsigned live;
    unsigned next; /* the connection whose turn it is */
    bool broken;
    /* an open loop */
    struct list waiting;  /* in flight, the oldest first */
    struct list given_up; /* what the server may still answer */
    uint64_t due;         /* calls that were due so far */
};

struct conn {
    struct client *client;
    int fd;
    unsigned live;
    bool wants_write, has_news;
    nghttp2_session *session;
    uint8_t *out;
    size_t out_bytes, out_bytes_max;
};

static void flush(struct conn *conn);

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

static bool is_over(const struct client *client)
{
    return client->end_ns > 0 ? bench_now_ns() >= client->end_ns
                              : client->run->result.started >= client->run->calls_max;
}

/* @start_ns: from when on its time counts. */
static void start(struct conn *conn, struct bench_call *call, int64_t start_ns)
{
    struct client *client = conn->client;
    struct bench_run *run = client->run;
    if (is_over(client) || !bench_request(call, run->world, run->op)) {
        call_free(call);
        return;
    }
    char authorization[1200], timeout[16];
    int n =
        call->token ? snprintf(authorization, sizeof authorization, "Bearer %s", call->token) : 0;
    int64_t left_us = (start_ns + run->deadline_ms * INT64_C(1000000) - bench_now_ns()) / 1000;
    int timeout_bytes =
        snprintf(timeout, sizeof timeout, "%" PRId64 "u", left_us < 1 ? 1 : left_us);
    nghttp2_nv fields[9] = {
        field(":method", "POST", 4),
        field(":scheme", "http", 4),
        field(":path", call->path, strlen(call->path)),
        field(":authority", run->authority, strlen(run->authority)),
        field("te", "trailers", 8),
        field("content-type", "application/grpc", 16),
    };
    size_t count = 6;
    if (run->deadline_ms > 0)
        fields[count++] = field("grpc-timeout", timeout, (size_t)timeout_bytes);
    if (n > 0)
        fields[count++] = field("authorization", authorization, (size_t)n);
    nghttp2_data_provider body = {.source.ptr = call, .read_callback = read_body};
    call->start_ns = start_ns;
    call->conn = conn;
    call->stream_id = nghttp2_submit_request(conn->session, NULL, fields, count, &body, call);
    if (call->stream_id < 0) {
        client->broken = true; /* no stream ids left, or no memory */
        call_free(call);
        return;
    }
    conn->has_news = true;
    run->result.started++;
    conn->live++;
    client->live++;
    list_append(&client->waiting, &call->node);
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

static void record(struct client *client, const struct bench_call *call, int status)
{
    struct bench_run *run = client->run;
    int64_t now_ns = bench_now_ns();
    if (now_ns < client->count_ns)
        return;
    run->result.status[status]++;
    run->result.reply_bytes += call->reply_bytes;
    if (status != 0)
        return;
    struct bench_latencies *l = &run->result.latencies[call->op];
    l->us = bench_grow(l->us, l->count + 1, &l->count_max, sizeof *l->us);
    l->us[l->count++] = (uint32_t)((now_ns - call->start_ns) / 1000);
}

/* In the closed loop over all connections the next in turn takes over. */
static void start_next(struct conn *conn, struct bench_call *call)
{
    struct client *client = conn->client;
    struct conn *next =
        client->run->in_flight > 0 ? &client->conns[client->next++ % client->run->conns] : conn;
    start(next, call, bench_now_ns());
    if (next != conn) /* whose turn to be flushed comes when it has been read */
        flush(next);
}

static int on_close(nghttp2_session *session, int32_t id, uint32_t error, void *ctx)
{
    (void)error;
    struct conn *conn = ctx;
    struct client *client = conn->client;
    struct bench_call *call = nghttp2_session_get_stream_user_data(session, id);
    if (!call)
        return 0;
    int status = call->http_status == 200 && call->grpc_status >= 0 && call->grpc_status <= 16
                     ? call->grpc_status
                     : UNKNOWN;
    list_remove(&call->node);
    conn->live--;
    client->live--;
    if (!call->gave_up)
        record(client, call, status);
    if (status == 0)
        bench_answer(call, client->run->world, &client->run->result);
    else if (status == UNAVAILABLE)
        bench_refused(call, client->run->world);
    if (client->run->rate > 0)
        call_free(call);
    else
        start_next(conn, call);
    return 0;
}

static void flush(struct conn *conn)
{
    struct client *client = conn->client;
    conn->has_news = false;
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

static int broken(const struct client *client)
{
    if (client->broken)
        fprintf(stderr, "load: the server closed the connection\n");
    return client->broken ? -1 : 0;
}

/* ---- an open loop -----------------------------------------------------------------------------
 */

static int64_t due_ns(const struct client *client)
{
    return client->start_ns + (int64_t)((double)client->due * 1e9 / client->run->rate);
}

/* When a call that was due at @ns is given up. */
static int64_t patience_ns(const struct client *client, int64_t ns)
{
    return client->run->deadline_ms > 0 ? ns + client->run->deadline_ms * INT64_C(1000000)
                                        : INT64_MAX;
}

static struct conn *conn_with_room(struct client *client)
{
    for (unsigned i = 0; i < client->run->conns; i++) {
        struct conn *conn = &client->conns[client->next++ % client->run->conns];
        if (conn->live < STREAMS_MAX)
            return conn;
    }
    return NULL;
}

/* Begins what is due. What finds no stream stays due, and counts as given up when its time is over.
 */
static void arrive(struct client *client, int64_t now_ns)
{
    static const struct bench_call unsent;
    for (int64_t at; (at = due_ns(client)) <= now_ns && at < client->end_ns; client->due++) {
        if (patience_ns(client, at) <= now_ns) {
            record(client, &unsent, DEADLINE_EXCEEDED);
            continue;
        }
        struct conn *conn = conn_with_room(client);
        if (!conn)
            return;
        start(conn, calloc(1, sizeof(struct bench_call)), at);
    }
}

static void give_up(struct client *client, int64_t now_ns)
{
    list_for_each(node, &client->waiting) {
        struct bench_call *call = list_entry(node, struct bench_call, node);
        if (patience_ns(client, call->start_ns) > now_ns)
            break;
        call->gave_up = true;
        list_remove(node);
        list_append(&client->given_up, node);
        record(client, call, DEADLINE_EXCEEDED);
        nghttp2_submit_rst_stream(call->conn->session, NGHTTP2_FLAG_NONE, call->stream_id,
                                  NGHTTP2_CANCEL);
        call->conn->has_news = true;
    }
}

static int loop_open(struct client *client)
{
    struct epoll_event events[64];
    int64_t now_ns;
    while ((now_ns = bench_now_ns()) < client->end_ns && !client->broken) {
        arrive(client, now_ns);
        give_up(client, now_ns);
        for (unsigned i = 0; i < client->run->conns; i++)
            if (client->conns[i].has_news)
                flush(&client->conns[i]);
        int64_t wait_ns = due_ns(client) - bench_now_ns();
        if (wait_ns > WAIT_NS_MAX)
            wait_ns = WAIT_NS_MAX;
        /* What is due and finds no stream waits for an answer. */
        struct timespec wait = {.tv_nsec = wait_ns > 0 ? wait_ns : WAIT_NS_MIN};
        int n = epoll_pwait2(client->epoll, events, 64, &wait, NULL);
        for (int i = 0; i < n; i++) {
            on_readable(events[i].data.ptr);
            flush(events[i].data.ptr);
        }
    }
    while (due_ns(client) < client->end_ns) {
        client->due++;
        client->run->result.unfinished++;
    }
    client->run->result.unfinished += client->live;
    return broken(client);
}

/* ---- runs -------------------------------------------------------------------------------------
 */

static int loop_closed(struct client *client)
{
    struct epoll_event events[64];
    unsigned each = client->run->in_flight > 0 ? client->run->in_flight
                                               : client->run->conns * client->run->streams;
    for (unsigned i = 0; i < each; i++)
        start(&client->conns[client->next++ % client->run->conns],
              calloc(1, sizeof(struct bench_call)), bench_now_ns());
    for (unsigned i = 0; i < client->run->conns; i++)
        flush(&client->conns[i]);
    while (client->live > 0 && !client->broken) {
        int n = epoll_wait(client->epoll, events, 64, STALL_MS);
        if (n == 0) {
            fprintf(stderr, "load: nothing came back for %d s, %u calls wait\n", STALL_MS / 1000,
                    client->live);
            return -1;
        }
        for (int i = 0; i < n; i++) {
            on_readable(events[i].data.ptr);
            flush(events[i].data.ptr);
        }
    }
    return broken(client);
}

static void free_calls(struct list *calls)
{
    for (struct list *node; (node = list_first(calls)) != NULL;) {
        list_remove(node);
        call_free(list_entry(node, struct bench_call, node));
    }
}

int bench_client_run(struct bench_run *run)
{
    struct client client = {.run = run, .epoll = epoll_create1(EPOLL_CLOEXEC)};
    int result = 0;
    client.conns = calloc(run->conns, sizeof *client.conns);
    list_init(&client.waiting);
    list_init(&client.given_up);
    for (unsigned i = 0; i < run->conns && result == 0; i++)
        result = conn_open(&client.conns[i], &client);
    client.start_ns = bench_now_ns();
    client.count_ns = client.start_ns + (int64_t)(run->warm_seconds * 1e9);
    client.end_ns = run->seconds > 0 ? client.count_ns + (int64_t)(run->seconds * 1e9) : 0;
    if (result == 0)
        result = run->rate > 0 ? loop_open(&client) : loop_closed(&client);
    run->result.seconds = (double)(bench_now_ns() - client.count_ns) / 1e9;
    for (unsigned i = 0; i < run->conns; i++)
        conn_close(&client.conns[i]);
    free_calls(&client.waiting);
    free_calls(&client.given_up);
    close(client.epoll);
    free(client.conns);
    return result;
}
