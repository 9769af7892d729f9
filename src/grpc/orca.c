/* Load reports as a stream, at the pace the client asks for and this server allows. Called by the
 * runner. What must stay true: the first report comes at once; a client that does not read is
 * sent nothing more, and then the newest; a drain ends the stream. */
#include "grpc/orca.h"

#include <google/protobuf/duration.pb-c.h>
#include <xds/data/orca/v3/orca_load_report.pb-c.h>
#include <xds/service/orca/v3/orca.pb-c.h>

#include "grpc/internal.h"
#include "grpc/load.h"

#define INTERVAL_MS_MAX 3600000u

struct stream {
    bool has_begun;
    uint32_t interval_ms;
    int64_t due_ns;
};

/* As asked, but not more often than load_report_ms_min. */
static uint32_t interval_ms(const struct call *c)
{
    const Xds__Service__Orca__V3__OrcaLoadReportRequest *request = call_request(c);
    const Google__Protobuf__Duration *asked = request->report_interval;
    uint32_t ms = c->server->limits.load_report_ms_min;
    if (!asked || asked->seconds < 0 || asked->nanos < 0)
        return ms;
    if (asked->seconds >= INTERVAL_MS_MAX / 1000)
        return INTERVAL_MS_MAX;
    uint32_t wanted_ms = (uint32_t)(asked->seconds * 1000 + asked->nanos / NS_PER_MS);
    return wanted_ms > ms ? wanted_ms : ms;
}

/* Woken by its timer, by the client that took what was queued, and by the drain. */
static enum step report(struct call *c)
{
    struct stream *s = c->state;
    int64_t now_ns = c->server->loop->now_ns;
    if (!s->has_begun) {
        s->has_begun = true;
        s->interval_ms = interval_ms(c);
        s->due_ns = now_ns;
    }
    if (call_draining(c))
        return call_fail(c, REASON_SHUTTING_DOWN);
    if (call_impl_of(c)->streamed_bytes > 0)
        return STEP_PARK;
    if (now_ns >= s->due_ns) {
        call_send(c, &load_report(c->server)->base);
        s->due_ns = now_ns + s->interval_ms * NS_PER_MS;
    }
    call_wake_after(c, (uint32_t)((s->due_ns - now_ns + NS_PER_MS - 1) / NS_PER_MS));
    return STEP_PARK;
}

static const struct step_def report_steps[] = {STEP(report)};

static const struct rpc_handler stream_core_metrics = {
    .method = "StreamCoreMetrics",
    RPC_STEPS(report_steps, struct stream),
};

static const struct rpc_handler *const handlers[] = {&stream_core_metrics, NULL};

const struct rpc_service orca_service = {
    .descriptor = &xds__service__orca__v3__open_rca_service__descriptor,
    .full_name = "xds.service.orca.v3.OpenRcaService",
    .handlers = handlers,
};
