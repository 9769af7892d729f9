/* Bodies of the load driver's requests, and what it learns from the answers. client.c calls it.
 * What must stay true: who, what and when are drawn anew for each call, with the skew of a real
 * network: a tenth of the routes gets a third of the searches. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench/bench.h"
#include "faregate/v1/booking_service.pb-c.h"
#include "faregate/v1/flight_service.pb-c.h"
#include "faregate/v1/payment_service.pb-c.h"

#define FRAME_HEAD 5

static const char *const paths[BENCH_OPS] = {
    [BENCH_SEARCH] = "/faregate.v1.FlightService/SearchOffers",
    [BENCH_EVEN] = "/faregate.v1.FlightService/SearchOffers",
    [BENCH_COLLECT] = "/faregate.v1.FlightService/SearchOffers",
    [BENCH_FLIGHT] = "/faregate.v1.FlightService/GetFlight",
    [BENCH_SEATMAP] = "/faregate.v1.FlightService/GetSeatMap",
    [BENCH_BOOK] = "/faregate.v1.BookingService/CreateBooking",
    [BENCH_HOT] = "/faregate.v1.BookingService/CreateBooking",
    [BENCH_HISTORY] = "/faregate.v1.BookingService/ListBookings",
    [BENCH_PAY] = "/faregate.v1.PaymentService/CreatePaymentIntent",
};

/* SEATS' weights on these methods. */
static enum bench_op draw_op(void)
{
    static const struct {
        enum bench_op op;
        unsigned percent;
    } weights[] = {
        {BENCH_FLIGHT, 18}, {BENCH_SEATMAP, 17}, {BENCH_PAY, 25},
        {BENCH_BOOK, 20},   {BENCH_SEARCH, 10},  {BENCH_HISTORY, 10},
    };
    unsigned at = (unsigned)(bench_random() % 100);
    for (size_t i = 0;; i++) {
        if (at < weights[i].percent)
            return weights[i].op;
        at -= weights[i].percent;
    }
}

static size_t pick(size_t count)
{
    return (size_t)(bench_random() % count);
}

static void put(struct bench_call *call, const ProtobufCMessage *message)
{
    size_t bytes = protobuf_c_message_get_packed_size(message);
    call->body = bench_grow(call->body, FRAME_HEAD + bytes, &call->body_bytes_max, 1);
    protobuf_c_message_pack(message, call->body + FRAME_HEAD);
    call->body[0] = 0;
    for (unsigned i = 0; i < 4; i++)
        call->body[1 + i] = (uint8_t)(bytes >> (24 - 8 * i));
    call->body_bytes = FRAME_HEAD + bytes;
}

static void request_id(char ret_text[static UUID_TEXT_LEN + 1])
{
    uint64_t words[2] = {bench_random(), bench_random()};
    struct uuid u;
    memcpy(u.b, words, sizeof u.b);
    u.b[6] = (uint8_t)((u.b[6] & 0x0f) | 0x40);
    u.b[8] = (uint8_t)((u.b[8] & 0x3f) | 0x80);
    uuid_format(u, ret_text);
}

/* Days since 1970 to a civil date (Howard Hinnant's algorithm). */
static void date_of(int32_t days, Google__Type__Date *ret)
{
    int32_t z = days + 719468;
    int32_t era = z / 146097, doe = z - era * 146097;
    int32_t yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
    int32_t doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    int32_t mp = (5 * doy + 2) / 153;
    ret->day = doy - (153 * mp + 2) / 5 + 1;
    ret->month = mp < 10 ? mp + 3 : mp - 9;
    ret->year = yoe + era * 400 + (ret->month <= 2);
}

static void make_search(struct bench_call *call, const struct bench_world *w)
{
    bool collect = call->op == BENCH_COLLECT, even = collect || call->op == BENCH_EVEN;
    double u = (double)(bench_random() >> 11) / 9007199254740992.0;
    struct bench_route *route =
        &w->routes[even ? pick(w->route_count) : (size_t)((double)w->route_count * pow(u, 2.2))];
    Google__Type__Date date = GOOGLE__TYPE__DATE__INIT;
    date_of(w->first_day + (int32_t)pick(w->day_count), &date);
    Faregate__V1__Slice slice = FAREGATE__V1__SLICE__INIT;
    slice.origin = route->origin;
    slice.destination = route->destination;
    slice.departure_date = &date;
    Faregate__V1__PassengerCount party = FAREGATE__V1__PASSENGER_COUNT__INIT;
    party.type = FAREGATE__V1__PASSENGER_TYPE__ADULT;
    party.count = 1;
    Faregate__V1__SearchOffersRequest m = FAREGATE__V1__SEARCH_OFFERS_REQUEST__INIT;
    m.n_slices = m.n_passengers = 1;
    m.slices = (Faregate__V1__Slice *[]){&slice};
    m.passengers = (Faregate__V1__PassengerCount *[]){&party};
    m.cabin = FAREGATE__V1__CABIN__ECONOMY;
    m.page_size = collect ? 50 : 10;
    put(call, &m.base);
}

static void make_flight(struct bench_call *call, const struct bench_world *w)
{
    char name[16 + UUID_TEXT_LEN + 16];
    const char *flight = w->flights[pick(w->flight_count)];
    if (call->op == BENCH_FLIGHT) {
        Faregate__V1__GetFlightRequest m = FAREGATE__V1__GET_FLIGHT_REQUEST__INIT;
        snprintf(name, sizeof name, "flights/%s", flight);
        m.name = name;
        put(call, &m.base);
    } else {
        Faregate__V1__GetSeatMapRequest m = FAREGATE__V1__GET_SEAT_MAP_REQUEST__INIT;
        snprintf(name, sizeof name, "flights/%s/seatMap", flight);
        m.name = name;
        m.cabin = FAREGATE__V1__CABIN__ECONOMY;
        put(call, &m.base);
    }
}

static Google__Type__Money money_of(struct bench_offer *offer)
{
    Google__Type__Money money = GOOGLE__TYPE__MONEY__INIT;
    money.currency_code = offer->currency;
    money.units = offer->units;
    money.nanos = offer->nanos;
    return money;
}

static void make_booking(struct bench_call *call, struct bench_world *w)
{
    static const char *const given[] = {"Amara", "Bela", "Chidi", "Dana", "Emre", "Freya", "Goran"};
    static const char *const family[] = {"Okafor", "Lindqvist", "Tanaka",
                                         "Moreau", "Silva",     "Novak"};
    char id[UUID_TEXT_LEN + 1], email[48];
    call->user = (uint32_t)pick(w->user_count);
    call->offer = call->op == BENCH_HOT ? 0 : 1 + (uint32_t)pick(w->offer_count - 1);
    struct bench_offer *offer = &w->offers[call->offer];
    Google__Type__Date birth = GOOGLE__TYPE__DATE__INIT;
    date_of((int32_t)pick(13000), &birth);
    Faregate__V1__Passenger passenger = FAREGATE__V1__PASSENGER__INIT;
    passenger.type = FAREGATE__V1__PASSENGER_TYPE__ADULT;
    passenger.given_name = (char *)(uintptr_t)given[pick(7)];
    passenger.surname = (char *)(uintptr_t)family[pick(6)];
    passenger.birth_date = &birth;
    snprintf(email, sizeof email, "traveller%u@bench.example", call->user);
    passenger.email = email;
    Google__Type__Money total = money_of(offer);
    request_id(id);
    Faregate__V1__CreateBookingRequest m = FAREGATE__V1__CREATE_BOOKING_REQUEST__INIT;
    m.offer = offer->name;
    m.mode = FAREGATE__V1__CREATE_BOOKING_REQUEST__MODE__HOLD;
    m.n_passengers = 1;
    m.passengers = (Faregate__V1__Passenger *[]){&passenger};
    m.expected_total = &total;
    m.request_id = id;
    put(call, &m.base);
}

static bool make_payment(struct bench_call *call, struct bench_world *w)
{
    char parent[16 + UUID_TEXT_LEN], id[UUID_TEXT_LEN + 1], card[48];
    if (w->paid == w->booked) {
        w->ran_dry = true;
        return false;
    }
    call->booking = w->paid++;
    const struct bench_booking *booking = &w->bookings[call->booking];
    call->user = booking->user;
    call->offer = booking->offer;
    Google__Type__Money amount = money_of(&w->offers[booking->offer]);
    snprintf(parent, sizeof parent, "bookings/%s", booking->id);
    snprintf(card, sizeof card, "pm_card_visa__%u", booking->user);
    request_id(id);
    Faregate__V1__CreatePaymentIntentRequest m = FAREGATE__V1__CREATE_PAYMENT_INTENT_REQUEST__INIT;
    m.parent = parent;
    m.amount = &amount;
    m.payment_method = card;
    m.confirm = true;
    m.request_id = id;
    put(call, &m.base);
    return true;
}

static void make_history(struct bench_call *call, struct bench_world *w)
{
    Faregate__V1__ListBookingsRequest m = FAREGATE__V1__LIST_BOOKINGS_REQUEST__INIT;
    call->user = (uint32_t)pick(w->user_count);
    m.page_size = 10;
    put(call, &m.base);
}

bool bench_request(struct bench_call *call, struct bench_world *w, enum bench_op op)
{
    call->op = op == BENCH_MIX ? draw_op() : op;
    call->path = paths[call->op];
    call->token = NULL;
    call->body_sent = call->reply_bytes = 0;
    call->http_status = call->grpc_status = -1;
    switch (call->op) {
    case BENCH_SEARCH:
    case BENCH_EVEN:
    case BENCH_COLLECT:
        make_search(call, w);
        return true;
    case BENCH_FLIGHT:
    case BENCH_SEATMAP:
        make_flight(call, w);
        return true;
    case BENCH_PAY:
        if (!make_payment(call, w))
            return false;
        break;
    case BENCH_HISTORY:
        make_history(call, w);
        break;
    default:
        make_booking(call, w);
    }
    call->token = w->users[call->user].token;
    return true;
}

/* ---- answers ----------------------------------------------------------------------------------
 */

static size_t varint(const uint8_t *p, const uint8_t *end, uint64_t *ret)
{
    *ret = 0;
    for (unsigned i = 0; p + i < end && i < 10; i++) {
        *ret |= (uint64_t)(p[i] & 0x7f) << (7 * i);
        if (p[i] < 0x80)
            return i + 1;
    }
    return 0;
}

/* How often field @tag (length-delimited) stands in the message, and where last: cheaper than
 * unpacking what is only counted. */
static unsigned scan(const uint8_t *p, size_t bytes, uint32_t tag, const uint8_t **ret_p,
                     size_t *ret_bytes)
{
    const uint8_t *end = p + bytes;
    unsigned found = 0;
    while (p < end) {
        uint64_t key, value;
        size_t n = varint(p, end, &key);
        if (n == 0)
            break;
        p += n;
        if ((key & 7) == 1 || (key & 7) == 5) {
            p += (key & 7) == 1 ? 8 : 4;
            continue;
        }
        n = varint(p, end, &value);
        if (n == 0)
            break;
        p += n;
        if ((key & 7) != 2)
            continue;
        if (value > (uint64_t)(end - p))
            break;
        if (key >> 3 == tag) {
            found++;
            *ret_p = p;
            *ret_bytes = (size_t)value;
        }
        p += value;
    }
    return found;
}

static void remember(struct bench_world *w, const char *id, const struct bench_call *call)
{
    w->bookings = bench_grow(w->bookings, w->booked + 1, &w->booked_max, sizeof *w->bookings);
    struct bench_booking *b = &w->bookings[w->booked++];
    memcpy(b->id, id, UUID_TEXT_LEN);
    b->id[UUID_TEXT_LEN] = '\0';
    b->user = call->user;
    b->offer = call->offer;
}

void bench_refused(const struct bench_call *call, struct bench_world *w)
{
    if (call->op != BENCH_PAY)
        return;
    struct bench_booking booking = w->bookings[call->booking]; /* the array may move */
    remember(w, booking.id, call);
}

static void learn_booking(const struct bench_call *call, struct bench_world *w)
{
    const uint8_t *name = NULL;
    size_t bytes = 0;
    if (scan(call->reply + FRAME_HEAD, call->reply_bytes - FRAME_HEAD, 1, &name, &bytes) != 1 ||
        bytes != strlen("bookings/") + UUID_TEXT_LEN)
        return;
    remember(w, (const char *)name + strlen("bookings/"), call);
}

/* One offer for a flight, the first seen; few enough that looking through them is no matter. */
static void learn_offer(const Faregate__V1__Offer *offer, struct bench_world *w)
{
    const char *flight = offer->journeys[0]->segments[0]->flight + strlen("flights/");
    for (size_t i = w->offer_count > 200 ? w->offer_count - 200 : 0; i < w->offer_count; i++) {
        if (strcmp(w->offers[i].flight, flight) == 0)
            return;
    }
    w->offers = bench_grow(w->offers, w->offer_count + 1, &w->offer_count_max, sizeof *w->offers);
    struct bench_offer *o = &w->offers[w->offer_count++];
    *o = (struct bench_offer){.name = strdup(offer->name),
                              .units = offer->price->total->units,
                              .nanos = offer->price->total->nanos};
    snprintf(o->flight, sizeof o->flight, "%s", flight);
    snprintf(o->currency, sizeof o->currency, "%s", offer->price->total->currency_code);
}

void bench_answer(const struct bench_call *call, struct bench_world *w, struct bench_result *result)
{
    if (call->reply_bytes < FRAME_HEAD)
        return;
    const uint8_t *message = call->reply + FRAME_HEAD;
    size_t bytes = call->reply_bytes - FRAME_HEAD;
    if (call->op == BENCH_BOOK) { /* the hot flight's are not paid: that would measure it again */
        learn_booking(call, w);
    } else if (call->op == BENCH_SEARCH || call->op == BENCH_EVEN) {
        const uint8_t *offer;
        size_t offer_bytes;
        result->offers += scan(message, bytes, 1, &offer, &offer_bytes);
    } else if (call->op == BENCH_COLLECT) {
        Faregate__V1__SearchOffersResponse *m =
            faregate__v1__search_offers_response__unpack(NULL, bytes, message);
        for (size_t i = 0; m && i < m->n_offers; i++)
            learn_offer(m->offers[i], w);
        if (m)
            faregate__v1__search_offers_response__free_unpacked(m, NULL);
    }
}
