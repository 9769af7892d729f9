/* A server without sockets or a database: fake HTTP/2 streams in front, fake statements behind, a
 * clock that tests move. The unit tests of intake and runner use it, and the torture driver. One
 * rig at a time. */
#pragma once

#include "grpc/internal.h"

/* ---- the server ---- */

struct rig {
    struct loop loop;
    struct clock clock;
    int64_t mono_ns;
    struct server *server;
    struct rpc_service service;
};

extern struct rig rig;
/* Where the next rig's server counts and logs; NULL: nowhere. The test's own. */
extern struct obs *rig_obs;

/* @methods are copied; missing policy values get sensible defaults. @limits may be NULL. */
void rig_start(const struct rpc_method *methods, size_t count, const struct server_limits *limits);
/* Runs what is deferred to the end of a loop turn. */
void rig_turn(void);
/* Moves the clock, fires what is due, ends the turn. */
void rig_advance(int64_t ms);
/* True when no call, chunk, operation or lease is left. */
bool rig_is_clean(void);
void rig_stop(void);

/* ---- connections, as channelz sees them ---- */

#define RIG_CONNS_MAX 700

extern struct h2_conn_info rig_conns[RIG_CONNS_MAX];
extern unsigned rig_conn_count;
/* What was counted as received and as sent, ever. */
extern unsigned rig_messages[2];
extern struct h2_listener_info rig_listener;

/* Who every client is. */
extern struct peer rig_peer;

/* ---- clients ---- */

#define CLIENT_FIELDS_MAX 24
#define CLIENT_WRITES_MAX 64

struct client_write {
    const uint8_t *p;
    size_t bytes;
    void (*on_sent)(void *arg);
    void *arg;
};

struct client {
    struct h2_stream stream;
    char names[CLIENT_FIELDS_MAX][64]; /* response headers and trailers, copied */
    char values[CLIENT_FIELDS_MAX][12288];
    bool in_trailers[CLIENT_FIELDS_MAX];
    unsigned field_count;
    unsigned head_count; /* HEADERS frames that begin a response */
    unsigned end_count;  /* END_STREAMs: one per call */
    bool trailers_only;
    bool is_reset;
    bool is_closed;
    enum h2_error reset_code;
    size_t consumed;
    size_t owned; /* what the call has allocated: nothing, once it is closed */
    struct client_write writes[CLIENT_WRITES_MAX];
    unsigned write_count;
    struct buf body;          /* what the client took */
    uint32_t header_list_max; /* its SETTINGS_MAX_HEADER_LIST_SIZE; 0: not sent */
};

struct client *client_new(void);
void client_header(struct client *c, const char *name, const char *value);
/* Pseudo-headers, te and content-type of an honest client. */
void client_head(struct client *c, const char *path);
void client_head_end(struct client *c);
void client_data(struct client *c, const void *p, size_t bytes);
/* One message with its prefix in one DATA frame. */
void client_message(struct client *c, const void *p, size_t bytes);
void client_end(struct client *c);
/* Takes what the server wrote. */
void client_take(struct client *c);
/* The stream is over; frees @c's server side. Whether by RST_STREAM. */
void client_close(struct client *c, bool by_peer);
/* The same in other words. */
void client_lose(struct client *c, uint32_t error_code, enum h2_end by);
struct client *client_free(struct client *c);

/* All of it: head, one message, END_STREAM. */
struct client *client_call(const char *path, const void *p, size_t bytes);
/* "" where the response has no such field. */
const char *client_field(const struct client *c, const char *name);
/* grpc-status as a number; -1: none came. */
int client_status(const struct client *c);

/* ---- statements ---- */

struct fake_op {
    struct op op;
    struct list node;
    int *ret;
    struct op_scope *scope;
    bool is_commit;
};

struct fake_db {
    struct list open; /* struct fake_op, oldest first */
    unsigned open_count;
    unsigned submitted;
    unsigned detached;
    unsigned leases; /* ever taken */
    unsigned leases_open;
    unsigned commits;
    unsigned rollbacks;
    bool instant;       /* statements complete inside the step */
    bool commit_queued; /* COMMIT waits: commit_sent stays false */
};

extern struct fake_db fake_db;
extern const struct op_tx fake_tx;

/* Writes @value's place when it completes; takes a lease if the call wants a transaction. */
void fake_submit(struct call *c, int *ret);
struct fake_op *fake_first(void);
void fake_complete(struct fake_op *f, int value);
void fake_fail(struct fake_op *f, enum reason reason, bool restart, bool unknown);
