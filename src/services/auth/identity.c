/* Who asks: addresses, networks, and keyed hashes of them. Handlers of AuthService call it.
 * What must stay true: no address reaches a key column, a log or a metric in clear. */
#include <arpa/inet.h>
#include <stdio.h>

#include "base/check.h"
#include "io/endpoint.h"
#include "services/auth/internal.h"
#include "services/shared/seal.h"

struct str email_normalise(struct arena *arena, struct str email)
{
    char *lower = arena_dup(arena, email);
    for (size_t i = 0; i < email.n; i++) {
        if (lower[i] >= 'A' && lower[i] <= 'Z')
            lower[i] = (char)(lower[i] + ('a' - 'A'));
    }
    return (struct str){lower, email.n};
}

struct str network_of(struct arena *arena, struct str peer)
{
    char host[INET6_ADDRSTRLEN];
    struct endpoint e;
    struct in6_addr ip;
    if (endpoint_parse(peer, &e) < 0) /* a socket of this machine's */
        return STR("local");
    memcpy(&ip, e.ip, sizeof ip);
    if (IN6_IS_ADDR_LOOPBACK(&ip))
        return STR("local");
    if (!IN6_IS_ADDR_V4MAPPED(&ip)) {
        memset(ip.s6_addr + 6, 0, 10);
        CHECK(inet_ntop(AF_INET6, &ip, host, sizeof host));
        return str_of(arena_printf(arena, "%s/48", host));
    }
    const uint8_t *v4 = ip.s6_addr + 12;
    if (v4[0] == 127)
        return STR("local");
    return str_of(arena_printf(arena, "%u.%u.%u.0/24", v4[0], v4[1], v4[2]));
}

bool network_is_local(struct str network)
{
    return str_eq(network, STR("local"));
}

struct uuid identity_key(const struct app *app, const char *purpose, struct str a, struct str b)
{
    const struct str parts[] = {STR("identity"), str_of(purpose), a, b};
    uint8_t seal[SEAL_BYTES];
    seal_mac(app->keys->fingerprint, parts, 4, seal);
    struct uuid key;
    memcpy(key.b, seal, sizeof key.b);
    key.b[6] = (uint8_t)((key.b[6] & 0x0f) | 0x80);
    key.b[8] = (uint8_t)((key.b[8] & 0x3f) | 0x80);
    return key;
}

struct uuid email_principal(const struct app *app, struct str email)
{
    return identity_key(app, "principal", email, (struct str){0});
}

bool is_staff(const struct principal *p)
{
    return p->known && (p->roles & ~(1u << ROLE_TRAVELLER)) != 0;
}
