/* One socket as channelz shows it: addresses, counters, windows, options. channelz.c calls it.
 * What must stay true: windows are named from the receiver of the grant: what we may send is the
 * local one. */
#include <arpa/inet.h>
#include <google/protobuf/any.pb-c.h>
#include <google/protobuf/timestamp.pb-c.h>
#include <google/protobuf/wrappers.pb-c.h>
#include <grpc/channelz/v1/channelz.pb-c.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "grpc/channelz.h"
#include "grpc/internal.h"

/* ---- addresses ---- */

/* "127.0.0.1:50051" or "[::1]:50051" into bytes; false: neither. */
static bool parse_ip(struct call *c, struct str text, Grpc__Channelz__V1__Address__TcpIpAddress *ip)
{
    char host[INET6_ADDRSTRLEN];
    const char *colon = text.n > 0 ? memrchr(text.p, ':', text.n) : NULL;
    int64_t port;
    if (!colon ||
        str_int64((struct str){.p = colon + 1, .n = text.n - (size_t)(colon + 1 - text.p)}, 0,
                  UINT16_MAX, &port) < 0)
        return false;
    struct str inside = {.p = text.p, .n = (size_t)(colon - text.p)};
    bool is_v6 = inside.n > 2 && inside.p[0] == '[' && inside.p[inside.n - 1] == ']';
    if (is_v6)
        inside = (struct str){.p = inside.p + 1, .n = inside.n - 2};
    if (inside.n >= sizeof host)
        return false;
    memcpy(host, inside.p, inside.n);
    host[inside.n] = '\0';
    ip->port = (int32_t)port;
    ip->ip_address.data = arena_alloc(&c->arena, sizeof(struct in6_addr));
    ip->ip_address.len = is_v6 ? sizeof(struct in6_addr) : sizeof(struct in_addr);
    return inet_pton(is_v6 ? AF_INET6 : AF_INET, host, ip->ip_address.data) == 1;
}

static Grpc__Channelz__V1__Address *address(struct call *c, struct str text)
{
    Grpc__Channelz__V1__Address *a = arena_alloc(&c->arena, sizeof *a);
    grpc__channelz__v1__address__init(a);
    struct str path = text;
    if (str_skip(&path, STR("unix:"))) {
        a->uds_address = arena_alloc(&c->arena, sizeof *a->uds_address);
        grpc__channelz__v1__address__uds_address__init(a->uds_address);
        a->uds_address->filename = arena_dup(&c->arena, path);
        a->address_case = GRPC__CHANNELZ__V1__ADDRESS__ADDRESS_UDS_ADDRESS;
        return a;
    }
    Grpc__Channelz__V1__Address__TcpIpAddress *ip = arena_alloc(&c->arena, sizeof *ip);
    grpc__channelz__v1__address__tcp_ip_address__init(ip);
    if (parse_ip(c, text, ip)) {
        a->tcpip_address = ip;
        a->address_case = GRPC__CHANNELZ__V1__ADDRESS__ADDRESS_TCPIP_ADDRESS;
        return a;
    }
    a->other_address = arena_alloc(&c->arena, sizeof *a->other_address);
    grpc__channelz__v1__address__other_address__init(a->other_address);
    a->other_address->name = arena_dup(&c->arena, text);
    a->address_case = GRPC__CHANNELZ__V1__ADDRESS__ADDRESS_OTHER_ADDRESS;
    return a;
}

/* ---- options ---- */

static const struct socket_number {
    const char *name;
    int level;
    int option;
} socket_numbers[] = {
    {"SO_SNDBUF", SOL_SOCKET, SO_SNDBUF},       {"SO_RCVBUF", SOL_SOCKET, SO_RCVBUF},
    {"SO_KEEPALIVE", SOL_SOCKET, SO_KEEPALIVE}, {"SO_REUSEPORT", SOL_SOCKET, SO_REUSEPORT},
    {"TCP_NODELAY", IPPROTO_TCP, TCP_NODELAY},  {"TCP_USER_TIMEOUT", IPPROTO_TCP, TCP_USER_TIMEOUT},
};

#define SOCKET_NUMBERS (sizeof socket_numbers / sizeof socket_numbers[0])

static Grpc__Channelz__V1__SocketOption *option(struct call *c, const char *name)
{
    Grpc__Channelz__V1__SocketOption *o = arena_alloc(&c->arena, sizeof *o);
    grpc__channelz__v1__socket_option__init(o);
    o->name = arena_dup(&c->arena, str_of(name));
    return o;
}

static void copy_tcp_info(const struct tcp_info *t, Grpc__Channelz__V1__SocketOptionTcpInfo *ret)
{
    grpc__channelz__v1__socket_option_tcp_info__init(ret);
    ret->tcpi_state = t->tcpi_state;
    ret->tcpi_ca_state = t->tcpi_ca_state;
    ret->tcpi_retransmits = t->tcpi_retransmits;
    ret->tcpi_probes = t->tcpi_probes;
    ret->tcpi_backoff = t->tcpi_backoff;
    ret->tcpi_options = t->tcpi_options;
    ret->tcpi_snd_wscale = t->tcpi_snd_wscale;
    ret->tcpi_rcv_wscale = t->tcpi_rcv_wscale;
    ret->tcpi_rto = t->tcpi_rto;
    ret->tcpi_ato = t->tcpi_ato;
    ret->tcpi_snd_mss = t->tcpi_snd_mss;
    ret->tcpi_rcv_mss = t->tcpi_rcv_mss;
    ret->tcpi_unacked = t->tcpi_unacked;
    ret->tcpi_sacked = t->tcpi_sacked;
    ret->tcpi_lost = t->tcpi_lost;
    ret->tcpi_retrans = t->tcpi_retrans;
    ret->tcpi_fackets = t->tcpi_fackets;
    ret->tcpi_last_data_sent = t->tcpi_last_data_sent;
    ret->tcpi_last_ack_sent = t->tcpi_last_ack_sent;
    ret->tcpi_last_data_recv = t->tcpi_last_data_recv;
    ret->tcpi_last_ack_recv = t->tcpi_last_ack_recv;
    ret->tcpi_pmtu = t->tcpi_pmtu;
    ret->tcpi_rcv_ssthresh = t->tcpi_rcv_ssthresh;
    ret->tcpi_rtt = t->tcpi_rtt;
    ret->tcpi_rttvar = t->tcpi_rttvar;
    ret->tcpi_snd_ssthresh = t->tcpi_snd_ssthresh;
    ret->tcpi_snd_cwnd = t->tcpi_snd_cwnd;
    ret->tcpi_advmss = t->tcpi_advmss;
    ret->tcpi_reordering = t->tcpi_reordering;
}

/* NULL: not a TCP socket. */
static Grpc__Channelz__V1__SocketOption *tcp_info(struct call *c, int fd)
{
    struct tcp_info info;
    socklen_t bytes = sizeof info;
    Grpc__Channelz__V1__SocketOptionTcpInfo message;
    if (getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &bytes) < 0)
        return NULL;
    copy_tcp_info(&info, &message);
    Google__Protobuf__Any *any = arena_alloc(&c->arena, sizeof *any);
    google__protobuf__any__init(any);
    any->type_url =
        arena_dup(&c->arena, STR("type.googleapis.com/grpc.channelz.v1.SocketOptionTcpInfo"));
    any->value.len = grpc__channelz__v1__socket_option_tcp_info__get_packed_size(&message);
    any->value.data = arena_alloc(&c->arena, any->value.len);
    grpc__channelz__v1__socket_option_tcp_info__pack(&message, any->value.data);
    Grpc__Channelz__V1__SocketOption *o = option(c, "TCP_INFO");
    o->additional = any;
    return o;
}

static void put_options(struct call *c, Grpc__Channelz__V1__SocketData *data, int fd)
{
    data->option = arena_array(&c->arena, SOCKET_NUMBERS + 1, sizeof data->option[0]);
    for (size_t i = 0; i < SOCKET_NUMBERS; i++) {
        int value;
        socklen_t bytes = sizeof value;
        if (getsockopt(fd, socket_numbers[i].level, socket_numbers[i].option, &value, &bytes) < 0)
            continue; /* of another family */
        Grpc__Channelz__V1__SocketOption *o = option(c, socket_numbers[i].name);
        o->value = arena_printf(&c->arena, "%d", value);
        data->option[data->n_option++] = o;
    }
    Grpc__Channelz__V1__SocketOption *tcp = tcp_info(c, fd);
    if (tcp)
        data->option[data->n_option++] = tcp;
}

/* ---- sockets ---- */

Google__Protobuf__Timestamp *channelz_time(struct call *c, int64_t mono_ns)
{
    if (mono_ns == 0)
        return NULL;
    int64_t wall_ns = call_wall_ns(c) - (c->server->loop->now_ns - mono_ns);
    Google__Protobuf__Timestamp *t = arena_alloc(&c->arena, sizeof *t);
    google__protobuf__timestamp__init(t);
    t->seconds = wall_ns / NS_PER_S;
    t->nanos = (int32_t)(wall_ns % NS_PER_S);
    return t;
}

static Google__Protobuf__Int64Value *number(struct call *c, int64_t value)
{
    Google__Protobuf__Int64Value *n = arena_alloc(&c->arena, sizeof *n);
    google__protobuf__int64_value__init(n);
    n->value = value;
    return n;
}

static Grpc__Channelz__V1__Security *tls(struct call *c)
{
    Grpc__Channelz__V1__Security *s = arena_alloc(&c->arena, sizeof *s);
    grpc__channelz__v1__security__init(s);
    s->other = arena_alloc(&c->arena, sizeof *s->other);
    grpc__channelz__v1__security__other_security__init(s->other);
    s->other->name = arena_dup(&c->arena, STR("TLS"));
    s->model_case = GRPC__CHANNELZ__V1__SECURITY__MODEL_OTHER;
    return s;
}

static Grpc__Channelz__V1__Socket *socket_new(struct call *c, uint64_t id, struct str name,
                                              struct str local, bool is_tls)
{
    Grpc__Channelz__V1__Socket *s = arena_alloc(&c->arena, sizeof *s);
    grpc__channelz__v1__socket__init(s);
    s->ref = arena_alloc(&c->arena, sizeof *s->ref);
    grpc__channelz__v1__socket_ref__init(s->ref);
    s->ref->socket_id = channelz_socket_id(c->server->worker, id);
    s->ref->name = arena_dup(&c->arena, name);
    s->data = arena_alloc(&c->arena, sizeof *s->data);
    grpc__channelz__v1__socket_data__init(s->data);
    s->local = address(c, local);
    s->security = is_tls ? tls(c) : NULL;
    return s;
}

Grpc__Channelz__V1__Socket *channelz_conn(struct call *c, const struct h2_conn_info *info,
                                          bool summary)
{
    Grpc__Channelz__V1__Socket *s = socket_new(c, info->id, info->peer, info->local, info->is_tls);
    Grpc__Channelz__V1__SocketData *data = s->data;
    s->remote = address(c, info->peer);
    data->streams_started = (int64_t)info->streams_started;
    data->streams_succeeded = (int64_t)info->streams_succeeded;
    data->streams_failed = (int64_t)info->streams_failed;
    data->messages_sent = (int64_t)info->messages_sent;
    data->messages_received = (int64_t)info->messages_received;
    data->last_message_sent_timestamp = channelz_time(c, info->last_message_sent_ns);
    data->last_message_received_timestamp = channelz_time(c, info->last_message_received_ns);
    data->keep_alives_sent = (int64_t)info->keepalives_sent;
    data->last_remote_stream_created_timestamp = channelz_time(c, info->last_stream_ns);
    data->local_flow_control_window = number(c, info->remote_window_bytes);
    data->remote_flow_control_window = number(c, info->local_window_bytes);
    if (!summary)
        put_options(c, data, info->fd);
    return s;
}

Grpc__Channelz__V1__Socket *channelz_listener(struct call *c, const struct h2_listener_info *info,
                                              bool summary)
{
    Grpc__Channelz__V1__Socket *s = socket_new(c, info->id, info->local, info->local, info->is_tls);
    if (!summary)
        put_options(c, s->data, info->fd);
    return s;
}
