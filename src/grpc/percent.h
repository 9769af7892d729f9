/* grpc-message: every byte outside 0x20..0x7E, and '%', as %XX (gRPC PROTOCOL-HTTP2). status.c is
 * the caller. */
#pragma once

#include <stddef.h>

#include "base/str.h"

/* The most bytes percent_encode can write for @bytes. */
static inline size_t percent_bytes_max(size_t bytes)
{
    return bytes * 3;
}

/* How many bytes of @text, in whole code points, can be written in @bytes_max. */
size_t percent_fitting(struct str text, size_t bytes_max);

/* Writes at most percent_bytes_max(text.n) bytes to @out; returns how many. */
size_t percent_encode(struct str text, char *out);
