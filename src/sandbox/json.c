/* Payments and refunds as Stripe writes them.
 * Called by the handlers; reads the books, changes nothing.
 * What must stay true: field names and units are Stripe's; a client of theirs can read ours. */
#include "sandbox/internal.h"

#include <inttypes.h>
#include <string.h>

#include "base/check.h"
#include "base/str.h"

/* Equal for equal payment methods, and says nothing about them. */
static void fingerprint(const char *payment_method, char ret_text[17])
{
    uint64_t hash = str_hash(str_of(payment_method)) * UINT64_C(0x9e3779b97f4a7c15);
    snprintf(ret_text, 17, "%016" PRIx64, hash ^ hash >> 29);
}

static json_t *card_json(const struct intent *intent)
{
    char print[17];
    CHECK(intent->payment_method);
    fingerprint(intent->payment_method, print);
    return json_pack("{s:s,s:s,s:s,s:s,s:i,s:i,s:s}", "brand", intent->magic.brand, "last4",
                     intent->magic.last4, "fingerprint", print, "country", "US", "exp_month", 12,
                     "exp_year", 2040, "funding", "credit");
}

/* The charge, always expanded: one round trip tells the card and what moved. */
static json_t *charge_json(const struct intent *intent, int64_t now_ms, uint64_t ttl_ms)
{
    if (!intent->charge_id[0])
        return json_null();
    json_int_t refunded = intent_refunded_minor(intent, now_ms);
    json_int_t capture_before = (intent->authorized_ms + (int64_t)ttl_ms) / 1000;
    bool captured = intent->captured_minor > 0;
    return json_pack(
        "{s:s,s:s,s:I,s:I,s:I,s:b,s:b,s:s,s:I,s:s,s:s,s:{s:s,s:o}}", "id", intent->charge_id,
        "object", "charge", "amount", (json_int_t)intent->authorized_minor, "amount_captured",
        (json_int_t)intent->captured_minor, "amount_refunded", refunded, "captured", captured,
        "refunded", captured && refunded == intent->captured_minor, "currency", intent->currency,
        "capture_before", capture_before, "payment_intent", intent->id, "status", "succeeded",
        "payment_method_details", "type", "card", "card", card_json(intent));
}

static json_t *last_error_json(const struct intent *intent)
{
    if (!intent->declined)
        return json_null();
    const struct magic *magic = &intent->magic;
    if (magic->error_code)
        return json_pack("{s:s,s:s,s:s?,s:s}", "type", "card_error", "code", magic->error_code,
                         "decline_code", magic->decline_code, "message", magic->message);
    return json_pack("{s:s,s:s,s:s}", "type", "card_error", "code",
                     "payment_intent_authentication_failure", "message",
                     "The customer failed authentication.");
}

static json_t *next_action_json(const struct intent *intent)
{
    if (intent->status != INTENT_REQUIRES_ACTION)
        return json_null();
    if (!intent->returns)
        return json_pack("{s:s,s:{s:s}}", "type", "use_stripe_sdk", "use_stripe_sdk", "type",
                         "three_d_secure_redirect");
    char url[128];
    snprintf(url, sizeof(url), "https://sandbox.invalid/authenticate/%s", intent->id);
    return json_pack("{s:s,s:{s:s}}", "type", "redirect_to_url", "redirect_to_url", "url", url);
}

json_t *intent_json(const struct intent *intent, int64_t now_ms, uint64_t ttl_ms)
{
    bool capturable = intent->status == INTENT_REQUIRES_CAPTURE;
    json_t *json = json_pack(
        "{s:s,s:s,s:I,s:I,s:I,s:s,s:s,s:s?,s:s,s:I,s:b,s:o,s:o,s:o,s:o,s:[s]}", "id", intent->id,
        "object", "payment_intent", "amount", (json_int_t)intent->amount_minor, "amount_capturable",
        (json_int_t)(capturable ? intent->authorized_minor : 0), "amount_received",
        (json_int_t)intent->captured_minor, "currency", intent->currency, "status",
        intent_status_name(intent->status), "payment_method", intent->payment_method,
        "capture_method", intent->capture_manual ? "manual" : "automatic", "created",
        (json_int_t)(intent->created_ms / 1000), "livemode", 0, "metadata",
        metadata_json(intent->metadata), "latest_charge", charge_json(intent, now_ms, ttl_ms),
        "last_payment_error", last_error_json(intent), "next_action", next_action_json(intent),
        "payment_method_types", "card");
    CHECK(json);
    if (intent->status == INTENT_CANCELED) {
        json_object_set_new(json, "canceled_at", json_integer(intent->canceled_ms / 1000));
        /* Free text from the caller: what is not UTF-8 was refused when it was parsed. */
        json_object_set_new(json, "cancellation_reason", json_string(intent->cancel_reason));
    }
    return json;
}

json_t *refund_json(const struct refund *refund, int64_t now_ms)
{
    const struct intent *intent = refund->intent;
    const char *status = refund_status(refund, now_ms);
    json_t *json = json_pack("{s:s,s:s,s:I,s:s,s:s,s:s,s:s,s:s?,s:I,s:o}", "id", refund->id,
                             "object", "refund", "amount", (json_int_t)refund->amount_minor,
                             "currency", intent->currency, "status", status, "payment_intent",
                             intent->id, "charge", intent->charge_id, "reason", refund->reason,
                             "created", (json_int_t)(refund->created_ms / 1000), "metadata",
                             metadata_json(refund->metadata));
    CHECK(json);
    if (strcmp(status, "failed") == 0)
        json_object_set_new(json, "failure_reason", json_string("expired_or_canceled_card"));
    return json;
}
