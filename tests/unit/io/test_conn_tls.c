/* Connections through TLS: what they carry, whom they refuse, and who may not keep them busy. */
#include <errno.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "conn_rig.h"
#include "support/test.h"

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
        rig_pump_ms(0);
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
    int fd = rig_start(tls);
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
        rig_pump_ms(0);
    }
    ASSERT_INT_EQ(got, sizeof in);
    ASSERT_TRUE(memcmp(in, out, sizeof in) == 0);
    ASSERT_TRUE(conn_is_tls(rig.conn));
    ASSERT_INT_EQ(rig.stats.tls_handshakes_ok, 1);
    /* An orderly end from our side is one for TLS too. */
    conn_close(rig.conn, true);
    rig_pump_ms(5);
    ASSERT_INT_EQ(SSL_read(ssl, in, 1), 0);
    ASSERT_INT_EQ(SSL_get_shutdown(ssl) & SSL_RECEIVED_SHUTDOWN, SSL_RECEIVED_SHUTDOWN);
    SSL_free(ssl);
    rig_stop(fd);
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

/* What another connection, or whoever uses OpenSSL, left in its queue is not this one's failure:
 * not where there is nothing to read, nor where the socket takes no more. */
TEST(tls, takes_no_stale_error_for_its_own)
{
    struct tls_context *tls = make_tls();
    int fd = rig_start(tls);
    SSL *ssl = client(fd, "\2h2", TLS1_3_VERSION, NULL);
    ASSERT_INT_EQ(shake(ssl), 1);
    rig_pump_ms(5);
    rig.echo = false;
    ASSERT_INT_EQ(SSL_write(ssl, "x", 1), 1);
    ERR_raise(ERR_LIB_USER, 1);
    rig_pump_ms(5);
    ASSERT_INT_EQ(buf_len(&rig.received), 1);
    ASSERT_INT_EQ(rig.closed, 0);
    memset(buf_reserve(&rig.to_send, 4000000), 'x', 4000000);
    buf_commit(&rig.to_send, 4000000);
    ERR_raise(ERR_LIB_USER, 1);
    conn_want_write(rig.conn);
    rig_pump_ms(5);
    ASSERT_TRUE(rig.stats.unsent_bytes > 0);
    ASSERT_INT_EQ(rig.closed, 0);
    ERR_clear_error();
    SSL_free(ssl);
    rig_stop(fd);
    end_tls(tls);
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
    int fd = rig_start(tls);
    SSL *ssl = client(fd, "\2h2", TLS1_3_VERSION, NULL);
    ASSERT_INT_EQ(shake(ssl), 1);
    for (unsigned i = 0; i < 3; i++) {
        renew_keys(ssl, 20);
        ASSERT_INT_EQ(SSL_write(ssl, "x", 1), 1);
    }
    rig_pump_ms(5);
    ASSERT_MEM_EQ(rig.received.p + rig.received.start, "xxx", 3);
    renew_keys(ssl, 40);
    ASSERT_INT_EQ(SSL_write(ssl, "x", 1), 1);
    rig_pump_ms(5);
    ASSERT_INT_EQ(rig.closed, 1);
    ASSERT_INT_EQ(rig.closed_error, -EPROTO);
    ASSERT_INT_EQ(buf_len(&rig.received), 3);
    SSL_free(ssl);
    rig_stop(fd);
    end_tls(tls);
}

/* Records of a byte cost OpenSSL as much as large ones. */
TEST(tls, takes_so_many_records_a_turn)
{
    struct tls_context *tls = make_tls();
    int fd = rig_start(tls);
    SSL *ssl = client(fd, "\2h2", TLS1_3_VERSION, NULL);
    ASSERT_INT_EQ(shake(ssl), 1);
    rig_pump_ms(5);
    for (unsigned i = 0; i < 150; i++)
        ASSERT_INT_EQ(SSL_write(ssl, "x", 1), 1);
    ev_run(rig.loop.ev, EVRUN_NOWAIT);
    ASSERT_INT_IN(buf_len(&rig.received), 1, 100);
    rig_pump_ms(5);
    ASSERT_INT_EQ(buf_len(&rig.received), 150);
    SSL_free(ssl);
    rig_stop(fd);
    end_tls(tls);
}

static void refuse(const char *alpn, int version, const char *ciphers)
{
    struct tls_context *tls = make_tls();
    int fd = rig_start(tls);
    SSL *ssl = client(fd, alpn, version, ciphers);
    int r = shake(ssl);
    char byte;
    if (r == 1) { /* 1.3 clients hear of it with their first read */
        rig_pump_ms(5);
        r = SSL_read(ssl, &byte, 1) > 0 ? 1 : -1;
    }
    ASSERT_INT_EQ(r, -1);
    rig_pump_ms(5);
    ASSERT_INT_EQ(rig.opened, 0);
    ASSERT_INT_EQ(rig.closed, 1);
    ASSERT_INT_EQ(rig.stats.tls_handshakes_failed, 1);
    SSL_free(ssl);
    rig_stop(fd);
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
    int fd = rig_start(tls);
    rig_stop(fd);
    rig.limits.handshake_timeout_ms = 500;
    int fds[2];
    rig.gate.tls = tls;
    ASSERT_INT_EQ(loop_init(&rig.loop, &clock_system), 0);
    ASSERT_INT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
    ASSERT_INT_EQ(conn_new(&rig.conn, &rig.loop, fds[0], &rig.gate, &rig.limits, &rig.stats,
                           &rig_handler, NULL),
                  0);
    ASSERT_INT_EQ(write(fds[1], "\x16\x03\x01", 3), 3);
    rig_pump_ms(20);
    ASSERT_INT_EQ(rig.closed, 0);
    rig_pump_ms(700);
    ASSERT_INT_EQ(rig.closed, 1);
    ASSERT_INT_EQ(rig.closed_error, -ETIMEDOUT);
    rig_stop(fds[1]);
    end_tls(tls);
}

TEST(tls, ends_on_garbage_and_on_a_cut_connection)
{
    struct tls_context *tls = make_tls();
    int fd = rig_start(tls);
    ASSERT_INT_EQ(write(fd, "GET / HTTP/1.1\r\n\r\n", 18), 18);
    rig_pump_ms(5);
    ASSERT_INT_EQ(rig.closed, 1);
    ASSERT_INT_EQ(rig.closed_error, -EPROTO);
    rig_stop(fd);
    fd = rig_start(tls);
    SSL *ssl = client(fd, "\2h2", TLS1_3_VERSION, NULL);
    ASSERT_INT_EQ(shake(ssl), 1);
    rig_pump_ms(5);
    ASSERT_INT_EQ(rig.opened, 1);
    shutdown(fd, SHUT_RDWR); /* without close_notify */
    rig_pump_ms(5);
    ASSERT_INT_EQ(rig.closed, 1);
    ASSERT_INT_EQ(rig.closed_error, -ECONNRESET);
    SSL_free(ssl);
    rig_stop(fd);
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
    int fd = rig_start(tls);
    SSL *ssl = client(fd, "\2h2", TLS1_3_VERSION, NULL);
    ASSERT_INT_EQ(shake(ssl), 1);
    ASSERT_INT_EQ(tls_make_self_signed(certificate, key, error, sizeof error), 0);
    ASSERT_INT_EQ(tls_context_reload(tls, error, sizeof error), 0);
    ASSERT_INT_EQ(SSL_write(ssl, "x", 1), 1);
    rig_pump_ms(5);
    ASSERT_INT_EQ(buf_len(&rig.received), 1);
    SSL_free(ssl);
    rig_stop(fd);
    fd = rig_start(tls);
    ssl = client(fd, "\2h2", TLS1_3_VERSION, NULL);
    ASSERT_INT_EQ(shake(ssl), 1);
    SSL_free(ssl);
    rig_stop(fd);
    end_tls(tls);
}
