/* Statements as this worker uses them: parameter types of both forms, names on the wire, and the
 * boot check. db.c builds them once; setup.c compares them with the server's own description. What
 * must stay true: a plan's index is the same on every connection. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/check.h"
#include "db/internal.h"

static uint32_t hash_of(const struct db_statement *s)
{
    return (uint32_t)(((uintptr_t)s >> 4) * UINT64_C(0x9E3779B97F4A7C15) >> 32);
}

static void build(struct db *db, struct db_plan *plan, const struct db_statement *s)
{
    const unsigned places = s->param_count * 2u;
    CHECK(places <= DB_PARAMS_MAX);
    CHECK(s->sql_one || s->sql_many);
    CHECK(s->key_param < (int)s->param_count);
    CHECK(s->distinct_param < (int)s->param_count);
    plan->statement = s;
    plan->oids[0] = calloc(places + 1, 2 * sizeof(Oid));
    CHECK(plan->oids[0]);
    plan->oids[1] = plan->oids[0] + places + 1;
    for (unsigned i = 0; i < s->param_count; i++) {
        const struct db_param *p = &s->params[i];
        plan->oids[0][plan->param_counts[0]++] = db_type_oid(p->type, p->is_array);
        plan->oids[1][plan->param_counts[1]++] = db_type_oid(p->type, true);
        if (p->is_array)
            plan->oids[1][plan->param_counts[1]++] = db_type_oid(DB_INT4, true);
    }
    plan->batch_max = 1;
    if (s->sql_many && s->batch_max > 1)
        plan->batch_max = s->batch_max < db->limits.batch_max ? s->batch_max : db->limits.batch_max;
    if (plan->batch_max > db->unit_cap)
        db->unit_cap = plan->batch_max;
}

int db_plans_build(struct db *db, const struct db_statement *const *statements)
{
    while (statements[db->plan_count])
        db->plan_count++;
    db->plan_mask = 15;
    while (db->plan_mask < db->plan_count * 2)
        db->plan_mask = db->plan_mask * 2 + 1;
    db->plans = calloc(db->plan_count + 1, sizeof *db->plans);
    db->plan_index = calloc(db->plan_mask + 1, sizeof *db->plan_index);
    CHECK(db->plans && db->plan_index);
    db->unit_cap = 1;
    for (unsigned i = 0; i < db->plan_count; i++) {
        db->plans[i].index = i;
        build(db, &db->plans[i], statements[i]);
        uint32_t at = hash_of(statements[i]) & db->plan_mask;
        while (db->plan_index[at])
            at = (at + 1) & db->plan_mask;
        db->plan_index[at] = i + 1;
    }
    return 0;
}

void db_plans_free(struct db *db)
{
    for (unsigned i = 0; i < db->plan_count; i++)
        free(db->plans[i].oids[0]);
    free(db->plans);
    free(db->plan_index);
}

const struct db_plan *db_plan_of(const struct db *db, const struct db_statement *statement)
{
    for (uint32_t at = hash_of(statement) & db->plan_mask;; at = (at + 1) & db->plan_mask) {
        uint32_t i = db->plan_index[at];
        CHECK(i > 0); /* a statement that was not in the list given to db_new */
        if (db->plans[i - 1].statement == statement)
            return &db->plans[i - 1];
    }
}

void db_plan_name(const struct db_plan *plan, bool is_many, unsigned generation,
                  char ret_name[static 24])
{
    if (generation == 0)
        snprintf(ret_name, 24, "%c%u", is_many ? 'm' : 's', plan->index);
    else
        snprintf(ret_name, 24, "%c%u.%u", is_many ? 'm' : 's', plan->index, generation);
}

static int refuse(struct db *db, const struct db_plan *plan, bool is_many, const char *what,
                  const char *name, Oid got)
{
    db_set_error(db, "statement %s (%s form): %s %s is not what the signature says: type oid %u",
                 plan->statement->name, is_many ? "many" : "one", what, name, (unsigned)got);
    return -EPROTO;
}

static int check_columns(struct db *db, const struct db_plan *plan, bool is_many,
                         const PGresult *description)
{
    const struct db_statement *s = plan->statement;
    int first = is_many ? 1 : 0;
    if (s->cardinality == DB_NONE)
        return 0;
    if (PQnfields(description) != s->column_count + first) {
        db_set_error(db, "statement %s (%s form): %d columns, the signature has %d", s->name,
                     is_many ? "many" : "one", PQnfields(description), s->column_count + first);
        return -EPROTO;
    }
    if (is_many && PQftype(description, 0) != db_type_oid(DB_INT4, false))
        return refuse(db, plan, is_many, "the first column", "n int4", PQftype(description, 0));
    for (int i = 0; i < s->column_count; i++) {
        Oid got = PQftype(description, i + first);
        if (!db_type_matches(s->columns[i].type, got)) {
            char expected[80];
            snprintf(expected, sizeof expected, "%s %s", s->columns[i].name,
                     db_type_name(s->columns[i].type));
            return refuse(db, plan, is_many, "column", expected, got);
        }
    }
    return 0;
}

int db_plan_check(struct db *db, const struct db_plan *plan, bool is_many,
                  const PGresult *description)
{
    int count = plan->param_counts[is_many];
    if (PQnparams(description) != count) {
        db_set_error(db, "statement %s (%s form): %d parameters, the signature has %d",
                     plan->statement->name, is_many ? "many" : "one", PQnparams(description),
                     count);
        return -EPROTO;
    }
    for (int i = 0; i < count; i++)
        if (PQparamtype(description, i) != plan->oids[is_many][i])
            return refuse(db, plan, is_many, "parameter", "types", PQparamtype(description, i));
    return check_columns(db, plan, is_many, description);
}
