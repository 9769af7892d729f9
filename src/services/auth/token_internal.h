/* Inside of access tokens: the keys, the cache of verified tokens, the set of ended sessions.
 * token.c, token_key.c and token_cache.c share it, and nobody else. */
#pragma once

#include <openssl/evp.h>

#include "services/auth/token.h"
#include "services/shared/seal.h"

#define TOKEN_HEADER_MAX 120
#define TOKEN_SIGNATURE_BYTES 64
#define TOKEN_SIGNATURE_LEN BASE64URL_LEN(TOKEN_SIGNATURE_BYTES)
#define TOKEN_CACHED_BYTES_MAX 640 /* longer tokens are verified each time */
#define TOKEN_WAYS 4

struct token_key {
    EVP_PKEY *pkey;
    int64_t from_s;
    char header[TOKEN_HEADER_MAX]; /* base64url of the one header this key is used with, and the dot
                                    */
    size_t header_len;
    struct token_key_public public;
};

/* Open addressing by session id; nil is empty. Twice as many slots as sessions, so probes are
 * short. */
struct token_revoked {
    struct uuid session_id;
    int64_t until_ns;
};

struct tokens {
    struct tokens_limits limits;
    unsigned key_count;
    struct token_key keys[TOKEN_KEYS_MAX]; /* oldest first */
    uint64_t keys_id;                      /* of all of them together */
    struct token_cache *cache, *own_cache;
    struct token_revoked *revoked;
    uint32_t revoked_mask;
    uint32_t revoked_count;
    int64_t floor_issue_ns; /* tokens issued up to here must be refreshed: the set of ended sessions
                               was full */
};

/* token_key.c */
int token_keys_load(struct tokens *t, const char *dir, char *error, size_t error_bytes);
void token_keys_free(struct tokens *t);
const struct token_key *token_key_at(const struct tokens *t, int64_t issue_s);
const struct token_key *token_key_of_header(const struct tokens *t, struct str token);

/* token_cache.c */
/* @keys_id: what was verified with other keys is not known. */
bool token_cache_find(struct token_cache *cache, struct str token, uint64_t keys_id,
                      struct principal *ret);
void token_cache_add(struct token_cache *cache, struct str token, uint64_t keys_id,
                     const struct principal *principal);
void token_revoked_init(struct tokens *t);
bool token_is_revoked(const struct tokens *t, struct uuid session_id, int64_t wall_ns);
