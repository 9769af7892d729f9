/* Bytes in front of a connection, as a PROXY header. What must stay true: the verdict does not
 * depend on how the bytes were cut; a header never claims bytes that are not there; what is not
 * whole has named nobody. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "io/proxy.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t bytes);

/* On the heap, so that a byte too many is seen. */
static ssize_t parse(const uint8_t *p, size_t bytes, struct endpoint *ret_source)
{
    uint8_t *copy = malloc(bytes ? bytes : 1);
    CHECK(copy);
    if (bytes)
        memcpy(copy, p, bytes);
    ssize_t n = proxy_parse(copy, bytes, ret_source);
    free(copy);
    return n;
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t bytes)
{
    struct endpoint source, again;
    char text[ENDPOINT_TEXT_BYTES];
    ssize_t whole = parse(p, bytes, &source);
    CHECK(whole == -EAGAIN || whole == -EPROTO || (whole > 0 && (size_t)whole <= bytes));
    CHECK(whole > 0 || source.kind == ENDPOINT_NONE);
    CHECK(source.kind == ENDPOINT_NONE || source.kind == ENDPOINT_IP);
    CHECK(endpoint_format(&source, text) < sizeof text);
    CHECK(whole != -EAGAIN || bytes < PROXY_HEADER_BYTES_MAX);
    /* Every shorter part asks for more until it is refused for good; a header is whole at exactly
     * its length. */
    size_t step = bytes > 256 ? bytes / 64 : 1;
    bool refused = false;
    for (size_t cut = 0; cut < bytes; cut += step) {
        ssize_t part = parse(p, cut, &again);
        if (whole > 0)
            CHECK(cut < (size_t)whole ? part == -EAGAIN : part == whole);
        else
            CHECK(part == -EAGAIN || part == -EPROTO);
        CHECK(!refused || part == -EPROTO);
        refused |= part == -EPROTO;
    }
    CHECK(!refused || whole == -EPROTO);
    if (whole > 0) {
        CHECK(parse(p, (size_t)whole, &again) == whole);
        CHECK(memcmp(again.ip, source.ip, sizeof source.ip) == 0 && again.port == source.port);
    }
    return 0;
}
