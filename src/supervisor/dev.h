/* `faregate dev`: everything on one machine. A private PostgreSQL, schema, data, payment simulator,
 * keys, a certificate, and the supervisor on top. main calls it. */
#pragma once

#include "config.h"

/* Runs until SIGTERM or SIGINT; returns the exit status. */
int dev_run(const struct config *config);
