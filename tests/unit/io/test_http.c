/* The HTTP client against a server that follows orders: the path of a request says how it is
 * treated. What must stay true: every test ends with no request in flight and no chunk out of the
 * arena pool. */
#include "io/http.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "support/test.h"
#include "unit/io/http_server.h"

struct fixture {
    struct http_server server;
    struct loop loop;
    struct http *http;
    struct arena arena;
    struct op_scope scope;
    ev_timer guard;
    bool guarded;             /* the guard struck: something never ended */
    struct http_request next; /* sent from on_progress, when there is a url */
    struct http_response next_response;
};

static struct fixture *f;

static void on_progress(struct op_scope *scope)
{
    if (f->next.url) {
        struct http_request next = f->next;
        f->next.url = NULL;
        if (http_send(f->http, scope, &next, &f->next_response) == 0)
            return;
    }
    loop_stop(&f->loop);
}

static void on_guard(struct ev_loop *ev, ev_timer *timer, int events)
{
    (void)ev, (void)timer, (void)events;
    f->guarded = true;
    loop_stop(&f->loop);
}

static void guard(double seconds)
{
    ev_timer_stop(f->loop.ev, &f->guard);
    ev_timer_init(&f->guard, on_guard, seconds, 0.0);
    ev_timer_start(f->loop.ev, &f->guard);
    f->guarded = false;
}

static void setup(const struct http_limits *limits)
{
    f = calloc(1, sizeof(*f));
    http_server_start(&f->server);
    ASSERT_INT_EQ(loop_init(&f->loop, &clock_system), 0);
    ASSERT_INT_EQ(http_new(&f->http, &f->loop, limits), 0);
    arena_init(&f->arena, &f->loop.arenas, 1 << 20);
    op_scope_init(&f->scope, &f->arena, on_progress);
}

static void teardown(void)
{
    ASSERT_INT_EQ(f->scope.pending, 0);
    ASSERT_INT_EQ(http_pending(f->http), 0);
    f->http = http_free(f->http);
    ev_timer_stop(f->loop.ev, &f->guard);
    arena_reset(&f->arena);
    ASSERT_INT_EQ(f->loop.arenas.live_chunks, 0);
    loop_deinit(&f->loop);
    http_server_stop(&f->server);
    ASSERT_INT_EQ(f->server.open, 0);
    free(f);
    f = NULL;
}

static const char *url(const char *path)
{
    static char text[8][96];
    static unsigned at;
    char *here = text[at++ % 8];
    snprintf(here, sizeof(text[0]), "http://127.0.0.1:%u%s", f->server.port, path);
    return here;
}

static struct http_request get(const char *path)
{
    return (struct http_request){
        .method = HTTP_GET, .url = url(path), .timeout_ms = 3000, .repeatable = true};
}

static struct http_request post(const char *path, const char *body)
{
    return (struct http_request){.method = HTTP_POST,
                                 .url = url(path),
                                 .body = str_of(body),
                                 .timeout_ms = 3000,
                                 .repeatable = true};
}

/* Sends and waits for the end of everything the scope has open. */
static struct http_response answer_to(struct http_request request)
{
    struct http_response response = {.error = 1};
    ASSERT_INT_EQ(http_send(f->http, &f->scope, &request, &response), 0);
    ASSERT_INT_EQ(response.error, 1); /* never before the loop runs */
    guard(5);
    loop_run(&f->loop);
    ASSERT_FALSE(f->guarded);
    return response;
}

static struct http_limits limits(void)
{
    return http_limits_default();
}

TEST(http, brings_status_and_body)
{
    struct http_limits l = limits();
    setup(&l);
    struct http_response r = answer_to(post("/echo", "amount=4500&currency=eur"));
    ASSERT_INT_EQ(r.error, 0);
    ASSERT_TRUE(r.sent);
    ASSERT_INT_EQ(r.status, 200);
    ASSERT_VIEW_EQ(r.body, "amount=4500&currency=eur");
    ASSERT_INT_EQ(r.body.p[r.body.n], 0);
    r = answer_to(get("/teapot"));
    ASSERT_INT_EQ(r.error, 0);
    ASSERT_INT_EQ(r.status, 418);
    ASSERT_VIEW_EQ(r.body, "short");
    r = answer_to(post("/echo", ""));
    ASSERT_INT_EQ(r.status, 200);
    ASSERT_INT_EQ(r.body.n, 0);
    teardown();
}

TEST(http, sends_headers_and_refuses_smuggled_ones)
{
    struct http_limits l = limits();
    setup(&l);
    const char *headers[] = {"Authorization: Bearer sk_test_x", "Idempotency-Key: 17"};
    struct http_request request = post("/head", "a=b");
    request.headers = headers;
    request.headers_count = 2;
    struct http_response r = answer_to(request);
    ASSERT_HAS(r.body.p, "Authorization: Bearer sk_test_x\r\n");
    ASSERT_HAS(r.body.p, "Idempotency-Key: 17\r\n");
    ASSERT_NULL(strstr(r.body.p, "Expect"));
    /* The next request of the same handle carries nothing over. */
    r = answer_to(get("/head"));
    ASSERT_NULL(strstr(r.body.p, "Authorization"));
    ASSERT_NULL(strstr(r.body.p, "Content-Length"));
    headers[1] = "X: y\r\nIdempotency-Key: 18";
    request.url = url("/head");
    ASSERT_INT_EQ(http_send(f->http, &f->scope, &request, &r), -EINVAL);
    ASSERT_INT_EQ(http_pending(f->http), 0);
    teardown();
}

TEST(http, uses_one_connection_for_one_request_after_another)
{
    struct http_limits l = limits();
    setup(&l);
    for (int i = 0; i < 20; i++)
        ASSERT_INT_EQ(answer_to(post("/echo", "x")).status, 200);
    ASSERT_INT_EQ(f->server.connections, 1);
    ASSERT_INT_EQ(f->server.requests, 20);
    teardown();
}

TEST(http, a_refused_connection_sent_nothing)
{
    struct http_limits l = limits();
    setup(&l);
    unsigned port = 0;
    char nobody[64];
    close(http_server_listen(&port));
    snprintf(nobody, sizeof(nobody), "http://127.0.0.1:%u/", port);
    struct http_request request = post("/", "x");
    request.url = nobody;
    struct http_response r = answer_to(request);
    ASSERT_INT_EQ(r.error, -ECONNREFUSED);
    ASSERT_FALSE(r.sent);
    ASSERT_INT_EQ(r.status, 0);
    request.url = "http://127.0.0.1:1:2/";
    ASSERT_INT_EQ(answer_to(request).error, -EINVAL);
    request.url = "file:///etc/passwd";
    r = answer_to(request);
    ASSERT_INT_EQ(r.error, -EINVAL);
    ASSERT_FALSE(r.sent);
    teardown();
}

TEST(http, a_connection_that_is_never_accepted_times_out_unsent)
{
    struct http_limits l = limits();
    setup(&l);
    /* A listener with no room left in its queue drops what knocks. */
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t n = sizeof(in);
    int full = socket(AF_INET, SOCK_STREAM, 0);
    ASSERT_INT_EQ(bind(full, (struct sockaddr *)&in, n), 0);
    ASSERT_INT_EQ(listen(full, 0), 0);
    ASSERT_INT_EQ(getsockname(full, (struct sockaddr *)&in, &n), 0);
    int fill[4];
    for (int i = 0; i < 4; i++) {
        fill[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
        (void)connect(fill[i], (struct sockaddr *)&in, n);
    }
    char text[64];
    snprintf(text, sizeof(text), "http://127.0.0.1:%u/", ntohs(in.sin_port));
    struct http_request request = post("/", "x");
    request.url = text;
    request.timeout_ms = 200;
    struct http_response r = answer_to(request);
    ASSERT_INT_EQ(r.error, -ETIMEDOUT);
    ASSERT_FALSE(r.sent);
    for (int i = 0; i < 4; i++)
        close(fill[i]);
    close(full);
    teardown();
}

TEST(http, no_answer_in_time_may_have_been_received)
{
    struct http_limits l = limits();
    setup(&l);
    struct http_request request = post("/never", "x");
    request.timeout_ms = 150;
    int64_t before_ns = clock_mono_ns(&clock_system);
    struct http_response r = answer_to(request);
    ASSERT_INT_EQ(r.error, -ETIMEDOUT);
    ASSERT_TRUE(r.sent);
    ASSERT_INT_IN((clock_mono_ns(&clock_system) - before_ns) / NS_PER_MS, 140, 2000);
    teardown();
}

TEST(http, broken_answers_are_errors_not_answers)
{
    struct http_limits l = limits();
    setup(&l);
    struct http_response r = answer_to(post("/drop", "x"));
    ASSERT_INT_EQ(r.error, -ECONNRESET);
    ASSERT_TRUE(r.sent);
    r = answer_to(post("/half", "x"));
    ASSERT_INT_EQ(r.error, -ECONNRESET);
    ASSERT_INT_EQ(r.status, 0);
    ASSERT_TRUE(r.sent);
    r = answer_to(post("/garbage", "x"));
    ASSERT_INT_EQ(r.error, -EBADMSG);
    ASSERT_TRUE(r.sent);
    teardown();
}

TEST(http, caps_the_body)
{
    struct http_limits l = limits();
    l.response_bytes_max = 4999;
    setup(&l);
    struct http_response r = answer_to(get("/big"));
    ASSERT_INT_EQ(r.error, -EMSGSIZE);
    ASSERT_TRUE(r.sent);
    ASSERT_INT_EQ(r.body.n, 0);
    ASSERT_INT_EQ(answer_to(get("/teapot")).status, 418);
    teardown();
    l.response_bytes_max = 5000;
    setup(&l);
    r = answer_to(get("/big"));
    ASSERT_INT_EQ(r.error, 0);
    ASSERT_INT_EQ(r.body.n, 5000);
    teardown();
}

TEST(http, an_answer_too_large_for_the_arena_is_an_error)
{
    struct http_limits l = limits();
    setup(&l);
    arena_reset(&f->arena);
    arena_init(&f->arena, &f->loop.arenas, 1000);
    struct http_response r = answer_to(get("/big"));
    ASSERT_INT_EQ(r.error, -ENOMEM);
    ASSERT_TRUE(r.sent);
    teardown();
}

TEST(http, does_not_follow_redirects)
{
    struct http_limits l = limits();
    setup(&l);
    struct http_response r = answer_to(get("/redirect"));
    ASSERT_INT_EQ(r.error, 0);
    ASSERT_INT_EQ(r.status, 302);
    ASSERT_INT_EQ(f->server.requests, 1);
    teardown();
}

TEST(http, asks_no_proxy)
{
    struct http_limits l = limits();
    setenv("http_proxy", "http://127.0.0.1:1", 1);
    setup(&l);
    ASSERT_INT_EQ(answer_to(get("/teapot")).status, 418);
    unsetenv("http_proxy");
    teardown();
}

TEST(http, takes_the_first_of_two_answers_and_none_of_the_second)
{
    struct http_limits l = limits();
    setup(&l);
    struct http_response r = answer_to(post("/twice", "x"));
    ASSERT_VIEW_EQ(r.body, "one");
    r = answer_to(post("/echo", "three"));
    ASSERT_VIEW_EQ(r.body, "three");
    teardown();
}

TEST(http, refuses_at_the_limit_and_accepts_again_after_it)
{
    struct http_limits l = limits();
    l.requests_max = 2;
    setup(&l);
    struct http_request request = post("/echo", "x");
    struct http_response r[3];
    ASSERT_INT_EQ(http_send(f->http, &f->scope, &request, &r[0]), 0);
    ASSERT_INT_EQ(http_send(f->http, &f->scope, &request, &r[1]), 0);
    ASSERT_INT_EQ(http_send(f->http, &f->scope, &request, &r[2]), -EAGAIN);
    ASSERT_INT_EQ(f->scope.pending, 2);
    guard(5);
    loop_run(&f->loop);
    ASSERT_INT_EQ(r[0].status, 200);
    ASSERT_INT_EQ(r[1].status, 200);
    ASSERT_INT_EQ(answer_to(request).status, 200);
    teardown();
}

TEST(http, the_step_after_an_answer_may_send_at_once)
{
    struct http_limits l = limits();
    l.requests_max = 1;
    setup(&l);
    f->next = post("/echo", "second");
    ASSERT_VIEW_EQ(answer_to(post("/echo", "first")).body, "first");
    ASSERT_VIEW_EQ(f->next_response.body, "second");
    teardown();
}

TEST(http, a_detached_request_touches_nothing_of_its_waiter)
{
    struct http_limits l = limits();
    setup(&l);
    struct http_request never = post("/never", "x");
    struct http_request echo = post("/echo", "x");
    struct http_response *gone = malloc(2 * sizeof(*gone));
    ASSERT_INT_EQ(http_send(f->http, &f->scope, &never, &gone[0]), 0);
    guard(0.1);
    loop_run(&f->loop); /* on its way by now */
    ASSERT_INT_EQ(f->server.requests, 1);
    ASSERT_INT_EQ(http_send(f->http, &f->scope, &echo, &gone[1]), 0);
    op_scope_detach_all(&f->scope);
    free(gone);
    arena_reset(&f->arena);
    ASSERT_INT_EQ(http_pending(f->http), 0);
    guard(0.1);
    loop_run(&f->loop);
    ASSERT_INT_EQ(f->server.requests, 1); /* the second never left */
    ASSERT_INT_EQ(answer_to(echo).status, 200);
    teardown();
}

/* Two scopes: the first to be told ends the other, whose answer may have arrived in the same turn.
 */
static struct op_scope other;

static void on_progress_detach_other(struct op_scope *scope)
{
    (void)scope;
    op_scope_detach_all(scope == &other ? &f->scope : &other);
    loop_stop(&f->loop);
}

TEST(http, a_waiter_may_detach_another_when_it_is_told)
{
    struct http_limits l = limits();
    setup(&l);
    struct arena arena;
    arena_init(&arena, &f->loop.arenas, 65536);
    for (int i = 0; i < 50; i++) {
        struct http_request request = post("/echo", "x");
        struct http_response r[2];
        op_scope_init(&f->scope, &f->arena, on_progress_detach_other);
        op_scope_init(&other, &arena, on_progress_detach_other);
        ASSERT_INT_EQ(http_send(f->http, &f->scope, &request, &r[0]), 0);
        ASSERT_INT_EQ(http_send(f->http, &other, &request, &r[1]), 0);
        /* Let both answers arrive before anybody looks. */
        ev_run(f->loop.ev, EVRUN_NOWAIT);
        ev_run(f->loop.ev, EVRUN_NOWAIT);
        usleep(2000);
        if (f->scope.pending + other.pending == 2) {
            guard(5);
            loop_run(&f->loop);
        }
        ASSERT_FALSE(f->guarded);
        ASSERT_INT_EQ(f->scope.pending + other.pending, 0);
        ASSERT_INT_EQ(http_pending(f->http), 0);
    }
    arena_reset(&arena);
    teardown();
}

TEST(http, what_must_not_be_repeated_gets_a_connection_of_its_own)
{
    struct http_limits l = limits();
    setup(&l);
    struct http_request once = post("/drop", "x");
    ASSERT_INT_EQ(answer_to(get("/teapot")).status, 418);
    once.repeatable = false;
    struct http_response r = answer_to(once);
    ASSERT_INT_EQ(r.error, -ECONNRESET);
    ASSERT_TRUE(r.sent);
    ASSERT_FALSE(r.repeated);
    ASSERT_INT_EQ(f->server.requests, 2);
    ASSERT_INT_EQ(f->server.connections, 2);
    /* On the connection that teapot used, libcurl tries once more by itself. */
    r = answer_to(post("/drop", "x"));
    ASSERT_INT_EQ(r.error, -ECONNRESET);
    ASSERT_TRUE(r.repeated);
    ASSERT_INT_EQ(f->server.requests, 4);
    ASSERT_FALSE(answer_to(get("/teapot")).repeated);
    ASSERT_FALSE(answer_to(get("/teapot")).repeated);
    teardown();
}

TEST(http, a_kept_connection_that_was_closed_is_replaced)
{
    struct http_limits l = limits();
    setup(&l);
    for (int i = 0; i < 3; i++) {
        ASSERT_INT_EQ(answer_to(post("/then-close", "x")).status, 200);
        usleep(20000);
    }
    ASSERT_INT_EQ(f->server.requests, 3);
    teardown();
}
