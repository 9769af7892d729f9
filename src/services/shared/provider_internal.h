/* What the providers share below provider.h: the table that provider.c dispatches by, and Stripe's
 * readers, which are pure and tested alone. What must stay true: an answer is filled before the
 * step that follows the question. */
#pragma once

#include "io/http.h"
#include "services/shared/provider.h"

struct provider_ops {
    const char *name;
    void (*authorise)(struct provider *p, struct call *c, const struct provider_payment *q,
                      struct provider_answer *ret);
    void (*capture)(struct provider *p, struct call *c, const struct provider_payment *q,
                    struct provider_answer *ret);
    void (*void_payment)(struct provider *p, struct call *c, const struct provider_payment *q,
                         struct provider_answer *ret);
    void (*inquire)(struct provider *p, struct call *c, const struct provider_payment *q,
                    struct provider_answer *ret);
    void (*refund)(struct provider *p, struct call *c, const struct provider_refund *q,
                   struct provider_answer *ret);
    void (*inquire_refund)(struct provider *p, struct call *c, const struct provider_refund *q,
                           struct provider_answer *ret);
};

struct provider {
    const struct provider_ops *ops;
    struct http *http;
    char *url;           /* without a slash at the end */
    char *authorization; /* the whole header */
    uint32_t timeout_ms;
    struct str return_url; /* where customers come back from their bank; empty: nowhere */
};

extern const struct provider_ops provider_stripe;
extern const struct provider_ops provider_instant;

enum stripe_operation {
    STRIPE_AUTHORISE,
    STRIPE_CAPTURE,
    STRIPE_VOID,
    STRIPE_INQUIRE,
    STRIPE_REFUND,
    STRIPE_INQUIRE_REFUND,
};

/* What was asked: the answer must be about the same money. */
struct stripe_question {
    enum stripe_operation operation;
    char reference[UUID_TEXT_LEN + 1]; /* ours */
    char currency[4];                  /* lower case, as Stripe writes it */
    int64_t amount_minor;
    uint32_t try_count;
};

/* stripe_read.c: what @response means for @question. Strings go to @arena. */
void stripe_read(struct arena *arena, const struct stripe_question *question,
                 const struct http_response *response, struct provider_answer *ret);
