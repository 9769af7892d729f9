/* Payment providers: one table per kind, chosen at start; and the key file. Checkout and the
 * completer call it. What must stay true: the API key is in memory only, and no event or error line
 * shows it. */
#include "services/shared/provider.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/check.h"
#include "services/shared/error_line.h"
#include "services/shared/provider_internal.h"

#define KEY_BYTES_MAX 256
#define CONNECTIONS_KEPT_MAX 128 /* to the one host; above: closed after use */

static struct provider *of(const struct call *c)
{
    struct provider *p = app_of(c)->provider;
    CHECK(p);
    return p;
}

void provider_authorise(struct call *c, const struct provider_payment *payment,
                        struct provider_answer *ret)
{
    of(c)->ops->authorise(of(c), c, payment, ret);
}

void provider_capture(struct call *c, const struct provider_payment *payment,
                      struct provider_answer *ret)
{
    of(c)->ops->capture(of(c), c, payment, ret);
}

void provider_void(struct call *c, const struct provider_payment *payment,
                   struct provider_answer *ret)
{
    of(c)->ops->void_payment(of(c), c, payment, ret);
}

void provider_inquire(struct call *c, const struct provider_payment *payment,
                      struct provider_answer *ret)
{
    of(c)->ops->inquire(of(c), c, payment, ret);
}

void provider_refund(struct call *c, const struct provider_refund *refund,
                     struct provider_answer *ret)
{
    of(c)->ops->refund(of(c), c, refund, ret);
}

void provider_inquire_refund(struct call *c, const struct provider_refund *refund,
                             struct provider_answer *ret)
{
    of(c)->ops->inquire_refund(of(c), c, refund, ret);
}

const char *provider_outcome_name(enum provider_outcome outcome)
{
    static const char *const names[] = {
        [PROVIDER_UNKNOWN] = "UNKNOWN",
        [PROVIDER_NOT_SENT] = "NOT_SENT",
        [PROVIDER_AUTHORIZED] = "AUTHORIZED",
        [PROVIDER_CAPTURED] = "CAPTURED",
        [PROVIDER_DECLINED] = "DECLINED",
        [PROVIDER_ACTION_REQUIRED] = "ACTION_REQUIRED",
        [PROVIDER_CANCELLED] = "CANCELLED",
        [PROVIDER_UNCONFIRMED] = "UNCONFIRMED",
        [PROVIDER_NOT_FOUND] = "NOT_FOUND",
        [PROVIDER_REFUND_PENDING] = "REFUND_PENDING",
        [PROVIDER_REFUND_SUCCEEDED] = "REFUND_SUCCEEDED",
        [PROVIDER_REFUND_FAILED] = "REFUND_FAILED",
    };
    CHECK((size_t)outcome < sizeof names / sizeof names[0]);
    return names[outcome];
}

const char *provider_name(const struct app *app)
{
    return app->provider->ops->name;
}

/* The first line of @file; printable, so that it cannot smuggle a header in. */
static int key_read(const char *file, char ret_key[static KEY_BYTES_MAX], char *error,
                    size_t error_bytes)
{
    int fd = open(file, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? -1 : read(fd, ret_key, KEY_BYTES_MAX - 1);
    int r = n < 0 ? -errno : 0;
    if (fd >= 0)
        close(fd);
    if (r < 0)
        return error_line(error, error_bytes, r, "--provider-key=%s: %s", file, strerror(-r));
    ret_key[n] = '\0';
    ret_key[strcspn(ret_key, "\r\n")] = '\0';
    bool good = ret_key[0] != '\0';
    for (const char *p = ret_key; *p; p++)
        good = good && *p > ' ' && *p < 0x7f;
    return good ? 0
                : error_line(error, error_bytes, -EINVAL,
                             "--provider-key=%s: the first line is not an API key", file);
}

static bool is_web(struct str url)
{
    struct str rest = url;
    if (!str_skip(&rest, STR("http://")) && !str_skip(&rest, STR("https://")))
        return false;
    bool good = rest.n > 0 && rest.p[0] != '/';
    for (size_t i = 0; i < rest.n; i++)
        good = good && rest.p[i] > ' ' && rest.p[i] < 0x7f;
    return good;
}

static int stripe_setup(struct provider *p, const char *url, const char *key_file, char *error,
                        size_t error_bytes)
{
    char key[KEY_BYTES_MAX];
    struct str u = str_of(url);
    if (!is_web(u))
        return error_line(error, error_bytes, -EINVAL,
                          "--provider-url=%s: not an http or https URL", url ? url : "");
    int r = key_read(key_file ? key_file : "", key, error, error_bytes);
    if (r < 0)
        return r;
    while (u.p[u.n - 1] == '/')
        u.n--;
    p->url = strndup(u.p, u.n);
    CHECK(p->url);
    CHECK(asprintf(&p->authorization, "Authorization: Bearer %s", key) > 0);
    explicit_bzero(key, sizeof key);
    return 0;
}

int provider_start(struct provider *p, struct loop *loop)
{
    struct http_limits limits = http_limits_default();
    limits.connections_kept_max = CONNECTIONS_KEPT_MAX;
    return p->url ? http_new(&p->http, loop, &limits) : 0;
}

int provider_new(struct provider **ret_provider, const char *kind, const char *url,
                 const char *key_file, const char *return_url, const struct app_limits *limits,
                 char *error, size_t error_bytes)
{
    struct provider *p = calloc(1, sizeof *p);
    CHECK(p);
    int r = 0;
    p->timeout_ms = limits->provider_timeout_ms;
    p->return_url = str_of(return_url);
    if (return_url[0] && !is_web(p->return_url)) {
        r = error_line(error, error_bytes, -EINVAL,
                       "--payment-return-url=%s: not an http or https URL", return_url);
    } else if (strcmp(kind, "stripe") == 0) {
        p->ops = &provider_stripe;
        r = stripe_setup(p, url, key_file, error, error_bytes);
    } else if (strcmp(kind, "instant") == 0) {
        p->ops = &provider_instant;
    } else {
        r = error_line(error, error_bytes, -EINVAL, "provider %s: there are stripe and instant",
                       kind);
    }
    if (r < 0)
        p = provider_free(p);
    *ret_provider = p;
    return r;
}

struct provider *provider_free(struct provider *p)
{
    if (!p)
        return NULL;
    http_free(p->http);
    free(p->url);
    if (p->authorization)
        explicit_bzero(p->authorization, strlen(p->authorization));
    free(p->authorization);
    free(p);
    return NULL;
}
