/* A private PostgreSQL for tests; see pg.h. The server runs as user postgres when we are root (it
 * refuses to run as root), dies with us, and listens on its socket and the loopback address only.
 */
#include "support/pg.h"

#include <arpa/inet.h>
#include <ftw.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "support/test.h"

static struct {
    char dir[64];
    char data[80];
    char conninfo[160];
    unsigned port;
    pid_t pid;
    pid_t owner; /* who started it: a forked child must not stop it */
} pg;

static void die(const char *what)
{
    fprintf(stderr, "private PostgreSQL: %s\n", what);
    exit(1);
}

static const char *program(const char *name)
{
    static char path[256];
    const char *dirs[] = {getenv("PG_BINDIR"), "/usr/lib/postgresql/15/bin",
                          "/usr/lib/postgresql/16/bin", "/usr/lib/postgresql/17/bin", "/usr/bin"};
    for (size_t i = 0; i < sizeof dirs / sizeof dirs[0]; i++) {
        snprintf(path, sizeof path, "%s/%s", dirs[i] ? dirs[i] : "", name);
        if (access(path, X_OK) == 0)
            return path;
    }
    die("programs not found; set PG_BINDIR");
    return NULL;
}

static pid_t spawn(char *const argv[])
{
    const struct passwd *user = getuid() == 0 ? getpwnam("postgres") : NULL;
    pid_t parent = getpid();
    pid_t pid = fork();
    if (pid != 0)
        return pid;
    char log[96];
    if (user && (setgid(user->pw_gid) != 0 || setuid(user->pw_uid) != 0))
        _exit(126);
    prctl(PR_SET_PDEATHSIG, SIGQUIT);
    if (getppid() != parent)
        _exit(125);
    snprintf(log, sizeof log, "%s/log", pg.dir);
    if (!freopen(log, "a", stderr) || dup2(STDERR_FILENO, STDOUT_FILENO) < 0)
        _exit(126);
    setpgid(0, 0);
    execv(argv[0], argv);
    _exit(127);
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)st;
    (void)type;
    (void)ftw;
    return remove(path);
}

static void clean_up(void)
{
    if (pg.owner != getpid())
        return;
    if (pg.pid > 0) {
        kill(pg.pid, SIGQUIT);
        waitpid(pg.pid, NULL, 0);
    }
    nftw(pg.dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

/* A port that nobody has, below those that the kernel gives to outgoing connections
 * (ip_local_port_range), one of which could take it before the server does. */
static unsigned free_port(void)
{
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    for (unsigned i = 0; i < 1000; i++) {
        unsigned port = 10000 + ((unsigned)getpid() * 31 + i * 977) % 20000; /* neighbours differ */
        struct sockaddr_in address = {.sin_family = AF_INET,
                                      .sin_port = htons((uint16_t)port),
                                      .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
        if (bind(fd, (struct sockaddr *)&address, sizeof address) == 0) {
            close(fd);
            return port;
        }
    }
    die("no free port");
    return 0;
}

static void make_cluster(void)
{
    const struct passwd *user = getuid() == 0 ? getpwnam("postgres") : NULL;
    snprintf(pg.dir, sizeof pg.dir, "/tmp/fg-test-pg-XXXXXX");
    if (!mkdtemp(pg.dir))
        die("mkdtemp");
    if (user && chown(pg.dir, user->pw_uid, user->pw_gid) != 0)
        die("chown");
    pg.owner = getpid();
    atexit(clean_up);
    snprintf(pg.data, sizeof pg.data, "%s/data", pg.dir);
    pg.port = free_port();
    snprintf(pg.conninfo, sizeof pg.conninfo, "host=%s port=%u dbname=postgres user=postgres",
             pg.dir, pg.port);
    char path[256];
    snprintf(path, sizeof path, "%s", program("initdb"));
    char *const argv[] = {path,
                          (char[]){"-D"},
                          pg.data,
                          (char[]){"-A"},
                          (char[]){"trust"},
                          (char[]){"-U"},
                          (char[]){"postgres"},
                          (char[]){"--no-sync"},
                          (char[]){"-E"},
                          (char[]){"UTF8"},
                          (char[]){"--no-locale"},
                          NULL};
    int status = 0;
    pid_t pid = spawn(argv);
    if (pid < 0 || waitpid(pid, &status, 0) != pid || status != 0)
        die("initdb failed");
}

void pg_start(void)
{
    if (!pg.owner)
        make_cluster();
    if (pg.pid > 0)
        return;
    char path[256], port[16];
    snprintf(path, sizeof path, "%s", program("postgres"));
    snprintf(port, sizeof port, "%u", pg.port);
    char *const argv[] = {path,
                          (char[]){"-D"},
                          pg.data,
                          (char[]){"-k"},
                          pg.dir,
                          (char[]){"-c"},
                          (char[]){"listen_addresses=localhost"},
                          (char[]){"-p"},
                          port,
                          (char[]){"-c"},
                          (char[]){"fsync=off"},
                          (char[]){"-c"},
                          (char[]){"deadlock_timeout=400ms"},
                          NULL};
    pg.pid = spawn(argv);
    for (int i = 0; i < 1000; i++) {
        if (PQping(pg.conninfo) == PQPING_OK)
            return;
        nanosleep(&(struct timespec){.tv_nsec = 10 * 1000 * 1000}, NULL);
    }
    die("does not answer");
}

void pg_stop(void)
{
    kill(pg.pid, SIGINT);
    waitpid(pg.pid, NULL, 0);
    pg.pid = 0;
}

void pg_crash(void)
{
    kill(pg.pid, SIGQUIT);
    waitpid(pg.pid, NULL, 0);
    pg.pid = 0;
}

const char *pg_conninfo(void)
{
    if (pg.pid == 0)
        pg_start();
    return pg.conninfo;
}

PGconn *pg_session_with(const char *options)
{
    char conninfo[1024];
    snprintf(conninfo, sizeof conninfo, "%s options='%s'", pg_conninfo(), options);
    PGconn *conn = PQconnectdb(conninfo);
    if (PQstatus(conn) != CONNECTION_OK)
        die(PQerrorMessage(conn));
    return conn;
}

PGconn *pg_session(void)
{
    return pg_session_with("");
}

const char *pg_conninfo_of_stopped(void)
{
    return pg.conninfo;
}

unsigned pg_tcp_port(void)
{
    pg_conninfo();
    return pg.port;
}

static PGresult *run(PGconn *conn, const char *sql)
{
    PGresult *result = PQexec(conn, sql);
    ExecStatusType status = PQresultStatus(result);
    if (status != PGRES_COMMAND_OK && status != PGRES_TUPLES_OK)
        die(PQresultErrorMessage(result));
    return result;
}

void pg_exec(const char *sql)
{
    PGconn *conn = pg_session();
    PQclear(run(conn, "SET client_min_messages = warning"));
    PQclear(run(conn, sql));
    PQfinish(conn);
}

const char *pg_value(const char *sql)
{
    static char value[256];
    PGconn *conn = pg_session();
    PGresult *result = run(conn, sql);
    snprintf(value, sizeof value, "%s", PQntuples(result) ? PQgetvalue(result, 0, 0) : "");
    PQclear(result);
    PQfinish(conn);
    return value;
}
