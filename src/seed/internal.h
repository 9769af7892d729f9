/* Shared by the parts of `faregate seed`: reading the data files, the network, COPY, the zones,
 * progress. */
#pragma once

#include <libpq-fe.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/str.h"
#include "domain/timetable.h"
#include "seed/seed.h"

#define TSV_COLUMNS_MAX 16

/* One data file, row after row; columns are found by the names in its first line. */
struct tsv {
    struct str rest;
    struct str head[TSV_COLUMNS_MAX];
    struct str row[TSV_COLUMNS_MAX];
    size_t columns;
    const char *name;
};

/* The embedded file @name; a missing file, column or number is a bug in the build and stops the
 * program. */
void tsv_open(struct tsv *t, const char *name);
bool tsv_next(struct tsv *t);
struct str tsv_text(const struct tsv *t, const char *column);
int32_t tsv_int(const struct tsv *t, const char *column);
double tsv_float(const struct tsv *t, const char *column);

struct seed_progress {
    bool shown;
    int64_t start_ns;
    int64_t drawn_ns;
    double done; /* 0 .. 1 */
};

void seed_progress_start(struct seed_progress *p, bool quiet);
void seed_progress_to(struct seed_progress *p, double done, const char *what);
void seed_progress_end(struct seed_progress *p);
double seed_progress_seconds(const struct seed_progress *p);

struct seed {
    const struct seed_options *options;
    PGconn *conn;
    struct arena_pool pool;
    struct arena arena;
    struct seed_progress progress;
    struct timetable_network network;
    const char *const *zone_names; /* each once */
    const int32_t *zone_of;        /* by airport: index into zones */
    struct zone_rules *zones;
    int32_t zone_count;
    struct timetable timetable;
    uint64_t number; /* the seed itself */
    int32_t scale_permille;
    int32_t first_days; /* dates to load, days since 1970 */
    int32_t last_days;
    int64_t flights;
};

/* One line on stderr: @what and the server's first line. -EINVAL. */
int seed_refused(PGconn *conn, const char *what);

/* @sql without parameters or rows. */
int seed_exec(struct seed *s, const char *sql);

/* COPY: begins, sends what is in @b and empties it, ends. */
int seed_copy_begin(struct seed *s, const char *sql);
int seed_copy_send(struct seed *s, struct buf *b);
int seed_copy_end(struct seed *s);

/* Every reference table from its data file. */
int seed_load_reference(struct seed *s);

/* Airports, aircraft and bases as the timetable wants them; zone names. */
void seed_read_network(struct seed *s);

/* The database's own UTC offsets over the dates to load. */
int seed_read_zones(struct seed *s);

int seed_load_schedule(struct seed *s);
int seed_load_flights(struct seed *s, bool freeze);
