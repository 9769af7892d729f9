/* The completer's table, line by line: what is done about an attempt, and when it is looked at
 * again. */
#include "jobs/internal.h"
#include "support/test.h"

#define VISIBILITY_S 30

static enum jobs_plan plan(const char *state, const char *booking, int64_t age_s, bool pin_passed,
                           enum provider_outcome outcome)
{
    struct jobs_item item = {.age_s = age_s, .pin_passed = pin_passed};
    jobs_word(item.state, str_of(state));
    jobs_word(item.booking_state, str_of(booking));
    struct provider_answer answer = {.outcome = outcome, .redirect_url = STR("https://b.example")};
    return jobs_plan_of(&item, &answer, VISIBILITY_S);
}

TEST(plan, an_open_attempt_follows_the_provider)
{
    static const char *const open[] = {"SENT", "UNKNOWN", "ACTION_REQUIRED"};
    for (unsigned i = 0; i < 3; i++) {
        ASSERT_INT_EQ(plan(open[i], "CONFIRMING", 5, false, PROVIDER_AUTHORIZED), PLAN_SETTLE);
        ASSERT_INT_EQ(plan(open[i], "CONFIRMING", 5, false, PROVIDER_CAPTURED), PLAN_SETTLE);
        ASSERT_INT_EQ(plan(open[i], "CONFIRMING", 5, false, PROVIDER_DECLINED), PLAN_DECLINED);
        ASSERT_INT_EQ(plan(open[i], "CONFIRMING", 5, false, PROVIDER_CANCELLED), PLAN_REVERSED);
        ASSERT_INT_EQ(plan(open[i], "CONFIRMING", 5, false, PROVIDER_UNKNOWN), PLAN_WAIT);
        ASSERT_INT_EQ(plan(open[i], "CONFIRMING", 5, false, PROVIDER_NOT_SENT), PLAN_WAIT);
        ASSERT_INT_EQ(plan(open[i], "CONFIRMING", 5, true, PROVIDER_ACTION_REQUIRED), PLAN_VOID);
    }
    ASSERT_INT_EQ(plan("SENT", "CONFIRMING", 5, false, PROVIDER_ACTION_REQUIRED), PLAN_ACTION);
    ASSERT_INT_EQ(plan("ACTION_REQUIRED", "CONFIRMING", 5, false, PROVIDER_ACTION_REQUIRED),
                  PLAN_WAIT);
}

TEST(plan, what_waits_for_a_customer_who_has_nowhere_to_go_is_called_off)
{
    struct jobs_item item = {.age_s = 5};
    jobs_word(item.state, STR("UNKNOWN"));
    jobs_word(item.booking_state, STR("CONFIRMING"));
    struct provider_answer answer = {.outcome = PROVIDER_ACTION_REQUIRED};
    ASSERT_INT_EQ(jobs_plan_of(&item, &answer, VISIBILITY_S), PLAN_VOID);
}

TEST(plan, what_was_made_and_never_begun_is_called_off_after_a_while)
{
    static const char *const open[] = {"SENT", "UNKNOWN"};
    for (unsigned i = 0; i < 2; i++) {
        ASSERT_INT_EQ(plan(open[i], "CONFIRMING", VISIBILITY_S - 1, false, PROVIDER_UNCONFIRMED),
                      PLAN_WAIT);
        ASSERT_INT_EQ(plan(open[i], "CONFIRMING", VISIBILITY_S, false, PROVIDER_UNCONFIRMED),
                      PLAN_VOID);
    }
    ASSERT_INT_EQ(plan("NOT_RECEIVED", "HELD", 90, false, PROVIDER_UNCONFIRMED), PLAN_VOID);
}

TEST(plan, not_found_means_not_received_only_after_a_while)
{
    ASSERT_INT_EQ(plan("UNKNOWN", "CONFIRMING", VISIBILITY_S - 1, false, PROVIDER_NOT_FOUND),
                  PLAN_WAIT);
    ASSERT_INT_EQ(plan("UNKNOWN", "CONFIRMING", VISIBILITY_S, false, PROVIDER_NOT_FOUND),
                  PLAN_MISSING);
    ASSERT_INT_EQ(plan("SENT", "CONFIRMING", VISIBILITY_S, false, PROVIDER_NOT_FOUND),
                  PLAN_MISSING);
    ASSERT_INT_EQ(plan("ACTION_REQUIRED", "CONFIRMING", 3600, false, PROVIDER_NOT_FOUND),
                  PLAN_WAIT);
    /* Silence never turns into it. */
    ASSERT_INT_EQ(plan("UNKNOWN", "CONFIRMING", 86400, true, PROVIDER_UNKNOWN), PLAN_WAIT);
    ASSERT_INT_EQ(plan("UNKNOWN", "CONFIRMING", 9 * 86400, true, PROVIDER_UNKNOWN), PLAN_ATTENTION);
}

TEST(plan, reserved_money_is_taken_for_a_sold_booking_and_given_back_for_a_dead_one)
{
    ASSERT_INT_EQ(plan("AUTHORIZED", "CONFIRMED", 5, false, PROVIDER_AUTHORIZED), PLAN_CAPTURE);
    ASSERT_INT_EQ(plan("AUTHORIZED", "CONFIRMED", 5, false, PROVIDER_CAPTURED), PLAN_TAKEN);
    ASSERT_INT_EQ(plan("AUTHORIZED", "CONFIRMED", 5, false, PROVIDER_NOT_FOUND), PLAN_CAPTURE);
    ASSERT_INT_EQ(plan("AUTHORIZED", "CONFIRMED", 5, false, PROVIDER_CANCELLED), PLAN_ATTENTION);
    ASSERT_INT_EQ(plan("AUTHORIZED", "CONFIRMED", 5, false, PROVIDER_UNKNOWN), PLAN_WAIT);
    static const char *const dead[] = {"EXPIRED", "CANCELLED", "CANCELLING", "FAILED"};
    for (unsigned i = 0; i < 4; i++) {
        ASSERT_INT_EQ(plan("AUTHORIZED", dead[i], 5, false, PROVIDER_AUTHORIZED), PLAN_VOID);
        ASSERT_INT_EQ(plan("AUTHORIZED", dead[i], 5, false, PROVIDER_CAPTURED), PLAN_TAKEN);
        ASSERT_INT_EQ(plan("AUTHORIZED", dead[i], 5, false, PROVIDER_CANCELLED), PLAN_REVERSED);
    }
    ASSERT_INT_EQ(plan("AUTHORIZED", "ATTENTION", 5, false, PROVIDER_AUTHORIZED), PLAN_WAIT);
}

TEST(plan, what_was_given_up_is_undone_if_it_turns_up)
{
    ASSERT_INT_EQ(plan("NOT_RECEIVED", "HELD", 90, false, PROVIDER_AUTHORIZED), PLAN_VOID);
    ASSERT_INT_EQ(plan("NOT_RECEIVED", "CONFIRMED", 90, false, PROVIDER_AUTHORIZED), PLAN_VOID);
    ASSERT_INT_EQ(plan("NOT_RECEIVED", "HELD", 90, false, PROVIDER_CAPTURED), PLAN_ATTENTION);
    ASSERT_INT_EQ(plan("NOT_RECEIVED", "HELD", 90, false, PROVIDER_NOT_FOUND), PLAN_WAIT);
    ASSERT_INT_EQ(plan("NOT_RECEIVED", "HELD", 9 * 86400, false, PROVIDER_NOT_FOUND), PLAN_FORGET);
    ASSERT_INT_EQ(plan("NOT_RECEIVED", "HELD", 90, false, PROVIDER_DECLINED), PLAN_FORGET);
}

static int32_t next_look(const char *state, int64_t age_s, int32_t count,
                         enum provider_outcome outcome)
{
    struct jobs_item item = {.age_s = age_s, .inquiry_count = count};
    jobs_word(item.state, str_of(state));
    return jobs_next_look_s(&item, &(struct provider_answer){.outcome = outcome}, VISIBILITY_S);
}

TEST(plan, inquiries_grow_rarer)
{
    static const int32_t schedule[] = {2, 10, 60, 300, 3600, 86400, 86400};
    for (int32_t i = 0; i < 7; i++)
        ASSERT_INT_EQ(next_look("UNKNOWN", 5, i, PROVIDER_UNKNOWN), schedule[i]);
    struct jobs_item item = {.age_s = 4000, .inquiry_count = 6};
    jobs_word(item.state, STR("AUTHORIZED"));
    struct provider_answer unsent = {.outcome = PROVIDER_NOT_SENT, .is_silent = true};
    ASSERT_INT_EQ(jobs_next_look_s(&item, &unsent, VISIBILITY_S), 300);
    ASSERT_INT_EQ(next_look("UNKNOWN", 12, 2, PROVIDER_NOT_FOUND),
                  VISIBILITY_S - 12 + 1); /* decided as early as may be */
    ASSERT_INT_EQ(next_look("UNKNOWN", 12, 2, PROVIDER_UNCONFIRMED), VISIBILITY_S - 12 + 1);
    ASSERT_INT_EQ(next_look("NOT_RECEIVED", 90, 4, PROVIDER_NOT_FOUND), 60);
    ASSERT_INT_EQ(next_look("NOT_RECEIVED", 86400, 40, PROVIDER_NOT_FOUND), 86400);
}

/* Whatever the inquiry count, whatever the provider says: seats are kept for it. */
TEST(plan, who_is_at_the_bank_is_looked_for_ever_less_often)
{
    static const struct {
        int64_t age_s;
        int32_t next_s;
    } looks[] = {{0, 2}, {12, 2}, {60, 6}, {299, 29}, {500, 30}, {3599, 30}, {3600, 300}};
    for (unsigned i = 0; i < sizeof looks / sizeof looks[0]; i++) {
        ASSERT_INT_EQ(next_look("ACTION_REQUIRED", looks[i].age_s, 90, PROVIDER_ACTION_REQUIRED),
                      looks[i].next_s);
        ASSERT_INT_EQ(next_look("UNKNOWN", looks[i].age_s, 0, PROVIDER_ACTION_REQUIRED),
                      looks[i].next_s);
    }
    struct jobs_item item = {.age_s = 900, .inquiry_count = 90, .pin_passed = true};
    jobs_word(item.state, STR("ACTION_REQUIRED"));
    ASSERT_INT_EQ(jobs_next_look_s(&item, &(struct provider_answer){0}, VISIBILITY_S), 10);
}

TEST(plan, people_are_told_when_it_takes_long)
{
    struct jobs_item item = {.age_s = 299};
    jobs_word(item.state, STR("AUTHORIZED"));
    ASSERT_FALSE(jobs_is_overdue(&item));
    item.age_s = 300;
    ASSERT_TRUE(jobs_is_overdue(&item));
    jobs_word(item.state, STR("UNKNOWN"));
    ASSERT_FALSE(jobs_is_overdue(&item));
    item.age_s = 3600;
    ASSERT_TRUE(jobs_is_overdue(&item));
    jobs_word(item.state, STR("NOT_RECEIVED"));
    ASSERT_FALSE(jobs_is_overdue(&item));
}
