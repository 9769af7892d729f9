/* Rows from PostgreSQL's binary format into row structs, text into the scope's arena.
 * lane.c and lease.c call it once the Sync has come.
 * What must stay true: a detached member is not written to; a server that sends what was not
 * promised is an internal error of that member, never a wild write. */
#include <endian.h>
#include <errno.h>

#include "base/check.h"
#include "db/internal.h"

#define EPOCH_US INT64_C(946684800000000)
#define EPOCH_DAYS 10957

static uint16_t get16(const char *p)
{
    uint16_t v;
    memcpy(&v, p, sizeof v);
    return be16toh(v);
}

static uint32_t get32(const char *p)
{
    uint32_t v;
    memcpy(&v, p, sizeof v);
    return be32toh(v);
}

static uint64_t get64(const char *p)
{
    uint64_t v;
    memcpy(&v, p, sizeof v);
    return be64toh(v);
}

static int64_t unix_time(int64_t us)
{
    int64_t v;
    if (us == INT64_MIN)
        return us;
    return __builtin_add_overflow(us, EPOCH_US, &v) ? INT64_MAX : v;
}

static int32_t unix_date(int32_t days)
{
    int32_t v;
    if (days == INT32_MIN)
        return days;
    return __builtin_add_overflow(days, EPOCH_DAYS, &v) ? INT32_MAX : v;
}

static int decode_text(const char *p, int bytes, struct arena *arena, void *out)
{
    char *copy = arena_try(arena, (size_t)bytes + 1);
    if (!copy)
        return -ENOMEM;
    memcpy(copy, p, (size_t)bytes);
    copy[bytes] = '\0';
    *(struct str *)out = (struct str){.p = copy, .n = (size_t)bytes};
    return 0;
}

static int decode_value(enum db_type type, const char *p, int bytes, struct arena *arena, void *out)
{
    static const uint8_t expected[] = {
        [DB_BOOL] = 1,   [DB_INT2] = 2,  [DB_INT4] = 4, [DB_INT8] = 8,
        [DB_FLOAT8] = 8, [DB_UUID] = 16, [DB_DATE] = 4, [DB_TIMESTAMPTZ] = 8,
    };
    if (type == DB_TEXT || type == DB_BYTEA)
        return decode_text(p, bytes, arena, out);
    if (bytes != expected[type])
        return -EPROTO;
    switch (type) {
    case DB_BOOL:
        *(bool *)out = *p != 0;
        break;
    case DB_INT2:
        *(int16_t *)out = (int16_t)get16(p);
        break;
    case DB_INT4:
        *(int32_t *)out = (int32_t)get32(p);
        break;
    case DB_INT8:
        *(int64_t *)out = (int64_t)get64(p);
        break;
    case DB_FLOAT8: {
        uint64_t bits = get64(p);
        memcpy(out, &bits, sizeof bits);
        break;
    }
    case DB_UUID:
        memcpy(out, p, sizeof(struct uuid));
        break;
    case DB_TIMESTAMPTZ:
        *(int64_t *)out = unix_time((int64_t)get64(p));
        break;
    case DB_DATE:
        *(int32_t *)out = unix_date((int32_t)get32(p));
        break;
    case DB_TEXT:
    case DB_BYTEA:
        break;
    }
    return 0;
}

static void fail(struct db_member *m, enum reason reason, const char *why)
{
    if (m->failed == REASON_NONE) {
        m->failed = reason;
        m->failed_why = why;
    }
}

/* @first: the column at which the signature's columns begin. */
static void decode_row(struct db_member *m, const PGresult *result, int row, int first, void *out)
{
    const struct db_statement *s = m->plan->statement;
    uint8_t *base = out;
    for (int i = 0; i < s->column_count; i++) {
        const struct db_column *c = &s->columns[i];
        int bytes = PQgetlength(result, row, i + first);
        bool is_null = bytes == 0 && PQgetisnull(result, row, i + first);
        if (c->is_nullable)
            *(bool *)(base + c->has_offset) = !is_null;
        if (is_null) {
            if (!c->is_nullable)
                fail(m, REASON_INTERNAL_ERROR, c->name);
            continue;
        }
        int r = decode_value(c->type, PQgetvalue(result, row, i + first), bytes, m->op.scope->arena,
                             base + c->offset);
        if (r == -ENOMEM)
            fail(m, REASON_MESSAGE_TOO_LARGE, "the call's memory budget is spent");
        else if (r < 0)
            fail(m, REASON_INTERNAL_ERROR, c->name);
    }
    if (s->cardinality == DB_MAYBE)
        *(bool *)(base + s->found_offset) = true;
}

/* Makes room for @count rows of a many, or forgets what a former attempt left in a single row. */
static void prepare(struct db_member *m, uint32_t count)
{
    const struct db_statement *s = m->plan->statement;
    m->cursor = 0;
    if (s->cardinality == DB_ONE || s->cardinality == DB_MAYBE) {
        memset(m->ret, 0, s->row_bytes);
    } else if (s->cardinality == DB_MANY) {
        struct db_rows *rows = m->ret;
        *rows = (struct db_rows){.truncated = count > s->rows_max};
        if (rows->truncated)
            count = s->rows_max;
        if (count == 0)
            return;
        rows->rows = arena_try(m->op.scope->arena, (size_t)count * s->row_bytes);
        if (rows->rows)
            rows->count = count;
        else
            fail(m, REASON_MESSAGE_TOO_LARGE, "the call's memory budget is spent");
    }
}

static void take_row(struct db_member *m, const PGresult *result, int row, int first)
{
    const struct db_statement *s = m->plan->statement;
    uint32_t at = m->cursor++;
    if (s->cardinality == DB_MANY) {
        struct db_rows *rows = m->ret;
        if (at < rows->count)
            decode_row(m, result, row, first, (uint8_t *)rows->rows + (size_t)at * s->row_bytes);
    } else if (at == 0) {
        decode_row(m, result, row, first, m->ret);
    } else {
        fail(m, REASON_INTERNAL_ERROR, "more than one row");
    }
}

static void finish(struct db_member *m)
{
    if (m->plan->statement->cardinality == DB_ONE && m->cursor == 0)
        fail(m, REASON_INTERNAL_ERROR, "no row where the signature promises one");
}

static bool has_rows(const struct db_member *m)
{
    return m->plan->statement->cardinality != DB_NONE;
}

void db_decode_one(struct db_member *m, const PGresult *result)
{
    if (m->detached || !has_rows(m))
        return;
    if (PQnfields(result) != m->plan->statement->column_count) {
        fail(m, REASON_INTERNAL_ERROR, "number of columns");
        return;
    }
    int rows = PQntuples(result);
    prepare(m, (uint32_t)rows);
    for (int i = 0; i < rows; i++)
        take_row(m, result, i, 0);
    finish(m);
}

/* Which member row @row belongs to; @count where it belongs to none. */
static unsigned ordinal(const PGresult *result, int row, unsigned count)
{
    if (PQgetlength(result, row, 0) != 4) /* of NULL it is 0 */
        return count;
    uint32_t n = get32(PQgetvalue(result, row, 0));
    return n >= 1 && n <= count ? n - 1 : count;
}

void db_decode_many(struct db_member *const *members, unsigned count, const PGresult *result)
{
    const struct db_statement *s = members[0]->plan->statement;
    if (!has_rows(members[0]))
        return;
    int rows = PQntuples(result);
    bool good = PQnfields(result) == s->column_count + 1;
    for (unsigned i = 0; i < count; i++)
        members[i]->cursor = 0;
    for (int i = 0; good && i < rows; i++) {
        unsigned n = ordinal(result, i, count);
        good = n < count;
        if (good)
            members[n]->cursor++;
    }
    for (unsigned i = 0; i < count; i++) {
        if (members[i]->detached)
            continue;
        prepare(members[i], members[i]->cursor);
        if (!good)
            fail(members[i], REASON_INTERNAL_ERROR, "rows without a member");
    }
    for (int i = 0; good && i < rows; i++) {
        struct db_member *m = members[ordinal(result, i, count)];
        if (!m->detached)
            take_row(m, result, i, 1);
    }
    for (unsigned i = 0; i < count; i++)
        if (!members[i]->detached)
            finish(members[i]);
}
