/* A private PostgreSQL for `faregate dev` and for tests: made on first start, child of this
 * process, unix socket only. */
#pragma once

#include <stdbool.h>
#include <stdio.h>
#include <sys/types.h>

struct cluster;

struct cluster_options {
    const char *dir;     /* data directory; made when missing */
    FILE *out;           /* a line per step; NULL is quiet */
    int max_connections; /* 0: 100 */
    const char *more;    /* further lines for postgresql.conf, or NULL; tests pass "fsync = off" */
};

/* Blocks until the server accepts and database faregate exists. The calling process owns the
 * server: should it die, the kernel stops PostgreSQL. 0, or a negative errno after one line on
 * stderr: -ENOENT PostgreSQL is not installed, -EBUSY another process uses @dir, -EACCES the
 * directory cannot be used, -EIO the server did not start. */
int cluster_start(const struct cluster_options *options, struct cluster **ret_cluster);

/* For libpq: database faregate, as the superuser faregate. Lives as long as the cluster. */
const char *cluster_conninfo(const struct cluster *c);

pid_t cluster_pid(const struct cluster *c);

/* Fast shutdown: sessions are cut off, everything is on disk; waits. NULL is fine. */
void cluster_stop(struct cluster *c);
