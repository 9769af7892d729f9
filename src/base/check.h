/* CHECK: a broken precondition is a bug, and a process with a bug stops at once.
 * Always on, in release builds too (TigerStyle): the supervisor restarts the worker, the log keeps
 * the line. */
#pragma once

#define CHECK(cond) ((cond) ? (void)0 : check_failed(#cond, __FILE__, __LINE__, __func__))

/* Writes one line to stderr and aborts. */
void check_failed(const char *cond, const char *file, int line, const char *func)
    __attribute__((noreturn, cold));
