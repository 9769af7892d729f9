/* Members and units: pools, and how a member ends. Used by every other file of this folder.
 * What must stay true: a member's scope is told exactly once or not at all (detached); nothing here
 * runs the waiter's code except db_member_done. */
#include <stdio.h>
#include <stdlib.h>

#include "base/check.h"
#include "db/internal.h"

#define MEMBERS_KEPT_MAX 4096

struct db_member *db_member_new(struct db *db)
{
    struct list *node = list_pop(&db->members_free);
    struct db_member *m = node ? list_entry(node, struct db_member, node) : NULL;
    if (m) {
        db->members_free_count--;
    } else {
        m = malloc(sizeof *m);
        CHECK(m);
        m->data = m->inline_data;
        m->data_cap = sizeof m->inline_data;
    }
    list_init(&m->node);
    m->db = db;
    m->queue = NULL;
    m->tx = NULL;
    m->result = NULL;
    m->state = MEMBER_QUEUED;
    m->failed = REASON_NONE;
    m->failed_why = NULL;
    m->detached = m->alone = m->resent = m->is_solo = m->failed_restart = false;
    m->rewinds = 0;
    return m;
}

void db_member_free(struct db_member *m)
{
    struct db *db = m->db;
    CHECK(list_is_empty(&m->node));
    CHECK(!m->result);
    if (m->data != m->inline_data && m->data_cap > DB_KEEP_BYTES) {
        free(m->data);
        m->data = m->inline_data;
        m->data_cap = sizeof m->inline_data;
    }
    if (db->members_free_count < MEMBERS_KEPT_MAX) {
        list_prepend(&db->members_free, &m->node);
        db->members_free_count++;
        return;
    }
    if (m->data != m->inline_data)
        free(m->data);
    free(m);
}

/* The call is gone: what waits is dropped, what was sent goes on without anybody to tell. */
static void on_detach(struct op *op)
{
    struct db_member *m = list_entry(op, struct db_member, op);
    if (m->state == MEMBER_SENT) {
        m->detached = true;
        m->ret = NULL;
        return;
    }
    if (m->state == MEMBER_FAILING)
        list_remove(&m->node);
    else if (m->tx)
        db_tx_leave(m);
    else
        db_lane_leave(m);
    db_member_free(m);
}

void db_member_start(struct db_member *m, struct op_scope *scope)
{
    op_start(&m->op, scope, on_detach);
}

void db_member_done(struct db_member *m, const struct op_error *error)
{
    if (m->result) {
        PQclear(m->result);
        m->result = NULL;
    }
    if (!m->detached) {
        struct op_error own = {.reason = m->failed};
        if (!error && m->failed != REASON_NONE) {
            own.restart = m->failed_restart;
            snprintf(own.detail, sizeof own.detail, "%s: %s", m->plan->statement->name,
                     m->failed_why);
            error = &own;
        }
        if (error)
            m->db->stats.errors++;
        m->op.scope->db_ns += m->db->loop->now_ns - m->asked_ns;
        op_done(&m->op, error);
    }
    db_member_free(m);
}

void db_member_fail_later(struct db_member *m, enum reason reason, bool restart, const char *why)
{
    CHECK(list_is_empty(&m->node));
    m->state = MEMBER_FAILING;
    m->failed = reason;
    m->failed_restart = restart;
    m->failed_why = why;
    list_append(&m->db->failing, &m->node);
    db_wake(m->db);
}

void db_members_fail(struct db *db)
{
    struct list *node;
    while ((node = list_pop(&db->failing)) != NULL)
        db_member_done(list_entry(node, struct db_member, node), NULL);
}

struct db_unit *db_unit_new(struct db *db, enum unit_kind kind)
{
    struct list *node = list_pop(&db->units_free);
    struct db_unit *unit = node ? list_entry(node, struct db_unit, node) : NULL;
    struct db_member **members = unit ? unit->members : NULL;
    if (!unit) {
        unit = malloc(sizeof *unit);
        members = calloc(db->unit_cap, sizeof *members);
        CHECK(unit && members);
    }
    *unit = (struct db_unit){.kind = kind, .members = members};
    list_init(&unit->node);
    return unit;
}

bool db_unit_is_read(const struct db_unit *unit)
{
    return unit->kind == UNIT_EXEC && unit->plan->statement->is_read;
}

void db_unit_free(struct db *db, struct db_unit *unit)
{
    PQclear(unit->result);
    list_remove(&unit->node);
    list_append(&db->units_free, &unit->node);
}
