/* Host names to addresses on a helper thread, because PQconnectStart would look them up on the
 * loop. connect.c uses it for conninfos whose hosts are neither numbers nor socket directories; the
 * names are kept beside the addresses, so that sslmode=verify-full still checks them. What must
 * stay true: the thread touches nothing but its own struct. */
#include <arpa/inet.h>
#include <netdb.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/buf.h"
#include "base/check.h"
#include "db/internal.h"

struct resolve {
    struct loop_post post;
    struct loop *loop;
    pthread_t thread;
    void (*on_done)(void *ctx, struct resolve *resolve); /* NULL: nobody waits any more */
    void *ctx;
    bool is_joined;
    bool is_posted; /* the loop has run our post */
    char *hosts;
    char *ports;
    struct buf out_host, out_addr, out_port;
    char error[400];
};

const char *resolve_given(const PQconninfoOption *options, const char *keyword, const char *env)
{
    bool has_service = getenv("PGSERVICE") != NULL;
    for (const PQconninfoOption *o = options; o->keyword; o++) {
        if (o->val && strcmp(o->keyword, keyword) == 0)
            return o->val;
        has_service |= o->val && strcmp(o->keyword, "service") == 0;
    }
    return has_service ? NULL : getenv(env);
}

static bool is_local(struct str host)
{
    return host.n == 0 || host.p[0] == '/' || host.p[0] == '@';
}

static bool is_name(struct str host)
{
    char text[256];
    struct in6_addr address;
    if (is_local(host) || host.n >= sizeof text)
        return false;
    memcpy(text, host.p, host.n);
    text[host.n] = '\0';
    return inet_pton(AF_INET, text, &address) != 1 && inet_pton(AF_INET6, text, &address) != 1;
}

bool resolve_is_needed(const PQconninfoOption *options)
{
    const char *address = resolve_given(options, "hostaddr", "PGHOSTADDR");
    struct str hosts = str_of(resolve_given(options, "host", "PGHOST"));
    if (address && *address)
        return false;
    while (hosts.n > 0)
        if (is_name(str_cut(&hosts, ',')))
            return true;
    return false;
}

static void add(struct resolve *r, struct str host, struct str address, struct str port)
{
    const char *comma = buf_len(&r->out_port) > 0 ? "," : "";
    if (port.n == 0)
        port = STR("5432");
    buf_printf(&r->out_host, "%s%.*s", comma, (int)host.n, host.p);
    buf_printf(&r->out_addr, "%s%.*s", comma, (int)address.n, address.p);
    buf_printf(&r->out_port, "%s%.*s", comma, (int)port.n, port.p);
}

static void look_up(struct resolve *r, struct str host, struct str port)
{
    char name[256];
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_family = AF_UNSPEC};
    struct addrinfo *list = NULL;
    snprintf(name, sizeof name, "%.*s", (int)host.n, host.p);
    int rc = getaddrinfo(name, NULL, &hints, &list);
    if (rc != 0) {
        snprintf(r->error, sizeof r->error, "%s: %s", name, gai_strerror(rc));
        return;
    }
    for (const struct addrinfo *a = list; a; a = a->ai_next) {
        char text[INET6_ADDRSTRLEN + 20];
        if (getnameinfo(a->ai_addr, a->ai_addrlen, text, sizeof text, NULL, 0, NI_NUMERICHOST) == 0)
            add(r, host, str_of(text), port);
    }
    freeaddrinfo(list);
}

static void on_loop(struct loop_post *post)
{
    struct resolve *r = list_entry(post, struct resolve, post);
    r->is_posted = true;
    if (r->on_done)
        r->on_done(r->ctx, r);
    else
        resolve_free(r);
}

static void *run(void *arg)
{
    struct resolve *r = arg;
    struct str hosts = str_of(r->hosts), ports = str_of(r->ports);
    bool one_port = !strchr(r->ports, ',');
    while (hosts.n > 0) {
        struct str host = str_cut(&hosts, ',');
        struct str port = one_port ? str_of(r->ports) : str_cut(&ports, ',');
        if (is_name(host))
            look_up(r, host, port);
        else
            add(r, host, is_local(host) ? STR("") : host, port);
    }
    loop_post(r->loop, &r->post, on_loop);
    return NULL;
}

struct resolve *resolve_start(struct loop *loop, const PQconninfoOption *options,
                              void (*on_done)(void *ctx, struct resolve *resolve), void *ctx)
{
    struct resolve *r = calloc(1, sizeof *r);
    CHECK(r);
    r->loop = loop;
    r->on_done = on_done;
    r->ctx = ctx;
    const char *hosts = resolve_given(options, "host", "PGHOST");
    const char *ports = resolve_given(options, "port", "PGPORT");
    r->hosts = strdup(hosts ? hosts : "");
    r->ports = strdup(ports ? ports : "");
    CHECK(r->hosts && r->ports);
    CHECK(pthread_create(&r->thread, NULL, run, r) == 0);
    return r;
}

bool resolve_result(const struct resolve *r, const char **ret_host, const char **ret_hostaddr,
                    const char **ret_port, const char **ret_error)
{
    *ret_error = r->error;
    if (buf_len(&r->out_host) == 0)
        return false;
    *ret_host = (const char *)r->out_host.p;
    *ret_hostaddr = (const char *)r->out_addr.p;
    *ret_port = (const char *)r->out_port.p;
    return true;
}

void resolve_free(struct resolve *r)
{
    if (!r)
        return;
    if (!r->is_joined) {
        pthread_join(r->thread, NULL);
        r->is_joined = true;
    }
    r->on_done = NULL;
    if (!r->is_posted)
        return; /* the loop still holds the post and frees us with it */
    buf_deinit(&r->out_host);
    buf_deinit(&r->out_addr);
    buf_deinit(&r->out_port);
    free(r->hosts);
    free(r->ports);
    free(r);
}
