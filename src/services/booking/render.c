/* A booking row as a message: what never changes is stored packed, what changes is packed behind
 * it. Every handler of the service that answers with a Booking calls it. */
#include "base/check.h"
#include "base/text.h"
#include "services/booking/internal.h"
#include "services/reference.h"
#include "services/shared/money.h"
#include "services/shared/names.h"
#include "services/shared/timestamp.h"

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

static Faregate__V1__BalanceSummary *balance(struct arena *arena, const struct booking_view *v,
                                             Faregate__V1__Booking__State state)
{
    bool owes = state == FAREGATE__V1__BOOKING__STATE__HELD ||
                state == FAREGATE__V1__BOOKING__STATE__CONFIRMING;
    Faregate__V1__BalanceSummary *b = arena_alloc(arena, sizeof *b);
    faregate__v1__balance_summary__init(b);
    b->due = money_message(arena, owes ? v->total_minor - v->captured_minor : 0, v->currency);
    b->authorized = money_message(arena, v->authorised_minor, v->currency);
    b->captured = money_message(arena, v->captured_minor, v->currency);
    b->refunded = money_message(arena, v->refunded_minor, v->currency);
    return b;
}

static void add_action(struct arena *arena, Faregate__V1__Booking *m,
                       Faregate__V1__AvailableAction__Action action, bool available,
                       const char *reason)
{
    Faregate__V1__AvailableAction *a = arena_alloc(arena, sizeof *a);
    faregate__v1__available_action__init(a);
    a->action = action;
    a->available = available;
    if (!available)
        a->reason = arena_dup(arena, str_of(reason));
    m->available_actions[m->n_available_actions++] = a;
}

/* What can be done now, so that clients need not know the state machine. */
static void actions(struct arena *arena, Faregate__V1__Booking *m)
{
    bool held = m->state == FAREGATE__V1__BOOKING__STATE__HELD;
    bool confirmed = m->state == FAREGATE__V1__BOOKING__STATE__CONFIRMED;
    const char *reason = m->state == FAREGATE__V1__BOOKING__STATE__CONFIRMING
                             ? "PAYMENT_IN_PROGRESS"
                             : "BOOKING_STATE";
    m->available_actions = arena_array(arena, 2, sizeof *m->available_actions);
    add_action(arena, m, FAREGATE__V1__AVAILABLE_ACTION__ACTION__PAY, held, reason);
    add_action(arena, m, FAREGATE__V1__AVAILABLE_ACTION__ACTION__CANCEL, held || confirmed, reason);
}

/* How many events there were, and whether the hold has lapsed, which is none. */
static char *etag_of(struct arena *arena, const struct booking_view *v)
{
    char *etag = arena_alloc(arena, TEXT_DECIMAL_MAX + sizeof "x"); /* zeroed */
    char *end = text_decimal(etag, (unsigned)v->event_count);
    if (v->lapsed)
        *end = 'x';
    return etag;
}

Faregate__V1__Booking *booking_changing(struct call *c, const struct booking_view *v)
{
    struct arena *arena = &c->arena;
    Faregate__V1__Booking *m = arena_alloc(arena, sizeof *m);
    faregate__v1__booking__init(m);
    m->name = name_make(arena, "bookings", v->booking_id);
    m->user = name_make(arena, "users", v->user_id);
    m->record_locator = arena_alloc(arena, LOCATOR_LEN + 1);
    locator_format(app_of(c)->reference->locator_key, v->serial, m->record_locator);
    m->state = v->lapsed ? FAREGATE__V1__BOOKING__STATE__EXPIRED : booking_state_of(v->state);
    m->state_reason =
        v->lapsed ? arena_dup(arena, STR("HOLD_EXPIRED")) : arena_dup(arena, v->state_reason);
    m->balance = balance(arena, v, m->state);
    if (m->state == FAREGATE__V1__BOOKING__STATE__HELD) {
        m->payment_required_time = timestamp_of_us(arena, v->due_us);
        m->price_guarantee_expire_time = m->payment_required_time;
    }
    if (!uuid_is_nil(v->intent_id))
        m->payment_intent =
            name_make_child(arena, "bookings", v->booking_id, "paymentIntents", v->intent_id);
    m->etag = etag_of(arena, v);
    m->create_time = timestamp_of_us(arena, v->create_us);
    m->update_time = timestamp_of_us(arena, v->update_us);
    actions(arena, m);
    return m;
}

struct str booking_bytes(struct call *c, const struct booking_view *v,
                         const Faregate__V1__Booking *changing)
{
    size_t changing_bytes = faregate__v1__booking__get_packed_size(changing);
    size_t bytes = v->snapshot.n + v->passengers.n + changing_bytes;
    uint8_t *p = arena_alloc(&c->arena, bytes);
    memcpy(p, v->snapshot.p, v->snapshot.n);
    memcpy(p + v->snapshot.n, v->passengers.p, v->passengers.n);
    CHECK(faregate__v1__booking__pack(changing, p + v->snapshot.n + v->passengers.n) ==
          changing_bytes);
    return (struct str){.p = (const char *)p, .n = bytes};
}
