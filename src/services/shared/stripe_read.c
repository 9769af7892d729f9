/* What a response in Stripe's words means for the question that was asked. Pure: stripe.c calls it
 * for every answer. What must stay true: only an answer about our reference, our amount and our
 * currency is believed; what is not understood is UNKNOWN, and somebody asks again. */
#include <jansson.h>

#include "services/shared/provider_internal.h"

#define WORD_BYTES_MAX 64 /* codes and ids of the provider; longer is none of its */
#define URL_BYTES_MAX 2048
#define LAST4_BYTES 4

static struct str text(struct arena *arena, const json_t *object, const char *name,
                       size_t bytes_max)
{
    const json_t *value = json_object_get(object, name);
    size_t n = json_string_length(value);
    if (n == 0 || n > bytes_max)
        return (struct str){0};
    return arena_dup_str(arena, (struct str){.p = json_string_value(value), .n = n});
}

static bool is(const json_t *object, const char *name, const char *wanted)
{
    const char *value = json_string_value(json_object_get(object, name));
    return value && strcmp(value, wanted) == 0;
}

static int64_t number(const json_t *object, const char *name)
{
    return json_integer_value(json_object_get(object, name));
}

static bool is_ours(const struct stripe_question *q, const json_t *object)
{
    return is(json_object_get(object, "metadata"), "reference", q->reference);
}

static struct provider_answer unknown(const char *code)
{
    return (struct provider_answer){.outcome = PROVIDER_UNKNOWN, .code = str_of(code)};
}

static struct provider_answer silence(const char *code)
{
    struct provider_answer a = unknown(code);
    a.is_silent = true;
    return a;
}

/* The provider's word for why in ours, where ours differs. */
static struct str code_of(struct arena *arena, const json_t *error)
{
    struct str code = text(arena, error, "code", WORD_BYTES_MAX);
    if (str_eq(code, STR("payment_intent_authentication_failure")))
        return STR("authentication_failed");
    return code.n > 0 ? code : STR("card_declined");
}

static enum provider_outcome outcome_of(const json_t *payment)
{
    static const struct {
        const char *status;
        enum provider_outcome outcome;
    } table[] = {
        {"requires_capture", PROVIDER_AUTHORIZED},       {"succeeded", PROVIDER_CAPTURED},
        {"requires_action", PROVIDER_ACTION_REQUIRED},   {"canceled", PROVIDER_CANCELLED},
        {"requires_confirmation", PROVIDER_UNCONFIRMED},
    };
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++)
        if (is(payment, "status", table[i].status))
            return table[i].outcome;
    if (is(payment, "status", "requires_payment_method"))
        return json_is_object(json_object_get(payment, "last_payment_error"))
                   ? PROVIDER_DECLINED
                   : PROVIDER_UNCONFIRMED;
    return PROVIDER_UNKNOWN; /* processing, or a word we do not know */
}

/* A PaymentIntent object. Its amounts must say the same as its status. */
static void read_payment(struct arena *arena, const struct stripe_question *q,
                         const json_t *payment, struct provider_answer *ret)
{
    struct provider_answer a = {.outcome = outcome_of(payment)};
    int64_t moved = a.outcome == PROVIDER_AUTHORIZED ? number(payment, "amount_capturable")
                    : a.outcome == PROVIDER_CAPTURED ? number(payment, "amount_received")
                                                     : number(payment, "amount");
    a.reference = text(arena, payment, "id", WORD_BYTES_MAX);
    if (!is(payment, "object", "payment_intent") || a.reference.n == 0 || !is_ours(q, payment)) {
        *ret = unknown("answer_not_ours");
        return;
    }
    if (number(payment, "amount") != q->amount_minor || moved != q->amount_minor ||
        !is(payment, "currency", q->currency)) {
        *ret = unknown("answer_mismatch");
        return;
    }
    const json_t *charge = json_object_get(payment, "latest_charge");
    const json_t *card = json_object_get(json_object_get(charge, "payment_method_details"), "card");
    const json_t *redirect =
        json_object_get(json_object_get(payment, "next_action"), "redirect_to_url");
    const json_t *error = json_object_get(payment, "last_payment_error");
    a.amount_minor = moved;
    a.currency = arena_dup_str(arena, str_of(q->currency));
    a.card_fingerprint = text(arena, card, "fingerprint", WORD_BYTES_MAX);
    a.card_brand = text(arena, card, "brand", WORD_BYTES_MAX);
    a.card_last4 = text(arena, card, "last4", LAST4_BYTES);
    a.redirect_url = text(arena, redirect, "url", URL_BYTES_MAX);
    if (a.outcome == PROVIDER_DECLINED) {
        a.code = code_of(arena, error);
        a.decline_code = text(arena, error, "decline_code", WORD_BYTES_MAX);
    }
    *ret = a;
}

static void read_refund(struct arena *arena, const struct stripe_question *q, const json_t *refund,
                        struct provider_answer *ret)
{
    struct provider_answer a = {.outcome = PROVIDER_REFUND_PENDING};
    if (is(refund, "status", "succeeded"))
        a.outcome = PROVIDER_REFUND_SUCCEEDED;
    else if (is(refund, "status", "failed") || is(refund, "status", "canceled"))
        a.outcome = PROVIDER_REFUND_FAILED;
    else if (!is(refund, "status", "pending") && !is(refund, "status", "requires_action"))
        a.outcome = PROVIDER_UNKNOWN;
    a.reference = text(arena, refund, "id", WORD_BYTES_MAX);
    if (!is(refund, "object", "refund") || a.reference.n == 0 || !is_ours(q, refund)) {
        *ret = unknown("answer_not_ours");
        return;
    }
    if (number(refund, "amount") != q->amount_minor || !is(refund, "currency", q->currency)) {
        *ret = unknown("answer_mismatch");
        return;
    }
    a.amount_minor = q->amount_minor;
    a.currency = arena_dup_str(arena, str_of(q->currency));
    a.code = text(arena, refund, "failure_reason", WORD_BYTES_MAX);
    *ret = a;
}

/* Of the objects with our reference the one that moved money tells, then the one that may still: a
 * refund that failed once may stand beside its repetition. */
static int weight(enum provider_outcome outcome)
{
    switch (outcome) {
    case PROVIDER_AUTHORIZED:
    case PROVIDER_CAPTURED:
    case PROVIDER_REFUND_SUCCEEDED:
        return 5;
    case PROVIDER_ACTION_REQUIRED:
    case PROVIDER_REFUND_PENDING:
        return 4;
    case PROVIDER_UNKNOWN:
        return 3;
    case PROVIDER_UNCONFIRMED:
        return 2;
    case PROVIDER_NOT_FOUND:
        return 0;
    default:
        return 1;
    }
}

static void read_list(struct arena *arena, const struct stripe_question *q, const json_t *list,
                      struct provider_answer *ret)
{
    const json_t *data = json_object_get(list, "data");
    if (!json_is_array(data)) {
        *ret = unknown("answer_garbage");
        return;
    }
    unsigned refunded = 0;
    *ret = (struct provider_answer){.outcome = PROVIDER_NOT_FOUND};
    for (size_t i = 0; i < json_array_size(data); i++) {
        const json_t *object = json_array_get(data, i);
        struct provider_answer one;
        if (!is_ours(q, object))
            continue;
        if (q->operation == STRIPE_INQUIRE)
            read_payment(arena, q, object, &one);
        else
            read_refund(arena, q, object, &one);
        refunded +=
            one.outcome == PROVIDER_REFUND_SUCCEEDED || one.outcome == PROVIDER_REFUND_PENDING;
        if (weight(one.outcome) > weight(ret->outcome))
            *ret = one;
    }
    ret->is_twice = refunded > 1;
    if (weight(ret->outcome) < weight(PROVIDER_UNKNOWN) &&
        json_is_true(json_object_get(list, "has_more")))
        *ret = unknown("answer_incomplete");
}

static void read_success(struct arena *arena, const struct stripe_question *q, const json_t *json,
                         struct provider_answer *ret)
{
    switch (q->operation) {
    case STRIPE_AUTHORISE:
    case STRIPE_CAPTURE:
    case STRIPE_VOID:
        read_payment(arena, q, json, ret);
        return;
    case STRIPE_INQUIRE:
        if (is(json, "object", "payment_intent"))
            read_payment(arena, q, json, ret);
        else
            read_list(arena, q, json, ret);
        return;
    case STRIPE_INQUIRE_REFUND:
        read_list(arena, q, json, ret);
        return;
    case STRIPE_REFUND:
        read_refund(arena, q, json, ret);
        return;
    }
}

/* A card error is about this try: nothing moved. Of an object inside it only ours is believed. */
static void read_card_error(struct arena *arena, const struct stripe_question *q,
                            const json_t *error, struct provider_answer *ret)
{
    const json_t *payment = json_object_get(error, "payment_intent");
    if (json_is_object(payment) && !is_ours(q, payment)) {
        *ret = unknown("answer_not_ours");
        return;
    }
    *ret = (struct provider_answer){
        .outcome = q->operation == STRIPE_REFUND ? PROVIDER_REFUND_FAILED : PROVIDER_DECLINED,
        .reference = text(arena, payment, "id", WORD_BYTES_MAX),
        .code = code_of(arena, error),
        .decline_code = text(arena, error, "decline_code", WORD_BYTES_MAX),
    };
}

/* The request was refused before anything was done. That is an outcome only where nothing can have
 * been done before: a capture or a second try that is refused may have succeeded earlier, which an
 * inquiry will tell. */
static void read_refusal(struct arena *arena, const struct stripe_question *q, const json_t *error,
                         struct provider_answer *ret)
{
    bool is_first =
        q->operation == STRIPE_AUTHORISE || (q->operation == STRIPE_REFUND && q->try_count == 0);
    if (!is_first || !is(error, "type", "invalid_request_error")) {
        *ret = unknown("refused");
        return;
    }
    struct str code = text(arena, error, "code", WORD_BYTES_MAX);
    *ret = (struct provider_answer){.outcome = PROVIDER_DECLINED, .code = STR("request_invalid")};
    if (q->operation == STRIPE_REFUND) {
        ret->outcome = PROVIDER_REFUND_FAILED;
        ret->code = code.n > 0 ? code : ret->code;
    } else if (is(error, "param", "payment_method")) {
        ret->code = STR("payment_method_invalid");
    } else {
        ret->decline_code = code;
    }
}

/* Sent more than once, it is refused for its second sight: what the first did, an inquiry tells,
 * and if that finds nothing the same key does. */
static void read_error(struct arena *arena, const struct stripe_question *q,
                       const struct http_response *response, const json_t *error,
                       struct provider_answer *ret)
{
    unsigned status = response->status;
    if (status == 402 && is(error, "type", "card_error"))
        read_card_error(arena, q, error, ret);
    else if (status == 400 || status == 404)
        read_refusal(arena, q, error, ret);
    else if ((status == 401 || status == 403) && q->operation == STRIPE_AUTHORISE)
        *ret = (struct provider_answer){.outcome = PROVIDER_NOT_SENT, .code = STR("key_refused")};
    else
        *ret = silence("provider_error");
    if (response->repeated && ret->outcome != PROVIDER_UNKNOWN)
        *ret = unknown("refused");
    /* What was refused before it began is not kept under its key, nor is what a gateway said. */
    bool is_kept = status != 401 && status != 403 && status != 409 && status != 429;
    ret->key_spent = q->operation == STRIPE_REFUND && is_kept && !response->repeated;
}

void stripe_read(struct arena *arena, const struct stripe_question *q,
                 const struct http_response *response, struct provider_answer *ret)
{
    if (response->error < 0) {
        *ret = silence("no_answer");
        if (!response->sent)
            ret->outcome = PROVIDER_NOT_SENT;
        return;
    }
    json_error_t ignored;
    json_t *json = json_loadb(response->body.p, response->body.n, JSON_REJECT_DUPLICATES, &ignored);
    const json_t *error = json_object_get(json, "error");
    if (!json_is_object(json))
        *ret = silence("answer_garbage");
    else if (response->status == 200 && !error)
        read_success(arena, q, json, ret);
    else if (json_is_object(error))
        read_error(arena, q, response, error, ret);
    else
        *ret = silence("provider_error");
    json_decref(json);
}
