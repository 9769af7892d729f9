/* How busy this process is, as load balancers want to hear it (ORCA, gRFC A51): processor, memory,
 * rates, and how full what has a limit is. orca.c streams it, intercept_load.c puts it on replies,
 * the worker adds what other layers know (server_set_load). What must stay true: nothing is
 * measured unless somebody asks, and then at most twice a second. */
#pragma once

#include "base/str.h"

struct Xds__Data__Orca__V3__OrcaLoadReport;
struct load;
struct server;

int load_new(struct load **ret_load);
struct load *load_free(struct load *load);

/* The report, at most half a second old; both forms are valid until the next call. */
const struct Xds__Data__Orca__V3__OrcaLoadReport *load_report(struct server *server);
struct str load_report_bytes(struct server *server);
