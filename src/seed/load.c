/* COPY of the timetable: weekly patterns as text, dated flights and their cabins in binary.
 * Rows leave in the order of their keys (route, date, time), so that the indexes grow at their
 * right edge and one route's flights share pages. */
#include <endian.h>
#include <string.h>

#include "base/check.h"
#include "internal.h"

#define SEND_BYTES 65536
#define PG_EPOCH_S INT64_C(946684800) /* 2000-01-01 */
#define PG_EPOCH_DAYS 10957
#define CLOSE_BEFORE_S (60 * 60) /* sales end an hour before departure */

int seed_copy_begin(struct seed *s, const char *sql)
{
    PGresult *result = PQexec(s->conn, sql);
    int r = PQresultStatus(result) == PGRES_COPY_IN ? 0 : seed_refused(s->conn, sql);
    PQclear(result);
    return r;
}

int seed_copy_send(struct seed *s, struct buf *b)
{
    int r = PQputCopyData(s->conn, (const char *)b->p + b->start, (int)buf_len(b));
    buf_consume(b, buf_len(b));
    return r == 1 ? 0 : seed_refused(s->conn, "COPY");
}

int seed_copy_end(struct seed *s)
{
    if (PQputCopyEnd(s->conn, NULL) != 1)
        return seed_refused(s->conn, "COPY");
    PGresult *result;
    int r = 0;
    while ((result = PQgetResult(s->conn))) {
        if (PQresultStatus(result) != PGRES_COMMAND_OK && r == 0)
            r = seed_refused(s->conn, "COPY");
        PQclear(result);
    }
    return r;
}

/* Binary COPY: every field is its length and its bytes, all big-endian. */
static uint8_t *put_raw(uint8_t *p, const void *bytes, uint32_t n)
{
    uint32_t length = htobe32(n);
    memcpy(p, &length, 4);
    memcpy(p + 4, bytes, n);
    return p + 4 + n;
}

static uint8_t *put_text(uint8_t *p, const char *text)
{
    return put_raw(p, text, (uint32_t)strlen(text));
}

static uint8_t *put_int2(uint8_t *p, int32_t value)
{
    uint16_t raw = htobe16((uint16_t)value);
    return put_raw(p, &raw, 2);
}

static uint8_t *put_int4(uint8_t *p, int32_t value)
{
    uint32_t raw = htobe32((uint32_t)value);
    return put_raw(p, &raw, 4);
}

static uint8_t *put_int8(uint8_t *p, int64_t value)
{
    uint64_t raw = htobe64((uint64_t)value);
    return put_raw(p, &raw, 8);
}

static uint8_t *put_time(uint8_t *p, int64_t utc_s)
{
    return put_int8(p, (utc_s - PG_EPOCH_S) * US_PER_S);
}

static uint8_t *put_fields(uint8_t *p, uint16_t count)
{
    uint16_t raw = htobe16(count);
    memcpy(p, &raw, 2);
    return p + 2;
}

#define INVENTORY_COLUMNS                                                                          \
    "flight_id, cabin, authorised, free, base_minor, sales_close_time, carrier, number, origin, "  \
    "destination, departure_date, departure_time, arrival_time, departure_offset_min, "            \
    "arrival_offset_min, aircraft, distance_km"
#define FLIGHT_BYTES_MAX 1024 /* of all its cabins */

/* A row for each cabin. */
static uint8_t *put_flight(uint8_t *p, const struct seed *s, const struct timetable_pattern *t,
                           const struct timetable_flight *f)
{
    const struct timetable_aircraft *a = &s->network.aircraft[t->aircraft];
    for (int32_t cabin = 1; cabin < TIMETABLE_CABINS; cabin++) {
        if (a->seats[cabin] == 0)
            continue;
        p = put_fields(p, 17);
        p = put_raw(p, f->flight_id.b, sizeof f->flight_id.b);
        p = put_int2(p, cabin);
        p = put_int4(p, a->seats[cabin]);
        p = put_int4(p, a->seats[cabin]);
        p = put_int8(p, timetable_cabin_price(f->base_minor, cabin));
        p = put_time(p, f->departure_s - CLOSE_BEFORE_S);
        p = put_text(p, t->carrier);
        p = put_int4(p, t->number);
        p = put_text(p, s->network.airports[t->origin].iata);
        p = put_text(p, s->network.airports[t->destination].iata);
        p = put_int4(p, f->date_days - PG_EPOCH_DAYS);
        p = put_time(p, f->departure_s);
        p = put_time(p, f->arrival_s);
        p = put_int2(p, f->departure_offset_min);
        p = put_int2(p, f->arrival_offset_min);
        p = put_text(p, a->code);
        p = put_int4(p, t->distance_km);
    }
    return p;
}

/* All flights of one route, in order of date and time. */
static int copy_route(struct seed *s, int32_t first, int32_t end, struct buf *b)
{
    for (int32_t date = s->first_days; date <= s->last_days; date++) {
        for (int32_t i = first; i < end; i++) {
            const struct timetable_pattern *t = &s->timetable.patterns[i];
            if (!timetable_flies(t, date))
                continue;
            struct timetable_flight f =
                timetable_expand(t, s->number, date, &s->zones[s->zone_of[t->origin]],
                                 &s->zones[s->zone_of[t->destination]]);
            uint8_t *start = buf_reserve(b, FLIGHT_BYTES_MAX), *p = put_flight(start, s, t, &f);
            CHECK(p <= start + FLIGHT_BYTES_MAX);
            buf_commit(b, (size_t)(p - start));
            s->flights++;
            if (buf_len(b) >= SEND_BYTES) {
                int r = seed_copy_send(s, b);
                if (r < 0)
                    return r;
            }
        }
    }
    return 0;
}

int seed_load_flights(struct seed *s, bool freeze)
{
    static const uint8_t head[19] = "PGCOPY\n\377\r\n"; /* then flags and extension length: zero */
    static const uint8_t tail[2] = {0xff, 0xff};
    struct buf b = {0};
    int r = seed_copy_begin(
        s, freeze ? "COPY inventory (" INVENTORY_COLUMNS ") FROM STDIN (FORMAT binary, FREEZE)"
                  : "COPY inventory (" INVENTORY_COLUMNS ") FROM STDIN (FORMAT binary)");
    if (r < 0)
        return r;
    buf_append(&b, head, sizeof head);
    for (int32_t i = 0, end; r == 0 && i < s->timetable.count; i = end) {
        end = i + 1;
        while (end < s->timetable.count &&
               s->timetable.patterns[end].route == s->timetable.patterns[i].route)
            end++;
        r = copy_route(s, i, end, &b);
        seed_progress_to(&s->progress, 0.05 + 0.65 * end / s->timetable.count, "flights");
    }
    buf_append(&b, tail, sizeof tail);
    if (r == 0)
        r = seed_copy_send(s, &b);
    if (r == 0)
        r = seed_copy_end(s);
    buf_deinit(&b);
    return r;
}

static void put_date(struct buf *b, int32_t days)
{
    int32_t year, month, day;
    civil_date(days, &year, &month, &day);
    buf_printf(b, "%04d-%02d-%02d\t", year, month, day);
}

int seed_load_schedule(struct seed *s)
{
    struct buf b = {0};
    int r = seed_copy_begin(
        s, "COPY schedule (carrier, number, origin, destination, first_date, last_date, weekdays, "
           "departure_local, block_minutes, distance_km, aircraft, base_minor) FROM STDIN");
    if (r < 0)
        return r;
    for (int32_t i = 0; i < s->timetable.count; i++) {
        const struct timetable_pattern *t = &s->timetable.patterns[i];
        buf_printf(&b, "%s\t%d\t%s\t%s\t", t->carrier, t->number,
                   s->network.airports[t->origin].iata, s->network.airports[t->destination].iata);
        put_date(&b, s->first_days);
        put_date(&b, s->last_days);
        buf_printf(&b, "%d\t%02d:%02d\t%d\t%d\t%s\t%lld\n", t->weekdays, t->departure_min / 60,
                   t->departure_min % 60, t->block_min, t->distance_km,
                   s->network.aircraft[t->aircraft].code, (long long)t->base_minor);
    }
    r = seed_copy_send(s, &b);
    if (r == 0)
        r = seed_copy_end(s);
    buf_deinit(&b);
    return r;
}
