/* PROXY headers: each form, each cut, each lie; and that a connection takes exactly the header. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "io/conn.h"
#include "io/gate.h"
#include "io/proxy.h"
#include "support/test.h"

static ssize_t parse(const void *p, size_t bytes, char text[ENDPOINT_TEXT_BYTES])
{
    struct endpoint source;
    ssize_t n = proxy_parse(p, bytes, &source);
    endpoint_format(&source, text);
    return n;
}

/* @text followed by the preface: the header is all of @text. */
static void takes(const char *text, const char *source)
{
    char all[400], seen[ENDPOINT_TEXT_BYTES];
    size_t n = strlen(text);
    snprintf(all, sizeof all, "%sPRI * HTTP/2.0\r\n", text);
    ASSERT_INT_EQ(parse(all, strlen(all), seen), n);
    ASSERT_STR_EQ(seen, source);
    for (size_t cut = 0; cut < n; cut++) {
        ASSERT_INT_EQ(parse(all, cut, seen), -EAGAIN);
        ASSERT_STR_EQ(seen, "?");
    }
}

TEST(proxy, reads_version_1)
{
    takes("PROXY TCP4 192.0.2.7 198.51.100.1 4711 443\r\n", "192.0.2.7:4711");
    takes("PROXY TCP6 2001:db8::7 2001:db8::1 4711 443\r\n", "[2001:db8::7]:4711");
    takes("PROXY TCP4 255.255.255.255 255.255.255.255 65535 65535\r\n", "255.255.255.255:65535");
    takes("PROXY TCP6 ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff "
          "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535 65535\r\n",
          "[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:65535");
    takes("PROXY UNKNOWN\r\n", "?");
    takes("PROXY UNKNOWN ffff::1 what ever\r\n", "?");
}

TEST(proxy, refuses_what_is_not_version_1)
{
    static const char *const bad[] = {
        "GET / HTTP/1.1\r\n",
        "PRI * HTTP/2.0\r\n",
        "PROXX TCP4 192.0.2.7 198.51.100.1 1 2\r\n",
        "PROXY TCP4 192.0.2.7 198.51.100.1 1 2\n",
        "PROXY \r\n",
        "PROXY\r\n",
        "PROXY TCP4\r\n",
        "PROXY TCP4 192.0.2.7\r\n",
        "PROXY TCP4 192.0.2.7 198.51.100.1 1\r\n",
        "PROXY TCP4 192.0.2.7 198.51.100.1 1 2 3\r\n",
        "PROXY TCP4 192.0.2.7 198.51.100.1 1 2 \r\n",
        "PROXY TCP4  192.0.2.7 198.51.100.1 1 2\r\n",
        "PROXY TCP4 192.0.2.7 198.51.100.1 65536 2\r\n",
        "PROXY TCP4 192.0.2.7 198.51.100.1 -1 2\r\n",
        "PROXY TCP4 192.0.2.256 198.51.100.1 1 2\r\n",
        "PROXY TCP4 2001:db8::7 2001:db8::1 1 2\r\n",
        "PROXY TCP6 192.0.2.7 198.51.100.1 1 2\r\n",
        "PROXY TCP6 2001:db8::7 198.51.100.1 1 2\r\n",
        "PROXY UDP4 192.0.2.7 198.51.100.1 1 2\r\n",
        "PROXY UNKNOWNX\r\n",
        "\x16\x03\x01\x02",
    };
    char seen[ENDPOINT_TEXT_BYTES];
    for (unsigned i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        ASSERT_INT_EQ(parse(bad[i], strlen(bad[i]), seen), -EPROTO);
        ASSERT_STR_EQ(seen, "?");
    }
    /* 107 bytes without an end are one too many. */
    char line[200] = "PROXY UNKNOWN ";
    memset(line + strlen(line), 'x', 150);
    ASSERT_INT_EQ(parse(line, 106, seen), -EAGAIN);
    ASSERT_INT_EQ(parse(line, 107, seen), -EPROTO);
}

/* ---- version 2 ---- */

struct header {
    uint8_t p[PROXY_HEADER_BYTES_MAX + 100];
    size_t n;
};

static void begin(struct header *h, uint8_t command, uint8_t family)
{
    static const uint8_t start[] = {13, 10, 13, 10, 0, 13, 10, 'Q', 'U', 'I', 'T', 10};
    memcpy(h->p, start, sizeof start);
    h->p[12] = command;
    h->p[13] = family;
    h->n = 16;
}

static void add(struct header *h, const void *p, size_t bytes)
{
    memcpy(h->p + h->n, p, bytes);
    h->n += bytes;
    h->p[14] = (uint8_t)((h->n - 16) >> 8);
    h->p[15] = (uint8_t)(h->n - 16);
}

static void begin_tcp4(struct header *h)
{
    begin(h, 0x21, 0x11);
    add(h, "\xc0\x00\x02\x07\xc6\x33\x64\x01\x12\x67\x01\xbb", 12);
}

static void takes_v2(struct header *h, const char *source)
{
    char seen[ENDPOINT_TEXT_BYTES];
    size_t n = h->n;
    memcpy(h->p + n, "PRI * HTTP/2.0", 14);
    ASSERT_INT_EQ(parse(h->p, n + 14, seen), n);
    ASSERT_STR_EQ(seen, source);
    for (size_t cut = 0; cut < n; cut++)
        ASSERT_INT_EQ(parse(h->p, cut, seen), -EAGAIN);
}

static void refuses_v2(const struct header *h)
{
    char seen[ENDPOINT_TEXT_BYTES];
    ASSERT_INT_EQ(parse(h->p, h->n, seen), -EPROTO);
    ASSERT_STR_EQ(seen, "?");
}

TEST(proxy, reads_version_2)
{
    static uint8_t zeros[216];
    struct header h;
    begin_tcp4(&h);
    takes_v2(&h, "192.0.2.7:4711");
    begin(&h, 0x21, 0x21);
    add(&h, "\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\7", 16);
    add(&h, "\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\1\x12\x67\x01\xbb", 20);
    takes_v2(&h, "[2001:db8::7]:4711");
    begin(&h, 0x20, 0x00); /* LOCAL */
    add(&h, "", 0);
    takes_v2(&h, "?");
    begin(&h, 0x20, 0x11); /* LOCAL with whatever behind it */
    add(&h, "\xff\xff\xff", 3);
    takes_v2(&h, "?");
    begin(&h, 0x21, 0x00);
    add(&h, "some", 4);
    takes_v2(&h, "?");
    begin(&h, 0x21, 0x31);
    add(&h, zeros, 216);
    takes_v2(&h, "?");
    /* TLVs: ALPN, authority, SSL, a unique id, AWS's, and one nobody knows. */
    begin_tcp4(&h);
    add(&h, "\x01\x00\x02h2\x02\x00\x09shop.test\x20\x00\x05\x01\0\0\0\0\x05\x00\x02id", 30);
    add(&h, "\xea\x00\x03\x01vp\xe0\x00\x00", 9);
    takes_v2(&h, "192.0.2.7:4711");
}

TEST(proxy, checks_the_checksum_of_version_2)
{
    struct header h;
    begin_tcp4(&h);
    add(&h, "\x03\x00\x04\x6a\xcd\xf6\x1c", 7); /* made by another implementation */
    takes_v2(&h, "192.0.2.7:4711");
    h.p[17] ^= 1;
    refuses_v2(&h);
    begin_tcp4(&h);
    add(&h, "\x03\x00\x03\x6a\xcd\xf6", 6);
    refuses_v2(&h);
}

TEST(proxy, refuses_what_is_not_version_2)
{
    static const uint8_t families[] = {0x10, 0x12, 0x22, 0x32, 0x13, 0x41, 0x01, 0xff};
    static uint8_t much[PROXY_HEADER_BYTES_MAX];
    struct header h;
    for (unsigned i = 0; i < sizeof families; i++) {
        begin(&h, 0x21, families[i]);
        add(&h, much, 216);
        refuses_v2(&h);
    }
    begin_tcp4(&h);
    h.p[12] = 0x22; /* no such command */
    refuses_v2(&h);
    h.p[12] = 0x11; /* no such version */
    refuses_v2(&h);
    begin(&h, 0x21, 0x11);
    add(&h, much, 11);
    refuses_v2(&h);
    begin(&h, 0x21, 0x21);
    add(&h, much, 35);
    refuses_v2(&h);
    begin_tcp4(&h);
    add(&h, "\x01\x00", 2);
    refuses_v2(&h);
    begin_tcp4(&h);
    add(&h, "\x01\x00\x05h2", 5);
    refuses_v2(&h);
    begin(&h, 0x20, 0x00);
    add(&h, much, PROXY_HEADER_BYTES_MAX - 15);
    refuses_v2(&h);
}

/* ---- on a connection ---- */

static struct loop loop;
static struct conn *conn;
static struct conn_stats stats;
static struct buf received;
static unsigned opened, closed;
static int closed_error;

static void on_open(void *ctx)
{
    (void)ctx;
    opened++;
}

static ssize_t on_read(void *ctx, const uint8_t *p, size_t bytes)
{
    (void)ctx;
    buf_append(&received, p, bytes);
    return (ssize_t)bytes;
}

static void on_write_ready(void *ctx, struct buf *out, size_t bytes_max)
{
    (void)ctx;
    (void)out;
    (void)bytes_max;
}

static void on_closed(void *ctx, int error)
{
    (void)ctx;
    closed++;
    closed_error = error;
    conn = NULL;
}

static const struct conn_handler handler = {on_open, on_read, on_write_ready, on_closed};
static const struct conn_limits limits = {
    .handshake_timeout_ms = 500, .write_timeout_ms = 1000, .write_high_water_bytes = 65536};

static void pump_ms(int ms)
{
    for (struct test_turns t = test_turns(ms); test_turns_left(&t);)
        ev_run(loop.ev, EVRUN_NOWAIT);
}

static void parse_gate(const char *options, struct listen_spec *ret_spec)
{
    char text[300], error[300];
    static char kept[300];
    snprintf(text, sizeof text, "unix:/x,%s", options);
    memcpy(kept, text, sizeof kept);
    struct str list = str_of(kept);
    ASSERT_INT_EQ(listen_spec_next(&list, false, ret_spec, error, sizeof error), 0);
}

/* The peer's end; conn is NULL where the gate let nobody in. */
static int come_in(const struct gate *gate)
{
    int fds[2];
    opened = closed = 0;
    conn = NULL;
    memset(&stats, 0, sizeof stats);
    ASSERT_INT_EQ(loop_init(&loop, &clock_system), 0);
    ASSERT_INT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
    int r = conn_new(&conn, &loop, fds[0], gate, &limits, &stats, &handler, NULL);
    ASSERT_TRUE(r == 0 || r == -EPERM);
    return fds[1];
}

static void leave(int fd)
{
    close(fd);
    conn = conn_free(conn);
    buf_deinit(&received);
    loop_deinit(&loop);
}

TEST(proxy, is_taken_to_the_last_byte_and_no_further)
{
    static const char header[] = "PROXY TCP4 192.0.2.7 198.51.100.1 4711 443\r\n";
    struct listen_spec spec;
    parse_gate("proxy=unix,forwarded=192.0.2.0/24", &spec);
    for (size_t step = 1; step <= sizeof header + 6; step += 7) {
        char all[100];
        snprintf(all, sizeof all, "%spreface", header);
        int fd = come_in(&spec.gate);
        ASSERT_FALSE(conn_who(conn)->is_forwarder);
        for (size_t at = 0; at < strlen(all); at += step) {
            size_t n = strlen(all) - at < step ? strlen(all) - at : step;
            ASSERT_INT_EQ(write(fd, all + at, n), n);
            ASSERT_INT_EQ(opened, at >= sizeof header - 1);
            pump_ms(0);
            pump_ms(0);
        }
        pump_ms(2);
        ASSERT_INT_EQ(opened, 1);
        ASSERT_MEM_EQ(received.p, "preface", 7);
        ASSERT_INT_EQ(buf_len(&received), 7);
        ASSERT_VIEW_EQ(conn_peer(conn), "192.0.2.7:4711");
        ASSERT_TRUE(str_starts(conn_who(conn)->via, STR("unix:pid=")));
        /* The user of the unix socket is the proxy, and who comes through it is judged by its own
         * address. */
        ASSERT_INT_EQ(conn_who(conn)->identity.n, 0);
        ASSERT_TRUE(conn_who(conn)->is_forwarder);
        leave(fd);
    }
}

TEST(proxy, local_keeps_the_true_address)
{
    struct listen_spec spec;
    struct header h;
    parse_gate("proxy=unix", &spec);
    int fd = come_in(&spec.gate);
    begin(&h, 0x20, 0x00);
    add(&h, "", 0);
    ASSERT_INT_EQ(write(fd, h.p, h.n), h.n);
    pump_ms(5);
    ASSERT_INT_EQ(opened, 1);
    ASSERT_TRUE(str_starts(conn_peer(conn), STR("unix:pid=")));
    ASSERT_INT_EQ(conn_who(conn)->via.n, 0);
    ASSERT_TRUE(str_starts(conn_who(conn)->identity, STR("unix:uid=")));
    leave(fd);
}

TEST(proxy, is_wanted_in_time_and_from_the_right_place)
{
    struct listen_spec spec;
    parse_gate("proxy=unix", &spec);
    int fd = come_in(&spec.gate);
    ASSERT_INT_EQ(write(fd, "PROXY ", 6), 6);
    pump_ms(20);
    ASSERT_INT_EQ(closed, 0);
    pump_ms(700);
    ASSERT_INT_EQ(closed, 1);
    ASSERT_INT_EQ(closed_error, -ETIMEDOUT);
    ASSERT_INT_EQ(opened, 0);
    leave(fd);

    fd = come_in(&spec.gate);
    ASSERT_INT_EQ(write(fd, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 24), 24);
    pump_ms(5);
    ASSERT_INT_EQ(closed, 1);
    ASSERT_INT_EQ(closed_error, -EPROTO);
    leave(fd);

    fd = come_in(&spec.gate);
    shutdown(fd, SHUT_RDWR); /* a probe that says nothing */
    pump_ms(5);
    ASSERT_INT_EQ(closed, 1);
    leave(fd);

    parse_gate("proxy=10.0.0.0/8", &spec);
    fd = come_in(&spec.gate);
    ASSERT_NULL(conn);
    leave(fd);
}

TEST(gate, admits_the_users_it_names)
{
    struct listen_spec spec;
    char options[100];
    parse_gate("uids=4294967294", &spec);
    int fd = come_in(&spec.gate);
    ASSERT_NULL(conn);
    leave(fd);
    snprintf(options, sizeof options, "uids=4294967294+%u", getuid());
    parse_gate(options, &spec);
    fd = come_in(&spec.gate);
    ASSERT_NOT_NULL(conn);
    char uid[40];
    snprintf(uid, sizeof uid, "unix:uid=%u", getuid());
    ASSERT_VIEW_EQ(conn_who(conn)->identity, uid);
    ASSERT_INT_EQ(conn_who(conn)->proof, PEER_SOCKET);
    leave(fd);
}
