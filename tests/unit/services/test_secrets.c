/* What becomes of what was sealed when the installation's secret is replaced. */
#include "reference_rig.h"
#include "services/shared/offer.h"
#include "support/test.h"

static struct arena_pool pool;
static struct arena arena;

static void setup(void)
{
    arena_pool_init(&pool, 4);
    arena_init(&arena, &pool, 1 << 20);
}

static void teardown(void)
{
    arena_reset(&arena);
    arena_pool_deinit(&pool);
}

static struct str sealed_offer(void)
{
    const struct offer offer = {
        .adults = 1,
        .currency = "USD",
        .unit_minor = {12345},
        .segment_count = 1,
        .segments = {{.carrier = "BA", .origin = "JFK", .destination = "LHR", .aircraft = "77W"}},
    };
    return offer_seal(rig_app(), &arena, &offer);
}

/* Bookings outlive secrets. */
TEST(secrets, an_offer_that_was_sold_is_read_without_its_seal)
{
    setup();
    struct str name = sealed_offer();
    struct offer opened;
    struct app *app = rig_app();
    app->keys.offer[31] ^= 1;
    ASSERT_TRUE(offer_open(app, name, &opened) < 0);
    ASSERT_INT_EQ(offer_open_sold(app, name, &opened), 0);
    ASSERT_INT_EQ(opened.total_minor, 12345);
    ASSERT_TRUE(offer_open_sold(app, (struct str){name.p, name.n - 4}, &opened) < 0);
    teardown();
}
