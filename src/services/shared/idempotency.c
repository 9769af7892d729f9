/* The second attempt with a request_id: reads what the first one left and answers with it.
 * Handlers reach it after a lost claim. It parks in one place: the first attempt is still running.
 * What must stay true: nothing here changes anything. */
#include "services/shared/idempotency.h"

#include "base/check.h"
#include "services/app.h"

#define WAIT_FIRST_MS 20u
#define WAIT_TOTAL_MS 500u
#define DEADLINE_MARGIN_MS 50
#define PUSHBACK_MS 1000

enum { PHASE_READ, PHASE_JUDGE };

enum idempotency_verdict idempotency_judge(const struct shared_idempotency_read_row *row,
                                           struct str fingerprint)
{
    if (!row->found)
        return IDEMPOTENCY_GONE;
    if (!str_eq(row->fingerprint, fingerprint))
        return IDEMPOTENCY_OTHER;
    if (row->has_reason)
        return IDEMPOTENCY_REFUSED;
    if (row->has_response)
        return IDEMPOTENCY_BYTES;
    return row->has_resource ? IDEMPOTENCY_RESOURCE : IDEMPOTENCY_IN_PROGRESS;
}

static enum step replay_refusal(struct call *c, const struct idempotency *s)
{
    enum reason reason = reason_of_name(s->row.reason.p);
    call_replayed(c, true);
    return call_fail(c, reason == REASON_NONE ? REASON_INTERNAL_ERROR : reason);
}

/* The first attempt runs: look again shortly, while the caller's deadline leaves room for it. */
static enum step wait_for_first(struct call *c, struct idempotency *s)
{
    uint32_t wait_ms = s->wait_ms ? 2 * s->wait_ms : WAIT_FIRST_MS;
    int64_t left_ns = call_deadline_ns(c) - clock_mono_ns(app_of(c)->clock);
    if (s->waited_ms + wait_ms > WAIT_TOTAL_MS ||
        left_ns < (wait_ms + DEADLINE_MARGIN_MS) * NS_PER_MS) {
        call_fail_pushback(c, PUSHBACK_MS);
        return call_fail(c, REASON_REQUEST_IN_PROGRESS);
    }
    s->wait_ms = wait_ms;
    s->waited_ms += wait_ms;
    s->phase = PHASE_READ;
    call_wake_after(c, wait_ms);
    return STEP_PARK;
}

enum step idempotency_replay_as(struct call *c, struct idempotency *s, struct uuid principal,
                                enum idempotent_method method, struct str fingerprint,
                                enum step (*render)(struct call *c))
{
    CHECK(!uuid_is_nil(c->request_id));
    /* A step that is run again by itself finds its phase moved on and no answer. */
    if (s->phase == PHASE_READ || s->attempt != c->attempt) {
        s->phase = PHASE_JUDGE;
        s->attempt = c->attempt;
        shared_idempotency_read(c, &s->row, principal, (int16_t)method, c->request_id);
        return STEP_AGAIN;
    }
    switch (idempotency_judge(&s->row, fingerprint)) {
    case IDEMPOTENCY_OTHER:
        return call_fail_field(c, REASON_IDEMPOTENCY_MISMATCH, "request_id",
                               "was used before with other contents");
    case IDEMPOTENCY_REFUSED:
        return replay_refusal(c, s);
    case IDEMPOTENCY_BYTES:
        call_replayed(c, true);
        return call_reply_bytes(c, (const uint8_t *)s->row.response.p, s->row.response.n);
    case IDEMPOTENCY_RESOURCE:
        call_replayed(c, true);
        return render(c);
    case IDEMPOTENCY_IN_PROGRESS:
        return wait_for_first(c, s);
    case IDEMPOTENCY_GONE:
        break;
    }
    /* A refusal that is not recorded, and nobody was here before: it stands. */
    if (s->unrecorded != REASON_NONE)
        return call_fail(c, s->unrecorded);
    /* Claimed by somebody a moment ago and gone now: the client's next attempt starts afresh. */
    call_fail_pushback(c, WAIT_FIRST_MS);
    return call_fail(c, REASON_CONFLICT);
}

enum step idempotency_replay(struct call *c, struct idempotency *s, enum idempotent_method method,
                             enum step (*render)(struct call *c))
{
    return idempotency_replay_as(c, s, c->principal.user_id, method, idempotency_fingerprint(c),
                                 render);
}
