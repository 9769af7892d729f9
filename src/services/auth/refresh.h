/* Refresh tokens: "fgr_" + base64url(session, user, generation, secret, tag). CreateSession and
 * RefreshSession call it.
 *
 *   secret 0     = HMAC(key, "first", session, seed)                    seed: random, in the
 * session's row secret g + 1 = HMAC(key, "next", session, g + 1, secret g)          so whoever
 * shows g can be given g + 1 again tag          = HMAC(key, "tag", session, user, generation,
 * secret)  so a made-up token never reaches the database
 *
 * The database holds SHA-256(secret). What must stay true: neither the database alone nor the key
 * alone gives a token. */
#pragma once

#include <stdint.h>

#include "base/arena.h"
#include "base/str.h"
#include "base/uuid.h"

#define REFRESH_SECRET_BYTES 32
#define REFRESH_SEED_BYTES 32

struct refresh_token {
    struct uuid session_id;
    struct uuid user_id;
    uint32_t generation;
    uint8_t secret[REFRESH_SECRET_BYTES];
};

void refresh_first(const uint8_t key[static 32], struct uuid user_id, struct uuid session_id,
                   struct str seed, struct refresh_token *ret_token);
void refresh_next(const uint8_t key[static 32], const struct refresh_token *token,
                  struct refresh_token *ret_next);

/* The text, in the arena. */
char *refresh_format(const uint8_t key[static 32], struct arena *arena,
                     const struct refresh_token *token);
/* 0, or -EINVAL for what this installation never made. */
int refresh_parse(const uint8_t key[static 32], struct str text, struct refresh_token *ret_token);

/* What the database keeps. */
void refresh_hash(const struct refresh_token *token, uint8_t ret_hash[static 32]);

/* The id (jti) of the access token that goes with it: the same pair comes out again. */
struct uuid refresh_access_id(const uint8_t key[static 32], const struct refresh_token *token);
