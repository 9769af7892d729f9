/* Reads a .sql file of signed statements: signature, directives, documentation, and where each form
 * begins. Called by sqlgen.c; the bodies go on to sqlgen_sql.c. What must stay true: nothing that
 * looks like a directive is taken for documentation. */
#include "sqlgen.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

static const struct gen_type types[] = {
    {"bool", "DB_BOOL", "bool", "b"},
    {"int2", "DB_INT2", "int16_t", "i"},
    {"int4", "DB_INT4", "int32_t", "i"},
    {"int8", "DB_INT8", "int64_t", "i"},
    {"float8", "DB_FLOAT8", "double", "f"},
    {"text", "DB_TEXT", "struct str", "s"},
    {"bytea", "DB_BYTEA", "struct str", "s"},
    {"uuid", "DB_UUID", "struct uuid", "u"},
    {"timestamptz", "DB_TIMESTAMPTZ", "int64_t", "i"},
    {"date", "DB_DATE", "int32_t", "i"},
};

/* What a generated struct or function cannot be asked to spell. */
static const char *const reserved[] = {
    "auto",    "bool",    "break",  "c",        "case",   "char",   "const",    "continue",
    "default", "do",      "double", "else",     "enum",   "extern", "false",    "float",
    "for",     "goto",    "if",     "inline",   "int",    "long",   "register", "restrict",
    "ret",     "return",  "short",  "signed",   "sizeof", "static", "struct",   "switch",
    "true",    "typedef", "union",  "unsigned", "values", "void",   "volatile", "while",
};

struct parser {
    struct gen_file *file;
    const char *p;     /* the next line */
    int line;          /* its number */
    struct text words; /* the signature, its lines joined */
    const char *at;    /* in words */
};

static bool starts(const char *p, const char *prefix)
{
    return strncmp(p, prefix, strlen(prefix)) == 0;
}

static const char *line_end(const char *p)
{
    return p + strcspn(p, "\n");
}

static void next_line(struct parser *k)
{
    k->p = line_end(k->p);
    if (*k->p == '\n') {
        k->p++;
        k->line++;
    }
}

static void skip_space(struct parser *k)
{
    k->at += strspn(k->at, " \t\r");
}

static bool take(struct parser *k, const char *token)
{
    skip_space(k);
    if (!starts(k->at, token))
        return false;
    k->at += strlen(token);
    return true;
}

static void expect(struct parser *k, int line, const char *token)
{
    if (!take(k, token))
        gen_fail(k->file, line, "expected '%s' before '%.20s'", token, k->at);
}

static void take_name(struct parser *k, int line, const char *what,
                      char ret_name[static GEN_NAME_MAX + 1])
{
    skip_space(k);
    size_t n = 0;
    while (islower((unsigned char)k->at[n]) || k->at[n] == '_' ||
           (n > 0 && isdigit((unsigned char)k->at[n])))
        n++;
    if (n == 0 || isalnum((unsigned char)k->at[n]))
        gen_fail(k->file, line, "expected the name of %s (lower case, digits, _) at '%.20s'", what,
                 k->at);
    if (n > GEN_NAME_MAX)
        gen_fail(k->file, line, "name of more than %d letters: %.*s", GEN_NAME_MAX, (int)n, k->at);
    memcpy(ret_name, k->at, n);
    ret_name[n] = '\0';
    k->at += n;
}

static void check_field_name(struct parser *k, int line, const struct gen_field *fields, int count,
                             const char *name)
{
    for (size_t i = 0; i < sizeof reserved / sizeof reserved[0]; i++)
        if (strcmp(reserved[i], name) == 0)
            gen_fail(k->file, line, "'%s' cannot be a name in C here: rename it", name);
    for (int i = 0; i < count; i++)
        if (strcmp(fields[i].name, name) == 0)
            gen_fail(k->file, line, "'%s' appears twice", name);
}

/* name type[]?, ... ) */
static int take_fields(struct parser *k, int line, struct gen_field *fields, int max,
                       bool are_params)
{
    int count = 0;
    if (take(k, ")"))
        return 0;
    do {
        if (count == max)
            gen_fail(k->file, line, "more than %d fields", max);
        struct gen_field f = {0};
        char type[GEN_NAME_MAX + 1];
        take_name(k, line, are_params ? "a parameter" : "a column", f.name);
        check_field_name(k, line, fields, count, f.name);
        take_name(k, line, "a type", type);
        for (size_t i = 0; i < sizeof types / sizeof types[0]; i++)
            if (strcmp(types[i].sql, type) == 0)
                f.type = &types[i];
        if (!f.type)
            gen_fail(k->file, line, "unknown type '%s'", type);
        f.is_array = take(k, "[]");
        if (f.is_array && !are_params)
            gen_fail(k->file, line, "column '%s': arrays are for parameters only", f.name);
        f.is_nullable = take(k, "?");
        fields[count++] = f;
    } while (take(k, ","));
    expect(k, line, ")");
    return count;
}

/* A column x? makes has_x, and maybe makes found: neither may be a column as well. */
static void check_columns(struct parser *k, const struct gen_statement *s)
{
    for (int i = 0; i < s->column_count; i++) {
        if (s->cardinality == GEN_MAYBE && strcmp(s->columns[i].name, "found") == 0)
            gen_fail(k->file, s->line, "a maybe statement cannot have a column called found");
        for (int j = 0; j < s->column_count; j++)
            if (s->columns[j].is_nullable && starts(s->columns[i].name, "has_") &&
                strcmp(s->columns[i].name + 4, s->columns[j].name) == 0)
                gen_fail(k->file, s->line, "column '%s' collides with the flag of '%s'",
                         s->columns[i].name, s->columns[j].name);
    }
}

static bool is_signature_complete(const char *p)
{
    const char *close = strchr(p, ')');
    const char *arrow = close ? strstr(close, "->") : NULL;
    if (!arrow)
        return false;
    arrow += 2 + strspn(arrow + 2, " \t");
    return starts(arrow, "none") || strchr(arrow, ')');
}

/* Joins the lines of a signature: continuation lines begin with "--   ". */
static void read_words(struct parser *k)
{
    static const char name[] = "-- name:", more[] = "--   ";
    k->words.n = 0;
    text_add(&k->words, k->p + sizeof name - 1,
             (size_t)(line_end(k->p) - k->p) - (sizeof name - 1));
    next_line(k);
    while (!is_signature_complete(k->words.p) && starts(k->p, more)) {
        text_add(&k->words, " ", 1);
        text_add(&k->words, k->p + sizeof more - 1,
                 (size_t)(line_end(k->p) - k->p) - (sizeof more - 1));
        next_line(k);
    }
    k->at = k->words.p;
}

static void read_signature(struct parser *k, struct gen_statement *s)
{
    static const char *const words[] = {"none", "one", "maybe", "many"};
    char cardinality[GEN_NAME_MAX + 1];
    *s = (struct gen_statement){
        .line = k->line, .key = -1, .distinct = -1, .batch_max = GEN_BATCH_MAX_DEFAULT};
    read_words(k);
    take_name(k, s->line, "the statement", s->name);
    for (int i = 0; i < k->file->count; i++)
        if (strcmp(k->file->statements[i].name, s->name) == 0)
            gen_fail(k->file, s->line, "'%s' was defined on line %d", s->name,
                     k->file->statements[i].line);
    expect(k, s->line, "(");
    s->param_count = take_fields(k, s->line, s->params, GEN_PARAMS_MAX, true);
    expect(k, s->line, "->");
    take_name(k, s->line, "a cardinality", cardinality);
    int i = 0;
    while (i < 4 && strcmp(words[i], cardinality) != 0)
        i++;
    if (i == 4)
        gen_fail(k->file, s->line, "'%s' is not one of none, one, maybe, many", cardinality);
    s->cardinality = (enum gen_cardinality)i;
    if (s->cardinality != GEN_NONE) {
        expect(k, s->line, "(");
        s->column_count = take_fields(k, s->line, s->columns, GEN_COLUMNS_MAX, false);
        if (s->column_count == 0)
            gen_fail(k->file, s->line, "%s needs at least one column", cardinality);
    }
    skip_space(k);
    if (*k->at)
        gen_fail(k->file, s->line, "text after the signature: '%.20s'", k->at);
    check_columns(k, s);
}

static int take_param(struct parser *k, const struct gen_statement *s, const char *what)
{
    char name[GEN_NAME_MAX + 1];
    take_name(k, k->line, what, name);
    int i = gen_param(s, name, strlen(name));
    if (i < 0)
        gen_fail(k->file, k->line, "'%s' is not a parameter of %s", name, s->name);
    if (s->params[i].is_array || s->params[i].is_nullable)
        gen_fail(k->file, k->line, "'%s' cannot be %s: it is an array or nullable", name, what);
    return i;
}

static long take_number(struct parser *k, long min, long max)
{
    char *end;
    skip_space(k);
    long n = isdigit((unsigned char)*k->at) ? strtol(k->at, &end, 10) : -1;
    if (n < min || n > max)
        gen_fail(k->file, k->line, "expected a number from %ld to %ld at '%.20s'", min, max, k->at);
    k->at = end;
    return n;
}

static void read_batched(struct parser *k, struct gen_statement *s)
{
    s->is_batched = true;
    if (take(k, "on "))
        s->key = take_param(k, s, "the key");
    if (take(k, "distinct "))
        s->distinct = take_param(k, s, "the distinct parameter");
    if (take(k, "max "))
        s->batch_max = (int)take_number(k, 1, GEN_BATCH_MAX_LIMIT);
}

/* "word:" at the start of a comment is a directive, or a mistake. */
static bool is_directive(const char *p)
{
    const char *end = p;
    while (islower((unsigned char)*end))
        end++;
    return end > p && *end == ':';
}

static void read_comment(struct parser *k, struct gen_statement *s)
{
    const char *p = k->p + 2;
    p += *p == ' ';
    size_t n = (size_t)(line_end(p) - p);
    while (n > 0 && isspace((unsigned char)p[n - 1]))
        n--;
    k->words.n = 0;
    text_add(&k->words, p, n);
    k->at = k->words.p;
    if (strcmp(k->at, "read") == 0) {
        s->is_read = true;
        return;
    }
    if (strcmp(k->at, "batched") == 0) {
        s->is_batched = true;
        return;
    }
    if (take(k, "batched:")) {
        read_batched(k, s);
    } else if (take(k, "key:")) {
        s->key = take_param(k, s, "the key");
    } else if (take(k, "max:")) {
        if (s->cardinality != GEN_MANY)
            gen_fail(k->file, k->line, "max: is for many");
        s->rows_max = take_number(k, 1, 1000000);
        take(k, "rows");
    } else if (is_directive(k->at)) {
        gen_fail(k->file, k->line,
                 "unknown directive '%.*s' (documentation must not begin with a lower case word "
                 "and a colon)",
                 (int)strcspn(k->at, ":"), k->at);
    } else {
        text_add(&s->doc, p, n);
        text_add(&s->doc, "\n", 1);
        return;
    }
    skip_space(k);
    if (*k->at)
        gen_fail(k->file, k->line, "cannot be understood: '%.20s'", k->at);
}

static bool is_marker(const char *p, const char *marker)
{
    size_t n = strlen(marker);
    return starts(p, marker) && strspn(p + n, " \t\r") == strcspn(p + n, "\n");
}

/* Everything up to the next marker or statement. */
static void read_form(struct parser *k, struct gen_statement *s, bool is_many)
{
    const char *from = k->p;
    int line = k->line;
    while (*k->p && !starts(k->p, "-- name:") && !is_marker(k->p, "-- one:") &&
           !is_marker(k->p, "-- many:"))
        next_line(k);
    gen_sql(k->file, s, is_many, from, k->p, line, is_many ? &s->many : &s->one);
}

static void read_forms(struct parser *k, struct gen_statement *s)
{
    bool seen_one = false, seen_many = false;
    if (!is_marker(k->p, "-- many:")) {
        seen_one = is_marker(k->p, "-- one:");
        if (seen_one)
            next_line(k);
        read_form(k, s, false);
        if (seen_one && s->one.n == 0)
            gen_fail(k->file, s->line, "%s: the one form is empty", s->name);
    }
    if (is_marker(k->p, "-- many:")) {
        seen_many = true;
        if (!s->is_batched)
            gen_fail(k->file, k->line, "%s has a many form but is not batched", s->name);
        next_line(k);
        read_form(k, s, true);
        if (s->many.n == 0)
            gen_fail(k->file, s->line, "%s: the many form is empty", s->name);
    }
    if (*k->p && !starts(k->p, "-- name:"))
        gen_fail(k->file, k->line, "%s: forms out of order (one, then many, each once)", s->name);
    if (s->is_batched && !seen_many)
        gen_fail(k->file, s->line, "%s is batched and needs '-- many:'", s->name);
    if (s->one.n == 0 && s->many.n == 0)
        gen_fail(k->file, s->line, "%s has no SQL", s->name);
}

static void read_statement(struct parser *k)
{
    struct gen_file *file = k->file;
    struct gen_statement *s;
    file->statements = realloc(file->statements, (size_t)(file->count + 1) * sizeof *s);
    if (!file->statements)
        gen_fail(file, k->line, "out of memory");
    s = &file->statements[file->count];
    read_signature(k, s);
    while (starts(k->p, "--") && !is_marker(k->p, "-- one:") && !is_marker(k->p, "-- many:") &&
           !starts(k->p, "-- name:")) {
        read_comment(k, s);
        next_line(k);
    }
    read_forms(k, s);
    if (s->cardinality == GEN_MANY && s->rows_max == 0)
        s->rows_max = GEN_ROWS_MAX_DEFAULT;
    file->count++;
}

void gen_parse(struct gen_file *file, const char *source)
{
    struct parser k = {.file = file, .p = source, .line = 1};
    while (*k.p) {
        if (starts(k.p, "-- name:"))
            read_statement(&k);
        else if (starts(k.p, "--") || strspn(k.p, " \t\r") == strcspn(k.p, "\n"))
            next_line(&k);
        else
            gen_fail(file, k.line, "expected '-- name: ...' before the first SQL");
    }
    text_free(&k.words);
}
