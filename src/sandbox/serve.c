/* HTTP for the simulator: libmicrohttpd driven from outside, one thread, no locks.
 * psp.c turns it; each complete request goes through psp_answer and back out, faults included.
 * What must stay true: a parked connection (slow, never) is on server.held and is resumed exactly
 * once. */
#include "sandbox/internal.h"

#include <arpa/inet.h>
#include <errno.h>
#include <microhttpd.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/check.h"
#include "base/str.h"

#define HELD_FOR_EVER INT64_MAX
#define NEVER_HOLDS_MS 600000 /* then even "never" hangs up: clients gave up long ago */
#define IDLE_S_MAX 120U

struct server {
    struct psp *psp;
    struct MHD_Daemon *daemon;
    struct list held;
    int64_t held_next_ms; /* no later than the first due time on held */
    bool stopping;
};

enum stage { STAGE_BODY, STAGE_HELD, STAGE_DUE };

/* One request on one connection. */
struct exchange {
    struct server *server;
    struct MHD_Connection *connection;
    struct list in_held;
    int64_t due_ms;
    enum stage stage;
    bool too_large;
    size_t body_bytes;
    char *body;
    struct answer answer;
};

static int64_t wall_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static void exchange_free(struct exchange *x)
{
    list_remove(&x->in_held);
    json_decref(x->answer.json);
    free(x->answer.text);
    free(x->body);
    free(x);
}

static void on_completed(void *cls, struct MHD_Connection *connection, void **state,
                         enum MHD_RequestTerminationCode code)
{
    (void)cls, (void)connection, (void)code;
    if (*state)
        exchange_free(*state);
    *state = NULL;
}

static enum MHD_Result on_query(void *cls, enum MHD_ValueKind kind, const char *name,
                                const char *value)
{
    (void)kind;
    struct form *query = cls;
    if (query->count == SANDBOX_FIELDS_MAX)
        return MHD_NO;
    /* The request only reads; both live as long as the connection's request. */
    query->fields[query->count++] = (struct form_field){
        .name = (char *)(uintptr_t)name,
        .value = (char *)(uintptr_t)(value ? value : ""),
    };
    return MHD_YES;
}

/* "Bearer KEY" against the one configured, or any test key. */
static bool authorized(const struct sandbox_options *options, const char *header)
{
    struct str s = str_of(header);
    if (!str_skip(&s, STR("Bearer ")))
        return false;
    if (options->api_key)
        return str_eq_secret(s, str_of(options->api_key));
    return str_starts(s, STR("sk_test_")) && s.n > strlen("sk_test_");
}

static const char *header_of(struct exchange *x, const char *name)
{
    return MHD_lookup_connection_value(x->connection, MHD_HEADER_KIND, name);
}

/* The answer, from a complete request. */
static void execute(struct exchange *x, const char *url, const char *method)
{
    struct psp *psp = x->server->psp;
    struct request request = {
        .psp = psp,
        .now_ms = wall_ms(),
        .method = method,
        .idempotency_key = header_of(x, "Idempotency-Key"),
    };
    if (!authorized(psp->options, header_of(x, "Authorization"))) {
        answer_error(&x->answer, 401, "invalid_request_error", NULL, NULL,
                     "Invalid API Key provided.");
        return;
    }
    if (x->too_large) {
        answer_error(&x->answer, 413, "invalid_request_error", NULL, NULL,
                     "The request is too large.");
        return;
    }
    MHD_get_connection_values(x->connection, MHD_GET_ARGUMENT_KIND, on_query, &request.query);
    /* A NUL would end the text early and hide what follows. */
    bool bad =
        x->body && (memchr(x->body, 0, x->body_bytes) || form_parse(&request.body, x->body) < 0);
    for (size_t i = 0; i < request.query.count; i++)
        bad = bad || !str_is_utf8(str_of(request.query.fields[i].value));
    bad = bad || (request.idempotency_key && !str_is_utf8(str_of(request.idempotency_key)));
    if (bad || strlen(url) >= sizeof(request.path) || !str_is_utf8(str_of(url))) {
        answer_error(&x->answer, 400, "invalid_request_error", "parameter_invalid", NULL,
                     "The request is not a well-formed form.");
        return;
    }
    strncpy(request.path, url, sizeof(request.path) - 1);
    psp_answer(psp, &request, &x->answer);
}

static void header_add(struct MHD_Response *response, const char *name, const char *value)
{
    if (MHD_add_response_header(response, name, value) != MHD_YES)
        fprintf(stderr, "sandbox-psp: header %s refused\n", name);
}

/* Two whole responses to one request: Content-Length covers the first, the second is surplus. */
static struct MHD_Response *twice(const char *body)
{
    char *both = NULL;
    char length[24];
    int n = asprintf(&both,
                     "%sHTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
                     "Content-Length: %zu\r\n\r\n%s",
                     body, strlen(body), body);
    CHECK(n > 0);
    struct MHD_Response *response =
        MHD_create_response_from_buffer((size_t)n, both, MHD_RESPMEM_MUST_FREE);
    CHECK(response);
    MHD_set_response_options(response, MHD_RF_INSANITY_HEADER_CONTENT_LENGTH, MHD_RO_END);
    snprintf(length, sizeof(length), "%zu", strlen(body));
    header_add(response, MHD_HTTP_HEADER_CONTENT_LENGTH, length);
    return response;
}

static struct MHD_Response *render(struct exchange *x)
{
    enum fault fault = x->answer.fault;
    char *body = NULL;
    if (fault == FAULT_GARBAGE) {
        body = strdup("{\"id\": \"pi_\", \"status\": succ\x01<html>");
    } else if (fault == FAULT_CHARGED_THEN_500) {
        body = strdup("<html><body>502 Bad Gateway</body></html>");
    } else if (x->answer.text) {
        body = x->answer.text;
        x->answer.text = NULL;
    } else {
        body = json_dumps(x->answer.json, JSON_COMPACT);
    }
    CHECK(body);
    struct MHD_Response *response;
    if (fault == FAULT_TWICE) {
        response = twice(body);
        free(body);
    } else {
        response = MHD_create_response_from_buffer(strlen(body), body, MHD_RESPMEM_MUST_FREE);
        CHECK(response);
    }
    header_add(response, MHD_HTTP_HEADER_CONTENT_TYPE,
               fault == FAULT_CHARGED_THEN_500 ? "text/html" : "application/json");
    if (x->answer.replayed)
        header_add(response, "Idempotent-Replayed", "true");
    return response;
}

static enum MHD_Result send_answer(struct exchange *x)
{
    unsigned status = x->answer.fault == FAULT_CHARGED_THEN_500 ? 502 : x->answer.status;
    struct MHD_Response *response = render(x);
    enum MHD_Result r = MHD_queue_response(x->connection, status, response);
    MHD_destroy_response(response);
    return r;
}

/* Parks the connection until @due_ms. */
static enum MHD_Result hold(struct exchange *x, int64_t due_ms)
{
    struct server *server = x->server;
    x->stage = STAGE_HELD;
    x->due_ms = due_ms;
    list_append(&server->held, &x->in_held);
    if (due_ms < server->held_next_ms)
        server->held_next_ms = due_ms;
    MHD_suspend_connection(x->connection);
    return MHD_YES;
}

static enum MHD_Result deliver(struct exchange *x)
{
    enum fault fault = x->answer.fault;
    if (fault == FAULT_DROP || fault == FAULT_CHARGED_THEN_DROP ||
        fault == FAULT_CHARGED_THEN_REFUSED)
        return MHD_NO;
    if (fault_is_silent(fault))
        return hold(x, wall_ms() + NEVER_HOLDS_MS);
    if (fault == FAULT_SLOW && x->answer.delay_ms > 0)
        return hold(x, wall_ms() + x->answer.delay_ms);
    return send_answer(x);
}

static void body_append(struct exchange *x, const char *data, size_t bytes)
{
    size_t max = x->server->psp->options->body_bytes_max;
    if (x->too_large || bytes > max - x->body_bytes) {
        x->too_large = true; /* the rest is read and dropped, then answered 413 */
        return;
    }
    char *body = realloc(x->body, x->body_bytes + bytes + 1);
    CHECK(body);
    memcpy(body + x->body_bytes, data, bytes);
    x->body = body;
    x->body_bytes += bytes;
    body[x->body_bytes] = '\0';
}

/* libmicrohttpd calls it with the headers, with each piece of body, at the end, and after a resume.
 */
static enum MHD_Result on_request(void *cls, struct MHD_Connection *connection, const char *url,
                                  const char *method, const char *version, const char *data,
                                  size_t *data_bytes, void **state)
{
    (void)version;
    struct exchange *x = *state;
    if (!x) {
        x = calloc(1, sizeof(*x));
        CHECK(x);
        x->server = cls;
        x->connection = connection;
        list_init(&x->in_held);
        *state = x;
        return MHD_YES;
    }
    if (*data_bytes > 0) {
        body_append(x, data, *data_bytes);
        *data_bytes = 0;
        return MHD_YES;
    }
    if (x->stage == STAGE_BODY) {
        execute(x, url, method);
        return deliver(x);
    }
    CHECK(x->stage == STAGE_DUE);
    if (x->server->stopping || fault_is_silent(x->answer.fault))
        return MHD_NO;
    return send_answer(x);
}

static int address_of(const struct sandbox_options *options, struct sockaddr_storage *ret)
{
    memset(ret, 0, sizeof(*ret));
    struct sockaddr_in *in = (struct sockaddr_in *)ret;
    struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)ret;
    if (inet_pton(AF_INET, options->host, &in->sin_addr) == 1) {
        in->sin_family = AF_INET;
        in->sin_port = htons(options->port);
        return 0;
    }
    if (inet_pton(AF_INET6, options->host, &in6->sin6_addr) != 1)
        return -EINVAL;
    in6->sin6_family = AF_INET6;
    in6->sin6_port = htons(options->port);
    return 0;
}

int sandbox_server_new(struct server **ret_server, struct psp *psp)
{
    const struct sandbox_options *options = psp->options;
    struct sockaddr_storage address;
    int r = address_of(options, &address);
    if (r < 0)
        return r;
    struct server *server = calloc(1, sizeof(*server));
    CHECK(server);
    server->psp = psp;
    list_init(&server->held);
    server->held_next_ms = HELD_FOR_EVER;
    unsigned flags = MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME;
    if (address.ss_family == AF_INET6)
        flags |= MHD_USE_IPv6;
    errno = 0;
    server->daemon = MHD_start_daemon(
        flags, options->port, NULL, NULL, on_request, server, MHD_OPTION_SOCK_ADDR, &address,
        MHD_OPTION_NOTIFY_COMPLETED, on_completed, NULL, MHD_OPTION_CONNECTION_LIMIT,
        (unsigned)options->connections_max, MHD_OPTION_CONNECTION_TIMEOUT, IDLE_S_MAX,
        MHD_OPTION_LISTENING_ADDRESS_REUSE, 1U, MHD_OPTION_END);
    if (!server->daemon) {
        r = errno ? -errno : -EADDRINUSE;
        free(server);
        return r;
    }
    *ret_server = server;
    return 0;
}

static void release(struct server *server, int64_t now_ms)
{
    int64_t next_ms = HELD_FOR_EVER;
    list_for_each(node, &server->held) {
        struct exchange *x = list_entry(node, struct exchange, in_held);
        if (x->due_ms > now_ms) {
            next_ms = x->due_ms < next_ms ? x->due_ms : next_ms;
            continue;
        }
        list_remove(node);
        x->stage = STAGE_DUE;
        MHD_resume_connection(x->connection);
    }
    server->held_next_ms = next_ms;
}

struct server *sandbox_server_free(struct server *server)
{
    if (!server)
        return NULL;
    /* libmicrohttpd will not stop over suspended connections: all are resumed, to be closed. */
    server->stopping = true;
    release(server, INT64_MAX);
    MHD_run(server->daemon);
    MHD_stop_daemon(server->daemon);
    CHECK(list_is_empty(&server->held));
    free(server);
    return NULL;
}

int sandbox_server_fd(const struct server *server)
{
    return MHD_get_daemon_info(server->daemon, MHD_DAEMON_INFO_EPOLL_FD)->epoll_fd;
}

uint16_t sandbox_server_port(const struct server *server)
{
    return MHD_get_daemon_info(server->daemon, MHD_DAEMON_INFO_BIND_PORT)->port;
}

int sandbox_server_timeout_ms(struct server *server, int64_t now_ms)
{
    MHD_UNSIGNED_LONG_LONG wanted_ms = 0;
    int64_t timeout_ms = HELD_FOR_EVER;
    if (MHD_get_timeout(server->daemon, &wanted_ms) == MHD_YES)
        timeout_ms = wanted_ms > 60000 ? 60000 : (int64_t)wanted_ms;
    if (server->held_next_ms != HELD_FOR_EVER) {
        int64_t held_ms = server->held_next_ms > now_ms ? server->held_next_ms - now_ms : 0;
        timeout_ms = held_ms < timeout_ms ? held_ms : timeout_ms;
    }
    if (timeout_ms == HELD_FOR_EVER)
        return -1;
    return timeout_ms > 60000 ? 60000 : (int)timeout_ms;
}

void sandbox_server_turn(struct server *server, int64_t now_ms)
{
    if (now_ms >= server->held_next_ms)
        release(server, now_ms);
    MHD_run(server->daemon);
}
