/* The options of a listener, and the networks they name. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "io/gate.h"
#include "support/test.h"

static char error[300];

static int next(const char *text, bool is_tls, struct listen_spec *ret_spec)
{
    struct str list = str_of(text);
    return listen_spec_next(&list, is_tls, ret_spec, error, sizeof error);
}

TEST(gate, reads_addresses_with_options_behind_them)
{
    struct str list =
        STR("127.0.0.1:1,proxy=10.0.0.0/8+unix,hops=2,unix:/a=b,mode=0660,uids=0+7,"
            "[::1]:2,forwarded=127.0.0.0/8+spiffe://td/envoy+dns:proxy.example,envoy=on");
    struct listen_spec spec;
    ASSERT_INT_EQ(listen_spec_next(&list, false, &spec, error, sizeof error), 0);
    ASSERT_STR_EQ(spec.address, "127.0.0.1:1");
    ASSERT_TRUE(spec.gate.wants_proxy);
    ASSERT_TRUE(spec.gate.proxy_from.has_unix);
    ASSERT_INT_EQ(spec.gate.proxy_from.count, 1);
    ASSERT_INT_EQ(spec.gate.forwarded_hops, 2);
    ASSERT_INT_EQ(listen_spec_next(&list, false, &spec, error, sizeof error), 0);
    ASSERT_STR_EQ(spec.address, "unix:/a=b");
    ASSERT_FALSE(spec.gate.wants_proxy);
    ASSERT_INT_EQ(spec.gate.socket_mode, 0660);
    ASSERT_INT_EQ(spec.gate.uid_count, 2);
    ASSERT_INT_EQ(spec.gate.uids[1], 7);
    ASSERT_FALSE(spec.gate.forwarders_are_envoys);
    ASSERT_INT_EQ(spec.gate.forwarded_hops, 1);
    ASSERT_INT_EQ(listen_spec_next(&list, false, &spec, error, sizeof error), 0);
    ASSERT_STR_EQ(spec.address, "[::1]:2");
    ASSERT_INT_EQ(spec.gate.forwarder_count, 2);
    ASSERT_TRUE(spec.gate.forwarders_are_envoys);
    ASSERT_INT_EQ(list.n, 0);
    ASSERT_INT_EQ(next("*:1,client-cert=required,client-ca=/ca.pem,client-crl=/crl,client-depth=3",
                       true, &spec),
                  0);
    ASSERT_INT_EQ(spec.gate.client_auth, TLS_CLIENT_REQUIRED);
    ASSERT_STR_EQ(spec.gate.client_ca_file, "/ca.pem");
    ASSERT_STR_EQ(spec.gate.client_crl_file, "/crl");
    ASSERT_INT_EQ(spec.gate.client_depth_max, 3);
}

TEST(gate, refuses_what_it_does_not_understand)
{
    static const struct {
        const char *text, *error;
    } bad[] = {
        {"", "is no address"},
        {"proxy=unix", "is no address"},
        {"*:1,what=ever", "no such option"},
        {"*:1,client-cert=optional", "no such option of a cleartext listener"},
        {"*:1,proxy=", "wants proxy=NETWORKS"},
        {"*:1,proxy=on", "wants proxy=NETWORKS, which are CIDR or unix"},
        {"*:1,proxy=10.0.0.0/33", "wants proxy="},
        {"*:1,proxy=fd00::/129", "wants proxy="},
        {"*:1,proxy=10.0.0/8", "wants proxy="},
        {"*:1,proxy=10.0.0.0/", "wants proxy="},
        {"*:1,proxy=example.org", "wants proxy="},
        {"*:1,forwarded=example.org", "wants forwarded=SOURCES, which are CIDR, unix, spiffe://"},
        {"*:1,forwarded=", "wants forwarded="},
        {"*:1,forwarded=dns:a:b", "wants forwarded="},
        {"*:1,forwarded=unix:uid=0", "wants forwarded="},
        {"*:1,envoy=yes", "wants envoy=off|on"},
        {"*:1,envoy=on", "*:1: envoy=on needs forwarded="},
        {"*:1,mode=0600", "*:1: mode= is for unix sockets"},
        {"fd:a,mode=0600", "fd:a: mode= is for unix sockets"},
        {"*:1,uids=0", "*:1: uids= is for unix sockets"},
        {"*:1,hops=0", "wants hops="},
        {"*:1,mode=9", "wants mode="},
        {"*:1,mode=rw-", "wants mode="},
        {"*:1,mode=01777", "wants mode="},
        {"*:1,uids=", "wants uids="},
        {"*:1,uids=root", "wants uids="},
    };
    struct listen_spec spec;
    for (unsigned i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        ASSERT_INT_EQ(next(bad[i].text, false, &spec), -EINVAL);
        ASSERT_HAS(error, bad[i].error);
    }
    ASSERT_INT_EQ(next("fd:a,uids=0", false, &spec), 0); /* it may be one */
    ASSERT_INT_EQ(next("*:1,client-cert=maybe", true, &spec), -EINVAL);
    ASSERT_INT_EQ(next("*:1,client-cert=required", true, &spec), -EINVAL);
    ASSERT_HAS(error, "need each other");
    ASSERT_INT_EQ(next("*:1,client-ca=/a", true, &spec), -EINVAL);
}

static struct endpoint at(const char *text)
{
    struct endpoint e;
    ASSERT_INT_EQ(endpoint_parse(str_of(text), &e), 0);
    return e;
}

TEST(endpoint, a_client_is_an_address_or_a_network_of_64_bits)
{
    static const struct {
        const char *peer, *other;
        bool same;
    } cases[] = {
        {"192.0.2.1:4711", "192.0.2.1", true},
        {"192.0.2.1:4711", "[::ffff:192.0.2.1]:5", true},
        {"192.0.2.1:4711", "192.0.2.2:4711", false},
        {"[2001:db8::1:2:3:4]:1", "[2001:db8::9:2:3:4]", true},
        {"[2001:db8:0:0:1:2:3:4]:1", "[2001:db8:0:1::]:1", false},
    };
    uint8_t one[8], two[8];
    for (unsigned i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        size_t n = endpoint_client_key(str_of(cases[i].peer), one);
        ASSERT_TRUE(n > 0);
        bool same = endpoint_client_key(str_of(cases[i].other), two) == n && !memcmp(one, two, n);
        ASSERT_INT_EQ(same, cases[i].same);
    }
    ASSERT_INT_EQ(endpoint_client_key(STR("unix:"), one), 0);
    ASSERT_INT_EQ(endpoint_client_key(STR("?"), one), 0);
}

TEST(endpoint, knows_its_networks)
{
    static const struct {
        const char *network, *address;
        bool inside;
    } cases[] = {
        {"10.0.0.0/8", "10.255.1.2", true},      {"10.0.0.0/8", "11.0.0.1", false},
        {"10.1.2.3/9", "10.127.0.0", true},      {"10.1.2.3/9", "10.128.0.0", false},
        {"192.0.2.1", "192.0.2.1", true},        {"192.0.2.1", "192.0.2.2", false},
        {"0.0.0.0/0", "203.0.113.9", true},      {"0.0.0.0/0", "2001:db8::1", false},
        {"10.0.0.0/8", "::ffff:10.1.1.1", true}, {"fd00::/8", "fdff::1", true},
        {"fd00::/8", "fe00::1", false},          {"::/0", "2001:db8::1", true},
        {"2001:db8::1", "2001:db8::1", true},    {"unix", "10.0.0.1", false},
    };
    for (unsigned i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct networks networks = {0};
        struct endpoint e = at(cases[i].address);
        ASSERT_INT_EQ(networks_add(&networks, str_of(cases[i].network)), 0);
        ASSERT_INT_EQ(networks_have(&networks, &e), cases[i].inside);
    }
    struct networks networks = {0};
    struct endpoint local = {.kind = ENDPOINT_UNIX}, unknown = {.kind = ENDPOINT_NONE};
    ASSERT_FALSE(networks_have(&networks, &local));
    ASSERT_INT_EQ(networks_add(&networks, STR("unix")), 0);
    ASSERT_TRUE(networks_have(&networks, &local));
    ASSERT_INT_EQ(networks_add(&networks, STR("::/0")), 0);
    ASSERT_FALSE(networks_have(&networks, &unknown));
}

TEST(endpoint, reads_addresses_as_proxies_write_them)
{
    static const struct {
        const char *text, *shown;
    } good[] = {
        {"192.0.2.1", "192.0.2.1"},
        {"192.0.2.1:4711", "192.0.2.1:4711"},
        {"2001:db8::1", "[2001:db8::1]"},
        {"[2001:db8::1]", "[2001:db8::1]"},
        {"[2001:db8::1]:4711", "[2001:db8::1]:4711"},
        {"::ffff:192.0.2.1", "192.0.2.1"},
    };
    char text[ENDPOINT_TEXT_BYTES];
    for (unsigned i = 0; i < sizeof good / sizeof good[0]; i++) {
        struct endpoint e = at(good[i].text);
        ASSERT_INT_EQ(endpoint_format(&e, text), strlen(good[i].shown));
        ASSERT_STR_EQ(text, good[i].shown);
    }
    static const char *const bad[] = {
        "",          "unknown",         "_hidden",     "192.0.2.1:",
        "192.0.2:1", "192.0.2.1:x",     "[2001:db8::", "[2001:db8::1]x",
        "[]",        "192.0.2.1:65536", "[192.0.2.1:1"};
    for (unsigned i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct endpoint e;
        ASSERT_INT_EQ(endpoint_parse(str_of(bad[i]), &e), -EINVAL);
    }
}
