/* One function for each thing on the wire; each writes in front of @p and gives the new first byte,
 * NULL where there is no room. */
#include "grpc/pb_pack.h"

#include <stdbool.h>
#include <string.h>

#include "base/check.h"
#include "grpc/pb_types.h"

uint8_t *pb_long_varint_before(uint8_t *end, uint64_t value)
{
    uint8_t *start = end - (63 - __builtin_clzll(value)) / 7 - 1;
    for (uint8_t *p = start; p < end - 1; value >>= 7)
        *p++ = (uint8_t)(value | 0x80);
    end[-1] = (uint8_t)value;
    return start;
}

static uint8_t *put_varint(const uint8_t *start, uint8_t *p, uint64_t value)
{
    return p - start < PB_VARINT_BYTES_MAX ? NULL : pb_varint_before(p, value);
}

static uint8_t *put_tag(const uint8_t *start, uint8_t *p, uint32_t id, ProtobufCWireType type)
{
    return put_varint(start, p, (uint64_t)id << 3 | type);
}

static uint8_t *put_bytes(const uint8_t *start, uint8_t *p, const void *bytes, size_t n)
{
    if ((size_t)(p - start) < n)
        return NULL;
    if (n > 0)
        memcpy(p - n, bytes, n);
    return p - n;
}

/* The length of what was written between @p and @behind. */
static uint8_t *put_length(const uint8_t *start, uint8_t *p, const uint8_t *behind)
{
    return p ? put_varint(start, p, (uint64_t)(behind - p)) : NULL;
}

static uint64_t number_of(ProtobufCType type, const void *member)
{
    switch (type) {
    case PROTOBUF_C_TYPE_BOOL:
        return *(const protobuf_c_boolean *)member ? 1 : 0;
    case PROTOBUF_C_TYPE_UINT32:
        return *(const uint32_t *)member;
    case PROTOBUF_C_TYPE_INT32:
    case PROTOBUF_C_TYPE_ENUM: /* negative ones take ten bytes */
        return (uint64_t)(int64_t) * (const int32_t *)member;
    case PROTOBUF_C_TYPE_SINT32: {
        int32_t v = *(const int32_t *)member;
        return ((uint32_t)v << 1) ^ (uint32_t)(v >> 31);
    }
    case PROTOBUF_C_TYPE_SINT64: {
        int64_t v = *(const int64_t *)member;
        return ((uint64_t)v << 1) ^ (uint64_t)(v >> 63);
    }
    default:
        return *(const uint64_t *)member;
    }
}

static uint8_t *put_message(const uint8_t *start, uint8_t *end, const ProtobufCMessage *message);

/* The value without its tag. */
static uint8_t *put_value(const uint8_t *start, uint8_t *p, ProtobufCType type, const void *member)
{
    const uint8_t *behind = p;
    switch (type) {
    case PROTOBUF_C_TYPE_STRING: {
        const char *text = *(const char *const *)member;
        return put_length(start, put_bytes(start, p, text, text ? strlen(text) : 0), behind);
    }
    case PROTOBUF_C_TYPE_BYTES: {
        const ProtobufCBinaryData *data = member;
        return put_length(start, put_bytes(start, p, data->data, data->len), behind);
    }
    case PROTOBUF_C_TYPE_MESSAGE: {
        const ProtobufCMessage *message = *(const ProtobufCMessage *const *)member;
        return put_length(start, message ? put_message(start, p, message) : p, behind);
    }
    default:
        break;
    }
    switch (pb_wire_type(type)) { /* little-endian, as the machine is */
    case PROTOBUF_C_WIRE_TYPE_32BIT:
        return put_bytes(start, p, member, sizeof(uint32_t));
    case PROTOBUF_C_WIRE_TYPE_64BIT:
        return put_bytes(start, p, member, sizeof(uint64_t));
    default:
        return put_varint(start, p, number_of(type, member));
    }
}

static uint8_t *put_field(const uint8_t *start, uint8_t *p, const ProtobufCFieldDescriptor *f,
                          const void *member)
{
    p = put_value(start, p, f->type, member);
    return p ? put_tag(start, p, f->id, pb_wire_type(f->type)) : NULL;
}

static uint8_t *put_repeated(const uint8_t *start, uint8_t *p, const ProtobufCFieldDescriptor *f,
                             size_t count, const char *elements)
{
    size_t bytes = pb_element_bytes(f->type);
    const uint8_t *behind = p;
    bool is_packed = (f->flags & PROTOBUF_C_FIELD_FLAG_PACKED) != 0;
    for (size_t i = count; i-- > 0 && p;)
        p = is_packed ? put_value(start, p, f->type, elements + i * bytes)
                      : put_field(start, p, f, elements + i * bytes);
    if (count == 0 || !is_packed || !p)
        return p;
    p = put_length(start, p, behind);
    return p ? put_tag(start, p, f->id, PROTOBUF_C_WIRE_TYPE_LENGTH_PREFIXED) : NULL;
}

/* A text or message that is not set. */
static bool is_absent(const ProtobufCFieldDescriptor *f, const void *member)
{
    if (f->type != PROTOBUF_C_TYPE_STRING && f->type != PROTOBUF_C_TYPE_MESSAGE)
        return false;
    const void *value = *(const void *const *)member;
    return !value || value == f->default_value;
}

/* What proto3 leaves out. */
static bool is_zero(ProtobufCType type, const void *member)
{
    switch (type) {
    case PROTOBUF_C_TYPE_STRING:
        return !*(const char *const *)member || **(const char *const *)member == '\0';
    case PROTOBUF_C_TYPE_MESSAGE:
        return !*(const void *const *)member;
    case PROTOBUF_C_TYPE_BYTES:
        return ((const ProtobufCBinaryData *)member)->len == 0;
    case PROTOBUF_C_TYPE_BOOL:
        return !*(const protobuf_c_boolean *)member;
    case PROTOBUF_C_TYPE_FLOAT:
        return *(const float *)member == 0;
    case PROTOBUF_C_TYPE_DOUBLE:
        return *(const double *)member == 0;
    default:
        return pb_element_bytes(type) == sizeof(uint32_t) ? *(const uint32_t *)member == 0
                                                          : *(const uint64_t *)member == 0;
    }
}

static bool is_sent(const ProtobufCFieldDescriptor *f, const char *message)
{
    const void *member = message + f->offset;
    if (f->label == PROTOBUF_C_LABEL_REQUIRED)
        return true;
    if (f->flags & PROTOBUF_C_FIELD_FLAG_ONEOF)
        return *(const uint32_t *)(const void *)(message + f->quantifier_offset) == f->id &&
               !is_absent(f, member);
    if (f->label == PROTOBUF_C_LABEL_NONE)
        return !is_zero(f->type, member);
    if (f->type == PROTOBUF_C_TYPE_STRING || f->type == PROTOBUF_C_TYPE_MESSAGE)
        return !is_absent(f, member);
    return *(const protobuf_c_boolean *)(const void *)(message + f->quantifier_offset);
}

static uint8_t *put_unknown(const uint8_t *start, uint8_t *p, const ProtobufCMessageUnknownField *u)
{
    p = put_bytes(start, p, u->data, u->len);
    return p ? put_tag(start, p, u->tag, (ProtobufCWireType)u->wire_type) : NULL;
}

static uint8_t *put_message(const uint8_t *start, uint8_t *end, const ProtobufCMessage *message)
{
    const ProtobufCMessageDescriptor *d = message->descriptor;
    const char *base = (const char *)message;
    uint8_t *p = end;
    for (unsigned i = message->n_unknown_fields; i-- > 0 && p;)
        p = put_unknown(start, p, &message->unknown_fields[i]);
    for (unsigned i = d->n_fields; i-- > 0 && p;) {
        const ProtobufCFieldDescriptor *f = &d->fields[i];
        const void *member = base + f->offset;
        if (f->label == PROTOBUF_C_LABEL_REPEATED)
            p = put_repeated(start, p, f,
                             *(const size_t *)(const void *)(base + f->quantifier_offset),
                             *(const char *const *)member);
        else if (is_sent(f, base))
            p = put_field(start, p, f, member);
    }
    return p;
}

uint8_t *pb_pack_before(const ProtobufCMessage *message, uint8_t *start, uint8_t *end)
{
    CHECK(start <= end);
    return put_message(start, end, message);
}
