/* What the interop descriptions ask of every method: echoed metadata, a given status, compression.
 * See echo.h. */
#include "echo.h"

#include <grpc/testing/messages.pb-c.h>

void echo_metadata(struct call *c)
{
    struct str name;
    struct str value;
    unsigned at = 0;
    while (call_metadata_next(c, &at, &name, &value)) {
        if (str_eq(name, STR("x-grpc-test-echo-initial")))
            call_header(c, name, value);
        else if (str_eq(name, STR("x-grpc-test-echo-trailing-bin")))
            call_trailer(c, name, value);
    }
}

bool has_status(const Grpc__Testing__EchoStatus *status)
{
    return status && status->code != STATUS_OK;
}

enum step end_with(struct call *c, const Grpc__Testing__EchoStatus *status)
{
    return call_fail_status(c, (enum status_code)status->code, status->message);
}

bool is_compressed_as_expected(struct call *c, const Grpc__Testing__BoolValue *flag)
{
    return !flag || flag->value == call_request_compressed(c);
}

enum step wrong_compression(struct call *c)
{
    return call_fail_status(c, STATUS_INVALID_ARGUMENT,
                            "the request is not compressed as expected");
}

void compress_as_asked(struct call *c, const Grpc__Testing__BoolValue *flag)
{
    call_compress(c, !flag ? COMPRESS_BY_SIZE : flag->value ? COMPRESS_ALWAYS : COMPRESS_NEVER);
}

Grpc__Testing__BoolValue *keep_flag(struct call *c, const Grpc__Testing__BoolValue *flag)
{
    if (!flag)
        return NULL;
    Grpc__Testing__BoolValue *copy = arena_try(&c->arena, sizeof *copy);
    if (copy)
        *copy = *flag;
    return copy;
}
