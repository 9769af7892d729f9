/* What the customer is told about a payment that failed. */
#include "services/payment/internal.h"
#include "support/test.h"

static struct arena_pool pool;
static struct arena arena;

static const Faregate__V1__PaymentError *told(const char *code, const char *decline_code)
{
    if (!pool.free_count_max) {
        arena_pool_init(&pool, 4);
        arena_init(&arena, &pool, 1 << 20);
    }
    arena_reset(&arena);
    const struct payment_view view = {.attempt_id = {{1}},
                                      .state = STR("REQUIRES_PAYMENT_METHOD"),
                                      .currency = STR("EUR"),
                                      .error_code = str_of(code),
                                      .decline_code = str_of(decline_code)};
    return payment_intent_message(&arena, &view)->last_error;
}

TEST(payment_render, tells_of_a_card_what_helps_and_no_more)
{
    ASSERT_HAS(told("card_declined", "insufficient_funds")->user_guidance, "enough funds");
    ASSERT_STR_EQ(told("card_declined", "stolen_card")->user_guidance,
                  "The card was declined. Please use another card.");
    ASSERT_FALSE(told("card_declined", "stolen_card")->retry_may_succeed);
    static const char *const passing[] = {"try_again_later", "issuer_not_available",
                                          "reenter_transaction"};
    for (unsigned i = 0; i < 3; i++)
        ASSERT_TRUE(told("card_declined", passing[i])->retry_may_succeed);
    arena_reset(&arena);
}

TEST(payment_render, does_not_blame_the_card_for_a_request_that_was_refused)
{
    const Faregate__V1__PaymentError *m = told("request_invalid", "amount_too_large");
    ASSERT_STR_EQ(m->user_guidance, "The payment could not be made; the card was not asked.");
    ASSERT_STR_EQ(m->provider_code, "amount_too_large");
    ASSERT_FALSE(m->retry_may_succeed);
    ASSERT_NULL(strstr(told("payment_method_invalid", "")->user_guidance, "declined"));
    arena_reset(&arena);
}
