/* The shapes of strings: UUIDs, codes, names, resource names. Pure functions over bytes that are
 * known to be UTF-8. Called by rules.c. What must stay true: the texts say what is wanted, never
 * repeat what was sent. */
#include <faregate/v1/options.pb-c.h>

#include "base/uuid.h"
#include "grpc/rules.h"

/* Kinds of ASCII characters, one bit each: a name is looked at on every call. */
enum {
    UPPER = 1 << 0,
    LOWER = 1 << 1,
    DIGIT = 1 << 2,
    PUNCTUATION = 1 << 3, /* the marks that a URL path may hold: . _ ~ - */
    PRINTABLE = 1 << 4,   /* visible, no space */
    ALNUM = UPPER | LOWER | DIGIT,
};

static uint8_t kinds[256];

__attribute__((constructor)) static void fill_kinds(void)
{
    for (unsigned c = 0x21; c < 0x7f; c++)
        kinds[c] = PRINTABLE;
    for (unsigned c = 'A'; c <= 'Z'; c++)
        kinds[c] |= UPPER;
    for (unsigned c = 'a'; c <= 'z'; c++)
        kinds[c] |= LOWER;
    for (unsigned c = '0'; c <= '9'; c++)
        kinds[c] |= DIGIT;
    kinds['.'] |= PUNCTUATION;
    kinds['_'] |= PUNCTUATION;
    kinds['~'] |= PUNCTUATION;
    kinds['-'] |= PUNCTUATION;
}

static bool is(char c, unsigned kind)
{
    return (kinds[(uint8_t)c] & kind) != 0;
}

/* Every character is of one of the kinds, and there is one. */
static bool all(struct str s, unsigned kind)
{
    for (size_t i = 0; i < s.n; i++)
        if (!is(s.p[i], kind))
            return false;
    return s.n > 0;
}

static bool is_uuid(struct str s)
{
    struct uuid ignored;
    return uuid_parse(s, &ignored) == 0;
}

/* Deliverability is for the mail; this keeps out what cannot be an address or would split a header.
 */
static bool is_email(struct str s)
{
    struct str domain = s;
    struct str local = str_cut(&domain, '@');
    if (local.n == 0 || local.n > 64 || local.n + 1 >= s.n || domain.n < 3)
        return false;
    for (size_t i = 0; i < local.n; i++)
        if (local.p[i] <= 0x20 || local.p[i] == 0x7f || strchr("()<>,;:\\\"[]", local.p[i]))
            if ((uint8_t)local.p[i] < 0x80)
                return false;
    bool has_dot = false;
    while (domain.n > 0) {
        size_t before = domain.n;
        struct str label = str_cut(&domain, '.');
        if (label.n == 0 || label.n > 63 || label.p[0] == '-' || label.p[label.n - 1] == '-')
            return false;
        for (size_t i = 0; i < label.n; i++)
            if ((uint8_t)label.p[i] < 0x80 && !is(label.p[i], ALNUM) && label.p[i] != '-')
                return false;
        if (before > label.n) {
            has_dot = true;
            if (domain.n == 0)
                return false;
        }
    }
    return has_dot;
}

/* One code point of valid UTF-8. */
static uint32_t next_point(struct str *s)
{
    uint8_t lead = (uint8_t)s->p[0];
    size_t n = lead < 0x80 ? 1 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
    uint32_t point = n == 1 ? lead : lead & (0x7fu >> n);
    if (n > s->n)
        n = s->n;
    for (size_t i = 1; i < n; i++)
        point = point << 6 | ((uint8_t)s->p[i] & 0x3f);
    s->p += n;
    s->n -= n;
    return point;
}

struct points {
    uint32_t first, last;
};

/* Beyond ASCII, the blocks without letters (controls, punctuation, symbols, private use, emoji),
 * what cannot be seen, and marks. */
static const struct points no_letters[] = {
    {0x80, 0xa9},       {0xab, 0xb4},        {0xb6, 0xb9},       {0xbb, 0xbf},
    {0xd7, 0xd7},       {0xf7, 0xf7},        {0x300, 0x36f},     {0x483, 0x489},
    {0x600, 0x605},     {0x61c, 0x61c},      {0x6dd, 0x6dd},     {0x70f, 0x70f},
    {0x115f, 0x1160},   {0x1680, 0x1680},    {0x17b4, 0x17b5},   {0x180b, 0x180f},
    {0x1ab0, 0x1aff},   {0x1dc0, 0x1dff},    {0x2000, 0x2bff},   {0x3000, 0x3004},
    {0x3008, 0x3020},   {0x3099, 0x309a},    {0x3164, 0x3164},   {0xd800, 0xf8ff},
    {0xfe00, 0xfe6f},   {0xfeff, 0xff20},    {0xffa0, 0xffa0},   {0xfff0, 0xffff},
    {0x13430, 0x1343f}, {0x16fe4, 0x16fe4},  {0x1bca0, 0x1bca3}, {0x1d000, 0x1dfff},
    {0x1ec70, 0x1ffff}, {0xe0000, 0x10ffff},
};

/* What stands on a letter, and chooses between shapes of it: part of it behind one, else nothing.
 */
static const struct points marks[] = {
    {0x300, 0x34e},   {0x350, 0x36f},   {0x483, 0x489},   {0x180b, 0x180f}, {0x1ab0, 0x1aff},
    {0x1dc0, 0x1dff}, {0x3099, 0x309a}, {0xfe00, 0xfe0f}, {0xfe20, 0xfe2f}, {0xe0100, 0xe01ef},
};

static bool is_among(uint32_t c, const struct points *sorted, size_t count)
{
    for (size_t i = 0; i < count && sorted[i].first <= c; i++)
        if (c <= sorted[i].last)
            return true;
    return false;
}

static bool is_letter(uint32_t c)
{
    if (c < 0x80)
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
    return !is_among(c, no_letters, sizeof no_letters / sizeof no_letters[0]);
}

static bool is_mark(uint32_t c)
{
    return is_among(c, marks, sizeof marks / sizeof marks[0]);
}

/* Apostrophe, typographic apostrophe, hyphen, full stop and space join letters; never two spaces,
 * never at the start. Middle dot (Catalan), zero width joiner and non-joiner (Sinhala, Persian)
 * stand between two letters; behind a virama a joiner also ends a word (Malayalam, Bengali). */
static bool is_person_name(struct str s)
{
    uint32_t before = ' ';
    bool after_letter = false, needs_letter = false;
    while (s.n > 0) {
        uint32_t c = next_point(&s);
        bool joins = c == '\'' || c == '-' || c == '.' || c == 0x2019 || c == ' ';
        bool parts = c == 0xb7 || c == 0x200c || c == 0x200d;
        bool marks_letter = is_mark(c);
        if (!joins && !parts && !marks_letter && !is_letter(c))
            return false;
        if ((joins && before == ' ') || ((parts || marks_letter) && !after_letter) ||
            (needs_letter && !is_letter(c)))
            return false;
        after_letter = !joins && !parts;
        needs_letter = parts && !(c == 0x200d && (before == 0xd4d || before == 0x9cd));
        before = c;
    }
    return before != ' ' && before != '-' && before != '\'' && before != 0x2019 && !needs_letter;
}

static bool is_phone(struct str s)
{
    return str_skip(&s, STR("+")) && s.n >= 7 && s.n <= 15 && s.p[0] != '0' && all(s, DIGIT);
}

static bool is_seat(struct str s)
{
    if (s.n < 2 || s.n > 4 || s.p[0] == '0' || !is(s.p[s.n - 1], UPPER))
        return false;
    return all((struct str){.p = s.p, .n = s.n - 1}, DIGIT);
}

static bool is_language(struct str s)
{
    while (s.n > 0) {
        size_t before = s.n;
        struct str part = str_cut(&s, '-');
        if (part.n > 8 || !all(part, ALNUM) || (before > part.n && s.n == 0))
            return false;
    }
    return true;
}

static bool is_resource_name(struct str s)
{
    while (s.n > 0) {
        size_t before = s.n;
        struct str part = str_cut(&s, '/');
        if (!all(part, ALNUM | PUNCTUATION) || (before > part.n && s.n == 0))
            return false;
    }
    return true;
}

/* 12 to 19 digits that no letter or _ adjoins; @dashes: with these between them. */
static bool has_card_number(struct str s, bool dashes)
{
    unsigned digits = 0;
    bool joined = false;
    for (size_t i = 0; i <= s.n; i++) {
        char b = i < s.n ? s.p[i] : '\0';
        if (is(b, DIGIT)) {
            digits++;
            continue;
        }
        if (dashes && b == '-' && digits > 0)
            continue;
        bool joins = b == '_' || is(b, ALNUM);
        if (digits >= 12 && digits <= 19 && !joined && !joins)
            return true;
        digits = 0;
        joined = joins;
    }
    return false;
}

static const char *payment_method(struct str s)
{
    if (!all(s, PRINTABLE))
        return "must be printable ASCII without spaces";
    return has_card_number(s, false) || has_card_number(s, true)
               ? "must be a token of the payment provider, never a card number"
               : NULL;
}

const char *rules_format(unsigned format, struct str s)
{
    switch (format) {
    case FAREGATE__V1__FORMAT__FORMAT_UUID:
        return is_uuid(s) ? NULL : "must be a UUID";
    case FAREGATE__V1__FORMAT__FORMAT_EMAIL:
        return is_email(s) ? NULL : "must be an e-mail address";
    case FAREGATE__V1__FORMAT__FORMAT_IATA_AIRPORT:
        return s.n == 3 && all(s, UPPER) ? NULL
                                         : "must be an IATA code of three upper case letters";
    case FAREGATE__V1__FORMAT__FORMAT_IATA_AIRLINE:
        return s.n == 2 && all(s, UPPER | DIGIT) ? NULL
                                                 : "must be an IATA airline code of two characters";
    case FAREGATE__V1__FORMAT__FORMAT_CURRENCY:
        return s.n == 3 && all(s, UPPER) ? NULL
                                         : "must be an ISO 4217 code of three upper case letters";
    case FAREGATE__V1__FORMAT__FORMAT_COUNTRY:
        return s.n == 2 && all(s, UPPER) ? NULL
                                         : "must be an ISO 3166-1 code of two upper case letters";
    case FAREGATE__V1__FORMAT__FORMAT_PERSON_NAME:
        return is_person_name(s)
                   ? NULL
                   : "must be letters, joined by spaces, hyphens, apostrophes or full stops";
    case FAREGATE__V1__FORMAT__FORMAT_RESOURCE_NAME:
        return is_resource_name(s) ? NULL : "must be a resource name";
    case FAREGATE__V1__FORMAT__FORMAT_PHONE:
        return is_phone(s) ? NULL : "must be a telephone number like +442079460000";
    case FAREGATE__V1__FORMAT__FORMAT_SEAT:
        return is_seat(s) ? NULL : "must be a seat like 12A";
    case FAREGATE__V1__FORMAT__FORMAT_LANGUAGE:
        return is_language(s) ? NULL : "must be a language tag like en-GB";
    case FAREGATE__V1__FORMAT__FORMAT_TOKEN:
        return all(s, PRINTABLE) ? NULL : "must be printable ASCII without spaces";
    case FAREGATE__V1__FORMAT__FORMAT_PAYMENT_METHOD:
        return payment_method(s);
    case FAREGATE__V1__FORMAT__FORMAT_DOCUMENT:
        return all(s, UPPER | DIGIT) ? NULL : "must be upper case letters and digits";
    default:
        return NULL;
    }
}

/* ---- resource names ---- */

static bool is_user(struct str s)
{
    return str_eq(s, STR("me")) || is_uuid(s);
}

static bool is_iata(struct str s)
{
    return s.n == 3 && all(s, UPPER);
}

static bool is_number(struct str s)
{
    return s.n <= 19 && all(s, DIGIT);
}

static bool is_token(struct str s)
{
    return all(s, ALNUM | PUNCTUATION);
}

static const struct placeholder {
    struct str name;
    bool (*fits)(struct str s);
} placeholders[] = {
    {{"{uuid}", 6}, is_uuid},     {{"{user}", 6}, is_user},   {{"{iata}", 6}, is_iata},
    {{"{number}", 8}, is_number}, {{"{token}", 7}, is_token},
};

static const struct placeholder *placeholder_of(struct str part)
{
    for (size_t i = 0; i < sizeof placeholders / sizeof placeholders[0]; i++)
        if (str_eq(placeholders[i].name, part))
            return &placeholders[i];
    return NULL;
}

static bool fits(struct str pattern, struct str name)
{
    while (pattern.n > 0 && name.n > 0) {
        struct str want = str_cut(&pattern, '/');
        struct str have = str_cut(&name, '/');
        const struct placeholder *p = placeholder_of(want);
        if (p ? !p->fits(have) : !str_eq(want, have))
            return false;
        if ((pattern.n == 0) != (name.n == 0))
            return false;
    }
    return pattern.n == 0 && name.n == 0;
}

bool rules_resource(const char *patterns, struct str name)
{
    struct str rest = str_of(patterns);
    if (name.n == 0 || name.p[name.n - 1] == '/')
        return false;
    while (rest.n > 0)
        if (fits(str_cut(&rest, '|'), name))
            return true;
    return false;
}

bool rules_resource_valid(const char *patterns)
{
    struct str rest = str_of(patterns);
    while (rest.n > 0) {
        struct str pattern = str_cut(&rest, '|');
        if (pattern.n == 0)
            return false;
        while (pattern.n > 0) {
            struct str part = str_cut(&pattern, '/');
            if (!placeholder_of(part) && !all(part, ALNUM))
                return false;
        }
    }
    return true;
}
