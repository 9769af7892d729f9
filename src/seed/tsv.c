/* Reads the data files that are embedded in the binary. They were checked when they were made, so
 * that what is wrong here is a bug, not bad input. */
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "internal.h"
#include "schema/embedded.h"

static size_t split(struct str line, struct str ret_fields[TSV_COLUMNS_MAX])
{
    size_t n = 0;
    for (const char *end = line.p + line.n;;) {
        const char *tab = memchr(line.p, '\t', line.n);
        CHECK(n < TSV_COLUMNS_MAX);
        ret_fields[n++] = (struct str){.p = line.p, .n = (size_t)((tab ? tab : end) - line.p)};
        if (!tab)
            return n;
        line = (struct str){.p = tab + 1, .n = (size_t)(end - tab - 1)};
    }
}

void tsv_open(struct tsv *t, const char *name)
{
    const struct embedded_file *f = embedded_find(name);
    CHECK(f);
    *t = (struct tsv){.rest = {.p = f->data, .n = f->size}, .name = name};
    t->columns = split(str_cut(&t->rest, '\n'), t->head);
}

bool tsv_next(struct tsv *t)
{
    if (t->rest.n == 0)
        return false;
    CHECK(split(str_cut(&t->rest, '\n'), t->row) == t->columns);
    return true;
}

struct str tsv_text(const struct tsv *t, const char *column)
{
    size_t i = 0;
    while (i < t->columns && !str_eq(t->head[i], str_of(column)))
        i++;
    CHECK(i < t->columns);
    return t->row[i];
}

int32_t tsv_int(const struct tsv *t, const char *column)
{
    int64_t value;
    CHECK(str_int64(tsv_text(t, column), INT32_MIN, INT32_MAX, &value) == 0);
    return (int32_t)value;
}

double tsv_float(const struct tsv *t, const char *column)
{
    char text[32], *end;
    struct str s = tsv_text(t, column);
    CHECK(s.n > 0 && s.n < sizeof text);
    memcpy(text, s.p, s.n);
    text[s.n] = 0;
    double value = strtod(text, &end);
    CHECK(*end == 0);
    return value;
}
