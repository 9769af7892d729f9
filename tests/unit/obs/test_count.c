/* Counting and /metrics: what several processes count in their slots is what the page adds up. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "obs/internal.h"
#include "support/test.h"

static char *render(struct obs_region *region)
{
    struct buf out = {0};
    obs_render_prometheus(region, &out);
    buf_append(&out, "", 1);
    char *text = strdup((const char *)out.p + out.start);
    buf_deinit(&out);
    return text;
}

static struct obs_region *new_region(void)
{
    struct obs_region *region;
    ASSERT_INT_EQ(obs_region_new(&region), 0);
    return region;
}

static struct obs *open_slot(struct obs_region *region, unsigned slot)
{
    struct obs *obs;
    ASSERT_INT_EQ(obs_open(&obs, region, slot, -1), 0);
    return obs;
}

TEST(obs, gives_equal_names_equal_indices_and_ends_with_enospc)
{
    struct obs_region *region = new_region();
    int a = obs_method(region, "a.S/A");
    ASSERT_INT_EQ(obs_method(region, "a.S/A"), a);
    ASSERT_INT_NE(obs_method(region, "a.S/B"), a);
    int step = obs_step(region, a, "find");
    ASSERT_INT_EQ(obs_step(region, a, "find"), step);
    ASSERT_INT_NE(obs_step(region, obs_method(region, "a.S/B"), "find"), step);
    char name[32];
    for (int i = 2; i < OBS_METHODS_MAX; i++) {
        snprintf(name, sizeof name, "a.S/M%d", i);
        ASSERT_INT_EQ(obs_method(region, name), i);
    }
    ASSERT_INT_EQ(obs_method(region, "a.S/one_more"), -ENOSPC);
    int metric = obs_metric(region, "x_total", "help", OBS_COUNTER);
    ASSERT_INT_EQ(obs_metric(region, "x_total", "help", OBS_COUNTER), metric);
    for (int i = metric + 1; i < OBS_GAUGES_MAX; i++) {
        snprintf(name, sizeof name, "m%d", i);
        ASSERT_INT_EQ(obs_metric(region, name, "help", OBS_GAUGE), i);
    }
    ASSERT_INT_EQ(obs_metric(region, "one_more", "help", OBS_GAUGE), -ENOSPC);
    obs_region_free(region);
}

#define NAMERS 4
#define NAMES 100

/* All names, each process from another place on. */
static void register_names(struct obs_region *region, int first)
{
    char name[32];
    for (int i = 0; i < NAMES; i++) {
        snprintf(name, sizeof name, "a.S/M%d", (first + i) % NAMES);
        obs_step(region, obs_method(region, name), "step");
    }
}

TEST(obs, gives_a_name_one_index_however_many_register_it_at_once)
{
    struct obs_region *region = new_region();
    pid_t pids[NAMERS];
    for (int n = 0; n < NAMERS; n++) {
        pids[n] = fork();
        if (pids[n] == 0) {
            for (int again = 0; again < 50; again++)
                register_names(region, n * NAMES / NAMERS);
            pthread_mutex_lock(&region->names_lock); /* and dies with it */
            _exit(0);
        }
    }
    for (int n = 0; n < NAMERS; n++)
        waitpid(pids[n], NULL, 0);
    ASSERT_INT_EQ(region->method_count, NAMES);
    ASSERT_INT_EQ(region->step_count, NAMES);
    ASSERT_INT_EQ(obs_method(region, "a.S/one_more"), NAMES);
    obs_region_free(region);
}

TEST(obs, sums_the_slots_of_all_processes)
{
    struct obs_region *region = new_region();
    int method = obs_method(region, "faregate.v1.S/Get");
    int gauge = obs_metric(region, "connections", "Open connections", OBS_GAUGE);
    for (unsigned slot = 0; slot < 3; slot++) {
        pid_t pid = fork();
        if (pid == 0) {
            struct obs *obs = open_slot(region, slot);
            for (int i = 0; i < 1000; i++) {
                obs_call_started(obs, method);
                obs_call_ended(obs, method, STATUS_OK, REASON_NONE, 2 * 1000000, 100, 3000);
            }
            obs_call_ended(obs, method, STATUS_NOT_FOUND, REASON_NOT_FOUND, 0, 0, 0);
            obs_set(obs, gauge, slot + 1);
            _exit(0); /* dies without closing: what it counted stays */
        }
        waitpid(pid, NULL, 0);
    }
    char *text = render(region);
    ASSERT_HAS(text, "grpc_server_call_started_total{grpc_method=\"faregate.v1.S/Get\"} 3000\n");
    const char *ok = "grpc_server_call_duration_seconds_count{grpc_method=\"faregate.v1.S/Get\","
                     "grpc_status=\"OK\"} 3000\n";
    ASSERT_HAS(text, ok);
    ASSERT_HAS(text, "duration_seconds_sum{grpc_method=\"faregate.v1.S/Get\",grpc_status=\"OK\"} "
                     "6.000000000\n");
    ASSERT_HAS(text, "grpc_status=\"NOT_FOUND\",le=\"0\"} 3\n");
    ASSERT_HAS(text, "faregate_refusals_total{reason=\"NOT_FOUND\"} 3\n");
    ASSERT_HAS(text, "grpc_server_call_rcvd_total_compressed_message_size_bytes_sum{grpc_method="
                     "\"faregate.v1.S/Get\",grpc_status=\"OK\"} 300000\n");
    ASSERT_HAS(text, "# TYPE faregate_connections gauge\nfaregate_connections 6\n");
    ASSERT_NULL(strstr(text, "ABORTED\"")); /* nothing about what never happened */
    free(text);
    obs_region_free(region);
}

TEST(obs, puts_a_duration_into_the_bucket_whose_bound_it_reaches)
{
    struct obs_region *region = new_region();
    int method = obs_method(region, "S/M");
    struct obs *obs = open_slot(region, 0);
    for (unsigned i = 0; i < OBS_LATENCY_BUCKETS - 1; i++) {
        int64_t bound_ns = (int64_t)obs_latency_bounds_us[i] * 1000;
        obs_call_ended(obs, method, STATUS_OK, REASON_NONE, bound_ns, 0, 0);
        obs_call_ended(obs, method, STATUS_OK, REASON_NONE, bound_ns + 1, 0, 0);
        if (i)
            ASSERT_TRUE(obs_latency_bounds_us[i] > obs_latency_bounds_us[i - 1]);
    }
    obs_call_ended(obs, method, STATUS_OK, REASON_NONE, -5, 0, 0);
    char *text = render(region);
    for (unsigned i = 0; i < OBS_LATENCY_BUCKETS - 1; i++) {
        char line[200];
        snprintf(line, sizeof line, "grpc_status=\"OK\",le=\"%g\"} %u\n",
                 obs_latency_bounds_us[i] / 1e6, 2 * i + 2);
        ASSERT_HAS(strstr(text, "duration_seconds_bucket"), line);
    }
    ASSERT_HAS(text, "le=\"+Inf\"} 83\n");
    ASSERT_HAS(text, "le=\"1e-05\"}");
    ASSERT_HAS(text, "le=\"100\"}");
    free(text);
    obs_close(obs);
    obs_region_free(region);
}

TEST(obs, a_successor_keeps_counters_and_clears_gauges)
{
    struct obs_region *region = new_region();
    int counter = obs_metric(region, "grpc_tcp_connections_created", "Made", OBS_COUNTER);
    int told = obs_metric(region, "statements_total", "Sent", OBS_COUNTER);
    int gauge = obs_metric(region, "connections", "Open", OBS_GAUGE);
    struct obs *obs = open_slot(region, 5);
    obs_add(obs, counter, 7);
    obs_set_total(obs, told, 6);
    obs_set_total(obs, told, 7);
    obs_set(obs, gauge, 7);
    obs_close(obs);
    obs = open_slot(region, 5);
    obs_add(obs, counter, 1);
    obs_set_total(obs, told, 1); /* its own: it knows nothing of the other */
    char *text = render(region);
    ASSERT_HAS(text, "\ngrpc_tcp_connections_created 8\n");
    ASSERT_HAS(text, "\nfaregate_statements_total 8\n");
    ASSERT_HAS(text, "\nfaregate_connections 0\n");
    free(text);
    obs_close(obs);
    obs_region_free(region);
}

TEST(obs, shows_the_longest_of_all_processes_in_seconds)
{
    struct obs_region *region = new_region();
    int lag = obs_metric(region, "loop_lag_seconds", "Late", OBS_LONGEST);
    struct obs *first = open_slot(region, 0), *second = open_slot(region, 1);
    obs_set(first, lag, 250000);
    obs_set(second, lag, 1000);
    char *text = render(region);
    ASSERT_HAS(text, "# TYPE faregate_loop_lag_seconds gauge\nfaregate_loop_lag_seconds 0.25\n");
    free(text);
    obs_close(first);
    obs_close(second);
    obs_region_free(region);
}

TEST(obs, names_calls_as_opentelemetry_does_where_that_is_asked_for)
{
    struct obs_region *region = new_region();
    struct obs *obs = open_slot(region, 0);
    struct buf out = {0};
    obs_call_ended(obs, obs_method(region, "p.S/M"), STATUS_OK, REASON_NONE, 1000000, 1, 1);
    obs_call_ended(obs, obs_method(region, "other"), STATUS_UNIMPLEMENTED, REASON_NONE, 0, 0, 0);
    obs_call_ended(obs, obs_method(region, "ExpireHolds"), STATUS_OK, REASON_NONE, 1000000, 0, 0);
    char *text = render(region);
    ASSERT_NULL(strstr(text, "\nrpc_server"));
    ASSERT_HAS(text, "faregate_job_duration_seconds_count{job=\"ExpireHolds\",status=\"OK\"} 1\n");
    ASSERT_NULL(strstr(text, "grpc_method=\"ExpireHolds\"")); /* nobody called it */
    free(text);
    obs_render_otel(region, &out);
    buf_append(&out, "", 1);
    text = (char *)out.p + out.start;
    ASSERT_HAS(text, "# TYPE rpc_server_call_duration_seconds histogram\n");
    ASSERT_HAS(text, "rpc_server_call_duration_seconds_count{rpc_system_name=\"grpc\",rpc_method="
                     "\"p.S/M\",rpc_response_status_code=\"OK\"} 1\n");
    ASSERT_HAS(text, "rpc_method=\"_OTHER\",rpc_response_status_code=\"UNIMPLEMENTED\"} 1\n");
    ASSERT_NULL(strstr(text, "ExpireHolds"));
    buf_deinit(&out);
    obs_close(obs);
    obs_region_free(region);
}

TEST(obs, shows_the_steps_that_ran)
{
    struct obs_region *region = new_region();
    int method = obs_method(region, "S/M");
    int ran = obs_step(region, method, "hold_seats");
    obs_step(region, method, "reply");
    struct obs *obs = open_slot(region, 0);
    obs_step_ended(obs, ran, 1500);
    char *text = render(region);
    ASSERT_HAS(text,
               "step_duration_seconds_sum{grpc_method=\"S/M\",step=\"hold_seats\"} 0.000001500\n");
    ASSERT_NULL(strstr(text, "step=\"reply\""));
    free(text);
    obs_close(obs);
    obs_region_free(region);
}

static double cpu_seconds(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts);
    return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

/* Loose, for sanitizers and busy machines; the release figure is printed with -v in the log. */
TEST(obs, counts_a_call_in_well_under_a_microsecond)
{
    struct obs_region *region = new_region();
    int method = obs_method(region, "S/M");
    struct obs *obs = open_slot(region, 0);
    const int calls = 200000;
    double begin = cpu_seconds();
    for (int i = 0; i < calls; i++) {
        obs_call_started(obs, method);
        obs_call_ended(obs, method, STATUS_OK, REASON_NONE, i * 977 % 40000000, 120, 900);
    }
    double ns = (cpu_seconds() - begin) * 1e9 / calls;
    if (getenv("FG_TIMES"))
        printf("obs: %.0f ns per call\n", ns);
    ASSERT_INT_IN(ns, 0, 2000);
    obs_close(obs);
    obs_region_free(region);
}
