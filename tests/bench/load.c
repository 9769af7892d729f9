/* load: drives a Faregate server with gRPC calls and says how fast it was. world.py calls it.
 * Commands come on standard input, one a line; each is answered by one line of JSON:
 *
 *   sign                            fresh access tokens for all users
 *   collect COUNT FILE              searches until COUNT flights have an offer; their ids to FILE
 *   shape CONNS STREAMS IN_FLIGHT   connections of later runs, calls in flight on each; IN_FLIGHT
 *                                   above 0: as many in all, each on the next connection
 *   run OP SECONDS                  a closed loop of OP: search search-even flight seatmap book hot
 *                                   pay history mix
 *   make OP COUNT                   the same, by count
 *   offer OP RATE SECONDS MS        an open loop, each call with a deadline of MS (0: none)
 *
 * What must stay true: the world (offers, unpaid bookings) lives as long as this process. */
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#include "base/arena.h"
#include "base/check.h"
#include "bench/bench.h"
#include "services/auth/token.h"

#define DEADLINE_MS 5000 /* of a closed loop's calls */
#define WARM_SECONDS 0.5 /* of an open loop, before what counts */

static const char *const op_names[] = {"search", "search-even", "flight",  "seatmap", "book",
                                       "hot",    "pay",         "history", "collect", "mix"};

struct load {
    struct bench_world world;
    const char *keys;
    uint32_t life_s;
    uint16_t port;
    unsigned conns, streams, in_flight;
    char authority[32];
    struct arena_pool pool;
    struct arena tokens; /* what users' tokens point into */
};

void *bench_grow(void *array, size_t count, size_t *count_max, size_t item_bytes)
{
    if (count <= *count_max)
        return array;
    *count_max = count > 2 * *count_max ? count : 2 * *count_max;
    array = realloc(array, *count_max * item_bytes);
    CHECK(array);
    return array;
}

static uint64_t random_state;

uint64_t bench_random(void)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return random_state;
}

int64_t bench_now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * INT64_C(1000000000) + t.tv_nsec;
}

static double cpu_seconds(void)
{
    struct rusage u;
    getrusage(RUSAGE_SELF, &u);
    return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) +
           1e-6 * (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec);
}

/* ---- what is in files -------------------------------------------------------------------------
 */

static void read_lines(const char *path, void (*each)(struct bench_world *w, char *line),
                       struct bench_world *w)
{
    FILE *f = fopen(path, "re");
    char line[256];
    if (!f) {
        perror(path);
        exit(2);
    }
    while (fgets(line, sizeof line, f)) {
        line[strcspn(line, "\n")] = '\0';
        each(w, line);
    }
    fclose(f);
}

static void on_user(struct bench_world *w, char *line)
{
    static size_t max;
    w->users = bench_grow(w->users, w->user_count + 1, &max, sizeof *w->users);
    struct bench_user *user = &w->users[w->user_count++];
    *user = (struct bench_user){0};
    snprintf(user->id, sizeof user->id, "%.36s", line);
}

static void on_flight(struct bench_world *w, char *line)
{
    static size_t max;
    w->flights = bench_grow(w->flights, w->flight_count + 1, &max, sizeof *w->flights);
    snprintf(w->flights[w->flight_count++], UUID_TEXT_LEN + 1, "%.36s", line);
}

static void on_route(struct bench_world *w, char *line)
{
    static size_t max;
    w->routes = bench_grow(w->routes, w->route_count + 1, &max, sizeof *w->routes);
    struct bench_route *route = &w->routes[w->route_count++];
    snprintf(route->origin, sizeof route->origin, "%.3s", line);
    snprintf(route->destination, sizeof route->destination, "%.3s", line + 4);
}

/* ---- commands ---------------------------------------------------------------------------------
 */

static int do_sign(struct load *l)
{
    struct tokens *tokens;
    char error[256];
    if (tokens_new(&tokens, l->keys, l->life_s, NULL, error, sizeof error) < 0) {
        fprintf(stderr, "load: %s\n", error);
        return -1;
    }
    arena_reset(&l->tokens);
    for (size_t i = 0; i < l->world.user_count; i++) {
        struct token_claims claims = {.roles = 1u << 1, .issue_s = time(NULL)};
        CHECK(uuid_parse(str_of(l->world.users[i].id), &claims.user_id) == 0);
        random_bytes(&claims.session_id, sizeof claims.session_id);
        random_bytes(&claims.token_id, sizeof claims.token_id);
        l->world.users[i].token = tokens_sign(tokens, &l->tokens, &claims);
    }
    tokens_free(tokens);
    printf("{\"tokens\":%zu}\n", l->world.user_count);
    return 0;
}

static int by_value(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

static void print_latencies(const char *name, struct bench_latencies *l)
{
    static const struct {
        const char *name;
        double at;
    } points[] = {{"p50", .5}, {"p99", .99}, {"p999", .999}};
    qsort(l->us, l->count, sizeof *l->us, by_value);
    printf("\"%s\":{\"count\":%zu", name, l->count);
    for (size_t i = 0; i < 3 && l->count > 0; i++)
        printf(",\"%s_ms\":%.3f", points[i].name,
               l->us[(size_t)((double)l->count * points[i].at)] / 1e3);
    putchar('}');
}

static void print_result(const struct load *l, struct bench_run *run, double cpu_s)
{
    struct bench_result *r = &run->result;
    struct bench_latencies all = {0};
    uint64_t calls = 0;
    const char *comma = "";
    for (unsigned i = 0; i < 17; i++)
        calls += r->status[i];
    printf("{\"op\":\"%s\",\"seconds\":%.4f,\"calls\":%" PRIu64 ",\"ok\":%" PRIu64
           ",\"unfinished\":%" PRIu64
           ",\"loader_us\":%.2f,\"reply_bytes\":%.0f,\"offers\":%.2f,\"dry\":%s,\"unpaid\":%zu,",
           op_names[run->op], r->seconds, calls, r->status[0], r->unfinished,
           calls ? cpu_s * 1e6 / (double)calls : 0,
           calls ? (double)r->reply_bytes / (double)calls : 0,
           calls ? (double)r->offers / (double)calls : 0, l->world.ran_dry ? "true" : "false",
           l->world.booked - l->world.paid);
    for (unsigned i = 0; i < BENCH_OPS; i++) {
        struct bench_latencies *from = &r->latencies[i];
        all.us = bench_grow(all.us, all.count + from->count, &all.count_max, sizeof *all.us);
        if (from->count > 0)
            memcpy(all.us + all.count, from->us, from->count * sizeof *all.us);
        all.count += from->count;
    }
    print_latencies("all", &all);
    printf(",\"ops\":{");
    for (unsigned i = 0; i < BENCH_OPS; i++) {
        if (r->latencies[i].count > 0) {
            printf("%s", comma);
            print_latencies(op_names[i], &r->latencies[i]);
            comma = ",";
        }
        free(r->latencies[i].us);
    }
    printf("},\"status\":{");
    comma = "";
    for (unsigned i = 0; i < 17; i++) {
        if (r->status[i] > 0) {
            printf("%s\"%u\":%" PRIu64, comma, i, r->status[i]);
            comma = ",";
        }
    }
    printf("}}\n");
    free(all.us);
}

static struct bench_run new_run(struct load *l, enum bench_op op)
{
    return (struct bench_run){.world = &l->world,
                              .authority = l->authority,
                              .port = l->port,
                              .conns = l->conns,
                              .streams = l->streams,
                              .in_flight = l->in_flight,
                              .op = op,
                              .deadline_ms = DEADLINE_MS};
}

static int do_run(struct load *l, struct bench_run *run, const char *name)
{
    while (strcmp(op_names[run->op], name) != 0) {
        if (++run->op > BENCH_MIX) {
            fprintf(stderr, "load: no operation %s\n", name);
            return -1;
        }
    }
    if (run->op != BENCH_COLLECT && l->world.offer_count < 2) {
        fprintf(stderr, "load: no offers yet\n");
        return -1;
    }
    l->world.ran_dry = false;
    double cpu_s = cpu_seconds();
    if (bench_client_run(run) < 0)
        return -1;
    print_result(l, run, cpu_seconds() - cpu_s);
    return 0;
}

static int do_offer(struct load *l, const char *arguments)
{
    struct bench_run run = new_run(l, 0);
    char name[32];
    if (sscanf(arguments, "%31s %lf %lf %" SCNu32, name, &run.rate, &run.seconds,
               &run.deadline_ms) != 4 ||
        run.rate <= 0 || run.seconds <= 0)
        return -1;
    run.warm_seconds = WARM_SECONDS;
    return do_run(l, &run, name);
}

static int do_shape(struct load *l, const char *arguments)
{
    if (sscanf(arguments, "%u %u %u", &l->conns, &l->streams, &l->in_flight) != 3 || l->conns == 0)
        return -1;
    printf("{\"conns\":%u}\n", l->conns);
    return 0;
}

static int do_collect(struct load *l, size_t count, const char *path)
{
    size_t before = SIZE_MAX;
    while (l->world.offer_count < count && before != l->world.offer_count) {
        struct bench_run run = new_run(l, BENCH_COLLECT);
        run.calls_max = 1000;
        before = l->world.offer_count;
        if (bench_client_run(&run) < 0)
            return -1;
        free(run.result.latencies[BENCH_COLLECT].us);
    }
    FILE *f = fopen(path, "we");
    for (size_t i = 0; f && i < l->world.offer_count; i++)
        fprintf(f, "%s\n", l->world.offers[i].flight);
    if (!f || fclose(f) != 0) {
        perror(path);
        return -1;
    }
    printf("{\"offers\":%zu}\n", l->world.offer_count);
    return l->world.offer_count < 2 ? -1 : 0;
}

static int obey(struct load *l, char *line)
{
    char name[32] = "", argument[512] = "";
    double number = 0;
    if (strncmp(line, "sign", 4) == 0)
        return do_sign(l);
    if (sscanf(line, "collect %lf %511s", &number, argument) == 2)
        return do_collect(l, (size_t)number, argument);
    if (strncmp(line, "shape ", 6) == 0)
        return do_shape(l, line + 6);
    if (strncmp(line, "offer ", 6) == 0)
        return do_offer(l, line + 6);
    struct bench_run run = new_run(l, 0);
    if (sscanf(line, "run %31s %lf", name, &run.seconds) == 2)
        return do_run(l, &run, name);
    if (sscanf(line, "make %31s %lf", name, &number) == 2) {
        run.calls_max = (uint64_t)number;
        return do_run(l, &run, name);
    }
    fprintf(stderr, "load: what is %s\n", line);
    return -1;
}

static int usage(void)
{
    fprintf(stderr, "usage: load --port=N --keys=DIR --users=FILE --routes=FILE --flights=FILE "
                    "--first-day=DAYS_SINCE_1970\n"
                    "            [--conns=4] [--streams=16] [--days=30] [--life=3600]\n");
    return 2;
}

int main(int argc, char **argv)
{
    static struct load l = {.life_s = 3600, .conns = 4, .streams = 16, .world.day_count = 30};
    static const struct option options[] = {
        {"port", 1, NULL, 'p'},   {"keys", 1, NULL, 'k'},    {"users", 1, NULL, 'u'},
        {"routes", 1, NULL, 'r'}, {"flights", 1, NULL, 'f'}, {"first-day", 1, NULL, 'd'},
        {"conns", 1, NULL, 'c'},  {"streams", 1, NULL, 's'}, {"days", 1, NULL, 'n'},
        {"life", 1, NULL, 'l'},   {NULL, 0, NULL, 0},
    };
    for (int o; (o = getopt_long(argc, argv, "", options, NULL)) != -1;) {
        long number = optarg ? strtol(optarg, NULL, 10) : 0;
        switch (o) {
        case 'p':
            l.port = (uint16_t)number;
            break;
        case 'k':
            l.keys = optarg;
            break;
        case 'u':
            read_lines(optarg, on_user, &l.world);
            break;
        case 'r':
            read_lines(optarg, on_route, &l.world);
            break;
        case 'f':
            read_lines(optarg, on_flight, &l.world);
            break;
        case 'd':
            l.world.first_day = (int32_t)number;
            break;
        case 'c':
            l.conns = (unsigned)number;
            break;
        case 's':
            l.streams = (unsigned)number;
            break;
        case 'n':
            l.world.day_count = (uint32_t)number;
            break;
        case 'l':
            l.life_s = (uint32_t)number;
            break;
        default:
            return usage();
        }
    }
    if (!l.port || !l.keys || !l.world.user_count || !l.world.route_count || !l.world.flight_count)
        return usage();
    snprintf(l.authority, sizeof l.authority, "127.0.0.1:%u", l.port);
    random_bytes(&random_state, sizeof random_state);
    arena_pool_init(&l.pool, 0);
    arena_init(&l.tokens, &l.pool, (size_t)1 << 31);
    setvbuf(stdout, NULL, _IOLBF, 0);
    char line[600];
    while (fgets(line, sizeof line, stdin)) {
        if (obey(&l, line) < 0)
            return 1;
    }
    return 0;
}
