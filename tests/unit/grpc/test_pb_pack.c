/* Packing backwards gives what protobuf-c gives: messages of every type this server answers with,
 * filled at random, and the standard ones that have what ours lack (required, optional, oneof,
 * maps, packed, floating point). */
#include "grpc/pb_pack.h"

#include <google/protobuf/descriptor.pb-c.h>
#include <google/protobuf/wrappers.pb-c.h>
#include <string.h>

#include "base/arena.h"
#include "base/uuid.h"
#include "faregate/v1/auth_service.pb-c.h"
#include "faregate/v1/booking_service.pb-c.h"
#include "faregate/v1/flight_service.pb-c.h"
#include "faregate/v1/payment_service.pb-c.h"
#include "grpc/channelz/v1/channelz.pb-c.h"
#include "grpc/reflection/v1/reflection.pb-c.h"
#include "support/test.h"
#include "xds/data/orca/v3/orca_load_report.pb-c.h"

#define ROUNDS 200
#define DEPTH_MAX 6
#define BYTES_MAX (1u << 20)

static struct arena arena;

static uint64_t draw(uint64_t below)
{
    uint64_t r;
    random_bytes(&r, sizeof r);
    return r % below;
}

static void *fill_message(const ProtobufCMessageDescriptor *d, unsigned depth);

static char *text(size_t n)
{
    char *p = arena_alloc(&arena, n + 1);
    memset(p, 'x', n);
    p[n] = '\0';
    return p;
}

static void fill_value(const ProtobufCFieldDescriptor *f, void *member, unsigned depth)
{
    static const size_t lengths[] = {0, 1, 127, 128, 300};
    uint64_t number = draw(3) == 0 ? draw(2) : draw(UINT64_MAX) >> draw(64);
    size_t n = lengths[draw(5)];
    switch (f->type) {
    case PROTOBUF_C_TYPE_STRING:
        *(char **)member = text(n);
        break;
    case PROTOBUF_C_TYPE_BYTES:
        *(ProtobufCBinaryData *)member =
            (ProtobufCBinaryData){.len = n, .data = (uint8_t *)text(n)};
        break;
    case PROTOBUF_C_TYPE_MESSAGE:
        *(void **)member = fill_message(f->descriptor, depth + 1);
        break;
    case PROTOBUF_C_TYPE_BOOL:
        *(protobuf_c_boolean *)member = (protobuf_c_boolean)draw(2);
        break;
    case PROTOBUF_C_TYPE_INT64:
    case PROTOBUF_C_TYPE_SINT64:
    case PROTOBUF_C_TYPE_UINT64:
    case PROTOBUF_C_TYPE_SFIXED64:
    case PROTOBUF_C_TYPE_FIXED64:
    case PROTOBUF_C_TYPE_DOUBLE:
        memcpy(member, &number, 8);
        break;
    default:
        memcpy(member, &number, 4);
    }
}

/* Room for any kind of element, laid out as protobuf-c does. */
static void fill_repeated(const ProtobufCFieldDescriptor *f, char *m, unsigned depth)
{
    static const size_t sizes[] = {
        [PROTOBUF_C_TYPE_BOOL] = sizeof(protobuf_c_boolean),
        [PROTOBUF_C_TYPE_BYTES] = sizeof(ProtobufCBinaryData),
        [PROTOBUF_C_TYPE_STRING] = sizeof(char *),
        [PROTOBUF_C_TYPE_MESSAGE] = sizeof(void *),
        [PROTOBUF_C_TYPE_INT64] = 8,
        [PROTOBUF_C_TYPE_SINT64] = 8,
        [PROTOBUF_C_TYPE_UINT64] = 8,
        [PROTOBUF_C_TYPE_SFIXED64] = 8,
        [PROTOBUF_C_TYPE_FIXED64] = 8,
        [PROTOBUF_C_TYPE_DOUBLE] = 8,
    };
    size_t bytes = sizes[f->type] > 0 ? sizes[f->type] : 4, count = draw(4);
    char *elements = arena_alloc(&arena, bytes * count + 1);
    for (size_t i = 0; i < count; i++)
        fill_value(f, elements + i * bytes, depth);
    *(size_t *)(void *)(m + f->quantifier_offset) = count;
    *(char **)(void *)(m + f->offset) = elements;
}

static void *fill_message(const ProtobufCMessageDescriptor *d, unsigned depth)
{
    char *m = arena_alloc(&arena, d->sizeof_message);
    d->message_init((ProtobufCMessage *)(void *)m);
    for (unsigned i = 0; i < d->n_fields; i++) {
        const ProtobufCFieldDescriptor *f = &d->fields[i];
        bool is_deep = f->type == PROTOBUF_C_TYPE_MESSAGE && depth == DEPTH_MAX;
        if (is_deep || (f->label != PROTOBUF_C_LABEL_REQUIRED && draw(3) == 0))
            continue;
        if (f->label == PROTOBUF_C_LABEL_REPEATED) {
            fill_repeated(f, m, depth);
            continue;
        }
        fill_value(f, m + f->offset, depth);
        if (f->flags & PROTOBUF_C_FIELD_FLAG_ONEOF)
            *(uint32_t *)(void *)(m + f->quantifier_offset) = f->id;
        else if (f->label == PROTOBUF_C_LABEL_OPTIONAL && f->quantifier_offset > 0)
            *(protobuf_c_boolean *)(void *)(m + f->quantifier_offset) = draw(4) > 0;
    }
    return m;
}

static void expect_same(const ProtobufCMessage *m)
{
    static uint8_t ours[BYTES_MAX], theirs[BYTES_MAX];
    size_t bytes = protobuf_c_message_get_packed_size(m);
    if (bytes > sizeof theirs)
        return;
    ASSERT_INT_EQ(protobuf_c_message_pack(m, theirs), bytes);
    const uint8_t *p = pb_pack_before(m, ours, ours + sizeof ours);
    ASSERT_TRUE(p != NULL);
    ASSERT_INT_EQ(ours + sizeof ours - p, bytes);
    ASSERT_MEM_EQ(p, theirs, bytes);
    for (size_t room = bytes < 40 ? 0 : bytes - 40; room < bytes; room++) {
        uint8_t *exact = arena_alloc(&arena, room + 1);
        ASSERT_TRUE(pb_pack_before(m, exact, exact + room) == NULL);
    }
}

static void expect_all_same(const ProtobufCMessageDescriptor *d)
{
    for (unsigned i = 0; i < ROUNDS; i++) {
        expect_same(fill_message(d, 0));
        arena_reset(&arena);
    }
}

TEST(pb_pack, writes_what_protobuf_c_writes)
{
    const ProtobufCServiceDescriptor *const services[] = {
        &faregate__v1__auth_service__descriptor,    &faregate__v1__flight_service__descriptor,
        &faregate__v1__booking_service__descriptor, &faregate__v1__payment_service__descriptor,
        &grpc__channelz__v1__channelz__descriptor,
    };
    const ProtobufCMessageDescriptor *const messages[] = {
        &grpc__reflection__v1__server_reflection_request__descriptor,
        &grpc__reflection__v1__server_reflection_response__descriptor,
        &xds__data__orca__v3__orca_load_report__descriptor,
        &google__protobuf__file_descriptor_proto__descriptor,
        &google__protobuf__float_value__descriptor,
        &google__protobuf__bytes_value__descriptor,
    };
    struct arena_pool pool;
    arena_pool_init(&pool, 0);
    arena_init(&arena, &pool, 64u << 20);
    for (size_t i = 0; i < sizeof services / sizeof services[0]; i++)
        for (unsigned k = 0; k < services[i]->n_methods; k++) {
            expect_all_same(services[i]->methods[k].input);
            expect_all_same(services[i]->methods[k].output);
        }
    for (size_t i = 0; i < sizeof messages / sizeof messages[0]; i++)
        expect_all_same(messages[i]);
    arena_pool_deinit(&pool);
}

/* What a newer client sent in a request that is packed again goes last, as it came. */
TEST(pb_pack, keeps_unknown_fields)
{
    uint8_t data[] = {3, 'a', 'b', 'c'}, one[] = {7};
    ProtobufCMessageUnknownField unknown[] = {
        {.tag = 1000, .wire_type = PROTOBUF_C_WIRE_TYPE_LENGTH_PREFIXED, .len = 4, .data = data},
        {.tag = 2, .wire_type = PROTOBUF_C_WIRE_TYPE_VARINT, .len = 1, .data = one},
    };
    struct arena_pool pool;
    arena_pool_init(&pool, 0);
    arena_init(&arena, &pool, 1u << 20);
    Google__Protobuf__StringValue m = GOOGLE__PROTOBUF__STRING_VALUE__INIT;
    m.value = text(200);
    m.base.n_unknown_fields = 2;
    m.base.unknown_fields = unknown;
    expect_same(&m.base);
    arena_reset(&arena);
    arena_pool_deinit(&pool);
}
