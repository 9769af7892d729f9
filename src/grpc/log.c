/* The one event of a call. The runner writes it when the call has ended.
 * What must stay true: no secrets and no message contents; names that peers choose appear as
 * values, never as keys. */
#include <unistd.h>

#include "base/text.h"
#include "grpc/internal.h"

/* Peers may send kilobytes; the log takes the beginning. */
#define TEXT_BYTES_MAX 256
/* A dump must fit into the log's buffer. */
#define CALLS_LOGGED_MAX 50

static void text(struct obs_event *e, struct str key, struct str value)
{
    if (value.n > TEXT_BYTES_MAX)
        value.n = TEXT_BYTES_MAX;
    if (value.n > 0)
        obs_event_field(e, key, value);
}

static void ids(struct obs_event *e, struct call_impl *ci)
{
    char trace[2 * sizeof ci->trace.trace_id];
    char uuid[UUID_TEXT_LEN + 1];
    if (!ci->is_internal) {
        text_hex(trace, ci->trace.trace_id, sizeof ci->trace.trace_id);
        obs_event_word(e, STR("trace_id"), (struct str){.p = trace, .n = sizeof trace});
    }
    if (ci->pub.principal.known) {
        uuid_format(ci->pub.principal.user_id, uuid);
        obs_event_word(e, STR("user"), (struct str){.p = uuid, .n = UUID_TEXT_LEN});
    }
    text(e, STR("x_request_id"), call_metadata(&ci->pub, STR("x-request-id")));
    if (!uuid_is_nil(ci->pub.request_id)) {
        uuid_format(ci->pub.request_id, uuid);
        obs_event_word(e, STR("request_id"), (struct str){.p = uuid, .n = UUID_TEXT_LEN});
    }
}

/* {"steps":"claim=180,reply=2"}: microseconds, in the table's order. */
static void steps(struct obs_event *e, struct call_impl *ci)
{
    char line[512];
    char *at = line;
    for (unsigned i = 0; ci->handler && i < ci->handler->step_count && i <= ci->step; i++) {
        struct str name = str_of(ci->handler->steps[i].name);
        if (name.n + 2 + TEXT_DECIMAL_MAX > (size_t)(line + sizeof line - at))
            break;
        if (at > line)
            *at++ = ',';
        memcpy(at, name.p, name.n);
        at += name.n;
        *at++ = '=';
        at = text_decimal(at, ci->step_us[i]);
    }
    if (at > line)
        obs_event_word(e, STR("steps"), (struct str){.p = line, .n = (size_t)(at - line)});
}

/* RFC 9113 section 7. */
static void reset(struct obs_event *e, const struct call_impl *ci)
{
    static const char *const codes[] = {
        "NO_ERROR",
        "PROTOCOL_ERROR",
        "INTERNAL_ERROR",
        "FLOW_CONTROL_ERROR",
        "SETTINGS_TIMEOUT",
        "STREAM_CLOSED",
        "FRAME_SIZE_ERROR",
        "REFUSED_STREAM",
        "CANCEL",
        "COMPRESSION_ERROR",
        "CONNECT_ERROR",
        "ENHANCE_YOUR_CALM",
        "INADEQUATE_SECURITY",
        "HTTP_1_1_REQUIRED",
    };
    static const char *const whose[] = {"server", "peer", "connection"};
    bool is_known = ci->reset_code < sizeof codes / sizeof codes[0];
    text(e, STR("reset"), str_of(is_known ? codes[ci->reset_code] : "unknown"));
    text(e, STR("reset_by"), str_of(whose[ci->reset_by]));
}

void call_log(struct call_impl *ci)
{
    struct server *server = ci->pub.server;
    const struct rpc_method *method = ci->pub.method;
    int64_t now_ns = ci->ended_ns;
    /* Jobs poll several times a second: only what they noted or failed at is news. */
    if (ci->is_internal && ci->code == STATUS_OK && ci->note_count == 0)
        return;
    struct obs_event e =
        obs_event_begin(server->obs, ci->is_internal ? "job" : "call", server_wall_ns(server));
    if (!e.buf) { /* nobody reads the log, or it is full and the loss was counted */
        obs_event_end(&e);
        return;
    }
    if (method)
        obs_event_word(&e, STR("method"), method->full_name);
    else
        text(&e, STR("method"), ci->path.n > 0 ? ci->path : STR("other"));
    obs_event_word(&e, STR("status"), str_of(status_name(ci->code)));
    if (ci->reason != REASON_NONE)
        text(&e, STR("reason"), str_of(reason_info(ci->reason)->name));
    else if (ci->message)
        text(&e, STR("message"), str_of(ci->message));
    if (ci->detail)
        text(&e, STR("detail"), str_of(ci->detail));
    if (ci->was_reset)
        reset(&e, ci);
    obs_event_int(&e, "duration_us", (now_ns - ci->started_ns) / NS_PER_US);
    text(&e, STR("peer"), call_peer(&ci->pub));
    text(&e, STR("via"), ci->client.n > 0 && ci->stream ? h2_stream_peer(ci->stream) : ci->via);
    if (ci->identity.n > 0) {
        text(&e, STR("identity"), ci->identity);
        text(&e, STR("proof"), str_of(peer_proof_name(ci->proof)));
    }
    text(&e, STR("authority"), ci->authority);
    text(&e, STR("user_agent"), ci->user_agent);
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
    if (ci->pub.scope.db_ns > 0)
        obs_event_int(&e, "db_us", ci->pub.scope.db_ns / NS_PER_US);
    steps(&e, ci);
    for (unsigned i = 0; i < ci->note_count; i++)
        text(&e, str_of(ci->notes[i].key), str_of(ci->notes[i].value));
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
        text(&e, STR("method"), ci->pub.method->full_name);
    text(&e, STR("phase"), str_of(phases[ci->phase]));
    if (ci->handler && ci->phase == CALL_RUNNING && ci->step < ci->handler->step_count)
        text(&e, STR("step"), str_of(ci->handler->steps[ci->step].name));
    obs_event_int(&e, "age_ms", (now_ns - ci->started_ns) / NS_PER_MS);
    obs_event_int(&e, "parked", ci->parked);
    obs_event_int(&e, "operations", ci->pub.scope.pending);
    text(&e, STR("peer"), call_peer(&ci->pub));
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
