/* GetSeatMap: the aircraft's cabins from memory, the assigned seats from one statement. */
#include "base/text.h"
#include "services/flight/internal.h"
#include "services/shared/names.h"
#include "services/shared/timestamp.h"

#define ROWS_MAX 128
#define ATTRIBUTES_MAX 5

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

static bool is_exit(const struct reference_cabin *cabin, int row)
{
    for (uint16_t i = 0; i < cabin->exit_row_count; i++)
        if (cabin->exit_rows[i] == row)
            return true;
    return false;
}

/* Window: at either end of the row; aisle: beside a gap; a single seat between window and aisle is
 * both. */
static void add_attributes(const struct reference_cabin *cabin, const Faregate__V1__SeatMapRow *row,
                           size_t column, Faregate__V1__Seat *seat)
{
    const char *columns = cabin->columns;
    bool window = column == 0 || columns[column + 1] == '\0';
    bool aisle = columns[column + 1] == '-' || (column > 0 && columns[column - 1] == '-');
    if (window)
        seat->attributes[seat->n_attributes++] = FAREGATE__V1__SEAT__ATTRIBUTE__WINDOW;
    if (aisle)
        seat->attributes[seat->n_attributes++] = FAREGATE__V1__SEAT__ATTRIBUTE__AISLE;
    if (!window && !aisle)
        seat->attributes[seat->n_attributes++] = FAREGATE__V1__SEAT__ATTRIBUTE__MIDDLE;
    if (row->exit_row) {
        seat->attributes[seat->n_attributes++] = FAREGATE__V1__SEAT__ATTRIBUTE__EXIT_ROW;
        seat->attributes[seat->n_attributes++] = FAREGATE__V1__SEAT__ATTRIBUTE__EXTRA_LEGROOM;
    }
    if (row->number == cabin->first_row)
        seat->attributes[seat->n_attributes++] = FAREGATE__V1__SEAT__ATTRIBUTE__BULKHEAD;
}

/* A seat with all that hangs on it: there are hundreds in a map. */
struct seat_piece {
    Faregate__V1__Seat seat;
    Faregate__V1__Seat__Attribute attributes[ATTRIBUTES_MAX];
    char designator[8];
};

static Faregate__V1__SeatMapRow *row_of(struct arena *arena, const struct get_seat_map *s,
                                        const struct reference_cabin *cabin, int row,
                                        int32_t *free_count)
{
    size_t columns = strlen(cabin->columns);
    Faregate__V1__SeatMapRow *m = arena_alloc(arena, sizeof *m);
    faregate__v1__seat_map_row__init(m);
    m->number = row;
    m->exit_row = is_exit(cabin, row);
    m->seats = arena_array(arena, columns + 1, sizeof *m->seats);
    struct seat_piece *piece = arena_array(arena, columns + 1, sizeof *piece);
    for (size_t i = 0; i < columns; i++) {
        char letter = cabin->columns[i];
        if (letter < 'A' || letter > 'Z')
            continue;
        Faregate__V1__Seat *seat = &piece->seat;
        faregate__v1__seat__init(seat);
        seat->designator = piece->designator;
        seat->attributes = piece->attributes;
        piece++;
        *text_decimal(seat->designator, (unsigned)row) = letter;
        seat->available = row >= ROWS_MAX || !(s->taken[row] & 1u << (letter - 'A'));
        *free_count += seat->available;
        add_attributes(cabin, m, i, seat);
        m->seats[m->n_seats++] = seat;
    }
    return m;
}

static Faregate__V1__SeatMapCabin *cabin_of(struct arena *arena, const struct get_seat_map *s,
                                            int number, const struct reference_cabin *cabin)
{
    Faregate__V1__SeatMapCabin *m = arena_alloc(arena, sizeof *m);
    faregate__v1__seat_map_cabin__init(m);
    m->cabin = (Faregate__V1__Cabin)number;
    m->columns = cabin->columns;
    m->rows = arena_array(arena, (size_t)(cabin->last_row - cabin->first_row + 2), sizeof *m->rows);
    for (int row = cabin->first_row; row <= cabin->last_row; row++)
        m->rows[m->n_rows++] = row_of(arena, s, cabin, row, &m->available_count);
    return m;
}

/* 1,3: cabins with seats for sale on this flight. */
static bool lists(struct str cabins, int cabin)
{
    while (cabins.n > 0) {
        int64_t one;
        if (str_int64(str_cut(&cabins, ','), 1, REFERENCE_CABINS - 1, &one) == 0 && one == cabin)
            return true;
    }
    return false;
}

/* First class first: from the nose to the tail. */
static void fill_cabins(struct call *c, const struct reference_aircraft *aircraft,
                        Faregate__V1__SeatMap *m)
{
    const struct get_seat_map *s = c->state;
    const Faregate__V1__GetSeatMapRequest *req = call_request(c);
    struct str on_flight = s->row.has_cabins ? s->row.cabins : STR("");
    m->cabins = arena_array(&c->arena, REFERENCE_CABINS, sizeof *m->cabins);
    for (int cabin = REFERENCE_CABINS - 1; cabin >= 1; cabin--)
        if (aircraft->cabins[cabin].exists && lists(on_flight, cabin) &&
            (req->cabin == 0 || (int)req->cabin == cabin))
            m->cabins[m->n_cabins++] = cabin_of(&c->arena, s, cabin, &aircraft->cabins[cabin]);
}

static enum step answer(struct call *c)
{
    struct get_seat_map *s = c->state;
    const Faregate__V1__GetSeatMapRequest *req = call_request(c);
    if (!s->row.has_aircraft)
        return call_fail(c, REASON_NOT_FOUND);
    const struct reference_aircraft *aircraft =
        reference_aircraft(app_of(c)->reference, s->row.aircraft);
    Faregate__V1__SeatMap m;
    faregate__v1__seat_map__init(&m);
    if (s->row.has_taken)
        mark_taken(s, s->row.taken);
    m.name = req->name;
    m.aircraft = arena_dup(&c->arena, s->row.aircraft);
    m.read_time = timestamp_of_us(&c->arena, s->row.read_time);
    if (aircraft)
        fill_cabins(c, aircraft, &m);
    return call_reply(c, &m.base);
}

static const struct step_def steps[] = {
    STEP(read_seats),
    STEP(answer),
};

const struct rpc_handler flight_get_seat_map_rpc = {
    .method = "GetSeatMap",
    RPC_STEPS(steps, struct get_seat_map),
};
