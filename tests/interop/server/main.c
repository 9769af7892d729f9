/* A test-only gRPC server made of Faregate's layers io, h2 and grpc, without a database: what the
 * official interop clients and the Connect conformance runner are pointed at. tests/interop/run and
 * `./dev interop-server` start it. What must stay true: it sets up the layers as a worker of
 * Faregate does, so that what is found here is found in the product. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/check.h"
#include "grpc/health.h"
#include "h2/h2.h"
#include "io/gate.h"
#include "io/listen.h"
#include "io/tls.h"
#include "obs/obs.h"
#include "server.h"

#define LISTEN_BACKLOG 1024
#define FLUSH_SECONDS 0.1
/* A reply is packed into its call's arena, beside what else the call needs. */
#define ARENA_PER_MESSAGE 4
/* What is left at the end of the grace is answered UNAVAILABLE by grpc; the answers need to leave.
 */
#define LAST_ANSWERS_MS 500

struct program {
    struct options options;
    struct loop loop;
    struct obs_region *region;
    struct obs *obs;
    struct interop interop;
    struct server *server;
    struct h2_server *h2;
    struct gate gate; /* of the TLS listeners */
    ev_signal on_term, on_int;
    ev_timer flush, lame_duck, grace;
    unsigned signals;
};

static struct program program;

static _Noreturn void die(const char *error)
{
    fprintf(stderr, "interop_server: %s\n", error);
    exit(1);
}

/* ---- the end ---- */

static void on_drained(void *ctx)
{
    (void)ctx;
    loop_stop(&program.loop);
}

static void on_lame_duck_end(struct ev_loop *ev, ev_timer *timer, int events)
{
    (void)timer;
    (void)events;
    ev_timer_set(&program.grace, (program.options.drain_grace_ms + LAST_ANSWERS_MS) / 1e3, 0.);
    ev_timer_start(ev, &program.grace);
    server_drain(program.server);
    h2_server_drain(program.h2, on_drained);
}

static void on_grace_end(struct ev_loop *ev, ev_timer *timer, int events)
{
    (void)ev;
    (void)timer;
    (void)events;
    h2_server_close(program.h2);
}

static void on_signal(struct ev_loop *ev, ev_signal *watcher, int events)
{
    (void)watcher;
    (void)events;
    if (program.signals++ > 0)
        _exit(1);
    health_set_ready(server_health(program.server), false);
    ev_timer_set(&program.lame_duck, program.options.lame_duck_ms / 1e3, 0.);
    ev_timer_start(ev, &program.lame_duck);
}

/* ---- the beginning ---- */

static void on_flush(struct ev_loop *ev, ev_timer *timer, int events)
{
    (void)ev;
    (void)timer;
    (void)events;
    obs_flush(program.obs);
}

/* No method here asks for a token. */
static enum reason authenticate(void *app, struct str token, int64_t wall_ns,
                                struct principal *ret_principal)
{
    (void)app;
    (void)token;
    (void)wall_ns;
    (void)ret_principal;
    return REASON_TOKEN_INVALID;
}

static void build_server(struct program *p)
{
    static const struct rpc_service *const services[] = {&test_service, &conformance_service, NULL};
    const struct server_hooks hooks = {.authenticate = authenticate, .app = &p->interop};
    struct server_limits limits = p->options.limits.server;
    char error[256];
    limits.message_bytes_max = p->options.message_bytes_max;
    if (limits.reply_bytes_max < limits.message_bytes_max) /* a reply may tell the request again */
        limits.reply_bytes_max = limits.message_bytes_max;
    if (limits.arena_bytes_max / ARENA_PER_MESSAGE < limits.reply_bytes_max)
        limits.arena_bytes_max = ARENA_PER_MESSAGE * limits.reply_bytes_max;
    limits.drain_grace_ms = p->options.drain_grace_ms;
    p->interop.zeros_bytes = limits.reply_bytes_max;
    p->interop.zeros = calloc(1, p->interop.zeros_bytes + 1);
    CHECK(p->interop.zeros);
    CHECK(obs_region_new(&p->region) == 0);
    CHECK(obs_open(&p->obs, p->region, 0, p->options.log ? STDERR_FILENO : -1) == 0);
    if (server_new(&p->server, &p->loop, &limits, &hooks, services, p->obs, error, sizeof error) <
        0)
        die(error);
    CHECK(h2_server_new(&p->h2, &p->loop, &p->options.limits.h2, &server_h2_handler, p->server) ==
          0);
    health_set_ready(server_health(p->server), true);
}

static void build_tls(struct program *p)
{
    const struct tls_config config = {.certificate_files = p->options.certificate_file,
                                      .key_files = p->options.key_file,
                                      .client_auth = p->options.client_ca_file ? TLS_CLIENT_REQUIRED
                                                                               : TLS_CLIENT_OFF,
                                      .client_ca_file = p->options.client_ca_file};
    char error[256];
    if (access(config.certificate_files, F_OK) < 0 &&
        tls_make_self_signed(config.certificate_files, config.key_files, error, sizeof error) < 0)
        die(error);
    if (tls_context_new(&p->gate.tls, &config, error, sizeof error) < 0)
        die(error);
}

/* "h2c 127.0.0.1:40123": the address as it was asked for, with the port that the kernel chose. */
static void serve(struct program *p, const char *address, const char *word, const struct gate *gate)
{
    char error[256];
    int fd;
    if (listen_open(address, LISTEN_BACKLOG, &fd, error, sizeof error) < 0)
        die(error);
    CHECK(h2_server_listen(p->h2, fd, gate) == 0);
    const char *colon = strrchr(address, ':');
    if (listen_port(fd) == 0)
        printf("%s %s\n", word, address);
    else
        printf("%s %.*s:%u\n", word, (int)(colon ? colon - address : 0), address, listen_port(fd));
}

static void start_watchers(struct program *p)
{
    ev_timer_init(&p->flush, on_flush, FLUSH_SECONDS, FLUSH_SECONDS);
    ev_timer_init(&p->lame_duck, on_lame_duck_end, 0., 0.);
    ev_timer_init(&p->grace, on_grace_end, 0., 0.);
    ev_signal_init(&p->on_term, on_signal, SIGTERM);
    ev_signal_init(&p->on_int, on_signal, SIGINT);
    ev_timer_start(p->loop.ev, &p->flush);
    ev_signal_start(p->loop.ev, &p->on_term);
    ev_signal_start(p->loop.ev, &p->on_int);
}

int main(int argc, char **argv)
{
    struct program *p = &program;
    options_read(&p->options, argc, argv);
    signal(SIGPIPE, SIG_IGN);
    CHECK(loop_init(&p->loop, &clock_system) == 0);
    build_server(p);
    start_watchers(p); /* before somebody is told whom to signal */
    if (p->options.listen_tls_count > 0)
        build_tls(p);
    for (unsigned i = 0; i < p->options.listen_count; i++)
        serve(p, p->options.listen[i], "h2c", NULL);
    for (unsigned i = 0; i < p->options.listen_tls_count; i++)
        serve(p, p->options.listen_tls[i], "tls", &p->gate);
    puts("ready");
    fflush(stdout);
    loop_run(&p->loop);

    h2_server_free(p->h2);
    server_free(p->server);
    tls_context_free(p->gate.tls);
    obs_flush(p->obs);
    obs_close(p->obs);
    obs_region_free(p->region);
    free(p->interop.zeros);
    loop_deinit(&p->loop);
    return 0;
}
