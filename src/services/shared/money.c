/* google.type.Money and back. See money.h. */
#include "services/shared/money.h"

#include <errno.h>

Google__Type__Money *money_message(struct arena *arena, int64_t minor, struct str currency)
{
    Google__Type__Money *m = arena_alloc(arena, sizeof *m);
    google__type__money__init(m);
    m->currency_code = arena_dup(arena, currency);
    money_to_units(currency, minor, &m->units, &m->nanos);
    return m;
}

bool money_take(struct call *c, const char *field, const Google__Type__Money *money,
                int64_t *ret_minor, struct str *ret_currency)
{
    int r = money ? money_from_units(str_of(money->currency_code), money->units, money->nanos,
                                     ret_minor)
                  : -EINVAL;
    if (r == 0) {
        *ret_currency = str_of(money->currency_code);
        return true;
    }
    call_fail_field(c, REASON_AMOUNT_INVALID, field, "%s",
                    r == -ERANGE ? "is larger than any price"
                                 : "is not a whole number of the currency's smallest unit");
    return false;
}
