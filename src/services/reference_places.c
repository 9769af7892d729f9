/* Finding places by what somebody has typed so far: a sorted list of the beginnings of all words,
 * searched for the prefix. SearchPlaces calls it. What must stay true: texts and queries are folded
 * by the same function. */
#include <stdlib.h>

#include "base/check.h"
#include "services/reference_internal.h"

#define QUERY_BYTES_MAX 256 /* 64 characters; longer queries find nothing */

/* Latin letters without their marks, two bytes each: U+00C0 to U+024F, those of Vietnam and others
 * from U+1E00 to U+1EFF, and the small one of U+018F. No library that is linked knows them. */
static const char latin[] = "a a a a a a aec e e e e i i i i d n o o o o o   o u u u u y thss"
                            "a a a a a a aec e e e e i i i i d n o o o o o   o u u u u y thy "
                            "a a a a a a c c c c c c c c d d d d e e e e e e e e e e g g g g "
                            "g g g g h h h h i i i i i i i i i i ijijj j k k k l l l l l l l "
                            "l l l n n n n n n n n n o o o o o o oeoer r r r r r s s s s s s "
                            "s s t t t t t t u u u u u u u u u u u u w w y y y z z z z z z s "
                            "b b b b       c c d d d d   e e e f f g   hv  i k k l     n n o "
                            "o o oioip p           t t t t u u   v y y z z                   "
                            "        dzdzdzljljljnjnjnja a i i o o u u u u u u u u u u e a a "
                            "a a aeaeg g g g k k o o o o     j dzdzdzg g hv  n n a a aeaeo o "
                            "a a a a e e e e i i i i o o o o r r r r u u u u s s t t     h h "
                            "n d     z z a a e e o o o o o o o o y y l n t j dbqpa c c l t s "
                            "z     b u   e e j j q q r r y y ";
static const char latin_additional[] =
    "a a b b b b b b c c d d d d d d d d d d e e e e e e e e e e f f "
    "g g h h h h h h h h h h i i i i k k k k k k l l l l l l l l m m "
    "m m m m n n n n n n n n o o o o o o o o p p p p r r r r r r r r "
    "s s s s s s s s s s t t t t t t t t u u u u u u u u u u v v v v "
    "w w w w w w w w w w x x x x y y z z z z z z h t w y   s s s ssd "
    "a a a a a a a a a a a a a a a a a a a a a a a a e e e e e e e e "
    "e e e e e e e e i i i i o o o o o o o o o o o o o o o o o o o o "
    "o o o o u u u u u u u u u u u u u u y y y y y y y y llllv v y y ";
static const struct {
    unsigned first;
    unsigned last;
    const char *letters;
} blocks[] = {{0xC0, 0x24F, latin}, {0x259, 0x259, "e "}, {0x1E00, 0x1EFF, latin_additional}};
static_assert(sizeof latin == 2 * (0x24F - 0xC0 + 1) + 1, "a pair for each letter");
static_assert(sizeof latin_additional == 2 * (0x1EFF - 0x1E00 + 1) + 1, "a pair for each letter");

/* The code point of @bytes bytes at @p; those of four bytes do not matter here. */
static unsigned point_of(const char *p, size_t bytes)
{
    const unsigned char *b = (const unsigned char *)p;
    if (bytes == 1)
        return b[0];
    if (bytes == 2)
        return (b[0] & 31u) << 6 | (b[1] & 63u);
    return bytes == 3 ? (b[0] & 15u) << 12 | (b[1] & 63u) << 6 | (b[2] & 63u) : 0xFFFFu;
}

/* Combining marks vanish, so decomposed text folds like composed; so do apostrophes, whichever the
 * keyboard or the language has. */
static bool is_mark(unsigned point)
{
    return (point >= 0x300 && point <= 0x36F) || point == '\'' || point == '`' || point == 0xB4 ||
           (point >= 0x2B9 && point <= 0x2BF) || (point >= 0x2018 && point <= 0x201B) ||
           point == 0x2032;
}

/* The letter or two that @point is without its mark; a space: none. */
static void letters_of(unsigned point, char ret_pair[static 2])
{
    ret_pair[0] = ret_pair[1] = ' ';
    if ((point >= 'a' && point <= 'z') || (point >= '0' && point <= '9'))
        ret_pair[0] = (char)point;
    else if (point >= 'A' && point <= 'Z')
        ret_pair[0] = (char)(point + 32);
    for (size_t i = 0; i < sizeof blocks / sizeof blocks[0]; i++)
        if (point >= blocks[i].first && point <= blocks[i].last)
            memcpy(ret_pair, &blocks[i].letters[2 * (point - blocks[i].first)], 2);
}

size_t reference_fold(struct str text, char *ret_text)
{
    size_t n = 0;
    bool gap = false;
    while (text.n > 0) {
        size_t bytes = str_utf8_next(text);
        if (bytes == 0)
            bytes = 1;
        unsigned point = point_of(text.p, bytes);
        char pair[2];
        letters_of(point, pair);
        bool letter = pair[0] != ' ';
        if (letter && gap && n > 0)
            ret_text[n++] = ' ';
        if (letter)
            ret_text[n++] = pair[0];
        if (letter && pair[1] != ' ')
            ret_text[n++] = pair[1];
        gap = letter ? false : gap || !is_mark(point);
        text.p += bytes;
        text.n -= bytes;
    }
    ret_text[n] = '\0';
    return n;
}

static char *folded(struct arena *arena, const char *text)
{
    struct str s = str_of(text);
    char *copy = arena_alloc(arena, 2 * s.n + 2);
    reference_fold(s, copy);
    return copy;
}

static void add_words(struct reference_build *b, struct reference_word *words, uint16_t place,
                      const char *text)
{
    const char *key = folded(&b->made->arena, text);
    for (const char *p = key; *p; p++)
        if (p == key || p[-1] == ' ')
            words[b->made->word_count++] =
                (struct reference_word){.text = p, .place = place, .kind = p == key ? 1 : 2};
}

static void add_code(struct reference_build *b, struct reference_word *words, uint16_t place,
                     const char *code)
{
    const char *key = folded(&b->made->arena, code);
    words[b->made->word_count++] = (struct reference_word){.text = key, .place = place, .kind = 0};
}

static size_t words_max(const char *text)
{
    size_t count = 1;
    for (; *text; text++)
        count += !((*text >= 'a' && *text <= 'z') || (*text >= 'A' && *text <= 'Z'));
    return count;
}

static int by_text(const void *a, const void *b)
{
    const struct reference_word *x = a, *y = b;
    int order = strcmp(x->text, y->text);
    if (order != 0)
        return order;
    return (x->place > y->place) - (x->place < y->place);
}

void reference_build_words(struct reference_build *b)
{
    struct reference *made = b->made;
    size_t count = 0;
    for (uint16_t i = 0; i < made->airport_count; i++)
        count += 2 + words_max(made->airports[i].name) + words_max(made->airports[i].city) +
                 words_max(made->airports[i].area);
    for (uint16_t i = 0; i < made->city_count; i++)
        count += 1 + words_max(made->cities[i].name);
    struct reference_word *words = arena_array(&made->arena, count + 1, sizeof *words);
    for (uint16_t i = 0; i < made->airport_count; i++) {
        const struct reference_airport *a = &made->airports[i];
        add_code(b, words, i, a->iata);
        if (strcmp(a->metro, a->iata) != 0)
            add_code(b, words, i, a->metro);
        add_words(b, words, i, a->city);
        add_words(b, words, i, a->name);
        add_words(b, words, i, a->area);
    }
    for (uint16_t i = 0; i < made->city_count; i++) {
        uint16_t place = (uint16_t)(made->airport_count + i);
        add_code(b, words, place, made->cities[i].iata);
        add_words(b, words, place, made->cities[i].name);
    }
    CHECK(made->word_count <= count);
    qsort(words, made->word_count, sizeof *words, by_text);
    made->words = words;
}

/* Larger is better: an exact code, then the beginning of a code, city or name, then later words; in
 * each, cities first and more traffic first. */
struct found {
    int64_t rank;
    uint16_t place;
};

static int64_t rank_of(const struct reference *r, const struct reference_word *w, struct str query)
{
    bool city = w->place >= r->airport_count;
    int32_t traffic =
        city ? r->cities[w->place - r->airport_count].traffic : r->airports[w->place].traffic;
    const char *code =
        city ? r->cities[w->place - r->airport_count].iata : r->airports[w->place].iata;
    bool exact = w->kind == 0 && w->text[query.n] == '\0';
    /* The code of an area finds its airports too, behind the area. */
    bool own = exact && (code[0] | 32) == query.p[0] && (code[1] | 32) == query.p[1] &&
               (code[2] | 32) == query.p[2];
    int64_t class = own ? 3 : exact ? 2 : w->kind < 2 ? 1 : 0;
    return (class << 40) | ((int64_t)city << 36) | traffic;
}

/* Keeps @found in order, best first, each place once. */
static size_t insert(struct found *found, size_t count, size_t max, struct found f)
{
    size_t at = count;
    for (size_t i = 0; i < count; i++)
        if (found[i].place == f.place) {
            if (found[i].rank >= f.rank)
                return count;
            memmove(&found[i], &found[i + 1], (count - i - 1) * sizeof *found);
            at = --count;
            break;
        }
    while (at > 0 && (found[at - 1].rank < f.rank ||
                      (found[at - 1].rank == f.rank && found[at - 1].place > f.place)))
        at--;
    if (at >= max)
        return count;
    size_t kept = count < max ? count : max - 1;
    memmove(&found[at + 1], &found[at], (kept - at) * sizeof *found);
    found[at] = f;
    return kept + 1;
}

static size_t find(const struct reference *r, struct str prefix, size_t places_max,
                   struct found *ret_found)
{
    uint32_t low = 0, high = r->word_count;
    while (low < high) {
        uint32_t middle = (low + high) / 2;
        if (strncmp(r->words[middle].text, prefix.p, prefix.n) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    size_t count = 0;
    for (; prefix.n > 0 && low < r->word_count &&
           strncmp(r->words[low].text, prefix.p, prefix.n) == 0;
         low++) {
        struct found f = {.rank = rank_of(r, &r->words[low], prefix), .place = r->words[low].place};
        if (count < places_max || f.rank >= ret_found[count - 1].rank)
            count = insert(ret_found, count, places_max, f);
    }
    return count;
}

static size_t drop_spaces(char *text, size_t bytes)
{
    size_t kept = 0;
    for (size_t i = 0; i < bytes; i++)
        if (text[i] != ' ')
            text[kept++] = text[i];
    return kept;
}

size_t reference_places(const struct reference *r, struct str query, size_t places_max,
                        uint16_t *ret_places)
{
    char key[2 * QUERY_BYTES_MAX + 1];
    struct found found[REFERENCE_PLACES_MAX];
    CHECK(places_max <= REFERENCE_PLACES_MAX);
    if (query.n > QUERY_BYTES_MAX)
        return 0;
    size_t n = reference_fold(query, key);
    size_t count = find(r, (struct str){.p = key, .n = n}, places_max, found);
    if (count == 0) /* Ha Noi is Hanoi elsewhere */
        count = find(r, (struct str){.p = key, .n = drop_spaces(key, n)}, places_max, found);
    for (size_t i = 0; i < count; i++)
        ret_places[i] = found[i].place;
    return count;
}
