/* What to do about an attempt, from its state and what the provider says of it. Pure; attempt.c
 * carries it out.
 *
 *                   not found authorised captured  declined  cancelled waits for the customer (**)
 *   SENT, UNKNOWN   MISSING*  SETTLE     SETTLE    DECLINED  REVERSED  ACTION
 *   ACTION_REQUIRED WAIT      SETTLE     SETTLE    DECLINED  REVERSED  WAIT; VOID past the pin
 *   AUTHORIZED sold CAPTURE   CAPTURE    TAKEN     ATTENTION ATTENTION ATTENTION
 *   AUTHORIZED late VOID      VOID       TAKEN     REVERSED  REVERSED  VOID
 *   NOT_RECEIVED    WAIT*     VOID       ATTENTION FORGET    REVERSED  VOID
 *
 * (*) once the provider has had time to see it; before, WAIT. (**) Without a page to go to: VOID.
 * What was made there but never begun is called off as late as that (*): the request that made it
 * may be running still. After a few days nothing can come any more: FORGET. What is not understood
 * waits. Money that a person captured by hand for an attempt we had given up is a person's
 * business. */
#include "jobs/internal.h"

#define ACTION_POLL_S 2 /* at first: who is quick at the bank is told as quickly */
#define ACTION_POLL_LATER_S 30
#define ACTION_POLL_LATE_S 10 /* the seats are kept for nobody any more */
#define ACTION_OVERDUE_S 300
#define OVERDUE_S 3600       /* no answer that can be trusted */
#define OVERDUE_SOLD_S 300   /* the customer has seats, we have no money */
#define FORGET_S (8 * 86400) /* an authorisation lapses by itself before that */

static bool is(const char *word, const char *wanted)
{
    return strcmp(word, wanted) == 0;
}

static bool is_sold(const struct jobs_item *item)
{
    return is(item->booking_state, "CONFIRMED") || is(item->booking_state, "COMPLETED");
}

static enum jobs_plan plan_open(const struct jobs_item *item, const struct provider_answer *answer,
                                int32_t visibility_s)
{
    bool waits = is(item->state, "ACTION_REQUIRED");
    switch (answer->outcome) {
    case PROVIDER_AUTHORIZED:
    case PROVIDER_CAPTURED:
        return PLAN_SETTLE;
    case PROVIDER_DECLINED:
        return PLAN_DECLINED;
    case PROVIDER_CANCELLED:
        return PLAN_REVERSED;
    case PROVIDER_ACTION_REQUIRED:
        if (item->pin_passed || provider_is_stuck(answer))
            return PLAN_VOID;
        return waits ? PLAN_WAIT : PLAN_ACTION;
    case PROVIDER_NOT_FOUND:
        return !waits && item->age_s >= visibility_s ? PLAN_MISSING : PLAN_WAIT;
    case PROVIDER_UNCONFIRMED:
        return item->age_s >= visibility_s ? PLAN_VOID : PLAN_WAIT;
    default:
        return PLAN_WAIT;
    }
}

static enum jobs_plan plan_sold(const struct provider_answer *answer)
{
    switch (answer->outcome) {
    case PROVIDER_AUTHORIZED:
    case PROVIDER_NOT_FOUND: /* we have its id, so it is there */
        return PLAN_CAPTURE;
    case PROVIDER_CAPTURED:
        return PLAN_TAKEN;
    case PROVIDER_DECLINED:
    case PROVIDER_CANCELLED:
    case PROVIDER_ACTION_REQUIRED:
        return PLAN_ATTENTION;
    default:
        return PLAN_WAIT;
    }
}

static enum jobs_plan plan_late(const struct provider_answer *answer)
{
    switch (answer->outcome) {
    case PROVIDER_AUTHORIZED:
    case PROVIDER_NOT_FOUND:
    case PROVIDER_ACTION_REQUIRED:
        return PLAN_VOID;
    case PROVIDER_CAPTURED:
        return PLAN_TAKEN;
    case PROVIDER_DECLINED:
    case PROVIDER_CANCELLED:
        return PLAN_REVERSED;
    default:
        return PLAN_WAIT;
    }
}

static enum jobs_plan plan_given_up(const struct jobs_item *item,
                                    const struct provider_answer *answer)
{
    switch (answer->outcome) {
    case PROVIDER_AUTHORIZED:
    case PROVIDER_ACTION_REQUIRED:
    case PROVIDER_UNCONFIRMED:
        return PLAN_VOID;
    case PROVIDER_CAPTURED:
        return PLAN_ATTENTION;
    case PROVIDER_DECLINED:
        return PLAN_FORGET;
    case PROVIDER_CANCELLED:
        return PLAN_REVERSED;
    default:
        return item->age_s >= FORGET_S ? PLAN_FORGET : PLAN_WAIT;
    }
}

enum jobs_plan jobs_plan_of(const struct jobs_item *item, const struct provider_answer *answer,
                            int32_t visibility_s)
{
    if (is(item->state, "NOT_RECEIVED"))
        return plan_given_up(item, answer);
    enum jobs_plan plan = PLAN_WAIT;
    if (is(item->state, "AUTHORIZED"))
        plan = is_sold(item)                          ? plan_sold(answer)
               : is(item->booking_state, "ATTENTION") ? PLAN_WAIT
                                                      : plan_late(answer);
    else
        plan = plan_open(item, answer, visibility_s);
    return plan == PLAN_WAIT && item->age_s >= FORGET_S ? PLAN_ATTENTION : plan;
}

/* Something given up is looked for ever more rarely; it is there only if the provider was very
 * slow. */
static int32_t look_again_s(int64_t age_s)
{
    return age_s < 600 ? 60 : age_s < 7200 ? 600 : 86400;
}

/* The customer waits at most a tenth longer than it took at the bank. */
static int32_t action_look_s(const struct jobs_item *item)
{
    if (item->age_s >= OVERDUE_S)
        return ACTION_OVERDUE_S;
    if (item->pin_passed)
        return ACTION_POLL_LATE_S;
    int64_t tenth_s = item->age_s / 10;
    return tenth_s < ACTION_POLL_S         ? ACTION_POLL_S
           : tenth_s > ACTION_POLL_LATER_S ? ACTION_POLL_LATER_S
                                           : (int32_t)tenth_s;
}

int32_t jobs_next_look_s(const struct jobs_item *item, const struct provider_answer *answer,
                         int32_t visibility_s)
{
    int32_t next_s = checkout_inquiry_s(item->inquiry_count, answer->is_silent);
    if (is(item->state, "NOT_RECEIVED"))
        return look_again_s(item->age_s);
    if (is(item->state, "ACTION_REQUIRED") || answer->outcome == PROVIDER_ACTION_REQUIRED)
        return action_look_s(item);
    /* Decided as soon as the provider can no longer be just slow. */
    int64_t rest_s = visibility_s - item->age_s;
    bool is_open = answer->outcome == PROVIDER_NOT_FOUND || answer->outcome == PROVIDER_UNCONFIRMED;
    if (is_open && rest_s > 0 && next_s > rest_s)
        next_s = (int32_t)rest_s + 1;
    return next_s;
}

bool jobs_is_overdue(const struct jobs_item *item)
{
    if (is(item->state, "NOT_RECEIVED"))
        return false;
    return item->age_s >= (is(item->state, "AUTHORIZED") ? OVERDUE_SOLD_S : OVERDUE_S);
}
