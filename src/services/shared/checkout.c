/* See checkout.h. Handlers have these steps in their tables; the completer shares the parts below.
 * What must stay true: an answer is believed only when it agrees with what was asked, and every way
 * out of a step leaves the attempt in a state that the completer can go on from. */
#include "services/shared/checkout.h"

#include "base/check.h"
#include "services/shared/seal.h"

#define PATIENCE_MARGIN_S 5
#define UNKNOWN_FIRST_S 2 /* the first inquiry after an outcome that is not known */
#define SILENCE_MAX_S 300 /* what a provider's failure held up goes on soon after it */

/* Names like pm_card_visa are shared by everybody who tests: no card, so they are counted per user.
 * With two underscores and something behind them they are one (see src/sandbox/README.md). */
static struct uuid card_key(struct call *c, struct str token)
{
    struct uuid user = {{0}}, key;
    uint8_t seal[SEAL_BYTES];
    bool is_name = str_starts(token, STR("pm_card_")) || str_starts(token, STR("pm_sandbox_"));
    if (is_name && !memmem(token.p, token.n, "__", 2))
        user = c->principal.user_id;
    const struct str parts[] = {STR("payment method"), token, str_bytes(user.b, sizeof user.b)};
    seal_mac(app_of(c)->keys->fingerprint, parts, 3, seal);
    memcpy(key.b, seal, sizeof key.b);
    return key;
}

int32_t checkout_patience_s(const struct app *app)
{
    return (int32_t)(app->limits.provider_timeout_ms / 1000) + PATIENCE_MARGIN_S;
}

int32_t checkout_inquiry_s(int32_t count, bool is_silent)
{
    static const int32_t schedule[] = {2, 10, 60, 300, 3600, 86400};
    int32_t last = (int32_t)(sizeof schedule / sizeof schedule[0]) - 1;
    int32_t next_s = schedule[count < 0 ? 0 : count > last ? last : count];
    return is_silent && next_s > SILENCE_MAX_S ? SILENCE_MAX_S : next_s;
}

bool checkout_inquiry_counts(int32_t count, bool is_silent)
{
    return !is_silent || checkout_inquiry_s(count, false) < SILENCE_MAX_S;
}

bool checkout_agrees(const struct provider_answer *answer, int64_t amount_minor,
                     struct str currency)
{
    if (answer->amount_minor != amount_minor || answer->currency.n != currency.n)
        return false;
    for (size_t i = 0; i < currency.n; i++)
        if ((answer->currency.p[i] | 0x20) != (currency.p[i] | 0x20))
            return false;
    return answer->reference.n > 0;
}

/* ---- steps ---- */

static bool is_going(const struct checkout *s)
{
    return !s->is_off && s->start.claimed && !s->start.has_refusal;
}

enum step checkout_start(struct call *c)
{
    struct checkout *s = c->state;
    const struct app *app = app_of(c);
    if (s->is_off)
        return STEP_NEXT;
    CHECK(!c->scope.want_tx); /* the attempt is committed before a byte leaves */
    s->attempt_id = uuid_v7(app->clock);
    payment_start(
        c, &s->start, s->booking_id, c->principal.user_id, (int16_t)s->method, c->request_id,
        idempotency_fingerprint(c), s->intent_id, s->is_new, s->attempt_id,
        s->has_amount ? &s->amount_minor : NULL, s->has_amount ? s->currency : (struct str){0},
        s->has_etag ? &s->etag_us : NULL, str_of(provider_name(app)), s->method_token,
        card_key(c, s->method_token), (int32_t)app->limits.pay_attempts_user_max,
        (int32_t)app->limits.pay_attempts_card_max, (int32_t)app->limits.pay_attempts_booking_max,
        checkout_patience_s(app), (int32_t)app->limits.pin_seconds);
    return STEP_NEXT;
}

static struct provider_payment payment_of(const struct checkout *s)
{
    return (struct provider_payment){
        .attempt_id = s->attempt_id,
        .method_token = s->method_token,
        .reference = s->answer.reference,
        .amount_minor = s->start.amount_minor,
        .currency = s->start.currency,
    };
}

enum step checkout_authorise(struct call *c)
{
    struct checkout *s = c->state;
    if (!is_going(s))
        return STEP_NEXT;
    struct provider_payment payment = payment_of(s);
    provider_authorise(c, &payment, &s->answer);
    return STEP_NEXT;
}

/* "visa 4242"; empty where the provider did not tell. */
static struct str checkout_card(struct arena *arena, const struct provider_answer *answer)
{
    if (answer->card_brand.n == 0 || answer->card_last4.n == 0)
        return (struct str){0};
    return str_of(arena_printf(arena, "%s %s", answer->card_brand.p, answer->card_last4.p));
}

void checkout_submit_authorised(struct call *c, struct payment_authorised_row *ret,
                                struct uuid booking_id, struct uuid attempt_id,
                                const struct provider_answer *answer)
{
    uint8_t seal[SEAL_BYTES];
    struct str fingerprint = {0};
    if (answer->card_fingerprint.n > 0) {
        const struct str parts[] = {STR("card fingerprint"), answer->card_fingerprint};
        seal_mac(app_of(c)->keys->fingerprint, parts, 2, seal);
        fingerprint = str_bytes(seal, sizeof seal);
    }
    payment_authorised(c, ret, booking_id, attempt_id, answer->reference, fingerprint,
                       checkout_card(&c->arena, answer), answer->outcome == PROVIDER_CAPTURED,
                       uuid_v7(app_of(c)->clock), checkout_patience_s(app_of(c)));
}

/* No money moved. Only an attempt that never left may be forgotten together with its request. */
static void submit_failed(struct call *c, struct checkout *s)
{
    bool forget = s->answer.outcome == PROVIDER_NOT_SENT;
    const struct str missing = STR("NOT_RECEIVED");
    payment_failed(c, &s->failed, s->booking_id, s->attempt_id, forget ? missing : STR("DECLINED"),
                   forget ? missing : s->answer.code, s->answer.decline_code, s->answer.reference,
                   NULL, forget && s->is_new, c->principal.user_id, (int16_t)s->method,
                   forget ? &c->request_id : NULL);
}

static void submit_wait(struct call *c, struct checkout *s, struct str state)
{
    const int32_t due_s = UNKNOWN_FIRST_S;
    payment_wait(c, &s->wait, s->booking_id, s->attempt_id, state, s->answer.reference,
                 s->answer.redirect_url, false, &due_s);
}

/* As much as was asked for. */
static bool moved_money(const struct checkout *s)
{
    return provider_moved(s->answer.outcome) &&
           checkout_agrees(&s->answer, s->start.amount_minor, s->start.currency);
}

enum step checkout_settle(struct call *c)
{
    struct checkout *s = c->state;
    if (!is_going(s))
        return STEP_NEXT;
    call_note(c, "provider", "%s", provider_outcome_name(s->answer.outcome));
    if (s->answer.code.n > 0)
        call_note(c, "provider_code", "%s", s->answer.code.p);
    if (moved_money(s)) {
        checkout_submit_authorised(c, &s->authorised, s->booking_id, s->attempt_id, &s->answer);
        return STEP_NEXT;
    }
    s->is_stuck = provider_is_stuck(&s->answer);
    if (s->is_stuck)
        return STEP_NEXT;
    switch (s->answer.outcome) {
    case PROVIDER_DECLINED:
    case PROVIDER_NOT_SENT:
        submit_failed(c, s);
        break;
    case PROVIDER_ACTION_REQUIRED:
        submit_wait(c, s, STR("ACTION_REQUIRED"));
        break;
    default: /* the completer asks, and understands more */
        submit_wait(c, s, STR("UNKNOWN"));
        break;
    }
    return STEP_NEXT;
}

static bool is_sold(const struct checkout *s)
{
    return is_going(s) && str_eq(s->authorised.outcome, STR("DONE"));
}

enum step checkout_capture(struct call *c)
{
    struct checkout *s = c->state;
    struct provider_payment payment = payment_of(s);
    if (s->is_stuck)
        provider_void(c, &payment, &s->capture);
    else if (is_sold(s) && s->answer.outcome != PROVIDER_CAPTURED)
        provider_capture(c, &payment, &s->capture);
    return STEP_NEXT;
}

/* A decline like any other, once it is certain that nothing can come of it. */
static void record_stuck(struct call *c, struct checkout *s)
{
    if (s->capture.outcome != PROVIDER_CANCELLED) {
        s->answer.outcome = PROVIDER_UNKNOWN;
        submit_wait(c, s, STR("UNKNOWN"));
        return;
    }
    s->answer.outcome = PROVIDER_DECLINED;
    s->answer.code = STR("authentication_required");
    submit_failed(c, s);
}

enum step checkout_record(struct call *c)
{
    struct checkout *s = c->state;
    if (s->is_stuck) {
        record_stuck(c, s);
        return STEP_NEXT;
    }
    if (!is_sold(s) || s->answer.outcome == PROVIDER_CAPTURED)
        return STEP_NEXT;
    if (s->capture.outcome == PROVIDER_CAPTURED &&
        checkout_agrees(&s->capture, s->start.amount_minor, s->start.currency))
        payment_captured(c, &s->captured, s->booking_id, s->attempt_id, uuid_v7(app_of(c)->clock));
    else
        submit_wait(c, s, STR("UNKNOWN")); /* stays AUTHORIZED: the customer has the seats, the
                                              completer takes the money */
    return STEP_NEXT;
}

/* ---- the answer ---- */

enum checkout_said checkout_said(const struct checkout *s)
{
    if (s->start.has_refusal && s->start.claimed)
        return CHECKOUT_REFUSED;
    if (!s->start.claimed)
        return CHECKOUT_REPEATED;
    return s->answer.outcome == PROVIDER_NOT_SENT ? CHECKOUT_UNAVAILABLE : CHECKOUT_DONE;
}

static bool view_sold(const struct checkout *s, struct payment_view *v)
{
    v->state = v->attempt_state = STR("AUTHORIZED");
    v->authorised_minor = v->amount_minor;
    v->update_us = s->authorised.update_time;
    v->inquiry_us = 0;
    bool at_once = s->answer.outcome == PROVIDER_CAPTURED;
    if (!at_once && s->capture.outcome != PROVIDER_CAPTURED)
        return s->wait.done;
    v->state = v->attempt_state = STR("CAPTURED");
    v->captured_minor = v->amount_minor;
    if (!at_once)
        v->update_us = s->captured.update_time;
    return at_once || s->captured.done;
}

bool checkout_view(struct call *c, const struct checkout *s, struct payment_view *ret_view)
{
    CHECK(is_going(s));
    struct payment_view *v = ret_view;
    const struct app *app = app_of(c);
    *v = (struct payment_view){
        .booking_id = s->booking_id,
        .intent_id = s->intent_id,
        .attempt_id = s->attempt_id,
        .state = STR("PROCESSING"),
        .currency = s->start.currency,
        .amount_minor = s->start.amount_minor,
        .create_us = s->start.create_time,
        .update_us = s->start.update_time,
        .pin_us = s->start.update_time + app->limits.pin_seconds * US_PER_S,
        .attempt_state = STR("UNKNOWN"),
        .provider = str_of(provider_name(app)),
        .provider_reference = s->answer.reference,
        .card = checkout_card(&c->arena, &s->answer),
        .attempt_create_us = s->start.update_time,
        .inquiry_us = s->wait.update_time + UNKNOWN_FIRST_S * US_PER_S,
    };
    if (moved_money(s))
        return is_sold(s) && view_sold(s, v);
    if (s->answer.outcome == PROVIDER_DECLINED) {
        bool expired = str_eq(s->failed.booking_state, STR("EXPIRED"));
        v->state = expired ? STR("EXPIRED") : STR("REQUIRES_PAYMENT_METHOD");
        v->attempt_state = STR("DECLINED");
        v->error_code = s->answer.code;
        v->decline_code = s->answer.decline_code;
        v->update_us = s->failed.update_time;
        v->inquiry_us = 0;
        return s->failed.done;
    }
    if (s->answer.outcome == PROVIDER_ACTION_REQUIRED) {
        v->state = STR("REQUIRES_ACTION");
        v->attempt_state = STR("ACTION_REQUIRED");
        v->redirect_url = s->answer.redirect_url;
        v->update_us = s->wait.update_time;
    }
    return s->wait.done;
}

/* ---- refunds ---- */

void checkout_settle_refund(struct call *c, union checkout_refund_rows *ret, struct uuid booking_id,
                            const struct provider_refund *refund,
                            const struct provider_answer *answer, int32_t inquiries)
{
    const struct app *app = app_of(c);
    bool agrees = checkout_agrees(answer, refund->amount_minor, refund->currency);
    struct uuid item_id = uuid_v7(app->clock);
    if (answer->outcome == PROVIDER_REFUND_SUCCEEDED && agrees) {
        payment_refund_succeeded(c, &ret->succeeded, booking_id, refund->refund_id,
                                 answer->reference, answer->is_twice ? &item_id : NULL);
        return;
    }
    if (answer->outcome == PROVIDER_REFUND_FAILED) {
        payment_refund_failed(c, &ret->failed, booking_id, refund->refund_id,
                              answer->code.n > 0 ? answer->code : STR("refund_failed"), item_id);
        return;
    }
    struct str state = answer->outcome == PROVIDER_NOT_SENT         ? STR("RESERVED")
                       : answer->outcome == PROVIDER_REFUND_PENDING ? STR("SENT")
                                                                    : STR("UNKNOWN");
    payment_refund_wait(c, &ret->wait, booking_id, refund->refund_id, state, answer->reference,
                        answer->key_spent,
                        inquiries + checkout_inquiry_counts(inquiries, answer->is_silent),
                        checkout_inquiry_s(inquiries, answer->is_silent), item_id);
}
