/* The smallest service on the real layers: what one unary call costs without a database.
 * tests/bench/rpc starts it beside the peers, which serve the same /bench.Echo/Get. What must stay
 * true: nothing is switched off for it; limits, interceptors, deadlines, counters and a log event
 * per call are as in `faregate serve`. */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/check.h"
#include "grpc/health/v1/health.pb-c.h"
#include "grpc/internal.h"
#include "io/gate.h"
#include "io/listen.h"
#include "io/tls.h"

#define PUBLISH_SECONDS 0.25

static enum step echo(struct call *c)
{
    return call_reply(c, call_request(c));
}

static const struct step_def echo_steps[] = {STEP(echo)};
static const struct rpc_handler echo_handler = {
    .method = "Get", .steps = echo_steps, .step_count = 1};
static const struct rpc_service echo_service = {.full_name = "bench.Echo"};

/* Any message with one string will do: { string service = 1; } is at hand. */
static struct rpc_method method_of(struct obs_region *region, const char *path, enum rpc_auth auth)
{
    struct rpc_method method = {
        .path = str_of(path),
        .full_name = str_of(path + 1),
        .service = &echo_service,
        .handler = &echo_handler,
        .request = &grpc__health__v1__health_check_request__descriptor,
        .reply = &grpc__health__v1__health_check_request__descriptor,
        .policy = {.auth = auth,
                   .changes_nothing = true,
                   .deadline_default_ms = server_limits_default.deadline_default_ms,
                   .deadline_max_ms = server_limits_default.deadline_max_ms,
                   .request_bytes_max = server_limits_default.message_bytes_max,
                   .reply_bytes_max = server_limits_default.reply_bytes_max,
                   .rate_per_minute_max = 1000 * 1000 * 1000, /* looked up, never reached */
                   .in_flight_max = 100000},
        .obs = obs_method(region, path + 1),
    };
    for (unsigned i = 0; i < RPC_STEPS_MAX; i++)
        method.obs_steps[i] = i == 0 ? obs_step(region, method.obs, "echo") : -1;
    return method;
}

/* Locked refuses who has no token, as a busy server refuses: before a byte of the body is read. */
static struct registry *make_registry(struct obs_region *region)
{
    struct registry *registry = calloc(1, sizeof *registry);
    CHECK(registry);
    registry->methods = calloc(2, sizeof registry->methods[0]);
    CHECK(registry->methods);
    registry->method_count = 2;
    registry->methods[0] = method_of(region, "/bench.Echo/Get", RPC_AUTH_PUBLIC);
    registry->methods[1] = method_of(region, "/bench.Echo/Locked", RPC_AUTH_USER);
    CHECK(registry_index(registry) == 0);
    return registry;
}

static void on_term(struct ev_loop *ev, ev_signal *w, int events)
{
    (void)w;
    (void)events;
    ev_break(ev, EVBREAK_ALL);
}

static void on_publish(struct ev_loop *ev, ev_timer *w, int events)
{
    (void)ev;
    (void)events;
    obs_flush(w->data);
}

int main(int argc, char **argv)
{
    struct loop loop;
    struct obs_region *region;
    struct obs *obs;
    struct server *server;
    struct h2_server *h2;
    struct tls_context *tls = NULL;
    char address[64], error[256];
    int fd;
    if (argc != 3 && argc != 4 && argc != 5 && argc != 6) {
        fprintf(stderr, "usage: bench_echo LOG PORT [THREADS [CERT KEY]]\n");
        return 2;
    }
    signal(SIGPIPE, SIG_IGN);
    snprintf(address, sizeof address, "127.0.0.1:%s", argv[2]);
    const struct tls_config config = {.certificate_files = argc == 6 ? argv[4] : NULL,
                                      .key_files = argc == 6 ? argv[5] : NULL};
    if (listen_open(address, 4096, &fd, error, sizeof error) < 0 ||
        (argc == 6 && tls_context_new(&tls, &config, error, sizeof error) < 0)) {
        fprintf(stderr, "bench_echo: %s\n", error);
        return 1;
    }
    CHECK(loop_init(&loop, &clock_system) == 0);
    CHECK(obs_region_new(&region) == 0);
    CHECK(obs_open(&obs, region, 0, open(argv[1], O_WRONLY | O_CREAT | O_APPEND, 0600)) == 0);
    const struct server_hooks hooks = {.tx = NULL};
    CHECK(server_new_with(&server, &loop, &server_limits_default, &hooks, make_registry(region),
                          obs) == 0);
    struct h2_limits limits = h2_limits_default;
    limits.conns_max = 20000;
    limits.conns_per_address_max = 0;      /* all come from one loader, */
    limits.preface_timeout_ms = 60 * 1000; /* which reads SETTINGS when it has opened them all */
    CHECK(h2_server_new(&h2, &loop, &limits, &server_h2_handler, server) == 0);
    const struct gate gate = {.tls = tls};
    CHECK(h2_server_listen(h2, fd, &gate) == 0);
    ev_signal term;
    ev_timer publish;
    ev_signal_init(&term, on_term, SIGTERM);
    ev_signal_start(loop.ev, &term);
    ev_timer_init(&publish, on_publish, PUBLISH_SECONDS, PUBLISH_SECONDS);
    publish.data = obs;
    ev_timer_start(loop.ev, &publish);
    loop_run(&loop);
    h2_server_free(h2);
    server_free(server);
    tls_context_free(tls);
    obs_close(obs);
    obs_region_free(region);
    loop_deinit(&loop);
    return 0;
}
