/* One line that says why the start failed: for functions that load files before anything is served.
 */
#pragma once

#include <stddef.h>

/* Writes the line and returns @result, so that a failure is one return statement. */
int error_line(char *error, size_t error_bytes, int result, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
