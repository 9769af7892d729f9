/* What ConformanceService tells its client about the request, and the failures it is asked for.
 * conformance.c uses it. What must stay true: requests are told in the order of their arrival. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "grpc/grpc.h"

struct Connectrpc__Conformance__V1__ConformancePayload__RequestInfo;
struct Connectrpc__Conformance__V1__Error;
struct Connectrpc__Conformance__V1__Header;
struct Google__Protobuf__Any;

/* Every allocation here is the call's; running out ends the call. */

/* Request messages as they came, to be told. */
struct requests {
    struct Google__Protobuf__Any **items;
    size_t count, room;
};

/* Remembers the message that is at hand. False: the call's memory is spent. */
bool requests_keep(struct call *c, struct requests *requests, const ProtobufCMessage *message);
void requests_clear(struct requests *requests);

/* @with_call: headers and timeout as well. NULL: the call's memory is spent. */
struct Connectrpc__Conformance__V1__ConformancePayload__RequestInfo *
request_info(struct call *c, const struct requests *requests, bool with_call);

/* Names and values as the definition has them, to the response's headers or trailers. */
void headers_add(struct call *c, struct Connectrpc__Conformance__V1__Header *const *headers,
                 size_t count, int (*add)(struct call *c, struct str name, struct str value));

/* Ends the call with @error; @info, unless NULL, joins its details. */
enum step fail_as_asked(struct call *c, const struct Connectrpc__Conformance__V1__Error *error,
                        struct Connectrpc__Conformance__V1__ConformancePayload__RequestInfo *info);

/* A copy of @message in the call's memory, which outlives the request it was part of; NULL: spent.
 */
void *message_keep(struct call *c, const ProtobufCMessage *message);
