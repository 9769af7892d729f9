/* xds.service.orca.v3.OpenRcaService: load reports out of band, for balancers that weight servers
 * (gRFC A51). The registry adds it. */
#pragma once

#include "grpc/grpc.h"

extern const struct rpc_service orca_service;
