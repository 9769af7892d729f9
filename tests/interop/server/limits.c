/* --set=NAME=VALUE: every limit of h2 and grpc that Faregate has a flag for, by the flag's name and
 * with its range. options.c calls limits_set, main.c reads the result. What must stay true: names
 * and ranges are those of src/options.def; nothing here knows one of them. */
#include <errno.h>
#include <string.h>

#include "config.h"
#include "server.h"

#define NONE(...)
#define TEXT NONE
#define BOOL NONE
#define U32 NONE
#define PERMILLE NONE
#define LIMIT(flag, field, unit, min, max, help) {flag, offsetof(struct config, field), min, max},
#define LISTENER LIMIT

static const struct {
    const char *name;
    size_t offset; /* in struct config */
    int64_t min, max;
} limits[] = {
#include "options.def"
};

/* Where @offset of struct config is in @set; NULL: a limit of another layer. */
static void *place(struct limits *set, size_t offset)
{
    if (offset >= offsetof(struct config, h2) &&
        offset < offsetof(struct config, h2) + sizeof set->h2)
        return (char *)&set->h2 + (offset - offsetof(struct config, h2));
    if (offset >= offsetof(struct config, server) &&
        offset < offsetof(struct config, server) + sizeof set->server)
        return (char *)&set->server + (offset - offsetof(struct config, server));
    return NULL;
}

int limits_set(struct limits *set, struct str assignment)
{
    struct str name = str_cut(&assignment, '=');
    for (size_t i = 0; i < sizeof limits / sizeof limits[0]; i++) {
        int64_t value, max = limits[i].max > 0 ? limits[i].max : UINT32_MAX;
        void *at = place(set, limits[i].offset);
        if (!at || !str_eq(name, str_of(limits[i].name)))
            continue;
        if (str_int64(assignment, limits[i].min, max, &value) < 0)
            return -ERANGE;
        uint32_t narrow = (uint32_t)value;
        memcpy(at, &narrow, sizeof narrow);
        return 0;
    }
    return -ENOENT;
}
