/* The admin port: /metrics, /healthz, /readyz, /startupz, /.well-known/jwks.json over HTTP/1.1
 * (libmicrohttpd on our loop). Runs in the supervisor, so that it answers for all processes and
 * outlives each of them. */
#pragma once

#include "io/loop.h"
#include "supervisor/supervisor.h"

struct admin;

/* @address host:port. 0, or negative errno and one line in @error. */
int admin_new(struct admin **ret_admin, struct loop *loop, const struct supervisor_context *context,
              const char *address, char *error, size_t error_bytes);
struct admin *admin_free(struct admin *admin);

/* From now on /readyz says no. */
void admin_drain(struct admin *admin);
