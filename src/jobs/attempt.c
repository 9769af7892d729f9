/* The completer: goes on with an attempt whose call died, whose outcome is not known, or whose
 * money is still to be taken or given back. One internal call per claimed attempt: ask, decide,
 * act, write down. What must stay true: it may stop anywhere and be run again by anybody. */
#include "base/check.h"
#include "jobs/internal.h"

struct attempt {
    struct provider_payment payment;
    struct provider_answer answer; /* to the inquiry */
    struct provider_answer acted;  /* to the capture or void */
    enum jobs_plan plan;
    struct payment_authorised_row authorised;
    struct payment_captured_row captured;
    struct payment_failed_row failed;
    struct payment_wait_row wait;
    struct payment_attention_row attention;
};

static const struct jobs_item *item_of(const struct call *c)
{
    return call_request(c);
}

static enum step ask(struct call *c)
{
    struct attempt *s = c->state;
    const struct jobs_item *item = item_of(c);
    s->payment = (struct provider_payment){
        .attempt_id = item->id,
        .reference = str_of(item->reference),
        .amount_minor = item->amount_minor,
        .currency = str_of(item->currency),
        .try_count = (uint32_t)item->inquiry_count + 1,
    };
    provider_inquire(c, &s->payment, &s->answer);
    return STEP_NEXT;
}

/* ---- what is written down ---- */

static void submit_captured(struct call *c)
{
    struct attempt *s = c->state;
    const struct jobs_item *item = item_of(c);
    payment_captured(c, &s->captured, item->booking_id, item->id, uuid_v7(app_of(c)->clock));
}

static void submit_failed(struct call *c, struct str outcome, struct str code)
{
    struct attempt *s = c->state;
    const struct jobs_item *item = item_of(c);
    const int32_t look_s = 60; /* an attempt that was not received is looked for once more, should
                                  it turn up after all */
    bool missing = str_eq(outcome, STR("NOT_RECEIVED"));
    payment_failed(c, &s->failed, item->booking_id, item->id, outcome, code, s->answer.decline_code,
                   s->answer.reference, missing ? &look_s : NULL, false, (struct uuid){{0}}, 0,
                   NULL);
}

/* @due_s NULL: the machine stops. */
static void submit_attention(struct call *c, const char *kind, bool counts, const int32_t *due_s)
{
    struct attempt *s = c->state;
    const struct jobs_item *item = item_of(c);
    char id[UUID_TEXT_LEN + 1];
    uuid_format(item->id, id);
    payment_attention(
        c, &s->attention, item->booking_id, item->id, uuid_v7(app_of(c)->clock), str_of(kind),
        str_of(arena_printf(&c->arena, "attempt %s is %s; the provider says %s %.*s", id,
                            item->state, provider_outcome_name(s->answer.outcome),
                            (int)s->answer.code.n, s->answer.code.n > 0 ? s->answer.code.p : "")),
        due_s == NULL, counts, due_s);
}

static void submit_wait(struct call *c, struct str state)
{
    struct attempt *s = c->state;
    const struct jobs_item *item = item_of(c);
    bool acted = s->plan == PLAN_CAPTURE || s->plan == PLAN_VOID;
    /* Polls for the customer say nothing of how the provider does. */
    bool counts = acted || (s->answer.outcome != PROVIDER_ACTION_REQUIRED &&
                            checkout_inquiry_counts(item->inquiry_count, s->answer.is_silent));
    s->answer.is_silent |= s->acted.is_silent;
    struct jobs_item now = *item;
    now.inquiry_count = (int32_t)s->payment.try_count - 1; /* anew where act() began anew */
    if (s->authorised.found)
        jobs_word(now.state, STR("AUTHORIZED"));
    int32_t due_s =
        jobs_next_look_s(&now, &s->answer, (int32_t)app_of(c)->limits.provider_visibility_seconds);
    if (jobs_is_overdue(item))
        submit_attention(c, "PAYMENT_UNRESOLVED", counts, &due_s);
    else
        payment_wait(c, &s->wait, item->booking_id, item->id, state, s->answer.reference,
                     s->answer.redirect_url, counts, &due_s);
}

/* ---- decide, act ---- */

static void carry_out(struct call *c)
{
    struct attempt *s = c->state;
    const struct jobs_item *item = item_of(c);
    switch (s->plan) {
    case PLAN_SETTLE:
        checkout_submit_authorised(c, &s->authorised, item->booking_id, item->id, &s->answer);
        break;
    case PLAN_TAKEN:
        submit_captured(c);
        break;
    case PLAN_DECLINED:
        submit_failed(c, STR("DECLINED"), s->answer.code);
        break;
    case PLAN_MISSING:
        submit_failed(c, STR("NOT_RECEIVED"), STR("NOT_RECEIVED"));
        break;
    case PLAN_REVERSED:
        submit_failed(c, STR("REVERSED"), STR("canceled"));
        break;
    case PLAN_WAIT:
        submit_wait(c, STR("UNKNOWN"));
        break;
    case PLAN_ACTION:
        submit_wait(c, STR("ACTION_REQUIRED"));
        break;
    case PLAN_FORGET:
        payment_wait(c, &s->wait, item->booking_id, item->id, STR("UNKNOWN"), (struct str){0},
                     (struct str){0}, true, NULL);
        break;
    case PLAN_ATTENTION:
        submit_attention(c, "PAYMENT_IMPOSSIBLE", true, NULL);
        break;
    case PLAN_CAPTURE:
    case PLAN_VOID:
        break; /* the provider first */
    }
}

static const char *plan_name(enum jobs_plan plan)
{
    static const char *const names[] = {
        [PLAN_WAIT] = "WAIT",       [PLAN_SETTLE] = "SETTLE",       [PLAN_CAPTURE] = "CAPTURE",
        [PLAN_TAKEN] = "TAKEN",     [PLAN_VOID] = "VOID",           [PLAN_DECLINED] = "DECLINED",
        [PLAN_MISSING] = "MISSING", [PLAN_REVERSED] = "REVERSED",   [PLAN_ACTION] = "ACTION",
        [PLAN_FORGET] = "FORGET",   [PLAN_ATTENTION] = "ATTENTION",
    };
    return names[plan];
}

static enum step decide(struct call *c)
{
    struct attempt *s = c->state;
    const struct jobs_item *item = item_of(c);
    if (provider_moved(s->answer.outcome) &&
        !checkout_agrees(&s->answer, item->amount_minor, str_of(item->currency)))
        s->answer.outcome = PROVIDER_UNKNOWN;
    if (s->answer.reference.n > 0)
        s->payment.reference = s->answer.reference;
    s->plan =
        jobs_plan_of(item, &s->answer, (int32_t)app_of(c)->limits.provider_visibility_seconds);
    /* Nothing new of a customer at the bank is no news. */
    if (s->plan != PLAN_WAIT || s->answer.outcome != PROVIDER_ACTION_REQUIRED) {
        call_note(c, "attempt", "%s", item->state);
        call_note(c, "provider", "%s", provider_outcome_name(s->answer.outcome));
        call_note(c, "plan", "%s", plan_name(s->plan));
    }
    carry_out(c);
    return STEP_NEXT;
}

/* Settled: the booking decides whether the money is taken or given back. */
static enum step act(struct call *c)
{
    struct attempt *s = c->state;
    if (s->plan == PLAN_SETTLE) {
        if (!s->authorised.found || s->answer.outcome == PROVIDER_CAPTURED)
            return STEP_NEXT;
        s->plan = str_eq(s->authorised.outcome, STR("LATE")) ? PLAN_VOID : PLAN_CAPTURE;
        if (s->plan == PLAN_CAPTURE) /* its first, whatever was tried before */
            s->payment.try_count = 1;
    }
    if (s->plan == PLAN_CAPTURE)
        provider_capture(c, &s->payment, &s->acted);
    else if (s->plan == PLAN_VOID)
        provider_void(c, &s->payment, &s->acted);
    return STEP_NEXT;
}

static enum step write_down(struct call *c)
{
    struct attempt *s = c->state;
    const struct jobs_item *item = item_of(c);
    if (s->plan != PLAN_CAPTURE && s->plan != PLAN_VOID)
        return STEP_NEXT;
    if (s->acted.outcome == PROVIDER_CAPTURED &&
        checkout_agrees(&s->acted, item->amount_minor, str_of(item->currency))) {
        submit_captured(c);
    } else if (s->acted.outcome == PROVIDER_CANCELLED && s->plan == PLAN_VOID) {
        /* As checkout.c tells it: nobody can prove who he is, so repeating it does not help. */
        bool is_stuck = provider_is_stuck(&s->answer) && !item->pin_passed;
        submit_failed(c, STR("REVERSED"),
                      is_stuck ? STR("authentication_required") : STR("canceled"));
    } else if (s->acted.outcome == PROVIDER_DECLINED && s->plan == PLAN_CAPTURE) {
        s->answer.code = s->acted.code;
        submit_attention(c, "CAPTURE_REFUSED", true, NULL);
    } else {
        submit_wait(c, STR("UNKNOWN"));
    }
    return STEP_NEXT;
}

static enum step end(struct call *c)
{
    return call_reply(c, NULL);
}

static const struct step_def steps[] = {
    STEP(ask), STEP(decide), STEP(act), STEP(write_down), STEP(end),
};

const struct rpc_handler jobs_attempt_handler = {
    .method = "CompleteAttempt",
    RPC_STEPS(steps, struct attempt),
};
