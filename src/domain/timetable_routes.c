/* Which city pairs are flown, and how often: hubs by traffic, pairs by gravity.
 * First a tree over the hubs, so that the network is one piece; then each hub's best spokes, the
 * trunk between hubs, and each airport's best hub, so that it is wide; then whatever pulls hardest.
 */
#include "timetable_internal.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "domain/geo.h"
#include "domain/prng.h"

/* How the city pairs are shared out: of every thousand, those up to here are taken for ... */
#define FAR_UNTIL_PERMILLE 200    /* each hub's far hubs */
#define SPOKES_UNTIL_PERMILLE 400 /* each hub's best spokes, round by round */
#define TRUNK_UNTIL_PERMILLE 600  /* hub to hub */
#define COVERAGE_UNTIL_PERMILLE                                                                    \
    800            /* airports that nobody serves yet; the rest by gravity alone                   \
                    */
#define FAR_HUBS 4 /* far hubs that each hub reaches at least */
#define FAR_KM 4500

struct choice {
    const struct timetable_network *net;
    struct timetable_routes *routes;
    struct timetable_pair *all; /* hub after hub, each by falling gravity */
    int32_t *first;             /* by hub, index into all; one more at the end */
    uint8_t *taken;             /* hub x airport */
    uint8_t *served;            /* by airport */
    int32_t wanted;
};

static int by_gravity(const void *pa, const void *pb)
{
    const struct timetable_pair *a = pa, *b = pb;
    if (a->gravity != b->gravity)
        return a->gravity < b->gravity ? 1 : -1;
    if (a->hub != b->hub)
        return a->hub < b->hub ? -1 : 1;
    return a->airport < b->airport ? -1 : a->airport > b->airport;
}

/* Hubs in falling order of traffic, each further one of a country counting a fifth less, so that
 * large countries do not take them all. */
static void choose_hubs(struct choice *ch, struct arena *arena, int32_t hubs_max)
{
    const struct timetable_network *net = ch->net;
    struct timetable_routes *r = ch->routes;
    double *score = arena_array(arena, (size_t)net->airport_count, sizeof *score);
    for (int32_t i = 0; i < net->base_count; i++) {
        int32_t a = net->bases[i].airport;
        score[a] = net->airports[a].traffic;
    }
    r->hubs = arena_array(arena, (size_t)hubs_max, sizeof *r->hubs);
    r->hub_of = arena_array(arena, (size_t)net->airport_count, sizeof *r->hub_of);
    memset(r->hub_of, 0xff, (size_t)net->airport_count * sizeof *r->hub_of);
    while (r->hub_count < hubs_max) {
        int32_t best = -1;
        for (int32_t a = 0; a < net->airport_count; a++)
            if (score[a] > 0 && (best < 0 || score[a] > score[best]))
                best = a;
        if (best < 0)
            break;
        r->hub_of[best] = r->hub_count;
        r->hubs[r->hub_count++].airport = best;
        score[best] = 0;
        for (int32_t a = 0; a < net->airport_count; a++)
            if (strcmp(net->airports[a].country, net->airports[best].country) == 0)
                score[a] *= 0.8;
    }
}

/* More pull between large and near; a home country pulls twice as much. The distance counts little,
 * since what is far apart has no train. */
static int64_t gravity(const struct timetable_airport *a, const struct timetable_airport *b,
                       int32_t distance_km)
{
    double mass = pow((double)a->traffic * b->traffic, 0.7);
    double home = strcmp(a->country, b->country) == 0 ? 2.0 : 1.0;
    return (int64_t)llround(1e6 * mass * home / pow(distance_km + 600.0, 0.6));
}

static int32_t farthest_km(const struct timetable_network *net)
{
    int32_t range_km = 0;
    for (int32_t i = 0; i < net->aircraft_count; i++)
        if (net->aircraft[i].range_km > range_km)
            range_km = net->aircraft[i].range_km;
    return range_km - range_km / 12; /* reserves */
}

/* Whether some airline based at either end flies that far. */
static bool within_reach(const int32_t *reach_km, int32_t a, int32_t b, int32_t distance_km)
{
    return distance_km <= reach_km[a] || distance_km <= reach_km[b];
}

static void list_candidates(struct choice *ch, struct arena *arena)
{
    const struct timetable_network *net = ch->net;
    struct timetable_routes *r = ch->routes;
    int32_t range_km = farthest_km(net), n = 0;
    int32_t *reach_km = arena_array(arena, (size_t)net->airport_count, sizeof *reach_km);
    for (int32_t i = 0; i < net->base_count; i++)
        if (net->bases[i].reach_km > reach_km[net->bases[i].airport])
            reach_km[net->bases[i].airport] = net->bases[i].reach_km;
    ch->first = arena_array(arena, (size_t)r->hub_count + 1, sizeof *ch->first);
    ch->all =
        arena_array(arena, (size_t)r->hub_count * (size_t)net->airport_count, sizeof *ch->all);
    for (int32_t h = 0; h < r->hub_count; h++) {
        const struct timetable_airport *hub = &net->airports[r->hubs[h].airport];
        ch->first[h] = n;
        for (int32_t a = 0; a < net->airport_count; a++) {
            const struct timetable_airport *other = &net->airports[a];
            int32_t km =
                geo_distance_km(hub->latitude, hub->longitude, other->latitude, other->longitude);
            if (km < TIMETABLE_DISTANCE_KM_MIN || km > range_km ||
                strcmp(hub->metro, other->metro) == 0 ||
                !within_reach(reach_km, r->hubs[h].airport, a, km))
                continue;
            ch->all[n++] = (struct timetable_pair){
                .hub = h, .airport = a, .distance_km = km, .gravity = gravity(hub, other, km)};
        }
        qsort(ch->all + ch->first[h], (size_t)(n - ch->first[h]), sizeof *ch->all, by_gravity);
    }
    ch->first[r->hub_count] = n;
}

static bool is_taken(const struct choice *ch, const struct timetable_pair *p)
{
    return ch->taken[(size_t)p->hub * (size_t)ch->net->airport_count + (size_t)p->airport];
}

static void take(struct choice *ch, const struct timetable_pair *p)
{
    struct timetable_routes *r = ch->routes;
    size_t airports = (size_t)ch->net->airport_count;
    int32_t other = r->hub_of[p->airport];
    if (is_taken(ch, p) || r->pair_count >= ch->wanted)
        return;
    ch->taken[(size_t)p->hub * airports + (size_t)p->airport] = 1;
    if (other >= 0)
        ch->taken[(size_t)other * airports + (size_t)r->hubs[p->hub].airport] = 1;
    ch->served[p->airport] = ch->served[r->hubs[p->hub].airport] = 1;
    r->pairs[r->pair_count++] = *p;
}

/* Each hub to the earlier (larger) hub that pulls it hardest: one connected network at any scale.
 */
static void take_tree(struct choice *ch)
{
    for (int32_t h = 1; h < ch->routes->hub_count; h++)
        for (int32_t i = ch->first[h]; i < ch->first[h + 1]; i++) {
            int32_t other = ch->routes->hub_of[ch->all[i].airport];
            if (other >= 0 && other < h) {
                take(ch, &ch->all[i]);
                break;
            }
        }
}

/* Each hub's few best far hubs: no continent is an island. */
static void take_far(struct choice *ch, int32_t until)
{
    for (int32_t h = 0; h < ch->routes->hub_count; h++)
        for (int32_t i = ch->first[h], found = 0; i < ch->first[h + 1] && found < FAR_HUBS; i++)
            if (ch->all[i].distance_km > FAR_KM && ch->routes->hub_of[ch->all[i].airport] >= 0 &&
                ch->routes->pair_count < until) {
                take(ch, &ch->all[i]);
                found++;
            }
}

/* The trunk: pairs of hubs by gravity, so that a spoke reaches far with one connection. */
static void take_trunk(struct choice *ch, int32_t n, int32_t until)
{
    for (int32_t i = 0; i < n && ch->routes->pair_count < until; i++)
        if (ch->routes->hub_of[ch->all[i].airport] >= 0)
            take(ch, &ch->all[i]);
}

/* In rounds, each hub's best pair that is not flown yet. */
static void take_spokes(struct choice *ch, int32_t until)
{
    for (int32_t before = -1; ch->routes->pair_count < until && before != ch->routes->pair_count;) {
        before = ch->routes->pair_count;
        for (int32_t h = 0; h < ch->routes->hub_count && ch->routes->pair_count < until; h++)
            for (int32_t i = ch->first[h]; i < ch->first[h + 1]; i++)
                if (!is_taken(ch, &ch->all[i])) {
                    take(ch, &ch->all[i]);
                    break;
                }
    }
}

/* The best hub of each airport, the busiest airports first. @all is in order of gravity from here
 * on. */
static void take_coverage(struct choice *ch, struct arena *arena, int32_t n, int32_t until)
{
    const struct timetable_network *net = ch->net;
    const struct timetable_pair **best =
        arena_array(arena, (size_t)net->airport_count, sizeof *best);
    for (int32_t i = n - 1; i >= 0; i--)
        best[ch->all[i].airport] = &ch->all[i];
    int32_t traffic_max = INT32_MAX;
    while (ch->routes->pair_count < until && traffic_max > 0) {
        int32_t next = 0;
        for (int32_t a = 0; a < net->airport_count; a++) {
            int32_t t = net->airports[a].traffic;
            if (t == traffic_max && best[a] && !ch->served[a] && ch->routes->pair_count < until)
                take(ch, best[a]);
            if (t < traffic_max && t > next)
                next = t;
        }
        traffic_max = next;
    }
}

/* Departures follow the size of both ends more than gravity does: two great cities fly often,
 * however far. */
static double demand(const struct choice *ch, const struct timetable_pair *p)
{
    const struct timetable_airport *a = &ch->net->airports[ch->routes->hubs[p->hub].airport];
    const struct timetable_airport *b = &ch->net->airports[p->airport];
    double home = strcmp(a->country, b->country) == 0 ? 1.3 : 1.0;
    return pow((double)a->traffic * b->traffic, 0.6) * home / pow(p->distance_km + 1500.0, 0.3);
}

static int32_t weekly_at(const struct choice *ch, const struct timetable_pair *p, double k)
{
    double f = k * demand(ch, p);
    return f < 3 ? 3 : f > 56 ? 56 : (int32_t)lround(f);
}

/* The factor of demand is found so that departures add up to what the scale asks for. */
static void share_frequencies(const struct choice *ch, int64_t weekly)
{
    struct timetable_routes *r = ch->routes;
    double low = 0, high = 1e6;
    for (int step = 0; step < 60; step++) {
        double k = (low + high) / 2;
        int64_t sum = 0;
        for (int32_t i = 0; i < r->pair_count; i++)
            sum += weekly_at(ch, &r->pairs[i], k);
        if (sum > weekly)
            high = k;
        else
            low = k;
    }
    for (int32_t i = 0; i < r->pair_count; i++)
        r->pairs[i].weekly = weekly_at(ch, &r->pairs[i], low);
}

void timetable_choose_routes(struct arena *arena, const struct timetable_network *net,
                             const struct timetable_options *options,
                             struct timetable_routes *ret_routes)
{
    double scale = options->scale_permille / 1000.0;
    CHECK(options->scale_permille > 0);
    *ret_routes = (struct timetable_routes){0};
    struct choice ch = {.net = net, .routes = ret_routes};
    int32_t hubs = (int32_t)lround(TIMETABLE_HUBS_AT_1 * sqrt(scale));
    choose_hubs(&ch, arena, hubs < 3 ? 3 : hubs);
    list_candidates(&ch, arena);
    int32_t n = ch.first[ret_routes->hub_count];
    int64_t wanted = llround(TIMETABLE_PAIRS_AT_1 * scale);
    ch.wanted = wanted < 3 ? 3 : wanted > n ? n : (int32_t)wanted;
    ch.taken = arena_array(arena, (size_t)ret_routes->hub_count * (size_t)net->airport_count, 1);
    ret_routes->pairs = arena_array(arena, (size_t)ch.wanted, sizeof *ret_routes->pairs);
    ch.served = arena_array(arena, (size_t)net->airport_count, 1);
    take_tree(&ch);
    take_far(&ch, ch.wanted * FAR_UNTIL_PERMILLE / 1000);
    take_spokes(&ch, ch.wanted * SPOKES_UNTIL_PERMILLE / 1000);
    qsort(ch.all, (size_t)n, sizeof *ch.all, by_gravity);
    take_trunk(&ch, n, ch.wanted * TRUNK_UNTIL_PERMILLE / 1000);
    take_coverage(&ch, arena, n, ch.wanted * COVERAGE_UNTIL_PERMILLE / 1000);
    for (int32_t i = 0; i < n; i++)
        take(&ch, &ch.all[i]);
    share_frequencies(&ch, llround(TIMETABLE_WEEKLY_AT_1 * scale));
}
