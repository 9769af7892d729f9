/* Bytes in and out of one socket, through OpenSSL or straight. conn.c decides when.
 * What must stay true: OpenSSL's error queue is empty before each of its calls (a stale entry would
 * be taken for the result of the next), and a read that must write, or a write that must read,
 * re-arms the other direction. */
#include <errno.h>
#include <limits.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "io/conn_internal.h"
#include "io/tls_internal.h"

#define TLS_MESSAGES_MAX                                                                           \
    32 /* in a row that are no data, KeyUpdate above all; as BoringSSL has it */

/* What the system takes beyond what is on its way to the peer. Else it would be megabytes, and the
 * socket be writable again only when a third of them has left: who reads slowly but steadily would
 * seem to make no progress. */
#define UNSENT_BYTES (128 * 1024)

/* What OpenSSL's @result means as an errno; 0 is the orderly end. */
static int tls_error(struct conn *c, int result, bool *wants_other, int other)
{
    int saved_errno = errno;
    int kind = SSL_get_error(c->ssl, result);
    if (kind == SSL_ERROR_WANT_READ || kind == SSL_ERROR_WANT_WRITE) {
        if (kind == other) {
            *wants_other = true;
            ev_io_start(c->loop->ev, other == SSL_ERROR_WANT_WRITE ? &c->writable : &c->readable);
        }
        return -EAGAIN;
    }
    if (kind == SSL_ERROR_ZERO_RETURN)
        return 0;
    if (kind == SSL_ERROR_SYSCALL)
        return saved_errno ? -saved_errno : -ECONNRESET;
    if (c->state == CONN_HANDSHAKE)
        c->tls_failure = tls_failure(c->ssl, ERR_peek_error());
    bool cut = ERR_GET_REASON(ERR_peek_error()) == SSL_R_UNEXPECTED_EOF_WHILE_READING;
    ERR_clear_error();
    return cut ? -ECONNRESET : -EPROTO;
}

/* Counts what arrives that is no data. */
static void on_message(int is_sent, int version, int type, const void *p, size_t bytes, SSL *ssl,
                       void *arg)
{
    struct conn *c = arg;
    (void)version, (void)p, (void)bytes, (void)ssl;
    c->tls_messages += !is_sent && (type == SSL3_RT_HANDSHAKE || type == SSL3_RT_ALERT);
}

void conn_transport_tune(int fd)
{
    int on = 1, unsent_bytes = UNSENT_BYTES;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    setsockopt(fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, &unsent_bytes, sizeof unsent_bytes);
}

int conn_transport_accept(struct conn *c)
{
    c->ssl = tls_accept(c->gate->tls, c->fd);
    if (!c->ssl)
        return -ENOMEM;
    SSL_set_msg_callback(c->ssl, on_message);
    SSL_set_msg_callback_arg(c->ssl, c);
    return 0;
}

int conn_transport_handshake(struct conn *c)
{
    bool wants_write = false;
    ERR_clear_error();
    errno = 0;
    int r = SSL_do_handshake(c->ssl);
    if (r == 1)
        return 1;
    r = tls_error(c, r, &wants_write, SSL_ERROR_WANT_WRITE);
    if (!wants_write)
        ev_io_stop(c->loop->ev, &c->writable);
    return r == 0 ? -ECONNRESET : r;
}

void conn_transport_handshake_over(struct conn *c, int error)
{
    struct conn_stats *stats = c->stats;
    if (error == 0) {
        c->tls_idle_from = c->tls_messages;
        stats->tls_handshakes_ok++;
        stats->tls_results[TLS_SUCCESS]++;
        stats->tls_resumed += SSL_session_reused(c->ssl) == 1;
        return;
    }
    enum tls_result result = error == -ETIMEDOUT                       ? TLS_HANDSHAKE_TIMEOUT
                             : c->tls_failure                          ? c->tls_failure
                             : error == -ECONNRESET || error == -EPIPE ? TLS_PEER_CONNECTION_CLOSED
                                                                       : TLS_UNKNOWN_FAILURE;
    stats->tls_handshakes_failed++;
    stats->tls_results[result]++;
    stats->tls_last_failure = result;
    snprintf(stats->tls_last_failure_peer, sizeof stats->tls_last_failure_peer, "%s", c->peer);
}

/* A peer that sends no data keeps OpenSSL busy, 35 us for the 27 bytes of a KeyUpdate: he is left.
 * Without SSL_MODE_AUTO_RETRY it comes back when what it has buffered is used up. */
static ssize_t tls_read(struct conn *c, uint8_t *p, size_t bytes)
{
    c->read_wants_write = false;
    ERR_clear_error();
    errno = 0;
    int r = SSL_read(c->ssl, p, (int)(bytes < INT_MAX ? bytes : INT_MAX));
    ssize_t n = r > 0 ? r : tls_error(c, r, &c->read_wants_write, SSL_ERROR_WANT_WRITE);
    if (c->tls_messages - c->tls_idle_from > TLS_MESSAGES_MAX)
        return -EPROTO;
    if (r > 0)
        c->tls_idle_from = c->tls_messages;
    return n;
}

ssize_t conn_transport_read(struct conn *c, uint8_t *p, size_t bytes)
{
    if (c->ssl)
        return tls_read(c, p, bytes);
    ssize_t n;
    do {
        n = recv(c->fd, p, bytes, 0);
    } while (n < 0 && errno == EINTR);
    return n < 0 ? -errno : n;
}

static ssize_t tls_write(struct conn *c, const uint8_t *p, size_t bytes)
{
    c->write_wants_read = false;
    ERR_clear_error();
    errno = 0;
    int r = SSL_write(c->ssl, p, (int)(bytes < INT_MAX ? bytes : INT_MAX));
    if (r > 0)
        return r;
    r = tls_error(c, r, &c->write_wants_read, SSL_ERROR_WANT_READ);
    return r == 0 ? -EPIPE : r;
}

ssize_t conn_transport_write(struct conn *c, const uint8_t *p, size_t bytes)
{
    if (c->ssl)
        return tls_write(c, p, bytes);
    ssize_t n;
    do {
        n = send(c->fd, p, bytes, MSG_NOSIGNAL);
    } while (n < 0 && errno == EINTR);
    return n < 0 ? -errno : n;
}

bool conn_transport_pending(const struct conn *c)
{
    return c->ssl && SSL_has_pending(c->ssl);
}

void conn_transport_shutdown(struct conn *c)
{
    if (c->ssl) {
        ERR_clear_error();
        SSL_shutdown(c->ssl);
        ERR_clear_error();
    }
    shutdown(c->fd, SHUT_WR);
}

void conn_transport_deinit(struct conn *c)
{
    if (c->ssl) {
        SSL_free(c->ssl);
        c->ssl = NULL;
    }
    if (c->fd >= 0) {
        close(c->fd);
        c->fd = -1;
    }
}
