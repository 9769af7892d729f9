/* See xfcc.h. Elements are parted by commas, their pairs by semicolons, keys from values by the
 * first equals sign; inside double quotes none of them parts anything and a backslash escapes.
 * What must stay true: an element our proxy did not write is never looked at, however it is quoted.
 */
#include "grpc/xfcc.h"

#include <errno.h>
#include <stdio.h>
#include <strings.h>

/* Cuts off everything before the next @sep outside quotes. False: a quote is not closed. */
static bool cut_unquoted(struct str *s, char sep, struct str *ret_part)
{
    bool quoted = false;
    size_t i = 0;
    for (; i < s->n && (quoted || s->p[i] != sep); i++) {
        if (s->p[i] == '"')
            quoted = !quoted;
        else if (quoted && s->p[i] == '\\')
            i++;
    }
    if (quoted || i > s->n)
        return false;
    *ret_part = (struct str){.p = s->p, .n = i};
    size_t taken = i < s->n ? i + 1 : i;
    *s = (struct str){.p = s->p + taken, .n = s->n - taken};
    return true;
}

static bool is_key(struct str s, const char *key)
{
    struct str k = str_of(key);
    return s.n == k.n && strncasecmp(s.p, k.p, k.n) == 0;
}

static bool unquote(struct str *value)
{
    if (value->n == 0 || value->p[0] != '"')
        return value->n == 0 || !memchr(value->p, '"', value->n);
    if (value->n < 2 || value->p[value->n - 1] != '"')
        return false;
    *value = (struct str){.p = value->p + 1, .n = value->n - 2};
    /* A quote in the middle would have ended it. */
    for (size_t i = 0; i < value->n; i++) {
        if (value->p[i] == '"')
            return false;
        if (value->p[i] == '\\' && ++i == value->n)
            return false;
    }
    return true;
}

static void keep(struct xfcc *x, struct str key, struct str value)
{
    if (is_key(key, "By") && x->by.n == 0)
        x->by = value;
    else if (is_key(key, "Hash") && x->hash.n == 0)
        x->hash = value;
    else if (is_key(key, "Subject") && x->subject.n == 0)
        x->subject = value;
    else if (is_key(key, "URI") && x->uri_count++ == 0)
        x->uri = value;
    else if (is_key(key, "DNS") && x->dns_count++ == 0)
        x->dns = value;
}

static struct str trim(struct str s)
{
    while (s.n > 0 && (s.p[0] == ' ' || s.p[0] == '\t'))
        s = (struct str){.p = s.p + 1, .n = s.n - 1};
    while (s.n > 0 && (s.p[s.n - 1] == ' ' || s.p[s.n - 1] == '\t'))
        s.n--;
    return s;
}

static int parse_element(struct str element, struct xfcc *x)
{
    if (element.n == 0)
        return -EINVAL;
    while (element.n > 0) {
        struct str pair;
        if (!cut_unquoted(&element, ';', &pair))
            return -EINVAL;
        struct str value = pair;
        struct str key = str_cut(&value, '=');
        if (key.n == 0 || key.n == pair.n || memchr(key.p, '"', key.n) || !unquote(&value))
            return -EINVAL;
        keep(x, key, value);
    }
    return 0;
}

int xfcc_last(struct str header, struct xfcc *ret_xfcc)
{
    struct str element = {0};
    *ret_xfcc = (struct xfcc){0};
    if (header.n > 0 && header.p[header.n - 1] == ',')
        return -EINVAL;
    while (header.n > 0)
        if (!cut_unquoted(&header, ',', &element))
            return -EINVAL;
    int r = parse_element(trim(element), ret_xfcc);
    if (r < 0)
        *ret_xfcc = (struct xfcc){0};
    return r;
}

/* The characters of tls_names.c's identities. */
static bool is_plain(struct str s)
{
    for (size_t i = 0; i < s.n; i++)
        if (s.p[i] <= ' ' || s.p[i] > '~' || memchr("\\\",+", s.p[i], 4))
            return false;
    return s.n > 0;
}

size_t xfcc_identity(const struct xfcc *x, char *ret_text, size_t bytes)
{
    bool is_svid = str_starts(x->uri, STR("spiffe://"));
    struct str name = is_svid ? x->uri : x->dns;
    if ((is_svid && x->uri_count > 1) || !is_plain(name))
        return 0;
    int n = snprintf(ret_text, bytes, "%s%.*s", is_svid ? "" : "dns:", (int)name.n, name.p);
    return (size_t)n < bytes ? (size_t)n : 0;
}
