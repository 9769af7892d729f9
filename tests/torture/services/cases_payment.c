/* Requests of PaymentService for the torture: the plain ones, those that a handler itself refuses,
 * the largest. services.c runs them. What must stay true: no field rule refuses one, or the handler
 * is never reached. */
#include "cases.h"
#include "faregate/v1/payment_service.pb-c.h"
#include "services/shared/names.h"

MAKER(new_intent, Faregate__V1__CreatePaymentIntentRequest,
      faregate__v1__create_payment_intent_request__init)
MAKER(new_confirm, Faregate__V1__ConfirmPaymentIntentRequest,
      faregate__v1__confirm_payment_intent_request__init)
MAKER(new_refund, Faregate__V1__CreateRefundRequest, faregate__v1__create_refund_request__init)

static Faregate__V1__CreatePaymentIntentRequest *intent_of(bool confirm)
{
    Faregate__V1__CreatePaymentIntentRequest *m = new_intent();
    m->parent = name_make(&world_arena, "bookings", world_booking);
    m->amount = case_money(world.offer.currency, world.offer.total_minor);
    m->confirm = confirm;
    if (confirm)
        m->payment_method = case_text("pm_card_visa");
    m->request_id = case_text(REQUEST_ID);
    return m;
}

static ProtobufCMessage *intent(void)
{
    return &intent_of(false)->base;
}

static ProtobufCMessage *intent_confirm(void)
{
    return &intent_of(true)->base;
}

static ProtobufCMessage *intent_amount(void)
{
    Faregate__V1__CreatePaymentIntentRequest *m = intent_of(true);
    m->amount->nanos = 1;
    return &m->base;
}

static ProtobufCMessage *intent_nothing(void)
{
    Faregate__V1__CreatePaymentIntentRequest *m = intent_of(true);
    m->amount = case_money("GBP", 0);
    return &m->base;
}

static ProtobufCMessage *confirm(void)
{
    Faregate__V1__ConfirmPaymentIntentRequest *m = new_confirm();
    m->name = case_child("paymentIntents", world_intent);
    m->payment_method = case_text("tok_1234567890");
    m->request_id = case_text(REQUEST_ID);
    return &m->base;
}

static ProtobufCMessage *confirm_etag(void)
{
    Faregate__V1__ConfirmPaymentIntentRequest *m =
        (Faregate__V1__ConfirmPaymentIntentRequest *)confirm();
    m->etag = case_text("60a1b2c3d4e5f");
    return &m->base;
}

static ProtobufCMessage *confirm_bad_etag(void)
{
    Faregate__V1__ConfirmPaymentIntentRequest *m =
        (Faregate__V1__ConfirmPaymentIntentRequest *)confirm();
    m->etag = case_text("other");
    return &m->base;
}

static ProtobufCMessage *get_intent(void)
{
    Faregate__V1__GetPaymentIntentRequest *m = arena_alloc(&world_arena, sizeof *m);
    faregate__v1__get_payment_intent_request__init(m);
    m->name = case_child("paymentIntents", world_intent);
    return &m->base;
}

static ProtobufCMessage *refund(void)
{
    Faregate__V1__CreateRefundRequest *m = new_refund();
    m->parent = name_make(&world_arena, "bookings", world_booking);
    m->payment_intent = case_child("paymentIntents", world_intent);
    m->amount = case_money("GBP", 500);
    m->cause = FAREGATE__V1__REFUND__CAUSE__GOODWILL;
    m->request_id = case_text(REQUEST_ID);
    return &m->base;
}

static ProtobufCMessage *refund_nothing(void)
{
    Faregate__V1__CreateRefundRequest *m = (Faregate__V1__CreateRefundRequest *)refund();
    m->amount = case_money("GBP", 0);
    return &m->base;
}

static ProtobufCMessage *get_refund(void)
{
    Faregate__V1__GetRefundRequest *m = arena_alloc(&world_arena, sizeof *m);
    faregate__v1__get_refund_request__init(m);
    m->name = case_child("refunds", world_intent);
    return &m->base;
}

const struct service_case payment_cases[] = {
    CASE("CreatePaymentIntent", "", intent, CALLER_TRAVELLER),
    CASE("CreatePaymentIntent", "with confirm", intent_confirm, CALLER_TRAVELLER),
    CASE("CreatePaymentIntent", "bad amount", intent_amount, CALLER_TRAVELLER),
    CASE("CreatePaymentIntent", "no amount", intent_nothing, CALLER_TRAVELLER),
    CASE("ConfirmPaymentIntent", "", confirm, CALLER_TRAVELLER),
    CASE("ConfirmPaymentIntent", "with an etag", confirm_etag, CALLER_TRAVELLER),
    CASE("ConfirmPaymentIntent", "bad etag", confirm_bad_etag, CALLER_TRAVELLER),
    CASE("GetPaymentIntent", "", get_intent, CALLER_TRAVELLER),
    CASE("GetPaymentIntent", "by staff", get_intent, CALLER_SUPPORT),
    LARGEST("GetPaymentIntent", get_intent),
    CASE("CreateRefund", "", refund, CALLER_SUPPORT),
    CASE("CreateRefund", "no amount", refund_nothing, CALLER_SUPPORT),
    CASE("GetRefund", "", get_refund, CALLER_TRAVELLER),
    CASE("GetRefund", "by staff", get_refund, CALLER_SUPPORT),
    {0},
};
