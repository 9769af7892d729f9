/* The services of this program and which of them are chosen with --services. main, the worker and
 * `describe` ask here. */
#pragma once

#include "grpc/grpc.h"

#define SERVICES_MAX 4

/* Fills @ret with those named in the comma-separated @list, in a fixed order, and NULL. */
void services_chosen(const char *list, const struct rpc_service *ret[static SERVICES_MAX + 1]);
