/* Once per request_id: what a mutating handler does after its claim was lost (domain rules: the
 * same answer again). The claim itself is an INSERT ... ON CONFLICT DO NOTHING into idempotency
 * inside the statement that has the effect. What must stay true: a method's number never changes
 * (it is stored), and only the first attempt has an effect. */
#pragma once

#include <stdint.h>

#include "base/str.h"
#include "base/uuid.h"
#include "gen/sql/shared.sql.h"
#include "grpc/grpc.h"

/* idempotency.method */
enum idempotent_method {
    IDEMPOTENT_CREATE_USER = 1,
    IDEMPOTENT_CREATE_SESSION = 2,
    IDEMPOTENT_REFRESH_SESSION = 3,
    IDEMPOTENT_DELETE_SESSION = 4,
    IDEMPOTENT_CREATE_BOOKING = 5,
    IDEMPOTENT_CREATE_CANCELLATION = 6,
    IDEMPOTENT_CONFIRM_CANCELLATION = 7,
    IDEMPOTENT_CREATE_PAYMENT_INTENT = 8,
    IDEMPOTENT_CONFIRM_PAYMENT_INTENT = 9,
    IDEMPOTENT_CREATE_REFUND = 10,
    IDEMPOTENT_CREATE_BOOKING_PAYMENT = 11, /* of INSTANT: the second half of the same request */
};

/* In the call's state, zeroed at start. After a replay, @row.resource is what the first attempt
 * made. */
struct idempotency {
    struct shared_idempotency_read_row row;
    unsigned phase;
    unsigned attempt; /* of the call, when the record was asked for */
    uint32_t wait_ms;
    uint32_t waited_ms;
    /* Set by the handler: a refusal that the statement did not record (it passes, or is an answer
     * about permission). It stands where there is no record of this request. */
    enum reason unrecorded;
};

/* A step on its own, reached when the claim was lost:
 *     static enum step replay(struct call *c)
 *     {
 *         struct create *s = c->state;
 *         return idempotency_replay(c, &s->earlier, IDEMPOTENT_CREATE_BOOKING, render);
 *     }
 * Reads the record of (the caller, method, c->request_id) and ends the call with what it says:
 * another fingerprint is IDEMPOTENCY_MISMATCH, a recorded reason fails with it, recorded bytes are
 * the reply. A resource calls @render, which replies from s->earlier.row.resource, or starts a
 * statement and returns STEP_NEXT for the next step to reply. Work still in progress is waited for
 * briefly, then REQUEST_IN_PROGRESS. */
enum step idempotency_replay(struct call *c, struct idempotency *s, enum idempotent_method method,
                             enum step (*render)(struct call *c));

/* The same for methods whose principal is not the caller or whose fingerprint is not the runner's
 * (logins). */
enum step idempotency_replay_as(struct call *c, struct idempotency *s, struct uuid principal,
                                enum idempotent_method method, struct str fingerprint,
                                enum step (*render)(struct call *c));

/* The runner's fingerprint as a parameter for the claim. */
static inline struct str idempotency_fingerprint(const struct call *c)
{
    return (struct str){.p = (const char *)c->fingerprint, .n = sizeof c->fingerprint};
}

/* What a record means for a request; pure, for tests. */
enum idempotency_verdict {
    IDEMPOTENCY_GONE,        /* no record: its transaction was rolled back, or it was pruned */
    IDEMPOTENCY_OTHER,       /* the same request_id with other contents */
    IDEMPOTENCY_REFUSED,     /* a recorded reason */
    IDEMPOTENCY_BYTES,       /* a recorded reply */
    IDEMPOTENCY_RESOURCE,    /* render it */
    IDEMPOTENCY_IN_PROGRESS, /* claimed, nothing recorded yet */
};
enum idempotency_verdict idempotency_judge(const struct shared_idempotency_read_row *row,
                                           struct str fingerprint);
