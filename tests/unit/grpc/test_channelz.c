/* channelz through the runner, with connections that the rig makes up: pages, counters, addresses,
 * and what is refused. gRFC A14; the messages are read back with the generated code. */
#include "grpc/channelz.h"

#include <grpc/channelz/v1/channelz.pb-c.h>
#include <netinet/in.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "pb.h"
#include "rig.h"
#include "support/test.h"

#define SERVICE "/grpc.channelz.v1.Channelz/"
#define WORKER 3
#define SERVER_ID (WORKER + 1)
#define SOCKET_ID(h2_id) ((INT64_C(4) << 40) + (h2_id))

static const struct h2_server *const some_h2 = (const struct h2_server *)&rig;

static void begin(unsigned conns)
{
    struct rpc_method methods[] = {
        {.path = STR(SERVICE "GetTopChannels"),
         .request = &grpc__channelz__v1__get_top_channels_request__descriptor},
        {.path = STR(SERVICE "GetServers"),
         .request = &grpc__channelz__v1__get_servers_request__descriptor},
        {.path = STR(SERVICE "GetServer"),
         .request = &grpc__channelz__v1__get_server_request__descriptor},
        {.path = STR(SERVICE "GetServerSockets"),
         .request = &grpc__channelz__v1__get_server_sockets_request__descriptor},
        {.path = STR(SERVICE "GetChannel"),
         .request = &grpc__channelz__v1__get_channel_request__descriptor},
        {.path = STR(SERVICE "GetSubchannel"),
         .request = &grpc__channelz__v1__get_subchannel_request__descriptor},
        {.path = STR(SERVICE "GetSocket"),
         .request = &grpc__channelz__v1__get_socket_request__descriptor},
    };
    for (size_t i = 0; i < sizeof methods / sizeof methods[0]; i++)
        methods[i].handler = channelz_service.handlers[i];
    rig_start(methods, sizeof methods / sizeof methods[0], NULL);
    server_set_connections(rig.server, some_h2, WORKER);
    rig_conn_count = conns;
    for (unsigned i = 0; i < conns; i++)
        rig_conns[i] = (struct h2_conn_info){
            .id = 10 + i, .fd = -1, .peer = STR("192.0.2.7:4711"), .local = STR("[::1]:50051")};
    rig_listener = (struct h2_listener_info){.id = 2, .fd = -1, .local = STR("unix:/run/x.sock")};
}

static void end(void)
{
    ASSERT_TRUE(rig_is_clean());
    rig_conn_count = 0;
    rig_stop();
}

/* Up to three integer fields, 1 to 3. */
static struct client *ask(const char *method, int64_t one, int64_t two, int64_t three)
{
    const int64_t fields[] = {one, two, three};
    char path[64];
    struct buf b = {0};
    snprintf(path, sizeof path, "%s%s", SERVICE, method);
    for (uint32_t i = 0; i < 3; i++)
        if (fields[i] != 0)
            pb_number(&b, i + 1, (uint64_t)fields[i]);
    struct client *c = client_call(path, b.p, buf_len(&b));
    buf_deinit(&b);
    rig_turn();
    client_take(c);
    rig_turn();
    return c;
}

static void *answer(struct client *c, const ProtobufCMessageDescriptor *type)
{
    ASSERT_INT_EQ(client_status(c), STATUS_OK);
    ASSERT_TRUE(buf_len(&c->body) >= 5);
    void *message =
        protobuf_c_message_unpack(type, NULL, buf_len(&c->body) - 5, c->body.p + c->body.start + 5);
    ASSERT_NOT_NULL(message);
    client_close(c, false);
    client_free(c);
    return message;
}

static void done(void *message)
{
    protobuf_c_message_free_unpacked(message, NULL);
}

static void expect_status(const char *method, int64_t one, int64_t two, int64_t three,
                          enum status_code code)
{
    struct client *c = ask(method, one, two, three);
    ASSERT_INT_EQ(client_status(c), code);
    client_close(c, false);
    client_free(c);
}

TEST(channelz, shows_the_server_of_the_worker_that_is_asked)
{
    begin(0);
    expect_status("GetServer", 99, 0, 0, STATUS_NOT_FOUND); /* one call, and it failed */
    Grpc__Channelz__V1__GetServersResponse *list =
        answer(ask("GetServers", 0, 0, 0), &grpc__channelz__v1__get_servers_response__descriptor);
    ASSERT_INT_EQ(list->n_server, 1);
    ASSERT_TRUE(list->end);
    ASSERT_INT_EQ(list->server[0]->ref->server_id, SERVER_ID);
    ASSERT_HAS(list->server[0]->ref->name, "worker 3");
    ASSERT_INT_EQ(list->server[0]->data->calls_started, 2);
    ASSERT_INT_EQ(list->server[0]->data->calls_failed, 1);
    ASSERT_INT_EQ(list->server[0]->data->calls_succeeded, 0); /* this one has not ended */
    ASSERT_TRUE(list->server[0]->data->last_call_started_timestamp->seconds > 1700000000);
    ASSERT_INT_EQ(list->server[0]->n_listen_socket, 1);
    ASSERT_INT_EQ(list->server[0]->listen_socket[0]->socket_id, SOCKET_ID(2));
    done(list);
    list = answer(ask("GetServers", SERVER_ID + 1, 0, 0),
                  &grpc__channelz__v1__get_servers_response__descriptor);
    ASSERT_INT_EQ(list->n_server, 0);
    ASSERT_TRUE(list->end);
    done(list);
    Grpc__Channelz__V1__GetServerResponse *one = answer(
        ask("GetServer", SERVER_ID, 0, 0), &grpc__channelz__v1__get_server_response__descriptor);
    ASSERT_INT_EQ(one->server->data->calls_started, 4);
    ASSERT_INT_EQ(one->server->data->calls_succeeded, 2);
    done(one);
    end();
}

static void expect_page(int64_t from, int64_t max, size_t count, int64_t first, bool is_end)
{
    Grpc__Channelz__V1__GetServerSocketsResponse *page =
        answer(ask("GetServerSockets", SERVER_ID, from, max),
               &grpc__channelz__v1__get_server_sockets_response__descriptor);
    ASSERT_INT_EQ(page->n_socket_ref, count);
    ASSERT_INT_EQ(page->end, is_end);
    for (size_t i = 0; i < count; i++)
        ASSERT_INT_EQ(page->socket_ref[i]->socket_id, first + (int64_t)i);
    done(page);
}

TEST(channelz, lists_sockets_in_pages)
{
    begin(250);
    expect_page(0, 0, 100, SOCKET_ID(10), false);
    expect_page(SOCKET_ID(110), 0, 100, SOCKET_ID(110), false);
    expect_page(SOCKET_ID(210), 0, 50, SOCKET_ID(210), true);
    expect_page(SOCKET_ID(258), 2, 2, SOCKET_ID(258), true);
    expect_page(SOCKET_ID(257), 2, 2, SOCKET_ID(257), false);
    expect_page(SOCKET_ID(260), 0, 0, 0, true);
    expect_page(0, INT64_MAX, 250, SOCKET_ID(10), true);
    expect_status("GetServerSockets", SERVER_ID, 0, -1, STATUS_INVALID_ARGUMENT);
    expect_status("GetServerSockets", SERVER_ID + 1, 0, 0, STATUS_NOT_FOUND);
    end();
    begin(RIG_CONNS_MAX); /* however many are asked for, a page is bounded */
    expect_page(0, INT64_MAX, 500, SOCKET_ID(10), false);
    end();
}

static Grpc__Channelz__V1__GetSocketResponse *get_socket(int64_t h2_id, bool summary)
{
    return answer(ask("GetSocket", SOCKET_ID(h2_id), summary, 0),
                  &grpc__channelz__v1__get_socket_response__descriptor);
}

TEST(channelz, tells_what_a_socket_carries)
{
    begin(1);
    rig_conns[0].streams_started = 7;
    rig_conns[0].streams_succeeded = 4;
    rig_conns[0].streams_failed = 2;
    rig_conns[0].keepalives_sent = 3;
    rig_conns[0].messages_sent = 5;
    rig_conns[0].messages_received = 6;
    rig_conns[0].last_message_sent_ns = rig.mono_ns - NS_PER_S;
    rig_conns[0].last_stream_ns = rig.mono_ns - 2 * NS_PER_S;
    rig_conns[0].local_window_bytes = 1000;
    rig_conns[0].remote_window_bytes = 2000;
    rig_conns[0].is_tls = true;
    Grpc__Channelz__V1__GetSocketResponse *r = get_socket(10, false);
    const Grpc__Channelz__V1__Socket *s = r->socket;
    ASSERT_INT_EQ(s->data->streams_started, 7);
    ASSERT_INT_EQ(s->data->streams_succeeded, 4);
    ASSERT_INT_EQ(s->data->streams_failed, 2);
    ASSERT_INT_EQ(s->data->keep_alives_sent, 3);
    ASSERT_INT_EQ(s->data->messages_sent, 5);
    ASSERT_INT_EQ(s->data->messages_received, 6);
    ASSERT_INT_EQ(s->data->last_message_sent_timestamp->seconds,
                  rig.mono_ns / NS_PER_S + 1700000000 - 1);
    ASSERT_NULL(s->data->last_message_received_timestamp); /* never */
    ASSERT_NULL(s->data->last_local_stream_created_timestamp);
    ASSERT_INT_EQ(s->data->last_remote_stream_created_timestamp->seconds,
                  rig.mono_ns / NS_PER_S + 1700000000 - 2);
    ASSERT_INT_EQ(s->data->local_flow_control_window->value, 2000); /* what was granted to us */
    ASSERT_INT_EQ(s->data->remote_flow_control_window->value, 1000);
    ASSERT_INT_EQ(s->data->n_option, 0); /* no such socket */
    ASSERT_STR_EQ(s->security->other->name, "TLS");
    ASSERT_INT_EQ(s->remote->tcpip_address->port, 4711);
    ASSERT_INT_EQ(s->remote->tcpip_address->ip_address.len, 4);
    ASSERT_MEM_EQ(s->remote->tcpip_address->ip_address.data, "\xc0\0\2\7", 4);
    ASSERT_INT_EQ(s->local->tcpip_address->port, 50051);
    ASSERT_INT_EQ(s->local->tcpip_address->ip_address.len, 16);
    ASSERT_INT_EQ(s->local->tcpip_address->ip_address.data[15], 1);
    done(r);
    r = get_socket(2, false);
    ASSERT_STR_EQ(r->socket->local->uds_address->filename, "/run/x.sock");
    ASSERT_NULL(r->socket->remote);
    ASSERT_NULL(r->socket->security);
    done(r);
    expect_status("GetSocket", SOCKET_ID(11), 0, 0, STATUS_NOT_FOUND);
    expect_status("GetSocket", 10, 0, 0, STATUS_NOT_FOUND); /* without its worker */
    end();
}

TEST(channelz, shows_addresses_it_cannot_read_as_they_are)
{
    static const char *const odd[] = {"",           "?",           "somewhere", "1.2.3.4:x",
                                      "[::1:50051", "1.2.3:99999", "x:1"};
    begin(1);
    for (size_t i = 0; i < sizeof odd / sizeof odd[0]; i++) {
        rig_conns[0].peer = str_of(odd[i]);
        Grpc__Channelz__V1__GetSocketResponse *r = get_socket(10, true);
        ASSERT_STR_EQ(r->socket->remote->other_address->name, odd[i]);
        done(r);
    }
    end();
}

TEST(channelz, reads_the_options_of_a_real_socket_unless_a_summary_is_asked_for)
{
    begin(1);
    rig_conns[0].fd = socket(AF_INET, SOCK_STREAM, 0);
    Grpc__Channelz__V1__GetSocketResponse *r = get_socket(10, false);
    bool has_nodelay = false, has_info = false;
    for (size_t i = 0; i < r->socket->data->n_option; i++) {
        const Grpc__Channelz__V1__SocketOption *o = r->socket->data->option[i];
        has_nodelay |= strcmp(o->name, "TCP_NODELAY") == 0 && strcmp(o->value, "0") == 0;
        has_info |= strcmp(o->name, "TCP_INFO") == 0 && o->additional;
    }
    ASSERT_TRUE(has_nodelay);
    ASSERT_TRUE(has_info);
    done(r);
    r = get_socket(10, true);
    ASSERT_INT_EQ(r->socket->data->n_option, 0);
    done(r);
    close(rig_conns[0].fd);
    end();
}

TEST(channelz, counts_each_message_once)
{
    begin(0);
    unsigned received = rig_messages[false], sent = rig_messages[true];
    expect_status("GetServer", SERVER_ID, 0, 0, STATUS_OK);
    expect_status("GetServer", SERVER_ID + 1, 0, 0, STATUS_NOT_FOUND); /* no message goes back */
    ASSERT_INT_EQ(rig_messages[false] - received, 2);
    ASSERT_INT_EQ(rig_messages[true] - sent, 1);
    end();
}

TEST(channelz, has_no_channels)
{
    begin(0);
    Grpc__Channelz__V1__GetTopChannelsResponse *top = answer(
        ask("GetTopChannels", 0, 0, 0), &grpc__channelz__v1__get_top_channels_response__descriptor);
    ASSERT_INT_EQ(top->n_channel, 0);
    ASSERT_TRUE(top->end);
    done(top);
    expect_status("GetTopChannels", 0, -1, 0, STATUS_INVALID_ARGUMENT);
    expect_status("GetChannel", 1, 0, 0, STATUS_NOT_FOUND);
    expect_status("GetSubchannel", 1, 0, 0, STATUS_NOT_FOUND);
    end();
}
