/* Connections in clear and through TLS: an echo server in the test's thread, peers of every kind.
 */
#include <errno.h>
#include <openssl/ssl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "io/conn.h"
#include "io/gate.h"
#include "io/tls.h"
#include "support/test.h"

static struct loop loop;
static struct conn *conn;
static struct conn_stats stats;
static struct conn_limits limits;
static struct buf received, to_send;
static unsigned opened, closed, fills;
static int closed_error;
static bool echo;
static int read_result;
static struct gate gate;
static size_t take_max;

static void on_open(void *ctx)
{
    (void)ctx;
    opened++;
}

static ssize_t on_read(void *ctx, const uint8_t *p, size_t bytes)
{
    (void)ctx;
    if (bytes > take_max)
        bytes = take_max;
    buf_append(&received, p, bytes);
    if (echo) {
        buf_append(&to_send, p, bytes);
        conn_want_write(conn);
    }
    return read_result < 0 ? read_result : (ssize_t)bytes;
}

static void on_write_ready(void *ctx, struct buf *out, size_t bytes_max)
{
    (void)ctx;
    fills++;
    size_t n = buf_len(&to_send) < bytes_max ? buf_len(&to_send) : bytes_max;
    buf_append(out, to_send.p + to_send.start, n);
    buf_consume(&to_send, n);
}

static void on_closed(void *ctx, int error)
{
    (void)ctx;
    closed++;
    closed_error = error;
    conn = NULL;
}

static const struct conn_handler handler = {
    .on_open = on_open,
    .on_read = on_read,
    .on_write_ready = on_write_ready,
    .on_closed = on_closed,
};

static void pump_ms(int ms)
{
    for (struct test_turns t = test_turns(ms); test_turns_left(&t);)
        ev_run(loop.ev, EVRUN_NOWAIT);
}

/* The server's end of a socket pair; returns the peer's. */
static int start(struct tls_context *tls)
{
    int fds[2];
    opened = closed = fills = 0;
    closed_error = read_result = 0;
    take_max = SIZE_MAX;
    echo = true;
    memset(&stats, 0, sizeof stats);
    limits = (struct conn_limits){.handshake_timeout_ms = 1000,
                                  .write_timeout_ms = 1000,
                                  .write_high_water_bytes = 64 * 1024};
    gate.tls = tls;
    ASSERT_INT_EQ(loop_init(&loop, &clock_system), 0);
    ASSERT_INT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
    ASSERT_INT_EQ(conn_new(&conn, &loop, fds[0], &gate, &limits, &stats, &handler, NULL), 0);
    ASSERT_INT_EQ(opened, 0); /* never from inside */
    return fds[1];
}

static void stop(int fd)
{
    close(fd);
    conn = conn_free(conn);
    buf_deinit(&received);
    buf_deinit(&to_send);
    loop_deinit(&loop);
}

TEST(conn, echoes_in_one_write_per_turn)
{
    int fd = start(NULL);
    char text[100];
    ASSERT_INT_EQ(write(fd, "hello ", 6), 6);
    ASSERT_INT_EQ(write(fd, "world", 5), 5);
    pump_ms(5);
    ASSERT_INT_EQ(opened, 1);
    ASSERT_INT_EQ(stats.writes, 1);
    ASSERT_INT_EQ(read(fd, text, sizeof text), 11);
    ASSERT_MEM_EQ(text, "hello world", 11);
    ASSERT_TRUE(str_starts(conn_peer(conn), STR("unix:pid=")));
    ASSERT_FALSE(conn_is_tls(conn));
    stop(fd);
}

TEST(conn, reports_the_end_once)
{
    int fd = start(NULL);
    pump_ms(2);
    shutdown(fd, SHUT_RDWR);
    pump_ms(5);
    ASSERT_INT_EQ(closed, 1);
    ASSERT_INT_EQ(closed_error, 0);
    stop(fd);
}

TEST(conn, ends_when_the_handler_says_so)
{
    int fd = start(NULL);
    read_result = -EPROTO;
    ASSERT_INT_EQ(write(fd, "x", 1), 1);
    pump_ms(5);
    ASSERT_INT_EQ(closed, 1);
    ASSERT_INT_EQ(closed_error, -EPROTO);
    stop(fd);
}

TEST(conn, does_not_read_while_paused)
{
    int fd = start(NULL);
    pump_ms(2);
    conn_pause(conn, true);
    ASSERT_INT_EQ(write(fd, "x", 1), 1);
    pump_ms(5);
    ASSERT_INT_EQ(buf_len(&received), 0);
    conn_pause(conn, false);
    pump_ms(5);
    ASSERT_INT_EQ(buf_len(&received), 1);
    stop(fd);
}

/* What the handler does not take comes again, turn by turn, in order and before anything newer. */
TEST(conn, offers_the_rest_in_the_next_turn)
{
    int fd = start(NULL);
    take_max = 4;
    ASSERT_INT_EQ(write(fd, "0123456789", 10), 10);
    conn_pause(conn, true);
    pump_ms(5);
    ASSERT_INT_EQ(buf_len(&received), 0);
    conn_pause(conn, false);
    while (buf_len(&received) == 0)
        ev_run(loop.ev, EVRUN_NOWAIT);
    ASSERT_INT_EQ(write(fd, "abc", 3), 3);
    while (buf_len(&received) < 13)
        pump_ms(1);
    ASSERT_MEM_EQ(received.p, "0123456789abc", 13);
    stop(fd);
}

/* A peer that takes all we give gets no more than its share of a turn. */
TEST(conn, yields_after_so_many_bytes)
{
    int fd = start(NULL);
    static char sink[1 << 20];
    int large = 8 << 20;
    setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &large, sizeof large);
    setsockopt(conn_fd(conn), SOL_SOCKET, SO_SNDBUF, &large, sizeof large);
    pump_ms(2);
    size_t total = 4 << 20;
    memset(buf_reserve(&to_send, total), 'x', total);
    buf_commit(&to_send, total);
    conn_want_write(conn);
    for (size_t written = 0; stats.bytes_written < total; written = stats.bytes_written) {
        ev_run(loop.ev, EVRUN_NOWAIT);
        /* A run: the end of a turn, the beginning of the next. */
        ASSERT_TRUE(stats.bytes_written - written <= 2 * LOOP_WRITE_BYTES + 64 * 1024);
        while (read(fd, sink, sizeof sink) > 0) {
        }
    }
    stop(fd);
}

TEST(conn, flushes_before_it_closes_and_waits_for_the_peer)
{
    int fd = start(NULL);
    char text[100];
    pump_ms(2);
    buf_append(&to_send, "last words", 10);
    conn_want_write(conn);
    pump_ms(2);
    conn_close(conn, true);
    ASSERT_INT_EQ(closed, 0);
    ASSERT_INT_EQ(write(fd, "not read any more", 17), 17);
    pump_ms(5);
    ASSERT_INT_EQ(closed, 0);
    ASSERT_INT_EQ(read(fd, text, sizeof text), 10);
    ASSERT_INT_EQ(read(fd, text, sizeof text), 0);
    shutdown(fd, SHUT_RDWR);
    pump_ms(5);
    ASSERT_INT_EQ(closed, 1);
    stop(fd);
}

TEST(conn, closes_at_once_but_reports_from_the_loop)
{
    int fd = start(NULL);
    pump_ms(2);
    conn_close(conn, false);
    conn_close(conn, false);
    conn_want_write(conn);
    ASSERT_INT_EQ(closed, 0);
    pump_ms(2);
    ASSERT_INT_EQ(closed, 1);
    stop(fd);
}

TEST(conn, asks_for_no_more_than_the_high_water_mark_and_gives_up_on_a_stuck_peer)
{
    int fd = start(NULL);
    limits.write_timeout_ms = 500;
    memset(buf_reserve(&to_send, 4000000), 'x', 4000000);
    buf_commit(&to_send, 4000000);
    pump_ms(2);
    conn_want_write(conn);
    pump_ms(20);
    ASSERT_INT_IN(buf_len(&to_send), 4000000 - 1000000, 3999999);
    ASSERT_INT_EQ(closed, 0);
    pump_ms(700);
    ASSERT_INT_EQ(closed, 1);
    ASSERT_INT_EQ(closed_error, -ETIMEDOUT);
    stop(fd);
}

TEST(conn, sends_everything_to_a_slow_peer)
{
    int fd = start(NULL);
    limits.write_timeout_ms = 100;
    memset(buf_reserve(&to_send, 4000000), 'x', 4000000);
    buf_commit(&to_send, 4000000);
    pump_ms(2);
    conn_want_write(conn);
    static char in[65536];
    size_t got = 0;
    for (int i = 0; i < 3000 && got < 4000000; i++) {
        ssize_t n = read(fd, in, sizeof in);
        got += n > 0 ? (size_t)n : 0;
        pump_ms(0);
    }
    ASSERT_INT_EQ(got, 4000000);
    ASSERT_INT_EQ(closed, 0);
    stop(fd);
}

/* ---- TLS ---- */

#define PAIR(certificate_, key_)                                                                   \
    &(struct tls_config)                                                                           \
    {                                                                                              \
        .certificate_files = (certificate_), .key_files = (key_)                                   \
    }

static char folder[64], certificate[100], key[100];

static struct tls_context *make_tls(void)
{
    char error[200];
    struct tls_context *tls = NULL;
    snprintf(folder, sizeof folder, "/tmp/fg_tls_XXXXXX");
    ASSERT_NOT_NULL(mkdtemp(folder));
    snprintf(certificate, sizeof certificate, "%s/cert.pem", folder);
    snprintf(key, sizeof key, "%s/key.pem", folder);
    ASSERT_INT_EQ(tls_make_self_signed(certificate, key, error, sizeof error), 0);
    ASSERT_INT_EQ(tls_context_new(&tls, PAIR(certificate, key), error, sizeof error), 0);
    return tls;
}

static void end_tls(struct tls_context *tls)
{
    tls_context_free(tls);
    unlink(certificate);
    unlink(key);
    rmdir(folder);
}

/* A client handshake; -1 when refused. @alpn NULL: none offered. */
static int shake(SSL *ssl)
{
    for (int i = 0; i < 2000; i++) {
        int r = SSL_do_handshake(ssl);
        if (r == 1)
            return 1;
        int kind = SSL_get_error(ssl, r);
        if (kind != SSL_ERROR_WANT_READ && kind != SSL_ERROR_WANT_WRITE)
            return -1;
        pump_ms(0);
    }
    return -1;
}

static SSL *client(int fd, const char *alpn, int version, const char *ciphers)
{
    SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
    ASSERT_INT_EQ(SSL_CTX_load_verify_locations(ctx, certificate, NULL), 1);
    SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, NULL);
    SSL_CTX_set_min_proto_version(ctx, version);
    SSL_CTX_set_max_proto_version(ctx, version);
    if (ciphers) {
        SSL_CTX_set_security_level(ctx, 0);
        ASSERT_INT_EQ(SSL_CTX_set_cipher_list(ctx, ciphers), 1);
    }
    if (alpn)
        SSL_CTX_set_alpn_protos(ctx, (const unsigned char *)alpn, (unsigned)strlen(alpn));
    SSL *ssl = SSL_new(ctx);
    SSL_CTX_free(ctx);
    SSL_set1_host(ssl, "localhost");
    SSL_set_fd(ssl, fd);
    SSL_set_connect_state(ssl);
    return ssl;
}

static void echo_through_tls(int version)
{
    struct tls_context *tls = make_tls();
    int fd = start(tls);
    SSL *ssl = client(fd, "\x8http/1.1\2h2", version, NULL);
    ASSERT_INT_EQ(shake(ssl), 1);
    const unsigned char *chosen;
    unsigned chosen_bytes;
    SSL_get0_alpn_selected(ssl, &chosen, &chosen_bytes);
    ASSERT_MEM_EQ(chosen, "h2", 2);
    /* Several records, more than one turn reads. */
    size_t sent = 0, got = 0;
    static uint8_t out[300000], in[300000];
    for (size_t i = 0; i < sizeof out; i++)
        out[i] = (uint8_t)(i * 7);
    SSL_set_mode(ssl, SSL_MODE_ENABLE_PARTIAL_WRITE);
    for (int i = 0; i < 20000 && got < sizeof in; i++) {
        int n = sent < sizeof out ? SSL_write(ssl, out + sent, (int)(sizeof out - sent)) : 0;
        sent += n > 0 ? (size_t)n : 0;
        n = SSL_read(ssl, in + got, (int)(sizeof in - got));
        got += n > 0 ? (size_t)n : 0;
        pump_ms(0);
    }
    ASSERT_INT_EQ(got, sizeof in);
    ASSERT_TRUE(memcmp(in, out, sizeof in) == 0);
    ASSERT_TRUE(conn_is_tls(conn));
    ASSERT_INT_EQ(stats.tls_handshakes_ok, 1);
    /* An orderly end from our side is one for TLS too. */
    conn_close(conn, true);
    pump_ms(5);
    ASSERT_INT_EQ(SSL_read(ssl, in, 1), 0);
    ASSERT_INT_EQ(SSL_get_shutdown(ssl) & SSL_RECEIVED_SHUTDOWN, SSL_RECEIVED_SHUTDOWN);
    SSL_free(ssl);
    stop(fd);
    end_tls(tls);
}

TEST(tls, carries_1_2)
{
    echo_through_tls(TLS1_2_VERSION);
}

TEST(tls, carries_1_3)
{
    echo_through_tls(TLS1_3_VERSION);
}

static void renew_keys(SSL *ssl, unsigned times)
{
    while (times-- > 0) {
        ASSERT_INT_EQ(SSL_key_update(ssl, SSL_KEY_UPDATE_NOT_REQUESTED), 1);
        ASSERT_INT_EQ(SSL_do_handshake(ssl), 1);
    }
}

/* New keys now and then are fine, also where they come in one piece with data. */
TEST(tls, leaves_a_peer_that_only_renews_keys)
{
    struct tls_context *tls = make_tls();
    int fd = start(tls);
    SSL *ssl = client(fd, "\2h2", TLS1_3_VERSION, NULL);
    ASSERT_INT_EQ(shake(ssl), 1);
    for (unsigned i = 0; i < 3; i++) {
        renew_keys(ssl, 20);
        ASSERT_INT_EQ(SSL_write(ssl, "x", 1), 1);
    }
    pump_ms(5);
    ASSERT_MEM_EQ(received.p + received.start, "xxx", 3);
    renew_keys(ssl, 40);
    ASSERT_INT_EQ(SSL_write(ssl, "x", 1), 1);
    pump_ms(5);
    ASSERT_INT_EQ(closed, 1);
    ASSERT_INT_EQ(closed_error, -EPROTO);
    ASSERT_INT_EQ(buf_len(&received), 3);
    SSL_free(ssl);
    stop(fd);
    end_tls(tls);
}

/* Records of a byte cost OpenSSL as much as large ones. */
TEST(tls, takes_so_many_records_a_turn)
{
    struct tls_context *tls = make_tls();
    int fd = start(tls);
    SSL *ssl = client(fd, "\2h2", TLS1_3_VERSION, NULL);
    ASSERT_INT_EQ(shake(ssl), 1);
    pump_ms(5);
    for (unsigned i = 0; i < 150; i++)
        ASSERT_INT_EQ(SSL_write(ssl, "x", 1), 1);
    ev_run(loop.ev, EVRUN_NOWAIT);
    ASSERT_INT_IN(buf_len(&received), 1, 100);
    pump_ms(5);
    ASSERT_INT_EQ(buf_len(&received), 150);
    SSL_free(ssl);
    stop(fd);
    end_tls(tls);
}

static void refuse(const char *alpn, int version, const char *ciphers)
{
    struct tls_context *tls = make_tls();
    int fd = start(tls);
    SSL *ssl = client(fd, alpn, version, ciphers);
    int r = shake(ssl);
    char byte;
    if (r == 1) { /* 1.3 clients hear of it with their first read */
        pump_ms(5);
        r = SSL_read(ssl, &byte, 1) > 0 ? 1 : -1;
    }
    ASSERT_INT_EQ(r, -1);
    pump_ms(5);
    ASSERT_INT_EQ(opened, 0);
    ASSERT_INT_EQ(closed, 1);
    ASSERT_INT_EQ(stats.tls_handshakes_failed, 1);
    SSL_free(ssl);
    stop(fd);
    end_tls(tls);
}

TEST(tls, refuses_clients_without_h2)
{
    refuse("\x8http/1.1", TLS1_3_VERSION, NULL);
    refuse("\x8http/1.1", TLS1_2_VERSION, NULL);
    refuse(NULL, TLS1_3_VERSION, NULL);
    refuse(NULL, TLS1_2_VERSION, NULL);
}

TEST(tls, drops_a_client_that_does_not_shake_hands)
{
    struct tls_context *tls = make_tls();
    int fd = start(tls);
    stop(fd);
    limits.handshake_timeout_ms = 500;
    int fds[2];
    gate.tls = tls;
    ASSERT_INT_EQ(loop_init(&loop, &clock_system), 0);
    ASSERT_INT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
    ASSERT_INT_EQ(conn_new(&conn, &loop, fds[0], &gate, &limits, &stats, &handler, NULL), 0);
    ASSERT_INT_EQ(write(fds[1], "\x16\x03\x01", 3), 3);
    pump_ms(20);
    ASSERT_INT_EQ(closed, 0);
    pump_ms(700);
    ASSERT_INT_EQ(closed, 1);
    ASSERT_INT_EQ(closed_error, -ETIMEDOUT);
    stop(fds[1]);
    end_tls(tls);
}

TEST(tls, ends_on_garbage_and_on_a_cut_connection)
{
    struct tls_context *tls = make_tls();
    int fd = start(tls);
    ASSERT_INT_EQ(write(fd, "GET / HTTP/1.1\r\n\r\n", 18), 18);
    pump_ms(5);
    ASSERT_INT_EQ(closed, 1);
    ASSERT_INT_EQ(closed_error, -EPROTO);
    stop(fd);
    fd = start(tls);
    SSL *ssl = client(fd, "\2h2", TLS1_3_VERSION, NULL);
    ASSERT_INT_EQ(shake(ssl), 1);
    pump_ms(5);
    ASSERT_INT_EQ(opened, 1);
    shutdown(fd, SHUT_RDWR); /* without close_notify */
    pump_ms(5);
    ASSERT_INT_EQ(closed, 1);
    ASSERT_INT_EQ(closed_error, -ECONNRESET);
    SSL_free(ssl);
    stop(fd);
    end_tls(tls);
}

TEST(tls, names_the_bad_file_and_keeps_the_old_one)
{
    char error[300] = "";
    struct tls_context *tls = make_tls(), *other = NULL;
    ASSERT_INT_EQ(chmod(key, 0644), 0);
    ASSERT_INT_EQ(tls_context_new(&other, PAIR(certificate, key), error, sizeof error), -EPERM);
    ASSERT_HAS(error, key);
    ASSERT_HAS(error, "chmod 600");
    ASSERT_INT_EQ(tls_context_reload(tls, error, sizeof error), -EPERM);
    chmod(key, 0600);
    ASSERT_INT_EQ(tls_context_new(&other, PAIR("/nonexistent/c", key), error, sizeof error),
                  -EINVAL);
    ASSERT_HAS(error, "/nonexistent/c");
    ASSERT_INT_EQ(tls_context_new(&other, PAIR(certificate, "/nonexistent/k"), error, sizeof error),
                  -ENOENT);
    ASSERT_INT_EQ(tls_context_new(&other, PAIR(key, key), error, sizeof error), -EINVAL);
    ASSERT_INT_EQ(tls_make_self_signed("/nonexistent/c", "/nonexistent/k", error, sizeof error),
                  -ENOENT);

    /* A new pair is taken by reload; the connection that is up keeps the old one. */
    int fd = start(tls);
    SSL *ssl = client(fd, "\2h2", TLS1_3_VERSION, NULL);
    ASSERT_INT_EQ(shake(ssl), 1);
    ASSERT_INT_EQ(tls_make_self_signed(certificate, key, error, sizeof error), 0);
    ASSERT_INT_EQ(tls_context_reload(tls, error, sizeof error), 0);
    ASSERT_INT_EQ(SSL_write(ssl, "x", 1), 1);
    pump_ms(5);
    ASSERT_INT_EQ(buf_len(&received), 1);
    SSL_free(ssl);
    stop(fd);
    fd = start(tls);
    ssl = client(fd, "\2h2", TLS1_3_VERSION, NULL);
    ASSERT_INT_EQ(shake(ssl), 1);
    SSL_free(ssl);
    stop(fd);
    end_tls(tls);
}
