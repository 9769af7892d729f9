/* Shared by the parts of the private cluster: where it lives, how its programs are run, and its
 * life. */
#pragma once

#include <limits.h>
#include <stdbool.h>
#include <sys/types.h>

#include "embedded/cluster.h"

struct cluster {
    char home[PATH_MAX];   /* owned by the server's user: pg/, pg.log */
    char data[PATH_MAX];   /* home/pg */
    char socket[PATH_MAX]; /* directory of the socket: home, or a short one under /tmp */
    char log[PATH_MAX];
    char bin[PATH_MAX];
    char conninfo[PATH_MAX + 128];
    bool socket_is_temporary;
    bool drops_root;
    uid_t uid;
    gid_t gid;
    pid_t pid;
    int lock_fd;
    FILE *out;
};

/* One line on stderr; returns @error as it is. */
int cluster_fail(int error, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* snprintf into a PATH_MAX array; -ENAMETOOLONG. */
int cluster_path(char ret_path[PATH_MAX], const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Finds the newest PostgreSQL 14 or later; fills c->bin. */
int cluster_find_programs(struct cluster *c);

/* Starts c->bin/@argv[0] as the cluster's user with its output in the log; returns the pid.
 * @dies_with_us: the kernel interrupts it when this process ends. */
pid_t cluster_spawn(const struct cluster *c, char *argv[], bool dies_with_us);

/* Waits for @pid; 0 when it exited with 0. */
int cluster_wait(pid_t pid);

/* Chooses and makes home, takes the lock, chooses the socket directory. */
int cluster_settle(struct cluster *c, const char *dir);

/* Gives the lock and a temporary socket directory back. */
void cluster_leave(struct cluster *c);

/* The last line of the log, for error messages; valid until the next call. */
const char *cluster_last_words(const struct cluster *c);
