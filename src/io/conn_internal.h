/* The inside of a connection, shared by conn.c (states) and conn_transport.c (bytes through TLS or
 * not). */
#pragma once

#include <ev.h>
#include <sys/types.h>

#include "io/conn.h"

/*  HANDSHAKE --> OPEN --> FLUSHING --> LINGERING --> CLOSED    (CLOSED can follow any)
 *
 *  HANDSHAKE  TLS is being negotiated; or on_open is still to be called
 *  OPEN       bytes flow both ways
 *  FLUSHING   conn_close(flush_first): nothing is read any more, what is queued still leaves
 *  LINGERING  our side is shut down; what arrives is thrown away until the peer closes too:
 *             closing with unread bytes makes the kernel reset, and a reset may overtake
 *             what we said last
 *  CLOSED     on_closed is due at the end of this loop turn */
enum conn_state {
    CONN_HANDSHAKE,
    CONN_OPEN,
    CONN_FLUSHING,
    CONN_LINGERING,
    CONN_CLOSED,
};

struct conn {
    struct loop *loop;
    const struct conn_handler *handler;
    void *ctx;
    const struct conn_limits *limits;
    struct conn_stats *stats;
    uint64_t bytes_read, bytes_written;
    struct ssl_st *ssl; /* NULL: cleartext, or over */
    bool tls;
    int fd;
    enum conn_state state;
    int error;             /* for on_closed */
    bool paused;           /* the layer above does not want to read */
    bool blocked;          /* the socket is full; writable tells when not */
    bool yielded;          /* it wrote enough for one turn; writable tells when the next one is */
    bool linger_heard;     /* something came while lingering */
    bool lingered;         /* the short wait is over, the long one goes on */
    bool read_wants_write; /* TLS must write before it can read on */
    bool write_wants_read; /* and the other way round */
    ev_io readable;
    ev_io writable;
    ev_timer timeout;      /* of the handshake, of a blocked write, of lingering */
    ev_timer more;         /* bytes are left inside OpenSSL: epoll knows nothing of them */
    struct loop_task task; /* opens, flushes or reports the end, whichever is due */
    struct buf out;        /* what the socket did not take */
    struct buf rest;       /* what the layer above did not take */
    size_t unsent_noted;   /* of @out, in the stats */
    size_t progress_bytes; /* written since the timeout of a blocked write was set */
    uint64_t turn;         /* of the loop, in which ... */
    size_t turn_bytes;     /* ... so much was written */
    size_t peer_bytes;
    char peer[64];
};

/* 1 when the handshake is done, -EAGAIN, or a negative errno. */
int conn_transport_handshake(struct conn *c);
/* Bytes read, 0 at the end, -EAGAIN, or a negative errno. */
ssize_t conn_transport_read(struct conn *c, uint8_t *p, size_t bytes);
/* Bytes taken (> 0), -EAGAIN, or a negative errno. */
ssize_t conn_transport_write(struct conn *c, const uint8_t *p, size_t bytes);
/* Bytes that a read would return without the socket being readable. */
bool conn_transport_pending(const struct conn *c);
/* Says that nothing more will be written. */
void conn_transport_shutdown(struct conn *c);
/* Frees TLS and the descriptor. Idempotent. */
void conn_transport_deinit(struct conn *c);
