/* What an answer in Stripe's words is believed to say, word by word; and the whole way through our
 * HTTP client to a real simulator, one scenario after the other. */
#include "services/shared/provider.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "services/shared/provider_internal.h"
#include "support/test.h"

#define OURS "01234567-89ab-7cde-8f01-23456789abcd"

static struct arena_pool pool;
static struct arena arena;

static struct provider_answer read_as(enum stripe_operation operation, uint32_t try_count,
                                      unsigned status, const char *body)
{
    struct stripe_question q = {.operation = operation,
                                .reference = OURS,
                                .currency = "eur",
                                .amount_minor = 1250,
                                .try_count = try_count};
    struct http_response r = {.sent = true, .status = status, .body = str_of(body)};
    struct provider_answer answer;
    if (!pool.free_count_max) {
        arena_pool_init(&pool, 4);
        arena_init(&arena, &pool, 1 << 20);
    }
    arena_reset(&arena);
    stripe_read(&arena, &q, &r, &answer);
    return answer;
}

/* A PaymentIntent with its parts. */
static const char *payment(const char *status, const char *reference, int amount,
                           const char *currency)
{
    static char text[1024];
    bool held = strcmp(status, "requires_capture") == 0;
    bool taken = strcmp(status, "succeeded") == 0;
    snprintf(text, sizeof text,
             "{\"object\":\"payment_intent\",\"id\":\"pi_1\",\"status\":\"%s\",\"amount\":%d,"
             "\"amount_capturable\":%d,"
             "\"amount_received\":%d,\"currency\":\"%s\",\"metadata\":{\"reference\":\"%s\"},"
             "\"latest_charge\":{\"payment_method_details\":{\"card\":{\"fingerprint\":\"fp\","
             "\"brand\":\"visa\","
             "\"last4\":\"4242\"}}},"
             "\"next_action\":{\"redirect_to_url\":{\"url\":\"https://bank.example/1\"}}}",
             status, amount, held ? amount : 0, taken ? amount : 0, currency, reference);
    return text;
}

TEST(stripe, a_reservation_of_ours_is_believed)
{
    struct provider_answer a =
        read_as(STRIPE_AUTHORISE, 0, 200, payment("requires_capture", OURS, 1250, "eur"));
    ASSERT_INT_EQ(a.outcome, PROVIDER_AUTHORIZED);
    ASSERT_VIEW_EQ(a.reference, "pi_1");
    ASSERT_VIEW_EQ(a.card_fingerprint, "fp");
    ASSERT_VIEW_EQ(a.card_brand, "visa");
    ASSERT_VIEW_EQ(a.card_last4, "4242");
    ASSERT_INT_EQ(a.amount_minor, 1250);
    ASSERT_INT_EQ(read_as(STRIPE_CAPTURE, 1, 200, payment("succeeded", OURS, 1250, "eur")).outcome,
                  PROVIDER_CAPTURED);
    ASSERT_INT_EQ(read_as(STRIPE_VOID, 1, 200, payment("canceled", OURS, 1250, "eur")).outcome,
                  PROVIDER_CANCELLED);
    a = read_as(STRIPE_AUTHORISE, 0, 200, payment("requires_action", OURS, 1250, "eur"));
    ASSERT_INT_EQ(a.outcome, PROVIDER_ACTION_REQUIRED);
    ASSERT_VIEW_EQ(a.redirect_url, "https://bank.example/1");
    ASSERT_INT_EQ(
        read_as(STRIPE_AUTHORISE, 0, 200, payment("processing", OURS, 1250, "eur")).outcome,
        PROVIDER_UNKNOWN);
    arena_reset(&arena);
}

TEST(stripe, an_answer_about_anything_else_is_not)
{
    ASSERT_INT_EQ(
        read_as(STRIPE_AUTHORISE, 0, 200, payment("requires_capture", "other", 1250, "eur"))
            .outcome,
        PROVIDER_UNKNOWN);
    ASSERT_INT_EQ(
        read_as(STRIPE_AUTHORISE, 0, 200, payment("requires_capture", OURS, 1249, "eur")).outcome,
        PROVIDER_UNKNOWN);
    ASSERT_INT_EQ(
        read_as(STRIPE_AUTHORISE, 0, 200, payment("requires_capture", OURS, 1250, "usd")).outcome,
        PROVIDER_UNKNOWN);
    ASSERT_INT_EQ(read_as(STRIPE_CAPTURE, 0, 200, payment("succeeded", OURS, 1251, "eur")).outcome,
                  PROVIDER_UNKNOWN);
    /* It says succeeded, but that less was taken. */
    const char *less =
        "{\"object\":\"payment_intent\",\"id\":\"pi_1\",\"status\":\"succeeded\",\"amount\":1250,"
        "\"amount_received\":1000,\"currency\":\"eur\",\"metadata\":{\"reference\":\"" OURS "\"}}";
    ASSERT_INT_EQ(read_as(STRIPE_CAPTURE, 0, 200, less).outcome, PROVIDER_UNKNOWN);
    arena_reset(&arena);
}

TEST(stripe, only_a_card_error_is_a_decline)
{
    const char *declined =
        "{\"error\":{\"type\":\"card_error\",\"code\":\"card_declined\",\"decline_code\":\"lost_"
        "card\","
        "\"payment_intent\":{\"id\":\"pi_1\",\"metadata\":{\"reference\":\"" OURS "\"}}}}";
    struct provider_answer a = read_as(STRIPE_AUTHORISE, 0, 402, declined);
    ASSERT_INT_EQ(a.outcome, PROVIDER_DECLINED);
    ASSERT_VIEW_EQ(a.code, "card_declined");
    ASSERT_VIEW_EQ(a.decline_code, "lost_card");
    ASSERT_VIEW_EQ(a.reference, "pi_1");
    const char *theirs = "{\"error\":{\"type\":\"card_error\",\"payment_intent\":{\"metadata\":{"
                         "\"reference\":\"x\"}}}}";
    ASSERT_INT_EQ(read_as(STRIPE_AUTHORISE, 0, 402, theirs).outcome, PROVIDER_UNKNOWN);
    const char *other = "{\"error\":{\"type\":\"api_error\"}}";
    const unsigned unknown[] = {402, 409, 429, 500, 502, 503};
    for (size_t i = 0; i < sizeof unknown / sizeof unknown[0]; i++)
        ASSERT_INT_EQ(read_as(STRIPE_AUTHORISE, 0, unknown[i], other).outcome, PROVIDER_UNKNOWN);
    ASSERT_INT_EQ(read_as(STRIPE_AUTHORISE, 0, 402, "<html>").outcome, PROVIDER_UNKNOWN);
    ASSERT_INT_EQ(read_as(STRIPE_AUTHORISE, 0, 200, "").outcome, PROVIDER_UNKNOWN);
    ASSERT_INT_EQ(read_as(STRIPE_AUTHORISE, 0, 200, "[1]").outcome, PROVIDER_UNKNOWN);
    ASSERT_INT_EQ(read_as(STRIPE_AUTHORISE, 0, 401, other).outcome, PROVIDER_NOT_SENT);
    arena_reset(&arena);
}

TEST(stripe, a_refusal_decides_only_what_cannot_have_happened_before)
{
    const char *refused =
        "{\"error\":{\"type\":\"invalid_request_error\",\"code\":\"resource_missing\","
        "\"param\":\"payment_method\"}}";
    struct provider_answer a = read_as(STRIPE_AUTHORISE, 0, 400, refused);
    ASSERT_INT_EQ(a.outcome, PROVIDER_DECLINED);
    ASSERT_VIEW_EQ(a.code, "payment_method_invalid");
    ASSERT_INT_EQ(read_as(STRIPE_CAPTURE, 0, 400, refused).outcome, PROVIDER_UNKNOWN);
    ASSERT_INT_EQ(read_as(STRIPE_VOID, 0, 400, refused).outcome, PROVIDER_UNKNOWN);
    ASSERT_INT_EQ(read_as(STRIPE_REFUND, 0, 400, refused).outcome, PROVIDER_REFUND_FAILED);
    ASSERT_INT_EQ(read_as(STRIPE_REFUND, 1, 400, refused).outcome, PROVIDER_UNKNOWN);
    const char *reused = "{\"error\":{\"type\":\"idempotency_error\"}}";
    ASSERT_INT_EQ(read_as(STRIPE_AUTHORISE, 0, 400, reused).outcome, PROVIDER_UNKNOWN);
    arena_reset(&arena);
}

TEST(stripe, an_inquiry_finds_ours_among_others)
{
    char list[4096];
    ASSERT_INT_EQ(read_as(STRIPE_INQUIRE, 0, 200, "{\"data\":[]}").outcome, PROVIDER_NOT_FOUND);
    ASSERT_INT_EQ(read_as(STRIPE_INQUIRE, 0, 200, "{\"data\":{}}").outcome, PROVIDER_UNKNOWN);
    ASSERT_INT_EQ(read_as(STRIPE_INQUIRE, 0, 200, "{\"data\":[],\"has_more\":true}").outcome,
                  PROVIDER_UNKNOWN);
    int n =
        snprintf(list, sizeof list, "{\"data\":[%s,", payment("succeeded", "other", 1250, "eur"));
    snprintf(list + n, sizeof list - (size_t)n, "%s]}",
             payment("requires_capture", OURS, 1250, "eur"));
    ASSERT_INT_EQ(read_as(STRIPE_INQUIRE, 0, 200, list).outcome, PROVIDER_AUTHORIZED);
    /* Asked for by its id. */
    const char *one = payment("requires_capture", OURS, 1250, "eur");
    ASSERT_INT_EQ(read_as(STRIPE_INQUIRE, 0, 200, one).outcome, PROVIDER_AUTHORIZED);
    const char *gone = "{\"error\":{\"type\":\"invalid_request_error\"}}";
    ASSERT_INT_EQ(read_as(STRIPE_INQUIRE, 0, 404, gone).outcome, PROVIDER_UNKNOWN);
    const char *refunds =
        "{\"data\":[{\"object\":\"refund\",\"id\":\"re_1\",\"amount\":1250,\"currency\":\"eur\","
        "\"status\":\"pending\",\"metadata\":{\"reference\":\"" OURS "\"}}]}";
    ASSERT_INT_EQ(read_as(STRIPE_INQUIRE_REFUND, 0, 200, refunds).outcome, PROVIDER_REFUND_PENDING);
    arena_reset(&arena);
}

/* @statuses, newest first. */
static struct provider_answer refunds_listed(const char *first, const char *second, bool has_more)
{
    const char *statuses[] = {first, second};
    char list[1024] = "{\"data\":[";
    size_t n = strlen(list);
    for (unsigned i = 0; i < 2 && statuses[i]; i++)
        n += (size_t)snprintf(list + n, sizeof list - n,
                              "%s{\"object\":\"refund\",\"id\":\"re_%u\",\"amount\":1250,"
                              "\"currency\":\"eur\",\"status\":\"%s\","
                              "\"metadata\":{\"reference\":\"" OURS "\"}}",
                              i > 0 ? "," : "", i, statuses[i]);
    snprintf(list + n, sizeof list - n, "],\"has_more\":%s}", has_more ? "true" : "false");
    return read_as(STRIPE_INQUIRE_REFUND, 0, 200, list);
}

TEST(stripe, of_several_refunds_the_one_that_moves_money_tells)
{
    static const char *const other[] = {"failed", "pending"};
    for (unsigned i = 0; i < 2; i++) {
        struct provider_answer a = refunds_listed(other[i], other[!i], false);
        ASSERT_INT_EQ(a.outcome, PROVIDER_REFUND_PENDING);
        ASSERT_FALSE(a.is_twice);
    }
    struct provider_answer a = refunds_listed("pending", "succeeded", false);
    ASSERT_INT_EQ(a.outcome, PROVIDER_REFUND_SUCCEEDED);
    ASSERT_VIEW_EQ(a.reference, "re_1");
    ASSERT_TRUE(a.is_twice);
    ASSERT_INT_EQ(refunds_listed("failed", NULL, false).outcome, PROVIDER_REFUND_FAILED);
    ASSERT_INT_EQ(refunds_listed("failed", NULL, true).outcome, PROVIDER_UNKNOWN);
    arena_reset(&arena);
}

TEST(stripe, only_an_error_that_is_kept_spends_a_refunds_key)
{
    const char *error = "{\"error\":{\"type\":\"api_error\"}}";
    ASSERT_TRUE(read_as(STRIPE_REFUND, 0, 500, error).key_spent);
    ASSERT_TRUE(read_as(STRIPE_REFUND, 1, 400, error).key_spent);
    static const unsigned passing[] = {401, 403, 409, 429};
    for (unsigned i = 0; i < 4; i++)
        ASSERT_FALSE(read_as(STRIPE_REFUND, 0, passing[i], error).key_spent);
    ASSERT_FALSE(read_as(STRIPE_REFUND, 0, 502, "<html>").key_spent);
    ASSERT_FALSE(read_as(STRIPE_INQUIRE_REFUND, 0, 500, error).key_spent);
    struct stripe_question q = {.operation = STRIPE_REFUND, .reference = OURS, .currency = "eur"};
    struct provider_answer a;
    stripe_read(&arena, &q, &(struct http_response){.error = -ETIMEDOUT, .sent = true}, &a);
    ASSERT_FALSE(a.key_spent);
    arena_reset(&arena);
}

TEST(stripe, silence_is_unknown_unless_nothing_was_sent)
{
    struct stripe_question q = {
        .operation = STRIPE_AUTHORISE, .reference = OURS, .currency = "eur", .amount_minor = 1};
    struct provider_answer a;
    stripe_read(&arena, &q, &(struct http_response){.error = -ETIMEDOUT, .sent = true}, &a);
    ASSERT_INT_EQ(a.outcome, PROVIDER_UNKNOWN);
    stripe_read(&arena, &q, &(struct http_response){.error = -ECONNREFUSED}, &a);
    ASSERT_INT_EQ(a.outcome, PROVIDER_NOT_SENT);
}

/* ---- against the simulator: calls without a server, whose scope is all that a provider needs
 * ---------------------- */

static struct {
    pid_t pid;
    unsigned port;
    struct loop loop;
    struct app app;
    struct server *server;
    char key_file[64];
} t;

enum { ASK_AUTHORISE, ASK_CAPTURE, ASK_VOID, ASK_INQUIRE, ASK_REFUND, ASK_INQUIRE_REFUND };

struct question {
    int what;
    struct provider_payment payment;
    struct provider_refund refund;
    struct provider_answer answer; /* strings copied out */
    char reference[80];
};

static enum step ask(struct call *c)
{
    struct question *q = (struct question *)(uintptr_t)call_request(c);
    switch (q->what) {
    case ASK_AUTHORISE:
        provider_authorise(c, &q->payment, &q->answer);
        break;
    case ASK_CAPTURE:
        provider_capture(c, &q->payment, &q->answer);
        break;
    case ASK_VOID:
        provider_void(c, &q->payment, &q->answer);
        break;
    case ASK_INQUIRE:
        provider_inquire(c, &q->payment, &q->answer);
        break;
    case ASK_REFUND:
        provider_refund(c, &q->refund, &q->answer);
        break;
    default:
        provider_inquire_refund(c, &q->refund, &q->answer);
        break;
    }
    return STEP_NEXT;
}

static enum step take(struct call *c)
{
    struct question *q = (struct question *)(uintptr_t)call_request(c);
    if (q->answer.reference.n > 0)
        snprintf(q->reference, sizeof q->reference, "%.*s", (int)q->answer.reference.n,
                 q->answer.reference.p);
    return call_reply(c, NULL);
}

static const struct step_def steps[] = {STEP(ask), STEP(take)};
static const struct rpc_handler handler = {.method = "Ask", .steps = steps, .step_count = 2};

static void on_end(void *ctx, enum reason reason)
{
    *(enum reason *)ctx = reason;
    loop_stop(&t.loop);
}

static enum provider_outcome run(struct question *q, int what, uint32_t timeout_ms)
{
    enum reason reason = REASON_COUNT;
    q->what = what;
    q->payment.reference = q->refund.payment_reference = str_of(q->reference);
    ASSERT_INT_EQ(call_run_internal(t.server, &handler, q, timeout_ms, on_end, &reason), 0);
    loop_run(&t.loop);
    ASSERT_INT_EQ(reason, REASON_NONE);
    return q->answer.outcome;
}

/* `faregate sandbox-psp` is a function that the test links as a process of its own. */
int sandbox_psp_main(int argc, char **argv);

static void start_simulator(void)
{
    int out[2];
    char line[256] = "";
    ASSERT_INT_EQ(pipe(out), 0);
    fflush(stdout);
    t.pid = fork();
    if (t.pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL); /* a failed test leaves nobody behind */
        char *argv[] = {(char[]){"sandbox-psp"}, (char[]){"--port"}, (char[]){"0"}, NULL};
        dup2(out[1], STDOUT_FILENO);
        close(out[0]);
        close(out[1]);
        exit(sandbox_psp_main(3, argv));
    }
    close(out[1]);
    FILE *f = fdopen(out[0], "r");
    ASSERT_NOT_NULL(fgets(line, sizeof line, f));
    fclose(f);
    ASSERT_INT_EQ(sscanf(strstr(line, "\"port\":"), "\"port\":%u", &t.port), 1);
}

static void setup(bool with_simulator)
{
    char error[256], url[64];
    t.port = 1; /* nobody listens there */
    if (with_simulator)
        start_simulator();
    snprintf(t.key_file, sizeof t.key_file, "/tmp/fg-key.XXXXXX");
    int fd = mkstemp(t.key_file);
    ASSERT_INT_EQ(write(fd, "sk_test_x\n", 10), 10);
    close(fd);
    snprintf(url, sizeof url, "http://127.0.0.1:%u/", t.port);
    ASSERT_INT_EQ(loop_init(&t.loop, &clock_system), 0);
    t.app = (struct app){.clock = &clock_system, .loop = &t.loop, .limits = app_limits_default};
    t.app.limits.provider_timeout_ms = 1000;
    ASSERT_INT_EQ(provider_new(&t.app.provider, &t.loop, "stripe", url, t.key_file, &t.app.limits,
                               error, sizeof error),
                  0);
    const struct rpc_service *none[] = {NULL};
    const struct server_hooks hooks = {.app = &t.app};
    ASSERT_INT_EQ(server_new(&t.server, &t.loop, &server_limits_default, &hooks, none, NULL, error,
                             sizeof error),
                  0);
}

static void teardown(void)
{
    int status = 0;
    t.server = server_free(t.server);
    t.app.provider = provider_free(t.app.provider);
    loop_deinit(&t.loop);
    unlink(t.key_file);
    if (t.pid > 0) {
        kill(t.pid, SIGTERM);
        ASSERT_INT_EQ(waitpid(t.pid, &status, 0), t.pid);
        ASSERT_INT_EQ(status, 0);
    }
    t.pid = 0;
}

static struct question question(const char *method)
{
    return (struct question){
        .payment = {.attempt_id = uuid_v7(&clock_system),
                    .method_token = str_of(method),
                    .amount_minor = 1250,
                    .currency = STR("EUR")},
        .refund = {.refund_id = uuid_v7(&clock_system),
                   .amount_minor = 1250,
                   .currency = STR("EUR")},
    };
}

TEST(provider, reserves_takes_and_gives_back)
{
    setup(true);
    struct question q = question("pm_card_visa");
    ASSERT_INT_EQ(run(&q, ASK_INQUIRE, 5000), PROVIDER_NOT_FOUND);
    ASSERT_INT_EQ(run(&q, ASK_AUTHORISE, 5000), PROVIDER_AUTHORIZED);
    ASSERT_INT_EQ(run(&q, ASK_AUTHORISE, 5000),
                  PROVIDER_AUTHORIZED); /* the same key: the same payment */
    ASSERT_INT_EQ(run(&q, ASK_INQUIRE, 5000), PROVIDER_AUTHORIZED);
    ASSERT_INT_EQ(run(&q, ASK_CAPTURE, 5000), PROVIDER_CAPTURED);
    q.payment.try_count++;
    ASSERT_INT_EQ(run(&q, ASK_CAPTURE, 5000), PROVIDER_UNKNOWN); /* already: the inquiry knows */
    ASSERT_INT_EQ(run(&q, ASK_INQUIRE, 5000), PROVIDER_CAPTURED);
    char paid[80];
    snprintf(paid, sizeof paid, "%s", q.reference);
    ASSERT_INT_EQ(run(&q, ASK_INQUIRE_REFUND, 5000), PROVIDER_NOT_FOUND);
    ASSERT_INT_EQ(run(&q, ASK_REFUND, 5000), PROVIDER_REFUND_SUCCEEDED);
    snprintf(q.reference, sizeof q.reference, "%s", paid);
    ASSERT_INT_EQ(run(&q, ASK_REFUND, 5000), PROVIDER_REFUND_SUCCEEDED);
    snprintf(q.reference, sizeof q.reference, "%s", paid);
    ASSERT_INT_EQ(run(&q, ASK_INQUIRE_REFUND, 5000), PROVIDER_REFUND_SUCCEEDED);
    struct question v = question("pm_card_visa");
    ASSERT_INT_EQ(run(&v, ASK_AUTHORISE, 5000), PROVIDER_AUTHORIZED);
    ASSERT_INT_EQ(run(&v, ASK_VOID, 5000), PROVIDER_CANCELLED);
    teardown();
}

TEST(provider, every_scenario_has_its_outcome)
{
    static const struct {
        const char *method;
        enum provider_outcome first, inquiry;
    } cases[] = {
        {"pm_card_chargeDeclinedLostCard", PROVIDER_DECLINED, PROVIDER_DECLINED},
        {"pm_card_chargeDeclinedExpiredCard", PROVIDER_DECLINED, PROVIDER_DECLINED},
        {"pm_card_nobody_has", PROVIDER_DECLINED, PROVIDER_NOT_FOUND},
        {"pm_card_authenticationRequired", PROVIDER_ACTION_REQUIRED, PROVIDER_ACTION_REQUIRED},
        {"pm_sandbox_http500", PROVIDER_UNKNOWN, PROVIDER_NOT_FOUND},
        {"pm_sandbox_charged_then_500", PROVIDER_UNKNOWN, PROVIDER_AUTHORIZED},
        {"pm_sandbox_never", PROVIDER_UNKNOWN, PROVIDER_NOT_FOUND},
        {"pm_sandbox_charged_then_never", PROVIDER_UNKNOWN, PROVIDER_AUTHORIZED},
        {"pm_sandbox_drop", PROVIDER_UNKNOWN, PROVIDER_NOT_FOUND},
        {"pm_sandbox_charged_then_drop", PROVIDER_UNKNOWN, PROVIDER_AUTHORIZED},
        {"pm_sandbox_garbage", PROVIDER_UNKNOWN, PROVIDER_AUTHORIZED},
        {"pm_sandbox_slow_3000", PROVIDER_UNKNOWN, PROVIDER_AUTHORIZED},
        {"pm_sandbox_not_found_until_60000", PROVIDER_UNKNOWN, PROVIDER_NOT_FOUND},
    };
    setup(true);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct question q = question(cases[i].method);
        enum provider_outcome first = run(&q, ASK_AUTHORISE, 5000);
        /* Lost with a connection that was used before, a request is sent again with its key,
         * unasked: the true answer. */
        bool may_recover = strcmp(cases[i].method, "pm_sandbox_charged_then_drop") == 0;
        if (!may_recover || first != cases[i].inquiry)
            ASSERT_INT_EQ(first, cases[i].first);
        ASSERT_INT_EQ(run(&q, ASK_INQUIRE, 5000), cases[i].inquiry);
    }
    teardown();
}

TEST(provider, nobody_there_is_not_sent)
{
    setup(false);
    struct question q = question("pm_card_visa");
    ASSERT_INT_EQ(run(&q, ASK_AUTHORISE, 5000), PROVIDER_NOT_SENT);
    teardown();
}

/* The call ends first: its operation is given up, and nothing of it is touched afterwards. */
TEST(provider, a_call_may_end_while_it_waits)
{
    setup(true);
    struct question q = question("pm_sandbox_slow_200");
    enum reason reason = REASON_COUNT;
    t.app.limits.provider_timeout_ms = 5000;
    q.what = ASK_AUTHORISE;
    /* The request's own time runs out with the deadline: whichever is noticed first. */
    for (unsigned i = 0; i < 20; i++) {
        ASSERT_INT_EQ(call_run_internal(t.server, &handler, &q, 1, on_end, &reason), 0);
        loop_run(&t.loop);
        ASSERT_TRUE(reason == REASON_DEADLINE_PASSED ||
                    (reason == REASON_NONE && q.answer.outcome == PROVIDER_UNKNOWN) ||
                    q.answer.outcome == PROVIDER_NOT_SENT);
    }
    ASSERT_INT_NE(run(&q, ASK_INQUIRE, 5000), PROVIDER_UNKNOWN);
    teardown();
}

TEST(provider, a_bad_key_or_address_stops_the_start)
{
    char error[256];
    struct provider *p;
    struct loop loop;
    ASSERT_INT_EQ(loop_init(&loop, &clock_system), 0);
    ASSERT_INT_EQ(
        provider_new(&p, &loop, "paypal", "", "", &app_limits_default, error, sizeof error),
        -EINVAL);
    ASSERT_HAS(error, "paypal");
    ASSERT_INT_EQ(provider_new(&p, &loop, "stripe", "ftp://x", "/dev/null", &app_limits_default,
                               error, sizeof error),
                  -EINVAL);
    ASSERT_INT_EQ(provider_new(&p, &loop, "stripe", "http://x", "/nowhere", &app_limits_default,
                               error, sizeof error),
                  -ENOENT);
    ASSERT_INT_EQ(provider_new(&p, &loop, "stripe", "http://x", "/dev/null", &app_limits_default,
                               error, sizeof error),
                  -EINVAL);
    ASSERT_HAS(error, "not an API key");
    ASSERT_NULL(p);
    loop_deinit(&loop);
}
