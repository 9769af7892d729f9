/* sqlgen's errands: reads the files, calls parser and emitter, writes what changed.
 * Called by main in sqlgen.c, and by the unit tests in a child process.
 * What must stay true: nothing is written unless every file was understood. */
#include "sqlgen.h"

#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

void text_add(struct text *t, const char *p, size_t n)
{
    if (t->n + n + 1 > t->cap) {
        t->cap = (t->n + n + 1) * 2;
        t->p = realloc(t->p, t->cap);
        if (!t->p) {
            fputs("sqlgen: out of memory\n", stderr);
            exit(1);
        }
    }
    memcpy(t->p + t->n, p, n);
    t->n += n;
    t->p[t->n] = '\0';
}

void text_printf(struct text *t, const char *format, ...)
{
    char *line;
    va_list args;
    va_start(args, format);
    int n = vasprintf(&line, format, args);
    va_end(args);
    if (n < 0) {
        fputs("sqlgen: out of memory\n", stderr);
        exit(1);
    }
    text_add(t, line, (size_t)n);
    free(line);
}

void text_free(struct text *t)
{
    free(t->p);
    *t = (struct text){0};
}

void gen_fail(const struct gen_file *file, int line, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    fprintf(stderr, "%s:%d: ", file->path, line);
    vfprintf(stderr, format, args);
    fputc('\n', stderr);
    va_end(args);
    exit(1);
}

static bool read_file(const char *path, struct text *out)
{
    FILE *f = fopen(path, "rb");
    if (!f)
        return false;
    char block[8192];
    text_add(out, "", 0);
    for (size_t n; (n = fread(block, 1, sizeof block, f)) > 0;)
        text_add(out, block, n);
    bool good = !ferror(f);
    fclose(f);
    return good;
}

/* Make and ninja look at times: an unchanged file keeps its own. */
static void write_if_changed(const char *dir, const char *name, const char *suffix,
                             const struct text *content)
{
    char path[4096];
    struct text old = {0};
    if (snprintf(path, sizeof path, "%s/%s%s", dir, name, suffix) >= (int)sizeof path) {
        fprintf(stderr, "sqlgen: path too long: %s\n", dir);
        exit(1);
    }
    bool same =
        read_file(path, &old) && old.n == content->n && memcmp(old.p, content->p, old.n) == 0;
    text_free(&old);
    if (same)
        return;
    FILE *f = fopen(path, "wb");
    if (!f || fwrite(content->p, 1, content->n, f) != content->n || fclose(f) != 0) {
        fprintf(stderr, "sqlgen: %s: %s\n", path, strerror(errno));
        exit(1);
    }
}

/* services/booking/booking.sql -> booking */
static void set_prefix(struct gen_file *file)
{
    const char *base = strrchr(file->path, '/');
    base = base ? base + 1 : file->path;
    size_t n = strlen(base);
    if (n < 5 || strcmp(base + n - 4, ".sql") != 0 || n - 4 > GEN_NAME_MAX)
        gen_fail(file, 1, "the file must be called <prefix>.sql");
    for (size_t i = 0; i < n - 4; i++)
        if (!islower((unsigned char)base[i]) && base[i] != '_' &&
            !(i > 0 && isdigit((unsigned char)base[i])))
            gen_fail(file, 1, "the prefix must be lower case letters, digits and _");
    memcpy(file->prefix, base, n - 4);
}

static int compare_files(const void *a, const void *b)
{
    return strcmp(((const struct gen_file *)a)->prefix, ((const struct gen_file *)b)->prefix);
}

static void write_all(const char *dir, const struct gen_file *files, int count)
{
    for (int i = 0; i < count; i++) {
        struct text header = {0}, source = {0};
        gen_emit_header(&files[i], &header);
        gen_emit_source(&files[i], &source);
        write_if_changed(dir, files[i].prefix, ".sql.h", &header);
        write_if_changed(dir, files[i].prefix, ".sql.c", &source);
        text_free(&header);
        text_free(&source);
    }
    struct text header = {0}, source = {0};
    gen_emit_registry(files, count, &header, &source);
    write_if_changed(dir, "registry", ".h", &header);
    write_if_changed(dir, "registry", ".c", &source);
    text_free(&header);
    text_free(&source);
}

int sqlgen_run(int argc, char **argv)
{
    if (argc < 2) {
        fputs("usage: sqlgen OUT_DIR FILE.sql...\n", stderr);
        return 2;
    }
    int count = argc - 2;
    struct gen_file *files = calloc((size_t)count + 1, sizeof *files);
    if (!files)
        return 1;
    for (int i = 0; i < count; i++) {
        struct text source = {0};
        files[i].path = argv[i + 2];
        set_prefix(&files[i]);
        if (!read_file(files[i].path, &source)) {
            fprintf(stderr, "%s: %s\n", files[i].path, strerror(errno));
            return 1;
        }
        gen_parse(&files[i], source.p);
        text_free(&source);
    }
    qsort(files, (size_t)count, sizeof *files, compare_files);
    for (int i = 1; i < count; i++)
        if (strcmp(files[i - 1].prefix, files[i].prefix) == 0)
            gen_fail(&files[i], 1, "the prefix '%s' is taken by %s", files[i].prefix,
                     files[i - 1].path);
    write_all(argv[1], files, count);
    for (int i = 0; i < count; i++) {
        for (int j = 0; j < files[i].count; j++) {
            text_free(&files[i].statements[j].doc);
            text_free(&files[i].statements[j].one);
            text_free(&files[i].statements[j].many);
        }
        free(files[i].statements);
    }
    free(files);
    return 0;
}
