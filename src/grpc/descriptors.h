/* The descriptor set the binary carries, parsed once at boot: files, symbols, extensions.
 * The registry, the rules, reflection and describe read it. What must stay true: read-only after
 * descriptors_new. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/str.h"

struct Google__Protobuf__FileDescriptorProto;

#define DESCRIPTOR_FILES_MAX 128

struct descriptor_file {
    struct str name; /* as others import it */
    struct str raw;  /* the serialized FileDescriptorProto, a slice of the set */
    const struct Google__Protobuf__FileDescriptorProto *proto;
    uint16_t *imports; /* indices into files */
    size_t import_count;
};

enum symbol_kind {
    SYMBOL_MESSAGE,
    SYMBOL_ENUM,
    SYMBOL_ENUM_VALUE,
    SYMBOL_FIELD,
    SYMBOL_ONEOF,
    SYMBOL_SERVICE,
    SYMBOL_METHOD,
    SYMBOL_EXTENSION,
};

struct descriptor_symbol {
    struct str name;   /* full, without a leading dot */
    const void *proto; /* the DescriptorProto, ServiceDescriptorProto, ... of its kind */
    uint16_t file;
    uint8_t kind;
};

struct descriptor_extension {
    struct str extendee; /* full name, without a leading dot */
    int32_t number;
    uint16_t file;
};

struct descriptors {
    struct arena_pool pool;
    struct arena arena; /* everything below, and the tables built from it */
    struct descriptor_file *files;
    size_t file_count;
    struct descriptor_symbol *symbols; /* sorted by name */
    size_t symbol_count;
    struct descriptor_extension *extensions; /* sorted by extendee, then number */
    size_t extension_count;
};

/* The set this binary was built with. */
struct str descriptors_embedded(void);

/* Parses @set, whose bytes must outlive the result. -EBADMSG and one line in @error where it is not
 * whole. */
int descriptors_new(struct descriptors **ret_descriptors, struct str set, char *error,
                    size_t error_bytes);
struct descriptors *descriptors_free(struct descriptors *d);

/* Index of a file by the name it is imported by; -ENOENT. */
int descriptors_file(const struct descriptors *d, struct str name);
/* A symbol by its full name, a leading dot forgiven; NULL where there is none. */
const struct descriptor_symbol *descriptors_symbol(const struct descriptors *d, struct str name);
/* The same, of one kind only: its proto, or NULL. */
const void *descriptors_proto(const struct descriptors *d, enum symbol_kind kind, struct str name);
/* The extensions of a message: how many, and where they begin. */
size_t descriptors_extensions(const struct descriptors *d, struct str extendee,
                              const struct descriptor_extension **ret_first);
