/* Refresh tokens: derivation, text form, forgeries; and who asks (networks, addresses, keys). */
#include <errno.h>
#include <string.h>

#include "services/auth/internal.h"
#include "services/auth/refresh.h"
#include "support/test.h"

static const uint8_t key[32] = "installation key, thirty-two byt";
static const uint8_t other_key[32] = "another installation's key......";
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

static struct refresh_token first(void)
{
    struct uuid user = {{1}}, session = {{2}};
    struct refresh_token t;
    refresh_first(key, user, session, STR("seed"), &t);
    return t;
}

TEST(refresh, text_comes_back_as_it_went)
{
    setup();
    struct refresh_token t = first(), back;
    t.generation = 0x01020304;
    char *text = refresh_format(key, &arena, &t);
    ASSERT_TRUE(str_starts(str_of(text), STR("fgr_")));
    ASSERT_INT_EQ(refresh_parse(key, str_of(text), &back), 0);
    ASSERT_TRUE(uuid_eq(back.user_id, t.user_id) && uuid_eq(back.session_id, t.session_id));
    ASSERT_INT_EQ(back.generation, t.generation);
    ASSERT_MEM_EQ(back.secret, t.secret, sizeof t.secret);
    teardown();
}

TEST(refresh, nothing_made_up_is_taken)
{
    setup();
    struct refresh_token t = first(), back;
    char *text = refresh_format(key, &arena, &t);
    size_t n = strlen(text);
    for (size_t i = 0; i < n; i++) {
        char was = text[i];
        text[i] = was == 'A' ? 'B' : 'A';
        ASSERT_INT_EQ(refresh_parse(key, (struct str){text, n}, &back), -EINVAL);
        text[i] = was;
    }
    for (size_t i = 0; i < n; i++)
        ASSERT_TRUE(refresh_parse(key, (struct str){text, i}, &back) < 0);
    ASSERT_INT_EQ(refresh_parse(other_key, str_of(text), &back), -EINVAL);
    ASSERT_TRUE(refresh_parse(key, str_of(arena_printf(&arena, "%sAAAA", text)), &back) < 0);
    teardown();
}

TEST(refresh, the_successor_follows_from_the_token_and_the_key_alone)
{
    struct refresh_token t = first(), a, b, c;
    refresh_next(key, &t, &a);
    refresh_next(key, &t, &b);
    ASSERT_MEM_EQ(a.secret, b.secret, sizeof a.secret);
    ASSERT_INT_EQ(a.generation, 1);
    refresh_next(other_key, &t, &b);
    ASSERT_TRUE(memcmp(a.secret, b.secret, sizeof a.secret) != 0);
    refresh_next(key, &a, &c);
    ASSERT_TRUE(memcmp(a.secret, c.secret, sizeof a.secret) != 0);
    struct refresh_token guess = t; /* who knows key, ids and generation but not the secret */
    memset(guess.secret, 0, sizeof guess.secret);
    refresh_next(key, &guess, &b);
    ASSERT_TRUE(memcmp(a.secret, b.secret, sizeof a.secret) != 0);
}

TEST(refresh, each_generation_has_its_access_token_id)
{
    struct refresh_token t = first(), next;
    refresh_next(key, &t, &next);
    ASSERT_TRUE(uuid_eq(refresh_access_id(key, &t), refresh_access_id(key, &t)));
    ASSERT_FALSE(uuid_eq(refresh_access_id(key, &t), refresh_access_id(key, &next)));
}

TEST(identity, a_network_has_no_host_part)
{
    setup();
    ASSERT_VIEW_EQ(network_of(&arena, STR("203.0.113.77:4711")), "203.0.113.0/24");
    ASSERT_VIEW_EQ(network_of(&arena, STR("[2001:db8:1:2:3:4:5:6]:443")), "2001:db8:1::/48");
    ASSERT_VIEW_EQ(network_of(&arena, STR("[::ffff:203.0.113.77]:1")), "203.0.113.0/24");
    /* As proxies tell it, which know no port. */
    ASSERT_VIEW_EQ(network_of(&arena, STR("203.0.113.77")), "203.0.113.0/24");
    ASSERT_VIEW_EQ(network_of(&arena, STR("[2001:db8::1]")), "2001:db8::/48");
    ASSERT_VIEW_EQ(network_of(&arena, STR("127.0.0.1")), "local");
    ASSERT_VIEW_EQ(network_of(&arena, STR("?")), "local");
    ASSERT_VIEW_EQ(network_of(&arena, STR("127.0.0.1:5000")), "local");
    ASSERT_VIEW_EQ(network_of(&arena, STR("[::1]:5000")), "local");
    ASSERT_VIEW_EQ(network_of(&arena, STR("[::ffff:127.0.0.1]:5000")), "local");
    ASSERT_VIEW_EQ(network_of(&arena, STR("unix:")), "local");
    ASSERT_VIEW_EQ(network_of(&arena, STR("")), "local");
    teardown();
}

TEST(identity, addresses_fold_and_keys_hide_them)
{
    setup();
    struct app app = {0};
    memcpy(app.keys->fingerprint, key, sizeof key);
    ASSERT_VIEW_EQ(email_normalise(&arena, STR("Jane.DOE@Example.ORG")), "jane.doe@example.org");
    struct uuid a = email_principal(&app, STR("a@example.org")),
                b = email_principal(&app, STR("b@example.org"));
    ASSERT_FALSE(uuid_eq(a, b));
    ASSERT_TRUE(uuid_eq(a, email_principal(&app, STR("a@example.org"))));
    ASSERT_FALSE(uuid_eq(identity_key(&app, "pair", STR("ab"), STR("c")),
                         identity_key(&app, "pair", STR("a"), STR("bc"))));
    ASSERT_FALSE(uuid_eq(identity_key(&app, "pair", STR("a"), STR("b")),
                         identity_key(&app, "network", STR("a"), STR("b"))));
    memcpy(app.keys->fingerprint, other_key, sizeof other_key);
    ASSERT_FALSE(uuid_eq(a, email_principal(&app, STR("a@example.org"))));
    teardown();
}
