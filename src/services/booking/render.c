/* A booking row as the bytes of a message: what never changes is stored packed, what changes is
 * written behind it, by heart (grpc/pb_put.h), since a page of history is made of nothing else.
 * Every handler of the service that answers with a Booking calls it. */
#include "base/check.h"
#include "base/text.h"
#include "grpc/pb_memory.h"
#include "grpc/pb_put.h"
#include "services/booking/internal.h"
#include "services/reference.h"
#include "services/shared/money.h"
#include "services/shared/names.h"
#include "services/shared/timestamp.h"

#define CHANGING_BYTES_MAX 512  /* without the reason of the state */
#define DOCUMENT_DIGITS_SHOWN 2 /* enough to tell two passports of a family apart */

static const struct {
    const char *name;
    Faregate__V1__Booking__State state;
} states[] = {
    {"PENDING", FAREGATE__V1__BOOKING__STATE__PENDING},
    {"HELD", FAREGATE__V1__BOOKING__STATE__HELD},
    {"CONFIRMING", FAREGATE__V1__BOOKING__STATE__CONFIRMING},
    {"CONFIRMED", FAREGATE__V1__BOOKING__STATE__CONFIRMED},
    {"CANCELLING", FAREGATE__V1__BOOKING__STATE__CANCELLING},
    {"CANCELLED", FAREGATE__V1__BOOKING__STATE__CANCELLED},
    {"EXPIRED", FAREGATE__V1__BOOKING__STATE__EXPIRED},
    {"FAILED", FAREGATE__V1__BOOKING__STATE__FAILED},
    {"COMPLETED", FAREGATE__V1__BOOKING__STATE__COMPLETED},
    {"ATTENTION", FAREGATE__V1__BOOKING__STATE__ATTENTION},
};

Faregate__V1__Booking__State booking_state_of(struct str state)
{
    for (size_t i = 0; i < sizeof states / sizeof states[0]; i++)
        if (str_eq(state, str_of(states[i].name)))
            return states[i].state;
    return FAREGATE__V1__BOOKING__STATE__STATE_UNSPECIFIED;
}

bool booking_may_read(const struct call *c, struct uuid user_id)
{
    const struct principal *p = &c->principal;
    return uuid_eq(p->user_id, user_id) || principal_has(p, ROLE_SUPPORT) ||
           principal_has(p, ROLE_FINANCE) || principal_has(p, ROLE_ADMIN);
}

/* As the .proto numbers them. */
enum {
    BOOKING_NAME = 1,
    BOOKING_RECORD_LOCATOR,
    BOOKING_STATE,
    BOOKING_BALANCE = 8,
    BOOKING_PAYMENT_REQUIRED_TIME,
    BOOKING_PRICE_GUARANTEE_EXPIRE_TIME,
    BOOKING_AVAILABLE_ACTIONS,
    BOOKING_PAYMENT_INTENT = 13,
    BOOKING_ETAG = 15,
    BOOKING_USER,
    BOOKING_CREATE_TIME,
    BOOKING_UPDATE_TIME,
    BOOKING_STATE_REASON = 21,
};
enum { BALANCE_DUE = 1, BALANCE_AUTHORIZED, BALANCE_CAPTURED, BALANCE_REFUNDED };
enum { ACTION_ACTION = 1, ACTION_AVAILABLE, ACTION_REASON };

static uint8_t *put_balance(uint8_t *p, const struct booking_view *v,
                            Faregate__V1__Booking__State state)
{
    bool owes = state == FAREGATE__V1__BOOKING__STATE__HELD ||
                state == FAREGATE__V1__BOOKING__STATE__CONFIRMING;
    const uint8_t *end = p;
    p = money_put(p, BALANCE_REFUNDED, v->refunded_minor, v->currency.p);
    p = money_put(p, BALANCE_CAPTURED, v->captured_minor, v->currency.p);
    int64_t reserved_minor = v->authorised_minor - v->captured_minor;
    p = money_put(p, BALANCE_AUTHORIZED, reserved_minor > 0 ? reserved_minor : 0, v->currency.p);
    p = money_put(p, BALANCE_DUE, owes ? v->total_minor - v->captured_minor : 0, v->currency.p);
    return pb_put_around(p, BOOKING_BALANCE, end);
}

static uint8_t *put_action(uint8_t *p, Faregate__V1__AvailableAction__Action action, bool available,
                           struct str reason)
{
    const uint8_t *end = p;
    p = pb_put_text(p, ACTION_REASON, available ? STR("") : reason);
    p = pb_put_number(p, ACTION_AVAILABLE, available);
    p = pb_put_number(p, ACTION_ACTION, action);
    return pb_put_around(p, BOOKING_AVAILABLE_ACTIONS, end);
}

/* What can be done now, so that clients need not know the state machine. */
static uint8_t *put_actions(uint8_t *p, Faregate__V1__Booking__State state,
                            const struct booking_view *v)
{
    bool held = state == FAREGATE__V1__BOOKING__STATE__HELD;
    bool confirmed = state == FAREGATE__V1__BOOKING__STATE__CONFIRMED;
    bool untaken = confirmed && v->captured_minor < v->total_minor;
    struct str pay = STR("BOOKING_STATE"), cancel = STR("BOOKING_STATE");
    if (state == FAREGATE__V1__BOOKING__STATE__CONFIRMING)
        pay = STR("PAYMENT_IN_PROGRESS");
    if (state == FAREGATE__V1__BOOKING__STATE__EXPIRED)
        pay = STR("HOLD_EXPIRED");
    if (state == FAREGATE__V1__BOOKING__STATE__CONFIRMING || untaken)
        cancel = STR("PAYMENT_IN_PROGRESS");
    p = put_action(p, FAREGATE__V1__AVAILABLE_ACTION__ACTION__CANCEL,
                   held || (confirmed && !untaken), cancel);
    return put_action(p, FAREGATE__V1__AVAILABLE_ACTION__ACTION__PAY, held, pay);
}

#define ETAG_LAPSED 'x'

static int64_t changed_us(const struct booking_view *v)
{
    return v->update_us ? v->update_us : v->create_us;
}

/* How many events there were, when it last changed, since not every change is an event, and whether
 * the hold has lapsed, which is no change. */
static uint8_t *put_etag(uint8_t *p, const struct booking_view *v)
{
    char etag[2 * TEXT_DECIMAL_MAX + 2], *end = text_decimal(etag, (unsigned)v->event_count);
    *end++ = '-';
    end = text_decimal(end, (uint64_t)changed_us(v));
    if (v->lapsed)
        *end++ = ETAG_LAPSED;
    return pb_put_text(p, BOOKING_ETAG, (struct str){.p = etag, .n = (size_t)(end - etag)});
}

struct booking_etag booking_etag_parse(struct str etag)
{
    struct booking_etag parsed = {0};
    int64_t count = -1;
    str_int64(str_cut(&etag, '-'), 0, INT32_MAX, &count);
    parsed.event_count = (int32_t)count;
    if (str_int64(str_cut(&etag, ETAG_LAPSED), 0, INT64_MAX, &parsed.update_us) < 0 || etag.n > 0)
        parsed.event_count = -1;
    return parsed;
}

/* From the first field to the last, as far as they change. */
static uint8_t *put_changing(uint8_t *p, const struct app *app, const struct booking_view *v)
{
    char locator[LOCATOR_LEN + 1];
    Faregate__V1__Booking__State state =
        v->lapsed ? FAREGATE__V1__BOOKING__STATE__EXPIRED : booking_state_of(v->state);
    locator_format(app->reference->locator_key, v->serial, locator);
    p = pb_put_text(p, BOOKING_STATE_REASON, v->lapsed ? STR("HOLD_EXPIRED") : v->state_reason);
    p = timestamp_put(p, BOOKING_UPDATE_TIME, changed_us(v));
    p = timestamp_put(p, BOOKING_CREATE_TIME, v->create_us);
    p = name_put(p, BOOKING_USER, STR("users"), v->user_id);
    p = put_etag(p, v);
    if (!uuid_is_nil(v->intent_id))
        p = name_put_child(p, BOOKING_PAYMENT_INTENT, STR("bookings"), v->booking_id,
                           STR("paymentIntents"), v->intent_id);
    p = put_actions(p, state, v);
    if (state == FAREGATE__V1__BOOKING__STATE__HELD) {
        p = timestamp_put(p, BOOKING_PRICE_GUARANTEE_EXPIRE_TIME, v->due_us);
        p = timestamp_put(p, BOOKING_PAYMENT_REQUIRED_TIME, v->due_us);
    }
    p = put_balance(p, v, state);
    p = pb_put_number(p, BOOKING_STATE, state);
    p = pb_put_text(p, BOOKING_RECORD_LOCATOR, (struct str){.p = locator, .n = LOCATOR_LEN});
    return name_put(p, BOOKING_NAME, STR("bookings"), v->booking_id);
}

size_t booking_bytes_max(const struct booking_view *v)
{
    return v->snapshot.n + v->passengers.n + v->state_reason.n + CHANGING_BYTES_MAX;
}

uint8_t *booking_put(uint8_t *p, const struct app *app, const struct booking_view *v)
{
    const uint8_t *end = p;
    p = put_changing(p, app, v);
    CHECK((size_t)(end - p) <= v->state_reason.n + CHANGING_BYTES_MAX);
    return pb_put_bytes(pb_put_bytes(p, v->passengers), v->snapshot);
}

Faregate__V1__Booking *booking_unpack(struct arena *arena, struct str fragment)
{
    struct pb_memory memory;
    pb_memory_init(&memory, arena);
    return faregate__v1__booking__unpack(&memory.allocator, fragment.n,
                                         (const uint8_t *)fragment.p);
}

/* The fragment for whoever did not write it: help and accounting need no passport. */
static struct str mask_documents(struct call *c, struct str passengers)
{
    Faregate__V1__Booking *m = booking_unpack(&c->arena, passengers);
    if (!m)
        return STR("");
    for (size_t i = 0; i < m->n_passengers; i++) {
        if (!m->passengers[i]->document)
            continue;
        char *number = m->passengers[i]->document->number;
        size_t n = strlen(number);
        if (n > DOCUMENT_DIGITS_SHOWN)
            memset(number, '*', n - DOCUMENT_DIGITS_SHOWN);
    }
    return call_pack(c, &m->base);
}

enum step booking_reply(struct call *c, const struct booking_view *view,
                        const Faregate__V1__Booking *more)
{
    struct booking_view v = *view;
    if (!uuid_eq(c->principal.user_id, v.user_id))
        v.passengers = mask_documents(c, v.passengers);
    size_t more_bytes = faregate__v1__booking__get_packed_size(more);
    size_t bytes_max = booking_bytes_max(&v) + more_bytes;
    uint8_t *start = arena_alloc(&c->arena, bytes_max), *end = start + bytes_max;
    CHECK(faregate__v1__booking__pack(more, end - more_bytes) == more_bytes);
    const uint8_t *p = booking_put(end - more_bytes, app_of(c), &v);
    return call_reply_bytes(c, p, (size_t)(end - p));
}
