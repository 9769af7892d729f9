/* What the files of this folder share: the method table, the private half of a call, the server object.
 * Only grpc/ and its tests include it. The registry and the guard (rules) are built next to the runner and meet it here:
 * struct rpc_method is filled once by registry_new and read-only afterwards. */
#pragma once

#include <protobuf-c/protobuf-c.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/list.h"
#include "base/reason.h"
#include "base/str.h"
#include "grpc/deadline.h"
#include "grpc/frame.h"
#include "grpc/grpc.h"
#include "h2/h2.h"
#include "obs/obs.h"

/* ---- methods: filled by the registry ------------------------------------------------------------------------- */

/* The method options of the .proto, with zeros already replaced by the server's limits. */
enum rpc_auth { /* the numbers of faregate.v1.Auth */
    RPC_AUTH_PUBLIC = 1, /* a token is not looked at */
    RPC_AUTH_USER = 2,
    RPC_AUTH_STAFF = 3,
    RPC_AUTH_SERVICE = 4,
};

struct rpc_policy {
    enum rpc_auth auth;
    bool is_idempotent;           /* mutating, safe to repeat with the same request_id: the field is required */
    bool no_compression;          /* replies with secrets (CRIME) */
    uint32_t roles;               /* any of these bits (1u << enum role); 0: any principal */
    uint32_t deadline_default_ms; /* when the client sets none */
    uint32_t deadline_max_ms;     /* 0: none (long streams) */
    uint32_t request_bytes_max;   /* before and after inflating */
    uint32_t reply_bytes_max;
    uint32_t rate_per_minute_max; /* per principal, or per peer address when public; 0: unlimited */
    uint32_t in_flight_max;       /* of this method in one worker; 0: no limit of its own */
};

#define RPC_STEPS_MAX 16

struct message_rules; /* the rules helper's table for one message type */

struct rpc_method {
    struct str path;                               /* "/faregate.v1.BookingService/CreateBooking" */
    struct str full_name;                          /* the same without the first slash */
    const struct rpc_service *service;
    const struct rpc_handler *handler;             /* NULL: UNIMPLEMENTED */
    const ProtobufCMessageDescriptor *request;
    const ProtobufCMessageDescriptor *reply;
    const struct message_rules *rules;             /* of the request; NULL: none */
    struct rpc_policy policy;
    bool client_streaming;
    bool server_streaming;
    int request_id_tag;                            /* field number of string request_id; 0: the request has none */
    uint32_t request_id_offset;                    /* of its char * in the unpacked struct */
    int obs;                                       /* obs_method index; -1: not counted */
    int obs_steps[RPC_STEPS_MAX];                  /* obs_step indices; -1: not counted */
};

/* A plain table with a hash over it; tests fill @methods by hand and call registry_index. */
struct registry {
    struct rpc_method *methods;
    size_t method_count;
    struct str *services;                          /* full names, for the two texts of UNIMPLEMENTED */
    size_t service_count;
    uint32_t *slots;                               /* open addressing over path: index + 1, 0 is empty */
    size_t slot_mask;
};

/* Pairs @services with the descriptor set; adds health and reflection. Boot error: negative and one line in @error. */
int registry_new(struct registry **ret_registry, const struct rpc_service *const *services,
                 const struct server_limits *limits, struct obs *obs, char *error, size_t error_bytes);
struct registry *registry_free(struct registry *registry);
/* (Re)builds the hash from @methods. */
int registry_index(struct registry *registry);
const struct rpc_method *registry_find(const struct registry *registry, struct str path);
bool registry_has_service(const struct registry *registry, struct str full_name);

/* ---- the guard: bytes to a checked message ------------------------------------------------------------------- */

#define VIOLATIONS_MAX 16

struct violation {
    const char *field;            /* "passengers[0].given_name"; arena or static */
    const char *description;
};

struct violations {
    unsigned count;
    struct violation items[VIOLATIONS_MAX];
};

/* Scans (depth, UTF-8, NUL, counts), unpacks into @arena, applies the method's rules.
 * 0 · -EBADMSG: no such message on the wire (INTERNAL) · -ENOMEM: the arena's budget (RESOURCE_EXHAUSTED) ·
 * -EINVAL: *ret_violations says which fields (FIELD_INVALID). @p need not stay valid. */
int guard_unpack(struct arena *arena, const struct rpc_method *method, uint32_t depth_max, const uint8_t *p, size_t bytes,
                 ProtobufCMessage **ret_message, struct violations *ret_violations);

/* ---- health: the server owns one ----------------------------------------------------------------------------- */

int health_new(struct health **ret_health, struct loop *loop);
struct health *health_free(struct health *health);
/* NOT_SERVING for good; wakes the watchers (their calls end by call_draining). */
void health_shutdown(struct health *health);

/* ---- the private half of a call ------------------------------------------------------------------------------ */

#define CALL_METADATA_INLINE 24
#define CALL_NOTES_MAX 8
#define CALL_DEFER_MAX 4
#define CALL_FACTS_MAX 6

enum encoding {
    ENCODING_IDENTITY,
    ENCODING_GZIP,
    ENCODING_OTHER,
};

/* Found while the header block comes in, answered in the order of the intake table. */
enum intake_fault {
    FAULT_PATH = 1 << 0,
    FAULT_CONTENT_TYPE = 1 << 1,
    FAULT_SUBTYPE = 1 << 2,
    FAULT_HTTP_METHOD = 1 << 3,
    FAULT_TIMEOUT = 1 << 4,
    FAULT_BINARY = 1 << 5,
    FAULT_AUTHORITY = 1 << 6,
};

enum call_phase {
    CALL_HEADERS,   /* the header block is coming in */
    CALL_RECEIVING, /* unary: the message is coming in */
    CALL_RUNNING,   /* steps run; it is waiting for operations, or parked */
    CALL_COMMITTING,/* the answer is made; COMMIT is on its way */
    CALL_ENDED,     /* status sent (or nobody is left to send it to); memory lives until on_close */
};

struct call_pair {
    const char *key;
    const char *value;
};

struct call_cleanup {
    void (*fn)(void *arg);
    void *arg;
};

struct reply_buf; /* a packed message behind its 5-byte prefix */

struct call_impl {
    struct call pub;                        /* first: call_impl_of */
    struct list node;                       /* in server->calls while in flight, else in the pool */
    struct h2_stream *stream;               /* NULL: internal, or the client has gone */
    enum call_phase phase;

    /* intake */
    struct str path;
    struct str authority;
    struct str token;                       /* after "Bearer " */
    struct str traceparent;
    struct str user_agent;
    struct str unknown_encoding;
    int64_t timeout_ns;                     /* -1: none was sent */
    uint32_t previous_attempts;
    unsigned faults;                        /* enum intake_fault bits */
    enum encoding encoding;
    bool accepts_gzip;
    bool has_path, has_content_type, has_authority, has_te, has_encoding, headers_done;
    struct h2_header *metadata;
    unsigned metadata_count;
    unsigned metadata_max;

    /* request */
    struct arena request_arena;             /* survives restarts */
    struct buf in;                          /* what is not a whole message yet; streams: what no step took yet */
    size_t unacked;                         /* bytes in @in whose window was not given back */
    ProtobufCMessage *request;
    unsigned messages_in;
    size_t request_bytes;
    bool half_closed;
    bool request_taken;                     /* streaming: the message in @request was handed to a step */

    /* steps */
    int64_t started_ns;
    int64_t step_started_ns;
    struct wheel_timer deadline;
    struct wheel_timer wake;
    unsigned step;
    enum step last;                         /* what the step before said */
    bool parked;
    bool woken;                             /* while not parked: do not park at all */
    bool answered;                          /* call_reply or call_fail happened */
    bool commit_asked;
    bool want_tx;                           /* what scope.want_tx is at the start of an attempt */
    bool cancelled;                         /* the client has gone */
    uint32_t step_us[RPC_STEPS_MAX];

    /* answer */
    enum reason reason;                     /* of the failure; REASON_NONE: OK */
    enum status_code code;
    const char *message;                    /* for people; NULL: the reason's sentence */
    struct str reply;                       /* framed bytes to send, empty for streams */
    size_t reply_bytes;
    unsigned messages_out;
    unsigned streamed_bytes;                /* queued and not yet taken */
    bool headers_sent;
    bool replayed;
    bool has_pushback;
    int32_t pushback_ms;
    struct violations violations;
    struct call_pair facts[CALL_FACTS_MAX]; /* ErrorInfo metadata */
    unsigned fact_count;
    const char *quota_subject;

    /* around */
    struct trace trace;
    struct call_pair notes[CALL_NOTES_MAX];
    unsigned note_count;
    struct call_cleanup cleanups[CALL_DEFER_MAX];
    unsigned cleanup_count;
    void (*on_end)(void *ctx, enum reason reason);
    void *on_end_ctx;

    struct h2_header metadata_inline[CALL_METADATA_INLINE];
};

static inline struct call_impl *call_impl_of(struct call *c)
{
    return (struct call_impl *)c;
}

static inline const struct call_impl *call_impl_of_const(const struct call *c)
{
    return (const struct call_impl *)c;
}

/* ---- the server ---------------------------------------------------------------------------------------------- */

struct rate_table;
struct compressor;

struct server {
    struct loop *loop;
    struct server_limits limits;
    struct server_hooks hooks;
    struct registry *registry;
    struct health *health;
    struct obs *obs;                        /* may be NULL: tests */
    struct wheel wheel;
    struct rate_table *rates;
    struct compressor *compressor;
    struct list calls;                      /* in flight */
    struct list pool;                       /* struct call_impl to reuse */
    unsigned calls_in_flight;
    unsigned pooled;
    bool draining;
    uint32_t *in_flight;                    /* by index in registry->methods */
    uint64_t te_missing;                    /* calls without te: trailers */
    int64_t wall_offset_ns;                 /* wall minus monotonic, of the turn that began at wall_turn_ns */
    int64_t wall_turn_ns;
};

/* The same as server_new with a registry made by hand, which it then owns. */
int server_new_with(struct server **ret_server, struct loop *loop, const struct server_limits *limits,
                    const struct server_hooks *hooks, struct registry *registry, struct obs *obs);
