/* A byte connection: non-blocking socket, TLS or clear, with one write buffer. h2/ sits on it.
 * What must stay true: on_closed is called exactly once, last, never from inside a conn_* call. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/buf.h"
#include "base/str.h"
#include "io/loop.h"
#include "io/peer.h"
#include "io/tls.h"

struct conn;
struct gate;

struct conn_handler {
    /* The transport is up (after the TLS handshake). */
    void (*on_open)(void *ctx);
    /* Bytes arrived; valid during the call. Returns how many were taken: the rest is offered again,
     * before anything newer, in the next turn of the loop or when reading goes on. < 0: close. */
    ssize_t (*on_read)(void *ctx, const uint8_t *p, size_t bytes);
    /* Fill the write buffer (conn_out) with up to @bytes_max more: called before each write until
     * nothing is added. */
    void (*on_write_ready)(void *ctx, struct buf *out, size_t bytes_max);
    /* Gone: error is 0 for an orderly end, else negative errno. */
    void (*on_closed)(void *ctx, int error);
};

struct conn_limits {
    uint32_t handshake_timeout_ms;
    uint32_t write_timeout_ms;       /* the socket takes nothing for that long: close */
    uint32_t write_high_water_bytes; /* on_write_ready is not asked for more than this */
};

#define CONN_PEER_BYTES 64

/* Sums over connections, for whoever publishes them. */
struct conn_stats {
    uint64_t bytes_read, bytes_written, reads, writes;
    uint64_t tls_handshakes_ok, tls_handshakes_failed;
    uint64_t unsent_bytes; /* now: what sockets did not take yet */
    uint64_t tls_results[TLS_RESULT_COUNT];
    uint64_t tls_resumed; /* of tls_results[TLS_SUCCESS] */
    enum tls_result tls_last_failure;
    char tls_last_failure_peer[CONN_PEER_BYTES];
};

/* Takes over @fd (non-blocking, a connected stream socket), also when it fails. @gate, what its
 * listener asks of it, outlives it; NULL: nothing. -EPERM: the gate does not let it in.
 * @limits and @stats outlive the connection. on_open follows from the loop. */
int conn_new(struct conn **ret_conn, struct loop *loop, int fd, const struct gate *gate,
             const struct conn_limits *limits, struct conn_stats *stats,
             const struct conn_handler *handler, void *ctx);

/* Frees at once and silently: no callback is made. Not from inside one of its callbacks. NULL is
 * fine. */
struct conn *conn_free(struct conn *conn);

/* Something wants to be written: on_write_ready is called at the end of this loop turn. */
void conn_want_write(struct conn *conn);

/* Closes once the buffer has left (orderly), or at once. */
void conn_close(struct conn *conn, bool flush_first);

/* Stops and starts reading (back-pressure). */
void conn_pause(struct conn *conn, bool paused);

/* conn_who(conn)->address */
struct str conn_peer(const struct conn *conn);
/* Valid as long as the connection; an address and an identity may still change until on_open. */
const struct peer *conn_who(const struct conn *conn);
/* Bytes that the socket has not taken yet. */
size_t conn_unsent_bytes(const struct conn *conn);
/* The socket; -1 once it is closed. For asking about it, not for reading. */
int conn_fd(const struct conn *conn);
/* What went through the socket since the beginning. */
uint64_t conn_bytes_read(const struct conn *conn);
uint64_t conn_bytes_written(const struct conn *conn);
bool conn_is_tls(const struct conn *conn);
