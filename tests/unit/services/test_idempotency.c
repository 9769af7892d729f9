/* What a second attempt is told, and the helpers beside it: names, page tokens, seals. */
#include "services/shared/idempotency.h"

#include <errno.h>
#include <string.h>

#include "faregate/v1/auth_service.pb-c.h"
#include "services/app.h"
#include "services/shared/names.h"
#include "services/shared/page_token.h"
#include "services/shared/seal.h"
#include "services/shared/timestamp.h"
#include "support/test.h"

static const uint8_t key[32] = "a key of thirty-two bytes.......";
static struct arena_pool pool;
static struct arena arena;

static void setup(void)
{
    arena_pool_init(&pool, 4);
    arena_init(&arena, &pool, 1 << 20);
}

static void teardown(void)
{
    arena_reset(&arena);
    arena_pool_deinit(&pool);
}

TEST(idempotency, a_record_means_one_thing)
{
    struct shared_idempotency_read_row row = {0};
    ASSERT_INT_EQ(idempotency_judge(&row, STR("print")), IDEMPOTENCY_GONE);
    row.found = true;
    row.fingerprint = STR("print");
    ASSERT_INT_EQ(idempotency_judge(&row, STR("print")), IDEMPOTENCY_IN_PROGRESS);
    row.has_resource = true;
    ASSERT_INT_EQ(idempotency_judge(&row, STR("print")), IDEMPOTENCY_RESOURCE);
    row.has_response = true;
    ASSERT_INT_EQ(idempotency_judge(&row, STR("print")), IDEMPOTENCY_BYTES);
    row.has_reason = true;
    ASSERT_INT_EQ(idempotency_judge(&row, STR("print")), IDEMPOTENCY_REFUSED);
    ASSERT_INT_EQ(idempotency_judge(&row, STR("prinz")), IDEMPOTENCY_OTHER);
    ASSERT_INT_EQ(idempotency_judge(&row, STR("")), IDEMPOTENCY_OTHER);
}

TEST(idempotency, the_numbers_in_the_statements_are_the_enums)
{
    ASSERT_INT_EQ(IDEMPOTENT_CREATE_USER, 1);
    ASSERT_INT_EQ(IDEMPOTENT_CREATE_SESSION, 2);
    ASSERT_INT_EQ(IDEMPOTENT_REFRESH_SESSION, 3);
    ASSERT_INT_EQ(IDEMPOTENT_DELETE_SESSION, 4);
    ASSERT_INT_EQ(IDEMPOTENT_CREATE_BOOKING, 5);
}

static const struct uuid me = {{0xee}};
#define ID "0190a0b0-c0d0-7000-8000-00000000000a"
#define ID2 "0190a0b0-c0d0-7000-8000-00000000000b"

TEST(names, match_as_a_whole_or_not)
{
    struct uuid ids[NAME_IDS_MAX];
    ASSERT_INT_EQ(name_match(STR("bookings/" ID), "bookings/{uuid}", me, ids), 0);
    ASSERT_INT_EQ(ids[0].b[15], 0x0a);
    ASSERT_INT_EQ(
        name_match(STR("users/" ID "/sessions/" ID2), "users/{user}/sessions/{uuid}", me, ids), 0);
    ASSERT_INT_EQ(ids[0].b[15], 0x0a);
    ASSERT_INT_EQ(ids[1].b[15], 0x0b);
    const char *wrong[] = {"",
                           "bookings",
                           "bookings/",
                           "bookings/" ID "/",
                           "/bookings/" ID,
                           "flights/" ID,
                           "bookings/me",
                           "bookings/" ID ID,
                           "bookings/" ID "/tickets/" ID,
                           "Bookings/" ID,
                           "bookings//" ID,
                           "bookings/x",
                           "bookings/" ID " "};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
        ASSERT_INT_EQ(name_match(str_of(wrong[i]), "bookings/{uuid}", me, ids), -EINVAL);
}

TEST(names, me_is_the_caller_and_only_where_a_user_stands)
{
    struct uuid ids[NAME_IDS_MAX];
    ASSERT_INT_EQ(name_match(STR("users/me"), "users/{user}", me, ids), 0);
    ASSERT_TRUE(uuid_eq(ids[0], me));
    ASSERT_INT_EQ(name_match(STR("users/me"), "users/{user}", (struct uuid){0}, ids), -EINVAL);
    ASSERT_INT_EQ(name_match(STR("users/me/sessions/me"), "users/{user}/sessions/{uuid}", me, ids),
                  -EINVAL);
}

TEST(names, made_names_match)
{
    setup();
    struct uuid a = {{1, 2, 3}}, b = {{4, 5}}, ids[NAME_IDS_MAX];
    ASSERT_STR_EQ(name_make(&arena, "bookings", a),
                  "bookings/01020300-0000-0000-0000-000000000000");
    char *child = name_make_child(&arena, "users", a, "sessions", b);
    ASSERT_INT_EQ(name_match(str_of(child), "users/{user}/sessions/{uuid}", me, ids), 0);
    ASSERT_TRUE(uuid_eq(ids[0], a) && uuid_eq(ids[1], b));
    teardown();
}

static void arguments_of(const char *parent, int32_t size, const char *token,
                         uint8_t ret_digest[static 32])
{
    Faregate__V1__ListSessionsRequest req;
    faregate__v1__list_sessions_request__init(&req);
    req.parent = arena_dup(&arena, str_of(parent));
    req.page_size = size;
    req.page_token = arena_dup(&arena, str_of(token));
    page_arguments(&arena, &req.base, ret_digest);
}

TEST(page_token, carries_a_position_for_one_list_only)
{
    setup();
    uint8_t list[32], same[32], other[32], position[16] = {7}, back[16];
    arguments_of("users/me", 20, "", list);
    arguments_of("users/me", 50, "the token itself", same);
    arguments_of("users/" ID, 20, "", other);
    ASSERT_MEM_EQ(list, same, 32); /* page size may change between pages */
    ASSERT_TRUE(memcmp(list, other, 32) != 0);
    struct str token = str_of(page_token_make(&arena, key, list, position, sizeof position));
    ASSERT_INT_EQ(page_token_check(key, same, token, sizeof back, back), 0);
    ASSERT_MEM_EQ(back, position, sizeof back);
    ASSERT_INT_EQ(page_token_check(key, other, token, sizeof back, back), -EINVAL);
    ASSERT_INT_EQ(page_token_check(key, list, token, 8, back), -EINVAL);
    uint8_t other_key[32] = {0};
    ASSERT_INT_EQ(page_token_check(other_key, list, token, sizeof back, back), -EINVAL);
    for (size_t i = 0; i < token.n; i++) {
        char *copy = arena_dup(&arena, token);
        copy[i] = copy[i] == 'A' ? 'B' : 'A';
        ASSERT_INT_EQ(page_token_check(key, list, (struct str){copy, token.n}, sizeof back, back),
                      -EINVAL);
    }
    teardown();
}

TEST(page_token, sizes_are_cut_to_the_maximum)
{
    ASSERT_INT_EQ(page_size(0, 20, 100), 20);
    ASSERT_INT_EQ(page_size(1, 20, 100), 1);
    ASSERT_INT_EQ(page_size(INT32_MAX, 20, 100), 100);
}

TEST(seal, base64url_has_one_text_for_each_value)
{
    static const char *const texts[] = {"", "Zg", "Zm8", "Zm9v", "Zm9vYg", "Zm9vYmE", "Zm9vYmFy"};
    char text[16];
    uint8_t back[8];
    size_t bytes;
    for (size_t n = 0; n <= 6; n++) {
        base64url_encode("foobar", n, text);
        ASSERT_STR_EQ(text, texts[n]);
        ASSERT_INT_EQ(strlen(text), BASE64URL_LEN(n));
        ASSERT_INT_EQ(base64url_decode(str_of(text), sizeof back, back, &bytes), 0);
        ASSERT_INT_EQ(bytes, n);
        ASSERT_MEM_EQ(back, "foobar", n);
    }
    ASSERT_INT_EQ(base64url_decode(STR("Zh"), sizeof back, back, &bytes), -EINVAL); /* spare bits */
    ASSERT_INT_EQ(base64url_decode(STR("Z"), sizeof back, back, &bytes), -EINVAL);
    ASSERT_INT_EQ(base64url_decode(STR("Zg=="), sizeof back, back, &bytes), -EINVAL);
    ASSERT_INT_EQ(base64url_decode(STR("Z+Zg"), sizeof back, back, &bytes), -EINVAL);
    ASSERT_INT_EQ(base64url_decode(STR("Zm9vYmFyZm9v"), 8, back, &bytes), -ENOSPC);
}

TEST(seal, writes_every_letter_wherever_it_stands)
{
    static const char alphabet[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    uint8_t bytes[96], back[96];
    char text[BASE64URL_LEN(sizeof bytes) + 1];
    size_t n = 0;
    for (size_t shift = 0; shift < 64; shift++) {
        char want[129];
        for (size_t i = 0; i < 128; i++)
            want[i] = alphabet[(i * 5 + shift) % 64];
        want[128] = '\0';
        ASSERT_INT_EQ(base64url_decode(str_of(want), sizeof back, back, &n), 0);
        ASSERT_INT_EQ(n, sizeof bytes);
        for (size_t from = 0; from < sizeof bytes; from += 3) { /* of every length */
            memcpy(bytes, back + from, n - from);
            base64url_encode(bytes, n - from, text);
            ASSERT_STR_EQ(text, want + from / 3 * 4);
        }
    }
}

TEST(seal, parts_do_not_run_into_each_other)
{
    uint8_t a[SEAL_BYTES], b[SEAL_BYTES];
    const struct str one[] = {STR("ab"), STR("c")}, two[] = {STR("a"), STR("bc")};
    seal_mac(key, one, 2, a);
    seal_mac(key, two, 2, b);
    ASSERT_TRUE(memcmp(a, b, sizeof a) != 0);
}

/* What other releases and other servers of the installation have sealed must open. */
TEST(seal, is_hmac_sha256_of_the_parts_and_their_lengths)
{
    static const uint8_t want[SEAL_BYTES] = {
        0x22, 0xbf, 0x2d, 0x24, 0x3f, 0xc2, 0x71, 0x85, 0x3e, 0x46, 0xe9,
        0x07, 0xcd, 0x75, 0x94, 0x6f, 0x7e, 0x66, 0xb6, 0x11, 0xc7, 0xca,
        0x39, 0x93, 0xd3, 0x52, 0xdd, 0x4a, 0xe3, 0x0d, 0xee, 0xfa,
    };
    uint8_t seal[SEAL_BYTES], other_key[32] = {0};
    char body[100];
    memset(body, 'x', sizeof body);
    const struct str parts[] = {STR("offer"), str_bytes(body, sizeof body)};
    for (unsigned i = 0; i < 20; i++, other_key[0]++) { /* others push the key out */
        seal_mac(key, parts, 2, seal);
        ASSERT_MEM_EQ(seal, want, sizeof want);
        seal_mac(other_key, parts, 2, seal);
        ASSERT_TRUE(memcmp(seal, want, sizeof want) != 0);
    }
}

TEST(timestamp, before_1970_counts_down)
{
    setup();
    ASSERT_INT_EQ(timestamp_of_us(&arena, -1)->seconds, -1);
    ASSERT_INT_EQ(timestamp_of_us(&arena, -1)->nanos, 999999000);
    ASSERT_INT_EQ(timestamp_of_us(&arena, 1500000)->seconds, 1);
    ASSERT_INT_EQ(timestamp_of_us(&arena, 1500000)->nanos, 500000000);
    teardown();
}
