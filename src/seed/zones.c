/* Asks the database for its time zone rules, so that what we load is what SQL would compute,
 * whatever tzdata this machine has. Offsets are compared day by day, then minute by minute in the
 * few days in which they differ. */
#include <stdlib.h>

#include "base/check.h"
#include "internal.h"

static const char query[] =
    "WITH day AS ("
    "  SELECT i, name, t,"
    "         extract(epoch FROM (t AT TIME ZONE name) - (t AT TIME ZONE 'UTC'))::int4 / 60 AS "
    "offset_min"
    "  FROM unnest($1::text[]) WITH ORDINALITY zone (name, i),"
    "       generate_series(to_timestamp($2::int4 * 86400.0), to_timestamp($3::int4 * 86400.0),"
    "                       interval '1 day') t),"
    " step AS ("
    "  SELECT i, name, t, offset_min, lead(t) OVER w AS next_t, lead(offset_min) OVER w AS next_min"
    "  FROM day WINDOW w AS (PARTITION BY i ORDER BY t))"
    "SELECT i, extract(epoch FROM t)::int8 AS from_s, offset_min"
    "  FROM day WHERE t = to_timestamp($2::int4 * 86400.0) "
    "UNION ALL "
    "SELECT i, (SELECT extract(epoch FROM min(u))::int8 FROM generate_series(t, next_t, interval "
    "'1 minute') u"
    "            WHERE extract(epoch FROM (u AT TIME ZONE name) - (u AT TIME ZONE 'UTC'))::int4 / "
    "60"
    "                  <> offset_min), next_min"
    "  FROM step WHERE next_min <> offset_min "
    "ORDER BY 1, 2";

static int64_t field(const PGresult *result, int row, int column)
{
    int64_t value;
    CHECK(str_int64(str_of(PQgetvalue(result, row, column)), INT64_MIN, INT64_MAX, &value) == 0);
    return value;
}

static void take_rules(struct seed *s, const PGresult *result)
{
    int rows = PQntuples(result);
    struct zone_span *spans = arena_array(&s->arena, (size_t)rows, sizeof *spans);
    s->zones = arena_array(&s->arena, (size_t)s->zone_count, sizeof *s->zones);
    for (int row = 0; row < rows; row++) {
        int64_t i = field(result, row, 0) - 1;
        CHECK(i >= 0 && i < s->zone_count);
        spans[row] = (struct zone_span){.from_s = field(result, row, 1),
                                        .offset_min = (int32_t)field(result, row, 2)};
        if (s->zones[i].count++ == 0)
            s->zones[i].spans = &spans[row];
    }
    for (int32_t i = 0; i < s->zone_count; i++)
        CHECK(s->zones[i].count > 0);
}

int seed_read_zones(struct seed *s)
{
    struct buf names = {0};
    for (int32_t i = 0; i < s->zone_count; i++)
        buf_printf(&names, "%c%s", i == 0 ? '{' : ',', s->zone_names[i]);
    buf_append(&names, "}", sizeof "}");
    const char *values[] = {
        (const char *)names.p,
        /* Local dates reach half a day past UTC's on both sides, long flights a day more. */
        arena_printf(&s->arena, "%d", s->first_days - 2),
        arena_printf(&s->arena, "%d", s->last_days + 4),
    };
    PGresult *result = PQexecParams(s->conn, query, 3, NULL, values, NULL, NULL, 0);
    int r = PQresultStatus(result) == PGRES_TUPLES_OK ? 0 : seed_refused(s->conn, "time zones");
    if (r == 0)
        take_rules(s, result);
    PQclear(result);
    buf_deinit(&names);
    return r;
}
