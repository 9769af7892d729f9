/* What the files of this folder share: the method table, the private half of a call, the server
 * object. Only grpc/ and its tests include it. The registry and the guard (rules) are built next to
 * the runner and meet it here: struct rpc_method is filled by registry_new, then read-only. */
#pragma once

#include <protobuf-c/protobuf-c.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/list.h"
#include "base/reason.h"
#include "base/str.h"
#include "grpc/answer_blocks.h"
#include "grpc/count.h"
#include "grpc/deadline.h"
#include "grpc/frame.h"
#include "grpc/grpc.h"
#include "grpc/intercept.h"
#include "grpc/lasting.h"
#include "grpc/overload.h"
#include "h2/h2.h"
#include "obs/obs.h"

/* ---- methods: filled by the registry ---- */

/* The numbers are those of faregate.v1.Auth. */
enum rpc_auth {
    RPC_AUTH_PUBLIC = 1, /* a token is not looked at */
    RPC_AUTH_USER = 2,
    RPC_AUTH_STAFF = 3,
    RPC_AUTH_SERVICE = 4,
};

/* The numbers are those of faregate.v1.Criticality. */
enum rpc_criticality {
    RPC_CRITICALITY_LOW = 1,
    RPC_CRITICALITY_NORMAL = 2,
    RPC_CRITICALITY_HIGH = 3,
};

/* The method options of the .proto, with zeros already replaced by the server's limits. */
struct rpc_policy {
    enum rpc_auth auth;
    bool is_idempotent;   /* mutating; request_id is required, repeating it is safe */
    bool is_local;        /* a standard service: it waits for no database */
    bool changes_nothing; /* idempotency_level = NO_SIDE_EFFECTS: no outcome of it can be unknown */
    enum rpc_criticality criticality;
    bool no_compression;          /* replies with secrets (CRIME) */
    uint32_t roles;               /* any of these bits (1u << enum role); 0: any principal */
    uint32_t deadline_default_ms; /* when the client sets none */
    uint32_t deadline_max_ms;     /* 0: none (long streams) */
    uint32_t request_bytes_max;   /* before and after inflating */
    uint32_t reply_bytes_max;
    uint32_t rate_per_minute_max; /* per principal, or per peer address when public; 0: unlimited */
    uint32_t in_flight_max;       /* of this method in one worker; 0: no limit of its own */
    bool lasts; /* anybody may open it and nothing ends it: limited as in lasting.c */
};

#define RPC_STEPS_MAX 16

struct message_rules; /* grpc/rules.h */
struct descriptors;   /* grpc/descriptors.h */

struct rpc_method {
    struct str path;      /* "/faregate.v1.BookingService/CreateBooking" */
    struct str full_name; /* the same without the first slash */
    const struct rpc_service *service;
    const struct rpc_handler *handler; /* NULL: UNIMPLEMENTED */
    const ProtobufCMessageDescriptor *request;
    const ProtobufCMessageDescriptor *reply;
    const struct message_rules *rules; /* of the request; NULL: none */
    struct rpc_policy policy;
    bool client_streaming;
    bool server_streaming;
    int request_id_tag;           /* field number of string request_id; 0: the request has none */
    uint32_t request_id_offset;   /* of its char * in the unpacked struct */
    int obs;                      /* obs_method index; -1: not counted */
    int obs_steps[RPC_STEPS_MAX]; /* obs_step indices; -1: not counted */
};

/* A plain table with a hash over it; tests fill @methods by hand and call registry_index. */
struct registry {
    struct rpc_method *methods;
    size_t method_count;
    struct str *services; /* full names, for the two texts of UNIMPLEMENTED */
    size_t service_count;
    uint32_t *slots; /* open addressing over path: index + 1, 0 is empty */
    size_t slot_mask;
    struct descriptors *descriptors; /* owns the rules; NULL in a registry made by hand */
};

/* Pairs @services with the descriptor set; adds health and reflection. Boot error: negative and one
 * line in @error. */
int registry_new(struct registry **ret_registry, const struct rpc_service *const *services,
                 const struct server_limits *limits, struct obs *obs, char *error,
                 size_t error_bytes);
/* The same from another descriptor set than the program's own. */
int registry_new_of(struct registry **ret_registry, struct str set,
                    const struct rpc_service *const *services, const struct server_limits *limits,
                    struct obs *obs, char *error, size_t error_bytes);
struct registry *registry_free(struct registry *registry);
/* (Re)builds the hash and the list of services from @methods. What it replaces, and @methods, is
 * freed by free. */
int registry_index(struct registry *registry);
const struct rpc_method *registry_find(const struct registry *registry, struct str path);
bool registry_has_service(const struct registry *registry, struct str full_name);

/* ---- the guard: bytes to a checked message ---- */

#define VIOLATIONS_MAX 16

struct violation {
    const char *field; /* "passengers[0].given_name"; arena or static */
    const char *description;
};

struct violations {
    unsigned count;
    struct violation items[VIOLATIONS_MAX];
};

/* Scans (depth, UTF-8, NUL, counts), unpacks into @arena, applies the method's rules.
 * 0 · -EBADMSG: no such message on the wire (INTERNAL) · -ENOMEM: the arena's budget
 * (RESOURCE_EXHAUSTED) · -EINVAL: *ret_violations says which fields (FIELD_INVALID). @p need not
 * stay valid. */
int guard_unpack(struct arena *arena, const struct rpc_method *method, uint32_t depth_max,
                 const uint8_t *p, size_t bytes, ProtobufCMessage **ret_message,
                 struct violations *ret_violations);

/* ---- health: the server owns one ---- */

int health_new(struct health **ret_health, struct loop *loop);
struct health *health_free(struct health *health);
/* NOT_SERVING for good; wakes the watchers (their calls end by call_draining). */
void health_shutdown(struct health *health);

/* ---- the private half of a call ---- */

#define CALL_METADATA_INLINE 24
#define CALL_METADATA_MAX 256 /* values: joined ones of -bin fields are nothing to HPACK */
#define CALL_HEAD_BYTES 640
#define CALL_NOTES_MAX 8
#define CALL_DEFER_MAX 4
#define CALL_FACTS_MAX 6

enum encoding { ENCODING_IDENTITY, ENCODING_GZIP, ENCODING_OTHER };

/* Found while the header block comes in, answered in the order of the intake table. */
enum intake_fault {
    FAULT_AUTHORITY = 1 << 0,
    FAULT_PATH = 1 << 1,
    FAULT_SCHEME = 1 << 2,
    FAULT_CONTENT_TYPE = 1 << 3,
    FAULT_SUBTYPE = 1 << 4,
    FAULT_HTTP_METHOD = 1 << 5,
    FAULT_TOO_LARGE = 1 << 6,
    FAULT_TE = 1 << 7,
    FAULT_TIMEOUT = 1 << 8,
    FAULT_BINARY = 1 << 9,
};

enum call_phase {
    CALL_HEADERS,    /* the header block is coming in */
    CALL_RECEIVING,  /* unary: the message is coming in */
    CALL_RUNNING,    /* steps run; it is waiting for operations, or parked */
    CALL_COMMITTING, /* the answer is made; COMMIT is on its way */
    CALL_ENDED, /* status sent (or nobody is left to send it to); memory lives until on_close */
};

/* RFC 9113 section 6.5.2: what a field costs beyond its bytes. */
#define FIELD_OVERHEAD_BYTES 32

static inline size_t header_list_bytes(const struct h2_header *h)
{
    return h->name.n + h->value.n + FIELD_OVERHEAD_BYTES;
}

/* Metadata of one block that a handler sends; the call's arena. */
struct sent_fields {
    struct h2_header *fields;
    unsigned count;
    unsigned max;
    size_t bytes; /* as SETTINGS_MAX_HEADER_LIST_SIZE counts */
};

struct call_pair {
    const char *key;
    const char *value;
};

struct call_cleanup {
    void (*fn)(void *arg);
    void *arg;
};

/* One streamed message on its way to the client; freed once h2 has taken its bytes. */
struct outgoing {
    struct list node;
    struct call_impl *call;
    size_t bytes;
    uint8_t p[];
};

struct call_impl {
    struct call pub;          /* first: call_impl_of */
    struct list node;         /* in server->calls while in flight, else in the pool */
    struct list woken;        /* in server->arriving, then ->ready until it runs, then in ->woken */
    struct h2_stream *stream; /* NULL: internal, or the client has gone */
    enum call_phase phase;

    /* intake */
    struct arena head_arena; /* what is beyond the inline arrays, decoded -bin values */
    struct str path;
    struct str authority;
    struct str token; /* after "Bearer " */
    struct str traceparent;
    struct str user_agent;
    struct str peer; /* once the stream is gone */
    /* What proxies said, and what became of it (forwarded.c). */
    struct str forwarded_for, forwarded_cert, external_address;
    struct str client;   /* empty: the connection's peer */
    struct str via;      /* the proxy whose PROXY header named the peer */
    struct str identity; /* proved; the connection's, or in the head arena */
    enum peer_proof proof;
    int64_t timeout_ns;  /* -1: none was sent */
    int64_t granted_ns;  /* what the call has, all told; -1: no end */
    int64_t expected_ns; /* how long a trusted proxy waits; 0: it did not say */
    int64_t previous_attempts;
    unsigned faults;        /* enum intake_fault bits */
    size_t head_text_bytes; /* used */
    enum encoding encoding;
    bool accepts_gzip, subtype_proto;
    bool has_authority, has_host, has_http_method, has_content_type, has_te, headers_done;
    bool has_authorization; /* also one without a token in it */
    struct h2_header *metadata;
    unsigned metadata_count, metadata_max;

    /* request */
    struct arena request_arena; /* the message: survives restarts */
    struct buf in;  /* what is not a whole message yet; streams: what no step took yet */
    size_t unacked; /* bytes in @in whose window was not given back */
    const void *request;
    unsigned messages_in;
    size_t request_bytes;
    bool half_closed, request_compressed; /* the message in @request was */
    bool is_internal;                     /* a job's: no peer, no stream ever */

    /* steps */
    const struct rpc_handler *handler;
    int64_t started_ns, run_ns, ended_ns; /* headers, a whole request, an answer */
    int64_t step_started_ns;
    struct wheel_timer deadline;
    struct wheel_timer wake;
    enum reason deadline_reason; /* DEADLINE_PASSED, or TOKEN_EXPIRED where the token ends first */
    enum reason interrupted;     /* after COMMIT was sent: what would have ended the call */
    unsigned step;
    unsigned step_ops; /* still pending when the step returned */
    enum step last;    /* what the step before said */
    bool counted;      /* in server->calls */
    uint32_t *lasting; /* where it counts as a stream that lasts; NULL: nowhere */
    bool step_open;    /* its time is not recorded yet */
    bool parked;
    bool answered;     /* call_reply or call_fail happened */
    bool broken;       /* the request stream turned out to be malformed inside a step */
    bool commit_asked; /* call_commit in this step */
    bool commit_started;
    bool committed; /* an earlier step's work is in the database for good */
    uint32_t step_us[RPC_STEPS_MAX];

    /* answer */
    enum reason reason; /* of the failure; REASON_NONE: OK or a protocol error */
    enum status_code code;
    uint16_t http_status;
    const char *message; /* for people; NULL: the reason's sentence */
    const char *detail;  /* for the log: what the database said */
    bool was_reset;      /* for the log as well, with what follows */
    enum h2_end reset_by;
    uint32_t reset_code;
    struct str reply;  /* framed bytes to send, empty for streams */
    struct str packed; /* the last call_pack: 5 bytes are reserved in front of it */
    size_t reply_bytes;
    struct sent_fields sent_headers, sent_trailers;
    struct list outgoing;  /* struct outgoing */
    size_t streamed_bytes; /* their sum */
    enum call_compress compress;
    bool reply_compressed, headers_sent, replayed, has_pushback;
    int32_t pushback_ms;

    /* around */
    struct trace trace;
    unsigned fact_count, note_count, cleanup_count;
    void (*on_end)(void *ctx, enum reason reason);
    void *on_end_ctx;

    /* From here on nothing is zeroed when the call begins, but the count of violations. */
    struct violations violations;
    struct call_pair facts[CALL_FACTS_MAX]; /* ErrorInfo metadata */
    struct call_pair notes[CALL_NOTES_MAX];
    struct call_cleanup cleanups[CALL_DEFER_MAX];
    struct h2_header metadata_inline[CALL_METADATA_INLINE];
    char head_text[CALL_HEAD_BYTES]; /* what is kept of the header block, as far as it goes */
};

static inline struct call_impl *call_impl_of(struct call *c)
{
    return (struct call_impl *)c;
}

static inline const struct call_impl *call_impl_of_const(const struct call *c)
{
    return (const struct call_impl *)c;
}

/* ---- the server ---- */

struct rate_table;
struct identity_table;
struct fingerprinter;
struct compressor;
struct load;

/* Calls of clients since the start of this process, refused ones too. */
struct server_tally {
    uint64_t started, succeeded, failed;
    int64_t last_started_ns; /* the loop's clock; 0: none yet */
};

struct server {
    struct loop *loop;
    struct server_limits limits;
    struct server_hooks hooks;
    struct registry *registry;
    const struct interceptor *interceptors;
    struct health *health;
    struct obs *obs; /* may be NULL: tests */
    struct wheel wheel;
    struct rate_table *rates;
    struct identity_table *identities; /* NULL: none */
    struct fingerprinter *fingerprinter;
    struct compressor *compressor;
    struct answer_blocks blocks;
    struct list calls;    /* in flight */
    struct list pool;     /* struct call_impl to reuse */
    struct list arriving; /* whose request is not whole yet, the oldest first */
    struct list ready;    /* whole requests of the read under way, to be started behind it */
    unsigned ready_count;
    struct list woken; /* to be resumed at the end of this turn */
    struct loop_task wake_task;
    ev_timer wake_later; /* the rest of them, in the next turn */
    struct wheel_timer drain_timer;
    struct internal_method *internal_methods;
    int obs_other; /* obs_method index of what is not in the table */
    unsigned calls_in_flight;
    unsigned calls_lasting; /* of those: they take no room from the others */
    uint32_t lasting_by_client[LASTING_ROWS];
    unsigned pooled;
    const struct h2_server *h2; /* what channelz shows; NULL: nothing */
    unsigned worker;            /* this process's number */
    struct server_tally tally;
    struct load *load;
    bool load_on_replies;
    bool draining;
    bool starting;             /* only the standard services are answered yet */
    struct method_load *loads; /* by index in registry->methods */
    struct wheel_timer lag_timer;
    int64_t lag_due_ns; /* when it should fire */
    int64_t lag_ns;
    bool is_lagging;
    uint64_t counts[COUNT_COUNT];
    int count_metrics[COUNT_COUNT]; /* obs_metric indices; -1: not shown */
    int64_t wall_ns;                /* read once per turn */
    int64_t wall_turn_ns;           /* loop->now_ns when it was read */
};

/* The same as server_new with a registry made by hand, which it then owns. */
int server_new_with(struct server **ret_server, struct loop *loop,
                    const struct server_limits *limits, const struct server_hooks *hooks,
                    struct registry *registry, struct obs *obs);

/* Wall clock, read at most once per loop turn. */
int64_t server_wall_ns(struct server *server);

/* ---- call.c: birth and death ---- */

/* Its memory counts in *@owned: its connection's, see h2_owned; NULL: in nobody's. */
struct call_impl *call_new(struct server *server, size_t *owned);
/* Its method takes a password or the like, which must not stay in memory. */
static inline bool call_has_secret(const struct call_impl *ci)
{
    const struct rpc_method *method = ci->pub.method;
    return method && method->handler && method->handler->has_secret;
}
/* Back to the pool: ended, and h2 has let go of the stream. */
void call_release(struct call_impl *ci);
/* Formats into the call's arena; NULL when the budget is spent (used while failing). */
char *call_format(struct call_impl *ci, const char *format, va_list args);

/* ---- metadata.c ---- */

/* Keeps one field for call_metadata; -EINVAL: a -bin value is not base64; -E2BIG, -ENOMEM. */
int metadata_add(struct call_impl *ci, struct str name, struct str value);

/* ---- metadata_send.c ---- */

/* Copies what fits into *bytes_left, in order; @has_own_details: the handler's are dropped (they
 * would contradict). Returns how many. */
size_t sent_fields_put(const struct sent_fields *sent, bool has_own_details,
                       struct h2_header *ret_headers, size_t *bytes_left);
/* ---- intake_headers.c ---- */

void intake_on_header(struct h2_stream *s, enum h2_field which, struct str name, struct str value,
                      void *ctx);
/* What is wrong with the whole block; 0: nothing that does not depend on the method. */
unsigned intake_faults(const struct call_impl *ci, bool over_limit);
/* Sets the status of the fault that comes first. */
void intake_judge(struct call_impl *ci, unsigned faults);

/* ---- intake.c ---- */

/* Streaming in: takes the next whole message out of ci->in. NULL: none yet, or ci->broken. */
const void *intake_next(struct call_impl *ci);

/* ---- trace.c ---- */

/* Begins the call's span: in the trace that the caller names in traceparent, b3 or grpc-trace-bin,
 * or in a new one. */
void call_trace_begin(struct call_impl *ci);

/* ---- runner.c ---- */

/* The deadline, for calls that were admitted. */
void call_arm(struct call_impl *ci, int64_t timeout_ns);
/* Runs the first step. */
void call_start(struct call_impl *ci);
/* Resumes a parked call; nothing if it is not parked. Not from inside a step: call_wake defers to
 * here. */
void call_resume_parked(struct call_impl *ci);
/* The client went away, the deadline passed, the server stops: ends the call now, or after the
 * COMMIT that was sent. */
void call_interrupt(struct call_impl *ci, enum reason reason);
/* Ends the call with what ci->code, reason and reply say: sends, counts, logs, cleans up. @ci may
 * be gone afterwards. */
void call_finish(struct call_impl *ci);
void call_run_cleanups(struct call_impl *ci);

/* ---- status.c ---- */

/* Marks the call as failed; nothing is sent before call_finish. */
void call_set_reason(struct call_impl *ci, enum reason reason);
void call_set_status(struct call_impl *ci, enum status_code code, const char *message);

#define STATUS_HEADERS_MAX 8
/* What an answer may take from the arena on top of a budget that the call may have spent. */
#define STATUS_ARENA_BYTES 65536
/* grpc-status and what belongs to it, and the handler's trailers, in the call's arena; within
 * @bytes_max of a header list: what does not fit is first details, then the end of the message.
 * @ret_headers has room for STATUS_HEADERS_MAX and the trailers. Returns how many headers. */
size_t status_headers(struct call_impl *ci, size_t bytes_max, struct h2_header *ret_headers);

/* ---- call_send.c ---- */

/* The answer, in whatever form the call's state asks for. */
void call_send_answer(struct call_impl *ci);
/* The client took a streamed message, or the stream is gone. */
void call_drop_outgoing(struct call_impl *ci);

/* ---- log.c ---- */

void call_log(struct call_impl *ci);
