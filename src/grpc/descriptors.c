/* Parsing and indexing the descriptor set. Called once at boot; the lookups are called by
 * reflection and the registry. What must stay true: a file's raw bytes are exactly those protoc
 * wrote, and every import is in the set. */
#include "grpc/descriptors.h"

#include <errno.h>
#include <google/protobuf/descriptor.pb-c.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/check.h"
#include "grpc/pb_memory.h"

#define ARENA_BYTES_MAX (64u << 20) /* boot-time tables; the set is part of the binary */
#define NESTING_MAX 16              /* messages in messages, in our own .proto files */

extern const uint8_t fg_descriptor_set[];
extern const uint8_t fg_descriptor_set_end[];

struct str descriptors_embedded(void)
{
    return (struct str){
        .p = (const char *)fg_descriptor_set,
        .n = (size_t)(fg_descriptor_set_end - fg_descriptor_set),
    };
}

/* ---- files ---- */

/* A FileDescriptorSet is nothing but field 1, again and again: 0x0a, length, bytes. */
static bool next_file(struct str *set, struct str *ret_raw)
{
    const uint8_t *p = (const uint8_t *)set->p;
    size_t at = 1;
    size_t bytes = 0;
    unsigned shift = 0;
    if (set->n < 2 || p[0] != 0x0a)
        return false;
    do {
        if (at == set->n || shift > 28)
            return false;
        bytes |= (size_t)(p[at] & 0x7f) << shift;
        shift += 7;
    } while (p[at++] & 0x80);
    if (bytes > set->n - at)
        return false;
    *ret_raw = (struct str){.p = set->p + at, .n = bytes};
    set->p += at + bytes;
    set->n -= at + bytes;
    return true;
}

static int parse_files(struct descriptors *d, struct str set, char *error, size_t error_bytes)
{
    struct pb_memory memory;
    pb_memory_init(&memory, &d->arena);
    d->files = arena_array(&d->arena, DESCRIPTOR_FILES_MAX, sizeof d->files[0]);
    while (set.n > 0) {
        struct descriptor_file *file = &d->files[d->file_count];
        if (d->file_count == DESCRIPTOR_FILES_MAX) {
            snprintf(error, error_bytes, "descriptor set: more than %d files",
                     DESCRIPTOR_FILES_MAX);
            return -EBADMSG;
        }
        if (next_file(&set, &file->raw))
            file->proto = google__protobuf__file_descriptor_proto__unpack(
                &memory.allocator, file->raw.n, (const uint8_t *)file->raw.p);
        if (!file->proto || !file->proto->name) {
            snprintf(error, error_bytes, "descriptor set: file %zu cannot be parsed",
                     d->file_count);
            return -EBADMSG;
        }
        file->name = str_of(file->proto->name);
        d->file_count++;
    }
    return 0;
}

static int link_imports(struct descriptors *d, char *error, size_t error_bytes)
{
    for (size_t i = 0; i < d->file_count; i++) {
        struct descriptor_file *file = &d->files[i];
        file->import_count = file->proto->n_dependency;
        file->imports = arena_array(&d->arena, file->import_count + 1, sizeof file->imports[0]);
        for (size_t k = 0; k < file->import_count; k++) {
            int import = descriptors_file(d, str_of(file->proto->dependency[k]));
            if (import < 0) {
                snprintf(error, error_bytes, "descriptor set: %s imports %s, which is not there",
                         file->proto->name, file->proto->dependency[k]);
                return -EBADMSG;
            }
            file->imports[k] = (uint16_t)import;
        }
    }
    return 0;
}

/* ---- symbols ---- */

/* Filled twice by the same walk: first counting, then writing. */
struct indexer {
    struct descriptors *d;
    bool writing;
    uint16_t file;
    size_t symbols;
    size_t extensions;
};

static const char *join(struct indexer *x, const char *scope, const char *name)
{
    if (!x->writing)
        return name;
    return scope[0] == '\0' ? name : arena_printf(&x->d->arena, "%s.%s", scope, name);
}

static void add(struct indexer *x, enum symbol_kind kind, const char *full, const void *proto)
{
    if (x->writing)
        x->d->symbols[x->symbols] = (struct descriptor_symbol){
            .name = str_of(full), .proto = proto, .file = x->file, .kind = (uint8_t)kind};
    x->symbols++;
}

/* Values live beside their enum, not inside it: faregate.v1.ECONOMY. */
static void add_enum(struct indexer *x, const char *scope,
                     const Google__Protobuf__EnumDescriptorProto *e)
{
    add(x, SYMBOL_ENUM, join(x, scope, e->name), e);
    for (size_t i = 0; i < e->n_value; i++)
        add(x, SYMBOL_ENUM_VALUE, join(x, scope, e->value[i]->name), e->value[i]);
}

static void add_extension(struct indexer *x, const char *scope,
                          const Google__Protobuf__FieldDescriptorProto *f)
{
    add(x, SYMBOL_EXTENSION, join(x, scope, f->name), f);
    if (x->writing) {
        struct str extendee = str_of(f->extendee);
        str_skip(&extendee, STR("."));
        x->d->extensions[x->extensions] = (struct descriptor_extension){
            .extendee = extendee, .number = f->number, .file = x->file};
    }
    x->extensions++;
}

static void add_message(struct indexer *x, const char *scope,
                        const Google__Protobuf__DescriptorProto *m, unsigned depth)
{
    const char *full = join(x, scope, m->name);
    CHECK(depth < NESTING_MAX);
    add(x, SYMBOL_MESSAGE, full, m);
    for (size_t i = 0; i < m->n_field; i++)
        add(x, SYMBOL_FIELD, join(x, full, m->field[i]->name), m->field[i]);
    for (size_t i = 0; i < m->n_oneof_decl; i++)
        add(x, SYMBOL_ONEOF, join(x, full, m->oneof_decl[i]->name), m->oneof_decl[i]);
    for (size_t i = 0; i < m->n_enum_type; i++)
        add_enum(x, full, m->enum_type[i]);
    for (size_t i = 0; i < m->n_extension; i++)
        add_extension(x, full, m->extension[i]);
    for (size_t i = 0; i < m->n_nested_type; i++)
        add_message(x, full, m->nested_type[i], depth + 1);
}

static void add_service(struct indexer *x, const char *scope,
                        const Google__Protobuf__ServiceDescriptorProto *s)
{
    const char *full = join(x, scope, s->name);
    add(x, SYMBOL_SERVICE, full, s);
    for (size_t i = 0; i < s->n_method; i++)
        add(x, SYMBOL_METHOD, join(x, full, s->method[i]->name), s->method[i]);
}

static void walk(struct indexer *x)
{
    x->symbols = 0;
    x->extensions = 0;
    for (size_t i = 0; i < x->d->file_count; i++) {
        const Google__Protobuf__FileDescriptorProto *f = x->d->files[i].proto;
        const char *package = f->package ? f->package : "";
        x->file = (uint16_t)i;
        for (size_t k = 0; k < f->n_message_type; k++)
            add_message(x, package, f->message_type[k], 0);
        for (size_t k = 0; k < f->n_enum_type; k++)
            add_enum(x, package, f->enum_type[k]);
        for (size_t k = 0; k < f->n_extension; k++)
            add_extension(x, package, f->extension[k]);
        for (size_t k = 0; k < f->n_service; k++)
            add_service(x, package, f->service[k]);
    }
}

static int str_order(struct str a, struct str b)
{
    size_t n = a.n < b.n ? a.n : b.n;
    int order = n > 0 ? memcmp(a.p, b.p, n) : 0;
    return order != 0 ? order : (a.n > b.n) - (a.n < b.n);
}

static int symbol_order(const void *a, const void *b)
{
    return str_order(((const struct descriptor_symbol *)a)->name,
                     ((const struct descriptor_symbol *)b)->name);
}

static int extension_order(const void *a, const void *b)
{
    const struct descriptor_extension *x = a;
    const struct descriptor_extension *y = b;
    int order = str_order(x->extendee, y->extendee);
    return order != 0 ? order : (x->number > y->number) - (x->number < y->number);
}

static void index_symbols(struct descriptors *d)
{
    struct indexer x = {.d = d};
    walk(&x);
    d->symbol_count = x.symbols;
    d->extension_count = x.extensions;
    d->symbols = arena_array(&d->arena, d->symbol_count + 1, sizeof d->symbols[0]);
    d->extensions = arena_array(&d->arena, d->extension_count + 1, sizeof d->extensions[0]);
    x.writing = true;
    walk(&x);
    qsort(d->symbols, d->symbol_count, sizeof d->symbols[0], symbol_order);
    qsort(d->extensions, d->extension_count, sizeof d->extensions[0], extension_order);
}

/* ---- outside ---- */

int descriptors_new(struct descriptors **ret_descriptors, struct str set, char *error,
                    size_t error_bytes)
{
    struct descriptors *d = calloc(1, sizeof *d);
    CHECK(d);
    arena_pool_init(&d->pool, 0);
    arena_init(&d->arena, &d->pool, ARENA_BYTES_MAX);
    int rc = parse_files(d, set, error, error_bytes);
    if (rc == 0)
        rc = link_imports(d, error, error_bytes);
    if (rc < 0) {
        descriptors_free(d);
        return rc;
    }
    index_symbols(d);
    *ret_descriptors = d;
    return 0;
}

struct descriptors *descriptors_free(struct descriptors *d)
{
    if (!d)
        return NULL;
    arena_reset(&d->arena);
    arena_pool_deinit(&d->pool);
    free(d);
    return NULL;
}

int descriptors_file(const struct descriptors *d, struct str name)
{
    for (size_t i = 0; i < d->file_count; i++)
        if (str_eq(d->files[i].name, name))
            return (int)i;
    return -ENOENT;
}

const struct descriptor_symbol *descriptors_symbol(const struct descriptors *d, struct str name)
{
    struct descriptor_symbol key = {.name = name};
    str_skip(&key.name, STR("."));
    return bsearch(&key, d->symbols, d->symbol_count, sizeof d->symbols[0], symbol_order);
}

const void *descriptors_proto(const struct descriptors *d, enum symbol_kind kind, struct str name)
{
    const struct descriptor_symbol *symbol = descriptors_symbol(d, name);
    return symbol && symbol->kind == kind ? symbol->proto : NULL;
}

size_t descriptors_extensions(const struct descriptors *d, struct str extendee,
                              const struct descriptor_extension **ret_first)
{
    size_t count = 0;
    *ret_first = NULL;
    str_skip(&extendee, STR("."));
    for (size_t i = 0; i < d->extension_count; i++) {
        if (!str_eq(d->extensions[i].extendee, extendee))
            continue;
        if (count++ == 0)
            *ret_first = &d->extensions[i];
    }
    return count;
}
