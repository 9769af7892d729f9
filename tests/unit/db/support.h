/* What the tests of src/db share: a loop, a database on the private server, and callers that wait
 * for statements. A caller is a struct call as generated code sees it; only its scope and arena are
 * used. */
#pragma once

#include "db/internal.h"
#include "grpc/grpc.h"
#include "support/pg.h"
#include "support/test.h"
#include "t.sql.h"

struct caller {
    struct call call;
    bool done;
    unsigned order; /* when it was done, from 1 */
    void (*then)(struct caller *caller);
};

extern struct loop t_loop;
extern struct db *t_db;
extern int t_state;         /* the last told by on_state; 0 at first */
extern unsigned t_finished; /* callers done */
extern struct db_limits t_limits;

/* Fresh tables, a fresh database object, connected. */
void t_begin(void);
/* With a single write lane, so that everything written meets. */
void t_begin_lane(void);
void t_begin_limits(const struct db_limits *limits);
/* Fresh tables and the usual limits, for t_begin_with. */
void t_prepare(void);
/* With other statements or another server; the tables stay; does not wait. */
void t_begin_with(const char *conninfo, const struct db_statement *const *statements);
void t_end(void);

void caller_init(struct caller *c);
void caller_deinit(struct caller *c);
/* Turns the loop until *flag (or t_state, t_finished...) or for at most @ms; tells which. */
bool t_wait(bool (*is_met)(void *arg), void *arg, unsigned ms);
void t_wait_all(struct caller *callers, unsigned n);
void t_wait_up(void);
void t_pump(void);            /* sends what waits, reads nothing */
void t_turn(unsigned ms);     /* just lets time pass */
void t_one(struct caller *c); /* waits for this one */
struct uuid t_uuid(unsigned n);
/* Another name of the private server, which comes first in @conninfo. */
struct host {
    char dir[20], socket[40], conninfo[300];
    int fd;
};

void t_host_init(struct host *host);
/* From now on whoever connects under that name hears nothing. */
void t_host_mute(struct host *host);
void t_host_deinit(struct host *host);
