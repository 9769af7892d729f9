/* Services that prove who they are with a certificate instead of a token: the identities of
 * --service-identities have ROLE_SERVICE. The table in intercept.c runs it before the token. What
 * must stay true: a token that is sent is judged as if there were no certificate, and so is
 * whatever else a caller says who he is: a gateway that passes a customer's broken credentials on
 * must not lend him its own. */
#include <errno.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/check.h"
#include "grpc/internal.h"
#include "io/gate.h"

#define IDENTITIES_MAX 64

struct identity {
    struct str name;     /* points into the list */
    struct uuid user_id; /* the same for the same name on every server: what it does is its own */
};

struct identity_table {
    unsigned count;
    struct identity items[IDENTITIES_MAX];
};

/* RFC 9562 section 5.8: a UUID of our own making, from the name's hash. */
static struct uuid uuid_of(struct str name)
{
    uint8_t digest[EVP_MAX_MD_SIZE];
    struct uuid id;
    CHECK(EVP_Digest(name.p, name.n, digest, NULL, EVP_sha256(), NULL) == 1);
    memcpy(id.b, digest, sizeof id.b);
    id.b[6] = (uint8_t)(0x80 | (id.b[6] & 0x0f));
    id.b[8] = (uint8_t)(0x80 | (id.b[8] & 0x3f));
    return id;
}

int service_identities_check(const char *list, char *error, size_t error_bytes)
{
    struct str rest = str_of(list);
    for (unsigned count = 1; rest.n > 0; count++) {
        struct str name = str_cut(&rest, ',');
        if (!identity_is_provable(name)) {
            snprintf(error, error_bytes,
                     "\"%.*s\" is none of spiffe://DOMAIN/PATH, dns:NAME and unix:uid=NUMBER",
                     (int)name.n, name.p);
            return -EINVAL;
        }
        if (count > IDENTITIES_MAX) {
            snprintf(error, error_bytes, "more than %d identities", IDENTITIES_MAX);
            return -EINVAL;
        }
    }
    return 0;
}

void server_set_service_identities(struct server *server, const char *list)
{
    struct str rest = str_of(list);
    free(server->identities);
    server->identities = NULL;
    if (rest.n == 0)
        return;
    struct identity_table *table = calloc(1, sizeof *table);
    CHECK(table);
    server->identities = table;
    while (rest.n > 0) {
        struct str name = str_cut(&rest, ',');
        CHECK(table->count < IDENTITIES_MAX);
        table->items[table->count++] = (struct identity){.name = name, .user_id = uuid_of(name)};
    }
}

enum reason intercept_identity(struct call_impl *ci, struct str body)
{
    (void)body;
    const struct identity_table *table = ci->pub.server->identities;
    if (!table || ci->identity.n == 0 || ci->has_authorization)
        return REASON_NONE;
    for (unsigned i = 0; i < table->count; i++) {
        if (str_eq(table->items[i].name, ci->identity)) {
            ci->pub.principal = (struct principal){
                .known = true, .user_id = table->items[i].user_id, .roles = 1u << ROLE_SERVICE};
            break;
        }
    }
    return REASON_NONE;
}
