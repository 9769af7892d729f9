/* Resource names to ids and back. Handlers call it once per name, before anything else looks at the
 * request. What must stay true: a name that does not match as a whole does not match. */
#include "services/shared/names.h"

#include <errno.h>

#include "base/check.h"
#include "grpc/pb_put.h"

static int segment_match(struct str part, struct str wanted, struct uuid me, struct uuid *ret_id)
{
    if (str_eq(wanted, STR("{user}")) && str_eq(part, STR("me"))) {
        *ret_id = me;
        return uuid_is_nil(me) ? -EINVAL : 0;
    }
    return uuid_parse(part, ret_id);
}

int name_match(struct str name, const char *pattern, struct uuid me, struct uuid *ret_ids)
{
    struct str wanted = str_of(pattern);
    unsigned found = 0;
    size_t slashes = 0;
    for (size_t i = 0; i < name.n; i++)
        slashes += name.p[i] == '/';
    for (size_t i = 0; i < wanted.n; i++)
        slashes -= wanted.p[i] == '/';
    if (slashes != 0)
        return -EINVAL;
    while (wanted.n > 0) {
        struct str want = str_cut(&wanted, '/');
        struct str part = str_cut(&name, '/');
        if (want.n > 0 && want.p[0] == '{') {
            CHECK(found < NAME_IDS_MAX);
            if (segment_match(part, want, me, &ret_ids[found++]) < 0)
                return -EINVAL;
        } else if (!str_eq(want, part)) {
            return -EINVAL;
        }
    }
    return name.n == 0 ? 0 : -EINVAL;
}

bool name_take(struct call *c, const char *field, const char *name, const char *pattern,
               struct uuid *ret_ids)
{
    struct uuid me = c->principal.known ? c->principal.user_id : (struct uuid){0};
    if (name_match(str_of(name), pattern, me, ret_ids) == 0)
        return true;
    call_fail_field(c, REASON_FIELD_INVALID, field, "must be a name of the form %s", pattern);
    return false;
}

/* collection/id, without printf: lists render several for each row. */
static char *put_name(char *p, struct str collection, struct uuid id)
{
    memcpy(p, collection.p, collection.n);
    p[collection.n] = '/';
    uuid_format(id, p + collection.n + 1);
    return p + collection.n + 1 + UUID_TEXT_LEN;
}

char *name_make(struct arena *arena, const char *collection, struct uuid id)
{
    struct str first = str_of(collection);
    char *name = arena_alloc(arena, first.n + 1 + UUID_TEXT_LEN + 1);
    put_name(name, first, id);
    return name;
}

char *name_make_child(struct arena *arena, const char *collection, struct uuid id,
                      const char *child_collection, struct uuid child_id)
{
    struct str first = str_of(collection), second = str_of(child_collection);
    char *name = arena_alloc(arena, first.n + second.n + 2 * (1 + UUID_TEXT_LEN) + 2);
    char *p = put_name(name, first, id);
    *p++ = '/';
    put_name(p, second, child_id);
    return name;
}

static uint8_t *put_part(uint8_t *p, struct str collection, struct uuid id)
{
    char text[1 + UUID_TEXT_LEN + 1] = "/";
    uuid_format(id, text + 1);
    return pb_put_bytes(pb_put_bytes(p, (struct str){.p = text, .n = 1 + UUID_TEXT_LEN}),
                        collection);
}

uint8_t *name_put(uint8_t *p, unsigned field, struct str collection, struct uuid id)
{
    return pb_put_around(put_part(p, collection, id), field, p);
}

uint8_t *name_put_child(uint8_t *p, unsigned field, struct str collection, struct uuid id,
                        struct str child_collection, struct uuid child_id)
{
    const uint8_t *end = p;
    p = put_part(p, child_collection, child_id);
    *--p = '/';
    return pb_put_around(put_part(p, collection, id), field, end);
}
