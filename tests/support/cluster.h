/* A private PostgreSQL for a test binary: started at the first call, stopped and removed at exit.
 * For binaries that link fg_embedded (tests/CMakeLists.txt). Fast rather than durable: fsync is
 * off. */
#pragma once

#include <libpq-fe.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "embedded/cluster.h"

static struct cluster *test_cluster_;
static char test_cluster_dir_[64];
static pid_t test_cluster_owner_;

static inline void test_cluster_stop_(void)
{
    char command[128];
    if (getpid() != test_cluster_owner_) /* a forked child's exit must not end it */
        return;
    cluster_stop(test_cluster_);
    snprintf(command, sizeof command, "rm -rf '%s'", test_cluster_dir_);
    if (system(command) != 0)
        fprintf(stderr, "cannot remove %s\n", test_cluster_dir_);
}

/* Connection string of database faregate; empty at first. */
static inline const char *test_cluster(void)
{
    if (!test_cluster_) {
        struct cluster_options options = {.dir = test_cluster_dir_, .more = "fsync = off"};
        snprintf(test_cluster_dir_, sizeof test_cluster_dir_, "/tmp/fg-test.XXXXXX");
        if (!mkdtemp(test_cluster_dir_) || chmod(test_cluster_dir_, 0711) < 0 ||
            cluster_start(&options, &test_cluster_) < 0) {
            fprintf(stderr, "no PostgreSQL to test with\n");
            exit(1);
        }
        test_cluster_owner_ = getpid();
        atexit(test_cluster_stop_);
    }
    return cluster_conninfo(test_cluster_);
}

/* First column of the first row, or "error: SQLSTATE"; valid until the next call. */
static inline const char *test_sql(const char *conninfo, const char *sql)
{
    static char answer[256];
    PGconn *conn = PQconnectdb(conninfo);
    PQclear(PQexec(conn, "SET client_min_messages = warning"));
    PGresult *result = PQexec(conn, sql);
    const char *state = PQresultErrorField(result, PG_DIAG_SQLSTATE);
    if (state)
        snprintf(answer, sizeof answer, "error: %s", state);
    else
        snprintf(answer, sizeof answer, "%s",
                 PQntuples(result) > 0 ? PQgetvalue(result, 0, 0) : "");
    PQclear(result);
    PQfinish(conn);
    return answer;
}

/* An empty database of its own; the connection string is valid until the next call. */
static inline const char *test_database(const char *name)
{
    static char conninfo[512];
    char sql[128];
    snprintf(sql, sizeof sql, "DROP DATABASE IF EXISTS %s WITH (FORCE)", name);
    test_sql(test_cluster(), sql);
    snprintf(sql, sizeof sql, "CREATE DATABASE %s", name);
    test_sql(test_cluster(), sql);
    snprintf(conninfo, sizeof conninfo, "%s dbname=%s", test_cluster(), name);
    return conninfo;
}
