/* Writes C from checked statements: row structs, statement tables, one typed function each, the
 * registry. Called by sqlgen.c. What must stay true: the output depends on the statements alone (no
 * paths, no dates). */
#include "sqlgen.h"

#include <string.h>

static const char *const cardinalities[] = {"DB_NONE", "DB_ONE", "DB_MAYBE", "DB_MANY"};

/* struct str name; int16_t name; const int32_t *name, size_t name_count */
static void emit_argument(struct text *out, const struct gen_field *f)
{
    bool is_str = strcmp(f->type->member, "s") == 0;
    const char *c = f->type->c;
    if (f->is_array)
        text_printf(out, "const %s *%s, size_t %s_count", c, f->name, f->name);
    else if (f->is_nullable && !is_str)
        text_printf(out, "const %s *%s", c, f->name);
    else
        text_printf(out, "%s %s", c, f->name);
}

static void emit_prototype(struct text *out, const struct gen_file *file,
                           const struct gen_statement *s)
{
    text_printf(out, "void %s_%s(struct call *c", file->prefix, s->name);
    if (s->cardinality != GEN_NONE)
        text_printf(out, ", struct %s_%s_%s *ret", file->prefix, s->name,
                    s->cardinality == GEN_MANY ? "rows" : "row");
    for (int i = 0; i < s->param_count; i++) {
        text_printf(out, ",\n    ");
        emit_argument(out, &s->params[i]);
    }
    text_printf(out, ")");
}

/* The free text of the signature as a comment; a star and slash in it must not end ours. */
static void emit_doc(struct text *out, const struct gen_statement *s)
{
    if (s->doc.n == 0)
        return;
    text_printf(out, "/* ");
    for (size_t i = 0; i + 1 < s->doc.n; i++) {
        text_add(out, &s->doc.p[i], 1);
        if (s->doc.p[i] == '\n')
            text_printf(out, " * ");
        if ((s->doc.p[i] == '*' && s->doc.p[i + 1] == '/') ||
            (s->doc.p[i] == '/' && s->doc.p[i + 1] == '*'))
            text_printf(out, " ");
    }
    text_printf(out, " */\n");
}

static void emit_row(struct text *out, const struct gen_file *file, const struct gen_statement *s)
{
    if (s->cardinality == GEN_NONE)
        return;
    text_printf(out, "struct %s_%s_row {\n", file->prefix, s->name);
    if (s->cardinality == GEN_MAYBE)
        text_printf(out, "    bool found;\n");
    for (int i = 0; i < s->column_count; i++) {
        if (s->columns[i].is_nullable)
            text_printf(out, "    bool has_%s;\n", s->columns[i].name);
        text_printf(out, "    %s %s;\n", s->columns[i].type->c, s->columns[i].name);
    }
    text_printf(out, "};\n\n");
    if (s->cardinality == GEN_MANY)
        text_printf(out,
                    "struct %s_%s_rows {\n    struct %s_%s_row *rows;\n    uint32_t count;\n    "
                    "bool truncated;\n};\n\n",
                    file->prefix, s->name, file->prefix, s->name);
}

void gen_emit_header(const struct gen_file *file, struct text *out)
{
    text_printf(out,
                "/* Made by sqlgen from %s.sql: do not edit. Each function queues one execution "
                "for the call; *ret is\n"
                " * filled before the call's next step. Nullable: text and bytea with .p NULL, "
                "others as NULL pointers. */\n"
                "#pragma once\n\n#include <stdbool.h>\n#include <stddef.h>\n#include <stdint.h>\n\n"
                "#include \"db/db.h\"\n#include \"grpc/grpc.h\"\n\n",
                file->prefix);
    for (int i = 0; i < file->count; i++) {
        const struct gen_statement *s = &file->statements[i];
        emit_row(out, file, s);
        emit_doc(out, s);
        emit_prototype(out, file, s);
        text_printf(out, ";\n\n");
    }
    for (int i = 0; i < file->count; i++)
        text_printf(out, "extern const struct db_statement %s_%s_statement;\n", file->prefix,
                    file->statements[i].name);
    text_printf(out,
                "\n/* All of them, NULL at the end. */\nextern const struct db_statement *const "
                "%s_statements[];\n",
                file->prefix);
}

static void emit_string(struct text *out, const struct text *sql)
{
    if (sql->n == 0) {
        text_printf(out, " NULL");
        return;
    }
    text_printf(out, "\n        \"");
    for (size_t i = 0; i < sql->n; i++) {
        char ch = sql->p[i];
        if (ch == '\n')
            text_printf(out, "\\n\"\n        \"");
        else if (ch == '"' || ch == '\\')
            text_printf(out, "\\%c", ch);
        else if (ch == '\t')
            text_printf(out, "\\t");
        else
            text_add(out, &ch, 1);
    }
    text_printf(out, "\"");
}

static void emit_tables(struct text *out, const struct gen_file *file,
                        const struct gen_statement *s)
{
    if (s->param_count > 0) {
        text_printf(out, "static const struct db_param %s_params[] = {\n", s->name);
        for (int i = 0; i < s->param_count; i++)
            text_printf(out, "    {.name = \"%s\", .type = %s%s%s},\n", s->params[i].name,
                        s->params[i].type->tag, s->params[i].is_array ? ", .is_array = true" : "",
                        s->params[i].is_nullable ? ", .is_nullable = true" : "");
        text_printf(out, "};\n\n");
    }
    if (s->column_count == 0)
        return;
    text_printf(out, "static const struct db_column %s_columns[] = {\n", s->name);
    for (int i = 0; i < s->column_count; i++) {
        const struct gen_field *f = &s->columns[i];
        text_printf(
            out, "    {.name = \"%s\", .type = %s,\n     .offset = offsetof(struct %s_%s_row, %s)",
            f->name, f->type->tag, file->prefix, s->name, f->name);
        if (f->is_nullable)
            text_printf(
                out,
                ",\n     .is_nullable = true, .has_offset = offsetof(struct %s_%s_row, has_%s)",
                file->prefix, s->name, f->name);
        text_printf(out, "},\n");
    }
    text_printf(out, "};\n\n");
}

static void emit_statement(struct text *out, const struct gen_file *file,
                           const struct gen_statement *s)
{
    text_printf(
        out,
        "const struct db_statement %s_%s_statement = {\n    .name = \"%s_%s\",\n    .sql_one =",
        file->prefix, s->name, file->prefix, s->name);
    emit_string(out, &s->one);
    text_printf(out, ",\n    .sql_many =");
    emit_string(out, &s->many);
    text_printf(out, ",\n");
    if (s->param_count > 0)
        text_printf(out, "    .params = %s_params,\n    .param_count = %d,\n", s->name,
                    s->param_count);
    if (s->column_count > 0)
        text_printf(out,
                    "    .columns = %s_columns,\n    .column_count = %d,\n    .row_bytes = "
                    "sizeof(struct %s_%s_row),\n",
                    s->name, s->column_count, file->prefix, s->name);
    if (s->cardinality == GEN_MAYBE)
        text_printf(out, "    .found_offset = offsetof(struct %s_%s_row, found),\n", file->prefix,
                    s->name);
    text_printf(out, "    .cardinality = %s,\n    .is_read = %s,\n    .rows_max = %ld,\n",
                cardinalities[s->cardinality], s->is_read ? "true" : "false", s->rows_max);
    text_printf(out,
                "    .key_param = %d,\n    .distinct_param = %d,\n    .batch_max = %d,\n};\n\n",
                s->key, s->distinct, s->is_batched ? s->batch_max : 1);
    if (s->cardinality == GEN_MANY)
        text_printf(out,
                    "_Static_assert(sizeof(struct %s_%s_rows) == sizeof(struct db_rows), \"the "
                    "twin of db_rows\");\n\n",
                    file->prefix, s->name);
}

static void emit_value(struct text *out, const struct gen_field *f)
{
    const char *n = f->name, *m = f->type->member;
    if (f->is_array) {
        text_printf(out, "        {.array = %s, .array_count = (uint32_t)%s_count", n, n);
        if (f->is_nullable)
            text_printf(out, ", .is_null = !%s", n);
    } else if (!f->is_nullable) {
        text_printf(out, "        {.%s = %s", m, n);
    } else if (*m == 's') {
        text_printf(out, "        {.s = %s, .is_null = !%s.p", n, n);
    } else {
        text_printf(out, "        {.%s = %s ? *%s : (%s)%s, .is_null = !%s", m, n, n, f->type->c,
                    *m == 'u' ? "{{0}}" : "{0}", n);
    }
    text_printf(out, "},\n");
}

static void emit_function(struct text *out, const struct gen_file *file,
                          const struct gen_statement *s)
{
    emit_prototype(out, file, s);
    text_printf(out, "\n{\n");
    if (s->param_count > 0) {
        text_printf(out, "    const struct db_value values[] = {\n");
        for (int i = 0; i < s->param_count; i++)
            emit_value(out, &s->params[i]);
        text_printf(out, "    };\n");
    }
    text_printf(out, "    db_submit(&c->scope, &%s_%s_statement, %s, %s);\n}\n\n", file->prefix,
                s->name, s->param_count > 0 ? "values" : "NULL",
                s->cardinality == GEN_NONE ? "NULL" : "ret");
}

void gen_emit_source(const struct gen_file *file, struct text *out)
{
    text_printf(out, "/* Made by sqlgen from %s.sql: do not edit. */\n#include \"%s.sql.h\"\n\n",
                file->prefix, file->prefix);
    for (int i = 0; i < file->count; i++) {
        emit_tables(out, file, &file->statements[i]);
        emit_statement(out, file, &file->statements[i]);
        emit_function(out, file, &file->statements[i]);
    }
    text_printf(out, "const struct db_statement *const %s_statements[] = {\n", file->prefix);
    for (int i = 0; i < file->count; i++)
        text_printf(out, "    &%s_%s_statement,\n", file->prefix, file->statements[i].name);
    text_printf(out, "    NULL,\n};\n");
}

void gen_emit_registry(const struct gen_file *files, int count, struct text *out_header,
                       struct text *out_source)
{
    text_printf(out_header, "/* Made by sqlgen: every signed statement of the program, NULL at the "
                            "end. Do not edit. */\n"
                            "#pragma once\n\n#include \"db/db.h\"\n\nextern const struct "
                            "db_statement *const sql_statements[];\n");
    text_printf(
        out_source,
        "/* Made by sqlgen: do not edit. */\n#include \"registry.h\"\n\n#include <stddef.h>\n\n");
    for (int i = 0; i < count; i++)
        text_printf(out_source, "#include \"%s.sql.h\"\n", files[i].prefix);
    text_printf(out_source, "\nconst struct db_statement *const sql_statements[] = {\n");
    for (int i = 0; i < count; i++)
        for (int j = 0; j < files[i].count; j++)
            text_printf(out_source, "    &%s_%s_statement,\n", files[i].prefix,
                        files[i].statements[j].name);
    text_printf(out_source, "    NULL,\n};\n");
}
