/* Payment providers: what is asked of them and what can come back. Two implementations: stripe.c
 * speaks the Stripe HTTP subset (also the simulator's), instant.c approves in-process. Checkout and
 * the completer call it. What must stay true: an answer that was not understood is UNKNOWN, never
 * DECLINED; every request that moves money carries an idempotency key of ours, so repeating it is
 * safe. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/str.h"
#include "base/uuid.h"
#include "grpc/grpc.h"
#include "services/app.h"

enum provider_outcome {
    PROVIDER_UNKNOWN,  /* timeout, lost connection, 5xx, or an answer that makes no sense */
    PROVIDER_NOT_SENT, /* not one byte left: nothing can have happened */
    PROVIDER_AUTHORIZED,
    PROVIDER_CAPTURED,
    PROVIDER_DECLINED,        /* definitely no money moved */
    PROVIDER_ACTION_REQUIRED, /* the customer must prove something to the bank */
    PROVIDER_CANCELLED,       /* an authorisation that was given back */
    PROVIDER_UNCONFIRMED,     /* made, but never begun, or not yet: nothing comes of it by itself */
    PROVIDER_NOT_FOUND,       /* inquiry: the provider has never heard of our reference (yet) */
    PROVIDER_REFUND_PENDING,
    PROVIDER_REFUND_SUCCEEDED,
    PROVIDER_REFUND_FAILED,
};

/* Money was taken, or is held for us. */
static inline bool provider_moved(enum provider_outcome outcome)
{
    return outcome == PROVIDER_AUTHORIZED || outcome == PROVIDER_CAPTURED;
}

/* Filled before the step after the one that asked. Strings are in the call's arena. */
struct provider_answer {
    enum provider_outcome outcome;
    struct str reference;        /* the provider's id of the payment or refund */
    struct str code;             /* normalised: card_declined, expired_card, ... */
    struct str decline_code;     /* the bank's word; of a request_invalid the provider's */
    struct str redirect_url;     /* ACTION_REQUIRED; without it nobody can do anything */
    struct str card_fingerprint; /* as the provider gives it; hash it before storing */
    struct str card_brand, card_last4;
    int64_t amount_minor; /* what the provider says it moved: compared with ours before it is
                             believed */
    struct str currency;
    bool key_spent; /* a refund's key was answered with an error, and will be again */
    bool is_silent; /* no word of the provider: an outage, and nothing about this payment */
    bool is_twice;  /* more than one refund with our reference moved money */
};

/* It waits for a customer who has no page to go to: nothing comes of it by itself. */
static inline bool provider_is_stuck(const struct provider_answer *answer)
{
    return answer->outcome == PROVIDER_ACTION_REQUIRED && answer->redirect_url.n == 0;
}

/* An attempt as the provider must know it. Answers are compared with all of it before they are
 * believed. */
struct provider_payment {
    struct uuid attempt_id;  /* our reference, and part of every idempotency key */
    struct str method_token; /* authorise */
    struct str reference;    /* the provider's id: capture and void; an inquiry, if it is known */
    int64_t amount_minor;
    struct str currency;
    uint32_t try_count; /* capture and void: a key whose answer was an error is not used again */
};

struct provider_refund {
    struct uuid refund_id; /* our reference, and part of the idempotency key */
    struct str payment_reference;
    int64_t amount_minor;
    struct str currency;
    uint32_t try_count; /* a new key after one that was answered with an error */
};

/* Each asks one thing of the provider for the call; the answer is there in the next step. A
 * provider that does not part the two answers provider_authorise with CAPTURED. */
void provider_authorise(struct call *c, const struct provider_payment *payment,
                        struct provider_answer *ret);
void provider_capture(struct call *c, const struct provider_payment *payment,
                      struct provider_answer *ret);
void provider_void(struct call *c, const struct provider_payment *payment,
                   struct provider_answer *ret);
void provider_inquire(struct call *c, const struct provider_payment *payment,
                      struct provider_answer *ret);
void provider_refund(struct call *c, const struct provider_refund *refund,
                     struct provider_answer *ret);
void provider_inquire_refund(struct call *c, const struct provider_refund *refund,
                             struct provider_answer *ret);

/* "AUTHORIZED": for events. */
const char *provider_outcome_name(enum provider_outcome outcome);

/* "stripe" or "instant". */
const char *provider_name(const struct app *app);

/* @kind stripe or instant; @key_file holds the API key on its first line; @return_url lives as long
 * as the provider. 0, or negative errno and a line in @error. */
int provider_new(struct provider **ret_provider, const char *kind, const char *url,
                 const char *key_file, const char *return_url, const struct app_limits *limits,
                 char *error, size_t error_bytes);
/* Before the first question, in the process that asks: the HTTP client is its loop's. 0 or negative
 * errno. */
int provider_start(struct provider *provider, struct loop *loop);
struct provider *provider_free(struct provider *provider);
