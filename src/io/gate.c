/* See gate.h: the options of a listener, from text to struct. What must stay true: an option that
 * is not understood stops the start; each is in the table once, and --help is made of it. */
#include "io/gate.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define SEPARATOR '+'

#define DIGITS "0123456789"
#define SMALL "abcdefghijklmnopqrstuvwxyz"
#define CAPITALS "ABCDEFGHIJKLMNOPQRSTUVWXYZ"

static bool is_all_of(struct str s, const char *allowed)
{
    for (size_t i = 0; i < s.n; i++)
        if (!s.p[i] || !strchr(allowed, s.p[i]))
            return false;
    return true;
}

/* A trust domain and a path as the SPIFFE ID specification has them, section 2. */
bool identity_is_certified(struct str identity)
{
    struct str rest = identity;
    if (str_skip(&rest, STR("dns:")))
        return rest.n > 0 && is_all_of(rest, SMALL CAPITALS DIGITS "-._*");
    if (!str_skip(&rest, STR("spiffe://")))
        return false;
    struct str domain = str_cut(&rest, '/');
    return domain.n > 0 && is_all_of(domain, SMALL DIGITS "-._") &&
           is_all_of(rest, SMALL CAPITALS DIGITS "-._/");
}

bool identity_is_provable(struct str identity)
{
    struct str uid = identity;
    int64_t number;
    if (str_skip(&uid, STR("unix:uid=")))
        return str_int64(uid, 0, UINT32_MAX - 1, &number) == 0;
    return identity_is_certified(identity);
}

static int set_networks(struct networks *networks, struct str value)
{
    while (value.n > 0) {
        int r = networks_add(networks, str_cut(&value, SEPARATOR));
        if (r < 0)
            return r;
    }
    return networks->count > 0 || networks->has_unix ? 0 : -EINVAL;
}

static int set_proxy(struct gate *gate, struct str value)
{
    gate->wants_proxy = true;
    return set_networks(&gate->proxy_from, value);
}

static bool has_forwarders(const struct gate *gate)
{
    return gate->forwarders.count > 0 || gate->forwarders.has_unix || gate->forwarder_count > 0;
}

static int set_forwarded(struct gate *gate, struct str value)
{
    while (value.n > 0) {
        struct str one = str_cut(&value, SEPARATOR);
        if (!identity_is_certified(one)) {
            int r = networks_add(&gate->forwarders, one);
            if (r < 0)
                return r;
            continue;
        }
        if (gate->forwarder_count == GATE_IDENTITIES_MAX)
            return -ENOSPC;
        gate->forwarder_identities[gate->forwarder_count++] = one;
    }
    return has_forwarders(gate) ? 0 : -EINVAL;
}

static int set_number(struct str value, uint32_t min, uint32_t max, uint32_t *ret)
{
    int64_t number;
    int r = str_int64(value, min, max, &number);
    if (r == 0)
        *ret = (uint32_t)number;
    return r;
}

static int set_hops(struct gate *gate, struct str value)
{
    return set_number(value, 1, 32, &gate->forwarded_hops);
}

static int set_envoy(struct gate *gate, struct str value)
{
    gate->forwarders_are_envoys = str_eq(value, STR("on"));
    return gate->forwarders_are_envoys || str_eq(value, STR("off")) ? 0 : -EINVAL;
}

static int set_client_cert(struct gate *gate, struct str value)
{
    if (str_eq(value, STR("optional")))
        gate->client_auth = TLS_CLIENT_OPTIONAL;
    else if (str_eq(value, STR("required")))
        gate->client_auth = TLS_CLIENT_REQUIRED;
    else if (str_eq(value, STR("off")))
        gate->client_auth = TLS_CLIENT_OFF;
    else
        return -EINVAL;
    return 0;
}

static int set_file(char ret_file[GATE_TEXT_BYTES], struct str value)
{
    if (value.n == 0 || value.n >= GATE_TEXT_BYTES)
        return -EINVAL;
    memcpy(ret_file, value.p, value.n);
    ret_file[value.n] = '\0';
    return 0;
}

static int set_client_ca(struct gate *gate, struct str value)
{
    return set_file(gate->client_ca_file, value);
}

static int set_client_crl(struct gate *gate, struct str value)
{
    return set_file(gate->client_crl_file, value);
}

static int set_client_depth(struct gate *gate, struct str value)
{
    return set_number(value, 1, 100, &gate->client_depth_max);
}

static int set_mode(struct gate *gate, struct str value)
{
    uint32_t mode = 0;
    if (value.n < 3 || value.n > 4)
        return -EINVAL;
    for (size_t i = 0; i < value.n; i++) {
        if (value.p[i] < '0' || value.p[i] > '7')
            return -EINVAL;
        mode = mode * 8 + (uint32_t)(value.p[i] - '0');
    }
    gate->socket_mode = mode;
    return mode > 0 && mode <= 0777 ? 0 : -EINVAL;
}

static int set_uids(struct gate *gate, struct str value)
{
    while (value.n > 0) {
        if (gate->uid_count == GATE_UIDS_MAX)
            return -ENOSPC;
        int r = set_number(str_cut(&value, SEPARATOR), 0, UINT32_MAX - 1,
                           &gate->uids[gate->uid_count++]);
        if (r < 0)
            return r;
    }
    return gate->uid_count > 0 ? 0 : -EINVAL;
}

const struct gate_option gate_options[] = {
    {"proxy", "NETWORKS",
     "a PROXY protocol header (v1, v2) must come first, and only from these networks", set_proxy,
     false},
    {"forwarded", "SOURCES",
     "x-forwarded-for is believed from these networks and identities; else it is dropped",
     set_forwarded, false},
    {"envoy", "off|on",
     "those sources are Envoys: x-envoy-external-address and x-forwarded-client-cert count too "
     "[off]",
     set_envoy, false},
    {"hops", "N", "the client is the Nth address from the right in x-forwarded-for [1]", set_hops,
     false},
    {"mode", "OCTAL", "mode of a unix socket's file", set_mode, false},
    {"uids", "UID+UID", "a unix socket admits these users only", set_uids, false},
    {"client-cert", "off|optional|required", "certificates of clients [off]", set_client_cert,
     true},
    {"client-ca", "FILE", "PEM file with the authorities they must be from", set_client_ca, true},
    {"client-crl", "FILE", "PEM file with revocation lists, one for each authority", set_client_crl,
     true},
    {"client-depth", "N", "most intermediate authorities [100]", set_client_depth, true},
    {NULL, NULL, NULL, NULL, false},
};

static const struct gate_option *find_option(struct str name)
{
    for (const struct gate_option *o = gate_options; o->name; o++)
        if (str_eq(name, str_of(o->name)))
            return o;
    return NULL;
}

/* An option begins with its name and "="; an address never does (unix:/a=b has its colon first). */
static bool is_option(struct str text)
{
    const char *equals = text.n > 0 ? memchr(text.p, '=', text.n) : NULL;
    return equals && !memchr(text.p, ':', (size_t)(equals - text.p));
}

static const char *meaning_of(const char *value)
{
    if (strcmp(value, "NETWORKS") == 0)
        return ", which are CIDR or unix, joined by +";
    if (strcmp(value, "SOURCES") == 0)
        return ", which are CIDR, unix, spiffe://... or dns:..., joined by +";
    return "";
}

static int set_option(struct gate *gate, bool is_tls, struct str text, char *error,
                      size_t error_bytes)
{
    struct str value = text;
    const struct gate_option *o = find_option(str_cut(&value, '='));
    if (!o || (o->for_tls && !is_tls)) {
        snprintf(error, error_bytes, "%.*s: no such option of a %s listener", (int)text.n, text.p,
                 is_tls ? "TLS" : "cleartext");
        return -EINVAL;
    }
    if (o->set(gate, value) < 0) {
        snprintf(error, error_bytes, "%.*s: wants %s=%s%s", (int)text.n, text.p, o->name, o->value,
                 meaning_of(o->value));
        return -EINVAL;
    }
    return 0;
}

static int check(const struct listen_spec *spec, char *error, size_t error_bytes)
{
    const struct gate *gate = &spec->gate;
    const struct str address = str_of(spec->address);
    const bool is_unix = str_starts(address, STR("unix:"));
    const char *problem = NULL;
    if ((gate->client_auth != TLS_CLIENT_OFF) != (gate->client_ca_file[0] != '\0'))
        problem = "client-cert and client-ca need each other";
    else if (gate->client_crl_file[0] && !gate->client_ca_file[0])
        problem = "client-crl needs client-ca";
    else if (gate->forwarders_are_envoys && !has_forwarders(gate))
        problem = "envoy=on needs forwarded=";
    else if (gate->socket_mode && !is_unix)
        problem = "mode= is for unix sockets";
    else if (gate->uid_count > 0 && !is_unix && !str_starts(address, STR("fd:")))
        problem = "uids= is for unix sockets";
    if (!problem)
        return 0;
    snprintf(error, error_bytes, "%s: %s", spec->address, problem);
    return -EINVAL;
}

int listen_spec_next(struct str *list, bool is_tls, struct listen_spec *ret, char *error,
                     size_t error_bytes)
{
    memset(ret, 0, sizeof *ret);
    ret->gate.forwarded_hops = 1;
    struct str address = str_cut(list, ',');
    if (address.n == 0 || address.n >= sizeof ret->address || is_option(address)) {
        snprintf(error, error_bytes, "\"%.*s\" is no address to listen on", (int)address.n,
                 address.p);
        return -EINVAL;
    }
    memcpy(ret->address, address.p, address.n);
    for (;;) {
        struct str rest = *list;
        struct str text = str_cut(&rest, ',');
        if (!is_option(text))
            return check(ret, error, error_bytes);
        *list = rest;
        int r = set_option(&ret->gate, is_tls, text, error, error_bytes);
        if (r < 0)
            return r;
    }
}

bool gate_believes(const struct gate *gate, const struct endpoint *source, struct str identity)
{
    if (networks_have(&gate->forwarders, source))
        return true;
    for (unsigned i = 0; identity.n > 0 && i < gate->forwarder_count; i++)
        if (str_eq(identity, gate->forwarder_identities[i]))
            return true;
    return false;
}

bool gate_admits_uid(const struct gate *gate, uid_t uid)
{
    bool found = gate->uid_count == 0;
    for (unsigned i = 0; i < gate->uid_count; i++)
        found |= gate->uids[i] == uid;
    return found;
}
