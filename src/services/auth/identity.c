/* Who asks: addresses, networks, and keyed hashes of them. Handlers of AuthService call it.
 * What must stay true: no address reaches a key column, a log or a metric in clear. */
#include <arpa/inet.h>
#include <stdio.h>

#include "base/check.h"
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

/* "192.0.2.7:4711" and "[2001:db8::1]:4711" without the port. */
static bool host_of(struct str peer, char *ret_host, size_t bytes)
{
    size_t n = peer.n;
    while (n > 0 && peer.p[n - 1] != ':')
        n--;
    if (n < 2)
        return false;
    n--;
    const char *p = peer.p;
    if (n >= 2 && p[0] == '[' && p[n - 1] == ']') {
        p++;
        n -= 2;
    }
    if (n + 1 > bytes)
        return false;
    memcpy(ret_host, p, n);
    ret_host[n] = '\0';
    return true;
}

static struct str network_v4(struct arena *arena, struct in_addr address)
{
    uint32_t ip = ntohl(address.s_addr);
    if (ip >> 24 == 127)
        return STR("local");
    return str_of(arena_printf(arena, "%u.%u.%u.0/24", ip >> 24, ip >> 16 & 255, ip >> 8 & 255));
}

struct str network_of(struct arena *arena, struct str peer)
{
    char host[INET6_ADDRSTRLEN + 1];
    struct in_addr v4;
    struct in6_addr v6;
    if (!host_of(peer, host, sizeof host))
        return STR("local");
    if (inet_pton(AF_INET, host, &v4) == 1)
        return network_v4(arena, v4);
    if (inet_pton(AF_INET6, host, &v6) != 1 || IN6_IS_ADDR_LOOPBACK(&v6))
        return STR("local");
    if (IN6_IS_ADDR_V4MAPPED(&v6)) {
        memcpy(&v4, v6.s6_addr + 12, sizeof v4);
        return network_v4(arena, v4);
    }
    memset(v6.s6_addr + 6, 0, 10);
    CHECK(inet_ntop(AF_INET6, &v6, host, sizeof host));
    return str_of(arena_printf(arena, "%s/48", host));
}

bool network_is_local(struct str network)
{
    return str_eq(network, STR("local"));
}

struct uuid identity_key(const struct app *app, const char *purpose, struct str a, struct str b)
{
    const struct str parts[] = {STR("identity"), str_of(purpose), a, b};
    uint8_t seal[SEAL_BYTES];
    seal_mac(app->keys.fingerprint, parts, 4, seal);
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
