/* The whole way through our HTTP client to a real simulator, one scenario after the other: calls
 * without a server, whose scope is all that a provider needs. */
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

static const char *return_url = "https://example.org/paid?a=b&c";

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
    ASSERT_INT_EQ(provider_new(&t.app.provider, "stripe", url, t.key_file, return_url,
                               &t.app.limits, error, sizeof error),
                  0);
    ASSERT_INT_EQ(provider_start(t.app.provider, &t.loop), 0);
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
        {"pm_sandbox_charged_then_refused", PROVIDER_UNKNOWN, PROVIDER_AUTHORIZED},
        {"pm_sandbox_http500", PROVIDER_UNKNOWN, PROVIDER_NOT_FOUND},
        {"pm_sandbox_unconfirmed", PROVIDER_UNKNOWN, PROVIDER_UNCONFIRMED},
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

TEST(provider, a_customer_is_sent_to_the_bank_only_if_there_is_a_way_back)
{
    const char *known = return_url;
    for (unsigned i = 0; i < 2; i++) {
        return_url = i == 0 ? known : "";
        setup(true);
        struct question q = question("pm_card_authenticationRequired");
        ASSERT_INT_EQ(run(&q, ASK_AUTHORISE, 5000), PROVIDER_ACTION_REQUIRED);
        ASSERT_INT_EQ(q.answer.redirect_url.n > 0, i == 0);
        teardown();
    }
    return_url = known;
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
    ASSERT_INT_EQ(provider_new(&p, "paypal", "", "", "", &app_limits_default, error, sizeof error),
                  -EINVAL);
    ASSERT_HAS(error, "paypal");
    ASSERT_INT_EQ(provider_new(&p, "stripe", "ftp://x", "/dev/null", "", &app_limits_default, error,
                               sizeof error),
                  -EINVAL);
    ASSERT_INT_EQ(provider_new(&p, "stripe", "http://x", "/nowhere", "", &app_limits_default, error,
                               sizeof error),
                  -ENOENT);
    ASSERT_INT_EQ(provider_new(&p, "stripe", "http://x", "/dev/null", "", &app_limits_default,
                               error, sizeof error),
                  -EINVAL);
    ASSERT_HAS(error, "not an API key");
    ASSERT_NULL(p);
    static const char *const no_page[] = {"garbage", "javascript:x", "https://", "https:///x",
                                          "https://a b"};
    for (unsigned i = 0; i < sizeof no_page / sizeof no_page[0]; i++) {
        ASSERT_INT_EQ(provider_new(&p, "instant", "", "", no_page[i], &app_limits_default, error,
                                   sizeof error),
                      -EINVAL);
        ASSERT_HAS(error, "--payment-return-url=");
    }
}
