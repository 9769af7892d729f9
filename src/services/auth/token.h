/* Access tokens: signed here (Ed25519), checked here, stopped here before their time. One struct
 * tokens per worker, begun as a copy of the supervisor's. auth/ and main call it; OpenSSL
 * and JSON stay inside. What must stay true: only a token whose header is byte for byte one that
 * this installation writes is looked at further, so no header field can choose algorithm or key; a
 * cached verdict never outlives expiry or revocation. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/reason.h"
#include "base/str.h"
#include "base/uuid.h"
#include "grpc/grpc.h"

#define TOKEN_KEYS_MAX 16
#define TOKEN_BYTES_MAX 1024
/* The most that --access-token-seconds allows. Servers of an installation may have different ones,
 * so what is for tokens of all of them lasts as long: verifying, and refusing an ended session's.
 */
#define TOKEN_LIFE_S_MAX 3600
#define TOKEN_KID_LEN 16
#define TOKEN_X_LEN 43

struct tokens;
struct token_cache;

struct tokens_limits {
    uint32_t life_s;        /* of an access token that is signed here */
    uint32_t skew_s;        /* servers' clocks may differ by this much */
    uint32_t cache_entries; /* see token_cache_new, where no cache is given */
    uint32_t
        revocations_max; /* ended sessions kept; at the limit all older tokens must be refreshed */
};

extern const struct tokens_limits tokens_limits_default;

/* Memory for verified tokens, shared with all processes forked from here on: a token that one has
 * verified, all know. Of @entries, rounded up to a power of two, the oldest of its set makes room;
 * each takes 750 bytes once it is used. */
struct token_cache *token_cache_new(uint32_t entries);
struct token_cache *token_cache_free(struct token_cache *cache);

/* Loads DIR/N.pem (Ed25519 private keys, not readable by others), N being the Unix second from
 * which the key signs: the newest that is due signs, all verify. Until a key is due it is
 * published, so that verifiers have it in time. 0, or negative errno and one line in @error. @cache
 * outlives it; NULL: one of its own. */
int tokens_new(struct tokens **ret_tokens, const char *dir, uint32_t life_s,
               struct token_cache *cache, char *error, size_t error_bytes);
int tokens_new_with(struct tokens **ret_tokens, const char *dir, const struct tokens_limits *limits,
                    struct token_cache *cache, char *error, size_t error_bytes);
/* Reads DIR again (SIGHUP): tokens of a key that is gone are refused from now on. When anything in
 * it is bad the old keys stay: negative errno and one line in @error. */
int tokens_reload(struct tokens *tokens, const char *dir, char *error, size_t error_bytes);
struct tokens *tokens_free(struct tokens *tokens);

/* Makes @dir (mode 0700) and a key in it (0600), signing at once, unless there is one already. */
int tokens_make_key(const char *dir, char *error, size_t error_bytes);
/* Adds a key that signs from @from_s. To rotate: add one that is due in some minutes, SIGHUP the
 * servers before it is, remove the old file once its last token has expired. */
int tokens_add_key(const char *dir, int64_t from_s, char *error, size_t error_bytes);

struct token_claims {
    struct uuid user_id;
    struct uuid session_id;
    struct uuid token_id; /* jti */
    uint32_t roles;       /* bit (1u << enum role) */
    int64_t issue_s;      /* the key that was due then signs: the same claims give the same token */
    int64_t session_end_s; /* the token is not good for longer; 0: no such end */
};

/* When the token expires that tokens_sign makes of @claims, in Unix seconds. */
int64_t tokens_expire_s(const struct tokens *tokens, const struct token_claims *claims);

/* The token, in the arena. */
char *tokens_sign(struct tokens *tokens, struct arena *arena, const struct token_claims *claims);

/* REASON_NONE and *ret_principal, or TOKEN_INVALID, TOKEN_EXPIRED, TOKEN_REVOKED. */
enum reason tokens_verify(struct tokens *tokens, struct str token, int64_t wall_ns,
                          struct principal *ret_principal);

/* Tokens of @session_id are refused until @until_wall_ns, when the last has expired anyway. */
void tokens_revoke(struct tokens *tokens, struct uuid session_id, int64_t until_wall_ns,
                   int64_t wall_ns);

/* The bit of a role's name in tokens ("traveller"), 0 if there is none. */
uint32_t token_role_bit(struct str name);

struct token_key_public {
    char kid[TOKEN_KID_LEN + 1];
    char x[TOKEN_X_LEN + 1];
};
unsigned tokens_key_count(const struct tokens *tokens);
const struct token_key_public *tokens_key(const struct tokens *tokens, unsigned index);

/* {"keys":[...]} (RFC 7517), for /.well-known/jwks.json. */
void tokens_jwks_json(const struct tokens *tokens, struct buf *out);
