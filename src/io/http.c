/* libcurl's multi socket interface on libev: curl says which sockets and how long, libev says when.
 * Called by provider and webhook code through http.h; runs on the loop's thread only.
 * What must stay true: scopes are told only from settle(), never from inside a curl callback. */
#include "io/http.h"

#include <curl/curl.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/check.h"

#define IDLE_SECONDS_MAX 60L /* a kept connection; servers commonly close theirs after 60 to 75 */

struct http {
    struct loop *loop;
    struct http_limits limits;
    CURLM *multi;
    ev_timer timer;
    struct list idle; /* exchanges with their easy handles, to be used again */
    uint32_t pending;
};

/* One request: in flight, or idle and kept for the next. */
struct exchange {
    struct op op;
    struct list node;
    struct http *http;
    CURL *easy;
    struct curl_slist *headers;
    struct buf body;
    bool too_large;
    unsigned sends;                 /* libcurl sends again what a kept connection did not answer */
    struct http_response *response; /* the waiter's; NULL once it is gone */
};

/* A socket curl wants to be told about. */
struct watch {
    ev_io io;
    struct http *http;
};

struct http_limits http_limits_default(void)
{
    return (struct http_limits){
        .requests_max = 1024,
        .connections_kept_max = 64,
        .connect_timeout_ms = 2000,
        .response_bytes_max = 1048576,
    };
}

static int error_of(CURLcode code, const struct exchange *x, bool sent)
{
    long os_errno = 0;
    switch (code) {
    case CURLE_OK:
        return 0;
    case CURLE_COULDNT_CONNECT:
        curl_easy_getinfo(x->easy, CURLINFO_OS_ERRNO, &os_errno);
        return os_errno > 0 ? (int)-os_errno : -ECONNREFUSED;
    case CURLE_COULDNT_RESOLVE_HOST:
        return -EHOSTUNREACH;
    case CURLE_OPERATION_TIMEDOUT:
        return -ETIMEDOUT;
    case CURLE_GOT_NOTHING:
    case CURLE_PARTIAL_FILE:
    case CURLE_SEND_ERROR:
    case CURLE_RECV_ERROR:
    case CURLE_SEND_FAIL_REWIND:
        return -ECONNRESET;
    case CURLE_WRITE_ERROR:
        return x->too_large ? -EMSGSIZE : -EBADMSG;
    case CURLE_WEIRD_SERVER_REPLY:
        return -EBADMSG;
    case CURLE_UNSUPPORTED_PROTOCOL: /* of our URL; or an answer that looks like HTTP/0.9 */
        return sent ? -EBADMSG : -EINVAL;
    case CURLE_URL_MALFORMAT:
        return -EINVAL;
    case CURLE_OUT_OF_MEMORY:
        return -ENOMEM;
    case CURLE_SSL_CONNECT_ERROR:
    case CURLE_PEER_FAILED_VERIFICATION:
        return -EPROTO;
    default:
        return -EIO;
    }
}

/* Out of curl's hands. The easy handle keeps its settings; the connection stays with the multi
 * handle. */
static void exchange_stop(struct exchange *x)
{
    struct http *http = x->http;
    CHECK(http->pending > 0);
    CHECK(curl_multi_remove_handle(http->multi, x->easy) == CURLM_OK);
    curl_slist_free_all(x->headers);
    x->headers = NULL;
    x->response = NULL;
    x->too_large = false;
    x->sends = 0;
    buf_consume(&x->body, buf_len(&x->body));
    http->pending--;
}

static void exchange_free(struct exchange *x)
{
    list_remove(&x->node);
    curl_easy_cleanup(x->easy);
    buf_deinit(&x->body);
    free(x);
}

static void on_detach(struct op *op)
{
    struct exchange *x = list_entry(op, struct exchange, op);
    exchange_stop(x);
    list_append(&x->http->idle, &x->node);
}

static void response_fill(struct exchange *x, CURLcode code)
{
    struct http_response *response = x->response;
    long bytes_sent = 0;
    long status = 0;
    curl_easy_getinfo(x->easy, CURLINFO_REQUEST_SIZE, &bytes_sent);
    *response = (struct http_response){.sent = bytes_sent > 0, .repeated = x->sends > 1};
    response->error = error_of(code, x, response->sent);
    if (response->error)
        return;
    curl_easy_getinfo(x->easy, CURLINFO_RESPONSE_CODE, &status);
    size_t n = buf_len(&x->body);
    char *copy = arena_try(x->op.scope->arena, n + 1);
    if (!copy) {
        response->error = -ENOMEM;
        return;
    }
    if (n > 0)
        memcpy(copy, x->body.p + x->body.start, n);
    response->status = (unsigned)status;
    response->body = (struct str){.p = copy, .n = n};
}

/* Tells every waiter whose request has ended. Telling runs steps, which may send more or detach
 * others. */
static void settle(struct http *http)
{
    int left = 0;
    CURLMsg *message;
    while ((message = curl_multi_info_read(http->multi, &left)) != NULL) {
        struct exchange *x = NULL;
        CURLcode code = message->data.result;
        CHECK(message->msg == CURLMSG_DONE);
        curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &x);
        CHECK(x && x->response);
        response_fill(x, code);
        exchange_stop(x);
        op_done(&x->op, NULL);
        list_append(&http->idle, &x->node);
    }
}

static void on_socket(struct ev_loop *ev, ev_io *io, int events)
{
    (void)ev;
    struct http *http = list_entry(io, struct watch, io)->http;
    int running = 0;
    int flags =
        (events & EV_READ ? CURL_CSELECT_IN : 0) | (events & EV_WRITE ? CURL_CSELECT_OUT : 0);
    /* The watch may be gone when this returns. */
    curl_multi_socket_action(http->multi, io->fd, flags, &running);
    settle(http);
}

static void on_timer(struct ev_loop *ev, ev_timer *timer, int events)
{
    (void)ev, (void)events;
    struct http *http = timer->data;
    int running = 0;
    curl_multi_socket_action(http->multi, CURL_SOCKET_TIMEOUT, 0, &running);
    settle(http);
}

/* CURLMOPT_SOCKETFUNCTION */
static int socket_wanted(CURL *easy, curl_socket_t fd, int what, void *cls, void *socket_cls)
{
    (void)easy;
    struct http *http = cls;
    struct watch *watch = socket_cls;
    if (watch)
        ev_io_stop(http->loop->ev, &watch->io);
    if (what == CURL_POLL_REMOVE) {
        free(watch);
        return 0;
    }
    if (!watch) {
        watch = calloc(1, sizeof(*watch));
        CHECK(watch);
        watch->http = http;
        curl_multi_assign(http->multi, fd, watch);
    }
    int events = (what & CURL_POLL_IN ? EV_READ : 0) | (what & CURL_POLL_OUT ? EV_WRITE : 0);
    ev_io_init(&watch->io, on_socket, fd, events);
    ev_io_start(http->loop->ev, &watch->io);
    return 0;
}

/* CURLMOPT_TIMERFUNCTION; 0 means soon, but not from within: curl may be in the middle of
 * something. */
static int timer_wanted(CURLM *multi, long timeout_ms, void *cls)
{
    (void)multi;
    struct http *http = cls;
    ev_timer_stop(http->loop->ev, &http->timer);
    if (timeout_ms < 0)
        return 0;
    ev_timer_set(&http->timer, (double)timeout_ms / 1000.0, 0.0);
    ev_timer_start(http->loop->ev, &http->timer);
    return 0;
}

/* CURLOPT_WRITEFUNCTION; taking less than offered ends the request. */
static size_t body_take(char *data, size_t size, size_t count, void *cls)
{
    struct exchange *x = cls;
    size_t bytes = size * count;
    x->too_large = bytes > x->http->limits.response_bytes_max - buf_len(&x->body);
    if (x->too_large)
        return 0;
    buf_append(&x->body, data, bytes);
    return bytes;
}

/* CURLOPT_PREREQFUNCTION: there is a connection, and the request goes out next. */
static int send_counted(void *cls, char *peer, char *local, int peer_port, int local_port)
{
    (void)peer, (void)local, (void)peer_port, (void)local_port;
    struct exchange *x = cls;
    x->sends++;
    return CURL_PREREQFUNC_OK;
}

/* What is the same for every request is set once, for the handle's life. */
static struct exchange *exchange_new(struct http *http)
{
    struct exchange *x = calloc(1, sizeof(*x));
    CHECK(x);
    x->http = http;
    list_init(&x->node);
    CURL *easy = x->easy = curl_easy_init();
    CHECK(easy);
    curl_easy_setopt(easy, CURLOPT_PRIVATE, x);
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, body_take);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, x);
    curl_easy_setopt(easy, CURLOPT_PREREQFUNCTION, send_counted);
    curl_easy_setopt(easy, CURLOPT_PREREQDATA, x);
    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(easy, CURLOPT_PROXY, "");
    curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L);
    curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, CURL_HTTP_VERSION_1_1);
    curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, (long)http->limits.connect_timeout_ms);
    curl_easy_setopt(easy, CURLOPT_MAXAGE_CONN, IDLE_SECONDS_MAX);
    /* Giving a request up must not wait for a resolver thread. */
    curl_easy_setopt(easy, CURLOPT_QUICK_EXIT, 1L);
    return x;
}

/* The headers as curl wants them; NULL where one would smuggle in another. */
static struct curl_slist *headers_copy(const struct http_request *request)
{
    /* No "100 Continue" round trip: bodies are small. */
    struct curl_slist *headers = curl_slist_append(NULL, "Expect:");
    CHECK(headers);
    for (size_t i = 0; i < request->headers_count; i++) {
        if (strpbrk(request->headers[i], "\r\n")) {
            curl_slist_free_all(headers);
            return NULL;
        }
        CHECK(curl_slist_append(headers, request->headers[i]));
    }
    return headers;
}

static void exchange_set(struct exchange *x, const struct http_request *request)
{
    CURL *easy = x->easy;
    curl_easy_setopt(easy, CURLOPT_URL, request->url);
    curl_easy_setopt(easy, CURLOPT_HTTPHEADER, x->headers);
    curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, (long)request->timeout_ms);
    curl_easy_setopt(easy, CURLOPT_FRESH_CONNECT, request->repeatable ? 0L : 1L);
    if (request->method == HTTP_GET) {
        curl_easy_setopt(easy, CURLOPT_HTTPGET, 1L);
        return;
    }
    curl_easy_setopt(easy, CURLOPT_POST, 1L);
    curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)request->body.n);
    curl_easy_setopt(easy, CURLOPT_COPYPOSTFIELDS, request->body.n > 0 ? request->body.p : "");
}

int http_new(struct http **ret_http, struct loop *loop, const struct http_limits *limits)
{
    CHECK(limits->requests_max > 0);
    CHECK(limits->response_bytes_max > 0);
    struct http *http = calloc(1, sizeof(*http));
    CHECK(http);
    http->loop = loop;
    http->limits = *limits;
    list_init(&http->idle);
    ev_timer_init(&http->timer, on_timer, 0.0, 0.0);
    http->timer.data = http;
    http->multi = curl_multi_init();
    if (!http->multi) {
        free(http);
        return -ENOMEM;
    }
    curl_multi_setopt(http->multi, CURLMOPT_SOCKETFUNCTION, socket_wanted);
    curl_multi_setopt(http->multi, CURLMOPT_SOCKETDATA, http);
    curl_multi_setopt(http->multi, CURLMOPT_TIMERFUNCTION, timer_wanted);
    curl_multi_setopt(http->multi, CURLMOPT_TIMERDATA, http);
    curl_multi_setopt(http->multi, CURLMOPT_MAXCONNECTS, (long)limits->connections_kept_max);
    *ret_http = http;
    return 0;
}

struct http *http_free(struct http *http)
{
    if (!http)
        return NULL;
    CHECK(http->pending == 0);
    list_for_each(node, &http->idle)
        exchange_free(list_entry(node, struct exchange, node));
    curl_multi_cleanup(http->multi);
    ev_timer_stop(http->loop->ev, &http->timer);
    free(http);
    return NULL;
}

int http_send(struct http *http, struct op_scope *scope, const struct http_request *request,
              struct http_response *ret_response)
{
    CHECK(request->url && ret_response);
    CHECK(request->timeout_ms > 0);
    CHECK(scope->arena);
    if (http->pending >= http->limits.requests_max)
        return -EAGAIN;
    struct curl_slist *headers = headers_copy(request);
    if (!headers)
        return -EINVAL;
    struct list *node = list_pop(&http->idle);
    struct exchange *x = node ? list_entry(node, struct exchange, node) : exchange_new(http);
    x->headers = headers;
    x->response = ret_response;
    exchange_set(x, request);
    http->pending++;
    op_start(&x->op, scope, on_detach);
    /* Nothing happens yet but a timer: curl starts when the loop gets to it. */
    CHECK(curl_multi_add_handle(http->multi, x->easy) == CURLM_OK);
    return 0;
}

uint32_t http_pending(const struct http *http)
{
    return http->pending;
}
