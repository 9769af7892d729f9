/* The listening sockets of a server and who holds them; see listeners.h. What must stay true: a
 * child has no descriptor of its parent's but those that it was given. */
#include "supervisor/listeners.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/complain.h"
#include "base/str.h"
#include "io/listen.h"
#include "supervisor/supervisor.h"

#define LISTEN_BACKLOG 4096

int listeners_open(struct supervisor_context *ctx, const char *addresses, bool tls)
{
    const char *flag = tls ? "--listen-tls" : "--listen";
    struct str rest = str_of(addresses);
    while (rest.n > 0) {
        struct listen_spec spec;
        char error[512];
        if (ctx->listener_count == LISTENERS_MAX) {
            complain("%s: more than %d addresses to listen on", flag, LISTENERS_MAX);
            return -E2BIG;
        }
        struct listener *l = &ctx->listeners[ctx->listener_count];
        int r = listen_spec_next(&rest, tls, &spec, error, sizeof error);
        if (r == 0)
            r = listen_open_mode(spec.address, spec.gate.socket_mode, LISTEN_BACKLOG, &l->fd, error,
                                 sizeof error);
        if (r < 0) {
            complain("%s: %s", flag, error);
            return r;
        }
        *l = (struct listener){.fd = l->fd, .is_tls = tls, .gate = spec.gate};
        ctx->listener_count++;
    }
    return 0;
}

static int by_number(const void *a, const void *b)
{
    return *(const int *)a - *(const int *)b;
}

void listeners_keep(const struct supervisor_context *ctx, unsigned slot)
{
    int keep[LISTENERS_MAX + 2];
    unsigned count = 0;
    for (unsigned i = 0; i < ctx->listener_count && slot < WORKERS_MAX; i++)
        keep[count++] = ctx->listeners[i].fd;
    if (ctx->log_fd > STDERR_FILENO)
        keep[count++] = ctx->log_fd;
    qsort(keep, count, sizeof keep[0], by_number);
    unsigned first = STDERR_FILENO + 1;
    for (unsigned i = 0; i < count; i++) {
        if ((unsigned)keep[i] > first)
            close_range(first, (unsigned)keep[i] - 1, 0);
        first = (unsigned)keep[i] + 1;
    }
    close_range(first, ~0u, 0);
}

void listeners_close(struct supervisor_context *ctx)
{
    for (unsigned i = 0; i < ctx->listener_count; i++) {
        struct listener *l = &ctx->listeners[i];
        if (l->fd >= 0)
            close(l->fd);
        l->fd = -1;
    }
}
