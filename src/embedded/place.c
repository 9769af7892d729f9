/* Where a private cluster lives: its directory, owner, lock and socket.
 * PostgreSQL refuses to run as root and a socket's path must stay below 108 bytes; both are dealt
 * with here, so that `faregate dev` works for root in /root and in deep directories alike. */
#include "internal.h"

#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/str.h"

#define SOCKET_NAME "/.s.PGSQL.5432.lock" /* the longest name that PostgreSQL makes there */
#define ROOT_HOME "/var/lib/faregate"     /* for root, where the server's user cannot enter @dir */

int cluster_path(char ret_path[PATH_MAX], const char *format, ...)
{
    va_list args;
    va_start(args, format);
    int n = vsnprintf(ret_path, PATH_MAX, format, args);
    va_end(args);
    return n < 0 || n >= PATH_MAX ? -ENAMETOOLONG : 0;
}

/* The last one may be passed through by others: what lies in it has modes of its own. */
static int make_directories(const char *path)
{
    char part[PATH_MAX];
    if (cluster_path(part, "%s", path) < 0)
        return -ENAMETOOLONG;
    for (char *p = part + 1; *p; p++) {
        if (*p != '/')
            continue;
        *p = 0;
        if (mkdir(part, 0755) < 0 && errno != EEXIST)
            return -errno;
        *p = '/';
    }
    return mkdir(part, 0711) < 0 && errno != EEXIST ? -errno : 0;
}

/* As root: the user who shall own the server. */
static int choose_user(struct cluster *c)
{
    c->uid = geteuid();
    c->gid = getegid();
    if (c->uid != 0)
        return 0;
    const struct passwd *user = getpwnam("postgres");
    if (!user)
        user = getpwnam("nobody");
    if (!user)
        return cluster_fail(-EACCES,
                            "neither user postgres nor nobody exists to run PostgreSQL as");
    c->uid = user->pw_uid;
    c->gid = user->pw_gid;
    c->drops_root = true;
    return 0;
}

/* Tried in a child with that user's rights: every directory above counts, and access lists too. */
static bool user_can_enter(const struct cluster *c, const char *path)
{
    if (!c->drops_root)
        return access(path, R_OK | W_OK | X_OK) == 0;
    pid_t pid = fork();
    if (pid == 0) {
        if (setgid(c->gid) < 0 || setuid(c->uid) < 0)
            _exit(1);
        _exit(access(path, R_OK | W_OK | X_OK) == 0 ? 0 : 1);
    }
    return pid > 0 && cluster_wait(pid) == 0;
}

/* @link may be an empty directory, just made, or the link of an earlier start. */
static int point_to_home(const struct cluster *c, const char *link)
{
    char old[PATH_MAX];
    ssize_t n = readlink(link, old, sizeof old - 1);
    old[n < 0 ? 0 : n] = 0;
    if (strcmp(old, c->home) == 0)
        return 0;
    if (rmdir(link) < 0 || symlink(c->home, link) < 0)
        return cluster_fail(-EACCES, "cannot point %s to %s: %s", link, c->home, strerror(errno));
    return chmod(c->home, 0700) < 0 ? -errno : 0;
}

/* @dir/db, or, where the server's user cannot get there, a directory under /var/lib that @dir/db
 * points to. */
static int choose_home(struct cluster *c, const char *dir)
{
    char real[PATH_MAX], link[PATH_MAX];
    int r = make_directories(dir);
    if (r < 0)
        return cluster_fail(-EACCES, "cannot make %s: %s", dir, strerror(-r));
    if (!realpath(dir, real) || cluster_path(link, "%s/db", real) < 0)
        return cluster_fail(-EACCES, "cannot use %s: %s", dir, strerror(errno));
    if (mkdir(link, 0700) < 0 && errno != EEXIST)
        return cluster_fail(-EACCES, "cannot write in %s: %s", dir, strerror(errno));
    if (c->drops_root && chown(link, c->uid, c->gid) < 0)
        return cluster_fail(-EACCES, "cannot give %s away: %s", link, strerror(errno));
    if (user_can_enter(c, link))
        return cluster_path(c->home, "%s", link);
    if (!c->drops_root)
        return cluster_fail(-EACCES, "cannot enter %s", link);
    if (cluster_path(c->home, ROOT_HOME "/%016llx", (unsigned long long)str_hash(str_of(real))) <
            0 ||
        make_directories(c->home) < 0 || chown(c->home, c->uid, c->gid) < 0 ||
        !user_can_enter(c, c->home))
        return cluster_fail(-EACCES, "PostgreSQL's user can enter neither %s nor " ROOT_HOME, link);
    return point_to_home(c, link);
}

/* Held as long as this process lives. A record lock, not flock: workers that it forks and that
 * outlive it must not keep it. */
static int take_lock(struct cluster *c)
{
    char path[PATH_MAX], pid[32];
    if (cluster_path(path, "%s/lock", c->home) < 0)
        return -ENAMETOOLONG;
    c->lock_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (c->lock_fd < 0)
        return cluster_fail(-EACCES, "cannot open %s: %s", path, strerror(errno));
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    if (fcntl(c->lock_fd, F_SETLK, &lock) < 0) {
        ssize_t length = pread(c->lock_fd, pid, sizeof pid - 1, 0);
        pid[length < 0 ? 0 : length] = 0;
        return cluster_fail(-EBUSY, "%s is in use by process %.*s", c->home,
                            (int)strcspn(pid, "\n"), pid);
    }
    int n = snprintf(pid, sizeof pid, "%d\n", (int)getpid());
    if (ftruncate(c->lock_fd, 0) < 0 || pwrite(c->lock_fd, pid, (size_t)n, 0) != n)
        return cluster_fail(-EACCES, "cannot write %s: %s", path, strerror(errno));
    return 0;
}

/* home itself, or a short directory under /tmp that home/socket points to; one left by a crash is
 * removed. */
static int choose_socket(struct cluster *c)
{
    char link[PATH_MAX], old[PATH_MAX];
    if (cluster_path(link, "%s/socket", c->home) < 0)
        return -ENAMETOOLONG;
    ssize_t n = readlink(link, old, sizeof old - 1);
    if (n > 0) {
        old[n] = 0;
        unlink(link);
        rmdir(old);
    }
    if (strlen(c->home) + sizeof SOCKET_NAME <= sizeof((struct sockaddr_un *)0)->sun_path)
        return cluster_path(c->socket, "%s", c->home);
    cluster_path(c->socket, "/tmp/faregate.XXXXXX");
    if (!mkdtemp(c->socket) || (c->drops_root && chown(c->socket, c->uid, c->gid) < 0) ||
        symlink(c->socket, link) < 0)
        return cluster_fail(-EACCES, "cannot make a socket directory under /tmp: %s",
                            strerror(errno));
    c->socket_is_temporary = true;
    return 0;
}

int cluster_settle(struct cluster *c, const char *dir)
{
    int r = choose_user(c);
    if (r < 0 || (r = choose_home(c, dir)) < 0 || (r = take_lock(c)) < 0 ||
        (r = choose_socket(c)) < 0)
        return r;
    if (cluster_path(c->data, "%s/pg", c->home) < 0 ||
        cluster_path(c->log, "%s/pg.log", c->home) < 0)
        return -ENAMETOOLONG;
    return 0;
}

void cluster_leave(struct cluster *c)
{
    char link[PATH_MAX];
    if (c->socket_is_temporary && cluster_path(link, "%s/socket", c->home) == 0) {
        unlink(link);
        rmdir(c->socket);
        c->socket_is_temporary = false;
    }
    if (c->lock_fd >= 0)
        close(c->lock_fd);
    c->lock_fd = -1;
}
