/* What the torture driver visits: a case is one RPC with a request that reaches all of its steps.
 * synthetic.c has handlers of every shape; the services' cases come from a list of their own and
 * use the same struct. What must stay true: a case is deterministic, so that "wait number 3" means
 * the same moment in every run. */
#pragma once

#include "unit/grpc/rig.h"

struct torture_case {
    const char *name;
    struct rpc_method
        method;          /* path, handler, types, streaming; the rest gets the rig's defaults */
    const char *request; /* bytes of the message */
    size_t request_bytes;
    unsigned messages; /* client streaming: how many to send */
};

extern const struct torture_case synthetic_cases[];
extern const size_t synthetic_case_count;

/* Kept by the steps and cleanups of every case: steps that ran, call_defer balance. */
extern unsigned torture_steps;
extern int torture_cleanups_open;
