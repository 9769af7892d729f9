/* What the processes of a server say about themselves besides calls: the log file they share, the
 * dump of SIGQUIT, who serves; and what the system lets them have. Supervisor and workers call it.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct supervisor_context;

/* This process, and those it starts, may have as many file descriptors as the system allows. */
void state_raise_descriptors(void);
/* Nor is memory of this process, and of those it starts, written to a file when it falls: keys and
 * passwords are in it. What happened is in the log. */
void state_forbid_cores(void);
/* @conns_max, or as many as there are descriptors for, beside some for everything else: who cannot
 * accept any more must have been looking for idle connections to close before that. */
uint32_t state_conns_that_fit(uint32_t conns_max);

/* How many processors it may use: 1 to WORKERS_MAX. */
unsigned state_cpus_allowed(void);

/* A worker does, with a database. */
bool state_somebody_serves(const struct supervisor_context *context);

/* Opens what --log names: a descriptor, -1 for "none" or (errno is set) when it cannot be written.
 */
int state_open_log(const char *log);
/* The same file by its name again, behind the same descriptor (after a rotation). False: it cannot
 * be opened, which a line says, and the old one stays. */
bool state_reopen_log(const char *log, int fd);

/* One event for each process, as the shared page has it. */
void state_dump(const struct supervisor_context *context, bool draining);
