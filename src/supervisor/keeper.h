/* Keeps what TLS needs fresh while the server runs: certificates that changed on disk, ticket keys
 * that have served their time. The supervisor makes one. What must stay true: a bad file changes
 * nothing but a metric and the log; workers are told only of what was read and checked here. */
#pragma once

#include "io/loop.h"

struct keeper;
struct supervisor_context;

/* Makes the contexts of @context's TLS listeners and the shared ticket keys, before any fork.
 * @on_reloaded is called whenever the children should read the files again. 0, or negative errno
 * and one line in @error. */
int keeper_new(struct keeper **ret_keeper, struct supervisor_context *context, struct loop *loop,
               void (*on_reloaded)(void *ctx), void *ctx, char *error, size_t error_bytes);
struct keeper *keeper_free(struct keeper *keeper);

/* Reads everything again, changed or not (SIGHUP). False: something is bad and the old ones stay;
 * @on_reloaded was not called. */
bool keeper_reload(struct keeper *keeper);
