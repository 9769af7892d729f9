/* The installation that handlers run in: keys, reference data, tokens, an offer; and the list of
 * what a call waits for. See world.h. */
#include "world.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/check.h"
#include "reference.h"
#include "services/auth/password.h"
#include "services/auth/token.h"
#include "services/reference.h"
#include "services/shared/provider_internal.h"

struct world world;
struct arena world_arena;

static struct arena_pool pool;
static char key_directory[] = "/tmp/faregate-torture-XXXXXX";

const struct uuid world_user = {.b = {7}};
const struct uuid world_other_user = {.b = {8}};
const struct uuid world_session = {
    .b = {1, 2, 3, 4, 5, 6, 0x70, 8, 0x80, 10, 11, 12, 13, 14, 15, 16}};
const struct uuid world_booking = {
    .b = {1, 2, 3, 4, 5, 6, 0x70, 8, 0x80, 10, 11, 12, 13, 14, 15, 17}};
const struct uuid world_intent = {
    .b = {1, 2, 3, 4, 5, 6, 0x70, 8, 0x80, 10, 11, 12, 13, 14, 15, 18}};

int64_t world_now_us(void)
{
    return clock_wall_ns(&rig.clock) / NS_PER_US;
}

/* ---- the installation ---- */

static struct str pack(const ProtobufCMessage *message)
{
    uint8_t *p = arena_alloc(&world_arena, protobuf_c_message_get_packed_size(message) + 1);
    return (struct str){(const char *)p, protobuf_c_message_pack(message, p)};
}

/* Two flights, one adult; the largest has all that an offer can hold. */
static void make_offer(bool largest)
{
    struct offer *o = &world.offer;
    int64_t now_s = rig.clock.wall_ns(&rig.clock) / NS_PER_S;
    *o = (struct offer){.cabin = 1, .adults = 1, .bookable_seats = 9, .currency = "GBP"};
    o->brand_key = reference_brand_key(STR("ECONOMY_FLEX"));
    o->terms = (struct fare_terms){.refundable = true, .refund_penalty_permille = 100};
    o->unit_minor[0] = 20000;
    o->expire_s = now_s + 1200;
    o->segment_count = largest ? OFFER_SEGMENTS_MAX : 2;
    if (largest)
        o->adults = 9, o->lap_infants = 9;
    for (unsigned i = 0; i < o->segment_count; i++)
        o->segments[i] = (struct offer_segment){
            .flight_id.b = {0x40, (uint8_t)i},
            .carrier = "BA",
            .origin = "LHR",
            .destination = "JFK",
            .aircraft = "77W",
            .booking_class = 'Y',
            .number = 117,
            .departure_s = now_s + 86400 * (30 + (int)i) - now_s % 60,
            .arrival_s = now_s + 86400 * (30 + (int)i) + 8 * 3600 - now_s % 60,
            .slice = (uint8_t)(i < 6 ? i : 5),
            .distance_km = 5500,
            .fare_minor = 10000,
        };
    o->tax_count = largest ? OFFER_TAXES_MAX : 1;
    for (unsigned i = 0; i < o->tax_count; i++)
        o->taxes[i] = (struct offer_tax){.country = "GB",
                                         .code = {(char)('A' + i / 26), (char)('A' + i % 26)},
                                         .refundable = true,
                                         .unit_minor = 1500};
    offer_total(o);
    world.offer_name = offer_seal(&world.app, &world_arena, o);
    CHECK(offer_open(&world.app, world.offer_name, &world.offer) == 0);
}

/* As much as a request of 64 KiB can bring. */
Faregate__V1__KeyValue **world_metadata(size_t *ret_count)
{
    static Faregate__V1__KeyValue pair[50], *pairs[50];
    static char key[50][41], value[1099];
    for (size_t i = 0; i + 3 < sizeof value; i += 3)
        memcpy(value + i, "\u20ac", 3);
    for (size_t i = 0; i < 50; i++) {
        faregate__v1__key_value__init(&pair[i]);
        snprintf(key[i], sizeof key[i], "%040zu", i);
        pair[i].key = key[i];
        pair[i].value = value;
        pairs[i] = &pair[i];
    }
    *ret_count = 50;
    return pairs;
}

static void make_fragments(void)
{
    const Faregate__V1__Offer *offer =
        offer_message(&world.app, &world_arena, &world.offer, world.offer_name);
    Faregate__V1__Booking m = FAREGATE__V1__BOOKING__INIT;
    m.n_journeys = offer->n_journeys;
    m.journeys = offer->journeys;
    m.price = offer->price;
    m.n_conditions = offer->n_conditions;
    m.conditions = offer->conditions;
    m.n_allowances = offer->n_allowances;
    m.allowances = offer->allowances;
    world.snapshot = pack(&m.base);
    Faregate__V1__Booking who = FAREGATE__V1__BOOKING__INIT;
    Faregate__V1__Passenger passenger = FAREGATE__V1__PASSENGER__INIT, *passengers[18];
    static char name[] = "Anna", mail[] = EMAIL;
    passenger.given_name = passenger.surname = name;
    passenger.email = mail;
    who.n_passengers = (size_t)world.offer.adults + world.offer.lap_infants;
    who.passengers = passengers;
    for (size_t i = 0; i < who.n_passengers; i++)
        passengers[i] = &passenger;
    if (world.heavy)
        who.metadata = world_metadata(&who.n_metadata);
    world.passengers = pack(&who.base);
}

static void make_tokens(void)
{
    char error[256];
    CHECK(mkdtemp(key_directory));
    CHECK(tokens_add_key(key_directory, 1, error, sizeof error) == 0);
    CHECK(tokens_new(&world.app.tokens, key_directory, 600, NULL, error, sizeof error) == 0);
}

static void make_password(void)
{
    const struct password_params params = {.kib = 8, .passes = 1};
    const uint8_t salt[PASSWORD_SALT_BYTES] = {1};
    char *hash = arena_alloc(&world_arena, PASSWORD_HASH_MAX);
    CHECK(password_hash(STR(PASSWORD), &params, salt, hash) == 0);
    world.password_hash = str_of(hash);
}

extern struct provider fake_provider;

void world_init(void)
{
    arena_pool_init(&pool, 0);
    arena_init(&world_arena, &pool, 64u << 20);
    rig_start(&(struct rpc_method){0}, 0, NULL); /* for its clock */
    struct app *app = &world.app;
    app->limits = app_limits_default;
    app->limits.argon2_kib = 8;
    app->limits.argon2_passes = 1;
    memset(app->keys, 0x5a, sizeof app->keys[0]);
    app->secret_count = 1;
    app->clock = &rig.clock;
    app->loop = &rig.loop;
    app->provider = &fake_provider;
    app->reference = world_reference();
    make_tokens();
    make_password();
    rig_stop();
}

void world_deinit(void)
{
    char path[sizeof key_directory + 16];
    world.app.reference = reference_free(world.app.reference);
    world.app.tokens = tokens_free(world.app.tokens);
    snprintf(path, sizeof path, "%s/1.pem", key_directory);
    unlink(path);
    rmdir(key_directory);
    arena_reset(&world_arena);
    arena_pool_deinit(&pool);
}

static void forget_run(void)
{
    struct world fresh = {.app = world.app,
                          .offer = world.offer,
                          .offer_name = world.offer_name,
                          .snapshot = world.snapshot,
                          .passengers = world.passengers,
                          .password_hash = world.password_hash,
                          .heavy = world.heavy,
                          .script = world.script,
                          .statements_until_down = UINT_MAX};
    world = fresh;
    world.script.used = 0;
    list_init(&world.open);
}

void world_reset(void)
{
    static bool has_offer, is_largest;
    forget_run();
    if (has_offer && is_largest == world.heavy)
        return;
    has_offer = true;
    is_largest = world.heavy;
    make_offer(is_largest);
    make_fragments();
}

bool world_is_clean(void)
{
    return world.open_count == 0 && world.leases_open == 0 &&
           world.leases == world.commits + world.rollbacks;
}

/* ---- choices ---- */

unsigned world_choose(unsigned count)
{
    struct script *s = &world.script;
    CHECK(count > 0);
    if (count == 1)
        return 0;
    CHECK(s->used < CHOICES_MAX);
    unsigned value = s->used < s->length ? s->value[s->used] : 0;
    CHECK(value < count); /* the same prefix gives the same choice */
    s->value[s->used] = (uint16_t)value;
    s->of[s->used++] = (uint16_t)count;
    return value;
}

/* ---- what is open ---- */

struct pending *world_next(void)
{
    struct list *node = world.is_reversed && !list_is_empty(&world.open) ? world.open.prev
                                                                         : list_first(&world.open);
    return node ? list_entry(node, struct pending, node) : NULL;
}

static void drop(struct pending *p)
{
    list_remove(&p->node);
    world.open_count--;
    free(p);
}

static void on_detach(struct op *op)
{
    struct pending *p = list_entry(op, struct pending, op);
    CHECK(p->waiting != WAIT_COMMIT || !p->scope->commit_sent);
    drop(p);
}

struct pending *world_add(enum waiting waiting, struct op_scope *scope,
                          void (*complete)(struct pending *p))
{
    struct pending *p = calloc(1, sizeof *p);
    CHECK(p);
    p->waiting = waiting;
    p->scope = scope;
    p->complete = complete;
    p->rows_asked = INT64_MAX;
    list_init(&p->node);
    list_append(&world.open, &p->node);
    world.open_count++;
    world.submitted++;
    if (waiting != WAIT_WORK) /* a job brings its own */
        op_start(&p->op, scope, on_detach);
    return p;
}

static void lease_end(struct op_scope *scope, unsigned *counter)
{
    if (!scope->lease)
        return;
    scope->lease = NULL;
    world.leases_open--;
    (*counter)++;
}

void world_complete(struct pending *p)
{
    if (p->complete)
        p->complete(p);
    if (p->waiting == WAIT_WORK) {
        drop(p);
        return;
    }
    if (p->waiting == WAIT_COMMIT)
        lease_end(p->scope, &world.commits);
    list_remove(&p->node);
    world.open_count--;
    op_done(&p->op, p->error.reason != REASON_NONE ? &p->error : NULL);
    free(p);
}

void world_fail(struct pending *p, enum reason reason, bool restart, bool unknown)
{
    struct op_error error = {
        .reason = reason, .restart = restart, .unknown = unknown, .detail = "made to fail"};
    CHECK(p->waiting != WAIT_WORK);
    if (p->waiting == WAIT_COMMIT) /* whichever way it went, the connection is not ours any more */
        lease_end(p->scope, &world.rollbacks);
    list_remove(&p->node);
    world.open_count--;
    op_done(&p->op, &error);
    free(p);
}

/* ---- transactions ---- */

/* As strict as the real one: nothing else of the scope is in flight. */
static void commit(struct op_scope *scope)
{
    CHECK(scope->pending == 0);
    CHECK(scope->lease);
    struct pending *p = world_add(WAIT_COMMIT, scope, NULL);
    scope->commit_sent = !world.commit_is_queued;
    if (world.is_instant)
        world_complete(p);
}

static void rollback(struct op_scope *scope)
{
    lease_end(scope, &world.rollbacks);
}

const struct op_tx db_tx = {.commit = commit, .rollback = rollback};
