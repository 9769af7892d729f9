/* When a city pair is flown, by whom, with what and for how much: banks at hubs, so that
 * connections work; airlines by base; aircraft by distance and demand; fares by distance; numbers
 * unique per airline. */
#include "timetable_internal.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "domain/prng.h"

#define DAY_MIN 1440
#define CARRIERS_MAX 3 /* airlines that share one city pair */
#define SHORT_HAUL_MIN 300

struct layout {
    const struct timetable_network *net;
    const struct timetable_routes *routes;
    const struct timetable_options *options;
    struct timetable_pattern *patterns; /* outbound at even places, its return behind it */
    int32_t count;
};

static const int32_t banks_of[TIMETABLE_BANKS_MAX + 1][TIMETABLE_BANKS_MAX] = {
    [2] = {9 * 60 + 30, 18 * 60},
    [3] = {8 * 60, 13 * 60 + 30, 19 * 60 + 15},
    [4] = {7 * 60 + 30, 12 * 60, 16 * 60 + 30, 20 * 60 + 45},
    [5] = {7 * 60 + 15, 10 * 60 + 30, 13 * 60 + 45, 17 * 60, 20 * 60 + 30},
};

/* @n days of the week, spread out; shifted per pair. */
static const uint8_t weekdays_of[8] = {0, 0x01, 0x09, 0x15, 0x55, 0x5b, 0x7b, 0x7f};

static int32_t wrap_day(int32_t minute)
{
    int32_t m = minute % DAY_MIN;
    return m < 0 ? m + DAY_MIN : m;
}

static void plan_banks(struct timetable_hub *hub, const struct timetable_network *net,
                       uint64_t seed)
{
    struct prng rng = prng_for(seed, 1, (uint64_t)hub->airport);
    int32_t traffic = net->airports[hub->airport].traffic;
    hub->bank_count = traffic >= 60000 ? 5 : traffic >= 30000 ? 4 : traffic >= 10000 ? 3 : 2;
    hub->bank_main = (hub->bank_count - 1) / 2;
    int32_t shift = ((int32_t)prng_below(&rng, 13) - 6) * 5;
    for (int32_t b = 0; b < hub->bank_count; b++)
        hub->bank_min[b] = banks_of[hub->bank_count][b] + shift;
}

/* One rotation: out from the hub after a bank, back into it before one. */
struct rotation {
    int32_t hub; /* airport index */
    int32_t other;
    int32_t block_min;
    int32_t shift_min; /* clock at the other end less clock at the hub */
};

static bool decent(int32_t minute, int32_t from, int32_t to)
{
    int32_t m = wrap_day(minute);
    return from <= to ? m >= from && m <= to : m >= from || m <= to;
}

/* The bank next to the wished one whose times suit people at the other end; short flights only,
 * since long ones cannot suit both ends. At another hub, arrivals shortly before one of its banks
 * suit best. */
static int32_t suited_bank(const struct layout *l, const struct timetable_hub *hub,
                           const struct rotation *r, int32_t wish, bool outbound)
{
    int32_t best = wish, best_cost = INT32_MAX;
    int32_t other_hub = l->routes->hub_of[r->other];
    for (int32_t b = 0; b < hub->bank_count; b++) {
        int32_t cost = abs(b - wish) * 2;
        int32_t there =
            hub->bank_min[b] + r->shift_min + (outbound ? 70 + r->block_min : -40 - r->block_min);
        if (r->block_min < SHORT_HAUL_MIN &&
            !(outbound ? decent(there, 6 * 60, 30) : decent(there, 5 * 60 + 30, 22 * 60 + 30)))
            cost += 20;
        if (other_hub >= 0) {
            const struct timetable_hub *o = &l->routes->hubs[other_hub];
            int32_t miss = DAY_MIN;
            for (int32_t ob = 0; ob < o->bank_count; ob++) {
                int32_t wait =
                    wrap_day(outbound ? o->bank_min[ob] - there : there - o->bank_min[ob]);
                miss = wait < miss ? wait : miss;
            }
            cost += miss > 120 ? 3 : 0;
        }
        if (cost < best_cost) {
            best = b;
            best_cost = cost;
        }
    }
    return best;
}

/* Local departure minutes of the out and the return flight of the @i-th of @n rotations a day. */
static void time_rotation(const struct layout *l, const struct timetable_hub *hub,
                          const struct rotation *r, int32_t i, int32_t n, struct prng *rng,
                          int16_t ret_minute[2])
{
    for (int way = 0; way < 2; way++) {
        bool outbound = way == 0;
        /* A single flight goes with the main bank, so that thin routes meet each other. */
        bool stray = prng_below(rng, 100) < 20;
        int32_t wish = n == 1 && stray ? (int32_t)prng_below(rng, (uint32_t)hub->bank_count)
                                       : (hub->bank_main + i * hub->bank_count / (n < 1 ? 1 : n)) %
                                             hub->bank_count;
        int32_t bank = suited_bank(l, hub, r, wish, outbound);
        int32_t jitter = (int32_t)prng_below(rng, 14) * 5;
        int32_t minute = outbound ? hub->bank_min[bank] + 40 + jitter
                                  : hub->bank_min[bank] - jitter - r->block_min + r->shift_min;
        ret_minute[way] = (int16_t)wrap_day(minute);
    }
}

static int32_t wanted_seats(const struct timetable_network *net, const struct timetable_pair *p,
                            int32_t hub)
{
    int32_t t = net->airports[p->airport].traffic, h = net->airports[hub].traffic;
    int32_t small = t < h ? t : h;
    if (p->distance_km >= 4500)
        return small < 10000    ? 270
               : small < 35000  ? 290
               : small < 60000  ? 312
               : p->weekly < 14 ? 350
                                : 430;
    return small < 300 || (small < 3000 && p->distance_km < 600) ? 70
           : small < 1500                                        ? 90
           : small < 6000                                        ? 130
           : small < 20000                                       ? 165
                                                                 : 190;
}

static int16_t pick_aircraft(const struct timetable_network *net, const struct timetable_pair *p,
                             int32_t hub, struct prng *rng)
{
    int32_t wanted = wanted_seats(net, p, hub), best = -1, best_cost = INT32_MAX;
    for (int32_t i = 0; i < net->aircraft_count; i++) {
        const struct timetable_aircraft *a = &net->aircraft[i];
        int32_t seats = a->seats[1] + a->seats[2] + a->seats[3] + a->seats[4];
        int32_t cost = abs(seats - wanted) + (int32_t)prng_below(rng, 40);
        bool prop = a->speed_kmh<700, wide = a->range_km> 10000;
        if (p->distance_km > a->range_km - a->range_km / 12)
            continue;
        cost += prop && p->distance_km > 800 ? 1000 : 0;
        cost += wide && p->distance_km < 3000 ? 60 : 0;
        cost += !wide && p->distance_km > 5000 ? 40 : 0;
        if (cost < best_cost) {
            best = i;
            best_cost = cost;
        }
    }
    CHECK(best >= 0);
    return (int16_t)best;
}

static int32_t block_minutes(const struct timetable_aircraft *a, int32_t distance_km)
{
    int32_t air = distance_km * 60 / a->speed_kmh;
    return (air + 30 + (distance_km > 3000 ? 10 : 5) + 4) / 5 * 5;
}

/* Economy price in cents, in whole dollars: falls per kilometre as the distance grows. */
static int64_t base_fare(int32_t distance_km, bool low_cost, struct prng *rng)
{
    double cents = 2500 + 95 * pow(distance_km, 0.69);
    int64_t permille = (low_cost ? 800 : 950) + (int32_t)prng_below(rng, 200);
    return llround(cents) * permille / 1000 / 100 * 100;
}

/* The airlines that fly the pair, best first: based at both ends, then by how early the base stands
 * in their list. */
static int32_t pick_carriers(const struct timetable_network *net, int32_t hub, int32_t other,
                             int32_t distance_km, struct prng *rng,
                             const struct timetable_base *ret_bases[CARRIERS_MAX])
{
    int32_t score[CARRIERS_MAX] = {0}, n = 0;
    for (int32_t i = 0, rank = 0; i < net->base_count; i++) {
        const struct timetable_base *b = &net->bases[i];
        rank = i > 0 && strcmp(net->bases[i - 1].carrier, b->carrier) == 0 ? rank + 1 : 0;
        if ((b->airport != hub && b->airport != other) || b->reach_km < distance_km)
            continue;
        int32_t s = 100 + (rank == 0 ? 100 : rank == 1 ? 40 : 0) + (int32_t)prng_below(rng, 160);
        s += b->airport == hub ? 60 : 0;
        int32_t at = -1;
        for (int32_t k = 0; k < n; k++)
            if (strcmp(ret_bases[k]->carrier, b->carrier) == 0)
                at = k;
        if (at >= 0) /* at home on both ends: takes this place at least */
            s += score[at];
        else if (n < CARRIERS_MAX)
            at = n++;
        else if (s > score[n - 1])
            at = n - 1;
        else
            continue;
        ret_bases[at] = b;
        score[at] = s;
        for (; at > 0 && score[at] > score[at - 1]; at--) {
            const struct timetable_base *swap = ret_bases[at];
            int32_t swap_score = score[at];
            ret_bases[at] = ret_bases[at - 1];
            ret_bases[at - 1] = swap;
            score[at] = score[at - 1];
            score[at - 1] = swap_score;
        }
    }
    return n;
}

static void lay_pair(struct layout *l, const struct timetable_pair *p)
{
    const struct timetable_network *net = l->net;
    /* Timed to the banks of the larger hub. */
    int32_t h = p->hub, o = l->routes->hub_of[p->airport];
    struct rotation r = {.hub = l->routes->hubs[h].airport, .other = p->airport};
    if (o >= 0 && o < h) {
        h = o;
        r = (struct rotation){.hub = p->airport, .other = l->routes->hubs[p->hub].airport};
    }
    struct prng rng = prng_for(l->options->seed, (uint64_t)r.hub + 2, (uint64_t)r.other);
    const struct timetable_base *carriers[CARRIERS_MAX] = {0};
    int32_t n = pick_carriers(net, r.hub, r.other, p->distance_km, &rng, carriers);
    CHECK(n > 0);
    r.shift_min =
        net->airports[r.other].standard_offset_min - net->airports[r.hub].standard_offset_min;
    int32_t daily = (p->weekly + 6) / 7, share = p->weekly < 10 ? 1 : p->weekly < 28 ? 2 : 3;
    int64_t fare = base_fare(p->distance_km, false, &rng);
    for (int32_t i = 0; i < daily; i++) {
        int32_t days = i + 1 < daily ? 7 : p->weekly - 7 * (daily - 1);
        uint32_t spread = weekdays_of[days], turn = prng_below(&rng, 7);
        const struct timetable_base *b = carriers[i % (n < share ? n : share)];
        struct timetable_pattern out = {
            .weekdays = (uint8_t)((spread << turn | spread >> (7 - turn)) & 0x7f),
            .aircraft = pick_aircraft(net, p, r.hub, &rng),
            .origin = r.hub,
            .destination = r.other,
            .distance_km = p->distance_km,
        };
        memcpy(out.carrier, b->carrier, sizeof out.carrier);
        int16_t minute[2];
        r.block_min = block_minutes(&net->aircraft[out.aircraft], p->distance_km);
        time_rotation(l, &l->routes->hubs[h], &r, i, daily, &rng, minute);
        out.block_min = (int16_t)r.block_min;
        out.base_minor = (fare + base_fare(p->distance_km, b->reach_km < 10000, &rng)) / 200 * 100;
        out.departure_min = minute[0];
        struct timetable_pattern back = out;
        back.origin = r.other;
        back.destination = r.hub;
        back.departure_min = minute[1];
        l->patterns[l->count++] = out;
        l->patterns[l->count++] = back;
    }
}

/* One rotation for numbering: airlines in order, long flights first, as airlines do. */
struct numbering {
    int32_t at; /* of the outbound pattern */
    struct timetable_pattern *patterns;
};

static int by_carrier_and_distance(const void *pa, const void *pb)
{
    const struct numbering *a = pa, *b = pb;
    const struct timetable_pattern *x = &a->patterns[a->at], *y = &b->patterns[b->at];
    int by_carrier = strcmp(x->carrier, y->carrier);
    if (by_carrier != 0)
        return by_carrier;
    if (x->distance_km != y->distance_km)
        return x->distance_km > y->distance_km ? -1 : 1;
    return a->at < b->at ? -1 : a->at > b->at;
}

/* Out is odd, back is the next even. What an airline has no number left for is not flown. */
static void number_flights(struct layout *l, struct arena *arena)
{
    int32_t rotations = l->count / 2, number = 1, kept = 0;
    struct numbering *order = arena_array(arena, (size_t)rotations, sizeof *order);
    for (int32_t i = 0; i < rotations; i++)
        order[i] = (struct numbering){.at = 2 * i, .patterns = l->patterns};
    qsort(order, (size_t)rotations, sizeof *order, by_carrier_and_distance);
    for (int32_t i = 0; i < rotations; i++) {
        struct timetable_pattern *out = &l->patterns[order[i].at];
        if (i == 0 || strcmp(out->carrier, l->patterns[order[i - 1].at].carrier) != 0)
            number = 1;
        out[0].number = number;
        out[1].number = number + 1;
        number += 2;
    }
    for (int32_t i = 0; i < l->count; i++)
        if (l->patterns[i].number <= TIMETABLE_NUMBER_MAX)
            l->patterns[kept++] = l->patterns[i];
    l->count = kept;
}

int32_t timetable_lay_patterns(struct arena *arena, const struct timetable_network *net,
                               const struct timetable_options *options,
                               const struct timetable_routes *routes,
                               struct timetable_pattern **ret_patterns)
{
    struct layout l = {.net = net, .routes = routes, .options = options};
    size_t room = 0;
    for (int32_t i = 0; i < routes->pair_count; i++)
        room += 2 * (size_t)((routes->pairs[i].weekly + 6) / 7);
    l.patterns = arena_array(arena, room, sizeof *l.patterns);
    for (int32_t h = 0; h < routes->hub_count; h++)
        plan_banks(&routes->hubs[h], net, options->seed);
    for (int32_t i = 0; i < routes->pair_count; i++)
        lay_pair(&l, &routes->pairs[i]);
    number_flights(&l, arena);
    *ret_patterns = l.patterns;
    return l.count;
}
