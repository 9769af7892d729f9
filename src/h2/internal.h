/* The inside of h2: server, connection and stream as its .c files see them.
 *   server.c     listeners, limits, the tick, drain
 *   session.c    one connection: bytes to nghttp2 and back
 *   callbacks.c  what nghttp2 tells us
 *   stream.c     streams, their pool, what they hold
 *   send.c       the calls of the layer above, DATA frames
 *   fields.c     header blocks on their way out
 *   memory.c     nghttp2's allocator
 *   info.c       what can be seen from outside
 *   frames.c     looks at frames before nghttp2 does: budgets, turns
 *   rules.c      what makes a request malformed
 *   life.c       keepalive, ages, timeouts
 *   peers.c      connections by address
 *
 * What must stay true: calls of the layer above only note what is wanted and mark the stream
 * dirty; nghttp2 hears of it in session.c's on_write_ready, outside of its own callbacks. */
#pragma once

#include <nghttp2/nghttp2.h>

#include "h2/h2.h"
#include "io/conn.h"
#include "io/listen.h"

/* Small enough for pools to be worth it, large enough for a unary call to need nothing else. */
#define FIELDS_SMALL_BYTES 96
#define STREAM_SMALL_CHUNKS 2

/* A header block as it will be on the wire, made when it is handed over: small, because thousands
 * of calls may wait for the database at once. */
struct h2_fields {
    const uint8_t *p;
    size_t bytes;   /* 0: not set */
    uint8_t *large; /* where @small does not do; NULL: it does, or @p is a struct h2_block's */
    uint8_t small[FIELDS_SMALL_BYTES];
};

struct h2_chunk {
    const uint8_t *p;
    size_t bytes;
    void (*on_sent)(void *arg);
    void *arg;
};

/* What rules.c remembers of a request. */
struct h2_rules {
    uint16_t seen;
    bool has_length; /* content-length said so */
    uint64_t length;
    uint64_t received; /* DATA */
};

struct stream {
    struct h2_stream pub;
    struct list in_conn;
    struct list dirty; /* linked while something is to be told to nghttp2 */

    size_t header_bytes;     /* as SETTINGS_MAX_HEADER_LIST_SIZE counts */
    size_t unconsumed_bytes; /* received, window not given back yet */
    size_t consumed_bytes;   /* given back, nghttp2 not told yet */
    size_t kept_bytes;       /* given back, but still held above */
    int64_t progress_ns;     /* last time enough of the body left, or it began to wait */
    size_t progress_bytes;   /* left since then */
    struct h2_rules rules;
    bool over_limit;
    bool malformed; /* RST_STREAM is on its way; the layer above hears no more of the request */
    bool reset_by_peer;
    bool closed; /* on_close is being called */

    bool respond_due;   /* head waits to be submitted */
    bool head_left;     /* it has been written */
    bool end_with_head; /* Trailers-Only */
    bool tail_set;
    bool tail_told; /* nghttp2 has the trailers, or they are written with the last DATA */
    bool deferred;  /* nghttp2 asked for body and there was none */
    bool reset_due;
    bool reset_by_us;
    uint32_t reset_code;

    unsigned chunk_first, chunk_count, chunk_cap;
    struct h2_chunk *chunks;

    /* From here on nothing is cleared when the stream is used again. */
    struct h2_fields head, tail;
    struct h2_chunk small_chunks[STREAM_SMALL_CHUNKS];
};

/* RFC 9113 section 6.8: the first GOAWAY names no last stream, so that requests under way are not
 * lost. */
enum drain {
    DRAIN_NO,
    DRAIN_NOTICE_DUE,
    DRAIN_NOTICE,   /* GOAWAY(2^31-1) is on its way */
    DRAIN_PING_DUE, /* it left; nghttp2 would have let a PING overtake it */
    DRAIN_PINGED,   /* waiting for the answer, at most DRAIN_NOTICE_MS */
    DRAIN_FINAL_DUE,
    DRAIN_FINAL, /* GOAWAY(last id) left; the session ends with its last stream */
};

/* Where the bytes that come in stand, counted by frames.c. */
struct h2_inbound {
    uint8_t head[9];
    uint8_t head_bytes;
    uint8_t empty_frames; /* DATA without data or end, in a row */
    bool block_open;      /* a header block is coming in */
    bool block_ends;      /* with the frame under way */
    bool settings_acked;
    bool is_padded;        /* DATA, whose padding's length comes next */
    uint8_t pings_out;     /* ours, not answered yet */
    uint32_t payload_left; /* of the frame under way; at first: of the preface */
    int32_t last_stream_id;
    int32_t ended_stream_id; /* the last that the client ended, with END_STREAM or RST_STREAM */
    bool ended_by_reset;
    int64_t block_since_ns;
    uint32_t window_credit; /* WINDOW_UPDATE frames that our DATA has earned */
    double control_left;
    int64_t control_ns; /* refilled up to here */
};

#define H2_MEMORY_CLASSES 17
/* Where it is in a session's pages: what rests. */
#define H2_STREAM_TABLE ((size_t)6 * 4096)

/* memory.c: what a server's sessions share. Zeroed: empty. */
struct h2_memory {
    void *free[H2_MEMORY_CLASSES];
    void *spare; /* pages of sessions that are gone */
    size_t free_bytes;
};

/* What nghttp2's allocator knows of one session. */
struct h2_session_memory {
    struct h2_memory *shared;
    uint8_t *pages;  /* NULL: it has none of its own */
    unsigned placed; /* its parts that have been asked for */
};

enum h2_pause {
    H2_PAUSE_CALM = 1 << 0,  /* resets: until calm_until_ns */
    H2_PAUSE_BYTES = 1 << 1, /* the worker holds too much */
};

struct h2_conn {
    struct list node;    /* in server->conns */
    struct list idle;    /* in server->idle, longest first, while there is no stream */
    struct list shaking; /* in server->shaking, oldest first, during the TLS handshake */
    struct h2_server *server;
    uint64_t id, listener_id;
    struct conn *transport;
    nghttp2_session *session; /* NULL until the transport is open */
    struct h2_session_memory memory;
    struct list streams;
    struct list dirty;
    struct stream *cached; /* the one looked up last */
    struct buf *out;       /* only during on_write_ready */
    size_t out_bytes_max;
    unsigned streams_open;
    int32_t last_headers_id; /* the highest that had HEADERS */
    int32_t last_reset_id;   /* the highest that we sent RST_STREAM for */
    size_t queued_bytes;     /* body, all streams */
    size_t held_bytes;       /* queued, unconsumed or kept, all streams */
    size_t owned_bytes;      /* h2_owned */
    size_t consumed_bytes;   /* connection window given back, nghttp2 not told yet */
    size_t withheld_bytes;   /* connection window of bytes that came while there was no room */
    uint64_t streams_started, streams_succeeded, streams_failed, keepalives_sent;
    uint64_t messages_sent, messages_received;
    int64_t last_stream_ns, last_message_sent_ns, last_message_received_ns;
    int64_t opened_ns;
    int64_t idle_since_ns;
    int64_t rested_ns; /* the idle_since_ns whose idleness has been used to give memory back */
    struct h2_peer *peer;
    uint32_t lasting;    /* h2_lasting */
    int64_t progress_ns; /* last time body left, or began to wait */
    int64_t noticed_ns;
    int64_t faults_ns; /* the faults budget was refilled up to here */
    double faults_left;
    enum drain drain;
    struct h2_inbound in;
    int64_t read_ns;   /* the last byte that came */
    int64_t pinged_ns; /* the last keepalive PING that went */
    int64_t peer_ping_ns;
    int64_t age_ns;   /* when it is old; 0: never */
    int64_t final_ns; /* the last GOAWAY went */
    int64_t calm_until_ns;
    unsigned peer_ping_strikes;
    unsigned paused;       /* enum h2_pause bits */
    bool peer_ping_free;   /* we sent HEADERS or DATA since the client's last PING */
    bool keepalive_due;    /* a PING is to be submitted */
    bool cut_off;          /* closed to make room */
    int32_t late_id;       /* a stream that came after the last GOAWAY, not refused yet */
    bool has_cause;        /* what follows is set */
    enum h2_close cause;   /* why it ends, or drains */
    const char *bye_words; /* set: the connection's last frame is GOAWAY(bye_code, bye_words) */
    uint32_t bye_code;
    bool greeted;     /* our SETTINGS are out */
    bool peer_spoke;  /* the client's SETTINGS are in */
    bool peer_leaves; /* by a GOAWAY without an error */
    bool speaks_http1;
    bool table_size_changed; /* the next header block must say so (RFC 7541 section 4.2) */
    bool wrote_block;        /* ours, in place of the frame that nghttp2 is about to hand out */
    bool closed_by_us;
};

/* Sanitizer builds free at once, or use after free would go unseen. */
#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define H2_NO_POOLS 1
#endif
#elif defined(__SANITIZE_ADDRESS__)
#define H2_NO_POOLS 1
#endif
#ifndef H2_NO_POOLS
#define H2_NO_POOLS 0
#endif

#define H2_LISTENERS_MAX 8

struct h2_listener {
    struct h2_server *server;
    uint64_t id, accepted;
    int fd; /* the listener's */
    struct listener *listener;
    const struct gate *gate; /* NULL: cleartext and nothing else */
};

struct h2_server {
    struct loop *loop;
    struct h2_limits limits;
    struct conn_limits conn_limits;
    const struct h2_handler *handler;
    void *ctx;
    nghttp2_session_callbacks *callbacks;
    nghttp2_option *option;
    struct h2_memory memory;
    struct list conns;
    struct list idle;
    struct h2_peers *peers;
    size_t held_bytes;   /* sum over connections */
    size_t peak_bytes;   /* of h2_server_bytes, since memory was given back to the system */
    struct list shaking; /* TLS handshakes under way */
    unsigned handshakes; /* how many */
    uint64_t last_id;    /* of connections and listeners */
    struct h2_listener listeners[H2_LISTENERS_MAX];
    unsigned listener_count;
    bool held, held_tls;         /* conns_max reached; handshakes_max reached */
    struct stream *free_streams; /* linked through pub.user */
    unsigned free_stream_count;
    ev_timer tick;
    ev_timer spared; /* the oldest handshake is old enough to make room */
    struct h2_stats *stats;
    struct conn_stats conn_stats;
    uint32_t *conns_by_worker;
    unsigned workers, self;
    bool draining;
    void (*on_drained)(void *ctx);
    struct loop_task drained;
    struct loop_task relief; /* too many bytes are held */
};

/* server.c */
void h2_server_conn_gone(struct h2_server *server);
void h2_server_shook_hands(struct h2_conn *c);
/* More was queued: makes room at the end of the turn if it is far too much. */
void h2_server_check_bytes(struct h2_server *server);

/* All that is held for connections: in streams, what sockets did not take, and what calls have
 * allocated for themselves. */
static inline size_t h2_server_bytes(const struct h2_server *server)
{
    return server->held_bytes + server->conn_stats.unsent_bytes + server->loop->arenas.live_bytes;
}

static inline size_t h2_conn_bytes(const struct h2_conn *c)
{
    return c->held_bytes + c->owned_bytes + conn_unsent_bytes(c->transport);
}

/* The worker is over its budget, and @bytes of one connection are more of it than the average. */
static inline bool h2_server_minds(const struct h2_server *server, size_t bytes)
{
    size_t total = h2_server_bytes(server);
    return total > server->limits.buffered_bytes_max && bytes > total / server->stats->conns_open;
}

static inline bool h2_conn_has_room(const struct h2_conn *c)
{
    return h2_conn_bytes(c) <= c->server->limits.conn_buffered_bytes_max;
}

/* @bytes of body are dealt with. What was not withheld was given back as it came. */
static inline void h2_give_back(struct h2_conn *c, size_t bytes)
{
    size_t n = bytes < c->withheld_bytes ? bytes : c->withheld_bytes;
    c->withheld_bytes -= n;
    c->consumed_bytes += n;
}

static inline void h2_hold(struct h2_conn *c, size_t more, size_t less)
{
    c->held_bytes += more - less;
    c->server->held_bytes += more - less;
}

/* peers.c */
struct h2_peers *h2_peers_new(void);
struct h2_peers *h2_peers_free(struct h2_peers *peers);
/* Counts @c with its address. False: there are too many. */
bool h2_peers_enter(struct h2_conn *c);
void h2_peers_leave(struct h2_conn *c);

/* session.c */
extern const uint8_t h2_drain_mark[8]; /* in the PING behind the first GOAWAY */
void h2_conn_new(struct h2_listener *listener, int fd);
/* Frees the connection and ends its streams. The transport is gone, or the caller's to free. */
void h2_conn_free(struct h2_conn *c, enum h2_end by);
void h2_conn_drain(struct h2_conn *c, enum h2_close why);
/* Closes at once; streams are told that it was (not) the peer's doing. */
void h2_conn_abort(struct h2_conn *c, enum h2_close why);
/* The peer went too far: GOAWAY(@code, @words) is all it still gets. @words is static. Returns what
 * a callback of nghttp2 returns then. */
int h2_conn_fail(struct h2_conn *c, enum h2_close why, uint32_t code, const char *words);
void h2_conn_pause(struct h2_conn *c, enum h2_pause bit, bool paused);

/* frames.c */
void h2_frames_init(struct h2_conn *c);
/* How many of @bytes may go to nghttp2 now (they end between two frames if they are fewer than
 * all), or -1: the connection has failed. */
ssize_t h2_frames_admit(struct h2_conn *c, const uint8_t *p, size_t bytes);

/* rules.c: false means that the stream ends with PROTOCOL_ERROR */
bool h2_rules_field(struct h2_rules *r, bool is_trailer, enum h2_field which, struct str name,
                    struct str value);
/* The header block or the trailers are complete. */
bool h2_rules_block(struct h2_rules *r, bool is_trailer, bool is_end);
bool h2_rules_data(struct h2_rules *r, size_t bytes);
/* END_STREAM came. */
bool h2_rules_end(const struct h2_rules *r);

/* life.c */
void h2_life_begin(struct h2_conn *c);
/* A PING of the client came. False: the connection has failed. */
bool h2_life_pinged(struct h2_conn *c);
void h2_conn_tick(struct h2_conn *c, int64_t now_ns);

/* callbacks.c */
nghttp2_session_callbacks *h2_callbacks_new(void);
struct stream *h2_find_stream(struct h2_conn *c, int32_t id);
/* RST_STREAM for the stream that came after the last GOAWAY, if one did. 0, or an nghttp2 error. */
int h2_refuse_late(struct h2_conn *c);

/* stream.c */
struct stream *h2_stream_new(struct h2_conn *c, int32_t id);
/* Tells the layer above and frees. */
void h2_stream_closed(struct stream *s, uint32_t error_code, enum h2_end by);
void h2_stream_pool_deinit(struct h2_server *server);

/* send.c */
/* Tells nghttp2 what the layer above wants of @s. 0, or a fatal nghttp2 error. */
int h2_stream_apply(struct stream *s);
int h2_send_body(nghttp2_session *session, nghttp2_frame *frame, const uint8_t *header,
                 size_t bytes, nghttp2_data_source *source, void *arg);

/* fields.c */
void h2_fields_init(struct h2_fields *f);
void h2_fields_set(struct h2_fields *f, const struct h2_header *headers, size_t count);
void h2_fields_lend(struct h2_fields *f, const struct h2_block *b);
void h2_fields_clear(struct h2_fields *f);
/* Appends HEADERS (and CONTINUATION) to c->out. */
void h2_fields_write(const struct h2_fields *f, struct h2_conn *c, int32_t stream_id,
                     bool end_stream);

/* memory.c */
/* The allocator of a session that is about to be made. */
nghttp2_mem h2_memory_open(struct h2_session_memory *session, struct h2_memory *shared);
/* Gives back what a session without streams does not need. It is there again as soon as it is used.
 */
void h2_memory_rest(const struct h2_session_memory *session);
/* The session is gone, or never was. */
void h2_memory_close(struct h2_session_memory *session);
void h2_memory_deinit(struct h2_memory *memory);
