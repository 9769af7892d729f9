/* HTTP requests to others (payment provider, webhooks) as operations of a scope: libcurl on libev.
 * A request that got no answer is a result, not an op_error: its step decides what that means.
 * What must stay true: a response is filled before its scope is told, never after it detached. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/str.h"
#include "io/loop.h"
#include "io/op.h"

struct http; /* the client of one event loop: connections are kept and used again */

struct http_limits {
    uint32_t requests_max;         /* in flight; above: -EAGAIN */
    uint32_t connections_kept_max; /* idle, for reuse; the oldest is closed first */
    uint32_t connect_timeout_ms;   /* then -ETIMEDOUT, with nothing sent */
    uint32_t response_bytes_max;   /* body of an answer; above: -EMSGSIZE */
};

enum http_method { HTTP_GET, HTTP_POST };

struct http_request {
    enum http_method method;
    const char *url;            /* http or https; redirects are not followed, proxies not asked */
    const char *const *headers; /* "Name: value" */
    size_t headers_count;
    struct str body;     /* of a POST */
    uint32_t timeout_ms; /* for all of it; at least 1 */
    /* The peer knows a repeated request when it sees one (GET, idempotency key). Only such requests
     * travel on a connection that was used before: when that ends without an answer, libcurl sends
     * the request again, unasked. */
    bool repeatable;
};

/* Everything a request may point to is copied before http_send returns. */
struct http_response {
    /* 0: there is an answer, whatever its status. Else negative errno, and no answer:
     * -ECONNREFUSED and other errors of connect, -EHOSTUNREACH (name not found), -ETIMEDOUT,
     * -ECONNRESET (closed half-way), -EBADMSG (no HTTP), -EMSGSIZE (body too large), -EPROTO (TLS),
     * -EINVAL (URL), -ENOMEM (arena), -EIO */
    int error;
    bool sent;       /* false: not one byte of it left, so nobody can have acted on it */
    bool repeated;   /* sent more than once: what is answered may be about a second sight of it */
    unsigned status; /* 100..599; 0 with an error */
    struct str body; /* in the scope's arena, NUL-terminated */
};

struct http_limits http_limits_default(void);

int http_new(struct http **ret_http, struct loop *loop, const struct http_limits *limits);

/* Every scope has ended or detached by now. */
struct http *http_free(struct http *http);

/* Starts @request as an op of @scope; @ret_response lives as long as that waits. Detaching gives
 * the request up and closes its connection; the peer may have acted on it all the same.
 * 0; -EAGAIN at requests_max, -EINVAL for a header with a line break: then nothing was started. */
int http_send(struct http *http, struct op_scope *scope, const struct http_request *request,
              struct http_response *ret_response);

/* Requests in flight. */
uint32_t http_pending(const struct http *http);
