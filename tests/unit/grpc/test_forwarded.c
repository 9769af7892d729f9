/* Who a call comes from when proxies stand in between, and what that is worth. */
#include <errno.h>
#include <google/rpc/status.pb-c.h>
#include <grpc/health/v1/health.pb-c.h>
#include <stdio.h>

#include "grpc/xfcc.h"
#include "rig.h"
#include "support/test.h"

/* ---- x-forwarded-client-cert ---- */

static const char *identity_in(const char *header)
{
    static char text[512];
    struct xfcc xfcc;
    if (xfcc_last(str_of(header), &xfcc) < 0)
        return "malformed";
    text[xfcc_identity(&xfcc, text, sizeof text - 1)] = '\0';
    return text;
}

TEST(xfcc, reads_what_envoy_writes)
{
    struct xfcc x;
    ASSERT_INT_EQ(
        xfcc_last(STR("By=spiffe://td/us;Hash=468ed33be74eee6556d90c0149c1309e;Subject=\"/C=US/"
                      "CN=Client, \\\"X\\\";=\";URI=spiffe://td/web;DNS=web.example;DNS=b.example"),
                  &x),
        0);
    ASSERT_VIEW_EQ(x.by, "spiffe://td/us");
    ASSERT_VIEW_EQ(x.hash, "468ed33be74eee6556d90c0149c1309e");
    ASSERT_VIEW_EQ(x.subject, "/C=US/CN=Client, \\\"X\\\";=");
    ASSERT_VIEW_EQ(x.uri, "spiffe://td/web");
    ASSERT_VIEW_EQ(x.dns, "web.example");
    ASSERT_INT_EQ(x.dns_count, 2);
    ASSERT_STR_EQ(identity_in("URI=spiffe://td/web"), "spiffe://td/web");
    ASSERT_STR_EQ(identity_in("uri=\"spiffe://td/web\""), "spiffe://td/web");
    ASSERT_STR_EQ(identity_in("Hash=1;DNS=web.example"), "dns:web.example");
    ASSERT_STR_EQ(identity_in("URI=https://web;DNS=web.example"), "dns:web.example");
    ASSERT_STR_EQ(identity_in("URI=spiffe://td/a=b"), "spiffe://td/a=b");
    ASSERT_STR_EQ(identity_in("Hash=1;URI="), "");
    ASSERT_STR_EQ(identity_in("Hash=1"), "");
}

TEST(xfcc, believes_the_last_element_only)
{
    ASSERT_STR_EQ(identity_in("URI=spiffe://td/forged,By=spiffe://td/us;URI=spiffe://td/true"),
                  "spiffe://td/true");
    ASSERT_STR_EQ(identity_in("URI=spiffe://td/forged, Hash=1"), "");
    ASSERT_STR_EQ(identity_in("Subject=\",URI=spiffe://td/forged\";URI=spiffe://td/true"),
                  "spiffe://td/true");
    /* A quote that an earlier element leaves open must not move the border. */
    ASSERT_STR_EQ(identity_in("Subject=\"x,Hash=1;URI=spiffe://td/true"), "malformed");
    ASSERT_STR_EQ(identity_in("Subject=\",Subject=\"CN=,URI=spiffe://td/forged\";Hash=1"),
                  "malformed");
    ASSERT_STR_EQ(identity_in("a=\",Subject=\"CN=a,URI=spiffe://td/forged;x=\\\"\";Hash=1"),
                  "malformed");
}

TEST(xfcc, refuses_what_is_malformed)
{
    static const char *const bad[] = {
        "",         ",",        "Hash=1,",    "Hash",        "=1",        "Hash=1;;URI=x",
        "URI=\"a",  "URI=a\"b", "URI=\"a\"b", "URI=\"a\\\"", "\"URI\"=a", "Hash=1, ",
        "URI=\"\\", ";",        "Hash=1;=x",
    };
    for (unsigned i = 0; i < sizeof bad / sizeof bad[0]; i++)
        ASSERT_STR_EQ(identity_in(bad[i]), "malformed");
    /* Two SPIFFE names are none; so are names with characters that mean something elsewhere. */
    ASSERT_STR_EQ(identity_in("URI=spiffe://td/a;URI=spiffe://td/b;DNS=c"), "");
    ASSERT_STR_EQ(identity_in("URI=\"spiffe://td/a,b\""), "");
    ASSERT_STR_EQ(identity_in("URI=\"spiffe://td/a b\""), "");
    ASSERT_STR_EQ(identity_in("URI=\"spiffe://td/a\\b\""), "");
}

/* ---- in a call ---- */

static struct {
    char peer[128], identity[128], xff[64], xfcc[64];
    enum peer_proof proof;
    bool known, is_service;
    struct uuid user;
    unsigned runs;
} seen;

static void keep(char *to, size_t bytes, struct str s)
{
    snprintf(to, bytes, "%.*s", (int)s.n, s.p ? s.p : "");
}

static enum step look(struct call *c)
{
    Grpc__Health__V1__HealthCheckResponse reply = GRPC__HEALTH__V1__HEALTH_CHECK_RESPONSE__INIT;
    seen.runs++;
    keep(seen.peer, sizeof seen.peer, call_peer(c));
    keep(seen.identity, sizeof seen.identity, call_identity(c, &seen.proof));
    keep(seen.xff, sizeof seen.xff, call_metadata(c, STR("x-forwarded-for")));
    keep(seen.xfcc, sizeof seen.xfcc, call_metadata(c, STR("x-forwarded-client-cert")));
    seen.known = c->principal.known;
    seen.is_service = principal_has(&c->principal, ROLE_SERVICE);
    seen.user = c->principal.user_id;
    return call_reply(c, &reply.base);
}

static const struct step_def look_steps[] = {STEP(look)};
static const struct rpc_handler look_handler = {
    .method = "Look", .steps = look_steps, .step_count = 1};

#define TYPES                                                                                      \
    .request = &grpc__health__v1__health_check_request__descriptor,                                \
    .reply = &grpc__health__v1__health_check_response__descriptor

static const struct peer stranger = {.address = {.p = "192.0.2.7:4711", .n = 14}, .hops = 1};

static void end(void)
{
    rig_stop();
    rig_peer = stranger;
}

static void begin(void)
{
    const struct rpc_method methods[] = {
        {.path = STR("/t.T/Public"),
         .handler = &look_handler,
         TYPES,
         .policy.auth = RPC_AUTH_PUBLIC},
        {.path = STR("/t.T/User"), .handler = &look_handler, TYPES, .policy.auth = RPC_AUTH_USER},
        {.path = STR("/t.T/Service"),
         .handler = &look_handler,
         TYPES,
         .policy.auth = RPC_AUTH_SERVICE},
    };
    memset(&seen, 0, sizeof seen);
    rig_peer = stranger;
    rig_start(methods, sizeof methods / sizeof methods[0], NULL);
}

/* One call with up to two headers; its status. */
static int call(const char *path, const char *name, const char *value, const char *name2,
                const char *value2)
{
    struct client *c = client_new();
    client_head(c, path);
    if (name)
        client_header(c, name, value);
    if (name2)
        client_header(c, name2, value2);
    client_head_end(c);
    client_message(c, "", 0);
    client_end(c);
    rig_turn();
    client_take(c);
    int status = client_status(c);
    client_close(c, false);
    client_free(c);
    return status;
}

static const char *peer_after(const char *name, const char *value)
{
    ASSERT_INT_EQ(call("/t.T/Public", name, value, NULL, NULL), 0);
    return seen.peer;
}

TEST(forwarded, is_ignored_and_hidden_from_strangers)
{
    begin();
    ASSERT_INT_EQ(call("/t.T/Public", "x-forwarded-for", "203.0.113.1", "x-forwarded-client-cert",
                       "URI=spiffe://td/web"),
                  0);
    ASSERT_STR_EQ(seen.peer, "192.0.2.7:4711");
    ASSERT_STR_EQ(seen.identity, "");
    ASSERT_STR_EQ(seen.xff, "");
    ASSERT_STR_EQ(seen.xfcc, "");
    ASSERT_STR_EQ(peer_after("x-envoy-external-address", "203.0.113.1"), "192.0.2.7:4711");
    end();
}

TEST(forwarded, names_the_client_when_the_peer_is_believed)
{
    begin();
    rig_peer.is_forwarder = rig_peer.is_envoy = true;
    ASSERT_STR_EQ(peer_after("x-forwarded-for", "203.0.113.1"), "203.0.113.1");
    ASSERT_STR_EQ(seen.xff, "");
    ASSERT_STR_EQ(peer_after("x-forwarded-for", "6.6.6.6, 203.0.113.1"), "203.0.113.1");
    ASSERT_STR_EQ(peer_after("x-forwarded-for", "2001:db8::1"), "[2001:db8::1]");
    ASSERT_STR_EQ(peer_after("x-forwarded-for", "203.0.113.1, unknown"), "192.0.2.7:4711");
    ASSERT_STR_EQ(peer_after("x-envoy-external-address", "203.0.113.2"), "203.0.113.2");
    ASSERT_STR_EQ(peer_after(NULL, NULL), "192.0.2.7:4711");
    /* Several fields are one list; the external address is what Envoy made of it. */
    call("/t.T/Public", "x-forwarded-for", "6.6.6.6", "x-forwarded-for", "203.0.113.3");
    ASSERT_STR_EQ(seen.peer, "203.0.113.3");
    call("/t.T/Public", "x-forwarded-for", "6.6.6.6", "x-envoy-external-address", "203.0.113.4");
    ASSERT_STR_EQ(seen.peer, "203.0.113.4");
    rig_peer.hops = 2;
    ASSERT_STR_EQ(peer_after("x-forwarded-for", "6.6.6.6, 203.0.113.5, 10.0.0.1"), "203.0.113.5");
    ASSERT_STR_EQ(peer_after("x-forwarded-for", "10.0.0.1"), "192.0.2.7:4711");
    end();
}

TEST(forwarded, names_the_service_behind_a_proxy_never_the_proxy)
{
    begin();
    rig_peer.is_forwarder = rig_peer.is_envoy = true;
    rig_peer.identity = STR("spiffe://td/envoy");
    rig_peer.proof = PEER_CERTIFICATE;
    call("/t.T/Public", "x-forwarded-client-cert", "URI=spiffe://td/web", NULL, NULL);
    ASSERT_STR_EQ(seen.identity, "spiffe://td/web");
    ASSERT_INT_EQ(seen.proof, PEER_FORWARDED);
    call("/t.T/Public", "x-forwarded-client-cert", "URI=spiffe://td/forged",
         "x-forwarded-client-cert", "URI=spiffe://td/true");
    ASSERT_STR_EQ(seen.identity, "spiffe://td/true");
    call("/t.T/Public", NULL, NULL, NULL, NULL);
    ASSERT_STR_EQ(seen.identity, "");
    call("/t.T/Public", "x-forwarded-client-cert", "URI=\"", NULL, NULL);
    ASSERT_STR_EQ(seen.identity, "");
    rig_peer.is_forwarder = false;
    call("/t.T/Public", "x-forwarded-client-cert", "URI=spiffe://td/web", NULL, NULL);
    ASSERT_STR_EQ(seen.identity, "spiffe://td/envoy");
    ASSERT_INT_EQ(seen.proof, PEER_CERTIFICATE);
    end();
}

/* nginx and HAProxy pass these two on from whoever sent them. */
TEST(forwarded, believes_what_only_envoy_writes_from_envoys_only)
{
    begin();
    rig_peer.is_forwarder = true;
    rig_peer.identity = STR("dns:nginx.example");
    rig_peer.proof = PEER_CERTIFICATE;
    ASSERT_STR_EQ(peer_after("x-forwarded-for", "203.0.113.1"), "203.0.113.1");
    ASSERT_STR_EQ(peer_after("x-envoy-external-address", "203.0.113.2"), "192.0.2.7:4711");
    call("/t.T/Public", "x-forwarded-client-cert", "URI=spiffe://td/web", NULL, NULL);
    ASSERT_STR_EQ(seen.identity, "");
    ASSERT_INT_EQ(seen.proof, PEER_UNPROVED);
    ASSERT_STR_EQ(seen.xfcc, "");
    end();
}

TEST(identity, makes_a_service_of_who_is_named)
{
    begin();
    server_set_service_identities(rig.server, "spiffe://td/a,dns:b.example");
    ASSERT_INT_EQ(call("/t.T/Service", NULL, NULL, NULL, NULL), STATUS_UNAUTHENTICATED);
    rig_peer.identity = STR("spiffe://td/stranger");
    rig_peer.proof = PEER_CERTIFICATE;
    ASSERT_INT_EQ(call("/t.T/Service", NULL, NULL, NULL, NULL), STATUS_UNAUTHENTICATED);
    rig_peer.identity = STR("spiffe://td/a");
    ASSERT_INT_EQ(call("/t.T/Service", NULL, NULL, NULL, NULL), STATUS_OK);
    ASSERT_TRUE(seen.is_service);
    struct uuid first = seen.user;
    ASSERT_FALSE(uuid_is_nil(first));
    ASSERT_INT_EQ(call("/t.T/User", NULL, NULL, NULL, NULL), STATUS_OK);
    ASSERT_MEM_EQ(seen.user.b, first.b, 16);
    rig_peer.identity = STR("dns:b.example");
    ASSERT_INT_EQ(call("/t.T/Service", NULL, NULL, NULL, NULL), STATUS_OK);
    ASSERT_TRUE(memcmp(seen.user.b, first.b, 16) != 0);
    /* A token, where one is sent, says who it is: here a mere user. */
    ASSERT_INT_EQ(call("/t.T/Service", "authorization", "Bearer good", NULL, NULL),
                  STATUS_PERMISSION_DENIED);
    ASSERT_INT_EQ(call("/t.T/Service", "authorization", "Bearer wrong", NULL, NULL),
                  STATUS_UNAUTHENTICATED);
    end();
}

TEST(identity, must_be_one_that_somebody_can_prove)
{
    static const char *const bad[] = {"b.example",   "spiffe://", "spiffe:///a", "spiffe://TD/a",
                                      "dns:",        "dns:a:b",   "unix:uid=",   "unix:uid=abc",
                                      "unix:uid=-1", "unix:/a"};
    char error[200], list[300], all[65 * 6 + 1] = "";
    ASSERT_INT_EQ(service_identities_check("", error, sizeof error), 0);
    ASSERT_INT_EQ(service_identities_check("spiffe://td,spiffe://t-d.1/ns/a_b,dns:*.b.example,"
                                           "unix:uid=0",
                                           error, sizeof error),
                  0);
    for (unsigned i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        snprintf(list, sizeof list, "dns:a,%s,dns:c", bad[i]);
        ASSERT_INT_EQ(service_identities_check(list, error, sizeof error), -EINVAL);
        snprintf(list, sizeof list, "\"%s\" is none of spiffe://", bad[i]);
        ASSERT_HAS(error, list);
    }
    for (unsigned i = 0; i < 64; i++)
        strcat(all, "dns:a,");
    ASSERT_INT_EQ(service_identities_check(all, error, sizeof error), 0);
    strcat(all, "dns:a");
    ASSERT_INT_EQ(service_identities_check(all, error, sizeof error), -EINVAL);
    ASSERT_HAS(error, "more than 64");
}
