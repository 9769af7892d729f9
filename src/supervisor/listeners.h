/* Opens what --listen and --listen-tls name, before any fork, and closes it again: the supervisor
 * calls. */
#pragma once

#include <stdbool.h>

struct supervisor_context;

/* Adds the comma-separated @addresses to @context's listeners. 0, or negative errno after one line
 * on stderr. */
int listeners_open(struct supervisor_context *context, const char *addresses, bool tls);
/* In the child of @slot: it keeps its listeners and the log; the rest (admin port, epoll, locks) is
 * its parent's business. */
void listeners_keep(const struct supervisor_context *context, unsigned slot);
void listeners_close(struct supervisor_context *context);
