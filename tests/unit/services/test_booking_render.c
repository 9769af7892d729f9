/* A booking's row as the bytes of a message: what a client reads in it. */
#include "faregate/v1/booking_service.pb-c.h"
#include "reference_rig.h"
#include "services/booking/internal.h"
#include "support/test.h"

static const struct uuid id = {.b = {1, 2, 3, 4, 5, 6, 0x70, 8, 0x80, 10, 11, 12, 13, 14, 15, 16}};

static struct booking_view held(void)
{
    return (struct booking_view){
        .booking_id = id,
        .user_id = BOOKING_ID_MAX,
        .state = STR("HELD"),
        .state_reason = STR(""),
        .currency = STR("EUR"),
        .snapshot = STR("\x2a\x00"), /* a journey, a passenger: both empty */
        .passengers = STR("\x22\x00"),
        .total_minor = 12345,
        .create_us = 1000000,
        .due_us = 2000001,
        .event_count = 7,
    };
}

/* The caller frees it. */
static Faregate__V1__Booking *sent(const struct booking_view *v)
{
    const struct app app = {.reference = rig_reference()};
    uint8_t bytes[1024], *end = bytes + sizeof bytes;
    const uint8_t *p = booking_put(end, &app, v);
    ASSERT_TRUE((size_t)(end - p) <= booking_bytes_max(v));
    Faregate__V1__Booking *m = faregate__v1__booking__unpack(NULL, (size_t)(end - p), p);
    ASSERT_NOT_NULL(m);
    ASSERT_INT_EQ(m->n_journeys, 1);
    ASSERT_INT_EQ(m->n_passengers, 1);
    return m;
}

#define FREE(m) faregate__v1__booking__free_unpacked(m, NULL)

TEST(booking_render, shows_a_hold_with_what_is_owed_and_until_when)
{
    struct booking_view v = held();
    Faregate__V1__Booking *m = sent(&v);
    ASSERT_STR_EQ(m->name, "bookings/01020304-0506-7008-800a-0b0c0d0e0f10");
    ASSERT_STR_EQ(m->user, "users/ffffffff-ffff-ffff-ffff-ffffffffffff");
    ASSERT_INT_EQ(strlen(m->record_locator), 6);
    ASSERT_INT_EQ(m->state, FAREGATE__V1__BOOKING__STATE__HELD);
    ASSERT_STR_EQ(m->state_reason, "");
    ASSERT_STR_EQ(m->payment_intent, "");
    ASSERT_STR_EQ(m->etag, "7-1000000");
    ASSERT_INT_EQ(m->balance->due->units, 123);
    ASSERT_INT_EQ(m->balance->due->nanos, 450000000);
    ASSERT_STR_EQ(m->balance->captured->currency_code, "EUR");
    ASSERT_INT_EQ(m->balance->captured->units, 0);
    ASSERT_INT_EQ(m->payment_required_time->seconds, 2);
    ASSERT_INT_EQ(m->price_guarantee_expire_time->nanos, 1000);
    ASSERT_INT_EQ(m->create_time->seconds, 1);
    ASSERT_INT_EQ(m->update_time->seconds, 1);
    ASSERT_INT_EQ(m->n_available_actions, 2);
    ASSERT_INT_EQ(m->available_actions[0]->action, FAREGATE__V1__AVAILABLE_ACTION__ACTION__PAY);
    ASSERT_TRUE(m->available_actions[0]->available && m->available_actions[1]->available);
    FREE(m);
}

TEST(booking_render, shows_a_hold_that_has_lapsed_as_expired)
{
    struct booking_view v = held();
    v.lapsed = true;
    Faregate__V1__Booking *m = sent(&v);
    ASSERT_INT_EQ(m->state, FAREGATE__V1__BOOKING__STATE__EXPIRED);
    ASSERT_STR_EQ(m->state_reason, "HOLD_EXPIRED");
    ASSERT_STR_EQ(m->etag, "7-1000000x");
    ASSERT_NULL(m->payment_required_time);
    ASSERT_INT_EQ(m->balance->due->units, 0);
    ASSERT_STR_EQ(m->available_actions[1]->reason, "BOOKING_STATE");
    FREE(m);
}

TEST(booking_render, reads_its_etags_and_no_others)
{
    static const char *const strange[] = {"",    "7",    "7-",  "-7",   "7-5y",     "7-5xx",
                                          "x-5", "7--5", "7-x", "7 -5", "W/\"7-5\""};
    struct booking_etag etag = booking_etag_parse(STR("7-1000000"));
    ASSERT_INT_EQ(etag.event_count, 7);
    ASSERT_INT_EQ(etag.update_us, 1000000);
    etag = booking_etag_parse(STR("7-1000000x"));
    ASSERT_INT_EQ(etag.event_count, 7);
    ASSERT_INT_EQ(etag.update_us, 1000000);
    for (size_t i = 0; i < sizeof strange / sizeof strange[0]; i++)
        ASSERT_INT_EQ(booking_etag_parse(str_of(strange[i])).event_count, -1);
}

TEST(booking_render, shows_as_reserved_what_was_not_taken_yet)
{
    static const struct {
        int64_t authorised_minor, captured_minor, shown;
    } sums[] = {{12300, 0, 123}, {12300, 12300, 0}, {0, 12300, 0}};
    for (unsigned i = 0; i < 3; i++) {
        struct booking_view v = held();
        v.state = STR("CONFIRMED");
        v.authorised_minor = sums[i].authorised_minor;
        v.captured_minor = sums[i].captured_minor;
        Faregate__V1__Booking *m = sent(&v);
        ASSERT_INT_EQ(m->balance->authorized->units, sums[i].shown);
        FREE(m);
    }
}

TEST(booking_render, shows_what_was_paid_and_fits_its_room_at_its_largest)
{
    static char reason[400];
    struct booking_view v = held();
    memset(reason, 'R', sizeof reason - 1);
    v.state = STR("CONFIRMING");
    v.state_reason = str_of(reason);
    v.intent_id = id;
    v.event_count = -1; /* the most digits */
    v.serial = INT64_MAX;
    v.total_minor = v.authorised_minor = v.captured_minor = v.refunded_minor = INT64_MIN / 2;
    v.create_us = v.update_us = v.due_us = INT64_MIN + 1;
    Faregate__V1__Booking *m = sent(&v);
    ASSERT_STR_EQ(m->payment_intent, "bookings/01020304-0506-7008-800a-0b0c0d0e0f10/"
                                     "paymentIntents/01020304-0506-7008-800a-0b0c0d0e0f10");
    ASSERT_INT_EQ(m->balance->refunded->units, INT64_MIN / 2 / 100);
    ASSERT_STR_EQ(m->state_reason, reason);
    ASSERT_STR_EQ(m->available_actions[1]->reason, "PAYMENT_IN_PROGRESS");
    FREE(m);
}
