/* The arena: alignment, zeroing, budget, and chunks that find their way back. */
#include "base/arena.h"

#include <stdint.h>
#include <string.h>

#include "support/test.h"

static struct arena_pool pool;

static void with_arena(void (*body)(struct arena *a), size_t bytes_max)
{
    struct arena a;
    arena_pool_init(&pool, 4);
    arena_init(&a, &pool, bytes_max);
    body(&a);
    arena_reset(&a);
    ASSERT_INT_EQ(pool.live_chunks, 0);
    arena_pool_deinit(&pool);
}

static void take_odd_sizes(struct arena *a)
{
    for (size_t bytes = 0; bytes < 300; bytes++) {
        uint8_t *p = arena_alloc(a, bytes);
        ASSERT_INT_EQ((uintptr_t)p % 16, 0);
        for (size_t i = 0; i < bytes; i++)
            ASSERT_INT_EQ(p[i], 0);
        memset(p, 0xff, bytes);
    }
}

static void twice(struct arena *a)
{
    take_odd_sizes(a);
    arena_reset(a);
    ASSERT_INT_EQ(a->used_bytes, 0);
    take_odd_sizes(a); /* from used chunks: zeroed again */
}

TEST(arena, hands_out_zeroed_aligned_memory)
{
    with_arena(twice, 1 << 20);
}

static void spend(struct arena *a)
{
    ASSERT_NOT_NULL(arena_try(a, 600));
    ASSERT_NULL(arena_try(a, 500));
    ASSERT_NULL(arena_try(a, SIZE_MAX));
    ASSERT_NULL(arena_try(a, SIZE_MAX - 8));
    ASSERT_NOT_NULL(arena_try(a, 300)); /* a refusal spends nothing */
    ASSERT_INT_IN(a->used_bytes, 900, 1000);
    arena_reset(a);
    ASSERT_NOT_NULL(arena_try(a, 992));
}

TEST(arena, refuses_what_is_over_its_budget)
{
    with_arena(spend, 1000);
}

static void large_between_small(struct arena *a)
{
    char *one = arena_alloc(a, 10);
    char *large = arena_alloc(a, 100000);
    char *two = arena_alloc(a, 10);
    memset(large, 1, 100000);
    ASSERT_INT_EQ(two - one, 16); /* the current chunk stays in use */
    ASSERT_INT_EQ(pool.live_chunks, 2);
    arena_reset(a);
    ASSERT_INT_EQ(pool.free_count, 1); /* the large one went back to the system */
}

TEST(arena, gives_large_wishes_a_chunk_of_their_own)
{
    with_arena(large_between_small, 1 << 20);
}

static void only_large(struct arena *a)
{
    ASSERT_NOT_NULL(arena_alloc(a, 50000));
    ASSERT_NOT_NULL(arena_alloc(a, 50000));
    ASSERT_NOT_NULL(arena_alloc(a, 1));
    ASSERT_INT_EQ(pool.live_chunks, 3);
}

TEST(arena, may_begin_with_a_large_wish)
{
    with_arena(only_large, 1 << 20);
}

TEST(arena, keeps_no_more_free_chunks_than_allowed)
{
    struct arena a;
    arena_pool_init(&pool, 3);
    arena_init(&a, &pool, 1 << 20);
    for (int i = 0; i < 10; i++)
        arena_alloc(&a, 4000);
    ASSERT_INT_EQ(pool.live_chunks, 10);
    arena_reset(&a);
    arena_reset(&a); /* idempotent */
    ASSERT_INT_EQ(pool.live_chunks, 0);
    ASSERT_INT_EQ(pool.free_count, 3);
    arena_alloc(&a, 1);
    ASSERT_INT_EQ(pool.free_count, 2);
    arena_reset(&a);
    arena_pool_deinit(&pool);
}

static void is_charged(struct arena *a)
{
    size_t mine = 0, yours = 5;
    arena_alloc(a, 1);
    arena_charge(a, &mine);
    ASSERT_INT_EQ(mine, pool.live_bytes);
    arena_alloc(a, 100000);
    ASSERT_INT_EQ(mine, pool.live_bytes);
    arena_charge(a, &yours);
    ASSERT_INT_EQ(mine, 0);
    ASSERT_INT_EQ(yours, 5 + pool.live_bytes);
    arena_reset(a);
    ASSERT_INT_EQ(yours, 5);
    arena_alloc(a, 1);
    ASSERT_INT_EQ(yours, 5 + pool.live_bytes);
    arena_charge(a, NULL);
    ASSERT_INT_EQ(yours, 5);
}

TEST(arena, is_counted_where_it_is_charged)
{
    with_arena(is_charged, 1 << 20);
}

/* Looks at memory that was given back. */
__attribute__((no_sanitize("address"))) static unsigned not_zero(const volatile uint8_t *p)
{
    unsigned count = 0;
    for (unsigned i = 0; i < 64; i++)
        count += p[i] != 0;
    return count;
}

static void holds_a_secret(struct arena *a)
{
    for (int wipes = 0; wipes < 2; wipes++) {
        uint8_t *p = arena_alloc(a, 64);
        memset(p, 'x', 64);
        a->wipes = wipes;
        arena_reset(a);
        ASSERT_INT_EQ(not_zero(p), wipes ? 0 : 64);
    }
}

TEST(arena, forgets_secrets)
{
    with_arena(holds_a_secret, 1 << 20);
}

static void copies(struct arena *a)
{
    struct str view = {"abcdef", 3};
    ASSERT_STR_EQ(arena_dup(a, view), "abc");
    ASSERT_STR_EQ(arena_dup(a, (struct str){0}), "");
    struct str copy = arena_dup_str(a, view);
    ASSERT_VIEW_EQ(copy, "abc");
    ASSERT_TRUE(copy.p != view.p);
    ASSERT_STR_EQ(arena_printf(a, "%d-%s", 42, "x"), "42-x");
    char *wide = arena_printf(a, "%5000d", 1);
    ASSERT_INT_EQ(strlen(wide), 5000);
}

TEST(arena, copies_and_prints_strings)
{
    with_arena(copies, 1 << 20);
}

static void overrun(void *arg)
{
    arena_alloc(arg, 2000);
}

static void overflow(void *arg)
{
    arena_array(arg, SIZE_MAX / 2, 4);
}

static void demand(struct arena *a)
{
    ASSERT_TRUE(test_aborts(overrun, a));
    ASSERT_TRUE(test_aborts(overflow, a));
}

TEST(arena, stops_the_process_when_a_sure_wish_fails)
{
    with_arena(demand, 1000);
}
