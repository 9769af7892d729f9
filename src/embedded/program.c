/* Finds PostgreSQL's programs and runs them as the cluster's user, their output in its log. */
#include "internal.h"

#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <grp.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#define VERSION_MIN 14

static bool has_programs(const char *dir)
{
    char path[PATH_MAX];
    return cluster_path(path, "%s/postgres", dir) == 0 && access(path, X_OK) == 0 &&
           cluster_path(path, "%s/initdb", dir) == 0 && access(path, X_OK) == 0;
}

/* Debian keeps one directory per version; pg_config may be missing there or tell of another one. */
static bool find_newest(struct cluster *c, const char *pattern)
{
    glob_t found;
    long newest = VERSION_MIN - 1;
    if (glob(pattern, 0, NULL, &found) != 0)
        return false;
    for (size_t i = 0; i < found.gl_pathc; i++) {
        const char *digits = strpbrk(found.gl_pathv[i], "0123456789");
        long version = digits ? strtol(digits, NULL, 10) : 0;
        if (version > newest && has_programs(found.gl_pathv[i]) &&
            cluster_path(c->bin, "%s", found.gl_pathv[i]) == 0)
            newest = version;
    }
    globfree(&found);
    return newest >= VERSION_MIN;
}

static bool ask_pg_config(struct cluster *c)
{
    char line[PATH_MAX] = "";
    FILE *answer = popen("pg_config --bindir 2>/dev/null", "re");
    if (!answer)
        return false;
    bool ok = fgets(line, sizeof line, answer) != NULL;
    pclose(answer);
    line[strcspn(line, "\n")] = 0;
    return ok && has_programs(line) && cluster_path(c->bin, "%s", line) == 0;
}

int cluster_find_programs(struct cluster *c)
{
    if (find_newest(c, "/usr/lib/postgresql/*/bin") || find_newest(c, "/usr/pgsql-*/bin") ||
        ask_pg_config(c))
        return 0;
    return cluster_fail(-ENOENT,
                        "PostgreSQL %d or later is not installed (apt-get install postgresql)",
                        VERSION_MIN);
}

/* In the child: our rights and signals are not the server's. Never returns. */
static void become(const struct cluster *c, char *argv[], bool dies_with_us, pid_t parent)
{
    char path[PATH_MAX];
    int log = open(c->log, O_WRONLY | O_CREAT | O_APPEND, 0600);
    int null = open("/dev/null", O_RDONLY);
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    for (int s = 1; s < NSIG; s++)
        signal(s, SIG_DFL);
    setsid(); /* Ctrl-C is ours to act on: the server outlives the draining of calls */
    if (log < 0 || null < 0 || dup2(null, 0) < 0 || dup2(log, 1) < 0 || dup2(log, 2) < 0)
        _exit(126);
    if (c->drops_root && (fchown(log, c->uid, c->gid) < 0 || initgroups("postgres", c->gid) < 0 ||
                          setgid(c->gid) < 0 || setuid(c->uid) < 0))
        _exit(126);
    /* After setuid, which clears it. The parent may be gone already. */
    if (dies_with_us && (prctl(PR_SET_PDEATHSIG, SIGINT) < 0 || getppid() != parent))
        _exit(126);
    close_range(3, ~0U, 0);
    if (chdir(c->home) == 0 && cluster_path(path, "%s/%s", c->bin, argv[0]) == 0) {
        argv[0] = path; /* initdb looks for its siblings where this says, else along PATH */
        execv(path, argv);
    }
    _exit(127);
}

pid_t cluster_spawn(const struct cluster *c, char *argv[], bool dies_with_us)
{
    pid_t parent = getpid(), pid = fork();
    if (pid == 0)
        become(c, argv, dies_with_us, parent);
    return pid < 0 ? -errno : pid;
}

int cluster_wait(pid_t pid)
{
    int status;
    while (waitpid(pid, &status, 0) < 0)
        if (errno != EINTR)
            return -errno;
    return WIFEXITED(status) && WEXITSTATUS(status) == 0 ? 0 : -EIO;
}

const char *cluster_last_words(const struct cluster *c)
{
    static char line[PATH_MAX + 8];
    char next[1024];
    snprintf(line, sizeof line, "see %s", c->log);
    FILE *log = fopen(c->log, "re");
    while (log && fgets(next, sizeof next, log))
        if (strstr(next, "FATAL") || strstr(next, "PANIC") || strstr(next, "error:"))
            snprintf(line, sizeof line, "%.*s", (int)strcspn(next, "\n"), next);
    if (log)
        fclose(log);
    return line;
}
