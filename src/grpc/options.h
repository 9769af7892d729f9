/* Our options out of the .proto: rules of a field, policy of a method. protobuf-c knows no
 * extensions, so they lie among the unknown fields. The registry, the rules compiler and describe
 * call this, at boot only. */
#pragma once

#include <stdbool.h>

#include "base/arena.h"

struct Google__Protobuf__FieldDescriptorProto;
struct Google__Protobuf__MethodDescriptorProto;
struct Faregate__V1__FieldRules;
struct Faregate__V1__MethodPolicy;

struct field_options {
    const struct Faregate__V1__FieldRules *rules; /* NULL: none */
    bool required;
    bool output_only;
};

/* 0, or -EBADMSG. Memory: @arena. */
int options_of_field(struct arena *arena,
                     const struct Google__Protobuf__FieldDescriptorProto *field,
                     struct field_options *ret_options);
/* *ret_policy is NULL where the method states none. */
int options_of_method(struct arena *arena,
                      const struct Google__Protobuf__MethodDescriptorProto *method,
                      const struct Faregate__V1__MethodPolicy **ret_policy);
