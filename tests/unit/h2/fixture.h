/* An HTTP/2 server in the test's own thread: tests say what its handler does and read what it saw.
 * fx_start, then clients through fx_client or fx_dial; fx_stop checks that nothing is left over. */
#pragma once

#include "h2/h2.h"
#include "support/h2client.h"
#include "support/test.h"

#define FX_STREAMS_MAX 4096

struct fx {
    struct loop loop;
    struct h2_server *server;
    uint16_t port;
    /* What happened, in order: "open:1 header request:1 data:1:5 end:1 close:1:8:peer ". */
    struct buf log;
    bool log_headers; /* "header:name=value " too */
    /* What to do on these; NULL: on_end echoes, the others do nothing. */
    void (*on_request)(struct h2_stream *s, bool over_limit);
    void (*on_data)(struct h2_stream *s, const uint8_t *p, size_t bytes);
    void (*on_end)(struct h2_stream *s);
    bool keep_window;                          /* do not consume */
    struct h2_stream *streams[FX_STREAMS_MAX]; /* by (id - 1) / 2 of one connection */
    unsigned opened, closed, closed_by_peer, sent;
    bool drained;
};

extern struct fx fx;

void fx_start(const struct h2_limits *limits);
void fx_stop(void);
/* The loop, a little. */
void fx_pump(void *arg);
void fx_pump_ms(int ms);
struct h2client *fx_client(const struct h2client_options *options);
int fx_dial(void);
/* A bare client behind the preface and empty SETTINGS. */
int fx_wire(void);
void fx_send(int fd, uint8_t type, uint8_t flags, uint32_t id, const void *p, size_t bytes);
/* Everything that comes until it is quiet, as wire_frames shows it; sets *ret_closed. */
const char *fx_frames(int fd, struct buf *text, bool *ret_closed);
/* :method POST, :scheme http, :path /, :authority x */
extern const uint8_t fx_request[6];
/* Lets @client (NULL: only the server) run until @condition holds, for at most five seconds: the
 * machine may be busy. */
#define FX_UNTIL(client, condition)                                                                \
    do {                                                                                           \
        for (int64_t until_ = fx_deadline_ns(); !(condition) && fx_run(client, until_);) {         \
        }                                                                                          \
        ASSERT_TRUE(condition);                                                                    \
    } while (0)
int64_t fx_deadline_ns(void);
/* fx.streams[@index], waited for: its request may still be on its way. */
struct h2_stream *fx_stream(unsigned index);
bool fx_run(struct h2client *client, int64_t until_ns);
const char *fx_log(void);
void fx_on_drained(void *ctx);

/* Head, @body (kept by the caller), "grpc-status: 0". */
void fx_reply(struct h2_stream *s, const void *body, size_t bytes);
void fx_head(struct h2_stream *s);
void fx_trailers(struct h2_stream *s);
/* Counts fx.sent. */
void fx_on_sent(void *arg);
