/* Questions to a provider that speaks Stripe's HTTP: forms out, JSON back (stripe_read.c
 * understands it). What must stay true: every request that moves money carries an idempotency key
 * made of our id and the operation, so that sending it again is safe; and the call is told only
 * after its answer is filled. */
#include <stdarg.h>
#include <stdio.h>

#include "base/buf.h"
#include "base/check.h"
#include "services/shared/provider_internal.h"

#define TRACE_HEADERS_MAX 16   /* one of each name, and then some */
#define DEADLINE_MARGIN_MS 400 /* left to the caller for writing down what the answer was */

/* The operation that the call waits for; it waits for HTTP itself, so that the answer is read in
 * between. */
struct ask {
    struct op op;
    struct op_scope http_scope;
    struct http_response response;
    struct stripe_question question;
    struct provider_answer *answer;
};

static void on_response(struct op_scope *scope)
{
    struct ask *ask = list_entry(scope, struct ask, http_scope);
    stripe_read(scope->arena, &ask->question, &ask->response, ask->answer);
    /* The call may end in here and take this memory with it. */
    op_done(&ask->op, NULL);
}

static void on_detach(struct op *op)
{
    op_scope_detach_all(&list_entry(op, struct ask, op)->http_scope);
}

/* An answer that comes after the caller has gone helps nobody: better "not known yet" in time. */
static uint32_t timeout_ms(const struct provider *p, const struct call *c)
{
    int64_t left_ms =
        (call_deadline_ns(c) - clock_mono_ns(app_of(c)->clock)) / NS_PER_MS - DEADLINE_MARGIN_MS;
    if (left_ms >= p->timeout_ms)
        return p->timeout_ms;
    return left_ms > 1 ? (uint32_t)left_ms : 1;
}

static void form_add(struct call *c, struct str *form, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* @format brings name and value; values are numbers, our ids, provider ids and tokens, all checked
 * to be URL-safe. */
static void form_add(struct call *c, struct str *form, const char *format, ...)
{
    va_list args, again;
    va_start(args, format);
    va_copy(again, args);
    int n = vsnprintf(NULL, 0, format, args);
    va_end(args);
    CHECK(n > 0);
    char *p = arena_alloc(&c->arena, form->n + (size_t)n + 2);
    if (form->n > 0)
        memcpy(p, form->p, form->n);
    size_t at = form->n;
    if (at > 0)
        p[at++] = '&';
    vsnprintf(p + at, (size_t)n + 1, format, again);
    va_end(again);
    *form = (struct str){.p = p, .n = at + (size_t)n};
}

/* What is not unreserved in a URL as %XX: tokens and provider ids come from outside. */
static const char *encoded(struct call *c, struct str s)
{
    static const char hex[] = "0123456789ABCDEF";
    char *p = arena_alloc(&c->arena, 3 * s.n + 1), *q = p;
    for (size_t i = 0; i < s.n; i++) {
        unsigned char b = (unsigned char)s.p[i];
        bool plain = (b >= 'a' && b <= 'z') || (b >= 'A' && b <= 'Z') || (b >= '0' && b <= '9') ||
                     b == '_' || b == '-' || b == '.';
        if (plain) {
            *q++ = (char)b;
        } else {
            *q++ = '%';
            *q++ = hex[b >> 4];
            *q++ = hex[b & 15];
        }
    }
    *q = '\0';
    return p;
}

static void question_of(struct stripe_question *q, enum stripe_operation operation, struct uuid id,
                        int64_t amount_minor, struct str currency, uint32_t try_count)
{
    *q = (struct stripe_question){
        .operation = operation, .amount_minor = amount_minor, .try_count = try_count};
    uuid_format(id, q->reference);
    for (size_t i = 0; i < currency.n && i < 3; i++)
        q->currency[i] = (char)(currency.p[i] | 0x20);
}

/* "Name: value" of what tracing carries on. Returns how many. */
static size_t trace_headers(struct call *c, const char *ret_headers[static TRACE_HEADERS_MAX])
{
    size_t count = 0;
    unsigned at = 0;
    struct str name, value;
    while (count < TRACE_HEADERS_MAX && call_trace_next(c, &at, &name, &value))
        ret_headers[count++] =
            arena_printf(&c->arena, "%.*s: %.*s", (int)name.n, name.p, (int)value.n, value.p);
    return count;
}

/* @form empty: GET. @operation names the key. */
static void ask(struct provider *p, struct call *c, const struct stripe_question *question,
                const char *path, struct str form, const char *operation,
                struct provider_answer *ret)
{
    struct ask *ask = arena_alloc(&c->arena, sizeof *ask);
    const char *headers[2 + TRACE_HEADERS_MAX] = {p->authorization};
    struct http_request request = {
        .method = form.n > 0 ? HTTP_POST : HTTP_GET,
        .url = arena_printf(&c->arena, "%s%s", p->url, path),
        .headers = headers,
        .headers_count = 1,
        .body = form,
        .timeout_ms = timeout_ms(p, c),
        .repeatable = true,
    };
    if (form.n > 0)
        headers[request.headers_count++] =
            arena_printf(&c->arena, "Idempotency-Key: %s-%s-%u", question->reference, operation,
                         question->try_count);
    request.headers_count += trace_headers(c, headers + request.headers_count);
    ask->question = *question;
    ask->answer = ret;
    op_scope_init(&ask->http_scope, &c->arena, on_response);
    if (http_send(p->http, &ask->http_scope, &request, &ask->response) < 0) {
        *ret = (struct provider_answer){
            .outcome = PROVIDER_NOT_SENT, .code = STR("not_sent"), .is_silent = true};
        return;
    }
    op_start(&ask->op, &c->scope, on_detach);
}

static void authorise(struct provider *p, struct call *c, const struct provider_payment *q,
                      struct provider_answer *ret)
{
    struct stripe_question question;
    struct str form = {0};
    question_of(&question, STRIPE_AUTHORISE, q->attempt_id, q->amount_minor, q->currency, 0);
    form_add(c, &form, "amount=%lld", (long long)q->amount_minor);
    form_add(c, &form, "currency=%s", question.currency);
    form_add(c, &form, "payment_method=%s", encoded(c, q->method_token));
    form_add(
        c, &form,
        "payment_method_types[]=card&capture_method=manual&confirm=true&expand[]=latest_charge");
    if (p->return_url.n > 0)
        form_add(c, &form, "return_url=%s", encoded(c, p->return_url));
    form_add(c, &form, "metadata[reference]=%s", question.reference);
    ask(p, c, &question, "/v1/payment_intents", form, "authorise", ret);
}

static void capture(struct provider *p, struct call *c, const struct provider_payment *q,
                    struct provider_answer *ret)
{
    struct stripe_question question;
    struct str form = {0};
    question_of(&question, STRIPE_CAPTURE, q->attempt_id, q->amount_minor, q->currency,
                q->try_count);
    form_add(c, &form, "amount_to_capture=%lld", (long long)q->amount_minor);
    ask(p, c, &question,
        arena_printf(&c->arena, "/v1/payment_intents/%s/capture", encoded(c, q->reference)), form,
        "capture", ret);
}

static void void_payment(struct provider *p, struct call *c, const struct provider_payment *q,
                         struct provider_answer *ret)
{
    struct stripe_question question;
    struct str form = {0};
    question_of(&question, STRIPE_VOID, q->attempt_id, q->amount_minor, q->currency, q->try_count);
    form_add(c, &form, "cancellation_reason=abandoned");
    ask(p, c, &question,
        arena_printf(&c->arena, "/v1/payment_intents/%s/cancel", encoded(c, q->reference)), form,
        "void", ret);
}

/* By its id where that is known: what the search finds may be up to a minute old. */
static void inquire(struct provider *p, struct call *c, const struct provider_payment *q,
                    struct provider_answer *ret)
{
    struct stripe_question question;
    question_of(&question, STRIPE_INQUIRE, q->attempt_id, q->amount_minor, q->currency, 0);
    const char *path =
        q->reference.n > 0
            ? arena_printf(&c->arena, "/v1/payment_intents/%s?expand[]=latest_charge",
                           encoded(c, q->reference))
            : arena_printf(&c->arena,
                           "/v1/payment_intents/search?expand[]=data.latest_charge&"
                           "query=metadata[%%27reference%%27]:%%27%s%%27",
                           question.reference);
    ask(p, c, &question, path, (struct str){0}, "", ret);
}

static void refund(struct provider *p, struct call *c, const struct provider_refund *q,
                   struct provider_answer *ret)
{
    struct stripe_question question;
    struct str form = {0};
    question_of(&question, STRIPE_REFUND, q->refund_id, q->amount_minor, q->currency, q->try_count);
    form_add(c, &form, "payment_intent=%s", encoded(c, q->payment_reference));
    form_add(c, &form, "amount=%lld", (long long)q->amount_minor);
    form_add(c, &form, "metadata[reference]=%s", question.reference);
    ask(p, c, &question, "/v1/refunds", form, "refund", ret);
}

/* Stripe cannot search refunds; a payment has few, so all of them are read. */
static void inquire_refund(struct provider *p, struct call *c, const struct provider_refund *q,
                           struct provider_answer *ret)
{
    struct stripe_question question;
    question_of(&question, STRIPE_INQUIRE_REFUND, q->refund_id, q->amount_minor, q->currency, 0);
    ask(p, c, &question,
        arena_printf(&c->arena, "/v1/refunds?limit=100&payment_intent=%s",
                     encoded(c, q->payment_reference)),
        (struct str){0}, "", ret);
}

const struct provider_ops provider_stripe = {
    .name = "stripe",
    .authorise = authorise,
    .capture = capture,
    .void_payment = void_payment,
    .inquire = inquire,
    .refund = refund,
    .inquire_refund = inquire_refund,
};
