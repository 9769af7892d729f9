/* Visits every RPC x every way its statements and the provider can answer x every wait x every
 * interruption. A test binary of its own: --list names the cases, --memory prints what calls need,
 * an argument picks methods, the last line is "N passed, N failed".
 * What must stay true: an interruption is tried once for each different past; the enumeration is
 * bounded and says so when it is cut. */
#include <stdio.h>
#include <stdlib.h>

#include "base/check.h"
#include "drive.h"
#include "services/all.h"

#define PATHS_MAX 50000
#define SUBJECTS_MAX 48
#define ARENA_BYTES_MIN (4u << 20) /* the least that --arena-bytes-max takes */

/* How many things of one way are not as usual. */
static const unsigned unusual_max[] = {
    [COMMIT_AT_ONCE] = 3, [COMMIT_QUEUED] = 2, [REVERSED] = 2, [INSTANT] = 2};

static struct subject subjects[SUBJECTS_MAX];
static unsigned subject_count;
static unsigned passed, failed;
static unsigned long paths_total;

static void settle(struct run *run)
{
    run_judge(run) ? passed++ : failed++;
}

/* ---- enumeration ---- */

/* How many of the first @count choices are not the usual ones. */
static unsigned unusual_count(const struct script *s, unsigned count)
{
    unsigned unusual = 0;
    for (unsigned i = 0; i < count; i++)
        unusual += s->value[i] != 0;
    return unusual;
}

/* The next way in order; false: that was the last. */
static bool next_path(struct script *s, enum mood mood)
{
    for (unsigned i = s->used; i-- > 0;) {
        if (s->value[i] + 1 < s->of[i] && unusual_count(s, i) < unusual_max[mood]) {
            s->value[i]++;
            s->length = i + 1;
            return true;
        }
    }
    return false;
}

/* One past the last choice that is not the usual one. */
static unsigned unusual_until(const struct script *s)
{
    unsigned i = s->used;
    while (i > 0 && s->value[i - 1] == 0)
        i--;
    return i;
}

static bool is_about_database(enum interruption what)
{
    return what >= CONNECTION_LOST && what <= REFUSED_BY_DATABASE;
}

static void interrupt_at(const struct run *calm, enum interruption what, unsigned at,
                         const struct script *past)
{
    struct run run = {.test = calm->test,
                      .subject = calm->subject,
                      .request = calm->request,
                      .mood = calm->mood,
                      .interruption = what,
                      .at = at};
    world.script = *past;
    run_drive(&run);
    settle(&run);
}

/* Every interruption at every wait whose past this path is the first to have. */
static void interrupt_path(const struct run *calm, const struct script *way)
{
    unsigned from = unusual_until(way);
    for (unsigned at = 0; at < calm->waits; at++) {
        if (calm->choices[at] < from)
            continue;
        struct script past = *way;
        past.length = calm->choices[at];
        for (enum interruption what = CANCEL; what < DATABASE_DOWN; what++)
            if (calm->has_database[at] || !is_about_database(what))
                interrupt_at(calm, what, at, &past);
    }
}

/* The database goes down before each statement in turn. */
static void go_down(const struct run *calm, const struct script *way, unsigned statements)
{
    for (unsigned at = 0; at < statements; at++)
        interrupt_at(calm, DATABASE_DOWN, at, way);
}

/* How many ways there are; what moods make a difference. */
static unsigned explore(const struct service_case *test, struct subject *subject,
                        struct str request, enum mood mood, bool *ret_parallel, bool *ret_commits)
{
    struct script way = {0};
    unsigned paths = 0;
    do {
        struct run calm = {.test = test, .subject = subject, .request = request, .mood = mood};
        world.script = way;
        run_drive(&calm);
        unsigned statements = world.statements;
        way = world.script;
        *ret_parallel |= calm.had_parallel;
        *ret_commits |= calm.had_commit;
        settle(&calm);
        if (mood == INSTANT && unusual_until(&way) == 0)
            go_down(&calm, &way, statements);
        if (mood != INSTANT && !test->is_huge)
            interrupt_path(&calm, &way);
        if (++paths == PATHS_MAX) {
            run_complain(&calm, "more than %d ways", PATHS_MAX);
            failed++;
            break;
        }
    } while (next_path(&way, mood) && !test->is_huge);
    return paths;
}

/* ---- memory ---- */

/* Whatever the operator sets, a call that needs more is refused; it never ends the process. */
static void starve(const struct service_case *test, struct subject *subject, struct str request)
{
    for (uint32_t bytes = ARENA_BYTES_MIN; bytes < server_limits_default.arena_bytes_max;
         bytes *= 2) {
        struct run run = {
            .test = test, .subject = subject, .request = request, .arena_bytes_max = bytes};
        world.script = (struct script){0};
        run_drive(&run);
        settle(&run);
    }
}

static struct str pack(const ProtobufCMessage *message)
{
    uint8_t *p = arena_alloc(&world_arena, protobuf_c_message_get_packed_size(message) + 1);
    return (struct str){(const char *)p, protobuf_c_message_pack(message, p)};
}

static void torture(const struct service_case *test, struct subject *subject)
{
    bool is_parallel = false, has_commits = false;
    world.heavy = test->is_huge;
    rig_start(&(struct rpc_method){0}, 0, NULL);
    world_reset(); /* its offer */
    rig_stop();
    struct str request = pack(test->make());
    for (enum mood mood = 0; mood < MOODS; mood++) {
        if ((mood == COMMIT_QUEUED && !has_commits) || (mood == REVERSED && !is_parallel))
            continue;
        paths_total += explore(test, subject, request, mood, &is_parallel, &has_commits);
    }
    starve(test, subject, request);
}

/* ---- the manual ---- */

/* What is listed and never happens misleads like what happens and is not listed. */
static void compare_manual(const struct subject *s)
{
    for (enum reason reason = REASON_NONE + 1; reason < REASON_COUNT; reason++) {
        if (!s->documented.own[reason])
            continue;
        s->seen[reason] ? passed++ : failed++;
        if (!s->seen[reason])
            printf("torture: %s lists %s, which no path gives\n", s->method->handler->method,
                   reason_info(reason)->name);
    }
}

/* ---- main ---- */

static struct registry *read_methods(void)
{
    const struct rpc_service *services[SERVICES_MAX + 1];
    struct registry *registry;
    char error[256];
    services_chosen("auth,flight,booking,payment", services);
    if (registry_new(&registry, services, &server_limits_default, NULL, error, sizeof error) < 0)
        fprintf(stderr, "torture: %s\n", error);
    CHECK(registry);
    for (size_t i = 0; i < registry->method_count; i++) {
        const struct rpc_method *method = &registry->methods[i];
        if (!str_starts(method->full_name, STR("faregate.v1.")) || !method->handler)
            continue;
        CHECK(subject_count < SUBJECTS_MAX);
        subjects[subject_count].method = method;
        docs_read(method, &subjects[subject_count++].documented);
    }
    return registry;
}

static struct subject *subject_of(const struct service_case *test)
{
    for (unsigned i = 0; i < subject_count; i++)
        if (strcmp(subjects[i].method->handler->method, test->method) == 0)
            return &subjects[i];
    fprintf(stderr, "torture: there is no method %s\n", test->method);
    abort();
}

static bool has_case(const struct subject *s)
{
    for (size_t i = 0; case_at(i); i++)
        if (strcmp(s->method->handler->method, case_at(i)->method) == 0)
            return true;
    printf("torture: %s has no case\n", s->method->handler->method);
    return false;
}

static void print_memory(void)
{
    for (unsigned i = 0; i < subject_count; i++)
        printf("%-24s %8zu bytes of the call, %8zu of the request (%s)\n",
               subjects[i].method->handler->method, subjects[i].arena_peak,
               subjects[i].request_peak, subjects[i].peak_case ? subjects[i].peak_case->what : "");
}

int main(int argc, char **argv)
{
    bool only_list = argc > 1 && strcmp(argv[1], "--list") == 0;
    bool wants_memory = argc > 1 && strcmp(argv[1], "--memory") == 0;
    const char *wanted = argc > 1 && argv[1][0] != '-' ? argv[1] : NULL;
    struct registry *registry = read_methods();
    world_init();
    size_t count = 0;
    for (const struct service_case *test; (test = case_at(count)); count++) {
        if (only_list)
            printf("%s %s\n", test->method, test->what);
        else if (!wanted || strstr(test->method, wanted))
            torture(test, subject_of(test));
    }
    for (unsigned i = 0; i < subject_count && !only_list && !wanted; i++) {
        has_case(&subjects[i]) ? passed++ : failed++;
        compare_manual(&subjects[i]);
    }
    if (wants_memory)
        print_memory();
    world_deinit();
    registry_free(registry);
    printf("%lu ways through %zu requests of %u methods\n", paths_total, count, subject_count);
    printf("%u passed, %u failed\n", passed, failed);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
