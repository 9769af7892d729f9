/* How many connections to the database the processes of a server have. worker.c takes its own, dev
 * and docker/README.md what all of them come to. What must stay true: no process opens more. */
#pragma once

#include "config.h"

/* How many workers a server of @config has on @cpus. */
unsigned lanes_workers(const struct config *config, unsigned cpus);

/* The limits of the process in @slot, of a server with that many workers on that many processors:
 * as configured, with the lanes that are left to us decided. */
struct db_limits lanes_for(const struct config *config, unsigned workers, unsigned cpus,
                           unsigned slot);

/* What max_connections a PostgreSQL of its own needs: all that the server's processes may open, and
 * room for people and commands. */
unsigned lanes_connections(const struct config *config, unsigned cpus);
