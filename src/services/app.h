/* What the services of one worker share: built by main, reached through call_app(c). Process
 * lifetime. Services do not include each other; what two need is here, in domain/, or a row. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/clock.h"
#include "base/str.h"
#include "base/uuid.h"
#include "grpc/grpc.h"

struct work;            /* io/work.h: helper threads */
struct reference;       /* services/reference.h: airports, airlines, fares, taxes of this process */
struct board;           /* services/flight/board.h: the timetable in memory */
struct tokens;          /* services/auth/token.h: signing keys, verified-token cache, revocations */
struct provider;        /* services/shared/provider.h */
struct revocation_poll; /* services/auth/revocations.c */

/* Secrets at a time: the one that makes, and those that it replaces or that will replace it. */
#define APP_SECRETS_MAX 4
#define APP_SECRET_ID_BYTES 9

/* Keys derived (HKDF-SHA256) from a secret that all servers of an installation share. */
struct app_keys {
    uint8_t offer[32];            /* seals offer names */
    uint8_t page_token[32];       /* seals page tokens */
    uint8_t fingerprint[32];      /* keyed hashes of cards, networks, addresses, requests */
    uint8_t refresh[32];          /* derives refresh tokens */
    char id[APP_SECRET_ID_BYTES]; /* what operators tell secrets apart by: hex digits, public */
};

/* Fills @ret_keys and *ret_count from @secret_files, comma-separated. Each is one secret, byte for
 * byte: at least 32 random ones, not readable by others. 0, or negative errno and one line in
 * @error. */
int app_keys_load(struct app_keys ret_keys[static APP_SECRETS_MAX], unsigned *ret_count,
                  const char *secret_files, char *error, size_t error_bytes);
/* Makes the file with mode 0600 unless there is one already. */
int app_secret_make(const char *secret_file, char *error, size_t error_bytes);

struct app_limits {
    uint32_t hold_seconds;    /* lease on an unpaid booking's seats */
    uint32_t offer_seconds;   /* life of an offer */
    uint32_t search_stale_ms; /* a search may be answered with what was read so long ago */
    uint32_t timetable_bytes;
    uint32_t pin_seconds; /* hold is safe from expiry while money is in flight */
    uint32_t access_token_seconds;
    uint32_t token_cache_entries;
    uint32_t refresh_token_idle_seconds;
    uint32_t session_seconds;          /* absolute */
    uint32_t refresh_grace_seconds;    /* the previous token still returns the same successor */
    uint32_t unpaid_holds_max;         /* live unpaid bookings per user */
    uint32_t pay_attempts_user_max;    /* per user and hour */
    uint32_t pay_attempts_card_max;    /* per payment method and hour */
    uint32_t pay_attempts_booking_max; /* per booking, ever */
    uint32_t provider_timeout_ms;
    uint32_t provider_visibility_seconds; /* a payment the provider does not find after so long
                                             never reached it */
    uint32_t cancellation_quote_seconds;
    uint32_t argon2_kib;
    uint32_t argon2_passes;
};

extern const struct app_limits app_limits_default;

struct app {
    const struct clock *clock;
    struct loop *loop;
    struct app_keys keys[APP_SECRETS_MAX]; /* the first's make, all open */
    unsigned secret_count;
    struct app_limits limits;
    struct work *work;
    unsigned password_calls; /* have a place in its queue (services/auth/password.h) */
    struct reference *reference;
    struct board *board; /* NULL: searches and flights are read from the database */
    uint64_t reads_from_timetable, reads_from_database;
    struct tokens *tokens;
    struct provider *provider;
    struct revocation_poll *revocations; /* NULL until auth_revocations_start */
};

extern const struct rpc_service auth_service;
extern const struct rpc_service flight_service;
extern const struct rpc_service booking_service;
extern const struct rpc_service payment_service;

static inline struct app *app_of(const struct call *c)
{
    return call_app(c);
}
