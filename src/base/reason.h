/* Reasons as an enum, with their gRPC code and sentence, from reasons.def. */
#pragma once

#include <stdbool.h>

/* google.rpc.Code; the numbers are the wire's (gRPC doc/statuscodes.md). */
enum status_code {
    STATUS_OK = 0,
    STATUS_CANCELLED = 1,
    STATUS_UNKNOWN = 2,
    STATUS_INVALID_ARGUMENT = 3,
    STATUS_DEADLINE_EXCEEDED = 4,
    STATUS_NOT_FOUND = 5,
    STATUS_ALREADY_EXISTS = 6,
    STATUS_PERMISSION_DENIED = 7,
    STATUS_RESOURCE_EXHAUSTED = 8,
    STATUS_FAILED_PRECONDITION = 9,
    STATUS_ABORTED = 10,
    STATUS_OUT_OF_RANGE = 11,
    STATUS_UNIMPLEMENTED = 12,
    STATUS_INTERNAL = 13,
    STATUS_UNAVAILABLE = 14,
    STATUS_DATA_LOSS = 15,
    STATUS_UNAUTHENTICATED = 16,
};

enum reason {
    REASON_NONE,
#define REASON(name, code, retryable, text) REASON_##name,
#define CONSTRAINT(constraint, name)
#include "base/reasons.def"
#undef REASON
#undef CONSTRAINT
    REASON_COUNT,
};

struct reason_info {
    const char *name;
    enum status_code code;
    bool retryable;
    const char *text;
};

const struct reason_info *reason_info(enum reason r);

/* REASON_NONE where nothing has that name. */
enum reason reason_of_name(const char *name);

/* What a violated database constraint means; REASON_NONE where none is mapped. */
enum reason reason_of_constraint(const char *constraint);

/* Every mapped constraint name in turn, for the boot check; NULL past the end. */
const char *reason_constraint(unsigned index);

/* "OK", "CANCELLED", ... */
const char *status_name(enum status_code code);
