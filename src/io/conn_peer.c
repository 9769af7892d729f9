/* Who a connection comes from: the socket, then the PROXY header where the listener wants one, then
 * the certificate. conn.c says when. What must stay true: the bytes behind a PROXY header stay in
 * the socket, and a proxy's own identity is never given to the client it speaks for. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "io/conn_internal.h"
#include "io/proxy.h"
#include "io/tls_internal.h"

/* A SPIFFE ID may have 2048 bytes; names that long are nobody's. */
#define IDENTITY_BYTES 512

const char *peer_proof_name(enum peer_proof proof)
{
    static const char *const names[] = {"", "certificate", "socket", "forwarded"};
    return names[proof];
}

static void set_address(struct conn *c, const struct endpoint *source)
{
    c->source = *source;
    c->who.address = (struct str){.p = c->peer, .n = endpoint_format(source, c->peer)};
}

static void set_identity(struct conn *c, const char *text, size_t bytes, enum peer_proof proof)
{
    free(c->identity);
    c->identity = bytes ? strndup(text, bytes) : NULL;
    c->who.identity = str_of(c->identity);
    c->who.proof = c->identity ? proof : PEER_UNPROVED;
}

/* Who may speak for others is judged by the address that stands at the end: what a TCP proxy passes
 * on is its client's word, not its own. */
static void judge(struct conn *c)
{
    c->who.is_forwarder = gate_believes(c->gate, &c->source, c->who.identity);
    c->who.hops = c->gate->forwarded_hops;
    c->who.is_envoy = c->gate->forwarders_are_envoys;
}

static int ask_kernel(struct conn *c)
{
    struct ucred cred;
    socklen_t bytes = sizeof cred;
    char text[32];
    if (getsockopt(c->fd, SOL_SOCKET, SO_PEERCRED, &cred, &bytes) < 0)
        return c->gate->uid_count ? -EPERM : 0;
    if (!gate_admits_uid(c->gate, cred.uid))
        return -EPERM;
    int n = snprintf(text, sizeof text, "unix:uid=%u", cred.uid);
    set_identity(c, text, (size_t)n, PEER_SOCKET);
    n = snprintf(c->peer, sizeof c->peer, "unix:pid=%d,uid=%u,gid=%u", cred.pid, cred.uid,
                 cred.gid);
    c->who.address.n = (size_t)n;
    return 0;
}

int conn_peer_learn(struct conn *c)
{
    struct endpoint source = endpoint_of_peer(c->fd);
    int r = 0;
    set_address(c, &source);
    if (source.kind == ENDPOINT_UNIX)
        r = ask_kernel(c);
    if (c->gate->wants_proxy && !networks_have(&c->gate->proxy_from, &source))
        r = -EPERM;
    judge(c);
    return r;
}

void conn_peer_prove(struct conn *c)
{
    char text[IDENTITY_BYTES];
    size_t n = c->gate->client_auth == TLS_CLIENT_OFF ? 0 : tls_identity(c->ssl, text, sizeof text);
    if (n == 0)
        return;
    set_identity(c, text, n, PEER_CERTIFICATE);
    judge(c);
}

static void replace_address(struct conn *c, const struct endpoint *source)
{
    if (source->kind == ENDPOINT_NONE)
        return;
    c->via = strndup(c->who.address.p, c->who.address.n);
    c->who.via = str_of(c->via);
    set_identity(c, NULL, 0, PEER_UNPROVED);
    set_address(c, source);
    judge(c);
}

/* What was only peeked at is taken, byte for byte. */
static int take(struct conn *c, uint8_t *p, size_t bytes)
{
    ssize_t n;
    do {
        n = recv(c->fd, p, bytes, 0);
    } while (n < 0 && errno == EINTR);
    return n < 0 ? -errno : (size_t)n == bytes ? 0 : -EPROTO;
}

int conn_peer_proxy(struct conn *c)
{
    uint8_t *p = c->loop->read_buf;
    size_t before = buf_len(&c->rest);
    struct endpoint source;
    ssize_t n;
    if (before)
        memcpy(p, c->rest.p + c->rest.start, before);
    do {
        n = recv(c->fd, p + before, PROXY_HEADER_BYTES_MAX, MSG_PEEK);
    } while (n < 0 && errno == EINTR);
    if (n <= 0)
        return n == 0 ? -ECONNRESET : -errno;
    ssize_t header = proxy_parse(p, before + (size_t)n, &source);
    if (header < 0 && header != -EAGAIN)
        return (int)header;
    size_t more = header == -EAGAIN ? (size_t)n : (size_t)header - before;
    int r = take(c, p + before, more);
    if (r < 0)
        return r;
    if (header == -EAGAIN) {
        buf_append(&c->rest, p + before, more);
        return -EAGAIN;
    }
    buf_deinit(&c->rest);
    replace_address(c, &source);
    return 1;
}

void conn_peer_deinit(struct conn *c)
{
    buf_deinit(&c->rest);
    free(c->identity);
    free(c->via);
}

struct str conn_peer(const struct conn *c)
{
    return c->who.address;
}

const struct peer *conn_who(const struct conn *c)
{
    return &c->who;
}

bool conn_is_tls(const struct conn *c)
{
    return c->tls;
}
