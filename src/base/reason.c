/* The tables behind reason.h, all spelled by reasons.def. Called when a call is refused, when a
 * constraint is violated, and at boot to prove that every mapped constraint exists. */
#include "base/reason.h"

#include <stddef.h>
#include <string.h>

#include "base/check.h"

static const struct reason_info reasons[] = {
    [REASON_NONE] = {.name = "NONE", .code = STATUS_OK, .text = ""},
#define REASON(name_, code_, retryable_, text_)                                                    \
    [REASON_##name_] = {#name_, STATUS_##code_, retryable_, text_},
#define CONSTRAINT(constraint, name)
#include "base/reasons.def"
#undef REASON
#undef CONSTRAINT
};

static const struct {
    const char *constraint;
    enum reason reason;
} constraints[] = {
#define REASON(name, code, retryable, text)
#define CONSTRAINT(constraint_, name_) {.constraint = #constraint_, .reason = REASON_##name_},
#include "base/reasons.def"
#undef REASON
#undef CONSTRAINT
    {.constraint = NULL, .reason = REASON_NONE},
};

const struct reason_info *reason_info(enum reason r)
{
    CHECK((unsigned)r < REASON_COUNT);
    return &reasons[r];
}

enum reason reason_of_name(const char *name)
{
    for (enum reason r = REASON_NONE + 1; r < REASON_COUNT; r++) {
        if (strcmp(reasons[r].name, name) == 0)
            return r;
    }
    return REASON_NONE;
}

enum reason reason_of_constraint(const char *constraint)
{
    for (unsigned i = 0; constraints[i].constraint; i++) {
        if (strcmp(constraints[i].constraint, constraint) == 0)
            return constraints[i].reason;
    }
    return REASON_NONE;
}

const char *reason_constraint(unsigned index)
{
    const unsigned count = sizeof constraints / sizeof constraints[0] - 1;
    return index < count ? constraints[index].constraint : NULL;
}

const char *status_name(enum status_code code)
{
    static const char *const names[] = {
        "OK",
        "CANCELLED",
        "UNKNOWN",
        "INVALID_ARGUMENT",
        "DEADLINE_EXCEEDED",
        "NOT_FOUND",
        "ALREADY_EXISTS",
        "PERMISSION_DENIED",
        "RESOURCE_EXHAUSTED",
        "FAILED_PRECONDITION",
        "ABORTED",
        "OUT_OF_RANGE",
        "UNIMPLEMENTED",
        "INTERNAL",
        "UNAVAILABLE",
        "DATA_LOSS",
        "UNAUTHENTICATED",
    };
    return (unsigned)code < sizeof names / sizeof names[0] ? names[code] : "UNKNOWN";
}
