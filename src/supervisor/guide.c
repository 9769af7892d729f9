/* The short tour. Each command is complete: pasted in order into a shell they fly one traveller.
 * What must stay true: tests/rpc pastes exactly this text and sees a confirmed booking. */
#include "supervisor/guide.h"

#include <stdlib.h>
#include <time.h>

/* A date that is surely in the timetable and not in the past anywhere. */
static void travel_date(uint32_t days, char ret_date[static 64])
{
    time_t t = time(NULL) + (days > 30 ? 21 : days > 3 ? 2 : 1) * 86400;
    struct tm tm;
    gmtime_r(&t, &tm);
    snprintf(ret_date, 64, "{\"year\":%d,\"month\":%d,\"day\":%d}", tm.tm_year + 1900,
             tm.tm_mon + 1, tm.tm_mday);
}

void guide_print(FILE *out, const struct config *c, const char *certificate, const char *log)
{
    const char *client = getenv("FAREGATE_GUIDE_CLIENT");
    char date[64];
    travel_date(c->days, date);
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
                 "faregate.v1.BookingService/GetBooking\n\n");
    fflush(out);
}
