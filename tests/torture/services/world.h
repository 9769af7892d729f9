/* The world around the services' handlers: a database, a payment provider and helper threads that
 * do what they are told, when they are told. fake_db.c, outside.c and world.c make it, the driver
 * commands it, cases.c says who calls what. What must stay true: a run is its case and its choices,
 * so the same script is the same run. */
#pragma once

#include "db/db.h"
#include "faregate/v1/booking_service.pb-c.h"
#include "services/app.h"
#include "services/shared/offer.h"
#include "unit/grpc/rig.h"

/* ---- cases: one request of one method ---- */

enum caller { CALLER_TRAVELLER, CALLER_SUPPORT, CALLER_ADMIN };

struct service_case {
    const char *method; /* "CreateBooking" */
    const char *what;   /* what is special about the request; "" for the plain one */
    ProtobufCMessage *(*make)(void);
    enum caller caller;
    bool is_huge; /* the largest legal request and rows: looked at for memory, not interrupted */
};

/* All of them in turn; NULL past the end. */
const struct service_case *case_at(size_t index);

/* ---- choices: what the world may do at a moment, enumerated by the driver ---- */

#define CHOICES_MAX 96

struct script {
    uint16_t value[CHOICES_MAX]; /* 0 beyond length */
    uint16_t of[CHOICES_MAX];    /* how many there were */
    unsigned length;             /* given by the driver */
    unsigned used;
};

/* 0 .. count - 1; 0 is what usually happens. */
unsigned world_choose(unsigned count);

/* ---- what the call waits for ---- */

enum waiting { WAIT_STATEMENT, WAIT_COMMIT, WAIT_WORK, WAIT_PROVIDER };

#define TAGS_MAX 192
#define VISITS_MAX 48

struct pending {
    struct op op;
    struct list node;
    enum waiting waiting;
    struct op_scope *scope;
    bool in_tx;
    void (*complete)(
        struct pending *p); /* takes its part in the choices; op_done is the caller's */
    /* statements */
    const struct db_statement *statement;
    void *ret;
    bool alone;
    bool has_no_etag, has_no_currency; /* parameters that are NULL */
    int32_t tags[TAGS_MAX];
    uint32_t tag_count;
    int64_t rows_asked; /* of a LIMIT parameter */
    struct uuid attempt_id;
    struct op_error error; /* what came of it */
    /* the provider */
    unsigned question; /* enum question */
    void *answer;
    int64_t amount_minor;
    struct str currency;
    /* helper threads */
    struct work_job *job;
};

struct world {
    struct app app;
    struct offer offer; /* sealed, valid */
    struct str offer_name;
    struct str snapshot; /* of its booking */
    struct str passengers;
    struct str password_hash; /* of PASSWORD */
    bool heavy;               /* rows as many and as long as they can be */
    /* of one run */
    struct script script;
    struct list open; /* struct pending, oldest first */
    unsigned open_count;
    unsigned submitted; /* statements, commits, questions, jobs */
    unsigned statements;
    unsigned statements_until_down; /* from this statement on the database is down; UINT_MAX */
    unsigned leases, leases_open, commits, rollbacks;
    bool is_instant, commit_is_queued, is_reversed;
    char fingerprint[16]; /* of the claim */
    bool has_fingerprint;
    const struct db_statement *refusing; /* the last statement that can refuse */
    struct {
        const struct db_statement *statement;
        unsigned count;
    } visits[VISITS_MAX];
    unsigned visit_count;
    struct uuid started_attempt; /* committed and not refused */
    bool has_booking;            /* of this call's making, or of the attempt before it */
    bool refund_reserved;
    bool is_somebody_elses; /* a row that was read before anything was claimed */
    unsigned authorise_count;
    unsigned answer;    /* enum provider_outcome, the last */
    bool answer_agrees; /* with the amount that was asked for */
    const char *fault;  /* a rule about money was broken */
};

extern struct world world;

#define PASSWORD "correct horse battery staple"
#define EMAIL "anna@example.org"

extern const struct uuid world_user, world_other_user, world_session, world_booking, world_intent;

void world_init(void);
void world_deinit(void);
/* Before each run, after rig_start. */
void world_reset(void);
/* Everything is closed and balanced. */
bool world_is_clean(void);

struct pending *world_next(void);
/* Registers what a call waits for. */
struct pending *world_add(enum waiting waiting, struct op_scope *scope,
                          void (*complete)(struct pending *p));
void world_complete(struct pending *p);
void world_fail(struct pending *p, enum reason reason, bool restart, bool unknown);
/* Wall clock in the database's unit. */
int64_t world_now_us(void);

/* Shared by cases.c and the rows. */
Faregate__V1__KeyValue **world_metadata(size_t *ret_count);
extern struct arena world_arena; /* lives as long as the program */

/* ---- outcomes.c: what the columns of a row may say ---- */

/* One row of the statement with one thing about it, or how many rows. */
struct outcome {
    enum {
        OUTCOME_PLAIN,
        OUTCOME_NO_ROW,
        OUTCOME_ROWS,     /* value rows */
        OUTCOME_COLUMN,   /* the column is value or text */
        OUTCOME_NULL,     /* the column is NULL */
        OUTCOME_REFUSED,  /* refusal text; claimed and known as in value */
        OUTCOME_REPEATED, /* the claim was lost: an earlier request_id */
    } kind;
    uint16_t column;
    int64_t value;
    const char *text;
};

#define OUTCOMES_MAX 48

struct outcomes {
    struct outcome items[OUTCOMES_MAX];
    unsigned count;
};

const struct outcomes *outcomes_of(const struct db_statement *statement);
/* What a text column says usually; NULL: nothing special. */
const char *outcome_text(const struct db_statement *statement, const char *column);
/* What a yes or no says usually. */
bool outcome_bool(const char *column);
/* The first reason that the statement's SQL names; NULL: none. */
const char *outcome_reason(const struct db_statement *statement);

/* ---- docs.c: the Errors: comments of the .proto files ---- */

struct documented {
    bool own[REASON_COUNT]; /* listed at the method */
    bool any[REASON_COUNT]; /* general ones that apply to it */
};

/* Aborts when a file cannot be read or names something unknown. */
void docs_read(const struct rpc_method *method, struct documented *ret);
