/* Measuring and writing the load report. Called by orca.c and intercept_load.c on the loop's
 * thread. What must stay true: a report is made from two samples at least half a second apart; a
 * utilization is between 0 and 1, as the message demands. */
#include "grpc/load.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <xds/data/orca/v3/orca_load_report.pb-c.h>

#include "base/check.h"
#include "grpc/internal.h"

#define SAMPLE_NS_MIN (500 * NS_PER_MS)
#define NAMES_MAX 8
#define NAME_BYTES_MAX 24
#define REPORT_BYTES_MAX 1024

typedef Xds__Data__Orca__V3__OrcaLoadReport report_t;
typedef Xds__Data__Orca__V3__OrcaLoadReport__UtilizationEntry utilization_t;
typedef Xds__Data__Orca__V3__OrcaLoadReport__NamedMetricsEntry named_t;

struct load_value {
    const char *name; /* static */
    double value;
    double max; /* 0: it has none, so it is no utilization */
};

struct load {
    double cpus; /* what this process may use of the machine, at most 1: it has one loop */
    int64_t sampled_ns;
    /* as of the last sample */
    int64_t cpu_ns;
    uint64_t ended, failed;
    /* between the last two samples */
    double cpu, memory, calls_per_s, failures_per_s;
    struct load_value values[NAMES_MAX];
    unsigned value_count;
    /* the report, in both forms */
    report_t report;
    utilization_t utilization[NAMES_MAX], *utilizations[NAMES_MAX];
    named_t named[NAMES_MAX], *names[NAMES_MAX];
    uint8_t packed[REPORT_BYTES_MAX];
    size_t packed_bytes;
};

int load_new(struct load **ret_load)
{
    *ret_load = calloc(1, sizeof **ret_load);
    if (!*ret_load)
        return -ENOMEM;
    (*ret_load)->cpus = 1;
    return 0;
}

struct load *load_free(struct load *load)
{
    free(load);
    return NULL;
}

/* ---- the machine ---- */

/* Of this process with all its threads: hashing passwords is work too. */
static int64_t cpu_ns_now(void)
{
    struct timespec t;
    CHECK(clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t) == 0);
    return t.tv_sec * NS_PER_S + t.tv_nsec;
}

/* The first number of a file of /sys; -1: no file, or no number ("max"). */
static double number_in(const char *path)
{
    double number = -1;
    FILE *f = fopen(path, "re");
    if (f && fscanf(f, "%lf", &number) != 1)
        number = -1;
    if (f)
        fclose(f);
    return number;
}

/* How full the memory is that this process may use: the cgroup's, else the machine's. */
static double memory_used(void)
{
    double max = number_in("/sys/fs/cgroup/memory.max");
    double current = number_in("/sys/fs/cgroup/memory.current");
    if (max > 0 && current >= 0)
        return current < max ? current / max : 1;
    double total = 0, available = 0;
    FILE *f = fopen("/proc/meminfo", "re");
    if (f &&
        fscanf(f, "MemTotal: %lf kB MemFree: %*f kB MemAvailable: %lf", &total, &available) != 2)
        total = 0;
    if (f)
        fclose(f);
    return total > 0 ? (total - available) / total : 0;
}

static void sample(struct server *server)
{
    struct load *load = server->load;
    const struct server_tally *tally = &server->tally;
    int64_t now_ns = server->loop->now_ns;
    int64_t cpu_ns = cpu_ns_now();
    uint64_t ended = tally->succeeded + tally->failed;
    double seconds = (double)(now_ns - load->sampled_ns) / NS_PER_S;
    if (load->sampled_ns > 0) {
        load->cpu = (double)(cpu_ns - load->cpu_ns) / NS_PER_S / seconds / load->cpus;
        load->calls_per_s = (double)(ended - load->ended) / seconds;
        load->failures_per_s = (double)(tally->failed - load->failed) / seconds;
    }
    load->memory = memory_used();
    load->sampled_ns = now_ns;
    load->cpu_ns = cpu_ns;
    load->ended = ended;
    load->failed = tally->failed;
}

/* ---- the report ---- */

static char *unconst(const char *text)
{
    return (char *)(uintptr_t)text; /* packed, never written */
}

static void put_value(struct load *load, const struct load_value *v)
{
    report_t *r = &load->report;
    named_t *n = &load->named[r->n_named_metrics];
    xds__data__orca__v3__orca_load_report__named_metrics_entry__init(n);
    n->key = unconst(v->name);
    n->value = v->value;
    load->names[r->n_named_metrics++] = n;
    if (v->max <= 0)
        return;
    utilization_t *u = &load->utilization[r->n_utilization];
    xds__data__orca__v3__orca_load_report__utilization_entry__init(u);
    u->key = unconst(v->name);
    u->value = v->value < v->max ? v->value / v->max : 1;
    load->utilizations[r->n_utilization++] = u;
    if (u->value > r->application_utilization)
        r->application_utilization = u->value;
}

static void write_report(struct load *load)
{
    report_t *r = &load->report;
    xds__data__orca__v3__orca_load_report__init(r);
    r->utilization = load->utilizations;
    r->named_metrics = load->names;
    r->cpu_utilization = load->cpu;
    r->mem_utilization = load->memory;
    r->rps_fractional = load->calls_per_s;
    r->eps = load->failures_per_s;
    r->application_utilization = load->cpu; /* or what is fuller: what gives way first counts */
    for (unsigned i = 0; i < load->value_count; i++)
        put_value(load, &load->values[i]);
    size_t bytes = xds__data__orca__v3__orca_load_report__get_packed_size(r);
    CHECK(bytes <= sizeof load->packed);
    load->packed_bytes = xds__data__orca__v3__orca_load_report__pack(r, load->packed);
}

const report_t *load_report(struct server *server)
{
    struct load *load = server->load;
    bool is_fresh =
        load->packed_bytes > 0 && server->loop->now_ns - load->sampled_ns < SAMPLE_NS_MIN;
    if (!is_fresh) {
        server_set_load(server, "calls", server_calls_busy(server), server->limits.calls_max);
        sample(server);
        write_report(load);
    }
    return &load->report;
}

struct str load_report_bytes(struct server *server)
{
    load_report(server);
    const struct load *load = server->load;
    return (struct str){.p = (const char *)load->packed, .n = load->packed_bytes};
}

/* ---- what others know ---- */

void server_set_load(struct server *server, const char *name, double value, double max)
{
    struct load *load = server->load;
    unsigned i = 0;
    while (i < load->value_count && strcmp(load->values[i].name, name) != 0)
        i++;
    CHECK(i < NAMES_MAX);
    CHECK(strlen(name) < NAME_BYTES_MAX);
    if (i == load->value_count)
        load->value_count++;
    load->values[i] = (struct load_value){.name = name, .value = value, .max = max};
}

void server_report_load(struct server *server, double cpus, bool on_replies)
{
    CHECK(cpus > 0);
    server->load->cpus = cpus;
    server->load_on_replies = on_replies;
}
