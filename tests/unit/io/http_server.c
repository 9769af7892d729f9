/* The obedient server behind the HTTP client's tests.
 * What must stay true: it answers exactly what obey() says, and writes to a closed socket kill
 * nobody. */
#include "unit/io/http_server.h"

#include <netinet/in.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

struct connection {
    struct http_server *server;
    int fd;
};

static void say(int fd, const char *text)
{
    (void)!send(fd, text, strlen(text), MSG_NOSIGNAL);
}

static void say_body(int fd, const char *status, const char *body, size_t n)
{
    char head[256];
    snprintf(head, sizeof(head), "HTTP/1.1 %s\r\nContent-Length: %zu\r\n\r\n", status, n);
    say(fd, head);
    (void)!send(fd, body, n, MSG_NOSIGNAL);
}

/* Waits until the client hangs up. */
static void wait_for_end(int fd)
{
    char dust[256];
    while (read(fd, dust, sizeof(dust)) > 0)
        ;
}

/* Obeys one request; false: the connection ends. */
static bool obey(int fd, const char *head, const char *body, size_t body_bytes)
{
    char path[64] = "";
    sscanf(head, "%*s %63s", path);
    if (strcmp(path, "/echo") == 0) {
        say_body(fd, "200 OK", body, body_bytes);
    } else if (strcmp(path, "/head") == 0) {
        say_body(fd, "200 OK", head, strlen(head));
    } else if (strcmp(path, "/teapot") == 0) {
        say_body(fd, "418 Teapot", "short", 5);
    } else if (strcmp(path, "/big") == 0) {
        static char big[5000];
        say_body(fd, "200 OK", big, sizeof(big));
    } else if (strcmp(path, "/redirect") == 0) {
        say(fd, "HTTP/1.1 302 Found\r\nLocation: /echo\r\nContent-Length: 0\r\n\r\n");
    } else if (strcmp(path, "/then-close") == 0) {
        say_body(fd, "200 OK", "", 0);
        return false;
    } else if (strcmp(path, "/twice") == 0) {
        say(fd, "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\noneHTTP/1.1 200 OK\r\nContent-Length: "
                "3\r\n\r\ntwo");
    } else if (strcmp(path, "/never") == 0) {
        wait_for_end(fd);
        return false;
    } else if (strcmp(path, "/half") == 0) {
        say(fd, "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf");
        return false;
    } else if (strcmp(path, "/garbage") == 0) {
        say(fd, "\x01\x02\x03 this is no HTTP\r\n\r\n");
        return false;
    } else
        return false; /* /drop */
    return true;
}

static void *serve(void *arg)
{
    struct connection c = *(struct connection *)arg;
    free(arg);
    char in[8192];
    size_t n = 0;
    bool go_on = true;
    while (go_on) {
        ssize_t got = read(c.fd, in + n, sizeof(in) - 1 - n);
        if (got <= 0)
            break;
        n += (size_t)got;
        in[n] = '\0';
        char *body = strstr(in, "\r\n\r\n");
        if (!body)
            continue;
        const char *length = strcasestr(in, "content-length:");
        size_t want = length ? strtoul(length + 15, NULL, 10) : 0;
        body += 4;
        if (n - (size_t)(body - in) < want)
            continue;
        c.server->requests++;
        go_on = obey(c.fd, in, body, want);
        n = 0;
    }
    close(c.fd);
    c.server->open--;
    return NULL;
}

static void *accept_all(void *arg)
{
    struct http_server *server = arg;
    for (;;) {
        int fd = accept(server->fd, NULL, NULL);
        if (fd < 0)
            return NULL;
        struct connection *c = malloc(sizeof(*c));
        *c = (struct connection){.server = server, .fd = fd};
        server->connections++;
        server->open++;
        pthread_t thread;
        pthread_create(&thread, NULL, serve, c);
        pthread_detach(thread);
    }
}

int http_server_listen(unsigned *ret_port)
{
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t n = sizeof(in);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (bind(fd, (struct sockaddr *)&in, n) < 0 || listen(fd, 64) < 0 ||
        getsockname(fd, (struct sockaddr *)&in, &n) < 0)
        abort();
    *ret_port = ntohs(in.sin_port);
    return fd;
}

void http_server_start(struct http_server *server)
{
    server->fd = http_server_listen(&server->port);
    pthread_create(&server->thread, NULL, accept_all, server);
}

void http_server_stop(struct http_server *server)
{
    shutdown(server->fd, SHUT_RDWR);
    pthread_join(server->thread, NULL);
    close(server->fd);
    for (unsigned i = 0; server->open > 0 && i < 500; i++)
        usleep(10000);
}
