/* What an answer in Stripe's words is believed to say, word by word. */
#include <errno.h>
#include <stdio.h>

#include "services/shared/provider_internal.h"
#include "support/test.h"

#define OURS "01234567-89ab-7cde-8f01-23456789abcd"

static struct arena_pool pool;
static struct arena arena;

static struct provider_answer read_of(enum stripe_operation operation, uint32_t try_count,
                                      unsigned status, const char *body, bool repeated)
{
    struct stripe_question q = {.operation = operation,
                                .reference = OURS,
                                .currency = "eur",
                                .amount_minor = 1250,
                                .try_count = try_count};
    struct http_response r = {
        .sent = true, .repeated = repeated, .status = status, .body = str_of(body)};
    struct provider_answer answer;
    if (!pool.free_count_max) {
        arena_pool_init(&pool, 4);
        arena_init(&arena, &pool, 1 << 20);
    }
    arena_reset(&arena);
    stripe_read(&arena, &q, &r, &answer);
    return answer;
}

static struct provider_answer read_as(enum stripe_operation operation, uint32_t try_count,
                                      unsigned status, const char *body)
{
    return read_of(operation, try_count, status, body, false);
}

/* A PaymentIntent with its parts. */
static const char *payment(const char *status, const char *reference, int amount,
                           const char *currency)
{
    static char text[1024];
    bool held = strcmp(status, "requires_capture") == 0;
    bool taken = strcmp(status, "succeeded") == 0;
    snprintf(text, sizeof text,
             "{\"object\":\"payment_intent\",\"id\":\"pi_1\",\"status\":\"%s\",\"amount\":%d,"
             "\"amount_capturable\":%d,"
             "\"amount_received\":%d,\"currency\":\"%s\",\"metadata\":{\"reference\":\"%s\"},"
             "\"latest_charge\":{\"payment_method_details\":{\"card\":{\"fingerprint\":\"fp\","
             "\"brand\":\"visa\","
             "\"last4\":\"4242\"}}},"
             "\"next_action\":{\"redirect_to_url\":{\"url\":\"https://bank.example/1\"}}}",
             status, amount, held ? amount : 0, taken ? amount : 0, currency, reference);
    return text;
}

TEST(stripe, a_reservation_of_ours_is_believed)
{
    struct provider_answer a =
        read_as(STRIPE_AUTHORISE, 0, 200, payment("requires_capture", OURS, 1250, "eur"));
    ASSERT_INT_EQ(a.outcome, PROVIDER_AUTHORIZED);
    ASSERT_VIEW_EQ(a.reference, "pi_1");
    ASSERT_VIEW_EQ(a.card_fingerprint, "fp");
    ASSERT_VIEW_EQ(a.card_brand, "visa");
    ASSERT_VIEW_EQ(a.card_last4, "4242");
    ASSERT_INT_EQ(a.amount_minor, 1250);
    ASSERT_INT_EQ(read_as(STRIPE_CAPTURE, 1, 200, payment("succeeded", OURS, 1250, "eur")).outcome,
                  PROVIDER_CAPTURED);
    ASSERT_INT_EQ(read_as(STRIPE_VOID, 1, 200, payment("canceled", OURS, 1250, "eur")).outcome,
                  PROVIDER_CANCELLED);
    a = read_as(STRIPE_AUTHORISE, 0, 200, payment("requires_action", OURS, 1250, "eur"));
    ASSERT_INT_EQ(a.outcome, PROVIDER_ACTION_REQUIRED);
    ASSERT_VIEW_EQ(a.redirect_url, "https://bank.example/1");
    ASSERT_INT_EQ(
        read_as(STRIPE_AUTHORISE, 0, 200, payment("processing", OURS, 1250, "eur")).outcome,
        PROVIDER_UNKNOWN);
    ASSERT_FALSE(
        read_as(STRIPE_INQUIRE, 0, 200, payment("processing", OURS, 1250, "eur")).is_silent);
    static const char *const begun_by_nobody[] = {"requires_confirmation",
                                                  "requires_payment_method"};
    for (unsigned i = 0; i < 2; i++) {
        a = read_as(STRIPE_INQUIRE, 0, 200, payment(begun_by_nobody[i], OURS, 1250, "eur"));
        ASSERT_INT_EQ(a.outcome, PROVIDER_UNCONFIRMED);
        ASSERT_VIEW_EQ(a.reference, "pi_1");
    }
    arena_reset(&arena);
}

TEST(stripe, an_answer_about_anything_else_is_not)
{
    ASSERT_INT_EQ(
        read_as(STRIPE_AUTHORISE, 0, 200, payment("requires_capture", "other", 1250, "eur"))
            .outcome,
        PROVIDER_UNKNOWN);
    ASSERT_INT_EQ(
        read_as(STRIPE_AUTHORISE, 0, 200, payment("requires_capture", OURS, 1249, "eur")).outcome,
        PROVIDER_UNKNOWN);
    ASSERT_INT_EQ(
        read_as(STRIPE_AUTHORISE, 0, 200, payment("requires_capture", OURS, 1250, "usd")).outcome,
        PROVIDER_UNKNOWN);
    ASSERT_INT_EQ(read_as(STRIPE_CAPTURE, 0, 200, payment("succeeded", OURS, 1251, "eur")).outcome,
                  PROVIDER_UNKNOWN);
    /* It says succeeded, but that less was taken. */
    const char *less =
        "{\"object\":\"payment_intent\",\"id\":\"pi_1\",\"status\":\"succeeded\",\"amount\":1250,"
        "\"amount_received\":1000,\"currency\":\"eur\",\"metadata\":{\"reference\":\"" OURS "\"}}";
    ASSERT_INT_EQ(read_as(STRIPE_CAPTURE, 0, 200, less).outcome, PROVIDER_UNKNOWN);
    arena_reset(&arena);
}

TEST(stripe, only_a_card_error_is_a_decline)
{
    const char *declined =
        "{\"error\":{\"type\":\"card_error\",\"code\":\"card_declined\",\"decline_code\":\"lost_"
        "card\","
        "\"payment_intent\":{\"id\":\"pi_1\",\"metadata\":{\"reference\":\"" OURS "\"}}}}";
    struct provider_answer a = read_as(STRIPE_AUTHORISE, 0, 402, declined);
    ASSERT_INT_EQ(a.outcome, PROVIDER_DECLINED);
    ASSERT_VIEW_EQ(a.code, "card_declined");
    ASSERT_VIEW_EQ(a.decline_code, "lost_card");
    ASSERT_VIEW_EQ(a.reference, "pi_1");
    const char *theirs = "{\"error\":{\"type\":\"card_error\",\"payment_intent\":{\"metadata\":{"
                         "\"reference\":\"x\"}}}}";
    ASSERT_INT_EQ(read_as(STRIPE_AUTHORISE, 0, 402, theirs).outcome, PROVIDER_UNKNOWN);
    const char *other = "{\"error\":{\"type\":\"api_error\"}}";
    const unsigned unknown[] = {402, 409, 429, 500, 502, 503};
    for (size_t i = 0; i < sizeof unknown / sizeof unknown[0]; i++) {
        ASSERT_INT_EQ(read_as(STRIPE_AUTHORISE, 0, unknown[i], other).outcome, PROVIDER_UNKNOWN);
        ASSERT_TRUE(read_as(STRIPE_INQUIRE, 0, unknown[i], other).is_silent);
    }
    ASSERT_INT_EQ(read_as(STRIPE_AUTHORISE, 0, 402, "<html>").outcome, PROVIDER_UNKNOWN);
    ASSERT_TRUE(read_as(STRIPE_INQUIRE, 0, 200, "<html>").is_silent);
    ASSERT_FALSE(read_as(STRIPE_INQUIRE, 0, 404, other).is_silent);
    ASSERT_INT_EQ(read_as(STRIPE_AUTHORISE, 0, 200, "").outcome, PROVIDER_UNKNOWN);
    ASSERT_INT_EQ(read_as(STRIPE_AUTHORISE, 0, 200, "[1]").outcome, PROVIDER_UNKNOWN);
    ASSERT_INT_EQ(read_as(STRIPE_AUTHORISE, 0, 401, other).outcome, PROVIDER_NOT_SENT);
    arena_reset(&arena);
}

TEST(stripe, a_refusal_decides_only_what_cannot_have_happened_before)
{
    const char *refused =
        "{\"error\":{\"type\":\"invalid_request_error\",\"code\":\"resource_missing\","
        "\"param\":\"payment_method\"}}";
    struct provider_answer a = read_as(STRIPE_AUTHORISE, 0, 400, refused);
    ASSERT_INT_EQ(a.outcome, PROVIDER_DECLINED);
    ASSERT_VIEW_EQ(a.code, "payment_method_invalid");
    ASSERT_INT_EQ(read_as(STRIPE_CAPTURE, 0, 400, refused).outcome, PROVIDER_UNKNOWN);
    ASSERT_INT_EQ(read_as(STRIPE_VOID, 0, 400, refused).outcome, PROVIDER_UNKNOWN);
    ASSERT_INT_EQ(read_as(STRIPE_REFUND, 0, 400, refused).outcome, PROVIDER_REFUND_FAILED);
    ASSERT_INT_EQ(read_as(STRIPE_REFUND, 1, 400, refused).outcome, PROVIDER_UNKNOWN);
    const char *too_much =
        "{\"error\":{\"type\":\"invalid_request_error\",\"code\":\"amount_too_large\"}}";
    a = read_as(STRIPE_AUTHORISE, 0, 400, too_much);
    ASSERT_INT_EQ(a.outcome, PROVIDER_DECLINED);
    ASSERT_VIEW_EQ(a.code, "request_invalid");
    ASSERT_VIEW_EQ(a.decline_code, "amount_too_large");
    ASSERT_VIEW_EQ(read_as(STRIPE_REFUND, 0, 400, too_much).code, "amount_too_large");
    const char *reused = "{\"error\":{\"type\":\"idempotency_error\"}}";
    ASSERT_INT_EQ(read_as(STRIPE_AUTHORISE, 0, 400, reused).outcome, PROVIDER_UNKNOWN);
    arena_reset(&arena);
}

TEST(stripe, no_refusal_is_believed_of_what_was_sent_twice)
{
    static const unsigned statuses[] = {400, 401, 402, 403, 404};
    static const char *const errors[] = {"{\"error\":{\"type\":\"card_error\"}}",
                                         "{\"error\":{\"type\":\"invalid_request_error\"}}"};
    for (unsigned i = 0; i < 5; i++)
        for (unsigned e = 0; e < 2; e++) {
            ASSERT_INT_EQ(read_of(STRIPE_AUTHORISE, 0, statuses[i], errors[e], true).outcome,
                          PROVIDER_UNKNOWN);
            const struct provider_answer refund =
                read_of(STRIPE_REFUND, 0, statuses[i], errors[e], true);
            ASSERT_INT_EQ(refund.outcome, PROVIDER_UNKNOWN);
            ASSERT_FALSE(refund.key_spent);
        }
    ASSERT_TRUE(read_of(STRIPE_INQUIRE, 0, 503, errors[1], true).is_silent);
    const char *held = payment("requires_capture", OURS, 1250, "eur");
    ASSERT_INT_EQ(read_of(STRIPE_AUTHORISE, 0, 200, held, true).outcome, PROVIDER_AUTHORIZED);
    arena_reset(&arena);
}

TEST(stripe, an_inquiry_finds_ours_among_others)
{
    char list[4096];
    ASSERT_INT_EQ(read_as(STRIPE_INQUIRE, 0, 200, "{\"data\":[]}").outcome, PROVIDER_NOT_FOUND);
    ASSERT_INT_EQ(read_as(STRIPE_INQUIRE, 0, 200, "{\"data\":{}}").outcome, PROVIDER_UNKNOWN);
    ASSERT_INT_EQ(read_as(STRIPE_INQUIRE, 0, 200, "{\"data\":[],\"has_more\":true}").outcome,
                  PROVIDER_UNKNOWN);
    int n =
        snprintf(list, sizeof list, "{\"data\":[%s,", payment("succeeded", "other", 1250, "eur"));
    snprintf(list + n, sizeof list - (size_t)n, "%s]}",
             payment("requires_capture", OURS, 1250, "eur"));
    ASSERT_INT_EQ(read_as(STRIPE_INQUIRE, 0, 200, list).outcome, PROVIDER_AUTHORIZED);
    /* What may move money yet tells, whatever else there is. */
    n = snprintf(list, sizeof list, "{\"data\":[%s,",
                 payment("requires_confirmation", OURS, 1250, "eur"));
    snprintf(list + n, sizeof list - (size_t)n, "%s]}", payment("processing", OURS, 1250, "eur"));
    ASSERT_INT_EQ(read_as(STRIPE_INQUIRE, 0, 200, list).outcome, PROVIDER_UNKNOWN);
    /* Asked for by its id. */
    const char *one = payment("requires_capture", OURS, 1250, "eur");
    ASSERT_INT_EQ(read_as(STRIPE_INQUIRE, 0, 200, one).outcome, PROVIDER_AUTHORIZED);
    const char *gone = "{\"error\":{\"type\":\"invalid_request_error\"}}";
    ASSERT_INT_EQ(read_as(STRIPE_INQUIRE, 0, 404, gone).outcome, PROVIDER_UNKNOWN);
    const char *refunds =
        "{\"data\":[{\"object\":\"refund\",\"id\":\"re_1\",\"amount\":1250,\"currency\":\"eur\","
        "\"status\":\"pending\",\"metadata\":{\"reference\":\"" OURS "\"}}]}";
    ASSERT_INT_EQ(read_as(STRIPE_INQUIRE_REFUND, 0, 200, refunds).outcome, PROVIDER_REFUND_PENDING);
    arena_reset(&arena);
}

/* @statuses, newest first. */
static struct provider_answer refunds_listed(const char *first, const char *second, bool has_more)
{
    const char *statuses[] = {first, second};
    char list[1024] = "{\"data\":[";
    size_t n = strlen(list);
    for (unsigned i = 0; i < 2 && statuses[i]; i++)
        n += (size_t)snprintf(list + n, sizeof list - n,
                              "%s{\"object\":\"refund\",\"id\":\"re_%u\",\"amount\":1250,"
                              "\"currency\":\"eur\",\"status\":\"%s\","
                              "\"metadata\":{\"reference\":\"" OURS "\"}}",
                              i > 0 ? "," : "", i, statuses[i]);
    snprintf(list + n, sizeof list - n, "],\"has_more\":%s}", has_more ? "true" : "false");
    return read_as(STRIPE_INQUIRE_REFUND, 0, 200, list);
}

TEST(stripe, of_several_refunds_the_one_that_moves_money_tells)
{
    static const char *const other[] = {"failed", "pending"};
    for (unsigned i = 0; i < 2; i++) {
        struct provider_answer a = refunds_listed(other[i], other[!i], false);
        ASSERT_INT_EQ(a.outcome, PROVIDER_REFUND_PENDING);
        ASSERT_FALSE(a.is_twice);
    }
    struct provider_answer a = refunds_listed("pending", "succeeded", false);
    ASSERT_INT_EQ(a.outcome, PROVIDER_REFUND_SUCCEEDED);
    ASSERT_VIEW_EQ(a.reference, "re_1");
    ASSERT_TRUE(a.is_twice);
    ASSERT_INT_EQ(refunds_listed("failed", NULL, false).outcome, PROVIDER_REFUND_FAILED);
    ASSERT_INT_EQ(refunds_listed("failed", NULL, true).outcome, PROVIDER_UNKNOWN);
    arena_reset(&arena);
}

TEST(stripe, only_an_error_that_is_kept_spends_a_refunds_key)
{
    const char *error = "{\"error\":{\"type\":\"api_error\"}}";
    ASSERT_TRUE(read_as(STRIPE_REFUND, 0, 500, error).key_spent);
    ASSERT_TRUE(read_as(STRIPE_REFUND, 1, 400, error).key_spent);
    static const unsigned passing[] = {401, 403, 409, 429};
    for (unsigned i = 0; i < 4; i++)
        ASSERT_FALSE(read_as(STRIPE_REFUND, 0, passing[i], error).key_spent);
    ASSERT_FALSE(read_as(STRIPE_REFUND, 0, 502, "<html>").key_spent);
    ASSERT_FALSE(read_as(STRIPE_INQUIRE_REFUND, 0, 500, error).key_spent);
    struct stripe_question q = {.operation = STRIPE_REFUND, .reference = OURS, .currency = "eur"};
    struct provider_answer a;
    stripe_read(&arena, &q, &(struct http_response){.error = -ETIMEDOUT, .sent = true}, &a);
    ASSERT_FALSE(a.key_spent);
    arena_reset(&arena);
}

TEST(stripe, silence_is_unknown_unless_nothing_was_sent)
{
    struct stripe_question q = {
        .operation = STRIPE_AUTHORISE, .reference = OURS, .currency = "eur", .amount_minor = 1};
    struct provider_answer a;
    stripe_read(&arena, &q, &(struct http_response){.error = -ETIMEDOUT, .sent = true}, &a);
    ASSERT_INT_EQ(a.outcome, PROVIDER_UNKNOWN);
    ASSERT_TRUE(a.is_silent);
    stripe_read(&arena, &q, &(struct http_response){.error = -ECONNREFUSED}, &a);
    ASSERT_INT_EQ(a.outcome, PROVIDER_NOT_SENT);
    ASSERT_TRUE(a.is_silent);
}
