/* The list of all cases, and what their requests are made of. See cases.h. */
#include "cases.h"

#include "base/check.h"
#include "services/shared/names.h"

MAKER(new_money, Google__Type__Money, google__type__money__init)
MAKER(new_date, Google__Type__Date, google__type__date__init)

char *case_text(const char *z)
{
    return arena_dup(&world_arena, str_of(z));
}

char *case_child(const char *collection, struct uuid id)
{
    return name_make_child(&world_arena, "bookings", world_booking, collection, id);
}

Google__Type__Money *case_money(const char *currency, int64_t minor)
{
    Google__Type__Money *m = new_money();
    m->currency_code = case_text(currency);
    m->units = minor / 100;
    m->nanos = (int32_t)(minor % 100 * 10000000);
    return m;
}

Google__Type__Date *case_date(int year, int month, int day)
{
    Google__Type__Date *m = new_date();
    m->year = year;
    m->month = month;
    m->day = day;
    return m;
}

const struct service_case *case_at(size_t index)
{
    static const struct service_case *const lists[] = {auth_cases, flight_cases, booking_cases,
                                                       payment_cases};
    for (size_t i = 0; i < sizeof lists / sizeof lists[0]; i++)
        for (const struct service_case *test = lists[i]; test->method; test++)
            if (index-- == 0)
                return test;
    return NULL;
}
