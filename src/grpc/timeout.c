/* grpc-timeout to nanoseconds (gRPC PROTOCOL-HTTP2). Pure.
 * What must stay true: no input overflows; what is too far away is clamped, not refused. */
#include "grpc/timeout.h"

#include <errno.h>

static int64_t unit_ns(char unit)
{
    switch (unit) {
    case 'n':
        return 1;
    case 'u':
        return 1000;
    case 'm':
        return 1000 * INT64_C(1000);
    case 'S':
        return 1000 * INT64_C(1000000);
    case 'M':
        return 60 * INT64_C(1000000000);
    case 'H':
        return 3600 * INT64_C(1000000000);
    default:
        return 0;
    }
}

int timeout_parse(struct str text, int64_t *ret_ns)
{
    if (text.n < 2 || text.n > 9)
        return -EINVAL;
    int64_t unit = unit_ns(text.p[text.n - 1]);
    if (unit == 0)
        return -EINVAL;
    int64_t value = 0;
    for (size_t i = 0; i + 1 < text.n; i++) {
        if (text.p[i] < '0' || text.p[i] > '9')
            return -EINVAL;
        value = value * 10 + (text.p[i] - '0');
    }
    *ret_ns = value > TIMEOUT_NS_MAX / unit ? TIMEOUT_NS_MAX : value * unit;
    return 0;
}
