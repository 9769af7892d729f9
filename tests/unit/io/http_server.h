/* An HTTP server that follows orders: the path of a request says how it is treated
 * (http_server.c lists them). For tests of the client only; one thread that accepts, one per
 * connection. */
#pragma once

#include <pthread.h>
#include <stdatomic.h>

struct http_server {
    int fd;
    unsigned port;
    pthread_t thread;
    atomic_uint connections;
    atomic_uint requests;
    atomic_uint open; /* connection threads still running */
};

void http_server_start(struct http_server *server);

/* Waits until every connection has ended: the client has closed its own before. */
void http_server_stop(struct http_server *server);

/* A listening socket on the loopback with a port of the kernel's choice. */
int http_server_listen(unsigned *ret_port);
