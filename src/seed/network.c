/* The reference data, twice: as rows for the database and as the network that the timetable is
 * generated over. A data file's first line names its table's columns, so that file and table cannot
 * drift apart unnoticed. */
#include <string.h>

#include "base/check.h"
#include "internal.h"
#include "schema/embedded.h"

static const char *const reference_tables[] = {
    "airport",    "airline",     "aircraft", "aircraft_cabin",
    "fare_brand", "fare_bucket", "tax",      "connection_time",
};

static int load_table(struct seed *s, const char *table)
{
    struct tsv t;
    struct buf body = {0};
    tsv_open(&t, arena_printf(&s->arena, "%s.tsv", table));
    buf_printf(&body, "COPY %s (", table);
    for (size_t i = 0; i < t.columns; i++) {
        buf_append(&body, i > 0 ? "," : "", i > 0);
        buf_append_str(&body, t.head[i]);
    }
    buf_append(&body, ") FROM STDIN", sizeof ") FROM STDIN");
    char *sql = arena_dup(&s->arena, str_of((const char *)body.p));
    buf_consume(&body, buf_len(&body));
    int r = seed_copy_begin(s, sql);
    if (r == 0) {
        buf_append_str(&body, t.rest);
        r = seed_copy_send(s, &body);
    }
    if (r == 0)
        r = seed_copy_end(s);
    buf_deinit(&body);
    return r;
}

int seed_load_reference(struct seed *s)
{
    for (size_t i = 0; i < sizeof reference_tables / sizeof *reference_tables; i++) {
        int r = load_table(s, reference_tables[i]);
        if (r < 0)
            return r;
    }
    return 0;
}

static size_t count_rows(const char *file)
{
    struct tsv t;
    size_t n = 0;
    for (tsv_open(&t, file); tsv_next(&t);)
        n++;
    return n;
}

static void text_into(char *ret, size_t bytes, struct str s)
{
    CHECK(s.n < bytes);
    memcpy(ret, s.p, s.n);
    ret[s.n] = 0;
}

/* zone.tsv lists every zone of airport.tsv, both in order. */
static void read_zone_names(struct seed *s, int32_t **ret_offset_min)
{
    struct tsv t;
    size_t n = count_rows("zone.tsv"), i = 0;
    const char **names = arena_array(&s->arena, n, sizeof *names);
    int32_t *offset_min = arena_array(&s->arena, n, sizeof *offset_min);
    for (tsv_open(&t, "zone.tsv"); tsv_next(&t); i++) {
        names[i] = arena_dup(&s->arena, tsv_text(&t, "zone"));
        offset_min[i] = tsv_int(&t, "standard_offset_min");
    }
    s->zone_names = names;
    s->zone_count = (int32_t)n;
    *ret_offset_min = offset_min;
}

static int32_t zone_index(const struct seed *s, struct str name)
{
    int32_t i = 0;
    while (i < s->zone_count && !str_eq(name, str_of(s->zone_names[i])))
        i++;
    CHECK(i < s->zone_count);
    return i;
}

static void read_airports(struct seed *s)
{
    struct tsv t;
    int32_t *offset_min;
    size_t n = count_rows("airport.tsv"), i = 0;
    struct timetable_airport *airports = arena_array(&s->arena, n, sizeof *airports);
    int32_t *zone_of = arena_array(&s->arena, n, sizeof *zone_of);
    read_zone_names(s, &offset_min);
    for (tsv_open(&t, "airport.tsv"); tsv_next(&t); i++) {
        struct timetable_airport *a = &airports[i];
        text_into(a->iata, sizeof a->iata, tsv_text(&t, "iata"));
        text_into(a->metro, sizeof a->metro, tsv_text(&t, "metro"));
        text_into(a->country, sizeof a->country, tsv_text(&t, "country"));
        a->latitude = tsv_float(&t, "latitude");
        a->longitude = tsv_float(&t, "longitude");
        a->traffic = tsv_int(&t, "traffic");
        zone_of[i] = zone_index(s, tsv_text(&t, "zone"));
        a->standard_offset_min = offset_min[zone_of[i]];
        CHECK(i == 0 || strcmp(airports[i - 1].iata, a->iata) < 0);
    }
    s->network.airports = airports;
    s->network.airport_count = (int32_t)n;
    s->zone_of = zone_of;
}

/* Seats of a cabin: its rows times the letters of its columns. */
static int32_t seats_of(const struct tsv *t)
{
    struct str columns = tsv_text(t, "columns");
    int32_t letters = 0;
    for (size_t i = 0; i < columns.n; i++)
        letters += columns.p[i] != '-';
    return letters * (tsv_int(t, "last_row") - tsv_int(t, "first_row") + 1);
}

static void read_aircraft(struct seed *s)
{
    struct tsv t;
    size_t n = count_rows("aircraft.tsv"), i = 0;
    struct timetable_aircraft *aircraft = arena_array(&s->arena, n, sizeof *aircraft);
    for (tsv_open(&t, "aircraft.tsv"); tsv_next(&t); i++) {
        text_into(aircraft[i].code, sizeof aircraft[i].code, tsv_text(&t, "code"));
        aircraft[i].range_km = tsv_int(&t, "range_km");
        aircraft[i].speed_kmh = tsv_int(&t, "speed_kmh");
    }
    for (tsv_open(&t, "aircraft_cabin.tsv"); tsv_next(&t);) {
        int32_t cabin = tsv_int(&t, "cabin");
        for (i = 0; i < n && !str_eq(str_of(aircraft[i].code), tsv_text(&t, "aircraft")); i++)
            ;
        CHECK(i < n && cabin > 0 && cabin < TIMETABLE_CABINS);
        aircraft[i].seats[cabin] = seats_of(&t);
    }
    s->network.aircraft = aircraft;
    s->network.aircraft_count = (int32_t)n;
}

static int32_t airport_index(const struct seed *s, struct str iata)
{
    int32_t low = 0, high = s->network.airport_count - 1;
    while (low < high) {
        int32_t middle = (low + high) / 2;
        if (memcmp(s->network.airports[middle].iata, iata.p, 3) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    CHECK(str_eq(str_of(s->network.airports[low].iata), iata));
    return low;
}

static void read_bases(struct seed *s)
{
    struct tsv t;
    size_t n = count_rows("base.tsv"), i = 0;
    struct timetable_base *bases = arena_array(&s->arena, n, sizeof *bases);
    for (tsv_open(&t, "base.tsv"); tsv_next(&t); i++) {
        text_into(bases[i].carrier, sizeof bases[i].carrier, tsv_text(&t, "carrier"));
        bases[i].airport = airport_index(s, tsv_text(&t, "airport"));
        bases[i].reach_km = tsv_int(&t, "reach_km");
    }
    s->network.bases = bases;
    s->network.base_count = (int32_t)n;
}

void seed_read_network(struct seed *s)
{
    read_airports(s);
    read_aircraft(s);
    read_bases(s);
}
