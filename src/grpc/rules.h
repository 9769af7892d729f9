/* Field rules: the options of the .proto (FieldRules, field_behavior) compiled into one table per
 * message type. The registry compiles them at boot; the guard applies them to every request.
 * Read-only after boot. */
#pragma once

#include <protobuf-c/protobuf-c.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/str.h"

struct descriptors;
struct violations; /* grpc/internal.h */
struct message_rules;

struct field_rules {
    const ProtobufCFieldDescriptor *field;
    const struct message_rules *message; /* of a message field; NULL otherwise */
    const char *resource; /* patterns of a resource name, separated by '|'; NULL: none */
    int64_t min;
    int64_t max;
    uint32_t min_len; /* characters of a string, bytes of a bytes field */
    uint32_t max_len; /* 0: no limit */
    uint32_t min_items;
    uint32_t max_items; /* 0: no limit */
    uint8_t format;     /* faregate.v1.Format */
    bool required;
    bool has_range;
};

struct message_rules {
    const ProtobufCMessageDescriptor *descriptor;
    const struct message_rules *next; /* all of one struct rules */
    /* What no option can say: a date is a day of the calendar. NULL, or the text of the violation;
     * NULL: none. */
    const char *(*check)(const ProtobufCMessage *message);
    struct field_rules *fields; /* only those with something to check */
    unsigned field_count;
};

/* Compiles the rules of @type and of every message it can hold, once each: @head is the list so
 * far. Memory: the arena of @d. Negative and one line in @error where an option makes no sense. */
int rules_compile(struct descriptors *d, const ProtobufCMessageDescriptor *type,
                  const struct message_rules **head, const struct message_rules **ret_rules,
                  char *error, size_t error_bytes);

/* Adds what @message breaks to @v, first things first, up to VIOLATIONS_MAX. Texts and paths:
 * @arena. */
void rules_apply(struct arena *arena, const struct message_rules *rules,
                 const ProtobufCMessage *message, struct violations *v);

/* Adds one violation; a path that the arena has no room for is left out. */
void violations_add(struct violations *v, const char *field, const char *description);

/* NULL where @text has the shape of faregate.v1.Format @format, else what it should be, for people.
 * Not for empty strings. */
const char *rules_format(unsigned format, struct str text);
/* True where @name fits one of @patterns: "users/{user}|users/{user}/sessions/{uuid}". */
bool rules_resource(const char *patterns, struct str name);
/* True where every part of @patterns is a literal or a placeholder we know. */
bool rules_resource_valid(const char *patterns);
