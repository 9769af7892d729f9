/* Journeys out of flights, and trips out of journeys: which combinations can be flown, and which
 * are worth showing. Pure; SearchOffers calls it. What must stay true: the same flights give the
 * same trips in the same order, whatever order they came in, so that pages neither repeat nor skip.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ITINERARY_SLICES_MAX 6
#define ITINERARY_LEGS_MAX 2   /* flights of one journey: one connection */
#define ITINERARY_BRANDS_MAX 4 /* fare families of one cabin */
#define ITINERARY_PAGE_MAX 51  /* a full page and one more */
#define CONNECTION_MAX_MIN 480 /* longer waits are not offered */
#define TURNAROUND_MIN 60      /* between two slices at least */
#define DURATION_SLACK_MIN                                                                         \
    180 /* a journey may take twice as long as the shortest, and so much more */

/* A flight that fits the party, with what it costs. */
struct itinerary_flight {
    uint16_t origin; /* airports by number */
    uint16_t destination;
    bool international;
    int16_t departure_offset_min;
    int16_t arrival_offset_min;
    int64_t departure_s;
    int64_t arrival_s;
    uint64_t id;                               /* distinguishes flights; any hash of their key */
    int64_t total_minor[ITINERARY_BRANDS_MAX]; /* of the party, taxes included */
};

/* Where a trip stands among all: no two trips have the same rank. */
struct itinerary_rank {
    int64_t first;
    int64_t second;
    uint64_t id;
};
static inline bool itinerary_rank_less(const struct itinerary_rank *a,
                                       const struct itinerary_rank *b)
{
    if (a->first != b->first)
        return a->first < b->first;
    if (a->second != b->second)
        return a->second < b->second;
    return a->id < b->id;
}

struct itinerary_journey {
    uint16_t flights[ITINERARY_LEGS_MAX]; /* in the caller's array */
    uint8_t leg_count;
    int32_t duration_min;
    int64_t departure_s;
    int64_t arrival_s;
    uint64_t id;
    int64_t total_minor[ITINERARY_BRANDS_MAX];
    struct itinerary_rank rank; /* itinerary_find's own: of the best trip it belongs to */
};

/* Local times of day, minutes; both included; an end before the start passes midnight. */
struct time_window {
    int16_t start_min;
    int16_t end_min;
};
#define TIME_WINDOW_ALL ((struct time_window){.start_min = 0, .end_min = 1439})
bool time_window_has(struct time_window w, int64_t utc_s, int16_t offset_min);

/* One flight, or two with a connection (both set). */
struct itinerary_journey itinerary_journey(const struct itinerary_flight *flights, uint16_t first,
                                           int32_t second);

/* The second can be reached from the first: at least @minimum_min (of the kind of connection at
 * that airport), at most CONNECTION_MAX_MIN, and the journey does not come back to where it
 * started. */
bool itinerary_connects(const struct itinerary_flight *a, const struct itinerary_flight *b,
                        int32_t minimum_min);

/* DD, DI, ID, II as a number: domestic or international, in and out. */
static inline unsigned itinerary_connection_kind(const struct itinerary_flight *in,
                                                 const struct itinerary_flight *out)
{
    return (in->international ? 2u : 0u) | (out->international ? 1u : 0u);
}

/* Leaves out journeys much longer than the shortest; returns how many are left, order kept. */
size_t itinerary_drop_slow(struct itinerary_journey *journeys, size_t count);

/* What trips are ranked by. */
enum itinerary_order { ITINERARY_BY_PRICE, ITINERARY_BY_DURATION, ITINERARY_BY_DEPARTURE };

struct itinerary_taste {
    enum itinerary_order order;
    bool descending;
};

struct itinerary_trip {
    struct itinerary_rank rank;
    uint16_t journeys[ITINERARY_SLICES_MAX]; /* one of each slice */
    uint8_t brand;
    int32_t duration_min;
    int64_t total_minor;
};

struct itinerary_slice {
    struct itinerary_journey *journeys;
    size_t count;
};

/* Which trips have a better chance with itinerary_search.allows; bits, by the number here. */
enum itinerary_wish { WISH_CHEAP, WISH_DEAR, WISH_QUICK, WISH_SLOW };

struct itinerary_search {
    struct itinerary_slice slices[ITINERARY_SLICES_MAX];
    unsigned slice_count;
    unsigned brand_count;
    unsigned brands_refused; /* a bit for each */
    struct itinerary_taste taste;
    bool (*allows)(const void *ctx, const struct itinerary_trip *trip); /* NULL: all */
    const void *ctx;
    unsigned wishes;
};

/* Ranks trips and gives the first @trips_max (at most ITINERARY_PAGE_MAX) behind @after (NULL: from
 * the start). Up to ITINERARY_TRIPS_MAX trips are all looked at; of more, those of the journeys in
 * each slice that belong to the best trips, to which the slices are sorted and cut. The best trip
 * of all is among them, so none is found only where there is none. Where @allows lets none of them
 * pass, journeys are chosen anew by each wish: so one that allows the cheapest, or whatever else is
 * wished, finds a trip too. Nothing of that depends on @after: all pages are of the same trips. */
#define ITINERARY_TRIPS_MAX 1300
size_t itinerary_find(struct itinerary_search *search, const struct itinerary_rank *after,
                      size_t trips_max, struct itinerary_trip *ret_trips);
