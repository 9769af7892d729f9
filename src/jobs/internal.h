/* What the parts of jobs/ share: the object, its slots, and the handlers that jobs.c runs. Private
 * to the folder. */
#pragma once

#include "gen/sql/jobs.sql.h"
#include "jobs/jobs.h"
#include "services/shared/checkout.h"

#define JOBS_WORD_BYTES 72 /* states, currencies and provider ids, with NUL */
#define JOBS_SLOTS 16      /* attempts, and as many refunds, worked on at once by a process */

/* An attempt or refund as it was claimed, copied out of the call that claimed it. */
struct jobs_item {
    struct uuid booking_id;
    struct uuid id;
    struct uuid intent_id;
    char state[JOBS_WORD_BYTES];
    char booking_state[JOBS_WORD_BYTES];
    char reference[JOBS_WORD_BYTES]; /* the provider's id of the payment */
    char currency[JOBS_WORD_BYTES];
    int64_t amount_minor;
    int64_t age_s; /* of the attempt; of a refund's last sending */
    int32_t inquiry_count;
    int32_t try_count;
    bool pin_passed;
    bool is_known; /* a refund that the provider has acknowledged */
};

struct jobs_slot {
    struct jobs *jobs;
    bool is_busy;
    struct jobs_item item;
};

/* One kind of work: a handler that claims or sweeps, run again at each tick unless it still runs.
 */
struct jobs_task {
    struct jobs *jobs;
    const struct rpc_handler *handler;
    uint32_t every_ms;
    int64_t next_ns;
    bool is_running;
    const struct rpc_handler *each; /* what is run for each claimed item; NULL: sweeps */
    struct jobs_slot slots[JOBS_SLOTS];
};

enum {
    JOBS_EXPIRE,
    JOBS_WATCHES,
    JOBS_ATTEMPTS,
    JOBS_REFUNDS,
    JOBS_RETAIN,
    JOBS_BACKLOG,
    JOBS_TASKS,
};

enum jobs_gauge {
    JOBS_PAYMENTS,
    JOBS_PAYMENTS_SINCE,
    JOBS_REFUNDS_OPEN,
    JOBS_REFUNDS_SINCE,
    JOBS_ATTENTION,
    JOBS_ATTENTION_SINCE,
    JOBS_SWEPT,
    JOBS_GAUGES,
};

struct jobs {
    struct server *server;
    struct app *app;
    struct obs *obs;
    ev_timer timer;
    struct jobs_task tasks[JOBS_TASKS];
    int64_t watermark_us;        /* all holds due before it have been swept; 0: not read yet */
    int64_t marked_us;           /* the one that others are told */
    int64_t swept_us;            /* but for those who were locked, before it as well */
    int64_t wide_ns;             /* when a sweep begins at the watermark again; loop time */
    struct uuid throttles_after; /* retention has walked over the keys up to here */
    struct uuid accounts_after;
    int gauges[JOBS_GAUGES];
    unsigned running; /* internal calls that point here */
    bool is_stopping; /* freed by the last of them */
};

/* Free slots of a task: as many items as its claim may take. */
int32_t jobs_room(const struct jobs_task *task);
/* Starts @item in a free slot. */
void jobs_take(struct jobs_task *task, const struct jobs_item *item);
/* backlog.c: names them all; shows @value, seconds of Unix time where it is an instant. */
void jobs_gauges_init(struct jobs *jobs);
void jobs_gauge(struct jobs *jobs, enum jobs_gauge which, int64_t value);
void jobs_word(char ret_word[static JOBS_WORD_BYTES], struct str s);

/* A claimed item belongs to this process for so long; then it is due again. */
int32_t jobs_lease_s(const struct app *app);

extern const struct rpc_handler jobs_expire_handler;   /* sweep.c */
extern const struct rpc_handler jobs_retain_handler;   /* retain.c */
extern const struct rpc_handler jobs_backlog_handler;  /* backlog.c */
extern const struct rpc_handler jobs_watches_handler;  /* claim.c */
extern const struct rpc_handler jobs_attempts_handler; /* claim.c */
extern const struct rpc_handler jobs_refunds_handler;  /* claim.c */
extern const struct rpc_handler jobs_attempt_handler;  /* attempt.c */
extern const struct rpc_handler jobs_refund_handler;   /* refund.c */

/* ---- what is to be done, from what is known: pure, for tests ---- */

enum jobs_plan {
    PLAN_WAIT,    /* ask again later */
    PLAN_SETTLE,  /* authorised at the provider: sell, or find that it is too late */
    PLAN_CAPTURE, /* sold: take the money */
    PLAN_TAKEN,   /* the money has been taken: book it */
    PLAN_VOID,    /* too late: give the reservation back */
    PLAN_DECLINED,
    PLAN_MISSING,   /* the provider never got it */
    PLAN_REVERSED,  /* there is no reservation any more */
    PLAN_ACTION,    /* it waits for the customer */
    PLAN_FORGET,    /* nothing can come of it any more */
    PLAN_ATTENTION, /* a person must decide; the machine stops */
};

/* @visibility_s: a provider that does not find an attempt after so long never got it. */
enum jobs_plan jobs_plan_of(const struct jobs_item *item, const struct provider_answer *answer,
                            int32_t visibility_s);

/* Seconds until the next look; -1: never. */
int32_t jobs_next_look_s(const struct jobs_item *item, const struct provider_answer *answer,
                         int32_t visibility_s);

/* Whether people should be told by now that this takes long. */
bool jobs_is_overdue(const struct jobs_item *item);
