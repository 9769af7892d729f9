/* Where a broken precondition ends: one line to stderr, then abort.
 * Called through CHECK by everybody, in any state: no allocation, no stdio buffers. */
#include "base/check.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

void check_failed(const char *cond, const char *file, int line, const char *func)
{
    char text[512];
    int n = snprintf(text, sizeof text, "%s:%d: %s: CHECK(%s) failed\n", file, line, func, cond);
    size_t bytes = n < (int)sizeof text ? (size_t)n : sizeof text - 1;
    ssize_t ignored = write(STDERR_FILENO, text, bytes);
    (void)ignored;
    abort();
}
