/* What each statement's row may say, made from its description: one thing differs from the usual
 * row at a time. Texts that handlers understand have their words in a table here; reasons are found
 * in the SQL itself. What must stay true: the order of outcomes never depends on a run. */
#include <ctype.h>

#include "base/check.h"
#include "world.h"

/* ---- words ---- */

#define WORDS_MAX 11

/* The first word is the usual one. A NULL statement means any. */
static const struct {
    const char *statement;
    const char *column;
    const char *words[WORDS_MAX];
} vocabulary[] = {
    {"auth_get_user", "state", {"ACTIVE", "SUSPENDED", "DELETED"}},
    {"auth_refresh_session", "outcome", {"ROTATED", "REPLAYED"}},
    {"booking_cancellation",
     "state",
     {"QUOTED", "CONFIRMING", "APPLIED", "EXPIRED", "SUPERSEDED", "FAILED"}},
    {"booking_events", "type", {"CREATED", "CONFIRMED", "NO_SUCH_TYPE"}},
    {"booking_get", "coupons", {"OO", "RCBFXVS", "?"}},
    {"booking_get", "ticket_serials", {"17", "12,13", "", "x,,9"}},
    {"flight_read_flight", "state", {"SCHEDULED", "CANCELLED", "DEPARTED"}},
    {"flight_read_seats", "cabins", {"1,3", "1,2,3,4", "", "x"}},
    {"flight_read_seats", "taken", {"20A,21C,5K", "", "x,99999Z,,A"}},
    {"flight_read_seats", "aircraft", {"77W", "???"}},
    {"payment_authorised", "outcome", {"DONE", "LATE"}},
    {"payment_failed", "booking_state", {"HELD", "EXPIRED"}},
    {"payment_get",
     "state",
     {"REQUIRES_PAYMENT_METHOD", "REQUIRES_ACTION", "PROCESSING", "CAPTURED"}},
    {"payment_get", "attempt_state", {"UNKNOWN", "CAPTURED", "DECLINED"}},
    {"payment_refund_get", "state", {"SENT", "SUCCEEDED", "FAILED"}},
    {"payment_refund_get", "cause", {"GOODWILL"}},
    {NULL,
     "state",
     {"HELD", "PENDING", "CONFIRMING", "CONFIRMED", "CANCELLING", "CANCELLED", "EXPIRED", "FAILED",
      "COMPLETED", "ATTENTION", "NO_SUCH_STATE"}},
    {NULL, "currency", {"GBP", "JPY"}},
    {NULL, "carrier", {"BA"}},
    {NULL, "aircraft", {"77W"}},
    {NULL, "origin", {"LHR"}},
    {NULL, "destination", {"JFK"}},
    {NULL, "email", {EMAIL}},
    {NULL, "seat", {"20A"}},
    {NULL, "network", {"192.0.2.0/24"}},
    {NULL, "actor", {"system"}},
};

static const char *const *words_of(const struct db_statement *statement, const char *column)
{
    for (size_t i = 0; i < sizeof vocabulary / sizeof vocabulary[0]; i++) {
        bool fits =
            !vocabulary[i].statement || strcmp(vocabulary[i].statement, statement->name) == 0;
        if (fits && strcmp(vocabulary[i].column, column) == 0)
            return vocabulary[i].words;
    }
    return NULL;
}

const char *outcome_text(const struct db_statement *statement, const char *column)
{
    const char *const *words = words_of(statement, column);
    return words ? words[0] : NULL;
}

bool outcome_bool(const char *column)
{
    static const char *const no[] = {"lapsed", "email_verified", "departed", "landed"};
    for (size_t i = 0; i < sizeof no / sizeof no[0]; i++)
        if (strcmp(column, no[i]) == 0)
            return false;
    return true;
}

/* Numbers with a meaning of their own. */
static const struct {
    const char *statement;
    const char *column;
    int64_t value;
} numbers[] = {
    {"booking_claim_seats", "missing", 1},    {"flight_count_seats", "open_flights", 1},
    {"flight_count_seats", "free_seats", -3}, {"flight_read_flight", "used", 100},
    {"flight_find_flights", "used", 100},     {"booking_get", "captured_minor", 0},
    {"auth_login_begin", "wait_ms", 60000},
};

/* Nullable for refusals only: where the row is granted there is a value. */
static const struct {
    const char *statement;
    const char *column;
} promised[] = {
    {"payment_start", "amount_minor"},
    {"payment_start", "currency"},
    {"payment_refund_create", "provider_reference"},
};

static bool is_promised(const struct db_statement *s, const struct db_column *c)
{
    for (size_t i = 0; i < sizeof promised / sizeof promised[0]; i++)
        if (strcmp(promised[i].statement, s->name) == 0 && strcmp(promised[i].column, c->name) == 0)
            return true;
    return false;
}

/* ---- reasons in the SQL ---- */

/* The next quoted word of @sql that is a reason, or CROWDED. */
static const char *next_reason(const char **sql)
{
    for (const char *quote = strchr(*sql, '\''); quote; quote = strchr(*sql, '\'')) {
        char word[40];
        size_t n = 0;
        const char *at = quote + 1;
        while ((isupper((unsigned char)*at) || *at == '_') && n + 1 < sizeof word)
            word[n++] = *at++;
        word[n] = '\0';
        *sql = quote + 1;
        if (n == 0 || *at != '\'')
            continue;
        *sql = at + 1;
        enum reason reason = reason_of_name(word);
        if (reason != REASON_NONE)
            return reason_info(reason)->name;
        if (strcmp(word, "CROWDED") == 0)
            return "CROWDED";
    }
    return NULL;
}

#define REASONS_MAX 24

struct reasons {
    const char *names[REASONS_MAX];
    unsigned count;
};

static void collect(const char *sql, struct reasons *ret)
{
    for (const char *name; sql && (name = next_reason(&sql));) {
        bool is_new = true;
        for (unsigned i = 0; i < ret->count; i++)
            is_new = is_new && strcmp(ret->names[i], name) != 0;
        CHECK(ret->count < REASONS_MAX);
        if (is_new)
            ret->names[ret->count++] = name;
    }
}

static struct reasons reasons_of(const struct db_statement *statement)
{
    struct reasons reasons = {0};
    collect(statement->sql_one, &reasons);
    collect(statement->sql_many, &reasons);
    return reasons;
}

const char *outcome_reason(const struct db_statement *statement)
{
    const struct reasons reasons = reasons_of(statement);
    for (unsigned i = 0; i < reasons.count; i++)
        if (strcmp(reasons.names[i], "CROWDED") != 0)
            return reasons.names[i];
    return NULL;
}

/* ---- the list ---- */

static void add(struct outcomes *all, struct outcome outcome)
{
    CHECK(all->count < OUTCOMES_MAX);
    all->items[all->count++] = outcome;
}

static int column_of(const struct db_statement *s, const char *name)
{
    for (uint16_t i = 0; i < s->column_count; i++)
        if (strcmp(s->columns[i].name, name) == 0)
            return i;
    return -1;
}

/* value: claimed. What is not recorded comes with claimed false. */
static void add_refusals(const struct db_statement *s, struct outcomes *all)
{
    const struct reasons reasons = reasons_of(s);
    for (unsigned i = 0; i < reasons.count; i++) {
        bool is_crowd = strcmp(reasons.names[i], "CROWDED") == 0;
        add(all, (struct outcome){OUTCOME_REFUSED, 0, is_crowd ? 0 : 1, reasons.names[i]});
        if (!is_crowd)
            add(all, (struct outcome){OUTCOME_REFUSED, 0, 0, reasons.names[i]});
    }
    CHECK(reasons.count < OUTCOMES_MAX / 2);
}

/* refresh_session says its reason as the outcome. */
static void add_words(const struct db_statement *s, uint16_t column, struct outcomes *all)
{
    const struct db_column *c = &s->columns[column];
    const char *const *words = words_of(s, c->name);
    for (unsigned i = 1; words && i < WORDS_MAX && words[i]; i++)
        add(all, (struct outcome){OUTCOME_COLUMN, column, 0, words[i]});
    if (strcmp(c->name, "outcome") != 0)
        return;
    const struct reasons reasons = reasons_of(s);
    for (unsigned i = 0; i < reasons.count; i++)
        add(all, (struct outcome){OUTCOME_COLUMN, column, 0, reasons.names[i]});
}

static void add_column(const struct db_statement *s, uint16_t column, struct outcomes *all)
{
    const struct db_column *c = &s->columns[column];
    if (strcmp(c->name, "refusal") == 0 || strcmp(c->name, "claimed") == 0)
        return;
    if (c->type == DB_BOOL)
        add(all, (struct outcome){OUTCOME_COLUMN, column, !outcome_bool(c->name), NULL});
    if (strcmp(c->name, "user_id") == 0)
        add(all, (struct outcome){OUTCOME_COLUMN, column, 0, NULL});
    if (c->type == DB_TEXT)
        add_words(s, column, all);
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++)
        if (strcmp(numbers[i].statement, s->name) == 0 && strcmp(numbers[i].column, c->name) == 0)
            add(all, (struct outcome){OUTCOME_COLUMN, column, numbers[i].value, NULL});
    if (c->is_nullable && !is_promised(s, c))
        add(all, (struct outcome){OUTCOME_NULL, column, 0, NULL});
}

/* A record of an earlier attempt: other contents, a refusal, stored bytes, nothing yet. */
static void add_records(const struct db_statement *s, struct outcomes *all)
{
    add(all, (struct outcome){OUTCOME_NULL, (uint16_t)column_of(s, "resource"), 0, NULL});
    add(all, (struct outcome){OUTCOME_NO_ROW, 0, 0, NULL});
    add(all, (struct outcome){OUTCOME_COLUMN, (uint16_t)column_of(s, "fingerprint"), 0,
                              "another contents"});
    add(all, (struct outcome){OUTCOME_COLUMN, (uint16_t)column_of(s, "reason"), 0, NULL});
    add(all, (struct outcome){OUTCOME_COLUMN, (uint16_t)column_of(s, "response"), 0, ""});
}

static void build(const struct db_statement *s, struct outcomes *all)
{
    add(all, (struct outcome){.kind = OUTCOME_PLAIN});
    if (strcmp(s->name, "shared_idempotency_read") == 0) {
        add_records(s, all);
        return;
    }
    if (s->cardinality == DB_NONE)
        return;
    if (column_of(s, "claimed") >= 0)
        add(all, (struct outcome){.kind = OUTCOME_REPEATED});
    if (column_of(s, "refusal") >= 0)
        add_refusals(s, all);
    if (s->cardinality == DB_MAYBE)
        add(all, (struct outcome){.kind = OUTCOME_NO_ROW});
    if (s->cardinality == DB_MANY)
        for (int64_t rows = 0; rows < 2; rows++)
            add(all, (struct outcome){.kind = OUTCOME_ROWS, .value = rows});
    if (s->cardinality == DB_MANY)
        add(all,
            (struct outcome){.kind = OUTCOME_ROWS, .value = s->rows_max < 40 ? s->rows_max : 40});
    for (uint16_t i = 0; i < s->column_count; i++)
        add_column(s, i, all);
}

const struct outcomes *outcomes_of(const struct db_statement *statement)
{
    static struct {
        const struct db_statement *statement;
        struct outcomes outcomes;
    } known[VISITS_MAX];
    static unsigned count;
    for (unsigned i = 0; i < count; i++)
        if (known[i].statement == statement)
            return &known[i].outcomes;
    CHECK(count < VISITS_MAX);
    known[count].statement = statement;
    build(statement, &known[count].outcomes);
    return &known[count++].outcomes;
}
