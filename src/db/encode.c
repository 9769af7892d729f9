/* Arguments to PostgreSQL's binary format. Each is encoded once, when its request is submitted, as
 * a big-endian length and its bytes: the form in which it stands in an array too, so that a batch
 * is made by copying. Called by db.c (db_encode) and lane.c, lease.c (db_wire_*). What must stay
 * true: nothing of the caller's memory is needed after db_encode. */
#include <endian.h>
#include <errno.h>
#include <stdlib.h>

#include "base/check.h"
#include "db/internal.h"

#define EPOCH_US INT64_C(946684800000000) /* 2000-01-01 in microseconds since 1970 */
#define EPOCH_DAYS 10957
#define ARRAY_HEADER_BYTES 20

const int db_wire_formats[DB_PARAMS_MAX] = {[0 ... DB_PARAMS_MAX - 1] = 1};

static uint8_t *put16(uint8_t *p, uint16_t v)
{
    v = htobe16(v);
    memcpy(p, &v, sizeof v);
    return p + sizeof v;
}

static uint8_t *put32(uint8_t *p, uint32_t v)
{
    v = htobe32(v);
    memcpy(p, &v, sizeof v);
    return p + sizeof v;
}

static uint8_t *put64(uint8_t *p, uint64_t v)
{
    v = htobe64(v);
    memcpy(p, &v, sizeof v);
    return p + sizeof v;
}

static uint8_t *put_bytes(uint8_t *p, const void *bytes, size_t n)
{
    if (n > 0)
        memcpy(p, bytes, n);
    return p + n;
}

/* Infinity stays infinity; what PostgreSQL cannot hold becomes it. */
static int64_t pg_time(int64_t us)
{
    int64_t v;
    if (us == INT64_MAX)
        return us;
    return __builtin_sub_overflow(us, EPOCH_US, &v) ? INT64_MIN : v;
}

static int32_t pg_date(int32_t days)
{
    int32_t v;
    if (days == INT32_MAX)
        return days;
    return __builtin_sub_overflow(days, EPOCH_DAYS, &v) ? INT32_MIN : v;
}

static uint64_t float_bits(double f)
{
    uint64_t bits;
    memcpy(&bits, &f, sizeof bits);
    return bits;
}

static size_t fixed_bytes(enum db_type type)
{
    static const uint8_t bytes[] = {
        [DB_BOOL] = 1,   [DB_INT2] = 2,  [DB_INT4] = 4, [DB_INT8] = 8,
        [DB_FLOAT8] = 8, [DB_UUID] = 16, [DB_DATE] = 4, [DB_TIMESTAMPTZ] = 8,
    };
    return bytes[type];
}

static uint8_t *put_scalar(uint8_t *p, enum db_type type, const struct db_value *v)
{
    switch (type) {
    case DB_BOOL:
        *p = v->b;
        return p + 1;
    case DB_INT2:
        return put16(p, (uint16_t)v->i);
    case DB_INT4:
        return put32(p, (uint32_t)v->i);
    case DB_INT8:
        return put64(p, (uint64_t)v->i);
    case DB_FLOAT8:
        return put64(p, float_bits(v->f));
    case DB_TIMESTAMPTZ:
        return put64(p, (uint64_t)pg_time(v->i));
    case DB_DATE:
        return put32(p, (uint32_t)pg_date((int32_t)v->i));
    case DB_UUID:
        return put_bytes(p, v->u.b, sizeof v->u.b);
    case DB_TEXT:
    case DB_BYTEA:
        return put_bytes(p, v->s.p, v->s.n);
    }
    CHECK(false); /* not a type */
    return p;
}

/* The @i-th element of a C array as a value. */
static struct db_value element(const struct db_param *param, const struct db_value *array,
                               uint32_t i)
{
    struct db_value v = {.i = 0};
    switch (param->type) {
    case DB_BOOL:
        v.b = ((const bool *)array->array)[i];
        break;
    case DB_INT2:
        v.i = ((const int16_t *)array->array)[i];
        break;
    case DB_INT4:
    case DB_DATE:
        v.i = ((const int32_t *)array->array)[i];
        break;
    case DB_INT8:
    case DB_TIMESTAMPTZ:
        v.i = ((const int64_t *)array->array)[i];
        break;
    case DB_FLOAT8:
        v.f = ((const double *)array->array)[i];
        break;
    case DB_UUID:
        v.u = ((const struct uuid *)array->array)[i];
        break;
    case DB_TEXT:
    case DB_BYTEA:
        v.s = ((const struct str *)array->array)[i];
        v.is_null = param->is_nullable && !v.s.p;
        break;
    }
    return v;
}

static bool is_string(enum db_type type)
{
    return type == DB_TEXT || type == DB_BYTEA;
}

static bool is_null(const struct db_param *param, const struct db_value *v)
{
    return param->is_nullable && v->is_null;
}

/* Bytes of one argument without its length prefix. */
static size_t size_of(const struct db_param *param, const struct db_value *v)
{
    if (is_null(param, v))
        return 0;
    if (!param->is_array)
        return is_string(param->type) ? v->s.n : fixed_bytes(param->type);
    size_t bytes = ARRAY_HEADER_BYTES;
    if (!is_string(param->type))
        return bytes + v->array_count * (4 + fixed_bytes(param->type));
    for (uint32_t i = 0; i < v->array_count; i++)
        bytes += 4 + ((const struct str *)v->array)[i].n;
    return bytes;
}

static uint8_t *put_array_header(uint8_t *p, enum db_type type, uint32_t count, bool has_null)
{
    p = put32(p, 1);
    p = put32(p, has_null);
    p = put32(p, db_type_oid(type, false));
    p = put32(p, count);
    return put32(p, 1);
}

static uint8_t *put_array(uint8_t *p, const struct db_param *param, const struct db_value *v)
{
    uint8_t *header = p;
    bool has_null = false;
    p += ARRAY_HEADER_BYTES;
    for (uint32_t i = 0; i < v->array_count; i++) {
        struct db_value e = element(param, v, i);
        uint8_t *start = p + 4;
        p = e.is_null ? start : put_scalar(start, param->type, &e);
        put32(start - 4, e.is_null ? UINT32_MAX : (uint32_t)(p - start));
        has_null |= e.is_null;
    }
    put_array_header(header, param->type, v->array_count, has_null);
    return p;
}

static int reserve(struct db_member *m, size_t bytes)
{
    if (bytes > DB_VALUE_BYTES_MAX)
        return -EMSGSIZE;
    if (bytes > m->data_cap) {
        if (m->data != m->inline_data)
            free(m->data);
        m->data = malloc(bytes);
        CHECK(m->data);
        m->data_cap = (uint32_t)bytes;
    }
    return 0;
}

int db_encode(struct db_member *m, const struct db_value *values)
{
    const struct db_statement *s = m->plan->statement;
    size_t bytes = s->param_count * sizeof(struct db_slot);
    for (unsigned i = 0; i < s->param_count; i++)
        bytes += 4 + size_of(&s->params[i], &values[i]);
    int r = reserve(m, bytes);
    if (r < 0)
        return r;
    struct db_slot *slots = (void *)m->data;
    uint8_t *p = m->data + s->param_count * sizeof *slots;
    for (unsigned i = 0; i < s->param_count; i++) {
        const struct db_param *param = &s->params[i];
        const bool null = is_null(param, &values[i]);
        uint8_t *start = p + 4;
        p = start;
        if (!null)
            p = param->is_array ? put_array(start, param, &values[i])
                                : put_scalar(start, param->type, &values[i]);
        slots[i] = (struct db_slot){.offset = (uint32_t)(start - m->data),
                                    .bytes = null ? -1 : (int32_t)(p - start),
                                    .count = null ? 0 : values[i].array_count};
        put32(start - 4, (uint32_t)slots[i].bytes);
    }
    CHECK(p == m->data + bytes);
    return 0;
}

void db_wire_one(const struct db_member *m, struct db_wire *ret_wire)
{
    const struct db_slot *slots = member_slots(m);
    ret_wire->count = m->plan->statement->param_count;
    for (int i = 0; i < ret_wire->count; i++) {
        ret_wire->values[i] = slots[i].bytes < 0 ? NULL : (const char *)m->data + slots[i].offset;
        ret_wire->bytes[i] = slots[i].bytes < 0 ? 0 : slots[i].bytes;
    }
}

/* ---- many members, one array per parameter ---- */

static uint8_t *gather_scalars(uint8_t *p, enum db_type type, struct db_member *const *members,
                               unsigned count, unsigned param)
{
    uint8_t *header = p;
    bool has_null = false;
    p += ARRAY_HEADER_BYTES;
    for (unsigned i = 0; i < count; i++) {
        const struct db_slot *slot = &member_slots(members[i])[param];
        has_null |= slot->bytes < 0;
        p = put_bytes(p, members[i]->data + slot->offset - 4,
                      4 + (slot->bytes < 0 ? 0 : (size_t)slot->bytes));
    }
    put_array_header(header, type, count, has_null);
    return p;
}

/* The elements of all members' arrays in one. */
static uint8_t *gather_elements(uint8_t *p, const struct db_param *param,
                                struct db_member *const *members, unsigned count, unsigned index)
{
    uint8_t *header = p;
    uint32_t elements = 0;
    p += ARRAY_HEADER_BYTES;
    for (unsigned i = 0; i < count; i++) {
        const struct db_slot *slot = &member_slots(members[i])[index];
        if (slot->bytes <= ARRAY_HEADER_BYTES)
            continue;
        elements += slot->count;
        p = put_bytes(p, members[i]->data + slot->offset + ARRAY_HEADER_BYTES,
                      (size_t)slot->bytes - ARRAY_HEADER_BYTES);
    }
    put_array_header(header, param->type, elements, param->is_nullable);
    return p;
}

/* Beside them: which member each element belongs to. */
static uint8_t *gather_ordinals(uint8_t *p, struct db_member *const *members, unsigned count,
                                unsigned index)
{
    uint8_t *header = p;
    uint32_t elements = 0;
    p += ARRAY_HEADER_BYTES;
    for (unsigned i = 0; i < count; i++) {
        const struct db_slot *slot = &member_slots(members[i])[index];
        for (uint32_t j = 0; j < slot->count; j++)
            p = put32(put32(p, 4), i + 1);
        elements += slot->count;
    }
    put_array_header(header, DB_INT4, elements, false);
    return p;
}

static size_t gathered_bytes(struct db_member *const *members, unsigned count,
                             const struct db_statement *s)
{
    size_t bytes = 0;
    for (unsigned p = 0; p < s->param_count; p++) {
        bytes += 2 * ARRAY_HEADER_BYTES;
        for (unsigned i = 0; i < count; i++) {
            const struct db_slot *slot = &member_slots(members[i])[p];
            bytes += 4 + (slot->bytes < 0 ? 0 : (size_t)slot->bytes) +
                     (s->params[p].is_array ? slot->count * 8 : 0);
        }
    }
    return bytes;
}

void db_wire_many(struct db *db, struct db_member *const *members, unsigned count,
                  struct db_wire *ret_wire)
{
    const struct db_statement *s = members[0]->plan->statement;
    size_t bytes = gathered_bytes(members, count, s);
    if (bytes > db->scratch_cap) {
        free(db->scratch);
        db->scratch_cap = bytes * 2;
        db->scratch = malloc(db->scratch_cap);
        CHECK(db->scratch);
    }
    uint8_t *p = db->scratch;
    ret_wire->count = 0;
    for (unsigned i = 0; i < s->param_count; i++) {
        for (int part = 0; part <= (s->params[i].is_array ? 1 : 0); part++) {
            uint8_t *start = p;
            if (part == 1)
                p = gather_ordinals(p, members, count, i);
            else if (s->params[i].is_array)
                p = gather_elements(p, &s->params[i], members, count, i);
            else
                p = gather_scalars(p, s->params[i].type, members, count, i);
            ret_wire->values[ret_wire->count] = (const char *)start;
            ret_wire->bytes[ret_wire->count++] = (int)(p - start);
        }
    }
    CHECK(p <= db->scratch + db->scratch_cap);
}
