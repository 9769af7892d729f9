/* gRPC for handlers: what a service file includes. Calls, step tables, replies, failures; and the
 * server object for main. The runner owns deadline, cancellation, retry, transaction, error
 * mapping, metrics and the log line; a handler is a table of steps (style.md section 2). What must
 * stay true: call_reply or call_fail exactly once per call. */
#pragma once

#include <protobuf-c/protobuf-c.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/clock.h"
#include "base/reason.h"
#include "base/str.h"
#include "base/uuid.h"
#include "io/loop.h"
#include "io/op.h"
#include "io/peer.h"

struct call;
struct h2_server;

/* ---- handlers ---- */

enum step {
    STEP_NEXT,  /* run the next step when everything that this one started has finished */
    STEP_AGAIN, /* the same, but run this step again */
    STEP_PARK,  /* run this step again when the call is woken: a message came in, the client
                   half-closed, the client took  what was queued, call_wake, or the server drains */
    STEP_DONE,  /* the call has ended: what call_reply and call_fail return */
};

struct step_def {
    const char *name;
    enum step (*run)(struct call *c);
};

#define STEP(function)                                                                             \
    {                                                                                              \
        .name = #function, .run = function                                                         \
    }

enum rpc_tx {
    TX_NONE,  /* each statement commits by itself (or with its batch) */
    TX_WRITE, /* all statements of the call run in one transaction; COMMIT before the reply */
};

/* Everything about an RPC that is not in the .proto (auth, limits, deadline, roles: options there).
 */
struct rpc_handler {
    const char *method; /* "CreateBooking" */
    const struct step_def *steps;
    unsigned step_count;
    size_t state_bytes; /* zeroed, reachable as c->state */
    enum rpc_tx tx;
    unsigned retry_max; /* restarts after 40001/40P01; 0: the default 3 */
    bool has_secret;    /* a password or the like is in its request: wiped when the call ends */
};

#define RPC_STEPS(table, state_type)                                                               \
    .steps = (table), .step_count = sizeof(table) / sizeof((table)[0]),                            \
    .state_bytes = sizeof(state_type)

/* One proto service: its descriptor from protoc-c and its handlers. */
struct rpc_service {
    const ProtobufCServiceDescriptor
        *descriptor;                           /* NULL for streaming services found by name only */
    const char *full_name;                     /* "faregate.v1.BookingService" */
    const char *flag;                          /* name in --services; NULL: always on */
    const struct rpc_handler *const *handlers; /* NULL-terminated */
    /* Its .proto is somebody else's and states no policy: anyone may call, within the server's
     * limits and without a deadline of ours; a method without a handler is UNIMPLEMENTED;
     * failures carry no reason of Faregate's. For servers made of these layers that are not
     * Faregate. */
    bool is_foreign;
};

/* ---- the caller ---- */

/* bit numbers; the same as faregate.v1.Role */
enum role {
    ROLE_TRAVELLER = 1,
    ROLE_AGENT = 2,
    ROLE_AIRLINE_OPS = 3,
    ROLE_FINANCE = 4,
    ROLE_SUPPORT = 5,
    ROLE_ADMIN = 6,
    ROLE_SERVICE = 7,
};

struct principal {
    bool known;
    struct uuid user_id;
    struct uuid session_id;
    uint32_t roles; /* bit (1u << enum role) */
    int64_t issue_wall_ns;
    int64_t expire_wall_ns;
};

static inline bool principal_has(const struct principal *p, enum role role)
{
    return p->known && (p->roles & (1u << role)) != 0;
}

/* ---- the call ---- */

/* The part handlers may touch; the rest is the runner's (grpc/internal.h embeds this first). */
struct call {
    void *state;
    struct arena arena;    /* everything allocated for the call */
    struct op_scope scope; /* what it waits for */
    struct principal principal;
    const struct rpc_method *method;
    struct server *server;
    unsigned attempt;        /* 1, 2, ... after restarts */
    struct uuid request_id;  /* idempotent methods: parsed from the request; nil otherwise */
    uint8_t fingerprint[16]; /* of the request without its request_id; idempotent methods only */
};

/* The request message (unary and server-streaming). Cast to the type of the method. */
const void *call_request(const struct call *c);

/* Streaming in: the next message, or NULL if none is there yet or the client has to read first
 * (call_send said false); call_half_closed tells whether more can come. The message before it is
 * gone. */
const void *call_next_request(struct call *c);
bool call_half_closed(const struct call *c);

/* Streaming out: queues one message (headers go with the first). False: the client is slow,
 * STEP_PARK until it took some; the message is queued all the same, so it must not be sent again.
 */
bool call_send(struct call *c, const ProtobufCMessage *message);

enum call_compress {
    COMPRESS_BY_SIZE, /* the default: what is long enough for it to pay */
    COMPRESS_NEVER,
    COMPRESS_ALWAYS, /* whatever the length, if that makes it shorter */
};

/* How the messages from here on leave. A client that does not take gzip gets them plain whatever
 * this says, and so does every client of a method with no_compress. */
void call_compress(struct call *c, enum call_compress how);
/* Whether the message that call_request or call_next_request gave came compressed. */
bool call_request_compressed(const struct call *c);

/* Ends the call with OK. Unary: with @message (packed before this returns; after COMMIT the bytes
 * leave). Streams: NULL. */
enum step call_reply(struct call *c, const ProtobufCMessage *message);
/* A reply that is already serialized: replays of idempotent calls. */
enum step call_reply_bytes(struct call *c, const uint8_t *p, size_t bytes);
/* The bytes call_reply would send, so that a statement can store them. Memory: the arena. */
struct str call_pack(struct call *c, const ProtobufCMessage *message);

/* Ends the call with a reason. Its code, sentence and retry advice come from reasons.def. */
enum step call_fail(struct call *c, enum reason reason);
/* The same, and names the field: BadRequest.FieldViolation. @format makes the description for
 * people. */
enum step call_fail_field(struct call *c, enum reason reason, const char *field, const char *format,
                          ...) __attribute__((format(printf, 4, 5)));
/* Adds a key and value to the ErrorInfo metadata of the failure that follows; also
 * PreconditionFailure subject. */
void call_fail_with(struct call *c, const char *key, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* Ends the call with any other status: for standard services, whose errors are not Faregate's
 * reasons. @message is UTF-8 and copied; may be NULL. A @code that is not one of 1 to 16 becomes
 * UNKNOWN. */
enum step call_fail_status(struct call *c, enum status_code code, const char *message);
/* The failure that follows carries RetryInfo and grpc-retry-pushback-ms; negative: do not retry. */
void call_fail_pushback(struct call *c, int32_t pushback_ms);

/* Whether the answer is a replay: trailer idempotent-replayed: true. */
void call_replayed(struct call *c, bool is_replay);

/* From here on the call's statements run in one transaction (a TX_NONE handler that finds it needs
 * one). */
void call_begin_tx(struct call *c);
/* Commits what is open, behind the statements of this step, before the next step runs (for example
 * before a provider call). With call_fail in the same step: the work is kept and the call fails.
 * Afterwards statements run as the handler's tx says; call_begin_tx begins anew. */
void call_commit(struct call *c);

/* A fact for the log event: never a sentence, never a secret. */
void call_note(struct call *c, const char *key, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Calls @fn at the end of the call, whatever ends it, before the arena goes. Last in, first out. */
void call_defer(struct call *c, void (*fn)(void *arg), void *arg);

/* Wakes a parked call; safe on a call that is not parked. */
void call_wake(struct call *c);
/* Wakes a parked call when this much time has passed. */
void call_wake_after(struct call *c, uint32_t delay_ms);
/* True once the server drains: long streams should end with call_fail(c, REASON_SHUTTING_DOWN) or
 * OK. */
bool call_draining(const struct call *c);

/* ---- metadata ---- */

/* Of the request: the first value of @name, -bin values decoded; empty if absent. The grpc-* names
 * are gRPC's own and hidden, except grpc-previous-rpc-attempts, grpc-retry-pushback-ms and
 * grpc-trace-bin (PROTOCOL-HTTP2). Memory: the call. */
struct str call_metadata(const struct call *c, struct str name);
/* All of it, in the order of arrival: *at begins at 0. False past the end. */
bool call_metadata_next(const struct call *c, unsigned *at, struct str *ret_name,
                        struct str *ret_value);

/* Adds a field to the response headers. They leave with the first message or with
 * call_send_headers; where neither happens, they are part of the Trailers-Only block. @name is
 * lower case [0-9a-z_.-] and not reserved (grpc-*, content-type, connection, ...); @value printable
 * ASCII without spaces around it, or any bytes where @name ends in "-bin". Both are copied; the
 * same name may be added again. 0 · -EINVAL: gRPC does not allow it · -E2BIG: the block would be
 * larger than metadata_bytes_max · -EALREADY: the headers have left · -ENOMEM: the call's budget.
 */
int call_header(struct call *c, struct str name, struct str value);
/* The same for the trailers. A handler may bring its own "grpc-status-details-bin" here for
 * call_fail_status; beside a reason's own it is dropped. */
int call_trailer(struct call *c, struct str name, struct str value);
/* Sends the response headers now, before there is a message. From here on the call is committed:
 * clients and proxies do not retry it, and nothing is restarted. */
void call_send_headers(struct call *c);

/* What every request that is made for this call carries on, so that tracing in the mesh goes on
 * behind us: our traceparent, and what the caller sent of tracestate, x-request-id, b3 and their
 * like (as text; grpc-trace-bin in base64). Memory: the call. *at begins at 0. False past the end.
 */
bool call_trace_next(struct call *c, unsigned *at, struct str *ret_name, struct str *ret_value);

/* ---- around the call ---- */

/* The client's address: the socket's, or what a PROXY header or a believed forwarder says. */
struct str call_peer(const struct call *c);
/* The service that the client proved to be ("spiffe://...", "dns:...", "unix:uid=..."), and how;
 * empty: nobody known. Not the user of a token: that is c->principal. */
struct str call_identity(const struct call *c, enum peer_proof *ret_proof);
int64_t call_deadline_ns(const struct call *c);
int64_t call_wall_ns(const struct call *c);
/* The object main registered for services (their caches, keys, reference data): see services/app.h.
 */
void *call_app(const struct call *c);

/* ---- calls without a client: jobs and start-up ---- */

/* Runs @handler once with no peer; @on_end gets REASON_NONE or what failed. The call's app,
 * database and limits are the server's. @request may be NULL; it is not copied. */
int call_run_internal(struct server *server, const struct rpc_handler *handler, const void *request,
                      uint32_t timeout_ms, void (*on_end)(void *ctx, enum reason reason),
                      void *ctx);

/* ---- the server, for main ---- */

struct server_limits {
    uint32_t message_bytes_max; /* request, before and after inflating */
    uint32_t reply_bytes_max;
    uint32_t arena_bytes_max; /* per call */
    uint32_t message_depth_max;
    uint32_t deadline_default_ms; /* when the client sets none */
    uint32_t deadline_max_ms;
    uint32_t calls_max;              /* in flight per worker; above: OVERLOADED with pushback */
    uint32_t stream_queue_bytes_max; /* per streaming call, not yet taken by the client */
    uint32_t metadata_bytes_max; /* header list a handler may add to the headers, and to trailers */
    uint32_t loop_lag_max_ms;    /* above: search is refused, and not ready; 0: never */
    uint32_t queue_wait_max_ms;  /* for the database; above: OVERLOADED; 0: never */
    uint32_t te_required; /* 1: a call without te: trailers is refused; 0: served and counted */
    uint32_t load_report_ms_min; /* ORCA streams: reports come no faster */
    uint32_t drain_grace_ms;
};

extern const struct server_limits server_limits_default;

/* What the layers above provide. */
struct server_hooks {
    /* Checks a bearer token (signature, expiry, revocation). REASON_NONE and *ret_principal, or why
     * not. Must not block. */
    enum reason (*authenticate)(void *app, struct str token, int64_t wall_ns,
                                struct principal *ret_principal);
    const struct op_tx *tx;
    /* How long what comes now would wait for @db; @is_read: if it only reads. May be NULL. */
    int64_t (*wait_ns)(const void *db, bool is_read);
    void *db;  /* becomes scope.db */
    void *app; /* call_app */
};

struct health; /* grpc/health.h */
struct obs;    /* obs/obs.h */

int server_new(struct server **ret_server, struct loop *loop, const struct server_limits *limits,
               const struct server_hooks *hooks, const struct rpc_service *const *services,
               struct obs *obs, char *error, size_t error_bytes);
struct server *server_free(struct server *server);

/* The handler table to give to h2_server_new, with ctx = server. */
struct h2_handler;
extern const struct h2_handler server_h2_handler;

/* Whether @list, comma-separated, names who can prove it, and not too many. 0, or -EINVAL and a
 * line in @error. */
int service_identities_check(const char *list, char *error, size_t error_bytes);
/* Of such a list, which outlives the server: whoever proves to be one of it and sends no token is a
 * principal with ROLE_SERVICE. */
void server_set_service_identities(struct server *server, const char *list);
struct health *server_health(struct server *server);
/* What channelz shows: the connections of this worker, and its number. Before: nothing. */
void server_set_connections(struct server *server, const struct h2_server *h2, unsigned worker);
/* Lets anybody ask channelz, not only administrators and operators: it tells peers' addresses. */
void server_open_channelz(struct server *server);
/* One more thing that load reports tell, as the last call said; @max 0: it has no limit. @name is
 * static, short, and one of at most seven. */
void server_set_load(struct server *server, const char *name, double value, double max);
/* @cpus: what this process may use, for its utilization. @on_replies: every reply carries the
 * report in the trailer endpoint-load-metrics-bin, some hundred bytes. */
void server_report_load(struct server *server, double cpus, bool on_replies);
/* While it starts, a server answers only the standard services (health says what it waits for); a
 * call to any other is refused with DATABASE_UNAVAILABLE, which clients and proxies retry. New
 * servers are not starting. */
void server_set_starting(struct server *server, bool is_starting);
/* The drain's grace is over, or was cut short: every call ends with SHUTTING_DOWN (UNAVAILABLE;
 * RST_STREAM where messages were sent), those behind a COMMIT when its result is in. */
void server_end_calls(struct server *server);
/* Names what servers count, at its place in /metrics; server_new does it as well. */
struct obs_region;
void server_metrics(struct obs_region *region);
/* Begins to measure how late the loop is (loop_lag_max_ms). Ends with the server. */
void server_watch_lag(struct server *server);
/* How late what was due ran lately, and whether that is so late that nothing new should come
 * (loop_lag_max_ms; until it is below half of it again). */
int64_t server_lag_ns(const struct server *server);
bool server_is_lagging(const struct server *server);
/* Drain: health says NOT_SERVING, parked streams are woken, new calls are refused by h2. */
void server_drain(struct server *server);
/* One event for each call in flight, the oldest first and some dozens at most (SIGQUIT). */
void server_log_calls(struct server *server);
unsigned server_calls_in_flight(const struct server *server);
