/* Server contexts: which certificate answers which name, tickets between processes, who a client
 * certificate makes its owner, and the word for every way a handshake fails. */
#include <errno.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>
#include <utime.h>

#include "io/tls_internal.h"
#include "pki.h"
#include "support/test.h"

#define DAY 86400

static struct pki pki;

/* What a test's client does; all may be NULL or zero. */
struct client {
    const char *name;             /* SNI */
    const struct pki_leaf *leaf;  /* its own certificate */
    const char *ciphers, *groups; /* TLS 1.2 suites; key exchange */
    const char *alpn;             /* NULL: h2; "": none at all */
    int version;                  /* the only one it speaks */
    const char *signatures;
    SSL_SESSION *session;     /* to resume */
    SSL_SESSION *ret_session; /* the caller's to free; from the server's first ticket */
};

/* What came of it. */
struct outcome {
    bool ok, resumed;
    enum tls_result failure;
    char subject[64];   /* common name of the server's certificate */
    int key_type;       /* of the server's key */
    char identity[512]; /* of the client, as the server sees it */
};

static SSL *dial(const struct client *c, int fd)
{
    static const char h2[] = "\2h2";
    SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
    if (c->version) {
        SSL_CTX_set_min_proto_version(ctx, c->version);
        SSL_CTX_set_max_proto_version(ctx, c->version);
    }
    if (c->ciphers) {
        SSL_CTX_set_security_level(ctx, 0);
        SSL_CTX_set_cipher_list(ctx, c->ciphers);
    }
    if (c->groups)
        SSL_CTX_set1_groups_list(ctx, c->groups);
    if (c->signatures)
        SSL_CTX_set1_sigalgs_list(ctx, c->signatures);
    const char *alpn = c->alpn ? c->alpn : h2;
    if (alpn[0])
        SSL_CTX_set_alpn_protos(ctx, (const unsigned char *)alpn, (unsigned)strlen(alpn));
    if (c->leaf) {
        SSL_CTX_use_certificate_file(ctx, c->leaf->certificate, SSL_FILETYPE_PEM);
        SSL_CTX_use_PrivateKey_file(ctx, c->leaf->key, SSL_FILETYPE_PEM);
    }
    SSL *ssl = SSL_new(ctx);
    SSL_CTX_free(ctx);
    if (c->name)
        SSL_set_tlsext_host_name(ssl, c->name);
    if (c->session)
        SSL_set_session(ssl, c->session);
    SSL_set_fd(ssl, fd);
    SSL_set_connect_state(ssl);
    return ssl;
}

/* Steps both sides until neither moves. */
static void shake(SSL *server, SSL *client, struct outcome *o)
{
    bool server_over = false;
    for (int i = 0; i < 20 && !server_over; i++) {
        SSL_do_handshake(client);
        ERR_clear_error();
        int r = SSL_do_handshake(server);
        int kind = SSL_get_error(server, r);
        server_over = r == 1 || kind == SSL_ERROR_SSL || kind == SSL_ERROR_SYSCALL;
        o->ok = r == 1;
        if (server_over && r != 1)
            o->failure = tls_failure(server, ERR_peek_error());
    }
    ERR_clear_error();
}

static struct outcome connect_to(struct tls_context *tls, struct client *c)
{
    struct outcome o = {.failure = TLS_RESULT_COUNT};
    int fds[2];
    char byte = 0;
    ASSERT_INT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
    SSL *server = tls_accept(tls, fds[0]);
    SSL *client = dial(c, fds[1]);
    shake(server, client, &o);
    if (o.ok) {
        o.resumed = SSL_session_reused(server);
        o.identity[tls_identity(server, o.identity, sizeof o.identity)] = '\0';
        SSL_write(server, "x", 1);
        SSL_read(client, &byte, 1); /* takes the tickets in as well */
        ASSERT_INT_EQ(byte, 'x');
        c->ret_session = SSL_get1_session(client);
        X509 *leaf = SSL_get0_peer_certificate(client);
        if (leaf) {
            X509_NAME_get_text_by_NID(X509_get_subject_name(leaf), NID_commonName, o.subject,
                                      sizeof o.subject);
            o.key_type = EVP_PKEY_get_base_id(X509_get0_pubkey(leaf));
        }
        SSL_shutdown(client); /* or the session would count as broken */
    }
    SSL_free(server);
    SSL_free(client);
    close(fds[0]);
    close(fds[1]);
    return o;
}

static struct tls_context *serve(const struct tls_config *config)
{
    struct tls_context *tls = NULL;
    char error[300] = "";
    int r = tls_context_new(&tls, config, error, sizeof error);
    ASSERT_STR_EQ(error, "");
    ASSERT_INT_EQ(r, 0);
    return tls;
}

static struct outcome once(struct tls_context *tls, struct client c)
{
    struct outcome o = connect_to(tls, &c);
    SSL_SESSION_free(c.ret_session);
    return o;
}

/* ---- names ---- */

TEST(tls_names, answer_with_the_certificate_that_was_asked_for)
{
    char certificates[700], keys[700];
    pki_start(&pki);
    struct pki_leaf first = pki_issue(&pki, "first", "DNS:first.example", "EC", -60, DAY);
    struct pki_leaf wild = pki_issue(&pki, "wild", "DNS:*.wild.example", "EC", -60, DAY);
    struct pki_leaf exact = pki_issue(&pki, "exact", "DNS:a.wild.example", "EC", -60, DAY);
    struct pki_leaf rsa = pki_issue(&pki, "rsa", "DNS:rsa.example", "RSA", -60, DAY);
    struct pki_leaf both = pki_issue(&pki, "both", "DNS:rsa.example", "EC", -60, DAY);
    snprintf(certificates, sizeof certificates, "%s,%s,%s,%s,%s", first.certificate,
             wild.certificate, exact.certificate, rsa.certificate, both.certificate);
    snprintf(keys, sizeof keys, "%s,%s,%s,%s,%s", first.key, wild.key, exact.key, rsa.key,
             both.key);
    struct tls_context *tls =
        serve(&(struct tls_config){.certificate_files = certificates, .key_files = keys});
    ASSERT_STR_EQ(once(tls, (struct client){.name = "first.example"}).subject, "first");
    ASSERT_STR_EQ(once(tls, (struct client){.name = "B.wild.Example"}).subject, "wild");
    ASSERT_STR_EQ(once(tls, (struct client){.name = "a.wild.example"}).subject, "exact");
    /* A star stands for one label; whoever nobody is gets the first; so does who asks for none. */
    ASSERT_STR_EQ(once(tls, (struct client){.name = "a.b.wild.example"}).subject, "first");
    ASSERT_STR_EQ(once(tls, (struct client){.name = "nobody.example"}).subject, "first");
    ASSERT_STR_EQ(once(tls, (struct client){.name = NULL}).subject, "first");
    /* Two types for one name: the client's taste decides; the default's type is not left over. */
    ASSERT_STR_EQ(
        once(tls, (struct client){.name = "rsa.example", .signatures = "rsa_pss_rsae_sha256"})
            .subject,
        "rsa");
    ASSERT_STR_EQ(
        once(tls, (struct client){.name = "rsa.example", .signatures = "ecdsa_secp256r1_sha256"})
            .subject,
        "both");
    struct tls_certificate_info info[TLS_CERTIFICATES_MAX];
    ASSERT_INT_EQ(tls_context_certificates(tls, info), 5);
    ASSERT_STR_EQ(info[3].file, rsa.certificate);
    ASSERT_INT_IN(info[3].not_after_unix_s, time(NULL) + DAY - 100, time(NULL) + DAY + 1);
    tls_context_free(tls);
    pki_stop(&pki);
}

TEST(tls_names, need_a_key_for_each_certificate)
{
    char error[300], two[300];
    struct tls_context *tls = NULL;
    pki_start(&pki);
    struct pki_leaf a = pki_issue(&pki, "a", "DNS:a.example", "EC", -60, DAY);
    struct pki_leaf b = pki_issue(&pki, "b", "DNS:b.example", "EC", -60, DAY);
    snprintf(two, sizeof two, "%s,%s", a.certificate, b.certificate);
    struct tls_config config = {.certificate_files = two, .key_files = a.key};
    ASSERT_INT_EQ(tls_context_new(&tls, &config, error, sizeof error), -EINVAL);
    ASSERT_HAS(error, "2 and 1");
    char keys[300];
    snprintf(keys, sizeof keys, "%s,%s", b.key, a.key);
    config.key_files = keys;
    ASSERT_INT_EQ(tls_context_new(&tls, &config, error, sizeof error), -EINVAL);
    ASSERT_HAS(error, "not the key of the certificate");
    pki_stop(&pki);
}

/* ---- profile ---- */

TEST(tls_profile, names_every_mismatch)
{
    pki_start(&pki);
    struct pki_leaf leaf = pki_issue(&pki, "leaf", "DNS:a.example", "EC", -60, DAY);
    struct tls_config config = {.certificate_files = leaf.certificate, .key_files = leaf.key};
    struct tls_context *tls = serve(&config);
    ASSERT_INT_EQ(once(tls, (struct client){.version = TLS1_2_VERSION}).ok, true);
    ASSERT_INT_EQ(once(tls, (struct client){.version = TLS1_3_VERSION}).ok, true);
    static const char *const good[] = {"ECDHE-ECDSA-AES128-GCM-SHA256",
                                       "ECDHE-ECDSA-AES256-GCM-SHA384",
                                       "ECDHE-ECDSA-CHACHA20-POLY1305"};
    for (unsigned i = 0; i < 3; i++)
        ASSERT_TRUE(once(tls, (struct client){.version = TLS1_2_VERSION, .ciphers = good[i]}).ok);
    static const char *const groups[] = {"X25519", "P-256", "P-384"};
    for (unsigned i = 0; i < 3; i++)
        ASSERT_TRUE(once(tls, (struct client){.groups = groups[i]}).ok);
    ASSERT_INT_EQ(
        once(tls, (struct client){.version = TLS1_2_VERSION, .ciphers = "ECDHE-ECDSA-AES128-SHA"})
            .failure,
        TLS_CIPHER_SUITE_MISMATCH);
    ASSERT_INT_EQ(once(tls, (struct client){.version = TLS1_1_VERSION, .ciphers = "ALL"}).failure,
                  TLS_PROTOCOL_VERSION_UNSUPPORTED);
    ASSERT_INT_EQ(once(tls, (struct client){.groups = "P-521", .version = TLS1_3_VERSION}).failure,
                  TLS_KEY_EXCHANGE_FAILURE);
    ASSERT_INT_EQ(once(tls, (struct client){.alpn = "\x8http/1.1"}).failure,
                  TLS_NO_APPLICATION_PROTOCOL);
    ASSERT_INT_EQ(once(tls, (struct client){.alpn = ""}).failure, TLS_NO_APPLICATION_PROTOCOL);
    tls_context_free(tls);
    config.only_1_3 = true;
    tls = serve(&config);
    ASSERT_TRUE(once(tls, (struct client){.version = TLS1_3_VERSION}).ok);
    ASSERT_INT_EQ(once(tls, (struct client){.version = TLS1_2_VERSION}).failure,
                  TLS_PROTOCOL_VERSION_UNSUPPORTED);
    tls_context_free(tls);
    pki_stop(&pki);
}

TEST(tls_profile, has_a_word_for_every_result)
{
    ASSERT_STR_EQ(tls_result_name(TLS_SUCCESS), "SUCCESS");
    ASSERT_STR_EQ(tls_result_name(TLS_PEER_CONNECTION_CLOSED), "PEER_CONNECTION_CLOSED");
    ASSERT_STR_EQ(tls_result_name(TLS_RESULT_COUNT), "UNKNOWN_FAILURE");
}

/* ---- tickets ---- */

/* @c comes back with what it was given last time. */
static bool resumes(struct tls_context *tls, SSL_SESSION *session, int version)
{
    struct client c = {.session = session, .version = version};
    struct outcome o = connect_to(tls, &c);
    SSL_SESSION_free(c.ret_session);
    ASSERT_TRUE(o.ok);
    return o.resumed;
}

static SSL_SESSION *session_from(struct tls_context *tls, int version)
{
    struct client c = {.version = version};
    struct outcome o = connect_to(tls, &c);
    ASSERT_TRUE(o.ok);
    ASSERT_FALSE(o.resumed);
    return c.ret_session;
}

static void resume_elsewhere(int version)
{
    struct tls_ticket_keys *keys, *others;
    pki_start(&pki);
    ASSERT_INT_EQ(tls_ticket_keys_new(&keys), 0);
    ASSERT_INT_EQ(tls_ticket_keys_new(&others), 0);
    struct pki_leaf leaf = pki_issue(&pki, "leaf", "DNS:a.example", "EC", -60, DAY);
    struct tls_config config = {.certificate_files = leaf.certificate,
                                .key_files = leaf.key,
                                .ticket_keys = keys,
                                .ticket_seconds = 600};
    struct tls_context *one = serve(&config), *two = serve(&config);
    config.ticket_keys = others;
    struct tls_context *stranger = serve(&config);
    config.ticket_keys = NULL;
    struct tls_context *without = serve(&config);

    SSL_SESSION *session = session_from(one, version);
    ASSERT_TRUE(resumes(two, session, version));
    ASSERT_FALSE(resumes(stranger, session, version));
    ASSERT_FALSE(resumes(without, session, version));
    tls_ticket_keys_rotate(keys);
    ASSERT_TRUE(resumes(two, session, version));
    tls_ticket_keys_rotate(keys);
    ASSERT_FALSE(resumes(two, session, version));
    SSL_SESSION_free(session);

    session = session_from(without, version);
    ASSERT_FALSE(resumes(without, session, version));
    SSL_SESSION_free(session);
    tls_context_free(one);
    tls_context_free(two);
    tls_context_free(stranger);
    tls_context_free(without);
    tls_ticket_keys_free(keys);
    tls_ticket_keys_free(others);
    pki_stop(&pki);
}

TEST(tls_tickets, resume_in_another_process_until_their_key_was_replaced_twice)
{
    resume_elsewhere(TLS1_2_VERSION);
    resume_elsewhere(TLS1_3_VERSION);
}

TEST(tls_tickets, allow_no_early_data)
{
    struct tls_ticket_keys *keys;
    pki_start(&pki);
    ASSERT_INT_EQ(tls_ticket_keys_new(&keys), 0);
    struct pki_leaf leaf = pki_issue(&pki, "leaf", "DNS:a.example", "EC", -60, DAY);
    struct tls_context *tls = serve(&(struct tls_config){.certificate_files = leaf.certificate,
                                                         .key_files = leaf.key,
                                                         .ticket_keys = keys,
                                                         .ticket_seconds = 600});
    SSL_SESSION *session = session_from(tls, TLS1_3_VERSION);
    ASSERT_INT_EQ(SSL_SESSION_get_max_early_data(session), 0);
    ASSERT_INT_EQ(SSL_SESSION_get_ticket_lifetime_hint(session), 600);
    SSL_SESSION_free(session);
    tls_context_free(tls);
    tls_ticket_keys_free(keys);
    pki_stop(&pki);
}

/* ---- clients that prove who they are ---- */

static struct tls_config mutual(const struct pki_leaf *server, enum tls_client_auth auth)
{
    return (struct tls_config){.certificate_files = server->certificate,
                               .key_files = server->key,
                               .client_auth = auth,
                               .client_ca_file = pki.ca_file};
}

TEST(tls_clients, are_who_their_certificate_names)
{
    pki_start(&pki);
    struct pki_leaf server = pki_issue(&pki, "server", "DNS:a.example", "EC", -60, DAY);
    struct tls_config config = mutual(&server, TLS_CLIENT_REQUIRED);
    struct tls_context *tls = serve(&config);
    static const struct {
        const char *names, *identity;
    } cases[] = {
        {"URI:spiffe://td.example/ns/shop/sa/web,DNS:web.example",
         "spiffe://td.example/ns/shop/sa/web"},
        {"DNS:web.example,DNS:other.example", "dns:web.example"},
        {"URI:https://web.example/,DNS:web.example", "dns:web.example"},
        {"URI:spiffe://td/a,URI:spiffe://td/b,DNS:web.example", ""},
        {"email:root@web.example", ""},
        {"DNS:two words.example", ""},
        {NULL, ""}, /* the common name is nobody's proof */
    };
    for (unsigned i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct pki_leaf leaf = pki_issue(&pki, "client", cases[i].names, "EC", -60, DAY);
        struct outcome o = once(tls, (struct client){.leaf = &leaf});
        ASSERT_TRUE(o.ok);
        ASSERT_STR_EQ(o.identity, cases[i].identity);
    }
    tls_context_free(tls);
    pki_stop(&pki);
}

TEST(tls_clients, are_refused_with_the_reason)
{
    struct pki other;
    pki_start(&pki);
    pki_start(&other);
    struct pki_leaf server = pki_issue(&pki, "server", "DNS:a.example", "EC", -60, DAY);
    struct pki_leaf good = pki_issue(&pki, "good", "DNS:good", "EC", -60, DAY);
    struct pki_leaf old = pki_issue(&pki, "old", "DNS:old", "EC", -DAY, -60);
    struct pki_leaf early = pki_issue(&pki, "early", "DNS:early", "EC", 3600, DAY);
    struct pki_leaf foreign = pki_issue(&other, "foreign", "DNS:foreign", "EC", -60, DAY);
    struct pki_leaf revoked = pki_issue(&pki, "revoked", "DNS:revoked", "EC", -60, DAY);
    struct tls_config config = mutual(&server, TLS_CLIENT_REQUIRED);
    pki_revoke(&pki, revoked.serial);
    config.client_crl_file = pki.crl_file;
    struct tls_context *tls = serve(&config);
    ASSERT_TRUE(once(tls, (struct client){.leaf = &good}).ok);
    ASSERT_INT_EQ(once(tls, (struct client){.leaf = &old}).failure, TLS_CERTIFICATE_EXPIRED);
    ASSERT_INT_EQ(once(tls, (struct client){.leaf = &early}).failure,
                  TLS_CERTIFICATE_NOT_YET_VALID);
    ASSERT_INT_EQ(once(tls, (struct client){.leaf = &foreign}).failure,
                  TLS_CERTIFICATE_AUTHORITY_INVALID);
    ASSERT_INT_EQ(once(tls, (struct client){.leaf = &revoked}).failure, TLS_CERTIFICATE_REVOKED);
    ASSERT_INT_EQ(once(tls, (struct client){.leaf = NULL}).failure,
                  TLS_CERTIFICATE_VERIFICATION_FAILED);
    tls_context_free(tls);

    /* Optional: none is fine, a bad one is not. */
    config.client_auth = TLS_CLIENT_OPTIONAL;
    tls = serve(&config);
    struct outcome o = once(tls, (struct client){.leaf = NULL});
    ASSERT_TRUE(o.ok);
    ASSERT_STR_EQ(o.identity, "");
    ASSERT_STR_EQ(once(tls, (struct client){.leaf = &good}).identity, "dns:good");
    ASSERT_INT_EQ(once(tls, (struct client){.leaf = &revoked}).failure, TLS_CERTIFICATE_REVOKED);

    /* A reload takes the new list in. */
    char error[300] = "";
    pki_revoke(&pki, good.serial);
    ASSERT_INT_EQ(tls_context_reload(tls, error, sizeof error), 0);
    ASSERT_INT_EQ(once(tls, (struct client){.leaf = &good}).failure, TLS_CERTIFICATE_REVOKED);
    ASSERT_TRUE(once(tls, (struct client){.leaf = &revoked}).ok);
    tls_context_free(tls);
    pki_stop(&other);
    pki_stop(&pki);
}

TEST(tls_clients, get_no_ticket_that_would_outlive_their_certificate)
{
    struct tls_ticket_keys *keys;
    pki_start(&pki);
    ASSERT_INT_EQ(tls_ticket_keys_new(&keys), 0);
    struct pki_leaf server = pki_issue(&pki, "server", "DNS:a.example", "EC", -60, DAY);
    struct tls_config config = mutual(&server, TLS_CLIENT_OPTIONAL);
    config.ticket_keys = keys;
    config.ticket_seconds = 600;
    struct tls_context *asks = serve(&config);
    config.client_auth = TLS_CLIENT_OFF;
    struct tls_context *does_not = serve(&config);
    SSL_SESSION *session = session_from(asks, TLS1_3_VERSION);
    ASSERT_FALSE(resumes(asks, session, TLS1_3_VERSION));
    SSL_SESSION_free(session);
    session = session_from(does_not, TLS1_3_VERSION);
    ASSERT_FALSE(resumes(asks, session, TLS1_3_VERSION));
    ASSERT_TRUE(resumes(does_not, session, TLS1_3_VERSION));
    SSL_SESSION_free(session);
    tls_context_free(asks);
    tls_context_free(does_not);
    tls_ticket_keys_free(keys);
    pki_stop(&pki);
}

TEST(tls_clients, need_readable_files)
{
    char error[300];
    struct tls_context *tls = NULL;
    pki_start(&pki);
    struct pki_leaf server = pki_issue(&pki, "server", "DNS:a.example", "EC", -60, DAY);
    struct tls_config config = mutual(&server, TLS_CLIENT_REQUIRED);
    config.client_ca_file = server.key;
    ASSERT_INT_EQ(tls_context_new(&tls, &config, error, sizeof error), -EINVAL);
    ASSERT_HAS(error, "no CA certificates");
    config.client_ca_file = pki.ca_file;
    config.client_crl_file = pki.ca_file;
    ASSERT_INT_EQ(tls_context_new(&tls, &config, error, sizeof error), -EINVAL);
    ASSERT_HAS(error, "no revocation lists");
    pki_stop(&pki);
}

/* ---- reloading ---- */

TEST(tls_reload, sees_changes_without_reading)
{
    pki_start(&pki);
    struct pki_leaf leaf = pki_issue(&pki, "leaf", "DNS:a.example", "EC", -60, DAY);
    struct tls_context *tls =
        serve(&(struct tls_config){.certificate_files = leaf.certificate, .key_files = leaf.key});
    uint64_t before = tls_context_stamp(tls);
    ASSERT_TRUE(before == tls_context_stamp(tls));
    struct utimbuf then = {.actime = 1000, .modtime = 1000};
    ASSERT_INT_EQ(utime(leaf.key, &then), 0);
    uint64_t touched = tls_context_stamp(tls);
    ASSERT_TRUE(touched != before);
    unlink(leaf.certificate);
    uint64_t gone = tls_context_stamp(tls);
    ASSERT_TRUE(gone != touched);
    /* Checking and failing change nothing. */
    char error[300];
    ASSERT_INT_EQ(tls_context_check(tls, error, sizeof error), -EINVAL);
    ASSERT_INT_EQ(tls_context_reload(tls, error, sizeof error), -EINVAL);
    ASSERT_STR_EQ(once(tls, (struct client){.name = NULL}).subject, "leaf");
    leaf = pki_issue(&pki, "leaf", "DNS:b.example", "RSA", -60, DAY);
    ASSERT_TRUE(tls_context_stamp(tls) != gone);
    ASSERT_INT_EQ(tls_context_check(tls, error, sizeof error), 0);
    ASSERT_INT_EQ(once(tls, (struct client){.name = NULL}).key_type, EVP_PKEY_EC);
    ASSERT_INT_EQ(tls_context_reload(tls, error, sizeof error), 0);
    ASSERT_INT_EQ(once(tls, (struct client){.name = NULL}).key_type, EVP_PKEY_RSA);
    tls_context_free(tls);
    pki_stop(&pki);
}
