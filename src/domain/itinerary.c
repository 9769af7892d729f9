/* Connections, and the cross product of slices. See itinerary.h. */
#include "domain/itinerary.h"

#include <stdlib.h>

#include "base/check.h"

#define DAY_MIN 1440

bool time_window_has(struct time_window w, int64_t utc_s, int16_t offset_min)
{
    int64_t minute = (utc_s / 60 + offset_min) % DAY_MIN;
    if (minute < 0)
        minute += DAY_MIN;
    return w.start_min <= w.end_min ? minute >= w.start_min && minute <= w.end_min
                                    : minute >= w.start_min || minute <= w.end_min;
}

/* Spreads bits so that sums of ids do not collide by design (splitmix64's last step). */
static uint64_t mix(uint64_t x)
{
    x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
    return x ^ (x >> 31);
}

struct itinerary_journey itinerary_journey(const struct itinerary_flight *flights, uint16_t first,
                                           int32_t second)
{
    const struct itinerary_flight *a = &flights[first], *z = second < 0 ? a : &flights[second];
    struct itinerary_journey j = {
        .flights = {first, second < 0 ? 0 : (uint16_t)second},
        .leg_count = second < 0 ? 1 : 2,
        .departure_s = a->departure_s,
        .arrival_s = z->arrival_s,
        .duration_min = (int32_t)((z->arrival_s - a->departure_s) / 60),
        .id = mix(a->id),
    };
    for (unsigned i = 0; i < ITINERARY_BRANDS_MAX; i++)
        j.total_minor[i] = a->total_minor[i] + (second < 0 ? 0 : z->total_minor[i]);
    if (second >= 0)
        j.id = mix(j.id + z->id);
    return j;
}

bool itinerary_connects(const struct itinerary_flight *a, const struct itinerary_flight *b,
                        int32_t minimum_min)
{
    int64_t wait_s = b->departure_s - a->arrival_s;
    return a->destination == b->origin && b->destination != a->origin &&
           wait_s >= (int64_t)minimum_min * 60 && wait_s <= CONNECTION_MAX_MIN * INT64_C(60);
}

size_t itinerary_drop_slow(struct itinerary_journey *journeys, size_t count)
{
    int32_t shortest = INT32_MAX;
    for (size_t i = 0; i < count; i++)
        if (journeys[i].duration_min < shortest)
            shortest = journeys[i].duration_min;
    size_t kept = 0;
    for (size_t i = 0; i < count; i++)
        if (journeys[i].duration_min - shortest <= shortest + DURATION_SLACK_MIN)
            journeys[kept++] = journeys[i];
    return kept;
}

static int64_t key_of(enum itinerary_order order, int64_t total_minor, int64_t duration_min,
                      int64_t departure_s)
{
    switch (order) {
    case ITINERARY_BY_PRICE:
        return total_minor;
    case ITINERARY_BY_DURATION:
        return duration_min;
    case ITINERARY_BY_DEPARTURE:
        return departure_s;
    }
    return 0;
}

/* By price, quicker ones come first; by anything else, cheaper ones. */
static struct itinerary_rank rank_of(const struct itinerary_search *s, int64_t total_minor,
                                     int64_t duration_min, int64_t departure_s, uint64_t id)
{
    int64_t key = key_of(s->order, total_minor, duration_min, departure_s);
    return (struct itinerary_rank){
        .first = s->descending ? -key : key,
        .second = s->order == ITINERARY_BY_PRICE ? duration_min : total_minor,
        .id = id,
    };
}

struct ranked {
    struct itinerary_rank rank;
    struct itinerary_journey journey;
};

static int by_rank(const void *a, const void *b)
{
    const struct ranked *x = a, *y = b;
    return itinerary_rank_less(&x->rank, &y->rank) ? -1 : itinerary_rank_less(&y->rank, &x->rank);
}

/* How many journeys of each slice are combined, by the number of slices: the product stays below
 * ITINERARY_TRIPS_MAX. */
static const size_t journeys_max_of[ITINERARY_SLICES_MAX + 1] = {
    0, ITINERARY_TRIPS_MAX, 36, 10, 6, 4, 3};

/* The best by themselves, in a fixed order: what the database gave first must not matter. */
static void keep_best(const struct itinerary_search *s, struct itinerary_slice *slice)
{
    size_t max = journeys_max_of[s->slice_count];
    static _Thread_local struct ranked all[ITINERARY_TRIPS_MAX];
    CHECK(slice->count <= ITINERARY_TRIPS_MAX);
    if (slice->count <= max)
        return;
    for (size_t i = 0; i < slice->count; i++) {
        const struct itinerary_journey *j = &slice->journeys[i];
        all[i] = (struct ranked){
            .rank = rank_of(s, j->total_minor[0], j->duration_min, j->departure_s, j->id),
            .journey = *j};
    }
    qsort(all, slice->count, sizeof all[0], by_rank);
    for (size_t i = 0; i < max; i++)
        slice->journeys[i] = all[i].journey;
    slice->count = max;
}

/* The page as it grows: in order, the worst falls out. */
struct page {
    struct itinerary_trip *trips;
    size_t count;
    size_t max;
    const struct itinerary_rank *after;
};

static void page_add(struct page *p, const struct itinerary_trip *trip)
{
    size_t at = p->count;
    while (at > 0 && itinerary_rank_less(&trip->rank, &p->trips[at - 1].rank))
        at--;
    if (at == p->max)
        return;
    if (p->count < p->max)
        p->count++;
    for (size_t i = p->count - 1; i > at; i--)
        p->trips[i] = p->trips[i - 1];
    p->trips[at] = *trip;
}

/* All brands of one combination of journeys. */
static void offer_brands(const struct itinerary_search *s, struct page *p, const size_t *chosen)
{
    struct itinerary_trip trip = {0};
    uint64_t id = 0;
    int64_t totals[ITINERARY_BRANDS_MAX] = {0};
    for (unsigned k = 0; k < s->slice_count; k++) {
        const struct itinerary_journey *j = &s->slices[k].journeys[chosen[k]];
        trip.journeys[k] = (uint16_t)chosen[k];
        trip.duration_min += j->duration_min;
        id = mix(id + j->id);
        for (unsigned i = 0; i < s->brand_count; i++)
            totals[i] += j->total_minor[i];
    }
    int64_t departure_s = s->slices[0].journeys[chosen[0]].departure_s;
    for (unsigned i = 0; i < s->brand_count; i++) {
        trip.brand = (uint8_t)i;
        trip.total_minor = totals[i];
        trip.rank = rank_of(s, totals[i], trip.duration_min, departure_s, id + i);
        bool full = p->count == p->max;
        if ((full && !itinerary_rank_less(&trip.rank, &p->trips[p->count - 1].rank)) ||
            (p->after && !itinerary_rank_less(p->after, &trip.rank)))
            continue;
        if (!s->allows || s->allows(s->ctx, &trip))
            page_add(p, &trip);
    }
}

static void combine(const struct itinerary_search *s, struct page *p, unsigned slice,
                    size_t *chosen)
{
    if (slice == s->slice_count) {
        offer_brands(s, p, chosen);
        return;
    }
    for (size_t i = 0; i < s->slices[slice].count; i++) {
        const struct itinerary_journey *j = &s->slices[slice].journeys[i];
        if (slice > 0) {
            const struct itinerary_journey *before =
                &s->slices[slice - 1].journeys[chosen[slice - 1]];
            if (j->departure_s < before->arrival_s + TURNAROUND_MIN * 60)
                continue;
        }
        chosen[slice] = i;
        combine(s, p, slice + 1, chosen);
    }
}

size_t itinerary_find(struct itinerary_search *s, const struct itinerary_rank *after,
                      size_t trips_max, struct itinerary_trip *ret_trips)
{
    CHECK(s->slice_count >= 1 && s->slice_count <= ITINERARY_SLICES_MAX);
    CHECK(s->brand_count <= ITINERARY_BRANDS_MAX);
    CHECK(trips_max >= 1 && trips_max <= ITINERARY_PAGE_MAX);
    size_t chosen[ITINERARY_SLICES_MAX];
    struct page p = {.trips = ret_trips, .max = trips_max, .after = after};
    for (unsigned i = 0; i < s->slice_count; i++)
        keep_best(s, &s->slices[i]);
    combine(s, &p, 0, chosen);
    return p.count;
}
