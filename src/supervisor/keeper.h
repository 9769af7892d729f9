/* Reads what is secret once for all processes (the installation's secrets, the keys for tokens, the
 * provider's key), and keeps it and what TLS needs fresh while the server runs: certificates that
 * changed on disk, ticket keys that have served their time. The supervisor makes one. What must
 * stay true: a bad file changes nothing and is told (a metric and an event, of token keys a line on
 * stderr); workers are told only of what was read and checked here. */
#pragma once

#include "io/loop.h"

struct keeper;
struct supervisor_context;

/* Fills @context's app, makes the contexts of its TLS listeners and the shared ticket keys, before
 * any fork.
 * @on_reloaded is called whenever the children should read the files again. 0, or negative errno
 * and one line in @error. */
int keeper_new(struct keeper **ret_keeper, struct supervisor_context *context, struct loop *loop,
               void (*on_reloaded)(void *ctx), void *ctx, char *error, size_t error_bytes);
struct keeper *keeper_free(struct keeper *keeper);

/* Reads certificates and keys for tokens again, changed or not (SIGHUP). Of what is bad the old
 * ones stay; @on_reloaded is called if anything was good. */
void keeper_reload(struct keeper *keeper);
