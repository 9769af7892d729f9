/* Field rules: what a request must hold, said with the path of the field.
 * The tables come from the real descriptor set, so a rule lost in the .proto fails here. */
#include "grpc/rules.h"

#include <errno.h>
#include <faregate/v1/auth_service.pb-c.h>
#include <faregate/v1/booking_service.pb-c.h>
#include <faregate/v1/flight_service.pb-c.h>
#include <faregate/v1/options.pb-c.h>
#include <faregate/v1/payment_service.pb-c.h>

#include "grpc/descriptors.h"
#include "grpc/internal.h"
#include "pb.h"

#define UUID "0193a5b0-7c1e-7b3a-9d4e-2f6a8c0e1b2d"

static struct arena_pool pool;
static struct arena arena;
static struct descriptors *descriptors;
static struct violations violations;

/* Sends @b through the guard with the rules of @type. */
static int guard(const ProtobufCMessageDescriptor *type, struct buf *b)
{
    const struct message_rules *head = NULL;
    struct rpc_method method = {.request = type};
    ProtobufCMessage *message;
    char error[200];
    arena_pool_init(&pool, 4);
    arena_init(&arena, &pool, 1u << 20);
    ASSERT_INT_EQ(descriptors_new(&descriptors, descriptors_embedded(), error, sizeof error), 0);
    ASSERT_INT_EQ(rules_compile(descriptors, type, &head, &method.rules, error, sizeof error), 0);
    int rc = guard_unpack(&arena, &method, 32, b->p + b->start, buf_len(b), &message, &violations);
    buf_deinit(b);
    *b = (struct buf){0};
    return rc;
}

static void done(void)
{
    arena_reset(&arena);
    arena_pool_deinit(&pool);
    descriptors = descriptors_free(descriptors);
}

/* One violation, of @field, whose text has @text. */
static void expect(const ProtobufCMessageDescriptor *type, struct buf *b, const char *field,
                   const char *text)
{
    ASSERT_INT_EQ(guard(type, b), -EINVAL);
    ASSERT_STR_EQ(violations.items[0].field, field);
    ASSERT_HAS(violations.items[0].description, text);
    ASSERT_INT_EQ(violations.count, 1);
    done();
}

static void put_date(struct buf *b, uint32_t number, unsigned year, unsigned month, unsigned day)
{
    struct buf date = {0};
    pb_number(&date, 1, year);
    pb_number(&date, 2, month);
    pb_number(&date, 3, day);
    pb_message(b, number, &date);
}

static void put_money(struct buf *b, uint32_t number, const char *currency, int64_t units,
                      int64_t nanos)
{
    struct buf money = {0};
    pb_text(&money, 1, currency);
    pb_number(&money, 2, (uint64_t)units);
    pb_number(&money, 3, (uint64_t)nanos);
    pb_message(b, number, &money);
}

/* A booking that is right, but for a passenger number @wrong whose surname is @surname. */
static void put_booking(struct buf *b, unsigned passengers, unsigned wrong, const char *surname)
{
    pb_text(b, 1, "offers/abc-DEF_123");
    pb_number(b, 2, 1);
    for (unsigned i = 0; i < passengers; i++) {
        struct buf p = {0};
        pb_number(&p, 1, 1);
        pb_text(&p, 2, "Anne Marie");
        pb_text(&p, 3, i == wrong ? surname : "O'Neill-Smith");
        put_date(&p, 4, 1990, 2, 28);
        pb_message(b, 3, &p);
    }
    put_money(b, 5, "EUR", 123, 450000000);
    pb_text(b, 15, UUID);
}

TEST(rules, accept_a_request_that_is_right)
{
    struct buf b = {0};
    put_booking(&b, 3, 9, "");
    ASSERT_INT_EQ(guard(&faregate__v1__create_booking_request__descriptor, &b), 0);
    ASSERT_INT_EQ(violations.count, 0);
    done();
}

TEST(rules, name_every_required_field_that_is_missing)
{
    struct buf b = {0};
    pb_text(&b, 1, "");
    ASSERT_INT_EQ(guard(&faregate__v1__create_booking_request__descriptor, &b), -EINVAL);
    ASSERT_INT_EQ(violations.count, 5);
    ASSERT_STR_EQ(violations.items[0].field, "offer");
    ASSERT_STR_EQ(violations.items[1].field, "mode");
    ASSERT_STR_EQ(violations.items[2].field, "passengers");
    ASSERT_STR_EQ(violations.items[3].field, "expected_total");
    ASSERT_STR_EQ(violations.items[4].field, "request_id");
    ASSERT_STR_EQ(violations.items[4].description, "is required");
    done();
}

TEST(rules, give_the_path_through_repeated_messages)
{
    struct buf b = {0};
    put_booking(&b, 3, 1, "Smith2");
    expect(&faregate__v1__create_booking_request__descriptor, &b, "passengers[1].surname",
           "letters");
    put_booking(&b, 3, 2, "");
    expect(&faregate__v1__create_booking_request__descriptor, &b, "passengers[2].surname",
           "is required");
}

TEST(rules, give_the_path_through_messages_in_messages)
{
    struct buf b = {0};
    struct buf p = {0};
    struct buf document = {0};
    put_booking(&b, 1, 9, "");
    pb_number(&p, 1, 1);
    pb_text(&p, 2, "Ann");
    pb_text(&p, 3, "Other");
    put_date(&p, 4, 1990, 1, 1);
    pb_number(&document, 1, 1);
    pb_text(&document, 2, "AB1234");
    pb_text(&document, 3, "gb");
    put_date(&document, 4, 2030, 2, 29);
    pb_message(&p, 7, &document);
    pb_message(&b, 3, &p);
    ASSERT_INT_EQ(guard(&faregate__v1__create_booking_request__descriptor, &b), -EINVAL);
    ASSERT_INT_EQ(violations.count, 2);
    ASSERT_STR_EQ(violations.items[0].field, "passengers[1].document.region_code");
    ASSERT_STR_EQ(violations.items[1].field, "passengers[1].document.expire_date");
    ASSERT_HAS(violations.items[1].description, "day of the calendar");
    done();
}

TEST(rules, count_items)
{
    struct buf b = {0};
    put_booking(&b, 19, 99, "");
    expect(&faregate__v1__create_booking_request__descriptor, &b, "passengers", "at most 18 items");
}

TEST(rules, count_characters_not_bytes)
{
    struct buf b = {0};
    struct buf name = {0};
    for (unsigned i = 0; i < 40; i++)
        buf_append(&name, "\xc3\xa9", 2);
    buf_append(&name, "", 1);
    put_booking(&b, 1, 0, (const char *)name.p);
    ASSERT_INT_EQ(guard(&faregate__v1__create_booking_request__descriptor, &b), 0);
    done();
    name.end--;
    buf_append(&name, "e", 2);
    put_booking(&b, 1, 0, (const char *)name.p);
    expect(&faregate__v1__create_booking_request__descriptor, &b, "passengers[0].surname",
           "at most 40 characters");
    buf_deinit(&name);
}

TEST(rules, want_enum_values_that_are_defined)
{
    struct buf b = {0};
    put_booking(&b, 1, 9, "");
    pb_number(&b, 2, 99);
    expect(&faregate__v1__create_booking_request__descriptor, &b, "mode",
           "one of the values defined");
    pb_bytes(&b, 3, "\x02\x63", 2);
    expect(&faregate__v1__list_bookings_request__descriptor, &b, "states[1]",
           "one of the values defined");
}

TEST(rules, want_numbers_in_range)
{
    struct buf b = {0};
    pb_text(&b, 1, "users/me");
    pb_number(&b, 2, (uint64_t)INT64_C(-1));
    expect(&faregate__v1__list_sessions_request__descriptor, &b, "page_size", "at least 0");
    pb_text(&b, 1, "users/me");
    pb_number(&b, 2, 2147483647);
    ASSERT_INT_EQ(guard(&faregate__v1__list_sessions_request__descriptor, &b), 0);
    done();
}

TEST(rules, want_the_right_kind_of_resource)
{
    struct buf b = {0};
    pb_text(&b, 1, "users/" UUID);
    expect(&faregate__v1__get_booking_request__descriptor, &b, "name",
           "must be like bookings/{uuid}");
    pb_text(&b, 1, "bookings/" UUID);
    ASSERT_INT_EQ(guard(&faregate__v1__get_booking_request__descriptor, &b), 0);
    done();
    pb_text(&b, 1, "bookings//");
    expect(&faregate__v1__get_booking_request__descriptor, &b, "name", "must be a resource name");
}

TEST(rules, want_money_that_is_money)
{
    struct buf b = {0};
    pb_text(&b, 1, "bookings/" UUID);
    pb_text(&b, 15, UUID);
    put_money(&b, 2, "EUR", 1, -500000000);
    expect(&faregate__v1__create_payment_intent_request__descriptor, &b, "amount", "same sign");
    pb_text(&b, 1, "bookings/" UUID);
    pb_text(&b, 15, UUID);
    put_money(&b, 2, "euro", 1, 0);
    expect(&faregate__v1__create_payment_intent_request__descriptor, &b, "amount", "currency_code");
}

static bool is_day(unsigned year, unsigned month, unsigned day)
{
    struct buf b = {0};
    struct buf slice = {0};
    struct buf party = {0};
    pb_text(&slice, 1, "LHR");
    pb_text(&slice, 2, "JFK");
    put_date(&slice, 3, year, month, day);
    pb_message(&b, 1, &slice);
    pb_number(&party, 1, 1);
    pb_number(&party, 2, 1);
    pb_message(&b, 2, &party);
    int rc = guard(&faregate__v1__search_offers_request__descriptor, &b);
    if (rc != 0)
        ASSERT_STR_EQ(violations.items[0].field, "slices[0].departure_date");
    done();
    return rc == 0;
}

TEST(rules, want_days_of_the_calendar)
{
    ASSERT_TRUE(is_day(2024, 2, 29));
    ASSERT_TRUE(is_day(2000, 2, 29));
    ASSERT_TRUE(is_day(2026, 12, 31));
    ASSERT_FALSE(is_day(2026, 2, 29));
    ASSERT_FALSE(is_day(1900, 2, 29));
    ASSERT_FALSE(is_day(2026, 4, 31));
    ASSERT_FALSE(is_day(2026, 13, 1));
    ASSERT_FALSE(is_day(2026, 5, 0));
    ASSERT_FALSE(is_day(0, 5, 1)); /* a birthday without a year is a Date, but no date of ours */
}

TEST(rules, stop_after_sixteen_violations)
{
    struct buf b = {0};
    struct buf p = {0};
    put_booking(&b, 1, 9, "");
    for (unsigned i = 0; i < 10; i++)
        pb_message(&b, 3, &p);
    ASSERT_INT_EQ(guard(&faregate__v1__create_booking_request__descriptor, &b), -EINVAL);
    ASSERT_INT_EQ(violations.count, VIOLATIONS_MAX);
    done();
}

TEST(rules, say_so_without_memory_for_the_path)
{
    struct buf b = {0};
    const struct message_rules *head = NULL;
    struct rpc_method method = {.request = &faregate__v1__get_booking_request__descriptor};
    ProtobufCMessage *message;
    char error[200];
    arena_pool_init(&pool, 4);
    ASSERT_INT_EQ(descriptors_new(&descriptors, descriptors_embedded(), error, sizeof error), 0);
    ASSERT_INT_EQ(
        rules_compile(descriptors, method.request, &head, &method.rules, error, sizeof error), 0);
    arena_init(&arena, &pool, sizeof(Faregate__V1__GetBookingRequest) + 32);
    pb_text(&b, 1, "x");
    ASSERT_INT_EQ(guard_unpack(&arena, &method, 32, b.p, buf_len(&b), &message, &violations),
                  -EINVAL);
    ASSERT_STR_EQ(violations.items[0].field, "name");
    ASSERT_INT_EQ(violations.count, 1);
    buf_deinit(&b);
    done();
}

/* ---- shapes ------------------------------------------------------------------------------- */

struct sample {
    unsigned format;
    const char *text;
    bool is_right;
};

static const struct sample samples[] = {
    {FAREGATE__V1__FORMAT__FORMAT_UUID, UUID, true},
    {FAREGATE__V1__FORMAT__FORMAT_UUID, "0193a5b0", false},
    {FAREGATE__V1__FORMAT__FORMAT_EMAIL, "a@b.cd", true},
    {FAREGATE__V1__FORMAT__FORMAT_EMAIL, "first.last+tag@sub.example.org", true},
    {FAREGATE__V1__FORMAT__FORMAT_EMAIL, "d\xc3\xb6rte@m\xc3\xbcller.example", true},
    {FAREGATE__V1__FORMAT__FORMAT_EMAIL, "a@b", false},
    {FAREGATE__V1__FORMAT__FORMAT_EMAIL, "a b@c.de", false},
    {FAREGATE__V1__FORMAT__FORMAT_EMAIL, "@b.cd", false},
    {FAREGATE__V1__FORMAT__FORMAT_EMAIL, "a@", false},
    {FAREGATE__V1__FORMAT__FORMAT_EMAIL, "a@b..cd", false},
    {FAREGATE__V1__FORMAT__FORMAT_EMAIL, "a@b.cd.", false},
    {FAREGATE__V1__FORMAT__FORMAT_EMAIL, "a@-b.cd", false},
    {FAREGATE__V1__FORMAT__FORMAT_EMAIL, "a@b.cd\r\nBcc: x@y.zz", false},
    {FAREGATE__V1__FORMAT__FORMAT_EMAIL, "a@b@c.de", false},
    {FAREGATE__V1__FORMAT__FORMAT_IATA_AIRPORT, "LHR", true},
    {FAREGATE__V1__FORMAT__FORMAT_IATA_AIRPORT, "lhr", false},
    {FAREGATE__V1__FORMAT__FORMAT_IATA_AIRPORT, "LHRX", false},
    {FAREGATE__V1__FORMAT__FORMAT_IATA_AIRLINE, "U2", true},
    {FAREGATE__V1__FORMAT__FORMAT_IATA_AIRLINE, "BAW", false},
    {FAREGATE__V1__FORMAT__FORMAT_CURRENCY, "EUR", true},
    {FAREGATE__V1__FORMAT__FORMAT_CURRENCY, "EU1", false},
    {FAREGATE__V1__FORMAT__FORMAT_COUNTRY, "GB", true},
    {FAREGATE__V1__FORMAT__FORMAT_COUNTRY, "GBR", false},
    {FAREGATE__V1__FORMAT__FORMAT_PERSON_NAME, "Zo\xc3\xab", true},
    {FAREGATE__V1__FORMAT__FORMAT_PERSON_NAME, "\xe6\x9d\x8e\xe5\xb0\x8f\xe9\xbe\x99", true},
    {FAREGATE__V1__FORMAT__FORMAT_PERSON_NAME, "J. R. Smith-Jones", true},
    {FAREGATE__V1__FORMAT__FORMAT_PERSON_NAME,
     "D\xe2\x80\x99"
     "Arcy",
     true},
    {FAREGATE__V1__FORMAT__FORMAT_PERSON_NAME, "R2D2", false},
    {FAREGATE__V1__FORMAT__FORMAT_PERSON_NAME, "a  b", false},
    {FAREGATE__V1__FORMAT__FORMAT_PERSON_NAME, " a", false},
    {FAREGATE__V1__FORMAT__FORMAT_PERSON_NAME, "a ", false},
    {FAREGATE__V1__FORMAT__FORMAT_PERSON_NAME, "-", false},
    {FAREGATE__V1__FORMAT__FORMAT_PERSON_NAME, "a<b>", false},
    {FAREGATE__V1__FORMAT__FORMAT_PERSON_NAME, "\xf0\x9f\x98\x80", false},
    {FAREGATE__V1__FORMAT__FORMAT_PERSON_NAME,
     "a\xe2\x80\xae"
     "b",
     false}, /* right-to-left override */
    {FAREGATE__V1__FORMAT__FORMAT_PERSON_NAME,
     "\u0db4\u0dca\u200d\u0dbb\u0dd2\u0dba\u0db1\u0dca\u0dad", true}, /* Sinhala */
    {FAREGATE__V1__FORMAT__FORMAT_PERSON_NAME, "\u0639\u0644\u06cc\u200c\u067e\u0648\u0631",
     true}, /* Persian */
    {FAREGATE__V1__FORMAT__FORMAT_PERSON_NAME, "Gal\u00b7la", true},
    {FAREGATE__V1__FORMAT__FORMAT_PERSON_NAME, "\U0001e900\U0001e923\U0001e924", true}, /* Adlam */
    {FAREGATE__V1__FORMAT__FORMAT_PERSON_NAME, "\u6e21\u908a\U000e0100", true},
    {FAREGATE__V1__FORMAT__FORMAT_PERSON_NAME, "Zoe\u0308-Ame\u0301", true},
    {FAREGATE__V1__FORMAT__FORMAT_PERSON_NAME, "a\u0301\u200db", true},
    {FAREGATE__V1__FORMAT__FORMAT_PERSON_NAME, "\u0d1c\u0d4b\u0d23\u0d4d\u200d \u0d0e",
     true},                                                                 /* Malayalam */
    {FAREGATE__V1__FORMAT__FORMAT_PERSON_NAME, "\u182a\u180b\u1820", true}, /* Mongolian */
    {FAREGATE__V1__FORMAT__FORMAT_PERSON_NAME, "a\u034fb", false},
    {FAREGATE__V1__FORMAT__FORMAT_PERSON_NAME, "D\u2019", false},
    {FAREGATE__V1__FORMAT__FORMAT_PERSON_NAME, "\u3164", false},
    {FAREGATE__V1__FORMAT__FORMAT_PERSON_NAME, "\u115f", false},
    {FAREGATE__V1__FORMAT__FORMAT_PERSON_NAME, "\u061cAli", false},
    {FAREGATE__V1__FORMAT__FORMAT_PERSON_NAME, "\u0301Ann", false},
    {FAREGATE__V1__FORMAT__FORMAT_PERSON_NAME, "Ann\u1680Lee", false},
    {FAREGATE__V1__FORMAT__FORMAT_PERSON_NAME, "\uffa0", false},
    {FAREGATE__V1__FORMAT__FORMAT_PERSON_NAME, "\u180e", false},
    {FAREGATE__V1__FORMAT__FORMAT_PERSON_NAME, "\u0600", false},
    {FAREGATE__V1__FORMAT__FORMAT_PERSON_NAME, "\u200cAnn", false},
    {FAREGATE__V1__FORMAT__FORMAT_PERSON_NAME, "Ann\u200d", false},
    {FAREGATE__V1__FORMAT__FORMAT_PERSON_NAME, "An\u200d-na", false},
    {FAREGATE__V1__FORMAT__FORMAT_PERSON_NAME, "An-\u200cna", false},
    {FAREGATE__V1__FORMAT__FORMAT_PERSON_NAME, "Gal\u00b7\u00b7la", false},
    {FAREGATE__V1__FORMAT__FORMAT_PERSON_NAME, "Ann\u00b7", false},
    {FAREGATE__V1__FORMAT__FORMAT_PERSON_NAME, "Ann -\u0301", false},
    {FAREGATE__V1__FORMAT__FORMAT_PERSON_NAME, "a\u200d\u0301", false},
    {FAREGATE__V1__FORMAT__FORMAT_PERSON_NAME, "\U0001f9ff", false},
    {FAREGATE__V1__FORMAT__FORMAT_PERSON_NAME, "\U0001fa00", false},
    {FAREGATE__V1__FORMAT__FORMAT_PERSON_NAME, "\U000e0100", false},
    {FAREGATE__V1__FORMAT__FORMAT_RESOURCE_NAME, "a/b-c/d.e_f~g", true},
    {FAREGATE__V1__FORMAT__FORMAT_RESOURCE_NAME, "/a", false},
    {FAREGATE__V1__FORMAT__FORMAT_RESOURCE_NAME, "a/", false},
    {FAREGATE__V1__FORMAT__FORMAT_RESOURCE_NAME, "a//b", false},
    {FAREGATE__V1__FORMAT__FORMAT_RESOURCE_NAME, "a/../\x01", false},
    {FAREGATE__V1__FORMAT__FORMAT_PHONE, "+442079460000", true},
    {FAREGATE__V1__FORMAT__FORMAT_PHONE, "00442079460000", false},
    {FAREGATE__V1__FORMAT__FORMAT_PHONE, "+0123456789", false},
    {FAREGATE__V1__FORMAT__FORMAT_PHONE, "+44 20", false},
    {FAREGATE__V1__FORMAT__FORMAT_SEAT, "12A", true},
    {FAREGATE__V1__FORMAT__FORMAT_SEAT, "1K", true},
    {FAREGATE__V1__FORMAT__FORMAT_SEAT, "0A", false},
    {FAREGATE__V1__FORMAT__FORMAT_SEAT, "A12", false},
    {FAREGATE__V1__FORMAT__FORMAT_SEAT, "12a", false},
    {FAREGATE__V1__FORMAT__FORMAT_SEAT, "1234A", false},
    {FAREGATE__V1__FORMAT__FORMAT_LANGUAGE, "en-GB", true},
    {FAREGATE__V1__FORMAT__FORMAT_LANGUAGE, "en_GB", false},
    {FAREGATE__V1__FORMAT__FORMAT_LANGUAGE, "en-", false},
    {FAREGATE__V1__FORMAT__FORMAT_TOKEN, "pm_card-visa.1=", true},
    {FAREGATE__V1__FORMAT__FORMAT_TOKEN, "a b", false},
    {FAREGATE__V1__FORMAT__FORMAT_TOKEN, "a\x7f", false},
    {FAREGATE__V1__FORMAT__FORMAT_DOCUMENT, "AB12345", true},
    {FAREGATE__V1__FORMAT__FORMAT_DOCUMENT, "ab12345", false},
    {FAREGATE__V1__FORMAT__FORMAT_PAYMENT_METHOD, "pm_card_visa__4242424242424242", true},
    {FAREGATE__V1__FORMAT__FORMAT_PAYMENT_METHOD, "pm_1a2b3c", true},
    {FAREGATE__V1__FORMAT__FORMAT_PAYMENT_METHOD, "12345678901", true},
    {FAREGATE__V1__FORMAT__FORMAT_PAYMENT_METHOD, "a b", false},
    {FAREGATE__V1__FORMAT__FORMAT_PAYMENT_METHOD, "4242424242424242", false},
    {FAREGATE__V1__FORMAT__FORMAT_PAYMENT_METHOD, "4242-4242-4242-4242", false},
    {FAREGATE__V1__FORMAT__FORMAT_PAYMENT_METHOD, "4242 4242 4242 4242", false},
    {FAREGATE__V1__FORMAT__FORMAT_PAYMENT_METHOD, "pm:424242424242", false},
    {FAREGATE__V1__FORMAT__FORMAT_PAYMENT_METHOD, "1-4242424242424242424-a", false},
};

TEST(rules, know_every_shape)
{
    bool seen[32] = {false};
    for (size_t i = 0; i < sizeof samples / sizeof samples[0]; i++) {
        const char *wrong = rules_format(samples[i].format, str_of(samples[i].text));
        if ((wrong == NULL) != samples[i].is_right)
            FAIL(samples[i].text);
        seen[samples[i].format] |= !samples[i].is_right;
    }
    for (unsigned i = 0; i < faregate__v1__format__descriptor.n_values; i++)
        ASSERT_TRUE(i == 0 || seen[faregate__v1__format__descriptor.values[i].value]);
}

TEST(rules, match_resource_patterns)
{
    ASSERT_TRUE(rules_resource("users/{user}", STR("users/me")));
    ASSERT_TRUE(rules_resource("users/{user}", STR("users/" UUID)));
    ASSERT_FALSE(rules_resource("users/{user}", STR("users/you")));
    ASSERT_FALSE(rules_resource("users/{user}", STR("users")));
    ASSERT_FALSE(rules_resource("users/{user}", STR("users/")));
    ASSERT_FALSE(rules_resource("users/{user}", STR("users/me/")));
    ASSERT_FALSE(rules_resource("users/{user}", STR("users/me/sessions")));
    ASSERT_FALSE(rules_resource("users/{user}", STR("")));
    ASSERT_TRUE(rules_resource("airports/{iata}|cities/{iata}", STR("cities/LON")));
    ASSERT_TRUE(rules_resource("bookings/{uuid}/tickets/{number}",
                               STR("bookings/" UUID "/tickets/1252345678901")));
    ASSERT_FALSE(
        rules_resource("bookings/{uuid}/tickets/{number}", STR("bookings/" UUID "/tickets/12x")));
    ASSERT_TRUE(rules_resource("offers/{token}", STR("offers/AbC-_09")));
    ASSERT_TRUE(rules_resource_valid("users/{user}/sessions/{uuid}"));
    ASSERT_FALSE(rules_resource_valid("users/{id}"));
    ASSERT_FALSE(rules_resource_valid("|users"));
}
