/* A small HTTP/2 client for C tests, on nghttp2, and a bare one that writes bytes and reads frames.
 * A test server that runs in the same thread is driven through @pump while the client waits;
 * without one it polls. What must stay true: nothing here is shared with src/h2, so that the two
 * can disagree. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"

struct h2client;

/* One stream as the client saw it. Texts are "name: value\n" lines; NUL-terminated. */
struct h2client_reply {
    struct h2client_reply *next;
    int32_t id;
    struct buf head;
    struct buf body;
    struct buf trailers;
    bool ended; /* END_STREAM came */
    bool closed;
    bool reset; /* RST_STREAM came */
    uint32_t error_code;
    size_t send_left; /* of the request body */
    const uint8_t *send;
    bool send_open; /* the request body goes on after that */
};

struct h2client_options {
    uint32_t stream_window_bytes; /* 0: the protocol's default */
    int64_t table_bytes;          /* SETTINGS_HEADER_TABLE_SIZE; -1: not sent */
    bool keep_window_shut;        /* no WINDOW_UPDATE unless asked for */
};

/* Takes over @fd, a connected socket. @pump may be NULL: runs the server a little. */
struct h2client *h2client_new(int fd, const struct h2client_options *options,
                              void (*pump)(void *arg), void *arg);
struct h2client *h2client_free(struct h2client *client);

/* Connects to 127.0.0.1; -1 when refused. */
int h2client_dial(uint16_t port);

/* POST @path with @body. @open: no END_STREAM yet. @extra: "name: value\n" lines or NULL. */
struct h2client_reply *h2client_post(struct h2client *client, const char *path, const char *extra,
                                     const void *body, size_t bytes, bool open);
/* Ends a request that was left open. */
void h2client_end(struct h2client *client, struct h2client_reply *reply);
void h2client_reset(struct h2client *client, struct h2client_reply *reply, uint32_t error_code);
void h2client_ping(struct h2client *client);
/* Gives @bytes of window for the stream and the connection. */
void h2client_open_window(struct h2client *client, struct h2client_reply *reply, size_t bytes);

/* Sends and receives until @reply is closed, or the connection is, or 5 s have passed. True when it
 * is closed. */
bool h2client_wait(struct h2client *client, struct h2client_reply *reply);
/* Sends and receives for @ms. */
void h2client_run(struct h2client *client, int ms);

/* What came, in order: "SETTINGS HEADERS:1 DATA:1 HEADERS:1:end RST:1:0 GOAWAY:7:0 PING:ack". */
const char *h2client_log(struct h2client *client);
bool h2client_is_closed(const struct h2client *client);

/* ---- bytes ---- */

#define H2_PREFACE "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
#define H2_EMPTY_SETTINGS "\0\0\0\4\0\0\0\0\0"

/* Writes all of @p, driving @pump while the socket is full. */
void wire_send(int fd, const void *p, size_t bytes, void (*pump)(void *arg), void *arg);
/* One frame with its header. */
void wire_send_frame(int fd, uint8_t type, uint8_t flags, uint32_t stream_id, const void *p,
                     size_t bytes, void (*pump)(void *arg), void *arg);
/* Reads until nothing came for @quiet_ms, as test_turns counts them, or the peer closed; appends to
 * @in. True when it closed. */
bool wire_read(int fd, struct buf *in, int quiet_ms, void (*pump)(void *arg), void *arg);
/* The frames in @in as text, like h2client_log but "type:stream:flags:length" with names. */
const char *wire_frames(const struct buf *in, struct buf *text);
