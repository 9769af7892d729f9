/* Refunds that are due: sent if they were only set aside, else asked for. One internal call per
 * claimed refund. What must stay true: a refund is sent again only after the provider, which lists
 * a payment's refunds soon after they are made, does not know it and never acknowledged it; and
 * under the same key, so that a request that was merely slow is not done twice, unless that key was
 * answered with an error. */
#include "jobs/internal.h"

struct refund {
    struct provider_refund refund;
    struct provider_answer answer;
    bool sends;
    union checkout_refund_rows settled;
};

static enum step ask(struct call *c)
{
    struct refund *s = c->state;
    const struct jobs_item *item = call_request(c);
    s->refund = (struct provider_refund){
        .refund_id = item->id,
        .payment_reference = str_of(item->reference),
        .amount_minor = item->amount_minor,
        .currency = str_of(item->currency),
        .try_count = (uint32_t)item->try_count,
    };
    s->sends = strcmp(item->state, "RESERVED") == 0;
    if (s->sends)
        provider_refund(c, &s->refund, &s->answer);
    else
        provider_inquire_refund(c, &s->refund, &s->answer);
    return STEP_NEXT;
}

static void not_found(struct call *c)
{
    struct refund *s = c->state;
    const struct jobs_item *item = call_request(c);
    int64_t rest_s = app_of(c)->limits.provider_visibility_seconds - item->age_s;
    bool again = rest_s <= 0 && !item->is_known;
    int32_t due_s = checkout_inquiry_s(item->inquiry_count, false);
    if (again) /* at once; where it answers and does nothing, ever more seldom */
        due_s = item->try_count > 0 ? checkout_inquiry_s(item->try_count - 1, false) : 0;
    else if (!item->is_known && due_s > rest_s)
        due_s = (int32_t)rest_s;
    payment_refund_wait(c, &s->settled.wait, item->booking_id, item->id,
                        again ? STR("RESERVED") : STR("UNKNOWN"), (struct str){0}, false,
                        item->inquiry_count + 1, due_s, uuid_v7(app_of(c)->clock));
}

static enum step settle(struct call *c)
{
    struct refund *s = c->state;
    const struct jobs_item *item = call_request(c);
    call_note(c, "refund", "%s", item->state);
    call_note(c, "provider", "%s", provider_outcome_name(s->answer.outcome));
    /* Inquiries are counted from when it was sent. */
    int32_t inquiries =
        s->sends && s->answer.outcome != PROVIDER_NOT_SENT ? 0 : item->inquiry_count;
    if (s->answer.outcome == PROVIDER_NOT_SENT && !s->sends)
        s->answer.outcome = PROVIDER_UNKNOWN; /* only the inquiry was not sent */
    if (s->answer.outcome == PROVIDER_NOT_FOUND)
        not_found(c);
    else
        checkout_settle_refund(c, &s->settled, item->booking_id, &s->refund, &s->answer, inquiries);
    return STEP_NEXT;
}

static enum step end(struct call *c)
{
    return call_reply(c, NULL);
}

static const struct step_def steps[] = {
    STEP(ask),
    STEP(settle),
    STEP(end),
};

const struct rpc_handler jobs_refund_handler = {
    .method = "CompleteRefund",
    RPC_STEPS(steps, struct refund),
};
