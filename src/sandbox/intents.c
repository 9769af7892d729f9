/* Payment intents: create, confirm, capture, cancel, authenticate; find and list.
 * Called through the route table; money moves only in authorise() and take().
 * What must stay true: captured <= authorised; a status changes only along Stripe's arrows. */
#include "sandbox/internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/str.h"

static void answer_intent(struct request *request, const struct intent *intent,
                          struct answer *answer)
{
    answer_json(answer,
                intent_json(intent, request->now_ms, request->psp->options->authorization_ttl_ms));
}

/* Whatever changed: journalled, told to the webhooks, answered. */
static void changed(struct request *request, struct intent *intent, const char *event,
                    struct answer *answer)
{
    struct psp *psp = request->psp;
    journal_intent(&psp->journal, intent);
    answer_intent(request, intent, answer);
    webhooks_emit(psp->webhooks, event, answer->json, request->now_ms,
                  answer->fault == FAULT_TWICE ? 2 : 1, answer->delay_ms);
}

static void answer_unexpected_state(struct request *request, const struct intent *intent,
                                    struct answer *answer)
{
    answer_error(answer, 400, "invalid_request_error", "payment_intent_unexpected_state", NULL,
                 "The status of this PaymentIntent does not allow this operation.");
    json_t *json =
        intent_json(intent, request->now_ms, request->psp->options->authorization_ttl_ms);
    json_object_set_new(json_object_get(answer->json, "error"), "payment_intent", json);
}

/* The intent in the path, its authorisation lapsed if it is time; else 404 is the answer. */
static struct intent *intent_in_path(struct request *request, struct answer *answer)
{
    struct intent *intent = books_intent(&request->psp->books, request->object_id);
    bool inquiry = strcmp(request->method, "GET") == 0;
    if (!intent || (inquiry && request->now_ms < intent->hidden_until_ms)) {
        answer_bad_param(answer, "resource_missing", "id", "No such payment_intent.");
        return NULL;
    }
    if (books_intent_settle(intent, request->now_ms, request->psp->options->authorization_ttl_ms))
        journal_intent(&request->psp->journal, intent);
    return intent;
}

static void authorise(struct intent *intent, int64_t now_ms)
{
    CHECK(intent->authorized_minor == 0);
    sandbox_id(intent->charge_id, "ch_");
    intent->authorized_minor = intent->amount_minor;
    intent->authorized_ms = now_ms;
    intent->declined = false;
    intent->status = INTENT_REQUIRES_CAPTURE;
}

static void take(struct intent *intent, int64_t minor)
{
    CHECK(intent->captured_minor == 0);
    CHECK(minor > 0 && minor <= intent->authorized_minor);
    intent->captured_minor = minor;
    intent->status = INTENT_SUCCEEDED;
}

static void decline(struct request *request, struct intent *intent, struct answer *answer)
{
    const struct magic *magic = &intent->magic;
    struct psp *psp = request->psp;
    intent->status = INTENT_REQUIRES_PAYMENT_METHOD;
    intent->declined = true;
    journal_intent(&psp->journal, intent);
    answer_error(answer, 402, "card_error", magic->error_code, NULL, magic->message);
    json_t *error = json_object_get(answer->json, "error");
    if (magic->decline_code)
        json_object_set_new(error, "decline_code", json_string(magic->decline_code));
    json_t *json = intent_json(intent, request->now_ms, psp->options->authorization_ttl_ms);
    json_object_set_new(error, "payment_intent", json);
    webhooks_emit(psp->webhooks, "payment_intent.payment_failed", json, request->now_ms, 1, 0);
}

static void pay(struct request *request, struct intent *intent, struct answer *answer)
{
    authorise(intent, request->now_ms);
    if (!intent->capture_manual)
        take(intent, intent->amount_minor);
    changed(request, intent,
            intent->capture_manual ? "payment_intent.amount_capturable_updated"
                                   : "payment_intent.succeeded",
            answer);
}

/* The attempt itself; faults before it have been dealt with. */
static void attempt(struct request *request, struct intent *intent, struct answer *answer)
{
    if (intent->magic.error_code && intent->magic.fault_on != OP_CAPTURE) {
        decline(request, intent, answer);
    } else if (intent->magic.wants_action) {
        intent->status = INTENT_REQUIRES_ACTION;
        changed(request, intent, "payment_intent.requires_action", answer);
    } else {
        pay(request, intent, answer);
    }
}

/* False: there is one, but it is none of ours. */
static bool payment_method_check(struct request *request, struct magic *ret_magic,
                                 struct answer *answer)
{
    const char *name = form_get(&request->body, "payment_method");
    if (!name || magic_find(name, ret_magic) == 0)
        return true;
    answer_bad_param(answer, "resource_missing", "payment_method", "No such PaymentMethod.");
    return false;
}

static void payment_method_set(struct intent *intent, const char *name, const struct magic *magic)
{
    free(intent->payment_method);
    intent->payment_method = strdup(name);
    CHECK(intent->payment_method);
    intent->magic = *magic;
}

struct create {
    int64_t amount_minor;
    char currency[4];
    bool manual;
    bool confirm;
    struct magic magic;
};

/* "true" / "false"; absent is false. */
static bool flag_parse(const struct request *request, const char *name, bool *ret_flag,
                       struct answer *answer)
{
    const char *text = form_get(&request->body, name);
    *ret_flag = text && strcmp(text, "true") == 0;
    if (!text || *ret_flag || strcmp(text, "false") == 0)
        return true;
    answer_bad_param(answer, "parameter_invalid", name, "Must be true or false.");
    return false;
}

static bool create_parse(struct request *request, struct create *ret, struct answer *answer)
{
    const struct form *body = &request->body;
    *ret = (struct create){0};
    if (!request_amount(request, "amount", true, &ret->amount_minor, answer))
        return false;
    const char *currency = form_get(body, "currency");
    for (size_t i = 0; currency && i < 3 && currency[i]; i++)
        ret->currency[i] =
            (char)(currency[i] >= 'A' && currency[i] <= 'Z' ? currency[i] | 0x20 : currency[i]);
    if (!currency || strlen(currency) != 3 || !currency_known(ret->currency)) {
        answer_bad_param(answer, currency ? "parameter_invalid" : "parameter_missing", "currency",
                         "Must be the code of an ISO 4217 currency.");
        return false;
    }
    const char *method = form_get(body, "capture_method");
    ret->manual = method && strcmp(method, "manual") == 0;
    if (method && !ret->manual && strncmp(method, "automatic", strlen("automatic")) != 0) {
        answer_bad_param(answer, "parameter_invalid", "capture_method",
                         "Must be automatic or manual.");
        return false;
    }
    if (!flag_parse(request, "confirm", &ret->confirm, answer) ||
        !payment_method_check(request, &ret->magic, answer))
        return false;
    if (ret->confirm && !form_get(body, "payment_method")) {
        answer_bad_param(answer, "parameter_missing", "payment_method",
                         "You cannot confirm this PaymentIntent without a payment method.");
        return false;
    }
    return true;
}

static struct intent *intent_make(struct request *request, const struct create *create,
                                  char *metadata, char *reference)
{
    struct intent *intent = books_intent_new(&request->psp->books);
    const char *payment_method = form_get(&request->body, "payment_method");
    sandbox_id(intent->id, "pi_");
    intent->amount_minor = create->amount_minor;
    memcpy(intent->currency, create->currency, sizeof(intent->currency));
    intent->capture_manual = create->manual;
    intent->returns = form_get(&request->body, "return_url") != NULL;
    intent->created_ms = request->now_ms;
    intent->metadata = metadata;
    intent->reference = reference;
    intent->status = INTENT_REQUIRES_PAYMENT_METHOD;
    if (payment_method) {
        payment_method_set(intent, payment_method, &create->magic);
        intent->status = INTENT_REQUIRES_CONFIRMATION;
    }
    return intent;
}

void intent_create(struct request *request, struct answer *answer)
{
    struct psp *psp = request->psp;
    struct create create;
    char *metadata = NULL;
    char *reference = NULL;
    if (!create_parse(request, &create, answer) ||
        !request_metadata(request, &metadata, &reference, answer))
        return;
    if (psp->books.intents_count >= psp->options->payments_max) {
        answer_error(answer, 429, "invalid_request_error", "rate_limit", NULL,
                     "The sandbox keeps no more payments.");
        answer->unsaved = true;
        free(metadata);
        free(reference);
        return;
    }
    struct intent *intent = intent_make(request, &create, metadata, reference);
    bool fails =
        create.confirm && answer_fault(request, OP_CONFIRM, intent, &intent->magic, answer);
    /* A fault before anything is done leaves no trace: not even the intent, but for one. */
    if (fails && answer->fault != FAULT_UNCONFIRMED) {
        books_intent_free(intent);
        return;
    }
    books_intent_add(&psp->books, intent);
    if (fails)
        journal_intent(&psp->journal, intent);
    else if (create.confirm)
        attempt(request, intent, answer);
    else
        changed(request, intent, "payment_intent.created", answer);
}

void intent_confirm(struct request *request, struct answer *answer)
{
    struct magic magic;
    struct intent *intent = intent_in_path(request, answer);
    const char *payment_method = form_get(&request->body, "payment_method");
    if (!intent || !payment_method_check(request, &magic, answer))
        return;
    bool open = intent->status == INTENT_REQUIRES_PAYMENT_METHOD ||
                intent->status == INTENT_REQUIRES_CONFIRMATION;
    if (!open || (!payment_method && (!intent->payment_method || intent->declined))) {
        answer_unexpected_state(request, intent, answer);
        return;
    }
    if (!payment_method)
        magic = intent->magic;
    if (answer_fault(request, OP_CONFIRM, intent, &magic, answer))
        return;
    if (payment_method)
        payment_method_set(intent, payment_method, &magic);
    intent->returns |= form_get(&request->body, "return_url") != NULL;
    attempt(request, intent, answer);
}

void intent_capture(struct request *request, struct answer *answer)
{
    struct intent *intent = intent_in_path(request, answer);
    if (!intent)
        return;
    int64_t minor = intent->authorized_minor;
    if (!request_amount(request, "amount_to_capture", false, &minor, answer))
        return;
    if (intent->status != INTENT_REQUIRES_CAPTURE) {
        answer_unexpected_state(request, intent, answer);
        return;
    }
    if (minor > intent->authorized_minor) {
        answer_error(answer, 400, "invalid_request_error", "amount_too_large", "amount_to_capture",
                     "The amount to capture is greater than the authorised amount.");
        return;
    }
    if (intent->magic.error_code) {
        answer_error(answer, 402, "card_error", intent->magic.error_code, NULL,
                     "The charge cannot be captured: its authorisation is gone.");
        return;
    }
    if (answer_fault(request, OP_CAPTURE, intent, &intent->magic, answer))
        return;
    take(intent, minor);
    changed(request, intent, "payment_intent.succeeded", answer);
}

void intent_cancel(struct request *request, struct answer *answer)
{
    struct intent *intent = intent_in_path(request, answer);
    if (!intent)
        return;
    if (intent->status == INTENT_SUCCEEDED || intent->status == INTENT_CANCELED) {
        answer_unexpected_state(request, intent, answer);
        return;
    }
    if (answer_fault(request, OP_CANCEL, intent, &intent->magic, answer))
        return;
    const char *reason = form_get(&request->body, "cancellation_reason");
    intent->cancel_reason = strdup(reason ? reason : "requested_by_customer");
    CHECK(intent->cancel_reason);
    intent->status = INTENT_CANCELED;
    intent->canceled_ms = request->now_ms;
    changed(request, intent, "payment_intent.canceled", answer);
}

/* What the customer does in the bank's window: outcome=succeed or outcome=fail. */
void intent_authenticate(struct request *request, struct answer *answer)
{
    struct intent *intent = intent_in_path(request, answer);
    if (!intent)
        return;
    const char *outcome = form_get(&request->body, "outcome");
    bool succeed = outcome && strcmp(outcome, "succeed") == 0;
    if (!succeed && (!outcome || strcmp(outcome, "fail") != 0)) {
        answer_bad_param(answer, "parameter_invalid", "outcome", "Must be succeed or fail.");
        return;
    }
    if (intent->status != INTENT_REQUIRES_ACTION) {
        answer_unexpected_state(request, intent, answer);
        return;
    }
    if (succeed) {
        pay(request, intent, answer);
        return;
    }
    intent->status = INTENT_REQUIRES_PAYMENT_METHOD;
    intent->declined = true;
    changed(request, intent, "payment_intent.payment_failed", answer);
}

void intent_get(struct request *request, struct answer *answer)
{
    if (answer_fault(request, OP_INQUIRY, NULL, NULL, answer))
        return;
    struct intent *intent = intent_in_path(request, answer);
    if (intent)
        answer_intent(request, intent, answer);
}

static void answer_found(struct request *request, const char *reference, const char *object,
                         struct answer *answer)
{
    struct psp *psp = request->psp;
    uint64_t ttl_ms = psp->options->authorization_ttl_ms;
    json_t *data = json_array();
    struct intent *intent = books_intent_by_reference(&psp->books, reference);
    for (; intent && json_array_size(data) < SANDBOX_LIST_MAX; intent = intent->same_reference) {
        if (request->now_ms < intent->hidden_until_ms)
            continue;
        if (books_intent_settle(intent, request->now_ms, ttl_ms))
            journal_intent(&psp->journal, intent);
        json_array_append_new(data, intent_json(intent, request->now_ms, ttl_ms));
    }
    answer_json(answer, json_pack("{s:s,s:s,s:b,s:o}", "object", object, "url", request->path,
                                  "has_more", intent != NULL, "data", data));
}

void intent_list(struct request *request, struct answer *answer)
{
    const char *reference = form_get(&request->query, "reference");
    if (!reference || !*reference) {
        answer_bad_param(answer, "parameter_missing", "reference", "Missing required param.");
        return;
    }
    if (!answer_fault(request, OP_INQUIRY, NULL, NULL, answer))
        answer_found(request, reference, "list", answer);
}

/* Of Stripe's query language exactly metadata['reference']:'VALUE', either kind of quote. */
void intent_search(struct request *request, struct answer *answer)
{
    const char *text = form_get(&request->query, "query");
    struct str query = str_of(text);
    bool known = text && (str_skip(&query, STR("metadata['reference']:")) ||
                          str_skip(&query, STR("metadata[\"reference\"]:")));
    char reference[SANDBOX_METADATA_VALUE_MAX + 1];
    known = known && query.n > 2 && query.n - 2 < sizeof(reference) &&
            (query.p[0] == '\'' || query.p[0] == '"') && query.p[query.n - 1] == query.p[0] &&
            !memchr(query.p + 1, query.p[0], query.n - 2);
    if (!known) {
        answer_bad_param(answer, "parameter_invalid", "query",
                         "The sandbox knows metadata['reference']:'...' only.");
        return;
    }
    memcpy(reference, query.p + 1, query.n - 2);
    reference[query.n - 2] = '\0';
    if (!answer_fault(request, OP_INQUIRY, NULL, NULL, answer))
        answer_found(request, reference, "search_result", answer);
}
