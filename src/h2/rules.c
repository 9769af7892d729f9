/* Is a request well-formed (RFC 9113 sections 8.1 to 8.3)? callbacks.c asks, field by field and
 * DATA by DATA. These rules replace nghttp2's, which were a tenth of what a small call cost: they
 * know the names that calls have, and look at eight characters at a time. What must stay true: what
 * nghttp2 would refuse is refused here and nothing else is (tests/unit/h2/test_rules.c and
 * fuzz_rules compare the two); characters beyond plain ASCII are nghttp2's to judge. */
#include <strings.h>

#include "h2/internal.h"

enum seen {
    SEEN_METHOD = 1 << 0,
    SEEN_SCHEME = 1 << 1,
    SEEN_PATH = 1 << 2,
    SEEN_AUTHORITY = 1 << 3,
    SEEN_HOST = 1 << 4,
    SEEN_REGULAR = 1 << 5, /* no pseudo-header field may follow */
    IS_CONNECT = 1 << 6,
    IS_OPTIONS = 1 << 7,
    IS_HTTP = 1 << 8, /* the scheme: paths have rules */
    IS_SLASH_PATH = 1 << 9,
    IS_STAR_PATH = 1 << 10,
};

/* ---- characters ---- */

/* Every byte is a character from @first to '~'. */
static bool is_plain(struct str s, char first)
{
    uint64_t word, odd = 0;
    if (s.n < sizeof word) {
        for (size_t i = 0; i < s.n; i++)
            odd |= (uint8_t)s.p[i] < (uint8_t)first || (uint8_t)s.p[i] > '~';
        return odd == 0;
    }
    for (size_t i = 0; i + sizeof word < s.n; i += sizeof word) {
        memcpy(&word, s.p + i, sizeof word);
        odd |= str_odd_bytes(word, first);
    }
    memcpy(&word, s.p + s.n - sizeof word, sizeof word); /* over some of those before */
    return (odd | str_odd_bytes(word, first)) == 0;
}

static bool is_value(struct str s)
{
    if (s.n == 0 || (is_plain(s, ' ') && s.p[0] != ' ' && s.p[s.n - 1] != ' '))
        return true;
    return nghttp2_check_header_value_rfc9113((const uint8_t *)s.p, s.n);
}

static bool is_name(struct str s)
{
    return nghttp2_check_header_name((const uint8_t *)s.p, s.n);
}

static bool is_scheme(struct str s)
{
    for (size_t i = 0; i < s.n; i++) {
        char c = s.p[i];
        bool is_letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
        bool is_mark = (c >= '0' && c <= '9') || c == '+' || c == '-' || c == '.';
        if (!is_letter && (i == 0 || !is_mark))
            return false;
    }
    return s.n > 0;
}

static bool is_authority(struct str s)
{
    return s.n > 0 && nghttp2_check_authority((const uint8_t *)s.p, s.n);
}

static bool is_caseless(struct str s, struct str word)
{
    return s.n == word.n &&
           (memcmp(s.p, word.p, word.n) == 0 || strncasecmp(s.p, word.p, word.n) == 0);
}

/* ---- fields ---- */

/* @word has the length of @name: a case of h2_field_of's. */
#define is(name, word) (memcmp((name).p, word, sizeof(word) - 1) == 0)

/* By length first: most names are compared with one word. */
enum h2_field h2_field_of(struct str name)
{
    switch (name.n) {
    case 2:
        return is(name, "te") ? H2_FIELD_TE : H2_FIELD_OTHER;
    case 4:
        return is(name, "host") ? H2_FIELD_HOST : H2_FIELD_OTHER;
    case 5:
        return is(name, ":path") ? H2_FIELD_PATH : H2_FIELD_OTHER;
    case 7:
        return is(name, ":method")   ? H2_FIELD_METHOD
               : is(name, ":scheme") ? H2_FIELD_SCHEME
               : is(name, "upgrade") ? H2_FIELD_FORBIDDEN
                                     : H2_FIELD_OTHER;
    case 10:
        return is(name, ":authority")                             ? H2_FIELD_AUTHORITY
               : is(name, "user-agent")                           ? H2_FIELD_USER_AGENT
               : is(name, "connection") || is(name, "keep-alive") ? H2_FIELD_FORBIDDEN
                                                                  : H2_FIELD_OTHER;
    case 11:
        return is(name, "traceparent") ? H2_FIELD_TRACEPARENT : H2_FIELD_OTHER;
    case 12:
        return is(name, "content-type")   ? H2_FIELD_CONTENT_TYPE
               : is(name, "grpc-timeout") ? H2_FIELD_GRPC_TIMEOUT
                                          : H2_FIELD_OTHER;
    case 13:
        return is(name, "authorization")   ? H2_FIELD_AUTHORIZATION
               : is(name, "grpc-encoding") ? H2_FIELD_GRPC_ENCODING
                                           : H2_FIELD_OTHER;
    case 14:
        return is(name, "content-length") ? H2_FIELD_CONTENT_LENGTH : H2_FIELD_OTHER;
    case 16:
        return is(name, "proxy-connection") ? H2_FIELD_FORBIDDEN : H2_FIELD_OTHER;
    case 17:
        return is(name, "transfer-encoding") ? H2_FIELD_FORBIDDEN : H2_FIELD_OTHER;
    case 20:
        return is(name, "grpc-accept-encoding") ? H2_FIELD_GRPC_ACCEPT_ENCODING : H2_FIELD_OTHER;
    default:
        return H2_FIELD_OTHER;
    }
}

/* True the first time. */
static bool is_first(struct h2_rules *r, enum seen bit)
{
    bool seen = r->seen & bit;
    r->seen |= (uint16_t)bit;
    return !seen;
}

static bool take_method(struct h2_rules *r, struct str value)
{
    if (!str_eq(value, STR("POST")) && !nghttp2_check_method((const uint8_t *)value.p, value.n))
        return false;
    if (str_eq(value, STR("CONNECT")))
        r->seen |= IS_CONNECT;
    if (str_eq(value, STR("OPTIONS")))
        r->seen |= IS_OPTIONS;
    return is_first(r, SEEN_METHOD);
}

static bool take_scheme(struct h2_rules *r, struct str value)
{
    if (is_caseless(value, STR("http")) || is_caseless(value, STR("https")))
        r->seen |= IS_HTTP;
    else if (!is_scheme(value))
        return false;
    return is_first(r, SEEN_SCHEME);
}

static bool take_path(struct h2_rules *r, struct str value)
{
    if (value.n == 0 ||
        (!is_plain(value, '!') && !nghttp2_check_path((const uint8_t *)value.p, value.n)))
        return false;
    if (value.p[0] == '/')
        r->seen |= IS_SLASH_PATH;
    else if (value.p[0] == '*' && value.n == 1)
        r->seen |= IS_STAR_PATH;
    return is_first(r, SEEN_PATH);
}

static bool take_length(struct h2_rules *r, struct str value)
{
    int64_t length;
    /* Digits and nothing else: a sign would pass the parser below. */
    if (r->has_length || value.n == 0 || value.p[0] < '0' || value.p[0] > '9' ||
        str_int64(value, 0, INT64_MAX, &length) < 0)
        return false;
    r->has_length = true;
    r->length = (uint64_t)length;
    return true;
}

bool h2_rules_field(struct h2_rules *r, bool is_trailer, enum h2_field which, struct str name,
                    struct str value)
{
    bool is_pseudo = name.n > 0 && name.p[0] == ':';
    if (is_pseudo && (is_trailer || r->seen & SEEN_REGULAR))
        return false;
    if (!is_pseudo)
        r->seen |= SEEN_REGULAR;
    switch (which) {
    case H2_FIELD_OTHER:
        return !is_pseudo && is_name(name) && is_value(value);
    case H2_FIELD_METHOD:
        return take_method(r, value);
    case H2_FIELD_SCHEME:
        return take_scheme(r, value);
    case H2_FIELD_PATH:
        return take_path(r, value);
    case H2_FIELD_AUTHORITY:
        return is_authority(value) && is_first(r, SEEN_AUTHORITY);
    case H2_FIELD_HOST:
        return is_authority(value) && is_first(r, SEEN_HOST);
    case H2_FIELD_TE:
        return is_caseless(value, STR("trailers"));
    case H2_FIELD_CONTENT_LENGTH:
        return take_length(r, value);
    case H2_FIELD_FORBIDDEN:
        return false;
    default:
        return is_value(value);
    }
}

/* ---- the whole ---- */

static bool is_target(struct h2_rules *r)
{
    const unsigned all = SEEN_METHOD | SEEN_SCHEME | SEEN_PATH;
    if (r->seen & IS_CONNECT) {
        r->has_length = false; /* its DATA is a tunnel's */
        return r->seen & SEEN_AUTHORITY && !(r->seen & (SEEN_SCHEME | SEEN_PATH));
    }
    if ((r->seen & all) != all || !(r->seen & (SEEN_AUTHORITY | SEEN_HOST)))
        return false;
    return !(r->seen & IS_HTTP) || r->seen & IS_SLASH_PATH ||
           (r->seen & IS_OPTIONS && r->seen & IS_STAR_PATH);
}

bool h2_rules_block(struct h2_rules *r, bool is_trailer, bool is_end)
{
    if (is_trailer ? !is_end : !is_target(r))
        return false;
    return !is_end || h2_rules_end(r);
}

bool h2_rules_data(struct h2_rules *r, size_t bytes)
{
    r->received += bytes;
    return !r->has_length || r->received <= r->length;
}

bool h2_rules_end(const struct h2_rules *r)
{
    return !r->has_length || r->received == r->length;
}
