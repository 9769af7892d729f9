/* The one event of a call. The runner writes it when the call has ended.
 * What must stay true: no secrets and no message contents; names that peers choose appear as
 * values, never as keys. */
#include <unistd.h>

#include "grpc/internal.h"

/* Peers may send kilobytes; the log takes the beginning. */
#define TEXT_BYTES_MAX 256
/* A dump must fit into the log's buffer. */
#define CALLS_LOGGED_MAX 50

static void text(struct obs_event *e, const char *key, struct str value)
{
    if (value.n > TEXT_BYTES_MAX)
        value.n = TEXT_BYTES_MAX;
    if (value.n > 0)
        obs_event_str(e, key, value);
}

static void ids(struct obs_event *e, struct call_impl *ci)
{
    char trace[56];
    char uuid[UUID_TEXT_LEN + 1];
    if (!ci->is_internal) {
        trace_format(&ci->trace, trace);
        obs_event_str(e, "trace_id", (struct str){.p = trace + 3, .n = 32});
    }
    if (ci->pub.principal.known) {
        uuid_format(ci->pub.principal.user_id, uuid);
        obs_event_str(e, "user", (struct str){.p = uuid, .n = UUID_TEXT_LEN});
    }
    text(e, "x_request_id", call_metadata(&ci->pub, STR("x-request-id")));
    if (!uuid_is_nil(ci->pub.request_id)) {
        uuid_format(ci->pub.request_id, uuid);
        obs_event_str(e, "request_id", (struct str){.p = uuid, .n = UUID_TEXT_LEN});
    }
}

/* Appends decimal digits; the log is written for every call, and printf was a third of its cost. */
static size_t put_number(char *out, uint32_t value)
{
    char digits[10];
    size_t count = 0;
    do {
        digits[count++] = (char)('0' + value % 10);
        value /= 10;
    } while (value > 0);
    for (size_t i = 0; i < count; i++)
        out[i] = digits[count - 1 - i];
    return count;
}

/* {"steps":"claim=180,reply=2"}: microseconds, in the table's order. */
static void steps(struct obs_event *e, struct call_impl *ci)
{
    char line[512];
    size_t at = 0;
    for (unsigned i = 0; ci->handler && i < ci->handler->step_count && i <= ci->step; i++) {
        struct str name = str_of(ci->handler->steps[i].name);
        if (at + name.n + 12 > sizeof line) /* a comma, an equals sign, ten digits */
            break;
        if (at > 0)
            line[at++] = ',';
        memcpy(line + at, name.p, name.n);
        at += name.n;
        line[at++] = '=';
        at += put_number(line + at, ci->step_us[i]);
    }
    if (at > 0)
        obs_event_str(e, "steps", (struct str){.p = line, .n = at});
}

void call_log(struct call_impl *ci)
{
    struct server *server = ci->pub.server;
    const struct rpc_method *method = ci->pub.method;
    int64_t now_ns = server->loop->now_ns;
    /* Jobs poll several times a second: only what they noted or failed at is news. */
    if (ci->is_internal && ci->code == STATUS_OK && ci->note_count == 0)
        return;
    struct obs_event e =
        obs_event_begin(server->obs, ci->is_internal ? "job" : "call", server_wall_ns(server));
    if (!e.buf) { /* nobody reads the log, or it is full and the loss was counted */
        obs_event_end(&e);
        return;
    }
    text(&e, "method", method ? method->full_name : ci->path);
    text(&e, "status", str_of(status_name(ci->code)));
    if (ci->reason != REASON_NONE)
        text(&e, "reason", str_of(reason_info(ci->reason)->name));
    else if (ci->message)
        text(&e, "message", str_of(ci->message));
    if (ci->detail)
        text(&e, "detail", str_of(ci->detail));
    obs_event_int(&e, "duration_us", (now_ns - ci->started_ns) / NS_PER_US);
    text(&e, "peer", call_peer(&ci->pub));
    text(&e, "via", ci->client.n > 0 && ci->stream ? h2_stream_peer(ci->stream) : ci->via);
    if (ci->identity.n > 0) {
        text(&e, "identity", ci->identity);
        text(&e, "proof", str_of(peer_proof_name(ci->proof)));
    }
    text(&e, "authority", ci->authority);
    text(&e, "user_agent", ci->user_agent);
    ids(&e, ci);
    if (ci->timeout_ns >= 0)
        obs_event_int(&e, "timeout_ms", ci->timeout_ns / NS_PER_MS);
    if (ci->pub.scope.deadline_ns > 0 && ci->pub.scope.deadline_ns < INT64_MAX)
        obs_event_int(&e, "deadline_left_ms", (ci->pub.scope.deadline_ns - now_ns) / NS_PER_MS);
    obs_event_int(&e, "request_bytes", (int64_t)ci->request_bytes);
    obs_event_int(&e, "reply_bytes", (int64_t)ci->reply_bytes);
    if (ci->pub.attempt > 1)
        obs_event_int(&e, "attempts", ci->pub.attempt);
    if (ci->previous_attempts > 0)
        obs_event_int(&e, "previous_attempts", ci->previous_attempts);
    if (ci->replayed)
        obs_event_int(&e, "replayed", 1);
    steps(&e, ci);
    for (unsigned i = 0; i < ci->note_count; i++)
        text(&e, ci->notes[i].key, str_of(ci->notes[i].value));
    obs_event_end(&e);
}

/* Where a call in flight stands: what an operator wants to know of a process that hangs. */
static void log_in_flight(struct call_impl *ci)
{
    static const char *const phases[] = {"headers", "receiving", "running", "committing", "ended"};
    struct server *server = ci->pub.server;
    int64_t now_ns = server->loop->now_ns;
    struct obs_event e = obs_event_begin(server->obs, "call_in_flight", server_wall_ns(server));
    if (ci->pub.method)
        text(&e, "method", ci->pub.method->full_name);
    text(&e, "phase", str_of(phases[ci->phase]));
    if (ci->handler && ci->phase == CALL_RUNNING && ci->step < ci->handler->step_count)
        text(&e, "step", str_of(ci->handler->steps[ci->step].name));
    obs_event_int(&e, "age_ms", (now_ns - ci->started_ns) / NS_PER_MS);
    obs_event_int(&e, "parked", ci->parked);
    obs_event_int(&e, "operations", ci->pub.scope.pending);
    text(&e, "peer", call_peer(&ci->pub));
    ids(&e, ci);
    obs_event_end(&e);
}

void server_log_calls(struct server *server)
{
    unsigned left = CALLS_LOGGED_MAX;
    struct obs_event e = obs_event_begin(server->obs, "state_calls", server_wall_ns(server));
    obs_event_int(&e, "pid", getpid());
    obs_event_int(&e, "calls", server->calls_in_flight);
    obs_event_int(&e, "draining", server->draining);
    obs_event_end(&e);
    list_for_each(node, &server->calls) {
        if (left-- == 0)
            break;
        log_in_flight(list_entry(node, struct call_impl, node));
    }
}
