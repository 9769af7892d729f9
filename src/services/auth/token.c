/* Access tokens (RFC 7519, 9068): sign and verify. tokens_verify runs on every call with a token:
 * first the cache, then header, signature, claims, in that order, so that nothing unsigned is ever
 * parsed. What must stay true: what verifies was made by tokens_sign of this installation. */
#include "services/auth/token.h"

#include <errno.h>
#include <jansson.h>
#include <stdlib.h>

#include "base/check.h"
#include "services/auth/token_internal.h"
#include "services/shared/names.h"

#define ISSUER "faregate"
#define AUDIENCE "faregate"
#define PAYLOAD_BYTES_MAX 768

const struct tokens_limits tokens_limits_default = {
    .life_s = 600,
    .skew_s = 30,
    .cache_entries = 65536,
    .revocations_max = 262144, /* 70 a second */
};

/* Role names in tokens, by enum role. */
static const char *const role_names[] = {
    [ROLE_TRAVELLER] = "traveller", [ROLE_AGENT] = "agent",     [ROLE_AIRLINE_OPS] = "airline_ops",
    [ROLE_FINANCE] = "finance",     [ROLE_SUPPORT] = "support", [ROLE_ADMIN] = "admin",
    [ROLE_SERVICE] = "service",
};

#define ROLE_COUNT (sizeof role_names / sizeof role_names[0])

int tokens_new(struct tokens **ret_tokens, const char *dir, uint32_t life_s,
               struct token_cache *cache, char *error, size_t error_bytes)
{
    struct tokens_limits limits = tokens_limits_default;
    limits.life_s = life_s;
    return tokens_new_with(ret_tokens, dir, &limits, cache, error, error_bytes);
}

int tokens_new_with(struct tokens **ret_tokens, const char *dir, const struct tokens_limits *limits,
                    struct token_cache *cache, char *error, size_t error_bytes)
{
    CHECK(limits->life_s <= TOKEN_LIFE_S_MAX);
    struct tokens *t = calloc(1, sizeof *t);
    CHECK(t);
    t->limits = *limits;
    int result = token_keys_load(t, dir, error, error_bytes);
    if (result < 0) {
        tokens_free(t);
        return result;
    }
    t->own_cache = cache ? NULL : token_cache_new(limits->cache_entries);
    t->cache = cache ? cache : t->own_cache;
    token_revoked_init(t);
    *ret_tokens = t;
    return 0;
}

int tokens_reload(struct tokens *t, const char *dir, char *error, size_t error_bytes)
{
    struct tokens fresh = {.key_count = 0};
    int result = token_keys_load(&fresh, dir, error, error_bytes);
    if (result < 0) {
        token_keys_free(&fresh);
        return result;
    }
    token_keys_free(t);
    t->key_count = fresh.key_count;
    memcpy(t->keys, fresh.keys, sizeof t->keys);
    t->keys_id = fresh.keys_id;
    return 0;
}

struct tokens *tokens_free(struct tokens *tokens)
{
    if (!tokens)
        return NULL;
    token_keys_free(tokens);
    token_cache_free(tokens->own_cache);
    free(tokens->revoked);
    free(tokens);
    return NULL;
}

int64_t tokens_expire_s(const struct tokens *tokens, const struct token_claims *claims)
{
    int64_t expire_s = claims->issue_s + tokens->limits.life_s;
    if (claims->session_end_s > 0 && claims->session_end_s < expire_s)
        expire_s = claims->session_end_s;
    return expire_s > claims->issue_s ? expire_s : claims->issue_s + 1; /* none is stillborn */
}

static char *payload_make(const struct tokens *t, struct arena *arena,
                          const struct token_claims *claims)
{
    char user[UUID_TEXT_LEN + 1], session[UUID_TEXT_LEN + 1], token[UUID_TEXT_LEN + 1], roles[128];
    uuid_format(claims->user_id, user);
    uuid_format(claims->session_id, session);
    uuid_format(claims->token_id, token);
    size_t n = 0;
    roles[0] = '\0';
    for (unsigned i = 1; i < ROLE_COUNT; i++) {
        if (claims->roles & (1u << i))
            n += (size_t)snprintf(roles + n, sizeof roles - n, "%s\"%s\"", n ? "," : "",
                                  role_names[i]);
    }
    CHECK(n < sizeof roles);
    return arena_printf(arena,
                        "{\"iss\":\"" ISSUER "\",\"aud\":\"" AUDIENCE
                        "\",\"sub\":\"users/%s\",\"sid\":\"%s\","
                        "\"roles\":[%s],\"iat\":%lld,\"exp\":%lld,\"jti\":\"%s\"}",
                        user, session, roles, (long long)claims->issue_s,
                        (long long)tokens_expire_s(t, claims), token);
}

char *tokens_sign(struct tokens *tokens, struct arena *arena, const struct token_claims *claims)
{
    const struct token_key *key = token_key_at(tokens, claims->issue_s);
    const char *payload = payload_make(tokens, arena, claims);
    size_t payload_bytes = strlen(payload);
    CHECK(payload_bytes <= PAYLOAD_BYTES_MAX);
    size_t signed_len = key->header_len + BASE64URL_LEN(payload_bytes);
    char *text = arena_alloc(arena, signed_len + 1 + TOKEN_SIGNATURE_LEN + 1);
    memcpy(text, key->header, key->header_len);
    base64url_encode(payload, payload_bytes, text + key->header_len);

    uint8_t signature[TOKEN_SIGNATURE_BYTES];
    size_t signature_bytes = sizeof signature;
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    CHECK(ctx);
    CHECK(EVP_DigestSignInit(ctx, NULL, NULL, NULL, key->pkey) == 1);
    CHECK(EVP_DigestSign(ctx, signature, &signature_bytes, (const uint8_t *)text, signed_len) == 1);
    CHECK(signature_bytes == sizeof signature);
    EVP_MD_CTX_free(ctx);

    text[signed_len] = '.';
    base64url_encode(signature, sizeof signature, text + signed_len + 1);
    return text;
}

static bool signature_is_good(const struct token_key *key, struct str signed_part,
                              struct str signature_text)
{
    uint8_t signature[TOKEN_SIGNATURE_BYTES];
    size_t bytes = 0;
    if (base64url_decode(signature_text, sizeof signature, signature, &bytes) < 0 ||
        bytes != sizeof signature)
        return false;
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    CHECK(ctx);
    bool ok =
        EVP_DigestVerifyInit(ctx, NULL, NULL, NULL, key->pkey) == 1 &&
        EVP_DigestVerify(ctx, signature, bytes, (const uint8_t *)signed_part.p, signed_part.n) == 1;
    EVP_MD_CTX_free(ctx);
    return ok;
}

static struct str json_text(const json_t *object, const char *key)
{
    return str_of(json_string_value(json_object_get(object, key)));
}

uint32_t token_role_bit(struct str name)
{
    for (unsigned r = 1; r < ROLE_COUNT; r++) {
        if (str_eq(name, str_of(role_names[r])))
            return 1u << r;
    }
    return 0;
}

static bool roles_read(const json_t *roles, uint32_t *ret_roles)
{
    size_t count = json_array_size(roles);
    *ret_roles = 0;
    for (size_t i = 0; i < count; i++)
        *ret_roles |= token_role_bit(str_of(json_string_value(json_array_get(roles, i))));
    return json_is_array(roles);
}

/* Signed by us, and still not believed: a key used for anything else must not open this door. */
static bool claims_read(const struct tokens *t, const json_t *claims, int64_t wall_ns,
                        struct principal *ret)
{
    json_int_t issue_s = json_integer_value(json_object_get(claims, "iat"));
    json_int_t expire_s = json_integer_value(json_object_get(claims, "exp"));
    if (!str_eq(json_text(claims, "iss"), STR(ISSUER)) ||
        !str_eq(json_text(claims, "aud"), STR(AUDIENCE)))
        return false;
    if (name_match(json_text(claims, "sub"), "users/{uuid}", (struct uuid){0}, &ret->user_id) < 0 ||
        uuid_parse(json_text(claims, "sid"), &ret->session_id) < 0 ||
        !roles_read(json_object_get(claims, "roles"), &ret->roles))
        return false;
    if (issue_s <= 0 || expire_s <= issue_s || expire_s - issue_s > TOKEN_LIFE_S_MAX)
        return false;
    if (issue_s > wall_ns / NS_PER_S + t->limits.skew_s)
        return false;
    ret->known = true;
    ret->issue_wall_ns = (int64_t)issue_s * NS_PER_S;
    ret->expire_wall_ns = (int64_t)expire_s * NS_PER_S;
    return true;
}

static bool token_read(const struct tokens *t, struct str token, int64_t wall_ns,
                       struct principal *ret)
{
    if (token.n > TOKEN_BYTES_MAX)
        return false;
    const struct token_key *key = token_key_of_header(t, token);
    if (!key || token.n < key->header_len + 1 + TOKEN_SIGNATURE_LEN)
        return false;
    size_t signed_len = token.n - TOKEN_SIGNATURE_LEN - 1;
    if (token.p[signed_len] != '.')
        return false;
    struct str signed_part = {token.p, signed_len};
    struct str signature = {token.p + signed_len + 1, TOKEN_SIGNATURE_LEN};
    if (!signature_is_good(key, signed_part, signature))
        return false;

    uint8_t payload[PAYLOAD_BYTES_MAX];
    size_t payload_bytes = 0;
    struct str payload_text = {token.p + key->header_len, signed_len - key->header_len};
    if (base64url_decode(payload_text, sizeof payload, payload, &payload_bytes) < 0)
        return false;
    json_t *claims = json_loadb((const char *)payload, payload_bytes, JSON_REJECT_DUPLICATES, NULL);
    bool ok = json_is_object(claims) && claims_read(t, claims, wall_ns, ret);
    json_decref(claims);
    return ok;
}

enum reason tokens_verify(struct tokens *tokens, struct str token, int64_t wall_ns,
                          struct principal *ret_principal)
{
    if (token.n <= TOKEN_SIGNATURE_LEN)
        return REASON_TOKEN_INVALID;
    struct principal known = {0};
    if (!token_cache_find(tokens->cache, token, tokens->keys_id, &known)) {
        if (!token_read(tokens, token, wall_ns, &known))
            return REASON_TOKEN_INVALID;
        token_cache_add(tokens->cache, token, tokens->keys_id, &known);
    }
    if (known.expire_wall_ns <= wall_ns || known.issue_wall_ns <= tokens->floor_issue_ns)
        return REASON_TOKEN_EXPIRED;
    if (token_is_revoked(tokens, known.session_id, wall_ns))
        return REASON_TOKEN_REVOKED;
    *ret_principal = known;
    return REASON_NONE;
}
