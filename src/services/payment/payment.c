/* PaymentService: its handlers. The server pairs them with the methods of the .proto by name. */
#include "services/payment/internal.h"

static const struct rpc_handler *const handlers[] = {
    &payment_create_payment_intent,
    &payment_confirm_payment_intent,
    &payment_get_payment_intent,
    &payment_create_refund,
    &payment_get_refund,
    NULL,
};

const struct rpc_service payment_service = {
    .descriptor = &faregate__v1__payment_service__descriptor,
    .full_name = "faregate.v1.PaymentService",
    .flag = "payment",
    .handlers = handlers,
};
