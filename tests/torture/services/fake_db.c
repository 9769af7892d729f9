/* Takes the place of db/ at link time: a statement waits until it is told to complete, then its row
 * says what the script chose. What must stay true: as strict and as faithful as the real one
 * (parameters are read before db_submit returns, text is NUL-terminated in the scope's arena, a
 * spent budget fails the member). */
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/check.h"
#include "services/shared/provider.h"
#include "world.h"

/* ---- filling a row ---- */

struct filler {
    struct pending *p;
    const struct outcome *outcome;
    uint32_t row;
    uint32_t rows;
};

static void spent(struct pending *p)
{
    p->error = (struct op_error){.reason = REASON_MESSAGE_TOO_LARGE};
}

static void put_text(struct pending *p, struct str text, void *out)
{
    char *copy = arena_try(p->scope->arena, text.n + 1);
    if (!copy) {
        spent(p);
        return;
    }
    if (text.n > 0)
        memcpy(copy, text.p, text.n);
    copy[text.n] = '\0';
    *(struct str *)out = (struct str){.p = copy, .n = text.n};
}

/* Columns of the longest text that their fields may hold. */
static struct str longest(const char *column)
{
    static char filler[2048];
    memset(filler, 'x', sizeof filler);
    size_t bytes = 100;
    if (strcmp(column, "redirect_url") == 0)
        bytes = sizeof filler;
    if (strcmp(column, "email") == 0)
        bytes = 254;
    return (struct str){.p = filler, .n = bytes};
}

/* "12A,13A,...": every seat of the aircraft is taken. */
static struct str all_seats(void)
{
    static char text[4096];
    size_t n = 0;
    for (int row = 1; row <= 60 && n < sizeof text - 64; row++)
        for (const char *letter = "ABCDEFGHJK"; *letter; letter++)
            n += (size_t)snprintf(text + n, sizeof text - n, "%s%d%c", n ? "," : "", row, *letter);
    return (struct str){.p = text, .n = n};
}

static struct str text_of(const struct filler *f, const struct db_column *c)
{
    const struct db_statement *statement = f->p->statement;
    const char *usual = outcome_text(statement, c->name);
    if (strcmp(c->name, "offer") == 0)
        return world.offer_name;
    if (strcmp(c->name, "snapshot") == 0)
        return world.snapshot;
    if (strcmp(c->name, "passengers") == 0)
        return world.passengers;
    if (strcmp(c->name, "password_hash") == 0)
        return world.password_hash;
    if (strcmp(c->name, "fingerprint") == 0)
        return (struct str){.p = world.fingerprint, .n = sizeof world.fingerprint};
    if (strcmp(c->name, "reason") == 0 && strcmp(statement->name, "shared_idempotency_read") == 0) {
        const char *reason = world.refusing ? outcome_reason(world.refusing) : NULL;
        return str_of(reason ? reason : "INTERNAL_ERROR");
    }
    if (world.heavy && strcmp(c->name, "taken") == 0)
        return all_seats();
    if (usual)
        return str_of(usual);
    if (c->type == DB_BYTEA)
        return (struct str){.p = "0123456789abcdef0123456789abcdef", .n = 32};
    return world.heavy ? longest(c->name) : STR("text");
}

static int64_t integer_of(const struct filler *f, const struct db_column *c)
{
    const struct pending *p = f->p;
    if (strcmp(c->name, "tag") == 0)
        return p->tag_count > 0 ? p->tags[f->row % p->tag_count] : 0;
    if (strcmp(c->name, "cabin") == 0)
        return 1 + f->row % 4;
    if (strcmp(c->name, "sequence") == 0 || strcmp(c->name, "segment") == 0)
        return f->row + 1;
    if (strcmp(c->name, "passenger") == 0)
        return f->row % 18;
    if (strstr(c->name, "total_minor"))
        return world.offer.total_minor;
    if (strcmp(c->name, "amount_minor") == 0)
        return p->amount_minor > 0 ? p->amount_minor : world.offer.total_minor;
    if (strcmp(c->name, "used") == 0 || strcmp(c->name, "refunded_minor") == 0)
        return 0;
    if (strcmp(c->name, "authorised") == 0)
        return 100;
    if (strcmp(c->name, "roles") == 0)
        return 1 << ROLE_TRAVELLER;
    if (strcmp(c->name, "flights") == 0 || strcmp(c->name, "open_flights") == 0)
        return world.offer.segment_count;
    if (strcmp(c->name, "taken") == 0)
        return 1000; /* seats that were claimed: all */
    return strstr(c->name, "_minor") ? 10000 : 9;
}

/* Flights of a search leave three hours after one another, in the order of their routes, so that
 * those over an airport in between connect. */
static int64_t time_of(const struct filler *f, const struct db_column *c)
{
    const struct pending *p = f->p;
    int64_t hour_us = INT64_C(3600000000), now_us = world_now_us();
    int64_t tag = p->tag_count > 0 ? p->tags[f->row % p->tag_count] : 0;
    int64_t leaves_us = now_us + 30 * 24 * hour_us + tag * 3 * hour_us;
    if (strcmp(c->name, "departure_time") == 0)
        return leaves_us;
    if (strcmp(c->name, "arrival_time") == 0)
        return leaves_us + hour_us;
    if (strcmp(c->name, "sales_close_time") == 0 || strcmp(c->name, "close_time") == 0)
        return leaves_us - hour_us;
    if (strstr(c->name, "due_time") || strstr(c->name, "expire_time") ||
        strstr(c->name, "pin_time"))
        return now_us + hour_us / 3;
    return now_us - 1000000 - f->row;
}

static struct uuid uuid_of(const struct filler *f, const struct db_column *c)
{
    if (strcmp(c->name, "user_id") == 0)
        return world_user;
    if (strcmp(c->name, "booking_id") == 0 && f->rows == 1)
        return world_booking;
    return (struct uuid){
        .b = {1, 2, 3, 4, 5, 6, 0x70, 8, 0x80, 99, (uint8_t)(f->row >> 8), (uint8_t)f->row}};
}

static void put_integer(enum db_type type, int64_t value, void *out)
{
    if (type == DB_INT2)
        *(int16_t *)out = (int16_t)value;
    else if (type == DB_INT8)
        *(int64_t *)out = value;
    else
        *(int32_t *)out = (int32_t)value;
}

static void put_value(const struct filler *f, const struct db_column *c, void *out)
{
    struct uuid id;
    switch (c->type) {
    case DB_BOOL:
        *(bool *)out = outcome_bool(c->name);
        break;
    case DB_INT2:
    case DB_INT4:
    case DB_INT8:
        put_integer(c->type, integer_of(f, c), out);
        break;
    case DB_FLOAT8:
        *(double *)out = 1.5;
        break;
    case DB_TEXT:
    case DB_BYTEA:
        put_text(f->p, text_of(f, c), out);
        break;
    case DB_UUID:
        id = uuid_of(f, c);
        memcpy(out, &id, sizeof id);
        break;
    case DB_TIMESTAMPTZ:
        *(int64_t *)out = time_of(f, c);
        break;
    case DB_DATE:
        *(int32_t *)out = (int32_t)(world_now_us() / 86400000000);
        break;
    }
}

/* What the outcome says about one column. */
static void put_special(const struct filler *f, const struct db_column *c, void *out)
{
    const struct outcome *o = f->outcome;
    switch (c->type) {
    case DB_BOOL:
        *(bool *)out = o->value != 0;
        break;
    case DB_TEXT:
    case DB_BYTEA:
        put_text(f->p, o->text ? str_of(o->text) : text_of(f, c), out);
        break;
    case DB_UUID:
        memcpy(out, &world_other_user, sizeof world_other_user);
        break;
    case DB_TIMESTAMPTZ:
        *(int64_t *)out = o->value;
        break;
    default:
        put_integer(c->type, o->value, out);
        break;
    }
}

static bool is_null(const struct filler *f, const struct db_column *c, uint16_t index)
{
    const struct outcome *o = f->outcome;
    if (!c->is_nullable)
        return false;
    if (o->kind == OUTCOME_NULL && o->column == index)
        return true;
    if (o->kind == OUTCOME_COLUMN && o->column == index)
        return false;
    if (strcmp(c->name, "refusal") == 0)
        return o->kind != OUTCOME_REFUSED;
    if (strcmp(c->name, "ended") == 0 || strcmp(c->name, "state_reason") == 0 ||
        strcmp(c->name, "reason") == 0 || strcmp(c->name, "response") == 0)
        return true;
    /* Behind a refusal or a lost claim the other tables gave no row. */
    return o->kind == OUTCOME_REFUSED || o->kind == OUTCOME_REPEATED;
}

static void put_column(const struct filler *f, uint16_t index, uint8_t *row)
{
    const struct db_column *c = &f->p->statement->columns[index];
    const struct outcome *o = f->outcome;
    void *out = row + c->offset;
    bool null = is_null(f, c, index);
    if (c->is_nullable)
        *(bool *)(row + c->has_offset) = !null;
    if (null)
        return;
    if (o->kind == OUTCOME_COLUMN && o->column == index)
        put_special(f, c, out);
    else if (o->kind == OUTCOME_REFUSED && strcmp(c->name, "refusal") == 0)
        put_text(f->p, str_of(o->text), out);
    else if (o->kind == OUTCOME_REFUSED && strcmp(c->name, "claimed") == 0)
        *(bool *)out = o->value != 0;
    else if (o->kind == OUTCOME_REPEATED && c->type == DB_BOOL)
        *(bool *)out = false;
    else
        put_value(f, c, out);
}

static void put_row(const struct filler *f, uint8_t *row)
{
    for (uint16_t i = 0; i < f->p->statement->column_count; i++)
        put_column(f, i, row);
    if (f->p->statement->cardinality == DB_MAYBE)
        *(bool *)(row + f->p->statement->found_offset) = true;
}

static void put_rows(struct pending *p, const struct outcome *outcome)
{
    const struct db_statement *s = p->statement;
    struct db_rows *rows = p->ret;
    uint32_t count = outcome->kind == OUTCOME_ROWS ? (uint32_t)outcome->value : 3;
    *rows = (struct db_rows){0};
    if (world.heavy)
        count = s->rows_max;
    if (count > p->rows_asked)
        count = (uint32_t)p->rows_asked;
    if (count == 0)
        return;
    rows->truncated = count > s->rows_max;
    count = rows->truncated ? s->rows_max : count;
    rows->rows = arena_try(p->scope->arena, (size_t)count * s->row_bytes);
    if (!rows->rows) {
        spent(p);
        return;
    }
    rows->count = count;
    for (uint32_t i = 0; i < count; i++) {
        const struct filler f = {.p = p, .outcome = outcome, .row = i, .rows = count};
        put_row(&f, (uint8_t *)rows->rows + (size_t)i * s->row_bytes);
    }
}

/* ---- completing ---- */

/* The third time a statement comes in one run, only what was usual and what was last are tried. */
static unsigned choose_outcome(const struct pending *p, const struct outcomes *outcomes)
{
    unsigned i = 0;
    while (i < world.visit_count && world.visits[i].statement != p->statement)
        i++;
    CHECK(i < VISITS_MAX);
    if (i == world.visit_count)
        world.visits[world.visit_count++].statement = p->statement;
    unsigned visit = world.visits[i].count++;
    return world_choose(visit < 2 ? outcomes->count : 2);
}

static bool has_column(const struct db_statement *s, const char *name)
{
    for (uint16_t i = 0; i < s->column_count; i++)
        if (strcmp(s->columns[i].name, name) == 0)
            return true;
    return false;
}

static bool is_of_column(const struct pending *p, const struct outcome *o, const char *name)
{
    return o->kind == OUTCOME_COLUMN && strcmp(p->statement->columns[o->column].name, name) == 0;
}

/* What the SQL cannot say to this request: alone and in a transaction nobody is
 * crowded out, what was not asked for cannot differ, and what the call has made is there. */
static bool is_impossible(const struct pending *p, const struct outcome *o)
{
    bool is_gone = o->kind == OUTCOME_NO_ROW || is_of_column(p, o, "user_id");
    if (world.has_booking && is_gone && strcmp(p->statement->name, "booking_get") == 0)
        return true;
    if (o->kind == OUTCOME_COLUMN && !o->text &&
        strcmp(p->statement->columns[o->column].name, "reason") == 0)
        return !world.refusing || !outcome_reason(world.refusing);
    if (o->kind != OUTCOME_REFUSED)
        return false;
    return ((p->alone || p->in_tx) && strcmp(o->text, "CROWDED") == 0) ||
           (p->has_no_etag && strcmp(o->text, "ETAG_MISMATCH") == 0) ||
           (p->has_no_currency && strcmp(o->text, "CURRENCY_MISMATCH") == 0);
}

/* What the rules about money need to know later. */
static void remember(struct pending *p, const struct outcome *o)
{
    world.has_booking |= strcmp(p->statement->name, "booking_hold") == 0;
    if (p->statement->cardinality == DB_MAYBE && !world.refusing &&
        has_column(p->statement, "user_id"))
        world.is_somebody_elses = is_of_column(p, o, "user_id"); /* the call may start over */
    bool done = o->kind != OUTCOME_REFUSED && o->kind != OUTCOME_REPEATED;
    if (strcmp(p->statement->name, "payment_start") == 0 && done && !p->in_tx)
        world.started_attempt = p->attempt_id;
    if (strcmp(p->statement->name, "payment_refund_create") == 0 && done && !p->in_tx)
        world.refund_reserved = true;
}

static void complete(struct pending *p)
{
    const struct db_statement *s = p->statement;
    const struct outcomes *outcomes = outcomes_of(s);
    const struct outcome *o = &outcomes->items[choose_outcome(p, outcomes)];
    if (is_impossible(p, o))
        o = &outcomes->items[0];
    remember(p, o);
    if (s->cardinality == DB_NONE)
        return;
    if (s->cardinality == DB_MANY) {
        put_rows(p, o);
        return;
    }
    memset(p->ret, 0, s->row_bytes);
    if (o->kind == OUTCOME_NO_ROW)
        return;
    const struct filler f = {.p = p, .outcome = o, .rows = 1};
    put_row(&f, p->ret);
}

/* ---- submitting ---- */

static volatile unsigned sink;

static void touch(const void *p, size_t bytes)
{
    for (size_t i = 0; i < bytes; i++)
        sink += ((const uint8_t *)p)[i];
}

/* Everything a parameter points to is read now, as the encoder does. */
static void read_param(const struct db_param *param, const struct db_value *value)
{
    static const uint8_t bytes[] = {
        [DB_BOOL] = sizeof(bool), [DB_INT2] = 2,  [DB_INT4] = 4, [DB_INT8] = 8,
        [DB_FLOAT8] = 8,          [DB_UUID] = 16, [DB_DATE] = 4, [DB_TIMESTAMPTZ] = 8};
    bool is_text = param->type == DB_TEXT || param->type == DB_BYTEA;
    CHECK(!value->is_null || param->is_nullable);
    if (value->is_null)
        return;
    if (!param->is_array) {
        if (is_text)
            touch(value->s.p, value->s.n);
        return;
    }
    for (uint32_t i = 0; i < value->array_count; i++) {
        const struct str *text = (const struct str *)value->array + i;
        if (is_text)
            touch(text->p, text->n);
        else
            touch((const uint8_t *)value->array + (size_t)i * bytes[param->type],
                  bytes[param->type]);
    }
}

static void take_param(struct pending *p, const struct db_param *param, const struct db_value *v)
{
    read_param(param, v);
    if (strcmp(param->name, "fingerprint") == 0) {
        CHECK(v->s.n == sizeof world.fingerprint);
        memcpy(world.fingerprint, v->s.p, sizeof world.fingerprint);
    }
    if (strcmp(param->name, "tags") == 0) {
        CHECK(v->array_count <= TAGS_MAX);
        p->tag_count = v->array_count;
        memcpy(p->tags, v->array, v->array_count * sizeof p->tags[0]);
    }
    if (strcmp(param->name, "row_count") == 0 || strcmp(param->name, "count") == 0)
        p->rows_asked = v->i;
    if (strncmp(param->name, "etag_", 5) == 0)
        p->has_no_etag = v->is_null;
    if (strcmp(param->name, "currency") == 0)
        p->has_no_currency = param->is_nullable && v->is_null;
    if (strcmp(param->name, "attempt_id") == 0)
        p->attempt_id = v->u;
    if (strcmp(param->name, "amount_minor") == 0 && !v->is_null)
        p->amount_minor = v->i;
}

static bool flag_of(const struct db_statement *statement, const struct db_value *values,
                    const char *name)
{
    for (uint16_t i = 0; i < statement->param_count; i++)
        if (strcmp(statement->params[i].name, name) == 0)
            return values[i].b;
    return false;
}

/* Writing down that money moved follows an answer that says so, of this amount. */
static void check_belief(const struct db_statement *statement, const struct db_value *values)
{
    const struct {
        const char *statement;
        enum provider_outcome answer;
    } beliefs[] = {
        {"payment_authorised",
         flag_of(statement, values, "is_captured") ? PROVIDER_CAPTURED : PROVIDER_AUTHORIZED},
        {"payment_captured", PROVIDER_CAPTURED},
        {"payment_refund_succeeded", PROVIDER_REFUND_SUCCEEDED},
    };
    for (size_t i = 0; i < sizeof beliefs / sizeof beliefs[0]; i++)
        if (strcmp(statement->name, beliefs[i].statement) == 0 &&
            (world.answer != beliefs[i].answer || !world.answer_agrees))
            world.fault = "what the provider did not say was written down";
}

void db_submit(struct op_scope *scope, const struct db_statement *statement,
               const struct db_value *values, void *ret)
{
    struct pending *p = world_add(WAIT_STATEMENT, scope, complete);
    check_belief(statement, values);
    p->statement = statement;
    p->ret = ret;
    p->in_tx = scope->want_tx;
    p->alone = scope->alone;
    scope->alone = false;
    for (uint16_t i = 0; i < statement->param_count; i++)
        take_param(p, &statement->params[i], &values[i]);
    if (has_column(statement, "claimed"))
        world.refusing = statement;
    if (scope->want_tx && !scope->lease) {
        scope->lease = &world;
        world.leases++;
        world.leases_open++;
    }
    if (world.statements++ >= world.statements_until_down)
        world_fail(p, world.statements % 2 ? REASON_OVERLOADED : REASON_DATABASE_UNAVAILABLE, false,
                   false);
    else if (world.is_instant)
        world_complete(p);
}
