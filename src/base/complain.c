/* Lines on stderr once the server runs: of the supervisor, of the workers, and of CHECK, in any
 * state. What must stay true: no allocation, no stdio buffers, no waiting: what a full pipe refuses
 * is dropped. */
#include "base/complain.h"

#include <poll.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define LINE_BYTES_MAX 1024

ssize_t write_now(int fd, const void *p, size_t bytes)
{
    struct pollfd pollfd = {.fd = fd, .events = POLLOUT};
    bool is_writable = poll(&pollfd, 1, 0) == 1 && pollfd.revents == POLLOUT;
    return is_writable ? write(fd, p, bytes) : -1;
}

void complain(const char *format, ...)
{
    char text[LINE_BYTES_MAX] = "faregate: ";
    size_t n = strlen(text);
    va_list args;
    va_start(args, format);
    vsnprintf(text + n, sizeof text - n - 1, format, args);
    va_end(args);
    n = strlen(text);
    text[n++] = '\n';
    write_now(STDERR_FILENO, text, n);
}
