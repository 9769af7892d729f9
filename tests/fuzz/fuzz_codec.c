/* The small codecs of header values: timeout, base64, percent, traceparent, and the fingerprint's
 * walk over a message. What must stay true: no byte outside the buffers, and what is written can be
 * read back. */
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "grpc/base64.h"
#include "grpc/internal.h"
#include "grpc/percent.h"
#include "grpc/timeout.h"

static void try_base64(const uint8_t *p, size_t bytes)
{
    size_t text_bytes = base64_encoded_bytes(bytes);
    char *text = malloc(text_bytes + 1);
    uint8_t *back = malloc(base64_decoded_bytes_max(text_bytes > bytes ? text_bytes : bytes));
    size_t count;
    CHECK(base64_encode(p, bytes, text) == text_bytes);
    CHECK(base64_decode((struct str){.p = text, .n = text_bytes}, back, &count) == 0);
    CHECK(count == bytes);
    CHECK(bytes == 0 || memcmp(back, p, bytes) == 0);
    (void)base64_decode((struct str){.p = (const char *)p, .n = bytes}, back, &count);
    free(text);
    free(back);
}

static void try_percent(const uint8_t *p, size_t bytes)
{
    char *text = malloc(percent_bytes_max(bytes) + 1);
    size_t count = percent_encode((struct str){.p = (const char *)p, .n = bytes}, text);
    CHECK(count <= percent_bytes_max(bytes));
    for (size_t i = 0; i < count; i++)
        CHECK(text[i] >= 0x20 && text[i] <= 0x7e);
    size_t bytes_max = bytes > 0 ? p[0] : 0;
    struct str fitting = {
        .p = (const char *)p,
        .n = percent_fitting((struct str){.p = (const char *)p, .n = bytes}, bytes_max)};
    CHECK(fitting.n <= bytes);
    CHECK(percent_encode(fitting, text) <= bytes_max);
    free(text);
}

static void try_trace(struct str text)
{
    struct trace trace, next;
    char written[56];
    trace_begin(&trace, text);
    trace_format(&trace, written);
    trace_begin(&next, str_of(written));
    CHECK(memcmp(next.trace_id, trace.trace_id, sizeof next.trace_id) == 0);
    CHECK(memcmp(next.parent_id, trace.span_id, sizeof next.parent_id) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t bytes);

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t bytes)
{
    static struct fingerprinter *fingerprinter;
    struct str text = {.p = (const char *)p, .n = bytes};
    uint8_t print[16];
    int64_t ns;
    if (!fingerprinter)
        CHECK(fingerprinter_new(&fingerprinter) == 0);
    if (timeout_parse(text, &ns) == 0)
        CHECK(ns >= 0 && ns <= TIMEOUT_NS_MAX);
    try_trace(text);
    try_base64(p, bytes);
    try_percent(p, bytes);
    fingerprint(fingerprinter, text, 15, print);
    return 0;
}
