/* Refunds and the balance: money going back, and the sums that reconciliation compares.
 * Called through the route table.
 * What must stay true: refunds that succeeded or still may never exceed what was captured. */
#include "sandbox/internal.h"

#include <stdlib.h>
#include <string.h>

#include "base/check.h"

static void settle_by_fate(struct refund *refund, const struct magic *magic)
{
    enum refund_fate fate = magic->refund_fate;
    bool slow = fate == REFUND_SLOW || fate == REFUND_SLOW_FAILS;
    refund->fails = fate == REFUND_FAILS || fate == REFUND_SLOW_FAILS;
    refund->settled_ms = refund->created_ms + (slow ? magic->refund_ms : 0);
}

/* The intent to refund and how much of it; NULL: @answer says why not. */
static struct intent *refund_check(struct request *request, int64_t *ret_minor,
                                   struct answer *answer)
{
    struct psp *psp = request->psp;
    const char *id = form_get(&request->body, "payment_intent");
    struct intent *intent = id ? books_intent(&psp->books, id) : NULL;
    if (!intent) {
        answer_bad_param(answer, id ? "resource_missing" : "parameter_missing", "payment_intent",
                         "No such payment_intent.");
        return NULL;
    }
    int64_t rest = intent->captured_minor - intent_refunded_minor(intent, request->now_ms);
    *ret_minor = rest;
    if (!request_amount(request, "amount", false, ret_minor, answer))
        return NULL;
    if (intent->captured_minor == 0) {
        answer_error(answer, 400, "invalid_request_error", "payment_intent_unexpected_state",
                     "payment_intent", "This PaymentIntent does not have a successful charge.");
        return NULL;
    }
    if (rest == 0) {
        answer_error(answer, 400, "invalid_request_error", "charge_already_refunded", NULL,
                     "The charge has already been refunded.");
        return NULL;
    }
    if (*ret_minor > rest) {
        answer_error(answer, 400, "invalid_request_error", "amount_too_large", "amount",
                     "The refund is greater than the unrefunded amount of the charge.");
        return NULL;
    }
    if (psp->books.refunds_count >= psp->options->payments_max) {
        answer_error(answer, 429, "invalid_request_error", "rate_limit", NULL,
                     "The sandbox keeps no more refunds.");
        answer->unsaved = true;
        return NULL;
    }
    return intent;
}

void refund_create(struct request *request, struct answer *answer)
{
    struct psp *psp = request->psp;
    int64_t minor = 0;
    char *metadata = NULL;
    char *reference = NULL;
    struct intent *intent = refund_check(request, &minor, answer);
    if (!intent || !request_metadata(request, &metadata, &reference, answer))
        return;
    if (answer_fault(request, OP_REFUND, intent, &intent->magic, answer)) {
        free(metadata);
        free(reference);
        return;
    }
    struct refund *refund = books_refund_new(intent);
    sandbox_id(refund->id, "re_");
    refund->amount_minor = minor;
    refund->created_ms = request->now_ms + (answer->fault == FAULT_LATE ? answer->delay_ms : 0);
    settle_by_fate(refund, &intent->magic);
    refund->metadata = metadata;
    refund->reference = reference;
    const char *reason = form_get(&request->body, "reason");
    refund->reason = reason ? strdup(reason) : NULL;
    books_refund_add(&psp->books, refund);
    journal_refund(&psp->journal, refund);
    answer_json(answer, refund_json(refund, request->now_ms));
    webhooks_emit(psp->webhooks, "refund.created", answer->json, request->now_ms,
                  answer->fault == FAULT_TWICE ? 2 : 1, answer->delay_ms);
    if (refund->settled_ms > request->now_ms) {
        json_t *later = refund_json(refund, refund->settled_ms);
        webhooks_emit(psp->webhooks, refund->fails ? "refund.failed" : "refund.updated", later,
                      request->now_ms, 1, (uint32_t)(refund->settled_ms - request->now_ms));
        json_decref(later);
    }
}

void refund_get(struct request *request, struct answer *answer)
{
    if (answer_fault(request, OP_INQUIRY, NULL, NULL, answer))
        return;
    struct refund *refund = books_refund(&request->psp->books, request->object_id);
    if (refund)
        answer_json(answer, refund_json(refund, request->now_ms));
    else
        answer_bad_param(answer, "resource_missing", "id", "No such refund.");
}

/* By our reference, or all of one payment. */
void refund_list(struct request *request, struct answer *answer)
{
    struct books *books = &request->psp->books;
    const char *reference = form_get(&request->query, "reference");
    const char *intent_id = form_get(&request->query, "payment_intent");
    if (!(reference && *reference) && !(intent_id && *intent_id)) {
        answer_bad_param(answer, "parameter_missing", "reference", "Missing required param.");
        return;
    }
    if (answer_fault(request, OP_INQUIRY, NULL, NULL, answer))
        return;
    json_t *data = json_array();
    bool more = false;
    struct refund *refund = reference ? books_refund_by_reference(books, reference) : NULL;
    for (; refund && json_array_size(data) < SANDBOX_LIST_MAX; refund = refund->same_reference)
        if (refund->created_ms <= request->now_ms)
            json_array_append_new(data, refund_json(refund, request->now_ms));
    more = refund != NULL;
    struct intent *intent = reference || !intent_id ? NULL : books_intent(books, intent_id);
    if (intent) {
        list_for_each(node, &intent->refunds) {
            more = json_array_size(data) == SANDBOX_LIST_MAX;
            if (more)
                break;
            const struct refund *one = list_entry(node, struct refund, in_intent);
            if (one->created_ms <= request->now_ms)
                json_array_append_new(data, refund_json(one, request->now_ms));
        }
    }
    answer_json(answer, json_pack("{s:s,s:s,s:b,s:o}", "object", "list", "url", request->path,
                                  "has_more", more, "data", data));
}

/* Stripe's shape, and in "books" what invariants compare with our ledger. */
void balance_get(struct request *request, struct answer *answer)
{
    struct psp *psp = request->psp;
    struct books_total totals[SANDBOX_CURRENCIES_MAX];
    size_t count =
        books_totals(&psp->books, request->now_ms, psp->options->authorization_ttl_ms, totals);
    json_t *available = json_array();
    json_t *pending = json_array();
    json_t *sums = json_array();
    for (size_t i = 0; i < count; i++) {
        const struct books_total *t = &totals[i];
        json_int_t net = t->captured_minor - t->refunded_minor - t->refunds_pending_minor;
        json_array_append_new(available,
                              json_pack("{s:I,s:s}", "amount", net, "currency", t->currency));
        json_array_append_new(pending, json_pack("{s:I,s:s}", "amount", (json_int_t)t->held_minor,
                                                 "currency", t->currency));
        json_array_append_new(
            sums,
            json_pack("{s:s,s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:I}", "currency", t->currency,
                      "authorized", (json_int_t)t->authorized_minor, "captured",
                      (json_int_t)t->captured_minor, "released", (json_int_t)t->released_minor,
                      "held", (json_int_t)t->held_minor, "refunded", (json_int_t)t->refunded_minor,
                      "refunds_pending", (json_int_t)t->refunds_pending_minor, "payments",
                      (json_int_t)t->payments, "refunds", (json_int_t)t->refunds));
    }
    answer_json(answer, json_pack("{s:s,s:b,s:o,s:o,s:o}", "object", "balance", "livemode", 0,
                                  "available", available, "pending", pending, "books", sums));
}
