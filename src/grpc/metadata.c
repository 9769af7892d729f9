/* Request metadata: what handlers may look up by name. intake adds, call_metadata finds.
 * What must stay true: ASCII names and values are intake's copies; -bin values are decoded
 * once, on arrival. */
#include <errno.h>

#include "grpc/base64.h"
#include "grpc/internal.h"

static bool is_reserved(struct str name)
{
    if (!str_starts(name, STR("grpc-")))
        return false;
    return !str_eq(name, STR("grpc-previous-rpc-attempts")) &&
           !str_eq(name, STR("grpc-trace-bin")) && !str_eq(name, STR("grpc-retry-pushback-ms"));
}

static int append(struct call_impl *ci, struct str name, struct str value)
{
    if (ci->metadata_count == CALL_METADATA_MAX)
        return -E2BIG;
    if (ci->metadata_count == ci->metadata_max) {
        struct h2_header *more = arena_try(&ci->head_arena, 2 * ci->metadata_max * sizeof *more);
        if (!more)
            return -ENOMEM;
        memcpy(more, ci->metadata, ci->metadata_count * sizeof *more);
        ci->metadata = more;
        ci->metadata_max *= 2;
    }
    ci->metadata[ci->metadata_count++] = (struct h2_header){.name = name, .value = value};
    return 0;
}

/* Several values may have been joined with commas; they are split before they are decoded. */
static int append_binary(struct call_impl *ci, struct str name, struct str value)
{
    do {
        struct str part = str_cut(&value, ',');
        while (part.n > 0 && part.p[0] == ' ')
            part = (struct str){.p = part.p + 1, .n = part.n - 1};
        while (part.n > 0 && part.p[part.n - 1] == ' ')
            part.n--;
        uint8_t *bytes = arena_try(&ci->head_arena, base64_decoded_bytes_max(part.n));
        if (!bytes)
            return -ENOMEM;
        size_t count;
        if (base64_decode(part, bytes, &count) < 0)
            return -EINVAL;
        int rc = append(ci, name, (struct str){.p = (const char *)bytes, .n = count});
        if (rc < 0)
            return rc;
    } while (value.n > 0);
    return 0;
}

int metadata_add(struct call_impl *ci, struct str name, struct str value)
{
    if (is_reserved(name))
        return 0;
    if (name.n > 4 && memcmp(name.p + name.n - 4, "-bin", 4) == 0)
        return append_binary(ci, name, value);
    return append(ci, name, value);
}

bool call_metadata_next(const struct call *c, unsigned *at, struct str *ret_name,
                        struct str *ret_value)
{
    const struct call_impl *ci = call_impl_of_const(c);
    if (*at >= ci->metadata_count)
        return false;
    *ret_name = ci->metadata[*at].name;
    *ret_value = ci->metadata[(*at)++].value;
    return true;
}

struct str call_metadata(const struct call *c, struct str name)
{
    const struct call_impl *ci = call_impl_of_const(c);
    for (unsigned i = 0; i < ci->metadata_count; i++) {
        if (str_eq(ci->metadata[i].name, name))
            return ci->metadata[i].value;
    }
    return (struct str){0};
}
