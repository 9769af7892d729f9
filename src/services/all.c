/* See all.h. A new service is one line here. */
#include "services/all.h"

#include "services/app.h"

static const struct rpc_service *const all[SERVICES_MAX] = {
    &auth_service,
    &flight_service,
    &booking_service,
    &payment_service,
};

void services_chosen(const char *list, const struct rpc_service *ret[static SERVICES_MAX + 1])
{
    unsigned count = 0;
    for (unsigned i = 0; i < SERVICES_MAX; i++) {
        bool named = false;
        for (struct str rest = str_of(list); rest.n > 0;)
            named |= str_eq(str_cut(&rest, ','), str_of(all[i]->flag));
        if (named)
            ret[count++] = all[i];
    }
    ret[count] = NULL;
}
