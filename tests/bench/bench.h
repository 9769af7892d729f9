/* The load driver's parts: the world it knows (who books what), requests and answers, connections.
 * load.c owns main; requests.c writes bodies and reads answers; client.c carries them. One thread.
 * What must stay true: no two calls have the same body, and what is sent is what a client would. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/list.h"
#include "base/uuid.h"

enum bench_op {
    BENCH_SEARCH,  /* SearchOffers: one way, direct, ten offers */
    BENCH_EVEN,    /* the same, routes drawn evenly */
    BENCH_FLIGHT,  /* GetFlight */
    BENCH_SEATMAP, /* GetSeatMap */
    BENCH_BOOK,    /* CreateBooking HOLD, flights drawn evenly */
    BENCH_HOT,     /* the same, all on one flight */
    BENCH_PAY,     /* CreatePaymentIntent with confirm */
    BENCH_HISTORY, /* ListBookings, ten */
    BENCH_COLLECT, /* SearchOffers, fifty: offers to book */
    BENCH_OPS,
    BENCH_MIX = BENCH_OPS, /* drawn for each call */
};

struct bench_route {
    char origin[4], destination[4];
};

struct bench_user {
    char id[UUID_TEXT_LEN + 1];
    char *token;
};

struct bench_offer {
    char *name;
    char flight[UUID_TEXT_LEN + 1];
    char currency[4];
    int64_t units;
    int32_t nanos;
};

/* A booking that can be paid: the price is its offer's. */
struct bench_booking {
    char id[UUID_TEXT_LEN + 1];
    uint32_t user;
    uint32_t offer;
};

struct bench_world {
    struct bench_route *routes; /* the busiest first */
    size_t route_count;
    char (*flights)[UUID_TEXT_LEN + 1];
    size_t flight_count;
    struct bench_user *users;
    size_t user_count;
    struct bench_offer *offers; /* at most one for a flight; the first is the hot one */
    size_t offer_count, offer_count_max;
    struct bench_booking *bookings; /* booked and not yet paid for: [paid, booked) */
    size_t booked, paid, booked_max;
    int32_t first_day; /* days since 1970 */
    uint32_t day_count;
    bool ran_dry; /* nothing left to pay for */
};

struct conn; /* client.c */

struct bench_call {
    enum bench_op op;
    const char *path;
    const char *token; /* NULL: a public method */
    uint32_t user, offer;
    size_t booking; /* which is to be paid */
    uint8_t *body;  /* framed */
    size_t body_bytes, body_bytes_max, body_sent;
    uint8_t *reply; /* framed */
    size_t reply_bytes, reply_bytes_max;
    int64_t start_ns; /* an open loop's: when it was due */
    int http_status, grpc_status;
    struct list node; /* among those in flight */
    struct conn *conn;
    int32_t stream_id;
    bool gave_up; /* its deadline passed; the stream is being closed */
};

struct bench_latencies {
    uint32_t *us;
    size_t count, count_max;
};

struct bench_result {
    struct bench_latencies latencies[BENCH_OPS];
    uint64_t status[17]; /* 16 UNAUTHENTICATED; none: UNKNOWN */
    uint64_t started;
    uint64_t unfinished; /* an open loop's, due and without an answer at its end */
    uint64_t reply_bytes;
    uint64_t offers; /* in the answers of searches */
    double seconds;
};

struct bench_run {
    struct bench_world *world;
    const char *authority;
    uint16_t port;
    unsigned conns, streams;
    unsigned
        in_flight; /* a closed loop over all connections in turn; 0: each keeps its streams busy */
    enum bench_op op;
    double seconds;       /* 0: by count */
    uint64_t calls_max;   /* 0: by time */
    double rate;          /* calls due per second, an open loop; 0: closed */
    double warm_seconds;  /* an open loop's before the seconds that count */
    uint32_t deadline_ms; /* 0: none */
    struct bench_result result;
};

/* Grows @array of @item_bytes each so that @count fits. */
void *bench_grow(void *array, size_t count, size_t *count_max, size_t item_bytes);
uint64_t bench_random(void);
int64_t bench_now_ns(void);

/* Writes the next request of @op into @call. False: there is nothing left to ask. */
bool bench_request(struct bench_call *call, struct bench_world *world, enum bench_op op);
/* The server says that it did nothing: what was to be paid for can be paid for again. */
void bench_refused(const struct bench_call *call, struct bench_world *world);
/* Looks at an OK answer: what was booked can be paid for, what was found can be booked. */
void bench_answer(const struct bench_call *call, struct bench_world *world,
                  struct bench_result *result);

/* Runs until the time or the count is over. 0, or -1 and a line on stderr. */
int bench_client_run(struct bench_run *run);
