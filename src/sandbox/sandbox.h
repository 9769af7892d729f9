/* The payment provider simulator: a process that speaks a Stripe-compatible HTTP subset.
 * main runs it as `faregate sandbox-psp`; the payment service reaches it over HTTP only.
 * What must stay true: it keeps books of its own, so that ours are checked against another's. */
#pragma once

#include <stdint.h>

struct sandbox_options {
    const char *host;                /* numeric address to listen on */
    uint16_t port;                   /* 0: the kernel picks one; it is printed on stdout */
    const char *api_key;             /* the bearer token to demand; NULL: any sk_test_... */
    const char *journal;             /* append-only file, replayed at start; NULL: forget at exit */
    const char *webhook_url;         /* where events are posted; NULL: nowhere */
    const char *webhook_secret;      /* signs them (Stripe-Signature) */
    uint32_t connections_max;        /* open at once; more wait in the kernel's queue */
    uint32_t body_bytes_max;         /* of a request; more is answered 413 */
    uint32_t payments_max;           /* payments kept, and as many refunds; more are answered 429 */
    uint32_t keys_max;               /* idempotency keys kept; the oldest is forgotten first */
    uint32_t events_max;             /* webhook events waiting; more are dropped and counted */
    uint64_t authorization_ttl_ms;   /* an authorisation not captured by then lapses */
};

/* The defaults of every field above. */
struct sandbox_options sandbox_options_default(void);

/* Serves until SIGTERM or SIGINT; returns the exit status: 0 after a clean stop.
 * One JSON line on stdout tells the address once it listens. Empty strings count as NULL. */
int sandbox_psp_run(const struct sandbox_options *options);

/* Flags over FAREGATE_SANDBOX_PSP_* over the defaults; texts live as long as @argv.
 * 0; 1 when --help was printed; -EINVAL after one clear line on stderr. */
int sandbox_options_parse(int argc, char **argv, struct sandbox_options *ret_options);

/* Parses and runs: what `faregate sandbox-psp ARGS` does. Returns the exit status. */
int sandbox_psp_main(int argc, char **argv);
