/* The header of the PROXY protocol, versions 1 and 2 (HAProxy's proxy-protocol.txt, revision
 * 2020/03/05): what a TCP proxy says in front of everything else about the client it speaks for.
 * Pure parsing; io/conn calls it. What must stay true: never a byte beyond the header is claimed,
 * and nothing is guessed: what is not a header is refused. */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "io/endpoint.h"

/* Version 1 may have 107. Version 2 could have 65551 with its TLVs; honest ones stay far below. */
#define PROXY_HEADER_BYTES_MAX 4096

/* The header at the front of @p: its length, and in *ret_source the client (ENDPOINT_NONE: the
 * connection's own address stands: LOCAL, UNKNOWN, or a client without an IP address). -EAGAIN:
 * all @bytes belong to a header that goes on. -EPROTO: no header, or a malformed one. TLVs must be
 * well-formed, and a CRC32C among them right; what they say is not used. */
ssize_t proxy_parse(const uint8_t *p, size_t bytes, struct endpoint *ret_source);
