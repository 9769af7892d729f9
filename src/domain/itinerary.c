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
static struct itinerary_rank rank_of(struct itinerary_taste t, int64_t total_minor,
                                     int64_t duration_min, int64_t departure_s, uint64_t id)
{
    int64_t key = key_of(t.order, total_minor, duration_min, departure_s);
    return (struct itinerary_rank){
        .first = t.descending ? -key : key,
        .second = t.order == ITINERARY_BY_PRICE ? duration_min : total_minor,
        .id = id,
    };
}

/* ---- which journeys are combined ---- */

/* Journeys of each slice, by the number of slices, where there are too many trips to look at all:
 * the product stays below ITINERARY_TRIPS_MAX. */
static const size_t journeys_max_of[ITINERARY_SLICES_MAX + 1] = {
    0, ITINERARY_TRIPS_MAX, 36, 10, 6, 4, 3};

/* In the brand that is cheapest, or dearest where dear trips are looked for: of all journeys that
 * is the same one, so sums of it are what trips cost. */
static int64_t total_of(const struct itinerary_search *s, struct itinerary_taste t,
                        const struct itinerary_journey *j)
{
    bool dear = t.order == ITINERARY_BY_PRICE && t.descending, any = false;
    int64_t total = 0;
    for (unsigned i = 0; i < s->brand_count; i++) {
        if (s->brands_refused >> i & 1)
            continue;
        if (!any || (j->total_minor[i] < total) != dear)
            total = j->total_minor[i];
        any = true;
    }
    return total;
}

/* What a journey adds to the rank of its trip; ranks of this kind are sums, so that of all ways to
 * go on only the best matters. Ids are sums here too, for no two trips to be equally good: then the
 * best journey of each slice belongs to the same trip. */
static struct itinerary_rank share_of(const struct itinerary_search *s, struct itinerary_taste t,
                                      unsigned slice, const struct itinerary_journey *j)
{
    return rank_of(t, total_of(s, t, j), j->duration_min, slice == 0 ? j->departure_s : 0,
                   j->id / ITINERARY_SLICES_MAX);
}

static struct itinerary_rank sum_of(struct itinerary_rank a, struct itinerary_rank b)
{
    return (struct itinerary_rank){a.first + b.first, a.second + b.second, a.id + b.id};
}

/* The best of all journeys of one slice, and those before it, that let the next one start at @at_s;
 * looked at from the end, times are negative and "before" is behind. */
struct way {
    int64_t at_s;
    struct itinerary_rank rank;
};
static const struct itinerary_rank nowhere = {.first = INT64_MAX};

static int by_at(const void *a, const void *b)
{
    const struct way *x = a, *y = b;
    return (x->at_s > y->at_s) - (x->at_s < y->at_s);
}

static int64_t start_of(const struct itinerary_journey *j, bool forwards)
{
    return forwards ? j->departure_s : -(j->arrival_s + TURNAROUND_MIN * 60);
}

static int64_t end_of(const struct itinerary_journey *j, bool forwards)
{
    return -start_of(j, !forwards);
}

static int64_t earliest_start(const struct itinerary_slice *slice, bool forwards)
{
    int64_t earliest_s = INT64_MAX;
    for (size_t i = 0; i < slice->count; i++)
        if (start_of(&slice->journeys[i], forwards) < earliest_s)
            earliest_s = start_of(&slice->journeys[i], forwards);
    return earliest_s;
}

static struct itinerary_rank best_way(const struct way *ways, size_t count, int64_t at_s)
{
    size_t low = 0; /* ways[low] is in time; the first always is */
    while (count - low > 1) {
        size_t middle = (low + count) / 2;
        if (ways[middle].at_s <= at_s)
            low = middle;
        else
            count = middle;
    }
    return ways[low].rank;
}

/* By time, each as good as the best so far. */
static void order_ways(struct way *ways, size_t count)
{
    if (count > 2)
        qsort(ways + 1, count - 1, sizeof *ways, by_at);
    for (size_t i = 1; i < count; i++)
        if (itinerary_rank_less(&ways[i - 1].rank, &ways[i].rank))
            ways[i].rank = ways[i - 1].rank;
}

/* From the first slice to the last or from the last to the first: drops the journeys that nothing
 * leads to. Backwards each gets the rank of the best way from it to the end; forwards, after that,
 * the best way to it is added: the rank of the best trip it belongs to. Ways that are in time for
 * all of the next slice are one, the first: nearly always that is all of them. */
static void walk(struct itinerary_search *s, struct itinerary_taste t, bool forwards)
{
    static _Thread_local struct way ways[2][ITINERARY_TRIPS_MAX + 1];
    size_t count = 1;
    ways[0][0] = (struct way){.at_s = INT64_MIN};
    for (unsigned i = 0; i < s->slice_count; i++) {
        unsigned k = forwards ? i : s->slice_count - 1 - i;
        struct itinerary_slice *slice = &s->slices[k];
        const struct way *from = ways[i % 2];
        struct way *to = ways[(i + 1) % 2];
        size_t from_count = count, kept = 0;
        bool last = i + 1 == s->slice_count;
        to[0] = (struct way){
            .at_s =
                last ? INT64_MAX : earliest_start(&s->slices[forwards ? k + 1 : k - 1], forwards),
            .rank = nowhere};
        count = 1;
        for (size_t at = 0; at < slice->count; at++) {
            struct itinerary_journey *j = &slice->journeys[at];
            struct itinerary_rank before = best_way(from, from_count, start_of(j, forwards));
            if (before.first == nowhere.first)
                continue;
            struct itinerary_rank share = share_of(s, t, k, j);
            struct way way = {.at_s = end_of(j, forwards), .rank = sum_of(before, share)};
            j->rank = sum_of(before, forwards ? j->rank : share);
            if (way.at_s > to[0].at_s)
                to[count++] = way;
            else if (itinerary_rank_less(&way.rank, &to[0].rank))
                to[0].rank = way.rank;
            if (kept++ < at)
                slice->journeys[kept - 1] = *j;
        }
        slice->count = kept;
        order_ways(to, count);
    }
}

static int by_rank(const void *a, const void *b)
{
    const struct itinerary_journey *x = a, *y = b;
    return itinerary_rank_less(&x->rank, &y->rank) ? -1 : itinerary_rank_less(&y->rank, &x->rank);
}

/* Whether there are more trips than are looked at. */
static bool too_many(const struct itinerary_search *s)
{
    size_t trips = 1;
    for (unsigned k = 0; k < s->slice_count; k++)
        trips *= s->slices[k].count;
    return trips > ITINERARY_TRIPS_MAX;
}

/* Of each slice the journeys with the best trips, not the best by themselves: those may be flown in
 * no trip at all. What the database gave first must not matter. @counts: of the journeys before any
 * were left out, then of those that have a trip. False: these are all kept. */
static bool keep_best(struct itinerary_search *s, struct itinerary_taste t, size_t *counts)
{
    size_t max = journeys_max_of[s->slice_count];
    for (unsigned k = 0; k < s->slice_count; k++)
        s->slices[k].count = counts[k];
    walk(s, t, false);
    walk(s, t, true);
    for (unsigned k = 0; k < s->slice_count; k++)
        counts[k] = s->slices[k].count;
    if (!too_many(s))
        return false;
    for (unsigned k = 0; k < s->slice_count; k++) {
        struct itinerary_slice *slice = &s->slices[k];
        if (slice->count <= max)
            continue;
        qsort(slice->journeys, slice->count, sizeof slice->journeys[0], by_rank);
        slice->count = max;
    }
    return true;
}

/* ---- trips ---- */

/* The page as it grows: in order, the worst falls out. */
struct page {
    struct itinerary_trip *trips;
    size_t count;
    size_t max;
    const struct itinerary_rank *after;
    bool any; /* there is a trip, on this page or before it */
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
        if (s->brands_refused >> i & 1)
            continue;
        trip.brand = (uint8_t)i;
        trip.total_minor = totals[i];
        trip.rank = rank_of(s->taste, totals[i], trip.duration_min, departure_s, id + i);
        bool full = p->count == p->max;
        bool shown = p->after && !itinerary_rank_less(p->after, &trip.rank);
        if ((full && !itinerary_rank_less(&trip.rank, &p->trips[p->count - 1].rank)) ||
            (shown && p->any) || (s->allows && !s->allows(s->ctx, &trip)))
            continue;
        p->any = true;
        if (!shown)
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

/* What journeys are chosen by if the best ones have no trip that is allowed: what may be wanted
 * instead. In the order of enum itinerary_wish. */
static const struct itinerary_taste tastes[] = {
    {.order = ITINERARY_BY_PRICE},
    {.order = ITINERARY_BY_PRICE, .descending = true},
    {.order = ITINERARY_BY_DURATION},
    {.order = ITINERARY_BY_DURATION, .descending = true},
};

size_t itinerary_find(struct itinerary_search *s, const struct itinerary_rank *after,
                      size_t trips_max, struct itinerary_trip *ret_trips)
{
    CHECK(s->slice_count >= 1 && s->slice_count <= ITINERARY_SLICES_MAX);
    CHECK(s->brand_count <= ITINERARY_BRANDS_MAX);
    CHECK(trips_max >= 1 && trips_max <= ITINERARY_PAGE_MAX);
    size_t chosen[ITINERARY_SLICES_MAX], counts[ITINERARY_SLICES_MAX];
    for (unsigned k = 0; k < s->slice_count; k++) {
        CHECK(s->slices[k].count <= ITINERARY_TRIPS_MAX);
        counts[k] = s->slices[k].count;
    }
    struct page p = {.trips = ret_trips, .max = trips_max, .after = after};
    bool cut = too_many(s) && keep_best(s, s->taste, counts);
    combine(s, &p, 0, chosen);
    for (unsigned i = 0; i < sizeof tastes / sizeof tastes[0] && cut && !p.any; i++)
        if (s->wishes >> i & 1) {
            keep_best(s, tastes[i], counts);
            combine(s, &p, 0, chosen);
        }
    return p.count;
}
