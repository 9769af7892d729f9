/* What the parts of the simulator share: the books, one request, one answer.
 * Nothing outside of src/sandbox includes it.
 * What must stay true: one thread; what changes the books is journalled before it is answered. */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "base/list.h"
#include "sandbox/sandbox.h"

#define SANDBOX_ID_BYTES 32               /* "pi_" and 24 characters, and the NUL */
#define SANDBOX_FIELDS_MAX 64             /* form fields in one request */
#define SANDBOX_AMOUNT_MAX INT64_C(999999999999)
#define SANDBOX_DELAY_MS_MAX 600000       /* the longest a magic name may ask for */
#define SANDBOX_METADATA_MAX 50           /* Stripe's limits: keys, their length, their values' */
#define SANDBOX_METADATA_KEY_MAX 40
#define SANDBOX_METADATA_VALUE_MAX 500
#define SANDBOX_LIST_MAX 100              /* objects in one answer */

/* --- form.c: application/x-www-form-urlencoded, for the wire and for the journal --- */

struct form_field {
    char *name;
    char *value;
};

struct form {
    size_t count;
    struct form_field fields[SANDBOX_FIELDS_MAX];
};

/* Splits and decodes @text in place. -EINVAL: bad escape, NUL, not UTF-8; -E2BIG: too many. */
int form_parse(struct form *form, char *text);
/* The first value of @name, or NULL. */
const char *form_get(const struct form *form, const char *name);
/* Equal forms hash equal whatever the order of their fields. */
uint64_t form_hash(const struct form *form);
/* Appends "&name=value" (no & at the start of a line), escaped. */
void form_put(FILE *f, const char *name, const char *value);
void form_put_int(FILE *f, const char *name, int64_t value);

/* --- magic.c: payment methods and what they do --- */

enum operation { OP_NONE, OP_CONFIRM, OP_CAPTURE, OP_CANCEL, OP_REFUND, OP_INQUIRY, OP_ANY };

enum fault {
    FAULT_NONE,
    FAULT_SLOW,                /* does it, answers late */
    FAULT_HTTP500,             /* does nothing, answers 500 */
    FAULT_UNCONFIRMED,         /* the same, but an intent was made and stays */
    FAULT_CHARGED_THEN_500,    /* does it, answers 502 */
    FAULT_NEVER,               /* does nothing, answers nothing */
    FAULT_CHARGED_THEN_NEVER,  /* does it, answers nothing */
    FAULT_LATE,                /* a refund: answers nothing, does it late */
    FAULT_GARBAGE,             /* does it, answers what is not JSON */
    FAULT_TWICE,               /* does it once, answers twice; webhooks come twice too */
    FAULT_DROP,                /* does nothing, closes the connection */
    FAULT_CHARGED_THEN_DROP,   /* does it, closes the connection */
    FAULT_CHARGED_THEN_REFUSED, /* the same, and refuses it when it comes again */
};

enum refund_fate { REFUND_OK, REFUND_FAILS, REFUND_SLOW, REFUND_SLOW_FAILS };

struct magic {
    const char *brand;
    const char *last4;
    const char *error_code;    /* NULL: approved */
    const char *decline_code;
    const char *message;
    bool wants_action;
    enum operation fault_on;
    enum fault fault;
    uint32_t fault_ms;
    uint32_t hidden_ms;        /* inquiry does not find it for so long */
    enum refund_fate refund_fate;
    uint32_t refund_ms;
};

/* 0, or -ENOENT for a name that is no payment method here. */
int magic_find(const char *payment_method, struct magic *ret_magic);
/* "slow_250", "http500", ...: 0 or -ENOENT. @ret_hidden_ms is set by not_found_until_MS alone. */
int magic_fault_parse(const char *text, enum fault *ret_fault, uint32_t *ret_ms,
                      uint32_t *ret_hidden_ms);
/* The connection is held, and nothing answered. */
bool fault_is_silent(enum fault fault);
/* Whether the fault strikes before anything is done. */
bool fault_is_before(enum fault fault);

/* --- books.c: what the provider believes it did --- */

enum intent_status {
    INTENT_REQUIRES_PAYMENT_METHOD,
    INTENT_REQUIRES_CONFIRMATION,
    INTENT_REQUIRES_ACTION,
    INTENT_REQUIRES_CAPTURE,
    INTENT_SUCCEEDED,
    INTENT_CANCELED,
};

struct intent {
    char id[SANDBOX_ID_BYTES];
    char charge_id[SANDBOX_ID_BYTES];   /* "": never authorised */
    int64_t amount_minor;
    int64_t authorized_minor;
    int64_t captured_minor;
    char currency[4];                   /* lower case, as Stripe writes it */
    enum intent_status status;
    bool capture_manual;
    bool declined;                      /* the last attempt was */
    bool returns;                       /* there was a return_url: the customer can be sent away */
    unsigned faults_spent;              /* 1 << enum operation: later stages misbehave once */
    int64_t created_ms;
    int64_t authorized_ms;
    int64_t canceled_ms;
    int64_t hidden_until_ms;
    char *cancel_reason;                /* NULL: none */
    char *payment_method;               /* NULL: none yet */
    char *reference;                    /* metadata[reference], or NULL */
    char *metadata;                     /* form-encoded */
    struct magic magic;                 /* of payment_method */
    struct list refunds;
    struct list in_books;
    struct intent *same_reference;      /* the one before it with our reference */
};

struct refund {
    char id[SANDBOX_ID_BYTES];
    struct intent *intent;
    int64_t amount_minor;
    int64_t created_ms;
    int64_t settled_ms;                 /* pending until then */
    bool fails;
    char *reason;
    char *reference;
    char *metadata;
    struct list in_intent;
    struct refund *same_reference;
};

/* The saved answer of one Idempotency-Key. */
struct key {
    char *id;
    uint64_t request_hash;
    unsigned status;
    char *body;
    int64_t busy_until_ms;              /* a second request meanwhile is answered 409 */
    struct list in_books;
};

struct books {
    void *intents_by_id;                /* <search.h> trees */
    void *intents_by_reference;
    void *refunds_by_id;
    void *refunds_by_reference;
    void *keys_by_id;
    struct list intents;
    struct list keys;                   /* oldest first */
    uint32_t intents_count;
    uint32_t refunds_count;
    uint32_t keys_count;
};

struct books_total {
    char currency[4];
    int64_t authorized_minor;           /* ever */
    int64_t captured_minor;             /* ever */
    int64_t released_minor;             /* authorised, then voided, lapsed or not fully captured */
    int64_t held_minor;                 /* authorised, still open */
    int64_t refunded_minor;             /* succeeded */
    int64_t refunds_pending_minor;
    int64_t payments;
    int64_t refunds;
};

#define SANDBOX_CURRENCIES_MAX 192      /* more than ISO 4217 has */

void books_init(struct books *books);
void books_deinit(struct books *books);
struct intent *books_intent_new(struct books *books);       /* not yet in the books */
void books_intent_add(struct books *books, struct intent *intent);
void books_intent_free(struct intent *intent);
struct intent *books_intent(struct books *books, const char *id);
struct intent *books_intent_by_reference(struct books *books, const char *reference);
struct refund *books_refund_new(struct intent *intent);
void books_refund_add(struct books *books, struct refund *refund);
struct refund *books_refund(struct books *books, const char *id);
struct refund *books_refund_by_reference(struct books *books, const char *reference);
struct key *books_key(struct books *books, const char *id);
/* Takes @id and @body over; forgets the oldest beyond @keys_max. */
void books_key_add(struct books *books, struct key *key, uint32_t keys_max);
struct key *books_key_new(const char *id, uint64_t request_hash, unsigned status,
                          const char *body);
/* Authorisations lapse by the clock; true when @intent changed. */
bool books_intent_settle(struct intent *intent, int64_t now_ms, uint64_t ttl_ms);
const char *intent_status_name(enum intent_status status);
const char *refund_status(const struct refund *refund, int64_t now_ms);
/* Refunds that succeeded or still may. */
int64_t intent_refunded_minor(const struct intent *intent, int64_t now_ms);
/* Sums per currency, in order of first appearance; returns how many. */
size_t books_totals(struct books *books, int64_t now_ms, uint64_t ttl_ms,
                    struct books_total totals[SANDBOX_CURRENCIES_MAX]);
bool currency_known(const char *lower);
/* "pi_" and 24 random characters. */
void sandbox_id(char ret_id[SANDBOX_ID_BYTES], const char *prefix);

/* --- journal.c --- */

struct journal {
    int fd;                             /* -1: none */
    FILE *line;                         /* collects the lines of one request */
    char *line_text;
    size_t line_bytes;
};

/* Replays @path into @books, cuts a torn last line off, and opens it for appending. */
int journal_open(struct journal *journal, const char *path, struct books *books,
                 uint32_t keys_max);
void journal_close(struct journal *journal);
void journal_intent(struct journal *journal, const struct intent *intent);
void journal_refund(struct journal *journal, const struct refund *refund);
void journal_key(struct journal *journal, const struct key *key);
/* Everything since the last flush in one write. Ends the process if it cannot be written:
 * a provider that answers what it will not remember is worse than one that is down. */
void journal_flush(struct journal *journal);

/* --- webhook.c --- */

struct webhooks;

int webhooks_new(struct webhooks **ret_webhooks, const struct sandbox_options *options);
struct webhooks *webhooks_free(struct webhooks *webhooks);
/* Queues an event about @object (borrowed). NULL @webhooks: nothing. */
void webhooks_emit(struct webhooks *webhooks, const char *type, json_t *object, int64_t now_ms,
                   unsigned copies, uint32_t late_ms);
/* Waits on its own sockets and @fds for at most @timeout_ms, then moves deliveries on. */
struct curl_waitfd;
void webhooks_wait(struct webhooks *webhooks, struct curl_waitfd *fds, unsigned fds_count,
                   int64_t now_ms, int timeout_ms);

/* --- psp.c, routes.c, intents.c, refunds.c: one request --- */

struct scenario {
    enum operation on;
    enum fault fault;
    uint32_t ms;
    uint32_t hidden_ms;
    uint32_t left;                      /* how many requests it still strikes */
};

struct psp {
    const struct sandbox_options *options;
    struct books books;
    struct journal journal;
    struct webhooks *webhooks;
    struct scenario scenario;
    uint64_t requests;
};

struct request {
    struct psp *psp;
    int64_t now_ms;
    const char *method;
    char path[256];
    char object_id[SANDBOX_ID_BYTES];   /* the {id} of the path */
    const char *idempotency_key;
    struct form query;
    struct form body;
};

struct answer {
    unsigned status;
    json_t *json;                       /* owned */
    char *text;                         /* the body, where it is known already; owned */
    bool replayed;
    bool unsaved;                       /* the key may be used again: nothing began to execute */
    enum fault fault;
    uint32_t delay_ms;
};

/* Finds the route, honours the key, executes, journals. Always fills @ret_answer. */
void psp_answer(struct psp *psp, struct request *request, struct answer *ret_answer);

/* @type and @code are Stripe's; @param may be NULL. */
void answer_error(struct answer *answer, unsigned status, const char *type, const char *code,
                  const char *param, const char *message);
/* 400 about one parameter, or an object that is not there: nothing began, the key stays free. */
void answer_bad_param(struct answer *answer, const char *code, const char *param,
                      const char *message);
void answer_json(struct answer *answer, json_t *json);
/* Counts the scenario and the payment method's own fault in; true when nothing may be done. */
bool answer_fault(struct request *request, enum operation op, struct intent *intent,
                  const struct magic *magic, struct answer *answer);

/* A whole number of minor units from 1 to SANDBOX_AMOUNT_MAX. @required: absence is an error,
 * else it leaves @ret_minor. False: @answer says why. */
bool request_amount(const struct request *request, const char *name, bool required,
                    int64_t *ret_minor, struct answer *answer);
/* metadata[...]: malloc'd encoded form and reference (or NULL). */
bool request_metadata(const struct request *request, char **ret_metadata, char **ret_reference,
                      struct answer *answer);

json_t *intent_json(const struct intent *intent, int64_t now_ms, uint64_t ttl_ms);
json_t *refund_json(const struct refund *refund, int64_t now_ms);
json_t *metadata_json(const char *encoded);

void intent_create(struct request *request, struct answer *answer);
void intent_get(struct request *request, struct answer *answer);
void intent_list(struct request *request, struct answer *answer);
void intent_search(struct request *request, struct answer *answer);
void intent_confirm(struct request *request, struct answer *answer);
void intent_capture(struct request *request, struct answer *answer);
void intent_cancel(struct request *request, struct answer *answer);
void intent_authenticate(struct request *request, struct answer *answer);
void refund_create(struct request *request, struct answer *answer);
void refund_get(struct request *request, struct answer *answer);
void refund_list(struct request *request, struct answer *answer);
void balance_get(struct request *request, struct answer *answer);
void scenario_set(struct request *request, struct answer *answer);

/* --- serve.c: HTTP --- */

struct server;

int sandbox_server_new(struct server **ret_server, struct psp *psp);
struct server *sandbox_server_free(struct server *server);
int sandbox_server_fd(const struct server *server);
uint16_t sandbox_server_port(const struct server *server);
/* Milliseconds until it wants to run, -1 for never. */
int sandbox_server_timeout_ms(struct server *server, int64_t now_ms);
void sandbox_server_turn(struct server *server, int64_t now_ms);
