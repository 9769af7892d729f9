/* The short tour. Each command is complete: pasted in order into a shell they fly one traveller.
 * What must stay true: tests/rpc pastes exactly this text and sees a confirmed booking. */
#include "supervisor/guide.h"

#include <limits.h>
#include <stdlib.h>
#include <time.h>

#include "seed/seed.h"

/* In three weeks, or as near to that as the timetable comes. */
static void travel_date(const char *database, char ret_date[static 64])
{
    int32_t days = (int32_t)(time(NULL) / 86400) + 21, first, last;
    if (seed_dates(database, &first, &last) == 0)
        days = days > last ? last : days < first ? first : days;
    time_t t = (time_t)days * 86400;
    struct tm tm;
    gmtime_r(&t, &tm);
    snprintf(ret_date, 64, "{\"year\":%d,\"month\":%d,\"day\":%d}", tm.tm_year + 1900,
             tm.tm_mon + 1, tm.tm_mday);
}

/* What a traveller may not: refunds, and the proof from the data. */
static void staff(FILE *out, const struct config *c)
{
    char data[PATH_MAX], program[PATH_MAX];
    if (!realpath(c->data, data) || !realpath("/proc/self/exe", program))
        return;
    fprintf(out,
            "# Staff: with $staff for $token, CreateRefund can be tried.\n"
            "staff=$(call -d '{\"email\":\"finance@faregate.example\",\"password\":\"'$(cat "
            "'%s/finance-password')'\",\"request_id\":\"'$(cat "
            "/proc/sys/kernel/random/uuid)'\"}' $at "
            "faregate.v1.AuthService/CreateSession | one accessToken)\n",
            data);
    fprintf(out,
            "# No seat sold twice, no money lost: proved from the data.\n"
            "'%s' check --database=\"%s\"\n\n",
            program, c->database);
}

void guide_print(FILE *out, const struct config *c, const char *certificate, const char *log)
{
    const char *client = getenv("FAREGATE_GUIDE_CLIENT");
    char date[64];
    travel_date(c->database, date);
    fprintf(out, "\nFaregate serves on %s (h2c) and %s (TLS, --cacert %s)\n", c->listen,
            c->listen_tls, certificate);
    fprintf(out,
            "Admin: http://%s/metrics /healthz /readyz   Events: %s   Ctrl-C stops everything.\n\n",
            c->admin, log);
    fprintf(out, "# Paste into another terminal:\n");
    fprintf(out,
            "call() { %s -plaintext \"$@\"; }; at=%s; one() { sed -n 's/^ *\"'$1'\": "
            "\"\\(.*\\)\",*$/\\1/p' | head -n 1; }\n",
            client ? client : "grpcurl", c->listen);
    fprintf(out, "call $at list\n");
    fprintf(out, "call -d '{\"query\":\"new york\"}' $at faregate.v1.FlightService/SearchPlaces\n");
    fprintf(out, "call -d '{\"email\":\"ann@example.org\",\"password\":\"correct horse "
                 "battery\",\"display_name\":\"Ann Lee\","
                 "\"request_id\":\"'$(cat /proc/sys/kernel/random/uuid)'\"}' $at "
                 "faregate.v1.AuthService/CreateUser\n");
    fprintf(
        out,
        "token=$(call -d '{\"email\":\"ann@example.org\",\"password\":\"correct horse battery\","
        "\"request_id\":\"'$(cat /proc/sys/kernel/random/uuid)'\"}' $at "
        "faregate.v1.AuthService/CreateSession | one accessToken)\n");
    fprintf(out,
            "found=$(call -d "
            "'{\"slices\":[{\"origin\":\"JFK\",\"destination\":\"LHR\",\"departure_date\":%s}],"
            "\"passengers\":[{\"type\":\"ADULT\",\"count\":1}],\"max_connections\":1,\"currency_"
            "code\":\"USD\",\"page_size\":1}' "
            "$at faregate.v1.FlightService/SearchOffers); echo \"$found\"\n",
            date);
    fprintf(out, "offer=$(echo \"$found\" | sed -n 's/.*\"name\": \"\\(offers[^\"]*\\)\".*/\\1/p' "
                 "| head -n 1)\n");
    fprintf(out,
            "total=$(call -d '{\"name\":\"'$offer'\"}' $at faregate.v1.FlightService/GetOffer | "
            "tr -d '\\n ' | sed 's/.*\"total\":\\({[^}]*}\\).*/\\1/')\n");
    fprintf(out, "booking=$(call -H \"authorization: Bearer $token\" -d "
                 "'{\"offer\":\"'$offer'\",\"mode\":\"HOLD\",\"expected_total\":'$total',"
                 "\"passengers\":[{\"type\":\"ADULT\",\"given_name\":\"Ann\",\"surname\":\"Lee\","
                 "\"email\":\"ann@example.org\","
                 "\"birth_date\":{\"year\":1990,\"month\":5,\"day\":17}}],\"request_id\":\"'$(cat "
                 "/proc/sys/kernel/random/uuid)'\"}' "
                 "$at faregate.v1.BookingService/CreateBooking | one name)\n");
    fprintf(out,
            "call -H \"authorization: Bearer $token\" -d "
            "'{\"parent\":\"'$booking'\",\"amount\":'$total',\"payment_method\":\"pm_card_visa\","
            "\"confirm\":true,\"request_id\":\"'$(cat /proc/sys/kernel/random/uuid)'\"}' $at "
            "faregate.v1.PaymentService/CreatePaymentIntent\n");
    fprintf(out, "call -H \"authorization: Bearer $token\" -d '{\"name\":\"'$booking'\"}' $at "
                 "faregate.v1.BookingService/GetBooking\n");
    staff(out, c);
    fflush(out);
}
