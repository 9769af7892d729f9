/* From options in the descriptor set to tables. Called by the registry at boot, once for every
 * request type. What must stay true: an option that makes no sense stops the boot; a type that
 * holds itself is compiled once. */
#include <errno.h>
#include <faregate/v1/options.pb-c.h>
#include <google/protobuf/descriptor.pb-c.h>
#include <google/type/date.pb-c.h>
#include <google/type/money.pb-c.h>
#include <google/type/timeofday.pb-c.h>
#include <stdio.h>

#include "base/check.h"
#include "grpc/descriptors.h"
#include "grpc/options.h"
#include "grpc/rules.h"

/* ---- types that carry their own rule ---- */

static const char *check_date(const ProtobufCMessage *message)
{
    static const uint8_t days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    const Google__Type__Date *d = (const Google__Type__Date *)message;
    bool is_leap = (d->year % 4 == 0 && d->year % 100 != 0) || d->year % 400 == 0;
    if (d->year < 1 || d->year > 9999 || d->month < 1 || d->month > 12 || d->day < 1 ||
        d->day > days[d->month - 1] + (is_leap && d->month == 2))
        return "must be a day of the calendar, with year, month and day";
    return NULL;
}

static const char *check_time_of_day(const ProtobufCMessage *message)
{
    const Google__Type__TimeOfDay *t = (const Google__Type__TimeOfDay *)message;
    if (t->hours < 0 || t->hours > 24 || t->minutes < 0 || t->minutes > 59 || t->seconds < 0 ||
        t->seconds > 59 || t->nanos < 0 || t->nanos > 999999999 ||
        (t->hours == 24 && (t->minutes || t->seconds || t->nanos)))
        return "must be a time from 00:00 to 24:00";
    return NULL;
}

static const char *check_money(const ProtobufCMessage *message)
{
    const Google__Type__Money *m = (const Google__Type__Money *)message;
    if (!m->currency_code || m->currency_code[0] == '\0' ||
        rules_format(FAREGATE__V1__FORMAT__FORMAT_CURRENCY, str_of(m->currency_code)))
        return "must have an ISO 4217 currency_code of three upper case letters";
    if (m->nanos < -999999999 || m->nanos > 999999999 || (m->units > 0 && m->nanos < 0) ||
        (m->units < 0 && m->nanos > 0))
        return "must have nanos below one unit and of the same sign as units";
    return NULL;
}

static const struct known_type {
    const ProtobufCMessageDescriptor *type;
    const char *(*check)(const ProtobufCMessage *message);
} known_types[] = {
    {&google__type__date__descriptor, check_date},
    {&google__type__time_of_day__descriptor, check_time_of_day},
    {&google__type__money__descriptor, check_money},
};

/* ---- compiling ---- */

struct compiling {
    struct descriptors *d;
    const struct message_rules **head;
    char *error;
    size_t error_bytes;
};

static int refuse(struct compiling *k, const ProtobufCMessageDescriptor *type, const char *field,
                  const char *why)
{
    snprintf(k->error, k->error_bytes, "%s.%s: %s", type->name, field, why);
    return -EINVAL;
}

static const Google__Protobuf__FieldDescriptorProto *
field_proto(const Google__Protobuf__DescriptorProto *message, uint32_t number)
{
    for (size_t i = 0; i < message->n_field; i++)
        if ((uint32_t)message->field[i]->number == number)
            return message->field[i];
    return NULL;
}

static bool has_something(const struct field_rules *r)
{
    return r->message || r->resource || r->min_len > 0 || r->max_len > 0 || r->min_items > 0 ||
           r->max_items > 0 || r->format != 0 || r->required || r->has_range ||
           r->field->type == PROTOBUF_C_TYPE_ENUM;
}

static int copy_rules(struct compiling *k, const ProtobufCMessageDescriptor *type,
                      const struct field_options *o, struct field_rules *r)
{
    const Faregate__V1__FieldRules *rules = o->rules;
    r->required = o->required;
    if (!rules)
        return 0;
    bool is_string = r->field->type == PROTOBUF_C_TYPE_STRING;
    bool is_bytes = r->field->type == PROTOBUF_C_TYPE_BYTES;
    bool is_repeated = r->field->label == PROTOBUF_C_LABEL_REPEATED;
    r->min_len = rules->min_len;
    r->max_len = rules->max_len;
    r->min_items = rules->min_items;
    r->max_items = rules->max_items;
    r->format = (uint8_t)rules->format;
    r->has_range = rules->min != 0 || rules->max != 0;
    r->min = rules->min;
    r->max = rules->max == 0 && rules->min > 0 ? INT64_MAX : rules->max;
    r->resource = rules->resource[0] != '\0' ? rules->resource : NULL;
    if ((r->min_len > 0 || r->max_len > 0) && !is_string && !is_bytes)
        return refuse(k, type, r->field->name, "a length rule on what is no string");
    if ((r->format != 0 || r->resource) && !is_string)
        return refuse(k, type, r->field->name, "a format on what is no string");
    if (!protobuf_c_enum_descriptor_get_value(&faregate__v1__format__descriptor,
                                              (int)rules->format))
        return refuse(k, type, r->field->name, "a format nobody knows");
    if ((r->min_items > 0 || r->max_items > 0) && !is_repeated)
        return refuse(k, type, r->field->name, "an item rule on what is not repeated");
    if (r->has_range &&
        (r->min > r->max || is_string || is_bytes || r->field->type == PROTOBUF_C_TYPE_MESSAGE))
        return refuse(k, type, r->field->name, "a range that nothing fits");
    if (r->resource && !rules_resource_valid(r->resource))
        return refuse(k, type, r->field->name, "a resource pattern with an unknown part");
    return 0;
}

static int compile(struct compiling *k, const ProtobufCMessageDescriptor *type,
                   const struct message_rules **ret_rules);

static int compile_field(struct compiling *k, const ProtobufCMessageDescriptor *type,
                         const Google__Protobuf__DescriptorProto *proto,
                         const ProtobufCFieldDescriptor *field, struct message_rules *rules)
{
    struct field_rules r = {.field = field};
    struct field_options options;
    const Google__Protobuf__FieldDescriptorProto *f = field_proto(proto, field->id);
    if (!f)
        return refuse(k, type, field->name,
                      "the descriptor set and the generated code differ; run ninja gen");
    if (options_of_field(&k->d->arena, f, &options) < 0)
        return refuse(k, type, field->name, "options that cannot be parsed");
    if (options.output_only)
        return 0; /* what the client says there is ignored (AIP-203) */
    int rc = copy_rules(k, type, &options, &r);
    if (rc == 0 && field->type == PROTOBUF_C_TYPE_MESSAGE)
        rc = compile(k, field->descriptor, &r.message);
    if (rc == 0 && has_something(&r))
        rules->fields[rules->field_count++] = r;
    return rc;
}

static int compile(struct compiling *k, const ProtobufCMessageDescriptor *type,
                   const struct message_rules **ret_rules)
{
    for (const struct message_rules *r = *k->head; r; r = r->next) {
        if (r->descriptor == type) {
            *ret_rules = r;
            return 0;
        }
    }
    const Google__Protobuf__DescriptorProto *proto =
        descriptors_proto(k->d, SYMBOL_MESSAGE, str_of(type->name));
    if (!proto)
        return refuse(k, type, "*", "not in the descriptor set; run ninja gen");
    struct message_rules *rules = arena_alloc(&k->d->arena, sizeof *rules);
    *rules = (struct message_rules){
        .descriptor = type,
        .next = *k->head,
        .fields = arena_array(&k->d->arena, type->n_fields + 1, sizeof rules->fields[0]),
    };
    *k->head = rules; /* before the fields: a type may hold itself */
    for (size_t i = 0; i < sizeof known_types / sizeof known_types[0]; i++)
        if (known_types[i].type == type)
            rules->check = known_types[i].check;
    for (unsigned i = 0; i < type->n_fields; i++) {
        int rc = compile_field(k, type, proto, &type->fields[i], rules);
        if (rc < 0)
            return rc;
    }
    *ret_rules = rules;
    return 0;
}

int rules_compile(struct descriptors *d, const ProtobufCMessageDescriptor *type,
                  const struct message_rules **head, const struct message_rules **ret_rules,
                  char *error, size_t error_bytes)
{
    struct compiling k = {.d = d, .head = head, .error = error, .error_bytes = error_bytes};
    CHECK(d);
    CHECK(type);
    return compile(&k, type, ret_rules);
}
