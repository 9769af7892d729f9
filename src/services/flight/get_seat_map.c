/* GetSeatMap: the aircraft's cabins from memory, the assigned seats from one statement. */
#include "grpc/pb_put.h"
#include "services/flight/internal.h"
#include "services/seat_row.h"
#include "services/shared/names.h"
#include "services/shared/timestamp.h"

#define ROWS_MAX 128
#define HEAD_BYTES_MAX 96 /* of a map or a cabin, beside its texts and rows */

/* As the .proto numbers them. */
enum { MAP_NAME = 1, MAP_AIRCRAFT, MAP_CABINS, MAP_READ_TIME };
enum { CABIN_CABIN = 1, CABIN_COLUMNS, CABIN_ROWS, CABIN_AVAILABLE_COUNT };
static_assert(CABIN_ROWS == SEAT_ROW_FIELD, "rows know the field they are in");

struct get_seat_map {
    struct uuid flight_id;
    struct flight_read_seats_row row;
    uint32_t taken[ROWS_MAX]; /* a bit for each letter */
};

static enum step read_seats(struct call *c)
{
    struct get_seat_map *s = c->state;
    const Faregate__V1__GetSeatMapRequest *req = call_request(c);
    if (!name_take(c, "name", req->name, "flights/{uuid}/seatMap", &s->flight_id))
        return STEP_DONE;
    flight_read_seats(c, &s->row, s->flight_id);
    return STEP_NEXT;
}

/* 12A,12C,31F */
static void mark_taken(struct get_seat_map *s, struct str list)
{
    while (list.n > 0) {
        struct str seat = str_cut(&list, ',');
        int64_t row;
        if (seat.n < 2)
            continue;
        char letter = seat.p[seat.n - 1];
        struct str digits = {.p = seat.p, .n = seat.n - 1};
        if (str_int64(digits, 0, ROWS_MAX - 1, &row) == 0 && letter >= 'A' && letter <= 'Z')
            s->taken[row] |= 1u << (letter - 'A');
    }
}

static uint32_t taken_in(const struct get_seat_map *s, int row)
{
    return row < ROWS_MAX ? s->taken[row] : 0;
}

static int32_t available_count(const struct get_seat_map *s, const struct reference_cabin *cabin)
{
    int32_t count = 0;
    for (int row = cabin->first_row; row <= cabin->last_row; row++)
        count += __builtin_popcount(cabin->letters & ~taken_in(s, row));
    return count;
}

static uint8_t *put_cabin(uint8_t *p, const struct get_seat_map *s, int number,
                          const struct reference_cabin *cabin)
{
    const uint8_t *end = p;
    p = pb_put_number(p, CABIN_AVAILABLE_COUNT, available_count(s, cabin));
    for (int row = cabin->last_row; row >= cabin->first_row; row--) {
        uint32_t taken = taken_in(s, row) & cabin->letters;
        p = taken ? seat_row_put(p, cabin, row, taken)
                  : pb_put_bytes(p, cabin->free_rows[row - cabin->first_row]);
    }
    p = pb_put_text(p, CABIN_COLUMNS, str_of(cabin->columns));
    p = pb_put_number(p, CABIN_CABIN, number);
    return pb_put_around(p, MAP_CABINS, end);
}

/* On the aircraft, with seats for sale on this flight, and asked for. */
static bool is_shown(struct call *c, const struct reference_aircraft *aircraft, int cabin)
{
    const struct get_seat_map *s = c->state;
    const Faregate__V1__GetSeatMapRequest *req = call_request(c);
    return aircraft && aircraft->cabins[cabin].exists && s->row.cabins >> cabin & 1 &&
           (req->cabin == 0 || (int)req->cabin == cabin);
}

/* Written as bytes: hundreds of seats as messages were seven eighths of the call. */
static enum step answer(struct call *c)
{
    struct get_seat_map *s = c->state;
    const Faregate__V1__GetSeatMapRequest *req = call_request(c);
    if (!s->row.has_aircraft)
        return call_fail(c, REASON_NOT_FOUND);
    const struct reference_aircraft *aircraft =
        reference_aircraft(app_of(c)->reference, s->row.aircraft);
    if (s->row.has_taken)
        mark_taken(s, s->row.taken);
    struct str name = str_of(req->name);
    size_t bytes_max = name.n + s->row.aircraft.n + HEAD_BYTES_MAX;
    for (int cabin = 1; cabin < REFERENCE_CABINS; cabin++)
        if (is_shown(c, aircraft, cabin))
            bytes_max += aircraft->cabins[cabin].free_rows_bytes + HEAD_BYTES_MAX;
    uint8_t *end = (uint8_t *)arena_alloc(&c->arena, bytes_max) + bytes_max;
    uint8_t *p = timestamp_put(end, MAP_READ_TIME, s->row.read_time);
    for (int cabin = 1; cabin < REFERENCE_CABINS; cabin++) /* first class first: at the nose */
        if (is_shown(c, aircraft, cabin))
            p = put_cabin(p, s, cabin, &aircraft->cabins[cabin]);
    p = pb_put_text(p, MAP_AIRCRAFT, s->row.aircraft);
    p = pb_put_text(p, MAP_NAME, name);
    return call_reply_bytes(c, p, (size_t)(end - p));
}

static const struct step_def steps[] = {
    STEP(read_seats),
    STEP(answer),
};

const struct rpc_handler flight_get_seat_map_rpc = {
    .method = "GetSeatMap",
    RPC_STEPS(steps, struct get_seat_map),
};
