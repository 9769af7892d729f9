/* The grpc-timeout header: 1 to 8 digits and a unit. intake is the caller. */
#pragma once

#include <stdint.h>

#include "base/str.h"

/* What "for ever" is cut to: 8 digits of hours would overflow a nanosecond count. */
#define TIMEOUT_NS_MAX (INT64_MAX / 4)

/* -EINVAL unless @text is exactly digits (1-8) and one of H M S m u n. */
int timeout_parse(struct str text, int64_t *ret_ns);
