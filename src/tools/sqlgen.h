/* What sqlgen's parser hands to its emitter: signed statements, checked and with their parameters
 * numbered. sqlgen.c (main), sqlgen_parse.c and sqlgen_sql.c fill it, sqlgen_emit.c writes C from
 * it. What must stay true: everything that reaches the emitter is valid; every mistake was reported
 * with file and line. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#define GEN_NAME_MAX 60
#define GEN_PARAMS_MAX 64
#define GEN_COLUMNS_MAX 96
#define GEN_BATCH_MAX_DEFAULT 64
#define GEN_BATCH_MAX_LIMIT 1024
#define GEN_ROWS_MAX_DEFAULT 1000

/* Growing text; a build tool ends at once when memory does. */
struct text {
    char *p;
    size_t n;
    size_t cap;
};

void text_add(struct text *t, const char *p, size_t n);
void text_printf(struct text *t, const char *format, ...) __attribute__((format(printf, 2, 3)));
void text_free(struct text *t);

struct gen_type {
    const char *sql;    /* as signatures and casts spell it */
    const char *tag;    /* enum db_type */
    const char *c;      /* type of the field or argument */
    const char *member; /* of struct db_value */
};

struct gen_field {
    char name[GEN_NAME_MAX + 1];
    const struct gen_type *type;
    bool is_array;
    bool is_nullable;
    bool used;     /* in the form being read */
    bool ord_used; /* the same for @name__ord */
};

enum gen_cardinality { GEN_NONE, GEN_ONE, GEN_MAYBE, GEN_MANY };

struct gen_statement {
    char name[GEN_NAME_MAX + 1];
    int line;
    enum gen_cardinality cardinality;
    struct gen_field params[GEN_PARAMS_MAX];
    struct gen_field columns[GEN_COLUMNS_MAX];
    int param_count;
    int column_count;
    bool is_read;
    bool is_batched;
    int key;      /* index of a parameter; -1: none */
    int distinct; /* the same */
    int batch_max;
    long rows_max; /* 0: not said */
    struct text doc;
    struct text one;
    struct text many;
};

struct gen_file {
    const char *path;
    char prefix[GEN_NAME_MAX + 1];
    struct gen_statement *statements;
    int count;
};

/* The whole program: 0, 1 after a message on stderr, 2 for wrong arguments. */
int sqlgen_run(int argc, char **argv);

/* Prints file:line: message and ends the program: a build stops at the first mistake. */
void gen_fail(const struct gen_file *file, int line, const char *format, ...)
    __attribute__((format(printf, 3, 4), noreturn));

/* Reads @source, NUL-terminated, into @file->statements. */
void gen_parse(struct gen_file *file, const char *source);

/* The body of one form, from @p to @end: comments dropped, @names numbered and cast; appended to
 * @out. */
void gen_sql(const struct gen_file *file, struct gen_statement *s, bool is_many, const char *p,
             const char *end, int line, struct text *out);

/* Index of the parameter called @name; -1: none. */
int gen_param(const struct gen_statement *s, const char *name, size_t n);

void gen_emit_header(const struct gen_file *file, struct text *out);
void gen_emit_source(const struct gen_file *file, struct text *out);
void gen_emit_registry(const struct gen_file *files, int count, struct text *out_header,
                       struct text *out_source);
