/* An echo server in the test's thread: one connection, and what it was told. */
#pragma once

#include <stdbool.h>

#include "io/conn.h"
#include "io/gate.h"
#include "io/tls.h"

struct conn_rig {
    struct loop loop;
    struct conn *conn;
    struct conn_stats stats;
    struct conn_limits limits;
    struct buf received, to_send;
    unsigned opened, closed, fills;
    int closed_error;
    bool echo;
    int read_result; /* of the handler; negative: it says that the connection is to end */
    struct gate gate;
    size_t take_max;
    int fast_peer; /* the peer's end, read whenever more is asked for; -1: it is not */
    size_t peer_got;
};
extern struct conn_rig rig;
extern const struct conn_handler rig_handler;

/* The server's end of a socket pair; returns the peer's. @tls NULL: in clear. */
int rig_start(struct tls_context *tls);
void rig_stop(int fd);
/* The fast peer takes what there is. */
void rig_drain(void);
/* So many milliseconds of the loop's turns. */
void rig_pump_ms(int ms);
