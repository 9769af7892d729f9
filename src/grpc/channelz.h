/* grpc.channelz.v1 (gRFC A14): which connections there are and what they carry, asked over gRPC.
 * The registry adds the service; channelz.c answers, channelz_socket.c writes one socket. What must
 * stay true: ids say the worker in their upper bits, because each worker knows only its own. */
#pragma once

#include <stdint.h>

#include "grpc/grpc.h"

struct Google__Protobuf__Timestamp;
struct Grpc__Channelz__V1__Socket;
struct h2_conn_info;
struct h2_listener_info;

extern const struct rpc_service channelz_service;

/* Ids are of one space in channelz, and a client may reach another worker with the next call: an id
 * that names its worker is then NOT_FOUND there, and never somebody else's socket. */
#define CHANNELZ_ID_BITS 40

static inline int64_t channelz_server_id(unsigned worker)
{
    return (int64_t)worker + 1;
}

static inline int64_t channelz_socket_id(unsigned worker, uint64_t h2_id)
{
    return channelz_server_id(worker) << CHANNELZ_ID_BITS | (int64_t)h2_id;
}

/* The wall clock's time of a moment of the loop's; NULL for 0, never. */
struct Google__Protobuf__Timestamp *channelz_time(struct call *c, int64_t mono_ns);

/* One socket in the memory of @c. @summary: without what needs a system call. */
struct Grpc__Channelz__V1__Socket *channelz_conn(struct call *c, const struct h2_conn_info *info,
                                                 bool summary);
struct Grpc__Channelz__V1__Socket *
channelz_listener(struct call *c, const struct h2_listener_info *info, bool summary);
