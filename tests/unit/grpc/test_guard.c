/* The guard against bytes that would hurt protobuf-c: depth, memory, NUL, UTF-8, wire types,
 * truncation. Rows of the protobuf-c table in the design notes; the field rules have their own
 * file. */
#include "grpc/guard.h"

#include <errno.h>
#include <faregate/v1/auth_service.pb-c.h>
#include <faregate/v1/booking_service.pb-c.h>
#include <google/protobuf/descriptor.pb-c.h>
#include <google/rpc/error_details.pb-c.h>
#include <grpc/reflection/v1/reflection.pb-c.h>

#include "grpc/internal.h"
#include "pb.h"

#define BUDGET (1u << 20)

static struct arena_pool pool;
static struct arena arena;
static struct violations violations;
static ProtobufCMessage *message;

/* What guard_unpack says to @b as a message of @type, without rules; the arena stays filled until
 * the next call. */
static int unpack_budget(const ProtobufCMessageDescriptor *type, struct buf *b, size_t budget)
{
    struct rpc_method method = {.request = type};
    if (!arena.pool)
        arena_pool_init(&pool, 16);
    else
        arena_reset(&arena);
    arena_init(&arena, &pool, budget);
    message = NULL;
    /* A copy of the exact size, so that AddressSanitizer sees a read past the end. */
    size_t n = buf_len(b);
    struct buf exact = {0};
    buf_append(&exact, n > 0 ? (const void *)(b->p + b->start) : "", n > 0 ? n : 1);
    int rc = guard_unpack(&arena, &method, 32, exact.p, n, &message, &violations);
    buf_deinit(&exact);
    buf_deinit(b);
    *b = (struct buf){0};
    return rc;
}

static int unpack(const ProtobufCMessageDescriptor *type, struct buf *b)
{
    return unpack_budget(type, b, BUDGET);
}

static void done(void)
{
    arena_reset(&arena);
    arena_pool_deinit(&pool);
    arena = (struct arena){0};
}

TEST(guard, accepts_an_empty_message)
{
    struct buf b = {0};
    struct rpc_method method = {.request = &faregate__v1__get_user_request__descriptor};
    ASSERT_INT_EQ(unpack(&faregate__v1__get_user_request__descriptor, &b), 0);
    ASSERT_NOT_NULL(message);
    ASSERT_INT_EQ(guard_unpack(&arena, &method, 32, NULL, 0, &message, &violations), 0);
    done();
}

TEST(guard, gives_what_protobuf_c_gives)
{
    struct buf b = {0};
    struct buf p = {0};
    pb_text(&b, 1, "offers/abc");
    pb_number(&b, 2, 1);
    pb_number(&p, 1, 1);
    pb_text(&p, 2, "Zo\xc3\xab");
    pb_message(&b, 3, &p);
    ASSERT_INT_EQ(unpack(&faregate__v1__create_booking_request__descriptor, &b), 0);
    const Faregate__V1__CreateBookingRequest *r =
        (const Faregate__V1__CreateBookingRequest *)message;
    ASSERT_STR_EQ(r->offer, "offers/abc");
    ASSERT_INT_EQ(r->mode, 1);
    ASSERT_INT_EQ(r->n_passengers, 1);
    ASSERT_STR_EQ(r->passengers[0]->given_name, "Zo\xc3\xab");
    done();
}

/* protobuf-c overflows an 8 MB stack at about 8,700 levels. */
TEST(guard, refuses_ten_thousand_levels_in_34_kilobytes)
{
    struct buf b = {0};
    for (unsigned i = 0; i < 10000; i++) {
        struct buf outer = {0};
        pb_message(&outer, 3, &b); /* DescriptorProto.nested_type */
        b = outer;
    }
    ASSERT_INT_IN(buf_len(&b), 30000, 40000);
    ASSERT_INT_EQ(unpack(&google__protobuf__descriptor_proto__descriptor, &b), -EBADMSG);
    done();
}

static int nested(unsigned levels)
{
    struct buf b = {0};
    for (unsigned i = 1; i < levels; i++) {
        struct buf outer = {0};
        pb_message(&outer, 3, &b);
        b = outer;
    }
    return unpack(&google__protobuf__descriptor_proto__descriptor, &b);
}

TEST(guard, accepts_levels_up_to_the_limit)
{
    ASSERT_INT_EQ(nested(32), 0);
    ASSERT_INT_EQ(nested(33), -EBADMSG);
    done();
}

/* protobuf-c makes 67 MB and 524,305 allocations of it. */
TEST(guard, refuses_a_megabyte_of_empty_submessages)
{
    struct buf b = {0};
    struct buf empty = {0};
    for (unsigned i = 0; i < (1u << 19); i++)
        pb_message(&b, 3, &empty);
    ASSERT_INT_EQ(buf_len(&b), 1 << 20);
    ASSERT_INT_EQ(unpack_budget(&faregate__v1__create_booking_request__descriptor, &b, 8u << 20),
                  -ENOMEM);
    ASSERT_INT_EQ(arena.used_bytes, 0); /* told before a byte was spent */
    done();
}

TEST(guard, refuses_unknown_fields_that_would_cost_more_than_the_budget)
{
    struct buf b = {0};
    for (unsigned i = 0; i < 60000; i++)
        pb_number(&b, 100, 1);
    ASSERT_INT_EQ(unpack(&faregate__v1__get_user_request__descriptor, &b), -ENOMEM);
    done();
}

TEST(guard, answers_memory_when_the_budget_ends_inside_protobuf_c)
{
    struct buf b = {0};
    struct buf empty = {0};
    for (unsigned i = 0; i < 200; i++)
        pb_message(&b, 3, &empty);
    struct buf again = {0};
    buf_append(&again, b.p, buf_len(&b));
    /* Enough for the messages, not for the scratch tables of the parser. */
    size_t bytes = 200 * (sizeof(Faregate__V1__Passenger) + 16 + 8) +
                   sizeof(Faregate__V1__CreateBookingRequest) + 64;
    ASSERT_INT_EQ(unpack_budget(&faregate__v1__create_booking_request__descriptor, &b, bytes),
                  -ENOMEM);
    ASSERT_INT_EQ(unpack(&faregate__v1__create_booking_request__descriptor, &again), 0);
    done();
}

TEST(guard, names_the_string_that_holds_a_nul)
{
    struct buf b = {0};
    struct buf p = {0};
    pb_text(&p, 2, "Ann");
    pb_message(&b, 3, &p);
    pb_text(&p, 2, "Bob");
    pb_bytes(&p, 3, "Bu\0ll", 5);
    pb_message(&b, 3, &p);
    ASSERT_INT_EQ(unpack(&faregate__v1__create_booking_request__descriptor, &b), -EINVAL);
    ASSERT_INT_EQ(violations.count, 1);
    ASSERT_STR_EQ(violations.items[0].field, "passengers[1].surname");
    ASSERT_HAS(violations.items[0].description, "NUL");
    done();
}

TEST(guard, lets_a_nul_stand_in_bytes)
{
    struct buf b = {0};
    pb_bytes(&b, 1, "a\0b", 3);
    ASSERT_INT_EQ(unpack(&grpc__reflection__v1__file_descriptor_response__descriptor, &b), 0);
    done();
}

TEST(guard, refuses_strings_that_are_not_utf8)
{
    static const char *const bad[] = {
        "\xff",     "\xc0\xaf", "\xed\xa0\x80",         "\xf4\x90\x80\x80",
        "\xe2\x82", "a\x80",    "\xf8\x88\x80\x80\x80",
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct buf b = {0};
        pb_text(&b, 1, bad[i]);
        ASSERT_INT_EQ(unpack(&faregate__v1__get_user_request__descriptor, &b), -EBADMSG);
    }
    done();
}

TEST(guard, refuses_a_wire_type_that_is_not_the_fields)
{
    struct buf b = {0};
    pb_number(&b, 1, 7); /* name is a string */
    ASSERT_INT_EQ(unpack(&faregate__v1__get_user_request__descriptor, &b), -EBADMSG);
    pb_text(&b, 2, "x"); /* page_size is a number */
    ASSERT_INT_EQ(unpack(&faregate__v1__list_sessions_request__descriptor, &b), -EBADMSG);
    done();
}

TEST(guard, refuses_groups_and_undefined_wire_types)
{
    for (unsigned wire = WIRE_GROUP; wire <= 7; wire++) {
        struct buf b = {0};
        if (wire == WIRE_32)
            continue;
        pb_tag(&b, 90, wire);
        pb_tag(&b, 90, WIRE_END_GROUP);
        ASSERT_INT_EQ(unpack(&faregate__v1__get_user_request__descriptor, &b), -EBADMSG);
    }
    done();
}

TEST(guard, refuses_field_number_zero_and_beyond_the_range)
{
    struct buf b = {0};
    pb_number(&b, 0, 1);
    ASSERT_INT_EQ(unpack(&faregate__v1__get_user_request__descriptor, &b), -EBADMSG);
    pb_varint(&b, UINT64_C(0x20000000) << 3);
    pb_varint(&b, 1);
    ASSERT_INT_EQ(unpack(&faregate__v1__get_user_request__descriptor, &b), -EBADMSG);
    pb_number(&b, 0x1fffffff, 1);
    ASSERT_INT_EQ(unpack(&faregate__v1__get_user_request__descriptor, &b), 0);
    done();
}

TEST(guard, refuses_varints_that_do_not_end)
{
    struct buf b = {0};
    pb_tag(&b, 90, WIRE_VARINT);
    buf_append(&b, "\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", 11);
    ASSERT_INT_EQ(unpack(&faregate__v1__get_user_request__descriptor, &b), -EBADMSG);
    buf_append(&b, "\xff\xff\xff\xff\xff\x01", 6); /* a tag of six bytes */
    ASSERT_INT_EQ(unpack(&faregate__v1__get_user_request__descriptor, &b), -EBADMSG);
    done();
}

/* A real request, cut at every place. Protobuf has no end mark, so a cut between two fields is a
 * shorter message. */
TEST(guard, never_reads_past_a_cut)
{
    struct buf whole = {0};
    struct buf p = {0};
    unsigned accepted = 0;
    pb_text(&whole, 1, "offers/abc");
    pb_text(&p, 2, "Ann");
    pb_text(&p, 3, "Other");
    pb_message(&whole, 3, &p);
    pb_number(&whole, 2, 2);
    for (size_t n = 0; n <= buf_len(&whole); n++) {
        struct buf cut = {0};
        if (n > 0)
            buf_append(&cut, whole.p, n);
        int rc = unpack(&faregate__v1__create_booking_request__descriptor, &cut);
        ASSERT_TRUE(rc == 0 || rc == -EBADMSG);
        accepted += rc == 0;
    }
    ASSERT_INT_EQ(accepted, 4); /* nothing, and after each of the three fields */
    buf_deinit(&whole);
    done();
}

TEST(guard, refuses_lengths_beyond_the_message)
{
    struct buf b = {0};
    pb_tag(&b, 1, WIRE_BYTES);
    pb_varint(&b, 5);
    buf_append(&b, "abc", 3);
    ASSERT_INT_EQ(unpack(&faregate__v1__get_user_request__descriptor, &b), -EBADMSG);
    pb_tag(&b, 1, WIRE_BYTES);
    pb_varint(&b, UINT64_C(0xffffffff));
    ASSERT_INT_EQ(unpack(&faregate__v1__get_user_request__descriptor, &b), -EBADMSG);
    pb_tag(&b, 90, WIRE_32);
    buf_append(&b, "abc", 3);
    ASSERT_INT_EQ(unpack(&faregate__v1__get_user_request__descriptor, &b), -EBADMSG);
    pb_tag(&b, 90, WIRE_64);
    buf_append(&b, "abcdefg", 7);
    ASSERT_INT_EQ(unpack(&faregate__v1__get_user_request__descriptor, &b), -EBADMSG);
    done();
}

/* protobuf-c merges the two by recursion; its fixes there are recent, and no client sends it. */
TEST(guard, refuses_the_same_singular_message_twice)
{
    struct buf b = {0};
    struct buf money = {0};
    for (unsigned i = 0; i < 2; i++) {
        pb_text(&money, 1, "EUR");
        pb_message(&b, 5, &money);
    }
    ASSERT_INT_EQ(unpack(&faregate__v1__create_booking_request__descriptor, &b), -EBADMSG);
    done();
}

TEST(guard, takes_the_last_of_a_singular_string)
{
    struct buf b = {0};
    pb_text(&b, 1, "users/a");
    pb_text(&b, 1, "users/b");
    ASSERT_INT_EQ(unpack(&faregate__v1__get_user_request__descriptor, &b), 0);
    ASSERT_STR_EQ(((const Faregate__V1__GetUserRequest *)message)->name, "users/b");
    done();
}

TEST(guard, accepts_repeated_numbers_packed_and_not)
{
    struct buf b = {0};
    pb_bytes(&b, 3, "\x01\x02\x80\x01", 4);
    pb_number(&b, 3, 5);
    ASSERT_INT_EQ(unpack(&faregate__v1__list_bookings_request__descriptor, &b), 0);
    ASSERT_INT_EQ(((const Faregate__V1__ListBookingsRequest *)message)->n_states, 4);
    pb_bytes(&b, 3, "\x01\x80", 2); /* the last one does not end */
    ASSERT_INT_EQ(unpack(&faregate__v1__list_bookings_request__descriptor, &b), -EBADMSG);
    done();
}

TEST(guard, refuses_packed_numbers_that_would_cost_more_than_the_budget)
{
    struct buf b = {0};
    struct buf numbers = {0};
    for (unsigned i = 0; i < 300000; i++)
        buf_append(&numbers, "\x01", 1);
    pb_message(&b, 3, &numbers);
    ASSERT_INT_EQ(unpack(&faregate__v1__list_bookings_request__descriptor, &b), -ENOMEM);
    done();
}

TEST(guard, keeps_unknown_enum_numbers_for_the_rules)
{
    struct buf b = {0};
    pb_number(&b, 2, 99);
    ASSERT_INT_EQ(unpack(&faregate__v1__create_booking_request__descriptor, &b), 0);
    ASSERT_INT_EQ(((const Faregate__V1__CreateBookingRequest *)message)->mode, 99);
    done();
}

TEST(guard, survives_ten_thousand_random_messages)
{
    uint64_t seed = 20261121;
    for (unsigned i = 0; i < 10000; i++) {
        struct buf b = {0};
        size_t n = i % 64;
        for (size_t k = 0; k < n; k++) {
            seed = seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
            uint8_t byte = (uint8_t)(seed >> 33) & (i % 3 ? 0x7f : 0xff);
            buf_append(&b, &byte, 1);
        }
        int rc = unpack(&google__protobuf__file_descriptor_proto__descriptor, &b);
        ASSERT_TRUE(rc == 0 || rc == -EBADMSG || rc == -EINVAL);
    }
    done();
}
