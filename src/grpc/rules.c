/* Applying the rules to a message that was unpacked. The guard calls rules_apply for every request.
 * What must stay true: recursion is bounded, because the guard has bounded the depth of the message
 * before. */
#include "grpc/rules.h"

#include <stdio.h>

#include "base/check.h"
#include "grpc/internal.h"
#include "grpc/pb_types.h"

/* How to reach the message at hand; the path is only written out once something is wrong. */
struct place {
    const struct place *up;
    const char *name;
    int64_t index; /* in a repeated field; -1: not repeated */
};

struct applying {
    struct arena *arena;
    struct violations *v;
};

void violations_add(struct violations *v, const char *field, const char *description)
{
    if (v->count < VIOLATIONS_MAX)
        v->items[v->count++] = (struct violation){.field = field, .description = description};
}

/* ---- saying what is wrong ---- */

static size_t path_write(const struct place *place, char *text, size_t bytes)
{
    size_t at = 0;
    if (place->up && place->up->name) {
        at = path_write(place->up, text, bytes);
        at += (size_t)snprintf(at < bytes ? text + at : NULL, at < bytes ? bytes - at : 0, ".");
    }
    char *rest = at < bytes ? text + at : NULL;
    size_t room = at < bytes ? bytes - at : 0;
    if (place->index < 0)
        return at + (size_t)snprintf(rest, room, "%s", place->name);
    return at + (size_t)snprintf(rest, room, "%s[%lld]", place->name, (long long)place->index);
}

static void report(struct applying *a, const struct place *place, const char *description)
{
    if (!place->name) {
        violations_add(a->v, "", description); /* the request as a whole */
        return;
    }
    size_t bytes = path_write(place, NULL, 0) + 1;
    char *path = arena_try(a->arena, bytes);
    if (path)
        path_write(place, path, bytes);
    violations_add(a->v, path ? path : place->name, description);
}

static void report_number(struct applying *a, const struct place *place, const char *format,
                          long long number, const char *instead)
{
    char text[96];
    snprintf(text, sizeof text, format, number);
    char *copy = arena_try(a->arena, strlen(text) + 1);
    if (copy)
        memcpy(copy, text, strlen(text) + 1);
    report(a, place, copy ? copy : instead);
}

/* ---- values ---- */

static void check_length(struct applying *a, const struct field_rules *r, const struct place *place,
                         size_t length, const char *unit)
{
    char format[64];
    if (length < r->min_len) {
        snprintf(format, sizeof format, "must have at least %%lld %s", unit);
        report_number(a, place, format, r->min_len, "is too short");
    } else if (r->max_len > 0 && length > r->max_len) {
        snprintf(format, sizeof format, "must have at most %%lld %s", unit);
        report_number(a, place, format, r->max_len, "is too long");
    }
}

static void check_string(struct applying *a, const struct field_rules *r, const struct place *place,
                         const char *z)
{
    struct str s = str_of(z);
    if (s.n == 0)
        return;
    /* There are never more characters than bytes: most need no counting. */
    if (r->min_len > 1 || (r->max_len > 0 && s.n > r->max_len)) {
        unsigned before = a->v->count;
        check_length(a, r, place, str_utf8_len(s), "characters");
        if (a->v->count > before)
            return;
    }
    if (r->resource && rules_resource(r->resource, s))
        return;
    const char *wrong = rules_format(r->format, s);
    if (wrong) {
        report(a, place, wrong);
    } else if (r->resource) {
        size_t bytes = strlen(r->resource) + sizeof "must be like ";
        char *text = arena_try(a->arena, bytes);
        if (text)
            snprintf(text, bytes, "must be like %s", r->resource);
        report(a, place, text ? text : "must name another kind of resource");
    }
}

static void check_number(struct applying *a, const struct field_rules *r, const struct place *place,
                         int64_t value)
{
    if (!r->has_range)
        return;
    if (value < r->min)
        report_number(a, place, "must be at least %lld", r->min, "is too small");
    else if (value > r->max)
        report_number(a, place, "must be at most %lld", r->max, "is too large");
}

static void check_enum(struct applying *a, const struct field_rules *r, const struct place *place,
                       int32_t value)
{
    if (!protobuf_c_enum_descriptor_get_value(r->field->descriptor, value))
        report(a, place, "must be one of the values defined");
}

static void check_message(struct applying *a, const struct message_rules *rules,
                          const ProtobufCMessage *message, const struct place *place);

/* One value at @p, be it the field itself or an item of a repeated one. */
static void check_value(struct applying *a, const struct field_rules *r, const struct place *place,
                        const void *p)
{
    switch (r->field->type) {
    case PROTOBUF_C_TYPE_STRING:
        check_string(a, r, place, *(char *const *)p);
        break;
    case PROTOBUF_C_TYPE_BYTES:
        if (((const ProtobufCBinaryData *)p)->len > 0)
            check_length(a, r, place, ((const ProtobufCBinaryData *)p)->len, "bytes");
        break;
    case PROTOBUF_C_TYPE_MESSAGE:
        if (*(ProtobufCMessage *const *)p)
            check_message(a, r->message, *(ProtobufCMessage *const *)p, place);
        break;
    case PROTOBUF_C_TYPE_ENUM:
        check_enum(a, r, place, *(const int32_t *)p);
        break;
    case PROTOBUF_C_TYPE_INT32:
    case PROTOBUF_C_TYPE_SINT32:
    case PROTOBUF_C_TYPE_SFIXED32:
        check_number(a, r, place, *(const int32_t *)p);
        break;
    case PROTOBUF_C_TYPE_UINT32:
    case PROTOBUF_C_TYPE_FIXED32:
        check_number(a, r, place, *(const uint32_t *)p);
        break;
    case PROTOBUF_C_TYPE_INT64:
    case PROTOBUF_C_TYPE_SINT64:
    case PROTOBUF_C_TYPE_SFIXED64:
        check_number(a, r, place, *(const int64_t *)p);
        break;
    case PROTOBUF_C_TYPE_UINT64:
    case PROTOBUF_C_TYPE_FIXED64:
        check_number(a, r, place,
                     *(const uint64_t *)p > INT64_MAX ? INT64_MAX
                                                      : (int64_t) * (const uint64_t *)p);
        break;
    case PROTOBUF_C_TYPE_BOOL:
    case PROTOBUF_C_TYPE_FLOAT:
    case PROTOBUF_C_TYPE_DOUBLE:
        break;
    }
}

/* What proto3 takes for "not there". Numbers have no presence; a required number says so by its
 * range. */
static bool is_unset(const ProtobufCFieldDescriptor *field, const void *p)
{
    switch (field->type) {
    case PROTOBUF_C_TYPE_STRING:
        return !*(char *const *)p || **(char *const *)p == '\0';
    case PROTOBUF_C_TYPE_BYTES:
        return ((const ProtobufCBinaryData *)p)->len == 0;
    case PROTOBUF_C_TYPE_MESSAGE:
        return !*(void *const *)p;
    case PROTOBUF_C_TYPE_ENUM:
        return *(const int32_t *)p == 0;
    default:
        return false;
    }
}

/* ---- fields and messages ---- */

static void check_repeated(struct applying *a, const struct field_rules *r, const uint8_t *message,
                           const struct place *up)
{
    size_t n = *(const size_t *)(const void *)(message + r->field->quantifier_offset);
    const uint8_t *items = *(const uint8_t *const *)(const void *)(message + r->field->offset);
    struct place place = {.up = up, .name = r->field->name, .index = -1};
    if (n == 0 && (r->required || r->min_items > 0)) {
        report(a, &place, "is required");
        return;
    }
    if (n < r->min_items) {
        report_number(a, &place, "must have at least %lld items", r->min_items,
                      "has too few items");
        return;
    }
    if (r->max_items > 0 && n > r->max_items) {
        report_number(a, &place, "must have at most %lld items", r->max_items,
                      "has too many items");
        return;
    }
    for (size_t i = 0; i < n && a->v->count < VIOLATIONS_MAX; i++) {
        place.index = (int64_t)i;
        check_value(a, r, &place, items + i * pb_element_bytes(r->field->type));
    }
}

static void check_field(struct applying *a, const struct field_rules *r, const uint8_t *message,
                        const struct place *up)
{
    const void *p = message + r->field->offset;
    struct place place = {.up = up, .name = r->field->name, .index = -1};
    if (r->field->label == PROTOBUF_C_LABEL_REPEATED) {
        check_repeated(a, r, message, up);
        return;
    }
    if (r->field->flags & PROTOBUF_C_FIELD_FLAG_ONEOF) {
        /* Another member may be set; its bytes are not ours to read. */
        if (*(const uint32_t *)(const void *)(message + r->field->quantifier_offset) !=
            r->field->id)
            return;
    }
    if (r->required && is_unset(r->field, p))
        report(a, &place, "is required");
    else
        check_value(a, r, &place, p);
}

static void check_message(struct applying *a, const struct message_rules *rules,
                          const ProtobufCMessage *message, const struct place *place)
{
    CHECK(message->descriptor == rules->descriptor);
    const char *wrong = rules->check ? rules->check(message) : NULL;
    if (wrong)
        report(a, place, wrong);
    for (unsigned i = 0; i < rules->field_count && a->v->count < VIOLATIONS_MAX; i++)
        check_field(a, &rules->fields[i], (const uint8_t *)message, place);
}

void rules_apply(struct arena *arena, const struct message_rules *rules,
                 const ProtobufCMessage *message, struct violations *v)
{
    struct applying a = {.arena = arena, .v = v};
    struct place root = {.name = NULL, .index = -1};
    CHECK(rules);
    check_message(&a, rules, message, &root);
}
