/* Opening listening sockets from an address text. Called by main and by tests; listener.c accepts
 * from them. What must stay true: no name is looked up, a stale unix socket is replaced but a live
 * one never is. */
#include "io/listen.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

union address {
    struct sockaddr any;
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
    struct sockaddr_un un;
};

static int parse_unix(struct str path, union address *ret_address, socklen_t *ret_bytes)
{
    if (path.n == 0 || path.n >= sizeof ret_address->un.sun_path)
        return -EINVAL;
    ret_address->un.sun_family = AF_UNIX;
    memcpy(ret_address->un.sun_path, path.p, path.n);
    *ret_bytes = sizeof ret_address->un;
    return 0;
}

static int parse(const char *text, union address *ret_address, socklen_t *ret_bytes)
{
    memset(ret_address, 0, sizeof *ret_address);
    struct str rest = str_of(text);
    if (str_skip(&rest, STR("unix:")))
        return parse_unix(rest, ret_address, ret_bytes);

    const char *colon = strrchr(text, ':');
    int64_t port;
    char host[INET6_ADDRSTRLEN + 2];
    if (!colon || (size_t)(colon - text) >= sizeof host)
        return -EINVAL;
    if (str_int64(str_of(colon + 1), 0, UINT16_MAX, &port) < 0)
        return -EINVAL;
    memcpy(host, text, (size_t)(colon - text));
    host[colon - text] = '\0';
    if (strcmp(host, "*") == 0)
        memcpy(host, "0.0.0.0", sizeof "0.0.0.0");
    if (strcmp(host, "localhost") == 0)
        memcpy(host, "127.0.0.1", sizeof "127.0.0.1");

    size_t host_n = strlen(host);
    if (host[0] == '[' && host[host_n - 1] == ']') {
        host[host_n - 1] = '\0';
        ret_address->v6.sin6_family = AF_INET6;
        ret_address->v6.sin6_port = htons((uint16_t)port);
        *ret_bytes = sizeof ret_address->v6;
        return inet_pton(AF_INET6, host + 1, &ret_address->v6.sin6_addr) == 1 ? 0 : -EINVAL;
    }
    ret_address->v4.sin_family = AF_INET;
    ret_address->v4.sin_port = htons((uint16_t)port);
    *ret_bytes = sizeof ret_address->v4;
    return inet_pton(AF_INET, host, &ret_address->v4.sin_addr) == 1 ? 0 : -EINVAL;
}

/* A socket file that nobody answers on is left over from a crash. */
static void remove_stale(const union address *address, socklen_t bytes)
{
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return;
    if (connect(fd, &address->any, bytes) < 0 && errno == ECONNREFUSED)
        unlink(address->un.sun_path);
    close(fd);
}

static int open_socket(const union address *address, socklen_t bytes, uint32_t mode, int backlog)
{
    int family = address->any.sa_family;
    int fd = socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -errno;
    int on = 1;
    if (family == AF_UNIX)
        remove_stale(address, bytes);
    else
        setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (family == AF_INET6)
        setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on);
    /* The file gets the mode of the unbound socket less the umask; the rest is added behind it. */
    bool has_mode = family == AF_UNIX && mode;
    if (has_mode)
        fchmod(fd, mode);
    if (bind(fd, &address->any, bytes) < 0 || listen(fd, backlog) < 0 ||
        (has_mode && chmod(address->un.sun_path, mode) < 0)) {
        int error = -errno;
        close(fd);
        return error;
    }
    return fd;
}

static int open_passed(struct str name, const char *address, int *ret_fd, char *error,
                       size_t error_bytes)
{
    int fd = listen_passed(name);
    if (fd < 0) {
        snprintf(error, error_bytes, "cannot listen on %s: %s", address,
                 fd == -ENOENT ? "no such socket was passed to this process"
                               : "it is no listening stream socket");
        return fd;
    }
    *ret_fd = fd;
    return 0;
}

int listen_check(const char *address, char *error, size_t error_bytes)
{
    union address parsed;
    socklen_t bytes;
    struct str name = str_of(address);
    if (str_skip(&name, STR("fd:"))) {
        int fd;
        return open_passed(name, address, &fd, error, error_bytes);
    }
    int r = parse(address, &parsed, &bytes);
    if (r < 0)
        snprintf(error, error_bytes,
                 "cannot listen on %s: not ADDRESS:PORT, [IPv6]:PORT, unix:PATH or fd:NAME",
                 address);
    return r;
}

int listen_open(const char *address, int backlog, int *ret_fd, char *error, size_t error_bytes)
{
    return listen_open_mode(address, 0, backlog, ret_fd, error, error_bytes);
}

int listen_open_mode(const char *address, uint32_t mode, int backlog, int *ret_fd, char *error,
                     size_t error_bytes)
{
    union address parsed;
    socklen_t bytes;
    struct str name = str_of(address);
    if (str_skip(&name, STR("fd:")))
        return open_passed(name, address, ret_fd, error, error_bytes);
    int r = listen_check(address, error, error_bytes);
    if (r < 0)
        return r;
    parse(address, &parsed, &bytes);
    int fd = open_socket(&parsed, bytes, mode, backlog);
    if (fd < 0) {
        snprintf(error, error_bytes, "cannot listen on %s: %s", address, strerror(-fd));
        return fd;
    }
    *ret_fd = fd;
    return 0;
}

uint16_t listen_port(int fd)
{
    union address address = {0};
    socklen_t bytes = sizeof address;
    if (getsockname(fd, &address.any, &bytes) < 0)
        return 0;
    if (address.any.sa_family == AF_INET)
        return ntohs(address.v4.sin_port);
    return address.any.sa_family == AF_INET6 ? ntohs(address.v6.sin6_port) : 0;
}

void listen_address(int fd, char ret_text[static LISTEN_ADDRESS_BYTES])
{
    union address a = {0};
    socklen_t bytes = sizeof a;
    char host[INET6_ADDRSTRLEN] = "?";
    int family = getsockname(fd, &a.any, &bytes) < 0 ? AF_UNSPEC : a.any.sa_family;
    if (family == AF_INET)
        inet_ntop(AF_INET, &a.v4.sin_addr, host, sizeof host);
    else if (family == AF_INET6)
        inet_ntop(AF_INET6, &a.v6.sin6_addr, host, sizeof host);
    if (family == AF_UNIX)
        snprintf(ret_text, LISTEN_ADDRESS_BYTES, "unix:%.*s", (int)sizeof a.un.sun_path,
                 a.un.sun_path);
    else if (family == AF_UNSPEC)
        snprintf(ret_text, LISTEN_ADDRESS_BYTES, "?");
    else
        snprintf(ret_text, LISTEN_ADDRESS_BYTES, family == AF_INET ? "%s:%u" : "[%s]:%u", host,
                 ntohs(family == AF_INET ? a.v4.sin_port : a.v6.sin6_port));
}

bool listen_is_local(const char *address)
{
    union address parsed = {0};
    socklen_t bytes = sizeof parsed;
    struct str name = str_of(address);
    if (str_skip(&name, STR("fd:"))) {
        if (getsockname(listen_passed(name), &parsed.any, &bytes) < 0)
            return false;
    } else if (parse(address, &parsed, &bytes) < 0) {
        return false;
    }
    if (parsed.any.sa_family == AF_INET)
        return ntohl(parsed.v4.sin_addr.s_addr) >> 24 == 127;
    return parsed.any.sa_family == AF_UNIX || IN6_IS_ADDR_LOOPBACK(&parsed.v6.sin6_addr);
}
