/* Whether there is room for one more call, asked before its body is read: calls in flight, of all
 * and of its method; how late the loop is; how long it would wait for the database; and, under
 * load, whether the deadline leaves the time that such calls take. Streams that last are not among
 * those calls and have limits of their own. The table in intercept.c asks; intake and the runner
 * count. What must stay true: the answer costs a few comparisons; what is
 * refused here has run no code; money is refused last, search first. */
#include "grpc/internal.h"

#define LAG_SAMPLE_MS 100
/* A median of fewer calls than this says nothing. */
#define SAMPLES_MIN 64
/* Of the calls that look hopeless one in this many runs, or the median would never come down. */
#define PROBE_EVERY 8
/* So long a request may take to come whole when others want its place. */
#define ARRIVAL_NS NS_PER_S

static struct method_load *load_of(struct server *server, const struct rpc_method *method)
{
    return &server->loads[method - server->registry->methods];
}

/* ---- how late the loop is ---- */

/* Rises at once, falls by a quarter a sample. */
static void on_lag_timer(struct wheel_timer *timer)
{
    struct server *server = list_entry(timer, struct server, lag_timer);
    int64_t now_ns = server->loop->now_ns;
    int64_t late_ns = now_ns - server->lag_due_ns;
    int64_t max_ns = server->limits.loop_lag_max_ms * NS_PER_MS;
    server->lag_ns -= server->lag_ns / 4;
    if (late_ns > server->lag_ns)
        server->lag_ns = late_ns;
    if (max_ns > 0 && server->lag_ns > max_ns)
        server->is_lagging = true;
    else if (server->lag_ns <= max_ns / 2)
        server->is_lagging = false;
    server_watch_lag(server);
}

void overload_init(struct server *server)
{
    wheel_timer_init(&server->lag_timer, on_lag_timer);
}

void server_watch_lag(struct server *server)
{
    server->lag_due_ns = server->loop->now_ns + LAG_SAMPLE_MS * NS_PER_MS;
    wheel_set(&server->wheel, &server->lag_timer, server->lag_due_ns);
}

int64_t server_lag_ns(const struct server *server)
{
    return server->lag_ns;
}

bool server_is_lagging(const struct server *server)
{
    return server->is_lagging;
}

/* ---- what a call costs ---- */

unsigned server_calls_busy(const struct server *server)
{
    return server->calls_in_flight - server->calls_lasting;
}

/* The last eighth of the room is for money, the last quarter not for search. */
static uint32_t share_of(uint32_t calls_max, enum rpc_criticality criticality)
{
    switch (criticality) {
    case RPC_CRITICALITY_LOW:
        return calls_max - calls_max / 4;
    case RPC_CRITICALITY_HIGH:
        return calls_max;
    case RPC_CRITICALITY_NORMAL:
        break;
    }
    return calls_max - calls_max / 8;
}

static bool is_full(const struct server *server, enum rpc_criticality criticality)
{
    return server_calls_busy(server) >= share_of(server->limits.calls_max, criticality);
}

/* The oldest whose request has not come whole for a while; NULL: none. */
static struct call_impl *late_one(struct server *server)
{
    struct list *node;
    while ((node = list_first(&server->arriving)) != NULL) {
        struct call_impl *ci = list_entry(node, struct call_impl, woken);
        if (ci->phase == CALL_RECEIVING)
            return server->loop->now_ns - ci->started_ns >= ARRIVAL_NS ? ci : NULL;
        list_remove(node);
    }
    return NULL;
}

/* Where there was no room for it, the oldest half-sent request goes: ten thousand of them would
 * keep everybody out. */
void overload_begun(struct call_impl *ci)
{
    struct server *server = ci->pub.server;
    const struct rpc_policy *policy = &ci->pub.method->policy;
    struct call_impl *late =
        !policy->lasts && is_full(server, policy->criticality) ? late_one(server) : NULL;
    if (late) {
        server_count(server, COUNT_SHED_CALLS);
        call_interrupt(late, REASON_OVERLOADED);
    }
    server->calls_in_flight++;
    server->calls_lasting += policy->lasts;
    load_of(server, ci->pub.method)->in_flight++;
}

/* The median by small steps: up where a call took longer, down where it did not. */
static void learn(struct method_load *load, int64_t took_ns)
{
    int64_t step_ns = load->p50_ns / 16 + NS_PER_US;
    if (load->samples == 0)
        load->p50_ns = took_ns;
    else if (took_ns > load->p50_ns)
        load->p50_ns += step_ns;
    else if (load->p50_ns > step_ns)
        load->p50_ns -= step_ns;
    if (load->samples < SAMPLES_MIN)
        load->samples++;
}

void overload_ended(struct call_impl *ci)
{
    const struct rpc_method *method = ci->pub.method;
    struct method_load *load = load_of(ci->pub.server, method);
    load->in_flight--;
    ci->pub.server->calls_lasting -= method->policy.lasts;
    if (ci->code == STATUS_OK && !method->client_streaming && !method->server_streaming)
        learn(load, ci->ended_ns - ci->run_ns); /* not what the client took to send */
}

/* ---- the answer ---- */

/* An idle server tries what may just succeed; a busy one does not begin what will not. */
static bool is_hopeless(struct server *server, struct method_load *load, int64_t timeout_ns)
{
    bool is_busy = server->is_lagging || server_calls_busy(server) >= server->limits.calls_max / 8;
    if (!is_busy || timeout_ns < 0 || load->samples < SAMPLES_MIN || timeout_ns >= load->p50_ns)
        return false;
    return ++load->too_short % PROBE_EVERY != 0;
}

/* What would wait longer than a moment is more than the database can do: it is late before it
 * begins, and those who asked give up and ask again. Search gives way at half the limit and
 * payments at twice. What only reads does not wait behind what writes. */
static bool is_queue_long(struct server *server, const struct rpc_policy *policy)
{
    if (policy->is_local || !server->hooks.wait_ns || server->limits.queue_wait_max_ms == 0)
        return false;
    int64_t wait_ns = server->hooks.wait_ns(server->hooks.db, policy->changes_nothing);
    int64_t max_ns = server->limits.queue_wait_max_ms * NS_PER_MS;
    switch (policy->criticality) {
    case RPC_CRITICALITY_LOW:
        return wait_ns > max_ns / 2;
    case RPC_CRITICALITY_HIGH:
        return wait_ns > max_ns * 2;
    case RPC_CRITICALITY_NORMAL:
        break;
    }
    return wait_ns > max_ns;
}

static enum reason shed(struct server *server, enum server_count why, enum reason reason)
{
    server_count(server, why);
    return reason;
}

enum reason intercept_overload(struct call_impl *ci, struct str body)
{
    (void)body;
    struct server *server = ci->pub.server;
    const struct rpc_policy *policy = &ci->pub.method->policy;
    struct method_load *load = load_of(server, ci->pub.method);
    if (policy->lasts ? !lasting_has_room(ci)
                      : is_full(server, policy->criticality) && !late_one(server))
        return shed(server, COUNT_SHED_CALLS, REASON_OVERLOADED);
    if (policy->in_flight_max > 0 && load->in_flight >= policy->in_flight_max)
        return shed(server, COUNT_SHED_METHOD, REASON_OVERLOADED);
    if (server->is_lagging && policy->criticality == RPC_CRITICALITY_LOW)
        return shed(server, COUNT_SHED_LAG, REASON_OVERLOADED);
    if (is_queue_long(server, policy))
        return shed(server, COUNT_SHED_QUEUE, REASON_OVERLOADED);
    /* The caller would be told this by its own clock before we could say anything else. */
    if (!policy->is_local && is_hopeless(server, load, ci->granted_ns))
        return shed(server, COUNT_SHED_DEADLINE, REASON_DEADLINE_PASSED);
    return REASON_NONE;
}
