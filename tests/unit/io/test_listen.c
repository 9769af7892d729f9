/* Listening sockets: addresses, stale files, and accepting when descriptors run out. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "io/listen.h"
#include "support/test.h"

static struct loop loop;

static void pump_ms(int ms)
{
    for (struct test_turns t = test_turns(ms); test_turns_left(&t);)
        ev_run(loop.ev, EVRUN_NOWAIT);
}

TEST(listen, understands_addresses)
{
    char error[200];
    int fd;
    static const char *const good[] = {"127.0.0.1:0", "localhost:0", "*:0", "[::1]:0"};
    for (size_t i = 0; i < 4; i++) {
        ASSERT_INT_EQ(listen_open(good[i], 10, &fd, error, sizeof error), 0);
        ASSERT_TRUE(listen_port(fd) > 0);
        close(fd);
    }
    static const char *const bad[] = {
        "",       "127.0.0.1", "127.0.0.1:", "127.0.0.1:65536", ":50051", "example.org:1",
        "[::1:5", "unix:",     "[]:1",       "127.0.0.1:-1"};
    for (size_t i = 0; i < 10; i++) {
        ASSERT_INT_EQ(listen_open(bad[i], 10, &fd, error, sizeof error), -EINVAL);
        ASSERT_HAS(error, bad[i]);
    }
    ASSERT_TRUE(listen_is_local("127.0.0.5:1"));
    ASSERT_TRUE(listen_is_local("[::1]:1"));
    ASSERT_TRUE(listen_is_local("unix:/x"));
    ASSERT_FALSE(listen_is_local("*:1"));
    ASSERT_FALSE(listen_is_local("[::]:1"));
}

TEST(listen, says_when_the_port_is_taken)
{
    char error[200], address[40];
    int fd, second;
    ASSERT_INT_EQ(listen_open("127.0.0.1:0", 10, &fd, error, sizeof error), 0);
    snprintf(address, sizeof address, "127.0.0.1:%u", listen_port(fd));
    ASSERT_INT_EQ(listen_open(address, 10, &second, error, sizeof error), -EADDRINUSE);
    ASSERT_HAS(error, address);
    close(fd);
}

TEST(listen, replaces_a_stale_unix_socket_but_not_a_live_one)
{
    char error[200], path[] = "/tmp/fg_sock_XXXXXX", address[64];
    int fd, second;
    ASSERT_NOT_NULL(mkdtemp(path));
    snprintf(address, sizeof address, "unix:%s/s", path);
    ASSERT_INT_EQ(listen_open(address, 10, &fd, error, sizeof error), 0);
    ASSERT_INT_EQ(listen_open(address, 10, &second, error, sizeof error), -EADDRINUSE);
    close(fd);
    ASSERT_INT_EQ(listen_open(address, 10, &fd, error, sizeof error), 0);
    close(fd);
    unlink(address + 5);
    rmdir(path);
}

static unsigned accepted;

static uint32_t may_accept(void *ctx)
{
    (void)ctx;
    return 0;
}

static void on_accept(void *ctx, int fd)
{
    (void)ctx;
    accepted++;
    close(fd);
}

static int dial(uint16_t port)
{
    struct sockaddr_in a = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    return connect(fd, (struct sockaddr *)&a, sizeof a) == 0 ? fd : -1;
}

TEST(listen, survives_running_out_of_descriptors)
{
    static const struct listener_handler accept_handler = {may_accept, on_accept};
    char error[200];
    struct listener *listener;
    struct rlimit before, few;
    int fd;
    accepted = 0;
    ASSERT_INT_EQ(loop_init(&loop, &clock_system), 0);
    ASSERT_INT_EQ(listen_open("127.0.0.1:0", 10, &fd, error, sizeof error), 0);
    uint16_t port = listen_port(fd);
    ASSERT_INT_EQ(listener_new(&listener, &loop, fd, &accept_handler, NULL), 0);
    int client_fd = dial(port);
    getrlimit(RLIMIT_NOFILE, &before);
    few = before;
    few.rlim_cur = (rlim_t)client_fd + 1;
    setrlimit(RLIMIT_NOFILE, &few);
    int fillers[1024], count = 0;
    while (count < 1024 && (fillers[count] = open("/dev/null", O_RDONLY)) >= 0)
        count++;
    pump_ms(20);
    ASSERT_INT_EQ(accepted, 0);
    char byte;
    ASSERT_TRUE(recv(client_fd, &byte, 1, MSG_DONTWAIT) == 0); /* closed, not left hanging */
    while (count)
        close(fillers[--count]);
    setrlimit(RLIMIT_NOFILE, &before);
    close(client_fd);
    client_fd = dial(port);
    pump_ms(150); /* the pause is over */
    ASSERT_INT_EQ(accepted, 1);
    close(client_fd);
    listener_free(listener);
    loop_deinit(&loop);
}
