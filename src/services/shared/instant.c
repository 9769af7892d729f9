/* A provider inside the process: approves everything but the names that ask to be declined, and
 * takes the money in the same message. For tests and benchmarks. It keeps no books: what was not
 * recorded by us never happened, so an inquiry finds nothing. */
#include <stdio.h>

#include "services/shared/provider_internal.h"

static struct provider_answer answer(struct call *c, enum provider_outcome outcome,
                                     const struct provider_payment *q)
{
    char id[UUID_TEXT_LEN + 1];
    uuid_format(q->attempt_id, id);
    return (struct provider_answer){
        .outcome = outcome,
        .reference = str_of(arena_printf(&c->arena, "instant_%s", id)),
        .amount_minor = q->amount_minor,
        .currency = q->currency,
    };
}

static void authorise(struct provider *p, struct call *c, const struct provider_payment *q,
                      struct provider_answer *ret)
{
    (void)p;
    bool declined = str_starts(q->method_token, STR("pm_card_chargeDeclined"));
    *ret = answer(c, declined ? PROVIDER_DECLINED : PROVIDER_CAPTURED, q);
    ret->card_fingerprint = q->method_token;
    ret->card_brand = STR("visa");
    ret->card_last4 = STR("4242");
    if (!declined)
        return;
    ret->code = STR("card_declined");
    ret->decline_code = STR("generic_decline");
}

static void capture(struct provider *p, struct call *c, const struct provider_payment *q,
                    struct provider_answer *ret)
{
    (void)p;
    *ret = answer(c, PROVIDER_CAPTURED, q);
}

static void void_payment(struct provider *p, struct call *c, const struct provider_payment *q,
                         struct provider_answer *ret)
{
    (void)p;
    *ret = answer(c, PROVIDER_CANCELLED, q);
}

static void inquire(struct provider *p, struct call *c, const struct provider_payment *q,
                    struct provider_answer *ret)
{
    (void)p, (void)c, (void)q;
    *ret = (struct provider_answer){.outcome = PROVIDER_NOT_FOUND};
}

static void refund(struct provider *p, struct call *c, const struct provider_refund *q,
                   struct provider_answer *ret)
{
    (void)p;
    char id[UUID_TEXT_LEN + 1];
    uuid_format(q->refund_id, id);
    *ret = (struct provider_answer){
        .outcome = PROVIDER_REFUND_SUCCEEDED,
        .reference = str_of(arena_printf(&c->arena, "instant_%s", id)),
        .amount_minor = q->amount_minor,
        .currency = q->currency,
    };
}

static void inquire_refund(struct provider *p, struct call *c, const struct provider_refund *q,
                           struct provider_answer *ret)
{
    (void)p, (void)c, (void)q;
    *ret = (struct provider_answer){.outcome = PROVIDER_NOT_FOUND};
}

const struct provider_ops provider_instant = {
    .name = "instant",
    .authorise = authorise,
    .capture = capture,
    .void_payment = void_payment,
    .inquire = inquire,
    .refund = refund,
    .inquire_refund = inquire_refund,
};
