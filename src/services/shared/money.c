/* google.type.Money and back. See money.h. */
#include "services/shared/money.h"

#include <errno.h>

#include "grpc/pb_put.h"

enum { MONEY_CURRENCY = 1, MONEY_UNITS, MONEY_NANOS };

Google__Type__Money *money_message(struct arena *arena, int64_t minor, struct str currency)
{
    Google__Type__Money *m = arena_alloc(arena, sizeof *m);
    google__type__money__init(m);
    m->currency_code = arena_dup(arena, currency);
    money_to_units(currency, minor, &m->units, &m->nanos);
    return m;
}

uint8_t *money_put(uint8_t *p, unsigned field, int64_t minor, const char *currency)
{
    const uint8_t *end = p;
    int64_t units = 0;
    int32_t nanos = 0;
    if (minor != 0) /* most of a balance is 0 */
        money_to_units(str_of(currency), minor, &units, &nanos);
    p = pb_put_number(p, MONEY_NANOS, nanos);
    p = pb_put_number(p, MONEY_UNITS, units);
    p = pb_put_code(p, MONEY_CURRENCY, currency);
    return pb_put_around(p, field, end);
}

bool money_take(struct call *c, const char *field, const Google__Type__Money *money,
                int64_t *ret_minor, struct str *ret_currency)
{
    int r = money ? money_from_units(str_of(money->currency_code), money->units, money->nanos,
                                     ret_minor)
                  : -EINVAL;
    if (r == 0 && *ret_minor >= 0) {
        *ret_currency = str_of(money->currency_code);
        return true;
    }
    bool is_known = money && money_exponent(str_of(money->currency_code)) >= 0;
    call_fail_field(c, REASON_AMOUNT_INVALID, field, "%s",
                    r == 0         ? "must not be negative"
                    : r == -ERANGE ? "is larger than any price"
                    : is_known     ? "is not a whole number of the currency's smallest unit"
                                   : "is in no currency that is sold in");
    return false;
}
