/* Header values of proxies: x-forwarded-client-cert, and addresses as x-forwarded-for has them.
 * What must stay true: values lie inside the last element; an identity has no character that would
 * mean something in a log, a flag or a list; nothing in front of the last comma outside quotes
 * matters. */
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "grpc/xfcc.h"
#include "io/endpoint.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t bytes);

static void check_inside(struct str whole, struct str part)
{
    if (part.n > 0)
        CHECK(part.p >= whole.p && part.p + part.n <= whole.p + whole.n);
}

static size_t check_identity(const struct xfcc *x, char *text, size_t bytes)
{
    size_t n = xfcc_identity(x, text, bytes);
    CHECK(n < bytes);
    for (size_t i = 0; i < n; i++)
        CHECK(text[i] > ' ' && text[i] <= '~' && !memchr("\\\",+", text[i], 4));
    CHECK(n == 0 || strncmp(text, "spiffe://", 9) == 0 || strncmp(text, "dns:", 4) == 0);
    return n;
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t bytes)
{
    char *copy = malloc(bytes ? bytes : 1);
    CHECK(copy);
    if (bytes)
        memcpy(copy, p, bytes);
    struct str value = {.p = copy, .n = bytes};
    struct xfcc x, y;
    char text[256], again[256], address[ENDPOINT_TEXT_BYTES];
    struct endpoint e;
    if (endpoint_parse(value, &e) == 0)
        CHECK(endpoint_format(&e, address) < sizeof address);
    if (xfcc_last(value, &x) == 0) {
        size_t n = check_identity(&x, text, sizeof text);
        check_inside(value, x.by);
        check_inside(value, x.hash);
        check_inside(value, x.subject);
        check_inside(value, x.uri);
        check_inside(value, x.dns);
        /* With an honest element in front it is the same. */
        char *longer = malloc(bytes + 21);
        CHECK(longer);
        memcpy(longer, "URI=spiffe://td/other,", 21);
        longer[20] = ',';
        memcpy(longer + 21, copy, bytes);
        CHECK(xfcc_last((struct str){.p = longer, .n = bytes + 21}, &y) == 0);
        CHECK(check_identity(&y, again, sizeof again) == n);
        CHECK(n == 0 || memcmp(text, again, n) == 0);
        free(longer);
    }
    free(copy);
    return 0;
}
