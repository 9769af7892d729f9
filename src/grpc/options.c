/* Reading extensions from the unknown fields of descriptor options. Called at boot only.
 * What must stay true: the numbers are those of options.proto and field_behavior.proto. */
#include "grpc/options.h"

#include <errno.h>
#include <faregate/v1/options.pb-c.h>
#include <google/api/field_behavior.pb-c.h>
#include <google/protobuf/descriptor.pb-c.h>

#include "base/str.h"
#include "grpc/pb_memory.h"

#define TAG_FIELD_BEHAVIOR 1052
#define TAG_FIELD_RULES 50001
#define TAG_METHOD_POLICY 50002

/* The content of a length-prefixed unknown field: protobuf-c keeps the prefix. */
static int content_of(const ProtobufCMessageUnknownField *u, struct str *ret_content)
{
    size_t at = 0;
    if (u->wire_type != PROTOBUF_C_WIRE_TYPE_LENGTH_PREFIXED)
        return -EBADMSG;
    while (at < u->len && (u->data[at] & 0x80))
        at++;
    if (at >= u->len)
        return -EBADMSG;
    *ret_content = (struct str){.p = (const char *)u->data + at + 1, .n = u->len - at - 1};
    return 0;
}

static void note_behavior(struct field_options *o, uint8_t value)
{
    if (value == GOOGLE__API__FIELD_BEHAVIOR__REQUIRED)
        o->required = true;
    if (value == GOOGLE__API__FIELD_BEHAVIOR__OUTPUT_ONLY ||
        value == GOOGLE__API__FIELD_BEHAVIOR__IDENTIFIER)
        o->output_only = true;
}

int options_of_field(struct arena *arena, const Google__Protobuf__FieldDescriptorProto *field,
                     struct field_options *ret_options)
{
    struct pb_memory memory;
    struct str content;
    pb_memory_init(&memory, arena);
    *ret_options = (struct field_options){0};
    if (!field->options)
        return 0;
    for (unsigned i = 0; i < field->options->base.n_unknown_fields; i++) {
        const ProtobufCMessageUnknownField *u = &field->options->base.unknown_fields[i];
        if (u->tag == TAG_FIELD_BEHAVIOR && u->wire_type == PROTOBUF_C_WIRE_TYPE_VARINT &&
            u->len == 1) {
            note_behavior(ret_options, u->data[0]);
        } else if (u->tag == TAG_FIELD_BEHAVIOR && content_of(u, &content) == 0) {
            for (size_t k = 0; k < content.n; k++)
                note_behavior(ret_options, (uint8_t)content.p[k]);
        } else if (u->tag == TAG_FIELD_RULES) {
            if (content_of(u, &content) < 0)
                return -EBADMSG;
            ret_options->rules = faregate__v1__field_rules__unpack(&memory.allocator, content.n,
                                                                   (const uint8_t *)content.p);
            if (!ret_options->rules)
                return -EBADMSG;
        }
    }
    return 0;
}

int options_of_method(struct arena *arena, const Google__Protobuf__MethodDescriptorProto *method,
                      const Faregate__V1__MethodPolicy **ret_policy)
{
    struct pb_memory memory;
    struct str content;
    pb_memory_init(&memory, arena);
    *ret_policy = NULL;
    if (!method->options)
        return 0;
    for (unsigned i = 0; i < method->options->base.n_unknown_fields; i++) {
        const ProtobufCMessageUnknownField *u = &method->options->base.unknown_fields[i];
        if (u->tag != TAG_METHOD_POLICY)
            continue;
        if (content_of(u, &content) < 0)
            return -EBADMSG;
        *ret_policy = faregate__v1__method_policy__unpack(&memory.allocator, content.n,
                                                          (const uint8_t *)content.p);
        if (!*ret_policy)
            return -EBADMSG;
    }
    return 0;
}
