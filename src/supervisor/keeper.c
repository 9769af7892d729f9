/* Keys, certificates and ticket keys while the server runs. The supervisor reads and checks first,
 * into what new workers inherit: so a worker that has to be started again while a file is bad, or
 * another one, serves with what was good before, as its siblings do. What must stay true: files
 * that are still being written are not judged; what they become is. */
#include "supervisor/keeper.h"

#include <errno.h>
#include <stdlib.h>

#include "base/check.h"
#include "base/complain.h"
#include "io/tls.h"
#include "services/auth/token.h"
#include "services/shared/provider.h"
#include "supervisor/supervisor.h"

struct keeper {
    struct supervisor_context *context;
    struct loop *loop;
    void (*on_reloaded)(void *ctx);
    void *ctx;
    struct tls_ticket_keys *ticket_keys;
    ev_timer watch, rotate;
    uint64_t seen;         /* stamp at the last look */
    uint64_t tried;        /* stamp of what was read last */
    int reloads, failures; /* metrics */
};

static uint64_t stamp_now(const struct keeper *k)
{
    uint64_t stamp = 0;
    for (unsigned i = 0; i < k->context->listener_count; i++)
        if (k->context->listeners[i].gate.tls)
            stamp = stamp * 31 + tls_context_stamp(k->context->listeners[i].gate.tls);
    return stamp;
}

static void report(struct keeper *k, const char *event, const char *error)
{
    struct obs *obs = k->context->obs;
    struct obs_event e = obs_event_begin(obs, event, clock_wall_ns(&clock_system));
    if (error)
        obs_event_str(&e, "error", str_of(error));
    obs_event_end(&e);
    obs_add(obs, error ? k->failures : k->reloads, 1);
    obs_flush(obs);
}

static bool reload_certificates(struct keeper *k)
{
    struct supervisor_context *context = k->context;
    char error[512];
    int r = 0;
    k->seen = k->tried = stamp_now(k);
    /* All are read before the first is changed. */
    for (unsigned i = 0; r == 0 && i < context->listener_count; i++)
        if (context->listeners[i].gate.tls)
            r = tls_context_check(context->listeners[i].gate.tls, error, sizeof error);
    for (unsigned i = 0; r == 0 && i < context->listener_count; i++)
        if (context->listeners[i].gate.tls)
            r = tls_context_reload(context->listeners[i].gate.tls, error, sizeof error);
    report(k, r < 0 ? "tls_reload_failed" : "tls_reloaded", r < 0 ? error : NULL);
    if (r < 0)
        return false;
    atomic_store(&context->shared->certificates, ++context->certificates);
    return true;
}

static bool reload_token_keys(struct keeper *k)
{
    struct supervisor_context *context = k->context;
    char error[512];
    if (tokens_reload(context->app.tokens, context->config->keys, error, sizeof error) < 0) {
        complain("the keys for tokens stay as they were: %s", error);
        return false;
    }
    atomic_store(&context->shared->token_keys, ++context->token_keys);
    return true;
}

void keeper_reload(struct keeper *k)
{
    bool certificates = reload_certificates(k), token_keys = reload_token_keys(k);
    if (certificates || token_keys)
        k->on_reloaded(k->ctx);
}

/* A change is acted upon once two looks in a row see the same: key and certificate are two files,
 * and nobody can write both at once. */
static void on_watch(struct ev_loop *ev, ev_timer *w, int events)
{
    (void)ev;
    (void)events;
    struct keeper *k = w->data;
    uint64_t stamp = stamp_now(k);
    if (stamp == k->seen && stamp != k->tried && reload_certificates(k))
        k->on_reloaded(k->ctx);
    k->seen = stamp;
}

static void on_rotate(struct ev_loop *ev, ev_timer *w, int events)
{
    (void)ev;
    (void)events;
    struct keeper *k = w->data;
    tls_ticket_keys_rotate(k->ticket_keys);
}

static int make_contexts(struct keeper *k, char *error, size_t error_bytes)
{
    const struct config *c = k->context->config;
    for (unsigned i = 0; i < k->context->listener_count; i++) {
        struct listener *l = &k->context->listeners[i];
        struct tls_config tls = {
            .certificate_files = c->tls_certificate,
            .key_files = c->tls_key,
            .only_1_3 = c->tls_only_1_3,
            .client_auth = l->gate.client_auth,
            .client_ca_file = l->gate.client_ca_file,
            .client_crl_file = l->gate.client_crl_file[0] ? l->gate.client_crl_file : NULL,
            .client_depth_max = l->gate.client_depth_max,
            .ticket_keys = k->ticket_keys,
            .ticket_seconds = c->tls_ticket_seconds,
        };
        int r = l->is_tls ? tls_context_new(&l->gate.tls, &tls, error, error_bytes) : 0;
        if (r < 0)
            return r;
    }
    return 0;
}

/* The secrets are read this once: what the first one seals must be readable by all, as long as they
 * run. */
static int load_app(struct supervisor_context *context, char *error, size_t error_bytes)
{
    const struct config *c = context->config;
    struct app *app = &context->app;
    char why[400];
    *app = (struct app){.clock = &clock_system, .limits = c->app, .board = context->board};
    int r = app_keys_load(app->keys, &app->secret_count, c->secret, why, sizeof why);
    if (r < 0) {
        snprintf(error, error_bytes, "--secret: %s", why);
        return r;
    }
    r = tokens_new(&app->tokens, c->keys, c->app.access_token_seconds, context->tokens, why,
                   sizeof why);
    if (r < 0) {
        snprintf(error, error_bytes, "--keys: %s", why);
        return r;
    }
    return provider_new(&app->provider, c->provider, c->provider_url, c->provider_key,
                        c->payment_return_url, &c->app, error, error_bytes);
}

static void start_timers(struct keeper *k)
{
    const struct config *c = k->context->config;
    ev_timer_init(&k->watch, on_watch, c->tls_watch_ms / 1e3, c->tls_watch_ms / 1e3);
    ev_timer_init(&k->rotate, on_rotate, c->tls_ticket_seconds, c->tls_ticket_seconds);
    k->watch.data = k->rotate.data = k;
    if (c->tls_watch_ms)
        ev_timer_start(k->loop->ev, &k->watch);
    if (k->ticket_keys)
        ev_timer_start(k->loop->ev, &k->rotate);
}

int keeper_new(struct keeper **ret_keeper, struct supervisor_context *context, struct loop *loop,
               void (*on_reloaded)(void *ctx), void *ctx, char *error, size_t error_bytes)
{
    struct keeper *k = calloc(1, sizeof *k);
    CHECK(k);
    k->context = context;
    k->loop = loop;
    k->on_reloaded = on_reloaded;
    k->ctx = ctx;
    k->reloads = obs_metric(context->region, "tls_reloads_total",
                            "Times certificates were read again and taken into use", OBS_COUNTER);
    k->failures = obs_metric(context->region, "tls_reload_failures_total",
                             "Times a changed file was bad and the old ones stayed", OBS_COUNTER);
    if (context->config->tls_ticket_seconds)
        CHECK(tls_ticket_keys_new(&k->ticket_keys) == 0);
    start_timers(k);
    int r = load_app(context, error, error_bytes);
    if (r == 0)
        r = make_contexts(k, error, error_bytes);
    if (r < 0) {
        keeper_free(k);
        return r;
    }
    k->seen = k->tried = stamp_now(k);
    *ret_keeper = k;
    return 0;
}

struct keeper *keeper_free(struct keeper *k)
{
    if (!k)
        return NULL;
    ev_timer_stop(k->loop->ev, &k->watch);
    ev_timer_stop(k->loop->ev, &k->rotate);
    for (unsigned i = 0; i < k->context->listener_count; i++)
        k->context->listeners[i].gate.tls = tls_context_free(k->context->listeners[i].gate.tls);
    tls_ticket_keys_free(k->ticket_keys);
    k->context->app.tokens = tokens_free(k->context->app.tokens);
    k->context->app.provider = provider_free(k->context->app.provider);
    free(k);
    return NULL;
}
