/* What can be seen of a server from outside: connections and listeners for channelz, sums for
 * /metrics, what the peer of a stream said about itself. Called by the layer above and by main.
 * What must stay true: nothing here changes anything but counters. */
#include "h2/internal.h"
#include "io/gate.h"

static void describe_conn(const struct h2_conn *c, struct h2_conn_info *ret_info,
                          char local[static LISTEN_ADDRESS_BYTES])
{
    listen_address(conn_fd(c->transport), local);
    *ret_info = (struct h2_conn_info){
        .id = c->id,
        .listener_id = c->listener_id,
        .peer = conn_peer(c->transport),
        .local = str_of(local),
        .fd = conn_fd(c->transport),
        .is_tls = conn_is_tls(c->transport),
        .is_draining = c->drain != DRAIN_NO,
        .opened_ns = c->opened_ns,
        .last_stream_ns = c->last_stream_ns,
        .streams_started = c->streams_started,
        .streams_succeeded = c->streams_succeeded,
        .streams_failed = c->streams_failed,
        .messages_sent = c->messages_sent,
        .messages_received = c->messages_received,
        .last_message_sent_ns = c->last_message_sent_ns,
        .last_message_received_ns = c->last_message_received_ns,
        .keepalives_sent = c->keepalives_sent,
        .bytes_read = conn_bytes_read(c->transport),
        .bytes_written = conn_bytes_written(c->transport),
    };
    if (!c->session)
        return; /* still shaking hands */
    ret_info->local_window_bytes = nghttp2_session_get_local_window_size(c->session);
    ret_info->remote_window_bytes = nghttp2_session_get_remote_window_size(c->session);
}

void h2_server_each(const struct h2_server *server,
                    void (*fn)(const struct h2_conn_info *info, void *ctx), void *ctx)
{
    list_for_each(node, &server->conns) {
        char local[LISTEN_ADDRESS_BYTES];
        struct h2_conn_info info;
        describe_conn(list_entry(node, struct h2_conn, node), &info, local);
        fn(&info, ctx);
    }
}

void h2_server_each_listener(const struct h2_server *server,
                             void (*fn)(const struct h2_listener_info *info, void *ctx), void *ctx)
{
    for (unsigned i = 0; i < server->listener_count; i++) {
        const struct h2_listener *l = &server->listeners[i];
        char local[LISTEN_ADDRESS_BYTES];
        listen_address(l->fd, local);
        const struct h2_listener_info info = {.id = l->id,
                                              .local = str_of(local),
                                              .fd = l->fd,
                                              .is_tls = l->gate && l->gate->tls,
                                              .accepted = l->accepted};
        fn(&info, ctx);
    }
}

const struct h2_stats *h2_server_stats(const struct h2_server *server)
{
    struct h2_stats *stats = server->stats;
    const struct conn_stats *conns = &server->conn_stats;
    stats->bytes_read = conns->bytes_read;
    stats->bytes_written = conns->bytes_written;
    stats->reads = conns->reads;
    stats->writes = conns->writes;
    stats->tls_handshakes_ok = conns->tls_handshakes_ok;
    stats->tls_handshakes_failed = conns->tls_handshakes_failed;
    stats->buffered_bytes = h2_server_bytes(server);
    return stats;
}

const char *h2_close_name(enum h2_close cause)
{
#define NAME(name, label) [H2_CLOSE_##name] = (label),
    static const char *const names[] = {H2_CLOSE_CAUSES(NAME)};
#undef NAME
    return names[cause];
}

const char *h2_refusal_name(enum h2_refusal cause)
{
#define NAME(name, label) [H2_REFUSAL_##name] = (label),
    static const char *const names[] = {H2_REFUSAL_CAUSES(NAME)};
#undef NAME
    return names[cause];
}

uint32_t *h2_lasting(struct h2_stream *s)
{
    return &s->conn->lasting;
}

size_t *h2_owned(struct h2_stream *s)
{
    return &s->conn->owned_bytes;
}

void h2_note_message(struct h2_stream *s, bool was_sent)
{
    struct h2_conn *c = s->conn;
    int64_t now_ns = c->server->loop->now_ns;
    if (was_sent) {
        c->messages_sent++;
        c->last_message_sent_ns = now_ns;
    } else {
        c->messages_received++;
        c->last_message_received_ns = now_ns;
    }
}

struct str h2_stream_peer(const struct h2_stream *s)
{
    return conn_peer(s->conn->transport);
}

bool h2_stream_is_tls(const struct h2_stream *s)
{
    return conn_is_tls(s->conn->transport);
}

uint32_t h2_stream_peer_header_list_max(const struct h2_stream *s)
{
    return nghttp2_session_get_remote_settings(s->conn->session,
                                               NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE);
}

const struct conn_stats *h2_server_conn_stats(const struct h2_server *server)
{
    return &server->conn_stats;
}

const struct peer *h2_stream_who(const struct h2_stream *s)
{
    return conn_who(s->conn->transport);
}
