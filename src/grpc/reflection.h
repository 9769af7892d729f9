/* Server reflection, v1 and v1alpha: one implementation, because the two are the same bytes on the
 * wire. The registry adds both services; reflection_answer is apart so that tests can ask it
 * without a call. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "grpc/descriptors.h"
#include "grpc/grpc.h"

struct Grpc__Reflection__V1__ServerReflectionRequest;
struct Grpc__Reflection__V1__ServerReflectionResponse;
struct registry;

extern const struct rpc_service reflection_service;
extern const struct rpc_service reflection_v1alpha_service;

/* What one stream remembers, and the room its answers are built in. */
struct reflection;
extern const size_t reflection_bytes;

/* Answers one question. The response lives in @r until the next. -EINVAL: the question asks
 * nothing. */
int reflection_answer(struct reflection *r, const struct registry *registry,
                      const struct Grpc__Reflection__V1__ServerReflectionRequest *request,
                      const struct Grpc__Reflection__V1__ServerReflectionResponse **ret_response);
