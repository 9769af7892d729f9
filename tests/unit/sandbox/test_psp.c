/* Our HTTP client against the simulator: the ways a payment can end as a payment service sees them.
 * What must stay true: "not sent" and "nothing charged" agree, and a key never charges twice. */
#include "sandbox/sandbox.h"

#include <errno.h>
#include <jansson.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/arena.h"
#include "io/http.h"
#include "support/test.h"

static struct {
    pid_t pid;
    unsigned port;
    struct loop loop;
    struct http *http;
    struct arena arena;
    struct op_scope scope;
    unsigned key;
} t;

static void on_progress(struct op_scope *scope)
{
    (void)scope;
    loop_stop(&t.loop);
}

static void setup(struct sandbox_options options)
{
    int out[2];
    options.port = 0;
    ASSERT_INT_EQ(pipe(out), 0);
    fflush(stdout);
    t.pid = fork();
    if (t.pid == 0) {
        dup2(out[1], STDOUT_FILENO);
        close(out[0]);
        close(out[1]);
        exit(sandbox_psp_run(&options));
    }
    close(out[1]);
    FILE *f = fdopen(out[0], "r");
    char line[256] = "";
    ASSERT_NOT_NULL(fgets(line, sizeof(line), f));
    fclose(f);
    ASSERT_INT_EQ(sscanf(strstr(line, "\"port\":"), "\"port\":%u", &t.port), 1);
    struct http_limits limits = http_limits_default();
    ASSERT_INT_EQ(loop_init(&t.loop, &clock_system), 0);
    ASSERT_INT_EQ(http_new(&t.http, &t.loop, &limits), 0);
    arena_init(&t.arena, &t.loop.arenas, 8 << 20);
    op_scope_init(&t.scope, &t.arena, on_progress);
}

static void teardown(void)
{
    int status = 0;
    t.http = http_free(t.http);
    arena_reset(&t.arena);
    loop_deinit(&t.loop);
    kill(t.pid, SIGTERM);
    ASSERT_INT_EQ(waitpid(t.pid, &status, 0), t.pid);
    ASSERT_INT_EQ(status, 0);
}

static int send_to(const char *path, const char *body, const char *key, uint32_t timeout_ms,
                   struct http_response *ret)
{
    const char *headers[2] = {"Authorization: Bearer sk_test_x"};
    if (key)
        headers[1] = arena_printf(&t.arena, "Idempotency-Key: %s", key);
    struct http_request request = {
        .method = body ? HTTP_POST : HTTP_GET,
        .url = arena_printf(&t.arena, "http://127.0.0.1:%u%s", t.port, path),
        .headers = headers,
        .headers_count = key ? 2 : 1,
        .body = str_of(body),
        .timeout_ms = timeout_ms,
        .repeatable = key || !body,
    };
    return http_send(t.http, &t.scope, &request, ret);
}

static struct http_response ask(const char *path, const char *body, const char *key,
                                uint32_t timeout_ms)
{
    struct http_response response;
    ASSERT_INT_EQ(send_to(path, body, key, timeout_ms, &response), 0);
    loop_run(&t.loop);
    return response;
}

static const char *payment(const char *method, const char *reference)
{
    return arena_printf(&t.arena,
                        "amount=100&currency=eur&confirm=true&payment_method=%s"
                        "&metadata[reference]=%s",
                        method, reference);
}

static struct http_response pay(const char *method, const char *key, uint32_t timeout_ms)
{
    return ask("/v1/payment_intents", payment(method, method), key, timeout_ms);
}

/* How many payments the provider knows under @reference. */
static size_t known(const char *reference)
{
    struct http_response r = ask(
        arena_printf(&t.arena, "/v1/payment_intents?reference=%s", reference), NULL, NULL, 3000);
    ASSERT_INT_EQ(r.status, 200);
    json_t *json = json_loadb(r.body.p, r.body.n, 0, NULL);
    ASSERT_NOT_NULL(json);
    size_t n = json_array_size(json_object_get(json, "data"));
    json_decref(json);
    return n;
}

TEST(psp, answers_our_client)
{
    setup(sandbox_options_default());
    struct http_response r = pay("pm_card_visa", "k", 3000);
    ASSERT_INT_EQ(r.status, 200);
    ASSERT_HAS(r.body.p, "\"status\":\"succeeded\"");
    ASSERT_INT_EQ(pay("pm_card_chargeDeclined", "d", 3000).status, 402);
    ASSERT_INT_EQ(pay("pm_sandbox_http500", "e", 3000).status, 500);
    ASSERT_INT_EQ(known("pm_card_visa"), 1);
    ASSERT_INT_EQ(known("pm_sandbox_http500"), 0);
    teardown();
}

TEST(psp, silence_is_an_unknown_outcome_that_inquiry_resolves)
{
    setup(sandbox_options_default());
    struct http_response r = pay("pm_sandbox_never", "n", 800);
    ASSERT_INT_EQ(r.error, -ETIMEDOUT);
    ASSERT_TRUE(r.sent);
    ASSERT_INT_EQ(known("pm_sandbox_never"), 0);
    r = pay("pm_sandbox_charged_then_never", "c", 800);
    ASSERT_INT_EQ(r.error, -ETIMEDOUT);
    ASSERT_TRUE(r.sent);
    ASSERT_INT_EQ(known("pm_sandbox_charged_then_never"), 1);
    r = pay("pm_sandbox_slow_3000", "s", 800);
    ASSERT_INT_EQ(r.error, -ETIMEDOUT);
    ASSERT_INT_EQ(known("pm_sandbox_slow_3000"), 1);
    teardown();
}

TEST(psp, a_lost_connection_charges_once_with_a_key)
{
    setup(sandbox_options_default());
    /* A used connection: libcurl repeats the request, the key makes the second one a replay. */
    ASSERT_INT_EQ(pay("pm_card_visa", "k", 3000).status, 200);
    ASSERT_INT_EQ(pay("pm_sandbox_charged_then_drop", "d", 3000).status, 200);
    ASSERT_INT_EQ(known("pm_sandbox_charged_then_drop"), 1);
    /* Without a key it is not repeated. */
    struct http_response r = pay("pm_sandbox_charged_then_drop__2", NULL, 3000);
    ASSERT_INT_EQ(r.error, -ECONNRESET);
    ASSERT_TRUE(r.sent);
    ASSERT_INT_EQ(known("pm_sandbox_charged_then_drop__2"), 1);
    teardown();
}

TEST(psp, two_answers_to_one_request_confuse_nobody)
{
    setup(sandbox_options_default());
    char key[16];
    for (int i = 0; i < 20; i++) {
        snprintf(key, sizeof(key), "t%d", i);
        ASSERT_INT_EQ(pay("pm_sandbox_twice", key, 3000).status, 200);
        /* The surplus answer must not be taken for this one's. */
        ASSERT_INT_EQ(pay("pm_card_chargeDeclined", NULL, 3000).status, 402);
    }
    ASSERT_INT_EQ(known("pm_sandbox_twice"), 20);
    teardown();
}

TEST(psp, garbage_and_gateway_pages_are_answers_without_meaning)
{
    setup(sandbox_options_default());
    struct http_response r = pay("pm_sandbox_garbage", "g", 3000);
    ASSERT_INT_EQ(r.status, 200);
    ASSERT_NULL(json_loadb(r.body.p, r.body.n, 0, NULL));
    ASSERT_INT_EQ(known("pm_sandbox_garbage"), 1);
    ASSERT_INT_EQ(pay("pm_sandbox_charged_then_500", "b", 3000).status, 502);
    ASSERT_INT_EQ(pay("pm_sandbox_charged_then_500", "b", 3000).status, 200);
    ASSERT_INT_EQ(known("pm_sandbox_charged_then_500"), 1);
    teardown();
}

TEST(psp, many_at_once_are_all_answered_and_all_in_the_books)
{
    enum { COUNT = 500 };
    static struct http_response r[COUNT];
    setup(sandbox_options_default());
    for (int i = 0; i < COUNT; i++) {
        const char *key = arena_printf(&t.arena, "k%d", i / 2); /* each twice */
        const char *body = payment("pm_card_visa", arena_printf(&t.arena, "r%d", i / 2));
        ASSERT_INT_EQ(send_to("/v1/payment_intents", body, key, 20000, &r[i]), 0);
    }
    loop_run(&t.loop);
    for (int i = 0; i < COUNT; i++)
        ASSERT_INT_EQ(r[i].status, 200);
    struct http_response balance = ask("/v1/balance", NULL, NULL, 3000);
    ASSERT_HAS(balance.body.p, "\"captured\":25000,");
    teardown();
}

TEST(psp, has_room_for_so_many_payments_and_no_more)
{
    struct sandbox_options options = sandbox_options_default();
    options.payments_max = 1;
    setup(options);
    ASSERT_INT_EQ(pay("pm_card_visa", "1", 3000).status, 200);
    ASSERT_INT_EQ(pay("pm_card_visa", "2", 3000).status, 429);
    ASSERT_INT_EQ(pay("pm_card_visa", "1", 3000).status, 200);
    teardown();
}

TEST(psp, an_authorisation_lapses_by_the_clock)
{
    struct sandbox_options options = sandbox_options_default();
    options.authorization_ttl_ms = 300;
    setup(options);
    struct http_response r =
        ask("/v1/payment_intents",
            "amount=5&currency=eur&confirm=true&payment_method=pm_card_visa&capture_method=manual"
            "&metadata[reference]=lapse",
            NULL, 3000);
    ASSERT_HAS(r.body.p, "\"requires_capture\"");
    usleep(400000);
    r = ask("/v1/payment_intents?reference=lapse", NULL, NULL, 3000);
    ASSERT_HAS(r.body.p, "\"status\":\"canceled\"");
    r = ask("/v1/balance", NULL, NULL, 3000);
    ASSERT_HAS(r.body.p, "\"released\":5,\"held\":0");
    teardown();
}
