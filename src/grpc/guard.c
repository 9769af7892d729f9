/* One walk over the wire bytes before protobuf-c sees them: tags, wire types, depth, UTF-8, NUL,
 * packed lengths, memory. protobuf-c 1.4.1 recurses without limit, truncates strings at NUL, does
 * not check UTF-8 and turns 1 MiB into 67 MB. What must stay true: no recursion, no allocation but
 * for the text of a violation, never a read past the end. */
#include "grpc/guard.h"

#include <errno.h>
#include <stdio.h>

#include "base/check.h"
#include "base/str.h"
#include "grpc/internal.h"
#include "grpc/pb_memory.h"
#include "grpc/pb_types.h"
#include "grpc/rules.h"

#define SEEN_FIELDS_MAX 128 /* singular message fields of one type that duplicates are told of */
#define VARINT_BYTES_MAX 10
#define TAG_BYTES_MAX 5
#define FIELD_NUMBER_MAX 0x1fffffff

struct level {
    const ProtobufCMessageDescriptor *type;
    const uint8_t *start;
    const uint8_t *end;
    const ProtobufCFieldDescriptor
        *field;                          /* of the level below: what led here; NULL at the bottom */
    const uint8_t *field_at;             /* where that field begins */
    uint64_t seen[SEEN_FIELDS_MAX / 64]; /* singular message fields met, by index */
};

struct scan {
    struct arena *arena;
    struct violations *violations;
    const uint8_t *at;
    size_t cost;
    size_t cost_max;
    unsigned depth; /* levels in use */
    unsigned depth_max;
    struct level levels[GUARD_DEPTH_MAX];
};

/* ---- pieces ---- */

static int read_varint(const uint8_t **at, const uint8_t *end, unsigned bytes_max,
                       uint64_t *ret_value)
{
    uint64_t value = 0;
    for (unsigned i = 0; i < bytes_max && *at < end; i++) {
        uint8_t b = *(*at)++;
        value |= (uint64_t)(b & 0x7f) << (7 * i);
        if (!(b & 0x80)) {
            *ret_value = value;
            return 0;
        }
    }
    return -EBADMSG;
}

static int read_tag(const uint8_t **at, const uint8_t *end, uint32_t *ret_number, uint8_t *ret_wire)
{
    uint64_t tag;
    if (read_varint(at, end, TAG_BYTES_MAX, &tag) < 0 || tag >> 3 > FIELD_NUMBER_MAX ||
        tag >> 3 == 0)
        return -EBADMSG;
    *ret_number = (uint32_t)(tag >> 3);
    *ret_wire = (uint8_t)(tag & 7);
    return 0;
}

/* Leaves *at behind the value; for length-prefixed ones *ret_content is what lies between. */
static int read_value(const uint8_t **at, const uint8_t *end, uint8_t wire, struct str *ret_content)
{
    uint64_t n;
    *ret_content = (struct str){0};
    switch (wire) {
    case PROTOBUF_C_WIRE_TYPE_VARINT:
        return read_varint(at, end, VARINT_BYTES_MAX, &n);
    case PROTOBUF_C_WIRE_TYPE_64BIT:
        n = 8;
        break;
    case PROTOBUF_C_WIRE_TYPE_32BIT:
        n = 4;
        break;
    case PROTOBUF_C_WIRE_TYPE_LENGTH_PREFIXED:
        /* 2^31 and more is refused by every parser; five bytes hold the rest. */
        if (read_varint(at, end, TAG_BYTES_MAX, &n) < 0 || n > INT32_MAX)
            return -EBADMSG;
        break;
    default: /* groups, and what no version of protobuf defines */
        return -EBADMSG;
    }
    if (n > (size_t)(end - *at))
        return -EBADMSG;
    *ret_content = (struct str){.p = (const char *)*at, .n = (size_t)n};
    *at += n;
    return 0;
}

static int spend(struct scan *s, size_t bytes)
{
    s->cost += bytes;
    return s->cost > s->cost_max ? -ENOMEM : 0;
}

/* What the arena hands out for it. */
static size_t rounded(size_t bytes)
{
    return (bytes + 15) & ~(size_t)15;
}

/* ---- saying where ---- */

/* Which item of a repeated field begins at @at: counted only when something is wrong. */
static size_t item_index(const struct level *f, const ProtobufCFieldDescriptor *field,
                         const uint8_t *at)
{
    const uint8_t *p = f->start;
    size_t index = 0;
    while (p < at) {
        uint32_t number;
        uint8_t wire;
        struct str ignored;
        if (read_tag(&p, f->end, &number, &wire) < 0 || read_value(&p, f->end, wire, &ignored) < 0)
            break;
        index += number == field->id;
    }
    return index;
}

static int has_nul(struct scan *s, const ProtobufCFieldDescriptor *field, const uint8_t *field_at)
{
    char path[256];
    size_t n = 0;
    for (unsigned i = 0; i < s->depth; i++) {
        bool is_top = i + 1 == s->depth;
        const ProtobufCFieldDescriptor *f = is_top ? field : s->levels[i + 1].field;
        const uint8_t *at = is_top ? field_at : s->levels[i + 1].field_at;
        int made = f->label == PROTOBUF_C_LABEL_REPEATED
                       ? snprintf(path + n, sizeof path - n, "%s%s[%zu]", i > 0 ? "." : "", f->name,
                                  item_index(&s->levels[i], f, at))
                       : snprintf(path + n, sizeof path - n, "%s%s", i > 0 ? "." : "", f->name);
        n += (size_t)made;
        if (n >= sizeof path) {
            n = sizeof path - 1;
            break;
        }
    }
    char *copy = arena_try(s->arena, n + 1);
    if (copy)
        memcpy(copy, path, n + 1);
    violations_add(s->violations, copy ? copy : field->name, "must not contain a NUL character");
    return -EINVAL;
}

/* ---- values ---- */

static int scan_string(struct scan *s, const ProtobufCFieldDescriptor *field,
                       const uint8_t *field_at, struct str text)
{
    if (text.n > 0 && memchr(text.p, '\0', text.n))
        return has_nul(s, field, field_at);
    if (!str_is_utf8(text))
        return -EBADMSG;
    return spend(s, rounded(text.n + 1));
}

/* Repeated numbers in one piece. */
static int scan_packed(struct scan *s, ProtobufCType type, struct str content)
{
    size_t count = 0;
    switch (pb_wire_type(type)) {
    case PROTOBUF_C_WIRE_TYPE_32BIT:
        return content.n % 4 == 0 ? spend(s, content.n) : -EBADMSG;
    case PROTOBUF_C_WIRE_TYPE_64BIT:
        return content.n % 8 == 0 ? spend(s, content.n) : -EBADMSG;
    case PROTOBUF_C_WIRE_TYPE_VARINT: {
        const uint8_t *p = (const uint8_t *)content.p;
        const uint8_t *end = p + content.n;
        while (p < end) {
            uint64_t ignored;
            if (read_varint(&p, end, VARINT_BYTES_MAX, &ignored) < 0)
                return -EBADMSG;
            count++;
        }
        return spend(s, count * pb_element_bytes(type));
    }
    default:
        return -EBADMSG;
    }
}

static int push(struct scan *s, const ProtobufCFieldDescriptor *field, const uint8_t *field_at,
                struct str content)
{
    struct level *below = &s->levels[s->depth - 1];
    const ProtobufCMessageDescriptor *type = field->descriptor;
    if (field->label != PROTOBUF_C_LABEL_REPEATED) {
        /* protobuf-c would merge the two, recursively; no client sends that. */
        size_t index = (size_t)(field - below->type->fields);
        if (index >= SEEN_FIELDS_MAX || below->seen[index / 64] & (UINT64_C(1) << index % 64))
            return -EBADMSG;
        below->seen[index / 64] |= UINT64_C(1) << index % 64;
    }
    if (s->depth >= s->depth_max)
        return -EBADMSG;
    struct level *f = &s->levels[s->depth++];
    *f = (struct level){
        .type = type,
        .start = (const uint8_t *)content.p,
        .end = (const uint8_t *)content.p + content.n,
        .field = field,
        .field_at = field_at,
    };
    s->at = f->start;
    return spend(s, rounded(type->sizeof_message) +
                        (field->label == PROTOBUF_C_LABEL_REPEATED ? sizeof(void *) : 0));
}

static int scan_known(struct scan *s, const ProtobufCFieldDescriptor *field,
                      const uint8_t *field_at, uint8_t wire, struct str content)
{
    bool is_repeated = field->label == PROTOBUF_C_LABEL_REPEATED;
    if (wire != pb_wire_type(field->type)) {
        if (is_repeated && wire == PROTOBUF_C_WIRE_TYPE_LENGTH_PREFIXED)
            return scan_packed(s, field->type, content);
        return -EBADMSG;
    }
    switch (field->type) {
    case PROTOBUF_C_TYPE_MESSAGE:
        return push(s, field, field_at, content);
    case PROTOBUF_C_TYPE_STRING:
        if (is_repeated && spend(s, sizeof(void *)) < 0)
            return -ENOMEM;
        return scan_string(s, field, field_at, content);
    case PROTOBUF_C_TYPE_BYTES:
        return spend(s, rounded(content.n) + (is_repeated ? sizeof(ProtobufCBinaryData) : 0));
    default:
        return is_repeated ? spend(s, 4) : 0;
    }
}

static int scan_field(struct scan *s, const struct level *f)
{
    const uint8_t *field_at = s->at;
    uint32_t number;
    uint8_t wire;
    struct str content;
    if (read_tag(&s->at, f->end, &number, &wire) < 0 ||
        read_value(&s->at, f->end, wire, &content) < 0)
        return -EBADMSG;
    const ProtobufCFieldDescriptor *field =
        protobuf_c_message_descriptor_get_field(f->type, number);
    if (field)
        return scan_known(s, field, field_at, wire, content);
    /* protobuf-c keeps what it does not know, so it costs. */
    return spend(s, sizeof(ProtobufCMessageUnknownField) + rounded((size_t)(s->at - field_at)));
}

int guard_scan(struct arena *arena, const ProtobufCMessageDescriptor *type, uint32_t depth_max,
               size_t cost_max, const uint8_t *p, size_t bytes, struct violations *ret_violations)
{
    struct scan s;
    s.arena = arena;
    s.violations = ret_violations;
    s.at = p;
    s.cost = 0;
    s.cost_max = cost_max;
    s.depth = 1;
    s.depth_max = depth_max < GUARD_DEPTH_MAX ? depth_max : GUARD_DEPTH_MAX;
    s.levels[0] = (struct level){.type = type, .start = p, .end = p + bytes};
    if (spend(&s, rounded(type->sizeof_message)) < 0)
        return -ENOMEM;
    while (s.depth > 0) {
        const struct level *top = &s.levels[s.depth - 1];
        if (s.at == top->end) {
            s.depth--; /* the level below goes on right here: its field ended where this message did
                        */
            continue;
        }
        int rc = scan_field(&s, top);
        if (rc < 0)
            return rc;
    }
    return 0;
}

int guard_unpack(struct arena *arena, const struct rpc_method *method, uint32_t depth_max,
                 const uint8_t *p, size_t bytes, ProtobufCMessage **ret_message,
                 struct violations *ret_violations)
{
    static const uint8_t nothing[1] = {0};
    struct pb_memory memory;
    CHECK(arena);
    CHECK(method->request);
    CHECK(p || bytes == 0);
    ret_violations->count = 0;
    if (!p)
        p = nothing;
    int rc = guard_scan(arena, method->request, depth_max,
                        arena->used_bytes_max - arena->used_bytes, p, bytes, ret_violations);
    if (rc < 0)
        return rc;
    pb_memory_init(&memory, arena);
    ProtobufCMessage *message =
        protobuf_c_message_unpack(method->request, &memory.allocator, bytes, p);
    if (!message)
        return memory.exhausted ? -ENOMEM : -EBADMSG;
    if (method->rules)
        rules_apply(arena, method->rules, message, ret_violations);
    if (ret_violations->count > 0)
        return -EINVAL;
    *ret_message = message;
    return 0;
}
