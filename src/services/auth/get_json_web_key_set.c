/* GetJsonWebKeySet: the public keys, the coming one included. The same as /.well-known/jwks.json of
 * the admin endpoint. */
#include "services/auth/internal.h"
#include "services/auth/token.h"

static Faregate__V1__JsonWebKey *render(struct call *c, const struct token_key_public *key)
{
    static char kty[] = "OKP", crv[] = "Ed25519", alg[] = "EdDSA", use[] = "sig";
    Faregate__V1__JsonWebKey *jwk = arena_alloc(&c->arena, sizeof *jwk);
    faregate__v1__json_web_key__init(jwk);
    jwk->kty = kty;
    jwk->crv = crv;
    jwk->alg = alg;
    jwk->use = use;
    jwk->x = arena_dup(&c->arena, str_of(key->x));
    jwk->kid = arena_dup(&c->arena, str_of(key->kid));
    return jwk;
}

static enum step answer(struct call *c)
{
    const struct tokens *tokens = app_of(c)->tokens;
    Faregate__V1__JsonWebKeySet set;
    faregate__v1__json_web_key_set__init(&set);
    set.n_keys = tokens_key_count(tokens);
    set.keys = arena_array(&c->arena, set.n_keys, sizeof set.keys[0]);
    for (unsigned i = 0; i < set.n_keys; i++)
        set.keys[i] = render(c, tokens_key(tokens, i));
    return call_reply(c, &set.base);
}

static const struct step_def steps[] = {
    STEP(answer),
};

struct no_state {
    char nothing;
};

const struct rpc_handler auth_get_json_web_key_set_rpc = {
    .method = "GetJsonWebKeySet",
    RPC_STEPS(steps, struct no_state),
};
