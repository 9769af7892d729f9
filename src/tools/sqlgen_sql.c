/* One SQL text: drops comments, leaves quotes alone, turns @name into $n::type. No parser:
 * PostgreSQL has one. Called by sqlgen_parse.c for each form of a statement. What must stay true:
 * nothing inside a quote changes, and no @name is left or guessed at. */
#include "sqlgen.h"

#include <ctype.h>
#include <string.h>

struct scan {
    const struct gen_file *file;
    struct gen_statement *s;
    bool is_many;
    const char *p;
    const char *end;
    int line;
    struct text out;
};

static bool is_word(char ch)
{
    return isalnum((unsigned char)ch) || ch == '_';
}

int gen_param(const struct gen_statement *s, const char *name, size_t n)
{
    for (int i = 0; i < s->param_count; i++)
        if (strlen(s->params[i].name) == n && memcmp(s->params[i].name, name, n) == 0)
            return i;
    return -1;
}

/* In the array form an array parameter takes two places: its elements, then the member of each. */
static int place_of(const struct scan *k, int param)
{
    int place = param + 1;
    for (int i = 0; k->is_many && i < param; i++)
        place += k->s->params[i].is_array;
    return place;
}

static void copy(struct scan *k, size_t n)
{
    for (size_t i = 0; i < n; i++)
        k->line += k->p[i] == '\n';
    text_add(&k->out, k->p, n);
    k->p += n;
}

static void skip_line_comment(struct scan *k)
{
    while (k->p < k->end && *k->p != '\n')
        k->p++;
}

static void skip_block_comment(struct scan *k)
{
    int depth = 0, line = k->line;
    do {
        if (k->end - k->p < 2)
            gen_fail(k->file, line, "comment without end");
        if (memcmp(k->p, "/*", 2) == 0 || memcmp(k->p, "*/", 2) == 0) {
            depth += *k->p == '/' ? 1 : -1;
            k->p += 2;
        } else {
            k->line += *k->p++ == '\n';
        }
    } while (depth > 0);
    text_add(&k->out, " ", 1);
}

static void copy_quoted(struct scan *k)
{
    char quote = *k->p;
    int line = k->line;
    char before = k->out.n > 0 ? k->out.p[k->out.n - 1] : ' ';
    bool escapes = quote == '\'' && (before == 'E' || before == 'e') &&
                   (k->out.n < 2 || !is_word(k->out.p[k->out.n - 2]));
    copy(k, 1);
    for (;;) {
        if (k->p >= k->end)
            gen_fail(k->file, line, "quote without end");
        if (*k->p == '\n')
            gen_fail(k->file, line, "quote over several lines: write E'\\n'");
        if (escapes && *k->p == '\\' && k->end - k->p > 1) {
            copy(k, 2);
        } else if (*k->p == quote && k->end - k->p > 1 && k->p[1] == quote) {
            copy(k, 2);
        } else {
            bool last = *k->p == quote;
            copy(k, 1);
            if (last)
                return;
        }
    }
}

/* $tag$ ... $tag$; a bare $1 is refused, since numbers are ours to give. */
static void copy_dollar(struct scan *k)
{
    size_t n = 1, left = (size_t)(k->end - k->p);
    if (n < left && isdigit((unsigned char)k->p[n]))
        gen_fail(k->file, k->line, "write @name, not $n");
    while (n < left && is_word(k->p[n]))
        n++;
    if (n == left || k->p[n] != '$') {
        copy(k, n);
        return;
    }
    n++;
    const char *tag = k->p;
    int line = k->line;
    copy(k, n);
    const char *close = memmem(k->p, (size_t)(k->end - k->p), tag, n);
    if (!close)
        gen_fail(k->file, line, "dollar quote without end");
    if (memchr(k->p, '\n', (size_t)(close - k->p)))
        gen_fail(k->file, line, "quote over several lines: write E'\\n'");
    copy(k, (size_t)(close - k->p) + n);
}

static void put_ord(struct scan *k, const char *name, size_t n)
{
    static const char suffix[] = "__ord";
    size_t tail = sizeof suffix - 1;
    int param = n > tail && memcmp(name + n - tail, suffix, tail) == 0
                    ? gen_param(k->s, name, n - tail)
                    : -1;
    if (param < 0)
        gen_fail(k->file, k->line, "@%.*s is not a parameter of %s", (int)n, name, k->s->name);
    if (!k->is_many || !k->s->params[param].is_array)
        gen_fail(k->file, k->line, "@%.*s exists only for array parameters, in the many form",
                 (int)n, name);
    k->s->params[param].ord_used = true;
    text_printf(&k->out, "$%d::int4[]", place_of(k, param) + 1);
}

static void put_param(struct scan *k)
{
    char before = k->out.n > 0 ? k->out.p[k->out.n - 1] : ' ';
    const char *name = ++k->p;
    while (k->p < k->end && is_word(*k->p))
        k->p++;
    size_t n = (size_t)(k->p - name);
    if (strchr("<@~!#%^&|?", before))
        gen_fail(k->file, k->line, "is this an operator or a parameter? Put a space before @%.*s",
                 (int)n, name);
    int param = gen_param(k->s, name, n);
    if (param < 0) {
        put_ord(k, name, n);
        return;
    }
    struct gen_field *f = &k->s->params[param];
    f->used = true;
    text_printf(&k->out, "$%d::%s%s", place_of(k, param), f->type->sql,
                k->is_many || f->is_array ? "[]" : "");
}

static void only_space_left(struct scan *k)
{
    size_t kept = k->out.n;
    while (k->p < k->end) {
        if (isspace((unsigned char)*k->p))
            k->line += *k->p++ == '\n';
        else if (k->end - k->p > 1 && memcmp(k->p, "--", 2) == 0)
            skip_line_comment(k);
        else if (k->end - k->p > 1 && memcmp(k->p, "/*", 2) == 0)
            skip_block_comment(k);
        else
            gen_fail(k->file, k->line, "text after the semicolon: one statement per form");
    }
    k->out.n = kept;
}

static void scan_all(struct scan *k)
{
    while (k->p < k->end) {
        char next = k->end - k->p > 1 ? k->p[1] : ' ';
        if (*k->p == '-' && next == '-') {
            skip_line_comment(k);
        } else if (*k->p == '/' && next == '*') {
            skip_block_comment(k);
        } else if (*k->p == '\'' || *k->p == '"') {
            copy_quoted(k);
        } else if (*k->p == '$') {
            copy_dollar(k);
        } else if (*k->p == '@' && (isalpha((unsigned char)next) || next == '_')) {
            put_param(k);
        } else if (*k->p == ';') {
            k->p++;
            only_space_left(k);
        } else {
            copy(k, 1);
        }
    }
}

/* Without the blanks at line ends and the empty lines that comments leave behind. */
static void add_tidy(struct text *out, const struct text *in)
{
    for (size_t at = 0; at < in->n;) {
        const char *stop = memchr(in->p + at, '\n', in->n - at);
        size_t next = stop ? (size_t)(stop - in->p) + 1 : in->n;
        size_t end = stop ? next - 1 : next;
        while (end > at && isspace((unsigned char)in->p[end - 1]))
            end--;
        if (end > at) {
            if (out->n > 0)
                text_add(out, "\n", 1);
            text_add(out, in->p + at, end - at);
        }
        at = next;
    }
}

void gen_sql(const struct gen_file *file, struct gen_statement *s, bool is_many, const char *p,
             const char *end, int line, struct text *out)
{
    struct scan k = {.file = file, .s = s, .is_many = is_many, .p = p, .end = end, .line = line};
    for (int i = 0; i < s->param_count; i++)
        s->params[i].used = s->params[i].ord_used = false;
    scan_all(&k);
    add_tidy(out, &k.out);
    text_free(&k.out);
    if (out->n == 0)
        return;
    int arrays = 0, ords = 0;
    for (int i = 0; i < s->param_count; i++) {
        const struct gen_field *f = &s->params[i];
        if (!f->used && i != s->key) /* a key may only choose the lane */
            gen_fail(file, s->line, "%s: parameter '%s' is not used in the %s form", s->name,
                     f->name, is_many ? "many" : "one");
        arrays += f->is_array;
        ords += f->ord_used;
    }
    /* Parallel arrays need the member numbers of one of them only. */
    if (is_many && arrays > 0 && ords == 0)
        gen_fail(file, s->line, "%s: the many form uses no @...__ord of its arrays", s->name);
}
