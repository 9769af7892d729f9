/* The timetable as searches and GetFlight read it: every flight from a date on that is to be flown,
 * with the free seats and prices of its cabins, in memory that all workers share. The supervisor
 * makes it before it forks; one process fills it and keeps it up (board_load.c); calls look
 * (flight.c). There are two halves: a timetable is filled into one while the other is looked at.
 * What must stay true: what a look that began and ended well has copied was so in the database at
 * board_read_ns or later; whatever the filler does, dying included, no look waits or reads outside
 * the memory. */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/uuid.h"
#include "gen/sql/flight.sql.h"
#include "services/app.h"

#define BOARD_CABINS 4
#define BOARD_ROUTE_FLIGHTS_MAX 40 /* flights of a route in one answer, as find_flights has it */

/* What never changes of a flight. */
struct departure {
    struct uuid flight_id;
    int64_t departure_s;
    int64_t arrival_s;
    int16_t departure_offset_min;
    int16_t arrival_offset_min;
    uint16_t number;
    uint16_t distance_km;
    char carrier[3];  /* empty where it is not two letters */
    char aircraft[4]; /* empty where it is longer */
};

/* Of one cabin, at one moment or within moments. */
struct departure_sale {
    int32_t authorised;
    int32_t used;
    int64_t base_minor;
    int64_t close_us;
};

/* Of a departure of zeros. */
void departure_codes(struct departure *departure, struct str carrier, struct str aircraft);

struct board;
struct board_half;
struct board_route;

/* @bytes of address space; a page is taken when something is written to it. NULL: there is none. */
struct board *board_new(size_t bytes);
struct board *board_free(struct board *board);

/* ---- looking ---- */

struct board_look {
    const struct board *board;
    const struct board_half *half;
    uint64_t generation;
};

/* Flights of a route, by place; those of one day and the next are neighbours. */
struct board_range {
    uint32_t at;
    uint32_t end;
};

/* False: there is no timetable, or it was read before @since_ns (CLOCK_MONOTONIC). */
bool board_look(const struct board *board, int64_t since_ns, struct board_look *ret_look);
/* When the look's timetable was read. */
int64_t board_read_ns(const struct board_look *look);
/* What the database's clock shows at @mono_ns (CLOCK_MONOTONIC); ahead by no more than a poll
 * takes. */
int64_t board_clock_us(const struct board_look *look, int64_t mono_ns);
/* The route's flights from @first_days on. False: the board does not know days that long ago, or no
 * such airports. */
bool board_route(const struct board_look *look, const char *origin, const char *destination,
                 int32_t first_days, struct board_range *ret_range);
/* The next flight of @range up to @last_days, NULL at the end. */
const struct departure *board_next(const struct board_look *look, struct board_range *range,
                                   int32_t last_days);
/* The flight of that id, and its airports; NULL: there is none that is to be flown. */
const struct departure *board_flight(const struct board_look *look, struct uuid flight_id,
                                     char ret_origin[static 4], char ret_destination[static 4]);
/* False: it has no such cabin. */
bool board_sale(const struct board_look *look, const struct departure *departure, unsigned cabin,
                struct departure_sale *ret_sale);
/* False: what was seen is nothing, another timetable has taken its place. */
bool board_look_ends(const struct board_look *look);

/* ---- filling ---- */

/* One half, as its filler knows it. Zero: none. */
struct board_fill {
    struct board *board;
    struct board_half *half;
    uint64_t generation;
    struct board_route *route; /* of the latest flight */
    uint32_t route_count;
    uint32_t by_id_mask;
    uint32_t *by_id; /* flights by their ids: place plus one */
};

/* Empties the half that is not looked at. */
void board_fill_begin(struct board_fill *fill, struct board *board, int32_t first_days);
/* A row for each cabin, flights one after the other, routes in one piece and by departure.
 * 0, -ENOSPC: it does not fit, -EBADMSG: rows that were not so. */
int board_add(struct board_fill *fill, const struct flight_read_departures_row *row);
uint32_t board_flights(const struct board_fill *fill);
size_t board_bytes(const struct board_fill *fill);
/* A flight and cabin as it is now. False: the half does not have it as it should, so everything
 * must be read again. */
bool board_change(struct board_fill *fill, const struct flight_read_changes_row *row);
/* All that had been committed at @read_ns is in; the database's clock showed @read_us then.
 * Calls look at it from here on. */
void board_publish(struct board_fill *fill, int64_t read_ns, int64_t read_us);
/* Gives up the half that is no longer looked at; some time after board_publish. */
void board_release_other(const struct board_fill *fill);
/* It does not fit, and comes to nothing. */
void board_fill_cancel(struct board_fill *fill);
void board_fill_deinit(struct board_fill *fill);

/* For people. */
struct board_state {
    uint64_t loads;
    uint32_t flights;
    bool is_full; /* the latest that was read did not fit */
    int64_t read_ns;
};
void board_state(const struct board *board, struct board_state *ret_state);
