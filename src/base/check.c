/* Where a broken precondition ends: one line to stderr, then abort.
 * Called through CHECK by everybody, in any state. */
#include "base/check.h"

#include <stdlib.h>

#include "base/complain.h"

void check_failed(const char *cond, const char *file, int line, const char *func)
{
    complain("%s:%d: %s: CHECK(%s) failed", file, line, func, cond);
    abort();
}
