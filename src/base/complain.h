/* One line on stderr for whoever runs the server, and how a line is written without waiting. */
#pragma once

#include <stddef.h>
#include <sys/types.h>

/* Bytes taken; -1: none, nobody reads. Writable means that a pipe has room for 4096 bytes: so many
 * are taken whole and at once, and the descriptor, which others may share, need not be made
 * non-blocking. */
ssize_t write_now(int fd, const void *p, size_t bytes);

/* "faregate: ...\n", written at once or not at all: nobody waits for a reader of stderr who has
 * stopped reading. Longer than a kilobyte it is cut. */
void complain(const char *format, ...) __attribute__((format(printf, 1, 2)));
