/* The memory of the timetable; see board.h. A half is a table of routes, then its flights from the
 * front and their cabins from the back, until they meet; between them, when it is looked at, the
 * places of the flights by their ids.
 *
 * A look is checked like a seqlock: the generation must be the same before and after. What it finds
 * in between may be wiped under it, so every place is checked before it is followed. Seats, prices
 * and closing times change under looks, each by itself in one store. */
#include "services/flight/board.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "base/check.h"

#define PAGE_BYTES ((size_t)65536) /* of any machine */
#define ROUTE_SLOTS (1u << 17)
#define ROUTES_MAX (ROUTE_SLOTS / 2)
#define LETTERS 26u
#define CODES (LETTERS * LETTERS * LETTERS)
#define BY_ID_MIN 1024u
/* That many in a row are rare; wiped memory may have more. */
#define BY_ID_PROBES_MAX 128u

struct board_route {
    uint32_t key; /* of the airports, plus one; 0: free */
    uint32_t at;
    uint32_t count;
    int32_t first_days; /* its first and last flight */
    int32_t last_days;
};

struct flight {
    struct departure departure; /* first: board_sale goes back from it */
    int32_t days;               /* the date at the origin */
    uint32_t sales_at;          /* the first of its cabins */
    uint32_t route_key;
    uint8_t cabins; /* a bit for each */
    _Atomic bool is_scheduled;
};
_Static_assert(sizeof(struct flight) == 64, "a flight is a line of the cache");

struct sale {
    _Atomic uint64_t seats; /* authorised, used */
    _Atomic int64_t base_minor;
    _Atomic int64_t close_us;
};

struct board_half {
    _Atomic int64_t read_ns;
    _Atomic int64_t ahead_us; /* the database's clock, of CLOCK_MONOTONIC */
    int32_t first_days;
    uint32_t flight_count;
    uint32_t sale_count;
    uint32_t by_id_mask;
    struct board_route routes[ROUTE_SLOTS];
};

struct board {
    size_t half_bytes;
    size_t bytes;
    _Atomic uint64_t generation; /* the half in use is its last bit; 0: none yet */
    _Atomic bool is_full;
};

#define FLIGHTS_AT                                                                                 \
    ((sizeof(struct board_half) + sizeof(struct flight) - 1) / sizeof(struct flight) *             \
     sizeof(struct flight))

void departure_codes(struct departure *d, struct str carrier, struct str aircraft)
{
    if (carrier.n == sizeof d->carrier - 1)
        memcpy(d->carrier, carrier.p, carrier.n);
    if (aircraft.n < sizeof d->aircraft)
        memcpy(d->aircraft, aircraft.p, aircraft.n);
}

struct board *board_new(size_t bytes)
{
    size_t half = (bytes - PAGE_BYTES) / 2 / PAGE_BYTES * PAGE_BYTES;
    CHECK(bytes > PAGE_BYTES && half > FLIGHTS_AT + PAGE_BYTES);
    struct board *board = mmap(NULL, PAGE_BYTES + 2 * half, PROT_READ | PROT_WRITE,
                               MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (board == MAP_FAILED)
        return NULL;
    board->bytes = PAGE_BYTES + 2 * half;
    board->half_bytes = half;
    madvise(board, board->bytes, MADV_DONTDUMP);
    return board;
}

struct board *board_free(struct board *board)
{
    if (board)
        munmap(board, board->bytes);
    return NULL;
}

static struct board_half *half_of(const struct board *board, uint64_t generation)
{
    return (void *)((char *)(uintptr_t)board + PAGE_BYTES + (generation & 1) * board->half_bytes);
}

static struct flight *flight_at(const struct board_half *half, uint32_t i)
{
    return (struct flight *)((char *)(uintptr_t)half + FLIGHTS_AT) + i;
}

static struct sale *sale_at(const struct board *board, const struct board_half *half, uint32_t i)
{
    return (struct sale *)((char *)(uintptr_t)half + board->half_bytes) - i - 1;
}

/* Behind the flights. */
static uint32_t *by_id_at(const struct board_half *half, uint32_t flight_count)
{
    return (uint32_t *)(void *)flight_at(half, flight_count);
}

static uint32_t id_hash(struct uuid id)
{
    uint64_t hash;
    memcpy(&hash, id.b + sizeof id.b - sizeof hash, sizeof hash);
    return (uint32_t)(hash * UINT64_C(0x9e3779b97f4a7c15) >> 32);
}

/* Three capitals each, or 0. */
static uint32_t key_of(const char *origin, const char *destination)
{
    uint32_t key = 0;
    for (unsigned i = 0; i < 6; i++) {
        char letter = i < 3 ? origin[i] : destination[i - 3];
        if (letter < 'A' || letter > 'Z')
            return 0;
        key = key * LETTERS + (uint32_t)(letter - 'A');
    }
    return key + 1;
}

static void airports_of(uint32_t key, char origin[static 4], char destination[static 4])
{
    key--;
    for (unsigned i = 6; i-- > 0; key /= LETTERS)
        (i < 3 ? origin : destination)[i % 3] = (char)('A' + key % LETTERS);
    origin[3] = destination[3] = '\0';
}

/* Its slot, or the free one where it would be. */
static const struct board_route *route_of(const struct board_half *half, uint32_t key)
{
    uint32_t at = (uint32_t)(key * UINT64_C(0x9e3779b97f4a7c15) >> 40);
    for (uint32_t i = 0; i < ROUTE_SLOTS; i++, at++) {
        const struct board_route *route = &half->routes[at % ROUTE_SLOTS];
        if (route->key == key || route->key == 0)
            return route;
    }
    return NULL;
}

/* ---- looking ---- */

bool board_look(const struct board *board, int64_t since_ns, struct board_look *ret_look)
{
    uint64_t generation = atomic_load_explicit(&board->generation, memory_order_acquire);
    const struct board_half *half = half_of(board, generation);
    *ret_look = (struct board_look){.board = board, .half = half, .generation = generation};
    return generation > 0 && board_read_ns(ret_look) >= since_ns;
}

int64_t board_read_ns(const struct board_look *look)
{
    return atomic_load_explicit(&look->half->read_ns, memory_order_acquire);
}

int64_t board_clock_us(const struct board_look *look, int64_t mono_ns)
{
    return mono_ns / NS_PER_US + atomic_load_explicit(&look->half->ahead_us, memory_order_relaxed);
}

bool board_look_ends(const struct board_look *look)
{
    atomic_thread_fence(memory_order_acquire);
    return atomic_load_explicit(&look->board->generation, memory_order_relaxed) == look->generation;
}

static bool is_inside(const struct board *board, uint32_t count, size_t bytes)
{
    return count <= (board->half_bytes - FLIGHTS_AT) / bytes;
}

/* A route flies about as often on one day as on another, so its day is looked for where it should
 * be, and from there in steps that double: a line of the cache for each look counts. */
static uint32_t first_from(const struct board_half *half, const struct board_route *route,
                           int32_t first_days)
{
    const struct flight *flights = flight_at(half, route->at);
    int64_t days = (int64_t)route->last_days - route->first_days + 1;
    int64_t guess =
        ((int64_t)first_days - route->first_days) * route->count / (days > 0 ? days : 1);
    uint32_t low = 0, high = route->count, step = 1;
    uint32_t at = guess < 0 ? 0 : guess >= high ? high - 1 : (uint32_t)guess;
    while (low < high) {
        if (flights[at].days < first_days) {
            low = at + 1;
            at = high - low > step ? low + step - 1 : low + (high - low) / 2;
        } else {
            high = at;
            at = high - low > step ? high - step : low + (high - low) / 2;
        }
        step *= 2;
    }
    return route->at + low;
}

bool board_route(const struct board_look *look, const char *origin, const char *destination,
                 int32_t first_days, struct board_range *ret_range)
{
    uint32_t key = key_of(origin, destination);
    if (key == 0 || first_days < look->half->first_days)
        return false;
    const struct board_route *route = route_of(look->half, key);
    *ret_range = (struct board_range){0};
    if (!route || route->key == 0)
        return true;
    uint32_t at = route->at, end = at + route->count;
    if (end < at || route->count == 0 || !is_inside(look->board, end, sizeof(struct flight)))
        return false;
    *ret_range = (struct board_range){.at = first_from(look->half, route, first_days), .end = end};
    return true;
}

const struct departure *board_next(const struct board_look *look, struct board_range *range,
                                   int32_t last_days)
{
    while (range->at < range->end) {
        const struct flight *flight = flight_at(look->half, range->at);
        if (flight->days > last_days)
            return NULL;
        range->at++;
        if (atomic_load_explicit(&flight->is_scheduled, memory_order_relaxed))
            return &flight->departure;
    }
    return NULL;
}

const struct departure *board_flight(const struct board_look *look, struct uuid flight_id,
                                     char ret_origin[static 4], char ret_destination[static 4])
{
    const struct board_half *half = look->half;
    uint32_t count = half->flight_count, mask = half->by_id_mask, at = id_hash(flight_id);
    if (FLIGHTS_AT + count * sizeof(struct flight) + ((size_t)mask + 1) * sizeof(uint32_t) >
        look->board->half_bytes)
        return NULL;
    const uint32_t *by_id = by_id_at(half, count);
    for (unsigned i = 0; i < BY_ID_PROBES_MAX; i++, at++) {
        uint32_t place = by_id[at & mask];
        if (place == 0 || place > count)
            return NULL;
        const struct flight *flight = flight_at(half, place - 1);
        if (!uuid_eq(flight->departure.flight_id, flight_id))
            continue;
        airports_of(flight->route_key, ret_origin, ret_destination);
        return atomic_load(&flight->is_scheduled) ? &flight->departure : NULL;
    }
    return NULL;
}

/* NULL: it has no such cabin. */
static struct sale *sale_of(const struct board *board, const struct board_half *half,
                            const struct flight *flight, unsigned cabin)
{
    unsigned bit = 1u << cabin, cabins = flight->cabins;
    uint32_t at = flight->sales_at + (uint32_t)__builtin_popcount(cabins & (bit - 1));
    return cabins & bit && at < UINT32_MAX && is_inside(board, at + 1, sizeof(struct sale))
               ? sale_at(board, half, at)
               : NULL;
}

bool board_sale(const struct board_look *look, const struct departure *departure, unsigned cabin,
                struct departure_sale *ret_sale)
{
    const struct flight *flight = (const void *)departure;
    const struct sale *sale = sale_of(look->board, look->half, flight, cabin);
    if (!sale)
        return false;
    uint64_t seats = atomic_load_explicit(&sale->seats, memory_order_relaxed);
    *ret_sale = (struct departure_sale){
        .authorised = (int32_t)(seats >> 32),
        .used = (int32_t)(uint32_t)seats,
        .base_minor = atomic_load_explicit(&sale->base_minor, memory_order_relaxed),
        .close_us = atomic_load_explicit(&sale->close_us, memory_order_relaxed),
    };
    return true;
}

/* ---- filling ---- */

void board_fill_begin(struct board_fill *fill, struct board *board, int32_t first_days)
{
    board_fill_deinit(fill);
    uint64_t generation = atomic_load(&board->generation) + 1;
    *fill = (struct board_fill){.board = board,
                                .half = half_of(board, generation),
                                .generation = generation,
                                .by_id = calloc(BY_ID_MIN, sizeof *fill->by_id),
                                .by_id_mask = BY_ID_MIN - 1};
    CHECK(fill->by_id);
    /* Whoever still looks at it has read the generation before, and reads it again behind this. */
    atomic_thread_fence(memory_order_seq_cst);
    CHECK(madvise(fill->half, board->half_bytes, MADV_REMOVE) == 0);
    fill->half->first_days = first_days;
}

static uint32_t *slot_of(const struct board_fill *fill, const struct uuid *id)
{
    for (uint32_t at = id_hash(*id);; at++) {
        uint32_t *slot = &fill->by_id[at & fill->by_id_mask];
        if (*slot == 0 || uuid_eq(flight_at(fill->half, *slot - 1)->departure.flight_id, *id))
            return slot;
    }
}

/* At most half full, so that a free slot is near. */
static void remember(struct board_fill *fill, uint32_t flight)
{
    if (flight >= fill->by_id_mask / 2) {
        free(fill->by_id);
        fill->by_id_mask = fill->by_id_mask * 2 + 1;
        fill->by_id = calloc((size_t)fill->by_id_mask + 1, sizeof *fill->by_id);
        CHECK(fill->by_id);
        for (uint32_t i = 0; i < flight; i++)
            *slot_of(fill, &flight_at(fill->half, i)->departure.flight_id) = i + 1;
    }
    *slot_of(fill, &flight_at(fill->half, flight)->departure.flight_id) = flight + 1;
}

static size_t by_id_bytes(const struct board_fill *fill)
{
    return ((size_t)fill->by_id_mask + 1) * sizeof *fill->by_id;
}

/* For one more flight, which may double the table of ids, and its first cabin. */
static bool has_room(const struct board_fill *fill)
{
    const struct board_half *half = fill->half;
    return FLIGHTS_AT + (half->flight_count + 1) * sizeof(struct flight) + 2 * by_id_bytes(fill) +
               (half->sale_count + 1) * sizeof(struct sale) <=
           fill->board->half_bytes;
}

/* Moves fill->route on; a route comes in one piece. */
static int begin_route(struct board_fill *fill, uint32_t key, int32_t first_days)
{
    struct board_route *route = (struct board_route *)(uintptr_t)route_of(fill->half, key);
    if (route->key != 0)
        return -EBADMSG;
    if (fill->route_count == ROUTES_MAX)
        return -ENOSPC;
    fill->route_count++;
    *route =
        (struct board_route){.key = key, .at = fill->half->flight_count, .first_days = first_days};
    fill->route = route;
    return 0;
}

static void add_flight(struct board_fill *fill, struct board_route *route,
                       const struct flight_read_departures_row *row)
{
    struct board_half *half = fill->half;
    struct flight *flight = flight_at(half, half->flight_count);
    struct departure *d = &flight->departure;
    d->flight_id = row->flight_id;
    d->departure_s = row->departure_time / US_PER_S;
    d->arrival_s = row->arrival_time / US_PER_S;
    d->departure_offset_min = row->departure_offset_min;
    d->arrival_offset_min = row->arrival_offset_min;
    d->number = (uint16_t)row->number;
    d->distance_km = (uint16_t)row->distance_km;
    departure_codes(d, row->carrier, row->aircraft);
    flight->days = row->departure_date;
    flight->sales_at = half->sale_count;
    flight->route_key = route->key;
    atomic_store_explicit(&flight->is_scheduled, true, memory_order_relaxed);
    remember(fill, half->flight_count++);
    route->count++;
    route->last_days = row->departure_date;
}

static void set_sale(struct sale *sale, int32_t authorised, int32_t used, int64_t base_minor,
                     int64_t close_us)
{
    uint64_t seats = (uint64_t)(uint32_t)authorised << 32 | (uint32_t)used;
    atomic_store_explicit(&sale->seats, seats, memory_order_relaxed);
    atomic_store_explicit(&sale->base_minor, base_minor, memory_order_relaxed);
    atomic_store_explicit(&sale->close_us, close_us, memory_order_relaxed);
}

int board_add(struct board_fill *fill, const struct flight_read_departures_row *row)
{
    struct board_half *half = fill->half;
    uint32_t key = row->origin.n == 3 && row->destination.n == 3
                       ? key_of(row->origin.p, row->destination.p)
                       : 0;
    if (key == 0)
        return 0; /* nobody can ask for it */
    if (!has_room(fill))
        return -ENOSPC;
    int r =
        fill->route && fill->route->key == key ? 0 : begin_route(fill, key, row->departure_date);
    if (r < 0)
        return r;
    if (*slot_of(fill, &row->flight_id) == 0)
        add_flight(fill, fill->route, row);
    struct flight *flight = flight_at(half, half->flight_count - 1);
    if (!uuid_eq(flight->departure.flight_id, row->flight_id) || row->cabin < 1 ||
        row->cabin > BOARD_CABINS || flight->cabins >= 1u << row->cabin)
        return -EBADMSG;
    flight->cabins |= (uint8_t)(1u << row->cabin);
    set_sale(sale_at(fill->board, half, half->sale_count++), row->authorised, row->used,
             row->base_minor, row->sales_close_time);
    return 0;
}

uint32_t board_flights(const struct board_fill *fill)
{
    return fill->half ? fill->half->flight_count : 0;
}

size_t board_bytes(const struct board_fill *fill)
{
    return fill->half
               ? sizeof(struct board_half) + fill->half->flight_count * sizeof(struct flight) +
                     fill->half->sale_count * sizeof(struct sale) + by_id_bytes(fill)
               : 0;
}

bool board_change(struct board_fill *fill, const struct flight_read_changes_row *row)
{
    uint32_t place = *slot_of(fill, &row->flight_id);
    if (place == 0)
        return !row->is_scheduled; /* nobody looks for it */
    struct flight *flight = flight_at(fill->half, place - 1);
    struct sale *sale = row->cabin >= 1 && row->cabin <= BOARD_CABINS
                            ? sale_of(fill->board, fill->half, flight, (unsigned)row->cabin)
                            : NULL;
    struct departure now = {0};
    departure_codes(&now, STR(""), row->aircraft);
    if (!sale || flight->departure.departure_s != row->departure_time / US_PER_S ||
        flight->departure.arrival_s != row->arrival_time / US_PER_S ||
        strcmp(flight->departure.aircraft, now.aircraft) != 0)
        return false;
    set_sale(sale, row->authorised, row->used, row->base_minor, row->sales_close_time);
    atomic_store_explicit(&flight->is_scheduled, row->is_scheduled, memory_order_relaxed);
    return true;
}

void board_publish(struct board_fill *fill, int64_t read_ns, int64_t read_us)
{
    atomic_store_explicit(&fill->half->ahead_us, read_us - read_ns / NS_PER_US,
                          memory_order_relaxed);
    atomic_store_explicit(&fill->half->read_ns, read_ns, memory_order_release);
    if (atomic_load(&fill->board->generation) == fill->generation)
        return;
    memcpy(by_id_at(fill->half, fill->half->flight_count), fill->by_id, by_id_bytes(fill));
    fill->half->by_id_mask = fill->by_id_mask;
    atomic_store(&fill->board->is_full, false);
    atomic_store_explicit(&fill->board->generation, fill->generation, memory_order_release);
}

void board_release_other(const struct board_fill *fill)
{
    madvise(half_of(fill->board, fill->generation + 1), fill->board->half_bytes, MADV_REMOVE);
}

void board_fill_cancel(struct board_fill *fill)
{
    atomic_store(&fill->board->is_full, true);
    madvise(fill->half, fill->board->half_bytes, MADV_REMOVE);
    board_fill_deinit(fill);
}

void board_fill_deinit(struct board_fill *fill)
{
    free(fill->by_id);
    *fill = (struct board_fill){0};
}

void board_state(const struct board *board, struct board_state *ret_state)
{
    uint64_t generation = atomic_load_explicit(&board->generation, memory_order_acquire);
    const struct board_half *half = half_of(board, generation);
    *ret_state = (struct board_state){.loads = generation, .is_full = atomic_load(&board->is_full)};
    if (generation == 0)
        return;
    ret_state->flights = half->flight_count;
    ret_state->read_ns = atomic_load_explicit(&half->read_ns, memory_order_acquire);
}
