/* Takes the place of io/work at link time, and is a payment provider: both do their part when told.
 * What must stay true: the rules about money are checked where a byte would leave for the provider:
 * the attempt is committed before, no transaction is open, one request asks once. */
#include <errno.h>
#include <stdlib.h>

#include "base/check.h"
#include "io/work.h"
#include "services/shared/provider_internal.h"
#include "world.h"

/* ---- helper threads: the job runs when it is told to complete ---- */

static void on_job_detach(struct op *op)
{
    struct work_job *job = list_entry(op, struct work_job, op);
    struct list *node = list_first(&world.open);
    while (list_entry(node, struct pending, node)->job != job)
        node = node->next;
    struct pending *p = list_entry(node, struct pending, node);
    list_remove(&p->node);
    world.open_count--;
    free(p);
    job->detached = true;
    job->on_free(job);
}

static void complete_job(struct pending *p)
{
    struct work_job *job = p->job;
    p->job = NULL;
    job->run(job);
    job->on_done(job);
    if (job->op.scope)
        op_done(&job->op, NULL);
    job->on_free(job);
}

int work_submit(struct work *work, struct work_job *job, struct op_scope *scope)
{
    (void)work;
    CHECK(job->run && job->on_done && job->on_free);
    if (world_choose(2) == 1)
        return -EAGAIN;
    job->detached = false;
    struct pending *p = world_add(WAIT_WORK, scope, complete_job);
    p->job = job;
    op_start(&job->op, scope, on_job_detach);
    return 0;
}

int work_new(struct work **ret_work, struct loop *loop, unsigned threads, unsigned queued_max)
{
    (void)loop, (void)threads, (void)queued_max;
    *ret_work = NULL;
    return 0;
}

struct work *work_free(struct work *work)
{
    (void)work;
    return NULL;
}

/* ---- the provider ---- */

enum question { ASK_AUTHORISE, ASK_CAPTURE, ASK_VOID, ASK_REFUND, ASK_INQUIRE };

#define ANSWERS_MAX 8

static const struct {
    unsigned count;
    struct {
        enum provider_outcome outcome;
        int wrong_minor; /* the amount it says differs by so much */
    } items[ANSWERS_MAX];
} answers[] = {
    [ASK_AUTHORISE] = {7,
                       {{PROVIDER_AUTHORIZED, 0},
                        {PROVIDER_DECLINED, 0},
                        {PROVIDER_NOT_SENT, 0},
                        {PROVIDER_ACTION_REQUIRED, 0},
                        {PROVIDER_UNKNOWN, 0},
                        {PROVIDER_AUTHORIZED, 1},
                        {PROVIDER_CAPTURED, 0}}},
    [ASK_CAPTURE] = {5,
                     {{PROVIDER_CAPTURED, 0},
                      {PROVIDER_UNKNOWN, 0},
                      {PROVIDER_NOT_SENT, 0},
                      {PROVIDER_DECLINED, 0},
                      {PROVIDER_CAPTURED, -1}}},
    [ASK_VOID] = {2, {{PROVIDER_CANCELLED, 0}, {PROVIDER_UNKNOWN, 0}}},
    [ASK_REFUND] = {6,
                    {{PROVIDER_REFUND_SUCCEEDED, 0},
                     {PROVIDER_REFUND_PENDING, 0},
                     {PROVIDER_REFUND_FAILED, 0},
                     {PROVIDER_NOT_SENT, 0},
                     {PROVIDER_UNKNOWN, 0},
                     {PROVIDER_REFUND_SUCCEEDED, 1}}},
    [ASK_INQUIRE] = {2, {{PROVIDER_NOT_FOUND, 0}, {PROVIDER_UNKNOWN, 0}}},
};

static struct str copy(struct pending *p, const char *text)
{
    return arena_dup_str(p->scope->arena, str_of(text));
}

static void complete_question(struct pending *p)
{
    struct provider_answer *answer = p->answer;
    unsigned i = world_choose(answers[p->question].count);
    enum provider_outcome outcome = answers[p->question].items[i].outcome;
    *answer = (struct provider_answer){.outcome = outcome};
    world.answer = outcome;
    world.answer_agrees = answers[p->question].items[i].wrong_minor == 0;
    if (outcome == PROVIDER_UNKNOWN || outcome == PROVIDER_NOT_SENT ||
        outcome == PROVIDER_NOT_FOUND)
        return;
    answer->reference = copy(p, "pi_1234567890");
    answer->amount_minor = p->amount_minor + answers[p->question].items[i].wrong_minor;
    answer->currency = p->currency;
    answer->card_fingerprint = copy(p, "Xt5EWLLDS7FJjR1c");
    if (outcome == PROVIDER_DECLINED || outcome == PROVIDER_REFUND_FAILED) {
        answer->code = copy(p, "card_declined");
        answer->decline_code = copy(p, "insufficient_funds");
    }
    if (outcome == PROVIDER_ACTION_REQUIRED)
        answer->redirect_url = copy(p, "https://bank.example/prove");
}

static void ask(struct call *c, enum question question, int64_t amount_minor, struct str currency,
                struct provider_answer *ret)
{
    if (c->scope.lease)
        world.fault = "the provider was asked inside a transaction";
    struct pending *p = world_add(WAIT_PROVIDER, &c->scope, complete_question);
    p->question = question;
    p->answer = ret;
    p->amount_minor = amount_minor;
    p->currency = currency;
    if (world.is_instant)
        world_complete(p);
}

static void ask_payment(struct call *c, enum question question, const struct provider_payment *q,
                        struct provider_answer *ret)
{
    if (!uuid_eq(q->attempt_id, world.started_attempt))
        world.fault = "the provider was asked for an attempt that is not committed";
    if (question == ASK_AUTHORISE && ++world.authorise_count > 1)
        world.fault = "one request authorised twice";
    if (q->amount_minor <= 0 || q->currency.n != 3)
        world.fault = "the provider was asked for no amount";
    ask(c, question, q->amount_minor, q->currency, ret);
}

static void authorise(struct provider *p, struct call *c, const struct provider_payment *q,
                      struct provider_answer *ret)
{
    (void)p;
    ask_payment(c, ASK_AUTHORISE, q, ret);
}

static void capture(struct provider *p, struct call *c, const struct provider_payment *q,
                    struct provider_answer *ret)
{
    (void)p;
    ask_payment(c, ASK_CAPTURE, q, ret);
}

static void void_payment(struct provider *p, struct call *c, const struct provider_payment *q,
                         struct provider_answer *ret)
{
    (void)p;
    ask_payment(c, ASK_VOID, q, ret);
}

static void inquire(struct provider *p, struct call *c, const struct provider_payment *q,
                    struct provider_answer *ret)
{
    (void)p;
    ask_payment(c, ASK_INQUIRE, q, ret);
}

static void refund(struct provider *p, struct call *c, const struct provider_refund *q,
                   struct provider_answer *ret)
{
    (void)p;
    if (!world.refund_reserved)
        world.fault = "a refund was sent that is not committed";
    if (q->payment_reference.n == 0)
        world.fault = "a refund of no payment";
    ask(c, ASK_REFUND, q->amount_minor, q->currency, ret);
}

static void inquire_refund(struct provider *p, struct call *c, const struct provider_refund *q,
                           struct provider_answer *ret)
{
    (void)p;
    ask(c, ASK_INQUIRE, q->amount_minor, q->currency, ret);
}

static const struct provider_ops ops = {
    .name = "torture",
    .authorise = authorise,
    .capture = capture,
    .void_payment = void_payment,
    .inquire = inquire,
    .refund = refund,
    .inquire_refund = inquire_refund,
};

struct provider fake_provider = {.ops = &ops};
