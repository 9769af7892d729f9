/* HTTP/2 server connections: nghttp2 turned into streams with callbacks. Knows sockets through io,
 * knows no gRPC. grpc/ is the only caller. What must stay true: h2_* may be called at any time,
 * also from inside these callbacks, and never calls back itself; all frames of one loop turn leave
 * in one write; a stream's memory is gone after on_close. */
#pragma once

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include "base/str.h"
#include "io/loop.h"

struct h2_server;
struct h2_conn;

/* RFC 9113 section 7. */
enum h2_error {
    H2_NO_ERROR = 0,
    H2_PROTOCOL_ERROR = 1,
    H2_INTERNAL_ERROR = 2,
    H2_FLOW_CONTROL_ERROR = 3,
    H2_REFUSED_STREAM = 7,
    H2_CANCEL = 8,
    H2_ENHANCE_YOUR_CALM = 11,
};

/* What ended a stream: we, a RST_STREAM of the client's, or the end of its connection, which may
 * have been our doing too: metrics have the causes. */
enum h2_end { H2_END_SERVER, H2_END_PEER, H2_END_CONNECTION };

struct h2_header {
    struct str name;
    struct str value;
    bool secret; /* never indexed by HPACK (authorization, tokens) */
};

/* One request and its response. The public part is read-only above h2. */
struct h2_stream {
    struct h2_conn *conn;
    int32_t id;
    void *user;         /* grpc: the call */
    bool trusted;       /* the listener's peers are proxies of ours: what they add is believed */
    bool request_ended; /* END_STREAM was received */
    bool response_started;
    bool response_ended; /* trailers were submitted */
    size_t queued_bytes; /* body bytes not yet handed to the socket */
};

/* Fields of a request by name, looked up once for all who care. */
enum h2_field {
    H2_FIELD_OTHER,
    H2_FIELD_METHOD,
    H2_FIELD_SCHEME,
    H2_FIELD_PATH,
    H2_FIELD_AUTHORITY,
    H2_FIELD_HOST,
    H2_FIELD_TE,
    H2_FIELD_CONTENT_LENGTH,
    H2_FIELD_CONTENT_TYPE,
    H2_FIELD_USER_AGENT,
    H2_FIELD_AUTHORIZATION,
    H2_FIELD_TRACEPARENT,
    H2_FIELD_GRPC_TIMEOUT,
    H2_FIELD_GRPC_ENCODING,
    H2_FIELD_GRPC_ACCEPT_ENCODING,
    H2_FIELD_FORBIDDEN, /* of HTTP/1 connections; never handed on */
};

enum h2_field h2_field_of(struct str name);

/* What the layer above does with streams. Called from the loop, never re-entered from h2_* calls of
 * the same stream. */
struct h2_handler {
    /* A stream begins. Set stream->user. */
    void (*on_open)(struct h2_stream *s, void *ctx);
    /* One field, in order, pseudo-headers first; valid during the call only. Also request
     * trailers, which count against the same header list limit: past it the stream is reset
     * (H2_ENHANCE_YOUR_CALM, what a client reads as RESOURCE_EXHAUSTED). */
    void (*on_header)(struct h2_stream *s, enum h2_field which, struct str name, struct str value,
                      void *ctx);
    /* The header block is complete and within the header list limit. @over_limit: it was not
     * (fields past it were dropped). */
    void (*on_request)(struct h2_stream *s, bool over_limit, void *ctx);
    /* Body bytes; valid during the call only. Give the window back with h2_consume as they are
     * dealt with. */
    void (*on_data)(struct h2_stream *s, const uint8_t *p, size_t bytes, void *ctx);
    /* The client has half-closed. */
    void (*on_end)(struct h2_stream *s, void *ctx);
    /* The stream is gone, whoever ended it; H2_CANCEL where the connection did. Last callback. */
    void (*on_close)(struct h2_stream *s, uint32_t error_code, enum h2_end by, void *ctx);
    /* All that one read brought has been told, of every stream. May be NULL. */
    void (*on_read_done)(void *ctx);
};

/* Every limit: unit in the name, default in h2_limits_default, flag in config. */
struct h2_limits {
    uint32_t streams_max; /* SETTINGS_MAX_CONCURRENT_STREAMS */
    uint32_t stream_window_bytes;
    uint32_t conn_window_bytes;
    uint32_t
        header_list_bytes_max; /* counted here: nghttp2 1.52 advertises but does not enforce it */
    uint32_t frame_bytes_max;
    uint32_t write_high_water_bytes; /* per connection: above it, no more is taken from streams */
    uint32_t outbound_frames_max;    /* waiting for a client that makes us queue them: close */
    uint32_t requests_per_turn_max;  /* of a connection; the rest waits for the others' turn */

    uint32_t handshake_timeout_ms; /* TLS */
    uint32_t preface_timeout_ms;   /* also for the acknowledgement of our SETTINGS */
    uint32_t headers_timeout_ms;   /* from a HEADERS frame to the end of its block */
    uint32_t write_timeout_ms;     /* no progress for that long with data queued: close */
    /* gRFC A9: no streams for that long, since the last one or the beginning; 0: never. */
    uint32_t idle_timeout_ms;
    /* gRFC A9: a connection is drained at that age, give or take a tenth, and closed when its
     * streams took longer than the grace; 0: never. */
    uint32_t age_max_ms;
    uint32_t age_grace_ms;
    /* gRFC A8: nothing was read for that long, with streams or without: we send a PING (0: never).
     * Nothing comes in that time after it: close. Also TCP_USER_TIMEOUT (gRFC A18). */
    uint32_t keepalive_time_ms;
    uint32_t keepalive_timeout_ms;
    /* The client's PINGs: one that comes sooner after the one before is a strike, unless we sent
     * HEADERS or DATA in between. More strikes than that: GOAWAY(ENHANCE_YOUR_CALM,
     * "too_many_pings"). */
    uint32_t ping_interval_min_ms;
    uint32_t ping_interval_idle_min_ms; /* without streams */
    uint32_t ping_strikes_max;

    uint32_t conns_max;      /* per worker; at the limit accepting pauses */
    uint32_t conns_soft_max; /* above it one that is idle, or only watches, is closed; 0: 9/10 */
    /* Of one peer address. Not for unix sockets. A sidecar's or a proxy's connections have one
     * address, hence half of conns_max: no peer alone fills a worker. 0: no limit. */
    uint32_t conns_per_address_max;
    /* TLS handshakes at once. At the limit the oldest makes room if it has lasted
     * handshake_spared_ms (somebody who is silent must not keep others out), else TLS listeners
     * pause until it has or one ends (in a crowd all get their turn, and none is cut off before it
     * could end). */
    uint32_t handshakes_max;
    uint32_t handshake_spared_ms;

    /* Streams that end badly through the client's doing, whoever sends the RST_STREAM
     * (CVE-2023-44487, CVE-2025-8671): the budget starts full and gains one per stream that ends
     * well, and so many a second. Empty: the connection is not read for a while; as far below zero
     * as the budget is large: GOAWAY. */
    uint32_t reset_burst_max;
    uint32_t reset_rate_per_s;
    /* Frames that carry no call forward: PING, SETTINGS, PRIORITY, unknown ones, WINDOW_UPDATE
     * beyond ten per DATA frame we sent, RST_STREAM and trailers beyond one per request. Empty:
     * GOAWAY. */
    uint32_t control_burst_max;
    uint32_t control_rate_per_s;

    /* Bytes held: received and not consumed, queued and not sent, and what its calls have
     * allocated, an answer in which counts a second time while it is queued. Above a connection's:
     * its new streams get REFUSED_STREAM, and its receive window opens only as bytes are consumed.
     * Above a worker's: so do those of the connections that hold more than the average, and these
     * are not read; the others go on. A quarter above a worker's, because of what streams that are
     * open still wanted to say, the connection that holds most is closed. */
    uint32_t conn_buffered_bytes_max;
    uint32_t buffered_bytes_max;
};

/* Why connections ended: H2_CLOSE_<NAME> and the label of the counter. */
#define H2_CLOSE_CAUSES(X)                                                                         \
    X(PEER, "peer")                       /* it closed, or the network did */                      \
    X(ERROR, "error")                     /* of the socket */                                      \
    X(HANDSHAKE, "handshake")             /* TLS failed or took too long */                        \
    X(PREFACE, "preface")                 /* did not come in time */                               \
    X(HTTP1, "http1")                     /* spoke another version */                              \
    X(PROTOCOL, "protocol")               /* broke HTTP/2's rules */                               \
    X(HEADERS, "headers")                 /* a header block too large, or of too many frames */    \
    X(HEADERS_TIMEOUT, "headers_timeout") /* a header block that did not end */                    \
    X(RESETS, "resets")                   /* too many streams ended badly */                       \
    X(FLOOD, "flood")                     /* too many frames that do nothing */                    \
    X(PINGS, "pings")                     /* too_many_pings */                                     \
    X(KEEPALIVE, "keepalive")             /* our PING was not answered */                          \
    X(WRITE_TIMEOUT, "write_timeout")     /* it takes nothing */                                   \
    X(QUEUE, "queue")                     /* too many frames wait for it */                        \
    X(BYTES, "bytes")                     /* held most when a worker held too much */              \
    X(IDLE, "idle")                                                                                \
    X(AGE, "age")                                                                                  \
    X(HANDSHAKES, "handshakes") /* made room for another handshake */                              \
    X(CONNS, "conns")           /* closed while idle, or watching: above conns_soft_max */         \
    X(ADDRESS, "address")       /* too many from one address */                                    \
    X(DRAIN, "drain")                                                                              \
    X(SHUTDOWN, "shutdown") /* h2_server_close */

#define H2_CLOSE_ENUM(name, label) H2_CLOSE_##name,
enum h2_close { H2_CLOSE_CAUSES(H2_CLOSE_ENUM) H2_CLOSE_COUNT };

/* Why streams got REFUSED_STREAM before anybody above heard of them. */
#define H2_REFUSAL_CAUSES(X)                                                                       \
    X(STREAMS, "streams")           /* streams_max */                                              \
    X(CONN_BYTES, "conn_bytes")     /* conn_buffered_bytes_max */                                  \
    X(WORKER_BYTES, "worker_bytes") /* buffered_bytes_max */                                       \
    X(DRAIN, "drain")               /* came after the last GOAWAY */

#define H2_REFUSAL_ENUM(name, label) H2_REFUSAL_##name,
enum h2_refusal { H2_REFUSAL_CAUSES(H2_REFUSAL_ENUM) H2_REFUSAL_COUNT };

/* The labels, static. */
const char *h2_close_name(enum h2_close cause);
const char *h2_refusal_name(enum h2_refusal cause);

extern const struct h2_limits h2_limits_default;

struct gate; /* io/gate.h */
struct peer; /* io/peer.h */

/* Counters the worker publishes; plain integers of this thread. */
struct h2_stats {
    uint64_t conns_accepted, conns_open, conns_refused, streams_opened, streams_open,
        tls_handshakes_ok, tls_handshakes_failed;
    uint64_t bytes_read, bytes_written, reads, writes;
    uint64_t conns_closed[H2_CLOSE_COUNT];
    uint64_t streams_refused[H2_REFUSAL_COUNT];
    uint64_t keepalives_sent;
    /* Times listeners paused: at conns_max, all of them; at handshakes_max, those with TLS. */
    uint64_t accepts_held_conns, accepts_held_handshakes;
    uint64_t reads_held;     /* times a connection was not read for a while: resets, bytes, turns */
    uint64_t buffered_bytes; /* now */
};

int h2_server_new(struct h2_server **ret_server, struct loop *loop, const struct h2_limits *limits,
                  const struct h2_handler *handler, void *ctx);
struct h2_server *h2_server_free(struct h2_server *server);

/* Accepts on @fd (listening, non-blocking, shared with other workers); @gate NULL for cleartext
 * with prior knowledge. Even spread: a worker that has more connections than its fair share pauses;
 * see accept_weight. */
int h2_server_listen(struct h2_server *server, int fd, const struct gate *gate);

/* A shared array of open connections per worker (in shared memory) and our slot in it, for even
 * spread. May be NULL. */
void h2_server_set_balance(struct h2_server *server, uint32_t *conns_by_worker, unsigned workers,
                           unsigned self);

/* Graceful: stop accepting, GOAWAY(2^31-1) + PING, then GOAWAY(last id); @on_drained once no stream
 * is left. */
void h2_server_drain(struct h2_server *server, void (*on_drained)(void *ctx));
/* Ends what is left now: no frame is sent any more. Lets h2_server_drain report. */
void h2_server_close(struct h2_server *server);

const struct h2_stats *h2_server_stats(const struct h2_server *server);
/* The transport's own, all connections together: io/conn.h. */
struct conn_stats;
const struct conn_stats *h2_server_conn_stats(const struct h2_server *server);

/* One connection, or one listener, as channelz (gRFC A14) shows it. Ids are of this worker, never
 * used twice, and shared by both kinds. Times are the loop's monotonic clock; 0: never. */
struct h2_conn_info {
    uint64_t id;
    uint64_t listener_id;
    struct str peer, local; /* texts as of h2_stream_peer; valid during the call */
    int fd;                 /* for its options; it is not the caller's to use */
    bool is_tls;
    bool is_draining; /* its GOAWAY is out, or due */
    int64_t opened_ns;
    int64_t last_stream_ns; /* a stream was made */
    /* Succeeded: the response left whole. Failed: reset by either side, or cut off. */
    uint64_t streams_started, streams_succeeded, streams_failed;
    /* As the layer above counted them: h2_note_message. */
    uint64_t messages_sent, messages_received;
    int64_t last_message_sent_ns, last_message_received_ns;
    uint64_t keepalives_sent;
    uint64_t bytes_read, bytes_written;
    int32_t local_window_bytes;  /* what the peer may still send us, over all streams */
    int32_t remote_window_bytes; /* what we may still send */
};

struct h2_listener_info {
    uint64_t id;
    struct str local;
    int fd; /* as above */
    bool is_tls;
    uint64_t accepted;
};

/* Calls @fn for each in ascending order of ids. @fn changes nothing. */
void h2_server_each(const struct h2_server *server,
                    void (*fn)(const struct h2_conn_info *info, void *ctx), void *ctx);
void h2_server_each_listener(const struct h2_server *server,
                             void (*fn)(const struct h2_listener_info *info, void *ctx), void *ctx);

/* Response header block; ends the stream when @end (Trailers-Only). Header memory may go after the
 * call. Ending a stream that the client has not half-closed is followed by RST_STREAM(NO_ERROR)
 * once the frame left. */
void h2_respond(struct h2_stream *s, const struct h2_header *headers, size_t count, bool end);

/* A header block encoded once, for what many responses say; it must outlive their streams. */
struct h2_block {
    uint8_t *p; /* malloc */
    size_t bytes;
};

struct h2_block h2_block_new(const struct h2_header *headers, size_t count);
void h2_block_free(struct h2_block *b);

/* h2_respond and h2_trailers with such a block. */
void h2_respond_block(struct h2_stream *s, const struct h2_block *b, bool end);
void h2_trailers_block(struct h2_stream *s, const struct h2_block *b);

/* Queues body bytes (at least one). @p must stay valid until on_close or, if @on_sent is set, until
 * it is called; that happens exactly once, for bytes that were never sent just before on_close.
 * on_sent frees; it does not write. */
void h2_write(struct h2_stream *s, const uint8_t *p, size_t bytes, void (*on_sent)(void *arg),
              void *arg);

/* Trailers after all queued body; ends the stream. Never END_STREAM on DATA. */
void h2_trailers(struct h2_stream *s, const struct h2_header *headers, size_t count);

/* Counts a message of the layer above, whose frames h2 does not know, for h2_conn_info. */
void h2_note_message(struct h2_stream *s, bool was_sent);

/* A number of the stream's connection that is the layer above's alone, 0 at first; until the
 * connection's last on_close. */
uint32_t *h2_lasting(struct h2_stream *s);

/* RST_STREAM. on_close follows, not before this returns. */
void h2_reset(struct h2_stream *s, enum h2_error code);

/* Gives @bytes of the stream's receive window back. The connection's was open again when they came,
 * unless it held conn_buffered_bytes_max. */
void h2_consume(struct h2_stream *s, size_t bytes);

/* What the layer above keeps of this stream's body after it gave the window back (an unfinished
 * message, say): counts as held against conn_buffered_bytes_max and buffered_bytes_max. Absolute;
 * 0 again when the stream ends. */
void h2_keep(struct h2_stream *s, size_t bytes);

/* Of the stream's connection, what the layer above has allocated for it from the loop's arenas,
 * which buffered_bytes_max counts: so that the right one is told to wait. The layer above counts,
 * down to 0 before the last stream has ended. */
size_t *h2_owned(struct h2_stream *s);

/* The peer, as text: "127.0.0.1:51234" or "unix:"; and whether TLS is on. Valid as long as the
 * stream. */
struct str h2_stream_peer(const struct h2_stream *s);
bool h2_stream_is_tls(const struct h2_stream *s);
/* Who that is and what proves it: io/peer.h. Valid as long as the stream. */
const struct peer *h2_stream_who(const struct h2_stream *s);

/* The largest header list the client takes (its SETTINGS_MAX_HEADER_LIST_SIZE, counted as RFC 9113
 * section 6.5.2 does): trailers above it would be refused there. UINT32_MAX: it set none. */
uint32_t h2_stream_peer_header_list_max(const struct h2_stream *s);
