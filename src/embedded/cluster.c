/* The life of a private PostgreSQL: make, start as our child, wait until it accepts, stop.
 * `faregate dev` and the tests call it, from their main thread (the kernel ties the server's life
 * to that). What must stay true: no TCP, and durable as a real one: fsync and synchronous_commit
 * stay on. */
#include "internal.h"

#include <errno.h>
#include <libpq-fe.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/check.h"

#define START_WAIT_MS_MAX 60000 /* crash recovery may take a while */
#define STOP_WAIT_MS_MAX 30000
#define POLL_MS 20

int cluster_fail(int error, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    fputs("faregate: ", stderr);
    vfprintf(stderr, format, args);
    fputc('\n', stderr);
    va_end(args);
    return error;
}

static void nap(void)
{
    nanosleep(&(struct timespec){.tv_nsec = POLL_MS * 1000000L}, NULL);
}

static bool exists(const char *dir, const char *name)
{
    char path[PATH_MAX];
    return cluster_path(path, "%s/%s", dir, name) == 0 && access(path, F_OK) == 0;
}

/* What initdb left half done is made again. */
static int init_data(struct cluster *c)
{
    if (exists(c->data, "faregate.ready"))
        return 0;
    if (c->out)
        fprintf(c->out, "database: making a private PostgreSQL in %s\n", c->data);
    if (exists(c->data, "PG_VERSION") || access(c->data, F_OK) == 0) {
        char old[PATH_MAX];
        if (cluster_path(old, "%s.unfinished.%ld", c->data, (long)time(NULL)) < 0 ||
            rename(c->data, old) < 0)
            return cluster_fail(-EACCES, "cannot put %s aside: %s", c->data, strerror(errno));
    }
    char *argv[] = {"initdb",
                    "-D",
                    c->data,
                    "-U",
                    "faregate",
                    "-A",
                    "trust",
                    "-E",
                    "UTF8",
                    "--locale=C.UTF-8",
                    "--no-instructions",
                    NULL};
    pid_t pid = cluster_spawn(c, argv, true);
    if (pid < 0 || cluster_wait(pid) < 0)
        return cluster_fail(-EIO, "initdb failed: %s", cluster_last_words(c));
    return 0;
}

static long shared_buffers_mb(void)
{
    long mb = sysconf(_SC_PHYS_PAGES) / 1024 * sysconf(_SC_PAGESIZE) / 1024 / 4;
    return mb > 1024 ? 1024 : mb < 64 ? 64 : mb;
}

/* Written at every start, so that a newer binary's settings reach old clusters. */
static int write_settings(const struct cluster *c, const struct cluster_options *options)
{
    char path[PATH_MAX];
    if (cluster_path(path, "%s/postgresql.auto.conf", c->data) < 0)
        return -ENAMETOOLONG;
    FILE *f = fopen(path, "we");
    if (!f)
        return cluster_fail(-EACCES, "cannot write %s: %s", path, strerror(errno));
    fprintf(f,
            "# Written by faregate at every start.\n"
            "listen_addresses = ''\n"
            "unix_socket_directories = '%s'\n"
            "unix_socket_permissions = 0700\n"
            "max_connections = %d\n"
            "shared_buffers = '%ldMB'\n"
            "maintenance_work_mem = '256MB'\n"
            "wal_level = minimal\n" /* nobody replicates a private cluster; loads need not be logged
                                       twice */
            "max_wal_senders = 0\n"
            "wal_buffers = '16MB'\n"
            "min_wal_size = '1GB'\n" /* a new segment is written full of zeros while commits wait */
            "max_wal_size = '8GB'\n"
            "checkpoint_timeout = '15min'\n"
            "random_page_cost = 1.1\n"
            /* Plans here go by keys, whatever the statistics say; at 100 an ANALYZE of the bookings
               takes a processor for most of a second, and growing tables have many. */
            "default_statistics_target = 10\n"
            "jit = off\n"
            "fsync = on\n"
            "synchronous_commit = on\n"
            "full_page_writes = on\n"
            "log_timezone = 'UTC'\n"
            "timezone = 'UTC'\n"
            "datestyle = 'ISO'\n"
            "cluster_name = 'faregate'\n"
            "%s\n",
            c->socket, options->max_connections > 0 ? options->max_connections : 100,
            shared_buffers_mb(), options->more ? options->more : "");
    int r = fchown(fileno(f), c->uid, c->gid) < 0 || fchmod(fileno(f), 0600) < 0 ? -errno : 0;
    if (fclose(f) != 0 || r < 0)
        return cluster_fail(-EACCES, "cannot write %s", path);
    return 0;
}

/* A server of an earlier life: its owner is gone (we hold the lock), so it is on its way out or
 * only its file is left. PostgreSQL trusts a pid that some other process may have by now; the
 * working directory tells. */
static int outlive_the_former(struct cluster *c)
{
    char path[PATH_MAX], cwd[PATH_MAX], real[PATH_MAX];
    long pid = 0;
    if (cluster_path(path, "%s/postmaster.pid", c->data) < 0)
        return -ENAMETOOLONG;
    FILE *f = fopen(path, "re");
    if (!f)
        return 0;
    char line[32] = "";
    if (fgets(line, sizeof line, f))
        pid = strtol(line, NULL, 10);
    fclose(f);
    for (int ms = 0;; ms += POLL_MS) {
        ssize_t n = -1;
        if (pid > 1 && cluster_path(path, "/proc/%ld/cwd", pid) == 0)
            n = readlink(path, cwd, sizeof cwd - 1);
        cwd[n < 0 ? 0 : n] = 0;
        if (n < 0 || !realpath(c->data, real) || strcmp(cwd, real) != 0)
            break;
        if (ms == 0)
            kill((pid_t)pid, SIGINT);
        if (ms >= STOP_WAIT_MS_MAX)
            return cluster_fail(-EBUSY, "PostgreSQL process %ld still uses %s", pid, c->data);
        nap();
    }
    if (cluster_path(path, "%s/postmaster.pid", c->data) == 0)
        unlink(path);
    return 0;
}

static int wait_until_it_accepts(struct cluster *c, const char *conninfo)
{
    for (int ms = 0; ms < START_WAIT_MS_MAX; ms += POLL_MS) {
        int status;
        if (waitpid(c->pid, &status, WNOHANG) == c->pid) {
            c->pid = 0;
            return cluster_fail(-EIO, "PostgreSQL did not start: %s", cluster_last_words(c));
        }
        if (PQping(conninfo) == PQPING_OK)
            return 0;
        nap();
    }
    return cluster_fail(-EIO, "PostgreSQL did not accept within %d s: %s", START_WAIT_MS_MAX / 1000,
                        cluster_last_words(c));
}

/* The database, once; then the mark that says the cluster is whole. */
static int make_database(struct cluster *c, const char *conninfo)
{
    char path[PATH_MAX];
    if (exists(c->data, "faregate.ready"))
        return 0;
    PGconn *conn = PQconnectdb(conninfo);
    PGresult *result = PQexec(conn, "CREATE DATABASE faregate");
    const char *state = PQresultErrorField(result, PG_DIAG_SQLSTATE);
    bool ok = PQresultStatus(result) == PGRES_COMMAND_OK || (state && strcmp(state, "42P04") == 0);
    if (!ok)
        cluster_fail(-EIO, "cannot create the database: %s", PQerrorMessage(conn));
    PQclear(result);
    PQfinish(conn);
    if (!ok || cluster_path(path, "%s/faregate.ready", c->data) < 0)
        return -EIO;
    FILE *f = fopen(path, "we");
    if (!f || fclose(f) != 0)
        return cluster_fail(-EACCES, "cannot write %s: %s", path, strerror(errno));
    return 0;
}

static int start(struct cluster *c, const struct cluster_options *options)
{
    char first[PATH_MAX + 128];
    int r = cluster_find_programs(c);
    if (r < 0 || (r = cluster_settle(c, options->dir)) < 0 || (r = outlive_the_former(c)) < 0 ||
        (r = init_data(c)) < 0 || (r = write_settings(c, options)) < 0)
        return r;
    snprintf(c->conninfo, sizeof c->conninfo, "host='%s' user=faregate dbname=faregate", c->socket);
    snprintf(first, sizeof first, "host='%s' user=faregate dbname=postgres", c->socket);
    char *argv[] = {"postgres", "-D", c->data, NULL};
    c->pid = cluster_spawn(c, argv, true);
    if (c->pid < 0) {
        r = cluster_fail(c->pid, "cannot start PostgreSQL: %s", strerror(-c->pid));
        c->pid = 0;
        return r;
    }
    if ((r = wait_until_it_accepts(c, first)) < 0)
        return r;
    return make_database(c, first);
}

int cluster_start(const struct cluster_options *options, struct cluster **ret_cluster)
{
    CHECK(options->dir);
    struct cluster *c = calloc(1, sizeof *c);
    CHECK(c);
    c->lock_fd = -1;
    c->out = options->out;
    int r = start(c, options);
    if (r < 0) {
        cluster_stop(c);
        return r;
    }
    *ret_cluster = c;
    return 0;
}

const char *cluster_conninfo(const struct cluster *c)
{
    return c->conninfo;
}

pid_t cluster_pid(const struct cluster *c)
{
    return c->pid;
}

void cluster_stop(struct cluster *c)
{
    if (!c)
        return;
    for (int ms = 0; c->pid > 0; ms += POLL_MS) {
        int status;
        if (ms == 0)
            kill(c->pid, SIGINT);
        if (ms == STOP_WAIT_MS_MAX) /* it recovers from its log at the next start */
            kill(c->pid, SIGQUIT);
        if (waitpid(c->pid, &status, WNOHANG) != 0)
            break;
        nap();
    }
    cluster_leave(c);
    free(c);
}
