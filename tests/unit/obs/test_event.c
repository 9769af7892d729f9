/* The log: lines of JSON, whole or not at all, and a reader that does not read stops nobody. */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "obs/obs.h"
#include "support/test.h"

struct fixture {
    struct obs_region *region;
    struct obs *obs;
    int read_fd;
    int write_fd;
};

static struct fixture start(void)
{
    struct fixture f;
    int fds[2];
    ASSERT_INT_EQ(pipe(fds), 0);
    f.read_fd = fds[0];
    f.write_fd = fds[1];
    ASSERT_INT_EQ(fcntl(f.read_fd, F_SETFL, O_NONBLOCK), 0);
    ASSERT_INT_EQ(obs_region_new(&f.region), 0);
    ASSERT_INT_EQ(obs_open(&f.obs, f.region, 0, f.write_fd), 0);
    return f;
}

static void stop(struct fixture *f)
{
    obs_close(f->obs);
    obs_region_free(f->region);
    close(f->read_fd);
    close(f->write_fd);
}

/* All that waits in the pipe, as a C string. */
static char *drain(struct fixture *f)
{
    struct buf b = {0};
    ssize_t n;
    while ((n = read(f->read_fd, buf_reserve(&b, 4096), 4096)) > 0)
        buf_commit(&b, (size_t)n);
    buf_append(&b, "", 1);
    char *text = strdup((const char *)b.p);
    buf_deinit(&b);
    return text;
}

static uint64_t dropped(struct fixture *f)
{
    struct buf out = {0};
    obs_render_prometheus(f->region, &out);
    buf_append(&out, "", 1);
    const char *line = strstr((const char *)out.p, "\nfaregate_log_dropped_total ");
    ASSERT_NOT_NULL(line);
    uint64_t value = strtoull(strchr(line, ' '), NULL, 10);
    buf_deinit(&out);
    return value;
}

static void log_one(struct obs *obs, int64_t wall_ns, size_t filler)
{
    static char text[OBS_EVENT_BYTES_MAX];
    memset(text, 'x', sizeof text);
    struct obs_event e = obs_event_begin(obs, "call", wall_ns);
    obs_event_str(&e, "text", (struct str){text, filler});
    obs_event_end(&e);
}

TEST(event, is_one_line_of_json)
{
    struct fixture f = start();
    struct obs_event e = obs_event_begin(f.obs, "call", INT64_C(1795298740) * NS_PER_S + 123456789);
    obs_event_str(&e, "method", STR("faregate.v1.S/\"Get\""));
    obs_event_int(&e, "bytes", INT64_MIN);
    obs_event_int(&e, "zero", 0);
    obs_event_end(&e);
    e = obs_event_begin(f.obs, "call", 7000);
    obs_event_end(&e);
    char *early = drain(&f);
    ASSERT_STR_EQ(early, ""); /* nothing before the flush */
    obs_flush(f.obs);
    char *text = drain(&f);
    ASSERT_STR_EQ(text, "{\"time\":\"2026-11-21T22:05:40.123456Z\",\"event\":\"call\","
                        "\"method\":\"faregate.v1.S/\\\"Get\\\"\",\"bytes\":-9223372036854775808,"
                        "\"zero\":0}\n"
                        "{\"time\":\"1970-01-01T00:00:00.000007Z\",\"event\":\"call\"}\n");
    free(early);
    free(text);
    stop(&f);
}

TEST(event, says_when_it_had_to_be_cut)
{
    struct fixture f = start();
    struct obs_event e = obs_event_begin(f.obs, "call", 0);
    char *large = calloc(1, OBS_EVENT_BYTES_MAX);
    memset(large, 'x', OBS_EVENT_BYTES_MAX);
    obs_event_str(&e, "large", (struct str){large, OBS_EVENT_BYTES_MAX - 20});
    obs_event_int(&e, "after", 1);
    obs_event_end(&e);
    obs_flush(f.obs);
    char *text = drain(&f);
    ASSERT_STR_EQ(text, "{\"time\":\"1970-01-01T00:00:00.000000Z\",\"event\":\"call\","
                        "\"after\":1,\"truncated\":true}\n");
    free(text);
    free(large);
    stop(&f);
}

TEST(event, fits_at_every_length)
{
    struct fixture f = start();
    for (size_t filler = OBS_EVENT_BYTES_MAX - 200; filler < OBS_EVENT_BYTES_MAX; filler++) {
        log_one(f.obs, 0, filler);
        obs_flush(f.obs);
        char *text = drain(&f);
        size_t n = strlen(text);
        ASSERT_INT_IN(n, 10, OBS_EVENT_BYTES_MAX);
        ASSERT_STR_EQ(text + n - 2, "}\n");
        free(text);
    }
    ASSERT_INT_EQ(dropped(&f), 0);
    stop(&f);
}

TEST(log, drops_and_counts_whole_lines_when_nobody_reads)
{
    struct fixture f = start();
    unsigned written = 0;
    for (int turn = 0; turn < 50; turn++) {
        for (int i = 0; i < 20; i++, written++)
            log_one(f.obs, 0, 300);
        obs_flush(f.obs); /* the pipe holds 64 KiB; this must not block */
    }
    char *text = drain(&f);
    unsigned arrived = 0;
    for (char *line = text; *line; line = strchr(line, '\n') + 1, arrived++)
        ASSERT_MEM_EQ(line, "{\"time\":", 8);
    ASSERT_INT_IN(arrived, 100, written - 1);
    ASSERT_INT_EQ(dropped(&f), written - arrived);
    free(text);
    stop(&f);
}

TEST(log, is_bounded_between_flushes)
{
    struct fixture f = start();
    for (int i = 0; i < 2000; i++)
        log_one(f.obs, 0, 1000);
    /* What the pipe (64 KiB) and the buffer cannot hold is lost. */
    ASSERT_INT_IN(dropped(&f), 2000 - (65536 + OBS_LOG_BYTES_MAX) / 1000, 1999);
    stop(&f);
}

TEST(log, loses_nothing_between_flushes_when_it_is_read)
{
    struct fixture f = start();
    struct obs *obs;
    int null = open("/dev/null", O_WRONLY);
    ASSERT_INT_EQ(obs_open(&obs, f.region, 1, null), 0);
    for (int i = 0; i < 2000; i++)
        log_one(obs, 0, 1000);
    ASSERT_INT_EQ(dropped(&f), 0);
    obs_close(obs);
    close(null);
    stop(&f);
}

/* A limit for files in place of a full disk. */
TEST(log, a_line_that_a_full_disk_tore_is_finished_later)
{
    struct fixture f = start();
    struct obs *obs;
    struct rlimit old, small;
    char path[] = "/tmp/fg-log.XXXXXX";
    int fd = mkstemp(path), read_fd = f.read_fd;
    signal(SIGXFSZ, SIG_IGN);
    ASSERT_INT_EQ(getrlimit(RLIMIT_FSIZE, &old), 0);
    small = (struct rlimit){.rlim_cur = 1000, .rlim_max = old.rlim_max};
    ASSERT_INT_EQ(obs_open(&obs, f.region, 1, fd), 0);
    ASSERT_INT_EQ(setrlimit(RLIMIT_FSIZE, &small), 0);
    for (int turn = 0; turn < 3; turn++) {
        for (int i = 0; i < 10; i++)
            log_one(obs, 0, 300);
        obs_flush(obs);
    }
    ASSERT_INT_EQ(setrlimit(RLIMIT_FSIZE, &old), 0);
    log_one(obs, 0, 300);
    obs_close(obs);
    f.read_fd = open(path, O_RDONLY);
    char *text = drain(&f);
    unsigned arrived = 0;
    for (char *line = text; *line; line = strchr(line, '\n') + 1, arrived++)
        ASSERT_MEM_EQ(line, "{\"time\":", 8);
    ASSERT_INT_EQ(arrived, 4); /* two whole ones, one torn, one later */
    ASSERT_INT_EQ(dropped(&f), 31 - arrived);
    free(text);
    close(f.read_fd);
    close(fd);
    unlink(path);
    f.read_fd = read_fd;
    stop(&f);
}

TEST(log, may_go_nowhere)
{
    struct obs_region *region;
    struct obs *obs;
    ASSERT_INT_EQ(obs_region_new(&region), 0);
    ASSERT_INT_EQ(obs_open(&obs, region, 0, -1), 0);
    log_one(obs, 0, 10);
    obs_flush(obs);
    obs_close(obs);
    obs_region_free(region);
}

static void open_two(void *arg)
{
    obs_event_begin(arg, "one", 0);
    obs_event_begin(arg, "two", 0);
}

TEST(event, stops_the_process_when_two_are_open)
{
    struct fixture f = start();
    ASSERT_TRUE(test_aborts(open_two, f.obs));
    stop(&f);
}

static double cpu_seconds(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts);
    return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

TEST(event, takes_about_a_microsecond)
{
    struct fixture f = start();
    int null = open("/dev/null", O_WRONLY);
    struct obs *obs;
    ASSERT_INT_EQ(obs_open(&obs, f.region, 1, null), 0);
    const int events = 50000;
    double begin = cpu_seconds();
    for (int i = 0; i < events; i++) {
        struct obs_event e = obs_event_begin(obs, "call", i * NS_PER_MS);
        obs_event_str(&e, "method", STR("faregate.v1.BookingService/CreateBooking"));
        obs_event_str(&e, "status", STR("OK"));
        obs_event_str(&e, "trace", STR("0af7651916cd43dd8448eb211c80319c"));
        obs_event_int(&e, "duration_us", i);
        obs_event_int(&e, "rows", 3);
        obs_event_end(&e);
        if (i % 64 == 0)
            obs_flush(obs);
    }
    double ns = (cpu_seconds() - begin) * 1e9 / events;
    if (getenv("FG_TIMES"))
        printf("obs: %.0f ns per event of 5 fields\n", ns);
    ASSERT_INT_IN(ns, 0, 20000);
    obs_close(obs);
    close(null);
    stop(&f);
}
