/* Reasons, status names, CHECK, clock and list: the small parts of base. */
#include "base/reason.h"

#include <stddef.h>
#include <string.h>

#include "base/check.h"
#include "base/clock.h"
#include "base/list.h"
#include "support/test.h"

TEST(reason, is_found_by_its_name)
{
    for (enum reason r = REASON_NONE + 1; r < REASON_COUNT; r++) {
        const struct reason_info *info = reason_info(r);
        ASSERT_INT_EQ(reason_of_name(info->name), r);
        ASSERT_INT_IN(info->code, STATUS_CANCELLED, STATUS_UNAUTHENTICATED);
        ASSERT_INT_EQ(info->text[strlen(info->text) - 1], '.');
    }
    ASSERT_INT_EQ(reason_of_name("NO_SUCH_REASON"), REASON_NONE);
    ASSERT_INT_EQ(reason_info(REASON_NOT_FOUND)->code, STATUS_NOT_FOUND);
    ASSERT_TRUE(reason_info(REASON_OVERLOADED)->retryable);
}

TEST(reason, every_mapped_constraint_has_one)
{
    unsigned count = 0;
    while (reason_constraint(count))
        ASSERT_INT_NE(reason_of_constraint(reason_constraint(count++)), REASON_NONE);
    ASSERT_NULL(reason_constraint(count + 1));
    ASSERT_INT_EQ(reason_of_constraint("no_such_constraint"), REASON_NONE);
}

TEST(reason, no_constraint_is_mapped_twice)
{
    for (unsigned i = 0; reason_constraint(i); i++) {
        for (unsigned j = i + 1; reason_constraint(j); j++)
            ASSERT_TRUE(strcmp(reason_constraint(i), reason_constraint(j)) != 0);
    }
}

TEST(status, has_the_wire_names)
{
    ASSERT_STR_EQ(status_name(STATUS_OK), "OK");
    ASSERT_STR_EQ(status_name(STATUS_ALREADY_EXISTS), "ALREADY_EXISTS");
    ASSERT_STR_EQ(status_name(STATUS_UNAUTHENTICATED), "UNAUTHENTICATED");
    ASSERT_STR_EQ(status_name((enum status_code)17), "UNKNOWN");
}

static void check_zero(void *arg)
{
    CHECK(arg != NULL);
}

TEST(check, stops_the_process_only_when_broken)
{
    ASSERT_TRUE(test_aborts(check_zero, NULL));
    ASSERT_FALSE(test_aborts(check_zero, &(int){0}));
}

TEST(clock, moves_forward_and_knows_the_century)
{
    int64_t first = clock_mono_ns(&clock_system);
    ASSERT_TRUE(clock_mono_ns(&clock_system) >= first);
    ASSERT_INT_IN(clock_wall_ns(&clock_system) / NS_PER_S, 1700000000, 4102444800);
}

struct item {
    int value;
    struct list node;
};

TEST(list, keeps_order_and_survives_removal_while_walking)
{
    struct list head;
    struct item items[5];
    list_init(&head);
    ASSERT_NULL(list_first(&head));
    for (int i = 0; i < 5; i++) {
        items[i].value = i;
        list_append(&head, &items[i].node);
    }
    int expected = 0;
    list_for_each(node, &head) {
        struct item *item = list_entry(node, struct item, node);
        ASSERT_INT_EQ(item->value, expected++);
        if (item->value % 2)
            list_remove(node);
    }
    ASSERT_INT_EQ(expected, 5);
    list_remove(&items[1].node); /* idempotent */
    list_prepend(&head, &items[3].node);
    ASSERT_PTR_EQ(list_pop(&head), &items[3].node);
    ASSERT_PTR_EQ(list_pop(&head), &items[0].node);
    ASSERT_PTR_EQ(list_pop(&head), &items[2].node);
    ASSERT_PTR_EQ(list_pop(&head), &items[4].node);
    ASSERT_NULL(list_pop(&head));
    ASSERT_TRUE(list_is_empty(&head));
}
