/* The pure parts of checkout: what an answer is about, what is believed, when it is asked again.
 * The flow itself is tested over the wire (tests/rpc/test_payment.py) and under interruption
 * (tests/torture). */
#include "services/shared/checkout.h"

#include "support/test.h"

static enum checkout_said said(bool claimed, bool has_refusal, enum provider_outcome outcome)
{
    const struct checkout s = {
        .start = {.claimed = claimed, .has_refusal = has_refusal},
        .answer = {.outcome = outcome},
    };
    return checkout_said(&s);
}

TEST(checkout, a_repeated_request_is_told_from_a_refusal)
{
    ASSERT_INT_EQ(said(true, false, PROVIDER_AUTHORIZED), CHECKOUT_DONE);
    ASSERT_INT_EQ(said(true, false, PROVIDER_DECLINED), CHECKOUT_DONE);
    ASSERT_INT_EQ(said(true, false, PROVIDER_UNKNOWN), CHECKOUT_DONE);
    ASSERT_INT_EQ(said(true, false, PROVIDER_NOT_SENT), CHECKOUT_UNAVAILABLE);
    ASSERT_INT_EQ(said(true, true, PROVIDER_UNKNOWN), CHECKOUT_REFUSED);
    /* Not recorded: the record is asked first, and the refusal stands where there is none. */
    ASSERT_INT_EQ(said(false, true, PROVIDER_UNKNOWN), CHECKOUT_REPEATED);
    ASSERT_INT_EQ(said(false, false, PROVIDER_UNKNOWN), CHECKOUT_REPEATED);
}

static bool agrees(int64_t amount_minor, struct str currency, struct str reference)
{
    const struct provider_answer answer = {
        .amount_minor = amount_minor, .currency = currency, .reference = reference};
    return checkout_agrees(&answer, 1250, STR("EUR"));
}

TEST(checkout, exactly_what_was_asked_is_believed)
{
    ASSERT_TRUE(agrees(1250, STR("eur"), STR("pi_1")));
    ASSERT_TRUE(agrees(1250, STR("EUR"), STR("pi_1")));
    ASSERT_FALSE(agrees(1249, STR("eur"), STR("pi_1")));
    ASSERT_FALSE(agrees(1250, STR("usd"), STR("pi_1")));
    ASSERT_FALSE(agrees(1250, STR("eu"), STR("pi_1")));
    ASSERT_FALSE(agrees(1250, (struct str){0}, STR("pi_1")));
    ASSERT_FALSE(agrees(1250, STR("eur"), (struct str){0}));
}

TEST(checkout, inquiries_end_up_daily)
{
    ASSERT_INT_EQ(checkout_inquiry_s(-1, false), 2);
    ASSERT_INT_EQ(checkout_inquiry_s(0, false), 2);
    ASSERT_INT_EQ(checkout_inquiry_s(4, false), 3600);
    ASSERT_INT_EQ(checkout_inquiry_s(5, false), 86400);
    ASSERT_INT_EQ(checkout_inquiry_s(1000, false), 86400);
    ASSERT_TRUE(checkout_inquiry_counts(1000, false));
}

TEST(checkout, an_outage_brings_inquiries_down_to_five_minutes_and_no_further)
{
    int32_t count = 0;
    static const int32_t waits[] = {2, 10, 60, 300, 300, 300};
    for (unsigned i = 0; i < 6; i++) {
        ASSERT_INT_EQ(checkout_inquiry_s(count, true), waits[i]);
        count += checkout_inquiry_counts(count, true);
    }
    ASSERT_INT_EQ(checkout_inquiry_s(count, false), 300); /* it goes on where it was */
    ASSERT_INT_EQ(checkout_inquiry_s(6, true), 300);
}
