/* Unit tests: TEST(suite, a_sentence) { ... } registers itself; main in test.c runs all, or those
 * whose "suite.name" contains an argument. A failed ASSERT prints both values and leaves the test
 * at once. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/str.h"

struct test_case {
    const char *suite;
    const char *name;
    void (*run)(void);
    struct test_case *next;
};

void test_register(struct test_case *test);

#define TEST(suite_, name_)                                                                        \
    static void test_##suite_##_##name_(void);                                                     \
    __attribute__((constructor)) static void register_##suite_##_##name_(void)                     \
    {                                                                                              \
        static struct test_case test = {                                                           \
            .suite = #suite_, .name = #name_, .run = test_##suite_##_##name_};                     \
        test_register(&test);                                                                      \
    }                                                                                              \
    static void test_##suite_##_##name_(void)

struct test_place {
    const char *file;
    unsigned line;
    const char *text;
};

#define TEST_PLACE(text_) ((struct test_place){.file = __FILE__, .line = __LINE__, .text = text_})

#define ASSERT_TRUE(x) test_true(TEST_PLACE(#x), !!(x))
#define ASSERT_FALSE(x) test_true(TEST_PLACE("!(" #x ")"), !(x))
#define ASSERT_INT_EQ(a, b) test_int(TEST_PLACE(#a " == " #b), (int64_t)(a), (int64_t)(b))
#define ASSERT_INT_NE(a, b) test_int_ne(TEST_PLACE(#a " != " #b), (int64_t)(a), (int64_t)(b))
/* True when lo <= x <= hi. */
#define ASSERT_INT_IN(x, lo, hi)                                                                   \
    test_int_in(TEST_PLACE(#x " in " #lo ".." #hi), (int64_t)(x), (int64_t)(lo), (int64_t)(hi))
#define ASSERT_PTR_EQ(a, b) test_ptr(TEST_PLACE(#a " == " #b), (a), (b))
#define ASSERT_NULL(a) test_ptr(TEST_PLACE(#a " == NULL"), (a), NULL)
#define ASSERT_NOT_NULL(a) test_true(TEST_PLACE(#a " != NULL"), (a) != NULL)
/* C strings. */
#define ASSERT_STR_EQ(a, b) test_str(TEST_PLACE(#a " == " #b), str_of(a), str_of(b))
/* struct str against a C string. */
#define ASSERT_VIEW_EQ(a, b) test_str(TEST_PLACE(#a " == " #b), (a), str_of(b))
#define ASSERT_MEM_EQ(a, b, bytes)                                                                 \
    test_str(TEST_PLACE(#a " == " #b), (struct str){.p = (const char *)(a), .n = (bytes)},         \
             (struct str){.p = (const char *)(b), .n = (bytes)})
/* @haystack (C string) contains @needle. */
#define ASSERT_HAS(haystack, needle)                                                               \
    test_has(TEST_PLACE(#haystack " has " #needle), haystack, needle)
/* @run, which tells how long what it did took, takes less than @limit_ns: at the third time at the
 * latest, as the machine may stand still once. */
#define ASSERT_QUICK(run, limit_ns) test_quick(TEST_PLACE(#run " within " #limit_ns), run, limit_ns)
#define FAIL(why) test_true(TEST_PLACE(why), false)

void test_true(struct test_place place, bool ok);
void test_int(struct test_place place, int64_t a, int64_t b);
void test_int_ne(struct test_place place, int64_t a, int64_t b);
void test_int_in(struct test_place place, int64_t x, int64_t lo, int64_t hi);
void test_ptr(struct test_place place, const void *a, const void *b);
void test_str(struct test_place place, struct str a, struct str b);
void test_has(struct test_place place, const char *haystack, const char *needle);
void test_quick(struct test_place place, int64_t (*run)(void), int64_t limit_ns);

/* Says that this test cannot run here, and why; it returns then. It counts as skipped. */
void test_skip(const char *why);

/* A loop that turns for @ms: for (struct test_turns t = test_turns(ms); test_turns_left(&t);). A
 * turn counts for two milliseconds at most: a machine that stands still takes none of them away.
 * There is always one. */
struct test_turns {
    int64_t left_ns;
    int64_t last_ns;
};
struct test_turns test_turns(int ms);
bool test_turns_left(struct test_turns *t);

/* Runs @fn in a child process and tells whether a CHECK stopped it (SIGABRT). */
bool test_aborts(void (*fn)(void *arg), void *arg);
