/* The runner behind test.h, on CUnit: every test binary links it and gets its main.
 * Quiet but for failures and what is skipped; the last line is always "N passed, N failed" and,
 * where there are some, ", N skipped"; -v names each test. What must stay true: a test that does
 * not run is counted neither way. */
#include "support/test.h"

#include <CUnit/CUnit.h>
#include <CUnit/TestDB.h>
#include <CUnit/TestRun.h>
#include <ctype.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static struct test_case *first;
static struct test_case **last = &first;
static bool verbose;
static unsigned skipped;

void test_register(struct test_case *test)
{
    *last = test;
    last = &test->next;
}

__attribute__((format(printf, 2, 3))) static void fail(struct test_place place, const char *format,
                                                       ...)
{
    char message[1500];
    va_list args;
    va_start(args, format);
    vsnprintf(message, sizeof message, format, args);
    va_end(args);
    CU_assertImplementation(CU_FALSE, place.line, message, place.file, "", CU_TRUE);
}

void test_true(struct test_place place, bool ok)
{
    if (!ok)
        fail(place, "%s", place.text);
}

void test_int(struct test_place place, int64_t a, int64_t b)
{
    if (a != b)
        fail(place, "%s: %" PRId64 " and %" PRId64, place.text, a, b);
}

void test_int_ne(struct test_place place, int64_t a, int64_t b)
{
    if (a == b)
        fail(place, "%s: both %" PRId64, place.text, a);
}

void test_int_in(struct test_place place, int64_t x, int64_t lo, int64_t hi)
{
    if (x < lo || x > hi)
        fail(place, "%s: %" PRId64 " not in %" PRId64 "..%" PRId64, place.text, x, lo, hi);
}

void test_ptr(struct test_place place, const void *a, const void *b)
{
    if (a != b)
        fail(place, "%s: %p and %p", place.text, a, b);
}

/* Printable bytes as they are, the rest as \xNN, cut where it no longer fits. */
static const char *shown(struct str s, char *out, size_t size)
{
    size_t at = 0;
    for (size_t i = 0; i < s.n && at + 8 < size; i++) {
        unsigned char byte = (unsigned char)s.p[i];
        if (isprint(byte))
            out[at++] = (char)byte;
        else
            at += (size_t)snprintf(out + at, size - at, "\\x%02x", byte);
    }
    snprintf(out + at, size - at, "%s", at + 8 < size ? "" : "...");
    return s.p ? out : "(null)";
}

void test_str(struct test_place place, struct str a, struct str b)
{
    char left[500], right[500];
    if (!str_eq(a, b) || !a.p != !b.p)
        fail(place, "%s: \"%s\" (%zu) and \"%s\" (%zu)", place.text, shown(a, left, sizeof left),
             a.n, shown(b, right, sizeof right), b.n);
}

void test_has(struct test_place place, const char *haystack, const char *needle)
{
    char text[700];
    if (!haystack || !strstr(haystack, needle))
        fail(place, "%s: not in \"%s\"", place.text, shown(str_of(haystack), text, sizeof text));
}

void test_quick(struct test_place place, int64_t (*run)(void), int64_t limit_ns)
{
    int64_t took_ns = limit_ns;
    for (int i = 0; i < 3 && took_ns >= limit_ns; i++)
        took_ns = run();
    if (took_ns >= limit_ns)
        fail(place, "%s: took %" PRId64 " ns", place.text, took_ns);
}

void test_skip(const char *why)
{
    skipped++;
    printf("skipped: %s.%s: %s\n", CU_get_current_suite()->pName, CU_get_current_test()->pName,
           why);
}

struct test_turns test_turns(int ms)
{
    return (struct test_turns){.left_ns = ms * INT64_C(1000000)};
}

bool test_turns_left(struct test_turns *t)
{
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    int64_t now_ns = ts.tv_sec * INT64_C(1000000000) + ts.tv_nsec, took_ns = now_ns - t->last_ns;
    bool is_first = t->last_ns == 0;
    t->last_ns = now_ns;
    if (is_first)
        return true;
    t->left_ns -= took_ns < 2000000 ? took_ns : 2000000;
    return t->left_ns > 0;
}

bool test_aborts(void (*fn)(void *arg), void *arg)
{
    fflush(stdout);
    pid_t pid = fork();
    if (pid == 0) {
        struct rlimit none = {0};
        setrlimit(RLIMIT_CORE, &none);
        int null = open("/dev/null", O_WRONLY);
        if (null >= 0)
            dup2(null, STDERR_FILENO);
        fn(arg);
        _exit(0);
    }
    int status = 0;
    if (pid < 0 || waitpid(pid, &status, 0) != pid)
        return false;
    return WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT;
}

static bool wanted(const struct test_case *test, char **filters)
{
    char full[300];
    snprintf(full, sizeof full, "%s.%s", test->suite, test->name);
    bool any = false;
    for (char **f = filters; *f; f++) {
        if (**f == '-')
            continue;
        any = true;
        if (strstr(full, *f))
            return true;
    }
    return !any;
}

static void on_test_complete(const CU_pTest test, const CU_pSuite suite,
                             const CU_pFailureRecord failure)
{
    for (CU_pFailureRecord f = failure; f; f = f->pNext)
        printf("%s:%u: %s.%s: %s\n", f->strFileName, f->uiLineNumber, suite->pName, test->pName,
               f->strCondition);
    if (verbose && !failure)
        printf("ok %s.%s\n", suite->pName, test->pName);
    fflush(stdout);
}

static void add(struct test_case *test)
{
    CU_pSuite suite = CU_get_suite(test->suite);
    if (!suite)
        suite = CU_add_suite(test->suite, NULL, NULL);
    if (!suite || !CU_add_test(suite, test->name, test->run)) {
        fprintf(stderr, "%s.%s: %s\n", test->suite, test->name, CU_get_error_msg());
        exit(2);
    }
}

int main(int argc, char **argv)
{
    if (CU_initialize_registry() != CUE_SUCCESS)
        return 2;
    for (int i = 1; i < argc; i++)
        verbose |= str_eq(str_of(argv[i]), STR("-v"));
    for (struct test_case *test = first; test; test = test->next) {
        if (wanted(test, argv + 1))
            add(test);
    }
    CU_set_test_complete_handler(on_test_complete);
    if (CU_run_all_tests() != CUE_SUCCESS)
        fprintf(stderr, "%s\n", CU_get_error_msg());
    unsigned failed = CU_get_number_of_tests_failed();
    unsigned ran = CU_get_number_of_tests_run();
    printf("%u passed, %u failed", ran - failed - skipped, failed);
    if (skipped)
        printf(", %u skipped", skipped);
    printf("\n");
    CU_cleanup_registry();
    return failed || !ran;
}
