/* Password policy and Argon2id. Pure and blocking: password_job.c runs it on helper threads.
 * What must stay true: parameters travel with the hash, so they can be raised at any time. */
#include "services/auth/password.h"

#include <argon2.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/check.h"

#define HASH_BYTES 32
#define LANES 1
#define LOCAL_PART_MIN 4 /* shorter ones are in too many good passwords */

static const char *const common[] = {
#include "services/auth/common_passwords.def"
};

static char ascii_lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c + ('a' - 'A')) : c;
}

static int by_bytes(const void *key, const void *entry)
{
    return strcmp(key, *(const char *const *)entry);
}

bool password_is_common(struct str password)
{
    char lower[PASSWORD_BYTES_MAX + 1];
    if (password.n >= sizeof lower)
        return false;
    for (size_t i = 0; i < password.n; i++)
        lower[i] = ascii_lower(password.p[i]);
    lower[password.n] = '\0';
    bool found = bsearch(lower, common, sizeof common / sizeof common[0], sizeof common[0],
                         by_bytes) != NULL;
    explicit_bzero(lower, sizeof lower);
    return found;
}

static bool contains_folded(struct str haystack, struct str needle)
{
    for (size_t at = 0; at + needle.n <= haystack.n; at++) {
        size_t i = 0;
        while (i < needle.n && ascii_lower(haystack.p[at + i]) == ascii_lower(needle.p[i]))
            i++;
        if (i == needle.n)
            return true;
    }
    return false;
}

enum password_fault password_check(struct str password, struct str email)
{
    if (str_utf8_len(password) < PASSWORD_CHARS_MIN)
        return PASSWORD_SHORT;
    if (password.n > PASSWORD_BYTES_MAX)
        return PASSWORD_LONG;
    if (password_is_common(password))
        return PASSWORD_COMMON;
    struct str local = str_cut(&email, '@');
    if (local.n >= LOCAL_PART_MIN && contains_folded(password, local))
        return PASSWORD_EMAIL;
    return PASSWORD_OK;
}

int password_hash(struct str password, const struct password_params *params,
                  const uint8_t salt[static PASSWORD_SALT_BYTES],
                  char ret_hash[static PASSWORD_HASH_MAX])
{
    int rc = argon2id_hash_encoded(params->passes, params->kib, LANES, password.p, password.n, salt,
                                   PASSWORD_SALT_BYTES, HASH_BYTES, ret_hash, PASSWORD_HASH_MAX);
    CHECK(rc == ARGON2_OK || rc == ARGON2_MEMORY_ALLOCATION_ERROR);
    return rc == ARGON2_OK ? 0 : -ENOMEM;
}

/* "$argon2id$v=19$m=19456,t=2,p=1$salt$hash" */
static bool params_of(struct str stored, struct password_params *ret)
{
    char text[PASSWORD_HASH_MAX];
    unsigned kib, passes;
    if (stored.n >= sizeof text)
        return false;
    memcpy(text, stored.p, stored.n);
    text[stored.n] = '\0';
    if (sscanf(text, "$argon2id$v=19$m=%u,t=%u,", &kib, &passes) != 2)
        return false;
    *ret = (struct password_params){.kib = kib, .passes = passes};
    return true;
}

bool password_is_outdated(struct str stored, const struct password_params *params)
{
    struct password_params was;
    return !params_of(stored, &was) || was.kib < params->kib || was.passes < params->passes;
}

int password_verify(struct str password, const struct password_params *params, struct str stored)
{
    char text[PASSWORD_HASH_MAX];
    int rc = ARGON2_VERIFY_MISMATCH;
    if (stored.n > 0 && stored.n < sizeof text) {
        memcpy(text, stored.p, stored.n);
        text[stored.n] = '\0';
        rc = argon2id_verify(text, password.p, password.n);
    } else {
        static const uint8_t no_salt[PASSWORD_SALT_BYTES];
        uint8_t ignored[HASH_BYTES];
        if (argon2id_hash_raw(params->passes, params->kib, LANES, password.p, password.n, no_salt,
                              sizeof no_salt, ignored,
                              sizeof ignored) == ARGON2_MEMORY_ALLOCATION_ERROR)
            rc = ARGON2_MEMORY_ALLOCATION_ERROR;
    }
    if (rc == ARGON2_MEMORY_ALLOCATION_ERROR)
        return -ENOMEM;
    return rc == ARGON2_OK ? 0 : -EACCES;
}
