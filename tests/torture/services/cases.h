/* What the files of requests share: how one is made and how it is listed. services.c reads the
 * lists through case_at. */
#pragma once

#include "google/type/date.pb-c.h"
#include "google/type/money.pb-c.h"
#include "world.h"

#define REQUEST_ID "0193d3c8-0000-7000-8000-000000000001"

/* static type *function(void): a new message with its defaults. */
#define MAKER(function, type, init)                                                                \
    static type *function(void)                                                                    \
    {                                                                                              \
        type *m = arena_alloc(&world_arena, sizeof *m);                                            \
        init(m);                                                                                   \
        return m;                                                                                  \
    }

#define CASE(method_, what_, make_, caller_)                                                       \
    {                                                                                              \
        .method = method_, .what = what_, .make = make_, .caller = caller_                         \
    }
#define LARGEST(method_, make_)                                                                    \
    {                                                                                              \
        .method = method_, .what = "most", .make = make_, .is_huge = true                          \
    }

extern const struct service_case auth_cases[], flight_cases[], booking_cases[], payment_cases[];

/* In the world's arena. */
char *case_text(const char *z);
/* "bookings/.../collection/id" */
char *case_child(const char *collection, struct uuid id);
Google__Type__Money *case_money(const char *currency, int64_t minor);
Google__Type__Date *case_date(int year, int month, int day);
