/* The private PostgreSQL: made, kept, shared by nobody, and never left behind. */
#include "embedded/cluster.h"

#include <errno.h>
#include <libpq-fe.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "support/test.h"

static char dir[160];

static void make_dir(const char *below)
{
    char command[256];
    snprintf(dir, sizeof dir, "/tmp/fg-test.XXXXXX");
    ASSERT_NOT_NULL(mkdtemp(dir));
    chmod(dir, 0711);
    snprintf(command, sizeof command, "mkdir -m 711 -p %s%s", dir, below);
    ASSERT_INT_EQ(system(command), 0);
    snprintf(dir + strlen(dir), sizeof dir - strlen(dir), "%s", below);
}

static void remove_dir(void)
{
    char command[256];
    snprintf(command, sizeof command, "rm -rf %.19s", dir);
    ASSERT_INT_EQ(system(command), 0);
}

static int start(struct cluster **c)
{
    struct cluster_options options = {.dir = dir, .more = "fsync = off"};
    return cluster_start(&options, c);
}

static const char *ask(const struct cluster *c, const char *sql)
{
    static char answer[128];
    PGconn *conn = PQconnectdb(cluster_conninfo(c));
    PGresult *result = PQexec(conn, sql);
    snprintf(answer, sizeof answer, "%s",
             PQntuples(result) > 0 ? PQgetvalue(result, 0, 0) : PQerrorMessage(conn));
    PQclear(result);
    PQfinish(conn);
    return answer;
}

static struct cluster *restarted;

static int64_t restart_ns(void)
{
    pid_t pid = cluster_pid(restarted);
    cluster_stop(restarted);
    ASSERT_INT_EQ(kill(pid, 0), -1);
    int64_t before_ns = clock_mono_ns(&clock_system);
    ASSERT_INT_EQ(start(&restarted), 0);
    return clock_mono_ns(&clock_system) - before_ns;
}

TEST(cluster, keeps_its_data_and_restarts_fast)
{
    make_dir("");
    ASSERT_INT_EQ(start(&restarted), 0);
    ASSERT_STR_EQ(ask(restarted, "SELECT current_database()"), "faregate");
    ASSERT_STR_EQ(ask(restarted, "SHOW listen_addresses"), "");
    ASSERT_STR_EQ(ask(restarted, "SHOW synchronous_commit"), "on");
    ask(restarted, "CREATE TABLE kept AS SELECT 42 AS x");
    ASSERT_QUICK(restart_ns, 2 * NS_PER_S);
    ASSERT_STR_EQ(ask(restarted, "SELECT x FROM kept"), "42");
    cluster_stop(restarted);
    remove_dir();
}

TEST(cluster, is_used_by_one_process_at_a_time)
{
    struct cluster *c, *other;
    make_dir("");
    ASSERT_INT_EQ(start(&c), 0);
    pid_t pid = fork();
    if (pid == 0) {
        if (!freopen("/dev/null", "w", stderr))
            _exit(1);
        _exit(start(&other) == -EBUSY ? 0 : 1);
    }
    int status;
    waitpid(pid, &status, 0);
    ASSERT_INT_EQ(status, 0);
    ASSERT_STR_EQ(ask(c, "SELECT 1"), "1");
    cluster_stop(c);
    remove_dir();
}

/* The owner is killed outright: the server goes with it, and the next start works at once. */
/* Debian keeps PostgreSQL's programs out of PATH. */
TEST(cluster, needs_no_path_to_its_programs)
{
    struct cluster *c;
    char *path = strdup(getenv("PATH"));
    make_dir("");
    setenv("PATH", "/usr/bin:/bin", 1);
    int r = start(&c);
    setenv("PATH", path, 1);
    free(path);
    ASSERT_INT_EQ(r, 0);
    cluster_stop(c);
    remove_dir();
}

TEST(cluster, outlives_no_owner)
{
    int ends[2], status;
    pid_t server = 0;
    make_dir("");
    ASSERT_INT_EQ(pipe(ends), 0);
    pid_t owner = fork();
    if (owner == 0) {
        struct cluster *mine;
        int r = start(&mine);
        server = r < 0 ? -1 : cluster_pid(mine);
        if (write(ends[1], &server, sizeof server) == sizeof server)
            pause();
        _exit(1);
    }
    ASSERT_INT_EQ(read(ends[0], &server, sizeof server), sizeof server);
    kill(owner, SIGKILL);
    waitpid(owner, &status, 0);
    ASSERT_INT_IN(server, 2, INT32_MAX);
    struct cluster *c;
    ASSERT_INT_EQ(start(&c), 0);
    ASSERT_INT_NE(cluster_pid(c), server);
    ASSERT_STR_EQ(ask(c, "SELECT 1"), "1");
    cluster_stop(c);
    close(ends[0]);
    close(ends[1]);
    remove_dir();
}

TEST(cluster, is_not_fooled_by_a_stale_pid_file)
{
    char path[256];
    struct cluster *c;
    make_dir("");
    ASSERT_INT_EQ(start(&c), 0);
    cluster_stop(c);
    snprintf(path, sizeof path, "%s/db/pg/postmaster.pid", dir);
    FILE *f = fopen(path, "we"); /* as after a power cut: the number belongs to somebody else now */
    ASSERT_NOT_NULL(f);
    fprintf(f, "%d\n%s/db/pg\n", (int)getpid(), dir);
    fclose(f);
    ASSERT_INT_EQ(start(&c), 0);
    cluster_stop(c);
    remove_dir();
}

TEST(cluster, lives_in_deep_directories_too)
{
    struct cluster *c;
    make_dir("/a-directory-whose-name-is-so-long-that-no-unix-socket-could-ever/"
             "be-placed-inside-it-by-anyone");
    ASSERT_INT_EQ(start(&c), 0);
    ASSERT_STR_EQ(ask(c, "SELECT 1"), "1");
    ASSERT_HAS(cluster_conninfo(c), "host='/tmp/faregate.");
    cluster_stop(c);
    ASSERT_INT_EQ(start(&c), 0);
    cluster_stop(c);
    remove_dir();
}

/* Root's own directories are closed to the user that PostgreSQL runs as. */
TEST(cluster, moves_out_of_what_its_user_cannot_enter)
{
    char link[256], home[256] = "", command[512];
    struct cluster *c;
    if (geteuid() != 0) {
        test_skip("PostgreSQL runs as another user only where we are root");
        return;
    }
    make_dir("/closed/data");
    snprintf(command, sizeof command, "chmod 700 %.19s/closed", dir);
    ASSERT_INT_EQ(system(command), 0);
    snprintf(link, sizeof link, "%s/db", dir);
    for (int i = 0; i < 2; i++) {
        ASSERT_INT_EQ(start(&c), 0);
        ASSERT_STR_EQ(ask(c, "SELECT 1"), "1");
        cluster_stop(c);
        ASSERT_INT_IN(readlink(link, home, sizeof home - 1), 1, 255);
        ASSERT_HAS(home, "/var/lib/faregate/");
    }
    snprintf(command, sizeof command, "rm -rf '%s'", home);
    ASSERT_INT_EQ(system(command), 0);
    remove_dir();
}

TEST(cluster, names_the_cause_when_it_cannot_start)
{
    struct cluster *c;
    make_dir("");
    struct cluster_options options = {.dir = dir, .more = "work_mem = 'nonsense'"};
    fflush(stderr);
    char text[512] = "";
    int ends[2], kept = dup(STDERR_FILENO);
    ASSERT_INT_EQ(pipe(ends), 0);
    dup2(ends[1], STDERR_FILENO);
    int r = cluster_start(&options, &c);
    dup2(kept, STDERR_FILENO);
    ASSERT_INT_IN(read(ends[0], text, sizeof text - 1), 1, 511);
    close(kept);
    close(ends[0]);
    close(ends[1]);
    ASSERT_INT_EQ(r, -EIO);
    ASSERT_HAS(text, "did not start: ");
    remove_dir();
}
