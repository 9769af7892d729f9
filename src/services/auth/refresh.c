/* Refresh tokens: derived, written, read. Pure; the session's row decides what a token is good for.
 */
#include "services/auth/refresh.h"

#include <errno.h>

#include "base/check.h"
#include "services/shared/seal.h"

#define PREFIX "fgr_"
#define TAG_BYTES 16

/* On the wire, in this order. */
struct refresh_wire {
    uint8_t session_id[16];
    uint8_t user_id[16];
    uint8_t generation[4];
    uint8_t secret[REFRESH_SECRET_BYTES];
    uint8_t tag[TAG_BYTES];
};

_Static_assert(sizeof(struct refresh_wire) == 84, "no padding");

static void put_u32(uint8_t p[4], uint32_t v)
{
    p[0] = (uint8_t)(v >> 24);
    p[1] = (uint8_t)(v >> 16);
    p[2] = (uint8_t)(v >> 8);
    p[3] = (uint8_t)v;
}

static uint32_t get_u32(const uint8_t p[4])
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

void refresh_first(const uint8_t key[static 32], struct uuid user_id, struct uuid session_id,
                   struct str seed, struct refresh_token *ret_token)
{
    const struct str parts[] = {STR("first"), str_bytes(session_id.b, 16), seed};
    *ret_token = (struct refresh_token){.session_id = session_id, .user_id = user_id};
    seal_mac(key, parts, 3, ret_token->secret);
}

void refresh_next(const uint8_t key[static 32], const struct refresh_token *token,
                  struct refresh_token *ret_next)
{
    uint8_t generation[4];
    put_u32(generation, token->generation + 1);
    const struct str parts[] = {STR("next"), str_bytes(token->session_id.b, 16),
                                str_bytes(generation, 4),
                                str_bytes(token->secret, sizeof token->secret)};
    *ret_next = (struct refresh_token){.session_id = token->session_id,
                                       .user_id = token->user_id,
                                       .generation = token->generation + 1};
    seal_mac(key, parts, 4, ret_next->secret);
}

static void wire_tag(const uint8_t key[static 32], const struct refresh_wire *wire,
                     uint8_t ret_tag[static SEAL_BYTES])
{
    const struct str parts[] = {STR("tag"), str_bytes(wire, offsetof(struct refresh_wire, tag))};
    seal_mac(key, parts, 2, ret_tag);
}

char *refresh_format(const uint8_t key[static 32], struct arena *arena,
                     const struct refresh_token *token)
{
    struct refresh_wire wire;
    uint8_t tag[SEAL_BYTES];
    memcpy(wire.session_id, token->session_id.b, 16);
    memcpy(wire.user_id, token->user_id.b, 16);
    put_u32(wire.generation, token->generation);
    memcpy(wire.secret, token->secret, sizeof wire.secret);
    wire_tag(key, &wire, tag);
    memcpy(wire.tag, tag, sizeof wire.tag);
    char *text = arena_alloc(arena, sizeof PREFIX + BASE64URL_LEN(sizeof wire));
    memcpy(text, PREFIX, sizeof PREFIX - 1);
    base64url_encode(&wire, sizeof wire, text + sizeof PREFIX - 1);
    return text;
}

int refresh_parse(const uint8_t key[static 32], struct str text, struct refresh_token *ret_token)
{
    struct refresh_wire wire;
    uint8_t tag[SEAL_BYTES];
    size_t bytes = 0;
    if (!str_skip(&text, STR(PREFIX)) ||
        base64url_decode(text, sizeof wire, (uint8_t *)&wire, &bytes) < 0 || bytes != sizeof wire)
        return -EINVAL;
    wire_tag(key, &wire, tag);
    if (!str_eq_secret(str_bytes(tag, TAG_BYTES), str_bytes(wire.tag, TAG_BYTES)))
        return -EINVAL;
    memcpy(ret_token->session_id.b, wire.session_id, 16);
    memcpy(ret_token->user_id.b, wire.user_id, 16);
    ret_token->generation = get_u32(wire.generation);
    memcpy(ret_token->secret, wire.secret, sizeof ret_token->secret);
    return 0;
}

void refresh_hash(const struct refresh_token *token, uint8_t ret_hash[static 32])
{
    seal_sha256(str_bytes(token->secret, sizeof token->secret), ret_hash);
}

struct uuid refresh_access_id(const uint8_t key[static 32], const struct refresh_token *token)
{
    uint8_t generation[4], seal[SEAL_BYTES];
    put_u32(generation, token->generation);
    const struct str parts[] = {STR("jti"), str_bytes(token->session_id.b, 16),
                                str_bytes(generation, 4)};
    seal_mac(key, parts, 3, seal);
    struct uuid id;
    memcpy(id.b, seal, sizeof id.b);
    id.b[6] =
        (uint8_t)((id.b[6] & 0x0f) | 0x80); /* version 8: made by a rule of our own (RFC 9562) */
    id.b[8] = (uint8_t)((id.b[8] & 0x3f) | 0x80);
    return id;
}
