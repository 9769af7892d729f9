/* The inside of a connection, shared by conn.c (states), conn_transport.c (bytes through TLS or
 * not) and conn_peer.c (whose they are). */
#pragma once

#include <ev.h>
#include <sys/types.h>

#include "io/conn.h"
#include "io/gate.h"

/*  PROXIED --> HANDSHAKE --> OPEN --> FLUSHING --> LINGERING --> CLOSED    (CLOSED can follow any)
 *
 *  PROXIED    the listener wants a PROXY header first (conn_peer.c)
 *  HANDSHAKE  TLS is being negotiated; or on_open is still to be called
 *  OPEN       bytes flow both ways
 *  FLUSHING   conn_close(flush_first): nothing is read any more, what is queued still leaves
 *  LINGERING  our side is shut down; what arrives is thrown away until the peer closes too:
 *             closing with unread bytes makes the kernel reset, and a reset may overtake
 *             what we said last
 *  CLOSED     on_closed is due at the end of this loop turn */
enum conn_state {
    CONN_PROXIED,
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
    enum tls_result tls_failure; /* why the handshake failed, as far as OpenSSL said */
    uint32_t tls_messages;       /* handshakes, key updates, alerts that came */
    uint32_t tls_idle_from;      /* how many of them when data came last */
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
    struct buf
        rest; /* what the layer above did not take; before it opens: the PROXY header so far */
    size_t unsent_noted;   /* of @out, in the stats */
    size_t progress_bytes; /* written since the timeout of a blocked write was set */
    uint64_t turn;         /* of the loop, in which ... */
    size_t turn_bytes;     /* ... so much was written */
    const struct gate *gate;
    struct endpoint source; /* of who */
    struct peer who;
    char *identity, *via; /* what who's views point to */
    char peer[CONN_PEER_BYTES];
};

/* conn_peer.c: who the socket comes from. -EPERM: the gate does not let it in. */
int conn_peer_learn(struct conn *c);
/* Reads of the PROXY header what is there. 1: it is whole and judged; -EAGAIN, or a negative errno.
 */
int conn_peer_proxy(struct conn *c);
/* After the handshake: what the client's certificate proves. */
void conn_peer_prove(struct conn *c);
void conn_peer_deinit(struct conn *c);

/* Sets the options of a TCP socket. */
void conn_transport_tune(int fd);
/* TLS from here on. 0 or -ENOMEM. */
int conn_transport_accept(struct conn *c);
/* 1 when the handshake is done, -EAGAIN, or a negative errno. */
int conn_transport_handshake(struct conn *c);
/* Counts how the handshake ended; @error as for on_closed, 0: well. */
void conn_transport_handshake_over(struct conn *c, int error);
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
