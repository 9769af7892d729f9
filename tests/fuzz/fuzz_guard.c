/* libFuzzer: any bytes as any request of the API through the guard and protobuf-c.
 * clang -fsanitize=fuzzer,address,undefined; the first byte picks the method. What must stay true:
 * no crash, no overrun, and what was accepted is accepted again after packing it. */
#include <stdlib.h>

#include "base/check.h"
#include "grpc/internal.h"

#include <faregate/v1/auth_service.pb-c.h>
#include <faregate/v1/booking_service.pb-c.h>
#include <faregate/v1/flight_service.pb-c.h>
#include <faregate/v1/payment_service.pb-c.h>
#include <google/protobuf/descriptor.pb-c.h>

#include "grpc/descriptors.h"
#include "grpc/rules.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const ProtobufCServiceDescriptor *const services[] = {
    &faregate__v1__auth_service__descriptor,
    &faregate__v1__flight_service__descriptor,
    &faregate__v1__booking_service__descriptor,
    &faregate__v1__payment_service__descriptor,
};

static struct rpc_method methods[64];
static unsigned method_count;

static void prepare(void)
{
    static struct descriptors *d; /* kept for good */
    const struct message_rules *head = NULL;
    char error[200];
    CHECK(descriptors_new(&d, descriptors_embedded(), error, sizeof error) == 0);
    for (size_t i = 0; i < sizeof services / sizeof services[0]; i++) {
        for (unsigned k = 0; k < services[i]->n_methods; k++) {
            struct rpc_method *m = &methods[method_count++];
            m->request = services[i]->methods[k].input;
            CHECK(rules_compile(d, m->request, &head, &m->rules, error, sizeof error) == 0);
        }
    }
    /* Recursive, and with every kind of field; no rules. */
    methods[method_count++].request = &google__protobuf__file_descriptor_set__descriptor;
}

static void repeat(const struct rpc_method *method, struct arena *arena,
                   const ProtobufCMessage *message)
{
    struct violations violations;
    ProtobufCMessage *again;
    size_t n = protobuf_c_message_get_packed_size(message);
    uint8_t *packed = arena_try(arena, n + 1);
    if (!packed)
        return;
    CHECK(protobuf_c_message_pack(message, packed) == n);
    int rc = guard_unpack(arena, method, 32, packed, n, &again, &violations);
    CHECK(rc == 0 || rc == -12 /* the second copy may be over the budget */);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct arena_pool pool;
    struct arena arena;
    struct violations violations;
    ProtobufCMessage *message;
    if (method_count == 0) {
        arena_pool_init(&pool, 0);
        prepare();
    }
    if (size == 0)
        return 0;
    const struct rpc_method *method = &methods[data[0] % method_count];
    arena_init(&arena, &pool, 1u << 20);
    if (guard_unpack(&arena, method, 32, data + 1, size - 1, &message, &violations) == 0)
        repeat(method, &arena, message);
    CHECK(violations.count <= VIOLATIONS_MAX);
    arena_reset(&arena);
    return 0;
}
