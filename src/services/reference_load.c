/* Reads the reference tables with one internal call and hangs the object made of them into the app.
 * The worker calls it before it serves, and again to refresh. */
#include <stdio.h>

#include "grpc/grpc.h"
#include "services/app.h"
#include "services/reference.h"

#define LOAD_TIMEOUT_MS 30000

struct load {
    struct reference_source source;
};

static enum step read_tables(struct call *c)
{
    struct load *s = c->state;
    reference_read_installation(c, &s->source.installation);
    reference_read_airports(c, &s->source.airports);
    reference_read_airlines(c, &s->source.airlines);
    reference_read_aircraft(c, &s->source.aircraft);
    reference_read_cabins(c, &s->source.cabins);
    reference_read_brands(c, &s->source.brands);
    reference_read_buckets(c, &s->source.buckets);
    reference_read_taxes(c, &s->source.taxes);
    reference_read_connections(c, &s->source.connections);
    reference_read_zones(c, &s->source.zones);
    reference_read_routes(c, &s->source.routes);
    return STEP_NEXT;
}

static bool is_cut_off(const struct reference_source *s)
{
    return s->airports.truncated || s->airlines.truncated || s->aircraft.truncated ||
           s->cabins.truncated || s->brands.truncated || s->buckets.truncated ||
           s->taxes.truncated || s->connections.truncated || s->zones.truncated ||
           s->routes.truncated;
}

static enum step build(struct call *c)
{
    struct load *s = c->state;
    struct app *app = app_of(c);
    char error[160] = "a reference table has more rows than its limit";
    struct reference *made =
        is_cut_off(&s->source) ? NULL : reference_new(&s->source, error, sizeof error);
    if (!made) {
        call_note(c, "error", "%s", error);
        return call_fail(c, REASON_INTERNAL_ERROR);
    }
    made->before = app->reference;
    if (made->before)
        made->before->before = reference_free(made->before->before);
    app->reference = made;
    return call_reply(c, NULL);
}

static const struct step_def steps[] = {
    STEP(read_tables),
    STEP(build),
};

static const struct rpc_handler load_handler = {
    .method = "LoadReference",
    RPC_STEPS(steps, struct load),
};

void reference_load(struct server *server, struct app *app, void (*on_end)(void *ctx, enum reason),
                    void *ctx)
{
    (void)app; /* the server's calls reach it */
    if (call_run_internal(server, &load_handler, NULL, LOAD_TIMEOUT_MS, on_end, ctx) < 0)
        on_end(ctx, REASON_INTERNAL_ERROR);
}
