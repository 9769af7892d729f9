/* The API manual as a table: what the .proto files say a method can refuse. The driver compares it
 * with what handlers do, in both directions. What must stay true: the format is the one that
 * common.proto describes; a word there that is no reason stops the test. */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/check.h"
#include "world.h"

#define FILE_BYTES_MAX (256 << 10)

static char *read_proto(const char *name)
{
    char path[512];
    snprintf(path, sizeof path, "%s/protos/faregate/v1/%s.proto", FG_SOURCE_DIR, name);
    FILE *file = fopen(path, "r");
    if (!file)
        fprintf(stderr, "torture: %s cannot be read\n", path);
    CHECK(file);
    char *text = calloc(1, FILE_BYTES_MAX);
    CHECK(text);
    CHECK(fread(text, 1, FILE_BYTES_MAX - 1, file) < FILE_BYTES_MAX - 1);
    fclose(file);
    return text;
}

/* Marks every word of capitals from @from up to @to. */
static void mark(const char *from, const char *to, bool *ret)
{
    while (from < to) {
        char word[40];
        size_t n = 0;
        while (from < to && (isupper((unsigned char)*from) || *from == '_') && n + 1 < sizeof word)
            word[n++] = *from++;
        word[n] = '\0';
        if (n == 0) {
            from++;
            continue;
        }
        enum reason reason = reason_of_name(word);
        if (reason == REASON_NONE)
            fprintf(stderr, "torture: the manual names %s, which is no reason\n", word);
        CHECK(reason != REASON_NONE);
        ret[reason] = true;
    }
}

/* "any: A, B, ...;" in the conventions. */
static void mark_general(const char *text, const char *who, bool *ret)
{
    const char *start = strstr(text, who);
    CHECK(start);
    start += strlen(who);
    mark(start, start + strcspn(start, ";."), ret);
}

/* The comment lines above "  rpc Name(". */
static void mark_own(const char *text, const char *name, bool *ret)
{
    char head[80];
    snprintf(head, sizeof head, "  rpc %s(", name);
    const char *rpc = strstr(text, head);
    CHECK(rpc);
    const char *line = rpc;
    bool is_listed = false;
    for (;;) {
        const char *end = line - 1; /* of the line before */
        for (line = end; line > text && line[-1] != '\n';)
            line--;
        if (strncmp(line, "  //", 4) != 0)
            break;
        if (strncmp(line, "  // Errors: ", 13) != 0)
            continue;
        is_listed = true;
        if (strncmp(line + 13, "none", 4) != 0)
            mark(line + 13, end, ret);
    }
    if (!is_listed)
        fprintf(stderr, "torture: %s does not say its Errors\n", name);
    CHECK(is_listed);
}

void docs_read(const struct rpc_method *method, struct documented *ret)
{
    char file[64];
    struct str service = method->full_name, name = service;
    str_skip(&name, STR("faregate.v1."));
    service = str_cut(&name, '/');
    *ret = (struct documented){0};
    size_t n = 0;
    for (size_t i = 0; i < service.n; i++) { /* AuthService: auth_service */
        if (i > 0 && isupper((unsigned char)service.p[i]))
            file[n++] = '_';
        file[n++] = (char)tolower((unsigned char)service.p[i]);
    }
    file[n] = '\0';
    char *common = read_proto("common"), *text = read_proto(file);
    mark_general(common, "any:", ret->any);
    if (method->policy.auth != RPC_AUTH_PUBLIC)
        mark_general(common, "with a user:", ret->any);
    if (method->policy.is_idempotent)
        mark_general(common, "with a request_id:", ret->any);
    mark_own(text, method->handler->method, ret->own);
    free(common);
    free(text);
}
