/* ListBookingEvents: the append-only history, oldest first. The page token carries the last
 * sequence sent. */
#include "services/booking/internal.h"
#include "services/shared/names.h"
#include "services/shared/page_token.h"
#include "services/shared/timestamp.h"

#define PAGE_STANDARD 50
#define PAGE_MAX 200

struct list_events {
    struct uuid booking_id;
    uint32_t page_size;
    struct booking_owner_row booking;
    struct booking_events_rows rows;
};

static enum step read_rows(struct call *c)
{
    struct list_events *s = c->state;
    const Faregate__V1__ListBookingEventsRequest *req = call_request(c);
    int32_t after = 0;
    bool found;
    if (!name_take(c, "parent", req->parent, "bookings/{uuid}", &s->booking_id) ||
        !page_token_open(c, req->page_token, sizeof after, &after, &found))
        return STEP_DONE;
    s->page_size = page_size(req->page_size, PAGE_STANDARD, PAGE_MAX);
    booking_owner(c, &s->booking, s->booking_id);
    booking_events(c, &s->rows, s->booking_id, found ? after : 0, (int32_t)s->page_size + 1);
    return STEP_NEXT;
}

static Faregate__V1__BookingEvent__Type event_type(struct str name)
{
    const ProtobufCEnumValue *v = protobuf_c_enum_descriptor_get_value_by_name(
        &faregate__v1__booking_event__type__descriptor, name.p);
    return v ? (Faregate__V1__BookingEvent__Type)v->value
             : FAREGATE__V1__BOOKING_EVENT__TYPE__TYPE_UNSPECIFIED;
}

static char *subject_name(struct call *c, struct uuid booking_id,
                          const struct booking_events_row *row)
{
    const char *kind = str_starts(row->type, STR("PAYMENT_"))        ? "paymentIntents"
                       : str_starts(row->type, STR("CANCELLATION_")) ? "cancellations"
                                                                     : "refunds";
    return name_make_child(&c->arena, "bookings", booking_id, kind, row->subject);
}

static enum step answer(struct call *c)
{
    struct list_events *s = c->state;
    if (!s->booking.found || !booking_may_read(c, s->booking.user_id))
        return call_fail(c, REASON_NOT_FOUND);
    Faregate__V1__ListBookingEventsResponse m = FAREGATE__V1__LIST_BOOKING_EVENTS_RESPONSE__INIT;
    size_t count = s->rows.count < s->page_size ? s->rows.count : s->page_size;
    m.events = arena_array(&c->arena, count + 1, sizeof *m.events);
    for (; m.n_events < count; m.n_events++) {
        const struct booking_events_row *row = &s->rows.rows[m.n_events];
        Faregate__V1__BookingEvent *e = arena_alloc(&c->arena, sizeof *e);
        faregate__v1__booking_event__init(e);
        e->name = arena_printf(&c->arena, "%s/events/%d",
                               name_make(&c->arena, "bookings", s->booking_id), row->sequence);
        e->sequence = row->sequence;
        e->type = event_type(row->type);
        e->actor = arena_dup(&c->arena, row->actor);
        e->occur_time = timestamp_of_us(&c->arena, row->occur_time);
        if (row->has_before)
            e->before = booking_state_of(row->before);
        e->after = booking_state_of(row->state);
        if (row->has_reason)
            e->reason = arena_dup(&c->arena, row->reason);
        if (row->has_subject)
            e->subject = subject_name(c, s->booking_id, row);
        m.events[m.n_events] = e;
    }
    if (s->rows.count > count && count > 0)
        m.next_page_token = page_token_seal(c, &s->rows.rows[count - 1].sequence, sizeof(int32_t));
    return call_reply(c, &m.base);
}

static const struct step_def steps[] = {
    STEP(read_rows),
    STEP(answer),
};

const struct rpc_handler booking_list_booking_events = {
    .method = "ListBookingEvents",
    RPC_STEPS(steps, struct list_events),
};
