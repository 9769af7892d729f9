/* Password policy and hashing. Hash tests use little memory: the parameters travel with the hash.
 */
#include <errno.h>
#include <string.h>

#include "services/auth/password.h"
#include "support/test.h"

static const struct password_params cheap = {.kib = 64, .passes = 1};
static const uint8_t salt[PASSWORD_SALT_BYTES] = "sixteen bytes..";

#define CHECK_OF(password, email) password_check(str_of(password), str_of(email))

TEST(password, length_counts_in_characters_and_bytes)
{
    ASSERT_INT_EQ(CHECK_OF("Tr0ub4d", "a@b.example"), PASSWORD_SHORT);
    ASSERT_INT_EQ(CHECK_OF("vu%t qzo", "a@b.example"), PASSWORD_OK);
    /* seven characters in fourteen bytes */
    ASSERT_INT_EQ(CHECK_OF("ööööööö", "a@b.example"), PASSWORD_SHORT);
    char text[300];
    for (int i = 0; i < 257; i++)
        text[i] = (char)('a' + i % 23);
    text[257] = '\0';
    ASSERT_INT_EQ(CHECK_OF(text, "a@b.example"), PASSWORD_LONG);
    text[256] = '\0';
    ASSERT_INT_EQ(CHECK_OF(text, "a@b.example"), PASSWORD_OK);
}

TEST(password, common_ones_are_refused_in_any_case)
{
    ASSERT_INT_EQ(CHECK_OF("password", "a@b.example"), PASSWORD_COMMON);
    ASSERT_INT_EQ(CHECK_OF("PassWord", "a@b.example"), PASSWORD_COMMON);
    ASSERT_INT_EQ(CHECK_OF("iloveyou", "a@b.example"), PASSWORD_COMMON);
    ASSERT_INT_EQ(CHECK_OF("correct horse", "a@b.example"), PASSWORD_OK);
    ASSERT_INT_EQ(CHECK_OF("no composition rules", "a@b.example"), PASSWORD_OK);
}

TEST(password, the_common_list_is_sorted_so_that_every_entry_is_found)
{
    static const char *const all[] = {
#include "services/auth/common_passwords.def"
    };
    size_t count = sizeof all / sizeof all[0];
    ASSERT_INT_EQ(count, 3000);
    for (size_t i = 0; i < count; i++) {
        ASSERT_TRUE(strlen(all[i]) >= PASSWORD_CHARS_MIN);
        ASSERT_TRUE(password_is_common(str_of(all[i])));
        if (i > 0)
            ASSERT_TRUE(strcmp(all[i - 1], all[i]) < 0);
    }
}

TEST(password, must_not_contain_the_address)
{
    ASSERT_INT_EQ(CHECK_OF("xx-Jane.Doe-99", "jane.doe@example.org"), PASSWORD_EMAIL);
    ASSERT_INT_EQ(CHECK_OF("joxjoxjox", "jo@example.org"),
                  PASSWORD_OK); /* too short to mean anything */
}

TEST(password, only_the_right_one_matches)
{
    char hash[PASSWORD_HASH_MAX];
    ASSERT_INT_EQ(password_hash(STR("correct horse"), &cheap, salt, hash), 0);
    ASSERT_HAS(hash, "$argon2id$v=19$m=64,t=1,p=1$");
    ASSERT_INT_EQ(password_verify(STR("correct horse"), &cheap, str_of(hash)), 0);
    ASSERT_INT_EQ(password_verify(STR("correct horsf"), &cheap, str_of(hash)), -EACCES);
    ASSERT_INT_EQ(password_verify(STR("correct horse "), &cheap, str_of(hash)), -EACCES);
    ASSERT_INT_EQ(password_verify(STR(""), &cheap, str_of(hash)), -EACCES);
    ASSERT_INT_EQ(password_verify(STR("correct horse"), &cheap, STR("")), -EACCES);
    ASSERT_INT_EQ(password_verify(STR("correct horse"), &cheap, STR("$argon2id$broken")), -EACCES);
}

TEST(password, raised_parameters_are_noticed)
{
    char hash[PASSWORD_HASH_MAX];
    const struct password_params more_memory = {.kib = 128, .passes = 1},
                                 more_passes = {.kib = 64, .passes = 2};
    const struct password_params less = {.kib = 32, .passes = 1};
    ASSERT_INT_EQ(password_hash(STR("correct horse"), &cheap, salt, hash), 0);
    ASSERT_FALSE(password_is_outdated(str_of(hash), &cheap));
    ASSERT_FALSE(password_is_outdated(str_of(hash), &less));
    ASSERT_TRUE(password_is_outdated(str_of(hash), &more_memory));
    ASSERT_TRUE(password_is_outdated(str_of(hash), &more_passes));
    ASSERT_TRUE(password_is_outdated(STR("rubbish"), &cheap));
}

TEST(password, the_same_salt_gives_the_same_hash)
{
    char a[PASSWORD_HASH_MAX], b[PASSWORD_HASH_MAX];
    uint8_t other[PASSWORD_SALT_BYTES] = {1};
    ASSERT_INT_EQ(password_hash(STR("correct horse"), &cheap, salt, a), 0);
    ASSERT_INT_EQ(password_hash(STR("correct horse"), &cheap, salt, b), 0);
    ASSERT_STR_EQ(a, b);
    ASSERT_INT_EQ(password_hash(STR("correct horse"), &cheap, other, b), 0);
    ASSERT_TRUE(strcmp(a, b) != 0);
}
