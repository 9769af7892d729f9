/* google.type.Money from and to minor units. Every service that shows or takes an amount calls it.
 */
#pragma once

#include "base/arena.h"
#include "domain/money.h"
#include "google/type/money.pb-c.h"
#include "grpc/grpc.h"

Google__Type__Money *money_message(struct arena *arena, int64_t minor, struct str currency);

/* The same in front of @p, as grpc/pb_put.h has it: the message in @field. */
uint8_t *money_put(uint8_t *p, unsigned field, int64_t minor, const char *currency);

/* The amount in a field of the request. False: the call has failed with AMOUNT_INVALID naming
 * @field, return STEP_DONE. */
bool money_take(struct call *c, const char *field, const Google__Type__Money *money,
                int64_t *ret_minor, struct str *ret_currency);
