/* Reading and applying filters. See filter.h for the grammar. */
#include "domain/filter.h"

#include <errno.h>

#define PRICE_DIGITS_MAX 12
#define PRICE_SCALE 1000 /* thousandths: no currency has more than three decimals */

static bool is_word(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           c == '.';
}

static void skip_space(struct str *s)
{
    while (s->n > 0 && (*s->p == ' ' || *s->p == '\t' || *s->p == '\n' || *s->p == '\r')) {
        s->p++;
        s->n--;
    }
}

static struct str take_word(struct str *s)
{
    skip_space(s);
    struct str word = {.p = s->p};
    while (word.n < s->n && is_word(s->p[word.n]))
        word.n++;
    s->p += word.n;
    s->n -= word.n;
    return word;
}

/* A word, or what stands between double quotes; there is nothing to escape in an airline's code. */
static struct str take_value(struct str *s)
{
    skip_space(s);
    if (!str_skip(s, STR("\"")))
        return take_word(s);
    const char *end = memchr(s->p, '"', s->n);
    if (!end)
        return (struct str){0};
    struct str value = {.p = s->p, .n = (size_t)(end - s->p)};
    s->n -= value.n + 1;
    s->p = end + 1;
    return value;
}

static bool take_relation(struct str *s, enum filter_relation *ret)
{
    static const struct {
        const char *text;
        enum filter_relation relation;
    } relations[] = {
        {"!=", FILTER_NE}, {"<=", FILTER_LE}, {">=", FILTER_GE},
        {"=", FILTER_EQ},  {"<", FILTER_LT},  {">", FILTER_GT},
    };
    skip_space(s);
    for (size_t i = 0; i < sizeof relations / sizeof relations[0]; i++) {
        if (str_skip(s, str_of(relations[i].text))) {
            *ret = relations[i].relation;
            return true;
        }
    }
    return false;
}

/* 300, 300.5, 300.505 */
static bool take_price(struct str text, int64_t *ret_milli)
{
    struct str whole = str_cut(&text, '.'), rest = text;
    int64_t units, fraction = 0;
    if (whole.n > PRICE_DIGITS_MAX || str_int64(whole, 0, INT64_MAX / PRICE_SCALE, &units) < 0)
        return false;
    if (rest.n > 3 || (rest.n > 0 && str_int64(rest, 0, PRICE_SCALE - 1, &fraction) < 0))
        return false;
    for (size_t i = rest.n; rest.n > 0 && i < 3; i++)
        fraction *= 10;
    *ret_milli = units * PRICE_SCALE + fraction;
    return true;
}

/* NULL, or what is wrong. */
static const char *take_condition(struct str *s, struct filter_condition *c)
{
    struct str field = take_word(s);
    if (!take_relation(s, &c->relation))
        return "after the name of a field comes one of = != < <= > >=";
    struct str value = take_value(s);
    bool equality = c->relation == FILTER_EQ || c->relation == FILTER_NE;
    if (str_eq(field, STR("airline"))) {
        c->field = FILTER_AIRLINE;
        if (!equality || value.n != 2)
            return "airline is compared with = or != and a code of two characters";
        memcpy(c->airline, value.p, 2);
        return NULL;
    }
    if (str_eq(field, STR("price"))) {
        c->field = FILTER_PRICE;
        return take_price(value, &c->value)
                   ? NULL
                   : "price is compared with an amount such as 300 or 300.50";
    }
    if (str_eq(field, STR("duration"))) {
        c->field = FILTER_DURATION;
        return str_int64(value, 0, 1000000, &c->value) == 0
                   ? NULL
                   : "duration is compared with whole minutes";
    }
    if (str_eq(field, STR("refundable"))) {
        c->field = FILTER_REFUNDABLE;
        c->value = str_eq(value, STR("true"));
        bool truth = c->value || str_eq(value, STR("false"));
        return equality && truth ? NULL : "refundable is compared with = or != and true or false";
    }
    return "the fields are airline, price, duration and refundable";
}

int filter_parse(struct str text, struct filter *ret_filter, const char **ret_why)
{
    *ret_filter = (struct filter){0};
    skip_space(&text);
    while (text.n > 0) {
        *ret_why = "more conditions than a filter may have";
        if (ret_filter->count == FILTER_CONDITIONS_MAX)
            return -EINVAL;
        *ret_why = take_condition(&text, &ret_filter->conditions[ret_filter->count++]);
        if (*ret_why)
            return -EINVAL;
        skip_space(&text);
        if (text.n == 0)
            break;
        *ret_why = "conditions are joined by AND";
        struct str word = take_word(&text);
        skip_space(&text);
        if (!str_eq(word, STR("AND")) || text.n == 0)
            return -EINVAL;
    }
    *ret_why = NULL;
    return 0;
}

bool filter_airline(const struct filter *f, const char carrier[static 2])
{
    for (unsigned i = 0; i < f->count; i++) {
        const struct filter_condition *c = &f->conditions[i];
        if (c->field != FILTER_AIRLINE)
            continue;
        bool same = c->airline[0] == carrier[0] && c->airline[1] == carrier[1];
        if (same != (c->relation == FILTER_EQ))
            return false;
    }
    return true;
}

static bool holds(enum filter_relation relation, int64_t a, int64_t b)
{
    switch (relation) {
    case FILTER_EQ:
        return a == b;
    case FILTER_NE:
        return a != b;
    case FILTER_LT:
        return a < b;
    case FILTER_LE:
        return a <= b;
    case FILTER_GT:
        return a > b;
    case FILTER_GE:
        return a >= b;
    }
    return false;
}

bool filter_refundable(const struct filter *f, bool refundable)
{
    for (unsigned i = 0; i < f->count; i++) {
        const struct filter_condition *c = &f->conditions[i];
        if (c->field == FILTER_REFUNDABLE && !holds(c->relation, refundable, c->value))
            return false;
    }
    return true;
}

bool filter_offer(const struct filter *f, const struct filter_offer *offer)
{
    for (unsigned i = 0; i < f->count; i++) {
        const struct filter_condition *c = &f->conditions[i];
        bool ok = true;
        if (c->field ==
            FILTER_PRICE) /* both sides in thousandths of a minor unit's unit: no rounding */
            ok = holds(c->relation, offer->total_minor * PRICE_SCALE,
                       c->value * offer->minor_per_unit);
        else if (c->field == FILTER_DURATION)
            ok = holds(c->relation, offer->duration_min, c->value);
        if (!ok)
            return false;
    }
    return true;
}

int order_parse(struct str text, struct order *ret_order)
{
    static const char *const names[] = {[ORDER_PRICE] = "price",
                                        [ORDER_DURATION] = "duration",
                                        [ORDER_DEPARTURE] = "departure_time"};
    *ret_order = (struct order){.field = ORDER_PRICE};
    struct str field = take_word(&text), direction = take_word(&text);
    skip_space(&text);
    if (text.n > 0 || (direction.n > 0 && !str_eq(direction, STR("desc"))))
        return -EINVAL;
    ret_order->descending = direction.n > 0;
    for (unsigned i = 0; i < sizeof names / sizeof names[0]; i++)
        if (str_eq(field, str_of(names[i]))) {
            ret_order->field = (enum order_field)i;
            return 0;
        }
    return field.n == 0 ? 0 : -EINVAL;
}
