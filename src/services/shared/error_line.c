/* The line that main prints before it gives up. */
#include "services/shared/error_line.h"

#include <stdarg.h>
#include <stdio.h>

int error_line(char *error, size_t error_bytes, int result, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(error, error_bytes, format, args);
    va_end(args);
    return result;
}
