/* Payments and refunds as messages. Every handler of the service that answers with one calls it.
 * What must stay true: what the customer is told about a decline says nothing that helps a thief.
 */
#include <errno.h>
#include <stdio.h>

#include "services/payment/internal.h"
#include "services/shared/money.h"
#include "services/shared/names.h"
#include "services/shared/timestamp.h"

bool payment_may_read(const struct call *c, struct uuid user_id)
{
    const struct principal *p = &c->principal;
    return uuid_eq(p->user_id, user_id) || principal_has(p, ROLE_SUPPORT) ||
           principal_has(p, ROLE_FINANCE) || principal_has(p, ROLE_ADMIN);
}

int payment_etag_parse(struct str etag, int64_t *ret_us)
{
    uint64_t us = 0;
    if (etag.n == 0 || etag.n > 15)
        return -EINVAL;
    for (size_t i = 0; i < etag.n; i++) {
        char b = etag.p[i];
        if ((b < '0' || b > '9') && (b < 'a' || b > 'f'))
            return -EINVAL;
        us = us << 4 | (uint64_t)(b <= '9' ? b - '0' : b - 'a' + 10);
    }
    *ret_us = (int64_t)us;
    return 0;
}

struct payment_view payment_view_of(struct uuid booking_id, struct uuid intent_id,
                                    const struct payment_get_row *row)
{
    return (struct payment_view){
        .booking_id = booking_id,
        .intent_id = intent_id,
        .attempt_id = row->has_attempt_id ? row->attempt_id : (struct uuid){{0}},
        .state = row->state,
        .currency = row->currency,
        .amount_minor = row->amount_minor,
        .authorised_minor = row->authorised_minor,
        .captured_minor = row->captured_minor,
        .refund_reserved_minor = row->refund_reserved_minor,
        .create_us = row->create_time,
        .update_us = row->update_time,
        .pin_us = row->has_pin_time ? row->pin_time : 0,
        .attempt_state = row->attempt_state,
        .provider = row->provider,
        .provider_reference = row->provider_reference,
        .error_code = row->error_code,
        .decline_code = row->decline_code,
        .redirect_url = row->redirect_url,
        .card = row->card,
        .inquiry_count = row->has_inquiry_count ? row->inquiry_count : 0,
        .inquiry_us = row->has_due_time ? row->due_time : 0,
        .attempt_create_us = row->has_attempt_create_time ? row->attempt_create_time : 0,
    };
}

/* Matched with the bank's word first, then with the kind of failure. Lost and stolen cards sound
 * like any other. */
static const struct guidance {
    const char *code;
    bool retry_may_succeed;
    const char *text;
} guidances[] = {
    {"insufficient_funds", false, "The card has not enough funds. Please use another card."},
    {"card_velocity_exceeded", false, "The card's limit is reached. Please use another card."},
    {"expired_card", false, "The card has expired. Please use another card."},
    {"incorrect_cvc", true, "The security code is wrong. Please check it and try again."},
    {"processing_error", true, "The bank could not process the payment. Please try again."},
    {"try_again_later", true, "The bank could not process the payment. Please try again."},
    {"issuer_not_available", true, "The bank could not process the payment. Please try again."},
    {"reenter_transaction", true, "The bank could not process the payment. Please try again."},
    {"authentication_required", false,
     "The bank wants to ask you first, which is not possible here. Please use another card."},
    {"authentication_failed", true, "The bank could not confirm that it is you. Please try again."},
    {"payment_method_invalid", false, "This payment method cannot be used. Please use another."},
    {"request_invalid", false, "The payment could not be made; the card was not asked."},
    {"canceled", true, "The payment was not completed in time. Please try again."},
    {"NOT_RECEIVED", true,
     "The payment did not reach the bank; nothing was charged. Please try again."},
};

static Faregate__V1__PaymentError *error_message(struct arena *arena, struct str code,
                                                 struct str decline_code)
{
    Faregate__V1__PaymentError *m = arena_alloc(arena, sizeof *m);
    faregate__v1__payment_error__init(m);
    const struct guidance *found = NULL;
    for (size_t i = 0; i < sizeof guidances / sizeof guidances[0] && !found; i++)
        if (str_eq(decline_code, str_of(guidances[i].code)) ||
            str_eq(code, str_of(guidances[i].code)))
            found = &guidances[i];
    m->code = arena_dup(arena, code);
    m->decline_code = arena_dup(arena, decline_code);
    m->retry_may_succeed = found && found->retry_may_succeed;
    m->user_guidance =
        arena_dup(arena, found ? str_of(found->text)
                               : STR("The card was declined. Please use another card."));
    m->provider_code = arena_dup(arena, decline_code.n > 0 ? decline_code : code);
    return m;
}

/* What the customer can do about a refund is nothing. */
static Faregate__V1__PaymentError *refund_error_message(struct arena *arena, struct str code)
{
    Faregate__V1__PaymentError *m = arena_alloc(arena, sizeof *m);
    faregate__v1__payment_error__init(m);
    m->code = m->provider_code = arena_dup(arena, code);
    m->user_guidance = "The money could not be returned to the card. We look after it.";
    return m;
}

static int enum_value(const ProtobufCEnumDescriptor *descriptor, struct str name)
{
    const ProtobufCEnumValue *value =
        name.n > 0 ? protobuf_c_enum_descriptor_get_value_by_name(descriptor, name.p) : NULL;
    return value ? value->value : 0;
}

static bool is_settled(struct str attempt_state)
{
    return str_eq(attempt_state, STR("DECLINED")) || str_eq(attempt_state, STR("CAPTURED")) ||
           str_eq(attempt_state, STR("AUTHORIZED"));
}

static Faregate__V1__CardSummary *card_message(struct arena *arena, struct str card)
{
    const char *space = card.n > 0 ? memrchr(card.p, ' ', card.n) : NULL;
    if (!space)
        return NULL;
    Faregate__V1__CardSummary *m = arena_alloc(arena, sizeof *m);
    faregate__v1__card_summary__init(m);
    size_t brand_bytes = (size_t)(space - card.p);
    m->brand = arena_dup(arena, (struct str){.p = card.p, .n = brand_bytes});
    m->last4 = arena_dup(arena, (struct str){.p = space + 1, .n = card.n - brand_bytes - 1});
    return m;
}

static Faregate__V1__PaymentAttempt *
attempt_message(struct arena *arena, const struct payment_view *v, const char *intent)
{
    char id[UUID_TEXT_LEN + 1];
    Faregate__V1__PaymentAttempt *m = arena_alloc(arena, sizeof *m);
    faregate__v1__payment_attempt__init(m);
    uuid_format(v->attempt_id, id);
    m->name = arena_printf(arena, "%s/attempts/%s", intent, id);
    m->state = (Faregate__V1__PaymentAttempt__State)enum_value(
        &faregate__v1__payment_attempt__state__descriptor, v->attempt_state);
    m->provider = arena_dup(arena, v->provider);
    m->merchant_reference = arena_dup(arena, str_of(id));
    m->provider_reference = arena_dup(arena, v->provider_reference);
    if (v->error_code.n > 0)
        m->error = error_message(arena, v->error_code, v->decline_code);
    m->card = card_message(arena, v->card);
    m->inquiry_count = v->inquiry_count;
    if (v->inquiry_us > 0 && !is_settled(v->attempt_state))
        m->next_inquiry_time = timestamp_of_us(arena, v->inquiry_us);
    m->create_time = timestamp_of_us(arena, v->attempt_create_us);
    return m;
}

static Faregate__V1__NextAction *next_action(struct arena *arena, const struct payment_view *v)
{
    Faregate__V1__NextAction *m = arena_alloc(arena, sizeof *m);
    faregate__v1__next_action__init(m);
    m->action_case = FAREGATE__V1__NEXT_ACTION__ACTION_REDIRECT_URL;
    m->redirect_url = arena_dup(arena, v->redirect_url);
    if (v->pin_us > 0)
        m->expire_time = timestamp_of_us(arena, v->pin_us);
    return m;
}

Faregate__V1__PaymentIntent *payment_intent_message(struct arena *arena,
                                                    const struct payment_view *v)
{
    Faregate__V1__PaymentIntent *m = arena_alloc(arena, sizeof *m);
    faregate__v1__payment_intent__init(m);
    m->name = name_make_child(arena, "bookings", v->booking_id, "paymentIntents", v->intent_id);
    m->state = (Faregate__V1__PaymentIntent__State)enum_value(
        &faregate__v1__payment_intent__state__descriptor, v->state);
    m->booking = name_make(arena, "bookings", v->booking_id);
    m->amount = money_message(arena, v->amount_minor, v->currency);
    int64_t reserved_minor = v->authorised_minor - v->captured_minor;
    m->amount_authorized =
        money_message(arena, reserved_minor > 0 ? reserved_minor : 0, v->currency);
    m->amount_captured = money_message(arena, v->captured_minor, v->currency);
    m->amount_refunded = money_message(arena, v->refund_reserved_minor, v->currency);
    m->capture_method = FAREGATE__V1__CAPTURE_METHOD__AUTOMATIC;
    m->etag = arena_printf(arena, "%llx", (unsigned long long)v->update_us);
    m->create_time = timestamp_of_us(arena, v->create_us);
    m->update_time = timestamp_of_us(arena, v->update_us);
    m->outcome_unknown = str_eq(v->attempt_state, STR("UNKNOWN"));
    if (m->state == FAREGATE__V1__PAYMENT_INTENT__STATE__REQUIRES_ACTION && v->redirect_url.n > 0)
        m->next_action = next_action(arena, v);
    if (uuid_is_nil(v->attempt_id))
        return m;
    m->latest_attempt = attempt_message(arena, v, m->name);
    if (v->error_code.n > 0)
        m->last_error = error_message(arena, v->error_code, v->decline_code);
    return m;
}

Faregate__V1__Refund *payment_refund_message(struct arena *arena, struct uuid booking_id,
                                             struct uuid refund_id,
                                             const struct payment_refund_get_row *row)
{
    Faregate__V1__Refund *m = arena_alloc(arena, sizeof *m);
    faregate__v1__refund__init(m);
    m->name = name_make_child(arena, "bookings", booking_id, "refunds", refund_id);
    m->state = (Faregate__V1__Refund__State)enum_value(&faregate__v1__refund__state__descriptor,
                                                       row->state);
    m->payment_intent =
        name_make_child(arena, "bookings", booking_id, "paymentIntents", row->intent_id);
    if (row->has_cancellation_id)
        m->cancellation =
            name_make_child(arena, "bookings", booking_id, "cancellations", row->cancellation_id);
    m->amount = money_message(arena, row->amount_minor, row->currency);
    m->cause = (Faregate__V1__Refund__Cause)enum_value(&faregate__v1__refund__cause__descriptor,
                                                       row->cause);
    if (row->has_error_code)
        m->error = refund_error_message(arena, row->error_code);
    m->create_time = timestamp_of_us(arena, row->create_time);
    m->update_time = timestamp_of_us(arena, row->update_time);
    m->etag = arena_printf(arena, "%llx", (unsigned long long)row->update_time);
    return m;
}
