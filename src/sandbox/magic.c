/* Magic payment methods: a name decides what happens. README.md holds the table for people.
 * Called where a payment is confirmed, captured, cancelled, refunded or read back from the journal.
 * What must stay true: a name means the same for ever; recorded tests depend on it. */
#include "sandbox/internal.h"

#include <errno.h>
#include <string.h>

#include "base/check.h"
#include "base/str.h"

struct card {
    const char *name;
    struct magic magic;
};

#define DECLINE(name_, last4_, decline_, message_)                                                 \
    {                                                                                              \
        .name = name_,                                                                             \
        .magic = {.brand = "visa",                                                                 \
                  .last4 = last4_,                                                                 \
                  .error_code = "card_declined",                                                   \
                  .decline_code = decline_,                                                        \
                  .message = message_},                                                            \
    }

/* Stripe's own names and their cards. */
static const struct card cards[] = {
    {.name = "pm_card_visa", .magic = {.brand = "visa", .last4 = "4242"}},
    {.name = "pm_card_visa_debit", .magic = {.brand = "visa", .last4 = "5556"}},
    {.name = "pm_card_mastercard", .magic = {.brand = "mastercard", .last4 = "4444"}},
    {.name = "pm_card_amex", .magic = {.brand = "amex", .last4 = "8431"}},
    {.name = "pm_card_discover", .magic = {.brand = "discover", .last4 = "9424"}},
    {.name = "pm_card_diners", .magic = {.brand = "diners", .last4 = "0004"}},
    {.name = "pm_card_jcb", .magic = {.brand = "jcb", .last4 = "0505"}},
    {.name = "pm_card_unionpay", .magic = {.brand = "unionpay", .last4 = "0005"}},
    DECLINE("pm_card_chargeDeclined", "0002", "generic_decline", "Your card was declined."),
    DECLINE("pm_card_visa_chargeDeclined", "0002", "generic_decline", "Your card was declined."),
    DECLINE("pm_card_chargeDeclinedInsufficientFunds", "9995", "insufficient_funds",
            "Your card has insufficient funds."),
    DECLINE("pm_card_visa_chargeDeclinedInsufficientFunds", "9995", "insufficient_funds",
            "Your card has insufficient funds."),
    DECLINE("pm_card_chargeDeclinedLostCard", "9987", "lost_card", "Your card was declined."),
    DECLINE("pm_card_chargeDeclinedStolenCard", "9979", "stolen_card", "Your card was declined."),
    DECLINE("pm_card_chargeDeclinedFraudulent", "0019", "fraudulent", "Your card was declined."),
    DECLINE("pm_card_chargeDeclinedVelocityLimitExceeded", "6975", "card_velocity_exceeded",
            "Your card was declined for making repeated attempts too frequently."),
    {.name = "pm_card_chargeDeclinedExpiredCard",
     .magic = {.brand = "visa",
               .last4 = "0069",
               .error_code = "expired_card",
               .message = "Your card has expired."}},
    {.name = "pm_card_chargeDeclinedIncorrectCvc",
     .magic = {.brand = "visa",
               .last4 = "0127",
               .error_code = "incorrect_cvc",
               .message = "Your card's security code is incorrect."}},
    {.name = "pm_card_chargeDeclinedProcessingError",
     .magic = {.brand = "visa",
               .last4 = "0119",
               .error_code = "processing_error",
               .message = "An error occurred while processing your card. Try again shortly."}},
    {.name = "pm_card_authenticationRequired",
     .magic = {.brand = "visa", .last4 = "3184", .wants_action = true}},
    {.name = "pm_card_threeDSecure2Required",
     .magic = {.brand = "visa", .last4 = "3220", .wants_action = true}},
    {.name = "pm_card_refundFail",
     .magic = {.brand = "visa", .last4 = "5126", .refund_fate = REFUND_FAILS}},
    {.name = "pm_card_pendingRefund",
     .magic = {.brand = "visa", .last4 = "7726", .refund_fate = REFUND_SLOW, .refund_ms = 1000}},
};

struct named_fault {
    const char *name;
    enum fault fault;
    uint32_t ms; /* 0: takes none; else the default of a trailing _MS */
    bool hides;
};

static const struct named_fault faults[] = {
    {.name = "slow", .fault = FAULT_SLOW, .ms = 1000},
    {.name = "http500", .fault = FAULT_HTTP500},
    {.name = "unconfirmed", .fault = FAULT_UNCONFIRMED},
    {.name = "charged_then_500", .fault = FAULT_CHARGED_THEN_500},
    {.name = "never", .fault = FAULT_NEVER},
    {.name = "charged_then_never", .fault = FAULT_CHARGED_THEN_NEVER},
    {.name = "late", .fault = FAULT_LATE, .ms = 1000},
    {.name = "garbage", .fault = FAULT_GARBAGE},
    {.name = "twice", .fault = FAULT_TWICE},
    {.name = "drop", .fault = FAULT_DROP},
    {.name = "charged_then_drop", .fault = FAULT_CHARGED_THEN_DROP},
    {.name = "charged_then_refused", .fault = FAULT_CHARGED_THEN_REFUSED},
    {.name = "not_found_until", .fault = FAULT_CHARGED_THEN_500, .ms = 2000, .hides = true},
};

static const struct {
    const char *name;
    enum refund_fate fate;
    uint32_t ms;
} fates[] = {
    {"refund_fails", REFUND_FAILS, 0},
    {"refund_slow", REFUND_SLOW, 1000},
    {"refund_slow_fails", REFUND_SLOW_FAILS, 1000},
};

static const struct {
    const char *prefix;
    enum operation on;
} stages[] = {
    {"capture_", OP_CAPTURE},
    {"cancel_", OP_CANCEL},
    {"refund_", OP_REFUND},
};

/* True when @text is @name, or @name_MS where the name takes a delay (@ms_default > 0). */
static bool name_matches(struct str text, const char *name, uint32_t ms_default, uint32_t *ret_ms)
{
    if (!str_skip(&text, str_of(name)))
        return false;
    *ret_ms = ms_default;
    if (text.n == 0)
        return true;
    int64_t ms = 0;
    if (ms_default == 0 || !str_skip(&text, STR("_")) ||
        str_int64(text, 0, SANDBOX_DELAY_MS_MAX, &ms) < 0)
        return false;
    *ret_ms = (uint32_t)ms;
    return true;
}

static int fault_parse(struct str text, enum fault *ret_fault, uint32_t *ret_ms,
                       uint32_t *ret_hidden_ms)
{
    for (size_t i = 0; i < sizeof(faults) / sizeof(faults[0]); i++) {
        uint32_t ms = 0;
        if (!name_matches(text, faults[i].name, faults[i].ms, &ms))
            continue;
        *ret_fault = faults[i].fault;
        *ret_ms = faults[i].hides ? 0 : ms;
        *ret_hidden_ms = faults[i].hides ? ms : 0;
        return 0;
    }
    return -ENOENT;
}

int magic_fault_parse(const char *text, enum fault *ret_fault, uint32_t *ret_ms,
                      uint32_t *ret_hidden_ms)
{
    CHECK(text && ret_fault && ret_ms && ret_hidden_ms);
    return fault_parse(str_of(text), ret_fault, ret_ms, ret_hidden_ms);
}

static int sandbox_parse(struct str text, struct magic *ret_magic)
{
    *ret_magic = (struct magic){.brand = "visa", .last4 = "4242", .fault_on = OP_CONFIRM};
    if (str_eq(text, STR("capture_fails"))) {
        ret_magic->fault_on = OP_CAPTURE;
        ret_magic->error_code = "charge_expired_for_capture";
        return 0;
    }
    for (size_t i = 0; i < sizeof(fates) / sizeof(fates[0]); i++) {
        if (name_matches(text, fates[i].name, fates[i].ms, &ret_magic->refund_ms)) {
            ret_magic->refund_fate = fates[i].fate;
            return 0;
        }
    }
    for (size_t i = 0; i < sizeof(stages) / sizeof(stages[0]); i++) {
        if (str_skip(&text, str_of(stages[i].prefix))) {
            ret_magic->fault_on = stages[i].on;
            break;
        }
    }
    return fault_parse(text, &ret_magic->fault, &ret_magic->fault_ms, &ret_magic->hidden_ms);
}

int magic_find(const char *payment_method, struct magic *ret_magic)
{
    CHECK(payment_method && ret_magic);
    struct str name = str_of(payment_method);
    /* pm_card_visa__anything behaves as pm_card_visa, but is another card: another fingerprint. */
    const char *tag = strstr(payment_method, "__");
    if (tag)
        name.n = (size_t)(tag - payment_method);
    for (size_t i = 0; i < sizeof(cards) / sizeof(cards[0]); i++) {
        if (str_eq(name, str_of(cards[i].name))) {
            *ret_magic = cards[i].magic;
            return 0;
        }
    }
    if (!str_skip(&name, STR("pm_sandbox_")))
        return -ENOENT;
    return sandbox_parse(name, ret_magic);
}

bool fault_is_silent(enum fault fault)
{
    return fault == FAULT_NEVER || fault == FAULT_CHARGED_THEN_NEVER || fault == FAULT_LATE;
}

bool fault_is_before(enum fault fault)
{
    return fault == FAULT_HTTP500 || fault == FAULT_UNCONFIRMED || fault == FAULT_NEVER ||
           fault == FAULT_DROP;
}
