/* The background work of one process: expiry of unpaid holds, the payment completer, refunds,
 * retention. Any number of processes may run it at once: they claim what is due with SKIP LOCKED.
 * The jobs process of serve and dev starts it.
 * What it has not finished is shown through @obs. */
#pragma once

#include "grpc/grpc.h"
#include "services/app.h"

struct jobs;

struct jobs *jobs_start(struct server *server, struct app *app, struct obs *obs);

/* No new work. What runs ends by itself or with its server; what it did not finish is due again by
 * the clock. NULL. */
struct jobs *jobs_stop(struct jobs *jobs);
