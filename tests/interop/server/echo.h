/* What every method of TestService does beside its work: echoes metadata, ends with the status that
 * the client asked for, compresses as asked. test_service.c calls it. What must stay true: names
 * and texts are those of interop-test-descriptions.md. */
#pragma once

#include <stdbool.h>

#include "grpc/grpc.h"

struct Grpc__Testing__BoolValue;
struct Grpc__Testing__EchoStatus;

/* x-grpc-test-echo-initial goes back in the headers, x-grpc-test-echo-trailing-bin in the
 * trailers. Once a call. */
void echo_metadata(struct call *c);

bool has_status(const struct Grpc__Testing__EchoStatus *status);
/* Ends the call with exactly this code and message. */
enum step end_with(struct call *c, const struct Grpc__Testing__EchoStatus *status);

/* @flag NULL: whichever way. */
bool is_compressed_as_expected(struct call *c, const struct Grpc__Testing__BoolValue *flag);
enum step wrong_compression(struct call *c);
void compress_as_asked(struct call *c, const struct Grpc__Testing__BoolValue *flag);

/* A copy that outlives the message it was in. */
struct Grpc__Testing__BoolValue *keep_flag(struct call *c,
                                           const struct Grpc__Testing__BoolValue *flag);
