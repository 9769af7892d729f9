/* Socket activation: sockets that systemd (or a test) opened before it started this process. main
 * asks by name, through listen_open. What must stay true: what was meant for another process is not
 * touched. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "io/listen.h"

/* SD_LISTEN_FDS_START */
#define FIRST_FD 3

/* How many were passed to us. */
static int passed_count(void)
{
    int64_t pid, count;
    if (str_int64(str_of(getenv("LISTEN_PID")), 1, INT32_MAX, &pid) < 0 || pid != getpid() ||
        str_int64(str_of(getenv("LISTEN_FDS")), 0, 1024, &count) < 0)
        return 0;
    return (int)count;
}

static int find(struct str name)
{
    int count = passed_count();
    int64_t number;
    if (str_int64(name, FIRST_FD, FIRST_FD + count - 1, &number) == 0)
        return (int)number;
    struct str names = str_of(getenv("LISTEN_FDNAMES"));
    for (int i = 0; i < count && names.n > 0; i++)
        if (str_eq(str_cut(&names, ':'), name))
            return FIRST_FD + i;
    return -ENOENT;
}

static bool listens(int fd)
{
    int type = 0, accepts = 0;
    socklen_t bytes = sizeof type;
    return getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &bytes) == 0 && type == SOCK_STREAM &&
           getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &accepts, &bytes) == 0 && accepts;
}

int listen_passed(struct str name)
{
    int fd = name.n > 0 ? find(name) : -ENOENT;
    if (fd < 0)
        return fd;
    int flags = fcntl(fd, F_GETFL);
    if (!listens(fd) || flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0 ||
        fcntl(fd, F_SETFD, FD_CLOEXEC) < 0)
        return -EINVAL;
    return fd;
}
